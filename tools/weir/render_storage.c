// Storage as text: who waits for which portal and how long, who boots, which portals are known.
// Times are us, bytes are bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

enum { LAST_DECISIONS = 10 }; // shown of all machines together

struct cell {
	char text[80];
};

struct said said_value(const char *raw)
{
	struct text clean = { 0 };
	struct said s;

	raw = raw == NULL ? "" : raw;
	text_put_clean(&clean, raw, strlen(raw));
	snprintf(s.text, sizeof(s.text), "%s", clean.buf == NULL ? "" : clean.buf);
	free(clean.buf);
	return s;
}

struct said said(const json_t *o, const char *key)
{
	return said_value(answer_text(o, key));
}

static const json_t *storage_state(const json_t *data)
{
	return json_object_get(data, "weir-storage:storage-state");
}

// "-" where there is none.
static struct cell number(const json_t *o, const char *key, const char *unit)
{
	struct cell c = { "-" };

	if (json_object_get(o, key) != NULL)
		snprintf(c.text, sizeof(c.text), "%llu%s", answer_number(o, key), unit);
	return c;
}

static struct cell word(const json_t *o, const char *key)
{
	const struct said s = said(o, key);
	struct cell c;

	snprintf(c.text, sizeof(c.text), "%.79s", s.text[0] == '\0' ? "-" : s.text);
	return c;
}

// "10.0.0.1:3260", "[2001:db8::1]:3260"; TCP unless it says UDP.
static struct cell portal(const json_t *p)
{
	const struct said address = said(p, "address");
	bool v6 = strchr(address.text, ':') != NULL;
	struct cell c;

	snprintf(c.text, sizeof(c.text), "%s%.45s%s:%llu%s", v6 ? "[" : "", address.text,
		 v6 ? "]" : "", answer_number(p, "port"),
		 strcmp(answer_text(p, "protocol"), "udp") == 0 ? " (UDP)" : "");
	return c;
}

// --- Portals

static void show_learning(FILE *f, const json_t *l)
{
	static const struct {
		const char *name, *why;
	} refused[] = {
		{ "refused-unlisted", "of servers that are not listed" },
		{ "refused-address", "that no portal can be" },
		{ "refused-full", "beyond max-learnt" },
		{ "refused-server-full", "beyond max-learnt-per-server" },
	};

	if (l == NULL)
		return;
	fprintf(f, "\nlearnt: %llu now, %llu since the start, %llu forgotten for age\n",
		answer_number(l, "learnt"), answer_number(l, "taught"), answer_number(l, "aged"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (answer_number(l, refused[i].name) > 0)
			fprintf(f, "refused: %llu %s\n", answer_number(l, refused[i].name),
				refused[i].why);
	}
}

void show_portals(FILE *f, const json_t *data)
{
	static const char *const names[] = { "PORTAL",	  "SERVICE",	"HOW",
					     "TAUGHT-BY", "SESSIONS",	"BYTES",
					     "USES",	  "FIRST-SEEN", "LAST-SEEN" };
	const json_t *state = storage_state(data), *p;
	struct table t;
	size_t i;

	table_begin(&t, 9, names);
	json_array_foreach(json_object_get(state, "portal"), i, p)
	{
		table_cell(&t, "%s", portal(p).text);
		table_cell(&t, "%s", word(p, "service").text);
		table_cell(&t, "%s", word(p, "how").text);
		table_cell(&t, "%s", word(p, "teacher").text);
		table_cell(&t, "%llu", answer_number(p, "sessions"));
		table_cell(&t, "%llu", answer_number(p, "bytes"));
		table_cell(&t, "%llu", answer_number(p, "uses"));
		table_cell(&t, "%s", word(p, "first-seen").text);
		table_cell(&t, "%s", word(p, "last-seen").text);
	}
	table_print(f, &t);
	show_learning(f, json_object_get(state, "learning"));
}

// --- Who waits

static bool watched(const json_t *wait)
{
	return json_is_true(json_object_get(wait, "watched"));
}

// What is the same for all commands of a machine at a portal, then one kind of them (NULL = none).
static void wait_row(struct table *t, const char *vm, const json_t *wait, const json_t *op)
{
	static const char *const times[] = { "mean", "p50", "p99", "max" };

	table_cell(t, "%s", vm);
	table_cell(t, "%s", portal(wait).text);
	table_cell(t, "%s", word(wait, "service").text);
	table_cell(t, "%llu", answer_number(wait, "sessions"));
	table_cell(t, "%s", watched(wait) ? number(wait, "outstanding", "").text : "-");
	table_cell(t, "%s", number(wait, "oldest-wait", " us").text);
	table_cell(t, "%s", op != NULL ? said(op, "name").text : watched(wait) ? "-" : "port only");
	table_cell(t, "%s", number(op, "commands", "").text);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		table_cell(t, "%s", number(op, times[i], " us").text);
	table_cell(t, "%s", number(wait, "share-in-switch", " %").text);
}

static void wait_rows(struct table *t, const json_t *vm)
{
	const json_t *w, *op;
	size_t i, k;

	json_array_foreach(json_object_get(vm, "wait"), i, w)
	{
		if (json_array_size(json_object_get(w, "op")) == 0)
			wait_row(t, said(vm, "name").text, w, NULL);
		json_array_foreach(json_object_get(w, "op"), k, op)
		{
			wait_row(t, said(vm, "name").text, w, op);
		}
	}
}

// "missed-link" as it is said.
static const char *state_text(const char *state)
{
	static const struct {
		const char *name, *text;
	} states[] = {
		{ "no-data", "too few commands to judge by" },
		{ "missed-portal", "missed, because of the server or the network before it" },
		{ "missed-link", "missed, because the link is full" },
		{ "missed-guest",
		  "missed, because of the machine's own limit, or it takes no frames" },
		{ "raising", "missed so far, shares are being raised" },
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, state) == 0)
			return states[i].text;
	}
	return state;
}

