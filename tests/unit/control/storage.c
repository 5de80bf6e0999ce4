// Learnt portals, boots and times: storage_rig.h says how.
#include "storage_rig.h"

#include <errno.h>

#include "persist_priv.h"

// --- Learning

static void what_was_learnt_survives_commits_and_restarts(void **state)
{
	(void)state;
	configure(BASE SERVER);
	expect_learnt(false, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.5", 4001);
	expect_explained("10.9.0.5", 4001,
			 "\"portal\":{\"service\":\"iscsi\",\"how\":\"redirect\",\"way\":\"to\"}");
	expect_explained("10.0.0.9", 2049,
			 "\"portal\":{\"service\":\"nfs\",\"how\":\"server\",\"way\":\"to\"}");
	configure(BASE SERVER "set storage portal 10.7.0.1 tcp 5000\n");
	expect_learnt(true, "10.9.0.5", 4001);
	configure(BASE SERVER "set vm v hostname x\n");
	expect_learnt(true, "10.9.0.5", 4001);
	stop();
	start();
	configure(BASE SERVER);
	expect_learnt(true, "10.9.0.5", 4001); // at once
	expect_shown("portals", "",
		     "\"address\":\"10.9.0.5\",\"protocol\":\"tcp\",\"port\":4001,"
		     "\"service\":\"iscsi\",\"how\":\"redirect\",\"teacher\":"
		     "\"10.0.0.9\"");
	// Who taught it is not listed any more.
	configure(BASE);
	expect_learnt(false, "10.9.0.5", 4001);
	configure(BASE SERVER);
	expect_learnt(false, "10.9.0.5", 4001);
}

static void it_is_written_without_an_end(void **state)
{
	struct stat st;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", rig.dir, CTL_LEARNT_FILE);
	configure(BASE SERVER);
	pass(6 * SECOND);
	assert_int_equal(stat(path, &st), -1);
	teach("10.0.0.9", "10.9.0.5", 4001);
	pass(6 * SECOND);
	assert_int_equal(stat(path, &st), 0);
}

static uint32_t n_failed;

static int fsync_fails(int fd)
{
	(void)fd;
	n_failed++;
	errno = EIO;
	return -1;
}

static void a_disk_that_fails_is_left_alone_for_a_while(void **state)
{
	struct ctl_persist_sys sys = ctl_file_sys;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/%s", rig.dir, CTL_LEARNT_FILE);
	configure(BASE SERVER);
	sys.fsync = fsync_fails;
	rig.c.persist->sys = &sys;
	n_failed = 0;
	teach("10.0.0.9", "10.9.0.5", 4001);
	pass(50 * SECOND);
	assert_int_equal(n_failed, 1);
	assert_int_equal(access(path, F_OK), -1);
	expect_learnt(true, "10.9.0.5", 4001); // it counts all the same
	rig.c.persist->sys = &ctl_file_sys;
	pass(15 * SECOND);
	assert_int_equal(access(path, F_OK), 0);
}

// Answers of one worker come behind requests of another, in whatever order they are taken.
static void events_of_workers_are_merged_by_time(void **state)
{
	struct dp_storage_event e[64];
	uint32_t n = 0;

	(void)state;
	configure(BASE SERVER);
	conn_open();
	for (uint32_t way = 2; way-- > 0;) { // the answers' worker first
		for (uint32_t i = 0; i < 32; i++)
			e[n++] = (struct dp_storage_event){
				.ns = rig.now_ns + i * 1000000 + way * 700000,
				.flow = way == 0 ? 1 : 2,
				.kind = DP_STORAGE_PDU,
				.way = (uint8_t)way,
				.pdu = { .kind = way == 0 ? QOS_PDU_REQUEST : QOS_PDU_RESPONSE,
					 .op = QOS_OP_READ,
					 .tag = 5 }, // again and again: order tells them apart
			};
	}
	ctl_storage_merge(rig.c.storage, e, n);
	expect_shown("storage", "v",
		     "\"name\":\"read\",\"commands\":\"32\",\"bytes\":\"0\","
		     "\"mean\":700,");
}

static void bounds_hold(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage max-learnt 3\nset storage max-learnt-per-server 2\n");
	teach("10.0.0.9", "10.9.0.1", 4001);
	teach("10.0.0.9", "10.9.0.2", 4001);
	teach("10.0.0.9", "10.9.0.3", 4001);
	expect_learnt(false, "10.9.0.3", 4001);
	teach("10.0.0.8", "10.9.0.3", 4001);
	teach("10.0.0.8", "10.9.0.4", 4001);
	teach("10.5.0.1", "10.9.0.6", 4001); // nobody listed it
	teach("10.0.0.8", "127.0.0.1", 4001);
	expect_learnt(true, "10.9.0.2", 4001);
	expect_learnt(true, "10.9.0.3", 4001);
	expect_learnt(false, "10.9.0.4", 4001);
	expect_learnt(false, "10.9.0.6", 4001);
	expect_shown("portals", "",
		     "\"learning\":{\"learnt\":3,\"taught\":\"3\",\"refused-full\":\"1\","
		     "\"refused-server-full\":\"1\",\"refused-unlisted\":\"1\",\"refused-address\":"
		     "\"1\"");
	expect_metric("weir_portals_refused_total{reason=\"server-full\"} 1\n");
	// Smaller bounds take some away.
	configure(BASE SERVER "set storage max-learnt 1\n");
	expect_shown("portals", "", "\"learning\":{\"learnt\":1,");
	configure(BASE SERVER "set storage learning false\n");
	teach("10.0.0.8", "10.9.0.7", 4001);
	expect_learnt(false, "10.9.0.7", 4001);
}

static void what_nobody_uses_ages(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage ageing 600\n");
	teach("10.0.0.9", "10.9.0.5", 4001);
	wall_now += 599;
	pass(61 * SECOND);
	expect_learnt(true, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001); // named again
	wall_now += 599;
	pass(61 * SECOND);
	expect_learnt(true, "10.9.0.5", 4001);
	wall_now += 2;
	pass(61 * SECOND);
	expect_learnt(false, "10.9.0.5", 4001);
	expect_shown("portals", "", "\"aged\":\"1\"");
}

static void it_is_forgotten_when_told_to(void **state)
{
	struct qos_portal p = { .addr = addr("10.9.0.5"), .proto = 6, .port = 4001 };

	(void)state;
	configure(BASE SERVER);
	teach("10.0.0.9", "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.6", 4001);
	teach("10.0.0.9", "10.9.0.7", 4001);
	assert_int_equal(ctl_storage_forget(&rig.c, &p), 1);
	assert_int_equal(ctl_storage_forget(&rig.c, &p), 0);
	expect_learnt(false, "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.6", 4001);
	assert_int_equal(ctl_storage_forget(&rig.c, NULL), 2);
	expect_learnt(false, "10.9.0.6", 4001);
}

static void a_damaged_file_is_put_aside(void **state)
{
	char path[128], aside[160];
	FILE *f;

	(void)state;
	configure(BASE SERVER);
	teach("10.0.0.9", "10.9.0.5", 4001);
	stop();
	snprintf(path, sizeof(path), "%s/%s", rig.dir, CTL_LEARNT_FILE);
	snprintf(aside, sizeof(aside), "%s.corrupt", path);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 20, SEEK_SET);
	fputc('#', f);
	fclose(f);
	start();
	configure(BASE SERVER);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(aside, F_OK), 0);
	expect_learnt(false, "10.9.0.5", 4001);
	teach("10.0.0.9", "10.9.0.5", 4001);
	expect_learnt(true, "10.9.0.5", 4001);
}

