// The table of operations: one for NETCONF and for local tools. Each finds its input in c->op and
// leaves its output in c->out; nothing there means <ok/>.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

static const char *const ds_names[CFG_N_DS] = { "running", "candidate", "startup" };

int cfg_call_leaf(struct cfg_call *c, const char *path, const char *value)
{
	if (lyd_new_path2(c->out, NULL, path, value, 0, 0, LYD_NEW_PATH_OUTPUT, NULL, NULL) ==
	    LY_SUCCESS)
		return 0;
	return cfg_nc_refuse(&c->e, "operation-failed", "%s: cannot be answered", path);
}

int cfg_call_any(struct cfg_call *c, const char *name, struct lyd_node *tree)
{
	if (lyd_new_any(c->out, NULL, name, tree, 1, LYD_ANYDATA_DATATREE, 1, NULL) == LY_SUCCESS)
		return 0;
	lyd_free_all(tree);
	return cfg_nc_refuse(&c->e, "operation-failed", "%s: cannot be answered", name);
}

// The datastore that <source> or <target> names.
static int datastore(struct cfg_call *c, const char *which, enum cfg_ds *out)
{
	const struct lyd_node *n = cfg_child(c->op, which), *ds = n == NULL ? NULL : lyd_child(n);
	const char *name = ds == NULL ? "" : LYD_NAME(ds);

	for (uint32_t i = 0; i < CFG_N_DS; i++) {
		if (strcmp(name, ds_names[i]) == 0) {
			*out = (enum cfg_ds)i;
			return 0;
		}
	}
	cfg_nc_refuse(&c->e, n == NULL ? "missing-element" : "operation-not-supported",
		      "%s %s: running, candidate and startup are there", which, name);
	if (n == NULL)
		snprintf(c->e.info, sizeof(c->e.info), "<bad-element>%s</bad-element>", which);
	return -EINVAL;
}

int cfg_call_may_write(struct cfg_call *c, enum cfg_ds ds)
{
	uint32_t owner = c->store->lock[ds];

	if (owner == 0 || owner == c->s->id)
		return 0;
	return cfg_nc_refuse(&c->e, "in-use", "%s is locked by session %u", ds_names[ds], owner);
}

