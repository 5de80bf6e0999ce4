// What YANG cannot say well of booting: addresses that fit (XPath does not count in bits), what a
// method needs of the boot service in the VLAN of the machine's first card (the card's mode has a
// default that depends on its port's type), names that are a loader's or a file's, and what does
// not fit into a DHCP option.
//
// A configuration is refused only where nothing could boot by it. With mode proxy all methods
// work, since iPXE and UEFI join a ProxyDHCP offer to the address of another server; with mode off
// it is the other server's matter where it sends its clients.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

#define POOL_MAX 65536u
#define OPTION_MAX 255u // RFC 2132 section 2: a length of one byte

static uint32_t be32(const uint8_t b[4])
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static const char *ip_text(const uint8_t ip[4], char out[INET_ADDRSTRLEN])
{
	return inet_ntop(AF_INET, ip, out, INET_ADDRSTRLEN);
}

static uint32_t mask_of(const struct cfg_service *s)
{
	return ~0u << (32 - s->prefix_len);
}

static bool in_network(const struct cfg_service *s, uint32_t ip)
{
	return (ip & mask_of(s)) == (be32(s->addr) & mask_of(s));
}

// RFC 1122 section 3.2.1.3: of a network, and to all of it.
static bool is_nobody(const struct cfg_service *s, uint32_t ip)
{
	return (ip & ~mask_of(s)) == 0 || (ip | mask_of(s)) == ~0u;
}

// --- Services

static int service_refuse(struct cfg_error *err, const struct cfg_service *s, const char *leaf,
			  const uint8_t ip[4], const char *reason)
{
	char path[128], text[INET_ADDRSTRLEN];

	snprintf(path, sizeof(path), "/weir-vm:boot-services/service[vlan='%u']/%s", s->vlan, leaf);
	return cfg_refuse(err, path, ip == NULL ? "" : ip_text(ip, text), "%s", reason);
}

static int service_addresses(const struct cfg_service *s, struct cfg_error *err)
{
	static const uint8_t none[4];

	if (is_nobody(s, be32(s->addr)))
		return service_refuse(err, s, "address", s->addr,
				      "is the network's own or its broadcast address");
	if (memcmp(s->router, none, 4) == 0)
		return 0;
	if (!in_network(s, be32(s->router)))
		return service_refuse(err, s, "router", s->router,
				      "is not in the network of the service: no guest reaches it");
	if (is_nobody(s, be32(s->router)))
		return service_refuse(err, s, "router", s->router,
				      "is the network's own or its broadcast address");
	return 0;
}

static bool in_pool(const struct cfg_service *s, const uint8_t ip[4])
{
	return s->has_pool && be32(ip) >= be32(s->pool_first) && be32(ip) <= be32(s->pool_last);
}

static int pool_check(const struct cfg_service *s, struct cfg_error *err)
{
	static const uint8_t none[4];
	uint32_t first = be32(s->pool_first), last = be32(s->pool_last);

	if (s->mode != CFG_DHCP_AUTHORITATIVE)
		return service_refuse(err, s, "pool/first", s->pool_first,
				      "a service that does not give addresses (mode proxy or off) "
				      "has no pool");
	if (first > last)
		return service_refuse(err, s, "pool/first", s->pool_first,
				      "is behind the last address of the pool");
	if (last - first >= POOL_MAX)
		return service_refuse(err, s, "pool/last", s->pool_last,
				      "the pool has more than 65,536 addresses");
	if (!in_network(s, first) || is_nobody(s, first))
		return service_refuse(err, s, "pool/first", s->pool_first,
				      "no guest can have this address in the service's network");
	if (!in_network(s, last) || is_nobody(s, last))
		return service_refuse(err, s, "pool/last", s->pool_last,
				      "no guest can have this address in the service's network");
	if (in_pool(s, s->addr))
		return service_refuse(err, s, "pool/first", s->pool_first,
				      "the pool contains the address of the service");
	if (memcmp(s->router, none, 4) != 0 && in_pool(s, s->router))
		return service_refuse(err, s, "pool/first", s->pool_first,
				      "the pool contains the address of the router");
	return 0;
}

// Loaders of Debian's package ipxe have their names without being listed.
static bool loader_known(const struct cfg *c, const char *name)
{
	static const char *const shipped[] = { "undionly.kpxe", "snponly.efi", "ipxe.efi" };

	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		if (strcmp(shipped[i], name) == 0)
			return true;
	}
	return cfg_file_get(c, name) != NULL;
}

static int loader_check(const struct cfg *c, const char *path, const char *name,
			struct cfg_error *err)
{
	if (name[0] == '\0' || loader_known(c, name))
		return 0;
	return cfg_refuse(err, path, name,
			  "is neither a loader of the package ipxe nor one of boot-files");
}

static int service_loaders(const struct cfg *c, const struct cfg_service *s, struct cfg_error *err)
{
	char path[128];
	int rc;

	snprintf(path, sizeof(path), "/weir-vm:boot-services/service[vlan='%u']/uefi-loader",
		 s->vlan);
	rc = loader_check(c, path, s->uefi_loader, err);
	snprintf(path, sizeof(path), "/weir-vm:boot-services/service[vlan='%u']/bios-loader",
		 s->vlan);
	return rc < 0 ? rc : loader_check(c, path, s->bios_loader, err);
}

