// The forward hop: plain L2 learning bridge (IEEE 802.1Q 8.6), with the boot responder's traffic
// taken out first and mirrors fed.
#include <string.h>

#include "of_priv.h"

enum dp_drop dp_may_forward(const struct dp_view *in, const struct dp_view *out)
{
	if (in == out)
		return DP_DROP_forward_same_port;
	if (in->cfg.role == DP_ROLE_UPLINK && out->cfg.role == DP_ROLE_UPLINK)
		return DP_DROP_forward_uplinks;
	if ((in->cfg.flags & out->cfg.flags & DP_PF_ISOLATED) != 0)
		return DP_DROP_forward_isolated;
	if ((out->cfg.flags & DP_PF_MIRROR_DST) != 0)
		return DP_DROP_forward_no_port;
	return DP_DROP_none;
}

// Deep copy: header edits of one receiver must not show at another.
struct rte_mbuf *dp_forward_copy(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m)
{
	struct rte_mbuf *c = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);
	struct dp_port_pw *pw = dp_pw(w, v->port);

	pw->c[DP_PC_copied_in_pkts]++;
	if (c == NULL) {
		pw->drop_in[DP_DROP_no_mbuf]++;
		return NULL;
	}
	*dp_meta(c) = *dp_meta(m);
	dp_meta(c)->sto = 0;
	return c;
}

static void hand(struct dp_worker *w, const struct dp_view *in, const struct dp_view *out,
		 struct rte_mbuf **pkts, uint32_t n)
{
	dp_pw(w, in->port)->c[DP_PC_forwarded_pkts] += n;
	dp_output(w, pkts, n, out);
}

// The receiver alone refuses the frame, whose copy it would be.
void dp_forward_deny(struct dp_worker *w, const struct dp_view *in, const struct dp_view *out,
		     const struct rte_mbuf *m, enum dp_drop reason)
{
	dp_pw(w, in->port)->c[DP_PC_forwarded_pkts]++;
	dp_pw(w, out->port)->c[DP_PC_handed_pkts]++;
	dp_pw(w, out->port)->drop_out[reason]++;
	if (unlikely((dp_meta_const(m)->flags & DP_MF_TRACE) != 0))
		dp_tap_hop(w, m, DP_STAGE_forward, reason);
}

static void flood(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m)
{
	const struct dp_flood *f = &w->snap->flood[dp_meta(m)->vid];
	const struct dp_view *last = NULL;
	uint32_t n_denied = 0;

	// One port behind: the last receiver gets the frame itself.
	for (uint32_t i = 0; i < f->n; i++) {
		const struct dp_view *out = w->snap->views[f->ports[i]];

		// A guest that is not there takes no part: no copy is made for it.
		if (dp_may_forward(v, out) != DP_DROP_none ||
		    !out->port->drv->is_up(out->port->link))
			continue;
		if (unlikely(dp_is_rival(&out->cfg, dp_meta(m)))) {
			dp_forward_deny(w, v, out, m, DP_DROP_rival_dhcp);
			n_denied++;
			continue;
		}
		if (last != NULL) {
			struct rte_mbuf *c = dp_forward_copy(w, v, m);

			if (c != NULL)
				hand(w, v, last, &c, 1);
		}
		last = out;
	}
	// Copies that were never made; of those that nobody else gets, one is the frame itself.
	if (n_denied > 0)
		dp_pw(w, v->port)->c[DP_PC_copied_in_pkts] += n_denied - (last == NULL);
	if (last != NULL)
		hand(w, v, last, &m, 1);
	else if (n_denied > 0)
		rte_pktmbuf_free(m);
	else
		dp_drop_in(w, m, DP_DROP_forward_no_port, DP_STAGE_forward);
}

