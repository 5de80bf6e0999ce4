// Frames that one worker receives for a link of another's: order, urgency, full rings, ports that
// go while frames are on their way, and policy of different age at both ends.
#include <sys/eventfd.h>

#include "../unit.h"
#include "dp_qos_info.h"
#include "egress.h"

#define GBIT 1000000000ull

static void guest_add(char port, const char *vm, enum qos_class cls)
{
	struct dp_port_params p = eg_guest(port, vm, cls);

	eg_port_set(&p);
}

static void uplink_set(char port, uint64_t rate)
{
	struct dp_port_params p = eg_uplink(port, rate);

	eg_port_set(&p);
}

// A (bulk) and B (storage) at worker 0; the uplink at worker 1, and D, which is down.
static void two_workers(uint64_t rate)
{
	eg_begin(2, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	uplink_set('U', rate);
	guest_add('B', "vb", QOS_CLASS_STORAGE);
	guest_add('D', "vd", QOS_CLASS_BULK);
	eg_commit();
	eg_link('D')->down = true;
	assert_int_equal(eg_port('A')->owner, 0);
	assert_int_equal(eg_port('B')->owner, 0);
	assert_int_equal(eg_port('U')->owner, 1);
	assert_int_equal(eg_port('D')->owner, 1);
}

static void turn(uint32_t worker)
{
	dp_switch_turn(eg_sw, worker, eg_now_ns);
	eg_now_ns += US;
}

static void offer(char port, uint64_t n)
{
	eg_offer(port, 100 * GBIT, 1514, 4);
	eg_link(port)->left = n;
	eg_link(port)->give_ns = 0;
}

static void what_changes_hands_keeps_rate_and_order(void **state)
{
	uint64_t was;

	(void)state;
	two_workers(GBIT);
	eg_offer('A', GBIT, 1514, 4);
	eg_offer('B', GBIT / 2, 1514, 4);
	eg_run(2 * MS, 5 * US);
	was = eg_link('U')->wire;
	eg_run(100 * MS, 5 * US);
	assert_in_range((eg_link('U')->wire - was) * 8, 99750000, 100250000);
	assert_true(eg_wire('U', 'B') > eg_wire('U', 'A') * 3 / 4);
	eg_end();
}

// Bulk came first; the owner takes the urgent ring first.
static void the_urgent_ring_is_emptied_first(void **state)
{
	(void)state;
	two_workers(0);
	eg_link('U')->ring = 16;
	eg_link('U')->take_ns = MS;
	offer('A', 64);
	turn(0);
	turn(0);
	offer('B', 16);
	eg_now_ns += 30 * US; // silent queues are looked at again
	turn(0);
	turn(1);
	assert_int_equal(eg_link('U')->from[1].pkts, 16);
	assert_int_equal(eg_link('U')->from[0].pkts, 0);
	eg_link('U')->ring = 0;
	eg_run(MS, 5 * US);
	assert_int_equal(eg_link('U')->from[0].pkts, 64);
	eg_end();
}

static void a_full_ring_drops_by_name(void **state)
{
	(void)state;
	two_workers(0);
	offer('A', 2000);
	for (uint32_t i = 0; i < 100; i++)
		turn(0);
	assert_int_equal(eg_dropped('U', DP_DROP_handover_full), 2000 - (DP_HANDOVER - 1));
	offer('B', 100); // the other ring has room
	for (uint32_t i = 0; i < 10; i++)
		turn(0);
	eg_run(MS, 5 * US);
	assert_int_equal(eg_link('U')->from[0].pkts, DP_HANDOVER - 1);
	assert_int_equal(eg_link('U')->from[1].pkts, 100);
	eg_end();
}

static void frames_for_a_port_that_is_gone_are_counted(void **state)
{
	struct dp_port_totals gone;

	(void)state;
	for (uint32_t again = 0; again < 2; again++) {
		two_workers(0);
		offer('A', 200);
		for (uint32_t i = 0; i < 10; i++)
			turn(0);
		eg_port_del('U');
		eg_commit();
		if (again) { // of the same name, and no successor of the frames
			uplink_set('U', 0);
			eg_commit();
		}
		eg_run(20 * US, 5 * US);
		assert_int_equal(eg_sw->workers[1].gone_pkts, 200);
		dp_switch_retired_totals(eg_sw, &gone);
		assert_int_equal(gone.drop_out[DP_DROP_port_gone], 200);
		assert_int_equal(dp_switch_mbufs_in_use(eg_sw), 0);
		if (again)
			assert_int_equal(eg_link('U')->taken, 0);
		eg_end();
	}
}

// --- the sender knows more than the owner

// While worker 1 is in its turn: called when it asks for D's link.
static void in_the_turn_of_worker_1(void (*hook)(void))
{
	struct dp_punt p = { .gen = eg_port('D')->gen, .port = eg_idx('D'), .vid = 20, .size = 60 };

	assert_int_equal(dp_switch_inject(eg_sw, &p), 0);
	eg_hook = hook;
	turn(1);
	assert_null(eg_hook);
}

// Who has to wait for room is told when half of it is there, once; nothing that was let in is lost.
static void the_responder_is_told_when_there_is_room(void **state)
{
	struct dp_punt p = { .vid = 20, .size = 60, .data[34] = 0x10 }; // flow 0
	uint32_t n = 0;
	eventfd_t told;

	(void)state;
	two_workers(0);
	p.gen = eg_port('U')->gen;
	p.port = eg_idx('U');
	for (; dp_switch_injects_fit(eg_sw, 512); n++) {
		p.data[40] = (uint8_t)(n >> 8); // their order
		p.data[41] = (uint8_t)n;
		assert_int_equal(dp_switch_inject(eg_sw, &p), 0);
	}
	assert_in_range(rte_ring_count(eg_sw->workers[1].injects), DP_INJECTS - 512, DP_INJECTS);
	while (rte_ring_count(eg_sw->workers[1].injects) > DP_INJECTS / 2) {
		assert_int_equal(eventfd_read(dp_switch_punt_fd(eg_sw), &told), -1);
		turn(1);
	}
	assert_int_equal(eventfd_read(dp_switch_punt_fd(eg_sw), &told), 0);
	assert_true(dp_switch_injects_fit(eg_sw, 512));
	turn(1);
	assert_int_equal(eventfd_read(dp_switch_punt_fd(eg_sw), &told), -1);
	eg_run(10 * MS, 5 * US);
	assert_int_equal(eg_link('U')->taken, n);
	eg_end();
}

static void a_vm_with_a_limit_comes(void)
{
	struct dp_vm_params v = eg_vm("vc");

	v.leaf[QOS_CLASS_BULK].limit_bits_per_s = 1000;
	eg_vm_set(&v);
	guest_add('C', "vc", QOS_CLASS_BULK);
	eg_commit();
	offer('C', 32);
	turn(eg_port('C')->owner);
}

// Its first frames meet its own policy, not everybody's.
static void the_first_frames_of_a_vm_have_its_limit(void **state)
{
	(void)state;
	two_workers(0);
	in_the_turn_of_worker_1(a_vm_with_a_limit_comes);
	eg_run(MS, 5 * US);
	assert_int_equal(eg_link('C')->given, 32);
	assert_in_range(eg_link('U')->taken, 1, 2);
	assert_true(eg_port('U')->vm_seen[dp_switch_vm_find(eg_sw, "vc")] != 0);
	eg_vm_del("vc");
	eg_commit();
	eg_run(MS, 5 * US);
	assert_int_equal(eg_link('U')->taken, 32);
	eg_end();
}

static void the_uplink_gets_a_rate(void)
{
	uplink_set('U', 1000);
	eg_commit();
	offer('A', 32);
	turn(0);
}

static void the_first_frames_after_a_change_have_its_rate(void **state)
{
	(void)state;
	two_workers(0);
	in_the_turn_of_worker_1(the_uplink_gets_a_rate);
	eg_run(MS, 5 * US);
	assert_in_range(eg_link('U')->taken, 1, 2);
	eg_end();
}

static void the_uplink_goes(void)
{
	offer('A', 32);
	turn(0);
	eg_port_del('U');
	eg_commit();
}

// Frames wait at it and are on their way to it; the worker has seen it in this turn.
static void a_port_that_goes_within_a_turn_is_forgotten(void **state)
{
	(void)state;
	two_workers(1000);
	offer('A', 32);
	turn(0);
	turn(1);
	assert_in_range(eg_queued('U'), 30, 32);
	in_the_turn_of_worker_1(the_uplink_goes);
	assert_int_equal(eg_sw->workers[1].n_dirty, 0);
	assert_int_equal(eg_sw->workers[1].gone_pkts, 32);
	eg_commit();
	assert_int_equal(dp_switch_mbufs_in_use(eg_sw), 0);
	eg_end();
}

static void the_vm_goes_and_another_comes(void)
{
	offer('A', 32); // of the VM that goes
	turn(0);
	eg_port_del('A');
	eg_commit();
	guest_add('C', "vc", QOS_CLASS_BULK);
	eg_commit();
	offer('C', 32);
	turn(eg_port('C')->owner);
}

static void frames_of_a_vm_that_goes_on_the_way_arrive(void **state)
{
	(void)state;
	two_workers(0);
	in_the_turn_of_worker_1(the_vm_goes_and_another_comes);
	eg_run(MS, 5 * US);
	assert_int_equal(eg_link('U')->from[0].pkts, 32);
	assert_int_equal(eg_link('U')->from[2].pkts, 32);
	eg_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_changes_hands_keeps_rate_and_order),
		cmocka_unit_test(the_urgent_ring_is_emptied_first),
		cmocka_unit_test(a_full_ring_drops_by_name),
		cmocka_unit_test(frames_for_a_port_that_is_gone_are_counted),
		cmocka_unit_test(the_responder_is_told_when_there_is_room),
		cmocka_unit_test(the_first_frames_of_a_vm_have_its_limit),
		cmocka_unit_test(the_first_frames_after_a_change_have_its_rate),
		cmocka_unit_test(a_port_that_goes_within_a_turn_is_forgotten),
		cmocka_unit_test(frames_of_a_vm_that_goes_on_the_way_arrive),
	};

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
