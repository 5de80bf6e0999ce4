// Guests that stop reading, read slowly or go away, with frames queued for them; and a pool that
// runs dry. Their neighbours must not notice.
#include "../unit.h"
#include "egress.h"

#define GBIT 1000000000ull

static void guest_add(char port, const char *vm, enum qos_class cls)
{
	struct dp_port_params p = eg_guest(port, vm, cls);

	eg_port_set(&p);
}

static void send_to(char from, char to, uint64_t bits_per_s, uint32_t size)
{
	eg_link(from)->to = (uint8_t)(to - 'A');
	eg_offer(from, bits_per_s, size, 16);
}

// A sends to S, B to C, with room for 8191 frames.
static void two_pairs(void)
{
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('B', "vb", QOS_CLASS_STORAGE);
	guest_add('C', "vc", QOS_CLASS_BULK);
	guest_add('S', "vs", QOS_CLASS_BULK);
	eg_commit();
	send_to('A', 'S', GBIT, 60);
	send_to('B', 'C', GBIT, 1514);
}

static void assert_neighbours_lost_nothing(void)
{
	assert_int_equal(eg_link('C')->taken, eg_link('B')->given);
	assert_int_equal(eg_dropped_all('C'), 0);
	assert_int_equal(eg_link('C')->from[1].wait_ns, 0);
}

// --- guests that do not read

static void a_stopped_guest_costs_its_quota(void **state)
{
	uint64_t calls, quota;

	(void)state;
	two_pairs();
	eg_run(MS, US);
	assert_int_equal(eg_link('S')->taken, eg_link('A')->given);
	calls = eg_link('S')->calls;
	eg_link('S')->stopped = true;
	eg_run(100 * MS, 5 * US);
	quota = eg_sw->workers[0].buf_quota;
	assert_true(quota >= 1500 && quota <= 2047);
	assert_in_range(eg_queued('S'), 1000, 2047 + 1); // the quota shrank while it filled
	assert_int_equal(eg_dropped_all('S'), eg_dropped('S', DP_DROP_vm_quota));
	assert_true(eg_link('S')->soonest_ns >= DP_RETRY_NS);
	assert_true(eg_link('S')->calls - calls <= 100 * MS / DP_RETRY_NS + 1);
	assert_neighbours_lost_nothing();
	eg_end();
}

// What stood leaves in order (eg_end asserts it), and in full bursts again.
static void a_guest_that_reads_again_gets_what_stood(void **state)
{
	uint64_t stood;

	(void)state;
	two_pairs();
	eg_link('S')->stopped = true;
	eg_run(10 * MS, 5 * US);
	assert_int_equal(eg_port('S')->pull, 1);
	eg_link('A')->left = 0;
	stood = eg_queued('S');
	eg_link('S')->stopped = false;
	eg_run(20 * US, US);
	eg_run((stood / 128 + 4) * US, US);
	assert_int_equal(eg_queued('S'), 0);
	assert_int_equal(eg_link('S')->taken, stood);
	assert_int_equal(eg_port('S')->pull, DP_BURST);
	send_to('A', 'S', GBIT, 60);
	eg_run(MS, US);
	assert_int_equal(eg_link('S')->taken + eg_dropped_all('S'), eg_link('A')->given);
	assert_neighbours_lost_nothing();
	eg_end();
}

static void stale_frames_are_dropped_where_codel_is_on(void **state)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	(void)state;
	two_pairs();
	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.codel.target_ns = MS;
	classes[QOS_CLASS_BULK].sched.codel.interval_ns = 10 * MS;
	classes[QOS_CLASS_BULK].sched.max_wait_ns = 50 * MS;
	eg_qos_set(classes);
	eg_commit();
	eg_link('S')->stopped = true;
	eg_run(30 * MS, 5 * US);
	assert_int_equal(eg_dropped('S', DP_DROP_queue_late), 0);
	eg_run(100 * MS, 5 * US);
	eg_link('S')->stopped = false;
	eg_link('S')->ring = 16;
	eg_link('S')->take_ns = 20 * US; // slower than what comes: CoDel has its reason
	eg_run(100 * MS, 5 * US);
	assert_true(eg_dropped('S', DP_DROP_codel) > 100);
	assert_int_equal(eg_dropped_all('S'), eg_dropped('S', DP_DROP_codel) +
						      eg_dropped('S', DP_DROP_vm_quota) +
						      eg_dropped('S', DP_DROP_queue_full) +
						      eg_dropped('S', DP_DROP_queue_late));
	assert_neighbours_lost_nothing();
	eg_end();
}

