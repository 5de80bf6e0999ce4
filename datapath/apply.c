// From a plan to the next snapshot: prepare may fail and is undone, commit cannot fail.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_malloc.h>

#include "switch_priv.h"
#include "weir_log.h"

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

struct dp_view *dp_view_renew(struct dp_switch *sw, struct dp_prepared *pr, uint32_t idx)
{
	const struct dp_view *old = pr->next.views[idx];
	struct dp_view *v;

	if (pr->fresh_view[idx])
		return pr->next.views[idx];
	if (view_make(sw, old->port, &old->cfg, &v) < 0)
		return NULL;
	v->mirror_idx = old->mirror_idx;
	v->vm = old->vm;
	pr->next.views[idx] = v;
	pr->fresh_view[idx] = true;
	return v;
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
	if (view_make(sw, port, p, &pr->next.views[port->idx]) < 0) {
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

static uint32_t quiet_flags(uint8_t quiet)
{
	if (quiet == DP_SPEAKS)
		return 0;
	return quiet == DP_QUIET_TILL_UP ? DP_PF_STANDBY | DP_PF_AWAITING : DP_PF_STANDBY;
}

// Quiet is what the VM does, not what is configured.
static void quiet_keep(const struct dp_view *old, struct dp_view *v)
{
	v->cfg.flags |= old->cfg.flags & (DP_PF_STANDBY | DP_PF_AWAITING);
}

// Another link under the same name is another port: the new one is made while the old one still
// works, and takes its place with the commit.
static int port_replace(struct dp_switch *sw, struct dp_prepared *pr, int idx,
			const struct dp_port_params *p, struct weir_err *err)
{
	int rc = pr->fresh_view[idx] ? weir_err_set(err, -EINVAL,
						    "port %s: changed twice in one change", p->name)
				     : port_new(sw, pr, p, err);

	if (rc < 0)
		return rc;
	quiet_keep(pr->next.views[idx], pr->next.views[dp_port_find(sw, pr->next.views, p->name)]);
	pr->next.views[idx] = NULL;
	return 0;
}

static int port_set(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_port_params *p,
		    struct weir_err *err)
{
	int idx = dp_port_find(sw, pr->next.views, p->name);
	const struct dp_view *old;
	struct dp_view *v;

	if (idx < 0)
		return port_new(sw, pr, p, err);
	old = pr->next.views[idx];
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
	quiet_keep(old, v);
	if (pr->fresh_view[idx])
		rte_free(pr->next.views[idx]);
	pr->next.views[idx] = v;
	pr->fresh_view[idx] = true;
	return 0;
}

static int port_quiet(struct dp_switch *sw, struct dp_prepared *pr,
		      const struct dp_act_port_quiet *a, struct weir_err *err)
{
	int idx = dp_port_find(sw, pr->next.views, a->name);
	struct dp_view *v;

	if (idx < 0)
		return weir_err_set(err, -ENOENT, "port %s: no such port", a->name);
	v = dp_view_renew(sw, pr, (uint32_t)idx);
	if (v == NULL)
		return weir_err_set(err, -ENOMEM, "port %s: out of memory", a->name);
	v->cfg.flags &= ~(uint32_t)(DP_PF_STANDBY | DP_PF_AWAITING);
	v->cfg.flags |= quiet_flags(a->quiet);
	return 0;
}

static int port_del(struct dp_switch *sw, struct dp_prepared *pr, const char *name,
		    struct weir_err *err)
{
	int idx = dp_port_find(sw, pr->next.views, name);

	if (idx < 0)
		return weir_err_set(err, -ENOENT, "port %s: no such port", name);
	if (pr->fresh_port[idx])
		return weir_err_set(err, -EINVAL, "port %s: added and removed in one change", name);
	if (pr->fresh_view[idx]) {
		rte_free(pr->next.views[idx]);
		pr->fresh_view[idx] = false;
	}
	pr->next.views[idx] = NULL;
	return 0;
}

static int portal_act(struct dp_prepared *pr, const struct dp_act *a, struct weir_err *err)
{
	const struct dp_act_portal *p = (const void *)a;
	int rc = 0;

	if (pr->portals == NULL && qos_portals_create(&pr->portals) < 0)
		return weir_err_set(err, -ENOMEM, "portals: out of memory");
	if (a->kind == DP_ACT_PORTALS_CLEAR && a->size >= sizeof(*p))
		qos_portals_set_l2(pr->portals, p->l2);
	else if (a->kind == DP_ACT_PORTAL_ADD)
		rc = qos_portals_put(
			pr->portals,
			&(struct qos_portal){ .addr = p->addr,
					      .port = p->port,
					      .proto = p->proto,
					      .service = p->service,
					      .how = p->how == 0 ? QOS_HOW_DECLARED : p->how });
	else if (a->kind == DP_ACT_SERVER_ADD)
		rc = qos_portals_add_server(pr->portals, &p->addr, p->prefix_bits);
	if (rc == -ENOSPC)
		return weir_err_set(err, rc, "portals: more than %u portals or %u servers",
				    QOS_PORTALS_MAX, QOS_SERVERS_MAX);
	return rc == -EEXIST ? 0 : rc; // declared twice is declared
}

static int qos_act(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_act_qos_set *a,
		   struct weir_err *err)
{
	int rc = dp_qos_check(a, err);

	if (rc < 0)
		return rc;
	if (pr->qos == NULL)
		pr->qos = rte_zmalloc("qos", sizeof(*pr->qos), 0);
	if (pr->qos == NULL)
		return weir_err_set(err, -ENOMEM, "classes: out of memory");
	pr->qos->serial = sw->next_serial++;
	memcpy(pr->qos->classes, a->classes, sizeof(pr->qos->classes));
	memcpy(pr->qos->vlan_class, a->vlan_class, sizeof(pr->qos->vlan_class));
	return 0;
}

static int services_act(struct dp_prepared *pr, const struct dp_act_services *a,
			struct weir_err *err)
{
	if (pr->services == NULL)
		pr->services = rte_zmalloc("services", sizeof(*pr->services), 0);
	if (pr->services == NULL)
		return weir_err_set(err, -ENOMEM, "boot services: out of memory");
	memcpy(pr->services->ip4, a->ip4, sizeof(pr->services->ip4));
	return 0;
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
	case DP_ACT_QOS_SET:
		return qos_act(sw, pr, (const void *)a, err);
	case DP_ACT_VM_SET:
		return dp_vms_set(sw, pr, &((const struct dp_act_vm_set *)(const void *)a)->p, err);
	case DP_ACT_VM_DEL:
		return dp_vms_del(sw, pr, ((const struct dp_act_vm_del *)(const void *)a)->name,
				  err);
	case DP_ACT_PORT_QUIET:
		return port_quiet(sw, pr, (const void *)a, err);
	case DP_ACT_SERVICES_SET:
		return services_act(pr, (const void *)a, err);
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
		struct dp_view *v = pr->next.views[i];
		int to = DP_PORT_NONE;

		if (v == NULL)
			continue;
		if (v->cfg.mirror_to[0] != '\0') {
			to = dp_port_find(sw, pr->next.views, v->cfg.mirror_to);
			if (to < 0)
				return weir_err_set(err, -ENOENT,
						    "port %s: mirror-to %s: no such port",
						    v->cfg.name, v->cfg.mirror_to);
		}
		if (v->mirror_idx == (uint16_t)to)
			continue;
		v = dp_view_renew(sw, pr, (uint32_t)i);
		if (v == NULL)
			return weir_err_set(err, -ENOMEM, "port %s: out of memory",
					    pr->next.views[i]->cfg.name);
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
		const struct dp_view *a = pr->next.views[i];
		uint64_t key;
		uint32_t at;

		if (a == NULL || (a->cfg.flags & DP_PF_MAC_FIXED) == 0)
			continue;
		key = dp_fdb_key(a->cfg.vid, a->cfg.mac);
		at = (uint32_t)(key * 0x9e3779b97f4a7c15u >> 40) % RTE_DIM(seen);
		for (; seen[at] != 0; at = (at + 1) % RTE_DIM(seen)) {
			const struct dp_view *b = pr->next.views[seen[at] - 1];

			if (dp_fdb_key(b->cfg.vid, b->cfg.mac) == key)
				return pin_refuse(a, b, err);
		}
		seen[at] = (uint16_t)(i + 1);
	}
	return 0;
}

// Memory of what is new, before a worker needs it: of new VMs on all shared links, and of all VMs
// on new ones.
static void queues_populate(const struct dp_switch *sw, const struct dp_prepared *pr)
{
	const struct dp_snapshot *now = dp_root(sw);

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		const struct dp_view *v = pr->next.views[i];

		if (v == NULL || v->port->n_vms == 1)
			continue;
		for (uint16_t k = 1; k < DP_MAX_VMS; k++) {
			if (pr->next.vms[k] != NULL && (now->vms[k] == NULL || pr->fresh_port[i]))
				dp_queue_populate(v->port, k);
		}
	}
}

