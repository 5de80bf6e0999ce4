// Lines that change a configuration. See words_priv.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

typedef int (*edit_fn)(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e);

// --- Trees

struct lyd_node *cfg_words_siblings(struct lyd_node *tree, const struct lyd_node *parent)
{
	return parent == NULL ? tree : lyd_child(parent);
}

struct lyd_node *cfg_words_match(struct lyd_node *siblings, const struct lyd_node *n)
{
	struct lyd_node *match = NULL;
	LY_ERR rc;

	if (siblings == NULL || n->schema == NULL)
		return NULL;
	// lyd_find_sibling_first would look for a leaf of the same value where there are few
	// siblings, and for any where there are many.
	if (cfg_words_is(n, LYS_LIST | LYS_LEAFLIST))
		rc = lyd_find_sibling_first(siblings, n, &match);
	else
		rc = lyd_find_sibling_val(siblings, n->schema, NULL, 0, &match);
	return rc == LY_SUCCESS ? match : NULL;
}

struct lyd_node *cfg_words_find(struct lyd_node *tree, const struct lyd_node *n)
{
	const struct lyd_node *above = lyd_parent(n);
	struct lyd_node *parent = NULL;

	if (above != NULL && (parent = cfg_words_find(tree, above)) == NULL)
		return NULL;
	return cfg_words_match(cfg_words_siblings(tree, parent), n);
}

static void take_away(struct lyd_node **tree, struct lyd_node *n)
{
	if (*tree == n)
		*tree = n->next;
	lyd_free_tree(n);
}

// A container that only holds others is not there when it holds nothing (RFC 7950 section 7.5.1).
static void prune(struct lyd_node **tree, struct lyd_node *n)
{
	while (n != NULL && cfg_words_is(n, LYS_CONTAINER) && lyd_child(n) == NULL &&
	       (n->schema->flags & LYS_PRESENCE) == 0) {
		struct lyd_node *parent = lyd_parent(n);

		take_away(tree, n);
		n = parent;
	}
}

static int adopt(struct lyd_node **tree, struct lyd_node *parent, struct lyd_node *n)
{
	if ((parent != NULL ? lyd_insert_child(parent, n) : lyd_insert_sibling(*tree, n, tree)) ==
	    LY_SUCCESS)
		return 0;
	lyd_free_tree(n);
	return -ENOMEM;
}

static int merge_new(struct lyd_node **tree, struct lyd_node *parent, const struct lyd_node *n)
{
	struct lyd_node *other, *copy;

	while ((other = cfg_words_rival(cfg_words_siblings(*tree, parent), n->schema)) != NULL)
		take_away(tree, other);
	if (lyd_dup_single(n, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &copy) != LY_SUCCESS)
		return -ENOMEM;
	return adopt(tree, parent, copy);
}

static int change(struct lyd_node *n, const char *value)
{
	LY_ERR rc = lyd_change_term(n, value);

	return rc == LY_SUCCESS || rc == LY_EEXIST || rc == LY_ENOT ? 0 : -ENOMEM;
}

// One node of a line's tree and what is in it, into a tree. Values are known to be good, so that
// only memory can fail.
static int merge_node(struct lyd_node **tree, struct lyd_node *parent, const struct lyd_node *n)
{
	struct lyd_node *match = cfg_words_match(cfg_words_siblings(*tree, parent), n);
	const struct lyd_node *child;
	int rc = 0;

	if (match == NULL)
		return merge_new(tree, parent, n);
	if (cfg_words_is(n, LYS_LEAF))
		return change(match, lyd_get_value(n));
	LY_LIST_FOR (lyd_child(n), child) {
		if (rc == 0 && !lysc_is_key(child->schema))
			rc = merge_node(tree, match, child);
	}
	return rc;
}

