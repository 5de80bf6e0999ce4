// CoDel (RFC 8289) on one queue: it looks at how long a packet stood in the queue, not at how many
// stand there, and drops or marks at a growing pace while the standing queue stays above target.
//
// Departures from RFC 8289's pseudo-code, each for a reason:
//   - The queue belongs to the caller: the caller pops, asks for a verdict, and acts on it. So
//     one function serves every queue, and the test can drive it packet by packet.
//   - A queue that is behind its schedule drops at most one packet per verdict, and the caller
//     bounds the verdicts per packet sent. The schedule (drop_next) is not moved by that bound.
//   - A packet that can be marked (ECN) is marked and sent (section 3.4 of RFC 8289 leaves the
//     choice to the implementer; RFC 8290 4.2.1 says how).
//
// Besides, a step mark: every ECN packet that waited longer than step_ns is marked (for DCTCP and
// L4S senders); 0 = off. It does not touch CoDel's state.
//
// thread: the queue's owner.
#ifndef QOS_CODEL_H
#define QOS_CODEL_H

#include <stdbool.h>
#include <stdint.h>

struct qos_codel_params {
	uint32_t target_ns;   // 0 = CoDel off
	uint32_t interval_ns; // at least target_ns
	uint32_t step_ns;     // 0 = off
	uint32_t floor_bytes; // with no more than this standing, nothing is dropped
};

struct qos_codel {
	uint64_t first_above_ns; // when to start dropping; 0 = below target
	uint64_t drop_next_ns;
	uint32_t count; // drops since dropping began
	uint32_t last_count : 31;
	uint32_t dropping : 1;
};

enum qos_codel_verdict {
	QOS_CODEL_PASS,
	QOS_CODEL_MARK, // send it, marked
	QOS_CODEL_DROP, // drop it and ask again with the next one
};

// A packet that was just taken from the head.
struct qos_codel_pkt {
	uint64_t waited_ns;  // how long it stood
	uint32_t left_bytes; // what still stands behind it
	bool may_mark;	     // it is ECN capable
};

// What about this packet? now_ns is monotonic and at least 1.
enum qos_codel_verdict qos_codel_next(struct qos_codel *c, const struct qos_codel_params *p,
				      uint64_t now_ns, struct qos_codel_pkt pkt);

// A packet that waited less than target and step passes: what a verdict on it would do.
static inline void qos_codel_below(struct qos_codel *c)
{
	c->first_above_ns = 0;
	c->dropping = 0;
}

// The queue ran empty. RFC 8289, dequeue: "queue is empty - we can't be above target".
static inline void qos_codel_empty(struct qos_codel *c)
{
	qos_codel_below(c);
}

// interval / sqrt(count), rounded down. RFC 8289 section 3.3, the control law.
uint64_t qos_codel_step_ns(uint32_t interval_ns, uint32_t count);

#endif
