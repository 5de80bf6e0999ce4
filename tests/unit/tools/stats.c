#include "../unit.h"
#include "pg_stats.h"

static uint64_t seed;

static uint64_t random_bits(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void every_value_lies_in_its_bucket(void **state)
{
	uint64_t last = 0;

	(void)state;
	for (uint32_t b = 0; b + 1 < PG_HIST_LEN; b++) {
		uint64_t largest = pg_hist_value(b);

		assert_int_equal(pg_hist_bucket(largest), b);
		assert_int_equal(pg_hist_bucket(largest + 1), b + 1);
		assert_true(b == 0 || largest > last);
		last = largest;
	}
	// The last bucket takes everything above.
	assert_int_equal(pg_hist_bucket(UINT64_MAX), PG_HIST_LEN - 1);
	assert_true(last > 3600ull * 50000000); // more than a minute of ticks
}

// A quantile is never below the true one, and at most 1/32 above it.
static void quantiles_match_the_sorted_truth(void **state)
{
	static const double qs[] = { 0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 };
	static uint64_t values[20000];
	static struct pg_hist h;

	(void)state;
	for (uint32_t shape = 0; shape < 40; shape++) {
		uint32_t n = shape < 4 ? shape + 1 : 500 * shape;

		pg_hist_clear(&h);
		for (uint32_t i = 0; i < n; i++) {
			// Many magnitudes, and many values that are equal.
			values[i] = random_bits() >> (24 + random_bits() % 40);
			if (shape % 3 == 0)
				values[i] %= 50;
			pg_hist_add(&h, values[i]);
		}
		qsort(values, n, sizeof(values[0]), compare);
		assert_int_equal(h.n, n);
		assert_int_equal(h.min, values[0]);
		assert_int_equal(h.max, values[n - 1]);
		for (size_t k = 0; k < sizeof(qs) / sizeof(qs[0]); k++) {
			uint64_t rank = (uint64_t)(qs[k] * n + 0.999999), truth, got;

			truth = values[rank == 0 ? 0 : rank - 1];
			got = pg_hist_quantile(&h, qs[k]);
			if (got < truth || got > truth + truth / 32)
				fail_msg("shape %u, q %f: %lu, truth %lu", shape, qs[k], got,
					 truth);
		}
	}
}

static void no_samples_have_no_quantile(void **state)
{
	static struct pg_hist h;

	(void)state;
	pg_hist_clear(&h);
	assert_int_equal(pg_hist_quantile(&h, 0.5), 0);
	pg_hist_add(&h, 7);
	assert_int_equal(pg_hist_quantile(&h, 0), 7);
	assert_int_equal(pg_hist_quantile(&h, 1), 7);
}

static void merged_histograms_are_one_of_all_samples(void **state)
{
	static struct pg_hist a, b, all;

	(void)state;
	pg_hist_clear(&a);
	pg_hist_clear(&b);
	pg_hist_clear(&all);
	for (uint32_t i = 0; i < 10000; i++) {
		uint64_t v = random_bits() >> 40;

		pg_hist_add(i % 3 == 0 ? &a : &b, v);
		pg_hist_add(&all, v);
	}
	pg_hist_merge(&a, &b);
	assert_memory_equal(&a, &all, sizeof(a));
}

// Four thousand million samples in one bucket: a run of a quarter of an hour.
static void a_bucket_does_not_overflow(void **state)
{
	static struct pg_hist a, b;

	(void)state;
	pg_hist_clear(&a);
	pg_hist_clear(&b);
	pg_hist_add(&a, 100);
	for (int i = 0; i < 33; i++) { // doubled again and again
		pg_hist_clear(&b);
		pg_hist_merge(&b, &a);
		pg_hist_merge(&a, &b);
	}
	pg_hist_add(&a, 1000000);
	assert_int_equal(a.n, (1ull << 33) + 1);
	assert_true(pg_hist_quantile(&a, 0.5) <= 104);
}

// What a sequence must say, by a plain list of what has come.
enum { MANY = 40000 };

struct truth {
	uint8_t n_seen[MANY];
	uint32_t next; // numbers relative to the start
	uint64_t n_unique, n_reordered, n_duplicated;
};

static void truth_add(struct truth *t, uint32_t n)
{
	bool late = n < t->next;
	bool beyond = late && t->next - n > PG_SEQ_WINDOW;

	if (beyond) { // cannot be told: late
		t->n_unique++;
		t->n_reordered++;
	} else if (t->n_seen[n] > 0) {
		t->n_duplicated++;
	} else {
		t->n_unique++;
		t->n_reordered += late;
	}
	t->n_seen[n]++;
	if (n >= t->next)
		t->next = n + 1;
}

static void sequences_match_a_plain_list(void **state)
{
	static const uint32_t starts[] = { 0, 1, 4095, UINT32_MAX, UINT32_MAX - 20000, 1u << 31 };
	static struct truth t;
	struct pg_seq s;

	(void)state;
	for (uint32_t k = 0; k < 60; k++) {
		uint32_t start = starts[k % 6], at = 0;

		memset(&t, 0, sizeof(t));
		pg_seq_start(&s, start);
		while (at < MANY - 10000) {
			uint32_t what = (uint32_t)(random_bits() % 100), n;

			if (what == 0)
				at += (uint32_t)(random_bits() % (k % 5 == 0 ? 9000 : 40)); // loss
			n = at++;
			if (what < 5 && n > 0) { // late or twice
				n -= (uint32_t)(random_bits() % (n < 5000 ? n : 5000));
				at--;
			}
			pg_seq_add(&s, start + n);
			truth_add(&t, n);
		}
		assert_int_equal(s.n_unique, t.n_unique);
		assert_int_equal(s.n_reordered, t.n_reordered);
		assert_int_equal(s.n_duplicated, t.n_duplicated);
		assert_int_equal(s.next, start + t.next);
	}
}

static void a_window_ends_where_it_says(void **state)
{
	struct pg_seq s;

	(void)state;
	// Skipped exactly a window: the oldest cannot be told from a duplicate any more.
	for (uint32_t skipped = PG_SEQ_WINDOW - 2; skipped <= PG_SEQ_WINDOW + 2; skipped++) {
		pg_seq_start(&s, 0);
		pg_seq_add(&s, skipped);
		assert_int_equal(s.n_unique, 1);
		for (uint32_t n = 0; n < skipped; n++)
			pg_seq_add(&s, n);
		assert_int_equal(s.n_unique, skipped + 1);
		assert_int_equal(s.n_reordered, skipped);
		assert_int_equal(s.n_duplicated, 0);
		assert_int_equal(s.n_missing, 0);
		pg_seq_add(&s, skipped);
		pg_seq_add(&s, skipped - 1);
		pg_seq_add(&s, skipped - 100);
		assert_int_equal(s.n_duplicated, 3);
	}
}

static void loss_of_half_of_all_leaves_no_stale_memory(void **state)
{
	struct pg_seq s;

	(void)state;
	pg_seq_start(&s, UINT32_MAX - 50000);
	for (uint32_t n = 0; n < 200000; n += 2)
		pg_seq_add(&s, UINT32_MAX - 50000 + n);
	assert_int_equal(s.n_unique, 100000);
	assert_int_equal(s.n_duplicated + s.n_reordered, 0);
	assert_true(s.n_missing <= PG_SEQ_WINDOW / 2);
	for (uint32_t n = 200000; n < 210000; n++) // and then all is well
		pg_seq_add(&s, UINT32_MAX - 50000 + n);
	assert_int_equal(s.n_missing, 0);
	assert_int_equal(s.n_unique, 110000);
}

static int start_random(void **state)
{
	(void)state;
	seed = 0x1234567;
	return 0;
}

#define T(f) cmocka_unit_test_setup(f, start_random)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_value_lies_in_its_bucket), T(quantiles_match_the_sorted_truth),
		T(no_samples_have_no_quantile),	   T(merged_histograms_are_one_of_all_samples),
		T(a_bucket_does_not_overflow),	   T(sequences_match_a_plain_list),
		T(a_window_ends_where_it_says),	   T(loss_of_half_of_all_leaves_no_stale_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
