// Guarantees: defaults, templates, and what is refused as nonsense.
#include "words_rig.h"

#define LINK "set port u type uplink tap u rate 10g\n"

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

// The module promises these in its descriptions.
static void classes_have_defaults(void **state)
{
	static const struct {
		const char *name;
		uint32_t shares, pcp, target_us, ecn_us;
	} want[CFG_CLASSES] = {
		{ "control", 8, 6, 0, 0 },	  { "boot", 16, 4, 10000, 0 },
		{ "storage", 16, 4, 2000, 200 },  { "latency", 8, 5, 500, 0 },
		{ "interactive", 8, 2, 1000, 0 }, { "bulk", 4, 0, 5000, 0 },
		{ "scavenger", 1, 1, 5000, 0 },
	};
	struct cfg *empty, *c = load_good("set port g type guest socket /g");

	(void)state;
	assert_int_equal(cfg_empty(&empty), 0);
	assert_memory_equal(&empty->qos, &c->qos, sizeof(c->qos));
	for (uint32_t i = 0; i < CFG_CLASSES; i++) {
		const struct cfg_class *k = &c->qos.cls[i];

		assert_string_equal(cfg_class_name(i), want[i].name);
		assert_int_equal(k->node.shares, want[i].shares);
		assert_int_equal(k->node.reservation + k->node.limit, 0);
		assert_int_equal(k->pcp, want[i].pcp);
		assert_int_equal(k->dscp, CFG_DSCP_KEEP);
		assert_int_equal(k->target_us, want[i].target_us);
		assert_int_equal(k->interval_us,
				 want[i].target_us < 100 ? 1000 : 10 * want[i].target_us);
		assert_int_equal(k->ecn_us, want[i].ecn_us);
		assert_true(k->max_bytes >= 128 << 10 && k->max_wait_us >= 20000);
	}
	assert_true(cfg_policy_is_default(&c->ports[0].policy));
	assert_int_equal(c->ports[0].policy.shares, 1);
	assert_int_equal(c->ports[0].policy.cls[3].shares, 1);
	cfg_free(c);
	cfg_free(empty);
}

static void classes_are_read(void **state)
{
	struct cfg *c =
		load_good(LINK "set class bulk shares 9 reservation 1g limit 2g vlan [ 7 4094 ] "
			       "pcp 7 dscp 8 target 100 ecn-threshold 50 max-wait 0 max-bytes "
			       "70000");
	const struct cfg_class *k = &c->qos.cls[5];

	(void)state;
	assert_int_equal(k->node.shares, 9);
	assert_int_equal(k->node.reservation, 1000000000);
	assert_int_equal(k->node.limit, 2000000000);
	assert_int_equal(c->qos.vlan_class[7], 6);
	assert_int_equal(c->qos.vlan_class[4094], 6);
	assert_int_equal(c->qos.vlan_class[8], 0);
	assert_int_equal(k->pcp, 7);
	assert_int_equal(k->dscp, 8);
	assert_int_equal(k->target_us, 100);
	assert_int_equal(k->interval_us, 1000);
	assert_int_equal(k->ecn_us, 50);
	assert_int_equal(k->max_wait_us, 0);
	assert_int_equal(k->max_bytes, 70000);
	assert_int_equal(c->ports[0].rate, 10000000000);
	cfg_free(c);
}

