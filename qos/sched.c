// The scheduler's packet path: enqueue, dequeue, and where each node stands between the two.
//
// Work per packet. An enqueue touches one flow, leaf and VM. A dequeue hands out at most RELEASES
// timers, compares 8 classes, looks at no more than LOOKS leaves or VMs that it does not serve, and
// drops at most DROPS packets. A flow is visited without being served only when its deficit is
// spent or it ran empty, both of which a packet sent earlier has caused; a flow gets at least its
// largest packet per visit, so there are at most three visits per listed flow. Parking a VM takes
// its (at most 8) leaves out of their orders. No loop runs over VMs or leaves.
#include <errno.h>

#include "sched_priv.h"

#define RELEASES 16
#define DROPS 4

static uint32_t bit_of(uint32_t cls)
{
	return 1u << cls;
}

// --- the list of those inside their reservation, and the timer

static void due_push(struct qos_sched *s, struct list *l, uint32_t id)
{
	struct qos_cal_node *n = &s->timers[id];

	n->state = PLACE_DUE;
	n->next = QOS_NONE;
	n->prev = l->tail;
	if (l->tail == QOS_NONE)
		l->head = id;
	else
		s->timers[l->tail].next = id;
	l->tail = id;
}

static void due_remove(struct qos_sched *s, struct list *l, uint32_t id)
{
	struct qos_cal_node *n = &s->timers[id];

	if (n->prev == QOS_NONE)
		l->head = n->next;
	else
		s->timers[n->prev].next = n->next;
	if (n->next == QOS_NONE)
		l->tail = n->prev;
	else
		s->timers[n->next].prev = n->prev;
}

static void timer_start(struct qos_sched *s, uint32_t id, uint64_t at_ns, enum place why)
{
	if (qos_cal_empty(&s->timer))
		s->timer.cur = s->front.now_ns >> TIMER_BITS;
	// The tick after: never early.
	qos_cal_insert(&s->timer, s->timers, id,
		       (int64_t)((at_ns >> TIMER_BITS) + 1 - s->timer.cur));
	s->timers[id].state = (uint16_t)why;
}

static void place_out(struct qos_sched *s, struct list *due, uint32_t id)
{
	if (s->timers[id].state == PLACE_DUE)
		due_remove(s, due, id);
	else
		qos_cal_remove(&s->timer, s->timers, id);
	s->timers[id].state = PLACE_OUT;
}

// Put a node that is out where its reservation says.
static void place_by(struct qos_sched *s, const struct qos_rate *r, struct list *due, uint32_t id)
{
	if (r->inv == 0)
		return;
	if (qos_rate_due(r, s->front.now_ns))
		due_push(s, due, id);
	else
		timer_start(s, id, r->ns, PLACE_WAIT);
}

static void leaf_place(struct qos_sched *s, uint32_t li)
{
	uint32_t cls = li % QOS_SCHED_CLASSES;
	struct class *c = &s->classes[cls];

	if (s->leaves[li].reservation.inv == 0 && s->timers[li].state == PLACE_OUT)
		return;
	place_out(s, &c->due, li);
	if (s->leaves[li].ready)
		place_by(s, &s->leaves[li].reservation, &c->due, li);
	s->due &= (uint8_t)~bit_of(cls);
	s->due |= (uint8_t)((c->due.head != QOS_NONE) << cls);
}

static void vm_place(struct qos_sched *s, uint32_t vm_idx)
{
	struct vm *v = &s->vms[vm_idx];
	uint32_t id = vm_timer(s, vm_idx);

	if (v->reservation.inv == 0 && s->timers[id].state == PLACE_OUT)
		return;
	place_out(s, &s->due_vms, id);
	if (v->backlog != 0 && !v->parked)
		place_by(s, &v->reservation, &s->due_vms, id);
}

// --- shares: virtual time

static uint64_t vt_cost(uint32_t bytes, uint32_t inv_weight)
{
	return (uint64_t)bytes * inv_weight >> (32 - VT_BITS);
}

static uint64_t vt_debt(uint32_t largest_bytes, uint32_t inv_weight)
{
	return VT_DEBT_PKTS * vt_cost(largest_bytes, inv_weight);
}

