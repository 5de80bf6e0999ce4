// Which masks share a tuple. Few masks have one each. Many are merged pair by pair, each time the
// pair under whose common mask the fewest rules fall together, as a sample of them says; until
// there are few enough, and further while next to none do. What no common mask tells apart goes to
// blocks, and what is too little for a probe then goes with it.
#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	GROUPS = 64,	 // that are compared with each other
	SAMPLE = 512,	 // rules of a group
	SAMPLES = 4096,	 // of all groups, at first
	MIN_SAMPLE = 64, // but of each
	SAMPLED = 8192,	 // rules looked at for samples
	FEW = 64,	 // rules that a block of one word takes: not worth a probe
	WORTH_FEW = 2,	 // probes that such a block costs
	CHAIN = 3,	 // rules that fall together, from which on a tuple is of no use
	LARGE = 2048,	 // rules, so many that it may be of use for some of them
	LARGE_CHAIN = 64,
	SLOTS = 4 * SAMPLE,
};

struct group {
	struct dp_flow_key mask; // in common
	struct dp_flow_key like; // what made them one group
	uint64_t n_rules;
	const struct dp_flow_rule *sample[SAMPLE];
	uint32_t n_sample, n_bits;
	bool is_gone; // into another one, or to blocks
};

struct merge {
	struct group groups[GROUPS];
	double cost[GROUPS][GROUPS]; // of the pair's merging, for a < b
	uint32_t n_groups, n_left;
	struct ft_mask **masks;
	uint32_t *group_of; // by mask
	uint32_t n_masks;
};

static int by_rules(const void *a, const void *b)
{
	const struct ft_mask *x = *(struct ft_mask *const *)a, *y = *(struct ft_mask *const *)b;

	if (x->n_rules != y->n_rules)
		return x->n_rules < y->n_rules ? 1 : -1;
	return memcmp(&x->mask, &y->mask, sizeof(x->mask));
}

// A mask without what is not whole bits (0), groups of four (1) or bytes (2): masks that are much
// alike are the same then.
static struct dp_flow_key relaxed(const struct dp_flow_key *mask, uint32_t level)
{
	struct dp_flow_key out = *mask;

	for (uint32_t i = 0; level > 0 && i < DP_FLOW_WORDS; i++) {
		uint64_t m = out.w[i];

		m &= m >> 1 & m >> 2 & m >> 3 & UINT64_C(0x1111111111111111);
		if (level > 1)
			m &= m >> 4 & UINT64_C(0x0101010101010101);
		out.w[i] = m * (level > 1 ? 255 : 15);
	}
	return out;
}

static void group_add(struct group *g, const struct dp_flow_key *mask, uint64_t n_rules)
{
	g->n_rules += n_rules;
	g->n_bits = 0;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		g->mask.w[i] &= mask->w[i];
		g->n_bits += (uint32_t)__builtin_popcountll(g->mask.w[i]);
	}
}

// Groups of masks that are alike on that level. returns false when there are too many; their masks
// have no group then
static bool group(struct merge *x, uint32_t level)
{
	bool is_all = true;

	x->n_groups = 0;
	for (uint32_t i = 0; i < x->n_masks; i++) {
		struct dp_flow_key like = relaxed(&x->masks[i]->mask, level);
		uint32_t g = 0;

		while (g < x->n_groups && memcmp(&x->groups[g].like, &like, sizeof(like)) != 0)
			g++;
		x->group_of[i] = g;
		if (g == GROUPS) {
			is_all = false;
			continue;
		}
		if (g == x->n_groups) {
			x->n_groups++;
			memset(&x->groups[g], 0, sizeof(x->groups[g]));
			x->groups[g].like = like;
			x->groups[g].mask = x->masks[i]->mask;
		}
		group_add(&x->groups[g], &x->masks[i]->mask, x->masks[i]->n_rules);
	}
	return is_all;
}

