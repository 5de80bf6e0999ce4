// What rules do with one frame: instructions, actions, outputs.
//
// A frame goes to each of its outputs as a copy, but to the last one itself. So an output waits
// (c->pending) until it is known whether anything else is done with the frame: another output, or a
// change of its headers, makes it leave as a copy first.
#include "of_priv.h"

// --- Where it goes

static uint32_t keep_of(const struct dp_of_ctx *c)
{
	return (c->keep_pcp ? DP_KEEP_PCP : 0) | (c->keep_dscp ? DP_KEEP_DSCP : 0);
}

static void send_one(struct dp_of_ctx *c, const struct dp_view *out, struct rte_mbuf *m)
{
	dp_pw(c->w, c->in->port)->c[DP_PC_forwarded_pkts]++;
	dp_output_as_is(c->w, &m, 1, out, keep_of(c));
}

// Something becomes of the frame that is not the frame itself: counted as a copy until its end.
static void given(struct dp_of_ctx *c)
{
	c->n_given++;
	dp_pw(c->w, c->in->port)->c[DP_PC_copied_in_pkts]++;
}

// A frame like it. returns NULL when there is no buffer
static struct rte_mbuf *another(struct dp_of_ctx *c)
{
	struct rte_mbuf *m;

	c->n_given++;
	if (c->explain == NULL)
		return dp_forward_copy(c->w, c->in, c->m);
	m = rte_pktmbuf_copy(c->m, c->w->pool, 0, UINT32_MAX);
	if (m != NULL)
		*dp_meta(m) = *dp_meta(c->m);
	return m;
}

static void normal(struct dp_of_ctx *c, struct rte_mbuf *m)
{
	enum dp_drop err = c->is_edited ? dp_admit_again(&c->in->cfg, m) : DP_DROP_none;

	if (unlikely((dp_data(m)[6] & 1) != 0)) // L2 forwarding knows no group as a source
		err = DP_DROP_l2_src_invalid;
	if (err != DP_DROP_none)
		dp_drop_in(c->w, m, err, DP_STAGE_forward);
	else
		dp_forward_normal(c->w, c->in, m);
}

// What waits leaves with this frame.
static void pending_take(struct dp_of_ctx *c, struct rte_mbuf *m)
{
	const struct dp_view *out = c->pending;

	c->pending = NULL;
	if (out != NULL) {
		send_one(c, out, m);
		return;
	}
	c->pending_normal = false;
	normal(c, m);
}

static bool is_pending(const struct dp_of_ctx *c)
{
	return c->pending != NULL || c->pending_normal;
}

// What waits leaves as a copy, since more is done with the frame.
static void pending_flush(struct dp_of_ctx *c)
{
	struct rte_mbuf *m = is_pending(c) ? another(c) : NULL;

	if (m != NULL)
		pending_take(c, m);
	c->pending = NULL;
	c->pending_normal = false;
}

// One of the outputs comes to nothing; the frame ends so when all do.
static void refused(struct dp_of_ctx *c, enum dp_drop why)
{
	c->why = (uint8_t)why;
}

// The frame ends with this operation.
static void end_with(struct dp_of_ctx *c, enum dp_drop why)
{
	refused(c, why);
	c->is_over = true;
}

static bool may_go_on(struct dp_of_ctx *c)
{
	if (c->budget-- > 0)
		return true;
	c->budget = 0;
	refused(c, DP_DROP_of_loop);
	return false;
}

// The kernel has the service addresses; a rule may have written one.
static bool is_served(struct dp_of_ctx *c, const struct dp_view *out)
{
	if (out->cfg.role != DP_ROLE_HOST || !dp_forward_is_foreign(c->w, c->in, c->m))
		return true;
	refused(c, DP_DROP_service_foreign);
	return false;
}

