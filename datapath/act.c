// The act hop: the frame takes the shape that the port it leaves by wants: tag pushed, popped or
// rewritten.
#include <string.h>

#include "switch_priv.h"

// The tags that a port wants, 0 = none.
struct wanted {
	uint16_t native_vid, native_tpid; // for frames of this VLAN
	uint16_t tpid;			  // for the others
};

static struct wanted wanted_by(const struct dp_port_params *cfg)
{
	switch (cfg->vlan_mode) {
	case DP_VLAN_TRUNK:
	case DP_VLAN_NATIVE_TAGGED:
		return (struct wanted){ cfg->vid, DP_ETH_VLAN, DP_ETH_VLAN };
	case DP_VLAN_NATIVE_UNTAGGED:
		return (struct wanted){ cfg->vid, 0, DP_ETH_VLAN };
	case DP_VLAN_QINQ_PROVIDER:
		return (struct wanted){ cfg->vid, DP_ETH_QINQ, DP_ETH_QINQ };
	default:
		return (struct wanted){ cfg->vid, 0, 0 };
	}
}

static void shift_offsets(struct dp_meta *meta, int by)
{
	meta->p.l3_off = (uint16_t)(meta->p.l3_off + by);
	if (meta->p.l4_off != 0)
		meta->p.l4_off = (uint16_t)(meta->p.l4_off + by);
}

static void pop_tag(struct rte_mbuf *m, struct dp_meta *meta)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(p + 4, p, 12);
	rte_pktmbuf_adj(m, 4);
	shift_offsets(meta, -4);
	meta->p.n_tags--;
	meta->flags &= (uint8_t)~DP_MF_TAGGED;
}

static bool push_tag(struct rte_mbuf *m, struct dp_meta *meta, uint16_t tpid)
{
	uint16_t tci = (uint16_t)(meta->pcp << 13 | meta->vid);
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, 4);

	if (p == NULL)
		return false;
	memmove(p, p + 4, 12);
	p[12] = (uint8_t)(tpid >> 8);
	p[13] = (uint8_t)tpid;
	p[14] = (uint8_t)(tci >> 8);
	p[15] = (uint8_t)tci;
	shift_offsets(meta, 4);
	meta->p.n_tags++;
	meta->flags |= DP_MF_TAGGED;
	return true;
}

// The frame with the tag that the port wants. returns false when there is no room for it
static inline bool retag(struct rte_mbuf *m, const struct wanted *wanted)
{
	struct dp_meta *meta = dp_meta(m);
	uint16_t tpid = meta->vid == wanted->native_vid ? wanted->native_tpid : wanted->tpid;

	if ((meta->flags & DP_MF_TAGGED) == 0)
		return tpid == 0 || push_tag(m, meta, tpid);
	if (tpid == 0) {
		pop_tag(m, meta);
	} else {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		p[12] = (uint8_t)(tpid >> 8);
		p[13] = (uint8_t)tpid;
	}
	return true;
}

static void mirror(struct dp_worker *w, const struct rte_mbuf *m, const struct dp_view *out)
{
	const struct dp_view *to = w->snap->views[out->mirror_idx];
	struct dp_port_pw *pw = dp_pw(w, out->port);
	struct rte_mbuf *c;

	if (to == NULL)
		return;
	c = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);
	pw->c[DP_PC_copied_in_pkts]++;
	if (c == NULL) {
		pw->drop_in[DP_DROP_no_mbuf]++;
		return;
	}
	*dp_meta(c) = *dp_meta_const(m);
	pw->c[DP_PC_forwarded_pkts]++;
	dp_schedule(w, &c, 1, to);
}

void dp_output(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n, const struct dp_view *out)
{
	const struct wanted wanted = wanted_by(&out->cfg);
	uint32_t n_ok = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (likely(retag(pkts[i], &wanted))) {
			pkts[n_ok++] = pkts[i];
			continue;
		}
		dp_pw(w, out->port)->c[DP_PC_handed_pkts]++;
		dp_drop_out(w, out->port, pkts[i], DP_DROP_no_mbuf, DP_STAGE_act);
	}
	for (uint32_t i = 0; unlikely(out->mirror_idx != DP_PORT_NONE) && i < n_ok; i++)
		mirror(w, pkts[i], out);
	dp_schedule(w, pkts, n_ok, out);
}
