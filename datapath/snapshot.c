// Building the root that workers read: port views, flood lists per VLAN, rx queues per worker.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "switch_priv.h"

static bool full_trunk(const struct dp_port_params *cfg)
{
	if (cfg->vlan_mode < DP_VLAN_TRUNK || cfg->vlan_mode == DP_VLAN_QINQ_CUSTOMER)
		return false;
	for (uint32_t i = 1; i < DP_VIDS - 1; i++) {
		if (!dp_vid_in(cfg->trunk, (uint16_t)i))
			return false;
	}
	return true;
}

// VLANs that some port names one by one; the others all flood to the full trunks alone.
static void named_vids(const struct dp_snapshot *s, const bool full[DP_MAX_PORTS],
		       uint8_t named[DP_VIDS])
{
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *v = s->views[i];

		if (v == NULL)
			continue;
		named[v->cfg.vid] = 1;
		if (full[i] || v->cfg.vlan_mode == DP_VLAN_ACCESS ||
		    v->cfg.vlan_mode == DP_VLAN_QINQ_CUSTOMER)
			continue;
		for (uint32_t vid = 1; vid < DP_VIDS - 1; vid++)
			named[vid] |= dp_vid_in(v->cfg.trunk, (uint16_t)vid);
	}
}

static int flood_lists(struct dp_snapshot *s)
{
	bool full[DP_MAX_PORTS] = { false };
	uint8_t named[DP_VIDS] = { 0 };
	uint32_t n_lists = 1, at = 0, n_full;

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++)
		full[i] = s->views[i] != NULL && full_trunk(&s->views[i]->cfg);
	named_vids(s, full, named);
	for (uint32_t vid = 1; vid < DP_VIDS - 1; vid++)
		n_lists += named[vid];
	s->arena = rte_malloc("flood", sizeof(uint16_t) * n_lists * (s->n_ports + 1), 64);
	if (s->arena == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		if (full[i])
			s->arena[at++] = (uint16_t)i;
	}
	n_full = at;
	for (uint32_t vid = 1; vid < DP_VIDS - 1; vid++) {
		if (!named[vid]) {
			s->flood[vid] = (struct dp_flood){ s->arena, n_full };
			continue;
		}
		s->flood[vid].ports = s->arena + at;
		for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
			const struct dp_view *v = s->views[i];

			if (v != NULL && (v->cfg.flags & DP_PF_MIRROR_DST) == 0 &&
			    dp_port_carries(&v->cfg, (uint16_t)vid))
				s->arena[at++] = (uint16_t)i;
		}
		s->flood[vid].n = (uint32_t)(s->arena + at - s->flood[vid].ports);
	}
	return 0;
}

// Each rx queue to one worker: the first to the owner of the link, the next ones round the others.
static int rxq_lists(const struct dp_switch *sw, struct dp_snapshot *s)
{
	for (uint32_t pass = 0; pass < 2; pass++) {
		uint32_t n[DP_MAX_WORKERS] = { 0 };

		for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
			struct dp_link_status st;
			uint16_t share;

			if (s->views[i] == NULL)
				continue;
			s->views[i]->port->drv->status(s->views[i]->port->link, &st);
			share = (uint16_t)(st.n_rxq < sw->n_workers ? st.n_rxq : sw->n_workers);
			for (uint16_t q = 0; q < st.n_rxq; q++) {
				uint32_t id = (s->views[i]->port->owner + q) % sw->n_workers;

				if (pass == 1 && n[id] < s->n_rxqs[id])
					s->rxqs[id][n[id]] = (struct dp_rxq){ .view = s->views[i],
									      .q = q,
									      .n_share = share };
				n[id]++;
			}
		}
		if (pass == 1)
			break;
		for (uint32_t id = 0; id < sw->n_workers; id++) {
			// A guest may add queues between the passes: it gets them with the next
			// snapshot.
			s->n_rxqs[id] = n[id];
			s->rxqs[id] = rte_zmalloc("rxqs", (n[id] + 1) * sizeof(struct dp_rxq), 64);
			if (s->rxqs[id] == NULL)
				return -ENOMEM;
		}
	}
	// ... or take some away: no empty entry may be polled.
	for (uint32_t id = 0; id < sw->n_workers; id++) {
		while (s->n_rxqs[id] > 0 && s->rxqs[id][s->n_rxqs[id] - 1].view == NULL)
			s->n_rxqs[id]--;
	}
	return 0;
}

int dp_snapshot_build(struct dp_switch *sw, struct dp_view *const views[DP_MAX_PORTS],
		      const struct qos_portals *portals, struct dp_snapshot **out)
{
	const struct dp_snapshot *old = dp_root(sw);
	struct dp_snapshot *s = rte_zmalloc("snapshot", sizeof(*s), 64);
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->tap = old == NULL ? NULL : old->tap;
	s->portals = portals;
	memcpy(s->views, views, sizeof(s->views));
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++)
		s->n_ports += s->views[i] != NULL;
	rc = flood_lists(s);
	if (rc == 0)
		rc = rxq_lists(sw, s);
	if (rc < 0) {
		dp_snapshot_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void dp_snapshot_free(struct dp_snapshot *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < DP_MAX_WORKERS; i++)
		rte_free(s->rxqs[i]);
	rte_free(s->arena);
	rte_free(s);
}
