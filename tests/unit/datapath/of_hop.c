// The hop through OpenFlow tables: where frames go, what is counted, what ends where.
#include <rte_ip.h>

#include "dp_qos_info.h"
#include "of_rig.h"

static void a_rule_sends_and_counts(void **state)
{
	struct dp_of_flow *f;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_match(DP_FLOW_in_port, 1);
	of_begin();
	of_out(2);
	f = of_add(0, 10);
	dp_of_publish(of);
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 100);
	assert_int_equal(of_count(f).n_pkts, 100);
	assert_int_equal(of_count(f).n_bytes, 100 * links[0]->size);
	assert_true(of_count(f).used_ns <= now_ns && of_count(f).used_ns + 10 * MS > now_ns);
	of_end();
}

static void buffer_is_free(void *data, void *m)
{
	(void)data;
	((struct rte_mbuf *)m)->pkt_len = 0xbad; // its next owner's, from here on
}

// A frame of 60 bytes from a group address, which L2 forwarding does not take.
static void send_from_group(void)
{
	static _Alignas(64) uint8_t data[2048];
	uint16_t size = sizeof(data);
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);
	struct rte_mbuf_ext_shared_info *shared;

	assert_non_null(m);
	shared = rte_pktmbuf_ext_shinfo_init_helper(data, &size, buffer_is_free, m);
	rte_pktmbuf_attach_extbuf(m, data, RTE_BAD_IOVA, size, shared);
	(void)rte_pktmbuf_append(m, 60);
	mem_head_fill(links[0], data + rte_pktmbuf_headroom(m), 7);
	data[rte_pktmbuf_headroom(m) + 6] |= 1;
	dp_meta(m)->flags = 0;
	mem_put(links[0], m);
	mem_turns(10000, 1000);
}

// Another worker may have a buffer as soon as it is free.
static void what_normal_does_not_take_is_counted_before_it_is_free(void **state)
{
	struct dp_of_flow *f;

	(void)state;
	of_make("abcd", 1, DP_VLAN_TRANSPARENT);
	links[0]->size = 60;
	of_any();
	of_begin();
	of_out(DP_OFPP_NORMAL);
	f = of_add(0, 10);
	dp_of_publish(of);
	for (uint32_t i = 1; i < 4; i++) { // the cache does not know the first one
		send_from_group();
		assert_int_equal(of_count(f).n_pkts, i);
		assert_int_equal(of_count(f).n_bytes, 60 * i);
		assert_int_equal(mem_dropped(0, DP_DROP_l2_src_invalid), i);
	}
	of_end();
}

static void what_no_rule_matches_is_dropped(void **state)
{
	struct dp_of_table_count c;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_send(0, 50);
	assert_int_equal(mem_dropped(0, DP_DROP_of_miss), 50);
	dp_of_table_count(of, 0, &c);
	assert_int_equal(c.n_lookups, 50);
	assert_int_equal(c.n_matched, 0);
	of_end();
}

static void a_rule_without_actions_drops(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 50);
	assert_int_equal(mem_dropped(0, DP_DROP_of_no_action), 50);
	of_end();
}

// Guests are isolated: NORMAL sends to the uplink alone, an explicit output to a guest, too.
static void normal_keeps_the_rules_of_ports(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(DP_OFPP_NORMAL);
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 50);
	assert_int_equal(links[1]->taken + links[2]->taken, 0);
	assert_int_equal(links[3]->taken, 50);
	of_end();
}

static void the_same_with(void (*make)(void), uint64_t n_b, uint64_t n_c, uint64_t n_d)
{
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	make();
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 40);
	assert_int_equal(links[1]->taken, n_b);
	assert_int_equal(links[2]->taken, n_c);
	assert_int_equal(links[3]->taken, n_d);
	of_end();
}

static void to_all(void)
{
	of_begin();
	of_out(DP_OFPP_ALL);
}

static void to_all_as_a_set(void)
{
	of_begin();
	of_out(DP_OFPP_FLOOD);
	of_write();
}

