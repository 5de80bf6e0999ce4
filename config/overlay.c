// What is in force is more than what is configured: machines that hooks announced, and boots that
// providers answered. A configuration is checked alone and with them, so that none is committed
// that they contradict, and none of them can take what a configuration has. The datastores never
// hold them: who reads running, or goes back to an earlier commit, does not meet them.
//
// Where a machine is configured and announced, too, the configuration says what it is.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "overlay_priv.h"

static void entry_free(struct cfg_overlay_entry *o)
{
	if (o == NULL)
		return;
	lyd_free_all(o->vms);
	lyd_free_all(o->boots);
	free(o);
}

void cfg_overlay_free(struct cfg_store *s)
{
	for (uint32_t i = 0; i < s->n_overlay; i++)
		entry_free(s->overlay[i]);
	free(s->overlay);
	s->overlay = NULL;
	s->n_overlay = 0;
}

static struct cfg_overlay_entry *entry_find(const struct cfg_store *s, const char *name)
{
	for (uint32_t i = 0; i < s->n_overlay; i++)
		if (strcmp(s->overlay[i]->name, name) == 0)
			return s->overlay[i];
	return NULL;
}

// The VM of that name in a tree, or NULL.
static struct lyd_node *vm_find(const struct lyd_node *tree, const char *name)
{
	const struct lyd_node *vms = cfg_top(tree, "vms");
	const struct lysc_node *schema;
	struct lyd_node *found = NULL;
	char keys[64];

	if (vms == NULL || lyd_child(vms) == NULL)
		return NULL;
	schema = lys_find_child(vms->schema, vms->schema->module, "vm", 0, LYS_LIST, 0);
	snprintf(keys, sizeof(keys), "[name='%.32s']", name);
	if (schema == NULL ||
	    lyd_find_sibling_val(lyd_child(vms), schema, keys, 0, &found) != LY_SUCCESS)
		return NULL;
	return found;
}

// --- Reading what hooks and providers say

// Exactly one VM of this name, and nothing else? A text can close the braces that it stands in.
static bool is_one_vm(const struct lyd_node *tree, const char *name)
{
	const struct lyd_node *vm = tree == NULL ? NULL : lyd_child(tree);
	const char *its = vm == NULL ? NULL : cfg_value(vm, "name");

	return vm != NULL && tree->next == NULL && strcmp(LYD_NAME(tree), "vms") == 0 &&
	       vm->next == NULL && its != NULL && strcmp(its, name) == 0;
}

static int wrapped_parse(const struct cfg_store *s, const char *text, struct lyd_node **out,
			 struct cfg_error *err)
{
	char *cut;
	int rc = cfg_tree_parse(s, text, LYD_JSON, out, err);

	// Lines of the text that was wrapped are nobody's.
	if (rc < 0 && (cut = strstr(err->reason, " (line ")) != NULL)
		*cut = '\0';
	return rc;
}

static int definition_parse(const struct cfg_store *s, const char *name, const char *json,
			    struct lyd_node **out, struct cfg_error *err)
{
	char *text = NULL;
	int rc;

	*out = NULL;
	if (strlen(json) > CFG_OVERLAY_TEXT)
		return cfg_refuse(err, "", name, "its definition is longer than %u bytes",
				  CFG_OVERLAY_TEXT);
	if (asprintf(&text, "{\"weir-vm:vms\":{\"vm\":[%s]}}", json) < 0)
		return cfg_refuse(err, "", "", "out of memory");
	rc = wrapped_parse(s, text, out, err);
	free(text);
	if (rc == 0 && !is_one_vm(*out, name)) {
		lyd_free_all(*out);
		*out = NULL;
		rc = cfg_refuse(err, "/weir-vm:vms/vm/name", name,
				"its definition has to be one machine of this name");
	}
	return rc;
}

// What an answer may not change: who answered, and from what.
static int boot_check(const struct lyd_node *vms, const char *name, struct cfg_error *err)
{
	static const char *const not_its[] = { "provider", "image" };
	const struct lyd_node *boot = cfg_child(lyd_child(vms), "boot");
	char path[128];

	if (!is_one_vm(vms, name) || boot == NULL || cfg_count(lyd_child(vms), "boot") != 1 ||
	    lyd_child(vms)->schema->nodetype != LYS_LIST ||
	    cfg_child(lyd_child(vms), "name")->next != boot || boot->next != NULL)
		return cfg_refuse(err, "/weir-vm:vms/vm/boot", name,
				  "the answer has to be members of boot");
	for (size_t i = 0; i < sizeof(not_its) / sizeof(not_its[0]); i++) {
		if (cfg_child(boot, not_its[i]) == NULL)
			continue;
		snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%.32s']/boot/%s", name,
			 not_its[i]);
		return cfg_refuse(err, path, cfg_value(boot, not_its[i]),
				  "is not the provider's to say");
	}
	return 0;
}

