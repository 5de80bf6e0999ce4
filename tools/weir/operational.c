// Looking into the switch: show, explain, reload, clear, ping.
#include <stdlib.h>
#include <string.h>

#include "weir_priv.h"

static const struct {
	const char *what, *part;
	void (*print)(FILE *f, const json_t *data);
} shows[] = {
	{ "ports", "ports", show_ports },    { "port", "ports", show_port },
	{ "macs", "macs", show_macs },	     { "vms", "vms", show_vms },
	{ "vm", "vms", show_vms },	     { "classes", "ports", show_classes },
	{ "drops", "ports", show_drops },    { "qos", "qos", show_qos },
	{ "system", "system", show_system }, { "responder", "system", show_responder },
};

int run_show(struct cli *c, const struct command *cmd)
{
	const char *name = command_arg(cmd, "PORT"), *what = cmd->verb->param;
	bool vm = name == NULL && (name = command_arg(cmd, "VM")) != NULL;
	json_t *args, *data;
	size_t i = 0;
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
	if (name != NULL && show_is_empty(data))
		rc = cli_problem(c, EXIT_REFUSED, "show %s: %s: no such %s", what, name,
				 vm ? "VM" : "port");
	else if (c->format == FORMAT_JSON)
		cli_dump(c, data);
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

int run_ping(struct cli *c, const struct command *cmd)
{
	int rc = cli_do(c, "weir-operations:ping", NULL);

	(void)cmd;
	if (rc == 0)
		fputs("alive\n", c->out);
	return rc;
}
