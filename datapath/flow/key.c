#include "dp_flow_key.h"

#include <string.h>

enum {
	P_ICMP = 1,
	P_TCP = 6,
	P_UDP = 17,
	P_ICMP6 = 58,
	P_SCTP = 132,
	ND_SOLICIT = 135,
	ND_ADVERT = 136,
	ND_OPTIONS = 24, // where options start in both, RFC 4861 4.3 and 4.4
	ND_SLL = 1,	 // option, RFC 4861 4.6.1
	ND_TLL = 2,
	// "No Ethernet type" of OpenFlow 1.0's ofp_match; later versions do not say, and Open
	// vSwitch kept it.
	ETH_NONE = 0x05ff,
};

const struct dp_flow_field_info dp_flow_fields[DP_FLOW_N_FIELDS] = {
#define INFO(id, oxm, bits, word, shift, maskable, name)                                           \
	{ #id, name, oxm, bits, word, shift, maskable },
	DP_FLOW_FIELDS(INFO)
#undef INFO
};

enum dp_flow_field dp_flow_field_of_oxm(uint8_t oxm)
{
	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		if (dp_flow_fields[f].oxm == oxm)
			return (enum dp_flow_field)f;
	}
	return DP_FLOW_N_FIELDS;
}

struct dp_flow_value dp_flow_ones(enum dp_flow_field f)
{
	uint8_t bits = dp_flow_fields[f].bits;

	if (bits >= 64)
		return (struct dp_flow_value){ bits == 64 ? 0 : UINT64_MAX >> (128 - bits),
					       UINT64_MAX };
	return (struct dp_flow_value){ 0, (UINT64_C(1) << bits) - 1 };
}

void dp_flow_put(struct dp_flow_key *k, enum dp_flow_field f, struct dp_flow_value v)
{
	const struct dp_flow_field_info *i = &dp_flow_fields[f];
	uint64_t ones = dp_flow_ones(f).lo;

	if (i->bits > 64) {
		k->w[i->word] = v.hi;
		k->w[i->word + 1] = v.lo;
		return;
	}
	k->w[i->word] = (k->w[i->word] & ~(ones << i->shift)) | (v.lo & ones) << i->shift;
}

struct dp_flow_value dp_flow_get(const struct dp_flow_key *k, enum dp_flow_field f)
{
	const struct dp_flow_field_info *i = &dp_flow_fields[f];

	if (i->bits > 64)
		return (struct dp_flow_value){ k->w[i->word], k->w[i->word + 1] };
	return (struct dp_flow_value){ 0, k->w[i->word] >> i->shift & dp_flow_ones(f).lo };
}

// Is all of the field asked for? returns its value, or UINT64_MAX
static uint64_t exact(const struct dp_flow_key *k, const struct dp_flow_key *mask,
		      enum dp_flow_field f)
{
	return dp_flow_get(mask, f).lo == dp_flow_ones(f).lo ? dp_flow_get(k, f).lo : UINT64_MAX;
}

