// Edits of frames against frames made as they should be (lib/of_frame.h).
#include "../unit.h"

#include "of_edit_priv.h"
#include "of_frame.h"

enum { HEADROOM = 128 };

static uint64_t rng = 0x853c49e6748fea9b;

static uint32_t rnd(void)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(rng >> 33);
}

static uint32_t below(uint32_t n)
{
	return rnd() % n;
}

static uint64_t rnd64(void)
{
	return (uint64_t)rnd() << 40 ^ (uint64_t)rnd() << 20 ^ rnd();
}

static void rnd_bytes(uint8_t *p, uint32_t n)
{
	while (n-- > 0)
		p[n] = (uint8_t)rnd();
}

// --- frames

static struct of_spec spec_make(uint8_t l3, uint8_t l4)
{
	struct of_spec s = { .l3 = l3, .l4 = l4, .ttl = 64, .seed = rnd(), .payload = 80 };

	rnd_bytes(s.dst, sizeof(s.dst));
	rnd_bytes(s.src, sizeof(s.src));
	rnd_bytes(s.a, sizeof(s.a));
	rnd_bytes(s.b, sizeof(s.b));
	rnd_bytes(s.sha, sizeof(s.sha));
	rnd_bytes(s.tha, sizeof(s.tha));
	rnd_bytes(s.target, sizeof(s.target));
	rnd_bytes(s.final, sizeof(s.final));
	s.tc = (uint8_t)rnd();
	s.flabel = rnd() & 0xfffff;
	s.sport = (uint16_t)rnd();
	s.dport = (uint16_t)rnd();
	s.arp_op = (uint16_t)rnd();
	s.type = l4 == L4_NS ? 135 : l4 == L4_NA ? 136 : 8;
	s.has_option = below(4) != 0;
	return s;
}

static void add_shims(struct of_spec *s, uint32_t kind)
{
	static const struct of_shim all[][3] = {
		{ { 0 } },
		{ { 0x8100, 0x6005 } },
		{ { 0x88a8, 0xb00a }, { 0x8100, 0x1fff } },
		{ { 0x8847, 0x12345740 } },
		{ { 0x8847, 0xabcde601 }, { 0x8847, 0x00111120 } },
		{ { 0x8100, 0x0064 }, { 0x8848, 0x00064340 } },
		{ { 0x8847, 0x00064340 }, { 0x8100, 0x0064 } },
		{ { 0x8847, 0x00064240 }, { 0x8847, 0x00064240 }, { 0x8847, 0x00064340 } },
	};

	memcpy(s->shims, all[kind], sizeof(all[kind]));
	while (s->n_shims < 3 && all[kind][s->n_shims].type != 0)
		s->n_shims++;
}

enum { N_SHIMS = 8 };

static const uint8_t shapes[][2] = {
	{ L3_OTHER, L4_NONE }, { L3_ARP, L4_NONE },  { L3_IP4, L4_NONE }, { L3_IP4, L4_TCP },
	{ L3_IP4, L4_UDP },    { L3_IP4, L4_SCTP },  { L3_IP4, L4_ICMP }, { L3_IP4, L4_LATER },
	{ L3_IP4, L4_DCCP },   { L3_IP6, L4_NONE },  { L3_IP6, L4_TCP },  { L3_IP6, L4_UDP },
	{ L3_IP6, L4_SCTP },   { L3_IP6, L4_ICMP6 }, { L3_IP6, L4_NS },	  { L3_IP6, L4_NA },
	{ L3_IP6, L4_DCCP },
};

static struct of_spec spec_random(void)
{
	uint32_t i = below(RTE_DIM(shapes));
	struct of_spec s = spec_make(shapes[i][0], shapes[i][1]);

