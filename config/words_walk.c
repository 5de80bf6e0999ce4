// Reading the words of a line against the schema, one at a time. See words_priv.h.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

int cfg_words_refuse(struct cfg_walk *k, uint32_t word, const char *fmt, ...)
{
	const struct cfg_words *w = k->line;
	struct cfg_words_error *e = k->e;
	va_list ap;

	*e = (struct cfg_words_error){ .word = word };
	if (word < w->n) {
		e->at = w->word[word].at;
		e->size = w->word[word].size;
		snprintf(e->value, sizeof(e->value), "%s", w->word[word].text);
	} else if (w->n > 0) {
		e->at = w->word[w->n - 1].at + w->word[w->n - 1].size;
	}
	if (k->at != NULL)
		lyd_path(k->at, LYD_PATH_STD, e->path, sizeof(e->path));
	va_start(ap, fmt);
	vsnprintf(e->reason, sizeof(e->reason), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

void cfg_words_expected(struct cfg_walk *k, const char *text)
{
	snprintf(k->e->expected, sizeof(k->e->expected), "%s", text);
}

const struct lysc_node *cfg_walk_level(const struct cfg_walk *k)
{
	return k->at == NULL ? NULL : k->at->schema;
}

// --- What can be named

static const struct lysc_node *next_in(const struct lysc_node *last, const struct lysc_node *parent,
				       const struct lys_module *m)
{
	const struct lysc_node *n = last;

	if (parent == NULL && (!m->implemented || m->compiled == NULL))
		return NULL;
	while ((n = lys_getnext(n, parent, parent == NULL ? m->compiled : NULL, 0)) != NULL) {
		if ((n->nodetype & (LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST)) != 0 &&
		    (n->flags & LYS_CONFIG_W) != 0)
			return n;
	}
	return NULL;
}

const struct lysc_node *cfg_words_child(const struct ly_ctx *ctx, const struct lysc_node *parent,
					const struct lysc_node *last)
{
	const struct lysc_node *n;
	const struct lys_module *m;
	uint32_t i = 0;

	if (parent != NULL)
		return next_in(last, parent, NULL);
	if (last != NULL && (n = next_in(last, NULL, last->module)) != NULL)
		return n;
	while (last != NULL && (m = ly_ctx_get_module_iter(ctx, &i)) != last->module)
		if (m == NULL)
			return NULL;
	while ((m = ly_ctx_get_module_iter(ctx, &i)) != NULL) {
		n = next_in(NULL, NULL, m);
		if (n != NULL)
			return n;
	}
	return NULL;
}

static int reach_add(struct cfg_reaches *r, const char *name, const struct lysc_node *node,
		     const struct lysc_node *via)
{
	if (r->n == r->cap) {
		uint32_t cap = 2 * r->cap + 32;
		struct cfg_reach *item = realloc(r->item, cap * sizeof(*item));

		if (item == NULL)
			return -ENOMEM;
		r->item = item;
		r->cap = cap;
	}
	r->item[r->n++] = (struct cfg_reach){ .name = name, .node = node, .via = via };
	return 0;
}

int cfg_reach_children(const struct ly_ctx *ctx, const struct lysc_node *level,
		       struct cfg_reaches *r)
{
	const struct lysc_node *n = NULL;
	int rc = 0;

	while (rc == 0 && (n = cfg_words_child(ctx, level, n)) != NULL)
		rc = reach_add(r, n->name, n, NULL);
	return rc;
}

static bool is_presence(const struct lysc_node *n)
{
	return n->nodetype == LYS_CONTAINER && (n->flags & LYS_PRESENCE) != 0;
}

// A list inside a top-level container: by its own name, and by those of its presence containers.
static int reach_list(const struct ly_ctx *ctx, const struct lysc_node *top,
		      const struct lysc_node *list, struct cfg_reaches *r)
{
	const struct lysc_node *n = NULL;
	int rc = reach_add(r, list->name, list, top);

	while (rc == 0 && (n = cfg_words_child(ctx, list, n)) != NULL) {
		if (is_presence(n))
			rc = reach_add(r, n->name, list, top);
	}
	return rc;
}

static int reach_lists(const struct ly_ctx *ctx, const struct lysc_node *top, struct cfg_reaches *r)
{
	const struct lysc_node *n = NULL;
	int rc = 0;

	while (rc == 0 && (n = cfg_words_child(ctx, top, n)) != NULL) {
		if (n->nodetype == LYS_LIST)
			rc = reach_list(ctx, top, n, r);
	}
	return rc;
}

// Names that the module gives a node besides its own.
static int reach_called(const struct lysc_node *n, const struct lysc_node *via,
			struct cfg_reaches *r)
{
	LY_ARRAY_COUNT_TYPE i;
	int rc = 0;

	LY_ARRAY_FOR (n->exts, i) {
		const struct lysc_ext *def = n->exts[i].def;

		if (rc == 0 && strcmp(def->name, "also-called") == 0 &&
		    strcmp(def->module->name, "weir-configuration") == 0)
			rc = reach_add(r, n->exts[i].argument, n, via);
	}
	return rc;
}

static int reach_inside(const struct ly_ctx *ctx, const struct lysc_node *box,
			struct cfg_reaches *r)
{
	const struct lysc_node *n = NULL;
	int rc = 0;

	while (rc == 0 && (n = cfg_words_child(ctx, box, n)) != NULL) {
		rc = reach_add(r, n->name, n, box);
		if (rc == 0)
			rc = reach_called(n, box, r);
	}
	return rc;
}

int cfg_reach_short(const struct ly_ctx *ctx, const struct lysc_node *level, struct cfg_reaches *r)
{
	const struct lysc_node *n = NULL;
	int rc = 0;

	while (rc == 0 && (n = cfg_words_child(ctx, level, n)) != NULL) {
		if (level == NULL && n->nodetype == LYS_CONTAINER)
			rc = reach_lists(ctx, n, r);
		else if (level != NULL)
			rc = reach_called(n, NULL, r);
		if (rc == 0 && level != NULL && level->nodetype == LYS_LIST && is_presence(n))
			rc = reach_inside(ctx, n, r);
	}
	return rc;
}

void cfg_words_put_name(struct cfg_words_text *t, const struct ly_ctx *ctx,
			const struct lysc_node *n)
{
	const struct lysc_node *parent = lysc_data_parent(n), *other = NULL;

	while ((other = cfg_words_child(ctx, parent, other)) != NULL) {
		if (other == n || strcmp(other->name, n->name) != 0)
			continue;
		cfg_words_put(t, n->module->name);
		cfg_words_put(t, ":");
		break;
	}
	cfg_words_put(t, n->name);
}

// --- Names

struct match {
	struct cfg_reach found;
	uint32_t n;
	char names[256]; // of all that fit, for the error
};

static bool of_module(const struct lysc_node *n, const char *prefix, size_t size)
{
	return size == 0 ||
	       (strlen(n->module->name) == size && strncmp(n->module->name, prefix, size) == 0) ||
	       (strlen(n->module->prefix) == size && strncmp(n->module->prefix, prefix, size) == 0);
}

static void match_names(const struct cfg_reaches *r, const char *word, bool exact, struct match *m)
{
	const char *colon = strchr(word, ':'), *name = colon == NULL ? word : colon + 1;
	size_t prefix = colon == NULL ? 0 : (size_t)(colon - word), used = 0;

	m->n = 0;
	for (uint32_t i = 0; i < r->n && *name != '\0'; i++) {
		const struct cfg_reach *c = &r->item[i];

		if (!of_module(c->node, word, prefix) ||
		    (exact ? strcmp(c->name, name) : strncmp(c->name, name, strlen(name))) != 0)
			continue;
		if (m->n > 0 && m->found.node == c->node)
			continue; // two ways to one node
		m->found = *c;
		m->n++;
		if (used < sizeof(m->names))
			used += (size_t)snprintf(m->names + used, sizeof(m->names) - used,
						 "%s%s%s%s", used > 0 ? ", " : "",
						 c->via ? c->via->name : c->node->module->name,
						 c->via ? " " : ":", c->node->name);
	}
}

// Best first: an exact child, an exact short form, an abbreviated child, an abbreviated short form.
static int match_word(struct cfg_walk *k, const char *word, struct match *m)
{
	struct cfg_reaches near = { 0 }, far = { 0 };
	int rc = cfg_reach_children(k->s->ctx, cfg_walk_level(k), &near);

	match_names(&near, word, true, m);
	if (rc == 0 && m->n == 0)
		rc = cfg_reach_short(k->s->ctx, cfg_walk_level(k), &far);
	if (m->n == 0)
		match_names(&far, word, true, m);
	if (m->n == 0)
		match_names(&near, word, false, m);
	if (m->n == 0)
		match_names(&far, word, false, m);
	free(near.item);
	free(far.item);
	return rc;
}

static bool reaches_name(const struct cfg_reaches *r, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(r->item[i].name, name) == 0)
			return true;
	}
	return false;
}

