// set-field: where each field stands in a frame, what must be there for it to stand there, and
// which checksums it is in.
#include "of_edit_priv.h"

enum {
	P_ICMP = 1,
	P_TCP = 6,
	P_UDP = 17,
	P_ROUTING = 43,
	P_ICMP6 = 58,
	P_SCTP = 132,
	ND_NS = 135,
	ND_NA = 136,
	ND_OPT_SLLA = 1,
	ND_OPT_TLLA = 2,
	ND_SIZE = 24, // of solicitation and advertisement, before their options
};

// What a field is in.
enum head {
	H_NONE, // no frame carries it
	H_ETH,
	H_TYPE,
	H_TAG,
	H_LABEL,
	H_ARP,
	H_IP,
	H_IP4,
	H_IP6,
	H_TCP,
	H_UDP,
	H_SCTP,
	H_ICMP,
	H_ICMP6,
	H_ND,
	H_SLL,
	H_TLL,
};

enum { SUM_IP = DP_OF_SUM_IP, SUM_PSEUDO = DP_OF_SUM_PSEUDO, SUM_L4 = DP_OF_SUM_L4 };

// A field: `bits` bits, `shift` bits from the end of the `size` bytes at `off` of its header. Where
// sums are concerned, off and size are even.
struct place {
	uint8_t head; // enum head
	uint8_t off, size, shift, bits;
	uint8_t sums; // enum dp_of_sum
	bool renews;  // the frame is parsed anew
};

static const struct place places[DP_FLOW_N_FIELDS] = {
	[DP_FLOW_eth_dst] = { H_ETH, 0, 6, 0, 48, 0, false },
	[DP_FLOW_eth_src] = { H_ETH, 6, 6, 0, 48, 0, false },
	[DP_FLOW_eth_type] = { H_TYPE, 0, 2, 0, 16, 0, true },
	[DP_FLOW_vlan_vid] = { H_TAG, 0, 2, 0, 12, 0, true },
	[DP_FLOW_vlan_pcp] = { H_TAG, 0, 2, 13, 3, 0, true },
	[DP_FLOW_ip_dscp] = { H_IP, 0, 2, 2, 6, SUM_IP, true },
	[DP_FLOW_ip_ecn] = { H_IP, 0, 2, 0, 2, SUM_IP, false },
	[DP_FLOW_ipv4_src] = { H_IP4, 12, 4, 0, 32, SUM_IP | SUM_PSEUDO, false },
	[DP_FLOW_ipv4_dst] = { H_IP4, 16, 4, 0, 32, SUM_IP | SUM_PSEUDO, false },
	[DP_FLOW_tcp_src] = { H_TCP, 0, 2, 0, 16, SUM_L4, true },
	[DP_FLOW_tcp_dst] = { H_TCP, 2, 2, 0, 16, SUM_L4, true },
	[DP_FLOW_udp_src] = { H_UDP, 0, 2, 0, 16, SUM_L4, true },
	[DP_FLOW_udp_dst] = { H_UDP, 2, 2, 0, 16, SUM_L4, true },
	[DP_FLOW_sctp_src] = { H_SCTP, 0, 2, 0, 16, 0, true },
	[DP_FLOW_sctp_dst] = { H_SCTP, 2, 2, 0, 16, 0, true },
	[DP_FLOW_icmpv4_type] = { H_ICMP, 0, 2, 8, 8, SUM_L4, true },
	[DP_FLOW_icmpv4_code] = { H_ICMP, 0, 2, 0, 8, SUM_L4, true },
	[DP_FLOW_arp_op] = { H_ARP, 6, 2, 0, 16, 0, false },
	[DP_FLOW_arp_spa] = { H_ARP, 14, 4, 0, 32, 0, false },
	[DP_FLOW_arp_tpa] = { H_ARP, 24, 4, 0, 32, 0, false },
	[DP_FLOW_arp_sha] = { H_ARP, 8, 6, 0, 48, 0, false },
	[DP_FLOW_arp_tha] = { H_ARP, 18, 6, 0, 48, 0, false },
	[DP_FLOW_ipv6_src] = { H_IP6, 8, 16, 0, 128, SUM_PSEUDO, false },
	[DP_FLOW_ipv6_dst] = { H_IP6, 24, 16, 0, 128, SUM_PSEUDO, false },
	[DP_FLOW_ipv6_flabel] = { H_IP6, 0, 4, 0, 20, 0, false },
	[DP_FLOW_icmpv6_type] = { H_ICMP6, 0, 2, 8, 8, SUM_L4, true },
	[DP_FLOW_icmpv6_code] = { H_ICMP6, 0, 2, 0, 8, SUM_L4, true },
	[DP_FLOW_ipv6_nd_target] = { H_ND, 8, 16, 0, 128, SUM_L4, false },
	[DP_FLOW_ipv6_nd_sll] = { H_SLL, 2, 6, 0, 48, SUM_L4, false },
	[DP_FLOW_ipv6_nd_tll] = { H_TLL, 2, 6, 0, 48, SUM_L4, false },
	[DP_FLOW_mpls_label] = { H_LABEL, 0, 4, 12, 20, 0, false },
	[DP_FLOW_mpls_tc] = { H_LABEL, 0, 4, 9, 3, 0, false },
	[DP_FLOW_mpls_bos] = { H_LABEL, 0, 4, 8, 1, 0, true },
};

