// Timelines of boots: sequences as firmware and operating systems make them, and those that go
// wrong.
#include <stdio.h>

#include "../unit.h"
#include "boot_timeline.h"

#define SECOND 1000000000ull
#define MS 1000000ull
#define T0 (5 * SECOND)

static struct boot_timeline t;
static struct boot_about about;
static uint64_t now;

static void begin(enum boot_cause cause)
{
	now = T0;
	about = (struct boot_about){ .vm = "web1",
				     .port = "web1.0",
				     .method = BOOT_ISCSI,
				     .served = true,
				     .followed = true };
	boot_timeline_begin(&t, cause, 1, now);
}

static void event(uint64_t after_ms, enum boot_event_kind kind, const char *detail)
{
	struct boot_event e = { .kind = (uint8_t)kind };

	now += after_ms * MS;
	e.ns = now;
	snprintf(e.detail, sizeof(e.detail), "%s", detail);
	boot_timeline_event(&t, &e);
}

static struct boot_event asks(uint64_t after_ms, enum boot_stage stage, const char *who)
{
	struct boot_event e = { .kind = BOOT_EV_DISCOVER, .stage = (uint8_t)stage };

	now += after_ms * MS;
	e.ns = now;
	snprintf(e.detail, sizeof(e.detail), "%s", who);
	return e;
}

static void discover(uint64_t after_ms, enum boot_stage stage, const char *who)
{
	struct boot_event e = asks(after_ms, stage, who);

	boot_timeline_event(&t, &e);
}

static void dora(uint64_t after_ms, enum boot_stage stage, const char *who)
{
	discover(after_ms, stage, who);
	event(1, BOOT_EV_OFFER, "");
	event(100, BOOT_EV_ACK, who);
}

static void mark(uint64_t after_ms, enum boot_mark m)
{
	now += after_ms * MS;
	boot_timeline_mark(&t, m, now);
}

static struct boot_verdict verdict(uint64_t after_s)
{
	struct boot_verdict v;

	boot_timeline_verdict(&t, &about, now + after_s * SECOND, &v);
	return v;
}

#define expect(after_s, want, where)                                                               \
	do {                                                                                       \
		struct boot_verdict v_ = verdict(after_s);                                         \
		assert_string_equal(boot_result_name(v_.result), boot_result_name(want));          \
		assert_string_equal(boot_mark_name(v_.at), boot_mark_name(where));                 \
	} while (0)

// Names of the marks that were reached, in the order of time.
static void expect_marks(const char *want)
{
	struct boot_step s[BOOT_N_MARKS];
	uint32_t n = boot_timeline_steps(&t, s);
	char text[256] = "";
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 boot_mark_name(s[i].mark));
		sum += s[i].took_ns;
	}
	assert_string_equal(text, want);
	assert_true(n == 0 || sum == s[n - 1].ns - s[0].ns); // no time is lost
}

// S1: SeaBIOS with iPXE boots from its SAN disk by one offer.
static void a_san_boot_has_its_marks_in_order(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_START);
	dora(2000, BOOT_STAGE_FIRMWARE, "iPXE");
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_ACK);
	assert_string_equal(verdict(0).waits, "its login to the iSCSI target, or a boot file");
	mark(50, BOOT_MARK_LOGIN);
	mark(3, BOOT_MARK_IO);
	discover(4000, BOOT_STAGE_OS, "Linux");
	event(1, BOOT_EV_OFFER, "");
	event(1, BOOT_EV_ACK, "Linux");
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_OS);
	mark(100, BOOT_MARK_LOGIN);
	mark(9000, BOOT_MARK_STEADY);
	expect(1000, BOOT_RESULT_BOOTED, BOOT_MARK_STEADY);
	assert_string_equal(verdict(0).waits, "");
	expect_marks("start discover offer ack login io os steady");
	assert_int_equal(t.n_who, 2);
	assert_string_equal(t.who[1], "Linux");
	assert_int_equal(t.repeats, 0);
	assert_int_equal(t.end_ns, now);
}

