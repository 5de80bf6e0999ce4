// What main knows of a table's rules: all of them in a row, by their match and priority, how many
// have which mask, and which have the same mask and priority.
#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_ROOM = 16 };

static uint64_t hash_key(uint64_t h, const struct dp_flow_key *k)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		h = (h ^ k->w[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

// Of a group, and begin of the hash of each of its rules.
static uint64_t seed_of(const struct dp_flow_key *mask, uint32_t priority)
{
	return hash_key(priority, mask);
}

static uint64_t hash_rule(uint64_t seed, const struct dp_flow_key *key)
{
	return ft_mix(hash_key(seed, key));
}

static uint64_t hash_mask(const struct dp_flow_key *mask)
{
	return ft_mix(hash_key(0, mask));
}

int ft_index_init(struct dp_flow_table *t)
{
	t->rules = calloc(MIN_ROOM, sizeof(t->rules[0]));
	t->max_rules = MIN_ROOM;
	if (t->rules == NULL || ft_map_init(&t->index) != 0 || ft_map_init(&t->masks) != 0 ||
	    ft_map_init(&t->groups) != 0) {
		ft_index_fini(t);
		return -ENOMEM;
	}
	return 0;
}

static void group_free(struct ft_group *g)
{
	free(g->rules);
	free(g);
}

void ft_index_fini(struct dp_flow_table *t)
{
	struct dp_flow_link *l, *next;

	for (uint32_t i = 0; i < t->masks.n_buckets; i++) {
		for (l = t->masks.at[i]; l != NULL; l = next) {
			next = l->next;
			free(ft_mask_of(l));
		}
	}
	for (uint32_t i = 0; i < t->groups.n_buckets; i++) {
		for (l = t->groups.at[i]; l != NULL; l = next) {
			next = l->next;
			group_free(ft_group_of(l));
		}
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (uint32_t p = 0; t->priorities[i] != NULL && p < 256; p++)
			free(t->priorities[i]->at[p].groups);
		free(t->priorities[i]);
	}
	ft_map_fini(&t->index);
	ft_map_fini(&t->masks);
	ft_map_fini(&t->groups);
	ft_index_forget(t);
	free(t->all_masks);
	free(t->rules);
}

// array: pointer to an array of pointers
bool ft_room(void *array, uint32_t n, uint32_t *max)
{
	uint32_t want = *max == 0 ? 2 : *max * 2;
	void *old, *more;

	if (n < *max)
		return true;
	memcpy(&old, array, sizeof(old));
	more = realloc(old, (size_t)want * sizeof(void *));
	if (more == NULL)
		return false;
	memcpy(array, &more, sizeof(more));
	*max = want;
	return true;
}

// --- Masks

// So many more masks have each of its bits.
static void mask_count(struct dp_flow_table *t, const struct dp_flow_key *mask, uint32_t by)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		for (uint64_t m = mask->w[i]; m != 0; m &= m - 1) {
			uint32_t *n = &t->n_with[i * 64 + (uint32_t)__builtin_ctzll(m)];

			*n += by;
			if (*n == 0)
				t->mask.w[i] &= ~(m & -m);
			else
				t->mask.w[i] |= m & -m;
		}
	}
}

static struct ft_mask *mask_get(struct dp_flow_table *t, const struct dp_flow_key *mask)
{
	uint64_t hash = hash_mask(mask);
	struct ft_mask *m;

	for (struct dp_flow_link *l = ft_map_first(&t->masks, hash); l != NULL; l = l->next) {
		if (l->hash == hash && memcmp(&ft_mask_of(l)->mask, mask, sizeof(*mask)) == 0)
			return ft_mask_of(l);
	}
	if (!ft_room(&t->all_masks, t->masks.n, &t->max_masks))
		return NULL;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->mask = *mask;
	m->group = UINT32_MAX;
	m->link.hash = hash;
	m->pos = t->masks.n;
	t->all_masks[m->pos] = m;
	ft_map_insert(&t->masks, &m->link);
	mask_count(t, mask, 1);
	return m;
}

static void mask_drop(struct dp_flow_table *t, struct ft_mask *m)
{
	struct ft_mask *last;

	if (m->n_rules > 0)
		return;
	ft_map_remove(&t->masks, &m->link);
	last = t->all_masks[t->masks.n];
	t->all_masks[m->pos] = last;
	last->pos = m->pos;
	mask_count(t, &m->mask, UINT32_MAX);
	m->link.next = t->gone == NULL ? NULL : &t->gone->link;
	t->gone = m;
	if (t->merge == NULL)
		ft_index_forget(t);
}

void ft_index_forget(struct dp_flow_table *t)
{
	while (t->gone != NULL) {
		struct ft_mask *m = t->gone;

		t->gone = m->link.next == NULL ? NULL : ft_mask_of(m->link.next);
		free(m);
	}
}

// --- Groups

struct ft_priority *ft_index_priority(const struct dp_flow_table *t, uint32_t priority)
{
	struct ft_priorities *p = t->priorities[priority >> 8 & 255];

	return p == NULL ? NULL : &p->at[priority & 255];
}

