// Counts of packets and bytes that one worker writes and main reads.
#ifndef OF_TALLY_PRIV_H
#define OF_TALLY_PRIV_H

#include <stdatomic.h>
#include <stdint.h>

#include "dp_of.h"

struct dp_of_tally {
	// worker: w, main: r, relaxed
	_Atomic uint64_t n_pkts, n_bytes, used_ns;
};

static inline void dp_of_tally_add(struct dp_of_tally *t, uint32_t bytes, uint64_t at_ns)
{
	const memory_order relaxed = memory_order_relaxed;

	atomic_store_explicit(&t->n_pkts, atomic_load_explicit(&t->n_pkts, relaxed) + 1, relaxed);
	atomic_store_explicit(&t->n_bytes, atomic_load_explicit(&t->n_bytes, relaxed) + bytes,
			      relaxed);
	atomic_store_explicit(&t->used_ns, at_ns, relaxed);
}

static inline void dp_of_tally_sum(const struct dp_of_tally *t, struct dp_of_count *sum)
{
	uint64_t used_ns = atomic_load_explicit(&t->used_ns, memory_order_relaxed);

	sum->n_pkts += atomic_load_explicit(&t->n_pkts, memory_order_relaxed);
	sum->n_bytes += atomic_load_explicit(&t->n_bytes, memory_order_relaxed);
	if (used_ns > sum->used_ns)
		sum->used_ns = used_ns;
}

#endif