	add_shims(&s, below(N_SHIMS));
	if (below(4) == 0)
		s.csum = (uint8_t)below(3);
	if (s.csum == CSUM_PARTIAL && s.l4 != L4_TCP && s.l4 != L4_UDP)
		s.csum = CSUM_WHOLE;
	s.has_ext = s.l3 == L3_IP6 && s.l4 != L4_NS && s.l4 != L4_NA && below(4) == 0;
	// (Nobody asks us to finish the checksum of what is routed by its source.)
	s.is_routed = s.l3 == L3_IP6 && s.l4 != L4_NS && s.l4 != L4_NA && s.csum != CSUM_PARTIAL &&
		      below(4) == 0;
	s.trailer = below(3) == 0 ? below(9) : 0;
	s.payload = below(300);
	return s;
}

static struct rte_mbuf *mbuf_of(const struct of_spec *s, uint32_t first)
{
	uint8_t data[FRAME_MAX];
	uint32_t size = of_spec_build(s, data);
	struct rte_mbuf *m = of_mbuf_make(data, size, first, HEADROOM);

	if (s->csum == CSUM_PARTIAL)
		dp_meta(m)->flags = DP_MF_CSUM;
	return m;
}

// Headers in the first buffer, the payload where it falls.
static struct rte_mbuf *mbuf_random(const struct of_spec *s)
{
	return mbuf_of(s, below(2) == 0 ? FRAME_MAX : 170 + below(200));
}

static void assert_parsed(struct rte_mbuf *m)
{
	struct dp_parse p;

	dp_parse(dp_data(m), m->data_len, m->pkt_len, &p);
	assert_memory_equal(&p, &dp_meta(m)->p, sizeof(p));
}

static void assert_is(struct rte_mbuf *m, const struct of_spec *s)
{
	uint8_t want[FRAME_MAX], got[FRAME_MAX];
	uint32_t size = of_spec_build(s, want);

	assert_int_equal(m->pkt_len, size);
	assert_int_equal(of_mbuf_read(m, got), size);
	assert_memory_equal(got, want, size);
	assert_parsed(m);
}

static enum dp_of_edit_result edit(struct rte_mbuf *m, enum dp_flow_op_kind kind, uint32_t arg)
{
	const struct dp_flow_op op = { .kind = (uint8_t)kind, .size = sizeof(op), .arg = arg };

	return dp_of_edit(m, &op);
}

static enum dp_of_edit_result edit_field(struct rte_mbuf *m, enum dp_flow_field f,
					 struct dp_flow_value v, struct dp_flow_value mask)
{
	const struct dp_flow_set set = {
		.op = { .kind = DP_OP_SET_FIELD, .field = (uint8_t)f, .size = sizeof(set) },
		.value = v,
		.mask = mask,
	};

	return dp_of_edit(m, &set.op);
}

static enum dp_of_edit_result edit_number(struct rte_mbuf *m, enum dp_flow_field f, uint64_t v)
{
	const struct dp_flow_value value = { 0, v }, ones = { UINT64_MAX, UINT64_MAX };

	return edit_field(m, f, value, ones);
}

// --- set-field

static struct dp_flow_value masked(struct dp_flow_value was, struct dp_flow_value v,
				   struct dp_flow_value mask)
{
	return (struct dp_flow_value){ (was.hi & ~mask.hi) | (v.hi & mask.hi),
				       (was.lo & ~mask.lo) | (v.lo & mask.lo) };
}

static bool is_special(enum dp_flow_field f)
{
	return f == DP_FLOW_eth_type || f == DP_FLOW_ip_proto;
}

// returns whether the frame has it
static bool try_field(struct of_spec *s, struct rte_mbuf *m, enum dp_flow_field f)
{
	struct dp_flow_value was, v = { rnd64(), rnd64() }, mask = { UINT64_MAX, UINT64_MAX };
	bool has = of_spec_get(s, f, &was);

	if (below(2) == 0)
		mask = (struct dp_flow_value){ rnd64(), rnd64() };
	assert_int_equal(edit_field(m, f, v, mask), has ? DP_OF_EDIT_OK : DP_OF_EDIT_NO_HEADER);
	if (has)
		of_spec_set(s, f, masked(was, v, mask));
	assert_is(m, s);
	return has;
}

