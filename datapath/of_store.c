// The groups and meters of an OpenFlow datapath: its stores, and dp_of.h on them.
#include "of_priv.h"

static bool port_live(void *arg, const struct dp_worker *w, uint32_t of_port)
{
	const struct dp_view *v = dp_of_view(w->snap, of_port);

	return v != NULL && v->port->drv->is_up(v->port->link) &&
	       (dp_of_config_of(arg, of_port) & DP_OFPPC_PORT_DOWN) == 0;
}

static void view_gone(struct dp_of *of, void *obj)
{
	(void)of;
	dp_groups_view_free(obj);
}

static void view_retire(void *arg, struct dp_of_group_view *v)
{
	static_assert(sizeof(v->dead) >= sizeof(struct dp_of_dead), "room for who retires");

	dp_of_retire(arg, (struct dp_of_dead *)(void *)v->dead, view_gone, v);
}

static void meter_gone(struct dp_of *of, void *obj)
{
	(void)of;
	dp_meters_free(obj);
}

static void meter_retire(void *arg, void *mem)
{
	dp_of_retire(arg, mem, meter_gone, mem);
}

// What is staged has the number after the one in force.
static uint64_t staged(const struct dp_of *of)
{
	return atomic_load_explicit(&of->version, memory_order_relaxed) + 1;
}

int dp_of_groups_create(struct dp_of *of)
{
	const struct dp_of_groups_params p = {
		.max_groups = of->params.max_groups,
		.n_workers = of->sw->n_workers,
		.port_live = port_live,
		.retire = view_retire,
		.arg = of,
	};

	return dp_groups_create(&p, &of->groups);
}

void dp_of_groups_give_up(struct dp_of *of)
{
	if (of->groups != NULL)
		dp_groups_give_up(of->groups, staged(of));
}

int dp_of_group_set(struct dp_of *of, uint32_t group, enum dp_of_group_type type,
		    const struct dp_of_bucket *buckets, uint32_t n_buckets)
{
	const struct dp_of_group_def def = {
		.type = (uint8_t)type,
		.n_buckets = n_buckets,
		.buckets = buckets,
	};

	of->walks_change = true;
	return dp_groups_set(of->groups, staged(of), group, &def);
}

void dp_of_group_end(struct dp_of *of, uint32_t group)
{
	of->walks_change = true;
	dp_groups_end(of->groups, staged(of), group);
}

int dp_of_group_count(const struct dp_of *of, uint32_t group, uint32_t bucket,
		      struct dp_of_count *out)
{
	return dp_groups_count(of->groups, group, bucket, out);
}

int dp_of_meters_create(struct dp_of *of)
{
	const struct dp_of_meters_params p = {
		.max_meters = of->params.max_meters,
		.n_workers = of->sw->n_workers,
		.retire = meter_retire,
		.arg = of,
	};

	return dp_meters_create(&p, &of->meters);
}

int dp_of_meter_set(struct dp_of *of, uint32_t meter, uint32_t flags,
		    const struct dp_of_band *bands, uint32_t n_bands)
{
	return dp_meters_set(of->meters, meter, flags, bands, n_bands);
}

void dp_of_meter_del(struct dp_of *of, uint32_t meter)
{
	dp_meters_del(of->meters, meter);
}

int dp_of_meter_count(const struct dp_of *of, uint32_t meter, struct dp_of_meter_count *out)
{
	return dp_meters_count(of->meters, meter, out);
}
