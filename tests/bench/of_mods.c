// How long OpenFlow messages about very many flows hold the main thread: the longest turn (bytes
// taken, a tick, or housekeeping) of each kind, in ms of processor time.
//
//   weir-of-mods [FLOWS]             adds, changes, deletions, bundles
//   weir-of-mods FLOWS overlap       adds that may not overlap what is there
#include "of_rig.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent_priv.h"
#include "of_build.h"

enum { GROUP = 1, PIECE = 65536 };

static struct of_agent *agent;
static struct of_conn *conn;
enum kind { INPUT, TICK, HOUSEKEEP, KINDS };
static double longest[KINDS], whole;
static uint32_t n_errors;

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void turn_end(enum kind kind, double since)
{
	double ms = cpu_ms() - since;

	longest[kind] = ms > longest[kind] ? ms : longest[kind];
	whole += ms;
}

static void heard(void)
{
	size_t size, at = 0;
	const uint8_t *p = of_conn_output(conn, &size);

	for (; at + 8 <= size; at += (size_t)(p[at + 2] << 8 | p[at + 3])) {
		if (p[at + 1] == OF13_TYPE_ERROR && n_errors++ == 0)
			fprintf(stderr, "error %u %u\n", p[at + 9], p[at + 11]);
	}
	of_conn_sent(conn, size);
}

static void tick(void)
{
	double t;

	mem_turns(10000, 1000);
	t = cpu_ms();
	dp_switch_housekeep(sw, now_ns);
	turn_end(HOUSEKEEP, t);
	t = cpu_ms();
	of_agent_tick(agent, now_ns);
	turn_end(TICK, t);
	heard();
}

// As a socket would, with ticks between; what comes of it afterwards is part of it.
static void feed(const char *name, struct of_buf *b)
{
	size_t at = 0;

	memset(longest, 0, sizeof(longest));
	whole = 0;
	while (at < b->size) {
		size_t n = b->size - at < PIECE ? b->size - at : PIECE;
		double t = cpu_ms();
		int rc = of_conn_input(conn, b->data + at, n, now_ns);

		turn_end(INPUT, t);
		assert_true(rc >= 0);
		at += (size_t)rc;
		tick();
	}
	for (uint32_t i = 0; i < 400 || agent->txn.is_open; i++)
		tick();
	printf("%-28s input %6.1f  tick %6.1f  housekeeping %6.1f  in all %8.1f ms\n", name,
	       longest[INPUT], longest[TICK], longest[HOUSEKEEP], whole);
	b->size = 0;
}

struct flow {
	uint32_t n, group, cookie_mask;
	uint32_t n_masks, n_priorities; // 0 = one
	uint16_t flags, priority;
	uint8_t command, mask_bits;
};

static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 32;
}

// One of many masks that have nothing in common, with values of the flow's own.
static void put_masked(struct of_buf *match, const struct flow *f)
{
	static const struct {
		uint32_t oxm;
		uint64_t bits;
	} fields[] = { { OF13_OXM_ETH_DST, 0xffffffffffff },
		       { OF13_OXM_ETH_SRC, 0xffffffffffff },
		       { OF13_OXM_IPV4_SRC, 0xffffffff } };

	for (uint32_t i = 0; i < 3; i++) {
		uint64_t which = (uint64_t)(f->n % f->n_masks + 1) << 8 | i;
		uint64_t mask = (mixed(which) | mixed(which << 32)) & fields[i].bits;

		of13_oxm_put_number(match, fields[i].oxm, mixed((uint64_t)f->n << 8 | i) & mask,
				    mask);
	}
}

static void put(struct of_buf *b, const struct flow *f)
{
	struct of13_action a = { .type = OF13_ACTION_OUTPUT };
	struct of13_instruction i = { .type = OF13_INSTRUCTION_APPLY_ACTIONS };
	struct of13_flow_mod m = {
		FLOW_MOD,
		.xid = f->n,
		.command = f->command,
		.priority = (uint16_t)(f->priority +
				       (f->n_priorities == 0 ? 0 : f->n % f->n_priorities)),
		.cookie = f->n & 3,
		.cookie_mask = f->cookie_mask,
		.flags = f->flags
	};
	struct of_buf actions = { 0 }, instructions = { 0 }, match = { 0 };

	a.output.port = 2;
	if (f->group != 0) {
		a.type = OF13_ACTION_GROUP;
		a.group.group_id = f->group;
	}
	of13_action_put(&actions, &a);
	i.apply_actions.actions = of_buf_list(&actions);
	of13_instruction_put(&instructions, &i);
	m.instructions = of_buf_list(&instructions);
	if (f->n != 0) {
		of13_oxm_put_number(&match, OF13_OXM_IN_PORT, 1, UINT64_MAX);
		of13_oxm_put_number(&match, OF13_OXM_ETH_TYPE, 0x0800, UINT64_MAX);
		if (f->n_masks > 0)
			put_masked(&match, f);
		else
			of13_oxm_put_number(&match, OF13_OXM_IPV4_DST, f->n,
					    f->mask_bits == 0 ? UINT64_MAX : f->mask_bits);
	}
	m.match = of_buf_list(&match);
	of13_flow_mod_put(b, &m);
	of_buf_fini(&actions);
	of_buf_fini(&instructions);
	of_buf_fini(&match);
}

static void one(const char *name, struct flow f)
{
	struct of_buf b = { 0 };

	put(&b, &f);
	feed(name, &b);
	of_buf_fini(&b);
}

