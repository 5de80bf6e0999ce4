#include "table_priv.h"

#include <string.h>

enum { BURST = 32 };

// What lookups cost, for the benchmark: cost is NULL, and no code, elsewhere.
#define COUNT(what)                                                                                \
	do {                                                                                       \
		if (cost != NULL)                                                                  \
			cost->what++;                                                              \
	} while (0)

static inline bool is_seen(const struct dp_flow_rule *r, uint64_t version)
{
	return atomic_load_explicit(&r->since, memory_order_relaxed) <= version &&
	       version < atomic_load_explicit(&r->until, memory_order_relaxed);
}

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
static inline const struct dp_flow_rule *
chain_find(const struct ft_tuple *t, const struct ft_node *n, const struct dp_flow_key *k,
	   uint64_t version, const struct dp_flow_rule *best, struct dp_flow_cost *cost)
{
	for (; n != NULL; n = atomic_load_explicit(&n->next, memory_order_acquire)) {
		if (!is_better(best, n->priority))
			return best;
		COUNT(n_compares);
		if (node_matches(t, n, k) && is_seen(n->rule, version))
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

static inline const struct dp_flow_rule *
bucket_find(const struct ft_tuple *t, const struct ft_bucket *b, const struct dp_flow_key *k,
	    uint64_t hash, uint64_t version, const struct dp_flow_rule *best,
	    struct dp_flow_cost *cost)
{
	for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_acquire)) {
		COUNT(n_lines);
		for (uint32_t found = bucket_slots(b, hash); found != 0; found &= found - 1) {
			uint64_t slot = atomic_load_explicit(&b->slot[__builtin_ctz(found)],
							     memory_order_acquire);

			best = chain_find(t, ft_slot_node(slot), k, version, best, cost);
		}
	}
	return best;
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
static inline bool block_match_1(const struct ft_block *b, const struct dp_flow_key *k,
				 uint64_t match[8], struct dp_flow_cost *cost)
{
	match[0] = atomic_load_explicit(&b->used[0], memory_order_acquire);
	for (uint32_t q = 0; q < b->n_quads && match[0] != 0; q++) {
		uint32_t v = k->w[b->quads[q] / 16] >> b->quads[q] % 16 * 4 & 15;

		match[0] &= atomic_load_explicit(&b->bits[q * 16 + v], memory_order_relaxed);
		COUNT(n_lines);
	}
	return match[0] != 0;
}

static inline bool block_match(const struct ft_block *b, const struct dp_flow_key *k,
			       uint32_t n_pairs, uint64_t match[8], struct dp_flow_cost *cost)
{
	pair_t m[4], any;

	for (uint32_t i = 0; i < n_pairs; i++)
		m[i] = (pair_t){ atomic_load_explicit(&b->used[2 * i], memory_order_acquire),
				 atomic_load_explicit(&b->used[2 * i + 1], memory_order_acquire) };
	for (uint32_t q = 0; q < b->n_quads; q++) {
		uint32_t v = k->w[b->quads[q] / 16] >> b->quads[q] % 16 * 4 & 15;
		const _Atomic uint64_t *line = &b->bits[(q * 16 + v) * 2 * n_pairs];

		for (uint32_t i = 0; i < n_pairs; i++)
			m[i] &= pair_load(line + 2 * i);
		COUNT(n_lines);
		// To ask is as much as a line.
		if (q % 4 != 3)
			continue;
		any = m[0];
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

static const struct dp_flow_rule *block_find(const struct ft_block *b, const struct dp_flow_key *k,
					     uint64_t version, const struct dp_flow_rule *best,
					     struct dp_flow_cost *cost)
{
	uint64_t match[8];
	bool any;

	if (!block_may(b, k))
		return best;
	COUNT(n_blocks);
	switch (b->n_words) {
	case 1:
		any = block_match_1(b, k, match, cost);
		break;
	case 2:
		any = block_match(b, k, 1, match, cost);
		break;
	case 4:
		any = block_match(b, k, 2, match, cost);
		break;
	default:
		any = block_match(b, k, 4, match, cost);
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

			COUNT(n_compares);
			// The bits may be those of two rules, one after the other in its place.
			if (is_better(best, r->priority) && rule_matches(r, k) &&
			    is_seen(r, version))
				best = r;
		}
	}
	return best;
}

static inline const struct dp_flow_rule *find(const struct dp_flow_table *t,
					      const struct dp_flow_key *key, uint64_t version,
					      struct dp_flow_cost *cost)
{
	const struct ft_view *v = atomic_load_explicit(&t->view, memory_order_acquire);
	const struct dp_flow_rule *best = NULL;

	for (uint32_t i = 0; i < v->n && is_better(best, v->at[i].max_priority); i++) {
		const struct ft_tuple *tuple = v->at[i].tuple;
		const struct ft_array *a;
		uint64_t hash;

		COUNT(n_probes);
		if (tuple == NULL) {
			best = block_find(v->at[i].block, key, version, best, cost);
			continue;
		}
		a = atomic_load_explicit(&tuple->array, memory_order_acquire);
		hash = ft_hash(tuple, key);
		best = bucket_find(tuple, &a->buckets[hash & a->last], key, hash, version, best,
				   cost);
	}
	return best;
}

const struct dp_flow_rule *dp_flow_table_find(const struct dp_flow_table *t,
					      const struct dp_flow_key *key, uint64_t version)
{
	return find(t, key, version, NULL);
}

const struct dp_flow_rule *dp_flow_table_find_cost(const struct dp_flow_table *t,
						   const struct dp_flow_key *key, uint64_t version,
						   struct dp_flow_cost *cost)
{
	return find(t, key, version, cost);
}

// The keys that a tuple may still say something better about.
struct probes {
	const struct ft_bucket *bucket[BURST];
	uint64_t hash[BURST];
	uint8_t key[BURST];
	uint32_t n;
};

// The first node that the bucket leads to: it is needed soon.
static inline const struct ft_node *first_node(const struct ft_bucket *b, uint64_t hash)
{
	uint32_t found = bucket_slots(b, hash);

	if (found == 0)
		return NULL;
	return ft_slot_node(
		atomic_load_explicit(&b->slot[__builtin_ctz(found)], memory_order_acquire));
}

// In stages, so that the cache misses of all keys overlap: buckets, nodes, rules, answers.
static void tuple_find_burst(const struct ft_tuple *t, struct probes *p,
			     const struct dp_flow_key *const keys[], uint64_t version,
			     const struct dp_flow_rule *out[])
{
	const struct ft_array *a = atomic_load_explicit(&t->array, memory_order_acquire);
	const struct ft_node *node[BURST];

	for (uint32_t i = 0; i < p->n; i++) {
		p->hash[i] = ft_hash(t, keys[p->key[i]]);
		p->bucket[i] = &a->buckets[p->hash[i] & a->last];
		__builtin_prefetch(p->bucket[i]);
	}
	for (uint32_t i = 0; i < p->n; i++) {
		node[i] = first_node(p->bucket[i], p->hash[i]);
		__builtin_prefetch(node[i]);
		__builtin_prefetch((const void *)((uintptr_t)node[i] + 64));
	}
	for (uint32_t i = 0; i < p->n; i++) {
		if (node[i] != NULL)
			__builtin_prefetch(node[i]->rule);
	}
	for (uint32_t i = 0; i < p->n; i++) {
		uint32_t k = p->key[i];

		if (node[i] != NULL ||
		    atomic_load_explicit(&p->bucket[i]->more, memory_order_relaxed) != NULL)
			out[k] = bucket_find(t, p->bucket[i], keys[k], p->hash[i], version, out[k],
					     NULL);
	}
}

void dp_flow_table_find_burst(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
			      uint32_t n, uint64_t version, const struct dp_flow_rule *out[])
{
	const struct ft_view *v = atomic_load_explicit(&t->view, memory_order_acquire);
	struct probes p;

	for (uint32_t i = 0; i < n; i++)
		out[i] = NULL;
	for (uint32_t e = 0; e < v->n; e++) {
		p.n = 0;
		for (uint32_t i = 0; i < n; i++) {
			p.key[p.n] = (uint8_t)i;
			p.n += is_better(out[i], v->at[e].max_priority);
		}
		if (p.n == 0)
			break;
		if (v->at[e].tuple != NULL) {
			tuple_find_burst(v->at[e].tuple, &p, keys, version, out);
			continue;
		}
		for (uint32_t i = 0; i < p.n; i++)
			out[p.key[i]] = block_find(v->at[e].block, keys[p.key[i]], version,
						   out[p.key[i]], NULL);
	}
}
