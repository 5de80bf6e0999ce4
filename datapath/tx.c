// The tx hop: ports with queued frames send, most urgent class first. What a link does not take
// stays queued and is tried again after DP_RETRY_NS, so a slow guest is neither spun on nor blocks
// another port.
#include "switch_priv.h"

enum { TX_ROUNDS = 4 }; // bursts per port and turn

// What a burst takes from a class.
struct share {
	uint32_t n, n_bufs;
	uint64_t n_bytes;
};

static void share_add(struct share *s, const struct rte_mbuf *m)
{
	s->n++;
	s->n_bufs += m->nb_segs;
	s->n_bytes += rte_pktmbuf_pkt_len(m);
}

// The next frames in class order; they stay in their queues. shares[cls] is set for each class that
// has frames.
static uint16_t peek(const struct dp_port *p, struct rte_mbuf **pkts, struct share *shares)
{
	uint16_t n = 0;

	for (uint32_t left = p->classes; left != 0; left &= left - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(left);
		const struct dp_queue *q = &p->q[cls];
		uint32_t k = RTE_MIN(q->n, (uint32_t)DP_BURST - n);
		bool whole = k == q->n;

		shares[cls] = (struct share){ 0 };
		if (whole)
			shares[cls] = (struct share){ q->n, q->n_bufs, q->n_bytes };
		for (uint32_t i = 0; i < k; i++) {
			struct rte_mbuf *m = q->slots[(q->head + i) & (p->queue_len - 1)];

			if (!whole)
				share_add(&shares[cls], m);
			pkts[n++] = m;
		}
	}
	return n;
}

static void pop(struct dp_port *p, uint32_t cls, const struct share *s)
{
	struct dp_queue *q = &p->q[cls];

	atomic_store_explicit(&p->queued, p->queued - s->n, memory_order_relaxed);
	q->head = (q->head + s->n) & (p->queue_len - 1);
	q->n -= s->n;
	q->n_bufs -= s->n_bufs;
	q->n_bytes -= s->n_bytes;
	if (q->n == 0) {
		q->head = 0; // near again
		p->classes &= ~(1u << cls);
	}
}

// Send a burst that peek chose. What it takes of each class was summed up before: the driver frees
// the frames.
static uint16_t send(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint16_t n,
		     struct share *shares)
{
	struct dp_port_pw *pw = dp_pw(w, p);
	uint16_t n_sent;

	if (unlikely(w->snap->tap != NULL))
		dp_tap_tx(w, p, pkts, n);
	n_sent = p->drv->tx_burst(p->link, pkts, n);
	for (uint16_t i = n_sent; i < n; i++) { // still ours
		struct share *s = &shares[dp_meta(pkts[i])->cls];

		s->n--;
		s->n_bufs -= pkts[i]->nb_segs;
		s->n_bytes -= rte_pktmbuf_pkt_len(pkts[i]);
	}
	for (uint32_t left = p->classes; left != 0; left &= left - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(left);
		const struct share *s = &shares[cls];

		pw->c[DP_PC_tx_pkts] += s->n;
		pw->c[DP_PC_tx_bytes] += s->n_bytes;
		pw->cls[cls].tx_pkts += s->n;
		pw->cls[cls].tx_bytes += s->n_bytes;
		pop(p, cls, s);
	}
	return n_sent;
}

// The most urgent frame leaves its queue. p has one.
static struct rte_mbuf *pop_head(struct dp_port *p)
{
	uint32_t cls = (uint32_t)__builtin_ctz(p->classes);
	struct rte_mbuf *m = p->q[cls].slots[p->q[cls].head];
	struct share one = { 0 };

	share_add(&one, m);
	pop(p, cls, &one);
	return m;
}

static void drop_all(struct dp_worker *w, struct dp_port *p)
{
	while (p->classes != 0)
		dp_drop_out(w, p, pop_head(p), DP_DROP_link_down, DP_STAGE_tx);
}

// Nothing went. After a second of that the first frame is given up: it may be one that never fits,
// and what waits behind it must have its turn.
static void stuck(struct dp_worker *w, struct dp_port *p)
{
	if (p->stuck_ns == 0) {
		p->stuck_ns = w->now_ns;
	} else if (w->now_ns - p->stuck_ns >= DP_STUCK_NS) {
		p->stuck_ns = 0;
		dp_drop_out(w, p, pop_head(p), DP_DROP_tx_stuck, DP_STAGE_tx);
	}
}

// returns true when the port has nothing left to send.
static bool drain(struct dp_worker *w, struct dp_port *p)
{
	struct share shares[QOS_N_CLASSES];
	struct rte_mbuf *pkts[DP_BURST];

	if (p->retry_ns > w->now_ns)
		return false;
	if (unlikely(!p->drv->is_up(p->link))) {
		drop_all(w, p);
		return true;
	}
	for (uint32_t round = 0; round < TX_ROUNDS; round++) {
		uint16_t n = peek(p, pkts, shares), n_sent;

		if (n == 0)
			return true;
		n_sent = send(w, p, pkts, n, shares);
		if (n_sent > 0)
			p->stuck_ns = 0;
		if (n_sent < n) {
			if (n_sent == 0)
				stuck(w, p);
			p->retry_ns = w->now_ns + DP_RETRY_NS;
			return false;
		}
	}
	return p->queued == 0;
}

// A removed port is not ours to touch any more; main drops what it still holds.
void dp_tx_forget_removed(struct dp_worker *w)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < w->n_dirty; i++) {
		const struct dp_view *v = w->snap->views[w->dirty[i].idx];

		if (v != NULL && v->port == w->dirty[i].port && v->port->gen == w->dirty[i].gen)
			w->dirty[n_left++] = w->dirty[i];
	}
	w->n_dirty = n_left;
}

uint32_t dp_tx_dirty(struct dp_worker *w, uint32_t first)
{
	uint32_t n_left = first;

	for (uint32_t i = first; i < w->n_dirty; i++) {
		struct dp_port *p = w->dirty[i].port;

		if (drain(w, p))
			p->dirty = false;
		else
			w->dirty[n_left++] = w->dirty[i];
	}
	w->n_dirty = n_left;
	return n_left;
}
