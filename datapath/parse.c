#include "dp_parse.h"

#include <string.h>

enum {
	P_HOPOPT = 0,
	P_ICMP = 1,
	P_TCP = 6,
	P_UDP = 17,
	P_ROUTING = 43,
	P_FRAGMENT = 44,
	P_AH = 51,
	P_ICMP6 = 58,
	P_NONE = 59,
	P_DSTOPT = 60,
	P_SCTP = 132,
	P_MOBILITY = 135,
	P_HIP = 139,
	P_SHIM6 = 140,
	MAX_EXT_HEADERS = 8,
};

// What one pass carries along. left() is what may still be read.
struct cursor {
	const uint8_t *data;
	size_t size;	  // readable bytes
	size_t wire_size; // bytes of the frame
	size_t off;
	struct dp_parse *out;
};

static bool have(const struct cursor *c, size_t n)
{
	return c->size - c->off >= n;
}

static uint32_t mix(uint32_t h, uint32_t v)
{
	h ^= v;
	h *= 0x9e3779b1u;
	return h ^ h >> 15;
}

static uint32_t mix_bytes(uint32_t h, const uint8_t *p, size_t n_words)
{
	for (size_t i = 0; i < n_words; i++)
		h = mix(h, dp_be32(p + 4 * i));
	return h;
}

uint32_t dp_flow_hash(const uint8_t *data, const struct dp_parse *p)
{
	const uint8_t *l3 = data + p->l3_off;
	uint32_t h;

	if ((p->flags & (DP_PF_IP4 | DP_PF_IP6)) == 0)
		return mix_bytes(0, data, 3);
	h = (p->flags & DP_PF_IP4) != 0 ? mix_bytes(0, l3 + 12, 2) : mix_bytes(0, l3 + 8, 8);
	h = mix(h, p->ip_proto);
	// Later fragments carry no ports: they go where the first one went.
	if ((p->flags & (DP_PF_L4 | DP_PF_FRAG)) == DP_PF_L4)
		h = mix(h, (uint32_t)p->sport << 16 | p->dport);
	return h;
}

static void fail(struct cursor *c, enum dp_drop err)
{
	if (c->out->err == DP_DROP_none)
		c->out->err = (uint8_t)err;
}

static void parse_l4(struct cursor *c, size_t l4_size)
{
	static const struct {
		uint8_t proto, min;
	} known[] = { { P_TCP, 20 }, { P_UDP, 8 }, { P_SCTP, 12 }, { P_ICMP, 8 }, { P_ICMP6, 4 } };
	struct dp_parse *o = c->out;
	const uint8_t *p = c->data + c->off;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].proto != o->ip_proto)
			continue;
		if (l4_size < known[i].min || !have(c, known[i].min)) {
			// A first fragment too short for its header hides it: RFC 1858, RFC 7112.
			fail(c, (o->flags & DP_PF_FRAG) != 0 ? DP_DROP_l3_frag_evasion
							     : DP_DROP_l3_truncated);
			return;
		}
		o->flags |= DP_PF_L4;
		o->l4_off = (uint16_t)c->off;
		if (o->ip_proto == P_ICMP || o->ip_proto == P_ICMP6) {
			o->sport = p[0];
			o->dport = p[1];
			return;
		}
		o->sport = dp_be16(p);
		o->dport = dp_be16(p + 2);
		if (o->ip_proto == P_TCP &&
		    ((p[12] >> 4) < 5 || (size_t)(p[12] >> 4) * 4 > l4_size))
			fail(c, DP_DROP_l3_malformed);
		if (o->ip_proto == P_UDP && o->dport == DP_VXLAN_PORT && have(c, 16))
			o->flags |= DP_PF_VXLAN;
		return;
	}
	o->l4_off = (uint16_t)c->off;
}

static void parse_ip4(struct cursor *c)
{
	const uint8_t *p = c->data + c->off;
	struct dp_parse *o = c->out;
	size_t ihl, total;
	uint16_t frag;

	if (!have(c, 20)) {
		fail(c, DP_DROP_l3_truncated);
		return;
	}
	ihl = (size_t)(p[0] & 15) * 4;
	total = dp_be16(p + 2);
	if (p[0] >> 4 != 4 || ihl < 20 || total < ihl || total > c->wire_size - c->off) {
		fail(c, DP_DROP_l3_malformed);
		return;
	}
	if (!have(c, ihl)) {
		fail(c, DP_DROP_l3_truncated);
		return;
	}
	o->flags |= DP_PF_IP4;
	o->dscp = p[1] >> 2;
	o->ip_proto = p[9];
	frag = dp_be16(p + 6);
	if ((frag & 0x3fff) != 0)
		o->flags |= DP_PF_FRAG;
	if ((frag & 0x1fff) != 0) {
		// Offset 1 would overwrite the ports or flags of the first fragment: RFC 3128.
		if ((frag & 0x1fff) == 1)
			fail(c, DP_DROP_l3_frag_evasion);
		return;
	}
	c->off += ihl;
	parse_l4(c, total - ihl);
}

