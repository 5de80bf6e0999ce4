// Building the root that workers read: port views, flood lists per VLAN, rx queues per worker.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "dp_of.h"
#include "switch_priv.h"

struct vids {
	uint32_t n;
	uint16_t v[DP_VIDS];
};

// Is the port in every VLAN? Then it stands in every flood list.
static bool full_trunk(const struct dp_port_params *cfg)
{
	if (cfg->vlan_mode == DP_VLAN_TRANSPARENT)
		return (cfg->flags & DP_PF_MIRROR_DST) == 0;
	if (cfg->vlan_mode < DP_VLAN_TRUNK || cfg->vlan_mode == DP_VLAN_QINQ_CUSTOMER ||
	    (cfg->flags & DP_PF_MIRROR_DST) != 0 || (cfg->trunk[0] | 1) != 0xff ||
	    (cfg->trunk[DP_VIDS / 8 - 1] | 0x80) != 0xff)
		return false;
	for (uint32_t i = 1; i < DP_VIDS / 8 - 1; i++) {
		if (cfg->trunk[i] != 0xff)
			return false;
	}
	return true;
}

// The VLANs whose floods a port gets, one by one.
static void vids_of(const struct dp_port_params *cfg, struct vids *out)
{
	bool trunk = cfg->vlan_mode != DP_VLAN_ACCESS && cfg->vlan_mode != DP_VLAN_QINQ_CUSTOMER;

	out->n = 0;
	if ((cfg->flags & DP_PF_MIRROR_DST) != 0)
		return;
	if (cfg->vid != 0 && cfg->vid < DP_VIDS - 1 && dp_port_carries(cfg, cfg->vid) &&
	    !(trunk && dp_vid_in(cfg->trunk, cfg->vid)))
		out->v[out->n++] = cfg->vid;
	for (uint32_t word = 0; trunk && word < DP_VIDS / 64; word++) {
		uint64_t bits = dp_load64(cfg->trunk + word * 8);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t vid = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (vid != 0 && vid != DP_VIDS - 1)
				out->v[out->n++] = (uint16_t)vid;
		}
	}
}

// Room for the lists: n[vid] ports for the VLANs that some port names one by one; all other VLANs
// flood to the full trunks alone, and share their list.
static int arena_make(struct dp_snapshot *s, const uint16_t n[DP_VIDS], const struct vids *full)
{
	size_t total = full->n, at = full->n;

	for (uint32_t vid = 1; vid < DP_VIDS - 1; vid++)
		total += n[vid] == 0 ? 0 : n[vid] + full->n;
	s->arena = rte_malloc("flood", sizeof(uint16_t) * (total + 1), 64);
	if (s->arena == NULL)
		return -ENOMEM;
	memcpy(s->arena, full->v, full->n * sizeof(s->arena[0]));
	for (uint32_t vid = 1; vid < DP_VIDS - 1; vid++) {
		s->flood[vid] = (struct dp_flood){ s->arena, full->n };
		if (n[vid] == 0)
			continue;
		memcpy(s->arena + at, full->v, full->n * sizeof(s->arena[0]));
		s->flood[vid].ports = s->arena + at;
		at += n[vid] + full->n;
	}
	return 0;
}

// Two rounds over the ports: how many each VLAN has, then which.
static int flood_lists(struct dp_snapshot *s)
{
	struct vids full = { .n = 0 }, vids; // full: indexes of ports
	uint16_t n[DP_VIDS] = { 0 };
	bool is_full[DP_MAX_PORTS];

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		is_full[i] = s->views[i] != NULL && full_trunk(&s->views[i]->cfg);
		if (is_full[i])
			full.v[full.n++] = (uint16_t)i;
		if (s->views[i] == NULL || is_full[i])
			continue;
		vids_of(&s->views[i]->cfg, &vids);
		for (uint32_t k = 0; k < vids.n; k++)
			n[vids.v[k]]++;
	}
	if (arena_make(s, n, &full) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		if (s->views[i] == NULL || is_full[i])
			continue;
		vids_of(&s->views[i]->cfg, &vids);
		for (uint32_t k = 0; k < vids.n; k++) {
			struct dp_flood *f = &s->flood[vids.v[k]];

			s->arena[f->ports - s->arena + f->n++] = (uint16_t)i;
		}
	}
	return 0;
}

