// Cycles of one enqueue and one dequeue, side by side: every number of VMs is run A B B A with the
// same packets standing. A packet that left comes back at once (warm), after as many others as are
// standing (later), or after 128 MB of others (cold). Medians over batches of 32, of each run; of a
// side's runs the lowest, because what else the machine does only adds.
//
// How many VMs were served is said besides: rte_sched stays with the same few pipes as long as they
// have packets, so it may work on less than it holds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_sched.h>

#include "qos_sched.h"
#include "sched_bench.h"

#define BATCHES 2000u
#define RUNS 8u		      // of each side
#define COLD_MBUFS (1u << 19) // of 256 bytes each

enum back { WARM, LATER, COLD };

struct figures {
	double enqueue, dequeue;
	uint32_t n_served; // VMs, among the packets of the measured batches
};

static struct rte_mbuf **mbufs; // [2 * COLD_MBUFS], for every run anew
static struct rte_mbuf **ring;	// of those that wait to come back
static uint32_t ring_size, ring_at;

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double median(uint32_t *v, uint32_t n)
{
	qsort(v, n, sizeof(*v), compare);
	return n == 0 ? 0 : (double)v[n / 2] / BENCH_BURST;
}

// What left is replaced by what left longest ago.
static void swap(struct rte_mbuf **ms, uint32_t n)
{
	for (uint32_t i = 0; i < n && ring_size != 0; i++) {
		struct rte_mbuf *m = ring[ring_at];

		ring[ring_at] = ms[i];
		ms[i] = m;
		ring_at = (ring_at + 1) % ring_size;
	}
}

static void measure(const struct bench_side *side, void *s, struct figures *out)
{
	static uint32_t in[BATCHES], off[BATCHES];
	struct rte_mbuf *ms[BENCH_BURST];
	uint32_t n = 0, n_refused = 0;
	static bool served[UINT16_MAX + 1];

	memset(served, 0, sizeof(served));
	out->n_served = 0;

	for (uint32_t i = 0; i < 2 * BATCHES; i++) {
		uint64_t t0 = rte_rdtsc_precise(), t1, t2, t3;
		uint32_t got = side->dequeue(s, ms, BENCH_BURST);

		t1 = rte_rdtsc_precise();
		for (uint32_t k = 0; k < got && i >= BATCHES; k++) {
			out->n_served += !served[ms[k]->port];
			served[ms[k]->port] = true;
		}
		swap(ms, got);
		t2 = rte_rdtsc_precise();
		n_refused += got - side->enqueue(s, ms, got);
		t3 = rte_rdtsc_precise();
		if (i < BATCHES || got != BENCH_BURST)
			continue;
		off[n] = (uint32_t)(t1 - t0);
		in[n++] = (uint32_t)(t3 - t2);
	}
	if (n < BATCHES / 2 || n_refused != 0)
		fprintf(stderr, "weir-sched: %s: %u full batches of %u, %u packets refused\n",
			side->name, n, BATCHES, n_refused);
	out->enqueue = median(in, n);
	out->dequeue = median(off, n);
}

// Fill, measure, empty. returns 0; -1 when packets are missing or were refused
static int run(const struct bench_side *side, uint32_t n_vms, enum back back, struct figures *out,
	       size_t *memory)
{
	uint32_t n = n_vms * BENCH_CLASSES * BENCH_FLOWS * BENCH_STANDING;
	const uint32_t n_back[] = { 0, n, (COLD_MBUFS + n - 1) / n * n };
	struct rte_mbuf *m;
	void *s = side->create(n_vms, memory);

	if (s == NULL)
		return -1;
	for (uint32_t i = 0; i < n + n_back[back]; i++) {
		uint32_t flow = i % BENCH_FLOWS, cls = i / BENCH_FLOWS % BENCH_CLASSES;

		m = mbufs[i];
		m->pkt_len = m->data_len = BENCH_WIRE_BYTES - 24;
		m->port = (uint16_t)(i / BENCH_FLOWS / BENCH_CLASSES % n_vms);
		side->mark(s, m, i / BENCH_FLOWS / BENCH_CLASSES % n_vms, cls, flow);
		if (i >= n)
			ring[i - n] = m;
		else if (side->enqueue(s, &m, 1) != 1)
			return -1;
	}
	ring_size = n_back[back];
	ring_at = 0;
	measure(side, s, out);
	side->destroy(s);
	return 0;
}

static double sum(const struct figures *f)
{
	return f->enqueue + f->dequeue;
}

static int compare_at(const struct bench_side *sides, uint32_t n_sides, uint32_t n_vms,
		      enum back back)
{
	static const char *const names[] = { "warm", "later", "cold" };
	struct figures best[8];
	size_t memory[8];

	for (uint32_t i = 0; i < RUNS * n_sides; i++) {
		uint32_t at = i % (2 * n_sides), k = at < n_sides ? at : 2 * n_sides - 1 - at;
		struct figures f;

		if (run(&sides[k], n_vms, back, &f, &memory[k]) != 0)
			return -1;
		if (i < n_sides || sum(&f) < sum(&best[k]))
			best[k] = f;
	}
	for (uint32_t k = 0; k < n_sides; k++)
		printf("%5u VMs (%u served)  %-5s %-10s %4.0f + %4.0f = %4.0f cycles; %u queues of "
		       "%.0f "
		       "bytes\n",
		       n_vms, best[k].n_served, names[back], sides[k].name, best[k].enqueue,
		       best[k].dequeue, sum(&best[k]), n_vms * sides[k].n_queues_per_vm,
		       (double)memory[k] / n_vms / sides[k].n_queues_per_vm);
	fflush(stdout);
	return 0;
}

