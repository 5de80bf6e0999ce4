// The forward hop with OpenFlow on: what each run of a batch meets in the tables, and what becomes
// of it.
//
// The version is read once per batch, so a frame meets all of a change or nothing of it. Runs are
// looked up together, their memory accesses overlapped: first all keys, then the cache, then the
// tables for what the cache does not know. What comes to one port, to L2 forwarding or to nothing
// is done run by run; all else frame by frame (of_exec.c).
#include <string.h>

#include "of_cache_priv.h"

enum { AHEAD = 4 }; // counters of a path that are brought near

// A batch on its way through the tables.
struct look {
	struct dp_of *of;
	struct dp_of_asker asker;
	struct dp_of_port_pw *port;
	uint64_t version, now_ns;
	uint32_t n;
	uint32_t has_key; // bit per run
	uint32_t no_sign; // not for the cache
	uint32_t n_unknown;
	uint8_t unknown[DP_BURST];		  // runs that the cache does not know
	const struct dp_of_path *paths[DP_BURST]; // what a run met, or NULL: it stands in met[]
	struct dp_of_keyed keyed[DP_BURST];
	struct dp_of_met met[DP_BURST];
};
_Static_assert(DP_BURST <= 32, "a bit per run");

// Frames for one port, gathered until another's turn comes, and what the last path came to.
struct gathered {
	const struct dp_view *out;
	uint32_t n;
	struct rte_mbuf *pkts[DP_BURST];
	uint32_t n_normal; // runs for L2 forwarding
	struct dp_run normal[DP_BURST];
	const struct dp_of_path *path; // frames that met it are not counted yet
	uint32_t n_met;
	uint64_t n_bytes;
	uint8_t kind;		      // enum dp_of_prog_kind
	uint32_t of_port;	      // the last that was looked for; 0 = none
	const struct dp_view *of_out; // and where that is; NULL = not that simple
	uint32_t n_first;	      // frames that are not counted in table 0 yet
};

// Rules along goto, from the first one on, as long as no action changes the key.
void dp_of_walk(const struct dp_of *of, struct dp_flow_key *key, uint64_t version,
		const struct dp_flow_rule *first, struct dp_of_met *met)
{
	const struct dp_flow_rule *r = first;

	bool simply = true;

	met->n = 0;
	met->kind = DP_OF_PROG_ANY;
	met->is_missed = met->is_partial = met->is_deep = false;
	while (r != NULL) {
		const struct dp_of_flow *f = (const struct dp_of_flow *)(const void *)r;
		const struct dp_of_prog *p = dp_of_prog_at(f, version);

		met->rules[met->n++] = dp_of_step_of(r->idx, f->table);
		if (p->p.table == DP_FLOW_NO_TABLE || p->p.table <= f->table ||
		    p->p.table >= DP_FLOW_TABLES) {
			if (simply && p->kind != DP_OF_PROG_GOTO)
				met->kind = p->kind;
			met->out_port = p->out_port;
			return;
		}
		if (p->edits != 0) {
			met->is_partial = true;
			met->is_deep = (p->edits & DP_OF_EDITS_DEEPER) != 0;
			return;
		}
		simply &= p->kind == DP_OF_PROG_GOTO;
		key->w[5] =
			(key->w[5] & ~p->p.metadata_mask) | (p->p.metadata & p->p.metadata_mask);
		r = dp_flow_table_find(of->tables[p->p.table], key, version);
	}
	met->is_missed = true;
}

void dp_of_key_make(const struct dp_of_ctx *c, struct dp_flow_key *key)
{
	const struct rte_mbuf *m = c->m;

	dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), &dp_meta_const(m)->p, c->in_port,
			 key);
	key->w[5] = c->metadata;
	key->w[6] = c->tunnel_id;
}

static void signs_make(struct look *l, const struct dp_batch *b)
{
	const struct dp_of_asker *a = &l->asker;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct dp_run *r = &b->runs[i];
		const struct rte_mbuf *m = dp_head(b, r);
		struct dp_of_keyed *k = &l->keyed[i];

		if (likely(dp_meta_const(m)->p.plain)) {
			dp_of_sign_plain(a, m, r->kin ? &k[-1].sign : NULL, &k->sign);
		} else {
			l->has_key |= 1u << i;
			l->no_sign |= (uint32_t)(dp_of_sign_any(a, m, k) < 0) << i;
		}
		dp_of_cache_prefetch(a->pw, &k->sign);
	}
}

