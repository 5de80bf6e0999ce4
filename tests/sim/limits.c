// E4, E5: limits are exact at every level and rate, and no interval carries more than rate and
// burst allow, whatever is changed meanwhile. With an argument: so many packets in E5.
#include "sim.h"

#include <math.h>

static uint64_t n_conforming = 1000000; // packets of E5, in all; an argument says how many

enum level { OF_CLASS, OF_VM, OF_LEAF };

static void set_limit(struct sim *sim, enum level at, uint64_t limit)
{
	struct qos_node_params node = sim_node(1, 0, limit);

	if (at == OF_CLASS)
		sim_class(sim, 5, node);
	else if (at == OF_VM)
		assert_int_equal(qos_sched_set_vm(sim->s, 0, &node, sim->now_ns), 0);
	else
		assert_int_equal(qos_sched_set_leaf(sim->s, 0, 5, &node, sim->now_ns), 0);
}

static void saturate(struct sim *sim, uint32_t src, uint32_t min_bytes, uint32_t max_bytes)
{
	sim->srcs[src] = (struct sim_src){ .vm_idx = (uint16_t)src,
					   .cls = 5,
					   .n_flows = 4,
					   .min_bytes = min_bytes,
					   .max_bytes = max_bytes,
					   .depth = 16 };
}

static void exact(enum level at, uint64_t rate, uint32_t min_bytes, uint32_t max_bytes)
{
	struct qos_sched_params params = { .rate_bits_per_s = 400 * SIM_G,
					   .n_vms = 1,
					   .n_flows = 4 };
	double want = (double)rate / 80, packet = max_bytes + QOS_WIRE_OVERHEAD_BYTES;
	uint64_t total = 0;
	struct sim sim;

	sim_init(&sim, &params, 1, 21);
	set_limit(&sim, at, rate);
	saturate(&sim, 0, min_bytes, max_bytes);
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 10 * SIM_MS);
	for (uint32_t w = 0; w < 10; w++) {
		sim_windows_reset(&sim);
		sim_run(&sim, sim.now_ns + 100 * SIM_MS);
		// Packets are whole: one more or less is no error of the rate.
		assert_true(fabs((double)sim.srcs[0].window_bytes - want) <= 0.01 * want + packet);
		total += sim.srcs[0].window_bytes;
	}
	assert_true(fabs((double)total - 10 * want) <= 0.0025 * 10 * want + packet);
	sim_fini(&sim);
}

