// What a review of the datastores and their operations found, each as the client would see it:
// what access control must not tell, what must not get lost, what a reply must not contain.
#include "session_rig.h"

#define VLAN(id, leaves) "{\"id\":" id "," leaves "}"
#define RULE(name, more) "{\"name\":\"" name "\"," more "}"
// Members of "limited" may write and read everything but VLAN 66.
#define HIDES_66                                                                                   \
	"{\"ietf-netconf-acm:nacm\":{\"write-default\":\"permit\",\"rule-list\":[{\"name\":\"l\"," \
	"\"group\":[\"limited\"],\"rule\":[" RULE(                                                 \
		"hide",                                                                            \
		"\"path\":\"/weir-vlans:vlans/vlan[id='66']\",\"access-operations\":"              \
		"\"read\",\"action\":\"deny\"") "]}]},\"weir-vlans:vlans\":{\"vlan\":"             \
						"[" VLAN("66",                                     \
							 "\"description\":\"the "                  \
							 "vault\"") "," VLAN("7", "\"des"          \
										  "cript"          \
										  "ion\""          \
										  ":\"op"          \
										  "en\"") "]}}"

#define EDIT_OP "<edit-config><target><candidate/></target>"
#define EDIT(x) EDIT_OP "<config>" x "</config></edit-config>"
#define ONE_VLAN(id, leaves) IN_VLANS("<vlan><id>" id "</id>" leaves "</vlan>")
#define LINE(x) "{\"weir-configuration:edit-line\":{\"line\":\"" x "\"}}"
#define SHOW                                                                                       \
	"{\"weir-configuration:show-configuration\":{\"source\":\"candidate\",\"format\":\"set\"}" \
	"}"

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

static void runs(struct rig *r, const char *json)
{
	struct cfg_error err;

	assert_int_equal(cfg_store_load(r->store, json, strlen(json), &err), 0);
}

static struct cfg_session *limited(struct rig *r, bool xml)
{
	const char *const groups[] = { "limited" };
	const struct cfg_client who = {
		.user = "eve", .groups = groups, .n_groups = 1, .client = xml ? "netconf" : "cli"
	};

	return rig_client(r, &who, xml);
}

static void ok(struct rig *r, struct cfg_session *s, const char *body)
{
	const char *answer = rig_xml(r, s, body);

	if (strcmp(rig_tag(answer), "ok") != 0)
		fail_msg("%s: %s", body, answer);
}

static void has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no %s in: %s", part, text);
}

static void has_not(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("%s in: %s", part, text);
}

static void a_plan_tells_only_who_may_read_what_changes(void **state)
{
	static const char plan[] = "{\"weir-configuration:plan\":{}}";
	struct rig *r = *state;
	struct cfg_session *root, *eve;

	runs(r, HIDES_66);
	root = rig_root(r, true);
	eve = limited(r, false);
	ok(r, root, EDIT(ONE_VLAN("7", "<name>seven</name>")));
	assert_string_equal(rig_tag(rig_json(r, eve, plan)), "ok");
	ok(r, root, EDIT(ONE_VLAN("66", "<name>vault</name>")));
	assert_string_equal(rig_tag(rig_json(r, eve, plan)), "access-denied");
	has_not(r->text, "66");
	cfg_session_destroy(root);
	cfg_session_destroy(eve);
}

static void a_copy_does_not_carry_out_what_is_hidden(void **state)
{
	static const char *const lines[] = { "copy vlan 66 to 67", "rename vlan 66 to 67" };
	struct rig *r = *state;
	struct cfg_session *eve;

	runs(r, HIDES_66);
	eve = limited(r, false);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char request[256];

		snprintf(request, sizeof(request), LINE("%s"), lines[i]);
		assert_string_not_equal(rig_tag(rig_json(r, eve, request)), "ok");
		snprintf(request, sizeof(request),
			 "{\"weir-configuration:load\":{\"format\":\"set\",\"text\":\"%s\"}}",
			 lines[i]);
		assert_string_not_equal(rig_tag(rig_json(r, eve, request)), "ok");
		has_not(rig_json(r, eve, SHOW), "vault");
	}
	assert_string_equal(rig_tag(rig_json(r, eve, LINE("copy vlan 7 to 8"))), "ok");
	assert_string_equal(rig_tag(rig_json(r, eve, LINE("rename vlan 8 to 9"))), "ok");
	has(rig_json(r, eve, SHOW), "vlan 9 description open");
	cfg_session_destroy(eve);
}

