// The hierarchical scheduler of one link: link -> class -> VM -> flow queue.
//
// A *leaf* is one VM's traffic in one class. It has two parents: its class says when it is served,
// its VM how much it may have in all. Each of class, VM and leaf has a reservation, a limit and
// shares. Packets are served in this order:
//   band A  what is inside a reservation: classes in order of urgency, in each first the leaves
//           that are inside their own reservation, then the class as a whole (earliest deadline
//           first, where leaves have one); then VMs inside theirs. Admission keeps the sum at 75 %
//           of the link, so that band B never starves.
//   band B  everything else, by shares: among classes, then among the leaves of the class, where
//           a leaf weighs its own shares times its VM's.
// What band A served counts towards shares, and what band B served does not use up a reservation:
// a node that always has packets gets max(reservation, its share), capped by its limit.
// Within a leaf: flow queues by deficit round robin, new flows first (RFC 8290), CoDel and ECN.
//
// Length is what the wire carries: FCS, preamble and gap included (qos_wire_bytes).
//
// Packets are the caller's memory: struct qos_pkt is embedded in what it schedules. A packet
// belongs to the scheduler from a successful enqueue until dequeue or take_dropped hands it back.
// The state is the caller's memory too: qos_sched_size, then qos_sched_init; nothing is allocated.
//
// The memory must be zeroed, and is touched where it is used: the head by qos_sched_init, a VM's
// part by qos_sched_add_vm and what follows. So a link for thousands of VMs costs address space.
//
// Work per packet is bounded by constants, not by the number of VMs: see calendar_priv.h and
// sched.c. Classes are 8 and flow queues per leaf at most 256 (visited only while they are active).
//
// A flow has a queue of its own while it has packets: it takes another one of a set of eight when
// its own is taken, and shares only when all eight are.
//
// thread: one owner per scheduler, configuration included. The functions named *_stats, and they
// only, may run in any thread: every field is read whole, but fields may be of different moments.
// Time is passed in; a step back is treated as no step.
//
// usage: if (qos_sched_idle_pass(s, &p->q, now)) send(p); else if (qos_sched_enqueue(s, &p->q,
//        now) < 0) drop(p);  ...  n = qos_sched_dequeue_burst(s, out, 32, now);
//        while ((q = qos_sched_take_dropped(s)) != NULL) drop(q);
#ifndef QOS_SCHED_H
#define QOS_SCHED_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qos_codel.h"
#include "qos_rate.h"

// Words that their one writer changes and other threads read. Stores are volatile and not atomic
// because compilers let an atomic one, relaxed though it be, end what they know of all memory; an
// aligned word is stored whole either way.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) // clang; gcc says it itself
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define QOS_STAT_SET(x, to) __atomic_store_n(&(x), (to), __ATOMIC_RELAXED)
#else
#define QOS_STAT_SET(x, to) (*(volatile __typeof__(x) *)&(x) = (to))
#endif
#define QOS_STAT_ADD(x, n) QOS_STAT_SET(x, (x) + (n))
#define QOS_STAT_GET(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

#define QOS_SCHED_CLASSES 8
#define QOS_SCHED_MAX_VMS 65536u
#define QOS_SCHED_MAX_FLOWS 256u
#define QOS_SCHED_MAX_SHARES 100u
#define QOS_SCHED_MAX_BITS_PER_S 1000000000000ull
#define QOS_SCHED_MIN_BITS_PER_S 1000ull
#define QOS_SCHED_RESERVABLE_PERCENT 75u

// Preamble and start delimiter 7 + 1, FCS 4, inter-packet gap 12 (IEEE 802.3 clause 3 and 4.4.2).
#define QOS_WIRE_OVERHEAD_BYTES 24u
#define QOS_WIRE_MIN_FRAME_BYTES 60u // without FCS
#define QOS_WIRE_MAX_BYTES (1u << 18)

enum qos_pkt_flags {
	QOS_PKT_ECT = 1,    // in: may be marked
	QOS_PKT_CE = 2,	    // out: mark it
	QOS_PKT_YELLOW = 4, // in: refused before others, when its leaf is half full
};

struct qos_pkt {
	struct qos_pkt *next; // the scheduler's
	uint64_t in_ns;	      // the scheduler's: when it came
	uint32_t wire_bytes;  // qos_wire_bytes(); 1..QOS_WIRE_MAX_BYTES
	uint32_t flow_hash;
	uint16_t vm_idx;
	uint8_t cls;
	uint8_t flags;	 // enum qos_pkt_flags
	uint16_t n_bufs; // buffers that it holds, for qos_sched_set_buf_quota
	uint16_t reserved;
};
static_assert(sizeof(struct qos_pkt) <= 32, "half a cache line beside the packet");

