// A table beside a list of its rules that is looked through one by one, for tests and the fuzzer.
#ifndef FLOW_RIG_H
#define FLOW_RIG_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dp_flow_table.h"

#define RIG_RULES 16384

struct rig {
	struct dp_flow_table *table;
	struct dp_flow_rule *rules[RIG_RULES]; // linked
	uint32_t n_rules;
	uint64_t version; // in force; staged changes are of the next one
	uint64_t random;
};

static inline uint64_t rig_random(struct rig *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t rig_below(struct rig *g, uint32_t n)
{
	return (uint32_t)(rig_random(g) >> 32) % n;
}

// One thread: nobody else holds it.
static inline void rig_retire(void *arg, void *mem)
{
	(void)arg;
	free(mem);
}

static inline void rig_init(struct rig *g, uint64_t seed)
{
	*g = (struct rig){ .version = 1, .random = seed * 2 + 1 };
	assert(dp_flow_table_create(rig_retire, NULL, &g->table) == 0);
}

static inline void rig_unlink(struct rig *g, uint32_t i)
{
	dp_flow_table_remove(g->table, g->rules[i]);
	free(g->rules[i]);
	g->rules[i] = g->rules[--g->n_rules];
}

static inline void rig_fini(struct rig *g)
{
	for (uint32_t i = 0; i < g->n_rules; i++)
		free(g->rules[i]);
	dp_flow_table_destroy(g->table);
}

static inline void rig_tend(struct rig *g)
{
	while (dp_flow_table_tend(g->table))
		;
}

static inline struct dp_flow_rule *rig_rule(const struct dp_flow_key *key,
					    const struct dp_flow_key *mask, uint32_t priority)
{
	// Of exactly its size, so that the sanitizer sees what is read beside it.
	struct dp_flow_rule *r = calloc(1, sizeof(*r));

	assert(r != NULL);
	r->priority = priority;
	r->mask = *mask;
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		r->key.w[i] = key->w[i] & mask->w[i];
	return r;
}

// Stage a rule, from the next version on.
static inline struct dp_flow_rule *rig_add(struct rig *g, const struct dp_flow_key *key,
					   const struct dp_flow_key *mask, uint32_t priority)
{
	struct dp_flow_rule *r;

	if (g->n_rules == RIG_RULES)
		return NULL;
	r = rig_rule(key, mask, priority);
	atomic_init(&r->since, g->version + 1);
	atomic_init(&r->until, DP_FLOW_FOREVER);
	assert(dp_flow_table_insert(g->table, r) == 0);
	g->rules[g->n_rules++] = r;
	return r;
}

static inline bool rig_sees(const struct dp_flow_rule *r, uint64_t version)
{
	return r->since <= version && version < r->until;
}

static inline bool rig_matches(const struct dp_flow_rule *r, const struct dp_flow_key *k)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (((k->w[i] ^ r->key.w[i]) & r->mask.w[i]) != 0)
			return false;
	}
	return true;
}

// The highest priority that matches; -1 = none.
static inline int64_t rig_find(const struct rig *g, const struct dp_flow_key *k, uint64_t version)
{
	int64_t best = -1;

	for (uint32_t i = 0; i < g->n_rules; i++) {
		const struct dp_flow_rule *r = g->rules[i];

		if ((int64_t)r->priority > best && rig_sees(r, version) && rig_matches(r, k))
			best = r->priority;
	}
	return best;
}

// Does the table say what the list says, for one key and in a burst?
static inline bool rig_agrees(const struct rig *g, const struct dp_flow_key *k, uint64_t version)
{
	const struct dp_flow_rule *r = dp_flow_table_find(g->table, k, version);
	const struct dp_flow_key *const keys[] = { k, k };
	const struct dp_flow_rule *out[2];
	int64_t want = rig_find(g, k, version);

	dp_flow_table_find_burst(g->table, keys, 2, version, out);
	if (out[0] != r || out[1] != r)
		return false;
	if (r == NULL || want < 0)
		return r == NULL && want < 0;
	return r->priority == want && rig_matches(r, k) && rig_sees(r, version);
}

static inline bool rig_overlaps(const struct dp_flow_rule *r, const struct dp_flow_overlap *o)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (((r->key.w[i] ^ o->key.w[i]) & r->mask.w[i] & o->mask.w[i]) != 0)
			return false;
	}
	return r->priority == o->priority && rig_sees(r, o->version);
}

// What overlaps it, in calls that look at `most` rules each; rules that are told to go do so
// between the first two.
static inline const struct dp_flow_rule *rig_overlap(struct rig *g, struct dp_flow_overlap *o,
						     uint32_t most, uint32_t n_gone)
{
	uint32_t n = most;

	while (!dp_flow_table_overlap(g->table, o, &n)) {
		assert(n == 0);
		n = most;
		for (; n_gone > 0 && g->n_rules > 0; n_gone--)
			rig_unlink(g, n_gone * 7 % g->n_rules);
	}
	return o->found;
}

// Does the table find one where the list has one?
static inline bool rig_overlap_agrees(struct rig *g, struct dp_flow_overlap *o, uint32_t most,
				      uint32_t n_gone)
{
	const struct dp_flow_rule *r = rig_overlap(g, o, most, n_gone);
	bool is_there = false, is_linked = r == NULL;

	for (uint32_t i = 0; i < g->n_rules; i++) {
		is_there |= rig_overlaps(g->rules[i], o);
		is_linked |= g->rules[i] == r;
	}
	return r == NULL ? !is_there : is_linked && rig_overlaps(r, o);
}

// The version goes on, and what ended before it is unlinked.
static inline void rig_publish(struct rig *g)
{
	g->version++;
	for (uint32_t i = 0; i < g->n_rules;) {
		if (g->rules[i]->until < g->version)
			rig_unlink(g, i);
		else
			i++;
	}
}

#endif