static void every_field_is_set_bit_by_bit_or_not_there(void **state)
{
	uint32_t n_set[DP_FLOW_N_FIELDS] = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 15 * RTE_DIM(shapes) * N_SHIMS; i++) {
		for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
			struct of_spec s = spec_random();
			struct rte_mbuf *m;

			if (is_special(f))
				continue;
			m = mbuf_random(&s);
			n_set[f] += try_field(&s, m, f);
			of_mbuf_free(m);
		}
	}
	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		bool in_frame = f != DP_FLOW_in_port && f != DP_FLOW_in_phy_port &&
				f != DP_FLOW_metadata && f != DP_FLOW_tunnel_id && !is_special(f);

		assert_int_equal(n_set[f] > 10, in_frame);
	}
}

// Each bit of each field on its own: nothing else changes, and that bit does.
static void each_bit_is_the_right_one(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(shapes) * N_SHIMS; i++) {
		struct of_spec s =
			spec_make(shapes[i % RTE_DIM(shapes)][0], shapes[i % RTE_DIM(shapes)][1]);
		struct rte_mbuf *m;

		add_shims(&s, i / RTE_DIM(shapes));
		s.has_option = true;
		m = mbuf_of(&s, FRAME_MAX);
		for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
			for (uint32_t bit = 0; bit < 128; bit++) {
				struct dp_flow_value was, one = { bit < 64 ? 0 : 1ull << (bit - 64),
								  bit < 64 ? 1ull << bit : 0 };

				if (is_special(f) || f == DP_FLOW_icmpv6_type ||
				    !of_spec_get(&s, f, &was))
					continue;
				of_spec_set(
					&s, f,
					(struct dp_flow_value){ was.hi ^ one.hi, was.lo ^ one.lo });
				assert_int_equal(
					edit_field(m, f, (struct dp_flow_value){ ~was.hi, ~was.lo },
						   one),
					DP_OF_EDIT_OK);
				assert_is(m, &s);
			}
		}
		of_mbuf_free(m);
	}
}

// Through all values of the sum, with the corners at zero.
static void checksums_follow_for_every_sum(void **state)
{
	static const uint8_t l4s[] = { L4_TCP, L4_UDP, L4_ICMP };

	(void)state;
	for (uint32_t k = 0; k < RTE_DIM(l4s); k++) {
		struct of_spec s = spec_make(L3_IP4, l4s[k]);
		struct rte_mbuf *m;
		enum dp_flow_field f = l4s[k] == L4_TCP ? DP_FLOW_tcp_src : DP_FLOW_udp_src;

		s.payload = 0;
		m = mbuf_of(&s, FRAME_MAX);
		for (uint32_t v = 0; v < 65536; v++) {
			if (l4s[k] == L4_ICMP) {
				s.type = (uint8_t)(v >> 8);
				s.code = (uint8_t)v;
				assert_int_equal(edit_number(m, DP_FLOW_icmpv4_type, s.type), 0);
				assert_int_equal(edit_number(m, DP_FLOW_icmpv4_code, s.code), 0);
			} else {
				s.sport = (uint16_t)v;
				assert_int_equal(edit_number(m, f, v), 0);
			}
			if (v % 7 == 0 || v > 65000)
				assert_is(m, &s);
		}
		of_mbuf_free(m);
	}
}

// An echo reply of zeros alone has 0xffff, not 0.
static void an_icmp_message_of_zeros_verifies(void **state)
{
	struct of_spec s = spec_make(L3_IP4, L4_ICMP);
	uint8_t data[FRAME_MAX];
	uint32_t size;
	struct rte_mbuf *m;

	(void)state;
	s.payload = 0;
	size = of_spec_build(&s, data);
	memcpy(data + 34, "\x08\0\xf7\xff\0\0\0\0", 8);
	m = of_mbuf_make(data, size, size, HEADROOM);
	assert_int_equal(edit_number(m, DP_FLOW_icmpv4_type, 0), DP_OF_EDIT_OK);
	assert_memory_equal(dp_data(m) + 34, "\0\0\xff\xff\0\0\0\0", 8);
	assert_int_equal(edit_number(m, DP_FLOW_icmpv4_type, 8), DP_OF_EDIT_OK);
	assert_memory_equal(dp_data(m) + 34, "\x08\0\xf7\xff\0\0\0\0", 8);
	of_mbuf_free(m);
}

