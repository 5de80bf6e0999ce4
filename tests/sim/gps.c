// E15, differential: sources that start and stop at random, each served bytes compared with a
// fluid link that has the same backlogs at the same times. With an argument: so many events.
#include "fluid.h"
#include "sim.h"

#include <math.h>

#define N 12u
#define STEP_NS (50 * SIM_US)
#define STEPS 4000u
#define WIRE (1514 + QOS_WIRE_OVERHEAD_BYTES)

static uint64_t want_events; // 0 = the seeds below

struct queue { // the fluid twin of one source
	double standing, served;
	double saved; // bytes of its limit's burst
};

struct twin {
	struct fluid_node nodes[N];
	struct queue q[N];
	double limits[N], bursts[N]; // bytes per ns, bytes; 0 = none
};

// What differs from seed to seed.
struct plan {
	uint64_t seed;
	uint32_t n_burst; // packets offered to a source at most, mean half
	uint64_t reservation, limit;
	double drift;	 // part of what a source has been served that it may differ by in time
	bool late_loops; // the loop is away for 1 to 20 ms, and the clock steps back
};

// Which are backlogged, and how fast each may go: at its limit once its burst is spent.
static double rates(struct twin *t, double until)
{
	for (uint32_t i = 0; i < N; i++) {
		t->nodes[i].backlogged = t->q[i].standing > 1e-3;
		t->nodes[i].limit = t->q[i].saved > 1e-3 ? 0 : t->limits[i];
	}
	fluid_divide(t->nodes, N, 10 / 8.0);
	for (uint32_t i = 0; i < N; i++) {
		double rate = t->nodes[i].backlogged ? t->nodes[i].rate : 0;

		if (rate > 0)
			until = fmin(until, t->q[i].standing / rate);
		if (t->limits[i] != 0 && rate > t->limits[i])
			until = fmin(until, t->q[i].saved / (rate - t->limits[i]));
	}
	return fmax(until, 1e-6);
}

// Let the fluid run: rates hold until a queue runs empty or a burst is spent.
static void flow_on(struct twin *t, double ns)
{
	while (ns > 1e-6) {
		double until = rates(t, ns);

		for (uint32_t i = 0; i < N; i++) {
			double part = t->nodes[i].backlogged ? t->nodes[i].rate * until : 0;

			t->q[i].standing -= part;
			t->q[i].served += part;
			t->q[i].saved += t->limits[i] * until - part;
			t->q[i].saved = fmin(fmax(t->q[i].saved, 0), t->bursts[i]);
		}
		ns -= until;
	}
}

// A source, a third of them with a reservation, a third with a limit: of the leaf or of the VM,
// which has one leaf only.
static void describe(struct sim *sim, struct twin *t, const struct plan *plan, uint32_t i)
{
	struct qos_node_params vm = sim_node(1 + (uint32_t)(sim_random(sim) % 10), 0, 0);

	if (i % 3 == 1)
		vm.reservation_bits_per_s = plan->reservation;
	if (i % 3 == 2 && plan->limit != 0) {
		vm.limit_bits_per_s = plan->limit * (1 + sim_random(sim) % 4);
		vm.burst_bytes = 20000;
		t->limits[i] = (double)vm.limit_bits_per_s / 8e9;
		// And the last packet, which may overdraw: half of it in the mean.
		t->bursts[i] = 20000 + WIRE / 2;
	}
	if (i % 2 == 1)
		assert_int_equal(qos_sched_set_leaf(sim->s, i, 5, &vm, sim->now_ns), 0);
	else
		assert_int_equal(qos_sched_set_vm(sim->s, i, &vm, sim->now_ns), 0);
	t->nodes[i] = (struct fluid_node){
		.weight = vm.shares,
		.reservation = (double)vm.reservation_bits_per_s / 8e9,
	};
	sim->srcs[i] = (struct sim_src){
		.vm_idx = (uint16_t)i, .cls = 5, .n_flows = 4, .min_bytes = 60, .max_bytes = 1514
	};
}

// A clock that steps back, and a loop that is away. Nothing may leave meanwhile, and what may be
// made up for is late_ns of the link, once, and the bursts of limits. An absence also forgives what
// the last packets had overdrawn, so the fluid starts anew from where the packets are.
static void go_away(struct sim *sim, struct twin *t, uint64_t late_ns)
{
	uint64_t away_ns = SIM_MS + sim_random(sim) % (19 * SIM_MS);
	uint64_t was_ns = sim->now_ns, bytes = sim->bytes_out;

	sim->now_ns -= sim_random(sim) % SIM_MS;
	sim_run(sim, was_ns);
	assert_true(sim->bytes_out <= bytes + WIRE + late_ns * 10 / 8);
	for (uint32_t i = 0; i < N; i++) {
		const struct sim_src *r = &sim->srcs[i];

		t->q[i].served = (double)r->sent_bytes;
		t->q[i].standing = (double)(r->offered_bytes - r->sent_bytes);
		t->q[i].saved = fmin(t->q[i].saved + t->limits[i] * (double)away_ns, t->bursts[i]);
	}
	sim->now_ns = was_ns + away_ns;
	flow_on(t, (double)late_ns);
}

