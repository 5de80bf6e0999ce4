// The difference of two configurations, as Junos shows it. See words_priv.h.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

static const struct cfg_words_style gone = { .sign = "-  ", .comments = true };
static const struct cfg_words_style come = { .sign = "+  ", .comments = true };
static const struct cfg_words_style moved = { .sign = "!  " };
static const struct cfg_words_style same = { .sign = "   " };

// One place: the children of one node in both trees.
struct level {
	struct cfg_words_text *t;
	struct lyd_node *from, *to;   // first children
	const struct lyd_node *at;    // the node, of either tree; NULL = the top
	const struct lysc_node *only; // when not NULL: only its instances
	const struct lyd_node *like;  // when not NULL: only this one
	bool headed;
};

static void head(struct level *l)
{
	struct cfg_words_text path = { 0 };

	if (l->headed)
		return;
	l->headed = true;
	if (l->at != NULL)
		cfg_words_put_path(&path, l->at);
	cfg_words_put(l->t, "[edit");
	if (path.size > 0) {
		cfg_words_put(l->t, " ");
		cfg_words_put_n(l->t, path.buf, path.size - 1);
	}
	cfg_words_put(l->t, "]\n");
	free(path.buf);
}

static bool concerns(const struct level *l, const struct lyd_node *n)
{
	if (!cfg_words_prints(n))
		return false;
	if (l->only != NULL && n->schema != l->only)
		return false;
	return l->like == NULL ||
	       (n->schema == l->like->schema &&
		(cfg_words_is(n, LYS_LEAF) || lyd_compare_single(n, l->like, 0) == LY_SUCCESS));
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void both(struct level *l, const struct lyd_node *a, const struct lyd_node *b)
{
	const char *was = cfg_words_comment(a), *is = cfg_words_comment(b);
	bool talk = !same_text(was, is);
	struct cfg_words_style minus = gone, plus = come;

	if (cfg_words_is(a, LYS_LEAF) && strcmp(lyd_get_value(a), lyd_get_value(b)) != 0) {
		head(l);
		minus.comments = plus.comments = talk;
		cfg_words_put_node(l->t, a, &minus);
		cfg_words_put_node(l->t, b, &plus);
		return;
	}
	if (!talk)
		return;
	head(l);
	if (was != NULL)
		cfg_words_put_comment(l->t, was, &gone);
	if (is != NULL)
		cfg_words_put_comment(l->t, is, &come);
	cfg_words_put_head(l->t, b, &same);
	cfg_words_put(l->t, "\n");
}

// --- Moves

struct spot {
	const struct lyd_node *node;
	uint32_t idx;
};

static int by_node(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct spot *)a)->node;
	uintptr_t y = (uintptr_t)((const struct spot *)b)->node;

	return x < y ? -1 : x > y;
}

struct order {
	struct spot *old;	      // instances in the old tree, by address
	uint32_t *was;		      // was[n]: old place of each common instance, in the new order
	uint32_t *tail, *before;      // of the longest increasing run
	const struct lyd_node **node; // node[n], in the new tree
	uint32_t n, n_old;
};

static uint32_t count(const struct lyd_node *n, const struct lysc_node *schema)
{
	uint32_t c = 0;

	for (; n != NULL; n = n->next)
		c += n->schema == schema;
	return c;
}

static int order_alloc(struct order *o, uint32_t n_old, uint32_t n_new)
{
	o->old = calloc(n_old + 1, sizeof(*o->old));
	o->was = calloc(n_new + 1, sizeof(*o->was));
	o->tail = calloc(n_new + 1, sizeof(*o->tail));
	o->before = calloc(n_new + 1, sizeof(*o->before));
	o->node = calloc(n_new + 1, sizeof(*o->node));
	return o->old != NULL && o->was != NULL && o->tail != NULL && o->before != NULL &&
			       o->node != NULL
		       ? 0
		       : -ENOMEM;
}

static void order_fill(struct order *o, const struct level *l, const struct lysc_node *schema)
{
	const struct lyd_node *n, *m;
	const struct spot *s;
	struct spot key;

	LY_LIST_FOR (l->from, n) {
		if (n->schema != schema)
			continue;
		o->old[o->n_old] = (struct spot){ .node = n, .idx = o->n_old };
		o->n_old++;
	}
	qsort(o->old, o->n_old, sizeof(*o->old), by_node);
	LY_LIST_FOR (l->to, n) {
		if (n->schema != schema || (m = cfg_words_match(l->from, n)) == NULL)
			continue;
		key.node = m;
		s = bsearch(&key, o->old, o->n_old, sizeof(*o->old), by_node);
		if (s == NULL)
			continue;
		o->was[o->n] = s->idx;
		o->node[o->n++] = n;
	}
}

