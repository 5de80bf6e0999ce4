// A link and its sources in simulated time, over the real scheduler. Deterministic: one seed, one
// clock that jumps from event to event. Every packet is watched: none is lost, none overtakes
// another of its flow, and bytes in = out + dropped + queued after every run.
#ifndef SIM_H
#define SIM_H

#include "../unit/unit.h"
#include "qos_sched.h"

#define SIM_S 1000000000ull
#define SIM_MS 1000000ull
#define SIM_US 1000ull
#define SIM_G 1000000000ull
#define SIM_FLOWS 16u
#define SIM_BURST 32u

struct sim_src {
	uint16_t vm_idx;
	uint8_t cls;
	uint8_t n_flows;    // 0 = 1
	uint32_t flow_hash; // of the first, the others follow
	bool ect;
	uint32_t min_bytes, max_bytes; // frame sizes, without FCS
	uint32_t depth;		       // saturating: so many packets always stand; 0 = timed
	uint64_t period_ns, next_ns;   // timed: n_burst packets each period, from next_ns
	uint32_t n_burst, jitter_ns;
	uint64_t until_ns; // timed: stop; 0 = never
	// What came of it.
	uint64_t offered_bytes, sent_bytes, refused_bytes, dropped_bytes;
	uint64_t n_sent, n_refused, n_dropped, n_marked;
	uint64_t window_bytes; // sent since the test last set it to 0
	uint64_t max_wait_ns;  // from enqueue to the last bit
	uint64_t *waits_ns;    // [max_waits] of sent packets, when the test gives room
	uint32_t n_waits, max_waits;
	uint32_t seq[SIM_FLOWS], seen[SIM_FLOWS];
};

struct sim_pkt {
	struct qos_pkt q; // first
	struct sim_pkt *free_next;
	uint32_t src, flow, seq;
	bool standing;	 // with the scheduler
	uint64_t out_ns; // when its last bit left
};

// A network card behind the scheduler: a ring that is bounded in bytes, emptied at the wire's rate.
struct sim_nic {
	uint64_t rate_bits_per_s; // 0 = there is none: what is dequeued has left
	uint32_t max_bytes;	  // in the ring
	double empty_ns;	  // when all that is in it will have left
};

struct sim {
	struct qos_sched *s;
	struct qos_sched_params params;
	void *mem;
	uint64_t now_ns, rng;
	uint32_t turn_ns, turn_jitter_ns; // of the owner's loop; 0 = it is always there
	struct sim_nic nic;
	uint32_t burst; // take so many at a time (qos_sched_dequeue_burst); 0 = one by one
	struct qos_pkt *stage[SIM_BURST];
	uint32_t n_stage, stage_at;
	struct sim_src *srcs;
	uint32_t n_srcs;
	struct sim_pkt *pool, *free;
	uint32_t n_pool, n_out; // n_out: with the scheduler
	uint32_t n_taken;	// dequeued, not left yet
	uint64_t n_events;	// packets offered and sent
	uint64_t bytes_out;
	void (*sent)(struct sim *sim, struct sim_pkt *p);    // may be NULL
	void (*dropped)(struct sim *sim, struct sim_pkt *p); // by CoDel; may be NULL
	void (*turn)(struct sim *sim); // each turn of the loop, before it serves; may be NULL
	void *user;
};

uint64_t sim_random(struct sim *sim);

// n_pool packets are all that can stand at once.
void sim_init(struct sim *sim, const struct qos_sched_params *p, uint32_t n_srcs, uint64_t seed);
void sim_fini(struct sim *sim);

// Fill the saturating sources; call after they are described, and again after one is changed.
void sim_fill(struct sim *sim);

void sim_run(struct sim *sim, uint64_t until_ns);

// Offer one packet of a source now.
void sim_offer(struct sim *sim, uint32_t src);

// For those who drive a scheduler themselves: offer what is due (returns when the next timed packet
// comes); take the next packet; say at p->out_ns that it has left.
uint64_t sim_arrivals(struct sim *sim);
struct sim_pkt *sim_take(struct sim *sim);
void sim_left(struct sim *sim, struct sim_pkt *p);

void sim_windows_reset(struct sim *sim);

// Print a figure when SIM_PRINT is set.
void sim_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The p-th part (0..1) of values[n], which are sorted in place.
uint64_t sim_quantile(uint64_t *values, uint32_t n, double p);

// A node with shares and rates.
static inline struct qos_node_params sim_node(uint32_t shares, uint64_t reservation, uint64_t limit)
{
	return (struct qos_node_params){ .shares = shares,
					 .reservation_bits_per_s = reservation,
					 .limit_bits_per_s = limit };
}

static inline void sim_class(struct sim *sim, uint32_t cls, struct qos_node_params node)
{
	struct qos_class_params p = { .node = node };

	assert_int_equal(qos_sched_set_class(sim->s, cls, &p, sim->now_ns), 0);
}

#endif
