// weir: look into a running switch.
#include <errno.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weir_priv.h"

static const char usage[] =
	"usage: weir [--json] [-s SOCKET] COMMAND\n"
	"  show ports | port NAME | macs | vms | vm NAME | classes [PORT] | drops [PORT] | "
	"workers\n"
	"  explain PORT WORD...          what would happen to a frame: src=MAC dst=MAC vlan=N "
	"type=arp|0x..\n"
	"                                ip=A,B tcp=P,P udp=P,P proto=N dscp=N size=BYTES\n"
	"  trace PORT [-c N] [FILTER]    follow frames that enter by PORT, hop by hop\n"
	"  capture PORT [-c N] [FILTER] -w FILE   frames that enter or leave by PORT, as pcap (- = "
	"standard output)\n"
	"  reload [--dry-run]            load the configuration file again, or only print the "
	"plan\n"
	"  ping                          is the switch alive?\n"
	"One trace or capture runs at a time. FILTER is a libpcap expression. The socket is -s, "
	"WEIR_SOCKET or\n"
	"/run/weir/weir.sock. Exit code: 0 done, 1 refused, 2 usage, 3 switch not "
	"reachable.\n";

static int usage_error(const char *what)
{
	if (what != NULL)
		fprintf(stderr, "weir: %s\n", what);
	fputs(usage, stderr);
	return EXIT_USAGE;
}

char *filter_compile(const char *expression)
{
	pcap_t *p = pcap_open_dead(DLT_EN10MB, 65535);
	struct bpf_program f;
	char *hex;

	if (p == NULL)
		return NULL;
	if (pcap_compile(p, &f, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		fprintf(stderr, "weir: filter %s: %s\n", expression, pcap_geterr(p));
		pcap_close(p);
		return NULL;
	}
	hex = malloc(16u * f.bf_len + 1);
	for (u_int i = 0; hex != NULL && i < f.bf_len; i++) {
		const struct bpf_insn *n = &f.bf_insns[i];

		snprintf(hex + 16 * i, 17, "%04x%02x%02x%08x", n->code, n->jt, n->jf, n->k);
	}
	pcap_freecode(&f);
	pcap_close(p);
	return hex;
}

static int show(struct cli *c, int argc, char **argv)
{
	const char *what = argc > 0 ? argv[0] : "", *name = argc > 1 ? argv[1] : NULL;
	static const struct {
		const char *word, *part;
		bool needs_name;
	} parts[] = {
		{ "ports", "ports", false },   { "port", "ports", true },
		{ "macs", "macs", false },     { "vms", "vms", false },
		{ "vm", "vms", true },	       { "classes", "ports", false },
		{ "drops", "ports", false },   { "workers", "system", false },
		{ "system", "system", false }, { "responder", "system", false },
	};
	json_t *args = json_object(), *data;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]) && strcmp(parts[i].word, what) != 0; i++)
		;
	if (i == sizeof(parts) / sizeof(parts[0]) || (parts[i].needs_name && name == NULL)) {
		json_decref(args);
		return usage_error(argc == 0			      ? "show what?"
				   : parts[i < 10 ? i : 0].needs_name ? "show: a name is missing"
								      : "show: no such thing");
	}
	json_object_set_new(args, "part", json_string(parts[i].part));
	if (name != NULL)
		json_object_set_new(args, "name", json_string(name));
	data = cli_call(c, "get-state", args, &rc);
	if (data == NULL)
		return rc;
	if (name != NULL && show_is_empty(data)) {
		fprintf(stderr, "weir: show %s: %s: no such %s\n", what, name,
			parts[i].part[0] == 'v' ? "VM" : "port");
		json_decref(data);
		return EXIT_REFUSED;
	}
	if (c->json) {
		json_dumpf(data, stdout, JSON_INDENT(2));
		printf("\n");
	} else if (strcmp(what, "responder") == 0) {
		show_responder(data);
	} else if (strcmp(what, "ports") == 0) {
		show_ports(data);
	} else if (strcmp(what, "port") == 0) {
		show_port(data);
	} else if (strcmp(what, "macs") == 0) {
		show_macs(data);
	} else if (parts[i].part[0] == 'v') {
		show_vms(data, true);
	} else if (strcmp(what, "classes") == 0) {
		show_classes(data);
	} else if (strcmp(what, "drops") == 0) {
		show_drops(data);
	} else {
		show_system(data);
	}
	json_decref(data);
	return 0;
}

static int explain(struct cli *c, int argc, char **argv)
{
	static uint8_t frame[9728];
	char src[18] = "02:00:00:00:00:01";
	json_t *args, *data;
	char *hex;
	size_t size;
	int rc;

	if (argc < 2)
		return usage_error("explain: wants a port and a description");
	// A guest's frames come from the guest's own address unless the description says otherwise.
	data = cli_call(c, "get-state", json_pack("{s:s, s:s}", "part", "ports", "name", argv[0]),
			&rc);
	if (data == NULL)
		return rc;
	if (!show_is_empty(data) && port_mac(data)[0] != '\0')
		snprintf(src, sizeof(src), "%s", port_mac(data));
	json_decref(data);
	size = describe_frame(argv + 1, argc - 1, src, frame);
	if (size == 0)
		return EXIT_USAGE;
	hex = malloc(2 * size + 1);
	if (hex == NULL)
		return EXIT_REFUSED;
	for (size_t i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", frame[i]);
	args = json_pack("{s:s, s:s}", "port", argv[0], "frame", hex);
	free(hex);
	data = cli_call(c, "explain", args, &rc);
	if (data == NULL)
		return rc;
	if (c->json) {
		json_dumpf(data, stdout, JSON_INDENT(2));
		printf("\n");
	} else {
		show_explain(data);
	}
	json_decref(data);
	return 0;
}

struct tap_options {
	const char *port, *file;
	char filter[2048];
	uint32_t count;
};

static int tap_options_read(struct tap_options *o, int argc, char **argv)
{
	memset(o, 0, sizeof(*o));
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-w") == 0 && i + 1 < argc) {
			o->file = argv[++i];
		} else if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
			char *end;

			o->count = (uint32_t)strtoul(argv[++i], &end, 10);
			if (*end != '\0' || o->count == 0) {
				fprintf(stderr, "weir: -c %s: wants a number of packets\n",
					argv[i]);
				return EXIT_USAGE;
			}
		} else if (o->port == NULL) {
			o->port = argv[i];
		} else {
			size_t at = strlen(o->filter);

			snprintf(o->filter + at, sizeof(o->filter) - at, "%s%s", at > 0 ? " " : "",
				 argv[i]);
		}
	}
	return o->port == NULL ? usage_error("a port is missing") : 0;
}