int cfg_words_merge(struct lyd_node **tree, const struct lyd_node *root)
{
	const struct lyd_node *n;
	int rc = 0;

	LY_LIST_FOR (root, n) {
		if (rc == 0)
			rc = merge_node(tree, NULL, n);
	}
	return rc;
}

const char *cfg_words_comment(const struct lyd_node *n)
{
	const struct lyd_meta *m =
		n->schema == NULL ? NULL : lyd_find_meta(n->meta, NULL, CFG_WORDS_COMMENT);

	return m == NULL ? NULL : lyd_get_meta_value(m);
}

// --- set, delete

static int set_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		    struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_SET, e);

	if (rc == 0)
		rc = cfg_walk_words(&k, line->n);
	if (rc == 0)
		rc = cfg_walk_end(&k, line->n);
	if (rc == 0)
		rc = cfg_words_merge(tree, k.root);
	cfg_walk_fini(&k);
	return rc;
}

static int refuse_missing(struct cfg_walk *k, uint32_t word)
{
	size_t used;

	cfg_words_refuse(k, word, "does not exist");
	if (k->all) {
		k->e->path[0] = '\0';
		if (k->parent != NULL)
			lyd_path(k->parent, LYD_PATH_STD, k->e->path, sizeof(k->e->path));
		used = strlen(k->e->path);
		snprintf(k->e->path + used, sizeof(k->e->path) - used, "/%s", k->pending->name);
	} else {
		lyd_path(k->last, LYD_PATH_STD, k->e->path, sizeof(k->e->path));
	}
	return -EINVAL;
}

static int delete_all(struct cfg_walk *k, struct lyd_node **tree)
{
	struct lyd_node *parent = k->parent == NULL ? NULL : cfg_words_find(*tree, k->parent);
	struct lyd_node *n, *next;
	uint32_t found = 0;

	if (k->parent == NULL || parent != NULL) {
		LY_LIST_FOR_SAFE(cfg_words_siblings(*tree, parent), next, n)
		{
			if (n->schema != k->pending)
				continue;
			take_away(tree, n);
			found++;
		}
	}
	if (found == 0)
		return refuse_missing(k, k->line->n - 1);
	prune(tree, parent);
	return 0;
}

static int delete_one(struct cfg_walk *k, struct lyd_node **tree)
{
	struct lyd_node *n = cfg_words_find(*tree, k->last), *parent;

	if (n == NULL)
		return refuse_missing(k, k->line->n - 1);
	if (cfg_words_is(n, LYS_LEAF) && strcmp(lyd_get_value(n), lyd_get_value(k->last)) != 0)
		return cfg_words_refuse(k, k->line->n - 1, "is not the value of %s, which is %s",
					n->schema->name, lyd_get_value(n));
	parent = lyd_parent(n);
	take_away(tree, n);
	prune(tree, parent);
	return 0;
}

static int delete_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_DELETE, e);

	k.wild = true;
	if (rc == 0)
		rc = cfg_walk_words(&k, line->n);
	if (rc == 0)
		rc = cfg_walk_end(&k, line->n);
	if (rc == 0)
		rc = k.all ? delete_all(&k, tree) : delete_one(&k, tree);
	cfg_walk_fini(&k);
	return rc;
}

// --- rename, copy, insert: two instances in one line

bool cfg_walk_instance(const struct cfg_walk *k)
{
	return k->last != NULL &&
	       ((k->expect == CFG_WORDS_AT_NODE && k->last == k->at &&
		 cfg_words_is(k->last, LYS_LIST)) ||
		(k->expect == CFG_WORDS_AT_END && !k->all && cfg_words_is(k->last, LYS_LEAFLIST)));
}

const char *const cfg_words_to[] = { "to", NULL };
const char *const cfg_words_where[] = { "first", "last", "before", "after", NULL };

