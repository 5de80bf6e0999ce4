// What the datapath is told of guarantees, and that the scheduler takes all that was admitted.
#include <stdio.h>

#include "../unit.h"
#include "control_priv.h"
#include "words_priv.h"

static struct cfg_schema *schema;

#define LINK "set port u type uplink tap u rate 10g trust-pcp on\n"

static struct cfg *load(const char *lines)
{
	struct lyd_node *tree = NULL;
	struct cfg_words_error e;
	struct cfg_error err;
	struct cfg *c = NULL;
	char *text = NULL, said[1024];

	if (cfg_words_load_set(schema, &tree, lines, strlen(lines), &e) < 0)
		fail_msg("%s", cfg_words_error_text(&e, said, sizeof(said)));
	lyd_print_mem(&text, tree, LYD_JSON, LYD_PRINT_SHRINK | LYD_PRINT_WITHSIBLINGS);
	if (cfg_load(schema, text == NULL ? "{}" : text, text == NULL ? 2 : strlen(text), &c,
		     &err) < 0)
		fail_msg("%s: %s %s: %s", lines, err.path, err.value, err.reason);
	free(text);
	lyd_free_all(tree);
	return c;
}

static void translate(const struct cfg *from, const struct cfg *to, struct dp_plan *plan)
{
	struct cfg_action *a;
	int n = cfg_diff(from, to, &a);

	assert_true(n >= 0);
	dp_plan_init(plan);
	assert_int_equal(ctl_translate(from, to, a, n, plan), 0);
	free(a);
}

// The plan as words: "vm-set v, port-set v.0".
static void plan_text(const struct dp_plan *plan, char *out, size_t size)
{
	const struct dp_act *a = NULL;

	out[0] = '\0';
	while ((a = dp_plan_next(plan, a)) != NULL) {
		size_t len = strlen(out);
		const char *what = "", *name = "";

		switch (a->kind) {
		case DP_ACT_PORT_SET:
			what = "port-set ", name = ((const struct dp_act_port_set *)a)->p.name;
			break;
		case DP_ACT_PORT_DEL:
			what = "port-del ", name = ((const struct dp_act_port_del *)a)->name;
			break;
		case DP_ACT_QOS_SET:
			what = "qos-set";
			break;
		case DP_ACT_VM_SET:
			what = "vm-set ", name = ((const struct dp_act_vm_set *)a)->p.name;
			break;
		case DP_ACT_VM_DEL:
			what = "vm-del ", name = ((const struct dp_act_vm_del *)a)->name;
			break;
		default:
			continue;
		}
		snprintf(out + len, size - len, "%s%s%s", len > 0 ? ", " : "", what, name);
	}
}