static void wrong_checksums_stay_wrong(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(shapes); i++) {
		struct of_spec s = spec_make(shapes[i][0], shapes[i][1]);
		uint8_t data[FRAME_MAX], want[FRAME_MAX], got[FRAME_MAX];
		uint32_t size = of_spec_build(&s, data);
		struct rte_mbuf *m;

		if (s.l4 == L4_NONE || s.l4 == L4_LATER)
			continue;
		// A payload bit is not what it was when the sum was made.
		data[size - 1] ^= 0x40;
		m = of_mbuf_make(data, size, size, HEADROOM);
		for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
			struct dp_flow_value was;

			if (!is_special(f) && of_spec_get(&s, f, &was) &&
			    f != DP_FLOW_icmpv6_type) {
				of_spec_set(&s, f, (struct dp_flow_value){ ~was.hi, ~was.lo });
				assert_int_equal(
					edit_field(m, f, (struct dp_flow_value){ ~was.hi, ~was.lo },
						   (struct dp_flow_value){ ~0ull, ~0ull }),
					DP_OF_EDIT_OK);
			}
		}
		of_spec_build(&s, want);
		want[size - 1] ^= 0x40;
		of_mbuf_read(m, got);
		assert_memory_equal(got, want, size);
		of_mbuf_free(m);
	}
}

static void the_reference_crc_is_crc32c(void **state)
{
	(void)state;
	assert_int_equal(of_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
}

static void sctp_follows_over_long_packets_in_buffers(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 400; i++) {
		struct of_spec s = spec_make(i % 2 == 0 ? L3_IP4 : L3_IP6, L4_SCTP);
		struct rte_mbuf *m;

		s.payload = below(1800);
		s.trailer = below(6);
		m = mbuf_of(&s, 70 + below(1500));
		s.sport = (uint16_t)rnd();
		assert_int_equal(edit_number(m, DP_FLOW_sctp_src, s.sport), DP_OF_EDIT_OK);
		assert_is(m, &s);
		s.dport ^= (uint16_t)(1u << below(16));
		assert_int_equal(edit_number(m, DP_FLOW_sctp_dst, s.dport), DP_OF_EDIT_OK);
		assert_is(m, &s);
		of_mbuf_free(m);
	}
}

// What is summed is not all there.
static void ports_of_an_sctp_fragment_are_refused(void **state)
{
	struct of_spec s = spec_make(L3_IP4, L4_SCTP);
	uint8_t data[FRAME_MAX], got[FRAME_MAX];
	uint32_t size = of_spec_build(&s, data);
	struct rte_mbuf *m;

	(void)state;
	data[20] = 0x20; // more fragments
	m = of_mbuf_make(data, size, size, HEADROOM);
	assert_true((dp_meta(m)->p.flags & DP_PF_L4) != 0);
	assert_int_equal(edit_number(m, DP_FLOW_sctp_src, 7), DP_OF_EDIT_NO_HEADER);
	of_mbuf_read(m, got);
	assert_memory_equal(got, data, size);
	of_mbuf_free(m);
}

// --- ethertype and protocol

static void the_protocol_takes_its_checksum_along(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		struct of_spec s = spec_random();
		uint8_t number = (uint8_t)(below(2) == 0 ? 253 : 6 + 11 * below(2));
		bool ip = of_spec_l3_seen(&s) && (s.l3 == L3_IP4 || s.l3 == L3_IP6);
		struct rte_mbuf *m;

		if (s.csum == CSUM_PARTIAL)
			continue;
		m = mbuf_random(&s);
		assert_int_equal(edit_number(m, DP_FLOW_ip_proto, number),
				 ip ? DP_OF_EDIT_OK : DP_OF_EDIT_NO_HEADER);
		if (ip)
			s.proto = s.csum_proto = number;
		assert_is(m, &s);
		of_mbuf_free(m);
	}
}

