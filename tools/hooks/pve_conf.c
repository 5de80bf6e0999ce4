// Proxmox's configuration of a machine: lines "KEY: VALUE", up to the first section (snapshots and
// changes that wait have sections of their own). A description is kept there as lines that begin
// with '#', so "#weir-net0: .." in it is a card that Proxmox itself makes nothing of.
// source: qm.conf(5) of Proxmox VE 8
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

struct reader {
	const struct hook_settings *s;
	struct hook_vm *vm;
	char *err;
	char name[HOOK_TEXT];
};

static int refuse(struct reader *r, const char *what, const char *value, const char *why)
{
	snprintf(r->err, HOOK_TEXT, "%.20s: %.80s: %s", what, value, why);
	return -EINVAL;
}

// --- netN

// The models of QEMU's cards that Proxmox knows are keys, and the MAC address is the value.
static bool is_model(const char *key)
{
	static const char *const models[] = { "virtio", "e1000", "e1000e", "vmxnet3", "rtl8139" };

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
		if (strcmp(key, models[i]) == 0)
			return true;
	}
	return false;
}

// "20;30-40"
static int trunks(struct hook_nic *nic, char *value)
{
	char *save = NULL;

	for (char *p = strtok_r(value, ";", &save); p != NULL; p = strtok_r(NULL, ";", &save)) {
		uint64_t first, last;
		char *dash = strchr(p, '-');

		if (dash != NULL)
			*dash = '\0';
		if (hook_number(p, 4094, &first) < 0 ||
		    hook_number(dash == NULL ? p : dash + 1, 4094, &last) < 0 ||
		    hook_vlans_add(nic, first, last) < 0)
			return -EINVAL;
	}
	return 0;
}

// MB/s of 1,048,576 bytes, with a fraction, both ways: as Proxmox hands them to tc.
static int rate(struct hook_nic *nic, const char *value)
{
	char *end;
	double v = strtod(value, &end);

	if (end == value || *end != '\0' || !(v >= 0 && v < 100000) ||
	    strspn(value, "0123456789.") != strlen(value))
		return -EINVAL;
	nic->to_bits_per_s = nic->from_bits_per_s = (uint64_t)(v * 8 * 1024 * 1024);
	return 0;
}

