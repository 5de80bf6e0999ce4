// The forward hop with OpenFlow on: what each run of a batch meets in the tables, and what becomes
// of it.
//
// The version is read once per batch, so a frame meets all of a change or nothing of it. Runs are
// looked up together, their memory accesses overlapped: first all keys, then the cache, then the
// tables for what the cache does not know. What comes to one port, to L2 forwarding or to nothing
// is done run by run; all else frame by frame (of_exec.c).
#include "of_cache_priv.h"

// A batch on its way through the tables.
struct look {
	struct dp_of *of;
	struct dp_of_pw *pw;
	const struct dp_of_shape *shape; // NULL = no cache
	uint64_t version, now_ns;
	uint32_t in_port, n;
	uint32_t has_key; // bit per run
	uint32_t no_sign; // not for the cache
	struct dp_flow_key keys[DP_BURST];
	struct dp_of_sign signs[DP_BURST];
	struct dp_of_met met[DP_BURST];
};
_Static_assert(DP_BURST <= 32, "a bit per run");

// Frames for one port, gathered until another's turn comes, and what the last rule came to.
struct gathered {
	const struct dp_view *out;
	uint32_t n;
	struct rte_mbuf *pkts[DP_BURST];
	uint32_t n_normal; // runs for L2 forwarding
	struct dp_run normal[DP_BURST];
	// A rule that is all that a frame met: frames that are not counted yet.
	uint32_t rule; // UINT32_MAX = none
	uint32_t n_met;
	uint64_t n_bytes;
	uint8_t kind;		      // enum dp_of_prog_kind
	uint32_t of_port;	      // the last that was looked for; 0 = none
	const struct dp_view *of_out; // and where that is; NULL = not that simple
	uint32_t n_alone;	      // frames of table 0 that are not counted there yet
};

// Rules along goto, from the first one on, as long as no action changes the key.
void dp_of_walk(const struct dp_of *of, struct dp_flow_key *key, uint64_t version,
		const struct dp_flow_rule *first, struct dp_of_met *met)
{
	const struct dp_flow_rule *r = first;

	met->n = 0;
	met->is_missed = met->is_partial = met->is_deep = false;
	while (r != NULL) {
		const struct dp_of_flow *f = (const struct dp_of_flow *)(const void *)r;
		const struct dp_of_prog *p = dp_of_prog_at(f, version);

		met->rules[met->n++] = r->idx;
		if (p->p.table == DP_FLOW_NO_TABLE || p->p.table <= f->table ||
		    p->p.table >= DP_FLOW_TABLES)
			return;
		if (p->edits != 0) {
			met->is_partial = true;
			met->is_deep = (p->edits & DP_OF_EDITS_DEEPER) != 0;
			return;
		}
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
	for (uint32_t i = 0; i < l->n; i++) {
		int rc = dp_of_sign_make(l->shape, dp_head(b, &b->runs[i]), l->in_port, &l->keys[i],
					 &l->signs[i]);

		if (unlikely(rc != 0)) {
			l->has_key |= 1u << i;
			l->no_sign |= (uint32_t)(rc < 0) << i;
			__builtin_prefetch(&dp_of_entry_at(l->pw, &l->signs[i], 0)->rules);
		}
		dp_of_cache_prefetch(l->pw, &l->signs[i]);
	}
}

// What the cache knows, of which the rules' own lines come meanwhile. returns how many it does not
static uint32_t cache_look(struct look *l, uint8_t unknown[DP_BURST])
{
	uint32_t n = 0, last = UINT32_MAX;

	for (uint32_t i = 0; i < l->n; i++) {
		uint32_t rule;

		if (unlikely((l->no_sign >> i & 1) != 0) ||
		    !dp_of_cache_find(l->pw, &l->signs[i], l->version, &l->met[i])) {
			unknown[n++] = (uint8_t)i;
			continue;
		}
		rule = l->met[i].rules[0];
		if (rule == last)
			continue;
		last = rule;
		__builtin_prefetch(&l->of->flows[rule]);
		__builtin_prefetch(&l->pw->flows[rule]);
	}
	l->pw->n_cache_looked += l->n;
	l->pw->n_cache_found += l->n - n;
	return n;
}

static void keys_make(struct look *l, const struct dp_batch *b, const uint8_t *which, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = which[i];
		const struct rte_mbuf *m = dp_head(b, &b->runs[at]);

		if ((l->has_key >> at & 1) == 0)
			dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), &dp_meta_const(m)->p,
					 l->in_port, &l->keys[at]);
	}
}

static void tables_look(struct look *l, const uint8_t *which, uint32_t n)
{
	const struct dp_flow_key *keys[DP_BURST];
	const struct dp_flow_rule *first[DP_BURST];

	for (uint32_t i = 0; i < n; i++)
		keys[i] = &l->keys[which[i]];
	dp_flow_table_find_burst(l->of->tables[0], keys, n, l->version, first);
	for (uint32_t i = 0; i < n; i++)
		dp_of_walk(l->of, &l->keys[which[i]], l->version, first[i], &l->met[which[i]]);
}

