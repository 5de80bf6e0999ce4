#include "../unit.h"

#include "dp_flow_key.h"

// A frame that is written from its start on.
struct frame {
	uint8_t data[400];
	size_t size;
};

static void put(struct frame *f, uint64_t v, uint32_t n_bytes)
{
	while (n_bytes-- > 0)
		f->data[f->size++] = n_bytes < 8 ? (uint8_t)(v >> 8 * n_bytes) : 0;
}

static void put_addresses(struct frame *f)
{
	put(f, 0x020000000001, 6);
	put(f, 0x020000000002, 6);
}

static struct dp_flow_key key_of(const struct frame *f)
{
	uint8_t *copy = exact_copy(f->data, f->size);
	struct dp_flow_key k;
	struct dp_parse p;

	dp_parse(copy, f->size, f->size, &p);
	memset(&k, 0xa5, sizeof(k));
	dp_flow_key_make(copy, f->size, &p, 7, &k);
	free(copy);
	return k;
}

// Take a field out of the key; the test says at the end that nothing else is left in it.
static uint64_t take(struct dp_flow_key *k, enum dp_flow_field f)
{
	uint64_t v = dp_flow_get(k, f).lo;

	dp_flow_put(k, f, (struct dp_flow_value){ 0, 0 });
	return v;
}

static void assert_nothing_else(struct dp_flow_key *k)
{
	assert_int_equal(take(k, DP_FLOW_in_port), 7);
	assert_int_equal(take(k, DP_FLOW_eth_dst), 0x020000000001);
	assert_int_equal(take(k, DP_FLOW_eth_src), 0x020000000002);
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		assert_int_equal(k->w[i], 0);
}

// payload bytes of protocol, to 10.0.0.2 from 10.0.0.1, DSCP 46, ECN 1; frag: the field of it
static void put_ip4(struct frame *f, uint8_t proto, uint16_t payload, uint16_t frag)
{
	put(f, 0x45b9, 2);
	put(f, 20 + payload, 2);
	put(f, 0, 2);
	put(f, frag, 2);
	put(f, 64, 1);
	put(f, proto, 1);
	put(f, 0, 2);
	put(f, 0x0a000001, 4);
	put(f, 0x0a000002, 4);
}

static void take_ip4(struct dp_flow_key *k, uint8_t proto)
{
	assert_int_equal(take(k, DP_FLOW_eth_type), 0x0800);
	assert_int_equal(take(k, DP_FLOW_ip_proto), proto);
	assert_int_equal(take(k, DP_FLOW_ip_dscp), 46);
	assert_int_equal(take(k, DP_FLOW_ip_ecn), 1);
	assert_int_equal(take(k, DP_FLOW_ipv4_src), 0x0a000001);
	assert_int_equal(take(k, DP_FLOW_ipv4_dst), 0x0a000002);
}

// DSCP 46, ECN 1, label 0xabcde
static void put_ip6(struct frame *f, uint8_t proto, uint16_t payload)
{
	put(f, 0x6b9abcde, 4);
	put(f, payload, 2);
	put(f, proto, 1);
	put(f, 255, 1);
	put(f, 0x20010db800000000, 8);
	put(f, 1, 8);
	put(f, 0x20010db800000001, 8);
	put(f, 2, 8);
}

static void take_ip6(struct dp_flow_key *k, uint8_t proto)
{
	assert_int_equal(dp_flow_get(k, DP_FLOW_ipv6_src).hi, 0x20010db800000000);
	assert_int_equal(take(k, DP_FLOW_ipv6_src), 1);
	assert_int_equal(dp_flow_get(k, DP_FLOW_ipv6_dst).hi, 0x20010db800000001);
	assert_int_equal(take(k, DP_FLOW_ipv6_dst), 2);
	assert_int_equal(take(k, DP_FLOW_ipv6_flabel), 0xabcde);
	assert_int_equal(take(k, DP_FLOW_eth_type), 0x86dd);
	assert_int_equal(take(k, DP_FLOW_ip_proto), proto);
	assert_int_equal(take(k, DP_FLOW_ip_dscp), 46);
	assert_int_equal(take(k, DP_FLOW_ip_ecn), 1);
}