// Who comes back starts at the present, or where its debt ends. A debt beyond the greatest is an
// old account that has wrapped.
static uint64_t vt_resume(uint64_t vt, uint64_t now_vt, uint64_t debt)
{
	return vt - now_vt > debt ? now_vt : vt;
}

static uint64_t vt_charge(uint64_t vt, uint64_t now_vt, uint64_t cost, uint64_t debt)
{
	return (int64_t)(vt + cost - (now_vt + debt)) > 0 ? now_vt + debt : vt + cost;
}

static int64_t order_delta(const struct class *c, uint64_t vt)
{
	return (int64_t)(vt - (c->order.cur << VT_TICK_BITS)) >> VT_TICK_BITS;
}

static void order_insert(struct qos_sched *s, struct class *c, uint32_t li)
{
	if (qos_cal_empty(&c->order))
		c->order.cur = c->now_vt >> VT_TICK_BITS;
	qos_cal_insert(&c->order, s->orders, li, order_delta(c, s->leaves[li].vt));
}

// The leaf of a class whose turn it is, taken out of the order. Service in band A moves a leaf's
// time without moving the leaf: found too early, it goes where it belongs.
static uint32_t order_pop(struct qos_sched *s, struct class *c)
{
	for (uint32_t looks = 1;; looks++) {
		uint32_t li = qos_cal_pop(&c->order, s->orders, INT64_MAX);
		int64_t delta;

		assert(li != QOS_NONE);
		delta = order_delta(c, s->leaves[li].vt);
		if (delta <= 0 || looks == LOOKS || qos_cal_empty(&c->order)) {
			if ((int64_t)(s->leaves[li].vt - c->now_vt) > 0)
				c->now_vt = s->leaves[li].vt;
			return li;
		}
		qos_cal_insert(&c->order, s->orders, li, delta);
	}
}

// --- leaves and VMs come and go

static void leaf_in(struct qos_sched *s, uint32_t li)
{
	uint32_t cls = li % QOS_SCHED_CLASSES;
	struct leaf *l = &s->leaves[li];
	struct class *c = &s->classes[cls];

	if (l->limit.inv != 0 && !qos_rate_due(&l->limit, s->front.now_ns)) {
		timer_start(s, li, l->limit.ns, PLACE_PARKED);
		return;
	}
	l->ready = true;
	if (c->n_ready++ == 0) {
		c->vt = vt_resume(c->vt, s->now_vt, vt_debt(c->largest_bytes, c->inv_weight));
		s->ready |= (uint8_t)bit_of(cls);
	}
	l->vt = vt_resume(l->vt, c->now_vt, vt_debt(l->quantum_bytes, l->inv_weight));
	order_insert(s, c, li);
	leaf_place(s, li);
}

static void leaf_out(struct qos_sched *s, uint32_t li)
{
	uint32_t cls = li % QOS_SCHED_CLASSES;
	struct leaf *l = &s->leaves[li];
	struct class *c = &s->classes[cls];

	if (l->ready) {
		qos_cal_remove(&c->order, s->orders, li);
		l->ready = false;
		if (--c->n_ready == 0)
			s->ready &= (uint8_t)~bit_of(cls);
	}
	leaf_place(s, li);
}

// When both clocks of a VM's limits are due. One that is not set is due always.
static uint64_t vm_due_ns(const struct vm *v)
{
	if (v->limit.inv == 0 || v->pps.inv == 0)
		return v->limit.inv != 0 ? v->limit.ns : v->pps.ns;
	return (int64_t)(v->limit.ns - v->pps.ns) > 0 ? v->limit.ns : v->pps.ns;
}

static bool vm_due(const struct qos_sched *s, const struct vm *v)
{
	return (int64_t)(vm_due_ns(v) - s->front.now_ns) <= 0;
}

void qos_sched_vm_out(struct qos_sched *s, uint32_t vm_idx)
{
	for (uint32_t m = s->vms[vm_idx].backlog; m != 0; m &= m - 1)
		leaf_out(s, leaf_idx(vm_idx, (uint32_t)__builtin_ctz(m)));
	place_out(s, &s->due_vms, vm_timer(s, vm_idx));
}

