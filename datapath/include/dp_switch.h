// The switch as the main thread sees it: memory, drivers, workers, and the change of configuration
// in two steps (prepare may fail and is undone; commit cannot fail).
//
//   dp_switch_create(&params, &sw, &err);  dp_switch_add_driver(sw, &dp_ethdev_driver);
//   dp_switch_prepare(sw, &plan, &prep, &err);  dp_switch_commit(sw, prep);
//   dp_switch_start(sw);                       // workers poll on their own cores
//   every few ms on main: dp_switch_housekeep(sw, now_ns);
//   dp_switch_stop(sw); dp_switch_destroy(sw);
//
// Tests start no worker thread: they call dp_switch_turn() with a clock of their own.
//
// thread: main, except where a function says otherwise.
#ifndef DP_SWITCH_H
#define DP_SWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_fdb.h"
#include "dp_plan.h"
#include "dp_port.h"
#include "weir_err.h"

struct dp_switch;
struct dp_prepared;

struct dp_switch_params {
	uint32_t n_workers;			// 1..DP_MAX_WORKERS
	uint32_t worker_lcores[DP_MAX_WORKERS]; // EAL lcores; ignored when no thread is started
	uint32_t n_mbufs;			// buffers of DP_MBUF_ROOM
	uint32_t n_mbufs_large; // buffers of DP_MBUF_ROOM_LARGE, made with the first jumbo port
	uint32_t mac_limit;	// forwarding entries
	uint32_t queue_len;	// buffers that one VM may hold on one link, a power of two
	uint32_t max_sleep_us;	// longest nap of an idle worker; 0 = always poll
};

// Frames handed to the responder and back, by value.
#define DP_PUNT_BYTES 2048

struct dp_punt {
	uint64_t ns;  // when the frame was received
	uint32_t gen; // of the port
	uint16_t port;
	uint16_t vid;
	uint16_t size;
	uint8_t cls;	  // inject: enum qos_class
	uint8_t transfer; // punt: a TFTP message
	uint8_t reserved[4];
	uint8_t data[DP_PUNT_BYTES - 24];
};
_Static_assert(sizeof(struct dp_punt) == DP_PUNT_BYTES, "one ring element");

int dp_switch_create(const struct dp_switch_params *p, struct dp_switch **out,
		     struct weir_err *err);
void dp_switch_destroy(struct dp_switch *sw);
int dp_switch_add_driver(struct dp_switch *sw, const struct dp_link_driver *drv);

// Make links for new ports and build the next snapshot.
// returns  0 and *out; or a negative errno with err filled, nothing changed
int dp_switch_prepare(struct dp_switch *sw, const struct dp_plan *plan, struct dp_prepared **out,
		      struct weir_err *err);
// Would it be accepted? All that prepare looks at but the links themselves, which nothing touches.
// returns 0, or a negative errno with err filled
int dp_switch_rehearse(struct dp_switch *sw, const struct dp_plan *plan, struct weir_err *err);
void dp_switch_commit(struct dp_switch *sw, struct dp_prepared *prep);
void dp_switch_abort(struct dp_switch *sw, struct dp_prepared *prep);

// The port takes nothing from its guest from now on (what it sends is dropped as "standby"), and
// the guest's address is wherever uplinks hear it; or the port takes frames again. At once, on the
// link that it has, and until told otherwise; a port that does so already is left alone. returns 0;
// -ENOENT or -ENOMEM with err filled
int dp_switch_port_quiet(struct dp_switch *sw, const char *name, enum dp_quiet quiet,
			 struct weir_err *err);

int dp_switch_start(struct dp_switch *sw, struct weir_err *err);
void dp_switch_stop(struct dp_switch *sw);

// The workers' clock: monotonic ns from the TSC. Safe before any worker runs. thread: any
uint64_t dp_switch_now_ns(void);

// Learn, age, reclaim, notice link changes. Call every few ms.
void dp_switch_housekeep(struct dp_switch *sw, uint64_t now_ns);

// One turn of worker `id` at time now_ns; for tests, without dp_switch_start. returns frames
// received.
uint32_t dp_switch_turn(struct dp_switch *sw, uint32_t id, uint64_t now_ns);

// eventfd that is readable when frames for the responder may wait.
int dp_switch_punt_fd(const struct dp_switch *sw);

// Frames to the responder: take up to n. thread: boot (one at a time).
uint32_t dp_switch_punts(struct dp_switch *sw, struct dp_punt *out, uint32_t n);

