// Between what texts are read to and the codec's structs.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "of13.h"
#include "text_priv.h"

static const uint8_t oxms[DP_FLOW_N_FIELDS] = {
#define FIELD_OXM(id, oxm, bits, word, shift, maskable, name) [DP_FLOW_##id] = oxm,
	DP_FLOW_FIELDS(FIELD_OXM)
#undef FIELD_OXM
};

static uint32_t field_of_oxm(uint8_t oxm)
{
	uint32_t f = 0;

	while (f < DP_FLOW_N_FIELDS && oxms[f] != oxm)
		f++;
	return f;
}

static void bytes_of(struct dp_flow_value v, uint8_t *out, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		size_t from_end = size - 1 - i;
		uint64_t half = from_end >= 8 ? v.hi : v.lo;

		out[i] = (uint8_t)(half >> (from_end % 8 * 8));
	}
}

static int oxm_put(struct of_buf *b, enum dp_flow_field f, const struct field_value *v)
{
	uint8_t value[16], mask[16];
	size_t size = of13_oxm_size(oxms[f]);
	bool has_mask = !oft_value_equal(v->mask, oft_field_ones(f));
	struct of13_oxm o = {
		.class = OF_OXM_BASIC,
		.field = oxms[f],
		.has_mask = has_mask,
		.size = (uint8_t)size,
		.value = value,
		.mask = has_mask ? mask : NULL,
	};

	bytes_of(v->value, value, size);
	bytes_of(v->mask, mask, size);
	return of13_oxm_put(b, &o);
}

static void oxm_get(const struct of13_oxm *o, uint32_t f, struct field_value *v)
{
	v->value = dp_flow_value_of(o->value, o->size);
	v->mask = o->has_mask ? dp_flow_value_of(o->mask, o->size) : oft_field_ones(f);
	v->value.hi &= v->mask.hi;
	v->value.lo &= v->mask.lo;
}

int oft_wire_match_put(struct of_buf *b, const struct match *m)
{
	int rc = 0;

	// In the order of OXM's numbers: a prerequisite always has the smaller one.
	for (uint32_t f = 0; rc == 0 && f < DP_FLOW_N_FIELDS; f++) {
		if (match_has(m, f))
			rc = oxm_put(b, f, &m->field[f]);
	}
	return rc;
}

void oft_wire_match_get(struct of_list l, struct match *m)
{
	struct of13_oxm o;

	m->present = 0;
	while (of13_oxm_next(&l, &o)) {
		uint32_t f = o.class == OF_OXM_BASIC ? field_of_oxm(o.field) : DP_FLOW_N_FIELDS;

		if (f == DP_FLOW_N_FIELDS || o.size > 16)
			continue;
		oxm_get(&o, f, &m->field[f]);
		if (!oft_value_is_zero(m->field[f].mask))
			m->present |= UINT64_C(1) << f;
	}
}

const char *oft_wire_oxm_name(uint32_t header)
{
	uint32_t f =
		header >> 16 == OF_OXM_BASIC ? field_of_oxm(header >> 9 & 0x7f) : DP_FLOW_N_FIELDS;

	return f == DP_FLOW_N_FIELDS ? NULL : oft_field_texts[f].set;
}

// --- Actions. Numbers of actions beside those of operations; each has one number or none.

