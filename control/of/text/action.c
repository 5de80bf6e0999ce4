// Actions and instructions as text: `actions=` of flows, buckets and packet-outs.
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text_priv.h"

// Where the actions of a list go, and what is known of the frame at that point.
struct actions {
	const struct scan *s;
	const struct match *match;
	struct of_buf *out;
	bool has_tag;
	bool is_set; // write_actions(...)
	uint32_t n;
	bool dropped;
};

void oft_program_fini(struct program *p)
{
	of_buf_fini(&p->apply);
	of_buf_fini(&p->write);
}

static int emit(struct actions *l, const struct word *w, const struct action *a)
{
	int rc;

	if (l->dropped)
		return oft_scan_error(l->s, w->whole, "drop stands alone");
	rc = oft_wire_action_put(l->out, a);
	if (rc == -EMSGSIZE)
		return oft_scan_error(l->s, w->whole, "more actions than a message holds");
	l->n++;
	return rc < 0 ? rc : 1;
}

static int emit_set(struct actions *l, const struct word *w, enum dp_flow_field f, uint64_t value)
{
	struct action a = { .kind = DP_OP_SET_FIELD,
			    .field = (uint8_t)f,
			    .set = { { 0, value }, oft_field_ones(f) } };

	return emit(l, w, &a);
}

// --- Outputs

static int emit_output(struct actions *l, const struct word *w, struct span where)
{
	struct action a = { .kind = DP_OP_OUTPUT };
	int rc = oft_scan_port(l->s, where, &a.arg);

	if (rc < 0)
		return rc;
	if (a.arg == ANY)
		return oft_scan_error(l->s, where, "nothing can be sent to that port");
	a.max_len = a.arg == 0xfffffffd ? NO_MAX_LEN : 0;
	return emit(l, w, &a);
}

// controller, controller:N, controller(max_len=N,reason=action,id=0)
static int read_controller(struct actions *l, const struct word *w)
{
	static const char name[] = "CONTROLLER";
	struct action a = { .kind = DP_OP_OUTPUT, .arg = 0xfffffffd, .max_len = NO_MAX_LEN };
	struct scan in;
	struct word arg;
	uint64_t n = NO_MAX_LEN;
	int rc = 1;

	if (!oft_span_is(w->key, name))
		return 0;
	if (w->delimiter == ':' || w->delimiter == '=') {
		rc = oft_word_number(l->s, w, 0xffff, &n);
		a.max_len = (uint16_t)n;
		return rc < 0 ? rc : emit(l, w, &a);
	}
	in = oft_scan_inside(l->s,
			     w->delimiter == '(' ? w->value : (struct span){ w->whole.at, 0 });
	while ((rc = oft_scan_word(&in, &arg)) > 0) {
		if (oft_span_is(arg.key, "max_len"))
			rc = oft_word_number(l->s, &arg, 0xffff, &n);
		else if (oft_span_is(arg.key, "reason") && oft_span_is(arg.value, "action"))
			rc = 0;
		else if (oft_span_is(arg.key, "id") && oft_span_is(arg.value, "0"))
			rc = 0;
		else
			rc = oft_scan_error(
				l->s, arg.whole,
				"OpenFlow 1.3 has max_len, reason=action and id=0 here");
		if (rc < 0)
			return rc;
	}
	a.max_len = (uint16_t)n;
	return rc < 0 ? rc : emit(l, w, &a);
}

static int read_output(struct actions *l, const struct word *w)
{
	struct span port = w->value, queue;
	uint64_t n;
	uint32_t number;
	struct action a = { .kind = DP_OP_SET_QUEUE };
	int rc;

	if (oft_span_is(w->key, "output")) {
		if (w->delimiter == '(')
			return oft_scan_error(l->s, w->whole,
					      "only output:PORT is of OpenFlow 1.3");
		return emit_output(l, w, w->value);
	}
	if (oft_span_is(w->key, "enqueue")) {
		if (!oft_span_split(&port, ":", &queue) && !oft_span_split(&port, ",", &queue))
			return oft_scan_error(l->s, w->whole, "wants enqueue:PORT:QUEUE");
		if (oft_span_number(queue, 0xfffffffe, &n) != 0)
			return oft_scan_error(l->s, queue, "not a queue");
		a.arg = (uint32_t)n;
		rc = emit(l, w, &a);
		return rc < 0 ? rc : emit_output(l, w, port);
	}
	rc = read_controller(l, w);
	if (rc != 0 || w->delimiter != 0)
		return rc;
	// A port on its own: 2, LOCAL, normal, "web1.0".
	if (oft_scan_port(l->s, w->whole, &number) < 0) {
		*l->s->e = (struct of_text_error){ 0 };
		return 0;
	}
	return emit_output(l, w, w->whole);
}

