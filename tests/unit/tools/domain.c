// libvirt's domains and Proxmox's configurations, as definitions of Weir: each is compared as JSON,
// and has to pass the YANG modules.
#include "../unit.h"

#include <errno.h>
#include <stdio.h>

#include "cfg_config.h"
#include "hook.h"

#define GUESTS "/run/weir/guests/"
#define UUID "9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001"

static struct cfg_schema *schema;
static struct hook_settings s;

#define CARD(mac, path, more)                                                                      \
	"<interface type='vhostuser'><mac address='" mac "'/><source type='unix' path='" path      \
	"' mode='server'/><model type='virtio'/>" more "</interface>"
#define RINGS "<driver name='vhost' rx_queue_size='1024' tx_queue_size='1024'/>"
#define DOMAIN(name, devices)                                                                      \
	"<domain type='kvm' id='3'>\n  <name>" name "</name>\n  <uuid>" UUID "</uuid>\n"           \
	"  <memory unit='KiB'>524288</memory>\n  <memoryBacking><source type='memfd'/>"            \
	"<access mode='shared'/></memoryBacking>\n  <devices>" devices "</devices>\n</domain>\n"

// The YANG modules take it.
static void is_valid(const char *definition)
{
	struct cfg_error err = { 0 };
	struct cfg *cfg = NULL;
	char *whole = NULL;

	// A reservation needs an uplink with a rate.
	assert_true(
		asprintf(
			&whole,
			"{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"u0\",\"type\":"
			"\"weir-interfaces:uplink\",\"weir-interfaces:port\":{\"tap\":\"u0\","
			"\"rate\":\"1000000000\"}}]},\"weir-vm:vms\":{\"vm\":[%s]}}",
			definition) > 0);
	if (cfg_load(schema, whole, strlen(whole), &cfg, &err) < 0)
		fail_msg("%s: %s %s: %s", definition, err.path, err.value, err.reason);
	cfg_free(cfg);
	free(whole);
}

static void is_json(const char *got, const char *expected)
{
	json_t *a = json_loads(got, 0, NULL), *b = json_loads(expected, 0, NULL);

	assert_non_null(b);
	if (!json_equal(a, b))
		fail_msg("got      %s\nexpected %s", got, expected);
	json_decref(a);
	json_decref(b);
}

// n_notes: how many things it says to its operator
static void becomes(const char *xml, const char *expected, uint32_t n_notes)
{
	uint8_t *copy = exact_copy(xml, strlen(xml));
	char err[HOOK_TEXT], *text;
	struct hook_vm vm;

	if (hook_domain_read(&s, (const char *)copy, strlen(xml), &vm, err) < 0)
		fail_msg("%s\nrefused: %s", xml, err);
	free(copy);
	assert_int_equal(hook_vm_definition(&vm, &text, err), 0);
	is_json(text, expected);
	if (vm.notes.n != n_notes)
		fail_msg("%u notes, the last: %s", vm.notes.n,
			 vm.notes.n > 0 ? vm.notes.text[vm.notes.n - 1] : "");
	is_valid(text);
	free(text);
	hook_vm_fini(&vm);
}

static void refused(const char *xml, size_t size, const char *why)
{
	char err[HOOK_TEXT], *text;
	struct hook_vm vm;
	int rc = hook_domain_read(&s, xml, size, &vm, err);

	if (rc == 0)
		rc = hook_vm_definition(&vm, &text, err);
	assert_int_equal(rc, -EINVAL);
	if (strstr(err, why) == NULL)
		fail_msg("refused with: %s\nexpected: %s", err, why);
	hook_vm_fini(&vm);
}

#define NIC "\"mac\":\"52:54:00:20:00:01\",\"socket\":\"" GUESTS "web1.sock\""
#define HEAD "{\"name\":\"web1\",\"uuid\":\"" UUID "\",\"nic\":[{\"id\":0," NIC

static void a_domain_becomes_a_definition(void **state)
{
	(void)state;
	becomes(DOMAIN("web1", CARD("52:54:00:20:00:01", GUESTS "web1.sock", RINGS)), HEAD "}]}",
		0);
	becomes(DOMAIN("web1", CARD("52:54:00:20:00:01", GUESTS "web1.sock",
				    "<driver queues='4' rx_queue_size='1024' "
				    "tx_queue_size='1024'/><mtu size='9000'/><vlan><tag id='20'/>"
				    "</vlan><port isolated='yes'/>")),
		HEAD ",\"vlan\":20,\"mtu\":9000,\"queues\":4,\"isolated\":true}]}", 0);
}

