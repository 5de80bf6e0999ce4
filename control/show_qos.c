// QoS as RFC 7951 JSON: what classes and VMs may have, what they got, and what waits; and explain's
// part of it.
//
// Thousands of VMs on several links stay short to read: of a VM's classes only those are written
// that have a policy or traffic, and of their counters only those that are not 0 where most are.
#include <string.h>

#include "control_priv.h"
#include "dp_qos_info.h"

enum { EXPLAIN_LINKS = 16 }; // of a flood

// Where the spans of qos_leaf_stats.waits begin.
static const uint32_t waits_from_us[QOS_SCHED_WAITS] = { 0, 4, 16, 64, 256, 1000, 4000, 16000 };

// VMs, their ports, and the links that all share, as the snapshot has them. Main thread only.
static struct index {
	uint16_t first_port[DP_QOS_VMS]; // port + 1; 0 = none
	uint16_t next_port[DP_MAX_PORTS];
	uint16_t shared[DP_MAX_PORTS]; // uplinks and host ports
	uint32_t n_shared;
} idx;

static void index_make(const struct ctl *c)
{
	struct dp_qos_link l;

	memset(&idx, 0, sizeof(idx));
	for (uint32_t i = DP_MAX_PORTS; i-- > 0;) { // so that chains are in order
		if (dp_switch_qos_link(c->sw, (uint16_t)i, &l) < 0)
			continue;
		if (l.role != DP_ROLE_GUEST) {
			idx.shared[idx.n_shared++] = (uint16_t)i;
		} else if (l.vm_idx != 0) {
			idx.next_port[i] = idx.first_port[l.vm_idx];
			idx.first_port[l.vm_idx] = (uint16_t)(i + 1);
		}
	}
}

static void rate(struct cfg_json *j, const char *key, uint64_t bits_per_s)
{
	if (bits_per_s != 0)
		cfg_json_u64(j, key, bits_per_s);
}

static void node(struct cfg_json *j, const struct qos_node_params *n)
{
	rate(j, "reservation", n->reservation_bits_per_s);
	rate(j, "limit", n->limit_bits_per_s);
	cfg_json_u32(j, "shares", n->shares);
}

