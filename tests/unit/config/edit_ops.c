// edit-config: each operation on each kind of node, choices, order, and errors of content.
#include "edit_rig.h"

#include <errno.h>

#include "../../../config/edit_priv.h"

static int edit_setup(void **state)
{
	return edit_open(state, WEIR_YANG_SRC);
}

#define C(inner) "<c xmlns=\"urn:t\">" inner "</c>"

enum { ABSENT, PRESENT };

// RFC 6241 section 7.2 and RFC 7950: a kind of node, absent and present, times the operations.
// "%s" takes the operation's attribute.
static const struct kind {
	const char *name, *node, *plain, *path;
	bool np;
} kinds[] = {
	{ "leaf", "<s%s>x</s>", "<s>x</s>", "/t:c/s", false },
	{ "leaf-list entry", "<ll%s>7</ll>", "<ll>7</ll>", "/t:c/ll[.='7']", false },
	{ "user-ordered leaf-list entry", "<ul%s>7</ul>", "<ul>7</ul>", "/t:c/ul[.='7']", false },
	{ "container", "<np%s><a>1</a></np>", "<np><a>1</a></np>", "/t:c/np", true },
	{ "presence container", "<p%s/>", "<p/>", "/t:c/p", false },
	{ "list entry", "<l%s><k>a</k><j>1</j></l>", "<l><k>a</k><j>1</j></l>",
	  "/t:c/l[k='a'][j='1']", false },
	{ "user-ordered list entry", "<ol%s><k>a</k></ol>", "<ol><k>a</k></ol>", "/t:c/ol[k='a']",
	  false },
	{ "anydata", "<any%s><q xmlns=\"urn:q\">1</q></any>", "<any><q xmlns=\"urn:q\">1</q></any>",
	  "/t:c/any", false },
	{ "leaf of a case", "<ca%s>1</ca>", "<ca>1</ca>", "/t:c/ca", false },
};

static void each_operation_on_each_kind_of_node(void **state)
{
	static const struct {
		const char *op;
		const char *answer[2]; // absent, present
		bool after[2];
	} ops[] = {
		{ "merge", { "ok", "ok" }, { true, true } },
		{ "replace", { "ok", "ok" }, { true, true } },
		{ "create", { "ok", "data-exists" }, { true, true } },
		{ "delete", { "data-missing", "ok" }, { false, false } },
		{ "remove", { "ok", "ok" }, { false, false } },
		{ "none", { "data-missing", "ok" }, { false, true } },
	};
	struct edit_rig *r = *state;
	uint32_t cells = 0;

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (size_t o = 0; o < sizeof(ops) / sizeof(ops[0]); o++) {
			for (int there = ABSENT; there <= PRESENT; there++) {
				bool none = strcmp(ops[o].op, "none") == 0;
				char attr[64] = "", node[256], edit[300], have[300];
				const char *tag;

				if (!none)
					snprintf(attr, sizeof(attr), " nc:operation=\"%s\"",
						 ops[o].op);
				snprintf(node, sizeof(node), kinds[k].node, attr);
				snprintf(edit, sizeof(edit), "<c xmlns=\"urn:t\">%s</c>", node);
				snprintf(have, sizeof(have), "<c xmlns=\"urn:t\"><v>1</v>%s</c>",
					 there ? kinds[k].plain : "");
				edit_have(r, have);
				tag = edit_try(r, none ? "none" : "merge", edit);
				if (strcmp(tag, ops[o].answer[there]) != 0)
					fail_msg("%s, %s, %s: %s %s", kinds[k].name,
						 there ? "present" : "absent", ops[o].op, tag,
						 r->e.message);
				// The child of the container is what is missing there.
				if (strcmp(tag, "ok") != 0 && !(none && kinds[k].np))
					assert_string_equal(r->e.path, kinds[k].path);
				assert_int_equal(strstr(edit_text(r), kinds[k].plain) != NULL,
						 ops[o].after[there]);
				assert_non_null(strstr(edit_text(r), "<v>1</v>"));
				cells++;
			}
		}
	}
	assert_int_equal(cells, 9 * 6 * 2);
}

struct example {
	const char *have, *default_op, *edit, *tag, *after; // after NULL = as before
};

