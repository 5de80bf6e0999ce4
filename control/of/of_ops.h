// What the files that know the meaning of messages share: of_match.c, of_compile.c (wire to key and
// program), of_flow.c, of_group.c, of_meter.c, of_port.c, of_stats*.c, of_bundle.c, of_packet.c.
//
// Records of flows and groups never change in what was configured: a modification makes a new
// record and puts it in the old one's place. So the journal of what a message (or a bundle) did is
// a list of pairs, old and new, and undoing it is the same list backwards.
#ifndef OF_OPS_H
#define OF_OPS_H

#include "agent_priv.h"

#include <errno.h>

#define OF_ANY 0xffffffffu // OFPP_ANY, OFPG_ANY
#define OF_GROUP_MAX 0xffffff00u
#define OF_METER_MAX 0xffff0000u
#define OF_METER_SLOWPATH 0xfffffffdu
#define OF_METER_CONTROLLER 0xfffffffeu
#define OF_ALL_TABLES 0xff
#define OF_NO_BUFFER 0xffffffffu
#define OF_BUCKETS_MAX 64 // of one group
#define OF_SET_MAX 128	  // actions that one write-actions or bucket may list

static inline int of_refuse(struct of_wire_error *e, uint16_t type, uint16_t code)
{
	*e = (struct of_wire_error){ type, code };
	return -EINVAL;
}

// --- The memory of what controllers wrote: matches, instructions and buckets, and the programs
// that they become, which are at most 2.5 times as long. One budget for all of them, or one message
// that modifies all flows could make gigabytes of its few bytes. What is fixed for each flow, group
// and bucket is bounded by their numbers.
#define OF_BYTES_MIN (16u << 20)
#define OF_BYTES_OF_FLOW 512u // more of it for each flow that may be there

static inline size_t of_bytes_of(size_t match_size, size_t list_size)
{
	return match_size + 4 * list_size;
}

// returns 0, or -ENOSPC
static inline int of_bytes_take(struct of_agent *a, size_t n)
{
	size_t most = OF_BYTES_MIN + (size_t)a->p.max_flows * OF_BYTES_OF_FLOW;

	if (a->n_bytes > most || n > most - a->n_bytes)
		return -ENOSPC;
	a->n_bytes += n;
	return 0;
}

// --- of_map.c: records by number, in order of their numbers.
void *of_map_find(const struct of_map *m, uint32_t id);
// The first one with at least that number. returns NULL = none
void *of_map_from(const struct of_map *m, uint32_t id);
// Room for one more. returns 0 or -ENOMEM
int of_map_reserve(struct of_map *m);
// Put it in the place of its number, which may hold another one. Room was reserved.
void of_map_put(struct of_map *m, void *rec);
void of_map_remove(struct of_map *m, uint32_t id);
void of_map_fini(struct of_map *m);

// --- of_match.c
// Key and mask of a list of OXM fields. returns 0, or -EINVAL with *e
int of_match_compile(struct of_list oxms, struct dp_flow_key *key, struct dp_flow_key *mask,
		     struct of_wire_error *e);
// Does whatever `inner` matches match `outer` too?
bool of_match_within(const struct dp_flow_key *key, const struct dp_flow_key *mask,
		     const struct dp_flow_key *outer_key, const struct dp_flow_key *outer_mask);
bool of_match_is_any(const struct dp_flow_key *mask);
// The value of a field whose length is right. returns false when it does not fit its bits
bool of_match_value(const struct of13_oxm *o, enum dp_flow_field *f, struct dp_flow_value *v);

// --- of_compile.c
bool of_field_settable(enum dp_flow_field f);
struct of_compile {
	struct of_agent *a;
	struct of_wire_error *e;
	struct dp_flow_key key, mask; // what is known of the frame by now
	uint8_t table;
	bool packet_out;   // may output to OFPP_TABLE
	bool anything;	   // nothing is known of the frame, and any header may be there
	uint32_t in_group; // of the bucket; OF_ANY = none
	bool refers;	   // it leads to groups
	size_t size;	   // of what is in `ops`
	union {
		struct dp_flow_prog prog;
		uint8_t bytes[sizeof(struct dp_flow_prog) + DP_FLOW_PROG_MAX];
	};
};
// A whole program. c->a, e, table, key and mask are the caller's. returns 0, or -EINVAL with *e
int of_compile_instructions(struct of_compile *c, struct of_list instructions);
// Operations into c->prog.ops, c->size bytes: in the order given, or as an action set.
int of_compile_actions(struct of_compile *c, struct of_list actions, bool as_set);
// Calls fn for each group and port (is_port) that a list of actions or instructions leads to, until
// it says true. returns whether it did
typedef bool of_refer_fn(void *arg, bool is_port, uint32_t number);
bool of_actions_refer(struct of_list actions, of_refer_fn *fn, void *arg);
bool of_instructions_refer(struct of_list instructions, of_refer_fn *fn, void *arg);

