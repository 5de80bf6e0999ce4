#include "of_ops.h"

#include <stdlib.h>

void of_journal_begin(struct of_agent *a, bool alone)
{
	if (alone && a->journal.depth == 0)
		of_publish(a);
	a->journal.depth++;
}

int of_journal_reserve(struct of_agent *a)
{
	struct of_journal *j = &a->journal;
	uint32_t cap = j->cap == 0 ? 64 : j->cap * 2;
	struct of_change *at;

	if (j->n < j->cap)
		return 0;
	at = realloc(j->at, cap * sizeof(*at));
	if (at == NULL)
		return -ENOMEM;
	j->at = at;
	j->cap = cap;
	return 0;
}

void of_journal_note(struct of_agent *a, enum of_change_kind kind, void *old, void *now)
{
	a->journal.at[a->journal.n++] = (struct of_change){ kind, old, now };
	a->staged = true;
}

void of_journal_commit(struct of_agent *a)
{
	struct of_journal *j = &a->journal;

	if (--j->depth > 0)
		return;
	for (uint32_t i = 0; i < j->n; i++) {
		if (j->at[i].kind == OF_CHANGE_FLOW)
			of_flow_settle(a, j->at[i].old, j->at[i].now);
		else
			of_group_settle(a, j->at[i].old);
	}
	j->n = 0;
	if (j->cap > 4096) { // a flood of changes was once: its memory need not stay
		free(j->at);
		*j = (struct of_journal){ 0 };
	}
}

void of_journal_undo(struct of_agent *a)
{
	struct of_journal *j = &a->journal;

	j->depth = 0;
	if (j->n == 0)
		return;
	while (j->n > 0) {
		const struct of_change *c = &j->at[--j->n];

		if (c->kind == OF_CHANGE_FLOW)
			of_flow_undo(a, c->old, c->now);
		else
			of_group_undo(a, c->old, c->now);
	}
	dp_of_give_up(a->p.of); // last: until here its flows are known
	a->staged = false;
}
