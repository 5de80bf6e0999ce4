// Access control. See nacm_priv.h.
#include "nacm_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CREATE = 1, READ = 2, UPDATE = 4, DELETE = 8, EXEC = 16, ALL = 31 };
enum rule_type { ANY, OPERATION, NOTIFICATION, DATA };

// A predicate of a path: the entry of a list, or of a leaf-list (key NULL), that it is about.
struct test {
	const struct lysc_node *owner, *key;
	char *value; // canonical
};

struct rule {
	const char *module, *name; // NULL = any
	enum rule_type type;
	const struct lysc_node *target; // of a path; NULL = all of the datastore
	struct test *tests;
	size_t n_tests;
	uint8_t ops;
	bool permit;
};

struct rule_list {
	const struct lyd_node *node; // its leaf-list group
	struct rule *rules;
	size_t n_rules;
};

struct cfg_nacm {
	struct lyd_node *tree; // our copy of the container; strings of rules are in it
	const struct lyd_node *groups;
	struct rule_list *lists;
	size_t n_lists;
	bool enabled, external, read, write, exec;
	struct cfg_nacm_counts counts;
};

// ---- reading the rules

static bool permits(const struct lyd_node *n, const char *leaf, bool otherwise)
{
	const char *v = cfg_value(n, leaf);

	return v == NULL ? otherwise : strcmp(v, "permit") == 0;
}

static const char *name_or_any(const struct lyd_node *rule, const char *leaf)
{
	const char *v = cfg_value(rule, leaf);

	return v == NULL || strcmp(v, "*") == 0 ? NULL : v;
}

static uint8_t ops_read(const char *text)
{
	static const char *const names[] = { "create", "read", "update", "delete", "exec" };
	uint8_t ops = 0;

	if (text == NULL || strcmp(text, "*") == 0)
		return ALL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strstr(text, names[i]) != NULL)
			ops |= (uint8_t)(1 << i);
	return ops;
}

// The value of a predicate as the key's type writes it.
static int value_read(const struct lysc_node *leaf, const char *text, size_t size, char **out)
{
	const struct ly_ctx *ctx = leaf->module->ctx;
	const char *canonical = NULL;
	LY_ERR rc = lyd_value_validate(ctx, leaf, text, size, NULL, NULL, &canonical);

	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE)
		return -EINVAL;
	*out = strdup(canonical);
	lydict_remove(ctx, canonical);
	return *out == NULL ? -ENOMEM : 0;
}

// One predicate, [name='value'] or [.='value'], at *p.
static int test_read(struct rule *r, const char **p)
{
	const char *name = *p + 1, *equals = strchr(name, '='), *end;
	struct test *to = realloc(r->tests, (r->n_tests + 1) * sizeof(*to));
	struct test t = { .owner = r->target };
	const char *colon;
	int rc;

	if (to == NULL)
		return -ENOMEM;
	r->tests = to;
	if (equals == NULL || (equals[1] != '\'' && equals[1] != '"') ||
	    (end = strchr(equals + 2, equals[1])) == NULL || end[1] != ']')
		return -EINVAL;
	colon = memchr(name, ':', (size_t)(equals - name));
	name = colon == NULL ? name : colon + 1;
	if (*name != '.') {
		t.key = lys_find_child(t.owner, t.owner->module, name, (size_t)(equals - name), 0,
				       0);
		if (t.key == NULL)
			return -EINVAL;
	}
	rc = value_read(t.key == NULL ? t.owner : t.key, equals + 2, (size_t)(end - equals - 2),
			&t.value);
	if (rc < 0)
		return rc;
	r->tests[r->n_tests++] = t;
	*p = end + 2;
	return 0;
}

// A path, as libyang writes it: /module:node/node[key='value']/module:node.
static int path_read(const struct ly_ctx *ctx, const char *p, struct rule *r)
{
	const struct lys_module *mod = NULL;
	char name[256];
	int rc = 0;

	if (strcmp(p, "/") == 0)
		return 0;
	while (*p == '/') {
		size_t size = strcspn(++p, ":/[");

		if (p[size] == ':') {
			snprintf(name, sizeof(name), "%.*s", (int)size, p);
			mod = ly_ctx_get_module_implemented(ctx, name);
			p += size + 1;
			size = strcspn(p, "/[");
		}
		if (mod == NULL || size == 0)
			return -EINVAL;
		r->target = lys_find_child(r->target, mod, p, size, 0, 0);
		if (r->target == NULL)
			return -EINVAL;
		p += size;
		while (*p == '[' && rc == 0)
			rc = test_read(r, &p);
		if (rc < 0)
			return rc;
	}
	return *p == '\0' ? 0 : -EINVAL;
}

