// Super-frames, copies and congestion marks on their way through schedulers.
#include "../unit.h"
#include "egress.h"

#define GBIT 1000000000ull

static void port_add(struct dp_port_params p, uint64_t rate, uint32_t flags)
{
	p.rate_bits_per_s = rate;
	p.flags |= flags;
	eg_port_set(&p);
}

static void guest_add(char port, const char *vm, enum qos_class cls)
{
	port_add(eg_guest(port, vm, cls), 0, 0);
}

static void a_and_uplink(uint64_t rate)
{
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	port_add(eg_uplink('U', rate), rate, 0);
	eg_commit();
}

static void assert_near(uint64_t is, uint64_t want, double part)
{
	double off = (double)is / (double)want - 1;

	if (off > part || off < -part)
		fail_msg("%lu, not %lu within %.2f %%", (unsigned long)is, (unsigned long)want,
			 part * 100);
}

// --- super-frames

enum { SUPER = 60054 };

static void offer_supers(char port, uint64_t bits_per_s, uint16_t segsz)
{
	eg_offer(port, bits_per_s, SUPER, 4);
	eg_link(port)->segsz = segsz;
}

static void long_super_frames_are_cut_for_a_rated_link(void **state)
{
	const struct {
		uint64_t rate;
		uint32_t size;
		uint16_t segsz;
		bool cut;
	} cases[] = {
		{ 10 * GBIT, 60054, 1448, true },  { 10 * GBIT, 60054, 100, true },
		{ 10 * GBIT, 15000, 1448, false }, { 10 * GBIT, 17000, 1448, true },
		{ GBIT, 3000, 1448, true },	   { 100 * GBIT, 60054, 1448, false },
		{ 1000, 1600, 1448, true },
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		a_and_uplink(cases[i].rate);
		offer_supers('A', cases[i].rate == 1000 ? GBIT : cases[i].rate, cases[i].segsz);
		eg_link('A')->size = cases[i].size;
		eg_run(MS, 2 * US);
		assert_true(eg_link('A')->given > 0 && eg_link('U')->taken > 0);
		assert_int_equal(eg_count('U', DP_PC_tso_pkts) > 0, cases[i].cut);
		assert_int_equal(eg_link('U')->longest,
				 cases[i].cut ? cases[i].segsz + 58u : cases[i].size + 4);
		eg_end();
	}
}

static void super_frames_cost_what_they_become(void **state)
{
	const uint64_t rates[] = { GBIT, 10 * GBIT, 100 * GBIT };
	const uint16_t segsz[] = { 1448, 536 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates) * RTE_DIM(segsz); i++) {
		uint64_t rate = rates[i % 3], was;

		a_and_uplink(rate);
		offer_supers('A', rate * 2, segsz[i / 3]);
		eg_run(2 * MS, 2 * US);
		was = eg_link('U')->wire;
		eg_run(20 * MS, 2 * US);
		assert_near((eg_link('U')->wire - was) * 8, rate / 50, 0.0025);
		eg_end();
	}
}

// One becomes many more frames than a port may have for its driver.
static void segments_of_one_frame_leave_in_order(void **state)
{
	const uint16_t segsz[] = { 64, 88, 1448 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(segsz); i++) {
		a_and_uplink(0);
		eg_caps = 0;
		offer_supers('A', 10 * GBIT, segsz[i]);
		eg_link('A')->left = 3;
		eg_run(MS, 2 * US);
		assert_int_equal(eg_link('U')->taken, 3 * ((60000 + segsz[i] - 1) / segsz[i]));
		assert_int_equal(eg_dropped_all('U'), 0);
		eg_end();
	}
}

// The link takes some, refuses, takes more.
static void segments_wait_for_a_slow_link(void **state)
{
	(void)state;
	a_and_uplink(0);
	eg_caps = 0;
	eg_link('U')->ring = 50;
	eg_link('U')->take_ns = 500;
	offer_supers('A', 10 * GBIT, 256);
	eg_link('A')->left = 2;
	eg_run(MS, 2 * US);
	assert_int_equal(eg_link('U')->taken, 2 * ((60000 + 255) / 256));
	eg_end();
}

static void super_frames_to_a_stopped_guest_count_their_buffers(void **state)
{
	(void)state;
	eg_begin(1, 2047);
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('S', "vs", QOS_CLASS_BULK);
	eg_commit();
	eg_link('A')->to = 'S' - 'A';
	eg_link('S')->stopped = true;
	offer_supers('A', 10 * GBIT, 1448);
	eg_run(20 * MS, 2 * US);
	assert_true(eg_dropped('S', DP_DROP_vm_quota) > 0);
	assert_true(eg_bufs_free() > 1024);
	assert_true(eg_queued('S') * 34 < 512);
	eg_end();
}

// --- copies

