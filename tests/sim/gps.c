// E15, differential: sources that start and stop at random, each served bytes compared with a
// fluid link that has the same backlogs at the same times.
#include "fluid.h"
#include "sim.h"

#include <math.h>

#define N 12u
#define STEP_NS (50 * SIM_US)
#define WIRE (1514 + QOS_WIRE_OVERHEAD_BYTES)

struct queue { // the fluid twin of one source
	double standing, served;
};

// Let the fluid run: rates hold until a queue runs empty.
static void flow_on(struct fluid_node *nodes, struct queue *q, double ns, double capacity)
{
	while (ns > 1e-6) {
		double until = ns;

		for (uint32_t i = 0; i < N; i++)
			nodes[i].backlogged = q[i].standing > 1e-3;
		fluid_divide(nodes, N, capacity);
		for (uint32_t i = 0; i < N; i++)
			if (nodes[i].backlogged && q[i].standing / nodes[i].rate < until)
				until = q[i].standing / nodes[i].rate;
		for (uint32_t i = 0; i < N; i++) {
			double part = nodes[i].backlogged ? nodes[i].rate * until : 0;

			q[i].standing -= part;
			q[i].served += part;
		}
		ns -= until;
	}
}

// returns the greatest difference between packets and fluid, in largest packets
static double differ(uint64_t seed, uint32_t n_bulk_bursts, uint64_t reservation)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = N,
					   .n_flows = 4 };
	struct fluid_node nodes[N];
	struct queue q[N] = { 0 };
	double worst = 0;
	struct sim sim;

	sim_init(&sim, &params, N, seed);
	for (uint32_t i = 0; i < N; i++) {
		struct qos_node_params vm = sim_node(1 + (uint32_t)(sim_random(&sim) % 10), 0, 0);

		if (i % 3 == 1)
			vm.reservation_bits_per_s = reservation;
		// A reservation of the leaf or of the VM: the VM has one leaf only.
		if (i % 2 == 1)
			assert_int_equal(qos_sched_set_leaf(sim.s, i, 5, &vm, sim.now_ns), 0);
		else
			assert_int_equal(qos_sched_set_vm(sim.s, i, &vm, sim.now_ns), 0);
		nodes[i] = (struct fluid_node){
			.weight = vm.shares,
			.reservation = (double)vm.reservation_bits_per_s / 8e9,
		};
		sim.srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						.cls = 5,
						.n_flows = 4,
						.min_bytes = 60,
						.max_bytes = 1514 };
	}
	for (uint32_t step = 0; step < 4000; step++) {
		uint32_t i = (uint32_t)(sim_random(&sim) % N);
		uint64_t was = sim.srcs[i].offered_bytes;

		for (uint32_t n = (uint32_t)(sim_random(&sim) % n_bulk_bursts); n != 0; n--)
			sim_offer(&sim, i);
		q[i].standing += (double)(sim.srcs[i].offered_bytes - was);
		sim_run(&sim, sim.now_ns + STEP_NS);
		flow_on(nodes, q, STEP_NS, 10 / 8.0);
		for (uint32_t j = 0; j < N; j++)
			worst = fmax(worst,
				     fabs((double)sim.srcs[j].sent_bytes - q[j].served) / WIRE);
	}
	sim_fini(&sim);
	return worst;
}

// Start-time order (Goyal, Vin, Cheng 1996) differs from the fluid by a packet of its own and a
// packet's worth of its rivals. Measured 1.95 packets; the mark is twice that.
static void e15_service_stays_near_the_fluid(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t seed = 31; seed < 36; seed++) {
		worst = fmax(worst, differ(seed, 120, 0)); // often idle
		worst = fmax(worst, differ(seed, 160, 0)); // mostly full
	}
	if (getenv("SIM_PRINT") != NULL)
		print_message("worst: %.2f packets\n", worst);
	assert_true(worst <= 4);
}

// The fluid has neither bursts (8 frames) nor debts (4 packets for each rival to make up for), so
// with reservations the two drift further: measured 28.5 packets. With debts of 256 KB it was 170.
static void e15_with_reservations_too(void **state)
{
	double worst = 0;

	(void)state;
	for (uint64_t seed = 31; seed < 36; seed++) {
		worst = fmax(worst, differ(seed, 120, SIM_G));
		worst = fmax(worst, differ(seed, 160, SIM_G));
	}
	if (getenv("SIM_PRINT") != NULL)
		print_message("worst: %.2f packets\n", worst);
	assert_true(worst <= 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e15_service_stays_near_the_fluid),
		cmocka_unit_test(e15_with_reservations_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
