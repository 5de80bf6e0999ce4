// Configurations as lines of words and as text with braces. See words_priv.h.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

#define INDENT 4

static bool is_shown(const struct lyd_node *n)
{
	return cfg_words_is(n, LYS_CONTAINER | LYS_LIST | LYS_LEAF | LYS_LEAFLIST) &&
	       (n->schema->flags & LYS_CONFIG_W) != 0 && !lysc_is_key(n->schema);
}

bool cfg_words_prints(const struct lyd_node *n)
{
	const struct lyd_node *child;

	if (!is_shown(n))
		return false;
	if (cfg_words_is(n, LYS_LEAF | LYS_LEAFLIST))
		return (n->flags & LYD_DEFAULT) == 0;
	if (cfg_words_is(n, LYS_LIST) || (n->schema->flags & LYS_PRESENCE) != 0)
		return true;
	LY_LIST_FOR (lyd_child(n), child) {
		if (cfg_words_prints(child))
			return true;
	}
	return false;
}

static bool has_value(const struct lyd_node *n)
{
	return cfg_words_is(n, LYS_LEAF | LYS_LEAFLIST) &&
	       ((const struct lyd_node_term *)n)->value.realtype->basetype != LY_TYPE_EMPTY;
}

void cfg_words_put_words(struct cfg_words_text *t, const struct lyd_node *n)
{
	const struct lyd_node *key;

	cfg_words_put_name(t, LYD_CTX(n), n->schema);
	if (has_value(n)) {
		cfg_words_put(t, " ");
		cfg_words_put_value(t, n);
	}
	if (!cfg_words_is(n, LYS_LIST))
		return;
	LY_LIST_FOR (lyd_child(n), key) {
		if (!lysc_is_key(key->schema))
			break;
		cfg_words_put(t, " ");
		cfg_words_put_value(t, key);
	}
}

void cfg_words_put_path(struct cfg_words_text *t, const struct lyd_node *n)
{
	if (lyd_parent(n) != NULL)
		cfg_words_put_path(t, lyd_parent(n));
	cfg_words_put_words(t, n);
	cfg_words_put(t, " ");
}

// --- set lines

struct lines {
	struct cfg_words_text *t;
	struct cfg_words_text path; // of the node that is being printed, with a blank at its end
};

static void put_line(struct lines *l, const char *verb, const char *comment)
{
	cfg_words_put(l->t, verb);
	cfg_words_put_n(l->t, l->path.buf, l->path.size - 1);
	if (comment != NULL) {
		cfg_words_put(l->t, " ");
		cfg_words_put_word(l->t, comment);
	}
	cfg_words_put(l->t, "\n");
}

static void put_lines(struct lines *l, const struct lyd_node *n)
{
	size_t size = l->path.size;
	const struct lyd_node *child;
	bool any = false;

	cfg_words_put_words(&l->path, n);
	cfg_words_put(&l->path, " ");
	if (l->path.failed) {
		l->t->failed = true;
		return;
	}
	LY_LIST_FOR (lyd_child(n), child) {
		if (!cfg_words_prints(child))
			continue;
		put_lines(l, child);
		any = true;
	}
	if (!any)
		put_line(l, "set ", NULL);
	if (cfg_words_comment(n) != NULL)
		put_line(l, "annotate ", cfg_words_comment(n));
	l->path.size = size;
}

// --- Braces

static void begin_line(struct cfg_words_text *t, const struct cfg_words_style *style)
{
	static const char blanks[] = "                                        ";
	size_t n = style->depth * INDENT;

	cfg_words_put(t, style->sign);
	cfg_words_put_n(t, blanks, n < sizeof(blanks) - 1 ? n : sizeof(blanks) - 1);
}

void cfg_words_put_comment(struct cfg_words_text *t, const char *text,
			   const struct cfg_words_style *style)
{
	begin_line(t, style);
	cfg_words_put(t, "/* ");
	for (const char *p = text; *p != '\0'; p++) {
		cfg_words_put_n(t, p, 1);
		if (p[0] == '*' && p[1] == '/')
			cfg_words_put(t, " "); // or the comment would end here
		if (*p == '\n') {
			begin_line(t, style);
			cfg_words_put(t, "   ");
		}
	}
	cfg_words_put(t, " */\n");
}

static uint32_t n_alike(const struct lyd_node *n, bool *comments)
{
	uint32_t count = 0;

	*comments = false;
	for (const struct lyd_node *i = n; i != NULL && i->schema == n->schema; i = i->next) {
		count++;
		*comments |= cfg_words_comment(i) != NULL;
	}
	return count;
}