// What could be named here, for an error: children, and what is reached through them without being
// one, as completion offers it.
static void expect_names(struct cfg_walk *k)
{
	const struct lysc_node *level = cfg_walk_level(k);
	struct cfg_reaches r = { 0 };
	struct cfg_words_text t = { 0 };
	uint32_t near = 0;

	if (cfg_reach_children(k->s->ctx, level, &r) == 0) {
		near = r.n;
		(void)cfg_reach_short(k->s->ctx, level, &r);
	}
	for (uint32_t i = 0; i < r.n; i++) {
		if (lysc_is_key(r.item[i].node) ||
		    (i >= near && reaches_name(&r, i, r.item[i].name)))
			continue;
		cfg_words_put(&t, t.size == 0 ? "one of " : ", ");
		if (i < near)
			cfg_words_put_name(&t, k->s->ctx, r.item[i].node);
		else
			cfg_words_put(&t, r.item[i].name);
	}
	if (t.buf != NULL)
		cfg_words_expected(k, t.buf);
	free(t.buf);
	free(r.item);
}

// --- The line's tree

static int out_of_tree(struct cfg_walk *k, uint32_t i)
{
	const char *msg = ly_errmsg(k->s->ctx);

	return cfg_words_refuse(k, i, "%s", msg == NULL ? "not possible" : msg);
}

