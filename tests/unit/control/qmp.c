// What QEMU says and what it means for the life of a machine; and what is no QEMU.
#include <stdio.h>

#include "qmp_text.h"
#include "../unit.h"

// What a stream means, one word after the other, read in pieces of `step` bytes.
static char *meaning_at(struct qmp_reader *r, const char *stream, size_t size, size_t step)
{
	static const char *const kinds[] = { "",	"greeting", "done",  "",
					     "filter:", "mac:",	    "note:", "refused:" };
	char *out = NULL;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	for (size_t from = 0; from < size; from += step) {
		const size_t part = size - from < step ? size - from : step;
		char *bytes = (char *)exact_copy(stream + from, part);
		struct qmp_said s;

		for (size_t at = 0; at < part;) {
			const size_t took = ctl_qmp_reader_take(r, bytes + at, part - at, &s);

			assert_true(took > 0 && took <= part - at);
			at += took;
			assert_true(s.n_events <= 2);
			if (s.kind == QMP_NOTHING)
				continue;
			fprintf(f, "%s%s%s%s%s", ftell(f) > 0 ? " " : "", kinds[s.kind], s.text,
				s.mac[0] != '\0' ? "=" : "", s.mac);
			for (uint8_t i = 0; i < s.n_events; i++)
				fprintf(f, "%s%s", i > 0 ? "+" : "", life_event_name(s.events[i]));
		}
		free(bytes);
	}
	fclose(f);
	return out;
}

static void means(const char *stream, const char *want)
{
	static const size_t steps[] = { 1, 7, 4096 };

	for (size_t i = 0; i < 3; i++) {
		struct qmp_reader r;
		char *got;

		ctl_qmp_reader_init(&r);
		got = meaning_at(&r, stream, strlen(stream), steps[i]);
		assert_string_equal(got, want);
		free(got);
		ctl_qmp_reader_fini(&r);
	}
}