void qos_sched_vm_in(struct qos_sched *s, uint32_t vm_idx)
{
	struct vm *v = &s->vms[vm_idx];

	v->parked = v->limited && !vm_due(s, v);
	if (v->parked) {
		if (v->backlog != 0)
			timer_start(s, vm_timer(s, vm_idx), vm_due_ns(v), PLACE_PARKED);
		return;
	}
	for (uint32_t m = v->backlog; m != 0; m &= m - 1)
		leaf_in(s, leaf_idx(vm_idx, (uint32_t)__builtin_ctz(m)));
	vm_place(s, vm_idx);
}

static void release(struct qos_sched *s, uint32_t id)
{
	uint32_t n_leaves = s->front.n_vms * QOS_SCHED_CLASSES;
	enum place was = s->timers[id].state;

	s->timers[id].state = PLACE_OUT;
	if (id < n_leaves && was == PLACE_PARKED)
		leaf_in(s, id);
	else if (id < n_leaves)
		leaf_place(s, id);
	else if (was == PLACE_PARKED)
		qos_sched_vm_in(s, id - n_leaves);
	else
		vm_place(s, id - n_leaves);
}

static void run_timer(struct qos_sched *s)
{
	for (uint32_t i = 0; i < RELEASES && !qos_cal_empty(&s->timer); i++) {
		int64_t within = (int64_t)((s->front.now_ns >> TIMER_BITS) - s->timer.cur);
		uint32_t id = qos_cal_pop(&s->timer, s->timers, within);

		if (id == QOS_NONE)
			return;
		release(s, id);
	}
}

// --- flows of a leaf

static struct flow *flow_at(struct qos_sched *s, uint32_t li, uint32_t flow_idx)
{
	return &s->flows[((size_t)li << s->flow_shift) + flow_idx];
}

static void flow_push(struct flow *flows, struct flow_list *l, uint16_t idx)
{
	flows[idx].next = NO_FLOW;
	if (l->head == NO_FLOW)
		l->head = idx;
	else
		flows[l->tail].next = idx;
	l->tail = idx;
}

// Take one packet off a flow and off every count.
static struct qos_pkt *flow_pop(struct qos_sched *s, uint32_t li, struct flow *f)
{
	struct qos_pkt *p = f->head;
	struct leaf *l = &s->leaves[li];

	f->head = p->next;
	if (f->head == NULL)
		f->tail = NULL;
	f->bytes -= p->wire_bytes;
	l->bytes -= p->wire_bytes;
	l->n_pkts--;
	s->vms[li / QOS_SCHED_CLASSES].n_pkts--;
	s->front.n_pkts--;
	p->next = NULL;
	return p;
}

static void drop(struct qos_sched *s, struct qos_pkt *p)
{
	if (s->dropped_head == NULL)
		s->dropped_head = p;
	else
		s->dropped_tail->next = p;
	s->dropped_tail = p;
}

// The flow whose turn it is: it has a packet and deficit left. RFC 8290 section 4.2: new flows
// first; an empty new flow becomes an old one, an empty old flow leaves.
static struct flow *flow_turn(struct qos_sched *s, uint32_t li)
{
	struct leaf *l = &s->leaves[li];
	struct flow *flows = flow_at(s, li, 0);

	for (;;) {
		bool fresh = l->fresh.head != NO_FLOW;
		struct flow_list *from = fresh ? &l->fresh : &l->old;
		uint16_t idx = from->head;
		struct flow *f = &flows[idx];

		if (f->deficit_bytes > 0 && f->head != NULL)
			return f;
		from->head = f->next;
		if (f->head == NULL && !fresh) {
			f->listed = false;
			continue;
		}
		if (f->deficit_bytes <= 0)
			f->deficit_bytes += (int32_t)l->quantum_bytes;
		flow_push(flows, &l->old, idx);
	}
}

static struct qos_pkt *leaf_pull(struct qos_sched *s, uint32_t li)
{
	const struct qos_codel_params *params = &s->classes[li % QOS_SCHED_CLASSES].params.codel;
	struct leaf *l = &s->leaves[li];