// A node without parent becomes the line's tree, or joins it.
static void rooted(struct cfg_walk *k, struct lyd_node *n)
{
	if (lyd_parent(n) != NULL || n == k->root)
		return;
	if (k->root == NULL)
		k->root = n;
	else
		(void)lyd_insert_sibling(k->root, n, &k->root);
}

// The container in the line's tree, made where it is missing.
static int box(struct cfg_walk *k, const struct lysc_node *schema, struct lyd_node **parent)
{
	struct lyd_node *n = NULL;

	if (*parent != NULL && lyd_child(*parent) != NULL)
		(void)lyd_find_sibling_val(lyd_child(*parent), schema, NULL, 0, &n);
	if (n == NULL && lyd_new_inner(*parent, schema->module, schema->name, 0, &n) != LY_SUCCESS)
		return -ENOMEM;
	rooted(k, n);
	*parent = n;
	return 0;
}

struct lyd_node *cfg_words_rival(struct lyd_node *siblings, const struct lysc_node *n)
{
	const struct lysc_node *c, *mine;
	struct lyd_node *other;

	for (c = n; c->parent != NULL && (c->parent->nodetype & (LYS_CASE | LYS_CHOICE)) != 0;
	     c = c->parent) {
		if (c->parent->nodetype != LYS_CHOICE)
			continue;
		LY_LIST_FOR (siblings, other) {
			mine = other->schema;
			while (mine != NULL && mine->parent != c->parent)
				mine = mine->parent;
			if (mine != NULL && mine != c)
				return other;
		}
	}
	return NULL;
}

