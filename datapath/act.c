// The act hop: the frame takes the shape that the port it leaves by wants: tag pushed, popped or
// rewritten.
#include <string.h>

#include "switch_priv.h"

// TPID of the tag that the port wants for this VLAN, 0 = none.
static uint16_t wanted_tpid(const struct dp_port_params *cfg, uint16_t vid)
{
	switch (cfg->vlan_mode) {
	case DP_VLAN_TRUNK:
	case DP_VLAN_NATIVE_TAGGED:
		return DP_ETH_VLAN;
	case DP_VLAN_NATIVE_UNTAGGED:
		return vid == cfg->vid ? 0 : DP_ETH_VLAN;
	case DP_VLAN_QINQ_PROVIDER:
		return DP_ETH_QINQ;
	default:
		return 0;
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

void dp_output(struct dp_worker *w, struct rte_mbuf *m, const struct dp_view *out)
{
	struct dp_meta *meta = dp_meta(m);
	uint16_t tpid = wanted_tpid(&out->cfg, meta->vid);
	bool tagged = (meta->flags & DP_MF_TAGGED) != 0;

	if (tagged && tpid == 0) {
		pop_tag(m, meta);
	} else if (!tagged && tpid != 0) {
		if (unlikely(!push_tag(m, meta, tpid))) {
			dp_pw(w, out->port)->c[DP_PC_handed_pkts]++;
			dp_drop_out(w, out->port, m, DP_DROP_no_mbuf, DP_STAGE_act);
			return;
		}
	} else if (tagged) {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		p[12] = (uint8_t)(tpid >> 8);
		p[13] = (uint8_t)tpid;
	}
	if (unlikely(out->mirror_idx != DP_PORT_NONE)) {
		const struct dp_view *to = w->snap->views[out->mirror_idx];
		struct dp_port_pw *pw = dp_pw(w, out->port);
		struct rte_mbuf *c =
			to == NULL ? NULL : rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);

		pw->c[DP_PC_copied_in_pkts] += to != NULL;
		if (c != NULL) {
			*dp_meta(c) = *meta;
			pw->c[DP_PC_forwarded_pkts]++;
			dp_schedule(w, c, to);
		} else if (to != NULL) {
			pw->drop_in[DP_DROP_no_mbuf]++;
		}
	}
	dp_schedule(w, m, out);
}
