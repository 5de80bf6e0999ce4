// Tables. Columns are as wide as their widest cell; numbers stand right.
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

enum { COLS = 12 };

struct table {
	size_t n_cols, n_cells, cap;
	char **cells; // row by row, the header first
};

static void cell(struct table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (t->n_cells == t->cap) {
		t->cap = t->cap == 0 ? 256 : 2 * t->cap;
		t->cells = realloc(t->cells, t->cap * sizeof(*t->cells));
		if (t->cells == NULL)
			abort(); // a client without memory has nothing to say
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->cells[t->n_cells++] = strdup(text);
}

static void header(struct table *t, size_t n_cols, const char *const *names)
{
	memset(t, 0, sizeof(*t));
	t->n_cols = n_cols;
	for (size_t i = 0; i < n_cols; i++)
		cell(t, "%s", names[i]);
}

static bool numeric(const struct table *t, size_t col)
{
	for (size_t i = t->n_cols + col; i < t->n_cells; i += t->n_cols) {
		if (t->cells[i][0] != '\0' && !isdigit((unsigned char)t->cells[i][0]) &&
		    t->cells[i][0] != '-')
			return false;
		if (strchr(t->cells[i], ':') != NULL || strchr(t->cells[i], '.') != NULL)
			return false;
	}
	return t->n_cells > t->n_cols;
}

static void table_print(FILE *f, struct table *t)
{
	size_t width[COLS] = { 0 };
	bool right[COLS];

	for (size_t i = 0; i < t->n_cells; i++) {
		size_t len = strlen(t->cells[i]);

		width[i % t->n_cols] = len > width[i % t->n_cols] ? len : width[i % t->n_cols];
	}
	for (size_t c = 0; c < t->n_cols; c++)
		right[c] = numeric(t, c);
	for (size_t i = 0; i < t->n_cells; i++) {
		size_t c = i % t->n_cols;
		bool last = c == t->n_cols - 1;

		if (right[c])
			fprintf(f, "%*s%s", (int)width[c], t->cells[i], last ? "\n" : "  ");
		else
			fprintf(f, "%-*s%s", last ? 0 : (int)width[c], t->cells[i],
				last ? "\n" : "  ");
		free(t->cells[i]);
	}
	free(t->cells);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

static unsigned long long number(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) ? strtoull(json_string_value(v), NULL, 10)
				 : (unsigned long long)json_integer_value(v);
}

static const json_t *interfaces(const json_t *data)
{
	return json_object_get(json_object_get(data, "ietf-interfaces:interfaces"), "interface");
}

static const json_t *state(const json_t *port)
{
	return json_object_get(port, "weir-interfaces:port-state");
}

static unsigned long long counter(const json_t *port, const char *name)
{
	const json_t *list = json_object_get(state(port), "counter"), *c;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, c)
	{
		if (strcmp(text(c, "name"), name) == 0)
			return number(c, "value");
	}
	return 0;
}

static unsigned long long drops(const json_t *port)
{
	const json_t *list = json_object_get(state(port), "drop"), *d;
	unsigned long long n = 0;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, d)
	{
		n += number(d, "in") + number(d, "out");
	}
	return n;
}

static const char *kind(const json_t *port)
{
	const char *type = text(port, "type"), *colon = strchr(type, ':');

	return colon == NULL ? type : colon + 1;
}

void show_ports(FILE *f, const json_t *data)
{
	static const char *const names[] = { "PORT",	"KIND",	  "STATE", "RX", "TX",
					     "DROPPED", "QUEUED", "MACS",  "VM", "LINK" };
	const json_t *p;
	struct table t;
	size_t i;

	header(&t, 10, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		cell(&t, "%s", text(p, "name"));
		cell(&t, "%s", kind(p));
		cell(&t, "%s", text(p, "oper-status"));
		cell(&t, "%llu", counter(p, "rx_pkts"));
		cell(&t, "%llu", counter(p, "tx_pkts"));
		cell(&t, "%llu", drops(p));
		cell(&t, "%llu", number(state(p), "queued"));
		cell(&t, "%llu", number(state(p), "mac-addresses"));
		cell(&t, "%s", text(state(p), "vm"));
		cell(&t, "%s", text(state(p), "detail"));
	}
	table_print(f, &t);
}

