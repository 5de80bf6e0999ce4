// What hostile clients send to a session: it answers or ends, and others are served.
#include "session_rig.h"

enum { DEEP = 100000 };

static int setup(void **state)
{
	static struct rig r;

	rig_open(&r);
	*state = &r;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	return 0;
}

// head, `open` n times, `close` n times, tail. free()
static char *nested(const char *const part[4], uint32_t n)
{
	size_t size = strlen(part[0]) + n * (strlen(part[1]) + strlen(part[2])) + strlen(part[3]);
	char *text = malloc(size + 1), *at = text;

	assert_non_null(text);
	at = stpcpy(at, part[0]);
	for (uint32_t i = 0; i < n; i++)
		at = stpcpy(at, part[1]);
	for (uint32_t i = 0; i < n; i++)
		at = stpcpy(at, part[2]);
	stpcpy(at, part[3]);
	return text;
}

#define EDIT "<edit-config><target><candidate/></target><config>"
#define TIDE "</config></edit-config>"

// However the depth is hidden, the parser does not see it: it would run out of stack.
static void depth_is_refused_however_it_is_written(void **state)
{
	static const char *const ways[][4] = {
		{ EDIT, "<a xmlns='urn:x'>", "</a>", TIDE },
		{ EDIT, "<a xmlns='urn:x' b='/>'>", "</a>", TIDE },
		{ EDIT, "<a xmlns='urn:x' b=\"/>\">", "</a>", TIDE },
		{ EDIT, "<a><!-- </a> -->", "</a>", TIDE },
		{ EDIT, "<a><?x </a>?>", "</a>", TIDE },
		{ EDIT, "<a><![CDATA[</a>]]>", "</a>", TIDE },
		{ EDIT, "<a b='</a>'>", "</a>", TIDE },
		{ EDIT, "<a b='</a>'\n>", "</a >", TIDE },
		{ "<get><filter>", "<a>", "</a>", "</filter></get>" },
		{ "", "<a>", "</a>", "" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct cfg_session *s = rig_root(r, true);
		char *text = nested(ways[i], DEEP);

		assert_string_equal(rig_tag(rig_xml(r, s, text)), "too-big");
		assert_non_null(strstr(r->text, "more than 128 deep"));
		free(text);
		assert_string_equal(rig_tag(rig_xml(r, s,
						    "<get-config><source><running/></source>"
						    "</get-config>")),
				    "ok");
		cfg_session_destroy(s);
	}
}

// What only looks deep is taken.
static void what_only_looks_deep_is_taken(void **state)
{
	static const char *const ways[][4] = {
		{ EDIT "<!--", "<a>", "", "-->" TIDE },
		{ EDIT, "<?x <a> ?>", "", TIDE },
		{ EDIT IN_SYSTEM("<mac-ageing>30</mac-ageing>") "<!-- x='", "<a b='", "",
		  "-->" TIDE },
		{ "<get><filter>", "<a b='/'/>", "", "</filter></get>" },
		{ "<get><filter>", "<a b='>'/>", "", "</filter></get>" },
		{ "<get><filter>", "<a></a>", "", "</filter></get>" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct cfg_session *s = rig_root(r, true);
		char *text = nested(ways[i], 1000);

		assert_string_equal(rig_tag(rig_xml(r, s, text)), "ok");
		free(text);
		cfg_session_destroy(s);
	}
}

static void depth_of_json_is_refused(void **state)
{
	static const char *const ways[][4] = {
		{ "{\"weir-operations:ping\":", "[", "]", "}" },
		{ "{\"ietf-netconf:edit-config\":{\"target\":{\"candidate\":[null]},\"config\":",
		  "{\"a\":", "}", "}}" },
		{ "", "{\"a\":", "}", "" },
		{ "", "[", "]", "" },
		{ "", "{\"a\\\"]}\":[", "]}", "" },
		{ "{\"weir-configuration:load\":{\"text\":\"", "{\\\"a\\\":", "}", "\"}}" },
		{ "{\"weir-configuration:load\":{\"format\":\"xml\",\"text\":\"", "<a>", "</a>",
		  "\"}}" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct cfg_session *s = rig_root(r, false);
		char *text = nested(ways[i], DEEP);

		assert_string_equal(rig_tag(rig_json(r, s, text)), "too-big");
		assert_non_null(strstr(r->text, "more than 128 deep"));
		free(text);
		cfg_session_destroy(s);
	}
}

// The depth of expressions is another recursion.
static void expressions_in_brackets_are_refused(void **state)
{
	static const char *const ways[][4] = {
		{ "<get><filter type='xpath' select='", "/a", "", "'/></get>" },
		{ "<get><filter type='xpath' select='", "(", ")", "'/></get>" },
		{ "<get><filter type='xpath' select='/a", "[a", "]", "'/></get>" },
		{ "<get><filter type='xpath' select='", "not(", ")", "'/></get>" },
		{ "<get><filter type='xpath' select='", "-", "", "1'/></get>" },
		{ "<get><filter type='xpath' select='", "//a", "", "'/></get>" },
		{ "<get><filter type='xpath' select='/a", "|/a", "", "'/></get>" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct cfg_session *s = rig_root(r, true);
		char *text = nested(ways[i], DEEP);

		assert_string_equal(rig_tag(rig_xml(r, s, text)), "too-big");
		free(text);
		cfg_session_destroy(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(depth_is_refused_however_it_is_written, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_only_looks_deep_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(depth_of_json_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(expressions_in_brackets_are_refused, setup,
						teardown),
	};
	int failed;

	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