// What a frame occupies on the wire.
//
// size_bytes  length without FCS, as in memory
// n_frames    1; of a super-frame the number of frames it will become
// hdr_bytes   of a super-frame the headers that each further frame repeats
static inline uint32_t qos_wire_bytes(uint32_t size_bytes, uint32_t n_frames, uint32_t hdr_bytes)
{
	if (size_bytes < QOS_WIRE_MIN_FRAME_BYTES)
		size_bytes = QOS_WIRE_MIN_FRAME_BYTES;
	return size_bytes + (n_frames - 1) * hdr_bytes + n_frames * QOS_WIRE_OVERHEAD_BYTES;
}

struct qos_sched_params {
	uint64_t rate_bits_per_s; // 0 = the link has no rate (a guest): dequeue always serves
	uint32_t n_vms;		  // 1..QOS_SCHED_MAX_VMS
	uint32_t n_flows;	  // per leaf, power of two, 1..QOS_SCHED_MAX_FLOWS
	uint32_t late_ns;	  // how much a late loop may catch up on the link's rate
};

// Of a class, a VM or a leaf. Rates in bit/s on the wire; 0 = none.
struct qos_node_params {
	uint64_t reservation_bits_per_s;
	uint64_t limit_bits_per_s; // at least the reservation
	uint32_t shares;	   // 1..QOS_SCHED_MAX_SHARES
	uint32_t burst_bytes;	   // that a rest may earn, of reservation and limit; 0 = 8 frames
	uint32_t limit_pps;	   // of a VM only: packets/s, a super-frame is one; 0 = none
};

struct qos_class_params {
	struct qos_node_params node;
	struct qos_codel_params codel;
	uint32_t max_leaf_bytes; // standing in one leaf; 0 = no such bound
	uint64_t max_wait_ns;	 // refuse while the flow's first packet stands longer; 0 = none
};

#define QOS_SCHED_WAITS 8

// Counters only grow. Those of 32 bits may wrap: take differences.
struct qos_leaf_stats {
	uint64_t sent_bytes, sent_pkts, reserved_bytes; // reserved: sent in band A
	uint64_t refused_bytes_pkts, refused_wait_pkts; // tail, by which bound
	uint64_t refused_quota_pkts;			// of buffers
	uint64_t dropped_pkts, marked_pkts;		// CoDel
	uint64_t parked;				// times its own limit held it back
	uint32_t queued_bytes_now, queued_pkts_now;
	uint32_t last_wait_ns; // of the last packet sent; 0 when it passed without a queue
	// Packets sent from a queue that waited less than 4, 16, 64, 256 us, 1, 4, 16 ms, or more
	// (in truth 4096 ns and its fourfolds). What passed without a queue is in none.
	uint32_t waits[QOS_SCHED_WAITS];
};

struct qos_vm_stats {
	uint64_t queued_bytes_now;
	uint32_t queued_pkts_now, queued_bufs_now;
	bool parked_now; // by its limit in bit/s or packets/s
	uint64_t parked; // times
};

// Of what passed through queues.
struct qos_class_stats {
	uint64_t sent_bytes, sent_pkts;
	uint64_t max_wait_ns;
	uint32_t ready_now; // VMs that have packets in it and may send them
};

struct qos_link_stats {
	uint64_t sent_bytes, sent_pkts; // through queues
	uint32_t queued_pkts_now;
	// What the link could have carried while something stood that could be sent, and never
	// will: the loop came later than late_ns. An idle link loses nothing.
	uint64_t lost_credit_bytes;
};

// A leaf as the idle path and the readers of statistics see it: one cache line.
enum qos_gate {
	QOS_GATE_SHUT,	 // there is no such VM
	QOS_GATE_OPEN,	 // neither leaf nor VM has a limit
	QOS_GATE_CLOCKS, // they have
};
struct qos_gate_leaf {
	_Alignas(64) uint64_t sent_bytes; // owner: w, any: r, relaxed; so are the others
	uint64_t sent_pkts, reserved_bytes;
	uint32_t last_wait_ns;
	uint8_t gate; // enum qos_gate
	uint8_t reserved[3];
	uint32_t waits[QOS_SCHED_WAITS];
};
static_assert(sizeof(struct qos_gate_leaf) == 64, "one cache line");

// What begins a struct qos_sched: for qos_sched_idle_pass and nobody else.
struct qos_sched_front {
	_Alignas(64) struct qos_rate rate; // of the link
	uint64_t now_ns;
	uint32_t n_pkts, n_vms;
	uint8_t closed;	    // bit per class: it has a limit, or may not be served now
	size_t gates_at;    // of VM 0's first leaf, in bytes from here
	size_t gate_stride; // from one VM's to the next one's
};

