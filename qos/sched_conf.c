// The scheduler's set-up: memory, classes, VMs, leaves, admission of reservations, and changes
// while packets stand.
#include <errno.h>
#include <string.h>

#include "sched_priv.h"

#define FRAME_BYTES QOS_RATE_FRAME_BYTES

static size_t align64(size_t n)
{
	return (n + 63) & ~(size_t)63;
}

struct layout {
	size_t gates, leaves, vms, orders, timers, flows, end;
};

static struct layout lay_out(const struct qos_sched_params *p)
{
	size_t n_leaves = (size_t)p->n_vms * QOS_SCHED_CLASSES;
	struct layout l;

	l.gates = align64(sizeof(struct qos_sched));
	l.leaves = l.gates + n_leaves * sizeof(struct qos_gate_leaf);
	l.vms = align64(l.leaves + n_leaves * sizeof(struct leaf));
	l.orders = align64(l.vms + p->n_vms * sizeof(struct vm));
	l.timers = align64(l.orders + n_leaves * sizeof(struct qos_cal_node));
	l.flows = align64(l.timers + (n_leaves + p->n_vms) * sizeof(struct qos_cal_node));
	l.end = l.flows + n_leaves * p->n_flows * sizeof(struct flow);
	return l;
}

static bool rate_ok(uint64_t bits_per_s)
{
	return bits_per_s == 0 ||
	       (bits_per_s >= QOS_SCHED_MIN_BITS_PER_S && bits_per_s <= QOS_SCHED_MAX_BITS_PER_S);
}

size_t qos_sched_size(const struct qos_sched_params *p)
{
	if (p->n_vms == 0 || p->n_vms > QOS_SCHED_MAX_VMS || p->n_flows == 0 ||
	    p->n_flows > QOS_SCHED_MAX_FLOWS || (p->n_flows & (p->n_flows - 1)) != 0 ||
	    !rate_ok(p->rate_bits_per_s))
		return 0;
	return lay_out(p).end;
}

static uint32_t inverse(uint32_t weight)
{
	// 2^32 / 1 does not fit; one part in 2^32 less is the same weight.
	return weight == 1 ? UINT32_MAX : (uint32_t)(((uint64_t)1 << 32) / weight);
}

static void set_link_rate(struct qos_sched *s, uint64_t bits_per_s, uint64_t now_ns)
{
	qos_rate_set(&s->front.rate, bits_per_s, 0, now_ns);
	s->front.rate.burst_ns = bits_per_s == 0 ? 0 : s->late_ns;
	s->rate_bits = bits_per_s;
}

static void init_leaf(struct qos_sched *s, uint32_t li)
{
	struct leaf *l = &s->leaves[li];

	memset(l, 0, sizeof(*l));
	memset(&s->gates[li], 0, sizeof(s->gates[li]));
	l->shares = 1;
	l->inv_weight = inverse(1);
	l->quantum_bytes = FRAME_BYTES;
	l->fresh = l->old = (struct flow_list){ NO_FLOW, NO_FLOW };
	memset(&s->flows[(size_t)li << s->flow_shift], 0, sizeof(struct flow) << s->flow_shift);
	s->orders[li].slot = s->timers[li].slot = QOS_CAL_OUT;
	s->timers[li].state = PLACE_OUT;
}

static void init_classes(struct qos_sched *s)
{
	for (uint32_t i = 0; i < QOS_SCHED_CLASSES; i++) {
		struct class *c = &s->classes[i];

		c->params.node.shares = 1;
		c->inv_weight = inverse(1);
		c->due = (struct list){ QOS_NONE, QOS_NONE };
		qos_cal_init(&c->order);
	}
}

int qos_sched_init(void *mem, const struct qos_sched_params *p, uint64_t now_ns,
		   struct qos_sched **out)
{
	struct qos_sched *s = mem;
	struct layout l;