static void look_up(struct look *l, const struct dp_batch *b)
{
	struct dp_of_port_pw *port = &l->pw->ports[b->v->port->idx];
	uint8_t unknown[DP_BURST];
	uint32_t n = l->n;

	if (likely(l->shape != NULL)) {
		signs_make(l, b);
		n = cache_look(l, unknown);
	} else {
		for (uint32_t i = 0; i < n; i++)
			unknown[i] = (uint8_t)i;
	}
	port->n_looked += l->n;
	port->n_found += l->n - n;
	if (n == 0)
		return;
	keys_make(l, b, unknown, n);
	tables_look(l, unknown, n);
	for (uint32_t i = 0; i < n && l->shape != NULL; i++) {
		uint32_t at = unknown[i];

		if ((l->no_sign >> at & 1) == 0)
			dp_of_cache_insert(l->pw, &l->signs[at], l->version, port, &l->met[at]);
	}
}

static void gathered_init(struct gathered *g)
{
	g->out = g->of_out = NULL;
	g->n = g->n_normal = g->n_met = g->n_alone = g->of_port = 0;
	g->n_bytes = 0;
	g->rule = UINT32_MAX;
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
	c->in_port = l->in_port;
	c->n_given = 0;
	c->budget = w->snap->n_ports + DP_OF_SPARE_OUTPUTS;
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
	struct dp_of_met *met = &l->met[at];
	bool was_partial = met->is_partial;
	struct dp_of_ctx c;

	for (uint32_t i = 0; i < r->n; i++) {
		struct dp_of_met one = *met;

		ctx_init(&c, w, l, b->v);
		c.m = b->pkts[r->first + i];
		c.cls = dp_meta(c.m)->cls;
		c.met = &one;
		dp_of_exec(&c);
		if (!was_partial || one.is_partial)
			continue;
		was_partial = false;
		if (l->shape != NULL && (l->no_sign >> at & 1) == 0)
			dp_of_cache_insert(l->pw, &l->signs[at], l->version,
					   &l->pw->ports[b->v->port->idx], &one);
	}
}

static void count_all(struct dp_worker *w, const struct look *l, const struct dp_of_met *met,
		      const struct rte_mbuf *m, uint32_t n)
{
	uint64_t n_bytes = (uint64_t)n * rte_pktmbuf_pkt_len(m);

	for (uint32_t i = 0; i < met->n; i++)
		dp_of_met_count(l->pw, &l->of->flows[met->rules[i]], n, n_bytes, w->now_ns);
}

// What it all comes to, when nothing but metadata stands before: DP_OF_PROG_ANY = something else.
static uint8_t verdict_of(const struct look *l, const struct dp_of_met *met,
			  const struct dp_of_prog **last)
{
	if (likely(met->n == 1 && !met->is_missed && !met->is_partial)) {
		*last = dp_of_prog_at(&l->of->flows[met->rules[0]], l->version);
		return (*last)->kind == DP_OF_PROG_GOTO ? DP_OF_PROG_ANY : (*last)->kind;
	}
	for (uint32_t i = 0; i < met->n; i++) {
		*last = dp_of_prog_at(&l->of->flows[met->rules[i]], l->version);
		if (i + 1 < met->n && (*last)->kind != DP_OF_PROG_GOTO)
			return DP_OF_PROG_ANY;
	}
	if (met->is_missed || met->is_partial || met->n == 0 || (*last)->kind == DP_OF_PROG_GOTO)
		return DP_OF_PROG_ANY;
	return (*last)->kind;
}

