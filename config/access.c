// Access control at the points where sessions work: what they call, read, write and hear. The rules
// are those of running, from the commit on that brought them.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "nacm_priv.h"

static struct cfg_nacm_user user_of(const struct cfg_session *s)
{
	return (struct cfg_nacm_user){
		.name = s->user,
		.groups = (const char *const *)s->groups,
		.n_groups = s->n_groups,
		.recovery = s->recovery,
	};
}

void cfg_access_changed(struct cfg_store *s)
{
	struct cfg_nacm *next;

	// Rules that cannot be read let nobody in but root; the commit that brought them said so.
	if (cfg_nacm_create(s->running, &next) < 0)
		next = NULL;
	if (next != NULL && s->nacm != NULL)
		*cfg_nacm_counts(next) = *cfg_nacm_counts(s->nacm);
	cfg_nacm_destroy(s->nacm);
	s->nacm = next;
}

int cfg_access_check(const struct lyd_node *tree)
{
	struct cfg_nacm *rules;
	int rc = cfg_nacm_create(tree, &rules);

	cfg_nacm_destroy(rules);
	return rc;
}

int cfg_call_may_exec(struct cfg_call *c)
{
	struct cfg_nacm_user u = user_of(c->s);

	if (u.recovery ||
	    (c->store->nacm != NULL && cfg_nacm_may_exec(c->store->nacm, &u, c->op->schema)))
		return 0;
	cfg_nc_refuse(&c->e, "access-denied", "%s: user %s may not call it", LYD_NAME(c->op),
		      c->s->user);
	c->e.type = "protocol";
	return -EINVAL;
}

int cfg_call_check_write(struct cfg_call *c, const struct lyd_node *from, const struct lyd_node *to)
{
	struct cfg_nacm_user u = user_of(c->s);
	struct lyd_node *diff = NULL;
	int rc;

	if (u.recovery)
		return 0;
	if (c->store->nacm == NULL)
		return cfg_nc_refuse(&c->e, "access-denied", "there are no rules");
	if (lyd_diff_siblings(from, to, LYD_DIFF_DEFAULTS, &diff) != LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	rc = cfg_nacm_check_write(c->store->nacm, &u, diff, &c->e);
	lyd_free_all(diff);
	return rc == -ENOMEM ? cfg_nc_refuse(&c->e, "operation-failed", "out of memory") : rc;
}

int cfg_call_edit_tree(struct cfg_call *c, struct lyd_node **tree, const struct lyd_node *edit,
		       const char *default_op)
{
	struct cfg_nacm_user u = user_of(c->s);
	struct cfg_nacm_guard *g;
	struct cfg_edit_guard guard = { .ask = cfg_nacm_guard_ask };
	int rc;

	if (u.recovery)
		return cfg_edit(tree, edit, default_op, &c->e);
	if (c->store->nacm == NULL)
		return cfg_nc_refuse(&c->e, "access-denied", "there are no rules");
	if (cfg_nacm_guard_create(c->store->nacm, &u, &g) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	guard.arg = g;
	rc = cfg_edit_guarded(tree, edit, default_op, &guard, &c->e);
	cfg_nacm_guard_destroy(g);
	return rc;
}

int cfg_session_prune(const struct cfg_session *s, struct lyd_node **tree)
{
	struct cfg_nacm_user u = user_of(s);

	if (u.recovery || *tree == NULL)
		return 0;
	if (s->store->nacm == NULL) {
		lyd_free_all(*tree);
		*tree = NULL;
		return 0;
	}
	return cfg_nacm_prune_read(s->store->nacm, &u, tree);
}

// How many nodes of a path there are, from the top. UINT32_MAX: it cannot be read
static uint32_t depth_of(const struct lyd_node *tree, const char *path)
{
	struct lyd_node *n = NULL;
	uint32_t depth = 0;
	LY_ERR rc = tree == NULL ? LY_ENOTFOUND : lyd_find_path(tree, path, 0, &n);

	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE && rc != LY_ENOTFOUND)
		return UINT32_MAX;
	for (; rc != LY_ENOTFOUND && n != NULL; n = lyd_parent(n))
		depth++;
	return depth;
}

void cfg_call_hide_error(struct cfg_call *c, const struct lyd_node *tree)
{
	struct lyd_node *visible = NULL;
	uint32_t depth;

	if (c->s->recovery || c->e.path[0] != '/')
		return;
	depth = depth_of(tree, c->e.path);
	if (depth == UINT32_MAX || cfg_tree_copy(tree, &visible) < 0 ||
	    cfg_session_prune(c->s, &visible) < 0 || depth_of(visible, c->e.path) < depth) {
		memset(&c->e, 0, sizeof(c->e));
		cfg_nc_refuse(&c->e, "operation-failed",
			      "not valid, at a place that user %s may not read", c->s->user);
	}
	lyd_free_all(visible);
}

int cfg_call_check(struct cfg_call *c, const struct lyd_node *tree)
{
	int rc = cfg_store_check(c->store, tree, NULL, &c->e);

	if (rc < 0)
		cfg_call_hide_error(c, tree);
	return rc;
}

static size_t n_nodes(const struct lyd_node *tree)
{
	const struct lyd_node *top, *n;
	size_t count = 0;

	LY_LIST_FOR (tree, top) {
		LYD_TREE_DFS_BEGIN(top, n)
		{
			count++;
			LYD_TREE_DFS_END(top, n);
		}
	}
	return count;
}

int cfg_call_may_see_changes(struct cfg_call *c)
{
	struct lyd_node *diff = NULL;
	size_t before;
	int rc = 0;

	if (c->s->recovery)
		return 0;
	if (lyd_diff_siblings(c->store->running, c->store->candidate, LYD_DIFF_DEFAULTS, &diff) !=
	    LY_SUCCESS)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	before = n_nodes(diff);
	if (cfg_session_prune(c->s, &diff) < 0 || n_nodes(diff) != before)
		rc = cfg_nc_refuse(&c->e, "access-denied",
				   "the candidate has changes that user %s may not read",
				   c->s->user);
	lyd_free_all(diff);
	return rc;
}

bool cfg_session_may_hear(const struct cfg_session *s, const struct lyd_node *notification)
{
	struct cfg_nacm_user u = user_of(s);

	return u.recovery || (s->store->nacm != NULL &&
			      cfg_nacm_may_notify(s->store->nacm, &u, notification->schema));
}
