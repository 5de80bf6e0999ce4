// The whole agent on the datapath itself: bytes of a controller in, frames out, counters and
// flow-removed back. With a number of flows as argument it measures instead: flow-mods per second
// from bytes to published, a dump, a deletion, and memory.
#include "of_rig.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "of_ops.h"
#include "of_build.h"
#include "weir_rcu.h"

static struct of_agent *agent;
static struct of_conn *conn;

static void conn_open(void)
{
	struct of_conn_params cp = { .name = "test" };
	const struct of13_hello hello = { .xid = 1 };
	struct of_buf b = { 0 };

	assert_int_equal(of_conn_open(agent, &cp, now_ns, &conn), 0);
	of13_hello_put(&b, &hello);
	assert_int_equal(of_conn_input(conn, b.data, b.size, now_ns), b.size);
	of_buf_fini(&b);
}

static void agent_open(uint32_t max_flows)
{
	struct of_agent_params p = { .sw = sw, .of = of, .max_flows = max_flows };
	struct weir_err err;

	assert_int_equal(of_agent_create(&p, &agent, &err), 0);
	conn_open();
}

static void agent_close(void)
{
	of_conn_close(conn);
	of_agent_destroy(agent);
}

static void put_flow(struct of_buf *b, uint8_t command, uint32_t n, uint32_t in_port,
		     uint32_t out_port)
{
	struct of13_action a = { .type = OF13_ACTION_OUTPUT };
	struct of13_instruction i = { .type = OF13_INSTRUCTION_APPLY_ACTIONS };
	struct of13_flow_mod m = { FLOW_MOD, .xid = n, .command = command, .priority = 100,
				   .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM };
	struct of_buf actions = { 0 }, instructions = { 0 }, match = { 0 };

	a.output.port = out_port;
	a.output.max_len = 0xffff;
	of13_action_put(&actions, &a);
	i.apply_actions.actions = of_buf_list(&actions);
	of13_instruction_put(&instructions, &i);
	m.instructions = of_buf_list(&instructions);
	if (in_port != 0)
		of13_oxm_put_number(&match, OF13_OXM_IN_PORT, in_port, UINT64_MAX);
	if (n != 0) {
		of13_oxm_put_number(&match, OF13_OXM_ETH_TYPE, 0x0800, UINT64_MAX);
		of13_oxm_put_number(&match, OF13_OXM_IPV4_DST, n, UINT64_MAX);
	}
	m.match = of_buf_list(&match);
	of13_flow_mod_put(b, &m);
	of_buf_fini(&actions);
	of_buf_fini(&instructions);
	of_buf_fini(&match);
}

// All of it, as a socket would, with ticks between.
static void feed(const struct of_buf *b)
{
	size_t at = 0, size;

	while (at < b->size) {
		size_t n = b->size - at < 65536 ? b->size - at : 65536;
		int rc = of_conn_input(conn, b->data + at, n, now_ns);

		assert_true(rc >= 0);
		at += (size_t)rc;
		of_agent_tick(agent, now_ns);
		(void)of_conn_output(conn, &size);
	}
}

// Drops what it said; returns how many messages of that type it was.
static uint32_t heard(uint8_t type)
{
	uint32_t n = 0;
	size_t size;
	const uint8_t *p = of_conn_output(conn, &size);
	size_t at = 0;

	while (at + 8 <= size) {
		n += p[at + 1] == type;
		at += (size_t)(p[at + 2] << 8 | p[at + 3]);
	}
	of_conn_sent(conn, size);
	return n;
}

static void controllers_make_frames_go_and_stop(void **state)
{
	struct of_buf b = { 0 };
	const struct of13_barrier_request barrier = { .xid = 9 };

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	heard(0);
	put_flow(&b, 0, 0, 1, 2);
	of13_barrier_request_put(&b, &barrier);
	feed(&b);
	mem_turns(10000, 1000);
	dp_switch_housekeep(sw, now_ns);
	of_agent_tick(agent, now_ns);
	assert_int_equal(heard(OF13_TYPE_BARRIER_REPLY), 1);
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 100);
	b.size = 0;
	put_flow(&b, OF13_FLOW_MOD_COMMAND_DELETE, 0, 0, 1);
	feed(&b);
	for (uint32_t i = 0; i < 4; i++) {
		mem_turns(10000, 1000);
		dp_switch_housekeep(sw, now_ns);
		of_agent_tick(agent, now_ns);
	}
	assert_int_equal(heard(OF13_TYPE_FLOW_REMOVED), 1);
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 100);
	of_buf_fini(&b);
	agent_close();
	of_end();
}

