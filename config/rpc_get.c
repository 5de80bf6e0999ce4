// Reading: get, get-config, get-data, get-schema. A user sees what access control leaves, then
// defaults are added as asked for, then the filter selects.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "defaults_priv.h"
#include "filter_priv.h"
#include "netconf_priv.h"

// How to cut what is answered.
struct cut {
	const struct lyd_node *filter;
	uint16_t max_depth;
	const char *config; // "true", "false", or NULL = both
};

// Answer with a tree (taken). state: there may be defaults of state in it.
static int answer(struct cfg_call *c, struct lyd_node *tree, const struct cut *cut, bool state)
{
	struct cfg_defaults_ask ask = { .ctx = c->store->schema->ctx,
					.tree = tree,
					.state = state };
	struct lyd_node *whole = NULL, *out = NULL;
	int rc = 0;

	if (cfg_defaults_mode(cfg_value(c->op, "with-defaults"), &ask.mode) < 0)
		rc = cfg_nc_refuse(&c->e, "invalid-value", "with-defaults: %s",
				   cfg_value(c->op, "with-defaults"));
	if (rc == 0)
		rc = cfg_defaults(&ask, &whole, &c->print);
	lyd_free_all(tree);
	if (rc == 0)
		rc = cfg_session_prune(c->s, &whole);
	if (rc == 0 && cut->config != NULL)
		rc = cfg_config_only(&whole, strcmp(cut->config, "true") == 0);
	if (rc == 0)
		rc = cfg_filter_depth(whole, cut->filter, cut->max_depth, &out, &c->e);
	lyd_free_all(whole);
	if (rc == -ENOMEM)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return rc < 0 ? rc : cfg_call_any(c, "data", out);
}

// What of the state a filter may select; the rest is not even gathered.
static uint32_t wanted_parts(const struct lyd_node *filter)
{
	static const struct {
		const char *top;
		uint32_t part;
	} parts[] = {
		{ "interfaces", CFG_STATE_PORTS },	  { "mac-table", CFG_STATE_MACS },
		{ "vms-state", CFG_STATE_VMS },		  { "system-state", CFG_STATE_SYSTEM },
		{ "qos-state", CFG_STATE_QOS },		  { "storage-state", CFG_STATE_STORAGE },
		{ "openflow-state", CFG_STATE_OPENFLOW },
	};
	uint32_t all = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (cfg_filter_may_select(filter, parts[i].top))
			all |= parts[i].part;
	return all;
}

static bool wants_monitoring(const struct lyd_node *filter)
{
	static const char *const tops[] = { "netconf-state", "netconf", "yang-library",
					    "modules-state", "nacm" };

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (cfg_filter_may_select(filter, tops[i]))
			return true;
	return false;
}

// Configuration that runs, and state.
static int operational(struct cfg_call *c, const struct lyd_node *filter, struct lyd_node **out)
{
	const struct cfg_host *h = &c->store->host;
	const struct ly_ctx *ctx = c->store->schema->ctx;
	struct lyd_node *state = NULL;
	struct cfg_error err = { 0 };
	char *json = NULL;
	int rc = h->state(h->arg, wanted_parts(filter), &json, &err);

	*out = NULL;
	if (rc == 0 && lyd_parse_data_mem(ctx, json, LYD_JSON, LYD_PARSE_STRICT | LYD_PARSE_ONLY, 0,
					  out) != LY_SUCCESS)
		rc = cfg_refuse_ly(&err, ctx);
	free(json);
	if (rc == 0 &&
	    ((wants_monitoring(filter) && cfg_monitoring_add(c->store, out) < 0) ||
	     cfg_tree_copy(c->store->running, &state) < 0 ||
	     (state != NULL && lyd_merge_siblings(out, state, LYD_MERGE_DESTRUCT) != LY_SUCCESS)))
		rc = cfg_refuse(&err, "", "", "out of memory");
	if (rc < 0) {
		lyd_free_all(*out);
		*out = NULL;
		return cfg_nc_refuse_cfg(&c->e, &err);
	}
	return 0;
}

int cfg_rpc_get_config(struct cfg_call *c)
{
	const struct cut cut = { .filter = cfg_child(c->op, "filter") };
	struct lyd_node *tree;

	return cfg_call_source(c, "source", &tree) < 0 ? -EINVAL : answer(c, tree, &cut, false);
}

int cfg_rpc_get(struct cfg_call *c)
{
	const struct cut cut = { .filter = cfg_child(c->op, "filter") };
	struct lyd_node *tree;

	return operational(c, cut.filter, &tree) < 0 ? -EINVAL : answer(c, tree, &cut, true);
}

// RFC 8526 section 3.1
int cfg_rpc_get_data(struct cfg_call *c)
{
	const struct lyd_node *filter = cfg_child(c->op, "subtree-filter");
	const char *name = cfg_value(c->op, "datastore"), *depth = cfg_value(c->op, "max-depth");
	const struct cut cut = {
		.filter = filter != NULL ? filter : cfg_child(c->op, "xpath-filter"),
		.max_depth = depth == NULL ? 0 : (uint16_t)strtoul(depth, NULL, 10), // "unbounded"
		.config = cfg_value(c->op, "config-filter"),
	};
	struct lyd_node *tree = NULL;
	int rc;

	name = name != NULL && strchr(name, ':') != NULL ? strchr(name, ':') + 1 : "";
	if (strcmp(name, "operational") == 0)
		rc = operational(c, cut.filter, &tree);
	else if (strcmp(name, "startup") == 0)
		rc = cfg_store_startup(c->store, &tree, &c->e);
	else if (strcmp(name, "running") == 0 || strcmp(name, "intended") == 0)
		rc = cfg_tree_copy(c->store->running, &tree);
	else if (strcmp(name, "candidate") == 0)
		rc = cfg_tree_copy(c->store->candidate, &tree);
	else
		rc = cfg_nc_refuse(&c->e, "invalid-value",
				   "datastore %s: running, candidate, startup, intended and "
				   "operational are there",
				   name);
	if (rc == -ENOMEM)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return rc < 0 ? rc : answer(c, tree, &cut, strcmp(name, "operational") == 0);
}

// RFC 6022 section 3.1
int cfg_rpc_get_schema(struct cfg_call *c)
{
	const char *name = cfg_value(c->op, "identifier"), *version = cfg_value(c->op, "version"),
		   *format = cfg_value(c->op, "format");
	const struct ly_ctx *ctx = c->store->schema->ctx;
	const struct lys_module *m = NULL;
	char *text = NULL;
	LY_ERR rc;

	if (format != NULL && strcmp(format, "ietf-netconf-monitoring:yang") != 0)
		return cfg_nc_refuse(&c->e, "invalid-value", "format %s: only yang", format);
	if (version != NULL && version[0] != '\0')
		m = ly_ctx_get_module(ctx, name, version);
	else if ((m = ly_ctx_get_module_implemented(ctx, name)) == NULL)
		m = ly_ctx_get_module_latest(ctx, name);
	if (m == NULL)
		return cfg_nc_refuse(&c->e, "invalid-value", "identifier %s %s: no such module",
				     name, version == NULL ? "" : version);
	if (lys_print_mem(&text, m, LYS_OUT_YANG, 0) != LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	rc = lyd_new_any(c->out, NULL, "data", text, 0, LYD_ANYDATA_STRING, 1, NULL);
	free(text);
	return rc == LY_SUCCESS ? 0 : cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
}
