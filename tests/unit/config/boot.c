// What of booting is read, and what is refused since nothing could boot by it.
#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "config_priv.h"

#define ARRAY(a) (sizeof(a) / sizeof((a)[0]))

// Two files, a provider, a host port in VLAN 7 and one that has 8 tagged; services and VMs follow.
#define BASE                                                                                       \
	"{\"ietf-interfaces:interfaces\":{\"interface\":["                                         \
	"{\"name\":\"h7\",\"type\":\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":"    \
	"\"h7\",\"vlan\":7}},"                                                                     \
	"{\"name\":\"h8\",\"type\":\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":"    \
	"\"h8\",\"vlan\":8,\"vlan-mode\":\"native-tagged\"}}]},"                                   \
	"\"weir-vm:boot-files\":{\"file\":[{\"name\":\"k\",\"path\":\"/k\"},{\"name\":"            \
	"\"grub.efi\",\"path\":\"/g\"}]},"                                                         \
	"\"weir-vm:boot-providers\":{\"provider\":[{\"name\":\"p\",\"command\":\"/p\","            \
	"\"argument\":[\"a b\",\"\",\"c\"]}]},"
#define SERVICES(list) "\"weir-vm:boot-services\":{\"service\":[" list "]}"
#define SERVICE(vlan, more)                                                                        \
	"{\"vlan\":" #vlan ",\"address\":\"10." #vlan ".0.2\",\"prefix-length\":24" more "}"
#define POOL(first, last) ",\"pool\":{\"first\":\"" first "\",\"last\":\"" last "\"}"
#define VMS(list) ",\"weir-vm:vms\":{\"vm\":[" list "]}}"
#define VM(name, n, vlan, ip, boot)                                                                \
	"{\"name\":\"" name "\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:0" #n                  \
	"\",\"vlan\":" #vlan ip "}]" boot "}"
#define IP(a) ",\"ipv4-address\":[" a "]"
#define BOOT(inside) ",\"boot\":{" inside "}"
#define ISCSI "\"method\":\"iscsi\",\"iscsi\":{\"server\":\"10.9.0.9\",\"target\":\"iqn.x\""
#define CHAP ",\"chap\":{\"user\":\"web1\",\"secret\":\"twelve-bytes\"}"
#define NFS(path, more)                                                                            \
	"\"method\":\"nfs\",\"kernel\":\"k\",\"nfs\":{\"server\":\"10.9.0.9\",\"path\":\"" path    \
	"\"" more "}"
#define HTTP "\"method\":\"http\",\"http\":{\"file\":\"k\"}"
#define S37 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" // 37 bytes

static struct cfg_schema *schema;

static int try_load(const char *json, struct cfg **c, struct cfg_error *err)
{
	memset(err, 0, sizeof(*err));
	return cfg_load(schema, json, strlen(json), c, err);
}

static struct cfg *load(const char *json)
{
	struct cfg_error err;
	struct cfg *c;

	if (try_load(json, &c, &err) < 0)
		fail_msg("%s\n%s %s: %s", json, err.path, err.value, err.reason);
	return c;
}

