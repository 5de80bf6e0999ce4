// Default data in replies: the four modes of RFC 6243 on one leaf that is not set, one that is set
// to its default and one that is set to something else.
#include <errno.h>

#include "defaults_priv.h"
#include "tree.h"

#define SET                                                                                        \
	"{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"boot\":{\"method\":\"iscsi\",\"iscsi\":{"     \
	"\"server\":\"10.9.9.9\",\"port\":3260,\"target\":\"iqn.x:y\"}}}]}}"
static int setup(void **state)
{
	(void)state;
	return tree_setup(WEIR_YANG_SRC);
}

static char *printed(enum cfg_defaults mode, const char *json, LYD_FORMAT format)
{
	struct lyd_node *tree = tree_of(json), *out;
	struct cfg_defaults_ask ask = { schema->ctx, tree, mode, false };
	uint32_t flags;
	char *text = NULL;

	assert_int_equal(cfg_defaults(&ask, &out, &flags), 0);
	assert_int_equal(lyd_print_mem(&text, out, format,
				       LYD_PRINT_WITHSIBLINGS | LYD_PRINT_SHRINK | flags),
			 LY_SUCCESS);
	tree_is(tree, 0, json);
	lyd_free_all(out);
	lyd_free_all(tree);
	return text;
}

static void modes_differ_as_they_should(void **state)
{
	char *text;

	(void)state;
	text = printed(CFG_DEFAULTS_EXPLICIT, SET, LYD_JSON);
	assert_string_equal(text, SET);
	free(text);
	text = printed(CFG_DEFAULTS_TRIM, SET, LYD_JSON);
	assert_string_equal(text, "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"a\",\"boot\":{\"method\":"
				  "\"iscsi\",\"iscsi\":{\"server\":\"10.9.9.9\",\"target\":"
				  "\"iqn.x:y\"}}}]}}");
	free(text);
	text = printed(CFG_DEFAULTS_ALL, SET, LYD_XML);
	assert_non_null(strstr(text, "<port>3260</port>"));
	assert_non_null(strstr(text, "<lun>1</lun>"));
	assert_non_null(strstr(text, "<enable-nacm>true</enable-nacm>"));
	assert_null(strstr(text, ":default="));		// nothing is tagged
	assert_null(strstr(text, "denied-operations")); // no state
	free(text);
}

static void only_what_nobody_set_is_tagged(void **state)
{
	char *text = printed(CFG_DEFAULTS_ALL_TAGGED, SET, LYD_XML);

	(void)state;
	cfg_defaults_namespace(text);
	assert_non_null(strstr(text, "=\"urn:ietf:params:xml:ns:netconf:default:1.0\""));
	assert_null(strstr(text, "ietf-netconf-with-defaults"));
	assert_non_null(strstr(text, ">3260</port>"));
	assert_non_null(strstr(text, "<port>3260</port>"));
	assert_non_null(strstr(text, ":default=\"true\">1</lun>"));
	free(text);
	text = printed(CFG_DEFAULTS_ALL_TAGGED, SET, LYD_JSON);
	assert_non_null(strstr(text, "\"@lun\":{\"ietf-netconf-with-defaults:default\":true}"));
	assert_null(strstr(text, "\"@port\""));
	free(text);
}

// What libyang's own, slow way adds.
static void all_defaults_are_there(void **state)
{
	static const char *const rows[] = {
		"{}",
		SET,
		"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"e\",\"weir-interfaces:"
		"port\":{"
		"\"socket\":\"/"
		"s\"}}]},\"ietf-netconf-acm:nacm\":{\"groups\":{}},\"weir-vm:vms\":{\"vm\":[{"
		"\"name\":\"a\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:01\"}]}]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int with_state = 0; with_state < 2; with_state++) {
			struct lyd_node *tree = tree_of(rows[i]), *slow = tree_of(rows[i]), *out;
			struct cfg_defaults_ask ask = { schema->ctx, tree, CFG_DEFAULTS_ALL,
							with_state };
			uint32_t flags;

			assert_int_equal(cfg_defaults(&ask, &out, &flags), 0);
			assert_int_equal(
				lyd_new_implicit_all(&slow, schema->ctx,
						     with_state ? 0 : LYD_IMPLICIT_NO_STATE, NULL),
				LY_SUCCESS);
			assert_int_equal(lyd_compare_siblings(out, slow,
							      LYD_COMPARE_FULL_RECURSION |
								      LYD_COMPARE_DEFAULTS),
					 LY_SUCCESS);
			lyd_free_all(out);
			lyd_free_all(slow);
			lyd_free_all(tree);
		}
	}
}

static void only_tags_get_the_namespace(void **state)
{
	char text[] =
		"<a x:m=\"1\" xmlns:x=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\""
		">x=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\"</a><b/>";

	(void)state;
	cfg_defaults_namespace(text);
	assert_string_equal(text,
			    "<a x:m=\"1\" xmlns:x=\"urn:ietf:params:xml:ns:netconf:default:1.0\">"
			    "x=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults\"</a><b/>");
}

static void an_empty_datastore_has_defaults_too(void **state)
{
	struct cfg_defaults_ask ask = { schema->ctx, NULL, CFG_DEFAULTS_EXPLICIT, false };
	struct lyd_node *out;
	uint32_t flags;

	(void)state;
	assert_int_equal(cfg_defaults(&ask, &out, &flags), 0);
	assert_null(out);
	ask.mode = CFG_DEFAULTS_ALL;
	assert_int_equal(cfg_defaults(&ask, &out, &flags), 0);
	assert_string_equal(cfg_value(cfg_top(out, "nacm"), "write-default"), "deny");
	lyd_free_all(out);
}

static void modes_have_names(void **state)
{
	static const struct {
		const char *text;
		int rc;
		enum cfg_defaults mode;
	} rows[] = {
		{ NULL, 0, CFG_DEFAULTS_EXPLICIT },
		{ "explicit", 0, CFG_DEFAULTS_EXPLICIT },
		{ "trim", 0, CFG_DEFAULTS_TRIM },
		{ "report-all", 0, CFG_DEFAULTS_ALL },
		{ "report-all-tagged", 0, CFG_DEFAULTS_ALL_TAGGED },
		{ "report", -EINVAL, CFG_DEFAULTS_EXPLICIT },
		{ "", -EINVAL, CFG_DEFAULTS_EXPLICIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum cfg_defaults mode;

		assert_int_equal(cfg_defaults_mode(rows[i].text, &mode), rows[i].rc);
		assert_int_equal(mode, rows[i].mode);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes_differ_as_they_should),
		cmocka_unit_test(only_what_nobody_set_is_tagged),
		cmocka_unit_test(all_defaults_are_there),
		cmocka_unit_test(only_tags_get_the_namespace),
		cmocka_unit_test(an_empty_datastore_has_defaults_too),
		cmocka_unit_test(modes_have_names),
	};

	return cmocka_run_group_tests(tests, setup, tree_teardown);
}
