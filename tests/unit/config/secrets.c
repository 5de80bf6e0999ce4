// The secret of an iSCSI initiator: whoever may read the configuration, and has no rule for it,
// sees the machine and not the secret, however it is asked for. Who may see it does, so that
// nothing here is true because nothing is shown.
#include "session_rig.h"

#define OLD "open-sesame-1"
#define NEW "open-sesame-2"
#define CONFIG(secret)                                                                             \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"h\",\"type\":"                \
	"\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":\"h\"}}]},"                    \
	"\"ietf-netconf-acm:nacm\":{\"write-default\":\"permit\",\"rule-list\":[{\"name\":\"k\","  \
	"\"group\":[\"keepers\"],\"rule\":[{\"name\":\"all\",\"module-name\":\"*\",\"action\":"    \
	"\"permit\"}]}]},"                                                                         \
	"\"weir-vm:boot-services\":{\"service\":[{\"vlan\":1,\"address\":\"10.0.0.2\","            \
	"\"prefix-length\":24}]},\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[{\"id\":0,"     \
	"\"mac\":\"52:54:00:00:00:01\",\"ipv4-address\":[\"10.0.0.5\"]}],\"boot\":{\"method\":"    \
	"\"iscsi\",\"iscsi\":{\"server\":\"10.0.0.9\",\"target\":\"iqn.x\",\"chap\":{\"user\":"    \
	"\"v-user\",\"secret\":\"" secret "\"}}}}]}}"
#define EDIT_LINE(x) "{\"weir-configuration:edit-line\":{\"line\":\"" x "\"}}"
#define SHOW(source, format)                                                                       \
	"{\"weir-configuration:show-configuration\":{\"source\":\"" source                         \
	"\",\"format\":\"" format "\"}}"
#define SHOW_AT(path)                                                                              \
	"{\"weir-configuration:show-configuration\":{\"source\":\"running\",\"line\":\"" path "\"" \
	"}}"

static struct rig rig;

static void runs(const char *json)
{
	struct cfg_error err;

	if (cfg_store_load(rig.store, json, strlen(json), &err) < 0)
		fail_msg("%s %s: %s", err.path, err.value, err.reason);
}

static struct cfg_session *member(const char *user, const char *group, bool xml)
{
	const char *const groups[] = { group };
	const struct cfg_client who = {
		.user = user, .groups = groups, .n_groups = 1, .client = xml ? "netconf" : "cli"
	};

	return rig_client(&rig, &who, xml);
}

static int setup(void **state)
{
	(void)state;
	rig_open(&rig);
	runs(CONFIG(OLD));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	return 0;
}

static bool told(const char *answer)
{
	return strstr(answer, "open-sesame") != NULL || strstr(answer, "v-user") != NULL;
}

static const char *const questions[] = {
	SHOW("running", "text"),
	SHOW("running", "set"),
	SHOW("running", "json"),
	SHOW("running", "xml"),
	SHOW("candidate", "set"),
	SHOW("rollback 0", "set"),
	SHOW_AT("vm v boot iscsi chap"),
	SHOW_AT("vm v boot iscsi chap secret"),
	"{\"weir-configuration:compare\":{}}",
	"{\"weir-configuration:compare\":{\"from\":\"candidate\",\"to\":\"running\"}}",
	"{\"weir-configuration:plan\":{}}",
	"{\"weir-configuration:history\":{}}",
	"{\"weir-configuration:history\":{\"number\":0}}",
	"{\"weir-configuration:complete\":{\"line\":\"set vm v boot iscsi chap \"}}",
	"{\"weir-configuration:complete\":{\"line\":\"set vm v boot iscsi chap secret \"}}",
	"{\"ietf-netconf-nmda:get-data\":{\"datastore\":\"ietf-datastores:running\"}}",
	"{\"ietf-netconf-nmda:get-data\":{\"datastore\":\"ietf-datastores:candidate\","
	"\"xpath-filter\":\"//weir-vm:secret\"}}",
	"{\"ietf-netconf-nmda:get-data\":{\"datastore\":\"ietf-datastores:running\","
	"\"xpath-filter\":\"/weir-vm:vms/weir-vm:vm[weir-vm:boot/weir-vm:iscsi/weir-vm:chap/"
	"weir-vm:secret='" OLD "']/weir-vm:name\"}}",
};

