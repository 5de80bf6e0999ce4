// The learn hop: is the source MAC known behind this port? Refresh it, tell main about a new one,
// refuse one that is pinned elsewhere or beyond the port's limit.
#include <string.h>

#include "switch_priv.h"
#include "weir_rcu.h"

// A new MAC is told to main once per second and worker; the rest of its packets need no event.
static void tell_main(struct dp_worker *w, const struct dp_view *v, uint64_t key)
{
	uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 56);
	struct dp_learn_event e = { .key = key, .gen = v->port->gen, .port = v->port->idx };

	if (w->learn_sent_s != w->now_s) {
		memset(w->learn_sent, 0, sizeof(w->learn_sent));
		w->learn_sent_s = w->now_s;
	}
	if (w->learn_sent[at] == (key ^ v->port->idx))
		return;
	if (rte_ring_sp_enqueue_elem(w->events, &e, sizeof(e)) != 0) {
		atomic_store_explicit(&w->events_lost, w->events_lost + 1, memory_order_relaxed);
		return;
	}
	w->learn_sent[at] = key ^ v->port->idx;
}

uint32_t dp_learn_fixed(const struct dp_snapshot *s, const struct dp_view *v, uint64_t key,
			uint32_t where)
{
	const struct dp_view *at = s->views[DP_FDB_PORT(where)];

	if ((v->cfg.flags & DP_PF_MAC_FIXED) != 0 && dp_fdb_key(v->cfg.vid, v->cfg.mac) == key)
		return v->port->idx | DP_FDB_STATIC;
	// Main has not told the table yet that the guest is gone, perhaps.
	if (v->cfg.role != DP_ROLE_UPLINK ||
	    ((where & DP_FDB_AWAY) == 0 && (at == NULL || dp_port_there(at))))
		return 0;
	return v->port->idx | DP_FDB_STATIC | DP_FDB_AWAY;
}

// A fixed address, heard elsewhere than the table has it. The first frame moves it: a VM that was
// migrated does not wait for main. Who is second of two workers leaves it to its next frame.
static enum dp_drop learn_fixed(struct dp_worker *w, const struct dp_view *v, uint64_t key,
				struct dp_fdb_entry *e)
{
	uint32_t where = atomic_load_explicit(&e->where, memory_order_acquire);
	uint32_t to = dp_learn_fixed(w->snap, v, key, where);

	if (to == 0)
		return DP_DROP_spoof_mac_pinned;
	dp_fdb_touch(e, w->now_s);
	(void)dp_fdb_move_fixed(e, where, to);
	return DP_DROP_none;
}

static enum dp_drop learn_one(struct dp_worker *w, const struct dp_batch *b, const struct dp_run *r)
{
	struct dp_fdb_entry *e = dp_fdb_find(w->fdb, r->src);
	const struct dp_view *v = b->v;
	uint32_t where;

	if (likely(e != NULL)) {
		where = atomic_load_explicit(&e->where, memory_order_acquire);
		if (likely(DP_FDB_PORT(where) == v->port->idx)) {
			dp_fdb_touch(e, w->now_s);
			return DP_DROP_none;
		}
		if ((where & DP_FDB_STATIC) != 0)
			return learn_fixed(w, v, r->src, e);
	}
	if (unlikely((dp_data(dp_head(b, r))[6] & 1) != 0)) // a group: only the tables may have it
		return DP_DROP_none;
	// A fixed MAC is pinned in the port's own VLAN by main; on a trunk the other VLANs learn
	// it.
	if ((v->cfg.flags & DP_PF_MAC_FIXED) != 0 && dp_meta(dp_head(b, r))->vid == v->cfg.vid)
		return DP_DROP_none;
	if (atomic_load_explicit(&v->port->macs_full, memory_order_relaxed) != 0)
		return DP_DROP_mac_limit;
	tell_main(w, v, r->src);
	return DP_DROP_none;
}

// Whose source is the one before it is as known as that: a guest's frames mostly have one.
void dp_learn_burst(struct dp_worker *w, struct dp_batch *b)
{
	uint64_t src = 0, dst = 0; // no key is 0
	uint32_t n_ok = 0;
	bool lost = false;

	// The lines of the table come near together, the destination's for the forward hop.
	for (uint32_t i = 0; i < b->n_runs; i++) {
		struct dp_run *r = &b->runs[i];

		if (!r->kin) {
			const struct rte_mbuf *m = dp_head(b, r);
			uint16_t vid = dp_meta_const(m)->vid;

			src = dp_fdb_key(vid, dp_data(m) + 6);
			dst = dp_fdb_key(vid, dp_data(m));
			dp_fdb_prefetch(w->fdb, src);
			dp_fdb_prefetch(w->fdb, dst);
		}
		r->src = src;
		r->dst = dst;
	}
	src = 0;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		enum dp_drop err =
			b->runs[i].src == src ? DP_DROP_none : learn_one(w, b, &b->runs[i]);

		if (unlikely(err != DP_DROP_none)) {
			dp_drop_run(w, b, &b->runs[i], err, DP_STAGE_learn);
			lost = true;
			continue;
		}
		src = b->runs[i].src;
		dp_run_keep(b, i, &n_ok, &lost);
	}
	b->n_runs = n_ok;
}
