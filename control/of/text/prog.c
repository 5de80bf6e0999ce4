// Programs as text, of the wire and of the datapath.
#include <inttypes.h>
#include <string.h>

#include "text_priv.h"

// The operation at `at`, when all of it is there.
static bool op_next(struct of_list *l, struct action *a)
{
	struct dp_flow_op op;
	struct dp_flow_output output;
	struct dp_flow_set set;

	if (l->size < sizeof(op))
		return false;
	memcpy(&op, l->at, sizeof(op));
	if (op.size < sizeof(op) || op.size > l->size)
		return false;
	*a = (struct action){ .kind = op.kind, .field = op.field, .arg = op.arg };
	if (op.kind == DP_OP_OUTPUT && op.size >= sizeof(output)) {
		memcpy(&output, l->at, sizeof(output));
		a->max_len = output.max_len;
	} else if (op.kind == DP_OP_SET_FIELD && op.size >= sizeof(set)) {
		memcpy(&set, l->at, sizeof(set));
		a->set = (struct field_value){ set.value, set.mask };
	}
	l->at += op.size;
	l->size -= op.size;
	return true;
}

static void write_ops(struct of_text *t, struct of_list l, const struct of_text_ports *ports)
{
	struct action a;
	bool any = false;

	while (op_next(&l, &a)) {
		of_text_put(t, any ? "," : "");
		oft_action_write(t, &a, ports);
		any = true;
	}
	of_text_put(t, any ? "" : "drop");
}

void of_text_ops(struct of_text *t, const uint8_t *ops, size_t size,
		 const struct of_text_ports *ports)
{
	write_ops(t, (struct of_list){ ops, size }, ports);
}

static void write_list(struct of_text *t, const struct program_text *p, struct of_list l,
		       const struct of_text_ports *ports)
{
	if (p->is_ops)
		write_ops(t, l, ports);
	else
		of_text_actions(t, l, ports);
}

static void write_one(struct of_text *t, const struct program_text *p, enum instruction i,
		      const struct of_text_ports *ports)
{
	switch (i) {
	case I_METER:
		of_text_printf(t, "meter:%u,", p->meter);
		break;
	case I_APPLY:
		if (p->apply.size == 0)
			break;
		write_list(t, p, p->apply, ports);
		of_text_put(t, ",");
		break;
	case I_CLEAR:
		of_text_put(t, "clear_actions,");
		break;
	case I_WRITE:
		of_text_put(t, "write_actions(");
		write_list(t, p, p->write, ports);
		of_text_put(t, "),");
		break;
	case I_METADATA:
		of_text_printf(t, "write_metadata:0x%" PRIx64, p->metadata);
		if (p->metadata_mask != UINT64_MAX)
			of_text_printf(t, "/0x%" PRIx64, p->metadata_mask);
		of_text_put(t, ",");
		break;
	case I_GOTO:
		of_text_printf(t, "goto_table:%u,", p->table);
		break;
	}
}

void oft_program_write(struct of_text *t, const struct program_text *p,
		       const struct of_text_ports *ports)
{
	size_t begin = t->size;

	for (uint32_t i = 0; i < INSTRUCTIONS; i++) {
		if ((p->has >> i & 1) != 0)
			write_one(t, p, i, ports);
	}
	if (t->size == begin)
		of_text_put(t, "drop");
	else if (t->buf[t->size - 1] == ',')
		t->buf[--t->size] = '\0';
}