static void vlans_become_those_of_a_port(void **state)
{
#define VLAN(xml) DOMAIN("web1", CARD("52:54:00:20:00:01", GUESTS "web1.sock", RINGS xml))
	(void)state;
	becomes(VLAN("<vlan trunk='yes'><tag id='42'/></vlan>"),
		HEAD ",\"vlan-mode\":\"trunk\",\"trunk\":[\"42\"]}]}", 0);
	becomes(VLAN("<vlan><tag id='7'/><tag id='8'/><tag id='4094'/></vlan>"),
		HEAD ",\"vlan-mode\":\"trunk\",\"trunk\":[\"7-8\",\"4094\"]}]}", 0);
	becomes(VLAN("<vlan trunk='yes'><tag id='42'/><tag id='123' "
		     "nativeMode='untagged'/></vlan>"),
		HEAD ",\"vlan-mode\":\"native-untagged\",\"vlan\":123,"
		     "\"trunk\":[\"42\",\"123\"]}]}",
		0);
	becomes(VLAN("<vlan trunk='yes'><tag id='1' nativeMode='tagged'/></vlan>"),
		HEAD ",\"vlan-mode\":\"native-tagged\",\"vlan\":1,\"trunk\":[\"1\"]}]}", 0);
	refused(VLAN("<vlan><tag id='0'/></vlan>"), strlen(VLAN("<vlan><tag id='0'/></vlan>")),
		"VLANs are 1..4094");
}

static void bandwidth_becomes_the_machines(void **state)
{
#define WITH(a) CARD("52:54:00:20:00:01", GUESTS "web1.sock", RINGS a)
#define BOTH "<bandwidth><inbound average='1000' floor='200'/><outbound average='512'/></bandwidth>"
	(void)state;
	becomes(DOMAIN("web1", WITH(BOTH)),
		HEAD "}],\"weir-qos:qos\":{\"limit-to\":\"8000000\",\"limit-from\":\"4096000\","
		     "\"reservation\":\"1600000\"}}",
		0);
	// libvirt's floor is of one way, a reservation of both.
	becomes(DOMAIN("web1", WITH("<bandwidth><inbound average='1000' floor='200'/>"
				    "<outbound average='100'/></bandwidth>")),
		HEAD "}],\"weir-qos:qos\":{\"limit-to\":\"8000000\",\"limit-from\":\"800000\","
		     "\"reservation\":\"800000\"}}",
		1);
	// A peak has no effect, and that is said.
	becomes(DOMAIN("web1",
		       WITH("<bandwidth><inbound average='1' peak='2' burst='3'/></bandwidth>")),
		HEAD "}],\"weir-qos:qos\":{\"limit-to\":\"8000\"}}", 1);
#define SECOND(a) CARD("52:54:00:20:00:02", GUESTS "web2.sock", RINGS a)
#define NIC2 "},{\"id\":1,\"mac\":\"52:54:00:20:00:02\",\"socket\":\"" GUESTS "web2.sock\"}]"
	becomes(DOMAIN("web1", WITH(BOTH) SECOND(BOTH)),
		HEAD NIC2 ",\"weir-qos:qos\":{\"limit-to\":\"16000000\",\"limit-from\":\"8192000\","
			  "\"reservation\":\"3200000\"}}",
		0);
	// A limit of one of two cards says nothing of both; each direction is told.
	becomes(DOMAIN("web1", WITH(BOTH) SECOND("")),
		HEAD NIC2 ",\"weir-qos:qos\":{\"reservation\":\"1600000\"}}", 2);
}

static void only_cards_of_ours_count(void **state)
{
	static const char *const others[] = {
		DOMAIN("web1", ""),
		DOMAIN("web1", "<interface type='network'><mac address='52:54:00:20:00:01'/>"
			       "<source network='default'/></interface>"),
		DOMAIN("web1", CARD("52:54:00:20:00:01", "/var/run/openvswitch/vhu1", RINGS)),
		DOMAIN("web1", CARD("52:54:00:20:00:01", GUESTS, RINGS)),
		// Not where they belong.
		"<domain><interface type='vhostuser'><source path='" GUESTS
		"a'/></interface></domain>",
		"<domain><metadata><devices>" CARD("52:54:00:20:00:01", GUESTS "a",
						   "") "</devices></metadata></domain>",
		// A bridge with such a path is none.
		DOMAIN("web1", "<interface type='bridge'><source path='" GUESTS "a'/></interface>"),
	};
	char err[HOOK_TEXT];
	struct hook_vm vm;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(hook_domain_read(&s, others[i], strlen(others[i]), &vm, err), 0);
		assert_int_equal(vm.n_nics, 0);
		assert_int_equal(vm.notes.n, 0);
		hook_vm_fini(&vm);
	}
	becomes(DOMAIN("web1", CARD("52:54:00:20:00:09", "/var/run/openvswitch/vhu1", RINGS)
				       CARD("52:54:00:20:00:01", GUESTS "web1.sock", RINGS)),
		HEAD "}]}", 0);
}

