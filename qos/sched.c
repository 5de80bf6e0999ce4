// The scheduler's packet path: enqueue, dequeue, and where each node stands between the two.
//
// Work per packet. An enqueue touches one flow, leaf and VM. A dequeue hands out at most
// QOS_SCHED_RELEASES timers, compares 8 classes, looks at no more than LOOKS leaves or VMs that it
// does not serve, and drops at most DROPS packets. Flows that are passed over have been paid for by
// bytes sent before (sched_flow_priv.h). Parking a VM takes its (at most 8) leaves out of their
// orders. No loop runs over VMs or leaves.
//
// In a burst time stands still, so what is not due at its start does not become due in it: clocks
// of classes are asked once and then after they are charged, and when band A has nothing left it is
// not asked again.
#include <errno.h>

#include "sched_flow_priv.h"
#include "sched_place_priv.h"

// --- whose turn it is

struct turn {
	struct leaf *leaf; // NULL = nobody's
	struct vm *vm;
	uint32_t cls;
	const struct qos_rate *by; // the reservation that it is inside of; NULL = band B
	bool popped;		   // out of its class's order
};

static inline struct turn turn_for(struct leaf *l, const struct qos_rate *by, bool popped)
{
	return (struct turn){
		.leaf = l, .vm = vm_of(l), .cls = l->cls, .by = by, .popped = popped
	};
}

// The leaves that come next in a class: the state of each is called into the cache in four steps,
// each a turn of the class after the other, so that no step waits for the one before. First what
// lies at a known distance from the leaf, then the flow that it names, then that one's packet and
// the flow after it, then the packet of this one. Always inline: gcc takes a function that only
// prefetches for one without effect.
static inline __attribute__((always_inline)) void look_ahead(struct qos_sched *s, struct class *c,
							     uint32_t cls)
{
	uint32_t slot = c->order.cur % QOS_CAL_NEAR;
	size_t flows =
		offsetof(struct vm, flows) + ((size_t)cls << s->flow_shift) * sizeof(struct flow);
	struct leaf *ahead[5];
	struct flow *f;
	struct vm *v;

	if ((c->order.near_map[slot / 64] >> slot % 64 & 1) == 0)
		return;
	ahead[0] = leaf_by_order(s, c->order.near[slot]);
	for (uint32_t i = 1; i < 5; i++)
		ahead[i] = leaf_by_order(s, ahead[i - 1]->order.next);
	v = vm_of_class(ahead[4], cls);
	__builtin_prefetch(ahead[4], 1);
	__builtin_prefetch(v, 1);
	__builtin_prefetch(&v->gates[cls], 1);
	if (ahead[3]->limited || ahead[3]->reservation_kbits != 0)
		__builtin_prefetch(&ahead[3]->reservation, 1);
	f = (struct flow *)((char *)vm_of_class(ahead[3], cls) + flows);
	__builtin_prefetch(flow_first(ahead[3], f), 1);
	f = (struct flow *)((char *)vm_of_class(ahead[2], cls) + flows);
	__builtin_prefetch(flow_first(ahead[2], f)->head, 1);
	__builtin_prefetch(&f[flow_first(ahead[2], f)->next], 1);
	f = (struct flow *)((char *)vm_of_class(ahead[1], cls) + flows);
	__builtin_prefetch(f[flow_first(ahead[1], f)->next & s->flow_mask].head, 1);
}

// What the clocks of classes say. One that its limit holds back does not save up its turns: it
// comes back at the present.
static void ask_classes(struct qos_sched *s)
{
	s->held = s->reserved = 0;
	for (uint32_t m = s->limiting; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);

		if (qos_rate_due(&s->classes[cls].limit, s->front.now_ns))
			continue;
		s->held |= bit_of(cls);
		if ((int64_t)(s->vts[cls] - s->now_vt) < 0)
			s->vts[cls] = s->now_vt;
	}
	for (uint32_t m = s->reserving; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);

		if (qos_rate_due(&s->classes[cls].reservation, s->front.now_ns))
			s->reserved |= bit_of(cls);
	}
}

static inline uint32_t servable(const struct qos_sched *s)
{
	return s->ready & ~(s->blocked | s->held);
}

