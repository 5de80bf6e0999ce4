// What a controller's tables and packet-outs, and a guest's frames, can take of a worker, and what
// waits when OpenFlow goes off.
#include "of_rig.h"

static void out(uint32_t in_port)
{
	uint8_t frame[MEM_HEAD] = { 0 };

	mem_head_fill(links[0], frame, 7);
	assert_int_equal(
		dp_of_packet_out(of, in_port, of_p.p.ops, of_p.p.n_apply, frame, sizeof(frame)), 0);
}

// Nobody takes them any more, so nobody waits for them.
static void packet_outs_do_not_outlive_the_mode(void **state)
{
	struct weir_err err;
	uint64_t v;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_begin();
	of_out(2);
	out(1);
	assert_int_equal(dp_of_set_mode(of, DP_OF_OFF, &err), 0);
	v = dp_of_publish(of);
	of_send(0, 0);
	assert_true(dp_of_settled(of, v));
	assert_int_equal(links[1]->taken, 0);
	of_end();
}

// One packet-out has one budget, however often it walks the tables.
static void walks_of_a_packet_out_share_a_budget(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	for (uint32_t i = 0; i < 100; i++)
		of_out(2 + i % 2);
	of_add(0, 1);
	dp_of_publish(of);
	of_begin();
	for (uint32_t i = 0; i < DP_FLOW_PROG_MAX / sizeof(struct dp_flow_output); i++)
		of_out(DP_OFPP_TABLE);
	out(1);
	of_send(0, 0);
	assert_true(links[1]->taken + links[2]->taken <= DP_OF_SPARE_OUTPUTS + MEM_PORTS);
	assert_true(links[1]->taken > 50);
	of_end();
}

static void groups_without_a_live_bucket_cost_too(void **state)
{
	struct dp_of_bucket b = { .watch_port = 99, .watch_group = DP_OFPP_ANY };
	struct dp_of_count c;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_FAILOVER, &b, 1), 0);
	of_any();
	of_begin();
	for (uint32_t i = 0; i < DP_FLOW_PROG_MAX / sizeof(struct dp_flow_op); i++)
		of_op(DP_OP_GROUP, 8, 1);
	of_add(0, 1);
	dp_of_publish(of);
	of_send(0, 1);
	assert_int_equal(dp_of_group_count(of, 1, UINT32_MAX, &c), 0);
	assert_true(c.n_pkts <= DP_OF_SPARE_OUTPUTS + MEM_PORTS);
	of_end();
}

// 64 copies in a group, 8 levels deep: bounded, and all is accounted for.
static void nested_groups_are_bounded(void **state)
{
	static struct dp_of_bucket b[64];
	static struct dp_flow_op ops[64];

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_begin();
	of_out(2);
	for (uint32_t level = 1; level <= 8; level++) {
		for (uint32_t i = 0; i < 64; i++) {
			ops[i] = (struct dp_flow_op){ .kind = DP_OP_GROUP,
						      .size = sizeof(ops[i]),
						      .arg = level - 1 };
			b[i] = (struct dp_of_bucket){
				.watch_port = DP_OFPP_ANY,
				.watch_group = DP_OFPP_ANY,
				.ops = level == 1 ? of_p.p.ops : (uint8_t *)&ops[i],
				.n_ops = level == 1 ? of_p.p.n_apply : sizeof(ops[i])
			};
		}
		assert_int_equal(dp_of_group_set(of, level, DP_OF_ALL, b, 64), 0);
	}
	of_any();
	of_begin();
	of_op(DP_OP_GROUP, 8, 8);
	of_add(0, 1);
	dp_of_publish(of);
	of_send(0, 10);
	assert_true(links[1]->taken >= 10);
	assert_true(links[1]->taken <= 10 * (DP_OF_SPARE_OUTPUTS + MEM_PORTS));
	of_end();
}

