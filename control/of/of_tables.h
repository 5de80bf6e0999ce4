// Inside of of_flow.c, of_expire.c: where flows are kept, and the wheel of their timeouts.
#ifndef OF_TABLES_H
#define OF_TABLES_H

#include "dp_flow_table.h"
#include "of_ops.h"

#define NO_HOLE UINT32_MAX

enum {
	OF_WHEEL_SHIFT = 27, // a tick is 134 ms
	OF_WHEEL_SLOTS = 4096,
};

struct of_table {
	uintptr_t *slots; // of_flow pointers, or holes
	uint32_t n_slots, cap, hole, n_flows;
};

// A flow-mod on its way.
struct of_mod {
	const struct of13_flow_mod *m;
	struct of_select select;
	struct of_compile *c;
	struct of_wire_error *e;
	struct dp_flow_overlap overlap; // where the look for it stands
	bool strict, deletes;
	uint8_t reason; // of flow-removed
};

// Where a look at all flows stands.
struct of_walk {
	uint8_t table;
	uint32_t at;
};

struct of_tables {
	struct of_table t[DP_FLOW_TABLES];
	struct of_flow *fresh, **fresh_end; // ended, in what is staged
	struct of_flow *ended, **ended_end; // ended, and published; oldest first
	struct of_flow *wheel[OF_WHEEL_SLOTS];
	struct of_flow *due;   // taken from the wheel, not looked at yet
	uint64_t tick;	       // done so far
	uint32_t n_timed;      // in the wheel
	uint64_t bury_version; // of the first that has ended
	struct of_mod mod;
	struct of_walk walk;
	struct of_compile compile; // of the message at hand; last, for its size is its content's
};

// Put a flow where its next deadline is, if it has one; take it out.
void of_wheel_add(struct of_agent *a, struct of_flow *f);
void of_wheel_remove(struct of_agent *a, struct of_flow *f);
// It ends for that reason. returns 0, or -EINVAL = no memory
int of_flow_end(struct of_agent *a, struct of_flow *f, uint8_t reason);

// A look at all flows of tables first..last, which goes on where it was while a->txn.midway: fn is
// called for each until it says other than 0. returns that, or OF_MORE
typedef int of_flow_fn(struct of_agent *a, struct of_flow *f, void *arg);
int of_flow_walk(struct of_agent *a, uint8_t first, uint8_t last, of_flow_fn *fn, void *arg);

#endif