// Do n more frames fit, whichever worker they are for? If not, the eventfd becomes readable when
// half of what may wait has gone: who asks before it takes work never finds the ring full. thread:
// boot (one at a time)
bool dp_switch_injects_fit(struct dp_switch *sw, uint32_t n);

// Send a frame by a port. thread: boot (one at a time). returns 0; -EAGAIN = ring full; -EMSGSIZE
int dp_switch_inject(struct dp_switch *sw, struct dp_punt *frame);

// --- Looking at it. All copies are made at the time of the call.

// Where a port's fixed MAC is.
enum dp_mac_at {
	DP_MAC_NONE,	  // it has none
	DP_MAC_NOWHERE,	  // its guest is not there, and nobody hears it
	DP_MAC_EXPECTED,  // its guest is there, and has not said anything since it came
	DP_MAC_HERE,	  // heard at the port
	DP_MAC_ELSEWHERE, // its guest is not there, and an uplink hears it
};

struct dp_port_info {
	uint16_t idx;
	uint32_t gen;
	uint64_t created_ns; // dp_switch_now_ns(): since then its counters count
	uint8_t owner;	     // worker
	uint32_t n_macs;
	uint8_t mac_at; // enum dp_mac_at
	struct dp_port_params cfg;
	struct dp_link_status link;
};

struct dp_worker_info {
	uint32_t id, lcore;
	uint64_t turns, busy_turns, rx_pkts, busy_cycles, naps;
	uint64_t tsc_hz;
	uint32_t n_rxqs;
	uint64_t events_lost; // learn events that found the ring full
};

// idx of a port by name, or -ENOENT.
int dp_switch_port_find(const struct dp_switch *sw, const char *name);
// returns 0; -ENOENT = no port of that index
int dp_switch_port_info(const struct dp_switch *sw, uint16_t idx, struct dp_port_info *out);
int dp_switch_port_totals(const struct dp_switch *sw, uint16_t idx, struct dp_port_totals *out);
// What removed ports counted until they went.
void dp_switch_retired_totals(const struct dp_switch *sw, struct dp_port_totals *out);
uint32_t dp_switch_n_workers(const struct dp_switch *sw);
void dp_switch_worker_info(const struct dp_switch *sw, uint32_t id, struct dp_worker_info *out);
struct dp_fdb *dp_switch_fdb(struct dp_switch *sw);
uint32_t dp_switch_mbufs_in_use(const struct dp_switch *sw);
// Generation of the snapshot in force; grows by one with each commit.
uint64_t dp_switch_generation(const struct dp_switch *sw);

// true when the conservation law holds exactly for every port and in sum; when not, err says where.
// Only meaningful while no frame moves.
bool dp_switch_conserved(const struct dp_switch *sw, struct weir_err *err);

// --- explain: what would happen to this frame, by the datapath's own functions, without traffic.

struct dp_verdict {
	uint8_t kind;	  // enum dp_verdict_kind
	uint8_t drop;	  // enum dp_drop
	uint8_t cls, why; // enum qos_class, qos_why
	uint8_t stage;	  // enum dp_stage in which a drop happened
	uint8_t pcp;	  // that came in, where it counts
	uint16_t vid;
	uint16_t vm_idx;    // of the sender, 0 = no VM
	bool punted;	    // the responder gets it, too
	bool to_controller; // OpenFlow's gets it, too
	uint16_t n_out;
	uint16_t out[DP_MAX_PORTS];	 // each port once
	uint8_t out_queue[DP_MAX_PORTS]; // class + 1 that a set_queue gave there; 0 = cls
	struct dp_parse parse;
};

enum dp_verdict_kind {
	DP_VERDICT_DROP,
	DP_VERDICT_UNICAST,
	DP_VERDICT_FLOOD,
	DP_VERDICT_PUNT,
	DP_VERDICT_OPENFLOW, // the tables say: out, to_controller, or neither = a drop
};

enum dp_stage {
	DP_STAGE_rx,
	DP_STAGE_parse,
	DP_STAGE_admit,
	DP_STAGE_learn,
	DP_STAGE_classify,
	DP_STAGE_forward,
	DP_STAGE_act,
	DP_STAGE_schedule,
	DP_STAGE_tx,
	DP_N_STAGES
};
const char *dp_stage_name(enum dp_stage s);

int dp_switch_explain(const struct dp_switch *sw, uint16_t in_port, const uint8_t *frame,
		      size_t size, struct dp_verdict *out);

#endif