static void fields_have_the_places_of_the_list(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < DP_FLOW_N_FIELDS; i++) {
		enum dp_flow_field f = (enum dp_flow_field)i;
		struct dp_flow_value v = dp_flow_ones(f), got;
		struct dp_flow_key k = { 0 };
		uint32_t bits = 0;

		assert_int_equal(dp_flow_field_of_oxm(dp_flow_fields[f].oxm), f);
		dp_flow_put(&k, f, (struct dp_flow_value){ UINT64_MAX, UINT64_MAX });
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			bits += (uint32_t)__builtin_popcountll(k.w[w]);
		assert_int_equal(bits, dp_flow_fields[f].bits);
		got = dp_flow_get(&k, f);
		assert_true(got.hi == v.hi && got.lo == v.lo);
		memset(&k, 0xff, sizeof(k));
		dp_flow_put(&k, f, (struct dp_flow_value){ 0, 0 });
		got = dp_flow_get(&k, f);
		assert_true(got.hi == 0 && got.lo == 0);
	}
	assert_int_equal(dp_flow_field_of_oxm(37), DP_FLOW_N_FIELDS);
	assert_int_equal(dp_flow_field_of_oxm(255), DP_FLOW_N_FIELDS);
}

// Fields that a frame can have together do not overlap.
static void fields_share_a_place_only_where_prerequisites_exclude_each_other(void **state)
{
	static const enum dp_flow_field together[] = {
		DP_FLOW_metadata,    DP_FLOW_in_port,	     DP_FLOW_eth_type,
		DP_FLOW_vlan_pcp,    DP_FLOW_vlan_vid,	     DP_FLOW_eth_dst,
		DP_FLOW_ip_proto,    DP_FLOW_ip_dscp,	     DP_FLOW_ip_ecn,
		DP_FLOW_eth_src,     DP_FLOW_icmpv6_type,    DP_FLOW_icmpv6_code,
		DP_FLOW_tunnel_id,   DP_FLOW_ipv6_src,	     DP_FLOW_ipv6_dst,
		DP_FLOW_ipv6_flabel, DP_FLOW_ipv6_nd_target, DP_FLOW_ipv6_nd_sll,
		DP_FLOW_ipv6_nd_tll, DP_FLOW_mpls_label,     DP_FLOW_mpls_tc,
		DP_FLOW_mpls_bos,
	};
	struct dp_flow_key all = { 0 };

	(void)state;
	for (uint32_t i = 0; i < sizeof(together) / sizeof(together[0]); i++) {
		struct dp_flow_key one = { 0 };

		dp_flow_put(&one, together[i], dp_flow_ones(together[i]));
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++) {
			assert_int_equal(all.w[w] & one.w[w], 0);
			all.w[w] |= one.w[w];
		}
	}
}

static void a_frame_of_an_unknown_type_has_addresses_and_type(void **state)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	(void)state;
	put_addresses(&f);
	put(&f, 0x1234, 2);
	put(&f, ~0ull, 8);
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_eth_type), 0x1234);
	assert_nothing_else(&k);
}

static void a_frame_without_an_ethertype_has_that_of_openflow(void **state)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	(void)state;
	put_addresses(&f);
	put(&f, 8, 2);
	put(&f, 0x4242030000000000, 8);
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_eth_type), 0x05ff);
	assert_nothing_else(&k);
}

static void tags_give_vid_with_presence_pcp_and_the_type_behind_all(void **state)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	(void)state;
	put_addresses(&f);
	put(&f, 0x8100f005, 4); // PCP 7, DEI: not a part of the VID
	put(&f, 0x1234, 2);
	put(&f, 0, 4);
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_vlan_vid), DP_FLOW_VID_PRESENT | 5);
	assert_int_equal(take(&k, DP_FLOW_vlan_pcp), 7);
	assert_int_equal(take(&k, DP_FLOW_eth_type), 0x1234);
	assert_nothing_else(&k);
}