static void tcp_becomes_udp_and_its_ports_are_no_tcp_ports(void **state)
{
	struct of_spec s = spec_make(L3_IP4, L4_TCP);
	struct rte_mbuf *m;

	(void)state;
	m = mbuf_of(&s, FRAME_MAX);
	assert_int_equal(edit_number(m, DP_FLOW_ip_proto, 17), DP_OF_EDIT_OK);
	s.proto = s.csum_proto = 17;
	assert_is(m, &s);
	assert_int_equal(edit_number(m, DP_FLOW_tcp_dst, 54), DP_OF_EDIT_NO_HEADER);
	of_mbuf_free(m);
}

static void the_ethertype_is_the_innermost(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 2000; i++) {
		struct of_spec s = spec_random();
		struct rte_mbuf *m;
		uint32_t n = s.n_shims, tags = 0;

		if (s.csum == CSUM_PARTIAL)
			continue;
		m = mbuf_random(&s);
		while (tags < n && !of_is_label(&s.shims[tags]))
			tags++;
		assert_int_equal(edit_number(m, DP_FLOW_eth_type, 0x88b6), DP_OF_EDIT_OK);
		if (tags == n)
			s.eth_type = 0x88b6;
		else
			s.shims[tags].type = 0x88b6;
		if (tags == n) // a label that is none any more cannot be described
			assert_is(m, &s);
		else
			assert_parsed(m);
		assert_int_equal(dp_meta(m)->p.eth_type, 0x88b6);
		of_mbuf_free(m);
	}
}

// --- tags and labels

static void shims_push(struct of_spec *s, uint16_t type, uint32_t word)
{
	memmove(s->shims + 1, s->shims, sizeof(s->shims) - sizeof(s->shims[0]));
	s->shims[0] = (struct of_shim){ type, word };
	s->n_shims++;
}

static void shims_pop(struct of_spec *s, uint32_t at)
{
	memmove(s->shims + at, s->shims + at + 1, sizeof(s->shims[0]) * (SHIMS_MAX - 1 - at));
	s->n_shims--;
}

static uint32_t first_label(const struct of_spec *s)
{
	uint32_t i = 0;

	while (i < s->n_shims && !of_is_label(&s->shims[i]))
		i++;
	return i;
}

static bool sees_label(const struct of_spec *s)
{
	return first_label(s) < s->n_shims && first_label(s) <= 2;
}

static bool sees_ip(const struct of_spec *s)
{
	return of_spec_l3_seen(s) && (s->l3 == L3_IP4 || s->l3 == L3_IP6);
}

// A checksum is finished before nobody could.
static void settle(struct of_spec *s, struct rte_mbuf *m, bool hides)
{
	if (hides && s->csum == CSUM_PARTIAL && sees_ip(s) && (s->l4 == L4_TCP || s->l4 == L4_UDP))
		s->csum = CSUM_WHOLE;
	if (s->csum != CSUM_PARTIAL)
		assert_int_equal(dp_meta(m)->flags & DP_MF_CSUM, 0);
}

static void push_vlan(struct of_spec *s, struct rte_mbuf *m)
{
	uint16_t type = below(2) == 0 ? 0x8100 : 0x88a8;
	bool tagged = s->n_shims > 0 && !of_is_label(&s->shims[0]);
	uint32_t tci = tagged ? s->shims[0].word & 0xefff : 0;

	assert_int_equal(edit(m, DP_OP_PUSH_VLAN, type), DP_OF_EDIT_OK);
	settle(s, m, s->n_shims >= 2);
	shims_push(s, type, tci);
}

