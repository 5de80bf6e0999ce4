// The scheduler's set-up: memory, classes, VMs, leaves, admission of reservations, and changes
// while packets stand.
#include <errno.h>
#include <string.h>

#include "sched_priv.h"

static size_t head_size(void)
{
	return sizeof(struct qos_sched);
}

static size_t vm_size(uint32_t n_flows)
{
	return sizeof(struct vm) + (size_t)n_flows * QOS_SCHED_CLASSES * sizeof(struct flow);
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
	return head_size() + p->n_vms * vm_size(p->n_flows);
}

static uint32_t inverse(uint32_t weight)
{
	// 2^32 / 1 does not fit; one part in 2^32 less is the same weight.
	return weight == 1 ? UINT32_MAX : (uint32_t)(((uint64_t)1 << 32) / weight);
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void set_link_rate(struct qos_sched *s, uint64_t bits_per_s, uint64_t now_ns)
{
	qos_rate_set(&s->front.rate, bits_per_s, 0, now_ns);
	s->front.rate.burst_ns = bits_per_s == 0 ? 0 : s->late_ns;
	s->rate_bits = bits_per_s;
}

void qos_sched_set_late(struct qos_sched *s, uint32_t late_ns)
{
	s->late_ns = late_ns;
	if (s->rate_bits != 0)
		s->front.rate.burst_ns = late_ns;
}

static void init_classes(struct qos_sched *s)
{
	for (uint32_t i = 0; i < QOS_SCHED_CLASSES; i++) {
		struct class *c = &s->classes[i];

		c->params.node.shares = 1;
		c->inv_weight = inverse(1);
		c->largest_bytes = FRAME_BYTES;
		c->codel_ns = UINT32_MAX;
		c->due = (struct list){ QOS_NONE, QOS_NONE };
		qos_cal_init(&c->order);
	}
}

int qos_sched_init(void *mem, const struct qos_sched_params *p, uint64_t now_ns,
		   struct qos_sched **out)
{
	struct qos_sched *s = mem;

	if (qos_sched_size(p) == 0 || (uintptr_t)mem % 64 != 0)
		return -EINVAL;
	s->vms_at = head_size();
	s->vm_stride = vm_size(p->n_flows);
	s->front.gates_at = s->vms_at + offsetof(struct vm, gates);
	s->front.gate_stride = s->vm_stride;
	s->front.n_vms = p->n_vms;
	s->flow_shift = (uint32_t)__builtin_ctz(p->n_flows);
	s->flow_mask = p->n_flows - 1;
	s->late_ns = p->late_ns;
	s->front.now_ns = now_ns;
	s->work_ns = UINT64_MAX;
	s->due_vms = (struct list){ QOS_NONE, QOS_NONE };
	qos_cal_init(&s->timer);
	qos_cal_init(&s->slow_timer);
	init_classes(s);
	set_link_rate(s, p->rate_bits_per_s, now_ns);
	*out = s;
	return 0;
}

uint32_t qos_sched_vm_memory(const struct qos_sched *s, uint32_t vm_idx,
			     struct qos_span spans[QOS_SCHED_SPANS])
{
	if (vm_idx >= s->front.n_vms)
		return 0;
	spans[0] = (struct qos_span){ vm_at(s, vm_idx), s->vm_stride };
	return 1;
}

// --- admission

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

// What the packet path has to know of a VM's limits.
static void set_gates(struct vm *v)
{
	v->paced = v->pps.inv != 0;
	v->limited = v->limit.inv != 0 || v->paced;
	v->reserved = v->reservation.inv != 0;
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		struct leaf *l = &v->leaves[cls];

		l->limited = l->limit.inv != 0;
		v->gates[cls].gate = !v->present		? QOS_GATE_SHUT
				     : v->limited || l->limited ? QOS_GATE_CLOCKS
								: QOS_GATE_OPEN;
	}
}

static struct vm *present_vm(const struct qos_sched *s, uint32_t vm_idx)
{
	return vm_idx < s->front.n_vms && vm_at(s, vm_idx)->present ? vm_at(s, vm_idx) : NULL;
}

