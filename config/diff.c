// What changes between two configurations, as typed actions with the names of the fields.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_config.h"

struct field {
	const char *name;
	size_t at, size;
};

#define F(type, member, label)                                                                     \
	{                                                                                          \
		label, offsetof(struct type, member), sizeof(((struct type *)0)->member)           \
	}

// Stands for the leaf that the new link has.
#define LINK "(link)"

static const struct field port_fields[] = {
	F(cfg_port, type, "type"),
	F(cfg_port, link, LINK),
	F(cfg_port, link_arg, LINK),
	F(cfg_port, vlan_mode, "vlan-mode"),
	F(cfg_port, vlan, "vlan"),
	F(cfg_port, trunk, "trunk"),
	F(cfg_port, mtu, "mtu"),
	F(cfg_port, queues, "queues"),
	F(cfg_port, of_port, "of-port"),
	F(cfg_port, mac_limit, "mac-limit"),
	F(cfg_port, isolated, "isolated"),
	F(cfg_port, mirror_destination, "mirror-destination"),
	F(cfg_port, trust_dscp, "trust-dscp"),
	F(cfg_port, trust_pcp, "trust-pcp"),
	F(cfg_port, rate, "rate"),
	F(cfg_port, admit, "admit/enabled"),
	F(cfg_port, dhcp_guard, "dhcp-guard"),
	F(cfg_port, ra_guard, "ra-guard"),
	F(cfg_port, mirror_to, "mirror-to"),
	F(cfg_port, default_class, "default-class"),
	F(cfg_port, broadcast_limit, "broadcast-limit"),
	F(cfg_port, unknown_limit, "unknown-unicast-limit"),
	F(cfg_port, control_limit, "control-limit"),
	F(cfg_port, vm, "vm"),
	F(cfg_port, nic, "nic"),
	F(cfg_port, has_mac, "mac"),
	F(cfg_port, mac, "mac"),
	F(cfg_port, n_ip4, "ipv4-address"),
	F(cfg_port, ip4, "ipv4-address"),
	F(cfg_port, n_ip6, "ipv6-address"),
	F(cfg_port, ip6, "ipv6-address"),
	F(cfg_port, service_ip4, "boot-service"),
	F(cfg_port, service_mode, "boot-service"),
	F(cfg_port, policy.shares, "qos/shares"),
	F(cfg_port, policy.reservation, "qos/reservation"),
	F(cfg_port, policy.limit_from, "qos/limit"),
	F(cfg_port, policy.limit_to, "qos/limit"),
	F(cfg_port, policy.packets_from, "qos/packet-limit"),
	F(cfg_port, policy.packets_to, "qos/packet-limit"),
	F(cfg_port, policy.priority, "qos/priority"),
	F(cfg_port, policy.cls, "qos/class"),
	F(cfg_port, policy.meter, "qos/meter"),
	F(cfg_port, has_policy, "qos"),
};

static const struct field vm_fields[] = {
	F(cfg_vm, hostname, "hostname"),
	F(cfg_vm, uuid, "uuid"),
	F(cfg_vm, method, "boot/method"),
	F(cfg_vm, iscsi_server, "boot/iscsi/server"),
	F(cfg_vm, iscsi_port, "boot/iscsi/port"),
	F(cfg_vm, iscsi_lun, "boot/iscsi/lun"),
	F(cfg_vm, iscsi_target, "boot/iscsi/target"),
	F(cfg_vm, iscsi_initiator, "boot/iscsi/initiator"),
	F(cfg_vm, kernel, "boot/kernel"),
	F(cfg_vm, initrd, "boot/initrd"),
	F(cfg_vm, cmdline, "boot/cmdline"),
	F(cfg_vm, chap_user, "boot/iscsi/chap/user"),
	F(cfg_vm, chap_secret, "boot/iscsi/chap/secret"),
	F(cfg_vm, nfs_server, "boot/nfs/server"),
	F(cfg_vm, nfs_path, "boot/nfs/path"),
	F(cfg_vm, nfs_options, "boot/nfs/options"),
	F(cfg_vm, nfs_v3, "boot/nfs/version"),
	F(cfg_vm, http_file, "boot/http/file"),
	F(cfg_vm, loader, "boot/loader"),
	F(cfg_vm, n_files, "boot/file"),
	F(cfg_vm, files, "boot/file"),
	F(cfg_vm, provider, "boot/provider"),
	F(cfg_vm, image, "boot/image"),
	F(cfg_vm, machine.memory_mib, "machine/memory"),
	F(cfg_vm, machine.vcpus, "machine/vcpus"),
	F(cfg_vm, machine.firmware, "machine/firmware"),
	F(cfg_vm, machine.accel, "machine/acceleration"),
	F(cfg_vm, machine.n_disks, "machine/disk"),
	F(cfg_vm, machine.disks, "machine/disk"),
	F(cfg_vm, machine.n_args, "machine/argument"),
	F(cfg_vm, machine.args, "machine/argument"),
	F(cfg_vm, machine.monitor, "machine/monitor"),
	F(cfg_vm, machine.emulator, "machine/emulator"),
	F(cfg_vm, n_nics, "nic"),
	F(cfg_vm, nics, "nic"),
	F(cfg_vm, policy.shares, "qos/shares"),
	F(cfg_vm, policy.reservation, "qos/reservation"),
	F(cfg_vm, policy.limit_from, "qos/limit"),
	F(cfg_vm, policy.limit_to, "qos/limit"),
	F(cfg_vm, policy.packets_from, "qos/packet-limit"),
	F(cfg_vm, policy.packets_to, "qos/packet-limit"),
	F(cfg_vm, policy.priority, "qos/priority"),
	F(cfg_vm, policy.cls, "qos/class"),
	F(cfg_vm, policy.meter, "qos/meter"),
	F(cfg_vm, slo_p99_us, "qos/storage-target"),
};