// Table 12 of OpenFlow 1.3.5, followed down to the ethertype. ICMP belongs to its version of IP:
// the key of an IPv4 packet with protocol 58 has no ICMPv6 type.
static const struct prerequisite {
	uint16_t types[2]; // ethertypes, 0 = any
	uint8_t proto;	   // 0 = any
	uint8_t icmp[2];   // ICMPv6 types, 0 = any
} prerequisites[DP_FLOW_N_FIELDS] = {
#define IP .types = { DP_ETH_IPV4, DP_ETH_IPV6 }
	[DP_FLOW_ip_dscp] = { IP },
	[DP_FLOW_ip_ecn] = { IP },
	[DP_FLOW_ip_proto] = { IP },
	[DP_FLOW_ipv4_src] = { .types = { DP_ETH_IPV4 } },
	[DP_FLOW_ipv4_dst] = { .types = { DP_ETH_IPV4 } },
	[DP_FLOW_tcp_src] = { IP, .proto = P_TCP },
	[DP_FLOW_tcp_dst] = { IP, .proto = P_TCP },
	[DP_FLOW_udp_src] = { IP, .proto = P_UDP },
	[DP_FLOW_udp_dst] = { IP, .proto = P_UDP },
	[DP_FLOW_sctp_src] = { IP, .proto = P_SCTP },
	[DP_FLOW_sctp_dst] = { IP, .proto = P_SCTP },
	[DP_FLOW_icmpv4_type] = { .types = { DP_ETH_IPV4 }, .proto = P_ICMP },
	[DP_FLOW_icmpv4_code] = { .types = { DP_ETH_IPV4 }, .proto = P_ICMP },
	[DP_FLOW_arp_op] = { .types = { DP_ETH_ARP } },
	[DP_FLOW_arp_spa] = { .types = { DP_ETH_ARP } },
	[DP_FLOW_arp_tpa] = { .types = { DP_ETH_ARP } },
	[DP_FLOW_arp_sha] = { .types = { DP_ETH_ARP } },
	[DP_FLOW_arp_tha] = { .types = { DP_ETH_ARP } },
	[DP_FLOW_ipv6_src] = { .types = { DP_ETH_IPV6 } },
	[DP_FLOW_ipv6_dst] = { .types = { DP_ETH_IPV6 } },
	[DP_FLOW_ipv6_flabel] = { .types = { DP_ETH_IPV6 } },
	[DP_FLOW_icmpv6_type] = { .types = { DP_ETH_IPV6 }, .proto = P_ICMP6 },
	[DP_FLOW_icmpv6_code] = { .types = { DP_ETH_IPV6 }, .proto = P_ICMP6 },
	[DP_FLOW_ipv6_nd_target] = { .types = { DP_ETH_IPV6 },
				     .proto = P_ICMP6,
				     .icmp = { ND_SOLICIT, ND_ADVERT } },
	[DP_FLOW_ipv6_nd_sll] = { .types = { DP_ETH_IPV6 },
				  .proto = P_ICMP6,
				  .icmp = { ND_SOLICIT } },
	[DP_FLOW_ipv6_nd_tll] = { .types = { DP_ETH_IPV6 },
				  .proto = P_ICMP6,
				  .icmp = { ND_ADVERT } },
	[DP_FLOW_mpls_label] = { .types = { DP_ETH_MPLS, DP_ETH_MPLS_MC } },
	[DP_FLOW_mpls_tc] = { .types = { DP_ETH_MPLS, DP_ETH_MPLS_MC } },
	[DP_FLOW_mpls_bos] = { .types = { DP_ETH_MPLS, DP_ETH_MPLS_MC } },
#undef IP
};

// 0 in the first place = anything will do; in the second = there is no other.
static bool is_one_of(uint64_t v, uint64_t a, uint64_t b)
{
	return a == 0 || v == a || (b != 0 && v == b);
}

bool dp_flow_prerequisite(enum dp_flow_field f, const struct dp_flow_key *k,
			  const struct dp_flow_key *mask)
{
	const struct prerequisite *p = &prerequisites[f];

	if (f == DP_FLOW_in_phy_port)
		return exact(k, mask, DP_FLOW_in_port) != UINT64_MAX;
	if (f == DP_FLOW_vlan_pcp) // VLAN_VID is not OFPVID_NONE
		return (k->w[0] & mask->w[0] & DP_FLOW_VID_PRESENT) != 0;
	return is_one_of(exact(k, mask, DP_FLOW_eth_type), p->types[0], p->types[1]) &&
	       is_one_of(exact(k, mask, DP_FLOW_ip_proto), p->proto, 0) &&
	       is_one_of(exact(k, mask, DP_FLOW_icmpv6_type), p->icmp[0], p->icmp[1]);
}

static uint64_t be48(const uint8_t *p)
{
	return (uint64_t)dp_be16(p) << 32 | dp_be32(p + 2);
}

static uint64_t be64(const uint8_t *p)
{
	return (uint64_t)dp_be32(p) << 32 | dp_be32(p + 4);
}

static void make_arp(const uint8_t *arp, struct dp_flow_key *k)
{
	k->w[2] |= dp_be16(arp + 6);
	k->w[14] = be48(arp + 8) << 16;
	k->w[3] = (uint64_t)dp_be32(arp + 14) << 32 | dp_be32(arp + 24);
	k->w[15] = be48(arp + 18) << 16;
}