// Who may not write is told that, before validation says what else is there.
static void access_is_asked_before_validation(void **state)
{
	static const char *const options[] = { "test-only", "test-then-set" };
	struct rig *r = *state;
	struct cfg_session *bob;

	runs(r, "{\"weir-vlans:vlans\":{\"vlan\":[{\"id\":66,\"name\":\"vault\"}]}}");
	bob = rig_user(r, "bob", true); // reads, but does not write
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		char body[512];

		snprintf(body, sizeof(body),
			 EDIT_OP "<test-option>%s</test-option><config>%s</config></edit-config>",
			 options[i], ONE_VLAN("7", "<name>vault</name>"));
		assert_string_equal(rig_tag(rig_xml(r, bob, body)), "access-denied");
	}
	cfg_session_destroy(bob);
}

static void a_hidden_value_is_not_in_an_error(void **state)
{
	struct rig *r = *state;
	struct cfg_session *root, *eve;

	runs(r, HIDES_66);
	root = rig_root(r, true);
	eve = limited(r, true);
	ok(r, root, EDIT(ONE_VLAN("66", "<name>same</name>")));
	ok(r, root, EDIT(ONE_VLAN("7", "<name>same</name>")));
	assert_string_equal(
		rig_tag(rig_xml(r, eve, "<validate><source><candidate/></source></validate>")),
		"operation-failed");
	has_not(r->text, "66");
	cfg_session_destroy(root);
	cfg_session_destroy(eve);
}

static void a_change_is_told_as_far_as_it_may_be_read(void **state)
{
	static const char subscribe[] =
		"<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"/>";
	struct rig *r = *state;
	struct cfg_session *root, *eve;

	runs(r, HIDES_66);
	root = rig_root(r, true);
	eve = limited(r, true);
	ok(r, eve, subscribe);
	ok(r, root, EDIT(ONE_VLAN("66", "<name>vault</name>")));
	ok(r, root, "<commit/>");
	has_not(rig_heard(r, eve), "66");
	ok(r, root, EDIT(ONE_VLAN("66", "<name>vault2</name>")));
	ok(r, root, EDIT(ONE_VLAN("7", "<name>seven</name>")));
	ok(r, root, "<commit/>");
	has(rig_heard(r, eve), "wvlan:vlan[wvlan:id='7']/wvlan:name");
	has_not(r->text, "66");
	cfg_session_destroy(root);
	cfg_session_destroy(eve);
}

// A persist-id is what lets another session confirm: it is for who chose it, and for root.
static void a_persist_id_is_not_for_all(void **state)
{
	static const char status[] = "{\"weir-configuration:status\":{}}";
	struct rig *r = *state;
	struct cfg_session *root, *cli, *eve;

	runs(r, HIDES_66);
	root = rig_root(r, true);
	cli = rig_root(r, false);
	eve = limited(r, false);
	ok(r, root, "<commit><confirmed/><persist>sesame</persist></commit>");
	has(rig_json(r, cli, status), "sesame");
	has(rig_json(r, eve, status), "confirm-seconds");
	has_not(r->text, "sesame");
	cfg_session_destroy(root);
	cfg_session_destroy(cli);
	cfg_session_destroy(eve);
}

// RFC 6241 section 7.5: a lock keeps out all others, whatever they use.
static void a_file_is_not_loaded_over_a_lock(void **state)
{
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	struct cfg_error err = { 0 };
	static const char next[] = "{\"weir-system:system\":{\"mac-ageing\":60}}";

	ok(r, s, "<lock><target><running/></target></lock>");
	assert_int_equal(cfg_store_replace(r->store, next, strlen(next), &who, &err), -EINVAL);
	has(err.reason, "locked by session");
	ok(r, s, "<unlock><target><running/></target></unlock>");
	assert_int_equal(cfg_store_replace(r->store, next, strlen(next), &who, &err), 0);
	cfg_session_destroy(s);
}

