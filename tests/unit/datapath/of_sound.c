// Wildcard soundness of the cached path, as a property: whatever the tables, the actions and the
// frames are, a frame leaves as it would without the cache, and is counted so. Frames come from a
// few that are alike, one bit or some apart, so that the cache is asked for what it nearly knows.
// And a burst of frames leaves as each of them alone does, in order.
// Frames made to differ in nothing but what decides: of_apart.
#include "of_rig.h"

enum { RULES = 16, TABLES = 3, FRAMES = 15, ROUNDS = 90, TRIES = 100, SIZE = 90 };
enum { BURST = 16, BURSTS = 12, BURST_ROUNDS = 60, SLOTS = 64, FLOWS = 64 };

// What a round is about: edits of one kind on frames of one kind, whose bits differ where it
// counts.
enum focus { ALL, TAGS, LABELS, PORTS, ADDRESSES, N_FOCUSES };

static enum focus focus;

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
	// UDP as TCP above, and two labels
	"\x08\x00\x45\x00\x00\x40\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"
	"\x10\x00\x00\x50\x00\x2c\x00\x00",
	"\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40\x45\x00\x00\x40",
	// TCP behind an IPv4 option
	"\x08\x00\x46\x00\x00\x40\x00\x01\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02"
	"\x00\x00\x00\x00\x10\x00\x00\x50\x00\x00\x00\x00\x00\x00\x00\x00\x50\x10",
};
static const uint8_t sizes[] = { 36, 34, 38, 24, 22, 22, 30, 56, 22, 18, 38, 6, 30, 14, 40 };
_Static_assert(RTE_DIM(heads) == FRAMES && RTE_DIM(sizes) == FRAMES, "one size each");