// --- Actions with at most one number

static const struct {
	const char *name;
	uint8_t kind;
	uint32_t max; // of the number; 0 = there is none
} simple[] = {
	{ "group", DP_OP_GROUP, 0xffffff00 },
	{ "set_queue", DP_OP_SET_QUEUE, 0xfffffffe },
	{ "push_vlan", DP_OP_PUSH_VLAN, 0xffff },
	{ "pop_vlan", DP_OP_POP_VLAN, 0 },
	{ "push_mpls", DP_OP_PUSH_MPLS, 0xffff },
	{ "pop_mpls", DP_OP_POP_MPLS, 0xffff },
	{ "set_mpls_ttl", DP_OP_SET_MPLS_TTL, 255 },
	{ "dec_mpls_ttl", DP_OP_DEC_MPLS_TTL, 0 },
	{ "mod_nw_ttl", DP_OP_SET_NW_TTL, 255 },
	{ "dec_ttl", DP_OP_DEC_NW_TTL, 0 },
	{ "copy_ttl_out", DP_OP_COPY_TTL_OUT, 0 },
	{ "copy_ttl_in", DP_OP_COPY_TTL_IN, 0 },
	// Other names, which are read only.
	{ "strip_vlan", DP_OP_POP_VLAN, 0 },
	{ "set_nw_ttl", DP_OP_SET_NW_TTL, 255 },
	{ "dec_nw_ttl", DP_OP_DEC_NW_TTL, 0 },
};
enum { SIMPLE = sizeof(simple) / sizeof(simple[0]) };

static int read_simple(struct actions *l, const struct word *w)
{
	struct action a = { 0 };
	uint64_t n = 0;
	uint32_t i = 0;

	while (i < SIMPLE && !oft_span_is(w->key, simple[i].name))
		i++;
	if (i == SIMPLE)
		return 0;
	if (simple[i].max == 0 && w->delimiter != 0)
		return oft_scan_error(l->s, w->whole, "takes no argument in OpenFlow 1.3");
	if (simple[i].max > 0 && oft_word_number(l->s, w, simple[i].max, &n) < 0)
		return -EINVAL;
	a.kind = simple[i].kind;
	a.arg = (uint32_t)n;
	if (a.kind == DP_OP_PUSH_VLAN && n != 0x8100 && n != 0x88a8)
		return oft_scan_error(l->s, w->whole, "tags are 0x8100 and 0x88a8");
	if (a.kind == DP_OP_PUSH_MPLS && n != 0x8847 && n != 0x8848)
		return oft_scan_error(l->s, w->whole, "labels are 0x8847 and 0x8848");
	if (a.kind == DP_OP_PUSH_VLAN)
		l->has_tag = true;
	if (a.kind == DP_OP_POP_VLAN)
		l->has_tag = false;
	return emit(l, w, &a);
}

// --- Fields

static const struct {
	const char *name;
	enum dp_flow_field field;
} old_names[] = {
	{ "mod_dl_src", DP_FLOW_eth_src },     { "mod_dl_dst", DP_FLOW_eth_dst },
	{ "mod_nw_src", DP_FLOW_ipv4_src },    { "mod_nw_dst", DP_FLOW_ipv4_dst },
	{ "mod_nw_ecn", DP_FLOW_ip_ecn },      { "set_mpls_label", DP_FLOW_mpls_label },
	{ "set_mpls_tc", DP_FLOW_mpls_tc },    { "set_tunnel", DP_FLOW_tunnel_id },
	{ "set_tunnel64", DP_FLOW_tunnel_id },
};
enum { OLD_NAMES = sizeof(old_names) / sizeof(old_names[0]) };

static int set_to(struct actions *l, const struct word *w, enum dp_flow_field f, struct span value)
{
	struct action a = { .kind = DP_OP_SET_FIELD, .field = (uint8_t)f };
	int rc = oft_field_read(l->s, f, value, &a.set);

	if (rc < 0)
		return rc;
	if (!oft_value_equal(a.set.mask, oft_field_ones(f)))
		return oft_scan_error(l->s, value,
				      "OpenFlow 1.3 sets whole fields, without a mask");
	if (f == DP_FLOW_vlan_vid && (a.set.value.lo & DP_FLOW_VID_PRESENT) == 0)
		return oft_scan_error(l->s, value,
				      "OpenFlow sets vlan_vid with the bit 0x1000: %" PRIu64,
				      a.set.value.lo | DP_FLOW_VID_PRESENT);
	return emit(l, w, &a);
}

// Where OpenFlow 1.0 would have made a tag, one is pushed.
static int tag_first(struct actions *l, const struct word *w)
{
	struct action a = { .kind = DP_OP_PUSH_VLAN, .arg = 0x8100 };

	if (l->has_tag)
		return 1;
	l->has_tag = true;
	return emit(l, w, &a);
}

