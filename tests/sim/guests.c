// E7: one worker serves eight guests, as datapath/tx.c does: no rate, what a guest's ring does not
// take stays, and the guest is tried again 20 us later. One guest has stopped, one reads at a tenth
// of its speed: the other six notice nothing.
#include "sim.h"

enum { STORAGE = 2, BULK = 5 };

#define N_GUESTS 8u
#define STOPPED 6u
#define SLOW 7u
#define RING 256u // descriptors of a guest
#define STAGE 32u // taken from the scheduler for one call of the driver
#define ROUNDS 4u // such calls per guest and turn
#define RETRY_NS 20000u
#define QUOTA 512u // buffers of a VM
#define MAX_WAITS 400000u
#define RUN_MS 300u
// What the worker's time goes into.
#define RX_NS 60u    // receive, look up and queue a packet
#define CALL_NS 100u // a call of the driver
#define COPY_NS 60u  // a packet copied to a guest

struct guest {
	struct sim sim;
	struct sim_pkt *stage[STAGE];
	uint32_t n_stage, n_ring, most_held;
	uint64_t retry_ns, read_at_ns, read_ns; // read_ns: per packet; 0 = it has stopped
	uint64_t *waits_ns;
};

struct host {
	struct guest guests[N_GUESTS];
	uint64_t now_ns, busy_ns, wasted_ns;
};

// Some 400 000 packets a second: bulk in bursts, storage in between.
static void guest_init(struct guest *g, uint32_t idx)
{
	struct qos_sched_params params = { .n_vms = 1, .n_flows = 16 };
	// The quota is the VM's: a class that does not slow down must end before it, or the VM's
	// storage would find it used up.
	struct qos_class_params bulk = { .node = sim_node(4, 0, 0), .max_leaf_bytes = 150000 };

	memset(g, 0, sizeof(*g));
	sim_init(&g->sim, &params, 2, 201 + idx);
	qos_sched_set_buf_quota(g->sim.s, QUOTA);
	sim_class(&g->sim, STORAGE, sim_node(16, 4 * SIM_G, 0));
	assert_int_equal(qos_sched_set_class(g->sim.s, BULK, &bulk, g->sim.now_ns), 0);
	g->waits_ns = calloc(MAX_WAITS, sizeof(*g->waits_ns));
	assert_non_null(g->waits_ns);
	g->read_ns = 1000;
	g->read_at_ns = g->sim.now_ns;
	for (uint32_t i = 0; i < 2; i++)
		g->sim.srcs[i] = (struct sim_src){ .cls = i == 0 ? STORAGE : BULK,
						   .n_flows = 8,
						   .min_bytes = 64,
						   .max_bytes = 1514,
						   .period_ns = 30 * SIM_US,
						   .jitter_ns = 20 * SIM_US,
						   .n_burst = i == 0 ? 4 : 12,
						   .next_ns = g->sim.now_ns + idx * 3 * SIM_US };
	g->sim.srcs[0].waits_ns = g->waits_ns;
	g->sim.srcs[0].max_waits = MAX_WAITS;
}

static void reads(struct guest *g, uint64_t now_ns)
{
	uint64_t n = g->read_ns == 0 ? 0 : (now_ns - g->read_at_ns) / g->read_ns;

	g->read_at_ns += n * g->read_ns;
	g->n_ring -= n < g->n_ring ? (uint32_t)n : g->n_ring;
}

static void spend(struct host *h, uint64_t ns)
{
	h->now_ns += ns;
	h->busy_ns += ns;
}

static void receive(struct host *h, struct guest *g)
{
	uint64_t was = g->sim.n_events;

	g->sim.now_ns = h->now_ns;
	(void)sim_arrivals(&g->sim);
	spend(h, (g->sim.n_events - was) * RX_NS);
}

// One call of the driver. returns false when there is nothing to do, or the guest took too little
static bool send_some(struct host *h, struct guest *g)
{
	uint32_t n;

	g->sim.burst = STAGE - g->n_stage;
	while (g->n_stage < STAGE && (g->stage[g->n_stage] = sim_take(&g->sim)) != NULL)
		g->n_stage++;
	if (g->n_stage == 0)
		return false;
	reads(g, h->now_ns);
	n = RING - g->n_ring < g->n_stage ? RING - g->n_ring : g->n_stage;
	spend(h, CALL_NS + n * COPY_NS);
	h->wasted_ns += n == 0 ? CALL_NS : 0;
	for (uint32_t i = 0; i < n; i++) {
		g->stage[i]->out_ns = h->now_ns;
		sim_left(&g->sim, g->stage[i]);
	}
	g->n_ring += n;
	g->n_stage -= n;
	memmove(g->stage, g->stage + n, g->n_stage * sizeof(g->stage[0]));
	if (g->n_stage == 0)
		return true;
	g->retry_ns = h->now_ns + RETRY_NS;
	return false;
}

