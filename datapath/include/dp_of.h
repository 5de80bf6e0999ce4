// OpenFlow in the datapath, as the main thread sees it: 64 tables of rules, groups, meters, ports
// by number, packet-ins and packet-outs. What OpenFlow *means* (cookies, timeouts, overlap,
// replies) is the agent's, in control/of; here is what workers do.
//
// Changes are staged and become visible together: dp_of_flow_add() ... dp_of_publish(). A worker
// looks at the version once per batch, so a frame meets all of a change or nothing of it.
// dp_of_settled() tells when each worker has passed a quiescent state since: then nobody acts on
// what was before, which is what a barrier promises (OpenFlow 1.3.5 section 6.2 "Barrier",
// design.md decision 12).
//
// In front of the tables stands one exact cache per worker, indexed by a signature, whose entries
// serve no version but that in which they were found: a stale hit is impossible.
//
// Off (dp_of_set_mode(DP_OF_OFF)), frames meet plain L2 forwarding and nothing here.
//
// thread: main, except where a function says otherwise.
#ifndef DP_OF_H
#define DP_OF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_flow_prog.h"
#include "dp_port.h"
#include "weir_err.h"

struct dp_switch;
struct dp_of;
struct dp_flow_overlap;
struct dp_flow_rule;
struct dp_of_flow; // a rule in force, or staged
struct rte_mbuf;

// Numbers of ports: OpenFlow 1.3.5 section 7.2.1 (ofp_port_no).
enum dp_of_port_no {
	DP_OFPP_MAX = 0xff00, // ordinary ports are 1..DP_OFPP_MAX - 1 here
	DP_OFPP_IN_PORT = 0xfffffff8,
	DP_OFPP_TABLE = 0xfffffff9,
	DP_OFPP_NORMAL = 0xfffffffa,
	DP_OFPP_FLOOD = 0xfffffffb,
	DP_OFPP_ALL = 0xfffffffc,
	DP_OFPP_CONTROLLER = 0xfffffffd,
	DP_OFPP_LOCAL = 0xfffffffe, // the host port
	DP_OFPP_ANY = 0xffffffff,
};

// ofp_port_config, bits that a port-mod may set.
enum dp_of_port_config {
	DP_OFPPC_PORT_DOWN = 1 << 0,
	DP_OFPPC_NO_RECV = 1 << 2,
	DP_OFPPC_NO_FWD = 1 << 5,
	DP_OFPPC_NO_PACKET_IN = 1 << 6,
};

enum dp_of_mode {
	DP_OF_OFF,    // plain L2
	DP_OF_TABLES, // frames walk the tables
};

struct dp_of_params {
	uint32_t max_flows; // in all tables, staged ones too
	uint32_t max_groups, max_meters;
	uint32_t cache_entries;			 // per worker, a power of two; 0 = no cache
	uint32_t packet_in_pps, packet_in_burst; // per port that they come from; 0 = no limit
	uint32_t n_packet_ins; // that may wait for main, per worker, a power of two
};

// Make the tables, all empty; the mode is DP_OF_OFF. One per switch.
// returns 0 and *out; -ENOMEM, -EEXIST or -EINVAL with err filled
int dp_of_create(struct dp_switch *sw, const struct dp_of_params *p, struct dp_of **out,
		 struct weir_err *err);
// Mode off first, and a grace period later this; or before/after workers ran.
void dp_of_destroy(struct dp_of *of);
// Other limits, at once: packet-ins of each port, and flows, of which there are never more than the
// tables were made for; what is there above the limit stays. returns the limit of flows
uint32_t dp_of_set_limits(struct dp_of *of, uint32_t max_flows, uint32_t packet_in_pps,
			  uint32_t packet_in_burst);
// returns 0, or -ENOMEM with err filled and the mode as it was
int dp_of_set_mode(struct dp_of *of, enum dp_of_mode mode, struct weir_err *err);

// --- Flows. Staged until dp_of_publish().

// A rule in a table. key & ~mask must be 0; prog is copied.
// returns 0 and *out; -ENOSPC = max_flows are there; -ENOMEM, which is also said while rules that
//         ended still hold all slots; -EINVAL = no such table, or prog is not well-formed. Failed,
//         out is unchanged and nothing staged
int dp_of_flow_add(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
		   const struct dp_flow_key *mask, uint16_t priority,
		   const struct dp_flow_prog *prog, struct dp_of_flow **out);