// Walk the extension headers. returns false when the chain ended without an upper layer to look at.
static bool skip_ext(struct cursor *c, size_t *left, uint8_t *next)
{
	struct dp_parse *o = c->out;

	for (uint32_t n = 0; n < MAX_EXT_HEADERS; n++) {
		const uint8_t *p = c->data + c->off;
		size_t len;

		switch (*next) {
		case P_HOPOPT:
		case P_ROUTING:
		case P_DSTOPT:
		case P_FRAGMENT:
		case P_AH:
		case P_MOBILITY:
		case P_HIP:
		case P_SHIM6:
			break;
		case P_NONE:
			o->ip_proto = P_NONE;
			return false;
		default:
			return true;
		}
		if (!have(c, 8) || *left < 8) {
			fail(c, DP_DROP_l3_truncated);
			return false;
		}
		o->flags |= DP_PF_EXT;
		len = *next == P_FRAGMENT ? 8
		      : *next == P_AH	  ? (size_t)(p[1] + 2) * 4 // RFC 4302 2.2
					  : (size_t)(p[1] + 1) * 8;	   // RFC 8200 4.2
		if (!have(c, len) || *left < len) {
			fail(c, DP_DROP_l3_truncated);
			return false;
		}
		if (*next == P_FRAGMENT) {
			o->flags |= DP_PF_FRAG;
			if ((dp_be16(p + 2) & 0xfff8) != 0) { // a later fragment carries no header
				o->ip_proto = p[0];
				return false;
			}
		}
		*next = p[0];
		c->off += len;
		*left -= len;
	}
	fail(c, DP_DROP_l3_ext_headers);
	return false;
}

static void parse_ip6(struct cursor *c)
{
	const uint8_t *p = c->data + c->off;
	struct dp_parse *o = c->out;
	size_t left;
	uint8_t next;

	if (!have(c, 40)) {
		fail(c, DP_DROP_l3_truncated);
		return;
	}
	left = dp_be16(p + 4);
	if (p[0] >> 4 != 6 || left > c->wire_size - c->off - 40) {
		fail(c, DP_DROP_l3_malformed);
		return;
	}
	o->flags |= DP_PF_IP6;
	o->dscp = (uint8_t)((p[0] & 15) << 2 | p[1] >> 6);
	next = p[6];
	o->ip_proto = next;
	c->off += 40;
	if (!skip_ext(c, &left, &next))
		return;
	o->ip_proto = next;
	parse_l4(c, left);
	// A fragmented ND message could hide its options from the guard: RFC 6980.
	if (next == P_ICMP6 && (o->flags & DP_PF_FRAG) != 0 && (o->flags & DP_PF_L4) != 0 &&
	    o->sport >= 133 && o->sport <= 137)
		fail(c, DP_DROP_l3_frag_evasion);
}

static void parse_arp(struct cursor *c)
{
	const uint8_t *p = c->data + c->off;

	if (!have(c, 28)) {
		fail(c, DP_DROP_l3_truncated);
		return;
	}
	// Ethernet/IPv4 ARP only: RFC 826.
	if (dp_be16(p) != 1 || dp_be16(p + 2) != DP_ETH_IPV4 || p[4] != 6 || p[5] != 4)
		fail(c, DP_DROP_l3_malformed);
}

static void parse_labels(struct cursor *c)
{
	struct dp_parse *o = c->out;

	while (o->n_labels < DP_PARSE_LABELS) {
		if (!have(c, 4)) {
			fail(c, DP_DROP_l2_truncated);
			return;
		}
		o->n_labels++;
		c->off += 4;
		if ((c->data[c->off - 2] & 1) != 0) // bottom of stack, RFC 3032 2.1
			return;
	}
}

static void parse_l3(struct cursor *c)
{
	c->out->l3_off = (uint16_t)c->off;
	switch (c->out->eth_type) {
	case DP_ETH_IPV4:
		parse_ip4(c);
		break;
	case DP_ETH_IPV6:
		parse_ip6(c);
		break;
	case DP_ETH_ARP:
		parse_arp(c);
		break;
	case DP_ETH_MPLS:
	case DP_ETH_MPLS_MC:
		parse_labels(c);
		break;
	default:
		break;
	}
}