static void to_two(void)
{
	of_begin();
	of_out(2);
	of_out(3);
}

static void to_one_and_normal(void)
{
	of_begin();
	of_out(DP_OFPP_NORMAL);
	of_out(2);
}

static void back(void)
{
	of_begin();
	of_out(1); // not by its number
	of_out(DP_OFPP_IN_PORT);
}

static void to_nobody(void)
{
	of_begin();
	of_out(77);
}

static void frames_go_to_each_output(void **state)
{
	(void)state;
	the_same_with(to_all, 40, 40, 40);
	the_same_with(to_all_as_a_set, 40, 40, 40);
	the_same_with(to_two, 40, 40, 0);
	the_same_with(to_one_and_normal, 40, 0, 40);
	the_same_with(to_nobody, 0, 0, 0);
	the_same_with(back, 0, 0, 0);
}

static void tables_follow_each_other_with_metadata(void **state)
{
	struct dp_of_flow *first, *second;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_goto(5);
	of_p.p.metadata = 0x1234;
	of_p.p.metadata_mask = 0xffff;
	first = of_add(0, 1);
	of_any();
	of_match(DP_FLOW_metadata, 0x1234);
	of_begin();
	of_out(3);
	second = of_add(5, 1);
	dp_of_publish(of);
	for (uint32_t i = 1; i <= 3; i++) {
		of_send(0, 10);
		assert_int_equal(links[2]->taken, 10 * i);
		assert_int_equal(of_count(first).n_pkts, 10 * i);
		assert_int_equal(of_count(second).n_pkts, 10 * i);
	}
	assert_true(of->pw[0]->n_cache_found > 0);
	of_end();
}

// What a worker's stack had before.
static void __attribute__((noinline)) scribble(uint8_t with)
{
	volatile uint8_t at[65536];

	for (size_t i = 0; i < sizeof(at); i++)
		at[i] = with;
}

static void a_frame_is_known_by_itself_alone(void **state)
{
	uint64_t found;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(3);
	of_add(0, 1);
	dp_of_publish(of);
	of_send(0, 1);
	found = of->pw[0]->n_cache_found;
	for (uint8_t i = 1; i <= 20; i++) {
		links[0]->left = 1;
		scribble(i);
		dp_switch_turn(sw, 0, now_ns += 1000);
	}
	assert_int_equal(of->pw[0]->n_cache_found, found + 20);
	of_end();
}

// Packet-outs and barriers make a version each; a controller's storm of them costs frames no walk.
static void a_version_without_changes_keeps_the_cache(void **state)
{
	uint64_t found;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(3);
	of_add(0, 1);
	dp_of_publish(of);
	of_send(0, 1);
	found = of->pw[0]->n_cache_found;
	for (uint32_t i = 1; i <= 20; i++) {
		dp_of_publish(of);
		of_send(0, 1);
	}
	assert_int_equal(of->pw[0]->n_cache_found, found + 20);
	dp_of_group_end(of, 1); // groups are walked through
	dp_of_publish(of);
	of_send(0, 1);
	assert_int_equal(of->pw[0]->n_cache_found, found + 20);
	of_end();
}

// Main is between the two words that tell of it.
static void what_is_met_before_a_version_is_not_kept_for_it(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(3);
	of_add(0, 1);
	dp_of_publish(of);
	of_any();
	of_begin();
	of_out(2);
	of_add(0, 2);
	atomic_store(&of->walks_since, atomic_load(&of->version) + 1);
	of_send(0, 10);
	assert_int_equal(links[2]->taken, 10);
	dp_of_publish(of);
	of_send(0, 10);
	assert_int_equal(links[2]->taken, 10);
	assert_int_equal(links[1]->taken, 10);
	of_end();
}

