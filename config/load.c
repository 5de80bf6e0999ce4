// From a validated tree to structs.
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b); // name is the first field of ports, VMs and files
}

static int by_vlan(const void *a, const void *b)
{
	return ((const struct cfg_service *)a)->vlan - ((const struct cfg_service *)b)->vlan;
}

static int by_id(const void *a, const void *b)
{
	return ((const struct cfg_nic *)a)->id - ((const struct cfg_nic *)b)->id;
}

static void mac_parse(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)strtoul(text + 3 * i, NULL, 16);
}

int cfg_addr_parse(const char *text, uint8_t addr[16])
{
	if (inet_pton(AF_INET6, text, addr) == 1)
		return 128;
	memset(addr, 0, 10);
	addr[10] = addr[11] = 0xff;
	return inet_pton(AF_INET, text, addr + 12) == 1 ? 32 : -EINVAL;
}

static void trunk_all(uint8_t trunk[512])
{
	memset(trunk, 0xff, 512);
	trunk[0] &= 0xfe; // VID 0 and 4095 are reserved
	trunk[511] &= 0x7f;
}

// The module has seen to it that each is N or N-M, 1..4094, the lower one first.
static void trunk_read(const struct lyd_node *from, struct cfg_port *p)
{
	const struct lyd_node *n;

	if (cfg_count(from, "trunk") == 0) {
		trunk_all(p->trunk);
		return;
	}
	LY_LIST_FOR (lyd_child(from), n) {
		unsigned a, b;

		if (strcmp(n->schema->name, "trunk") != 0)
			continue;
		if (sscanf(lyd_get_value(n), "%u-%u", &a, &b) == 1)
			b = a;
		for (unsigned v = a; v <= b && v < 4095; v++)
			p->trunk[v >> 3] |= (uint8_t)(1u << (v & 7));
	}
}

static void vlan_read(const struct lyd_node *from, struct cfg_port *p)
{
	static const char *const modes[] = { "access",	      "trunk",	      "native-untagged",
					     "native-tagged", "dot1q-tunnel", "provider",
					     "transparent" };
	const char *mode = cfg_value(from, "vlan-mode");

	p->vlan_mode = p->type == CFG_PORT_UPLINK ? CFG_VLAN_NATIVE_UNTAGGED : CFG_VLAN_ACCESS;
	// A list of VLANs says trunk on its own.
	if (mode == NULL && cfg_count(from, "trunk") > 0)
		p->vlan_mode =
			cfg_value(from, "vlan") != NULL ? CFG_VLAN_NATIVE_UNTAGGED : CFG_VLAN_TRUNK;
	for (uint8_t i = 0; mode != NULL && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(mode, modes[i]) == 0)
			p->vlan_mode = i;
	}
	p->vlan = (uint16_t)cfg_number(from, "vlan", 1);
	if (p->vlan_mode == CFG_VLAN_TRUNK || p->vlan_mode == CFG_VLAN_PROVIDER)
		p->vlan = 0;
	if (p->vlan_mode != CFG_VLAN_ACCESS && p->vlan_mode != CFG_VLAN_TUNNEL)
		trunk_read(from, p);
}

static void policy_read(const struct lyd_node *from, struct cfg_port *p)
{
	const struct lyd_node *admit = cfg_child(from, "admit");

	p->mtu = (uint16_t)cfg_number(from, "mtu", 1500);
	p->of_port = cfg_number(from, "of-port", 0);
	p->queues = (uint16_t)cfg_number(from, "queues", 1);
	p->isolated = cfg_flag(from, "isolated", false);
	p->trust_dscp = cfg_flag(from, "trust-dscp", false);
	p->trust_pcp = cfg_flag(from, "trust-pcp", false);
	cfg_text(from, "mirror-to", p->mirror_to, sizeof(p->mirror_to));
	snprintf(p->default_class, sizeof(p->default_class), "bulk");
	cfg_text(from, "default-class", p->default_class, sizeof(p->default_class));
	if (p->type != CFG_PORT_GUEST)
		return;
	p->admit = cfg_flag(admit, "enabled", true);
	p->dhcp_guard = cfg_flag(admit, "dhcp-guard", true);
	p->ra_guard = cfg_flag(admit, "ra-guard", true);
	p->mac_limit = (uint16_t)cfg_number(admit, "mac-limit", 8);
	p->broadcast_limit = cfg_number(admit, "broadcast-limit", 1000);
	p->unknown_limit = cfg_number(admit, "unknown-unicast-limit", 1000);
	p->control_limit = cfg_number(admit, "control-limit", 200);
}