// A configuration, and the VLANs that have a side of the host's, by which HTTP is served.
struct whole {
	const struct cfg *c;
	uint8_t host_vlans[512]; // bit per VLAN
};

static void hosts_find(struct whole *w)
{
	for (uint32_t i = 0; i < w->c->n_ports; i++) {
		const struct cfg_port *p = &w->c->ports[i];

		if (p->type == CFG_PORT_HOST && !p->mirror_destination &&
		    (p->vlan_mode == CFG_VLAN_ACCESS || p->vlan_mode == CFG_VLAN_NATIVE_UNTAGGED))
			w->host_vlans[p->vlan >> 3] |= (uint8_t)(1u << (p->vlan & 7));
	}
}

static bool has_host_port(const struct whole *w, uint16_t vlan)
{
	return (w->host_vlans[vlan >> 3] >> (vlan & 7) & 1) != 0;
}

// HTTP tells its clients apart by the two addresses of a connection.
static int http_once(const struct whole *w, uint32_t at, struct cfg_error *err)
{
	const struct cfg_service *s = &w->c->services[at];
	char reason[128];

	if (!s->http || !has_host_port(w, s->vlan))
		return 0;
	for (uint32_t i = 0; i < at; i++) {
		const struct cfg_service *o = &w->c->services[i];

		if (memcmp(o->addr, s->addr, 4) != 0 || !o->http || !has_host_port(w, o->vlan))
			continue;
		snprintf(reason, sizeof(reason),
			 "VLAN %u's service has this address, and both serve HTTP: give them two, "
			 "or set http false in one",
			 o->vlan);
		return service_refuse(err, s, "address", s->addr, reason);
	}
	return 0;
}

static int service_check(const struct whole *w, uint32_t at, struct cfg_error *err)
{
	const struct cfg_service *s = &w->c->services[at];
	int rc = service_addresses(s, err);

	if (rc == 0 && s->has_pool)
		rc = pool_check(s, err);
	if (rc == 0)
		rc = service_loaders(w->c, s, err);
	return rc == 0 ? http_once(w, at, err) : rc;
}

// --- Cards

static int card_refuse(struct cfg_error *err, const struct cfg_port *p, const uint8_t ip[4],
		       const char *reason)
{
	char path[160], text[INET_ADDRSTRLEN];

	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/nic[id='%u']/ipv4-address", p->vm,
		 p->nic);
	return cfg_refuse(err, path, ip_text(ip, text), "%s", reason);
}

// The first address is the one that DHCP gives; the guest may use the others where it likes.
static int card_check(const struct cfg *c, const struct cfg_port *p, struct cfg_error *err)
{
	const struct cfg_service *s = p->vlan == 0 ? NULL : cfg_service_get(c, p->vlan);
	char reason[128];

	if (s == NULL || p->n_ip4 == 0)
		return 0;
	snprintf(reason, sizeof(reason), "is not in the network of VLAN %u's boot service (/%u)",
		 p->vlan, s->prefix_len);
	if (!in_network(s, be32(p->ip4[0])))
		return card_refuse(err, p, p->ip4[0], reason);
	if (is_nobody(s, be32(p->ip4[0])))
		return card_refuse(err, p, p->ip4[0],
				   "is the network's own or its broadcast address");
	snprintf(reason, sizeof(reason), "is the address of VLAN %u's boot service or router",
		 p->vlan);
	if (memcmp(p->ip4[0], s->router, 4) == 0)
		return card_refuse(err, p, p->ip4[0], reason);
	for (uint32_t i = 0; i < p->n_ip4; i++) {
		if (memcmp(p->ip4[i], s->addr, 4) == 0)
			return card_refuse(err, p, p->ip4[i], reason);
	}
	snprintf(reason, sizeof(reason), "is in the pool of VLAN %u's boot service, for others",
		 p->vlan);
	for (uint32_t i = 0; i < p->n_ip4; i++) {
		if (in_pool(s, p->ip4[i]))
			return card_refuse(err, p, p->ip4[i], reason);
	}
	return 0;
}

// --- Machines

static const char *method_name(const struct cfg_vm *vm)
{
	static const char *const names[] = { "none", "iscsi", "kernel", "nfs", "http" };

	return names[vm->method];
}

static int vm_refuse(struct cfg_error *err, const struct cfg_vm *vm, const char *leaf,
		     const char *value, const char *reason)
{
	char path[160];

	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/boot/%s", vm->name, leaf);
	return cfg_refuse(err, path, value, "%s", reason);
}

static int service_needed(const struct cfg *c, const struct cfg_vm *vm, const struct cfg_port *p,
			  struct cfg_error *err)
{
	const struct cfg_service *s = p->vlan == 0 ? NULL : cfg_service_get(c, p->vlan);
	char reason[192];