static void push_mpls(struct of_spec *s, struct rte_mbuf *m)
{
	uint16_t type = below(2) == 0 ? 0x8847 : 0x8848;
	uint32_t word = sees_label(s) ? s->shims[first_label(s)].word & ~0x100u
			: sees_ip(s)  ? s->ttl
				      : 0;

	if (s->n_shims == 0 || !of_is_label(&s->shims[0]))
		word |= 0x100;
	assert_int_equal(edit(m, DP_OP_PUSH_MPLS, type), DP_OF_EDIT_OK);
	settle(s, m, true);
	shims_push(s, type, word);
}

static void pop_mpls(struct of_spec *s, struct rte_mbuf *m)
{
	static const uint16_t types[] = { 0x88b5, 0x0806, 0x0800, 0x86dd };
	uint32_t at = first_label(s);
	uint16_t type = at + 1 < s->n_shims ? s->shims[at + 1].type : types[s->l3];

	assert_int_equal(edit(m, DP_OP_POP_MPLS, type),
			 sees_label(s) ? DP_OF_EDIT_OK : DP_OF_EDIT_NO_HEADER);
	if (sees_label(s))
		shims_pop(s, at);
}

static void pop_vlan(struct of_spec *s, struct rte_mbuf *m)
{
	bool tagged = s->n_shims > 0 && !of_is_label(&s->shims[0]);

	assert_int_equal(edit(m, DP_OP_POP_VLAN, 0), tagged ? DP_OF_EDIT_OK : DP_OF_EDIT_NO_HEADER);
	if (tagged)
		shims_pop(s, 0);
}

// What is below the outermost label, for TTLs: another label, or IP behind the last one.
static bool below_label(struct of_spec *s, uint8_t **ttl)
{
	uint32_t at = first_label(s);
	bool last = (s->shims[at].word & 0x100) != 0;

	if (!last) {
		*ttl = (uint8_t *)&s->shims[at + 1].word; // little endian: the TTL is first
		return true;
	}
	*ttl = &s->ttl;
	return at + 1 == s->n_shims && (s->l3 == L3_IP4 || s->l3 == L3_IP6);
}

static void one_ttl(struct of_spec *s, struct rte_mbuf *m)
{
	static const uint8_t kinds[] = { DP_OP_SET_MPLS_TTL, DP_OP_DEC_MPLS_TTL, DP_OP_SET_NW_TTL,
					 DP_OP_DEC_NW_TTL };
	uint8_t kind = kinds[below(4)], value = (uint8_t)(below(3) == 0 ? below(3) : rnd());
	bool nw = kind == DP_OP_SET_NW_TTL || kind == DP_OP_DEC_NW_TTL;
	bool dec = kind == DP_OP_DEC_NW_TTL || kind == DP_OP_DEC_MPLS_TTL;
	uint8_t *ttl = nw ? &s->ttl : (uint8_t *)&s->shims[first_label(s)].word;
	enum dp_of_edit_result want = DP_OF_EDIT_OK;

	if (nw ? !sees_ip(s) : !sees_label(s))
		want = DP_OF_EDIT_NO_HEADER;
	else if (dec && *ttl <= 1)
		want = DP_OF_EDIT_TTL;
	assert_int_equal(edit(m, kind, value), want);
	if (want == DP_OF_EDIT_OK)
		*ttl = dec ? (uint8_t)(*ttl - 1) : value;
}

static void copy_ttl(struct of_spec *s, struct rte_mbuf *m)
{
	bool out = below(2) == 0, can;
	uint8_t *outer = (uint8_t *)&s->shims[first_label(s)].word, *inner;

	// A payload that looks like IP would be taken for it, as it should.
	if (sees_label(s) && first_label(s) + 1 == s->n_shims && s->l3 != L3_IP4 && s->l3 != L3_IP6)
		return;
	can = sees_label(s) && below_label(s, &inner);
	if (sees_label(s) && !can && first_label(s) + 1 < s->n_shims)
		return; // a tag below
	assert_int_equal(edit(m, out ? DP_OP_COPY_TTL_OUT : DP_OP_COPY_TTL_IN, 0),
			 can ? DP_OF_EDIT_OK : DP_OF_EDIT_NO_HEADER);
	if (can)
		*(out ? outer : inner) = *(out ? inner : outer);
}

