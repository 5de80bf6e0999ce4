// E1: shares of a saturated link against the fluid reference, and the worked examples users know.
#include "fluid.h"
#include "sim.h"

#include <math.h>

#define MAX_FRAME 9000u
#define MAX_WIRE (MAX_FRAME + QOS_WIRE_OVERHEAD_BYTES)

static void saturate(struct sim *sim, uint32_t src, uint32_t vm_idx, uint32_t cls)
{
	sim->srcs[src] = (struct sim_src){ .vm_idx = (uint16_t)vm_idx,
					   .cls = (uint8_t)cls,
					   .n_flows = 4,
					   .min_bytes = 64,
					   .max_bytes = MAX_FRAME,
					   .depth = 64 };
}

// The greatest error of any share over windows of window_ns, as part of the ideal share. A window
// may begin and end inside a packet: one largest packet on each side is no error.
static double worst_error(struct sim *sim, const struct fluid_node *ideal, uint64_t window_ns,
			  uint32_t n_windows)
{
	double worst = 0;

	for (uint32_t w = 0; w < n_windows; w++) {
		sim_windows_reset(sim);
		sim_run(sim, sim->now_ns + window_ns);
		for (uint32_t i = 0; i < sim->n_srcs; i++) {
			double want = ideal[i].rate * (double)window_ns;
			double off = fabs((double)sim->srcs[i].window_bytes - want) - 2 * MAX_WIRE;

			if (off / want > worst)
				worst = off / want;
		}
	}
	return worst;
}

static void e1_among_vms(uint32_t n, const uint32_t *shares, uint64_t seed)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = n,
					   .n_flows = 4 };
	struct fluid_node ideal[256];
	struct sim sim;

	sim_init(&sim, &params, n, seed);
	for (uint32_t i = 0; i < n; i++) {
		struct qos_node_params vm = sim_node(shares[i], 0, 0);

		assert_int_equal(qos_sched_set_vm(sim.s, i, &vm, sim.now_ns), 0);
		saturate(&sim, i, i, 5);
		ideal[i] = (struct fluid_node){ .weight = shares[i], .backlogged = true };
	}
	fluid_divide(ideal, n, 10 / 8.0);
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 10 * SIM_MS);
	assert_true(worst_error(&sim, ideal, 10 * SIM_MS, 20) <= 0.02);
	assert_true(worst_error(&sim, ideal, SIM_S, 1) <= 0.005);
	sim_fini(&sim);
}

static void e1_weights_1_2_4_8_among_vms(void **state)
{
	const uint32_t shares[] = { 1, 2, 4, 8 };

	(void)state;
	e1_among_vms(4, shares, 1);
}

static void e1_256_random_weights_among_vms(void **state)
{
	uint32_t shares[256], x = 12345;

	(void)state;
	for (uint32_t i = 0; i < 256; i++) {
		x = x * 1103515245 + 12345;
		shares[i] = 1 + (x >> 16) % 100;
	}
	e1_among_vms(256, shares, 2);
}

static void e1_weights_1_2_4_8_among_classes(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 1,
					   .n_flows = 4 };
	struct fluid_node ideal[4];
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 4, 3);
	for (uint32_t i = 0; i < 4; i++) {
		sim_class(&sim, i + 1, sim_node(1u << i, 0, 0));
		saturate(&sim, i, 0, i + 1);
		ideal[i] = (struct fluid_node){ .weight = 1 << i, .backlogged = true };
	}
	fluid_divide(ideal, 4, 10 / 8.0);
	sim_fill(&sim);
	assert_true(worst_error(&sim, ideal, 10 * SIM_MS, 20) <= 0.02);
	assert_true(worst_error(&sim, ideal, SIM_S, 1) <= 0.005);
	sim_fini(&sim);
}

static void e1_equal_weights_are_fair_by_jain(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 64,
					   .n_flows = 4 };
	double sum = 0, squares = 0;
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 64, 4);
	for (uint32_t i = 0; i < 64; i++)
		saturate(&sim, i, i, 5);
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 100 * SIM_MS);
	for (uint32_t i = 0; i < 64; i++) {
		sum += (double)sim.srcs[i].sent_bytes;
		squares += (double)sim.srcs[i].sent_bytes * (double)sim.srcs[i].sent_bytes;
	}
	assert_true(sum * sum / (64 * squares) >= 0.999);
	sim_fini(&sim);
}

// Reservations, limits and shares together: each node gets what the fluid one would.
static void reservation_limit_and_shares_are_those_of_the_fluid(void **state)
{
	const struct {
		uint32_t shares;
		uint64_t reservation, limit; // Mbit/s
	} nodes[] = { { 1, 3000, 0 },	 { 10, 0, 1000 }, { 5, 500, 9000 }, { 5, 0, 0 },
		      { 2, 2000, 2000 }, { 1, 0, 0 },	  { 20, 100, 700 } };
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 7,
					   .n_flows = 4 };
	struct fluid_node ideal[7];
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 7, 5);
	for (uint32_t i = 0; i < 7; i++) {
		struct qos_node_params leaf = sim_node(
			nodes[i].shares, nodes[i].reservation * 1000000, nodes[i].limit * 1000000);

		assert_int_equal(qos_sched_set_leaf(sim.s, i, 2, &leaf, sim.now_ns), 0);
		saturate(&sim, i, i, 2);
		ideal[i] = (struct fluid_node){ .weight = nodes[i].shares,
						.reservation = (double)nodes[i].reservation / 8000,
						.limit = (double)nodes[i].limit / 8000,
						.backlogged = true };
	}
	fluid_divide(ideal, 7, 10 / 8.0);
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 10 * SIM_MS);
	assert_true(worst_error(&sim, ideal, 10 * SIM_MS, 20) <= 0.02);
	assert_true(worst_error(&sim, ideal, SIM_S, 1) <= 0.005);
	sim_fini(&sim);
}

