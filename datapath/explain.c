// explain: the walk of a described frame on the main thread, by the same functions that workers
// call, without touching a counter, a bucket or a table.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of_priv.h"

const char *dp_stage_name(enum dp_stage s)
{
	static const char *const names[DP_N_STAGES] = { "rx",	 "parse",    "admit",
							"learn", "classify", "forward",
							"act",	 "schedule", "tx" };

	return s < DP_N_STAGES ? names[s] : "invalid";
}

static int drop(struct dp_verdict *v, enum dp_drop reason, enum dp_stage stage)
{
	v->kind = DP_VERDICT_DROP;
	v->drop = (uint8_t)reason;
	v->stage = (uint8_t)stage;
	v->n_out = 0;
	return 0;
}

static enum dp_drop source_check(const struct dp_switch *sw, const struct dp_view *in,
				 const uint8_t *frame, uint16_t vid)
{
	uint64_t key = dp_fdb_key(vid, frame + 6);
	const struct dp_fdb_entry *e = dp_fdb_lookup(sw->fdb, key);
	uint32_t where = e == NULL ? 0 : atomic_load(&e->where);

	if ((e != NULL && DP_FDB_PORT(where) == in->port->idx) || (frame[6] & 1) != 0)
		return DP_DROP_none;
	if (e != NULL && (where & DP_FDB_STATIC) != 0)
		return dp_learn_fixed(dp_root(sw), in, key, where) == 0 ? DP_DROP_spoof_mac_pinned
									: DP_DROP_none;
	if ((in->cfg.flags & DP_PF_MAC_FIXED) == 0 && atomic_load(&in->port->macs_full) != 0)
		return DP_DROP_mac_limit;
	return DP_DROP_none;
}

static void flood_to(const struct dp_snapshot *s, const struct dp_view *in,
		     const struct dp_meta *meta, struct dp_verdict *v)
{
	enum dp_drop none = DP_DROP_forward_no_port;

	v->kind = DP_VERDICT_FLOOD;
	for (uint32_t i = 0; i < s->flood[meta->vid].n; i++) {
		uint16_t idx = s->flood[meta->vid].ports[i];

		if (dp_may_forward(in, s->views[idx]) != DP_DROP_none)
			continue;
		if (dp_is_rival(&s->views[idx]->cfg, meta))
			none = DP_DROP_rival_dhcp;
		else
			v->out[v->n_out++] = idx;
	}
	if (v->n_out == 0)
		drop(v, none, DP_STAGE_forward);
}

// A described frame that was admitted.
struct described {
	const struct dp_view *in;
	const uint8_t *frame;
	size_t size;
	const struct dp_meta *meta;
};

// L2: where the table says, or everywhere.
static int explain_l2(const struct dp_switch *sw, const struct described *d, struct dp_verdict *out)
{
	const struct dp_view *in = d->in;
	const struct dp_meta *meta = d->meta;
	const uint8_t *frame = d->frame;
	size_t size = d->size;
	const struct dp_snapshot *s = dp_root(sw);
	bool is_foreign = dp_is_foreign(s->services, &in->cfg, frame, size, meta);
	const struct dp_fdb_entry *e =
		(frame[0] & 1) != 0 ? NULL : dp_fdb_lookup(sw->fdb, dp_fdb_key(meta->vid, frame));
	const struct dp_view *to = e == NULL ? NULL : s->views[DP_FDB_PORT(atomic_load(&e->where))];
	enum dp_drop err;

	if (to == NULL || !dp_port_carries(&to->cfg, meta->vid)) {
		if (is_foreign)
			return drop(out, DP_DROP_service_foreign, DP_STAGE_forward);
		flood_to(s, in, meta, out);
		return 0;
	}
	err = dp_may_forward(in, to);
	if (err == DP_DROP_none && is_foreign &&
	    (to->cfg.role == DP_ROLE_HOST || (meta->flags & DP_MF_LOOK) != 0))
		err = DP_DROP_service_foreign;
	if (err == DP_DROP_none && dp_is_rival(&to->cfg, meta))
		err = DP_DROP_rival_dhcp;
	if (err != DP_DROP_none)
		return drop(out, err, DP_STAGE_forward);
	if (size > dp_l2_size(meta) + to->cfg.mtu)
		return drop(out, DP_DROP_mtu_exceeded, DP_STAGE_schedule);
	out->kind = DP_VERDICT_UNICAST;
	out->out[out->n_out++] = to->port->idx;
	return 0;
}

