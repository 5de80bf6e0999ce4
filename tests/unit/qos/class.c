#include <errno.h>

#include "../unit.h"
#include "qos_class.h"
#include "qos_portal.h"

static struct qos_addr ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t raw[4] = { a, b, c, d };
	struct qos_addr x;

	qos_addr_set4(&x, raw);
	return x;
}

static void each_rule_decides_in_its_order(void **state)
{
	const struct qos_addr srv = ip4(10, 0, 0, 1), other = ip4(10, 0, 0, 2);
	static const struct {
		struct qos_key k;
		bool from_srv, to_srv;
		enum qos_class cls;
		enum qos_why why;
	} rows[] = {
		{ { .eth_type = 0x0806 }, 0, 0, QOS_CLASS_CONTROL, QOS_WHY_CONTROL_PROTOCOL },
		{ { .eth_type = 0x88cc }, 0, 0, QOS_CLASS_CONTROL, QOS_WHY_CONTROL_PROTOCOL },
		{ { .eth_type = 0x86dd,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 58,
		    .sport = 135 },
		  0,
		  0,
		  QOS_CLASS_CONTROL,
		  QOS_WHY_CONTROL_PROTOCOL },
		{ { .eth_type = 0x86dd,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 58,
		    .sport = 128 },
		  0,
		  0,
		  QOS_CLASS_BULK,
		  QOS_WHY_DEFAULT },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 17,
		    .dport = 67 },
		  0,
		  1,
		  QOS_CLASS_BOOT,
		  QOS_WHY_BOOT_PROTOCOL },
		{ { .eth_type = 0x8906 }, 0, 0, QOS_CLASS_STORAGE, QOS_WHY_STORAGE_ETHERTYPE },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 6,
		    .dport = 4001 },
		  0,
		  1,
		  QOS_CLASS_STORAGE,
		  QOS_WHY_PORTAL },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 6,
		    .sport = 4001 },
		  1,
		  0,
		  QOS_CLASS_STORAGE,
		  QOS_WHY_PORTAL },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 17,
		    .dport = 4001 },
		  0,
		  1,
		  QOS_CLASS_BULK,
		  QOS_WHY_DEFAULT },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 6,
		    .dport = 2049 },
		  0,
		  1,
		  QOS_CLASS_STORAGE,
		  QOS_WHY_STORAGE_SERVER },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = true,
		    .ip_proto = 6,
		    .dport = 2049 },
		  0,
		  0,
		  QOS_CLASS_BULK,
		  QOS_WHY_DEFAULT },
		{ { .eth_type = 0x0800,
		    .is_ip = true,
		    .l4_known = false,
		    .ip_proto = 6,
		    .dport = 4001 },
		  0,
		  1,
		  QOS_CLASS_BULK,
		  QOS_WHY_DEFAULT },
		{ { .eth_type = 0x0800, .is_ip = true, .dscp = 46 },
		  0,
		  0,
		  QOS_CLASS_BULK,
		  QOS_WHY_DEFAULT },
		{ { .eth_type = 0x0800, .is_ip = true, .dscp = 46, .trust_dscp = true },
		  0,
		  0,
		  QOS_CLASS_LATENCY,
		  QOS_WHY_DSCP },
		{ { .eth_type = 0x0800, .is_ip = true, .dscp = 8 },
		  0,
		  0,
		  QOS_CLASS_SCAVENGER,
		  QOS_WHY_DSCP },
	};
	struct qos_portals *p;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add(p, &srv, 6, 4001), 0);
	assert_int_equal(qos_portals_add_server(p, &srv, 128), 0);
	qos_portals_set_l2(p, QOS_L2_FCOE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct qos_key k = rows[i].k;
		enum qos_why why;

		k.src = rows[i].from_srv ? srv : other;
		k.dst = rows[i].to_srv ? srv : other;
		k.default_class = QOS_CLASS_BULK;
		k.src_known = true;
		assert_int_equal(qos_classify(&k, p, &why), rows[i].cls);
		assert_int_equal(why, rows[i].why);
	}
	qos_portals_destroy(p);
}

