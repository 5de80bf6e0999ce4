// Subtree filters, and copying what a filter selects. See filter_priv.h.
#include "filter_priv.h"

#include <errno.h>
#include <libyang/plugins_types.h>
#include <stdlib.h>
#include <string.h>

#define UNLIMITED UINT32_MAX

// A node that an XPath expression selected (whole), or an ancestor of one.
struct mark {
	const struct lyd_node *node;
	bool whole;
};

enum kind { SELECTION, CONTENT, CONTAINMENT };

// A filter node that applies to some siblings. entry: it names one list entry by all its keys, so
// that libyang's hashes tell most others apart.
struct want {
	const struct lyd_node *node;
	enum kind kind;
	bool entry;
};

// One filter at work. The filter nodes that still apply are a stack: each level of the datastore
// pushes what its matching nodes ask of their children, and pops it again.
struct job {
	struct cfg_nc_error *e;
	struct want *stack;
	size_t n, cap;
	struct mark *marks; // sorted by node
	size_t n_marks;
	uint32_t depth, n_steps;
	struct lyd_node *out;
};

static const char *const blanks = " \t\r\n";

static const struct lyd_node_opaq *opaque(const struct lyd_node *f)
{
	return f->schema == NULL ? (const struct lyd_node_opaq *)f : NULL;
}

static const char *text_of(const struct lyd_node *f)
{
	const char *text = opaque(f) != NULL ? opaque(f)->value : lyd_get_value(f);

	return text == NULL ? "" : text;
}

// RFC 6241 sections 6.2.3 to 6.2.5.
static enum kind kind_of(const struct lyd_node *f)
{
	const char *text = text_of(f);

	if (lyd_child(f) != NULL)
		return CONTAINMENT;
	return text[strspn(text, blanks)] == '\0' ? SELECTION : CONTENT;
}

// Does a namespace stand for all? The request's own have no data of datastores in them.
static bool any_namespace(const char *ns)
{
	return ns == NULL || ns[0] == '\0' ||
	       strcmp(ns, "urn:ietf:params:xml:ns:netconf:base:1.0") == 0 ||
	       strcmp(ns, "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda") == 0 ||
	       strcmp(ns, "urn:ietf:params:xml:ns:netconf:notification:1.0") == 0;
}

static bool of_module(const struct ly_opaq_name *name, LY_VALUE_FORMAT format,
		      const struct lys_module *mod)
{
	if (format == LY_VALUE_XML)
		return any_namespace(name->module_ns) || strcmp(name->module_ns, mod->ns) == 0;
	return name->module_name == NULL || strcmp(name->module_name, mod->name) == 0;
}

static bool name_matches(const struct lyd_node *f, const struct lyd_node *d)
{
	const struct lyd_node_opaq *o = opaque(f);

	if (d->schema == NULL)
		return false;
	if (o == NULL)
		return f->schema == d->schema;
	return strcmp(o->name.name, d->schema->name) == 0 &&
	       of_module(&o->name, o->format, d->schema->module);
}

// Text of a filter and where its prefixes come from.
struct text {
	const char *value;
	LY_VALUE_FORMAT format;
	void *prefixes;
};

// Is a filter's text this value? Compared as the type sees it: +1 is 1, prefixes are resolved.
static bool value_is(const struct ly_ctx *ctx, const struct lysc_node *schema, const struct text *t,
		     const struct lyd_value *value)
{
	const struct lysc_type *type =
		schema == NULL ? value->realtype : ((const struct lysc_node_leaf *)schema)->type;
	const char *text = t->value + strspn(t->value, blanks);
	struct ly_err_item *err = NULL;
	struct lyd_value got = { 0 };
	size_t size = strlen(text);
	bool same;
	LY_ERR rc;

	while (size > 0 && strchr(blanks, text[size - 1]) != NULL)
		size--;
	rc = type->plugin->store(ctx, type, text, size, 0, t->format, t->prefixes, LYD_HINT_DATA,
				 schema, &got, NULL, &err);
	ly_err_free(err);
	if (rc != LY_SUCCESS && rc != LY_EINCOMPLETE)
		return false;
	same = got.realtype == value->realtype &&
	       got.realtype->plugin->compare(&got, value) == LY_SUCCESS;
	got.realtype->plugin->free(ctx, &got);
	return same;
}

static bool content_matches(const struct lyd_node *f, const struct lyd_node *d)
{
	const struct lyd_node_opaq *o = opaque(f);
	struct text t;

	if (!(d->schema->nodetype & LYD_NODE_TERM))
		return false;
	if (o == NULL)
		return strcmp(lyd_get_value(f), lyd_get_value(d)) == 0; // both are canonical
	t = (struct text){ o->value, o->format, o->val_prefix_data };
	return value_is(LYD_CTX(d), d->schema, &t, &((const struct lyd_node_term *)d)->value);
}

