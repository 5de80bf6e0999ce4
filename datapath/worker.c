// A worker's loop: the walk of a packet, one hop after the other (design.md section 2).
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "of_priv.h"
#include "weir_rcu.h"

enum {
	SILENT_US = 1000, // a queue without a frame for so long is silent: looked at in sweeps only
	SWEEP_NS = 20000,
	HELD_MAX = 64, // frames received before some are sent: they are still in the first cache
	IDLE_TURNS = 2000, // empty turns before the first nap
	FIRST_NAP_US = 5,
	HANDOVER_BURST = 64,
	QUOTA_NS = 20000, // not much of a pool is received in it
	QUOTA_PART = 4,	  // of the free buffers
};

void dp_drop_in(struct dp_worker *w, struct rte_mbuf *m, enum dp_drop reason, enum dp_stage stage)
{
	struct dp_meta *meta = dp_meta(m);
	const struct dp_view *v = w->snap->views[meta->in_port];

	if (unlikely((meta->flags & DP_MF_TRACE) != 0))
		dp_tap_hop(w, m, stage, reason);
	dp_pw(w, v->port)->drop_in[reason]++;
	rte_pktmbuf_free(m);
}

void dp_drop_out(struct dp_worker *w, struct dp_port *p, struct rte_mbuf *m, enum dp_drop reason,
		 enum dp_stage stage)
{
	if (unlikely((dp_meta(m)->flags & DP_MF_TRACE) != 0))
		dp_tap_hop(w, m, stage, reason);
	dp_pw(w, p)->drop_out[reason]++;
	rte_pktmbuf_free(m);
}

void dp_drop_run(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r,
		 enum dp_drop reason, enum dp_stage stage)
{
	for (uint32_t i = 0; i < r->n; i++) {
		dp_meta(b->pkts[r->first + i])->in_port = b->v->port->idx;
		dp_drop_in(w, b->pkts[r->first + i], reason, stage);
	}
}

// May neighbours join this frame's run? Only where nothing is looked at but what likeness()
// compares, and nothing is done that goes by the frame: plain unicast in one buffer. Not boot
// requests, whose payload the guard reads, nor priority tags, which are cut out.
static bool heads_run(const struct rte_mbuf *m, const struct dp_meta *meta)
{
	const struct dp_parse *p = &meta->p;

	return p->plain && meta->flags == 0 && m->nb_segs == 1 && (dp_data(m)[0] & 1) == 0 &&
	       p->dport != 67 && p->dport != 4011 && (p->n_tags == 0 || (p->tci[0] & 0xfff) != 0);
}

enum likeness {
	APART,
	KIN, // but for addresses of IP, and ports that nothing but tables and portals go by
	SAME,
};

// Ports that parse, the guard or the classifier knows: DHCP, TFTP, DHCPv6, PXE, VXLAN.
static inline bool is_special(uint16_t port)
{
	return unlikely(port <= DP_VXLAN_PORT) &&
	       ((uint16_t)(port - 67) <= 2 || (uint16_t)(port - 546) <= 1 || port == 4011 ||
		port == DP_VXLAN_PORT);
}

// Does m say what the head of the run says? Of IPv4 all but identification, TTL and checksum is
// compared, of L4 the ports and TCP's header size.
static inline enum likeness likeness(const struct rte_mbuf *head, const struct rte_mbuf *m)
{
	// From IPv4's total length to its protocol.
	static const uint8_t but_id_ttl[8] = { 255, 255, 0, 0, 255, 255, 0, 255 };
	const struct dp_parse *p = &dp_meta_const(head)->p;
	const uint8_t *a = dp_data(head), *b = dp_data(m);
	uint64_t diff = dp_load64(a) ^ dp_load64(b);

	if (diff != 0 || rte_pktmbuf_data_len(m) != rte_pktmbuf_data_len(head) || m->nb_segs != 1 ||
	    dp_meta_const(m)->flags != 0)
		return APART;
	diff = dp_load64(a + 8) ^ dp_load64(b + 8);
	a += p->l3_off;
	b += p->l3_off;
	diff |= dp_load32(a - 2) ^ dp_load32(b - 2);
	diff |= (dp_load64(a + 2) ^ dp_load64(b + 2)) & dp_load64(but_id_ttl);
	if (p->ip_proto == 6)
		diff |= (a[32] ^ b[32]) & 0xf0;
	if (diff != 0)
		return APART;
	diff = dp_load64(a + 12) ^ dp_load64(b + 12);
	diff |= dp_load32(a + 20) ^ dp_load32(b + 20);
	if (diff == 0)
		return SAME;
	return is_special(dp_be16(b + 20)) || is_special(dp_be16(b + 22)) ? APART : KIN;
}

