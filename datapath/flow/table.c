#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MANY = 16384,	// rules, from which on they are arranged anew in
	STEP = 8,	// smaller steps: so many of them with each change,
	LONG_STEP = 64, // and so many of fewer
	SLACK = 8,	// rules in blocks that are no reason to do so
	MAX_SLACK = 256,
};

static struct ft_view *view_now(const struct dp_flow_table *t)
{
	return atomic_load_explicit(&t->view, memory_order_relaxed);
}

int dp_flow_table_create(void (*retire)(void *arg, void *mem), void *arg,
			 struct dp_flow_table **out)
{
	struct dp_flow_table *t = calloc(1, sizeof(*t));
	struct ft_view *v = calloc(1, sizeof(*v));

	if (t == NULL || v == NULL || ft_index_init(t) != 0) {
		free(t);
		free(v);
		return -ENOMEM;
	}
	t->retire = retire;
	t->arg = arg;
	atomic_store_explicit(&t->view, v, memory_order_relaxed);
	*out = t;
	return 0;
}

void dp_flow_table_destroy(struct dp_flow_table *t)
{
	struct ft_tuple *next;

	if (t == NULL)
		return;
	ft_set_free(&t->sets[0]);
	ft_set_free(&t->sets[1]);
	for (struct ft_tuple *d = t->dying; d != NULL; d = next) {
		next = d->next_dying;
		ft_tuple_destroy(d);
	}
	free(view_now(t));
	ft_merge_destroy(t->merge);
	ft_index_fini(t);
	free(t);
}

static int by_priority(const void *a, const void *b)
{
	const struct ft_entry *x = a, *y = b;

	if (x->max_priority != y->max_priority)
		return x->max_priority < y->max_priority ? 1 : -1;
	// Tuples first, as a probe is cheaper; those first that most likely have it.
	if ((x->tuple == NULL) != (y->tuple == NULL))
		return x->tuple == NULL ? 1 : -1;
	return (x->n_rules < y->n_rules) - (x->n_rules > y->n_rules);
}

// Have workers walk what of that set has rules. returns 0 or -ENOMEM
static int view_publish(struct dp_flow_table *t, struct ft_set *s)
{
	struct ft_view *old,
		*v = malloc(sizeof(*v) + (s->n_tuples + s->n_blocks) * sizeof(v->at[0]));

	if (v == NULL)
		return -ENOMEM;
	v->n = 0;
	for (uint32_t i = 0; i < s->n_tuples; i++) {
		const struct ft_tuple *x = s->tuples[i];

		if (x->n_rules > 0)
			v->at[v->n++] = (struct ft_entry){ s->tuples[i], NULL, x->max_priority,
							   x->n_rules };
	}
	for (uint32_t i = 0; i < s->n_blocks; i++) {
		const struct ft_block *x = s->blocks[i];

		if (x->n_rules > 0)
			v->at[v->n++] =
				(struct ft_entry){ NULL, s->blocks[i], x->highest, x->n_rules };
	}
	qsort(v->at, v->n, sizeof(v->at[0]), by_priority);
	old = view_now(t);
	atomic_store_explicit(&t->view, v, memory_order_release);
	t->retire(t->arg, old);
	s->is_stale = false;
	return 0;
}

// Too many rules in blocks, many more masks, or far fewer rules than there were?
static bool is_untidy(const struct dp_flow_table *t)
{
	const struct ft_set *s = &t->sets[t->now];
	uint32_t slack = t->n_rules / 64;

	slack = slack < SLACK ? SLACK : slack > MAX_SLACK ? MAX_SLACK : slack;
	return s->n_wide > t->wide_then + t->wide_then / 2 + slack ||
	       (t->masks.n > DP_FLOW_TUPLES && t->masks.n > 2 * t->masks_then) ||
	       (t->n_rules < t->then / 4 && (s->n_blocks > 0 || t->masks_then > DP_FLOW_TUPLES));
}

static void build_start(struct dp_flow_table *t)
{
	t->wide_then = t->sets[t->now].n_wide; // also if it fails: not with each change again
	t->then = t->n_rules;
	t->masks_then = t->masks.n;
	t->n_built = 0;
	t->is_cutting = false;
	t->merge = ft_merge_create(t);
	t->is_building = t->merge != NULL;
}

