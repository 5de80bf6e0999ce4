// Inside of OpenFlow in the datapath: the tables, rules and programs as workers see them, and what
// the parts (of_*.c) call of each other. dp_of.h says what they do.
#ifndef OF_PRIV_H
#define OF_PRIV_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dp_flow_key.h"
#include "dp_flow_prog.h"
#include "dp_flow_table.h"
#include "dp_of.h"
#include "of_edit_priv.h"
#include "of_group_priv.h"
#include "of_meter_priv.h"
#include "qos_bucket.h"
#include "switch_priv.h"

enum {
	DP_OF_WALK = DP_FLOW_TABLES, // rules that a frame can meet: goto leads to higher tables
	DP_OF_CACHED = 12,	     // of them that the cache keeps
	DP_OF_LINE_WORDS = 6,	     // of a key, in one line of the cache
	DP_OF_CACHE_WORDS = 12,	     // that are not 0, the frame's shape included: two lines
	DP_OF_GROUP_DEPTH = 8,	     // groups in groups
	DP_OF_SPARE_OUTPUTS = 256,   // of one frame, beside one for each port
	DP_OF_WORK = 65536, // bytes of operations for one frame: eight of the longest programs
	DP_OF_SPARE_RETIRED = 64,
	DP_OF_OUTS = 256, // packet-outs that may wait
	DP_OF_FLOWS_MAX = 1 << 22,
	DP_OF_PATH_WAYS = 8,
};

// --- Programs

// What a program comes to, so that workers need not walk the simple ones.
enum dp_of_prog_kind {
	DP_OF_PROG_ANY,
	DP_OF_PROG_GOTO, // nothing but metadata and another table
	DP_OF_PROG_DROP,
	DP_OF_PROG_OUTPUT, // to one port by its number, or LOCAL
	DP_OF_PROG_NORMAL,
};

enum dp_of_prog_edit {
	DP_OF_EDITS = 1,	// applied actions change what later tables look at
	DP_OF_EDITS_DEEPER = 2, // by something that the frame's key does not say: never cached
};

// Memory that goes when no worker can see it any more.
struct dp_of_dead {
	struct dp_of_dead *next;
	void (*fn)(struct dp_of *of, void *obj);
	void *obj;
};

// Memory of the classifier that goes later. Some stand in dp_of, for when memory is out: what could
// not be noted would never go.
struct dp_of_retired_mem {
	struct dp_of_dead dead;
	void *mem; // NULL = a spare one that is free
};

// A change that is staged, or of which workers may still see what was before.
struct dp_of_change {
	struct dp_of_change *next;
	struct dp_of_flow *flow;
	uint8_t kind; // of_flow.c
};

// A rule's program. What is in force in a version: the first of the chain that is not newer.
struct dp_of_prog {
	uint64_t since;
	// main: w, worker: r, acquire/release; the one before, while a worker may go by it
	_Atomic(const struct dp_of_prog *) prev;
	uint32_t out_port; // DP_OF_PROG_OUTPUT
	uint8_t kind, edits;
	uint8_t pool; // main
	uint8_t reserved;
	struct dp_of_dead dead;
	struct dp_of_change change;
	struct dp_flow_prog p;
};

struct dp_of_flow {
	struct dp_flow_rule rule; // first: lookups return its address
	uint8_t table;
	bool is_miss; // the table-miss rule: priority 0, matches all
	// main only from here
	bool ended, unlinked, gone, let_go;
	uint32_t serial; // of the slot's use; packet-ins name flows by it
	void *user;
	struct dp_of_dead dead;
	struct dp_of_change add, end;
};

static inline const struct dp_of_prog *dp_of_prog_of(const struct dp_flow_prog *p)
{
	return (const struct dp_of_prog *)(const void *)((const char *)p -
							 offsetof(struct dp_of_prog, p));
}

// The rule's program in that version.
static inline const struct dp_of_prog *dp_of_prog_at(const struct dp_of_flow *f, uint64_t version)
{
	const struct dp_of_prog *p =
		dp_of_prog_of(atomic_load_explicit(&f->rule.prog, memory_order_acquire));

	while (unlikely(p->since > version))
		p = atomic_load_explicit(&p->prev, memory_order_acquire);
	return p;
}

