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
	SAMPLES = 4096,	 // of all groups
	MIN_SAMPLE = 64, // but of each
	SAMPLED = 8192,	 // rules looked at for samples
	FEW = 64,	 // rules that a block of one word takes: not worth a probe
	WORTH_FEW = 2,	 // probes that such a block costs
	CHAIN = 3,	 // rules that fall together, from which on a tuple is of no use
	LARGE = 2048,	 // rules, so many that it may be of use for some of them
	LARGE_CHAIN = 64,
	SLOTS = 4 * SAMPLE,
	// In one step, each about 0.1 ms at most:
	STEP_MASKS = 256,
	STEP_RULES = 256,
	STEP_KEYS = 2048,
	KEYS_OF_PAIR = 64, // what a pair costs beside its keys
};

struct group {
	struct dp_flow_key mask; // in common
	struct dp_flow_key like; // what made them one group
	uint64_t n_rules;
	uint16_t sample[SAMPLE]; // of keys
	uint32_t n_sample, n_bits;
	uint32_t into; // the group that it is part of: itself, or another one
	bool is_gone;  // into another one, or to blocks
};

enum stage { COUNTING, GROUPING, SAMPLING, COMPARING, MERGING, RECOMPARING, SETTING };

// It is done in steps, between which rules and masks come and go.
struct ft_merge {
	struct group groups[GROUPS];
	double cost[GROUPS][GROUPS]; // of the pair's merging, for a < b
	uint32_t n_groups, n_left;
	uint32_t n_masks; // that there were
	struct ft_mask **masks, **sorted;
	uint8_t *size; // by mask: bits of its number of rules
	uint32_t n_of_size[33];
	enum stage stage;
	uint32_t at, other; // where the stage stands
	uint32_t level;
	bool is_all; // each mask has a group
	struct ft_tuple *tuples[GROUPS];
	uint32_t n_keys;
	struct dp_flow_key keys[SAMPLES]; // of rules that were sampled
};

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

// Masks with the most rules first, roughly.
static void sort(struct ft_merge *x)
{
	uint32_t at[33], n = 0;

	for (uint32_t i = 33; i-- > 0; n += x->n_of_size[i])
		at[i] = n;
	for (uint32_t i = 0; i < x->n_masks; i++)
		x->sorted[at[x->size[i]]++] = x->masks[i];
}

static void count_mask(struct ft_merge *x, uint32_t i)
{
	uint32_t n = x->masks[i]->n_rules;

	x->size[i] = (uint8_t)(n == 0 ? 0 : 32 - __builtin_clz(n));
	x->n_of_size[x->size[i]]++;
}

// The group of masks that are alike on that level; GROUPS = there are too many
static uint32_t group_of(struct ft_merge *x, const struct ft_mask *m)
{
	struct dp_flow_key like = relaxed(&m->mask, x->level);
	uint32_t g = 0;

	while (g < x->n_groups && memcmp(&x->groups[g].like, &like, sizeof(like)) != 0)
		g++;
	if (g == GROUPS)
		return g;
	if (g == x->n_groups) {
		x->n_groups++;
		memset(&x->groups[g], 0, sizeof(x->groups[g]));
		x->groups[g].into = g;
		x->groups[g].like = like;
		x->groups[g].mask = m->mask;
	}
	group_add(&x->groups[g], &m->mask, m->n_rules);
	return g;
}

static void sample(struct ft_merge *x, const struct dp_flow_rule *r)
{
	uint32_t most = SAMPLES / (x->n_groups + 1), at = ft_index_mask(r)->group;
	struct group *g = &x->groups[at < GROUPS ? at : 0];

	most = most > SAMPLE ? SAMPLE : most < MIN_SAMPLE ? MIN_SAMPLE : most;
	if (at >= x->n_groups || g->n_sample == most || x->n_keys == SAMPLES)
		return;
	x->keys[x->n_keys] = r->key;
	g->sample[g->n_sample++] = (uint16_t)x->n_keys++;
}

struct counted {
	uint64_t hash[SLOTS];
	uint32_t n[SLOTS]; // by hash, the first n_slots, a power of two
	uint32_t n_slots;
	uint32_t n_pairs; // that fell together
};