void show_port(FILE *f, const json_t *data)
{
	static const char *const names[] = { "COUNTER", "VALUE", "WHAT" };
	const json_t *p = json_array_get(interfaces(data), 0), *c;
	struct table t;
	size_t i;

	if (p == NULL) {
		fprintf(f, "no such port\n");
		return;
	}
	show_ports(f, data);
	fprintf(f, "\n");
	header(&t, 3, names);
	json_array_foreach(json_object_get(state(p), "counter"), i, c)
	{
		cell(&t, "%s", text(c, "name"));
		cell(&t, "%llu", number(c, "value"));
		cell(&t, "%s", text(c, "help"));
	}
	table_print(f, &t);
	fprintf(f, "\n");
	show_classes(f, data);
	fprintf(f, "\n");
	show_drops(f, data);
}

void show_classes(FILE *f, const json_t *data)
{
	static const char *const names[] = { "PORT",	"CLASS",    "RX-PKTS",	  "RX-BYTES",
					     "TX-PKTS", "TX-BYTES", "QUEUE-DROPS" };
	const json_t *p, *c;
	struct table t;
	size_t i, k;

	header(&t, 7, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		json_array_foreach(json_object_get(state(p), "class"), k, c)
		{
			if (number(c, "rx-pkts") + number(c, "tx-pkts") +
				    number(c, "queue-drops") ==
			    0)
				continue;
			cell(&t, "%s", text(p, "name"));
			cell(&t, "%s", text(c, "name"));
			cell(&t, "%llu", number(c, "rx-pkts"));
			cell(&t, "%llu", number(c, "rx-bytes"));
			cell(&t, "%llu", number(c, "tx-pkts"));
			cell(&t, "%llu", number(c, "tx-bytes"));
			cell(&t, "%llu", number(c, "queue-drops"));
		}
	}
	table_print(f, &t);
}

void show_drops(FILE *f, const json_t *data)
{
	static const char *const names[] = { "PORT", "REASON", "IN", "OUT", "WHAT" };
	const json_t *p, *d;
	struct table t;
	size_t i, k;

	header(&t, 5, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		json_array_foreach(json_object_get(state(p), "drop"), k, d)
		{
			cell(&t, "%s", text(p, "name"));
			cell(&t, "%s", text(d, "reason"));
			cell(&t, "%llu", number(d, "in"));
			cell(&t, "%llu", number(d, "out"));
			cell(&t, "%s", text(d, "help"));
		}
	}
	table_print(f, &t);
}

void show_macs(FILE *f, const json_t *data)
{
	static const char *const names[] = { "VLAN", "MAC", "PORT", "KIND", "AGE" };
	const json_t *m = json_object_get(data, "weir-interfaces:mac-table"), *e;
	struct table t;
	size_t i;

	header(&t, 5, names);
	json_array_foreach(json_object_get(m, "mac"), i, e)
	{
		cell(&t, "%llu", number(e, "vlan"));
		cell(&t, "%s", text(e, "address"));
		cell(&t, "%s", text(e, "port"));
		cell(&t, "%s", json_is_true(json_object_get(e, "static")) ? "static" : "learned");
		cell(&t, "%llu s", number(e, "age"));
	}
	table_print(f, &t);
	fprintf(f, "%llu entries, %llu moves, %llu evictions\n", number(m, "entries"),
		number(m, "moves"), number(m, "evictions"));
}

static void timeline(FILE *f, const json_t *vm)
{
	const json_t *e;
	size_t i;

	json_array_foreach(json_object_get(vm, "boot-event"), i, e)
	{
		unsigned long long ms = number(e, "milliseconds");

		fprintf(f, "  %6llu.%03llu s  %s\n", ms / 1000, ms % 1000, text(e, "event"));
	}
}

