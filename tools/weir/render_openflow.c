// OpenFlow as text: what becomes of frames, and who is connected.
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

static const char *dash(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

static void texts(struct table *t, const json_t *e, const char *const *leaves, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_cell(t, "%s", dash(said(e, leaves[i]).text));
}

static void numbers(struct table *t, const json_t *e, const char *const *leaves, size_t n)
{
	for (size_t i = 0; i < n; i++)
		table_cell(t, "%llu", answer_number(e, leaves[i]));
}

static void connections(FILE *f, const json_t *list)
{
	static const char *const names[] = {
		"CONNECTION", "KIND",	   "PEER",	  "STATE",	"SINCE",
		"VERSION",    "ROLE",	   "MESSAGES-IN", "PACKET-INS", "PACKET-INS-DROPPED",
		"BUNDLES",    "LAST-ERROR"
	};
	static const char *const who[] = { "name", "kind", "peer", "state" };
	static const char *const how[] = { "version", "role" };
	static const char *const counts[] = { "messages-in", "packet-ins", "packet-ins-dropped",
					      "bundles" };
	static const char *const why[] = { "last-error" };
	struct table t;
	const json_t *c;
	size_t i;

	table_begin(&t, 12, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, c)
	{
		texts(&t, c, who, 4);
		table_cell(&t, "%llu s", answer_number(c, "since"));
		texts(&t, c, how, 2);
		numbers(&t, c, counts, 4);
		texts(&t, c, why, 1);
	}
	table_print(f, &t);
}

static void tables(FILE *f, const json_t *list)
{
	static const char *const names[] = { "TABLE", "FLOWS", "LOOKUPS", "MATCHED" };
	static const char *const counts[] = { "id", "flows", "lookups", "matched" };
	struct table t;
	const json_t *e;
	size_t i;

	table_begin(&t, 4, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		numbers(&t, e, counts, 4);
	}
	table_print(json_array_size(list) == 0 ? NULL : f, &t);
	if (json_array_size(list) > 0)
		fputc('\n', f);
}

static void listeners(FILE *f, const json_t *list)
{
	static const char *const names[] = { "LISTENER", "PLACE", "PROTOCOL", "STATE",
					     "LAST-ERROR" };
	static const char *const words[] = { "name", "place", "protocol", "state", "last-error" };
	struct table t;
	const json_t *e;
	size_t i;

	table_begin(&t, 5, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		texts(&t, e, words, 5);
	}
	table_print(f, &t);
	fputc('\n', f);
}

// Where flows decide nothing, or nothing can be forwarded, that is said, and what to do about it.
static void hint(FILE *f, const json_t *state)
{
	const json_t *first = json_array_get(json_object_get(state, "table"), 0);
	const char *mode = said(state, "mode").text;

	if (strcmp(mode, "off") == 0)
		fputs("frames are forwarded by MAC addresses. 'set openflow enabled true' and a "
		      "commit let flows decide.\n",
		      f);
	if (strcmp(mode, "standalone") == 0)
		fputs("no controller is there: frames are forwarded by MAC addresses, and flows "
		      "wait for one.\n",
		      f);
	if (strcmp(mode, "tables") != 0)
		return;
	if (answer_number(first, "id") == 0 && answer_number(first, "flows") > 0)
		return;
	fprintf(f,
		"%s: every frame is dropped. 'weir of add-flow priority=0,actions=NORMAL' "
		"forwards by MAC addresses.\n",
		answer_number(state, "flows") == 0 ? "no flow" : "no flow in table 0");
}

void show_openflow(FILE *f, const json_t *data)
{
	const json_t *state = json_object_get(data, "weir-openflow:openflow-state");
	const json_t *in = json_object_get(state, "packet-in");

	fprintf(f, "mode: %s\n", said(state, "mode").text);
	hint(f, state);
	if (in == NULL)
		return; // it is off
	fprintf(f, "datapath: %s\nfail mode: %s\nflows: %llu of %llu, groups: %llu, meters: %llu\n",
		said(state, "datapath-id").text, said(state, "fail-mode").text,
		answer_number(state, "flows"), answer_number(state, "flow-limit"),
		answer_number(state, "groups"), answer_number(state, "meters"));
	fprintf(f,
		"packet-ins: %llu, dropped: %llu over the rate, %llu the queue was full, %llu no "
		"buffer\n",
		answer_number(in, "sent"), answer_number(in, "over-rate"),
		answer_number(in, "queue-full"), answer_number(in, "no-buffer"));
	fprintf(f, "packet-outs dropped: %llu, no room\n\n",
		answer_number(state, "packet-outs-dropped"));
	tables(f, json_object_get(state, "table"));
	listeners(f, json_object_get(state, "listener"));
	connections(f, json_object_get(state, "connection"));
}
