// What the main thread may look at of QoS: policy from the snapshot, statistics from schedulers and
// workers' accounts, word by word.
#include <errno.h>

#include "dp_qos_info.h"
#include "switch_priv.h"

// A worker looks at a queue that is held back at least so often, naps included.
#define HELD_SEEN_NS 100000000

static_assert(DP_QOS_VMS == DP_MAX_VMS, "the same VMs");

static const struct dp_view *view_at(const struct dp_switch *sw, uint16_t idx)
{
	return idx < DP_MAX_PORTS ? dp_root(sw)->views[idx] : NULL;
}

int dp_switch_vm_find(const struct dp_switch *sw, const char *name)
{
	int idx = dp_vms_find(sw, name);

	return idx < 0 || dp_root(sw)->vms[idx] == NULL ? -ENOENT : idx;
}

const struct dp_vm_params *dp_switch_vm(const struct dp_switch *sw, uint16_t vm_idx)
{
	const struct dp_vm_view *vm = vm_idx < DP_MAX_VMS ? dp_root(sw)->vms[vm_idx] : NULL;

	return vm == NULL ? NULL : &vm->p;
}

const struct dp_qos_class *dp_switch_qos_classes(const struct dp_switch *sw)
{
	return dp_root(sw)->qos->classes;
}

int dp_switch_qos_link(const struct dp_switch *sw, uint16_t idx, struct dp_qos_link *out)
{
	const struct dp_view *v = view_at(sw, idx);
	struct qos_class_stats cls;

	if (v == NULL)
		return -ENOENT;
	*out = (struct dp_qos_link){
		.role = v->cfg.role,
		.vm_idx = v->vm == NULL ? 0 : v->vm->idx,
		.n_flows = dp_queue_flows(v->port),
		.rate_bits_per_s = v->cfg.rate_bits_per_s,
		.queued_now = atomic_load_explicit(&v->port->queued, memory_order_relaxed),
	};
	memcpy(out->name, v->port->name, sizeof(out->name));
	qos_sched_link_stats(v->port->sched, &out->stats);
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		qos_sched_class_stats(v->port->sched, c, &cls);
		out->longest_wait_ns[c] = cls.max_wait_ns;
	}
	return 0;
}

// Has the scheduler had to do with this VM? Else its memory is not there.
static bool is_known(const struct dp_port *p, uint32_t vm_idx)
{
	return vm_idx == 0 ||
	       (vm_idx < p->n_vms && __atomic_load_n(&p->vm_seen[vm_idx], __ATOMIC_ACQUIRE) != 0);
}

static int queues_read(const struct dp_port *p, uint32_t vm_idx, struct dp_qos_queues *out)
{
	if (!is_known(p, vm_idx) || qos_sched_vm_stats(p->sched, vm_idx, &out->vm) < 0)
		return -ENOENT;
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		if (qos_sched_leaf_stats(p->sched, vm_idx, c, &out->leaf[c]) < 0)
			return -ENOENT;
	}
	return 0;
}

// Towards a guest most frames pass unseen by its scheduler; the port has counted all of them.
static void sent_by_port(const struct dp_switch *sw, const struct dp_port *p,
			 struct dp_qos_queues *out)
{
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		struct qos_leaf_stats *l = &out->leaf[c];

		l->sent_pkts = l->sent_bytes = 0;
		for (uint32_t i = 0; i < sw->n_workers; i++) {
			l->sent_pkts += QOS_STAT_GET(p->pw[i].cls[c].tx_pkts);
			l->sent_bytes += QOS_STAT_GET(p->pw[i].cls[c].tx_bytes);
		}
		l->sent_bytes += l->sent_pkts * QOS_WIRE_OVERHEAD_BYTES;
	}
}

int dp_switch_qos_queues(const struct dp_switch *sw, uint16_t idx, uint16_t vm_idx,
			 struct dp_qos_queues *out)
{
	const struct dp_view *v = view_at(sw, idx);

	if (v == NULL)
		return -ENOENT;
	if (v->port->n_vms > 1)
		return queues_read(v->port, vm_idx, out);
	if ((v->vm == NULL ? 0 : v->vm->idx) != vm_idx || queues_read(v->port, 0, out) < 0)
		return -ENOENT;
	sent_by_port(sw, v->port, out);
	return 0;
}

