// What main knows of a table's rules: all of them in a row, by their match and priority, and how
// many have which mask. Hash tables that grow by one bucket at a time, so that no change is slow.
#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_INDEX = 16 };

// Bucket of a hash among n, n >= 1: linear hashing.
static uint32_t bucket_of(uint64_t hash, uint32_t n)
{
	uint32_t high = n == 1 ? 1 : 1u << (32 - __builtin_clz(n - 1)); // power of two, >= n
	uint32_t at = (uint32_t)hash & (high - 1);

	return at < n ? at : at - high / 2;
}

static uint64_t hash_key(uint64_t h, const struct dp_flow_key *k)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		h = (h ^ k->w[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return h;
}

static uint64_t hash_match(const struct dp_flow_key *key, const struct dp_flow_key *mask,
			   uint32_t priority)
{
	return ft_mix(hash_key(hash_key(priority, key), mask));
}

static uint64_t hash_mask(const struct dp_flow_key *mask)
{
	return ft_mix(hash_key(0, mask));
}

int ft_index_init(struct dp_flow_table *t)
{
	t->index = calloc(MIN_INDEX, sizeof(t->index[0]));
	t->masks = calloc(MIN_INDEX, sizeof(t->masks[0]));
	t->rules = calloc(MIN_INDEX, sizeof(t->rules[0]));
	if (t->index == NULL || t->masks == NULL || t->rules == NULL) {
		ft_index_fini(t);
		return -ENOMEM;
	}
	t->n_index = t->n_mask_buckets = 1;
	t->max_index = t->max_mask_buckets = t->max_rules = MIN_INDEX;
	return 0;
}

void ft_index_fini(struct dp_flow_table *t)
{
	for (uint32_t i = 0; i < t->n_mask_buckets; i++) {
		struct ft_mask *m, *next;

		for (m = t->masks[i]; m != NULL; m = next) {
			next = m->next;
			free(m);
		}
	}
	free(t->index);
	free(t->masks);
	free(t->rules);
}

// array: pointer to an array of pointers
bool ft_room(void *array, uint32_t n, uint32_t *max)
{
	uint32_t want = *max == 0 ? MIN_INDEX : *max * 2;
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

// One bucket more: the rules of one bucket are dealt to it and to the new one.
static void split_index(struct dp_flow_table *t)
{
	struct dp_flow_rule *r, *next;
	uint32_t from;

	if (t->n_index > t->n_rules || !ft_room(&t->index, t->n_index, &t->max_index))
		return;
	t->index[t->n_index++] = NULL;
	from = bucket_of(t->n_index - 1, t->n_index - 1);
	r = t->index[from];
	t->index[from] = NULL;
	for (; r != NULL; r = next) {
		struct dp_flow_rule **b = &t->index[bucket_of(r->hash, t->n_index)];

		next = r->same;
		r->same = *b;
		*b = r;
	}
}

static void split_masks(struct dp_flow_table *t)
{
	struct ft_mask *m, *next;
	uint32_t from;

	if (t->n_mask_buckets > t->n_masks ||
	    !ft_room(&t->masks, t->n_mask_buckets, &t->max_mask_buckets))
		return;
	t->masks[t->n_mask_buckets++] = NULL;
	from = bucket_of(t->n_mask_buckets - 1, t->n_mask_buckets - 1);
	m = t->masks[from];
	t->masks[from] = NULL;
	for (; m != NULL; m = next) {
		struct ft_mask **b = &t->masks[bucket_of(m->hash, t->n_mask_buckets)];

		next = m->next;
		m->next = *b;
		*b = m;
	}
}

// returns the place in its list where a mask is, or would be
static struct ft_mask **mask_find(const struct dp_flow_table *t, const struct dp_flow_key *mask,
				  uint64_t hash)
{
	struct ft_mask **m = &t->masks[bucket_of(hash, t->n_mask_buckets)];

	while (*m != NULL && ((*m)->hash != hash || memcmp(&(*m)->mask, mask, sizeof(*mask)) != 0))
		m = &(*m)->next;
	return m;
}

struct ft_mask *ft_index_mask(const struct dp_flow_table *t, const struct dp_flow_rule *r)
{
	return *mask_find(t, &r->mask, hash_mask(&r->mask));
}

static struct ft_mask *mask_get(struct dp_flow_table *t, const struct dp_flow_key *mask)
{
	uint64_t hash = hash_mask(mask);
	struct ft_mask **at = mask_find(t, mask, hash), *m = *at;

	if (m != NULL)
		return m;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->mask = *mask;
	m->hash = hash;
	*at = m;
	t->n_masks++;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		t->mask.w[i] |= mask->w[i];
	split_masks(t);
	return m;
}

int ft_index_insert(struct dp_flow_table *t, struct dp_flow_rule *r, struct ft_mask **mask)
{
	struct dp_flow_rule **b;
	struct ft_mask *m;

	if (!ft_room(&t->rules, t->n_rules, &t->max_rules))
		return -ENOMEM;
	m = mask_get(t, &r->mask);
	if (m == NULL)
		return -ENOMEM;
	m->n_rules++;
	r->words = 0;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		r->words |= (uint16_t)((r->mask.w[i] != 0) << i);
	r->hash = hash_match(&r->key, &r->mask, r->priority);
	r->pos = t->n_rules;
	t->rules[t->n_rules++] = r;
	b = &t->index[bucket_of(r->hash, t->n_index)];
	r->same = *b;
	*b = r;
	split_index(t);
	*mask = m;
	return 0;
}

// The union of all masks is made anew when one went.
static void mask_drop(struct dp_flow_table *t, const struct dp_flow_key *mask)
{
	struct ft_mask **at = mask_find(t, mask, hash_mask(mask)), *m = *at;

	if (--m->n_rules > 0)
		return;
	*at = m->next;
	free(m);
	t->n_masks--;
	t->mask_is_wide = true;
}

void ft_index_remove(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	struct dp_flow_rule **b = &t->index[bucket_of(r->hash, t->n_index)];
	struct dp_flow_rule *last = t->rules[--t->n_rules];
	uint32_t at = r->pos;

	// Those that the next set has stay in front.
	if (at < t->n_built) {
		struct dp_flow_rule *built = t->rules[--t->n_built];

		t->rules[at] = built;
		built->pos = at;
		at = t->n_built;
	}
	t->rules[at] = last;
	last->pos = at;
	while (*b != r)
		b = &(*b)->same;
	*b = r->same;
	mask_drop(t, &r->mask);
}

void ft_index_union(struct dp_flow_table *t)
{
	memset(&t->mask, 0, sizeof(t->mask));
	for (uint32_t b = 0; b < t->n_mask_buckets; b++) {
		for (const struct ft_mask *m = t->masks[b]; m != NULL; m = m->next) {
			for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
				t->mask.w[i] |= m->mask.w[i];
		}
	}
	t->mask_is_wide = false;
}

struct dp_flow_rule *dp_flow_table_exact(const struct dp_flow_table *t,
					 const struct dp_flow_key *key,
					 const struct dp_flow_key *mask, uint32_t priority,
					 uint64_t version)
{
	uint64_t hash = hash_match(key, mask, priority);
	struct dp_flow_rule *r = t->index[bucket_of(hash, t->n_index)];

	for (; r != NULL; r = r->same) {
		if (r->hash == hash && r->priority == priority &&
		    memcmp(&r->key, key, sizeof(*key)) == 0 &&
		    memcmp(&r->mask, mask, sizeof(*mask)) == 0 &&
		    atomic_load_explicit(&r->since, memory_order_relaxed) <= version &&
		    version < atomic_load_explicit(&r->until, memory_order_relaxed))
			return r;
	}
	return NULL;
}