static void policies_become_actions(void **state)
{
#define NIC "set vm v nic 0 mac 52:54:00:00:00:01"
#define GUEST "set port g type guest socket /g"
	static const struct {
		const char *from, *to, *want;
	} rows[] = {
		{ "", "", "" },
		{ "", "set class bulk shares 5", "qos-set" },
		{ "set class bulk shares 5", "", "qos-set" },
		{ NIC "\nset vm v qos shares 2",
		  "set vm w nic 0 mac 52:54:00:00:00:01\nset vm w "
		  "qos shares 2\nset class bulk shares 5",
		  "qos-set, vm-set w, port-del v.0, port-set w.0, vm-del v" },
		{ "", "set class bulk vlan 5", "qos-set" },
		// Who has nothing of its own is told of by its ports alone.
		{ "", NIC, "port-set v.0" },
		{ "", NIC "\nset vm v qos", "port-set v.0" },
		{ "", NIC "\nset vm v qos shares 2", "vm-set v, port-set v.0" },
		{ NIC, NIC "\nset vm v qos shares 2", "vm-set v" },
		{ NIC "\nset vm v qos shares 2", NIC "\nset vm v qos shares 3", "vm-set v" },
		{ NIC "\nset vm v qos shares 2", NIC, "vm-del v" },
		{ NIC "\nset vm v qos shares 2", NIC "\nset vm v qos", "vm-del v" },
		{ NIC "\nset vm v qos shares 2", "", "port-del v.0, vm-del v" },
		{ NIC "\nset vm v qos shares 2",
		  NIC "\nset vm v qos shares 2 \nset vm v hostname x", "" },
		{ "set template t shares 2\n" NIC "\nset vm v qos template t",
		  "set template t shares 3\n" NIC "\nset vm v qos template t", "vm-set v" },
		// A guest port without a VM.
		{ "", GUEST, "port-set g" },
		{ "", GUEST " qos limit 1g", "vm-set port/g, port-set g" },
		{ GUEST " qos limit 1g", GUEST " qos limit 2g", "vm-set port/g, port-set g" },
		{ GUEST " qos limit 1g", GUEST, "port-set g, vm-del port/g" },
		{ GUEST " qos limit 1g", "", "port-del g, vm-del port/g" },
		{ GUEST " qos limit 1g", GUEST "\n" NIC " interface g",
		  "port-set g, vm-del port/g" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg *from = load(rows[i].from), *to = load(rows[i].to);
		struct dp_plan plan;

		translate(from, to, &plan);
		plan_text(&plan, text, sizeof(text));
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("from '%s' to '%s': %s, not %s", rows[i].from, rows[i].to, text,
				 rows[i].want);
		dp_plan_fini(&plan);
		cfg_free(from);
		cfg_free(to);
	}
}

// Portals with what they serve, servers, and ethertypes: "clear l2 3, portal ..0001 6 3260 as 1".
static void storage_text(const struct dp_plan *plan, char *out, size_t size)
{
	const struct dp_act *a = NULL;

	out[0] = '\0';
	while ((a = dp_plan_next(plan, a)) != NULL) {
		const struct dp_act_portal *p = (const void *)a;
		size_t len = strlen(out);

		if (a->kind == DP_ACT_PORTALS_CLEAR)
			snprintf(out + len, size - len, "clear l2 %u", p->l2);
		else if (a->kind == DP_ACT_PORTAL_ADD)
			snprintf(out + len, size - len, ", portal ..%02x%02x %u %u as %u",
				 p->addr.b[14], p->addr.b[15], p->proto, p->port, p->service);
		else if (a->kind == DP_ACT_SERVER_ADD)
			snprintf(out + len, size - len, ", server ..%02x%02x/%u", p->addr.b[14],
				 p->addr.b[15], p->prefix_bits);
	}
}

static void portals_tell_what_they_serve(void **state)
{
#define ISCSI                                                                                      \
	"set service 1 address 10.0.0.2 prefix-length 24\nset vm v nic 0 mac 52:54:00:00:00:01 "   \
	"ipv4-address 10.0.0.5\nset vm v boot method iscsi iscsi server 10.0.0.3 target iqn.x"
#define NFS                                                                                        \
	"set service 1 address 10.0.0.2 prefix-length 24 http false\nset boot-files file k path "  \
	"/k\nset vm "                                                                              \
	"v nic "                                                                                   \
	"0 "                                                                                       \
	"mac 52:54:00:00:00:01 ipv4-address 10.0.0.5\nset vm v boot method nfs kernel k\nset vm "  \
	"v "                                                                                       \
	"boot nfs server 10.0.0.3 path /r"
	static const struct {
		const char *from, *to, *want;
	} rows[] = {
		{ "", "", "" },
		{ "", "set class bulk shares 5", "" },
		{ "", "set storage server 10.0.0.0/24", "clear l2 0, server ..0000/120" },
		{ "", "set storage l2-protocol fcoe", "clear l2 1" },
		{ "set storage l2-protocol fcoe", "set storage l2-protocol [ fcoe aoe ]",
		  "clear l2 3" },
		{ "set storage l2-protocol fcoe", "", "clear l2 0" },
		{ "set portal 10.0.0.9 tcp 9",
		  "set portal 10.0.0.9 tcp 9 service nvme\nset portal 10.0.0.1 udp 111",
		  "clear l2 0, portal ..0001 17 111 as 0, portal ..0009 6 9 as 5" },
		// Who boots from it says what it is.
		{ "", ISCSI " port 4000",
		  "clear l2 0, portal ..0003 6 4000 as 1, portal ..0002 6 80 as 9" },
		{ "", "set service 1 address 10.0.0.2 prefix-length 24\nset service 1 http false",
		  "clear l2 0" },
		{ "", NFS, "clear l2 0, portal ..0003 6 2049 as 2" },
		{ NFS, NFS " version 3",
		  "clear l2 0, portal ..0003 6 2049 as 2, portal ..0003 6 111 as 3, portal ..0003 "
		  "17 111 as 3" },
	};
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg *from = load(rows[i].from), *to = load(rows[i].to);
		struct dp_plan plan;

		translate(from, to, &plan);
		storage_text(&plan, text, sizeof(text));
		if (strcmp(text, rows[i].want) != 0)
			fail_msg("from '%s' to '%s': %s, not %s", rows[i].from, rows[i].to, text,
				 rows[i].want);
		dp_plan_fini(&plan);
		cfg_free(from);
		cfg_free(to);
	}
}

