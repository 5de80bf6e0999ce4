// Storage as a person sees it: from a document that fits the modules to lines.
#include "../unit.h"

#include <stdlib.h>

#include "cfg_config.h"
#include "weir_priv.h"

static struct cfg_schema *schema;

// web1 boots from a portal that it was redirected to; db1 has a target that the server misses;
// old1 has digests.
static const char state_json[] =
	"{\"weir-vm:vms-state\":{\"vm\":[{\"name\":\"web1\",\"boot\":[{\"number\":2,\"started\":"
	"\"2026-11-22T10:00:00Z\",\"cause\":\"reset\",\"result\":\"stuck\",\"at\":\"login\","
	"\"since\":\"2026-11-22T10:00:04Z\",\"why\":\"TFTP failed: autoexec.ipxe\",\"waits-for\":"
	"\"its first read or write\",\"look-at\":\"weir show storage vm web1\",\"milliseconds\":"
	"\"64005\",\"client\":[\"UEFI PXE\",\"iPXE\"],\"mark\":[{\"name\":\"start\",\"text\":"
	"\"started\",\"milliseconds\":\"0\",\"took\":\"0\"},{\"name\":\"discover\",\"text\":"
	"\"asked for an address\",\"milliseconds\":\"1500\",\"took\":\"1500\"},{\"name\":\"login\","
	"\"text\":\"logged in to its storage\",\"milliseconds\":\"4005\",\"took\":\"2505\"}],"
	"\"discovers\":3,\"discover-repeats\":1,\"tftp-repeats\":4,\"tftp-failed\":1,"
	"\"http-failed\":0,\"files\":1,\"tftp-bytes\":\"1000\",\"http-bytes\":\"2000\","
	"\"drops\":\"9\",\"drops-most\":\"spoof_mac\"},{\"number\":1,\"started\":"
	"\"2026-11-22T09:00:00Z\",\"result\":\"booted\",\"at\":\"steady\",\"milliseconds\":"
	"\"12000\"}],\"boot-event\":[{\"sequence\":0,\"milliseconds\":\"0\",\"event\":\"reset\"}]},"
	"{\"name\":\"idle1\"}]},\"weir-storage:storage-state\":{"
	"\"portal\":["
	"{\"address\":\"10.0.0.1\",\"protocol\":\"tcp\",\"port\":3260,\"service\":\"iscsi\","
	"\"how\":"
	"\"declared\",\"sessions\":2,\"bytes\":\"4096\",\"uses\":\"7\"},"
	"{\"address\":\"2001:db8::9\",\"protocol\":\"udp\",\"port\":4001,\"service\":\"rpc\","
	"\"how\":"
	"\"rpcbind\",\"teacher\":\"2001:db8::1\",\"first-seen\":\"2026-11-22T10:00:00Z\","
	"\"last-seen\":\"2026-11-22T11:00:00Z\",\"sessions\":0,\"bytes\":\"0\",\"uses\":\"1\"}],"
	"\"learning\":{\"learnt\":1,\"taught\":\"3\",\"refused-full\":\"0\",\"refused-server-"
	"full\":"
	"\"0\",\"refused-unlisted\":\"5\",\"refused-address\":\"2\",\"aged\":\"1\"},"
	"\"vm\":["
	"{\"name\":\"web1\",\"phase\":\"boot-os\",\"phase-since\":\"2026-11-22T10:00:05Z\","
	"\"phase-why\":\"second "
	"login\",\"boot\":{\"started\":\"2026-11-22T10:00:00Z\",\"deadline\":"
	"\"2026-11-22T10:02:00Z\",\"in-window\":true,\"place\":0,\"bytes\":\"1000\"},\"text\":"
	"\"waits for 10.0.0.1\",\"wait\":[{\"address\":\"10.0.0.1\",\"protocol\":\"tcp\",\"port\":"
	"3260,\"service\":\"iscsi\",\"sessions\":1,\"outstanding\":3,\"oldest-wait\":1200,\"op\":["
	"{\"name\":\"read\",\"commands\":\"90\",\"bytes\":\"368640\",\"mean\":210,\"p50\":200,"
	"\"p99\":"
	"480,\"p999\":512,\"max\":530},{\"name\":\"write\",\"commands\":\"4\",\"bytes\":\"512\","
	"\"mean\":50,\"p50\":48,\"p99\":60,\"p999\":60,\"max\":60}],\"in-queues-out\":12,"
	"\"in-queues-in\":4,\"share-in-switch\":7,\"errors\":\"1\",\"unmatched\":\"0\","
	"\"unmeasured\":"
	"\"0\",\"lost\":[{\"reason\":\"gap\",\"streams\":\"2\"}],\"redirects\":\"1\",\"initiator\":"
	"\"iqn.i\",\"target-name\":\"iqn.t\",\"digests\":false,\"watched\":true,\"text\":"
	"\"the server answers slowly\"}]},"
	"{\"name\":\"db1\",\"phase\":\"steady\",\"phase-since\":\"2026-11-22T09:00:00Z\",\"boot\":{"
	"\"started\":\"2026-11-22T08:59:00Z\",\"in-window\":false,\"place\":0,\"bytes\":\"77\","
	"\"met\":"
	"true},\"target\":{\"p99\":2000,\"state\":\"missed-portal\",\"boost\":4,\"windows\":\"10\","
	"\"met-windows\":\"6\",\"text\":\"10.0.0.1 takes 3000 us\"}},"
	"{\"name\":\"old1\",\"phase\":\"boot-firmware\",\"boot\":{\"started\":"
	"\"2026-11-22T10:00:01Z\",\"in-window\":false,\"place\":2,\"bytes\":\"0\",\"met\":false},"
	"\"wait\":[{\"address\":\"10.0.0.1\",\"protocol\":\"tcp\",\"port\":3260,\"service\":"
	"\"iscsi\","
	"\"sessions\":1,\"outstanding\":0,\"digests\":true,\"watched\":false}]}],"
	"\"boots\":{\"booting\":2,\"in-window\":1,\"waiting\":1,\"window\":1,\"started\":\"9\","
	"\"in-time\":\"5\",\"late\":\"1\",\"timed-out\":\"1\",\"over-bytes\":\"0\"},"
	"\"telemetry\":{\"flows\":4,\"flows-refused\":\"8\",\"events-lost\":\"0\"},"
	"\"decision\":[{\"id\":2,\"time\":\"2026-11-22T10:00:09Z\",\"vm\":\"db1\",\"text\":"
	"\"shares times 4\"},{\"id\":1,\"time\":\"2026-11-22T10:00:08Z\",\"vm\":\"db1\",\"text\":"
	"\"shares times 2\"}]}}";