// What is no output is work as well: frames for the controller, edits, floods to ports that are
// shut.
static void operations_of_one_frame_are_bounded(void **state)
{
	enum { LONG = DP_FLOW_PROG_MAX / sizeof(struct dp_flow_output) };
	static struct dp_of_bucket b[64];
	struct dp_of_punt_count n;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_begin();
	for (uint32_t i = 0; i < LONG; i++)
		of_out(DP_OFPP_CONTROLLER);
	for (uint32_t i = 0; i < 64; i++)
		b[i] = (struct dp_of_bucket){ .watch_port = DP_OFPP_ANY,
					      .watch_group = DP_OFPP_ANY,
					      .ops = of_p.p.ops,
					      .n_ops = of_p.p.n_apply };
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_ALL, b, 64), 0);
	of_any();
	of_begin();
	of_op(DP_OP_GROUP, 8, 1);
	of_add(0, 1);
	dp_of_publish(of);
	of_send(0, 1);
	dp_of_punt_count(of, &n);
	assert_in_range(n.n_sent + n.n_over_rate + n.n_full + n.n_no_mbuf, LONG,
			DP_OF_WORK / sizeof(struct dp_flow_output));
	of_end();
}

// What is said of LOCAL is not said of the controller's own frames.
static void the_controller_is_no_port(void **state)
{
	struct dp_of_packet_in p[4];

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	assert_int_equal(dp_of_port_config(of, DP_OFPP_LOCAL, DP_OFPPC_NO_PACKET_IN), 0);
	of_any();
	of_begin();
	of_out(DP_OFPP_CONTROLLER);
	of_add(0, 0);
	dp_of_publish(of);
	of_begin();
	of_out(DP_OFPP_TABLE);
	out(DP_OFPP_CONTROLLER);
	of_send(0, 0);
	assert_int_equal(dp_of_packet_ins(of, p, 4), 1);
	dp_of_packet_in_free(&p[0]);
	of_end();
}

// --- Headers where what is looked at ends

// IPv6 with options of n_ext bytes, and UDP behind them.
static void put_deep(uint32_t n_ext, uint16_t dport)
{
	const uint32_t size = 14 + 40 + n_ext + 40;
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)size);
	memset(p, 0, size);
	memcpy(p, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01\x86\xdd\x60", 15);
	p[18] = (uint8_t)((n_ext + 40) >> 8);
	p[19] = (uint8_t)(n_ext + 40);
	p[20] = 60; // destination options
	p[21] = 64;
	p[22] = p[38] = 0x20;
	p += 54;
	p[0] = 17;
	p[1] = (uint8_t)(n_ext / 8 - 1);
	p += n_ext;
	p[0] = 0x10;
	p[2] = (uint8_t)(dport >> 8);
	p[3] = (uint8_t)dport;
	p[5] = 40;
	dp_meta(m)->flags = 0;
	mem_put(links[0], m);
	mem_turns(3000, 1000);
}

static void deep_make(uint8_t op, uint32_t arg)
{
	of_make("abcd", 1, DP_VLAN_TRANSPARENT);
	of_any();
	of_begin();
	of_op(op, 8, arg);
	of_goto(1);
	of_add(0, 1);
	of_any();
	of_match(DP_FLOW_eth_type, DP_ETH_IPV6);
	of_match(DP_FLOW_ip_proto, 17);
	of_match(DP_FLOW_udp_dst, 80);
	of_begin();
	of_out(2);
	of_add(1, 2);
	of_any();
	of_begin();
	of_out(3);
	of_add(1, 1);
	dp_of_publish(of);
}

// As walked, by a cache that knows none of them.
static uint64_t alone(uint32_t n_ext)
{
	uint64_t taken;

	deep_make(DP_OP_PUSH_VLAN, DP_ETH_VLAN);
	put_deep(n_ext, 80);
	taken = links[1]->taken;
	of_end();
	return taken;
}

// A tag pushes the UDP header of long ones out of what is looked at, which the cache must know.
static void the_cache_knows_where_headers_end(void **state)
{
	enum { FIRST = 8, STEP = 8, N = 26 };
	uint64_t taken[N], n = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		n += taken[i] = alone(FIRST + i * STEP);
	assert_true(n > 0 && n < N);
	deep_make(DP_OP_PUSH_VLAN, DP_ETH_VLAN);
	for (uint32_t i = 0; i < N; i++) {
		links[1]->taken = 0;
		put_deep(FIRST + i * STEP, 80);
		assert_int_equal(links[1]->taken, taken[i]);
	}
	of_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packet_outs_do_not_outlive_the_mode),
		cmocka_unit_test(walks_of_a_packet_out_share_a_budget),
		cmocka_unit_test(groups_without_a_live_bucket_cost_too),
		cmocka_unit_test(nested_groups_are_bounded),
		cmocka_unit_test(operations_of_one_frame_are_bounded),
		cmocka_unit_test(the_controller_is_no_port),
		cmocka_unit_test(the_cache_knows_where_headers_end),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