static double part_of(const struct sim *sim, uint32_t src)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < sim->n_srcs; i++)
		sum += sim->srcs[i].window_bytes;
	return 100.0 * (double)sim->srcs[src].window_bytes / (double)sum;
}

// VMware's worked example of NIOC: fault tolerance 100 shares, iSCSI 100, management 50.
static void nioc_example_gives_40_40_20(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = 3,
					   .n_flows = 4 };
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, 3, 6);
	sim_class(&sim, 1, sim_node(100, 0, 0));
	sim_class(&sim, 2, sim_node(100, 0, 0));
	sim_class(&sim, 3, sim_node(50, 0, 0));
	for (uint32_t i = 0; i < 3; i++)
		saturate(&sim, i, i, i + 1);
	sim_fill(&sim);
	sim_run(&sim, sim.now_ns + 100 * SIM_MS);
	assert_true(fabs(part_of(&sim, 0) - 40) <= 0.5);
	assert_true(fabs(part_of(&sim, 1) - 40) <= 0.5);
	assert_true(fabs(part_of(&sim, 2) - 20) <= 0.5);
	sim_fini(&sim);
}

static double gbits(const struct sim *sim, uint32_t src, uint64_t over_ns)
{
	return (double)sim->srcs[src].window_bytes * 8 / (double)over_ns;
}

// Harvester issue 11478: networks of one 10 Gbit/s link, told apart by VLAN, each with a guaranteed
// and a maximum rate "when capacity is available". The issue names the kinds of traffic, and gives
// VLAN 2017 1 and 10 Gbit/s; the other figures are ours.
enum { VLAN_2017, VLAN_2015, HARVESTER_STORAGE, MIGRATION, MANAGEMENT, N_NETWORKS };

static const struct {
	uint32_t cls, shares;
	double guaranteed, most; // Gbit/s
} networks[N_NETWORKS] = {
	[VLAN_2017] = { 4, 10, 1, 10 },		[VLAN_2015] = { 5, 80, 1, 5 },
	[HARVESTER_STORAGE] = { 2, 10, 4, 10 }, [MIGRATION] = { 6, 10, 1, 2 },
	[MANAGEMENT] = { 1, 10, 0.5, 1 },
};

static void measure(struct sim *sim)
{
	sim_run(sim, sim->now_ns + 20 * SIM_MS);
	sim_windows_reset(sim);
	sim_run(sim, sim->now_ns + 100 * SIM_MS);
}

static void harvester_example_guarantees_and_lends(void **state)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = N_NETWORKS,
					   .n_flows = 4 };
	struct sim sim;

	(void)state;
	sim_init(&sim, &params, N_NETWORKS, 7);
	for (uint32_t i = 0; i < N_NETWORKS; i++) {
		sim_class(&sim, networks[i].cls,
			  sim_node(networks[i].shares, (uint64_t)(networks[i].guaranteed * SIM_G),
				   (uint64_t)(networks[i].most * SIM_G)));
		saturate(&sim, i, i, networks[i].cls);
	}

	// VLAN 2017 alone: all of the link.
	for (uint32_t n = 0; n < 64; n++)
		sim_offer(&sim, VLAN_2017);
	measure(&sim);
	assert_true(gbits(&sim, VLAN_2017, 100 * SIM_MS) >= 9.99);

	// All at once: each has its guarantee and none more than its most, whatever the shares say.
	sim_fill(&sim);
	measure(&sim);
	for (uint32_t i = 0; i < N_NETWORKS; i++) {
		assert_true(gbits(&sim, i, 100 * SIM_MS) >= 0.99 * networks[i].guaranteed);
		assert_true(gbits(&sim, i, 100 * SIM_MS) <= 1.01 * networks[i].most);
	}

	// Storage rests: what was its own is lent. VLAN 2015 has its most; of the other 5 Gbit/s
	// management takes its most, and migration and VLAN 2017 share the rest alike.
	sim.srcs[HARVESTER_STORAGE].depth = 0;
	measure(&sim);
	assert_true(fabs(gbits(&sim, VLAN_2015, 100 * SIM_MS) - 5) <= 0.05);
	assert_true(fabs(gbits(&sim, MANAGEMENT, 100 * SIM_MS) - 1) <= 0.02);
	assert_true(fabs(gbits(&sim, MIGRATION, 100 * SIM_MS) - 2) <= 0.02);
	assert_true(fabs(gbits(&sim, VLAN_2017, 100 * SIM_MS) - 2) <= 0.02);

	// And storage has its guarantee back within a millisecond.
	sim.srcs[HARVESTER_STORAGE].depth = 1;
	for (uint32_t n = 0; n < 64; n++)
		sim_offer(&sim, HARVESTER_STORAGE);
	sim_windows_reset(&sim);
	sim_run(&sim, sim.now_ns + SIM_MS);
	assert_true(gbits(&sim, HARVESTER_STORAGE, SIM_MS) >= 0.99 * 4);
	sim_fini(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e1_weights_1_2_4_8_among_vms),
		cmocka_unit_test(e1_256_random_weights_among_vms),
		cmocka_unit_test(e1_weights_1_2_4_8_among_classes),
		cmocka_unit_test(e1_equal_weights_are_fair_by_jain),
		cmocka_unit_test(reservation_limit_and_shares_are_those_of_the_fluid),
		cmocka_unit_test(nioc_example_gives_40_40_20),
		cmocka_unit_test(harvester_example_guarantees_and_lends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