static void e4_limits_are_exact_from_1_mbit_to_100_gbit(void **state)
{
	const struct {
		uint64_t rate;
		uint32_t min_bytes, max_bytes;
	} cases[] = { { 1000000, 64, 1514 },	   { 10000000, 64, 9000 },
		      { 100000000, 64, 64 },	   { 100000000, 64, 65536 },
		      { SIM_G, 64, 65536 },	   { 10 * SIM_G, 64, 65536 },
		      { 69 * SIM_G, 9000, 65536 }, { 100 * SIM_G, 9000, 65536 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (enum level at = OF_CLASS; at <= OF_LEAF; at++)
			exact(at, cases[i].rate, cases[i].min_bytes, cases[i].max_bytes);
}

// The longest interval's excess over rate * time, kept as a bucket that only the trace fills.
struct trace {
	double level_bytes, most_bytes, rate; // bytes per ns
	uint64_t last_ns;
};

static void watch(struct sim *sim, struct sim_pkt *p)
{
	struct trace *t = sim->user;

	t->level_bytes -= (double)(sim->now_ns - t->last_ns) * t->rate;
	t->level_bytes = t->level_bytes < 0 ? 0 : t->level_bytes;
	t->last_ns = sim->now_ns;
	t->level_bytes += p->q.wire_bytes;
	if (t->level_bytes > t->most_bytes)
		t->most_bytes = t->level_bytes;
}

// Bursts and rests of an on-off source against a limit with a burst of 20000 bytes. Every second
// run has a loop that comes every 1 to 20 us only.
static void conforms(enum level at, bool turns, uint64_t seed)
{
	struct qos_sched_params params = { .rate_bits_per_s = 40 * SIM_G,
					   .n_vms = 1,
					   .n_flows = 4,
					   .late_ns = turns ? 20000 : 0 };
	struct qos_node_params node = sim_node(1, 0, SIM_G);
	struct qos_class_params class = { .max_leaf_bytes = 300000 };
	struct trace trace = { .rate = 0.125 };
	struct sim sim;

	node.burst_bytes = 20000;
	sim_init(&sim, &params, 1, seed);
	sim.sent = watch;
	sim.user = &trace;
	sim.turn_ns = turns ? 1000 : 0;
	sim.turn_jitter_ns = 19000;
	class.node = at == OF_CLASS ? node : sim_node(1, 0, 0);
	assert_int_equal(qos_sched_set_class(sim.s, 5, &class, sim.now_ns), 0);
	if (at == OF_VM)
		assert_int_equal(qos_sched_set_vm(sim.s, 0, &node, sim.now_ns), 0);
	if (at == OF_LEAF)
		assert_int_equal(qos_sched_set_leaf(sim.s, 0, 5, &node, sim.now_ns), 0);
	saturate(&sim, 0, 64, 1514);
	sim.srcs[0].depth = 0;
	sim.srcs[0].period_ns = 300 * SIM_US;
	sim.srcs[0].jitter_ns = 700 * SIM_US;
	sim.srcs[0].n_burst = 100;
	sim.srcs[0].next_ns = sim.now_ns;
	while (sim.srcs[0].n_sent < n_conforming / 6)
		sim_run(&sim, sim.now_ns + SIM_S);
	sim_print("E5: level %d, %u packets, at most %.0f bytes above the rate\n", at,
		  (unsigned)sim.srcs[0].n_sent, trace.most_bytes);
	assert_true(trace.most_bytes <= 20000 + 1514 + QOS_WIRE_OVERHEAD_BYTES + 1);
	assert_true(trace.most_bytes >= 20000); // the burst is really given
	sim_fini(&sim);
}

static void e5_no_interval_exceeds_rate_and_burst(void **state)
{
	(void)state;
	for (enum level at = OF_CLASS; at <= OF_LEAF; at++) {
		conforms(at, false, 22);
		conforms(at, true, 23);
	}
}

// A limit that changes every millisecond between 100 Mbit/s and 2 Gbit/s: at no time does
// more leave than the integral of the rate and one burst.
static void a_change_of_rate_makes_no_burst_and_no_silence(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 40 * SIM_G,
					   .n_vms = 1,
					   .n_flows = 4 };
	struct sim sim;

	(void)state;
	for (enum level at = OF_CLASS; at <= OF_LEAF; at++) {
		double allowed = 0;

		sim_init(&sim, &params, 1, 23);
		saturate(&sim, 0, 1514, 1514);
		set_limit(&sim, at, 100000000);
		sim_fill(&sim);
		sim_run(&sim, sim.now_ns + 10 * SIM_MS);
		sim_windows_reset(&sim);
		for (uint32_t i = 0; i < 200; i++) {
			uint64_t rate = 100000000 * (1 + sim_random(&sim) % 20);

			set_limit(&sim, at, rate);
			sim_run(&sim, sim.now_ns + SIM_MS);
			allowed += (double)rate / 8000;
			assert_true((double)sim.srcs[0].window_bytes <= allowed + 2 * 1538);
			assert_true((double)sim.srcs[0].window_bytes >= 0.99 * allowed - 4 * 1538);
		}
		sim_fini(&sim);
	}
}

// From a crawl to full speed at once: what was owed is bytes, not time.
static void raising_a_limit_takes_effect_at_once(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 1,
					   .n_flows = 4 };
	struct sim sim;

	(void)state;
	for (enum level at = OF_CLASS; at <= OF_LEAF; at++) {
		sim_init(&sim, &params, 1, 24);
		saturate(&sim, 0, 1514, 1514);
		set_limit(&sim, at, 1000);
		sim_fill(&sim);
		sim_run(&sim, sim.now_ns + 10 * SIM_MS);
		set_limit(&sim, at, SIM_G);
		sim_windows_reset(&sim);
		sim_run(&sim, sim.now_ns + 10 * SIM_MS);
		assert_true((double)sim.srcs[0].window_bytes >= 0.98 * 1250000);
		sim_fini(&sim);
	}
}

