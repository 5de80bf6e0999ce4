// edit-config (RFC 6241 section 7.2): a tree of operations applied to a configuration.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edit_priv.h"

#define NC_NS "urn:ietf:params:xml:ns:netconf:base:1.0"

enum { ADOPTED_MAX = 64 }; // each is printed and parsed again

// The path of a node of the edit, free(); an opaque one has its parent's and its own name.
static char *path_of(const struct lyd_node *n)
{
	const struct lyd_node *parent = lyd_parent(n);
	const struct lys_module *mod = cfg_edit_module(n);
	char *above, *path = NULL;

	if (n->schema != NULL)
		return lyd_path(n, LYD_PATH_STD, NULL, 0);
	above = parent == NULL ? NULL : path_of(parent);
	if (parent != NULL && cfg_edit_module(parent) == mod)
		mod = NULL; // as its parent's
	if (asprintf(&path, "%s/%s%s%s", above == NULL ? "" : above, mod == NULL ? "" : mod->name,
		     mod == NULL ? "" : ":", LYD_NAME(n)) < 0)
		path = NULL;
	free(above);
	return path;
}

int cfg_edit_refuse(struct cfg_edit *x, const struct lyd_node *n, const char *tag, const char *fmt,
		    ...)
{
	char why[300], *path = path_of(n);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	cfg_nc_refuse(x->e, tag, "%.200s: %s", path != NULL ? path : LYD_NAME(n), why);
	if (path != NULL && strlen(path) < sizeof(x->e->path)) // a piece would be another path
		snprintf(x->e->path, sizeof(x->e->path), "%s", path);
	free(path);
	if (strstr(tag, "element") != NULL || strstr(tag, "namespace") != NULL)
		cfg_nc_info(x->e, "bad-element", LYD_NAME(n));
	return -EINVAL;
}

int cfg_edit_refuse_attr(struct cfg_edit *x, const struct lyd_node *n, const char *tag,
			 const char *attr, const char *why)
{
	cfg_edit_refuse(x, n, tag, "attribute %s: %s", attr, why);
	cfg_nc_info(x->e, "bad-attribute", attr);
	cfg_nc_info(x->e, "bad-element", LYD_NAME(n));
	return -EINVAL;
}

static const char *operation(const struct lyd_node *n)
{
	const struct lyd_meta *m;

	if (n->schema != NULL) {
		m = lyd_find_meta(n->meta, NULL, "ietf-netconf:operation");
		return m == NULL ? NULL : lyd_get_meta_value(m);
	}
	for (const struct lyd_attr *a = ((const struct lyd_node_opaq *)n)->attr; a != NULL;
	     a = a->next) {
		const char *of = a->format == LY_VALUE_XML ? NC_NS : "ietf-netconf";

		if (strcmp(a->name.name, "operation") == 0 && a->name.module_ns != NULL &&
		    strcmp(a->name.module_ns, of) == 0)
			return a->value;
	}
	return NULL;
}

int cfg_edit_op_of(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op *op,
		   bool *explicitly)
{
	static const char *const names[] = { [CFG_EDIT_MERGE] = "merge",
					     [CFG_EDIT_REPLACE] = "replace",
					     [CFG_EDIT_CREATE] = "create",
					     [CFG_EDIT_DELETE] = "delete",
					     [CFG_EDIT_REMOVE] = "remove" };
	const char *v = operation(n);

	if (explicitly != NULL)
		*explicitly = v != NULL;
	if (v == NULL)
		return 0;
	for (enum cfg_edit_op i = CFG_EDIT_MERGE; i <= CFG_EDIT_REMOVE; i++) {
		if (strcmp(names[i], v) == 0) {
			*op = i;
			return 0;
		}
	}
	cfg_edit_refuse_attr(x, n, "bad-attribute", "operation",
			     "merge, replace, create, delete or remove is expected");
	snprintf(x->e->value, sizeof(x->e->value), "%s", v);
	return -EINVAL;
}

static bool takes_away(enum cfg_edit_op op)
{
	return op == CFG_EDIT_DELETE || op == CFG_EDIT_REMOVE;
}

static bool writes(enum cfg_edit_op op)
{
	return op != CFG_EDIT_NONE && !takes_away(op);
}

struct lyd_node *cfg_edit_find_any(const struct lyd_node *siblings, const struct lysc_node *schema)
{
	struct lyd_node *match = NULL;

	return siblings != NULL &&
			       lyd_find_sibling_val(siblings, schema, NULL, 0, &match) == LY_SUCCESS
		       ? match
		       : NULL;
}