	for (uint32_t n_drops = 0;;) {
		struct flow *f = flow_turn(s, li);
		struct qos_pkt *p = flow_pop(s, li, f);
		enum qos_codel_verdict verdict = QOS_CODEL_PASS;

		if ((params->target_ns | params->step_ns) != 0 && n_drops < DROPS)
			verdict = qos_codel_next(
				&f->codel, params, s->front.now_ns,
				(struct qos_codel_pkt){ s->front.now_ns - p->in_ns, f->bytes,
							(p->flags & QOS_PKT_ECT) != 0 });
		if (f->head == NULL)
			qos_codel_empty(&f->codel);
		if (verdict == QOS_CODEL_DROP && l->n_pkts != 0) {
			n_drops++;
			STAT_ADD(l->dropped, 1);
			drop(s, p);
			continue;
		}
		if (verdict == QOS_CODEL_MARK) {
			p->flags |= QOS_PKT_CE;
			STAT_ADD(l->marked, 1);
		}
		f->deficit_bytes -= (int32_t)p->wire_bytes;
		return p;
	}
}

// --- whose turn it is

struct turn {
	uint32_t leaf; // QOS_NONE = nobody's
	bool reserved; // band A
	bool popped;   // out of its class's order
};

// Classes with a leaf that may be served now. One that its limit holds back does not save up its
// turns: it comes back at the present.
static uint32_t servable(struct qos_sched *s)
{
	uint32_t can = s->ready & ~(uint32_t)s->blocked;

	for (uint32_t m = can & s->limiting; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);
		struct class *c = &s->classes[cls];

		if (qos_rate_due(&c->limit, s->front.now_ns))
			continue;
		can &= ~bit_of(cls);
		if ((int64_t)(c->vt - s->now_vt) < 0)
			c->vt = s->now_vt;
	}
	return can;
}

// A leaf of a VM that is inside the VM's reservation. VMs whose classes are all held back go to
// the end of the list.
static uint32_t turn_of_vm(struct qos_sched *s, uint32_t can)
{
	for (uint32_t looks = 0; looks < LOOKS && s->due_vms.head != QOS_NONE; looks++) {
		uint32_t id = s->due_vms.head, vm_idx = id - s->front.n_vms * QOS_SCHED_CLASSES;

		for (uint32_t m = s->vms[vm_idx].backlog & can; m != 0; m &= m - 1) {
			uint32_t li = leaf_idx(vm_idx, (uint32_t)__builtin_ctz(m));

			if (s->leaves[li].ready)
				return li;
		}
		due_remove(s, &s->due_vms, id);
		due_push(s, &s->due_vms, id);
	}
	return QOS_NONE;
}

static struct turn turn_in_band_a(struct qos_sched *s, uint32_t can)
{
	for (uint32_t m = (s->due | s->reserving) & can; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);
		struct class *c = &s->classes[cls];

		if (c->due.head != QOS_NONE)
			return (struct turn){ .leaf = c->due.head, .reserved = true };
		if (c->reservation.inv != 0 && qos_rate_due(&c->reservation, s->front.now_ns))
			return (struct turn){ .leaf = order_pop(s, c),
					      .reserved = true,
					      .popped = true };
	}
	return (struct turn){ .leaf = turn_of_vm(s, can), .reserved = true };
}

// A turn that falls to a VM with a limit goes to the leaf of that VM which is furthest behind, by
// the shares of its class. Without this, the class that is most behind on the link would spend
// the whole limit each time, and the VM's other classes would starve.
static uint32_t most_behind(struct qos_sched *s, uint32_t li, uint32_t can)
{
	struct vm *v = &s->vms[li / QOS_SCHED_CLASSES];
	struct leaf *best = &s->leaves[li];

	for (uint32_t m = v->backlog & can; m != 0; m &= m - 1) {
		struct leaf *l =
			&s->leaves[leaf_idx(li / QOS_SCHED_CLASSES, (uint32_t)__builtin_ctz(m))];

		if (l->ready && (int64_t)(l->vm_vt - best->vm_vt) < 0)
			best = l;
	}
	if ((int64_t)(best->vm_vt - v->now_vt) > 0)
		v->now_vt = best->vm_vt;
	else // long held back, by its own limit or its class's
		best->vm_vt = v->now_vt;
	return (uint32_t)(best - s->leaves);
}