static int tap_open(struct cli *c, const struct tap_options *o, const char *kind)
{
	json_t *args =
		json_pack("{s:s, s:s, s:i}", "port", o->port, "kind", kind, "count", (int)o->count);

	if (o->filter[0] != '\0') {
		char *hex = filter_compile(o->filter);

		if (hex == NULL) {
			json_decref(args);
			return EXIT_USAGE;
		}
		json_object_set_new(args, "filter", json_string(hex));
		free(hex);
	}
	return cli_open_stream(c, "tap", args);
}

static int capture(struct cli *c, int argc, char **argv)
{
	struct tap_options o;
	char buf[65536];
	FILE *f;
	ssize_t n;
	int rc = tap_options_read(&o, argc, argv);

	if (rc != 0)
		return rc;
	if (o.file == NULL)
		return usage_error("capture: -w FILE is missing");
	rc = tap_open(c, &o, "capture");
	if (rc != 0)
		return rc;
	f = strcmp(o.file, "-") == 0 ? stdout : fopen(o.file, "we");
	if (f == NULL) {
		fprintf(stderr, "weir: %s: %s\n", o.file, strerror(errno));
		return EXIT_REFUSED;
	}
	fprintf(stderr, "capturing on %s; Ctrl-C ends\n", o.port);
	while ((n = read(c->fd, buf, sizeof(buf))) > 0) {
		if (fwrite(buf, 1, (size_t)n, f) != (size_t)n || fflush(f) != 0) {
			fprintf(stderr, "weir: %s: %s\n", o.file, strerror(errno));
			return EXIT_REFUSED;
		}
	}
	return fclose(f) == 0 ? 0 : EXIT_REFUSED;
}

static int trace(struct cli *c, int argc, char **argv)
{
	struct tap_options o;
	char *line = NULL;
	size_t cap = 0;
	FILE *in;
	int rc = tap_options_read(&o, argc, argv);

	if (rc == 0)
		rc = tap_open(c, &o, "trace");
	if (rc != 0)
		return rc;
	in = fdopen(c->fd, "r");
	while (in != NULL && getline(&line, &cap, in) > 0) {
		json_t *r = json_loads(line, 0, NULL);

		if (c->json)
			fputs(line, stdout);
		else if (r != NULL)
			show_trace_line(r);
		fflush(stdout);
		json_decref(r);
	}
	free(line);
	return 0;
}

static int reload(struct cli *c, int argc, char **argv)
{
	bool dry = argc > 0 && strcmp(argv[0], "--dry-run") == 0;
	const char *plan;
	json_t *data;
	int rc;

	if (argc > (dry ? 1 : 0))
		return usage_error("reload: takes --dry-run or nothing");
	data = cli_call(c, "reload", json_pack("{s:b}", "dry-run", dry), &rc);
	if (data == NULL)
		return rc;
	plan = json_string_value(json_object_get(data, "plan"));
	if (c->json)
		json_dumpf(data, stdout, JSON_INDENT(2));
	else
		fputs(plan == NULL || plan[0] == '\0' ? "nothing changes\n" : plan, stdout);
	json_decref(data);
	return 0;
}

static int ping(struct cli *c, int argc, char **argv)
{
	json_t *data;
	int rc;

	(void)argc;
	(void)argv;
	data = cli_call(c, "ping", NULL, &rc);
	if (data == NULL)
		return rc;
	printf("alive\n");
	json_decref(data);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*fn)(struct cli *c, int argc, char **argv);
	} commands[] = {
		{ "show", show },   { "explain", explain }, { "capture", capture },
		{ "trace", trace }, { "reload", reload },   { "ping", ping },
	};
	struct cli c = { .socket_path = "/run/weir/weir.sock", .fd = -1 };
	char *rest[64];
	int n = 0;

	// --json and -s may stand anywhere before a filter, so users need not remember an order.
	for (int i = 1; i < argc && n < 63; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c.json = true;
		else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
			c.socket_path = argv[++i];
		else if (strcmp(argv[i], "--version") == 0)
			return puts("weir " WEIR_VERSION) < 0;
		else if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)
			return fputs(usage, stdout) < 0;
		else
			rest[n++] = argv[i];
	}
	rest[n] = NULL;
	if (getenv("WEIR_SOCKET") != NULL && strcmp(c.socket_path, "/run/weir/weir.sock") == 0)
		c.socket_path = getenv("WEIR_SOCKET");
	for (size_t i = 0; n > 0 && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(rest[0], commands[i].word) == 0)
			return commands[i].fn(&c, n - 1, rest + 1);
	}
	if (n == 0)
		return usage_error(NULL);
	fprintf(stderr, "weir: %s: no such command (weir --help lists them)\n", rest[0]);
	return EXIT_USAGE;
}
