// Wildcard soundness of the cached path, as a property: whatever the tables, the actions and the
// frames are, a frame leaves as it would without the cache, and is counted so. Frames come from a
// few that are alike, one bit or some apart, so that the cache is asked for what it nearly knows.
#include "of_rig.h"

enum { RULES = 16, TABLES = 3, FRAMES = 12, ROUNDS = 90, TRIES = 100, SIZE = 90 };

static uint64_t seed;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd() >> 20) % n;
}

// --- Frames

static const char *const heads[] = {
	// TCP, UDP, ICMP, a fragment, a broken IPv4 header; behind 0, 1 and 2 tags
	"\x08\x00\x45\x00\x00\x40\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"
	"\x10\x00\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00\x50\x10",
	"\x81\x00\x00\x14\x08\x00\x45\x00\x00\x3c\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01"
	"\x0a\x00\x00\x02\x10\x00\x00\x50\x00\x28\x00\x00",
	"\x88\xa8\x00\x14\x81\x00\x00\x15\x08\x00\x45\x00\x00\x3c\x00\x01\x00\x00\x40\x11\x00\x00"
	"\x0a\x00\x00\x01\x0a\x00\x00\x02\x10\x00\x00\x50\x00\x28\x00\x00",
	"\x08\x00\x45\x00\x00\x40\x00\x01\x00\x00\x01\x01\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"
	"\x08\x00\x00\x00",
	"\x08\x00\x45\x00\x00\x40\x00\x01\x20\x07\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02",
	"\x08\x00\x44\x00\x00\x40\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02",
	"\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01\x0a\x00\x00\x01\x00\x00"
	"\x00\x00\x00\x00\x0a\x00\x00\x02",
	"\x86\xdd\x60\x00\x00\x00\x00\x14\x06\x40\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00"
	"\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00"
	"\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00\x50\x10",
	"\x88\x47\x00\x01\x01\x40\x45\x00\x00\x40\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01",
	"\x81\x00\xe0\x14\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40\x45\x00\x00\x40",
	"\x08\x00\x45\x00\x00\x40\x00\x01\x00\x00\x40\x84\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"
	"\x10\x00\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10",
	"\x01\x00\x45\x00\x00\x40",
};
static const uint8_t sizes[] = { 36, 34, 38, 24, 22, 22, 30, 56, 22, 18, 38, 6 };
_Static_assert(RTE_DIM(heads) == FRAMES && RTE_DIM(sizes) == FRAMES, "one size each");

static void frame_make(uint32_t kind, uint8_t f[SIZE])
{
	memset(f, 0, SIZE);
	memcpy(f, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01", 12);
	memcpy(f + 12, heads[kind], sizes[kind]);
}

// Some bits differ, where headers are; the source stays one that may send.
static void frame_bend(uint8_t f[SIZE])
{
	for (uint32_t n = below(4); n > 0; n--)
		f[below(62)] ^= (uint8_t)(1u << below(8));
	memcpy(f + 6, "\x02\0\0\0\0", 5);
	f[0] &= 0xfe;
}

// --- Rules

static const enum dp_flow_field matched[] = {
	DP_FLOW_in_port,  DP_FLOW_eth_dst,   DP_FLOW_eth_src,	 DP_FLOW_eth_type,
	DP_FLOW_vlan_vid, DP_FLOW_vlan_pcp,  DP_FLOW_ip_dscp,	 DP_FLOW_ip_ecn,
	DP_FLOW_ip_proto, DP_FLOW_ipv4_src,  DP_FLOW_ipv4_dst,	 DP_FLOW_tcp_src,
	DP_FLOW_tcp_dst,  DP_FLOW_arp_op,    DP_FLOW_mpls_label, DP_FLOW_mpls_bos,
	DP_FLOW_metadata, DP_FLOW_ipv6_src,  DP_FLOW_ipv6_dst,	 DP_FLOW_ipv6_flabel,
	DP_FLOW_arp_sha,  DP_FLOW_tunnel_id,
};
static const enum dp_flow_field set[] = {
	DP_FLOW_eth_dst,  DP_FLOW_eth_src,  DP_FLOW_vlan_vid,	 DP_FLOW_vlan_pcp,  DP_FLOW_ip_dscp,
	DP_FLOW_ip_ecn,	  DP_FLOW_ipv4_src, DP_FLOW_ipv4_dst,	 DP_FLOW_tcp_src,   DP_FLOW_tcp_dst,
	DP_FLOW_udp_dst,  DP_FLOW_sctp_src, DP_FLOW_icmpv4_type, DP_FLOW_arp_spa,   DP_FLOW_arp_op,
	DP_FLOW_metadata, DP_FLOW_ipv6_dst, DP_FLOW_mpls_label,	 DP_FLOW_tunnel_id,
};

// What some frame has, in some bits of some fields.
static void match_make(uint32_t table)
{
	uint8_t f[SIZE];
	struct dp_flow_key k;
	struct dp_parse p;

	frame_make(below(FRAMES), f);
	frame_bend(f);
	dp_parse(f, SIZE, SIZE, &p);
	dp_flow_key_make(f, SIZE, &p, 1, &k);
	k.w[5] = table == 0 ? 0 : below(4);
	k.w[6] = table == 0 ? 0 : below(2);
	of_any();
	// The first table asks for little, so that what it edits decides later.
	for (uint32_t n = below(table == 0 ? 2 : 4); n > 0; n--) {
		enum dp_flow_field field = matched[below(RTE_DIM(matched))];
		struct dp_flow_value m = dp_flow_ones(field);

		if (below(3) == 0) {
			m.hi &= rnd();
			m.lo &= rnd();
		}
		dp_flow_put(&of_mask, field, m);
	}
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		of_key.w[i] = k.w[i] & of_mask.w[i];
}

static void set_make(void)
{
	enum dp_flow_field f = set[below(RTE_DIM(set))];
	uint64_t v = rnd() & dp_flow_ones(f).lo;

	if (f == DP_FLOW_vlan_vid)
		v = DP_FLOW_VID_PRESENT | (20 + below(2));
	if (f == DP_FLOW_metadata || f == DP_FLOW_tunnel_id)
		v = below(4);
	of_set(f, below(2) == 0 ? v : v & 0x1011);
}

static void action_make(void)
{
	switch (below(12)) {
	case 0:
		of_op(DP_OP_PUSH_VLAN, 8, below(2) == 0 ? DP_ETH_VLAN : DP_ETH_QINQ);
		return;
	case 1:
		of_op(DP_OP_POP_VLAN, 8, 0);
		return;
	case 2:
		of_op(DP_OP_PUSH_MPLS, 8, DP_ETH_MPLS);
		return;
	case 3:
		of_op(DP_OP_POP_MPLS, 8, below(2) == 0 ? DP_ETH_IPV4 : DP_ETH_MPLS);
		return;
	case 4:
		of_op(DP_OP_DEC_NW_TTL, 8, 0);
		return;
	case 5:
	case 6:
		of_out(1 + below(4));
		return;
	default:
		set_make();
	}
}

static void rule_make(void)
{
	uint8_t table = (uint8_t)(below(3) == 0 ? 0 : 1 + below(TABLES - 1));
	uint32_t how = below(6);

	match_make(table);
	of_begin();
	for (uint32_t n = below(3); n > 0; n--)
		action_make();
	if (how == 1 || table > 0)
		of_out(1 + below(4));
	if (how == 0)
		of_write();
	if ((table == 0 || below(2) == 0) && table + 1 < TABLES)
		of_goto((uint8_t)(table + 1 + below(TABLES - table - 1u)));
	if (below(2) == 0) {
		of_p.p.metadata = below(4);
		of_p.p.metadata_mask = 3;
	}
	// Two of a kind are the agent's to refuse.
	if (dp_of_flow_exact(of, table, &of_key, &of_mask, (uint16_t)(table * 16 + how)) == NULL)
		of_add(table, (uint16_t)(table * 16 + how));
}

// --- What became of a frame

struct fate {
	uint64_t taken[MEM_PORTS], dropped[DP_N_DROPS], met[TABLES];
	uint8_t out[MEM_PORTS][8][MEM_HEAD];
};

static void send(const uint8_t f[SIZE])
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, SIZE), f, SIZE);
	dp_meta(m)->flags = 0;
	mem_put(links[0], m);
	mem_turns(3000, 1000);
}