// --- What a worker has of its own

// worker: w, main: r, relaxed; main zeroes it before the rule is visible
struct dp_of_flow_pw {
	_Atomic uint64_t n_pkts, n_bytes, used_ns, reserved;
};

// worker: w, main: r, relaxed
struct dp_of_table_pw {
	_Atomic uint64_t n_lookups, n_matched;
};

// What words of a key an entry of the cache has.
enum dp_of_cached {
	DP_OF_WHICH = 0xffff,	  // bit i: word i of the key is not 0 and stands in words[]
	DP_OF_PLAIN = 1 << 16,	  // words 0..4, be they 0 or not: all that such a frame has
	DP_OF_N_WORDS_SHIFT = 17, // the frame's shape included, which is the first
	DP_OF_SECOND = 1 << 21,	  // the line before has the rest
	DP_OF_PLAIN_WORDS = 5,	  // and so many words: those, the shape in the first
};

// A line of the cache: the words of a key that tables look at, and where the frame's path stands.
// More words than a line has go on in the next one, whose stamp is the complement of the first's.
struct dp_of_entry {
	uint64_t stamp; // of the path when it was found; 0 = empty
	uint32_t what;	// enum dp_of_cached
	uint32_t path;	// index
	uint64_t words[DP_OF_LINE_WORDS];
};
_Static_assert(sizeof(struct dp_of_entry) == 64, "a cache line");
_Static_assert((int)DP_OF_PLAIN_WORDS <= (int)DP_OF_LINE_WORDS, "in one line");

// What frames met: rules in order, each with its table, and what they come to. Kept once for all
// entries that met the same.
struct dp_of_path {
	uint64_t stamp;	   // never used twice; 0 = empty
	uint32_t out_port; // DP_OF_PROG_OUTPUT
	uint8_t kind;	   // enum dp_of_prog_kind: of all rules together
	uint8_t n;
	bool is_missed; // the last table had no rule
	uint8_t reserved;
	uint32_t rules[DP_OF_CACHED]; // dp_of_step_of()
};
_Static_assert(sizeof(struct dp_of_path) == 64, "a cache line");

// A port at one worker.
struct dp_of_port_pw {
	struct qos_bucket packet_in;
	uint64_t limit;	  // that the bucket is set for
	uint32_t gen;	  // of the port that it is set for, + 1
	uint32_t n_found; // in the cache, since dp_of_port_judge()
	uint32_t n_lost;  // not, and the place was somebody's
	uint32_t skips;	  // of so many bursts one asks the cache, - 1
	uint32_t skipped;
};

struct dp_of_punt {
	uint64_t ns, metadata, tunnel_id;
	struct rte_mbuf *m;
	uint32_t flow, serial; // UINT32_MAX = none
	uint32_t in_port;
	uint16_t size, max_len;
	uint8_t table, reason;
	uint8_t reserved[6];
};

struct dp_of_pw {
	struct dp_of_flow_pw *flows; // by index of the rule
	struct dp_of_entry *cache;   // NULL = none
	struct dp_of_path *paths;
	uint64_t cache_mask, paths_mask;
	uint64_t seeds[3]; // constant: where a frame stands in the cache is nobody's to foresee
	// What has a lower stamp was found when walks were others: before walks_since.
	uint64_t walks_since, first_stamp, next_stamp;
	struct dp_of_port_pw ports[DP_MAX_PORTS + 1]; // the last one is nobody's
	struct dp_of_table_pw tables[DP_FLOW_TABLES];
	uint64_t n_cache_found, n_cache_inserted;
	// Packet-ins. worker: produce, main: consume
	struct rte_ring *punts;
	bool punted; // some may wait that main has not been told of
	_Atomic uint64_t n_sent, n_over_rate, n_full, n_no_mbuf; // worker: w, main: r, relaxed
	// Packet-outs. main: produce, worker: consume, and give back
	struct rte_ring *outs, *outs_done;
	uint64_t n_outs_put;	      // main
	_Atomic uint64_t n_outs_done; // worker: w, main: r, release/acquire
} __rte_cache_aligned;