static void run(struct edit_rig *r, const struct example *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *tag;

		edit_have(r, x[i].have);
		tag = edit_try(r, x[i].default_op, x[i].edit);
		if (strcmp(tag, x[i].tag) != 0 ||
		    (x[i].after != NULL && strcmp(edit_text(r), x[i].after) != 0))
			fail_msg("%s\n  onto %s\n  gave %s (%s)\n  %s\n  wanted %s\n  %s",
				 x[i].edit, x[i].have, tag, r->e.message, edit_text(r), x[i].tag,
				 x[i].after == NULL ? "" : x[i].after);
	}
}
#define RUN(r, table) run(r, table, sizeof(table) / sizeof((table)[0]))

static void operations_in_operations(void **state)
{
	static const struct example examples[] = {
		// Replace drops what stands in the node, and only there.
		{ C("<s>1</s><l><k>a</k><j>1</j><v>1</v><w>2</w></l><l><k>b</k><j>1</j></l>"),
		  "merge", C("<l nc:operation=\"replace\"><k>a</k><j>1</j><w>3</w></l>"), "ok",
		  C("<s>1</s><l><k>a</k><j>1</j><w>3</w></l><l><k>b</k><j>1</j></l>") },
		{ C("<s>1</s><u>1</u>"), "replace", C("<u>2</u>"), "ok", C("<u>2</u>") },
		{ C("<s>1</s>"), "replace", "", "ok", "" },
		{ C("<s>1</s>"), "merge", "", "ok", C("<s>1</s>") },
		{ C("<np><a>1</a><b>1</b></np>"), "merge",
		  C("<np nc:operation=\"replace\"><b>2</b></np>"), "ok", C("<np><b>2</b></np>") },
		// Nothing is left to delete in what is replaced.
		{ C("<np><a>1</a></np>"), "merge",
		  C("<np nc:operation=\"replace\"><a nc:operation=\"delete\"/></np>"),
		  "data-missing", NULL },
		{ C("<np><a>1</a></np>"), "merge",
		  C("<np nc:operation=\"replace\"><a nc:operation=\"create\">2</a></np>"), "ok",
		  C("<np><a>2</a></np>") },
		// None, with an operation inside; a container without presence needs not be there.
		{ C("<s>1</s>"), "none", C("<s nc:operation=\"merge\">2</s>"), "ok",
		  C("<s>2</s>") },
		{ "", "none", C("<np><a nc:operation=\"create\">2</a></np>"), "ok",
		  C("<np><a>2</a></np>") },
		{ "", "none", C("<np><a nc:operation=\"remove\"/></np>"), "ok", "" },
		{ "", "none", C("<p><a nc:operation=\"create\">2</a></p>"), "data-missing", NULL },
		{ C("<s>1</s>"), "none", C("<s>2</s>"), "ok", C("<s>1</s>") },
		// Create inherited by what is created.
		{ C("<s>1</s>"), "merge", C("<np nc:operation=\"create\"><a>1</a></np>"), "ok",
		  C("<s>1</s><np><a>1</a></np>") },
		{ C("<np><a>1</a></np>"), "merge", C("<np nc:operation=\"create\"><b>1</b></np>"),
		  "data-exists", NULL },
		{ C("<np/>"), "merge", C("<np nc:operation=\"create\"><b>1</b></np>"), "ok",
		  C("<np><b>1</b></np>") },
		// Deleting: without a value, with another one, with further content.
		{ C("<s>1</s><u>1</u>"), "merge", C("<u nc:operation=\"delete\"/>"), "ok",
		  C("<s>1</s>") },
		{ C("<s>1</s><u>1</u>"), "merge", C("<u nc:operation=\"delete\">9</u>"), "ok",
		  C("<s>1</s>") },
		{ C("<s>1</s><u>1</u>"), "merge", C("<u nc:operation=\"delete\">x</u>"),
		  "invalid-value", NULL },
		{ C("<s>1</s>"), "merge", C("<u nc:operation=\"delete\"/>"), "data-missing", NULL },
		{ C("<s>1</s>"), "merge", C("<u nc:operation=\"remove\"/>"), "ok", C("<s>1</s>") },
		{ C("<ll>1</ll>"), "merge", C("<ll nc:operation=\"delete\"/>"), "invalid-value",
		  NULL },
		{ C("<l><k>a</k><j>1</j><v>1</v></l><s>1</s>"), "merge",
		  C("<l nc:operation=\"delete\"><k>a</k><j>1</j><v>2</v></l>"), "ok",
		  C("<s>1</s>") },
		{ C("<l><k>a</k><j>1</j></l>"), "merge",
		  C("<l nc:operation=\"delete\"><k>a</k><j>1</j><zz>2</zz></l>"), "unknown-element",
		  NULL },
		{ C("<l><k>a</k><j>1</j></l>"), "merge",
		  C("<l nc:operation=\"delete\"><k>a</k><j>1</j><v nc:operation=\"create\">2</v>"
		    "</l>"),
		  "bad-attribute", NULL },
		{ C("<s>1</s>"), "merge",
		  "<c xmlns=\"urn:t\" nc:operation=\"delete\"><ro>1</ro></c>", "unknown-element",
		  NULL },
		{ C("<l><k>a</k><j>1</j></l>"), "merge",
		  C("<l><k nc:operation=\"delete\">a</k><j>1</j></l>"), "bad-attribute", NULL },
		// Anydata is taken whole.
		{ C("<any><q xmlns=\"urn:q\">1</q></any>"), "merge",
		  C("<any><z xmlns=\"urn:q\">2</z></any>"), "ok",
		  C("<any><z xmlns=\"urn:q\">2</z></any>") },
		// At the top.
		{ "<top xmlns=\"urn:t\">1</top>" C("<s>1</s>"), "merge",
		  "<top xmlns=\"urn:t\" nc:operation=\"delete\"/>", "ok", C("<s>1</s>") },
		{ "<top xmlns=\"urn:t\">1</top>", "merge",
		  "<c xmlns=\"urn:t\" nc:operation=\"delete\"/>", "data-missing", NULL },
		{ C("<s>1</s>"), "merge", "<c xmlns=\"urn:t\" nc:operation=\"delete\"/>", "ok",
		  "" },
		// Two documents pasted together; the second fails, the first is not done.
		{ "", "merge", C("<s>1</s>") C("<u>1</u>"), "ok", C("<s>1</s><u>1</u>") },
		{ "", "merge", C("<s>1</s>") C("<u nc:operation=\"delete\">1</u>"), "data-missing",
		  NULL },
	};

	RUN(*state, examples);
}

