// What could stand at the cursor. See words_priv.h.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "words_priv.h"

struct complete {
	struct cfg_walk k;
	struct lyd_node *tree;
	const struct cfg_words *line;
	enum cfg_words_mode mode;
	const struct lysc_type *type; // whose identities are being listed
	const char *begin;	      // what stands at the cursor already
	struct cfg_words_candidates *out;
};

// First sentence, on one line.
static char *sentence(const char *text, const char *more)
{
	struct cfg_words_text t = { 0 };
	char *out;
	bool gap = false;

	for (const char *p = text == NULL ? "" : text; *p != '\0'; p++) {
		if (*p == ' ' || *p == '\n' || *p == '\t') {
			gap = true;
			continue;
		}
		if (gap && t.size > 0)
			cfg_words_put(&t, " ");
		gap = false;
		cfg_words_put_n(&t, p, 1);
		if (*p == '.' && (p[1] == ' ' || p[1] == '\n' || p[1] == '\0'))
			break;
	}
	if (more != NULL && more[0] != '\0') {
		cfg_words_put(&t, t.size > 0 ? " (" : "(");
		cfg_words_put(&t, more);
		cfg_words_put(&t, ")");
	}
	return cfg_words_text_take(&t, &out) < 0 ? NULL : out;
}

static void add(struct complete *c, const char *word, char *help, enum cfg_words_kind kind)
{
	struct cfg_words_candidates *o = c->out;

	if (help == NULL || o->failed || o->n == CFG_WORDS_CANDIDATES) {
		o->failed |= help == NULL;
		o->truncated |= o->n == CFG_WORDS_CANDIDATES;
		free(help);
		return;
	}
	if (o->n == o->cap) {
		uint32_t cap = 2 * o->cap + 16;
		struct cfg_words_candidate *item = realloc(o->item, cap * sizeof(*item));

		if (item == NULL) {
			o->failed = true;
			free(help);
			return;
		}
		o->item = item;
		o->cap = cap;
	}
	o->item[o->n] = (struct cfg_words_candidate){ strdup(word), help, kind, false };
	o->failed |= o->item[o->n].word == NULL;
	o->n += o->item[o->n].word != NULL;
	if (o->failed && o->n < o->cap && o->item[o->n].word == NULL)
		free(help);
}

static bool begins(const struct complete *c, const char *word)
{
	return strncmp(word, c->begin, strlen(c->begin)) == 0;
}

// A value: in quotes where it needs them, once.
static void add_word(struct complete *c, const char *value, const char *help,
		     enum cfg_words_kind kind)
{
	struct cfg_words_text t = { 0 };
	bool known = false;

	cfg_words_put_word(&t, value);
	for (uint32_t i = 0; t.buf != NULL && i < c->out->n; i++)
		known |= c->out->item[i].kind != CFG_WORDS_FREE &&
			 strcmp(c->out->item[i].word, t.buf) == 0;
	if (t.buf != NULL && !known)
		add(c, t.buf, sentence(help, NULL), kind);
	c->out->failed |= t.failed;
	free(t.buf);
}

static void add_value(struct complete *c, const char *value, const char *help,
		      enum cfg_words_kind kind)
{
	if (begins(c, value))
		add_word(c, value, help, kind);
}

// A value of the tree.
static void add_node(struct complete *c, const struct lyd_node *n, enum cfg_words_kind kind)
{
	const struct lysc_type *real = ((const struct lyd_node_term *)n)->value.realtype;
	const char *value = lyd_get_value(n), *name = strchr(value, ':');
	struct cfg_words_text t = { 0 };

	// An identity by its short name, where that is clear.
	if (real->basetype == LY_TYPE_IDENT && name != NULL &&
	    (begins(c, name + 1) || begins(c, value))) {
		cfg_words_put_value(&t, n);
		if (t.buf != NULL)
			add_word(c, t.buf, n->schema->dsc, kind);
		c->out->failed |= t.failed;
		free(t.buf);
		return;
	}
	add_value(c, value, n->schema->dsc, kind);
}

// --- Values

static void add_ident(void *arg, const struct lysc_ident *id)
{
	struct complete *c = arg;

	struct cfg_words_text t = { 0 };

	// What others derive from stands for a family, not for itself.
	if (id->derived != NULL)
		return;
	cfg_words_put_identity(&t, c->type, id);
	if (t.buf != NULL && begins(c, id->name))
		add_word(c, t.buf, id->dsc, CFG_WORDS_VALUE);
	else if (t.buf != NULL)
		add_value(c, t.buf, id->dsc, CFG_WORDS_VALUE);
	c->out->failed |= t.failed;
	free(t.buf);
}

