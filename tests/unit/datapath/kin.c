// Frames of one burst fare as each fares alone: what a run, or a frame that is kin to its
// neighbour, takes over from it is what the whole walk would have found. By L2 and by tables, with
// tags, groups, offloads and second buffers, at ports of all VLAN modes.
#include "of_rig.h"
#include "dp_storage.h"
#include "qos_portal.h"

// NUMBER: where a frame without tags says which it is, behind all that anybody looks at.
enum { ROUNDS = 3000, EVERY = 60, BURST = 24, SIZE = 90, NUMBER = 62, RULES = 14, SLOTS = 64 };

#define ANY_OF(list) (list)[below(RTE_DIM(list))]

// b has no tags: they are put in on the way.
struct frame {
	uint8_t b[SIZE];
	uint16_t size;
	uint16_t tpid[2], tci[2];
	uint8_t n_tags;
	uint8_t flags;	// enum dp_meta_flag
	uint8_t n_more; // bytes behind all that, in a second buffer
};

// 02:..:01 at 10.0.0.1 to 02:..:09 at 10.0.0.9, UDP.
static void frame_init(struct frame *f)
{
	memset(f, 0, sizeof(*f));
	memcpy(f->b, "\x02\0\0\0\0\x09\x02\0\0\0\0\x01\x08\0\x45", 15);
	f->size = 74;
	dp_put16(f->b + 16, 60);
	memcpy(f->b + 22, "\x40\x11", 2);
	memcpy(f->b + 26, "\x0a\0\0\x01\x0a\0\0\x09", 8);
	dp_put16(f->b + 34, 40000);
	dp_put16(f->b + 36, 40000);
	dp_put16(f->b + 38, 40);
	f->b[46] = 0x50;
}

// Its like of another kind: IPv6, ARP, a protocol of nobody's.
static void frame_turn(struct frame *f)
{
	memset(f->b + 14, 0, SIZE - 14);
	switch (below(3)) {
	case 0:
		memcpy(f->b + 12, "\x86\xdd\x60\0\0\0\0\x0c\x11\x40\xfd", 11);
		f->b[37] = 1;
		f->b[38] = 0xfd;
		f->b[53] = 9;
		dp_put16(f->b + 54, 40000);
		dp_put16(f->b + 56, 40000);
		dp_put16(f->b + 58, 12);
		break;
	case 1:
		memcpy(f->b + 12, "\x08\x06\0\x01\x08\0\x06\x04\0\x01\x02\0\0\0\0\x01\x0a\0\0\x01",
		       20);
		f->b[38] = 10;
		f->b[41] = 9;
		break;
	default:
		dp_put16(f->b + 12, 0x88b5);
	}
}

// What stands around IP, or how the frame is handed in.
static void frame_dress(struct frame *f)
{
	static const uint16_t tpids[] = { DP_ETH_VLAN, DP_ETH_VLAN, DP_ETH_QINQ };
	static const uint16_t tcis[] = { 20, 20, 21, 0, 0x6014, 0x7014, 0x1014, 0xa000, 22 };

	switch (below(6)) {
	case 0 ... 1:
		f->n_tags = (uint8_t)(below(4) == 0 ? 2 : below(2));
		for (uint32_t i = 0; i < 2; i++) {
			f->tpid[i] = ANY_OF(tpids);
			f->tci[i] = ANY_OF(tcis);
		}
		break;
	case 2:
		f->tci[0] = ANY_OF(tcis);
		break;
	case 3:
		f->flags = below(2) == 0 ? DP_MF_CSUM : 0;
		break;
	case 4:
		f->n_more = below(2) == 0 ? 20 : 0;
		break;
	default:
		f->b[below(2) * 6] ^= 1; // a group
	}
}

// Most changes are such as kin may have, or such as only seem so.
static void frame_bend(struct frame *f)
{
	static const uint16_t ports[] = { 40000, 40001, 67, 68, 69, 546, 4011, 4789, 3260, 2049 };
	static const uint8_t toses[] = { 0, 0, 0, 0xb8, 3 };

	switch (below(20)) {
	case 0 ... 2:
		dp_put16(f->b + 34, ANY_OF(ports));
		break;
	case 3 ... 5:
		dp_put16(f->b + 36, ANY_OF(ports));
		break;
	case 6:
		f->b[29] = (uint8_t)(1 + below(2));
		break;
	case 7:
		f->b[33] = (uint8_t)(8 + below(3));
		break;
	case 8:
		f->b[15] = ANY_OF(toses);
		break;
	case 9:
		f->b[11] = (uint8_t)(1 + below(2));
		break;
	case 10:
		f->b[5] = (uint8_t)(8 + below(2));
		break;
	case 11:
		f->b[23] = below(2) == 0 ? 6 : 17;
		break;
	case 12:
		f->b[46] = (uint8_t)(0x40 + 16 * below(3));
		break;
	case 13:
		dp_put16(f->b + 16, 58 + below(3));
		break;
	case 14:
		f->size = (uint16_t)(73 + below(3));
		break;
	case 15:
		f->b[below(4) == 0 ? 20 : 14] ^= (uint8_t)(1u << below(8));
		break;
	case 16:
		if (below(4) == 0)
			frame_turn(f);
		break;
	case 17:
		f->b[22] = (uint8_t)below(3); // TTL
		break;
	default:
		frame_dress(f);
	}
}

