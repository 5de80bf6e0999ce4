// How flows end: timeouts, groups and meters that go, and what is told of it.
//
// Timeouts stand in a wheel whose slots are 134 ms; a flow is looked at when its slot's turn has
// come and its deadline is there, which costs O(1) per flow and timeout. Idle flows are not moved
// while they are used: at the deadline the last use says when to look again.
#include "of_tables.h"

#include <stdlib.h>

enum { DUE_AT_ONCE = 4096, TELL_AT_ONCE = 4096 };
#define NS 1000000000ull
#define SETTLE_NS 1000000ull // until it is asked again whether workers have seen a version

// --- The wheel

// When the flow would end if nothing used it from now on; UINT64_MAX = never.
static uint64_t deadline(const struct of_flow *f, uint64_t used_ns, uint8_t *reason)
{
	uint64_t from = used_ns > f->created_ns ? used_ns : f->created_ns;
	uint64_t idle = f->idle_s == 0 ? UINT64_MAX : from + f->idle_s * NS;
	uint64_t hard = f->hard_s == 0 ? UINT64_MAX : f->created_ns + f->hard_s * NS;

	*reason = hard <= idle ? OF13_FLOW_REMOVED_REASON_HARD_TIMEOUT
			       : OF13_FLOW_REMOVED_REASON_IDLE_TIMEOUT;
	return hard <= idle ? hard : idle;
}

static void push(struct of_flow **head, struct of_flow *f)
{
	f->next = *head;
	f->prev = head;
	if (f->next != NULL)
		f->next->prev = &f->next;
	*head = f;
}

static void schedule(struct of_agent *a, struct of_flow *f, uint64_t when_ns)
{
	struct of_tables *t = a->tables;
	uint64_t tick = (when_ns >> OF_WHEEL_SHIFT) + 1;

	if (tick <= t->tick)
		tick = t->tick + 1;
	f->tick = tick;
	push(&t->wheel[tick % OF_WHEEL_SLOTS], f);
}

void of_wheel_add(struct of_agent *a, struct of_flow *f)
{
	uint8_t reason;
	uint64_t when = deadline(f, 0, &reason);

	if (when == UINT64_MAX)
		return;
	if (a->tables->n_timed++ == 0) // nothing was there to be missed
		a->tables->tick = a->now_ns >> OF_WHEEL_SHIFT;
	schedule(a, f, when);
}

static void unlink_flow(struct of_flow *f)
{
	*f->prev = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	f->prev = NULL;
	f->next = NULL;
}

void of_wheel_remove(struct of_agent *a, struct of_flow *f)
{
	if (f->prev == NULL)
		return;
	unlink_flow(f);
	a->tables->n_timed--;
}

static void look(struct of_agent *a, struct of_flow *f)
{
	struct dp_of_count n;
	uint8_t reason;
	uint64_t when;

	dp_of_flow_count(a->p.of, f->dp, &n);
	when = deadline(f, n.used_ns, &reason);
	unlink_flow(f);
	schedule(a, f, when); // where it stays if there is no memory to end it
	if (when <= a->now_ns)
		(void)!of_flow_end(a, f, reason);
}

// The slot's flows whose tick has come.
static void take_due(struct of_tables *t)
{
	struct of_flow *f = t->wheel[t->tick % OF_WHEEL_SLOTS];

	while (f != NULL) {
		struct of_flow *next = f->next;

		if (f->tick <= t->tick) {
			unlink_flow(f);
			push(&t->due, f);
		}
		f = next;
	}
}

// returns whether some are left for the next time
static bool expire(struct of_agent *a)
{
	struct of_tables *t = a->tables;
	uint64_t now = a->now_ns >> OF_WHEEL_SHIFT;
	uint32_t n = 0;

	if (t->n_timed == 0)
		return false;
	while (n < DUE_AT_ONCE && (t->due != NULL || t->tick < now)) {
		if (t->due == NULL) {
			t->tick++;
			take_due(t);
			continue;
		}
		look(a, t->due);
		n++;
	}
	while (!of_journal_settle(a))
		;
	return t->due != NULL;
}

// --- Groups and meters that go

struct naming {
	uint32_t group;
};

static bool names_group(void *arg, bool is_port, uint32_t number)
{
	uint32_t group = ((struct naming *)arg)->group;

	return !is_port && (number == group || group == OF13_GROUP_ALL);
}

static int end_if_named(struct of_agent *a, struct of_flow *f, void *arg)
{
	if (!f->refers || !of_instructions_refer(of_flow_instructions(f), names_group, arg))
		return 0;
	return of_flow_end(a, f, OF13_FLOW_REMOVED_REASON_GROUP_DELETE);
}

int of_flow_end_group(struct of_agent *a, uint32_t group)
{
	struct naming x = { group };

	return of_flow_walk(a, 0, DP_FLOW_TABLES - 1, end_if_named, &x);
}

