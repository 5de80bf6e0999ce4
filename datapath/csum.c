// Software checksums for what a far side cannot finish itself (RFC 1071, RFC 793, RFC 768, RFC
// 8200 8.1).
#include <string.h>

#include <rte_ip.h>

#include "switch_priv.h"

enum { P_TCP = 6, P_UDP = 17, TCP_CSUM = 16, UDP_CSUM = 6 };

static uint32_t pseudo_sum(const uint8_t *l3, const struct dp_meta *m, uint32_t l4_size)
{
	bool v4 = (m->p.flags & DP_PF_IP4) != 0;
	uint32_t sum = m->p.ip_proto + (l4_size >> 16) + (l4_size & 0xffff);

	for (uint32_t i = 0; i < (v4 ? 8u : 32u); i += 2)
		sum += dp_be16(l3 + (v4 ? 12 : 8) + i);
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

// The sum of [off, off + size) in memory order; the frame has it. rte_raw_cksum_mbuf loses carries
// of a segment that begins at an odd place (seen in 22.11).
static uint16_t raw_sum(const struct rte_mbuf *m, uint32_t off, uint32_t size)
{
	uint32_t sum = 0, done = 0;

	while (off >= rte_pktmbuf_data_len(m)) {
		off -= rte_pktmbuf_data_len(m);
		m = m->next;
	}
	while (done < size) {
		uint32_t n = RTE_MIN(rte_pktmbuf_data_len(m) - off, size - done);
		uint16_t part = rte_raw_cksum(rte_pktmbuf_mtod_offset(m, const char *, off), n);

		sum += done % 2 == 0 ? part : rte_bswap16(part);
		done += n;
		off = 0;
		m = m->next;
	}
	return fold(sum);
}

bool dp_csum_finish(struct rte_mbuf *m)
{
	struct dp_meta *meta = dp_meta(m);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *l3 = p + meta->p.l3_off;
	uint32_t at, l4_size, l3_size;
	uint16_t csum;

	if ((meta->p.flags & DP_PF_L4) == 0 || (meta->p.flags & DP_PF_FRAG) != 0 ||
	    (meta->p.ip_proto != P_TCP && meta->p.ip_proto != P_UDP))
		return false;
	// IP's own length, not the frame's: an Ethernet trailer is not part of the sum.
	l3_size = (meta->p.flags & DP_PF_IP4) != 0 ? dp_be16(l3 + 2) : 40u + dp_be16(l3 + 4);
	if ((uint32_t)meta->p.l3_off + l3_size > rte_pktmbuf_pkt_len(m) ||
	    meta->p.l4_off - meta->p.l3_off > (int)l3_size)
		return false;
	l4_size = l3_size - (uint32_t)(meta->p.l4_off - meta->p.l3_off);
	at = meta->p.l4_off + (meta->p.ip_proto == P_TCP ? TCP_CSUM : UDP_CSUM);
	if (at + 2 > rte_pktmbuf_data_len(m))
		return false;
	p[at] = p[at + 1] = 0;
	csum = rte_be_to_cpu_16(raw_sum(m, meta->p.l4_off, l4_size));
	csum = (uint16_t)~fold(csum + pseudo_sum(l3, meta, l4_size));
	if (csum == 0 && meta->p.ip_proto == P_UDP)
		csum = 0xffff; // RFC 768: zero means "none"
	p[at] = (uint8_t)(csum >> 8);
	p[at + 1] = (uint8_t)csum;
	meta->flags &= (uint8_t)~DP_MF_CSUM;
	return true;
}
