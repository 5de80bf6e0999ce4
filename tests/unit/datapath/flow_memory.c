// Each allocation of a table's fails once: an insert fails with it and leaves the table as it was,
// or does without; nothing leaks (the sanitizer looks), and all rules are found.
#include <errno.h>

#include "../unit.h"
#include "flow_rig.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static uint32_t n_left; // allocations until one fails; 0 = none does

static bool fails(void)
{
	return n_left > 0 && --n_left == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

static struct dp_flow_rule *make(struct rig *g, uint32_t i)
{
	struct dp_flow_key key, mask = { 0 };
	struct dp_flow_rule *r;

	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
		key.w[w] = rig_random(g);
	mask.w[i % 3] = ~UINT64_C(0);
	mask.w[3 + i % 12] = UINT64_C(0x9e3779b97f4a7c15) * (i / 2);
	r = rig_rule(&key, &mask, i % 7);
	atomic_init(&r->since, 1);
	atomic_init(&r->until, DP_FLOW_FOREVER);
	return r;
}

static void insert_or_not(struct rig *g, uint32_t i, uint32_t fail)
{
	struct dp_flow_rule *r = make(g, i);
	struct dp_flow_table_info before, after;
	int err;

	dp_flow_table_info(g->table, &before);
	n_left = fail;
	err = dp_flow_table_insert(g->table, r);
	n_left = 0;
	if (err == 0) {
		g->rules[g->n_rules++] = r;
		return;
	}
	assert_int_equal(err, -ENOMEM);
	dp_flow_table_info(g->table, &after);
	assert_int_equal(after.n_rules, before.n_rules);
	free(r);
}

static void every_allocation_may_fail(void **state)
{
	struct rig g;

	(void)state;
	rig_init(&g, 1);
	for (uint32_t i = 0; i < 1500; i++) {
		insert_or_not(&g, i, 1 + i % 23);
		if (i % 5 == 0 && g.n_rules > 0) {
			n_left = 1 + i % 3;
			dp_flow_table_remove(g.table, g.rules[0]);
			n_left = 0;
			free(g.rules[0]);
			g.rules[0] = g.rules[--g.n_rules];
		}
		if (i % 50 == 0) {
			for (uint32_t r = 0; r < g.n_rules; r++)
				assert_true(rig_agrees(&g, &g.rules[r]->key, 1));
		}
	}
	assert_true(g.n_rules > 300);
	for (uint32_t r = 0; r < g.n_rules; r++)
		assert_true(rig_agrees(&g, &g.rules[r]->key, 1));
	rig_fini(&g);
}

static void a_table_without_memory_is_not_made(void **state)
{
	struct dp_flow_table *t;

	(void)state;
	for (uint32_t fail = 1; fail <= 6; fail++) {
		int err;

		n_left = fail;
		err = dp_flow_table_create(rig_retire, NULL, &t);
		n_left = 0;
		assert_int_equal(err, -ENOMEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(a_table_without_memory_is_not_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
