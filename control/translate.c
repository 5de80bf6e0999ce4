// The only place where configuration becomes parameters of datapath, qos and responder, units
// included.
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "qos_learn.h"

#define ETHERNET_FRAME_BYTES (1514u + QOS_WIRE_OVERHEAD_BYTES)

static int port_set(const struct cfg *next, const struct cfg_port *p, struct dp_plan *plan)
{
	struct dp_act_port_set s = { .h = { DP_ACT_PORT_SET, sizeof(s) } };

	ctl_port_params(next, p, &s.p);
	return dp_plan_add(plan, &s.h);
}

// Limits of boot services reach the ports that have one, as far as these do not change anyway.
static int limits_set(const struct cfg *running, const struct cfg *next, const struct cfg_action *a,
		      int n, struct dp_plan *plan)
{
	static const uint8_t none[4];
	int rc = 0;

	for (uint32_t i = 0; i < next->n_ports && rc == 0; i++) {
		const struct cfg_port *p = &next->ports[i];
		bool set = memcmp(p->service_ip4, none, 4) == 0 ||
			   cfg_port_get(running, p->name) == NULL;

		for (int k = 0; k < n && !set; k++)
			set = a[k].object == CFG_OBJ_PORT && strcmp(a[k].name, p->name) == 0;
		if (!set)
			rc = port_set(next, p, plan);
	}
	return rc;
}

static int services_set(const struct cfg *next, struct dp_plan *plan)
{
	struct dp_act_services s = { .h = { DP_ACT_SERVICES_SET, sizeof(s) } };

	for (uint32_t i = 0; i < next->n_services; i++)
		memcpy(s.ip4[next->services[i].vlan % DP_VIDS], next->services[i].addr, 4);
	return dp_plan_add(plan, &s.h);
}

static int port_act(const struct cfg *next, const struct cfg_action *a, struct dp_plan *plan)
{
	if (a->change == CFG_DEL) {
		struct dp_act_port_del d = { .h = { DP_ACT_PORT_DEL, sizeof(d) } };

		snprintf(d.name, sizeof(d.name), "%.31s", a->name);
		return dp_plan_add(plan, &d.h);
	}
	return port_set(next, cfg_port_get(next, a->name), plan);
}

// --- Quality of service

static void node_params(const struct cfg_node *n, struct qos_node_params *o)
{
	o->reservation_bits_per_s = n->reservation;
	o->limit_bits_per_s = n->limit;
	o->shares = n->shares;
}

static void class_params(const struct cfg_class *c, struct dp_qos_class *o)
{
	node_params(&c->node, &o->sched.node);
	o->sched.codel.target_ns = c->target_us * 1000;
	o->sched.codel.interval_ns = c->interval_us * 1000;
	o->sched.codel.step_ns = c->ecn_us * 1000;
	// RFC 8289 section 3: a queue of less than one frame is no standing queue.
	o->sched.codel.floor_bytes = ETHERNET_FRAME_BYTES;
	o->sched.max_leaf_bytes = c->max_bytes;
	o->sched.max_wait_ns = c->max_wait_us * 1000ull;
	o->pcp = c->pcp;
	o->dscp = c->dscp == CFG_DSCP_KEEP ? DP_DSCP_KEEP : c->dscp;
}

static int qos_set(const struct cfg_qos *q, struct dp_plan *plan)
{
	struct dp_act_qos_set s = { .h = { DP_ACT_QOS_SET, sizeof(s) } };

	static_assert(QOS_N_CLASSES == CFG_CLASSES && DP_VIDS == CFG_VIDS, "the same classes");
	static_assert(QOS_SCHED_RESERVABLE_PERCENT == CFG_RESERVABLE_PERCENT, "the same bound");
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++)
		class_params(&q->cls[i], &s.classes[i]);
	memcpy(s.vlan_class, q->vlan_class, sizeof(s.vlan_class));
	return dp_plan_add(plan, &s.h);
}

static void meter_params(const struct cfg_meter *m, struct qos_meter_params *o)
{
	static const uint8_t modes[] = { QOS_METER_NONE, QOS_METER_RFC4115, QOS_METER_RFC2698 };

	o->mode = modes[m->kind];
	o->colour_aware = m->colour_aware;
	o->committed_bits_per_s = m->committed;
	o->second_bits_per_s = m->second;
	o->committed_burst_bytes = m->committed_burst;
	o->second_burst_bytes = m->second_burst;
}

