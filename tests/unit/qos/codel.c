#include <math.h>

#include "../unit.h"
#include "qos_codel.h"

#define MS 1000000ull
#define INTERVAL (100 * MS)
#define TARGET (5 * MS)

static const struct qos_codel_params params = { .target_ns = TARGET,
						.interval_ns = INTERVAL,
						.floor_bytes = 1538 };

static enum qos_codel_verdict standing(struct qos_codel *c, uint64_t now_ns)
{
	return qos_codel_next(c, &params, now_ns,
			      (struct qos_codel_pkt){ 2 * TARGET, 100000, false });
}

// RFC 8289 section 3.3: drops follow at interval / sqrt(count), in double precision here.
static void drops_follow_the_control_law(void **state)
{
	struct qos_codel c = { 0 };
	double next = 0;
	uint32_t n = 0;

	(void)state;
	for (uint64_t now = MS; now < 3000 * MS; now += MS / 100) {
		enum qos_codel_verdict v = standing(&c, now);

		if (n == 0) {
			// Not before the queue stood for an interval.
			assert_true(v == QOS_CODEL_PASS || now >= MS + INTERVAL);
			if (v == QOS_CODEL_DROP)
				next = (double)now + INTERVAL / sqrt(++n);
			continue;
		}
		// To a step of the clock, and 16 bits of the root: 20 us over all these drops.
		assert_true(v == QOS_CODEL_DROP ? (double)now >= next - MS / 50.0
						: (double)now < next + MS / 50.0);
		if (v == QOS_CODEL_DROP) {
			assert_true((double)now <= next + MS / 50.0);
			next += INTERVAL / sqrt(++n);
		}
	}
	assert_in_range(n, 200, 240);
}

static void the_step_is_the_root_to_a_ten_thousandth(void **state)
{
	(void)state;
	for (uint32_t n = 1; n < 100000; n = n * 3 / 2 + 1) {
		double want = INTERVAL / sqrt(n);

		assert_true(fabs((double)qos_codel_step_ns(INTERVAL, n) - want) <=
			    want / 10000 + 1);
	}
	assert_int_equal(qos_codel_step_ns(INTERVAL, 0), INTERVAL);
	assert_true(qos_codel_step_ns(UINT32_MAX, INT32_MAX) > 0);
}

static void a_short_stand_is_no_standing_queue(void **state)
{
	struct qos_codel c = { 0 };

	(void)state;
	for (uint64_t now = MS; now < 1000 * MS; now += MS) {
		// Once every 50 ms the queue is below target.
		uint64_t waited = now / MS % 50 == 0 ? TARGET - 1 : 10 * TARGET;

		assert_int_equal(qos_codel_next(&c, &params, now,
						(struct qos_codel_pkt){ waited, 100000, false }),
				 QOS_CODEL_PASS);
	}
}

static void the_last_frame_is_never_dropped(void **state)
{
	struct qos_codel c = { 0 };

	(void)state;
	for (uint64_t now = MS; now < 1000 * MS; now += MS)
		assert_int_equal(qos_codel_next(&c, &params, now,
						(struct qos_codel_pkt){ 10 * TARGET, 1538, false }),
				 QOS_CODEL_PASS);
}

static void ecn_is_marked_where_others_are_dropped(void **state)
{
	struct qos_codel a = { 0 }, b = { 0 };
	uint32_t n = 0;

	(void)state;
	for (uint64_t now = MS; now < 1000 * MS; now += MS) {
		enum qos_codel_verdict drop = standing(&a, now);
		enum qos_codel_verdict mark = qos_codel_next(
			&b, &params, now, (struct qos_codel_pkt){ 2 * TARGET, 100000, true });

		assert_int_equal(drop == QOS_CODEL_DROP, mark == QOS_CODEL_MARK);
		assert_int_not_equal(mark, QOS_CODEL_DROP);
		n += mark == QOS_CODEL_MARK;
	}
	assert_true(n > 10);
}

// RFC 8289 section 4.4: whoever comes back soon resumes near the pace that controlled the queue.
static void a_soon_return_resumes_the_pace(void **state)
{
	struct qos_codel c = { 0 };
	uint64_t now = MS;
	uint32_t count;

	(void)state;
	for (; now < 2000 * MS; now += MS)
		standing(&c, now);
	count = c.count;
	assert_true(count > 20);
	assert_int_equal(
		qos_codel_next(&c, &params, now, (struct qos_codel_pkt){ 0, 100000, false }),
		QOS_CODEL_PASS);
	assert_false(c.dropping);
	while (standing(&c, now += MS) != QOS_CODEL_DROP)
		assert_true(now < 4000 * MS);
	assert_int_equal(c.count, count - 1);
	// After a long rest it begins anew.
	qos_codel_empty(&c);
	now += 20 * INTERVAL;
	while (standing(&c, now += MS) != QOS_CODEL_DROP)
		assert_true(now < 8000 * MS);
	assert_int_equal(c.count, 1);
}

static void the_step_mark_is_for_ecn_only(void **state)
{
	const struct qos_codel_params step = { .step_ns = 200000 };
	struct qos_codel c = { 0 };

	(void)state;
	assert_int_equal(
		qos_codel_next(&c, &step, MS, (struct qos_codel_pkt){ 200001, 9000, true }),
		QOS_CODEL_MARK);
	assert_int_equal(
		qos_codel_next(&c, &step, MS, (struct qos_codel_pkt){ 200000, 9000, true }),
		QOS_CODEL_PASS);
	assert_int_equal(
		qos_codel_next(&c, &step, MS, (struct qos_codel_pkt){ 200001, 9000, false }),
		QOS_CODEL_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_follow_the_control_law),
		cmocka_unit_test(the_step_is_the_root_to_a_ten_thousandth),
		cmocka_unit_test(a_short_stand_is_no_standing_queue),
		cmocka_unit_test(the_last_frame_is_never_dropped),
		cmocka_unit_test(ecn_is_marked_where_others_are_dropped),
		cmocka_unit_test(a_soon_return_resumes_the_pace),
		cmocka_unit_test(the_step_mark_is_for_ecn_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
