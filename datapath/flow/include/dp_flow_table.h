// The classifier of one OpenFlow table: which of its rules, all with masks of their own, matches a
// key with the highest priority.
//
// Model: tuple merge. Rules whose masks are alike stand in one hash table under the mask that they
// have in common; a rule's own mask is compared there. So the probes of a lookup are bounded by the
// rule set, and never by the traffic: DP_FLOW_TUPLES per table, the one with the highest priority
// first, and none whose priorities are all lower than what was found. A chain has at most six
// rules, or 64 of one mask, of which the first one that is in force is the answer.
//
// What no common mask tells apart, as an attacker's masks or random ones, stands in blocks of up to
// 512: per four bits of the key and value of them one bit per rule, so that a lookup is a
// conjunction of one cache line per four bits, whatever the rules are; and only in blocks whose
// rules have nothing in common that the key has not. `dp_flow_table_info` counts them.
//
// Of rules of one priority that match, it is not said which one is found; the same one each time
// while the table is as it was.
//
// Versions: a rule is seen by lookups of versions since..until-1. A change adds and ends rules in a
// version that nobody looks up yet, and is visible as a whole when workers are told the next
// number. A rule is unlinked when its last version is over, and freed by who owns it when no worker
// can see it any more (a grace period later).
//
// thread: find on any worker, concurrently with changes on main; all else on main. Pure: libc only.
#ifndef DP_FLOW_TABLE_H
#define DP_FLOW_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp_flow_key.h"

#define DP_FLOW_TUPLES 8
#define DP_FLOW_FOREVER UINT64_MAX

struct dp_flow_prog;
struct dp_flow_table;
struct ft_group;

// In a bucket of one of the table's own indexes.
struct dp_flow_link {
	struct dp_flow_link *next;
	uint64_t hash;
};

// A rule as lookups see it. Owned by who inserts it; its address is its identity.
struct dp_flow_rule {
	// Constant while it is linked.
	uint32_t priority; // 0..65535, the higher one wins
	uint32_t idx;	   // of its counters
	// main: w, worker: r, relaxed: both change only for versions that no worker looks up yet
	_Atomic uint64_t since, until;
	// main: w, worker: r, release/acquire
	_Atomic(const struct dp_flow_prog *) prog;
	struct dp_flow_key key, mask; // key & ~mask = 0
	// main: the table's own.
	struct dp_flow_link same; // in the index of matches
	uint32_t pos;		  // among all rules
	uint16_t words;		  // bit i: mask.w[i] is not 0
	uint16_t reserved;
	// Where it stands: in what lookups use, and in what is being built to take its place.
	struct dp_flow_place {
		void *owner, *node;
		uint64_t hash;
	} place[2];
	struct ft_group *group; // those of its priority and mask
	uint32_t group_pos;	// among them
};

struct dp_flow_table_info {
	uint32_t n_rules, n_tuples; // linked, of whatever version
	uint32_t n_overflow;	    // rules that no tuple tells apart, in blocks
	uint32_t n_blocks;	    // of up to 512 rules
	uint32_t longest;	    // chain
};

// returns 0 and *out, or -ENOMEM. retire: frees memory of the table's own that a worker may still
// read, after a grace period (arg is passed on).
int dp_flow_table_create(void (*retire)(void *arg, void *mem), void *arg,
			 struct dp_flow_table **out);
// No worker may see it any more. Its rules are their owner's.
void dp_flow_table_destroy(struct dp_flow_table *t);

// Link a rule. returns 0, or -ENOMEM with the table as it was
int dp_flow_table_insert(struct dp_flow_table *t, struct dp_flow_rule *r);
// Unlink it; workers may still see it until a grace period has passed.
void dp_flow_table_remove(struct dp_flow_table *t, struct dp_flow_rule *r);

// How rules are arranged follows them in small steps, one with each change. One more of them.
// returns whether there is more to do
bool dp_flow_table_tend(struct dp_flow_table *t);

// The rule with exactly this match and priority in that version. returns NULL = none. main
struct dp_flow_rule *dp_flow_table_exact(const struct dp_flow_table *t,
					 const struct dp_flow_key *key,
					 const struct dp_flow_key *mask, uint32_t priority,
					 uint64_t version);

// A look for rules that overlap a match: of the same priority, and some key matches both.
struct dp_flow_overlap {
	struct dp_flow_key key, mask; // key & ~mask = 0
	uint32_t priority;
	uint64_t version;
	const struct dp_flow_rule *found; // one that overlaps; NULL = none
	// Where it stands. The table's own; all 0 before the first call.
	uint32_t n_groups, n_rules; // that are still to be looked at
	uint32_t n_arranged;
	bool is_midway, by_view;
};
// Looks at about *n_most rules, and subtracts from it what it looked at; at 0 it goes on with the
// next call. Rules may go meanwhile; who inserts one begins anew. Rules are looked at one by one
// only where the match leaves out what lookups are hashed by. returns whether it is done. main
bool dp_flow_table_overlap(const struct dp_flow_table *t, struct dp_flow_overlap *o,
			   uint32_t *n_most);

// The best rule for the key in that version. returns NULL = table miss without a rule
//
// thread   any; does not block, allocate or log
const struct dp_flow_rule *dp_flow_table_find(const struct dp_flow_table *t,
					      const struct dp_flow_key *key, uint64_t version);
// The same for n <= 32 keys, their memory accesses overlapped. out[i] may be NULL.
void dp_flow_table_find_burst(const struct dp_flow_table *t, const struct dp_flow_key *const keys[],
			      uint32_t n, uint64_t version, const struct dp_flow_rule *out[]);

// What a lookup did.
struct dp_flow_cost {
	uint64_t n_probes;   // tuples and blocks
	uint64_t n_blocks;   // blocks that have what all its rules have in common
	uint64_t n_lines;    // cache lines of buckets and blocks
	uint64_t n_compares; // rules
};
// The same as dp_flow_table_find(), and what it did is added to *cost: for benchmarks and tests.
const struct dp_flow_rule *dp_flow_table_find_cost(const struct dp_flow_table *t,
						   const struct dp_flow_key *key, uint64_t version,
						   struct dp_flow_cost *cost);

// All bits that a rule of the table looks at, now or in a version that was not given up: what two
// keys differ in beyond these, no lookup tells apart. Only grows until no worker looks up the
// versions before; valid for versions that were published after the rules went in.
void dp_flow_table_mask(struct dp_flow_table *t, struct dp_flow_key *out);

void dp_flow_table_info(const struct dp_flow_table *t, struct dp_flow_table_info *out);

#endif