static bool attribute_matches(const struct lyd_attr *a, const struct lyd_node *d)
{
	struct text t = { a->value, a->format, a->val_prefix_data };
	const struct lyd_meta *m;

	LY_LIST_FOR (d->meta, m) {
		if (strcmp(m->name, a->name.name) == 0 &&
		    of_module(&a->name, a->format, m->annotation->module) &&
		    value_is(LYD_CTX(d), NULL, &t, &m->value))
			return true;
	}
	return false;
}

// RFC 6241 section 6.2.2: all attributes of the filter's element must be on the data.
static bool attributes_match(const struct lyd_node *f, const struct lyd_node *d)
{
	const struct lyd_meta *m, *have;
	const struct lyd_attr *a;

	if (opaque(f) != NULL) {
		LY_LIST_FOR (opaque(f)->attr, a) {
			if (a->name.module_ns != NULL && !attribute_matches(a, d))
				return false;
		}
		return true;
	}
	LY_LIST_FOR (f->meta, m) {
		LY_LIST_FOR (d->meta, have) {
			if (lyd_compare_meta(m, have) == LY_SUCCESS)
				break;
		}
		if (have == NULL)
			return false;
	}
	return true;
}

static int step(struct job *j)
{
	if (++j->n_steps <= CFG_FILTER_STEPS_MAX)
		return 0;
	return cfg_nc_refuse(j->e, "resource-denied",
			     "filter: more than %d comparisons with this datastore",
			     CFG_FILTER_STEPS_MAX);
}

// Are all content match nodes of a containment node true of d (RFC 6241 section 6.2.5)?
//
// only     out: it has nothing else, so that the whole of d is selected
// returns  0 with *yes; negative errno
static int contents_match(struct job *j, const struct lyd_node *f, const struct lyd_node *d,
			  bool *yes, bool *only)
{
	const struct lyd_node *c, *child;

	*yes = *only = true;
	LY_LIST_FOR (lyd_child(f), c) {
		if (kind_of(c) != CONTENT) {
			*only = false;
			continue;
		}
		LY_LIST_FOR (lyd_child(d), child) {
			int rc = step(j);

			if (rc < 0)
				return rc;
			if (name_matches(c, child) && attributes_match(c, child) &&
			    content_matches(c, child))
				break;
		}
		if (child == NULL) {
			*yes = false;
			return 0;
		}
	}
	return 0;
}

// Is it a list entry, by libyang's reading, with text in all keys? An empty key is a selection
// node.
static bool is_entry(const struct lyd_node *f)
{
	const struct lyd_node *c;

	if (f->hash == 0 || f->schema == NULL || f->schema->nodetype != LYS_LIST ||
	    (f->schema->flags & LYS_KEYLESS))
		return false;
	LY_LIST_FOR (lyd_child(f), c) {
		if (c->schema != NULL && lysc_is_key(c->schema) && kind_of(c) != CONTENT)
			return false;
	}
	return true;
}

static int push(struct job *j, const struct lyd_node *first)
{
	const struct lyd_node *c;

	LY_LIST_FOR (first, c) {
		if (j->n == j->cap) {
			size_t cap = j->cap == 0 ? 64 : 2 * j->cap;
			struct want *to = realloc(j->stack, cap * sizeof(*to));

			if (to == NULL)
				return -ENOMEM;
			j->stack = to;
			j->cap = cap;
		}
		j->stack[j->n++] = (struct want){ c, kind_of(c), is_entry(c) };
	}
	return 0;
}

// What do the filter nodes stack[from..to) want of d? Those of its children are pushed.
//
// whole    out: d is selected itself
static int match_node(struct job *j, const struct lyd_node *d, size_t from, size_t to, bool *whole)
{
	*whole = false;
	for (size_t i = from; i < to; i++) {
		const struct want w = j->stack[i];
		const struct lyd_node *f = w.node;
		bool yes, only;
		int rc = step(j);

		if (rc < 0)
			return rc;
		if ((w.entry && d->hash != 0 && f->hash != d->hash) || !name_matches(f, d) ||
		    !attributes_match(f, d))
			continue;
		if (w.kind == SELECTION)
			*whole = true;
		else if (w.kind == CONTENT)
			*whole |= content_matches(f, d);
		else if (d->schema->nodetype & LYD_NODE_INNER) {
			rc = contents_match(j, f, d, &yes, &only);
			*whole |= rc == 0 && yes && only;
			if (rc == 0 && yes && !only)
				rc = push(j, lyd_child(f));
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

static int mark_compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct mark *)a)->node,
		  y = (uintptr_t)((const struct mark *)b)->node;

	return x < y ? -1 : x > y;
}

