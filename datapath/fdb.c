#include "dp_fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "weir_rcu.h"

#define WAYS DP_FDB_WAYS
#define KEY_WAITING 1u
#define NIL UINT32_MAX

// Main's side of a slot: the list of its port's entries in learning order.
struct shadow {
	uint32_t prev, next;
	uint16_t port; // whose list: of a fixed address its home, wherever it is
};

struct port_list {
	uint32_t head, tail, n;
};

struct grave {
	uint64_t token;
	uint32_t slot;
};

struct dp_fdb {
	struct dp_fdb_index index; // read by workers

	// main only
	uint32_t limit, n, n_dynamic_max_port;
	uint32_t age_at;
	uint64_t n_evictions, n_moves, n_full;
	struct shadow *shadow;
	struct rte_rcu_qsbr *rcu;
	struct grave *graves; // ring of slots that wait for grace
	uint32_t graves_head, n_graves, graves_cap;
	struct port_list ports[DP_MAX_PORTS];
};

int dp_fdb_create(uint32_t limit, struct rte_rcu_qsbr *rcu, struct dp_fdb **out)
{
	struct dp_fdb *f;
	uint32_t n_buckets = 64;

	*out = NULL;
	if (limit == 0 || limit > 1u << 20)
		return -EINVAL;
	while (n_buckets * WAYS <
	       4 * limit) // a quarter full at the limit: with two choices no bucket overflows
		n_buckets *= 2;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	f->index.mask = n_buckets - 1;
	f->limit = limit;
	f->rcu = rcu;
	f->graves_cap = n_buckets * WAYS;
	f->shadow = calloc(n_buckets * WAYS, sizeof(*f->shadow));
	f->graves = calloc(f->graves_cap, sizeof(*f->graves));
	f->index.buckets = rte_zmalloc("fdb", n_buckets * sizeof(*f->index.buckets), 64);
	if (f->shadow == NULL || f->graves == NULL || f->index.buckets == NULL) {
		dp_fdb_destroy(f);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++)
		f->ports[i] = (struct port_list){ NIL, NIL, 0 };
	*out = f;
	return 0;
}

void dp_fdb_destroy(struct dp_fdb *f)
{
	if (f == NULL)
		return;
	rte_free(f->index.buckets);
	free(f->shadow);
	free(f->graves);
	free(f);
}

const struct dp_fdb_index *dp_fdb_index(const struct dp_fdb *f)
{
	return &f->index;
}

struct dp_fdb_entry *dp_fdb_lookup(const struct dp_fdb *f, uint64_t key)
{
	return dp_fdb_find(&f->index, key);
}

static uint32_t slot_of(const struct dp_fdb *f, const struct dp_fdb_entry *e)
{
	return (uint32_t)(e - &f->index.buckets[0].e[0]);
}

static struct dp_fdb_entry *entry_at(const struct dp_fdb *f, uint32_t slot)
{
	return &f->index.buckets[slot / WAYS].e[slot % WAYS];
}

static void list_add(struct dp_fdb *f, uint16_t port, uint32_t slot)
{
	struct port_list *l = &f->ports[port];

	f->shadow[slot] = (struct shadow){ .prev = l->tail, .next = NIL, .port = port };
	if (l->tail != NIL)
		f->shadow[l->tail].next = slot;
	else
		l->head = slot;
	l->tail = slot;
	l->n++;
}

static void list_del(struct dp_fdb *f, uint32_t slot)
{
	struct shadow s = f->shadow[slot];
	struct port_list *l = &f->ports[s.port];

	if (s.prev != NIL)
		f->shadow[s.prev].next = s.next;
	else
		l->head = s.next;
	if (s.next != NIL)
		f->shadow[s.next].prev = s.prev;
	else
		l->tail = s.prev;
	l->n--;
}

static void reclaim(struct dp_fdb *f)
{
	while (f->n_graves > 0) {
		struct grave *g = &f->graves[f->graves_head];

		if (!weir_rcu_done(f->rcu, g->token))
			return;
		atomic_store_explicit(&entry_at(f, g->slot)->key, 0, memory_order_release);
		f->graves_head = (f->graves_head + 1) % f->graves_cap;
		f->n_graves--;
	}
}

static void entry_del(struct dp_fdb *f, struct dp_fdb_entry *e)
{
	uint32_t slot = slot_of(f, e);

	list_del(f, slot);
	f->n--;
	atomic_store_explicit(&e->key, KEY_WAITING, memory_order_release);
	// One grave per slot at most, so the ring cannot overflow.
	f->graves[(f->graves_head + f->n_graves++) % f->graves_cap] =
		(struct grave){ .token = weir_rcu_start(f->rcu), .slot = slot };
}