static struct ft_priority *priority_get(struct dp_flow_table *t, uint32_t priority)
{
	struct ft_priorities **p = &t->priorities[priority >> 8 & 255];

	if (*p == NULL)
		*p = calloc(1, sizeof(**p));
	return *p == NULL ? NULL : &(*p)->at[priority & 255];
}

static struct ft_group *group_find(const struct dp_flow_table *t, const struct dp_flow_key *mask,
				   uint32_t priority, uint64_t seed)
{
	struct dp_flow_link *l = ft_map_first(&t->groups, ft_mix(seed));

	for (; l != NULL; l = l->next) {
		struct ft_group *g = ft_group_of(l);

		if (g->seed == seed && g->priority == priority &&
		    memcmp(&g->mask->mask, mask, sizeof(*mask)) == 0)
			return g;
	}
	return NULL;
}

static struct ft_group *group_make(struct dp_flow_table *t, const struct dp_flow_rule *r,
				   uint64_t seed)
{
	struct ft_priority *p = priority_get(t, r->priority);
	struct ft_group *g;
	struct ft_mask *m;

	if (p == NULL || !ft_room(&p->groups, p->n_groups, &p->max_groups))
		return NULL;
	g = calloc(1, sizeof(*g));
	if (g == NULL || !ft_room(&g->rules, 0, &g->max_rules)) {
		free(g);
		return NULL;
	}
	m = mask_get(t, &r->mask);
	if (m == NULL) {
		group_free(g);
		return NULL;
	}
	g->mask = m;
	g->priority = r->priority;
	g->seed = seed;
	g->link.hash = ft_mix(seed);
	ft_map_insert(&t->groups, &g->link);
	g->pos = p->n_groups;
	p->groups[p->n_groups++] = g;
	return g;
}

static void group_drop(struct dp_flow_table *t, struct ft_group *g)
{
	struct ft_priority *p = ft_index_priority(t, g->priority);
	struct ft_group *last = p->groups[--p->n_groups];

	p->groups[g->pos] = last;
	last->pos = g->pos;
	if (p->n_groups == 0) {
		free(p->groups);
		p->groups = NULL;
		p->max_groups = 0;
	}
	ft_map_remove(&t->groups, &g->link);
	group_free(g);
}

// --- Rules

int ft_index_insert(struct dp_flow_table *t, struct dp_flow_rule *r, struct ft_mask **mask)
{
	uint64_t seed = seed_of(&r->mask, r->priority);
	struct ft_group *g;

	if (!ft_room(&t->rules, t->n_rules, &t->max_rules))
		return -ENOMEM;
	g = group_find(t, &r->mask, r->priority, seed);
	if (g == NULL)
		g = group_make(t, r, seed);
	if (g == NULL || !ft_room(&g->rules, g->n_rules, &g->max_rules))
		return -ENOMEM;
	r->words = 0;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		r->words |= (uint16_t)((r->mask.w[i] != 0) << i);
	r->group = g;
	r->group_pos = g->n_rules;
	g->rules[g->n_rules++] = r;
	g->mask->n_rules++;
	ft_index_priority(t, r->priority)->n_rules++;
	r->pos = t->n_rules;
	t->rules[t->n_rules++] = r;
	r->same.hash = hash_rule(seed, &r->key);
	ft_map_insert(&t->index, &r->same);
	*mask = g->mask;
	return 0;
}

void ft_index_remove(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct dp_flow_rule *last = t->rules[--t->n_rules];
	struct ft_group *g = r->group;
	struct ft_mask *m = g->mask;
	uint32_t at = r->pos;

	// Those that the next set has stay in front.
	if (at < t->n_built) {
		struct dp_flow_rule *built = t->rules[--t->n_built];

		t->rules[at] = built;
		built->pos = at;
		at = t->n_built;
	}
	if (at < t->n_rules) { // else the last one has gone, or moved
		t->rules[at] = last;
		last->pos = at;
	}
	ft_map_remove(&t->index, &r->same);
	last = g->rules[--g->n_rules];
	g->rules[r->group_pos] = last;
	last->group_pos = r->group_pos;
	ft_index_priority(t, r->priority)->n_rules--;
	m->n_rules--;
	if (g->n_rules == 0)
		group_drop(t, g);
	mask_drop(t, m);
}

struct dp_flow_rule *ft_index_find(const struct dp_flow_table *t, const struct ft_group *g,
				   const struct dp_flow_key *key, uint64_t version)
{
	uint64_t hash = hash_rule(g->seed, key);
	struct dp_flow_link *l = ft_map_first(&t->index, hash);

	for (; l != NULL; l = l->next) {
		struct dp_flow_rule *r = ft_rule_of(l);

		if (l->hash == hash && r->group == g && memcmp(&r->key, key, sizeof(*key)) == 0 &&
		    ft_is_seen(r, version))
			return r;
	}
	return NULL;
}

struct dp_flow_rule *dp_flow_table_exact(const struct dp_flow_table *t,
					 const struct dp_flow_key *key,
					 const struct dp_flow_key *mask, uint32_t priority,
					 uint64_t version)
{
	const struct ft_group *g = group_find(t, mask, priority, seed_of(mask, priority));

	return g == NULL ? NULL : ft_index_find(t, g, key, version);
}