static const struct mark *mark_of(const struct job *j, const struct lyd_node *d)
{
	struct mark key = { .node = d };

	return j->n_marks == 0 ? NULL
			       : bsearch(&key, j->marks, j->n_marks, sizeof(key), mark_compare);
}

static int attach(struct job *j, struct lyd_node *parent, struct lyd_node *copy)
{
	LY_ERR rc = parent != NULL ? lyd_insert_child(parent, copy)
				   : lyd_insert_sibling(j->out, copy, &j->out);

	if (rc == LY_SUCCESS)
		return 0;
	lyd_free_tree(copy);
	return -ENOMEM;
}

// What is asked of some siblings: filter nodes stack[from..to), and how many of their levels are
// selected already by an ancestor.
struct ask {
	size_t from, to;
	uint32_t budget;
};

static int select_siblings(struct job *j, const struct lyd_node *first, struct ask ask,
			   struct lyd_node *parent);

// d is wanted with budget levels, or for what it has below (0), of which stack[from..] tells.
static int select_inner(struct job *j, const struct lyd_node *d, size_t from, uint32_t budget,
			struct lyd_node *parent)
{
	struct ask below = { from, j->n, budget == 0 ? 0 : budget - 1 };
	struct lyd_node *copy;
	int n;

	if (lyd_dup_single(d, NULL,
			   LYD_DUP_WITH_FLAGS | (budget == UNLIMITED ? LYD_DUP_RECURSIVE : 0),
			   &copy) != LY_SUCCESS)
		return -ENOMEM;
	n = budget == UNLIMITED ? 1 : select_siblings(j, lyd_child(d), below, copy);
	if (n < 0 || (n == 0 && budget == 0)) {
		lyd_free_tree(copy);
		return n;
	}
	n = attach(j, parent, copy);
	return n < 0 ? n : 1;
}

// Copy what is selected of some siblings.
//
// parent   copy of their parent, NULL at the top
// returns  how many are selected; negative errno
static int select_siblings(struct job *j, const struct lyd_node *first, struct ask ask,
			   struct lyd_node *parent)
{
	const struct lyd_node *d;
	int count = 0;

	LY_LIST_FOR (first, d) {
		const struct mark *m = mark_of(j, d);
		size_t mark = j->n;
		bool whole;
		int rc = match_node(j, d, ask.from, ask.to, &whole);

		if (rc < 0)
			return rc;
		whole |= m != NULL && m->whole;
		if (parent != NULL && lysc_is_key(d->schema)) {
			count += whole; // came with its entry
		} else if (whole || ask.budget > 0 || m != NULL || j->n > mark) {
			rc = select_inner(j, d, mark,
					  whole && j->depth > ask.budget ? j->depth : ask.budget,
					  parent);
			if (rc < 0)
				return rc;
			count += rc;
		}
		j->n = mark;
	}
	return count;
}

// Mark the nodes of a set and their ancestors.
static int marks_make(struct job *j, const struct ly_set *set)
{
	const struct lyd_node *last_parent = NULL;
	size_t cap = 0, n = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		const struct lyd_node *d = set->dnodes[i];
		bool whole = true;

		for (; d != NULL && (whole || d != last_parent); d = lyd_parent(d), whole = false) {
			if (j->n_marks == cap) {
				struct mark *to;

				cap = cap == 0 ? 64 : 2 * cap;
				to = realloc(j->marks, cap * sizeof(*to));
				if (to == NULL)
					return -ENOMEM;
				j->marks = to;
			}
			j->marks[j->n_marks++] = (struct mark){ d, whole };
		}
		last_parent = lyd_parent(set->dnodes[i]);
	}
	if (j->n_marks == 0)
		return 0;
	qsort(j->marks, j->n_marks, sizeof(*j->marks), mark_compare);
	for (size_t i = 1; i < j->n_marks; i++) {
		if (j->marks[i].node == j->marks[n].node)
			j->marks[n].whole |= j->marks[i].whole;
		else
			j->marks[++n] = j->marks[i];
	}
	j->n_marks = n + 1;
	return 0;
}

static int by_xpath(struct job *j, const struct lyd_node *tree, const struct lyd_node *filter,
		    const char *expr)
{
	struct ly_set *set = NULL;
	int rc;

	expr += strspn(expr, blanks);
	if (expr[0] == '/' && expr[1 + strspn(expr + 1, blanks)] == '\0')
		return select_siblings(j, tree, (struct ask){ .budget = j->depth },
				       NULL); // the root
	rc = cfg_xpath_find(LYD_CTX(filter), tree, expr, &set, j->e);
	if (rc == 0)
		rc = marks_make(j, set);
	if (rc == 0)
		rc = select_siblings(j, tree, (struct ask){ 0 }, NULL);
	ly_set_free(set, NULL);
	return rc;
}