static void names_that_do_not_fit_are_made_to(void **state)
{
	struct hook_vm a = { 0 }, b = { 0 };

	(void)state;
	hook_vm_name(&a, "web_1.example-x");
	assert_string_equal(a.name, "web_1.example-x");
	assert_int_equal(a.notes.n, 0);
	hook_vm_name(&a, "my first machine");
	assert_true(hook_name_fits(a.name));
	assert_int_equal(a.notes.n, 1);
	assert_memory_equal(a.name, "my-first-machin-", 16);
	hook_vm_name(&b, "my first machine with more behind");
	assert_true(hook_name_fits(b.name));
	assert_memory_equal(b.name, "my-first-machin-", 16);
	assert_string_not_equal(a.name, b.name);
	hook_vm_name(&b, "my first machine");
	assert_string_equal(a.name, b.name);
	hook_vm_name(&b, "");
	assert_true(hook_name_fits(b.name));
	hook_vm_name(&b, "-\n\x7f\xff-");
	assert_true(hook_name_fits(b.name));
	assert_string_equal(b.shown, "-??\xff-");
	hook_vm_name(&b, "0123456789abcdef01234567");
	assert_string_equal(b.name, b.shown);
	hook_vm_name(&b, "0123456789abcdef012345678");
	assert_true(hook_name_fits(b.name));
	becomes(DOMAIN("M\xc3\xbcller &amp; Co",
		       CARD("52:54:00:20:00:01", GUESTS "web1.sock", RINGS)),
		"{\"name\":\"M--ller---Co-0017a154\",\"description\":\"M\xc3\xbcller & Co\","
		"\"uuid\":\"" UUID "\",\"nic\":[{\"id\":0," NIC "}]}",
		1);
}

static void what_is_wrong_with_a_domain_is_said(void **state)
{
	char err[HOOK_TEXT];
	struct hook_vm vm;
	static const char xml[] = "<domain><name>web1</name><devices>" CARD("52:54:00:20:00:01",
									    GUESTS "a", "")
		CARD("52:54:00:20:00:02", GUESTS "b",
		     "<driver rx_queue_size='512' tx_queue_size='1024'/>") "</devices></domain>";
	static const char nine[] = DOMAIN(
		"web1", CARD("52:54:00:20:00:01", GUESTS "1",
			     RINGS) CARD("52:54:00:20:00:02", GUESTS "2",
					 RINGS) CARD("52:54:00:20:00:03", GUESTS "3", RINGS)
				CARD("52:54:00:20:00:04", GUESTS "4",
				     RINGS) CARD("52:54:00:20:00:05", GUESTS "5",
						 RINGS) CARD("52:54:00:20:00:06", GUESTS "6", RINGS)
					CARD("52:54:00:20:00:07", GUESTS "7",
					     RINGS) CARD("52:54:00:20:00:08", GUESTS "8", RINGS)
						CARD("52:54:00:20:00:09", GUESTS "9", RINGS));
	static const char client[] = DOMAIN(
		"web1", "<interface type='vhostuser'><mac address='52:54:00:20:00:01'/>"
			"<source type='unix' path='" GUESTS "a' mode='client'/></interface>");
	static const char no_mac[] =
		DOMAIN("web1", "<interface type='vhostuser'><source type='unix' "
			       "path='" GUESTS "a' mode='server'/></interface>");

	(void)state;
	assert_int_equal(hook_domain_read(&s, xml, strlen(xml), &vm, err), 0);
	assert_int_equal(vm.notes.n, 3);
	assert_non_null(strstr(vm.notes.text[0], "rings of 256 and 256"));
	assert_non_null(strstr(vm.notes.text[1], "rings of 512 and 1024"));
	assert_non_null(strstr(vm.notes.text[2], "memory is not shared"));
	hook_vm_fini(&vm);
	refused(client, strlen(client), "has to be mode='server'");
	refused(nine, strlen(nine), "Weir takes 8 of a machine");
	refused(no_mac, strlen(no_mac), "it has no MAC address");
}