static void many(const char *name, uint32_t n, struct flow f)
{
	struct of_buf b = { .max = UINT32_MAX };

	for (f.n = 1; f.n <= n; f.n++)
		put(&b, &f);
	feed(name, &b);
	of_buf_fini(&b);
}

static void group(const char *name, uint16_t command)
{
	struct of13_group_mod m = { .command = command, .group_id = GROUP };
	struct of_buf b = { 0 };

	of13_group_mod_put(&b, &m);
	feed(name, &b);
	of_buf_fini(&b);
}

static void bundle_control(struct of_buf *b, uint16_t type)
{
	struct of13_bundle_control m = { .bundle_id = 1, .type = type };

	of13_bundle_control_put(b, &m);
}

static void bundle(const char *name, uint32_t n, struct flow f, bool fails)
{
	struct of_buf b = { .max = UINT32_MAX }, inner = { 0 };
	struct of13_bundle_add m = { .bundle_id = 1 };

	bundle_control(&b, OF13_BUNDLE_CONTROL_OPEN_REQUEST);
	for (f.n = 1; f.n <= n; f.n++) {
		struct flow g = f;

		if (fails && f.n == n)
			g.group = 77; // there is no such group
		inner.size = 0;
		put(&inner, &g);
		m.xid = f.n;
		m.message = of_buf_list(&inner);
		of13_bundle_add_put(&b, &m);
	}
	feed("  (a bundle is filled)", &b);
	bundle_control(&b, OF13_BUNDLE_CONTROL_COMMIT_REQUEST);
	feed(name, &b);
	of_buf_fini(&b);
	of_buf_fini(&inner);
}

// Flows of which none overlaps another, and each is asked whether it does.
static void measure_overlap(uint32_t n)
{
	const struct flow del = { .command = OF13_FLOW_MOD_COMMAND_DELETE };
	struct flow f = { .priority = 100, .flags = OF13_FLOW_MOD_FLAG_CHECK_OVERLAP };

	many("overlap: one mask", n, f);
	one("delete all", del);
	bundle("overlap: a bundle of them", n, f, false);
	one("delete all", del);
	f.n_priorities = 1000;
	bundle("overlap: 1,000 priorities", n, f, false);
	one("delete all", del);
	f.n_priorities = 0;
	f.n_masks = 500;
	bundle("overlap: 500 masks", n, f, false);
	one("delete all", del);
}

static void measure(uint32_t n)
{
	const struct flow add = { .priority = 100, .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM };
	const struct flow to_group = { .priority = 100, .group = GROUP };
	const struct flow del = { .command = OF13_FLOW_MOD_COMMAND_DELETE };
	const uint32_t n_bundle = n < 400000 ? n : 400000; // what 64 MiB hold
	struct flow f;

	group("a group is made", OF13_GROUP_MOD_COMMAND_ADD);
	many("adds", n, add);
	many("adds again (replaces)", n, add);
	f = add;
	f.flags = OF13_FLOW_MOD_FLAG_CHECK_OVERLAP;
	f.n = n + 1;
	one("add, CHECK_OVERLAP", f);
	f = del;
	f.n = n + 1;
	one("delete: one, not strict", f);
	f.n = 1;
	f.mask_bits = 1; // all that are odd
	f.command = OF13_FLOW_MOD_COMMAND_MODIFY;
	one("modify: every second one", f);
	f = add;
	f.command = OF13_FLOW_MOD_COMMAND_MODIFY;
	one("modify all", f);
	f = del;
	f.n = 0;
	f.cookie_mask = 7;
	one("delete by cookie: a quarter", f);
	one("delete all", del);
	bundle("bundle of adds, undone", n_bundle, add, true);
	bundle("bundle of adds", n_bundle, to_group, false);
	group("group and its flows deleted", OF13_GROUP_MOD_COMMAND_DELETE);
	if (n_errors != 2) // the bundle's
		fprintf(stderr, "%u errors\n", n_errors);
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 100000;
	const struct of13_hello hello = { .xid = 1 };
	struct of_conn_params cp = { .name = "bench", .allow_14 = true };
	struct of_agent_params ap = { .max_flows = n + 1, .max_groups = 64, .max_meters = 64 };
	struct dp_of_params p = *of_params();
	struct of_buf b = { 0 };
	struct weir_err err;

	(void)mallopt(M_MXFAST, 0); // as the daemon does
	if (!mem_start())
		return 1;
	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	p.max_flows = n + 1;
	assert_int_equal(dp_of_create(sw, &p, &of, &err), 0);
	assert_int_equal(dp_of_set_mode(of, DP_OF_TABLES, &err), 0);
	ap.sw = sw;
	ap.of = of;
	assert_int_equal(of_agent_create(&ap, &agent, &err), 0);
	assert_int_equal(of_conn_open(agent, &cp, now_ns, &conn), 0);
	of13_hello_put(&b, &hello);
	assert_int_equal(of_conn_input(conn, b.data, b.size, now_ns), b.size);
	if (argc > 2 && strcmp(argv[2], "overlap") == 0)
		measure_overlap(n);
	else
		measure(n);
	of_buf_fini(&b);
	of_conn_close(conn);
	of_agent_destroy(agent);
	assert_int_equal(dp_of_set_mode(of, DP_OF_OFF, &err), 0);
	mem_turns(10000, 1000);
	dp_of_destroy(of);
	mem_ports_end();
	return 0;
}
