// Proxmox's hook script: pre-start may keep a machine from starting, all else is told only.
// source: the example hook script of Proxmox VE 8 (pve-docs)
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hook.h"

#define PROGRAM "weir-proxmox-hook"

// A machine that comes from another node is still configured there.
static int conf_path(const struct hook_settings *s, const char *vmid, char *path, size_t size)
{
	const char *node = getenv("PVE_MIGRATED_FROM");
	uint64_t id;

	if (hook_number(vmid, 999999999, &id) < 0 || id < 100)
		return -EINVAL;
	if (node != NULL && node[0] != '\0' && hook_name_fits(node))
		snprintf(path, size, "%s/nodes/%s/qemu-server/%s.conf", s->proxmox_dir, node, vmid);
	else
		snprintf(path, size, "%s/qemu-server/%s.conf", s->proxmox_dir, vmid);
	return 0;
}

static int conf_read(const struct hook_settings *s, const char *vmid, struct hook_vm *vm,
		     char err[HOOK_TEXT])
{
	char path[256], *text = NULL;
	size_t size;
	int fd, rc;

	memset(vm, 0, sizeof(*vm));
	if (conf_path(s, vmid, path, sizeof(path)) < 0) {
		snprintf(err, HOOK_TEXT, "%.40s: expected the number of a machine", vmid);
		return -EINVAL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : hook_read_all(fd, &text, &size);
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		snprintf(err, HOOK_TEXT, "%.200s: %s", path, strerror(-rc));
		return rc;
	}
	rc = hook_pve_read(s, vmid, text, vm, err);
	free(text);
	return rc;
}

static int prepare(const struct hook_settings *s, struct hook_vm *vm, char err[HOOK_TEXT])
{
	const char *node = getenv("PVE_MIGRATED_FROM");

	for (uint32_t i = 0; i < vm->notes.n; i++)
		hook_say(PROGRAM, "%s", vm->notes.text[i]);
	return hook_prepare(s, vm, node != NULL && node[0] != '\0', "proxmox", err);
}

static int act(const struct hook_settings *s, const char *phase, struct hook_vm *vm,
	       char err[HOOK_TEXT])
{
	int rc;

	if (strcmp(phase, "pre-start") == 0)
		return prepare(s, vm, err);
	if (strcmp(phase, "post-start") == 0)
		return hook_event(s, vm->name, "started", "proxmox", err);
	if (strcmp(phase, "post-stop") != 0)
		return 0; // pre-stop: it runs on, and may refuse to stop
	rc = hook_event(s, vm->name, "stopped", "proxmox", err);
	return rc < 0 && rc != -EACCES ? rc : hook_event(s, vm->name, "release", "proxmox", err);
}

int hook_proxmox(const struct hook_settings *s, int argc, char **argv)
{
	const char *vmid = argc > 1 ? argv[1] : "", *phase = argc > 2 ? argv[2] : "";
	bool decides = strcmp(phase, "pre-start") == 0;
	char err[HOOK_TEXT] = "";
	struct hook_vm vm;
	int rc = conf_read(s, vmid, &vm, err);

	if (rc == 0 && vm.n_nics > 0)
		rc = act(s, phase, &vm, err);
	hook_vm_fini(&vm);
	if (rc == 0)
		return 0;
	hook_say(PROGRAM, "%.20s: %.20s: %s%s", vmid, phase, err,
		 decides && s->fail_open ? " (starts all the same: fail-open)" : "");
	return decides && !s->fail_open ? 1 : 0;
}
