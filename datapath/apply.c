// From a plan to the next snapshot: prepare may fail and is undone, commit cannot fail.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_malloc.h>

#include "switch_priv.h"
#include "weir_log.h"

struct dp_prepared {
	struct dp_view *views[DP_MAX_PORTS];
	bool fresh_view[DP_MAX_PORTS]; // made by this plan
	bool fresh_port[DP_MAX_PORTS];
	struct qos_portals *portals; // new table, or NULL = unchanged
	struct dp_snapshot *snap;
	uint32_t ageing_s, mac_limit; // 0 = unchanged
};

static int view_make(struct dp_switch *sw, struct dp_port *port, const struct dp_port_params *p,
		     struct dp_view **out)
{
	struct dp_view *v = rte_zmalloc("view", sizeof(*v), RTE_CACHE_LINE_SIZE);

	if (v == NULL)
		return -ENOMEM;
	v->port = port;
	v->serial = sw->next_serial++;
	v->mirror_idx = DP_PORT_NONE;
	v->cfg = *p;
	*out = v;
	return 0;
}

static int port_new(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_port_params *p,
		    struct weir_err *err)
{
	int rc = p->mtu > 1500 && !sw->rehearses ? dp_large_pool(sw, err) : 0;
	struct dp_port *port;

	if (rc < 0)
		return rc;
	port = dp_port_create(sw, p, err, &rc);
	if (port == NULL)
		return rc;
	if (view_make(sw, port, p, &pr->views[port->idx]) < 0) {
		dp_port_destroy(sw, port);
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	}
	pr->fresh_view[port->idx] = pr->fresh_port[port->idx] = true;
	return 0;
}

// Does b's link need something that a's holds on to?
static bool same_device(const struct dp_port_params *a, const struct dp_port_params *b)
{
	size_t n = strcspn(a->args, ","); // options of a device follow its name

	if (strcmp(a->driver, b->driver) != 0)
		return false;
	if (strcmp(a->driver, "ethdev") != 0)
		return strcmp(a->args, b->args) == 0;
	return n == strcspn(b->args, ",") && memcmp(a->args, b->args, n) == 0;
}

// A guest takes any size, and guests and taps choose their queues; a device is set up once.
static bool same_link(const struct dp_port_params *a, const struct dp_port_params *b)
{
	return strcmp(a->driver, b->driver) == 0 && strcmp(a->args, b->args) == 0 &&
	       (a->mtu == b->mtu || strcmp(a->driver, "vhost-user") == 0) &&
	       (a->n_queues == b->n_queues || strcmp(a->driver, "ethdev") != 0);
}

// Another link under the same name is another port: the new one is made while the old one still
// works, and takes its place with the commit.
static int port_replace(struct dp_switch *sw, struct dp_prepared *pr, int idx,
			const struct dp_port_params *p, struct weir_err *err)
{
	int rc = pr->fresh_view[idx] ? weir_err_set(err, -EINVAL,
						    "port %s: changed twice in one change", p->name)
				     : port_new(sw, pr, p, err);

	if (rc == 0)
		pr->views[idx] = NULL;
	return rc;
}

static int port_set(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_port_params *p,
		    struct weir_err *err)
{
	int idx = dp_port_find(sw, pr->views, p->name);
	const struct dp_view *old;
	struct dp_view *v;

	if (idx < 0)
		return port_new(sw, pr, p, err);
	old = pr->views[idx];
	if (!same_link(&old->cfg, p)) {
		if (!same_device(&old->cfg, p))
			return port_replace(sw, pr, idx, p, err);
		return weir_err_set(err, -EBUSY,
				    "port %s: %s %s: options, queues and MTU of a device do not "
				    "change while it is in use; remove the port in one change and "
				    "add it in the next",
				    p->name, p->driver, p->args);
	}
	if (view_make(sw, old->port, p, &v) < 0)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", p->name);
	if (pr->fresh_view[idx])
		rte_free(pr->views[idx]);
	pr->views[idx] = v;
	pr->fresh_view[idx] = true;
	return 0;
}

static int port_del(struct dp_switch *sw, struct dp_prepared *pr, const char *name,
		    struct weir_err *err)
{
	int idx = dp_port_find(sw, pr->views, name);

	if (idx < 0)
		return weir_err_set(err, -ENOENT, "port %s: no such port", name);
	if (pr->fresh_port[idx])
		return weir_err_set(err, -EINVAL, "port %s: added and removed in one change", name);
	if (pr->fresh_view[idx]) {
		rte_free(pr->views[idx]);
		pr->fresh_view[idx] = false;
	}
	pr->views[idx] = NULL;
	return 0;
}

