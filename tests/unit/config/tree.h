// What the unit tests of libyang trees share: a schema, trees from JSON, requests from XML.
#ifndef TREE_H
#define TREE_H

#include "../unit.h"
#include "config_priv.h"

#define NC_NS "urn:ietf:params:xml:ns:netconf:base:1.0"
#define VM_NS "urn:weir:params:xml:ns:yang:weir-vm"
#define IF_NS "urn:ietf:params:xml:ns:yang:ietf-interfaces"
#define WI_NS "urn:weir:params:xml:ns:yang:weir-interfaces"

static struct cfg_schema *schema;

static inline int tree_setup(const char *yang_dir)
{
	struct cfg_error err;

	return cfg_schema_create(yang_dir, &schema, &err);
}

static inline int tree_teardown(void **state)
{
	(void)state;
	cfg_schema_destroy(schema);
	return 0;
}

// A datastore: without implicit defaults, and not checked for what is missing.
static inline struct lyd_node *tree_of(const char *json)
{
	struct lyd_node *tree = NULL;

	if (lyd_parse_data_mem(schema->ctx, json, LYD_JSON, LYD_PARSE_ONLY | LYD_PARSE_STRICT, 0,
			       &tree) != LY_SUCCESS)
		fail_msg("%s: %s", ly_errmsg(schema->ctx), json);
	return tree;
}

static inline void tree_is(const struct lyd_node *tree, uint32_t flags, const char *json)
{
	char *got = NULL;

	assert_int_equal(lyd_print_mem(&got, tree, LYD_JSON,
				       LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK |
					       LYD_PRINT_KEEPEMPTYCONT | flags),
			 LY_SUCCESS);
	assert_string_equal(got == NULL ? "{}" : got, json);
	free(got);
}

#endif