// What parse would say of a frame that is kin to one that it has seen.
static inline void take_after(const struct dp_meta *kin, const struct rte_mbuf *m,
			      struct dp_meta *out)
{
	const uint8_t *l4 = dp_data(m) + kin->p.l4_off;

	*out = *kin;
	out->p.sport = dp_be16(l4);
	out->p.dport = dp_be16(l4 + 2);
}

// What is known of a frame before any hop has seen it.
static inline void come_in(const struct dp_rxq *rxq, struct rte_mbuf *m)
{
	const struct dp_view *v = rxq->view;
	struct dp_meta *meta = dp_meta(m);

	meta->in_port = v->port->idx;
	meta->in_queue = rxq->q;
	meta->vm_idx = v->vm == NULL ? 0 : v->vm->idx;
	meta->vid = 0;
	meta->pcp = 0;
	meta->sto = 0;
	dp_parse(dp_data(m), rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m), &meta->p);
}

// rx and parse. A frame longer than any we carry, and not a super-frame, ends here.
// returns how many were received
static uint16_t receive(struct dp_worker *w, const struct dp_rxq *rxq, struct dp_batch *b)
{
	const struct dp_port *p = rxq->view->port;
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);
	uint16_t max = unlikely(pw->limit != NULL) ? (uint16_t)pw->limit->pkts_max : DP_BURST;
	uint16_t n = p->drv->rx_burst(p->link, rxq->q, b->pkts, max);
	const struct rte_mbuf *head = NULL; // of a run that may grow
	struct dp_run *run = b->runs;	    // the next one
	// The first of those that are kin, which the stores of its parse have left by now.
	const struct dp_meta *kin = NULL;
	bool tapped = w->snap->tap != NULL;
	uint64_t n_bytes = 0;

	b->v = rxq->view;
	b->n_gone = 0;
	b->gone_bytes = 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(dp_data(b->pkts[i]));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		struct dp_meta *meta = dp_meta(m);
		uint32_t size = rte_pktmbuf_pkt_len(m);
		enum likeness like = head == NULL ? APART : likeness(head, m);

		n_bytes += size;
		if (like == SAME) {
			run[-1].n++;
			continue;
		}
		run->first = i;
		run->n = 1;
		run->kin = like == KIN;
		if (like == KIN) {
			take_after(kin, m, meta);
			head = m;
			run++;
			continue;
		}
		come_in(rxq, m);
		head = NULL;
		if (unlikely(size > DP_FRAME_MAX) &&
		    (size > DP_SUPER_FRAME_MAX || (meta->flags & DP_MF_TSO) == 0)) {
			b->n_gone++;
			b->gone_bytes += qos_wire_bytes(size, 1, 0);
			dp_drop_in(w, m, DP_DROP_l2_oversize, DP_STAGE_rx);
			continue;
		}
		run++;
		if (!tapped && heads_run(m, meta)) {
			head = m;
			kin = meta;
		}
	}
	b->n_runs = (uint32_t)(run - b->runs);
	pw->c[DP_PC_rx_pkts] += n;
	pw->c[DP_PC_rx_bytes] += n_bytes;
	if (unlikely(tapped))
		dp_tap_rx(w, b);
	return n;
}