// Module that a prefix of a leafref stands for; size 0 = none is written, the module of the path.
static const struct lys_module *module_of(const struct lysc_type_leafref *ref, const char *prefix,
					  size_t size)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR (ref->prefixes, i) {
		const char *p = ref->prefixes[i].prefix == NULL ? "" : ref->prefixes[i].prefix;

		if (strlen(p) == size && strncmp(p, prefix, size) == 0)
			return ref->prefixes[i].mod;
	}
	return NULL;
}

static size_t name_size(const char *p)
{
	size_t n = 0;

	if ((*p | 0x20) < 'a' || (*p | 0x20) > 'z')
		return *p == '_';
	while (((p[n] | 0x20) >= 'a' && (p[n] | 0x20) <= 'z') || (p[n] >= '0' && p[n] <= '9') ||
	       (p[n] != '\0' && strchr("_-.", p[n]) != NULL))
		n++;
	return n;
}

// The path of a leafref (RFC 7950 section 9.9.2: names, "..", predicates, current()), with modules
// in place of prefixes. A relative one loses its first step: it is to be seen from the parent.
static void plain_path(const struct lysc_type_leafref *ref, struct cfg_words_text *t)
{
	static const char current[] = "current()/..";
	const char *p = lyxp_get_expr(ref->path);
	const struct lys_module *m;
	size_t n;

	p += strncmp(p, "../", 3) == 0 ? 3 : 0;
	for (; *p != '\0'; p += n) {
		if (strncmp(p, current, sizeof(current) - 1) == 0) {
			n = sizeof(current) - 1;
			cfg_words_put(t, "current()");
			continue;
		}
		n = name_size(p);
		if (n == 0 || p[n] == '(') {
			n = n == 0 ? 1 : n;
			cfg_words_put_n(t, p, n);
			continue;
		}
		m = module_of(ref, p, p[n] == ':' ? n : 0);
		if (m != NULL)
			cfg_words_printf(t, "%s:", m->name);
		if (m != NULL && p[n] == ':') {
			p += n + 1;
			n = name_size(p);
		}
		cfg_words_put_n(t, p, n);
	}
}

static void add_set(struct complete *c, struct ly_set *set)
{
	for (uint32_t i = 0; set != NULL && i < set->count; i++)
		if (cfg_words_is(set->dnodes[i], LYS_LEAF | LYS_LEAFLIST))
			add_value(c, lyd_get_value(set->dnodes[i]), set->dnodes[i]->schema->dsc,
				  CFG_WORDS_VALUE);
	ly_set_free(set, NULL);
}

// The nodes that a leafref can point to. A relative path is looked at from the leaf's parent; when
// the tree does not have that yet, from a copy that does.
static void add_targets(struct complete *c, const struct lysc_type_leafref *ref)
{
	bool relative = lyxp_get_expr(ref->path)[0] == '.';
	struct lyd_node *copy = NULL, *parent = NULL, *tree = c->tree;
	struct cfg_words_text path = { 0 };
	struct ly_set *set = NULL;

	if (relative && c->k.parent != NULL) {
		parent = cfg_words_find(tree, c->k.parent);
		if (parent == NULL &&
		    (tree == NULL ||
		     lyd_dup_siblings(tree, NULL, LYD_DUP_RECURSIVE, &copy) == LY_SUCCESS) &&
		    cfg_words_merge(&copy, c->k.root) == 0) {
			tree = copy;
			parent = cfg_words_find(tree, c->k.parent);
		}
	}
	plain_path(ref, &path);
	if (tree != NULL && path.buf != NULL && (parent != NULL || !relative))
		(void)lyd_find_xpath4(parent, tree, path.buf, LY_VALUE_JSON, NULL, NULL, &set);
	c->out->failed |= path.failed;
	add_set(c, set);
	lyd_free_all(copy);
	free(path.buf);
}

static void add_items(struct complete *c, const struct lysc_type_bitenum_item *items)
{
	LY_ARRAY_COUNT_TYPE i;

	LY_ARRAY_FOR (items, i)
		add_value(c, items[i].name, items[i].dsc, CFG_WORDS_VALUE);
}

