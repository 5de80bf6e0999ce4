// What was found with clients that were not written here (tests/smoke/netconf_clients.sh): how
// ncclient writes its requests, and what a user whom access control holds back could learn from the
// answers.
#include "session_rig.h"

#define VMS(x) "<vms xmlns=\"urn:weir:params:xml:ns:yang:weir-vm\">" x "</vms>"
#define STORAGE(x) "<storage xmlns=\"urn:weir:params:xml:ns:yang:weir-qos\">" x "</storage>"
#define OP(o) " xmlns:nc=\"" NC_NS "\" nc:operation=\"" o "\""
#define EDIT(x) "<edit-config><target><candidate/></target><config>" x "</config></edit-config>"
#define GET(ds) "<get-config><source><" ds "/></source></get-config>"
#define RULE(name, body, ops, action)                                                              \
	"<rule><name>" name "</name>" body "<access-operations>" ops                               \
	"</access-operations><action>" action "</action></rule>"

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

// A message as it stands, not wrapped.
static const char *raw(struct rig *r, struct cfg_session *s, const char *text)
{
	cfg_session_input(s, text, strlen(text));
	cfg_session_input(s, "]]>]]>", 6);
	return rig_heard(r, s);
}

static void requests_of_ncclient_are_understood(void **state)
{
	static const char *const requests[] = {
		"<nc:rpc xmlns:nc=\"" NC_NS "\" message-id=\"1\"><ncm:get-schema "
		"xmlns:ncm=\"urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring\">"
		"<ncm:identifier>weir-vlans</ncm:identifier><ncm:format>yang</ncm:format></"
		"ncm:get-schema></nc:rpc>",
		"<nc:rpc xmlns:nc=\"" NC_NS
		"\" message-id=\"2\"><nc:edit-config><nc:target><nc:candidate/></nc:target>"
		"<config><vlans><vlan><id>7</id></vlan></vlans></config></nc:edit-config></nc:rpc>",
		"<nc:rpc xmlns:nc=\"" NC_NS "\" message-id=\"3\"><x:create-subscription "
		"xmlns:x=\"urn:ietf:params:xml:ns:netconf:notification:1.0\">"
		"<nc:filter xmlns:n=\"urn:ietf:params:xml:ns:yang:ietf-netconf-notifications\" "
		"type=\"xpath\" "
		"select=\"/n:netconf-session-end\"/></x:create-subscription></nc:rpc>",
	};
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true), *other;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		assert_string_equal(rig_tag(raw(r, s, requests[i])), "ok");
	assert_non_null(strstr(rig_xml(r, s, GET("candidate")), "<id>7</id>"));
	// The filter is at work, prefix and all.
	other = rig_root(r, true);
	assert_string_equal(rig_heard(r, s), "");
	cfg_session_destroy(other);
	assert_non_null(strstr(rig_heard(r, s), "<netconf-session-end"));
	cfg_session_destroy(s);
}

static void what_is_wrong_elsewhere_stays_refused(void **state)
{
	static const char sub[] = "xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"";
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true);
	char text[512];

	snprintf(text, sizeof(text), "<create-subscription %s><sieve/></create-subscription>", sub);
	assert_string_equal(rig_tag(rig_xml(r, s, text)), "unknown-element");
	snprintf(text, sizeof(text),
		 "<create-subscription %s><filter xmlns=\"" NC_NS
		 "\" type=\"xpath\" select=\"/n:x\"/></create-subscription>",
		 sub);
	assert_string_not_equal(rig_tag(rig_xml(r, s, text)), "ok");
	assert_string_not_equal(rig_tag(rig_xml(r, s, "<create-subscription/>")), "ok");
	assert_false(cfg_session_ended(s));
	cfg_session_destroy(s);
}

static void subscribers_hear_why_a_session_ended(void **state)
{
	struct rig *r = *state;
	struct cfg_session *s = rig_root(r, true), *x;
	char text[64], by[64];

	assert_string_equal(
		rig_tag(rig_xml(r, s,
				"<create-subscription "
				"xmlns=\"urn:ietf:params:xml:ns:netconf:notification:1.0\"/>")),
		"ok");
	x = rig_root(r, true);
	snprintf(text, sizeof(text), "<kill-session><session-id>%u</session-id></kill-session>",
		 cfg_session_id(x));
	snprintf(by, sizeof(by), "<killed-by>%u</killed-by>", cfg_session_id(s));
	// Told at once, beside the answer.
	assert_non_null(strstr(rig_xml(r, s, text), by));
	assert_non_null(strstr(r->text, "<termination-reason>killed<"));
	cfg_session_destroy(x);
	assert_string_equal(rig_heard(r, s), ""); // said already
	x = rig_root(r, true);
	(void)rig_xml(r, x, "<close-session/>");
	cfg_session_destroy(x);
	assert_non_null(strstr(rig_heard(r, s), "<termination-reason>closed<"));
	cfg_session_destroy(rig_root(r, true));
	assert_non_null(strstr(rig_heard(r, s), "<termination-reason>dropped<"));
	cfg_session_destroy(s);
}

