// Datastores: running, candidate, startup. See cfg_netconf.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nacm_priv.h"
#include "overlay_priv.h"

int cfg_store_create(struct cfg_schema *schema, const struct cfg_host *host, struct cfg_store **out)
{
	struct cfg_store *s = calloc(1, sizeof(*s));

	*out = s;
	if (s == NULL)
		return -ENOMEM;
	s->schema = schema;
	s->host = *host;
	s->started_ms = host->now_ms(host->arg);
	return 0;
}

void cfg_store_destroy(struct cfg_store *s)
{
	if (s == NULL)
		return;
	lyd_free_all(s->running);
	lyd_free_all(s->candidate);
	lyd_free_all(s->backup);
	cfg_overlay_free(s);
	free(s->running_json);
	cfg_nacm_destroy(s->nacm);
	free(s);
}

int cfg_tree_copy(const struct lyd_node *tree, struct lyd_node **out)
{
	*out = NULL;
	if (tree == NULL)
		return 0;
	return lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, out) == LY_SUCCESS ? 0 : -ENOMEM;
}

int cfg_tree_parse(const struct cfg_store *s, const char *text, LYD_FORMAT format,
		   struct lyd_node **out, struct cfg_error *err)
{
	const char *why;

	*out = NULL;
	memset(err, 0, sizeof(*err));
	if (text[strspn(text, " \t\r\n")] == '\0')
		return cfg_refuse(err, "", "", "is empty; an empty configuration is written {}");
	why = format == LYD_XML ? cfg_scan_xml(text) : cfg_scan_json(text);
	if (why != NULL)
		return cfg_refuse(err, "", "", "%s", why);
	if (lyd_parse_data_mem(s->schema->ctx, text, format,
			       LYD_PARSE_STRICT | LYD_PARSE_ONLY | LYD_PARSE_NO_STATE, 0,
			       out) == LY_SUCCESS)
		return 0;
	lyd_free_all(*out);
	*out = NULL;
	return cfg_refuse_ly(err, s->schema->ctx);
}

char *cfg_tree_print(const struct lyd_node *tree, LYD_FORMAT format, uint32_t options)
{
	char *text = NULL;

	if (tree == NULL)
		return strdup(format == LYD_JSON ? "{}" : "");
	if (lyd_print_mem(&text, tree, format, LYD_PRINT_WITHSIBLINGS | options) != LY_SUCCESS)
		return NULL;
	return text;
}

int cfg_store_discard(struct cfg_store *s)
{
	struct lyd_node *copy;

	if (cfg_tree_copy(s->running, &copy) < 0)
		return -ENOMEM;
	lyd_free_all(s->candidate);
	s->candidate = copy;
	s->changed_by = 0;
	return 0;
}

void cfg_store_candidate_set(struct cfg_store *s, struct lyd_node *tree, uint32_t session)
{
	if (tree != s->candidate)
		lyd_free_all(s->candidate);
	s->candidate = tree;
	s->changed_by = session;
}

int cfg_store_load(struct cfg_store *s, const char *json, size_t size, struct cfg_error *err)
{
	struct lyd_node *tree;
	char *text = strndup(json, size);
	int rc = text == NULL ? -ENOMEM : cfg_tree_parse(s, text, LYD_JSON, &tree, err);

	free(text);
	if (rc < 0)
		return rc;
	lyd_free_all(s->running);
	s->running = tree;
	free(s->running_json);
	s->running_json = cfg_tree_print(tree, LYD_JSON, 0);
	cfg_access_changed(s);
	return s->changed_by == 0 ? cfg_store_discard(s) : 0;
}

int cfg_nc_refuse_cfg(struct cfg_nc_error *e, const struct cfg_error *err)
{
	cfg_nc_refuse(e, "operation-failed", "%s", err->reason);
	snprintf(e->path, sizeof(e->path), "%s", err->path);
	snprintf(e->value, sizeof(e->value), "%s", err->value);
	return -EINVAL;
}

