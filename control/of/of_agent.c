// The agent as a whole: its connections, packet-ins from workers, time, and what becomes of frames
// when no controller is there.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of_conn_priv.h"
#include "weir_log.h"

enum {
	PACKET_INS = 32,	   // of one go
	TICK_ROUNDS = 32,	   // goes of one tick
	PROMISE_SOON_NS = 2000000, // a promise that waits is looked at in each turn of the loop,
	PROMISE_NS = 1000000,	   // and after that time only so often: a worker is stuck
	SECOND_NS = 1000000000,
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void mode_set(struct of_agent *a, bool tables_on, const char *why)
{
	struct weir_err err;

	if (a->tables_on == tables_on)
		return;
	if (dp_of_set_mode(a->p.of, tables_on ? DP_OF_TABLES : DP_OF_OFF, &err) < 0) {
		weir_log(WEIR_ERROR, "openflow: %s", err.text); // the next tick tries again
		return;
	}
	a->tables_on = tables_on;
	weir_log(WEIR_NOTICE, "openflow: %s: %s", why,
		 tables_on ? "frames walk the tables" : "frames are forwarded by MAC addresses");
}

static bool has_controller(const struct of_agent *a)
{
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		const struct of_conn *c = a->conns[i];

		if (c != NULL && !c->p.service && c->info.up && !c->over)
			return true;
	}
	return false;
}

// returns when it is to be looked at again
static uint64_t loss_look(struct of_agent *a)
{
	uint64_t loss_ns = (uint64_t)a->p.loss_s * SECOND_NS;
	bool is_there = has_controller(a);

	// Whatever the mode: a change to standalone counts from here.
	if (is_there) {
		a->had_controller = true;
		a->lost_ns = a->now_ns;
	}
	if (a->p.fail_mode != OF_FAIL_STANDALONE || loss_ns == 0) {
		mode_set(a, true, "fail-mode secure, or no controller is configured");
		return UINT64_MAX;
	}
	if (is_there) {
		mode_set(a, true, "a controller is there");
		return UINT64_MAX;
	}
	if (a->had_controller && a->now_ns - a->lost_ns < loss_ns)
		return a->lost_ns + loss_ns;
	mode_set(a, false, "no controller is there");
	return UINT64_MAX;
}

// returns whether more may wait
static bool packet_ins_take(struct of_agent *a)
{
	struct dp_of_packet_in p[PACKET_INS];

	for (uint32_t round = 0; round < TICK_ROUNDS; round++) {
		uint32_t n = dp_of_packet_ins(a->p.of, p, PACKET_INS);

		for (uint32_t i = 0; i < n; i++) {
			of_async_packet_in(a, &p[i]);
			dp_of_packet_in_free(&p[i]);
		}
		if (n < PACKET_INS)
			return false;
	}
	return true;
}

// When a promise is to be looked at again. Workers answer within a nap of theirs, and a timer of
// the loop is coarser than that.
static uint64_t promises_look(const struct of_agent *a)
{
	uint64_t next = UINT64_MAX;

	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		const struct of_conn *c = a->conns[i];

		if (c == NULL || !c->promised)
			continue;
		if (a->now_ns - c->promise_ns < PROMISE_SOON_NS)
			return a->now_ns;
		next = a->now_ns + PROMISE_NS;
	}
	return next;
}

bool of_agent_is_waiting(const struct of_agent *a)
{
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		if (a->conns[i] != NULL && a->conns[i]->promised)
			return true;
	}
	return false;
}

uint64_t of_agent_tick(struct of_agent *a, uint64_t now_ns)
{
	uint64_t next;

	a->now_ns = now_ns;
	next = packet_ins_take(a) ? now_ns : UINT64_MAX;
	next = earlier(next, of_msg_tick(a, now_ns));
	if (a->staged)
		of_publish(a);
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		if (a->conns[i] != NULL)
			next = earlier(next, of_conn_tick(a->conns[i]));
	}
	next = earlier(next, loss_look(a));
	return earlier(next, promises_look(a));
}

enum dp_of_mode of_agent_mode(const struct of_agent *a)
{
	return a->tables_on ? DP_OF_TABLES : DP_OF_OFF;
}

int of_agent_create(const struct of_agent_params *p, struct of_agent **out, struct weir_err *err)
{
	struct of_agent *a = calloc(1, sizeof(*a));
	int rc;

	*out = NULL;
	if (a == NULL)
		return weir_err_set(err, -ENOMEM, "openflow: out of memory");
	a->p = *p;
	rc = of_msg_create(a);
	if (rc < 0) {
		free(a);
		return weir_err_set(err, rc, "openflow: out of memory");
	}
	*out = a;
	return 0;
}

void of_agent_configure(struct of_agent *a, const struct of_agent_params *p)
{
	const struct of_agent_params was = a->p;

	a->p = *p;
	a->p.max_groups = was.max_groups;
	a->p.max_meters = was.max_meters;
}

uint64_t of_agent_outs_dropped(const struct of_agent *a)
{
	return a->n_outs_dropped;
}

void of_agent_destroy(struct of_agent *a)
{
	if (a == NULL)
		return;
	of_msg_destroy(a);
	free(a);
}