static int rule_read(const struct lyd_node *node, struct rule *r)
{
	const char *path = cfg_value(node, "path");

	r->module = name_or_any(node, "module-name");
	r->ops = ops_read(cfg_value(node, "access-operations"));
	r->permit = permits(node, "action", false);
	if (path != NULL) {
		r->type = DATA;
		return path_read(LYD_CTX(node), path, r);
	}
	if (cfg_child(node, "rpc-name") != NULL) {
		r->type = OPERATION;
		r->name = name_or_any(node, "rpc-name");
	} else if (cfg_child(node, "notification-name") != NULL) {
		r->type = NOTIFICATION;
		r->name = name_or_any(node, "notification-name");
	}
	return 0;
}

static int list_read(const struct lyd_node *node, struct rule_list *l)
{
	const struct lyd_node *n;
	int rc = 0;

	l->node = node;
	l->rules = calloc(cfg_count(node, "rule") + 1, sizeof(*l->rules));
	if (l->rules == NULL)
		return -ENOMEM;
	LY_LIST_FOR (lyd_child(node), n) {
		if (rc == 0 && strcmp(LYD_NAME(n), "rule") == 0)
			rc = rule_read(n, &l->rules[l->n_rules++]);
	}
	return rc;
}

static int rules_read(struct cfg_nacm *n)
{
	const struct lyd_node *node;
	int rc = 0;

	n->enabled = cfg_flag(n->tree, "enable-nacm", true);
	n->external = cfg_flag(n->tree, "enable-external-groups", true);
	n->read = permits(n->tree, "read-default", true);
	n->write = permits(n->tree, "write-default", false);
	n->exec = permits(n->tree, "exec-default", true);
	n->groups = cfg_child(n->tree, "groups");
	n->lists = calloc(cfg_count(n->tree, "rule-list") + 1, sizeof(*n->lists));
	if (n->lists == NULL)
		return -ENOMEM;
	LY_LIST_FOR (lyd_child(n->tree), node) {
		if (rc == 0 && strcmp(LYD_NAME(node), "rule-list") == 0)
			rc = list_read(node, &n->lists[n->n_lists++]);
	}
	return rc;
}

int cfg_nacm_create(const struct lyd_node *running, struct cfg_nacm **out)
{
	const struct lyd_node *nacm = cfg_top(running, "nacm");
	struct cfg_nacm *n = calloc(1, sizeof(*n));
	int rc = 0;

	*out = NULL;
	if (n == NULL)
		return -ENOMEM;
	if (nacm != NULL &&
	    lyd_dup_single(nacm, NULL, LYD_DUP_RECURSIVE | LYD_DUP_NO_META, &n->tree) != LY_SUCCESS)
		rc = -ENOMEM;
	if (rc == 0)
		rc = rules_read(n);
	if (rc < 0) {
		cfg_nacm_destroy(n);
		return rc;
	}
	*out = n;
	return 0;
}

void cfg_nacm_destroy(struct cfg_nacm *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->n_lists; i++) {
		for (size_t k = 0; k < n->lists[i].n_rules; k++) {
			struct rule *r = &n->lists[i].rules[k];

			for (size_t t = 0; t < r->n_tests; t++)
				free(r->tests[t].value);
			free(r->tests);
		}
		free(n->lists[i].rules);
	}
	free(n->lists);
	lyd_free_all(n->tree);
	free(n);
}

struct cfg_nacm_counts *cfg_nacm_counts(struct cfg_nacm *n)
{
	return &n->counts;
}

// ---- the rules of one user

// Rules that apply to a user, in order.
struct view {
	const struct cfg_nacm *nacm;
	const struct rule **rules;
	size_t n;
	bool all; // nothing is checked
};

static bool has_value(const struct lyd_node *parent, const char *leaf_list, const char *value)
{
	const struct lyd_node *n;

	LY_LIST_FOR (lyd_child(parent), n) {
		if (strcmp(LYD_NAME(n), leaf_list) == 0 && strcmp(lyd_get_value(n), value) == 0)
			return true;
	}
	return false;
}

static bool in_group(const struct cfg_nacm *n, const struct cfg_nacm_user *u, const char *group)
{
	const struct lyd_node *g;

	for (size_t i = 0; n->external && i < u->n_groups; i++)
		if (strcmp(u->groups[i], group) == 0)
			return true;
	if (n->groups == NULL)
		return false;
	LY_LIST_FOR (lyd_child(n->groups), g) {
		const char *name = cfg_value(g, "name");

		if (name != NULL && strcmp(name, group) == 0)
			return has_value(g, "user-name", u->name);
	}
	return false;
}

