// QoS as text: rates in bit/s, times in us.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

struct cell {
	char text[32];
};

// 1500000000 is "1.5 Gbit/s"; exact to three places.
static struct cell rate(const json_t *o, const char *key)
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s" };
	unsigned long long bits = answer_number(o, key), unit = 1;
	struct cell c = { "-" };
	size_t u = 0, n;

	if (json_object_get(o, key) == NULL)
		return c;
	for (; u < 4 && bits / unit >= 1000; u++)
		unit *= 1000;
	snprintf(c.text, sizeof(c.text), "%llu.%03llu", bits / unit,
		 unit == 1 ? 0 : bits % unit / (unit / 1000));
	for (n = strlen(c.text); c.text[n - 1] == '0'; n--)
		;
	n -= c.text[n - 1] == '.';
	snprintf(c.text + n, sizeof(c.text) - n, " %s", units[u]);
	return c;
}

static struct cell micros(const json_t *o, const char *key)
{
	struct cell c;

	snprintf(c.text, sizeof(c.text), "%llu us", answer_number(o, key));
	return c;
}

static struct cell number_or_none(const json_t *o, const char *key)
{
	struct cell c = { "-" };

	if (json_object_get(o, key) != NULL)
		snprintf(c.text, sizeof(c.text), "%llu", answer_number(o, key));
	return c;
}

static unsigned long long dropped(const json_t *queue)
{
	unsigned long long n = 0;
	const json_t *d;
	size_t i;

	json_array_foreach(json_object_get(queue, "drop"), i, d)
	{
		n += answer_number(d, "pkts");
	}
	return n;
}

static void policy_cells(struct table *t, const json_t *class)
{
	table_cell(t, "%s", rate(class, "reservation").text);
	table_cell(t, "%s", rate(class, "limit").text);
	table_cell(t, "%s", number_or_none(class, "shares").text);
}

static void queue_cells(struct table *t, const json_t *class)
{
	table_cell(t, "%llu", answer_number(class, "sent-pkts"));
	table_cell(t, "%llu", answer_number(class, "sent-bytes"));
	table_cell(t, "%llu", answer_number(class, "reserved-bytes"));
	table_cell(t, "%llu", answer_number(class, "queued-pkts"));
	table_cell(t, "%s", micros(class, "last-wait").text);
}

// Frames that were dropped, link by link; nothing when none was.
static void show_reasons(FILE *f, const json_t *links)
{
	static const char *const names[] = { "LINK", "CLASS", "REASON", "FRAMES", "WHAT" };
	const json_t *l, *c, *d;
	struct table t;
	size_t i, k, m;
	bool any = false;

	table_begin(&t, 5, names);
	json_array_foreach((json_t *)(uintptr_t)links, i, l)
	{
		json_array_foreach(json_object_get(l, "class"), k, c)
		{
			json_array_foreach(json_object_get(c, "drop"), m, d)
			{
				any = true;
				table_cell(&t, "%s", answer_text(l, "name"));
				table_cell(&t, "%s", answer_text(c, "name"));
				table_cell(&t, "%s", answer_text(d, "reason"));
				table_cell(&t, "%llu", answer_number(d, "pkts"));
				table_cell(&t, "%s", answer_text(d, "help"));
			}
		}
	}
	if (any)
		fprintf(f, "\ndropped\n");
	table_print(any ? f : NULL, &t);
}

static unsigned long long waited(const json_t *class, unsigned long long from)
{
	const json_t *w;
	size_t i;

	json_array_foreach(json_object_get(class, "wait"), i, w)
	{
		if (answer_number(w, "from") == from)
			return answer_number(w, "pkts");
	}
	return 0;
}

// How long frames waited that found a queue; nothing when none did.
static void show_waits(FILE *f, const json_t *links)
{
	static const char *const names[] = { "LINK",	  "CLASS",     "<4 us",	   "<16 us",
					     "<64 us",	  "<256 us",   "<1000 us", "<4000 us",
					     "<16000 us", ">=16000 us" };
	static const unsigned from[] = { 0, 4, 16, 64, 256, 1000, 4000, 16000 };
	const json_t *l, *c;
	struct table t;
	size_t i, k;
	bool any = false;

	table_begin(&t, 10, names);
	json_array_foreach((json_t *)(uintptr_t)links, i, l)
	{
		json_array_foreach(json_object_get(l, "class"), k, c)
		{
			if (json_array_size(json_object_get(c, "wait")) == 0)
				continue;
			any = true;
			table_cell(&t, "%s", answer_text(l, "name"));
			table_cell(&t, "%s", answer_text(c, "name"));
			for (size_t b = 0; b < 8; b++)
				table_cell(&t, "%llu", waited(c, from[b]));
		}
	}
	if (any)
		fprintf(f, "\nframes by time in a queue\n");
	table_print(any ? f : NULL, &t);
}