static void staged_changes_are_seen_together(void **state)
{
	struct dp_of_flow *a, *b;
	uint64_t v;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(2);
	a = of_add(0, 1);
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 0); // staged only
	v = dp_of_publish(of);
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 10);
	assert_true(dp_of_settled(of, v));
	// What is given up never was.
	of_begin();
	of_out(3);
	b = of_add(0, 2);
	assert_int_equal(dp_of_flow_change(of, a, &of_p.p), 0);
	assert_int_equal(dp_of_flow_change(of, a, &of_p.p), 0);
	dp_of_flow_end(of, a);
	of_send(0, 10);
	assert_true(dp_of_give_up(of, UINT32_MAX));
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 30);
	// Change and end, each in its version.
	assert_int_equal(dp_of_flow_change(of, a, &of_p.p), 0);
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 40);
	dp_of_publish(of);
	of_send(0, 10);
	assert_int_equal(links[2]->taken, 10);
	assert_int_equal(of_count(a).n_pkts, 50);
	dp_of_flow_end(of, a);
	of_send(0, 10);
	assert_int_equal(links[2]->taken, 20);
	v = dp_of_publish(of);
	of_send(0, 10);
	assert_int_equal(mem_dropped(0, DP_DROP_of_miss), 10 + 10);
	assert_true(dp_of_settled(of, v));
	dp_of_flow_free(of, a);
	(void)b;
	of_end();
}

static void the_controller_hears(void **state)
{
	struct dp_of_packet_in in[64];
	struct dp_of_punt_count c;
	struct dp_of_flow *f;
	uint32_t n;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(DP_OFPP_CONTROLLER);
	f = of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 40);
	n = dp_of_packet_ins(of, in, 64);
	assert_int_equal(n, 16); // the burst
	assert_int_equal(in[0].reason, DP_OF_NO_MATCH);
	assert_int_equal(in[0].in_port, 1);
	assert_int_equal(in[0].size, links[0]->size);
	assert_ptr_equal(in[0].flow, f);
	for (uint32_t i = 0; i < n; i++)
		dp_of_packet_in_free(&in[i]);
	dp_of_punt_count(of, &c);
	assert_int_equal(c.n_sent, 16);
	assert_int_equal(c.n_over_rate, 24);
	assert_int_equal(mem_dropped(0, DP_DROP_of_packet_in), 24);
	assert_int_equal(mem_counter(0, DP_PC_consumed_pkts), 16);
	of_end();
}

// A guest leaves checksums to the network card; a controller that sends the frame back has none.
static void the_controller_hears_whole_checksums(void **state)
{
	struct dp_of_packet_in in[1];
	struct rte_mbuf *m;
	uint16_t sum;
	uint8_t *p;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(DP_OFPP_CONTROLLER);
	of_add(0, 0);
	dp_of_publish(of);
	m = rte_pktmbuf_alloc(links[0]->pool);
	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)links[0]->size);
	memset(p, 0, links[0]->size);
	mem_head_fill(links[0], p, 7);
	sum = rte_ipv4_phdr_cksum((void *)(p + 14), 0);
	memcpy(p + 14 + 20 + 16, &sum, sizeof(sum));
	dp_meta(m)->flags = DP_MF_CSUM;
	mem_put(links[0], m);
	of_send(0, 0);
	assert_int_equal(dp_of_packet_ins(of, in, 1), 1);
	assert_int_equal(in[0].size, links[0]->size);
	p = rte_pktmbuf_mtod(in[0].m, uint8_t *);
	memcpy(&sum, p + 14 + 20 + 16, sizeof(sum));
	memset(p + 14 + 20 + 16, 0, sizeof(sum));
	assert_int_equal(sum, rte_ipv4_udptcp_cksum((void *)(p + 14), p + 14 + 20));
	dp_of_packet_in_free(&in[0]);
	of_end();
}