static void interface_read(const struct lyd_node *iface, const struct lyd_node *qos,
			   struct cfg_port *p)
{
	// In the order of enum cfg_link and of enum cfg_port_type.
	static const char *const links[] = { "socket", "af-packet", "tap", "device" };
	static const char *const types[] = { "guest", "uplink", "host" };
	const struct lyd_node *port = cfg_child(iface, "port");
	const char *type = cfg_value(iface, "type"), *colon = strchr(type, ':');

	cfg_text(iface, "name", p->name, sizeof(p->name));
	for (uint8_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(colon == NULL ? type : colon + 1, types[i]) == 0)
			p->type = i;
	}
	for (uint8_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (cfg_value(port, links[i]) == NULL)
			continue;
		p->link = i;
		cfg_text(port, links[i], p->link_arg, sizeof(p->link_arg));
	}
	p->mirror_destination = cfg_flag(port, "mirror-destination", false);
	p->rate = cfg_number64(port, "rate", 0);
	p->has_policy = cfg_child(port, "qos") != NULL;
	cfg_policy_read(cfg_child(port, "qos"), qos, &p->policy);
	policy_read(port, p);
	vlan_read(port, p);
}

static void addresses_read(const struct lyd_node *nic, struct cfg_port *p)
{
	const struct lyd_node *n;

	LY_LIST_FOR (lyd_child(nic), n) {
		if (strcmp(n->schema->name, "ipv4-address") == 0 && p->n_ip4 < CFG_ADDRS)
			inet_pton(AF_INET, lyd_get_value(n), p->ip4[p->n_ip4++]);
		else if (strcmp(n->schema->name, "ipv6-address") == 0 && p->n_ip6 < CFG_ADDRS)
			inet_pton(AF_INET6, lyd_get_value(n), p->ip6[p->n_ip6++]);
	}
}

// The first n_ifaces ports are the interfaces, sorted by name.
struct source {
	struct cfg *c;
	const struct lyd_node *qos; // where templates are
	uint32_t n_ifaces;
	struct cfg_error *err;
};

static struct cfg_port *iface_find(const struct source *s, const char *name)
{
	return bsearch(name, s->c->ports, s->n_ifaces, sizeof(*s->c->ports), by_name);
}

// returns NULL with err filled
static struct cfg_port *nic_iface(const struct source *s, const char *path, const char *name)
{
	struct cfg_port *p = iface_find(s, name);

	assert(p != NULL); // weir-vm has seen to it
	if (p->vm[0] == '\0')
		return p;
	cfg_refuse(s->err, path, name, "the interface serves VM %s already", p->vm);
	return NULL;
}

// A port of the card's own. returns NULL with err filled
static struct cfg_port *nic_own(const struct source *s, const char *path,
				const struct lyd_node *nic, const char *vm)
{
	struct cfg_port *p = &s->c->ports[s->c->n_ports++];

	snprintf(p->name, sizeof(p->name), "%.24s.%u", vm, cfg_number(nic, "id", 0) & 7);
	if (iface_find(s, p->name) != NULL) {
		cfg_refuse(s->err, path, p->name, "the card's port has the name of another port");
		return NULL;
	}
	p->type = CFG_PORT_GUEST;
	p->link = CFG_LINK_SOCKET;
	snprintf(p->link_arg, sizeof(p->link_arg), "/run/weir/guests/%s.sock", p->name);
	cfg_text(nic, "socket", p->link_arg, sizeof(p->link_arg));
	cfg_policy_read(NULL, NULL, &p->policy);
	policy_read(nic, p);
	vlan_read(nic, p);
	return p;
}

