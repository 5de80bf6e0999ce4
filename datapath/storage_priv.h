// Inside of the storage hop: flows, what a worker keeps, and what workers share.
#ifndef STORAGE_PRIV_H
#define STORAGE_PRIV_H

#include "dp_storage.h"
#include "switch_priv.h"

enum {
	FLOW_USED = 1,
	FLOW_TOLD = 2,	  // main has its OPEN, or will
	FLOW_LISTED = 4,  // its portal's address is one that the operator named
	FLOW_BEGUN = 8,	  // its SYN was seen
	FLOW_READS = 16,  // somebody understands its bytes
	FLOW_TAUGHT = 32, // it is past what can teach, and nobody asks for its times
	FLOW_ASKING = 64, // a request has begun, and goes on in frames behind
	DP_FLOW_NONE = UINT16_MAX,
	STORAGE_BATCH = 64,			 // events that a worker gathers
	STORAGE_RESERVE = DP_STORAGE_EVENTS / 8, // of the ring, for what was taught
	STORAGE_TEACHERS = 16,			 // chains of those who teach in one second
	// Whose a flow is, in of_port[], beside ports.
	OWNER_UNKNOWN = DP_MAX_PORTS, // to a MAC of which nobody knows where it is
	OWNER_TRUSTED,
	N_OWNERS,
	STORAGE_CALLERS = 16,		      // ports share these parts of the calls
	STORAGE_CALLS = 256,		      // of each part
	STORAGE_HEADS = 2 * DP_STORAGE_FLOWS, // a power of two
};

// Whose a flow is: also by the port it comes in at, so that no guest can speak in another's.
struct dp_flow_key {
	struct qos_addr src, dst;
	uint16_t sport, dport; // host order
	uint16_t in_port;
	uint8_t proto, zero;
};
static_assert(sizeof(struct dp_flow_key) == 40, "five words, all compared");

struct dp_flow {
	struct dp_flow_key key;
	uint8_t flags;		  // FLOW_*
	uint8_t how;		  // enum qos_how of its portal
	uint16_t heard_s;	  // wraps
	uint32_t serial;	  // of the configuration under which it is known to be a portal's
	struct qos_stream stream; // service and way of all; the rest with FLOW_READS
	uint32_t syn_seq;	  // with FLOW_BEGUN
	uint32_t ask_tag;	  // with FLOW_ASKING
	uint16_t vm_idx;	  // of the sender
	uint16_t owner;		  // port of the guest whose connection it is, or OWNER_*
} __rte_cache_aligned;
static_assert(offsetof(struct dp_flow, stream.head) <= 128, "two cache lines inside of a PDU");

// The worker's own; counters are read by main.
struct dp_storage_pw {
	struct dp_flow flows[DP_STORAGE_FLOWS];
	// Flow + 1, 0 = none: chains by hash, and the free ones.
	uint16_t heads[STORAGE_HEADS];
	uint16_t next[DP_STORAGE_FLOWS];
	uint16_t free_first;
	uint16_t aged;		    // flows before it have been looked at in this round
	uint16_t of_port[N_OWNERS]; // flows
	struct dp_told {
		uint32_t span, n; // when; events in it
	} told[N_OWNERS];
	// The text of an iSCSI PDU that may teach; one at a time.
	struct qos_text text;
	bool freed;	    // a flow ended in this batch: what classify found may be another's
	uint16_t text_flow; // DP_FLOW_NONE = nobody's
	bool text_more;	    // goes on in the next PDU
	uint8_t text_how;
	uint32_t learnt_s;
	uint16_t n_learnt[STORAGE_TEACHERS]; // in this second, by teacher
	struct rte_ring *events;	     // worker: produce, main: consume
	// worker: w, main: r, relaxed
	_Atomic uint64_t opened, refused_full, events_lost, learnt_live, pkts, port_only;
	_Atomic uint32_t n_flows;
	struct dp_storage_event out[STORAGE_BATCH]; // n_told of the worker
} __rte_cache_aligned;

// What workers share.
struct dp_storage {
	uint64_t secret; // constant: nobody outside knows which flows meet in a chain
	// main: w, worker: r, relaxed
	_Atomic bool telemetry, learning;
	_Atomic uint32_t n_booting;
	_Atomic uint32_t boot_serial; // after boot[] has changed: release/acquire
	_Atomic uint64_t boot[DP_MAX_VMS];
	// Calls to rpcbind that wait for their answers, each in one word: any worker: r, w,
	// relaxed.
	_Atomic uint64_t calls[STORAGE_CALLERS][STORAGE_CALLS];
};

// A frame that is followed.
struct dp_follow {
	struct dp_worker *w;
	const struct dp_batch *b;
	struct dp_flow *f; // NULL = a datagram
	struct rte_mbuf *m;
	const struct dp_flow_key *key;
	uint32_t off, size; // of the payload
	uint32_t n_heard;   // requests and answers that begin in the frame
	uint32_t tag;	    // of the last of them
};

static inline void dp_storage_count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t dp_storage_mix(uint64_t h, uint64_t x)
{
	h = (h ^ x) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static inline uint16_t dp_flow_idx(const struct dp_worker *w, const struct dp_flow *f)
{
	return (uint16_t)(f - w->storage->flows);
}

static inline bool dp_storage_telemetry(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->sw->storage->telemetry, memory_order_relaxed);
}

static inline bool dp_storage_learning(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->sw->storage->learning, memory_order_relaxed);
}

// --- to main (storage_tell.c)

// May this flow tell once more? A guest has its part of what main takes. When not, it is counted.
bool dp_storage_may_tell(struct dp_worker *w, const struct dp_flow *f);
void dp_storage_tell_open(struct dp_worker *w, struct dp_flow *f);
void dp_storage_tell_close(struct dp_worker *w, struct dp_flow *f, bool rst, bool idle);
void dp_storage_tell_pdu(struct dp_worker *w, struct dp_flow *f, const struct qos_pdu *pdu);
void dp_storage_tell_learnt(struct dp_worker *w, const struct qos_portal *portal,
			    const struct qos_addr *teacher);

// --- what teaches (storage_learn.c)

// What a flow that may teach has said.
void dp_storage_learn_pdu(struct dp_follow *fo, const struct qos_pdu *pdu);
// A call to rpcbind, or its reply: client and server by fo->key and way.
void dp_storage_learn_rpc(struct dp_follow *fo, enum qos_way way, const struct qos_pdu *pdu);

#endif