static void show_link(FILE *f, const json_t *l)
{
	static const char *const names[] = { "CLASS",  "RESERVATION", "LIMIT",	 "SHARES",
					     "PCP",    "SENT",	      "BYTES",	 "IN-RESERVATION",
					     "QUEUED", "WAITED",      "LONGEST", "DROPPED",
					     "MARKED" };
	const json_t *c;
	struct table t;
	size_t i;

	fprintf(f, "%s: %s%s, %llu frames queued, %llu bytes of credit lost\n",
		answer_text(l, "name"), json_object_get(l, "rate") == NULL ? "no rate" : "rate ",
		json_object_get(l, "rate") == NULL ? "" : rate(l, "rate").text,
		answer_number(l, "queued-pkts"), answer_number(l, "lost-credit-bytes"));
	table_begin(&t, 13, names);
	json_array_foreach(json_object_get(l, "class"), i, c)
	{
		table_cell(&t, "%s", answer_text(c, "name"));
		policy_cells(&t, c);
		table_cell(&t, "%s", number_or_none(c, "pcp").text);
		queue_cells(&t, c);
		table_cell(&t, "%s", micros(c, "longest-wait").text);
		table_cell(&t, "%llu", dropped(c));
		table_cell(&t, "%llu", answer_number(c, "marked-pkts"));
	}
	table_print(f, &t);
}

// "limit 1 Gbit/s, 1000 frames/s"
static void show_limits(FILE *f, const json_t *way)
{
	bool bits = json_object_get(way, "limit") != NULL;
	bool pkts = json_object_get(way, "packet-limit") != NULL;

	if (!bits && !pkts)
		fputs("no limit", f);
	else
		fprintf(f, "limit %s%s", bits ? rate(way, "limit").text : "",
			bits && pkts ? ", " : "");
	if (pkts)
		fprintf(f, "%llu frames/s", answer_number(way, "packet-limit"));
}

static void show_sends(FILE *f, const json_t *from)
{
	const char *meter = answer_text(from, "meter");

	show_limits(f, from);
	if (json_object_get(from, "limit") != NULL || json_object_get(from, "packet-limit") != NULL)
		fprintf(f, "; held back for %llu us in all, %s", answer_number(from, "held"),
			json_is_true(json_object_get(from, "held-now")) ? "also now" : "not now");
	if (meter[0] != '\0')
		fprintf(f, "; a meter (%s) guards each port, %llu frames were red",
			strcmp(meter, "rfc4115") == 0 ? "RFC 4115" : "RFC 2698",
			answer_number(from, "red-pkts"));
	fputs("\n", f);
}

static void show_node(FILE *f, const json_t *node)
{
	unsigned long long shares = answer_number(node, "shares");

	fprintf(f, "%llu share%s", shares, shares == 1 ? "" : "s");
	if (json_object_get(node, "reservation") != NULL)
		fprintf(f, ", reservation %s", rate(node, "reservation").text);
	if (json_object_get(node, "limit") != NULL)
		fprintf(f, ", limit %s", rate(node, "limit").text);
	if (json_object_get(node, "packet-limit") != NULL)
		fprintf(f, ", limit %llu frames/s", answer_number(node, "packet-limit"));
}

static void vm_head(FILE *f, const json_t *vm)
{
	const json_t *p;
	size_t i;

	fprintf(f, "%s", answer_text(vm, "name"));
	json_array_foreach(json_object_get(vm, "port"), i, p)
	{
		fprintf(f, "%s%s", i == 0 ? ": port " : ", ", json_string_value(p));
	}
	fputs("\n", f);
	if (json_object_get(vm, "from") == NULL)
		return;
	fputs("  on each link  ", f);
	show_node(f, vm);
	fputs("\n  sends         ", f);
	show_sends(f, json_object_get(vm, "from"));
	fputs("  receives      ", f);
	show_limits(f, json_object_get(vm, "to"));
	fputs("\n\n", f);
}

