// Boots as text: a table of all machines, and of one what happened, what it waits for and at what
// to look.
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

static const json_t *storage_state(const json_t *data)
{
	return json_object_get(data, "weir-storage:storage-state");
}

static const json_t *vms(const json_t *data)
{
	return json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm");
}

static const json_t *named(const json_t *list, const char *name)
{
	const json_t *e;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		if (strcmp(answer_text(e, "name"), name) == 0)
			return e;
	}
	return NULL;
}

// "12.345 s"
static void seconds(char out[32], unsigned long long ms)
{
	snprintf(out, 32, "%llu.%03llu s", ms / 1000, ms % 1000);
}

// --- All

// Who asked for an address: "UEFI PXE, iPXE, Linux".
static void clients(char out[200], const json_t *boot)
{
	const json_t *who;
	size_t i;

	out[0] = '\0';
	json_array_foreach(json_object_get(boot, "client"), i, who)
	{
		const struct said s = said_value(json_string_value(who));

		snprintf(out + strlen(out), 200 - strlen(out), "%s%.40s", i > 0 ? ", " : "",
			 s.text);
	}
	if (out[0] == '\0')
		snprintf(out, 200, "-");
}

static unsigned long long repeats(const json_t *boot)
{
	return answer_number(boot, "discover-repeats") + answer_number(boot, "tftp-repeats") +
	       answer_number(boot, "tftp-failed") + answer_number(boot, "http-failed");
}

static const char *or_dash(const char *s)
{
	return s[0] == '\0' ? "-" : s;
}

// What the scheduler knows of it: its phase, its place in the window, its deadline.
static void row_phase(struct table *t, const json_t *storage)
{
	const json_t *b = json_object_get(storage, "boot");
	unsigned long long place = answer_number(b, "place");
	bool in = json_is_true(json_object_get(b, "in-window"));

	table_cell(t, "%s", or_dash(said(storage, "phase").text));
	if (place > 0)
		table_cell(t, "number %llu in line", place);
	else
		table_cell(t, "%s", in ? "in window" : "-");
	table_cell(t, "%s", or_dash(said(b, "deadline").text));
	table_cell(t, "%llu", answer_number(b, "bytes"));
	if (strcmp(answer_text(storage, "phase"), "steady") != 0 ||
	    json_object_get(b, "started") == NULL || json_object_get(b, "met") == NULL)
		table_cell(t, "-");
	else
		table_cell(t, "%s", json_is_true(json_object_get(b, "met")) ? "in time" : "late");
}

static void row(struct table *t, const char *name, const json_t *boot, const json_t *storage)
{
	char took[32] = "-", who[200];

	clients(who, boot);
	if (boot != NULL)
		seconds(took, answer_number(boot, "milliseconds"));
	table_cell(t, "%s", name);
	table_cell(t, "%s", or_dash(said(boot, "result").text));
	table_cell(t, "%s", or_dash(said(boot, "at").text));
	table_cell(t, "%s", or_dash(said(boot, "started").text));
	table_cell(t, "%s", took);
	table_cell(t, "%s", who);
	table_cell(t, "%llu", repeats(boot));
	table_cell(t, "%llu", answer_number(boot, "drops"));
	row_phase(t, storage);
}

static void show_all(FILE *f, const json_t *data)
{
	static const char *const names[] = { "VM",	    "RESULT", "AT",	  "STARTED",
					     "TOOK",	    "ASKED",  "REPEATS",  "DROPS",
					     "PHASE",	    "WINDOW", "DEADLINE", "STORAGE-BYTES",
					     "DEADLINE-MET" };
	const json_t *storage = json_object_get(storage_state(data), "vm"), *vm;
	struct table t;
	size_t i;

	table_begin(&t, 13, names);
	json_array_foreach((json_t *)(uintptr_t)vms(data), i, vm)
	{
		row(&t, said(vm, "name").text, json_array_get(json_object_get(vm, "boot"), 0),
		    named(storage, answer_text(vm, "name")));
	}
	// Guests that are described by an interface only have no timeline.
	json_array_foreach((json_t *)(uintptr_t)storage, i, vm)
	{
		if (named(vms(data), answer_text(vm, "name")) == NULL)
			row(&t, said(vm, "name").text, NULL, vm);
	}
	table_print(f, &t);
}

// --- One

static void show_marks(FILE *f, const json_t *boot)
{
	char at[32], took[32];
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(boot, "mark"), i, m)
	{
		seconds(at, answer_number(m, "milliseconds"));
		seconds(took, answer_number(m, "took"));
		fprintf(f, "  %14s  %14s  %s", at, i == 0 ? "" : took, said(m, "text").text);
		if (i == 0)
			fprintf(f, " (%s)", said(boot, "cause").text);
		fputs("\n", f);
	}
}