static const void *act_find(const struct dp_plan *plan, uint32_t kind, const char *name)
{
	const struct dp_act *a = NULL;

	while ((a = dp_plan_next(plan, a)) != NULL) {
		if (a->kind == kind && (name == NULL || strcmp((const char *)(a + 1), name) == 0))
			return a;
	}
	fail_msg("no action %u %s", kind, name == NULL ? "" : name);
	return NULL;
}

static void values_have_the_units_of_the_datapath(void **state)
{
	struct cfg *none,
		*c = load(LINK "set class storage reservation 4g limit 9g target 1000 vlan 7 "
			       "max-wait 300 dscp 32\n"
			       "set vm v nic 0 mac 52:54:00:00:00:01\n"
			       "set vm v qos max 2g min 1g limit-to 3g packet-limit 5000 shares 7 "
			       "priority boot class bulk shares 2 limit 1g\n"
			       "set vm v qos meter committed-rate 1g peak-rate 2g colour-aware on\n"
			       "set port g type guest socket /g\n");
	const struct dp_act_qos_set *q;
	const struct dp_act_vm_set *v;
	const struct dp_qos_class *s;
	const struct dp_act_port_set *p;
	struct dp_plan plan;

	(void)state;
	assert_int_equal(cfg_empty(&none), 0);
	translate(none, c, &plan);
	q = act_find(&plan, DP_ACT_QOS_SET, NULL);
	s = &q->classes[QOS_CLASS_STORAGE];
	assert_int_equal(s->sched.node.reservation_bits_per_s, 4000000000);
	assert_int_equal(s->sched.node.limit_bits_per_s, 9000000000);
	assert_int_equal(s->sched.node.shares, 16);
	assert_int_equal(s->sched.codel.target_ns, 1000000);
	assert_int_equal(s->sched.codel.interval_ns, 10000000);
	assert_int_equal(s->sched.codel.step_ns, 200000);
	assert_int_equal(s->sched.codel.floor_bytes, 1538);
	assert_int_equal(s->sched.max_wait_ns, 300000);
	assert_int_equal(s->sched.max_leaf_bytes, 2 << 20);
	assert_int_equal(s->pcp, 4);
	assert_int_equal(s->dscp, 32);
	assert_int_equal(q->classes[QOS_CLASS_BULK].dscp, DP_DSCP_KEEP);
	assert_int_equal(q->vlan_class[7], QOS_CLASS_STORAGE + 1);
	v = act_find(&plan, DP_ACT_VM_SET, "v");
	assert_int_equal(v->p.total.reservation_bits_per_s, 1000000000);
	assert_int_equal(v->p.total.limit_bits_per_s, 0);
	assert_int_equal(v->p.total.shares, 7);
	assert_int_equal(v->p.from_bits_per_s, 2000000000);
	assert_int_equal(v->p.to_bits_per_s, 3000000000);
	assert_int_equal(v->p.from_pps, 5000);
	assert_int_equal(v->p.to_pps, 5000);
	assert_int_equal(v->p.leaf[QOS_CLASS_BOOT].reservation_bits_per_s, 1000000000);
	assert_int_equal(v->p.leaf[QOS_CLASS_BULK].limit_bits_per_s, 1000000000);
	assert_int_equal(v->p.leaf[QOS_CLASS_BULK].shares, 2);
	for (uint32_t i = 0; i < QOS_SCHED_CLASSES; i++)
		assert_int_equal(v->p.leaf[i].shares, i == QOS_CLASS_BULK ? 2 : 1);
	assert_int_equal(v->p.meter.mode, QOS_METER_RFC2698);
	assert_int_equal(v->p.meter.colour_aware, 1);
	assert_int_equal(v->p.meter.committed_bits_per_s, 1000000000);
	assert_int_equal(v->p.meter.second_bits_per_s, 2000000000);
	assert_int_equal(v->p.meter.second_burst_bytes, 5000000);
	p = act_find(&plan, DP_ACT_PORT_SET, "u");
	assert_int_equal(p->p.rate_bits_per_s, 10000000000);
	assert_true((p->p.flags & DP_PF_TRUST_PCP) != 0);
	assert_string_equal(p->p.vm, "");
	assert_false(ctl_has_vm(&p->p));
	p = act_find(&plan, DP_ACT_PORT_SET, "g");
	assert_string_equal(p->p.vm, "port/g");
	assert_false(ctl_has_vm(&p->p));
	assert_true((p->p.flags & DP_PF_TRUST_PCP) == 0);
	p = act_find(&plan, DP_ACT_PORT_SET, "v.0");
	assert_string_equal(p->p.vm, "v");
	assert_true(ctl_has_vm(&p->p));
	dp_plan_fini(&plan);
	cfg_free(none);
	cfg_free(c);
}

