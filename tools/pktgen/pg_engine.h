// The polling loop: sources, sinks and what they count.
//
// A lane is one stream's frames from one port (and one queue of it). Its frames are numbered and
// stamped, so the sink of any port knows whose they are, what is missing, and how long they took.
// Everything runs in one thread; nothing here is locked.
#ifndef PG_ENGINE_H
#define PG_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "pg_config.h"
#include "pg_frame.h"
#include "pg_port.h"
#include "pg_stats.h"

enum {
	PG_LANES_MAX = 4096,
	PG_SCHEDULE_LEN = 128, // sizes of a mix, in a fixed order
	PG_LANES_PER_PORT = 64,
};

// Counters that only grow; intervals are differences.
struct pg_counts {
	uint64_t tx_pkts, tx_bytes, rx_pkts, rx_bytes;
	uint64_t wanted_pkts,
		blocked_pkts; // frames that were due; those of them the ring had no room for
	uint64_t corrupt_pkts, misdelivered_pkts, ios, lost_ios;
};

struct pg_lane {
	struct pg_template templates[2]; // PG_MIX uses both
	const struct pg_stream_cfg *cfg;
	struct pg_iscsi *iscsi; // of a request-response pair; shared by both its lanes
	bool is_target;
	uint16_t id, src, dst, queue;
	uint32_t seq, flow, mac, flow_first, n_flows, schedule_pos, n_schedule;
	uint32_t schedule[PG_SCHEDULE_LEN];
	double credit, per_tick; // frames or bits
	struct pg_counts c;
	struct pg_seq in;
	uint32_t *flow_last; // several queues: the last number of each flow. Order holds within a
			     // flow only
	uint64_t flow_reordered;
	struct pg_hist hist; // of the current interval of measurement
};

struct pg_engine {
	const struct pg_config *cfg;
	struct vh_front *front; // NULL without guests
	struct pg_copy *copy;	// NULL with a switch
	struct pg_port *ports;	// ports[cfg->n_ports]
	struct pg_lane *lanes;	// lanes[n_lanes]
	uint16_t n_lanes;
	uint16_t (*port_lanes)[PG_LANES_PER_PORT]; // lanes that send from each port
	uint16_t *n_port_lanes;
	uint32_t nonce;
	uint64_t random;
	bool sending, measuring;
	bool offloads, bodies; // some frames have them
	bool slow_start;       // verification: a few frames per turn
	uint64_t tick;	       // TSC at the top of the turn
	uint64_t busy_ticks, idle_ticks, turns;
	double ticks_per_s;
};

// Lanes for all streams. Ports are open.
int pg_engine_init(struct pg_engine *e, const struct pg_config *cfg, struct weir_err *err);
void pg_engine_fini(struct pg_engine *e);

// One turn: receive on each port, send from each lane. returns frames moved
uint32_t pg_engine_turn(struct pg_engine *e);

// The next 32 bits of the engine's generator: a run repeats them with its seed.
uint32_t pg_engine_random(struct pg_engine *e);

// After the last turn that sent: take back what the back-ends have used, so that what is still in
// flight is what they never took.
void pg_engine_settle(struct pg_engine *e);

// Forget what was counted, and take the numbers from here.
void pg_engine_restart_counts(struct pg_engine *e);

// Request-response, both sides. See iscsi.c.
struct pg_iscsi *pg_iscsi_create(const struct pg_stream_cfg *cfg, struct pg_lane *initiator,
				 struct pg_lane *target);
void pg_iscsi_destroy(struct pg_iscsi *i);

// What a lane of the pair has to send now. *size = of the frame; body = 8 bytes to go behind the
// stamp.
//
// returns  false = nothing is due
bool pg_iscsi_next(struct pg_engine *e, struct pg_lane *l, uint32_t *size, uint8_t body[8]);

// A frame of the pair has arrived.
void pg_iscsi_arrived(struct pg_engine *e, struct pg_lane *l, const uint8_t body[8], uint32_t size);

static inline uint64_t pg_rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

#endif