// The instance that `like` names. libyang compares the value of a leaf too; it is the same leaf
// with another value.
struct lyd_node *cfg_edit_find(const struct lyd_node *siblings, const struct lyd_node *like)
{
	struct lyd_node *match = NULL;

	if ((like->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) == 0)
		return cfg_edit_find_any(siblings, like->schema);
	return siblings != NULL && lyd_find_sibling_first(siblings, like, &match) == LY_SUCCESS
		       ? match
		       : NULL;
}

static struct lyd_node *below(const struct cfg_edit *x, const struct lyd_node *parent)
{
	return parent != NULL ? lyd_child(parent) : *x->tree;
}

static void take_away(struct cfg_edit *x, struct lyd_node *n)
{
	if (*x->tree == n)
		*x->tree = n->next;
	lyd_free_tree(n);
}

// A copy of one node (a list entry with its keys) under parent, or at the top.
static struct lyd_node *put(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n)
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
	return n->schema != NULL && lysc_is_key(n->schema);
}

// --- Choices (RFC 7950 section 7.9): a node of one case takes the place of all others'.

typedef int case_fn(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		    const struct lysc_node *other);

// Walk the nodes of the other cases of all choices that n stands in. returns the first one's answer
// that is not 0
static int other_cases(struct cfg_edit *x, const struct lyd_node *n, struct lyd_node *parent,
		       case_fn *visit)
{
	for (const struct lysc_node *s = n->schema;
	     s->parent != NULL && (s->parent->nodetype & (LYS_CASE | LYS_CHOICE)) != 0;
	     s = s->parent) {
		if (s->parent->nodetype != LYS_CHOICE)
			continue;
		for (const struct lysc_node *c = lysc_node_child(s->parent); c != NULL;
		     c = c->next) {
			const struct lysc_node *d = NULL;

			while (c != s && (d = lys_getnext(d, c, NULL, 0)) != NULL) {
				int rc = visit(x, parent, n, d);

				if (rc != 0)
					return rc;
			}
		}
	}
	return 0;
}

static int drop_case(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		     const struct lysc_node *other)
{
	struct lyd_node *old;

	(void)n;
	while ((old = cfg_edit_find_any(below(x, parent), other)) != NULL)
		take_away(x, old);
	return 0;
}

// Does the edit itself write two cases (RFC 7950 section 8.3.1)?
static int refuse_case(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		       const struct lysc_node *other)
{
	const struct lyd_node *twin = cfg_edit_find_any(lyd_first_sibling(n), other);
	enum cfg_edit_op op = CFG_EDIT_MERGE;

	(void)parent;
	if (twin == NULL || cfg_edit_op_of(x, twin, &op, NULL) < 0 || takes_away(op))
		return 0;
	return cfg_edit_refuse(x, n, "bad-element", "is of another case of a choice than %s",
			       other->name);
}

// --- One node

// Say nothing about what is hidden. What stands below a node is asked about itself; the node is
// when it is all that is said.
static int ask(struct cfg_edit *x, const struct lyd_node *n, const struct lysc_node *schema,
	       enum cfg_edit_op op)
{
	bool through =
		n->schema != NULL && (lyd_child_no_keys(n) != NULL || lysc_is_np_cont(schema));

	if (x->guard == NULL || (op == CFG_EDIT_MERGE && through) ||
	    (op == CFG_EDIT_NONE && lysc_is_np_cont(schema)))
		return 0;
	return x->guard->ask(x->guard->arg, n->schema == NULL ? lyd_parent(n) : n, schema, op,
			     x->e);
}

static int check_kind(struct cfg_edit *x, const struct lyd_node *n)
{
	if ((n->schema->nodetype & (LYS_RPC | LYS_ACTION | LYS_NOTIF)) != 0)
		return cfg_edit_refuse(x, n, "unknown-element",
				       "is an operation, not configuration");
	if ((n->schema->flags & LYS_CONFIG_R) != 0)
		return cfg_edit_refuse(x, n, "unknown-element", "is state, not configuration");
	return 0;
}

// What can be said without looking at the configuration.
static int check(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op op)
{
	const struct lyd_node *first;

	if (check_kind(x, n) < 0)
		return -EINVAL;
	// Two containers are taken one after the other: clients paste documents together.
	first = n->schema->nodetype == LYS_CONTAINER ? n : cfg_edit_find(lyd_first_sibling(n), n);
	if (first != NULL && first != n)
		return cfg_edit_refuse(x, n, "bad-element", "stands twice in the edit");
	return writes(op) ? other_cases(x, n, NULL, refuse_case) : 0;
}

