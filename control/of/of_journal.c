// Changes that are done together, or not at all, in turns that are short however many they are.
//
// One message, or all of a bundle, is a transaction. When it has worked as much as one turn may,
// it waits for the next tick; until it is over nobody's input is taken and nothing is published,
// so others see what was before or what is after it, and answers stay in order. What is not sliced
// is one message's own work but the walk over flows, and the step that publishes.
#include "of_ops.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLICE = 50000,	 // of work, see enum of_work: 5 ms at most
	UNDO_MOST = 256, // changes of flows that the datapath takes back between two looks
	KEPT = 4096,	 // changes whose memory stays
};

// --- The journal

void of_slice_begin(struct of_agent *a)
{
	a->slice_end = a->work + (a->slice == 0 ? SLICE : a->slice);
}

bool of_slice_over(const struct of_agent *a)
{
	return a->work >= a->slice_end;
}

uint32_t of_slice_left(const struct of_agent *a)
{
	return of_slice_over(a) ? 0 : (uint32_t)((a->slice_end - a->work) / OF_WORK_LOOK);
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

void of_journal_alone(struct of_agent *a)
{
	if (a->journal.n == 0)
		of_publish(a);
}

bool of_journal_settle(struct of_agent *a)
{
	struct of_journal *j = &a->journal;

	while (j->n_settled < j->n) {
		const struct of_change *c = &j->at[j->n_settled++];

		if (c->kind == OF_CHANGE_FLOW)
			of_flow_settle(a, c->old, c->now);
		else
			of_group_settle(a, c->old);
		a->work += OF_WORK_SETTLE;
		if (of_slice_over(a) && j->n_settled < j->n)
			return false;
	}
	j->n = j->n_settled = 0;
	if (j->cap > KEPT) { // a flood of changes was once: its memory need not stay
		free(j->at);
		*j = (struct of_journal){ 0 };
	}
	return true;
}

static bool undo(struct of_agent *a)
{
	struct of_journal *j = &a->journal;

	while (j->n > 0) {
		const struct of_change *c = &j->at[--j->n];

		j->is_undoing = true;
		if (c->kind == OF_CHANGE_FLOW)
			of_flow_undo(a, c->old, c->now);
		else
			of_group_undo(a, c->old, c->now);
		a->work += OF_WORK_CHANGE;
		if (of_slice_over(a))
			return false;
	}
	// Last: until here its flows are known.
	while (j->is_undoing && !dp_of_give_up(a->p.of, UNDO_MOST)) {
		a->work += UNDO_MOST * OF_WORK_UNLINK;
		if (of_slice_over(a))
			return false;
	}
	if (j->is_undoing)
		a->staged = false;
	j->is_undoing = false;
	return true;
}

// --- The transaction

static bool is_port_mod(const uint8_t *msg)
{
	return msg[1] == OF13_TYPE_PORT_MOD;
}

// returns 0, -EINVAL or OF_MORE
static int message_do(struct of_agent *a, const uint8_t *msg)
{
	struct of_txn *t = &a->txn;
	int rc;

	if (t->at_ports && !is_port_mod(msg)) {
		a->work += OF_WORK_LOOK;
		return 0;
	}
	rc = of_msg_change(a, msg, of_be16(msg + 2),
			   t->at_ports ? OF_CHANGE_PORTS : OF_CHANGE_STAGED, &t->e);
	a->work += OF_WORK_MESSAGE;
	return t->at_ports ? 0 : rc;
}

static int messages_do(struct of_agent *a)
{
	struct of_txn *t = &a->txn;

	while (t->at < t->size) {
		const uint8_t *msg = t->msgs + t->at;
		int rc = message_do(a, msg);

		t->midway = rc == OF_MORE;
		if (rc != 0)
			return rc;
		t->at += of_be16(msg + 2);
		if (of_slice_over(a) && t->at < t->size)
			return OF_MORE;
	}
	return 0;
}

static int ports_do(struct of_agent *a)
{
	struct of_txn *t = &a->txn;

	if (!t->at_ports) {
		of_publish(a); // all else first
		t->at = 0;
		t->at_ports = true;
	}
	return messages_do(a);
}

static int go(struct of_agent *a)
{
	struct of_txn *t = &a->txn;

	if (!t->ending) {
		t->rc = messages_do(a);
		if (t->rc == OF_MORE)
			return OF_MORE;
		t->ending = true;
	}
	if (t->rc == 0 ? !of_journal_settle(a) : !undo(a))
		return OF_MORE;
	if (t->rc == 0 && t->has_ports && ports_do(a) == OF_MORE)
		return OF_MORE;
	t->ending = t->at_ports = false;
	return t->rc;
}

int of_txn_begin(struct of_agent *a, const uint8_t *msgs, size_t size, bool has_ports)
{
	a->txn.msgs = msgs;
	a->txn.size = size;
	a->txn.at = 0;
	a->txn.has_ports = has_ports;
	return go(a);
}

bool of_txn_keep(struct of_agent *a, struct of_conn *c, const uint8_t *msg, size_t size)
{
	struct of_txn *t = &a->txn;

	t->msg = malloc(size);
	if (t->msg == NULL)
		return false;
	memcpy(t->msg, msg, size);
	t->msg_size = size;
	if (t->msgs == msg)
		t->msgs = t->msg;
	t->c = c;
	t->is_open = true;
	return true;
}

int of_txn_go(struct of_agent *a)
{
	a->txn.is_open = false; // it may publish
	of_slice_begin(a);
	if (go(a) != OF_MORE)
		return a->txn.rc;
	a->txn.is_open = true;
	return OF_MORE;
}

// It has had its turn: others come first.
void of_txn_over(struct of_agent *a)
{
	struct of_txn *t = &a->txn;

	free(t->msg);
	t->msg = NULL;
	if (t->c != NULL && t->n_had < OF_CONNS_MAX)
		t->had[t->n_had++] = t->c;
	t->c = NULL;
}

bool of_txn_holds(const struct of_agent *a, const struct of_conn *c)
{
	bool had = false;

	for (uint32_t i = 0; i < a->txn.n_had; i++)
		had |= a->txn.had[i] == c;
	return had || a->txn.is_open;
}

void of_txn_forget(struct of_agent *a, const struct of_conn *c)
{
	struct of_txn *t = &a->txn;

	if (t->c == c)
		t->c = NULL;
	for (uint32_t i = 0; i < t->n_had; i++) {
		if (t->had[i] == c)
			t->had[i--] = t->had[--t->n_had];
	}
}

// Nothing of what is open happened.
void of_txn_give_up(struct of_agent *a)
{
	if (!a->txn.is_open)
		return;
	if (!a->txn.ending)
		a->txn.rc = -EINVAL;
	a->txn.ending = true;
	while (of_txn_go(a) == OF_MORE)
		;
	of_txn_over(a);
}
