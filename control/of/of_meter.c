// Meters: OpenFlow 1.3.5 sections 5.7 and 6.4 (meter-mod). They are in force at once, without a
// version: a meter is there before a flow can name it, and flows are gone before it goes.
#include "of_ops.h"

#include <stdlib.h>
#include <string.h>

static const uint16_t known_flags = OF13_METER_FLAG_KBPS | OF13_METER_FLAG_PKTPS |
				    OF13_METER_FLAG_BURST | OF13_METER_FLAG_STATS;

static int bad(struct of_wire_error *e, uint16_t code)
{
	return of_refuse(e, OF13_ERROR_METER_MOD_FAILED, code);
}

struct of_meter *of_meter_find(const struct of_agent *a, uint32_t id)
{
	return of_map_find(&a->meters, id);
}

struct of_meter *of_meter_from(const struct of_agent *a, uint32_t id)
{
	return of_map_from(&a->meters, id);
}

static bool is_virtual(uint32_t id)
{
	return id == OF_METER_SLOWPATH || id == OF_METER_CONTROLLER;
}

static int take_band(const struct of13_meter_mod *m, const struct of13_band *b,
		     struct dp_of_band *out, struct of_wire_error *e)
{
	if (b->rate == 0)
		return bad(e, OF13_METER_MOD_FAILED_BAD_RATE);
	// Levels of drop precedence within an assured-forwarding class (RFC 2597): 1..3.
	if (b->type == OF13_BAND_DSCP_REMARK &&
	    (b->dscp_remark.prec_level == 0 || b->dscp_remark.prec_level > 3))
		return bad(e, OF13_METER_MOD_FAILED_BAD_BAND_VALUE);
	*out = (struct dp_of_band){ .rate = b->rate };
	if ((m->flags & OF13_METER_FLAG_BURST) != 0)
		out->burst = b->burst_size;
	if (b->type == OF13_BAND_DSCP_REMARK) {
		out->is_remark = 1;
		out->prec_level = b->dscp_remark.prec_level;
	}
	return 0;
}

static int take_bands(const struct of13_meter_mod *m, struct dp_of_band bands[DP_OF_BANDS],
		      uint32_t *n, struct of_wire_error *e)
{
	struct of_list l = m->bands;
	struct of13_band b;

	*n = 0;
	while (of13_band_next(&l, &b)) {
		if (*n == DP_OF_BANDS)
			return bad(e, OF13_METER_MOD_FAILED_OUT_OF_BANDS);
		if (b.type != OF13_BAND_DROP && b.type != OF13_BAND_DSCP_REMARK)
			return bad(e, OF13_METER_MOD_FAILED_BAD_BAND);
		if (take_band(m, &b, &bands[*n], e) != 0)
			return -EINVAL;
		(*n)++;
	}
	return 0;
}

// kbit/s unless it says packets; both at once is nothing.
static int check_flags(uint16_t flags, struct of_wire_error *e)
{
	uint16_t both = OF13_METER_FLAG_KBPS | OF13_METER_FLAG_PKTPS;

	return (flags & ~known_flags) != 0 || (flags & both) == both
		       ? bad(e, OF13_METER_MOD_FAILED_BAD_FLAGS)
		       : 0;
}

static int set(struct of_agent *a, const struct of13_meter_mod *m, struct of_meter *was,
	       struct of_wire_error *e)
{
	struct dp_of_band bands[DP_OF_BANDS];
	uint32_t flags = m->flags;
	struct of_meter *x;
	uint32_t n;

	if ((flags & OF13_METER_FLAG_PKTPS) == 0) // what rates are in when nothing is said
		flags |= OF13_METER_FLAG_KBPS;
	if (check_flags(m->flags, e) != 0 || take_bands(m, bands, &n, e) != 0)
		return -EINVAL;
	x = calloc(1, sizeof(*x) + m->bands.size);
	if (x == NULL || of_map_reserve(&a->meters) != 0 ||
	    dp_of_meter_set(a->p.of, m->meter_id, flags, bands, n) != 0) {
		free(x);
		return bad(e, OF13_METER_MOD_FAILED_OUT_OF_METERS);
	}
	x->id = m->meter_id;
	x->flags = m->flags;
	x->n_bands = (uint16_t)n;
	x->size = (uint32_t)m->bands.size;
	if (x->size > 0)
		memcpy(x->wire, m->bands.at, x->size);
	x->created_ns = was != NULL ? was->created_ns : a->now_ns;
	x->n_flows = was != NULL ? was->n_flows : 0;
	of_map_put(&a->meters, x);
	a->at_once = true;
	free(was);
	return 0;
}

// All of them in one look at all flows, not one for each meter.
static int flows_end(struct of_agent *a, uint32_t id, struct of_wire_error *e)
{
	const struct of_meter *x = id == OF13_METER_ALL ? NULL : of_meter_find(a, id);
	int rc;

	if (id != OF13_METER_ALL && (x == NULL || x->n_flows == 0)) // section 6.4: no error
		return 0;
	if (!a->txn.midway)
		of_journal_alone(a);
	rc = of_flow_end_meter(a, id);
	return rc >= 0 ? rc : bad(e, OF13_METER_MOD_FAILED_UNKNOWN);
}

static void end(struct of_agent *a, struct of_meter *x)
{
	dp_of_meter_del(a->p.of, x->id);
	a->at_once = true;
	of_map_remove(&a->meters, x->id);
	free(x);
}

void of_meter_remove(struct of_agent *a, uint32_t id)
{
	struct of_meter *x = id == OF13_METER_ALL ? NULL : of_meter_find(a, id);

	of_publish(a);					// flows first
	while (id == OF13_METER_ALL && a->meters.n > 0) // the last one first: none moves up
		end(a, a->meters.at[a->meters.n - 1]);
	if (x != NULL)
		end(a, x);
}

int of_meter_mod(struct of_agent *a, const struct of13_meter_mod *m, struct of_wire_error *e)
{
	struct of_meter *x;

	if (m->command > OF13_METER_MOD_COMMAND_DELETE)
		return bad(e, OF13_METER_MOD_FAILED_BAD_COMMAND);
	if (m->command == OF13_METER_MOD_COMMAND_DELETE)
		return flows_end(a, m->meter_id, e);
	if (m->meter_id == 0 || (m->meter_id > OF_METER_MAX && !is_virtual(m->meter_id)))
		return bad(e, OF13_METER_MOD_FAILED_INVALID_METER);
	x = of_meter_find(a, m->meter_id);
	if (m->command == OF13_METER_MOD_COMMAND_ADD && x != NULL)
		return bad(e, OF13_METER_MOD_FAILED_METER_EXISTS);
	if (m->command == OF13_METER_MOD_COMMAND_MODIFY && x == NULL)
		return bad(e, OF13_METER_MOD_FAILED_UNKNOWN_METER);
	return set(a, m, x, e);
}

void of_meters_destroy(struct of_agent *a)
{
	for (uint32_t i = 0; i < a->meters.n; i++) {
		struct of_meter *x = a->meters.at[i];

		dp_of_meter_del(a->p.of, x->id);
		free(x);
	}
	of_map_fini(&a->meters);
}
