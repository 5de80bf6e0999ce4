// Wildcard soundness of the cached path where chance seldom looks: two frames that differ in
// nothing but what decides. A bit of a frame, and the one word of the key that it changes, is all
// that some table looks at; and of two frames that what is looked at does not tell apart, one
// action makes different ones. Chance is tests/unit/datapath/of_sound.c.
#include "of_rig.h"

enum { TABLES = 3, SIZE = 90, FLIPS = 256, TRIES = 24, TRIES_ALIKE = 512 };

#define BYTES(s)                                                                                   \
	{                                                                                          \
		(s), sizeof(s) - 1                                                                 \
	}
#define TAG "\x81\x00\x00\x14"
#define IP4(ihl, total, frag, proto)                                                               \
	"\x08\x00" ihl "\x00" total "\x00\x01" frag "\x40" proto "\x00\x00\x0a\x00\x00\x01"        \
	"\x0a\x00\x00\x02"
#define IP6(next)                                                                                  \
	"\x86\xdd\x60\x00\x00\x00\x00\x20" next "\xff" IP6_ADDRESS "\x01" IP6_ADDRESS "\x02"
#define IP6_ADDRESS "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
#define PORTS_ARE "\x10\x00\x00\x50"
#define TCP PORTS_ARE "\x00\x00\x00\x00\x00\x00\x00\x00\x50\x10"
#define UDP PORTS_ARE "\x00\x20\x00\x00"
#define OPTION "\x00\x00\x00\x00"
#define ND(type, option)                                                                           \
	IP6("\x3a")                                                                                \
	type "\x00\x00\x00\x00\x00\x00\x00\xfe\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"    \
	     "\x00\x00"                                                                            \
	     "\x07" option "\x01\x02\x00\x00\x00\x00\x07"

// What the cache must tell apart by the frame's shape, or by its key: whole headers and broken
// ones, fragments, options, stacks of tags and of labels.
static const struct {
	const char *bytes;
	uint8_t size;
} shapes[] = {
	BYTES(IP4("\x45", "\x00\x40", "\x00\x00", "\x06") TCP),
	BYTES(IP4("\x45", "\x00\x40", "\x00\x00", "\x11") UDP),
	BYTES(TAG IP4("\x45", "\x00\x40", "\x00\x00", "\x06") TCP),
	BYTES("\x88\xa8\x00\x14" TAG IP4("\x45", "\x00\x3c", "\x00\x00", "\x11") UDP),
	BYTES(IP4("\x45", "\x00\x40", "\x00\x00", "\x84") TCP),
	BYTES(IP4("\x45", "\x00\x40", "\x00\x00", "\x01") "\x08\x00\x00\x00"),
	BYTES(IP4("\x45", "\x00\x40", "\x00\x00", "\x2f")),
	// fragments: first and later; behind an option
	BYTES(IP4("\x45", "\x00\x40", "\x20\x00", "\x06") TCP),
	BYTES(IP4("\x45", "\x00\x40", "\x20\x07", "\x06") TCP),
	BYTES(IP4("\x46", "\x00\x40", "\x00\x07", "\x06") OPTION TCP),
	// an option; no room for ports behind it, or without it
	BYTES(IP4("\x46", "\x00\x40", "\x00\x00", "\x06") OPTION TCP),
	BYTES(IP4("\x46", "\x00\x40", "\x00\x00", "\x11") OPTION UDP),
	BYTES(IP4("\x46", "\x00\x1a", "\x00\x00", "\x06") OPTION TCP),
	BYTES(IP4("\x45", "\x00\x1a", "\x00\x00", "\x06") TCP),
	BYTES("\x88\xa8\x00\x14" TAG IP4("\x46", "\x00\x3c", "\x00\x00", "\x11") OPTION UDP),
	BYTES(IP4("\x44", "\x00\x40", "\x00\x00", "\x06") TCP),
	// IPv6: TCP, UDP, fragments, neighbours
	BYTES(IP6("\x06") TCP),
	BYTES(IP6("\x11") UDP),
	BYTES(IP6("\x2c") "\x06\x00\x00\x01\x00\x00\x00\x00" TCP),
	BYTES(IP6("\x2c") "\x06\x00\x00\x39\x00\x00\x00\x00" TCP),
	BYTES(ND("\x87", "\x01")),
	BYTES(ND("\x88", "\x02")),
	// ARP, one that is none, labels, no ethertype, SNAP
	BYTES("\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x01\x0a\x00\x00\x01\x00"
	      "\x00\x00\x00\x00\x00\x0a\x00\x00\x02"),
	BYTES("\x08\x06\x00\x01\x08\x00\x04\x04\x00\x01\x02\x00\x00\x00\x00\x01\x0a\x00\x00\x01"),
	BYTES("\x88\x47\x00\x01\x01\x40\x45\x00\x00\x40\x00\x01\x00\x00\x40\x06"),
	BYTES("\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40\x45\x00\x00\x40"),
	BYTES(TAG "\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40\x45\x00\x00\x40"),
	BYTES("\x00\x20\x42\x42\x03\x00"),
	BYTES("\x00\x40\xaa\xaa\x03\x00\x00\x00" IP4("\x45", "\x00\x30", "\x00\x00", "\x11") UDP),
};