static void mirror(struct dp_worker *w, const struct dp_view *in, struct rte_mbuf *m)
{
	const struct dp_view *out = w->snap->views[in->mirror_idx];
	struct rte_mbuf *c;

	if (out == NULL || out->port == in->port)
		return;
	c = dp_forward_copy(w, in, m);
	if (c == NULL)
		return;
	dp_pw(w, in->port)->c[DP_PC_forwarded_pkts]++;
	dp_schedule(w, &c, 1, out); // as it is: no tag is edited for an observer
}

// The port that the table knows the address behind; NULL = flood.
static inline const struct dp_view *find(const struct dp_worker *w, uint64_t dst)
{
	const struct dp_fdb_entry *e = dp_fdb_find(w->fdb, dst);

	return e == NULL ? NULL
			 : w->snap->views[DP_FDB_PORT(
				   atomic_load_explicit(&e->where, memory_order_acquire))];
}

bool dp_forward_is_foreign(const struct dp_worker *w, const struct dp_view *in,
			   const struct rte_mbuf *m)
{
	return dp_is_foreign(w->snap->services, &in->cfg, dp_data(m), rte_pktmbuf_data_len(m),
			     dp_meta_const(m));
}

// One frame for one port.
static void hand_one(struct dp_worker *w, const struct dp_view *in, const struct dp_view *out,
		     struct rte_mbuf *m)
{
	enum dp_drop err = dp_may_forward(in, out);

	if (err != DP_DROP_none) {
		dp_drop_in(w, m, err, DP_STAGE_forward);
	} else if (dp_is_rival(&out->cfg, dp_meta(m))) {
		dp_forward_deny(w, in, out, m, DP_DROP_rival_dhcp);
		rte_pktmbuf_free(m);
	} else {
		hand(w, in, out, &m, 1);
	}
}

// A frame of which the table is not known to say where; look = it has not been asked.
static void forward_one(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m, bool look)
{
	bool unicast = (dp_data(m)[0] & 1) == 0;
	const struct dp_view *out = NULL;

	if (dp_forward_is_foreign(w, v, m)) {
		dp_drop_in(w, m, DP_DROP_service_foreign, DP_STAGE_forward);
		return;
	}
	if (unicast && look)
		out = find(w, dp_fdb_key(dp_meta(m)->vid, dp_data(m)));
	if (out != NULL && dp_port_carries(&out->cfg, dp_meta(m)->vid))
		hand_one(w, v, out, m);
	else if (unicast && (v->cfg.flags & DP_PF_ADMIT) != 0 &&
		 qos_bucket_take(&dp_pw(w, v->port)->unknown, w->now_ns) < 0)
		dp_drop_in(w, m, DP_DROP_storm_unknown, DP_STAGE_forward);
	else
		flood(w, v, m);
}

// The responder's frame. returns false when it ends here
static bool punt(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m)
{
	bool goes_on = dp_punt_goes_on(&v->cfg, dp_data(m), dp_meta(m));

	return dp_punt(w, v, m, goes_on) && goes_on;
}

// A frame that goes nowhere, or not to one port, or of which forward wants to know more.
static void special(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m)
{
	uint8_t flags = dp_meta(m)->flags;

	if ((flags & DP_MF_PUNT) == 0 || punt(w, v, m))
		forward_one(w, v, m, (flags & (DP_MF_PUNT | DP_MF_LOOK)) != 0);
}

void dp_forward_normal(struct dp_worker *w, const struct dp_view *in, struct rte_mbuf *m)
{
	forward_one(w, in, m, true);
}

bool dp_forward_own(struct dp_worker *w, struct dp_batch *b, struct dp_run *r)
{
	struct rte_mbuf **pkts = b->pkts + r->first;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		if ((dp_meta(pkts[i])->flags & DP_MF_PUNT) != 0) {
			if (!punt(w, b->v, pkts[i]))
				continue;
			dp_meta(pkts[i])->flags &= (uint8_t)~DP_MF_PUNT;
		}
		pkts[n++] = pkts[i];
	}
	r->n = (uint16_t)n;
	if (n > 0 && dp_forward_is_foreign(w, b->v, pkts[0])) {
		dp_drop_run(w, b, r, DP_DROP_service_foreign, DP_STAGE_forward);
		return false;
	}
	return n > 0;
}

