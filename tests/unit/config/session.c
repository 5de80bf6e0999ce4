// Sessions side by side: locks, what ends with a session, startup, notifications, access control.
// Each script is played in XML and in JSON, and comes out the same.
#include "session_rig.h"
#include "words_priv.h"

struct op {
	const char *xml, *json;
};

#define DS(op, ds)                                                                                 \
	{                                                                                          \
		"<" op "><target><" ds "/></target></" op ">",                                     \
			"{\"ietf-netconf:" op "\":{\"target\":{\"" ds "\":[null]}}}"               \
	}
#define READ(ds)                                                                                   \
	{                                                                                          \
		"<get-config><source><" ds "/></source></get-config>",                             \
			"{\"ietf-netconf:get-config\":{\"source\":{\"" ds "\":[null]}}}"           \
	}
#define EDIT(x, j)                                                                                 \
	{                                                                                          \
		"<edit-config><target><candidate/></target><config>" x "</config></edit-config>",  \
			"{\"ietf-netconf:edit-config\":{\"target\":{\"candidate\":[null]},"        \
			"\"config\":{" j "}}}"                                                     \
	}
#define AGEING(n)                                                                                  \
	EDIT(IN_SYSTEM("<mac-ageing>" n "</mac-ageing>"),                                          \
	     "\"weir-system:system\":{\"mac-ageing\":" n "}")
#define PLAIN(op)                                                                                  \
	{                                                                                          \
		"<" op "/>", "{\"ietf-netconf:" op "\":{}}"                                        \
	}

static const struct op lock_c = DS("lock", "candidate"), unlock_c = DS("unlock", "candidate"),
		       lock_r = DS("lock", "running"), unlock_r = DS("unlock", "running"),
		       lock_s = DS("lock", "startup"), unlock_s = DS("unlock", "startup"),
		       delete_startup = DS("delete-config", "startup"),
		       delete_running = DS("delete-config", "running"), get_r = READ("running"),
		       get_c = READ("candidate"), get_s = READ("startup"), edit_30 = AGEING("30"),
		       edit_40 = AGEING("40"), edit_bad = AGEING("5"), commit = PLAIN("commit"),
		       discard = PLAIN("discard-changes"), close_op = PLAIN("close-session"),
		       get = PLAIN("get");
static const struct op confirmed = { "<commit><confirmed/></commit>",
				     "{\"ietf-netconf:commit\":{\"confirmed\":[null]}}" };
static const struct op copy_r_s = {
	"<copy-config><target><startup/></target><source><running/></source></copy-config>",
	"{\"ietf-netconf:copy-config\":{\"target\":{\"startup\":[null]},\"source\":{\"running\":["
	"null]"
	"}}}"
};
static const struct op copy_c_s = {
	"<copy-config><target><startup/></target><source><candidate/></source></copy-config>",
	"{\"ietf-netconf:copy-config\":{\"target\":{\"startup\":[null]},\"source\":{\"candidate\":["
	"null]}}}"
};
static const struct op copy_s_c = {
	"<copy-config><target><candidate/></target><source><startup/></source></copy-config>",
	"{\"ietf-netconf:copy-config\":{\"target\":{\"candidate\":[null]},\"source\":{\"startup\":["
	"null]}}}"
};
static const struct op copy_c_r = {
	"<copy-config><target><running/></target><source><candidate/></source></copy-config>",
	"{\"ietf-netconf:copy-config\":{\"target\":{\"running\":[null]},\"source\":{\"candidate\":["
	"null]}}}"
};
static const struct op copy_inline = {
	"<copy-config><target><candidate/></target><source><config>" IN_SYSTEM(
		"<mac-ageing>60</mac-ageing>") "</config></source></copy-config>",
	"{\"ietf-netconf:copy-config\":{\"target\":{\"candidate\":[null]},\"source\":{\"config\":{"
	"\"weir-system:system\":{\"mac-ageing\":60}}}}}"
};
static const struct op validate_c = {
	"<validate><source><candidate/></source></validate>",
	"{\"ietf-netconf:validate\":{\"source\":{\"candidate\":[null]}}}"
};
static const struct op kill_1 = { "<kill-session><session-id>1</session-id></kill-session>",
				  "{\"ietf-netconf:kill-session\":{\"session-id\":1}}" };