void of_text_prog(struct of_text *t, const struct dp_flow_prog *prog,
		  const struct of_text_ports *ports)
{
	struct program_text p = {
		.is_ops = true,
		.apply = { prog->ops, prog->n_apply },
		.write = { prog->ops + prog->n_apply, prog->n_write },
		.meter = prog->meter,
		.metadata = prog->metadata,
		.metadata_mask = prog->metadata_mask,
		.table = prog->table,
	};

	p.has = (prog->flags & DP_PROG_METER) != 0 ? 1u << I_METER : 0;
	p.has |= prog->n_apply > 0 ? 1u << I_APPLY : 0;
	p.has |= (prog->flags & DP_PROG_CLEAR) != 0 ? 1u << I_CLEAR : 0;
	p.has |= prog->n_write > 0 ? 1u << I_WRITE : 0;
	p.has |= (prog->flags & DP_PROG_WRITES_METADATA) != 0 ? 1u << I_METADATA : 0;
	p.has |= prog->table != DP_FLOW_NO_TABLE ? 1u << I_GOTO : 0;
	oft_program_write(t, &p, ports);
}

// Fields share places in a key: which of them it is, the fields before it say.
static bool is_meant(const struct match *m, enum dp_flow_field f)
{
	bool v4 = oft_match_is(m, DP_FLOW_eth_type, 0x0800),
	     v6 = oft_match_is(m, DP_FLOW_eth_type, 0x86dd);
	bool arp = oft_match_is(m, DP_FLOW_eth_type, 0x0806) ||
		   oft_match_is(m, DP_FLOW_eth_type, 0x8035);
	bool icmp6 = v6 && oft_match_is(m, DP_FLOW_ip_proto, 58);

	switch (f) {
	case DP_FLOW_in_phy_port:
		return false;
	case DP_FLOW_arp_op:
	case DP_FLOW_arp_spa:
	case DP_FLOW_arp_tpa:
	case DP_FLOW_arp_sha:
	case DP_FLOW_arp_tha:
		return arp;
	case DP_FLOW_ipv4_src:
	case DP_FLOW_ipv4_dst:
		return v4;
	case DP_FLOW_tcp_src:
	case DP_FLOW_tcp_dst:
		return oft_match_is(m, DP_FLOW_ip_proto, 6);
	case DP_FLOW_udp_src:
	case DP_FLOW_udp_dst:
		return oft_match_is(m, DP_FLOW_ip_proto, 17);
	case DP_FLOW_sctp_src:
	case DP_FLOW_sctp_dst:
		return oft_match_is(m, DP_FLOW_ip_proto, 132);
	case DP_FLOW_icmpv4_type:
	case DP_FLOW_icmpv4_code:
		return v4 && oft_match_is(m, DP_FLOW_ip_proto, 1);
	case DP_FLOW_icmpv6_type:
	case DP_FLOW_icmpv6_code:
		return icmp6;
	case DP_FLOW_ipv6_nd_sll:
		return icmp6 && oft_match_is(m, DP_FLOW_icmpv6_type, 135);
	case DP_FLOW_ipv6_nd_tll:
		return icmp6 && oft_match_is(m, DP_FLOW_icmpv6_type, 136);
	default:
		return true;
	}
}

// What the mask looks at of a key: as the mask has it, or whole fields.
static void match_of_key(struct match *m, const struct dp_flow_key *key,
			 const struct dp_flow_key *mask, bool whole)
{
	m->present = 0;
	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		struct field_value v = { oft_field_get(key, f), oft_field_get(mask, f) };

		if (oft_value_is_zero(v.mask) || !is_meant(m, f))
			continue;
		if (whole)
			v.mask = oft_field_ones(f);
		m->field[f] = v;
		m->present |= UINT64_C(1) << f;
	}
}

void of_text_key(struct of_text *t, const struct dp_flow_key *key, const struct dp_flow_key *mask,
		 const struct of_text_ports *ports)
{
	struct match m;

	match_of_key(&m, key, mask, false);
	oft_match_write(t, &m, PRIORITY, ports);
}

void of_text_seen(struct of_text *t, const struct dp_flow_key *frame,
		  const struct dp_flow_key *mask, const struct of_text_ports *ports)
{
	struct match m;

	match_of_key(&m, frame, mask, true);
	oft_match_write(t, &m, PRIORITY, ports);
}