static void add_typed(struct complete *c, const struct lysc_type *type, unsigned depth)
{
	const struct lysc_type_union *u = (const void *)type;
	LY_ARRAY_COUNT_TYPE i;

	switch (type->basetype) {
	case LY_TYPE_BOOL:
		add_value(c, "true", "Yes.", CFG_WORDS_VALUE);
		add_value(c, "false", "No.", CFG_WORDS_VALUE);
		break;
	case LY_TYPE_ENUM:
		add_items(c, ((const struct lysc_type_enum *)type)->enums);
		break;
	case LY_TYPE_BITS:
		add_items(c, ((const struct lysc_type_bits *)type)->bits);
		break;
	case LY_TYPE_IDENT:
		c->type = type;
		cfg_words_identities(type, add_ident, c);
		break;
	case LY_TYPE_LEAFREF:
		add_targets(c, (const void *)type);
		add_typed(c, ((const struct lysc_type_leafref *)type)->realtype, depth);
		break;
	case LY_TYPE_UNION:
		LY_ARRAY_FOR (u->types, i)
			if (depth > 0)
				add_typed(c, u->types[i], depth - 1);
		break;
	default:
		break;
	}
}

static const char *default_of(const struct lysc_node *n)
{
	const struct lysc_node_leaf *leaf = (const void *)n;

	return n->nodetype == LYS_LEAF && leaf->dflt != NULL
		       ? lyd_value_get_canonical(n->module->ctx, leaf->dflt)
		       : NULL;
}

// "<vlan>": what may be written freely, with the type as help.
static void add_free(struct complete *c, const struct lysc_node *leaf)
{
	const struct lysc_type *real = cfg_words_type(leaf);
	LY_DATA_TYPE base;
	struct cfg_words_text type = { 0 }, word = { 0 };
	const char *dflt = default_of(leaf);

	if (real->basetype == LY_TYPE_LEAFREF)
		real = ((const struct lysc_type_leafref *)real)->realtype;
	base = real->basetype;
	if (base == LY_TYPE_BOOL || base == LY_TYPE_ENUM || base == LY_TYPE_IDENT)
		return; // all values have been listed
	cfg_words_printf(&word, "<%s>", leaf->name);
	cfg_words_type_text(&type, leaf);
	if (dflt != NULL)
		cfg_words_printf(&type, ", default %s", dflt);
	if (word.buf != NULL && type.buf != NULL)
		add(c, word.buf, sentence(leaf->dsc, type.buf), CFG_WORDS_FREE);
	c->out->failed |= word.failed || type.failed;
	free(word.buf);
	free(type.buf);
}

static void values(struct complete *c)
{
	const struct lysc_node *leaf = c->k.pending;
	struct lyd_node *parent = c->k.parent == NULL ? NULL : cfg_words_find(c->tree, c->k.parent);
	const struct lyd_node *n;

	if (c->mode == CFG_WORDS_SET) {
		add_typed(c, cfg_words_type(leaf), 4);
		add_free(c, leaf);
		return;
	}
	if (c->k.parent != NULL && parent == NULL)
		return;
	LY_LIST_FOR (cfg_words_siblings(c->tree, parent), n) {
		if (n->schema == leaf)
			add_node(c, n, CFG_WORDS_VALUE);
	}
}

// --- Keys

static const struct lyd_node *nth_key(const struct lyd_node *entry, uint32_t i)
{
	const struct lyd_node *n = lyd_child(entry);

	for (; i > 0 && n != NULL; i--)
		n = n->next;
	return n;
}

// Does the entry have the keys that the line has named so far?
static bool has_keys(const struct complete *c, const struct lyd_node *entry)
{
	for (uint32_t i = 0; i < c->k.n_keys; i++) {
		const struct lyd_node *key = nth_key(entry, i);

		if (key == NULL || (strcmp(lyd_get_value(key), c->k.key[i]) != 0 &&
				    lyd_value_compare((const void *)key, c->k.key[i],
						      strlen(c->k.key[i])) != LY_SUCCESS))
			return false;
	}
	return true;
}

static void keys(struct complete *c)
{
	struct lyd_node *parent = c->k.parent == NULL ? NULL : cfg_words_find(c->tree, c->k.parent);
	const struct lysc_node *leaf = lysc_node_child(c->k.pending);
	const struct lyd_node *n, *key;

	for (uint32_t i = 0; i < c->k.n_keys && leaf != NULL; i++)
		leaf = leaf->next;
	if (c->k.parent == NULL || parent != NULL) {
		LY_LIST_FOR (cfg_words_siblings(c->tree, parent), n) {
			if (c->out->n == CFG_WORDS_CANDIDATES) {
				c->out->truncated = true;
				break;
			}
			if (n->schema != c->k.pending || !has_keys(c, n))
				continue;
			key = nth_key(n, c->k.n_keys);
			if (key != NULL)
				add_node(c, key, CFG_WORDS_KEY);
		}
	}
	if (leaf == NULL || !lysc_is_key(leaf) || c->mode == CFG_WORDS_DELETE ||
	    c->mode == CFG_WORDS_SHOW)
		return;
	add_typed(c, cfg_words_type(leaf), 4);
	add_free(c, leaf);
}

