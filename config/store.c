// Datastores: running and candidate. See cfg_netconf.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

int cfg_store_create(struct cfg_schema *schema, cfg_commit_fn commit, void *arg,
		     struct cfg_store **out)
{
	struct cfg_store *s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return -ENOMEM;
	s->schema = schema;
	s->commit = commit;
	s->arg = arg;
	return 0;
}

void cfg_store_destroy(struct cfg_store *s)
{
	if (s == NULL)
		return;
	for (uint32_t i = 0; i < CFG_N_DS; i++)
		lyd_free_all(s->ds[i]);
	free(s);
}

static int copy_of(const struct lyd_node *tree, struct lyd_node **out)
{
	*out = NULL;
	if (tree == NULL)
		return 0;
	return lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, out) == LY_SUCCESS ? 0 : -ENOMEM;
}

int cfg_store_discard(struct cfg_store *s)
{
	struct lyd_node *copy;

	if (copy_of(s->ds[CFG_RUNNING], &copy) < 0)
		return -ENOMEM;
	lyd_free_all(s->ds[CFG_CANDIDATE]);
	s->ds[CFG_CANDIDATE] = copy;
	s->changed_by = 0;
	return 0;
}

int cfg_store_load(struct cfg_store *s, const char *json, size_t size, struct cfg_error *err)
{
	struct lyd_node *tree = NULL;
	char *text = malloc(size + 1);
	int rc = 0;

	if (text == NULL)
		return -ENOMEM;
	memcpy(text, json, size);
	text[size] = '\0';
	if (lyd_parse_data_mem(s->schema->ctx, text, LYD_JSON,
			       LYD_PARSE_STRICT | LYD_PARSE_ONLY | LYD_PARSE_NO_STATE, 0,
			       &tree) != LY_SUCCESS)
		rc = cfg_refuse_ly(err, s->schema->ctx);
	free(text);
	if (rc < 0)
		return rc;
	lyd_free_all(s->ds[CFG_RUNNING]);
	s->ds[CFG_RUNNING] = tree;
	return s->changed_by == 0 ? cfg_store_discard(s) : 0;
}

int cfg_store_check(const struct cfg_store *s, const struct lyd_node *tree, struct cfg **out,
		    struct cfg_nc_error *e)
{
	struct lyd_node *whole;
	struct cfg_error err = { 0 };
	struct cfg *c = NULL;
	int rc;

	if (copy_of(tree, &whole) < 0)
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	if (lyd_validate_all(&whole, s->schema->ctx, LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT,
			     NULL) != LY_SUCCESS)
		rc = cfg_refuse_ly(&err, s->schema->ctx);
	else
		rc = cfg_from_tree(whole, &c, &err);
	lyd_free_all(whole);
	if (rc < 0) {
		cfg_nc_refuse(e, "operation-failed", "%s%s%s: %s", err.path,
			      err.value[0] ? " " : "", err.value, err.reason);
		snprintf(e->path, sizeof(e->path), "%s", err.path);
		return -EINVAL;
	}
	if (out != NULL)
		*out = c;
	else
		cfg_free(c);
	return 0;
}

int cfg_store_commit(struct cfg_store *s, const char *user, struct cfg_nc_error *e)
{
	struct lyd_node *copy;
	struct cfg_error err = { 0 };
	struct cfg *next;

	if (cfg_store_check(s, s->ds[CFG_CANDIDATE], &next, e) < 0)
		return -EINVAL;
	if (copy_of(s->ds[CFG_CANDIDATE], &copy) < 0) {
		cfg_free(next);
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	}
	if (s->commit(s->arg, next, user, &err) < 0) {
		cfg_free(next);
		lyd_free_all(copy);
		cfg_nc_refuse(e, "operation-failed", "%s%s%s: %s", err.path,
			      err.value[0] ? " " : "", err.value, err.reason);
		snprintf(e->path, sizeof(e->path), "%s", err.path);
		return -EINVAL;
	}
	lyd_free_all(s->ds[CFG_RUNNING]);
	s->ds[CFG_RUNNING] = copy;
	s->changed_by = 0;
	return 0;
}

uint32_t cfg_store_killed(struct cfg_store *s)
{
	uint32_t id = s->killed;

	s->killed = 0;
	return id;
}
