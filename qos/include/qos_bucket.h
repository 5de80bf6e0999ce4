// A token bucket that counts operations (frames). Integer arithmetic, time injected; the remainder
// of a refill is carried in time, so no rate drifts.
//
// usage: qos_bucket_init(&b, 1000, 200, now); if (qos_bucket_take(&b, now) < 0) drop;
#ifndef QOS_BUCKET_H
#define QOS_BUCKET_H

#include <stdint.h>

struct qos_bucket {
	uint64_t t_ns;	    // time up to which tokens were earned
	uint64_t ns_per_op; // 0 = unlimited
	uint32_t tokens_ops;
	uint32_t burst_ops;
};

// Fill the bucket. rate 0 means unlimited. burst is at least 1 when the rate is not 0.
// rates over 1e9 ops/s are treated as unlimited: a frame cannot come faster.
void qos_bucket_init(struct qos_bucket *b, uint64_t rate_ops_per_s, uint32_t burst_ops,
		     uint64_t now_ns);

// Change the rate: tokens are kept, capped to the new burst; never refilled.
void qos_bucket_set_rate(struct qos_bucket *b, uint64_t rate_ops_per_s, uint32_t burst_ops,
			 uint64_t now_ns);

// Take one token.
//
// now_ns   monotonic, never earlier than in the previous call on b (an earlier time earns nothing)
// returns  0 = taken; -EAGAIN = empty, b otherwise unchanged
// thread   the bucket's one owner; does not block, allocate or log
int qos_bucket_take(struct qos_bucket *b, uint64_t now_ns);

#endif