static struct turn turn_by_shares(struct qos_sched *s, uint32_t can)
{
	struct class *best = NULL;
	uint32_t first, li;

	for (uint32_t m = can; m != 0; m &= m - 1) {
		struct class *c = &s->classes[__builtin_ctz(m)];

		if (best == NULL || (int64_t)(c->vt - best->vt) < 0)
			best = c;
	}
	if (best == NULL)
		return (struct turn){ .leaf = QOS_NONE };
	if ((int64_t)(best->vt - s->now_vt) > 0)
		s->now_vt = best->vt;
	first = order_pop(s, best);
	if (!s->vms[first / QOS_SCHED_CLASSES].limited)
		return (struct turn){ .leaf = first, .popped = true };
	li = most_behind(s, first, can);
	if (li != first)
		order_insert(s, best, first);
	return (struct turn){ .leaf = li, .popped = li == first };
}

// --- paying for a packet

// Leaves may overdraw what their class or VM has reserved. That is kept for a while only, or a
// guarantee would be gone for long after.
static void charge_reservation(struct qos_rate *r, uint64_t now_ns, uint32_t bytes)
{
	uint64_t most;

	if (r->inv == 0)
		return;
	most = now_ns + OVERDRAFT_NS + (uint64_t)((unsigned __int128)bytes * r->inv >> 32);
	qos_rate_charge(r, now_ns, bytes);
	if ((int64_t)(r->ns - most) > 0)
		r->ns = most;
}

static void charge_limits(struct qos_sched *s, struct vm *v, uint32_t bytes)
{
	if (v->limit.inv != 0)
		qos_rate_charge(&v->limit, s->front.now_ns, bytes);
	if (v->pps.inv != 0)
		qos_rate_charge(&v->pps, s->front.now_ns, 1);
}

// What the link could have carried since it was free and there was something to send, beyond what
// it may catch up.
static void charge_link(struct qos_sched *s, uint32_t bytes)
{
	struct qos_rate *r = &s->front.rate;
	uint64_t from_ns = (int64_t)(r->ns - s->work_ns) > 0 ? r->ns : s->work_ns;
	int64_t lost_ns = (int64_t)(s->front.now_ns - from_ns) - (int64_t)r->burst_ns;

	if (lost_ns > 0 && s->work_ns <= s->front.now_ns)
		STAT_ADD(s->lost_bytes,
			 (uint64_t)(((unsigned __int128)(uint64_t)lost_ns << 32) / r->inv));
	qos_rate_charge(r, s->front.now_ns, bytes);
}

static void charge(struct qos_sched *s, uint32_t li, uint32_t bytes, bool reserved)
{
	struct leaf *l = &s->leaves[li];
	struct class *c = &s->classes[li % QOS_SCHED_CLASSES];
	struct vm *v = &s->vms[li / QOS_SCHED_CLASSES];

	if (s->front.rate.inv != 0)
		charge_link(s, bytes);
	c->vt = vt_charge(c->vt, s->now_vt, vt_cost(bytes, c->inv_weight),
			  vt_debt(c->largest_bytes, c->inv_weight));
	l->vt = vt_charge(l->vt, c->now_vt, vt_cost(bytes, l->inv_weight),
			  vt_debt(l->quantum_bytes, l->inv_weight));
	if (c->limit.inv != 0)
		qos_rate_charge(&c->limit, s->front.now_ns, bytes);
	if (v->limited) {
		charge_limits(s, v, bytes);
		l->vm_vt = vt_charge(l->vm_vt, v->now_vt, vt_cost(bytes, c->inv_weight),
				     vt_debt(l->quantum_bytes, c->inv_weight));
	}
	if (l->limit.inv != 0)
		qos_rate_charge(&l->limit, s->front.now_ns, bytes);
	if (reserved) {
		charge_reservation(&c->reservation, s->front.now_ns, bytes);
		charge_reservation(&v->reservation, s->front.now_ns, bytes);
		charge_reservation(&l->reservation, s->front.now_ns, bytes);
		STAT_ADD(s->gates[li].reserved_bytes, bytes);
	}
}

