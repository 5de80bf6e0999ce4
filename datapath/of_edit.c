// One operation on a frame. What it is about is found by the parse that is there; what changes the
// shape of the frame is parsed anew.
#include "of_edit_priv.h"

void dp_of_frame_open(struct rte_mbuf *m, struct dp_of_frame *f)
{
	f->m = m;
	f->meta = dp_meta(m);
	f->data = rte_pktmbuf_mtod(m, uint8_t *);
	f->size = RTE_MIN((uint32_t)rte_pktmbuf_data_len(m), DP_PARSE_BYTES);
}

void dp_of_frame_renew(struct dp_of_frame *f)
{
	dp_of_frame_open(f->m, f);
	dp_parse(f->data, rte_pktmbuf_data_len(f->m), rte_pktmbuf_pkt_len(f->m), &f->meta->p);
}

enum dp_of_edit_result dp_of_edit(struct rte_mbuf *m, const struct dp_flow_op *op)
{
	struct dp_of_frame f;

	dp_of_frame_open(m, &f);
	switch (op->kind) {
	case DP_OP_SET_FIELD:
		return dp_of_set_field(&f, (const struct dp_flow_set *)(const void *)op);
	case DP_OP_PUSH_VLAN:
		return dp_of_push_vlan(&f, (uint16_t)op->arg);
	case DP_OP_POP_VLAN:
		return dp_of_pop_vlan(&f);
	case DP_OP_PUSH_MPLS:
		return dp_of_push_mpls(&f, (uint16_t)op->arg);
	case DP_OP_POP_MPLS:
		return dp_of_pop_mpls(&f, (uint16_t)op->arg);
	case DP_OP_SET_MPLS_TTL:
	case DP_OP_DEC_MPLS_TTL:
	case DP_OP_SET_NW_TTL:
	case DP_OP_DEC_NW_TTL:
	case DP_OP_COPY_TTL_OUT:
	case DP_OP_COPY_TTL_IN:
		return dp_of_ttl(&f, op);
	default:
		return DP_OF_EDIT_NO_HEADER;
	}
}