// Spaces in a row are one, so that a column may be as wide as it likes. free()
static char *printed(void (*print)(FILE *f, const json_t *data), const char *text)
{
	json_t *data = json_loads(text, 0, NULL);
	char *buf = NULL, *to;
	size_t size;
	FILE *f = open_memstream(&buf, &size);

	assert_non_null(data);
	assert_non_null(f);
	print(f, data);
	fclose(f);
	json_decref(data);
	to = buf;
	for (const char *p = buf; *p != '\0'; p++) {
		if (*p != ' ' || (p > buf && p[-1] != ' '))
			*to++ = *p;
	}
	*to = '\0';
	return buf;
}

// Each line, as it stands, in this order.
static void says(void (*print)(FILE *f, const json_t *data), const char *const *lines, size_t n)
{
	char *text = printed(print, state_json), *at = text;

	for (size_t i = 0; i < n; i++) {
		char *found = strstr(at, lines[i]);

		if (found == NULL)
			fail_msg("'%s' is missing or out of order in:\n%s", lines[i], text);
		else
			at = found + strlen(lines[i]);
	}
	free(text);
}
#define SAYS(print, ...)                                                                           \
	do {                                                                                       \
		static const char *const lines[] = { __VA_ARGS__ };                                \
		says(print, lines, sizeof(lines) / sizeof(lines[0]));                              \
	} while (0)

static void the_document_fits_the_modules(void **state)
{
	struct cfg_error err;

	(void)state;
	if (cfg_state_check(schema, state_json, strlen(state_json), &err) < 0)
		fail_msg("%s %s: %s", err.path, err.value, err.reason);
}