static void turn(struct host *h)
{
	for (uint32_t i = 0; i < N_GUESTS; i++)
		receive(h, &h->guests[i]);
	for (uint32_t i = 0; i < N_GUESTS; i++) {
		struct guest *g = &h->guests[i];
		uint32_t held;

		g->sim.now_ns = h->now_ns;
		for (uint32_t r = 0; r < ROUNDS && g->retry_ns <= h->now_ns; r++)
			if (!send_some(h, g))
				break;
		assert_int_equal(g->sim.stage_at, g->sim.n_stage);
		held = g->sim.n_out + g->n_stage;
		g->most_held = held > g->most_held ? held : g->most_held;
	}
	h->now_ns += 200; // the loop itself
}

static void run(struct host *h, bool healthy)
{
	*h = (struct host){ .now_ns = SIM_S };
	for (uint32_t i = 0; i < N_GUESTS; i++)
		guest_init(&h->guests[i], i);
	if (!healthy) {
		h->guests[STOPPED].read_ns = 0;
		h->guests[SLOW].read_ns *= 10;
	}
	while (h->now_ns < SIM_S + RUN_MS * SIM_MS)
		turn(h);
}

static void host_fini(struct host *h)
{
	for (uint32_t i = 0; i < N_GUESTS; i++) {
		struct guest *g = &h->guests[i];

		for (uint32_t n = 0; n < g->n_stage; n++) {
			g->stage[n]->out_ns = h->now_ns;
			sim_left(&g->sim, g->stage[n]);
		}
		sim_fini(&g->sim);
		free(g->waits_ns);
	}
}

static uint64_t bytes_of(const struct guest *g)
{
	return g->sim.srcs[0].sent_bytes + g->sim.srcs[1].sent_bytes;
}

// What the two cost, and what they got.
static void check_slow(const struct host *bad)
{
	double waste = 0;

	waste = (double)bad->wasted_ns / (double)(bad->now_ns - SIM_S);
	sim_print(
		"E7: the stopped guest held %u buffers, the slow one %u and got %.3f of its ring's "
		"pace; wasted %.4f %% of the worker\n",
		bad->guests[STOPPED].most_held, bad->guests[SLOW].most_held,
		(double)(bad->guests[SLOW].sim.srcs[0].n_sent +
			 bad->guests[SLOW].sim.srcs[1].n_sent) /
			(RUN_MS * 100.0),
		100 * waste);
	assert_true(waste < 0.01);
	// A quota of the scheduler, and what one call of the driver was given.
	for (uint32_t i = STOPPED; i <= SLOW; i++)
		assert_true(bad->guests[i].most_held <= QUOTA + STAGE);
	assert_true(bad->guests[STOPPED].most_held >= QUOTA - QUOTA / 16 * 5); // bulk's part
	// The stopped guest's ring was filled once; the slow one has all that it can read, and its
	// storage first.
	assert_int_equal(bad->guests[STOPPED].n_ring, RING);
	assert_true(bad->guests[SLOW].sim.srcs[0].n_sent + bad->guests[SLOW].sim.srcs[1].n_sent >=
		    RUN_MS * 100 * 99 / 100);
	assert_true(bad->guests[SLOW].sim.srcs[0].n_sent > bad->guests[SLOW].sim.srcs[1].n_sent);
}

static void e7_a_slow_guest_is_its_own_problem(void **state)
{
	struct host *good = calloc(1, sizeof(*good)), *bad = calloc(1, sizeof(*bad));

	(void)state;
	assert_non_null(good);
	assert_non_null(bad);
	run(good, true);
	run(bad, false);
	for (uint32_t i = 0; i < STOPPED; i++) {
		struct sim_src *a = &good->guests[i].sim.srcs[0], *b = &bad->guests[i].sim.srcs[0];
		uint64_t with = sim_quantile(b->waits_ns, b->n_waits, 0.999);
		uint64_t without = sim_quantile(a->waits_ns, a->n_waits, 0.999);

		sim_print("E7: guest %u, p99.9 %u ns, with all healthy %u ns, %.4f of the bytes\n",
			  i, (unsigned)with, (unsigned)without,
			  (double)bytes_of(&bad->guests[i]) / (double)bytes_of(&good->guests[i]));
		assert_true((double)bytes_of(&bad->guests[i]) >=
			    0.99 * (double)bytes_of(&good->guests[i]));
		assert_true(with <= without + 10 * SIM_US);
		assert_int_equal(b->n_refused, 0);
		assert_true(b->n_waits > 20000);
	}
	check_slow(bad);
	host_fini(good);
	host_fini(bad);
	free(good);
	free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e7_a_slow_guest_is_its_own_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