static const struct op kill_2 = { "<kill-session><session-id>2</session-id></kill-session>",
				  "{\"ietf-netconf:kill-session\":{\"session-id\":2}}" };
static const struct op kill_99 = { "<kill-session><session-id>99</session-id></kill-session>",
				   "{\"ietf-netconf:kill-session\":{\"session-id\":99}}" };
static const struct op unknown = { "<no-such-thing/>", "{\"ietf-netconf:no-such-thing\":{}}" };
static const struct op names_twice = EDIT(
	IN_VLANS("<vlan><id>1</id><name>a</name></vlan><vlan><id>2</id><name>a</name></vlan>"),
	"\"weir-vlans:vlans\":{\"vlan\":[{\"id\":1,\"name\":\"a\"},{\"id\":2,\"name\":\"a\"}]}");
static const struct op data_r = {
	"<get-data xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-nmda\" "
	"xmlns:d=\"urn:ietf:params:xml:ns:yang:ietf-datastores\"><datastore>d:running</datastore>"
	"<max-depth>1</max-depth></get-data>",
	"{\"ietf-netconf-nmda:get-data\":{\"datastore\":\"ietf-datastores:running\",\"max-depth\":"
	"1}}"
};
static const struct op all_defaults = { "<get-config><source><running/></source><with-defaults "
					"xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-with-"
					"defaults\">report-all</with-defaults>"
					"</get-config>",
					"{\"ietf-netconf:get-config\":{\"source\":{\"running\":["
					"null]},\"ietf-netconf-with-defaults:"
					"with-defaults\":\"report-all\"}}" };

// A and B are root, U is not. has: in the answer; with ! before it: not in it.
struct step {
	char who;
	const struct op *op; // NULL: `has` says what happens: "end", "refuse", "in time", "late"
	const char *tag, *has;
};

