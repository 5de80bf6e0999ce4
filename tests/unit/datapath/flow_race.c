// A table that is changed while two threads look rules up. Each of 600 matches has a rule in every
// version; which one changes with each. Run it under the thread sanitizer to look for races.
#include <pthread.h>
#include <sched.h>

#include "../unit.h"

#include "dp_flow_table.h"

enum { N_MATCHES = 600, N_READERS = 2, N_CHANGES = 40, N_DEAD = 65536 };

struct reader {
	pthread_t thread;
	_Atomic uint64_t n_quiet; // turns: between them it holds nothing
	uint64_t n_wrong, n_found, random;
};

static struct dp_flow_table *table;
static struct dp_flow_rule *rules[N_MATCHES];
static struct reader readers[N_READERS];
static _Atomic uint64_t version = 1;
static _Atomic bool is_over;
static void *dead[N_DEAD];
static uint32_t n_dead;

// Each has a mask of its own or shares it with many; no key matches two.
static void match(uint32_t i, struct dp_flow_key *key, struct dp_flow_key *mask)
{
	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	mask->w[0] = ~UINT64_C(0);
	key->w[0] = i;
	if (i % 2 == 0)
		return;
	// As if i were spread over bits of all words, in its own way.
	mask->w[1 + i % 15] = UINT64_C(0x9e3779b97f4a7c15) * i;
	mask->w[0] = i % 3 == 0 ? mask->w[0] : UINT64_C(0xffff);
}

static void wait_until_quiet(void)
{
	for (uint32_t i = 0; i < N_READERS; i++) {
		uint64_t n = atomic_load(&readers[i].n_quiet);

		while (atomic_load(&readers[i].n_quiet) < n + 2)
			sched_yield();
	}
}

static void free_dead(void)
{
	wait_until_quiet();
	while (n_dead > 0)
		free(dead[--n_dead]);
}

static void retire(void *arg, void *mem)
{
	(void)arg;
	assert_true(n_dead < N_DEAD);
	dead[n_dead++] = mem;
}

static void look_up(struct reader *me, uint64_t v)
{
	struct dp_flow_key keys[32];
	const struct dp_flow_key *of[32];
	const struct dp_flow_rule *out[32];
	struct dp_flow_key mask;
	uint32_t idx[32];

	for (uint32_t i = 0; i < 32; i++) {
		me->random = me->random * UINT64_C(6364136223846793005) + 1;
		idx[i] = (uint32_t)(me->random >> 33) % N_MATCHES;
		match(idx[i], &keys[i], &mask);
		of[i] = &keys[i];
	}
	dp_flow_table_find_burst(table, of, 32, v, out);
	for (uint32_t i = 0; i < 32; i++) {
		const struct dp_flow_rule *r = dp_flow_table_find(table, of[i], v);

		// The one of that version, and no other: never neither.
		me->n_wrong += r == NULL || r != out[i] || r->idx != idx[i] || r->since > v ||
			       r->until <= v;
		me->n_found++;
	}
}

static void *reader_main(void *arg)
{
	struct reader *me = arg;

	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		look_up(me, atomic_load_explicit(&version, memory_order_acquire));
		atomic_fetch_add(&me->n_quiet, 1);
		sched_yield();
	}
	return NULL;
}

static struct dp_flow_rule *add(uint32_t i, uint64_t since)
{
	struct dp_flow_rule *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	match(i, &r->key, &r->mask);
	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
		r->key.w[w] &= r->mask.w[w];
	r->idx = i;
	r->priority = 10 + i % 5;
	atomic_init(&r->since, since);
	atomic_init(&r->until, DP_FLOW_FOREVER);
	assert_int_equal(dp_flow_table_insert(table, r), 0);
	return r;
}

// One version: some matches get other rules, and rules that match nothing come and go, so that the
// table grows and is built anew.
static void change(uint64_t n)
{
	struct dp_flow_rule *old[N_MATCHES / 8], *more[64];
	uint32_t n_old = 0;
	uint64_t next = atomic_load(&version) + 1;

	for (uint32_t i = (uint32_t)n % 8; i < N_MATCHES; i += 8) {
		old[n_old++] = rules[i];
		atomic_store_explicit(&rules[i]->until, next, memory_order_relaxed);
		rules[i] = add(i, next);
	}
	for (uint32_t i = 0; i < 64; i++)
		more[i] = add(N_MATCHES + (uint32_t)n * 64 + i, next);
	atomic_store_explicit(&version, next, memory_order_release);
	wait_until_quiet();
	for (uint32_t i = 0; i < n_old; i++) {
		dp_flow_table_remove(table, old[i]);
		retire(NULL, old[i]);
	}
	for (uint32_t i = 0; i < 64; i++) {
		dp_flow_table_remove(table, more[i]);
		retire(NULL, more[i]);
	}
	free_dead();
}

static void readers_see_the_old_or_the_new_rule_and_never_neither(void **state)
{
	(void)state;
	assert_int_equal(dp_flow_table_create(retire, NULL, &table), 0);
	for (uint32_t i = 0; i < N_MATCHES; i++)
		rules[i] = add(i, 1);
	for (uint32_t i = 0; i < N_READERS; i++) {
		readers[i].random = i;
		assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]),
				 0);
	}
	for (uint64_t n = 0; n < N_CHANGES; n++)
		change(n);
	atomic_store(&is_over, true);
	for (uint32_t i = 0; i < N_READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_true(readers[i].n_found > 0);
		assert_int_equal(readers[i].n_wrong, 0);
	}
	while (n_dead > 0)
		free(dead[--n_dead]);
	for (uint32_t i = 0; i < N_MATCHES; i++)
		free(rules[i]);
	dp_flow_table_destroy(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_see_the_old_or_the_new_rule_and_never_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