// --- Names

// Is there anything of that schema in the tree, below what the line has named?
static bool exists(const struct complete *c, const struct cfg_reach *r)
{
	struct lyd_node *at = c->k.at == NULL ? NULL : cfg_words_find(c->tree, c->k.at);
	struct lyd_node *siblings = cfg_words_siblings(c->tree, at), *box = NULL;
	const struct lyd_node *n;

	if (c->k.at != NULL && at == NULL)
		return false;
	if (r->via != NULL) {
		if (siblings == NULL ||
		    lyd_find_sibling_val(siblings, r->via, NULL, 0, &box) != LY_SUCCESS)
			return false;
		siblings = lyd_child(box);
	}
	LY_LIST_FOR (siblings, n) {
		if (n->schema == r->node && cfg_words_prints(n))
			return true;
	}
	return false;
}

// Has the line set that leaf already, or one that excludes the node?
static bool on_line(const struct complete *c, const struct cfg_reach *r)
{
	struct lyd_node *n = NULL, *box = NULL;
	struct lyd_node *siblings = cfg_words_siblings(c->k.root, c->k.at);

	if (siblings == NULL || c->mode != CFG_WORDS_SET)
		return false;
	if (cfg_words_rival(siblings, r->via != NULL ? r->via : r->node) != NULL)
		return true;
	if (r->via != NULL) {
		(void)lyd_find_sibling_val(siblings, r->via, NULL, 0, &box);
		siblings = box == NULL ? NULL : lyd_child(box);
	}
	if (siblings == NULL)
		return false;
	if (r->via != NULL && cfg_words_rival(siblings, r->node) != NULL)
		return true;
	return r->node->nodetype == LYS_LEAF &&
	       lyd_find_sibling_val(siblings, r->node, NULL, 0, &n) == LY_SUCCESS;
}

static void name(struct complete *c, const struct cfg_reach *r, bool alias)
{
	const struct lysc_node *n = r->node;
	struct cfg_words_text word = { 0 };
	bool leaf = (n->nodetype & (LYS_LEAF | LYS_LEAFLIST)) != 0;

	if (lysc_is_key(n) || (leaf && c->mode == CFG_WORDS_EDIT) || on_line(c, r) ||
	    ((c->mode == CFG_WORDS_DELETE || c->mode == CFG_WORDS_SHOW) && !exists(c, r)))
		return;
	if (alias)
		cfg_words_put(&word, r->name);
	else
		cfg_words_put_name(&word, c->k.s->ctx, n);
	if (word.buf != NULL && (begins(c, word.buf) || begins(c, r->name))) {
		add(c, word.buf, sentence(n->dsc, NULL),
		    alias			   ? CFG_WORDS_ALIAS
		    : n->nodetype == LYS_CONTAINER ? CFG_WORDS_CONTAINER
		    : n->nodetype == LYS_LIST	   ? CFG_WORDS_LIST
						   : CFG_WORDS_LEAF);
		if (!c->out->failed && c->out->n > 0)
			c->out->item[c->out->n - 1].mandatory = c->mode == CFG_WORDS_SET &&
								(n->flags & LYS_MAND_TRUE) != 0 &&
								!exists(c, r);
	}
	c->out->failed |= word.failed;
	free(word.buf);
}

// Short forms that mean one thing and that no child hides.
static bool clear_alias(const struct cfg_reaches *near, const struct cfg_reaches *far, uint32_t at)
{
	for (uint32_t i = 0; i < near->n; i++) {
		if (strcmp(near->item[i].name, far->item[at].name) == 0)
			return false;
	}
	for (uint32_t i = 0; i < far->n; i++) {
		if (i != at && strcmp(far->item[i].name, far->item[at].name) == 0 &&
		    (i < at || far->item[i].node != far->item[at].node))
			return false;
	}
	return true;
}