static const struct {
	const char *name;
	struct step steps[16];
} scripts[] = {
	{ "a lock keeps others out",
	  { { 'A', &lock_c, "ok", "" },
	    { 'A', &lock_c, "lock-denied", "1" },
	    { 'B', &lock_c, "lock-denied", "session 1" },
	    { 'B', &edit_30, "in-use", "session 1" },
	    { 'B', &discard, "in-use", "session 1" },
	    { 'B', &commit, "in-use", "session 1" },
	    { 'B', &copy_s_c, "in-use", "session 1" },
	    { 'B', &unlock_c, "operation-failed", "does not hold" },
	    { 'B', &get_c, "ok", "" },
	    { 'A', &edit_30, "ok", "" },
	    { 'A', &commit, "ok", "" },
	    { 'B', &get_r, "ok", "30" },
	    { 'A', &unlock_c, "ok", "" },
	    { 'A', &unlock_c, "operation-failed", "does not hold" },
	    { 'B', &edit_40, "ok", "" } } },
	{ "locks are per datastore",
	  { { 'A', &lock_r, "ok", "" },
	    { 'B', &lock_c, "ok", "" },
	    { 'B', &lock_s, "ok", "" },
	    { 'B', &edit_30, "ok", "" },
	    { 'B', &commit, "in-use", "running is locked by session 1" },
	    { 'A', &commit, "in-use", "candidate is locked by session 2" },
	    { 'A', &copy_r_s, "in-use", "startup is locked by session 2" },
	    { 'A', &unlock_r, "ok", "" },
	    { 'B', &commit, "ok", "" },
	    { 'B', &unlock_s, "ok", "" } } },
	{ "a session's end frees what it held, and discards what it locked",
	  { { 'A', &lock_c, "ok", "" },
	    { 'A', &lock_r, "ok", "" },
	    { 'A', &lock_s, "ok", "" },
	    { 'A', &edit_30, "ok", "" },
	    { 'B', &get_c, "ok", "30" },
	    { 'A', NULL, "", "end" },
	    { 'B', &get_c, "ok", "!30" },
	    { 'B', &lock_c, "ok", "" },
	    { 'B', &lock_r, "ok", "" },
	    { 'B', &lock_s, "ok", "" } } },
	{ "what was not locked stays",
	  { { 'A', &edit_30, "ok", "" }, { 'A', NULL, "", "end" }, { 'B', &get_c, "ok", "30" } } },
	{ "close-session frees at once",
	  { { 'A', &lock_c, "ok", "" },
	    { 'A', &edit_30, "ok", "" },
	    { 'A', &close_op, "ok", "" },
	    { 'B', &lock_c, "ok", "" },
	    { 'B', &get_c, "ok", "!30" } } },
	{ "kill-session frees at once",
	  { { 'A', &lock_c, "ok", "" },
	    { 'A', &edit_30, "ok", "" },
	    { 'B', &kill_2, "invalid-value", "another session" },
	    { 'B', &kill_99, "invalid-value", "no such session" },
	    { 'B', &kill_1, "ok", "" },
	    { 'B', &kill_1, "invalid-value", "no such session" },
	    { 'B', &lock_c, "ok", "" },
	    { 'B', &get_c, "ok", "!30" } } },
	{ "kill-session takes back what waits for the session",
	  { { 'A', &edit_30, "ok", "" },
	    { 'A', &confirmed, "ok", "" },
	    { 'B', &get_r, "ok", "30" },
	    { 'B', &kill_1, "ok", "" },
	    { 'B', &get_r, "ok", "!30" } } },
	{ "a candidate with changes cannot be locked",
	  { { 'A', &edit_30, "ok", "" },
	    { 'B', &lock_c, "lock-denied", "session 1" },
	    { 'A', &lock_c, "lock-denied", "session 1" },
	    { 'A', NULL, "", "end" },
	    { 'B', &lock_c, "lock-denied", "" },
	    { 'B', &discard, "ok", "" },
	    { 'B', &lock_c, "ok", "" },
	    { 'B', &edit_30, "ok", "" },
	    { 'B', &unlock_c, "ok", "" },
	    { 'B', &get_c, "ok", "!30" } } },
	{ "an edit that is refused changes nothing",
	  { { 'A', &edit_bad, "invalid-value", "mac-ageing" },
	    { 'A', &unknown, "operation-not-supported", "" },
	    { 'B', &get_c, "ok", "!ageing" },
	    { 'B', &lock_c, "ok", "" } } },
	{ "what is not valid is not committed, and stays in the candidate",
	  { { 'A', &names_twice, "ok", "" },
	    { 'A', &validate_c, "operation-failed", "vlan" },
	    { 'A', &commit, "operation-failed", "vlan" },
	    { 'A', &confirmed, "operation-failed", "vlan" },
	    { 'B', &get_c, "ok", "name" },
	    { 'B', &get_r, "ok", "!name" },
	    { 'A', NULL, "", "end" },
	    { 'B', &get_r, "ok", "!name" } } },
	{ "what the switch refuses is not committed",
	  { { 'A', &edit_30, "ok", "" },
	    { 'A', NULL, "", "refuse" },
	    { 'A', &commit, "operation-failed", "the switch says no" },
	    { 'A', &confirmed, "operation-failed", "the switch says no" },
	    { 'A', &copy_c_s, "operation-failed", "the switch says no" },
	    { 'B', &get_r, "ok", "!30" },
	    { 'A', NULL, "", "refuse" },
	    { 'A', NULL, "", "late" },
	    { 'B', &get_c, "ok", "30" },
	    { 'A', &commit, "ok", "" },
	    { 'B', &get_s, "ok", "30" } } },
	{ "startup follows running",
	  { { 'A', &edit_30, "ok", "" },
	    { 'A', &commit, "ok", "" },
	    { 'A', &get_s, "ok", "30" },
	    { 'A', &delete_startup, "ok", "" },
	    { 'A', &get_s, "ok", "!30" },
	    { 'A', &get_r, "ok", "30" },
	    { 'A', &copy_s_c, "ok", "" },
	    { 'A', &get_c, "ok", "!30" },
	    { 'A', &discard, "ok", "" },
	    { 'A', &copy_r_s, "ok", "" },
	    { 'A', &get_s, "ok", "30" },
	    { 'A', &edit_40, "ok", "" },
	    { 'A', &copy_c_s, "ok", "" },
	    { 'A', &get_s, "ok", "40" },
	    { 'A', &get_r, "ok", "30" } } },
	{ "startup is what to go back to while a commit waits",
	  { { 'A', &edit_30, "ok", "" },
	    { 'A', &commit, "ok", "" },
	    { 'A', &edit_40, "ok", "" },
	    { 'A', &confirmed, "ok", "" },
	    { 'B', &get_s, "ok", "30" },
	    { 'A', &copy_r_s, "in-use", "waits" },
	    { 'A', &delete_startup, "in-use", "waits" },
	    { 'A', NULL, "", "in time" },
	    { 'B', &get_r, "ok", "40" },
	    { 'A', NULL, "", "late" },
	    { 'B', &get_r, "ok", "30" },
	    { 'B', &get_s, "ok", "30" },
	    { 'A', &commit, "ok", "" } } },
	{ "running is changed by commits only",
	  { { 'A', &delete_running, "", "" },
	    { 'A', &copy_c_r, "unknown-element", "running" },
	    { 'A', &copy_inline, "ok", "" },
	    { 'A', &get_c, "ok", "60" },
	    { 'A', &get_r, "ok", "!60" },
	    { 'B', &commit, "ok", "" },
	    { 'B', &get_r, "ok", "60" },
	    { 'B', &data_r, "ok", "!60" },
	    { 'B', &all_defaults, "ok", "queue-length" },
	    { 'B', &get_r, "ok", "!queue-length" } } },
	{ "who is not root reads, and changes nothing",
	  { { 'U', &get_r, "ok", "" },
	    { 'U', &get, "ok", "" },
	    { 'U', &edit_30, "access-denied", "mac-ageing" },
	    { 'A', &edit_30, "ok", "" },
	    { 'U', &commit, "access-denied", "" },
	    { 'U', &kill_1, "access-denied", "kill-session" },
	    { 'U', &delete_startup, "access-denied", "delete-config" },
	    { 'U', &copy_c_s, "access-denied", "" },
	    { 'U', &copy_inline, "access-denied", "" },
	    { 'A', &commit, "ok", "" },
	    { 'U', &get_r, "ok", "30" } } },
};

