// edit-config (RFC 6241 section 7.2): a tree of operations applied to a configuration.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "netconf_priv.h"

enum op { OP_NONE, OP_MERGE, OP_REPLACE, OP_CREATE, OP_DELETE, OP_REMOVE };

struct edit {
	struct lyd_node **tree;
	struct cfg_nc_error *e;
};

int cfg_nc_refuse(struct cfg_nc_error *e, const char *tag, const char *fmt, ...)
{
	va_list ap;

	memset(e, 0, sizeof(*e));
	e->tag = tag;
	e->type = "application";
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof(e->message), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int refuse_at(struct edit *x, const struct lyd_node *n, const char *tag, const char *why)
{
	char path[sizeof(x->e->path)] = "";

	if (n->schema != NULL)
		lyd_path(n, LYD_PATH_STD, path, sizeof(path));
	cfg_nc_refuse(x->e, tag, "%s: %s", path[0] != '\0' ? path : LYD_NAME(n), why);
	snprintf(x->e->path, sizeof(x->e->path), "%s", path);
	if (n->schema == NULL) // RFC 6241 appendix A; an XML name needs no escape
		snprintf(x->e->info, sizeof(x->e->info), "<bad-element>%.80s</bad-element>",
			 LYD_NAME(n));
	return -EINVAL;
}

static enum op op_of(const struct lyd_node *n, enum op inherited)
{
	static const struct {
		const char *name;
		enum op op;
	} ops[] = { { "merge", OP_MERGE },   { "replace", OP_REPLACE }, { "create", OP_CREATE },
		    { "delete", OP_DELETE }, { "remove", OP_REMOVE },	{ "none", OP_NONE } };
	const struct lyd_meta *m = lyd_find_meta(n->meta, NULL, "ietf-netconf:operation");
	const char *v = m == NULL ? NULL : lyd_get_meta_value(m);

	for (size_t i = 0; v != NULL && i < sizeof(ops) / sizeof(ops[0]); i++)
		if (strcmp(ops[i].name, v) == 0)
			return ops[i].op;
	return inherited;
}

static struct lyd_node *find(struct lyd_node *siblings, const struct lyd_node *like)
{
	struct lyd_node *match = NULL;

	return siblings != NULL && lyd_find_sibling_first(siblings, like, &match) == LY_SUCCESS
		       ? match
		       : NULL;
}

static void take_away(struct edit *x, struct lyd_node *n)
{
	if (*x->tree == n)
		*x->tree = n->next;
	lyd_free_tree(n);
}

// A copy of one node (a list entry with its keys) under parent, or at the top.
static struct lyd_node *put(struct edit *x, struct lyd_node *parent, const struct lyd_node *n)
{
	struct lyd_node *copy = NULL;

	if (lyd_dup_single(n, NULL, LYD_DUP_NO_META, &copy) != LY_SUCCESS)
		return NULL;
	if ((parent != NULL ? lyd_insert_child(parent, copy)
			    : lyd_insert_sibling(*x->tree, copy, x->tree)) != LY_SUCCESS) {
		lyd_free_tree(copy);
		return NULL;
	}
	return copy;
}

static bool is_key(const struct lyd_node *n)
{
	return lysc_is_key(n->schema);
}

// Is what the edit says of this node possible? *target may become NULL (it was replaced).
static int prepare(struct edit *x, const struct lyd_node *n, enum op op, struct lyd_node **target)
{
	if (op == OP_CREATE && *target != NULL && (n->schema->nodetype & LYS_CONTAINER) == 0)
		return refuse_at(x, n, "data-exists", "exists already");
	if (op == OP_CREATE && *target != NULL && lyd_child(*target) != NULL)
		return refuse_at(x, n, "data-exists", "exists already");
	if ((op == OP_DELETE || op == OP_NONE) && *target == NULL)
		return refuse_at(x, n, "data-missing", "does not exist");
	if (op == OP_REPLACE && *target != NULL) {
		take_away(x, *target);
		*target = NULL;
	}
	return 0;
}

static int apply(struct edit *x, struct lyd_node *parent, const struct lyd_node *n,
		 enum op inherited)
{
	struct lyd_node *target;
	const struct lyd_node *child;
	enum op op;
	int rc;

	if (n->schema == NULL)
		return refuse_at(x, n, "unknown-element", "is not in any module");
	if ((n->schema->flags & LYS_CONFIG_R) != 0)
		return refuse_at(x, n, "invalid-value", "is state, not configuration");
	op = op_of(n, inherited);
	target = find(parent != NULL ? lyd_child(parent) : *x->tree, n);
	rc = prepare(x, n, op, &target);
	if (rc < 0)
		return rc;
	if (op == OP_DELETE || op == OP_REMOVE) {
		if (target != NULL)
			take_away(x, target);
		return 0;
	}
	if (target == NULL && (target = put(x, parent, n)) == NULL)
		return refuse_at(x, n, "operation-failed", "out of memory, or not possible here");
	if ((n->schema->nodetype & LYS_LEAF) != 0 && op != OP_NONE) {
		LY_ERR changed = lyd_change_term(target, lyd_get_value(n));

		if (changed != LY_SUCCESS && changed != LY_EEXIST && changed != LY_ENOT)
			return refuse_at(x, n, "invalid-value", "cannot be set");
		return 0;
	}
	LY_LIST_FOR (lyd_child(n), child) {
		if (child->schema != NULL && is_key(child))
			continue;
		// Below a replaced node everything is new: a merge into nothing (section 7.2).
		rc = apply(x, target, child, op == OP_REPLACE ? OP_MERGE : op);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int cfg_edit(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
	     struct cfg_nc_error *e)
{
	struct lyd_node *work = NULL;
	struct edit x = { .tree = &work, .e = e };
	const struct lyd_node *n;
	enum op op = strcmp(default_op, "none") == 0	  ? OP_NONE
		     : strcmp(default_op, "replace") == 0 ? OP_REPLACE
							  : OP_MERGE;
	int rc = 0;

	if (*tree != NULL && op != OP_REPLACE &&
	    lyd_dup_siblings(*tree, NULL, LYD_DUP_RECURSIVE, &work) != LY_SUCCESS)
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	LY_LIST_FOR (edit, n) {
		rc = apply(&x, NULL, n, op == OP_REPLACE ? OP_MERGE : op);
		if (rc < 0)
			break;
	}
	if (rc < 0) {
		lyd_free_all(work);
		return rc;
	}
	lyd_free_all(*tree);
	*tree = work;
	return 0;
}
