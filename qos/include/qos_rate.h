// A rate as a virtual clock: the time at which what was sent so far is paid for. It is due while
// that time is not in the future, so the last packet may overdraw; a rest earns at most the burst.
//
// What was saved may reach back beyond time 0, so times are compared by difference.
//
// Arithmetic: cost = bytes * ns_per_byte, with 32 fractional bits, the remainder carried. From
// 1 kbit/s to 1 Tbit/s ns_per_byte is 8e6 .. 0.008, so inv is 2^55 .. 2^25: it fits, and its
// truncation is at most 3e-8 of the rate. The product is taken in 128 bits. A rate in packets is
// the same clock with a packet for a byte: from 1 packet/s inv is 2^62.
#ifndef QOS_RATE_H
#define QOS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define QOS_NS_PER_S 1000000000ull
#define QOS_RATE_FRAME_BYTES 1538u // 1500 + 14 + overhead
// The least a rest may earn: what keeps a rate exact when the loop is a little late.
#define QOS_RATE_BURST_FRAMES 8u
#define QOS_RATE_BURST_US 20u

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

// Change the rate. What was owed or saved stays the same number of bytes, so no change makes a
// burst and none makes a long silence. bits_per_s 0 = no rate.
static inline void qos_rate_set(struct qos_rate *r, uint64_t bits_per_s, uint32_t burst_bytes,
				uint64_t now_ns)
{
	uint64_t was = r->inv, burst_ns;
	int64_t ahead = (int64_t)(r->ns - now_ns); // > 0: owed

	if (bits_per_s == 0) {
		*r = (struct qos_rate){ .ns = 0 };
		return;
	}
	if (was == 0)
		ahead = 0;
	else if (ahead < -(int64_t)r->burst_ns)
		ahead = -(int64_t)r->burst_ns;
	r->inv = (uint64_t)(((unsigned __int128)8 * QOS_NS_PER_S << 32) / bits_per_s);
	burst_ns = (uint64_t)((unsigned __int128)burst_bytes * r->inv >> 32);
	r->burst_ns = burst_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)burst_ns;
	if (was != 0 && was != r->inv)
		ahead = (int64_t)((__int128)ahead * (__int128)r->inv / (__int128)was);
	if (ahead < -(int64_t)r->burst_ns)
		ahead = -(int64_t)r->burst_ns;
	r->ns = now_ns + (uint64_t)ahead;
}

// The burst of a rate: what was asked for (0 = eight frames), and no less than the rate carries in
// 20 us.
static inline uint32_t qos_rate_burst(uint64_t bits_per_s, uint32_t burst_bytes)
{
	uint64_t least = bits_per_s / 8 * QOS_RATE_BURST_US / 1000000;

	if (burst_bytes == 0)
		burst_bytes = QOS_RATE_BURST_FRAMES * QOS_RATE_FRAME_BYTES;
	return burst_bytes > least ? burst_bytes : (uint32_t)least;
}

#endif