// What the action set or a group's bucket sends is no miss, whichever rule was the last
// (OpenFlow 1.3.5 section 5.4: "directly").
static void only_a_miss_of_its_own_is_told_as_one(void **state)
{
	struct dp_of_packet_in in[4];

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_out(DP_OFPP_CONTROLLER);
	of_write();
	(void)of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 1);
	assert_int_equal(dp_of_packet_ins(of, in, 4), 1);
	assert_int_equal(in[0].reason, DP_OF_ACTION);
	assert_null(in[0].flow);
	dp_of_packet_in_free(&in[0]);
	of_end();
}

static void the_controller_sends(void **state)
{
	uint8_t frame[MEM_HEAD];
	uint64_t v;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	mem_head_fill(links[0], frame, 7);
	of_begin();
	of_out(2);
	assert_int_equal(dp_of_packet_out(of, DP_OFPP_CONTROLLER, of_p.p.ops, of_p.p.n_apply, frame,
					  sizeof(frame)),
			 0);
	v = dp_of_publish(of);
	assert_false(dp_of_settled(of, v)); // it waits yet
	of_send(0, 0);
	assert_true(dp_of_settled(of, v));
	assert_int_equal(links[1]->taken, 1);
	assert_memory_equal(links[1]->kept[0], frame, sizeof(frame));
	// By the tables, as if it came in at a.
	of_any();
	of_match(DP_FLOW_in_port, 1);
	of_begin();
	of_out(3);
	of_add(0, 1);
	dp_of_publish(of);
	of_begin();
	of_out(DP_OFPP_TABLE);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(
			dp_of_packet_out(of, 1, of_p.p.ops, of_p.p.n_apply, frame, sizeof(frame)),
			0);
	of_send(0, 0);
	assert_int_equal(links[2]->taken, 40);
	assert_int_equal(dp_of_packet_out(of, 1, of_p.p.ops, of_p.p.n_apply, frame, 9), -EINVAL);
	assert_int_equal(
		dp_of_packet_out(of, 1, of_p.p.ops, of_p.p.n_apply, frame, DP_FRAME_MAX + 1),
		-EMSGSIZE);
	of_end();
}

// It came in by no port, so NORMAL leaves none out: not the one at which it is counted, and none
// for what guests and uplinks may not among themselves.
static void what_the_controller_sends_by_normal_leaves_by_all_ports(void **state)
{
	static const struct {
		uint32_t in_port;
		uint8_t taken[4]; // by a, b and c, guests kept apart, and d, an uplink
	} cases[] = {
		{ DP_OFPP_CONTROLLER, { 1, 1, 1, 1 } },
		{ 1, { 0, 0, 0, 1 } },
	};
	uint8_t frame[MEM_HEAD];
	uint64_t was[4];

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_begin();
	of_out(DP_OFPP_NORMAL);
	mem_head_fill(links[0], frame, 7);
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		for (uint32_t p = 0; p < 4; p++)
			was[p] = links[p]->taken;
		assert_int_equal(dp_of_packet_out(of, cases[i].in_port, of_p.p.ops, of_p.p.n_apply,
						  frame, sizeof(frame)),
				 0);
		dp_of_publish(of);
		of_send(0, 0);
		for (uint32_t p = 0; p < 4; p++)
			assert_int_equal(links[p]->taken - was[p], cases[i].taken[p]);
	}
	of_end();
}

static void what_the_controller_sends_by_normal_leaves_by_a_lone_uplink(void **state)
{
	uint8_t frame[MEM_HEAD];

	(void)state;
	of_make("a", 1, DP_VLAN_ACCESS);
	of_begin();
	of_out(DP_OFPP_NORMAL);
	links[0]->n_tags = 1;
	links[0]->tci = 20;
	mem_head_fill(links[0], frame, 7);
	assert_int_equal(dp_of_packet_out(of, DP_OFPP_CONTROLLER, of_p.p.ops, of_p.p.n_apply, frame,
					  sizeof(frame)),
			 0);
	dp_of_publish(of);
	of_send(0, 0);
	assert_int_equal(links[0]->taken, 1);
	of_end();
}

