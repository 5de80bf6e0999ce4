// What a port's sender may send: rates of a worker follow the configuration, a VM over its total is
// not polled, and a meter guards each port.
//
// A VM's total is one, whatever its ports: each worker has one account per VM, and all queues of
// the VM that it polls pay into it. Several workers share the total evenly by number, as they
// cannot ask each other what they need; exact is what one worker polls. What was received is paid
// for, also what is dropped later: it was the VM's to send. The account may be overdrawn by one
// burst, and nothing is asked for before that is paid.
//
// On the wire a super-frame is what it will become; in packets it is one, as it was handed over.
#include "switch_priv.h"

enum {
	// TFTP is bounded by what waits for the responder (service.c). This bounds the responder's
	// work for a guest that floods, and a transfer never meets it: block by block iPXE sends
	// 40,000 acknowledgements/s, and by windows of 32 these would be 4.7 GB/s.
	TRANSFER_PPS = 100000,
	TRANSFER_BURST = 64,
	PKT_BITS = 8, // a packet is a byte of qos_rate
	LEAST_PART_BITS_PER_S = QOS_SCHED_MIN_BITS_PER_S / DP_MAX_WORKERS,
};

// A worker's part of a rate. 0 is "none", so the part of a rate is never 0.
static uint64_t part(uint64_t rate, uint32_t share, uint64_t least)
{
	return rate == 0 ? 0 : RTE_MAX(rate / (share == 0 ? 1 : share), least);
}

static void buckets_follow(struct dp_worker *w, const struct dp_rxq *rxq)
{
	const struct dp_port_params *cfg = &rxq->view->cfg;
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);
	void (*set)(struct qos_bucket *, uint64_t, uint32_t, uint64_t) =
		pw->rated_for == 0 ? qos_bucket_init : qos_bucket_set_rate;
	const struct {
		struct qos_bucket *b;
		uint32_t pps;
	} limits[] = { { &pw->broadcast, cfg->broadcast_pps },
		       { &pw->unknown, cfg->unknown_pps },
		       { &pw->control, cfg->control_pps } };

	for (uint32_t i = 0; i < RTE_DIM(limits); i++) {
		uint32_t pps = (uint32_t)part(limits[i].pps, rxq->n_share, 1);

		set(limits[i].b, pps, pps / 4 + 16, w->now_ns);
	}
	// A firmware's requests come by one queue, so the burst is whole on each worker.
	set(&pw->dhcp, (uint32_t)part(cfg->dhcp_pps, rxq->n_share, 1), cfg->dhcp_burst_pkts,
	    w->now_ns);
	set(&pw->neighbour, (uint32_t)part(cfg->neighbour_pps, rxq->n_share, 1), cfg->neighbour_pps,
	    w->now_ns);
	set(&pw->transfer, TRANSFER_PPS, TRANSFER_BURST, w->now_ns);
}

// The burst stays whole: a super-frame must fit it on any worker.
static void meter_follow(struct dp_worker *w, const struct dp_rxq *rxq)
{
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);
	struct qos_meter_params p = { .mode = QOS_METER_NONE };

	if (rxq->view->vm != NULL)
		p = rxq->view->vm->p.meter;
	p.committed_bits_per_s =
		part(p.committed_bits_per_s, rxq->n_share, QOS_METER_MIN_BITS_PER_S);
	p.second_bits_per_s = part(p.second_bits_per_s, rxq->n_share, QOS_METER_MIN_BITS_PER_S);
	// Parameters that are none do not get here; if they did, the port would keep its meter.
	(void)qos_meter_set(&pw->meter, &p, w->now_ns);
	pw->metered = pw->meter.mode != QOS_METER_NONE;
}

// FNV-1a of the name: an index is another VM's one day, which must not pay this one's debt.
static uint64_t whose(const struct dp_vm_params *p)
{
	uint64_t h = 0xcbf29ce484222325;

	for (uint32_t i = 0; i < sizeof(p->name) && p->name[i] != 0; i++)
		h = (h ^ (uint8_t)p->name[i]) * 0x100000001b3;
	return h;
}

