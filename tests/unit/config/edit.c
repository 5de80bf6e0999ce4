// NETCONF sessions over a store: the matrix of edit-config, locks, commit. Bytes in, bytes out.
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_host.h"

#define NS "xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\""
#define WI "urn:weir:params:xml:ns:yang:weir-interfaces"
#define HELLO                                                                                      \
	"<hello " NS "><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></"  \
	"capabilities></hello>]]>]]>"

struct rig {
	struct cfg_schema *schema;
	struct cfg_store *store;
	struct cfg_session *s[3];
	struct store_host host;
	char reply[65536];
};

static const char *take(struct rig *r, int who)
{
	size_t size;
	const char *out = cfg_session_output(r->s[who], &size);

	assert_true(size < sizeof(r->reply));
	memcpy(r->reply, out, size);
	r->reply[size] = '\0';
	cfg_session_sent(r->s[who], size);
	return r->reply;
}

static const char *ask(struct rig *r, int who, const char *fmt, ...)
{
	char body[4096], text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(body, sizeof(body), fmt, ap);
	va_end(ap);
	n = snprintf(text, sizeof(text),
		     "<rpc " NS
		     " message-id=\"7\" xmlns:x=\"urn:x\" x:mark=\"&lt;\">%s</rpc>]]>]]>",
		     body);
	cfg_session_input(r->s[who], text, (size_t)n);
	return take(r, who);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	const struct cfg_client root = { .user = "root", .recovery = true, .client = "netconf" };
	struct cfg_error err;

	assert_int_equal(cfg_schema_create(WEIR_YANG_SRC, &r->schema, &err), 0);
	assert_int_equal(host_store(&r->host, r->schema, &r->store), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(cfg_session_create(r->store, &root, true, &r->s[i]), 0);
		assert_non_null(strstr(take(r, (int)i), "<session-id>"));
		cfg_session_input(r->s[i], HELLO, strlen(HELLO));
	}
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	for (uint32_t i = 0; i < 3; i++)
		cfg_session_destroy(r->s[i]);
	cfg_store_destroy(r->store);
	host_fini(&r->host);
	cfg_schema_destroy(r->schema);
	free(r);
	return 0;
}

#define EDIT "<edit-config><target><candidate/></target>%s<config>%s</config></edit-config>"
#define IF_NS                                                                                      \
	"xmlns=\"urn:ietf:params:xml:ns:yang:ietf-interfaces\" "                                   \
	"xmlns:wi=\"urn:weir:params:xml:ns:yang:weir-interfaces\" "                                \
	"xmlns:nc=\"urn:ietf:params:xml:ns:netconf:base:1.0\""
#define PORT(op, leaves)                                                                           \
	"<interfaces " IF_NS "><interface" op "><name>a</name><type>wi:guest</type>" leaves        \
	"</interface></interfaces>"
#define LINK                                                                                       \
	"<port "                                                                                   \
	"xmlns=\"urn:weir:params:xml:ns:yang:weir-interfaces\"><socket>/tmp/a.sock</socket></"     \
	"port>"
#define ENTRY(op)                                                                                  \
	"<interfaces " IF_NS "><interface nc:operation=\"" op                                      \
	"\"><name>a</name></interface></interfaces>"
#define LEAF(op)                                                                                   \
	"<interfaces " IF_NS "><interface><name>a</name><description nc:operation=\"" op           \
	"\">x</description></interface></interfaces>"
#define GET "<get-config><source><candidate/></source></get-config>"

// Presence times operation (RFC 6241 section 7.2): what is answered, and is the node there
// afterwards?
static void operations_do_what_the_rfc_says(void **state)
{
	static const struct {
		const char *op;
		bool present;
		const char *answer;
		bool after;
	} cases[] = {
		{ "merge", false, "<ok/>", true },	    { "merge", true, "<ok/>", true },
		{ "replace", false, "<ok/>", true },	    { "replace", true, "<ok/>", true },
		{ "create", false, "<ok/>", true },	    { "create", true, "data-exists", true },
		{ "delete", false, "data-missing", false }, { "delete", true, "<ok/>", false },
		{ "remove", false, "<ok/>", false },	    { "remove", true, "<ok/>", false },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char entry[512], leaf[512];

		// A list entry.
		ask(r, 0, "<discard-changes/>");
		if (cases[i].present)
			assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", "")), "<ok/>"));
		snprintf(entry, sizeof(entry),
			 "<interfaces " IF_NS
			 "><interface nc:operation=\"%s\"><name>a</name></interface></interfaces>",
			 cases[i].op);
		assert_non_null(strstr(ask(r, 0, EDIT, "", entry), cases[i].answer));
		assert_int_equal(strstr(ask(r, 0, GET), "<name>a</name>") != NULL, cases[i].after);
		// A leaf.
		ask(r, 0, "<discard-changes/>");
		assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", "")), "<ok/>"));
		if (cases[i].present)
			assert_non_null(strstr(ask(r, 0, EDIT, "", LEAF("merge")), "<ok/>"));
		snprintf(leaf, sizeof(leaf),
			 "<interfaces " IF_NS "><interface><name>a</name><description "
			 "nc:operation=\"%s\">x</description></interface></interfaces>",
			 cases[i].op);
		assert_non_null(strstr(ask(r, 0, EDIT, "", leaf), cases[i].answer));
		assert_int_equal(strstr(ask(r, 0, GET), "<description>") != NULL, cases[i].after);
	}
}

