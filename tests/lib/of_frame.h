// Frames by description, for tests of edits: made whole from the description each time, all
// checksums computed anew over all bytes, so that an edit can be compared with what the frame would
// have been had it been made so.
#ifndef OF_FRAME_H
#define OF_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "dp_flow_key.h"
#include "switch_priv.h"

enum { SHIMS_MAX = 8, FRAME_MAX = 2048 };

enum of_l3 { L3_OTHER, L3_ARP, L3_IP4, L3_IP6 };
// What is behind IP. ND with an option where there is one.
enum of_l4 { L4_NONE, L4_TCP, L4_UDP, L4_SCTP, L4_ICMP, L4_ICMP6, L4_NS, L4_NA, L4_DCCP, L4_LATER };
enum of_csum {
	CSUM_WHOLE,
	CSUM_PARTIAL, // TCP, UDP: the sum of the pseudo-header
	CSUM_NONE,    // UDP, SCTP: 0
};

// A tag or a label; type is what stands before it (of a label: 0x8847, 0x8848).
struct of_shim {
	uint16_t type;
	uint32_t word; // TCI, or the whole label
};

struct of_spec {
	uint8_t dst[6], src[6];
	struct of_shim shims[SHIMS_MAX]; // outermost first
	uint32_t n_shims;
	uint8_t l3, l4, csum, ttl, tc; // enum of_l3, of_l4, of_csum
	uint8_t proto, csum_proto;     // in the header, and in L4's checksum; 0 = as l4 has it
	uint16_t eth_type;	       // 0 = as l3 has it
	uint32_t flabel;
	uint8_t a[16], b[16]; // addresses; ARP's too
	uint16_t sport, dport;
	uint8_t type, code;
	uint16_t arp_op;
	uint8_t sha[6], tha[6], target[16];
	bool has_option; // ND
	bool has_ext;	 // IPv6: hop-by-hop options before L4
	bool is_routed;	 // and a routing header that is not at its end: L4's sum knows `final`
	uint8_t final[16];
	uint32_t payload; // bytes, of this seed
	uint32_t seed;
	uint32_t trailer; // bytes behind the packet
};

// returns its size
uint32_t of_spec_build(const struct of_spec *s, uint8_t out[FRAME_MAX]);
// The field's value. returns false when such a frame does not have it
bool of_spec_get(const struct of_spec *s, enum dp_flow_field f, struct dp_flow_value *v);
void of_spec_set(struct of_spec *s, enum dp_flow_field f, struct dp_flow_value v);
// Are IP and what is behind it seen: no label before, and not too many tags?
bool of_spec_l3_seen(const struct of_spec *s);
bool of_is_label(const struct of_shim *s);
uint32_t of_crc32c(const uint8_t *p, uint32_t n);

// A frame in one or two buffers of exactly its size, with that headroom.
struct rte_mbuf *of_mbuf_make(const uint8_t *data, uint32_t size, uint32_t first, uint32_t room);
void of_mbuf_free(struct rte_mbuf *m);
uint32_t of_mbuf_read(const struct rte_mbuf *m, uint8_t out[FRAME_MAX]);

#endif
