#include "table_priv.h"

static bool is_seen(const struct dp_flow_rule *r, uint64_t version)
{
	return atomic_load_explicit(&r->since, memory_order_relaxed) <= version &&
	       version < atomic_load_explicit(&r->until, memory_order_relaxed);
}

static bool node_matches(const struct ft_tuple *t, const struct ft_node *n,
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
static const struct dp_flow_rule *chain_find(const struct ft_tuple *t, const struct ft_node *n,
					     const struct dp_flow_key *k, uint64_t version,
					     const struct dp_flow_rule *best)
{
	for (; n != NULL; n = atomic_load_explicit(&n->next, memory_order_acquire)) {
		if (best != NULL && n->priority <= best->priority)
			return best;
		if (node_matches(t, n, k) && is_seen(n->rule, version))
			return n->rule;
	}
	return best;
}

static const struct dp_flow_rule *bucket_find(const struct ft_tuple *t, const struct ft_bucket *b,
					      const struct dp_flow_key *k, uint64_t hash,
					      uint64_t version, const struct dp_flow_rule *best)
{
	for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_acquire)) {
		for (uint32_t i = 0; i < FT_SLOTS; i++) {
			uint64_t slot = atomic_load_explicit(&b->slot[i], memory_order_acquire);

			if (slot != 0 && (slot ^ hash) >> 48 == 0)
				best = chain_find(t, ft_slot_node(slot), k, version, best);
		}
	}
	return best;
}

const struct dp_flow_rule *dp_flow_table_find(const struct dp_flow_table *t,
					      const struct dp_flow_key *key, uint64_t version)
{
	const struct ft_view *v = atomic_load_explicit(&t->view, memory_order_acquire);
	const struct dp_flow_rule *best = NULL;

	for (uint32_t i = 0; i < v->n; i++) {
		const struct ft_tuple *tuple = v->at[i].tuple;
		const struct ft_array *a =
			atomic_load_explicit(&tuple->array, memory_order_acquire);
		uint64_t hash = ft_hash(tuple, key);

		if (best != NULL && best->priority >= v->at[i].max_priority)
			break;
		best = bucket_find(tuple, &a->buckets[hash & a->last], key, hash, version, best);
	}
	return best;
}

void dp_flow_table_find_burst(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
			      uint32_t n, uint64_t version, const struct dp_flow_rule *out[])
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = dp_flow_table_find(t, keys[i], version);
}