static void step(struct of_spec *s, struct rte_mbuf *m)
{
	uint32_t f = below(DP_FLOW_N_FIELDS);

	switch (below(8)) {
	case 0:
		if (s->n_shims < SHIMS_MAX - 2)
			push_vlan(s, m);
		break;
	case 1:
		if (s->n_shims < SHIMS_MAX - 2)
			push_mpls(s, m);
		break;
	case 2:
		pop_vlan(s, m);
		break;
	case 3:
		pop_mpls(s, m);
		break;
	case 4:
		one_ttl(s, m);
		break;
	case 5:
		copy_ttl(s, m);
		break;
	default: // the last bit of a stack is not ours to set: what follows could not be described
		if (!is_special(f) && f != DP_FLOW_mpls_bos && f != DP_FLOW_icmpv6_type)
			try_field(s, m, f);
		break;
	}
}

// After any row of edits the frame is the one it would have been, and its metadata say so.
static void rows_of_edits_are_what_they_should_be(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		struct of_spec s = spec_random();
		struct rte_mbuf *m = mbuf_random(&s);

		for (uint32_t n = 0; n < 24; n++) {
			step(&s, m);
			assert_is(m, &s);
			if (rte_pktmbuf_headroom(m) < 8)
				break;
		}
		of_mbuf_free(m);
	}
}

static void a_push_without_headroom_is_refused(void **state)
{
	struct of_spec s = spec_make(L3_IP4, L4_TCP);
	uint8_t data[FRAME_MAX];
	uint32_t size = of_spec_build(&s, data);
	struct rte_mbuf *m = of_mbuf_make(data, size, size, 7);

	(void)state;
	push_vlan(&s, m);
	assert_int_equal(edit(m, DP_OP_PUSH_VLAN, 0x8100), DP_OF_EDIT_NO_ROOM);
	assert_int_equal(edit(m, DP_OP_PUSH_MPLS, 0x8847), DP_OF_EDIT_NO_ROOM);
	assert_is(m, &s);
	of_mbuf_free(m);
}

// Nobody could cut it under a label; tags are no hindrance, addresses neither.
static void a_super_frame_takes_what_leaves_it_one(void **state)
{
	struct of_spec s = spec_make(L3_IP6, L4_TCP);
	struct dp_flow_value v = { rnd64(), rnd64() };
	struct rte_mbuf *m;

	(void)state;
	s.csum = CSUM_PARTIAL;
	s.payload = 1200;
	m = mbuf_of(&s, FRAME_MAX);
	dp_meta(m)->flags |= DP_MF_TSO;
	dp_meta(m)->tso_segsz = 400;
	push_vlan(&s, m);
	push_vlan(&s, m);
	assert_int_equal(edit(m, DP_OP_PUSH_VLAN, 0x8100), DP_OF_EDIT_OFFLOAD);
	assert_int_equal(edit(m, DP_OP_PUSH_MPLS, 0x8847), DP_OF_EDIT_OFFLOAD);
	assert_int_equal(edit_number(m, DP_FLOW_eth_type, 0x88b5), DP_OF_EDIT_OFFLOAD);
	assert_int_equal(edit_number(m, DP_FLOW_ip_proto, 17), DP_OF_EDIT_OFFLOAD);
	of_spec_set(&s, DP_FLOW_ipv6_dst, v);
	assert_int_equal(edit_field(m, DP_FLOW_ipv6_dst, v, (struct dp_flow_value){ ~0ull, ~0ull }),
			 DP_OF_EDIT_OK);
	assert_is(m, &s);
	assert_int_equal(dp_meta(m)->flags, DP_MF_CSUM | DP_MF_TSO);
	of_mbuf_free(m);
}

