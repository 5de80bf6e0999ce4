// Nodes of an edit that libyang could not place: whose are they, and what is wrong with them?
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "edit_priv.h"

#define NC_NS "urn:ietf:params:xml:ns:netconf:base:1.0"

static const struct lyd_node_opaq *opaque(const struct lyd_node *n)
{
	return (const struct lyd_node_opaq *)n;
}

static bool is_blank(const char *text)
{
	return text == NULL || text[strspn(text, " \t\r\n")] == '\0';
}

const struct lys_module *cfg_edit_module(const struct lyd_node *n)
{
	const struct lyd_node_opaq *o = opaque(n);

	if (n->schema != NULL)
		return n->schema->module;
	// In JSON a name without a module is of its parent's (RFC 7951 section 4).
	if (o->name.module_ns == NULL)
		return o->format == LY_VALUE_JSON && lyd_parent(n) != NULL
			       ? cfg_edit_module(lyd_parent(n))
			       : NULL;
	return o->format == LY_VALUE_XML
		       ? ly_ctx_get_module_implemented_ns(o->ctx, o->name.module_ns)
		       : ly_ctx_get_module_implemented(o->ctx, o->name.module_name);
}

const struct lysc_node *cfg_edit_schema(struct cfg_edit *x, const struct lyd_node *n)
{
	const struct lyd_node_opaq *o = opaque(n);
	const struct lyd_node *parent = lyd_parent(n);
	const struct lys_module *mod = cfg_edit_module(n);
	const struct lysc_node *found;

	if (mod == NULL) {
		cfg_edit_refuse(x, n, "unknown-namespace",
				"no module here has the namespace \"%s\"",
				o->name.module_ns == NULL ? "" : o->name.module_ns);
		cfg_nc_info(x->e, "bad-namespace",
			    o->name.module_ns == NULL ? "" : o->name.module_ns);
		return NULL;
	}
	if (parent != NULL && parent->schema == NULL) {
		cfg_edit_refuse(x, n, "unknown-element", "stands in an element that is not known");
		return NULL;
	}
	found = lys_find_child(parent == NULL ? NULL : parent->schema, mod, o->name.name, 0, 0, 0);
	if (found == NULL)
		cfg_edit_refuse(x, n, "unknown-element", "module %s has no such node here",
				mod->name);
	else if ((found->nodetype & (LYS_RPC | LYS_ACTION | LYS_NOTIF)) != 0)
		cfg_edit_refuse(x, n, "unknown-element", "is an operation, not configuration");
	else if ((found->flags & LYS_CONFIG_R) != 0)
		cfg_edit_refuse(x, n, "unknown-element", "is state, not configuration");
	else
		return found;
	return NULL;
}

bool cfg_edit_is_blank_leaf(const struct lyd_node *n, const struct lysc_node *schema)
{
	return schema->nodetype == LYS_LEAF && opaque(n)->child == NULL &&
	       is_blank(opaque(n)->value);
}

static int bad_value(struct cfg_edit *x, const struct lyd_node *n, const struct lysc_node *schema)
{
	const struct lyd_node_opaq *o = opaque(n);
	const char *value = o->value == NULL ? "" : o->value, *why;

	if (o->child != NULL)
		return cfg_edit_refuse(x, o->child, "unknown-element",
				       "stands in a leaf, which has a value and no elements");
	ly_err_clean((struct ly_ctx *)o->ctx, NULL);
	// A value with a prefix is read in another way here than it was parsed: the reason could be
	// a wrong one, the refusal is not.
	why = lyd_value_validate(o->ctx, schema, value, strlen(value), NULL, NULL, NULL) ==
				      LY_SUCCESS ||
			      ly_errmsg(o->ctx) == NULL
		      ? "is not a value of its type"
		      : ly_errmsg(o->ctx);
	cfg_edit_refuse(x, n, "invalid-value", "\"%.64s\": %s", value, why);
	snprintf(x->e->value, sizeof(x->e->value), "%s", value);
	x->e->app_tag = NULL;
	return -EINVAL;
}

static const struct lyd_node *child_named(const struct lyd_node_opaq *o, const char *name)
{
	const struct lyd_node *c;

	LY_LIST_FOR (o->child, c) {
		if (strcmp(LYD_NAME(c), name) == 0)
			return c;
	}
	return NULL;
}

static int bad_list(struct cfg_edit *x, const struct lyd_node *n, const struct lysc_node *schema)
{
	for (const struct lysc_node *k = lysc_node_child(schema); k != NULL && lysc_is_key(k);
	     k = k->next) {
		const struct lyd_node *c = child_named(opaque(n), k->name);

		if (c == NULL) {
			cfg_edit_refuse(x, n, "missing-element", "its key \"%s\" is missing",
					k->name);
			x->e->info[0] = '\0';
			cfg_nc_info(x->e, "bad-element", k->name);
			return -EINVAL;
		}
		if (c->schema == NULL &&
		    lyd_value_validate(LYD_CTX(n), k, lyd_get_value(c), strlen(lyd_get_value(c)),
				       NULL, NULL, NULL) != LY_SUCCESS)
			return bad_value(x, c, k);
	}
	return cfg_edit_refuse(x, n, "bad-element", "is not an entry of that list");
}

