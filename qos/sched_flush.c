// Taking everything out of a scheduler at once: its link is down, or it ends.
#include "sched_priv.h"

static void leaf_flush(struct qos_sched *s, struct leaf *l)
{
	struct flow *flows = flows_of(s, l);

	for (uint32_t i = 0; i <= s->flow_mask; i++) {
		struct flow *f = &flows[i];

		f->n_away = 0;
		f->shared = false;
		f->bytes = 0;
		if (f->head == NULL)
			continue;
		if (s->dropped_head == NULL)
			s->dropped_head = f->head;
		else
			s->dropped_tail->next = f->head;
		s->dropped_tail = f->tail;
		f->head = f->tail = NULL;
		qos_codel_empty(&f->codel);
	}
	s->front.n_pkts -= l->n_pkts;
	QOS_STAT_SET(l->bytes, 0);
	QOS_STAT_SET(l->n_pkts, 0);
}

void qos_sched_flush(struct qos_sched *s)
{
	for (uint32_t i = 0; i < s->front.n_vms && s->front.n_pkts != 0; i++) {
		struct vm *v = vm_at(s, i);

		if (v->backlog == 0)
			continue;
		qos_sched_vm_out(s, v);
		for (uint32_t m = v->backlog; m != 0; m &= m - 1)
			leaf_flush(s, &v->leaves[__builtin_ctz(m)]);
		v->backlog = 0;
	}
	s->work_ns = UINT64_MAX; // what comes from now on: an idle link loses no credit
}