// S3: UEFI's PXE loads iPXE, which asks for an address of its own and boots.
static void a_chain_is_one_boot(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	dora(5000, BOOT_STAGE_FIRMWARE, "UEFI PXE");
	event(5, BOOT_EV_TFTP_START, "snponly.efi");
	event(300, BOOT_EV_TFTP_DONE, "snponly.efi");
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_FETCHED);
	dora(1500, BOOT_STAGE_FIRMWARE, "iPXE");
	// It is at its address again, and the marks are of the first time.
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_ACK);
	assert_int_equal(t.mark_ns[BOOT_MARK_DISCOVER], T0 + 5000 * MS);
	event(5, BOOT_EV_HTTP_START, "vmlinuz");
	event(700, BOOT_EV_HTTP_DONE, "vmlinuz");
	assert_int_equal(t.mark_ns[BOOT_MARK_FETCHED], now);
	assert_int_equal(t.files, 2);
	assert_int_equal(t.discovers, 2);
	assert_int_equal(t.repeats, 0);
	mark(10, BOOT_MARK_LOGIN);
	expect_marks("start discover offer ack fetch fetched login");
}

static void who_repeats_does_not_go_on(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	discover(1000, BOOT_STAGE_FIRMWARE, "iPXE");
	for (int i = 0; i < 4; i++)
		discover(3000, BOOT_STAGE_FIRMWARE, "iPXE");
	assert_int_equal(t.repeats, 4);
	assert_int_equal(t.n_who, 1);
	// 12 s without an offer, whatever it sends.
	expect(0, BOOT_RESULT_STUCK, BOOT_MARK_DISCOVER);
	assert_int_equal(verdict(0).since_ns, T0 + 1000 * MS);
	assert_non_null(strstr(verdict(0).look, "weir show drops web1.0"));
	// With offers that it does not take it is stuck there.
	event(1, BOOT_EV_OFFER, "");
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_OFFER);
	for (int i = 0; i < 5; i++) {
		discover(4000, BOOT_STAGE_FIRMWARE, "iPXE");
		event(1, BOOT_EV_OFFER, "");
	}
	expect(0, BOOT_RESULT_STUCK, BOOT_MARK_OFFER);
	// It goes on all the same.
	event(100, BOOT_EV_ACK, "iPXE");
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_ACK);
}

static void a_failure_counts_when_nothing_follows(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	about.method = BOOT_KERNEL;
	dora(1000, BOOT_STAGE_FIRMWARE, "GRUB");
	event(5, BOOT_EV_TFTP_FAILED, "grub.cfg-01-52-54");
	expect(1, BOOT_RESULT_BOOTING, BOOT_MARK_ACK);
	event(5, BOOT_EV_TFTP_START, "grub.cfg");
	event(5, BOOT_EV_TFTP_DONE, "grub.cfg");
	expect(6, BOOT_RESULT_BOOTING, BOOT_MARK_FETCHED);
	event(5, BOOT_EV_HTTP_FAILED, "vmlinuz: 404");
	expect(4, BOOT_RESULT_BOOTING, BOOT_MARK_FETCHED);
	expect(5, BOOT_RESULT_FAILED, BOOT_MARK_FETCHED);
	assert_string_equal(t.why, "HTTP failed: vmlinuz: 404");
	assert_non_null(strstr(verdict(5).look, "weir vm console web1"));
	assert_int_equal(t.tftp_failed, 1);
	assert_int_equal(t.http_failed, 1);
}

static void bytes_and_repeats_are_summed(void **state)
{
	struct boot_event e = { .kind = BOOT_EV_TFTP_DONE, .bytes = 1000, .repeats = 2 };

	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	e.ns = now + 1;
	boot_timeline_event(&t, &e);
	e.kind = BOOT_EV_TFTP_FAILED; // what came counts
	e.bytes = 10;
	boot_timeline_event(&t, &e);
	e.kind = BOOT_EV_HTTP_DONE;
	e.bytes = UINT32_MAX;
	boot_timeline_event(&t, &e);
	boot_timeline_event(&t, &e);
	assert_int_equal(t.tftp_bytes, 1010);
	assert_int_equal(t.http_bytes, 2ull * UINT32_MAX);
	assert_int_equal(t.tftp_repeats, 8);
	assert_int_equal(t.files, 3);
}

