#include <errno.h>
#include <stdio.h>

#include "../unit.h"
#include "cfg_config.h"
#include "cfg_json.h"

static struct cfg_schema *schema;

#define IF(body) "{\"ietf-interfaces:interfaces\":{\"interface\":[" body "]}}"
#define PORT(name, type, body)                                                                     \
	"{\"name\":\"" name "\",\"type\":\"weir-interfaces:" type                                  \
	"\",\"weir-interfaces:port\":{" body "}}"
#define VMS(body) "{\"weir-vm:vms\":{\"vm\":[" body "]}}"
#define SVC                                                                                        \
	"\"weir-vm:boot-services\":{\"service\":[{\"vlan\":1,\"address\":\"10.0.0.2\",\"prefix-"   \
	"length\":24}]}"
#define NIC(id, mac, more) "{\"id\":" id ",\"mac\":\"" mac "\"" more "}"
#define M1 "52:54:00:00:00:01"

static int load(const char *json, struct cfg **c, struct cfg_error *err)
{
	memset(err, 0, sizeof(*err));
	return cfg_load(schema, json, strlen(json), c, err);
}

static void refusals_name_path_value_and_reason(void **state)
{
	static const struct {
		const char *json, *path, *value, *reason;
	} rows[] = {
		{ "{", "", "", "" },
		{ "{}garbage", "", "", "more behind" },
		{ "{\"weir-vlans:vlans\":{}}\n{}\n", "", "", "more behind" },
		{ "{\"no-such:thing\":1}", "", "", "no-such" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"vlan\":5000")),
		  "interface[name='a']", "5000", "range" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"mtu\":20")), "interface[name='a']",
		  "20", "range" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"tap\":\"t\"")), "a", "", "case" },
		{ IF("{\"name\":\"a\",\"type\":\"weir-interfaces:guest\"}"), "interface[name='a']",
		  "weir-interfaces:guest", "needs a link" },
		{ IF(PORT("a", "uplink", "\"vlan\":5")), "", "", "andatory" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"speed\":5")), "port", "",
		  "speed" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"trunk\":[\"30-20\"]")), "trunk",
		  "30-20", "lower one first" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"trunk\":[\"4095\"]")), "trunk",
		  "4095", "1..4094" },
		{ IF(PORT("a", "guest",
			  "\"socket\":\"/s\",\"vlan-mode\":\"access\",\"trunk\":[\"5\"]")),
		  "trunk", "5", "no trunk" },
		{ IF(PORT("a", "guest", "\"socket\":\"relative\"")), "socket", "relative",
		  "An absolute path" },
		{ IF(PORT("a b", "uplink", "\"af-packet\":\"e0\"")), "interface[name='a b']", "a b",
		  "letters" },
		{ IF("{\"name\":\"a\",\"type\":\"ietf-interfaces:interface-type\",\"weir-"
		     "interfaces:port\":{\"tap\":\"t\"}}"),
		  "interface[name='a']/type", "", "identity" },
		{ IF("{\"name\":\"a\",\"type\":\"weir-interfaces:switch-port\",\"weir-"
		     "interfaces:port\":{\"tap\":\"t\"}}"),
		  "interface[name='a']/weir-interfaces:port", "weir-interfaces:switch-port",
		  "guest, uplink or host" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\"") "," PORT("b", "uplink",
									  "\"af-packet\":\"e0\"")),
		  "name='b'", "e0", "port a uses it" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"mirror-to\":\"x\"")), "mirror-to",
		  "x", "no port of that name" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"mirror-to\":\"b\"") "," PORT(
			  "b", "uplink", "\"af-packet\":\"e1\"")),
		  "mirror-to", "b", "no mirror-destination" },
		{ VMS("{\"name\":\"v\",\"nic\":[{\"id\":0}]}"), "nic", "", "mac" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", "52:54:00", "") "]}"), "mac", "52:54:00",
		  "pattern" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", "01:00:5e:00:00:01", "") "]}"),
		  "vm[name='v']/nic[id='0']/mac", "01:00:5e:00:00:01", "unicast" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, "") "]},{\"name\":\"w\",\"nic\":[" NIC("0", M1, "") "]}"),
		  "vm[name='w']/nic[id='0']/mac", M1, "port v.0" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", M1, ",\"socket\":\"/s\"") "," NIC(
			  "1", "52:54:00:00:00:02", ",\"socket\":\"/s\"") "]}"),
		  "vm[name='v']/nic[id='1']/socket", "/s", "nic[id='0'] has this socket" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, ",\"socket\":\"/s\"") "]},{"
							 "\"name\":\"w\",\"nic\":[" NIC(
								 "0", "52:54:00:00:00:02",
								 ",\"socket\":\"/s\"") "]}"),
		  "vm[name='w']/nic[id='0']/socket", "/s", "uses it already" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1,
			  ",\"ipv4-address\":[\"10.0.0.5\"]") "," NIC("1", "52:54:00:00:00:02",
								      ",\"ipv4-address\":[\"10.0.0."
								      "5\"]") "]}"),
		  "ipv4-address", "10.0.0.5", "has this address" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1,
			  ",\"ipv6-address\":[\"2001:db8::5\",\"2001:"
			  "db8::6\"]") "," NIC("1", "52:54:00:00:00:02",
					       ",\"ipv6-address\":["
					       "\"2001:db8:0::6\"]") "]"
								     "}"),
		  "nic[id='1']/ipv6-address", "2001:db8::6", "port v.0 in the same VLAN 1" },
		{ IF(PORT("a", "host", "\"tap\":\"t0\"") "," PORT("b", "host", "\"tap\":\"t0\"")),
		  "name='b']/weir-interfaces:port/tap", "t0", "port a uses it" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", M1, ",\"interface\":\"x\"") "]}"),
		  "vm[name='v']/nic[id='0']/interface", "x", "no interface" },
		{ VMS("{\"name\":\"v\",\"boot\":{\"method\":\"iscsi\"}}"), "boot/method", "iscsi",
		  "no network card" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", M1,
						      "") "],"
							  "\"boot\":{\"method\":\"iscsi\"}}"),
		  "boot/method", "iscsi", "iscsi/server" },
		{ VMS("{\"name\":\"v\",\"boot\":{\"method\":\"kernel\",\"kernel\":\"k\"}}"),
		  "kernel", "k", "" },
		{ VMS("{\"name\":\"v\",\"uuid\":\"00000000-0000-0000-0000-000000000001\"},{"
		      "\"name\":\"w\",\"uuid\":\"00000000-0000-0000-0000-000000000001\"}"),
		  "vm[name='w']/uuid", "00000000-0000-0000-0000-000000000001",
		  "vm[name='v'] has this uuid" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1,
			  ",\"ipv4-address\":[\"10.0.0.5\"]") "],\"boot\":{\"method\":\"iscsi\","
							      "\"iscsi\":{\"server\":\"10.0.0.1\","
							      "\"target\":\"iqn.x\"}}}"),
		  "vm[name='v']/boot/method", "iscsi", "no boot service" },
		{ "{" SVC ",\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, ",\"ipv4-address\":[\"10.1.0.5\"]") "]}]}}",
		  "ipv4-address", "10.1.0.5", "not in the network" },
		{ "{" SVC ",\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, ",\"ipv4-address\":[\"10.0.0.255\"]") "]}]}}",
		  "ipv4-address", "10.0.0.255", "broadcast" },
		{ "{" SVC ",\"weir-vm:vms\":{\"vm\":[{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, ",\"ipv4-address\":[\"10.0.0.2\"]") "]}]}}",
		  "ipv4-address", "10.0.0.2", "boot service" },
		{ IF(PORT("a", "uplink",
			  "\"af-packet\":\"e0\",\"vlan-mode\":\"trunk\",\"vlan\":4")),
		  "interface[name='a']/weir-interfaces:port/vlan", "4", "no VLAN of its own" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e0\",\"trunk\":[\"7-4095\"]")), "trunk",
		  "7-4095", "1..4094" },
		{ IF(PORT("a", "uplink",
			  "\"af-packet\":\"e0\",\"mirror-destination\":true,\"mirror-to\":\"a\"")),
		  "interface[name='a']/weir-interfaces:port/mirror-destination", "true",
		  "cannot be mirrored" },
		{ IF(PORT("a", "uplink", "\"af-packet\":\"e/0\"")), "af-packet", "e/0",
		  "No slash" },
		{ IF(PORT("a", "guest", "\"socket\":\"/s\"") "," PORT("b", "guest", "")),
		  "interface[name='b']/weir-interfaces:port", "", "link" },
		{ IF(PORT("a", "guest", "\"socket\":\"/s\"") ",{\"name\":\"b\"}"),
		  "interface[name='b']/type", "", "andatory" },
		{ "{\"ietf-interfaces:interfaces\":{\"interface\":[" PORT(
			  "a", "uplink",
			  "\"af-packet\":\"e0\"") "]},\"weir-vm:vms\":{\"vm\":[{"
						  "\"name\":\"v\",\"nic\":[" NIC(
							  "0", M1, ",\"interface\":\"a\"") "]}]}}",
		  "vm[name='v']/nic[id='0']/interface", "a", "type guest" },
		{ "{\"ietf-interfaces:interfaces\":{\"interface\":[" PORT(
			  "a", "guest",
			  "\"socket\":\"/s\"") "]},\"weir-vm:vms\":{\"vm\":[{"
					       "\"name\":\"v\",\"nic\":[" NIC(
						       "0", M1,
						       ",\"interface\":\"a\"") "]},{"
									       "\"name\":\"w\","
									       "\"nic\":[" NIC(
										       "0", M1,
										       ",\"interfac"
										       "e\":\"a\"") "]}]}}",
		  "vm[name='w']/nic[id='0']/interface", "a", "serves VM v" },
		{ VMS("{\"name\":\"u\",\"nic\":[" NIC("0", M1, "") "]},{\"name\":\"v\","
								   "\"nic\":[{\"id\":0}]}"),
		  "vm[name='v']/nic[id='0']/mac", "", "andatory" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC(
			  "0", M1, ",\"socket\":\"/s\",\"interface\":\"a\"") "]}"),
		  "vm[name='v']/nic[id='0']", "", "both cases" },
		{ VMS("{\"name\":\"v\",\"nic\":[" NIC("0", "00:00:00:00:00:00", "") "]}"),
		  "vm[name='v']/nic[id='0']/mac", "00:00:00:00:00:00", "unicast" },
		{ VMS("{\"name\":\"v\",\"boot\":{\"iscsi\":{\"server\":\"10.0.0.1\","
		      "\"target\":\"iqn.x\"}}}"),
		  "vm[name='v']/boot/iscsi", "", "method" },
		{ "{\"weir-vlans:vlans\":{\"vlan\":[{\"id\":1,\"name\":\"a\"},{\"id\":2,"
		  "\"name\":\"a\"}]}}",
		  "vlan[id='2']/name", "a", "vlan[id='1'] has this name" },
		{ "{\"weir-management:management\":{\"netconf\":{\"max-sessions\":65}}}",
		  "netconf/max-sessions", "65", "range" },
		{ "{\"weir-system:system-state\":{\"uptime\":\"1\"}}", "system-state", "",
		  "state" },
		{ "{\"weir-system:system\":{\"queue-length\":300}}", "queue-length", "300",
		  "power of two" },
		{ "{\"weir-qos:storage\":{\"server\":[\"10.0.0.0/33\"]}}", "server", "10.0.0.0/33",
		  "" },
	};
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc = load(rows[i].json, &c, &err);

		if (rc != -EINVAL || c != NULL || strstr(err.path, rows[i].path) == NULL ||
		    strstr(err.reason, rows[i].reason) == NULL ||
		    (rows[i].value[0] != '\0' && strcmp(err.value, rows[i].value) != 0) ||
		    err.reason[0] == '\0')
			fail_msg("%s\n  rc %d path '%s' value '%s' reason '%s'", rows[i].json, rc,
				 err.path, err.value, err.reason);
	}
}

