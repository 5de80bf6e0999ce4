// Groups: what each does, in which versions, and which of its buckets a packet takes.
//
// A view is what a group is in versions since..until-1. It never changes but for these two, so a
// worker that found one keeps it until its next quiescent state. Replacing a group ends a view and
// begins another: the group's own counters go on, its buckets begin at 0 (OpenFlow 1.3.5 section
// 6.4 "Group table modification messages").
//
// SELECT: a table of DP_OF_SLOTS slots, each a bucket's, in exact proportion of the weights
// wherever their sum divides DP_OF_SLOTS (1..10, 12, 14, 15, 18, 20, 21, 24, 28, 30, ...), else
// within one slot, 0.04 %. Which slots a bucket has follows from what it does, so a bucket that
// comes or goes hardly moves flows between the others. A flow whose bucket is dead takes another,
// by its hash again; flows of live buckets stay.
//
// thread: find, pick and tally on workers; all else on main.
//
// usage: main: dp_groups_set(gs, 7, 1, &def); publish version 7 to workers; when all act on it:
//        dp_groups_settle(gs, 7)
#ifndef OF_GROUP_PRIV_H
#define OF_GROUP_PRIV_H

#include "dp_flow_key.h"
#include "dp_of.h"
#include "of_tally_priv.h"
#include "switch_priv.h"

#define DP_OF_SLOTS 2520u
#define DP_OF_NO_BUCKET UINT32_MAX
// Watched ports and groups that one choice may look at: what is not found by then is dead.
#define DP_OF_WATCH_MAX 256u
#define DP_OF_REACH_MAX 4096u  // groups that one may lead to
#define DP_OF_NAMED_MAX 65536u // names of groups in these, and in itself

struct dp_of_groups;
struct dp_of_group_life;

struct dp_of_bucket_view {
	const uint8_t *ops; // n_ops bytes
	uint32_t watch_port, watch_group;
	uint16_t weight, n_ops;
	uint32_t reserved;
};

struct dp_of_group_view {
	// main: w, worker: r; next: release/acquire, the versions: relaxed
	_Atomic(struct dp_of_group_view *) next;
	_Atomic uint64_t since, until;
	// Constant.
	uint32_t group, n_buckets;
	uint8_t type;	       // enum dp_of_group_type
	bool watches;	       // some bucket watches something
	const uint16_t *slots; // [DP_OF_SLOTS] of a SELECT with weights; else NULL
	const struct dp_of_bucket_view *buckets; // [n_buckets]
	struct dp_of_tally *tallies; // [n_workers][n_buckets], each worker's on lines of its own
	uint32_t tally_stride;	     // tallies from one worker to the next
	struct dp_of_group_life *life;
	// main only
	struct dp_of_group_view *staged_next, *ended_next;
	uint64_t seen; // by which look for loops
	uint64_t dead[4];
};

struct dp_of_group_def {
	uint8_t type; // enum dp_of_group_type
	uint32_t n_buckets;
	const struct dp_of_bucket *buckets;
};

struct dp_of_groups_params {
	uint32_t max_groups, n_workers;
	// Is the port up, and not configured down? worker
	bool (*port_live)(void *arg, const struct dp_worker *w, uint32_t of_port);
	// Call dp_groups_view_free(v) after a grace period; v->dead is the callee's until then.
	void (*retire)(void *arg, struct dp_of_group_view *v);
	void *arg;
};

// returns 0 and *out, or -ENOMEM
int dp_groups_create(const struct dp_of_groups_params *p, struct dp_of_groups **out);
void dp_groups_view_free(struct dp_of_group_view *v);
// No worker may see it any more; NULL is fine.
void dp_groups_destroy(struct dp_of_groups *gs);

// From version on, the group is this. def is copied.
//
// version  not yet given to workers; the same for all changes until it is
// returns  0; -ENOMEM; -ENOSPC = max_groups are there; -ELOOP = it would lead to itself. The store
//          is as it was on failure
int dp_groups_set(struct dp_of_groups *gs, uint64_t version, uint32_t group,
		  const struct dp_of_group_def *def);
// From version on, there is none. What is not there stays so.
void dp_groups_end(struct dp_of_groups *gs, uint64_t version, uint32_t group);
// Nothing of what was changed for version happened.
void dp_groups_give_up(struct dp_of_groups *gs, uint64_t version);
// Workers act on version, or a later one: what ended by then goes.
void dp_groups_settle(struct dp_of_groups *gs, uint64_t version);

// Would the group lead to itself by the groups that its buckets name, as they are staged?
// returns 0, -ELOOP or -ENOMEM
int dp_groups_loop(struct dp_of_groups *gs, uint32_t group, const struct dp_of_group_def *def);
// Is there such a group, as staged?
bool dp_groups_has(const struct dp_of_groups *gs, uint32_t group);
uint32_t dp_groups_n(const struct dp_of_groups *gs);
// bucket = DP_OF_NO_BUCKET: of the group. returns 0 or -ENOENT
int dp_groups_count(const struct dp_of_groups *gs, uint32_t group, uint32_t bucket,
		    struct dp_of_count *out);

// The group in that version, or NULL. any thread; does not block, allocate or log
const struct dp_of_group_view *dp_groups_find(const struct dp_of_groups *gs, uint32_t group,
					      uint64_t version);

// The bucket that a packet takes: of SELECT by its hash, of FAILOVER the first live one, of
// INDIRECT its only one. (All of ALL's get a copy, dead or not.)
//
// returns  its number, or DP_OF_NO_BUCKET: the packet is dropped
// thread   worker; does not block, allocate or log
uint32_t dp_groups_pick(const struct dp_of_groups *gs, const struct dp_worker *w,
			const struct dp_of_group_view *g, uint64_t version, uint32_t hash);

// The same for each packet of a flow, whatever port it came by and whatever tables said of it: all
// header fields but ECN, which changes on the way.
uint32_t dp_of_hash(const struct dp_flow_key *k);

// A frame of that size met the group (DP_OF_NO_BUCKET), or a bucket of it. worker
void dp_groups_meet(const struct dp_worker *w, const struct dp_of_group_view *g, uint32_t bucket,
		    uint32_t size);

// The slots of SELECT (of_select.c): out[DP_OF_SLOTS]. returns 0; -ENOMEM; -ENOENT = no bucket has
// a weight
int dp_of_slots_fill(const struct dp_of_bucket_view *buckets, uint32_t n_buckets, uint16_t *out);

#endif