// log4 of the wait in units of 4096 ns.
static uint32_t wait_bucket(uint64_t wait_ns)
{
	uint64_t x = wait_ns >> 12;
	uint32_t bucket = (64 - (uint32_t)__builtin_clzll(x | 1) + 1) / 2;

	if (x == 0)
		return 0;
	return bucket < QOS_SCHED_WAITS ? bucket : QOS_SCHED_WAITS - 1;
}

static void count(struct qos_sched *s, uint32_t li, const struct qos_pkt *p)
{
	struct class *c = &s->classes[li % QOS_SCHED_CLASSES];
	uint64_t wait_ns = s->front.now_ns - p->in_ns;
	struct qos_gate_leaf *g = &s->gates[li];

	STAT_ADD(g->sent_bytes, p->wire_bytes);
	STAT_ADD(g->sent_pkts, 1);
	STAT_SET(g->last_wait_ns, wait_ns < UINT32_MAX ? (uint32_t)wait_ns : UINT32_MAX);
	STAT_ADD(g->waits[wait_bucket(wait_ns)], 1);
	STAT_ADD(c->sent_bytes, p->wire_bytes);
	STAT_ADD(c->sent_pkts, 1);
	if (wait_ns > c->max_wait_ns)
		STAT_SET(c->max_wait_ns, wait_ns);
	STAT_ADD(s->sent_bytes, p->wire_bytes);
	STAT_ADD(s->sent_pkts, 1);
}

// After its packet left: where do the leaf and its VM stand now?
static void settle(struct qos_sched *s, const struct turn *t)
{
	uint32_t li = t->leaf, vm_idx = li / QOS_SCHED_CLASSES;
	struct leaf *l = &s->leaves[li];
	struct vm *v = &s->vms[vm_idx];

	if (l->n_pkts == 0) {
		leaf_out(s, li);
		v->backlog &= (uint8_t)~bit_of(li % QOS_SCHED_CLASSES);
	} else if (l->limit.inv != 0 && !qos_rate_due(&l->limit, s->front.now_ns)) {
		STAT_ADD(l->parked, 1);
		leaf_out(s, li);
		timer_start(s, li, l->limit.ns, PLACE_PARKED);
	} else {
		if (t->popped)
			order_insert(s, &s->classes[li % QOS_SCHED_CLASSES], li);
		if (t->reserved)
			leaf_place(s, li);
	}
	if (v->limited && !vm_due(s, v)) {
		STAT_ADD(v->n_parked, 1);
		qos_sched_vm_out(s, vm_idx);
		qos_sched_vm_in(s, vm_idx);
	} else if (t->reserved || v->backlog == 0) {
		vm_place(s, vm_idx);
	}
}

// --- the public packet path

static void set_now(struct qos_sched *s, uint64_t now_ns)
{
	if (now_ns > s->front.now_ns)
		s->front.now_ns = now_ns;
}

struct qos_pkt *qos_sched_dequeue(struct qos_sched *s, uint64_t now_ns)
{
	struct qos_pkt *p;
	struct turn t;
	uint32_t can;

	set_now(s, now_ns);
	if (s->front.n_pkts == 0 ||
	    (s->front.rate.inv != 0 && !qos_rate_due(&s->front.rate, s->front.now_ns)))
		return NULL;
	run_timer(s);
	can = servable(s);
	t = turn_in_band_a(s, can);
	if (t.leaf == QOS_NONE)
		t = turn_by_shares(s, can);
	if (t.leaf == QOS_NONE) {
		s->work_ns = qos_sched_next_ns(s);
		return NULL;
	}
	p = leaf_pull(s, t.leaf);
	charge(s, t.leaf, p->wire_bytes, t.reserved);
	count(s, t.leaf, p);
	s->vms[t.leaf / QOS_SCHED_CLASSES].n_bufs -= p->n_bufs;
	settle(s, &t);
	if (s->front.n_pkts == 0)
		s->work_ns = UINT64_MAX;
	return p;
}