static void all_of_a_machine_is_read(void **state)
{
	struct cfg *c = load(BASE SERVICES(SERVICE(7, "")) VMS(
		VM("v", 1, 7, IP("\"10.7.0.5\""),
		   BOOT(ISCSI ",\"port\":860,\"lun\":3" CHAP "},\"loader\":\"grub.efi\",\"file\":["
			      "\"k\",\"grub.efi\"],\"provider\":\"p\",\"image\":\"debian "
			      "12\"") ",\"machine\":{\"memory\":2048,\"vcpus\":4,"
				      "\"firmware\":\"uefi\",\"acceleration\":"
				      "\"tcg\",\"disk\":[\"/b\",\"/"
				      "a\"],\"argument\":[\"-device\",\"x,y\"],\"emulator\":"
				      "\"/q\"}")));
	const struct cfg_vm *vm = cfg_vm_get(c, "v");

	(void)state;
	assert_int_equal(vm->method, CFG_BOOT_ISCSI);
	assert_int_equal(vm->iscsi_port, 860);
	assert_int_equal(vm->iscsi_lun, 3);
	assert_string_equal(vm->iscsi_initiator, "iqn.2026-11.weir:v");
	assert_string_equal(vm->chap_user, "web1");
	assert_string_equal(vm->chap_secret, "twelve-bytes");
	assert_string_equal(vm->loader, "grub.efi");
	assert_int_equal(vm->n_files, 2);
	assert_string_equal(vm->files[1], "grub.efi");
	assert_string_equal(vm->provider, "p");
	assert_string_equal(vm->image, "debian 12");
	assert_int_equal(vm->machine.memory_mib, 2048);
	assert_int_equal(vm->machine.vcpus, 4);
	assert_int_equal(vm->machine.firmware, CFG_FW_UEFI);
	assert_int_equal(vm->machine.accel, CFG_ACCEL_TCG);
	assert_int_equal(vm->machine.n_disks, 2);
	assert_string_equal(vm->machine.disks[0], "/b"); // as they were ordered
	assert_int_equal(vm->machine.n_args, 2);
	assert_memory_equal(vm->machine.args, "-device\0x,y", sizeof("-device\0x,y"));
	assert_string_equal(vm->machine.monitor, "/run/weir/vms/v/qmp.sock");
	assert_string_equal(vm->machine.emulator, "/q");
	cfg_free(c);
}

static void defaults_are_filled_in(void **state)
{
	struct cfg *c = load(BASE SERVICES(SERVICE(7, POOL("10.7.0.9", "10.7.0.99")))
				     VMS(VM("v", 1, 7, "", BOOT(NFS("/r/%s", "")))));
	const struct cfg_vm *vm = cfg_vm_get(c, "v");
	const struct cfg_service *s = cfg_service_get(c, 7);
	const struct cfg_provider *p = cfg_provider_get(c, "p");

	(void)state;
	assert_string_equal(vm->nfs_path, "/r/%s");
	assert_string_equal(vm->nfs_options, "rsize=1048576,wsize=1048576");
	assert_false(vm->nfs_v3);
	assert_int_equal(vm->machine.memory_mib, 512);
	assert_int_equal(vm->machine.firmware, CFG_FW_BIOS);
	assert_int_equal(s->mode, CFG_DHCP_AUTHORITATIVE);
	assert_true(s->http && s->has_pool);
	assert_true(s->lease_s == CFG_LEASE_INFINITE && s->pool_lease_s == 86400);
	assert_string_equal(s->uefi_loader, "snponly.efi");
	assert_string_equal(s->bios_loader, "undionly.kpxe");
	assert_int_equal(p->n_args, 3);
	assert_memory_equal(p->args, "a b\0\0c", sizeof("a b\0\0c"));
	assert_int_equal(p->timeout_s, 30);
	assert_int_equal(c->boot_limits.dhcp_rate, 20);
	assert_int_equal(c->boot_limits.transfers, 4);
	// A card that gets its address of the pool is served.
	assert_memory_equal(cfg_port_get(c, "v.0")->service_ip4, "\x0a\x07\x00\x02", 4);
	cfg_free(c);
}

// Where another server gives the addresses, a card needs none, and is served all the same.
static void a_proxy_serves_cards_without_an_address(void **state)
{
	static const char *const modes[] = {
		BASE SERVICES(SERVICE(7, ",\"mode\":\"proxy\""))
			VMS(VM("v", 1, 7, "", BOOT(ISCSI "}"))),
		BASE SERVICES(SERVICE(7, ",\"mode\":\"off\""))
			VMS(VM("v", 1, 7, "", BOOT(ISCSI "}"))),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY(modes); i++) {
		struct cfg *c = load(modes[i]);
		const struct cfg_port *p = cfg_port_get(c, "v.0");

		assert_memory_equal(p->service_ip4, "\x0a\x07\x00\x02", 4);
		assert_int_equal(p->service_mode, i == 0 ? CFG_DHCP_PROXY : CFG_DHCP_OFF);
		cfg_free(c);
	}
}

