// Operations of the command line: the candidate edited by lines, shown as text, compared with
// what ran before.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"
#include "words_priv.h"

static int refuse_words(struct cfg_call *c, const struct cfg_words_error *e)
{
	if (e->reason[0] == '\0')
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	cfg_nc_refuse(&c->e, "invalid-value", "%s%s%s", e->reason,
		      e->expected[0] != '\0' ? "; expected: " : "", e->expected);
	snprintf(c->e.path, sizeof(c->e.path), "%s", e->path);
	snprintf(c->e.value, sizeof(c->e.value), "%s", e->value);
	c->e.line = e->line;
	c->e.at = e->at;
	c->e.size = e->size;
	return -EINVAL;
}

static int call_split(struct cfg_call *c, const char *text, bool partial, struct cfg_words *w)
{
	const char *at = cfg_value(c->op, "at");
	struct cfg_words_error e = { 0 };
	int rc = (partial ? cfg_words_split_partial : cfg_words_split)(text, strlen(text), w, &e);

	if (rc < 0)
		return refuse_words(c, &e);
	w->context = at;
	return 0;
}

static int edit_context(struct cfg_call *c, const struct cfg_words *w)
{
	struct cfg_schema *schema = c->store->schema;
	const char *verb = w->word[0].text;
	struct cfg_words_error e = { 0 };
	char *words = NULL, *xpath = NULL;
	int rc;

	if (strcmp(verb, "top") == 0)
		return cfg_call_leaf(c, "at", "");
	if (strcmp(verb, "up") == 0) {
		uint32_t n = w->n > 1 ? (uint32_t)strtoul(w->word[1].text, NULL, 10) : 1;

		rc = cfg_words_up(schema, w->context, n, &words, &e);
	} else {
		rc = cfg_words_edit(schema, w, &words, &xpath, &e);
	}
	if (rc == 0)
		rc = cfg_call_leaf(c, "at", words);
	else
		rc = refuse_words(c, &e);
	free(words);
	free(xpath);
	return rc;
}

static bool is_context(const char *verb)
{
	return strcmp(verb, "edit") == 0 || strcmp(verb, "up") == 0 || strcmp(verb, "top") == 0;
}

// Lines that edit: one, or those of a text.
struct lines {
	const struct cfg_words *one; // or NULL
	const char *text;
};

static int lines_run(struct cfg_call *c, const struct lines *l, struct lyd_node **tree)
{
	struct cfg_schema *schema = c->store->schema;
	struct cfg_words_error e = { 0 };
	int rc = l->one != NULL ? cfg_words_run(schema, tree, l->one, &e)
				: cfg_words_load_set(schema, tree, l->text, strlen(l->text), &e);

	return rc < 0 ? refuse_words(c, &e) : 0;
}

// Do the lines carry data from one place to another?
static bool lines_carry(const struct lines *l)
{
	const char *text = l->one != NULL ? l->one->word[0].text : l->text;

	return strstr(text, "copy") != NULL || strstr(text, "rename") != NULL;
}

// Would the lines be allowed where what the user may not read is not there? Who sets a secret to
// what it is changes nothing, and must not learn from that that the guess was right.
static int lines_check_unseen(struct cfg_call *c, const struct lines *l,
			      const struct lyd_node *tree)
{
	struct lyd_node *before = NULL, *after = NULL;
	struct cfg_nc_error e = c->e;
	int rc;

	if (cfg_tree_copy(tree, &before) < 0 || cfg_session_prune(c->s, &before) < 0 ||
	    cfg_tree_copy(before, &after) < 0) {
		lyd_free_all(before);
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	}
	rc = lines_run(c, l, &after);
	if (rc == 0)
		rc = cfg_call_check_write(c, before, after);
	else
		rc = 0; // of what is not there; the real run says what is wrong
	if (rc == 0)
		c->e = e;
	lyd_free_all(before);
	lyd_free_all(after);
	return rc;
}