// What the cache knows, of which the rules' counters come meanwhile.
static void cache_look(struct look *l)
{
	struct dp_of_pw *pw = l->asker.pw;
	const struct dp_of_path *last = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++) {
		const struct dp_of_path *path = dp_of_cache_find(pw, &l->keyed[i].sign);

		if (unlikely(path == NULL || (l->no_sign >> i & 1) != 0)) {
			l->paths[i] = NULL;
			l->unknown[n++] = (uint8_t)i;
			continue;
		}
		l->paths[i] = path;
		if (path == last)
			continue;
		last = path;
		for (uint32_t k = 0; k < path->n && k < AHEAD; k++)
			__builtin_prefetch(&pw->flows[dp_of_step_rule(path->rules[k])]);
	}
	l->n_unknown = n;
	pw->n_cache_found += l->n - n;
}

static void keys_make(struct look *l, const struct dp_batch *b)
{
	for (uint32_t i = 0; i < l->n_unknown; i++) {
		uint32_t at = l->unknown[i];
		const struct rte_mbuf *m = dp_head(b, &b->runs[at]);

		if ((l->has_key >> at & 1) == 0)
			dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), &dp_meta_const(m)->p,
					 l->asker.in_port, &l->keyed[at].key);
	}
}

static void tables_look(struct look *l)
{
	const struct dp_flow_key *keys[DP_BURST];
	const struct dp_flow_rule *first[DP_BURST];

	for (uint32_t i = 0; i < l->n_unknown; i++)
		keys[i] = &l->keyed[l->unknown[i]].key;
	dp_flow_table_find_burst(l->of->tables[0], keys, l->n_unknown, l->version, first);
	for (uint32_t i = 0; i < l->n_unknown; i++) {
		uint32_t at = l->unknown[i];

		dp_of_walk(l->of, &l->keyed[at].key, l->version, first[i], &l->met[at]);
	}
}

static void look_up(struct look *l, const struct dp_batch *b)
{
	l->has_key = l->no_sign = 0;
	if (likely(l->asker.shape != NULL)) {
		signs_make(l, b);
		cache_look(l);
		l->port->n_found += l->n - l->n_unknown;
	} else {
		l->n_unknown = l->n;
		for (uint32_t i = 0; i < l->n; i++) {
			l->unknown[i] = (uint8_t)i;
			l->paths[i] = NULL;
		}
	}
	if (l->n_unknown == 0)
		return;
	keys_make(l, b);
	tables_look(l);
}

// After the batch: a new path may take the place of one that a run of it met.
static void cache_fill(struct look *l)
{
	for (uint32_t i = 0; i < l->n_unknown && l->asker.shape != NULL; i++) {
		uint32_t at = l->unknown[i];

		if ((l->no_sign >> at & 1) == 0)
			dp_of_cache_insert(l->asker.pw, &l->keyed[at].sign, l->port, &l->met[at]);
	}
}

static void gathered_init(struct gathered *g)
{
	g->out = g->of_out = NULL;
	g->path = NULL;
	g->n = g->n_normal = g->n_met = g->n_first = g->of_port = 0;
	g->n_bytes = 0;
	g->kind = DP_OF_PROG_ANY;
}

static void flush(struct dp_worker *w, struct dp_batch *b, struct gathered *g)
{
	if (g->n > 0) {
		dp_pw(w, b->v->port)->c[DP_PC_forwarded_pkts] += g->n;
		dp_output_as_is(w, g->pkts, g->n, g->out, 0);
	}
	if (g->n_normal > 0)
		dp_forward_runs(w, b, g->normal, g->n_normal);
	g->out = NULL;
	g->n = g->n_normal = 0;
}

static void ctx_init(struct dp_of_ctx *c, struct dp_worker *w, const struct look *l,
		     const struct dp_view *in)
{
	c->w = w;
	c->of = l->of;
	c->in = in;
	c->explain = NULL;
	c->pending = NULL;
	c->pending_normal = false;
	c->flow = NULL;
	c->version = l->version;
	c->metadata = c->tunnel_id = 0;
	c->in_port = l->asker.in_port;
	c->n_given = 0;
	c->budget = w->snap->n_ports + DP_OF_SPARE_OUTPUTS;
	c->work = DP_OF_WORK;
	c->table = c->depth = 0;
	c->why = DP_DROP_of_no_action;
	c->is_edited = c->keep_pcp = c->keep_dscp = c->is_miss = c->is_over = c->is_shared = false;
	c->set.kinds = 0;
	c->set.fields = 0;
}

// Frame by frame. What the first one met after an action, all meet that look like it.
static void exec_run(struct dp_worker *w, const struct dp_batch *b, struct look *l, uint32_t at)
{
	const struct dp_run *r = &b->runs[at];
	struct dp_of_met *met = &l->met[at], whole = *met;
	struct dp_of_ctx c;

	for (uint32_t i = 0; i < r->n; i++) {
		struct dp_of_met one = *met;

		ctx_init(&c, w, l, b->v);
		c.m = b->pkts[r->first + i];
		c.cls = dp_meta(c.m)->cls;
		c.met = &one;
		dp_of_exec(&c);
		if (whole.is_partial && !one.is_partial)
			whole = one;
	}
	*met = whole;
}

