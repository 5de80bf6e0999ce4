// The scheduler's state; included by the files of the scheduler only.
//
// All that belongs to a VM lies together: itself, its leaves' statistics, its leaves, their flow
// queues. Where a leaf stands is embedded in it (calendar_priv.h), so a pop yields the leaf's line,
// and everything else is at a distance from there that the compiler knows.
#ifndef QOS_SCHED_PRIV_H
#define QOS_SCHED_PRIV_H

#include <assert.h>

#include "calendar_priv.h"
#include "qos_rate.h"
#include "qos_sched.h"

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

// Virtual time: bytes per weight, 16 fractional bits. Weight is at most 100 * 100. It may wrap:
// only differences are compared. One calendar tick is 2^20 of it, 16 bytes per weight: within a
// tick leaves take turns, so a leaf may be ahead by 16 bytes times its weight, which is 1600 bytes
// at 100 shares and 160 KB at the greatest weight. With finer ticks a turn ends beyond the near
// slots.
#define VT_BITS 16
#define VT_TICK_BITS 20
// Among the classes of one VM: 32 bits suffice with 4 fractional bits.
#define VM_VT_BITS 4
// What a node may be ahead in shares (by service in band A), in its largest packets: enough that
// shares add nothing to a reservation that exceeds them; more would be held against it when rivals
// leave.
#define VT_DEBT_PKTS 4
// Ticks of the two timers: 1.024 us, and 16.8 ms for what the first one does not reach.
#define TIMER_BITS 10
#define SLOW_TIMER_BITS 24
// A class's or VM's reservation that its leaves overdraw is forgotten beyond this.
#define OVERDRAFT_NS 10000000u
// Nodes looked at for one packet, where looking at one does not serve it.
#define LOOKS 16
// A leaf whose turn it is goes on until it has sent this, in one burst: two packets of 1518 bytes.
#define TURN_BYTES 3000u
#define TURN_PKTS (TURN_BYTES / 84 + 1) // of the least size
// Packets beyond this are super-frames: they do not raise what a flow may send per turn.
#define MAX_QUANTUM_BYTES 9240u
#define FRAME_BYTES 1538u // 1500 + 14 + overhead
// Flow queues that a flow may choose from.
#define SET 8u

struct flow {
	_Alignas(64) struct qos_pkt *head; // of its packets, oldest first
	struct qos_pkt *tail;
	struct qos_codel codel;
	uint32_t bytes;
	int32_t deficit_bytes;
	uint32_t hash; // whose packets these are, while there are any
	uint16_t next; // in the leaf's list of new or old flows
	bool listed;
	bool shared;	// with packets of other flows
	uint8_t n_away; // flows that belong here and stand in another queue of the set
	uint32_t since; // its first packet came not before this, in units of 1024 ns
};
static_assert(sizeof(struct flow) == 64, "one cache line");

#define NO_FLOW 0xffff
struct flow_list {
	uint16_t head, tail; // NO_FLOW = empty
};

// Where a leaf or VM stands in band A's order or in the timers.
enum place {
	PLACE_OUT,
	PLACE_DUE,	// in the list of those inside their reservation
	PLACE_WAIT,	// in a timer until the reservation is due
	PLACE_PARKED,	// in a timer until the limit lets it go on
	PLACE_SLOW = 8, // besides: in the slow timer
};
enum kind { KIND_LEAF, KIND_VM };

struct list {
	uint32_t head, tail; // ids; QOS_NONE = empty
};

// Counters of 32 bits that other threads read are written by QOS_STAT_ADD.
struct leaf {
	_Alignas(64) uint64_t vt;    // its place among the leaves of its class
	struct qos_cal_node order;   // by it; in its class's calendar
	uint32_t inv_weight;	     // 2^32 / weight
	struct flow_list fresh, old; // flows that have packets, or had a moment ago
	uint32_t bytes, n_pkts;	     // standing
	uint16_t quantum_bytes;	     // of a flow: its largest packet that is no super-frame
	uint8_t cls, shares;
	bool limited;
	uint8_t deadline;	    // 1 + its place among the link's deadlines; 0 = it has none
	uint32_t reservation_kbits; // admitted
	uint32_t marked, parked;
	// --- the second line is read by those with a reservation or limit only
	_Alignas(64) struct qos_rate reservation;
	struct qos_rate limit;
	struct qos_cal_node wait; // in a timer or a list of those due
	uint32_t dropped;
};
static_assert(sizeof(struct leaf) == 128, "two cache lines");

struct refused {
	uint32_t bytes, wait, quota;
};

struct vm {
	_Alignas(64) struct qos_rate limit;
	uint32_t now_vt; // the time among its leaves
	uint32_t n_bufs, n_parked;
	uint8_t backlog; // bit c: its leaf in class c has packets
	uint8_t ready;	 // and is in the class's order
	uint8_t shares;
	bool present, used;
	bool limited;  // it has a limit in bit/s or packets/s
	bool paced;    // in packets/s
	bool reserved; // it has a reservation of its own
	bool parked;
	bool tight; // its limit was used up, and it has not rested since
	struct qos_cal_node wait;
	// --- the second line
	struct qos_rate pps;
	uint32_t vt[QOS_SCHED_CLASSES]; // each leaf's place among the VM's, while tight
	uint64_t leaves_bits;		// admitted: sum of its leaves
	struct qos_rate reservation;
	uint64_t reservation_bits; // admitted: its own
	struct refused refused[QOS_SCHED_CLASSES];
	struct qos_gate_leaf gates[QOS_SCHED_CLASSES];
	struct leaf leaves[QOS_SCHED_CLASSES];
	struct flow flows[]; // [classes << flow_shift]
};