static int boot_parse(const struct cfg_store *s, const char *name, const char *json,
		      struct lyd_node **out, struct cfg_error *err)
{
	char *text = NULL;
	int rc;

	*out = NULL;
	if (strlen(json) > CFG_OVERLAY_TEXT)
		return cfg_refuse(err, "", name, "the answer is longer than %u bytes",
				  CFG_OVERLAY_TEXT);
	if (asprintf(&text, "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"%.32s\",\"boot\":%s}]}}", name,
		     json) < 0)
		return cfg_refuse(err, "", "", "out of memory");
	rc = wrapped_parse(s, text, out, err);
	free(text);
	if (rc == 0)
		rc = boot_check(*out, name, err);
	if (rc < 0) {
		lyd_free_all(*out);
		*out = NULL;
	}
	return rc;
}

static bool is_name(const char *name)
{
	const size_t len = strlen(name);

	return len > 0 && len < sizeof(((struct cfg_overlay_entry *)0)->name) &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		       len;
}

static int entry_create(const struct cfg_store *s, const struct cfg_overlay_vm *vm,
			struct cfg_overlay_entry **out, struct cfg_error *err)
{
	struct cfg_overlay_entry *o;
	int rc = 0;

	*out = NULL;
	if (!is_name(vm->name)) // before it stands in a text that is parsed
		return cfg_refuse(err, "/weir-vm:vms/vm/name", vm->name, "is no name of a VM");
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return cfg_refuse(err, "", "", "out of memory");
	snprintf(o->name, sizeof(o->name), "%s", vm->name);
	snprintf(o->source, sizeof(o->source), "%s", vm->source);
	if (vm->definition != NULL)
		rc = definition_parse(s, vm->name, vm->definition, &o->vms, err);
	if (rc == 0 && vm->boot != NULL)
		rc = boot_parse(s, vm->name, vm->boot, &o->boots, err);
	if (rc < 0)
		entry_free(o);
	else
		*out = o;
	return rc;
}

// --- Laying it over a tree

// One name, two machines?
static int same_check(const struct cfg_overlay_entry *o, const struct lyd_node *configured,
		      struct cfg_nc_error *e)
{
	const char *uuid = cfg_value(configured, "uuid");
	const char *its = cfg_value(lyd_child(o->vms), "uuid");

	if (uuid == NULL || its == NULL || strcasecmp(uuid, its) == 0)
		return 0;
	cfg_nc_refuse(e, "operation-failed", "machine %s of %s has uuid %s: another machine",
		      o->name, o->source, its);
	snprintf(e->path, sizeof(e->path), "/weir-vm:vms/vm[name='%s']/uuid", o->name);
	snprintf(e->value, sizeof(e->value), "%s", uuid);
	return -EINVAL;
}

static int vm_add(const struct cfg_overlay_entry *o, struct lyd_node **tree, struct lyd_node **out)
{
	struct lyd_node *vms = (struct lyd_node *)(uintptr_t)cfg_top(*tree, "vms");

	*out = NULL;
	if (vms == NULL) {
		if (lyd_dup_single(o->vms, NULL, LYD_DUP_RECURSIVE, &vms) != LY_SUCCESS)
			return -ENOMEM;
		if (lyd_insert_sibling(*tree, vms, tree) != LY_SUCCESS) {
			lyd_free_tree(vms);
			return -ENOMEM;
		}
		*out = lyd_child(vms);
		return 0;
	}
	return lyd_dup_single(lyd_child(o->vms), (struct lyd_node_inner *)vms, LYD_DUP_RECURSIVE,
			      out) == LY_SUCCESS
		       ? 0
		       : -ENOMEM;
}

// The answer takes the place of method, of what belongs to it, and of whatever else it names.
static int boot_lay(const struct lyd_node *answer, struct lyd_node *boot)
{
	static const char *const replaced[] = { "method", "iscsi",  "nfs",    "http",
						"kernel", "initrd", "cmdline" };
	struct lyd_node *n, *next;

	for (n = lyd_child(boot); n != NULL; n = next) {
		bool gone = cfg_child(answer, LYD_NAME(n)) != NULL;

		next = n->next;
		for (size_t i = 0; i < sizeof(replaced) / sizeof(replaced[0]); i++)
			gone |= strcmp(LYD_NAME(n), replaced[i]) == 0;
		if (gone)
			lyd_free_tree(n);
	}
	LY_LIST_FOR (lyd_child(answer), n) {
		if (lyd_dup_single(n, (struct lyd_node_inner *)boot, LYD_DUP_RECURSIVE, NULL) !=
		    LY_SUCCESS)
			return -ENOMEM;
	}
	return 0;
}