// Each rx queue to one worker: the first to the owner of the link, the next ones round the others.
static int rxq_lists(const struct dp_switch *sw, struct dp_snapshot *s)
{
	uint16_t n_rxq[DP_MAX_PORTS]; // asked once: a guest may add queues at any time
	uint32_t n[DP_MAX_WORKERS] = { 0 };

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		struct dp_link_status st;

		if (s->views[i] == NULL)
			continue;
		s->views[i]->port->drv->status(s->views[i]->port->link, &st);
		n_rxq[i] = st.n_rxq;
		for (uint16_t q = 0; q < n_rxq[i]; q++)
			n[(s->views[i]->port->owner + q) % sw->n_workers]++;
	}
	for (uint32_t id = 0; id < sw->n_workers; id++) {
		s->rxqs[id] = rte_zmalloc("rxqs", (n[id] + 1) * sizeof(struct dp_rxq), 64);
		if (s->rxqs[id] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		for (uint16_t q = 0; s->views[i] != NULL && q < n_rxq[i]; q++) {
			uint32_t id = (s->views[i]->port->owner + q) % sw->n_workers;

			s->rxqs[id][s->n_rxqs[id]++] = (struct dp_rxq){
				.view = s->views[i],
				.q = q,
				.n_share = (uint8_t)RTE_MIN(n_rxq[i], sw->n_workers),
			};
		}
	}
	return 0;
}

static bool has_of_number(const struct dp_view *v)
{
	return v != NULL && v->cfg.of_port != 0 && v->cfg.of_port < DP_OFPP_MAX;
}

// OpenFlow's numbers of ports. The first host port is LOCAL.
static int of_numbers(struct dp_snapshot *s)
{
	uint32_t n = 0;

	s->of_local = DP_MAX_PORTS;
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		if (!has_of_number(s->views[i]))
			continue;
		s->n_of_idx = RTE_MAX(s->n_of_idx, s->views[i]->cfg.of_port + 1);
		n++;
	}
	s->of_idx = rte_malloc("of_idx", sizeof(uint16_t) * (s->n_of_idx + 1 + n), 64);
	if (s->of_idx == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_of_idx; i++)
		s->of_idx[i] = DP_MAX_PORTS;
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *v = s->views[i];

		if (v != NULL && v->cfg.role == DP_ROLE_HOST && s->of_local == DP_MAX_PORTS)
			s->of_local = (uint16_t)i;
		else if (has_of_number(v) && v->cfg.role != DP_ROLE_HOST)
			s->of_idx[v->cfg.of_port] = (uint16_t)i;
	}
	s->of_ports = s->of_idx + s->n_of_idx;
	for (uint32_t i = 0; i < s->n_of_idx; i++) {
		if (s->of_idx[i] != DP_MAX_PORTS)
			s->of_ports[s->n_of_ports++] = s->of_idx[i];
	}
	return 0;
}

int dp_snapshot_build(struct dp_switch *sw, const struct dp_parts *parts, struct dp_snapshot **out)
{
	const struct dp_snapshot *old = dp_root(sw);
	struct dp_snapshot *s = rte_zmalloc("snapshot", sizeof(*s), 64);
	int rc;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->tap = old == NULL ? NULL : old->tap;
	s->of = old == NULL ? NULL : old->of;
	atomic_init(&s->portals, parts->portals);
	s->qos = parts->qos;
	s->services = parts->services;
	memcpy(s->views, parts->views, sizeof(parts->views));
	memcpy(s->vms, parts->vms, sizeof(s->vms));
	for (uint32_t i = 0; i < DP_MAX_PORTS; i++)
		s->n_ports += s->views[i] != NULL;
	rc = of_numbers(s);
	if (rc == 0)
		rc = flood_lists(s);
	if (rc == 0)
		rc = rxq_lists(sw, s);
	if (rc < 0) {
		dp_snapshot_free(s);
		return rc;
	}
	dp_limit_share(s, sw->n_workers);
	*out = s;
	return 0;
}

int dp_snapshot_again(struct dp_switch *sw, struct dp_snapshot **out)
{
	const struct dp_snapshot *now = dp_root(sw);
	struct dp_parts parts = { .portals = dp_portals(now),
				  .qos = now->qos,
				  .services = now->services };

	memcpy(parts.views, now->views, sizeof(parts.views));
	memcpy(parts.vms, now->vms, sizeof(parts.vms));
	return dp_snapshot_build(sw, &parts, out);
}

void dp_snapshot_free(struct dp_snapshot *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < DP_MAX_WORKERS; i++)
		rte_free(s->rxqs[i]);
	rte_free(s->arena);
	rte_free(s->of_idx);
	rte_free(s);
}