// RFC 6241 section 7.3
static void a_copy_onto_itself_is_refused(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);

	assert_string_equal(rig_tag(rig_xml(r, s,
					    "<copy-config><target><candidate/></target><source>"
					    "<candidate/></source></copy-config>")),
			    "invalid-value");
	cfg_session_destroy(s);
}

// RFC 6241 section 8.1
static void a_hello_with_a_session_id_ends_it(void **state)
{
	static const char hello[] = "<hello xmlns=\"" NC_NS "\"><capabilities><capability>" NC_1_0
				    "</capability></capabilities><session-id>4</session-id>"
				    "</hello>]]>]]>";
	const struct cfg_client root = { .user = "root", .recovery = true, .client = "netconf" };
	struct rig *r = *state;
	struct cfg_session *s;

	assert_int_equal(cfg_session_create(r->store, &root, true, &s), 0);
	cfg_session_input(s, hello, strlen(hello));
	assert_true(cfg_session_ended(s));
	assert_int_equal(r->store->count.bad_hellos, 1);
	cfg_session_destroy(s);
}

static void session_ids_wrap_around_zero_and_each_other(void **state)
{
	struct rig *r = *state;
	struct cfg_session *first = rig_root(r, false), *next;

	r->store->last_id = UINT32_MAX;
	next = rig_root(r, false);
	assert_int_not_equal(cfg_session_id(next), 0);
	assert_int_not_equal(cfg_session_id(next), cfg_session_id(first));
	cfg_session_destroy(first);
	cfg_session_destroy(next);
	assert_null(r->store->sessions);
}

// The example of RFC 6241 section 4.1: a reply that uses a prefix declares it.
static void attributes_go_back_as_they_came(void **state)
{
	static const char rpc[] =
		"<rpc message-id=\"a&#10;b\" xmlns=\"" NC_NS "\" xmlns:ex=\"http://example.net/\" "
		"ex:user-id=\"fred\"><validate><source><running/></source></validate></rpc>]]>]]>";
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);

	cfg_session_input(s, rpc, strlen(rpc));
	has(rig_heard(r, s), "xmlns:ex=\"http://example.net/\"");
	has(r->text, "ex:user-id=\"fred\"");
	has(r->text, "message-id=\"a&#10;b\"");
	cfg_session_destroy(s);
}

static bool is_utf8(const char *p)
{
	for (; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;
		int more = c < 0x80 ? 0 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : -1;

		if (more < 0)
			return false;
		while (more-- > 0)
			if (((unsigned char)*++p & 0xc0) != 0x80)
				return false;
	}
	return true;
}

// A value is cut to fit an error; half a character would be no XML any more, and no JSON.
static void an_error_is_never_cut_inside_a_character(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true), *cli = rig_root(r, false);

	for (int shift = 0; shift < 3; shift++) {
		char body[2048] = "<cancel-commit><persist-id>", line[2048];

		for (int i = 0; i < shift; i++)
			strcat(body, "x");
		for (int i = 0; i < 200; i++)
			strcat(body, "€");
		strcat(body, "</persist-id></cancel-commit>");
		ok(r, s, "<commit><confirmed/><persist>p</persist></commit>");
		assert_string_equal(rig_tag(rig_xml(r, s, body)), "invalid-value");
		assert_true(is_utf8(r->text));
		snprintf(line, sizeof(line),
			 "{\"ietf-netconf:cancel-commit\":{\"persist-id\":\"%.*s€\"}}", shift,
			 "xxx");
		has(rig_json(r, cli, line), "€");
		ok(r, s, "<cancel-commit><persist-id>p</persist-id></cancel-commit>");
	}
	cfg_session_destroy(s);
	cfg_session_destroy(cli);
}

