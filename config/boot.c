// How machines boot, and what serves them: weir-vm.yang but for identity and network cards.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

// Place of a value among the names of an enumeration; 0 where it is absent.
static uint8_t enum_read(const struct lyd_node *parent, const char *leaf, const char *const *names)
{
	const char *v = cfg_value(parent, leaf);

	for (uint8_t i = 0; v != NULL && names[i] != NULL; i++) {
		if (strcmp(v, names[i]) == 0)
			return i;
	}
	return 0;
}

static void iscsi_read(const struct lyd_node *iscsi, struct cfg_vm *vm)
{
	const struct lyd_node *chap = cfg_child(iscsi, "chap");

	cfg_text(iscsi, "server", vm->iscsi_server, sizeof(vm->iscsi_server));
	cfg_text(iscsi, "target", vm->iscsi_target, sizeof(vm->iscsi_target));
	vm->iscsi_port = (uint16_t)cfg_number(iscsi, "port", 3260);
	vm->iscsi_lun = (uint16_t)cfg_number(iscsi, "lun", 1);
	snprintf(vm->iscsi_initiator, sizeof(vm->iscsi_initiator), "iqn.2026-11.weir:%s", vm->name);
	cfg_text(iscsi, "initiator", vm->iscsi_initiator, sizeof(vm->iscsi_initiator));
	cfg_text(chap, "user", vm->chap_user, sizeof(vm->chap_user));
	cfg_text(chap, "secret", vm->chap_secret, sizeof(vm->chap_secret));
}

static void nfs_read(const struct lyd_node *nfs, struct cfg_vm *vm)
{
	const char *version = cfg_value(nfs, "version");

	if (nfs == NULL)
		return;
	cfg_text(nfs, "server", vm->nfs_server, sizeof(vm->nfs_server));
	cfg_text(nfs, "path", vm->nfs_path, sizeof(vm->nfs_path));
	snprintf(vm->nfs_options, sizeof(vm->nfs_options), "rsize=1048576,wsize=1048576");
	cfg_text(nfs, "options", vm->nfs_options, sizeof(vm->nfs_options));
	vm->nfs_v3 = version != NULL && strcmp(version, "3") == 0;
}

void cfg_boot_read(const struct lyd_node *boot, struct cfg_vm *vm)
{
	static const char *const methods[] = { "none", "iscsi", "kernel", "nfs", "http", NULL };
	const struct lyd_node *n;

	vm->method = enum_read(boot, "method", methods);
	iscsi_read(cfg_child(boot, "iscsi"), vm);
	nfs_read(vm->method == CFG_BOOT_NFS ? cfg_child(boot, "nfs") : NULL, vm);
	cfg_text(cfg_child(boot, "http"), "file", vm->http_file, sizeof(vm->http_file));
	cfg_text(boot, "kernel", vm->kernel, sizeof(vm->kernel));
	cfg_text(boot, "initrd", vm->initrd, sizeof(vm->initrd));
	cfg_text(boot, "cmdline", vm->cmdline, sizeof(vm->cmdline));
	cfg_text(boot, "loader", vm->loader, sizeof(vm->loader));
	cfg_text(boot, "provider", vm->provider, sizeof(vm->provider));
	cfg_text(boot, "image", vm->image, sizeof(vm->image));
	if (boot == NULL)
		return;
	LY_LIST_FOR (lyd_child(boot), n) {
		if (strcmp(n->schema->name, "file") == 0 && vm->n_files < CFG_VM_FILES)
			snprintf(vm->files[vm->n_files++], CFG_FILE_NAME, "%s", lyd_get_value(n));
	}
}

// Values of a leaf-list, one behind the other. returns how many, or -EINVAL: they do not fit
static int args_read(const struct lyd_node *parent, const char *name, char out[CFG_ARGS_MAX])
{
	const struct lyd_node *n;
	size_t at = 0, len;
	int count = 0;

	if (parent == NULL)
		return 0;
	LY_LIST_FOR (lyd_child(parent), n) {
		if (n->schema == NULL || strcmp(n->schema->name, name) != 0)
			continue;
		len = strlen(lyd_get_value(n)) + 1;
		if (len > CFG_ARGS_MAX - at)
			return -EINVAL;
		memcpy(out + at, lyd_get_value(n), len);
		at += len;
		count++;
	}
	return count;
}

int cfg_machine_read(const struct lyd_node *machine, struct cfg_vm *vm, struct cfg_error *err)
{
	static const char *const firmwares[] = { "bios", "uefi", NULL };
	static const char *const accels[] = { "auto", "kvm", "tcg", NULL };
	struct cfg_machine *m = &vm->machine;
	const struct lyd_node *n;
	char path[128];
	int n_args = args_read(machine, "argument", m->args);

	if (n_args < 0) {
		snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/machine/argument",
			 vm->name);
		return cfg_refuse(err, path, "", "arguments are longer than %u bytes together",
				  CFG_ARGS_MAX);
	}
	m->n_args = (uint8_t)n_args;
	m->memory_mib = cfg_number(machine, "memory", 512);
	m->vcpus = (uint16_t)cfg_number(machine, "vcpus", 1);
	m->firmware = enum_read(machine, "firmware", firmwares);
	m->accel = enum_read(machine, "acceleration", accels);
	snprintf(m->monitor, sizeof(m->monitor), "/run/weir/vms/%s/qmp.sock", vm->name);
	cfg_text(machine, "monitor", m->monitor, sizeof(m->monitor));
	snprintf(m->emulator, sizeof(m->emulator), "/usr/bin/qemu-system-x86_64");
	cfg_text(machine, "emulator", m->emulator, sizeof(m->emulator));
	if (machine == NULL)
		return 0;
	LY_LIST_FOR (lyd_child(machine), n) {
		if (strcmp(n->schema->name, "disk") == 0 && m->n_disks < CFG_VM_DISKS)
			snprintf(m->disks[m->n_disks++], sizeof(m->disks[0]), "%s",
				 lyd_get_value(n));
	}
	return 0;
}