uint32_t qos_sched_dequeue_burst(struct qos_sched *s, struct qos_pkt **out, uint32_t n,
				 uint64_t now_ns)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		out[i] = qos_sched_dequeue(s, now_ns);
		if (out[i] == NULL)
			break;
	}
	return i;
}

void qos_sched_block(struct qos_sched *s, uint32_t class_mask)
{
	// What comes back does not save up its turns.
	for (uint32_t m = s->blocked & ~class_mask; m != 0; m &= m - 1) {
		struct class *c = &s->classes[__builtin_ctz(m)];

		if ((int64_t)(c->vt - s->now_vt) < 0)
			c->vt = s->now_vt;
	}
	if ((s->ready & s->blocked & ~class_mask) != 0 && s->work_ns > s->front.now_ns)
		s->work_ns = s->front.now_ns;
	s->blocked = (uint8_t)class_mask;
	s->front.closed = s->limiting | s->blocked;
}

void qos_sched_set_buf_quota(struct qos_sched *s, uint32_t n_bufs)
{
	s->buf_quota = n_bufs;
}

// May it join? Half of what room is left is the most that one flow may hold, so that a flow which
// does not slow down leaves room for its siblings.
static int admit(struct qos_sched *s, struct leaf *l, const struct flow *f, const struct qos_pkt *p)
{
	const struct qos_class_params *c = &s->classes[p->cls].params;
	const struct vm *v = &s->vms[p->vm_idx];
	uint64_t bytes = (uint64_t)l->bytes + p->wire_bytes;

	if (s->buf_quota != 0 && (uint64_t)v->n_bufs + p->n_bufs > s->buf_quota) {
		STAT_ADD(l->refused_quota, 1);
		return -EDQUOT;
	}
	if ((p->flags & QOS_PKT_YELLOW) != 0 && l->bytes > c->max_leaf_bytes / 2 &&
	    c->max_leaf_bytes != 0) {
		STAT_ADD(l->refused_bytes, 1);
		return -ENOBUFS;
	}
	if (c->max_leaf_bytes != 0 && (bytes > c->max_leaf_bytes ||
				       (f->head != NULL && f->bytes + bytes > c->max_leaf_bytes))) {
		STAT_ADD(l->refused_bytes, 1);
		return -ENOBUFS;
	}
	if (c->max_wait_ns != 0 && f->head != NULL &&
	    s->front.now_ns - f->head->in_ns > c->max_wait_ns) {
		STAT_ADD(l->refused_wait, 1);
		return -ETIME;
	}
	return 0;
}

static int check(const struct qos_sched *s, const struct qos_pkt *p)
{
	if (p->vm_idx >= s->front.n_vms || p->cls >= QOS_SCHED_CLASSES ||
	    !s->vms[p->vm_idx].present)
		return -ENOENT;
	return p->wire_bytes == 0 || p->wire_bytes > QOS_WIRE_MAX_BYTES ? -EMSGSIZE : 0;
}

static void wake(struct qos_sched *s, uint32_t vm_idx, uint32_t cls)
{
	struct vm *v = &s->vms[vm_idx];
	struct leaf *l = &s->leaves[leaf_idx(vm_idx, cls)];
	bool first = v->backlog == 0;

	if (s->work_ns > s->front.now_ns)
		s->work_ns = s->front.now_ns;
	l->vm_vt = vt_resume(l->vm_vt, v->now_vt,
			     vt_debt(l->quantum_bytes, s->classes[cls].inv_weight));
	v->backlog |= (uint8_t)bit_of(cls);
	if (first)
		qos_sched_vm_in(s, vm_idx);
	else if (!v->parked)
		leaf_in(s, leaf_idx(vm_idx, cls));
}