enum { SHAPE_IP6 = 16 };

struct sent {
	uint8_t f[SIZE];
	uint32_t port;
};

static void shape_make(uint32_t kind, uint8_t f[SIZE])
{
	memset(f, 0, SIZE);
	memcpy(f, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01", 12);
	memcpy(f + 12, shapes[kind].bytes, shapes[kind].size);
}

static struct rte_mbuf *frame_of(const uint8_t f[SIZE])
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[0]->pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, SIZE), f, SIZE);
	dp_meta(m)->flags = 0;
	return m;
}

// The key of a frame, and that of what the actions in of_p leave of it.
static void keys_of(const struct sent *s, struct dp_flow_key *key, struct dp_flow_key *edited)
{
	struct rte_mbuf *m = frame_of(s->f);
	struct dp_parse *p = &dp_meta(m)->p;

	dp_parse(dp_data(m), SIZE, SIZE, p);
	dp_flow_key_make(dp_data(m), SIZE, p, s->port + 1, key);
	for (size_t at = 0; at < of_p.p.n_apply; at += dp_flow_op_at(of_p.p.ops, at)->size)
		(void)dp_of_edit(m, dp_flow_op_at(of_p.p.ops, at));
	dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), p, s->port + 1, edited);
	rte_pktmbuf_free(m);
}

// The actions in of_p, if any, in the first table; then nothing is looked at but `mask`, in that
// table.
static void tables_are(uint8_t table, const struct dp_flow_key *key, const struct dp_flow_key *mask)
{
	of_any();
	if (table > 0) {
		of_goto(table);
		of_add(0, 1);
	}
	of_begin();
	of_out(3);
	of_add(table, 1);
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		of_key.w[i] = key->w[i] & mask->w[i];
	of_mask = *mask;
	of_begin();
	of_out(4);
	of_add(table, 2);
	dp_of_publish(of);
}

// And nothing is looked at.
static void tables_clear(void)
{
	for (uint32_t i = 0; i < of->n_ever; i++) {
		struct dp_of_flow *f = &of->flows[i];

		if (f->ended || f->let_go)
			continue;
		dp_of_flow_end(of, f);
		dp_of_flow_free(of, f);
	}
	dp_of_publish(of);
	for (uint32_t i = 0; i < 3; i++) {
		mem_turns(1000, 1000);
		dp_switch_housekeep(sw, now_ns);
	}
	assert_int_equal(of->n_free_slots, of->n_ever);
}

static uint64_t sent_to(const struct sent *s)
{
	uint64_t c = links[2]->taken, d = links[3]->taken;

	mem_put(links[s->port], frame_of(s->f));
	mem_turns(3000, 1000);
	return (links[2]->taken - c) << 8 | (links[3]->taken - d);
}