// --- of_journal.c (struct of_journal: agent_priv.h)
enum of_change_kind { OF_CHANGE_FLOW, OF_CHANGE_GROUP };
struct of_change {
	enum of_change_kind kind;
	void *old, *now;
};
// What was staged before is published, which undoing several changes needs.
void of_journal_alone(struct of_agent *a);
int of_journal_reserve(struct of_agent *a);
void of_journal_note(struct of_agent *a, enum of_change_kind kind, void *old, void *now);
// What was noted stays. returns whether that is done; else once more, in another slice
bool of_journal_settle(struct of_agent *a);

// Units of work: about 0.1 us.
enum of_work {
	OF_WORK_LOOK = 1,
	OF_WORK_CHANGE = 6,
	OF_WORK_SETTLE = 2,
	OF_WORK_NAME = 4,     // of a group, looked up here and in the datapath
	OF_WORK_MESSAGE = 40, // an add, while the classifier's memory grows
	OF_WORK_UNLINK = 30,
};
void of_slice_begin(struct of_agent *a);
bool of_slice_over(const struct of_agent *a);
uint32_t of_slice_left(const struct of_agent *a); // looks

// A call that stands midway: again with the next slice. Beside 0 and -EINVAL.
enum { OF_MORE = 1 };
// Do messages, which stay where they are, all or none of them. has_ports: some are port-mods, which
// are in force at once and cannot be undone: they were checked with all else, and come after it.
// returns 0, -EINVAL and a->txn.e of
// the one at a->txn.at, or OF_MORE: of_txn_keep(), and of_txn_go() until it says something else
int of_txn_begin(struct of_agent *a, const uint8_t *msgs, size_t size, bool has_ports);
// Who asked, by which message. returns false = no memory: go on at once
bool of_txn_keep(struct of_agent *a, struct of_conn *c, const uint8_t *msg, size_t size);
int of_txn_go(struct of_agent *a);
// After of_txn_keep(), when it is answered.
void of_txn_over(struct of_agent *a);
// Does the connection's input wait for the transaction, or for others after its own?
bool of_txn_holds(const struct of_agent *a, const struct of_conn *c);
void of_txn_forget(struct of_agent *a, const struct of_conn *c);
void of_txn_give_up(struct of_agent *a);

// --- of_flow.c
struct of_flow {
	struct dp_of_flow *dp;
	struct of_flow *next, **prev; // in the wheel; next: of those that have ended
	uint64_t cookie;
	uint64_t created_ns;
	uint64_t base_pkts, base_bytes; // counted before a reset
	uint64_t version;		// ended: no worker acts on it after this one
	uint32_t slot;
	uint32_t meter; // 0 = none
	uint64_t tick;	// of the wheel when it is looked at
	uint16_t priority;
	uint16_t flags, importance;
	uint16_t idle_s, hard_s;
	uint16_t match_size, inst_size; // bytes in wire
	uint8_t table, reason;
	bool refers; // to groups
	uint8_t wire[];
};
static inline struct of_list of_flow_match(const struct of_flow *f)
{
	return (struct of_list){ f->wire, f->match_size };
}
static inline struct of_list of_flow_instructions(const struct of_flow *f)
{
	return (struct of_list){ f->wire + f->match_size, f->inst_size };
}

// The record goes, with its share of the budget.
void of_flow_drop(struct of_agent *a, struct of_flow *f);

// Which flows a message is about.
struct of_select {
	struct dp_flow_key key, mask;
	uint64_t cookie, cookie_mask;
	uint32_t out_port, out_group;
	uint8_t table; // or OF_ALL_TABLES
	bool any;      // match of no field
};
int of_select_init(struct of_select *s, uint8_t table, struct of_list match,
		   struct of_wire_error *e);
bool of_select_has(struct of_select *s, const struct of_flow *f);

// Where a program may be compiled: its content lasts until the next message.
struct of_compile *of_scratch(struct of_agent *a);
int of_tables_create(struct of_agent *a);
void of_tables_destroy(struct of_agent *a);
// returns 0; -EINVAL with *e; OF_MORE = go on with the same message while a->txn.midway
int of_flow_mod(struct of_agent *a, const struct of13_flow_mod *m, struct of_wire_error *e);
// Flows whose instructions name the group (or the meter; ALL: any) end.
// returns 0, -EINVAL = no memory, or OF_MORE
int of_flow_end_group(struct of_agent *a, uint32_t group);
int of_flow_end_meter(struct of_agent *a, uint32_t meter);
// The next flow of a table from *at on, which becomes where to go on. returns NULL = no more
struct of_flow *of_flow_next(const struct of_agent *a, uint8_t table, uint32_t *at);
uint32_t of_flow_active(const struct of_agent *a, uint8_t table);
// Since it came, or since its counters were reset.
void of_flow_count(const struct of_agent *a, const struct of_flow *f, struct dp_of_count *out);
void of_flow_published(struct of_agent *a); // those that have ended did so in a->published
// returns when it wants to be called again
uint64_t of_flow_tick(struct of_agent *a);
// For the journal.
void of_flow_undo(struct of_agent *a, struct of_flow *old, struct of_flow *now);
void of_flow_settle(struct of_agent *a, struct of_flow *old, struct of_flow *now);

