// The schedule hop: the frame joins the scheduler of the port it leaves by, whole and finished as
// far as the far side needs it.
//
// Scheduling comes before the copy into a guest or a NIC, so what is dropped has cost no copy.
#include "switch_priv.h"

static uint32_t mtu_size(const struct dp_meta *meta, const struct dp_view *out)
{
	return dp_l2_size(meta) + out->cfg.mtu;
}

static void mark_dirty(struct dp_worker *w, struct dp_port *p)
{
	if (!p->dirty) {
		p->dirty = true;
		w->dirty[w->n_dirty++] =
			(struct dp_dirty){ .port = p, .gen = p->gen, .idx = p->idx };
	}
}

// Nothing stands, nothing is limited: they are the driver's next.
static void pass(struct dp_port *p, struct rte_mbuf **pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		dp_ready_add(p, pkts[i], dp_meta(pkts[i])->cls, rte_pktmbuf_pkt_len(pkts[i]));
}

// Owner worker only. Consumes pkts[n].
void dp_enqueue(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint32_t n)
{
	if (unlikely(p->followed_gen != w->snap->gen))
		dp_queue_follow(w, p);
	if (likely(p->plain && n <= DP_READY - (uint32_t)p->n_ready && p->retry_ns <= w->now_ns) &&
	    qos_sched_queued(p->sched) == 0) {
		pass(p, pkts, n);
	} else {
		dp_queue_push(w, p, pkts, n);
	}
	dp_queue_count(p);
	mark_dirty(w, p);
}

// To the owner's queue, or over the ring to the worker that owns the link.
static void to_owner(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n, struct dp_port *p)
{
	if (likely(p->owner == w->id)) {
		dp_enqueue(w, p, pkts, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct dp_meta *meta = dp_meta(pkts[i]);
		struct rte_ring *r = w->sw->workers[p->owner].in[w->id][dp_urgency(meta->cls)];

		meta->out_port = p->idx;
		meta->out_gen = p->gen;
		if (rte_ring_sp_enqueue(r, pkts[i]) != 0)
			dp_drop_out(w, p, pkts[i], DP_DROP_handover_full, DP_STAGE_schedule);
	}
}

static void cut_and_queue(struct dp_worker *w, struct rte_mbuf *m, struct dp_port *p)
{
	struct rte_mbuf *segs[DP_TSO_SEGS];
	struct dp_port_pw *pw = dp_pw(w, p);
	struct rte_mempool *pool = w->pool;
	int n;

	if (dp_meta(m)->tso_segsz + DP_PARSE_BYTES > DP_MBUF_ROOM && w->sw->pool_large != NULL)
		pool = w->sw->pool_large;
	n = dp_tso_cut(m, pool, segs, DP_TSO_SEGS);
	if (n < 0) {
		dp_drop_out(w, p, m, n == -ENOMEM ? DP_DROP_no_mbuf : DP_DROP_offload_invalid,
			    DP_STAGE_schedule);
		return;
	}
	pw->c[DP_PC_tso_pkts]++;
	pw->c[DP_PC_copied_out_pkts] += (uint64_t)n - 1;
	to_owner(w, segs, (uint32_t)n, p);
}

// Does the request fit the packet, by our own parse? Whoever finishes it, nobody is given one that
// does not.
static enum dp_drop offload_check(const struct rte_mbuf *m, const struct dp_view *out)
{
	const struct dp_meta *meta = dp_meta_const(m);
	bool tcp = meta->p.ip_proto == 6;
	uint32_t hdr_end;

	if ((meta->p.flags & DP_PF_L4) == 0 || (meta->p.flags & DP_PF_FRAG) != 0 ||
	    (!tcp && meta->p.ip_proto != 17))
		return DP_DROP_offload_invalid;
	if ((meta->flags & DP_MF_TSO) == 0)
		return DP_DROP_none;
	if (!tcp || meta->tso_segsz < DP_TSO_MIN)
		return DP_DROP_offload_invalid;
	// The data offset is at least 5 and inside IP's length, or parse would have said so (err).
	hdr_end = meta->p.l4_off + (uint32_t)(dp_data(m)[meta->p.l4_off + 12] >> 4) * 4;
	if (meta->p.err != DP_DROP_none || hdr_end > rte_pktmbuf_data_len(m))
		return DP_DROP_offload_invalid;
	return hdr_end - meta->p.l3_off + meta->tso_segsz > out->cfg.mtu ? DP_DROP_mtu_exceeded
									 : DP_DROP_none;
}

// Would a super-frame keep a rated link to itself for longer than others can bear?
static bool too_long(const struct rte_mbuf *m, const struct dp_view *out)
{
	uint64_t rate = out->cfg.rate_bits_per_s;

	return rate != 0 && rte_pktmbuf_pkt_len(m) * 8ull > rate / 1000 * DP_SUPER_NS / 1000000;
}

// Leave to the driver what the far side can take; finish the rest here.
// returns false when m was consumed (cut, or dropped)
static bool resolve(struct dp_worker *w, struct rte_mbuf *m, const struct dp_view *out)
{
	struct dp_meta *meta = dp_meta(m);
	struct dp_port *p = out->port;
	// Behind extension headers others sum the wrong pseudo-header.
	uint32_t caps = (meta->p.flags & DP_PF_EXT) != 0 ? 0 : p->drv->tx_caps(p->link);
	enum dp_drop err = offload_check(m, out);

	if (err != DP_DROP_none) {
		dp_drop_out(w, p, m, err, DP_STAGE_schedule);
		return false;
	}
	if ((meta->flags & DP_MF_TSO) != 0) {
		uint32_t need = (meta->p.flags & DP_PF_IP4) != 0 ? DP_CAP_TSO4 : DP_CAP_TSO6;

		if ((caps & need) != 0 && !too_long(m, out))
			return true;
		cut_and_queue(w, m, p);
		return false;
	}
	if ((caps & DP_CAP_CSUM) != 0)
		return true;
	if (!dp_csum_finish(m)) {
		dp_drop_out(w, p, m, DP_DROP_offload_invalid, DP_STAGE_schedule);
		return false;
	}
	dp_pw(w, p)->c[DP_PC_csum_pkts]++;
	return true;
}

// One contiguous buffer, for drivers that need it. returns NULL when none was free (m stays).
static struct rte_mbuf *linear(struct dp_worker *w, struct rte_mbuf *m)
{
	uint32_t size = rte_pktmbuf_pkt_len(m);
	struct rte_mempool *pool = size <= DP_MBUF_ROOM ? w->pool : w->sw->pool_large;
	struct rte_mbuf *l = pool == NULL ? NULL : rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);

	if (l == NULL || l->nb_segs != 1) {
		rte_pktmbuf_free(l);
		return NULL;
	}
	*dp_meta(l) = *dp_meta(m);
	rte_pktmbuf_free(m);
	return l;
}

