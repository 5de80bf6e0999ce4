// The parts of a table. Workers read views, tuples, arrays, buckets and nodes; all else is main's.
//
// What a worker may hold is never changed but by single atomic words, and given to retire() when it
// is no longer reachable.
#ifndef TABLE_PRIV_H
#define TABLE_PRIV_H

#include "dp_flow_table.h"

#include <stddef.h>

#define FT_SLOTS 7

// A rule in a chain: those whose keys are alike under the tuple's mask, by falling priority.
// Constant but for next.
struct ft_node {
	_Atomic(struct ft_node *) next; // main: w, worker: r, release/acquire
	struct dp_flow_rule *rule;
	uint32_t priority;
	uint16_t words; // of the rule's mask; 0 = it is the tuple's
	uint16_t n;
	uint64_t w[]; // n words of the key; where words is not 0, each with its mask behind it
};

// One cache line. A slot is a chain's first node, with 16 bits of its hash above; 0 = free.
struct ft_bucket {
	_Atomic uint64_t slot[FT_SLOTS];  // main: w, worker: r, release/acquire
	_Atomic(struct ft_bucket *) more; // main: w, worker: r, release/acquire
};

struct ft_array {
	uint64_t last; // number of buckets - 1
	struct ft_bucket *buckets;
	// main
	void *memory;
	struct ft_bucket *extra[28]; // blocks of further buckets, each twice the one before
	uint32_t n_extra, n_in_block;
};

// Rules whose masks have the tuple's mask in common, in one hash table under it.
struct ft_tuple {
	// Constant.
	uint8_t idx[DP_FLOW_WORDS]; // of the words that the mask has
	uint64_t bits[DP_FLOW_WORDS];
	uint32_t n_words;
	struct dp_flow_key mask;
	_Atomic(struct ft_array *) array; // main: w, worker: r, release/acquire
	// main
	struct ft_array *grown; // takes array's place when all is copied; or NULL
	uint64_t n_copied;	// buckets of array that are in grown
	uint32_t n_rules, n_classes;
	uint32_t max_priority; // no rule has a higher one
	struct ft_tuple *next_dying;
	uint64_t n_dead; // buckets
};

// Rules whose masks have too little in common for a hash table, up to 512: for each four bits of
// the key that any of them looks at, and each of their 16 values, one bit per rule that allows it.
// Their conjunction is the rules that match. What all its rules have in common is compared first.
struct ft_block {
	// Constant.
	uint32_t n_words;  // of 64 rules: 1, 2, 4 or 8
	uint32_t n_quads;  // groups of four bits
	uint32_t n_common; // words that all rules ask for alike
	struct {
		uint64_t idx, bits, key;
	} common[DP_FLOW_WORDS];
	uint8_t quads[16 * DP_FLOW_WORDS]; // word * 16 + place, by rising number
	// main: w, worker: r, relaxed; a rule that is met by chance is compared again
	_Atomic uint64_t used[8];	  // has a rule; stored last: release/acquire
	_Atomic uint32_t max_priority[8]; // per word: no rule has a higher one
	_Atomic(struct dp_flow_rule *) rules[512];
	// main
	uint32_t n_rules, max;
	uint64_t ever[8];	 // had a rule once: its bits are somewhere
	uint32_t highest;	 // no rule has a higher priority
	struct dp_flow_key mask; // the bits of all quads
	// main: w, worker: r, relaxed
	_Atomic uint64_t bits[] __attribute__((aligned(64))); // [n_quads][16][n_words]
};

// What a lookup walks, by falling priority. Constant.
struct ft_view {
	uint32_t n;
	struct ft_entry {
		struct ft_tuple *tuple;
		struct ft_block *block; // where tuple is NULL
		uint32_t max_priority;
		uint32_t n_rules; // by then
	} at[];
};

#define FT_RUN 16384

// Rules that wait for blocks, those that are much alike beside each other.
struct ft_run {
	uint32_t n, n_cut; // the first n_cut are in blocks
	struct dp_flow_rule *at[FT_RUN];
};

// One way to keep all rules. main
struct ft_set {
	struct ft_tuple *tuples[DP_FLOW_TUPLES];
	struct ft_block **blocks;
	struct ft_run **runs; // what waits for blocks, while the set is being built
	uint32_t n_runs, max_runs;
	uint32_t cutting; // this run, and those behind it wait
	bool is_cut;	  // none does, and what comes goes to blocks at once
	uint32_t n_tuples, n_blocks, max_blocks;
	uint32_t n_wide; // rules in blocks, or waiting
	uint32_t longest;
	bool is_stale;	// the view lacks what is here
	bool has_empty; // tuples or blocks
};