// IPv6 has its traffic class elsewhere, and no checksum over it.
static struct place place_of(const struct dp_of_frame *f, enum dp_flow_field field)
{
	if (field >= DP_FLOW_N_FIELDS)
		return (struct place){ 0 };
	if ((f->meta->p.flags & DP_PF_IP6) != 0 && field == DP_FLOW_ip_dscp)
		return (struct place){ H_IP, 0, 2, 6, 6, 0, true };
	if ((f->meta->p.flags & DP_PF_IP6) != 0 && field == DP_FLOW_ip_ecn)
		return (struct place){ H_IP, 0, 2, 4, 2, 0, false };
	return places[field];
}

// --- headers: their offset in the frame; 0 is only Ethernet's, and NOWHERE what is not there

enum { NOWHERE = UINT32_MAX };

static uint32_t l4_of(const struct dp_of_frame *f, uint8_t proto)
{
	const struct dp_parse *p = &f->meta->p;

	return (p->flags & DP_PF_L4) != 0 && p->ip_proto == proto ? p->l4_off : NOWHERE;
}

// The end of what may be looked at of an IPv6 packet.
static uint32_t ip6_end(const struct dp_of_frame *f)
{
	uint32_t l3 = f->meta->p.l3_off;

	return RTE_MIN(f->size, l3 + 40u + dp_be16(f->data + l3 + 4));
}

// A solicitation (need_type = 0: or an advertisement), with its target.
static uint32_t nd_of(const struct dp_of_frame *f, uint8_t need_type)
{
	const struct dp_parse *p = &f->meta->p;
	uint32_t at = (p->flags & DP_PF_IP6) != 0 ? l4_of(f, P_ICMP6) : NOWHERE;
	bool right =
		need_type == 0 ? p->sport == ND_NS || p->sport == ND_NA : p->sport == need_type;

	if (at == NOWHERE || !right || (p->flags & DP_PF_FRAG) != 0 || at + ND_SIZE > ip6_end(f))
		return NOWHERE;
	return at;
}

// The first option of that type with a MAC address in it: RFC 4861 section 4.6.
static uint32_t nd_option(const struct dp_of_frame *f, uint8_t need_type, uint8_t option)
{
	uint32_t at = nd_of(f, need_type), end;

	if (at == NOWHERE)
		return NOWHERE;
	end = ip6_end(f);
	for (at += ND_SIZE; at + 8 <= end; at += f->data[at + 1] * 8u) {
		if (f->data[at + 1] == 0)
			return NOWHERE;
		if (f->data[at] == option)
			return f->data[at + 1] == 1 ? at : NOWHERE;
	}
	return NOWHERE;
}