// A barrier is for packet-outs, too, though no change of the tables came with them.
static void a_barrier_waits_for_packet_outs(void **state)
{
	const struct of13_barrier_request barrier = { .xid = 9 };
	struct of13_action a = { .type = OF13_ACTION_OUTPUT };
	struct of13_packet_out m = { .xid = 8,
				     .buffer_id = 0xffffffff,
				     .in_port = DP_OFPP_CONTROLLER };
	struct of_buf b = { 0 }, actions = { 0 };
	uint8_t frame[MEM_HEAD];

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	mem_turns(10000, 1000);
	heard(0);
	mem_head_fill(links[0], frame, 7);
	a.output.port = 2;
	of13_action_put(&actions, &a);
	m.actions = of_buf_list(&actions);
	m.data = (struct of_list){ frame, sizeof(frame) };
	of13_packet_out_put(&b, &m);
	of13_barrier_request_put(&b, &barrier);
	feed(&b);
	assert_int_equal(links[1]->taken, 0);
	assert_int_equal(heard(OF13_TYPE_BARRIER_REPLY), 0);
	mem_turns(10000, 1000);
	dp_switch_housekeep(sw, now_ns);
	of_agent_tick(agent, now_ns);
	assert_int_equal(links[1]->taken, 1);
	assert_int_equal(heard(OF13_TYPE_BARRIER_REPLY), 1);
	of_buf_fini(&b);
	of_buf_fini(&actions);
	agent_close();
	of_end();
}

enum { BUSY = 1 }; // a worker beside the one that turns

// It stands in the middle of a batch from one call to the next.
static void workers_turn(void)
{
	weir_rcu_report(sw->rcu, BUSY);
	mem_turns(10000, 1000);
	dp_switch_housekeep(sw, now_ns);
	of_agent_tick(agent, now_ns);
}

// What is in force at once has no version of its own: a worker in the middle of a batch may still
// act on what was before.
static void a_barrier_waits_for_what_is_in_force_at_once(void **state)
{
	const struct of13_barrier_request barrier = { .xid = 9 };
	const struct of13_set_config config = { .flags = OF13_CONFIG_FRAG_DROP };
	struct of13_meter_mod meter = { .flags = OF13_METER_FLAG_PKTPS, .meter_id = 1 };
	struct of13_port_mod port = { .port_no = 1, .config = 1, .mask = 1 };
	struct of_buf b = { 0 };

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	weir_rcu_join(sw->rcu, BUSY);
	workers_turn();
	memcpy(port.hw_addr, of_port_find(agent, 1)->mac, 6);
	for (uint32_t i = 0; i < 5; i++) {
		heard(0);
		b.size = 0;
		meter.command = i == 1 ? OF13_METER_MOD_COMMAND_DELETE : OF13_METER_MOD_COMMAND_ADD;
		if (i < 2)
			of13_meter_mod_put(&b, &meter);
		else if (i == 2)
			of13_port_mod_put(&b, &port);
		else if (i == 3)
			of13_set_config_put(&b, &config);
		of13_barrier_request_put(&b, &barrier);
		feed(&b);
		assert_int_equal(heard(OF13_TYPE_BARRIER_REPLY), i == 4);
		assert_int_equal(of_agent_is_waiting(agent), i != 4);
		workers_turn();
		assert_int_equal(heard(OF13_TYPE_BARRIER_REPLY), i != 4);
	}
	weir_rcu_leave(sw->rcu, BUSY);
	of_buf_fini(&b);
	agent_close();
	of_end();
}

static void put_bundle(struct of_buf *b, uint8_t command, uint32_t out_port)
{
	struct of13_bundle_add add = { .xid = 0, .bundle_id = 3 };
	const struct of13_bundle_control commit = { .xid = 4,
						    .bundle_id = 3,
						    .type = OF13_BUNDLE_CONTROL_COMMIT_REQUEST };
	struct of_buf inner = { 0 };

	put_flow(&inner, command, 0, 1, out_port);
	add.message = of_buf_list(&inner);
	of13_bundle_add_put(b, &add);
	of13_bundle_control_put(b, &commit);
	of_buf_fini(&inner);
}

// As after a barrier: who has the reply to a commit sends frames that meet the new rules, and is
// not read from before.
static void a_commit_is_answered_when_workers_act_on_it(void **state)
{
	struct of_conn *first, *other;
	struct of_buf b = { 0 };

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	first = conn;
	conn_open();
	other = conn;
	conn = first;
	weir_rcu_join(sw->rcu, BUSY);
	workers_turn();
	heard(0);
	put_bundle(&b, 0, 2);
	feed(&b);
	assert_int_equal(heard(OF13_TYPE_EXPERIMENTER), 0);
	assert_false(of_conn_wants_input(first));
	assert_true(of_conn_wants_input(other)); // main waits for nobody
	assert_true(of_agent_is_waiting(agent));
	workers_turn();
	assert_int_equal(heard(OF13_TYPE_EXPERIMENTER), 1);
	assert_true(of_conn_wants_input(first));
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 100);
	// Whose connection ends meanwhile gets nothing, and nothing waits for it.
	b.size = 0;
	put_bundle(&b, OF13_FLOW_MOD_COMMAND_DELETE, 2);
	feed(&b);
	assert_true(of_agent_is_waiting(agent));
	of_conn_close(first);
	assert_false(of_agent_is_waiting(agent));
	workers_turn();
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 100);
	weir_rcu_leave(sw->rcu, BUSY);
	conn = other;
	of_buf_fini(&b);
	agent_close();
	of_end();
}

