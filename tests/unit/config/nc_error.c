// What libyang says, as NETCONF's errors (RFC 7950 section 15, RFC 6241 appendix A).
#include "../unit.h"

#include <errno.h>
#include <stdio.h>

#include "../../../config/netconf_priv.h"

#define NC "urn:ietf:params:xml:ns:netconf:base:1.0"

static const char module_v[] =
	"module v { yang-version 1.1; namespace \"urn:v\"; prefix v;"
	" container c {"
	"  leaf man { mandatory true; type string; } leaf w { type string; }"
	"  leaf m1 { type string; must \"../w\"; }"
	"  leaf m2 { type string; must \"../w\" { error-message \"own words\";"
	"   error-app-tag \"own-tag\"; } }"
	"  leaf m3 { type string; must \"../w\" { error-message \"own words\"; } }"
	"  leaf lr { type leafref { path \"../w\"; } } leaf ii { type instance-identifier; }"
	"  leaf pa { type string { pattern 'a+' { error-app-tag pat; error-message \"only a\"; } } "
	"}"
	"  leaf pb { type string { pattern 'b+'; } }"
	"  leaf ra { type uint8 { range 1..3 { error-app-tag rng; } } }"
	"  leaf en { type enumeration { enum a; } } leaf wh { when \"../w\"; type string; }"
	"  leaf-list few { min-elements 2; type string; }"
	"  leaf-list many { max-elements 1; type string; }"
	"  list un { key k; unique \"a b\"; leaf k { type string; } leaf a { type string; }"
	"   leaf b { type string; } }"
	"  choice ch { mandatory true; leaf x { type string; } leaf y { type string; } } }"
	" rpc r { input { leaf a { mandatory true; type string; } leaf b { type uint8; }"
	"  choice q { mandatory true; leaf q1 { type empty; } leaf q2 { type empty; } } } } }";

static struct cfg_schema *schema;

