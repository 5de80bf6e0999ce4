// The forwarding database: (VLAN, MAC) -> port, independent learning per VLAN (IEEE 802.1Q 8.8).
//
// Model: main is the only writer, entry by entry; workers read without locks. A lookup reads one or
// two cache lines of four 16-byte entries. A worker refreshes an entry's age with one relaxed
// store, and only when the second has changed, so no line is written per packet. A deleted slot is
// not reused before a grace period has passed: a reader never pairs one MAC with another's port.
//
// At the limit a new MAC evicts an old one of the port that holds most entries: a flooder evicts
// itself.
//
// A fixed address (a VM's MAC) has a home, its port, and stands in the table for as long as it is
// configured there. While its guest is there it is at home, and nothing moves it. While it is away,
// uplinks may say that they hear it, as the VM may run on another host: it is nowhere, or at one of
// them, and ages there. A worker moves it on the first frame, without main. The datapath says who
// may (learn.c); other guests never.
//
// thread: dp_fdb_find, dp_fdb_touch and dp_fdb_move_fixed on workers; all else on main.
#ifndef DP_FDB_H
#define DP_FDB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dp_port.h"

struct rte_rcu_qsbr;

struct dp_fdb_entry {
	_Atomic uint64_t
		key; // main: w, worker: r, release/acquire; 0 = empty, 1 = waiting for grace
	// Port index | DP_FDB_STATIC | DP_FDB_AWAY. main: w; worker: r, and of fixed ones compare
	// and swap
	_Atomic uint32_t where;
	_Atomic uint32_t seen_s; // worker: w, main: r, relaxed
};
_Static_assert(sizeof(struct dp_fdb_entry) == 16, "four entries per cache line");

#define DP_FDB_STATIC (1u << 31)    // fixed to a port
#define DP_FDB_AWAY (1u << 30)	    // and not there now
#define DP_FDB_NOWHERE DP_MAX_PORTS // the port of those that nobody has heard
#define DP_FDB_PORT(where) ((uint16_t)((where)&0xffff))

#define DP_FDB_WAYS 4
#define DP_FDB_KEY_VALID (1ull << 63)

struct dp_fdb_bucket {
	struct dp_fdb_entry e[DP_FDB_WAYS];
};

// What a lookup needs; constant after creation.
struct dp_fdb_index {
	struct dp_fdb_bucket *buckets;
	uint32_t mask;
};

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
static inline uint64_t dp_fdb_key(uint16_t vid, const uint8_t mac[6])
{
	uint32_t low;
	uint16_t high;

	memcpy(&low, mac, 4);
	memcpy(&high, mac + 4, 2);
	return low | (uint64_t)high << 32 | (uint64_t)vid << 48 | DP_FDB_KEY_VALID;
}

// A MAC's last byte, which differs most, stands high in the key: it is folded down before the
// multiplication and the top bits of the product are taken. 20 bits serve the largest table.
static inline uint32_t dp_fdb_hash1(const struct dp_fdb_index *x, uint64_t key)
{
	return (uint32_t)(((key ^ key >> 32) * 0x9e3779b97f4a7c15u) >> 44) & x->mask;
}

static inline uint32_t dp_fdb_hash2(const struct dp_fdb_index *x, uint64_t key)
{
	return (uint32_t)(((key ^ key >> 29) * 0xbf58476d1ce4e5b9u) >> 44) & x->mask;
}

// Bring the entry's first line near. thread: worker.
static inline void dp_fdb_prefetch(const struct dp_fdb_index *x, uint64_t key)
{
	__builtin_prefetch(&x->buckets[dp_fdb_hash1(x, key)]);
}

static inline struct dp_fdb_entry *dp_fdb_bucket_find(struct dp_fdb_bucket *b, uint64_t key)
{
	for (uint32_t i = 0; i < DP_FDB_WAYS; i++) {
		if (atomic_load_explicit(&b->e[i].key, memory_order_acquire) == key)
			return &b->e[i];
	}
	return NULL;
}

// returns the entry or NULL. thread: worker (inside its online section) or main.
static inline struct dp_fdb_entry *dp_fdb_find(const struct dp_fdb_index *x, uint64_t key)
{
	struct dp_fdb_entry *e = dp_fdb_bucket_find(&x->buckets[dp_fdb_hash1(x, key)], key);

	return e != NULL ? e : dp_fdb_bucket_find(&x->buckets[dp_fdb_hash2(x, key)], key);
}

// The part of the table that lookups read, for as long as the table lives.
const struct dp_fdb_index *dp_fdb_index(const struct dp_fdb *f);

// dp_fdb_find for who has the table.
struct dp_fdb_entry *dp_fdb_lookup(const struct dp_fdb *f, uint64_t key);

// Note that the entry's MAC was heard from in second now_s. thread: worker.
static inline void dp_fdb_touch(struct dp_fdb_entry *e, uint32_t now_s)
{
	if (atomic_load_explicit(&e->seen_s, memory_order_relaxed) != now_s)
		atomic_store_explicit(&e->seen_s, now_s, memory_order_relaxed);
}

// A fixed address is elsewhere from now on. where: what it was believed to be.
// returns false when it has just moved otherwise. thread: worker or main
static inline bool dp_fdb_move_fixed(struct dp_fdb_entry *e, uint32_t where, uint32_t to)
{
	return atomic_compare_exchange_strong_explicit(&e->where, &where, to, memory_order_acq_rel,
						       memory_order_relaxed);
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

// Fix a MAC to a port whose guest is away, or tell where it is now. at: the port itself, an uplink,
// or DP_FDB_NOWHERE. At home it counts as not heard yet (seen_s is 0). returns 0; -EEXIST = fixed
// to another port; -ENOSPC
int dp_fdb_fix(struct dp_fdb *f, uint64_t key, uint16_t port, uint16_t at);

// What is away and was heard at this port, which goes, is nowhere. Looks at the whole table.
void dp_fdb_forget_place(struct dp_fdb *f, uint16_t port);

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
