// What the switch shows of itself, as text.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"
#include "weir_priv.h"

static const unsigned long long OF_LOCAL = 4294967294; // of-port of the host port

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
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
			return answer_number(c, "value");
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
		n += answer_number(d, "in") + answer_number(d, "out");
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

	table_begin(&t, 10, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		table_cell(&t, "%s", text(p, "name"));
		table_cell(&t, "%s", kind(p));
		table_cell(&t, "%s", text(p, "oper-status"));
		table_cell(&t, "%llu", counter(p, "rx_pkts"));
		table_cell(&t, "%llu", counter(p, "tx_pkts"));
		table_cell(&t, "%llu", drops(p));
		table_cell(&t, "%llu", answer_number(state(p), "queued"));
		table_cell(&t, "%llu", answer_number(state(p), "mac-addresses"));
		table_cell(&t, "%s", text(state(p), "vm"));
		table_cell(&t, "%s", text(state(p), "detail"));
	}
	table_print(f, &t);
}

void show_port(FILE *f, const json_t *data)
{
	static const char *const names[] = { "COUNTER", "VALUE", "WHAT" };
	const json_t *p = json_array_get(interfaces(data), 0), *c;
	unsigned long long number;
	struct table t;
	size_t i;

	if (p == NULL) {
		fprintf(f, "no such port\n");
		return;
	}
	show_ports(f, data);
	number = answer_number(state(p), "of-port");
	if (number == OF_LOCAL)
		fprintf(f, "OpenFlow: LOCAL\n");
	else if (number > 0)
		fprintf(f, "OpenFlow: port %llu\n", number);
	fprintf(f, "\n");
	table_begin(&t, 3, names);
	json_array_foreach(json_object_get(state(p), "counter"), i, c)
	{
		table_cell(&t, "%s", text(c, "name"));
		table_cell(&t, "%llu", answer_number(c, "value"));
		table_cell(&t, "%s", text(c, "help"));
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

	table_begin(&t, 7, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		json_array_foreach(json_object_get(state(p), "class"), k, c)
		{
			if (answer_number(c, "rx-pkts") + answer_number(c, "tx-pkts") +
				    answer_number(c, "queue-drops") ==
			    0)
				continue;
			table_cell(&t, "%s", text(p, "name"));
			table_cell(&t, "%s", text(c, "name"));
			table_cell(&t, "%llu", answer_number(c, "rx-pkts"));
			table_cell(&t, "%llu", answer_number(c, "rx-bytes"));
			table_cell(&t, "%llu", answer_number(c, "tx-pkts"));
			table_cell(&t, "%llu", answer_number(c, "tx-bytes"));
			table_cell(&t, "%llu", answer_number(c, "queue-drops"));
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

	table_begin(&t, 5, names);
	json_array_foreach((json_t *)(uintptr_t)interfaces(data), i, p)
	{
		json_array_foreach(json_object_get(state(p), "drop"), k, d)
		{
			table_cell(&t, "%s", text(p, "name"));
			table_cell(&t, "%s", text(d, "reason"));
			table_cell(&t, "%llu", answer_number(d, "in"));
			table_cell(&t, "%llu", answer_number(d, "out"));
			table_cell(&t, "%s", text(d, "help"));
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

	table_begin(&t, 5, names);
	json_array_foreach(json_object_get(m, "mac"), i, e)
	{
		table_cell(&t, "%llu", answer_number(e, "vlan"));
		table_cell(&t, "%s", text(e, "address"));
		table_cell(&t, "%s", text(e, "port"));
		table_cell(&t, "%s",
			   json_is_true(json_object_get(e, "static")) ? "static" : "learned");
		table_cell(&t, "%llu s", answer_number(e, "age"));
	}
	table_print(f, &t);
	fprintf(f, "%llu entries, %llu moves, %llu evictions\n", answer_number(m, "entries"),
		answer_number(m, "moves"), answer_number(m, "evictions"));
}

void show_vms(FILE *f, const json_t *data)
{
	static const char *const names[] = { "VM",	"BOOT", "NIC",	 "PORT",  "MAC",
					     "ADDRESS", "VLAN", "GUEST", "STATE", "ORIGIN" };
	const json_t *vms = json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm"), *v,
		     *n;
	struct table t;
	size_t i, k;

	table_begin(&t, 10, names);
	json_array_foreach((json_t *)(uintptr_t)vms, i, v)
	{
		json_array_foreach(json_object_get(v, "nic"), k, n)
		{
			table_cell(&t, "%s", text(v, "name"));
			table_cell(&t, "%s", text(v, "boot-method"));
			table_cell(&t, "%llu", answer_number(n, "id"));
			table_cell(&t, "%s", text(n, "port"));
			table_cell(&t, "%s", text(n, "mac"));
			table_cell(&t, "%s", text(n, "ipv4-address"));
			table_cell(&t, "%llu", answer_number(n, "vlan"));
			table_cell(&t, "%s",
				   json_is_true(json_object_get(n, "connected")) ? "connected"
										 : "away");
			table_cell(&t, "%s", text(v, "state"));
			table_cell(&t, "%s", text(v, "origin"));
		}
	}
	table_print(f, &t);
}

void show_one_vm(FILE *f, const json_t *data)
{
	show_vms(f, data);
	fputs("\n", f);
	show_boot_vm(f, data);
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
		text(s, "version"), answer_number(s, "uptime"), answer_number(s, "generation"),
		json_is_true(json_object_get(s, "hugepages")) ? "hugepages" : "ordinary memory",
		answer_number(s, "buffers-in-use"), answer_number(s, "buffers"),
		json_is_true(json_object_get(s, "conserved")) ? "every frame accounted for"
							      : "frames in motion");
	table_begin(&t, 9, names);
	json_array_foreach(json_object_get(s, "worker"), i, w)
	{
		table_cell(&t, "%llu", answer_number(w, "id"));
		table_cell(&t, "%llu", answer_number(w, "cpu"));
		table_cell(&t, "%llu", answer_number(w, "queues"));
		table_cell(&t, "%llu", answer_number(w, "rx-pkts"));
		table_cell(&t, "%llu", answer_number(w, "cycles-per-packet"));
		table_cell(&t, "%llu", answer_number(w, "busy-turns"));
		table_cell(&t, "%llu", answer_number(w, "turns"));
		table_cell(&t, "%llu", answer_number(w, "naps"));
		table_cell(&t, "%llu", answer_number(w, "learn-events-lost"));
	}
	table_print(f, &t);
}

void show_responder(FILE *f, const json_t *data)
{
	static const char *const names[] = { "RESPONDER", "VALUE", "WHAT" };
	const json_t *c;
	struct table t;
	size_t i;

	table_begin(&t, 3, names);
	json_array_foreach(
		json_object_get(json_object_get(data, "weir-system:system-state"), "responder"), i,
		c)
	{
		table_cell(&t, "%s", text(c, "name"));
		table_cell(&t, "%llu", answer_number(c, "value"));
		table_cell(&t, "%s", text(c, "help"));
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
		       0 &&
	       json_array_size(
		       json_object_get(json_object_get(data, "weir-qos:qos-state"), "vm")) == 0 &&
	       json_array_size(json_object_get(json_object_get(data, "weir-storage:storage-state"),
					       "vm")) == 0;
}

static void explain_list(FILE *f, const char *what, const json_t *list)
{
	const json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
		fprintf(f, "         %s %s\n", what, said_value(json_string_value(e)).text);
}

// Table by table: the rule, what of the frame made it match, and what was done.
static void explain_tables(FILE *f, const json_t *of)
{
	const json_t *t;
	size_t i;

	json_array_foreach(json_object_get(of, "tables"), i, t)
	{
		fprintf(f, "table    %llu: ", answer_number(t, "table"));
		if (json_is_true(json_object_get(t, "miss"))) {
			fprintf(f, "no flow matches\n");
			continue;
		}
		fprintf(f, "priority=%llu", answer_number(t, "priority"));
		if (strcmp(text(t, "cookie"), "0x0") != 0)
			fprintf(f, ",cookie=%s", text(t, "cookie"));
		fprintf(f, "%s%s actions=%s\n", text(t, "match")[0] == '\0' ? "" : ",",
			said(t, "match").text, said(t, "actions").text);
		if (text(t, "frame-has")[0] != '\0')
			fprintf(f, "         because the frame has %s\n",
				said(t, "frame-has").text);
		explain_list(f, "does", json_object_get(t, "applied"));
	}
	explain_list(f, "action set:", json_object_get(of, "action-set"));
}

void show_explain(FILE *f, const json_t *data)
{
	const char *verdict = text(data, "verdict");
	const json_t *out, *frame = json_object_get(data, "frame");
	const json_t *portal = json_object_get(data, "portal");
	size_t i;

	fprintf(f, "frame    ethertype %s, %llu tag%s", text(frame, "ethertype"),
		answer_number(frame, "tags"), answer_number(frame, "tags") == 1 ? "" : "s");
	if (json_object_get(frame, "ip-protocol") != NULL)
		fprintf(f, ", IP protocol %llu", answer_number(frame, "ip-protocol"));
	if (json_object_get(frame, "source-port") != NULL)
		fprintf(f, ", ports %llu > %llu", answer_number(frame, "source-port"),
			answer_number(frame, "destination-port"));
	fprintf(f, "\n");
	if (json_object_get(data, "vlan") != NULL)
		fprintf(f, "vlan     %llu\n", answer_number(data, "vlan"));
	if (strcmp(verdict, "drop") == 0) {
		explain_tables(f, json_object_get(data, "openflow"));
		fprintf(f, "verdict  dropped at %s: %s\n         %s\n", text(data, "stage"),
			text(data, "reason"), text(data, "help"));
		return;
	}
	fprintf(f, "class    %s, by %s\n", text(data, "class"), text(data, "class-why"));
	if (portal != NULL)
		fprintf(f, "portal   %s the portal, %s, known by: %s\n", text(portal, "way"),
			text(portal, "service"), text(portal, "how"));
	explain_tables(f, json_object_get(data, "openflow"));
	fprintf(f, "verdict  %s",
		strcmp(verdict, "responder") == 0 ? "answered by the boot responder" : verdict);
	json_array_foreach(json_object_get(data, "out"), i, out)
	{
		fprintf(f, "%s%s", i == 0 ? " to " : ", ", json_string_value(out));
	}
	if (json_is_true(json_object_get(data, "to-controller")))
		fprintf(f, "%scontroller", i == 0 ? " to " : ", ");
	fprintf(f, "\n");
	show_explain_qos(f, data);
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

	fprintf(f, "%6llu  %-9s %-16s vlan %-4llu %-11s %5llu bytes%s%s\n",
		answer_number(r, "packet"), text(r, "stage"), text(r, "port"),
		answer_number(r, "vlan"),
		strcmp(text(r, "stage"), "rx") == 0 ? "-" : text(r, "class"),
		answer_number(r, "size"), drop[0] ? "  dropped: " : "", drop);
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

	table_begin(&t, 6, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		const char *transport = text(e, "transport"), *colon = strchr(transport, ':');

		table_cell(&t, "%llu", answer_number(e, "session-id"));
		table_cell(&t, "%s", text(e, "username"));
		table_cell(&t, "%s", colon == NULL ? transport : colon + 1);
		table_cell(&t, "%s", text(e, "login-time"));
		table_cell(&t, "%llu", answer_number(e, "in-rpcs"));
		table_cell(&t, "%llu", answer_number(e, "in-bad-rpcs"));
	}
	table_print(f, &t);
}

void show_history(FILE *f, const json_t *list)
{
	static const char *const names[] = { "N", "ID", "TIME", "USER", "BY", "COMMENT" };
	const json_t *e;
	struct table t;
	size_t i;

	table_begin(&t, 6, names);
	json_array_foreach((json_t *)(uintptr_t)list, i, e)
	{
		table_cell(&t, "%llu", answer_number(e, "number"));
		table_cell(&t, "%llu", answer_number(e, "id"));
		table_cell(&t, "%s", text(e, "time"));
		table_cell(&t, "%s", text(e, "user"));
		table_cell(&t, "%s", text(e, "client"));
		table_cell(&t, "%s", text(e, "comment"));
	}
	table_print(f, &t);
}
