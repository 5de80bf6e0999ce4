// The scheduler's state; included by sched.c and sched_conf.c only.
#ifndef QOS_SCHED_PRIV_H
#define QOS_SCHED_PRIV_H

#include <assert.h>

#include "calendar_priv.h"
#include "qos_rate.h"
#include "qos_sched.h"

// Virtual time: bytes per weight, 16 fractional bits. Weight is at most 100 * 100. It may wrap:
// only differences are compared. One calendar tick is 2^18 of it, 4 bytes per weight: within a tick
// leaves take turns, so a leaf may be ahead by 4 bytes times its weight, which is 400 bytes at 100
// shares and 40 KB at the greatest weight. Finer ticks cost more moves per packet.
#define VT_BITS 16
#define VT_TICK_BITS 18
// What a node may be ahead in shares (by service in band A), in its largest packets: enough that
// shares add nothing to a reservation that exceeds them; more would be held against it when rivals
// leave.
#define VT_DEBT_PKTS 4
// Time in the timer's calendar: 1.024 us.
#define TIMER_BITS 10
// A class's or VM's reservation that its leaves overdraw is forgotten beyond this.
#define OVERDRAFT_NS 10000000u
// Nodes looked at for one packet, where looking at one does not serve it.
#define LOOKS 16

struct flow {
	_Alignas(64) struct qos_pkt *head; // of its packets, oldest first
	struct qos_pkt *tail;
	struct qos_codel codel;
	uint32_t bytes;
	int32_t deficit_bytes;
	uint16_t next; // in the leaf's list of new or old flows
	bool listed;
};
static_assert(sizeof(struct flow) == 64, "one cache line");

#define NO_FLOW 0xffff
struct flow_list {
	uint16_t head, tail; // NO_FLOW = empty
};

// Where a leaf or VM stands in band A's order or in the timer.
enum place {
	PLACE_OUT,
	PLACE_DUE,    // in the list of those inside their reservation
	PLACE_WAIT,   // in the timer until the reservation is due
	PLACE_PARKED, // in the timer until the limit lets it go on
};

struct list {
	uint32_t head, tail; // QOS_NONE = empty
};

struct leaf {
	struct qos_rate reservation, limit;
	uint64_t vt;		     // its place among the leaves of its class
	uint64_t vm_vt;		     // among the leaves of its VM, where that has a limit
	uint32_t inv_weight;	     // 2^32 / weight
	uint32_t quantum_bytes;	     // of a flow: at least the largest packet seen
	uint32_t bytes, n_pkts;	     // standing
	struct flow_list fresh, old; // flows that have packets, or had a moment ago
	uint64_t reservation_bits;   // admitted
	uint32_t refused_bytes, refused_wait, refused_quota, dropped, marked, parked;
	uint8_t shares;
	bool ready; // in its class's order
};

// What an idle queue takes, with 16 queues per leaf: its line, and its part of leaf and VM.
static_assert(sizeof(struct flow) + (sizeof(struct leaf) + 2 * sizeof(struct qos_cal_node)) / 16 <=
		      80,
	      "80 bytes per idle queue");

struct vm {
	struct qos_rate reservation, limit, pps;
	uint64_t reservation_bits, leaves_bits; // admitted: own, sum of its leaves
	uint64_t now_vt;			// the time among its leaves
	uint32_t n_pkts, n_bufs, n_parked;
	uint8_t shares;
	uint8_t backlog;	       // bit c: its leaf in class c has packets
	bool present, limited, parked; // limited: it has a limit in bit/s or packets/s
};

struct class
{
	struct qos_rate reservation, limit;
	struct qos_class_params params;
	uint64_t vt, now_vt; // its own place among classes; the time among its leaves
	uint32_t inv_weight;
	struct list due;
	uint64_t leaves_bits; // sum of its leaves' reservations
	struct qos_cal order; // of its leaves, by virtual time
	uint32_t n_ready;
	uint32_t largest_bytes; // packet seen
	uint64_t sent_bytes, sent_pkts, max_wait_ns;
};

struct qos_sched {
	struct qos_sched_front front;
	uint64_t now_vt;
	uint64_t rate_bits, reserved_bits;
	uint64_t work_ns; // from when there has been something that might be sent
	uint64_t sent_bytes, sent_pkts, lost_bytes;
	uint32_t n_flows, flow_shift, late_ns, buf_quota;
	uint8_t ready, due, reserving, limiting, blocked; // bit per class
	bool unchecked;					  // admission is off
	struct qos_gate_leaf *gates;			  // [n_vms * classes]
	struct list due_vms;
	struct qos_pkt *dropped_head, *dropped_tail;
	struct leaf *leaves;	     // [n_vms * classes]
	struct vm *vms;		     // [n_vms]
	struct flow *flows;	     // [leaves * n_flows]
	struct qos_cal_node *orders; // [leaves], in class.order
	struct qos_cal_node *timers; // [leaves + n_vms], in timer or a list of those due
	struct qos_cal timer;
	struct class classes[QOS_SCHED_CLASSES];
};

static inline uint32_t leaf_idx(uint32_t vm_idx, uint32_t cls)
{
	return vm_idx * QOS_SCHED_CLASSES + cls;
}

// Counters that other threads read.
#define STAT_SET(x, to) __atomic_store_n(&(x), (to), __ATOMIC_RELAXED)
#define STAT_ADD(x, n) STAT_SET(x, (x) + (n))
#define STAT_GET(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

static inline uint32_t vm_timer(const struct qos_sched *s, uint32_t vm_idx)
{
	return s->front.n_vms * QOS_SCHED_CLASSES + vm_idx;
}

// Take a VM's leaves out of every order, and put back those that may be served.
void qos_sched_vm_out(struct qos_sched *s, uint32_t vm_idx);
void qos_sched_vm_in(struct qos_sched *s, uint32_t vm_idx);

#endif
