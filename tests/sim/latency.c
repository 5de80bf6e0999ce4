// E2, E3, E6: what a reservation is worth while others flood the link.
#include "sim.h"

#include <math.h>

enum { STORAGE = 2, BULK = 5 };

#define N_STORAGE 8u
#define MAX_WAITS 60000u

static void policy(struct sim *sim)
{
	sim_class(sim, STORAGE, sim_node(16, 4 * SIM_G, 9 * SIM_G));
	sim_class(sim, BULK, sim_node(4, SIM_G / 2, 0));
}

// Eight VMs read 4 KB blocks (three frames back to back) with a mean pace that is inside storage's
// reservation; n_bulk others keep the link full. Collects the waits of storage.
static uint32_t storage_waits(uint32_t n_bulk, uint64_t seed, uint64_t *waits_ns)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = N_STORAGE + n_bulk + 1,
					   .n_flows = 4 };
	uint32_t n = 0;
	struct sim sim;

	sim_init(&sim, &params, N_STORAGE + n_bulk, seed);
	policy(&sim);
	for (uint32_t i = 0; i < N_STORAGE; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = STORAGE,
						.min_bytes = 1420,
						.max_bytes = 1420,
						.period_ns = 80 * SIM_US,
						.jitter_ns = 40 * SIM_US,
						.n_burst = 3,
						.next_ns = sim.now_ns + i * 9 * SIM_US,
						.waits_ns = waits_ns + i * MAX_WAITS / N_STORAGE,
						.max_waits = MAX_WAITS / N_STORAGE };
	for (uint32_t i = N_STORAGE; i < N_STORAGE + n_bulk; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = BULK,
						.n_flows = 4,
						.min_bytes = 1514,
						.max_bytes = 1514,
						.depth = 64 };
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 200 * SIM_MS);
	for (uint32_t i = 0; i < N_STORAGE; i++) {
		assert_int_equal(sim.srcs[i].n_refused, 0);
		memmove(waits_ns + n, sim.srcs[i].waits_ns,
			sim.srcs[i].n_waits * sizeof(*waits_ns));
		n += sim.srcs[i].n_waits;
	}
	sim_fini(&sim);
	return n;
}

static void e2_storage_in_budget(uint32_t n_bulk)
{
	uint64_t *loaded = calloc(MAX_WAITS, sizeof(*loaded));
	uint64_t *alone = calloc(MAX_WAITS, sizeof(*alone));
	const double parts[] = { 0.5, 0.99, 0.999 };
	const uint64_t most_ns[] = { 5 * SIM_US, 25 * SIM_US, 50 * SIM_US };
	uint32_t n_loaded, n_alone;

	assert_non_null(loaded);
	assert_non_null(alone);
	n_alone = storage_waits(0, 11, alone);
	n_loaded = storage_waits(n_bulk, 11, loaded);
	assert_in_range(n_loaded, 40000, MAX_WAITS);
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t with = sim_quantile(loaded, n_loaded, parts[i]);
		uint64_t without = sim_quantile(alone, n_alone, parts[i]);

		if (getenv("SIM_PRINT") != NULL)
			print_message(
				"%u bulk VMs, part %.3f: %llu ns alone, %llu ns beside bulk\n",
				n_bulk, parts[i], (unsigned long long)without,
				(unsigned long long)with);
		assert_true(with <= without + most_ns[i]);
	}
	free(loaded);
	free(alone);
}

static void e2_storage_beside_64_bulk_vms_keeps_its_time(void **state)
{
	(void)state;
	e2_storage_in_budget(64);
}

static void e2_storage_beside_256_bulk_vms_keeps_its_time(void **state)
{
	(void)state;
	e2_storage_in_budget(256);
}