static bool in_any_group(const struct cfg_nacm *n, const struct cfg_nacm_user *u)
{
	const struct lyd_node *g;

	if (n->external && u->n_groups > 0)
		return true;
	if (n->groups == NULL)
		return false;
	LY_LIST_FOR (lyd_child(n->groups), g) {
		if (has_value(g, "user-name", u->name))
			return true;
	}
	return false;
}

static bool list_applies(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
			 const struct rule_list *l)
{
	const struct lyd_node *g;

	if (has_value(l->node, "group", "*"))
		return true;
	LY_LIST_FOR (lyd_child(l->node), g) {
		if (strcmp(LYD_NAME(g), "group") == 0 && in_group(n, u, lyd_get_value(g)))
			return true;
	}
	return false;
}

bool cfg_nacm_unrestricted(const struct cfg_nacm *n, const struct cfg_nacm_user *u)
{
	return u->recovery || !n->enabled;
}

// Steps 1 to 6 of section 3.4.4, the same for all kinds of access.
static int view_make(const struct cfg_nacm *n, const struct cfg_nacm_user *u, struct view *v)
{
	size_t count = 0;

	*v = (struct view){ .nacm = n, .all = cfg_nacm_unrestricted(n, u) };
	// A user without a group goes by the defaults, whatever rules for "*" say.
	if (v->all || !in_any_group(n, u))
		return 0;
	for (size_t i = 0; i < n->n_lists; i++)
		count += n->lists[i].n_rules;
	v->rules = calloc(count + 1, sizeof(*v->rules));
	if (v->rules == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n->n_lists; i++) {
		if (!list_applies(n, u, &n->lists[i]))
			continue;
		for (size_t k = 0; k < n->lists[i].n_rules; k++)
			v->rules[v->n++] = &n->lists[i].rules[k];
	}
	return 0;
}

static bool rule_covers(const struct rule *r, const struct lysc_node *s, uint8_t op)
{
	return (r->ops & op) && (r->module == NULL || strcmp(r->module, s->module->name) == 0);
}

// Does the node, or one above it, carry this extension of ietf-netconf-acm?
static bool marked(const struct lysc_node *s, const char *extension)
{
	LY_ARRAY_COUNT_TYPE i;

	for (; s != NULL; s = s->parent) {
		LY_ARRAY_FOR (s->exts, i) {
			const struct lysc_ext *def = s->exts[i].def;

			if (strcmp(def->name, extension) == 0 &&
			    strcmp(def->module->name, "ietf-netconf-acm") == 0)
				return true;
		}
	}
	return false;
}

static const struct lyd_node *ancestor_of(const struct lyd_node *d, const struct lysc_node *schema)
{
	while (d != NULL && d->schema != schema)
		d = lyd_parent(d);
	return d;
}

// Is the node the one of the path, or below it? s is its schema, d the node, or the one above it
// where there is none.
static bool path_covers(const struct rule *r, const struct lyd_node *d, const struct lysc_node *s)
{
	if (r->target != NULL && r->target != s && ancestor_of(d, r->target) == NULL)
		return false;
	for (size_t i = 0; i < r->n_tests; i++) {
		const struct test *t = &r->tests[i];
		const struct lyd_node *at = ancestor_of(d, t->owner);
		const char *value = at == NULL	     ? NULL
				    : t->key == NULL ? lyd_get_value(at)
						     : cfg_value(at, t->key->name);

		if (value == NULL || strcmp(value, t->value) != 0)
			return false;
	}
	return true;
}

// Section 3.4.5, for a node that may be missing: d is then the one above it, or NULL.
static bool place_allowed(const struct view *v, const struct lyd_node *d, const struct lysc_node *s,
			  uint8_t op)
{
	if (v->all)
		return true;
	for (size_t i = 0; i < v->n; i++) {
		const struct rule *r = v->rules[i];

		if (rule_covers(r, s, op) &&
		    (r->type == ANY || (r->type == DATA && path_covers(r, d, s))))
			return r->permit;
	}
	if (marked(s, "default-deny-all") || (op != READ && marked(s, "default-deny-write")))
		return false;
	return op == READ ? v->nacm->read : v->nacm->write;
}

static bool data_allowed(const struct view *v, const struct lyd_node *d, uint8_t op)
{
	return v->all || (d->schema != NULL && place_allowed(v, d, d->schema, op));
}

// ---- questions