// Each mark has its patience, and says what it waits for.
static void each_mark_waits_for_something(void **state)
{
	(void)state;
	for (uint32_t method = BOOT_NONE; method <= BOOT_HTTP; method++) {
		for (uint32_t m = BOOT_MARK_DISCOVER; m < BOOT_MARK_STEADY; m++) {
			struct boot_verdict v;

			begin(BOOT_CAUSE_ATTACH);
			about.method = (uint8_t)method;
			mark(1000, m);
			v = verdict(0);
			assert_int_equal(v.result, BOOT_RESULT_BOOTING);
			assert_string_not_equal(v.waits, "");
			assert_string_equal(v.look, "");
			v = verdict(100000);
			// An address was all that it wanted.
			if (method == BOOT_NONE && m == BOOT_MARK_ACK) {
				assert_int_equal(v.result, BOOT_RESULT_BOOTED);
				continue;
			}
			assert_int_equal(v.result, BOOT_RESULT_STUCK);
			assert_string_not_equal(v.waits, "");
			assert_string_not_equal(v.look, "");
			assert_int_equal(v.since_ns, T0 + 1000 * MS);
		}
	}
}

static void a_machine_with_a_disk_of_its_own_is_not_stuck(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	about.method = BOOT_NONE;
	expect(100000, BOOT_RESULT_NONE, BOOT_MARK_START);
	dora(20000, BOOT_STAGE_OS, "Linux"); // its first is no takeover: nothing was before
	expect(0, BOOT_RESULT_BOOTING, BOOT_MARK_ACK);
	expect(31, BOOT_RESULT_BOOTED, BOOT_MARK_ACK);
	begin(BOOT_CAUSE_ATTACH);
	expect(59, BOOT_RESULT_BOOTING, BOOT_MARK_START);
	expect(60, BOOT_RESULT_STUCK, BOOT_MARK_START);
	assert_non_null(strstr(verdict(60).look, "bootindex"));
}

static void a_reset_in_the_middle_begins_anew(void **state)
{
	struct boot_event e;

	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	dora(1000, BOOT_STAGE_FIRMWARE, "iPXE");
	// Firmware may ask again while it boots: no new boot.
	e = asks(100, BOOT_STAGE_FIRMWARE, "iPXE");
	assert_false(boot_timeline_anew(&t, &e));
	mark(50, BOOT_MARK_LOGIN);
	mark(3, BOOT_MARK_IO);
	assert_false(boot_timeline_anew(&t, &e)); // older than what is known
	discover(4000, BOOT_STAGE_OS, "Linux");
	e = asks(1, BOOT_STAGE_OS, "Linux");
	assert_false(boot_timeline_anew(&t, &e));
	// Behind the operating system firmware is a reset that nobody told.
	e = asks(1000, BOOT_STAGE_FIRMWARE, "iPXE");
	assert_true(boot_timeline_anew(&t, &e));
	boot_timeline_cut(&t, now);
	expect(0, BOOT_RESULT_CUT, BOOT_MARK_OS);
	boot_timeline_begin(&t, BOOT_CAUSE_SEEN, 2, now);
	boot_timeline_event(&t, &e);
	expect_marks("start discover");
	// The start is noticed a little later: the same boot.
	assert_false(boot_timeline_adopt(&t, BOOT_CAUSE_RESET, now + SECOND));
	assert_true(boot_timeline_adopt(&t, BOOT_CAUSE_RESET, now + 80 * MS));
	assert_int_equal(t.cause, BOOT_CAUSE_RESET);
	assert_int_equal(t.discovers, 1);
	assert_false(boot_timeline_adopt(&t, BOOT_CAUSE_ATTACH, now + 80 * MS));
}

// A frame of before the reset, that is told behind it.
static void what_is_older_than_the_boot_changes_nothing(void **state)
{
	struct boot_event e = { .kind = BOOT_EV_TFTP_DONE, .ns = T0 - 1, .bytes = 5 };

	(void)state;
	begin(BOOT_CAUSE_RESET);
	boot_timeline_event(&t, &e);
	boot_timeline_mark(&t, BOOT_MARK_OS, T0 - 1);
	expect_marks("start");
	assert_int_equal(t.tftp_bytes, 0);
	boot_timeline_mark(&t, BOOT_N_MARKS, T0 + 1);
	boot_timeline_mark(&t, BOOT_MARK_START, T0 + 1);
	expect_marks("start");
}