static void show_files(FILE *f, const json_t *boot)
{
	if (answer_number(boot, "files") + answer_number(boot, "tftp-bytes") +
		    answer_number(boot, "http-bytes") + answer_number(boot, "tftp-failed") +
		    answer_number(boot, "http-failed") ==
	    0)
		return;
	fprintf(f,
		"  files       %llu; TFTP %llu bytes, %llu windows again, %llu failed; HTTP %llu "
		"bytes, %llu failed\n",
		answer_number(boot, "files"), answer_number(boot, "tftp-bytes"),
		answer_number(boot, "tftp-repeats"), answer_number(boot, "tftp-failed"),
		answer_number(boot, "http-bytes"), answer_number(boot, "http-failed"));
}

static void show_drops_of(FILE *f, const json_t *boot)
{
	fprintf(f, "  drops       %llu", answer_number(boot, "drops"));
	if (answer_text(boot, "drops-most")[0] != '\0')
		fprintf(f, ", most of them %s", said(boot, "drops-most").text);
	fputs("\n", f);
}

static void line(FILE *f, const char *label, const json_t *boot, const char *key)
{
	if (answer_text(boot, key)[0] != '\0')
		fprintf(f, "  %-11s %s\n", label, said(boot, key).text);
}

static void show_last(FILE *f, const char *name, const json_t *boot)
{
	char took[32], who[200];

	clients(who, boot);
	seconds(took, answer_number(boot, "milliseconds"));
	if (strcmp(answer_text(boot, "result"), "none") == 0)
		fprintf(f, "%s: nothing was seen of its boot %llu, for %s\n", name,
			answer_number(boot, "number"), took);
	else
		fprintf(f, "%s: %s at %s since %s; boot %llu, for %s\n", name,
			said(boot, "result").text, said(boot, "at").text, said(boot, "since").text,
			answer_number(boot, "number"), took);
	line(f, "waits for", boot, "waits-for");
	line(f, "went wrong", boot, "why");
	line(f, "look at", boot, "look-at");
	show_marks(f, boot);
	if (answer_number(boot, "discovers") > 0)
		fprintf(f, "  asked       %s: %llu time%s, %llu of them again\n", who,
			answer_number(boot, "discovers"),
			answer_number(boot, "discovers") == 1 ? "" : "s",
			answer_number(boot, "discover-repeats"));
	show_files(f, boot);
	show_drops_of(f, boot);
}

static void show_before(FILE *f, const json_t *boot)
{
	char took[32];

	if (boot == NULL)
		return;
	seconds(took, answer_number(boot, "milliseconds"));
	fprintf(f, "  before      boot %llu, %s: %s at %s after %s\n",
		answer_number(boot, "number"), said(boot, "started").text,
		said(boot, "result").text, said(boot, "at").text, took);
}

static void show_events(FILE *f, const json_t *vm)
{
	const json_t *e;
	size_t i;

	if (json_array_size(json_object_get(vm, "boot-event")) > 0)
		fputs("  events\n", f);
	json_array_foreach(json_object_get(vm, "boot-event"), i, e)
	{
		char at[32];

		seconds(at, answer_number(e, "milliseconds"));
		fprintf(f, "  %14s  %s\n", at, said(e, "event").text);
	}
}

void show_boot_vm(FILE *f, const json_t *data)
{
	const json_t *vm = json_array_get(vms(data), 0);
	const json_t *boots = json_object_get(vm, "boot"), *last = json_array_get(boots, 0);

	if (last != NULL)
		show_last(f, said(vm, "name").text, last);
	else
		fprintf(f, "%s: has not started since the switch knows it\n",
			said(vm, "name").text);
	show_vm_storage(f, data);
	show_before(f, json_array_get(boots, 1));
	show_events(f, vm);
}

void show_boot(FILE *f, const json_t *data)
{
	const json_t *b = json_object_get(storage_state(data), "boots");

	fprintf(f,
		"booting: %llu, of those with a deadline: %llu of at most %llu, in line: %llu\n"
		"since the start: %llu begun, %llu in time, %llu late, %llu ended by time, %llu "
		"by bytes\n\n",
		answer_number(b, "booting"), answer_number(b, "in-window"),
		answer_number(b, "window"), answer_number(b, "waiting"),
		answer_number(b, "started"), answer_number(b, "in-time"), answer_number(b, "late"),
		answer_number(b, "timed-out"), answer_number(b, "over-bytes"));
	show_all(f, data);
}