void show_vms(FILE *f, const json_t *data)
{
	static const char *const names[] = { "VM",  "BOOT",    "NIC",  "PORT",
					     "MAC", "ADDRESS", "VLAN", "STATE" };
	const json_t *vms = json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm"), *v,
		     *n;
	struct table t;
	size_t i, k;

	header(&t, 8, names);
	json_array_foreach((json_t *)(uintptr_t)vms, i, v)
	{
		json_array_foreach(json_object_get(v, "nic"), k, n)
		{
			cell(&t, "%s", text(v, "name"));
			cell(&t, "%s", text(v, "boot-method"));
			cell(&t, "%llu", number(n, "id"));
			cell(&t, "%s", text(n, "port"));
			cell(&t, "%s", text(n, "mac"));
			cell(&t, "%s", text(n, "ipv4-address"));
			cell(&t, "%llu", number(n, "vlan"));
			cell(&t, "%s",
			     json_is_true(json_object_get(n, "connected")) ? "connected" : "away");
		}
	}
	table_print(f, &t);
	json_array_foreach((json_t *)(uintptr_t)vms, i, v)
	{
		if (json_array_size(json_object_get(v, "boot-event")) > 0) {
			fprintf(f, "\n%s:\n", text(v, "name"));
			timeline(f, v);
		}
	}
}

void show_system(FILE *f, const json_t *data)
{
	static const char *const names[] = { "WORKER",	"CPU",	      "QUEUES",
					     "RX-PKTS", "CYCLES/PKT", "BUSY-TURNS",
					     "TURNS",	"NAPS",	      "LOST-EVENTS" };
	const json_t *s = json_object_get(data, "weir-system:system-state"), *w;
	struct table t;
	size_t i;

	fprintf(f, "weir %s, up %llu s, snapshot %llu, %s, buffers in use %llu of %llu, %s\n",
		text(s, "version"), number(s, "uptime"), number(s, "generation"),
		json_is_true(json_object_get(s, "hugepages")) ? "hugepages" : "ordinary memory",
		number(s, "buffers-in-use"), number(s, "buffers"),
		json_is_true(json_object_get(s, "conserved")) ? "every frame accounted for"
							      : "frames in motion");
	header(&t, 9, names);
	json_array_foreach(json_object_get(s, "worker"), i, w)
	{
		cell(&t, "%llu", number(w, "id"));
		cell(&t, "%llu", number(w, "cpu"));
		cell(&t, "%llu", number(w, "queues"));
		cell(&t, "%llu", number(w, "rx-pkts"));
		cell(&t, "%llu", number(w, "cycles-per-packet"));
		cell(&t, "%llu", number(w, "busy-turns"));
		cell(&t, "%llu", number(w, "turns"));
		cell(&t, "%llu", number(w, "naps"));
		cell(&t, "%llu", number(w, "learn-events-lost"));
	}
	table_print(f, &t);
}

void show_responder(FILE *f, const json_t *data)
{
	static const char *const names[] = { "RESPONDER", "VALUE", "WHAT" };
	const json_t *c;
	struct table t;
	size_t i;

	header(&t, 3, names);
	json_array_foreach(
		json_object_get(json_object_get(data, "weir-system:system-state"), "responder"), i,
		c)
	{
		cell(&t, "%s", text(c, "name"));
		cell(&t, "%llu", number(c, "value"));
		cell(&t, "%s", text(c, "help"));
	}
	table_print(f, &t);
}

const char *port_mac(const json_t *data)
{
	const json_t *p = json_array_get(interfaces(data), 0);

	return strcmp(kind(p), "guest") == 0 ? text(p, "phys-address") : "";
}

