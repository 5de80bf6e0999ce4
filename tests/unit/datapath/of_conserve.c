// The conservation law under random tables: whatever rules, groups, meters and packet-outs do, with
// buffers or without, each frame and each copy ends somewhere and is counted there once.
#include "of_rig.h"

enum { ROUNDS = 60, TABLES = 3, RULES = 12, GROUPS = 6, BURSTS = 30 };

static void output_make(bool from_outside)
{
	static const uint32_t names[] = { DP_OFPP_IN_PORT,
					  DP_OFPP_NORMAL,
					  DP_OFPP_FLOOD,
					  DP_OFPP_ALL,
					  DP_OFPP_CONTROLLER,
					  DP_OFPP_LOCAL,
					  99 };

	if (from_outside && below(3) == 0)
		of_out(DP_OFPP_TABLE);
	else if (below(3) == 0)
		of_out(names[below(RTE_DIM(names))]);
	else
		of_out(1 + below(MEM_PORTS));
}

static void edit_make(void)
{
	static const uint8_t plain[] = { DP_OP_POP_VLAN, DP_OP_DEC_NW_TTL, DP_OP_DEC_MPLS_TTL,
					 DP_OP_COPY_TTL_OUT, DP_OP_COPY_TTL_IN };

	switch (below(6)) {
	case 0:
		of_op(DP_OP_PUSH_VLAN, 8, DP_ETH_VLAN);
		return;
	case 1:
		of_op(DP_OP_PUSH_MPLS, 8, DP_ETH_MPLS);
		return;
	case 2:
		of_op(DP_OP_SET_NW_TTL, 8, below(3));
		return;
	case 3:
		of_set(DP_FLOW_eth_dst, 0x020000000000 + below(6));
		return;
	case 4:
		of_op(DP_OP_SET_QUEUE, 8, below(10));
		return;
	default:
		of_op(plain[below(RTE_DIM(plain))], 8, 0);
	}
}

// Groups lead to those with lower numbers: there are no loops.
static void ops_make(uint32_t n, uint32_t groups, bool from_outside)
{
	while (n-- > 0) {
		switch (below(4)) {
		case 0:
			edit_make();
			break;
		case 1:
			of_op(DP_OP_GROUP, 8, below(groups + 1));
			break;
		default:
			output_make(from_outside);
		}
	}
}

static void group_make(uint32_t id)
{
	static uint8_t ops[8][DP_FLOW_PROG_MAX];
	struct dp_of_bucket b[8];
	uint32_t type = below(4), n = type == DP_OF_INDIRECT ? 1 : below(9);

	for (uint32_t i = 0; i < n; i++) {
		of_begin();
		ops_make(below(4), id - 1, false);
		memcpy(ops[i], of_p.p.ops, of_p.p.n_apply);
		b[i] = (struct dp_of_bucket){ .weight = (uint16_t)below(4),
					      .watch_port =
						      below(3) == 0 ? 1 + below(6) : DP_OFPP_ANY,
					      .watch_group =
						      below(4) == 0 ? below(GROUPS) : DP_OFPP_ANY,
					      .ops = ops[i],
					      .n_ops = of_p.p.n_apply };
	}
	assert_int_equal(dp_of_group_set(of, id, (enum dp_of_group_type)type, b, n), 0);
}

static void rule_make(void)
{
	uint8_t table = (uint8_t)below(TABLES);

	of_any();
	if (below(3) != 0)
		of_match(DP_FLOW_in_port, 1 + below(MEM_PORTS));
	if (below(3) == 0)
		of_match(DP_FLOW_eth_type, below(2) == 0 ? DP_ETH_IPV4 : DP_ETH_MPLS);
	of_begin();
	ops_make(below(6), GROUPS, false);
	if (below(3) == 0)
		of_write();
	if (below(4) == 0)
		of_p.p.flags |= DP_PROG_CLEAR;
	if (below(4) == 0) {
		of_p.p.flags |= DP_PROG_METER;
		of_p.p.meter = 1 + below(3);
	}
	if (table + 1 < TABLES && below(2) == 0)
		of_goto((uint8_t)(table + 1));
	if (dp_of_flow_exact(of, table, &of_key, &of_mask, 5) == NULL)
		of_add(table, 5);
}