static void vlan_0_is_a_tag_and_the_inner_tag_has_its_word(void **state)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	(void)state;
	put_addresses(&f);
	put(&f, 0x88a86000, 4);
	put(&f, 0x8100b00c, 4);
	put(&f, 0x0800, 2);
	put_ip4(&f, 17, 8, 0);
	put(&f, 0x03e807d000080000, 8);
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_vlan_vid), DP_FLOW_VID_PRESENT);
	assert_int_equal(take(&k, DP_FLOW_vlan_pcp), 3);
	assert_int_equal(k.w[11], 0x8000b00c);
	k.w[11] = 0;
	take_ip4(&k, 17);
	assert_int_equal(take(&k, DP_FLOW_udp_src), 1000);
	assert_int_equal(take(&k, DP_FLOW_udp_dst), 2000);
	assert_nothing_else(&k);
}

static void arp_has_operation_and_addresses(void **state)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	(void)state;
	put_addresses(&f);
	put(&f, 0x0806, 2);
	put(&f, 0x0001080006040002, 8);
	put(&f, 0x020000000003, 6);
	put(&f, 0x0a000003, 4);
	put(&f, 0x020000000004, 6);
	put(&f, 0x0a000004, 4);
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_eth_type), 0x0806);
	assert_int_equal(take(&k, DP_FLOW_arp_op), 2);
	assert_int_equal(take(&k, DP_FLOW_arp_sha), 0x020000000003);
	assert_int_equal(take(&k, DP_FLOW_arp_spa), 0x0a000003);
	assert_int_equal(take(&k, DP_FLOW_arp_tha), 0x020000000004);
	assert_int_equal(take(&k, DP_FLOW_arp_tpa), 0x0a000004);
	assert_nothing_else(&k);
	f.size--; // the last byte of the target is missing
	k = key_of(&f);
	assert_int_equal(take(&k, DP_FLOW_eth_type), 0x0806);
	assert_nothing_else(&k);
}

// Transport headers of 20 bytes each, over both versions of IP.
static void ports_are_those_of_tcp_udp_and_sctp_and_types_those_of_icmp(void **state)
{
	static const struct {
		uint8_t proto;
		bool is_6;
		enum dp_flow_field src, dst;
		uint64_t want_src, want_dst;
	} cases[] = {
		{ 6, false, DP_FLOW_tcp_src, DP_FLOW_tcp_dst, 0x0c10, 0x0102 },
		{ 6, true, DP_FLOW_tcp_src, DP_FLOW_tcp_dst, 0x0c10, 0x0102 },
		{ 17, false, DP_FLOW_udp_src, DP_FLOW_udp_dst, 0x0c10, 0x0102 },
		{ 17, true, DP_FLOW_udp_src, DP_FLOW_udp_dst, 0x0c10, 0x0102 },
		{ 132, false, DP_FLOW_sctp_src, DP_FLOW_sctp_dst, 0x0c10, 0x0102 },
		{ 132, true, DP_FLOW_sctp_src, DP_FLOW_sctp_dst, 0x0c10, 0x0102 },
		{ 1, false, DP_FLOW_icmpv4_type, DP_FLOW_icmpv4_code, 0x0c, 0x10 },
		{ 58, true, DP_FLOW_icmpv6_type, DP_FLOW_icmpv6_code, 0x0c, 0x10 },
		// ICMP of the other version, and what has no ports.
		{ 58, false, DP_FLOW_icmpv6_type, DP_FLOW_icmpv6_code, 0, 0 },
		{ 1, true, DP_FLOW_icmpv4_type, DP_FLOW_icmpv4_code, 0, 0 },
		{ 47, false, DP_FLOW_tcp_src, DP_FLOW_tcp_dst, 0, 0 },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame f = { 0 };
		struct dp_flow_key k;

		put_addresses(&f);
		put(&f, cases[i].is_6 ? 0x86dd : 0x0800, 2);
		if (cases[i].is_6)
			put_ip6(&f, cases[i].proto, 20);
		else
			put_ip4(&f, cases[i].proto, 20, 0);
		put(&f, 0x0c10010200000000, 8);
		put(&f, 0x0000000050020000, 8);
		put(&f, 0, 4);
		k = key_of(&f);
		if (cases[i].is_6)
			take_ip6(&k, cases[i].proto);
		else
			take_ip4(&k, cases[i].proto);
		assert_int_equal(take(&k, cases[i].src), cases[i].want_src);
		assert_int_equal(take(&k, cases[i].dst), cases[i].want_dst);
		assert_nothing_else(&k);
	}
}