// While somebody looks, each frame is a run of its own.
static void trace_stage(struct dp_worker *w, struct dp_batch *b, enum dp_stage stage)
{
	for (uint32_t i = 0; i < b->n_runs; i++) {
		if ((dp_meta(dp_head(b, &b->runs[i]))->flags & DP_MF_TRACE) != 0)
			dp_tap_hop(w, dp_head(b, &b->runs[i]), stage, DP_DROP_none);
	}
}

static uint32_t walk(struct dp_worker *w, const struct dp_rxq *rxq)
{
	const struct dp_view *v = rxq->view;
	struct dp_port_pw *pw = dp_pw(w, v->port);
	struct dp_batch b;
	uint16_t n_rx;

	n_rx = receive(w, rxq, &b);
	if (n_rx == 0)
		return 0;
	if (unlikely(dp_rates_are_stale(w, rxq)))
		dp_rates_follow(w, rxq);
	if (unlikely(pw->limit != NULL))
		dp_limit_charge(w, &b);
	dp_admit_burst(w, &b);
	dp_learn_burst(w, &b);
	dp_classify_burst(w, &b);
	if (unlikely(b.n_storage > 0))
		dp_storage_burst(w, &b);
	if (unlikely(w->snap->tap != NULL))
		trace_stage(w, &b, DP_STAGE_classify);
	dp_forward_burst(w, &b);
	return n_rx;
}

// The configuration in force, from here on.
static inline void see_root(struct dp_worker *w)
{
	w->snap = atomic_load_explicit(&w->sw->root, memory_order_acquire);
	if (likely(w->snap->gen == w->seen_gen))
		return;
	dp_tx_forget_removed(w);
	w->seen_gen = w->snap->gen;
	w->next_sweep_ns = 0; // its queues have not been heard yet
}

// The view of the port that a frame was handed over for. returns NULL when the port is gone
static const struct dp_view *view_of(const struct dp_worker *w, const struct dp_meta *meta)
{
	const struct dp_view *v = w->snap->views[meta->out_port];

	return v != NULL && v->port->gen == meta->out_gen ? v : NULL;
}

// The first of pkts[n], as many as are for one port, join its scheduler. returns how many
static uint32_t hand_on(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n)
{
	const struct dp_view *v = view_of(w, dp_meta(pkts[0]));
	uint32_t k = 1;

	if (v == NULL) {
		// Counted at the worker: the port that could count it is gone.
		atomic_store_explicit(&w->gone_pkts, w->gone_pkts + 1, memory_order_relaxed);
		rte_pktmbuf_free(pkts[0]);
		return 1;
	}
	while (k < n && dp_meta(pkts[k])->out_port == v->port->idx &&
	       dp_meta(pkts[k])->out_gen == v->port->gen)
		k++;
	dp_enqueue(w, v->port, pkts, k);
	return k;
}

// Frames of one urgency that other workers received for links of ours. A sender may be a snapshot
// ahead of this turn, and its frames mean ports and VMs of that one. returns how many
static uint32_t take_handover(struct dp_worker *w, uint32_t urgency)
{
	struct rte_mbuf *pkts[HANDOVER_BURST];
	uint32_t n_all = 0;

	for (uint32_t from = 0; from < w->sw->n_workers; from++) {
		uint32_t n;

		if (w->in[from][urgency] == NULL)
			continue;
		n = rte_ring_sc_dequeue_burst(w->in[from][urgency], (void **)pkts, HANDOVER_BURST,
					      NULL);
		if (n > 0)
			see_root(w);
		for (uint32_t i = 0, k; i < n; i += k)
			k = hand_on(w, pkts + i, n - i);
		n_all += n;
	}
	return n_all;
}

// The responder waits for room in the ring. Asked in each turn, so that it needs no fence: what is
// not seen in this turn is in the next.
static void injects_tell(struct dp_worker *w)
{
	if (rte_ring_count(w->injects) > DP_INJECTS / 2)
		return;
	atomic_store_explicit(&w->sw->injects_wait, false, memory_order_relaxed);
	w->punted = true;
}