// 802.3 frames: tags and addresses, SNAP's type; no labels.
static void length_fields_are_left_alone(void **state)
{
	uint8_t data[80] = { 2, 0, 0,  0,    0,	   1, 2, 0, 0, 0,    0,
			     2, 0, 66, 0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xb5 };
	struct rte_mbuf *m = of_mbuf_make(data, sizeof(data), sizeof(data), HEADROOM);

	(void)state;
	assert_int_equal(edit(m, DP_OP_PUSH_MPLS, 0x8847), DP_OF_EDIT_NO_HEADER);
	assert_int_equal(edit_number(m, DP_FLOW_eth_type, 0x88b6), DP_OF_EDIT_OK);
	assert_int_equal(dp_data(m)[21], 0xb6);
	assert_int_equal(edit(m, DP_OP_PUSH_VLAN, 0x8100), DP_OF_EDIT_OK);
	assert_int_equal(dp_meta(m)->p.eth_type, 0x88b6);
	assert_int_equal(edit(m, DP_OP_POP_VLAN, 0), DP_OF_EDIT_OK);
	data[21] = 0xb6;
	assert_memory_equal(dp_data(m), data, sizeof(data));
	of_mbuf_free(m);
	data[14] = 0x42; // LLC that is no SNAP has no ethertype
	m = of_mbuf_make(data, sizeof(data), sizeof(data), HEADROOM);
	assert_int_equal(edit_number(m, DP_FLOW_eth_type, 0x88b6), DP_OF_EDIT_NO_HEADER);
	assert_memory_equal(dp_data(m), data, sizeof(data));
	of_mbuf_free(m);
}

// Bytes of guests: whatever they say, nothing outside is touched, what comes behind the headers
// stays, and the metadata are those of the frame.
static void hostile_frames_are_only_edited(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		struct of_spec s = spec_random();
		uint8_t data[FRAME_MAX], got[FRAME_MAX];
		uint32_t size = of_spec_build(&s, data), n, tail;
		struct rte_mbuf *m;

		for (n = below(6); n > 0; n--)
			data[12 + below(60)] = (uint8_t)rnd();
		size = below(2) == 0 ? size : below(size + 1);
		m = of_mbuf_make(data, size, 1 + below(FRAME_MAX), HEADROOM);
		dp_meta(m)->flags = (uint8_t)(below(4) == 0 ? DP_MF_CSUM : 0);
		for (n = 0; n < 6; n++) {
			if (below(2) == 0)
				(void)edit(m, below(DP_N_OPS - 1), below(65536));
			else
				(void)edit_number(m, below(DP_FLOW_N_FIELDS), rnd64());
			assert_parsed(m);
		}
		n = of_mbuf_read(m, got);
		assert_int_equal(n, m->pkt_len);
		tail = size > 300 ? size - 300 : 0;
		assert_memory_equal(got + n - tail, data + size - tail, tail);
		of_mbuf_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_is_set_bit_by_bit_or_not_there),
		cmocka_unit_test(each_bit_is_the_right_one),
		cmocka_unit_test(checksums_follow_for_every_sum),
		cmocka_unit_test(an_icmp_message_of_zeros_verifies),
		cmocka_unit_test(wrong_checksums_stay_wrong),
		cmocka_unit_test(the_reference_crc_is_crc32c),
		cmocka_unit_test(sctp_follows_over_long_packets_in_buffers),
		cmocka_unit_test(ports_of_an_sctp_fragment_are_refused),
		cmocka_unit_test(the_protocol_takes_its_checksum_along),
		cmocka_unit_test(tcp_becomes_udp_and_its_ports_are_no_tcp_ports),
		cmocka_unit_test(the_ethertype_is_the_innermost),
		cmocka_unit_test(rows_of_edits_are_what_they_should_be),
		cmocka_unit_test(a_push_without_headroom_is_refused),
		cmocka_unit_test(a_super_frame_takes_what_leaves_it_one),
		cmocka_unit_test(length_fields_are_left_alone),
		cmocka_unit_test(hostile_frames_are_only_edited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