static void happen(struct rig *r, struct cfg_session **s, const char *what)
{
	if (strcmp(what, "end") == 0) {
		cfg_session_destroy(*s);
		*s = NULL;
	} else if (strcmp(what, "refuse") == 0) {
		r->host.refuse = !r->host.refuse;
	} else {
		r->host.now_ms += strcmp(what, "late") == 0 ? 601000 : 500000;
		cfg_store_tick(r->store);
		r->host.now_ms -= strcmp(what, "late") == 0 ? 0 : 500000;
	}
}

static void play(const char *name, const struct step *steps, bool xml)
{
	struct cfg_session *s[3];
	struct rig r;

	rig_open(&r);
	s[0] = rig_root(&r, xml);
	s[1] = rig_root(&r, xml);
	s[2] = rig_user(&r, "guest", xml);
	for (uint32_t i = 0; i < 16 && steps[i].who != 0; i++) {
		const struct step *x = &steps[i];
		struct cfg_session **who = &s[x->who == 'U' ? 2 : x->who - 'A'];
		const char *tag;
		bool has;

		if (x->op == NULL) {
			happen(&r, who, x->has);
			continue;
		}
		tag = rig_do(&r, *who, x->op->xml, x->op->json);
		has = strstr(r.text, x->has + (x->has[0] == '!')) != NULL;
		if ((x->tag[0] != '\0' && strcmp(tag, x->tag) != 0) || has == (x->has[0] == '!'))
			fail_msg("%s, %s, step %u: %s should be %s with '%s'\n%s\n%s", name,
				 xml ? "XML" : "JSON", i + 1, tag, x->tag, x->has,
				 xml ? x->op->xml : x->op->json, r.text);
	}
	for (uint32_t i = 0; i < 3; i++)
		cfg_session_destroy(s[i]);
	rig_close(&r);
}

static void scripts_play_alike_in_both_encodings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		play(scripts[i].name, scripts[i].steps, true);
		play(scripts[i].name, scripts[i].steps, false);
	}
}

// --- Things of one encoding

static void a_lock_names_its_owner_for_programs(void **state)
{
	struct cfg_session *a, *b;
	struct rig r;

	(void)state;
	rig_open(&r);
	a = rig_root(&r, true);
	b = rig_root(&r, true);
	rig_xml(&r, a, lock_c.xml);
	rig_xml(&r, b, lock_c.xml);
	assert_non_null(strstr(r.text, "<error-type>protocol</error-type>"));
	assert_non_null(strstr(r.text, "<error-info><session-id>1</session-id></error-info>"));
	// Of a session that has gone there is no number.
	rig_xml(&r, a, unlock_c.xml);
	rig_xml(&r, a, edit_30.xml);
	cfg_session_destroy(a);
	rig_xml(&r, b, lock_c.xml);
	assert_non_null(strstr(r.text, "<error-info><session-id>0</session-id></error-info>"));
	cfg_session_destroy(b);
	rig_close(&r);
}

