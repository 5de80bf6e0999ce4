// The scheduler's statistics, for any thread: single words, read as they are.
#include <errno.h>

#include "sched_priv.h"

static const struct vm *present_vm(const struct qos_sched *s, uint32_t vm_idx)
{
	const struct vm *v = vm_at(s, vm_idx);

	return vm_idx < s->front.n_vms && QOS_STAT_GET(v->present) ? v : NULL;
}

int qos_sched_leaf_stats(const struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
			 struct qos_leaf_stats *out)
{
	const struct vm *v = present_vm(s, vm_idx);
	const struct qos_gate_leaf *g;
	const struct leaf *l;

	if (v == NULL || cls >= QOS_SCHED_CLASSES)
		return -ENOENT;
	l = &v->leaves[cls];
	g = &v->gates[cls];
	*out = (struct qos_leaf_stats){
		.sent_bytes = QOS_STAT_GET(g->sent_bytes),
		.sent_pkts = QOS_STAT_GET(g->sent_pkts),
		.reserved_bytes = QOS_STAT_GET(g->reserved_bytes),
		.refused_bytes_pkts = QOS_STAT_GET(v->refused[cls].bytes),
		.refused_wait_pkts = QOS_STAT_GET(v->refused[cls].wait),
		.refused_quota_pkts = QOS_STAT_GET(v->refused[cls].quota),
		.dropped_pkts = QOS_STAT_GET(l->dropped),
		.marked_pkts = QOS_STAT_GET(l->marked),
		.parked = QOS_STAT_GET(l->parked),
		.queued_bytes_now = QOS_STAT_GET(l->bytes),
		.queued_pkts_now = QOS_STAT_GET(l->n_pkts),
		.last_wait_ns = QOS_STAT_GET(g->last_wait_ns),
	};
	for (uint32_t i = 0; i < QOS_SCHED_WAITS; i++)
		out->waits[i] = QOS_STAT_GET(g->waits[i]);
	return 0;
}

int qos_sched_vm_stats(const struct qos_sched *s, uint32_t vm_idx, struct qos_vm_stats *out)
{
	const struct vm *v = present_vm(s, vm_idx);

	if (v == NULL)
		return -ENOENT;
	*out = (struct qos_vm_stats){ .queued_bufs_now = QOS_STAT_GET(v->n_bufs),
				      .parked_now = QOS_STAT_GET(v->parked),
				      .parked = QOS_STAT_GET(v->n_parked) };
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		out->queued_bytes_now += QOS_STAT_GET(v->leaves[cls].bytes);
		out->queued_pkts_now += QOS_STAT_GET(v->leaves[cls].n_pkts);
	}
	return 0;
}

void qos_sched_class_stats(const struct qos_sched *s, uint32_t cls, struct qos_class_stats *out)
{
	*out = (struct qos_class_stats){ 0 };
	if (cls >= QOS_SCHED_CLASSES)
		return;
	out->sent_bytes = QOS_STAT_GET(s->classes[cls].sent_bytes);
	out->sent_pkts = QOS_STAT_GET(s->classes[cls].sent_pkts);
	out->max_wait_ns = QOS_STAT_GET(s->classes[cls].max_wait_ns);
	out->ready_now = QOS_STAT_GET(s->classes[cls].n_ready);
}

void qos_sched_link_stats(const struct qos_sched *s, struct qos_link_stats *out)
{
	out->sent_bytes = out->sent_pkts = 0;
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		out->sent_bytes += QOS_STAT_GET(s->classes[cls].sent_bytes);
		out->sent_pkts += QOS_STAT_GET(s->classes[cls].sent_pkts);
	}
	out->queued_pkts_now = QOS_STAT_GET(s->front.n_pkts);
	out->lost_credit_bytes = QOS_STAT_GET(s->lost_bytes);
}