static void slaves_do_not_configure_the_switch(void **state)
{
	struct of13_role_request role = { .xid = 1, .role = OF13_ROLE_SLAVE };
	struct of13_set_config config = { .xid = 2, .flags = OF13_CONFIG_FRAG_DROP };
	struct of_buf b = { 0 };

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	of13_role_request_put(&b, &role);
	of13_set_config_put(&b, &config);
	feed(&b);
	assert_false(dp_of_drops_fragments(of));
	b.size = 0;
	role.role = OF13_ROLE_MASTER;
	of13_role_request_put(&b, &role);
	of13_set_config_put(&b, &config);
	feed(&b);
	assert_true(dp_of_drops_fragments(of));
	of_buf_fini(&b);
	agent_close();
	of_end();
}

static uint64_t version_now(void)
{
	return atomic_load_explicit(&of->version, memory_order_relaxed);
}

// What touches many flows is done in many turns: meanwhile nobody is listened to and nothing is
// published, and then the others come before who asked.
static void a_long_change_takes_many_short_turns(void **state)
{
	struct of_conn *first, *other;
	struct of_buf b = { 0 };
	uint32_t n_turns = 0;
	uint64_t version;

	(void)state;
	of_make("abc", 1, DP_VLAN_ACCESS);
	agent_open(1000);
	first = conn;
	for (uint32_t i = 1; i <= 500; i++)
		put_flow(&b, 0, i, 1, 2);
	feed(&b);
	conn_open();
	other = conn;
	version = version_now();
	agent->slice = 100;
	b.size = 0;
	put_flow(&b, OF13_FLOW_MOD_COMMAND_DELETE, 0, 0, 1);
	assert_int_equal(of_conn_input(first, b.data, b.size, now_ns), b.size);
	while (agent->txn.is_open) {
		assert_int_equal(version_now(), version);
		assert_false(of_conn_wants_input(first) || of_conn_wants_input(other));
		assert_int_equal(of_conn_input(other, b.data, b.size, now_ns), 0);
		assert_int_equal(of_agent_tick(agent, now_ns), now_ns);
		n_turns++;
	}
	assert_true(n_turns >= 500 * (OF_WORK_LOOK + OF_WORK_CHANGE + OF_WORK_SETTLE) / 110);
	assert_int_equal(version_now(), version + 1);
	assert_int_equal(of_flow_active(agent, 0), 0);
	assert_true(of_conn_wants_input(other) && !of_conn_wants_input(first));
	of_agent_tick(agent, now_ns);
	assert_true(of_conn_wants_input(first));
	of_buf_fini(&b);
	of_conn_close(first);
	agent_close();
	of_end();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long resident_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

static int measure(uint32_t n_flows)
{
	struct of13_multipart_request q = {
		.type = OF13_MULTIPART_FLOW,
		.flow = { OF13_TABLE_ALL, OF13_PORT_ANY, OF13_GROUP_ANY, 0, 0, { 0 } }
	};
	struct dp_of_params p = *of_params();
	struct of_buf b = { .max = UINT32_MAX };
	struct weir_err err;
	double t, slowest = 0;
	uint32_t parts = 0;
	long before;

	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	p.max_flows = n_flows;
	assert_int_equal(dp_of_create(sw, &p, &of, &err), 0);
	agent_open(n_flows);
	for (uint32_t i = 1; i <= n_flows; i++)
		put_flow(&b, 0, i, 1, 2);
	before = resident_kib();
	t = seconds();
	feed(&b);
	t = seconds() - t;
	printf("%u flow-mods: %.0f/s, %ld bytes each\n", n_flows, n_flows / t,
	       (resident_kib() - before) * 1024 / n_flows);
	b.size = 0;
	of13_multipart_request_put(&b, &q);
	t = seconds();
	feed(&b);
	for (;;) {
		double slice = seconds();

		parts += heard(OF13_TYPE_MULTIPART_REPLY);
		if (!of_msg_busy(agent, conn))
			break;
		of_agent_tick(agent, now_ns);
		slice = seconds() - slice;
		slowest = slice > slowest ? slice : slowest;
	}
	printf("dump: %.3f s, %u messages, longest slice %.1f ms\n", seconds() - t, parts,
	       slowest * 1e3);
	b.size = 0;
	put_flow(&b, OF13_FLOW_MOD_COMMAND_DELETE, 0, 0, 2);
	t = seconds();
	feed(&b);
	printf("delete all: %.3f s\n", seconds() - t);
	of_buf_fini(&b);
	agent_close();
	dp_of_destroy(of);
	mem_ports_end();
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(controllers_make_frames_go_and_stop),
		cmocka_unit_test(a_barrier_waits_for_packet_outs),
		cmocka_unit_test(a_barrier_waits_for_what_is_in_force_at_once),
		cmocka_unit_test(a_commit_is_answered_when_workers_act_on_it),
		cmocka_unit_test(slaves_do_not_configure_the_switch),
		cmocka_unit_test(a_long_change_takes_many_short_turns),
	};

	if (!mem_start())
		return 1;
	if (argc > 1)
		return measure((uint32_t)strtoul(argv[1], NULL, 10));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
