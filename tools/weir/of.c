// `weir of`: looking into a switch and changing it by OpenFlow 1.3. Each command sends its messages
// and a barrier, and has ended when that is answered: by then every worker acts on what it did.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "of_priv.h"

void of_run_number(struct of_run *r, size_t at, uint32_t line)
{
	uint32_t xid = r->link.xid++;

	of_xid_put(r->out.data + at, xid);
	if (r->lines == NULL)
		r->first_xid = xid;
	if (xid - r->first_xid >= r->n_lines) {
		r->n_lines = 2 * (xid - r->first_xid) + 64;
		r->lines = need(realloc(r->lines, r->n_lines * sizeof(r->lines[0])));
	}
	r->lines[xid - r->first_xid] = line;
}

int of_run_put(struct of_run *r, int rc)
{
	if (rc < 0)
		return cli_problem(r->c, EXIT_FAILED, "%s", strerror(-rc));
	return 0;
}

// --- What comes back

static uint32_t line_of(const struct of_run *r, uint32_t xid)
{
	return r->lines != NULL && xid - r->first_xid < r->n_lines && xid < r->link.xid
		       ? r->lines[xid - r->first_xid]
		       : 0;
}

// The switch refused something: which line, what, and why.
int of_run_error(struct of_run *r, const uint8_t *msg, size_t size)
{
	struct of13_error m;
	struct of_wire_error e;
	struct of_text t = { 0 }, about = { 0 };
	uint32_t line = line_of(r, of_xid(msg));

	r->n_errors++;
	if (of13_error_get(msg, size, &m, &e) < 0)
		return cli_problem(r->c, 0, "the switch refuses, in words that cannot be read");
	if (line > 0)
		of_text_printf(&t, "%s:%u: ", r->file, line);
	of_text_put(&t, "refused: ");
	of_text_error_name(&t, m.type, m.code);
	of_text_printf(&t, "%s%s", of_text_error_words(m.type, m.code)[0] == '\0' ? "" : ": ",
		       of_text_error_words(m.type, m.code));
	if (m.type != OF13_ERROR_EXPERIMENTER && m.data.size >= 8 &&
	    of_size(m.data.at) == m.data.size &&
	    of_text_mod(&about, m.data.at, m.data.size, &r->text_ports) == 0)
		of_text_printf(&t, "\n  %s", about.buf);
	cli_problem(r->c, 0, "%s", t.failed ? "refused" : t.buf);
	of_text_fini(&t);
	of_text_fini(&about);
	return 0;
}

static void remember_ports(struct of_run *r, const uint8_t *msg, size_t size)
{
	struct of13_multipart_reply m;
	struct of_wire_error e;
	struct of13_port p;

	if (of13_multipart_reply_get(msg, size, &m, &e) < 0 || m.type != OF13_MULTIPART_PORT_DESC)
		return;
	if (r->ports == NULL)
		r->ports = need(calloc(OF_PORTS, sizeof(r->ports[0])));
	while (r->n_ports < OF_PORTS && of13_port_next(&m.port_desc.ports, &p)) {
		struct of_port_name *n = &r->ports[r->n_ports++];

		n->port = p.port_no;
		n->config = p.config;
		memcpy(n->mac, p.hw_addr, 6);
		memcpy(n->name, p.name, sizeof(p.name));
	}
}

static void print(struct of_run *r, const uint8_t *msg, size_t size)
{
	bool names = command_has(r->cmd, "--names");
	struct of_text_options o = { .ports = names ? &r->text_ports : NULL,
				     .no_stats = command_has(r->cmd, "--no-stats"),
				     .part = r->in_part };
	struct of_text t = { 0 };

	if (r->json != NULL) {
		of_json_add(r->json, msg, size, o.ports);
		return;
	}
	of_text_message(&t, msg, size, &o);
	if (t.buf != NULL)
		fputs(t.buf, r->c->out);
	if (t.failed)
		cli_problem(r->c, 0, "more than can be printed");
	of_text_fini(&t);
	r->in_part = msg[1] == OF13_TYPE_MULTIPART_REPLY && size >= 12 && (msg[11] & 1) != 0;
}

