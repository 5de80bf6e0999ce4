// Looking into the switch: show, explain, reload, clear, ping.
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

static const struct {
	const char *what, *part;
	void (*print)(FILE *f, const json_t *data);
} shows[] = {
	{ "ports", "ports", show_ports },
	{ "port", "ports", show_port },
	{ "macs", "macs", show_macs },
	{ "vms", "vms", show_vms },
	{ "vm", "vms", show_one_vm },
	{ "classes", "ports", show_classes },
	{ "drops", "ports", show_drops },
	{ "qos", "qos", show_qos },
	{ "storage", "storage", show_storage },
	{ "portals", "portals", show_portals },
	{ "openflow", "openflow", show_openflow },
	{ "boot", "vms", show_boot },
	{ "system", "system", show_system },
	{ "responder", "system", show_responder },
};

// What storage says of a VM (NULL = of all), beside what is known of it. Who may not see it goes
// without.
static void add_storage(struct cli *c, json_t *data, const char *vm)
{
	json_t *storage = cli_ask(c, "weir-operations:get-state",
				  json_pack("{s:s, s:s*}", "part", "storage", "name", vm));

	(void)json_object_update(data, storage); // an answer that is no object has none
	json_decref(storage);
}

// There is nothing to show of this name. A machine may be there, and use no storage.
static int show_nothing(struct cli *c, const char *what, const char *name, bool vm)
{
	json_t *data = NULL;
	bool known;

	if (strcmp(what, "storage") == 0)
		data = cli_ask(c, "weir-operations:get-state",
			       json_pack("{s:s, s:s}", "part", "vms", "name", name));
	known = data != NULL && !show_is_empty(data);
	json_decref(data);
	if (!known)
		return cli_problem(c, EXIT_REFUSED, "show %s: %s: no such %s", what, name,
				   vm ? "VM" : "port");
	if (c->format != FORMAT_JSON)
		fprintf(c->out, "%s has not booted yet, and uses no storage that is known\n", name);
	return 0;
}

int run_show(struct cli *c, const struct command *cmd)
{
	const char *name = command_arg(cmd, "PORT"), *what = cmd->verb->param;
	bool vm = name == NULL && (name = command_arg(cmd, "VM")) != NULL;
	json_t *args, *data;
	size_t i = 0;
	bool empty;
	int rc;

	while (strcmp(shows[i].what, what) != 0)
		i++; // the table names them all
	args = json_pack("{s:s}", "part", shows[i].part);
	if (name != NULL && json_object_set_new(args, "name", json_string(name)) < 0) {
		json_decref(args);
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	}
	data = cli_call(c, "weir-operations:get-state", args, &rc);
	if (data == NULL)
		return rc;
	empty = name != NULL && show_is_empty(data);
	if (empty)
		rc = show_nothing(c, what, name, vm);
	else if (strcmp(what, "vm") == 0 || strcmp(what, "boot") == 0)
		add_storage(c, data, name);
	if (rc == 0 && c->format == FORMAT_JSON)
		cli_dump(c, data);
	else if (empty)
		;
	else if (vm && strcmp(what, "storage") == 0)
		show_storage_vm(c->out, data);
	else if (vm && strcmp(what, "boot") == 0)
		show_boot_vm(c->out, data);
	else
		shows[i].print(c->out, data);
	json_decref(data);
	return rc;
}

int run_show_sessions(struct cli *c, const struct command *cmd)
{
	json_t *args =
		json_pack("{s:s, s:s}", "datastore", "ietf-datastores:operational", "xpath-filter",
			  "/ietf-netconf-monitoring:netconf-state/"
			  "ietf-netconf-monitoring:sessions");
	json_t *data, *state;
	int rc;

	(void)cmd;
	data = cli_call(c, "ietf-netconf-nmda:get-data", args, &rc);
	if (data == NULL)
		return rc;
	state = json_object_get(json_object_get(data, "ietf-netconf-nmda:data"),
				"ietf-netconf-monitoring:netconf-state");
	if (c->format == FORMAT_JSON)
		cli_dump(c, state == NULL ? data : state);
	else
		show_sessions(c->out,
			      json_object_get(json_object_get(state, "sessions"), "session"));
	json_decref(data);
	return 0;
}

