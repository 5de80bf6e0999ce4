// Flow-mods: add, modify and delete, strict or not (OpenFlow 1.3.5 section 6.4), and where flows
// are kept.
//
// A table is an array of records with holes, so that dumps go on where they were while flows come
// and go. The exact match is the datapath's own hash table; a selection that is not exact looks at
// each record's match again, which is compiled from the bytes that are kept for the echo.
#include "of_tables.h"

#include <stdlib.h>
#include <string.h>

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_FLOW_MOD_FAILED, code);
}

// --- Slots. An odd value is a hole: the next hole's place, times two, plus one.

static int slot_reserve(struct of_table *t)
{
	uint32_t cap = t->cap == 0 ? 64 : t->cap * 2;
	uintptr_t *slots;

	if (t->hole != NO_HOLE || t->n_slots < t->cap)
		return 0;
	slots = realloc(t->slots, cap * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	t->slots = slots;
	t->cap = cap;
	return 0;
}

static void slot_put(struct of_table *t, struct of_flow *f)
{
	if (t->hole != NO_HOLE) {
		f->slot = t->hole;
		t->hole = (uint32_t)(t->slots[f->slot] >> 1);
	} else {
		f->slot = t->n_slots++;
	}
	t->slots[f->slot] = (uintptr_t)f;
	t->n_flows++;
}

static void slot_clear(struct of_table *t, const struct of_flow *f)
{
	t->slots[f->slot] = (uintptr_t)t->hole << 1 | 1;
	t->hole = f->slot;
	t->n_flows--;
}

// The first flows of a table are told in the order in which they come. Not while what was there
// may come back: somebody stands in the midst of a dump.
static void slots_reset(const struct of_agent *a, struct of_table *t)
{
	if (t->n_flows > 0 || a->journal.n > 0 || a->journal.is_undoing)
		return;
	t->n_slots = 0;
	t->hole = NO_HOLE;
}

struct of_flow *of_flow_next(const struct of_agent *a, uint8_t table, uint32_t *at)
{
	const struct of_table *t = &a->tables->t[table];

	while (*at < t->n_slots) {
		uintptr_t s = t->slots[(*at)++];

		if ((s & 1) == 0)
			return (struct of_flow *)s;
	}
	return NULL;
}

uint32_t of_flow_active(const struct of_agent *a, uint8_t table)
{
	return a->tables->t[table].n_flows;
}

// --- Records

struct counting {
	struct of_agent *a;
	int by;
};

static bool count_group(void *arg, bool is_port, uint32_t number)
{
	struct counting *c = arg;
	struct of_group *g = is_port ? NULL : of_group_find(c->a, number);

	c->a->work += OF_WORK_LOOK;
	if (g != NULL)
		g->n_flows += (uint32_t)c->by;
	return false;
}

// The groups and the meter that it refers to know of it; or no longer.
static void refer(struct of_agent *a, const struct of_flow *f, int by)
{
	struct counting c = { a, by };
	struct of_meter *m = f->meter == 0 ? NULL : of_meter_find(a, f->meter);

	if (f->refers)
		of_instructions_refer(of_flow_instructions(f), count_group, &c);
	if (m != NULL)
		m->n_flows += (uint32_t)by;
}

// One record takes the place of another; either may be NULL.
static void relink(struct of_agent *a, struct of_flow *old, struct of_flow *now)
{
	struct of_table *t = &a->tables->t[old != NULL ? old->table : now->table];

	if (old != NULL) {
		of_wheel_remove(a, old);
		refer(a, old, -1);
	}
	if (old != NULL && now != NULL) {
		now->slot = old->slot;
		t->slots[now->slot] = (uintptr_t)now;
	} else if (old != NULL) {
		slot_clear(t, old);
	} else {
		slots_reset(a, t);
		slot_put(t, now);
	}
	if (now != NULL) {
		refer(a, now, 1);
		of_wheel_add(a, now);
		dp_of_flow_set_user(now->dp, now);
	}
}

void of_flow_drop(struct of_agent *a, struct of_flow *f)
{
	if (f == NULL)
		return;
	a->n_bytes -= of_bytes_of(f->match_size, f->inst_size);
	free(f);
}

// Undone: `now` never was. What the datapath made for it, it has taken back.
void of_flow_undo(struct of_agent *a, struct of_flow *old, struct of_flow *now)
{
	relink(a, now, old);
	of_flow_drop(a, now);
}

void of_flow_settle(struct of_agent *a, struct of_flow *old, struct of_flow *now)
{
	if (old == NULL)
		return;
	if (now != NULL) {
		of_flow_drop(a, old);
		return;
	}
	old->next = NULL;
	*a->tables->fresh_end = old;
	a->tables->fresh_end = &old->next;
}

// returns 0 and *out; -ENOSPC, -ENOMEM
static int record(const struct of_compile *c, uint8_t table, struct of_list match,
		  struct of_list instructions, struct of_flow **out)
{
	size_t n_bytes = of_bytes_of(match.size, instructions.size);
	struct of_flow *f;

	if (of_bytes_take(c->a, n_bytes) != 0)
		return -ENOSPC;
	f = malloc(sizeof(*f) + match.size + instructions.size);
	if (f == NULL) {
		c->a->n_bytes -= n_bytes;
		return -ENOMEM;
	}
	memset(f, 0, sizeof(*f));
	f->table = table;
	f->match_size = (uint16_t)match.size;
	f->inst_size = (uint16_t)instructions.size;
	f->refers = c->refers;
	f->meter = (c->prog.flags & DP_PROG_METER) != 0 ? c->prog.meter : 0;
	if (match.size > 0)
		memcpy(f->wire, match.at, match.size);
	if (instructions.size > 0)
		memcpy(f->wire + match.size, instructions.at, instructions.size);
	*out = f;
	return 0;
}

static void take_terms(struct of_agent *a, struct of_flow *f, const struct of13_flow_mod *m)
{
	f->cookie = m->cookie;
	f->priority = m->priority;
	f->flags = m->flags;
	f->importance = m->importance;
	f->idle_s = m->idle_timeout;
	f->hard_s = m->hard_timeout;
	f->created_ns = a->now_ns;
}

static void keep_terms(struct of_flow *f, const struct of_flow *was)
{
	f->cookie = was->cookie;
	f->priority = was->priority;
	f->flags = was->flags;
	f->importance = was->importance;
	f->idle_s = was->idle_s;
	f->hard_s = was->hard_s;
	f->created_ns = was->created_ns;
}

// Its counters go on from the old record's, or from zero.
static void take_counters(struct of_agent *a, struct of_flow *f, const struct of_flow *was,
			  bool reset)
{
	struct dp_of_count n = { was->base_pkts, was->base_bytes, 0 };

	if (reset)
		dp_of_flow_count(a->p.of, was->dp, &n);
	f->base_pkts = n.n_pkts;
	f->base_bytes = n.n_bytes;
}

void of_flow_count(const struct of_agent *a, const struct of_flow *f, struct dp_of_count *out)
{
	dp_of_flow_count(a->p.of, f->dp, out);
	out->n_pkts -= f->base_pkts;
	out->n_bytes -= f->base_bytes;
	if ((f->flags & OF13_FLOW_MOD_FLAG_NO_PKT_COUNTS) != 0)
		out->n_pkts = UINT64_MAX;
	if ((f->flags & OF13_FLOW_MOD_FLAG_NO_BYT_COUNTS) != 0)
		out->n_bytes = UINT64_MAX;
}

// --- Selections

int of_select_init(struct of_select *s, uint8_t table, struct of_list match,
		   struct of_wire_error *e)
{
	memset(s, 0, sizeof(*s));
	s->table = table;
	s->out_port = s->out_group = OF_ANY;
	if (of_match_compile(match, &s->key, &s->mask, e) != 0)
		return -EINVAL;
	s->any = of_match_is_any(&s->mask);
	return 0;
}

static bool leads(void *arg, bool is_port, uint32_t number)
{
	const struct of_select *s = arg;

	return number == (is_port ? s->out_port : s->out_group);
}

static bool has_outputs(struct of_select *s, const struct of_flow *f)
{
	struct of_select one = { .out_port = s->out_port, .out_group = OF_ANY };
	struct of_list l = of_flow_instructions(f);

	if (s->out_port != OF_ANY && !of_instructions_refer(l, leads, &one))
		return false;
	one = (struct of_select){ .out_port = OF_ANY, .out_group = s->out_group };
	return s->out_group == OF_ANY || of_instructions_refer(l, leads, &one);
}

bool of_select_has(struct of_select *s, const struct of_flow *f)
{
	const struct dp_flow_rule *r = dp_of_flow_rule(f->dp);

	if (((f->cookie ^ s->cookie) & s->cookie_mask) != 0 ||
	    (!s->any && !of_match_within(&r->key, &r->mask, &s->key, &s->mask)))
		return false;
	return (s->out_port == OF_ANY && s->out_group == OF_ANY) || has_outputs(s, f);
}

static struct of_flow *exact(struct of_agent *a, uint8_t table, const struct of_select *s,
			     uint16_t priority)
{
	struct dp_of_flow *dp = dp_of_flow_exact(a->p.of, table, &s->key, &s->mask, priority);

	return dp == NULL ? NULL : dp_of_flow_user(dp);
}

// What a look at flows needs next of those that come: their memory is anywhere.
static void fetch(const struct of_table *t, uint32_t at)
{
	uintptr_t far = at + 16 < t->n_slots ? t->slots[at + 16] : 1;
	uintptr_t near = at + 8 < t->n_slots ? t->slots[at + 8] : 1;

	if ((far & 1) == 0)
		__builtin_prefetch((const void *)far);
	if ((near & 1) == 0) {
		const struct dp_flow_rule *r = dp_of_flow_rule(((struct of_flow *)near)->dp);

		__builtin_prefetch(&r->key);
		__builtin_prefetch(&r->mask);
	}
}

int of_flow_walk(struct of_agent *a, uint8_t first, uint8_t last, of_flow_fn *fn, void *arg)
{
	struct of_walk *w = &a->tables->walk;

	if (!a->txn.midway)
		*w = (struct of_walk){ .table = first };
	for (; w->table <= last; *w = (struct of_walk){ .table = (uint8_t)(w->table + 1) }) {
		const struct of_table *t = &a->tables->t[w->table];

		while (w->at < t->n_slots) {
			uintptr_t s;
			int rc;

			if (of_slice_over(a))
				return OF_MORE;
			a->work += OF_WORK_LOOK;
			fetch(t, w->at);
			s = t->slots[w->at++];
			if ((s & 1) == 0) // fn() may look at each action
				a->work += ((struct of_flow *)s)->inst_size / 64;
			rc = (s & 1) == 0 ? fn(a, (struct of_flow *)s, arg) : 0;
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static int each_strict(struct of_agent *a, struct of_mod *x, of_flow_fn *fn)
{
	bool all = x->select.table == OF_ALL_TABLES;
	uint8_t last = all ? DP_FLOW_TABLES - 1 : x->select.table;

	for (uint8_t t = all ? 0 : last; t <= last; t++) {
		struct of_flow *f = exact(a, t, &x->select, x->m->priority);
		int rc = f != NULL ? fn(a, f, x) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

// Calls fn for each flow that the message may be about. returns 0, or what fn said, or OF_MORE
static int each(struct of_agent *a, struct of_mod *x, of_flow_fn *fn)
{
	bool all = x->select.table == OF_ALL_TABLES;
	uint8_t table = x->select.table;

	if (x->strict)
		return each_strict(a, x, fn);
	return of_flow_walk(a, all ? 0 : table, all ? DP_FLOW_TABLES - 1 : table, fn, x);
}

// --- Add

// Two rules of one priority overlap when a frame could match both.
static int check_overlap(struct of_agent *a, struct of_mod *x)
{
	struct dp_flow_overlap *o = &x->overlap;
	uint32_t n_left, n_most;
	bool is_done;

	if ((x->m->flags & OF13_FLOW_MOD_FLAG_CHECK_OVERLAP) == 0)
		return 0;
	if (!a->txn.midway)
		*o = (struct dp_flow_overlap){ .key = x->select.key,
					       .mask = x->select.mask,
					       .priority = x->m->priority };
	if (of_slice_over(a))
		return OF_MORE;
	n_most = n_left = of_slice_left(a);
	is_done = dp_of_flow_overlap(a->p.of, x->m->table_id, o, &n_left);
	a->work += OF_WORK_LOOK * (n_most - n_left);
	if (!is_done)
		return OF_MORE;
	return o->found == NULL ? 0 : bad(x->e, OF13_FLOW_MOD_FAILED_OVERLAP);
}

static int no_room(struct of_wire_error *e, int rc)
{
	return bad(e,
		   rc == -ENOSPC ? OF13_FLOW_MOD_FAILED_TABLE_FULL : OF13_FLOW_MOD_FAILED_UNKNOWN);
}

static int replace(struct of_agent *a, struct of_flow *was, struct of_flow *f, struct of_mod *x)
{
	int rc = dp_of_flow_change(a->p.of, was->dp, &x->c->prog);

	if (rc != 0) {
		of_flow_drop(a, f);
		return no_room(x->e, rc);
	}
	f->dp = was->dp;
	take_counters(a, f, was, (x->m->flags & OF13_FLOW_MOD_FLAG_RESET_COUNTS) != 0);
	relink(a, was, f);
	of_journal_note(a, OF_CHANGE_FLOW, was, f);
	return 0;
}

static int add(struct of_agent *a, struct of_mod *x)
{
	const struct of13_flow_mod *m = x->m;
	struct of_flow *f, *was;
	int rc = check_overlap(a, x);

	if (rc != 0)
		return rc;
	if (slot_reserve(&a->tables->t[m->table_id]) != 0 || of_journal_reserve(a) != 0)
		return no_room(x->e, -ENOMEM);
	rc = record(x->c, m->table_id, m->match, m->instructions, &f);
	if (rc != 0)
		return no_room(x->e, rc);
	take_terms(a, f, m);
	was = exact(a, m->table_id, &x->select, m->priority);
	if (was != NULL)
		return replace(a, was, f, x);
	rc = dp_of_flow_add(a->p.of, m->table_id, &x->select.key, &x->select.mask, m->priority,
			    &x->c->prog, &f->dp);
	if (rc != 0) {
		of_flow_drop(a, f);
		return no_room(x->e, rc);
	}
	relink(a, NULL, f);
	of_journal_note(a, OF_CHANGE_FLOW, NULL, f);
	return 0;
}

// --- Modify and delete

static int modify_one(struct of_agent *a, struct of_flow *was, void *arg)
{
	struct of_mod *x = arg;
	struct of_flow *f;
	int rc;

	if (!of_select_has(&x->select, was))
		return 0;
	a->work += OF_WORK_CHANGE;
	if (of_journal_reserve(a) != 0)
		return no_room(x->e, -ENOMEM);
	rc = record(x->c, was->table, of_flow_match(was), x->m->instructions, &f);
	if (rc != 0)
		return no_room(x->e, rc);
	keep_terms(f, was);
	return replace(a, was, f, x);
}

int of_flow_end(struct of_agent *a, struct of_flow *f, uint8_t reason)
{
	if (of_journal_reserve(a) != 0)
		return -EINVAL;
	a->work += OF_WORK_CHANGE;
	f->reason = reason;
	dp_of_flow_end(a->p.of, f->dp);
	relink(a, f, NULL);
	of_journal_note(a, OF_CHANGE_FLOW, f, NULL);
	return 0;
}

static int delete_one(struct of_agent *a, struct of_flow *f, void *arg)
{
	struct of_mod *x = arg;

	if (!of_select_has(&x->select, f) || of_flow_end(a, f, x->reason) == 0)
		return 0;
	return no_room(x->e, -ENOMEM);
}

// --- Messages

static const uint16_t known_flags =
	OF13_FLOW_MOD_FLAG_SEND_FLOW_REM | OF13_FLOW_MOD_FLAG_CHECK_OVERLAP |
	OF13_FLOW_MOD_FLAG_RESET_COUNTS | OF13_FLOW_MOD_FLAG_NO_PKT_COUNTS |
	OF13_FLOW_MOD_FLAG_NO_BYT_COUNTS;

static int check_head(const struct of13_flow_mod *m, bool deletes, struct of_wire_error *e)
{
	if (m->command > OF13_FLOW_MOD_COMMAND_DELETE_STRICT)
		return bad(e, OF13_FLOW_MOD_FAILED_BAD_COMMAND);
	if (m->table_id >= DP_FLOW_TABLES && !(deletes && m->table_id == OF_ALL_TABLES))
		return bad(e, OF13_FLOW_MOD_FAILED_BAD_TABLE_ID);
	if ((m->flags & ~known_flags) != 0)
		return bad(e, OF13_FLOW_MOD_FAILED_BAD_FLAGS);
	if (!deletes && m->buffer_id != OF_NO_BUFFER)
		return of_refuse(e, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BUFFER_UNKNOWN);
	return 0;
}

static int compile(struct of_agent *a, struct of_mod *x)
{
	struct of_compile *c = x->c;

	c->a = a;
	c->e = x->e;
	c->table = x->m->table_id;
	c->packet_out = c->anything = false;
	c->key = x->select.key;
	c->mask = x->select.mask;
	return of_compile_instructions(c, x->m->instructions);
}

static int check(struct of_agent *a, struct of_mod *x)
{
	const struct of13_flow_mod *m = x->m;

	x->deletes = m->command >= OF13_FLOW_MOD_COMMAND_DELETE;
	x->strict = m->command == OF13_FLOW_MOD_COMMAND_MODIFY_STRICT ||
		    m->command == OF13_FLOW_MOD_COMMAND_DELETE_STRICT;
	x->reason = OF13_FLOW_REMOVED_REASON_DELETE;
	x->c = &a->tables->compile;
	if (check_head(m, x->deletes, x->e) != 0 ||
	    of_select_init(&x->select, m->table_id, m->match, x->e) != 0)
		return -EINVAL;
	if (!x->deletes && compile(a, x) != 0)
		return -EINVAL;
	if (m->command != OF13_FLOW_MOD_COMMAND_ADD) {
		x->select.cookie = m->cookie;
		x->select.cookie_mask = m->cookie_mask;
	}
	if (x->deletes) {
		x->select.out_port = m->out_port;
		x->select.out_group = m->out_group;
	}
	return 0;
}

int of_flow_mod(struct of_agent *a, const struct of13_flow_mod *m, struct of_wire_error *e)
{
	struct of_mod *x = &a->tables->mod;

	x->m = m;
	x->e = e;
	if (!a->txn.midway && check(a, x) != 0) // midway: what it found out stands
		return -EINVAL;
	if (m->command == OF13_FLOW_MOD_COMMAND_ADD)
		return add(a, x);
	if ((!x->strict || m->table_id == OF_ALL_TABLES) && !a->txn.midway)
		of_journal_alone(a);
	return each(a, x, x->deletes ? delete_one : modify_one);
}

uint64_t of_agent_cookie(const struct dp_of_flow *f)
{
	const struct of_flow *r = dp_of_flow_user(f);

	return r == NULL ? 0 : r->cookie;
}