static bool is_of(const struct lysc_node *s, const char *module, const char *name)
{
	return strcmp(s->name, name) == 0 && strcmp(s->module->name, module) == 0;
}

static bool exec_allowed(const struct view *v, const struct lysc_node *rpc)
{
	if (v->all || is_of(rpc, "ietf-netconf", "close-session"))
		return true;
	for (size_t i = 0; i < v->n; i++) {
		const struct rule *r = v->rules[i];

		if (rule_covers(r, rpc, EXEC) &&
		    (r->type == ANY || (r->type == OPERATION &&
					(r->name == NULL || strcmp(r->name, rpc->name) == 0))))
			return r->permit;
	}
	if (marked(rpc, "default-deny-all") || is_of(rpc, "ietf-netconf", "kill-session") ||
	    is_of(rpc, "ietf-netconf", "delete-config"))
		return false;
	return v->nacm->exec;
}

bool cfg_nacm_may_exec(struct cfg_nacm *n, const struct cfg_nacm_user *u,
		       const struct lysc_node *rpc)
{
	struct view v;
	bool yes = view_make(n, u, &v) == 0 && exec_allowed(&v, rpc);

	n->counts.denied_operations += !yes;
	free(v.rules);
	return yes;
}

// Does a rule's path lead to a notification inside of data? Which instance it is about is not
// known here: a path with predicates covers it only to deny.
static bool path_covers_notification(const struct rule *r, const struct lysc_node *s)
{
	if (r->n_tests > 0 && r->permit)
		return false;
	for (; s != NULL; s = s->parent)
		if (s == r->target)
			return true;
	return false;
}

static bool notify_allowed(const struct view *v, const struct lysc_node *s)
{
	if (v->all || is_of(s, "nc-notifications", "replayComplete") ||
	    is_of(s, "nc-notifications", "notificationComplete"))
		return true;
	for (size_t i = 0; i < v->n; i++) {
		const struct rule *r = v->rules[i];

		if (!rule_covers(r, s, READ))
			continue;
		if (r->type == ANY ||
		    (r->type == NOTIFICATION &&
		     (r->name == NULL || strcmp(r->name, s->name) == 0)) ||
		    (r->type == DATA && path_covers_notification(r, s)))
			return r->permit;
	}
	return !marked(s, "default-deny-all") && v->nacm->read;
}

bool cfg_nacm_may_notify(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			 const struct lysc_node *notification)
{
	struct view v;
	bool yes = view_make(n, u, &v) == 0 && notify_allowed(&v, notification);

	n->counts.denied_notifications += !yes;
	free(v.rules);
	return yes;
}

static void prune(const struct view *v, struct lyd_node *parent)
{
	struct lyd_node *n, *next;

	LY_LIST_FOR_SAFE(lyd_child(parent), next, n)
	{
		if (n->schema != NULL && lysc_is_key(n->schema))
			continue;
		if (data_allowed(v, n, READ))
			prune(v, n);
		else
			lyd_free_tree(n);
	}
}

int cfg_nacm_prune_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
			struct lyd_node **tree)
{
	struct lyd_node *top, *next;
	struct view v;

	if (view_make(n, u, &v) < 0)
		return -ENOMEM;
	LY_LIST_FOR_SAFE(v.all ? NULL : *tree, next, top)
	{
		if (data_allowed(&v, top, READ)) {
			prune(&v, top);
			continue;
		}
		if (top == *tree)
			*tree = next;
		lyd_free_tree(top);
	}
	free(v.rules);
	return 0;
}

// What a node of a diff asks for; 0 = nothing. inherited: of the node above.
static uint8_t diff_op(const struct lyd_node *d, uint8_t inherited, uint8_t *below)
{
	const struct lyd_meta *m = lyd_find_meta(d->meta, NULL, "yang:operation");
	const char *op = m == NULL ? NULL : lyd_get_meta_value(m);

	*below = inherited;
	if (op == NULL)
		return inherited;
	*below = strcmp(op, "create") == 0 ? CREATE : strcmp(op, "delete") == 0 ? DELETE : 0;
	if (strcmp(op, "replace") == 0)
		return UPDATE; // another value, or another place in a list
	// Only whether a default is written out changes.
	if (strcmp(op, "none") == 0 && (d->schema->nodetype & LYD_NODE_TERM) &&
	    lyd_find_meta(d->meta, NULL, "yang:orig-default") != NULL)
		return UPDATE;
	return *below;
}

static bool is_np_container(const struct lysc_node *s)
{
	return s->nodetype == LYS_CONTAINER && !(s->flags & LYS_PRESENCE);
}