int qos_sched_enqueue(struct qos_sched *s, struct qos_pkt *p, uint64_t now_ns)
{
	int err = check(s, p);
	uint32_t li, idx;
	struct leaf *l;
	struct flow *f;

	set_now(s, now_ns);
	if (err < 0)
		return err;
	li = leaf_idx(p->vm_idx, p->cls);
	l = &s->leaves[li];
	idx = p->flow_hash & (s->n_flows - 1);
	f = flow_at(s, li, idx);
	err = admit(s, l, f, p);
	if (err < 0)
		return err;
	p->next = NULL;
	p->in_ns = s->front.now_ns;
	if (f->head == NULL)
		f->head = p;
	else
		f->tail->next = p;
	f->tail = p;
	f->bytes += p->wire_bytes;
	l->bytes += p->wire_bytes;
	if (p->wire_bytes > l->quantum_bytes)
		l->quantum_bytes = p->wire_bytes;
	if (p->wire_bytes > s->classes[p->cls].largest_bytes)
		s->classes[p->cls].largest_bytes = p->wire_bytes;
	if (!f->listed) {
		f->listed = true;
		f->deficit_bytes = (int32_t)l->quantum_bytes;
		flow_push(flow_at(s, li, 0), &l->fresh, (uint16_t)idx);
	}
	s->front.n_pkts++;
	s->vms[p->vm_idx].n_pkts++;
	s->vms[p->vm_idx].n_bufs += p->n_bufs;
	if (l->n_pkts++ == 0)
		wake(s, p->vm_idx, p->cls);
	return 0;
}

// Every clock that applies must be due; then all are charged.
bool qos_sched_idle_pass_clocks(struct qos_sched *s, const struct qos_pkt *p, uint64_t now_ns)
{
	uint32_t li = leaf_idx(p->vm_idx, p->cls), bytes = p->wire_bytes;
	struct leaf *l = &s->leaves[li];
	struct class *c = &s->classes[p->cls];
	struct vm *v = &s->vms[p->vm_idx];

	set_now(s, now_ns);
	now_ns = s->front.now_ns;
	if (!v->present || (s->blocked & bit_of(p->cls)) != 0)
		return false;
	if ((l->limit.inv != 0 && !qos_rate_due(&l->limit, now_ns)) ||
	    (c->limit.inv != 0 && !qos_rate_due(&c->limit, now_ns)) ||
	    (v->limited && !vm_due(s, v)))
		return false;
	if (s->front.rate.inv != 0)
		qos_rate_charge(&s->front.rate, now_ns, bytes);
	if (l->limit.inv != 0)
		qos_rate_charge(&l->limit, now_ns, bytes);
	if (c->limit.inv != 0)
		qos_rate_charge(&c->limit, now_ns, bytes);
	charge_limits(s, v, bytes);
	STAT_ADD(s->gates[li].sent_bytes, bytes);
	STAT_ADD(s->gates[li].sent_pkts, 1);
	STAT_SET(s->gates[li].last_wait_ns, 0);
	return true;
}

struct qos_pkt *qos_sched_take_dropped(struct qos_sched *s)
{
	struct qos_pkt *p = s->dropped_head;

	if (p != NULL) {
		s->dropped_head = p->next;
		p->next = NULL;
		s->vms[p->vm_idx].n_bufs -= p->n_bufs;
	}
	return p;
}

uint64_t qos_sched_next_ns(const struct qos_sched *s)
{
	uint64_t at = UINT64_MAX;
	int64_t ticks = qos_cal_next(&s->timer);

	if (s->front.n_pkts == 0)
		return UINT64_MAX;
	if (ticks != INT64_MAX)
		at = (s->timer.cur + (uint64_t)ticks) << TIMER_BITS;
	for (uint32_t m = s->ready & ~(uint32_t)s->blocked; m != 0; m &= m - 1) {
		const struct class *c = &s->classes[__builtin_ctz(m)];
		uint64_t due_ns =
			qos_rate_due(&c->limit, s->front.now_ns) ? s->front.now_ns : c->limit.ns;

		at = due_ns < at ? due_ns : at;
	}
	if (!qos_rate_due(&s->front.rate, s->front.now_ns) && at < s->front.rate.ns)
		at = s->front.rate.ns;
	return at < s->front.now_ns ? s->front.now_ns : at;
}

uint32_t qos_sched_queued(const struct qos_sched *s)
{
	return s->front.n_pkts;
}