static void count(const struct ft_merge *x, struct counted *c, const struct group *g,
		  const struct dp_flow_key *mask)
{
	for (uint32_t i = 0; i < g->n_sample; i++) {
		uint64_t h = 0;
		uint32_t at;

		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++) {
			if (mask->w[w] != 0)
				h += ft_mix((x->keys[g->sample[i]].w[w] & mask->w[w]) + w) *
				     FT_ODD(w);
		}
		at = (uint32_t)(h >> 40) & (c->n_slots - 1);
		while (c->n[at] != 0 && c->hash[at] != h)
			at = (at + 1) & (c->n_slots - 1);
		c->hash[at] = h;
		c->n_pairs += c->n[at]++;
	}
}

// How many rules a rule would meet in its chain.
static double together(const struct ft_merge *x, const struct group *a, const struct group *b,
		       uint32_t *n_bits)
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
	count(x, &c, a, &mask);
	if (b != NULL)
		count(x, &c, b, &mask);
	return n < 2 ? 0 : (double)n_rules * c.n_pairs / (n * (n - 1) / 2);
}

// The less the better; where the samples do not say, the mask with the most bits.
static double cost(const struct ft_merge *x, const struct group *a, const struct group *b)
{
	uint32_t n_bits;
	double n = together(x, a, b, &n_bits);

	return n + 1.0 / (n_bits + 1);
}

static void absorb(struct ft_merge *x, uint32_t into, uint32_t from)
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
	b->into = into;
	x->n_left--;
}

// returns whether two groups became one
static bool merge_best(struct ft_merge *x)
{
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
	if (x->n_left <= 1 || (x->n_left <= DP_FLOW_TUPLES && best > 1))
		return false;
	absorb(x, best_a, best_b);
	x->other = best_a;
	return true;
}

// Groups that no tuple is good for.
static void dissolve(struct ft_merge *x, bool has_blocks)
{
	uint32_t n_bits;

	for (uint32_t g = 0; g < x->n_groups; g++) {
		bool is_large = x->groups[g].n_rules > LARGE;

		if (x->groups[g].is_gone ||
		    together(x, &x->groups[g], NULL, &n_bits) <= (is_large ? LARGE_CHAIN : CHAIN))
			continue;
		x->groups[g].is_gone = true;
		has_blocks = true;
	}
	for (uint32_t g = 0; g < x->n_groups; g++)
		x->groups[g].is_gone |= has_blocks && x->groups[g].n_rules <= FEW;
}

static int by_bits(const void *a, const void *b)
{
	const struct group *const *x = a, *const *y = b;

	return (*x)->n_bits == (*y)->n_bits ? 0 : (*x)->n_bits < (*y)->n_bits ? 1 : -1;
}

// Tuples, those with the most bits first: a rule goes to the first one that takes it.
static int make_tuples(struct ft_merge *x, struct ft_set *s)
{
	struct group *sorted[GROUPS];
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
		s->tuples[s->n_tuples++] = x->tuples[sorted[i] - x->groups] = t;
	}
	return 0;
}

// --- Its steps

struct ft_merge *ft_merge_create(const struct dp_flow_table *ft)
{
	uint32_t n = ft->masks.n;
	struct ft_merge *x = malloc(sizeof(*x));

	if (x == NULL)
		return NULL;
	memset(x, 0, offsetof(struct ft_merge, keys));
	x->masks = malloc(2 * (size_t)n * sizeof(x->masks[0]) + n);
	if (x->masks == NULL) {
		free(x);
		return NULL;
	}
	x->sorted = x->masks + n;
	x->size = (uint8_t *)(x->sorted + n);
	x->n_masks = n;
	memcpy(x->masks, ft->all_masks, n * sizeof(x->masks[0]));
	x->level = n > GROUPS ? 1 : 0; // below, each has a group of its own
	x->is_all = true;
	return x;
}

void ft_merge_destroy(struct ft_merge *x)
{
	if (x == NULL)
		return;
	free(x->masks);
	free(x);
}

static void next_stage(struct ft_merge *x, enum stage stage)
{
	x->stage = stage;
	x->at = x->other = 0;
}