// Two cases of one choice cannot be in one line.
static int alone(struct cfg_walk *k, uint32_t i, struct lyd_node *parent, const struct lysc_node *n)
{
	const struct lyd_node *other = cfg_words_rival(cfg_words_siblings(k->root, parent), n);

	if (other == NULL)
		return 0;
	return cfg_words_refuse(k, i, "%s and %s exclude each other", other->schema->name, n->name);
}

static int enter(struct cfg_walk *k, uint32_t i, const struct cfg_reach *r)
{
	const struct lysc_node *n = r->node;
	struct lyd_node *parent = k->at;

	if (lysc_is_key(n))
		return cfg_words_refuse(k, i, "is a key: it stands right after the list's name");
	if (k->mode == CFG_WORDS_EDIT && (n->nodetype & (LYS_LEAF | LYS_LEAFLIST)) != 0)
		return cfg_words_refuse(k, i, "is a value: there is nothing inside it");
	if (r->via != NULL && (alone(k, i, parent, r->via) < 0 || box(k, r->via, &parent) < 0))
		return k->e->reason[0] != '\0' ? -EINVAL : -ENOMEM;
	if (alone(k, i, parent, n) < 0)
		return -EINVAL;
	k->parent = parent;
	k->pending = n;
	k->n_keys = 0;
	if (n->nodetype == LYS_CONTAINER) {
		if (box(k, n, &parent) < 0)
			return -ENOMEM;
		k->at = k->last = parent;
		return 0;
	}
	if (n->nodetype == LYS_LIST) {
		k->expect = CFG_WORDS_AT_KEY;
		return 0;
	}
	k->expect = CFG_WORDS_AT_VALUE;
	if (cfg_words_type(n)->basetype != LY_TYPE_EMPTY)
		return 0;
	// An empty leaf is there or not; nothing is to be said after its name.
	if (lyd_new_term(parent, n->module, n->name, "", 0, &k->last) != LY_SUCCESS)
		return out_of_tree(k, i);
	rooted(k, k->last);
	k->expect = k->mode == CFG_WORDS_SET ? CFG_WORDS_AT_NODE : CFG_WORDS_AT_END;
	return 0;
}

static int name_word(struct cfg_walk *k, uint32_t i)
{
	const char *word = k->line->word[i].text;
	struct match m = { 0 };

	if (match_word(k, word, &m) < 0)
		return -ENOMEM;
	if (m.n == 1)
		return enter(k, i, &m.found);
	if (m.n == 0) {
		// "trunk 1 2": the second one was meant as another value.
		if (k->mode == CFG_WORDS_SET && k->pending != NULL &&
		    k->pending->nodetype == LYS_LEAFLIST)
			cfg_words_refuse(k, i,
					 "there is no such node here; several values of %s are "
					 "written %s [ A B ]",
					 k->pending->name, k->pending->name);
		else
			cfg_words_refuse(k, i, "there is no such node here");
		expect_names(k);
		return -EINVAL;
	}
	cfg_words_refuse(k, i, "could be several nodes");
	cfg_words_expected(k, m.names);
	return -EINVAL;
}

static const struct lysc_node *key_schema(const struct cfg_walk *k)
{
	const struct lysc_node *n = lysc_node_child(k->pending);

	for (uint32_t i = 0; i < k->n_keys && n != NULL; i++)
		n = n->next;
	return n != NULL && lysc_is_key(n) ? n : NULL;
}