static void ports_may_be_closed(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	to_all();
	of_add(0, 0);
	dp_of_publish(of);
	assert_int_equal(dp_of_port_config(of, 2, DP_OFPPC_NO_FWD), 0);
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 0);
	assert_int_equal(links[2]->taken, 10);
	assert_int_equal(dp_of_port_config(of, 1, DP_OFPPC_NO_RECV), 0);
	of_send(0, 10);
	assert_int_equal(mem_dropped(0, DP_DROP_of_port), 10);
	assert_int_equal(dp_of_port_config(of, 0, 0), -EINVAL);
	assert_int_equal(dp_of_port_config(of, 1, 1 << 1), -EINVAL);
	of_end();
}

// Any tag comes in at a transparent port; L2 goes by the outer one, and it is sent as it came.
static void transparent_ports_take_any_tag(void **state)
{
	const uint16_t tci[] = { 20, 21, 0xe000 | 77, 0 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(tci); i++) {
		const struct dp_view *in;

		of_make("abcd", 1, DP_VLAN_TRANSPARENT);
		links[0]->n_tags = i == 0 ? 0 : 1 + i % 2;
		links[0]->tci = tci[i];
		of_any();
		of_begin();
		of_out(2);
		of_out(DP_OFPP_NORMAL);
		of_add(0, 0);
		dp_of_publish(of);
		of_send(0, 10);
		in = dp_root(sw)->views[0];
		assert_int_equal(links[1]->taken, 10);
		// The uplink is a trunk of 20, the native VLAN here, and 21.
		assert_int_equal(links[3]->taken, i == 2 ? 0 : 10);
		if (i == 1)
			assert_int_equal(dp_be16(links[1]->kept[0] + 14), 21);
		assert_int_equal(in->cfg.vid, 20);
		of_end();
	}
}

struct steps {
	uint32_t n[4];
};

static void step_count(void *arg, const struct dp_of_step *s)
{
	((struct steps *)arg)->n[s->kind]++;
}

static void explain_says_what_happens(void **state)
{
	struct dp_verdict *v = calloc(1, sizeof(*v));
	uint8_t frame[MEM_HEAD];
	struct steps steps = { { 0 } };

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	mem_head_fill(links[0], frame, 1);
	of_any();
	of_begin();
	of_set(DP_FLOW_eth_dst, 0x020000000077);
	of_out(2);
	of_op(DP_OP_SET_QUEUE, sizeof(struct dp_flow_op), QOS_CLASS_SCAVENGER);
	of_goto(3);
	of_add(0, 1);
	of_any();
	of_match(DP_FLOW_eth_dst, 0x020000000077);
	of_begin();
	of_out(3);
	of_write();
	of_add(3, 1);
	dp_of_publish(of);
	assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), v), 0);
	assert_int_equal(v->kind, DP_VERDICT_OPENFLOW);
	assert_int_equal(v->n_out, 2);
	assert_int_equal(dp_of_explain(of, 1, frame, sizeof(frame), step_count, &steps), 0);
	assert_int_equal(steps.n[DP_OF_STEP_TABLE], 2);
	assert_int_equal(steps.n[DP_OF_STEP_OP], 3);
	assert_int_equal(steps.n[DP_OF_STEP_SET], 1);
	assert_int_equal(dp_of_explain(of, 9, frame, sizeof(frame), step_count, &steps), -EINVAL);
	of_send(0, 3);
	assert_int_equal(links[1]->taken, 3);
	assert_int_equal(links[2]->taken, 3);
	free(v);
	of_end();
}