static void a_first_fragment_has_ports_and_a_later_one_has_none(void **state)
{
	(void)state;
	for (uint16_t offset = 0; offset <= 4; offset += 2) {
		struct frame f = { 0 };
		struct dp_flow_key k;

		put_addresses(&f);
		put(&f, 0x0800, 2);
		put_ip4(&f, 17, 8, 0x2000 | offset);
		put(&f, 0x03e807d000080000, 8);
		k = key_of(&f);
		take_ip4(&k, 17);
		assert_int_equal(take(&k, DP_FLOW_udp_src), offset == 0 ? 1000 : 0);
		assert_int_equal(take(&k, DP_FLOW_udp_dst), offset == 0 ? 2000 : 0);
		assert_nothing_else(&k);
	}
}

// A solicitation (135) or advertisement (136) with these options.
static struct dp_flow_key nd(uint8_t type, uint8_t code, const uint8_t *options, uint8_t size)
{
	struct frame f = { 0 };
	struct dp_flow_key k;

	put_addresses(&f);
	put(&f, 0x86dd, 2);
	put_ip6(&f, 58, (uint16_t)(24 + size));
	put(&f, type, 1);
	put(&f, code, 1);
	put(&f, 0, 6);
	put(&f, 0xfe80000000000000, 8);
	put(&f, 9, 8);
	for (uint32_t i = 0; i < size; i++)
		put(&f, options[i], 1);
	k = key_of(&f);
	take_ip6(&k, 58);
	assert_int_equal(take(&k, DP_FLOW_icmpv6_type), type);
	assert_int_equal(take(&k, DP_FLOW_icmpv6_code), code);
	return k;
}

static void nd_has_its_target_and_link_layer_addresses(void **state)
{
#define SLL 1, 1, 2, 0, 0, 0, 0, 5
#define TLL 2, 1, 2, 0, 0, 0, 0, 6
#define OTHER 14, 1, 9, 9, 9, 9, 9, 9
	static const struct {
		uint8_t type, code, size;
		bool has_target;
		uint64_t sll, tll;
		uint8_t options[200];
	} cases[] = {
		{ 135, 0, 0, true, 0, 0, { 0 } },
		{ 135, 0, 8, true, 0x020000000005, 0, { SLL } },
		{ 136, 0, 8, true, 0, 0x020000000006, { TLL } },
		{ 135, 0, 24, true, 0x020000000005, 0x020000000006, { OTHER, TLL, SLL } },
		// Twice there, empty, longer than the message: nothing of it.
		{ 135, 0, 16, false, 0, 0, { SLL, SLL } },
		{ 135, 0, 16, false, 0, 0, { SLL, 14, 0 } },
		{ 136, 0, 16, false, 0, 0, { TLL, 14, 2 } },
		// Of another length than that of Ethernet's addresses; less than an option.
		{ 135, 0, 16, true, 0, 0, { 1, 2 } },
		{ 135, 0, 15, true, 0x020000000005, 0, { SLL, 1, 1 } },
		// Neither a code nor a type of theirs.
		{ 135, 1, 8, false, 0, 0, { SLL } },
		{ 133, 0, 8, false, 0, 0, { SLL } },
		// Up to the end of what is parsed: bytes 78 to 255.
		{ 135, 0, 192, true, 0, 0, { [0] = 14, 22, [176] = 1, 1, [184] = SLL } },
		{ 135, 0, 184, true, 0x020000000005, 0, { [0] = 14, 21, [168] = SLL, 14, 1 } },
	};

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dp_flow_key k =
			nd(cases[i].type, cases[i].code, cases[i].options, cases[i].size);

		assert_int_equal(dp_flow_get(&k, DP_FLOW_ipv6_nd_target).hi,
				 cases[i].has_target ? 0xfe80000000000000 : 0);
		assert_int_equal(take(&k, DP_FLOW_ipv6_nd_target), cases[i].has_target ? 9 : 0);
		assert_int_equal(take(&k, DP_FLOW_ipv6_nd_sll), cases[i].sll);
		assert_int_equal(take(&k, DP_FLOW_ipv6_nd_tll), cases[i].tll);
		assert_nothing_else(&k);
	}
}