static int entry_lay(const struct cfg_overlay_entry *o, struct lyd_node **tree,
		     struct cfg_nc_error *e)
{
	struct lyd_node *vm = vm_find(*tree, o->name), *boot;
	int rc = 0;

	if (vm != NULL && o->vms != NULL)
		rc = same_check(o, vm, e);
	else if (o->vms != NULL)
		rc = vm_add(o, tree, &vm);
	if (rc < 0 || vm == NULL || o->boots == NULL)
		return rc;
	boot = (struct lyd_node *)(uintptr_t)cfg_child(vm, "boot");
	// It has no provider any more, so nobody answers for it.
	if (boot == NULL || cfg_child(boot, "provider") == NULL)
		return 0;
	return boot_lay(cfg_child(lyd_child(o->boots), "boot"), boot);
}

int cfg_overlay_lay(const struct cfg_store *s, struct lyd_node **tree, struct cfg_nc_error *e)
{
	for (uint32_t i = 0; i < s->n_overlay; i++) {
		int rc = entry_lay(s->overlay[i], tree, e);

		if (rc == -ENOMEM)
			cfg_nc_refuse(e, "operation-failed", "out of memory");
		if (rc < 0)
			return rc;
	}
	return 0;
}

// Is this machine what the error speaks of? Errors name data paths and ports.
static bool is_named(const struct cfg_overlay_entry *o, const struct cfg_nc_error *e)
{
	char path[64], port[48];

	snprintf(path, sizeof(path), "vm[name='%s']", o->name);
	snprintf(port, sizeof(port), "port %s.", o->name);
	return strstr(e->path, path) != NULL || strstr(e->message, path) != NULL ||
	       strstr(e->message, port) != NULL;
}

void cfg_overlay_blame(const struct cfg_store *s, struct cfg_nc_error *e)
{
	const size_t len = strlen(e->message), room = sizeof(e->message) - len;
	const struct cfg_overlay_entry *one = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->n_overlay; i++) {
		if (s->overlay[i]->vms != NULL)
			n++;
		if (one == NULL && is_named(s->overlay[i], e))
			one = s->overlay[i];
	}
	if (one != NULL)
		snprintf(e->message + len, room, "; /weir-vm:vms/vm[name='%s'] %s from %s",
			 one->name, one->vms != NULL ? "is transient," : "boots by an answer",
			 one->source);
	else
		snprintf(e->message + len, room,
			 "; it fits without the %u machines of /weir-vm:vms that are transient", n);
}

// --- Changing it

// The overlay with these in place of those of the same names; the array is new, entries are shared.
static int with(const struct cfg_store *s, struct cfg_overlay_entry *const *add, uint32_t n,
		struct cfg_store *out)
{
	*out = *s;
	out->overlay = calloc(s->n_overlay + n + 1u, sizeof(*out->overlay));
	out->n_overlay = 0;
	if (out->overlay == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_overlay; i++) {
		bool replaced = false;

		for (uint32_t k = 0; k < n && !replaced; k++)
			replaced = strcmp(add[k]->name, s->overlay[i]->name) == 0;
		if (!replaced)
			out->overlay[out->n_overlay++] = s->overlay[i];
	}
	for (uint32_t k = 0; k < n; k++)
		out->overlay[out->n_overlay++] = add[k];
	return 0;
}

// Check what runs with another overlay and hand it to the host.
static int force_with(const struct cfg_store *trial, const struct cfg_force *force,
		      struct cfg_error *err)
{
	struct lyd_node *whole;
	struct cfg *next = NULL;
	struct cfg_nc_error e = { 0 };
	int rc = cfg_tree_copy(trial->running, &whole);

	if (rc < 0)
		return cfg_refuse(err, "", "", "out of memory");
	rc = cfg_overlay_lay(trial, &whole, &e);
	if (rc == 0)
		rc = cfg_store_typed(trial, &whole, &next, &e);
	lyd_free_all(whole);
	if (rc < 0)
		return cfg_refuse(err, e.path, e.value, "%s", e.message);
	rc = force->fn(force->arg, next, err);
	if (rc < 0)
		cfg_free(next);
	return rc;
}

// What a roll back brings has to fit, too: nobody may keep a switch from going back.
static int backup_check(const struct cfg_store *trial, struct cfg_error *err)
{
	struct lyd_node *whole;
	struct cfg_nc_error e = { 0 };
	int rc;

	if (!trial->waiting)
		return 0;
	if (cfg_tree_copy(trial->backup, &whole) < 0)
		return cfg_refuse(err, "", "", "out of memory");
	rc = cfg_overlay_lay(trial, &whole, &e);
	if (rc == 0)
		rc = cfg_store_typed(trial, &whole, NULL, &e);
	lyd_free_all(whole);
	if (rc < 0)
		return cfg_refuse(
			err, e.path, e.value,
			"%.150s; a confirmed commit waits, and may be rolled back to that",
			e.message);
	return 0;
}

