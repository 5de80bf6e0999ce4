// From the wire's actions and instructions to the programs that workers run.
//
// What is known of a frame (a key and a mask: first the match, or in a packet-out the frame itself)
// is carried through the actions: a pushed tag is there to be set, a label that was popped is not.
// An action that contradicts what is known, and a set-field whose prerequisites are not known to be
// there, are refused as MATCH_INCONSISTENT (OpenFlow 1.3.5 section 7.2.5).
#include "of_ops.h"

#include <string.h>

static int bad(struct of_compile *c, uint16_t code)
{
	return of_refuse(c->e, OF13_ERROR_BAD_ACTION, code);
}

// --- What is known of the frame

static bool is_known(const struct of_compile *c, enum dp_flow_field f, uint64_t *out)
{
	*out = dp_flow_get(&c->key, f).lo;
	return dp_flow_get(&c->mask, f).lo == dp_flow_ones(f).lo;
}

static void know(struct of_compile *c, enum dp_flow_field f, struct dp_flow_value v)
{
	dp_flow_put(&c->key, f, v);
	dp_flow_put(&c->mask, f, dp_flow_ones(f));
}

static void forget(struct of_compile *c, enum dp_flow_field f)
{
	dp_flow_put(&c->key, f, (struct dp_flow_value){ 0 });
	dp_flow_put(&c->mask, f, (struct dp_flow_value){ 0 });
}

// Everything behind the ethertype; or behind the IP header's protocol.
static void forget_behind(struct of_compile *c, bool l4_only)
{
	for (int f = 0; f < DP_FLOW_N_FIELDS; f++) {
		if (f >= DP_FLOW_tcp_src && f <= DP_FLOW_icmpv4_code)
			forget(c, f);
		else if (f >= DP_FLOW_icmpv6_type && f <= DP_FLOW_ipv6_nd_tll)
			forget(c, f);
		else if (!l4_only && f >= DP_FLOW_ip_dscp && f <= DP_FLOW_mpls_bos)
			forget(c, f);
	}
}

static void know_type(struct of_compile *c, uint16_t type)
{
	uint64_t was;

	if (is_known(c, DP_FLOW_eth_type, &was) && was == type)
		return;
	forget_behind(c, false);
	know(c, DP_FLOW_eth_type, (struct dp_flow_value){ .lo = type });
}

static bool is_mpls(uint64_t type)
{
	return type == DP_ETH_MPLS || type == DP_ETH_MPLS_MC;
}

// Is it known that the frame has no label (or is not IP)?
static bool surely_not(const struct of_compile *c, bool mpls)
{
	uint64_t type;

	if (c->anything || !is_known(c, DP_FLOW_eth_type, &type))
		return false;
	return mpls ? !is_mpls(type) : type != DP_ETH_IPV4 && type != DP_ETH_IPV6;
}

static bool surely_untagged(const struct of_compile *c)
{
	return !c->anything && (c->mask.w[0] & DP_FLOW_VID_PRESENT) != 0 &&
	       (c->key.w[0] & DP_FLOW_VID_PRESENT) == 0;
}

// --- Operations

static void *append(struct of_compile *c, uint8_t kind, size_t size, uint32_t arg)
{
	struct dp_flow_op *op = (void *)(c->prog.ops + c->size);

	if (c->size + size > DP_FLOW_PROG_MAX) {
		bad(c, OF13_BAD_ACTION_TOO_MANY);
		return NULL;
	}
	memset(op, 0, size);
	*op = (struct dp_flow_op){ .kind = kind, .size = (uint16_t)size, .arg = arg };
	c->size += size;
	return op;
}

static int simple(struct of_compile *c, uint8_t kind, uint32_t arg)
{
	return append(c, kind, sizeof(struct dp_flow_op), arg) != NULL ? 0 : -EINVAL;
}

static bool may_output(const struct of_compile *c, uint32_t port)
{
	switch (port) {
	case DP_OFPP_IN_PORT:
	case DP_OFPP_NORMAL:
	case DP_OFPP_FLOOD:
	case DP_OFPP_ALL:
	case DP_OFPP_CONTROLLER:
		return true;
	case DP_OFPP_TABLE:
		return c->packet_out;
	default: // LOCAL is there where the host port is
		return of_port_find(c->a, port) != NULL;
	}
}