#define GREETING                                                                                   \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 19, \"minor\": 2, \"major\": 7}, "         \
	"\"package\": \"Debian 1:7.2\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define STATUS(x)                                                                                  \
	"{\"return\": {\"status\": \"" x "\", \"singlestep\": false, \"running\": true}, \"id\": " \
	"\"status\"}\r\n"
#define TIME "\"timestamp\": {\"seconds\": 1795371300, \"microseconds\": 1}"
#define EVENT(x) "{" TIME ", \"event\": \"" x "\"}\r\n"
#define EVENT_OF(x, data) "{" TIME ", \"event\": \"" x "\", \"data\": {" data "}}\r\n"
#define MIGRATION(x) EVENT_OF("MIGRATION", "\"status\": \"" x "\"")

static void a_session_is_understood(void **state)
{
	(void)state;
	means(GREETING "{\"return\": {}, \"id\": \"caps\"}\r\n"
		       "{\"return\": {}, \"id\": \"events\"}\r\n" STATUS("running"),
	      "greeting done reconnect+resume");
}

static void events_are_told_in_their_order(void **state)
{
	(void)state;
	means(EVENT_OF("RESET", "\"guest\": true, \"reason\": \"guest-reset\"") EVENT("STOP")
		      EVENT("RESUME") EVENT("SUSPEND") EVENT("WAKEUP")
			      EVENT_OF("WATCHDOG", "\"action\": \"reset\"")
				      EVENT_OF("GUEST_PANICKED", "\"action\": \"run\"")
					      EVENT_OF("SHUTDOWN", "\"guest\": false, \"reason\": "
								   "\"host-qmp-quit\""),
	      "reset pause resume suspend wakeup watchdog panicked shutdown");
	means(EVENT("POWERDOWN") EVENT("SUSPEND_DISK")
		      EVENT_OF("GUEST_CRASHLOADED", "\"action\": \"run\""),
	      "note:its power button was pressed note:it suspends itself to disk "
	      "note:its kernel for crashes runs");
	// What is new, or does not matter.
	means(EVENT("RTC_CHANGE") EVENT("") EVENT("STOPP") EVENT_OF("VSERPORT_CHANGE", "\"a\": 1"),
	      "");
}

static void every_state_is_taken_up(void **state)
{
	static const struct {
		const char *status, *want;
	} cases[] = {
		{ STATUS("running"), "reconnect+resume" },
		{ STATUS("paused"), "reconnect+pause" },
		{ STATUS("io-error"), "reconnect+pause" },
		{ STATUS("suspended"), "reconnect+suspend" },
		{ STATUS("shutdown"), "reconnect+shutdown" },
		{ STATUS("guest-panicked"), "reconnect+panicked" },
		{ STATUS("inmigrate"), "migrate-in" },
		{ STATUS("finish-migrate"), "reconnect+migrate-out" },
		{ STATUS("postmigrate"), "reconnect+migrated" },
		{ STATUS("prelaunch"), "" },
		{ STATUS("no such"), "" },
		{ "{\"return\": {}, \"id\": \"status\"}\n", "" },
		{ "{\"return\": [], \"id\": \"status\"}\n", "" },
		{ "{\"return\": {\"status\": 7}, \"id\": \"status\"}\n", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		means(cases[i].status, cases[i].want);
}

static void who_goes_pauses_without_being_paused(void **state)
{
	(void)state;
	means(STATUS("running") MIGRATION("setup") MIGRATION("active") EVENT("STOP")
		      MIGRATION("device") MIGRATION("completed"),
	      "reconnect+resume migrate-out migrate-out migrate-out migrated");
	means(STATUS("running") MIGRATION("active") EVENT("STOP") MIGRATION("cancelling")
		      MIGRATION("cancelled") EVENT("RESUME") EVENT("STOP"),
	      "reconnect+resume migrate-out migrate-cancelled resume pause");
	means(STATUS("running") MIGRATION("active") MIGRATION("failed") EVENT("STOP"),
	      "reconnect+resume migrate-out migrate-cancelled pause");
}

static void who_comes_does_not_go(void **state)
{
	(void)state;
	means(STATUS("inmigrate") MIGRATION("active") EVENT("STOP") MIGRATION("completed")
		      EVENT("RESUME") EVENT("STOP") MIGRATION("setup"),
	      "migrate-in resume pause migrate-out");
}

static void a_changed_filter_is_asked_for(void **state)
{
	char ask[128];
	size_t size;
	static const char *const bad[] = { "", "a\"b", "a\\b", "a b", "a\nb", "a/b", "\x80" };

	(void)state;
	means(EVENT_OF("NIC_RX_FILTER_CHANGED",
		       "\"name\": \"nic0\", \"path\": \"/machine/peripheral/nic0/virtio-backend\""),
	      "filter:nic0");
	means("{\"return\": [{\"promiscuous\": false, \"name\": \"nic0\", \"main-mac\": "
	      "\"52:54:00:AB:cd:0F\", \"unicast-table\": []}], \"id\": \"filter\"}\r\n",
	      "mac:nic0=52:54:00:ab:cd:0f");
	means("{\"return\": [{\"name\": \"nic0\", \"main-mac\": \"52:54:00:ab:cd:0g\"}], "
	      "\"id\": \"filter\"}\n"
	      "{\"return\": [{\"name\": \"nic0\", \"main-mac\": \"52-54-00-ab-cd-00\"}], "
	      "\"id\": \"filter\"}\n"
	      "{\"return\": [], \"id\": \"filter\"}\n{\"return\": {}, \"id\": \"filter\"}\n"
	      "{\"error\": {\"class\": \"GenericError\", \"desc\": \"invalid net client name\"}, "
	      "\"id\": \"filter\"}\n",
	      "");
	size = ctl_qmp_filter_ask("nic0", ask, sizeof(ask));
	assert_int_equal(size, strlen(ask));
	assert_string_equal(ask, "{\"execute\":\"query-rx-filter\",\"id\":\"filter\","
				 "\"arguments\":{\"name\":\"nic0\"}}\n");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ctl_qmp_filter_ask(bad[i], ask, sizeof(ask)), 0);
	assert_int_equal(ctl_qmp_filter_ask("nic0", ask, 20), 0);
}

static void refusals_are_told_clean(void **state)
{
	(void)state;
	means("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no \\u001b[31m such\"}, "
	      "\"id\": \"events\"}\r\n",
	      "refused:no ?[31m such");
}

static void what_is_no_message_is_counted_and_left(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 400 Bad Request",
		"{",
		"[]",
		"[1,2]",
		"7",
		"\"QMP\"",
		"{\"event\": 7}",
		"{\"event\": {}}",
		"{\"QMP\": 1}",
		"{\"error\": \"x\"}",
		"{}",
		"{\"event\":\"STOP\"} x",
		"{\"event\":\"STOP\",\"event\":\"RESET\"",
		"\xff\xfe{\"event\":\"STOP\"}",
		"{\"event\":\"ST\xffOP\"}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct qmp_reader r;
		char stream[256], *got;

		ctl_qmp_reader_init(&r);
		snprintf(stream, sizeof(stream), "%s\n\n\r\n%s", bad[i], EVENT("RESUME"));
		got = meaning_at(&r, stream, strlen(stream), 5);
		assert_string_equal(got, "resume");
		assert_true(r.n_bad >= 1);
		free(got);
		ctl_qmp_reader_fini(&r);
	}
}

static void a_line_without_an_end_is_bounded(void **state)
{
	const size_t size = QMP_LINE_BYTES + 100;
	char *stream = malloc(2 * size);
	struct qmp_reader r;
	char *got;
	size_t n;

	(void)state;
	assert_non_null(stream);
	memset(stream, 'x', size);
	n = size + (size_t)snprintf(stream + size, size, "\n%s", EVENT("RESET"));
	ctl_qmp_reader_init(&r);
	got = meaning_at(&r, stream, n, 65536);
	assert_string_equal(got, "reset");
	assert_int_equal(r.n_bad, 1);
	assert_true(r.cap <= 4096); // and its memory is given back
	free(got);
	// As long as a line may be.
	memset(stream, ' ', QMP_LINE_BYTES);
	snprintf(stream + QMP_LINE_BYTES - 16, 20, "{\"event\":\"STOP\"}");
	stream[QMP_LINE_BYTES] = '\n';
	got = meaning_at(&r, stream, QMP_LINE_BYTES + 1, 65536);
	assert_string_equal(got, "pause");
	free(got);
	ctl_qmp_reader_fini(&r);
	free(stream);
}

static void depth_is_bounded(void **state)
{
	const size_t deep = 500000;
	char *stream = malloc(deep + 2), *got;
	struct qmp_reader r;

	(void)state;
	assert_non_null(stream);
	memset(stream, '[', deep);
	stream[deep] = '\n';
	ctl_qmp_reader_init(&r);
	got = meaning_at(&r, stream, deep + 1, deep + 1);
	assert_string_equal(got, "");
	assert_int_equal(r.n_bad, 1);
	free(got);
	ctl_qmp_reader_fini(&r);
	free(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_understood),
		cmocka_unit_test(events_are_told_in_their_order),
		cmocka_unit_test(every_state_is_taken_up),
		cmocka_unit_test(who_goes_pauses_without_being_paused),
		cmocka_unit_test(who_comes_does_not_go),
		cmocka_unit_test(a_changed_filter_is_asked_for),
		cmocka_unit_test(refusals_are_told_clean),
		cmocka_unit_test(what_is_no_message_is_counted_and_left),
		cmocka_unit_test(a_line_without_an_end_is_bounded),
		cmocka_unit_test(depth_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