// What was rolled back is not in the candidate any more, whatever else stands there.
static void a_candidate_follows_a_roll_back(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);

	runs(r, "{}");
	ok(r, s,
	   EDIT(ONE_VLAN("7", "<name>seven</name>") IN_SYSTEM("<mac-ageing>60</mac-ageing>")));
	ok(r, s, "<commit><confirmed/></commit>");
	// One change inside of what will be gone, one elsewhere.
	ok(r, s, EDIT(ONE_VLAN("7", "<description>mine</description>")));
	ok(r, s, EDIT(ONE_VLAN("8", "<name>eight</name>")));
	ok(r, s, EDIT(IN_SYSTEM("<mac-ageing>90</mac-ageing>")));
	ok(r, s, "<cancel-commit/>");
	rig_xml(r, s, "<get-config><source><candidate/></source></get-config>");
	has_not(r->text, "seven");
	has(r->text, "mine"); // nobody's work is thrown away: compare shows it
	has(r->text, "eight");
	has(r->text, "<mac-ageing>90</mac-ageing>");
	cfg_session_destroy(s);
}

// A change of a candidate that a file brings as well is not a conflict.
static void a_candidate_follows_a_file_that_says_the_same(void **state)
{
	static const char next[] =
		"{\"weir-system:system\":{\"mac-ageing\":60,\"max-sleep\":50},"
		"\"weir-vlans:vlans\":{\"vlan\":[{\"id\":7,\"name\":\"seven\"}]}}";
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	struct cfg_error err = { 0 };

	runs(r, "{\"weir-system:system\":{\"mac-ageing\":30}}");
	ok(r, s,
	   EDIT(ONE_VLAN("7", "<name>seven</name>") IN_SYSTEM("<mac-ageing>60</mac-ageing>")));
	assert_int_equal(cfg_store_replace(r->store, next, strlen(next), &who, &err), 0);
	rig_xml(r, s, "<get-config><source><candidate/></source></get-config>");
	has(r->text, "<max-sleep>50</max-sleep>");
	assert_null(strstr(strstr(r->text, "<id>7</id>") + 1, "<id>7</id>"));
	assert_null(strstr(strstr(r->text, "<id>7</id>") + 1, "<id>7</id>"));
	cfg_session_destroy(s);
}

// An entry that both have brought is there once, with what both said.
static void a_candidate_and_a_file_add_the_same_entry(void **state)
{
	static const char next[] = "{\"weir-vlans:vlans\":{\"vlan\":[{\"id\":7,\"name\":\"seven\"},"
				   "{\"id\":9}]}}";
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	struct cfg_error err = { 0 };

	ok(r, s, EDIT(ONE_VLAN("7", "<description>mine</description>")));
	assert_int_equal(cfg_store_replace(r->store, next, strlen(next), &who, &err), 0);
	rig_xml(r, s, "<get-config><source><candidate/></source></get-config>");
	has(r->text, "<id>9</id>");
	has(r->text, "<name>seven</name>");
	has(r->text, "mine");
	assert_null(strstr(strstr(r->text, "<id>7</id>") + 1, "<id>7</id>"));
	cfg_session_destroy(s);
}

// The order of access rules is their meaning: a rule that was moved stays where it was moved to.
static void a_moved_entry_stays_moved(void **state)
{
#define NACM_OF(rules)                                                                             \
	"<nacm xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-acm\" "                            \
	"xmlns:yang=\"urn:ietf:params:xml:ns:yang:1\"><rule-list><name>l</name>" rules             \
	"</rule-list></nacm>"
#define RULE_OF(name, more)                                                                        \
	"<rule" more "><name>" name                                                                \
	"</name><module-name>*</module-name><action>deny</action></rule>"
	static const char next[] =
		"{\"weir-system:system\":{\"max-sleep\":50,\"mac-ageing\":30},\"ietf-netconf-acm:"
		"nacm\":{"
		"\"rule-list\":[{\"name\":\"l\",\"rule\":[" RULE(
			"a",
			"\"module-name\":\"*\",\"action\":"
			"\"deny\"") "," RULE("b",
					     "\"module-name\":\"*\",\"action\":\"deny\"") "]}]}}";
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	struct cfg_error err = { 0 };
	char *a, *b;

	ok(r, s,
	   EDIT(NACM_OF(RULE_OF("a", "") RULE_OF("b", ""))
			IN_SYSTEM("<mac-ageing>30</mac-ageing>")));
	ok(r, s, "<commit/>");
	ok(r, s,
	   EDIT(NACM_OF(RULE_OF("b", " yang:insert=\"first\""))
			IN_SYSTEM("<mac-ageing>60</mac-ageing>")));
	assert_int_equal(cfg_store_replace(r->store, next, strlen(next), &who, &err), 0);
	rig_xml(r, s, "<get-config><source><candidate/></source></get-config>");
	has(r->text, "<max-sleep>50</max-sleep>");
	has(r->text, "<mac-ageing>60</mac-ageing>");
	a = strstr(r->text, "<name>a</name>");
	b = strstr(r->text, "<name>b</name>");
	assert_true(a != NULL && b != NULL && b < a);
	cfg_session_destroy(s);
}