static char *hex_of(const uint8_t *bytes, size_t size)
{
	char *hex = need(malloc(2 * size + 1));

	for (size_t i = 0; i < size; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	return hex;
}

// The words that describe the frame.
static size_t described(const struct command *cmd, const char *src, uint8_t *frame)
{
	char **words = need(calloc(cmd->words.n, sizeof(*words)));
	int n = 0;
	size_t size;

	for (uint32_t i = 0; i < cmd->words.n; i++) {
		if (strcmp(cmd->pattern.token[cmd->label[i]].text, "WORD") == 0)
			words[n++] = cmd->words.word[i].text;
	}
	size = describe_frame(words, n, src, frame);
	free(words);
	return size;
}

int run_explain(struct cli *c, const struct command *cmd)
{
	static uint8_t frame[9728];
	const char *port = command_arg(cmd, "PORT");
	char src[18] = "02:00:00:00:00:01", *hex;
	json_t *data;
	size_t size;
	int rc;

	// A guest's frames come from the guest's own address unless the description says otherwise.
	data = cli_call(c, "weir-operations:get-state",
			json_pack("{s:s, s:s}", "part", "ports", "name", port), &rc);
	if (data == NULL)
		return rc;
	if (!show_is_empty(data) && port_mac(data)[0] != '\0')
		snprintf(src, sizeof(src), "%s", port_mac(data));
	json_decref(data);
	size = described(cmd, src, frame);
	if (size == 0)
		return EXIT_USAGE;
	hex = hex_of(frame, size);
	data = cli_call(c, "weir-operations:explain",
			json_pack("{s:s, s:s}", "port", port, "frame", hex), &rc);
	free(hex);
	if (data == NULL)
		return rc;
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		show_explain(c->out, data);
	json_decref(data);
	return 0;
}

int run_reload(struct cli *c, const struct command *cmd)
{
	const char *plan;
	json_t *data;
	int rc;

	data = cli_call(c, "weir-operations:reload",
			json_pack("{s:b}", "dry-run", command_has(cmd, "--dry-run")), &rc);
	if (data == NULL)
		return rc;
	plan = json_string_value(json_object_get(data, "plan"));
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		fputs(plan == NULL || plan[0] == '\0'
			      ? "nothing changes for ports, VMs and services\n"
			      : plan,
		      c->out);
	json_decref(data);
	return 0;
}

int run_clear(struct cli *c, const struct command *cmd)
{
	const char *port = command_arg(cmd, "PORT");
	json_t *args = json_object();
	int rc;

	if (port != NULL && json_object_set_new(args, "port", json_string(port)) < 0) {
		json_decref(args);
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	}
	rc = cli_do(c, "weir-operations:clear-counters", args);
	if (rc == 0)
		fputs("counters cleared\n", c->out);
	return rc;
}

int run_boot(struct cli *c, const struct command *cmd)
{
	const char *vm = command_arg(cmd, "VM");
	bool begin = command_has(cmd, "begin");
	json_t *args = json_pack("{s:s, s:s}", "vm", vm, "action", begin ? "begin" : "complete");
	int rc;

	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	rc = cli_do(c, "weir-operations:vm-boot", args);
	if (rc == 0)
		fprintf(c->out, "%s %s\n", vm, begin ? "boots" : "has booted");
	return rc;
}

int run_forget(struct cli *c, const struct command *cmd)
{
	const char *address = command_arg(cmd, "ADDRESS"), *port = command_arg(cmd, "NUMBER");
	unsigned long long n;
	json_t *args, *data;
	char *end;
	long number;
	int rc;

	if (address == NULL) {
		args = json_pack("{s:[n]}", "all");
	} else {
		number = strtol(port, &end, 10);
		if (*end != '\0' || number < 1 || number > 65535)
			return cli_problem(c, EXIT_USAGE, "%s: a port is 1..65535", port);
		args = json_pack("{s:s, s:s, s:i}", "address", address, "protocol",
				 command_has(cmd, "tcp") ? "tcp" : "udp", "port", (int)number);
	}
	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "an address that is no UTF-8");
	data = cli_call(c, "weir-operations:portal-forget", args, &rc);
	if (data == NULL)
		return rc;
	n = answer_number(data, "weir-operations:forgotten");
	fprintf(c->out, "%llu portal%s forgotten\n", n, n == 1 ? "" : "s");
	json_decref(data);
	return 0;
}

int run_ping(struct cli *c, const struct command *cmd)
{
	int rc = cli_do(c, "weir-operations:ping", NULL);

	(void)cmd;
	if (rc == 0)
		fputs("alive\n", c->out);
	return rc;
}