static struct dp_fdb_entry *empty_slot(struct dp_fdb *f, uint64_t key)
{
	const uint32_t at[2] = { dp_fdb_hash1(&f->index, key), dp_fdb_hash2(&f->index, key) };
	struct dp_fdb_entry *best = NULL;
	uint32_t best_free = 0;

	// The emptier of both buckets, first one on a tie: two choices keep the fill even. There
	// the first free way: lookups compare from the first on.
	for (uint32_t k = 0; k < 2; k++) {
		struct dp_fdb_entry *e = NULL;
		uint32_t n_free = 0;

		for (uint32_t i = WAYS; i-- > 0;) {
			if (atomic_load(&f->index.buckets[at[k]].e[i].key) == 0) {
				e = &f->index.buckets[at[k]].e[i];
				n_free++;
			}
		}
		if (n_free > best_free) {
			best = e;
			best_free = n_free;
		}
	}
	return best;
}

// The oldest of the first few dynamic entries of the port that holds most.
static void evict_one(struct dp_fdb *f)
{
	struct dp_fdb_entry *victim = NULL;
	uint32_t most = 0, tries = 16;

	for (uint32_t i = 1; i < DP_MAX_PORTS; i++) {
		if (f->ports[i].n > f->ports[most].n)
			most = i;
	}
	for (uint32_t s = f->ports[most].head; s != NIL && tries > 0; s = f->shadow[s].next) {
		struct dp_fdb_entry *e = entry_at(f, s);

		if ((atomic_load(&e->where) & DP_FDB_STATIC) != 0)
			continue;
		tries--;
		if (victim == NULL || atomic_load(&e->seen_s) < atomic_load(&victim->seen_s))
			victim = e;
	}
	if (victim != NULL) {
		entry_del(f, victim);
		f->n_evictions++;
	}
}

static int entry_add(struct dp_fdb *f, uint64_t key, uint32_t where, uint32_t now_s)
{
	struct dp_fdb_entry *e;

	if (f->n >= f->limit)
		evict_one(f);
	reclaim(f);
	e = empty_slot(f, key);
	if (e == NULL || f->n >= f->limit) {
		f->n_full++;
		return -ENOSPC;
	}
	atomic_store_explicit(&e->where, where, memory_order_relaxed);
	atomic_store_explicit(&e->seen_s, now_s, memory_order_relaxed);
	list_add(f, DP_FDB_PORT(where), slot_of(f, e));
	f->n++;
	atomic_store_explicit(&e->key, key, memory_order_release);
	return 0;
}

static void entry_move(struct dp_fdb *f, struct dp_fdb_entry *e, uint32_t where)
{
	uint32_t slot = slot_of(f, e);

	list_del(f, slot);
	list_add(f, DP_FDB_PORT(where), slot);
	atomic_store_explicit(&e->where, where, memory_order_release);
}

int dp_fdb_learn(struct dp_fdb *f, uint64_t key, uint16_t port, uint32_t port_limit, uint32_t now_s)
{
	struct dp_fdb_entry *e = dp_fdb_lookup(f, key);
	uint32_t where;

	if (e != NULL) {
		where = atomic_load(&e->where);
		if (DP_FDB_PORT(where) == port)
			return 1;
		if ((where & DP_FDB_STATIC) != 0)
			return -EPERM;
	}
	if (port_limit != 0 && f->ports[port].n >= port_limit)
		return -EDQUOT;
	if (e == NULL)
		return entry_add(f, key, port, now_s);
	entry_move(f, e, port);
	dp_fdb_touch(e, now_s);
	f->n_moves++;
	return 0;
}

int dp_fdb_pin(struct dp_fdb *f, uint64_t key, uint16_t port)
{
	struct dp_fdb_entry *e = dp_fdb_lookup(f, key);
	uint32_t where;

	if (e == NULL)
		return entry_add(f, key, port | DP_FDB_STATIC, 0);
	where = atomic_load(&e->where);
	if ((where & DP_FDB_STATIC) != 0 && f->shadow[slot_of(f, e)].port != port)
		return -EEXIST;
	entry_move(f, e, port | DP_FDB_STATIC);
	return 0;
}

int dp_fdb_fix(struct dp_fdb *f, uint64_t key, uint16_t port, uint16_t at)
{
	uint32_t to = at == port ? port | DP_FDB_STATIC : at | DP_FDB_STATIC | DP_FDB_AWAY;
	struct dp_fdb_entry *e = dp_fdb_lookup(f, key);
	uint32_t where;
	int rc;

	if (e == NULL || (atomic_load(&e->where) & DP_FDB_STATIC) == 0) {
		rc = dp_fdb_pin(f, key, port);
		e = rc < 0 ? NULL : dp_fdb_lookup(f, key);
	} else {
		rc = f->shadow[slot_of(f, e)].port == port ? 0 : -EEXIST;
	}
	if (rc < 0)
		return rc;
	where = atomic_load(&e->where);
	if (where == to && at != port)
		return 0;
	if (at == port && (where & DP_FDB_AWAY) != 0)
		atomic_store(&e->seen_s, 0);
	// A worker that was faster knows better.
	(void)dp_fdb_move_fixed(e, where, to);
	return 0;
}