// As it is on the wire. returns its size
static uint32_t frame_write(const struct frame *f, uint8_t out[SIZE + 8])
{
	uint32_t at = 12;

	memcpy(out, f->b, at);
	for (uint32_t i = 0; i < f->n_tags; i++, at += 4) {
		dp_put16(out + at, f->tpid[i]);
		dp_put16(out + at + 2, f->tci[i]);
	}
	memcpy(out + at, f->b + 12, f->size - 12u);
	return f->size + 4u * f->n_tags;
}

static void give(uint32_t port, const struct frame *f, uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(links[port]->pool), *tail;
	uint8_t p[SIZE + 8];
	uint32_t size = frame_write(f, p);

	assert_non_null(m);
	dp_put16(p + NUMBER + 4 * f->n_tags, number);
	if (dp_be16(f->b + 12) == DP_ETH_IPV4)
		dp_put16(p + 18 + 4 * f->n_tags, number * 7919); // IP's identification
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), p, size);
	if (f->n_more > 0) {
		tail = rte_pktmbuf_alloc(links[port]->pool);
		assert_non_null(tail);
		memset(rte_pktmbuf_append(tail, f->n_more), 0, f->n_more);
		assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	}
	// What the frame before it in this buffer left.
	memset(dp_meta(m), (int)below(256), sizeof(struct dp_meta));
	dp_meta(m)->flags = f->flags;
	dp_meta(m)->tso_segsz = 0;
	mem_put(links[port], m);
}

struct fate {
	struct dp_port_totals from;
	uint64_t taken[2]; // by b and c
	uint8_t kept[2][4 * BURST][MEM_HEAD];
	// With tables: of each table and each flow.
	uint64_t lookups[2], matched[2], n_pkts[SLOTS], n_bytes[SLOTS];
	uint64_t n_told; // packet-ins
};

// Behind its tags, and the frame as it is: copies of one differ.
static int by_number(const void *a, const void *b)
{
	const uint8_t *p[2] = { a, b };
	int diff;

	for (uint32_t i = 0; i < 2; i++) {
		while (dp_be16(p[i] + 12) == DP_ETH_VLAN || dp_be16(p[i] + 12) == DP_ETH_QINQ)
			p[i] += 4;
	}
	diff = memcmp(p[0] + NUMBER, p[1] + NUMBER, 2);
	return diff != 0 ? diff : memcmp(a, b, MEM_HEAD);
}

// What tables have counted so far, added to *out or taken from it.
static void tables_count(struct fate *out, bool add)
{
	uint64_t sign = add ? 1 : UINT64_MAX;

	for (uint32_t t = 0; of != NULL && t < 2; t++) {
		out->lookups[t] += sign * of->pw[0]->tables[t].n_lookups;
		out->matched[t] += sign * of->pw[0]->tables[t].n_matched;
	}
	for (uint32_t i = 0; of != NULL && i < SLOTS; i++) {
		out->n_pkts[i] += sign * of->pw[0]->flows[i].n_pkts;
		out->n_bytes[i] += sign * of->pw[0]->flows[i].n_bytes;
	}
}

// The controller takes what it was told, so that there is room. returns how much
static uint32_t told_take(void)
{
	struct dp_of_packet_in in[64];
	uint32_t n = of == NULL ? 0 : dp_of_packet_ins(of, in, RTE_DIM(in));

	for (uint32_t i = 0; i < n; i++)
		dp_of_packet_in_free(&in[i]);
	return n;
}

