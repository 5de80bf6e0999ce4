// What OpenFlow tables match on: the headers of a frame as one array of 64-bit words, a mask of the
// same shape, and the list of match fields (OXM, OpenFlow 1.3.5 section 7.2.3.7) with their places.
//
// Values stand in host order. Fields whose prerequisites exclude each other share a place: TCP, UDP
// and SCTP ports, ICMP type and code; IPv4 and ARP addresses. What a frame does not have is zero.
// Words that carry no OXM field (the inner tag) make the key say all that later tables may look at
// after a pop of the outer tag.
//
// Pure: no DPDK, no state, no allocation.
#ifndef DP_FLOW_KEY_H
#define DP_FLOW_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_parse.h"

#define DP_FLOW_WORDS 16

struct dp_flow_key {
	uint64_t w[DP_FLOW_WORDS];
};

// A tag is there: the bit of OFPVID_PRESENT, beside the VLAN's number.
#define DP_FLOW_VID_PRESENT 0x1000

// X(identifier, OXM field number, bits, word, shift, maskable, name in ovs-ofctl)
// More than 64 bits: the high half in `word`, the low half in the next one.
// Words, high bits first:
//  0 in_port:32 eth_type:16 vlan_pcp:3 vlan_vid:13   1 eth_dst:48 ip_proto:8 ip_dscp:6 ip_ecn:2
//  2 eth_src:48 arp_op:16   3 ipv4_src:32 ipv4_dst:32 (arp_spa, arp_tpa)
//  4 l4_src:16 l4_dst:16 -:8 mpls_label:20 mpls_tc:3 mpls_bos:1   5 metadata   6 tunnel_id
//  7,8 ipv6_src   9,10 ipv6_dst   11 ipv6_flabel:20 -:12 inner tag: present:1 -:15 tci:16
//  12,13 ipv6_nd_target   14 arp_sha, ipv6_nd_sll:48 -:16   15 arp_tha, ipv6_nd_tll:48 -:16
#define DP_FLOW_FIELDS(X)                                                                          \
	X(in_port, 0, 32, 0, 32, false, "in_port")                                                 \
	X(in_phy_port, 1, 32, 0, 32, false, "in_phy_port")                                         \
	X(metadata, 2, 64, 5, 0, true, "metadata")                                                 \
	X(eth_dst, 3, 48, 1, 16, true, "dl_dst")                                                   \
	X(eth_src, 4, 48, 2, 16, true, "dl_src")                                                   \
	X(eth_type, 5, 16, 0, 16, false, "dl_type")                                                \
	X(vlan_vid, 6, 13, 0, 0, true, "vlan_vid")                                                 \
	X(vlan_pcp, 7, 3, 0, 13, false, "vlan_pcp")                                                \
	X(ip_dscp, 8, 6, 1, 2, false, "ip_dscp")                                                   \
	X(ip_ecn, 9, 2, 1, 0, false, "nw_ecn")                                                     \
	X(ip_proto, 10, 8, 1, 8, false, "nw_proto")                                                \
	X(ipv4_src, 11, 32, 3, 32, true, "nw_src")                                                 \
	X(ipv4_dst, 12, 32, 3, 0, true, "nw_dst")                                                  \
	X(tcp_src, 13, 16, 4, 48, false, "tcp_src")                                                \
	X(tcp_dst, 14, 16, 4, 32, false, "tcp_dst")                                                \
	X(udp_src, 15, 16, 4, 48, false, "udp_src")                                                \
	X(udp_dst, 16, 16, 4, 32, false, "udp_dst")                                                \
	X(sctp_src, 17, 16, 4, 48, false, "sctp_src")                                              \
	X(sctp_dst, 18, 16, 4, 32, false, "sctp_dst")                                              \
	X(icmpv4_type, 19, 8, 4, 48, false, "icmp_type")                                           \
	X(icmpv4_code, 20, 8, 4, 32, false, "icmp_code")                                           \
	X(arp_op, 21, 16, 2, 0, false, "arp_op")                                                   \
	X(arp_spa, 22, 32, 3, 32, true, "arp_spa")                                                 \
	X(arp_tpa, 23, 32, 3, 0, true, "arp_tpa")                                                  \
	X(arp_sha, 24, 48, 14, 16, true, "arp_sha")                                                \
	X(arp_tha, 25, 48, 15, 16, true, "arp_tha")                                                \
	X(ipv6_src, 26, 128, 7, 0, true, "ipv6_src")                                               \
	X(ipv6_dst, 27, 128, 9, 0, true, "ipv6_dst")                                               \
	X(ipv6_flabel, 28, 20, 11, 44, true, "ipv6_label")                                         \
	X(icmpv6_type, 29, 8, 4, 48, false, "icmpv6_type")                                         \
	X(icmpv6_code, 30, 8, 4, 32, false, "icmpv6_code")                                         \
	X(ipv6_nd_target, 31, 128, 12, 0, true, "nd_target")                                       \
	X(ipv6_nd_sll, 32, 48, 14, 16, true, "nd_sll")                                             \
	X(ipv6_nd_tll, 33, 48, 15, 16, true, "nd_tll")                                             \
	X(mpls_label, 34, 20, 4, 4, false, "mpls_label")                                           \
	X(mpls_tc, 35, 3, 4, 1, false, "mpls_tc")                                                  \
	X(mpls_bos, 36, 1, 4, 0, false, "mpls_bos")                                                \
	X(tunnel_id, 38, 64, 6, 0, true, "tun_id")