static const struct field class_fields[] = {
	F(cfg_class, node.shares, "shares"),
	F(cfg_class, node.reservation, "reservation"),
	F(cfg_class, node.limit, "limit"),
	F(cfg_class, pcp, "pcp"),
	F(cfg_class, dscp, "dscp"),
	F(cfg_class, target_us, "target"),
	F(cfg_class, interval_us, "interval"),
	F(cfg_class, ecn_us, "ecn-threshold"),
	F(cfg_class, max_wait_us, "max-wait"),
	F(cfg_class, max_bytes, "max-bytes"),
};

static const struct field system_fields[] = {
	F(cfg_system, n_workers, "worker-cpu"),	   F(cfg_system, worker_cpu, "worker-cpu"),
	F(cfg_system, max_sleep_us, "max-sleep"),  F(cfg_system, packet_buffers, "packet-buffers"),
	F(cfg_system, queue_len, "queue-length"),  F(cfg_system, mac_table_size, "mac-table-size"),
	F(cfg_system, mac_ageing_s, "mac-ageing"),
};

static const struct field management_fields[] = {
	F(cfg_management, max_sessions, "netconf/max-sessions"),
	F(cfg_management, idle_timeout_s, "netconf/idle-timeout"),
	F(cfg_management, hello_timeout_s, "netconf/hello-timeout"),
};

static const struct field storage_fields[] = {
	F(cfg_storage, learning, "learning"),
	F(cfg_storage, telemetry, "telemetry"),
	F(cfg_storage, max_learnt, "max-learnt"),
	F(cfg_storage, max_learnt_per_server, "max-learnt-per-server"),
	F(cfg_storage, ageing_s, "ageing"),
	F(cfg_storage, l2, "l2-protocol"),
	F(cfg_storage, boot_window, "boot/window"),
	F(cfg_storage, boot_deadline_s, "boot/deadline"),
	F(cfg_storage, boot_max_s, "boot/longest"),
	F(cfg_storage, boot_max_bytes, "boot/most-bytes"),
};

static const struct field metrics_fields[] = {
	F(cfg_metrics, addr, "address"),
	F(cfg_metrics, port, "port"),
};

static const struct field openflow_fields[] = {
	F(cfg_openflow, datapath_id, "datapath-id"),
	F(cfg_openflow, standalone, "fail-mode"),
	F(cfg_openflow, flow_limit, "flow-limit"),
	F(cfg_openflow, cache_entries, "cache-entries"),
	F(cfg_openflow, allow_14, "version-1.4"),
	F(cfg_openflow, packet_in_rate, "packet-in/rate"),
	F(cfg_openflow, packet_in_burst, "packet-in/burst"),
	F(cfg_openflow, n_controllers, "controller"),
	F(cfg_openflow, controllers, "controller"),
	F(cfg_openflow, n_listeners, "listener"),
	F(cfg_openflow, listeners, "listener"),
	F(cfg_openflow, tls.key, "tls/private-key"),
	F(cfg_openflow, tls.certificate, "tls/certificate"),
	F(cfg_openflow, tls.ca, "tls/ca-certificate"),
};