// --- Boots

static void phases_follow_what_happens(void **state)
{
	(void)state;
	configure(BASE SERVER);
	rig.n_attaches = 1;
	rig.attached = true;
	pass(SECOND);
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	assert_int_equal(boot(), 0);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns);
	assert_true(boot() > rig.now_ns);
	assert_int_equal(class_of("10.0.0.9", 3260, NULL), QOS_CLASS_BOOT);
	expect_shown("storage", "v", "\"name\":\"v\",\"phase\":\"boot-firmware\"");
	expect_shown("vms", "v", "phase boot-firmware: DHCP of a boot ROM");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_OS, rig.now_ns + 1000);
	expect_shown("storage", "v", "\"phase\":\"boot-os\"");
	expect_metric("weir_vm_phase{vm=\"v\",weir_vm_phase=\"boot-os\"} 1\n");
	expect_metric("weir_vm_phase{vm=\"v\",weir_vm_phase=\"steady\"} 0\n");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_COMPLETE, rig.now_ns + 2000);
	assert_int_equal(boot(), 0);
	assert_int_equal(class_of("10.0.0.9", 3260, NULL), QOS_CLASS_STORAGE);
	expect_shown("storage", "", "\"in-time\":\"1\"");
	// An address again is no boot again; another process is.
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns + 3000);
	assert_int_equal(boot(), 0);
	rig.n_attaches = 2;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_DHCP_FW, rig.now_ns + 4000);
	assert_true(boot() != 0);
	rig.attached = false;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	assert_int_equal(boot(), 0);
}

// The switch was started anew beside it.
static void a_machine_that_runs_boots_no_more(void **state)
{
	(void)state;
	configure(BASE SERVER);
	rig.n_attaches = 1;
	rig.attached = rig.resumed = true;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	expect_shown("storage", "v", "\"name\":\"v\",\"phase\":\"steady\"");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_LOGIN_OS, rig.now_ns);
	assert_int_equal(boot(), 0);
	rig.n_attaches = 2;
	rig.resumed = false;
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_vm_watch(&rig.c, rig.now_ns);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_LOGIN_OS, rig.now_ns);
	assert_true(boot() != 0);
}

static void a_boot_has_an_end(void **state)
{
	(void)state;
	configure(BASE SERVER "set storage boot deadline 10 longest 20\n");
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns);
	assert_int_equal(boot(), rig.now_ns + 10 * SECOND);
	pass(11 * SECOND);
	assert_int_equal(boot(), 1);
	pass(10 * SECOND);
	assert_int_equal(boot(), 0);
	expect_shown("storage", "", "\"timed-out\":\"1\"");
}