static bool is_closed(const struct dp_of_ctx *c, const struct dp_view *out)
{
	return (dp_of_config_of(c->of, dp_of_number(out)) &
		(DP_OFPPC_NO_FWD | DP_OFPPC_PORT_DOWN)) != 0;
}

// Its receiver alone refuses the frame, and counts that.
static void denied(struct dp_of_ctx *c, const struct dp_view *out, enum dp_drop why)
{
	given(c);
	dp_forward_deny(c->w, c->in, out, c->m, why);
}

static void output_view(struct dp_of_ctx *c, const struct dp_view *out)
{
	if (out == NULL || (out->cfg.flags & DP_PF_MIRROR_DST) != 0) {
		refused(c, DP_DROP_of_port);
		return;
	}
	if (is_closed(c, out)) {
		refused(c, DP_DROP_of_port);
		if (c->explain == NULL && may_go_on(c))
			denied(c, out, DP_DROP_of_port);
		return;
	}
	if (unlikely(c->w->snap->services != NULL) && !is_served(c, out))
		return;
	if (unlikely(dp_is_rival(&out->cfg, dp_meta(c->m))) && c->explain == NULL) {
		denied(c, out, DP_DROP_rival_dhcp);
		return;
	}
	if (!may_go_on(c))
		return;
	if (c->explain != NULL) {
		dp_of_explain_output(c, out);
		return;
	}
	pending_flush(c);
	c->pending = out;
}

static bool takes_part(const struct dp_of_ctx *c, const struct dp_view *out)
{
	return !is_closed(c, out) && out->port->drv->is_up(out->port->link);
}

// Every port but the one that it came by.
static void output_all(struct dp_of_ctx *c)
{
	const struct dp_snapshot *s = c->w->snap;
	const struct dp_view *local = s->views[s->of_local];

	refused(c, DP_DROP_of_port);
	// Each looks at all ports, whether or not something leaves.
	if (c->work < s->n_of_ports / 4) {
		end_with(c, DP_DROP_of_loop);
		return;
	}
	c->work -= s->n_of_ports / 4;
	for (uint32_t i = 0; i < s->n_of_ports; i++) {
		const struct dp_view *out = s->views[s->of_ports[i]];

		if (out->cfg.of_port != c->in_port && takes_part(c, out))
			output_view(c, out);
	}
	if (local != NULL && c->in_port != DP_OFPP_LOCAL && takes_part(c, local))
		output_view(c, local);
}

static void output_normal(struct dp_of_ctx *c)
{
	if (c->explain != NULL) {
		dp_of_explain_normal(c);
		return;
	}
	if (!may_go_on(c))
		return;
	pending_flush(c);
	c->pending_normal = true;
}

// The whole frame, whatever max_len: nothing is buffered, so nobody could ask for the rest
// (OpenFlow 1.3.5 section 7.4.1).
static void output_controller(struct dp_of_ctx *c)
{
	// A table-miss rule's own, not what its group or the action set sends (section 5.4).
	enum dp_of_reason reason = c->is_miss && !c->is_shared ? DP_OF_NO_MATCH : DP_OF_ACTION;

	if (c->explain != NULL) {
		dp_of_explain_controller(c);
		return;
	}
	given(c);
	if (dp_of_tell(c, reason, UINT16_MAX))
		dp_pw(c->w, c->in->port)->c[DP_PC_consumed_pkts]++;
	else
		dp_pw(c->w, c->in->port)->drop_in[DP_DROP_of_packet_in]++;
}

static void again(struct dp_of_ctx *c);

static void output(struct dp_of_ctx *c, const struct dp_flow_op *op)
{
	switch (op->arg) {
	case DP_OFPP_IN_PORT:
		output_view(c, dp_of_view(c->w->snap, c->in_port));
		return;
	case DP_OFPP_ALL:
	case DP_OFPP_FLOOD:
		output_all(c);
		return;
	case DP_OFPP_NORMAL:
		output_normal(c);
		return;
	case DP_OFPP_CONTROLLER:
		output_controller(c);
		return;
	case DP_OFPP_TABLE:
		again(c);
		return;
	default:
		// Back where it came from only by that name.
		if (op->arg == c->in_port)
			refused(c, DP_DROP_forward_same_port);
		else
			output_view(c, dp_of_view(c->w->snap, op->arg));
	}
}