int cfg_walk_until(struct cfg_walk *k, const char *const *stops, uint32_t end, uint32_t *at)
{
	const struct cfg_words *line = k->line;
	uint32_t i;
	int rc = 0;

	*at = end;
	for (i = line->first; i < end; i++) {
		for (const char *const *s = stops; *s != NULL && cfg_walk_instance(k); s++) {
			if (line->word[i].quoted || strcmp(*s, line->word[i].text) != 0)
				continue;
			*at = i;
			return 0;
		}
		rc = cfg_walk_word(k, i);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// The same for a whole line, in which such a word must be.
static int read_until(struct cfg_walk *k, const char *const *stops, uint32_t *at)
{
	int rc = cfg_walk_until(k, stops, k->line->n, at);

	if (rc < 0 || *at < k->line->n)
		return rc;
	if (!cfg_walk_instance(k))
		return cfg_words_refuse(k, k->line->n, "a list entry has to be named");
	cfg_words_refuse(k, k->line->n, "the line ends too early");
	cfg_words_expected(k, stops[1] == NULL ? stops[0] : "first, last, before or after");
	return -EINVAL;
}

static uint32_t n_values(const struct lysc_node *n)
{
	const struct lysc_node *c;
	uint32_t keys = 0;

	if (n->nodetype != LYS_LIST)
		return 1;
	for (c = lysc_node_child(n); c != NULL && lysc_is_key(c); c = c->next)
		keys++;
	return keys;
}

void cfg_walk_other(struct cfg_walk *k)
{
	const struct lysc_node *n = k->last->schema;

	k->parent = k->at = lyd_parent(k->last);
	k->pending = n;
	k->expect = n->nodetype == LYS_LIST ? CFG_WORDS_AT_KEY : CFG_WORDS_AT_VALUE;
	k->mode = CFG_WORDS_EDIT; // nothing may be left open
}

// The other instance of the same list: its name, which may be left out, and its values.
static int read_other(struct cfg_walk *k, uint32_t i)
{
	const struct lysc_node *n = k->last->schema;
	uint32_t left = k->line->n - i, values = n_values(n);

	if (left == values + 1) {
		if (strcmp(k->line->word[i].text, n->name) != 0)
			return cfg_words_refuse(k, i, "is not %s: only entries of one list",
						n->name);
		i++;
	} else if (left > values) {
		return cfg_words_refuse(k, i + values, "the line should end here");
	}
	cfg_walk_other(k);
	for (; i < k->line->n; i++) {
		int rc = cfg_walk_word(k, i);

		if (rc < 0)
			return rc;
	}
	return cfg_walk_end(k, k->line->n);
}

static int change_keys(struct lyd_node *entry, const struct lyd_node *like)
{
	struct lyd_node *a = lyd_child(entry);
	const struct lyd_node *b = lyd_child(like);
	int rc = 0;

	for (; rc == 0 && a != NULL && b != NULL && lysc_is_key(a->schema);
	     a = a->next, b = b->next)
		rc = change(a, lyd_get_value(b));
	return rc;
}

static int copy_entry(struct lyd_node **tree, struct lyd_node *entry, const struct lyd_node *like)
{
	struct lyd_node *copy;
	int rc;

	if (lyd_dup_single(entry, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, &copy) !=
	    LY_SUCCESS)
		return -ENOMEM;
	rc = change_keys(copy, like);
	if (rc < 0) {
		lyd_free_tree(copy);
		return rc;
	}
	return adopt(tree, lyd_parent(entry), copy);
}

static int to_line(struct cfg_walk *k, struct lyd_node **tree, bool keep)
{
	const struct lyd_node *like;
	struct lyd_node *entry;
	uint32_t at = 0;
	int rc = read_until(k, cfg_words_to, &at);

	if (rc < 0)
		return rc;
	if (!cfg_words_is(k->last, LYS_LIST))
		return cfg_words_refuse(k, at, "only list entries have a name to change");
	like = k->last;
	entry = cfg_words_find(*tree, like);
	if (entry == NULL)
		return refuse_missing(k, at - 1);
	rc = read_other(k, at + 1);
	if (rc < 0)
		return rc;
	if (cfg_words_find(*tree, k->last) != NULL)
		return cfg_words_refuse(k, k->line->n - 1, "exists already");
	return keep ? copy_entry(tree, entry, k->last) : change_keys(entry, k->last);
}

static int rename_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_DELETE, e);

	if (rc == 0)
		rc = to_line(&k, tree, false);
	cfg_walk_fini(&k);
	return rc;
}