void dp_fdb_forget_place(struct dp_fdb *f, uint16_t port)
{
	const uint32_t at = port | DP_FDB_STATIC | DP_FDB_AWAY;

	for (uint32_t slot = 0; slot < dp_fdb_n_slots(f); slot++) {
		struct dp_fdb_entry *e = entry_at(f, slot);

		if (atomic_load(&e->key) > KEY_WAITING && atomic_load(&e->where) == at)
			(void)dp_fdb_move_fixed(e, at,
						DP_FDB_NOWHERE | DP_FDB_STATIC | DP_FDB_AWAY);
	}
}

void dp_fdb_unpin(struct dp_fdb *f, uint64_t key)
{
	struct dp_fdb_entry *e = dp_fdb_lookup(f, key);

	if (e != NULL && (atomic_load(&e->where) & DP_FDB_STATIC) != 0)
		entry_del(f, e);
}

void dp_fdb_flush_port(struct dp_fdb *f, uint16_t port, bool statics)
{
	uint32_t next;

	for (uint32_t s = f->ports[port].head; s != NIL; s = next) {
		struct dp_fdb_entry *e = entry_at(f, s);

		next = f->shadow[s].next;
		if (statics || (atomic_load(&e->where) & DP_FDB_STATIC) == 0)
			entry_del(f, e);
	}
}

// A fixed one that is away stays, and is nowhere.
static void entry_expire(struct dp_fdb *f, struct dp_fdb_entry *e, uint32_t where)
{
	if ((where & DP_FDB_STATIC) == 0)
		entry_del(f, e);
	else
		(void)dp_fdb_move_fixed(e, where, DP_FDB_NOWHERE | DP_FDB_STATIC | DP_FDB_AWAY);
}

void dp_fdb_age(struct dp_fdb *f, uint32_t n_slots, uint32_t ageing_s, uint32_t now_s)
{
	uint32_t total = dp_fdb_n_slots(f);

	reclaim(f);
	if (n_slots > total)
		n_slots = total;
	for (uint32_t i = 0; i < n_slots; i++) {
		struct dp_fdb_entry *e = entry_at(f, f->age_at);

		uint32_t where = atomic_load(&e->where);

		f->age_at = (f->age_at + 1) % total;
		if (atomic_load(&e->key) <= KEY_WAITING ||
		    (where & (DP_FDB_STATIC | DP_FDB_AWAY)) == DP_FDB_STATIC)
			continue;
		// Signed: a worker's clock may be a turn ahead of main's.
		if ((int32_t)(now_s - atomic_load(&e->seen_s)) > (int32_t)ageing_s)
			entry_expire(f, e, where);
	}
}

void dp_fdb_set_limit(struct dp_fdb *f, uint32_t limit)
{
	uint32_t most = dp_fdb_n_slots(f) / 4;

	f->limit = limit < most ? limit : most;
	for (uint32_t n = f->n; n > f->limit; n--)
		evict_one(f);
}

uint32_t dp_fdb_n_slots(const struct dp_fdb *f)
{
	return (f->index.mask + 1) * WAYS;
}

uint32_t dp_fdb_count(const struct dp_fdb *f)
{
	return f->n;
}

uint32_t dp_fdb_port_count(const struct dp_fdb *f, uint16_t port)
{
	return f->ports[port].n;
}

uint64_t dp_fdb_evictions(const struct dp_fdb *f)
{
	return f->n_evictions;
}

uint64_t dp_fdb_moves(const struct dp_fdb *f)
{
	return f->n_moves;
}

uint32_t dp_fdb_dump(const struct dp_fdb *f, uint32_t *next_slot, uint32_t now_s,
		     struct dp_fdb_row *out, uint32_t n)
{
	uint32_t n_out = 0, slot = *next_slot;

	for (; slot < dp_fdb_n_slots(f) && n_out < n; slot++) {
		const struct dp_fdb_entry *e = entry_at(f, slot);
		uint64_t key = atomic_load(&e->key);
		uint32_t where = atomic_load(&e->where);

		if (key <= KEY_WAITING || DP_FDB_PORT(where) == DP_FDB_NOWHERE)
			continue;
		memcpy(out[n_out].mac, &key, 6);
		out[n_out].vid = (uint16_t)(key >> 48 & 0xfff);
		out[n_out].port = DP_FDB_PORT(where);
		out[n_out].is_static = (where & (DP_FDB_STATIC | DP_FDB_AWAY)) == DP_FDB_STATIC;
		out[n_out++].age_s = now_s - atomic_load(&e->seen_s);
	}
	*next_slot = slot;
	return n_out;
}