static const struct field service_fields[] = {
	F(cfg_service, addr, "address"),
	F(cfg_service, prefix_len, "prefix-length"),
	F(cfg_service, router, "router"),
	F(cfg_service, n_dns, "dns"),
	F(cfg_service, dns, "dns"),
	F(cfg_service, domain, "domain"),
	F(cfg_service, mode, "mode"),
	F(cfg_service, http, "http"),
	F(cfg_service, has_pool, "pool"),
	F(cfg_service, pool_first, "pool/first"),
	F(cfg_service, pool_last, "pool/last"),
	F(cfg_service, lease_s, "lease-time"),
	F(cfg_service, pool_lease_s, "pool/lease-time"),
	F(cfg_service, uefi_loader, "uefi-loader"),
	F(cfg_service, bios_loader, "bios-loader"),
};

static const struct field limit_fields[] = {
	F(cfg_boot_limits, dhcp_rate, "dhcp-rate"),
	F(cfg_boot_limits, dhcp_burst, "dhcp-burst"),
	F(cfg_boot_limits, neighbour_rate, "neighbour-rate"),
	F(cfg_boot_limits, transfers, "transfers"),
};

static const struct field provider_fields[] = {
	F(cfg_provider, command, "command"),
	F(cfg_provider, n_args, "argument"),
	F(cfg_provider, args, "argument"),
	F(cfg_provider, timeout_s, "timeout"),
};

struct list {
	struct cfg_action *a;
	int n, cap;
	bool failed;
};

static struct cfg_action *add(struct list *l, uint8_t change, uint8_t object, const char *name)
{
	static struct cfg_action spill;
	struct cfg_action *a;

	if (l->n == l->cap) {
		int cap = l->cap == 0 ? 64 : 2 * l->cap;

		a = realloc(l->a, (size_t)cap * sizeof(*a));
		if (a == NULL) {
			l->failed = true;
			return &spill;
		}
		l->a = a;
		l->cap = cap;
	}
	a = &l->a[l->n++];
	memset(a, 0, sizeof(*a));
	a->change = change;
	a->object = object;
	snprintf(a->name, sizeof(a->name), "%s", name);
	return a;
}

// A kind of object: where its elements differ.
struct kind {
	uint8_t object;
	size_t size; // of an element; its name is the first field
	const struct field *fields;
	size_t n_fields;
};

static const char *leaf_of(const struct field *f, const void *y)
{
	static const char *const links[] = { "socket (a new link)", "af-packet (a new link)",
					     "tap (a new link)", "device (a new link)" };

	return strcmp(f->name, LINK) == 0 ? links[((const struct cfg_port *)y)->link] : f->name;
}

// Append to the names of what differs. returns false when there is no place for more
static bool detail_add(struct cfg_action *act, const char *within, const char *name)
{
	size_t len = strlen(act->detail), need = strlen(within) + strlen(name);
	bool fits = len + need + sizeof(", /, ...") <= sizeof(act->detail);

	snprintf(act->detail + len, sizeof(act->detail) - len, "%s%s%s%s", len > 0 ? ", " : "",
		 fits ? within : "", fits && within[0] ? "/" : "", fits ? name : "...");
	return fits;
}

// Names of the fields in which two elements differ; each name once.
static void fields_name(const struct kind *k, const void *x, const void *y, struct cfg_action *act)
{
	const char *last = "";

	for (size_t i = 0; i < k->n_fields; i++) {
		const struct field *f = &k->fields[i];

		if (memcmp((const char *)x + f->at, (const char *)y + f->at, f->size) == 0 ||
		    strcmp(last, leaf_of(f, y)) == 0)
			continue;
		last = leaf_of(f, y);
		if (!detail_add(act, "", last))
			return;
	}
}

struct span {
	const void *elems;
	uint32_t n;
};

// Both lists are sorted by name.
static void diff_named(struct list *l, const struct kind *k, struct span from, struct span to)
{
	uint32_t i = 0, j = 0;

	while (i < from.n || j < to.n) {
		const char *x = (const char *)from.elems + i * k->size;
		const char *y = (const char *)to.elems + j * k->size;
		int cmp = i == from.n ? 1 : j == to.n ? -1 : strcmp(x, y);

		if (cmp < 0) {
			add(l, CFG_DEL, k->object, x);
			i++;
		} else if (cmp > 0) {
			add(l, CFG_ADD, k->object, y);
			j++;
		} else {
			if (memcmp(x, y, k->size) != 0)
				fields_name(k, x, y, add(l, CFG_SET_CHANGED, k->object, y));
			i++;
			j++;
		}
	}
}

