// The scheduler alone, for counting: keeps a backlog and passes packets through it.
// weir-sched VMS FLOWS POLICY N     POLICY: none, full (reservation, limits, CoDel) or idle
// Instructions: valgrind --tool=callgrind --toggle-collect=measure build/tests/weir-sched ...
// Prints ns per packet as well, which say something only on a quiet machine.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qos_sched.h"

#define S 1000000000ull
#define BURST 32u
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

// Each packet that leaves joins its queue again, on a 100 Gbit/s link that is always busy.
__attribute__((noinline)) static uint64_t measure(uint64_t n)
{
	uint64_t now_ns = 2 * S, n_sent = 0;
	struct qos_pkt *out[BURST];

	while (n_sent < n) {
		uint32_t got = qos_sched_dequeue_burst(s, out, BURST, now_ns);

		now_ns += BURST * 1538 * 8 / 100;
		for (uint32_t i = 0; i < got; i++)
			check(qos_sched_enqueue(s, out[i], now_ns));
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

int main(int argc, char **argv)
{
	struct qos_sched_params params = { .rate_bits_per_s = 100 * S, .late_ns = 10000 };
	struct timespec from, to;
	struct qos_pkt *pkts;
	uint32_t n_pkts = 0;
	uint64_t n, n_sent;
	void *mem;
	bool idle;

	if (argc != 5) {
		fprintf(stderr, "usage: weir-sched VMS FLOWS none|full|idle N\n");
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