static void one_case_takes_the_place_of_the_others(void **state)
{
	static const struct example examples[] = {
		{ C("<s>1</s><ca>1</ca><ca2>2</ca2>"), "merge", C("<cb><x>1</x></cb>"), "ok",
		  C("<s>1</s><cb><x>1</x></cb>") },
		{ C("<ca>1</ca>"), "merge", C("<ca2>1</ca2>"), "ok", C("<ca>1</ca><ca2>1</ca2>") },
		{ C("<cl><k>a</k></cl><cl><k>b</k></cl>"), "merge", C("<d1>1</d1>"), "ok",
		  C("<d1>1</d1>") },
		{ C("<d1>1</d1>"), "merge", C("<d2 nc:operation=\"create\">1</d2>"), "ok",
		  C("<d2>1</d2>") },
		{ C("<d1>1</d1>"), "merge", C("<cl><k>b</k></cl><cl><k>c</k></cl>"), "ok",
		  C("<cl><k>b</k></cl><cl><k>c</k></cl>") },
		{ C("<ca>1</ca>"), "merge", C("<ca>1</ca><cb><x>1</x></cb>"), "bad-element", NULL },
		{ C("<ca>1</ca>"), "merge", C("<d1>1</d1><d2>1</d2>"), "bad-element", NULL },
		{ C("<ca>1</ca>"), "merge", C("<ca nc:operation=\"delete\"/><cb><x>1</x></cb>"),
		  "ok", C("<cb><x>1</x></cb>") },
		// Neither deleting nor looking chooses.
		{ C("<ca>1</ca>"), "merge", C("<d1 nc:operation=\"remove\"/>"), "ok",
		  C("<ca>1</ca>") },
		{ C("<ca>1</ca>"), "none", C("<cb><x nc:operation=\"remove\"/></cb>"), "ok",
		  C("<ca>1</ca>") },
		{ C("<ca>1</ca>"), "none", C("<cb><x nc:operation=\"create\">1</x></cb>"), "ok",
		  C("<cb><x>1</x></cb>") },
		// What the refused half had removed is back.
		{ C("<ca>1</ca>"), "merge", C("<d1>1</d1><s nc:operation=\"delete\"/>"),
		  "data-missing", NULL },
	};

	RUN(*state, examples);
}