static void diff_services(struct list *l, const struct kind *k, const struct cfg *from,
			  const struct cfg *to)
{
	uint32_t i = 0, j = 0;
	char name[16];

	while (i < from->n_services || j < to->n_services) {
		const struct cfg_service *x = &from->services[i], *y = &to->services[j];
		uint32_t a = i < from->n_services ? x->vlan : UINT32_MAX;
		uint32_t b = j < to->n_services ? y->vlan : UINT32_MAX;

		snprintf(name, sizeof(name), "%u", a < b ? a : b);
		if (a < b)
			add(l, CFG_DEL, k->object, name);
		else if (a > b)
			add(l, CFG_ADD, k->object, name);
		else if (memcmp(x, y, sizeof(*x)) != 0)
			fields_name(k, x, y, add(l, CFG_SET_CHANGED, k->object, name));
		i += a <= b;
		j += b <= a;
	}
}

static void diff_storage(struct list *l, const struct kind *k, const struct cfg *from,
			 const struct cfg *to)
{
	bool portals =
		from->n_portals != to->n_portals ||
		memcmp(from->portals, to->portals, from->n_portals * sizeof(*from->portals)) != 0;
	bool servers =
		from->n_servers != to->n_servers ||
		memcmp(from->servers, to->servers, from->n_servers * sizeof(*from->servers)) != 0;

	struct cfg_action *a;

	if (!portals && !servers && memcmp(&from->storage, &to->storage, sizeof(to->storage)) == 0)
		return;
	a = add(l, CFG_SET_CHANGED, CFG_OBJ_STORAGE, "");
	if (portals)
		detail_add(a, "", "portal");
	if (servers)
		detail_add(a, "", "server");
	fields_name(k, &from->storage, &to->storage, a);
}

// Where others than this host reach it, the plan says so.
static void diff_metrics(struct list *l, const struct kind *k, const struct cfg_metrics *from,
			 const struct cfg_metrics *to)
{
	struct cfg_action *a;
	char text[128];

	if (memcmp(from, to, sizeof(*from)) == 0)
		return;
	a = add(l,
		!from->enabled ? CFG_ADD
		: to->enabled  ? CFG_SET_CHANGED
			       : CFG_DEL,
		k->object, "");
	if (a->change == CFG_SET_CHANGED)
		fields_name(k, from, to, a);
	if (cfg_metrics_open(to, text, sizeof(text)))
		detail_add(a, "", text);
}

// Who may program the switch from elsewhere, the plan says.
static void diff_openflow(struct list *l, const struct kind *k, const struct cfg_openflow *from,
			  const struct cfg_openflow *to)
{
	struct cfg_action *a;
	char text[128];

	if (memcmp(from, to, sizeof(*from)) == 0)
		return;
	a = add(l,
		from->enabled == to->enabled ? CFG_SET_CHANGED
		: to->enabled		     ? CFG_ADD
					     : CFG_DEL,
		k->object, "");
	if (a->change == CFG_SET_CHANGED)
		fields_name(k, from, to, a);
	if (cfg_openflow_open(to, text, sizeof(text)))
		detail_add(a, "", text);
}

static bool vlans_differ(const struct cfg_qos *x, const struct cfg_qos *y, uint8_t cls)
{
	for (uint32_t v = 0; v < CFG_VIDS; v++) {
		if ((x->vlan_class[v] == cls) != (y->vlan_class[v] == cls))
			return true;
	}
	return false;
}

// Names of the leaves in which one class differs. returns false when there is no place for more
static bool class_name(struct cfg_action *a, const struct cfg_qos *from, const struct cfg_qos *to,
		       uint32_t cls)
{
	const char *x = (const char *)&from->cls[cls], *y = (const char *)&to->cls[cls];

	for (size_t i = 0; i < sizeof(class_fields) / sizeof(class_fields[0]); i++) {
		const struct field *f = &class_fields[i];

		if (memcmp(x + f->at, y + f->at, f->size) != 0 &&
		    !detail_add(a, cfg_class_name(cls), f->name))
			return false;
	}
	return !vlans_differ(from, to, (uint8_t)(cls + 1)) ||
	       detail_add(a, cfg_class_name(cls), "vlan");
}

static void diff_qos(struct list *l, const struct cfg_qos *from, const struct cfg_qos *to)
{
	struct cfg_action *a;

	if (memcmp(from, to, sizeof(*from)) == 0)
		return;
	a = add(l, CFG_SET_CHANGED, CFG_OBJ_QOS, "");
	for (uint32_t i = 0; i < CFG_CLASSES && class_name(a, from, to, i); i++)
		;
}