static void sample(struct merge *x, const struct dp_flow_table *ft)
{
	uint32_t step = ft->n_rules / SAMPLED + 1, most = SAMPLES / (x->n_groups + 1);

	most = most > SAMPLE ? SAMPLE : most < MIN_SAMPLE ? MIN_SAMPLE : most;

	for (uint32_t i = 0; i < x->n_masks; i++)
		x->masks[i]->group = x->group_of[i];
	for (uint32_t i = 0; i < ft->n_rules; i += step) {
		uint32_t at = ft_index_mask(ft->rules[i])->group;
		struct group *g = &x->groups[at];

		if (at < x->n_groups && g->n_sample < most)
			g->sample[g->n_sample++] = ft->rules[i];
	}
}

struct counted {
	uint64_t hash[SLOTS];
	uint32_t n[SLOTS]; // by hash, the first n_slots, a power of two
	uint32_t n_slots;
	uint32_t n_pairs; // that fell together
};

static void count(struct counted *c, const struct group *g, const struct dp_flow_key *mask)
{
	for (uint32_t i = 0; i < g->n_sample; i++) {
		uint64_t h = 0;
		uint32_t at;

		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++) {
			if (mask->w[w] != 0)
				h += ft_mix((g->sample[i]->key.w[w] & mask->w[w]) + w) * FT_ODD(w);
		}
		at = (uint32_t)(h >> 40) & (c->n_slots - 1);
		while (c->n[at] != 0 && c->hash[at] != h)
			at = (at + 1) & (c->n_slots - 1);
		c->hash[at] = h;
		c->n_pairs += c->n[at]++;
	}
}

// How many rules a rule would meet in its chain.
static double together(const struct group *a, const struct group *b, uint32_t *n_bits)
{
	static struct counted c; // main's; too large for a stack
	struct dp_flow_key mask = a->mask;
	uint64_t n_rules = a->n_rules + (b == NULL ? 0 : b->n_rules);
	double n = a->n_sample + (b == NULL ? 0 : b->n_sample);

	for (c.n_slots = 4; c.n_slots < 2 * n; c.n_slots *= 2)
		;
	memset(c.n, 0, c.n_slots * sizeof(c.n[0]));
	c.n_pairs = 0;
	*n_bits = 0;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		mask.w[i] &= b == NULL ? mask.w[i] : b->mask.w[i];
		*n_bits += (uint32_t)__builtin_popcountll(mask.w[i]);
	}
	count(&c, a, &mask);
	if (b != NULL)
		count(&c, b, &mask);
	return n < 2 ? 0 : (double)n_rules * c.n_pairs / (n * (n - 1) / 2);
}

// The less the better; where the samples do not say, the mask with the most bits.
static double cost(const struct group *a, const struct group *b)
{
	uint32_t n_bits;
	double n = together(a, b, &n_bits);

	return n + 1.0 / (n_bits + 1);
}

static void absorb(struct merge *x, uint32_t into, uint32_t from)
{
	struct group *a = &x->groups[into], *b = &x->groups[from];
	uint32_t n = a->n_sample + b->n_sample;

	// Of both, when both do not go in: each second one.
	for (uint32_t i = 0; n > SAMPLE && i < a->n_sample / 2; i++)
		a->sample[i] = a->sample[2 * i];
	a->n_sample = n > SAMPLE ? a->n_sample / 2 : a->n_sample;
	for (uint32_t i = 0; i < b->n_sample && a->n_sample < SAMPLE; i++)
		a->sample[a->n_sample++] = b->sample[i];
	group_add(a, &b->mask, b->n_rules);
	b->is_gone = true;
	x->n_left--;
	for (uint32_t i = 0; i < x->n_masks; i++) {
		if (x->group_of[i] == from)
			x->group_of[i] = into;
	}
	for (uint32_t i = 0; i < x->n_groups; i++) {
		if (i != into && !x->groups[i].is_gone)
			x->cost[i < into ? i : into][i < into ? into : i] = cost(a, &x->groups[i]);
	}
}

