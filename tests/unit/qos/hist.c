#include "../unit.h"
#include "qos_storage.h"

#define N 5000

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void small_values_are_exact(void **state)
{
	struct qos_hist h = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 16; i++)
		qos_hist_add(&h, i);
	assert_int_equal(h.n, 16);
	assert_int_equal(h.sum_ns, 120);
	assert_int_equal(h.max_ns, 15);
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(h.bin[i], 1);
	assert_int_equal(qos_hist_quantile(&h, 0), 0);
	assert_int_equal(qos_hist_quantile(&h, 500), 7);
	assert_int_equal(qos_hist_quantile(&h, 1000), 15);
}

static void an_empty_one_has_no_quantile(void **state)
{
	struct qos_hist h = { 0 };

	(void)state;
	assert_int_equal(qos_hist_quantile(&h, 990), 0);
}

// A bin's values and its edge: no value falls into a bin whose edge is below it, or one that is
// more than an eighth above it.
static void edges_are_within_an_eighth(void **state)
{
	(void)state;
	for (uint32_t log2 = 0; log2 < 34; log2++) {
		for (int d = -1; d <= 1; d++) {
			struct qos_hist h = { 0 };
			uint64_t v = (1ull << log2) + (uint64_t)d, q;

			qos_hist_add(&h, v);
			h.max_ns = UINT64_MAX; // so that the edge itself is told
			q = qos_hist_quantile(&h, 500);
			assert_true(q >= v && q <= v + v / 8);
		}
	}
}

static void what_is_longer_than_all_bins_is_the_maximum(void **state)
{
	struct qos_hist h = { 0 };

	(void)state;
	qos_hist_add(&h, 5);
	qos_hist_add(&h, 1ull << 40);
	qos_hist_add(&h, UINT64_MAX / 4);
	assert_int_equal(h.bin[QOS_HIST_BINS - 1], 2);
	assert_int_equal(qos_hist_quantile(&h, 100), 5);
	assert_int_equal(qos_hist_quantile(&h, 990), UINT64_MAX / 4);
}

static void compare_quantiles(const struct qos_hist *h, uint64_t *v, uint32_t n)
{
	static const uint32_t parts[] = { 1, 10, 100, 250, 500, 900, 990, 999, 1000 };

	qsort(v, n, sizeof(*v), by_size);
	for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t rank = ((uint64_t)n * parts[i] + 999) / 1000;
		uint64_t is = v[rank - 1], said = qos_hist_quantile(h, parts[i]);

		assert_true(said >= is);
		assert_true(said - is <= is / 8);
	}
}

static void quantiles_agree_with_sorted_samples(void **state)
{
	static uint64_t v[N];

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct qos_hist h = { 0 };
		uint64_t x = seed * 7919, sum = 0;

		for (uint32_t i = 0; i < N; i++) {
			v[i] = next(&x) >> (30 + next(&x) % 34); // every order of magnitude
			qos_hist_add(&h, v[i]);
			sum += v[i];
		}
		assert_int_equal(h.sum_ns, sum);
		compare_quantiles(&h, v, N);
		assert_int_equal(h.max_ns, v[N - 1]);
		assert_int_equal(qos_hist_quantile(&h, 1000), v[N - 1]);
	}
}

static void merged_is_as_if_added_to_one(void **state)
{
	struct qos_hist a = { 0 }, b = { 0 }, both = { 0 };
	uint64_t x = 42;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		uint64_t v = next(&x) >> 40;

		qos_hist_add(i % 3 == 0 ? &a : &b, v);
		qos_hist_add(&both, v);
	}
	qos_hist_merge(&a, &b);
	assert_memory_equal(&a, &both, sizeof(a));
}

static void a_window_holds_what_came_in_it(void **state)
{
	struct qos_hist h = { 0 }, before, window, want = { 0 };

	(void)state;
	qos_hist_add(&h, 1000);
	qos_hist_add(&h, 9000);
	before = h;
	qos_hist_add(&h, 1000);
	qos_hist_add(&h, 70);
	qos_hist_since(&h, &before, &window);
	qos_hist_add(&want, 1000);
	qos_hist_add(&want, 70);
	want.max_ns = 9000; // that of now
	assert_memory_equal(&window, &want, sizeof(want));
	qos_hist_since(&h, &h, &window);
	assert_int_equal(qos_hist_quantile(&window, 990), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(an_empty_one_has_no_quantile),
		cmocka_unit_test(edges_are_within_an_eighth),
		cmocka_unit_test(what_is_longer_than_all_bins_is_the_maximum),
		cmocka_unit_test(quantiles_agree_with_sorted_samples),
		cmocka_unit_test(merged_is_as_if_added_to_one),
		cmocka_unit_test(a_window_holds_what_came_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
