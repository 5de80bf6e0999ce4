// Where configuration becomes what the boot responder serves; the rest of that is in translate.c.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_texts.h"
#include "control_priv.h"

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
	// HTTP knows a guest by its address, which only the other server knows where it gives it.
	b->http = ctl_http_serves(c, cfg, s) && (b->mode == BOOT_AUTHORITATIVE || p->n_ip4 > 0);
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