static void defaults_are_those_of_the_role(void **state)
{
	const char *json = IF(PORT("g", "guest", "\"socket\":\"/g\"") "," PORT(
		"h", "host", "\"tap\":\"t\"") "," PORT("u", "uplink", "\"af-packet\":\"e\""));
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	assert_int_equal(load(json, &c, &err), 0);
	assert_int_equal(c->n_ports, 3);
	assert_int_equal(c->ports[0].vlan_mode, CFG_VLAN_ACCESS);
	assert_int_equal(c->ports[0].vlan, 1);
	assert_true(c->ports[0].admit && c->ports[0].dhcp_guard && c->ports[0].ra_guard);
	assert_int_equal(c->ports[0].mac_limit, 8);
	assert_false(c->ports[1].admit);
	assert_int_equal(c->ports[2].vlan_mode, CFG_VLAN_NATIVE_UNTAGGED);
	assert_int_equal(c->ports[2].trunk[1], 0xff);
	assert_int_equal(c->ports[2].trunk[0], 0xfe);
	assert_int_equal(c->ports[2].trunk[511], 0x7f);
	cfg_free(c);
}

static void an_interface_that_is_switched_off_is_no_port(void **state)
{
	const char *json = IF("{\"name\":\"u\",\"type\":\"weir-interfaces:uplink\",\"enabled\":"
			      "false,\"weir-interfaces:port\":{\"tap\":\"t\"}}");
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	assert_int_equal(load(json, &c, &err), 0);
	assert_int_equal(c->n_ports, 0);
	cfg_free(c);
}

