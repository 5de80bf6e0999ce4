// The classify hop: traffic class from the packet, the port's policy and the portal table.
#include <string.h>

#include "qos_portal.h"
#include "switch_priv.h"

static void addrs_fill(struct qos_key *k, const uint8_t *data, const struct dp_meta *m)
{
	const uint8_t *l3 = data + m->p.l3_off;

	if ((m->p.flags & DP_PF_IP4) != 0) {
		qos_addr_set4(&k->src, l3 + 12);
		qos_addr_set4(&k->dst, l3 + 16);
	} else {
		qos_addr_set6(&k->src, l3 + 8);
		qos_addr_set6(&k->dst, l3 + 24);
	}
}

// Could nobody but the sender at this port have sent from that address? Guests may say what they
// like unless admission holds them to what is theirs; a link-local address goes by the MAC.
static inline bool src_known(const struct dp_port_params *cfg, const struct dp_meta *m)
{
	uint32_t need =
		DP_PF_ADMIT | ((m->p.flags & DP_PF_IP4) != 0 ? DP_PF_IP4_FIXED
							     : DP_PF_IP6_FIXED | DP_PF_MAC_FIXED);

	return cfg->role != DP_ROLE_GUEST || (cfg->flags & need) == need;
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
	k->src_known = src_known(cfg, m);
	k->vlan_class = s->qos->vlan_class[m->vid];
	k->default_class = cfg->default_class;
}

// Ports on which the responder's TFTP transfers live on the service address (control/boot).
enum { TFTP_TID_FIRST = 57344, TFTP_TID_LAST = 57344 + 511 };

// Is the frame for the boot responder? Sets DP_MF_PUNT and DP_MF_LIMITED. Only in the VLAN of the
// service, and not inside a customer's tag: those networks have their own.
void dp_mark_punt(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
		  struct dp_meta *meta)
{
	const uint8_t *l3 = data + meta->p.l3_off;

	if ((cfg->flags & DP_PF_RESPONDER) == 0 || meta->p.err != DP_DROP_none ||
	    meta->vid != cfg->vid ||
	    (cfg->vlan_mode == DP_VLAN_QINQ_CUSTOMER && meta->p.n_tags > 0))
		return;
	if (meta->p.eth_type == DP_ETH_ARP) {
		if ((size_t)meta->p.l3_off + 28 <= size && dp_be16(l3 + 6) == 1 &&
		    memcmp(l3 + 24, cfg->service_ip4, 4) == 0)
			meta->flags |= DP_MF_PUNT | DP_MF_LIMITED;
		return;
	}
	if ((meta->p.flags & (DP_PF_IP4 | DP_PF_L4)) != (DP_PF_IP4 | DP_PF_L4) ||
	    meta->p.ip_proto != 17 || (meta->p.flags & DP_PF_FRAG) != 0)
		return;
	if (meta->p.dport == 67)
		meta->flags |= DP_MF_PUNT | DP_MF_LIMITED;
	else if (memcmp(l3 + 16, cfg->service_ip4, 4) != 0)
		return;
	else if (meta->p.dport == 69 || meta->p.dport == 4011)
		meta->flags |= DP_MF_PUNT | DP_MF_LIMITED;
	else if (meta->p.dport >= TFTP_TID_FIRST && meta->p.dport <= TFTP_TID_LAST)
		meta->flags |= DP_MF_PUNT;
}

static __attribute__((noinline)) enum qos_class
by_key(const struct dp_snapshot *s, const struct dp_port_params *cfg, const uint8_t *data,
       const struct dp_meta *meta, enum qos_why *why)
{
	struct qos_key k;

	// The responder's transfers leave the well-known port; whose they are is known here all the
	// same.
	if ((meta->flags & DP_MF_PUNT) != 0 && meta->p.eth_type != DP_ETH_ARP) {
		*why = QOS_WHY_BOOT_PROTOCOL;
		return QOS_CLASS_BOOT;
	}
	key_fill(&k, s, cfg, meta);
	if (s->portals != NULL && k.is_ip && k.l4_known &&
	    qos_portals_may(s->portals, k.sport, k.dport))
		addrs_fill(&k, data, meta);
	return qos_classify(&k, s->portals, why);
}

// Most frames need no key.
static inline bool is_plain(const struct dp_snapshot *s, const struct dp_port_params *cfg,
			    const struct dp_meta *m)
{
	return m->p.plain && (m->flags & DP_MF_PUNT) == 0 &&
	       (m->pcp == 0 || (cfg->flags & DP_PF_TRUST_PCP) == 0) &&
	       qos_is_plain(s->portals, m->p.dscp, m->p.sport, m->p.dport);
}

static inline enum qos_class classify(const struct dp_snapshot *s, const struct dp_port_params *cfg,
				      const uint8_t *data, const struct dp_meta *meta,
				      enum qos_why *why)
{
	if (likely(is_plain(s, cfg, meta)))
		return qos_class_unknown(s->qos->vlan_class[meta->vid], cfg->default_class, why);
	return by_key(s, cfg, data, meta, why);
}

enum qos_class dp_classify(const struct dp_snapshot *s, const struct dp_port_params *cfg,
			   const uint8_t *data, const struct dp_meta *meta, enum qos_why *why)
{
	return classify(s, cfg, data, meta, why);
}

// These go first everywhere, so a guest may not have as much of them as it likes.
static void rate(struct dp_worker *w, const struct dp_view *v, struct dp_meta *m)
{
	if ((m->flags & DP_MF_PUNT) != 0 && m->cls == QOS_CLASS_BOOT)
		return;
	if (qos_bucket_take(&dp_pw(w, v->port)->control, w->now_ns) < 0) {
		m->cls = v->cfg.default_class;
		m->why = QOS_WHY_CONTROL_RATE;
	}
}

// The frame at the head of a run.
static inline void classify_head(const struct dp_worker *w, const struct dp_view *v,
				 const struct rte_mbuf *head, struct dp_meta *m)
{
	enum qos_why why;

	if ((v->cfg.flags & DP_PF_RESPONDER) != 0 && !(m->p.plain && m->p.ip_proto == 6))
		dp_mark_punt(&v->cfg, dp_data(head), rte_pktmbuf_data_len(head), m);
	m->cls = (uint8_t)classify(w->snap, &v->cfg, dp_data(head), m, &why);
	m->why = (uint8_t)why;
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

	for (uint32_t i = 0; i < b->n_runs; i++) {
		const struct dp_run *r = &b->runs[i];
		struct rte_mbuf *head = dp_head(b, r);
		struct dp_meta *m = dp_meta(head);
		uint32_t size = rte_pktmbuf_pkt_len(head);

		classify_head(w, b->v, head, m);
		// From here on each frame stands for itself.
		for (uint32_t k = 1; k < r->n; k++)
			*dp_meta(b->pkts[r->first + k]) = *m;
		if (unlikely(m->cls <= QOS_CLASS_BOOT)) {
			classify_urgent(w, b, r, size);
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
