// The part of a configuration that an edit looks at, as a copy: the edit is rehearsed there, so
// that a refused one has changed nothing, and a small one does not copy ten thousand interfaces.
#include <errno.h>

#include "edit_priv.h"

// Does the answer depend on nothing but the nodes that the edit names? Not with an anchor, not
// without a namespace, and not when a container stands twice: the second may meet what the first
// left of it.
static bool is_plain(const struct lyd_node *edit)
{
	const struct lyd_node *n;

	LY_LIST_FOR (edit, n) {
		if (n->schema == NULL && cfg_edit_is_orphan(n))
			return false;
		if (n->schema == NULL)
			continue;
		if (n->schema->nodetype == LYS_CONTAINER &&
		    cfg_edit_find_any(lyd_first_sibling(n), n->schema) != n)
			return false;
		if (lyd_find_meta(n->meta, NULL, "yang:value") != NULL ||
		    lyd_find_meta(n->meta, NULL, "yang:key") != NULL || !is_plain(lyd_child(n)))
			return false;
	}
	return true;
}

// The node of the configuration that n is about, or NULL. *hopeless: the rehearsal ends here.
static const struct lyd_node *named(const struct lyd_node *siblings, const struct lyd_node *n,
				    bool *hopeless)
{
	struct cfg_nc_error ignored;
	struct cfg_edit x = { .e = &ignored };
	const struct lysc_node *schema = n->schema;

	*hopeless = false;
	if (schema != NULL)
		return lysc_is_key(schema) ? NULL : cfg_edit_find(siblings, n);
	schema = cfg_edit_schema(&x, n);
	*hopeless = schema == NULL || !cfg_edit_is_blank_leaf(n, schema);
	return *hopeless ? NULL : cfg_edit_find_any(siblings, schema);
}

static struct lyd_node *copy_one(struct lyd_node **top, struct lyd_node *parent,
				 const struct lyd_node *n)
{
	struct lyd_node *copy = NULL;

	if (lyd_dup_single(n, NULL, LYD_DUP_NO_META, &copy) != LY_SUCCESS)
		return NULL;
	if ((parent != NULL ? lyd_insert_child(parent, copy)
			    : lyd_insert_sibling(*top, copy, top)) != LY_SUCCESS) {
		lyd_free_tree(copy);
		return NULL;
	}
	return copy;
}

// returns 0; 1 = the rest does not matter; -ENOMEM
static int copy_part(struct lyd_node **top, struct lyd_node *parent,
		     const struct lyd_node *siblings, const struct lyd_node *edit)
{
	const struct lyd_node *n;

	LY_LIST_FOR (edit, n) {
		bool hopeless;
		const struct lyd_node *from = named(siblings, n, &hopeless), *inner;
		struct lyd_node *copy;
		int rc;

		if (hopeless)
			return 1;
		if (from == NULL || cfg_edit_find(parent != NULL ? lyd_child(parent) : *top, from))
			continue; // or is there already: named twice
		copy = copy_one(top, parent, from);
		if (copy == NULL)
			return -ENOMEM;
		if (n->schema == NULL)
			continue;
		rc = copy_part(top, copy, lyd_child(from), lyd_child(n));
		if (rc != 0)
			return rc;
		// Whether a container is empty decides whether it can be created.
		inner = lyd_child_no_keys(from);
		if (inner != NULL && lyd_child_no_keys(copy) == NULL &&
		    copy_one(top, copy, inner) == NULL)
			return -ENOMEM;
	}
	return 0;
}

int cfg_edit_part(const struct lyd_node *tree, const struct lyd_node *edit, struct lyd_node **out)
{
	*out = NULL;
	if (!is_plain(edit))
		return 0;
	if (copy_part(out, NULL, tree, edit) < 0) {
		lyd_free_all(*out);
		*out = NULL;
		return -ENOMEM;
	}
	return 1;
}
