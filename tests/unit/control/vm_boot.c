// Timelines of VMs as the daemon keeps them: what begins one, what leads it on, what is counted and
// shown. The clock is this file's.
#include "storage_rig.h"

static const struct ctl_vm *vm(void)
{
	const struct ctl_vm *v = ctl_vm_find(&rig.c, "v");

	assert_non_null(v);
	return v;
}

static const struct boot_timeline *line_of(uint32_t i)
{
	return &vm()->boots[i].t;
}

static void watch(uint64_t after_ns)
{
	rig.now_ns += after_ns;
	ctl_vm_watch(&rig.c, rig.now_ns); // one VM after the other
	ctl_vm_watch(&rig.c, rig.now_ns);
}

static void attach(void)
{
	rig.n_attaches++;
	rig.attached = true;
	watch(SECOND);
}

static void event_of(const char *port, enum boot_event_kind kind, enum boot_stage stage)
{
	const struct boot_event e = {
		.ns = rig.now_ns += SECOND / 10,
		.port = (uint32_t)dp_switch_port_find(rig.c.sw, port),
		.kind = (uint8_t)kind,
		.stage = (uint8_t)stage,
		.bytes = kind == BOOT_EV_TFTP_DONE ? 1000 : 0,
		.repeats = kind == BOOT_EV_TFTP_DONE ? 3 : 0,
		.detail = "x",
	};

	ctl_vm_boot_event(&rig.c, "v", &e);
}

static void event(enum boot_event_kind kind, enum boot_stage stage)
{
	event_of("v.0", kind, stage);
}

static void nfs_open(void)
{
	const struct dp_storage_event e = {
		.ns = rig.now_ns += SECOND / 10,
		.flow = 1,
		.kind = DP_STORAGE_OPEN,
		.way = QOS_TO_PORTAL,
		.open = { .key = { .client = addr("10.1.0.11"),
				   .portal = addr("10.0.0.9"),
				   .client_port = 700,
				   .portal_port = 2049,
				   .proto = 6 },
			  .hit = { QOS_SVC_NFS, QOS_TO_PORTAL, QOS_HOW_DECLARED, true },
			  .vm_idx = (uint16_t)dp_switch_vm_find(rig.c.sw, "v") },
	};

	ctl_storage_event(rig.c.storage, &e);
}

static void expect_marks(const char *want)
{
	struct boot_step s[BOOT_N_MARKS];
	uint32_t n = boot_timeline_steps(line_of(0), s);
	char text_of[160] = "";

	for (uint32_t i = 0; i < n; i++)
		snprintf(text_of + strlen(text_of), sizeof(text_of) - strlen(text_of), "%s%s",
			 i > 0 ? " " : "", boot_mark_name(s[i].mark));
	assert_string_equal(text_of, want);
}

static void a_kernel_with_an_nfs_root_comes_to_its_end(void **state)
{
	(void)state;
	configure(BASE SERVER);
	attach();
	event(BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	event(BOOT_EV_OFFER, BOOT_STAGE_NONE);
	event(BOOT_EV_ACK, BOOT_STAGE_FIRMWARE);
	event(BOOT_EV_TFTP_START, BOOT_STAGE_NONE);
	event(BOOT_EV_TFTP_DONE, BOOT_STAGE_NONE);
	nfs_open(); // its address is on the command line: it asks for none
	rig.now_ns += SECOND;
	command(1, 1000, 0);
	expect_marks("start discover offer ack fetch fetched login os io");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_COMPLETE, rig.now_ns += SECOND);
	watch(SECOND);
	expect_shown("vms", "v", "\"result\":\"booted\",\"at\":\"steady\"");
	expect_shown("vms", "v", "\"tftp-repeats\":3");
	expect_metric("weir_boot_results_total{result=\"booted\"} 1\n");
	expect_metric("weir_boot_seconds_count 1\n");
	expect_metric("weir_boot_stage_seconds_count{stage=\"login\"} 1\n");
	expect_metric("weir_boot_file_bytes_total{by=\"tftp\"} 1000\n");
	expect_metric("weir_vm_boot_result{vm=\"v\",weir_vm_boot_result=\"booted\"} 1\n");
	expect_metric("weir_vm_boot_result{vm=\"w\",weir_vm_boot_result=\"none\"} 1\n");
}