static void no_frame_joins_a_flow_that_waits_too_long(void **state)
{
	struct dp_qos_class classes[QOS_N_CLASSES];
	uint64_t stood;

	(void)state;
	two_pairs();
	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.max_wait_ns = 5 * MS;
	eg_qos_set(classes);
	eg_commit();
	eg_offer('A', 10000000, 60, 16);
	eg_link('S')->stopped = true;
	eg_run(10 * MS, 5 * US);
	stood = eg_queued('S');
	eg_run(10 * MS, 5 * US);
	assert_int_equal(eg_queued('S'), stood);
	assert_true(eg_dropped('S', DP_DROP_queue_late) > 100);
	eg_end();
}

static void a_slow_guest_slows_nobody(void **state)
{
	(void)state;
	two_pairs();
	eg_link('S')->ring = 256;
	eg_link('S')->take_ns = 6720; // a tenth of what is sent to it
	eg_run(50 * MS, 5 * US);
	assert_in_range(eg_link('S')->taken, 50 * MS / 6720 - 10, 50 * MS / 6720 + 257);
	assert_neighbours_lost_nothing();
	eg_end();
}

// Few frames wait outside of the scheduler for a guest that is slow, so a new class's first frame
// waits for one small try.
static void an_urgent_frame_waits_for_one_small_try(void **state)
{
	(void)state;
	two_pairs();
	send_to('A', 'S', 2 * GBIT, 1514);
	eg_link('S')->ring = 8;
	eg_link('S')->take_ns = 10 * US;
	eg_run(10 * MS, 5 * US);
	assert_true(eg_queued('S') > 500);
	send_to('B', 'S', 10000000, 1514);
	eg_run(100 * MS, 5 * US);
	assert_true(eg_link('S')->from[1].pkts > 70);
	assert_in_range(eg_link('S')->from[1].wait_ns, 1, 100 * US);
	assert_true(eg_link('S')->from[0].wait_ns > 5 * MS);
	eg_end();
}

// --- guests that go away

static void frames_of_a_guest_that_is_gone_are_dropped(void **state)
{
	uint64_t stood;

	(void)state;
	two_pairs();
	eg_link('S')->stopped = true;
	eg_run(10 * MS, 5 * US);
	stood = eg_queued('S');
	assert_true(stood > 1000);
	eg_link('A')->left = 0;
	eg_link('S')->down = true;
	eg_run(40 * US, 5 * US);
	assert_int_equal(eg_queued('S'), 0);
	assert_int_equal(eg_dropped('S', DP_DROP_link_down), stood);
	assert_int_equal(dp_switch_mbufs_in_use(eg_sw), 0);
	eg_link('S')->down = eg_link('S')->stopped = false;
	send_to('A', 'S', GBIT, 60);
	eg_run(MS, US);
	assert_true(eg_link('S')->taken > 1000);
	assert_neighbours_lost_nothing();
	eg_end();
}

// Also those that wait for a limit: their buffers are wanted now.
static void frames_that_wait_for_a_limit_are_dropped_too(void **state)
{
	struct dp_vm_params v = eg_vm("vs");

	(void)state;
	two_pairs();
	v.to_bits_per_s = 1000;
	eg_vm_set(&v);
	eg_commit();
	eg_run(MS, 5 * US);
	eg_link('A')->left = 0;
	assert_true(eg_queued('S') > 100);
	eg_link('S')->down = true;
	eg_run(40 * US, 5 * US);
	assert_int_equal(eg_queued('S'), 0);
	eg_end();
}