static void labels_give_the_outermost_and_nothing_behind(void **state)
{
	static const uint16_t types[] = { 0x8847, 0x8848 };

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct frame f = { 0 };
		struct dp_flow_key k;

		put_addresses(&f);
		put(&f, 0x81000007, 4);
		put(&f, types[i], 2);
		put(&f, 0xabcdea40, 4); // TC 5, not the last
		put(&f, 0x12345140, 4);
		put_ip4(&f, 17, 8, 0);
		put(&f, 0x03e807d000080000, 8);
		k = key_of(&f);
		assert_int_equal(take(&k, DP_FLOW_eth_type), types[i]);
		assert_int_equal(take(&k, DP_FLOW_vlan_vid), DP_FLOW_VID_PRESENT | 7);
		assert_int_equal(take(&k, DP_FLOW_mpls_label), 0xabcde);
		assert_int_equal(take(&k, DP_FLOW_mpls_tc), 5);
		assert_int_equal(take(&k, DP_FLOW_mpls_bos), 0);
		assert_nothing_else(&k);
	}
}

// Cut anywhere, a frame has a key, and nothing beyond its end is read.
static void frames_may_end_anywhere(void **state)
{
	struct frame f = { 0 };

	(void)state;
	put_addresses(&f);
	put(&f, 0x81000007, 4);
	put(&f, 0x86dd, 2);
	put_ip6(&f, 58, 40);
	put(&f, 135, 1);
	put(&f, 0, 23);
	put(&f, 0x0101020000000005, 8);
	put(&f, 0x0e01000000000000, 8);
	for (; f.size > 0; f.size--) {
		struct dp_flow_key k = key_of(&f);

		assert_int_equal(dp_flow_get(&k, DP_FLOW_in_port).lo, 7);
	}
}

struct prerequisite_case {
	enum dp_flow_field field;
	uint64_t eth_type, ip_proto, icmp_type; // what it wants; 0 = nothing
};