	if (qos_sched_size(p) == 0 || (uintptr_t)mem % 64 != 0)
		return -EINVAL;
	l = lay_out(p);
	memset(mem, 0, l.flows);
	s->front.gates_at = l.gates;
	s->front.gate_stride = QOS_SCHED_CLASSES * sizeof(struct qos_gate_leaf);
	s->work_ns = UINT64_MAX;
	s->gates = (void *)((char *)mem + l.gates);
	s->leaves = (void *)((char *)mem + l.leaves);
	s->vms = (void *)((char *)mem + l.vms);
	s->orders = (void *)((char *)mem + l.orders);
	s->timers = (void *)((char *)mem + l.timers);
	s->flows = (void *)((char *)mem + l.flows);
	s->front.n_vms = p->n_vms;
	s->n_flows = p->n_flows;
	s->flow_shift = (uint32_t)__builtin_ctz(p->n_flows);
	s->late_ns = p->late_ns;
	s->front.now_ns = now_ns;
	s->due_vms = (struct list){ QOS_NONE, QOS_NONE };
	qos_cal_init(&s->timer);
	init_classes(s);
	for (uint32_t i = 0; i < s->front.n_vms * QOS_SCHED_CLASSES; i++)
		init_leaf(s, i);
	for (uint32_t i = 0; i < s->front.n_vms; i++)
		s->timers[vm_timer(s, i)].slot = QOS_CAL_OUT;
	set_link_rate(s, p->rate_bits_per_s, now_ns);
	*out = s;
	return 0;
}

// --- admission

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

// What a class takes of the link: its own reservation or its leaves' sum, whichever is more.
static uint64_t class_takes(uint64_t own_bits, uint64_t leaves_bits)
{
	return max64(own_bits, leaves_bits);
}

// What a VM takes besides: its reservation beyond its leaves' sum.
static uint64_t vm_takes(uint64_t own_bits, uint64_t leaves_bits)
{
	return own_bits > leaves_bits ? own_bits - leaves_bits : 0;
}

static int admit_sum(const struct qos_sched *s, uint64_t rate_bits, uint64_t sum_bits)
{
	// Less than before is always welcome.
	if (rate_bits == 0 || s->unchecked ||
	    (rate_bits >= s->rate_bits && sum_bits <= s->reserved_bits))
		return 0;
	return sum_bits > rate_bits / 100 * QOS_SCHED_RESERVABLE_PERCENT ? -ENOSPC : 0;
}

static int check_node(const struct qos_node_params *p)
{
	if (p->shares == 0 || p->shares > QOS_SCHED_MAX_SHARES)
		return -EINVAL;
	if (!rate_ok(p->reservation_bits_per_s) || !rate_ok(p->limit_bits_per_s))
		return -ERANGE;
	if (p->limit_bits_per_s != 0 && p->limit_bits_per_s < p->reservation_bits_per_s)
		return -EINVAL;
	return 0;
}

static void set_node_rate(struct qos_rate *r, uint64_t bits_per_s, uint32_t burst_bytes,
			  uint64_t now_ns)
{
	qos_rate_set(r, bits_per_s, qos_rate_burst(bits_per_s, burst_bytes), now_ns);
}

static void set_node_rates(struct qos_rate *reservation, struct qos_rate *limit,
			   const struct qos_node_params *p, uint64_t now_ns)
{
	set_node_rate(reservation, p->reservation_bits_per_s, p->burst_bytes, now_ns);
	set_node_rate(limit, p->limit_bits_per_s, p->burst_bytes, now_ns);
}

// A packet is the clock's byte.
static void set_pps(struct qos_rate *r, uint32_t pps, uint64_t now_ns)
{
	uint64_t least = (uint64_t)pps * QOS_RATE_BURST_US / 1000000;

	qos_rate_set(r, (uint64_t)pps * 8, (uint32_t)max64(QOS_RATE_BURST_FRAMES, least), now_ns);
}

// --- changes

