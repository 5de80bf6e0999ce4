// Where leaves and VMs stand: in the lists of those inside their reservation, in the timers, and
// whether in their class's order at all.
#include "sched_place_priv.h"

// --- the lists of those inside their reservation, and the timers

static void due_push(struct qos_sched *s, struct list *l, struct qos_cal_node *n)
{
	uint32_t id = qos_cal_id(s, n);

	n->state = PLACE_DUE;
	n->next = QOS_NONE;
	n->prev = l->tail;
	if (l->tail == QOS_NONE)
		l->head = id;
	else
		qos_cal_node_at(s, l->tail)->next = id;
	l->tail = id;
}

static void due_remove(struct qos_sched *s, struct list *l, struct qos_cal_node *n)
{
	if (n->prev == QOS_NONE)
		l->head = n->next;
	else
		qos_cal_node_at(s, n->prev)->next = n->next;
	if (n->next == QOS_NONE)
		l->tail = n->prev;
	else
		qos_cal_node_at(s, n->next)->prev = n->prev;
}

void qos_sched_timer_start(struct qos_sched *s, struct qos_cal_node *n, uint64_t at_ns,
			   enum place why)
{
	uint32_t id = qos_cal_id(s, n);
	int64_t ticks;

	if (qos_cal_empty(&s->timer))
		qos_cal_begin(&s->timer, s->front.now_ns >> TIMER_BITS);
	// The tick after: never early.
	ticks = (int64_t)((at_ns >> TIMER_BITS) + 1 - s->timer.cur);
	n->state = (uint8_t)why;
	// What is due in this tick of the slow timer would be found there at once, and again and
	// again.
	if (LIKELY(ticks <= QOS_CAL_RANGE_TICKS) ||
	    at_ns >> SLOW_TIMER_BITS <= s->front.now_ns >> SLOW_TIMER_BITS) {
		qos_cal_insert(&s->timer, s, id, ticks);
		return;
	}
	// Found early there, and put into the other one.
	if (qos_cal_empty(&s->slow_timer))
		qos_cal_begin(&s->slow_timer, s->front.now_ns >> SLOW_TIMER_BITS);
	n->state |= PLACE_SLOW;
	qos_cal_insert(&s->slow_timer, s, id,
		       (int64_t)((at_ns >> SLOW_TIMER_BITS) - s->slow_timer.cur));
}

static void place_out(struct qos_sched *s, struct list *due, struct qos_cal_node *n)
{
	if (n->state == PLACE_DUE)
		due_remove(s, due, n);
	else if (n->state != PLACE_OUT)
		qos_cal_remove((n->state & PLACE_SLOW) != 0 ? &s->slow_timer : &s->timer, s,
			       qos_cal_id(s, n));
	n->state = PLACE_OUT;
}

// Put a node that is out where its reservation says.
static void place_by(struct qos_sched *s, const struct qos_rate *r, struct list *due,
		     struct qos_cal_node *n)
{
	if (r->inv == 0)
		return;
	if (qos_rate_due(r, s->front.now_ns))
		due_push(s, due, n);
	else
		qos_sched_timer_start(s, n, r->ns, PLACE_WAIT);
}

void qos_sched_leaf_place_anew(struct qos_sched *s, struct leaf *l)
{
	struct class *c = &s->classes[l->cls];

	place_out(s, &c->due, &l->wait);
	if ((vm_of(l)->ready & bit_of(l->cls)) != 0)
		place_by(s, &l->reservation, &c->due, &l->wait);
	s->due &= ~bit_of(l->cls);
	s->due |= ((c->due.head != QOS_NONE) << l->cls);
}

void qos_sched_vm_place(struct qos_sched *s, struct vm *v)
{
	if (!v->reserved && v->wait.state == PLACE_OUT)
		return;
	place_out(s, &s->due_vms, &v->wait);
	if (v->backlog != 0 && !v->parked)
		place_by(s, &v->reservation, &s->due_vms, &v->wait);
}

// --- leaves and VMs come and go