// --- What is done with it

static void keep_what_it_says(struct dp_of_ctx *c, const struct dp_flow_op *op)
{
	if (op->kind != DP_OP_SET_FIELD)
		return;
	c->keep_pcp |= op->field == DP_FLOW_vlan_pcp;
	c->keep_dscp |= op->field == DP_FLOW_ip_dscp;
}

static void edit(struct dp_of_ctx *c, const struct dp_flow_op *op)
{
	const struct dp_flow_set *set = (const struct dp_flow_set *)(const void *)op;
	uint64_t *own = NULL;

	if (op->kind == DP_OP_SET_FIELD && op->field == DP_FLOW_metadata)
		own = &c->metadata;
	if (op->kind == DP_OP_SET_FIELD && op->field == DP_FLOW_tunnel_id)
		own = &c->tunnel_id;
	if (own != NULL) {
		*own = (*own & ~set->mask.lo) | (set->value.lo & set->mask.lo);
		return;
	}
	pending_flush(c);
	c->is_edited = true;
	keep_what_it_says(c, op);
	switch (dp_of_edit(c->m, op)) {
	case DP_OF_EDIT_TTL:
		if (c->explain == NULL && dp_of_tell(c, DP_OF_INVALID_TTL, UINT16_MAX)) {
			given(c);
			dp_pw(c->w, c->in->port)->c[DP_PC_consumed_pkts]++;
		}
		end_with(c, DP_DROP_of_ttl);
		return;
	case DP_OF_EDIT_NO_ROOM:
		end_with(c, DP_DROP_no_mbuf);
		return;
	case DP_OF_EDIT_OFFLOAD:
		end_with(c, DP_DROP_offload_invalid);
		return;
	default: // what it does not have cannot be set
		return;
	}
}

static void list(struct dp_of_ctx *c, const uint8_t *ops, size_t size, bool is_end);

// A bucket's actions work on a frame of its own: what they change, what follows does not see.
static void bucket(struct dp_of_ctx *c, const struct dp_of_group_view *g, uint32_t at, bool is_end)
{
	const struct dp_of_bucket_view *b = &g->buckets[at];
	struct dp_of_ctx sub;

	if (!may_go_on(c))
		return;
	if (c->explain == NULL)
		dp_groups_meet(c->w, g, at, rte_pktmbuf_pkt_len(c->m));
	refused(c, DP_DROP_of_group);
	c->depth++;
	if (is_end) {
		c->is_shared = true;
		list(c, b->ops, b->n_ops, true);
		c->depth--;
		return;
	}
	pending_flush(c);
	sub = *c;
	sub.m = another(c);
	if (sub.m != NULL) {
		sub.n_given = 0;
		sub.is_shared = true;
		list(&sub, b->ops, b->n_ops, true);
		dp_of_end(&sub);
		c->budget = sub.budget;
		c->work = sub.work;
	}
	c->depth--;
}

static void group(struct dp_of_ctx *c, uint32_t number, bool is_end)
{
	const struct dp_of_group_view *g = dp_of_group_find(c->of, number, c->version);
	struct dp_flow_key key;
	uint32_t at, n = 0;

	if (g == NULL || c->depth == DP_OF_GROUP_DEPTH || c->budget == 0) {
		refused(c, g == NULL ? DP_DROP_of_group : DP_DROP_of_loop);
		return;
	}
	if (c->explain == NULL)
		dp_groups_meet(c->w, g, DP_OF_NO_BUCKET, rte_pktmbuf_pkt_len(c->m));
	refused(c, DP_DROP_of_group);
	if (g->type == DP_OF_ALL) {
		for (; n < g->n_buckets; n++)
			bucket(c, g, n, is_end && n + 1 == g->n_buckets);
		return;
	}
	if (g->type == DP_OF_SELECT)
		dp_of_key_make(c, &key);
	at = dp_groups_pick(c->of->groups, c->w, g, c->version,
			    g->type == DP_OF_SELECT ? dp_of_hash(&key) : 0);
	// To look for one that lives is work, too.
	if (at != DP_OF_NO_BUCKET)
		bucket(c, g, at, is_end);
	else
		c->budget--;
}