// A hash table of links that grows by one bucket at a time, so that no change is slow.
struct ft_map {
	struct dp_flow_link **at;
	uint32_t n_buckets, max;
	uint32_t n; // links
};

// Rules of one mask.
struct ft_mask {
	struct dp_flow_link link; // in masks
	struct dp_flow_key mask;
	uint32_t n_rules, group;
	uint32_t pos;		   // among all masks
	struct ft_tuple *tuple[2]; // by set: where they go; NULL = where there is room
};

// And of one priority.
struct ft_group {
	struct dp_flow_link link; // in groups
	struct ft_mask *mask;
	struct dp_flow_rule **rules;
	uint32_t n_rules, max_rules;
	uint32_t priority;
	uint32_t pos; // among those of its priority
	uint64_t seed;
};

struct ft_priority {
	struct ft_group **groups;
	uint32_t n_groups, max_groups;
	uint32_t n_rules;
};

// Priorities of which all bits but the last eight are alike.
struct ft_priorities {
	struct ft_priority at[256];
};

struct dp_flow_table {
	_Atomic(struct ft_view *) view; // main: w, worker: r, release/acquire
	// main
	void (*retire)(void *arg, void *mem);
	void *arg;
	struct dp_flow_rule **rules;
	uint32_t n_rules, max_rules;
	struct ft_map index;  // rules, by match and priority
	struct ft_map masks;  // struct ft_mask, by mask
	struct ft_map groups; // struct ft_group, by mask and priority
	struct ft_priorities *priorities[256];
	struct ft_set sets[2];
	uint32_t n_arranged;	    // times that another set came into use
	struct ft_mask **all_masks; // masks.n of them
	uint32_t max_masks;
	struct ft_mask *gone;	// that a merge may still look at
	struct ft_merge *merge; // that arranges the other set
	uint32_t now;		// the set in use
	bool is_building;	// the other one is to take its place
	bool is_cutting;	// and all that was there is in it
	uint32_t n_built;	// rules[0..) that are in it
	uint32_t masks_then, wide_then,
		then;		 // rules in blocks, and all, when the set in use was built
	struct ft_tuple *dying;	 // unreachable tuples, whose nodes are given up step by step
	struct dp_flow_key mask; // of all rules
	uint32_t n_with[64 * DP_FLOW_WORDS]; // masks that have the bit
};

static inline uint64_t ft_mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

// Any odd numbers without a pattern.
#define FT_ODD(i) (UINT64_C(0x9e3779b97f4a7c15) * (2 * (uint64_t)(i) + 1))

// Never one whose upper bits are all 0: those are a free slot's.
static inline uint64_t ft_hash(const struct ft_tuple *t, const struct dp_flow_key *k)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < t->n_words; i++) {
		uint64_t v = k->w[t->idx[i]] & t->bits[i];

		h += (v ^ v >> 32) * FT_ODD(t->idx[i]);
	}
	return ft_mix(h) | UINT64_C(1) << 63;
}

static inline struct ft_node *ft_slot_node(uint64_t slot)
{
	return (struct ft_node *)(uintptr_t)(slot & UINT64_C(0xffffffffffff));
}

static inline uint64_t ft_slot_of(const struct ft_node *n, uint64_t hash)
{
	return n == NULL ? 0 : (uint64_t)(uintptr_t)n | hash >> 48 << 48;
}

static inline struct dp_flow_rule *ft_rule_of(const struct dp_flow_link *l)
{
	return (struct dp_flow_rule *)((uintptr_t)l - offsetof(struct dp_flow_rule, same));
}

static inline struct ft_mask *ft_mask_of(const struct dp_flow_link *l)
{
	return (struct ft_mask *)((uintptr_t)l - offsetof(struct ft_mask, link));
}

static inline struct ft_group *ft_group_of(const struct dp_flow_link *l)
{
	return (struct ft_group *)((uintptr_t)l - offsetof(struct ft_group, link));
}

// Is all of a in b?
static inline bool ft_is_within(const struct dp_flow_key *a, const struct dp_flow_key *b)
{
	uint64_t missing = 0;

	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		missing |= a->w[i] & ~b->w[i];
	return missing == 0;
}