void qos_sched_set_admission(struct qos_sched *s, bool on)
{
	s->unchecked = !on;
}

int qos_sched_set_rate(struct qos_sched *s, uint64_t rate_bits_per_s, uint64_t now_ns)
{
	int err;

	sched_set_now(s, now_ns);
	if (!rate_ok(rate_bits_per_s))
		return -ERANGE;
	err = admit_sum(s, rate_bits_per_s, s->reserved_bits);
	if (err == 0)
		set_link_rate(s, rate_bits_per_s, s->front.now_ns);
	return err;
}

// What both of CoDel's parts leave alone: below the target, and not above the step.
static uint32_t codel_ns(const struct qos_codel_params *p)
{
	uint32_t target_ns = p->target_ns == 0 ? UINT32_MAX : p->target_ns;

	return p->step_ns != 0 && p->step_ns < target_ns ? p->step_ns : target_ns;
}

int qos_sched_set_class(struct qos_sched *s, uint32_t cls, const struct qos_class_params *p,
			uint64_t now_ns)
{
	uint32_t bit = 1u << cls;
	struct class *c;
	uint64_t sum;
	int err = check_node(&p->node);

	sched_set_now(s, now_ns);
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
	c->codel_ns = codel_ns(&p->codel);
	c->inv_weight = inverse(p->node.shares);
	set_node_rates(&c->reservation, &c->limit, &p->node, s->front.now_ns);
	s->limiting = ((s->limiting & ~bit) | (c->limit.inv != 0 ? bit : 0));
	s->front.closed = (uint8_t)(s->limiting | s->blocked);
	s->bounded = (s->bounded & ~bit) | ((p->max_leaf_bytes | p->max_wait_ns) != 0 ? bit : 0);
	s->reserving = ((s->reserving & ~bit) | (c->reservation.inv != 0 ? bit : 0));
	return 0;
}

static void set_weight(struct vm *v, struct leaf *l)
{
	l->inv_weight = inverse((uint32_t)l->shares * v->shares);
}

int qos_sched_set_vm(struct qos_sched *s, uint32_t vm_idx, const struct qos_node_params *p,
		     uint64_t now_ns)
{
	struct vm *v = present_vm(s, vm_idx);
	int err = check_node(p);
	uint64_t sum;

	sched_set_now(s, now_ns);
	if (v == NULL)
		return -ENOENT;
	if (err < 0)
		return err;
	sum = s->reserved_bits - vm_takes(v->reservation_bits, v->leaves_bits) +
	      vm_takes(p->reservation_bits_per_s, v->leaves_bits);
	err = admit_sum(s, s->rate_bits, sum);
	if (err < 0)
		return err;
	qos_sched_vm_out(s, v);
	s->reserved_bits = sum;
	v->reservation_bits = p->reservation_bits_per_s;
	v->shares = (uint8_t)p->shares;
	set_node_rates(&v->reservation, &v->limit, p, s->front.now_ns);
	set_pps(&v->pps, p->limit_pps, s->front.now_ns);
	set_gates(v);
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++)
		set_weight(v, &v->leaves[cls]);
	qos_sched_vm_in(s, v);
	return 0;
}

// Admission counts a leaf's reservation in kbit/s, rounded up: 4 bytes for it.
static uint32_t kbits(uint64_t bits)
{
	return (uint32_t)((bits + 999) / 1000);
}

// The sum of all reservations if this leaf's became that much.
static uint64_t sum_with_leaf(const struct qos_sched *s, const struct vm *v, uint32_t cls,
			      uint64_t bits)
{
	const struct class *c = &s->classes[cls];
	uint64_t was = (uint64_t)v->leaves[cls].reservation_kbits * 1000;
	uint64_t of_class = c->params.node.reservation_bits_per_s;

	bits = (uint64_t)kbits(bits) * 1000;
	return s->reserved_bits - class_takes(of_class, c->leaves_bits) -
	       vm_takes(v->reservation_bits, v->leaves_bits) +
	       class_takes(of_class, c->leaves_bits - was + bits) +
	       vm_takes(v->reservation_bits, v->leaves_bits - was + bits);
}