// The word as a value of leaf. On refusal the error names the leaf.
static int value_of(struct cfg_walk *k, uint32_t i, const struct lysc_node *leaf, char **out)
{
	struct cfg_words_error why = { 0 };
	size_t used;
	int rc = cfg_words_value(k->s->ctx, leaf, k->line->word[i].text, out, &why);

	if (rc != -EINVAL)
		return rc;
	cfg_words_refuse(k, i, "%s", why.reason);
	cfg_words_expected(k, why.expected);
	lysc_path(leaf, LYSC_PATH_DATA, k->e->path, sizeof(k->e->path));
	if (k->parent != NULL) { // with the keys, as far as they are known
		lyd_path(k->parent, LYD_PATH_STD, k->e->path, sizeof(k->e->path));
		used = strlen(k->e->path);
		snprintf(k->e->path + used, sizeof(k->e->path) - used, "/%s%s%s",
			 lysc_is_key(leaf) ? k->pending->name : "", lysc_is_key(leaf) ? "/" : "",
			 leaf->name);
	}
	return -EINVAL;
}

static void forget_keys(struct cfg_walk *k)
{
	for (uint32_t i = 0; i < k->n_keys; i++) {
		free(k->key[i]);
		k->key[i] = NULL;
	}
	k->n_keys = 0;
}

static int key_word(struct cfg_walk *k, uint32_t i)
{
	const struct cfg_word *w = &k->line->word[i];
	const struct lysc_node *leaf = key_schema(k);
	const struct lysc_node *n = k->pending;
	struct lyd_node *entry;
	char **v = k->key;
	int rc;

	if (k->wild && !w->quoted && strcmp(w->text, "*") == 0 && k->n_keys == 0) {
		k->all = true;
		k->expect = CFG_WORDS_AT_END;
		return 0;
	}
	if (leaf == NULL || k->n_keys == CFG_WORDS_KEYS)
		return cfg_words_refuse(k, i,
					"lists without keys, or with more than %u, are not "
					"edited by words",
					CFG_WORDS_KEYS);
	rc = value_of(k, i, leaf, &k->key[k->n_keys]);
	if (rc < 0)
		return rc;
	k->n_keys++;
	if (key_schema(k) != NULL)
		return 0;
	// It takes as many values as there are keys.
	if (lyd_new_list(k->parent, n->module, n->name, 0, &entry, v[0], v[1], v[2], v[3], v[4],
			 v[5], v[6], v[7]) != LY_SUCCESS)
		return out_of_tree(k, i);
	rooted(k, entry);
	k->at = k->last = entry;
	k->expect = CFG_WORDS_AT_NODE;
	forget_keys(k);
	return 0;
}

static int value_word(struct cfg_walk *k, uint32_t i)
{
	const struct lysc_node *n = k->pending;
	struct lyd_node *same = NULL, *siblings = cfg_words_siblings(k->root, k->parent);
	char *value;
	int rc;

	if (n->nodetype == LYS_LEAF && siblings != NULL &&
	    lyd_find_sibling_val(siblings, n, NULL, 0, &same) == LY_SUCCESS)
		return cfg_words_refuse(k, i, "%s is set twice in this line", n->name);
	rc = value_of(k, i, n, &value);
	if (rc < 0)
		return rc;
	if (n->nodetype == LYS_LEAFLIST && siblings != NULL)
		(void)lyd_find_sibling_val(siblings, n, value, strlen(value), &same);
	if (same != NULL)
		k->last = same;
	else if (lyd_new_term(k->parent, n->module, n->name, value, 0, &k->last) != LY_SUCCESS)
		rc = out_of_tree(k, i);
	free(value);
	if (rc < 0)
		return rc;
	rooted(k, k->last);
	if (k->expect == CFG_WORDS_AT_VALUE)
		k->expect = k->mode == CFG_WORDS_SET ? CFG_WORDS_AT_NODE : CFG_WORDS_AT_END;
	return 0;
}