static void who_starts_it_and_its_qemu_are_one_start(void **state)
{
	(void)state;
	configure(BASE SERVER);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns);
	attach();
	assert_int_equal(line_of(0)->number, 1);
	assert_int_equal(line_of(0)->cause, BOOT_CAUSE_ATTACH);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns + 1);
	assert_int_equal(line_of(0)->number, 1);
	assert_int_equal(line_of(1)->number, 0);
	assert_int_equal(line_of(0)->mark_ns[BOOT_MARK_START], rig.now_ns);
}

static void the_last_two_boots_are_kept(void **state)
{
	(void)state;
	configure(BASE SERVER);
	for (uint32_t i = 1; i <= 3; i++) {
		ctl_storage_edge(&rig.c, "v", QOS_EDGE_RESET, rig.now_ns += SECOND);
		event(BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
		assert_int_equal(line_of(0)->number, i);
		assert_int_equal(line_of(1)->number, i - 1);
	}
	watch(1);
	expect_shown("vms", "v", "\"number\":3");
	expect_shown("vms", "v", "\"number\":2");
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_CUT], 2);
	// Each is counted once, however often one looks.
	watch(1);
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_CUT], 2);
}

static void what_is_stuck_is_counted_once_and_told(void **state)
{
	(void)state;
	configure(BASE SERVER);
	attach();
	event(BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	watch(9 * SECOND);
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_STUCK], 0);
	watch(2 * SECOND);
	watch(2 * SECOND);
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_STUCK], 1);
	expect_shown("vms", "v", "boot stuck at discover: waits for ");
	// It goes on and boots.
	event(BOOT_EV_OFFER, BOOT_STAGE_NONE);
	watch(1);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns += SECOND);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns += SECOND);
	event(BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_COMPLETE, rig.now_ns += SECOND);
	watch(1);
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_BOOTED], 1);
}

// A machine boots by its first card, and what a card that is not its own hears is not its boot.
static void other_cards_tell_nothing(void **state)
{
	(void)state;
	configure(BASE SERVER "set vm v nic 1 mac 52:54:00:00:00:03 vlan 20\n");
	attach();
	event_of("v.1", BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	event_of("w.0", BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	expect_marks("start");
}

static void a_switch_that_starts_anew_counts_no_boot(void **state)
{
	(void)state;
	configure(BASE SERVER);
	rig.resumed = true;
	attach();
	watch(1);
	expect_shown("vms", "v", "\"cause\":\"switch-started\",\"result\":\"running\"");
	event(BOOT_EV_DISCOVER, BOOT_STAGE_OS); // renews what it has
	watch(100 * SECOND);
	expect_shown("vms", "v", "\"result\":\"running\"");
	assert_int_equal(rig.c.boots.results[BOOT_RESULT_BOOTED], 0);
	// In the middle of its boot: its firmware asks again.
	event(BOOT_EV_DISCOVER, BOOT_STAGE_FIRMWARE);
	expect_shown("vms", "v", "\"cause\":\"seen\",\"result\":\"booting\"");
	assert_int_equal(line_of(0)->number, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kernel_with_an_nfs_root_comes_to_its_end),
		TEST(who_starts_it_and_its_qemu_are_one_start),
		TEST(the_last_two_boots_are_kept),
		TEST(what_is_stuck_is_counted_once_and_told),
		TEST(other_cards_tell_nothing),
		TEST(a_switch_that_starts_anew_counts_no_boot),
	};

	return rig_run(tests, sizeof(tests) / sizeof(tests[0]), WEIR_YANG_SRC);
}
