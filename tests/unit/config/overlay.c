// Machines that are in force and not configured: what fits, what does not and why, and that no
// datastore knows of them.
#include "session_rig.h"

#define BASE                                                                                       \
	"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u\",\"type\":\"weir-"         \
	"interfaces:"                                                                              \
	"uplink\",\"weir-interfaces:port\":{\"device\":\"u\",\"rate\":\"1000000000\"}}]},"         \
	"\"weir-vm:boot-services\":{\"service\":[{\"vlan\":20,\"address\":\"10.1.0.1\","           \
	"\"prefix-length\":24}]},"                                                                 \
	"\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",\"command\":\"/bin/p\"}]},"     \
	"\"weir-vm:vms\":{\"vm\":["                                                                \
	"{\"name\":\"c\",\"uuid\":\"3f0c0fb4-7a5e-4a0f-9d0a-00000000000c\",\"nic\":[{\"id\":0,"    \
	"\"mac\":\"52:54:00:00:00:01\",\"vlan\":20,\"ipv4-address\":[\"10.1.0.11\"]}],"            \
	"\"boot\":{\"method\":\"none\",\"provider\":\"p\",\"image\":\"i\"}}]}}"
#define NIC(mac, more) "\"nic\":[{\"id\":0,\"mac\":\"" mac "\",\"vlan\":20" more "}]"
#define T_NIC NIC("52:54:00:00:00:02", ",\"ipv4-address\":[\"10.1.0.12\"]")
#define T "{\"name\":\"t\"," T_NIC "}"

static struct rig rig;
static struct cfg *in_force; // that the host took last
static bool host_refuses_it;

static int force(void *arg, struct cfg *next, struct cfg_error *err)
{
	(void)arg;
	if (host_refuses_it)
		return cfg_refuse(err, "", "", "the switch says no");
	cfg_free(in_force);
	in_force = next;
	return 0;
}

static const struct cfg_force how = { NULL, force };

static int put(const char *name, const char *definition, const char *boot, struct cfg_error *err)
{
	const struct cfg_overlay_vm vm = {
		.name = name, .source = "libvirt", .definition = definition, .boot = boot
	};

	memset(err, 0, sizeof(*err));
	return cfg_overlay_put(rig.store, &vm, 1, &how, err);
}

static int setup(void **state)
{
	struct cfg_error err;

	(void)state;
	rig_open(&rig);
	host_refuses_it = false;
	if (cfg_store_load(rig.store, BASE, strlen(BASE), &err) < 0) {
		print_error("%s %s: %s\n", err.path, err.value, err.reason);
		return -1;
	}
	return cfg_store_in_force(rig.store, NULL, &in_force, &err);
}

static int teardown(void **state)
{
	(void)state;
	rig_close(&rig);
	cfg_free(in_force);
	in_force = NULL;
	return 0;
}

static const char *commit(struct cfg_session *s, const char *lines)
{
	char request[1024];
	const char *tag;

	snprintf(request, sizeof(request),
		 "{\"weir-configuration:load\":{\"mode\":\"merge\",\"format\":\"set\",\"text\":\"%"
		 "s\"}}",
		 lines);
	tag = rig_tag(rig_json(&rig, s, request));
	if (strcmp(tag, "ok") != 0)
		return tag;
	return rig_tag(rig_json(&rig, s, "{\"ietf-netconf:commit\":{}}"));
}

static void discard(struct cfg_session *s)
{
	assert_string_equal(rig_tag(rig_json(&rig, s, "{\"ietf-netconf:discard-changes\":{}}")),
			    "ok");
}

// --- What fits

static void one_is_in_force_and_in_no_datastore(void **state)
{
	static const char *const stores[] = { "running", "candidate", "startup" };
	struct cfg_session *s = rig_root(&rig, false);
	const uint32_t commits = rig.host.n_commits;
	char *before = cfg_store_running(rig.store), *after;
	struct cfg_error err;
	char request[128];

	(void)state;
	assert_int_equal(put("t", T, NULL, &err), 0);
	assert_non_null(cfg_vm_get(in_force, "t"));
	assert_non_null(cfg_port_get(in_force, "t.0"));
	assert_int_equal(put("t", T, NULL, &err), 0); // the same again
	assert_int_equal(in_force->n_vms, 2);
	after = cfg_store_running(rig.store);
	assert_string_equal(before, after);
	assert_int_equal(rig.host.n_commits, commits);
	assert_false(cfg_overlay_configured(rig.store, "t"));
	assert_true(cfg_overlay_configured(rig.store, "c"));
	for (size_t i = 0; i < 3; i++) {
		snprintf(request, sizeof(request),
			 "{\"ietf-netconf:get-config\":{\"source\":{\"%s\":[null]}}}", stores[i]);
		assert_null(strstr(rig_json(&rig, s, request), "52:54:00:00:00:02"));
	}
	// Another commit keeps it, and its record does not have it.
	assert_string_equal(commit(s, "set vm d nic 0 mac 52:54:00:00:00:03"), "ok");
	assert_null(strstr(rig.host.json[0], "52:54:00:00:00:02"));
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(in_force->n_vms, 3);
	assert_int_equal(cfg_overlay_remove(rig.store, "t", &how, &err), 0);
	assert_int_equal(in_force->n_vms, 2);
	assert_int_equal(cfg_overlay_remove(rig.store, "t", &how, &err), 0);
	free(before);
	free(after);
	cfg_session_destroy(s);
}

