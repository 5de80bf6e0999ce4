// Each allocation of the agent and of the datapath's OpenFlow fails once, in a conversation of all
// messages that change something or allocate: what failed is told, nothing of it happened, nothing
// leaks, and afterwards all goes as it would have.
#include "of_rig.h"

#include <stdlib.h>

#include "of_build.h"
#include "of_conn_priv.h"
#include "of_ops.h"
#include "of_script.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *p);
void *__real_rte_zmalloc(const char *type, size_t size, unsigned align);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void __wrap_free(void *p);
void *__wrap_rte_zmalloc(const char *type, size_t size, unsigned align);

static bool counts;	// is it the conversation's turn?
static uint32_t n_left; // allocations until one fails; 0 = none does
static uint32_t n_allocs;
static int64_t n_live;

static bool fails(void)
{
	n_allocs += counts;
	return counts && n_left > 0 && --n_left == 0;
}

static void *got(void *p)
{
	n_live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : got(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : got(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	if (fails())
		return NULL;
	return p == NULL ? got(__real_realloc(p, size)) : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : got(__real_aligned_alloc(align, size));
}

void __wrap_free(void *p)
{
	n_live -= p != NULL;
	__real_free(p);
}

void *__wrap_rte_zmalloc(const char *type, size_t size, unsigned align)
{
	return fails() ? NULL : __real_rte_zmalloc(type, size, align);
}

// --- The conversation

static struct of_agent *agent;
static struct of_conn *conn;

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x9e3779b97f4a7c15 ^ h >> 31;
}

// What is configured: flows, groups, meters and their parts.
static uint64_t state_sum(void)
{
	uint64_t h = 1;
	const struct of_group *g = of_group_from(agent, 0);
	const struct of_meter *m = of_meter_from(agent, 0);

	for (uint8_t t = 0; t < DP_FLOW_TABLES; t++) {
		const struct of_flow *f;
		uint32_t at = 0;
		uint64_t sum = 0;

		while ((f = of_flow_next(agent, t, &at)) != NULL) {
			uint64_t one = mix(mix(t, f->cookie), f->priority);

			for (uint32_t i = 0; i < (uint32_t)f->match_size + f->inst_size; i++)
				one = mix(one, f->wire[i]);
			sum += one;
		}
		h = mix(h, sum);
	}
	for (; g != NULL; g = of_group_from(agent, g->id + 1)) {
		h = mix(mix(mix(h, g->id), g->n_flows), g->n_groups);
		for (uint32_t i = 0; i < g->size; i++)
			h = mix(h, g->wire[i]);
	}
	for (; m != NULL; m = of_meter_from(agent, m->id + 1)) {
		h = mix(mix(h, m->id), m->n_flows);
		for (uint32_t i = 0; i < m->size; i++)
			h = mix(h, m->wire[i]);
	}
	return h;
}

// returns whether it said an error, or the connection is over
static bool hear(void)
{
	bool is_error = of_conn_over(conn);
	size_t size, at = 0;
	const uint8_t *p = of_conn_output(conn, &size);

	while (at + 8 <= size) {
		is_error |= p[at + 1] == OF13_TYPE_ERROR;
		at += of_be16(p + at + 2);
	}
	of_conn_sent(conn, size);
	return is_error;
}

static void settle(void)
{
	for (uint32_t i = 0; i < 2; i++) {
		mem_turns(1000, 1000);
		dp_switch_housekeep(sw, now_ns);
		of_agent_tick(agent, now_ns);
	}
}

static void conn_open(void)
{
	const struct of_conn_params p = { .name = "test" };
	static struct hex h;
	bool was = counts;

	counts = false;
	of_conn_close(conn);
	assert_int_equal(of_conn_open(agent, &p, now_ns, &conn), 0);
	hex_list(&h, of_script[0]);
	assert_int_equal(of_conn_input(conn, h.b, h.n, now_ns), h.n);
	hear();
	counts = was;
}

static void say(uint32_t i)
{
	static struct hex h;
	int rc;

	hex_list(&h, of_script[i]);
	if (h.n != of_be16(h.b + 2))
		fail_msg("message %u: %zu bytes", i, h.n);
	counts = true;
	rc = of_conn_input(conn, h.b, h.n, now_ns);
	counts = false;
	assert_true(rc == -EPROTO || rc == (int)h.n);
}

// returns whether an allocation failed; what then is wrong fails the test
static bool converse(uint32_t n)
{
	static uint64_t states[OF_N_SCRIPT]; // after each message, when nothing fails
	bool failed = false;

	n_left = n;
	n_allocs = 0;
	states[0] = n == 0 ? state_sum() : states[0];
	for (uint32_t i = 1; i < OF_N_SCRIPT; i++) {
		bool armed = n_left > 0, told;

		say(i);
		settle();
		told = hear();
		if (n == 0)
			states[i] = state_sum();
		if (n == 0 && told)
			fail_msg("message %u: %s", i, conn->info.last_error);
		if (armed && n_left == 0) {
			uint64_t sum = state_sum();
			bool over = of_conn_over(conn);

			failed = true;
			if (sum != states[i - 1] && sum != states[i])
				fail_msg("message %u, allocation %u: half done", i, n);
			if (!over && sum != states[told ? i - 1 : i])
				fail_msg("message %u, allocation %u: %s", i, n,
					 told ? "refused and done" : "nothing done or told");
			if (of_conn_over(conn))
				conn_open();
			if (i < OF_N_SCRIPT - 3 && n % 16 != 0)
				return true; // to the end only each 16th time: it takes long
		}
	}
	n_left = 0;
	return failed;
}

static void begin(void)
{
	struct of_agent_params p = {
		.sw = sw, .of = of, .max_flows = 1000, .max_groups = 64, .max_meters = 64
	};
	struct weir_err err;

	conn = NULL;
	assert_int_equal(of_agent_create(&p, &agent, &err), 0);
	conn_open();
}

static void finish(void)
{
	for (uint32_t i = OF_N_SCRIPT - 3; i < OF_N_SCRIPT; i++)
		say(i); // all goes
	settle();
	hear();
	assert_null(of_group_from(agent, 0));
	assert_null(of_meter_from(agent, 0));
	settle();
	assert_int_equal(agent->n_bytes, 0);
	of_conn_close(conn);
	of_agent_destroy(agent);
	for (uint32_t i = 0; i < 4; i++) {
		mem_turns(2000, 1000);
		dp_switch_housekeep(sw, now_ns);
	}
}

static void converse_all(void)
{
	uint32_t n_all;

	of_make("abc", 1, DP_VLAN_ACCESS);
	for (uint32_t i = 0; i < 2; i++) { // the second time what stays is there already
		begin();
		assert_false(converse(0));
		finish();
	}
	n_all = n_allocs;
	assert_in_range(n_all, 100, 5000);
	for (uint32_t n = 1; n <= n_all; n++) {
		begin();
		assert_true(converse(n) || n > n_all - 20);
		finish();
	}
	of_end();
}

static void every_allocation_may_fail(void **state)
{
	int64_t before;

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS); // DPDK's own, once
	of_end();
	before = n_live;
	converse_all();
	assert_int_equal(n_live - before, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
