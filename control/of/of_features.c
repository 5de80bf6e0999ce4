// What the switch says it can do: table-features, group-features, meter-features, desc. Each list
// is what of_match.c and of_compile.c let through.
#include "of_stats.h"

#include <string.h>

static const uint16_t actions[] = {
	OF13_ACTION_OUTPUT,	  OF13_ACTION_COPY_TTL_OUT, OF13_ACTION_COPY_TTL_IN,
	OF13_ACTION_SET_MPLS_TTL, OF13_ACTION_DEC_MPLS_TTL, OF13_ACTION_PUSH_VLAN,
	OF13_ACTION_POP_VLAN,	  OF13_ACTION_PUSH_MPLS,    OF13_ACTION_POP_MPLS,
	OF13_ACTION_SET_QUEUE,	  OF13_ACTION_GROUP,	    OF13_ACTION_SET_NW_TTL,
	OF13_ACTION_DEC_NW_TTL,	  OF13_ACTION_SET_FIELD,
};
enum { N_ACTIONS = sizeof(actions) / sizeof(actions[0]) };

// --- Single answers

static void describe_groups(const struct of_agent *a, struct of13_multipart_reply *out)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < N_ACTIONS; i++)
		bits |= 1u << actions[i];
	out->group_features.types = 1u << OF13_GROUP_TYPE_ALL | 1u << OF13_GROUP_TYPE_SELECT |
				    1u << OF13_GROUP_TYPE_INDIRECT | 1u << OF13_GROUP_TYPE_FF;
	out->group_features.capabilities =
		OF13_GROUP_CAPABILITY_SELECT_WEIGHT | OF13_GROUP_CAPABILITY_SELECT_LIVENESS |
		OF13_GROUP_CAPABILITY_CHAINING | OF13_GROUP_CAPABILITY_CHAINING_CHECKS;
	for (uint32_t t = 0; t < 4; t++) {
		out->group_features.max_groups[t] = a->p.max_groups;
		out->group_features.actions[t] = bits;
	}
}

static void describe_meters(const struct of_agent *a, struct of13_multipart_reply *out)
{
	out->meter_features.max_meter = a->p.max_meters;
	out->meter_features.band_types = 1u << OF13_BAND_DROP | 1u << OF13_BAND_DSCP_REMARK;
	out->meter_features.capabilities = OF13_METER_FLAG_KBPS | OF13_METER_FLAG_PKTPS |
					   OF13_METER_FLAG_BURST | OF13_METER_FLAG_STATS;
	out->meter_features.max_bands = DP_OF_BANDS;
}

static void text(char *out, size_t size, const char *in, size_t in_size)
{
	size_t n = strnlen(in, in_size);

	memcpy(out, in, n < size ? n : size - 1);
}

void of_stats_describe(const struct of_agent *a, uint16_t type, struct of13_multipart_reply *out)
{
	if (type == OF13_MULTIPART_GROUP_FEATURES) {
		describe_groups(a, out);
	} else if (type == OF13_MULTIPART_METER_FEATURES) {
		describe_meters(a, out);
	} else {
		text(out->desc.mfr_desc, sizeof(out->desc.mfr_desc), a->p.manufacturer,
		     sizeof(a->p.manufacturer));
		text(out->desc.hw_desc, sizeof(out->desc.hw_desc), a->p.hardware,
		     sizeof(a->p.hardware));
		text(out->desc.sw_desc, sizeof(out->desc.sw_desc), a->p.software,
		     sizeof(a->p.software));
		text(out->desc.serial_num, sizeof(out->desc.serial_num), a->p.serial,
		     sizeof(a->p.serial));
		text(out->desc.dp_desc, sizeof(out->desc.dp_desc), a->p.description,
		     sizeof(a->p.description));
	}
}

// --- table-features

static void put_prop(struct of_buf *props, uint16_t type, struct of_buf *ids)
{
	struct of13_table_prop p = { .type = type };

	p.match.ids = of_buf_list(ids); // one place for all lists: of_stats.c says so of its own
	of13_table_prop_put(props, &p);
	props->failed |= ids->failed;
	of_buf_fini(ids);
	*ids = (struct of_buf){ 0 };
}
_Static_assert(offsetof(struct of13_table_prop, match.ids) ==
			       offsetof(struct of13_table_prop, instructions.ids) &&
		       offsetof(struct of13_table_prop, match.ids) ==
			       offsetof(struct of13_table_prop, next_tables.ids) &&
		       offsetof(struct of13_table_prop, match.ids) ==
			       offsetof(struct of13_table_prop, apply_actions.ids) &&
		       offsetof(struct of13_table_prop, match.ids) ==
			       offsetof(struct of13_table_prop, apply_setfield.ids),
	       "one place for lists");