// Frames that the responder made.
static uint32_t take_injects(struct dp_worker *w)
{
	struct dp_punt *p = &w->scratch;
	uint32_t n = 0;

	while (n < DP_BURST && rte_ring_sc_dequeue_elem(w->injects, p, sizeof(*p)) == 0) {
		const struct dp_view *v = w->snap->views[p->port];
		struct rte_mbuf *m;
		struct dp_meta *meta;

		n++;
		if (v == NULL || v->port->gen != p->gen)
			continue; // its guest is gone: nothing was generated
		dp_pw(w, v->port)->c[DP_PC_generated_pkts]++;
		m = rte_pktmbuf_alloc(w->pool);
		if (m == NULL) {
			dp_pw(w, v->port)->drop_in[DP_DROP_no_mbuf]++;
			continue;
		}
		memcpy(rte_pktmbuf_append(m, p->size), p->data, p->size);
		meta = dp_meta(m);
		memset(meta, 0, sizeof(*meta));
		dp_parse(dp_data(m), p->size, p->size, &meta->p);
		meta->in_port = p->port;
		meta->vid = p->vid;
		meta->cls = p->cls;
		dp_pw(w, v->port)->c[DP_PC_forwarded_pkts]++;
		dp_output(w, &m, 1, v);
	}
	if (unlikely(atomic_load_explicit(&w->sw->injects_wait, memory_order_relaxed)))
		injects_tell(w);
	return n;
}

// Queues that talk are polled in each turn. Silent ones cost the others time, so a busy worker
// looks at them every SWEEP_NS, and one that found nothing to do last time always. A VM that has
// used up what it may send is not polled: its frames wait in its own queue, and none is lost.
static uint32_t poll_queues(struct dp_worker *w)
{
	struct dp_rxq *rxqs = w->snap->rxqs[w->id];
	uint32_t n = w->snap->n_rxqs[w->id], now_us = (uint32_t)(w->now_ns / 1000), n_rx = 0;
	bool sweep = w->now_ns >= w->next_sweep_ns;
	// Ports before this one have been tried in this turn, or wait from earlier ones.
	uint32_t untried = w->n_dirty, n_held = 0;

	w->release_ns = UINT64_MAX;
	if (sweep)
		w->next_sweep_ns = w->now_ns + SWEEP_NS;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t got;

		if (!sweep && now_us - rxqs[i].heard_us > SILENT_US)
			continue;
		if (unlikely(dp_pw(w, rxqs[i].view->port)->limit != NULL) &&
		    dp_limit_holds(w, &rxqs[i])) {
			rxqs[i].heard_us = now_us; // nobody knows whether it is silent
			continue;
		}
		got = walk(w, &rxqs[i]);
		if (got == 0)
			continue;
		rxqs[i].heard_us = now_us;
		n_rx += got;
		n_held += got;
		if (n_held >= HELD_MAX) {
			// What is urgent does not wait for the end of a long turn.
			if (w->sw->n_workers > 1 && take_handover(w, 0) > 0)
				untried = 0;
			// These are the queues of a configuration that is over.
			if (unlikely(w->snap->rxqs[w->id] != rxqs))
				break;
			untried = dp_tx_dirty(w, untried);
			n_held = 0;
		}
	}
	if (n_rx == 0)
		w->next_sweep_ns = 0;
	return n_rx;
}

// One VM's frames may hold on one link a part of what buffers are free, so that the last ones are
// never one VM's: however many guests stop reading, each takes a part of what the others left.
static void quota_set(struct dp_worker *w)
{
	// Without those in caches: to count them would take a look into every thread's.
	uint32_t n_free = rte_mempool_get_ops(w->pool->ops_index)->get_count(w->pool);
	uint32_t most = w->sw->params.queue_len;

	w->buf_quota = RTE_MAX(RTE_MIN(n_free / QUOTA_PART, most), 1u); // 0 = any number
	w->next_quota_ns = w->now_ns + QUOTA_NS;
}