static int take(void *arg, const uint8_t *msg, size_t size)
{
	struct of_run *r = arg;

	if (msg[1] == OF13_TYPE_BARRIER_REPLY && of_xid(msg) == r->barrier_xid)
		return 1;
	if (msg[1] == OF13_TYPE_ERROR && of_xid(msg) == r->barrier_xid) {
		of_run_error(r, msg, size);
		return -EXIT_REFUSED;
	}
	if (msg[1] == OF13_TYPE_ERROR)
		return of_run_error(r, msg, size);
	if (msg[1] == OF13_TYPE_MULTIPART_REPLY && of_xid(msg) == r->ports_xid)
		remember_ports(r, msg, size);
	else if (r->flows != NULL && msg[1] == OF13_TYPE_MULTIPART_REPLY)
		of_flows_take(r->flows, msg, size);
	else
		print(r, msg, size);
	return 0;
}

int of_run_all(struct of_run *r)
{
	struct of13_barrier_request barrier = { 0 };
	size_t at = r->out.size;
	int rc = of_run_put(r, of13_barrier_request_put(&r->out, &barrier));

	if (rc != 0)
		return rc;
	r->barrier_xid = r->link.xid;
	of_run_number(r, at, 0);
	rc = of_link_pump(r->c, &r->link, of_buf_list(&r->out), take, r);
	r->out.size = 0;
	return rc != 0 ? rc : r->n_errors > 0 ? EXIT_REFUSED : 0;
}

// --- Names of ports, asked for when the first one is met

int of_run_need_ports(struct of_run *r)
{
	struct of13_multipart_request m = { .type = OF13_MULTIPART_PORT_DESC };
	struct of_buf kept = r->out;
	int rc;

	if (r->has_ports)
		return 0;
	r->has_ports = true;
	r->out = (struct of_buf){ .max = OF_SEND_MAX };
	rc = of_run_put(r, of13_multipart_request_put(&r->out, &m));
	if (rc == 0) {
		r->ports_xid = r->link.xid;
		of_run_number(r, 0, 0);
		rc = of_run_all(r);
	}
	of_buf_fini(&r->out);
	r->out = kept;
	return rc;
}

// A name of this length may be the beginning of a longer one.
enum { PORT_NAME_TOLD = sizeof(((struct of13_port *)0)->name) - 1 };

static int port_number(void *arg, const char *name, size_t size, uint32_t *port)
{
	size_t told = size > PORT_NAME_TOLD ? PORT_NAME_TOLD : size;
	struct of_run *r = arg;
	uint32_t n = 0;

	if (of_run_need_ports(r) != 0)
		return -ENOENT;
	for (uint32_t i = 0; i < r->n_ports; i++) {
		if (strlen(r->ports[i].name) != told || memcmp(r->ports[i].name, name, told) != 0)
			continue;
		*port = r->ports[i].port;
		n++;
	}
	if (n == 0)
		return -ENOENT;
	return told < size ? -ENAMETOOLONG : n > 1 ? -ENOTUNIQ : 0;
}

// NULL = none, or not its alone.
static const char *port_name(void *arg, uint32_t port)
{
	const struct of_run *r = arg;
	const char *name = NULL;

	for (uint32_t i = 0; i < r->n_ports && name == NULL; i++)
		name = r->ports[i].port == port ? r->ports[i].name : NULL;
	for (uint32_t i = 0; i < r->n_ports && name != NULL; i++) {
		if (r->ports[i].port != port && strcmp(r->ports[i].name, name) == 0)
			return NULL;
	}
	return name;
}

// --- Commands that ask

static int ask(struct of_run *r, const struct of13_multipart_request *m)
{
	size_t at = r->out.size;
	int rc = of_run_put(r, of13_multipart_request_put(&r->out, m));

	if (rc == 0)
		of_run_number(r, at, 0);
	return rc;
}

static int run_plain(struct of_run *r, uint16_t type)
{
	struct of13_multipart_request m = { .type = type };
	int rc = ask(r, &m);

	return rc != 0 ? rc : of_run_all(r);
}

// A port named on the command line. returns 0, or an exit code with the reason printed
static int port_of(struct of_run *r, const char *name, uint32_t *port)
{
	int rc = of_text_port_number(name, &r->text_ports, port);

	return rc == 0 ? 0 : cli_problem(r->c, EXIT_USAGE, "%s: %s", name, of_text_port_error(rc));
}

static int run_ports(struct of_run *r)
{
	const char *name = command_arg(r->cmd, "OFPORT"), *queue = command_arg(r->cmd, "NUMBER");
	bool queues = strcmp(r->cmd->verb->param, "queue-stats") == 0;
	struct of13_multipart_request m = { .type = queues ? OF13_MULTIPART_QUEUE
							   : OF13_MULTIPART_PORT_STATS };
	uint32_t port = OF13_PORT_ANY;
	int rc = name == NULL ? 0 : port_of(r, name, &port);

	if (queues) {
		m.queue.port_no = port;
		m.queue.queue_id =
			queue == NULL ? OF13_QUEUE_ALL : (uint32_t)strtoul(queue, NULL, 10);
	} else {
		m.port_stats.port_no = port;
	}
	rc = rc != 0 ? rc : ask(r, &m);
	return rc != 0 ? rc : of_run_all(r);
}