static int output(struct of_compile *c, const struct of13_action *w)
{
	struct dp_flow_output *op;

	if (!may_output(c, w->output.port))
		return bad(c, OF13_BAD_ACTION_BAD_OUT_PORT);
	op = append(c, DP_OP_OUTPUT, sizeof(*op), w->output.port);
	if (op == NULL)
		return -EINVAL;
	op->max_len = w->output.max_len;
	return 0;
}

static int group(struct of_compile *c, uint32_t id)
{
	if (id == c->in_group && id != OF_ANY)
		return of_refuse(c->e, OF13_ERROR_GROUP_MOD_FAILED, OF13_GROUP_MOD_FAILED_LOOP);
	if (of_group_find(c->a, id) == NULL)
		return bad(c, OF13_BAD_ACTION_BAD_OUT_GROUP);
	c->refers = true;
	return simple(c, DP_OP_GROUP, id);
}

static int push_vlan(struct of_compile *c, uint16_t tpid)
{
	if (tpid != DP_ETH_VLAN && tpid != DP_ETH_QINQ)
		return bad(c, OF13_BAD_ACTION_BAD_ARGUMENT);
	if (simple(c, DP_OP_PUSH_VLAN, tpid) != 0)
		return -EINVAL;
	// Its VID is that of the tag below, or 0: all that is known is that it is there.
	forget(c, DP_FLOW_vlan_vid);
	c->key.w[0] |= DP_FLOW_VID_PRESENT;
	c->mask.w[0] |= DP_FLOW_VID_PRESENT;
	return 0;
}

static int pop_vlan(struct of_compile *c)
{
	if (surely_untagged(c))
		return bad(c, OF13_BAD_ACTION_MATCH_INCONSISTENT);
	forget(c, DP_FLOW_vlan_vid);
	forget(c, DP_FLOW_vlan_pcp);
	return simple(c, DP_OP_POP_VLAN, 0);
}

static int push_mpls(struct of_compile *c, uint16_t type)
{
	if (!is_mpls(type))
		return bad(c, OF13_BAD_ACTION_BAD_ARGUMENT);
	forget_behind(c, false);
	know(c, DP_FLOW_eth_type, (struct dp_flow_value){ .lo = type });
	return simple(c, DP_OP_PUSH_MPLS, type);
}

static int pop_mpls(struct of_compile *c, uint16_t type)
{
	if (surely_not(c, true))
		return bad(c, OF13_BAD_ACTION_MATCH_INCONSISTENT);
	forget_behind(c, false);
	know(c, DP_FLOW_eth_type, (struct dp_flow_value){ .lo = type });
	return simple(c, DP_OP_POP_MPLS, type);
}

static int ttl(struct of_compile *c, uint8_t kind, bool mpls, uint32_t arg)
{
	if (surely_not(c, mpls))
		return bad(c, OF13_BAD_ACTION_MATCH_INCONSISTENT);
	return simple(c, kind, arg);
}

// --- set-field

bool of_field_settable(enum dp_flow_field f)
{
	return f != DP_FLOW_N_FIELDS && f != DP_FLOW_in_port && f != DP_FLOW_in_phy_port &&
	       f != DP_FLOW_metadata;
}

// What is said of the field in the frame as it is: the tag to be set is there, too.
static bool is_there(const struct of_compile *c, enum dp_flow_field f)
{
	if (c->anything)
		return true;
	if (f == DP_FLOW_vlan_vid)
		return (c->key.w[0] & c->mask.w[0] & DP_FLOW_VID_PRESENT) != 0;
	return dp_flow_prerequisite(f, &c->key, &c->mask);
}

static void know_set(struct of_compile *c, enum dp_flow_field f, struct dp_flow_value v)
{
	uint64_t was;

	if (f == DP_FLOW_eth_type)
		know_type(c, (uint16_t)v.lo);
	else if (f == DP_FLOW_ip_proto && !(is_known(c, f, &was) && was == v.lo))
		forget_behind(c, true);
	know(c, f, v);
}