static int portal_act(struct dp_prepared *pr, const struct dp_act *a, struct weir_err *err)
{
	const struct dp_act_portal *p = (const void *)a;
	int rc = 0;

	if (pr->portals == NULL && qos_portals_create(&pr->portals) < 0)
		return weir_err_set(err, -ENOMEM, "portals: out of memory");
	if (a->kind == DP_ACT_PORTAL_ADD)
		rc = qos_portals_add(pr->portals, &p->addr, p->proto, p->port);
	else if (a->kind == DP_ACT_SERVER_ADD)
		rc = qos_portals_add_server(pr->portals, &p->addr, p->prefix_bits);
	if (rc == -ENOSPC)
		return weir_err_set(err, rc, "portals: more than %u portals or %u servers",
				    QOS_PORTALS_MAX, QOS_SERVERS_MAX);
	return rc == -EEXIST ? 0 : rc; // declared twice is declared
}

static int act_prepare(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_act *a,
		       struct weir_err *err)
{
	switch (a->kind) {
	case DP_ACT_PORT_SET:
		return port_set(sw, pr, &((const struct dp_act_port_set *)(const void *)a)->p, err);
	case DP_ACT_PORT_DEL:
		return port_del(sw, pr, ((const struct dp_act_port_del *)(const void *)a)->name,
				err);
	case DP_ACT_PORTALS_CLEAR:
	case DP_ACT_PORTAL_ADD:
	case DP_ACT_SERVER_ADD:
		return portal_act(pr, a, err);
	case DP_ACT_L2_SET:
		pr->ageing_s = ((const struct dp_act_l2 *)(const void *)a)->ageing_s;
		pr->mac_limit = ((const struct dp_act_l2 *)(const void *)a)->mac_limit;
		return 0;
	default:
		return weir_err_set(err, -EINVAL, "plan: action %u is unknown", a->kind);
	}
}

// Mirror names become indexes. A view that only its mirror's index changes is made anew.
static int mirrors_resolve(struct dp_switch *sw, struct dp_prepared *pr, struct weir_err *err)
{
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		struct dp_view *v = pr->views[i];
		int to = DP_PORT_NONE;

		if (v == NULL)
			continue;
		if (v->cfg.mirror_to[0] != '\0') {
			to = dp_port_find(sw, pr->views, v->cfg.mirror_to);
			if (to < 0)
				return weir_err_set(err, -ENOENT,
						    "port %s: mirror-to %s: no such port",
						    v->cfg.name, v->cfg.mirror_to);
		}
		if (v->mirror_idx == (uint16_t)to)
			continue;
		if (!pr->fresh_view[i]) {
			if (view_make(sw, v->port, &v->cfg, &v) < 0)
				return weir_err_set(err, -ENOMEM, "port %s: out of memory",
						    v->cfg.name);
			pr->views[i] = v;
			pr->fresh_view[i] = true;
		}
		v->mirror_idx = (uint16_t)to;
	}
	return 0;
}

static int pin_refuse(const struct dp_view *a, const struct dp_view *b, struct weir_err *err)
{
	const uint8_t *m = a->cfg.mac;

	return weir_err_set(err, -EEXIST,
			    "port %s: MAC %02x:%02x:%02x:%02x:%02x:%02x is port %s's in the same "
			    "VLAN",
			    a->cfg.name, m[0], m[1], m[2], m[3], m[4], m[5], b->cfg.name);
}

// A MAC is pinned to one port of a VLAN. An open hash of those seen so far, never more than half
// full.
static int pins_check(const struct dp_prepared *pr, struct weir_err *err)
{
	uint16_t seen[2 * DP_MAX_PORTS] = { 0 }; // index + 1

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *a = pr->views[i];
		uint64_t key;
		uint32_t at;

		if (a == NULL || (a->cfg.flags & DP_PF_MAC_FIXED) == 0)
			continue;
		key = dp_fdb_key(a->cfg.vid, a->cfg.mac);
		at = (uint32_t)(key * 0x9e3779b97f4a7c15u >> 40) % RTE_DIM(seen);
		for (; seen[at] != 0; at = (at + 1) % RTE_DIM(seen)) {
			const struct dp_view *b = pr->views[seen[at] - 1];

			if (dp_fdb_key(b->cfg.vid, b->cfg.mac) == key)
				return pin_refuse(a, b, err);
		}
		seen[at] = (uint16_t)(i + 1);
	}
	return 0;
}

static int prepare(struct dp_switch *sw, const struct dp_plan *plan, struct dp_prepared **out,
		   struct weir_err *err)
{
	struct dp_prepared *pr = calloc(1, sizeof(*pr));
	int rc = 0;

	*out = NULL;
	if (pr == NULL)
		return weir_err_set(err, -ENOMEM, "plan: out of memory");
	memcpy(pr->views, dp_root(sw)->views, sizeof(pr->views));
	for (const struct dp_act *a = dp_plan_next(plan, NULL); a != NULL && rc == 0;
	     a = dp_plan_next(plan, a))
		rc = act_prepare(sw, pr, a, err);
	if (rc == 0)
		rc = mirrors_resolve(sw, pr, err);
	if (rc == 0)
		rc = pins_check(pr, err);
	if (rc == 0) {
		rc = dp_snapshot_build(sw, pr->views,
				       pr->portals != NULL ? pr->portals : sw->portals, &pr->snap);
		if (rc < 0)
			weir_err_set(err, rc, "snapshot: out of memory");
	}
	if (rc < 0) {
		dp_switch_abort(sw, pr);
		return rc;
	}
	*out = pr;
	return 0;
}

