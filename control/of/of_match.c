// From the wire's match fields to the key and mask that tables look up. What is refused, and how:
// OpenFlow 1.3.5 sections 7.2.3 and 7.5.4.5.
#include "of_ops.h"

#include <string.h>

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_BAD_MATCH, code);
}

// returns false when the bytes say more than the field's bits hold
static bool value_of(const uint8_t *p, enum dp_flow_field f, struct dp_flow_value *out)
{
	struct dp_flow_value v = dp_flow_value_of(p, of13_oxm_size(dp_flow_fields[f].oxm));
	struct dp_flow_value ones = dp_flow_ones(f);

	*out = v;
	return (v.hi & ~ones.hi) == 0 && (v.lo & ~ones.lo) == 0;
}

// Ports that a frame can come from.
static bool is_in_port(uint64_t no)
{
	return (no > 0 && no < DP_OFPP_MAX) || no == DP_OFPP_LOCAL || no == DP_OFPP_CONTROLLER;
}

// Values that no frame has, or that say nothing.
static bool is_sane(enum dp_flow_field f, struct dp_flow_value v, const struct dp_flow_key *key)
{
	switch (f) {
	case DP_FLOW_in_port:
		return is_in_port(v.lo);
	case DP_FLOW_in_phy_port: // there are no tunnels: it is the same port
		return v.lo == dp_flow_get(key, DP_FLOW_in_port).lo;
	case DP_FLOW_vlan_vid:
		return v.lo == 0 || (v.lo & DP_FLOW_VID_PRESENT) != 0;
	default:
		return true;
	}
}

static int take_mask(const struct of13_oxm *o, enum dp_flow_field f, struct dp_flow_value v,
		     struct dp_flow_value *mask, struct of_wire_error *e)
{
	if (!o->has_mask) {
		*mask = dp_flow_ones(f);
		return 0;
	}
	if (!dp_flow_fields[f].maskable)
		return bad(e, OF13_BAD_MATCH_BAD_MASK);
	if (!value_of(o->mask, f, mask))
		return bad(e, OF13_BAD_MATCH_BAD_MASK);
	if ((v.lo & ~mask->lo) != 0 || (v.hi & ~mask->hi) != 0)
		return bad(e, OF13_BAD_MATCH_BAD_WILDCARDS);
	return 0;
}

static int take(const struct of13_oxm *o, uint64_t *seen, struct dp_flow_key *key,
		struct dp_flow_key *mask, struct of_wire_error *e)
{
	struct dp_flow_value v, m;
	enum dp_flow_field f = dp_flow_field_of_oxm(o->field);
	int rc;

	if (o->class != OF_OXM_BASIC || f == DP_FLOW_N_FIELDS)
		return bad(e, OF13_BAD_MATCH_BAD_FIELD);
	if (o->size != of13_oxm_size(dp_flow_fields[f].oxm))
		return bad(e, OF13_BAD_MATCH_BAD_LEN);
	if ((*seen & UINT64_C(1) << f) != 0)
		return bad(e, OF13_BAD_MATCH_DUP_FIELD);
	*seen |= UINT64_C(1) << f;
	if (!dp_flow_prerequisite(f, key, mask))
		return bad(e, OF13_BAD_MATCH_BAD_PREREQ);
	if (!value_of(o->value, f, &v))
		return bad(e, OF13_BAD_MATCH_BAD_VALUE);
	rc = take_mask(o, f, v, &m, e);
	if (rc != 0)
		return rc;
	if (!o->has_mask && !is_sane(f, v, key))
		return bad(e, OF13_BAD_MATCH_BAD_VALUE);
	dp_flow_put(key, f, v);
	dp_flow_put(mask, f, m);
	return 0;
}

int of_match_compile(struct of_list oxms, struct dp_flow_key *key, struct dp_flow_key *mask,
		     struct of_wire_error *e)
{
	struct of13_oxm o;
	uint64_t seen = 0;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	while (of13_oxm_next(&oxms, &o)) {
		int rc = take(&o, &seen, key, mask, e);

		if (rc != 0)
			return rc;
	}
	return 0;
}

bool of_match_within(const struct dp_flow_key *key, const struct dp_flow_key *mask,
		     const struct dp_flow_key *outer_key, const struct dp_flow_key *outer_mask)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if ((outer_mask->w[i] & ~mask->w[i]) != 0 ||
		    ((key->w[i] ^ outer_key->w[i]) & outer_mask->w[i]) != 0)
			return false;
	}
	return true;
}

bool of_match_is_any(const struct dp_flow_key *mask)
{
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++) {
		if (mask->w[i] != 0)
			return false;
	}
	return true;
}

bool of_match_value(const struct of13_oxm *o, enum dp_flow_field *f, struct dp_flow_value *v)
{
	*f = dp_flow_field_of_oxm(o->field);
	return value_of(o->value, *f, v);
}