// A leaf of a VM that is inside the VM's reservation. VMs whose classes are all held back go to
// the end of the list.
static struct turn turn_of_vm(struct qos_sched *s, uint32_t can)
{
	for (uint32_t looks = 0; looks < LOOKS && s->due_vms.head != QOS_NONE; looks++) {
		struct vm *v = vm_by_wait(s, s->due_vms.head);
		uint32_t m = v->ready & can;

		if (m != 0)
			return turn_for(&v->leaves[__builtin_ctz(m)], &v->reservation, false);
		qos_sched_due_vm_last(s, v);
	}
	return (struct turn){ .leaf = NULL };
}

static struct turn turn_in_band_a(struct qos_sched *s, uint32_t can)
{
	uint32_t m = (s->due | s->reserved) & can, cls;
	struct class *c;
	struct leaf *l;

	if (m == 0)
		return turn_of_vm(s, can);
	cls = (uint32_t)__builtin_ctz(m);
	c = &s->classes[cls];
	if (c->due.head != QOS_NONE) {
		l = leaf_by_wait(s, c->due.head);
		return turn_for(l, &l->reservation, false);
	}
	if (UNLIKELY(s->urgent[cls] != 0)) {
		l = leaf_by_order(s, s->deadlines[__builtin_ctzll(s->urgent[cls])].leaf);
		return turn_for(l, &c->reservation, false);
	}
	l = order_pop(s, c);
	look_ahead(s, c, cls);
	return turn_for(l, &c->reservation, true);
}

// A turn that falls to a VM whose limit is tight goes to the leaf of that VM which is furthest
// behind, by the shares of its class. Without this, the class that is most behind on the link would
// spend the whole limit each time, and the VM's other classes would starve.
static struct leaf *most_behind(struct vm *v, uint32_t best, uint32_t can)
{
	for (uint32_t m = v->ready & can; m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);

		if ((int32_t)(v->vt[cls] - v->vt[best]) < 0)
			best = cls;
	}
	if ((int32_t)(v->vt[best] - v->now_vt) > 0)
		v->now_vt = v->vt[best];
	else // long held back, by its own limit or its class's
		v->vt[best] = v->now_vt;
	return &v->leaves[best];
}

static inline struct turn turn_by_shares(struct qos_sched *s, uint32_t can)
{
	uint32_t best = (uint32_t)__builtin_ctz(can);
	struct turn t;
	struct leaf *l;

	for (uint32_t m = can & (can - 1); m != 0; m &= m - 1) {
		uint32_t cls = (uint32_t)__builtin_ctz(m);

		best = (int64_t)(s->vts[cls] - s->vts[best]) < 0 ? cls : best;
	}
	if ((int64_t)(s->vts[best] - s->now_vt) > 0)
		s->now_vt = s->vts[best];
	t = turn_for(order_pop(s, &s->classes[best]), NULL, true);
	look_ahead(s, &s->classes[best], best);
	if (LIKELY(!t.vm->tight))
		return t;
	l = most_behind(t.vm, best, can);
	if (l == t.leaf)
		return t;
	order_insert(s, &s->classes[best], t.leaf);
	return turn_for(l, NULL, false);
}

// --- paying for a packet

// Leaves may overdraw what their class or VM has reserved. That is kept for a while only, or a
// guarantee would be gone for long after.
static inline void charge_reservation(struct qos_rate *r, uint64_t now_ns, uint32_t bytes)
{
	uint64_t most;

	if (r->inv == 0)
		return;
	most = now_ns + OVERDRAFT_NS + (uint64_t)((unsigned __int128)bytes * r->inv >> 32);
	qos_rate_charge(r, now_ns, bytes);
	if ((int64_t)(r->ns - most) > 0)
		r->ns = most;
}

// A limit whose clocks have rested for their bursts is not tight any more.
static inline void charge_vm(struct vm *v, uint64_t now_ns, uint32_t bytes, uint32_t n_pkts)
{
	bool rested = true;

	if (v->limit.inv != 0) {
		rested = (int64_t)(now_ns - v->limit.ns) > (int64_t)v->limit.burst_ns;
		qos_rate_charge(&v->limit, now_ns, bytes);
	}
	if (v->paced) {
		rested &= (int64_t)(now_ns - v->pps.ns) > (int64_t)v->pps.burst_ns;
		qos_rate_charge(&v->pps, now_ns, n_pkts);
	}
	if (rested)
		v->tight = false;
}