// What an idle queue takes, with 16 queues per leaf: its line, and its part of leaf and VM. The
// test counts the head as well.
static_assert(sizeof(struct flow) + sizeof(struct vm) / (16 * QOS_SCHED_CLASSES) <= 80,
	      "80 bytes per idle queue");

struct class
{
	struct qos_rate reservation, limit;
	struct qos_class_params params;
	uint64_t now_vt; // the time among its leaves
	uint32_t inv_weight;
	struct list due;
	uint64_t leaves_bits; // sum of its leaves' reservations
	uint32_t n_ready;
	uint32_t largest_bytes; // packet seen; not less than any of its leaves' quanta
	uint32_t codel_ns;	// a packet that waited less is no concern of CoDel's
	uint64_t sent_bytes, sent_pkts, max_wait_ns;
	struct qos_cal order; // of its leaves, by virtual time
};

struct deadline {
	uint64_t ns;
	uint32_t leaf; // id of its order's node
};
static_assert(QOS_SCHED_DEADLINES <= 64, "a bit each");

struct qos_sched {
	struct qos_sched_front front;
	uint32_t flow_shift, flow_mask, buf_quota;
	size_t vms_at, vm_stride;
	// Bit per class. No bytes: a store to one would make the compiler read all memory anew.
	uint32_t ready, due, reserving, limiting, blocked, bounded;
	uint32_t held, reserved; // in a burst: those whose limit is not due, whose reservation is
	bool unchecked;		 // admission is off
	uint64_t now_vt;	 // the time among classes
	uint64_t vts[QOS_SCHED_CLASSES]; // each class's place among them
	uint64_t rate_bits, reserved_bits;
	uint64_t work_ns; // from when there has been something that might be sent
	uint64_t lost_bytes;
	uint32_t late_ns;
	struct list due_vms;
	struct qos_pkt *dropped_head, *dropped_tail;
	struct qos_cal timer, slow_timer;
	struct class classes[QOS_SCHED_CLASSES];
	uint64_t urgent[QOS_SCHED_CLASSES]; // of each class: bit i, the leaf of deadline i is ready
	uint32_t n_deadlines;
	struct deadline deadlines[QOS_SCHED_DEADLINES]; // earliest first
};

static inline uint32_t bit_of(uint32_t cls)
{
	return 1u << cls;
}

static inline struct vm *vm_at(const struct qos_sched *s, uint32_t vm_idx)
{
	return (struct vm *)((char *)s + s->vms_at + vm_idx * s->vm_stride);
}

// The VM of a leaf whose class is known: no load.
static inline struct vm *vm_of_class(struct leaf *l, uint32_t cls)
{
	return (struct vm *)((char *)(l - cls) - offsetof(struct vm, leaves));
}

static inline struct vm *vm_of(struct leaf *l)
{
	return vm_of_class(l, l->cls);
}

static inline struct leaf *leaf_by_order(struct qos_sched *s, uint32_t id)
{
	return (struct leaf *)((char *)qos_cal_node_at(s, id) - offsetof(struct leaf, order));
}

static inline struct leaf *leaf_by_wait(struct qos_sched *s, uint32_t id)
{
	return (struct leaf *)((char *)qos_cal_node_at(s, id) - offsetof(struct leaf, wait));
}

static inline struct vm *vm_by_wait(struct qos_sched *s, uint32_t id)
{
	return (struct vm *)((char *)qos_cal_node_at(s, id) - offsetof(struct vm, wait));
}

static inline struct flow *flows_of(const struct qos_sched *s, struct leaf *l)
{
	return &vm_of(l)->flows[(uint32_t)l->cls << s->flow_shift];
}

static inline uint64_t deadline_bit(const struct leaf *l)
{
	return 1ull << (l->deadline - 1);
}

static inline void sched_set_now(struct qos_sched *s, uint64_t now_ns)
{
	if (now_ns > s->front.now_ns)
		s->front.now_ns = now_ns;
}

// When both clocks of a VM's limits are due. One that is not set is due always.
static inline uint64_t vm_due_ns(const struct vm *v)
{
	if (!v->paced || v->limit.inv == 0)
		return v->paced ? v->pps.ns : v->limit.ns;
	return (int64_t)(v->limit.ns - v->pps.ns) > 0 ? v->limit.ns : v->pps.ns;
}

static inline bool vm_due(const struct vm *v, uint64_t now_ns)
{
	return (int64_t)(vm_due_ns(v) - now_ns) <= 0;
}

// Take a VM's leaves out of every order, and put back those that may be served.
void qos_sched_vm_out(struct qos_sched *s, struct vm *v);
void qos_sched_vm_in(struct qos_sched *s, struct vm *v);

// A VM that is removed has no deadlines any more.
void qos_sched_forget_deadlines(struct qos_sched *s, struct vm *v);

#endif
