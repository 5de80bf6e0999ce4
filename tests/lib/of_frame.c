#include "of_frame.h"

#include <stdlib.h>
#include <string.h>

// --- writing

struct out {
	uint8_t *p;
	uint32_t n;
};

static void put8(struct out *o, uint32_t v)
{
	o->p[o->n++] = (uint8_t)v;
}

static void put16(struct out *o, uint32_t v)
{
	put8(o, v >> 8 & 0xff);
	put8(o, v & 0xff);
}

static void put32(struct out *o, uint32_t v)
{
	put16(o, v >> 16);
	put16(o, v & 0xffff);
}

static void put(struct out *o, const uint8_t *p, uint32_t n)
{
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void poke16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

// --- checksums, slowly

static uint32_t sum_of(uint32_t sum, const uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

uint32_t of_crc32c(const uint8_t *p, uint32_t n)
{
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (uint32_t bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static uint8_t proto_of(const struct of_spec *s)
{
	static const uint8_t protos[] = {
		[L4_NONE] = 253, [L4_TCP] = 6, [L4_UDP] = 17, [L4_SCTP] = 132, [L4_ICMP] = 1,
		[L4_ICMP6] = 58, [L4_NS] = 58, [L4_NA] = 58,  [L4_DCCP] = 33,  [L4_LATER] = 17
	};

	return protos[s->l4];
}

// IPv4 has no pseudo-header for ICMP.
static uint32_t pseudo_of(const struct of_spec *s, uint32_t size)
{
	uint32_t n = s->l3 == L3_IP4 ? 4 : 16;
	uint32_t sum = sum_of(0, s->a, n);

	sum = sum_of(sum, s->is_routed ? s->final : s->b, n);
	sum += size + (s->csum_proto != 0 ? s->csum_proto : proto_of(s));
	return (sum & 0xffff) + (sum >> 16);
}

static void finish(const struct of_spec *s, uint8_t *l4, uint32_t size)
{
	static const uint8_t places[] = {
		[L4_NONE] = 0,	[L4_TCP] = 16, [L4_UDP] = 6, [L4_SCTP] = 8, [L4_ICMP] = 2,
		[L4_ICMP6] = 2, [L4_NS] = 2,   [L4_NA] = 2,  [L4_DCCP] = 6, [L4_LATER] = 0
	};
	uint32_t at = places[s->l4], sum = s->l4 == L4_ICMP ? 0 : pseudo_of(s, size), crc;

	if (at == 0 || (s->csum == CSUM_NONE && (s->l4 == L4_UDP || s->l4 == L4_SCTP)))
		return;
	if (s->l4 == L4_SCTP) {
		crc = of_crc32c(l4, size);
		for (uint32_t i = 0; i < 4; i++)
			l4[at + i] = (uint8_t)(crc >> 8 * i);
		return;
	}
	if (s->csum == CSUM_PARTIAL && (s->l4 == L4_TCP || s->l4 == L4_UDP)) {
		poke16(l4 + at, sum);
		return;
	}
	sum = ~sum_of(sum, l4, size) & 0xffff;
	poke16(l4 + at, sum == 0 && (s->l4 == L4_UDP || s->l4 == L4_ICMP) ? 0xffff : sum);
}

// --- layers

static void build_nd(struct out *o, const struct of_spec *s)
{
	put32(o, 0x60000000);
	put(o, s->target, 16);
	if (!s->has_option)
		return;
	put8(o, 14); // a nonce first: options are walked
	put8(o, 1);
	put(o, (const uint8_t *)"nonce!", 6);
	put8(o, s->l4 == L4_NS ? 1 : 2);
	put8(o, 1);
	put(o, s->l4 == L4_NS ? s->sha : s->tha, 6);
}

static void build_l4(struct out *o, const struct of_spec *s)
{
	uint32_t at = o->n, seed = s->seed;

	switch (s->l4) {
	case L4_TCP:
		put32(o, (uint32_t)s->sport << 16 | s->dport);
		put(o,
		    (const uint8_t
			     *)"\x11\x22\x33\x44\x55\x66\x77\x88\x60\x18\x20\0\0\0\0\0\1\1\1\0",
		    20);
		break;
	case L4_UDP:
		put32(o, (uint32_t)s->sport << 16 | s->dport);
		put32(o, (8 + s->payload) << 16);
		break;
	case L4_SCTP:
		put32(o, (uint32_t)s->sport << 16 | s->dport);
		put32(o, 0xcafe0000);
		put32(o, 0);
		break;
	case L4_DCCP:
		put32(o, (uint32_t)s->sport << 16 | s->dport);
		put32(o, 0x04000000);
		put32(o, 0x01000001);
		break;
	case L4_ICMP:
	case L4_ICMP6:
	case L4_NS:
	case L4_NA:
		put32(o, (uint32_t)s->type << 24 | (uint32_t)s->code << 16);
		if (s->l4 == L4_ICMP || s->l4 == L4_ICMP6)
			put32(o, 0x00070001);
		else
			build_nd(o, s);
		break;
	default:
		break;
	}
	for (uint32_t i = 0; i < s->payload; i++) {
		seed = seed * 1664525 + 1013904223;
		put8(o, seed >> 24);
	}
	finish(s, o->p + at, o->n - at);
}

static uint8_t proto_now(const struct of_spec *s)
{
	return s->proto != 0 ? s->proto : proto_of(s);
}

static void build_ip4(struct out *o, const struct of_spec *s)
{
	uint32_t at = o->n;

	put16(o, 0x4500u | s->tc);
	put16(o, 0);
	put32(o, s->l4 == L4_LATER ? 0x00010100 : 0x00014000);
	put8(o, s->ttl);
	put8(o, proto_now(s));
	put16(o, 0);
	put(o, s->a, 4);
	put(o, s->b, 4);
	build_l4(o, s);
	poke16(o->p + at + 2, o->n - at);
	poke16(o->p + at + 10, ~sum_of(0, o->p + at, 20) & 0xffff);
}

static void build_ip6(struct out *o, const struct of_spec *s)
{
	uint32_t at = o->n;

	put32(o, 6u << 28 | (uint32_t)s->tc << 20 | s->flabel);
	put16(o, 0);
	put8(o, s->has_ext ? 0 : s->is_routed ? 43 : proto_now(s));
	put8(o, s->ttl);
	put(o, s->a, 16);
	put(o, s->b, 16);
	if (s->has_ext) {
		put8(o, s->is_routed ? 43 : proto_now(s));
		put(o, (const uint8_t *)"\0\1\4\0\0\0\0", 7);
	}
	if (s->is_routed) {
		put8(o, proto_now(s));
		put(o, (const uint8_t *)"\2\2\1\0\0\0\0", 7);
		put(o, s->final, 16);
	}
	build_l4(o, s);
	poke16(o->p + at + 4, o->n - at - 40);
}

static void build_arp(struct out *o, const struct of_spec *s)
{
	put(o, (const uint8_t *)"\0\1\x08\0\6\4", 6);
	put16(o, s->arp_op);
	put(o, s->sha, 6);
	put(o, s->a, 4);
	put(o, s->tha, 6);
	put(o, s->b, 4);
}

static uint16_t eth_type_of(const struct of_spec *s)
{
	static const uint16_t types[] = { 0x88b5, 0x0806, 0x0800, 0x86dd };

	return s->eth_type != 0 ? s->eth_type : types[s->l3];
}

bool of_is_label(const struct of_shim *s)
{
	return s->type == 0x8847 || s->type == 0x8848;
}

uint32_t of_spec_build(const struct of_spec *s, uint8_t data[FRAME_MAX])
{
	struct out o = { .p = data };
	bool typed = true; // behind a label nothing says what comes

	put(&o, s->dst, 6);
	put(&o, s->src, 6);
	for (uint32_t i = 0; i < s->n_shims; i++) {
		if (typed)
			put16(&o, s->shims[i].type);
		typed = !of_is_label(&s->shims[i]);
		if (typed)
			put16(&o, s->shims[i].word);
		else
			put32(&o, s->shims[i].word);
	}
	if (typed)
		put16(&o, eth_type_of(s));
	if (s->l3 == L3_IP4)
		build_ip4(&o, s);
	else if (s->l3 == L3_IP6)
		build_ip6(&o, s);
	else if (s->l3 == L3_ARP)
		build_arp(&o, s);
	else
		build_l4(&o, s);
	for (uint32_t i = 0; i < s->trailer; i++)
		put8(&o, 0xee);
	return o.n;
}

// --- fields of the description

static uint32_t n_tags(const struct of_spec *s)
{
	uint32_t n = 0;

	while (n < s->n_shims && !of_is_label(&s->shims[n]))
		n++;
	return n;
}

bool of_spec_l3_seen(const struct of_spec *s)
{
	return n_tags(s) == s->n_shims && s->n_shims <= 2 && s->eth_type == 0;
}

// The number that the field is made of, for those that are bytes: NULL = others. n: its bytes
static uint8_t *bytes_of(struct of_spec *s, enum dp_flow_field f, uint32_t *n)
{
	bool l3 = of_spec_l3_seen(s), arp = l3 && s->l3 == L3_ARP, v4 = l3 && s->l3 == L3_IP4;
	bool v6 = l3 && s->l3 == L3_IP6, nd = v6 && s->proto == 0;
	const struct {
		enum dp_flow_field f;
		bool there;
		uint8_t *p;
		uint32_t n;
	} all[] = {
		{ DP_FLOW_eth_dst, true, s->dst, 6 },
		{ DP_FLOW_eth_src, true, s->src, 6 },
		{ DP_FLOW_ipv4_src, v4, s->a, 4 },
		{ DP_FLOW_ipv4_dst, v4, s->b, 4 },
		{ DP_FLOW_arp_spa, arp, s->a, 4 },
		{ DP_FLOW_arp_tpa, arp, s->b, 4 },
		{ DP_FLOW_arp_sha, arp, s->sha, 6 },
		{ DP_FLOW_arp_tha, arp, s->tha, 6 },
		{ DP_FLOW_ipv6_src, v6, s->a, 16 },
		{ DP_FLOW_ipv6_dst, v6, s->b, 16 },
		{ DP_FLOW_ipv6_nd_target,
		  nd && (s->l4 == L4_NS || s->l4 == L4_NA) && (s->type == 135 || s->type == 136),
		  s->target, 16 },
		{ DP_FLOW_ipv6_nd_sll, nd && s->l4 == L4_NS && s->has_option && s->type == 135,
		  s->sha, 6 },
		{ DP_FLOW_ipv6_nd_tll, nd && s->l4 == L4_NA && s->has_option && s->type == 136,
		  s->tha, 6 },
	};

	for (uint32_t i = 0; i < RTE_DIM(all); i++) {
		if (all[i].f == f) {
			*n = all[i].n;
			return all[i].there ? all[i].p : NULL;
		}
	}
	return NULL;
}

// A field that is bits of a number: which bits of it, and where it is kept.
struct bits {
	void *at;
	uint32_t size, shift, mask; // size of the number: 1, 2, 4
};

static bool ports_of(struct of_spec *s, uint8_t l4, bool src, struct bits *b)
{
	*b = (struct bits){ src ? &s->sport : &s->dport, 2, 0, 0xffff };
	return of_spec_l3_seen(s) && (s->l3 == L3_IP4 || s->l3 == L3_IP6) && s->l4 == l4 &&
	       s->proto == 0;
}

static bool icmp_of(struct of_spec *s, bool v4, bool type, struct bits *b)
{
	*b = (struct bits){ type ? &s->type : &s->code, 1, 0, 0xff };
	if (!of_spec_l3_seen(s) || s->proto != 0)
		return false;
	if (v4)
		return s->l3 == L3_IP4 && s->l4 == L4_ICMP;
	return s->l3 == L3_IP6 && (s->l4 == L4_ICMP6 || s->l4 == L4_NS || s->l4 == L4_NA);
}

static bool l2_bits(struct of_spec *s, enum dp_flow_field f, struct bits *b)
{
	struct of_shim *tag = &s->shims[0], *label = &s->shims[n_tags(s)];
	bool has_label = n_tags(s) < s->n_shims && n_tags(s) <= 2;

	switch (f) {
	case DP_FLOW_vlan_vid:
		*b = (struct bits){ &tag->word, 4, 0, 0xfff };
		return n_tags(s) > 0;
	case DP_FLOW_vlan_pcp:
		*b = (struct bits){ &tag->word, 4, 13, 7 };
		return n_tags(s) > 0;
	case DP_FLOW_mpls_label:
		*b = (struct bits){ &label->word, 4, 12, 0xfffff };
		return has_label;
	case DP_FLOW_mpls_tc:
		*b = (struct bits){ &label->word, 4, 9, 7 };
		return has_label;
	case DP_FLOW_mpls_bos:
		*b = (struct bits){ &label->word, 4, 8, 1 };
		return has_label;
	default:
		return false;
	}
}

static bool bits_of(struct of_spec *s, enum dp_flow_field f, struct bits *b)
{
	bool l3 = of_spec_l3_seen(s), ip = l3 && (s->l3 == L3_IP4 || s->l3 == L3_IP6);

	switch (f) {
	case DP_FLOW_ip_dscp:
		*b = (struct bits){ &s->tc, 1, 2, 63 };
		return ip;
	case DP_FLOW_ip_ecn:
		*b = (struct bits){ &s->tc, 1, 0, 3 };
		return ip;
	case DP_FLOW_arp_op:
		*b = (struct bits){ &s->arp_op, 2, 0, 0xffff };
		return l3 && s->l3 == L3_ARP;
	case DP_FLOW_ipv6_flabel:
		*b = (struct bits){ &s->flabel, 4, 0, 0xfffff };
		return l3 && s->l3 == L3_IP6;
	case DP_FLOW_tcp_src:
	case DP_FLOW_tcp_dst:
		return ports_of(s, L4_TCP, f == DP_FLOW_tcp_src, b);
	case DP_FLOW_udp_src:
	case DP_FLOW_udp_dst:
		return ports_of(s, L4_UDP, f == DP_FLOW_udp_src, b);
	case DP_FLOW_sctp_src:
	case DP_FLOW_sctp_dst:
		return ports_of(s, L4_SCTP, f == DP_FLOW_sctp_src, b);
	case DP_FLOW_icmpv4_type:
	case DP_FLOW_icmpv4_code:
		return icmp_of(s, true, f == DP_FLOW_icmpv4_type, b);
	case DP_FLOW_icmpv6_type:
	case DP_FLOW_icmpv6_code:
		return icmp_of(s, false, f == DP_FLOW_icmpv6_type, b);
	default:
		return l2_bits(s, f, b);
	}
}

static uint32_t number_at(const struct bits *b)
{
	uint32_t v = 0;

	memcpy(&v, b->at, b->size); // little endian
	return v;
}

bool of_spec_get(const struct of_spec *spec, enum dp_flow_field f, struct dp_flow_value *v)
{
	struct of_spec *s = (struct of_spec *)(uintptr_t)spec;
	struct bits b;
	uint32_t n;
	const uint8_t *p = bytes_of(s, f, &n);

	*v = (struct dp_flow_value){ 0 };
	if (p != NULL) {
		for (uint32_t i = 0; i < n; i++) {
			v->hi = v->hi << 8 | v->lo >> 56;
			v->lo = v->lo << 8 | p[i];
		}
		return true;
	}
	if (!bits_of(s, f, &b))
		return false;
	v->lo = number_at(&b) >> b.shift & b.mask;
	return true;
}

void of_spec_set(struct of_spec *s, enum dp_flow_field f, struct dp_flow_value v)
{
	struct bits b;
	uint32_t n, number;
	uint8_t *p = bytes_of(s, f, &n);

	if (p != NULL) {
		while (n-- > 0) {
			p[n] = (uint8_t)v.lo;
			v.lo = v.lo >> 8 | v.hi << 56;
			v.hi >>= 8;
		}
		return;
	}
	if (!bits_of(s, f, &b))
		abort();
	number = number_at(&b) & ~(b.mask << b.shift);
	number |= ((uint32_t)v.lo & b.mask) << b.shift;
	memcpy(b.at, &number, b.size);
}

// --- buffers

static struct rte_mbuf *segment_make(const uint8_t *data, uint32_t size, uint32_t room)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m) + DP_PRIV_BYTES);

	memset(m, 0, sizeof(*m) + DP_PRIV_BYTES);
	m->buf_addr = malloc(room + size); // the sanitizer sees what is read behind it
	m->buf_len = (uint16_t)(room + size);
	m->data_off = (uint16_t)room;
	m->data_len = (uint16_t)size;
	m->pkt_len = size;
	m->nb_segs = 1;
	memcpy((uint8_t *)m->buf_addr + room, data, size);
	return m;
}

struct rte_mbuf *of_mbuf_make(const uint8_t *data, uint32_t size, uint32_t first, uint32_t room)
{
	struct rte_mbuf *m;

	first = RTE_MIN(first, size);
	m = segment_make(data, first, room);
	if (first < size) {
		m->next = segment_make(data + first, size - first, 0);
		m->pkt_len = size;
		m->nb_segs = 2;
	}
	dp_parse(dp_data(m), m->data_len, m->pkt_len, &dp_meta(m)->p);
	return m;
}

void of_mbuf_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

uint32_t of_mbuf_read(const struct rte_mbuf *m, uint8_t out[FRAME_MAX])
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		memcpy(out + n, dp_data(m), m->data_len);
		n += m->data_len;
	}
	return n;
}
