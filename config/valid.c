// Validation of a tree. libyang says what is wrong, but not always where and with which value; an
// error of ours names both.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_priv.h"

// Append "/name" to the path.
static void path_add(struct cfg_error *err, const char *name)
{
	size_t len = strlen(err->path);

	snprintf(err->path + len, sizeof(err->path) - len, "/%s", name);
}

// How many of a choice's cases, or instances of another node, stand under a parent? 2 = more than
// one.
static uint32_t n_present(const struct lyd_node *parent, const struct lysc_node *what)
{
	const struct lysc_node *seen = NULL, *s;
	const struct lyd_node *n;

	LY_LIST_FOR (lyd_child(parent), n) {
		for (s = n->schema; s != NULL && s != what && s->parent != what; s = s->parent)
			;
		if (s == NULL || s == seen || (n->flags & LYD_DEFAULT) != 0)
			continue;
		if (seen != NULL)
			return 2;
		seen = s;
	}
	return seen != NULL;
}

static bool is_broken(const struct lyd_node *parent, const struct lysc_node *what)
{
	uint32_t n = n_present(parent, what);

	return (n == 0 && (what->flags & LYS_MAND_TRUE) != 0) ||
	       (n == 2 && what->nodetype == LYS_CHOICE);
}

// The child of a node's schema that has this schema path, or NULL.
static const struct lysc_node *child_at(const struct lyd_node *n, const char *path)
{
	const char *name = strrchr(path, '/') + 1, *colon = strchr(name, ':');
	const struct lysc_node *s;
	char text[sizeof(((struct cfg_error *)0)->path)];

	LY_LIST_FOR (lysc_node_child(n->schema), s) {
		if (strcmp(s->name, colon == NULL ? name : colon + 1) == 0 &&
		    lysc_path(s, LYSC_PATH_LOG, text, sizeof(text)) != NULL &&
		    strcmp(text, path) == 0)
			return s;
	}
	return NULL;
}

// libyang 2.1 names only the schema node that is missing, or the choice of which two cases are
// there: find the first place in the data where that is so.
static void place_find(struct cfg_error *err, const struct lyd_node *tree)
{
	const struct lyd_node *root, *n;

	if (err->path[0] != '/')
		return;
	LY_LIST_FOR (tree, root) {
		LYD_TREE_DFS_BEGIN(root, n)
		{
			const struct lysc_node *what = child_at(n, err->path);

			if (what != NULL && is_broken(n, what)) {
				lyd_path(n, LYD_PATH_STD, err->path, sizeof(err->path));
				if (what->nodetype != LYS_CHOICE)
					path_add(err, what->name);
				return;
			}
			LYD_TREE_DFS_END(root, n);
		}
	}
}

// `unique`: libyang tells the two entries, not the value. Entries are told apart by one leaf in our
// modules; its path may go through choices.
static void unique_fill(struct cfg_error *err, const struct lyd_node *entry)
{
	char other[sizeof(err->path)] = "", names[64] = "";
	const char *at = strstr(err->reason, " satisfied in \""), *leaf, *value;

	if (sscanf(err->reason, "Unique data leaf(s) \"%63[^\" ]", names) != 1 || at == NULL)
		return;
	sscanf(at, " satisfied in \"%255[^\"]", other);
	leaf = strrchr(names, '/') == NULL ? names : strrchr(names, '/') + 1;
	value = cfg_value(entry, leaf);
	if (value == NULL)
		return;
	path_add(err, leaf);
	snprintf(err->value, sizeof(err->value), "%s", value);
	snprintf(err->reason, sizeof(err->reason), "%.160s has this %.60s already", other, leaf);
}

static void value_fill(struct cfg_error *err, const struct lyd_node *at)
{
	if ((at->schema->nodetype & LYD_NODE_TERM) != 0)
		snprintf(err->value, sizeof(err->value), "%s", lyd_get_value(at));
	else if (strcmp(err->app_tag, "data-not-unique") == 0)
		unique_fill(err, at);
	else if (strcmp(err->app_tag, "port-name") == 0) // no `must` at leaves of ietf-interfaces
		cfg_text(lyd_parent(at), "name", err->value, sizeof(err->value));
	else if (strcmp(err->app_tag, "port-type") == 0)
		cfg_text(lyd_parent(at), "type", err->value, sizeof(err->value));
}

int cfg_tree_check(const struct cfg_schema *s, struct lyd_node **tree, struct cfg_error *err)
{
	struct lyd_node *at = NULL;
	const char *where;

	if (lyd_validate_all(tree, s->ctx, LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT, NULL) ==
	    LY_SUCCESS)
		return 0;
	cfg_refuse_ly(err, s->ctx);
	if (err == NULL || *tree == NULL)
		return -EINVAL;
	where = ly_errpath(s->ctx);
	if (where != NULL && strstr(where, "ata location") == NULL)
		place_find(err, *tree);
	else if (err->value[0] == '\0' && err->path[0] == '/' &&
		 lyd_find_path(*tree, err->path, 0, &at) == LY_SUCCESS)
		value_fill(err, at);
	return -EINVAL;
}