static void fate_of(const struct frame *f, uint32_t n, bool together, struct fate *out)
{
	struct dp_port_totals *t = &out->from, before;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 1; i <= 2; i++) {
		links[i]->taken = 0;
		memset(links[i]->kept, 0, sizeof(links[i]->kept));
	}
	assert_int_equal(dp_switch_port_totals(sw, 0, &before), 0);
	tables_count(out, false);
	for (uint32_t i = 0; i < n; i++) {
		give(0, &f[i], i);
		if (!together)
			mem_turns(1000, 1000);
	}
	mem_turns(MS, 10000);
	assert_int_equal(dp_switch_port_totals(sw, 0, t), 0);
	for (uint32_t i = 0; i < sizeof(*t) / sizeof(uint64_t); i++)
		((uint64_t *)t)[i] -= ((uint64_t *)&before)[i];
	tables_count(out, true);
	out->n_told = told_take();
	for (uint32_t i = 0; i < 2; i++) {
		out->taken[i] = links[i + 1]->taken;
		assert_true(out->taken[i] <= RTE_DIM(out->kept[i]));
		memcpy(out->kept[i], links[i + 1]->kept, sizeof(out->kept[i]));
		// Urgent ones overtake others that came with them.
		qsort(out->kept[i], out->taken[i], MEM_HEAD, by_number);
	}
}

static void portals_set(void)
{
	const struct qos_portal p = { .addr = { { [10] = 255, 255, 10, 0, 0, 9 } },
				      .proto = 17,
				      .port = 3260 };
	struct qos_portals *t;

	assert_int_equal(qos_portals_create(&t), 0);
	assert_int_equal(qos_portals_put(t, &p), 0);
	dp_switch_set_portals(sw, t);
}

static void cfg_set(uint32_t round)
{
	static const uint32_t flags[] = { 0,
					  DP_PF_ADMIT,
					  DP_PF_ADMIT | DP_PF_IP4_FIXED | DP_PF_MAC_FIXED,
					  DP_PF_ADMIT | DP_PF_DHCP_GUARD | DP_PF_IP4_FIXED,
					  DP_PF_TRUST_DSCP,
					  DP_PF_TRUST_PCP,
					  DP_PF_ADMIT | DP_PF_RESPONDER };
	struct dp_port_params *c = (struct dp_port_params *)(uintptr_t)&dp_root(sw)->views[0]->cfg;

	c->flags = flags[round % RTE_DIM(flags)];
	c->vlan_mode = (uint8_t)(below(2) == 0 ? DP_VLAN_ACCESS : below(DP_VLAN_TRANSPARENT + 1));
	c->n_ip4 = 1;
	memcpy(c->ip4[0], "\x0a\0\0\x01", 4);
	memcpy(c->mac, "\x02\0\0\0\0\x01", 6);
	c->default_class = round % 7 == 0 ? QOS_CLASS_CONTROL : QOS_CLASS_BULK;
}

// What some frame has, in some bits of some fields.
static void match_make(void)
{
	static const enum dp_flow_field fields[] = {
		DP_FLOW_ipv4_src, DP_FLOW_ipv4_dst, DP_FLOW_tcp_src,  DP_FLOW_tcp_dst,
		DP_FLOW_ip_dscp,  DP_FLOW_ip_ecn,   DP_FLOW_ip_proto, DP_FLOW_eth_dst,
		DP_FLOW_eth_src,  DP_FLOW_vlan_vid, DP_FLOW_vlan_pcp, DP_FLOW_metadata,
	};
	struct dp_flow_key k;
	uint8_t p[SIZE + 8];
	struct dp_parse parsed;
	struct frame f;

	frame_init(&f);
	for (uint32_t i = 0; i < 4; i++)
		frame_bend(&f);
	dp_parse(p, frame_write(&f, p), frame_write(&f, p), &parsed);
	dp_flow_key_make(p, frame_write(&f, p), &parsed, 1, &k);
	k.w[5] = below(2);
	of_any();
	for (uint32_t n = 1 + below(2); n > 0; n--) {
		enum dp_flow_field field = ANY_OF(fields);
		struct dp_flow_value m = dp_flow_ones(field);

		m.lo &= below(3) == 0 ? rnd() : UINT64_MAX;
		dp_flow_put(&of_mask, field, m);
	}
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		of_key.w[i] = k.w[i] & of_mask.w[i];
}

static void action_make(void)
{
	switch (below(10)) {
	case 0:
		of_set(DP_FLOW_ipv4_dst, 0x0a000007 + below(3));
		of_out(2);
		break;
	case 1:
		of_op(DP_OP_DEC_NW_TTL, 8, 0);
		of_out(2 + below(2));
		break;
	case 2:
		of_op(DP_OP_GROUP, 8, 1);
		break;
	case 7:
		of_out(DP_OFPP_CONTROLLER);
		break;
	case 3:
		of_out(2);
		of_out(3);
		break;
	case 4:
		break;
	case 5 ... 6:
		of_out(DP_OFPP_NORMAL);
		break;
	default:
		of_out(2 + below(2));
	}
}

