// Changing a rate (qos_rate.h). Included by sched.c and sched_conf.c only.
#ifndef QOS_RATE_PRIV_H
#define QOS_RATE_PRIV_H

#include "qos_rate.h"

#define QOS_NS_PER_S 1000000000ull

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

#endif