void dp_explain_normal(const struct dp_switch *sw, const struct dp_view *in, struct rte_mbuf *m,
		       bool edited, struct dp_verdict *l2)
{
	struct described d = { .in = in, .meta = dp_meta(m) };
	enum dp_drop err = edited ? dp_admit_again(&in->cfg, m) : DP_DROP_none;

	if ((dp_data(m)[6] & 1) != 0) // L2 forwarding knows no group as a source
		err = DP_DROP_l2_src_invalid;
	d.frame = dp_data(m);
	d.size = rte_pktmbuf_data_len(m);
	if (err != DP_DROP_none)
		(void)drop(l2, err, DP_STAGE_forward);
	else
		(void)explain_l2(sw, &d, l2);
}

// What the tables say.
static int explain_of(const struct dp_switch *sw, const struct described *d, struct dp_verdict *out)
{
	struct dp_of_explain x = { .verdict = out };
	uint32_t config = dp_of_config_of(sw->of, dp_of_number(d->in));
	int rc;

	if (dp_is_foreign(dp_root(sw)->services, &d->in->cfg, d->frame, d->size, d->meta))
		return drop(out, DP_DROP_service_foreign, DP_STAGE_forward);
	if ((config & (DP_OFPPC_NO_RECV | DP_OFPPC_PORT_DOWN)) != 0)
		return drop(out, DP_DROP_of_port, DP_STAGE_forward);
	if (dp_of_drops_fragments(sw->of) && (d->meta->p.flags & DP_PF_FRAG) != 0)
		return drop(out, DP_DROP_of_fragment, DP_STAGE_forward);
	out->kind = DP_VERDICT_OPENFLOW;
	out->walked = true;
	rc = dp_of_explain_walk(sw->of, d->in, d->frame, d->size, &x);
	if (rc == 0 && out->n_out == 0 && !out->to_controller)
		return drop(out, out->drop != 0 ? out->drop : DP_DROP_of_no_action,
			    DP_STAGE_forward);
	return rc;
}

int dp_switch_explain(const struct dp_switch *sw, uint16_t in_port, const uint8_t *frame,
		      size_t size, struct dp_verdict *out)
{
	const struct dp_snapshot *s = dp_root(sw);
	const struct dp_view *in = in_port < DP_MAX_PORTS ? s->views[in_port] : NULL;
	struct dp_meta meta = { .in_port = in_port };
	const struct described d = { in, frame, size, &meta };
	enum dp_drop err;
	enum qos_why why;

	memset(out, 0, sizeof(*out));
	if (in == NULL)
		return -ENOENT;
	dp_parse(frame, size, size, &meta.p);
	out->parse = meta.p;
	err = dp_port_quiet(in) ? DP_DROP_standby : dp_admit_frame(&in->cfg, frame, size, &meta);
	if (err == DP_DROP_l2_src_invalid)
		err = dp_admit_to_tables(dp_root(sw), &in->cfg, frame, &meta);
	out->vid = meta.vid;
	out->pcp = meta.pcp;
	out->vm_idx = in->vm == NULL ? 0 : in->vm->idx;
	if (err != DP_DROP_none)
		return drop(out, err, DP_STAGE_admit);
	err = source_check(sw, in, frame, meta.vid);
	if (err != DP_DROP_none)
		return drop(out, err, DP_STAGE_learn);
	dp_mark_punt(&in->cfg, frame, size, &meta);
	out->cls = (uint8_t)dp_classify(sw, in, frame, &meta, &why);
	out->why = (uint8_t)why;
	dp_mark_look(s->services, &meta);
	out->punted = (meta.flags & DP_MF_PUNT) != 0;
	if (out->punted && !dp_punt_goes_on(&in->cfg, frame, &meta)) {
		out->kind = DP_VERDICT_PUNT;
		return 0;
	}
	return s->of != NULL ? explain_of(sw, &d, out) : explain_l2(sw, &d, out);
}