static uint32_t l2_of(const struct dp_of_frame *f, enum head head)
{
	const struct dp_parse *p = &f->meta->p;

	switch (head) {
	case H_ETH:
		return 0;
	case H_TAG:
		return p->n_tags > 0 ? 14 : NOWHERE;
	case H_LABEL:
		return dp_of_label(f) != NULL ? p->l3_off : NOWHERE;
	default: // H_TYPE; an 802.3 frame has one with SNAP only
		if ((p->flags & DP_PF_LLC) != 0 &&
		    ((p->flags & DP_PF_SNAP) == 0 || p->err != DP_DROP_none))
			return NOWHERE;
		return p->l3_off >= 14 ? p->l3_off - 2u : NOWHERE;
	}
}

static uint32_t offset_of(const struct dp_of_frame *f, enum head head)
{
	const struct dp_parse *p = &f->meta->p;
	bool v4 = (p->flags & DP_PF_IP4) != 0, v6 = (p->flags & DP_PF_IP6) != 0;

	switch (head) {
	case H_ETH:
	case H_TYPE:
	case H_TAG:
	case H_LABEL:
		return l2_of(f, head);
	case H_ARP:
		return p->eth_type == DP_ETH_ARP && p->err == DP_DROP_none ? p->l3_off : NOWHERE;
	case H_IP:
		return v4 || v6 ? p->l3_off : NOWHERE;
	case H_IP4:
		return v4 ? p->l3_off : NOWHERE;
	case H_IP6:
		return v6 ? p->l3_off : NOWHERE;
	case H_TCP:
		return l4_of(f, P_TCP);
	case H_UDP:
		return l4_of(f, P_UDP);
	case H_SCTP:
		// Without all of the packet its checksum cannot follow.
		return dp_of_crc_whole(f) ? l4_of(f, P_SCTP) : NOWHERE;
	case H_ICMP:
		return v4 ? l4_of(f, P_ICMP) : NOWHERE;
	case H_ICMP6:
		return v6 ? l4_of(f, P_ICMP6) : NOWHERE;
	case H_ND:
		return nd_of(f, 0);
	case H_SLL:
		return nd_option(f, ND_NS, ND_OPT_SLLA);
	case H_TLL:
		return nd_option(f, ND_NA, ND_OPT_TLLA);
	default:
		return NOWHERE;
	}
}

// --- writing

