// The flow queues of one leaf: which queue a packet joins, and which packet is next. Included by
// sched.c only.
//
// Deficit round robin, new flows first (RFC 8290 section 4.2). A flow whose packet used its deficit
// up goes to the end at once, with its next quantum, so it is not looked at a second time. A
// super-frame may take the deficit below a quantum; then its flow is passed over once per quantum,
// which its bytes have paid for.
#ifndef QOS_SCHED_FLOW_PRIV_H
#define QOS_SCHED_FLOW_PRIV_H

#include "sched_priv.h"

// Packets that CoDel may drop for one that is sent.
#define DROPS 4
// Flows passed over for one packet. Beyond it the next one sends, whatever it owes.
#define VISITS 256
// Of struct flow.since.
#define SINCE_BITS 10
#define MAX_DEBT_BYTES (4 * (int32_t)QOS_WIRE_MAX_BYTES)

static inline void flow_push(struct flow *flows, struct flow_list *l, uint32_t idx)
{
	flows[idx].next = NO_FLOW;
	if (l->head == NO_FLOW)
		l->head = (uint16_t)idx;
	else
		flows[l->tail].next = (uint16_t)idx;
	l->tail = (uint16_t)idx;
}

// The n-th queue of the set that home belongs to.
static inline uint32_t flow_way(uint32_t home, uint32_t n, uint32_t mask)
{
	uint32_t of_set = mask < SET - 1 ? mask : SET - 1;

	return (home & ~of_set) | ((home + n) & of_set);
}

// A flow whose own queue is not simply there for it. The order within a flow is kept because it
// stays where its packets are: in the queue that carries its hash, or, from when it had to share,
// in its own queue until that is empty.
static __attribute__((noinline)) uint32_t flow_elsewhere(const struct flow *flows, uint32_t hash,
							 uint32_t mask)
{
	uint32_t home = hash & mask, n_ways = mask < SET - 1 ? mask + 1 : SET;
	const struct flow *f = &flows[home];

	if (f->head != NULL && f->hash == hash)
		return home;
	for (uint32_t i = 1; f->n_away != 0 && i < n_ways; i++) {
		uint32_t way = flow_way(home, i, mask);

		if (flows[way].head != NULL && flows[way].hash == hash)
			return way;
	}
	if (f->head == NULL || f->shared)
		return home;
	for (uint32_t i = 1; i < n_ways; i++)
		if (flows[flow_way(home, i, mask)].head == NULL)
			return flow_way(home, i, mask);
	return home;
}

static inline uint32_t flow_find(const struct flow *flows, uint32_t hash, uint32_t mask)
{
	const struct flow *f = &flows[hash & mask];

	if (LIKELY(f->n_away == 0 && (f->head == NULL || f->hash == hash)))
		return hash & mask;
	return flow_elsewhere(flows, hash, mask);
}

static inline void flow_append(struct leaf *l, struct flow *flows, uint32_t idx, uint32_t mask,
			       struct qos_pkt *p)
{
	struct flow *f = &flows[idx];

	p->next = NULL;
	if (f->head == NULL) {
		f->head = p;
		f->hash = p->flow_hash;
		f->since = (uint32_t)(p->in_ns >> SINCE_BITS);
		flows[p->flow_hash & mask].n_away += (p->flow_hash & mask) != idx;
	} else {
		f->tail->next = p;
		f->shared |= f->hash != p->flow_hash;
	}
	f->tail = p;
	f->bytes += p->wire_bytes;
	if (!f->listed) {
		f->listed = true;
		f->deficit_bytes = l->quantum_bytes;
		flow_push(flows, &l->fresh, idx);
	}
}

// Has its first packet stood longer than that? What is remembered of it saves looking at it, which
// is a cache line that nobody else needs now.
static inline bool flow_waits(struct flow *f, uint64_t now_ns, uint64_t max_wait_ns)
{
	uint64_t ticks = (uint32_t)((uint32_t)(now_ns >> SINCE_BITS) - f->since);

	if (f->head == NULL || ticks < max_wait_ns >> SINCE_BITS)
		return false;
	f->since = (uint32_t)(f->head->in_ns >> SINCE_BITS);
	return now_ns - f->head->in_ns > max_wait_ns;
}

// Its last packet went.
static inline void flow_empty(struct flow *flows, struct flow *f, uint32_t mask)
{
	f->tail = NULL;
	f->shared = false;
	flows[f->hash & mask].n_away -= &flows[f->hash & mask] != f;
	qos_codel_empty(&f->codel);
}

// The flow whose turn it is: it has a packet and deficit left. An empty new flow becomes an old
// one, an empty old flow leaves.
static __attribute__((noinline)) struct flow *flow_search(struct leaf *l, struct flow *flows)
{
	for (uint32_t visits = 0;; visits++) {
		bool fresh = l->fresh.head != NO_FLOW;
		struct flow_list *from = fresh ? &l->fresh : &l->old;
		uint16_t idx = from->head;
		struct flow *f = &flows[idx];

		if (f->head != NULL && (f->deficit_bytes > 0 || visits >= VISITS))
			return f;
		from->head = f->next;
		if (f->head == NULL && !fresh) {
			f->listed = false;
			continue;
		}
		if (f->deficit_bytes <= 0)
			f->deficit_bytes += l->quantum_bytes;
		flow_push(flows, &l->old, idx);
	}
}

// Which is likely to be the next one. There need not be one: then some address, not to be read.
static inline struct flow *flow_first(const struct leaf *l, struct flow *flows)
{
	return &flows[l->fresh.head != NO_FLOW ? l->fresh.head : l->old.head];
}

static inline struct flow *flow_turn(struct leaf *l, struct flow *flows)
{
	struct flow *f = flow_first(l, flows);

	if (LIKELY(f->deficit_bytes > 0 && f->head != NULL))
		return f;
	return flow_search(l, flows);
}

// It sent that much: the next one's turn, if it used up its deficit.
static inline void flow_pay(struct leaf *l, struct flow *flows, struct flow *f, uint32_t bytes)
{
	struct flow_list *from = l->fresh.head != NO_FLOW ? &l->fresh : &l->old;
	uint32_t idx = from->head;

	f->deficit_bytes -= (int32_t)bytes;
	if (f->deficit_bytes > 0)
		return;
	if (UNLIKELY(f->deficit_bytes < -MAX_DEBT_BYTES))
		f->deficit_bytes = -MAX_DEBT_BYTES;
	f->deficit_bytes += l->quantum_bytes;
	if (from == &l->old && from->head == from->tail)
		return;
	from->head = f->next;
	flow_push(flows, &l->old, idx);
}

#endif