static void what_never_fits_is_given_up_after_a_second(void **state)
{
	(void)state;
	two_pairs();
	eg_offer('A', 10000000, 60, 16);
	eg_link('A')->left = 20;
	eg_offer('B', 0, 60, 1);
	eg_link('S')->stopped = true;
	eg_run(995 * MS, 20 * US);
	assert_int_equal(eg_dropped('S', DP_DROP_tx_stuck), 0);
	eg_run(2500 * MS, 20 * US);
	assert_int_equal(eg_dropped('S', DP_DROP_tx_stuck), 3);
	eg_link('S')->stopped = false;
	eg_run(MS, 20 * US);
	assert_int_equal(eg_link('S')->taken, 17);
	eg_end();
}

// A second is a second of this life of the link, not of the one before.
static void a_link_that_came_back_has_its_second(void **state)
{
	(void)state;
	two_pairs();
	eg_offer('B', 0, 60, 1);
	eg_offer('A', 10000000, 60, 16);
	eg_link('A')->left = 20;
	eg_link('S')->stopped = true;
	eg_run(MS, 20 * US);
	eg_link('S')->down = true;
	eg_run(2000 * MS, 20 * US);
	eg_link('S')->down = false;
	eg_link('A')->left = 20;
	eg_run(500 * MS, 20 * US);
	assert_int_equal(eg_dropped('S', DP_DROP_tx_stuck), 0);
	assert_int_equal(eg_queued('S'), 20);
	eg_end();
}

// --- few buffers

// Guests 0..n-1 send each to the next one, and none reads: with 24 of them 9 million frames/s.
static void stop_all(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		send_to((char)('A' + i), (char)('A' + (i + 1) % n), GBIT / 4, 60);
		eg_link((char)('A' + i))->stopped = true;
	}
}

static void stopped_guests_leave_buffers_for_others(void **state)
{
	const struct {
		uint32_t n_mbufs, n;
	} cases[] = { { 8191, 24 }, { 2047, 24 }, { 2047, 8 } };

	(void)state;
	for (uint32_t k = 0; k < RTE_DIM(cases); k++) {
		eg_begin(1, cases[k].n_mbufs);
		for (char c = 'A'; c <= 'Z'; c++)
			guest_add(c, "", QOS_CLASS_BULK);
		eg_commit();
		stop_all(cases[k].n);
		eg_run(20 * MS, 2 * US);
		assert_true(eg_bufs_free() > cases[k].n_mbufs / 16);
		send_to('Y', 'Z', GBIT, 1514);
		eg_run(10 * MS, 5 * US);
		assert_in_range(eg_link('Y')->given, 810, 820);
		assert_int_equal(eg_link('Z')->taken, eg_link('Y')->given);
		assert_true(eg_sw->workers[0].buf_quota < cases[k].n_mbufs / 8);
		// They read again, and all is as before.
		for (uint32_t i = 0; i < cases[k].n; i++)
			eg_link((char)('A' + i))->stopped = false;
		eg_run(10 * MS, 5 * US);
		assert_true(eg_sw->workers[0].buf_quota > cases[k].n_mbufs / 8);
		eg_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stopped_guest_costs_its_quota),
		cmocka_unit_test(a_guest_that_reads_again_gets_what_stood),
		cmocka_unit_test(stale_frames_are_dropped_where_codel_is_on),
		cmocka_unit_test(no_frame_joins_a_flow_that_waits_too_long),
		cmocka_unit_test(a_slow_guest_slows_nobody),
		cmocka_unit_test(an_urgent_frame_waits_for_one_small_try),
		cmocka_unit_test(frames_of_a_guest_that_is_gone_are_dropped),
		cmocka_unit_test(frames_that_wait_for_a_limit_are_dropped_too),
		cmocka_unit_test(what_never_fits_is_given_up_after_a_second),
		cmocka_unit_test(a_link_that_came_back_has_its_second),
		cmocka_unit_test(stopped_guests_leave_buffers_for_others),
	};

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
