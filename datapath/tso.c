// Bounded TCP segmentation for IPv4 and IPv6, for links that cannot take a super-frame.
//
// Each segment is one new mbuf: the headers are copied and corrected, the payload is copied behind
// them, the checksum is complete. Nothing of the guest's request is believed: the sizes come from
// our own parse, the count is bounded, and a request that does not fit the packet is refused.
// Sources: RFC 793 (sequence, PSH, FIN), RFC 3168 6.1.2 (CWR on the first segment only), RFC 6864
// (IPv4 ID).
#include <errno.h>
#include <string.h>

#include <rte_ip.h>

#include "switch_priv.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

// What all segments of one super-frame share.
struct cut {
	const uint8_t *hdr; // headers in the first mbuf segment
	uint32_t hdr_size;  // L2 + L3 + L4
	uint32_t payload;   // bytes behind the headers, by IP's length
	uint32_t seq;
	uint16_t ip_id;
	uint8_t tcp_flags;
};

static int cut_prepare(const struct rte_mbuf *m, struct cut *c)
{
	const struct dp_meta *meta = dp_meta_const(m);
	const uint8_t *p = dp_data(m);
	uint32_t ip_size;

	if ((meta->p.flags & DP_PF_L4) == 0 || (meta->p.flags & DP_PF_FRAG) != 0 ||
	    meta->p.ip_proto != 6 || meta->tso_segsz == 0)
		return -EINVAL;
	c->hdr = p;
	c->hdr_size = meta->p.l4_off + (uint32_t)(p[meta->p.l4_off + 12] >> 4) * 4;
	if (c->hdr_size > rte_pktmbuf_data_len(m) || c->hdr_size > DP_PARSE_BYTES)
		return -EINVAL;
	ip_size = (meta->p.flags & DP_PF_IP4) != 0 ? dp_be16(p + meta->p.l3_off + 2)
						   : 40u + dp_be16(p + meta->p.l3_off + 4);
	if (meta->p.l3_off + ip_size > rte_pktmbuf_pkt_len(m) ||
	    meta->p.l3_off + ip_size <= c->hdr_size)
		return -EINVAL;
	c->payload = meta->p.l3_off + ip_size - c->hdr_size;
	c->seq = dp_be32(p + meta->p.l4_off + 4);
	c->tcp_flags = p[meta->p.l4_off + 13];
	c->ip_id = dp_be16(p + meta->p.l3_off + 4);
	return 0;
}

// Write the headers of the segment that carries payload [at, at + size) into p.
static void header_fix(uint8_t *p, const struct dp_meta *meta, const struct cut *c, uint32_t at,
		       uint32_t size)
{
	uint8_t *l3 = p + meta->p.l3_off, *tcp = p + meta->p.l4_off;
	uint32_t ip_size = c->hdr_size - meta->p.l3_off + size, seq = c->seq + at;
	bool first = at == 0, last = at + size == c->payload;

	if ((meta->p.flags & DP_PF_IP4) != 0) {
		dp_put16(l3 + 2, ip_size);
		dp_put16(l3 + 4, c->ip_id + at / meta->tso_segsz);
		dp_put16(l3 + 10, 0);
		// Summed in memory order, so stored in memory order.
		uint16_t sum = (uint16_t)~rte_raw_cksum(l3, (size_t)(l3[0] & 15) * 4);
		memcpy(l3 + 10, &sum, 2);
	} else {
		dp_put16(l3 + 4, ip_size - 40);
	}
	dp_put16(tcp + 4, seq >> 16);
	dp_put16(tcp + 6, seq);
	tcp[13] = c->tcp_flags;
	if (!first)
		tcp[13] &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

static struct rte_mbuf *segment_make(struct rte_mbuf *m, struct rte_mempool *pool,
				     const struct cut *c, uint32_t at)
{
	const struct dp_meta *meta = dp_meta(m);
	uint32_t left = c->payload - at, size = left < meta->tso_segsz ? left : meta->tso_segsz;
	struct rte_mbuf *s = rte_pktmbuf_alloc(pool);
	const void *src;
	uint8_t *p;

	if (s == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(s, (uint16_t)(c->hdr_size + size));
	if (p == NULL) {
		rte_pktmbuf_free(s);
		return NULL;
	}
	memcpy(p, c->hdr, c->hdr_size);
	src = rte_pktmbuf_read(m, c->hdr_size + at, size, p + c->hdr_size);
	if (src != p + c->hdr_size)
		memcpy(p + c->hdr_size, src, size);
	*dp_meta(s) = *meta;
	dp_meta(s)->flags &= (uint8_t)~DP_MF_TSO;
	if (size < left) // who waits for what it carries waits for its end
		dp_meta(s)->sto = 0;
	header_fix(p, meta, c, at, size);
	dp_csum_finish(s);
	return s;
}

int dp_tso_cut(struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **segs, uint32_t max)
{
	const struct dp_meta *meta = dp_meta(m);
	struct cut c;
	uint32_t n, n_segs;
	int rc = cut_prepare(m, &c);

	if (rc < 0)
		return rc;
	n_segs = (c.payload + meta->tso_segsz - 1) / meta->tso_segsz;
	// A segment size of a few bytes would make a guest's one frame thousands of ours.
	if (n_segs > max)
		return -E2BIG;
	if (c.hdr_size + meta->tso_segsz + RTE_PKTMBUF_HEADROOM > rte_pktmbuf_data_room_size(pool))
		return -EINVAL;
	for (n = 0; n < n_segs; n++) {
		segs[n] = segment_make(m, pool, &c, n * meta->tso_segsz);
		if (segs[n] == NULL) {
			rte_pktmbuf_free_bulk(segs, n);
			return -ENOMEM;
		}
	}
	rte_pktmbuf_free(m);
	return (int)n_segs;
}
