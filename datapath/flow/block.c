#include "table_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	BLOCK = 512,
	MIN_CUT = 128, // a block may end with a group of rules that are alike from there on
};

static void quads_of(struct ft_block *b, const struct dp_flow_key *mask)
{
	b->n_quads = 0;
	for (uint32_t q = 0; q < sizeof(b->quads); q++) {
		uint64_t bits = UINT64_C(15) << q % 16 * 4;

		if ((mask->w[q / 16] & bits) == 0)
			continue;
		b->quads[b->n_quads++] = (uint8_t)q;
		b->mask.w[q / 16] |= bits;
	}
}

// What all of them ask for alike.
static void common_of(struct dp_flow_rule *const *rules, uint32_t n, struct dp_flow_key *mask)
{
	*mask = rules[0]->mask;
	for (uint32_t r = 1; r < n; r++) {
		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
			mask->w[i] &=
				rules[r]->mask.w[i] & ~(rules[r]->key.w[i] ^ rules[0]->key.w[i]);
	}
}

// A block for these rules; n = 0: for any whose masks are within that one.
//
// returns it, empty, or NULL = no memory
struct ft_block *ft_block_create(const struct dp_flow_key *mask, struct dp_flow_rule *const *rules,
				 uint32_t n)
{
	struct ft_block shape = { .n_words = n == 0 || n > 256 ? 8 : n > 128 ? 4 : n > 64 ? 2 : 1 };
	struct dp_flow_key common = { 0 }, left = *mask;
	struct ft_block *b;
	size_t size;

	if (n > 0)
		common_of(rules, n, &common);
	for (uint8_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (common.w[i] == 0)
			continue;
		left.w[i] &= ~common.w[i];
		shape.common[shape.n_common].idx = i;
		shape.common[shape.n_common].bits = common.w[i];
		shape.common[shape.n_common++].key = rules[0]->key.w[i] & common.w[i];
	}
	quads_of(&shape, &left);
	size = sizeof(*b) + (size_t)shape.n_quads * 16 * shape.n_words * sizeof(b->bits[0]);
	b = aligned_alloc(64, (size + 63) / 64 * 64);
	if (b == NULL)
		return NULL;
	memset(b, 0, size);
	memcpy(b, &shape, offsetof(struct ft_block, used));
	b->mask = shape.mask;
	for (uint32_t i = 0; i < shape.n_common; i++)
		b->mask.w[b->common[i].idx] |= b->common[i].bits;
	b->max = shape.n_words * 64;
	return b;
}

bool ft_block_fits(const struct ft_block *b, const struct dp_flow_rule *r)
{
	uint64_t wrong = 0;

	if (b->n_rules == b->max)
		return false;
	for (uint32_t i = 0; i < b->n_common; i++)
		wrong |= (~r->mask.w[b->common[i].idx] |
			  (r->key.w[b->common[i].idx] ^ b->common[i].key)) &
			 b->common[i].bits;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		wrong |= r->mask.w[i] & ~b->mask.w[i];
	return wrong == 0;
}

static uint32_t slot_free(const struct ft_block *b)
{
	uint32_t w = 0;
	uint64_t used;

	while ((used = atomic_load_explicit(&b->used[w], memory_order_relaxed)) == UINT64_MAX)
		w++;
	return w * 64 + (uint32_t)__builtin_ctzll(~used);
}

static void bit_set(struct ft_block *b, uint32_t q, uint64_t v, uint32_t slot, bool is_set)
{
	_Atomic uint64_t *w = &b->bits[(q * 16 + v) * b->n_words + slot / 64];
	uint64_t bit = UINT64_C(1) << slot % 64;
	uint64_t old = atomic_load_explicit(w, memory_order_relaxed);

	atomic_store_explicit(w, is_set ? old | bit : old & ~bit, memory_order_relaxed);
}

// In which of a quad's 16 values the rule is, or not: where the slot had none ever, it is in none.
static void quad_set(struct ft_block *b, uint32_t q, const struct dp_flow_rule *r, uint32_t slot)
{
	uint32_t shift = b->quads[q] % 16 * 4, word = b->quads[q] / 16;
	uint64_t key = r->key.w[word] >> shift & 15, mask = r->mask.w[word] >> shift & 15;
	uint64_t open = ~mask & 15;

	for (uint64_t v = 0; (b->ever[slot / 64] >> slot % 64 & 1) != 0 && v < 16; v++) {
		if (((v ^ key) & mask) != 0)
			bit_set(b, q, v, slot, false);
	}
	for (uint64_t v = open;; v = (v - 1) & open) {
		bit_set(b, q, key | v, slot, true);
		if (v == 0)
			break;
	}
}

void ft_block_insert(struct ft_block *b, struct dp_flow_rule *r, uint32_t set)
{
	uint32_t slot = slot_free(b), w = slot / 64;
	uint64_t used = atomic_load_explicit(&b->used[w], memory_order_relaxed);

	for (uint32_t q = 0; q < b->n_quads; q++)
		quad_set(b, q, r, slot);
	if (used == 0 ||
	    r->priority > atomic_load_explicit(&b->max_priority[w], memory_order_relaxed))
		atomic_store_explicit(&b->max_priority[w], r->priority, memory_order_relaxed);
	atomic_store_explicit(&b->rules[slot], r, memory_order_relaxed);
	atomic_store_explicit(&b->used[w], used | UINT64_C(1) << slot % 64, memory_order_release);
	b->ever[w] |= UINT64_C(1) << slot % 64;
	b->n_rules++;
	r->place[set] = (struct dp_flow_place){ b, NULL, slot };
}

