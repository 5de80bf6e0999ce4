// The act hop: the frame takes the shape that the port it leaves by wants: tag pushed, popped or
// rewritten, and on uplinks the marks of its class.
//
// What leaves by an uplink carries the switch's word: the class's PCP, DEI where it is yellow, the
// class's DSCP where it has one. What the sender wrote there has had its say, where it is trusted,
// when the class was chosen. Tags towards guests and the host keep the priority that came in. A
// customer's inner tag is payload.
#include <string.h>

#include "switch_priv.h"

// The tags that a port wants, 0 = none.
struct wanted {
	uint16_t native_vid, native_tpid; // for frames of this VLAN
	uint16_t tpid;			  // for the others
	const struct dp_qos_class *marks; // by class, NULL = not marked
};

static struct wanted wanted_by(const struct dp_port_params *cfg, const struct dp_qos_view *qos)
{
	const struct dp_qos_class *marks = cfg->role == DP_ROLE_UPLINK ? qos->classes : NULL;

	switch (cfg->vlan_mode) {
	case DP_VLAN_TRUNK:
	case DP_VLAN_NATIVE_TAGGED:
		return (struct wanted){ cfg->vid, DP_ETH_VLAN, DP_ETH_VLAN, marks };
	case DP_VLAN_NATIVE_UNTAGGED:
		return (struct wanted){ cfg->vid, 0, DP_ETH_VLAN, marks };
	case DP_VLAN_QINQ_PROVIDER:
		return (struct wanted){ cfg->vid, DP_ETH_QINQ, DP_ETH_QINQ, marks };
	default:
		return (struct wanted){ cfg->vid, 0, 0, marks };
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

// The tag's control information: priority, drop eligibility, VLAN.
static inline uint32_t tci_of(const struct dp_meta *meta, const struct wanted *wanted)
{
	if (wanted->marks == NULL)
		return (uint32_t)meta->pcp << 13 | meta->vid;
	return (uint32_t)wanted->marks[meta->cls].pcp << 13 |
	       (uint32_t)((meta->flags & DP_MF_YELLOW) != 0) << 12 | meta->vid;
}

static inline uint16_t tpid_of(const struct dp_meta *meta, const struct wanted *wanted)
{
	return meta->vid == wanted->native_vid ? wanted->native_tpid : wanted->tpid;
}

static bool push_tag(struct rte_mbuf *m, struct dp_meta *meta, uint16_t tpid, uint32_t tci)
{
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, 4);

	if (p == NULL)
		return false;
	memmove(p, p + 4, 12);
	dp_put16(p + 12, tpid);
	dp_put16(p + 14, tci);
	shift_offsets(meta, 4);
	meta->p.n_tags++;
	meta->flags |= DP_MF_TAGGED;
	return true;
}

// The frame with the tag that the port wants. returns false when there is no room for it
static inline bool retag(struct rte_mbuf *m, const struct wanted *wanted)
{
	struct dp_meta *meta = dp_meta(m);
	uint16_t tpid = tpid_of(meta, wanted);

	if ((meta->flags & DP_MF_TAGGED) == 0)
		return tpid == 0 || push_tag(m, meta, tpid, tci_of(meta, wanted));
	if (tpid == 0) {
		pop_tag(m, meta);
	} else {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		dp_put16(p + 12, tpid);
		if (wanted->marks != NULL)
			dp_put16(p + 14, tci_of(meta, wanted));
	}
	return true;
}

static inline void mark_dscp(struct rte_mbuf *m, const struct wanted *wanted)
{
	uint8_t dscp = wanted->marks[dp_meta(m)->cls].dscp;

	if (unlikely(dscp != DP_DSCP_KEEP))
		dp_mark_dscp(m, dscp);
}

void dp_act_marks(const struct dp_view *out, const struct dp_qos_view *qos,
		  const struct dp_meta *meta, struct dp_marks *marks)
{
	const struct wanted wanted = wanted_by(&out->cfg, qos);

	if (out->cfg.vlan_mode == DP_VLAN_TRANSPARENT) {
		bool tagged = (meta->flags & DP_MF_TAGGED) != 0;

		*marks = (struct dp_marks){ .tpid = tagged ? meta->p.tpid[0] : 0,
					    .tci = tagged ? meta->p.tci[0] : 0,
					    .dscp = DP_DSCP_KEEP };
		return;
	}
	marks->tpid = tpid_of(meta, &wanted);
	marks->tci = (uint16_t)tci_of(meta, &wanted);
	marks->dscp = wanted.marks == NULL ? DP_DSCP_KEEP : wanted.marks[meta->cls].dscp;
}

// What the class says, in the tag that is there and in the IP header.
static void mark_as_is(struct rte_mbuf *m, const struct wanted *wanted, uint32_t keep)
{
	struct dp_meta *meta = dp_meta(m);

	if (meta->p.n_tags > 0 && (keep & DP_KEEP_PCP) == 0) {
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
		uint32_t vid = dp_be16(p + 14) & 0xfff;

		dp_put16(p + 14, (tci_of(meta, wanted) & 0xf000) | vid);
	}
	if ((keep & DP_KEEP_DSCP) == 0)
		mark_dscp(m, wanted);
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
	dp_meta(c)->sto = 0;
	pw->c[DP_PC_forwarded_pkts]++;
	dp_schedule(w, &c, 1, to);
}

void dp_output(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n, const struct dp_view *out)
{
	const struct wanted wanted = wanted_by(&out->cfg, w->snap->qos);
	uint32_t n_ok = 0;

	if (out->cfg.vlan_mode == DP_VLAN_TRANSPARENT) {
		dp_output_as_is(w, pkts, n, out, 0);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (likely(retag(pkts[i], &wanted))) {
			pkts[n_ok++] = pkts[i];
			continue;
		}
		dp_pw(w, out->port)->c[DP_PC_handed_pkts]++;
		dp_drop_out(w, out->port, pkts[i], DP_DROP_no_mbuf, DP_STAGE_act);
	}
	for (uint32_t i = 0; wanted.marks != NULL && i < n_ok; i++)
		mark_dscp(pkts[i], &wanted);
	for (uint32_t i = 0; unlikely(out->mirror_idx != DP_PORT_NONE) && i < n_ok; i++)
		mirror(w, pkts[i], out);
	dp_schedule(w, pkts, n_ok, out);
}

void dp_output_as_is(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n,
		     const struct dp_view *out, uint32_t keep)
{
	if (out->cfg.role == DP_ROLE_UPLINK && out->cfg.vlan_mode != DP_VLAN_TRANSPARENT) {
		const struct wanted wanted = wanted_by(&out->cfg, w->snap->qos);

		for (uint32_t i = 0; i < n; i++)
			mark_as_is(pkts[i], &wanted, keep);
	}
	for (uint32_t i = 0; unlikely(out->mirror_idx != DP_PORT_NONE) && i < n; i++)
		mirror(w, pkts[i], out);
	dp_schedule(w, pkts, n, out);
}