static uint64_t load(const uint8_t *p, uint32_t n)
{
	uint64_t v = 0;

	for (uint32_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void store(uint8_t *p, uint32_t n, uint64_t v)
{
	while (n-- > 0) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

// size bytes (at most 8): of the field's bits those of mask become those of value.
static void write_bits(uint8_t *p, const struct place *at, uint64_t value, uint64_t mask)
{
	uint32_t n = RTE_MIN(at->size, 8);
	uint64_t field = at->bits >= 64 ? UINT64_MAX : (1ull << at->bits) - 1;

	mask = (mask & field) << at->shift;
	store(p, n, (load(p, n) & ~mask) | (value << at->shift & mask));
}

static void write_field(uint8_t *p, const struct place *at, const struct dp_flow_set *s)
{
	if (at->size > 8) {
		write_bits(p, at, s->value.hi, s->mask.hi);
		p += 8;
	}
	write_bits(p, at, s->value.lo, s->mask.lo);
}

bool dp_of_ip6_walk(const struct dp_of_frame *f, uint32_t *next)
{
	const struct dp_parse *p = &f->meta->p;
	uint32_t at = p->l3_off + 40u, number = p->l3_off + 6u;
	bool routed = false;

	// Parse has walked here, or l4_off is 0 and the last header is a fragment's.
	while (at != p->l4_off && at + 8 <= f->size) {
		uint8_t type = f->data[number];

		if (type != 0 && type != P_ROUTING && type != 44 && type != 51 && type != 60 &&
		    type != 135 && type != 139 && type != 140)
			break;
		routed = routed || (type == P_ROUTING && f->data[at + 3] != 0);
		number = at;
		if (type == 44 && (dp_be16(f->data + at + 2) & 0xfff8) != 0)
			break;
		at += type == 44   ? 8
		      : type == 51 ? (f->data[at + 1] + 2u) * 4
				   : (f->data[at + 1] + 1u) * 8;
	}
	*next = number;
	return routed;
}

// The protocol's number, in IPv6 that of the last header. The L4 header stays what it was, and so
// does the place of its checksum: it follows the number in the pseudo-header.
static enum dp_of_edit_result set_proto(struct dp_of_frame *f, const struct dp_flow_set *s)
{
	uint32_t at = f->meta->p.l3_off + 9u, word;
	uint16_t was;
	uint8_t is, proto;

	if (!dp_of_is_ip(f) || f->meta->p.err != DP_DROP_none)
		return DP_OF_EDIT_NO_HEADER;
	if ((f->meta->p.flags & DP_PF_IP6) != 0)
		dp_of_ip6_walk(f, &at);
	proto = f->data[at];
	is = (uint8_t)((proto & ~s->mask.lo) | (s->value.lo & s->mask.lo));
	if (is == proto)
		return DP_OF_EDIT_OK;
	if (!dp_of_settle(f))
		return DP_OF_EDIT_OFFLOAD;
	word = at & ~1u;
	was = dp_be16(f->data + word);
	f->data[at] = is;
	if ((f->meta->p.flags & DP_PF_IP4) != 0)
		dp_of_sums_follow(f, DP_OF_SUM_IP, was, dp_be16(f->data + word));
	dp_of_sums_follow(f, DP_OF_SUM_PSEUDO, proto, is);
	dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}

// Of the sums that the field is in, those that this frame has.
static uint32_t sums_of(const struct dp_of_frame *f, enum dp_flow_field field, uint32_t sums)
{
	uint32_t next;

	// The packet is on its way to somebody else first, whom no checksum covers.
	if (field == DP_FLOW_ipv6_dst && (f->meta->p.flags & DP_PF_EXT) != 0 &&
	    dp_of_ip6_walk(f, &next))
		sums &= ~(uint32_t)DP_OF_SUM_PSEUDO;
	return sums;
}

enum dp_of_edit_result dp_of_set_field(struct dp_of_frame *f, const struct dp_flow_set *s)
{
	struct place place = place_of(f, s->op.field);
	uint32_t at, sums, bits = 0;
	uint16_t was = 0;
	uint8_t *p;

	if (s->op.field == DP_FLOW_ip_proto)
		return set_proto(f, s);
	at = offset_of(f, place.head);
	if (at == NOWHERE || at + place.off + place.size > f->size)
		return DP_OF_EDIT_NO_HEADER;
	if (s->op.field == DP_FLOW_eth_type && !dp_of_settle(f))
		return DP_OF_EDIT_OFFLOAD;
	p = f->data + at + place.off;
	sums = sums_of(f, s->op.field, place.sums);
	if (sums != 0)
		was = dp_of_sum(p, place.size);
	if (place.head == H_SCTP)
		bits = dp_be32(f->data + at);
	write_field(p, &place, s);
	if (sums != 0)
		dp_of_sums_follow(f, sums, was, dp_of_sum(p, place.size));
	if (place.head == H_SCTP)
		dp_of_crc_follow(f, bits ^ dp_be32(f->data + at));
	if (place.renews)
		dp_of_frame_renew(f);
	return DP_OF_EDIT_OK;
}