// returns the greatest difference between packets and fluid, in largest packets
static double differ(const struct plan *plan, uint64_t *n_events)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = N,
					   .n_flows = 4,
					   .late_ns = plan->late_loops ? 8000 : 0 };
	struct twin t = { 0 };
	double worst = 0;
	struct sim sim;

	sim_init(&sim, &params, N, plan->seed);
	for (uint32_t i = 0; i < N; i++)
		describe(&sim, &t, plan, i);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = (uint32_t)(sim_random(&sim) % N);
		uint64_t was = sim.srcs[i].offered_bytes;

		// Behind limits more may gather than the pool has.
		for (uint32_t n = (uint32_t)(sim_random(&sim) % plan->n_burst); n != 0; n--)
			if (sim.n_out < sim.n_pool)
				sim_offer(&sim, i);
		t.q[i].standing += (double)(sim.srcs[i].offered_bytes - was);
		if (plan->late_loops && step % 16 == 15)
			go_away(&sim, &t, params.late_ns);
		sim_run(&sim, sim.now_ns + STEP_NS);
		flow_on(&t, STEP_NS);
		for (uint32_t j = 0; j < N; j++) {
			double off = fabs((double)sim.srcs[j].sent_bytes - t.q[j].served);

			worst = fmax(worst, (off - plan->drift * t.q[j].served) / WIRE);
		}
	}
	*n_events += sim.n_events;
	sim_fini(&sim);
	return worst;
}

// Often idle, and mostly full; over some seeds, or as many as the events need.
static void compare(struct plan plan, double mark)
{
	uint64_t n_events = 0;
	double worst = 0;

	for (plan.seed = 31; plan.seed < 36 || n_events < want_events; plan.seed++) {
		plan.n_burst = plan.seed % 2 == 0 ? 120 : 160;
		worst = fmax(worst, differ(&plan, &n_events));
	}
	sim_print("E15: worst %.2f packets in %.3g events\n", worst, (double)n_events);
	assert_true(worst <= mark);
}

// Start-time order (Goyal, Vin, Cheng 1996) differs from the fluid by a packet of its own and a
// packet's worth of its rivals. Measured 1.95 packets; the mark is twice that.
static void e15_service_stays_near_the_fluid(void **state)
{
	(void)state;
	compare((struct plan){ 0 }, 4);
}

// The fluid has no debts (4 packets for each rival to make up for), so with reservations the two
// drift further: measured 28 packets. With debts of 256 KB it was 170. And it has no memory: where
// a share is now above, now below the reservation, it gives the greater at every instant, the
// scheduler the greater of somewhat longer means, 1.3 % less in the worst of 60 seeds.
static void e15_with_reservations_too(void **state)
{
	(void)state;
	compare((struct plan){ .reservation = SIM_G, .drift = 0.02 }, 20);
}

// Limits have bursts here as there: measured 7.2; and the drift that E4 allows a limit in a second.
static void e15_with_limits_and_their_bursts(void **state)
{
	(void)state;
	compare((struct plan){ .limit = SIM_G / 4, .drift = 0.0025 }, 25);
}

// Measured 7.5, 9.3 and 13.2, of which 6.5 are what the link may catch up at once.
static void e15_with_late_loops_and_a_clock_that_steps_back(void **state)
{
	(void)state;
	compare((struct plan){ .late_loops = true }, 15);
	compare((struct plan){ .limit = SIM_G / 4, .drift = 0.0025, .late_loops = true }, 20);
	compare((struct plan){ .limit = SIM_G / 4,
			       .reservation = SIM_G,
			       .drift = 0.02,
			       .late_loops = true },
		20);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e15_service_stays_near_the_fluid),
		cmocka_unit_test(e15_with_reservations_too),
		cmocka_unit_test(e15_with_limits_and_their_bursts),
		cmocka_unit_test(e15_with_late_loops_and_a_clock_that_steps_back),
	};

	if (argc > 1)
		want_events = (uint64_t)strtod(argv[1], NULL) / 6; // comparisons
	return cmocka_run_group_tests(tests, NULL, NULL);
}