// --- of_group.c
struct of_group {
	uint32_t id;		    // first: of_map
	uint32_t n_flows, n_groups; // that refer to it
	uint32_t n_buckets;
	uint32_t mark; // of the last walk that met it
	uint8_t type;
	uint64_t created_ns;
	uint32_t size;
	uint8_t wire[]; // buckets
};
static inline struct of_list of_group_buckets(const struct of_group *g)
{
	return (struct of_list){ g->wire, g->size };
}
struct of_group *of_group_find(const struct of_agent *a, uint32_t id);
struct of_group *of_group_from(const struct of_agent *a, uint32_t id);
// returns 0; -EINVAL with *e; OF_MORE
int of_group_mod(struct of_agent *a, const struct of13_group_mod *m, struct of_wire_error *e);
void of_group_undo(struct of_agent *a, struct of_group *old, struct of_group *now);
void of_group_settle(struct of_agent *a, struct of_group *old);
int of_groups_create(struct of_agent *a);
void of_groups_destroy(struct of_agent *a);

// --- of_meter.c
struct of_meter {
	uint32_t id;	  // first: of_map
	uint32_t n_flows; // that refer to it
	uint16_t flags, n_bands;
	uint64_t created_ns;
	uint32_t size;
	uint8_t wire[]; // bands
};
struct of_meter *of_meter_find(const struct of_agent *a, uint32_t id);
struct of_meter *of_meter_from(const struct of_agent *a, uint32_t id);
// returns 0; -EINVAL with *e; OF_MORE. Of a deletion: its flows end
int of_meter_mod(struct of_agent *a, const struct of13_meter_mod *m, struct of_wire_error *e);
// Nobody refers to it any more: it goes.
void of_meter_remove(struct of_agent *a, uint32_t id);
void of_meters_destroy(struct of_agent *a);

// --- of_port.c
struct of_port {
	uint32_t no; // first: of_map
	uint16_t idx;
	uint32_t gen;
	uint8_t mac[6];
	char name[DP_NAME_MAX]; // more than is told
	uint32_t config, state;
	uint64_t created_ns;
	uint64_t rate_bits_per_s;
	bool seen;
};
int of_ports_create(struct of_agent *a);
void of_ports_destroy(struct of_agent *a);
struct of_port *of_port_find(const struct of_agent *a, uint32_t no);
struct of_port *of_port_from(const struct of_agent *a, uint32_t no);
int of_port_mod(struct of_agent *a, const struct of13_port_mod *m, bool check_only,
		struct of_wire_error *e);
// returns when it wants to be called again
uint64_t of_port_tick(struct of_agent *a);
int of_port_put(struct of_buf *b, const struct of_port *p, uint8_t version);
void of_port_count(const struct of_agent *a, const struct of_port *p, struct of13_port_stats *out);
void of_queue_count(const struct of_agent *a, const struct of_port *p, uint32_t queue,
		    struct of13_queue_stats *out);

// --- of_packet.c
int of_packet_out(struct of_agent *a, const struct of13_packet_out *m, struct of_wire_error *e);

// --- of_stats.c
// returns 0 = it is answered, or will be; -EINVAL and *e
int of_stats_request(struct of_agent *a, struct of_conn *c, const struct of13_multipart_request *r,
		     struct of_wire_error *e);
// Go on with answers of several parts. returns whether one could go on at once
bool of_stats_tick(struct of_agent *a);
bool of_stats_busy(const struct of_agent *a, const struct of_conn *c);
void of_stats_forget(struct of_agent *a, struct of_conn *c);
int of_stats_create(struct of_agent *a);
void of_stats_destroy(struct of_agent *a);

// --- of_bundle.c
// returns 0 = it is answered; -EINVAL with *e; OF_MORE = a commit that of_bundle_committed() ends
int of_bundle_control(struct of_agent *a, struct of_conn *c, const struct of13_bundle_control *m,
		      struct of_wire_error *e);
int of_bundle_add(struct of_agent *a, struct of_conn *c, const struct of13_bundle_add *m,
		  struct of_wire_error *e);
// The commit of that message is done, or failed (rc). c: NULL = it has gone. returns 0 or -EINVAL
// with *e
int of_bundle_committed(struct of_agent *a, struct of_conn *c, const struct of13_bundle_control *m,
			int rc, struct of_wire_error *e);
void of_bundle_forget(struct of_agent *a, struct of_conn *c);
int of_bundles_create(struct of_agent *a);
void of_bundles_destroy(struct of_agent *a);

// --- of_msg.c
// A change by a message of a kind that a bundle may hold.
enum of_change_how {
	OF_CHANGE_CHECK,  // only whether the codec and bundles take it
	OF_CHANGE_STAGED, // flows and groups; a port-mod is only checked
	OF_CHANGE_PORTS,  // port-mods only
};
// returns 0, -EINVAL and *e, or OF_MORE
int of_msg_change(struct of_agent *a, const uint8_t *msg, size_t size, enum of_change_how how,
		  struct of_wire_error *e);

#endif