static void rule_make(uint8_t table, uint16_t priority)
{
	match_make();
	of_begin();
	if (table > 0 || below(3) > 0)
		action_make();
	if (table == 0 && (of_p.p.n_apply == 0 || below(6) == 0)) {
		of_p.p.metadata = below(2);
		of_p.p.metadata_mask = 1;
		of_goto(1);
	}
	of_add(table, priority);
}

// To b or c by the flow.
static void group_make(void)
{
	struct dp_of_bucket b[2];
	uint8_t ops[2][sizeof(struct dp_flow_output)];

	memset(b, 0, sizeof(b));
	for (uint32_t i = 0; i < 2; i++) {
		of_begin();
		of_out(2 + i);
		memcpy(ops[i], of_p.p.ops, sizeof(ops[i]));
		b[i].ops = ops[i];
		b[i].n_ops = sizeof(ops[i]);
		b[i].weight = 1;
		b[i].watch_port = b[i].watch_group = DP_OFPP_ANY;
	}
	assert_int_equal(dp_of_group_set(of, 1, DP_OF_SELECT, b, 2), 0);
}

static void tables_make(void)
{
	of_make("abc", 1, DP_VLAN_ACCESS);
	(void)dp_of_set_limits(of, 1000, 1000000000, 1000000000); // rates go by the time
	of->pw[0]->paths_mask = DP_OF_PATH_WAYS - 1; // so few that entries outlive theirs
	group_make();
	for (uint16_t i = 0; i < RULES; i++)
		rule_make((uint8_t)(i % 3 == 0), (uint16_t)(10 + i));
	of_any();
	of_begin();
	of_out(DP_OFPP_NORMAL);
	of_add(0, 0);
	dp_of_publish(of);
}

// b has 02:..:09; ..:08 is nobody's.
static void begin(bool with_tables)
{
	struct frame f;

	if (with_tables)
		tables_make();
	else
		mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	mem_qos_set();
	portals_set();
	for (uint32_t i = 0; i < 2; i++)
		((struct dp_view *)(uintptr_t)dp_root(sw)->views[i])->cfg.flags = 0;
	frame_init(&f);
	f.b[5] = 1;
	f.b[11] = 9;
	give(1, &f, 0);
	mem_turns(MS, 10000);
	dp_switch_housekeep(sw, now_ns);
	(void)told_take();
}

static void end(void)
{
	if (of != NULL)
		of_end();
	else
		mem_ports_end();
	of = NULL;
}

static void differ(const struct fate *a, const struct fate *b, uint32_t round, uint32_t n)
{
	for (uint32_t i = 0; i < DP_N_DROPS; i++) {
		if (a->from.drop_in[i] != b->from.drop_in[i])
			print_message("drop %u: %lu together, %lu alone\n", i, a->from.drop_in[i],
				      b->from.drop_in[i]);
	}
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		if (a->from.cls[i].rx_pkts != b->from.cls[i].rx_pkts)
			print_message("class %u: %lu together, %lu alone\n", i,
				      a->from.cls[i].rx_pkts, b->from.cls[i].rx_pkts);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		if (a->n_pkts[i] != b->n_pkts[i] || a->n_bytes[i] != b->n_bytes[i])
			print_message("flow %u: %lu together, %lu alone\n", i, a->n_pkts[i],
				      b->n_pkts[i]);
	}
	fail_msg("round %u, %u frames: %lu and %lu taken together, %lu and %lu alone", round, n,
		 a->taken[0], a->taken[1], b->taken[0], b->taken[1]);
}

static void a_burst_fares_as_its_frames_alone(void **state)
{
	static struct fate together, alone;
	uint64_t n_taken = 0;

	(void)state;
	seed = 88172645463325252u;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct frame f[BURST];
		uint32_t n = 2 + below(BURST - 1);

		if (round % EVERY == 0)
			begin(round / EVERY % 2 == 1);
		cfg_set(round);
		frame_init(&f[0]);
		for (uint32_t i = 1; i < n; i++) {
			// As the one before, or as one from before that.
			f[i] = f[below(4) == 0 ? below(i) : i - 1];
			if (below(3) > 0)
				frame_bend(&f[i]);
		}
		fate_of(f, n, true, &together);
		fate_of(f, n, false, &alone);
		n_taken += together.taken[0];
		if (memcmp(&together, &alone, sizeof(alone)) != 0)
			differ(&together, &alone, round, n);
		if (round % EVERY == EVERY - 1)
			end();
	}
	assert_true(n_taken > ROUNDS * 4);
}

static int start(void **state)
{
	(void)state;
	return mem_start() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_fares_as_its_frames_alone),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