// Table 12 of OpenFlow 1.3.5, one line for each value that will do.
static const struct prerequisite_case table_12[] = {
	{ DP_FLOW_ip_dscp, 0x0800, 0, 0 },
	{ DP_FLOW_ip_dscp, 0x86dd, 0, 0 },
	{ DP_FLOW_ip_ecn, 0x0800, 0, 0 },
	{ DP_FLOW_ip_ecn, 0x86dd, 0, 0 },
	{ DP_FLOW_ip_proto, 0x0800, 0, 0 },
	{ DP_FLOW_ip_proto, 0x86dd, 0, 0 },
	{ DP_FLOW_ipv4_src, 0x0800, 0, 0 },
	{ DP_FLOW_ipv4_dst, 0x0800, 0, 0 },
	{ DP_FLOW_tcp_src, 0x0800, 6, 0 },
	{ DP_FLOW_tcp_src, 0x86dd, 6, 0 },
	{ DP_FLOW_tcp_dst, 0x0800, 6, 0 },
	{ DP_FLOW_tcp_dst, 0x86dd, 6, 0 },
	{ DP_FLOW_udp_src, 0x0800, 17, 0 },
	{ DP_FLOW_udp_src, 0x86dd, 17, 0 },
	{ DP_FLOW_udp_dst, 0x0800, 17, 0 },
	{ DP_FLOW_udp_dst, 0x86dd, 17, 0 },
	{ DP_FLOW_sctp_src, 0x0800, 132, 0 },
	{ DP_FLOW_sctp_src, 0x86dd, 132, 0 },
	{ DP_FLOW_sctp_dst, 0x0800, 132, 0 },
	{ DP_FLOW_sctp_dst, 0x86dd, 132, 0 },
	{ DP_FLOW_icmpv4_type, 0x0800, 1, 0 },
	{ DP_FLOW_icmpv4_code, 0x0800, 1, 0 },
	{ DP_FLOW_arp_op, 0x0806, 0, 0 },
	{ DP_FLOW_arp_spa, 0x0806, 0, 0 },
	{ DP_FLOW_arp_tpa, 0x0806, 0, 0 },
	{ DP_FLOW_arp_sha, 0x0806, 0, 0 },
	{ DP_FLOW_arp_tha, 0x0806, 0, 0 },
	{ DP_FLOW_ipv6_src, 0x86dd, 0, 0 },
	{ DP_FLOW_ipv6_dst, 0x86dd, 0, 0 },
	{ DP_FLOW_ipv6_flabel, 0x86dd, 0, 0 },
	{ DP_FLOW_icmpv6_type, 0x86dd, 58, 0 },
	{ DP_FLOW_icmpv6_code, 0x86dd, 58, 0 },
	{ DP_FLOW_ipv6_nd_target, 0x86dd, 58, 135 },
	{ DP_FLOW_ipv6_nd_target, 0x86dd, 58, 136 },
	{ DP_FLOW_ipv6_nd_sll, 0x86dd, 58, 135 },
	{ DP_FLOW_ipv6_nd_tll, 0x86dd, 58, 136 },
	{ DP_FLOW_mpls_label, 0x8847, 0, 0 },
	{ DP_FLOW_mpls_label, 0x8848, 0, 0 },
	{ DP_FLOW_mpls_tc, 0x8847, 0, 0 },
	{ DP_FLOW_mpls_tc, 0x8848, 0, 0 },
	{ DP_FLOW_mpls_bos, 0x8847, 0, 0 },
	{ DP_FLOW_mpls_bos, 0x8848, 0, 0 },
};

static void ask(struct dp_flow_key *k, struct dp_flow_key *mask, enum dp_flow_field f, uint64_t v)
{
	dp_flow_put(k, f, (struct dp_flow_value){ 0, v });
	dp_flow_put(mask, f, v == 0 ? (struct dp_flow_value){ 0, 0 } : dp_flow_ones(f));
}

static bool may_ask(enum dp_flow_field f, uint64_t eth_type, uint64_t ip_proto, uint64_t icmp_type)
{
	struct dp_flow_key k = { 0 }, mask = { 0 };

	ask(&k, &mask, DP_FLOW_eth_type, eth_type);
	ask(&k, &mask, DP_FLOW_ip_proto, ip_proto);
	ask(&k, &mask, DP_FLOW_icmpv6_type, icmp_type);
	return dp_flow_prerequisite(f, &k, &mask);
}

static bool is_listed(enum dp_flow_field f, uint64_t eth_type, uint64_t ip_proto,
		      uint64_t icmp_type)
{
	bool is_known = false;

	for (uint32_t i = 0; i < sizeof(table_12) / sizeof(table_12[0]); i++) {
		const struct prerequisite_case *c = &table_12[i];

		if (c->field != f)
			continue;
		is_known = true;
		if (c->eth_type == eth_type && (c->ip_proto == 0 || c->ip_proto == ip_proto) &&
		    (c->icmp_type == 0 || c->icmp_type == icmp_type))
			return true;
	}
	return !is_known; // it wants nothing
}

