// What weir-sched measures: two schedulers behind one face.
#ifndef BENCH_SCHED_H
#define BENCH_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;

#define BENCH_BURST 32u
#define BENCH_CLASSES 4u  // that have packets, of 8
#define BENCH_FLOWS 16u	  // per VM and class
#define BENCH_STANDING 2u // packets per flow
#define BENCH_WIRE_BYTES 1538u

struct bench_side {
	const char *name;
	void *(*create)(uint32_t n_vms, size_t *memory); // NULL: no
	void (*destroy)(void *side);
	// Say where a packet belongs, once and for all.
	void (*mark)(void *side, struct rte_mbuf *m, uint32_t vm, uint32_t cls, uint32_t flow);
	uint32_t (*enqueue)(void *side, struct rte_mbuf **ms, uint32_t n);
	uint32_t (*dequeue)(void *side, struct rte_mbuf **ms, uint32_t n);
	uint32_t n_queues_per_vm;
};

// returns 0; -1 when memory or a scheduler could not be had
int bench_compare(const struct bench_side *sides, uint32_t n_sides, const uint32_t *n_vms,
		  uint32_t n_n_vms);

// Of weir alone.
void bench_idle(void);

extern const struct bench_side bench_rte_sched;

#endif