// Is the rule seen in that version?
static inline bool ft_is_seen(const struct dp_flow_rule *r, uint64_t version)
{
	return atomic_load_explicit(&r->since, memory_order_relaxed) <= version &&
	       version < atomic_load_explicit(&r->until, memory_order_relaxed);
}

// Hash tables (map.c). returns 0 or -ENOMEM
int ft_map_init(struct ft_map *m);
void ft_map_fini(struct ft_map *m);
// Those that may have that hash, and others.
struct dp_flow_link *ft_map_first(const struct ft_map *m, uint64_t hash);
void ft_map_insert(struct ft_map *m, struct dp_flow_link *l);
void ft_map_remove(struct ft_map *m, const struct dp_flow_link *l);

// What main knows of the rules (index.c).
int ft_index_init(struct dp_flow_table *t);
void ft_index_fini(struct dp_flow_table *t);
// returns 0 and its mask's record, or -ENOMEM
int ft_index_insert(struct dp_flow_table *t, struct dp_flow_rule *r, struct ft_mask **mask);
void ft_index_remove(struct dp_flow_table *t, struct dp_flow_rule *r);
struct ft_priority *ft_index_priority(const struct dp_flow_table *t, uint32_t priority);
// The rule of that group with that key, seen in that version. returns NULL = none
struct dp_flow_rule *ft_index_find(const struct dp_flow_table *t, const struct ft_group *g,
				   const struct dp_flow_key *key, uint64_t version);
static inline struct ft_mask *ft_index_mask(const struct dp_flow_rule *r)
{
	return r->group->mask;
}
// No merge looks at masks that went.
void ft_index_forget(struct dp_flow_table *t);

// A tuple (tuple.c): chains of at most `longest` rules.
struct ft_tuple *ft_tuple_create(const struct dp_flow_key *mask, uint64_t n_rules);
void ft_tuple_destroy(struct ft_tuple *t);
// returns the length of the chain where the rule is linked now; -ENOMEM; -ENOSPC = it is longest
int ft_tuple_insert(struct dp_flow_table *ft, struct ft_tuple *t, struct dp_flow_rule *r,
		    uint32_t set);
void ft_tuple_remove(struct dp_flow_table *ft, struct dp_flow_rule *r, uint32_t set);
// A tuple that no lookup finds any more gives up some of its memory. returns true when it is gone
bool ft_tuple_retire_some(struct dp_flow_table *ft, struct ft_tuple *t);

// Blocks (block.c).
struct ft_block *ft_block_create(const struct dp_flow_key *mask, struct dp_flow_rule *const *rules,
				 uint32_t n);
bool ft_block_fits(const struct ft_block *b, const struct dp_flow_rule *r);
void ft_block_insert(struct ft_block *b, struct dp_flow_rule *r, uint32_t set);
void ft_block_remove(struct dp_flow_rule *r, uint32_t set);
// It waits for a block. returns 0 or -ENOMEM
int ft_run_insert(struct ft_set *s, struct dp_flow_rule *r, uint32_t set);
void ft_run_remove(struct ft_set *s, struct dp_flow_rule *r, uint32_t set);
// One block of what waits; is_cut when none does. returns 0 or -ENOMEM
int ft_run_cut(struct dp_flow_table *ft, uint32_t set);

// Which masks share a tuple (merge.c). returns NULL = no memory
struct ft_merge *ft_merge_create(const struct dp_flow_table *ft);
void ft_merge_destroy(struct ft_merge *x);
// A part of it. returns 0 = the set has its tuples, and masks know theirs; -EAGAIN; -ENOMEM
int ft_merge_step(struct dp_flow_table *ft, struct ft_merge *x, uint32_t set);

// A set (set.c).
int ft_set_insert(struct dp_flow_table *ft, struct dp_flow_rule *r, struct ft_mask *m,
		  uint32_t set);
void ft_set_remove(struct dp_flow_table *ft, struct dp_flow_rule *r, uint32_t set);
// Nobody looks at it: its memory at once, or to retire().
void ft_set_free(struct ft_set *s);
// What has no rules is no longer in the view.
void ft_set_drop_empty(struct dp_flow_table *ft);
void ft_set_retire(struct dp_flow_table *ft, struct ft_set *s);

// returns true when there is room for one more pointer than n
bool ft_room(void *array, uint32_t n, uint32_t *max);

#endif