// What stands in a deleted node need not exist, but it must be of the model and not written.
static int check_gone(struct cfg_edit *x, const struct lyd_node *n)
{
	const struct lyd_node *c;

	LY_LIST_FOR (lyd_child(n), c) {
		const struct lysc_node *schema = c->schema;
		enum cfg_edit_op op = CFG_EDIT_DELETE;

		if (cfg_edit_op_of(x, c, &op, NULL) < 0)
			return -EINVAL;
		if (!takes_away(op))
			return cfg_edit_refuse_attr(x, c, "bad-attribute", "operation",
						    "it stands in a node that is deleted");
		if (schema == NULL && (schema = cfg_edit_schema(x, c)) == NULL)
			return -EINVAL;
		if (c->schema == NULL && !cfg_edit_is_blank_leaf(c, schema))
			return cfg_edit_diagnose(x, c, schema);
		if (c->schema != NULL && (check_kind(x, c) < 0 || check_gone(x, c) < 0))
			return -EINVAL;
	}
	return 0;
}

static int drop(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op op,
		struct lyd_node *target)
{
	if (n->schema != NULL && check_gone(x, n) < 0)
		return -EINVAL;
	if (target != NULL)
		take_away(x, target);
	else if (op == CFG_EDIT_DELETE)
		return cfg_edit_refuse(x, n, "data-missing", "does not exist");
	return 0;
}

static int set_value(struct cfg_edit *x, const struct lyd_node *n, struct lyd_node *target)
{
	const struct lyd_node_any *any = (const struct lyd_node_any *)n;
	LY_ERR rc = LY_SUCCESS;

	if (n->schema->nodetype == LYS_LEAF)
		rc = lyd_change_term(target, lyd_get_value(n));
	else if ((n->schema->nodetype & LYD_NODE_ANY) != 0)
		rc = lyd_any_copy_value(target, &any->value, any->value_type);
	if (rc == LY_SUCCESS || rc == LY_EEXIST || rc == LY_ENOT) // the last two: nothing changed
		return 0;
	return cfg_edit_refuse(x, n, "operation-failed", "cannot be set");
}

// Replace keeps the node and its place; only what is in it goes.
static void empty(struct lyd_node *target)
{
	struct lyd_node *c, *next;

	LY_LIST_FOR_SAFE(lyd_child_no_keys(target), next, c)
	lyd_free_tree(c);
}

// Bring the node itself into being, or to its value and place.
static int write_node(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		      enum cfg_edit_op op, struct lyd_node **target)
{
	struct cfg_edit_order order;
	bool fresh = *target == NULL;

	if (cfg_edit_order_read(x, n, op, below(x, parent), &order) < 0)
		return -EINVAL;
	if (fresh && (*target = put(x, parent, n)) == NULL)
		return cfg_edit_refuse(x, n, "operation-failed", "out of memory");
	if (op == CFG_EDIT_NONE)
		return 0;
	if (!fresh && set_value(x, n, *target) < 0)
		return -EINVAL;
	if (!fresh && op == CFG_EDIT_REPLACE)
		empty(*target);
	(void)other_cases(x, n, parent, drop_case);
	if (cfg_edit_order_apply(x, *target, &order) < 0)
		return cfg_edit_refuse(x, n, "operation-failed", "out of memory");
	return 0;
}

static int apply(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		 enum cfg_edit_op op);

static int apply_opaque(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
			enum cfg_edit_op op)
{
	const struct lysc_node *schema;
	struct lyd_node *own, *c;
	int rc;

	if (cfg_edit_is_orphan(n)) {
		if (++x->n_adopted > ADOPTED_MAX)
			return cfg_nc_refuse(x->e, "too-big",
					     "more than %d elements without a namespace",
					     ADOPTED_MAX);
		rc = cfg_edit_adopt(n, &own, x->e);
		if (rc == 0)
			LY_LIST_FOR (own, c)
				if (rc == 0)
					rc = apply(x, parent, c, op);
		lyd_free_all(own);
		return rc;
	}
	schema = cfg_edit_schema(x, n);
	if (schema == NULL || cfg_edit_op_of(x, n, &op, NULL) < 0)
		return -EINVAL;
	if (ask(x, n, schema, op) < 0)
		return -EINVAL;
	if (takes_away(op) && cfg_edit_is_blank_leaf(n, schema))
		return drop(x, n, op, cfg_edit_find_any(below(x, parent), schema));
	return cfg_edit_diagnose(x, n, schema);
}

static int apply_children(struct cfg_edit *x, struct lyd_node *target, const struct lyd_node *n,
			  enum cfg_edit_op op)
{
	const struct lyd_node *c;

