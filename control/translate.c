// The only place where configuration becomes parameters of datapath, qos and responder, units
// included.
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control_priv.h"
#include "qos_learn.h"

#define ETHERNET_FRAME_BYTES (1514u + QOS_WIRE_OVERHEAD_BYTES)

// Does the kernel have vhost-net, which moves the frames of a tap without a system call for each?
// Asked once: a port's link does not change because a module was loaded meanwhile.
static bool has_vhost_net(void)
{
	static int has = -1;
	int fd;

	if (has < 0) {
		fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
		has = fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return has != 0;
}

void ctl_port_link(const struct cfg_port *p, bool vhost_net, struct dp_port_params *o)
{
	const char *driver = "ethdev";

	snprintf(o->args, sizeof(o->args), "%s", p->link_arg);
	switch (p->link) {
	case CFG_LINK_SOCKET:
		driver = "vhost-user";
		break;
	case CFG_LINK_TAP:
		if (vhost_net && p->type == CFG_PORT_HOST)
			snprintf(o->args, sizeof(o->args),
				 "net_virtio_user_%.15s,path=/dev/vhost-net,iface=%.15s,queues=1,"
				 "queue_size=1024",
				 p->link_arg, p->link_arg);
		else
			driver = "tap";
		break;
	case CFG_LINK_AF_PACKET:
		// One frame per buffer: jumbo frames need larger ones, and blocks that hold them.
		snprintf(o->args, sizeof(o->args), "net_af_packet_%.15s,iface=%.15s%s", p->link_arg,
			 p->link_arg,
			 p->mtu > 1500 ? ",framesz=16384,blocksz=65536,framecnt=512" : "");
		break;
	default:
		break;
	}
	snprintf(o->driver, sizeof(o->driver), "%s", driver);
}

static void port_flags(const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t none[4];
	const struct {
		bool on;
		uint32_t flag;
	} f[] = {
		{ p->isolated, DP_PF_ISOLATED },
		{ p->admit, DP_PF_ADMIT },
		{ p->admit && p->dhcp_guard, DP_PF_DHCP_GUARD },
		{ p->admit && p->ra_guard, DP_PF_RA_GUARD },
		{ p->admit && p->has_mac, DP_PF_MAC_FIXED },
		{ p->admit && p->n_ip4 > 0, DP_PF_IP4_FIXED },
		{ p->admit && p->n_ip6 > 0, DP_PF_IP6_FIXED },
		{ p->trust_dscp, DP_PF_TRUST_DSCP },
		{ p->trust_pcp, DP_PF_TRUST_PCP },
		{ p->mirror_destination, DP_PF_MIRROR_DST },
		{ memcmp(p->service_ip4, none, 4) != 0, DP_PF_RESPONDER },
	};

	for (size_t i = 0; i < sizeof(f) / sizeof(f[0]); i++)
		o->flags |= f[i].on ? f[i].flag : 0;
}

// The VM of a guest port. Without one it gets a name that no VM can have: theirs have no slash.
static void port_vm(const struct cfg_port *p, char out[DP_VM_NAME])
{
	if (p->vm[0] == '\0' && p->type == CFG_PORT_GUEST)
		snprintf(out, DP_VM_NAME, "port/%s", p->name);
	else
		snprintf(out, DP_VM_NAME, "%s", p->vm);
}

bool ctl_has_vm(const struct dp_port_params *p)
{
	return p->vm[0] != '\0' && strchr(p->vm, '/') == NULL;
}

// TFTP is lock-step: of a transfer one message is on its way, or one and its repetition.
#define MESSAGES_PER_TRANSFER 2

static void boot_params(const struct cfg *cfg, const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t modes[] = { DP_BOOT_AUTHORITATIVE, DP_BOOT_PROXY, DP_BOOT_OFF };

	memcpy(o->service_ip4, p->service_ip4, sizeof(o->service_ip4));
	o->boot_mode = modes[p->service_mode];
	o->dhcp_pps = cfg->boot_limits.dhcp_rate;
	o->dhcp_burst_pkts = cfg->boot_limits.dhcp_burst;
	o->neighbour_pps = cfg->boot_limits.neighbour_rate;
	o->punt_transfers = (uint8_t)(cfg->boot_limits.transfers * MESSAGES_PER_TRANSFER);
}

static void port_params(const struct cfg *cfg, const struct cfg_port *p, struct dp_port_params *o)
{
	static const uint8_t roles[] = { DP_ROLE_GUEST, DP_ROLE_UPLINK, DP_ROLE_HOST };
	static const uint8_t modes[] = { DP_VLAN_ACCESS,	  DP_VLAN_TRUNK,
					 DP_VLAN_NATIVE_UNTAGGED, DP_VLAN_NATIVE_TAGGED,
					 DP_VLAN_QINQ_CUSTOMER,	  DP_VLAN_QINQ_PROVIDER };
	enum qos_class cls = QOS_CLASS_BULK;

	memset(o, 0, sizeof(*o));
	snprintf(o->name, sizeof(o->name), "%s", p->name);
	port_vm(p, o->vm);
	snprintf(o->mirror_to, sizeof(o->mirror_to), "%s", p->mirror_to);
	ctl_port_link(p, has_vhost_net(), o);
	qos_class_find(p->default_class, &cls);
	o->default_class = (uint8_t)cls;
	o->rate_bits_per_s = p->rate;
	o->mtu = p->mtu;
	o->n_queues = p->queues;
	o->role = roles[p->type];
	o->vlan_mode = modes[p->vlan_mode];
	o->vid = p->vlan;
	o->mac_limit = p->admit ? p->mac_limit : 0;
	o->broadcast_pps = p->broadcast_limit;
	o->unknown_pps = p->unknown_limit;
	o->control_pps = p->control_limit;
	o->n_ip4 = p->n_ip4;
	o->n_ip6 = p->n_ip6;
	memcpy(o->mac, p->mac, sizeof(o->mac));
	memcpy(o->ip4, p->ip4, sizeof(o->ip4));
	memcpy(o->ip6, p->ip6, sizeof(o->ip6));
	memcpy(o->trunk, p->trunk, sizeof(o->trunk));
	port_flags(p, o);
	boot_params(cfg, p, o);
}

static int port_set(const struct cfg *next, const struct cfg_port *p, struct dp_plan *plan)
{
	struct dp_act_port_set s = { .h = { DP_ACT_PORT_SET, sizeof(s) } };

	port_params(next, p, &s.p);
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