struct refusal {
	const char *json, *path, *value, *reason;
};

#define S "/weir-vm:boot-services/service[vlan='7']/"
#define V "/weir-vm:vms/vm[name='v']/"

static const struct refusal refusals[] = {
	// Services.
	{ BASE SERVICES("{\"vlan\":7,\"address\":\"10.7.0.0\",\"prefix-length\":24}") VMS(""),
	  S "address", "10.7.0.0", "the network's own or its broadcast" },
	{ BASE SERVICES("{\"vlan\":7,\"address\":\"10.7.0.255\",\"prefix-length\":24}") VMS(""),
	  S "address", "10.7.0.255", "the network's own or its broadcast" },
	{ BASE SERVICES(SERVICE(7, ",\"router\":\"10.8.0.1\"")) VMS(""), S "router", "10.8.0.1",
	  "not in the network" },
	{ BASE SERVICES(SERVICE(7, ",\"router\":\"10.7.0.255\"")) VMS(""), S "router", "10.7.0.255",
	  "broadcast" },
	{ BASE SERVICES(SERVICE(7, ",\"uefi-loader\":\"shim.efi\"")) VMS(""), S "uefi-loader",
	  "shim.efi", "neither a loader of the package ipxe nor one of boot-files" },
	{ BASE SERVICES(SERVICE(7, ",\"bios-loader\":\"lpxelinux.0\"")) VMS(""), S "bios-loader",
	  "lpxelinux.0", "neither a loader" },
	// Pools.
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.50", "10.7.0.49"))) VMS(""), S "pool/first",
	  "10.7.0.50", "behind the last" },
	{ BASE SERVICES(SERVICE(7, POOL("10.6.255.250", "10.7.0.49"))) VMS(""), S "pool/first",
	  "10.6.255.250", "no guest can have" },
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.9", "10.7.1.1"))) VMS(""), S "pool/last",
	  "10.7.1.1", "no guest can have" },
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.9", "10.7.0.255"))) VMS(""), S "pool/last",
	  "10.7.0.255", "no guest can have" },
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.1", "10.7.0.9"))) VMS(""), S "pool/first",
	  "10.7.0.1", "contains the address of the service" },
	{ BASE SERVICES(SERVICE(7, ",\"router\":\"10.7.0.60\"" POOL("10.7.0.50", "10.7.0.60")))
		  VMS(""),
	  S "pool/first", "10.7.0.50", "contains the address of the router" },
	{ BASE SERVICES("{\"vlan\":7,\"address\":\"10.0.0.2\",\"prefix-length\":8" POOL(
		  "10.7.0.0", "10.8.0.0") "}") VMS(""),
	  S "pool/last", "10.8.0.0", "more than 65,536" },
	{ BASE SERVICES(SERVICE(7, ",\"mode\":\"proxy\"" POOL("10.7.0.50", "10.7.0.60"))) VMS(""),
	  S "pool/first", "10.7.0.50", "does not give addresses" },
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.50", "10.7.0.60")))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.55\""), "")),
	  V "nic[id='0']/ipv4-address", "10.7.0.55", "is in the pool" },
	{ BASE SERVICES(SERVICE(7, POOL("10.7.0.50", "10.7.0.60")))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.5\",\"10.7.0.60\""), "")),
	  V "nic[id='0']/ipv4-address", "10.7.0.60", "is in the pool" },
	// A card takes the service's address nowhere in its list.
	{ BASE SERVICES(SERVICE(7, "")) VMS(VM("v", 1, 7, IP("\"10.7.0.5\",\"10.7.0.2\""), "")),
	  V "nic[id='0']/ipv4-address", "10.7.0.2", "boot service or router" },
	// What methods need.
	{ BASE SERVICES(SERVICE(7, "")) VMS(VM("v", 1, 9, IP("\"10.9.0.5\""), BOOT(ISCSI "}"))),
	  V "boot/method", "iscsi", "VLAN 9 of the first card has no boot service" },
	{ BASE SERVICES(SERVICE(7, "")) VMS(VM("v", 1, 7, "", BOOT(ISCSI "}"))), V "boot/method",
	  "iscsi", "no ipv4-address to give it, and VLAN 7's boot service has no pool" },
	{ BASE SERVICES(SERVICE(7, ",\"http\":false"))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT(HTTP))),
	  V "boot/method", "http", "VLAN 7's boot service has switched off" },
	{ BASE SERVICES(SERVICE(8, "")) VMS(VM("v", 1, 8, IP("\"10.8.0.5\""), BOOT(HTTP))),
	  V "boot/method", "http", "no host port that carries VLAN 8 untagged" },
	{ BASE SERVICES(SERVICE(8, ""))
		  VMS(VM("v", 1, 8, IP("\"10.8.0.5\""), BOOT(ISCSI CHAP "}"))),
	  V "boot/iscsi/chap/user", "web1", "no host port that carries VLAN 8 untagged" },
	{ BASE SERVICES(SERVICE(7, ""))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT("\"loader\":\"x.efi\""))),
	  V "boot/loader", "x.efi", "neither a loader" },
	{ BASE SERVICES(SERVICE(7, ""))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT(NFS("/r/%d", "")))),
	  V "boot/nfs/path", "/r/%d", "one %s" },
	{ BASE SERVICES(SERVICE(7, ""))
		  VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT(NFS("/%s/%s", "")))),
	  V "boot/nfs/path", "/%s/%s", "one %s" },
	// 8 + 1 + 112 + 10 + 125 bytes are one more than an option of DHCP holds.
	{ BASE SERVICES(SERVICE(7, "")) VMS(
		  VM("v", 1, 7, IP("\"10.7.0.5\""),
		     BOOT(NFS("/" S37 S37 S37, ",\"options\":\"" S37 S37 S37 "aaaaaaaaaaaaaa\"")))),
	  V "boot/nfs/options", S37 S37 S37 "aaaaaaaaaaaaaa", "255 bytes" },
	// Monitors.
	{ BASE SERVICES(SERVICE(7, ""))
		  VMS(VM("u", 1, 7, "", "") "," VM("v", 2, 7, "",
						   ",\"machine\":{\"monitor\":\"/run/weir/vms/u/"
						   "qmp.sock\"}")),
	  V "machine/monitor", "/run/weir/vms/u/qmp.sock", "VM u has this monitor" },
};