static void pool_read(const struct lyd_node *pool, struct cfg_service *s)
{
	if (pool == NULL)
		return;
	s->has_pool = true;
	inet_pton(AF_INET, cfg_value(pool, "first"), s->pool_first);
	inet_pton(AF_INET, cfg_value(pool, "last"), s->pool_last);
	s->pool_lease_s = cfg_number(pool, "lease-time", 86400);
}

static void service_read(const struct lyd_node *n, struct cfg_service *s)
{
	static const char *const modes[] = { "authoritative", "proxy", "off", NULL };
	const char *lease = cfg_value(n, "lease-time");
	const struct lyd_node *d;

	s->vlan = (uint16_t)cfg_number(n, "vlan", 0);
	inet_pton(AF_INET, cfg_value(n, "address"), s->addr);
	s->prefix_len = (uint8_t)cfg_number(n, "prefix-length", 24);
	if (cfg_value(n, "router") != NULL)
		inet_pton(AF_INET, cfg_value(n, "router"), s->router);
	LY_LIST_FOR (lyd_child(n), d) {
		if (strcmp(d->schema->name, "dns") == 0 && s->n_dns < 3)
			inet_pton(AF_INET, lyd_get_value(d), s->dns[s->n_dns++]);
	}
	cfg_text(n, "domain", s->domain, sizeof(s->domain));
	s->mode = enum_read(n, "mode", modes);
	s->http = cfg_flag(n, "http", true);
	s->lease_s = lease == NULL || strcmp(lease, "infinite") == 0
			     ? CFG_LEASE_INFINITE
			     : (uint32_t)strtoul(lease, NULL, 10);
	snprintf(s->uefi_loader, sizeof(s->uefi_loader), "snponly.efi");
	snprintf(s->bios_loader, sizeof(s->bios_loader), "undionly.kpxe");
	cfg_text(n, "uefi-loader", s->uefi_loader, sizeof(s->uefi_loader));
	cfg_text(n, "bios-loader", s->bios_loader, sizeof(s->bios_loader));
	pool_read(cfg_child(n, "pool"), s);
}

void cfg_boot_limits_read(const struct lyd_node *limits, struct cfg_boot_limits *l)
{
	l->dhcp_rate = cfg_number(limits, "dhcp-rate", 20);
	l->dhcp_burst = cfg_number(limits, "dhcp-burst", 40);
	l->neighbour_rate = cfg_number(limits, "neighbour-rate", 50);
	l->transfers = cfg_number(limits, "transfers", 4);
}

static int provider_read(const struct lyd_node *n, struct cfg_provider *p, struct cfg_error *err)
{
	char path[128];
	int n_args = args_read(n, "argument", p->args);

	cfg_text(n, "name", p->name, sizeof(p->name));
	cfg_text(n, "command", p->command, sizeof(p->command));
	p->timeout_s = (uint16_t)cfg_number(n, "timeout", 30);
	if (n_args >= 0) {
		p->n_args = (uint8_t)n_args;
		return 0;
	}
	snprintf(path, sizeof(path), "/weir-vm:boot-providers/provider[name='%s']/argument",
		 p->name);
	return cfg_refuse(err, path, "", "arguments are longer than %u bytes together",
			  CFG_ARGS_MAX);
}

int cfg_boot_lists_read(const struct lyd_node *tree, struct cfg *c, struct cfg_error *err)
{
	const struct lyd_node *services = cfg_top(tree, "boot-services"), *n;
	const struct lyd_node *files = cfg_top(tree, "boot-files");
	const struct lyd_node *providers = cfg_top(tree, "boot-providers");

	cfg_boot_limits_read(cfg_child(services, "limits"), &c->boot_limits);
	LY_LIST_FOR (services == NULL ? NULL : lyd_child(services), n) {
		if (strcmp(n->schema->name, "service") == 0)
			service_read(n, &c->services[c->n_services++]);
	}
	LY_LIST_FOR (files == NULL ? NULL : lyd_child(files), n) {
		struct cfg_file *f = &c->files[c->n_files++];

		cfg_text(n, "name", f->name, sizeof(f->name));
		cfg_text(n, "path", f->path, sizeof(f->path));
	}
	LY_LIST_FOR (providers == NULL ? NULL : lyd_child(providers), n) {
		if (provider_read(n, &c->providers[c->n_providers++], err) < 0)
			return -EINVAL;
	}
	return 0;
}