// A guest must not gain by an ethertype.
static void storage_ethertypes_count_as_declared(void **state)
{
	static const struct {
		uint16_t eth_type;
		uint32_t l2;
	} types[] = { { 0x8906, QOS_L2_FCOE }, { 0x8914, QOS_L2_FCOE }, { 0x88a2, QOS_L2_AOE } };
	struct qos_portals *p;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	for (uint32_t i = 0; i < 3 * 4; i++) {
		struct qos_key k = { .eth_type = types[i % 3].eth_type,
				     .default_class = QOS_CLASS_BULK };
		bool storage = (i / 3 & types[i % 3].l2) != 0;
		enum qos_why why;

		qos_portals_set_l2(p, i / 3);
		assert_int_equal(qos_classify(&k, p, &why),
				 storage ? QOS_CLASS_STORAGE : QOS_CLASS_BULK);
		assert_int_equal(why, storage ? QOS_WHY_STORAGE_ETHERTYPE : QOS_WHY_DEFAULT);
		assert_int_equal(qos_classify(&k, NULL, &why), QOS_CLASS_BULK);
		k.pcp = 1;
		k.trust_pcp = true;
		assert_int_equal(qos_classify(&k, p, &why),
				 storage ? QOS_CLASS_STORAGE : QOS_CLASS_SCAVENGER);
	}
	qos_portals_destroy(p);
}

// To a portal from anybody; from one only where the sender cannot lie.
static void a_made_up_source_buys_nothing(void **state)
{
	const struct qos_addr srv = ip4(10, 0, 0, 1), guest = ip4(10, 0, 0, 2);
	const struct qos_portal learnt = {
		.addr = ip4(10, 0, 0, 3), .port = 3261, .proto = 6, .how = QOS_HOW_REDIRECT
	};
	struct qos_portals *p;
	enum qos_why why;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add(p, &srv, 6, 4001), 0);
	assert_int_equal(qos_portals_add_server(p, &srv, 128), 0);
	assert_int_equal(qos_portals_put(p, &learnt), 0);
	for (uint32_t i = 0; i < 12; i++) {
		static const uint16_t ports[3] = { 4001, 3260, 3261 };
		static const uint8_t whys[3] = { QOS_WHY_PORTAL, QOS_WHY_STORAGE_SERVER,
						 QOS_WHY_LEARNT };
		struct qos_addr portal = i % 3 == 2 ? learnt.addr : srv;
		bool to = i / 3 & 1, known = i / 6;
		struct qos_key k = { .src = to ? guest : portal,
				     .dst = to ? portal : guest,
				     .eth_type = 0x0800,
				     .sport = to ? 40000 : ports[i % 3],
				     .dport = to ? ports[i % 3] : 40000,
				     .ip_proto = 6,
				     .is_ip = true,
				     .l4_known = true,
				     .src_known = known,
				     .default_class = QOS_CLASS_BULK };

		if (to || known) {
			assert_int_equal(qos_classify(&k, p, &why), QOS_CLASS_STORAGE);
			assert_int_equal(why, whys[i % 3]);
		} else {
			assert_int_equal(qos_classify(&k, p, &why), QOS_CLASS_BULK);
		}
	}
	// Its own end does not hide the one it goes to.
	struct qos_key k = { .src = srv,
			     .dst = learnt.addr,
			     .sport = 4001,
			     .dport = 3261,
			     .eth_type = 0x0800,
			     .ip_proto = 6,
			     .is_ip = true,
			     .l4_known = true };
	assert_int_equal(qos_classify(&k, p, &why), QOS_CLASS_STORAGE);
	qos_portals_destroy(p);
}