// With hugepages (320 of 2 MB), as the datapath has: both
// schedulers' state and the packets lie in them.
int bench_compare(const struct bench_side *sides, uint32_t n_sides, const uint32_t *n_vms,
		  uint32_t n_n_vms)
{
	char *args[] = { "weir-sched", "--in-memory", "--no-pci",    "-m", "640",
			 "--lcores",   "0@(0-1)",     "--log-level", "3",  NULL };
	struct rte_mempool *pool;

	if (rte_eal_init(9, args) < 0)
		return -1;
	pool = rte_pktmbuf_pool_create("mbufs", 2 * COLD_MBUFS, 0, 64, 64, 0);
	ring = calloc(2 * COLD_MBUFS, sizeof(*ring));
	mbufs = calloc(2 * COLD_MBUFS, sizeof(*mbufs));
	if (pool == NULL || ring == NULL || mbufs == NULL ||
	    rte_pktmbuf_alloc_bulk(pool, mbufs, 2 * COLD_MBUFS) != 0)
		return -1;
	printf("%.2f GHz TSC; %u classes of %u flows with %u packets standing in each\n",
	       (double)rte_get_tsc_hz() / 1e9, BENCH_CLASSES, BENCH_FLOWS, BENCH_STANDING);
	bench_idle();
	for (enum back back = WARM; back <= COLD; back++)
		for (uint32_t i = 0; i < n_n_vms; i++)
			if (compare_at(sides, n_sides, n_vms[i], back) != 0)
				return -1;
	return 0;
}

// --- rte_sched: a pipe per VM, its four best-effort queues (shared by weights) for the classes

#define RTE_BYTES_PER_S 125000000000ull // more than any core can send: the rate never limits

struct rte_side {
	struct rte_sched_port *port;
};

static void *rte_create(uint32_t n_vms, size_t *memory)
{
	struct rte_sched_subport_profile_params profile = { .tb_rate = RTE_BYTES_PER_S,
							    .tb_size = 1000000000,
							    .tc_period = 10 };
	struct rte_sched_pipe_params pipe = { .tb_rate = RTE_BYTES_PER_S,
					      .tb_size = 1000000000,
					      .tc_period = 10,
					      .tc_ov_weight = 1,
					      .wrr_weights = { 1, 1, 1, 1 } };
	struct rte_sched_port_params params = { .name = "bench",
						.rate = RTE_BYTES_PER_S,
						.mtu = 1522,
						.frame_overhead = 24,
						.n_subports_per_port = 1,
						.subport_profiles = &profile,
						.n_subport_profiles = 1,
						.n_max_subport_profiles = 1,
						.n_pipes_per_subport = rte_align32pow2(n_vms) };
	struct rte_sched_subport_params subport = { .n_pipes_per_subport_enabled =
							    rte_align32pow2(n_vms),
						    .pipe_profiles = &pipe,
						    .n_pipe_profiles = 1,
						    .n_max_pipe_profiles = 1 };
	struct rte_sched_subport_params *subports[] = { &subport };
	struct rte_side *side = malloc(sizeof(*side));

	for (uint32_t i = 0; i < RTE_SCHED_TRAFFIC_CLASSES_PER_PIPE; i++) {
		profile.tc_rate[i] = pipe.tc_rate[i] = RTE_BYTES_PER_S;
		subport.qsize[i] = 128;
	}
	*memory = rte_sched_port_get_memory_footprint(&params, subports);
	if (side == NULL || (side->port = rte_sched_port_config(&params)) == NULL ||
	    rte_sched_subport_config(side->port, 0, &subport, 0) != 0)
		return NULL;
	for (uint32_t i = 0; i < n_vms; i++)
		if (rte_sched_pipe_config(side->port, 0, i, 0) != 0)
			return NULL;
	return side;
}

static void rte_destroy(void *arg)
{
	struct rte_side *side = arg;

	rte_sched_port_free(side->port);
	free(side);
}

static void rte_mark(void *arg, struct rte_mbuf *m, uint32_t vm, uint32_t cls, uint32_t flow)
{
	struct rte_side *side = arg;

	(void)flow; // it has no queues for flows
	rte_sched_port_pkt_write(side->port, m, 0, vm, RTE_SCHED_TRAFFIC_CLASS_BE, cls,
				 RTE_COLOR_GREEN);
}

static uint32_t rte_enqueue(void *arg, struct rte_mbuf **ms, uint32_t n)
{
	return (uint32_t)rte_sched_port_enqueue(((struct rte_side *)arg)->port, ms, n);
}

static uint32_t rte_dequeue(void *arg, struct rte_mbuf **ms, uint32_t n)
{
	return (uint32_t)rte_sched_port_dequeue(((struct rte_side *)arg)->port, ms, n);
}

const struct bench_side bench_rte_sched = { "rte_sched", rte_create,  rte_destroy, rte_mark,
					    rte_enqueue, rte_dequeue, 16 };