// Wait until nothing is left of what earlier commits removed, or it takes too long: workers report
// within their turn, so this is microseconds. returns true when something went
static bool settle(struct dp_switch *sw)
{
	const struct timespec nap = { .tv_nsec = 200000 };
	bool any = sw->retired != NULL;

	for (int i = 0; sw->retired != NULL && i < 100; i++) {
		nanosleep(&nap, NULL);
		dp_reclaim(sw, false);
	}
	return any && sw->retired == NULL;
}

int dp_switch_prepare(struct dp_switch *sw, const struct dp_plan *plan, struct dp_prepared **out,
		      struct weir_err *err)
{
	int rc = prepare(sw, plan, out, err);

	// A device or a place may still be held by a port that the commit before this one removed.
	if ((rc == -EBUSY || rc == -EEXIST || rc == -ENOSPC) && settle(sw))
		rc = prepare(sw, plan, out, err);
	return rc;
}

int dp_switch_rehearse(struct dp_switch *sw, const struct dp_plan *plan, struct weir_err *err)
{
	struct dp_prepared *pr;
	int rc;

	sw->rehearses = true;
	rc = dp_switch_prepare(sw, plan, &pr, err);
	if (rc == 0)
		dp_switch_abort(sw, pr);
	sw->rehearses = false;
	return rc;
}

void dp_switch_abort(struct dp_switch *sw, struct dp_prepared *pr)
{
	if (pr == NULL)
		return;
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		if (pr->fresh_port[i])
			dp_port_destroy(sw, sw->ports[i]);
		if (pr->fresh_view[i])
			rte_free(pr->views[i]);
	}
	qos_portals_destroy(pr->portals);
	dp_snapshot_free(pr->snap);
	free(pr);
}

static void free_view(struct dp_switch *sw, void *obj)
{
	(void)sw;
	rte_free(obj);
}

static void free_portals(struct dp_switch *sw, void *obj)
{
	(void)sw;
	qos_portals_destroy(obj);
}

static void free_port(struct dp_switch *sw, void *obj)
{
	dp_port_destroy(sw, obj);
}

static void pin(struct dp_switch *sw, const struct dp_view *v)
{
	if ((v->cfg.flags & DP_PF_MAC_FIXED) != 0 && v->cfg.vid != 0 &&
	    dp_fdb_pin(sw->fdb, dp_fdb_key(v->cfg.vid, v->cfg.mac), v->port->idx) < 0)
		weir_log(WEIR_ERROR, "port %s: its MAC found no room in the forwarding table",
			 v->cfg.name);
}

static bool same_l2(const struct dp_port_params *a, const struct dp_port_params *b)
{
	return a->vid == b->vid && a->vlan_mode == b->vlan_mode && memcmp(a->mac, b->mac, 6) == 0 &&
	       memcmp(a->trunk, b->trunk, sizeof(a->trunk)) == 0 &&
	       ((a->flags ^ b->flags) & DP_PF_MAC_FIXED) == 0;
}

void dp_switch_commit(struct dp_switch *sw, struct dp_prepared *pr)
{
	struct dp_view *old[DP_MAX_PORTS];

	memcpy(old, dp_root(sw)->views, sizeof(old));
	pr->snap->tap = dp_root(sw)->tap; // it may have come or gone since prepare
	dp_publish(sw, pr->snap);
	// What is gone leaves the table before what is new enters it: a MAC may move between ports.
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		if (old[i] == NULL || old[i] == pr->views[i])
			continue;
		if (pr->views[i] == NULL || !same_l2(&old[i]->cfg, &pr->views[i]->cfg))
			dp_fdb_flush_port(sw->fdb, (uint16_t)i, true);
	}
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		if (pr->fresh_view[i])
			pin(sw, pr->views[i]);
		if (old[i] != pr->views[i])
			sw->mac_limits[i] = pr->views[i] == NULL ? 0 : pr->views[i]->cfg.mac_limit;
		if (old[i] == NULL || old[i] == pr->views[i])
			continue;
		if (pr->views[i] == NULL)
			dp_retire(sw, free_port, old[i]->port);
		dp_retire(sw, free_view, old[i]);
	}
	if (pr->portals != NULL) {
		dp_retire(sw, free_portals, sw->portals);
		sw->portals = pr->portals;
	}
	if (pr->ageing_s != 0)
		sw->ageing_s = pr->ageing_s;
	if (pr->mac_limit != 0)
		dp_fdb_set_limit(sw->fdb, pr->mac_limit);
	free(pr);
}