static void hold_follow(struct dp_limit *l)
{
	l->hold_ns = l->bits.inv != 0 ? l->bits.ns : l->pkts.ns;
	if (l->bits.inv != 0 && l->pkts.inv != 0 && (int64_t)(l->pkts.ns - l->bits.ns) > 0)
		l->hold_ns = l->pkts.ns;
}

static void limit_set(struct dp_limit *l, const struct dp_vm_view *vm, uint32_t share,
		      uint64_t now_ns)
{
	uint64_t bits = part(vm->p.from_bits_per_s, share, LEAST_PART_BITS_PER_S);
	uint64_t pkts = part(vm->p.from_pps, share, 1) * PKT_BITS;
	uint32_t burst_bytes = qos_rate_burst(bits, 0);
	uint32_t burst_pkts = qos_rate_burst(pkts, QOS_RATE_BURST_FRAMES);
	uint32_t max = DP_BURST;

	if (l->whose != whose(&vm->p))
		*l = (struct dp_limit){ .whose = whose(&vm->p) };
	qos_rate_set(&l->bits, bits, burst_bytes, now_ns);
	qos_rate_set(&l->pkts, pkts, burst_pkts, now_ns);
	hold_follow(l);
	// No more than a burst at once: what is overdrawn is waited for, at a low rate for long.
	if (bits != 0)
		max = RTE_MIN(max, burst_bytes / QOS_RATE_FRAME_BYTES);
	if (pkts != 0)
		max = RTE_MIN(max, burst_pkts);
	l->pkts_max = max;
	l->serial = vm->serial;
	l->share = share;
}

static void limit_follow(struct dp_worker *w, const struct dp_rxq *rxq)
{
	const struct dp_vm_view *vm = rxq->view->vm;
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);
	struct dp_limit *l;

	if (vm == NULL || (vm->p.from_bits_per_s == 0 && vm->p.from_pps == 0)) {
		pw->limit = NULL;
		pw->held_ns = 0;
		return;
	}
	l = &w->limits[vm->idx];
	if (l->serial != vm->serial || l->share != rxq->vm_share)
		limit_set(l, vm, rxq->vm_share, w->now_ns);
	pw->limit = l;
}

void dp_rates_follow(struct dp_worker *w, const struct dp_rxq *rxq)
{
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);

	buckets_follow(w, rxq);
	meter_follow(w, rxq);
	limit_follow(w, rxq);
	pw->rated_for = rxq->view->serial;
	pw->rated_vm = dp_vm_serial(rxq->view);
	pw->rated_share = dp_shares(rxq);
}

bool dp_limit_holds(struct dp_worker *w, const struct dp_rxq *rxq)
{
	struct dp_port_pw *pw = dp_pw(w, rxq->view->port);
	bool holds;

	// Not polled, a queue must see here that its limit has changed.
	if (dp_rates_are_stale(w, rxq))
		dp_rates_follow(w, rxq);
	holds = pw->limit != NULL && (int64_t)(pw->limit->hold_ns - w->now_ns) > 0;
	if (pw->held_ns != 0)
		pw->c[DP_PC_rx_held_ns] += w->now_ns - pw->held_ns;
	pw->held_ns = holds ? w->now_ns : 0;
	if (holds && pw->limit->hold_ns < w->release_ns)
		w->release_ns = pw->limit->hold_ns;
	return holds;
}