#define UL(a, b, c) "<ul>" #a "</ul><ul>" #b "</ul><ul>" #c "</ul>"
#define OL(a, b, c) "<ol><k>" #a "</k></ol><ol><k>" #b "</k></ol><ol><k>" #c "</k></ol>"

static void what_the_user_orders_stays_in_order(void **state)
{
	static const struct example examples[] = {
		{ C(UL(1, 2, 3)), "merge", C("<ul>4</ul>"), "ok", C(UL(1, 2, 3) "<ul>4</ul>") },
		{ C(UL(1, 2, 3)), "merge", C("<ul>2</ul>"), "ok", C(UL(1, 2, 3)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul nc:operation=\"replace\">2</ul>"), "ok",
		  C(UL(1, 2, 3)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"first\">4</ul>"), "ok",
		  C("<ul>4</ul>" UL(1, 2, 3)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"first\">3</ul>"), "ok",
		  C(UL(3, 1, 2)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"last\">1</ul>"), "ok",
		  C(UL(2, 3, 1)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"before\" y:value=\"1\">3</ul>"), "ok",
		  C(UL(3, 1, 2)) },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"after\" y:value=\"2\">1</ul>"), "ok",
		  C(UL(2, 1, 3)) },
		{ C(UL(1, 2, 3)), "merge",
		  C("<ul nc:operation=\"replace\" y:insert=\"after\" y:value=\"3\">1</ul>"), "ok",
		  C(UL(2, 3, 1)) },
		{ C(UL(1, 2, 3)), "merge",
		  C("<ul nc:operation=\"create\" y:insert=\"before\" y:value=\"2\">4</ul>"), "ok",
		  C("<ul>1</ul>" UL(4, 2, 3)) },
		{ "", "merge", C("<ul y:insert=\"first\">4</ul>"), "ok", C("<ul>4</ul>") },
		// An anchor that the same edit brought.
		{ "", "merge", C("<ul>4</ul><ul y:insert=\"before\" y:value=\"4\">5</ul>"), "ok",
		  C("<ul>5</ul><ul>4</ul>") },
		{ C(OL(a, b, c)), "merge",
		  C("<ol y:insert=\"before\" y:key=\"[t:k='a']\"><k>c</k><v>1</v></ol>"), "ok",
		  C("<ol><k>c</k><v>1</v></ol><ol><k>a</k></ol><ol><k>b</k></ol>") },
		{ C(OL(a, b, c)), "merge",
		  C("<ol y:insert=\"after\" y:key=\" [ k = &quot;b&quot; ]\"><k>d</k></ol>"),
		  "bad-attribute", NULL },
		{ C(OL(a, b, c)), "merge",
		  C("<ol y:insert=\"after\" y:key=\"[ k = &quot;b&quot; ]\"><k>d</k></ol>"), "ok",
		  C("<ol><k>a</k></ol>" OL(b, d, c)) },
		{ C("<ol><k>a</k><v>1</v></ol><ol><k>b</k></ol>"), "merge",
		  C("<ol nc:operation=\"replace\"><k>a</k></ol>"), "ok",
		  C("<ol><k>a</k></ol><ol><k>b</k></ol>") },
		{ C("<ol><k>a</k><v>1</v></ol><ol><k>b</k></ol>"), "merge",
		  C("<ol nc:operation=\"replace\" y:insert=\"last\"><k>a</k></ol>"), "ok",
		  C("<ol><k>b</k></ol><ol><k>a</k></ol>") },
		{ "<tul xmlns=\"urn:t\">a</tul><tul xmlns=\"urn:t\">b</tul>", "merge",
		  "<tul xmlns=\"urn:t\" y:insert=\"first\">b</tul>", "ok",
		  "<tul xmlns=\"urn:t\">b</tul><tul xmlns=\"urn:t\">a</tul>" },
		{ "<tul xmlns=\"urn:t\">a</tul><tul xmlns=\"urn:t\">b</tul>", "merge",
		  "<tul xmlns=\"urn:t\" y:insert=\"last\">a</tul>", "ok",
		  "<tul xmlns=\"urn:t\">b</tul><tul xmlns=\"urn:t\">a</tul>" },
		// Refused.
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"before\" y:value=\"9\">4</ul>"),
		  "bad-attribute", NULL },
		{ "", "merge", C("<ul y:insert=\"before\" y:value=\"9\">4</ul>"), "bad-attribute",
		  NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"before\" y:value=\"x\">4</ul>"),
		  "bad-attribute", NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"before\" y:value=\"1\">1</ul>"),
		  "bad-attribute", NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"before\">1</ul>"), "missing-attribute",
		  NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:value=\"1\">2</ul>"), "missing-attribute",
		  NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"first\" y:value=\"1\">2</ul>"),
		  "bad-attribute", NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"sideways\">2</ul>"), "bad-attribute",
		  NULL },
		{ C(UL(1, 2, 3)), "merge", C("<ul y:insert=\"after\" y:key=\"[k='1']\">2</ul>"),
		  "unknown-attribute", NULL },
		{ C(UL(1, 2, 3)), "merge",
		  C("<ul nc:operation=\"delete\" y:insert=\"first\">2</ul>"), "bad-attribute",
		  NULL },
		{ C(UL(1, 2, 3)), "none", C("<ul y:insert=\"first\">2</ul>"), "bad-attribute",
		  NULL },
		{ "", "merge", C("<ll y:insert=\"first\">2</ll>"), "unknown-attribute", NULL },
		{ "", "merge", C("<s y:insert=\"first\">2</s>"), "unknown-attribute", NULL },
		{ C(OL(a, b, c)), "merge", C("<ol y:insert=\"after\" y:key=\"b\"><k>d</k></ol>"),
		  "bad-attribute", NULL },
		{ C(OL(a, b, c)), "merge",
		  C("<ol y:insert=\"after\" y:key=\"[v='b']\"><k>d</k></ol>"), "bad-attribute",
		  NULL },
		{ C(OL(a, b, c)), "merge",
		  C("<ol y:insert=\"after\" y:key=\"[k='b\"><k>d</k></ol>"), "bad-attribute",
		  NULL },
	};
	struct edit_rig *r = *state;

	RUN(r, examples);
	edit_have(r, C(UL(1, 2, 3)));
	edit_try(r, "merge", C("<ul y:insert=\"before\" y:value=\"9\">4</ul>"));
	assert_string_equal(r->e.app_tag, "missing-instance");
	assert_string_equal(r->e.value, "9");
	assert_string_equal(r->e.info, "<bad-attribute>value</bad-attribute>"
				       "<bad-element>ul</bad-element>");
	edit_have(r, C(OL(a, b, c)));
	edit_try(r, "merge", C("<ol y:insert=\"before\" y:key=\"[k='x']\"><k>d</k></ol>"));
	assert_string_equal(r->e.app_tag, "missing-instance");
}