static void portals_tell_who_taught_them(void **state)
{
	(void)state;
	SAYS(show_portals,
	     "PORTAL SERVICE HOW TAUGHT-BY SESSIONS BYTES USES FIRST-SEEN LAST-SEEN\n",
	     "10.0.0.1:3260 iscsi declared - 2 4096 7 - -\n",
	     "[2001:db8::9]:4001 (UDP) rpc rpcbind 2001:db8::1 0 0 1 2026-11-22T10:00:00Z "
	     "2026-11-22T11:00:00Z\n",
	     "\nlearnt: 1 now, 3 since the start, 1 forgotten for age\n",
	     "refused: 5 of servers that are not listed\n", "refused: 2 that no portal can be\n");
}

static void storage_tells_who_waits_and_where(void **state)
{
	char *text;

	(void)state;
	SAYS(show_storage,
	     "VM PORTAL SERVICE SESSIONS WAITING OLDEST COMMANDS ANSWERED MEAN P50 P99 LONGEST "
	     "IN-SWITCH\n",
	     "web1 10.0.0.1:3260 iscsi 1 3 1200 us read 90 210 us 200 us 480 us 530 us 7 %\n",
	     "web1 10.0.0.1:3260 iscsi 1 3 1200 us write 4 50 us 48 us 60 us 60 us 7 %\n",
	     "old1 10.0.0.1:3260 iscsi 1 - - port only - - - - - -\n",
	     "\nweb1: waits for 10.0.0.1\n",
	     "db1\n target 99 of 100 commands within 2000 us: missed, because of the server or the "
	     "network before it; shares times 4; met in 6 of 10 spans\n 10.0.0.1 takes 3000 us\n",
	     "\ndecisions for targets, the newest first\n", "TIME VM DECISION\n",
	     "2026-11-22T10:00:09Z db1 shares times 4\n",
	     "2026-11-22T10:00:08Z db1 shares times 2\n",
	     "8 directions of connections were not followed, the table was full\n");
	text = printed(show_storage, state_json);
	assert_null(strstr(text, "events of workers")); // none was lost
	free(text);
}

static void one_machine_has_all_that_is_known(void **state)
{
	(void)state;
	SAYS(show_storage_vm, "web1\n",
	     " phase boot-os since 2026-11-22T10:00:05Z (second login); boots by a deadline, "
	     "2026-11-22T10:02:00Z\n",
	     " storage waits for 10.0.0.1\n",
	     "\n 10.0.0.1:3260 iscsi: sessions 1, commands waiting 3, the oldest for 1200 us\n",
	     " iqn.i logged in to iqn.t\n", " COMMANDS ANSWERED BYTES MEAN P50 P99 P99.9 LONGEST\n",
	     " read 90 368640 210 us 200 us 480 us 512 us 530 us\n",
	     " write 4 512 50 us 48 us 60 us 60 us 60 us\n",
	     " in the switch's queues: requests 12 us, answers 4 us on average, 7 % of all "
	     "waiting\n",
	     " answers with an error: 1, logins sent to another portal: 1, place lost (gap): 2\n");
}

static void boots_tell_how_far_they_are_and_who_has_a_place(void **state)
{
	(void)state;
	SAYS(show_boot, "booting: 2, of those with a deadline: 1 of at most 1, in line: 1\n",
	     "since the start: 9 begun, 5 in time, 1 late, 1 ended by time, 0 by bytes\n\n",
	     "VM RESULT AT STARTED TOOK ASKED REPEATS DROPS PHASE WINDOW DEADLINE STORAGE-BYTES "
	     "DEADLINE-MET\n",
	     "web1 stuck login 2026-11-22T10:00:00Z 64.005 s UEFI PXE, iPXE 6 9 boot-os in window "
	     "2026-11-22T10:02:00Z 1000 -\n",
	     "idle1 - - - - - 0 0 - - - 0 -\n", "db1 - - - - - 0 0 steady - - 77 in time\n",
	     "old1 - - - - - 0 0 boot-firmware number 2 in line - 0 -\n");
}