// Each port once, in the class that a set_queue before it gave.
static void explain_says_the_queue(void **state)
{
	struct dp_verdict *v = calloc(1, sizeof(*v));
	uint8_t frame[MEM_HEAD];
	struct dp_qos_verdict q;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	mem_head_fill(links[0], frame, 1);
	of_any();
	of_begin();
	of_out(2);
	of_op(DP_OP_SET_QUEUE, sizeof(struct dp_flow_op), QOS_CLASS_SCAVENGER);
	of_out(3);
	of_out(DP_OFPP_NORMAL);
	of_out(DP_OFPP_NORMAL);
	of_add(0, 1);
	dp_of_publish(of);
	assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), v), 0);
	assert_int_not_equal(v->cls, QOS_CLASS_SCAVENGER);
	assert_int_equal(v->n_out, 3);
	assert_int_equal(dp_switch_explain_link(sw, v, v->out[0], &q), 0);
	assert_int_equal(q.cls, v->cls);
	for (uint32_t i = 1; i < 3; i++) {
		assert_int_equal(dp_switch_explain_link(sw, v, v->out[i], &q), 0);
		assert_int_equal(q.cls, QOS_CLASS_SCAVENGER);
	}
	free(v);
	of_end();
}

static void explain_has_the_walk_of_a_drop(void **state)
{
	struct dp_verdict *v = calloc(1, sizeof(*v));
	uint8_t frame[MEM_HEAD];

	(void)state;
	of_make("ab", 1, DP_VLAN_ACCESS);
	mem_head_fill(links[0], frame, 1);
	of_any();
	of_begin();
	of_out(1); // where it came from
	of_add(0, 1);
	dp_of_publish(of);
	assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), v), 0);
	assert_int_equal(v->kind, DP_VERDICT_DROP);
	assert_true(v->walked);
	free(v);
	of_end();
}

// NORMAL sends it nowhere: the reason is L2 forwarding's, as it is counted.
static void explain_has_the_reason_of_normal(void **state)
{
	struct dp_verdict *v = calloc(1, sizeof(*v));
	uint8_t frame[MEM_HEAD];

	(void)state;
	of_make("ab", 1, DP_VLAN_ACCESS);
	mem_head_fill(links[0], frame, 1);
	of_any();
	of_begin();
	of_set(DP_FLOW_eth_src, 0x010000000001);
	of_out(DP_OFPP_NORMAL);
	of_add(0, 1);
	dp_of_publish(of);
	assert_int_equal(dp_switch_explain(sw, 0, frame, sizeof(frame), v), 0);
	assert_int_equal(v->kind, DP_VERDICT_DROP);
	assert_int_equal(v->drop, DP_DROP_l2_src_invalid);
	of_send(0, 5);
	assert_int_equal(mem_dropped(0, v->drop), 5);
	free(v);
	of_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_sends_and_counts),
		cmocka_unit_test(a_frame_is_known_by_itself_alone),
		cmocka_unit_test(what_normal_does_not_take_is_counted_before_it_is_free),
		cmocka_unit_test(what_no_rule_matches_is_dropped),
		cmocka_unit_test(a_rule_without_actions_drops),
		cmocka_unit_test(normal_keeps_the_rules_of_ports),
		cmocka_unit_test(frames_go_to_each_output),
		cmocka_unit_test(tables_follow_each_other_with_metadata),
		cmocka_unit_test(staged_changes_are_seen_together),
		cmocka_unit_test(a_version_without_changes_keeps_the_cache),
		cmocka_unit_test(what_is_met_before_a_version_is_not_kept_for_it),
		cmocka_unit_test(the_controller_hears),
		cmocka_unit_test(the_controller_hears_whole_checksums),
		cmocka_unit_test(only_a_miss_of_its_own_is_told_as_one),
		cmocka_unit_test(the_controller_sends),
		cmocka_unit_test(what_the_controller_sends_by_normal_leaves_by_all_ports),
		cmocka_unit_test(what_the_controller_sends_by_normal_leaves_by_a_lone_uplink),
		cmocka_unit_test(ports_may_be_closed),
		cmocka_unit_test(transparent_ports_take_any_tag),
		cmocka_unit_test(explain_says_what_happens),
		cmocka_unit_test(explain_says_the_queue),
		cmocka_unit_test(explain_has_the_walk_of_a_drop),
		cmocka_unit_test(explain_has_the_reason_of_normal),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