void qos_sched_leaf_in(struct qos_sched *s, struct leaf *l)
{
	struct class *c = &s->classes[l->cls];
	struct vm *v = vm_of(l);

	if (l->limited && !qos_rate_due(&l->limit, s->front.now_ns)) {
		qos_sched_timer_start(s, &l->wait, l->limit.ns, PLACE_PARKED);
		return;
	}
	v->ready |= (uint8_t)bit_of(l->cls);
	QOS_STAT_ADD(c->n_ready, 1);
	if (c->n_ready == 1) {
		s->vts[l->cls] = vt_resume(s->vts[l->cls], s->now_vt,
					   vt_debt(c->largest_bytes, c->inv_weight));
		s->ready |= bit_of(l->cls);
	}
	l->vt = vt_resume(l->vt, c->now_vt, vt_debt(c->largest_bytes, l->inv_weight));
	order_insert(s, c, l);
	if (UNLIKELY(l->deadline != 0))
		s->urgent[l->cls] |= deadline_bit(l);
	leaf_place(s, l);
}

void qos_sched_leaf_out(struct qos_sched *s, struct leaf *l)
{
	struct class *c = &s->classes[l->cls];
	struct vm *v = vm_of(l);

	if ((v->ready & bit_of(l->cls)) != 0) {
		qos_cal_remove(&c->order, s, qos_cal_id(s, &l->order));
		v->ready &= (uint8_t)~bit_of(l->cls);
		if (UNLIKELY(l->deadline != 0))
			s->urgent[l->cls] &= ~deadline_bit(l);
		QOS_STAT_ADD(c->n_ready, -1u);
		if (c->n_ready == 0)
			s->ready &= ~bit_of(l->cls);
	}
	leaf_place(s, l);
}

void qos_sched_vm_out(struct qos_sched *s, struct vm *v)
{
	for (uint32_t m = v->backlog; m != 0; m &= m - 1)
		qos_sched_leaf_out(s, &v->leaves[__builtin_ctz(m)]);
	place_out(s, &s->due_vms, &v->wait);
}

void qos_sched_vm_in(struct qos_sched *s, struct vm *v)
{
	QOS_STAT_SET(v->parked, v->limited && !vm_due(v, s->front.now_ns));
	if (v->parked) {
		if (v->backlog != 0)
			qos_sched_timer_start(s, &v->wait, vm_due_ns(v), PLACE_PARKED);
		return;
	}
	for (uint32_t m = v->backlog; m != 0; m &= m - 1)
		qos_sched_leaf_in(s, &v->leaves[__builtin_ctz(m)]);
	qos_sched_vm_place(s, v);
}

static void release(struct qos_sched *s, uint32_t id)
{
	struct qos_cal_node *n = qos_cal_node_at(s, id);
	bool was_parked = (n->state & ~PLACE_SLOW) == PLACE_PARKED;

	n->state = PLACE_OUT;
	if (n->kind == KIND_LEAF && was_parked)
		qos_sched_leaf_in(s, leaf_by_wait(s, id));
	else if (n->kind == KIND_LEAF)
		leaf_place(s, leaf_by_wait(s, id));
	else if (was_parked)
		qos_sched_vm_in(s, vm_by_wait(s, id));
	else
		qos_sched_vm_place(s, vm_by_wait(s, id));
}

void qos_sched_run_timer(struct qos_sched *s, struct qos_cal *timer, uint32_t bits)
{
	for (uint32_t i = 0; i < QOS_SCHED_RELEASES && !qos_cal_empty(timer); i++) {
		int64_t within = (int64_t)((s->front.now_ns >> bits) - timer->cur);
		uint32_t id = qos_cal_pop(timer, s, within);

		if (id == QOS_NONE)
			return;
		release(s, id);
	}
}

void qos_sched_due_vm_last(struct qos_sched *s, struct vm *v)
{
	due_remove(s, &s->due_vms, &v->wait);
	due_push(s, &s->due_vms, &v->wait);
}