// What the link could have carried since it was free and there was something to send, beyond what
// it may catch up.
static __attribute__((noinline)) void count_lost(struct qos_sched *s)
{
	const struct qos_rate *r = &s->front.rate;
	uint64_t from_ns = (int64_t)(r->ns - s->work_ns) > 0 ? r->ns : s->work_ns;
	int64_t lost_ns = (int64_t)(s->front.now_ns - from_ns) - (int64_t)r->burst_ns;

	if (lost_ns > 0 && s->work_ns <= s->front.now_ns)
		QOS_STAT_ADD(s->lost_bytes,
			     (uint64_t)(((unsigned __int128)(uint64_t)lost_ns << 32) / r->inv));
}

// The clocks of all that the packets passed, but for the link's.
static void charge_clocks(struct qos_sched *s, const struct turn *t, uint32_t bytes,
			  uint32_t n_pkts)
{
	uint64_t now_ns = s->front.now_ns;
	struct leaf *l = t->leaf;
	struct class *c = &s->classes[t->cls];
	struct vm *v = t->vm;

	if ((s->limiting & bit_of(t->cls)) != 0) {
		qos_rate_charge(&c->limit, now_ns, bytes);
		s->held |= (!qos_rate_due(&c->limit, now_ns) << t->cls);
	}
	if (v->limited) {
		charge_vm(v, now_ns, bytes, n_pkts);
		if (v->tight)
			vm_vt_charge(v, c, t->cls, bytes);
	}
	if (l->limited)
		qos_rate_charge(&l->limit, now_ns, bytes);
	if (t->by == NULL)
		return;
	charge_reservation(&c->reservation, now_ns, bytes);
	if (!qos_rate_due(&c->reservation, now_ns))
		s->reserved &= ~bit_of(t->cls);
	if (v->reserved)
		charge_reservation(&v->reservation, now_ns, bytes);
	if (l->reservation_kbits != 0)
		charge_reservation(&l->reservation, now_ns, bytes);
	QOS_STAT_ADD(v->gates[t->cls].reserved_bytes, bytes);
}

// What a turn sent counts in shares, whichever band it was in. In band B who is served is not ahead
// of the present, so it cannot reach the end of its debt.
static inline void charge_shares(struct qos_sched *s, const struct turn *t, uint32_t bytes)
{
	struct leaf *l = t->leaf;
	struct class *c = &s->classes[t->cls];
	uint64_t cost = vt_cost(bytes, c->inv_weight), leaf_cost = vt_cost(bytes, l->inv_weight);

	if (LIKELY(t->by == NULL && t->popped)) {
		s->vts[t->cls] += cost;
		l->vt += leaf_cost;
		return;
	}
	s->vts[t->cls] = vt_charge(s->vts[t->cls], s->now_vt, cost,
				   vt_debt(c->largest_bytes, c->inv_weight));
	l->vt = vt_charge(l->vt, c->now_vt, leaf_cost, vt_debt(c->largest_bytes, l->inv_weight));
}

// log4 of the wait in units of 4096 ns.
static inline uint32_t wait_bucket(uint64_t wait_ns)
{
	uint64_t x = wait_ns >> 12;
	uint32_t bucket;

	if (x == 0)
		return 0;
	bucket = (65 - (uint32_t)__builtin_clzll(x)) / 2;
	return bucket < QOS_SCHED_WAITS ? bucket : QOS_SCHED_WAITS - 1;
}

// --- one turn of one leaf

static void drop(struct qos_sched *s, struct leaf *l, struct qos_pkt *p)
{
	QOS_STAT_ADD(l->dropped, 1);
	QOS_STAT_ADD(s->front.n_pkts, -1u);
	p->next = NULL;
	if (s->dropped_head == NULL)
		s->dropped_head = p;
	else
		s->dropped_tail->next = p;
	s->dropped_tail = p;
}

static inline struct qos_pkt *leaf_pull(struct qos_sched *s, const struct turn *t,
					struct flow *flows)
{
	struct leaf *l = t->leaf;
	struct class *c = &s->classes[t->cls];
	const struct qos_codel_params *params = &c->params.codel;
	uint32_t mask = s->flow_mask;