// A packet-out. main's until it is in a worker's ring, and again when it came back.
struct dp_of_out {
	struct rte_mbuf *m;
	uint32_t in_port;
	uint32_t n_ops; // bytes
	uint8_t ops[DP_FLOW_PROG_MAX];
};

// What the cache compares. main: w (another one takes its place), worker: r, release/acquire
struct dp_of_shape {
	struct dp_flow_key mask;
	uint32_t n_words;
	uint8_t words[DP_FLOW_WORDS]; // those of mask that are not 0
	struct dp_of_dead dead;
};

// --- The whole

struct dp_of_settling {
	uint64_t version, token;
	uint64_t n_outs[DP_MAX_WORKERS]; // packet-outs that were there
};

enum { DP_OF_SETTLING = 64, DP_OF_PROG_POOLS = 9 };

struct dp_of {
	// Constant.
	struct dp_switch *sw;
	struct dp_of_params params;
	struct dp_flow_table *tables[DP_FLOW_TABLES];
	struct dp_of_pw *pw[DP_MAX_WORKERS];
	struct dp_of_flow *flows; // [n_slots], by index
	struct dp_of_out *outs;	  // [DP_OF_OUTS]
	struct rte_mempool *punt_pool;
	int punt_fd;
	uint32_t n_slots;
	// main: w, worker: r, release/acquire; what is staged has the next number
	_Atomic uint64_t version;
	// The last one, or the next, that has other rules or groups than the one before: what walks
	// were before it is no more. Written before the version. main: w, worker: r, relaxed
	_Atomic uint64_t walks_since;
	_Atomic(const struct dp_of_shape *) shape;
	// Packet-ins of a port: rate << 32 | burst. main: w, worker: r, relaxed
	_Atomic uint64_t punt_limit;
	_Atomic bool drops_fragments; // main: w, worker: r, relaxed
	_Atomic bool punt_kicked;     // worker: sets with a kick, main: clears before it takes
	// enum dp_of_port_config by number; [0] is LOCAL's, the last one nobody's, which is 0.
	// main: w, worker: r, relaxed
	_Atomic uint8_t *port_config; // [DP_OFPP_MAX + 1]
	struct dp_of_groups *groups;  // of_group.c
	struct dp_of_meters *meters;  // of_meter.c
	// main only from here
	uint32_t n_flows;   // in force or staged, not ended
	uint32_t max_flows; // at most params.max_flows
	uint32_t n_ever;    // slots that were ever used
	uint32_t *free_slots, n_free_slots;
	uint32_t n_free_outs;
	uint16_t free_outs[DP_OF_OUTS];
	// Changes, the newest first: of the version to come; published since `settling` was taken;
	// published up to settling_version, and a worker may still see what was before; settled,
	// and done in slices.
	struct dp_of_change *staged, *staged_last, *published, *settling, *unlinking;
	uint64_t settling_version;
	bool walks_change;  // by what is staged
	bool edits_ever;    // some program changed a key between tables
	uint8_t last_table; // that ever had a rule
	// Memory: unlinked since the last token; with a token, oldest first.
	struct dp_of_dead *dying, *dead, *burying; // burying: nobody sees them; freed in slices
	uint64_t dead_token;
	struct dp_of_settling queue[DP_OF_SETTLING]; // versions that are not settled yet
	uint32_t queue_at, queue_n;
	uint64_t settled;
	void *prog_free[DP_OF_PROG_POOLS]; // lists by size
	void *chunks;
	struct dp_of_retired_mem spare_retired[DP_OF_SPARE_RETIRED]; // main only
};

// Free by fn when no worker can see it. main
void dp_of_retire(struct dp_of *of, struct dp_of_dead *d, void (*fn)(struct dp_of *of, void *obj),
		  void *obj);

// of_flow.c; main