static void tables_make(void)
{
	const struct dp_of_band bands[] = {
		{ .rate = 2000, .burst = 4 },
		{ .rate = 1000, .burst = 2, .is_remark = 1, .prec_level = 1 }
	};

	for (uint32_t i = 1; i <= 2; i++)
		assert_int_equal(dp_of_meter_set(of, i, DP_OF_PKTPS | DP_OF_BURST, bands, i), 0);
	for (uint32_t i = 1; i <= GROUPS; i++)
		group_make(i);
	for (uint32_t i = 0; i < RULES; i++)
		rule_make();
	dp_of_publish(of);
}

static void outs_make(void)
{
	uint8_t frame[MEM_HEAD] = { 0 };
	int rc;

	mem_head_fill(links[0], frame, below(1000));
	of_begin();
	ops_make(1 + below(4), GROUPS, true);
	rc = dp_of_packet_out(of, below(2) == 0 ? DP_OFPP_CONTROLLER : 1 + below(6), of_p.p.ops,
			      of_p.p.n_apply, frame, 14 + below(70));
	assert_true(rc == 0 || rc == -EAGAIN);
}

// All buffers but some, so that copies fail now and then.
static uint32_t buffers_take(struct rte_mbuf **held, uint32_t n)
{
	uint32_t leave = below(64), got = 0;

	while (got < n && rte_mempool_avail_count(sw->pool) > leave) {
		held[got] = rte_pktmbuf_alloc(sw->pool);
		if (held[got] == NULL)
			break;
		got++;
	}
	return got;
}

// Frames that come in have their buffers already.
static void frames_put(struct mem_link *l)
{
	l->n_tags = (uint16_t)below(2);
	l->tci = 20;
	l->v6 = below(4) == 0;
	for (uint32_t n = 1 + below(8); n > 0; n--) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);
		uint8_t head[MEM_HEAD] = { 0 };

		assert_non_null(m);
		mem_head_fill(l, head, below(1000));
		memcpy(rte_pktmbuf_append(m, MEM_HEAD), head, MEM_HEAD);
		dp_meta(m)->flags = 0;
		mem_put(l, m);
	}
}

static void burst(void)
{
	static struct rte_mbuf *held[1 << 14];
	struct dp_of_packet_in in[16];
	uint32_t n_held = 0, n;

	if (below(3) == 0)
		outs_make();
	frames_put(links[below(MEM_PORTS)]);
	if (below(3) == 0)
		n_held = buffers_take(held, RTE_DIM(held));
	mem_turns(100000, 1000);
	dp_switch_housekeep(sw, now_ns);
	rte_pktmbuf_free_bulk(held, n_held);
	n = below(2) == 0 ? dp_of_packet_ins(of, in, 16) : 0;
	while (n > 0)
		dp_of_packet_in_free(&in[--n]);
}

static void nothing_is_lost_or_doubled(void **state)
{
	struct weir_err err;
	uint64_t n_no_mbuf = 0;

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		seed = 88172645463325252u + round * 104729;
		of_make("abcd", 1, below(2) == 0 ? DP_VLAN_TRANSPARENT : DP_VLAN_ACCESS);
		tables_make();
		for (uint32_t i = 0; i < BURSTS; i++) {
			burst();
			if (below(10) == 0) {
				rule_make();
				group_make(1 + below(GROUPS));
				if (below(2) == 0)
					assert_true(dp_of_give_up(of, UINT32_MAX));
				else
					dp_of_publish(of);
			}
		}
		mem_turns(100000, 1000);
		if (!dp_switch_conserved(sw, &err))
			fail_msg("round %u: %s", round, err.text);
		for (uint32_t i = 0; i < MEM_PORTS; i++)
			n_no_mbuf += mem_dropped(i, DP_DROP_no_mbuf);
		of_end();
	}
	assert_true(n_no_mbuf > 0); // memory was out at times
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_lost_or_doubled) };

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