// Frames of one VLAN for one port, gathered until another's turn comes.
struct gathered {
	const struct dp_view *out;
	uint32_t n;
	uint16_t vid;
	struct rte_mbuf *pkts[DP_BURST];
};

static void gathered_hand(struct dp_worker *w, const struct dp_view *in, struct gathered *g)
{
	if (g->n > 0)
		hand(w, in, g->out, g->pkts, g->n);
	g->n = 0;
}

static inline void gather(struct gathered *g, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t at = g->n;

	for (uint32_t i = 0; i < n; i++)
		g->pkts[at + i] = pkts[i];
	g->n = at + n;
}

// A run that does not simply go where the one before it went. out = where the table says, or NULL
static void forward_other(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r,
			  const struct dp_view *out, struct gathered *g)
{
	struct rte_mbuf **pkts = b->pkts + r->first;
	uint16_t vid = dp_meta(pkts[0])->vid;
	enum dp_drop err;

	// What was gathered goes first, so that each port sees frames in order.
	gathered_hand(w, b->v, g);
	g->out = NULL;
	// Egress filtering, IEEE 802.1Q 8.6.4: also while the table still knows the port from
	// another VLAN.
	if (out != NULL && !dp_port_carries(&out->cfg, vid))
		out = NULL;
	for (uint32_t i = 0; out == NULL && i < r->n; i++)
		special(w, b->v, pkts[i]);
	if (out == NULL)
		return;
	err = dp_may_forward(b->v, out);
	if (unlikely(err != DP_DROP_none)) {
		dp_drop_run(w, b, r, err, DP_STAGE_forward);
		return;
	}
	// The kernel has the service addresses: what goes there is looked at, run by run.
	if (out->cfg.role == DP_ROLE_HOST && w->snap->services != NULL) {
		if (dp_forward_is_foreign(w, b->v, pkts[0]))
			dp_drop_run(w, b, r, DP_DROP_service_foreign, DP_STAGE_forward);
		else
			hand(w, b->v, out, pkts, r->n);
		return;
	}
	g->out = out;
	g->vid = vid;
	gather(g, pkts, r->n);
}

void dp_forward_runs(struct dp_worker *w, struct dp_batch *b, const struct dp_run *runs, uint32_t n)
{
	struct gathered g = { .out = NULL, .n = 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct dp_run *r = &runs[i];
		struct rte_mbuf **pkts = b->pkts + r->first;
		const struct dp_meta *meta = dp_meta(pkts[0]);
		const struct dp_view *out = NULL;

		if ((meta->flags & (DP_MF_PUNT | DP_MF_LOOK)) == 0 &&
		    (dp_data(pkts[0])[0] & 1) == 0)
			out = find(w, r->dst);
		if (out == NULL || out != g.out || meta->vid != g.vid) {
			forward_other(w, b, r, out, &g);
			continue;
		}
		gather(&g, pkts, r->n);
	}
	gathered_hand(w, b->v, &g);
}

static void mirror_burst(struct dp_worker *w, struct dp_batch *b)
{
	for (uint32_t i = 0; i < b->n_runs; i++) {
		for (uint32_t k = 0; k < b->runs[i].n; k++)
			mirror(w, b->v, b->pkts[b->runs[i].first + k]);
	}
}

void dp_forward_burst(struct dp_worker *w, struct dp_batch *b)
{
	if (unlikely(b->v->mirror_idx != DP_PORT_NONE))
		mirror_burst(w, b);
	if (w->snap->of != NULL)
		dp_of_forward_burst(w, b);
	else
		dp_forward_runs(w, b, b->runs, b->n_runs);
}