static void what_cannot_boot_is_refused(void **state)
{
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	for (size_t i = 0; i < ARRAY(refusals); i++) {
		const struct refusal *r = &refusals[i];

		if (try_load(r->json, &c, &err) != -EINVAL)
			fail_msg("accepted: %s", r->json);
		if (strcmp(err.path, r->path) != 0 || strcmp(err.value, r->value) != 0 ||
		    strstr(err.reason, r->reason) == NULL)
			fail_msg("%s\nsays: %s %s: %s\nnot: %s %s: %s", r->json, err.path,
				 err.value, err.reason, r->path, r->value, r->reason);
	}
}

// The nearest to each of them that works.
static void what_can_boot_is_not(void **state)
{
	static const char *const good[] = {
		BASE SERVICES("{\"vlan\":7,\"address\":\"10.0.0.2\",\"prefix-length\":8" POOL(
			"10.7.0.0", "10.7.255.255") "}") VMS(""),
		BASE SERVICES(SERVICE(7, POOL("10.7.0.50", "10.7.0.50")))
			VMS(VM("v", 1, 7, IP("\"10.7.0.51\""), "")),
		// Another VLAN's address is nobody's here.
		BASE SERVICES(SERVICE(7, POOL("10.7.0.50", "10.7.0.60")))
			VMS(VM("v", 1, 9, IP("\"10.7.0.55\""), "")),
		BASE SERVICES(SERVICE(7, "")) VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT(HTTP))),
		BASE SERVICES(SERVICE(7, ",\"mode\":\"proxy\""))
			VMS(VM("v", 1, 7, "", BOOT(ISCSI CHAP "}"))),
		BASE SERVICES(SERVICE(7, ",\"uefi-loader\":\"grub.efi\",\"bios-loader\":"
					 "\"ipxe.efi\"")) VMS(""),
		// A byte less than what is refused above.
		BASE SERVICES(SERVICE(7, ""))
			VMS(VM("v", 1, 7, IP("\"10.7.0.5\""),
			       BOOT(NFS("/" S37 S37 S37,
					",\"options\":\"" S37 S37 S37 "aaaaaaaaaaaaa\"")))),
		// A provider may answer a method that needs a service; it is known then.
		BASE SERVICES("") VMS(VM("v", 1, 9, "", BOOT("\"provider\":\"p\""))),
		BASE SERVICES(SERVICE(7, ""))
			VMS(VM("v", 1, 7, IP("\"10.7.0.5\""), BOOT(NFS("/r/%s/x", "")))),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY(good); i++)
		cfg_free(load(good[i]));
}

