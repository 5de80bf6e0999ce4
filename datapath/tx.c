// The tx hop: ports with queued frames send, most urgent class first. What a link does not take
// stays queued and is tried again after DP_RETRY_NS, so a slow guest is neither spun on nor blocks
// another port.
#include "switch_priv.h"

enum { TX_ROUNDS = 4 }; // bursts per port and turn

// The next frames in class order; they stay in their queues.
static uint16_t peek(const struct dp_port *p, struct rte_mbuf **pkts)
{
	uint16_t n = 0;

	for (uint32_t cls = 0; cls < QOS_N_CLASSES && n < DP_BURST; cls++) {
		const struct dp_queue *q = &p->q[cls];

		if ((p->classes & 1u << cls) == 0)
			continue;
		for (uint32_t i = 0; i < q->n && n < DP_BURST; i++)
			pkts[n++] = q->slots[(q->head + i) & (p->queue_len - 1)];
	}
	return n;
}

static void pop(struct dp_port *p, uint16_t n)
{
	atomic_store_explicit(&p->queued, p->queued - n, memory_order_relaxed);
	while (n > 0) {
		uint32_t cls = (uint32_t)__builtin_ctz(p->classes);
		struct dp_queue *q = &p->q[cls];
		uint32_t k = q->n < n ? q->n : n;

		for (uint32_t i = 0; i < k; i++)
			q->n_bufs -= q->bufs[(q->head + i) & (p->queue_len - 1)];
		q->head = (q->head + k) & (p->queue_len - 1);
		q->n -= k;
		n = (uint16_t)(n - k);
		if (q->n == 0)
			p->classes &= ~(1u << cls);
	}
}

// Count before sending: the driver may free the frames.
static uint16_t send(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_port_pw *pw = dp_pw(w, p);
	uint32_t bytes[DP_BURST];
	uint8_t cls[DP_BURST];
	uint16_t n_sent;

	for (uint16_t i = 0; i < n; i++) {
		bytes[i] = rte_pktmbuf_pkt_len(pkts[i]);
		cls[i] = dp_meta(pkts[i])->cls;
	}
	if (unlikely(w->snap->tap != NULL))
		dp_tap_tx(w, p, pkts, n);
	n_sent = p->drv->tx_burst(p->link, pkts, n);
	pw->c[DP_PC_tx_pkts] += n_sent;
	for (uint16_t i = 0; i < n_sent; i++) {
		pw->c[DP_PC_tx_bytes] += bytes[i];
		pw->cls[cls[i]].tx_pkts++;
		pw->cls[cls[i]].tx_bytes += bytes[i];
	}
	return n_sent;
}

static void drop_all(struct dp_worker *w, struct dp_port *p)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t n;

	while ((n = peek(p, pkts)) > 0) {
		pop(p, n);
		for (uint16_t i = 0; i < n; i++)
			dp_drop_out(w, p, pkts[i], DP_DROP_link_down, DP_STAGE_tx);
	}
}

// Nothing went. After a second of that the first frame is given up: it may be one that never fits,
// and what waits behind it must have its turn.
static void stuck(struct dp_worker *w, struct dp_port *p, struct rte_mbuf *head)
{
	if (p->stuck_ns == 0) {
		p->stuck_ns = w->now_ns;
	} else if (w->now_ns - p->stuck_ns >= DP_STUCK_NS) {
		p->stuck_ns = 0;
		pop(p, 1);
		dp_drop_out(w, p, head, DP_DROP_tx_stuck, DP_STAGE_tx);
	}
}

// returns true when the port has nothing left to send.
static bool drain(struct dp_worker *w, struct dp_port *p)
{
	struct rte_mbuf *pkts[DP_BURST];

	if (p->retry_ns > w->now_ns)
		return false;
	if (unlikely(!p->drv->is_up(p->link))) {
		drop_all(w, p);
		return true;
	}
	for (uint32_t round = 0; round < TX_ROUNDS; round++) {
		uint16_t n = peek(p, pkts), n_sent;

		if (n == 0)
			return true;
		n_sent = send(w, p, pkts, n);
		pop(p, n_sent);
		if (n_sent > 0)
			p->stuck_ns = 0;
		if (n_sent < n) {
			if (n_sent == 0)
				stuck(w, p, pkts[0]);
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

void dp_tx_dirty(struct dp_worker *w)
{
	uint32_t n_left = 0;

	for (uint32_t i = 0; i < w->n_dirty; i++) {
		struct dp_port *p = w->dirty[i].port;

		if (drain(w, p))
			p->dirty = false;
		else
			w->dirty[n_left++] = w->dirty[i];
	}
	w->n_dirty = n_left;
}