static int set_field(struct of_compile *c, struct of13_oxm o)
{
	enum dp_flow_field f = dp_flow_field_of_oxm(o.field);
	struct dp_flow_set *op;
	struct dp_flow_value v;

	if (o.class != OF_OXM_BASIC || !of_field_settable(f))
		return bad(c, OF13_BAD_ACTION_BAD_SET_TYPE);
	if (o.has_mask)
		return bad(c, OF13_BAD_ACTION_BAD_SET_ARGUMENT);
	if (o.size != of13_oxm_size(o.field))
		return bad(c, OF13_BAD_ACTION_BAD_SET_LEN);
	if (!of_match_value(&o, &f, &v) ||
	    (f == DP_FLOW_vlan_vid && (v.lo & DP_FLOW_VID_PRESENT) == 0))
		return bad(c, OF13_BAD_ACTION_BAD_SET_ARGUMENT);
	if (!is_there(c, f))
		return bad(c, OF13_BAD_ACTION_MATCH_INCONSISTENT);
	op = append(c, DP_OP_SET_FIELD, sizeof(*op), 0);
	if (op == NULL)
		return -EINVAL;
	op->op.field = (uint8_t)f;
	op->value = v;
	op->mask = dp_flow_ones(f);
	know_set(c, f, v);
	return 0;
}

// The codec let it through: there is one.
static struct of13_oxm oxm_of(const struct of13_action *w)
{
	struct of_list l = w->set_field.oxm;
	struct of13_oxm o = { 0 };

	(void)!of13_oxm_next(&l, &o);
	return o;
}

static int compile_action(struct of_compile *c, const struct of13_action *w)
{
	switch (w->type) {
	case OF13_ACTION_OUTPUT:
		return output(c, w);
	case OF13_ACTION_GROUP:
		return group(c, w->group.group_id);
	case OF13_ACTION_SET_QUEUE:
		return w->set_queue.queue_id < QOS_N_CLASSES
			       ? simple(c, DP_OP_SET_QUEUE, w->set_queue.queue_id)
			       : bad(c, OF13_BAD_ACTION_BAD_QUEUE);
	case OF13_ACTION_PUSH_VLAN:
		return push_vlan(c, w->push_vlan.ethertype);
	case OF13_ACTION_POP_VLAN:
		return pop_vlan(c);
	case OF13_ACTION_PUSH_MPLS:
		return push_mpls(c, w->push_mpls.ethertype);
	case OF13_ACTION_POP_MPLS:
		return pop_mpls(c, w->pop_mpls.ethertype);
	case OF13_ACTION_SET_MPLS_TTL:
		return ttl(c, DP_OP_SET_MPLS_TTL, true, w->set_mpls_ttl.ttl);
	case OF13_ACTION_DEC_MPLS_TTL:
		return ttl(c, DP_OP_DEC_MPLS_TTL, true, 0);
	case OF13_ACTION_SET_NW_TTL:
		return ttl(c, DP_OP_SET_NW_TTL, false, w->set_nw_ttl.ttl);
	case OF13_ACTION_DEC_NW_TTL:
		return ttl(c, DP_OP_DEC_NW_TTL, false, 0);
	case OF13_ACTION_COPY_TTL_OUT:
		return ttl(c, DP_OP_COPY_TTL_OUT, true, 0);
	case OF13_ACTION_COPY_TTL_IN:
		return ttl(c, DP_OP_COPY_TTL_IN, true, 0);
	case OF13_ACTION_SET_FIELD:
		return set_field(c, oxm_of(w));
	default: // PBB
		return bad(c, OF13_BAD_ACTION_BAD_TYPE);
	}
}

// --- Action sets: one action of each kind, the last one given, in the order of section 5.10.

static const uint16_t set_order[] = {
	OF13_ACTION_COPY_TTL_IN,  OF13_ACTION_POP_MPLS,	  OF13_ACTION_POP_VLAN,
	OF13_ACTION_PUSH_MPLS,	  OF13_ACTION_PUSH_VLAN,  OF13_ACTION_COPY_TTL_OUT,
	OF13_ACTION_DEC_MPLS_TTL, OF13_ACTION_DEC_NW_TTL, OF13_ACTION_SET_MPLS_TTL,
	OF13_ACTION_SET_NW_TTL,	  OF13_ACTION_SET_FIELD,  OF13_ACTION_SET_QUEUE,
	OF13_ACTION_GROUP,	  OF13_ACTION_OUTPUT,
};