// 7, or key=7; all where it says so, or nothing
static uint32_t number_or(const struct of_run *r, const char *argument, uint32_t all)
{
	const char *text = command_arg(r->cmd, argument);
	const char *value = text == NULL ? NULL : strchr(text, '=');

	value = value == NULL ? text : value + 1;
	return value == NULL || strcmp(value, "all") == 0 ? all
							  : (uint32_t)strtoul(value, NULL, 10);
}

static int run_groups(struct of_run *r)
{
	const char *param = r->cmd->verb->param;
	struct of13_multipart_request m = { 0 };
	int rc;

	if (strcmp(param, "dump-group-stats") == 0) {
		m.type = OF13_MULTIPART_GROUP;
		m.group.group_id = number_or(r, "GROUP", OF13_GROUP_ALL);
	} else if (strcmp(param, "dump-meters") == 0) {
		m.type = OF13_MULTIPART_METER_CONFIG;
		m.meter_config.meter_id = number_or(r, "METER", OF13_METER_ALL);
	} else {
		m.type = OF13_MULTIPART_METER;
		m.meter.meter_id = number_or(r, "METER", OF13_METER_ALL);
	}
	rc = ask(r, &m);
	return rc != 0 ? rc : of_run_all(r);
}

static int run_show_switch(struct of_run *r)
{
	struct of13_features_request features = { 0 };
	struct of13_get_config_request config = { 0 };
	struct of13_multipart_request ports = { .type = OF13_MULTIPART_PORT_DESC };
	size_t at = r->out.size;
	int rc = of_run_put(r, of13_features_request_put(&r->out, &features));

	if (rc == 0)
		of_run_number(r, at, 0);
	rc = rc != 0 ? rc : ask(r, &ports);
	at = r->out.size;
	rc = rc != 0 ? rc : of_run_put(r, of13_get_config_request_put(&r->out, &config));
	if (rc != 0)
		return rc;
	of_run_number(r, at, 0);
	return of_run_all(r);
}

// --- Commands that change something

int of_run_refused(struct of_run *r, const struct of_text_error *e, uint32_t line)
{
	if (e->text[0] == '\0')
		return EXIT_UNREACHABLE; // a name of a port could not be asked for
	if (line > 0)
		cli_problem(r->c, 0, "%s:%u: column %zu: %s", r->file, line, e->at + 1, e->text);
	else
		cli_problem(r->c, 0, "%s", e->text);
	if (line == 0)
		cli_usage(r->c, r->cmd->verb);
	return EXIT_USAGE;
}

// What is typed, as the text of a flow, group or meter. The caller frees it.
static char *typed(const struct of_run *r)
{
	const char *group = command_arg(r->cmd, "GROUP"), *meter = command_arg(r->cmd, "METER");
	const char *number = group != NULL ? group : meter;
	struct text t = { 0 };

	if (number == NULL)
		return command_join(r->cmd, "FLOW");
	if (strchr(number, '=') == NULL)
		text_put(&t, group != NULL ? "group_id=" : "meter=");
	text_put(&t, number);
	return text_take(&t);
}

static int of_run_text(struct of_run *r)
{
	static const struct {
		const char *param;
		enum of_text_command command;
	} commands[] = {
		{ "add-flow", OF_TEXT_ADD },	  { "mod-flows", OF_TEXT_MODIFY },
		{ "del-flows", OF_TEXT_DELETE },  { "add-group", OF_TEXT_ADD },
		{ "mod-group", OF_TEXT_MODIFY },  { "del-groups", OF_TEXT_DELETE },
		{ "add-meter", OF_TEXT_ADD },	  { "mod-meter", OF_TEXT_MODIFY },
		{ "del-meters", OF_TEXT_DELETE },
	};
	const char *param = r->cmd->verb->param;
	char *text = typed(r);
	const struct of_text_ports *ports = &r->text_ports;
	enum of_text_command command = OF_TEXT_ADD;
	struct of_text_error e = { 0 };
	int rc;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(param, commands[i].param) == 0)
			command = commands[i].command;
	}
	if (command_has(r->cmd, "--strict"))
		command++;
	if (strcmp(param, "dump-flows") == 0 || strcmp(param, "dump-aggregate") == 0)
		rc = of_text_flow_request(text, param[5] == 'a', ports, &r->out, &e);
	else if (strcmp(param, "packet-out") == 0)
		rc = of_text_packet_out(text, ports, &r->out, &e);
	else if (strstr(param, "group") != NULL)
		rc = of_text_group_mod(text, command, ports, &r->out, &e);
	else if (strstr(param, "meter") != NULL)
		rc = of_text_meter_mod(text, command, &r->out, &e);
	else
		rc = of_text_flow_mod(text, command, ports, &r->out, &e);
	rc = rc == -EINVAL ? of_run_refused(r, &e, 0) : of_run_put(r, rc);
	free(text);
	if (rc != 0)
		return rc;
	of_run_number(r, 0, 0);
	return of_run_all(r);
}