static const char *const questions_xml[] = {
	"<get-config><source><running/></source></get-config>",
	"<get-config><source><candidate/></source></get-config>",
	"<get/>",
	"<get-config><source><running/></source><filter type=\"subtree\"><vms xmlns=\"urn:weir:"
	"params:xml:ns:yang:weir-vm\"><vm><boot><iscsi><chap/></iscsi></boot></vm></vms></filter>"
	"</get-config>",
};

// A keeper changes the secret in the candidate; everybody looks.
static void who_has_no_rule_does_not_see_it(void **state)
{
	struct cfg_session *keeper = member("kim", "keepers", false);
	struct cfg_session *keeper_xml = member("kim", "keepers", true);
	struct cfg_session *eve = member("eve", "others", false);
	struct cfg_session *eve_xml = member("eve", "others", true);
	uint32_t n = 0;

	(void)state;
	assert_string_equal(
		rig_tag(rig_json(&rig, keeper, EDIT_LINE("set vm v boot iscsi chap secret " NEW))),
		"ok");
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		n += told(rig_json(&rig, keeper, questions[i]));
		if (told(rig_json(&rig, eve, questions[i])))
			fail_msg("%s\n%s", questions[i], rig.text);
	}
	// Plan and completion name it and do not tell it; of what a filter finds nobody sees more.
	assert_true(n >= 9);
	// Not even whether a guess was right.
	assert_null(strstr(rig_json(&rig, eve, questions[17]), "\"v\""));
	for (size_t i = 0; i < sizeof(questions_xml) / sizeof(questions_xml[0]); i++) {
		assert_true(told(rig_xml(&rig, keeper_xml, questions_xml[i])));
		if (told(rig_xml(&rig, eve_xml, questions_xml[i])))
			fail_msg("%s\n%s", questions_xml[i], rig.text);
	}
	// She sees the machine.
	assert_non_null(strstr(rig_json(&rig, eve, SHOW("running", "set")), "target iqn.x"));
	cfg_session_destroy(keeper);
	cfg_session_destroy(keeper_xml);
	cfg_session_destroy(eve);
	cfg_session_destroy(eve_xml);
}

// Errors name values, too: what another one typed is not told to who commits.
static void no_error_tells_it(void **state)
{
	static const char *const attempts[] = {
		EDIT_LINE("copy vm v to w"),
		EDIT_LINE("rename vm v to w"),
		// A guess that is right is answered like one that is wrong.
		EDIT_LINE("set vm v boot iscsi chap secret " OLD),
		EDIT_LINE("delete vm v boot iscsi chap"),
		"{\"ietf-netconf:validate\":{\"source\":{\"candidate\":[null]}}}",
		"{\"ietf-netconf:commit\":{}}",
	};
	struct cfg_session *keeper = member("kim", "keepers", false);
	struct cfg_session *eve = member("eve", "others", false);

	(void)state;
	// Without HTTP there is no way to give it to the firmware: validation refuses its user.
	assert_string_equal(rig_tag(rig_json(&rig, keeper, EDIT_LINE("set service 1 http false"))),
			    "ok");
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const char *answer = rig_json(&rig, eve, attempts[i]);

		// What she typed herself may be said to her.
		if (i != 2 && told(answer))
			fail_msg("%s\n%s", attempts[i], answer);
		assert_string_not_equal(rig_tag(answer), "ok");
	}
	assert_true(told(rig_json(&rig, keeper, attempts[4])));
	cfg_session_destroy(keeper);
	cfg_session_destroy(eve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_has_no_rule_does_not_see_it, setup, teardown),
		cmocka_unit_test_setup_teardown(no_error_tells_it, setup, teardown),
	};
	int rc;

	if (rig_schema_open(WEIR_YANG_SRC) < 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(rig_schema);
	return rc;
}
