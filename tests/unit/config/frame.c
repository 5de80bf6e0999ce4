// NETCONF framing (RFC 6242): messages out of bytes, whatever the pieces.
#include "../unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cfg_frame.h"

struct result {
	int rc;		 // of the last call
	uint32_t n;	 // messages
	char text[4096]; // all of them, each followed by |
};

static struct result feed(const char *bytes, size_t size, size_t piece, bool chunked, size_t max)
{
	struct result r = { 0 };
	struct cfg_frame f;
	size_t used;

	cfg_frame_init(&f, max);
	f.chunked = chunked;
	for (size_t at = 0; at < size && r.rc >= 0;) {
		size_t n = size - at < piece ? size - at : piece;

		r.rc = cfg_frame_take(&f, bytes + at, n, &used);
		at += used;
		if (r.rc == 1) {
			r.n++;
			strcat(r.text, f.msg);
			strcat(r.text, "|");
			assert_int_equal(strlen(f.msg), f.size);
			cfg_frame_next(&f);
		}
	}
	// A stream that broke the rules stays broken.
	if (r.rc < 0)
		assert_int_equal(cfg_frame_take(&f, "\n#1\nx\n##\n", 9, &used), r.rc);
	cfg_frame_fini(&f);
	return r;
}

static void messages_come_out_whole_whatever_the_pieces(void **state)
{
	static const struct {
		const char *bytes, *expected;
		bool chunked;
	} cases[] = {
		{ "<a/>]]>]]><b>x</b>]]>]]>", "<a/>|<b>x</b>|", false },
		{ "]]>]]>", "|", false },
		{ "a]]>]]]>]]>b", "a]]>]|", false },
		{ "<a>]]></a>]]>]]>", "<a>]]></a>|", false },
		{ "\n#4\n<a/>\n##\n\n#1\n<\n#3\nb/>\n##\n", "<a/>|<b/>|", true },
		{ "\n#6\n]]>]]>\n##\n", "]]>]]>|", true },
		{ "\n#12\n\n##\n\n#4\nabcd\n##\n", "\n##\n\n#4\nabcd|", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t piece = 1; piece <= 24; piece++) {
			struct result r = feed(cases[i].bytes, strlen(cases[i].bytes), piece,
					       cases[i].chunked, 1000);

			assert_true(r.rc >= 0);
			assert_string_equal(r.text, cases[i].expected);
		}
	}
}

static void broken_chunks_are_refused(void **state)
{
	static const char *const bad[] = {
		"x",	       "#4\n<a/>\n##\n", "\n4\n",    "\n#\n",		"\n#0\nx",
		"\n#04\n<a/>", "\n#-1\nx",	 "\n#4a\n",  "\n#4294967296\n", "\n#99999999999\n",
		"\n##\n",      "\n#1\nx\n##x",	 "\n#1\nxx", "\n#1\nx#1\nx",	"\n# 1\nx",
		"\n#1 \nx",    "<hello/>]]>]]>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (size_t piece = 1; piece <= 8; piece++)
			assert_int_equal(feed(bad[i], strlen(bad[i]), piece, true, 1000).rc,
					 -EBADMSG);
}

static void too_much_is_refused(void **state)
{
	char big[300];

	(void)state;
	memset(big, 'a', sizeof(big));
	assert_int_equal(feed(big, sizeof(big), 64, false, 256).rc, -EMSGSIZE);
	assert_int_equal(feed("\n#4000000000\naaaaaaaaaaaa", 25, 25, true, 8).rc, -EMSGSIZE);
	assert_int_equal(feed("\n#4\naaaa\n#4\naaaa\n#4\naaaa", 26, 3, true, 8).rc, -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_come_out_whole_whatever_the_pieces),
		cmocka_unit_test(broken_chunks_are_refused),
		cmocka_unit_test(too_much_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
