// The classify hop: traffic class from the packet, the port's policy and the portal table.
#include <string.h>

#include "qos_portal.h"
#include "switch_priv.h"

void dp_addrs_fill(struct qos_addr *src, struct qos_addr *dst, const uint8_t *data,
		   const struct dp_meta *m)
{
	const uint8_t *l3 = data + m->p.l3_off;

	if ((m->p.flags & DP_PF_IP4) != 0) {
		qos_addr_set4(src, l3 + 12);
		qos_addr_set4(dst, l3 + 16);
	} else {
		qos_addr_set6(src, l3 + 8);
		qos_addr_set6(dst, l3 + 24);
	}
}

static inline void key_fill(struct qos_key *k, const struct dp_snapshot *s,
			    const struct dp_port_params *cfg, const struct dp_meta *m)
{
	k->eth_type = m->p.eth_type;
	k->sport = m->p.sport;
	k->dport = m->p.dport;
	k->ip_proto = m->p.ip_proto;
	k->dscp = m->p.dscp;
	k->l4_known = (m->p.flags & DP_PF_L4) != 0;
	k->is_ip = (m->p.flags & (DP_PF_IP4 | DP_PF_IP6)) != 0;
	k->pcp = m->pcp;
	k->trust_dscp = (cfg->flags & DP_PF_TRUST_DSCP) != 0;
	k->trust_pcp = (cfg->flags & DP_PF_TRUST_PCP) != 0;
	k->src_known = dp_src_known(cfg, m);
	k->vlan_class = s->qos->vlan_class[m->vid];
	k->default_class = cfg->default_class;
}

// The machine at the other end boots, by the table: as forward will ask.
static bool out_boots(const struct dp_switch *sw, const struct dp_snapshot *s, const uint8_t *data,
		      uint16_t vid)
{
	const struct dp_fdb_entry *e = dp_fdb_lookup(sw->fdb, dp_fdb_key(vid, data));
	const struct dp_view *out = e == NULL ? NULL
					      : s->views[DP_FDB_PORT(atomic_load_explicit(
							&e->where, memory_order_acquire))];

	return out != NULL && out->vm != NULL && dp_boot_deadline(sw, out->vm->idx) != 0;
}

// Is it storage of a machine that boots: sent by it to a portal, or to it by one? Whoever else
// sends to its MAC must neither gain its class nor use up its boot. What has no portal (FCoE, AoE)
// has no ends.
static bool is_booting(const struct dp_switch *sw, const struct dp_snapshot *s,
		       const struct dp_view *in, const uint8_t *data, const struct dp_meta *m)
{
	bool from = in->vm != NULL && dp_boot_deadline(sw, in->vm->idx) != 0;
	bool to = out_boots(sw, s, data, m->vid);
	const struct qos_portals *portals = dp_portals(s);
	struct qos_portal_hit hit = { .way = QOS_TO_PORTAL };
	struct qos_addr src, dst;

	if (from == to || portals == NULL || (m->p.flags & (DP_PF_IP4 | DP_PF_IP6)) == 0)
		return from || to;
	dp_addrs_fill(&src, &dst, data, m);
	(void)qos_portals_match(portals, &src, m->p.sport, &dst, m->p.dport, m->p.ip_proto, &hit);
	return hit.way == QOS_TO_PORTAL ? from : to;
}

static __attribute__((noinline)) enum qos_class
by_key(const struct dp_snapshot *s, const struct dp_port_params *cfg, const uint8_t *data,
       const struct dp_meta *meta, enum qos_why *why)
{
	const struct qos_portals *portals = dp_portals(s);
	struct qos_key k;

	// The responder's transfers leave the well-known port; whose they are is known here all the
	// same.
	if ((meta->flags & DP_MF_PUNT) != 0 && meta->p.eth_type != DP_ETH_ARP) {
		*why = QOS_WHY_BOOT_PROTOCOL;
		return QOS_CLASS_BOOT;
	}
	key_fill(&k, s, cfg, meta);
	if (portals != NULL && k.is_ip && k.l4_known && qos_portals_may(portals, k.sport, k.dport))
		dp_addrs_fill(&k.src, &k.dst, data, meta);
	return qos_classify(&k, portals, why);
}

// Most frames need no key.
static inline bool is_plain(const struct dp_snapshot *s, const struct dp_port_params *cfg,
			    const struct dp_meta *m)
{
	return m->p.plain && (m->flags & DP_MF_PUNT) == 0 &&
	       (m->pcp == 0 || (cfg->flags & DP_PF_TRUST_PCP) == 0) &&
	       qos_is_plain(dp_portals(s), m->p.dscp, m->p.sport, m->p.dport);
}

static inline bool is_storage(enum qos_why why)
{
	return why == QOS_WHY_PORTAL || why == QOS_WHY_STORAGE_SERVER || why == QOS_WHY_LEARNT ||
	       why == QOS_WHY_STORAGE_ETHERTYPE;
}