static int names(struct complete *c)
{
	const struct lysc_node *level = cfg_walk_level(&c->k);
	struct cfg_reaches near = { 0 }, far = { 0 };
	int rc = cfg_reach_children(c->k.s->ctx, level, &near);

	if (rc == 0)
		rc = cfg_reach_short(c->k.s->ctx, level, &far);
	for (uint32_t i = 0; rc == 0 && i < near.n; i++)
		name(c, &near.item[i], false);
	for (uint32_t i = 0; rc == 0 && i < far.n; i++) {
		if (clear_alias(&near, &far, i))
			name(c, &far.item[i], true);
	}
	free(near.item);
	free(far.item);
	return rc;
}

static int candidates(struct complete *c)
{
	switch (c->k.expect) {
	case CFG_WORDS_AT_NODE:
		if (c->k.root != NULL && c->k.at == NULL)
			return 0;
		return names(c);
	case CFG_WORDS_AT_KEY:
		keys(c);
		break;
	case CFG_WORDS_AT_VALUE:
	case CFG_WORDS_AT_VALUES:
		values(c);
		break;
	default:
		break;
	}
	return 0;
}

// rename, copy, insert: an instance, a word of the command, perhaps another instance.
static int two_instances(struct complete *c)
{
	const char *const *words = c->mode == CFG_WORDS_RENAME ? cfg_words_to : cfg_words_where;
	uint32_t end = c->line->n - 1, at;
	bool insert = c->mode == CFG_WORDS_INSERT;
	int rc = cfg_walk_until(&c->k, words, end, &at);

	if (rc < 0)
		return rc;
	if (at == end) {
		c->mode = CFG_WORDS_DELETE;
		rc = candidates(c);
		if (cfg_walk_instance(&c->k) &&
		    (insert ? lysc_is_userordered(c->k.last->schema) != 0
			    : cfg_words_is(c->k.last, LYS_LIST)))
			for (; *words != NULL; words++)
				add_value(c, *words, "Where the entry goes.", CFG_WORDS_VALUE);
		return rc;
	}
	if (insert && strchr("fl", c->line->word[at].text[0]) != NULL) {
		c->out->complete = at + 1 == end;
		return at + 1 == end ? 0 : cfg_words_refuse(&c->k, end, "the line should end here");
	}
	at += at + 1 < end && strcmp(c->line->word[at + 1].text, c->k.last->schema->name) == 0;
	c->mode = insert ? CFG_WORDS_DELETE : CFG_WORDS_EDIT;
	cfg_walk_other(&c->k);
	for (at++; rc == 0 && at < end; at++)
		rc = cfg_walk_instance(&c->k)
			     ? cfg_words_refuse(&c->k, at, "the line should end here")
			     : cfg_walk_word(&c->k, at);
	if (rc == 0 && c->k.expect != CFG_WORDS_AT_NODE)
		rc = candidates(c);
	c->out->complete = rc == 0 && cfg_walk_instance(&c->k);
	return rc;
}

static int one_path(struct complete *c)
{
	struct cfg_words_error *e = c->k.e, unfinished;
	int rc = cfg_walk_words(&c->k, c->line->n - 1);

	if (rc == 0)
		rc = candidates(c);
	if (rc < 0)
		return rc;
	c->k.e = &unfinished;
	c->out->complete = cfg_walk_end(&c->k, c->line->n - 1) == 0;
	c->k.e = e;
	return 0;
}

int cfg_words_complete(struct cfg_schema *s, const struct lyd_node *tree,
		       const struct cfg_words *line, enum cfg_words_mode mode,
		       struct cfg_words_candidates *out)
{
	struct complete c = { .tree = (struct lyd_node *)tree, // looked at only
			      .line = line,
			      .mode = mode,
			      .out = out };
	bool two = mode == CFG_WORDS_RENAME || mode == CFG_WORDS_INSERT;
	int rc;

	*out = (struct cfg_words_candidates){ 0 };
	if (line->n == 0)
		return -EINVAL;
	c.begin = line->word[line->n - 1].text;
	rc = cfg_walk_init(&c.k, s, line, two ? CFG_WORDS_DELETE : mode, &out->error);
	c.k.wild = mode == CFG_WORDS_DELETE;
	if (rc == 0)
		rc = two ? two_instances(&c) : one_path(&c);
	if (rc == 0 && out->failed)
		rc = -ENOMEM;
	cfg_walk_fini(&c.k);
	if (rc < 0) {
		struct cfg_words_error error = out->error;

		cfg_words_candidates_fini(out);
		out->error = error;
	}
	return rc;
}

void cfg_words_candidates_fini(struct cfg_words_candidates *c)
{
	for (uint32_t i = 0; i < c->n; i++) {
		free(c->item[i].word);
		free(c->item[i].help);
	}
	free(c->item);
	*c = (struct cfg_words_candidates){ 0 };
}