static void fate_of(const uint8_t f[SIZE], struct fate *out)
{
	struct dp_port_pw *pw = &dp_root(sw)->views[0]->port->pw[0];
	uint64_t drops[DP_N_DROPS], met[TABLES];

	memset(out, 0, sizeof(*out));
	memcpy(drops, pw->drop_in, sizeof(drops));
	for (uint32_t t = 0; t < TABLES; t++)
		met[t] = of->pw[0]->tables[t].n_lookups << 32 | of->pw[0]->tables[t].n_matched;
	for (uint32_t i = 0; i < MEM_PORTS; i++)
		links[i]->taken = 0;
	send(f);
	for (uint32_t i = 0; i < MEM_PORTS; i++) {
		out->taken[i] = links[i]->taken;
		for (uint32_t k = 0; k < 8 && k < links[i]->taken; k++)
			memcpy(out->out[i][k], links[i]->kept[k], SIZE);
	}
	for (uint32_t i = 0; i < DP_N_DROPS; i++)
		out->dropped[i] = pw->drop_in[i] - drops[i];
	for (uint32_t t = 0; t < TABLES; t++)
		out->met[t] =
			(of->pw[0]->tables[t].n_lookups << 32 | of->pw[0]->tables[t].n_matched) -
			met[t];
}

static void cached_as_walked(const uint8_t f[SIZE])
{
	struct dp_of_pw *pw = of->pw[0];
	struct dp_of_entry *cache = pw->cache;
	struct fate cached, walked;

	fate_of(f, &cached);
	pw->cache = NULL;
	fate_of(f, &walked);
	pw->cache = cache;
	assert_memory_equal(&cached, &walked, sizeof(cached));
}

static void a_cached_walk_is_the_walk(void **state)
{
	uint64_t n_found = 0;

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		seed = 88172645463325252u + round * 7919;
		of_make("abcd", 1, DP_VLAN_TRANSPARENT);
		for (uint32_t i = 0; i < RULES; i++)
			rule_make();
		dp_of_publish(of);
		for (uint32_t i = 0; i < TRIES; i++) {
			uint8_t f[SIZE];

			frame_make(below(FRAMES), f);
			if (below(4) != 0)
				frame_bend(f);
			cached_as_walked(f);
			// A change in between: what the cache knows is over.
			if (below(40) == 0) {
				rule_make();
				dp_of_publish(of);
			}
		}
		n_found += of->pw[0]->n_cache_found;
		of_end();
	}
	assert_true(n_found > ROUNDS * TRIES / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_cached_walk_is_the_walk) };

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