static int read_vlan(struct actions *l, const struct word *w)
{
	bool is_pcp = oft_span_is(w->key, "mod_vlan_pcp") || oft_span_is(w->key, "set_vlan_pcp");
	uint64_t n;
	int rc;

	if (!is_pcp && !oft_span_is(w->key, "mod_vlan_vid") && !oft_span_is(w->key, "set_vlan_vid"))
		return 0;
	rc = oft_word_number(l->s, w, is_pcp ? 7 : 0xfff, &n);
	rc = rc < 0 ? rc : tag_first(l, w);
	if (rc < 0)
		return rc;
	return is_pcp ? emit_set(l, w, DP_FLOW_vlan_pcp, n)
		      : emit_set(l, w, DP_FLOW_vlan_vid, n | DP_FLOW_VID_PRESENT);
}

static int read_ports(struct actions *l, const struct word *w)
{
	static const enum dp_flow_field fields[3][2] = {
		{ DP_FLOW_tcp_src, DP_FLOW_tcp_dst },
		{ DP_FLOW_udp_src, DP_FLOW_udp_dst },
		{ DP_FLOW_sctp_src, DP_FLOW_sctp_dst },
	};
	static const uint8_t protos[] = { 6, 17, 132 };
	bool is_dst = oft_span_is(w->key, "mod_tp_dst");

	if (!is_dst && !oft_span_is(w->key, "mod_tp_src"))
		return 0;
	for (uint32_t i = 0; i < 3; i++) {
		if (l->match != NULL && oft_match_is(l->match, DP_FLOW_ip_proto, protos[i]))
			return set_to(l, w, fields[i][is_dst], w->value);
	}
	return oft_scan_error(l->s, w->whole, "the flow does not match tcp, udp or sctp");
}

static int read_field(struct actions *l, const struct word *w)
{
	struct span value = w->value, name;
	enum dp_flow_field f;
	uint64_t n;
	int rc;

	if (oft_span_is(w->key, "set_field")) {
		if (!oft_span_split(&value, "->", &name))
			return oft_scan_error(l->s, w->whole, "wants set_field:VALUE->FIELD");
		f = oft_field_named(name);
		if (f == DP_FLOW_N_FIELDS)
			return oft_scan_error(l->s, name, "no such field");
		return set_to(l, w, f, value);
	}
	if (oft_span_is(w->key, "mod_nw_tos")) {
		rc = oft_word_number(l->s, w, 255, &n);
		if (rc == 0 && (n & 3) != 0)
			return oft_scan_error(l->s, w->whole,
					      "a multiple of 4: DSCP shifted by two bits");
		return rc < 0 ? rc : emit_set(l, w, DP_FLOW_ip_dscp, n >> 2);
	}
	for (uint32_t i = 0; i < OLD_NAMES; i++) {
		if (oft_span_is(w->key, old_names[i].name))
			return set_to(l, w, old_names[i].field, w->value);
	}
	return 0;
}

static int read_action(struct actions *l, const struct word *w)
{
	static int (*const readers[])(struct actions *, const struct word *) = {
		read_simple, read_field, read_vlan, read_ports, read_output,
	};
	int rc = 0;

	if (oft_span_is(w->key, "drop")) {
		if (w->delimiter != 0 || l->n > 0 || l->dropped)
			return oft_scan_error(l->s, w->whole, "drop stands alone");
		l->dropped = true;
		return 1;
	}
	for (size_t i = 0; rc == 0 && i < sizeof(readers) / sizeof(readers[0]); i++)
		rc = readers[i](l, w);
	return rc != 0 ? rc
		       : oft_scan_error(l->s, w->whole, "no action of OpenFlow 1.3, nor a port");
}

static bool matches_tag(const struct match *m)
{
	const struct field_value *vid;

	if (m == NULL || !match_has(m, DP_FLOW_vlan_vid))
		return false;
	vid = &m->field[DP_FLOW_vlan_vid];
	return (vid->value.lo & vid->mask.lo & DP_FLOW_VID_PRESENT) != 0;
}

int oft_actions_read(const struct scan *s, struct span text, const struct match *m,
		     struct of_buf *out)
{
	struct scan in = oft_scan_inside(s, text);
	struct actions l = { .s = &in, .match = m, .out = out, .has_tag = matches_tag(m) };
	struct word w;
	int rc;

	while ((rc = oft_scan_word(&in, &w)) > 0) {
		rc = read_action(&l, &w);
		if (rc < 0)
			return rc;
	}
	return rc;
}

// --- Instructions

static const char *const instruction_names[INSTRUCTIONS] = {
	[I_METER] = "meter",	     [I_APPLY] = "apply_actions",     [I_CLEAR] = "clear_actions",
	[I_WRITE] = "write_actions", [I_METADATA] = "write_metadata", [I_GOTO] = "goto_table",
};