// is_end: nothing follows that the frame, as it is then, matters to
static void operation(struct dp_of_ctx *c, const struct dp_flow_op *op, bool is_end)
{
	switch (op->kind) {
	case DP_OP_OUTPUT:
		output(c, op);
		return;
	case DP_OP_GROUP:
		group(c, op->arg, is_end);
		return;
	case DP_OP_SET_QUEUE:
		// For outputs that follow; those before have their class.
		pending_flush(c);
		dp_meta(c->m)->cls = (uint8_t)(op->arg < QOS_N_CLASSES ? op->arg : c->cls);
		return;
	default:
		edit(c, op);
	}
}

// Edits, frames for the controller and outputs that come to nothing are work, too: groups in groups
// could ask for a hundred thousand of them for one frame.
static void list(struct dp_of_ctx *c, const uint8_t *ops, size_t size, bool is_end)
{
	if (unlikely(size > c->work)) {
		end_with(c, DP_DROP_of_loop);
		return;
	}
	c->work -= (uint32_t)size;
	for (size_t at = 0; at < size && !c->is_over;) {
		const struct dp_flow_op *op = dp_flow_op_at(ops, at);

		at += op->size;
		if (c->explain != NULL)
			dp_of_explain_op(c, op, DP_OF_STEP_OP);
		operation(c, op, is_end && at >= size);
	}
}

// --- Its end