static int number(const char *value, uint64_t max, uint32_t *out)
{
	uint64_t v;

	if (hook_number(value, max, &v) < 0)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

static int mac(struct hook_nic *nic, const char *value)
{
	if (!hook_mac_fits(value))
		return -EINVAL;
	snprintf(nic->mac, sizeof(nic->mac), "%s", value);
	return 0;
}

static bool bridge_is_ours(const struct hook_settings *s, const char *bridge)
{
	for (uint32_t i = 0; i < s->n_bridges; i++) {
		if (fnmatch(s->bridges[i], bridge, 0) == 0)
			return true;
	}
	return false;
}

static int net_option(struct reader *r, struct hook_nic *nic, const char *key, char *value,
		      bool *ours)
{
	if (is_model(key))
		return mac(nic, value);
	if (strcmp(key, "bridge") == 0)
		*ours |= bridge_is_ours(r->s, value);
	else if (strcmp(key, "tag") == 0)
		return number(value, 4094, &nic->vlan);
	else if (strcmp(key, "trunks") == 0)
		return trunks(nic, value);
	else if (strcmp(key, "rate") == 0)
		return rate(nic, value);
	else if (strcmp(key, "queues") == 0)
		return number(value, 64, &nic->queues);
	else if (strcmp(key, "mtu") == 0)
		return number(value, 65520, &nic->mtu);
	return 0; // firewall, link_down: not Weir's
}

static int net_add(struct reader *r, const struct hook_nic *nic, const char *key)
{
	struct hook_vm *vm = r->vm;

	if (nic->mac[0] == '\0')
		return refuse(r, key, "model", "it has no MAC address");
	for (uint32_t i = 0; i < vm->n_nics; i++) {
		if (vm->nics[i].id == nic->id)
			return refuse(r, key, nic->mac, "there are two cards of this number");
	}
	if (vm->n_nics == HOOK_NICS)
		return refuse(r, key, nic->mac, "Weir takes 8 cards of a machine");
	vm->nics[vm->n_nics++] = *nic;
	return 0;
}

// ours: it is, whatever its bridge is called
static int net(struct reader *r, const char *key, const char *digits, char *value, bool ours)
{
	struct hook_nic nic = { 0 };
	char *save = NULL, whole[HOOK_TEXT];
	uint64_t id;
	int rc = 0;

	snprintf(whole, sizeof(whole), "%s", value);
	for (char *p = strtok_r(value, ",", &save); p != NULL; p = strtok_r(NULL, ",", &save)) {
		char *is = strchr(p, '=');

		if (is == NULL)
			continue;
		*is = '\0';
		if (net_option(r, &nic, p, is + 1, &ours) < 0)
			rc = refuse(r, key, whole, "it cannot be read");
	}
	if (!ours)
		return 0;
	if (rc < 0)
		return rc;
	if (hook_number(digits, HOOK_NICS - 1, &id) < 0)
		return refuse(r, key, whole, "Weir's cards have numbers 0..7");
	nic.id = (uint8_t)id;
	nic.mtu = nic.mtu == 1 ? 0 : nic.mtu; // the bridge's
	// With a tag, that is what the guest has untagged, beside the trunk.
	if (nic.trunk && nic.vlan != 0 && hook_vlans_add(&nic, nic.vlan, nic.vlan) < 0)
		return refuse(r, key, whole, "VLANs are 1..4094");
	return net_add(r, &nic, key);
}

// --- Lines

static void smbios(struct reader *r, const char *value)
{
	const char *uuid = strstr(value, "uuid=");
	char text[37];

	if (uuid == NULL)
		return;
	snprintf(text, sizeof(text), "%.36s", uuid + 5);
	if (hook_uuid_fits(text))
		snprintf(r->vm->uuid, sizeof(r->vm->uuid), "%s", text);
}

static int line_read(struct reader *r, char *line)
{
	char *value = strchr(line, ':'), *end;

	if (value == NULL)
		return 0;
	*value++ = '\0';
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && strchr(" \t\r", end[-1]) != NULL)
		*--end = '\0';
	if (strcmp(line, "name") == 0)
		snprintf(r->name, sizeof(r->name), "%s", value);
	else if (strcmp(line, "smbios1") == 0)
		smbios(r, value);
	else if (strncmp(line, "net", 3) == 0)
		return net(r, line, line + 3, value, false);
	else if (strncmp(line, "#weir-net", 9) == 0)
		return net(r, line + 1, line + 9, value, true);
	else if (strcmp(line, "#weir") == 0 && r->vm->extra == NULL)
		r->vm->extra = strdup(value);
	return 0;
}

// What Weir calls it. By its number: Proxmox knows many machines of one name, and a name may change
// while a machine runs. Its name is that of its operating system.
static void name_set(struct reader *r, const char *vmid)
{
	char numbered[16];

	if (r->s->proxmox_by_name && r->name[0] != '\0') {
		hook_vm_name(r->vm, r->name);
		return;
	}
	snprintf(numbered, sizeof(numbered), "vm%s", vmid);
	hook_vm_name(r->vm, numbered);
	if (strchr(r->name, '_') == NULL && strchr(r->name, '.') == NULL && hook_name_fits(r->name))
		snprintf(r->vm->hostname, sizeof(r->vm->hostname), "%.24s", r->name);
}

int hook_pve_read(const struct hook_settings *s, const char *vmid, char *text, struct hook_vm *vm,
		  char err[HOOK_TEXT])
{
	struct reader r = { .s = s, .vm = vm, .err = err };
	char *save = NULL;
	int rc = 0;

	memset(vm, 0, sizeof(*vm));
	err[0] = '\0';
	for (char *p = strtok_r(text, "\n", &save); p != NULL && rc == 0;
	     p = strtok_r(NULL, "\n", &save)) {
		if (p[0] == '[')
			break;
		rc = line_read(&r, p);
	}
	name_set(&r, vmid);
	if (rc < 0) {
		hook_vm_fini(vm);
		memset(vm, 0, sizeof(*vm));
	}
	return rc;
}
