// The action set: write-actions puts into it, the end of the walk executes it, in an order of its
// own (OpenFlow 1.3.5 section 5.10).
#include "of_priv.h"

void dp_of_set_write(struct dp_of_set *s, const uint8_t *ops, size_t size)
{
	for (size_t at = 0; at < size; at += dp_flow_op_at(ops, at)->size) {
		const struct dp_flow_op *op = dp_flow_op_at(ops, at);

		if (op->kind == DP_OP_SET_FIELD) {
			s->sets[op->field] = op;
			s->fields |= UINT64_C(1) << op->field;
		} else {
			s->ops[op->kind] = op;
			s->kinds |= 1u << op->kind;
		}
	}
}

uint32_t dp_of_set_order(const struct dp_of_set *s, const struct dp_flow_op *out[DP_OF_SET_OPS])
{
	static const uint8_t before[] = { DP_OP_COPY_TTL_IN,  DP_OP_POP_VLAN,	DP_OP_POP_MPLS,
					  DP_OP_PUSH_MPLS,    DP_OP_PUSH_VLAN,	DP_OP_COPY_TTL_OUT,
					  DP_OP_DEC_MPLS_TTL, DP_OP_DEC_NW_TTL, DP_OP_SET_MPLS_TTL,
					  DP_OP_SET_NW_TTL };
	uint32_t n = 0;

	for (uint32_t i = 0; i < RTE_DIM(before); i++) {
		if ((s->kinds & 1u << before[i]) != 0)
			out[n++] = s->ops[before[i]];
	}
	for (uint64_t fields = s->fields; fields != 0; fields &= fields - 1)
		out[n++] = s->sets[__builtin_ctzll(fields)];
	if ((s->kinds & 1u << DP_OP_SET_QUEUE) != 0)
		out[n++] = s->ops[DP_OP_SET_QUEUE];
	// With a group there is no output of the set's own.
	if ((s->kinds & 1u << DP_OP_GROUP) != 0)
		out[n++] = s->ops[DP_OP_GROUP];
	else if ((s->kinds & 1u << DP_OP_OUTPUT) != 0)
		out[n++] = s->ops[DP_OP_OUTPUT];
	return n;
}