static void admit_leaf(struct qos_sched *s, struct vm *v, uint32_t cls, uint64_t bits)
{
	struct leaf *l = &v->leaves[cls];
	uint64_t more = ((uint64_t)kbits(bits) - l->reservation_kbits) * 1000;

	s->reserved_bits = sum_with_leaf(s, v, cls, bits);
	s->classes[cls].leaves_bits += more;
	v->leaves_bits += more;
	l->reservation_kbits = kbits(bits);
}

int qos_sched_set_leaf(struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
		       const struct qos_node_params *p, uint64_t now_ns)
{
	struct vm *v = present_vm(s, vm_idx);
	int err = check_node(p);
	struct leaf *l;

	sched_set_now(s, now_ns);
	if (v == NULL || cls >= QOS_SCHED_CLASSES)
		return -ENOENT;
	if (err < 0)
		return err;
	if (p->limit_pps != 0)
		return -EINVAL;
	err = admit_sum(s, s->rate_bits, sum_with_leaf(s, v, cls, p->reservation_bits_per_s));
	if (err < 0)
		return err;
	qos_sched_vm_out(s, v);
	admit_leaf(s, v, cls, p->reservation_bits_per_s);
	l = &v->leaves[cls];
	l->shares = (uint8_t)p->shares;
	set_weight(v, l);
	set_node_rates(&l->reservation, &l->limit, p, s->front.now_ns);
	set_gates(v);
	qos_sched_vm_in(s, v);
	return 0;
}

// Flows of a VM that was here before: empty, but some stand in their leaf's lists still.
static void forget_flows(struct qos_sched *s, struct leaf *l)
{
	struct flow *flows = flows_of(s, l);

	for (uint32_t i = 0; i < 1u << s->flow_shift; i++)
		flows[i] = (struct flow){ .head = NULL };
}

static void init_leaf(struct vm *v, uint32_t cls)
{
	struct leaf *l = &v->leaves[cls];

	*l = (struct leaf){ .cls = (uint8_t)cls, .shares = 1, .quantum_bytes = FRAME_BYTES };
	l->fresh = l->old = (struct flow_list){ NO_FLOW, NO_FLOW };
	l->order.at = l->wait.at = QOS_CAL_OUT;
	l->wait.state = PLACE_OUT;
	l->wait.kind = KIND_LEAF;
	v->gates[cls] = (struct qos_gate_leaf){ .gate = QOS_GATE_SHUT };
	set_weight(v, l);
}

int qos_sched_add_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns)
{
	struct vm *v;
	bool used;

	sched_set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms)
		return -ERANGE;
	v = vm_at(s, vm_idx);
	if (v->present)
		return -EEXIST;
	if (v->backlog != 0 || v->n_bufs != 0) // n_bufs: dropped, and not taken yet
		return -EBUSY;
	used = v->used;
	memset(v, 0, offsetof(struct vm, gates));
	v->used = true;
	v->shares = 1;
	v->wait.at = QOS_CAL_OUT;
	v->wait.state = PLACE_OUT;
	v->wait.kind = KIND_VM;
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		init_leaf(v, cls);
		if (used)
			forget_flows(s, &v->leaves[cls]);
	}
	QOS_STAT_SET(v->present, true);
	set_gates(v);
	return 0;
}

int qos_sched_remove_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns)
{
	struct vm *v = present_vm(s, vm_idx);

	sched_set_now(s, now_ns);
	if (v == NULL)
		return -ENOENT;
	qos_sched_vm_out(s, v);
	qos_sched_forget_deadlines(s, v);
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		admit_leaf(s, v, cls, 0);
		set_node_rate(&v->leaves[cls].reservation, 0, 0, s->front.now_ns);
	}
	s->reserved_bits -= vm_takes(v->reservation_bits, v->leaves_bits);
	v->reservation_bits = 0;
	set_node_rate(&v->reservation, 0, 0, s->front.now_ns);
	QOS_STAT_SET(v->present, false);
	set_gates(v);
	qos_sched_vm_in(s, v);
	return 0;
}