// Target and link-layer addresses of a neighbour solicitation or advertisement. One with an option
// that is twice there, empty or too long has none of them: RFC 4861 7.1 has it discarded.
//
// nd, size  the message, as much of it as may be read
// whole     the end of the message is among it
static void make_nd(const uint8_t *nd, size_t size, bool whole, struct dp_flow_key *k)
{
	uint64_t lladdr[3] = { 0 }; // by option
	uint32_t seen = 0;
	size_t at = ND_OPTIONS;

	if (size < ND_OPTIONS)
		return;
	while (size - at >= 8) {
		uint8_t type = nd[at];
		size_t option = (size_t)nd[at + 1] * 8;

		if (option == 0 || (option > size - at && whole))
			return;
		if ((type == ND_SLL || type == ND_TLL) && option == 8) {
			if ((seen & 1u << type) != 0)
				return;
			seen |= 1u << type;
			lladdr[type] = be48(nd + at + 2);
		}
		if (option > size - at)
			break;
		at += option;
	}
	k->w[12] = be64(nd + 8);
	k->w[13] = be64(nd + 16);
	k->w[14] = lladdr[ND_SLL] << 16;
	k->w[15] = lladdr[ND_TLL] << 16;
}

static bool has_ports(const struct dp_parse *p)
{
	switch (p->ip_proto) {
	case P_TCP:
	case P_UDP:
	case P_SCTP:
		return true;
	case P_ICMP:
		return (p->flags & DP_PF_IP4) != 0;
	case P_ICMP6:
		return (p->flags & DP_PF_IP6) != 0;
	default:
		return false;
	}
}

static void make_ip6(const uint8_t *data, size_t size, const struct dp_parse *p,
		     struct dp_flow_key *k)
{
	const uint8_t *ip = data + p->l3_off;
	size_t end = (size_t)p->l3_off + 40 + dp_be16(ip + 4);

	k->w[1] |= (dp_be16(ip) >> 4 & 0xff);
	k->w[7] = be64(ip + 8);
	k->w[8] = be64(ip + 16);
	k->w[9] = be64(ip + 24);
	k->w[10] = be64(ip + 32);
	k->w[11] |= (uint64_t)(dp_be32(ip) & 0xfffff) << 44;
	if (p->ip_proto == P_ICMP6 && (p->flags & (DP_PF_L4 | DP_PF_FRAG)) == DP_PF_L4 &&
	    (p->sport == ND_SOLICIT || p->sport == ND_ADVERT) && p->dport == 0 &&
	    p->l4_off < size && p->l4_off < end)
		make_nd(data + p->l4_off, (end < size ? end : size) - p->l4_off, end <= size, k);
}

// What is above Ethernet and the tags. Nothing behind labels: a switch does not know what it is.
static void make_l3(const uint8_t *data, size_t size, const struct dp_parse *p,
		    struct dp_flow_key *k)
{
	const uint8_t *l3 = data + p->l3_off;

	if ((p->flags & (DP_PF_IP4 | DP_PF_IP6)) != 0) {
		k->w[1] |= (uint64_t)p->ip_proto << 8;
		if ((p->flags & DP_PF_IP4) != 0) {
			k->w[1] |= l3[1];
			k->w[3] = be64(l3 + 12);
		} else {
			make_ip6(data, size, p, k);
		}
		if ((p->flags & DP_PF_L4) != 0 && has_ports(p))
			k->w[4] = (uint64_t)p->sport << 48 | (uint64_t)p->dport << 32;
	} else if (p->eth_type == DP_ETH_ARP) {
		if (p->err == DP_DROP_none)
			make_arp(l3, k);
	} else if (p->n_labels > 0) {
		uint32_t entry = dp_be32(l3); // RFC 3032 2.1: label 20, TC 3, S 1, TTL 8

		k->w[4] = (uint64_t)(entry >> 12) << 4 | (entry >> 8 & 15);
	}
}

void dp_flow_key_make(const uint8_t *data, size_t size, const struct dp_parse *p, uint32_t in_port,
		      struct dp_flow_key *out)
{
	bool no_type = p->eth_type == 0 && (p->flags & DP_PF_LLC) != 0;

	memset(out, 0, sizeof(*out));
	if (size > DP_PARSE_BYTES)
		size = DP_PARSE_BYTES;
	out->w[0] = (uint64_t)in_port << 32 | (uint64_t)(no_type ? ETH_NONE : p->eth_type) << 16;
	if (size < 14)
		return;
	out->w[1] = be48(data) << 16;
	out->w[2] = be48(data + 6) << 16;
	// DEI stands between PCP and VID, in the place of the bit that says that the tag is there.
	if (p->n_tags > 0)
		out->w[0] |= (p->tci[0] & 0xefff) | DP_FLOW_VID_PRESENT;
	if (p->n_tags > 1)
		out->w[11] = UINT64_C(1) << 31 | p->tci[1];
	make_l3(data, size, p, out);
}
