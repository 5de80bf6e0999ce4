// Storage on the main thread against guests, and against files and clocks that say anything.
#include "storage_rig.h"

// The guest speaks to a learnt portal all the time; nobody answers.
static void a_guest_alone_keeps_no_portal(void **state)
{
	struct dp_storage_event e = {
		.flow = 1,
		.kind = DP_STORAGE_OPEN,
		.way = QOS_TO_PORTAL,
		.open = { .key = { .client = addr("10.1.0.11"),
				   .portal = addr("10.2.0.1"),
				   .client_port = 40000,
				   .portal_port = 4000,
				   .proto = 6 },
			  .hit = { QOS_SVC_ISCSI, QOS_TO_PORTAL, QOS_HOW_REDIRECT, false } },
	};

	(void)state;
	configure(BASE SERVER "set storage ageing 120\n");
	teach("10.0.0.9", "10.2.0.1", 4000);
	e.open.vm_idx = (uint16_t)dp_switch_vm_find(rig.c.sw, "v");
	expect_learnt(true, "10.2.0.1", 4000);
	for (uint32_t i = 0; i < 10; i++) {
		e.ns = rig.now_ns;
		ctl_storage_event(rig.c.storage, &e);
		pdu(QOS_TO_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_REQUEST, .tag = i },
		    rig.now_ns);
		wall_now += 30;
		pass(30 * SECOND);
	}
	expect_learnt(false, "10.2.0.1", 4000);
	// With a server that answers it stays.
	teach("10.0.0.9", "10.2.0.1", 4000);
	for (uint32_t i = 0; i < 10; i++) {
		pdu(QOS_TO_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_REQUEST, .tag = i },
		    rig.now_ns);
		e.flow = 2;
		e.way = e.open.hit.way = QOS_FROM_PORTAL;
		e.ns = rig.now_ns;
		if (i == 0)
			ctl_storage_event(rig.c.storage, &e);
		pdu(QOS_FROM_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_RESPONSE, .tag = i },
		    rig.now_ns);
		wall_now += 30;
		pass(30 * SECOND);
	}
	expect_learnt(true, "10.2.0.1", 4000);
}

// However many boot, each has its bounds: here, that it is quiet.
static void bounds_of_a_boot_hold_for_the_last_of_many(void **state)
{
	(void)state;
	configure(BASE SERVER);
	for (uint16_t i = 100; i < 400; i++)
		qos_phases_edge(rig.c.storage->phases, i, QOS_EDGE_BEGIN, rig.now_ns);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_OS, rig.now_ns);
	assert_int_equal(boot(), 1);
	pass(15 * SECOND);
	assert_int_equal(boot(), 0);
}

static void no_time_is_too_far_to_be_shown(void **state)
{
	(void)state;
	configure(BASE SERVER);
	wall_now = INT64_MAX;
	teach("10.0.0.9", "10.2.0.1", 4000);
	expect_shown("portals", "", "\"last-seen\":\"9999-12-31T23:59:59Z\"");
	wall_now = 1800000000;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_guest_alone_keeps_no_portal),
		TEST(bounds_of_a_boot_hold_for_the_last_of_many),
		TEST(no_time_is_too_far_to_be_shown),
	};

	return rig_run(tests, sizeof(tests) / sizeof(tests[0]), WEIR_YANG_SRC);
}