static void errors_of_json_name_place_value_and_reason(void **state)
{
	static const char *const all[][4] = {
		{ "{\"weir-configuration:edit-line\":{\"line\":\"set system mac-ageing 5\"}}",
		  "\"path\":\"/weir-system:system/mac-ageing\"", "\"value\":\"5\"", "10..1000000" },
		{ "{\"weir-configuration:edit-line\":{\"line\":\"set nowhere\"}}", "\"at\":4",
		  "\"value\":\"nowhere\"", "\"size\":7" },
		{ "{\"ietf-netconf:get-config\":{}}", "get-config", "\"tag\":\"", "\"reason\":\"" },
		{ "{\"weir-configuration:rollback\":{\"number\":51}}", "rollback/number", "51",
		  "\"tag\":\"invalid-value\"" },
		{ "{\"weir-configuration:rollback\":{\"number\":9}}", "data-missing", "commit 9",
		  "kept" },
		{ "{\"weir-configuration:load\":{\"text\":\"{\\\"weir-system:system\\\":{\\\"mac-"
		  "ageing\\\":5}}\"}}",
		  "mac-ageing", "\"5\"", "\"reason\":\"" },
		{ "not json", "\"ok\":false", "\"tag\":\"", "\"reason\":\"" },
		{ "", "\"ok\":false", "\"tag\":\"", "\"reason\":\"" },
		{ "{}", "\"ok\":false", "\"tag\":\"", "\"reason\":\"" },
		{ "[]", "\"ok\":false", "\"tag\":\"", "\"reason\":\"" },
	};
	struct cfg_session *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = rig_root(&r, false);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		rig_json(&r, s, all[i][0]);
		for (int k = 1; k < 4; k++)
			if (strstr(r.text, all[i][k]) == NULL)
				fail_msg("%s: no %s in %s", all[i][0], all[i][k], r.text);
	}
	cfg_session_destroy(s);
	rig_close(&r);
}

static void a_file_that_is_loaded_leaves_the_candidates_changes(void **state)
{
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };
	static const char json[] = "{\"weir-system:system\":{\"max-sleep\":77}}";
	struct cfg_error err;
	struct cfg_session *s;
	struct rig r;

	(void)state;
	rig_open(&r);
	s = rig_root(&r, false);
	assert_string_equal(rig_tag(rig_json(&r, s, edit_30.json)), "ok");
	assert_int_equal(cfg_store_replace(r.store, json, strlen(json), &who, &err), 0);
	rig_json(&r, s, get_c.json);
	assert_non_null(strstr(r.text, "\"mac-ageing\":30"));
	assert_non_null(strstr(r.text, "\"max-sleep\":77"));
	rig_json(&r, s, get_r.json);
	assert_null(strstr(r.text, "mac-ageing"));
	assert_string_equal(rig_tag(rig_json(&r, s, confirmed.json)), "ok");
	assert_int_equal(cfg_store_replace(r.store, "{}", 2, &who, &err), -EINVAL);
	assert_non_null(strstr(err.reason, "waits"));
	cfg_session_destroy(s);
	rig_json(&r, s = rig_root(&r, false), get_r.json);
	assert_non_null(strstr(r.text, "77"));
	assert_null(strstr(r.text, "ageing"));
	cfg_session_destroy(s);
	rig_close(&r);
}

static void load_lines(struct rig *r, struct cfg_session *s, const char *mode, const char *lines)
{
	char request[600];
	int n = snprintf(
		request, sizeof(request),
		"{\"weir-configuration:load\":{\"mode\":\"%s\",\"format\":\"set\",\"text\":\"",
		mode);

	for (const char *p = lines; *p != '\0'; p++)
		n += snprintf(request + n, sizeof(request) - (size_t)n, *p == '\n' ? "\\n" : "%c",
			      *p);
	snprintf(request + n, sizeof(request) - (size_t)n, "\"}}");
	if (strcmp(rig_tag(rig_json(r, s, request)), "ok") != 0)
		fail_msg("%s: %s", request, r->text);
}

