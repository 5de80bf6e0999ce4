#include "table_priv.h"

#include <string.h>

enum { BURST = 32 };

// What lookups cost, for the benchmark: cost is NULL, and no code, elsewhere.
#define COUNT(l, what)                                                                             \
	do {                                                                                       \
		if ((l)->cost != NULL)                                                             \
			(l)->cost->what++;                                                         \
	} while (0)

// What is looked for.
struct lookup {
	const struct dp_flow_key *key, *const *keys; // of a burst, the one at work and all
	uint64_t version;
	struct dp_flow_cost *cost;
};

// Where a tuple may have it.
struct probe {
	const struct ft_bucket *bucket;
	uint64_t hash;
	uint32_t found; // slots
	uint32_t key;	// of the burst
};

static inline bool is_better(const struct dp_flow_rule *best, uint32_t priority)
{
	return best == NULL || priority > best->priority;
}

static inline bool node_matches(const struct ft_tuple *t, const struct ft_node *n,
				const struct dp_flow_key *k)
{
	uint64_t differ = 0;
	uint32_t words = n->words;

	if (words == 0) {
		for (uint32_t i = 0; i < n->n; i++)
			differ |= (k->w[t->idx[i]] & t->bits[i]) ^ n->w[i];
		return differ == 0;
	}
	for (const uint64_t *w = n->w; words != 0; words &= words - 1, w += 2)
		differ |= (k->w[__builtin_ctz(words)] ^ w[0]) & w[1];
	return differ == 0;
}

// The best of a chain, if it is better than `best`.
static inline const struct dp_flow_rule *chain_find(const struct ft_tuple *t,
						    const struct ft_node *n, const struct lookup *l,
						    const struct dp_flow_rule *best)
{
	for (; n != NULL; n = atomic_load_explicit(&n->next, memory_order_acquire)) {
		if (!is_better(best, n->priority))
			return best;
		COUNT(l, n_compares);
		if (node_matches(t, n, l->key) && ft_is_seen(n->rule, l->version))
			return n->rule;
	}
	return best;
}

// The slots of a bucket whose bits of the hash are these.
static inline uint32_t bucket_slots(const struct ft_bucket *b, uint64_t hash)
{
	uint32_t found = 0;

	for (uint32_t i = 0; i < FT_SLOTS; i++) {
		uint64_t slot = atomic_load_explicit(&b->slot[i], memory_order_relaxed);

		found |= (uint32_t)((slot ^ hash) >> 48 == 0) << i;
	}
	return found;
}

// found: the slots of the first bucket, as they were when it was first looked at; a node is
// compared anyway.
static inline const struct dp_flow_rule *bucket_find(const struct ft_tuple *t,
						     const struct probe *p, const struct lookup *l,
						     const struct dp_flow_rule *best)
{
	const struct ft_bucket *b = p->bucket;
	uint32_t found = p->found;

	for (;;) {
		COUNT(l, n_lines);
		for (; found != 0; found &= found - 1) {
			uint64_t slot = atomic_load_explicit(&b->slot[__builtin_ctz(found)],
							     memory_order_acquire);

			best = chain_find(t, ft_slot_node(slot), l, best);
		}
		b = atomic_load_explicit(&b->more, memory_order_acquire);
		if (b == NULL)
			return best;
		found = bucket_slots(b, p->hash);
	}
}

static inline bool block_may(const struct ft_block *b, const struct dp_flow_key *k)
{
	uint64_t differ = 0;

	for (uint32_t i = 0; i < b->n_common; i++)
		differ |= (k->w[b->common[i].idx] ^ b->common[i].key) & b->common[i].bits;
	return differ == 0;
}

// Two words of a block's line. What main changes meanwhile is one bit, of a rule that this lookup
// need not see or compares again; each half is read whole. The thread sanitizer cannot know that.
typedef uint64_t pair_t __attribute__((vector_size(16), may_alias));

#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#define HAS_TSAN __has_feature(thread_sanitizer)
#else
#define HAS_TSAN 0
#endif