static void the_first_one_may_be_the_only_vm(void **state)
{
	struct cfg_error err;

	(void)state;
	assert_int_equal(cfg_store_load(rig.store, "{}", 2, &err), 0);
	assert_int_equal(put("t", "{\"name\":\"t\"}", NULL, &err), 0);
	assert_int_equal(in_force->n_vms, 1);
}

// --- What does not

static void what_does_not_fit_is_refused_with_the_reason(void **state)
{
	static const struct {
		const char *definition, *path, *reason;
	} cases[] = {
		{ "{\"name\":\"t\"," NIC("52:54:00:00:00:01", "") "}", "/mac",
		  "port c.0 in the same VLAN 20 has this MAC address" },
		{ "{\"name\":\"t\"," NIC("52:54:00:00:00:02",
					 ",\"ipv4-address\":[\"10.1.0.11\"]") "}",
		  "/ipv4-address", "port c.0 in the same VLAN 20 has this address" },
		{ "{\"name\":\"t\"," NIC("52:54:00:00:00:02",
					 ",\"ipv4-address\":[\"10.2.0.11\"]") "}",
		  "/ipv4-address", "is not in the network of VLAN 20's boot service" },
		{ "{\"name\":\"t\"," NIC("52:54:00:00:00:02",
					 ",\"socket\":\"/run/weir/guests/c.0.sock\"") "}",
		  "/socket", "port c.0 uses it already" },
		{ "{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":21}],"
		  "\"boot\":{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
		  "\"iqn.a:b\"}}}",
		  "/boot/method", "VLAN 21 of the first card has no boot service" },
		{ "{\"name\":\"t\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:02\",\"vlan\":4095}]"
		  "}",
		  "/vlan", "" },
		{ "{\"name\":\"t\"," T_NIC ",\"weir-qos:qos\":{\"reservation\":\"800000000\"}}", "",
		  "75" },
		{ "{\"name\":\"t\"," T_NIC ",\"uuid\":\"3f0c0fb4-7a5e-4a0f-9d0a-00000000000c\"}",
		  "", "" },
		{ "{\"name\":\"t\"," T_NIC ",\"boot\":{\"provider\":\"q\"}}", "/provider", "" },
		{ "{\"name\":\"t\",\"nic\":[{\"id\":0,\"interface\":\"u\",\"mac\":\"52:54:00:00:00:"
		  "02\"}]}",
		  "/interface", "type guest" },
		{ "{\"name\":\"u\"," T_NIC "}", "", "has to be one machine of this name" },
		{ "{" T_NIC "}", "", "" },
		{ T "," T, "", "" },
		{ T ",{\"name\":\"x\"}", "", "has to be one machine of this name" },
		{ T "]},\"weir-system:system\":{\"mac-ageing\":60},\"weir-vm:boot-files\":{"
		    "\"file\":[",
		  "", "has to be one machine of this name" },
		{ T "]}}{\"weir-vm:vms\":{\"vm\":[", "", "behind the end" },
		{ "", "", "" },
		{ "null", "", "" },
		{ "[" T "]", "", "" },
		{ "{\"name\":\"t\",\"nosuch\":1}", "", "" },
		{ "{\"name\":\"t\",\"boot\":", "", "" },
	};
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (put("t", cases[i].definition, NULL, &err) == 0)
			fail_msg("%s: fits", cases[i].definition);
		if (strstr(err.path, cases[i].path) == NULL ||
		    strstr(err.reason, cases[i].reason) == NULL || err.reason[0] == '\0')
			fail_msg("%s:\n%s %s: %s", cases[i].definition, err.path, err.value,
				 err.reason);
		assert_int_equal(in_force->n_vms, 1);
	}
	// And nothing of them is left.
	assert_int_equal(put("t", T, NULL, &err), 0);
}