static void prerequisites_are_those_of_table_12(void **state)
{
	static const uint64_t eth_types[] = { 0, 0x0800, 0x0806, 0x86dd, 0x8847, 0x8848, 0x8100 };
	static const uint64_t protos[] = { 0, 1, 6, 17, 58, 132, 47 };
	static const uint64_t icmp_types[] = { 0, 8, 134, 135, 136, 137 };

	(void)state;
	for (uint32_t i = 0; i < DP_FLOW_N_FIELDS * 7 * 7 * 6; i++) {
		enum dp_flow_field f = (enum dp_flow_field)(i / (7 * 7 * 6));
		uint64_t eth_type = eth_types[i / (7 * 6) % 7], proto = protos[i / 6 % 7];

		if (f == DP_FLOW_in_phy_port || f == DP_FLOW_vlan_pcp)
			continue;
		assert_int_equal(may_ask(f, eth_type, proto, icmp_types[i % 6]),
				 is_listed(f, eth_type, proto, icmp_types[i % 6]));
	}
}

static void a_prerequisite_has_to_be_asked_for_as_a_whole(void **state)
{
	struct dp_flow_key k = { 0 }, mask = { 0 };

	(void)state;
	assert_false(dp_flow_prerequisite(DP_FLOW_in_phy_port, &k, &mask));
	ask(&k, &mask, DP_FLOW_in_port, 3);
	assert_true(dp_flow_prerequisite(DP_FLOW_in_phy_port, &k, &mask));
	assert_false(dp_flow_prerequisite(DP_FLOW_vlan_pcp, &k, &mask));
	ask(&k, &mask, DP_FLOW_vlan_vid, 5); // a VID without presence
	assert_false(dp_flow_prerequisite(DP_FLOW_vlan_pcp, &k, &mask));
	dp_flow_put(&k, DP_FLOW_vlan_vid, (struct dp_flow_value){ 0, DP_FLOW_VID_PRESENT });
	dp_flow_put(&mask, DP_FLOW_vlan_vid, (struct dp_flow_value){ 0, DP_FLOW_VID_PRESENT });
	assert_true(dp_flow_prerequisite(DP_FLOW_vlan_pcp, &k, &mask)); // any tag
	ask(&k, &mask, DP_FLOW_eth_type, 0x0800);
	assert_true(dp_flow_prerequisite(DP_FLOW_ip_proto, &k, &mask));
	mask.w[0] &= ~(UINT64_C(1) << 16);
	assert_false(dp_flow_prerequisite(DP_FLOW_ip_proto, &k, &mask));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_the_places_of_the_list),
		cmocka_unit_test(fields_share_a_place_only_where_prerequisites_exclude_each_other),
		cmocka_unit_test(a_frame_of_an_unknown_type_has_addresses_and_type),
		cmocka_unit_test(a_frame_without_an_ethertype_has_that_of_openflow),
		cmocka_unit_test(tags_give_vid_with_presence_pcp_and_the_type_behind_all),
		cmocka_unit_test(vlan_0_is_a_tag_and_the_inner_tag_has_its_word),
		cmocka_unit_test(arp_has_operation_and_addresses),
		cmocka_unit_test(ports_are_those_of_tcp_udp_and_sctp_and_types_those_of_icmp),
		cmocka_unit_test(a_first_fragment_has_ports_and_a_later_one_has_none),
		cmocka_unit_test(nd_has_its_target_and_link_layer_addresses),
		cmocka_unit_test(labels_give_the_outermost_and_nothing_behind),
		cmocka_unit_test(frames_may_end_anywhere),
		cmocka_unit_test(prerequisites_are_those_of_table_12),
		cmocka_unit_test(a_prerequisite_has_to_be_asked_for_as_a_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