static void vm_params(const struct cfg_policy *p, struct dp_vm_params *o)
{
	// A VM's limit is charged where its frames enter and leave, once, and not on each link.
	o->total.reservation_bits_per_s = p->reservation;
	o->total.shares = p->shares;
	for (uint32_t i = 0; i < QOS_SCHED_CLASSES; i++) {
		if (i < CFG_CLASSES)
			node_params(&p->cls[i], &o->leaf[i]);
		else
			o->leaf[i].shares = 1;
	}
	o->from_bits_per_s = p->limit_from;
	o->to_bits_per_s = p->limit_to;
	o->from_pps = p->packets_from;
	o->to_pps = p->packets_to;
	meter_params(&p->meter, &o->meter);
}

void ctl_translate_vm(const struct cfg_vm *vm, uint32_t boost, struct dp_vm_params *out)
{
	uint32_t *shares = &out->leaf[QOS_CLASS_STORAGE].shares;

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", vm->name);
	vm_params(&vm->policy, out);
	*shares = *shares * boost > QOS_SCHED_MAX_SHARES ? QOS_SCHED_MAX_SHARES : *shares * boost;
}

// The policy that the element of an action has in a configuration, if it is not the default.
static const struct cfg_policy *policy_of(const struct cfg *c, const struct cfg_action *a,
					  char name[DP_VM_NAME])
{
	const struct cfg_policy *p = NULL;

	if (a->object == CFG_OBJ_VM) {
		const struct cfg_vm *vm = cfg_vm_get(c, a->name);

		snprintf(name, DP_VM_NAME, "%.31s", a->name);
		p = vm == NULL ? NULL : &vm->policy;
	} else if (a->object == CFG_OBJ_PORT) {
		const struct cfg_port *port = cfg_port_get(c, a->name);

		snprintf(name, DP_VM_NAME, "port/%.31s", a->name);
		p = port == NULL || !port->has_policy ? NULL : &port->policy;
	}
	return p == NULL || cfg_policy_is_default(p) ? NULL : p;
}

static int vm_set(const struct cfg *running, const struct cfg *next, const struct cfg_action *a,
		  struct dp_plan *plan)
{
	struct dp_act_vm_set s = { .h = { DP_ACT_VM_SET, sizeof(s) } };
	const struct cfg_policy *before = policy_of(running, a, s.p.name);
	const struct cfg_policy *after = policy_of(next, a, s.p.name);

	if (after == NULL || (before != NULL && memcmp(before, after, sizeof(*before)) == 0))
		return 0;
	vm_params(after, &s.p);
	return dp_plan_add(plan, &s.h);
}

static int vm_del(const struct cfg *running, const struct cfg *next, const struct cfg_action *a,
		  struct dp_plan *plan)
{
	struct dp_act_vm_del d = { .h = { DP_ACT_VM_DEL, sizeof(d) } };

	if (policy_of(running, a, d.name) == NULL || policy_of(next, a, d.name) != NULL)
		return 0;
	return dp_plan_add(plan, &d.h);
}

// Policies are there before the ports that they are for, and go after them.
int ctl_translate(const struct cfg *running, const struct cfg *next, const struct cfg_action *a,
		  int n, struct dp_plan *plan)
{
	const struct dp_act_l2 l2 = { .h = { DP_ACT_L2_SET, sizeof(l2) },
				      .ageing_s = next->system.mac_ageing_s,
				      .mac_limit = next->system.mac_table_size };
	bool storage = false, services = false, limits = false;
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = a[i].object == CFG_OBJ_QOS ? qos_set(&next->qos, plan)
						: vm_set(running, next, &a[i], plan);
	for (int i = 0; i < n && rc == 0; i++) {
		if (a[i].object == CFG_OBJ_PORT)
			rc = port_act(next, &a[i], plan);
		else if (a[i].object == CFG_OBJ_SYSTEM)
			rc = dp_plan_add(plan, &l2.h);
		storage |= a[i].object == CFG_OBJ_STORAGE || a[i].object == CFG_OBJ_VM ||
			   a[i].object == CFG_OBJ_SERVICE;
		services |= a[i].object == CFG_OBJ_SERVICE;
		limits |= a[i].object == CFG_OBJ_BOOT_LIMITS;
	}
	if (rc == 0 && services)
		rc = services_set(next, plan);
	if (rc == 0 && limits)
		rc = limits_set(running, next, a, n, plan);
	for (int i = 0; i < n && rc == 0; i++)
		rc = vm_del(running, next, &a[i], plan);
	return rc == 0 && storage ? ctl_translate_storage(next, plan) : rc;
}

int ctl_translate_first(const struct cfg *empty, struct dp_plan *plan)
{
	return qos_set(&empty->qos, plan);
}