static void errors_name_what_is_wrong(void **state)
{
	static const struct {
		const char *edit, *tag, *path, *info, *said;
	} cases[] = {
		{ "<x xmlns=\"urn:none\"/>", "unknown-namespace", "/x",
		  "<bad-element>x</bad-element><bad-namespace>urn:none</bad-namespace>",
		  "\"urn:none\"" },
		{ C("<x xmlns=\"urn:a&amp;b\"/>"), "unknown-namespace", "/t:c/x",
		  "<bad-element>x</bad-element><bad-namespace>urn:a&amp;b</bad-namespace>",
		  "\"urn:a&b\"" },
		{ C("<zz/>"), "unknown-element", "/t:c/zz", "<bad-element>zz</bad-element>",
		  "module t" },
		{ C("<np><s>1</s></np>"), "unknown-element", "/t:c/np/s",
		  "<bad-element>s</bad-element>", "module t" },
		{ C("<ff>1</ff>"), "unknown-element", "/t:c/ff", "<bad-element>ff</bad-element>",
		  "" },
		{ "<zz xmlns=\"urn:t\"/>", "unknown-element", "/t:zz",
		  "<bad-element>zz</bad-element>", "" },
		{ "<act xmlns=\"urn:t\"/>", "unknown-element", "/t:act",
		  "<bad-element>act</bad-element>", "operation" },
		{ C("<l><k>a</k></l>"), "missing-element", "/t:c/l", "<bad-element>j</bad-element>",
		  "\"j\"" },
		{ C("<l/>"), "missing-element", "/t:c/l", "<bad-element>k</bad-element>", "\"k\"" },
		{ C("<l nc:operation=\"delete\"/>"), "missing-element", "/t:c/l",
		  "<bad-element>k</bad-element>", "\"k\"" },
		{ C("<l><k>a</k><j>x</j></l>"), "invalid-value", "/t:c/l/j", "", "\"x\"" },
		{ C("<u>300</u>"), "invalid-value", "/t:c/u", "", "300" },
		{ C("<idr>t:two</idr>"), "invalid-value", "/t:c/idr", "", "t:two" },
		{ C("<l><k>a</k><j>1</j><v><deep/></v></l>"), "unknown-element",
		  "/t:c/l[k='a'][j='1']/v", "<bad-element>deep</bad-element>", "\"v\"" },
		{ C("<ro>1</ro>"), "unknown-element", "/t:c/ro", "<bad-element>ro</bad-element>",
		  "state" },
		{ C("<s>1</s><s>2</s>"), "bad-element", "/t:c/s", "<bad-element>s</bad-element>",
		  "twice" },
		{ C("<l><k>a</k><j>1</j></l><l><k>a</k><j>1</j></l>"), "bad-element",
		  "/t:c/l[k='a'][j='1']", "<bad-element>l</bad-element>", "twice" },
		{ C("<np>text</np>"), "bad-element", "/t:c/np", "<bad-element>np</bad-element>",
		  "\"text\"" },
		{ C("text"), "bad-element", "/t:c", "<bad-element>c</bad-element>", "\"text\"" },
		{ C("<u nc:operation=\"fly\"/>"), "bad-attribute", "/t:c/u",
		  "<bad-attribute>operation</bad-attribute><bad-element>u</bad-element>", "" },
		{ C("<s nc:operation=\"fly\"/>"), "bad-attribute", "/t:c", "", "\"fly\"" },
		{ C("<s t:operation=\"fly\" xmlns:t=\"urn:t\"/>"), "unknown-attribute", "/t:c",
		  "<bad-attribute>t:operation</bad-attribute>", "" },
		{ "<get xmlns=\"" NC "\"/>", "unknown-element", "/ietf-netconf:get",
		  "<bad-element>get</bad-element>", "operation" },
	};
	struct edit_rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *tag;

		edit_have(r, C("<v>1</v>"));
		tag = edit_try(r, "merge", cases[i].edit);
		if (strcmp(tag, cases[i].tag) != 0 || strcmp(r->e.path, cases[i].path) != 0 ||
		    strcmp(r->e.info, cases[i].info) != 0 ||
		    strstr(r->e.message, cases[i].said) == NULL)
			fail_msg("%s: %s %s %s %s", cases[i].edit, tag, r->e.path, r->e.info,
				 r->e.message);
	}
}