static void count_all(struct dp_worker *w, const struct look *l, const struct dp_of_met *met,
		      const struct rte_mbuf *m, uint32_t n)
{
	uint64_t n_bytes = (uint64_t)n * rte_pktmbuf_pkt_len(m);

	for (uint32_t i = 0; i < met->n; i++) {
		dp_of_rule_met(l->asker.pw, dp_of_step_rule(met->rules[i]), n, n_bytes, w->now_ns);
		dp_of_table_met(l->asker.pw, dp_of_step_table(met->rules[i]), n);
	}
}

// The port that frames simply go to; NULL = it is not that simple.
static const struct dp_view *plain_output(const struct dp_worker *w, const struct look *l,
					  uint32_t of_port)
{
	const struct dp_view *out = dp_of_view(w->snap, of_port);

	if (out == NULL || of_port == l->asker.in_port || dp_of_config_of(l->of, of_port) != 0 ||
	    (out->cfg.flags & DP_PF_MIRROR_DST) != 0 ||
	    (out->cfg.role == DP_ROLE_HOST && w->snap->services != NULL))
		return NULL;
	return out;
}

static inline bool is_looked_at(const struct rte_mbuf *m)
{
	return (dp_meta_const(m)->flags & DP_MF_LOOK) != 0;
}

static inline __attribute__((always_inline)) void met_flush(struct look *l, struct gathered *g)
{
	struct dp_of_pw *pw = l->asker.pw;
	const struct dp_of_path *p = g->path;

	if (g->n_met == 0)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		dp_of_rule_met(pw, dp_of_step_rule(p->rules[i]), g->n_met, g->n_bytes, l->now_ns);
		if (i > 0)
			dp_of_table_met(pw, dp_of_step_table(p->rules[i]), g->n_met);
	}
	g->n_first += g->n_met;
	g->n_met = 0;
	g->n_bytes = 0;
}

// Each walk begins in the first table.
static void first_flush(struct look *l, struct gathered *g)
{
	met_flush(l, g);
	if (g->n_first > 0)
		dp_of_table_met(l->asker.pw, 0, g->n_first);
}

// What a path comes to. Frames in a row often met the same one, and paths in a row often end at
// the same port.
static void path_take(struct dp_worker *w, struct look *l, const struct dp_of_path *p,
		      struct gathered *g)
{
	met_flush(l, g);
	g->path = p;
	g->kind = p->kind;
	if (g->kind != DP_OF_PROG_OUTPUT)
		return;
	if (p->out_port != g->of_port) {
		g->of_port = p->out_port;
		g->of_out = plain_output(w, l, p->out_port);
	}
	if (g->of_out == NULL)
		g->kind = DP_OF_PROG_ANY;
}

static void met_of_path(const struct dp_of_path *p, struct dp_of_met *out)
{
	out->n = p->n;
	out->out_port = p->out_port;
	out->kind = p->kind;
	out->is_missed = p->is_missed;
	out->is_partial = out->is_deep = false;
	memcpy(out->rules, p->rules, p->n * sizeof(p->rules[0]));
}

static inline void gather(struct gathered *g, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t at = g->n;

	g->pkts[at] = pkts[0];
	for (uint32_t i = 1; i < n; i++)
		g->pkts[at + i] = pkts[i];
	g->n = at + n;
}

// L2 forwarding knows no group as a source.
static void gather_normal(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r,
			  struct gathered *g)
{
	if (unlikely((dp_data(b->pkts[r->first])[6] & 1) != 0))
		dp_drop_run(w, b, r, DP_DROP_l2_src_invalid, DP_STAGE_forward);
	else
		g->normal[g->n_normal++] = *r;
}

// The whole of what a run met comes to.
static void act_on_any(struct dp_worker *w, struct dp_batch *b, struct look *l, uint32_t at,
		       struct gathered *g)
{
	const struct dp_run *r = &b->runs[at];
	struct rte_mbuf **pkts = b->pkts + r->first;
	const struct dp_of_met *met = &l->met[at];
	const struct dp_view *out = NULL;
	uint8_t kind = met->kind;