static void show_target(FILE *f, const json_t *target)
{
	if (target == NULL)
		return;
	fprintf(f, "  target  99 of 100 commands within %llu us: %s", answer_number(target, "p99"),
		state_text(said(target, "state").text));
	if (answer_number(target, "boost") > 1)
		fprintf(f, "; shares times %llu", answer_number(target, "boost"));
	if (answer_number(target, "windows") > 0)
		fprintf(f, "; met in %llu of %llu spans", answer_number(target, "met-windows"),
			answer_number(target, "windows"));
	fputs("\n", f);
	if (answer_text(target, "text")[0] != '\0')
		fprintf(f, "          %s\n", said(target, "text").text);
}

static void show_phase(FILE *f, const json_t *vm)
{
	const json_t *boot = json_object_get(vm, "boot");

	fprintf(f, "  phase   %s", word(vm, "phase").text);
	if (answer_text(vm, "phase-since")[0] != '\0')
		fprintf(f, " since %s", said(vm, "phase-since").text);
	if (answer_text(vm, "phase-why")[0] != '\0')
		fprintf(f, " (%s)", said(vm, "phase-why").text);
	if (json_is_true(json_object_get(boot, "in-window")))
		fprintf(f, "; boots by a deadline, %s", word(boot, "deadline").text);
	else if (answer_number(boot, "place") > 0)
		fprintf(f, "; boots without a deadline, number %llu in line for one",
			answer_number(boot, "place"));
	fputs("\n", f);
}

void show_vm_storage(FILE *f, const json_t *data)
{
	const json_t *vm = json_array_get(json_object_get(storage_state(data), "vm"), 0);

	if (vm == NULL)
		return;
	show_phase(f, vm);
	show_target(f, json_object_get(vm, "target"));
	if (answer_text(vm, "text")[0] != '\0')
		fprintf(f, "  storage %s\n", said(vm, "text").text);
}

// What went wrong between a machine and a portal; nothing when nothing did.
static void show_troubles(FILE *f, const json_t *w)
{
	static const char *const names[] = { "errors", "unmatched", "unmeasured", "redirects" };
	static const char *const says[] = { "answers with an error", "without request or answer",
					    "not timed since the table was full",
					    "logins sent to another portal" };
	const json_t *lost;
	size_t i;
	bool any = false;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (answer_number(w, names[i]) == 0)
			continue;
		fprintf(f, "%s%s: %llu", any ? ", " : "    ", says[i], answer_number(w, names[i]));
		any = true;
	}
	json_array_foreach(json_object_get(w, "lost"), i, lost)
	{
		fprintf(f, "%splace lost (%s): %llu", any ? ", " : "    ",
			said(lost, "reason").text, answer_number(lost, "streams"));
		any = true;
	}
	fputs(any ? "\n" : "", f);
}

static void show_ops(FILE *f, const json_t *w)
{
	static const char *const names[] = { "    COMMANDS", "ANSWERED", "BYTES", "MEAN",
					     "P50",	     "P99",	 "P99.9", "LONGEST" };
	static const char *const times[] = { "mean", "p50", "p99", "p999", "max" };
	const json_t *op;
	struct table t;
	size_t i;

	table_begin(&t, 8, names);
	json_array_foreach(json_object_get(w, "op"), i, op)
	{
		table_cell(&t, "    %s", said(op, "name").text);
		table_cell(&t, "%llu", answer_number(op, "commands"));
		table_cell(&t, "%llu", answer_number(op, "bytes"));
		for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++)
			table_cell(&t, "%s", number(op, times[k], " us").text);
	}
	table_print(i > 0 ? f : NULL, &t);
}