// The port that frames simply go to; NULL = it is not that simple.
static const struct dp_view *plain_output(const struct dp_worker *w, const struct look *l,
					  uint32_t of_port)
{
	const struct dp_view *out = dp_of_view(w->snap, of_port);

	if (out == NULL || of_port == l->in_port || dp_of_config_of(l->of, of_port) != 0 ||
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
	struct dp_of_flow_pw *c;

	if (g->n_met == 0)
		return;
	c = &l->pw->flows[g->rule];
	dp_of_add(&c->n_pkts, g->n_met);
	dp_of_add(&c->n_bytes, g->n_bytes);
	atomic_store_explicit(&c->used_ns, l->now_ns, memory_order_relaxed);
	g->n_alone += g->n_met;
	g->n_met = 0;
	g->n_bytes = 0;
}

// Frames that met one rule met it in the first table.
static void alone_flush(struct look *l, struct gathered *g)
{
	struct dp_of_table_pw *t = &l->pw->tables[0];

	met_flush(l, g);
	if (g->n_alone == 0)
		return;
	dp_of_add(&t->n_lookups, g->n_alone);
	dp_of_add(&t->n_matched, g->n_alone);
}

// What the one rule that a frame met comes to. Frames in a row often met the same one, and rules in
// a row often say the same port.
static void rule_take(struct dp_worker *w, struct look *l, uint32_t rule, struct gathered *g)
{
	const struct dp_of_prog *p = dp_of_prog_at(&l->of->flows[rule], l->version);

	met_flush(l, g);
	g->rule = rule;
	g->kind = p->kind == DP_OF_PROG_GOTO ? DP_OF_PROG_ANY : p->kind;
	if (g->kind != DP_OF_PROG_OUTPUT)
		return;
	if (p->out_port != g->of_port) {
		g->of_port = p->out_port;
		g->of_out = plain_output(w, l, p->out_port);
	}
	if (g->of_out == NULL)
		g->kind = DP_OF_PROG_ANY;
}

static inline void gather(struct gathered *g, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t at = g->n;

	g->pkts[at] = pkts[0];
	for (uint32_t i = 1; i < n; i++)
		g->pkts[at + i] = pkts[i];
	g->n = at + n;
}

// The whole of what a run met comes to.
static void act_on_any(struct dp_worker *w, struct dp_batch *b, struct look *l, uint32_t at,
		       struct gathered *g)
{
	const struct dp_run *r = &b->runs[at];
	struct rte_mbuf **pkts = b->pkts + r->first;
	const struct dp_of_prog *last = NULL;
	uint8_t kind = verdict_of(l, &l->met[at], &last);
	const struct dp_view *out = NULL;

	if (kind == DP_OF_PROG_OUTPUT) {
		out = is_looked_at(pkts[0]) ? NULL : plain_output(w, l, last->out_port);
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
	count_all(w, l, &l->met[at], pkts[0], r->n);
	if (kind == DP_OF_PROG_NORMAL) {
		g->normal[g->n_normal++] = *r;
	} else if (kind == DP_OF_PROG_DROP) {
		dp_drop_run(w, b, r, DP_DROP_of_no_action, DP_STAGE_forward);
	} else {
		if (g->n_normal > 0)
			flush(w, b, g);
		g->out = out;
		gather(g, pkts, r->n);
	}
}

// Most runs: one rule, one port. The rest is anybody's.
static inline void act_on(struct dp_worker *w, struct dp_batch *b, struct look *l, uint32_t at,
			  struct gathered *g)
{
	const struct dp_run *r = &b->runs[at];
	struct rte_mbuf **pkts = b->pkts + r->first;
	const struct dp_of_met *met = &l->met[at];

	if (unlikely(met->n != 1 || met->is_missed || met->is_partial)) {
		act_on_any(w, b, l, at, g);
		return;
	}
	if (met->rules[0] != g->rule)
		rule_take(w, l, met->rules[0], g);
	if (likely(g->kind == DP_OF_PROG_OUTPUT && !is_looked_at(pkts[0]))) {
		if (unlikely(g->of_out != g->out)) { // always, where runs wait for L2
			flush(w, b, g);
			g->out = g->of_out;
		}
		gather(g, pkts, r->n);
	} else if (g->kind == DP_OF_PROG_NORMAL) {
		if (unlikely(g->n > 0))
			flush(w, b, g);
		g->normal[g->n_normal++] = *r;
	} else {
		act_on_any(w, b, l, at, g);
		return;
	}
	g->n_met += r->n;
	g->n_bytes += (uint64_t)r->n * rte_pktmbuf_pkt_len(pkts[0]);
}

// Not for the tables: what the responder has, and what comes where nothing may.
static void take_out(struct dp_worker *w, struct dp_batch *b, uint32_t in_port)
{
	const struct dp_of *of = w->snap->of;
	bool closed = (dp_of_config_of(of, in_port) & (DP_OFPPC_NO_RECV | DP_OFPPC_PORT_DOWN)) != 0;
	bool whole = dp_of_drops_fragments(of);
	uint32_t n_ok = 0;

	// Most ports have no boot service near, and nothing to be looked at.
	if (likely(!closed && !whole && w->snap->services == NULL &&
		   (b->v->cfg.flags & DP_PF_RESPONDER) == 0))
		return;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		const struct dp_meta *m = dp_meta(b->pkts[b->runs[i].first]);

		if (closed)
			dp_drop_run(w, b, &b->runs[i], DP_DROP_of_port, DP_STAGE_forward);
		else if (whole && (m->p.flags & DP_PF_FRAG) != 0) // never more than one in a run
			dp_drop_run(w, b, &b->runs[i], DP_DROP_of_fragment, DP_STAGE_forward);
		else if (dp_forward_own(w, b, &b->runs[i]))
			b->runs[n_ok++] = b->runs[i];
	}
	b->n_runs = n_ok;
}

void dp_of_forward_burst(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_of *of = w->snap->of;
	struct gathered g;
	struct look l;

	l.of = of;
	l.pw = of->pw[w->id];
	l.now_ns = w->now_ns;
	l.in_port = dp_of_number(b->v);
	// Before the shape: it has what rules of this version look at, or more.
	l.version = atomic_load_explicit(&of->version, memory_order_acquire);
	l.shape =
		l.pw->cache == NULL ? NULL : atomic_load_explicit(&of->shape, memory_order_acquire);
	take_out(w, b, l.in_port);
	l.n = b->n_runs;
	l.has_key = l.no_sign = 0;
	look_up(&l, b);
	gathered_init(&g);
	for (uint32_t i = 0; i < l.n; i++)
		act_on(w, b, &l, i, &g);
	alone_flush(&l, &g);
	flush(w, b, &g);
}