static bool is_same_kind(const struct of13_action *x, const struct of13_action *y)
{
	return x->type == y->type &&
	       (x->type != OF13_ACTION_SET_FIELD || oxm_of(x).field == oxm_of(y).field);
}

// Does a later action of the list take the place of x?
static bool is_replaced(struct of_compile *c, struct of_list rest, const struct of13_action *x)
{
	struct of13_action y;

	while (of13_action_next(&rest, &y)) {
		c->a->work += OF_WORK_LOOK;
		if (is_same_kind(x, &y))
			return true;
	}
	return false;
}

static bool is_in_set_order(uint16_t type)
{
	for (size_t i = 0; i < sizeof(set_order) / sizeof(set_order[0]); i++) {
		if (set_order[i] == type)
			return true;
	}
	return false;
}

static int compile_kind(struct of_compile *c, struct of_list actions, uint16_t type)
{
	struct of13_action w;

	while (of13_action_next(&actions, &w)) {
		int rc;

		c->a->work += OF_WORK_LOOK;
		if (w.type != type || is_replaced(c, actions, &w))
			continue;
		rc = compile_action(c, &w);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int compile_set(struct of_compile *c, struct of_list actions)
{
	struct of_list l = actions;
	struct of13_action w;
	bool has_group = false;
	uint32_t n = 0, kinds = 0; // a bit for each type there is: few lists have many

	while (of13_action_next(&l, &w)) {
		c->a->work += OF_WORK_LOOK;
		if (!is_in_set_order(w.type))
			return bad(c, OF13_BAD_ACTION_BAD_TYPE);
		if (++n > OF_SET_MAX)
			return bad(c, OF13_BAD_ACTION_TOO_MANY);
		kinds |= 1u << w.type;
	}
	for (size_t i = 0; i < sizeof(set_order) / sizeof(set_order[0]); i++) {
		size_t size = c->size;
		int rc;

		if ((kinds & 1u << set_order[i]) == 0)
			continue;
		rc = compile_kind(c, actions, set_order[i]);
		if (rc != 0)
			return rc;
		if (set_order[i] == OF13_ACTION_GROUP)
			has_group = c->size > size;
		else if (set_order[i] == OF13_ACTION_OUTPUT && has_group)
			c->size = size; // checked; section 5.10: the group takes its place
	}
	return 0;
}

int of_compile_actions(struct of_compile *c, struct of_list actions, bool as_set)
{
	struct of13_action w;

	if (as_set)
		return compile_set(c, actions);
	while (of13_action_next(&actions, &w)) {
		int rc = compile_action(c, &w);

		c->a->work += OF_WORK_LOOK;
		if (rc != 0)
			return rc;
	}
	return 0;
}

// --- Instructions

static int bad_inst(struct of_compile *c, uint16_t code)
{
	return of_refuse(c->e, OF13_ERROR_BAD_INSTRUCTION, code);
}

static int goto_table(struct of_compile *c, uint8_t table)
{
	// Section 5.9: rules of the last table cannot have it.
	if (c->table == DP_FLOW_TABLES - 1)
		return bad_inst(c, OF13_BAD_INSTRUCTION_UNSUP_INST);
	if (table <= c->table || table >= DP_FLOW_TABLES)
		return bad_inst(c, OF13_BAD_INSTRUCTION_BAD_TABLE_ID);
	c->prog.table = table;
	return 0;
}

static int meter(struct of_compile *c, uint32_t id)
{
	if (id == 0 || id > OF_METER_MAX)
		return of_refuse(c->e, OF13_ERROR_METER_MOD_FAILED,
				 OF13_METER_MOD_FAILED_INVALID_METER);
	if (of_meter_find(c->a, id) == NULL)
		return of_refuse(c->e, OF13_ERROR_METER_MOD_FAILED,
				 OF13_METER_MOD_FAILED_UNKNOWN_METER);
	c->prog.flags |= DP_PROG_METER;
	c->prog.meter = id;
	return 0;
}

static void write_metadata(struct of_compile *c, const struct of13_instruction *i)
{
	c->prog.flags |= DP_PROG_WRITES_METADATA;
	c->prog.metadata = i->write_metadata.metadata & i->write_metadata.metadata_mask;
	c->prog.metadata_mask = i->write_metadata.metadata_mask;
}

// One pass per kind: they are executed in this order, whatever the order they came in.
enum pass { PASS_APPLY, PASS_WRITE, PASS_REST };

static int compile_instruction(struct of_compile *c, const struct of13_instruction *i,
			       enum pass pass)
{
	int rc = 0;

	if (i->type == OF13_INSTRUCTION_APPLY_ACTIONS && pass == PASS_APPLY) {
		rc = of_compile_actions(c, i->apply_actions.actions, false);
		c->prog.n_apply = (uint16_t)c->size;
	} else if (i->type == OF13_INSTRUCTION_WRITE_ACTIONS && pass == PASS_WRITE) {
		rc = of_compile_actions(c, i->write_actions.actions, true);
		c->prog.n_write = (uint16_t)(c->size - c->prog.n_apply);
	} else if (i->type == OF13_INSTRUCTION_GOTO_TABLE && pass == PASS_REST) {
		rc = goto_table(c, i->goto_table.table_id);
	} else if (i->type == OF13_INSTRUCTION_METER && pass == PASS_REST) {
		rc = meter(c, i->meter.meter_id);
	} else if (i->type == OF13_INSTRUCTION_WRITE_METADATA && pass == PASS_REST) {
		write_metadata(c, i);
	} else if (i->type == OF13_INSTRUCTION_CLEAR_ACTIONS && pass == PASS_REST) {
		c->prog.flags |= DP_PROG_CLEAR;
	}
	return rc;
}

// Each at most once (section 5.9).
static int check_once(struct of_compile *c, struct of_list instructions)
{
	struct of13_instruction i;
	uint32_t seen = 0;

	while (of13_instruction_next(&instructions, &i)) {
		uint32_t bit = 1u << (i.type & 31);

		if (i.type > OF13_INSTRUCTION_METER)
			return bad_inst(c, OF13_BAD_INSTRUCTION_UNKNOWN_INST);
		if ((seen & bit) != 0) // 1.3 has no code for it: 1.4's DUP_INST would be unknown
			return bad_inst(c, OF13_BAD_INSTRUCTION_UNSUP_INST);
		seen |= bit;
	}
	return 0;
}

int of_compile_instructions(struct of_compile *c, struct of_list instructions)
{
	int rc = check_once(c, instructions);

	c->prog = (struct dp_flow_prog){ .table = DP_FLOW_NO_TABLE };
	c->size = 0;
	c->refers = false;
	c->in_group = OF_ANY;
	for (enum pass pass = PASS_APPLY; rc == 0 && pass <= PASS_REST; pass++) {
		struct of_list l = instructions;
		struct of13_instruction i;

		while (rc == 0 && of13_instruction_next(&l, &i))
			rc = compile_instruction(c, &i, pass);
	}
	c->prog.size = (uint32_t)(sizeof(c->prog) + c->size);
	return rc;
}

// --- Who is referred to

bool of_actions_refer(struct of_list actions, of_refer_fn *fn, void *arg)
{
	struct of13_action w;

	while (of13_action_next(&actions, &w)) {
		if (w.type == OF13_ACTION_OUTPUT && fn(arg, true, w.output.port))
			return true;
		if (w.type == OF13_ACTION_GROUP && fn(arg, false, w.group.group_id))
			return true;
	}
	return false;
}

bool of_instructions_refer(struct of_list instructions, of_refer_fn *fn, void *arg)
{
	struct of13_instruction i;

	while (of13_instruction_next(&instructions, &i)) {
		if (i.type == OF13_INSTRUCTION_APPLY_ACTIONS &&
		    of_actions_refer(i.apply_actions.actions, fn, arg))
			return true;
		if (i.type == OF13_INSTRUCTION_WRITE_ACTIONS &&
		    of_actions_refer(i.write_actions.actions, fn, arg))
			return true;
	}
	return false;
}