static void merge_groups(struct merge *x)
{
	x->n_left = x->n_groups;
	for (uint32_t a = 0; a < x->n_groups; a++) {
		for (uint32_t b = a + 1; b < x->n_groups; b++)
			x->cost[a][b] = cost(&x->groups[a], &x->groups[b]);
	}
	while (x->n_left > 1) {
		uint32_t best_a = 0, best_b = 0;
		double best = -1;

		for (uint32_t a = 0; a < x->n_groups; a++) {
			for (uint32_t b = a + 1; b < x->n_groups && !x->groups[a].is_gone; b++) {
				if (x->groups[b].is_gone || (best >= 0 && x->cost[a][b] >= best))
					continue;
				best = x->cost[a][b];
				best_a = a;
				best_b = b;
			}
		}
		// A node more in some chains costs less than a probe more for all.
		if (x->n_left <= DP_FLOW_TUPLES && best > 1)
			return;
		absorb(x, best_a, best_b);
	}
}

// Groups that no tuple is good for.
static void dissolve(struct merge *x, bool has_blocks)
{
	uint32_t n_bits;

	for (uint32_t g = 0; g < x->n_groups; g++) {
		bool is_large = x->groups[g].n_rules > LARGE;

		if (x->groups[g].is_gone ||
		    together(&x->groups[g], NULL, &n_bits) <= (is_large ? LARGE_CHAIN : CHAIN))
			continue;
		x->groups[g].is_gone = true;
		has_blocks = true;
	}
	for (uint32_t g = 0; g < x->n_groups; g++)
		x->groups[g].is_gone |= has_blocks && x->groups[g].n_rules <= FEW;
}

static void choose(struct merge *x, const struct dp_flow_table *ft)
{
	uint32_t level = 0;
	bool is_all;

	while (!(is_all = group(x, level)) && level < 2)
		level++;
	if (x->n_masks <= DP_FLOW_TUPLES)
		return;
	sample(x, ft);
	merge_groups(x);
	dissolve(x, !is_all || (ft->n_rules <= FEW && x->n_left > WORTH_FEW));
}

static int by_bits(const void *a, const void *b)
{
	const struct group *const *x = a, *const *y = b;

	return (*x)->n_bits == (*y)->n_bits ? 0 : (*x)->n_bits < (*y)->n_bits ? 1 : -1;
}

// Tuples, those with the most bits first: a rule goes to the first one that takes it.
static int make_tuples(struct merge *x, struct ft_set *s, uint32_t set)
{
	struct group *sorted[GROUPS];
	struct ft_tuple *of[GROUPS] = { NULL };
	uint32_t n = 0;

	for (uint32_t g = 0; g < x->n_groups; g++) {
		if (!x->groups[g].is_gone)
			sorted[n++] = &x->groups[g];
	}
	qsort(sorted, n, sizeof(sorted[0]), by_bits);
	for (uint32_t i = 0; i < n; i++) {
		struct ft_tuple *t = ft_tuple_create(&sorted[i]->mask, sorted[i]->n_rules);

		if (t == NULL)
			return -ENOMEM;
		s->tuples[s->n_tuples++] = of[sorted[i] - x->groups] = t;
	}
	for (uint32_t i = 0; i < x->n_masks; i++)
		x->masks[i]->tuple[set] = x->group_of[i] < x->n_groups ? of[x->group_of[i]] : NULL;
	return 0;
}

int ft_merge(struct dp_flow_table *ft, uint32_t set)
{
	struct merge *x = malloc(sizeof(*x));
	int err = -ENOMEM;

	if (x == NULL)
		return -ENOMEM;
	x->n_masks = 0;
	x->masks = malloc((ft->masks.n + 1) * sizeof(x->masks[0]));
	x->group_of = malloc((ft->masks.n + 1) * sizeof(x->group_of[0]));
	if (x->masks != NULL && x->group_of != NULL) {
		for (uint32_t b = 0; b < ft->masks.n_buckets; b++) {
			for (struct dp_flow_link *l = ft->masks.at[b]; l != NULL; l = l->next)
				x->masks[x->n_masks++] = ft_mask_of(l);
		}
		qsort(x->masks, x->n_masks, sizeof(x->masks[0]), by_rules);
		choose(x, ft);
		err = make_tuples(x, &ft->sets[set], set);
		if (err != 0)
			ft_set_free(&ft->sets[set]);
	}
	free(x->masks);
	free(x->group_of);
	free(x);
	return err;
}