// Is it a list of operations, each of its whole size? Workers do not look again.
bool dp_of_ops_fit(const uint8_t *ops, size_t size);
int dp_of_flows_create(struct dp_of *of);
void dp_of_flows_destroy(struct dp_of *of);
void dp_of_flows_publish(struct dp_of *of);
// returns whether nothing is staged any more
bool dp_of_flows_give_up(struct dp_of *of, uint32_t n_most);
void dp_of_flows_settle(struct dp_of *of, uint64_t settled, uint32_t n_most);

// --- Groups and meters (of_store.c); what they are: of_group_priv.h, of_meter_priv.h

// returns NULL when there is no such group in that version. worker or main
static inline const struct dp_of_group_view *dp_of_group_find(const struct dp_of *of,
							      uint32_t group, uint64_t version)
{
	return dp_groups_find(of->groups, group, version);
}
// main. Versions as for flows: see dp_of_flows_*.
int dp_of_groups_create(struct dp_of *of);
void dp_of_groups_give_up(struct dp_of *of);
int dp_of_meters_create(struct dp_of *of);

// --- The walk (of_forward.c, of_exec.c, of_set.c, of_cache.c)

// The action set: at most one action of a kind, set-field by field.
struct dp_of_set {
	uint32_t kinds; // bit per enum dp_flow_op_kind
	uint64_t fields;
	const struct dp_flow_op *ops[DP_N_OPS];
	const struct dp_flow_op *sets[DP_FLOW_N_FIELDS];
};

// A rule of a walk and its table, in a word.
enum { DP_OF_RULE_BITS = 24 };
_Static_assert(DP_OF_FLOWS_MAX * 2 + 1024 <= 1 << DP_OF_RULE_BITS, "an index of each slot");

static inline uint32_t dp_of_step_of(uint32_t rule, uint32_t table)
{
	return table << DP_OF_RULE_BITS | rule;
}

static inline uint32_t dp_of_step_rule(uint32_t step)
{
	return step & ((1u << DP_OF_RULE_BITS) - 1);
}

static inline uint32_t dp_of_step_table(uint32_t step)
{
	return step >> DP_OF_RULE_BITS;
}

// What a frame met: rules in order.
struct dp_of_met {
	uint32_t n;
	uint32_t out_port; // DP_OF_PROG_OUTPUT
	uint8_t kind;	   // what it all comes to, when nothing but metadata stands before; or ANY
	bool is_missed;	   // the last table had no rule
	bool is_partial;   // what comes next depends on what the last rule's actions make of it
	bool is_deep;	   // not for the cache
	uint32_t rules[DP_OF_WALK]; // dp_of_step_of()
};

// One frame on its way.
struct dp_of_ctx {
	struct dp_worker *w;
	struct dp_of *of;
	const struct dp_view *in;      // what counts it
	struct rte_mbuf *m;	       // NULL = it has ended
	const struct dp_view *pending; // where it goes when nothing else is done with it
	const struct dp_of_flow *flow; // that acts; NULL = a packet-out
	struct dp_of_met *met;	       // in: the walk as far as it is known; out: the whole
	uint64_t version, metadata, tunnel_id;
	uint32_t in_port; // OpenFlow number
	uint32_t n_given; // copies that were made, and others that were only counted
	uint32_t budget;  // outputs
	uint32_t work;	  // bytes of operations that may still be done, of all lists together
	uint8_t table, depth;
	uint8_t why;		       // enum dp_drop, when it goes nowhere
	uint8_t cls;		       // that classify gave
	bool is_edited;		       // since it came in
	bool keep_pcp, keep_dscp;      // the actions said so
	bool is_miss;		       // the acting rule is a table-miss one
	bool is_over;		       // it ends here
	bool is_shared;		       // no rule alone acts: a bucket, or the action set
	bool pending_normal;	       // as pending, by L2 forwarding
	struct dp_of_explain *explain; // NULL = a frame on its way
	struct dp_of_set set;
};

// Walk the tables by keys that no action changes on the way. worker or main
void dp_of_walk(const struct dp_of *of, struct dp_flow_key *key, uint64_t version,
		const struct dp_flow_rule *first, struct dp_of_met *met);
