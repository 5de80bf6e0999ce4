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

#include "boot_texts.h"
#include "control_priv.h"
#include "qos_learn.h"

#define ETHERNET_FRAME_BYTES (1514u + QOS_WIRE_OVERHEAD_BYTES)
#define HTTP_PORT 80

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

static int portal_add(struct dp_plan *plan, uint32_t kind, const uint8_t addr[16],
		      struct dp_act_portal a)
{
	a.h = (struct dp_act){ kind, sizeof(a) };
	memcpy(a.addr.b, addr, 16);
	return dp_plan_add(plan, &a.h);
}

static int boot_portals_add(const struct cfg_vm *vm, struct dp_plan *plan)
{
	struct qos_portal p[CTL_BOOT_PORTALS];
	uint32_t n = ctl_boot_portals(vm, p);
	int rc = 0;

	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, p[i].addr.b,
				(struct dp_act_portal){ .proto = p[i].proto,
							.service = p[i].service,
							.port = p[i].port });
	return rc;
}

// Kernels and images by HTTP are what a boot waits for, as it does for its disk: a portal, so that
// they are class boot while the machine boots.
static int http_portals(const struct cfg *cfg, struct dp_plan *plan)
{
	int rc = 0;

	for (uint32_t i = 0; i < cfg->n_services && rc == 0; i++) {
		uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };

		memcpy(addr + 12, cfg->services[i].addr, 4);
		if (cfg->services[i].http)
			rc = portal_add(plan, DP_ACT_PORTAL_ADD, addr,
					(struct dp_act_portal){ .proto = IPPROTO_TCP,
								.service = QOS_SVC_OTHER,
								.port = HTTP_PORT });
	}
	return rc;
}

// Declared portals, declared servers, and the portals from which VMs boot: an operator named them
// all.
static int storage_set(const struct cfg *cfg, struct dp_plan *plan)
{
	const struct dp_act_portal clear = { .h = { DP_ACT_PORTALS_CLEAR, sizeof(clear) },
					     .l2 = cfg->storage.l2 };
	int rc = dp_plan_add(plan, &clear.h);

	for (uint32_t i = 0; i < cfg->n_portals && rc == 0; i++)
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, cfg->portals[i].addr,
				(struct dp_act_portal){ .proto = cfg->portals[i].proto,
							.port = cfg->portals[i].port,
							.service = cfg->portals[i].service });
	for (uint32_t i = 0; i < cfg->n_servers && rc == 0; i++)
		rc = portal_add(
			plan, DP_ACT_SERVER_ADD, cfg->servers[i].addr,
			(struct dp_act_portal){ .prefix_bits = cfg->servers[i].prefix_bits });
	for (uint32_t i = 0; i < cfg->n_vms && rc == 0; i++)
		rc = boot_portals_add(&cfg->vms[i], plan);
	return rc < 0 ? rc : http_portals(cfg, plan);
}

// The table that these actions of a plan make.
static int table_of(const struct dp_plan *plan, struct qos_portals **out)
{
	int rc = qos_portals_create(out);

	for (const struct dp_act *a = dp_plan_next(plan, NULL); a != NULL && rc == 0;
	     a = dp_plan_next(plan, a)) {
		const struct dp_act_portal *p = (const void *)a;

		// A portal that is declared twice is declared; what does not fit, apply refuses.
		if (a->kind == DP_ACT_PORTALS_CLEAR)
			qos_portals_set_l2(*out, p->l2);
		else if (a->kind == DP_ACT_PORTAL_ADD)
			(void)qos_portals_put(*out,
					      &(struct qos_portal){ .addr = p->addr,
								    .port = p->port,
								    .proto = p->proto,
								    .service = p->service,
								    .how = QOS_HOW_DECLARED });
		else if (a->kind == DP_ACT_SERVER_ADD)
			(void)qos_portals_add_server(*out, &p->addr, p->prefix_bits);
	}
	return rc;
}

// What was learnt joins a table, as far as who taught it is listed there and there is room; and the
// plan that makes the same table, if there is one.
static int learnt_join(struct qos_portals *table, const struct qos_learn *learn,
		       struct dp_plan *plan)
{
	const struct qos_learnt *l;
	int rc = 0;