static int copy_of(struct cfg_call *c, enum cfg_ds ds, struct lyd_node **out)
{
	if (ds == CFG_STARTUP)
		return cfg_store_startup(c->store, out, &c->e);
	if (cfg_tree_copy(ds == CFG_RUNNING ? c->store->running : c->store->candidate, out) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return 0;
}

// A leaf of the input as the client wrote it; NULL where it wrote none, whatever the default is.
static const char *said(const struct cfg_call *c, const char *name)
{
	const struct lyd_node *n = cfg_child(c->op, name);

	return n == NULL || (n->flags & LYD_DEFAULT) != 0 ? NULL : lyd_get_value(n);
}

// The content of <config>: a tree made by an edit on nothing, so that it is checked alike.
static int inline_config(struct cfg_call *c, const struct lyd_node *config, struct lyd_node **out)
{
	const struct lyd_node_any *any = (const struct lyd_node_any *)config;

	*out = NULL;
	if (any->value_type != LYD_ANYDATA_DATATREE)
		return cfg_nc_refuse(&c->e, "malformed-message", "config: expected elements");
	return cfg_edit(out, any->value.tree, "merge", &c->e);
}

int cfg_call_source(struct cfg_call *c, const char *which, struct lyd_node **out)
{
	const struct lyd_node *source = cfg_child(c->op, which);
	const struct lyd_node *config = source == NULL ? NULL : cfg_child(source, "config");
	enum cfg_ds ds;

	if (config != NULL)
		return inline_config(c, config, out);
	return datastore(c, which, &ds) < 0 ? -EINVAL : copy_of(c, ds, out);
}

int cfg_call_edit(struct cfg_call *c, struct lyd_node *next, enum cfg_edit_test test)
{
	int rc = cfg_call_check_write(c, c->store->candidate, next);

	if (rc == 0 && test != CFG_EDIT_SET)
		rc = cfg_call_check(c, next, NULL);
	if (rc < 0 || test == CFG_EDIT_TEST_ONLY)
		lyd_free_all(next);
	else
		cfg_store_candidate_set(c->store, next, c->s->id);
	return rc;
}

// RFC 6241 section 7.2; who names no option gets no test. See cfg_netconf.h.
static enum cfg_edit_test test_of(const struct cfg_call *c)
{
	const char *test = said(c, "test-option");

	if (test == NULL || strcmp(test, "set") == 0)
		return CFG_EDIT_SET;
	return strcmp(test, "test-only") == 0 ? CFG_EDIT_TEST_ONLY : CFG_EDIT_TEST_THEN_SET;
}

static int edit(struct cfg_call *c, const struct lyd_node *config)
{
	const char *default_op = cfg_value(c->op, "default-operation");
	const struct lyd_node_any *any = (const struct lyd_node_any *)config;
	struct lyd_node *next;

	if (config == NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "url: <config> is taken");
	if (cfg_edit_error_option(cfg_value(c->op, "error-option"), &c->e) < 0)
		return -EINVAL;
	if (cfg_call_may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (any->value_type != LYD_ANYDATA_DATATREE)
		return cfg_nc_refuse(&c->e, "malformed-message", "config: expected elements");
	if (cfg_tree_copy(c->store->candidate, &next) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	if (cfg_call_edit_tree(c, &next, any->value.tree,
			       default_op == NULL ? "merge" : default_op) < 0) {
		lyd_free_all(next);
		return -EINVAL;
	}
	return cfg_call_edit(c, next, test_of(c));
}

static int edit_config(struct cfg_call *c)
{
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (ds != CFG_CANDIDATE)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "target %s: edit the candidate and commit it", ds_names[ds]);
	return edit(c, cfg_child(c->op, "config"));
}

// RFC 8526 section 3.2
static int edit_data(struct cfg_call *c)
{
	const char *ds = cfg_value(c->op, "datastore");

	if (ds == NULL || strcmp(ds, "ietf-datastores:candidate") != 0)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "datastore %s: edit the candidate and commit it",
				     ds == NULL ? "" : ds);
	return edit(c, cfg_child(c->op, "config"));
}

// What the next start loads is written; what runs stays.
static int startup_becomes(struct cfg_call *c, struct lyd_node *tree)
{
	const struct cfg_host *h = &c->store->host;
	char *json = cfg_tree_print(tree, LYD_JSON, 0);
	struct cfg_commit commit = {
		.json = json,
		.user = c->s->user,
		.client = "startup",
		.comment = "for the next start only",
	};
	struct cfg_commit_head head;
	struct cfg_error err = { 0 };
	char *now = NULL;
	int rc = 0;

	if (json == NULL)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	commit.size = strlen(json);
	if (c->store->waiting)
		rc = cfg_nc_refuse(&c->e, "in-use", "a confirmed commit waits");
	else if (h->history(h->arg, 0, &head, &now, &err) < 0 || strcmp(now, json) != 0)
		rc = h->save(h->arg, &commit, &err) < 0 ? cfg_nc_refuse_cfg(&c->e, &err) : 0;
	free(now);
	free(json);
	return rc;
}

static int copy_config(struct cfg_call *c)
{
	const struct lyd_node *source = lyd_child(cfg_child(c->op, "source"));
	struct lyd_node *tree, *old;
	enum cfg_ds ds;
	int rc;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (source != NULL && strcmp(LYD_NAME(source), ds_names[ds]) == 0)
		return cfg_nc_refuse(&c->e, "invalid-value", "source and target are both %s",
				     ds_names[ds]);
	if (ds == CFG_RUNNING)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "target running: copy to the candidate and commit it");
	if (cfg_call_may_write(c, ds) < 0 || cfg_call_source(c, "source", &tree) < 0)
		return -EINVAL;
	if (ds == CFG_CANDIDATE)
		return cfg_call_edit(c, tree, CFG_EDIT_SET);
	if (cfg_store_startup(c->store, &old, &c->e) < 0) {
		lyd_free_all(tree);
		return -EINVAL;
	}
	// RFC 8341 section 3.2.5: what runs may be saved by whoever may call this.
	rc = source != NULL && strcmp(LYD_NAME(source), "running") == 0
		     ? 0
		     : cfg_call_check_write(c, old, tree);
	if (rc == 0)
		rc = cfg_call_check(c, tree, NULL);
	if (rc == 0)
		rc = startup_becomes(c, tree);
	lyd_free_all(old);
	lyd_free_all(tree);
	return rc;
}

static int delete_config(struct cfg_call *c)
{
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (ds != CFG_STARTUP)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "target %s: startup only",
				     ds_names[ds]);
	return cfg_call_may_write(c, ds) < 0 ? -EINVAL : startup_becomes(c, NULL);
}

static int validate(struct cfg_call *c)
{
	struct lyd_node *tree;
	int rc;

	if (cfg_call_source(c, "source", &tree) < 0)
		return -EINVAL;
	rc = cfg_call_check(c, tree, NULL);
	lyd_free_all(tree);
	return rc;
}

