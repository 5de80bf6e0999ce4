// The tx hop: ports with frames send what their schedulers say. What a link does not take stays and
// is tried again after DP_RETRY_NS, so a slow guest is neither spun on nor blocks another port.
#include "switch_priv.h"

enum { TX_ROUNDS = 4 }; // per port and turn

// What left is counted by class, without a look at it: it is the driver's now.
static void count(struct dp_worker *w, struct dp_port *p, uint32_t first_left)
{
	struct dp_sum left[QOS_N_CLASSES] = { 0 };
	struct dp_port_pw *pw = dp_pw(w, p);
	uint32_t classes = 0;

	for (uint32_t i = first_left; i < p->n_ready; i++) { // still ours
		uint32_t cls = dp_meta(p->ready[i])->cls;

		left[cls].n_pkts++;
		left[cls].n_bytes += rte_pktmbuf_pkt_len(p->ready[i]);
		classes |= 1u << cls;
	}
	for (uint32_t m = p->ready_classes; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);
		uint32_t n_pkts = p->ready_sum[cls].n_pkts - left[cls].n_pkts;
		uint64_t n_bytes = p->ready_sum[cls].n_bytes - left[cls].n_bytes;

		pw->c[DP_PC_tx_pkts] += n_pkts;
		pw->c[DP_PC_tx_bytes] += n_bytes;
		pw->cls[cls].tx_pkts += n_pkts;
		pw->cls[cls].tx_bytes += n_bytes;
		p->ready_sum[cls] = left[cls];
	}
	p->ready_classes = classes;
}

static void keep_left(struct dp_port *p)
{
	if (p->ready_at == p->n_ready)
		p->n_ready = 0;
	else if (p->ready_at > 0)
		memmove(p->ready, p->ready + p->ready_at,
			(p->n_ready -= p->ready_at) * sizeof(p->ready[0]));
	p->ready_at = 0;
}

// returns how many of ready[] the driver took
static uint32_t send(struct dp_worker *w, struct dp_port *p)
{
	uint16_t n_sent = 0, n, took;

	if (unlikely(w->snap->tap != NULL))
		dp_tap_tx(w, p, p->ready, p->n_ready);
	do {
		n = (uint16_t)RTE_MIN(p->n_ready - n_sent, DP_BURST);
		took = p->drv->tx_burst(p->link, p->ready + n_sent, n);
		n_sent = (uint16_t)(n_sent + took);
	} while (took == n && n_sent < p->n_ready);
	w->sent |= n_sent > 0;
	count(w, p, n_sent);
	p->ready_at = n_sent;
	keep_left(p);
	return n_sent;
}

// Nothing went. After a second of that the first frame is given up: it may be one that never fits,
// and what waits behind it must have its turn.
static void stuck(struct dp_worker *w, struct dp_port *p)
{
	if (p->stuck_ns == 0) {
		p->stuck_ns = w->now_ns;
	} else if (w->now_ns - p->stuck_ns >= DP_STUCK_NS) {
		struct rte_mbuf *m = p->ready[0];
		struct dp_sum *sum = &p->ready_sum[dp_meta(m)->cls];

		p->stuck_ns = 0;
		sum->n_pkts--;
		sum->n_bytes -= rte_pktmbuf_pkt_len(m);
		p->ready_at = 1;
		keep_left(p);
		dp_drop_out(w, p, m, DP_DROP_tx_stuck, DP_STAGE_tx);
	}
}

// The link took too little. The fewer frames wait for it outside of the scheduler, the fewer stand
// before an urgent one: those that met no queue join it now, and the next try is smaller.
static void refused(struct dp_worker *w, struct dp_port *p, uint32_t n_sent)
{
	p->retry_ns = w->now_ns + DP_RETRY_NS;
	p->pull = (uint16_t)RTE_MAX(RTE_MIN(n_sent, DP_BURST), 1u);
	if (n_sent == 0)
		stuck(w, p);
	else
		p->stuck_ns = 0;
	if (p->plain && qos_sched_queued(p->sched) == 0)
		dp_queue_back(w, p);
}

// returns true when the port has nothing left to send.
static bool drain(struct dp_worker *w, struct dp_port *p)
{
	if (unlikely(p->followed_gen != w->snap->gen || p->vm_walk < p->n_vms))
		dp_queue_follow(w, p);
	// Before the wait for a limit, which may be long: their buffers are wanted now.
	if (unlikely(!p->drv->is_up(p->link))) {
		dp_queue_drop_all(w, p, DP_DROP_link_down);
		p->stuck_ns = 0;
		return true;
	}
	if (p->retry_ns > w->now_ns || (p->n_ready == 0 && p->wait_ns > w->now_ns))
		return false;
	for (uint32_t round = 0; round < TX_ROUNDS; round++) {
		uint32_t n_sent;

		if (p->n_ready == 0)
			dp_queue_pull(w, p);
		if (p->n_ready == 0)
			break;
		n_sent = send(w, p);
		if (p->n_ready > 0) {
			refused(w, p, n_sent);
			break;
		}
		p->stuck_ns = 0;
		p->pull = (uint16_t)RTE_MIN(p->pull * 2, DP_BURST);
	}
	dp_queue_count(p);
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