	for (uint32_t i = 0; learn != NULL && rc == 0 && (l = qos_learn_at(learn, i)) != NULL;
	     i++) {
		const struct qos_portal *p = &l->portal;

		if (!qos_portals_listed(table, &l->teacher) || qos_portals_put(table, p) < 0 ||
		    plan == NULL)
			continue;
		rc = portal_add(plan, DP_ACT_PORTAL_ADD, p->addr.b,
				(struct dp_act_portal){ .proto = p->proto,
							.port = p->port,
							.service = p->service,
							.how = p->how });
	}
	return rc;
}

int ctl_portals_build(const struct cfg *cfg, const struct qos_learn *learn,
		      struct qos_portals **out)
{
	struct dp_plan plan;
	int rc;

	*out = NULL;
	dp_plan_init(&plan);
	rc = storage_set(cfg, &plan);
	if (rc == 0)
		rc = table_of(&plan, out);
	if (rc == 0)
		(void)learnt_join(*out, learn, NULL);
	dp_plan_fini(&plan);
	return rc;
}

int ctl_translate_learnt(const struct qos_learn *learn, struct dp_plan *plan)
{
	struct qos_portals *table;
	bool any = false;
	int rc;

	for (const struct dp_act *a = NULL; !any && (a = dp_plan_next(plan, a)) != NULL;)
		any = a->kind == DP_ACT_PORTALS_CLEAR;
	if (!any || qos_learn_at(learn, 0) == NULL)
		return 0;
	rc = table_of(plan, &table);
	if (rc == 0)
		rc = learnt_join(table, learn, plan);
	qos_portals_destroy(table);
	return rc;
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
	return rc == 0 && storage ? storage_set(next, plan) : rc;
}

int ctl_translate_first(const struct cfg *empty, struct dp_plan *plan)
{
	return qos_set(&empty->qos, plan);
}

static void file_add(const struct boot_table *t, const char *name, struct boot_client *b)
{
	for (uint32_t i = 0; i < t->n_files && name[0] != '\0'; i++) {
		bool has = strcmp(t->files[i].name, name) != 0;

		for (uint32_t k = 0; k < b->n_files && !has; k++)
			has = b->files[k] == (int)i;
		if (!has && b->n_files < BOOT_CLIENT_FILES)
			b->files[b->n_files++] = (int)i;
	}
}

static bool has_file(const struct boot_table *t, const char *name)
{
	for (uint32_t i = 0; i < t->n_files; i++) {
		if (strcmp(t->files[i].name, name) == 0)
			return true;
	}
	return false;
}

// RFC 4173: iscsi:<server>:<protocol>:<port>:<LUN>:<target>; an empty port is 3260, the LUN is
// hexadecimal.
static void root_path(const struct cfg_vm *vm, char *out, size_t size)
{
	bool v6 = strchr(vm->iscsi_server, ':') != NULL;
	char port[8] = "";

	if (vm->iscsi_server[0] == '\0')
		return;
	if (vm->iscsi_port != 3260)
		snprintf(port, sizeof(port), "%u", vm->iscsi_port);
	snprintf(out, size, "iscsi:%s%s%s::%s:%x:%s", v6 ? "[" : "", vm->iscsi_server,
		 v6 ? "]" : "", port, vm->iscsi_lun, vm->iscsi_target);
}

static bool is_efi(const char *loader)
{
	size_t n = strlen(loader);

	return n >= 4 && strcasecmp(loader + n - 4, ".efi") == 0;
}

// A machine's own loader is for the firmware that its name is for; the service's are for the rest.
static int loaders_fill(const struct cfg_vm *vm, const struct cfg_service *s,
			const struct boot_table *t, struct boot_client *b, struct cfg_error *err)
{
	const bool efi = is_efi(vm->loader), own = vm->loader[0] != '\0';
	const char *uefi = own && efi ? vm->loader : s->uefi_loader;
	const char *bios = own && !efi ? vm->loader : s->bios_loader;
	const char *wanted = own ? vm->loader : vm->machine.firmware == CFG_FW_UEFI ? uefi : NULL;

	if (wanted != NULL && !has_file(t, wanted)) {
		snprintf(err->path, sizeof(err->path), "/weir-vm:vms/vm[name='%s']/boot/loader",
			 vm->name);
		snprintf(err->value, sizeof(err->value), "%s", wanted);
		snprintf(err->reason, sizeof(err->reason),
			 "is a loader of Debian's package ipxe, which is not installed: install "
			 "it, or list the file among the boot files");
		return -ENOENT;
	}
	// What is not there is not offered; iPXE in the network card's ROM needs none.
	if (has_file(t, uefi))
		snprintf(b->uefi_loader, sizeof(b->uefi_loader), "%s", uefi);
	if (has_file(t, bios))
		snprintf(b->bios_loader, sizeof(b->bios_loader), "%s", bios);
	return 0;
}