static void a_machine_that_ran_when_the_switch_started_has_no_boot(void **state)
{
	struct boot_event e;

	(void)state;
	begin(BOOT_CAUSE_SWITCH);
	dora(10, BOOT_STAGE_OS, "Linux");
	expect(100000, BOOT_RESULT_RUNNING, BOOT_MARK_START);
	mark(1, BOOT_MARK_LOGIN); // its session again
	expect(100000, BOOT_RESULT_RUNNING, BOOT_MARK_LOGIN);
	// It was in the middle of its boot, and its firmware asks again.
	e = asks(100, BOOT_STAGE_FIRMWARE, "iPXE");
	assert_true(boot_timeline_anew(&t, &e));
}

static void what_has_booted_stays_so(void **state)
{
	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	dora(1000, BOOT_STAGE_FIRMWARE, "iPXE");
	mark(1000, BOOT_MARK_STEADY);
	boot_timeline_cut(&t, now + SECOND); // it was switched off
	expect(0, BOOT_RESULT_BOOTED, BOOT_MARK_STEADY);
	event(10, BOOT_EV_TFTP_FAILED, "x");
	discover(10, BOOT_STAGE_OS, "Linux");
	expect(100000, BOOT_RESULT_BOOTED, BOOT_MARK_STEADY);
	assert_int_equal(t.discovers, 1);
	// Without anybody who follows it, the operating system is as far as is known.
	begin(BOOT_CAUSE_ATTACH);
	about.followed = false;
	dora(1000, BOOT_STAGE_FIRMWARE, "iPXE");
	discover(1000, BOOT_STAGE_OS, "Linux");
	expect(29, BOOT_RESULT_BOOTING, BOOT_MARK_OS);
	expect(30, BOOT_RESULT_BOOTED, BOOT_MARK_OS);
	boot_timeline_settle(&t);
	expect(0, BOOT_RESULT_BOOTED, BOOT_MARK_OS);
}

static void what_guests_send_is_bounded(void **state)
{
	char who[70];

	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	for (int i = 0; i < 1000; i++) {
		snprintf(who, sizeof(who),
			 "client %d with a name that is longer than the place for it", i);
		discover(1, BOOT_STAGE_FIRMWARE, who);
		event(1, BOOT_EV_TFTP_FAILED, who);
		event(1, BOOT_EV_NAK, "");
	}
	assert_int_equal(t.n_who, BOOT_TIMELINE_WHO);
	assert_int_equal(t.naks, 1000);
	for (uint32_t i = 0; i < BOOT_TIMELINE_WHO; i++)
		assert_true(strnlen(t.who[i], BOOT_TIMELINE_TEXT) < BOOT_TIMELINE_TEXT);
	assert_true(strnlen(t.why, sizeof(t.why)) < sizeof(t.why));
}

static void nothing_is_said_of_none(void **state)
{
	struct boot_step s[BOOT_N_MARKS];

	(void)state;
	begin(BOOT_CAUSE_ATTACH);
	memset(&t, 0, sizeof(t));
	dora(10, BOOT_STAGE_OS, "Linux");
	mark(1, BOOT_MARK_LOGIN);
	boot_timeline_cut(&t, now);
	boot_timeline_settle(&t);
	assert_int_equal(boot_timeline_steps(&t, s), 0);
	expect(100000, BOOT_RESULT_NONE, BOOT_MARK_START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_san_boot_has_its_marks_in_order),
		cmocka_unit_test(a_chain_is_one_boot),
		cmocka_unit_test(who_repeats_does_not_go_on),
		cmocka_unit_test(a_failure_counts_when_nothing_follows),
		cmocka_unit_test(bytes_and_repeats_are_summed),
		cmocka_unit_test(each_mark_waits_for_something),
		cmocka_unit_test(a_machine_with_a_disk_of_its_own_is_not_stuck),
		cmocka_unit_test(a_reset_in_the_middle_begins_anew),
		cmocka_unit_test(what_is_older_than_the_boot_changes_nothing),
		cmocka_unit_test(a_machine_that_ran_when_the_switch_started_has_no_boot),
		cmocka_unit_test(what_has_booted_stays_so),
		cmocka_unit_test(what_guests_send_is_bounded),
		cmocka_unit_test(nothing_is_said_of_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