// wilma sees machines, but not what is said of b; she writes names of VLANs.
static const char rules[] =
	"<nacm "
	"xmlns=\"urn:ietf:params:xml:ns:yang:ietf-netconf-acm\"><read-default>deny</"
	"read-default><groups><group><name>w</name>"
	"<user-name>wilma</user-name></group></groups><rule-list><name>l</name><group>w</"
	"group>" RULE("hidden",
		      "<path "
		      "xmlns:v=\"urn:weir:params:xml:ns:yang:weir-vm\">/v:vms/v:vm[v:name='b']/"
		      "v:description</path>",
		      "*", "deny")
		RULE("vms", "<module-name>weir-vm</module-name>", "read", "permit")
			RULE("vlans", "<module-name>weir-vlans</module-name>", "*",
			     "permit") "</rule-list></nacm>";

static struct cfg_session *wilma(struct rig *r, struct cfg_session *root)
{
	assert_string_equal(rig_tag(rig_xml(r, root,
					    EDIT(VMS("<vm><name>a</name><description>seen</"
						     "description></vm><vm><name>b</name>"
						     "<description>secret</description></vm>")
							 STORAGE("<server>10.0.0.0/8</server>")))),
			    "ok");
	return rig_user(r, "wilma", true);
}

static void an_edit_tells_nothing_of_what_is_hidden(void **state)
{
	// In pairs: what is there, and what is not, or another value. b's description is hidden,
	// and all of b's siblings' modules.
	static const char *const edits[][2] = {
		{ VMS("<vm><name>b</name><description>secret</description></vm>"),
		  VMS("<vm><name>b</name><description>other</description></vm>") },
		{ VMS("<vm><name>b</name><description" OP("create") ">x</description></vm>"),
		  VMS("<vm><name>b</name><description" OP("replace") ">x</description></vm>") },
		{ VMS("<vm><name>b</name><description" OP("delete") "/></vm>"),
		  VMS("<vm><name>b</name><description" OP("remove") "/></vm>") },
		{ STORAGE("<server" OP("create") ">10.0.0.0/8</server>"),
		  STORAGE("<server" OP("create") ">11.0.0.0/8</server>") },
	};
	struct rig *r = *state;
	struct cfg_session *root = rig_root(r, true), *w = wilma(r, root);
	char text[1024];
	snprintf(text, sizeof(text), EDIT("%s"), rules);
	assert_string_equal(rig_tag(rig_xml(r, root, text)), "ok");
	assert_string_equal(rig_tag(rig_xml(r, root, "<commit/>")), "ok");
	assert_null(strstr(rig_xml(r, w, GET("running")), "secret"));
	assert_non_null(strstr(r->text, "seen"));
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		char first[2048];

		snprintf(text, sizeof(text), EDIT("%s"), edits[i][0]);
		snprintf(first, sizeof(first), "%s", rig_xml(r, w, text));
		assert_string_equal(rig_tag(first), "access-denied");
		snprintf(text, sizeof(text), EDIT("%s"), edits[i][1]);
		assert_string_equal(rig_xml(r, w, text), first);
	}
	assert_string_equal(rig_tag(rig_xml(r, w, EDIT(IN_VLANS("<vlan><id>5</id></vlan>")))),
			    "ok");
	assert_non_null(
		strstr(rig_xml(r, root, "<get/>"), "<denied-data-writes>8</denied-data-writes>"));
	cfg_session_destroy(w);
	cfg_session_destroy(root);
}