static int copy_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_DELETE, e);

	if (rc == 0)
		rc = to_line(&k, tree, true);
	cfg_walk_fini(&k);
	return rc;
}

// First or last instance among n's siblings.
static struct lyd_node *edge(struct lyd_node *n, bool first)
{
	struct lyd_node *i, *found = n;

	LY_LIST_FOR (lyd_first_sibling(n), i) {
		if (i->schema != n->schema)
			continue;
		found = i;
		if (first)
			break;
	}
	return found;
}

static int place_at(struct cfg_walk *k, struct lyd_node **tree, uint32_t at)
{
	const char *where = k->line->word[at].text;
	struct lyd_node *n = cfg_words_find(*tree, k->last), *to;
	bool before = where[0] == 'b' || where[0] == 'f';
	int rc = 0;

	if (n == NULL)
		return -ENOMEM; // it was merged just now
	if (where[0] == 'f' || where[0] == 'l') {
		if (at + 1 < k->line->n)
			return cfg_words_refuse(k, at + 1, "the line should end here");
		to = edge(n, before);
	} else {
		rc = read_other(k, at + 1);
		if (rc < 0)
			return rc;
		to = cfg_words_find(*tree, k->last);
		if (to == NULL)
			return refuse_missing(k, k->line->n - 1);
		if (to == n)
			return cfg_words_refuse(k, k->line->n - 1,
						"is what is moved: another entry is wanted");
	}
	if (to == n)
		return 0;
	if ((before ? lyd_insert_before(to, n) : lyd_insert_after(to, n)) != LY_SUCCESS)
		return -ENOMEM;
	*tree = lyd_first_sibling(*tree);
	return 0;
}

static int insert_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e)
{
	struct cfg_walk k;
	uint32_t at = 0;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_DELETE, e);

	if (rc == 0)
		rc = read_until(&k, cfg_words_where, &at);
	if (rc == 0 && !lysc_is_userordered(k.last->schema))
		rc = cfg_words_refuse(&k, at, "%s has no order of its own", k.last->schema->name);
	if (rc == 0)
		rc = cfg_words_merge(tree, k.root);
	if (rc == 0)
		rc = place_at(&k, tree, at);
	cfg_walk_fini(&k);
	return rc;
}

// --- annotate

// The one node that the line names.
static int target(struct cfg_walk *k, struct lyd_node *tree, uint32_t end, struct lyd_node **out)
{
	struct lyd_node *parent = NULL, *siblings;
	const struct lyd_node *n = k->last != NULL ? k->last : k->at;

	*out = NULL;
	if (!k->all) {
		if (n == NULL)
			return cfg_words_refuse(k, end, "nothing is named");
		*out = cfg_words_find(tree, n);
	} else if (k->pending->nodetype != LYS_LEAF) {
		return cfg_words_refuse(k, end, "one %s has to be named", k->pending->name);
	} else if (k->parent == NULL || (parent = cfg_words_find(tree, k->parent)) != NULL) {
		siblings = cfg_words_siblings(tree, parent);
		if (siblings != NULL)
			(void)lyd_find_sibling_val(siblings, k->pending, NULL, 0, out);
	}
	if (*out != NULL)
		return 0;
	if (k->last == NULL)
		k->last = k->at;
	return refuse_missing(k, end > 0 ? end - 1 : 0);
}