// The first node of a diff that may not be written, or NULL.
static const struct lyd_node *refused_in(const struct view *v, const struct lyd_node *first,
					 uint8_t inherited)
{
	const struct lyd_node *d, *found;

	LY_LIST_FOR (first, d) {
		uint8_t below, op = diff_op(d, inherited, &below);

		if (lysc_is_key(d->schema))
			continue;
		if (op != 0 && !is_np_container(d->schema) && !data_allowed(v, d, op))
			return d;
		found = refused_in(v, lyd_child(d), below);
		if (found != NULL)
			return found;
	}
	return NULL;
}

// The node, or the last one above it that may be read; NULL = none.
static const struct lyd_node *readable(const struct view *v, const struct lyd_node *d)
{
	const struct lyd_node *last = NULL;

	for (; d != NULL; d = lyd_parent(d)) {
		if (!data_allowed(v, d, READ))
			last = NULL;
		else if (last == NULL)
			last = d;
	}
	return last;
}

bool cfg_nacm_may_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
		       const struct lyd_node *d)
{
	struct view v;
	bool yes = view_make(n, u, &v) == 0;

	for (; yes && d != NULL; d = lyd_parent(d))
		yes = data_allowed(&v, d, READ);
	free(v.rules);
	return yes;
}

static bool all_readable(const struct view *v, const struct lyd_node *first)
{
	const struct lyd_node *d;

	LY_LIST_FOR (first, d) {
		if (!lysc_is_key(d->schema) &&
		    (!data_allowed(v, d, READ) || !all_readable(v, lyd_child(d))))
			return false;
	}
	return true;
}

int cfg_nacm_check_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
			const struct lyd_node *diff)
{
	struct view v;
	int rc = view_make(n, u, &v);

	if (rc == 0 && !v.all && !all_readable(&v, diff))
		rc = -EACCES;
	free(v.rules);
	return rc;
}

static int refuse_write(const struct view *v, const struct lyd_node *d, struct cfg_nc_error *e)
{
	const struct lyd_node *shown = readable(v, d);
	char *path = shown == NULL ? NULL : lyd_path(shown, LYD_PATH_STD, NULL, 0);
	int rc = cfg_nc_refuse(e, "access-denied", "access denied");

	if (path != NULL)
		snprintf(e->path, sizeof(e->path), "%s", path);
	free(path);
	return rc;
}

int cfg_nacm_check_write(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			 const struct lyd_node *diff, struct cfg_nc_error *e)
{
	const struct lyd_node *d;
	struct view v;
	int rc = 0;

	if (view_make(n, u, &v) < 0)
		return -ENOMEM;
	d = v.all ? NULL : refused_in(&v, diff, 0);
	if (d != NULL) {
		rc = refuse_write(&v, d, e);
		n->counts.denied_data_writes++;
	}
	free(v.rules);
	return rc;
}

struct cfg_nacm_guard {
	struct cfg_nacm *nacm;
	struct view view;
};

int cfg_nacm_guard_create(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			  struct cfg_nacm_guard **out)
{
	struct cfg_nacm_guard *g = calloc(1, sizeof(*g));

	*out = g;
	if (g == NULL)
		return -ENOMEM;
	g->nacm = n;
	if (view_make(n, u, &g->view) == 0)
		return 0;
	free(g);
	*out = NULL;
	return -ENOMEM;
}

void cfg_nacm_guard_destroy(struct cfg_nacm_guard *g)
{
	if (g == NULL)
		return;
	free(g->view.rules);
	free(g);
}

int cfg_nacm_guard_ask(void *arg, const struct lyd_node *n, const struct lysc_node *schema,
		       enum cfg_edit_op op, struct cfg_nc_error *e)
{
	static const uint8_t any_of[] = {
		[CFG_EDIT_NONE] = CREATE | UPDATE | DELETE,
		[CFG_EDIT_MERGE] = CREATE | UPDATE,
		[CFG_EDIT_REPLACE] = CREATE | UPDATE,
		[CFG_EDIT_CREATE] = CREATE,
		[CFG_EDIT_DELETE] = DELETE,
		[CFG_EDIT_REMOVE] = DELETE,
	};
	struct cfg_nacm_guard *g = arg;

	for (uint8_t bit = CREATE; bit <= DELETE; bit = (uint8_t)(bit << 1))
		if (((any_of[op] | READ) & bit) && place_allowed(&g->view, n, schema, bit))
			return 0;
	g->nacm->counts.denied_data_writes++;
	return refuse_write(&g->view, n, e);
}