// What the idle path has to know of a VM's leaves.
static void set_gates(struct qos_sched *s, uint32_t vm_idx)
{
	struct vm *v = &s->vms[vm_idx];

	v->limited = v->limit.inv != 0 || v->pps.inv != 0;
	for (uint32_t li = leaf_idx(vm_idx, 0); li < leaf_idx(vm_idx + 1, 0); li++) {
		bool clocks = v->limited || s->leaves[li].limit.inv != 0;

		s->gates[li].gate = !v->present ? QOS_GATE_SHUT
				    : clocks	? QOS_GATE_CLOCKS
						: QOS_GATE_OPEN;
	}
}

void qos_sched_set_admission(struct qos_sched *s, bool on)
{
	s->unchecked = !on;
}

static void set_now(struct qos_sched *s, uint64_t now_ns)
{
	if (now_ns > s->front.now_ns)
		s->front.now_ns = now_ns;
}

int qos_sched_set_rate(struct qos_sched *s, uint64_t rate_bits_per_s, uint64_t now_ns)
{
	int err;

	set_now(s, now_ns);
	if (!rate_ok(rate_bits_per_s))
		return -ERANGE;
	err = admit_sum(s, rate_bits_per_s, s->reserved_bits);
	if (err == 0)
		set_link_rate(s, rate_bits_per_s, s->front.now_ns);
	return err;
}

int qos_sched_set_class(struct qos_sched *s, uint32_t cls, const struct qos_class_params *p,
			uint64_t now_ns)
{
	uint32_t bit = 1u << cls;
	struct class *c;
	uint64_t sum;
	int err = check_node(&p->node);

	set_now(s, now_ns);
	if (cls >= QOS_SCHED_CLASSES)
		return -ENOENT;
	if (err < 0)
		return err;
	if (p->codel.target_ns > p->codel.interval_ns || p->node.limit_pps != 0)
		return -EINVAL;
	c = &s->classes[cls];
	sum = s->reserved_bits -
	      class_takes(c->params.node.reservation_bits_per_s, c->leaves_bits) +
	      class_takes(p->node.reservation_bits_per_s, c->leaves_bits);
	err = admit_sum(s, s->rate_bits, sum);
	if (err < 0)
		return err;
	s->reserved_bits = sum;
	c->params = *p;
	if (c->params.codel.floor_bytes == 0)
		c->params.codel.floor_bytes = FRAME_BYTES;
	c->inv_weight = inverse(p->node.shares);
	set_node_rates(&c->reservation, &c->limit, &p->node, s->front.now_ns);
	s->limiting = (uint8_t)((s->limiting & ~bit) | (c->limit.inv != 0 ? bit : 0));
	s->front.closed = s->limiting | s->blocked;
	s->reserving = (uint8_t)((s->reserving & ~bit) | (c->reservation.inv != 0 ? bit : 0));
	return 0;
}

static void set_weight(struct qos_sched *s, uint32_t vm_idx, uint32_t cls)
{
	struct leaf *l = &s->leaves[leaf_idx(vm_idx, cls)];

	l->inv_weight = inverse((uint32_t)l->shares * s->vms[vm_idx].shares);
}

int qos_sched_set_vm(struct qos_sched *s, uint32_t vm_idx, const struct qos_node_params *p,
		     uint64_t now_ns)
{
	int err = check_node(p);
	struct vm *v;
	uint64_t sum;

	set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms || !s->vms[vm_idx].present)
		return -ENOENT;
	if (err < 0)
		return err;
	v = &s->vms[vm_idx];
	sum = s->reserved_bits - vm_takes(v->reservation_bits, v->leaves_bits) +
	      vm_takes(p->reservation_bits_per_s, v->leaves_bits);
	err = admit_sum(s, s->rate_bits, sum);
	if (err < 0)
		return err;
	qos_sched_vm_out(s, vm_idx);
	s->reserved_bits = sum;
	v->reservation_bits = p->reservation_bits_per_s;
	v->shares = (uint8_t)p->shares;
	set_node_rates(&v->reservation, &v->limit, p, s->front.now_ns);
	set_pps(&v->pps, p->limit_pps, s->front.now_ns);
	set_gates(s, vm_idx);
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++)
		set_weight(s, vm_idx, cls);
	qos_sched_vm_in(s, vm_idx);
	return 0;
}