static int setup(void **state)
{
	struct cfg_error err;

	(void)state;
	assert_int_equal(cfg_schema_create(WEIR_YANG_SRC, &schema, &err), 0);
	assert_int_equal(lys_parse_mem(schema->ctx, module_v, LYS_IN_YANG, NULL), LY_SUCCESS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cfg_schema_destroy(schema);
	return 0;
}

struct expected {
	const char *xml, *tag, *app_tag, *path, *info;
};

static void compare(const struct expected *x, const struct cfg_nc_error *e)
{
	if (strcmp(e->tag, x->tag) != 0 || strcmp(e->path, x->path) != 0 ||
	    strcmp(e->info, x->info) != 0 ||
	    strcmp(e->app_tag == NULL ? "" : e->app_tag, x->app_tag) != 0)
		fail_msg("%s: %s %s %s %s: %s", x->xml, e->tag,
			 e->app_tag == NULL ? "-" : e->app_tag, e->path, e->info, e->message);
	assert_true(e->message[0] != '\0');
}

#define OK "<man>1</man><x>1</x><few>1</few><few>2</few>"
#define YANG1 " xmlns=\"urn:ietf:params:xml:ns:yang:1\""

static void a_datastore_that_is_not_valid(void **state)
{
	static const struct expected cases[] = {
		{ "<x>1</x><few>1</few><few>2</few>", "data-missing", "", "/v:c/man",
		  "<bad-element>man</bad-element>" },
		{ OK "<m1>1</m1>", "operation-failed", "must-violation", "/v:c/m1", "" },
		{ OK "<m2>1</m2>", "operation-failed", "own-tag", "/v:c/m2", "" },
		{ OK "<m3>1</m3>", "operation-failed", "must-violation", "/v:c/m3", "" },
		{ OK "<lr>1</lr>", "data-missing", "instance-required", "/v:c/lr", "" },
		{ OK "<ii xmlns:v=\"urn:v\">/v:c/v:w</ii>", "data-missing", "instance-required",
		  "/v:c/ii", "" },
		{ OK "<pa>b</pa>", "invalid-value", "pat", "/v:c/pa", "" },
		{ OK "<pb>c</pb>", "invalid-value", "", "/v:c/pb", "" },
		{ OK "<ra>9</ra>", "invalid-value", "rng", "/v:c/ra", "" },
		{ OK "<en>9</en>", "invalid-value", "", "/v:c/en", "" },
		{ OK "<wh>9</wh>", "unknown-element", "", "/v:c/wh", "" },
		{ "<man>1</man><x>1</x><few>1</few>", "operation-failed", "too-few-elements",
		  "/v:c/few", "" },
		{ OK "<many>1</many><many>2</many>", "operation-failed", "too-many-elements",
		  "/v:c/many[.='2']", "" },
		{ OK "<un><k>1</k><a>1</a><b>2</b></un><un><k>2</k><a>1</a><b>2</b></un>",
		  "operation-failed", "data-not-unique", "/v:c/un[k='2']",
		  "<non-unique" YANG1 ">/v:c/un[k='1']/a</non-unique>"
		  "<non-unique" YANG1 ">/v:c/un[k='1']/b</non-unique>"
		  "<non-unique" YANG1 ">/v:c/un[k='2']/a</non-unique>"
		  "<non-unique" YANG1 ">/v:c/un[k='2']/b</non-unique>" },
		{ "<man>1</man><few>1</few><few>2</few>", "data-missing", "missing-choice",
		  "/v:c/ch", "<missing-choice" YANG1 ">ch</missing-choice>" },
		{ OK "<y>1</y>", "bad-element", "", "/v:c/ch", "" },
		{ OK "<w>1</w><w>1</w>", "bad-element", "", "/v:c/w",
		  "<bad-element>w</bad-element>" },
		{ OK "<zz>1</zz>", "unknown-element", "", "/v:c", "<bad-element>zz</bad-element>" },
		{ OK "<un><a>1</a></un>", "missing-element", "", "/v:c/un",
		  "<bad-element>k</bad-element>" },
		{ OK "<zz xmlns=\"urn:zz\">1</zz>", "unknown-namespace", "", "/v:c",
		  "<bad-namespace>urn:zz</bad-namespace>" },
		{ OK "<w a:b=\"1\" xmlns:a=\"urn:a\">1</w>", "unknown-attribute", "", "/v:c",
		  "<bad-attribute>a:b</bad-attribute>" },
		{ OK "<w nc:operation=\"fly\" xmlns:nc=\"" NC "\">1</w>", "bad-attribute", "",
		  "/v:c", "" },
		{ OK "<w>", "malformed-message", "", "", "" },
		{ OK "<q:w/>", "malformed-message", "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char xml[512];
		struct lyd_node *tree = NULL;
		struct cfg_nc_error e;

		snprintf(xml, sizeof(xml), "<c xmlns=\"urn:v\">%s</c>", cases[i].xml);
		if (lyd_parse_data_mem(schema->ctx, xml, LYD_XML, LYD_PARSE_ONLY | LYD_PARSE_STRICT,
				       0, &tree) == LY_SUCCESS)
			assert_int_not_equal(
				lyd_validate_all(&tree, schema->ctx,
						 LYD_VALIDATE_NO_STATE | LYD_VALIDATE_PRESENT,
						 NULL),
				LY_SUCCESS);
		lyd_free_all(tree);
		assert_int_equal(cfg_nc_refuse_ly(&e, schema->ctx), -EINVAL);
		compare(&cases[i], &e);
	}
}

static void an_rpc_that_is_not_valid(void **state)
{
	static const struct expected cases[] = {
		{ "<r xmlns=\"urn:v\"><q1/></r>", "missing-element", "", "/v:r/a",
		  "<bad-element>a</bad-element>" },
		{ "<r xmlns=\"urn:v\"><a>1</a></r>", "missing-element", "missing-choice", "/v:r",
		  "<missing-choice" YANG1 ">q</missing-choice>" },
		{ "<r xmlns=\"urn:v\"><a>1</a><q1/><q2/></r>", "bad-element", "", "/v:r", "" },
		{ "<r xmlns=\"urn:v\"><a>1</a><b>a</b></r>", "invalid-value", "", "/v:r/b", "" },
		{ "<r xmlns=\"urn:v\"><a>1</a><z/></r>", "unknown-element", "", "/v:r",
		  "<bad-element>z</bad-element>" },
		{ "<z xmlns=\"urn:v\"/>", "operation-not-supported", "", "", "" },
		{ "<z xmlns=\"urn:z\"/>", "operation-not-supported", "", "", "" },
		{ "<lock/>", "missing-element", "missing-choice", "/ietf-netconf:lock",
		  "<missing-choice" YANG1 ">config-target</missing-choice>" },
		{ "<kill-session><session-id>x</session-id></kill-session>", "invalid-value", "",
		  "/ietf-netconf:kill-session/session-id", "" },
		{ "<lock>", "malformed-message", "", "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char xml[512];
		struct lyd_node *envelope = NULL, *op = NULL;
		struct cfg_nc_error e;
		struct ly_in *in;

		snprintf(xml, sizeof(xml), "<rpc xmlns=\"" NC "\" message-id=\"1\">%s</rpc>",
			 cases[i].xml);
		assert_int_equal(ly_in_new_memory(xml, &in), LY_SUCCESS);
		if (lyd_parse_op(schema->ctx, NULL, in, LYD_XML, LYD_TYPE_RPC_NETCONF, &envelope,
				 &op) == LY_SUCCESS)
			assert_int_not_equal(lyd_validate_op(op, NULL, LYD_TYPE_RPC_YANG, NULL),
					     LY_SUCCESS);
		lyd_free_all(op);
		lyd_free_all(envelope);
		ly_in_free(in, 0);
		assert_int_equal(cfg_nc_refuse_ly(&e, schema->ctx), -EINVAL);
		compare(&cases[i], &e);
	}
}

static void a_path_declares_its_prefixes(void **state)
{
	static const char *const cases[][2] = {
		{ "/v:c/un[k='a/b[c']/a", "<error-path xmlns:v=\"urn:v\">/v:c/v:un[v:k='a/b[c']"
					  "/v:a</error-path>" },
		{ "/v:c/many[.='<&']",
		  "<error-path xmlns:v=\"urn:v\">/v:c/v:many[.='&lt;&amp;']</error-path>" },
		{ "/v:c/v:un[2]/ietf-netconf:x",
		  "<error-path xmlns:v=\"urn:v\" xmlns:ietf-netconf=\"" NC
		  "\">/v:c/v:un[2]/ietf-netconf:x</error-path>" },
		// Not of any module here, and not a path at all: never less than well-formed.
		{ "/none:c/x", "<error-path>/c/x</error-path>" },
		{ "\"[':", "<error-path>&quot;[':</error-path>" },
		{ "", "<error-path></error-path>" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = NULL;
		size_t size;
		FILE *f = open_memstream(&text, &size);

		assert_non_null(f);
		cfg_nc_path_print(f, schema->ctx, cases[i][0]);
		fclose(f);
		assert_string_equal(text, cases[i][1]);
		free(text);
	}
}

static void error_info_is_whole_or_not_there(void **state)
{
	struct cfg_nc_error e;
	char long_name[sizeof(e.info) + 1];

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	cfg_nc_refuse(&e, "bad-element", "%s", long_name);
	cfg_nc_info(&e, "bad-element", "a<b");
	cfg_nc_info(&e, "bad-namespace", long_name);
	assert_string_equal(e.info, "<bad-element>a&lt;b</bad-element>");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datastore_that_is_not_valid),
		cmocka_unit_test(an_rpc_that_is_not_valid),
		cmocka_unit_test(a_path_declares_its_prefixes),
		cmocka_unit_test(error_info_is_whole_or_not_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
