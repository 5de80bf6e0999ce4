// E11: a thousand times a second each, VMs come and go, rates and shares change, while 1 to 5
// million packets a second pass. Nothing is lost that was accepted, nothing overtakes (the
// simulator watches both), and storage's waits are those of a link where nothing changes.
#include "sim.h"

#include <errno.h>

enum { STORAGE = 2, BULK = 5 };

#define N_STAY 24u // VMs that stay, the first of them storage's
#define N_PASS 40u // indexes of those that come and go
#define MAX_WAITS 100000u
#define RUN_MS 400u
#define LEAF_BYTES 50000u

struct result {
	uint64_t *waits_ns; // [MAX_WAITS]
	uint32_t n_waits;
	uint64_t n_sent, n_come, n_gone, n_busy;
};

static void sources(struct sim *sim, struct result *r, uint32_t frame_bytes)
{
	for (uint32_t i = 0; i < sim->n_srcs; i++)
		sim->srcs[i] = (struct sim_src){ .vm_idx = (uint16_t)i,
						 .cls = BULK,
						 .n_flows = 4,
						 .min_bytes = frame_bytes / 2,
						 .max_bytes = frame_bytes * 3 / 2,
						 .period_ns = 150 * SIM_US,
						 .jitter_ns = 100 * SIM_US,
						 .n_burst = 16,
						 .next_ns = sim->now_ns };
	for (uint32_t i = 0; i < N_STAY; i++)
		sim->srcs[i].depth = 32, sim->srcs[i].period_ns = 0;
	sim->srcs[0] = (struct sim_src){ .cls = STORAGE,
					 .min_bytes = 1420,
					 .max_bytes = 1420,
					 .period_ns = 50 * SIM_US,
					 .n_burst = 3,
					 .next_ns = sim->now_ns,
					 .waits_ns = r->waits_ns,
					 .max_waits = MAX_WAITS };
}

static struct qos_node_params any_node(struct sim *sim)
{
	uint64_t limit = SIM_G / 10 * (sim_random(sim) % 21);

	return sim_node(1 + (uint32_t)(sim_random(sim) % 4),
			limit == 0 ? 0 : limit / 100 * (sim_random(sim) % 4), limit);
}

// One VM comes or goes. While packets of the one before stand at its index, it has to wait.
static void come_or_go(struct sim *sim, struct result *r, bool *there)
{
	uint32_t i = (uint32_t)(sim_random(sim) % N_PASS), vm = N_STAY + i;
	int err;

	if (there[i]) {
		assert_int_equal(qos_sched_remove_vm(sim->s, vm, sim->now_ns), 0);
		there[i] = false;
		r->n_gone++;
		return;
	}
	err = qos_sched_add_vm(sim->s, vm, sim->now_ns);
	assert_true(err == 0 || err == -EBUSY);
	r->n_busy += err == -EBUSY;
	r->n_come += err == 0;
	there[i] = err == 0;
}

static void bulk_class(struct sim *sim, uint32_t shares)
{
	struct qos_class_params p = { .node = sim_node(shares, SIM_G / 2, 0),
				      .max_leaf_bytes = LEAF_BYTES };

	assert_int_equal(qos_sched_set_class(sim->s, BULK, &p, sim->now_ns), 0);
}

static void re_rate(struct sim *sim, uint32_t step)
{
	uint32_t vm = 1 + (uint32_t)(sim_random(sim) % (N_STAY + N_PASS - 1));
	struct qos_node_params n = any_node(sim);
	int err = 0;

	if (step % 3 == 0)
		err = qos_sched_set_vm(sim->s, vm, &n, sim->now_ns);
	else if (step % 3 == 1)
		err = qos_sched_set_leaf(sim->s, vm, BULK, &n, sim->now_ns);
	else
		bulk_class(sim, n.shares);
	assert_true(err == 0 || err == -ENOSPC || (err == -ENOENT && vm >= N_STAY));
}

static void run(uint32_t frame_bytes, bool changing, uint64_t seed, struct result *r)
{
	struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
					   .n_vms = N_STAY + N_PASS,
					   .n_flows = 4 };
	struct qos_node_params reserved = sim_node(10, SIM_G, 0);
	bool there[N_PASS];
	struct sim sim;

	memset(there, 1, sizeof(there));
	sim_init(&sim, &params, N_STAY + N_PASS, seed);
	sim_class(&sim, STORAGE, sim_node(16, 0, 9 * SIM_G));
	bulk_class(&sim, 4);
	assert_int_equal(qos_sched_set_leaf(sim.s, 0, STORAGE, &reserved, sim.now_ns), 0);
	sources(&sim, r, frame_bytes);
	sim_fill(&sim);
	for (uint32_t i = 0; i < RUN_MS; i++) {
		if (changing) {
			come_or_go(&sim, r, there);
			re_rate(&sim, i);
		}
		sim_run(&sim, sim.now_ns + SIM_MS);
	}
	for (uint32_t i = 0; i < sim.n_srcs; i++)
		r->n_sent += sim.srcs[i].n_sent;
	assert_int_equal(sim.srcs[0].n_refused, 0);
	r->n_waits = sim.srcs[0].n_waits;
	sim_fini(&sim);
}

static void e11(uint32_t frame_bytes, double min_mpps, uint64_t seed)
{
	struct result still = { .waits_ns = calloc(MAX_WAITS, sizeof(uint64_t)) };
	struct result moving = { .waits_ns = calloc(MAX_WAITS, sizeof(uint64_t)) };
	uint64_t a, b;

	assert_non_null(still.waits_ns);
	assert_non_null(moving.waits_ns);
	run(frame_bytes, false, seed, &still);
	run(frame_bytes, true, seed, &moving);
	assert_true((double)moving.n_sent >= min_mpps * 1e3 * RUN_MS);
	assert_true(moving.n_come >= RUN_MS / 4 && moving.n_gone >= RUN_MS / 4);
	assert_in_range(moving.n_waits, RUN_MS * 50, MAX_WAITS);
	a = sim_quantile(still.waits_ns, still.n_waits, 0.999);
	b = sim_quantile(moving.waits_ns, moving.n_waits, 0.999);
	sim_print("E11: %.2f Mpps, %u came, %u had to wait for their index; p99.9 %u ns, at rest "
		  "%u ns\n",
		  (double)moving.n_sent / 1e3 / RUN_MS, (unsigned)moving.n_come,
		  (unsigned)moving.n_busy, (unsigned)b, (unsigned)a);
	// Unchanged: within a largest packet of the rivals.
	assert_true(b <= a + frame_bytes * 12 / 10 + 100);
	free(still.waits_ns);
	free(moving.waits_ns);
}

static void e11_a_million_packets_a_second(void **state)
{
	(void)state;
	e11(1000, 1.0, 61);
}

static void e11_five_million_packets_a_second(void **state)
{
	(void)state;
	e11(150, 5.0, 62);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e11_a_million_packets_a_second),
		cmocka_unit_test(e11_five_million_packets_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