static void merge_over(struct dp_flow_table *t)
{
	ft_merge_destroy(t->merge);
	t->merge = NULL;
	ft_index_forget(t);
}

static void build_give_up(struct dp_flow_table *t)
{
	merge_over(t);
	ft_set_free(&t->sets[1 - t->now]);
	t->is_building = false;
	t->n_built = 0;
}

static void build_finish(struct dp_flow_table *t)
{
	uint32_t next = 1 - t->now;

	if (view_publish(t, &t->sets[next]) != 0) {
		build_give_up(t);
		return;
	}
	ft_set_retire(t, &t->sets[t->now]);
	t->now = next;
	t->n_arranged++;
	t->wide_then = t->sets[next].n_wide;
	t->then = t->n_rules;
	t->is_building = false;
	t->n_built = 0;
}

// Rules go to the set that is being built. returns 0 or -ENOMEM
static int build_fill(struct dp_flow_table *t)
{
	uint32_t n = t->n_rules < MANY ? LONG_STEP : STEP;

	for (; n > 0 && t->n_built < t->n_rules; n--) {
		struct dp_flow_rule *r = t->rules[t->n_built];
		int err = ft_set_insert(t, r, ft_index_mask(r), 1 - t->now);

		if (err != 0)
			return err;
		t->n_built++;
	}
	return 0;
}

// The next part: tuples for masks, rules to them, blocks for those that are left, and rules that
// came meanwhile. returns 0 or -ENOMEM
static int build_step(struct dp_flow_table *t)
{
	uint32_t next = 1 - t->now;
	int err = 0;

	if (t->merge != NULL) {
		err = ft_merge_step(t, t->merge, next);
		if (err == 0)
			merge_over(t);
		return err == -EAGAIN ? 0 : err;
	}
	// What comes while runs are cut goes to their blocks afterwards, not to one of its own.
	t->is_cutting |= t->n_built == t->n_rules;
	if (t->is_cutting && !t->sets[next].is_cut)
		err = ft_run_cut(t, next);
	else
		err = build_fill(t);
	if (err == 0 && t->n_built == t->n_rules && t->sets[next].is_cut)
		build_finish(t);
	return err;
}

bool dp_flow_table_tend(struct dp_flow_table *t)
{
	if (t->dying != NULL) {
		struct ft_tuple *next = t->dying->next_dying;

		if (ft_tuple_retire_some(t, t->dying))
			t->dying = next;
	}
	if (!t->is_building && is_untidy(t))
		build_start(t);
	else if (t->is_building && build_step(t) != 0)
		build_give_up(t);
	return t->is_building || t->dying != NULL;
}

int dp_flow_table_insert(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct ft_set *s = &t->sets[t->now];
	struct ft_mask *m;
	int err = ft_index_insert(t, r, &m);

	if (err != 0)
		return err;
	memset(r->place, 0, sizeof(r->place));
	err = ft_set_insert(t, r, m, t->now);
	// Before the rule's version is in force: no lookup may stop before it gets there.
	if (err == 0 && s->is_stale) {
		err = view_publish(t, s);
		if (err != 0)
			ft_set_remove(t, r, t->now);
	}
	if (err != 0) {
		ft_index_remove(t, r);
		s->has_empty = true; // a tuple may have been made for it
		return err;
	}
	(void)dp_flow_table_tend(t);
	return 0;
}

void dp_flow_table_remove(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct ft_set *s = &t->sets[t->now];

	ft_set_remove(t, r, t->now);
	if (t->is_building && r->pos < t->n_built)
		ft_set_remove(t, r, 1 - t->now);
	ft_index_remove(t, r);
	// Without memory for the view, what is empty stays in it.
	if (s->has_empty && view_publish(t, s) == 0)
		ft_set_drop_empty(t);
	(void)dp_flow_table_tend(t);
}

void dp_flow_table_mask(struct dp_flow_table *t, struct dp_flow_key *out)
{
	*out = t->mask;
}

void dp_flow_table_info(const struct dp_flow_table *t, struct dp_flow_table_info *out)
{
	const struct ft_set *s = &t->sets[t->now];

	out->n_rules = t->n_rules;
	out->n_tuples = s->n_tuples;
	out->n_blocks = s->n_blocks;
	out->n_overflow = s->n_wide;
	out->longest = s->longest;
}