static const struct {
	const char *word;
	uint32_t config, mask;
} port_changes[] = {
	{ "up", 0, OF13_PORT_CONFIG_PORT_DOWN },
	{ "down", OF13_PORT_CONFIG_PORT_DOWN, OF13_PORT_CONFIG_PORT_DOWN },
	{ "receive", 0, OF13_PORT_CONFIG_NO_RECV },
	{ "no-receive", OF13_PORT_CONFIG_NO_RECV, OF13_PORT_CONFIG_NO_RECV },
	{ "forward", 0, OF13_PORT_CONFIG_NO_FWD },
	{ "no-forward", OF13_PORT_CONFIG_NO_FWD, OF13_PORT_CONFIG_NO_FWD },
	{ "packet-in", 0, OF13_PORT_CONFIG_NO_PACKET_IN },
	{ "no-packet-in", OF13_PORT_CONFIG_NO_PACKET_IN, OF13_PORT_CONFIG_NO_PACKET_IN },
};

static int run_mod_port(struct of_run *r)
{
	const char *name = command_arg(r->cmd, "OFPORT");
	struct of13_port_mod m = { 0 };
	const struct of_port_name *found = NULL;
	int rc = of_run_need_ports(r);

	rc = rc != 0 ? rc : port_of(r, name, &m.port_no);
	for (uint32_t i = 0; i < r->n_ports; i++) {
		if (r->ports[i].port == m.port_no)
			found = &r->ports[i];
	}
	if (rc == 0 && found == NULL)
		return cli_problem(r->c, EXIT_REFUSED, "%s: the switch has no such port", name);
	if (rc != 0)
		return rc;
	memcpy(m.hw_addr, found->mac, 6);
	for (size_t i = 0; i < sizeof(port_changes) / sizeof(port_changes[0]); i++) {
		if (command_has(r->cmd, port_changes[i].word)) {
			m.config = port_changes[i].config;
			m.mask = port_changes[i].mask;
		}
	}
	rc = of_run_put(r, of13_port_mod_put(&r->out, &m));
	if (rc != 0)
		return rc;
	of_run_number(r, 0, 0);
	return of_run_all(r);
}

// --- Listening, probing

static int take_any(void *arg, const uint8_t *msg, size_t size)
{
	struct of_run *r = arg;

	print(r, msg, size);
	fflush(r->c->out);
	fflush(stdout);
	return 0;
}

static int run_monitor(struct of_run *r)
{
	const char *number = command_arg(r->cmd, "NUMBER");
	struct of13_set_config config = {
		.miss_send_len = number == NULL ? 128 : (uint16_t)strtoul(number, NULL, 10)
	};
	// A service connection hears of nothing until it asks for it.
	struct of13_set_async async = { .packet_in_mask = { 7, 7 },
					.port_status_mask = { 7, 7 },
					.flow_removed_mask = { 15, 15 } };
	size_t at;
	int rc = of_run_put(r, of13_set_config_put(&r->out, &config));

	if (rc != 0)
		return rc;
	of_run_number(r, 0, 0);
	at = r->out.size;
	rc = of_run_put(r, of13_set_async_put(&r->out, &async));
	if (rc != 0)
		return rc;
	of_run_number(r, at, 0);
	rc = of_run_all(r);
	r->link.silence_ms = 0;
	return rc != 0 ? rc : of_link_pump(r->c, &r->link, (struct of_list){ 0 }, take_any, r);
}