// The sum of all reservations if this leaf's became bits.
static uint64_t sum_with_leaf(const struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
			      uint64_t bits)
{
	const struct vm *v = &s->vms[vm_idx];
	const struct class *c = &s->classes[cls];
	uint64_t was = s->leaves[leaf_idx(vm_idx, cls)].reservation_bits;
	uint64_t of_class = c->params.node.reservation_bits_per_s;

	return s->reserved_bits - class_takes(of_class, c->leaves_bits) -
	       vm_takes(v->reservation_bits, v->leaves_bits) +
	       class_takes(of_class, c->leaves_bits - was + bits) +
	       vm_takes(v->reservation_bits, v->leaves_bits - was + bits);
}

static void admit_leaf(struct qos_sched *s, uint32_t vm_idx, uint32_t cls, uint64_t bits)
{
	struct leaf *l = &s->leaves[leaf_idx(vm_idx, cls)];

	s->reserved_bits = sum_with_leaf(s, vm_idx, cls, bits);
	s->classes[cls].leaves_bits += bits - l->reservation_bits;
	s->vms[vm_idx].leaves_bits += bits - l->reservation_bits;
	l->reservation_bits = bits;
}

int qos_sched_set_leaf(struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
		       const struct qos_node_params *p, uint64_t now_ns)
{
	int err = check_node(p);
	struct leaf *l;

	set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms || cls >= QOS_SCHED_CLASSES || !s->vms[vm_idx].present)
		return -ENOENT;
	if (err < 0)
		return err;
	if (p->limit_pps != 0)
		return -EINVAL;
	err = admit_sum(s, s->rate_bits, sum_with_leaf(s, vm_idx, cls, p->reservation_bits_per_s));
	if (err < 0)
		return err;
	qos_sched_vm_out(s, vm_idx);
	admit_leaf(s, vm_idx, cls, p->reservation_bits_per_s);
	l = &s->leaves[leaf_idx(vm_idx, cls)];
	l->shares = (uint8_t)p->shares;
	set_weight(s, vm_idx, cls);
	set_node_rates(&l->reservation, &l->limit, p, s->front.now_ns);
	set_gates(s, vm_idx);
	qos_sched_vm_in(s, vm_idx);
	return 0;
}

int qos_sched_add_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns)
{
	struct vm *v;

	set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms)
		return -ERANGE;
	v = &s->vms[vm_idx];
	if (v->present)
		return -EEXIST;
	if (v->n_pkts != 0 || v->n_bufs != 0) // n_bufs: dropped, and not taken yet
		return -EBUSY;
	*v = (struct vm){ .present = true, .shares = 1 };
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++)
		init_leaf(s, leaf_idx(vm_idx, cls));
	set_gates(s, vm_idx);
	return 0;
}

int qos_sched_remove_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns)
{
	struct vm *v;

	set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms || !s->vms[vm_idx].present)
		return -ENOENT;
	v = &s->vms[vm_idx];
	qos_sched_vm_out(s, vm_idx);
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		admit_leaf(s, vm_idx, cls, 0);
		set_node_rate(&s->leaves[leaf_idx(vm_idx, cls)].reservation, 0, 0, s->front.now_ns);
	}
	s->reserved_bits -= vm_takes(v->reservation_bits, v->leaves_bits);
	v->reservation_bits = 0;
	set_node_rate(&v->reservation, 0, 0, s->front.now_ns);
	v->present = false;
	set_gates(s, vm_idx);
	qos_sched_vm_in(s, vm_idx);
	return 0;
}

uint32_t qos_sched_vm_memory(const struct qos_sched *s, uint32_t vm_idx,
			     struct qos_span spans[QOS_SCHED_SPANS])
{
	uint32_t li = leaf_idx(vm_idx, 0);