static int comment(struct cfg_walk *k, struct lyd_node *n, const char *text)
{
	const struct lys_module *m = ly_ctx_get_module_implemented(k->s->ctx, "weir-configuration");
	struct lyd_meta *old = lyd_find_meta(n->meta, NULL, CFG_WORDS_COMMENT);

	if (m == NULL)
		return cfg_words_refuse(k, 0,
					"module weir-configuration is not there: no comments");
	if (old != NULL)
		lyd_free_meta_single(old);
	if (text[0] == '\0')
		return 0;
	return lyd_new_meta(k->s->ctx, n, m, "comment", text, 0, NULL) == LY_SUCCESS ? 0 : -ENOMEM;
}

static int annotate_line(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
			 struct cfg_words_error *e)
{
	struct lyd_node *n;
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_DELETE, e);

	if (rc == 0 && line->n <= line->first) {
		cfg_words_refuse(&k, line->n, "the comment is missing");
		rc = -EINVAL;
	}
	if (rc == 0)
		rc = cfg_walk_words(&k, line->n - 1);
	if (rc == 0)
		rc = cfg_walk_end(&k, line->n - 1);
	if (rc == 0)
		rc = target(&k, *tree, line->n - 1, &n);
	if (rc == 0)
		rc = comment(&k, n, line->word[line->n - 1].text);
	cfg_walk_fini(&k);
	return rc;
}

// --- All or nothing

static const struct {
	const char *verb;
	edit_fn fn;
} verbs[] = {
	{ "set", set_line },   { "delete", delete_line }, { "rename", rename_line },
	{ "copy", copy_line }, { "insert", insert_line }, { "annotate", annotate_line },
};

static int by_verb(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		   struct cfg_words_error *e)
{
	struct cfg_words rest = *line;
	struct cfg_walk k = { .s = s, .line = line, .e = e };

	rest.first = 1;
	for (size_t i = 0; line->n > 0 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].verb, line->word[0].text) == 0)
			return verbs[i].fn(s, tree, &rest, e);
	}
	cfg_words_refuse(&k, 0, "is not a command that changes a configuration");
	cfg_words_expected(&k, "one of set, delete, rename, copy, insert, annotate");
	return -EINVAL;
}

static int copy_of(const struct lyd_node *tree, struct lyd_node **out)
{
	*out = NULL;
	if (tree == NULL)
		return 0;
	return lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE | LYD_DUP_WITH_FLAGS, out) ==
			       LY_SUCCESS
		       ? 0
		       : -ENOMEM;
}

static void settle(struct lyd_node **tree, struct lyd_node *work, int rc)
{
	struct lyd_node *gone = rc < 0 ? work : *tree;

	if (rc == 0)
		*tree = work;
	lyd_free_all(gone);
}

static int on_copy(edit_fn fn, struct cfg_schema *s, struct lyd_node **tree,
		   const struct cfg_words *line, struct cfg_words_error *e)
{
	struct lyd_node *work;
	int rc = copy_of(*tree, &work);

	*e = (struct cfg_words_error){ 0 };
	if (rc == 0)
		rc = fn(s, &work, line, e);
	settle(tree, work, rc);
	return rc;
}

int cfg_words_set(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		  struct cfg_words_error *e)
{
	return on_copy(set_line, s, tree, line, e);
}

int cfg_words_delete(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e)
{
	return on_copy(delete_line, s, tree, line, e);
}

int cfg_words_rename(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e)
{
	return on_copy(rename_line, s, tree, line, e);
}

int cfg_words_copy(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		   struct cfg_words_error *e)
{
	return on_copy(copy_line, s, tree, line, e);
}

int cfg_words_insert(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		     struct cfg_words_error *e)
{
	return on_copy(insert_line, s, tree, line, e);
}

int cfg_words_annotate(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		       struct cfg_words_error *e)
{
	return on_copy(annotate_line, s, tree, line, e);
}

