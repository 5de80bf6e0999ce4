// Storage and metrics: defaults, numbers that others rely on, and what is refused as nonsense.
#include "words_rig.h"

#include "qos_portal.h"

// Lines as a person types them, as a configuration.
static int load_lines(const char *lines, struct cfg **c, struct cfg_error *err)
{
	struct lyd_node *tree = load(lines);
	char *text = json(tree);
	int rc;

	memset(err, 0, sizeof(*err));
	rc = cfg_load(schema, text, strlen(text), c, err);
	free(text);
	lyd_free_all(tree);
	return rc;
}

static struct cfg *load_good(const char *lines)
{
	struct cfg_error err;
	struct cfg *c;

	if (load_lines(lines, &c, &err) < 0)
		fail_msg("%s\n%s %s: %s", lines, err.path, err.value, err.reason);
	return c;
}

// The modules promise these in their descriptions.
static void storage_has_defaults(void **state)
{
	struct cfg *empty, *c = load_good("set port g type guest socket /g");
	const struct cfg_storage want = {
		.learning = true,
		.telemetry = true,
		.max_learnt = 1024,
		.max_learnt_per_server = 64,
		.ageing_s = 7 * 86400,
		.boot_window = 16,
		.boot_deadline_s = 120,
		.boot_max_s = 300,
		.boot_max_bytes = 512u << 20,
	};

	(void)state;
	assert_int_equal(cfg_empty(&empty), 0);
	assert_memory_equal(&empty->storage, &c->storage, sizeof(c->storage));
	assert_memory_equal(&empty->metrics, &c->metrics, sizeof(c->metrics));
	assert_false(c->metrics.enabled);
	assert_true(c->storage.learning && c->storage.telemetry);
	assert_int_equal(c->storage.max_learnt, want.max_learnt);
	assert_int_equal(c->storage.max_learnt_per_server, want.max_learnt_per_server);
	assert_int_equal(c->storage.ageing_s, want.ageing_s);
	assert_int_equal(c->storage.l2, 0);
	assert_int_equal(c->storage.boot_window, want.boot_window);
	assert_int_equal(c->storage.boot_deadline_s, want.boot_deadline_s);
	assert_int_equal(c->storage.boot_max_s, want.boot_max_s);
	assert_int_equal(c->storage.boot_max_bytes, want.boot_max_bytes);
	cfg_free(c);
	cfg_free(empty);
}

static void what_is_set_is_read(void **state)
{
	struct cfg *c = load_good("set storage learning off telemetry off max-learnt 7 "
				  "max-learnt-per-server 3 ageing 0 l2-protocol [ aoe fcoe ] boot "
				  "window 2 deadline 30 longest 40 most-bytes 1mi");

	(void)state;
	assert_false(c->storage.learning || c->storage.telemetry);
	assert_int_equal(c->storage.max_learnt, 7);
	assert_int_equal(c->storage.max_learnt_per_server, 3);
	assert_int_equal(c->storage.ageing_s, 0);
	assert_int_equal(c->storage.l2, QOS_L2_FCOE | QOS_L2_AOE);
	assert_int_equal(c->storage.boot_window, 2);
	assert_int_equal(c->storage.boot_deadline_s, 30);
	assert_int_equal(c->storage.boot_max_s, 40);
	assert_int_equal(c->storage.boot_max_bytes, 1 << 20);
	cfg_free(c);
	c = load_good("set storage l2-protocol aoe");
	assert_int_equal(c->storage.l2, QOS_L2_AOE);
	cfg_free(c);
	c = load_good("set storage l2-protocol fcoe");
	assert_int_equal(c->storage.l2, QOS_L2_FCOE);
	cfg_free(c);
}

// The module's names and numbers of services are those of the room below, which this one cannot
// see.
static void services_have_the_same_numbers_everywhere(void **state)
{
	(void)state;
	for (int i = QOS_SVC_NONE + 1; i < QOS_N_SVCS; i++) {
		const char *name = qos_service_name((enum qos_service)i);
		char line[128];
		struct cfg *c;

		snprintf(line, sizeof(line), "set portal 10.0.0.1 udp 9 service %s", name);
		c = load_good(line);
		assert_int_equal(c->n_portals, 1);
		assert_int_equal(c->portals[0].service, i);
		assert_int_equal(c->portals[0].proto, 17);
		cfg_free(c);
	}
	struct cfg *c = load_good("set portal 10.0.0.1 tcp 9");

	assert_int_equal(c->portals[0].service, QOS_SVC_NONE); // by its port
	cfg_free(c);
}

static void portals_are_in_one_order(void **state)
{
	struct cfg *a = load_good("set portal 10.0.0.2 tcp 1\nset portal 10.0.0.1 udp 2\nset "
				  "portal 10.0.0.1 tcp 2");
	struct cfg *b = load_good("set portal 10.0.0.1 tcp 2\nset portal 10.0.0.2 tcp 1\nset "
				  "portal 10.0.0.1 udp 2");
	struct cfg_action *actions;

	(void)state;
	assert_int_equal(cfg_diff(a, b, &actions), 0);
	free(actions);
	cfg_free(a);
	cfg_free(b);
}

