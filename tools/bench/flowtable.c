// What a lookup in an OpenFlow table costs, by rules and by masks; what its rules take in memory,
// and how many changes there are in a second. Usage: weir-bench-flowtable [TEXT], for the lines
// that begin with it: "grid 10000 64".
//
// cycles      of the time-stamp counter, per lookup, in bursts of 32 keys that rules match
// probes ...  per lookup: dp_flow_table.h, struct dp_flow_cost; without and with a match
// bytes       of the table's own per rule
// mods/s      a rule removed and another one of its kind inserted is two
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dp_flow_table.h"

enum { N_KEYS = 65536, BURST = 32 };

static uint64_t random_state = 88172645463325252u;

static uint64_t random_now(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t cycles_now(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t prefix(uint32_t bits, uint32_t of)
{
	return bits == 0 ? 0 : ~UINT64_C(0) << (64 - bits) >> (64 - of);
}

// A mask of n, and the value of the i-th rule under it.
typedef void make_rule(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r);

static void ip_header(struct dp_flow_rule *r)
{
	r->mask.w[0] = UINT64_C(0xffff) << 16;
	r->key.w[0] = UINT64_C(0x0800) << 16;
	r->mask.w[1] = UINT64_C(0xff) << 8;
	r->key.w[1] = 6 << 8;
}

static void random_values(struct dp_flow_rule *r)
{
	r->key.w[3] = random_now() & r->mask.w[3];
	r->key.w[4] = random_now() & r->mask.w[4];
}

// Source, destination, ports: one mask.
static void exact(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r)
{
	(void)n_masks;
	ip_header(r);
	r->mask.w[3] = ~UINT64_C(0);
	r->mask.w[4] = UINT64_C(0xffffffff) << 32;
	r->key.w[3] = UINT64_C(0x0a0000000b000000) + i;
	r->key.w[4] = UINT64_C(0x03e80050) << 32;
}

// src/24..32 x dst/16..32 x ports, random values.
static void grid(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r)
{
	uint32_t m = i % n_masks;

	ip_header(r);
	r->mask.w[3] = prefix(24 + m % 9, 32) << 32 | prefix(16 + m / 9 % 17, 32);
	r->mask.w[4] = prefix(m / 153 % 17, 16) << 48 | prefix(m / 2601 % 17, 16) << 32;
	random_values(r);
}

// Bits anywhere in addresses and ports; the i-th mask is always the same.
static void random_masks(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r)
{
	uint64_t state = random_state;

	ip_header(r);
	random_state = (i % n_masks + 1) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t k = 0; k < 4; k++)
		random_now();
	r->mask.w[3] = random_now() & random_now();
	r->mask.w[4] = (random_now() & random_now()) & UINT64_C(0xffffffff) << 32;
	random_state = state;
	random_values(r);
}

// The masks that three ACL rules on src, sport and dport make of an attacker's traffic: the rule of
// (a, b, c) agrees with the ACL up to the bit before, and differs there.
static void attack(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r)
{
	uint32_t n_src = n_masks <= 17 ? 1 : n_masks <= 260 ? 16 : 32;
	uint32_t src = i % n_src + 1, sport = i / n_src % 16 + 1, dport = i / n_src / 16 % 16 + 1;
	const uint64_t acl_src = UINT64_C(0x0a000001), acl_sport = 12345, acl_dport = 80;

	ip_header(r);
	r->mask.w[3] = prefix(src, 32) << 32;
	r->key.w[3] = (acl_src ^ UINT64_C(1) << (32 - src)) << 32 & r->mask.w[3];
	r->mask.w[4] = prefix(sport, 16) << 48;
	r->key.w[4] = (acl_sport ^ UINT64_C(1) << (16 - sport)) << 48;
	if (n_masks > 516) {
		r->mask.w[4] |= prefix(dport, 16) << 32;
		r->key.w[4] |= (acl_dport ^ UINT64_C(1) << (16 - dport)) << 32;
	}
	r->key.w[4] &= r->mask.w[4];
}

// Nested prefixes of one address, all of which match it: priorities by length.
static void nested(uint32_t i, uint32_t n_masks, struct dp_flow_rule *r)
{
	ip_header(r);
	(void)n_masks;
	r->mask.w[3] = prefix(i % 32 + 1, 32) << 32;
	r->mask.w[4] = prefix(i / 32 % 16 + 1, 16) << 48;
	r->priority = i % 32 + i / 32 % 16;
	r->key.w[3] = UINT64_C(0x0a000001) << 32 & r->mask.w[3];
	r->key.w[4] = UINT64_C(12345) << 48 & r->mask.w[4];
}

static void retire(void *arg, void *mem)
{
	(void)arg;
	free(mem);
}

static void insert(struct dp_flow_table *t, struct dp_flow_rule *r)
{
	atomic_store(&r->since, 0);
	atomic_store(&r->until, DP_FLOW_FOREVER);
	if (dp_flow_table_insert(t, r) != 0) {
		fprintf(stderr, "weir-bench-flowtable: no memory for a rule\n");
		exit(1);
	}
}

static struct dp_flow_key keys[N_KEYS];
static const struct dp_flow_key *key_of[N_KEYS];

// What random rules match; or what none does, with random bits.
static void make_keys(struct dp_flow_rule *rules, uint32_t n, bool is_hit)
{
	for (uint32_t k = 0; k < N_KEYS; k++) {
		const struct dp_flow_rule *r = &rules[random_now() % n];

		memset(&keys[k], 0, sizeof(keys[k]));
		keys[k].w[0] = UINT64_C(0x0800) << 16;
		keys[k].w[1] = 6 << 8;
		keys[k].w[3] = random_now();
		keys[k].w[4] = random_now() & UINT64_C(0xffffffff) << 32;
		for (uint32_t i = 0; is_hit && i < DP_FLOW_WORDS; i++)
			keys[k].w[i] = r->key.w[i] | (keys[k].w[i] & ~r->mask.w[i]);
		key_of[k] = &keys[k];
	}
}

static double cycles_per_lookup(const struct dp_flow_table *t, uint32_t *n_found)
{
	const struct dp_flow_rule *out[BURST];
	double best = 1e18;

	for (uint32_t round = 0; round < 5; round++) {
		uint64_t at = cycles_now();

		*n_found = 0;
		for (uint32_t k = 0; k < N_KEYS; k += BURST) {
			dp_flow_table_find_burst(t, key_of + k, BURST, 1, out);
			for (uint32_t i = 0; i < BURST; i++)
				*n_found += out[i] != NULL;
		}
		at = cycles_now() - at;
		if ((double)at / N_KEYS < best)
			best = (double)at / N_KEYS;
	}
	return best;
}

static struct dp_flow_cost cost_of(const struct dp_flow_table *t)
{
	struct dp_flow_cost c = { 0 };

	for (uint32_t k = 0; k < N_KEYS; k++)
		dp_flow_table_find_cost(t, &keys[k], 1, &c);
	return c;
}

static double per_lookup(uint64_t n)
{
	return (double)n / N_KEYS;
}

// Replace rules by others of their kind, one after the other.
static double mods_per_s(struct dp_flow_table *t, struct dp_flow_rule *rules, uint32_t n)
{
	uint32_t n_mods = n < 200000 ? 200000 : n;
	double at = seconds_now();

	for (uint32_t i = 0; i < n_mods; i++) {
		struct dp_flow_rule *r = &rules[random_now() % n];

		dp_flow_table_remove(t, r);
		insert(t, r);
	}
	return 2 * n_mods / (seconds_now() - at);
}

struct line {
	const char *name;
	make_rule *make;
	uint32_t n_rules, n_masks;
};

static void run(const struct line *l)
{
	struct dp_flow_rule *rules = calloc(l->n_rules, sizeof(*rules));
	struct dp_flow_table_info info;
	struct dp_flow_table *t;
	struct dp_flow_cost hit, miss;
	double inserts, hit_cycles, miss_cycles, worst = 0;
	uint32_t n_found, n_missed;
	size_t before;

	if (rules == NULL || dp_flow_table_create(retire, NULL, &t) != 0)
		exit(1);
	for (uint32_t i = 0; i < l->n_rules; i++) {
		rules[i].priority = 100;
		l->make(i, l->n_masks, &rules[i]);
	}
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	inserts = seconds_now();
	for (uint32_t i = 0; i < l->n_rules; i++) {
		double at = seconds_now(), took;

		insert(t, &rules[i]);
		took = seconds_now() - at;
		worst = took > worst ? took : worst;
	}
	inserts = l->n_rules / (seconds_now() - inserts);
	while (dp_flow_table_tend(t))
		;
	before = mallinfo2().uordblks + mallinfo2().hblkhd - before;
	dp_flow_table_info(t, &info);
	make_keys(rules, l->n_rules, true);
	hit_cycles = cycles_per_lookup(t, &n_found);
	hit = cost_of(t);
	make_keys(rules, l->n_rules, false);
	miss_cycles = cycles_per_lookup(t, &n_missed);
	miss = cost_of(t);
	printf("%-14s %8u %6u | %2u %3u %6u | %6.0f %5.1f %5.1f %6.1f %5.1f | %6.0f %5.1f %6.1f "
	       "%5.1f | %6zu %8.0f %8.0f %7.2f\n",
	       l->name, l->n_rules, l->n_masks, info.n_tuples, info.n_blocks, info.n_overflow,
	       hit_cycles, per_lookup(hit.n_probes), per_lookup(hit.n_blocks),
	       per_lookup(hit.n_lines), per_lookup(hit.n_compares), miss_cycles,
	       per_lookup(miss.n_probes), per_lookup(miss.n_lines), per_lookup(miss.n_compares),
	       before / l->n_rules, inserts, mods_per_s(t, rules, l->n_rules), worst * 1e3);
	if (n_found != N_KEYS)
		printf("%s: %u of %u lookups found nothing\n", l->name, N_KEYS - n_found, N_KEYS);
	fflush(stdout);
	dp_flow_table_destroy(t);
	free(rules);
}

int main(int argc, char **argv)
{
	static const struct line lines[] = {
		{ "exact", exact, 1, 1 },
		{ "exact", exact, 1000, 1 },
		{ "exact", exact, 10000, 1 },
		{ "exact", exact, 100000, 1 },
		{ "exact", exact, 1000000, 1 },
		{ "grid", grid, 17, 17 },
		{ "grid", grid, 64, 64 },
		{ "grid", grid, 260, 260 },
		{ "grid", grid, 516, 516 },
		{ "grid", grid, 8195, 8195 },
		{ "grid", grid, 10000, 17 },
		{ "grid", grid, 10000, 64 },
		{ "grid", grid, 10000, 260 },
		{ "grid", grid, 10000, 516 },
		{ "grid", grid, 100000, 64 },
		{ "grid", grid, 100000, 516 },
		{ "grid", grid, 100000, 8195 },
		{ "random-masks", random_masks, 17, 17 },
		{ "random-masks", random_masks, 64, 64 },
		{ "random-masks", random_masks, 516, 516 },
		{ "random-masks", random_masks, 8195, 8195 },
		{ "random-masks", random_masks, 10000, 64 },
		{ "attack", attack, 17, 17 },
		{ "attack", attack, 256, 260 },
		{ "attack", attack, 512, 516 },
		{ "attack", attack, 8192, 8195 },
		{ "nested", nested, 512, 512 },
	};

	printf("%-14s %8s %6s | %2s %3s %6s | %6s %5s %5s %6s %5s | %6s %5s %6s %5s | %6s %8s %8s "
	       "%7s\n",
	       "rules' kind", "rules", "masks", "tu", "blk", "in blk", "cycles", "prob", "blks",
	       "lines", "cmps", "miss", "prob", "lines", "cmps", "bytes", "insert/s", "mods/s",
	       "max ms");
	for (uint32_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s %u %u ", lines[i].name, lines[i].n_rules,
			 lines[i].n_masks);
		if (argc < 2 || strncmp(name, argv[1], strlen(argv[1])) == 0)
			run(&lines[i]);
	}
	return 0;
}
