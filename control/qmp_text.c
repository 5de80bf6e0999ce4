// QEMU's words and what they mean for the life of a machine: qmp_text.h.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "qmp_text.h"

enum { LINE_FIRST = 4096 };

const char ctl_qmp_caps[] = "{\"execute\":\"qmp_capabilities\",\"id\":\"caps\"}\n";
const char ctl_qmp_events[] =
	"{\"execute\":\"migrate-set-capabilities\",\"id\":\"events\",\"arguments\":"
	"{\"capabilities\":[{\"capability\":\"events\",\"state\":true}]}}\n";
const char ctl_qmp_status[] = "{\"execute\":\"query-status\",\"id\":\"status\"}\n";

void ctl_qmp_reader_init(struct qmp_reader *r)
{
	*r = (struct qmp_reader){ 0 };
}

void ctl_qmp_reader_fini(struct qmp_reader *r)
{
	free(r->line);
	*r = (struct qmp_reader){ 0 };
}

// --- What it means

static void life(struct qmp_said *s, enum life_event ev)
{
	s->kind = QMP_LIFE;
	s->events[s->n_events++] = ev;
}

static void note(struct qmp_said *s, enum qmp_kind kind, const char *head, const char *text)
{
	s->kind = kind;
	snprintf(s->text, sizeof(s->text), "%s%s", head, text == NULL ? "" : text);
	for (char *p = s->text; *p != '\0'; p++)
		*p = *p < ' ' || *p > '~' ? '?' : *p;
}

static const char *member(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s == NULL ? "" : s;
}

// How things are. Who came anew says so first, since what was missed is not told again.
// source: QEMU's qapi/run-state.json, RunState
static void status_take(struct qmp_reader *r, const char *status, struct qmp_said *s)
{
	static const struct {
		const char *name;
		enum life_event ev;
	} states[] = {
		{ "running", LIFE_EV_RESUME },	     { "debug", LIFE_EV_PAUSE },
		{ "paused", LIFE_EV_PAUSE },	     { "internal-error", LIFE_EV_PAUSE },
		{ "io-error", LIFE_EV_PAUSE },	     { "save-vm", LIFE_EV_PAUSE },
		{ "watchdog", LIFE_EV_PAUSE },	     { "suspended", LIFE_EV_SUSPEND },
		{ "shutdown", LIFE_EV_SHUTDOWN },    { "guest-panicked", LIFE_EV_PANICKED },
		{ "postmigrate", LIFE_EV_MIGRATED }, { "finish-migrate", LIFE_EV_MIGRATE_OUT },
		{ "colo", LIFE_EV_MIGRATE_OUT },
	};

	r->moving = strcmp(status, "finish-migrate") == 0 || strcmp(status, "postmigrate") == 0;
	r->incoming = strcmp(status, "inmigrate") == 0;
	if (r->incoming) {
		life(s, LIFE_EV_MIGRATE_IN);
		return;
	}
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(states[i].name, status) != 0)
			continue;
		life(s, LIFE_EV_RECONNECT);
		life(s, states[i].ev);
	}
}

// source: QEMU's qapi/migration.json, MigrationStatus
static void migration_take(struct qmp_reader *r, const char *status, struct qmp_said *s)
{
	const bool ends = strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0;

	// Of what comes here, RESUME tells that it runs; where it does not come, QEMU ends.
	if (r->incoming)
		return;
	if (strcmp(status, "completed") == 0) {
		life(s, LIFE_EV_MIGRATED);
	} else if (ends) {
		r->moving = false;
		life(s, LIFE_EV_MIGRATE_CANCELLED);
	} else if (strcmp(status, "setup") == 0 || strcmp(status, "active") == 0 ||
		   strcmp(status, "device") == 0 || strcmp(status, "pre-switchover") == 0 ||
		   strcmp(status, "postcopy-active") == 0) {
		r->moving = true;
		life(s, LIFE_EV_MIGRATE_OUT);
	}
}

static const struct {
	const char *name;
	int ev; // -1: only worth a line
} events[] = {
	{ "SHUTDOWN", LIFE_EV_SHUTDOWN },
	{ "RESET", LIFE_EV_RESET },
	{ "STOP", LIFE_EV_PAUSE },
	{ "RESUME", LIFE_EV_RESUME },
	{ "SUSPEND", LIFE_EV_SUSPEND },
	{ "WAKEUP", LIFE_EV_WAKEUP },
	{ "WATCHDOG", LIFE_EV_WATCHDOG },
	{ "GUEST_PANICKED", LIFE_EV_PANICKED },
	{ "POWERDOWN", -1 },
	{ "SUSPEND_DISK", -1 },
	{ "GUEST_CRASHLOADED", -1 },
};

static void event_take(struct qmp_reader *r, const char *name, const json_t *data,
		       struct qmp_said *s)
{
	static const char *const lines[] = { "its power button was pressed",
					     "it suspends itself to disk",
					     "its kernel for crashes runs" };
	size_t i = 0;
	const size_t n = sizeof(events) / sizeof(events[0]), n_lines = 3;