static const struct {
	uint8_t kind;
	uint16_t type;
} kinds[] = {
	{ DP_OP_GROUP, OF13_ACTION_GROUP },
	{ DP_OP_SET_QUEUE, OF13_ACTION_SET_QUEUE },
	{ DP_OP_PUSH_VLAN, OF13_ACTION_PUSH_VLAN },
	{ DP_OP_POP_VLAN, OF13_ACTION_POP_VLAN },
	{ DP_OP_PUSH_MPLS, OF13_ACTION_PUSH_MPLS },
	{ DP_OP_POP_MPLS, OF13_ACTION_POP_MPLS },
	{ DP_OP_SET_MPLS_TTL, OF13_ACTION_SET_MPLS_TTL },
	{ DP_OP_DEC_MPLS_TTL, OF13_ACTION_DEC_MPLS_TTL },
	{ DP_OP_SET_NW_TTL, OF13_ACTION_SET_NW_TTL },
	{ DP_OP_DEC_NW_TTL, OF13_ACTION_DEC_NW_TTL },
	{ DP_OP_COPY_TTL_OUT, OF13_ACTION_COPY_TTL_OUT },
	{ DP_OP_COPY_TTL_IN, OF13_ACTION_COPY_TTL_IN },
	{ DP_OP_OUTPUT, OF13_ACTION_OUTPUT },
	{ DP_OP_SET_FIELD, OF13_ACTION_SET_FIELD },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void number_put(struct of13_action *out, uint32_t n)
{
	switch (out->type) {
	case OF13_ACTION_GROUP:
		out->group.group_id = n;
		break;
	case OF13_ACTION_SET_QUEUE:
		out->set_queue.queue_id = n;
		break;
	case OF13_ACTION_PUSH_VLAN:
		out->push_vlan.ethertype = (uint16_t)n;
		break;
	case OF13_ACTION_PUSH_MPLS:
		out->push_mpls.ethertype = (uint16_t)n;
		break;
	case OF13_ACTION_POP_MPLS:
		out->pop_mpls.ethertype = (uint16_t)n;
		break;
	case OF13_ACTION_SET_MPLS_TTL:
		out->set_mpls_ttl.ttl = (uint8_t)n;
		break;
	case OF13_ACTION_SET_NW_TTL:
		out->set_nw_ttl.ttl = (uint8_t)n;
		break;
	default:
		break;
	}
}

static uint32_t number_get(const struct of13_action *a)
{
	switch (a->type) {
	case OF13_ACTION_GROUP:
		return a->group.group_id;
	case OF13_ACTION_SET_QUEUE:
		return a->set_queue.queue_id;
	case OF13_ACTION_PUSH_VLAN:
		return a->push_vlan.ethertype;
	case OF13_ACTION_PUSH_MPLS:
		return a->push_mpls.ethertype;
	case OF13_ACTION_POP_MPLS:
		return a->pop_mpls.ethertype;
	case OF13_ACTION_SET_MPLS_TTL:
		return a->set_mpls_ttl.ttl;
	case OF13_ACTION_SET_NW_TTL:
		return a->set_nw_ttl.ttl;
	default:
		return 0;
	}
}

int oft_wire_action_put(struct of_buf *b, const struct action *a)
{
	struct of13_action out = { 0 };
	struct of_buf oxm = { 0 };
	uint32_t i = 0;
	int rc = 0;

	while (i < KINDS && kinds[i].kind != a->kind)
		i++;
	if (i == KINDS)
		return -EINVAL;
	out.type = kinds[i].type;
	if (a->kind == DP_OP_OUTPUT) {
		out.output.port = a->arg;
		out.output.max_len = a->max_len;
	} else if (a->kind == DP_OP_SET_FIELD) {
		rc = oxm_put(&oxm, a->field, &a->set);
		out.set_field.oxm = of_buf_list(&oxm);
	} else {
		number_put(&out, a->arg);
	}
	rc = rc < 0 ? rc : of13_action_put(b, &out);
	of_buf_fini(&oxm);
	return rc;
}

static void set_get(struct of_list l, struct action *a)
{
	struct of13_oxm o;
	uint32_t f;

	a->kind = DP_N_OPS;
	if (!of13_oxm_next(&l, &o) || o.size > 16)
		return;
	f = o.class == OF_OXM_BASIC ? field_of_oxm(o.field) : DP_FLOW_N_FIELDS;
	if (f == DP_FLOW_N_FIELDS)
		return;
	a->kind = DP_OP_SET_FIELD;
	a->field = (uint8_t)f;
	oxm_get(&o, f, &a->set);
}

bool oft_wire_action_next(struct of_list *l, struct action *a)
{
	struct of13_action in;
	uint32_t i = 0;

	if (!of13_action_next(l, &in))
		return false;
	*a = (struct action){ .kind = DP_N_OPS };
	while (i < KINDS && kinds[i].type != in.type)
		i++;
	if (i == KINDS)
		return true;
	a->kind = kinds[i].kind;
	if (a->kind == DP_OP_OUTPUT) {
		a->arg = in.output.port;
		a->max_len = in.output.max_len;
	} else if (a->kind == DP_OP_SET_FIELD) {
		set_get(in.set_field.oxm, a);
	} else {
		a->arg = number_get(&in);
	}
	return true;
}

// --- Instructions

static int instruction_put(struct of_buf *b, const struct program *p, enum instruction i)
{
	static const uint16_t types[INSTRUCTIONS] = {
		[I_METER] = OF13_INSTRUCTION_METER,
		[I_APPLY] = OF13_INSTRUCTION_APPLY_ACTIONS,
		[I_CLEAR] = OF13_INSTRUCTION_CLEAR_ACTIONS,
		[I_WRITE] = OF13_INSTRUCTION_WRITE_ACTIONS,
		[I_METADATA] = OF13_INSTRUCTION_WRITE_METADATA,
		[I_GOTO] = OF13_INSTRUCTION_GOTO_TABLE,
	};
	struct of13_instruction out = { .type = types[i] };

	if (i == I_METER)
		out.meter.meter_id = p->meter;
	if (i == I_APPLY)
		out.apply_actions.actions = of_buf_list(&p->apply);
	if (i == I_WRITE)
		out.write_actions.actions = of_buf_list(&p->write);
	if (i == I_METADATA) {
		out.write_metadata.metadata = p->metadata;
		out.write_metadata.metadata_mask = p->metadata_mask;
	}
	if (i == I_GOTO)
		out.goto_table.table_id = p->table;
	return of13_instruction_put(b, &out);
}

int oft_wire_program_put(struct of_buf *b, const struct program *p)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < INSTRUCTIONS; i++) {
		if ((p->has >> i & 1) != 0)
			rc = instruction_put(b, p, i);
	}
	return rc;
}

