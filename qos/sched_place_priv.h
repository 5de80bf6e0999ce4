// The order of shares and who stands in it. Inline: what every packet needs. Included by sched.c
// and sched_place.c only.
#ifndef QOS_SCHED_PLACE_PRIV_H
#define QOS_SCHED_PLACE_PRIV_H

#include "sched_priv.h"

// Nodes that a timer hands out for one burst.
#define QOS_SCHED_RELEASES 16

// --- shares: virtual time

static inline uint64_t vt_cost(uint32_t bytes, uint32_t inv_weight)
{
	return (uint64_t)bytes * inv_weight >> (32 - VT_BITS);
}

static inline uint64_t vt_debt(uint32_t largest_bytes, uint32_t inv_weight)
{
	return VT_DEBT_PKTS * vt_cost(largest_bytes, inv_weight);
}

// Who comes back starts at the present, or where its debt ends. A debt beyond the greatest is an
// old account that has wrapped.
static inline uint64_t vt_resume(uint64_t vt, uint64_t now_vt, uint64_t debt)
{
	return vt - now_vt > debt ? now_vt : vt;
}

static inline uint64_t vt_charge(uint64_t vt, uint64_t now_vt, uint64_t cost, uint64_t debt)
{
	return (int64_t)(vt + cost - (now_vt + debt)) > 0 ? now_vt + debt : vt + cost;
}

// The same among the leaves of a VM, where a leaf weighs its class's shares.
static inline uint32_t vm_vt_cost(uint32_t bytes, uint32_t inv_weight)
{
	return (uint32_t)(vt_cost(bytes, inv_weight) >> (VT_BITS - VM_VT_BITS));
}

static inline void vm_vt_resume(struct vm *v, const struct class *c, uint32_t cls)
{
	if (v->vt[cls] - v->now_vt > VT_DEBT_PKTS * vm_vt_cost(c->largest_bytes, c->inv_weight))
		v->vt[cls] = v->now_vt;
}

static inline void vm_vt_charge(struct vm *v, const struct class *c, uint32_t cls, uint32_t bytes)
{
	uint32_t vt = v->vt[cls] + vm_vt_cost(bytes, c->inv_weight);
	uint32_t most = v->now_vt + VT_DEBT_PKTS * vm_vt_cost(c->largest_bytes, c->inv_weight);

	v->vt[cls] = (int32_t)(vt - most) > 0 ? most : vt;
}

static inline int64_t order_delta(const struct class *c, uint64_t vt)
{
	return (int64_t)(vt - (c->order.cur << VT_TICK_BITS)) >> VT_TICK_BITS;
}

static inline void order_insert(struct qos_sched *s, struct class *c, struct leaf *l)
{
	if (qos_cal_empty(&c->order))
		qos_cal_begin(&c->order, c->now_vt >> VT_TICK_BITS);
	qos_cal_insert(&c->order, s, qos_cal_id(s, &l->order), order_delta(c, l->vt));
}

// The leaf of a class whose turn it is, taken out of the order. Service in band A moves a leaf's
// time without moving the leaf: found too early, it goes where it belongs.
static inline struct leaf *order_pop(struct qos_sched *s, struct class *c)
{
	for (uint32_t looks = 1;; looks++) {
		uint32_t id = qos_cal_pop(&c->order, s, INT64_MAX);
		struct leaf *l = leaf_by_order(s, id);
		int64_t delta;

		assert(id != QOS_NONE);
		delta = order_delta(c, l->vt);
		if (LIKELY(delta <= 0 || looks == LOOKS || qos_cal_empty(&c->order))) {
			if ((int64_t)(l->vt - c->now_vt) > 0)
				c->now_vt = l->vt;
			return l;
		}
		qos_cal_insert(&c->order, s, id, delta);
	}
}

// --- sched_place.c

// Let a node wait in a timer until at_ns.
void qos_sched_timer_start(struct qos_sched *s, struct qos_cal_node *n, uint64_t at_ns,
			   enum place why);
// Hand out what is due in a timer of ticks of 2^bits ns.
void qos_sched_run_timer(struct qos_sched *s, struct qos_cal *timer, uint32_t bits);

// Put a leaf that has packets where its limit and reservation say; take it out of everywhere.
void qos_sched_leaf_in(struct qos_sched *s, struct leaf *l);
void qos_sched_leaf_out(struct qos_sched *s, struct leaf *l);

// Put a leaf or VM where its reservation says now.
void qos_sched_leaf_place_anew(struct qos_sched *s, struct leaf *l);
void qos_sched_vm_place(struct qos_sched *s, struct vm *v);
// A VM inside its reservation lets the others go first.
void qos_sched_due_vm_last(struct qos_sched *s, struct vm *v);

static inline void leaf_place(struct qos_sched *s, struct leaf *l)
{
	if (l->reservation_kbits != 0 || l->wait.state != PLACE_OUT)
		qos_sched_leaf_place_anew(s, l);
}

#endif
