// What can be typed at the command line, without a switch: words, parts of a line, patterns, and
// what a terminal may see.
#include "../unit.h"

#include <stdlib.h>

#include "weir_priv.h"

static void a_line_is_split_as_the_daemon_splits_it(void **state)
{
	static const char line[] = "set a \"b c\" d\\ e \"f\\\"g\\n\" \"\"";
	static const char *const want[] = { "set", "a", "b c", "d e", "f\"g\n", "" };
	struct words w;

	(void)state;
	assert_true(words_split(line, 0, sizeof(line) - 1, false, &w));
	assert_int_equal(w.n, 6);
	for (uint32_t i = 0; i < 6; i++)
		assert_string_equal(w.word[i].text, want[i]);
	assert_int_equal(w.word[2].at, 6);
	assert_int_equal(w.word[2].size, 5);
	words_free(&w);
	assert_false(words_split("a \"b", 0, 4, false, &w));
	words_free(&w);
	assert_true(words_split("a ", 0, 2, true, &w));
	assert_int_equal(w.n, 2);
	words_free(&w);
}

static void parts_end_outside_quotes_only(void **state)
{
	static const struct {
		const char *line, *parts;
	} cases[] = {
		{ "a; b|c ;;# d; e", "[a][b!|c ]" },
		{ "a \"; # |\" b", "[a \"; # |\" b]" },
		{ "a#b \\; c", "[a#b \\; c]" },
		{ "  # all", "" },
		{ ";", "" },
		{ "a\\", "[a\\]" },
		{ "", "" },
		{ "|x", "[!|x]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line = cases[i].line;
		struct text t = { 0 };
		struct part p;

		text_put(&t, "");
		for (uint32_t at = 0; part_next(line, at, &p); at = p.end + (line[p.end] == ';')) {
			text_printf(&t, "[%.*s", (int)(p.pipe - p.begin), line + p.begin);
			if (p.pipe < p.end)
				text_printf(&t, "!%.*s", (int)(p.end - p.pipe), line + p.pipe);
			text_put(&t, "]");
		}
		assert_string_equal(t.buf, cases[i].parts);
		free(t.buf);
	}
}

// The pattern that a line is, and what its words are: "pattern: TOKEN=word ..", or "! problem".
static char *understood(const char *line, unsigned modes)
{
	struct text t = { 0 };
	uint8_t label[64];
	struct match m;
	struct words w;
	uint32_t v = 0;

	words_split(line, 0, (uint32_t)strlen(line), false, &w);
	match_words(&m, modes, &w, w.n);
	if (match_end(&m, &v) == NULL) {
		text_printf(&t, "! %s", m.problem.buf);
	} else {
		match_labels(&m, v, m.pattern[v].last, label);
		for (uint32_t i = 0; i < w.n; i++)
			text_printf(&t, "%s%s=%s", i > 0 ? " " : "",
				    m.pattern[v].token[label[i]].text, w.word[i].text);
	}
	match_free(&m);
	words_free(&w);
	return text_take(&t);
}

static void lines_are_understood_by_the_table(void **state)
{
	static const struct {
		const char *line;
		unsigned modes;
		const char *want;
	} cases[] = {
		{ "sh port x", OPERATIONAL, "show=sh port=port PORT=x" },
		{ "show classes", OPERATIONAL, "show=show classes=classes" },
		{ "sh qos vm v", OPERATIONAL, "show=sh qos=qos vm=vm VM=v" },
		{ "show qos vm", OPERATIONAL, "! the line ends too early; expected: VM" },
		{ "capture p -c 4 a -w f b", OPERATIONAL,
		  "capture=capture PORT=p -c=-c COUNT=4 FILTER=a -w=-w FILE=f FILTER=b" },
		{ "commit confirmed comment a b and-quit", CONFIGURE,
		  "commit=commit confirmed=confirmed comment=comment TEXT=a TEXT=b "
		  "and-quit=and-quit" },
		{ "commit conf 90s", CONFIGURE, "commit=commit confirmed=conf MINUTES=90s" },
		{ "commit comment \"and-quit\"", CONFIGURE,
		  "commit=commit comment=comment TEXT=and-quit" },
		{ "commit check", CONFIGURE, "commit=commit check=check" },
		{ "cle co", OPERATIONAL, "clear=cle counters=co" },
		{ "clear counters port port", OPERATIONAL,
		  "clear=clear counters=counters port=port PORT=port" },
		{ "show storage", OPERATIONAL, "show=show storage=storage" },
		{ "show storage vm web1", OPERATIONAL, "show=show storage=storage vm=vm VM=web1" },
		{ "sh po", OPERATIONAL, "! po: could be ports, port, portals" },
		{ "vm web1 boot begin", OPERATIONAL, "vm=vm VM=web1 boot=boot begin=begin" },
		{ "vm start web1 --wait", OPERATIONAL, "vm=vm start=start VM=web1 --wait=--wait" },
		{ "vm web1 start", OPERATIONAL, "vm=vm VM=web1 start=start" },
		{ "vm start start", OPERATIONAL, "vm=vm start=start VM=start" },
		{ "vm list", OPERATIONAL, "vm=vm list=list" },
		{ "vm list stop --force", OPERATIONAL, "vm=vm VM=list stop=stop --force=--force" },
		{ "vm qemu-args m", OPERATIONAL, "vm=vm qemu-args=qemu-args VM=m" },
		{ "vm stop", OPERATIONAL, "! the line ends too early; expected: VM" },
		{ "vm web1 boot", OPERATIONAL,
		  "! the line ends too early; expected: begin, complete" },
		{ "forget portal all", OPERATIONAL, "forget=forget portal=portal all=all" },
		{ "forget portal 10.0.0.1 tcp 3260", OPERATIONAL,
		  "forget=forget portal=portal ADDRESS=10.0.0.1 tcp=tcp NUMBER=3260" },
		{ "forget portal 10.0.0.1", OPERATIONAL,
		  "! the line ends too early; expected: tcp, udp" },
		{ "clear counters port", OPERATIONAL, "! the line ends too early; expected: PORT" },
		{ "clear", OPERATIONAL, "! the line ends too early; expected: counters" },
		{ "compare rollback 1 vm x", CONFIGURE,
		  "compare=compare rollback=rollback NUMBER=1 PATH=vm PATH=x" },
		{ "compare roll", CONFIGURE, "compare=compare PATH=roll" },
		{ "load merge -", CONFIGURE, "load=load merge=merge FILE=-" },
		{ "save f as xml", CONFIGURE, "save=save FILE=f as=as xml=xml" },
		{ "co", CONFIGURE, "! co: could be copy, compare, commit, confirm" },
		{ "up x", CONFIGURE, "! x: not understood here; expected: NUMBER" },
		{ "load merge", CONFIGURE, "! the line ends too early; expected: terminal, FILE" },
		{ "last x", PIPE, "! x: not understood here; expected: NUMBER" },
		{ "display xml", PIPE, "display=display xml=xml" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = understood(cases[i].line, cases[i].modes);

		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

// A command that another hides, or a pattern that cannot be read, would go unnoticed.
static void every_pattern_of_the_table_can_be_typed(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_verbs; i++) {
		struct pattern p;
		uint32_t depth = 0;

		pattern_read(verbs[i].pattern, &p);
		assert_in_range(p.n, 1, TOKENS - 1);
		assert_true(p.token[0].literal);
		assert_int_equal(p.first, 1);
		assert_false(p.nullable);
		assert_true(verbs[i].help[0] != '\0');
		for (const char *c = verbs[i].pattern; *c != '\0'; c++)
			depth += strchr("[(", *c) != NULL ? 1 : strchr("])", *c) != NULL ? -1u : 0;
		assert_int_equal(depth, 0);
		for (uint32_t t = 0; t < p.n; t++) {
			assert_true(p.token[t].literal ||
				    argument_help(p.token[t].text)[0] != '\0');
			if (verbs[i].modes != PIPE)
				assert_true(verbs[i].run != NULL ||
					    (verbs[i].flags & V_PREFIX) != 0);
		}
	}
}

static void a_terminal_gets_no_controls(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain\ttext\n", "plain\ttext\n" },
		{ "Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f" },
		{ "a\033[31mb", "a?[31mb" },
		{ "a\xc2\x9b"
		  "b",
		  "a?b" },
		{ "a\xff\xfe", "a??" },
		{ "a\xe2\x80\xae"
		  "b",
		  "a?b" },
		{ "\r\b\x7f", "???" },
		{ "\xe2\x82\xac", "\xe2\x82\xac" },
		{ "\xe2\x82", "?" },
		{ "\xed\xa0\x80", "?" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct text t = { 0 };

		text_put_clean(&t, cases[i].in, strlen(cases[i].in));
		assert_string_equal(t.buf, cases[i].out);
		free(t.buf);
	}
}

static void words_are_quoted_so_that_they_split_alike(void **state)
{
	static const char *const words[] = {
		"plain-1.0:x", "", "two words", "q\"\\", "|", "#", "a\nb", "Gr\xc3\xbc\xc3\x9f"
	};
	struct text t = { 0 };
	struct words w;

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		text_put_word(&t, words[i]);
		text_put(&t, " ");
	}
	assert_true(words_split(t.buf, 0, (uint32_t)t.size, false, &w));
	assert_int_equal(w.n, sizeof(words) / sizeof(words[0]));
	for (uint32_t i = 0; i < w.n; i++)
		assert_string_equal(w.word[i].text, words[i]);
	words_free(&w);
	free(t.buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_split_as_the_daemon_splits_it),
		cmocka_unit_test(parts_end_outside_quotes_only),
		cmocka_unit_test(lines_are_understood_by_the_table),
		cmocka_unit_test(every_pattern_of_the_table_can_be_typed),
		cmocka_unit_test(a_terminal_gets_no_controls),
		cmocka_unit_test(words_are_quoted_so_that_they_split_alike),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