static void a_target_is_the_machines_or_its_templates(void **state)
{
	struct cfg *c = load_good("set storage server 10.0.0.0/24\n"
				  "set template gold storage-target 2ms\n"
				  "set vm a template gold\n"
				  "set vm b template gold storage-target 500us\n"
				  "set vm c shares 2\n"
				  "set vm d");

	(void)state;
	assert_int_equal(cfg_vm_get(c, "a")->slo_p99_us, 2000);
	assert_int_equal(cfg_vm_get(c, "b")->slo_p99_us, 500);
	assert_int_equal(cfg_vm_get(c, "c")->slo_p99_us, 0);
	assert_int_equal(cfg_vm_get(c, "d")->slo_p99_us, 0);
	cfg_free(c);
}

// Each of these says which storage there is.
static void a_target_needs_storage_that_is_known(void **state)
{
	static const char *const known[] = {
		"set vm a storage-target 1ms\nset storage server 10.0.0.0/24",
		"set vm a storage-target 1ms\nset portal 10.0.0.1 tcp 3260",
		"set vm a storage-target 1ms\nset service 1 address 10.0.0.2 prefix-length 24\nset "
		"vm b nic 0 mac 52:54:00:00:00:01 ipv4-address 10.0.0.5\nset vm b boot method "
		"iscsi "
		"iscsi server 10.0.0.1 target iqn.x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		cfg_free(load_good(known[i]));
}

static const struct {
	const char *lines, *path, *value, *reason;
} nonsense[] = {
	{ "set vm a storage-target 1ms", "/weir-vm:vms/vm[name='a']/weir-qos:qos/storage-target",
	  "1000", "no storage is known" },
	{ "set template t storage-target 1ms\nset vm a template t",
	  "/weir-vm:vms/vm[name='a']/weir-qos:qos/storage-target", "1000", "no storage is known" },
	{ "set vm a storage-target 1ms\nset storage server 10.0.0.0/24 telemetry off",
	  "/weir-vm:vms/vm[name='a']/weir-qos:qos/storage-target", "1000", "nothing is timed" },
	{ "set portal 10.0.0.1 tcp 3260\nset portal ::ffff:10.0.0.1 tcp 3260",
	  "/weir-qos:storage/portal", "10.0.0.1", "TCP port 3260 is declared twice" },
	{ "set portal 10.0.0.1 udp 111 service rpcbind\nset portal ::ffff:10.0.0.1 udp 111",
	  "/weir-qos:storage/portal", "10.0.0.1", "UDP port 111 is declared twice" },
	{ "set storage boot deadline 301", "/weir-qos:storage/boot/longest", "300",
	  "not shorter than the deadline" },
	{ "set storage boot longest 119", "/weir-qos:storage/boot/longest", "119",
	  "not shorter than the deadline" },
};

static void nonsense_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct cfg_error e;
		struct cfg *c;

		if (load_lines(nonsense[i].lines, &c, &e) == 0)
			fail_msg("accepted: %s", nonsense[i].lines);
		if (strcmp(e.path, nonsense[i].path) != 0 ||
		    strcmp(e.value, nonsense[i].value) != 0 ||
		    strstr(e.reason, nonsense[i].reason) == NULL)
			fail_msg("%s\nis refused as\n%s '%s': %s", nonsense[i].lines, e.path,
				 e.value, e.reason);
	}
}

static void metrics_warn_of_others(void **state)
{
	static const struct {
		const char *line, *warns;
	} rows[] = {
		{ "set management netconf max-sessions 3", NULL },
		{ "set management metrics", NULL },
		{ "set management metrics address 127.9.9.9", NULL },
		{ "set management metrics address ::1", NULL },
		{ "set management metrics address 0.0.0.0", "reaches 0.0.0.0 port 9477" },
		{ "set management metrics address :: port 80", "reaches :: port 80" },
		{ "set management metrics address 10.0.0.1", "reaches 10.0.0.1 port 9477" },
		{ "set management metrics address 2001:db8::1", "reaches 2001:db8::1 port" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg *c = load_good(rows[i].line);
		char text[128] = "";

		assert_int_equal(cfg_metrics_open(&c->metrics, text, sizeof(text)),
				 rows[i].warns != NULL);
		if (rows[i].warns != NULL)
			assert_non_null(strstr(text, rows[i].warns));
		assert_int_equal(c->metrics.enabled, i > 0);
		cfg_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(storage_has_defaults),
		cmocka_unit_test(what_is_set_is_read),
		cmocka_unit_test(services_have_the_same_numbers_everywhere),
		cmocka_unit_test(portals_are_in_one_order),
		cmocka_unit_test(a_target_is_the_machines_or_its_templates),
		cmocka_unit_test(a_target_needs_storage_that_is_known),
		cmocka_unit_test(nonsense_is_refused_with_a_reason),
		cmocka_unit_test(metrics_warn_of_others),
	};

	if (open_schema(WEIR_YANG_SRC) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
