// Until packet edits, groups and meters are there: frames cannot be edited, there are no groups,
// and no meter drops.
#include <errno.h>

#include "of_priv.h"

const struct dp_of_group_view *dp_of_group_find(const struct dp_of *of, uint32_t group,
						uint64_t version)
{
	(void)of;
	(void)group;
	(void)version;
	return NULL;
}

uint32_t dp_of_group_pick(struct dp_worker *w, const struct dp_of_group_view *g, uint32_t hash)
{
	(void)w;
	(void)g;
	(void)hash;
	return UINT32_MAX;
}

void dp_of_group_meet(struct dp_worker *w, const struct dp_of_group_view *g, uint32_t bucket,
		      uint32_t size)
{
	(void)w;
	(void)g;
	(void)bucket;
	(void)size;
}

int dp_of_groups_create(struct dp_of *of)
{
	(void)of;
	return 0;
}

void dp_of_groups_destroy(struct dp_of *of)
{
	(void)of;
}

void dp_of_groups_publish(struct dp_of *of, uint64_t version)
{
	(void)of;
	(void)version;
}

void dp_of_groups_give_up(struct dp_of *of)
{
	(void)of;
}

void dp_of_groups_settle(struct dp_of *of, uint64_t settled)
{
	(void)of;
	(void)settled;
}

bool dp_of_meter_pass(struct dp_worker *w, struct dp_of *of, uint32_t meter, struct rte_mbuf *m)
{
	(void)w;
	(void)of;
	(void)meter;
	(void)m;
	return true;
}

int dp_of_meters_create(struct dp_of *of)
{
	(void)of;
	return 0;
}

void dp_of_meters_destroy(struct dp_of *of)
{
	(void)of;
}
