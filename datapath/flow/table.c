#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	struct ft_view *v;

	if (t == NULL)
		return;
	v = view_now(t);
	for (uint32_t i = 0; i < v->n; i++)
		ft_tuple_destroy(v->at[i].tuple);
	free(v);
	ft_index_fini(t);
	free(t);
}

static int by_priority(const void *a, const void *b)
{
	const struct ft_tuple *const *x = a, *const *y = b;

	if ((*x)->max_priority != (*y)->max_priority)
		return (*x)->max_priority < (*y)->max_priority ? 1 : -1;
	return memcmp(&(*x)->mask, &(*y)->mask, sizeof((*x)->mask));
}

// Have workers walk these tuples. returns 0 or -ENOMEM
static int view_publish(struct dp_flow_table *t, struct ft_tuple **tuples, uint32_t n)
{
	struct ft_view *old = view_now(t), *v = malloc(sizeof(*v) + n * sizeof(v->at[0]));

	if (v == NULL)
		return -ENOMEM;
	qsort(tuples, n, sizeof(tuples[0]), by_priority);
	v->n = n;
	for (uint32_t i = 0; i < n; i++) {
		v->at[i].tuple = tuples[i];
		v->at[i].max_priority = tuples[i]->max_priority;
	}
	atomic_store_explicit(&t->view, v, memory_order_release);
	t->retire(t->arg, old);
	return 0;
}

// The view with one tuple more (add), one less (drop), or the same ones in their order by now.
static int view_change(struct dp_flow_table *t, struct ft_tuple *add, const struct ft_tuple *drop)
{
	const struct ft_view *v = view_now(t);
	struct ft_tuple **tuples = malloc((v->n + 1) * sizeof(tuples[0]));
	uint32_t n = 0;
	int err;

	if (tuples == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < v->n; i++) {
		if (v->at[i].tuple != drop)
			tuples[n++] = v->at[i].tuple;
	}
	if (add != NULL)
		tuples[n++] = add;
	err = view_publish(t, tuples, n);
	free(tuples);
	return err;
}

// A mask that no rule had until now gets a tuple.
static int mask_tuple(struct dp_flow_table *t, struct ft_mask *m)
{
	if (m->tuple != NULL)
		return 0;
	m->tuple = ft_tuple_create(&m->mask);
	if (m->tuple == NULL)
		return -ENOMEM;
	if (view_change(t, m->tuple, NULL) != 0) {
		ft_tuple_destroy(m->tuple);
		m->tuple = NULL;
		return -ENOMEM;
	}
	return 0;
}

int dp_flow_table_insert(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct ft_mask *m;
	uint32_t max;
	int err = ft_index_insert(t, r, &m);

	if (err != 0)
		return err;
	memset(r->place, 0, sizeof(r->place));
	err = mask_tuple(t, m);
	max = err == 0 ? m->tuple->max_priority : 0;
	if (err == 0)
		err = ft_tuple_insert(t, m->tuple, r, &r->place[0]);
	// Before the rule's version is in force: no lookup may stop before the tuple.
	if (err == 0 && r->priority > max) {
		err = view_change(t, NULL, NULL);
		if (err != 0)
			ft_tuple_remove(t, r, &r->place[0]);
	}
	if (err != 0)
		ft_index_remove(t, r);
	return err;
}

void dp_flow_table_remove(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct ft_mask *m = ft_index_mask(t, r);

	ft_tuple_remove(t, r, &r->place[0]);
	if (m->n_rules == 1 && view_change(t, NULL, m->tuple) == 0) {
		ft_tuple_retire(t, m->tuple);
		m->tuple = NULL;
	}
	ft_index_remove(t, r);
}

void dp_flow_table_mask(const struct dp_flow_table *t, struct dp_flow_key *out)
{
	if (t->mask_is_wide)
		ft_index_union(t, out);
	else
		*out = t->mask;
}

void dp_flow_table_info(const struct dp_flow_table *t, struct dp_flow_table_info *out)
{
	memset(out, 0, sizeof(*out));
	out->n_rules = t->n_rules;
	out->n_tuples = view_now(t)->n;
}