	for (uint32_t n_drops = 0;;) {
		struct flow *f = flow_turn(l, flows);
		struct qos_pkt *p = f->head;
		enum qos_codel_verdict verdict = QOS_CODEL_PASS;
		uint64_t wait_ns = s->front.now_ns - p->in_ns;

		f->head = p->next;
		f->bytes -= p->wire_bytes;
		QOS_STAT_ADD(l->bytes, -p->wire_bytes);
		QOS_STAT_ADD(l->n_pkts, -1u);
		if (wait_ns >= c->codel_ns && n_drops < DROPS)
			verdict = qos_codel_next(
				&f->codel, params, s->front.now_ns,
				(struct qos_codel_pkt){ wait_ns, f->bytes,
							(p->flags & QOS_PKT_ECT) != 0 });
		else if (wait_ns < c->codel_ns)
			qos_codel_below(&f->codel);
		if (UNLIKELY(f->head == NULL))
			flow_empty(flows, f, mask);
		if (UNLIKELY(verdict == QOS_CODEL_DROP && l->n_pkts != 0)) {
			n_drops++;
			drop(s, l, p);
			continue;
		}
		if (UNLIKELY(verdict == QOS_CODEL_MARK)) {
			p->flags |= QOS_PKT_CE;
			QOS_STAT_ADD(l->marked, 1);
		}
		flow_pay(l, flows, f, p->wire_bytes);
		return p;
	}
}

// After its turn: where do the leaf and its VM stand now?
static inline void settle(struct qos_sched *s, const struct turn *t)
{
	struct leaf *l = t->leaf;
	struct vm *v = t->vm;

	if (UNLIKELY(l->n_pkts == 0)) {
		qos_sched_leaf_out(s, l);
		v->backlog &= (uint8_t)~bit_of(t->cls);
	} else if (l->limited && !qos_rate_due(&l->limit, s->front.now_ns)) {
		QOS_STAT_ADD(l->parked, 1);
		qos_sched_leaf_out(s, l);
		qos_sched_timer_start(s, &l->wait, l->limit.ns, PLACE_PARKED);
	} else {
		if (t->popped)
			order_insert(s, &s->classes[t->cls], l);
		if (t->by != NULL)
			leaf_place(s, l);
	}
	if (v->limited && !vm_due(v, s->front.now_ns)) {
		QOS_STAT_ADD(v->n_parked, 1);
		if (!v->tight)
			for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++)
				v->vt[cls] = v->now_vt;
		v->tight = true;
		qos_sched_vm_out(s, v);
		qos_sched_vm_in(s, v);
	} else if (t->by != NULL || v->backlog == 0) {
		qos_sched_vm_place(s, v);
	}
}

// Could a clock pay for a whole turn and be due still?
static inline bool pays_turn(const struct qos_rate *r, uint64_t now_ns, uint32_t units)
{
	uint64_t cost_ns = (uint64_t)((unsigned __int128)units * r->inv >> 32);

	return (int64_t)(r->ns + cost_ns - now_ns) <= 0;
}

// How many bytes the leaf may send before its clocks are charged: a turn where all of them can pay
// for it, else one packet.
static inline uint32_t turn_bytes(const struct qos_sched *s, const struct turn *t)
{
	const struct leaf *l = t->leaf;
	const struct vm *v = t->vm;
	uint64_t now_ns = s->front.now_ns;

	if (!pays_turn(&s->front.rate, now_ns, TURN_BYTES))
		return 1;
	if (t->by != NULL && !pays_turn(t->by, now_ns, TURN_BYTES))
		return 1;
	if ((s->limiting & bit_of(t->cls)) != 0 &&
	    !pays_turn(&s->classes[t->cls].limit, now_ns, TURN_BYTES))
		return 1;
	if (l->limited && !pays_turn(&l->limit, now_ns, TURN_BYTES))
		return 1;
	if (v->limited && (v->tight || !pays_turn(&v->limit, now_ns, TURN_BYTES) ||
			   (v->paced && !pays_turn(&v->pps, now_ns, TURN_PKTS))))
		return 1;
	return TURN_BYTES;
}

static inline void charge_link(struct qos_sched *s, uint32_t bytes)
{
	struct qos_rate *r = &s->front.rate;

	if (r->inv == 0)
		return;
	if (UNLIKELY((int64_t)(s->front.now_ns - r->ns) > (int64_t)r->burst_ns))
		count_lost(s);
	qos_rate_charge(r, s->front.now_ns, bytes);
}