static void two_services_of_one_address_do_not_both_serve_http(void **state)
{
#define TWO(more)                                                                                  \
	"{\"ietf-interfaces:interfaces\":{\"interface\":["                                         \
	"{\"name\":\"h7\",\"type\":\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":"    \
	"\"h7\",\"vlan\":7}},"                                                                     \
	"{\"name\":\"h8\",\"type\":\"weir-interfaces:host\",\"weir-interfaces:port\":{\"tap\":"    \
	"\"h8\",\"vlan\":8}}]}," SERVICES(                                                         \
		"{\"vlan\":7,\"address\":\"10.0.0.2\",\"prefix-length\":24},{\"vlan\":8,"          \
		"\"address\":\"10.0.0.2\",\"prefix-length\":24" more "}") "}"
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	assert_int_equal(try_load(TWO(""), &c, &err), -EINVAL);
	assert_string_equal(err.path, "/weir-vm:boot-services/service[vlan='8']/address");
	assert_non_null(strstr(err.reason, "VLAN 7's service has this address"));
	cfg_free(load(TWO(",\"http\":false")));
}

static void too_many_arguments_are_refused(void **state)
{
	struct cfg_error err;
	char json[16384];
	struct cfg *c;
	int n = snprintf(json, sizeof(json),
			 "{\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"machine\":{\"argument\":[");

	(void)state;
	for (int i = 0; i < 11; i++) // of 200 bytes each; 10 of them fit
		n += snprintf(json + n, sizeof(json) - (size_t)n, "%s\"%0200d\"", i > 0 ? "," : "",
			      i);
	snprintf(json + n, sizeof(json) - (size_t)n, "]}}]}}");
	assert_int_equal(try_load(json, &c, &err), -EINVAL);
	assert_string_equal(err.path, "/weir-vm:vms/vm[name='v']/machine/argument");
	assert_non_null(strstr(err.reason, "2048 bytes together"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_a_machine_is_read),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(a_proxy_serves_cards_without_an_address),
		cmocka_unit_test(what_cannot_boot_is_refused),
		cmocka_unit_test(what_can_boot_is_not),
		cmocka_unit_test(two_services_of_one_address_do_not_both_serve_http),
		cmocka_unit_test(too_many_arguments_are_refused),
	};
	struct cfg_error err = { 0 };
	int rc;

	if (cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0) {
		fprintf(stderr, "%s: %s\n", err.value, err.reason);
		return 1;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(schema);
	return rc;
}