static void a_refusal_tells_nothing_of_what_is_hidden(void **state)
{
	struct rig *r = *state;
	struct cfg_session *root = rig_root(r, true), *w = wilma(r, root), *cli;
	char text[1024];

	snprintf(text, sizeof(text), EDIT("%s"), rules);
	assert_string_equal(rig_tag(rig_xml(r, root, text)), "ok");
	assert_string_equal(rig_tag(rig_xml(r, root, "<commit/>")), "ok");
	cli = rig_user(r, "wilma", false);
	// What is wrong where she reads, she is told ...
	assert_string_equal(
		rig_tag(rig_xml(r, root,
				EDIT(VMS("<vm><name>a</name><nic><id>3</id></nic></vm>")))),
		"ok");
	assert_string_equal(
		rig_tag(rig_xml(r, w, "<validate><source><candidate/></source></validate>")),
		"data-missing");
	assert_non_null(strstr(r->text, "mac"));
	assert_string_equal(rig_tag(rig_json(r, cli, "{\"weir-configuration:plan\":{}}")),
			    "data-missing");
	assert_string_equal(rig_tag(rig_xml(r, root, "<discard-changes/>")), "ok");
	// ... and where she does not, that it is.
	assert_string_equal(rig_tag(rig_xml(r, root,
					    EDIT("<interfaces "
						 "xmlns=\"urn:ietf:params:xml:ns:yang:ietf-"
						 "interfaces\"><interface><name>secret"
						 "</name></interface></interfaces>"))),
			    "ok");
	assert_string_equal(
		rig_tag(rig_xml(r, w, "<validate><source><candidate/></source></validate>")),
		"operation-failed");
	assert_null(strstr(r->text, "secret"));
	assert_null(strstr(r->text, "interface"));
	assert_string_equal(rig_tag(rig_json(r, cli, "{\"weir-configuration:plan\":{}}")),
			    "access-denied");
	assert_non_null(strstr(
		rig_xml(r, root, "<validate><source><candidate/></source></validate>"), "secret"));
	cfg_session_destroy(cli);
	cfg_session_destroy(w);
	cfg_session_destroy(root);
}

static void counters_are_cleared_by_who_may(void **state)
{
#define CLEAR(x) "<clear-counters " WOP ">" x "</clear-counters>"
#define WOP "xmlns=\"urn:weir:params:xml:ns:yang:weir-operations\""
	struct rig *r = *state;
	struct cfg_session *root = rig_root(r, true), *cli = rig_root(r, false);
	struct cfg_session *user = rig_user(r, "wilma", true);

	assert_string_equal(rig_tag(rig_xml(r, user, CLEAR(""))), "access-denied");
	assert_string_equal(rig_tag(rig_xml(r, user, "<ping " WOP "/>")), "ok");
	assert_string_equal(r->host.cleared, "");
	assert_string_equal(rig_tag(rig_xml(r, root, CLEAR(""))), "ok");
	assert_string_equal(r->host.cleared, "all");
	assert_string_equal(rig_tag(rig_xml(r, root, CLEAR("<port>web1.0</port>"))), "ok");
	assert_string_equal(r->host.cleared, "web1.0");
	assert_string_equal(rig_tag(rig_xml(r, root, CLEAR("<port>a b</port>"))), "invalid-value");
	assert_string_equal(r->host.cleared, "web1.0");
	(void)rig_json(r, cli, "{\"weir-operations:clear-counters\":{\"port\":\"x\"}}");
	assert_string_equal(r->text, "{\"ok\":true,\"data\":{}}");
	assert_string_equal(r->host.cleared, "x");
	(void)rig_json(r, cli, "{\"weir-operations:ping\":{}}");
	assert_string_equal(r->text, "{\"ok\":true,\"data\":{}}");
	r->host.refuse = true;
	assert_string_equal(rig_tag(rig_xml(r, root, CLEAR(""))), "operation-failed");
	assert_non_null(strstr(r->text, "the switch says no"));
	cfg_session_destroy(user);
	cfg_session_destroy(cli);
	cfg_session_destroy(root);
}