uint32_t dp_worker_turn(struct dp_worker *w, uint64_t now_ns, uint32_t now_s)
{
	uint32_t n_rx, n_other;

	w->now_ns = now_ns;
	w->now_s = now_s;
	see_root(w);
	if (now_ns >= w->next_quota_ns)
		quota_set(w);
	if (unlikely(now_ns >= w->storage_next_ns))
		dp_storage_age(w);
	w->sent = false;
	n_other = take_injects(w);
	if (w->sw->n_workers > 1)
		n_other += take_handover(w, 0) + take_handover(w, 1);
	if (w->snap->of != NULL)
		n_other += dp_of_take_outs(w, w->snap->of);
	n_rx = poll_queues(w);
	if (w->snap->of != NULL && w->snap->of->pw[w->id]->punted)
		dp_of_kick(w->snap->of, w->snap->of->pw[w->id]);
	if (w->n_dirty > 0)
		dp_tx_dirty(w, 0);
	if (unlikely(w->n_told > 0))
		dp_storage_flush(w);
	if (unlikely(w->punted)) {
		w->punted = false;
		eventfd_write(w->sw->punt_fd, 1);
	}
	w->snap = NULL;
	atomic_store_explicit(&w->turns, w->turns + 1, memory_order_relaxed);
	if (n_rx > 0 || w->sent) {
		atomic_store_explicit(&w->busy_turns, w->busy_turns + 1, memory_order_relaxed);
		atomic_store_explicit(&w->rx_pkts, w->rx_pkts + n_rx, memory_order_relaxed);
	}
	return n_rx + n_other + w->n_dirty;
}

// By a 32.32 factor: one multiplication per turn, no wrap before 2^64 ns.
uint64_t dp_tsc_to_ns(uint64_t tsc)
{
	static __uint128_t ns_per_tsc;

	if (unlikely(ns_per_tsc == 0))
		ns_per_tsc = ((__uint128_t)1000000000u << 32) / rte_get_tsc_hz();
	return (uint64_t)((tsc * ns_per_tsc) >> 32);
}

uint64_t dp_switch_now_ns(void)
{
	return dp_tsc_to_ns(rte_rdtsc());
}

// An idle worker naps, longer and longer, offline for RCU; any work ends it. Not beyond the time at
// which a VM that is held back may send again.
static void nap(struct dp_worker *w, uint32_t *us)
{
	uint64_t left_ns = w->release_ns - w->now_ns;
	struct timespec ts = { .tv_nsec = (long)RTE_MIN(*us * 1000ull, left_ns) };

	if (left_ns < FIRST_NAP_US * 1000)
		return;
	atomic_store_explicit(&w->naps, w->naps + 1, memory_order_relaxed);
	weir_rcu_offline(w->sw->rcu, w->id);
	nanosleep(&ts, NULL);
	weir_rcu_online(w->sw->rcu, w->id);
	*us = *us * 2 > w->sw->params.max_sleep_us ? w->sw->params.max_sleep_us : *us * 2;
}

int dp_worker_main(void *arg)
{
	struct dp_worker *w = arg;
	uint32_t us = FIRST_NAP_US;
	uint64_t start, busy;

	weir_rcu_join(w->sw->rcu, w->id);
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		start = rte_rdtsc();
		uint64_t now_ns = dp_tsc_to_ns(start);
		uint64_t rx_before = w->rx_pkts;
		uint32_t n = dp_worker_turn(w, now_ns, (uint32_t)(now_ns / 1000000000u));

		weir_rcu_report(w->sw->rcu, w->id);
		if (n > 0) {
			if (w->rx_pkts != rx_before || w->sent) {
				busy = w->busy_cycles + rte_rdtsc() - start;
				atomic_store_explicit(&w->busy_cycles, busy, memory_order_relaxed);
			}
			w->idle_turns = 0;
			us = FIRST_NAP_US;
		} else if (w->sw->params.max_sleep_us > 0 && ++w->idle_turns > IDLE_TURNS) {
			nap(w, &us);
		}
	}
	weir_rcu_leave(w->sw->rcu, w->id);
	return 0;
}