static int end_if_metered(struct of_agent *a, struct of_flow *f, void *arg)
{
	uint32_t meter = *(const uint32_t *)arg;

	if (f->meter == 0 || (f->meter != meter && meter != OF13_METER_ALL))
		return 0;
	return of_flow_end(a, f, OF13_FLOW_REMOVED_REASON_METER_DELETE);
}

int of_flow_end_meter(struct of_agent *a, uint32_t meter)
{
	return of_flow_walk(a, 0, DP_FLOW_TABLES - 1, end_if_metered, &meter);
}

// --- Flow-removed

struct removed {
	const struct of_flow *f;
	struct dp_of_count n;
	uint64_t now_ns;
};

// 1.3 has no word for a meter that went.
static uint8_t reason_for(const struct of_flow *f, uint8_t version)
{
	return version < OF14_VERSION && f->reason == OF13_FLOW_REMOVED_REASON_METER_DELETE
		       ? OF13_FLOW_REMOVED_REASON_DELETE
		       : f->reason;
}

static void build_removed(struct of_buf *b, uint8_t version, uint32_t xid, void *arg)
{
	const struct removed *r = arg;
	const struct of_flow *f = r->f;
	uint64_t age_ns = r->now_ns - f->created_ns;
	struct of13_flow_removed m = {
		.version = version,
		.xid = xid,
		.cookie = f->cookie,
		.priority = f->priority,
		.reason = reason_for(f, version),
		.table_id = f->table,
		.duration_sec = (uint32_t)(age_ns / NS),
		.duration_nsec = (uint32_t)(age_ns % NS),
		.idle_timeout = f->idle_s,
		.hard_timeout = f->hard_s,
		.packet_count = r->n.n_pkts,
		.byte_count = r->n.n_bytes,
		.match = of_flow_match(f),
	};

	of13_flow_removed_put(b, &m);
}

static void tell(struct of_agent *a, const struct of_flow *f)
{
	struct removed r = { .f = f, .now_ns = a->now_ns };

	if ((f->flags & OF13_FLOW_MOD_FLAG_SEND_FLOW_REM) == 0)
		return;
	of_flow_count(a, f, &r.n);
	of_async_send(a, OF_ASYNC_FLOW_REMOVED, reason_for(f, OF13_VERSION), build_removed, &r);
}

void of_flow_published(struct of_agent *a)
{
	struct of_tables *t = a->tables;

	if (t->fresh == NULL)
		return;
	t->fresh->version = a->published; // those behind it have 0: the same
	*t->ended_end = t->fresh;
	t->ended_end = t->fresh_end;
	t->fresh = NULL;
	t->fresh_end = &t->fresh;
}

// Those that no worker counts any more are told of, and go. returns whether some are left
static bool bury(struct of_agent *a)
{
	struct of_tables *t = a->tables;

	for (uint32_t n = 0; n < TELL_AT_ONCE && t->ended != NULL; n++) {
		struct of_flow *f = t->ended;

		if (f->version != 0)
			t->bury_version = f->version;
		if (!dp_of_settled(a->p.of, t->bury_version))
			return true;
		tell(a, f);
		t->ended = f->next;
		if (t->ended == NULL)
			t->ended_end = &t->ended;
		dp_of_flow_free(a->p.of, f->dp);
		of_flow_drop(a, f);
	}
	return t->ended != NULL;
}

uint64_t of_flow_tick(struct of_agent *a)
{
	bool hurry = expire(a);

	of_publish(a);
	if (bury(a) || hurry)
		return a->now_ns + SETTLE_NS;
	if (a->tables->n_timed == 0)
		return UINT64_MAX;
	return a->now_ns + (1ull << OF_WHEEL_SHIFT);
}

// --- All of it

struct of_compile *of_scratch(struct of_agent *a)
{
	return &a->tables->compile;
}

int of_tables_create(struct of_agent *a)
{
	struct of_tables *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < DP_FLOW_TABLES; i++)
		t->t[i].hole = NO_HOLE;
	t->fresh_end = &t->fresh;
	t->ended_end = &t->ended;
	a->tables = t;
	return 0;
}

static void free_list(struct of_agent *a, struct of_flow *f)
{
	while (f != NULL) {
		struct of_flow *next = f->next;

		dp_of_flow_free(a->p.of, f->dp);
		of_flow_drop(a, f);
		f = next;
	}
}

void of_tables_destroy(struct of_agent *a)
{
	struct of_tables *t = a->tables;

	if (t == NULL)
		return;
	for (uint8_t i = 0; i < DP_FLOW_TABLES; i++) {
		struct of_flow *f;
		uint32_t at = 0;

		while ((f = of_flow_next(a, i, &at)) != NULL) {
			dp_of_flow_end(a->p.of, f->dp);
			dp_of_flow_free(a->p.of, f->dp);
			of_flow_drop(a, f);
		}
		free(t->t[i].slots);
	}
	free_list(a, t->fresh);
	free_list(a, t->ended);
	dp_of_publish(a->p.of);
	free(t);
	a->tables = NULL;
}
