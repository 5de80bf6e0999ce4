// The changes of a candidate, carried over to another running configuration.
//
// libyang's diff, applied to another tree than it was made for, stops at a leaf that has the new
// value already, and adds a list entry a second time. So the diff is made an edit: what the
// candidate added or set is merged, what it removed is removed where it still is. Only an edit does
// not know of places in a list: where entries were moved, the diff is applied, if nothing is in its
// way.
#include <errno.h>
#include <string.h>

#include "netconf_priv.h"

enum op { NONE, ADDED, CHANGED, GONE, MOVED };

static enum op op_of(const struct lyd_node *d)
{
	const struct lyd_meta *m = lyd_find_meta(d->meta, NULL, "yang:operation");
	const char *op = m == NULL ? "none" : lyd_get_meta_value(m);

	if (strcmp(op, "none") == 0)
		return NONE;
	if (strcmp(op, "delete") == 0)
		return GONE;
	if (strcmp(op, "create") == 0)
		return ADDED;
	return lysc_is_userordered(d->schema) ? MOVED : CHANGED;
}

static void diff_marks_free(struct lyd_node *d)
{
	struct lyd_meta *m, *next;

	for (m = d->meta; m != NULL; m = next) {
		next = m->next;
		if (strcmp(m->annotation->module->name, "yang") == 0)
			lyd_free_meta_single(m);
	}
}

static int mark(struct lyd_node *d, const char *op)
{
	return lyd_new_meta(NULL, d, NULL, "ietf-netconf:operation", op, 0, NULL) == LY_SUCCESS
		       ? 0
		       : -ENOMEM;
}

// Containers without presence are gone when they are empty: what others put in since stays.
static bool is_shell(const struct lyd_node *d)
{
	return d->schema->nodetype == LYS_CONTAINER && (d->schema->flags & LYS_PRESENCE) == 0;
}

// What stands in a container of the diff that is gone: removed, where it still is.
static int contents_gone(struct lyd_node *d, const struct lyd_node *there)
{
	struct lyd_node *c, *next, *match;
	int rc = 0;

	for (c = lyd_child(d); c != NULL && rc == 0; c = next) {
		next = c->next;
		match = NULL;
		(void)lyd_find_sibling_first(lyd_child(there), c, &match);
		diff_marks_free(c);
		if (match == NULL)
			lyd_free_tree(c);
		else
			rc = is_shell(c) ? contents_gone(c, match) : mark(c, "remove");
	}
	return rc;
}

// Siblings of a diff become those of an edit; what has nothing to do on `onto` is removed.
// returns 0; -EAGAIN: there is something that an edit cannot say; -ENOMEM
static int to_edit(struct lyd_node **diff, const struct lyd_node *onto)
{
	struct lyd_node *d, *next, *there, *child;
	int rc = 0;

	for (d = *diff; d != NULL && rc == 0; d = next) {
		enum op op = op_of(d);

		next = d->next;
		there = NULL;
		if (lysc_is_key(d->schema))
			continue;
		if (onto != NULL)
			(void)lyd_find_sibling_first(onto, d, &there);
		diff_marks_free(d);
		child = lyd_child_no_keys(d);
		if (op == MOVED)
			rc = -EAGAIN;
		else if (op == ADDED || op == CHANGED)
			rc = mark(d, "merge");
		else if (op == GONE && there != NULL)
			rc = is_shell(d) ? contents_gone(d, there) : mark(d, "remove");
		else if (op == NONE)
			rc = to_edit(&child, there == NULL ? NULL : lyd_child(there));
		if (rc == 0 && op == NONE && there == NULL)
			rc = mark(d, "merge");
		if ((op == GONE && there == NULL) || (op == NONE && lyd_child_no_keys(d) == NULL)) {
			if (*diff == d)
				*diff = next;
			lyd_free_tree(d);
		}
	}
	return rc;
}

// Is something there already that the diff adds?
static bool in_the_way(const struct lyd_node *diff, const struct lyd_node *onto)
{
	struct lyd_node *there;

	for (; diff != NULL && onto != NULL; diff = diff->next) {
		if (lysc_is_key(diff->schema) ||
		    lyd_find_sibling_first(onto, diff, &there) != LY_SUCCESS)
			continue;
		if (op_of(diff) == ADDED || in_the_way(lyd_child(diff), lyd_child(there)))
			return true;
	}
	return false;
}

static int as_edit(const struct lyd_node *diff, const struct lyd_node *onto, struct lyd_node **out)
{
	struct lyd_node *edit;
	struct cfg_nc_error e;
	int rc = cfg_tree_copy(diff, &edit);

	if (rc == 0)
		rc = to_edit(&edit, onto);
	if (rc == 0)
		rc = cfg_edit(out, edit, "none", &e);
	lyd_free_all(edit);
	return rc;
}

int cfg_rebase(const struct lyd_node *old, const struct lyd_node *mine, const struct lyd_node *onto,
	       struct lyd_node **out)
{
	struct lyd_node *diff = NULL;
	int rc = -ENOMEM;

	*out = NULL;
	if (lyd_diff_siblings(old, mine, 0, &diff) == LY_SUCCESS)
		rc = cfg_tree_copy(onto, out);
	if (rc == 0)
		rc = as_edit(diff, onto, out);
	if (rc == -EAGAIN && !in_the_way(diff, onto) && lyd_diff_apply_all(out, diff) == LY_SUCCESS)
		rc = 0;
	lyd_free_all(diff);
	if (rc < 0) {
		lyd_free_all(*out);
		*out = NULL;
	}
	return rc;
}
