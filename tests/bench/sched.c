// The scheduler alone.
// weir-sched VMS FLOWS POLICY N     POLICY: none, full (reservation, limits, CoDel), deadlines (of
//   64 VMs in class 2, half of the link reserved for it) or idle
//   keeps a backlog and passes packets through it, for counting instructions:
//   valgrind --tool=callgrind --toggle-collect=measure build/tests/weir-sched ...
// weir-sched compare VMS...
//   cycles beside those of rte_sched: sched_compare.c
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "qos_sched.h"
#include "sched_bench.h"

#define S 1000000000ull
#define STANDING 4u // packets per flow

static struct qos_sched *s;

static void check(int err)
{
	if (err != 0) {
		fprintf(stderr, "weir-sched: refused: %s\n", strerror(-err));
		exit(1);
	}
}

static void policy(uint32_t n_vms)
{
	struct qos_class_params c = { .node = { .shares = 10,
						.reservation_bits_per_s = 10 * S,
						.limit_bits_per_s = 90 * S },
				      .codel = { .target_ns = 2000000000,
						 .interval_ns = 2000000000 },
				      .max_leaf_bytes = 1000000,
				      .max_wait_ns = 4 * S };
	struct qos_node_params vm = { .shares = 10, .limit_bits_per_s = 20 * S };
	struct qos_node_params leaf = { .shares = 10,
					.reservation_bits_per_s = 10 * S / n_vms,
					.limit_bits_per_s = 10 * S };

	for (uint32_t cls = 2; cls < 6; cls++)
		check(qos_sched_set_class(s, cls, &c, S));
	for (uint32_t i = 0; i < n_vms; i++) {
		check(qos_sched_set_vm(s, i, &vm, S));
		check(qos_sched_set_leaf(s, i, 2, &leaf, S));
		check(qos_sched_set_leaf(s, i, 5, &leaf, S));
	}
}

static void deadlines(uint32_t n_vms)
{
	struct qos_class_params c = { .node = { .shares = 10, .reservation_bits_per_s = 50 * S } };

	check(qos_sched_set_class(s, 2, &c, S));
	for (uint32_t i = 0; i < n_vms && i < QOS_SCHED_DEADLINES; i++)
		check(qos_sched_set_deadline(s, i, 2, (100 + i * 7 % 64) * S, S));
}

// Each packet that leaves joins its queue again, on a 100 Gbit/s link that is always busy.
__attribute__((noinline)) static uint64_t measure(uint64_t n)
{
	uint64_t now_ns = 2 * S, n_sent = 0;
	struct qos_pkt *out[BENCH_BURST];
	int errs[BENCH_BURST];

	while (n_sent < n) {
		uint32_t got = qos_sched_dequeue_burst(s, out, BENCH_BURST, now_ns);

		now_ns += BENCH_BURST * BENCH_WIRE_BYTES * 8 / 100;
		if (qos_sched_enqueue_burst(s, out, got, now_ns, errs) != got)
			check(-ENOBUFS);
		n_sent += got;
	}
	return n_sent;
}

__attribute__((noinline)) static uint64_t measure_idle(struct qos_pkt *p, uint64_t n)
{
	uint64_t now_ns = 2 * S, n_sent = 0;

	for (; n_sent < n && qos_sched_idle_pass(s, p, now_ns); n_sent++)
		now_ns += 200;
	return n_sent;
}

// --- beside rte_sched

struct weir_side {
	void *mem;
	struct qos_sched *s;
	uint64_t now_ns;
};

static void *weir_create(uint32_t n_vms, bool full, size_t *memory)
{
	struct qos_sched_params params = {
		.rate_bits_per_s = 100 * S, .n_vms = n_vms, .n_flows = BENCH_FLOWS, .late_ns = 10000
	};
	struct weir_side *side = malloc(sizeof(*side));

	*memory = qos_sched_size(&params);
	if (side == NULL || (side->mem = rte_zmalloc(NULL, *memory, 64)) == NULL)
		return NULL;
	side->now_ns = S;
	check(qos_sched_init(side->mem, &params, S, &side->s));
	for (uint32_t i = 0; i < n_vms; i++)
		check(qos_sched_add_vm(side->s, i, S));
	s = side->s;
	if (full)
		policy(n_vms);
	return side;
}

static void *weir_create_none(uint32_t n_vms, size_t *memory)
{
	return weir_create(n_vms, false, memory);
}

static void *weir_create_full(uint32_t n_vms, size_t *memory)
{
	return weir_create(n_vms, true, memory);
}

static void weir_destroy(void *arg)
{
	struct weir_side *side = arg;

	rte_free(side->mem);
	free(side);
}

static void weir_mark(void *arg, struct rte_mbuf *m, uint32_t vm, uint32_t cls, uint32_t flow)
{
	(void)arg;
	*(struct qos_pkt *)rte_mbuf_to_priv(m) =
		(struct qos_pkt){ .wire_bytes = BENCH_WIRE_BYTES,
				  .flow_hash = (vm * 8 + cls) * BENCH_FLOWS + flow,
				  .vm_idx = (uint16_t)vm,
				  .cls = (uint8_t)(2 + cls) };
}