// What does not fit the port ends here. returns the frame to queue, or NULL when m was consumed
static struct rte_mbuf *fit(struct dp_worker *w, struct rte_mbuf *m, const struct dp_view *out)
{
	struct dp_meta *meta = dp_meta(m);
	struct dp_port *p = out->port;
	struct rte_mbuf *l = m;

	if ((meta->flags & (DP_MF_CSUM | DP_MF_TSO)) != 0 && !resolve(w, m, out))
		return NULL;
	if ((meta->flags & DP_MF_TSO) == 0 && rte_pktmbuf_pkt_len(m) > mtu_size(meta, out)) {
		dp_drop_out(w, p, m, DP_DROP_mtu_exceeded, DP_STAGE_schedule);
		return NULL;
	}
	if (m->nb_segs > 1 && (p->flags & DP_DRV_TX_LINEAR) != 0) {
		l = linear(w, m);
		if (l == NULL)
			dp_drop_out(w, p, m, DP_DROP_no_mbuf, DP_STAGE_schedule);
	}
	return l;
}

void dp_schedule(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n, const struct dp_view *out)
{
	struct dp_port *p = out->port;
	uint32_t n_ok = 0, mtu_untagged = 14 + out->cfg.mtu;

	dp_pw(w, p)->c[DP_PC_handed_pkts] += n;
	if (unlikely(!p->drv->is_up(p->link))) {
		for (uint32_t i = 0; i < n; i++) {
			dp_meta(pkts[i])->out_port = p->idx;
			dp_drop_out(w, p, pkts[i], DP_DROP_link_down, DP_STAGE_schedule);
		}
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct dp_meta *meta = dp_meta(m);

		meta->out_port = p->idx;
		// Short, in one buffer, nothing left to be done: most frames. The others go behind
		// those that came before them.
		if (unlikely((meta->flags & (DP_MF_CSUM | DP_MF_TSO)) != 0 || m->nb_segs > 1 ||
			     rte_pktmbuf_pkt_len(m) > mtu_untagged)) {
			to_owner(w, pkts, n_ok, p);
			n_ok = 0;
			m = fit(w, m, out);
		}
		if (m != NULL)
			pkts[n_ok++] = m;
	}
	to_owner(w, pkts, n_ok, p);
}