// The rule does something else from the next version on; its counters stay.
// returns 0; -ENOMEM or -EINVAL (prog is not well-formed) with the rule as it was
int dp_of_flow_change(struct dp_of *of, struct dp_of_flow *f, const struct dp_flow_prog *prog);
// From the next version on it is not there. f stays valid for dp_of_flow_count() until
// dp_of_flow_free().
void dp_of_flow_end(struct dp_of *of, struct dp_of_flow *f);
// The owner has read its last counters (after dp_of_settled()); memory goes when no worker sees it.
void dp_of_flow_free(struct dp_of *of, struct dp_of_flow *f);
// The rule with exactly this match and priority, staged changes included. returns NULL = none
struct dp_of_flow *dp_of_flow_exact(struct dp_of *of, uint8_t table, const struct dp_flow_key *key,
				    const struct dp_flow_key *mask, uint16_t priority);
// A rule of o->priority that overlaps o->key and o->mask, staged changes included, by
// dp_flow_table_overlap(). returns whether it is done, with o->found
bool dp_of_flow_overlap(struct dp_of *of, uint8_t table, struct dp_flow_overlap *o,
			uint32_t *n_most);
void dp_of_flow_set_user(struct dp_of_flow *f, void *user); // the agent's record of it
void *dp_of_flow_user(const struct dp_of_flow *f);
// Its match, priority and newest program, to be shown. Valid as long as f.
const struct dp_flow_rule *dp_of_flow_rule(const struct dp_of_flow *f);

struct dp_of_count {
	uint64_t n_pkts, n_bytes;
	uint64_t used_ns; // of the last one: when its worker's turn began; 0 = none yet
};
void dp_of_flow_count(const struct dp_of *of, const struct dp_of_flow *f, struct dp_of_count *out);

struct dp_of_table_count {
	uint64_t n_lookups, n_matched;
	uint32_t n_rules, n_tuples, n_overflow;
};
void dp_of_table_count(const struct dp_of *of, uint8_t table, struct dp_of_table_count *out);

// --- Groups. Staged as flows are.

enum dp_of_group_type { DP_OF_ALL, DP_OF_SELECT, DP_OF_INDIRECT, DP_OF_FAILOVER };

struct dp_of_bucket {
	uint16_t weight;		  // SELECT
	uint16_t n_ops;			  // bytes
	uint32_t watch_port, watch_group; // DP_OFPP_ANY = none
	const uint8_t *ops;		  // apply list of actions
};
// Make or replace. The buckets are copied.
// returns 0; -ENOMEM; -ENOSPC = max_groups are there; -ELOOP = it would lead to itself, or to more
//         groups than are looked through for that. Failed, nothing is staged
int dp_of_group_set(struct dp_of *of, uint32_t group, enum dp_of_group_type type,
		    const struct dp_of_bucket *buckets, uint32_t n_buckets);
void dp_of_group_end(struct dp_of *of, uint32_t group);
// bucket = UINT32_MAX: of the group. returns 0; -ENOENT = no such group or bucket, *out is zero
int dp_of_group_count(const struct dp_of *of, uint32_t group, uint32_t bucket,
		      struct dp_of_count *out);

// --- Meters. At once; state is kept over a change of bands. Bytes are of the frame without FCS.
// 0xfffffffd and 0xfffffffe meter packet-ins (OFPM_SLOWPATH, OFPM_CONTROLLER).

enum dp_of_meter_flag { DP_OF_KBPS = 1, DP_OF_PKTPS = 2, DP_OF_BURST = 4, DP_OF_STATS = 8 };
#define DP_OF_BANDS 16

struct dp_of_band {
	uint32_t rate, burst; // kbit/s and kbit, or packets/s and packets (DP_OF_PKTPS)
	uint8_t is_remark;    // DSCP remark; else drop
	uint8_t prec_level;   // by how many drop precedences
	uint16_t reserved;
};
// Make or replace.
// returns 0; -EINVAL = too many bands, or not one unit; -ENOSPC = max_meters are there; -ENOMEM
int dp_of_meter_set(struct dp_of *of, uint32_t meter, uint32_t flags,
		    const struct dp_of_band *bands, uint32_t n_bands);