static int by_subtree(struct job *j, const struct lyd_node *tree, const struct lyd_node *filter)
{
	const struct lyd_node_any *any = (const struct lyd_node_any *)filter;
	int rc;

	if (any->value_type != LYD_ANYDATA_DATATREE) {
		const char *text = any->value.str == NULL ? "" : any->value.str;

		// Nothing, as XML and as JSON write it.
		if (text[strspn(text, blanks)] == '\0' || strcmp(text, "[null]") == 0)
			return 0;
		return cfg_nc_refuse(j->e, "invalid-value", "filter: expected elements");
	}
	rc = push(j, any->value.tree);
	return rc < 0 ? rc : select_siblings(j, tree, (struct ask){ .to = j->n }, NULL);
}

static int by_filter(struct job *j, const struct lyd_node *tree, const struct lyd_node *filter)
{
	const char *type = "", *select = NULL;
	const struct lyd_meta *m;

	if (filter == NULL)
		return select_siblings(j, tree, (struct ask){ .budget = j->depth }, NULL);
	if (filter->schema == NULL)
		return cfg_nc_refuse(j->e, "bad-attribute",
				     "filter: an attribute that is neither type nor select");
	if (filter->schema->nodetype & LYD_NODE_TERM)
		return by_xpath(j, tree, filter, lyd_get_value(filter));
	LY_LIST_FOR (filter->meta, m) {
		if (strcmp(m->name, "type") == 0)
			type = lyd_get_meta_value(m);
		else if (strcmp(m->name, "select") == 0)
			select = lyd_get_meta_value(m);
	}
	if (strcmp(type, "xpath") != 0)
		return by_subtree(j, tree, filter);
	if (select == NULL)
		return cfg_nc_refuse(j->e, "missing-attribute",
				     "filter: type xpath needs the attribute select");
	return by_xpath(j, tree, filter, select);
}

int cfg_filter_depth(const struct lyd_node *tree, const struct lyd_node *filter, uint16_t max_depth,
		     struct lyd_node **out, struct cfg_nc_error *e)
{
	struct job j = { .e = e, .depth = max_depth == 0 ? UNLIMITED : max_depth };
	int rc = by_filter(&j, tree, filter);

	free(j.stack);
	free(j.marks);
	if (rc < 0) {
		lyd_free_all(j.out);
		j.out = NULL;
	}
	*out = j.out;
	return rc < 0 ? rc : 0;
}

int cfg_filter(const struct lyd_node *tree, const struct lyd_node *filter, struct lyd_node **out,
	       struct cfg_nc_error *e)
{
	return cfg_filter_depth(tree, filter, 0, out, e);
}

int cfg_depth_cut(struct lyd_node *tree, uint16_t max_depth)
{
	struct lyd_node *n, *child, *next;

	if (max_depth == 0)
		return 0;
	LY_LIST_FOR (tree, n) {
		if (max_depth > 1) {
			(void)cfg_depth_cut(lyd_child(n), (uint16_t)(max_depth - 1));
			continue;
		}
		LY_LIST_FOR_SAFE(lyd_child(n), next, child)
		{
			if (!lysc_is_key(child->schema))
				lyd_free_tree(child);
		}
	}
	return 0;
}

// Is there anything in the subtree that is asked for?
static bool config_cut(struct lyd_node *n, bool config)
{
	bool is_config = (n->schema->flags & LYS_CONFIG_W) != 0, keep = is_config == config;
	struct lyd_node *child, *next;

	if (is_config != config && !is_config)
		return false; // state has nothing but state below it
	if (keep && !is_config)
		return true;
	LY_LIST_FOR_SAFE(lyd_child(n), next, child)
	{
		if (lysc_is_key(child->schema))
			continue;
		if (config_cut(child, config))
			keep = true;
		else
			lyd_free_tree(child);
	}
	return keep;
}

int cfg_config_only(struct lyd_node **tree, bool config)
{
	struct lyd_node *n, *next;

	LY_LIST_FOR_SAFE(*tree, next, n)
	{
		if (config_cut(n, config))
			continue;
		if (n == *tree)
			*tree = next;
		lyd_free_tree(n);
	}
	return 0;
}

bool cfg_filter_may_select(const struct lyd_node *filter, const char *top)
{
	const struct lyd_node_any *any = (const struct lyd_node_any *)filter;
	const struct lyd_node *n;

	// An XPath filter has no content.
	if (filter == NULL || filter->schema == NULL ||
	    (filter->schema->nodetype & LYD_NODE_ANY) == 0 ||
	    any->value_type != LYD_ANYDATA_DATATREE || any->value.tree == NULL)
		return true;
	LY_LIST_FOR (any->value.tree, n) {
		if (strcmp(LYD_NAME(n), top) == 0)
			return true;
	}
	return false;
}
