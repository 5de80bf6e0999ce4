// E6: what a reservation is worth while others flood the link. E2 and E3 are in uplink.c.
#include "sim.h"

#include <math.h>

enum { STORAGE = 2, BULK = 5 };

enum level { OF_CLASS, OF_VM, OF_LEAF };

// E6: a reservation that slept has its rate within a millisecond, against 255 rivals in its class.
static void wakes(enum level at, uint64_t seed)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 256,
					   .n_flows = 4 };
	struct qos_node_params reserved = sim_node(1, 2 * SIM_G, 0);
	struct sim sim;

	sim_init(&sim, &params, 256, seed);
	if (at == OF_CLASS)
		sim_class(&sim, STORAGE, reserved);
	else if (at == OF_VM)
		assert_int_equal(qos_sched_set_vm(sim.s, 0, &reserved, sim.now_ns), 0);
	else
		assert_int_equal(qos_sched_set_leaf(sim.s, 0, BULK, &reserved, sim.now_ns), 0);
	for (uint32_t i = 0; i < 256; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = i == 0 && at == OF_CLASS ? STORAGE : BULK,
						.min_bytes = 1514,
						.max_bytes = 1514,
						.depth = i == 0 ? 0 : 64 };
	sim_class(&sim, BULK, sim_node(100, 0, 0));
	sim_fill(&sim);
	for (uint32_t round = 0; round < 10; round++) {
		sim.srcs[0].depth = 0;
		sim_run(&sim, sim.now_ns + 10 * SIM_MS + sim_random(&sim) % SIM_MS);
		sim.srcs[0].depth = 1;
		for (uint32_t i = 0; i < 64; i++)
			sim_offer(&sim, 0);
		sim_windows_reset(&sim);
		sim_run(&sim, sim.now_ns + SIM_MS);
		assert_true((double)sim.srcs[0].window_bytes * 8 >= 0.99 * 2e9 / 1000);
	}
	sim_fini(&sim);
}

static void e6_a_reservation_wakes_within_a_millisecond(void **state)
{
	(void)state;
	for (enum level at = OF_CLASS; at <= OF_LEAF; at++)
		for (uint64_t seed = 13; seed < 16; seed++)
			wakes(at, seed);
}

// Priority lasts as long as the reservation: storage that offers more than its own is served by
// shares beyond it, and the part that is served first is the reserved one.
static void priority_ends_with_the_reservation(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 2,
					   .n_flows = 4 };
	struct qos_leaf_stats st;
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 2, 14);
	sim_class(&sim, STORAGE, sim_node(1, 4 * SIM_G, 0));
	sim_class(&sim, BULK, sim_node(1, 0, 0));
	for (uint32_t i = 0; i < 2; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = i == 0 ? STORAGE : BULK,
						.min_bytes = 1514,
						.max_bytes = 1514,
						.depth = 64 };
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + SIM_S / 2);
	assert_int_equal(qos_sched_leaf_stats(sim.s, 0, STORAGE, &st), 0);
	assert_true(fabs((double)st.sent_bytes * 16 / 5e9 - 1) < 0.005);
	assert_true(fabs((double)st.reserved_bytes * 16 / 4e9 - 1) < 0.005);
	sim_fini(&sim);
}

// A VM's own reservation holds, however few shares it has, and its other classes keep theirs.
static void a_vm_reservation_holds_whatever_its_shares(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 64,
					   .n_flows = 4 };
	struct qos_node_params reserved = sim_node(1, 2 * SIM_G, 0), rival = sim_node(100, 0, 0);
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 65, 15);
	for (uint32_t i = 0; i < 65; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)(i % 64),
						.cls = i == 64 ? 6 : BULK,
						.min_bytes = 64,
						.max_bytes = 1514,
						.depth = 32 };
	assert_int_equal(qos_sched_set_vm(sim.s, 0, &reserved, sim.now_ns), 0);
	for (uint32_t i = 1; i < 64; i++)
		assert_int_equal(qos_sched_set_vm(sim.s, i, &rival, sim.now_ns), 0);
	sim_class(&sim, BULK, sim_node(100, 0, 0));
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 100 * SIM_MS);
	// Class 6 has its one share of 101 besides: 99 Mbit/s.
	assert_true(fabs((double)sim.srcs[0].sent_bytes * 80 / 2e9 - 1) <= 0.01);
	assert_true(fabs((double)sim.srcs[64].sent_bytes * 80 / 99e6 - 1) <= 0.02);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e6_a_reservation_wakes_within_a_millisecond),
		cmocka_unit_test(priority_ends_with_the_reservation),
		cmocka_unit_test(a_vm_reservation_holds_whatever_its_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