int cfg_words_run(struct cfg_schema *s, struct lyd_node **tree, const struct cfg_words *line,
		  struct cfg_words_error *e)
{
	return on_copy(by_verb, s, tree, line, e);
}

static int script_line(struct cfg_schema *s, struct lyd_node **tree, const char *text, size_t size,
		       struct cfg_words_error *e)
{
	struct cfg_words line;
	int rc = cfg_words_split(text, size, &line, e);

	if (rc < 0)
		return rc;
	if (line.n > 0 && line.word[0].text[0] != '#')
		rc = by_verb(s, tree, &line, e);
	cfg_words_fini(&line);
	return rc;
}

int cfg_words_load_set(struct cfg_schema *s, struct lyd_node **tree, const char *text, size_t size,
		       struct cfg_words_error *e)
{
	struct lyd_node *work;
	uint32_t number = 0;
	int rc = copy_of(*tree, &work);

	*e = (struct cfg_words_error){ 0 };
	if (rc == 0 && size > CFG_WORDS_SCRIPT) {
		snprintf(e->reason, sizeof(e->reason), "the script is larger than %u bytes",
			 CFG_WORDS_SCRIPT);
		rc = -EINVAL;
	}
	for (size_t i = 0, n; rc == 0 && i < size; i += n + 1) {
		const char *end = memchr(text + i, '\n', size - i);

		n = end == NULL ? size - i : (size_t)(end - (text + i));
		number++;
		rc = script_line(s, &work, text + i, n, e);
		if (rc < 0)
			e->line = number;
	}
	settle(tree, work, rc);
	return rc;
}

// --- edit, up, and what a show line names

static int place_words(const struct lyd_node *n, char **words)
{
	struct cfg_words_text t = { 0 };

	if (n != NULL)
		cfg_words_put_path(&t, n);
	if (t.size > 0)
		t.buf[--t.size] = '\0'; // the last blank
	return cfg_words_text_take(&t, words);
}

int cfg_words_edit(struct cfg_schema *s, const struct cfg_words *line, char **words, char **xpath,
		   struct cfg_words_error *e)
{
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, line, CFG_WORDS_EDIT, e);

	*words = *xpath = NULL;
	if (rc == 0)
		rc = cfg_walk_words(&k, line->n);
	if (rc == 0)
		rc = cfg_walk_end(&k, line->n);
	if (rc == 0)
		rc = place_words(k.at, words);
	if (rc == 0) {
		*xpath = k.at == NULL ? strdup("/") : lyd_path(k.at, LYD_PATH_STD, NULL, 0);
		rc = *xpath == NULL ? -ENOMEM : 0;
	}
	if (rc < 0) {
		free(*words);
		*words = NULL;
	}
	cfg_walk_fini(&k);
	return rc;
}

int cfg_words_up(struct cfg_schema *s, const char *context, uint32_t n, char **words,
		 struct cfg_words_error *e)
{
	struct cfg_words line = { .context = context };
	const struct lyd_node *at;
	struct cfg_walk k;
	int rc = cfg_walk_init(&k, s, &line, CFG_WORDS_EDIT, e);

	*words = NULL;
	if (rc == 0) {
		at = k.at;
		for (; n > 0 && at != NULL; n--)
			at = lyd_parent(at);
		rc = place_words(at, words);
	}
	cfg_walk_fini(&k);
	return rc;
}

int cfg_place_find(struct cfg_walk *k, const struct lyd_node *tree, struct cfg_place *out)
{
	struct lyd_node *t = (struct lyd_node *)tree; // looked at only
	const struct lyd_node *n;

	*out = (struct cfg_place){ 0 };
	n = k->all ? k->parent : k->last != NULL ? k->last : k->at;
	if (k->all)
		out->all = k->pending;
	if (n == NULL)
		return 0;
	n = cfg_words_find(t, n);
	out->missing = n == NULL;
	if (k->all)
		out->parent = n;
	else
		out->node = n;
	return 0;
}