// A service in the VLAN of v.0, as the loader would join it, and g, which has none.
static struct cfg *served(uint32_t dhcp_rate)
{
	struct cfg *c = load(LINK "set vm v nic 0 mac 52:54:00:00:00:01\n"
				  "set port g type guest socket /g\n");

	for (uint32_t i = 0; i < c->n_ports; i++) {
		if (strcmp(c->ports[i].name, "v.0") == 0)
			memcpy(c->ports[i].service_ip4, "\x0a\x09\0\x02", 4);
	}
	c->boot_limits.dhcp_rate = dhcp_rate;
	return c;
}

static void limits_of_boot_services_reach_the_ports_that_have_one(void **state)
{
	struct cfg *from = served(20), *to = served(7), *none;
	const struct dp_act_port_set *p;
	struct dp_plan plan;

	(void)state;
	translate(from, to, &plan);
	assert_int_equal(plan.n, 1);
	p = act_find(&plan, DP_ACT_PORT_SET, "v.0");
	assert_int_equal(p->p.dhcp_pps, 7);
	assert_int_equal(p->p.dhcp_burst_pkts, 40);
	assert_int_equal(p->p.neighbour_pps, 50);
	assert_int_equal(p->p.punt_transfers, 8);
	assert_int_equal(p->p.boot_mode, DP_BOOT_AUTHORITATIVE);
	dp_plan_fini(&plan);
	// A port that is set anyway is set once.
	assert_int_equal(cfg_empty(&none), 0);
	translate(none, to, &plan);
	assert_int_equal(plan.n, 1 + 3);
	dp_plan_fini(&plan);
	cfg_free(none);
	cfg_free(from);
	cfg_free(to);
}