static void put_instructions(struct of_buf *props, uint8_t table)
{
	struct of_buf ids = { 0 };

	for (uint16_t t = OF13_INSTRUCTION_GOTO_TABLE; t <= OF13_INSTRUCTION_METER; t++) {
		struct of13_instruction_id id = { .type = t };

		if (t != OF13_INSTRUCTION_GOTO_TABLE || table < DP_FLOW_TABLES - 1)
			of13_instruction_id_put(&ids, &id);
	}
	put_prop(props, OF13_TABLE_PROP_INSTRUCTIONS, &ids);
}

static void put_next(struct of_buf *props, uint8_t table)
{
	struct of_buf ids = { 0 };

	for (uint8_t t = (uint8_t)(table + 1); t < DP_FLOW_TABLES; t++) {
		struct of13_table_id id = { t };

		of13_table_id_put(&ids, &id);
	}
	put_prop(props, OF13_TABLE_PROP_NEXT_TABLES, &ids);
}

static void put_actions(struct of_buf *props, uint16_t type)
{
	struct of_buf ids = { 0 };

	for (uint32_t i = 0; i < N_ACTIONS; i++) {
		struct of13_action_id id = { .type = actions[i] };

		of13_action_id_put(&ids, &id);
	}
	put_prop(props, type, &ids);
}

enum fields { FIELDS_MATCH, FIELDS_WILDCARD, FIELDS_SET };

static void put_fields(struct of_buf *props, uint16_t type, enum fields which)
{
	struct of_buf ids = { 0 };

	for (uint32_t f = 0; f < DP_FLOW_N_FIELDS; f++) {
		const struct dp_flow_field_info *i = &dp_flow_fields[f];
		uint32_t size = of13_oxm_size(i->oxm);
		bool masked = which == FIELDS_MATCH && i->maskable;
		struct of13_oxm_id id = { (uint32_t)OF_OXM_BASIC << 16 | (uint32_t)i->oxm << 9 |
					  (masked ? 1u << 8 | size * 2 : size) };

		if (which != FIELDS_SET || of_field_settable((enum dp_flow_field)f))
			of13_oxm_id_put(&ids, &id);
	}
	put_prop(props, type, &ids);
}

void of_table_features_put(struct of_buf *b, const struct of_agent *a, uint8_t table)
{
	struct of_buf props = { 0 };
	struct of13_table_features f = { .table_id = table,
					 .metadata_match = UINT64_MAX,
					 .metadata_write = UINT64_MAX,
					 .max_entries = a->p.max_flows };

	f.name[0] = 't';
	f.name[1] = (char)('0' + table / 10);
	f.name[2] = (char)('0' + table % 10);
	// The lists of a table-miss entry are the same, so they are left out (section 7.3.5.5.2).
	put_instructions(&props, table);
	put_next(&props, table);
	put_actions(&props, OF13_TABLE_PROP_WRITE_ACTIONS);
	put_actions(&props, OF13_TABLE_PROP_APPLY_ACTIONS);
	put_fields(&props, OF13_TABLE_PROP_MATCH, FIELDS_MATCH);
	put_fields(&props, OF13_TABLE_PROP_WILDCARDS, FIELDS_WILDCARD);
	put_fields(&props, OF13_TABLE_PROP_WRITE_SETFIELD, FIELDS_SET);
	put_fields(&props, OF13_TABLE_PROP_APPLY_SETFIELD, FIELDS_SET);
	f.properties = of_buf_list(&props);
	of13_table_features_put(b, &f);
	b->failed |= props.failed;
	of_buf_fini(&props);
}

int of_table_features_check(struct of_list tables, struct of_wire_error *e)
{
	struct of13_table_features f;
	bool asks = true;

	while (of13_table_features_next(&tables, &f)) {
		asks = false;
		if (f.table_id >= DP_FLOW_TABLES)
			return of_refuse(e, OF13_ERROR_TABLE_FEATURES_FAILED,
					 OF13_TABLE_FEATURES_FAILED_BAD_TABLE);
	}
	// All tables can do everything already, and nobody may take that away.
	return asks ? 0
		    : of_refuse(e, OF13_ERROR_TABLE_FEATURES_FAILED,
				OF13_TABLE_FEATURES_FAILED_EPERM);
}
