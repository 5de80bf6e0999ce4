// A rate as a virtual clock: the time at which what was sent so far is paid for. It is due while
// that time is not in the future, so the last packet may overdraw; a rest earns at most the burst.
//
// What was saved may reach back beyond time 0, so times are compared by difference.
//
// Arithmetic: cost = bytes * ns_per_byte, with 32 fractional bits, the remainder carried. From
// 1 kbit/s to 1 Tbit/s ns_per_byte is 8e6 .. 0.008, so inv is 2^55 .. 2^25: it fits, and its
// truncation is at most 3e-8 of the rate. The product is taken in 128 bits. A rate in packets is
// the same clock with a packet for a byte: from 1 packet/s inv is 2^62.
//
// It is public because the scheduler's idle path is inline; qos_rate_set is not.
#ifndef QOS_RATE_H
#define QOS_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct qos_rate {
	uint64_t ns;	   // paid up to here
	uint64_t inv;	   // ns per byte, 32 fractional bits; 0 = no rate: always due
	uint32_t frac;	   // of ns, 2^-32
	uint32_t burst_ns; // how far back a rest may earn
};

static inline bool qos_rate_due(const struct qos_rate *r, uint64_t now_ns)
{
	return (int64_t)(r->ns - now_ns) <= 0;
}

// Pay for bytes, whether or not it was due.
static inline void qos_rate_charge(struct qos_rate *r, uint64_t now_ns, uint32_t bytes)
{
	unsigned __int128 cost;

	if (__builtin_expect((int64_t)(now_ns - r->ns) > (int64_t)r->burst_ns, 0)) {
		r->ns = now_ns - r->burst_ns;
		r->frac = 0;
	}
	cost = (unsigned __int128)bytes * r->inv + r->frac;
	r->ns += (uint64_t)(cost >> 32);
	r->frac = (uint32_t)cost;
}

#endif