static int discard(struct cfg_call *c)
{
	if (cfg_call_may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (cfg_store_discard(c->store) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return 0;
}

static bool is_there(const struct cfg_store *st, uint32_t id)
{
	for (const struct cfg_session *s = st->sessions; s != NULL; s = s->next)
		if (s->id == id && !s->ended)
			return true;
	return false;
}

static int lock_denied(struct cfg_call *c, uint32_t owner, const char *why)
{
	cfg_nc_refuse(&c->e, "lock-denied", "%s session %u", why, owner);
	c->e.type = "protocol";
	// One that has gone, or a client of another kind, has no number (RFC 6241 appendix A).
	snprintf(c->e.info, sizeof(c->e.info), "<session-id>%u</session-id>",
		 is_there(c->store, owner) ? owner : 0);
	return -EINVAL;
}

static int lock(struct cfg_call *c)
{
	struct cfg_store *st = c->store;
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (st->lock[ds] != 0)
		return lock_denied(c, st->lock[ds], "locked by");
	// RFC 6241 7.5: a candidate with somebody's changes cannot be locked, nor can running while
	// a confirmed commit waits for another.
	if (ds == CFG_CANDIDATE && st->changed_by != 0)
		return lock_denied(c, st->changed_by, "the candidate has changes of");
	if (ds == CFG_RUNNING && st->waiting && st->wait_session != c->s->id)
		return lock_denied(c, st->wait_session, "a confirmed commit waits for");
	st->lock[ds] = c->s->id;
	st->locked_ms[ds] = st->host.now_ms(st->host.arg);
	return 0;
}

static int unlock(struct cfg_call *c)
{
	struct cfg_store *st = c->store;
	enum cfg_ds ds;

	if (datastore(c, "target", &ds) < 0)
		return -EINVAL;
	if (st->lock[ds] != c->s->id)
		return cfg_nc_refuse(&c->e, "operation-failed",
				     "this session does not hold the lock");
	st->lock[ds] = 0;
	if (ds == CFG_CANDIDATE && cfg_store_discard(st) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return 0;
}

static int close_session(struct cfg_call *c)
{
	cfg_session_end(c->s, "closed");
	return 0;
}

static int kill_session(struct cfg_call *c)
{
	uint32_t id = cfg_number(c->op, "session-id", 0);

	if (id == c->s->id || id == 0)
		return cfg_nc_refuse(&c->e, "invalid-value",
				     "session-id %u: another session's is wanted", id);
	for (struct cfg_session *s = c->store->sessions; s != NULL; s = s->next) {
		if (s->id == id && !s->ended) {
			s->failed = true; // nothing more is sent to it
			s->out_at = s->out_size = 0;
			s->killed_by = c->s->id;
			cfg_session_end(s, "killed");
			return 0;
		}
	}
	return cfg_nc_refuse(&c->e, "invalid-value", "session-id %u: there is no such session", id);
}

static int clear_counters(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	struct cfg_error err = { 0 };

	if (h->clear(h->arg, cfg_value(c->op, "port"), c->s->user, &err) < 0)
		return cfg_nc_refuse_cfg(&c->e, &err);
	return 0;
}

static int vm_boot(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	struct cfg_error err = { 0 };

	if (h->vm_boot == NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported", "vm-boot: is not offered");
	if (h->vm_boot(h->arg, cfg_value(c->op, "vm"),
		       strcmp(cfg_value(c->op, "action"), "begin") == 0, c->s->user, &err) < 0)
		return cfg_nc_refuse_cfg(&c->e, &err);
	return 0;
}

static int portal_forget(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	const char *address = cfg_value(c->op, "address");
	struct cfg_error err = { 0 };
	struct cfg_portal which = { 0 };
	char number[16];
	uint32_t n = 0;

	if (h->forget == NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "portal-forget: is not offered");
	if (address != NULL) {
		cfg_addr_parse(address, which.addr);
		which.proto = cfg_transport(cfg_value(c->op, "protocol"));
		which.port = (uint16_t)cfg_number(c->op, "port", 0);
	}
	if (h->forget(h->arg, address == NULL ? NULL : &which, c->s->user, &n, &err) < 0)
		return cfg_nc_refuse_cfg(&c->e, &err);
	snprintf(number, sizeof(number), "%u", n);
	return cfg_call_leaf(c, "forgotten", number);
}

// A value more of a list that may have the same one twice. returns 0, or -EINVAL with c->e filled
static int listed(struct cfg_call *c, const char *name, const char *value)
{
	if (lyd_new_term(c->out, NULL, name, value, 1, NULL) == LY_SUCCESS)
		return 0;
	return cfg_nc_refuse(&c->e, "operation-failed", "%s: cannot be answered", name);
}

static int vm_arguments(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	struct cfg_launch l = {
		.vm = cfg_value(c->op, "vm"),
		.user = c->s->user,
		.libvirt = strcmp(cfg_value(c->op, "form"), "libvirt") == 0,
		.accelerated = cfg_flag(c->op, "accelerated", true),
	};
	struct cfg_error err = { 0 };
	const char *arg;
	int rc = 0;

	if (h->vm_arguments == NULL)
		return cfg_nc_refuse(&c->e, "operation-not-supported",
				     "vm-arguments: is not offered");
	if (h->vm_arguments(h->arg, &l, &err) < 0)
		return cfg_nc_refuse_cfg(&c->e, &err);
	if (l.libvirt)
		rc = cfg_call_leaf(c, "domain", l.text);
	arg = l.text;
	for (uint32_t i = 0; rc == 0 && i < l.n_args; i++, arg += strlen(arg) + 1)
		rc = listed(c, "argument", arg);
	free(l.text);
	return rc;
}

static int ping(struct cfg_call *c)
{
	(void)c;
	return 0;
}

static const struct {
	const char *module, *name;
	int (*run)(struct cfg_call *c);
} operations[] = {
	{ "ietf-netconf", "get", cfg_rpc_get },
	{ "ietf-netconf", "get-config", cfg_rpc_get_config },
	{ "ietf-netconf", "edit-config", edit_config },
	{ "ietf-netconf", "copy-config", copy_config },
	{ "ietf-netconf", "delete-config", delete_config },
	{ "ietf-netconf", "validate", validate },
	{ "ietf-netconf", "commit", cfg_rpc_commit },
	{ "ietf-netconf", "cancel-commit", cfg_rpc_cancel_commit },
	{ "ietf-netconf", "discard-changes", discard },
	{ "ietf-netconf", "lock", lock },
	{ "ietf-netconf", "unlock", unlock },
	{ "ietf-netconf", "close-session", close_session },
	{ "ietf-netconf", "kill-session", kill_session },
	{ "ietf-netconf-nmda", "get-data", cfg_rpc_get_data },
	{ "ietf-netconf-nmda", "edit-data", edit_data },
	{ "ietf-netconf-monitoring", "get-schema", cfg_rpc_get_schema },
	{ "notifications", "create-subscription", cfg_rpc_create_subscription },
	{ "weir-configuration", "edit-line", cfg_rpc_edit_line },
	{ "weir-configuration", "complete", cfg_rpc_complete },
	{ "weir-configuration", "show-configuration", cfg_rpc_show_configuration },
	{ "weir-configuration", "compare", cfg_rpc_compare },
	{ "weir-configuration", "load", cfg_rpc_load },
	{ "weir-configuration", "plan", cfg_rpc_plan },
	{ "weir-configuration", "rollback", cfg_rpc_rollback },
	{ "weir-configuration", "history", cfg_rpc_history },
	{ "weir-configuration", "status", cfg_rpc_status },
	{ "weir-operations", "clear-counters", clear_counters },
	{ "weir-operations", "ping", ping },
	{ "weir-operations", "vm-boot", vm_boot },
	{ "weir-operations", "vm-arguments", vm_arguments },
	{ "weir-operations", "vm-prepare", cfg_rpc_vm_prepare },
	{ "weir-operations", "vm-release", cfg_rpc_vm_release },
	{ "weir-operations", "vm-event", cfg_rpc_vm_event },
	{ "weir-operations", "portal-forget", portal_forget },
};

int cfg_rpc_run(struct cfg_call *c)
{
	const struct lys_module *module = c->op->schema->module;

	if (cfg_call_may_exec(c) < 0)
		return -EINVAL;
	if (lyd_validate_op((struct lyd_node *)(uintptr_t)c->op, NULL, LYD_TYPE_RPC_YANG, NULL) !=
	    LY_SUCCESS)
		return cfg_nc_refuse_ly(&c->e, c->store->schema->ctx);
	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (strcmp(LYD_NAME(c->op), operations[i].name) != 0 ||
		    strcmp(module->name, operations[i].module) != 0)
			continue;
		if (lyd_new_inner(NULL, module, LYD_NAME(c->op), 0, &c->out) != LY_SUCCESS)
			return cfg_nc_refuse(&c->e, "resource-denied", "out of memory");
		return operations[i].run(c);
	}
	if (strcmp(module->name, "weir-operations") == 0)
		return -ENOTSUP;
	return cfg_nc_refuse(&c->e, "operation-not-supported", "%s: is not offered",
			     LYD_NAME(c->op));
}