int cfg_store_typed(const struct cfg_store *s, struct lyd_node **whole, struct cfg **out,
		    struct cfg_nc_error *e)
{
	struct cfg_error err = { 0 };
	struct cfg *c = NULL;
	int rc = 0;

	if (out != NULL)
		*out = NULL;
	if (cfg_tree_check(s->schema, whole, &err) < 0) {
		// The tags are libyang's error's; path, value and reason are said better here.
		rc = cfg_nc_refuse_ly(e, s->schema->ctx);
		snprintf(e->path, sizeof(e->path), "%s", err.path);
		snprintf(e->value, sizeof(e->value), "%s", err.value);
		snprintf(e->message, sizeof(e->message), "%s", err.reason);
	} else if (cfg_from_tree(*whole, &c, &err) < 0) {
		rc = cfg_nc_refuse_cfg(e, &err);
	}
	if (out != NULL && rc == 0)
		*out = c;
	else
		cfg_free(c);
	return rc;
}

// The tree alone: it has to do without what is laid over it, at the next start.
static int check_alone(const struct cfg_store *s, const struct lyd_node *tree, struct cfg **out,
		       struct cfg_nc_error *e)
{
	struct lyd_node *whole;
	int rc;

	if (cfg_tree_copy(tree, &whole) < 0)
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	rc = cfg_store_typed(s, &whole, out, e);
	if (rc == 0 && cfg_access_check(whole) < 0) {
		rc = cfg_nc_refuse(e, "operation-failed",
				   "/ietf-netconf-acm:nacm: a rule's path is not understood");
		if (out != NULL) {
			cfg_free(*out);
			*out = NULL;
		}
	}
	lyd_free_all(whole);
	return rc;
}

int cfg_store_check(const struct cfg_store *s, const struct lyd_node *tree, struct cfg **out,
		    struct cfg_nc_error *e)
{
	struct lyd_node *whole;
	int rc = check_alone(s, tree, s->n_overlay == 0 ? out : NULL, e);

	if (out != NULL && s->n_overlay > 0)
		*out = NULL;
	if (rc < 0 || s->n_overlay == 0)
		return rc;
	if (cfg_tree_copy(tree, &whole) < 0)
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	rc = cfg_overlay_lay(s, &whole, e);
	if (rc == 0)
		rc = cfg_store_typed(s, &whole, out, e);
	if (rc < 0)
		cfg_overlay_blame(s, e);
	lyd_free_all(whole);
	return rc;
}

// The candidate's changes, on top of what runs from now on. Where that cannot be done the candidate
// stays as it is: `compare` shows what its commit would do.
static void rebase(struct cfg_store *s, const struct lyd_node *old)
{
	struct lyd_node *next;

	if (s->changed_by == 0)
		(void)cfg_store_discard(s);
	else if (cfg_rebase(old, s->candidate, s->running, &next) == 0)
		cfg_store_candidate_set(s, next, s->changed_by);
}

// What runs is `next` from now on (taken).
static void swap(struct cfg_store *s, struct lyd_node *next, bool was_candidate)
{
	struct lyd_node *old = s->running;

	s->running = next;
	if (was_candidate)
		s->changed_by = 0;
	rebase(s, old);
	cfg_access_changed(s);
	lyd_free_all(old);
}

// Validated and printed: ask the host. c->next is freed here when the host does not take it.
static int bring(struct cfg_store *s, const struct lyd_node *tree, struct cfg_commit *c,
		 struct cfg_nc_error *e)
{
	struct lyd_node *copy;
	struct cfg_error err = { 0 };

	if (cfg_tree_copy(tree, &copy) < 0) {
		cfg_free(c->next);
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	}
	if (s->host.commit(s->host.arg, c, &err) < 0) {
		cfg_free(c->next);
		lyd_free_all(copy);
		return cfg_nc_refuse_cfg(e, &err);
	}
	swap(s, copy, tree == s->candidate);
	return 0;
}