static void a_name_that_is_none_and_a_long_text_are_not_parsed(void **state)
{
	static const char *const names[] = {
		"", "a b", "a'", "a]", "a\"", "..%", "a23456789012345678901234567890123"
	};
	char *text = malloc(CFG_OVERLAY_TEXT + 2);
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(put(names[i], T, NULL, &err) < 0);
	assert_non_null(text);
	memset(text, ' ', CFG_OVERLAY_TEXT + 1);
	text[CFG_OVERLAY_TEXT + 1] = '\0';
	assert_true(put("t", text, NULL, &err) < 0);
	assert_non_null(strstr(err.reason, "longer than"));
	assert_true(put("c", NULL, text, &err) < 0);
	memset(text, '[', CFG_OVERLAY_TEXT);
	text[CFG_OVERLAY_TEXT] = '\0';
	assert_true(put("t", text, NULL, &err) < 0);
	free(text);
}

static void several_come_together_or_not_at_all(void **state)
{
	const struct cfg_overlay_vm vms[] = {
		{ .name = "t", .source = "libvirt", .definition = T },
		{ .name = "v",
		  .source = "libvirt",
		  .definition = "{\"name\":\"v\"," NIC("52:54:00:00:00:02", "") "}" },
	};
	struct cfg_error err;

	(void)state;
	assert_true(cfg_overlay_put(rig.store, vms, 2, &how, &err) < 0);
	assert_int_equal(in_force->n_vms, 1);
	assert_int_equal(cfg_overlay_put(rig.store, vms, 1, &how, &err), 0);
	host_refuses_it = true;
	assert_true(put("t", "{\"name\":\"t\"}", NULL, &err) < 0);
	assert_string_equal(err.reason, "the switch says no");
	assert_true(cfg_overlay_remove(rig.store, "t", &how, &err) < 0);
	host_refuses_it = false;
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(cfg_vm_get(in_force, "t")->n_nics, 1);
}

// --- Commits beside it

static void a_commit_that_contradicts_it_is_refused_and_says_whom(void **state)
{
	static const struct {
		const char *lines, *reason;
	} cases[] = {
		{ "set vm e nic 0 mac 52:54:00:00:00:02 vlan 20",
		  "vm[name='t'] is transient, from libvirt" },
		{ "set vm e nic 0 mac 52:54:00:00:00:09 vlan 20 ipv4-address 10.1.0.12",
		  "vm[name='t'] is transient, from libvirt" },
		{ "set vm e nic 0 mac 52:54:00:00:00:09 socket /run/weir/guests/t.0.sock",
		  "vm[name='t'] is transient, from libvirt" },
		{ "set port t.0 type guest socket /tmp/x",
		  "vm[name='t'] is transient, from libvirt" },
		{ "set boot-services service 20 address 10.1.0.12 prefix-length 24",
		  "vm[name='t'] is transient, from libvirt" },
		{ "set vm c reservation 700m", "fits without the 1 machines" },
		{ "set vm t uuid 3f0c0fb4-7a5e-4a0f-9d0a-0000000000ff", "another machine" },
	};
	struct cfg_session *s = rig_root(&rig, false);
	struct cfg_error err;

	(void)state;
	assert_int_equal(
		put("t",
		    "{\"name\":\"t\",\"uuid\":\"3f0c0fb4-7a5e-4a0f-9d0a-000000000001\"," T_NIC
		    ",\"weir-qos:qos\":{\"reservation\":\"200000000\"}}",
		    NULL, &err),
		0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *tag = commit(s, cases[i].lines);

		if (strcmp(tag, "ok") == 0 || strstr(rig.text, cases[i].reason) == NULL)
			fail_msg("%s: %s", cases[i].lines, rig.text);
		discard(s);
	}
	// What is wrong by itself says so, and blames nobody.
	assert_string_not_equal(commit(s, "set vm e nic 0 mac 52:54:00:00:00:01 vlan 20"), "ok");
	assert_null(strstr(rig.text, "transient"));
	cfg_session_destroy(s);
}