static void a_network_card_is_a_port_named_after_its_vm(void **state)
{
	const char *json = "{" SVC ",\"weir-vm:vms\":{\"vm\":[{\"name\":\"web_1\",\"nic\":[" NIC(
		"3", M1, ",\"ipv4-address\":[\"10.0.0.9\"]") "]}]}}";
	const uint8_t svc[4] = { 10, 0, 0, 2 };
	const struct cfg_port *p;
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	assert_int_equal(load(json, &c, &err), 0);
	p = cfg_port_get(c, "web_1.3");
	assert_non_null(p);
	assert_string_equal(p->link_arg, "/run/weir/guests/web_1.3.sock");
	assert_memory_equal(p->service_ip4, svc, 4);
	assert_string_equal(cfg_vm_get(c, "web_1")->hostname, "web-1");
	cfg_free(c);
}

static void cards_are_ordered_by_number(void **state)
{
	const char *json = VMS("{\"name\":\"v\",\"nic\":[" NIC("4", "52:54:00:00:00:04",
							       "") "," NIC("1", M1, "") "]}");
	struct cfg_error err;
	struct cfg *c;

	(void)state;
	assert_int_equal(load(json, &c, &err), 0);
	assert_string_equal(c->vms[0].nics[0].port, "v.1");
	assert_string_equal(c->vms[0].nics[1].port, "v.4");
	cfg_free(c);
}

