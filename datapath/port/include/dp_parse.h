// One bounded pass over a frame: tags, labels, L3, L4. Pure: no DPDK, no state, no allocation, so
// the same function runs on a worker, in `explain`, in unit tests and under the fuzzer.
//
// The pass reads only data[0..size) and never trusts a length field further than size.
// Header facts that a frame gets wrong are reported in `err`; the fields up to the error are valid.
#ifndef DP_PARSE_H
#define DP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_drop.h"

#define DP_PARSE_BYTES 256 // headers are looked for in this many bytes, no further
#define DP_PARSE_TAGS 2
#define DP_PARSE_LABELS 3
#define DP_VXLAN_PORT 4789 // UDP, RFC 7348 section 5

enum dp_ethertype {
	DP_ETH_IPV4 = 0x0800,
	DP_ETH_ARP = 0x0806,
	DP_ETH_VLAN = 0x8100, // C-TAG, IEEE 802.1Q 9.5
	DP_ETH_IPV6 = 0x86dd,
	DP_ETH_MPLS = 0x8847,
	DP_ETH_MPLS_MC = 0x8848,
	DP_ETH_QINQ = 0x88a8, // S-TAG
};

enum dp_parse_flag {
	DP_PF_LLC = 1 << 0,  // 802.3 length field, LLC follows
	DP_PF_SNAP = 1 << 1, // LLC/SNAP with OUI 0: eth_type is the encapsulated one
	DP_PF_IP4 = 1 << 2,
	DP_PF_IP6 = 1 << 3,
	DP_PF_L4 = 1 << 4,    // proto, sport, dport are valid (TCP, UDP, SCTP; ICMP: type, code)
	DP_PF_FRAG = 1 << 5,  // fragment, first or later
	DP_PF_EXT = 1 << 6,   // IPv6 extension headers were walked
	DP_PF_VXLAN = 1 << 7, // UDP 4789, 8-byte header present
};

// 32 bytes: half of the packet's metadata line (dp_pkt.h).
struct dp_parse {
	uint16_t eth_type; // innermost ethertype in host order; 0 = LLC other than SNAP OUI 0
	uint16_t tci[DP_PARSE_TAGS]; // host order, outermost first
	uint16_t tpid[DP_PARSE_TAGS];
	uint16_t l3_off;       // offset of the L3 header (after tags, labels, SNAP)
	uint16_t l4_off;       // 0 = none
	uint16_t sport, dport; // host order; ICMP: type, code
	uint8_t ip_proto;      // upper-layer protocol, extension headers skipped
	uint8_t n_tags;
	uint8_t n_labels;
	uint8_t dscp;
	uint8_t flags; // enum dp_parse_flag
	uint8_t err;   // enum dp_drop: DP_DROP_none, l2_*, l3_*
	uint8_t plain; // 1 = at least 58 bytes of TCP or UDP over whole IPv4 without options,
		       // behind at most one C-tag; err is none
	uint8_t reserved[7];
};
_Static_assert(sizeof(struct dp_parse) == 32, "dp_parse is half a cache line");

// Parse one frame.
//
// data, size  first contiguous bytes of the frame; size may be less than wire_size
// wire_size   length of the whole frame without FCS
// out         out: fully written, also on error
// thread      any; does not block, allocate or log
void dp_parse(const uint8_t *data, size_t size, size_t wire_size, struct dp_parse *out);

// Flow hash over the 5-tuple, or the MACs of a frame that is not IP: for the choice of a queue,
// where there is one. Not symmetric.
//
// data     the frame as p's offsets describe it now
// returns  the same value for each frame of a flow
uint32_t dp_flow_hash(const uint8_t *data, const struct dp_parse *p);

// Big-endian loads; p needs no alignment.
static inline uint16_t dp_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t dp_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// A big-endian store of the lower 16 bits.
static inline void dp_put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

#endif
