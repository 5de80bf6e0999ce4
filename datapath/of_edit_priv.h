// Edits of frames: what OpenFlow's actions do to headers (of_edit*.c).
//
// An edit keeps what is right: IPv4, TCP, UDP, ICMP, ICMPv6, DCCP and UDP-Lite checksums and
// SCTP's CRC32c follow by the difference, so nothing is read that is not changed, and what was
// wrong stays wrong. A UDP checksum of 0 (none) and an SCTP checksum of 0 (RFC 9653) stay 0. Of a
// frame whose checksum is still to be finished, the sum of the pseudo-header stays right. Where an
// edit hides the packet from who would finish it (a label, a third tag, another protocol), it is
// finished before.
//
// Only headers are written, in the first DP_PARSE_BYTES contiguous bytes; payload never is.
#ifndef OF_EDIT_PRIV_H
#define OF_EDIT_PRIV_H

#include "dp_flow_prog.h"
#include "switch_priv.h"

enum dp_of_edit_result {
	DP_OF_EDIT_OK,
	DP_OF_EDIT_NO_HEADER, // the frame does not have what the operation is about
	DP_OF_EDIT_TTL,	      // the TTL is 0, or would be
	DP_OF_EDIT_NO_ROOM,   // no headroom for what is to be pushed
	DP_OF_EDIT_OFFLOAD,   // a super-frame, or a checksum, that nobody could finish afterwards
};

// Do one operation to a frame.
//
// m        its first segment is the caller's alone (direct, not shared); dp_meta(m)->p describes it
// op       an operation on headers; others (output, group, queue), and fields that no frame carries
//          (in_port, metadata, tunnel_id), are DP_OF_EDIT_NO_HEADER
// returns  DP_OF_EDIT_OK, and dp_meta(m)->p says what dp_parse() says of the frame as it is now;
//          else the frame says the same as before (its checksum may have been finished)
// thread   a worker; does not block, allocate or log
// source   OpenFlow 1.3.5 sections 5.12, 5.12.1 and 7.2.5
enum dp_of_edit_result dp_of_edit(struct rte_mbuf *m, const struct dp_flow_op *op);

// --- inside

// A frame under edit.
struct dp_of_frame {
	struct rte_mbuf *m;
	struct dp_meta *meta;
	uint8_t *data;
	uint32_t size; // of what may be looked at and changed
};

// What a change has to do with checksums.
enum dp_of_sum {
	DP_OF_SUM_IP = 1 << 0,	   // it is in the IPv4 header
	DP_OF_SUM_PSEUDO = 1 << 1, // it is in the pseudo-header of L4
	DP_OF_SUM_L4 = 1 << 2,	   // it is in the L4 packet
};

// The frame as m has it now.
void dp_of_frame_open(struct rte_mbuf *m, struct dp_of_frame *f);
// The frame has changed its shape: parse it anew.
void dp_of_frame_renew(struct dp_of_frame *f);

// Words at an even place in what is summed became others: was, is are their sums (dp_of_sum).
void dp_of_sums_follow(struct dp_of_frame *f, uint32_t sums, uint16_t was, uint16_t is);
// SCTP's ports changed by these bits (dp_be32 of the first four bytes).
void dp_of_crc_follow(struct dp_of_frame *f, uint32_t bits);
// Does the frame have a whole SCTP packet?
bool dp_of_crc_whole(const struct dp_of_frame *f);
// The frame's checksum, if it is still to be finished, before it cannot be. returns false for what
// cannot be finished
bool dp_of_settle(struct dp_of_frame *f);
// The checksum after words with the sum `was` became words with the sum `is`.
uint16_t dp_of_csum(uint16_t csum, uint16_t was, uint16_t is);
// Sum of n bytes in words, folded to 16 bits; an odd n counts a zero behind.
uint16_t dp_of_sum(const uint8_t *p, uint32_t n);

// IPv6's chain of extension headers, in the frame. next: where the number of the upper layer
// stands; returns whether the packet goes to another address than the header's (RFC 8200 4.4)
bool dp_of_ip6_walk(const struct dp_of_frame *f, uint32_t *next);

enum dp_of_edit_result dp_of_push_vlan(struct dp_of_frame *f, uint16_t tpid);
enum dp_of_edit_result dp_of_pop_vlan(struct dp_of_frame *f);
enum dp_of_edit_result dp_of_push_mpls(struct dp_of_frame *f, uint16_t type);
enum dp_of_edit_result dp_of_pop_mpls(struct dp_of_frame *f, uint16_t type);
enum dp_of_edit_result dp_of_ttl(struct dp_of_frame *f, const struct dp_flow_op *op);
enum dp_of_edit_result dp_of_set_field(struct dp_of_frame *f, const struct dp_flow_set *s);

// The outermost label, or NULL.
static inline uint8_t *dp_of_label(const struct dp_of_frame *f)
{
	bool mpls = f->meta->p.eth_type == DP_ETH_MPLS || f->meta->p.eth_type == DP_ETH_MPLS_MC;

	return mpls && f->meta->p.n_labels > 0 ? f->data + f->meta->p.l3_off : NULL;
}

static inline bool dp_of_is_ip(const struct dp_of_frame *f)
{
	return (f->meta->p.flags & (DP_PF_IP4 | DP_PF_IP6)) != 0;
}

#endif