static void notes_change_nothing_and_limits_are_told(void **state)
{
	const char *from = "{}";
	const char *to = "{\"weir-vlans:vlans\":{\"vlan\":[{\"id\":20,\"name\":\"web\"}]},"
			 "\"weir-management:management\":{\"netconf\":{\"idle-timeout\":300,"
			 "\"hello-timeout\":10}}}";
	const char *plain = VMS("{\"name\":\"v\",\"nic\":[" NIC("0", M1, "") "]}");
	const char *noted = "{\"weir-vlans:vlans\":{\"vlan\":[{\"id\":21}]},\"weir-vm:vms\":{"
			    "\"vm\":[{\"name\":\"v\",\"description\":\"of Ann\",\"nic\":[" NIC(
				    "0", M1, "") "]}]}}";
	struct cfg *x, *y, *z, *p;
	struct cfg_action *a;
	struct cfg_error err;
	char line[320];

	(void)state;
	assert_int_equal(load(from, &x, &err), 0);
	assert_int_equal(load(to, &y, &err), 0);
	assert_int_equal(load(noted, &z, &err), 0);
	assert_int_equal(load(plain, &p, &err), 0);
	assert_int_equal(x->management.max_sessions, 64);
	assert_int_equal(x->management.idle_timeout_s, 0);
	assert_int_equal(x->management.hello_timeout_s, 60);
	assert_int_equal(cfg_diff(x, y, &a), 1);
	assert_string_equal(cfg_action_text(&a[0], line, sizeof(line)),
			    "management: change netconf/idle-timeout, netconf/hello-timeout");
	free(a);
	assert_int_equal(cfg_diff(p, z, &a), 0);
	free(a);
	cfg_free(p);
	cfg_free(x);
	cfg_free(y);
	cfg_free(z);
}

static void the_difference_is_typed_named_and_ordered(void **state)
{
	const char *from = IF(PORT("a", "uplink", "\"af-packet\":\"e0\"") "," PORT(
		"b", "uplink", "\"af-packet\":\"e1\",\"vlan\":5"));
	const char *to =
		IF(PORT("b", "uplink", "\"af-packet\":\"e1\",\"vlan\":6,\"mtu\":9000") "," PORT(
			"c", "uplink", "\"af-packet\":\"e2\""));
	static const char *const want[] = { "port a: remove", "port b: change vlan, mtu",
					    "port c: add" };
	struct cfg *x, *y;
	struct cfg_action *a;
	struct cfg_error err;
	char line[320];

	(void)state;
	assert_int_equal(load(from, &x, &err), 0);
	assert_int_equal(load(to, &y, &err), 0);
	assert_int_equal(cfg_diff(x, y, &a), 3);
	for (int i = 0; i < 3; i++)
		assert_string_equal(cfg_action_text(&a[i], line, sizeof(line)), want[i]);
	free(a);
	assert_int_equal(cfg_diff(y, y, &a), 0);
	free(a);
	cfg_free(x);
	cfg_free(y);
}