static int nic_attach(const struct source *s, struct cfg_vm *vm, const struct lyd_node *nic)
{
	const char *iface = cfg_value(nic, "interface");
	struct cfg_nic *n = &vm->nics[vm->n_nics++];
	struct cfg_port *p;
	char path[256];

	n->id = (uint8_t)cfg_number(nic, "id", 0);
	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/nic[id='%u']%s", vm->name, n->id,
		 iface != NULL ? "/interface" : "");
	p = iface != NULL ? nic_iface(s, path, iface) : nic_own(s, path, nic, vm->name);
	if (p == NULL)
		return -EINVAL;
	snprintf(n->port, sizeof(n->port), "%s", p->name);
	snprintf(p->vm, sizeof(p->vm), "%s", vm->name);
	p->nic = n->id;
	p->has_mac = true;
	mac_parse(cfg_value(nic, "mac"), p->mac);
	addresses_read(nic, p);
	return 0;
}

static int vm_read(const struct source *s, const struct lyd_node *node, struct cfg_vm *vm)
{
	const struct lyd_node *n;

	cfg_text(node, "name", vm->name, sizeof(vm->name));
	snprintf(vm->hostname, sizeof(vm->hostname), "%s", vm->name);
	for (char *p = vm->hostname; *p != '\0'; p++)
		*p = *p == '_' || *p == '.' ? '-' : *p; // RFC 952: letters, digits, hyphen
	cfg_text(node, "hostname", vm->hostname, sizeof(vm->hostname));
	cfg_text(node, "uuid", vm->uuid, sizeof(vm->uuid));
	for (char *p = vm->uuid; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'F' ? *p | 0x20 : *p);
	cfg_boot_read(cfg_child(node, "boot"), vm);
	if (cfg_machine_read(cfg_child(node, "machine"), vm, s->err) < 0)
		return -EINVAL;
	cfg_policy_read(cfg_child(node, "qos"), s->qos, &vm->policy);
	vm->slo_p99_us = cfg_target_read(cfg_child(node, "qos"), s->qos);
	LY_LIST_FOR (lyd_child(node), n) {
		int rc;

		if (strcmp(n->schema->name, "nic") != 0 || vm->n_nics == CFG_NICS)
			continue;
		rc = nic_attach(s, vm, n);
		if (rc < 0)
			return rc;
	}
	// The machine boots by the lowest; the order of a list that the system orders says nothing.
	qsort(vm->nics, vm->n_nics, sizeof(vm->nics[0]), by_id);
	return 0;
}

static void system_read(const struct lyd_node *sys, struct cfg_system *s)
{
	const struct lyd_node *n;

	s->max_sleep_us = cfg_number(sys, "max-sleep", 250);
	s->packet_buffers = cfg_number(sys, "packet-buffers", 16384);
	s->queue_len = cfg_number(sys, "queue-length", 2048);
	s->mac_table_size = cfg_number(sys, "mac-table-size", 65536);
	s->mac_ageing_s = cfg_number(sys, "mac-ageing", 300);
	if (sys == NULL)
		return;
	LY_LIST_FOR (lyd_child(sys), n) {
		if (strcmp(n->schema->name, "worker-cpu") == 0 && s->n_workers < 8)
			s->worker_cpu[s->n_workers++] =
				(uint16_t)strtoul(lyd_get_value(n), NULL, 10);
	}
}

static void management_read(const struct lyd_node *management, struct cfg_management *m)
{
	const struct lyd_node *netconf = cfg_child(management, "netconf");

	m->max_sessions = cfg_number(netconf, "max-sessions", 64);
	m->idle_timeout_s = cfg_number(netconf, "idle-timeout", 0);
	m->hello_timeout_s = cfg_number(netconf, "hello-timeout", 60);
}