	LY_LIST_FOR (lyd_child(n), c) {
		enum cfg_edit_op own = op;
		int rc;

		if (!is_key(c)) // below a replaced node everything is new: a merge into nothing
			rc = apply(x, target, c, op == CFG_EDIT_REPLACE ? CFG_EDIT_MERGE : op);
		else if ((rc = cfg_edit_op_of(x, c, &own, NULL)) == 0 && takes_away(own))
			rc = cfg_edit_refuse_attr(x, c, "bad-attribute", "operation",
						  "a key goes with its entry");
		if (rc < 0)
			return rc;
	}
	return 0;
}

// parent  in the configuration; NULL = top
// n       of the edit
// op      inherited
static int apply(struct cfg_edit *x, struct lyd_node *parent, const struct lyd_node *n,
		 enum cfg_edit_op op)
{
	struct lyd_node *target;
	bool fresh, np;
	int rc;

	if (n->schema == NULL)
		return apply_opaque(x, parent, n, op);
	rc = cfg_edit_op_of(x, n, &op, NULL);
	if (rc == 0)
		rc = check(x, n, op);
	if (rc == 0)
		rc = ask(x, n, n->schema, op);
	if (rc < 0)
		return rc;
	// A container without presence is there when something is in it (RFC 7950 section 7.5.1).
	np = lysc_is_np_cont(n->schema);
	target = cfg_edit_find(below(x, parent), n);
	fresh = target == NULL;
	if (takes_away(op)) {
		struct cfg_edit_order none;

		rc = cfg_edit_order_read(x, n, op, NULL, &none);
		return rc < 0 ? rc : drop(x, n, op, target);
	}
	if (op == CFG_EDIT_CREATE && !fresh && !(np && lyd_child(target) == NULL))
		return cfg_edit_refuse(x, n, "data-exists", "exists already");
	if (op == CFG_EDIT_NONE && fresh && !np)
		return cfg_edit_refuse(x, n, "data-missing", "does not exist");
	rc = write_node(x, parent, n, op, &target);
	if (rc == 0)
		rc = apply_children(x, target, n, op);
	if (rc < 0 || op != CFG_EDIT_NONE || !fresh)
		return rc;
	if (lyd_child(target) == NULL)
		take_away(x, target);
	else
		(void)other_cases(x, n, parent, drop_case);
	return 0;
}

static int apply_all(struct cfg_edit *x, struct lyd_node **tree, const struct lyd_node *edit,
		     enum cfg_edit_op op)
{
	const struct lyd_node *n;
	int rc = 0;

	x->tree = tree;
	x->n_adopted = 0;
	LY_LIST_FOR (edit, n) {
		rc = apply(x, NULL, n, op);
		if (rc < 0)
			break;
	}
	return rc;
}

int cfg_edit(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
	     struct cfg_nc_error *e)
{
	return cfg_edit_guarded(tree, edit, default_op, NULL, e);
}

int cfg_edit_guarded(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
		     const struct cfg_edit_guard *guard, struct cfg_nc_error *e)
{
	struct cfg_edit x = { .e = e, .guard = guard };
	struct lyd_node *work = NULL;
	enum cfg_edit_op op = strcmp(default_op, "none") == 0 ? CFG_EDIT_NONE : CFG_EDIT_MERGE;
	bool replace = strcmp(default_op, "replace") == 0; // a merge into nothing
	int rc;

	if (!replace && (rc = cfg_edit_part(*tree, edit, &work)) != 0) {
		if (rc < 0)
			return cfg_nc_refuse(e, "operation-failed", "out of memory");
		rc = apply_all(&x, &work, edit, op);
		lyd_free_all(work);
		return rc < 0 ? rc : apply_all(&x, tree, edit, op);
	}
	if (!replace && *tree != NULL &&
	    lyd_dup_siblings(*tree, NULL, LYD_DUP_RECURSIVE, &work) != LY_SUCCESS)
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	rc = apply_all(&x, &work, edit, op);
	if (rc < 0) {
		lyd_free_all(work);
		return rc;
	}
	lyd_free_all(*tree);
	*tree = work;
	return 0;
}

int cfg_edit_error_option(const char *option, struct cfg_nc_error *e)
{
	if (option == NULL || strcmp(option, "continue-on-error") != 0)
		return 0;
	cfg_nc_refuse(e, "operation-not-supported",
		      "error-option continue-on-error: an edit is done whole or not at all");
	e->type = "protocol";
	cfg_nc_info(e, "bad-element", "error-option");
	return -EINVAL;
}