	if (kind == DP_OF_PROG_OUTPUT) {
		out = is_looked_at(pkts[0]) ? NULL : plain_output(w, l, met->out_port);
		if (out == NULL)
			kind = DP_OF_PROG_ANY;
	}
	if (out != g->out || kind != DP_OF_PROG_OUTPUT)
		if (kind != DP_OF_PROG_NORMAL || g->n > 0)
			flush(w, b, g);
	if (kind == DP_OF_PROG_ANY) {
		exec_run(w, b, l, at);
		return;
	}
	count_all(w, l, met, pkts[0], r->n);
	if (kind == DP_OF_PROG_NORMAL) {
		gather_normal(w, b, r, g);
	} else if (kind == DP_OF_PROG_DROP) {
		dp_drop_run(w, b, r, DP_DROP_of_no_action, DP_STAGE_forward);
	} else {
		if (g->n_normal > 0)
			flush(w, b, g);
		g->out = out;
		gather(g, pkts, r->n);
	}
}

// Most runs: a path that is known, one port. The rest is anybody's.
static inline void act_on(struct dp_worker *w, struct dp_batch *b, struct look *l, uint32_t at,
			  struct gathered *g)
{
	const struct dp_run *r = &b->runs[at];
	struct rte_mbuf **pkts = b->pkts + r->first;
	const struct dp_of_path *path = l->paths[at];
	uint64_t n_bytes;

	if (unlikely(path == NULL)) {
		act_on_any(w, b, l, at, g);
		return;
	}
	n_bytes = (uint64_t)r->n * rte_pktmbuf_pkt_len(pkts[0]); // L2 may free it
	if (path != g->path)
		path_take(w, l, path, g);
	if (likely(g->kind == DP_OF_PROG_OUTPUT && !is_looked_at(pkts[0]))) {
		if (unlikely(g->of_out != g->out)) { // always, where runs wait for L2
			flush(w, b, g);
			g->out = g->of_out;
		}
		gather(g, pkts, r->n);
	} else if (g->kind == DP_OF_PROG_NORMAL) {
		if (unlikely(g->n > 0))
			flush(w, b, g);
		gather_normal(w, b, r, g);
	} else {
		met_of_path(path, &l->met[at]);
		act_on_any(w, b, l, at, g);
		return;
	}
	g->n_met += r->n;
	g->n_bytes += n_bytes;
}

// Not for the tables: what the responder has, and what comes where nothing may.
static void take_out(struct dp_worker *w, struct dp_batch *b, uint32_t in_port)
{
	const struct dp_of *of = w->snap->of;
	bool closed = (dp_of_config_of(of, in_port) & (DP_OFPPC_NO_RECV | DP_OFPPC_PORT_DOWN)) != 0;
	bool whole = dp_of_drops_fragments(of);
	bool lost = false;
	uint32_t n_ok = 0;

	// Most ports have no boot service near, and nothing to be looked at.
	if (likely(!closed && !whole && w->snap->services == NULL &&
		   (b->v->cfg.flags & DP_PF_RESPONDER) == 0))
		return;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		const struct dp_meta *m = dp_meta(b->pkts[b->runs[i].first]);

		if (closed) {
			dp_drop_run(w, b, &b->runs[i], DP_DROP_of_port, DP_STAGE_forward);
		} else if (whole && (m->p.flags & DP_PF_FRAG) != 0) { // alone in its run
			dp_drop_run(w, b, &b->runs[i], DP_DROP_of_fragment, DP_STAGE_forward);
		} else if (dp_forward_own(w, b, &b->runs[i])) {
			dp_run_keep(b, i, &n_ok, &lost);
			continue;
		}
		lost = true;
	}
	b->n_runs = n_ok;
}

void dp_of_forward_burst(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_of *of = w->snap->of;
	struct dp_of_pw *pw = of->pw[w->id];
	struct gathered g;
	uint64_t since;
	struct look l;

	l.of = of;
	l.now_ns = w->now_ns;
	l.asker.pw = pw;
	l.asker.in_port = dp_of_number(b->v);
	// Before the shape: it has what rules of this version look at, or more.
	l.version = atomic_load_explicit(&of->version, memory_order_acquire);
	since = atomic_load_explicit(&of->walks_since, memory_order_relaxed);
	l.port = &pw->ports[b->v->port->idx];
	l.asker.shape = NULL;
	// What this batch meets must not be kept for a version that is only about to come.
	if (pw->cache != NULL && likely(since <= l.version) && dp_of_port_asks(l.port))
		l.asker.shape = atomic_load_explicit(&of->shape, memory_order_acquire);
	dp_of_cache_see(pw, since);
	take_out(w, b, l.asker.in_port);
	l.n = b->n_runs;
	look_up(&l, b);
	gathered_init(&g);
	for (uint32_t i = 0; i < l.n; i++)
		act_on(w, b, &l, i, &g);
	first_flush(&l, &g);
	flush(w, b, &g);
	if (unlikely(l.n_unknown > 0))
		cache_fill(&l);
}