static void a_vm_that_goes_leaves_nothing(void **state)
{
	uint16_t idx;

	(void)state;
	configure(BASE SERVER);
	idx = (uint16_t)dp_switch_vm_find(rig.c.sw, "v");
	conn_open();
	command(1, 1000000, 0);
	ctl_storage_edge(&rig.c, "v", QOS_EDGE_BEGIN, rig.now_ns);
	expect_shown("storage", "", "\"name\":\"v\"");
	configure("set port u type uplink device u rate 10g trunk [ 20 ]\n" SERVER);
	assert_int_equal(dp_switch_boot(rig.c.sw, idx), 0);
	pass(SECOND);
	command(2, 1000000, 0); // its flows may still say something
	char *s = shown("storage", "");

	assert_null(strstr(s, "\"name\":\"v\""));
	assert_non_null(strstr(s, "\"booting\":0"));
	free(s);
}

#define LOGIN(name, max)                                                                           \
	"InitiatorName=" name "\0SessionType=Normal\0TargetName=iqn.2026-11.x:t\0"                 \
	"MaxRecvDataSegmentLength=" max "\0InitialR2T=Yes\0ImmediateData=No"

static void log_in(const char *t, size_t size)
{
	static const char answer[] = "TargetPortalGroupTag=1";

	pdu(QOS_TO_PORTAL, (struct qos_pdu){ .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_FULL },
	    rig.now_ns);
	text(QOS_TO_PORTAL, t, size);
	pdu(QOS_FROM_PORTAL,
	    (struct qos_pdu){ .kind = QOS_PDU_LOGIN, .flags = QOS_PDU_F_RESPONSE | QOS_PDU_F_FULL },
	    rig.now_ns);
	text(QOS_FROM_PORTAL, answer, sizeof(answer));
}

static void logins_tell_how_far_a_boot_is(void **state)
{
	static const char firmware[] = LOGIN("iqn.2010-04.org.ipxe:v", "8192");
	static const char os[] = LOGIN("iqn.1993-08.org.debian:01:v", "262144");

	(void)state;
	configure(BASE SERVER);
	conn_open();
	log_in(firmware, sizeof(firmware));
	expect_shown("storage", "v", "\"phase\":\"boot-firmware\"");
	expect_shown("storage", "v", "\"initiator\":\"iqn.2010-04.org.ipxe:v\"");
	log_in(os, sizeof(os));
	expect_shown("storage", "v", "\"phase\":\"boot-os\"");
}

// --- Times

static void times_are_shown(void **state)
{
	(void)state;
	configure(BASE SERVER);
	conn_open();
	for (uint32_t i = 0; i < 100; i++)
		command(i, 1000000, 250000);
	pdu(QOS_TO_PORTAL,
	    (struct qos_pdu){ .kind = QOS_PDU_REQUEST, .op = QOS_OP_WRITE, .tag = 200 },
	    rig.now_ns);
	pass(SECOND / 2);
	expect_shown("storage", "v",
		     "\"op\":[{\"name\":\"read\",\"commands\":\"100\",\"bytes\":\"409600\","
		     "\"mean\":1000,");
	expect_shown("storage", "v",
		     "\"in-queues-out\":250,\"in-queues-in\":0,"
		     "\"share-in-switch\":25");
	expect_shown("storage", "v", "waits for 10.0.0.9 tcp 3260 (iscsi): 1000 us in the mean");
	expect_shown("storage", "v", "1 wait, the oldest for 500000 us");
	expect_shown("portals", "", "\"how\":\"server\",\"last-seen\":");
	expect_metric("weir_storage_command_seconds_bucket{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\",le=\"0.000524288\"} 0\n");
	expect_metric("weir_storage_command_seconds_bucket{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\",le=\"0.001048576\"} 100\n");
	expect_metric("weir_storage_command_seconds_sum{vm=\"v\",portal=\"10.0.0.9:3260/tcp\","
		      "op=\"read\"} 0.100000000\n");
	expect_metric("weir_storage_wait_out_seconds_total{vm=\"v\",portal=\"10.0.0.9:3260/tcp\"} "
		      "0.025000000\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_learnt_survives_commits_and_restarts),
		TEST(it_is_written_without_an_end),
		TEST(a_disk_that_fails_is_left_alone_for_a_while),
		TEST(events_of_workers_are_merged_by_time),
		TEST(bounds_hold),
		TEST(what_nobody_uses_ages),
		TEST(it_is_forgotten_when_told_to),
		TEST(a_damaged_file_is_put_aside),
		TEST(phases_follow_what_happens),
		TEST(a_machine_that_runs_boots_no_more),
		TEST(a_boot_has_an_end),
		TEST(a_vm_that_goes_leaves_nothing),
		TEST(logins_tell_how_far_a_boot_is),
		TEST(times_are_shown),
	};

	return rig_run(tests, sizeof(tests) / sizeof(tests[0]), WEIR_YANG_SRC);
}