// Serve one leaf. returns how many packets, at least one
static inline uint32_t serve(struct qos_sched *s, const struct turn *t, struct qos_pkt **out,
			     uint32_t n)
{
	struct leaf *l = t->leaf;
	struct vm *v = t->vm;
	struct class *c = &s->classes[t->cls];
	struct qos_gate_leaf *g = &v->gates[t->cls];
	struct flow *flows = &v->flows[t->cls << s->flow_shift];
	uint32_t most = turn_bytes(s, t), bytes = 0, i = 0, n_bufs = 0;
	uint64_t wait_ns;

	do {
		struct qos_pkt *p = leaf_pull(s, t, flows);

		out[i++] = p;
		bytes += p->wire_bytes;
		n_bufs += p->n_bufs;
		wait_ns = s->front.now_ns - p->in_ns;
		QOS_STAT_ADD(g->waits[wait_bucket(wait_ns)], 1);
		if (UNLIKELY(wait_ns > c->max_wait_ns))
			QOS_STAT_SET(c->max_wait_ns, wait_ns);
		p->next = NULL;
	} while (i < n && bytes < most && l->n_pkts != 0);
	charge_link(s, bytes);
	if ((s->limiting & bit_of(t->cls)) != 0 || v->limited || l->limited || t->by != NULL)
		charge_clocks(s, t, bytes, i);
	QOS_STAT_SET(g->last_wait_ns, wait_ns < UINT32_MAX ? (uint32_t)wait_ns : UINT32_MAX);
	QOS_STAT_ADD(s->front.n_pkts, -i);
	QOS_STAT_ADD(v->n_bufs, -n_bufs);
	QOS_STAT_ADD(g->sent_bytes, bytes);
	QOS_STAT_ADD(g->sent_pkts, i);
	QOS_STAT_ADD(c->sent_bytes, bytes);
	QOS_STAT_ADD(c->sent_pkts, i);
	charge_shares(s, t, bytes);
	settle(s, t);
	return i;
}

// --- the public packet path

uint32_t qos_sched_dequeue_burst(struct qos_sched *s, struct qos_pkt **out, uint32_t n,
				 uint64_t now_ns)
{
	bool band_a = true;
	uint32_t i = 0;

	sched_set_now(s, now_ns);
	if (s->front.n_pkts == 0 || !qos_rate_due(&s->front.rate, s->front.now_ns))
		return 0;
	qos_sched_run_timer(s, &s->timer, TIMER_BITS);
	qos_sched_run_timer(s, &s->slow_timer, SLOW_TIMER_BITS);
	ask_classes(s);
	while (i < n && qos_rate_due(&s->front.rate, s->front.now_ns)) {
		uint32_t can = servable(s);
		struct turn t = { .leaf = NULL };

		if (can == 0)
			break;
		if (band_a) {
			t = turn_in_band_a(s, can);
			band_a = t.leaf != NULL;
		}
		if (t.leaf == NULL)
			t = turn_by_shares(s, can);
		i += serve(s, &t, out + i, n - i);
	}
	if (s->front.n_pkts == 0)
		s->work_ns = UINT64_MAX;
	else if (servable(s) == 0)
		s->work_ns = qos_sched_next_ns(s);
	return i;
}

struct qos_pkt *qos_sched_dequeue(struct qos_sched *s, uint64_t now_ns)
{
	struct qos_pkt *p;

	return qos_sched_dequeue_burst(s, &p, 1, now_ns) == 1 ? p : NULL;
}

// May it join? Half of what room is left is the most that one flow may hold, so that a flow which
// does not slow down leaves room for its siblings.
static inline int admit(struct qos_sched *s, struct vm *v, struct flow *f, const struct qos_pkt *p)
{
	const struct qos_class_params *c = &s->classes[p->cls].params;
	struct leaf *l = &v->leaves[p->cls];
	struct refused *refused = &v->refused[p->cls];
	uint64_t bytes = (uint64_t)l->bytes + p->wire_bytes, most = c->max_leaf_bytes;

	// The less urgent, the less of the quota: a VM's bulk leaves room for its storage.
	if (s->buf_quota != 0 &&
	    (uint64_t)v->n_bufs + p->n_bufs > s->buf_quota - s->buf_quota / 16 * p->cls) {
		QOS_STAT_ADD(refused->quota, 1);
		return -EDQUOT;
	}
	if (most != 0 && (f->bytes + bytes > most ||
			  ((p->flags & QOS_PKT_YELLOW) != 0 && l->bytes > most / 2))) {
		QOS_STAT_ADD(refused->bytes, 1);
		return -ENOBUFS;
	}
	if (c->max_wait_ns != 0 && flow_waits(f, s->front.now_ns, c->max_wait_ns)) {
		QOS_STAT_ADD(refused->wait, 1);
		return -ETIME;
	}
	return 0;
}

