#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORTH = 64, // rules of a mask that gets a tuple though there are blocks
};

// A tuple of the mask's own, where that is no probe more than there should be.
static struct ft_tuple *own_tuple(struct dp_flow_table *ft, struct ft_mask *m, uint32_t set)
{
	struct ft_set *s = &ft->sets[set];
	struct ft_tuple *t;

	if (set != ft->now || s->n_tuples == DP_FLOW_TUPLES ||
	    (s->n_blocks > 0 && m->n_rules <= WORTH))
		return NULL;
	t = ft_tuple_create(&m->mask, 0);
	if (t == NULL)
		return NULL;
	s->tuples[s->n_tuples++] = t;
	m->tuple[set] = t;
	return t;
}

// A block that takes it, or one more for rules like any that are here.
static int block_insert(struct dp_flow_table *ft, struct dp_flow_rule *r, uint32_t set)
{
	struct ft_set *s = &ft->sets[set];
	struct ft_block *b = NULL;

	for (uint32_t i = 0; b == NULL && i < s->n_blocks; i++) {
		if (ft_block_fits(s->blocks[i], r))
			b = s->blocks[i];
	}
	if (b == NULL) {
		if (!ft_room(&s->blocks, s->n_blocks, &s->max_blocks))
			return -ENOMEM;
		b = ft_block_create(&ft->mask, NULL, 0);
		if (b == NULL)
			return -ENOMEM;
		s->blocks[s->n_blocks++] = b;
		s->is_stale = true;
	}
	if (b->n_rules == 0 || r->priority > b->highest) {
		b->highest = r->priority;
		s->is_stale = true;
	}
	ft_block_insert(b, r, set);
	s->n_wide++;
	return 0;
}

int ft_set_insert(struct dp_flow_table *ft, struct dp_flow_rule *r, struct ft_mask *m, uint32_t set)
{
	struct ft_set *s = &ft->sets[set];
	struct ft_tuple *own = m->tuple[set];
	int length = -ENOSPC;

	// Few masks: each has its own. Many: one that is there is no probe more.
	if (own == NULL && ft->masks.n <= DP_FLOW_TUPLES)
		own = own_tuple(ft, m, set);
	for (uint32_t i = 0; own == NULL && length == -ENOSPC && i < s->n_tuples; i++) {
		if (ft_is_within(&s->tuples[i]->mask, &r->mask))
			length = ft_tuple_insert(ft, s->tuples[i], r, set);
	}
	if (own == NULL && length == -ENOSPC)
		own = own_tuple(ft, m, set);
	if (own != NULL)
		length = ft_tuple_insert(ft, own, r, set);
	if (length == -ENOSPC)
		return set == ft->now || s->is_cut ? block_insert(ft, r, set)
						   : ft_run_insert(s, r, set);
	if (length < 0)
		return length;
	if ((uint32_t)length > s->longest)
		s->longest = (uint32_t)length;
	return 0;
}

void ft_set_remove(struct dp_flow_table *ft, struct dp_flow_rule *r, uint32_t set)
{
	struct ft_set *s = &ft->sets[set];
	struct dp_flow_place *p = &r->place[set];

	if (p->node != NULL) {
		struct ft_tuple *t = p->owner;

		ft_tuple_remove(ft, r, set);
		s->has_empty |= t->n_rules == 0;
		return;
	}
	if (p->owner == s) {
		ft_run_remove(s, r, set);
	} else {
		struct ft_block *b = p->owner;

		s->n_wide--;
		ft_block_remove(r, set);
		s->has_empty |= b->n_rules == 0;
	}
}

static void own_free(struct ft_set *s)
{
	for (uint32_t i = 0; i < s->n_runs; i++)
		free(s->runs[i]);
	free(s->runs);
	free(s->blocks);
	memset(s, 0, sizeof(*s));
}

void ft_set_free(struct ft_set *s)
{
	for (uint32_t i = 0; i < s->n_tuples; i++)
		ft_tuple_destroy(s->tuples[i]);
	for (uint32_t i = 0; i < s->n_blocks; i++)
		free(s->blocks[i]);
	own_free(s);
}

static void tuple_retire(struct dp_flow_table *ft, struct ft_tuple *t)
{
	t->next_dying = ft->dying;
	ft->dying = t;
}

void ft_set_retire(struct dp_flow_table *ft, struct ft_set *s)
{
	for (uint32_t i = 0; i < s->n_tuples; i++)
		tuple_retire(ft, s->tuples[i]);
	for (uint32_t i = 0; i < s->n_blocks; i++)
		ft->retire(ft->arg, s->blocks[i]);
	own_free(s);
}

// Masks forget a tuple that is going.
static void forget(struct dp_flow_table *ft, const struct ft_tuple *t)
{
	for (uint32_t i = 0; i < ft->masks.n; i++) {
		if (ft->all_masks[i]->tuple[ft->now] == t)
			ft->all_masks[i]->tuple[ft->now] = NULL;
	}
}

void ft_set_drop_empty(struct dp_flow_table *ft)
{
	struct ft_set *s = &ft->sets[ft->now];
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_tuples; i++) {
		if (s->tuples[i]->n_rules > 0) {
			s->tuples[n++] = s->tuples[i];
			continue;
		}
		forget(ft, s->tuples[i]);
		tuple_retire(ft, s->tuples[i]);
	}
	s->n_tuples = n;
	n = 0;
	for (uint32_t i = 0; i < s->n_blocks; i++) {
		if (s->blocks[i]->n_rules > 0)
			s->blocks[n++] = s->blocks[i];
		else
			ft->retire(ft->arg, s->blocks[i]);
	}
	s->n_blocks = n;
	s->has_empty = false;
}