static void what_is_plain_is_of_the_default_class(void **state)
{
	const struct qos_addr srv = ip4(10, 0, 0, 1);
	struct qos_portals *p;
	uint32_t n_plain = 0;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add(p, &srv, 6, 4001), 0);
	assert_int_equal(qos_portals_add_server(p, &srv, 128), 0);
	for (uint32_t i = 0; i < 8 * 65536; i++) {
		struct qos_key k = { .src = srv,
				     .dst = srv,
				     .eth_type = 0x0800,
				     .sport = i & 1 ? (uint16_t)(i >> 3) : 40000,
				     .dport = i & 1 ? 40000 : (uint16_t)(i >> 3),
				     .ip_proto = i & 2 ? 6 : 17,
				     .is_ip = true,
				     .l4_known = true,
				     .trust_dscp = true,
				     .default_class = QOS_CLASS_BULK };
		const struct qos_portals *declared = i & 4 ? p : NULL;
		enum qos_why why;

		if (!qos_is_plain(declared, k.dscp, k.sport, k.dport))
			continue;
		n_plain++;
		assert_int_equal(qos_classify(&k, declared, &why), QOS_CLASS_BULK);
		assert_int_equal(why, QOS_WHY_DEFAULT);
	}
	assert_true(n_plain > 8 * 60000);
	assert_false(qos_is_plain(NULL, 8, 1, 2));
	qos_portals_destroy(p);
}

// What PCP, DSCP and the VLAN say together, for every combination of them and of trust.
static void pcp_raises_only_where_trusted_and_after_dscp(void **state)
{
	static const uint8_t of_pcp[8] = { QOS_N_CLASSES,	  QOS_CLASS_SCAVENGER,
					   QOS_CLASS_INTERACTIVE, QOS_CLASS_INTERACTIVE,
					   QOS_CLASS_STORAGE,	  QOS_CLASS_LATENCY,
					   QOS_CLASS_CONTROL,	  QOS_CLASS_CONTROL };
	static const struct {
		uint8_t dscp;
		bool lowers; // needs no trust
		uint8_t cls;
	} of_dscp[] = { { 0, false, QOS_N_CLASSES },	     { 46, false, QOS_CLASS_LATENCY },
			{ 48, false, QOS_CLASS_CONTROL },    { 8, true, QOS_CLASS_SCAVENGER },
			{ 33, false, QOS_N_CLASSES },	     { 1, true, QOS_CLASS_SCAVENGER },
			{ 18, false, QOS_CLASS_INTERACTIVE } };

	(void)state;
	for (uint32_t i = 0; i < 8 * 7 * 2 * 2 * 2 * 2; i++) {
		uint32_t pcp = i % 8, d = i / 8 % 7, bits = i / 56;
		bool ip = bits & 1, trust_dscp = bits & 2, trust_pcp = bits & 4, vlan = bits & 8;
		struct qos_key k = { .eth_type = ip ? 0x0800 : 0x88b5,
				     .is_ip = ip,
				     .dscp = of_dscp[d].dscp,
				     .pcp = (uint8_t)pcp,
				     .trust_dscp = trust_dscp,
				     .trust_pcp = trust_pcp,
				     .vlan_class = vlan ? QOS_CLASS_STORAGE + 1 : 0,
				     .default_class = QOS_CLASS_BULK };
		enum qos_class want = vlan ? QOS_CLASS_STORAGE : QOS_CLASS_BULK;
		enum qos_why why, want_why = vlan ? QOS_WHY_VLAN : QOS_WHY_DEFAULT;

		if (trust_pcp && pcp != 0) {
			want = of_pcp[pcp];
			want_why = QOS_WHY_PCP;
		}
		if (ip && of_dscp[d].cls != QOS_N_CLASSES && (trust_dscp || of_dscp[d].lowers)) {
			want = of_dscp[d].cls;
			want_why = QOS_WHY_DSCP;
		}
		assert_int_equal(qos_classify(&k, NULL, &why), want);
		assert_int_equal(why, want_why);
	}
}