static int prepare(struct dp_switch *sw, const struct dp_plan *plan, struct dp_prepared **out,
		   struct weir_err *err)
{
	struct dp_prepared *pr = calloc(1, sizeof(*pr));
	int rc = 0;

	*out = NULL;
	if (pr == NULL)
		return weir_err_set(err, -ENOMEM, "plan: out of memory");
	memcpy(pr->next.views, dp_root(sw)->views, sizeof(pr->next.views));
	memcpy(pr->next.vms, dp_root(sw)->vms, sizeof(pr->next.vms));
	for (const struct dp_act *a = dp_plan_next(plan, NULL); a != NULL && rc == 0;
	     a = dp_plan_next(plan, a))
		rc = act_prepare(sw, pr, a, err);
	if (rc == 0)
		rc = mirrors_resolve(sw, pr, err);
	if (rc == 0)
		rc = dp_vms_resolve(sw, pr, err);
	if (rc == 0)
		rc = pins_check(pr, err);
	if (rc == 0) {
		pr->next.portals = pr->portals != NULL ? pr->portals : sw->portals;
		pr->next.qos = pr->qos != NULL ? pr->qos : sw->qos;
		pr->next.services = pr->services != NULL ? pr->services : sw->services;
		rc = dp_snapshot_build(sw, &pr->next, &pr->snap);
		if (rc < 0)
			weir_err_set(err, rc, "snapshot: out of memory");
	}
	if (rc < 0) {
		dp_switch_abort(sw, pr);
		return rc;
	}
	if (!sw->rehearses)
		queues_populate(sw, pr);
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

int dp_switch_port_quiet(struct dp_switch *sw, const char *name, enum dp_quiet quiet,
			 struct weir_err *err)
{
	struct dp_act_port_quiet a = { .h = { DP_ACT_PORT_QUIET, sizeof(a) },
				       .quiet = (uint8_t)quiet };
	int rc, idx = dp_port_find(sw, dp_root(sw)->views, name);
	struct dp_prepared *pr;
	struct dp_plan plan;