static void a_host_port_is_as_fast_as_the_kernel_has_it(void **state)
{
	const struct {
		const char *link_arg;
		uint8_t type, link;
		bool vhost_net;
		const char *driver, *args;
	} rows[] = {
		{ "weir0", CFG_PORT_HOST, CFG_LINK_TAP, false, "tap", "weir0" },
		{ "weir0", CFG_PORT_HOST, CFG_LINK_TAP, true, "ethdev",
		  "net_virtio_user_weir0,path=/dev/vhost-net,iface=weir0,queues=1,"
		  "queue_size=1024" },
		// A guest's or an uplink's tap is somebody else's, who may not expect another MAC.
		{ "t1", CFG_PORT_GUEST, CFG_LINK_TAP, true, "tap", "t1" },
		{ "t2", CFG_PORT_UPLINK, CFG_LINK_TAP, true, "tap", "t2" },
		{ "/s", CFG_PORT_GUEST, CFG_LINK_SOCKET, true, "vhost-user", "/s" },
		{ "e0", CFG_PORT_HOST, CFG_LINK_AF_PACKET, true, "ethdev",
		  "net_af_packet_e0,iface=e0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cfg_port p = { .type = rows[i].type, .link = rows[i].link, .mtu = 1500 };
		struct dp_port_params o;

		snprintf(p.link_arg, sizeof(p.link_arg), "%s", rows[i].link_arg);
		ctl_port_link(&p, rows[i].vhost_net, &o);
		assert_string_equal(o.driver, rows[i].driver);
		assert_string_equal(o.args, rows[i].args);
	}
}

static void a_switch_starts_with_the_default_classes(void **state)
{
	const struct dp_act_qos_set *q;
	struct dp_plan plan;
	struct cfg *none;

	(void)state;
	assert_int_equal(cfg_empty(&none), 0);
	dp_plan_init(&plan);
	assert_int_equal(ctl_translate_first(none, &plan), 0);
	assert_int_equal(plan.n, 1);
	q = act_find(&plan, DP_ACT_QOS_SET, NULL);
	assert_int_equal(q->classes[QOS_CLASS_CONTROL].pcp, 6);
	assert_int_equal(q->classes[QOS_CLASS_SCAVENGER].sched.node.shares, 1);
	dp_plan_fini(&plan);
	cfg_free(none);
}

// --- What the configuration admits, the scheduler admits, and the other way round.

// Leaves first: what a VM reserves beyond them is counted besides.
static int vm_add(struct qos_sched *s, uint32_t vm, const struct dp_vm_params *p)
{
	int rc = qos_sched_add_vm(s, vm, 1);

	for (uint32_t i = 0; i < QOS_N_CLASSES && rc == 0; i++)
		rc = qos_sched_set_leaf(s, vm, i, &p->leaf[i], 1);
	return rc == 0 ? qos_sched_set_vm(s, vm, &p->total, 1) : rc;
}

static int schedule(const struct dp_plan *plan, struct qos_sched *s)
{
	const struct dp_act *a = NULL;
	uint32_t n_vms = 0;
	int rc = 0;

	while (rc == 0 && (a = dp_plan_next(plan, a)) != NULL) {
		const struct dp_act_qos_set *q = (const void *)a;

		if (a->kind == DP_ACT_VM_SET)
			rc = vm_add(s, n_vms++, &((const struct dp_act_vm_set *)a)->p);
		for (uint32_t i = 0; a->kind == DP_ACT_QOS_SET && i < QOS_N_CLASSES && rc == 0; i++)
			rc = qos_sched_set_class(s, i, &q->classes[i].sched, 1);
	}
	return rc;
}

static void the_scheduler_takes_what_was_admitted(void **state)
{
	static const struct {
		const char *lines;
		uint64_t rate;
		int rc;
	} rows[] = {
		{ LINK "set vm a qos min 7.5g", 10000000000, 0 },
		{ LINK "set vm a qos min 7.5g", 9999999999, -ENOSPC },
		{ LINK
		  "set vm a qos min 3g priority boot\nset class boot min 4g\nset vm b qos min 3g "
		  "priority boot",
		  8000000000, 0 },
		{ LINK
		  "set vm a qos min 3g priority boot\nset class boot min 4g\nset vm b qos min 3g "
		  "priority boot",
		  7900000000, -ENOSPC },
		{ LINK "set vm a qos min 1g class bulk min 500m max 600m\nset class bulk max 500m",
		  1400000000, 0 },
		{ LINK "set vm a qos limit 1k shares 100 class bulk shares 100 max 1000g",
		  10000000000, 0 },
	};
	const struct qos_sched_params params = { 0, 4, 8, 1000 };
	size_t size = qos_sched_size(&params);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *mem = aligned_alloc(64, (size + 63) / 64 * 64);
		struct cfg *none, *c = load(rows[i].lines);
		struct qos_sched *s;
		struct dp_plan plan;
		int rc;

		assert_non_null(mem);
		memset(mem, 0, size);
		assert_int_equal(cfg_empty(&none), 0);
		translate(none, c, &plan);
		memset(mem, 0, size);
		assert_int_equal(qos_sched_init(mem, &params, 1, &s), 0);
		assert_int_equal(qos_sched_set_rate(s, rows[i].rate, 1), 0);
		rc = schedule(&plan, s);
		if (rc != rows[i].rc)
			fail_msg("%s: %d, not %d", rows[i].lines, rc, rows[i].rc);
		dp_plan_fini(&plan);
		cfg_free(none);
		cfg_free(c);
		free(mem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_become_actions),
		cmocka_unit_test(portals_tell_what_they_serve),
		cmocka_unit_test(values_have_the_units_of_the_datapath),
		cmocka_unit_test(limits_of_boot_services_reach_the_ports_that_have_one),
		cmocka_unit_test(a_host_port_is_as_fast_as_the_kernel_has_it),
		cmocka_unit_test(a_switch_starts_with_the_default_classes),
		cmocka_unit_test(the_scheduler_takes_what_was_admitted),
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
