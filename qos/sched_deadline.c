// Deadlines of leaves: one short sorted table per link, so that the packet path finds the earliest
// leaf of a class that is ready by its lowest bit. A change moves at most the table.
#include <errno.h>

#include "sched_priv.h"

static struct leaf *leaf_of(struct qos_sched *s, uint32_t i)
{
	return leaf_by_order(s, s->deadlines[i].leaf);
}

// The entries from i on have moved: their leaves have to know it.
static void renumber(struct qos_sched *s, uint32_t i)
{
	for (; i < s->n_deadlines; i++)
		leaf_of(s, i)->deadline = (uint8_t)(i + 1);
}

static void take_out(struct qos_sched *s, struct leaf *l)
{
	uint32_t at = l->deadline - 1u;
	uint64_t below = (1ull << at) - 1;

	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		uint64_t *m = &s->urgent[cls];

		*m = (*m & below) | (*m >> at >> 1) << at;
	}
	s->n_deadlines--;
	for (uint32_t i = at; i < s->n_deadlines; i++)
		s->deadlines[i] = s->deadlines[i + 1];
	l->deadline = 0;
	renumber(s, at);
}

static void put_in(struct qos_sched *s, struct leaf *l, uint64_t deadline_ns)
{
	uint32_t at = s->n_deadlines;
	uint64_t below;

	for (; at > 0 && s->deadlines[at - 1].ns > deadline_ns; at--)
		s->deadlines[at] = s->deadlines[at - 1];
	s->deadlines[at] = (struct deadline){ deadline_ns, qos_cal_id(s, &l->order) };
	s->n_deadlines++;
	below = (1ull << at) - 1;
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++) {
		uint64_t *m = &s->urgent[cls];

		*m = (*m & below) | (*m >> at << 1) << at;
	}
	renumber(s, at);
	if ((vm_of(l)->ready & bit_of(l->cls)) != 0)
		s->urgent[l->cls] |= deadline_bit(l);
}

int qos_sched_set_deadline(struct qos_sched *s, uint32_t vm_idx, uint32_t cls, uint64_t deadline_ns,
			   uint64_t now_ns)
{
	struct leaf *l;

	sched_set_now(s, now_ns);
	if (vm_idx >= s->front.n_vms || cls >= QOS_SCHED_CLASSES || !vm_at(s, vm_idx)->present)
		return -ENOENT;
	l = &vm_at(s, vm_idx)->leaves[cls];
	if (deadline_ns != 0 && l->deadline == 0 && s->n_deadlines == QOS_SCHED_DEADLINES)
		return -ENOSPC;
	if (l->deadline != 0)
		take_out(s, l);
	if (deadline_ns != 0)
		put_in(s, l, deadline_ns);
	return 0;
}

void qos_sched_forget_deadlines(struct qos_sched *s, struct vm *v)
{
	for (uint32_t cls = 0; cls < QOS_SCHED_CLASSES; cls++)
		if (v->leaves[cls].deadline != 0)
			take_out(s, &v->leaves[cls]);
}