// Mark what keeps its order: the longest run of increasing old places. What is not in it has moved.
// kept[i] is left in tail.
static void order_run(struct order *o)
{
	uint32_t len = 0, low, high, at = 0;

	// tail[k]: the index with which the best run of length k + 1 ends; before[i]: the one in
	// front of i in its run, plus one.
	for (uint32_t i = 0; i < o->n; i++) {
		for (low = 0, high = len; low < high;) {
			uint32_t mid = (low + high) / 2;

			if (o->was[o->tail[mid]] < o->was[i])
				low = mid + 1;
			else
				high = mid;
		}
		o->before[i] = low == 0 ? 0 : o->tail[low - 1] + 1;
		o->tail[low] = i;
		len = low == len ? len + 1 : len;
	}
	at = len == 0 ? 0 : o->tail[len - 1] + 1;
	memset(o->tail, 0, o->n * sizeof(*o->tail));
	for (; at > 0; at = o->before[at - 1])
		o->tail[at - 1] = 1;
}

static void put_move(struct level *l, const struct lyd_node *n)
{
	const struct lyd_node *prev = n->prev->next == NULL ? NULL : n->prev;

	head(l);
	cfg_words_put_head(l->t, n, &moved);
	if (prev == NULL || prev->schema != n->schema) {
		cfg_words_put(l->t, " /* now first */\n");
		return;
	}
	cfg_words_put(l->t, " /* now after ");
	cfg_words_put_words(l->t, prev);
	cfg_words_put(l->t, " */\n");
}

static int moves(struct level *l, const struct lysc_node *schema)
{
	struct order o = { 0 };
	int rc = order_alloc(&o, count(l->from, schema), count(l->to, schema));

	if (rc == 0) {
		order_fill(&o, l, schema);
		order_run(&o);
		for (uint32_t i = 0; i < o.n; i++) {
			if (o.tail[i] == 0 && concerns(l, o.node[i]))
				put_move(l, o.node[i]);
		}
	}
	free(o.old);
	free(o.was);
	free(o.tail);
	free(o.before);
	free(o.node);
	return rc;
}

// --- Levels

static void changes(struct level *l)
{
	const struct lyd_node *n, *m;

	LY_LIST_FOR (l->from, n) {
		if (!concerns(l, n))
			continue;
		m = cfg_words_match(l->to, n);
		if (m != NULL && cfg_words_prints(m)) {
			both(l, n, m);
			continue;
		}
		head(l);
		cfg_words_put_node(l->t, n, &gone);
	}
	LY_LIST_FOR (l->to, n) {
		m = concerns(l, n) ? cfg_words_match(l->from, n) : n;
		if (m != NULL && (m == n || cfg_words_prints(m)))
			continue;
		head(l);
		cfg_words_put_node(l->t, n, &come);
	}
}

static int compare(struct level *l)
{
	const struct lysc_node *last = NULL;
	struct lyd_node *n, *m;
	int rc = 0;

	changes(l);
	LY_LIST_FOR (l->to, n) {
		if (rc == 0 && n->schema != NULL && n->schema != last &&
		    lysc_is_userordered(n->schema))
			rc = moves(l, n->schema);
		last = n->schema;
	}
	LY_LIST_FOR (l->from, n) {
		m = concerns(l, n) && !cfg_words_is(n, LYS_LEAF | LYS_LEAFLIST)
			    ? cfg_words_match(l->to, n)
			    : NULL;
		if (rc == 0 && m != NULL && cfg_words_prints(m)) {
			struct level inner = {
				.t = l->t, .from = lyd_child(n), .to = lyd_child(m), .at = m
			};

			rc = compare(&inner);
		}
	}
	return rc;
}

// The level on which the node stands that the line names.
static void level_of(struct cfg_walk *k, const struct cfg_words_pair *trees, struct level *l)
{
	const struct lyd_node *n = k->last != NULL ? k->last : k->at, *above;
	struct lyd_node *from = (struct lyd_node *)trees->from, *to = (struct lyd_node *)trees->to;
	struct lyd_node *a, *b;

	l->from = from;
	l->to = to;
	if (k->all)
		l->only = k->pending;
	else
		l->like = n;
	above = k->all ? k->parent : n == NULL ? NULL : lyd_parent(n);
	if (above == NULL)
		return;
	a = cfg_words_find(from, above);
	b = cfg_words_find(to, above);
	l->at = a != NULL ? a : b;
	l->from = a == NULL ? NULL : lyd_child(a);
	l->to = b == NULL ? NULL : lyd_child(b);
}

int cfg_words_compare(struct cfg_schema *s, const struct cfg_words_pair *trees,
		      const struct cfg_words *at, char **out, struct cfg_words_error *e)
{
	static const struct cfg_words everything;
	struct cfg_words_text t = { 0 };
	struct level l = { .t = &t };
	struct cfg_walk k;
	int rc;

	*out = NULL;
	at = at == NULL ? &everything : at;
	rc = cfg_walk_init(&k, s, at, CFG_WORDS_SHOW, e);
	if (rc == 0)
		rc = cfg_walk_words(&k, at->n);
	if (rc == 0)
		rc = cfg_walk_end(&k, at->n);
	if (rc == 0) {
		level_of(&k, trees, &l);
		rc = compare(&l);
	}
	cfg_walk_fini(&k);
	if (rc < 0) {
		free(t.buf);
		return rc;
	}
	return cfg_words_text_take(&t, out);
}