// type below 0x600 is a length (IEEE 802.3 3.2.6). returns false when the frame has no ethertype.
static bool parse_llc(struct cursor *c, uint16_t length)
{
	struct dp_parse *o = c->out;
	const uint8_t *p = c->data + c->off;

	o->flags |= DP_PF_LLC;
	o->l3_off = (uint16_t)c->off;
	if (length > 1500 || length > c->wire_size - c->off) {
		fail(c, DP_DROP_l2_length_field);
		return false;
	}
	// SNAP: AA AA 03, OUI 00-00-00 (RFC 1042) or 00-00-F8 (802.1H).
	if (have(c, 8) && length >= 8 && p[0] == 0xaa && p[1] == 0xaa && p[2] == 3 && p[3] == 0 &&
	    p[4] == 0 && (p[5] == 0 || p[5] == 0xf8)) {
		o->flags |= DP_PF_SNAP;
		o->eth_type = dp_be16(p + 6);
		c->off += 8;
		return true;
	}
	return false;
}

// The whole pass. Apart, so that the frames that need it do not make the others save registers.
static __attribute__((noinline)) void parse_any(const uint8_t *data, size_t size, size_t wire_size,
						struct dp_parse *out)
{
	struct cursor c = { .data = data, .size = size, .wire_size = wire_size, .out = out };
	uint16_t type;

	if (c.size > DP_PARSE_BYTES)
		c.size = DP_PARSE_BYTES;
	if (c.size > wire_size)
		c.size = wire_size;
	if (c.size < 14) {
		fail(&c, DP_DROP_l2_truncated);
		return;
	}
	type = dp_be16(data + 12);
	c.off = 14;
	while (type == DP_ETH_VLAN || type == DP_ETH_QINQ) {
		if (!have(&c, 4)) {
			fail(&c, DP_DROP_l2_truncated);
			return;
		}
		if (out->n_tags == DP_PARSE_TAGS) {
			fail(&c, DP_DROP_l2_too_many_tags);
			return;
		}
		out->tpid[out->n_tags] = type;
		out->tci[out->n_tags++] = dp_be16(data + c.off);
		type = dp_be16(data + c.off + 2);
		c.off += 4;
	}
	if (type >= 0x600) {
		out->eth_type = type;
		parse_l3(&c);
	} else if (parse_llc(&c, type)) {
		// The encapsulated type may be a tag or a length again: nothing honest does that.
		if (out->eth_type < 0x600 || out->eth_type == DP_ETH_VLAN ||
		    out->eth_type == DP_ETH_QINQ)
			fail(&c, DP_DROP_l2_length_field);
		else
			parse_l3(&c);
	}
}

// The shape of most frames, known by a few comparisons: at most one C-tag, IPv4 without options or
// fragments, TCP or UDP, nothing wrong. Says what the whole pass would say.
// returns false, and *out is as it was, for all else
static bool parse_plain(const uint8_t *data, size_t size, size_t wire_size, struct dp_parse *out)
{
	const uint8_t *p = data + 14;
	uint16_t type, total, dport;
	bool tcp;

	if (size < 18 + 20 + 20 || wire_size < size)
		return false;
	type = dp_be16(data + 12);
	if (type == DP_ETH_VLAN) {
		type = dp_be16(data + 16);
		p += 4;
	}
	total = dp_be16(p + 2);
	dport = dp_be16(p + 22);
	tcp = p[9] == P_TCP;
	if (type != DP_ETH_IPV4 || p[0] != 0x45 || (dp_be16(p + 6) & 0x3fff) != 0 ||
	    (p[9] != P_UDP && !tcp) || total < (tcp ? 40 : 28) ||
	    total > wire_size - (size_t)(p - data) || dport == DP_VXLAN_PORT ||
	    (tcp && ((p[32] >> 4) < 5 || (p[32] >> 4) * 4 > total - 20)))
		return false;
	if (p != data + 14) {
		out->tpid[0] = DP_ETH_VLAN;
		out->tci[0] = dp_be16(data + 14);
		out->n_tags = 1;
	}
	out->eth_type = DP_ETH_IPV4;
	out->l3_off = (uint16_t)(p - data);
	out->l4_off = (uint16_t)(p - data + 20);
	out->sport = dp_be16(p + 20);
	out->dport = dport;
	out->ip_proto = p[9];
	out->dscp = p[1] >> 2;
	out->flags = DP_PF_IP4 | DP_PF_L4;
	out->plain = 1;
	return true;
}

void dp_parse(const uint8_t *data, size_t size, size_t wire_size, struct dp_parse *out)
{
	memset(out, 0, sizeof(*out));
	if (!parse_plain(data, size, wire_size, out))
		parse_any(data, size, wire_size, out);
}