static void candidate_is(const struct rig *r, const char *lines)
{
	struct cfg_words_error e;
	char *text = NULL;

	assert_int_equal(cfg_words_print_set(rig_schema, r->store->candidate, NULL, &text, &e), 0);
	assert_string_equal(text, lines);
	free(text);
}

// Lines as sets, in the order of the schema; empty = nothing.
static void changes_are_kept_on_top_of_what_others_committed(void **state)
{
	static const struct {
		const char *before, *lines, *meanwhile, *candidate;
	} all[] = {
		{ "", "set system mac-ageing 30", "set system max-sleep 7",
		  "set system max-sleep 7\nset system mac-ageing 30\n" },
		{ "set system mac-ageing 30", "delete system mac-ageing",
		  "set system mac-ageing 30\nset system max-sleep 7", "set system max-sleep 7\n" },
		{ "set system mac-ageing 30", "set system mac-ageing 31",
		  "set system mac-ageing 32", "set system mac-ageing 31\n" },
		{ "set system mac-ageing 30", "set system mac-ageing 31", "",
		  "set system mac-ageing 31\n" },
		{ "set vlan 1 name a", "set vlan 1 description x", "set vlan 1 name b",
		  "set vlans vlan 1 name b\nset vlans vlan 1 description x\n" },
		{ "set vlan 1 name a", "set vlan 1 description x", "",
		  "set vlans vlan 1 description x\n" },
		{ "set vlan 1 name a\nset vlan 2 name b", "delete vlan 1", "set vlan 1 name c",
		  "" },
		{ "", "set vlan 1 name a", "set vlan 1 description x",
		  "set vlans vlan 1 name a\nset vlans vlan 1 description x\n" },
		{ "set interface p type uplink\nset port p device d", "set port p tap t",
		  "set interface p type uplink\nset port p device e",
		  "set interfaces interface p type uplink\nset interfaces interface p port tap "
		  "t\n" },
		// Places cannot be carried over: it stays as it is.
		{ "set system worker-cpu [ 1 2 ]",
		  "insert system worker-cpu 2 first\nset system "
		  "worker-cpu 3",
		  "set system worker-cpu [ 2 4 ]",
		  "set system worker-cpu 2\nset system worker-cpu 1\nset system worker-cpu 3\n" },
	};
	const struct cfg_commit who = { .user = "root", .client = "file", .comment = "" };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct cfg_session *s;
		struct cfg_error err;
		char *json[2];
		struct rig r;

		rig_open(&r);
		s = rig_root(&r, false);
		for (int k = 0; k < 2; k++) {
			load_lines(&r, s, "replace", k == 0 ? all[i].before : all[i].meanwhile);
			json[k] = cfg_tree_print(r.store->candidate, LYD_JSON, 0);
		}
		rig_json(&r, s, discard.json);
		assert_int_equal(cfg_store_replace(r.store, json[0], strlen(json[0]), &who, &err),
				 0);
		load_lines(&r, s, "merge", all[i].lines);
		assert_int_equal(cfg_store_replace(r.store, json[1], strlen(json[1]), &who, &err),
				 0);
		candidate_is(&r, all[i].candidate);
		free(json[0]);
		free(json[1]);
		cfg_session_destroy(s);
		rig_close(&r);
	}
}

// --- Notifications

#define SUBSCRIBE(filter)                                                                          \
	"<create-subscription xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">" filter   \
	"</create-subscription>"

