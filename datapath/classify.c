// The classify hop: traffic class from the packet, the port's policy and the portal table.
#include "switch_priv.h"

static void key_fill(struct qos_key *k, const struct dp_port_params *cfg, const uint8_t *data, const struct dp_meta *m)
{
	const uint8_t *l3 = data + m->p.l3_off;

	k->eth_type = m->p.eth_type;
	k->sport = m->p.sport;
	k->dport = m->p.dport;
	k->ip_proto = m->p.ip_proto;
	k->dscp = m->p.dscp;
	k->l4_known = (m->p.flags & DP_PF_L4) != 0;
	k->is_ip = (m->p.flags & (DP_PF_IP4 | DP_PF_IP6)) != 0;
	k->trust_dscp = (cfg->flags & DP_PF_TRUST_DSCP) != 0;
	k->default_class = cfg->default_class;
	if ((m->p.flags & DP_PF_IP4) != 0) {
		qos_addr_set4(&k->src, l3 + 12);
		qos_addr_set4(&k->dst, l3 + 16);
	} else if ((m->p.flags & DP_PF_IP6) != 0) {
		qos_addr_set6(&k->src, l3 + 8);
		qos_addr_set6(&k->dst, l3 + 24);
	}
}

enum qos_class dp_classify(const struct dp_snapshot *s, const struct dp_port_params *cfg, const uint8_t *data,
			   const struct dp_meta *meta, enum qos_why *why)
{
	struct qos_key k;

	key_fill(&k, cfg, data, meta);
	return qos_classify(&k, s->portals, why);
}

void dp_classify_burst(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_port_pw *pw = dp_pw(w, v->port);

	for (uint16_t i = 0; i < n; i++) {
		struct dp_meta *m = dp_meta(pkts[i]);
		enum qos_why why;
		enum qos_class c = dp_classify(w->snap, &v->cfg, dp_data(pkts[i]), m, &why);

		// Control goes first everywhere, so a guest may not have as much of it as it likes.
		if (c == QOS_CLASS_CONTROL && qos_bucket_take(&pw->control, w->now_ns) < 0) {
			c = (enum qos_class)v->cfg.default_class;
			why = QOS_WHY_CONTROL_RATE;
		}
		m->cls = (uint8_t)c;
		m->why = (uint8_t)why;
		pw->cls[c].rx_pkts++;
		pw->cls[c].rx_bytes += rte_pktmbuf_pkt_len(pkts[i]);
	}
}