struct qos_sched;

// Size of the memory that a scheduler needs. returns 0 when the parameters are out of bounds
size_t qos_sched_size(const struct qos_sched_params *p);

// Lay out a scheduler in mem. All classes have 1 share and no rates, CoDel off; there is no VM.
//
// mem      qos_sched_size(p) bytes, aligned to 64, all 0; the caller's, before and after. Only the
//          head, whose size does not depend on p, is touched here
// returns  0; -EINVAL when p is out of bounds or mem not aligned
int qos_sched_init(void *mem, const struct qos_sched_params *p, uint64_t now_ns,
		   struct qos_sched **out);

// Change the link's rate (0 = none). returns 0; -ERANGE; -ENOSPC as for reservations
int qos_sched_set_rate(struct qos_sched *s, uint64_t rate_bits_per_s, uint64_t now_ns);

// Change what a late loop may catch up; params.late_ns at first.
void qos_sched_set_late(struct qos_sched *s, uint32_t late_ns);

// Change a class, a VM or a leaf; with packets queued or not. Nothing is lost, reordered, or sent
// in a burst: what a node owes or has saved stays the same number of bytes.
//
// returns  0; -EINVAL for shares out of bounds, a limit below the reservation, or a limit_pps of
//          a class or leaf; -ERANGE for a
//          rate out of bounds; -ENOSPC when reservations would exceed 75 % of the link; -ENOENT
//          for a VM or class that is not there. On failure nothing has changed.
int qos_sched_set_class(struct qos_sched *s, uint32_t cls, const struct qos_class_params *p,
			uint64_t now_ns);
int qos_sched_set_vm(struct qos_sched *s, uint32_t vm_idx, const struct qos_node_params *p,
		     uint64_t now_ns);
int qos_sched_set_leaf(struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
		       const struct qos_node_params *p, uint64_t now_ns);

// Add a VM at an index of the caller's choice, 1 share in all classes, no rates.
// returns 0; -ERANGE; -EEXIST; -EBUSY while packets of a removed one at that index are queued
int qos_sched_add_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns);

// Remove a VM: its reservations are free at once, new packets are refused, queued ones are still
// served under its limits. returns 0; -ENOENT
int qos_sched_remove_vm(struct qos_sched *s, uint32_t vm_idx, uint64_t now_ns);

// Serve a leaf's class reservation by deadline: in band A, what is inside its class's reservation
// and not inside its own goes earliest deadline first, of equal ones the one that was set first;
// leaves without one come after those, by shares as ever. Band B does not look at deadlines, so
// whoever waits for another's deadline has its share there. A deadline that has passed stays one:
// the earliest, until the caller takes it back.
//
// deadline_ns  0 = none
// returns      0; -ENOENT; -ENOSPC when QOS_SCHED_DEADLINES leaves of this link have one
#define QOS_SCHED_DEADLINES 64
int qos_sched_set_deadline(struct qos_sched *s, uint32_t vm_idx, uint32_t cls, uint64_t deadline_ns,
			   uint64_t now_ns);

// Where a VM's state lies, so that memory can be had before a worker needs it.
// returns  how many of spans are filled; 0 when there is no such index
#define QOS_SCHED_SPANS 6
struct qos_span {
	void *at;
	size_t size;
};
uint32_t qos_sched_vm_memory(const struct qos_sched *s, uint32_t vm_idx,
			     struct qos_span spans[QOS_SCHED_SPANS]);

// May reservations be refused for want of room? On at first. Off: sums are kept, nothing is
// refused, so that a whole policy can be replaced step by step.
void qos_sched_set_admission(struct qos_sched *s, bool on);

// How many buffers (struct qos_pkt.n_bufs) a VM may hold in its queues; 0 = any number. A packet of
// class c finds room up to 1 - c/16 of that, so that less urgent classes leave some to urgent ones.
// A packet that CoDel dropped is held until take_dropped hands it back. One store: may be called
// each turn.
void qos_sched_set_buf_quota(struct qos_sched *s, uint32_t n_bufs);

// Classes (bit per class) that may not be served until further notice: 802.1Qbb.
void qos_sched_block(struct qos_sched *s, uint32_t class_mask);

// The idle path where clocks have to be asked. Call qos_sched_idle_pass.
bool qos_sched_idle_pass_clocks(struct qos_sched *s, const struct qos_pkt *p, uint64_t now_ns);