	snprintf(reason, sizeof(reason),
		 "VLAN %u of the first card has no boot service: add "
		 "boot-services/service[vlan='%u']",
		 p->vlan, p->vlan);
	if (s == NULL)
		return vm_refuse(err, vm, "method", method_name(vm), reason);
	snprintf(reason, sizeof(reason),
		 "the first card has no ipv4-address to give it, and VLAN %u's boot service has no "
		 "pool",
		 p->vlan);
	if (s->mode == CFG_DHCP_AUTHORITATIVE && p->n_ip4 == 0 && !s->has_pool)
		return vm_refuse(err, vm, "method", method_name(vm), reason);
	return 0;
}

// An image, and a secret that must not be told by DHCP.
static int http_needed(const struct whole *w, const struct cfg_vm *vm, const struct cfg_port *p,
		       struct cfg_error *err)
{
	const struct cfg_service *s = cfg_service_get(w->c, p->vlan);
	bool image = vm->method == CFG_BOOT_HTTP;
	char reason[192];

	if (!image && vm->chap_user[0] == '\0')
		return 0;
	snprintf(reason, sizeof(reason),
		 "needs HTTP, which VLAN %u's boot service has switched off", p->vlan);
	if (!s->http)
		return vm_refuse(err, vm, image ? "method" : "iscsi/chap/user",
				 image ? "http" : vm->chap_user, reason);
	snprintf(reason, sizeof(reason),
		 "needs HTTP, and there is no host port that carries VLAN %u untagged to serve it",
		 p->vlan);
	if (!has_host_port(w, p->vlan))
		return vm_refuse(err, vm, image ? "method" : "iscsi/chap/user",
				 image ? "http" : vm->chap_user, reason);
	return 0;
}

// The kernel's documentation, admin-guide/nfs/nfsroot.rst: SERVER:PATH,OPTIONS in option 17; one %s
// of the path is replaced. Nothing else may look like one.
static int nfs_check(const struct cfg_vm *vm, struct cfg_error *err)
{
	const char *at = strchr(vm->nfs_path, '%');
	size_t size = strlen(vm->nfs_server) + 1 + strlen(vm->nfs_path);

	if (vm->method != CFG_BOOT_NFS)
		return 0;
	if (at != NULL && (at[1] != 's' || strchr(at + 1, '%') != NULL))
		return vm_refuse(err, vm, "nfs/path", vm->nfs_path,
				 "of a % there may be one %s, for the guest's address");
	size += at != NULL ? INET_ADDRSTRLEN : 0;
	size += strlen(",vers=4.2,") + strlen(vm->nfs_options);
	if (size > OPTION_MAX)
		return vm_refuse(err, vm, "nfs/options", vm->nfs_options,
				 "does not fit DHCP's root path of 255 bytes with server and path");
	return 0;
}

static int vm_check(const struct whole *w, const struct cfg_vm *vm, struct cfg_error *err)
{
	const struct cfg_port *p;
	char path[160];
	int rc;

	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/boot/loader", vm->name);
	rc = loader_check(w->c, path, vm->loader, err);
	if (rc < 0 || vm->method == CFG_BOOT_NONE)
		return rc;
	p = cfg_port_get(w->c, vm->nics[0].port);
	rc = service_needed(w->c, vm, p, err);
	if (rc == 0)
		rc = http_needed(w, vm, p, err);
	return rc == 0 ? nfs_check(vm, err) : rc;
}

// --- Monitors: QEMU listens on each, for one machine.

static int by_monitor(const void *a, const void *b)
{
	const struct cfg_vm *x = *(const struct cfg_vm *const *)a;
	const struct cfg_vm *y = *(const struct cfg_vm *const *)b;
	int cmp = strcmp(x->machine.monitor, y->machine.monitor);

	return cmp != 0 ? cmp : strcmp(x->name, y->name);
}

static int monitors_check(const struct cfg *c, struct cfg_error *err)
{
	const struct cfg_vm **vms = calloc(c->n_vms + 1, sizeof(const struct cfg_vm *));
	char path[160];
	int rc = 0;

	if (vms == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n_vms; i++)
		vms[i] = &c->vms[i];
	qsort(vms, c->n_vms, sizeof(const struct cfg_vm *), by_monitor);
	for (uint32_t i = 1; i < c->n_vms && rc == 0; i++) {
		if (strcmp(vms[i - 1]->machine.monitor, vms[i]->machine.monitor) != 0)
			continue;
		snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/machine/monitor",
			 vms[i]->name);
		rc = cfg_refuse(err, path, vms[i]->machine.monitor, "VM %s has this monitor",
				vms[i - 1]->name);
	}
	free(vms);
	return rc;
}

int cfg_boot_check(const struct cfg *c, struct cfg_error *err)
{
	struct whole w = { .c = c };
	int rc = 0;

	hosts_find(&w);
	for (uint32_t i = 0; i < c->n_services && rc == 0; i++)
		rc = service_check(&w, i, err);
	for (uint32_t i = 0; i < c->n_ports && rc == 0; i++)
		rc = card_check(c, &c->ports[i], err);
	for (uint32_t i = 0; i < c->n_vms && rc == 0; i++)
		rc = vm_check(&w, &c->vms[i], err);
	return rc == 0 ? monitors_check(c, err) : rc;
}