static void subscribers_hear_what_they_asked_for_and_may(void **state)
{
	struct cfg_session *all, *some, *guest, *deaf, *actor;
	struct rig r;

	(void)state;
	rig_open(&r);
	all = rig_root(&r, true);
	some = rig_root(&r, true);
	guest = rig_user(&r, "guest", true);
	deaf = rig_root(&r, true);
	actor = rig_root(&r, false);
	assert_string_equal(rig_tag(rig_xml(&r, all, SUBSCRIBE(""))), "ok");
	assert_string_equal(rig_tag(rig_xml(&r, all, SUBSCRIBE(""))), "operation-failed");
	assert_string_equal(
		rig_tag(rig_xml(
			&r, some,
			SUBSCRIBE("<filter type=\"subtree\"><vm-event "
				  "xmlns=\"urn:weir:params:xml:ns:yang:weir-events\"/></filter>"))),
		"ok");
	assert_string_equal(rig_tag(rig_xml(&r, guest, SUBSCRIBE(""))), "ok");
	rig_json(&r, actor, edit_30.json);
	assert_string_equal(rig_heard(&r, all), "");
	rig_json(&r, actor, commit.json);
	rig_heard(&r, all);
	assert_non_null(strstr(r.text, "netconf-config-change"));
	assert_non_null(strstr(r.text, "/wsys:system"));
	assert_non_null(strstr(r.text, "<username>root</username>"));
	assert_string_equal(rig_heard(&r, some), "");
	assert_string_equal(rig_heard(&r, deaf), "");
	assert_int_equal(cfg_store_event(r.store, "{\"weir-events:vm-event\":{\"vm\":\"web1\","
						  "\"event\":\"attached\"}}"),
			 0);
	assert_non_null(strstr(rig_heard(&r, all), "vm-event"));
	assert_non_null(strstr(rig_heard(&r, some), "<vm>web1</vm>"));
	assert_string_equal(rig_heard(&r, deaf), "");
	assert_int_equal(cfg_store_event(r.store, "{\"weir-events:no-such\":{}}"), -EINVAL);
	// What waits, goes on, and ends.
	rig_json(&r, actor, edit_40.json);
	rig_json(&r, actor, confirmed.json);
	assert_non_null(strstr(rig_heard(&r, all), "<confirm-event>start</confirm-event>"));
	rig_json(&r, actor, confirmed.json);
	assert_non_null(strstr(rig_heard(&r, all), "<confirm-event>extend</confirm-event>"));
	r.host.now_ms += 601000;
	cfg_store_tick(r.store);
	assert_non_null(strstr(rig_heard(&r, all), "<confirm-event>timeout</confirm-event>"));
	// Sessions that end: why.
	rig_xml(&r, deaf, "<close-session/>");
	rig_heard(&r, all);
	assert_non_null(strstr(r.text, "<termination-reason>closed</termination-reason>"));
	rig_json(&r, actor, "{\"ietf-netconf:kill-session\":{\"session-id\":2}}");
	rig_heard(&r, all);
	assert_non_null(strstr(r.text, "<termination-reason>killed</termination-reason>"));
	assert_non_null(strstr(r.text, "<killed-by>5</killed-by>"));
	cfg_session_destroy(guest);
	rig_heard(&r, all);
	assert_non_null(strstr(r.text, "<termination-reason>dropped</termination-reason>"));
	cfg_session_destroy(deaf);
	cfg_session_destroy(some);
	cfg_session_destroy(actor);
	assert_string_equal(rig_heard(&r, all), ""); // each was told of once
	cfg_session_destroy(all);
	rig_close(&r);
}

static void a_subscriber_that_does_not_read_is_cut(void **state)
{
	char event[9000], name[8001];
	struct cfg_session *slow, *other;
	struct rig r;
	size_t size;

	(void)state;
	rig_open(&r);
	slow = rig_root(&r, true);
	other = rig_root(&r, true);
	rig_xml(&r, slow, SUBSCRIBE(""));
	rig_xml(&r, other, SUBSCRIBE(""));
	memset(name, 'v', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(event, sizeof(event), "{\"weir-events:vm-event\":{\"vm\":\"%s\",\"event\":\"x\"}}",
		 name);
	for (int i = 0; i < 5000 && !cfg_session_ended(slow); i++) {
		assert_int_equal(cfg_store_event(r.store, event), 0);
		rig_heard(&r, other);
	}
	assert_true(cfg_session_ended(slow));
	assert_false(cfg_session_ended(other));
	(void)cfg_session_output(slow, &size);
	assert_in_range(size, 1 << 20, 20 << 20);
	cfg_session_destroy(slow);
	cfg_session_destroy(other);
	rig_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripts_play_alike_in_both_encodings),
		cmocka_unit_test(a_lock_names_its_owner_for_programs),
		cmocka_unit_test(errors_of_json_name_place_value_and_reason),
		cmocka_unit_test(a_file_that_is_loaded_leaves_the_candidates_changes),
		cmocka_unit_test(changes_are_kept_on_top_of_what_others_committed),
		cmocka_unit_test(subscribers_hear_what_they_asked_for_and_may),
		cmocka_unit_test(a_subscriber_that_does_not_read_is_cut),
	};
	int failed;

	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
