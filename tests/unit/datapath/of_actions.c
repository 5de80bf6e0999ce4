// Edits, groups and meters on their way through the hop.
#include "of_rig.h"

static struct dp_flow_output outs[4];
static struct dp_of_bucket buckets[4];

// A bucket that outputs there.
static void bucket(uint32_t i, uint32_t port, uint16_t weight, uint32_t watch)
{
	outs[i] = (struct dp_flow_output){
		.op = { .kind = DP_OP_OUTPUT, .size = sizeof(outs[i]), .arg = port },
		.max_len = UINT16_MAX,
	};
	buckets[i] = (struct dp_of_bucket){
		.weight = weight,
		.n_ops = sizeof(outs[i]),
		.watch_port = watch,
		.watch_group = DP_OFPP_ANY,
		.ops = (const uint8_t *)&outs[i],
	};
}

// All that comes goes to group 1.
static void to_group(void)
{
	of_any();
	of_begin();
	of_op(DP_OP_GROUP, sizeof(struct dp_flow_op), 1);
	of_add(0, 0);
}

static struct dp_of_count group_count(uint32_t at)
{
	struct dp_of_count c;

	assert_int_equal(dp_of_group_count(of, 1, at, &c), 0);
	return c;
}

static void failover_follows_the_ports(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	bucket(0, 2, 0, 2);
	bucket(1, 3, 0, 3);
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_FAILOVER, buckets, 2), 0);
	to_group();
	dp_of_publish(of);
	of_send(0, 40);
	assert_int_equal(links[1]->taken, 40);
	assert_int_equal(dp_of_port_config(of, 2, DP_OFPPC_PORT_DOWN), 0);
	of_send(0, 40);
	assert_int_equal(links[1]->taken, 40);
	assert_int_equal(links[2]->taken, 40);
	assert_int_equal(group_count(UINT32_MAX).n_pkts, 80);
	assert_int_equal(group_count(1).n_pkts, 40);
	assert_int_equal(dp_of_port_config(of, 3, DP_OFPPC_PORT_DOWN), 0);
	of_send(0, 40);
	assert_int_equal(links[1]->taken + links[2]->taken, 80);
	assert_int_equal(mem_dropped(0, DP_DROP_of_group), 40);
	of_end();
}

// What is given up is never seen; what is published is, at once for a group and its rule.
static void groups_change_with_versions(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	bucket(0, 2, 0, DP_OFPP_ANY);
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_INDIRECT, buckets, 1), 0);
	to_group();
	dp_of_publish(of);
	bucket(0, 3, 0, DP_OFPP_ANY);
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_INDIRECT, buckets, 1), 0);
	of_send(0, 20);
	assert_int_equal(links[1]->taken, 20);
	assert_true(dp_of_give_up(of, UINT32_MAX));
	of_send(0, 20);
	assert_int_equal(links[1]->taken, 40);
	for (uint32_t i = 0; i < 100; i++) {
		uint64_t was = links[1 + i % 2]->taken;

		bucket(0, 2 + i % 2, 0, DP_OFPP_ANY);
		assert_int_equal(dp_of_group_set(of, 1, DP_OF_INDIRECT, buckets, 1), 0);
		dp_of_publish(of);
		of_send(0, 10);
		assert_int_equal(links[1 + i % 2]->taken, was + 10);
	}
	dp_of_group_end(of, 1);
	dp_of_publish(of);
	of_send(0, 20);
	assert_int_equal(mem_dropped(0, DP_DROP_of_group), 20);
	of_end();
}

static void all_gives_each_bucket_its_own_frame(void **state)
{
	struct {
		struct dp_flow_op push;
		struct dp_flow_output out;
	} tagged = { .push = { .kind = DP_OP_PUSH_VLAN, .size = 8, .arg = 0x8100 } };

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	bucket(0, 2, 0, DP_OFPP_ANY);
	tagged.out = outs[0];
	buckets[0].ops = (const uint8_t *)&tagged;
	buckets[0].n_ops = sizeof(tagged);
	bucket(1, 3, 0, DP_OFPP_ANY);
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_ALL, buckets, 2), 0);
	to_group();
	dp_of_publish(of);
	of_send(0, 20);
	assert_int_equal(links[1]->taken, 20);
	assert_int_equal(links[2]->taken, 20);
	assert_memory_equal(links[1]->kept[0] + 12, "\x81\0\0\0\x08\0", 6);
	assert_memory_equal(links[2]->kept[0] + 12, "\x08\0", 2);
	of_end();
}

static void a_meter_drops_what_is_over(void **state)
{
	const struct dp_of_band band = { .rate = 1, .burst = 30 };
	struct dp_of_meter_count c;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	assert_int_equal(dp_of_meter_set(of, 5, DP_OF_PKTPS | DP_OF_BURST, &band, 1), 0);
	of_any();
	of_begin();
	of_out(2);
	of_p.p.flags = DP_PROG_METER;
	of_p.p.meter = 5;
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 30);
	assert_int_equal(mem_dropped(0, DP_DROP_of_meter), 70);
	assert_int_equal(dp_of_meter_count(of, 5, &c), 0);
	assert_int_equal(c.in.n_pkts, 100);
	assert_int_equal(c.bands[0].n_pkts, 70);
	dp_of_meter_del(of, 5);
	of_send(0, 100);
	assert_int_equal(links[1]->taken, 130);
	of_end();
}

// OFPM_CONTROLLER meters what goes to the controller, and nothing else.
static void packet_ins_have_a_meter(void **state)
{
	const struct dp_of_band band = { .rate = 1, .burst = 5 };
	struct dp_of_punt_count c;
	struct dp_of_packet_in in[64];
	uint32_t n;

	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	assert_int_equal(
		dp_of_meter_set(of, DP_OFPM_CONTROLLER, DP_OF_PKTPS | DP_OF_BURST, &band, 1), 0);
	of_any();
	of_begin();
	of_out(DP_OFPP_CONTROLLER);
	of_out(2);
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 12);
	assert_int_equal(links[1]->taken, 12);
	dp_of_punt_count(of, &c);
	assert_int_equal(c.n_sent, 5);
	assert_int_equal(c.n_over_rate, 7);
	n = dp_of_packet_ins(of, in, 64);
	assert_int_equal(n, 5);
	while (n > 0)
		dp_of_packet_in_free(&in[--n]);
	of_end();
}

static void fields_are_set_on_the_way(void **state)
{
	(void)state;
	of_make("abcd", 1, DP_VLAN_ACCESS);
	of_any();
	of_begin();
	of_set(DP_FLOW_eth_src, 0x02aabbccddee);
	of_op(DP_OP_DEC_NW_TTL, sizeof(struct dp_flow_op), 0);
	of_set(DP_FLOW_ipv4_dst, 0x0a010203);
	of_out(2);
	of_add(0, 0);
	dp_of_publish(of);
	of_send(0, 10);
	assert_int_equal(links[1]->taken, 10);
	assert_memory_equal(links[1]->kept[0] + 6, "\x02\xaa\xbb\xcc\xdd\xee", 6);
	assert_memory_equal(links[1]->kept[0] + 30, "\x0a\1\2\3", 4);
	of_end();
}

static int setup(void **state)
{
	(void)state;
	return mem_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failover_follows_the_ports),
		cmocka_unit_test(groups_change_with_versions),
		cmocka_unit_test(all_gives_each_bucket_its_own_frame),
		cmocka_unit_test(a_meter_drops_what_is_over),
		cmocka_unit_test(packet_ins_have_a_meter),
		cmocka_unit_test(fields_are_set_on_the_way),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
