// The forwarding database: (VLAN, MAC) -> port, independent learning per VLAN (IEEE 802.1Q 8.8).
//
// Model: main is the only writer, entry by entry; workers read without locks. A lookup reads one or
// two cache lines of four 16-byte entries. A worker refreshes an entry's age with one relaxed
// store, and only when the second has changed, so no line is written per packet. A deleted slot is
// not reused before a grace period has passed: a reader never pairs one MAC with another's port.
//
// At the limit a new MAC evicts an old one of the port that holds most entries: a flooder evicts
// itself. Static entries (a VM's MAC) are never aged, moved or evicted.
//
// thread: dp_fdb_lookup and dp_fdb_touch on workers; all else on main.
#ifndef DP_FDB_H
#define DP_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_port.h"

struct rte_rcu_qsbr;

struct dp_fdb_entry {
	_Atomic uint64_t
		key; // main: w, worker: r, release/acquire; 0 = empty, 1 = waiting for grace
	_Atomic uint32_t where;	 // main: w, worker: r; port index | DP_FDB_STATIC
	_Atomic uint32_t seen_s; // worker: w, main: r, relaxed
};
_Static_assert(sizeof(struct dp_fdb_entry) == 16, "four entries per cache line");

#define DP_FDB_STATIC (1u << 31)
#define DP_FDB_PORT(where) ((uint16_t)((where)&0xffff))

struct dp_fdb;

struct dp_fdb_row {
	uint8_t mac[6];
	uint16_t vid;
	uint16_t port;
	bool is_static;
	uint32_t age_s;
};

// Make a table for at most `limit` entries (1..1M). mem comes from `alloc` (zeroed, 64-byte
// aligned) and goes back through `release`. returns 0 and *out, -EINVAL or -ENOMEM
int dp_fdb_create(uint32_t limit, struct rte_rcu_qsbr *rcu, struct dp_fdb **out);
void dp_fdb_destroy(struct dp_fdb *f);

// Key of (vid, mac).
uint64_t dp_fdb_key(uint16_t vid, const uint8_t mac[6]);

// Bring the entry's first line near. thread: worker.
void dp_fdb_prefetch(const struct dp_fdb *f, uint64_t key);

// returns the entry or NULL. thread: worker (inside its online section) or main.
struct dp_fdb_entry *dp_fdb_lookup(const struct dp_fdb *f, uint64_t key);

// Note that the entry's MAC was heard from in second now_s. thread: worker.
static inline void dp_fdb_touch(struct dp_fdb_entry *e, uint32_t now_s)
{
	if (atomic_load_explicit(&e->seen_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&e->seen_s, now_s, memory_order_relaxed);
}

// Learn or move. port_limit: most dynamic entries of this port, 0 = no limit.
// returns 0; 1 = was there already; -EPERM = pinned to another port; -EDQUOT = port_limit reached;
//         -ENOSPC = no slot even after eviction (counted)
int dp_fdb_learn(struct dp_fdb *f, uint64_t key, uint16_t port, uint32_t port_limit,
		 uint32_t now_s);

// Pin a MAC to a port, replacing what was learned. returns 0; -EEXIST = pinned to another port;
// -ENOSPC.
int dp_fdb_pin(struct dp_fdb *f, uint64_t key, uint16_t port);
void dp_fdb_unpin(struct dp_fdb *f, uint64_t key);

// Forget all dynamic (and, with statics, static) entries of a port.
void dp_fdb_flush_port(struct dp_fdb *f, uint16_t port, bool statics);

// Look at the next n_slots for entries older than ageing_s; call it on a timer. Also gives slots of
// past deletions back to use when their grace period has passed.
void dp_fdb_age(struct dp_fdb *f, uint32_t n_slots, uint32_t ageing_s, uint32_t now_s);

void dp_fdb_set_limit(struct dp_fdb *f, uint32_t limit);
uint32_t dp_fdb_n_slots(const struct dp_fdb *f);
uint32_t dp_fdb_count(const struct dp_fdb *f);
uint32_t dp_fdb_port_count(const struct dp_fdb *f, uint16_t port);
uint64_t dp_fdb_evictions(const struct dp_fdb *f);
uint64_t dp_fdb_moves(const struct dp_fdb *f);

// Copy rows [first_slot, ...) to out[n]; *next_slot = where to go on, or n_slots at the end.
// returns how many were written. thread: main
uint32_t dp_fdb_dump(const struct dp_fdb *f, uint32_t *next_slot, uint32_t now_s,
		     struct dp_fdb_row *out, uint32_t n);

#endif