static void files_fill(const struct cfg_vm *vm, const struct boot_table *t, struct boot_client *b)
{
	const char *const names[] = { vm->kernel, vm->initrd, vm->http_file, b->uefi_loader,
				      b->bios_loader };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		file_add(t, names[i], b);
	for (uint32_t i = 0; i < vm->n_files; i++)
		file_add(t, vm->files[i], b);
	for (size_t i = 0; ctl_loader_name(i) != NULL; i++)
		file_add(t, ctl_loader_name(i), b);
}

static int texts_fill(const struct cfg_vm *vm, const struct cfg_service *s, struct boot_client *b,
		      struct cfg_error *err)
{
	char server[INET_ADDRSTRLEN], base[32];
	struct ctl_texts in = { .vm = vm,
				.mac = b->mac,
				.ip = b->ip,
				.http = b->http,
				.server = server,
				.base = base,
				.root_path = b->root_path,
				.loader = vm->loader[0] != '\0'			? vm->loader
					  : vm->machine.firmware == CFG_FW_UEFI ? s->uefi_loader
										: s->bios_loader };
	struct ctl_texts_out out;
	int rc;

	inet_ntop(AF_INET, s->addr, server, sizeof(server));
	snprintf(base, sizeof(base), "%s://%s/", b->http ? "http" : "tftp", server);
	rc = ctl_boot_texts(&in, &out, err);
	if (rc < 0)
		return rc;
	b->script = out.script;
	b->grub = out.grub;
	b->pxelinux = out.pxelinux;
	if (vm->method == CFG_BOOT_NFS && vm->nfs_server[0] != '\0')
		ctl_nfs_root(&in, b->root_path, sizeof(b->root_path));
	return 0;
}

static int boot_fill(const struct cfg_vm *vm, const struct cfg_service *s,
		     const struct boot_table *t, struct boot_client *b, struct cfg_error *err)
{
	int rc = 0;

	b->method = vm->method;
	b->chap = vm->chap_user[0] != '\0';
	snprintf(b->initiator, sizeof(b->initiator), "%s", vm->iscsi_initiator);
	root_path(vm, b->root_path, sizeof(b->root_path));
	if (vm->method != CFG_BOOT_NONE)
		rc = loaders_fill(vm, s, t, b, err);
	if (rc < 0)
		return rc;
	snprintf(b->image, sizeof(b->image), "%s", vm->http_file);
	if (vm->method != CFG_BOOT_NONE)
		files_fill(vm, t, b);
	return texts_fill(vm, s, b, err);
}

static int client_fill(struct ctl *c, const struct cfg *cfg, const struct cfg_port *p,
		       struct boot_table *t, struct cfg_error *err)
{
	const struct cfg_vm *vm = cfg_vm_get(cfg, p->vm);
	const struct cfg_service *s = cfg_service_get(cfg, p->vlan);
	struct boot_client *b = &t->clients[t->n_clients++];

	b->vid = p->vlan;
	b->mtu = p->mtu;
	memcpy(b->mac, p->mac, 6);
	if (p->n_ip4 > 0)
		memcpy(b->ip, p->ip4[0], 4);
	memcpy(b->service_ip, s->addr, 4);
	memcpy(b->router, s->router, 4);
	b->prefix_len = s->prefix_len;
	b->n_dns = s->n_dns;
	memcpy(b->dns, s->dns, sizeof(b->dns));
	snprintf(b->domain, sizeof(b->domain), "%s", s->domain);
	snprintf(b->hostname, sizeof(b->hostname), "%s", vm->hostname);
	b->mode = s->mode;
	b->lease_s = s->lease_s;
	b->pool = -1;
	b->http = ctl_http_serves(c, cfg, s);
	b->transfers = (uint8_t)cfg->boot_limits.transfers;
	if (strcmp(vm->nics[0].port, p->name) != 0)
		return 0; // a machine boots by its first card
	return boot_fill(vm, s, t, b, err);
}

static bool served(const struct cfg_port *p)
{
	static const uint8_t none[4];

	return p->vm[0] != '\0' && memcmp(p->service_ip4, none, 4) != 0;
}

static bool boots(const struct cfg *cfg)
{
	for (uint32_t i = 0; i < cfg->n_vms; i++) {
		if (cfg->vms[i].method != CFG_BOOT_NONE)
			return true;
	}
	return false;
}

