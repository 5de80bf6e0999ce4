// Requests that widespread clients write a little wrong. Such a one has been refused by the parser
// already; what it must mean is beyond doubt, so it is written anew and read once more.
//
// <filter> of create-subscription in the namespace of NETCONF, where RFC 5277 section 4 has its
// own: ncclient 0.6. See xml_guard.c for elements without a namespace.
#include <stdlib.h>
#include <string.h>

#include "netconf_priv.h"

static struct lyd_node_opaq *opaque(struct lyd_node *n)
{
	return n == NULL || n->schema != NULL ? NULL : (struct lyd_node_opaq *)n;
}

static bool is(const struct lyd_node_opaq *o, const char *name, const char *ns)
{
	return o != NULL && strcmp(o->name.name, name) == 0 && o->name.module_ns != NULL &&
	       (ns == NULL || strcmp(o->name.module_ns, ns) == 0);
}

// Move the filter of a subscription to the namespace of the operation. returns whether there was
// one to move
static bool move_filter(struct lyd_node *rpc)
{
	struct lyd_node_opaq *op = opaque(lyd_child(rpc)), *filter = NULL;
	const char *ns = NULL;

	if (is(op, "create-subscription", NULL))
		filter = opaque(op->child);
	if (!is(filter, "filter", NC_NS) ||
	    lydict_insert(op->ctx, op->name.module_ns, 0, &ns) != LY_SUCCESS)
		return false;
	lydict_remove(op->ctx, filter->name.module_ns);
	lydict_remove(op->ctx, filter->name.prefix);
	filter->name.module_ns = ns;
	filter->name.prefix = NULL;
	return true;
}

char *cfg_rpc_mend(const char *text)
{
	struct ly_ctx *plain = NULL; // knows no modules, so it takes all elements as they come
	struct lyd_node *rpc = NULL;
	char *out = NULL;

	if (strstr(text, "create-subscription") == NULL)
		return NULL;
	if (ly_ctx_new(NULL, LY_CTX_NO_YANGLIBRARY, &plain) == LY_SUCCESS &&
	    lyd_parse_data_mem(plain, text, LYD_XML, LYD_PARSE_ONLY | LYD_PARSE_OPAQ, 0, &rpc) ==
		    LY_SUCCESS &&
	    move_filter(rpc) && lyd_print_mem(&out, rpc, LYD_XML, LYD_PRINT_SHRINK) != LY_SUCCESS)
		out = NULL;
	lyd_free_all(rpc);
	ly_ctx_destroy(plain);
	return out;
}