enum qos_class dp_classify(const struct dp_switch *sw, const struct dp_view *in,
			   const uint8_t *data, const struct dp_meta *meta, enum qos_why *why)
{
	const struct dp_snapshot *s = dp_root(sw);
	enum qos_class cls;

	if (is_plain(s, &in->cfg, meta))
		return qos_class_unknown(s->qos->vlan_class[meta->vid], in->cfg.default_class, why);
	cls = by_key(s, &in->cfg, data, meta, why);
	if (!is_storage(*why) || !dp_boot_any(sw) || !is_booting(sw, s, in, data, meta))
		return cls;
	*why = QOS_WHY_BOOTING;
	return QOS_CLASS_BOOT;
}

// These go first everywhere, so a guest may not have as much of them as it likes.
static void rate(struct dp_worker *w, const struct dp_view *v, struct dp_meta *m)
{
	// What has a bound of its own: the responder's, and storage, which is the operator's.
	if (m->cls == QOS_CLASS_BOOT && ((m->flags & DP_MF_PUNT) != 0 || m->why == QOS_WHY_BOOTING))
		return;
	if (qos_bucket_take(&dp_pw(w, v->port)->control, w->now_ns) < 0) {
		m->cls = v->cfg.default_class;
		m->why = QOS_WHY_CONTROL_RATE;
	}
}

// A head of which no simple rule knows the class.
static void classify_other(const struct dp_worker *w, struct dp_batch *b, struct dp_run *r,
			   const struct rte_mbuf *head, struct dp_meta *m)
{
	const struct dp_view *v = b->v;
	enum qos_why why;

	dp_mark_look(w->snap->services, m);
	if (dp_storage_known(w, b, r, &why))
		m->cls = QOS_CLASS_STORAGE;
	else
		m->cls = (uint8_t)by_key(w->snap, &v->cfg, dp_data(head), m, &why);
	m->why = (uint8_t)why;
	if (!is_storage(why))
		return;
	b->n_storage++;
	if (unlikely(dp_boot_any(w->sw)) && is_booting(w->sw, w->snap, v, dp_data(head), m)) {
		m->cls = QOS_CLASS_BOOT;
		m->why = QOS_WHY_BOOTING;
	}
}

// The frame at the head of a run.
//
// like  what was said of its kin, when no rule had to be asked for it; or NULL
// returns whether no rule had to be asked
static inline bool classify_head(const struct dp_worker *w, struct dp_batch *b, struct dp_run *r,
				 const struct rte_mbuf *head, const struct dp_meta *like)
{
	const struct dp_view *v = b->v;
	struct dp_meta *m = dp_meta(dp_head(b, r));
	enum qos_why why;

	if ((v->cfg.flags & DP_PF_RESPONDER) != 0 && !(m->p.plain && m->p.ip_proto == 6)) {
		dp_mark_punt(&v->cfg, dp_data(head), rte_pktmbuf_data_len(head), m);
	} else if (like != NULL) {
		const struct qos_portals *portals = dp_portals(w->snap);

		// Rules know no port that kin may have but a portal's.
		if (likely(portals == NULL || !qos_portals_may(portals, m->p.sport, m->p.dport))) {
			m->cls = like->cls;
			m->why = like->why;
			return true;
		}
	}
	if (unlikely(!is_plain(w->snap, &v->cfg, m))) {
		classify_other(w, b, r, head, m);
		return false;
	}
	m->cls = (uint8_t)qos_class_unknown(w->snap->qos->vlan_class[m->vid], v->cfg.default_class,
					    &why);
	m->why = (uint8_t)why;
	return true;
}

// Urgent ones have a rate each.
static void classify_urgent(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r,
			    uint32_t size)
{
	struct dp_class_count *counts = dp_pw(w, b->v->port)->cls;

	for (uint32_t k = 0; k < r->n; k++) {
		struct dp_meta *m = dp_meta(b->pkts[r->first + k]);

		rate(w, b->v, m);
		counts[m->cls].rx_pkts++;
		counts[m->cls].rx_bytes += size;
	}
}

void dp_classify_burst(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_class_count *counts = dp_pw(w, b->v->port)->cls;
	uint32_t cls = 0, n_pkts = 0;
	uint64_t n_bytes = 0;
	const struct dp_meta *last = NULL; // of the run before, which needed no rule

	b->n_storage = 0;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		struct dp_run *r = &b->runs[i];
		struct rte_mbuf *head = dp_head(b, r);
		struct dp_meta *m = dp_meta(head);
		uint32_t size = rte_pktmbuf_pkt_len(head);

		last = classify_head(w, b, r, head, r->kin ? last : NULL) ? m : NULL;
		// From here on each frame stands for itself.
		for (uint32_t k = 1; k < r->n; k++)
			*dp_meta(b->pkts[r->first + k]) = *m;
		if (unlikely(m->cls <= QOS_CLASS_BOOT)) {
			classify_urgent(w, b, r, size);
			last = NULL; // what a rate made of it is not its kin's
			continue;
		}
		if (m->cls != cls) {
			counts[cls].rx_pkts += n_pkts;
			counts[cls].rx_bytes += n_bytes;
			cls = m->cls;
			n_pkts = 0;
			n_bytes = 0;
		}
		n_pkts += r->n;
		n_bytes += (uint64_t)r->n * size;
	}
	counts[cls].rx_pkts += n_pkts;
	counts[cls].rx_bytes += n_bytes;
}