static inline pair_t pair_load(const _Atomic uint64_t *p)
{
#if HAS_TSAN
	return (pair_t){ atomic_load_explicit(p, memory_order_relaxed),
			 atomic_load_explicit(p + 1, memory_order_relaxed) };
#else
	return *(const volatile pair_t *)(const volatile void *)p;
#endif
}

// Which rules of a block match, 64 or n_pairs * 128 of them: n_pairs is a constant where this is
// called. returns false when none does
static inline bool block_match_1(const struct ft_block *b, const struct lookup *l,
				 uint64_t match[8])
{
	const struct dp_flow_key *k = l->key;

	match[0] = atomic_load_explicit(&b->used[0], memory_order_acquire);
	for (uint32_t q = 0; q < b->n_quads && match[0] != 0; q++) {
		uint32_t v = k->w[b->quads[q] / 16] >> b->quads[q] % 16 * 4 & 15;

		match[0] &= atomic_load_explicit(&b->bits[q * 16 + v], memory_order_relaxed);
		COUNT(l, n_lines);
	}
	return match[0] != 0;
}

static inline __attribute__((always_inline)) bool
block_match(const struct ft_block *b, const struct lookup *l, uint32_t n_pairs, uint64_t match[8])
{
	const struct dp_flow_key *k = l->key;
	pair_t m[4], any;

#pragma GCC unroll 4
	for (uint32_t i = 0; i < n_pairs; i++)
		m[i] = (pair_t){ atomic_load_explicit(&b->used[2 * i], memory_order_acquire),
				 atomic_load_explicit(&b->used[2 * i + 1], memory_order_acquire) };
	for (uint32_t q = 0; q < b->n_quads; q++) {
		uint32_t v = k->w[b->quads[q] / 16] >> b->quads[q] % 16 * 4 & 15;
		const _Atomic uint64_t *line = &b->bits[(q * 16 + v) * 2 * n_pairs];

#pragma GCC unroll 4
		for (uint32_t i = 0; i < n_pairs; i++)
			m[i] &= pair_load(line + 2 * i);
		COUNT(l, n_lines);
		// To ask is as much as a line.
		if (q % 4 != 3)
			continue;
		any = m[0];
#pragma GCC unroll 4
		for (uint32_t i = 1; i < n_pairs; i++)
			any |= m[i];
		if ((any[0] | any[1]) == 0)
			return false;
	}
	memcpy(match, m, n_pairs * sizeof(m[0]));
	return true;
}

static inline bool rule_matches(const struct dp_flow_rule *r, const struct dp_flow_key *k)
{
	uint64_t differ = 0;

	for (uint32_t words = r->words; words != 0; words &= words - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(words);

		differ |= (k->w[i] ^ r->key.w[i]) & r->mask.w[i];
	}
	return differ == 0;
}

static const struct dp_flow_rule *block_find(const struct ft_block *b, const struct lookup *l,
					     const struct dp_flow_rule *best)
{
	uint64_t match[8];
	bool any;

	if (!block_may(b, l->key))
		return best;
	COUNT(l, n_blocks);
	switch (b->n_words) {
	case 1:
		any = block_match_1(b, l, match);
		break;
	case 2:
		any = block_match(b, l, 1, match);
		break;
	case 4:
		any = block_match(b, l, 2, match);
		break;
	default:
		any = block_match(b, l, 4, match);
		break;
	}
	for (uint32_t w = 0; any && w < b->n_words; w++) {
		if (match[w] == 0 || !is_better(best, atomic_load_explicit(&b->max_priority[w],
									   memory_order_relaxed)))
			continue;
		for (uint64_t m = match[w]; m != 0; m &= m - 1) {
			const struct dp_flow_rule *r = atomic_load_explicit(
				&b->rules[w * 64 + (uint32_t)__builtin_ctzll(m)],
				memory_order_acquire);

			COUNT(l, n_compares);
			// The bits may be those of two rules, one after the other in its place.
			if (is_better(best, r->priority) && rule_matches(r, l->key) &&
			    ft_is_seen(r, l->version))
				best = r;
		}
	}
	return best;
}