static int lists_alloc(struct cfg *c, const struct lyd_node *tree)
{
	const struct lyd_node *vms = cfg_top(tree, "vms"), *storage = cfg_top(tree, "storage"), *n;
	uint32_t n_ports = cfg_count(cfg_top(tree, "interfaces"), "interface");

	if (vms != NULL) {
		LY_LIST_FOR (lyd_child(vms), n) {
			n_ports += cfg_count(n, "nic");
		}
	}
	// One more than needed, so that an empty list is not a failed allocation.
	c->ports = calloc(n_ports + 1, sizeof(*c->ports));
	c->vms = calloc(cfg_count(vms, "vm") + 1, sizeof(*c->vms));
	c->portals = calloc(cfg_count(storage, "portal") + 1, sizeof(*c->portals));
	c->servers = calloc(cfg_count(storage, "server") + 1, sizeof(*c->servers));
	c->services = calloc(cfg_count(cfg_top(tree, "boot-services"), "service") + 1,
			     sizeof(*c->services));
	c->files = calloc(cfg_count(cfg_top(tree, "boot-files"), "file") + 1, sizeof(*c->files));
	c->providers = calloc(cfg_count(cfg_top(tree, "boot-providers"), "provider") + 1,
			      sizeof(*c->providers));
	return c->ports == NULL || c->vms == NULL || c->portals == NULL || c->servers == NULL ||
			       c->services == NULL || c->files == NULL || c->providers == NULL
		       ? -ENOMEM
		       : 0;
}

// An interface that says it is a port, and is none: YANG has no place for this rule, the leaf is
// not ours.
static int not_a_port(const struct lyd_node *n, struct cfg_error *err)
{
	const char *type = cfg_value(n, "type");
	char path[256];

	if (type == NULL || strncmp(type, "weir-interfaces:", 16) != 0)
		return 0;
	snprintf(path, sizeof(path), "/ietf-interfaces:interfaces/interface[name='%s']",
		 cfg_value(n, "name"));
	return cfg_refuse(err, path, type,
			  "a port of the switch needs a link: socket, af-packet, tap or device");
}

static int interfaces_read(const struct lyd_node *tree, struct cfg *c, struct cfg_error *err)
{
	const struct lyd_node *interfaces = cfg_top(tree, "interfaces"),
			      *qos = cfg_top(tree, "qos");
	const struct lyd_node *n;

	if (interfaces == NULL)
		return 0;
	LY_LIST_FOR (lyd_child(interfaces), n) {
		// One that is switched off (RFC 8343, leaf enabled), or somebody else's.
		if (!cfg_flag(n, "enabled", true))
			continue;
		if (cfg_child(n, "port") != NULL)
			interface_read(n, qos, &c->ports[c->n_ports++]);
		else if (not_a_port(n, err) < 0)
			return -EINVAL;
	}
	qsort(c->ports, c->n_ports, sizeof(*c->ports), by_name);
	return 0;
}

// Each guest port knows the service of its VLAN.
static void services_join(struct cfg *c)
{
	for (uint32_t i = 0; i < c->n_ports; i++) {
		struct cfg_port *p = &c->ports[i];
		const struct cfg_service key = { .vlan = p->vlan }, *s;

		if (p->type != CFG_PORT_GUEST)
			continue;
		s = bsearch(&key, c->services, c->n_services, sizeof(key), by_vlan);
		// Who gives no address needs none to give.
		if (s == NULL ||
		    (s->mode == CFG_DHCP_AUTHORITATIVE && p->n_ip4 == 0 && !s->has_pool))
			continue;
		memcpy(p->service_ip4, s->addr, 4);
		p->service_mode = s->mode;
	}
}