// Run lines on *tree, which stays as it was on failure. What the user may not read is not there for
// copy and rename, or it could be read in its new place.
static int lines_run_for_user(struct cfg_call *c, const struct lines *l, struct lyd_node **tree)
{
	struct lyd_node *seen;

	if (cfg_session_sees_all(c->s))
		return lines_run(c, l, tree);
	if (!lines_carry(l))
		return lines_check_unseen(c, l, *tree) < 0 ? -EINVAL : lines_run(c, l, tree);
	if (cfg_tree_copy(*tree, &seen) < 0 || cfg_session_prune(c->s, &seen) < 0) {
		lyd_free_all(seen);
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	}
	if (lines_run(c, l, &seen) < 0 || lines_run(c, l, tree) < 0) {
		lyd_free_all(seen);
		return -EINVAL;
	}
	return cfg_call_check_carried(c, seen, *tree);
}

static int run_line(struct cfg_call *c, struct cfg_words *w)
{
	const struct lines line = { .one = w };
	struct lyd_node *next;
	int rc;

	if (w->n == 0)
		return cfg_nc_refuse(&c->e, "invalid-value", "the line is empty");
	w->first = 1;
	if (is_context(w->word[0].text))
		return edit_context(c, w);
	if (cfg_call_may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (cfg_tree_copy(c->store->candidate, &next) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	rc = lines_run_for_user(c, &line, &next);
	if (rc < 0) {
		lyd_free_all(next);
		return rc;
	}
	rc = cfg_call_edit(c, next, CFG_EDIT_SET);
	return rc < 0 ? rc : cfg_call_leaf(c, "at", w->context == NULL ? "" : w->context);
}

int cfg_rpc_edit_line(struct cfg_call *c)
{
	struct cfg_words w;
	int rc = call_split(c, cfg_value(c->op, "line"), false, &w);

	if (rc < 0)
		return rc;
	rc = run_line(c, &w);
	cfg_words_fini(&w);
	return rc;
}

static const char *const kinds[] = { "container", "list", "leaf", "key", "value", "alias", "free" };

static int put_candidate(struct cfg_call *c, const char *word, const char *help,
			 enum cfg_words_kind kind)
{
	struct lyd_node *n = NULL;

	if (lyd_new_list(c->out, NULL, "candidate", 1, &n) == LY_SUCCESS &&
	    lyd_new_term(n, NULL, "word", word, 1, NULL) == LY_SUCCESS &&
	    lyd_new_term(n, NULL, "help", help, 1, NULL) == LY_SUCCESS &&
	    lyd_new_term(n, NULL, "kind", kinds[kind], 1, NULL) == LY_SUCCESS)
		return 0;
	return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
}

// Words between two instances of one list.
static const struct between {
	const char *verb, *word, *help;
	bool other;    // another instance follows
	bool existing; // one that is there
} between[] = {
	{ "copy", "to", "Key of the second entry.", true, false },
	{ "rename", "to", "New key of the entry.", true, false },
	{ "insert", "first", "In front of all others.", false, false },
	{ "insert", "last", "Behind all others.", false, false },
	{ "insert", "before", "In front of another one.", true, true },
	{ "insert", "after", "Behind another one.", true, true },
};
enum { N_BETWEEN = sizeof(between) / sizeof(between[0]) };

// The word between two instances that stands on the line before the cursor, and where.
static const struct between *between_of(const struct cfg_words *w, uint32_t *at)
{
	for (uint32_t i = 3; i + 1 < w->n; i++) {
		for (size_t k = 0; k < N_BETWEEN; k++) {
			*at = i;
			if (!w->word[i].quoted && strcmp(between[k].word, w->word[i].text) == 0 &&
			    strcmp(between[k].verb, w->word[0].text) == 0)
				return &between[k];
		}
	}
	return NULL;
}

// What may stand between, once the first instance is named.
static int put_between(struct cfg_call *c, const struct cfg_words *w,
		       const struct cfg_words_candidates *list)
{
	const char *begin = w->word[w->n - 1].text;
	int rc = 0;

	for (uint32_t i = 0; i < list->n; i++) {
		if (list->item[i].kind == CFG_WORDS_KEY || list->item[i].kind == CFG_WORDS_VALUE)
			return 0; // it is not named yet
	}
	for (size_t k = 0; rc == 0 && list->complete && w->n > 3 && k < N_BETWEEN; k++) {
		if (strcmp(between[k].verb, w->word[0].text) == 0 &&
		    strncmp(between[k].word, begin, strlen(begin)) == 0)
			rc = put_candidate(c, between[k].word, between[k].help, CFG_WORDS_ALIAS);
	}
	return rc;
}

// new: what is there already is of no use, unless there is nothing else to choose from.
static int put_candidates(struct cfg_call *c, const struct cfg_words_candidates *list, bool new)
{
	bool only_free = false;
	int rc = 0;

	for (uint32_t i = 0; new &&i < list->n; i++)
		only_free |= list->item[i].kind == CFG_WORDS_FREE;
	for (uint32_t i = 0; rc == 0 && i < list->n; i++) {
		const struct cfg_words_candidate *x = &list->item[i];

		if (!only_free || x->kind == CFG_WORDS_FREE)
			rc = put_candidate(c, x->word, x->help, x->kind);
	}
	return rc;
}

// The verb decides what may follow.
static enum cfg_words_mode mode_of(const char *verb)
{
	if (strcmp(verb, "set") == 0 || strcmp(verb, "load") == 0)
		return CFG_WORDS_SET;
	if (strcmp(verb, "edit") == 0)
		return CFG_WORDS_EDIT;
	if (strcmp(verb, "show") == 0 || strcmp(verb, "compare") == 0 ||
	    strcmp(verb, "annotate") == 0)
		return CFG_WORDS_SHOW;
	if (strcmp(verb, "rename") == 0 || strcmp(verb, "copy") == 0)
		return CFG_WORDS_RENAME;
	return strcmp(verb, "insert") == 0 ? CFG_WORDS_INSERT : CFG_WORDS_DELETE;
}

// How many words name the instance in front of word `at`; 0 = it is none.
static uint32_t instance_words(struct cfg_call *c, const struct cfg_words *w, uint32_t at)
{
	const struct lysc_node *key;
	struct cfg_words_error e;
	struct cfg_walk k;
	uint32_t n = 0;
	int rc = cfg_walk_init(&k, c->store->schema, w, CFG_WORDS_DELETE, &e);

	if (rc == 0)
		rc = cfg_walk_words(&k, at);
	if (rc == 0 && k.last != NULL && cfg_words_is(k.last, LYS_LEAFLIST))
		n = 1;
	if (rc == 0 && k.last != NULL && cfg_words_is(k.last, LYS_LIST))
		for (key = lysc_node_child(k.last->schema); key != NULL && lysc_is_key(key);
		     key = key->next)
			n++;
	cfg_walk_fini(&k);
	return n < at ? n : 0;
}

// Behind such a word, the words of the other instance stand for those of the first one: the line
// becomes one that names only the other. returns false when nothing may follow
static bool only_other(struct cfg_call *c, struct cfg_words *w, uint32_t at)
{
	uint32_t keys = instance_words(c, w, at), n = w->n - at - 1;

	if (keys == 0 || n > keys)
		return false;
	memmove(&w->word[at - keys], &w->word[at + 1], n * sizeof(w->word[0]));
	w->n = at - keys + n;
	return true;
}

static int complete_words(struct cfg_call *c, const struct lyd_node *tree, struct cfg_words *w)
{
	struct cfg_words_candidates list = { 0 };
	enum cfg_words_mode mode = mode_of(w->word[0].text);
	uint32_t at = 0;
	const struct between *b = between_of(w, &at);
	int rc;

	if (b != NULL && (!b->other || !only_other(c, w, at)))
		return 0;
	if (b != NULL)
		mode = b->existing ? CFG_WORDS_DELETE : CFG_WORDS_SET;
	rc = cfg_words_complete(c->store->schema, tree, w, mode, &list);
	if (rc == -ENOMEM)
		rc = cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	else if (rc < 0)
		rc = cfg_nc_refuse(&c->e, "invalid-value", "nothing may follow");
	else
		rc = put_candidates(c, &list, b != NULL && !b->existing);
	if (rc == 0 && b == NULL)
		rc = put_between(c, w, &list);
	cfg_words_candidates_fini(&list);
	return rc;
}

int cfg_rpc_complete(struct cfg_call *c)
{
	const char *line = cfg_value(c->op, "line");
	struct lyd_node *visible;
	struct cfg_words w;
	int rc = call_split(c, line == NULL ? "" : line, true, &w);

	if (rc < 0)
		return rc;
	// Only what the user may read is offered.
	rc = cfg_tree_copy(c->store->candidate, &visible);
	if (rc == 0)
		rc = cfg_session_prune(c->s, &visible);
	w.first = 1;
	if (rc < 0)
		rc = cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	else if (w.n > 1)
		rc = complete_words(c, visible, &w);
	cfg_words_fini(&w);
	lyd_free_all(visible);
	return rc;
}

// A configuration by its name, as far as the user may read it.
static int named_source(struct cfg_call *c, const char *name, struct lyd_node **out)
{
	struct cfg_commit_head head;
	int rc;

	*out = NULL;
	if (strncmp(name, "rollback ", 9) == 0)
		rc = cfg_store_history(c->store, (uint32_t)strtoul(name + 9, NULL, 10), &head, out,
				       &c->e);
	else if (strcmp(name, "startup") == 0)
		rc = cfg_store_startup(c->store, out, &c->e);
	else
		rc = cfg_tree_copy(strcmp(name, "running") == 0 ? c->store->running
								: c->store->candidate,
				   out);
	if (rc == 0)
		rc = cfg_session_prune(c->s, out);
	return rc == -ENOMEM ? cfg_nc_refuse(&c->e, "operation-failed", "out of memory") : rc;
}

// XML and JSON have no part: the whole, or what `at` and the words name is refused.
static int show_tree(struct cfg_call *c, const struct lyd_node *tree, const struct cfg_words *w,
		     const char *format, char **text)
{
	struct cfg_words_error e = { 0 };
	struct cfg_place place = { 0 };
	struct cfg_walk k;
	LYD_FORMAT f = strcmp(format, "json") == 0 ? LYD_JSON : LYD_XML;
	int rc;

	if (strcmp(format, "set") == 0)
		rc = cfg_words_print_set(c->store->schema, tree, w, text, &e);
	else if (strcmp(format, "text") == 0)
		rc = cfg_words_print_text(c->store->schema, tree, w, text, &e);
	else if (w->n == 0 && (w->context == NULL || w->context[0] == '\0'))
		rc = (*text = cfg_tree_print(tree, f, 0)) == NULL ? -ENOMEM : 0;
	else {
		rc = cfg_walk_init(&k, c->store->schema, w, CFG_WORDS_SHOW, &e);
		if (rc == 0)
			rc = cfg_walk_words(&k, w->n);
		if (rc == 0)
			rc = cfg_walk_end(&k, w->n);
		if (rc == 0)
			rc = cfg_place_find(&k, tree, &place);
		cfg_walk_fini(&k);
		if (rc == 0 && (place.missing || place.node == NULL))
			place.node = place.missing ? NULL : place.parent;
		if (rc == 0 && place.node == NULL)
			*text = strdup(f == LYD_JSON ? "{}" : "");
		else if (rc == 0 && lyd_print_mem(text, place.node, f, 0) != LY_SUCCESS)
			*text = NULL;
		if (rc == 0 && *text == NULL)
			rc = -ENOMEM;
	}
	return rc < 0 ? refuse_words(c, &e) : 0;
}

int cfg_rpc_show_configuration(struct cfg_call *c)
{
	const char *line = cfg_value(c->op, "line");
	struct lyd_node *tree;
	struct cfg_words w;
	char *text = NULL;
	int rc = call_split(c, line == NULL ? "" : line, false, &w);

	if (rc < 0)
		return rc;
	rc = named_source(c, cfg_value(c->op, "source"), &tree);
	if (rc == 0)
		rc = show_tree(c, tree, &w, cfg_value(c->op, "format"), &text);
	if (rc == 0)
		rc = cfg_call_leaf(c, "text", text);
	free(text);
	lyd_free_all(tree);
	cfg_words_fini(&w);
	return rc;
}

int cfg_rpc_compare(struct cfg_call *c)
{
	const char *line = cfg_value(c->op, "line");
	struct lyd_node *from = NULL, *to = NULL;
	struct cfg_words_error e = { 0 };
	struct cfg_words w;
	char *text = NULL;
	int rc = call_split(c, line == NULL ? "" : line, false, &w);

	if (rc < 0)
		return rc;
	rc = named_source(c, cfg_value(c->op, "from"), &from);
	if (rc == 0)
		rc = named_source(c, cfg_value(c->op, "to"), &to);
	if (rc == 0) {
		const struct cfg_words_pair pair = { from, to };

		rc = cfg_words_compare(c->store->schema, &pair, &w, &text, &e);
		rc = rc < 0 ? refuse_words(c, &e) : cfg_call_leaf(c, "text", text);
	}
	free(text);
	lyd_free_all(from);
	lyd_free_all(to);
	cfg_words_fini(&w);
	return rc;
}

int cfg_rpc_plan(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	struct cfg_error err = { 0 };
	struct cfg *next;
	char *text = NULL;
	// A plan names what changes, whoever changed it.
	int rc = cfg_call_check_read(c, c->store->running, c->store->candidate);

	if (rc == 0)
		rc = cfg_call_check(c, c->store->candidate, &next);
	if (rc < 0)
		return rc;
	rc = h->plan(h->arg, next, &text, &err);
	cfg_free(next);
	rc = rc < 0 ? cfg_nc_refuse_cfg(&c->e, &err) : cfg_call_leaf(c, "text", text);
	free(text);
	return rc;
}

int cfg_rpc_load(struct cfg_call *c)
{
	const char *format = cfg_value(c->op, "format"), *text = cfg_value(c->op, "text");
	bool replace = strcmp(cfg_value(c->op, "mode"), "replace") == 0,
	     xml = strcmp(format, "xml") == 0;
	const char *why;
	struct lyd_node *next = NULL, *tree = NULL;
	struct cfg_error err;
	int rc = 0;

	if (cfg_call_may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (!replace && cfg_tree_copy(c->store->candidate, &next) < 0)
		return cfg_nc_refuse(&c->e, "operation-failed", "out of memory");
	if (strcmp(format, "set") == 0) {
		rc = lines_run_for_user(c, &(struct lines){ .text = text }, &next);
	} else if ((why = xml ? cfg_scan_xml(text) : cfg_scan_json(text)) != NULL) {
		rc = cfg_nc_refuse(&c->e, "too-big", "text: %s", why);
	} else if (cfg_tree_parse(c->store, text, xml ? LYD_XML : LYD_JSON, &tree, &err) < 0) {
		rc = cfg_nc_refuse_cfg(&c->e, &err);
	} else {
		// Through the edit, so that the nodes of another case go away.
		rc = tree == NULL ? 0 : cfg_call_edit_tree(c, &next, tree, "merge");
		lyd_free_all(tree);
	}
	if (rc < 0) {
		lyd_free_all(next);
		return rc;
	}
	return cfg_call_edit(c, next, CFG_EDIT_SET);
}

int cfg_rpc_rollback(struct cfg_call *c)
{
	uint32_t n = cfg_number(c->op, "number", 0);
	struct cfg_commit_head head;
	struct lyd_node *tree;

	if (cfg_call_may_write(c, CFG_CANDIDATE) < 0)
		return -EINVAL;
	if (n == 0)
		return cfg_store_discard(c->store) < 0
			       ? cfg_nc_refuse(&c->e, "operation-failed", "out of memory")
			       : 0;
	if (cfg_store_history(c->store, n, &head, &tree, &c->e) < 0)
		return -EINVAL;
	return cfg_call_edit(c, tree, CFG_EDIT_SET);
}

// What commit n changed, for who may read it.
static char *difference(struct cfg_call *c, uint32_t n)
{
	struct cfg_words_error e = { 0 };
	struct cfg_words all = { 0 };
	struct cfg_commit_head head;
	struct cfg_nc_error none;
	struct lyd_node *from = NULL, *to = NULL;
	char *text = NULL;

	if (cfg_store_history(c->store, n, &head, &to, &none) == 0 &&
	    cfg_store_history(c->store, n + 1, &head, &from, &none) == 0 &&
	    cfg_session_prune(c->s, &from) == 0 && cfg_session_prune(c->s, &to) == 0) {
		const struct cfg_words_pair pair = { from, to };

		if (cfg_words_compare(c->store->schema, &pair, &all, &text, &e) < 0)
			text = NULL;
	}
	lyd_free_all(from);
	lyd_free_all(to);
	return text;
}

static void put_commit(struct cfg_call *c, uint32_t n, const struct cfg_commit_head *h, bool whole)
{
	struct lyd_node *item = NULL;
	char number[16], id[24], time[32], *text;

	snprintf(number, sizeof(number), "%u", n);
	snprintf(id, sizeof(id), "%llu", (unsigned long long)h->id);
	cfg_time_text((uint64_t)h->time_s * 1000, time);
	if (lyd_new_list(c->out, NULL, "commit", 1, &item, number) != LY_SUCCESS)
		return;
	(void)lyd_new_term(item, NULL, "id", id, 1, NULL);
	(void)lyd_new_term(item, NULL, "time", time, 1, NULL);
	(void)lyd_new_term(item, NULL, "user", h->user, 1, NULL);
	(void)lyd_new_term(item, NULL, "client", h->client, 1, NULL);
	(void)lyd_new_term(item, NULL, "comment", h->comment, 1, NULL);
	text = whole ? difference(c, n) : NULL;
	if (text != NULL)
		(void)lyd_new_term(item, NULL, "difference", text, 1, NULL);
	free(text);
}

int cfg_rpc_history(struct cfg_call *c)
{
	const struct cfg_host *h = &c->store->host;
	const char *number = cfg_value(c->op, "number");
	struct cfg_commit_head head;
	struct cfg_error err;
	uint32_t n = number == NULL ? 0 : (uint32_t)strtoul(number, NULL, 10);
	int rc;

	for (;; n++) {
		rc = h->history(h->arg, n, &head, NULL, &err);
		if (rc < 0)
			break;
		put_commit(c, n, &head, number != NULL);
		if (number != NULL)
			return 0;
	}
	if (rc != -ENOENT)
		return cfg_nc_refuse_cfg(&c->e, &err);
	if (number != NULL)
		return cfg_nc_refuse(&c->e, "data-missing", "commit %u: fewer than that are kept",
				     n);
	return 0;
}

static int put_number(struct cfg_call *c, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return cfg_call_leaf(c, name, text);
}

int cfg_rpc_status(struct cfg_call *c)
{
	const struct cfg_store *s = c->store;
	uint64_t now_ms = s->host.now_ms(s->host.arg);
	int rc = put_number(c, "session-id", c->s->id);

	if (rc == 0 && s->changed_by != 0)
		rc = put_number(c, "candidate-changed-by", s->changed_by);
	if (rc == 0 && s->lock[CFG_CANDIDATE] != 0)
		rc = put_number(c, "candidate-locked-by", s->lock[CFG_CANDIDATE]);
	if (rc == 0 && s->lock[CFG_RUNNING] != 0)
		rc = put_number(c, "running-locked-by", s->lock[CFG_RUNNING]);
	if (rc == 0 && s->waiting)
		rc = put_number(c, "confirm-seconds",
				s->deadline_ms > now_ms ? (s->deadline_ms - now_ms + 999) / 1000
							: 0);
	// Who knows it may confirm.
	if (rc == 0 && s->waiting && s->persist_id[0] != '\0' &&
	    (c->s->recovery || s->wait_session == c->s->id))
		rc = cfg_call_leaf(c, "confirm-persist-id", s->persist_id);
	return rc;
}