static void show_vm(FILE *f, const json_t *vm)
{
	static const char *const names[] = { "LINK",	       "WAY",	 "CLASS",  "RESERVATION",
					     "LIMIT",	       "SHARES", "SENT",   "BYTES",
					     "IN-RESERVATION", "QUEUED", "WAITED", "DROPPED",
					     "MARKED",	       "PARKED" };
	const json_t *links = json_object_get(vm, "link"), *l, *c;
	struct table t;
	size_t i, k;

	vm_head(f, vm);
	table_begin(&t, 14, names);
	json_array_foreach((json_t *)(uintptr_t)links, i, l)
	{
		json_array_foreach(json_object_get(l, "class"), k, c)
		{
			table_cell(&t, "%s", answer_text(l, "name"));
			table_cell(&t, "%s", answer_text(l, "way"));
			table_cell(&t, "%s", answer_text(c, "name"));
			policy_cells(&t, c);
			queue_cells(&t, c);
			table_cell(&t, "%llu", dropped(c));
			table_cell(&t, "%llu", answer_number(c, "marked-pkts"));
			table_cell(&t, "%llu", answer_number(c, "parked"));
		}
	}
	table_print(f, &t);
	show_reasons(f, links);
	show_waits(f, links);
}

void show_qos(FILE *f, const json_t *data)
{
	const json_t *state = json_object_get(data, "weir-qos:qos-state");
	const json_t *links = json_object_get(state, "link"), *l;
	size_t i;

	if (links == NULL) {
		show_vm(f, json_array_get(json_object_get(state, "vm"), 0));
		return;
	}
	json_array_foreach((json_t *)(uintptr_t)links, i, l)
	{
		if (i > 0)
			fputs("\n", f);
		show_link(f, l);
	}
	show_reasons(f, links);
	show_waits(f, links);
}

// --- explain

static void explain_node(FILE *f, const char *what, const json_t *node)
{
	fprintf(f, "         %-9s", what);
	show_node(f, node);
	fputs("\n", f);
}

static void explain_marks(FILE *f, const json_t *q)
{
	if (json_is_true(json_object_get(q, "tagged")))
		fprintf(f, "         marks    PCP %llu%s, ", answer_number(q, "pcp"),
			json_is_true(json_object_get(q, "marked")) ? ", DEI if a meter says yellow"
								   : " as it came");
	else
		fputs("         marks    no tag, ", f);
	if (json_object_get(q, "dscp") != NULL)
		fprintf(f, "DSCP %llu\n", answer_number(q, "dscp"));
	else
		fputs("DSCP as it came\n", f);
}

static void explain_link(FILE *f, const json_t *q)
{
	fprintf(f, "queue    at %s (%s): VM %s, class %s%s, one of %llu flow queues\n",
		answer_text(q, "port"),
		json_object_get(q, "rate") == NULL ? "no rate" : rate(q, "rate").text,
		answer_text(q, "vm"), answer_text(q, "class"),
		json_object_get(q, "class-why") == NULL ? "" : " by set_queue",
		answer_number(q, "flow-queues"));
	explain_node(f, "VM-class", json_object_get(q, "leaf-policy"));
	explain_node(f, "VM", json_object_get(q, "vm-policy"));
	explain_node(f, "class", json_object_get(q, "class-policy"));
	if (json_is_true(json_object_get(q, "empty")))
		fputs("         now      nothing waits at this link", f);
	else
		fprintf(f,
			"         now      %llu frames wait at this link, %llu of them in this "
			"queue",
			answer_number(q, "link-queued-pkts"), answer_number(q, "queued-pkts"));
	fprintf(f, "; the frame before waited %s%s\n", micros(q, "last-wait").text,
		json_is_true(json_object_get(q, "parked-now")) ? "; the VM's limit holds it back"
							       : "");
	explain_marks(f, q);
}

void show_explain_qos(FILE *f, const json_t *data)
{
	const json_t *sender = json_object_get(data, "sender"), *queues, *q;
	size_t i;

	if (sender != NULL) {
		fprintf(f, "sender   VM %s: ", answer_text(sender, "vm"));
		show_sends(f, json_object_get(sender, "from"));
	}
	queues = json_object_get(data, "queue");
	json_array_foreach((json_t *)(uintptr_t)queues, i, q)
	{
		explain_link(f, q);
	}
	if (json_array_size(json_object_get(data, "out")) > json_array_size(queues))
		fputs("         and likewise at the other ports\n", f);
}