static void a_roll_back_is_never_refused_for_it(void **state)
{
	struct cfg_session *s = rig_root(&rig, false);
	struct cfg_error err;

	(void)state;
	assert_string_equal(
		rig_tag(rig_json(&rig, s,
				 "{\"weir-configuration:edit-line\":{\"line\":\"delete vm c nic 0 "
				 "ipv4-address\"}}")),
		"ok");
	assert_string_equal(rig_tag(rig_json(&rig, s,
					     "{\"ietf-netconf:commit\":{\"confirmed\":[null],"
					     "\"confirm-timeout\":5}}")),
			    "ok");
	// Its address is free, and may be wanted back.
	assert_true(put("t",
			"{\"name\":\"t\"," NIC("52:54:00:00:00:02",
					       ",\"ipv4-address\":[\"10.1.0.11\"]") "}",
			NULL, &err) < 0);
	assert_non_null(strstr(err.reason, "a confirmed commit waits"));
	assert_int_equal(put("t", T, NULL, &err), 0);
	rig.host.now_ms += 6000;
	cfg_store_tick(rig.store);
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(cfg_port_get(in_force, "c.0")->n_ip4, 1);
	assert_int_equal(in_force->n_vms, 2);
	cfg_session_destroy(s);
}

static void the_configuration_says_what_a_machine_is(void **state)
{
	struct cfg_session *s = rig_root(&rig, false);
	struct cfg_error err;

	(void)state;
	assert_int_equal(put("t", T, NULL, &err), 0);
	assert_string_equal(commit(s, "set vm t nic 0 mac 52:54:00:00:00:22"), "ok");
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(in_force->n_vms, 2);
	assert_int_equal(cfg_port_get(in_force, "t.0")->mac[5], 0x22);
	// Not configured any more, it is what was announced.
	assert_string_equal(commit(s, "delete vm t"), "ok");
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(cfg_port_get(in_force, "t.0")->mac[5], 2);
	cfg_session_destroy(s);
}

static void a_definition_of_a_configured_machine_has_to_agree(void **state)
{
	static const struct {
		const char *definition, *reason;
	} cases[] = {
		{ "{\"name\":\"c\"}", NULL },
		{ "{\"name\":\"c\"," NIC("52:54:00:00:00:01",
					 ",\"ipv4-address\":[\"10.9.9.9\"]") "}",
		  NULL },
		{ "{\"name\":\"c\",\"uuid\":\"3F0C0FB4-7A5E-4A0F-9D0A-00000000000C\"}", NULL },
		{ "{\"name\":\"c\",\"uuid\":\"3f0c0fb4-7a5e-4a0f-9d0a-00000000000d\"}",
		  "another machine" },
		{ "{\"name\":\"c\"," NIC("52:54:00:00:00:03", "") "}",
		  "gives it a card with this MAC address" },
		{ "{\"name\":\"c\"", "" },
	};
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct cfg_overlay_vm vm = { .name = "c",
						   .source = "libvirt",
						   .definition = cases[i].definition };
		int rc = cfg_overlay_compare(rig.store, &vm, &err);

		assert_int_equal(rc == 0, cases[i].reason == NULL);
		if (rc < 0)
			assert_non_null(strstr(err.reason, cases[i].reason));
	}
}

// --- Providers

static void an_answer_takes_the_place_of_the_method(void **state)
{
	struct cfg_session *s = rig_root(&rig, false);
	const struct cfg_vm *vm;
	struct cfg_error err;

	(void)state;
	assert_int_equal(put("c", NULL,
			     "{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
			     "\"iqn.2026-11.a:b\",\"lun\":3}}",
			     &err),
			 0);
	vm = cfg_vm_get(in_force, "c");
	assert_int_equal(vm->method, CFG_BOOT_ISCSI);
	assert_string_equal(vm->iscsi_target, "iqn.2026-11.a:b");
	assert_string_equal(vm->provider, "p");
	assert_string_equal(vm->image, "i");
	assert_int_equal(put("c", NULL, "{\"method\":\"none\"}", &err), 0);
	assert_int_equal(cfg_vm_get(in_force, "c")->method, CFG_BOOT_NONE);
	// It says nothing of a machine that has no provider any more, and of one that is gone.
	assert_int_equal(put("c", NULL,
			     "{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
			     "\"iqn.2026-11.a:b\"}}",
			     &err),
			 0);
	assert_string_equal(commit(s, "delete vm c boot"), "ok");
	cfg_free(in_force);
	assert_int_equal(cfg_store_in_force(rig.store, NULL, &in_force, &err), 0);
	assert_int_equal(cfg_vm_get(in_force, "c")->method, CFG_BOOT_NONE);
	assert_string_equal(commit(s, "delete vm c"), "ok");
	assert_int_equal(
		put("t",
		    "{\"name\":\"t\"," T_NIC ",\"boot\":{\"provider\":\"p\",\"method\":"
		    "\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.8\",\"target\":\"iqn.x:y\"}}}",
		    "{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
		    "\"iqn.2026-11.a:b\"}}",
		    &err),
		0);
	assert_string_equal(cfg_vm_get(in_force, "t")->iscsi_server, "10.1.0.9");
	cfg_session_destroy(s);
}

