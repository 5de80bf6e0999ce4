// A module with one of everything, a configuration of it, and edits as a client sends them.
#ifndef EDIT_RIG_H
#define EDIT_RIG_H

#include "../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../config/netconf_priv.h"

#define NC "urn:ietf:params:xml:ns:netconf:base:1.0"

static const char edit_module[] =
	"module t { yang-version 1.1; namespace \"urn:t\"; prefix t;"
	" feature off; identity base; identity one { base base; }"
	" container c {"
	"  leaf s { type string; } leaf u { type uint8; } leaf v { type uint8; }"
	"  leaf ro { config false; type string; }"
	"  leaf idr { type identityref { base base; } }"
	"  leaf ff { if-feature off; type string; }"
	"  container p { presence x; leaf a { type string; } }"
	"  container np { leaf a { type string; } leaf b { type string; } }"
	"  leaf-list ll { type uint8; }"
	"  leaf-list ul { ordered-by user; type uint8; }"
	"  list l { key \"k j\"; leaf k { type string; } leaf j { type uint8; }"
	"   leaf v { type string; } leaf w { type string; } }"
	"  list ol { ordered-by user; key k; leaf k { type string; } leaf v { type string; } }"
	"  anydata any;"
	"  choice ch {"
	"   case a { leaf ca { type string; } leaf ca2 { type string; } }"
	"   container cb { leaf x { type string; } }"
	"   case d { choice in { leaf d1 { type string; } leaf d2 { type string; } } }"
	"   list cl { key k; leaf k { type string; } } } }"
	" leaf top { type string; } leaf-list tul { ordered-by user; type string; }"
	" container only { leaf x { type string; } } rpc act; }";

struct edit_rig {
	struct cfg_schema *schema;
	struct lyd_node *tree;
	struct cfg_nc_error e;
	char *text;
};

static inline int edit_open(void **state, const char *yang_dir)
{
	struct edit_rig *r = calloc(1, sizeof(*r));
	struct cfg_error err;

	assert_non_null(r);
	assert_int_equal(cfg_schema_create(yang_dir, &r->schema, &err), 0);
	assert_int_equal(lys_parse_mem(r->schema->ctx, edit_module, LYS_IN_YANG, NULL), LY_SUCCESS);
	*state = r;
	return 0;
}

static inline int edit_teardown(void **state)
{
	struct edit_rig *r = *state;

	lyd_free_all(r->tree);
	free(r->text);
	cfg_schema_destroy(r->schema);
	free(r);
	return 0;
}

// The configuration is what these elements say.
static inline void edit_have(struct edit_rig *r, const char *xml)
{
	lyd_free_all(r->tree);
	r->tree = NULL;
	if (xml[0] != '\0')
		assert_int_equal(lyd_parse_data_mem(r->schema->ctx, xml, LYD_XML,
						    LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0, &r->tree),
				 LY_SUCCESS);
}

// The configuration as text, until the next call.
static inline const char *edit_text(struct edit_rig *r)
{
	free(r->text);
	r->text = NULL;
	if (r->tree != NULL)
		assert_int_equal(lyd_print_mem(&r->text, r->tree, LYD_XML,
					       LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK |
						       LYD_PRINT_KEEPEMPTYCONT),
				 LY_SUCCESS);
	return r->text == NULL ? "" : r->text;
}

// What <config> holds is applied as an rpc brings it. returns "ok" or the error-tag; a refusal must
// leave each byte as it was.
static inline const char *edit_try(struct edit_rig *r, const char *default_op, const char *config)
{
	size_t size = strlen(config) + 512;
	char *text = malloc(size), *before = strdup(edit_text(r));
	struct lyd_node *envelope = NULL, *op = NULL;
	struct ly_in *in = NULL;
	const char *tag = "ok";

	assert_non_null(text);
	assert_non_null(before);
	snprintf(text, size,
		 "<rpc xmlns=\"" NC "\" xmlns:nc=\"" NC
		 "\" xmlns:t=\"urn:t\" xmlns:y=\"urn:ietf:params:xml:ns:yang:1\""
		 " message-id=\"1\"><edit-config><target><candidate/></target><config>%s</config>"
		 "</edit-config></rpc>",
		 config);
	assert_int_equal(ly_in_new_memory(text, &in), LY_SUCCESS);
	memset(&r->e, 0, sizeof(r->e));
	if (lyd_parse_op(r->schema->ctx, NULL, in, LYD_XML, LYD_TYPE_RPC_NETCONF, &envelope, &op) !=
	    LY_SUCCESS) {
		cfg_nc_refuse_ly(&r->e, r->schema->ctx);
		tag = r->e.tag;
	} else {
		const struct lyd_node_any *any =
			(const struct lyd_node_any *)cfg_child(op, "config");

		assert_int_equal(any->value_type, LYD_ANYDATA_DATATREE);
		if (cfg_edit(&r->tree, any->value.tree, default_op, &r->e) < 0)
			tag = r->e.tag;
	}
	if (strcmp(tag, "ok") != 0) {
		assert_string_equal(edit_text(r), before);
		assert_true(r->e.message[0] != '\0');
	}
	lyd_free_all(op);
	lyd_free_all(envelope);
	ly_in_free(in, 0);
	free(before);
	free(text);
	return tag;
}

#endif
