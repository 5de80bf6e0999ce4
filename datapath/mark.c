// Marks in the headers of a frame that is sent: DSCP (RFC 2474) and ECN (RFC 3168) of its outermost
// IP header, wherever tags put it. Only the header changes: fragments are marked like whole
// packets, and no L4 checksum covers these bits.
#include "switch_priv.h"

// A 16-bit word of an IPv4 header changed: its checksum follows. A checksum that was wrong stays
// wrong. RFC 1624 section 3, equation 3.
static void csum_follow(uint8_t *l3, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint16_t)~dp_be16(l3 + 10) + (uint16_t)~was + is;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	l3[10] = (uint8_t)(sum >> 8);
	l3[11] = (uint8_t)sum;
}

// Of the traffic class (IPv4: type of service) the bits in mask become those of bits.
static void traffic_class_set(struct rte_mbuf *m, uint8_t mask, uint8_t bits)
{
	const struct dp_meta *meta = dp_meta(m);
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, meta->p.l3_off);
	uint16_t was = dp_be16(l3);

	if ((meta->p.flags & DP_PF_IP4) != 0) {
		l3[1] = (uint8_t)((l3[1] & ~mask) | bits);
		csum_follow(l3, was, dp_be16(l3));
	} else {
		uint16_t is = (uint16_t)((was & ~(mask << 4)) | bits << 4);

		l3[0] = (uint8_t)(is >> 8);
		l3[1] = (uint8_t)is;
	}
}

bool dp_mark_ce(struct rte_mbuf *m)
{
	if (dp_ecn(m) == DP_ECN_NOT_ECT)
		return false;
	traffic_class_set(m, DP_ECN_CE, DP_ECN_CE);
	return true;
}

void dp_mark_dscp(struct rte_mbuf *m, uint8_t dscp)
{
	struct dp_meta *meta = dp_meta(m);

	if ((meta->p.flags & (DP_PF_IP4 | DP_PF_IP6)) == 0 || meta->p.dscp == dscp)
		return;
	traffic_class_set(m, (uint8_t)~DP_ECN_CE, (uint8_t)(dscp << 2));
	meta->p.dscp = dscp;
}
