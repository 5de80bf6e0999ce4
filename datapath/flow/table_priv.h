// The parts of a table. Workers read views, tuples, arrays, buckets and nodes; all else is main's.
//
// What a worker may hold is never changed but by single atomic words, and given to retire() when it
// is no longer reachable.
#ifndef TABLE_PRIV_H
#define TABLE_PRIV_H

#include "dp_flow_table.h"

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
};

// What a lookup walks: tuples by falling priority. Constant.
struct ft_view {
	uint32_t n;
	struct {
		struct ft_tuple *tuple;
		uint32_t max_priority;
	} at[];
};

// Rules of one mask.
struct ft_mask {
	struct dp_flow_key mask;
	struct ft_mask *next;
	uint64_t hash;
	uint32_t n_rules;
	struct ft_tuple *tuple; // where they go
};

struct dp_flow_table {
	_Atomic(struct ft_view *) view; // main: w, worker: r, release/acquire
	// main
	void (*retire)(void *arg, void *mem);
	void *arg;
	struct dp_flow_rule **rules;
	uint32_t n_rules, max_rules;
	struct dp_flow_rule **index; // by match and priority, by linear hashing
	uint32_t n_index, max_index;
	struct ft_mask **masks; // by mask
	uint32_t n_masks, n_mask_buckets, max_mask_buckets;
	struct dp_flow_key mask; // of all rules
	bool mask_is_wide;	 // it may have bits that no rule has any more
};

static inline uint64_t ft_mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

// Any odd numbers without a pattern.
#define FT_ODD(i) (UINT64_C(0x9e3779b97f4a7c15) * (2 * (uint64_t)(i) + 1))

static inline uint64_t ft_hash(const struct ft_tuple *t, const struct dp_flow_key *k)
{
	uint64_t h = 0;

	for (uint32_t i = 0; i < t->n_words; i++) {
		uint64_t v = k->w[t->idx[i]] & t->bits[i];

		h += (v ^ v >> 32) * FT_ODD(t->idx[i]);
	}
	return ft_mix(h);
}

static inline struct ft_node *ft_slot_node(uint64_t slot)
{
	return (struct ft_node *)(uintptr_t)(slot & UINT64_C(0xffffffffffff));
}

static inline uint64_t ft_slot_of(const struct ft_node *n, uint64_t hash)
{
	return n == NULL ? 0 : (uint64_t)(uintptr_t)n | hash >> 48 << 48;
}

// What main knows of the rules (index.c).
int ft_index_init(struct dp_flow_table *t);
void ft_index_fini(struct dp_flow_table *t);
// returns 0 and its mask's record, or -ENOMEM
int ft_index_insert(struct dp_flow_table *t, struct dp_flow_rule *r, struct ft_mask **mask);
void ft_index_remove(struct dp_flow_table *t, struct dp_flow_rule *r);
struct ft_mask *ft_index_mask(const struct dp_flow_table *t, const struct dp_flow_rule *r);
void ft_index_union(const struct dp_flow_table *t, struct dp_flow_key *out);

// The tuple (tuple.c).
struct ft_tuple *ft_tuple_create(const struct dp_flow_key *mask);
void ft_tuple_destroy(struct ft_tuple *t);
// returns 0 and the rule is linked, or -ENOMEM. place: of the rule, filled
int ft_tuple_insert(struct dp_flow_table *ft, struct ft_tuple *t, struct dp_flow_rule *r,
		    struct dp_flow_place *place);
void ft_tuple_remove(struct dp_flow_table *ft, struct dp_flow_rule *r, struct dp_flow_place *place);
// A tuple that no worker finds any more: its memory, to retire().
void ft_tuple_retire(struct dp_flow_table *ft, struct ft_tuple *t);

#endif