enum dp_flow_field {
#define DP_FLOW_FIELD_ENUM(id, oxm, bits, word, shift, maskable, name) DP_FLOW_##id,
	DP_FLOW_FIELDS(DP_FLOW_FIELD_ENUM)
#undef DP_FLOW_FIELD_ENUM
		DP_FLOW_N_FIELDS,
};

struct dp_flow_field_info {
	const char *id, *name; // of the specification ("eth_dst") and of ovs-ofctl ("dl_dst")
	uint8_t oxm;	       // number in class OFPXMC_OPENFLOW_BASIC
	uint8_t bits;
	uint8_t word, shift;
	bool maskable;
};

extern const struct dp_flow_field_info dp_flow_fields[DP_FLOW_N_FIELDS];

// A field's value on its own: big numbers in two halves.
struct dp_flow_value {
	uint64_t hi, lo;
};

// Of size bytes in network order, at most 16.
static inline struct dp_flow_value dp_flow_value_of(const uint8_t *p, size_t size)
{
	struct dp_flow_value v = { 0, 0 };

	for (size_t i = 0; i < size; i++) {
		v.hi = v.hi << 8 | v.lo >> 56;
		v.lo = v.lo << 8 | p[i];
	}
	return v;
}

// returns the field of that OXM number, or DP_FLOW_N_FIELDS
enum dp_flow_field dp_flow_field_of_oxm(uint8_t oxm);
void dp_flow_put(struct dp_flow_key *k, enum dp_flow_field f, struct dp_flow_value v);
struct dp_flow_value dp_flow_get(const struct dp_flow_key *k, enum dp_flow_field f);
// All ones in the field.
struct dp_flow_value dp_flow_ones(enum dp_flow_field f);

// What a field wants of the match before it may be asked for (table 12 of the specification): the
// match so far, as key and mask. returns true when it is there
bool dp_flow_prerequisite(enum dp_flow_field f, const struct dp_flow_key *k,
			  const struct dp_flow_key *mask);

// The key of a frame. metadata and tunnel_id are zero.
//
// data, size  its first contiguous bytes, as p describes them; nothing beyond is read
// in_port     OpenFlow number
// out         fully written
// thread      any; does not block, allocate or log
void dp_flow_key_make(const uint8_t *data, size_t size, const struct dp_parse *p, uint32_t in_port,
		      struct dp_flow_key *out);

#endif