// Removals first, then changes, then additions; among those the order stays.
static int sort(struct list *l)
{
	struct cfg_action *a = malloc(((size_t)l->n + 1) * sizeof(*a));
	int at = 0;

	if (a == NULL)
		return -ENOMEM;
	for (int change = CFG_DEL; change <= CFG_ADD; change++) {
		for (int i = 0; i < l->n; i++) {
			if (l->a[i].change == change)
				a[at++] = l->a[i];
		}
	}
	free(l->a);
	l->a = a;
	return 0;
}

#define KIND(object, type, fields)                                                                 \
	{                                                                                          \
		object, sizeof(struct type), fields, sizeof(fields) / sizeof(fields[0])            \
	}

int cfg_diff(const struct cfg *from, const struct cfg *to, struct cfg_action **out)
{
	static const struct field file_fields[] = { F(cfg_file, path, "path") };
	static const struct kind ports = KIND(CFG_OBJ_PORT, cfg_port, port_fields);
	static const struct kind vms = KIND(CFG_OBJ_VM, cfg_vm, vm_fields);
	static const struct kind files = KIND(CFG_OBJ_FILE, cfg_file, file_fields);
	static const struct kind systems = KIND(CFG_OBJ_SYSTEM, cfg_system, system_fields);
	static const struct kind managements =
		KIND(CFG_OBJ_MANAGEMENT, cfg_management, management_fields);
	static const struct kind services = KIND(CFG_OBJ_SERVICE, cfg_service, service_fields);
	static const struct kind storages = KIND(CFG_OBJ_STORAGE, cfg_storage, storage_fields);
	static const struct kind openflows = KIND(CFG_OBJ_OPENFLOW, cfg_openflow, openflow_fields);
	static const struct kind metrics = KIND(CFG_OBJ_METRICS, cfg_metrics, metrics_fields);
	static const struct kind providers = KIND(CFG_OBJ_PROVIDER, cfg_provider, provider_fields);
	static const struct kind limits = KIND(CFG_OBJ_BOOT_LIMITS, cfg_boot_limits, limit_fields);
	struct list l = { 0 };

	*out = NULL;
	if (memcmp(&from->system, &to->system, sizeof(from->system)) != 0)
		fields_name(&systems, &from->system, &to->system,
			    add(&l, CFG_SET_CHANGED, CFG_OBJ_SYSTEM, ""));
	if (memcmp(&from->management, &to->management, sizeof(from->management)) != 0)
		fields_name(&managements, &from->management, &to->management,
			    add(&l, CFG_SET_CHANGED, CFG_OBJ_MANAGEMENT, ""));
	diff_qos(&l, &from->qos, &to->qos);
	diff_storage(&l, &storages, from, to);
	diff_metrics(&l, &metrics, &from->metrics, &to->metrics);
	diff_openflow(&l, &openflows, &from->openflow, &to->openflow);
	if (memcmp(&from->boot_limits, &to->boot_limits, sizeof(from->boot_limits)) != 0)
		fields_name(&limits, &from->boot_limits, &to->boot_limits,
			    add(&l, CFG_SET_CHANGED, CFG_OBJ_BOOT_LIMITS, ""));
	diff_named(&l, &providers, (struct span){ from->providers, from->n_providers },
		   (struct span){ to->providers, to->n_providers });
	diff_named(&l, &files, (struct span){ from->files, from->n_files },
		   (struct span){ to->files, to->n_files });
	diff_services(&l, &services, from, to);
	diff_named(&l, &ports, (struct span){ from->ports, from->n_ports },
		   (struct span){ to->ports, to->n_ports });
	diff_named(&l, &vms, (struct span){ from->vms, from->n_vms },
		   (struct span){ to->vms, to->n_vms });
	if (l.failed || sort(&l) < 0) {
		free(l.a);
		return -ENOMEM;
	}
	*out = l.a;
	return l.n;
}

const char *cfg_action_text(const struct cfg_action *a, char *buf, size_t size)
{
	static const char *const objects[] = { "system",      "port",	       "vm",
					       "storage",     "boot-service",  "boot-file",
					       "management",  "qos",	       "metrics",
					       "boot-limits", "boot-provider", "openflow" };
	static const char *const changes[] = { "remove", "change", "add" };

	snprintf(buf, size, "%s%s%s: %s%s%s", objects[a->object], a->name[0] ? " " : "", a->name,
		 changes[a->change], a->detail[0] ? " " : "", a->detail);
	return buf;
}