static int read_metadata(const struct scan *s, const struct word *w, struct program *p)
{
	struct field_value v;
	int rc = oft_field_read(s, DP_FLOW_metadata, w->value, &v);

	if (rc == 0 && oft_value_is_zero(v.mask))
		return oft_scan_error(s, w->whole, "a mask of 0 writes nothing");
	p->metadata = v.value.lo;
	p->metadata_mask = v.mask.lo;
	return rc;
}

static int read_instruction(const struct scan *s, const struct word *w, enum instruction i,
			    const struct match *m, struct program *p)
{
	uint64_t n = 0;
	int rc = 0;

	if ((i == I_APPLY || i == I_WRITE) && w->delimiter != '(')
		return oft_scan_error(s, w->whole, "wants its actions in brackets");
	if (i == I_CLEAR && w->delimiter != 0)
		return oft_scan_error(s, w->whole, "takes no argument");
	switch (i) {
	case I_METER:
		rc = oft_word_number(s, w, 0xffff0000, &n);
		if (rc == 0 && n == 0)
			return oft_scan_error(s, w->whole, "meters begin at 1");
		p->meter = (uint32_t)n;
		return rc;
	case I_APPLY:
		return oft_actions_read(s, w->value, m, &p->apply);
	case I_WRITE:
		return oft_actions_read(s, w->value, m, &p->write);
	case I_METADATA:
		return read_metadata(s, w, p);
	case I_GOTO:
		rc = oft_word_number(s, w, 254, &n);
		p->table = (uint8_t)n;
		return rc;
	default:
		return 0;
	}
}

static int instruction_of(const struct word *w)
{
	for (int i = 0; i < INSTRUCTIONS; i++) {
		if (oft_span_is(w->key, instruction_names[i]))
			return i;
	}
	return -1;
}

int oft_program_read(const struct scan *s, struct span text, const struct match *m,
		     struct program *p)
{
	struct scan in = oft_scan_inside(s, text);
	struct actions l = { .s = &in, .match = m, .out = &p->apply, .has_tag = matches_tag(m) };
	struct word w;
	int rc, last = -1;

	while ((rc = oft_scan_word(&in, &w)) > 0) {
		int i = instruction_of(&w);

		// Executed in this order, whatever the text says: it says the same.
		if (i >= 0 && i == last)
			return oft_scan_error(s, w.whole, "%s is given twice",
					      instruction_names[i]);
		if ((i < 0 ? (int)I_APPLY : i) < last)
			return oft_scan_error(s, w.whole, "comes before %s",
					      instruction_names[last]);
		if (i < 0) {
			if (last == I_APPLY && l.n == 0 && !l.dropped)
				return oft_scan_error(s, w.whole,
						      "stands in apply_actions() already");
			rc = read_action(&l, &w);
		} else if (l.dropped || (i == I_APPLY && l.n > 0)) {
			rc = oft_scan_error(s, w.whole, "does not go with what stands before it");
		} else {
			rc = read_instruction(s, &w, i, m, p);
			p->has |= 1u << i;
		}
		if (rc < 0)
			return rc;
		last = i < 0 ? (int)I_APPLY : i;
	}
	if (l.n > 0)
		p->has |= 1u << I_APPLY;
	return rc;
}

// --- Writing

void oft_action_write(struct of_text *t, const struct action *a, const struct of_text_ports *ports)
{
	uint32_t i = 0;

	if (a->kind == DP_OP_OUTPUT) {
		if (a->arg < 0xfffffff8 && a->arg != ANY)
			of_text_put(t, "output:");
		of_text_port(t, a->arg, ports);
		if (a->arg == 0xfffffffd)
			of_text_printf(t, ":%u", a->max_len);
		return;
	}
	if (a->kind == DP_OP_SET_FIELD) {
		if (a->field >= DP_FLOW_N_FIELDS)
			return;
		of_text_put(t, "set_field:");
		oft_field_write(t, a->field, &a->set, ports);
		of_text_printf(t, "->%s", oft_field_texts[a->field].set);
		return;
	}
	while (i < SIMPLE && simple[i].kind != a->kind)
		i++;
	if (i == SIMPLE)
		return;
	of_text_put(t, simple[i].name);
	if (a->kind == DP_OP_SET_MPLS_TTL)
		of_text_printf(t, "(%u)", a->arg);
	else if (a->kind == DP_OP_PUSH_VLAN || a->kind == DP_OP_PUSH_MPLS ||
		 a->kind == DP_OP_POP_MPLS)
		of_text_printf(t, ":0x%04x", a->arg);
	else if (simple[i].max > 0)
		of_text_printf(t, ":%u", a->arg);
}