int cfg_edit_diagnose(struct cfg_edit *x, const struct lyd_node *n, const struct lysc_node *schema)
{
	if ((schema->nodetype & (LYS_LEAF | LYS_LEAFLIST)) != 0)
		return bad_value(x, n, schema);
	if (!is_blank(opaque(n)->value))
		return cfg_edit_refuse(x, n, "bad-element",
				       "has the text \"%.64s\" where elements are expected",
				       opaque(n)->value);
	if (schema->nodetype == LYS_LIST)
		return bad_list(x, n, schema);
	return cfg_edit_refuse(x, n, "bad-element", "cannot be read");
}

bool cfg_edit_is_orphan(const struct lyd_node *n)
{
	const struct lyd_node_opaq *o = opaque(n);

	return lyd_parent(n) == NULL && o->format == LY_VALUE_XML &&
	       (o->name.module_ns == NULL || strcmp(o->name.module_ns, NC_NS) == 0);
}

// The only module with configuration of that name at the top; NULL = none or several.
static const struct lys_module *only_module(const struct ly_ctx *ctx, const char *name)
{
	const struct lys_module *mod, *found = NULL;
	uint32_t at = 0;

	while ((mod = ly_ctx_get_module_iter(ctx, &at)) != NULL) {
		const struct lysc_node *top =
			mod->implemented ? lys_find_child(NULL, mod, name, 0, 0, 0) : NULL;

		if (top == NULL || (top->nodetype & (LYS_RPC | LYS_NOTIF)) != 0 ||
		    (top->flags & LYS_CONFIG_R) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = mod;
	}
	return found;
}

// The only child of that name, of whatever module; NULL = none or several.
static const struct lysc_node *only_child(const struct lysc_node *parent, const char *name)
{
	const struct lysc_node *c = NULL, *found = NULL;

	while ((c = lys_getnext(c, parent, NULL, 0)) != NULL) {
		if (strcmp(c->name, name) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = c;
	}
	return found;
}

// Give each node that has no namespace of its own that of the node it must mean. One that means
// nothing gets its parent's, so that it is refused by name later.
static LY_ERR rename_below(struct lyd_node *n, const struct lysc_node *schema)
{
	struct lyd_node_opaq *o = (struct lyd_node_opaq *)n;
	struct lyd_node *c;
	const char *ns = NULL;
	LY_ERR rc = lydict_insert(o->ctx, schema->module->ns, 0, &ns);

	if (rc != LY_SUCCESS)
		return rc;
	lydict_remove(o->ctx, o->name.module_ns);
	lydict_remove(o->ctx, o->name.prefix);
	o->name.module_ns = ns;
	o->name.prefix = NULL;
	LY_LIST_FOR (o->child, c) {
		const struct lyd_node_opaq *co = opaque(c);
		const struct lysc_node *cs;

		if (co->name.module_ns != NULL && strcmp(co->name.module_ns, NC_NS) != 0)
			continue;
		cs = lys_find_child(schema, schema->module, co->name.name, 0, 0, 0);
		if (cs == NULL)
			cs = only_child(schema, co->name.name);
		rc = rename_below(c, cs == NULL ? schema : cs);
		if (rc != LY_SUCCESS)
			return rc;
	}
	return LY_SUCCESS;
}

int cfg_edit_adopt(const struct lyd_node *opaq, struct lyd_node **out, struct cfg_nc_error *e)
{
	const struct lyd_node_opaq *o = opaque(opaq);
	const struct lys_module *mod = only_module(o->ctx, o->name.name);
	struct cfg_edit x = { .e = e };
	struct lyd_node *copy = NULL;
	char *xml = NULL;
	int rc = 0;

	*out = NULL;
	if (mod == NULL) {
		cfg_edit_refuse(&x, opaq, "unknown-namespace",
				"has no namespace, and not exactly one module has such a node");
		cfg_nc_info(e, "bad-namespace", o->name.module_ns == NULL ? "" : o->name.module_ns);
		return -EINVAL;
	}
	if (lyd_dup_single(opaq, NULL, LYD_DUP_RECURSIVE, &copy) != LY_SUCCESS ||
	    rename_below(copy, lys_find_child(NULL, mod, o->name.name, 0, 0, 0)) != LY_SUCCESS ||
	    lyd_print_mem(&xml, copy, LYD_XML, LYD_PRINT_SHRINK) != LY_SUCCESS)
		rc = cfg_nc_refuse(e, "operation-failed", "out of memory");
	else if (lyd_parse_data_mem(o->ctx, xml, LYD_XML, LYD_PARSE_ONLY | LYD_PARSE_OPAQ, 0,
				    out) != LY_SUCCESS)
		rc = cfg_nc_refuse_ly(e, o->ctx);
	free(xml);
	lyd_free_tree(copy);
	return rc;
}
