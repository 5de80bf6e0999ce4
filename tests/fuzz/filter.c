// Filters: whatever a client asks for of a fixed datastore. The first byte says in which form, the
// second how deep. Invariant: refused with a tag, or the result is a part of the datastore.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter_priv.h"

#define HEAD                                                                                       \
	"<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"1\" "                 \
	"xmlns:v=\"urn:weir:params:xml:ns:yang:weir-vm\" "                                         \
	"xmlns:i=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\">"
#define DATA                                                                                       \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":\"weir-"         \
	"interfaces:uplink\",\"description\":\"\",\"weir-interfaces:port\":{\"af-packet\":\"e0\"," \
	"\"mtu\":1500,\"trunk\":[\"1-5\",\"7\"]}},{\"name\":\"g\"}]},\"weir-vm:vms\":{\"vm\":[{"   \
	"\"name\":\"a\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\",\"ipv4-address\":["       \
	"\"10.0.0.1\",\"10.0.0.2\"]},{\"id\":1}],\"boot\":{\"method\":\"iscsi\"}},{\"name\":"      \
	"\"b\"}]}}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Is every node of part in whole, with the same value?
static void part_of(const struct lyd_node *part, const struct lyd_node *whole)
{
	const struct lyd_node *n;

	LY_LIST_FOR (part, n) {
		struct lyd_node *found;

		if (lyd_find_sibling_first(whole, n, &found) != LY_SUCCESS)
			abort();
		if ((n->schema->nodetype & LYD_NODE_TERM) &&
		    strcmp(lyd_get_value(n), lyd_get_value(found)) != 0)
			abort();
		part_of(lyd_child(n), lyd_child(found));
	}
}

// An rpc with the text in it. returns its filter; *top = what to free
static const struct lyd_node *ask(const struct ly_ctx *ctx, int form, const char *text,
				  struct lyd_node *top[2])
{
	static const struct {
		const char *fmt, *filter;
	} forms[] = {
		{ HEAD
		  "<get-config><source><running/></source><filter>%s</filter></get-config></rpc>",
		  "filter" },
		{ HEAD "<get-data xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-nmda\" "
		       "xmlns:ds=\"urn:ietf:params:xml:ns:yang:ietf-datastores\"><datastore>"
		       "ds:running</datastore><xpath-filter>%s</xpath-filter></get-data></rpc>",
		  "xpath-filter" },
		{ "{\"ietf-netconf:get\":{\"filter\":%s}}", "filter" },
	};
	LYD_FORMAT format = form == 2 ? LYD_JSON : LYD_XML;
	struct cfg_nc_error e = { 0 };
	struct ly_in *in = NULL;
	char *rpc = NULL, *with_namespace = NULL;

	if (asprintf(&rpc, forms[form].fmt, text) < 0)
		abort();
	// As each message of a session does, it passes the guard first.
	if (format == LYD_XML && cfg_xml_guard(rpc, &with_namespace, &e) < 0) {
		free(rpc);
		return NULL;
	}
	if (with_namespace != NULL) {
		free(rpc);
		rpc = with_namespace;
	}
	if (ly_in_new_memory(rpc, &in) != LY_SUCCESS)
		abort();
	if (format == LYD_XML)
		(void)lyd_parse_op(ctx, NULL, in, format, LYD_TYPE_RPC_NETCONF, &top[0], &top[1]);
	else
		(void)lyd_parse_op(ctx, NULL, in, format, LYD_TYPE_RPC_YANG, &top[1], NULL);
	ly_in_free(in, 0);
	free(rpc);
	return top[1] == NULL ? NULL : cfg_child(top[1], forms[form].filter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cfg_schema *schema;
	static struct lyd_node *tree;
	struct lyd_node *top[2] = { NULL, NULL }, *out;
	struct cfg_nc_error e = { 0 };
	const struct lyd_node *filter;
	struct cfg_error err;
	char *text;

	if (schema == NULL &&
	    (cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0 ||
	     lyd_parse_data_mem(schema->ctx, DATA, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
				&tree) != LY_SUCCESS))
		abort();
	if (size < 2)
		return 0;
	text = strndup((const char *)data + 2, size - 2);
	filter = ask(schema->ctx, data[0] % 3, text, top);
	if (filter != NULL) {
		if (cfg_filter_depth(tree, filter, data[1], &out, &e) < 0 &&
		    (out != NULL || e.tag == NULL || e.message[0] == '\0'))
			abort();
		part_of(out, tree);
		if (cfg_depth_cut(out, data[1] & 7) < 0)
			abort();
		part_of(out, tree);
		lyd_free_all(out);
	}
	lyd_free_all(top[1]);
	lyd_free_all(top[0]);
	free(text);
	return 0;
}