void dp_limit_charge(struct dp_worker *w, const struct dp_batch *b)
{
	struct dp_limit *l = dp_pw(w, b->v->port)->limit;
	uint32_t bytes = b->gone_bytes, n = b->n_gone;

	for (uint32_t i = 0; i < b->n_runs; i++) {
		const struct dp_run *r = &b->runs[i];

		bytes += r->n * dp_rx_wire_bytes(dp_head(b, r)); // all of a run are alike
		n += r->n;
	}
	if (l->bits.inv != 0)
		qos_rate_charge(&l->bits, w->now_ns, bytes);
	if (l->pkts.inv != 0)
		qos_rate_charge(&l->pkts, w->now_ns, n);
	hold_follow(l);
}

// Nobody has looked at the request yet: one that does not fit the packet will be dropped, and is
// charged as it is.
uint32_t dp_super_wire_bytes(const struct rte_mbuf *m)
{
	const struct dp_meta *meta = dp_meta_const(m);
	uint32_t size = rte_pktmbuf_pkt_len(m), hdr = 0;

	if ((meta->p.flags & DP_PF_L4) != 0 && meta->p.ip_proto == 6 &&
	    meta->tso_segsz >= DP_TSO_MIN)
		hdr = meta->p.l4_off + (uint32_t)(dp_data(m)[meta->p.l4_off + 12] >> 4) * 4;
	if (hdr == 0 || hdr >= size)
		return qos_wire_bytes(size, 1, 0);
	return qos_wire_bytes(size, (size - hdr + meta->tso_segsz - 1) / meta->tso_segsz, hdr);
}

// A run goes on as the runs of one colour that it falls into.
static void meter_run(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r)
{
	struct qos_meter *meter = &dp_pw(w, b->v->port)->meter;
	const struct dp_meta head = *dp_meta(dp_head(b, r));
	enum qos_colour in = (head.flags & DP_MF_YELLOW) != 0 ? QOS_YELLOW : QOS_GREEN;
	enum qos_colour last = QOS_RED;
	uint32_t bytes = dp_rx_wire_bytes(dp_head(b, r));

	for (uint16_t i = r->first; i < r->first + r->n; i++) {
		enum qos_colour colour = qos_meter_colour(meter, bytes, w->now_ns, in);
		struct dp_meta *meta = dp_meta(b->pkts[i]);

		if (colour != last) {
			*meta = head;
			meta->flags &= (uint8_t)~DP_MF_YELLOW;
			meta->flags |= colour == QOS_YELLOW ? DP_MF_YELLOW : 0;
			if (colour != QOS_RED)
				b->runs[b->n_runs++] = (struct dp_run){ .first = i };
			last = colour;
		}
		if (colour == QOS_RED) {
			meta->in_port = b->v->port->idx;
			meta->flags = head.flags;
			dp_drop_in(w, b->pkts[i], DP_DROP_meter_red, DP_STAGE_admit);
		} else {
			b->runs[b->n_runs - 1].n++;
		}
	}
}

void dp_meter_burst(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_run runs[DP_BURST];
	uint32_t n = b->n_runs;

	memcpy(runs, b->runs, n * sizeof(runs[0]));
	b->n_runs = 0;
	for (uint32_t i = 0; i < n; i++)
		meter_run(w, b, &runs[i]);
}

void dp_limit_share(struct dp_snapshot *s, uint32_t n_workers)
{
	uint8_t workers[DP_MAX_VMS] = { 0 }; // of each VM, one bit each
	static_assert(DP_MAX_WORKERS <= 8, "bits");

	for (uint32_t id = 0; id < n_workers; id++) {
		for (uint32_t i = 0; i < s->n_rxqs[id]; i++) {
			if (s->rxqs[id][i].view->vm != NULL)
				workers[s->rxqs[id][i].view->vm->idx] |= (uint8_t)(1u << id);
		}
	}
	for (uint32_t id = 0; id < n_workers; id++) {
		for (uint32_t i = 0; i < s->n_rxqs[id]; i++) {
			struct dp_rxq *q = &s->rxqs[id][i];

			if (q->view->vm != NULL)
				q->vm_share =
					(uint8_t)__builtin_popcount(workers[q->view->vm->idx]);
		}
	}
}