static void hostile_xml_is_refused(void **state)
{
	static const struct {
		const char *xml, *why;
	} cases[] = {
		{ "", "no element found" },
		{ "<domain>", "no element found" },
		{ "<domain></domain><domain/>", "junk after document element" },
		{ "<network/>", "expected a libvirt domain" },
		{ "<!DOCTYPE domain [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;'>]><domain>"
		  "<name>&b;</name></domain>",
		  "document type" },
		{ "<!DOCTYPE domain SYSTEM 'file:///etc/passwd'><domain/>", "document type" },
		{ "<domain><name>&lol;</name></domain>", "undefined entity" },
		{ "<domain><name>\xff</name></domain>", "not well-formed" },
		{ "<domain><devices><interface type='vhostuser'><mtu size='99999999999999999999'/>"
		  "</interface></devices></domain>",
		  "expected a number up to 65535" },
		{ "<domain><devices><interface type='vhostuser'><mtu size='-1'/></interface>"
		  "</devices></domain>",
		  "expected a number" },
		{ DOMAIN("web1", WITH("<bandwidth><inbound average='125000001'/></bandwidth>")),
		  "expected a number up to 125000000" },
	};
	char *big = malloc(HOOK_INPUT_BYTES + 64);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		refused(cases[i].xml, strlen(cases[i].xml), cases[i].why);
	assert_non_null(big);
	memset(big, ' ', HOOK_INPUT_BYTES + 64);
	memcpy(big, "<domain>", 8);
	refused(big, HOOK_INPUT_BYTES + 1, "longer than 262144");
	for (size_t i = 0; i < 3 * 65; i += 3)
		memcpy(big + 8 + i, "<a>", 3);
	refused(big, 8 + 3 * 65, "64 deep");
	memset(big, 'x', HOOK_INPUT_BYTES);
	memcpy(big, "<domain><name>", 14);
	refused(big, 4096, "too long");
	free(big);
}

#define EXTRA(json)                                                                                \
	"<domain><name>web1</name><uuid>" UUID "</uuid><metadata><weir:vm "                        \
	"xmlns:weir='urn:weir:libvirt:1'>" json                                                    \
	"</weir:vm></metadata><cpu><numa><cell memAccess='shared'/></numa></cpu><devices>" CARD(   \
		"52:54:00:20:00:01", GUESTS "web1.sock", RINGS) "</devices></domain>"

static void metadata_adds_what_libvirt_has_no_words_for(void **state)
{
	(void)state;
	becomes(EXTRA("{\"boot\":{\"method\":\"none\"},\"nic\":[{\"id\":0,\"vlan\":20,"
		      "\"ipv4-address\":[\"10.20.0.11\"]}],\"weir-qos:qos\":{\"shares\":4}}"),
		HEAD
		",\"vlan\":20,\"ipv4-address\":[\"10.20.0.11\"]}],\"boot\":{\"method\":\"none\"},"
		"\"weir-qos:qos\":{\"shares\":4}}",
		0);
	refused(EXTRA("{\"name\":\"db1\"}"), strlen(EXTRA("{\"name\":\"db1\"}")), "has one");
	refused(EXTRA("[1]"), strlen(EXTRA("[1]")), "no JSON object");
	refused(EXTRA("{"), strlen(EXTRA("{")), "no JSON object");
	refused(EXTRA("{}</weir:vm><weir:vm xmlns:weir='urn:weir:libvirt:1'>{}"),
		strlen(EXTRA("{}</weir:vm><weir:vm xmlns:weir='urn:weir:libvirt:1'>{}")),
		"two elements");
}

// --- Proxmox

static void pve(const char *conf, const char *expected)
{
	char *copy = strdup(conf), err[HOOK_TEXT], *text;
	struct hook_vm vm;

	assert_non_null(copy);
	if (hook_pve_read(&s, "101", copy, &vm, err) < 0)
		fail_msg("%s\nrefused: %s", conf, err);
	free(copy);
	if (expected == NULL) {
		assert_int_equal(vm.n_nics, 0);
	} else {
		assert_int_equal(hook_vm_definition(&vm, &text, err), 0);
		is_json(text, expected);
		is_valid(text);
		free(text);
	}
	hook_vm_fini(&vm);
}