void ft_block_remove(struct dp_flow_rule *r, uint32_t set)
{
	struct ft_block *b = r->place[set].owner;
	uint64_t slot = r->place[set].hash;
	uint64_t used = atomic_load_explicit(&b->used[slot / 64], memory_order_relaxed);

	atomic_store_explicit(&b->used[slot / 64], used & ~(UINT64_C(1) << slot % 64),
			      memory_order_release);
	b->n_rules--;
	r->place[set] = (struct dp_flow_place){ 0 };
}

static int by_match(const struct dp_flow_rule *x, const struct dp_flow_rule *y)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (x->mask.w[i] != y->mask.w[i])
			return x->mask.w[i] < y->mask.w[i] ? -1 : 1;
		if (x->key.w[i] != y->key.w[i])
			return x->key.w[i] < y->key.w[i] ? -1 : 1;
	}
	return (x > y) - (x < y);
}

// The first word in which they are not alike.
static uint32_t differ_at(const struct dp_flow_rule *a, const struct dp_flow_rule *b)
{
	uint32_t i = 0;

	while (i < DP_FLOW_WORDS && a->mask.w[i] == b->mask.w[i] && a->key.w[i] == b->key.w[i])
		i++;
	return i;
}

// How many of these sorted rules go into one block: as many as go in; but where there is more
// behind, it ends where the groups do that are alike in most of their words, and one such group
// that is large has its own. So a block's rules have much in common, and a comparison rules most
// blocks out.
static uint32_t cut(struct dp_flow_rule *const *rules, uint32_t n)
{
	uint32_t first = 0, last = 0, least = DP_FLOW_WORDS + 1;

	if (n <= BLOCK)
		return n;
	for (uint32_t i = 1; i <= BLOCK; i++) {
		uint32_t differ = differ_at(rules[i - 1], rules[i]);

		if (differ < least) {
			least = differ;
			first = i;
		}
		if (differ == least)
			last = i;
	}
	return first >= MIN_CUT ? first : last >= MIN_CUT ? last : BLOCK;
}

struct ranked {
	uint32_t priority, at;
};

static int by_priority(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? 1 : -1;
	return (x->at > y->at) - (x->at < y->at);
}

static int block_build(struct ft_set *s, struct dp_flow_rule *const *rules, uint32_t n,
		       uint32_t set)
{
	struct dp_flow_key mask = { 0 };
	struct ranked ranked[BLOCK];
	struct ft_block *b;

	for (uint32_t r = 0; r < n; r++) {
		ranked[r] = (struct ranked){ rules[r]->priority, r };
		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
			mask.w[i] |= rules[r]->mask.w[i];
	}
	if (!ft_room(&s->blocks, s->n_blocks, &s->max_blocks))
		return -ENOMEM;
	b = ft_block_create(&mask, rules, n);
	if (b == NULL)
		return -ENOMEM;
	s->blocks[s->n_blocks++] = b;
	qsort(ranked, n, sizeof(ranked[0]), by_priority);
	b->highest = ranked[0].priority;
	for (uint32_t r = 0; r < n; r++)
		ft_block_insert(b, rules[ranked[r].at], set);
	return 0;
}

// --- What waits for blocks: runs of rules, each sorted

// Where the rule is in its run, or belongs.
static uint32_t run_place(const struct ft_run *run, const struct dp_flow_rule *r)
{
	uint32_t low = run->n_cut, high = run->n;

	while (low < high) {
		uint32_t at = (low + high) / 2;

		if (by_match(run->at[at], r) < 0)
			low = at + 1;
		else
			high = at;
	}
	return low;
}

static struct ft_run *run_new(struct ft_set *s)
{
	struct ft_run *run;

	if (!ft_room(&s->runs, s->n_runs, &s->max_runs))
		return NULL;
	run = malloc(sizeof(*run));
	if (run == NULL)
		return NULL;
	run->n = run->n_cut = 0;
	s->runs[s->n_runs++] = run;
	return run;
}

int ft_run_insert(struct ft_set *s, struct dp_flow_rule *r, uint32_t set)
{
	struct ft_run *run = s->n_runs == 0 ? NULL : s->runs[s->n_runs - 1];
	uint32_t at;

	if (run == NULL || run->n == FT_RUN)
		run = run_new(s);
	if (run == NULL)
		return -ENOMEM;
	at = run_place(run, r);
	memmove(&run->at[at + 1], &run->at[at], (run->n - at) * sizeof(run->at[0]));
	run->at[at] = r;
	run->n++;
	s->n_wide++;
	r->place[set] = (struct dp_flow_place){ s, NULL, s->n_runs - 1 };
	return 0;
}

void ft_run_remove(struct ft_set *s, struct dp_flow_rule *r, uint32_t set)
{
	struct ft_run *run = s->runs[r->place[set].hash];
	uint32_t at = run_place(run, r);

	run->n--;
	memmove(&run->at[at], &run->at[at + 1], (run->n - at) * sizeof(run->at[0]));
	s->n_wide--;
	r->place[set] = (struct dp_flow_place){ 0 };
}

int ft_run_cut(struct dp_flow_table *ft, uint32_t set)
{
	struct ft_set *s = &ft->sets[set];
	struct ft_run *run;
	uint32_t n;

	while (s->cutting < s->n_runs && s->runs[s->cutting]->n_cut == s->runs[s->cutting]->n)
		s->cutting++;
	s->is_cut = s->cutting == s->n_runs;
	if (s->is_cut)
		return 0;
	run = s->runs[s->cutting];
	n = cut(run->at + run->n_cut, run->n - run->n_cut);
	if (block_build(s, run->at + run->n_cut, n, set) != 0)
		return -ENOMEM;
	run->n_cut += n;
	return 0;
}
