// Changes that were made on one configuration, made again on another one. libyang's own
// (lyd_diff_apply_all) makes a second container where one is there already, and takes with a
// container what others put into it.
#include <errno.h>
#include <string.h>

#include "netconf_priv.h"

static bool is_shell(const struct lyd_node *n)
{
	return n->schema->nodetype == LYS_CONTAINER && (n->schema->flags & LYS_PRESENCE) == 0;
}

// The operation of a node of a difference: its own, or that of its parent.
static const char *operation(const struct lyd_node *d, const char *inherited)
{
	const struct lyd_meta *m = lyd_find_meta(d->meta, NULL, "yang:operation");

	return m == NULL ? inherited : lyd_get_meta_value(m);
}

static void remove_from(struct lyd_node **top, struct lyd_node *n)
{
	if (n == *top)
		*top = n->next;
	lyd_free_tree(n);
}

// The operation as its name's first letter, and none of the difference's own attributes left.
static char take_operation(struct lyd_node *d, char inherited)
{
	const char name[] = { inherited, '\0' };
	char op = operation(d, name)[0];

	lyd_free_meta_siblings(d->meta);
	d->meta = NULL;
	return op;
}

// Take from *top what d takes away. d, a copy, is cut down to what it adds.
// returns whether it adds something
static bool split(struct lyd_node *d, char inherited, struct lyd_node *siblings,
		  struct lyd_node **top)
{
	char op = take_operation(d, inherited);
	struct lyd_node *match = NULL, *c, *next;
	bool any = false;

	if (siblings != NULL && lyd_find_sibling_first(siblings, d, &match) != LY_SUCCESS)
		match = NULL;
	if (op == 'd' && !is_shell(d)) {
		if (match != NULL)
			remove_from(top, match);
		return false;
	}
	if (op == 'n' && match == NULL)
		return false; // it changes what is gone
	LY_LIST_FOR_SAFE(lyd_child_no_keys(d), next, c)
	{
		if (split(c, op, match == NULL ? NULL : lyd_child(match), top))
			any = true;
		else
			lyd_free_tree(c);
	}
	return any || op == 'c' || op == 'r';
}

int cfg_tree_rebase(const struct lyd_node *from, const struct lyd_node *to, struct lyd_node **tree)
{
	struct lyd_node *diff = NULL, *d, *next;
	struct cfg_nc_error e;
	int rc = 0;

	if (lyd_diff_siblings(from, to, 0, &diff) != LY_SUCCESS)
		return -ENOMEM;
	LY_LIST_FOR_SAFE(diff, next, d)
	{
		if (!split(d, 'n', *tree, tree))
			remove_from(&diff, d);
	}
	// As an edit, so that the nodes of another case go away.
	if (diff != NULL)
		rc = cfg_edit(tree, diff, "merge", &e);
	lyd_free_all(diff);
	return rc;
}