	if (idx >= 0 && (dp_root(sw)->views[idx]->cfg.flags & (DP_PF_STANDBY | DP_PF_AWAITING)) ==
				quiet_flags(a.quiet))
		return 0;
	snprintf(a.name, sizeof(a.name), "%s", name);
	dp_plan_init(&plan);
	rc = dp_plan_add(&plan, &a.h);
	rc = rc < 0 ? weir_err_set(err, rc, "port %s: out of memory", name)
		    : dp_switch_prepare(sw, &plan, &pr, err);
	if (rc == 0)
		dp_switch_commit(sw, pr);
	dp_plan_fini(&plan);
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
			rte_free(pr->next.views[i]);
	}
	dp_vms_abort(pr);
	qos_portals_destroy(pr->portals);
	rte_free(pr->qos);
	rte_free(pr->services);
	dp_snapshot_free(pr->snap);
	free(pr);
}

static void free_object(struct dp_switch *sw, void *obj)
{
	(void)sw;
	rte_free(obj);
}

static void free_port(struct dp_switch *sw, void *obj)
{
	dp_port_destroy(sw, obj);
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
	struct dp_vm_view *old_vms[DP_MAX_VMS];

	memcpy(old, dp_root(sw)->views, sizeof(old));
	memcpy(old_vms, dp_root(sw)->vms, sizeof(old_vms));
	// These may have come or gone since prepare.
	pr->snap->tap = dp_root(sw)->tap;
	if (pr->portals == NULL)
		atomic_init(&pr->snap->portals, sw->portals);
	dp_publish(sw, pr->snap);
	// What is gone leaves the table before what is new enters it: a MAC may move between ports.
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		if (old[i] == NULL || old[i] == pr->next.views[i])
			continue;
		if (pr->next.views[i] != NULL && same_l2(&old[i]->cfg, &pr->next.views[i]->cfg))
			continue;
		dp_fdb_flush_port(sw->fdb, (uint16_t)i, true);
		if (old[i]->cfg.role == DP_ROLE_UPLINK)
			dp_fdb_forget_place(sw->fdb, (uint16_t)i);
	}
	for (int i = 0; i < DP_MAX_PORTS; i++) {
		if (pr->fresh_view[i])
			dp_port_fix(sw, pr->next.views[i]);
		if (old[i] != pr->next.views[i])
			sw->mac_limits[i] =
				pr->next.views[i] == NULL ? 0 : pr->next.views[i]->cfg.mac_limit;
		if (old[i] == NULL || old[i] == pr->next.views[i])
			continue;
		if (pr->next.views[i] == NULL)
			dp_retire(sw, free_port, old[i]->port);
		dp_retire(sw, free_object, old[i]);
	}
	if (pr->portals != NULL)
		dp_portals_replace(sw, pr->portals);
	if (pr->qos != NULL) {
		dp_retire(sw, free_object, sw->qos);
		sw->qos = pr->qos;
	}
	if (pr->services != NULL) {
		if (sw->services != NULL)
			dp_retire(sw, free_object, sw->services);
		sw->services = pr->services;
	}
	dp_vms_commit(sw, pr, old_vms);
	if (pr->ageing_s != 0)
		sw->ageing_s = pr->ageing_s;
	if (pr->mac_limit != 0)
		dp_fdb_set_limit(sw->fdb, pr->mac_limit);
	free(pr);
}