	if (strcmp(name, "MIGRATION") == 0) {
		migration_take(r, member(data, "status"), s);
		return;
	}
	if (strcmp(name, "NIC_RX_FILTER_CHANGED") == 0) {
		note(s, QMP_FILTER, "", member(data, "name"));
		return;
	}
	while (i < n && strcmp(events[i].name, name) != 0)
		i++;
	if (i < n && events[i].ev < 0) {
		note(s, QMP_NOTE, lines[i - (n - n_lines)], NULL);
		return;
	}
	// A pause of one that goes is a part of going. Of what came, RESUME ends the coming.
	if (i == n || (events[i].ev == LIFE_EV_PAUSE && (r->moving || r->incoming)))
		return;
	if (events[i].ev == LIFE_EV_RESUME)
		r->incoming = r->moving = false;
	life(s, (enum life_event)events[i].ev);
}

static bool mac_take(const char *text, char mac[18])
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != 17)
		return false;
	for (size_t i = 0; i < 17; i++) {
		const char ch = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] | 32) : text[i];

		if (i % 3 == 2 ? ch != ':' : strchr(digits, ch) == NULL)
			return false;
		mac[i] = ch;
	}
	mac[17] = '\0';
	return true;
}

static void answer_take(struct qmp_reader *r, const char *id, const json_t *result,
			struct qmp_said *s)
{
	const json_t *filter = json_array_get(result, 0);

	if (strcmp(id, "caps") == 0)
		s->kind = QMP_DONE;
	else if (strcmp(id, "status") == 0)
		status_take(r, member(result, "status"), s);
	else if (strcmp(id, "filter") == 0 && mac_take(member(filter, "main-mac"), s->mac))
		note(s, QMP_MAC, "", member(filter, "name"));
}

static void message_take(struct qmp_reader *r, const json_t *o, struct qmp_said *s)
{
	const json_t *result = json_object_get(o, "return"), *error = json_object_get(o, "error");
	const char *event = member(o, "event"), *id = member(o, "id");

	if (json_is_object(json_object_get(o, "QMP")))
		s->kind = QMP_GREETING;
	else if (event[0] != '\0')
		event_take(r, event, json_object_get(o, "data"), s);
	else if (json_is_object(error) && strcmp(id, "filter") != 0)
		note(s, QMP_REFUSED, "", member(error, "desc"));
	else if (result != NULL)
		answer_take(r, id, result, s);
	else if (!json_is_object(error))
		r->n_bad++;
}

static void line_take(struct qmp_reader *r, struct qmp_said *s)
{
	json_t *o = json_loadb(r->line, r->size, 0, NULL);

	if (json_is_object(o))
		message_take(r, o, s);
	else
		r->n_bad++;
	json_decref(o);
}

// --- Lines

static bool keep(struct qmp_reader *r, const char *data, size_t size)
{
	size_t cap = r->cap == 0 ? LINE_FIRST : r->cap;
	char *line;

	if (size > QMP_LINE_BYTES - r->size)
		return false;
	while (cap < r->size + size)
		cap *= 2;
	if (cap > r->cap) {
		line = realloc(r->line, cap);
		if (line == NULL)
			return false;
		r->line = line;
		r->cap = cap;
	}
	memcpy(r->line + r->size, data, size);
	r->size += size;
	return true;
}

// A long line's memory is not kept for short ones.
static void line_end(struct qmp_reader *r)
{
	r->size = 0;
	r->skipping = false;
	if (r->cap <= LINE_FIRST)
		return;
	free(r->line);
	r->line = NULL;
	r->cap = 0;
}

size_t ctl_qmp_reader_take(struct qmp_reader *r, const char *data, size_t size,
			   struct qmp_said *said)
{
	const char *end = memchr(data, '\n', size);
	const size_t n = end == NULL ? size : (size_t)(end - data);

	*said = (struct qmp_said){ 0 };
	if (!r->skipping && n > 0 && !keep(r, data, n)) {
		r->skipping = true;
		r->n_bad++;
	}
	if (end == NULL)
		return size;
	if (!r->skipping && r->size > 0)
		line_take(r, said);
	line_end(r);
	return n + 1;
}

size_t ctl_qmp_filter_ask(const char *card, char *out, size_t size)
{
	int n;

	// It is QEMU's word for one of its devices: letters and the like, or it is not asked for.
	for (const char *p = card; *p != '\0'; p++) {
		if (*p < '-' || *p > 'z' || strchr("\"\\/;:<>?[]`", *p) != NULL)
			return 0;
	}
	if (card[0] == '\0')
		return 0;
	n = snprintf(out, size,
		     "{\"execute\":\"query-rx-filter\",\"id\":\"filter\",\"arguments\":"
		     "{\"name\":\"%s\"}}\n",
		     card);
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}