// What the cache says of each after it has seen the other one, and itself.
static void both_as_walked(const struct sent *a, const struct sent *b)
{
	struct dp_of_pw *pw = of->pw[0];
	struct dp_of_entry *cache = pw->cache;
	uint64_t walked[2];

	pw->cache = NULL;
	walked[0] = sent_to(a);
	walked[1] = sent_to(b);
	pw->cache = cache;
	for (uint32_t i = 0; i < 2; i++) {
		struct dp_of_port_pw *port =
			&pw->ports[dp_root(sw)->views[i == 0 ? a->port : b->port]->port->idx];

		port->n_lost = port->skips = 0; // whatever it sees goes in
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(sent_to(i % 2 == 0 ? a : b), walked[i % 2]);
}

// In each table nothing but what tells the keys apart in one word, if that has not been tried.
// alone: the others do not differ
static void what_differs_counts(const struct sent *a, const struct sent *b, bool alone, bool done[])
{
	struct dp_flow_key ka, kb, none;
	uint32_t n = 0;

	of_begin();
	keys_of(a, &ka, &none);
	keys_of(b, &kb, &none);
	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
		n += ka.w[w] != kb.w[w];
	for (uint32_t w = 0; w < DP_FLOW_WORDS && !(alone && n > 1); w++) {
		struct dp_flow_key mask = { { 0 } };

		mask.w[w] = ka.w[w] ^ kb.w[w];
		if (mask.w[w] == 0 || done[w])
			continue;
		done[w] = true;
		for (uint8_t table = 0; table < TABLES; table++) {
			of_begin();
			tables_are(table, &ka, &mask);
			both_as_walked(a, b);
			tables_clear();
		}
	}
}

// Each word that some bit of a frame changes, alone in each table.
static void what_is_looked_at_tells_apart(void **state)
{
	uint32_t n_words[DP_FLOW_WORDS] = { 0 };

	(void)state;
	of_make("abcd", 1, DP_VLAN_TRANSPARENT);
	seed = 88172645463325252u;
	for (uint32_t kind = 0; kind < RTE_DIM(shapes); kind++) {
		bool done[DP_FLOW_WORDS] = { false };
		struct sent a = { .port = 0 }, b;

		of->pw[0]->cache_mask = kind % 2 == 0 ? 0 : 1023;
		shape_make(kind, a.f);
		b = a;
		b.port = 1;
		what_differs_counts(&a, &b, true, done);
		done[0] = false;
		for (uint32_t i = 0; i < FLIPS; i++) {
			uint32_t at = below(i < 2 ? 6 : 12u + shapes[kind].size);

			b = a;
			b.f[at] ^= (uint8_t)(2u << below(7));
			what_differs_counts(&a, &b, i < FLIPS / 2, done);
		}
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			n_words[w] += done[w];
	}
	of_end();
	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
		assert_true((n_words[w] > 0) == (w != 5 && w != 6));
}

// One action that may tell by a frame's shape what to do.
static void edit_any(void)
{
	static const enum dp_flow_field any[] = { DP_FLOW_eth_dst,   DP_FLOW_vlan_pcp,
						  DP_FLOW_ip_ecn,    DP_FLOW_icmpv4_type,
						  DP_FLOW_arp_spa,   DP_FLOW_arp_op,
						  DP_FLOW_ipv4_dst,  DP_FLOW_tcp_src,
						  DP_FLOW_mpls_label };
	static const enum dp_flow_field own[] = { DP_FLOW_tcp_dst,  DP_FLOW_udp_src,
						  DP_FLOW_sctp_dst, DP_FLOW_ipv4_src,
						  DP_FLOW_ip_dscp,  DP_FLOW_vlan_vid,
						  DP_FLOW_ipv6_dst, DP_FLOW_eth_type };

	of_begin();
	switch (below(8)) {
	case 0:
		of_op(DP_OP_POP_VLAN, 8, 0);
		return;
	case 1:
		of_op(DP_OP_PUSH_VLAN, 8, DP_ETH_VLAN);
		return;
	case 2:
		of_op(DP_OP_POP_MPLS, 8, below(2) == 0 ? DP_ETH_IPV4 : DP_ETH_MPLS);
		return;
	case 3:
		of_set(any[below(RTE_DIM(any))], 0x1010);
		return;
	default:
		of_set(own[below(RTE_DIM(own))], 0x1014);
	}
}

// What both do not have, or have as 0, no key tells apart.
static void blank(uint8_t f[SIZE], uint32_t what)
{
	struct dp_parse p;

	dp_parse(f, SIZE, SIZE, &p);
	if ((what & 1) != 0 && p.l4_off != 0 && p.ip_proto != 1 && p.ip_proto != 58)
		memset(f + p.l4_off, 0, 4);
	if ((what & 2) != 0 && (p.flags & DP_PF_IP4) != 0)
		memset(f + p.l3_off + 12, 0, 8);
	if ((what & 4) != 0 && (p.flags & DP_PF_IP6) != 0)
		memset(f + p.l3_off + 8, 0, 32);
	if ((what & 8) != 0 && p.n_tags > 0)
		f[14] = f[15] = 0;
}

// returns whether the action makes the frames differ in what they had in common; then that, and no
// more, is looked at behind it
static bool an_edit_counts(const struct sent *a, const struct sent *b)
{
	struct dp_flow_key before[2], after[2], mask = { { 0 } };
	uint64_t any = 0;

	keys_of(a, &before[0], &after[0]);
	keys_of(b, &before[1], &after[1]);
	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++) {
		mask.w[w] = (after[0].w[w] ^ after[1].w[w]) & ~(before[0].w[w] ^ before[1].w[w]);
		// No field is the inner tag's.
		if (w == 11)
			mask.w[w] &= ~UINT64_C(0xffffffff);
		any |= mask.w[w];
	}
	if (any == 0)
		return false;
	tables_are((uint8_t)(1 + below(TABLES - 1)), &after[0], &mask);
	both_as_walked(a, b);
	tables_clear();
	return true;
}