// Several values of a leaf-list on one line.
static void put_values(struct cfg_words_text *t, const struct lyd_node *n, uint32_t count,
		       const struct cfg_words_style *style)
{
	begin_line(t, style);
	cfg_words_put_name(t, LYD_CTX(n), n->schema);
	cfg_words_put(t, " [");
	for (; count > 0; count--, n = n->next) {
		cfg_words_put(t, " ");
		cfg_words_put_value(t, n);
	}
	cfg_words_put(t, " ];\n");
}

static void put_nodes(struct cfg_words_text *t, const struct lyd_node *n,
		      const struct lysc_node *only, const struct cfg_words_style *style)
{
	bool comments;
	uint32_t count;

	for (; n != NULL; n = n->next) {
		if (!cfg_words_prints(n) || (only != NULL && n->schema != only))
			continue;
		count = cfg_words_is(n, LYS_LEAFLIST) ? n_alike(n, &comments) : 1;
		if (count == 1 || comments) {
			cfg_words_put_node(t, n, style);
			continue;
		}
		put_values(t, n, count, style);
		for (; count > 1; count--)
			n = n->next;
	}
}

static bool has_content(const struct lyd_node *n)
{
	const struct lyd_node *child;

	LY_LIST_FOR (lyd_child(n), child) {
		if (cfg_words_prints(child))
			return true;
	}
	return false;
}

void cfg_words_put_node(struct cfg_words_text *t, const struct lyd_node *n,
			const struct cfg_words_style *style)
{
	struct cfg_words_style inner = *style;

	inner.depth++;
	if (style->comments && cfg_words_comment(n) != NULL)
		cfg_words_put_comment(t, cfg_words_comment(n), style);
	begin_line(t, style);
	cfg_words_put_words(t, n);
	if (!has_content(n)) {
		cfg_words_put(t, ";\n");
		return;
	}
	cfg_words_put(t, " {\n");
	put_nodes(t, lyd_child(n), NULL, &inner);
	begin_line(t, style);
	cfg_words_put(t, "}\n");
}

// First line of a node only, for context: "vm web1 { ... }".
void cfg_words_put_head(struct cfg_words_text *t, const struct lyd_node *n,
			const struct cfg_words_style *style)
{
	begin_line(t, style);
	cfg_words_put_words(t, n);
	cfg_words_put(t, has_content(n) ? " { ... }" : ";");
}

// --- What a line names

static int place(struct cfg_schema *s, const struct lyd_node *tree, const struct cfg_words *at,
		 struct cfg_place *out, struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc;

	*e = (struct cfg_words_error){ 0 };
	*out = (struct cfg_place){ 0 };
	if (at == NULL)
		return 0;
	rc = cfg_walk_init(&k, s, at, CFG_WORDS_SHOW, e);
	if (rc == 0)
		rc = cfg_walk_words(&k, at->n);
	if (rc == 0)
		rc = cfg_walk_end(&k, at->n);
	if (rc == 0)
		rc = cfg_place_find(&k, tree, out);
	cfg_walk_fini(&k);
	return rc;
}

int cfg_words_print_set(struct cfg_schema *s, const struct lyd_node *tree,
			const struct cfg_words *at, char **out, struct cfg_words_error *e)
{
	struct cfg_words_text t = { 0 };
	struct lines l = { .t = &t };
	const struct lyd_node *n, *above;
	struct cfg_place p;
	int rc = place(s, tree, at, &p, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	above = p.node != NULL ? lyd_parent(p.node) : p.parent;
	if (above != NULL && !p.missing)
		cfg_words_put_path(&l.path, above);
	n = p.node != NULL ? p.node : p.parent != NULL ? lyd_child(p.parent) : tree;
	for (; n != NULL && !p.missing; n = n->next) {
		if (cfg_words_prints(n) && (p.all == NULL || n->schema == p.all))
			put_lines(&l, n);
		if (p.node != NULL)
			break;
	}
	free(l.path.buf);
	return cfg_words_text_take(&t, out);
}

int cfg_words_print_text(struct cfg_schema *s, const struct lyd_node *tree,
			 const struct cfg_words *at, char **out, struct cfg_words_error *e)
{
	static const struct cfg_words_style style = { .sign = "", .comments = true };
	struct cfg_words_text t = { 0 };
	struct cfg_place p;
	int rc = place(s, tree, at, &p, e);

	*out = NULL;
	if (rc < 0)
		return rc;
	if (p.missing)
		return cfg_words_text_take(&t, out);
	if (p.node != NULL && cfg_words_is(p.node, LYS_LEAF | LYS_LEAFLIST))
		cfg_words_put_node(&t, p.node, &style);
	else if (p.node != NULL)
		put_nodes(&t, lyd_child(p.node), NULL, &style);
	else
		put_nodes(&t, p.parent != NULL ? lyd_child(p.parent) : tree, p.all, &style);
	return cfg_words_text_take(&t, out);
}
