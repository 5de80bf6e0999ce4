// The order of lists and leaf-lists that the user orders: yang:insert, yang:value, yang:key.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edit_priv.h"

static const char *attribute(const struct lyd_node *n, const char *name)
{
	const struct lyd_meta *m = lyd_find_meta(n->meta, NULL, name);

	return m == NULL ? NULL : lyd_get_meta_value(m);
}

// Key predicates without the prefixes of their names, free(); NULL = not a list of predicates (or
// out of memory). All keys of a list are of one module, so nothing is lost.
static char *bare_predicates(const char *key)
{
	char *out = malloc(strlen(key) + 1), *o = out;
	const char *p = key;

	while (out != NULL && *p != '\0') {
		const char *name, *colon, *end;
		size_t n;

		if (*p++ != '[')
			goto wrong;
		p += strspn(p, " \t\r\n");
		name = p;
		p += n = strcspn(p, " \t\r\n=[]'\"");
		colon = memchr(name, ':', n);
		p += strspn(p, " \t\r\n");
		if (n == 0 || *p++ != '=')
			goto wrong;
		p += strspn(p, " \t\r\n");
		end = *p == '\'' || *p == '"' ? strchr(p + 1, *p) : NULL;
		if (end == NULL)
			goto wrong;
		*o++ = '[';
		for (const char *c = colon == NULL ? name : colon + 1; c < name + n; c++)
			*o++ = *c;
		*o++ = '=';
		memcpy(o, p, (size_t)(end + 1 - p));
		o += end + 1 - p;
		p = end + 1;
		p += strspn(p, " \t\r\n");
		if (*p++ != ']')
			goto wrong;
		*o++ = ']';
		p += strspn(p, " \t\r\n");
	}
	if (out != NULL)
		*o = '\0';
	return out;
wrong:
	free(out);
	return NULL;
}

static int find_anchor(struct cfg_edit *x, const struct lyd_node *n,
		       const struct lyd_node *siblings, const char *wanted, struct lyd_node **out)
{
	bool list = n->schema->nodetype == LYS_LIST;
	const char *name = list ? "key" : "value";
	char *text = list ? bare_predicates(wanted) : strdup(wanted);
	LY_ERR rc = LY_ENOTFOUND;

	*out = NULL;
	if (text == NULL || text[0] == '\0') {
		free(text);
		return cfg_edit_refuse_attr(x, n, "bad-attribute", name,
					    list ? "expected [key='value'] for each key"
						 : "is empty");
	}
	if (siblings != NULL)
		rc = lyd_find_sibling_val(siblings, n->schema, text, strlen(text), out);
	else if (!list) // is it at least a value of the type?
		rc = lyd_value_validate(LYD_CTX(n), n->schema, text, strlen(text), NULL, NULL,
					NULL) == LY_SUCCESS
			     ? LY_ENOTFOUND
			     : LY_EVALID;
	free(text);
	if (rc == LY_SUCCESS)
		return 0;
	cfg_edit_refuse_attr(x, n, "bad-attribute", name,
			     rc == LY_ENOTFOUND ? "there is no such entry" : "is not valid");
	if (rc == LY_ENOTFOUND)
		x->e->app_tag = "missing-instance";
	snprintf(x->e->value, sizeof(x->e->value), "%s", wanted);
	return -EINVAL;
}

// insert is before or after: of what?
static int read_anchor(struct cfg_edit *x, const struct lyd_node *n,
		       const struct lyd_node *siblings, const char *wanted,
		       struct cfg_edit_order *o)
{
	const char *name = n->schema->nodetype == LYS_LIST ? "key" : "value";
	struct lyd_node *self = NULL;

	if (wanted == NULL)
		return cfg_edit_refuse_attr(x, n, "missing-attribute", name,
					    "is wanted for insert before and after");
	if (find_anchor(x, n, siblings, wanted, &o->at) < 0)
		return -EINVAL;
	if (lyd_find_sibling_first(siblings, n, &self) == LY_SUCCESS && self == o->at)
		return cfg_edit_refuse_attr(x, n, "bad-attribute", name, "is the entry itself");
	return 0;
}

int cfg_edit_order_read(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op op,
			const struct lyd_node *siblings, struct cfg_edit_order *o)
{
	const char *insert = attribute(n, "yang:insert"), *value = attribute(n, "yang:value"),
		   *key = attribute(n, "yang:key");
	bool list = n->schema->nodetype == LYS_LIST;

	memset(o, 0, sizeof(*o));
	if (insert == NULL && value == NULL && key == NULL)
		return 0;
	// RFC 7950 section 8.3.1
	if ((n->schema->nodetype & (LYS_LIST | LYS_LEAFLIST)) == 0 ||
	    !lysc_is_userordered(n->schema))
		return cfg_edit_refuse_attr(x, n, "unknown-attribute",
					    insert != NULL  ? "insert"
					    : value != NULL ? "value"
							    : "key",
					    "is for lists that the user orders");
	if ((list ? value : key) != NULL)
		return cfg_edit_refuse_attr(x, n, "unknown-attribute", list ? "value" : "key",
					    list ? "is for leaf-lists" : "is for lists");
	if (insert == NULL)
		return cfg_edit_refuse_attr(x, n, "missing-attribute", "insert",
					    "is wanted with value and key");
	if (op != CFG_EDIT_MERGE && op != CFG_EDIT_REPLACE && op != CFG_EDIT_CREATE)
		return cfg_edit_refuse_attr(x, n, "bad-attribute", "insert",
					    "is for merge, replace and create");
	o->where = strcmp(insert, "first") == 0	   ? CFG_PUT_FIRST
		   : strcmp(insert, "before") == 0 ? CFG_PUT_BEFORE
		   : strcmp(insert, "after") == 0  ? CFG_PUT_AFTER
						   : CFG_PUT_LAST;
	if (o->where == CFG_PUT_BEFORE || o->where == CFG_PUT_AFTER)
		return read_anchor(x, n, siblings, list ? key : value, o);
	if (value != NULL || key != NULL)
		return cfg_edit_refuse_attr(x, n, "bad-attribute", list ? "key" : "value",
					    "is for insert before and after");
	return 0;
}

int cfg_edit_order_apply(struct cfg_edit *x, struct lyd_node *node, const struct cfg_edit_order *o)
{
	struct lyd_node *at = o->at;
	bool before = o->where == CFG_PUT_FIRST || o->where == CFG_PUT_BEFORE;

	if (o->where == CFG_PUT_ANYWHERE)
		return 0;
	if (at == NULL) { // the first or the last of its kind
		at = node;
		while (before && at->prev->next != NULL && at->prev->schema == node->schema)
			at = at->prev;
		while (!before && at->next != NULL && at->next->schema == node->schema)
			at = at->next;
	}
	if (at == node)
		return 0;
	if ((before ? lyd_insert_before(at, node) : lyd_insert_after(at, node)) != LY_SUCCESS)
		return -ENOMEM;
	*x->tree = lyd_first_sibling(*x->tree);
	return 0;
}