static uint32_t weir_enqueue(void *arg, struct rte_mbuf **ms, uint32_t n)
{
	struct weir_side *side = arg;
	struct qos_pkt *pkts[BENCH_BURST];
	int errs[BENCH_BURST];

	for (uint32_t i = 0; i < n; i++)
		pkts[i] = rte_mbuf_to_priv(ms[i]);
	return qos_sched_enqueue_burst(side->s, pkts, n, side->now_ns, errs);
}

static uint32_t weir_dequeue(void *arg, struct rte_mbuf **ms, uint32_t n)
{
	struct weir_side *side = arg;
	struct qos_pkt *out[BENCH_BURST];
	uint32_t got;

	side->now_ns += BENCH_BURST * BENCH_WIRE_BYTES * 8 / 100;
	got = qos_sched_dequeue_burst(side->s, out, n, side->now_ns);
	for (uint32_t i = 0; i < got; i++)
		ms[i] = (struct rte_mbuf *)out[i] - 1;
	return got;
}

// Cycles of one idle pass, by batches.
void bench_idle(void)
{
	struct qos_pkt p = { .wire_bytes = BENCH_WIRE_BYTES, .cls = 5 };
	uint64_t least = UINT64_MAX, now_ns = 2 * S;
	struct weir_side *side;
	size_t memory;

	for (uint32_t full = 0; full < 2; full++) {
		side = weir_create(64, full != 0, &memory);
		if (side == NULL)
			return;
		for (uint32_t i = 0; i < 20000; i++) {
			uint64_t t0 = rte_rdtsc_precise();

			for (uint32_t k = 0; k < BENCH_BURST; k++)
				if (!qos_sched_idle_pass(side->s, &p, now_ns += 2000))
					return;
			t0 = rte_rdtsc_precise() - t0;
			least = t0 < least ? t0 : least;
		}
		printf("no queue stands, %s: %.0f cycles\n", full ? "limits" : "no limits",
		       (double)least / BENCH_BURST);
		least = UINT64_MAX;
		weir_destroy(side);
	}
}

static const struct bench_side sides[] = {
	{ "weir", weir_create_none, weir_destroy, weir_mark, weir_enqueue, weir_dequeue, 128 },
	{ "weir full", weir_create_full, weir_destroy, weir_mark, weir_enqueue, weir_dequeue, 128 },
};

int main(int argc, char **argv)
{
	struct qos_sched_params params = { .rate_bits_per_s = 100 * S, .late_ns = 10000 };
	struct timespec from, to;
	struct qos_pkt *pkts;
	uint32_t n_pkts = 0;
	uint64_t n, n_sent;
	void *mem;
	bool idle;

	if (argc >= 2 && strcmp(argv[1], "compare") == 0) {
		uint32_t n_vms[8], n_n_vms = 0;
		const struct bench_side all[] = { sides[0], sides[1], bench_rte_sched };

		for (int i = 2; i < argc && n_n_vms < 8; i++)
			n_vms[n_n_vms++] = (uint32_t)strtoul(argv[i], NULL, 10);
		return bench_compare(all, 3, n_vms, n_n_vms) == 0 ? 0 : 1;
	}
	if (argc != 5) {
		fprintf(stderr, "usage: weir-sched VMS FLOWS none|full|deadlines|idle N | compare "
				"VMS...\n");
		return 2;
	}
	params.n_vms = (uint32_t)strtoul(argv[1], NULL, 10);
	params.n_flows = (uint32_t)strtoul(argv[2], NULL, 10);
	idle = strcmp(argv[3], "idle") == 0;
	n = strtoull(argv[4], NULL, 10);
	if (qos_sched_size(&params) == 0) {
		fprintf(stderr, "weir-sched: VMS or FLOWS out of bounds\n");
		return 2;
	}
	mem = aligned_alloc(64, (qos_sched_size(&params) + 63) & ~(size_t)63);
	pkts = calloc((size_t)params.n_vms * 4 * params.n_flows * STANDING, sizeof(*pkts));
	if (mem == NULL || pkts == NULL)
		return 1;
	memset(mem, 0, qos_sched_size(&params));
	check(qos_sched_init(mem, &params, S, &s));
	for (uint32_t i = 0; i < params.n_vms; i++)
		check(qos_sched_add_vm(s, i, S));
	if (strcmp(argv[3], "full") == 0)
		policy(params.n_vms);
	if (strcmp(argv[3], "deadlines") == 0)
		deadlines(params.n_vms);
	for (uint32_t i = 0; i < params.n_vms * 4 * params.n_flows * STANDING; i++) {
		pkts[i] = (struct qos_pkt){ .wire_bytes = 1538,
					    .flow_hash = i % params.n_flows,
					    .vm_idx = (uint16_t)(i / params.n_flows % params.n_vms),
					    .cls = (uint8_t)(2 + i / params.n_flows / params.n_vms %
									 4) };
		if (!idle)
			check(qos_sched_enqueue(s, &pkts[i], S));
		n_pkts++;
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	n_sent = idle ? measure_idle(pkts, n) : measure(n);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%u queues, %u packets standing, %zu bytes of state: %llu packets, %.0f ns each\n",
	       params.n_vms * QOS_SCHED_CLASSES * params.n_flows, idle ? 0 : n_pkts,
	       qos_sched_size(&params), (unsigned long long)n_sent,
	       ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
		       (double)n_sent);
	free(pkts);
	free(mem);
	return n_sent == n ? 0 : 1;
}
