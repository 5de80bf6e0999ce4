// OpenFlow as text: what becomes of frames, and who is connected.
#include <stdio.h>

#include "table.h"
#include "weir_priv.h"

static const char *dash(const char *text)
{
	return text[0] == '\0' ? "-" : text;
}

static void connections(FILE *f, const json_t *list)
{
	static const char *const names[] = {
		"CONNECTION", "KIND",	   "PEER",	  "STATE",	"SINCE",
		"VERSION",    "ROLE",	   "MESSAGES-IN", "PACKET-INS", "PACKET-INS-DROPPED",
		"BUNDLES",    "LAST-ERROR"
	};
	static const char *const words[] = { "name", "kind", "peer", "state" };
	struct table t;
	const json_t *c;
	size_t i;

	table_begin(&t, 12, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, c)
	{
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			table_cell(&t, "%s", dash(said(c, words[k]).text));
		table_cell(&t, "%llu s", answer_number(c, "since"));
		table_cell(&t, "%s", dash(said(c, "version").text));
		table_cell(&t, "%s", dash(said(c, "role").text));
		table_cell(&t, "%llu", answer_number(c, "messages-in"));
		table_cell(&t, "%llu", answer_number(c, "packet-ins"));
		table_cell(&t, "%llu", answer_number(c, "packet-ins-dropped"));
		table_cell(&t, "%llu", answer_number(c, "bundles"));
		table_cell(&t, "%s", dash(said(c, "last-error").text));
	}
	table_print(f, &t);
}

void show_openflow(FILE *f, const json_t *data)
{
	const json_t *state = json_object_get(data, "weir-openflow:openflow-state");
	const json_t *in = json_object_get(state, "packet-in");

	fprintf(f, "mode: %s\n", said(state, "mode").text);
	if (in == NULL)
		return; // it is off
	fprintf(f, "datapath: %s\n", said(state, "datapath-id").text);
	fprintf(f,
		"packet-ins: %llu, dropped: %llu over the rate, %llu the queue was full, %llu no "
		"buffer\n",
		answer_number(in, "sent"), answer_number(in, "over-rate"),
		answer_number(in, "queue-full"), answer_number(in, "no-buffer"));
	fprintf(f, "packet-outs dropped: %llu, no room\n\n",
		answer_number(state, "packet-outs-dropped"));
	connections(f, json_object_get(state, "connection"));
}