// Those of the old array that are not in the new one go.
static void take(struct cfg_store *s, struct cfg_store *trial)
{
	for (uint32_t i = 0; i < s->n_overlay; i++) {
		uint32_t k = 0;

		while (k < trial->n_overlay && trial->overlay[k] != s->overlay[i])
			k++;
		if (k == trial->n_overlay)
			entry_free(s->overlay[i]);
	}
	free(s->overlay);
	s->overlay = trial->overlay;
	s->n_overlay = trial->n_overlay;
}

int cfg_overlay_put(struct cfg_store *s, const struct cfg_overlay_vm *vms, uint32_t n,
		    const struct cfg_force *force, struct cfg_error *err)
{
	struct cfg_overlay_entry **add = calloc(n + 1u, sizeof(*add));
	struct cfg_store trial = { 0 };
	uint32_t made = 0;
	int rc = add == NULL ? cfg_refuse(err, "", "", "out of memory") : 0;

	for (; rc == 0 && made < n; made++) {
		rc = entry_create(s, &vms[made], &add[made], err);
		if (rc < 0)
			break;
	}
	if (rc == 0 && with(s, add, n, &trial) < 0)
		rc = cfg_refuse(err, "", "", "out of memory");
	if (rc == 0)
		rc = backup_check(&trial, err);
	if (rc == 0)
		rc = force_with(&trial, force, err);
	if (rc == 0) {
		take(s, &trial);
	} else {
		free(trial.overlay);
		for (uint32_t i = 0; i < made; i++)
			entry_free(add[i]);
	}
	free(add);
	return rc;
}

int cfg_overlay_remove(struct cfg_store *s, const char *name, const struct cfg_force *force,
		       struct cfg_error *err)
{
	struct cfg_overlay_entry *gone = entry_find(s, name);
	struct cfg_store trial;
	uint32_t n = 0;
	int rc;

	if (gone == NULL)
		return 0;
	if (with(s, NULL, 0, &trial) < 0)
		return cfg_refuse(err, "", "", "out of memory");
	for (uint32_t i = 0; i < trial.n_overlay; i++)
		if (trial.overlay[i] != gone)
			trial.overlay[n++] = trial.overlay[i];
	trial.n_overlay = n;
	rc = force_with(&trial, force, err);
	if (rc == 0)
		take(s, &trial);
	else
		free(trial.overlay);
	return rc;
}

bool cfg_overlay_configured(const struct cfg_store *s, const char *name)
{
	return vm_find(s->running, name) != NULL;
}

// --- A machine that is configured, and announced

static bool has_mac(const struct lyd_node *vm, const char *mac)
{
	const struct lyd_node *n;

	LY_LIST_FOR (lyd_child(vm), n) {
		if (strcmp(LYD_NAME(n), "nic") == 0 && cfg_value(n, "mac") != NULL &&
		    strcasecmp(cfg_value(n, "mac"), mac) == 0)
			return true;
	}
	return false;
}

static int compare(const struct cfg_overlay_entry *o, const struct lyd_node *vm,
		   struct cfg_error *err)
{
	struct cfg_nc_error e = { 0 };
	const struct lyd_node *n;
	char path[128];

	if (same_check(o, vm, &e) < 0)
		return cfg_refuse(err, e.path, e.value, "%s", e.message);
	LY_LIST_FOR (lyd_child(lyd_child(o->vms)), n) {
		const char *mac = cfg_value(n, "mac");

		if (strcmp(LYD_NAME(n), "nic") != 0 || mac == NULL || has_mac(vm, mac))
			continue;
		snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/nic", o->name);
		return cfg_refuse(err, path, mac,
				  "%s gives it a card with this MAC address, and the configuration "
				  "none",
				  o->source);
	}
	return 0;
}

int cfg_overlay_compare(const struct cfg_store *s, const struct cfg_overlay_vm *vm,
			struct cfg_error *err)
{
	const struct lyd_node *configured = vm_find(s->running, vm->name);
	struct cfg_overlay_entry *o;
	int rc = entry_create(s, vm, &o, err);

	if (rc == 0 && o->vms != NULL && configured != NULL)
		rc = compare(o, configured, err);
	entry_free(o);
	return rc;
}

int cfg_store_in_force(const struct cfg_store *s, const char *json, struct cfg **out,
		       struct cfg_error *err)
{
	struct lyd_node *tree = NULL;
	struct cfg_nc_error e = { 0 };
	int rc = 0;

	*out = NULL;
	if (json != NULL)
		rc = cfg_tree_parse(s, json, LYD_JSON, &tree, err);
	if (rc == 0 && cfg_store_check(s, json == NULL ? s->running : tree, out, &e) < 0)
		rc = cfg_refuse(err, e.path, e.value, "%s", e.message);
	lyd_free_all(tree);
	return rc;
}