// RFC 6241 8.4.1: back to what ran before, not to what the next start would have loaded.
static void the_way_back_is_what_ran(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);

	ok(r, s, EDIT(ONE_VLAN("7", "<name>seven</name>")));
	ok(r, s, "<commit/>");
	ok(r, s, "<delete-config><target><startup/></target></delete-config>");
	ok(r, s, EDIT(ONE_VLAN("8", "<name>eight</name>")));
	ok(r, s, "<commit><confirmed/><persist>p</persist></commit>");
	// The host goes back to the commit before, when it was killed meanwhile.
	has(r->host.json[1], "seven");
	cfg_session_destroy(s);
}

static void a_filter_that_selects_nothing_ever_is_refused(void **state)
{
	static const char subscribe[] =
		"<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">"
		"<filter type=\"xpath\" select=\"1 + 1\"/></create-subscription>";
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);

	assert_string_not_equal(rig_tag(rig_xml(r, s, subscribe)), "ok");
	cfg_session_destroy(s);
}

// The module counts characters, the history bytes.
static void a_comment_is_kept_whole_or_refused(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	char body[1024] = "<commit><comment "
			  "xmlns=\"urn:weir:params:xml:ns:yang:weir-configuration\">x";
	size_t at = strlen(body);

	for (int i = 0; i < 84; i++)
		strcat(body, "€");
	strcat(body, "</comment></commit>");
	ok(r, s, EDIT(ONE_VLAN("7", "<name>seven</name>")));
	ok(r, s, body);
	assert_int_equal(strlen(r->host.head[0].comment), 253);
	body[at] = '\0';
	for (int i = 0; i < 85; i++)
		strcat(body, "€");
	strcat(body, "</comment></commit>");
	ok(r, s, EDIT(ONE_VLAN("7", "<name>eight</name>")));
	assert_string_equal(rig_tag(rig_xml(r, s, body)), "invalid-value");
	cfg_session_destroy(s);
}

static void out_of_range_times_are_still_text(void **state)
{
	char text[32];

	(void)state;
	cfg_time_text(UINT64_MAX, text);
	assert_true(strlen(text) < sizeof(text));
	cfg_time_text(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plan_tells_only_who_may_read_what_changes),
		TEST(a_copy_does_not_carry_out_what_is_hidden),
		TEST(access_is_asked_before_validation),
		TEST(a_hidden_value_is_not_in_an_error),
		TEST(a_change_is_told_as_far_as_it_may_be_read),
		TEST(a_persist_id_is_not_for_all),
		TEST(a_file_is_not_loaded_over_a_lock),
		TEST(a_copy_onto_itself_is_refused),
		TEST(a_hello_with_a_session_id_ends_it),
		TEST(session_ids_wrap_around_zero_and_each_other),
		TEST(attributes_go_back_as_they_came),
		TEST(an_error_is_never_cut_inside_a_character),
		TEST(a_candidate_follows_a_roll_back),
		TEST(a_candidate_follows_a_file_that_says_the_same),
		TEST(a_candidate_and_a_file_add_the_same_entry),
		TEST(a_moved_entry_stays_moved),
		TEST(the_way_back_is_what_ran),
		TEST(a_filter_that_selects_nothing_ever_is_refused),
		TEST(a_comment_is_kept_whole_or_refused),
		TEST(out_of_range_times_are_still_text),
	};

	int failed;

	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