static void leaf_add(struct qos_leaf_stats *sum, const struct qos_leaf_stats *l)
{
	sum->sent_bytes += l->sent_bytes;
	sum->sent_pkts += l->sent_pkts;
	sum->reserved_bytes += l->reserved_bytes;
	sum->refused_bytes_pkts += l->refused_bytes_pkts;
	sum->refused_wait_pkts += l->refused_wait_pkts;
	sum->refused_quota_pkts += l->refused_quota_pkts;
	sum->dropped_pkts += l->dropped_pkts;
	sum->marked_pkts += l->marked_pkts;
	sum->parked += l->parked;
	sum->queued_bytes_now += l->queued_bytes_now;
	sum->queued_pkts_now += l->queued_pkts_now;
	sum->last_wait_ns = RTE_MAX(sum->last_wait_ns, l->last_wait_ns);
	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++)
		sum->waits[i] += l->waits[i];
}

int dp_switch_qos_sum(const struct dp_switch *sw, uint16_t idx, struct dp_qos_queues *out)
{
	const struct dp_view *v = view_at(sw, idx);
	struct dp_qos_queues q;

	if (v == NULL)
		return -ENOENT;
	*out = (struct dp_qos_queues){ 0 };
	for (uint32_t vm = 0; vm < v->port->n_vms; vm++) {
		if (queues_read(v->port, vm, &q) < 0)
			continue;
		out->vm.queued_bytes_now += q.vm.queued_bytes_now;
		out->vm.queued_pkts_now += q.vm.queued_pkts_now;
		out->vm.queued_bufs_now += q.vm.queued_bufs_now;
		out->vm.parked += q.vm.parked;
		for (uint32_t c = 0; c < QOS_N_CLASSES; c++)
			leaf_add(&out->leaf[c], &q.leaf[c]);
	}
	if (v->port->n_vms == 1)
		sent_by_port(sw, v->port, out);
	return 0;
}

// A queue that went while it was held back is not looked at any more.
static bool holds_now(const struct dp_worker *w, const struct dp_port_pw *pw)
{
	uint64_t seen_ns = QOS_STAT_GET(pw->held_ns), now_ns = QOS_STAT_GET(w->now_ns);

	return seen_ns != 0 && (int64_t)(now_ns - seen_ns) < HELD_SEEN_NS;
}

int dp_switch_qos_sender(const struct dp_switch *sw, uint16_t idx, struct dp_qos_sender *out)
{
	const struct dp_view *v = view_at(sw, idx);

	if (v == NULL)
		return -ENOENT;
	*out = (struct dp_qos_sender){ 0 };
	for (uint32_t i = 0; i < sw->n_workers; i++) {
		const struct dp_port_pw *pw = &v->port->pw[i];

		out->held_ns += QOS_STAT_GET(pw->c[DP_PC_rx_held_ns]);
		out->held_now |= holds_now(&sw->workers[i], pw);
		out->red_pkts += QOS_STAT_GET(pw->drop_in[DP_DROP_meter_red]);
	}
	return 0;
}

static uint8_t class_at(const struct dp_verdict *v, uint16_t idx)
{
	for (uint32_t i = 0; i < v->n_out; i++) {
		if (v->out[i] == idx && v->out_queue[i] != 0)
			return v->out_queue[i] - 1;
	}
	return v->cls;
}

int dp_switch_explain_link(const struct dp_switch *sw, const struct dp_verdict *v, uint16_t idx,
			   struct dp_qos_verdict *out)
{
	static const struct qos_node_params plain = { .shares = 1 };
	const struct dp_view *to = view_at(sw, idx);
	struct dp_meta meta = { .vid = v->vid, .pcp = v->pcp, .p = v->parse };
	const struct dp_vm_params *vm;
	struct dp_marks marks;

	if (to == NULL)
		return -ENOENT;
	meta.cls = class_at(v, idx);
	dp_act_marks(to, dp_root(sw)->qos, &meta, &marks);
	*out = (struct dp_qos_verdict){
		.vm_idx = to->port->n_vms > 1 ? v->vm_idx
			  : to->vm == NULL    ? 0
					      : to->vm->idx,
		.cls = meta.cls,
		.marked = to->cfg.role == DP_ROLE_UPLINK,
		.tagged = marks.tpid != 0,
		.pcp = (uint8_t)(marks.tci >> 13),
		.dscp = marks.dscp,
		.passes = atomic_load_explicit(&to->port->queued, memory_order_relaxed) == 0,
	};
	vm = dp_switch_vm(sw, out->vm_idx);
	out->vm = vm == NULL ? plain : dp_queue_total(to->port, vm);
	out->leaf = vm == NULL ? plain : vm->leaf[meta.cls];
	if ((v->parse.flags & (DP_PF_IP4 | DP_PF_IP6)) == 0)
		out->dscp = DP_DSCP_KEEP;
	return 0;
}