static __attribute__((noinline)) void wake(struct qos_sched *s, struct vm *v, uint32_t cls)
{
	bool first = v->backlog == 0;

	if (s->work_ns > s->front.now_ns)
		s->work_ns = s->front.now_ns;
	vm_vt_resume(v, &s->classes[cls], cls);
	v->backlog |= (uint8_t)bit_of(cls);
	if (first)
		qos_sched_vm_in(s, v);
	else if (!v->parked)
		qos_sched_leaf_in(s, &v->leaves[cls]);
}

static __attribute__((noinline)) void see_larger(struct class *c, struct leaf *l, uint32_t bytes)
{
	if (bytes > l->quantum_bytes && bytes <= MAX_QUANTUM_BYTES)
		l->quantum_bytes = (uint16_t)bytes;
	if (bytes > c->largest_bytes)
		c->largest_bytes = bytes;
}

// Where a packet belongs. returns 0; -ENOENT or -EMSGSIZE
static inline int find_vm(const struct qos_sched *s, const struct qos_pkt *p, struct vm **v)
{
	if (UNLIKELY(p->vm_idx >= s->front.n_vms || p->cls >= QOS_SCHED_CLASSES))
		return -ENOENT;
	*v = vm_at(s, p->vm_idx);
	return UNLIKELY(p->wire_bytes - 1 >= QOS_WIRE_MAX_BYTES) ? -EMSGSIZE : 0;
}

static inline int enqueue(struct qos_sched *s, struct vm *v, struct qos_pkt *p)
{
	struct flow *flows = &v->flows[(uint32_t)p->cls << s->flow_shift];
	struct leaf *l = &v->leaves[p->cls];
	uint32_t mask = s->flow_mask, idx;
	int err;

	if (UNLIKELY(!v->present))
		return -ENOENT;
	idx = flow_find(flows, p->flow_hash, mask);
	if (s->buf_quota != 0 || (s->bounded >> p->cls & 1) != 0) {
		err = admit(s, v, &flows[idx], p);
		if (UNLIKELY(err < 0))
			return err;
	}
	if (UNLIKELY(p->wire_bytes >
		     l->quantum_bytes)) // else not more than c->largest_bytes either
		see_larger(&s->classes[p->cls], l, p->wire_bytes);
	p->in_ns = s->front.now_ns;
	flow_append(l, flows, idx, mask, p);
	QOS_STAT_ADD(l->bytes, p->wire_bytes);
	QOS_STAT_ADD(l->n_pkts, 1);
	QOS_STAT_ADD(v->n_bufs, p->n_bufs);
	QOS_STAT_ADD(s->front.n_pkts, 1);
	if (UNLIKELY(l->n_pkts == 1))
		wake(s, v, p->cls);
	return 0;
}

int qos_sched_enqueue(struct qos_sched *s, struct qos_pkt *p, uint64_t now_ns)
{
	struct vm *v;
	int err;

	sched_set_now(s, now_ns);
	err = find_vm(s, p, &v);
	return UNLIKELY(err < 0) ? err : enqueue(s, v, p);
}

// Three steps over so many packets, each reading what the one before called into the cache.
#define CHUNK 32u