static void continue_on_error_is_refused_and_named(void **state)
{
	struct edit_rig *r = *state;

	assert_int_equal(cfg_edit_error_option(NULL, &r->e), 0);
	assert_int_equal(cfg_edit_error_option("stop-on-error", &r->e), 0);
	assert_int_equal(cfg_edit_error_option("rollback-on-error", &r->e), 0);
	assert_int_equal(cfg_edit_error_option("continue-on-error", &r->e), -EINVAL);
	assert_string_equal(r->e.tag, "operation-not-supported");
	assert_non_null(strstr(r->e.message, "continue-on-error"));
}

// A small edit looks at its own part of the configuration, which then is all that it needs.
static void the_part_of_an_edit_is_what_it_names(void **state)
{
	static const struct {
		const char *have, *edit, *part;
		int rc;
	} cases[] = {
		{ C("<s>1</s><u>1</u><l><k>a</k><j>1</j><v>1</v></l><l><k>b</k><j>1</j></l>"),
		  C("<s>2</s><l><k>b</k><j>1</j><v>3</v></l>"),
		  C("<s>1</s><l><k>b</k><j>1</j></l>"), 1 },
		// Enough to see that it is not empty.
		{ C("<np><a>1</a><b>2</b></np><s>1</s>"), C("<np/>"), C("<np><a>1</a></np>"), 1 },
		{ C("<s>1</s>"), C("<zz/>"), C(""), 1 },
		{ C("<s>1</s>"), C("<s>1</s>") C("<u>1</u>"), NULL, 0 },
	};
	struct edit_rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lyd_node *whole, *edit = NULL, *part;

		edit_have(r, cases[i].have);
		whole = r->tree;
		assert_int_equal(lyd_parse_data_mem(r->schema->ctx, cases[i].edit, LYD_XML,
						    LYD_PARSE_ONLY | LYD_PARSE_OPAQ, 0, &edit),
				 LY_SUCCESS);
		assert_int_equal(cfg_edit_part(whole, edit, &part), cases[i].rc);
		r->tree = part;
		if (cases[i].part == NULL)
			assert_null(part);
		else if (strcmp(cases[i].part, C("")) == 0)
			assert_string_equal(edit_text(r), "<c xmlns=\"urn:t\"/>");
		else
			assert_string_equal(edit_text(r), cases[i].part);
		lyd_free_all(part);
		lyd_free_all(edit);
		r->tree = whole;
	}
}