int cfg_walk_word(struct cfg_walk *k, uint32_t i)
{
	const struct cfg_word *w = &k->line->word[i];

	switch (k->expect) {
	case CFG_WORDS_AT_NODE:
		// After a leaf at the top there is nothing to go on from.
		if (k->mode == CFG_WORDS_SET && k->root != NULL && k->at == NULL)
			return cfg_words_refuse(k, i, "the line should end here");
		return name_word(k, i);
	case CFG_WORDS_AT_KEY:
		return key_word(k, i);
	case CFG_WORDS_AT_VALUE:
		if (k->mode == CFG_WORDS_SET && k->pending->nodetype == LYS_LEAFLIST &&
		    !w->quoted && strcmp(w->text, "[") == 0) {
			k->expect = CFG_WORDS_AT_VALUES;
			return 0;
		}
		return value_word(k, i);
	case CFG_WORDS_AT_VALUES:
		if (!w->quoted && strcmp(w->text, "]") == 0) {
			k->expect = CFG_WORDS_AT_NODE;
			return 0;
		}
		return value_word(k, i);
	default:
		return cfg_words_refuse(k, i, "the line should end here");
	}
}

int cfg_walk_words(struct cfg_walk *k, uint32_t end)
{
	int rc = 0;

	for (uint32_t i = k->line->first; i < end && rc == 0; i++)
		rc = cfg_walk_word(k, i);
	return rc;
}

static int missing(struct cfg_walk *k, uint32_t i, const struct lysc_node *leaf)
{
	struct cfg_words_text t = { 0 };

	if (lysc_is_key(leaf))
		cfg_words_refuse(k, i, "key %s of %s is missing", leaf->name, k->pending->name);
	else
		cfg_words_refuse(k, i, "%s needs a value", leaf->name);
	cfg_words_type_text(&t, leaf);
	cfg_words_expected(k, t.buf == NULL ? "" : t.buf);
	free(t.buf);
	return -EINVAL;
}

int cfg_walk_end(struct cfg_walk *k, uint32_t i)
{
	bool wide = k->mode == CFG_WORDS_DELETE || k->mode == CFG_WORDS_SHOW;

	if (k->expect == CFG_WORDS_AT_VALUES)
		return cfg_words_refuse(k, i, "a closing ] is missing");
	if (k->expect == CFG_WORDS_AT_KEY) {
		if (!wide || k->n_keys > 0)
			return key_schema(k) == NULL ? cfg_words_refuse(k, i, "has no key")
						     : missing(k, i, key_schema(k));
		k->all = true;
	}
	if (k->expect == CFG_WORDS_AT_VALUE) {
		if (!wide)
			return missing(k, i, k->pending);
		k->all = true;
	}
	if (k->wild && !k->all && k->last == NULL)
		return cfg_words_refuse(k, i, "nothing is named");
	if (k->mode != CFG_WORDS_SET || k->all)
		return 0;
	if (k->last == NULL || (k->last == k->at && k->last->schema->nodetype == LYS_CONTAINER &&
				!is_presence(k->last->schema))) {
		cfg_words_refuse(k, i, "the line sets nothing yet");
		expect_names(k);
		return -EINVAL;
	}
	return 0;
}

int cfg_walk_init(struct cfg_walk *k, struct cfg_schema *s, const struct cfg_words *line,
		  enum cfg_words_mode mode, struct cfg_words_error *e)
{
	struct cfg_words context;
	int rc;

	*k = (struct cfg_walk){ .s = s, .line = line, .e = e, .mode = CFG_WORDS_EDIT };
	*e = (struct cfg_words_error){ 0 };
	if (line->context == NULL || line->context[0] == '\0') {
		k->mode = mode;
		return 0;
	}
	rc = cfg_words_split(line->context, strlen(line->context), &context, e);
	if (rc < 0)
		return rc;
	k->line = &context;
	rc = cfg_walk_words(k, context.n);
	if (rc == 0)
		rc = cfg_walk_end(k, context.n);
	cfg_words_fini(&context);
	k->line = line;
	k->mode = mode;
	k->last = NULL; // the line itself has said nothing yet
	if (rc == -EINVAL) {
		e->word = line->n;
		e->at = e->size = 0;
	}
	return rc;
}

void cfg_walk_fini(struct cfg_walk *k)
{
	forget_keys(k);
	lyd_free_all(k->root);
	k->root = NULL;
}