static void none_and_replace_as_default_operation(void **state)
{
	struct rig *r = *state;

	assert_non_null(
		strstr(ask(r, 0, EDIT, "<default-operation>none</default-operation>", PORT("", "")),
		       "data-missing"));
	assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", LINK)), "<ok/>"));
	assert_non_null(strstr(
		ask(r, 0, EDIT, "<default-operation>none</default-operation>", LEAF("create")),
		"<ok/>"));
	assert_non_null(strstr(ask(r, 0, GET), "/tmp/a.sock"));
	assert_non_null(strstr(
		ask(r, 0, EDIT, "<default-operation>replace</default-operation>", PORT("", "")),
		"<ok/>"));
	assert_null(strstr(ask(r, 0, GET), "/tmp/a.sock"));
}

static void a_refused_edit_changes_nothing(void **state)
{
	struct rig *r = *state;

	assert_non_null(strstr(
		ask(r, 0, EDIT, "",
		    "<interfaces " IF_NS
		    "><interface><name>b</name><type>wi:guest</type></interface>"
		    "<interface nc:operation=\"delete\"><name>c</name></interface></interfaces>"),
		"data-missing"));
	assert_null(strstr(ask(r, 0, GET), "<name>b</name>"));
	assert_non_null(
		strstr(ask(r, 0, EDIT, "", "<nonsense xmlns=\"urn:nonsense\"/>"), "rpc-error"));
	assert_non_null(
		strstr(ask(r, 0, EDIT, "", PORT("", "<enabled>perhaps</enabled>")), "rpc-error"));
	assert_null(strstr(ask(r, 0, GET), "<interfaces"));
}

static void commit_is_all_or_nothing(void **state)
{
	struct rig *r = *state;

	// A guest port without a link is refused by YANG, and named.
	assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", "<port xmlns=\"" WI "\"/>")), "<ok/>"));
	assert_non_null(strstr(ask(r, 0, "<commit/>"), "rpc-error"));
	assert_non_null(strstr(r->reply, "<error-path"));
	assert_int_equal(r->host.n_commits, 0);
	assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", LINK)), "<ok/>"));
	assert_non_null(
		strstr(ask(r, 0, "<validate><source><candidate/></source></validate>"), "<ok/>"));
	r->host.refuse = true;
	assert_non_null(strstr(ask(r, 0, "<commit/>"), "the switch says no"));
	assert_null(strstr(ask(r, 0, "<get-config><source><running/></source></get-config>"),
			   "<name>a</name>"));
	r->host.refuse = false;
	assert_non_null(strstr(ask(r, 0, "<commit/>"), "<ok/>"));
	assert_int_equal(r->host.n_commits, 1);
	assert_non_null(strstr(ask(r, 0, "<get-config><source><running/></source></get-config>"),
			       "<name>a</name>"));
}

static void locks_keep_others_out(void **state)
{
	struct rig *r = *state;

	assert_non_null(strstr(ask(r, 0, "<lock><target><candidate/></target></lock>"), "<ok/>"));
	assert_non_null(
		strstr(ask(r, 1, "<lock><target><candidate/></target></lock>"), "lock-denied"));
	assert_non_null(strstr(ask(r, 1, "<lock><target><candidate/></target></lock>"),
			       "<session-id>1</session-id>"));
	assert_non_null(strstr(ask(r, 1, EDIT, "", PORT("", "")), "in-use"));
	assert_non_null(strstr(ask(r, 1, "<commit/>"), "in-use"));
	assert_non_null(
		strstr(ask(r, 1, "<unlock><target><candidate/></target></unlock>"), "rpc-error"));
	assert_non_null(strstr(ask(r, 0, EDIT, "", PORT("", "")), "<ok/>"));
	// The lock ends with its session, and what it had changed goes with it (RFC 6241 8.3.5.2).
	cfg_session_destroy(r->s[0]);
	r->s[0] = NULL;
	assert_null(strstr(ask(r, 1, GET), "<name>a</name>"));
	assert_non_null(strstr(ask(r, 1, EDIT, "", PORT("", "")), "<ok/>"));
	assert_non_null(strstr(ask(r, 2, "<lock><target><candidate/></target></lock>"),
			       "lock-denied")); // has changes
}

static void replies_carry_what_the_request_carried(void **state)
{
	struct rig *r = *state;
	const char *reply = ask(r, 0, GET);
	char deep[3 * 200 + 1] = "";

	assert_non_null(strstr(reply, "message-id=\"7\""));
	assert_non_null(strstr(reply, "x:mark=\"&lt;\""));
	assert_non_null(strstr(ask(r, 0, "<fly xmlns=\"urn:x\"/>"), "rpc-error"));
	assert_non_null(strstr(ask(r, 0, "<get/>"), "<netconf-state"));
	assert_non_null(
		strstr(ask(r, 0, "<reload xmlns=\"urn:weir:params:xml:ns:yang:weir-operations\"/>"),
		       "operation-not-supported"));
	for (uint32_t i = 0; i < 200; i++)
		memcpy(deep + 3 * i, "<a>", 3);
	assert_non_null(strstr(ask(r, 0, "%s", deep), "too-big"));
	assert_false(cfg_session_ended(r->s[0]));
	assert_non_null(strstr(ask(r, 0, "<close-session/>"), "<ok/>"));
	assert_true(cfg_session_ended(r->s[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(operations_do_what_the_rfc_says, setup, teardown),
		cmocka_unit_test_setup_teardown(none_and_replace_as_default_operation, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refused_edit_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(commit_is_all_or_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(locks_keep_others_out, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_carry_what_the_request_carried, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