static int tree_read(struct cfg *c, const struct lyd_node *tree, struct cfg_error *err)
{
	const struct lyd_node *vms = cfg_top(tree, "vms"), *n;
	struct source s = { .c = c, .qos = cfg_top(tree, "qos"), .err = err };

	system_read(cfg_top(tree, "system"), &c->system);
	management_read(cfg_top(tree, "management"), &c->management);
	cfg_storage_read(cfg_top(tree, "storage"), c);
	cfg_metrics_read(cfg_child(cfg_top(tree, "management"), "metrics"), &c->metrics);
	cfg_openflow_read(cfg_top(tree, "openflow"), &c->openflow);
	if (cfg_boot_lists_read(tree, c, err) < 0)
		return -EINVAL;
	if (cfg_qos_read(s.qos, &c->qos, err) < 0 || interfaces_read(tree, c, err) < 0)
		return -EINVAL;
	s.n_ifaces = c->n_ports;
	LY_LIST_FOR (vms == NULL ? NULL : lyd_child(vms), n) {
		int rc = vm_read(&s, n, &c->vms[c->n_vms++]);

		if (rc < 0)
			return rc;
	}
	qsort(c->ports, c->n_ports, sizeof(*c->ports), by_name);
	qsort(c->vms, c->n_vms, sizeof(*c->vms), by_name);
	qsort(c->files, c->n_files, sizeof(*c->files), by_name);
	qsort(c->providers, c->n_providers, sizeof(*c->providers), by_name);
	qsort(c->services, c->n_services, sizeof(*c->services), by_vlan);
	services_join(c);
	return 0;
}

int cfg_from_tree(const struct lyd_node *tree, struct cfg **out, struct cfg_error *err)
{
	struct cfg *c = calloc(1, sizeof(*c));
	int rc = c == NULL ? -ENOMEM : lists_alloc(c, tree);

	*out = NULL;
	if (rc == 0)
		rc = tree_read(c, tree, err);
	if (rc == 0)
		rc = cfg_check(c, err);
	if (rc < 0) {
		cfg_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

int cfg_load(struct cfg_schema *s, const char *json, size_t size, struct cfg **out,
	     struct cfg_error *err)
{
	struct lyd_node *tree = NULL;
	const char *why;
	char *text;
	int rc = 0;

	*out = NULL;
	if (size > CFG_FILE_MAX) {
		cfg_refuse(err, "", "", "larger than %u bytes", CFG_FILE_MAX);
		return -EFBIG;
	}
	text = malloc(size + 1); // libyang wants a string
	if (text == NULL)
		return -ENOMEM;
	memcpy(text, json, size);
	text[size] = '\0';
	if (strlen(text) != size)
		rc = cfg_refuse(err, "", "", "has a NUL byte at offset %zu", strlen(text));
	else if (strspn(text, " \t\r\n") == size)
		rc = cfg_refuse(err, "", "", "is empty; an empty configuration is written {}");
	else if ((why = cfg_scan_json(text)) != NULL)
		rc = cfg_refuse(err, "", "", "%s", why);
	else if (lyd_parse_data_mem(s->ctx, text, LYD_JSON,
				    LYD_PARSE_STRICT | LYD_PARSE_ONLY | LYD_PARSE_NO_STATE, 0,
				    &tree) != LY_SUCCESS)
		rc = cfg_refuse_ly(err, s->ctx);
	else
		rc = cfg_tree_check(s, &tree, err);
	if (rc == 0)
		rc = cfg_from_tree(tree, out, err);
	lyd_free_all(tree);
	free(text);
	return rc;
}

int cfg_empty(struct cfg **out)
{
	struct cfg *c = calloc(1, sizeof(*c));

	*out = c;
	if (c == NULL)
		return -ENOMEM;
	system_read(NULL, &c->system);
	management_read(NULL, &c->management);
	cfg_storage_read(NULL, c);
	cfg_boot_limits_read(NULL, &c->boot_limits);
	cfg_openflow_read(NULL, &c->openflow);
	(void)cfg_qos_read(NULL, &c->qos, NULL);
	if (lists_alloc(c, NULL) < 0) {
		cfg_free(c);
		*out = NULL;
		return -ENOMEM;
	}
	return 0;
}

void cfg_free(struct cfg *c)
{
	if (c == NULL)
		return;
	free(c->ports);
	free(c->vms);
	free(c->portals);
	free(c->servers);
	free(c->services);
	free(c->files);
	free(c->providers);
	free(c);
}

const struct cfg_port *cfg_port_find(const struct cfg *c, const char *name)
{
	return bsearch(name, c->ports, c->n_ports, sizeof(*c->ports), by_name);
}

const struct cfg_vm *cfg_vm_find(const struct cfg *c, const char *name)
{
	return bsearch(name, c->vms, c->n_vms, sizeof(*c->vms), by_name);
}
