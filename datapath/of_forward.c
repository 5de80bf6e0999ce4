// The forward hop with OpenFlow on: what each run of a batch meets in the tables, and what becomes
// of it.
//
// The version is read once per batch, so a frame meets all of a change or nothing of it. Runs are
// looked up together, their memory accesses overlapped: first all keys, then the cache, then the
// tables for what the cache does not know. What comes to one port, to L2 forwarding or to nothing
// is done run by run; all else frame by frame (of_exec.c).
#include "of_priv.h"

// A batch on its way through the tables.
struct look {
	struct dp_of *of;
	struct dp_of_pw *pw;
	const struct dp_of_shape *shape; // NULL = no cache
	uint64_t version;
	uint32_t in_port, n;
	struct dp_flow_key keys[DP_BURST];
	struct dp_of_sign signs[DP_BURST];
	struct dp_of_met met[DP_BURST];
	bool is_found[DP_BURST];
};

// Frames for one port, gathered until another's turn comes.
struct gathered {
	const struct dp_view *out;
	uint32_t n;
	struct rte_mbuf *pkts[DP_BURST];
	uint32_t n_normal; // runs for L2 forwarding
	struct dp_run normal[DP_BURST];
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

// Do headers reach so near the end of what is looked at that a tag more or less shows or hides
// some? The key does not say so: a frame like that is looked up each time.
static inline bool is_at_end(const struct dp_parse *p, uint32_t size)
{
	enum { TAGS = 16, L4 = 60, ICMP6 = 58, ND_NS = 135, ND_NA = 136 };
	bool is_nd = p->ip_proto == ICMP6 && (p->sport == ND_NS || p->sport == ND_NA);
	bool is_deep = (p->flags & DP_PF_EXT) != 0 &&
		       (p->l4_off == 0 || p->l4_off > DP_PARSE_BYTES - TAGS - L4);

	return size > DP_PARSE_BYTES - TAGS && (p->flags & DP_PF_IP6) != 0 && (is_nd || is_deep);
}

static void keys_make(struct look *l, const struct dp_batch *b)
{
	for (uint32_t i = 0; i < l->n; i++) {
		const struct rte_mbuf *m = dp_head(b, &b->runs[i]);
		const struct dp_parse *p = &dp_meta_const(m)->p;

		dp_flow_key_make(dp_data(m), rte_pktmbuf_data_len(m), p, l->in_port, &l->keys[i]);
		if (l->shape == NULL)
			continue;
		dp_of_sign_make(l->shape, &l->keys[i], p, &l->signs[i]);
		if (unlikely(is_at_end(p, rte_pktmbuf_data_len(m))))
			l->signs[i].n_words = 0;
		dp_of_cache_prefetch(l->pw, &l->signs[i]);
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
	uint32_t n = 0;

	keys_make(l, b);
	for (uint32_t i = 0; i < l->n; i++) {
		l->is_found[i] = l->shape != NULL && l->signs[i].n_words != 0 &&
				 dp_of_cache_find(l->pw, &l->signs[i], l->version, &l->met[i]);
		if (!l->is_found[i])
			unknown[n++] = (uint8_t)i;
	}
	port->n_looked += l->n;
	port->n_found += l->n - n;
	if (n == 0)
		return;
	tables_look(l, unknown, n);
	for (uint32_t i = 0; i < n && l->shape != NULL; i++) {
		uint32_t at = unknown[i];

		if (l->signs[at].n_words != 0)
			dp_of_cache_insert(l->pw, &l->signs[at], l->version, port, &l->met[at]);
	}
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
	c->is_edited = c->keep_pcp = c->keep_dscp = c->is_miss = c->is_over = false;
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
		if (l->shape != NULL && l->signs[at].n_words != 0)
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

// The port that it simply goes to; NULL = it is not that simple.
static const struct dp_view *plain_output(const struct dp_worker *w, const struct look *l,
					  const struct dp_run *r, const struct dp_batch *b,
					  uint32_t of_port)
{
	const struct dp_view *out = dp_of_view(w->snap, of_port);

	if (out == NULL || of_port == l->in_port || dp_of_config_of(l->of, of_port) != 0 ||
	    (out->cfg.flags & DP_PF_MIRROR_DST) != 0 ||
	    (dp_meta(dp_head(b, r))->flags & DP_MF_LOOK) != 0 ||
	    (out->cfg.role == DP_ROLE_HOST && w->snap->services != NULL))
		return NULL;
	return out;
}

static void act_on(struct dp_worker *w, struct dp_batch *b, struct look *l, uint32_t at,
		   struct gathered *g)
{
	const struct dp_run *r = &b->runs[at];
	struct rte_mbuf **pkts = b->pkts + r->first;
	const struct dp_of_prog *last = NULL;
	uint8_t kind = verdict_of(l, &l->met[at], &last);
	const struct dp_view *out = NULL;

	if (likely(kind == DP_OF_PROG_OUTPUT)) {
		out = plain_output(w, l, r, b, last->out_port);
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
		for (uint32_t i = 0; i < r->n; i++)
			g->pkts[g->n++] = pkts[i];
	}
}

// Not for the tables: what the responder has, and what comes where nothing may.
static void take_out(struct dp_worker *w, struct dp_batch *b, uint32_t in_port)
{
	const struct dp_of *of = w->snap->of;
	bool closed = (dp_of_config_of(of, in_port) & (DP_OFPPC_NO_RECV | DP_OFPPC_PORT_DOWN)) != 0;
	uint32_t n_ok = 0;

	// Most ports have no boot service near, and nothing to be looked at.
	if (likely(!closed && w->snap->services == NULL &&
		   (b->v->cfg.flags & DP_PF_RESPONDER) == 0))
		return;
	for (uint32_t i = 0; i < b->n_runs; i++) {
		if (closed)
			dp_drop_run(w, b, &b->runs[i], DP_DROP_of_port, DP_STAGE_forward);
		else if (dp_forward_own(w, b, &b->runs[i]))
			b->runs[n_ok++] = b->runs[i];
	}
	b->n_runs = n_ok;
}

void dp_of_forward_burst(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_of *of = w->snap->of;
	struct gathered g = { .out = NULL, .n = 0, .n_normal = 0 };
	struct look l;

	l.of = of;
	l.pw = of->pw[w->id];
	l.in_port = dp_of_number(b->v);
	// Before the shape: it has what rules of this version look at, or more.
	l.version = atomic_load_explicit(&of->version, memory_order_acquire);
	l.shape =
		l.pw->cache == NULL ? NULL : atomic_load_explicit(&of->shape, memory_order_acquire);
	take_out(w, b, l.in_port);
	l.n = b->n_runs;
	look_up(&l, b);
	for (uint32_t i = 0; i < l.n; i++)
		act_on(w, b, &l, i, &g);
	flush(w, b, &g);
}