void of_text_instructions(struct of_text *t, struct of_list l, const struct of_text_ports *ports)
{
	struct of13_instruction in;
	struct program_text p = { 0 };

	while (of13_instruction_next(&l, &in)) {
		switch (in.type) {
		case OF13_INSTRUCTION_METER:
			p.has |= 1u << I_METER;
			p.meter = in.meter.meter_id;
			break;
		case OF13_INSTRUCTION_APPLY_ACTIONS:
			p.has |= 1u << I_APPLY;
			p.apply = in.apply_actions.actions;
			break;
		case OF13_INSTRUCTION_CLEAR_ACTIONS:
			p.has |= 1u << I_CLEAR;
			break;
		case OF13_INSTRUCTION_WRITE_ACTIONS:
			p.has |= 1u << I_WRITE;
			p.write = in.write_actions.actions;
			break;
		case OF13_INSTRUCTION_WRITE_METADATA:
			p.has |= 1u << I_METADATA;
			p.metadata = in.write_metadata.metadata;
			p.metadata_mask = in.write_metadata.metadata_mask;
			break;
		case OF13_INSTRUCTION_GOTO_TABLE:
			p.has |= 1u << I_GOTO;
			p.table = in.goto_table.table_id;
			break;
		default:
			break;
		}
	}
	oft_program_write(t, &p, ports);
}

void of_text_oxm(struct of_text *t, struct of_list l, const struct of_text_ports *ports)
{
	struct match m;

	oft_wire_match_get(l, &m);
	oft_match_write(t, &m, PRIORITY, ports);
}

void of_text_actions(struct of_text *t, struct of_list l, const struct of_text_ports *ports)
{
	struct action a;
	bool any = false;

	while (oft_wire_action_next(&l, &a)) {
		of_text_put(t, any ? "," : "");
		oft_action_write(t, &a, ports);
		any = true;
	}
	of_text_put(t, any ? "" : "drop");
}