void dp_of_meter_del(struct dp_of *of, uint32_t meter);
struct dp_of_meter_count {
	struct dp_of_count in, bands[DP_OF_BANDS];
};
// returns 0 or -ENOENT
int dp_of_meter_count(const struct dp_of *of, uint32_t meter, struct dp_of_meter_count *out);

// --- Versions

// What is staged is in force from now on. returns its version
uint64_t dp_of_publish(struct dp_of *of);
// Nothing of what is staged happened. At most n_most changes of flows are taken back in one go:
// until it returns true nothing else is staged or published.
bool dp_of_give_up(struct dp_of *of, uint32_t n_most);
// Does every worker act on that version, or a later one?
bool dp_of_settled(struct dp_of *of, uint64_t version);
// Memory of ended versions; from dp_switch_housekeep().
void dp_of_housekeep(struct dp_of *of, uint64_t now_ns);

// --- Ports. A port's number comes with its parameters (dp_port_params.of_port).

// config: enum dp_of_port_config; kept by number. returns 0 or -EINVAL
int dp_of_port_config(struct dp_of *of, uint32_t of_port, uint32_t config);
uint32_t dp_of_port_config_now(const struct dp_of *of, uint32_t of_port);

// Shall fragments of IP packets be dropped before the tables (OFPC_FRAG_DROP)? At first they are
// not.
void dp_of_drop_fragments(struct dp_of *of, bool drop);
bool dp_of_drops_fragments(const struct dp_of *of);

// --- Packets between workers and the agent

enum dp_of_reason { DP_OF_NO_MATCH, DP_OF_ACTION, DP_OF_INVALID_TTL };

struct dp_of_packet_in {
	uint64_t ns;
	struct dp_of_flow *flow; // that sent it here; NULL = none, or it has ended since
	uint64_t metadata, tunnel_id;
	uint32_t in_port;
	uint16_t size;	  // of the whole frame
	uint16_t max_len; // of it that the controller wants
	uint8_t table, reason;
	struct rte_mbuf *m; // a copy of that much of it, perhaps in several segments
};
// Readable when packet-ins wait.
int dp_of_fd(const struct dp_of *of);
// Take what waits, of each worker its share of n. returns how many are in out[n];
// dp_of_packet_in_free() each
uint32_t dp_of_packet_ins(struct dp_of *of, struct dp_of_packet_in *out, uint32_t n);
void dp_of_packet_in_free(struct dp_of_packet_in *p);
// Of those that were not taken, by reason.
struct dp_of_punt_count {
	uint64_t n_sent, n_over_rate, n_full, n_no_mbuf;
};
void dp_of_punt_count(const struct dp_of *of, struct dp_of_punt_count *out);

// Send a frame: its operations run on a worker. ops and frame are copied. in_port: the port that it
// seems to come from, and counts as generated at, or DP_OFPP_CONTROLLER.
// returns 0; -EAGAIN = too many are on their way, or no buffer is free; -EMSGSIZE = longer than any
//         frame; -EINVAL = shorter than an Ethernet header, or ops are not well-formed
int dp_of_packet_out(struct dp_of *of, uint32_t in_port, const uint8_t *ops, size_t ops_size,
		     const uint8_t *frame, size_t size);

// --- explain: the walk of a described frame, step by step, without traffic.

enum dp_of_step_kind { DP_OF_STEP_TABLE, DP_OF_STEP_MISS, DP_OF_STEP_OP, DP_OF_STEP_SET };

struct dp_of_step {
	uint8_t kind, table;
	uint16_t priority;
	struct dp_of_flow *flow;
	const struct dp_flow_op *op; // STEP_OP: applied; STEP_SET: of the action set, at the end
	struct dp_flow_key key;	     // before the step
};
// Walks in the version in force. step() is called for each; what it is shown lasts that long.
// returns 0; -EINVAL = no such port, or a frame that is shorter than an Ethernet header or longer
//         than one buffer; -ENOMEM
int dp_of_explain(struct dp_of *of, uint32_t in_port, const uint8_t *frame, size_t size,
		  void (*step)(void *arg, const struct dp_of_step *s), void *arg);

#endif
