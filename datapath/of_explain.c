// explain: the walk of a described frame on the main thread, by the functions that workers walk
// with. No counter, bucket or queue is touched; where the walk would send, it tells.
#include <errno.h>
#include <stdlib.h>

#include "of_priv.h"

static void step(struct dp_of_ctx *c, struct dp_of_step *s)
{
	if (c->explain->step == NULL)
		return;
	s->table = c->table;
	s->flow = (struct dp_of_flow *)(uintptr_t)c->flow;
	s->priority = c->flow == NULL ? 0 : (uint16_t)c->flow->rule.priority;
	dp_of_key_make(c, &s->key);
	c->explain->step(c->explain->arg, s);
}

void dp_of_explain_rule(struct dp_of_ctx *c)
{
	struct dp_of_step s = { .kind = DP_OF_STEP_TABLE };

	step(c, &s);
}

void dp_of_explain_miss(struct dp_of_ctx *c)
{
	struct dp_of_step s = { .kind = DP_OF_STEP_MISS };

	step(c, &s);
}

void dp_of_explain_op(struct dp_of_ctx *c, const struct dp_flow_op *op, enum dp_of_step_kind kind)
{
	struct dp_of_step s = { .kind = (uint8_t)kind, .op = op };

	step(c, &s);
}

static void goes_to(struct dp_of_ctx *c, uint16_t idx)
{
	struct dp_verdict *v = c->explain->verdict;
	uint8_t cls = dp_meta(c->m)->cls;

	for (uint32_t i = 0; i < v->n_out; i++) {
		if (v->out[i] == idx)
			return;
	}
	v->out_queue[v->n_out] = cls == v->cls ? 0 : cls + 1;
	v->out[v->n_out++] = idx;
}

void dp_of_explain_output(struct dp_of_ctx *c, const struct dp_view *out)
{
	c->n_given++;
	if (c->explain->verdict != NULL)
		goes_to(c, out->port->idx);
}

void dp_of_explain_normal(struct dp_of_ctx *c)
{
	struct dp_verdict *l2 = c->explain->verdict == NULL ? NULL : calloc(1, sizeof(*l2));

	c->n_given++;
	if (l2 == NULL)
		return;
	dp_explain_normal(c->of->sw, c->in, c->m, c->is_edited, l2);
	for (uint32_t i = 0; i < l2->n_out; i++)
		goes_to(c, l2->out[i]);
	if (l2->kind == DP_VERDICT_DROP) // told where nothing else sends it
		c->explain->verdict->drop = l2->drop;
	free(l2);
}

void dp_of_explain_controller(struct dp_of_ctx *c)
{
	c->n_given++;
	if (c->explain->verdict != NULL)
		c->explain->verdict->to_controller = true;
}

static struct rte_mbuf *frame_make(struct dp_switch *sw, const struct dp_view *in,
				   const uint8_t *frame, size_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(sw->pool);
	struct dp_meta *meta;
	bool strip;

	if (m == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(m, (uint16_t)size), frame, size);
	meta = dp_meta(m);
	memset(meta, 0, sizeof(*meta));
	dp_parse(dp_data(m), size, size, &meta->p);
	meta->in_port = in->port->idx;
	(void)dp_admit_vlan(&in->cfg, meta, &strip);
	return m;
}

// A worker's eyes, without a worker: what the walk looks at of it.
static struct dp_worker *eyes_make(struct dp_switch *sw)
{
	struct dp_worker *w = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*w));

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->sw = sw;
	w->pool = sw->pool;
	w->snap = dp_root(sw);
	w->now_ns = dp_switch_now_ns();
	return w;
}

int dp_of_explain_walk(struct dp_of *of, const struct dp_view *in, const uint8_t *frame,
		       size_t size, struct dp_of_explain *x)
{
	struct dp_worker *w = size <= DP_MBUF_ROOM ? eyes_make(of->sw) : NULL;
	struct dp_of_met met = { .is_partial = true };
	struct dp_of_ctx c = { .of = of,
			       .in = in,
			       .w = w,
			       .met = &met,
			       .explain = x,
			       .in_port = dp_of_number(in),
			       .budget = DP_MAX_PORTS + DP_OF_SPARE_OUTPUTS,
			       .work = DP_OF_WORK,
			       .why = DP_DROP_of_no_action };

	c.version = atomic_load_explicit(&of->version, memory_order_relaxed);
	c.m = w == NULL ? NULL : frame_make(of->sw, in, frame, size);
	if (c.m == NULL) {
		free(w);
		return size <= DP_MBUF_ROOM ? -ENOMEM : -EINVAL;
	}
	c.cls = x->verdict == NULL ? 0 : x->verdict->cls;
	dp_meta(c.m)->cls = c.cls;
	dp_of_exec(&c);
	free(w);
	if (x->verdict != NULL && c.n_given == 0)
		x->verdict->drop = c.why;
	return 0;
}

int dp_of_explain(struct dp_of *of, uint32_t in_port, const uint8_t *frame, size_t size,
		  void (*fn)(void *arg, const struct dp_of_step *s), void *arg)
{
	const struct dp_view *in = dp_of_view(dp_root(of->sw), in_port);
	struct dp_of_explain x = { .step = fn, .arg = arg };

	if (in == NULL || size < 14)
		return -EINVAL;
	return dp_of_explain_walk(of, in, frame, size, &x);
}