// One machine at one portal, with all that is known.
static void show_wait(FILE *f, const json_t *w)
{
	fprintf(f, "\n  %s %s: sessions %llu", portal(w).text, word(w, "service").text,
		answer_number(w, "sessions"));
	if (!watched(w))
		fprintf(f, "; recognised by its portal only%s",
			json_is_true(json_object_get(w, "digests")) ? ", it uses digests" : "");
	else
		fprintf(f, ", commands waiting %llu", answer_number(w, "outstanding"));
	if (json_object_get(w, "oldest-wait") != NULL)
		fprintf(f, ", the oldest for %llu us", answer_number(w, "oldest-wait"));
	fputs("\n", f);
	if (answer_text(w, "target-name")[0] != '\0')
		fprintf(f, "    %s logged in to %s\n", said(w, "initiator").text,
			said(w, "target-name").text);
	show_ops(f, w);
	if (json_object_get(w, "share-in-switch") != NULL)
		fprintf(f,
			"    in the switch's queues: requests %llu us, answers %llu us on average, "
			"%llu %% of all waiting\n",
			answer_number(w, "in-queues-out"), answer_number(w, "in-queues-in"),
			answer_number(w, "share-in-switch"));
	show_troubles(f, w);
}

static void show_decisions(FILE *f, const json_t *state, size_t most)
{
	static const char *const names[] = { "TIME", "VM", "DECISION" };
	const json_t *d;
	struct table t;
	size_t i;

	table_begin(&t, 3, names);
	json_array_foreach(json_object_get(state, "decision"), i, d)
	{
		if (i == most)
			break;
		table_cell(&t, "%s", said(d, "time").text);
		table_cell(&t, "%s", said(d, "vm").text);
		table_cell(&t, "%s", said(d, "text").text);
	}
	if (i > 0)
		fputs("\ndecisions for targets, the newest first\n", f);
	table_print(i > 0 ? f : NULL, &t);
}

// Where the bounds of the tables were met; nothing when none was.
static void show_bounds(FILE *f, const json_t *t)
{
	static const struct {
		const char *name, *what;
	} bounds[] = {
		{ "flows-refused",
		  "directions of connections were not followed, the table was full" },
		{ "connections-refused", "connections were not followed, the table was full" },
		{ "rows-refused", "machines at portals were not counted, the table was full" },
		{ "unmeasured", "commands were not timed, the table was full" },
		{ "events-lost", "events of workers were lost" },
	};

	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if (answer_number(t, bounds[i].name) > 0)
			fprintf(f, "%llu %s\n", answer_number(t, bounds[i].name), bounds[i].what);
	}
}

void show_storage_vm(FILE *f, const json_t *data)
{
	const json_t *state = storage_state(data), *w;
	const json_t *vm = json_array_get(json_object_get(state, "vm"), 0);
	size_t i;

	fprintf(f, "%s\n", said(vm, "name").text);
	show_vm_storage(f, data);
	json_array_foreach(json_object_get(vm, "wait"), i, w)
	{
		show_wait(f, w);
	}
	show_decisions(f, state, SIZE_MAX);
}

void show_storage(FILE *f, const json_t *data)
{
	static const char *const names[] = { "VM",	 "PORTAL", "SERVICE",  "SESSIONS",
					     "WAITING",	 "OLDEST", "COMMANDS", "ANSWERED",
					     "MEAN",	 "P50",	   "P99",      "LONGEST",
					     "IN-SWITCH" };
	const json_t *state = storage_state(data), *vm;
	struct table t;
	size_t i;
	bool any = false;

	table_begin(&t, 13, names);
	json_array_foreach(json_object_get(state, "vm"), i, vm)
	{
		wait_rows(&t, vm);
	}
	table_print(f, &t);
	json_array_foreach(json_object_get(state, "vm"), i, vm)
	{
		const json_t *target = json_object_get(vm, "target");

		if (target == NULL && answer_text(vm, "text")[0] == '\0')
			continue;
		fprintf(f, "%s%s%s%s\n", any ? "" : "\n", said(vm, "name").text,
			answer_text(vm, "text")[0] == '\0' ? "" : ": ", said(vm, "text").text);
		show_target(f, target);
		any = true;
	}
	show_decisions(f, state, LAST_DECISIONS);
	show_bounds(f, json_object_get(state, "telemetry"));
}
