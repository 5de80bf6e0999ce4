// libvirt's hook: what it calls it with, and what that means.
//
// libvirt waits for a hook and takes its exit code by operation: on prepare it keeps a machine from
// starting, on reconnect it would kill one that runs. So all but prepare end well, whatever
// happens. A hook must not call libvirt back. migrate and restore are filters of the domain's XML:
// nothing on standard output leaves it as it is. source: libvirt's page "Hooks for specific system
// management", section qemu
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hook.h"

#define PROGRAM "weir-libvirt-hook"

enum what { PREPARE, INCOMING, EVENT, RECONNECT, STOPPED, RELEASE };

static const struct {
	const char *operation;
	enum what what;
	bool decides; // its exit code keeps the machine from starting
} operations[] = {
	{ "prepare", PREPARE, true },  { "restore", PREPARE, false },
	{ "attach", PREPARE, false },  { "migrate", INCOMING, false },
	{ "started", EVENT, false },   { "reconnect", RECONNECT, false },
	{ "stopped", STOPPED, false }, { "release", RELEASE, false },
};

static int prepare(const struct hook_settings *s, struct hook_vm *vm, bool incoming,
		   char err[HOOK_TEXT])
{
	for (uint32_t i = 0; i < vm->notes.n; i++)
		hook_say(PROGRAM, "%s", vm->notes.text[i]);
	return hook_prepare(s, vm, incoming, "libvirt", err);
}

static int tell(const struct hook_settings *s, const struct hook_vm *vm, const char *event,
		char err[HOOK_TEXT])
{
	return hook_event(s, vm->name, event, "libvirt", err);
}

// Why it stopped is told since 10.5; older ones say "-".
static int stopped(const struct hook_settings *s, const struct hook_vm *vm, const char *why,
		   char err[HOOK_TEXT])
{
	int rc = 0;

	if (strcmp(why, "migrated") == 0)
		rc = tell(s, vm, "migrated", err);
	else if (strcmp(why, "crashed") == 0)
		rc = tell(s, vm, "panicked", err);
	return rc < 0 && rc != -EACCES ? rc : tell(s, vm, "stopped", err);
}

// libvirtd came anew. Should the switch know nothing of the machine (its state was lost), the XML
// tells it.
static int reconnect(const struct hook_settings *s, struct hook_vm *vm, char err[HOOK_TEXT])
{
	int rc = tell(s, vm, "reconnect", err);

	if (rc == -EACCES)
		rc = hook_prepare(s, vm, false, "libvirt", err);
	else
		return rc;
	return rc < 0 ? rc : tell(s, vm, "reconnect", err);
}

static int act(const struct hook_settings *s, enum what what, struct hook_vm *vm, const char *extra,
	       char err[HOOK_TEXT])
{
	switch (what) {
	case PREPARE:
	case INCOMING:
		return prepare(s, vm, what == INCOMING, err);
	case EVENT:
		return tell(s, vm, "started", err);
	case RECONNECT:
		return reconnect(s, vm, err);
	case STOPPED:
		return stopped(s, vm, extra, err);
	case RELEASE:
		return tell(s, vm, "release", err);
	}
	return 0;
}

static int domain_read(const struct hook_settings *s, int input, struct hook_vm *vm,
		       char err[HOOK_TEXT])
{
	char *xml = NULL;
	size_t size = 0;
	int rc = hook_read_all(input, &xml, &size);

	memset(vm, 0, sizeof(*vm));
	if (rc < 0) {
		snprintf(err, HOOK_TEXT, "domain: %s",
			 rc == -EFBIG ? "it is longer than 262144 bytes" : strerror(-rc));
		return rc;
	}
	rc = hook_domain_read(s, xml, size, vm, err);
	free(xml);
	return rc;
}

int hook_libvirt(const struct hook_settings *s, int argc, char **argv, int input)
{
	const char *operation = argc > 2 ? argv[2] : "", *extra = argc > 4 ? argv[4] : "-";
	char err[HOOK_TEXT] = "";
	struct hook_vm vm;
	size_t i = 0, n = sizeof(operations) / sizeof(operations[0]);
	int rc;

	while (i < n && strcmp(operations[i].operation, operation) != 0)
		i++;
	if (i == n) // start, and what later versions may tell
		return 0;
	rc = domain_read(s, input, &vm, err);
	if (rc == 0 && vm.n_nics == 0)
		return 0; // nothing of Weir's
	if (rc == 0)
		rc = act(s, operations[i].what, &vm, extra, err);
	hook_vm_fini(&vm);
	if (rc == 0)
		return 0;
	hook_say(PROGRAM, "%.60s: %s: %s%s", argv[1], operation, err,
		 operations[i].decides && s->fail_open ? " (starts all the same: fail-open)" : "");
	return operations[i].decides && !s->fail_open ? 1 : 0;
}