// Each row says the same twice: in full, and through a template.
static void what_is_set_wins_over_the_template(void **state)
{
	static const struct {
		const char *template, *own, *full;
	} rows[] = {
		{ "limit 1g shares 3", "", "limit 1g shares 3" },
		{ "limit 1g shares 3", "limit 2g", "limit 2g shares 3" },
		{ "limit 1g", "limit-to 3g", "limit-from 1g limit-to 3g" },
		{ "limit-from 1g limit-to 3g", "limit 2g", "limit 2g" },
		{ "packet-limit-to 500", "packet-limit 900", "packet-limit 900" },
		{ "packet-limit 500", "packet-limit-to 900",
		  "packet-limit-from 500 packet-limit-to 900" },
		{ "reservation 1g priority storage", "reservation 2g",
		  "reservation 2g priority storage class storage reservation 2g" },
		{ "reservation 1g priority storage", "priority boot",
		  "reservation 1g priority boot" },
		{ "class storage shares 5 limit 1g", "class storage shares 6",
		  "class storage shares 6 limit 1g" },
		{ "class storage shares 5", "class bulk shares 6",
		  "class bulk shares 6\nset vm v qos class storage shares 5" },
		{ "meter committed-rate 1g peak-rate 2g", "meter excess-rate 1g",
		  "meter committed-rate 1g excess-rate 1g" },
		{ "meter committed-rate 1g peak-rate 2g peak-burst 9000000", "meter peak-rate 3g",
		  "meter committed-rate 1g peak-rate 3g" },
		{ "meter committed-rate 1g peak-rate 2g", "meter colour-aware yes",
		  "meter committed-rate 1g peak-rate 2g colour-aware yes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char short_form[512], full[512];
		struct cfg *x, *y;

		snprintf(short_form, sizeof(short_form),
			 LINK "set template t %s\nset vm v qos template t %s\n", rows[i].template,
			 rows[i].own);
		snprintf(full, sizeof(full), LINK "set vm v qos %s\n", rows[i].full);
		x = load_good(short_form);
		y = load_good(full);
		if (memcmp(&x->vms[0].policy, &y->vms[0].policy, sizeof(y->vms[0].policy)) != 0)
			fail_msg("template %s, own %s: is not %s", rows[i].template, rows[i].own,
				 rows[i].full);
		assert_false(cfg_policy_is_default(&x->vms[0].policy));
		cfg_free(x);
		cfg_free(y);
	}
}

static void a_meter_has_bursts(void **state)
{
	struct cfg *c = load_good("set vm v qos meter committed-rate 1m excess-rate 10g");
	const struct cfg_meter *m = &c->vms[0].policy.meter;

	(void)state;
	assert_int_equal(m->kind, CFG_METER_RFC4115);
	assert_int_equal(m->committed, 1000000);
	assert_int_equal(m->second, 10000000000);
	assert_int_equal(m->committed_burst, 128 << 10); // two super-frames at least
	assert_int_equal(m->second_burst, 25000000);	 // 20 ms
	cfg_free(c);
}

#define VMQ "/weir-vm:vms/vm[name='v']/weir-qos:qos"
#define VML LINK "set vm v qos "

static const struct {
	const char *lines, *path, *value, *reason;
} nonsense[] = {
	// What one line of the module can say.
	{ VML "shares 2 limit 1g reservation 2g", VMQ "/limit", "1000000000",
	  "the limit is below the reservation" },
	{ VML "limit-from 1g reservation 2g", VMQ "/limit-from", "1000000000", "below" },
	{ VML "class boot limit 1g reservation 2g", VMQ "/class[name='boot']/limit", "1000000000",
	  "below" },
	{ LINK "set class boot limit 1g reservation 2g", "/weir-qos:qos/class[name='boot']/limit",
	  "1000000000", "below" },
	{ VML "meter committed-rate 2g peak-rate 1g", VMQ "/meter/peak-rate", "1000000000",
	  "not below" },
	{ VML "template none", VMQ "/template", "none", "leafref" },
	{ "set port g type guest socket /g rate 1g",
	  "/ietf-interfaces:interfaces/interface[name='g']/weir-interfaces:port/rate", "1000000000",
	  "guest has no rate" },
	{ "set port u type uplink tap u qos limit 1g",
	  "/ietf-interfaces:interfaces/interface[name='u']/weir-interfaces:port/weir-qos:qos", "",
	  "only a guest" },
	// A policy and its template.
	{ LINK "set template t limit 1g\nset vm v qos template t reservation 2g", VMQ "/limit",
	  "1000000000", "below the reservation of 2 Gbit/s" },
	{ LINK "set template t reservation 2g\nset vm v qos template t limit-from 1.5g",
	  VMQ "/limit", "1500000000", "below the reservation of 2 Gbit/s" },
	{ LINK "set template t class boot limit 1g\nset vm v qos template t class boot reservation "
	       "2g",
	  VMQ "/class[name='boot']/limit", "1000000000",
	  "below the class's reservation of 2 Gbit/s" },
	{ VML "limit 1g class boot reservation 1.25g", VMQ "/class[name='boot']/reservation",
	  "1250000000", "exceeds the limit of all classes together, 1 Gbit/s" },
	{ LINK "set vm v qos limit 1g class boot reservation 600m\nset vm v qos class bulk "
	       "reservation 500m",
	  VMQ "/limit", "1000000000", "sum of the reservations by class, 1.1 Gbit/s" },
	{ VML "priority storage", VMQ "/priority", "storage", "no reservation" },
	{ VML "meter excess-rate 1g", VMQ "/meter", "", "needs a committed-rate" },
	{ LINK "set template t meter committed-rate 2g\nset vm v qos template t meter peak-rate 1g",
	  VMQ "/meter/peak-rate", "1000000000", "not below" },
	{ VML "meter committed-rate 1g committed-burst 90000 peak-rate 1g peak-burst 80000",
	  VMQ "/meter/peak-burst", "80000", "below the committed burst" },
	// Classes.
	{ "set class bulk vlan 7\nset class boot vlan [ 6 7 ]", "/weir-qos:qos/class[name='", "7",
	  "has this VLAN already" },
	{ "set class bulk interval 1000", "/weir-qos:qos/class[name='bulk']/interval", "1000",
	  "below the target" },
	{ LINK "set class boot limit 1g\nset vm v qos class boot reservation 600m\nset vm w qos "
	       "class boot reservation 500m",
	  "/weir-qos:qos/class[name='boot']/limit", "1000000000",
	  "below what VMs have reserved in it, 1.1 Gbit/s" },
	// Two policies of one port.
	{ "set port g type guest socket /g qos limit 1g\nset vm v nic 0 mac " M1 " interface g",
	  "/ietf-interfaces:interfaces/interface[name='g']/weir-interfaces:port/weir-qos:qos", "",
	  "serves /weir-vm:vms/vm[name='v']" },
	// What the links can keep.
	{ "set vm v qos reservation 1m", VMQ "/reservation", "1000000", "no uplink has a rate" },
	{ "set vm v qos class boot reservation 1m", VMQ "/reservation", "1000000",
	  "no uplink has a rate" },
	{ "set class boot reservation 1m", "/weir-qos:qos/class[name='boot']/reservation",
	  "1000000", "no uplink has a rate" },
	{ VML "reservation 7500000001",
	  "/ietf-interfaces:interfaces/interface[name='u']/weir-interfaces:port/rate",
	  "10000000000", "75 % of the slowest link are 7.5 Gbit/s" },
	{ LINK "set port t type host tap t rate 1g\nset vm v qos reservation 751m",
	  "/ietf-interfaces:interfaces/interface[name='t']/weir-interfaces:port/rate", "1000000000",
	  "751 Mbit/s are reserved, 75 % of the slowest link are 750 Mbit/s" },
	{ LINK "set class boot reservation 5g\nset vm v qos reservation 3g priority bulk",
	  "/ietf-interfaces:interfaces/interface[name='u']/weir-interfaces:port/rate",
	  "10000000000",
	  "8 Gbit/s are reserved, 75 % of the slowest link are 7.5 Gbit/s; classes and what VMs "
	  "have in them take 8 Gbit/s, VMs besides 0 bit/s; the most is that of " VMQ },
};

static void nonsense_is_refused_with_a_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct cfg_error e;
		struct cfg *c;

		if (load_lines(nonsense[i].lines, &c, &e) == 0)
			fail_msg("accepted: %s", nonsense[i].lines);
		if (strncmp(e.path, nonsense[i].path, strlen(nonsense[i].path)) != 0 ||
		    strcmp(e.value, nonsense[i].value) != 0 ||
		    strstr(e.reason, nonsense[i].reason) == NULL)
			fail_msg("%s\nis refused as\n%s '%s': %s\nand not as\n%s '%s': %s",
				 nonsense[i].lines, e.path, e.value, e.reason, nonsense[i].path,
				 nonsense[i].value, nonsense[i].reason);
	}
}

