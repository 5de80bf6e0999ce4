// Taking everything out of a scheduler at once: its link is down, or it ends.
#include "sched_priv.h"

static void leaf_flush(struct qos_sched *s, uint32_t li)
{
	struct flow *flows = &s->flows[(size_t)li << s->flow_shift];

	for (uint32_t i = 0; i < s->n_flows; i++) {
		struct flow *f = &flows[i];

		if (f->head == NULL)
			continue;
		if (s->dropped_head == NULL)
			s->dropped_head = f->head;
		else
			s->dropped_tail->next = f->head;
		s->dropped_tail = f->tail;
		f->head = f->tail = NULL;
		f->bytes = 0;
		qos_codel_empty(&f->codel);
	}
	s->leaves[li].bytes = s->leaves[li].n_pkts = 0;
}

void qos_sched_flush(struct qos_sched *s)
{
	for (uint32_t i = 0; i < s->front.n_vms && s->front.n_pkts != 0; i++) {
		struct vm *v = &s->vms[i];

		if (v->n_pkts == 0)
			continue;
		qos_sched_vm_out(s, i);
		for (uint32_t m = v->backlog; m != 0; m &= m - 1)
			leaf_flush(s, i * QOS_SCHED_CLASSES + (uint32_t)__builtin_ctz(m));
		s->front.n_pkts -= v->n_pkts;
		v->n_pkts = 0;
		v->backlog = 0;
	}
}