static void one_boot_tells_what_it_waits_for(void **state)
{
	(void)state;
	SAYS(show_boot_vm,
	     "web1: stuck at login since 2026-11-22T10:00:04Z; boot 2, for 64.005 s\n",
	     " waits for its first read or write\n", " went wrong TFTP failed: autoexec.ipxe\n",
	     " look at weir show storage vm web1\n", " 0.000 s started (reset)\n",
	     " 1.500 s 1.500 s asked for an address\n",
	     " 4.005 s 2.505 s logged in to its storage\n",
	     " asked UEFI PXE, iPXE: 3 times, 1 of them again\n",
	     " files 1; TFTP 1000 bytes, 4 windows again, 1 failed; HTTP 2000 bytes, 0 failed\n",
	     " drops 9, most of them spoof_mac\n",
	     " phase boot-os since 2026-11-22T10:00:05Z (second login); boots by a deadline, "
	     "2026-11-22T10:02:00Z\n",
	     " before boot 1, 2026-11-22T09:00:00Z: booted at steady after 12.000 s\n", " events\n",
	     " 0.000 s reset\n");
}

// Where nothing is known yet, and from a switch that says less.
static void nothing_is_no_trouble(void **state)
{
	static void (*const prints[])(FILE *, const json_t *) = {
		show_portals, show_storage, show_storage_vm,
		show_boot,    show_boot_vm, show_vm_storage,
	};
	static const char *const texts[] = {
		"{}",
		"{\"weir-storage:storage-state\":{}}",
		"{\"weir-storage:storage-state\":{\"vm\":[{}],\"portal\":[{}]}}",
		"{\"weir-storage:storage-state\":{\"decision\":[{}]}}",
		"{\"weir-vm:vms-state\":{\"vm\":[{\"boot\":[{\"mark\":[{}],\"client\":[1]},{}]}]}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++)
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			free(printed(prints[i], texts[k]));
}

// A guest chooses its initiator's name, a server its target's.
static void a_terminal_gets_no_controls(void **state)
{
	static const char hostile[] =
		"{\"weir-vm:vms-state\":{\"vm\":[{\"name\":\"\\u001b\",\"boot\":[{\"result\":"
		"\"\\u001b\",\"at\":\"\\u0007\",\"why\":\"\\u001b[2J\",\"client\":[\"\\u001b]0;x\"]"
		","
		"\"mark\":[{\"text\":\"\\u001b\"}],\"drops-most\":\"\\u009b\"}],\"boot-event\":[{"
		"\"event\":\"\\u001b\"}]}]},\"weir-storage:storage-state\":{\"portal\":[{"
		"\"address\":\"\\u001b[2J\",\"how\":"
		"\"\\u001b\"}],\"vm\":[{\"name\":\"\\u001b[1m\",\"phase\":\"\\u0007\",\"phase-"
		"since\":"
		"\"\\u001b\",\"phase-why\":\"\\u001b\",\"text\":\"\\u001b[31m\",\"target\":{"
		"\"p99\":1,"
		"\"state\":\"\\u001b\",\"text\":\"\\u001b\"},\"boot\":{\"started\":\"\\u001b\","
		"\"deadline\":"
		"\"\\u001b\",\"in-window\":true},\"wait\":[{\"address\":\"\\u001b\",\"service\":"
		"\"\\u001b\",\"text\":\"\\u001b\",\"initiator\":\"iqn.\\u001b]0;x\",\"target-"
		"name\":"
		"\"\\u009b\",\"op\":[{\"name\":\"\\u001b\"}],\"lost\":[{\"reason\":\"\\u001b\"}]}]}"
		"],"
		"\"decision\":[{\"time\":\"\\u001b\",\"vm\":\"\\u001b\",\"text\":\"\\u001b\"}]}}";
	static void (*const prints[])(FILE *, const json_t *) = {
		show_portals, show_storage, show_storage_vm,
		show_boot,    show_boot_vm, show_vm_storage,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(prints) / sizeof(prints[0]); i++) {
		char *text = printed(prints[i], hostile);

		assert_null(strpbrk(text, "\033\007"));
		assert_null(strstr(text, "\xc2\x9b"));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_document_fits_the_modules),
		cmocka_unit_test(portals_tell_who_taught_them),
		cmocka_unit_test(storage_tells_who_waits_and_where),
		cmocka_unit_test(one_machine_has_all_that_is_known),
		cmocka_unit_test(boots_tell_how_far_they_are_and_who_has_a_place),
		cmocka_unit_test(one_boot_tells_what_it_waits_for),
		cmocka_unit_test(nothing_is_no_trouble),
		cmocka_unit_test(a_terminal_gets_no_controls),
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