// E3: storage and boot offer twice the link; bulk keeps its floor in every 100 ms, control loses
// nothing.
static void e3_nobody_starves(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 8,
					   .n_flows = 4 };
	const uint64_t floor_bits = SIM_G / 2;
	struct qos_class_params control = { .node = sim_node(10, SIM_G / 5, 0),
					    .max_leaf_bytes = 100000,
					    .max_wait_ns = SIM_MS };
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 4, 12);
	assert_int_equal(qos_sched_set_class(sim.s, 0, &control, sim.now_ns), 0);
	sim_class(&sim, 1, sim_node(100, 5 * SIM_G / 2, 6 * SIM_G));
	sim_class(&sim, STORAGE, sim_node(100, 4 * SIM_G, 9 * SIM_G));
	sim_class(&sim, BULK, sim_node(1, floor_bits, 0));
	for (uint32_t i = 0; i < 4; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.min_bytes = 64,
						.max_bytes = 9000,
						.n_flows = 4,
						.depth = 64 };
	sim.srcs[0] = (struct sim_src){ .min_bytes = 60,
					.max_bytes = 300,
					.period_ns = 20 * SIM_US,
					.jitter_ns = 10 * SIM_US,
					.next_ns = sim.now_ns };
	sim.srcs[1].cls = 1;
	sim.srcs[2].cls = STORAGE;
	sim.srcs[3].cls = BULK;
	sim_fill(&sim);
	for (uint32_t w = 0; w < 10; w++) {
		sim_windows_reset(&sim);
		sim_run(&sim, sim.now_ns + 100 * SIM_MS);
		assert_true((double)sim.srcs[3].window_bytes * 8 >= 0.95 * (double)floor_bits / 10);
	}
	assert_int_equal(sim.srcs[0].n_refused, 0);
	assert_true(sim.srcs[0].max_wait_ns <= 50 * SIM_US);
	sim_fini(&sim);
}

// E6: a reservation that slept has its rate within a millisecond, against 255 rivals.
static void e6_a_reservation_wakes_within_a_millisecond(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 256,
					   .n_flows = 4 };
	struct qos_node_params reserved = sim_node(1, 2 * SIM_G, 0);
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 256, 13);
	assert_int_equal(qos_sched_set_leaf(sim.s, 0, BULK, &reserved, sim.now_ns), 0);
	for (uint32_t i = 0; i < 256; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = BULK,
						.min_bytes = 1514,
						.max_bytes = 1514,
						.depth = i == 0 ? 0 : 64 };
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 20 * SIM_MS);
	sim.srcs[0].depth = 1;
	for (uint32_t i = 0; i < 64; i++)
		sim_offer(&sim, 0);
	sim_windows_reset(&sim);
	sim_run(&sim, sim.now_ns + SIM_MS);
	assert_true((double)sim.srcs[0].window_bytes * 8 >= 0.99 * 2e9 / 1000);
	sim_fini(&sim);
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

// E11, the part of it that changes policy: 1000 changes a second, of every kind, while a storage
// VM reads inside its reservation. Nothing is lost or overtakes (the simulator watches), and
// storage does not notice.
static void e11_changes_of_policy_are_not_noticed(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 32,
					   .n_flows = 4 };
	struct qos_node_params reserved = sim_node(10, SIM_G, 0);
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 32, 16);
	policy(&sim);
	assert_int_equal(qos_sched_set_leaf(sim.s, 0, STORAGE, &reserved, sim.now_ns), 0);
	for (uint32_t i = 0; i < 32; i++)
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = BULK,
						.n_flows = 4,
						.min_bytes = 64,
						.max_bytes = 1514,
						.depth = 32 };
	sim.srcs[0] = (struct sim_src){ .cls = STORAGE,
					.min_bytes = 1420,
					.max_bytes = 1420,
					.period_ns = 50 * SIM_US,
					.n_burst = 3,
					.next_ns = sim.now_ns };
	sim_fill(&sim);
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t vm = 1 + (uint32_t)(sim_random(&sim) % 31);
		struct qos_node_params n = sim_node(1 + (uint32_t)(sim_random(&sim) % 100), 0,
						    SIM_G / 10 * (1 + sim_random(&sim) % 20));

		if (i % 3 == 0)
			assert_int_equal(qos_sched_set_vm(sim.s, vm, &n, sim.now_ns), 0);
		else if (i % 3 == 1)
			assert_int_equal(qos_sched_set_leaf(sim.s, vm, BULK, &n, sim.now_ns), 0);
		else
			sim_class(&sim, BULK, sim_node(n.shares, SIM_G / 2, 0));
		sim_run(&sim, sim.now_ns + SIM_MS);
	}
	assert_int_equal(sim.srcs[0].n_refused, 0);
	assert_true(sim.srcs[0].n_sent > 29000);
	assert_true(sim.srcs[0].max_wait_ns <= 10 * SIM_US);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e2_storage_beside_64_bulk_vms_keeps_its_time),
		cmocka_unit_test(e2_storage_beside_256_bulk_vms_keeps_its_time),
		cmocka_unit_test(e3_nobody_starves),
		cmocka_unit_test(e6_a_reservation_wakes_within_a_millisecond),
		cmocka_unit_test(priority_ends_with_the_reservation),
		cmocka_unit_test(a_vm_reservation_holds_whatever_its_shares),
		cmocka_unit_test(e11_changes_of_policy_are_not_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