static void a_configuration_of_proxmox_becomes_a_definition(void **state)
{
	(void)state;
	pve("boot: order=net0\ncores: 2\nmemory: 2048\nname: web1\n"
	    "net0: virtio=BC:24:11:20:00:01,bridge=weir0,queues=4,rate=12.5,tag=20,mtu=9000\n"
	    "net1: virtio=BC:24:11:20:00:02,bridge=vmbr0\n"
	    "smbios1: uuid=" UUID ",manufacturer=eA==,base64=1\nvmgenid: x\n"
	    "[before]\nnet2: virtio=BC:24:11:20:00:03,bridge=weir0\n",
	    "{\"name\":\"vm101\",\"hostname\":\"web1\",\"uuid\":\"" UUID "\",\"nic\":[{\"id\":0,"
	    "\"mac\":\"BC:24:11:20:00:01\",\"vlan\":20,\"mtu\":9000,\"queues\":4}],"
	    "\"weir-qos:qos\":{\"limit-to\":\"104857600\",\"limit-from\":\"104857600\"}}");
	pve("net3: e1000=BC:24:11:20:00:01,bridge=weir-lab,firewall=1,trunks=20;30-32,mtu=1\r\n",
	    "{\"name\":\"vm101\",\"nic\":[{\"id\":3,\"mac\":\"BC:24:11:20:00:01\","
	    "\"vlan-mode\":\"trunk\",\"trunk\":[\"20\",\"30-32\"]}]}");
	pve("net0: virtio=BC:24:11:20:00:01,bridge=weir0,tag=5,trunks=7\n",
	    "{\"name\":\"vm101\",\"nic\":[{\"id\":0,\"mac\":\"BC:24:11:20:00:01\","
	    "\"vlan-mode\":\"native-untagged\",\"vlan\":5,\"trunk\":[\"5\",\"7\"]}]}");
	// In the description: a card that Proxmox makes nothing of.
	pve("#weir-net1: virtio=BC:24:11:20:00:01,tag=9\n#weir: {\"boot\":{\"method\":\"none\"}}\n"
	    "#a note: net7: virtio=x\n",
	    "{\"name\":\"vm101\",\"nic\":[{\"id\":1,\"mac\":\"BC:24:11:20:00:01\",\"vlan\":9}],"
	    "\"boot\":{\"method\":\"none\"}}");
	pve("net0: virtio=BC:24:11:20:00:01,bridge=vmbr0,tag=junk\n", NULL);
	pve("", NULL);
	s.proxmox_by_name = true;
	pve("name: web1\nnet0: virtio=BC:24:11:20:00:01,bridge=weir0\n",
	    "{\"name\":\"web1\",\"nic\":[{\"id\":0,\"mac\":\"BC:24:11:20:00:01\"}]}");
	s.proxmox_by_name = false;
}

static void what_proxmox_cannot_mean_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "net0: virtio,bridge=weir0", "it has no MAC address" },
		{ "net0: virtio=BC:24:11,bridge=weir0", "it cannot be read" },
		{ "net0: virtio=BC:24:11:20:00:01,bridge=weir0,tag=4095", "it cannot be read" },
		{ "net0: virtio=BC:24:11:20:00:01,bridge=weir0,rate=nan", "it cannot be read" },
		{ "net0: virtio=BC:24:11:20:00:01,bridge=weir0,rate=-1", "it cannot be read" },
		{ "net0: virtio=BC:24:11:20:00:01,bridge=weir0,trunks=9-2", "it cannot be read" },
		{ "net8: virtio=BC:24:11:20:00:01,bridge=weir0", "numbers 0..7" },
		{ "net1: virtio=BC:24:11:20:00:01,bridge=weir0\n#weir-net1: "
		  "virtio=BC:24:11:20:00:02",
		  "two cards" },
	};
	char err[HOOK_TEXT], *copy;
	struct hook_vm vm;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		copy = strdup(bad[i][0]);
		assert_int_equal(hook_pve_read(&s, "101", copy, &vm, err), -EINVAL);
		if (strstr(err, bad[i][1]) == NULL)
			fail_msg("%s: %s", bad[i][0], err);
		free(copy);
	}
}

static int set_up(void **state)
{
	struct cfg_error err;

	(void)state;
	setenv("WEIR_HOOKS_CONF", "/dev/null", 1);
	hook_settings_read(&s, NULL);
	return cfg_schema_create(WEIR_YANG_SRC, &schema, &err);
}

static int tear_down(void **state)
{
	(void)state;
	cfg_schema_destroy(schema);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_becomes_a_definition),
		cmocka_unit_test(vlans_become_those_of_a_port),
		cmocka_unit_test(bandwidth_becomes_the_machines),
		cmocka_unit_test(only_cards_of_ours_count),
		cmocka_unit_test(names_that_do_not_fit_are_made_to),
		cmocka_unit_test(what_is_wrong_with_a_domain_is_said),
		cmocka_unit_test(hostile_xml_is_refused),
		cmocka_unit_test(metadata_adds_what_libvirt_has_no_words_for),
		cmocka_unit_test(a_configuration_of_proxmox_becomes_a_definition),
		cmocka_unit_test(what_proxmox_cannot_mean_is_refused),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