// Nothing to bring into force, nothing for the history: else who may commit, but not write, could
// push all others out of it.
static int commit_nothing(struct cfg_store *s, const struct lyd_node *tree,
			  const struct cfg_commit *who, struct cfg_nc_error *e)
{
	struct cfg_error err = { 0 };
	int rc = 0;

	if (tree == s->candidate)
		s->changed_by = 0;
	if (s->waiting)
		rc = who->wait != NULL ? s->host.extend(s->host.arg, who, &err)
				       : s->host.confirm(s->host.arg, &err);
	return rc < 0 ? cfg_nc_refuse_cfg(e, &err) : 0;
}

int cfg_store_commit(struct cfg_store *s, const struct lyd_node *tree, const struct cfg_commit *who,
		     struct cfg_nc_error *e)
{
	struct cfg_commit c = *who;
	struct lyd_node *diff = NULL;
	char *json;
	int rc;

	if (cfg_store_check(s, tree, &c.next, e) < 0)
		return -EINVAL;
	json = cfg_tree_print(tree, LYD_JSON, 0);
	if (json == NULL) {
		cfg_free(c.next);
		return cfg_nc_refuse(e, "operation-failed", "out of memory");
	}
	c.json = json;
	c.size = strlen(json);
	if (s->running_json != NULL && strcmp(s->running_json, json) == 0) {
		cfg_free(c.next);
		free(json);
		return commit_nothing(s, tree, who, e);
	}
	(void)lyd_diff_siblings(s->running, tree, 0, &diff);
	rc = bring(s, tree, &c, e);
	if (rc == 0) {
		free(s->running_json);
		s->running_json = json;
	} else {
		free(json);
	}
	if (rc == 0 && diff != NULL)
		cfg_notify_change(s, diff, who);
	lyd_free_all(diff);
	return rc;
}

int cfg_store_replace(struct cfg_store *s, const char *json, size_t size,
		      const struct cfg_commit *who, struct cfg_error *err)
{
	struct lyd_node *tree;
	struct cfg_nc_error e;
	char *text = strndup(json, size);
	int rc = text == NULL ? cfg_refuse(err, "", "", "out of memory")
			      : cfg_tree_parse(s, text, LYD_JSON, &tree, err);

	free(text);
	if (rc < 0)
		return rc;
	if (s->waiting)
		rc = cfg_refuse(err, "", "",
				"a confirmed commit waits for its confirmation: confirm or cancel "
				"it first");
	if (rc == 0 && s->lock[CFG_RUNNING] != 0)
		rc = cfg_refuse(err, "", "", "running is locked by session %u",
				s->lock[CFG_RUNNING]);
	if (rc == 0 && cfg_store_commit(s, tree, who, &e) < 0)
		rc = cfg_refuse(err, e.path, e.value, "%s", e.message);
	lyd_free_all(tree);
	return rc;
}

int cfg_store_history(const struct cfg_store *s, uint32_t n, struct cfg_commit_head *head,
		      struct lyd_node **out, struct cfg_nc_error *e)
{
	struct cfg_error err = { 0 };
	char *json = NULL;
	int rc = s->host.history(s->host.arg, n, head, &json, &err);

	*out = NULL;
	if (rc == -ENOENT)
		return cfg_nc_refuse(e, "data-missing", "commit %u: fewer than that are kept", n);
	if (rc == 0)
		rc = cfg_tree_parse(s, json, LYD_JSON, out, &err);
	free(json);
	return rc < 0 ? cfg_nc_refuse_cfg(e, &err) : 0;
}

int cfg_store_startup(const struct cfg_store *s, struct lyd_node **out, struct cfg_nc_error *e)
{
	struct cfg_commit_head head;

	if (!s->waiting)
		return cfg_store_history(s, 0, &head, out, e);
	return cfg_tree_copy(s->backup, out) < 0
		       ? cfg_nc_refuse(e, "operation-failed", "out of memory")
		       : 0;
}

char *cfg_store_running(const struct cfg_store *s)
{
	return s->running_json == NULL ? NULL : strdup(s->running_json);
}