	if (vm_idx >= s->front.n_vms)
		return 0;
	spans[0] = (struct qos_span){ &s->gates[li], 8 * sizeof(*s->gates) };
	spans[1] = (struct qos_span){ &s->leaves[li], 8 * sizeof(*s->leaves) };
	spans[2] = (struct qos_span){ &s->orders[li], 8 * sizeof(*s->orders) };
	spans[3] = (struct qos_span){ &s->timers[li], 8 * sizeof(*s->timers) };
	spans[4] = (struct qos_span){ &s->vms[vm_idx], sizeof(*s->vms) };
	spans[5] = (struct qos_span){ &s->flows[(size_t)li << s->flow_shift],
				      (8 * sizeof(*s->flows)) << s->flow_shift };
	return 6;
}

int qos_sched_leaf_stats(const struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
			 struct qos_leaf_stats *out)
{
	const struct qos_gate_leaf *g;
	const struct leaf *l;

	if (vm_idx >= s->front.n_vms || cls >= QOS_SCHED_CLASSES || !s->vms[vm_idx].present)
		return -ENOENT;
	l = &s->leaves[leaf_idx(vm_idx, cls)];
	g = &s->gates[leaf_idx(vm_idx, cls)];
	*out = (struct qos_leaf_stats){
		.sent_bytes = STAT_GET(g->sent_bytes),
		.sent_pkts = STAT_GET(g->sent_pkts),
		.reserved_bytes = STAT_GET(g->reserved_bytes),
		.refused_bytes_pkts = STAT_GET(l->refused_bytes),
		.refused_wait_pkts = STAT_GET(l->refused_wait),
		.refused_quota_pkts = STAT_GET(l->refused_quota),
		.dropped_pkts = STAT_GET(l->dropped),
		.marked_pkts = STAT_GET(l->marked),
		.parked = STAT_GET(l->parked),
		.queued_bytes_now = STAT_GET(l->bytes),
		.queued_pkts_now = STAT_GET(l->n_pkts),
		.last_wait_ns = STAT_GET(g->last_wait_ns),
	};
	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++)
		out->waits[i] = STAT_GET(g->waits[i]);
	return 0;
}

int qos_sched_vm_stats(const struct qos_sched *s, uint32_t vm_idx, struct qos_vm_stats *out)
{
	const struct vm *v;

	if (vm_idx >= s->front.n_vms || !s->vms[vm_idx].present)
		return -ENOENT;
	v = &s->vms[vm_idx];
	*out = (struct qos_vm_stats){ .queued_bufs_now = STAT_GET(v->n_bufs),
				      .parked_now = STAT_GET(v->parked),
				      .parked = STAT_GET(v->n_parked) };
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		out->queued_bytes_now += STAT_GET(s->leaves[leaf_idx(vm_idx, cls)].bytes);
		out->queued_pkts_now += STAT_GET(s->leaves[leaf_idx(vm_idx, cls)].n_pkts);
	}
	return 0;
}

void qos_sched_class_stats(const struct qos_sched *s, uint32_t cls, struct qos_class_stats *out)
{
	*out = (struct qos_class_stats){ 0 };
	if (cls >= QOS_SCHED_CLASSES)
		return;
	out->sent_bytes = STAT_GET(s->classes[cls].sent_bytes);
	out->sent_pkts = STAT_GET(s->classes[cls].sent_pkts);
	out->max_wait_ns = STAT_GET(s->classes[cls].max_wait_ns);
	out->ready_now = STAT_GET(s->classes[cls].n_ready);
}

void qos_sched_link_stats(const struct qos_sched *s, struct qos_link_stats *out)
{
	out->sent_bytes = STAT_GET(s->sent_bytes);
	out->sent_pkts = STAT_GET(s->sent_pkts);
	out->queued_pkts_now = STAT_GET(s->front.n_pkts);
	out->lost_credit_bytes = STAT_GET(s->lost_bytes);
}