static void boots_and_portals_are_told_by_who_may(void **state)
{
#define BOOT(x) "<vm-boot " WOP "><vm>web1</vm><action>" x "</action></vm-boot>"
#define FORGET(x) "<portal-forget " WOP ">" x "</portal-forget>"
#define PORTAL "<address>10.0.2.3</address><protocol>udp</protocol><port>2049</port>"
	struct rig *r = *state;
	struct cfg_session *root = rig_root(r, true), *cli = rig_root(r, false);
	struct cfg_session *user = rig_user(r, "wilma", true);

	assert_string_equal(rig_tag(rig_xml(r, user, BOOT("begin"))), "access-denied");
	assert_string_equal(rig_tag(rig_xml(r, user, FORGET("<all/>"))), "access-denied");
	assert_string_equal(r->host.asked, "");
	assert_string_equal(rig_tag(rig_xml(r, root, BOOT("begin"))), "ok");
	assert_string_equal(r->host.asked, "root: web1 boots");
	assert_string_equal(rig_tag(rig_xml(r, root, BOOT("complete"))), "ok");
	assert_string_equal(r->host.asked, "root: web1 has booted");
	assert_string_equal(rig_tag(rig_xml(r, root, BOOT("stop"))), "invalid-value");
	assert_non_null(strstr(rig_xml(r, root, FORGET("<all/>")), ">3</forgotten>"));
	assert_string_equal(r->host.asked, "root: all");
	assert_non_null(strstr(rig_xml(r, root, FORGET(PORTAL)), ">1</forgotten>"));
	assert_string_equal(r->host.asked, "root: ..0203 17 2049");
	(void)rig_json(r, cli, "{\"weir-operations:portal-forget\":{\"all\":[null]}}");
	assert_string_equal(r->text, "{\"ok\":true,\"data\":{\"weir-operations:forgotten\":3}}");
	r->host.asked[0] = '\0';
	// Not a whole portal, none, or both: nothing was asked of the switch.
	assert_string_not_equal(rig_tag(rig_xml(r, root, FORGET(""))), "ok");
	assert_string_not_equal(rig_tag(rig_xml(r, root, FORGET("<address>10.0.2.3</address>"))),
				"ok");
	assert_string_not_equal(rig_tag(rig_xml(r, root, FORGET("<port>1</port>"))), "ok");
	assert_string_not_equal(rig_tag(rig_xml(r, root, FORGET("<all/>" PORTAL))), "ok");
	assert_string_equal(r->host.asked, "");
	r->host.refuse = true;
	assert_string_equal(rig_tag(rig_xml(r, root, BOOT("begin"))), "operation-failed");
	assert_string_equal(rig_tag(rig_xml(r, root, FORGET("<all/>"))), "operation-failed");
	cfg_session_destroy(user);
	cfg_session_destroy(cli);
	cfg_session_destroy(root);
}

static void arguments_are_told_in_their_order_and_twice(void **state)
{
#define ARGS(x) "<vm-arguments " WOP "><vm>web1</vm>" x "</vm-arguments>"
	struct rig *r = *state;
	struct cfg_session *root = rig_root(r, true), *cli = rig_root(r, false);
	struct cfg_session *user = rig_user(r, "wilma", true);

	assert_string_equal(rig_tag(rig_xml(r, user, ARGS("<form>qemu</form>"))), "access-denied");
	assert_string_equal(rig_tag(rig_xml(r, root, ARGS(""))), "missing-element");
	assert_string_equal(r->host.asked, "");
	(void)rig_json(r, cli,
		       "{\"weir-operations:vm-arguments\":{\"vm\":\"web1\",\"form\":\"qemu\"}}");
	assert_string_equal(r->text,
			    "{\"ok\":true,\"data\":{\"weir-operations:argument\":[\"/bin/qemu\","
			    "\"-device\",\"a,b\",\"-device\",\"<x>\"]}}");
	assert_string_equal(r->host.asked, "root: web1 qemu kvm");
	assert_non_null(strstr(rig_xml(r, root,
				       ARGS("<form>libvirt</form>"
					    "<accelerated>false</accelerated>")),
			       "&lt;domain type="));
	assert_string_equal(r->host.asked, "root: web1 libvirt tcg");
	r->host.refuse = true;
	assert_string_equal(rig_tag(rig_xml(r, root, ARGS("<form>qemu</form>"))),
			    "operation-failed");
	cfg_session_destroy(user);
	cfg_session_destroy(cli);
	cfg_session_destroy(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(requests_of_ncclient_are_understood, setup,
						teardown),
		cmocka_unit_test_setup_teardown(arguments_are_told_in_their_order_and_twice, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_wrong_elsewhere_stays_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(subscribers_hear_why_a_session_ended, setup,
						teardown),
		cmocka_unit_test_setup_teardown(an_edit_tells_nothing_of_what_is_hidden, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refusal_tells_nothing_of_what_is_hidden, setup,
						teardown),
		cmocka_unit_test_setup_teardown(counters_are_cleared_by_who_may, setup, teardown),
		cmocka_unit_test_setup_teardown(boots_and_portals_are_told_by_who_may, setup,
						teardown),
	};
	int failed;

	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return failed;
}