static void frame_make(uint32_t kind, uint8_t f[SIZE])
{
	memset(f, 0, SIZE);
	memcpy(f, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01", 12);
	memcpy(f + 12, heads[kind], sizes[kind]);
}

static uint32_t kind_any(void)
{
	static const uint8_t tagged[] = { 0, 1, 2, 2 }, labels[] = { 8, 9, 13, 13 },
			     ports[] = { 0, 12, 4, 10, 14 };

	switch (focus) {
	case TAGS:
		return tagged[below(RTE_DIM(tagged))];
	case LABELS:
		return labels[below(RTE_DIM(labels))];
	case ADDRESSES:
	case PORTS:
		return ports[below(RTE_DIM(ports))];
	default:
		return below(FRAMES);
	}
}

// Some bits differ, where headers are, or where the focus is; the source stays one that may send.
static void frame_bend(uint8_t f[SIZE])
{
	static const uint8_t from[] = { 0, 14, 16, 36, 0 }, n_bytes[] = { 62, 6, 6, 2, 6 };

	for (uint32_t n = below(focus == ALL ? 4 : 2); n > 0; n--)
		f[from[focus] + below(n_bytes[focus])] ^= (uint8_t)(1u << below(8));
	memcpy(f + 6, "\x02\0\0\0\0", 5);
	f[11] ^= (uint8_t)(focus == ADDRESSES ? below(2) << 1 : 0);
	f[0] &= 0xfe;
}

// As an action leaves it: without the outer tag or label.
static void frame_strip(uint8_t f[SIZE])
{
	uint32_t at = f[12] == 0x88 && f[13] == 0x47 ? 14 : 12;

	memmove(f + at, f + at + 4, SIZE - at - 4u);
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

static enum dp_flow_field matched_any(void)
{
	static const enum dp_flow_field of_focus[N_FOCUSES] = {
		[TAGS] = DP_FLOW_vlan_vid,
		[LABELS] = DP_FLOW_mpls_label,
	};

	if (focus == PORTS) // and never the protocol, which the frame's shape alone says then
		return below(3) == 0 ? DP_FLOW_in_port : DP_FLOW_tcp_dst;
	if (focus == ADDRESSES)
		return below(2) == 0 ? DP_FLOW_eth_dst : DP_FLOW_eth_src;
	return focus == ALL || below(3) == 0 ? matched[below(RTE_DIM(matched))] : of_focus[focus];
}

// What some frame has, in some bits of some fields.
static void match_make(uint32_t table)
{
	uint8_t f[SIZE];
	struct dp_flow_key k;
	struct dp_parse p;

	frame_make(kind_any(), f);
	frame_bend(f);
	if (table > 0 && (focus == TAGS || focus == LABELS))
		frame_strip(f);
	dp_parse(f, SIZE, SIZE, &p);
	dp_flow_key_make(f, SIZE, &p, 1, &k);
	k.w[5] = table == 0 ? 0 : below(4);
	k.w[6] = table == 0 ? 0 : below(2);
	of_any();
	// The first table asks for little, so that what it edits decides later.
	for (uint32_t n = below(table == 0 ? 2 : 4); n > 0; n--) {
		enum dp_flow_field field = matched_any();
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
	if (focus != ALL && below(2) == 0) {
		if (focus == TAGS)
			of_op(DP_OP_POP_VLAN, 8, 0);
		else if (focus == LABELS)
			of_op(DP_OP_POP_MPLS, 8, DP_ETH_MPLS);
		else if (focus == ADDRESSES)
			of_set(DP_FLOW_vlan_vid, DP_FLOW_VID_PRESENT | 20);
		else
			of_set(DP_FLOW_tcp_dst, 0x50 ^ 1u << below(8));
		return;
	}
	switch (below(13)) {
	case 12:
		of_op(DP_OP_GROUP, 8, 1);
		return;
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

// Rules in force or staged, that a change may be about.
static struct dp_of_flow *flows[FLOWS];
static uint32_t n_flows;

static void rule_add(uint8_t table, uint16_t priority)
{
	// Two of a kind are the agent's to refuse.
	if (n_flows < FLOWS && dp_of_flow_exact(of, table, &of_key, &of_mask, priority) == NULL)
		flows[n_flows++] = of_add(table, priority);
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
	rule_add(table, (uint16_t)(table * 16 + how));
}

// One that ends in the first table, with one output or none: most of what a burst meets.
static void rule_make_simple(void)
{
	uint16_t priority = (uint16_t)(100 + below(4));

	match_make(0);
	of_begin();
	if (below(6) != 0)
		of_out(below(4) == 0 ? DP_OFPP_NORMAL : 1 + below(4));
	rule_add(0, priority);
}

// --- What changes while the cache knows frames

static void group_make(void)
{
	uint8_t ops[2][sizeof(struct dp_flow_output)];
	struct dp_of_bucket b[2];

	memset(b, 0, sizeof(b));
	for (uint32_t i = 0; i < 2; i++) {
		of_begin();
		of_out(1 + below(4));
		memcpy(ops[i], of_p.p.ops, sizeof(ops[i]));
		b[i].ops = ops[i];
		b[i].n_ops = sizeof(ops[i]);
		b[i].weight = (uint16_t)below(3);
		b[i].watch_port = 1 + below(4);
		b[i].watch_group = DP_OFPP_ANY;
	}
	assert_int_equal(dp_of_group_set(of, 1, (enum dp_of_group_type)below(4), b, 2), 0);
}

static void rule_change(void)
{
	uint32_t at = below(n_flows);

	if (below(2) == 0) {
		dp_of_flow_end(of, flows[at]);
		flows[at] = flows[--n_flows];
		return;
	}
	of_begin();
	of_out(below(3) == 0 ? DP_OFPP_NORMAL : 1 + below(4));
	assert_int_equal(dp_of_flow_change(of, flows[at], &of_p.p), 0);
}

static void off_and_on(void)
{
	struct weir_err err;

	assert_int_equal(dp_of_set_mode(of, DP_OF_OFF, &err), 0);
	mem_turns(3000, 1000);
	if (below(2) == 0)
		rule_change();
	dp_of_publish(of);
	mem_turns(3000, 1000);
	dp_of_housekeep(of, now_ns);
	assert_int_equal(dp_of_set_mode(of, DP_OF_TABLES, &err), 0);
}

static void change_make(void)
{
	static const uint8_t configs[] = { 0, 0, DP_OFPPC_NO_FWD, DP_OFPPC_PORT_DOWN };

	switch (below(8)) {
	case 0:
		rule_make();
		break;
	case 1:
		rule_make_simple();
		break;
	case 2:
		group_make();
		break;
	case 3:
		dp_of_group_end(of, 1);
		break;
	case 4:
		assert_int_equal(dp_of_port_config(of, 2 + below(3), configs[below(4)]), 0);
		return; // without another version
	case 5:
		if (n_flows > 2)
			off_and_on();
		break;
	default:
		if (n_flows > 2)
			rule_change();
	}
	dp_of_publish(of);
	if (below(2) == 0)
		dp_of_housekeep(of, now_ns); // else it is unlinked later
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

// Few places, so that frames that are not alike meet in one.
static void cache_shrink(uint32_t round)
{
	if (round / N_FOCUSES % 2 == 0) {
		of->pw[0]->cache_mask = 3;
		of->pw[0]->paths_mask = DP_OF_PATH_WAYS - 1;
	}
}

static void a_cached_walk_is_the_walk(void **state)
{
	uint64_t n_found = 0;

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		seed = 88172645463325252u + round * 7919;
		of_make("abcd", 1, DP_VLAN_TRANSPARENT);
		n_flows = 0;
		focus = round % N_FOCUSES;
		for (uint32_t i = 0; i < RULES; i++)
			rule_make();
		dp_of_publish(of);
		cache_shrink(round);
		for (uint32_t i = 0; i < TRIES; i++) {
			uint8_t f[SIZE];

			frame_make(kind_any(), f);
			if (below(4) != 0)
				frame_bend(f);
			cached_as_walked(f);
			// A change in between: what the cache knows is over.
			if (below(round % 2 == 0 ? 100 : 10) == 0) {
				change_make();
				cached_as_walked(f);
			}
		}
		n_found += of->pw[0]->n_cache_found;
		of_end();
	}
	assert_true(n_found > ROUNDS * TRIES / 10);
}

// --- Bursts

struct burst_fate {
	uint64_t taken[MEM_PORTS], dropped[DP_N_DROPS], lookups[TABLES], matched[TABLES];
	uint64_t n_pkts[SLOTS], n_bytes[SLOTS];
	uint8_t out[MEM_PORTS][MEM_KEEP][MEM_HEAD];
};

// What is counted so far, added to *out or taken from it.
static void burst_count(struct burst_fate *out, bool add)
{
	const struct dp_of_pw *pw = of->pw[0];
	const uint64_t *drops = dp_root(sw)->views[0]->port->pw[0].drop_in;
	uint64_t sign = add ? 1 : UINT64_MAX;

	for (uint32_t i = 0; i < DP_N_DROPS; i++)
		out->dropped[i] += sign * drops[i];
	for (uint32_t t = 0; t < TABLES; t++) {
		out->lookups[t] += sign * pw->tables[t].n_lookups;
		out->matched[t] += sign * pw->tables[t].n_matched;
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		out->n_pkts[i] += sign * pw->flows[i].n_pkts;
		out->n_bytes[i] += sign * pw->flows[i].n_bytes;
	}
}

static void burst_fate_of(uint8_t f[BURST][SIZE], bool together, struct burst_fate *out)
{
	memset(out, 0, sizeof(*out));
	burst_count(out, false);
	for (uint32_t i = 0; i < MEM_PORTS; i++)
		links[i]->taken = 0;
	for (uint32_t i = 0; i < BURST; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, SIZE), f[i], SIZE);
		dp_meta(m)->flags = 0;
		mem_put(links[0], m);
		if (!together)
			mem_turns(3000, 1000);
	}
	mem_turns(10000, 1000);
	burst_count(out, true);
	for (uint32_t i = 0; i < MEM_PORTS; i++) {
		out->taken[i] = links[i]->taken;
		for (uint32_t k = 0; k < MEM_KEEP && k < links[i]->taken; k++)
			memcpy(out->out[i][k], links[i]->kept[k], SIZE);
	}
}

// The first time the cache knows none or some, the second time it knows all that it may.
static void a_burst_is_as_each(void **state)
{
	static struct burst_fate fates[3];
	uint64_t n_out = 0;

	(void)state;
	for (uint32_t round = 0; round < BURST_ROUNDS; round++) {
		seed = 2463534242u + round * 104729;
		focus = round % N_FOCUSES;
		of_make("abcd", 1, DP_VLAN_TRANSPARENT);
		n_flows = 0;
		for (uint32_t i = 0; i < RULES; i++) {
			if (below(3) == 0)
				rule_make();
			else
				rule_make_simple();
		}
		dp_of_publish(of);
		cache_shrink(round);
		for (uint32_t k = 0; k < BURSTS; k++) {
			uint8_t few[4][SIZE], f[BURST][SIZE];
			struct dp_of_entry *cache = of->pw[0]->cache;

			for (uint32_t i = 0; i < 4; i++) {
				frame_make(kind_any(), few[i]);
				frame_bend(few[i]);
			}
			for (uint32_t i = 0; i < BURST; i++)
				memcpy(f[i], few[below(4)], SIZE);
			if (below(3) == 0) {
				rule_make_simple();
				dp_of_publish(of);
			}
			burst_fate_of(f, true, &fates[0]);
			burst_fate_of(f, true, &fates[1]);
			of->pw[0]->cache = NULL;
			burst_fate_of(f, false, &fates[2]);
			of->pw[0]->cache = cache;
			assert_memory_equal(&fates[1], &fates[0], sizeof(fates[0]));
			assert_memory_equal(&fates[1], &fates[2], sizeof(fates[0]));
			for (uint32_t i = 0; i < MEM_PORTS; i++)
				n_out += fates[1].taken[i];
		}
		of_end();
	}
	assert_true(n_out > BURST_ROUNDS * BURSTS * BURST / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_cached_walk_is_the_walk),
					    cmocka_unit_test(a_burst_is_as_each) };

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