static void drops(struct cfg_json *j, const struct qos_leaf_stats *s)
{
	const struct {
		enum dp_drop reason;
		uint64_t pkts;
	} rows[] = { { DP_DROP_queue_full, s->refused_bytes_pkts },
		     { DP_DROP_queue_late, s->refused_wait_pkts },
		     { DP_DROP_vm_quota, s->refused_quota_pkts },
		     { DP_DROP_codel, s->dropped_pkts } };

	if ((s->refused_bytes_pkts | s->refused_wait_pkts | s->refused_quota_pkts |
	     s->dropped_pkts) == 0)
		return;
	cfg_json_open(j, "drop", '[');
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].pkts == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "reason", dp_drop_name(rows[i].reason));
		cfg_json_u32(j, "pkts", (uint32_t)rows[i].pkts);
		cfg_json_str(j, "help", dp_drop_help(rows[i].reason));
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void waits(struct cfg_json *j, const struct qos_leaf_stats *s)
{
	uint32_t any = 0;

	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++)
		any |= s->waits[i];
	if (any == 0)
		return;
	cfg_json_open(j, "wait", '[');
	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++) {
		if (s->waits[i] == 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_u32(j, "from", waits_from_us[i]);
		cfg_json_u32(j, "pkts", s->waits[i]);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void queue(struct cfg_json *j, const struct qos_leaf_stats *s)
{
	cfg_json_u64(j, "sent-pkts", s->sent_pkts);
	cfg_json_u64(j, "sent-bytes", s->sent_bytes);
	cfg_json_u64(j, "reserved-bytes", s->reserved_bytes);
	cfg_json_u32(j, "queued-pkts", s->queued_pkts_now);
	cfg_json_u64(j, "queued-bytes", s->queued_bytes_now);
	cfg_json_u32(j, "last-wait", s->last_wait_ns / 1000);
	cfg_json_u32(j, "marked-pkts", (uint32_t)s->marked_pkts);
	cfg_json_u32(j, "parked", (uint32_t)s->parked);
	drops(j, s);
	waits(j, s);
}

static void link_classes(struct ctl *c, struct cfg_json *j, const struct dp_qos_link *l,
			 const struct dp_qos_queues *q)
{
	const struct dp_qos_class *classes = dp_switch_qos_classes(c->sw);

	cfg_json_open(j, "class", '[');
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", qos_class_name(i));
		node(j, &classes[i].sched.node);
		if (l->role == DP_ROLE_UPLINK) {
			cfg_json_u32(j, "pcp", classes[i].pcp);
			if (classes[i].dscp != DP_DSCP_KEEP)
				cfg_json_u32(j, "dscp", classes[i].dscp);
		}
		cfg_json_u64(j, "longest-wait", l->longest_wait_ns[i] / 1000);
		queue(j, &q->leaf[i]);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

static void shared_links(struct ctl *c, struct cfg_json *j)
{
	struct dp_qos_queues q;
	struct dp_qos_link l;

	cfg_json_open(j, "link", '[');
	for (uint32_t i = idx.n_shared; i-- > 0;) {
		if (dp_switch_qos_link(c->sw, idx.shared[i], &l) < 0 ||
		    dp_switch_qos_sum(c->sw, idx.shared[i], &q) < 0)
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", l.name);
		rate(j, "rate", l.rate_bits_per_s);
		cfg_json_u64(j, "queued-pkts", l.queued_now);
		cfg_json_u64(j, "lost-credit-bytes", l.stats.lost_credit_bytes);
		link_classes(c, j, &l, &q);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
}

// --- VMs

// What those have who are no VM.
static const struct dp_vm_params nobody = { .name = "-", .total.shares = 1 };

static bool has_policy(const struct qos_node_params *n)
{
	return n->reservation_bits_per_s != 0 || n->limit_bits_per_s != 0 || n->shares > 1;
}

static bool has_traffic(const struct qos_leaf_stats *s)
{
	return (s->sent_pkts | s->queued_pkts_now | s->refused_bytes_pkts | s->refused_wait_pkts |
		s->refused_quota_pkts | s->dropped_pkts) != 0;
}

static bool has_something(const struct dp_vm_params *vm, const struct dp_qos_queues *q)
{
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		if (has_policy(&vm->leaf[i]) || has_traffic(&q->leaf[i]))
			return true;
	}
	return false;
}

// A VM's queues on one link; nothing when there is nothing to tell.
static void vm_link(struct ctl *c, struct cfg_json *j, uint16_t port, uint16_t vm_idx)
{
	const struct dp_vm_params *vm = vm_idx == 0 ? &nobody : dp_switch_vm(c->sw, vm_idx);
	struct dp_qos_queues q = { 0 };
	struct dp_qos_link l;

	(void)dp_switch_qos_queues(c->sw, port, vm_idx, &q); // -ENOENT: it never sent there
	if (dp_switch_qos_link(c->sw, port, &l) < 0 || !has_something(vm, &q))
		return;
	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", l.name);
	cfg_json_str(j, "way", l.role == DP_ROLE_GUEST ? "to" : "from");
	cfg_json_u32(j, "queued-pkts", q.vm.queued_pkts_now);
	cfg_json_u64(j, "queued-bytes", q.vm.queued_bytes_now);
	cfg_json_u32(j, "queued-buffers", q.vm.queued_bufs_now);
	// A VM that has nothing to send is not looked at again.
	cfg_json_bool(j, "parked-now", q.vm.queued_pkts_now != 0 && q.vm.parked_now);
	cfg_json_u32(j, "parked", (uint32_t)q.vm.parked);
	cfg_json_open(j, "class", '[');
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		if (!has_policy(&vm->leaf[i]) && !has_traffic(&q.leaf[i]))
			continue;
		cfg_json_open(j, NULL, '{');
		cfg_json_str(j, "name", qos_class_name(i));
		if (vm_idx != 0)
			node(j, &vm->leaf[i]);
		queue(j, &q.leaf[i]);
		cfg_json_close(j, '}');
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

static void vm_links(struct ctl *c, struct cfg_json *j, uint16_t vm_idx)
{
	cfg_json_open(j, "link", '[');
	for (uint32_t i = idx.n_shared; i-- > 0;)
		vm_link(c, j, idx.shared[i], vm_idx);
	for (uint32_t p = idx.first_port[vm_idx]; p != 0; p = idx.next_port[p - 1])
		vm_link(c, j, (uint16_t)(p - 1), vm_idx);
	cfg_json_close(j, ']');
}

static void limits(struct cfg_json *j, uint64_t bits_per_s, uint32_t pps)
{
	rate(j, "limit", bits_per_s);
	if (pps != 0)
		cfg_json_u32(j, "packet-limit", pps);
}

static const char *meter_name(const struct dp_vm_params *vm)
{
	return vm->meter.mode == QOS_METER_RFC4115   ? "rfc4115"
	       : vm->meter.mode == QOS_METER_RFC2698 ? "rfc2698"
						     : NULL;
}

// All its ports together.
static struct dp_qos_sender sender(const struct ctl *c, uint16_t vm_idx)
{
	struct dp_qos_sender sum = { 0 }, one;

	for (uint32_t p = idx.first_port[vm_idx]; p != 0; p = idx.next_port[p - 1]) {
		if (dp_switch_qos_sender(c->sw, (uint16_t)(p - 1), &one) < 0)
			continue;
		sum.held_ns += one.held_ns;
		sum.held_now |= one.held_now;
		sum.red_pkts += one.red_pkts;
	}
	return sum;
}

static void vm_ways(struct ctl *c, struct cfg_json *j, const struct dp_vm_params *vm,
		    uint16_t vm_idx)
{
	struct dp_qos_sender s = sender(c, vm_idx);

	cfg_json_open(j, "from", '{');
	limits(j, vm->from_bits_per_s, vm->from_pps);
	cfg_json_u64(j, "held", s.held_ns / 1000);
	cfg_json_bool(j, "held-now", s.held_now);
	if (meter_name(vm) != NULL)
		cfg_json_str(j, "meter", meter_name(vm));
	cfg_json_u64(j, "red-pkts", s.red_pkts);
	cfg_json_close(j, '}');
	cfg_json_open(j, "to", '{');
	limits(j, vm->to_bits_per_s, vm->to_pps);
	cfg_json_close(j, '}');
}

static void vm_ports(struct ctl *c, struct cfg_json *j, uint16_t vm_idx)
{
	struct dp_qos_link l;

	cfg_json_open(j, "port", '[');
	for (uint32_t p = idx.first_port[vm_idx]; p != 0; p = idx.next_port[p - 1]) {
		if (dp_switch_qos_link(c->sw, (uint16_t)(p - 1), &l) == 0)
			cfg_json_str(j, NULL, l.name);
	}
	cfg_json_close(j, ']');
}

static void vm_show(struct ctl *c, struct cfg_json *j, uint16_t vm_idx)
{
	const struct dp_vm_params *vm = dp_switch_vm(c->sw, vm_idx);

	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "name", vm_idx == 0 ? nobody.name : vm->name);
	if (vm_idx != 0) {
		vm_ports(c, j, vm_idx);
		node(j, &vm->total);
		vm_ways(c, j, vm, vm_idx);
	}
	vm_links(c, j, vm_idx);
	cfg_json_close(j, '}');
}

void ctl_show_qos(struct ctl *c, const char *vm, struct cfg_json *j)
{
	int only = vm[0] == '\0'		  ? -1
		   : strcmp(vm, nobody.name) == 0 ? 0
						  : dp_switch_vm_find(c->sw, vm);

	index_make(c);
	cfg_json_open(j, "weir-qos:qos-state", '{');
	if (vm[0] == '\0')
		shared_links(c, j);
	cfg_json_open(j, "vm", '[');
	for (uint32_t i = 0; i < DP_QOS_VMS; i++) {
		if (vm[0] != '\0' ? (int)i == only
				  : i == 0 || dp_switch_vm(c->sw, (uint16_t)i) != NULL)
			vm_show(c, j, (uint16_t)i);
	}
	cfg_json_close(j, ']');
	cfg_json_close(j, '}');
}

// --- explain

static const struct dp_vm_params *vm_named(const struct ctl *c, uint16_t vm_idx)
{
	const struct dp_vm_params *vm = vm_idx == 0 ? NULL : dp_switch_vm(c->sw, vm_idx);

	return vm == NULL ? &nobody : vm;
}

static void explain_node(struct cfg_json *j, const char *key, const struct qos_node_params *n)
{
	cfg_json_open(j, key, '{');
	node(j, n);
	if (n->limit_pps != 0)
		cfg_json_u32(j, "packet-limit", n->limit_pps);
	cfg_json_close(j, '}');
}

static void explain_link(struct ctl *c, struct cfg_json *j, const struct dp_verdict *v,
			 uint16_t port)
{
	struct dp_qos_queues q = { 0 };
	struct dp_qos_verdict qv;
	struct dp_qos_link l;

	if (dp_switch_explain_link(c->sw, v, port, &qv) < 0 ||
	    dp_switch_qos_link(c->sw, port, &l) < 0)
		return;
	(void)dp_switch_qos_queues(c->sw, port, qv.vm_idx, &q);
	cfg_json_open(j, NULL, '{');
	cfg_json_str(j, "port", l.name);
	rate(j, "rate", l.rate_bits_per_s);
	cfg_json_str(j, "vm", vm_named(c, qv.vm_idx)->name);
	cfg_json_str(j, "class", qos_class_name(qv.cls));
	if (qv.cls != v->cls)
		cfg_json_str(j, "class-why", "set_queue");
	cfg_json_u32(j, "flow-queues", l.n_flows);
	explain_node(j, "leaf-policy", &qv.leaf);
	explain_node(j, "vm-policy", &qv.vm);
	explain_node(j, "class-policy", &dp_switch_qos_classes(c->sw)[qv.cls].sched.node);
	cfg_json_bool(j, "empty", qv.passes);
	cfg_json_u64(j, "link-queued-pkts", l.queued_now);
	cfg_json_bool(j, "parked-now", q.vm.queued_pkts_now != 0 && q.vm.parked_now);
	queue(j, &q.leaf[qv.cls]);
	cfg_json_bool(j, "tagged", qv.tagged);
	cfg_json_bool(j, "marked", qv.marked);
	cfg_json_u32(j, "pcp", qv.pcp);
	if (qv.dscp != DP_DSCP_KEEP)
		cfg_json_u32(j, "dscp", qv.dscp);
	cfg_json_close(j, '}');
}

void ctl_explain_qos(struct ctl *c, const struct dp_verdict *v, struct cfg_json *j)
{
	const struct dp_vm_params *vm = v->vm_idx == 0 ? NULL : dp_switch_vm(c->sw, v->vm_idx);

	index_make(c);
	if (vm != NULL) {
		cfg_json_open(j, "sender", '{');
		cfg_json_str(j, "vm", vm->name);
		vm_ways(c, j, vm, v->vm_idx);
		cfg_json_close(j, '}');
	}
	cfg_json_open(j, "queue", '[');
	for (uint32_t i = 0; i < v->n_out && i < EXPLAIN_LINKS; i++)
		explain_link(c, j, v, v->out[i]);
	cfg_json_close(j, ']');
}