static void requests_are_read_and_checked(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"weir-operations:nothing\":{}}",
		"{\"weir-operations:get-state\":{}}",
		"{\"weir-operations:get-state\":{\"part\":\"all\"}}",
		"{\"weir-operations:explain\":{\"port\":\"p\",\"frame\":\"0\"}}",
		"{\"weir-operations:explain\":{\"port\":\"p\",\"frame\":\"zz\"}}",
		"{\"weir-operations:tap\":{\"port\":\"p\",\"kind\":\"capture\",\"filter\":\"00\"}}",
	};
	const char *good = "{\"weir-operations:explain\":{\"port\":\"web.0\",\"frame\":"
			   "\"000102030405060708090a0b0c0d\"}}";
	struct cfg_request r;
	struct cfg_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (cfg_request_parse(schema, bad[i], strlen(bad[i]), &r, &err) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		cfg_request_fini(&r);
	}
	assert_int_equal(cfg_request_parse(schema, good, strlen(good), &r, &err), 0);
	assert_int_equal(r.op, CFG_OP_EXPLAIN);
	assert_string_equal(r.name, "web.0");
	assert_int_equal(r.size, 14);
	assert_int_equal(r.bytes[13], 0x0d);
	cfg_request_fini(&r);
}

static void a_state_without_what_is_mandatory_does_not_fit(void **state)
{
	static const struct {
		const char *more, *missing; // NULL = fits
	} rows[] = {
		{ "", "oper-status" },
		{ ",\"oper-status\":\"up\"", "discontinuity-time" },
		{ ",\"oper-status\":\"up\",\"statistics\":{\"discontinuity-time\":"
		  "\"2026-11-22T08:00:00Z\"}",
		  NULL },
		{ ",\"oper-status\":\"up\",\"statistics\":{\"discontinuity-time\":"
		  "\"yesterday\"}",
		  "yesterday" },
	};
	struct cfg_error err;
	char json[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rc;

		snprintf(json, sizeof(json),
			 IF("{\"name\":\"a\",\"type\":\"weir-interfaces:guest\"%s}"), rows[i].more);
		rc = cfg_state_check(schema, json, strlen(json), &err);
		assert_int_equal(rc, rows[i].missing == NULL ? 0 : -EINVAL);
		if (rc < 0)
			assert_non_null(strstr(err.reason, rows[i].missing));
	}
}

static void json_escapes_what_a_guest_may_have_written(void **state)
{
	struct cfg_json j;

	(void)state;
	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_str(&j, "a", "x\"\\\n\x01\xff");
	cfg_json_u64(&j, "b", UINT64_MAX);
	cfg_json_open(&j, "c", '[');
	cfg_json_u32(&j, NULL, 1);
	cfg_json_bool(&j, NULL, false);
	cfg_json_close(&j, ']');
	cfg_json_close(&j, '}');
	assert_string_equal(j.buf, "{\"a\":\"x\\\"\\\\\\u000a\\u0001\\u00ff\",\"b\":"
				   "\"18446744073709551615\",\"c\":[1,false]}");
	cfg_json_fini(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_path_value_and_reason),
		cmocka_unit_test(defaults_are_those_of_the_role),
		cmocka_unit_test(an_interface_that_is_switched_off_is_no_port),
		cmocka_unit_test(a_network_card_is_a_port_named_after_its_vm),
		cmocka_unit_test(cards_are_ordered_by_number),
		cmocka_unit_test(notes_change_nothing_and_limits_are_told),
		cmocka_unit_test(the_difference_is_typed_named_and_ordered),
		cmocka_unit_test(requests_are_read_and_checked),
		cmocka_unit_test(a_state_without_what_is_mandatory_does_not_fit),
		cmocka_unit_test(json_escapes_what_a_guest_may_have_written),
	};
	struct cfg_error err;
	int rc;

	if (cfg_schema_create(WEIR_YANG_SRC, &schema, &err) < 0) {
		fprintf(stderr, "schema: %s %s\n", err.value, err.reason);
		return 1;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	cfg_schema_destroy(schema);
	return rc;
}
