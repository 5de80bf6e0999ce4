// Which rules of one priority overlap a match.
//
// What lookups walk answers for most rules: under a tuple whose mask the match has all of, they are
// in one chain; of a block the columns that the match allows are joined. Left are tuples that are
// hashed by what the match does not say: only there rules are looked at one by one, those of its
// priority. Where a priority has few rules, or few masks that the match has all of, these are
// asked at once.
//
// Groups and their rules are walked from behind, for what goes is replaced by the last one: a look
// that goes on later misses none, and may meet some again.
#include "table_priv.h"

enum {
	FEW_GROUPS = 8,
	FEW_RULES = 64,
	QUAD = 4, // looks that four bits of a block are: some cache lines
	ALL = UINT32_MAX,
};

// A call's own.
struct look {
	const struct dp_flow_table *t;
	struct dp_flow_overlap *o;
	uint32_t *n_most;
	const struct dp_flow_key *apart[DP_FLOW_TUPLES]; // masks of tuples that cannot be asked
	uint32_t n_apart;
};

static void spend(struct look *l, uint32_t n)
{
	*l->n_most -= n < *l->n_most ? n : *l->n_most;
}

static bool overlaps(const struct look *l, const struct dp_flow_rule *r)
{
	const struct dp_flow_overlap *o = l->o;
	uint64_t differ = 0;

	if (r->priority != o->priority)
		return false;
	for (uint32_t words = r->words; words != 0; words &= words - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(words);

		differ |= (r->key.w[i] ^ o->key.w[i]) & r->mask.w[i] & o->mask.w[i];
	}
	return differ == 0 && ft_is_seen(r, o->version);
}

// --- What lookups walk

static const struct dp_flow_rule *chain_look(struct look *l, const struct ft_node *n)
{
	for (; n != NULL && n->priority >= l->o->priority;
	     n = atomic_load_explicit(&n->next, memory_order_relaxed)) {
		spend(l, 1);
		if (overlaps(l, n->rule))
			return n->rule;
	}
	return NULL;
}

static const struct dp_flow_rule *tuple_look(struct look *l, const struct ft_tuple *t)
{
	const struct ft_array *a = atomic_load_explicit(&t->array, memory_order_relaxed);
	uint64_t hash = ft_hash(t, &l->o->key);
	const struct ft_bucket *b = &a->buckets[hash & a->last];

	spend(l, 1);
	for (; b != NULL; b = atomic_load_explicit(&b->more, memory_order_relaxed)) {
		for (uint32_t i = 0; i < FT_SLOTS; i++) {
			uint64_t slot = atomic_load_explicit(&b->slot[i], memory_order_relaxed);
			const struct dp_flow_rule *r =
				slot >> 48 != hash >> 48 ? NULL : chain_look(l, ft_slot_node(slot));

			if (r != NULL)
				return r;
		}
	}
	return NULL;
}

// Of those rules the ones that allow, in four bits, what the match does: any of the values that it
// leaves open.
static bool quad_look(const struct look *l, const struct ft_block *b, uint32_t q, uint64_t match[8])
{
	uint32_t shift = b->quads[q] % 16 * 4, word = b->quads[q] / 16;
	uint64_t key = l->o->key.w[word] >> shift & 15, mask = l->o->mask.w[word] >> shift & 15;
	uint64_t allowed[8] = { 0 }, open = ~mask & 15, any = 0;

	if (mask == 0)
		return true;
	for (uint64_t v = open;; v = (v - 1) & open) {
		const _Atomic uint64_t *line = &b->bits[(q * 16 + (key | v)) * b->n_words];

		for (uint32_t w = 0; w < b->n_words; w++)
			allowed[w] |= atomic_load_explicit(&line[w], memory_order_relaxed);
		if (v == 0)
			break;
	}
	for (uint32_t w = 0; w < b->n_words; w++) {
		match[w] &= allowed[w];
		any |= match[w];
	}
	return any != 0;
}

static const struct dp_flow_rule *block_look(struct look *l, const struct ft_block *b)
{
	uint64_t match[8] = { 0 }, differ = 0;
	bool any = true;

	spend(l, 1);
	for (uint32_t i = 0; i < b->n_common; i++)
		differ |= (l->o->key.w[b->common[i].idx] ^ b->common[i].key) & b->common[i].bits &
			  l->o->mask.w[b->common[i].idx];
	if (differ != 0)
		return NULL;
	for (uint32_t w = 0; w < b->n_words; w++)
		match[w] = atomic_load_explicit(&b->used[w], memory_order_relaxed);
	for (uint32_t q = 0; any && q < b->n_quads; q++) {
		any = quad_look(l, b, q, match);
		spend(l, QUAD);
	}
	for (uint32_t w = 0; any && w < b->n_words; w++) {
		for (uint64_t m = match[w]; m != 0; m &= m - 1) {
			const struct dp_flow_rule *r = atomic_load_explicit(
				&b->rules[w * 64 + (uint32_t)__builtin_ctzll(m)],
				memory_order_relaxed);

			spend(l, 1);
			if (overlaps(l, r))
				return r;
		}
	}
	return NULL;
}