bool show_is_empty(const json_t *data)
{
	return json_array_size(interfaces(data)) == 0 &&
	       json_array_size(json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm")) ==
		       0;
}

void show_explain(FILE *f, const json_t *data)
{
	const char *verdict = text(data, "verdict");
	const json_t *out, *frame = json_object_get(data, "frame");
	size_t i;

	fprintf(f, "frame    ethertype %s, %llu tag%s", text(frame, "ethertype"),
		number(frame, "tags"), number(frame, "tags") == 1 ? "" : "s");
	if (json_object_get(frame, "ip-protocol") != NULL)
		fprintf(f, ", IP protocol %llu", number(frame, "ip-protocol"));
	if (json_object_get(frame, "source-port") != NULL)
		fprintf(f, ", ports %llu > %llu", number(frame, "source-port"),
			number(frame, "destination-port"));
	fprintf(f, "\n");
	if (json_object_get(data, "vlan") != NULL)
		fprintf(f, "vlan     %llu\n", number(data, "vlan"));
	if (strcmp(verdict, "drop") == 0) {
		fprintf(f, "verdict  dropped at %s: %s\n         %s\n", text(data, "stage"),
			text(data, "reason"), text(data, "help"));
		return;
	}
	fprintf(f, "class    %s, by %s\n", text(data, "class"), text(data, "class-why"));
	fprintf(f, "verdict  %s",
		strcmp(verdict, "responder") == 0 ? "answered by the boot responder" : verdict);
	json_array_foreach(json_object_get(data, "out"), i, out)
	{
		fprintf(f, "%s%s", i == 0 ? " to " : ", ", json_string_value(out));
	}
	fprintf(f, "\n");
}

static unsigned byte_at(const char *hex, size_t i)
{
	unsigned b = 0;

	return strlen(hex) >= 2 * i + 2 && sscanf(hex + 2 * i, "%2x", &b) == 1 ? b : 0;
}

// Addresses of the frame whose first bytes are hex: MACs, ethertype, and IPv4 with its ports.
static void show_frame(FILE *f, const char *hex)
{
	size_t l3 = 14;
	unsigned type = byte_at(hex, 12) << 8 | byte_at(hex, 13);

	while ((type == 0x8100 || type == 0x88a8) && l3 < 22) {
		type = byte_at(hex, l3 + 2) << 8 | byte_at(hex, l3 + 3);
		l3 += 4;
	}
	fprintf(f, "        ");
	for (size_t i = 6; i < 18; i++)
		fprintf(f, "%s%02x", i == 6 ? "" : i == 12 ? " > " : ":", byte_at(hex, i % 12));
	fprintf(f, "  ethertype 0x%04x", type);
	if (type == 0x800) {
		unsigned proto = byte_at(hex, l3 + 9);
		size_t l4 = l3 + (byte_at(hex, l3) & 15) * 4;

		for (size_t i = 12; i < 20; i++)
			fprintf(f, "%s%u",
				i == 12	  ? "  "
				: i == 16 ? " > "
					  : ".",
				byte_at(hex, l3 + i));
		fprintf(f, "  protocol %u", proto);
		if (proto == 6 || proto == 17)
			fprintf(f, "  ports %u > %u", byte_at(hex, l4) << 8 | byte_at(hex, l4 + 1),
				byte_at(hex, l4 + 2) << 8 | byte_at(hex, l4 + 3));
	}
	fprintf(f, "\n");
}

void show_trace_line(FILE *f, const json_t *r)
{
	const char *drop = text(r, "drop");

	fprintf(f, "%6llu  %-9s %-16s vlan %-4llu %-11s %5llu bytes%s%s\n", number(r, "packet"),
		text(r, "stage"), text(r, "port"), number(r, "vlan"),
		strcmp(text(r, "stage"), "rx") == 0 ? "-" : text(r, "class"), number(r, "size"),
		drop[0] ? "  dropped: " : "", drop);
	if (strcmp(text(r, "stage"), "rx") == 0)
		show_frame(f, text(r, "bytes"));
}

void show_sessions(FILE *f, const json_t *list)
{
	static const char *const names[] = {
		"SESSION", "USER", "TRANSPORT", "SINCE", "RPCS", "BAD"
	};
	const json_t *e;
	struct table t;
	size_t i;

	header(&t, 6, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		const char *transport = text(e, "transport"), *colon = strchr(transport, ':');

		cell(&t, "%llu", number(e, "session-id"));
		cell(&t, "%s", text(e, "username"));
		cell(&t, "%s", colon == NULL ? transport : colon + 1);
		cell(&t, "%s", text(e, "login-time"));
		cell(&t, "%llu", number(e, "in-rpcs"));
		cell(&t, "%llu", number(e, "in-bad-rpcs"));
	}
	table_print(f, &t);
}

void show_history(FILE *f, const json_t *list)
{
	static const char *const names[] = { "N", "ID", "TIME", "USER", "BY", "COMMENT" };
	const json_t *e;
	struct table t;
	size_t i;

	header(&t, 6, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		cell(&t, "%llu", number(e, "number"));
		cell(&t, "%llu", number(e, "id"));
		cell(&t, "%s", text(e, "time"));
		cell(&t, "%s", text(e, "user"));
		cell(&t, "%s", text(e, "client"));
		cell(&t, "%s", text(e, "comment"));
	}
	table_print(f, &t);
}