// One VM's total limit holds over all its classes, and its urgent class is served first within it.
static void a_vm_limit_spans_its_classes(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 2,
					   .n_flows = 4 };
	struct qos_node_params storage = sim_node(1, SIM_G / 4, 0), vm = sim_node(1, 0, SIM_G / 2);
	double sum;
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 3, 25);
	assert_int_equal(qos_sched_set_vm(sim.s, 0, &vm, sim.now_ns), 0);
	assert_int_equal(qos_sched_set_leaf(sim.s, 0, 2, &storage, sim.now_ns), 0);
	for (uint32_t i = 0; i < 3; i++)
		saturate(&sim, i, 64, 1514);
	sim.srcs[1].vm_idx = 0;
	sim.srcs[1].cls = 2;
	sim.srcs[2].vm_idx = 1;
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + SIM_S / 2);
	sum = (double)(sim.srcs[0].sent_bytes + sim.srcs[1].sent_bytes) * 16;
	assert_true(fabs(sum / 5e8 - 1) <= 0.01);
	assert_true((double)sim.srcs[1].sent_bytes * 16 >= 0.99 * 2.5e8);
	assert_true(sim.srcs[0].sent_bytes > 0);
	assert_true((double)sim.bytes_out * 16 >= 0.999e10);
	sim_fini(&sim);
}

// What a node could not use while its limit held it back is gone: when the limit is lifted it has
// its share, and not the link until years are made up for.
static void a_lifted_limit_pays_nothing_back(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 2,
					   .n_flows = 4 };
	struct qos_node_params none = sim_node(1, 0, 0), vm = sim_node(1, 0, 4 * SIM_G);
	struct sim sim;

	(void)state;
	for (uint32_t case_idx = 0; case_idx < 3; case_idx++) {
		struct qos_node_params held = sim_node(1, 0, SIM_G / 10);

		sim_init(&sim, &params, 2, 26);
		saturate(&sim, 0, 64, 1514);
		saturate(&sim, 1, 64, 1514);
		sim.srcs[0].cls = 4;
		// A class; a class and a leaf inside a VM that has a limit of its own.
		if (case_idx > 0) {
			sim.srcs[1].vm_idx = 0;
			assert_int_equal(qos_sched_set_vm(sim.s, 0, &vm, sim.now_ns), 0);
		}
		if (case_idx < 2)
			sim_class(&sim, 4, held);
		else
			assert_int_equal(qos_sched_set_leaf(sim.s, 0, 4, &held, sim.now_ns), 0);
		sim_fill(&sim);
		sim_run(&sim, sim.now_ns + 200 * SIM_MS);
		sim_class(&sim, 4, none);
		assert_int_equal(qos_sched_set_leaf(sim.s, 0, 4, &none, sim.now_ns), 0);
		sim_windows_reset(&sim);
		sim_run(&sim, sim.now_ns + 20 * SIM_MS);
		assert_true(
			fabs((double)sim.srcs[0].window_bytes / (double)sim.srcs[1].window_bytes -
			     1) <= 0.1);
		sim_fini(&sim);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e4_limits_are_exact_from_1_mbit_to_100_gbit),
		cmocka_unit_test(e5_no_interval_exceeds_rate_and_burst),
		cmocka_unit_test(a_change_of_rate_makes_no_burst_and_no_silence),
		cmocka_unit_test(raising_a_limit_takes_effect_at_once),
		cmocka_unit_test(a_vm_limit_spans_its_classes),
		cmocka_unit_test(a_lifted_limit_pays_nothing_back),
	};

	if (argc > 1)
		n_conforming = (uint64_t)strtod(argv[1], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
