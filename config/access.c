// Access control at the points where sessions work: what they call, read, write and hear. The rules
// are those of running, from the commit on that brought them.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nacm_priv.h"
#include "overlay_priv.h"

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

bool cfg_session_sees_all(const struct cfg_session *s)
{
	struct cfg_nacm_user u = user_of(s);

	return u.recovery || (s->store->nacm != NULL && cfg_nacm_unrestricted(s->store->nacm, &u));
}

bool cfg_session_may_read(const struct cfg_session *s, const struct lyd_node *n)
{
	struct cfg_nacm_user u = user_of(s);

	return cfg_session_sees_all(s) ||
	       (s->store->nacm != NULL && cfg_nacm_may_read(s->store->nacm, &u, n));
}

int cfg_call_check_read(struct cfg_call *c, const struct lyd_node *from, const struct lyd_node *to)
{
	struct cfg_nacm_user u = user_of(c->s);
	struct lyd_node *diff = NULL;
	int rc = -EACCES;

	if (cfg_session_sees_all(c->s))
		return 0;
	if (c->store->nacm != NULL)
		rc = lyd_diff_siblings(from, to, 0, &diff) != LY_SUCCESS
			     ? -ENOMEM
			     : cfg_nacm_check_read(c->store->nacm, &u, diff);
	lyd_free_all(diff);
	if (rc == -ENOMEM)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	return rc == 0 ? 0
		       : cfg_nc_refuse(&c->e, "access-denied",
				       "there are changes that user %s may not read", c->s->user);
}

// Is what an error names hidden from the session? The node may be missing, so its place counts;
// the words may name another.
static bool tells_too_much(const struct cfg_session *s, const struct lyd_node *tree,
			   const struct cfg_nc_error *e)
{
	const struct lyd_node *root, *n;
	char *path;
	bool hidden = false;

	LY_LIST_FOR (tree, root) {
		LYD_TREE_DFS_BEGIN(root, n)
		{
			LYD_TREE_DFS_continue = !cfg_session_may_read(s, n);
			if (LYD_TREE_DFS_continue) {
				path = lyd_path(n, LYD_PATH_STD, NULL, 0);
				hidden = path == NULL || strstr(e->path, path) != NULL ||
					 strstr(e->message, path) != NULL ||
					 strstr(e->info, path) != NULL;
				free(path);
				if (hidden)
					return true;
			}
			LYD_TREE_DFS_END(root, n);
		}
	}
	return false;
}

int cfg_call_hide(struct cfg_call *c, const struct lyd_node *tree)
{
	const struct cfg_store *st = c->store;
	bool hidden = !cfg_session_sees_all(c->s) && tells_too_much(c->s, tree, &c->e);

	// What is laid over it is named in refusals, too.
	for (uint32_t i = 0; i < st->n_overlay && !hidden && !cfg_session_sees_all(c->s); i++)
		hidden = tells_too_much(c->s, st->overlay[i]->vms, &c->e);
	if (hidden)
		cfg_nc_refuse(&c->e, "operation-failed",
			      "is refused because of what user %s may not read", c->s->user);
	return -EINVAL;
}

int cfg_call_check(struct cfg_call *c, const struct lyd_node *tree, struct cfg **out)
{
	return cfg_store_check(c->store, tree, out, &c->e) < 0 ? cfg_call_hide(c, tree) : 0;
}

int cfg_call_check_carried(struct cfg_call *c, struct lyd_node *seen, const struct lyd_node *next)
{
	struct lyd_node *left = NULL, *diff = NULL;
	const struct lyd_node *root, *n;
	int rc = cfg_tree_copy(next, &left);

	if (rc == 0)
		rc = cfg_session_prune(c->s, &left);
	if (rc == 0 && lyd_diff_siblings(seen, left, 0, &diff) != LY_SUCCESS)
		rc = -ENOMEM;
	if (rc < 0)
		cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	LY_LIST_FOR (diff, root) {
		LYD_TREE_DFS_BEGIN(root, n)
		{
			const struct lyd_meta *m = lyd_find_meta(n->meta, NULL, "yang:operation");
			const char *op = m == NULL ? "" : lyd_get_meta_value(m);

			if (rc == 0 && (strcmp(op, "create") == 0 || strcmp(op, "replace") == 0))
				rc = cfg_nc_refuse(&c->e, "access-denied",
						   "there is more than user %s may read",
						   c->s->user);
			LYD_TREE_DFS_END(root, n);
		}
	}
	lyd_free_all(seen);
	lyd_free_all(left);
	lyd_free_all(diff);
	return rc < 0 ? -EINVAL : 0;
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

bool cfg_session_may_hear(const struct cfg_session *s, const struct lyd_node *notification)
{
	struct cfg_nacm_user u = user_of(s);

	return u.recovery || (s->store->nacm != NULL &&
			      cfg_nacm_may_notify(s->store->nacm, &u, notification->schema));
}
