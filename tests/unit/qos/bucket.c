#include <errno.h>

#include "../unit.h"
#include "qos_bucket.h"

#define S 1000000000ull

static uint32_t take_all(struct qos_bucket *b, uint64_t now_ns)
{
	uint32_t n = 0;

	while (qos_bucket_take(b, now_ns) == 0 && n < 1000000)
		n++;
	return n;
}

static void burst_then_rate_and_no_more(void **state)
{
	struct qos_bucket b;
	uint64_t n = 0;

	(void)state;
	qos_bucket_init(&b, 1000, 50, S);
	assert_int_equal(take_all(&b, S), 50);
	assert_int_equal(take_all(&b, S + 999999), 0);
	assert_int_equal(take_all(&b, S + S / 1000), 1);
	// 10 s in steps that do not divide the token period: no drift.
	for (uint64_t t = S + S / 1000; t <= 11 * S + S / 1000; t += 333333)
		n += take_all(&b, t);
	assert_in_range(n, 9999, 10000);
}

static void a_rest_earns_at_most_one_burst(void **state)
{
	struct qos_bucket b;

	(void)state;
	qos_bucket_init(&b, 1000, 50, S);
	assert_int_equal(qos_bucket_take(&b, S), 0);
	assert_int_equal(take_all(&b, 1000 * S), 50);
	assert_int_equal(take_all(&b, 1000 * S), 0);
}

static void rate_change_keeps_tokens(void **state)
{
	struct qos_bucket b;

	(void)state;
	qos_bucket_init(&b, 1000, 50, S);
	take_all(&b, S);
	qos_bucket_set_rate(&b, 10, 500, S);
	assert_int_equal(take_all(&b, S), 0);
	qos_bucket_init(&b, 1000, 50, S);
	qos_bucket_set_rate(&b, 1000, 20, S);
	assert_int_equal(take_all(&b, S), 20);
}

static void no_rate_is_no_limit(void **state)
{
	struct qos_bucket b;

	(void)state;
	qos_bucket_init(&b, 0, 0, S);
	assert_int_equal(take_all(&b, S), 1000000);
}

static void a_clock_that_stands_or_goes_back_earns_nothing(void **state)
{
	struct qos_bucket b;

	(void)state;
	qos_bucket_init(&b, 1000, 1, 5 * S);
	assert_int_equal(take_all(&b, 5 * S), 1);
	assert_int_equal(qos_bucket_take(&b, 4 * S), -EAGAIN);
	assert_int_equal(qos_bucket_take(&b, 5 * S), -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate_and_no_more),
		cmocka_unit_test(a_rest_earns_at_most_one_burst),
		cmocka_unit_test(rate_change_keeps_tokens),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(a_clock_that_stands_or_goes_back_earns_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
