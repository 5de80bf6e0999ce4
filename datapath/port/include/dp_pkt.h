// A packet: an mbuf with one cache line of ours in its private area.
//
// Who fills what: the port driver sets `off` (what the sender asked to be finished: checksum, TSO);
// rx sets in_port; parse fills `p`; admit sets vid; classify sets class; storage may set sto;
// forward sets out_port.
#ifndef DP_PKT_H
#define DP_PKT_H

#include <stdint.h>

#include <rte_mbuf.h>

#include "dp_parse.h"

#define DP_PORT_NONE UINT16_MAX
#define DP_FRAME_MAX 9728		// largest frame without FCS that is not a TSO super-frame
#define DP_SUPER_FRAME_MAX (65535 + 22) // largest IP packet behind an Ethernet header with two tags
#define DP_MBUF_ROOM 2048		// data room behind the headroom
#define DP_MBUF_ROOM_LARGE 18432	// for drivers that need one contiguous mbuf per jumbo frame

enum dp_meta_flag {
	DP_MF_CSUM = 1 << 0,   // L4 checksum is missing and has to be finished
	DP_MF_TSO = 1 << 1,    // TCP super-frame, to be segmented at tso_segsz
	DP_MF_TAGGED = 1 << 2, // the frame in the mbuf carries the tag of `vid`
	DP_MF_TRACE = 1 << 3,  // followed hop by hop
	DP_MF_PUNT = 1 << 4,   // for the boot responder
	DP_MF_LOOK = 1 << 5,   // forward looks at it: a DHCP or PXE server's message, or ARP
			       // where there are service addresses
	DP_MF_TAPPED = 1 << 6, // a capture or trace has seen it on its way out
	DP_MF_YELLOW = 1 << 7, // over its port's committed rate, or said so by a trusted tag: goes
			       // first where a queue is full, and leaves by uplinks with DEI set
};

enum dp_sto {
	DP_STO_MARKED = 1,
	DP_STO_FROM = 2, // from the portal
	DP_STO_ONE = 4,	 // the bits from here on: how many
	DP_STO_MOST = 63,
};

struct dp_meta {
	struct dp_parse p;
	uint16_t in_port; // index; DP_PORT_NONE = generated here
	uint16_t out_port;
	uint32_t out_gen;   // generation of out_port, checked after a hand-over
	uint16_t vid;	    // VLAN the packet travels in, 1..4094; 0 before admission
	uint16_t tso_segsz; // payload bytes per segment, with DP_MF_TSO
	uint8_t cls;	    // enum qos_class
	uint8_t flags;	    // enum dp_meta_flag
	uint8_t why;	    // enum qos_why
	uint8_t pcp;	    // priority to put into a tag that is pushed
	uint16_t in_queue;
	uint16_t vm_idx;   // of the VM that sent it, in the schedulers of uplinks; 0 = nobody's
	uint32_t trace_id; // with DP_MF_TRACE
	// With `sto`: storage requests end in the frame, or answers are; by the storage hop.
	uint32_t sto_tag;
	uint16_t sto_flow; // of sto_worker
	uint8_t sto_worker;
	uint8_t sto; // enum dp_sto; 0 = it does not, or it is a copy
};
_Static_assert(sizeof(struct dp_meta) == 64, "metadata is one cache line");

static inline struct dp_meta *dp_meta(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

static inline const struct dp_meta *dp_meta_const(const struct rte_mbuf *m)
{
	return rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m);
}

#endif