// May this packet pass without a queue? Yes when nothing is queued, the link is free, and no limit
// is used up; it is then paid for and the caller sends it now.
static inline bool qos_sched_idle_pass(struct qos_sched *s, const struct qos_pkt *p,
				       uint64_t now_ns)
{
	struct qos_sched_front *f = (struct qos_sched_front *)s;
	struct qos_gate_leaf *l;

	if (f->n_pkts != 0 || p->vm_idx >= f->n_vms || p->cls >= QOS_SCHED_CLASSES ||
	    p->wire_bytes - 1 >= QOS_WIRE_MAX_BYTES || !qos_rate_due(&f->rate, now_ns))
		return false;
	l = (struct qos_gate_leaf *)((char *)s + f->gates_at + p->vm_idx * f->gate_stride) + p->cls;
	if (__builtin_expect(l->gate != QOS_GATE_OPEN || (f->closed >> p->cls & 1) != 0, 0))
		return qos_sched_idle_pass_clocks(s, p, now_ns);
	if (now_ns < f->now_ns)
		now_ns = f->now_ns;
	f->now_ns = now_ns;
	qos_rate_charge(&f->rate, now_ns, p->wire_bytes);
	QOS_STAT_ADD(l->sent_bytes, p->wire_bytes);
	QOS_STAT_ADD(l->sent_pkts, 1);
	QOS_STAT_SET(l->last_wait_ns, 0);
	return true;
}

// The same for n packets of one leaf on a link without a rate, wire_bytes in all: a yes or a no for
// all of them. No where any clock would have to be asked.
static inline bool qos_sched_idle_pass_alike(struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
					     uint32_t n, uint64_t wire_bytes)
{
	struct qos_sched_front *f = (struct qos_sched_front *)s;
	struct qos_gate_leaf *l;

	if (f->n_pkts != 0 || f->rate.inv != 0 || vm_idx >= f->n_vms || cls >= QOS_SCHED_CLASSES)
		return false;
	l = (struct qos_gate_leaf *)((char *)s + f->gates_at + vm_idx * f->gate_stride) + cls;
	if (l->gate != QOS_GATE_OPEN || (f->closed >> cls & 1) != 0)
		return false;
	QOS_STAT_ADD(l->sent_bytes, wire_bytes);
	QOS_STAT_ADD(l->sent_pkts, n);
	QOS_STAT_SET(l->last_wait_ns, 0);
	return true;
}

// Queue a packet.
// returns  0; the packet stays the caller's with -ENOENT (no such VM or class), -EMSGSIZE (length
//          out of bounds), -ENOBUFS (bound in bytes; half of it for yellow), -ETIME (bound in
//          time) or -EDQUOT (its VM holds too many buffers)
int qos_sched_enqueue(struct qos_sched *s, struct qos_pkt *p, uint64_t now_ns);

// Queue many, for less: what they need is called into the cache ahead.
//
// errs     [n], out: what qos_sched_enqueue says of each; those with an error stay the caller's
// returns  how many were queued
uint32_t qos_sched_enqueue_burst(struct qos_sched *s, struct qos_pkt *const *pkts, uint32_t n,
				 uint64_t now_ns, int *errs);

// The next packet to send, or NULL: nothing queued, nothing due, or the link's rate used up.
struct qos_pkt *qos_sched_dequeue(struct qos_sched *s, uint64_t now_ns);

// The next n packets, as that many dequeues at this time, for less: a leaf whose turn it is may
// send a second packet before the next one's turn comes. returns how many
uint32_t qos_sched_dequeue_burst(struct qos_sched *s, struct qos_pkt **out, uint32_t n,
				 uint64_t now_ns);

// A packet that CoDel dropped, or NULL. Call until NULL after dequeues.
struct qos_pkt *qos_sched_take_dropped(struct qos_sched *s);

// When dequeue may next yield a packet: not later than it would; UINT64_MAX when nothing is queued
// that time alone can release (nothing at all, or blocked classes only).
uint64_t qos_sched_next_ns(const struct qos_sched *s);

// All packets that are queued become dropped ones: call qos_sched_take_dropped until NULL. They are
// in no statistics of drops: the link ended them, not the scheduler. Visits every VM up to the last
// that has packets.
void qos_sched_flush(struct qos_sched *s);

uint32_t qos_sched_queued(const struct qos_sched *s);

// returns 0; -ENOENT with *out unchanged
int qos_sched_leaf_stats(const struct qos_sched *s, uint32_t vm_idx, uint32_t cls,
			 struct qos_leaf_stats *out);
int qos_sched_vm_stats(const struct qos_sched *s, uint32_t vm_idx, struct qos_vm_stats *out);
// cls out of bounds: all 0
void qos_sched_class_stats(const struct qos_sched *s, uint32_t cls, struct qos_class_stats *out);
void qos_sched_link_stats(const struct qos_sched *s, struct qos_link_stats *out);

#endif