static void do_masks(struct ft_merge *x)
{
	for (uint32_t n = 0; n < STEP_MASKS && x->at < x->n_masks; n++, x->at++) {
		if (x->stage == COUNTING) {
			count_mask(x, x->at);
			continue;
		}
		x->sorted[x->at]->group = group_of(x, x->sorted[x->at]);
		if (x->sorted[x->at]->group < GROUPS)
			continue;
		if (x->level == 2) {
			x->is_all = false;
			continue;
		}
		x->level++;
		x->n_groups = 0;
		next_stage(x, GROUPING);
		return;
	}
	if (x->at < x->n_masks)
		return;
	if (x->stage == COUNTING) {
		sort(x);
		next_stage(x, GROUPING);
	} else {
		x->n_left = x->n_groups;
		next_stage(x, SAMPLING);
	}
}

static void do_sample(struct ft_merge *x, const struct dp_flow_table *ft)
{
	uint32_t step = ft->n_rules / SAMPLED + 1;

	for (uint32_t n = 0; n < STEP_RULES && x->at < ft->n_rules; n++, x->at += step)
		sample(x, ft->rules[x->at]);
	if (x->at >= ft->n_rules)
		next_stage(x, COMPARING);
}

// Costs of pairs, until so many keys were hashed.
static void do_compare(struct ft_merge *x)
{
	uint32_t n = 0;

	for (; n < STEP_KEYS && x->at < x->n_groups; x->other++) {
		const struct group *a = &x->groups[x->at], *b = &x->groups[x->other];

		if (x->other >= x->n_groups) {
			x->other = ++x->at; // and one more
			continue;
		}
		if (x->other <= x->at)
			continue;
		x->cost[x->at][x->other] = cost(x, a, b);
		n += a->n_sample + b->n_sample + KEYS_OF_PAIR;
	}
	if (x->at >= x->n_groups)
		next_stage(x, MERGING);
}

// Those of the group that grew.
static void do_recompare(struct ft_merge *x)
{
	uint32_t n = 0, g = x->other;

	for (; n < STEP_KEYS && x->at < x->n_groups; x->at++) {
		uint32_t i = x->at;

		if (i == g || x->groups[i].is_gone)
			continue;
		x->cost[i < g ? i : g][i < g ? g : i] = cost(x, &x->groups[g], &x->groups[i]);
		n += x->groups[g].n_sample + x->groups[i].n_sample + KEYS_OF_PAIR;
	}
	if (x->at >= x->n_groups)
		next_stage(x, MERGING);
}

static int do_merge(struct ft_merge *x, const struct dp_flow_table *ft, struct ft_set *s)
{
	if (x->n_masks > DP_FLOW_TUPLES) {
		x->at = 0;
		if (merge_best(x)) {
			x->stage = RECOMPARING;
			return 0;
		}
		dissolve(x, !x->is_all || (ft->n_rules <= FEW && x->n_left > WORTH_FEW));
	}
	next_stage(x, SETTING);
	return make_tuples(x, s);
}

// Where the rules of each mask go.
static bool do_set(struct ft_merge *x, uint32_t set)
{
	for (uint32_t n = 0; n < STEP_MASKS && x->at < x->n_masks; n++, x->at++) {
		struct ft_mask *m = x->masks[x->at];
		uint32_t g = m->group;

		while (g < x->n_groups && x->groups[g].into != g)
			g = x->groups[g].into;
		m->tuple[set] = g < x->n_groups ? x->tuples[g] : NULL;
	}
	return x->at == x->n_masks;
}

int ft_merge_step(struct dp_flow_table *ft, struct ft_merge *x, uint32_t set)
{
	int err = -EAGAIN;

	switch (x->stage) {
	case COUNTING:
	case GROUPING:
		do_masks(x);
		break;
	case SAMPLING:
		do_sample(x, ft);
		break;
	case COMPARING:
		do_compare(x);
		break;
	case RECOMPARING:
		do_recompare(x);
		break;
	case MERGING:
		if (do_merge(x, ft, &ft->sets[set]) != 0)
			err = -ENOMEM;
		break;
	case SETTING:
		if (do_set(x, set))
			err = 0;
		break;
	}
	return err;
}