static uint32_t enqueue_chunk(struct qos_sched *s, struct qos_pkt *const *pkts, uint32_t n,
			      int *errs)
{
	struct flow *flows[CHUNK];
	struct vm *vms[CHUNK];
	uint32_t n_in = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct qos_pkt *p = pkts[i];

		errs[i] = find_vm(s, p, &vms[i]);
		flows[i] = NULL;
		if (UNLIKELY(errs[i] < 0))
			continue;
		flows[i] = &vms[i]->flows[((uint32_t)p->cls << s->flow_shift) +
					  (p->flow_hash & s->flow_mask)];
		__builtin_prefetch(vms[i], 1);
		__builtin_prefetch(&vms[i]->leaves[p->cls], 1);
		__builtin_prefetch(flows[i], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		if (LIKELY(flows[i] != NULL))
			__builtin_prefetch(flows[i]->tail, 1);
	for (uint32_t i = 0; i < n; i++) {
		if (LIKELY(errs[i] == 0))
			errs[i] = enqueue(s, vms[i], pkts[i]);
		n_in += errs[i] == 0;
	}
	return n_in;
}

uint32_t qos_sched_enqueue_burst(struct qos_sched *s, struct qos_pkt *const *pkts, uint32_t n,
				 uint64_t now_ns, int *errs)
{
	uint32_t n_in = 0;

	sched_set_now(s, now_ns);
	for (uint32_t i = 0; i < n; i += CHUNK)
		n_in += enqueue_chunk(s, pkts + i, n - i < CHUNK ? n - i : CHUNK, errs + i);
	return n_in;
}

// Every clock that applies must be due; then all are charged.
bool qos_sched_idle_pass_clocks(struct qos_sched *s, const struct qos_pkt *p, uint64_t now_ns)
{
	struct class *c = &s->classes[p->cls];
	struct vm *v = vm_at(s, p->vm_idx);
	struct leaf *l = &v->leaves[p->cls];
	struct qos_gate_leaf *g = &v->gates[p->cls];

	sched_set_now(s, now_ns);
	now_ns = s->front.now_ns;
	if (!v->present || (s->blocked & bit_of(p->cls)) != 0 ||
	    (l->limited && !qos_rate_due(&l->limit, now_ns)) || !qos_rate_due(&c->limit, now_ns) ||
	    (v->limited && !vm_due(v, now_ns)))
		return false;
	qos_rate_charge(&s->front.rate, now_ns, p->wire_bytes);
	qos_rate_charge(&c->limit, now_ns, p->wire_bytes);
	if (l->limited)
		qos_rate_charge(&l->limit, now_ns, p->wire_bytes);
	if (v->limited)
		charge_vm(v, now_ns, p->wire_bytes, 1);
	QOS_STAT_ADD(g->sent_bytes, p->wire_bytes);
	QOS_STAT_ADD(g->sent_pkts, 1);
	QOS_STAT_SET(g->last_wait_ns, 0);
	return true;
}

struct qos_pkt *qos_sched_take_dropped(struct qos_sched *s)
{
	struct qos_pkt *p = s->dropped_head;

	if (p != NULL) {
		s->dropped_head = p->next;
		p->next = NULL;
		QOS_STAT_ADD(vm_at(s, p->vm_idx)->n_bufs, -(uint32_t)p->n_bufs);
	}
	return p;
}

static uint64_t timer_next_ns(const struct qos_cal *timer, uint32_t bits)
{
	int64_t ticks = qos_cal_next(timer);

	return ticks == INT64_MAX ? UINT64_MAX : (timer->cur + (uint64_t)ticks) << bits;
}

uint64_t qos_sched_next_ns(const struct qos_sched *s)
{
	uint64_t at = timer_next_ns(&s->timer, TIMER_BITS), now_ns = s->front.now_ns;
	uint64_t slow = timer_next_ns(&s->slow_timer, SLOW_TIMER_BITS);

	if (s->front.n_pkts == 0)
		return UINT64_MAX;
	at = slow < at ? slow : at;
	for (uint32_t m = s->ready & ~s->blocked; m != 0; m &= m - 1) {
		const struct class *c = &s->classes[__builtin_ctz(m)];
		uint64_t due_ns = qos_rate_due(&c->limit, now_ns) ? now_ns : c->limit.ns;

		at = due_ns < at ? due_ns : at;
	}
	if (!qos_rate_due(&s->front.rate, now_ns) && at < s->front.rate.ns)
		at = s->front.rate.ns;
	return at < now_ns ? now_ns : at;
}

uint32_t qos_sched_queued(const struct qos_sched *s)
{
	return s->front.n_pkts;
}

void qos_sched_block(struct qos_sched *s, uint32_t class_mask)
{
	uint32_t freed = s->blocked & ~class_mask;

	// What comes back does not save up its turns.
	for (uint32_t m = freed; m != 0; m &= m - 1) {
		uint64_t *vt = &s->vts[__builtin_ctz(m)];

		*vt = (int64_t)(*vt - s->now_vt) < 0 ? s->now_vt : *vt;
	}
	if ((s->ready & freed) != 0 && s->work_ns > s->front.now_ns)
		s->work_ns = s->front.now_ns;
	s->blocked = class_mask & ((1u << QOS_SCHED_CLASSES) - 1);
	s->front.closed = (uint8_t)(s->limiting | s->blocked);
}

void qos_sched_set_buf_quota(struct qos_sched *s, uint32_t n_bufs)
{
	s->buf_quota = n_bufs;
}