// Sloppy clients: no namespace in <config>, or the rpc's.
static void elements_without_namespace_find_their_module(void **state)
{
	static const struct example examples[] = {
		{ "", "merge", "<only><x>1</x></only>", "ok",
		  "<only xmlns=\"urn:t\"><x>1</x></only>" },
		{ "", "merge", "<only xmlns=\"\"><x>1</x></only>", "ok",
		  "<only xmlns=\"urn:t\"><x>1</x></only>" },
		{ "<only xmlns=\"urn:t\"><x>1</x></only>", "merge",
		  "<only><x nc:operation=\"delete\"/></only>", "ok", "<only xmlns=\"urn:t\"/>" },
		{ "<only xmlns=\"urn:t\"><x>1</x></only>", "merge",
		  "<only nc:operation=\"delete\"/>", "ok", "" },
		{ "", "merge", "<c><idr xmlns:q=\"urn:t\">q:one</idr></c>", "ok",
		  "<c xmlns=\"urn:t\"><idr xmlns:t=\"urn:t\">t:one</idr></c>" },
		{ C("<u>1</u>"), "merge", "<c><u nc:operation=\"delete\"/></c>", "ok",
		  "<c xmlns=\"urn:t\"/>" },
		{ C(UL(1, 2, 3)), "merge", "<c><ul y:insert=\"first\">3</ul></c>", "ok",
		  C(UL(3, 1, 2)) },
		{ "", "merge", "<c><u>300</u></c>", "invalid-value", NULL },
		{ "", "merge", "<c><zz>300</zz></c>", "unknown-element", NULL },
		{ "", "merge", "<c>text</c>", "bad-element", NULL },
		{ "", "merge", "<c><u nc:operation=\"fly\">1</u></c>", "bad-attribute", NULL },
		{ "", "merge", "<c><l><k>1</k></l></c>", "missing-element", NULL },
		{ "", "merge", "<nowhere/>", "unknown-namespace", NULL },
		{ "", "merge", "<nowhere xmlns=\"\"/>", "unknown-namespace", NULL },
		{ "", "merge",
		  "<interfaces><interface><name>a</name>"
		  "<type xmlns:wi=\"urn:weir:params:xml:ns:yang:weir-interfaces\">wi:guest</type>"
		  "<port><vlan>5</vlan></port></interface></interfaces>",
		  "ok", NULL },
	};
	struct edit_rig *r = *state;

	char many[65 * 8 + 1] = "";

	for (uint32_t i = 0; i < 65; i++)
		memcpy(many + 8 * i, "<only/>", 8); // 7 and an end, which the next one covers
	for (uint32_t i = 0; i < 64; i++)
		many[8 * i + 7] = ' ';
	assert_string_equal(edit_try(r, "merge", many), "too-big");
	RUN(r, examples);
	assert_non_null(strstr(edit_text(r), "<port xmlns=\"urn:weir:params:xml:ns:yang:"
					     "weir-interfaces\"><vlan>5</vlan></port>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_operation_on_each_kind_of_node, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(operations_in_operations, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(one_case_takes_the_place_of_the_others, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(what_the_user_orders_stays_in_order, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(errors_name_what_is_wrong, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(continue_on_error_is_refused_and_named, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(the_part_of_an_edit_is_what_it_names, edit_setup,
						edit_teardown),
		cmocka_unit_test_setup_teardown(elements_without_namespace_find_their_module,
						edit_setup, edit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
