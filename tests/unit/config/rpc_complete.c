// Completion as a local tool asks for it: lines that name two instances of one list.
#include "session_rig.h"

static int set_up(void **state)
{
	(void)state;
	return rig_schema_open(WEIR_YANG_SRC);
}

static int tear_down(void **state)
{
	(void)state;
	cfg_schema_destroy(rig_schema);
	return 0;
}

static const char *ask(struct rig *r, struct cfg_session *s, const char *op, const char *line)
{
	char request[512];

	snprintf(request, sizeof(request), "{\"weir-configuration:%s\":{\"line\":\"%s\"}}", op,
		 line);
	return rig_json(r, s, request);
}

// All words of the answer, with blanks in between.
static const char *words_of(const char *answer)
{
	static const char member[] = "\"word\":\"";
	static char words[1024];
	size_t used = 0;

	words[0] = '\0';
	for (const char *p = answer; (p = strstr(p, member)) != NULL;) {
		size_t n = strcspn(p += sizeof(member) - 1, "\"");

		used += (size_t)snprintf(words + used, sizeof(words) - used, "%s%.*s",
					 used > 0 ? " " : "", (int)n, p);
		assert_true(used < sizeof(words));
	}
	return words;
}

static void the_other_instance_of_a_line_is_completed(void **state)
{
	static const char *const lines[] = {
		"set port a type host tap t0",	 "set port b type host tap t1",
		"set nacm rule-list r1 group g", "set nacm rule-list r2 group g",
		"set portal 10.0.0.9 tcp 4420",
	};
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "copy port ", "a b" },
		{ "copy port a t", "type tap to" },
		{ "copy port a to ", "<name>" },
		{ "rename port a to c", "<name>" },
		{ "rename port a to c ", "" },
		{ "copy portal 10.0.0.9 tcp 4420 ", "to" },
		{ "copy portal 10.0.0.9 tcp 4420 to ", "<address>" },
		{ "copy portal 10.0.0.9 tcp 4420 to 10.0.0.8 t", "tcp" },
		{ "copy portal 10.0.0.9 tcp 4420 to 10.0.0.8 udp ", "<port>" },
		{ "copy portal 10.0.0.9 tcp 4420 to 10.0.0.8 udp 1 ", "" },
		{ "insert nacm rule-list r1 ", "group first last before after" },
		{ "insert nacm rule-list r1 before ", "r1 r2" },
		{ "insert nacm rule-list r1 first ", "" },
		{ "copy to to to to to ", "" },
		{ "copy nonsense x to ", "" },
		{ "set port a t", "type tap trunk trust-dscp trust-pcp" },
	};
	struct cfg_session *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = rig_root(&r, false);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_non_null(strstr(ask(&r, s, "edit-line", lines[i]), "\"ok\":true"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *words = words_of(ask(&r, s, "complete", cases[i].line));

		if (strcmp(words, cases[i].words) != 0)
			print_message("'%s': wanted '%s', got '%s'\n", cases[i].line,
				      cases[i].words, words);
		assert_string_equal(words, cases[i].words);
	}
	cfg_session_destroy(s);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_other_instance_of_a_line_is_completed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
