#include "../unit.h"
#include "calendar_priv.h"

#define N 4000u

static struct qos_cal_node nodes[N];
static struct qos_cal cal;

// A node's distance from the first one, in units of 4 bytes.
#define ID(i) ((uint32_t)((i) * sizeof(struct qos_cal_node) / 4))
#define INDEX(id) ((id) / ID(1))

static uint64_t rng = 88172645463325252ull;

static uint64_t any(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return rng;
}

static void reset(uint64_t cur)
{
	memset(&cal, 0, sizeof(cal));
	qos_cal_init(&cal);
	cal.cur = cur;
	for (uint32_t i = 0; i < N; i++)
		nodes[i].at = QOS_CAL_OUT;
}

// With few nodes per slot the order is exact, on all levels, and across the wrap of ticks.
static void nodes_come_out_in_order_and_never_early(void **state)
{
	const uint64_t starts[] = { 0, 63, 4095, (1u << 30) - 5, ((uint64_t)1 << 52) - 100 };
	static uint64_t due[N];

	(void)state;
	for (size_t round = 0; round < 1000; round++) {
		size_t s = round % (sizeof(starts) / sizeof(starts[0]));
		uint64_t last = 0, now = starts[s];
		uint32_t left = QOS_CAL_MOVES;

		reset(starts[s]);
		for (uint32_t i = 0; i < left; i++) {
			uint64_t delta = (any() >> (50 + any() % 14)) % QOS_CAL_RANGE_TICKS;

			due[i] = starts[s] + delta;
			qos_cal_insert(&cal, nodes, ID(i), (int64_t)delta);
		}
		while (left != 0) {
			int64_t next = qos_cal_next(&cal);
			uint32_t id = qos_cal_pop(&cal, nodes, (int64_t)(now - cal.cur));

			if (id == QOS_NONE) {
				// The next time is not later than the next node.
				assert_true(next != INT64_MAX);
				next = qos_cal_next(&cal);
				assert_true(next > (int64_t)(now - cal.cur));
				now = cal.cur + (uint64_t)next;
				continue;
			}
			id = INDEX(id);
			assert_true(due[id] <= now);
			assert_true(due[id] >= last);
			last = due[id];
			left--;
		}
		assert_true(qos_cal_empty(&cal));
		assert_true(qos_cal_next(&cal) == INT64_MAX);
	}
}

static void equal_ticks_are_first_in_first_out(void **state)
{
	(void)state;
	reset(1000);
	for (uint32_t i = 0; i < 10; i++)
		qos_cal_insert(&cal, nodes, ID(i), 7000);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(qos_cal_pop(&cal, nodes, INT64_MAX), ID(i));
}

static void what_is_removed_does_not_come_out(void **state)
{
	uint32_t n = 0, id;

	(void)state;
	reset(77);
	for (uint32_t i = 0; i < N; i++)
		qos_cal_insert(&cal, nodes, ID(i), (int64_t)(any() % 16000));
	for (uint32_t i = 0; i < N; i += 2)
		qos_cal_remove(&cal, nodes, ID(i));
	qos_cal_remove(&cal, nodes, ID(0));
	while ((id = qos_cal_pop(&cal, nodes, INT64_MAX)) != QOS_NONE) {
		assert_int_equal(INDEX(id) % 2, 1);
		n++;
	}
	assert_int_equal(n, N / 2);
}

// However many nodes stand in one slot, one pop moves only a few; none is lost, and all of them
// come out before anything of a later slot of that level does.
static void a_crowded_slot_is_moved_piece_by_piece(void **state)
{
	static bool seen[N];
	uint32_t moved = 0;

	(void)state;
	reset(0);
	for (uint32_t i = 0; i < N - 1; i++)
		qos_cal_insert(&cal, nodes, ID(i), 256 * 3 + (int64_t)(any() % 256));
	qos_cal_insert(&cal, nodes, ID(N - 1), 256 * 5);
	assert_true(qos_cal_pop(&cal, nodes, INT64_MAX) != QOS_NONE);
	for (uint32_t i = 0; i < N; i++)
		moved += (nodes[i].at & (QOS_CAL_OUT | QOS_CAL_AT_FAR)) == 0;
	assert_in_range(moved, 0, 3 * QOS_CAL_MOVES);
	for (uint32_t i = 1; i < N; i++) {
		uint32_t id = qos_cal_pop(&cal, nodes, INT64_MAX);

		assert_true(id != QOS_NONE);
		assert_false(seen[INDEX(id)]);
		seen[INDEX(id)] = true;
		assert_int_equal(INDEX(id) == N - 1, i == N - 1);
	}
	assert_true(qos_cal_empty(&cal));
}

static void the_past_is_due_at_once_and_the_far_future_is_clamped(void **state)
{
	(void)state;
	reset(5000);
	qos_cal_insert(&cal, nodes, ID(0), -400);
	qos_cal_insert(&cal, nodes, ID(1), INT64_MAX);
	assert_int_equal(qos_cal_pop(&cal, nodes, 0), 0);
	assert_int_equal(qos_cal_pop(&cal, nodes, QOS_CAL_RANGE_TICKS - 1), QOS_NONE);
	assert_int_equal(qos_cal_pop(&cal, nodes, QOS_CAL_RANGE_TICKS), ID(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_come_out_in_order_and_never_early),
		cmocka_unit_test(equal_ticks_are_first_in_first_out),
		cmocka_unit_test(what_is_removed_does_not_come_out),
		cmocka_unit_test(a_crowded_slot_is_moved_piece_by_piece),
		cmocka_unit_test(the_past_is_due_at_once_and_the_far_future_is_clamped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