static const struct dp_flow_rule *view_look(struct look *l)
{
	const struct ft_set *s = &l->t->sets[l->t->now];
	const struct dp_flow_rule *r = NULL;

	for (uint32_t i = 0; r == NULL && i < s->n_tuples; i++) {
		if (ft_is_within(&s->tuples[i]->mask, &l->o->mask))
			r = tuple_look(l, s->tuples[i]);
	}
	for (uint32_t i = 0; r == NULL && i < s->n_blocks; i++) {
		if (s->blocks[i]->highest >= l->o->priority)
			r = block_look(l, s->blocks[i]);
	}
	return r;
}

// --- What is left

// Tuples that have rules, but not where the match would have them looked for.
static void find_apart(struct look *l)
{
	const struct ft_set *s = &l->t->sets[l->t->now];

	for (uint32_t i = 0; i < s->n_tuples; i++) {
		if (!ft_is_within(&s->tuples[i]->mask, &l->o->mask))
			l->apart[l->n_apart++] = &s->tuples[i]->mask;
	}
}

// May rules of that mask be in such a tuple?
static bool is_apart(const struct look *l, const struct ft_group *g)
{
	bool is = false;

	for (uint32_t i = 0; i < l->n_apart; i++)
		is |= ft_is_within(l->apart[i], &g->mask->mask);
	return is;
}

static bool is_covered(const struct look *l, const struct ft_group *g)
{
	return ft_is_within(&g->mask->mask, &l->o->mask);
}

// One by one. returns whether it is over
static bool rules_look(struct look *l, const struct ft_group *g)
{
	uint32_t *n = &l->o->n_rules;

	for (*n = *n < g->n_rules ? *n : g->n_rules; *n > 0 && *l->n_most > 0; --*n) {
		if (*n > 8)
			__builtin_prefetch(&g->rules[*n - 8]->key);
		spend(l, 1);
		if (overlaps(l, g->rules[*n - 1])) {
			l->o->found = g->rules[*n - 1];
			return true;
		}
	}
	return *n == 0;
}

static const struct dp_flow_rule *covered_look(const struct look *l, const struct ft_group *g)
{
	struct dp_flow_key key;

	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		key.w[i] = l->o->key.w[i] & g->mask->mask.w[i];
	return ft_index_find(l->t, g, &key, l->o->version);
}

// returns whether that group is done
static bool group_look(struct look *l, const struct ft_group *g)
{
	struct dp_flow_overlap *o = l->o;

	if (o->n_rules == ALL) // else it goes on with it
		spend(l, 1);
	if (o->by_view ? !is_apart(l, g) : is_covered(l, g)) {
		if (!o->by_view)
			o->found = covered_look(l, g);
		return true;
	}
	return rules_look(l, g);
}

// Is it less to ask what lookups walk than all groups of the priority?
static bool is_by_view(const struct look *l, const struct ft_priority *p)
{
	uint32_t n = 0;

	if (p->n_rules <= FEW_RULES)
		return false;
	while (n < p->n_groups && n < FEW_GROUPS && is_covered(l, p->groups[n]))
		n++;
	return n < p->n_groups;
}

bool dp_flow_table_overlap(const struct dp_flow_table *t, struct dp_flow_overlap *o,
			   uint32_t *n_most)
{
	const struct ft_priority *p = ft_index_priority(t, o->priority);
	struct look l = { .t = t, .o = o, .n_most = n_most };

	if (p == NULL || p->n_groups == 0)
		return true;
	if (!o->is_midway || o->n_arranged != t->n_arranged) {
		o->is_midway = true;
		o->n_arranged = t->n_arranged;
		o->n_groups = p->n_groups;
		o->n_rules = ALL;
		o->by_view = is_by_view(&l, p);
		o->found = o->by_view ? view_look(&l) : NULL;
	}
	if (o->by_view)
		find_apart(&l);
	if (o->n_groups > p->n_groups) {
		o->n_groups = p->n_groups;
		o->n_rules = ALL;
	}
	while (o->found == NULL && o->n_groups > 0 && (!o->by_view || l.n_apart > 0)) {
		if (*n_most == 0)
			return false;
		if (group_look(&l, p->groups[o->n_groups - 1]) && o->found == NULL) {
			o->n_groups--;
			o->n_rules = ALL;
		}
	}
	return true;
}