static inline const struct dp_flow_rule *find(const struct dp_flow_table *t, const struct lookup *l)
{
	const struct ft_view *v = atomic_load_explicit(&t->view, memory_order_acquire);
	const struct dp_flow_rule *best = NULL;

	for (uint32_t i = 0; i < v->n && is_better(best, v->at[i].max_priority); i++) {
		const struct ft_tuple *tuple = v->at[i].tuple;
		const struct ft_array *a;
		struct probe p;

		COUNT(l, n_probes);
		if (tuple == NULL) {
			best = block_find(v->at[i].block, l, best);
			continue;
		}
		a = atomic_load_explicit(&tuple->array, memory_order_acquire);
		p.hash = ft_hash(tuple, l->key);
		p.bucket = &a->buckets[p.hash & a->last];
		p.found = bucket_slots(p.bucket, p.hash);
		best = bucket_find(tuple, &p, l, best);
	}
	return best;
}

const struct dp_flow_rule *dp_flow_table_find(const struct dp_flow_table *t,
					      const struct dp_flow_key *key, uint64_t version)
{
	const struct lookup l = { .key = key, .version = version };

	return find(t, &l);
}

const struct dp_flow_rule *dp_flow_table_find_cost(const struct dp_flow_table *t,
						   const struct dp_flow_key *key, uint64_t version,
						   struct dp_flow_cost *cost)
{
	const struct lookup l = { .key = key, .version = version, .cost = cost };

	return find(t, &l);
}

// In stages, so that the cache misses of all keys overlap: buckets, nodes, rules, answers.
static void tuple_find_burst(const struct ft_tuple *t, struct probe *p, uint32_t n,
			     struct lookup *l, const struct dp_flow_rule *out[])
{
	const struct ft_array *a = atomic_load_explicit(&t->array, memory_order_acquire);
	const struct ft_node *node[BURST];

	for (uint32_t i = 0; i < n; i++) {
		p[i].hash = ft_hash(t, l->keys[p[i].key]);
		p[i].bucket = &a->buckets[p[i].hash & a->last];
		__builtin_prefetch(p[i].bucket);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct ft_bucket *b = p[i].bucket;

		p[i].found = bucket_slots(b, p[i].hash);
		node[i] = p[i].found == 0 ? NULL
					  : ft_slot_node(atomic_load_explicit(
						    &b->slot[__builtin_ctz(p[i].found)],
						    memory_order_acquire));
		__builtin_prefetch(node[i]);
		__builtin_prefetch((const void *)((uintptr_t)node[i] + 64));
	}
	for (uint32_t i = 0; i < n; i++) {
		if (node[i] != NULL)
			__builtin_prefetch(node[i]->rule);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = p[i].key;

		l->key = l->keys[k];
		out[k] = bucket_find(t, &p[i], l, out[k]);
	}
}

void dp_flow_table_find_burst(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
			      uint32_t n, uint64_t version, const struct dp_flow_rule *out[])
{
	const struct ft_view *v = atomic_load_explicit(&t->view, memory_order_acquire);
	struct lookup l = { .keys = keys, .version = version };
	struct probe p[BURST];

	for (uint32_t i = 0; i < n; i++)
		out[i] = NULL;
	for (uint32_t e = 0; e < v->n; e++) {
		uint32_t n_left = 0;

		for (uint32_t i = 0; i < n; i++) {
			p[n_left].key = i;
			n_left += is_better(out[i], v->at[e].max_priority);
		}
		if (n_left == 0)
			break;
		if (v->at[e].tuple != NULL) {
			tuple_find_burst(v->at[e].tuple, p, n_left, &l, out);
			continue;
		}
		for (uint32_t i = 0; i < n_left; i++) {
			l.key = keys[p[i].key];
			out[p[i].key] = block_find(v->at[e].block, &l, out[p[i].key]);
		}
	}
}