// Two frames, and an action on both.
static bool pair_counts(uint32_t kind_a, uint32_t kind_b)
{
	struct sent a = { .port = 0 }, b = { .port = 0 };
	uint32_t what = below(16);

	shape_make(kind_a, a.f);
	shape_make(kind_b, b.f);
	if (kind_a == kind_b)
		b.f[12 + below(shapes[kind_b].size)] ^= (uint8_t)(1u << below(8));
	blank(a.f, what);
	blank(b.f, what);
	edit_any();
	return an_edit_counts(&a, &b);
}

static void what_an_edit_shows_tells_apart(void **state)
{
	uint32_t n = 0;

	(void)state;
	of_make("abcd", 1, DP_VLAN_TRANSPARENT);
	seed = 2463534242u;
	for (uint32_t i = 0; i < RTE_DIM(shapes) * RTE_DIM(shapes); i++) {
		uint32_t a = i % RTE_DIM(shapes), b = i / RTE_DIM(shapes);

		uint32_t n_tries = a == b ? TRIES_ALIKE : TRIES, n_most = a == b ? 24 : 1, done = 0;

		of->pw[0]->cache_mask = i % 2 == 0 ? 0 : 1023;
		for (uint32_t k = 0; k < n_tries && done < n_most; k++)
			done += pair_counts(a, b);
		n += done;
	}
	of_end();
	assert_true(n > RTE_DIM(shapes) * RTE_DIM(shapes) / 2);
}

// The same words of a key, but in other places.
static void where_a_word_stands_tells_apart(void **state)
{
	struct dp_flow_key ka, none, mask = { { 0 } };
	bool done[DP_FLOW_WORDS] = { false };
	struct sent a = { .port = 0 }, b;

	(void)state;
	of_make("abcd", 1, DP_VLAN_TRANSPARENT);
	of->pw[0]->cache_mask = 0;
	shape_make(SHAPE_IP6, a.f);
	memset(a.f + 14 + 8, 0, 32);
	b = a;
	a.f[14 + 8 + 7] = b.f[14 + 8 + 15] = 1; // source ::1:0:0:0:0 and ::1
	of_begin();
	keys_of(&a, &ka, &none);
	mask.w[7] = mask.w[8] = UINT64_MAX;
	tables_are(0, &ka, &mask);
	both_as_walked(&a, &b);
	tables_clear();
	what_differs_counts(&a, &b, false, done);
	of_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_looked_at_tells_apart),
					    cmocka_unit_test(what_an_edit_shows_tells_apart),
					    cmocka_unit_test(where_a_word_stands_tells_apart) };

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