// Do what the rules say with c->m, and go on with the walk where met is partial.
void dp_of_exec(struct dp_of_ctx *c);
// The frame's end: by what waits, or a drop.
void dp_of_end(struct dp_of_ctx *c);
// A list of actions alone, then the frame's end: packet-outs.
void dp_of_exec_list(struct dp_of_ctx *c, const uint8_t *ops, size_t size);
void dp_of_key_make(const struct dp_of_ctx *c, struct dp_flow_key *key);

void dp_of_set_write(struct dp_of_set *s, const uint8_t *ops, size_t size);
// The operations of the set in the order in which they are executed. returns how many
enum { DP_OF_SET_OPS = DP_N_OPS + DP_FLOW_N_FIELDS };
uint32_t dp_of_set_order(const struct dp_of_set *s, const struct dp_flow_op *out[DP_OF_SET_OPS]);

static inline void dp_of_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

// n frames of n_bytes in all met the rule.
static inline void dp_of_rule_met(struct dp_of_pw *pw, uint32_t rule, uint64_t n, uint64_t n_bytes,
				  uint64_t at_ns)
{
	struct dp_of_flow_pw *c = &pw->flows[rule];

	dp_of_add(&c->n_pkts, n);
	dp_of_add(&c->n_bytes, n_bytes);
	atomic_store_explicit(&c->used_ns, at_ns, memory_order_relaxed);
}

// And found it in this table.
static inline void dp_of_table_met(struct dp_of_pw *pw, uint32_t table, uint64_t n)
{
	struct dp_of_table_pw *t = &pw->tables[table];

	dp_of_add(&t->n_lookups, n);
	dp_of_add(&t->n_matched, n);
}

// --- explain (of_explain.c): what the walk calls then

struct dp_of_explain {
	void (*step)(void *arg, const struct dp_of_step *s);
	void *arg;
	struct dp_verdict *verdict; // NULL, or where it goes
};
int dp_of_explain_walk(struct dp_of *of, const struct dp_view *in, const uint8_t *frame,
		       size_t size, struct dp_of_explain *x);
void dp_of_explain_rule(struct dp_of_ctx *c);
void dp_of_explain_miss(struct dp_of_ctx *c);
void dp_of_explain_op(struct dp_of_ctx *c, const struct dp_flow_op *op, enum dp_of_step_kind kind);
void dp_of_explain_output(struct dp_of_ctx *c, const struct dp_view *out);
void dp_of_explain_normal(struct dp_of_ctx *c);
void dp_of_explain_controller(struct dp_of_ctx *c);

// --- The hop and its neighbours

void dp_of_forward_burst(struct dp_worker *w, struct dp_batch *b);
// The port of an OpenFlow number in this turn; NULL = there is none.
const struct dp_view *dp_of_view(const struct dp_snapshot *s, uint32_t of_port);
static inline uint32_t dp_of_number(const struct dp_view *v)
{
	return v->cfg.role == DP_ROLE_HOST ? DP_OFPP_LOCAL : v->cfg.of_port;
}
static inline uint32_t dp_of_config_of(const struct dp_of *of, uint32_t of_port)
{
	uint32_t at = of_port != 0 && of_port < DP_OFPP_MAX ? of_port : DP_OFPP_MAX;

	if (of_port == DP_OFPP_LOCAL)
		at = 0;
	return atomic_load_explicit(&of->port_config[at], memory_order_relaxed);
}

// of_punt.c
int dp_of_punts_create(struct dp_of *of, struct weir_err *err);
void dp_of_punts_destroy(struct dp_of *of);
// Tell the controller of the frame as it is now. It stays the caller's. returns whether it was told
bool dp_of_tell(struct dp_of_ctx *c, enum dp_of_reason reason, uint16_t max_len);
// Packet-outs that wait. returns how many. worker
uint32_t dp_of_take_outs(struct dp_worker *w, struct dp_of *of);
void dp_of_kick(struct dp_of *of, struct dp_of_pw *pw);

#endif