void dp_of_end(struct dp_of_ctx *c)
{
	struct rte_mbuf *m = c->m;

	c->m = NULL;
	if (c->explain != NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	if (is_pending(c)) {
		pending_take(c, m);
		return;
	}
	if (c->n_given == 0) {
		dp_drop_in(c->w, m, c->why, DP_STAGE_forward);
		return;
	}
	// One of those copies was the frame itself.
	dp_pw(c->w, c->in->port)->c[DP_PC_copied_in_pkts]--;
	rte_pktmbuf_free(m);
}

static void set_execute(struct dp_of_ctx *c)
{
	const struct dp_flow_op *ops[DP_OF_SET_OPS];
	uint32_t n = dp_of_set_order(&c->set, ops);

	c->is_shared = true;
	for (uint32_t i = 0; i < n && !c->is_over; i++) {
		if (c->explain != NULL)
			dp_of_explain_op(c, ops[i], DP_OF_STEP_SET);
		operation(c, ops[i], i + 1 == n);
	}
}

// --- The walk

static void miss(struct dp_of_ctx *c)
{
	end_with(c, DP_DROP_of_miss);
	if (c->explain != NULL)
		dp_of_explain_miss(c);
	else
		dp_of_add(&c->of->pw[c->w->id]->tables[c->table].n_lookups, 1);
}

// The next rule: as it is known, or by a look. returns NULL = none
static const struct dp_of_flow *next_rule(struct dp_of_ctx *c, uint32_t at)
{
	struct dp_of_met *met = c->met;
	const struct dp_flow_rule *r;
	struct dp_flow_key key;

	if (at < met->n)
		return &c->of->flows[dp_of_step_rule(met->rules[at])];
	if (!met->is_partial || at == DP_OF_WALK)
		return NULL;
	dp_of_key_make(c, &key);
	r = dp_flow_table_find(c->of->tables[c->table], &key, c->version);
	if (r == NULL) {
		met->is_partial = false;
		met->is_missed = true;
		return NULL;
	}
	met->rules[met->n++] = dp_of_step_of(r->idx, c->table);
	return (const struct dp_of_flow *)(const void *)r;
}

// One rule's instructions. returns false when the walk ends with them
static bool instructions(struct dp_of_ctx *c, const struct dp_of_prog *prog)
{
	const struct dp_flow_prog *p = &prog->p;

	if ((p->flags & DP_PROG_METER) != 0 && c->explain == NULL) {
		pending_flush(c);
		if (!dp_meters_pass(c->of->meters, c->w, p->meter, c->m)) {
			end_with(c, DP_DROP_of_meter);
			return false;
		}
	}
	list(c, p->ops, p->n_apply,
	     p->table == DP_FLOW_NO_TABLE && p->n_write == 0 &&
		     (c->set.kinds == 0 || (p->flags & DP_PROG_CLEAR) != 0) && c->set.fields == 0);
	if (c->is_over)
		return false;
	if ((p->flags & DP_PROG_CLEAR) != 0) {
		c->set.kinds = 0;
		c->set.fields = 0;
	}
	dp_of_set_write(&c->set, p->ops + p->n_apply, p->n_write);
	c->metadata = (c->metadata & ~p->metadata_mask) | (p->metadata & p->metadata_mask);
	if (p->table == DP_FLOW_NO_TABLE)
		return false;
	if (p->table <= c->table || p->table >= DP_FLOW_TABLES) {
		end_with(c, DP_DROP_of_loop);
		return false;
	}
	c->table = p->table;
	return true;
}

static void count(const struct dp_of_ctx *c, const struct dp_of_flow *f)
{
	struct dp_of_pw *pw = c->of->pw[c->w->id];

	dp_of_rule_met(pw, f->rule.idx, 1, rte_pktmbuf_pkt_len(c->m), c->w->now_ns);
	dp_of_table_met(pw, f->table, 1);
}

static void walk(struct dp_of_ctx *c)
{
	struct dp_of_met *met = c->met;

	for (uint32_t at = 0;; at++) {
		const struct dp_of_flow *f = next_rule(c, at);
		const struct dp_of_prog *prog;

		c->flow = f;
		if (f == NULL) {
			miss(c);
			return;
		}
		c->is_miss = f->is_miss;
		if (c->explain != NULL)
			dp_of_explain_rule(c);
		else
			count(c, f);
		prog = dp_of_prog_at(f, c->version);
		met->is_deep |= (prog->edits & DP_OF_EDITS_DEEPER) != 0;
		if (!instructions(c, prog))
			break;
	}
	// An end that this frame alone came to says nothing of the next one.
	if (!c->is_over)
		met->is_partial = false;
	if (!c->is_over)
		set_execute(c);
}

void dp_of_exec(struct dp_of_ctx *c)
{
	walk(c);
	dp_of_end(c);
}

void dp_of_exec_list(struct dp_of_ctx *c, const uint8_t *ops, size_t size)
{
	list(c, ops, size, true);
	dp_of_end(c);
}

// OFPP_TABLE: a frame of its own walks the tables as if it came in at in_port.
static void again(struct dp_of_ctx *c)
{
	struct dp_of_met met = { .is_partial = true };
	struct dp_of_ctx sub;

	// Only packet-outs may, and only once.
	if (c->met != NULL) {
		refused(c, DP_DROP_of_loop);
		return;
	}
	if (!may_go_on(c))
		return;
	pending_flush(c);
	sub = *c;
	sub.m = another(c);
	if (sub.m == NULL)
		return;
	sub.n_given = 0;
	sub.is_shared = false;
	sub.met = &met;
	sub.table = 0;
	sub.why = DP_DROP_of_no_action;
	dp_of_exec(&sub);
	c->budget = sub.budget;
	c->work = sub.work;
}