static void a_bad_answer_is_refused(void **state)
{
	static const char *const bad[] = {
		"{\"method\":\"iscsi\"}",
		"{\"method\":\"nosuch\"}",
		"{\"provider\":\"p\"}",
		"{\"image\":\"x\"}",
		"{\"method\":\"none\"},\"uuid\":\"3f0c0fb4-7a5e-4a0f-9d0a-0000000000aa\"",
		"{},\"nic\":[{\"id\":1,\"mac\":\"52:54:00:00:00:04\"}]",
		"{}}]},\"weir-system:system\":{\"mac-ageing\":60},\"weir-vm:vms\":{\"vm\":[{"
		"\"name\":"
		"\"x\",\"boot\":{}",
		"{\"kernel\":\"nosuch\",\"method\":\"kernel\"}",
		"1",
		"[]",
		"",
	};
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (put("c", NULL, bad[i], &err) == 0)
			fail_msg("%s: is taken", bad[i]);
		assert_true(err.reason[0] != '\0');
		assert_int_equal(cfg_vm_get(in_force, "c")->method, CFG_BOOT_NONE);
	}
}

// Reasons go to logs and to those who listen.
static void a_refusal_does_not_tell_the_secret(void **state)
{
	static const char *const secrets[] = {
		"hush", "hush\u00e9hush-hush-hush", "hush hush hush hush",
		"hushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhushhush"
	};
	char answer[512], definition[700];
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(secrets) / sizeof(secrets[0]); i++) {
		snprintf(answer, sizeof(answer),
			 "{\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.1.0.9\",\"target\":"
			 "\"iqn.2026-11.a:b\",\"chap\":{\"user\":\"u\",\"secret\":%s%s%s}}}",
			 i % 2 == 0 ? "\"" : "[\"", secrets[i / 2], i % 2 == 0 ? "\"" : "\"]");
		snprintf(definition, sizeof(definition), "{\"name\":\"t\"," T_NIC ",\"boot\":%s}",
			 answer);
		assert_true(put("c", NULL, answer, &err) < 0);
		assert_null(strstr(err.reason, "hush"));
		assert_null(strstr(err.value, "hush"));
		assert_true(err.reason[0] != '\0');
		assert_true(put("t", definition, NULL, &err) < 0);
		assert_null(strstr(err.reason, "hush"));
		assert_null(strstr(err.value, "hush"));
		assert_true(err.reason[0] != '\0');
	}
}

static void who_may_not_read_machines_does_not_learn_of_it(void **state)
{
	struct cfg_session *root = rig_root(&rig, false), *s;
	struct cfg_error err;

	(void)state;
	assert_int_equal(put("t", T, NULL, &err), 0);
	assert_string_equal(commit(root,
				   "set nacm groups group g user-name bob\\n"
				   "set nacm rule-list l group g\\n"
				   "set nacm rule-list l rule v module-name weir-vm path "
				   "/weir-vm:vms/vm[name='t'] "
				   "access-operations read action deny\\n"
				   "set nacm rule-list l rule a access-operations * action permit"),
			    "ok");
	s = rig_user(&rig, "bob", false);
	assert_string_not_equal(commit(s, "set vm e nic 0 mac 52:54:00:00:00:02 vlan 20"), "ok");
	if (strstr(rig.text, "libvirt") != NULL || strstr(rig.text, "'t'") != NULL)
		fail_msg("%s", rig.text);
	cfg_session_destroy(s);
	cfg_session_destroy(root);
}

static int group_setup(void **state)
{
	(void)state;
	return rig_schema_open(WEIR_YANG_SRC);
}

static int group_teardown(void **state)
{
	(void)state;
	cfg_schema_destroy(rig_schema);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_is_in_force_and_in_no_datastore),
		TEST(the_first_one_may_be_the_only_vm),
		TEST(what_does_not_fit_is_refused_with_the_reason),
		TEST(a_name_that_is_none_and_a_long_text_are_not_parsed),
		TEST(several_come_together_or_not_at_all),
		TEST(a_commit_that_contradicts_it_is_refused_and_says_whom),
		TEST(a_roll_back_is_never_refused_for_it),
		TEST(the_configuration_says_what_a_machine_is),
		TEST(a_definition_of_a_configured_machine_has_to_agree),
		TEST(an_answer_takes_the_place_of_the_method),
		TEST(a_bad_answer_is_refused),
		TEST(a_refusal_does_not_tell_the_secret),
		TEST(who_may_not_read_machines_does_not_learn_of_it),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