static int take_echo(void *arg, const uint8_t *msg, size_t size)
{
	const struct of_run *r = arg;

	(void)size;
	return msg[1] == OF13_TYPE_ECHO_REPLY && of_xid(msg) == r->barrier_xid ? 1 : 0;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int run_echo(struct of_run *r)
{
	const bool probe = strcmp(r->cmd->verb->param, "probe") == 0;
	const char *number = command_arg(r->cmd, "NUMBER");
	uint8_t payload[64] = { 0 };
	struct of13_echo_request m = { .data = { payload, probe ? 0 : sizeof(payload) } };
	unsigned long n = probe ? 1 : number == NULL ? 10 : strtoul(number, NULL, 10);
	int rc = 0;

	for (unsigned long i = 0; rc == 0 && i < n; i++) {
		double begin = now_ms();

		r->out.size = 0;
		rc = of_run_put(r, of13_echo_request_put(&r->out, &m));
		if (rc != 0)
			break;
		r->barrier_xid = r->link.xid;
		of_run_number(r, 0, 0);
		rc = of_link_pump(r->c, &r->link, of_buf_list(&r->out), take_echo, r);
		if (rc == 0 && !probe)
			fprintf(r->c->out, "64 bytes from %s: xid=%08x time=%.1f ms\n",
				r->link.target, r->barrier_xid, now_ms() - begin);
	}
	return rc;
}

// --- Which command it is

static int run_show_named(struct of_run *r)
{
	static const struct {
		const char *param;
		uint16_t type;
	} plain[] = {
		{ "dump-desc", OF13_MULTIPART_DESC },
		{ "dump-tables", OF13_MULTIPART_TABLE },
		{ "dump-table-features", OF13_MULTIPART_TABLE_FEATURES },
		{ "dump-ports-desc", OF13_MULTIPART_PORT_DESC },
		{ "dump-groups", OF13_MULTIPART_GROUP_DESC },
		{ "dump-group-features", OF13_MULTIPART_GROUP_FEATURES },
		{ "meter-features", OF13_MULTIPART_METER_FEATURES },
	};
	static const struct {
		const char *param;
		int (*run)(struct of_run *r);
	} others[] = {
		{ "show", run_show_switch },   { "dump-ports", run_ports },
		{ "queue-stats", run_ports },  { "dump-group-stats", run_groups },
		{ "dump-meters", run_groups }, { "meter-stats", run_groups },
		{ "mod-port", run_mod_port },  { "monitor", run_monitor },
		{ "probe", run_echo },	       { "ping", run_echo },
	};
	const char *param = r->cmd->verb->param;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(param, plain[i].param) == 0)
			return run_plain(r, plain[i].type);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(param, others[i].param) == 0)
			return others[i].run(r);
	}
	if (strcmp(param, "add-flows") == 0)
		return of_run_file(r, command_arg(r->cmd, "FILE"), OF_TEXT_ADD);
	if (strcmp(param, "replace-flows") == 0 || strcmp(param, "diff-flows") == 0)
		return of_run_replace(r, command_arg(r->cmd, "FILE"), param[0] == 'r');
	if (strcmp(param, "bundle") == 0)
		return of_run_bundle(r, command_arg(r->cmd, "FILE"), OF_TEXT_ADD);
	return of_run_text(r);
}

static int check_version(struct cli *c, const struct command *cmd)
{
	const char *version = command_arg(cmd, "VERSION");

	if (version == NULL || strcasecmp(version, "OpenFlow13") == 0)
		return 0;
	return cli_problem(c, EXIT_USAGE, "%s: OpenFlow13 is what is spoken", version);
}

int run_of(struct cli *c, const struct command *cmd)
{
	struct of_run r = { .c = c,
			    .cmd = cmd,
			    .link.fd = -1,
			    .out.max = OF_SEND_MAX,
			    .text_ports = { .number = port_number, .name = port_name } };
	bool here = strncmp(cmd->verb->param, "parse-", 6) == 0;
	int rc = check_version(c, cmd);

	r.text_ports.arg = &r;
	if (rc == 0 && here) {
		r.text_ports.number = NULL;
		rc = of_run_parse(&r, command_arg(cmd, "FILE"));
	} else if (rc == 0) {
		rc = of_link_open(c, command_arg(cmd, "TARGET"), &r.link);
		if (rc == 0 && command_has(cmd, "--names"))
			rc = of_run_need_ports(&r);
		if (c->format == FORMAT_JSON && (cmd->verb->flags & V_TABLE) != 0)
			r.json = need(json_object());
		rc = rc != 0 ? rc : run_show_named(&r);
		if (rc == 0 && r.json != NULL)
			cli_dump(c, r.json);
	}
	json_decref(r.json);
	of_link_close(&r.link);
	of_buf_fini(&r.out);
	free(r.ports);
	free(r.lines);
	return rc;
}