static void a_mirror_to_a_rated_link_slows_nobody(void **state)
{
	struct dp_port_params a = eg_guest('A', "va", QOS_CLASS_BULK);
	uint64_t was;

	(void)state;
	eg_begin(1, 8191);
	memcpy(a.mirror_to, "M", 2);
	eg_port_set(&a);
	port_add(eg_guest('M', "vm", QOS_CLASS_BULK), 10000000, DP_PF_MIRROR_DST);
	port_add(eg_uplink('U', 0), 0, 0);
	eg_commit();
	eg_offer('A', GBIT, 1514, 4);
	eg_run(10 * MS, 5 * US);
	was = eg_link('M')->wire;
	eg_run(100 * MS, 5 * US);
	assert_near((eg_link('M')->wire - was) * 8, 1000000, 0.02); // 81 frames
	assert_int_equal(eg_link('U')->taken, eg_link('A')->given);
	assert_true(eg_dropped('M', DP_DROP_queue_full) > 1000);
	eg_end();
}

static void a_flood_to_a_rated_link_slows_nobody(void **state)
{
	uint64_t was;

	(void)state;
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	port_add(eg_guest('B', "vb", QOS_CLASS_BULK), 10000000, 0);
	guest_add('C', "vc", QOS_CLASS_BULK);
	port_add(eg_uplink('U', GBIT), GBIT, 0);
	eg_commit();
	eg_offer('A', 900000000, 1514, 4);
	eg_run(10 * MS, 5 * US);
	was = eg_link('B')->wire;
	eg_run(100 * MS, 5 * US);
	assert_near((eg_link('B')->wire - was) * 8, 1000000, 0.02);
	assert_int_equal(eg_link('C')->taken, eg_link('A')->given);
	assert_in_range(eg_link('U')->taken, eg_link('A')->given - 1, eg_link('A')->given);
	eg_end();
}

// --- congestion marks

static void classes_with_codel(uint32_t step_ns)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.codel.target_ns = MS;
	classes[QOS_CLASS_BULK].sched.codel.interval_ns = 5 * MS;
	classes[QOS_CLASS_BULK].sched.codel.step_ns = step_ns;
	eg_qos_set(classes);
}

// ECT(0), ECT(1): marked, and none is dropped by CoDel; the rest: the other way round.
static void standing_frames_are_marked_or_dropped(void **state)
{
	(void)state;
	for (uint8_t ecn = 0; ecn < 3; ecn++) {
		for (uint32_t step_ns = 0; step_ns <= 500 * US; step_ns += 500 * US) {
			a_and_uplink(100000000);
			classes_with_codel(step_ns);
			eg_commit();
			eg_link('A')->tos = (uint8_t)(10 << 2 | ecn);
			eg_offer('A', 120000000, 1514, 1);
			eg_run(100 * MS, 5 * US);
			assert_int_equal(eg_link('U')->marked > 0, ecn != 0);
			assert_int_equal(eg_dropped('U', DP_DROP_codel) > 0, ecn == 0);
			assert_int_equal(eg_link('U')->marked, eg_count('U', DP_PC_marked_pkts));
			assert_int_equal(eg_link('U')->bad_csum, 0);
			assert_int_equal(eg_link('U')->last[12], 0x81); // behind a tag
			// The step marks all that stood longer; CoDel some.
			if (step_ns != 0 && ecn != 0)
				assert_true(eg_link('U')->marked * 2 > eg_link('U')->taken);
			eg_end();
		}
	}
}

static void what_does_not_stand_is_not_marked(void **state)
{
	(void)state;
	a_and_uplink(GBIT);
	classes_with_codel(500 * US);
	eg_commit();
	eg_link('A')->tos = 1;
	eg_offer('A', 900000000, 1514, 4);
	eg_run(100 * MS, 5 * US);
	assert_int_equal(eg_link('U')->marked, 0);
	assert_int_equal(eg_dropped_all('U'), 0);
	eg_end();
}

// --- nothing to schedule

static void without_a_policy_nothing_is_queued(void **state)
{
	struct qos_link_stats st;

	(void)state;
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('B', "vb", QOS_CLASS_STORAGE);
	guest_add('C', "vc", QOS_CLASS_BULK);
	port_add(eg_uplink('U', 0), 0, 0);
	eg_commit();
	eg_link('B')->to = 'C' - 'A';
	eg_offer('A', 5 * GBIT, 1514, 4);
	eg_offer('B', 5 * GBIT, 60, 4);
	for (uint32_t i = 0; i < 1000; i++) {
		eg_run(2 * US, 2 * US);
		assert_int_equal(eg_queued('U') + eg_queued('C'), 0);
	}
	for (const char *c = "UC"; *c != '\0'; c++) {
		qos_sched_link_stats(eg_port(*c)->sched, &st);
		assert_int_equal(st.sent_pkts, 0); // through a queue
	}
	assert_true(eg_link('U')->taken > 700 && eg_link('C')->taken > 10000);
	eg_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_super_frames_are_cut_for_a_rated_link),
		cmocka_unit_test(super_frames_cost_what_they_become),
		cmocka_unit_test(segments_of_one_frame_leave_in_order),
		cmocka_unit_test(segments_wait_for_a_slow_link),
		cmocka_unit_test(super_frames_to_a_stopped_guest_count_their_buffers),
		cmocka_unit_test(a_mirror_to_a_rated_link_slows_nobody),
		cmocka_unit_test(a_flood_to_a_rated_link_slows_nobody),
		cmocka_unit_test(standing_frames_are_marked_or_dropped),
		cmocka_unit_test(what_does_not_stand_is_not_marked),
		cmocka_unit_test(without_a_policy_nothing_is_queued),
	};

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
