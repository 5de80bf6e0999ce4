// Several owners of one link: how they divide its rate without a lock.
//
// Above what one core can schedule, a link has up to eight owners (shards), each with a scheduler,
// a queue of the card and VMs of its own: a VM stays with its owner, so its flows stay in order.
// Every 50 us each owner publishes a struct qos_shard_state, reads the others', and computes by
// this one function what its scheduler may send (qos_sched_set_rate). Nobody waits for anybody:
// what an owner reads may be 50 us old.
//
// What holds, and how exactly:
//   - Reservations of VMs and leaves: exact, and without any exchange. An owner's rate is never
//     below what is reserved with it, so its scheduler keeps them as that of a whole link does.
//   - The link's rate: in the long run exact. What was sent too much in one period, because
//   somebody
//     woke up, is taken off the next ones (debt_bytes).
//   - Shares of the excess: approximate, by the weights that had packets a period ago.
//   - Reservation and limit of a class: divided by where the class is used (class_part), also a
//     period late.
//
// thread: an owner writes its own state and reads all; the caller publishes and copies with
// relaxed atomic stores and loads. The function touches nothing but its arguments.
#ifndef QOS_SHARD_H
#define QOS_SHARD_H

#include <stdint.h>

#include "qos_sched.h"

#define QOS_SHARDS_MAX 8u
#define QOS_SHARD_PERIOD_NS 50000u

// What an owner publishes.
struct qos_shard_state {
	_Alignas(64) uint64_t at_ns;	    // when it did
	uint64_t sent_bytes;		    // since the beginning; only grows
	uint64_t queued_bytes;		    // standing
	uint64_t reserved_bits_per_s;	    // of its VMs and leaves
	uint32_t weight[QOS_SCHED_CLASSES]; // sum over the VMs that have packets; 0 = none has
};

struct qos_shard_policy {
	uint64_t rate_bits_per_s;	    // of the link
	uint32_t n_shards;		    // 1..QOS_SHARDS_MAX
	uint32_t shares[QOS_SCHED_CLASSES]; // of the classes
};

// What one owner remembers between two looks. Zeroed, then self, looked_ns and at_ns[] set, it is
// at its beginning.
struct qos_shard_memory {
	uint32_t self; // which owner it is
	uint64_t looked_ns;
	uint64_t at_ns[QOS_SHARDS_MAX];
	uint64_t sent_bytes[QOS_SHARDS_MAX];
	uint64_t use_bits_per_s[QOS_SHARDS_MAX];
	int64_t debt_bytes; // all have sent so much more than the link's rate
};

struct qos_shard_share {
	uint64_t rate_bits_per_s;		// of the link; QOS_SCHED_MIN_BITS_PER_S at least
	uint32_t class_part[QOS_SCHED_CLASSES]; // of a class's reservation and limit, in 2^-16
};

// What may the owner m->self send until it looks again?
//
// p        the same for all owners
// m        the owner's memory, m->self < p->n_shards
// states   [p->n_shards], a copy
// now_ns   after m->looked_ns; otherwise nothing is learnt and the last state is used
// source   the two-sided division is that of flexible lengths in CSS (css-flexbox-1 section 9.7)
void qos_shard_divide(const struct qos_shard_policy *p, struct qos_shard_memory *m,
		      const struct qos_shard_state *states, uint64_t now_ns,
		      struct qos_shard_share *out);

#endif