// Values that no line can hold.
static void ranges_are_those_of_the_scheduler(void **state)
{
	static const char *const lines[] = {
		"set vm v qos shares 0",
		"set vm v qos shares 101",
		"set class bulk shares 101",
		"set vm v qos limit 999",
		"set vm v qos limit 1001g",
		"set vm v qos meter committed-rate 1g committed-burst 0",
		"set class bulk pcp 8",
		"set class bulk dscp 64",
		"set class bulk vlan 4095",
		"set class bulk vlan 0",
		"set class none shares 1",
		"set port u rate 0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct lyd_node *tree = NULL;
		struct cfg_words_error e;

		if (cfg_words_load_set(schema, &tree, lines[i], strlen(lines[i]), &e) == 0)
			fail_msg("taken: %s", lines[i]);
	}
}

// Of a class max(its own, the sum of its VMs'), of a VM what exceeds its classes' sum.
static void reservations_are_counted_once(void **state)
{
	static const char *const lines[] = {
		VML "reservation 7.5g",
		LINK "set class boot reservation 7.5g\nset vm v qos class boot reservation 7.5g",
		LINK "set class boot reservation 7.5g\nset vm v qos reservation 7.5g priority boot",
		LINK "set class boot reservation 7g\nset vm v qos reservation 1g class boot "
		     "reservation 500m",
		LINK
		"set class boot reservation 1g\nset vm v qos class boot reservation 3g\nset vm "
		"w qos class boot reservation 4.5g",
		LINK "set port t type host tap t\nset vm v qos reservation 7.5g", // t: not rated
		"set class boot limit 1g\nset vm v qos limit 1g shares 100",	  // no reservations
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cfg_free(load_good(lines[i]));
}

// A directory of templates and VMs is read in time that grows with their number.
static void many_vms_with_a_template_load(void **state)
{
	enum { N = 4096 };
	size_t cap = 400u << 10, at = 0;
	char *lines = malloc(cap);
	struct cfg *c;

	(void)state;
	assert_non_null(lines);
	at += (size_t)snprintf(lines, cap, LINK "set template gold limit 1g reservation 1m\n");
	for (int i = 0; i < N; i++)
		at += (size_t)snprintf(lines + at, cap - at, "set vm v%d qos template gold\n", i);
	c = load_good(lines);
	assert_int_equal(c->n_vms, N);
	assert_int_equal(c->vms[N - 1].policy.reservation, 1000000);
	cfg_free(c);
	free(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_have_defaults),
		cmocka_unit_test(classes_are_read),
		cmocka_unit_test(what_is_set_wins_over_the_template),
		cmocka_unit_test(a_meter_has_bursts),
		cmocka_unit_test(nonsense_is_refused_with_a_reason),
		cmocka_unit_test(ranges_are_those_of_the_scheduler),
		cmocka_unit_test(reservations_are_counted_once),
		cmocka_unit_test(many_vms_with_a_template_load),
	};

	if (open_schema(WEIR_YANG_SRC) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