static int files_load(struct ctl *c, const struct cfg *cfg, struct boot_table *t,
		      struct cfg_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < cfg->n_files && rc == 0; i++) {
		rc = ctl_boot_file(c, &cfg->files[i], &t->files[t->n_files], err);
		t->n_files += rc == 0;
	}
	// An operator's file of that name is in its place.
	for (size_t i = 0; ctl_loader_name(i) != NULL && rc == 0 && boots(cfg); i++) {
		if (!has_file(t, ctl_loader_name(i)))
			t->n_files += ctl_loader_file(c, i, &t->files[t->n_files]) == 0;
	}
	return rc;
}

// Clients without an address of their own get one of their network's pool.
static int pools_fill(const struct cfg *cfg, struct boot_table *t)
{
	static const uint8_t none[4];

	t->pools = calloc(cfg->n_services + 1, sizeof(*t->pools));
	if (t->pools == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < cfg->n_services; i++) {
		const struct cfg_service *s = &cfg->services[i];
		struct boot_pool *p = &t->pools[t->n_pools];

		if (!s->has_pool)
			continue;
		p->vid = s->vlan;
		p->lease_s = s->pool_lease_s;
		memcpy(p->first, s->pool_first, 4);
		memcpy(p->last, s->pool_last, 4);
		for (uint32_t k = 0; k < t->n_clients; k++) {
			struct boot_client *b = &t->clients[k];

			if (b->vid == s->vlan && memcmp(b->ip, none, 4) == 0)
				b->pool = (int)t->n_pools;
		}
		t->n_pools++;
	}
	return 0;
}

int ctl_boot_table(struct ctl *c, const struct cfg *cfg, struct boot_table **out,
		   struct cfg_error *err)
{
	struct boot_table *t = calloc(1, sizeof(*t));
	int rc = -ENOMEM;

	*out = NULL;
	if (t == NULL)
		return rc;
	t->clients = calloc(cfg->n_ports + 1, sizeof(*t->clients));
	t->files = calloc(cfg->n_files + CTL_LOADERS, sizeof(*t->files));
	if (t->clients != NULL && t->files != NULL)
		rc = files_load(c, cfg, t, err);
	for (uint32_t i = 0; i < cfg->n_ports && rc == 0; i++) {
		if (served(&cfg->ports[i]))
			rc = client_fill(c, cfg, &cfg->ports[i], t, err);
	}
	if (rc == 0)
		rc = pools_fill(cfg, t);
	if (rc < 0)
		boot_table_free(t);
	else
		*out = t;
	return rc;
}

static int by_port(const void *a, const void *b)
{
	uint32_t x = ((const struct boot_client *)a)->port,
		 y = ((const struct boot_client *)b)->port;

	return x < y ? -1 : x > y;
}

// The MAC of the host port that carries a VLAN, so that what guests send to the service address
// beside DHCP, ARP and TFTP reaches the host. Without one the service answers from an address of
// its own; guests alone see it.
static void service_mac(const struct ctl *c, const struct cfg *cfg, uint16_t vid, uint8_t mac[6])
{
	static const uint8_t own[6] = { 0x02, 0x77, 0x65, 0x69, 0x72, 0x01 };
	struct dp_port_info info;

	memcpy(mac, own, 6);
	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		const struct cfg_port *p = &cfg->ports[i];
		int idx = p->type == CFG_PORT_HOST ? dp_switch_port_find(c->sw, p->name) : -1;

		if (idx < 0 || dp_switch_port_info(c->sw, (uint16_t)idx, &info) < 0)
			continue;
		memcpy(mac, info.link.mac, 6);
		if (p->vlan == vid)
			return;
	}
}

void ctl_boot_table_bind(const struct ctl *c, const struct cfg *cfg, struct boot_table *t)
{
	struct dp_port_info info;
	uint32_t n = 0;

	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		int idx = dp_switch_port_find(c->sw, cfg->ports[i].name);

		if (!served(&cfg->ports[i]))
			continue;
		service_mac(c, cfg, cfg->ports[i].vlan, t->clients[n].service_mac);
		if (idx >= 0 && dp_switch_port_info(c->sw, (uint16_t)idx, &info) == 0) {
			t->clients[n].port = (uint32_t)idx;
			t->clients[n].gen = info.gen;
		}
		n++;
	}
	qsort(t->clients, t->n_clients, sizeof(*t->clients), by_port);
}