static void declared_rules_come_before_pcp_and_vlan(void **state)
{
	struct qos_key k = { .eth_type = 0x0806, .pcp = 1, .trust_pcp = true, .vlan_class = 7 };
	enum qos_why why;

	(void)state;
	assert_int_equal(qos_classify(&k, NULL, &why), QOS_CLASS_CONTROL);
	k = (struct qos_key){ .eth_type = 0x0800,
			      .is_ip = true,
			      .l4_known = true,
			      .ip_proto = 17,
			      .dport = 69,
			      .pcp = 7,
			      .trust_pcp = true };
	assert_int_equal(qos_classify(&k, NULL, &why), QOS_CLASS_BOOT);
}

static void class_names_are_found_again(void **state)
{
	enum qos_class c = QOS_CLASS_BOOT;

	(void)state;
	for (uint32_t i = 0; i < QOS_N_CLASSES; i++) {
		assert_int_equal(qos_class_find(qos_class_name(i), &c), 0);
		assert_int_equal(c, i);
	}
	assert_int_equal(qos_class_find("Storage", &c), -ENOENT);
	assert_int_equal(c, QOS_N_CLASSES - 1);
}

static void portals_are_exact_and_bounded(void **state)
{
	struct qos_portals *p;

	(void)state;
	assert_int_equal(qos_portals_create(&p), 0);
	for (uint32_t i = 0; i < QOS_PORTALS_MAX; i++) {
		struct qos_addr a = ip4(10, (uint8_t)(i >> 8), (uint8_t)i, 1);

		assert_int_equal(qos_portals_add(p, &a, 6, (uint16_t)(3000 + i % 7)), 0);
		assert_int_equal(qos_portals_add(p, &a, 6, (uint16_t)(3000 + i % 7)), -EEXIST);
	}
	for (uint32_t i = 0; i < QOS_PORTALS_MAX; i++) {
		struct qos_addr a = ip4(10, (uint8_t)(i >> 8), (uint8_t)i, 1);

		assert_true(qos_portals_has(p, &a, 6, (uint16_t)(3000 + i % 7)));
		assert_false(qos_portals_has(p, &a, 17, (uint16_t)(3000 + i % 7)));
		assert_false(qos_portals_has(p, &a, 6, (uint16_t)(3000 + (i + 1) % 7)));
	}
	struct qos_addr more = ip4(11, 0, 0, 1);
	assert_int_equal(qos_portals_add(p, &more, 6, 1), -ENOSPC);
	assert_int_equal(qos_portals_add(p, &more, 6, 0), -EINVAL);
	qos_portals_destroy(p);
}

static void server_prefixes_match_to_the_bit(void **state)
{
	struct qos_addr net = ip4(10, 0, 0, 0x50), in = ip4(10, 0, 0, 0x57),
			out = ip4(10, 0, 0, 0x58);
	const uint8_t six[16] = { 0x20, 1, [15] = 0x50 };
	struct qos_portals *p;
	struct qos_addr a6;

	(void)state;
	qos_addr_set6(&a6, six);
	assert_int_equal(qos_portals_create(&p), 0);
	assert_int_equal(qos_portals_add_server(p, &net, 96 + 29), 0);
	assert_int_equal(qos_portals_add_server(p, &net, 129), -EINVAL);
	assert_true(qos_portals_is_server(p, &in));
	assert_false(qos_portals_is_server(p, &out));
	assert_false(qos_portals_is_server(p, &a6));
	qos_portals_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_decides_in_its_order),
		cmocka_unit_test(storage_ethertypes_count_as_declared),
		cmocka_unit_test(a_made_up_source_buys_nothing),
		cmocka_unit_test(what_is_plain_is_of_the_default_class),
		cmocka_unit_test(pcp_raises_only_where_trusted_and_after_dscp),
		cmocka_unit_test(declared_rules_come_before_pcp_and_vlan),
		cmocka_unit_test(class_names_are_found_again),
		cmocka_unit_test(portals_are_exact_and_bounded),
		cmocka_unit_test(server_prefixes_match_to_the_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
