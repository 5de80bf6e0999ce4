// What becomes of a machine, told by hand or by a script: prepare, release, event.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "table.h"
#include "weir_priv.h"

enum { ASK_AGAIN_MS = 200 };

// The machine as a file defines it. returns 0, or an exit code with the reason printed
static int definition_read(struct cli *c, const char *path, json_t *args)
{
	const bool standard = strcmp(path, "-") == 0;
	int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), rc;
	json_t *json = NULL;
	json_error_t e;
	char *text = NULL;

	if (fd < 0)
		return cli_problem(c, EXIT_FAILED, "%s: %s", path, strerror(errno));
	rc = cli_read_all(c, path, fd, &text);
	if (!standard)
		close(fd);
	// The daemon would tell where in its own message the fault is.
	if (rc == 0 && (json = json_loads(text, JSON_REJECT_DUPLICATES, &e)) == NULL)
		rc = cli_problem(c, EXIT_FAILED, "%s:%d: %s", path, e.line, e.text);
	json_decref(json);
	if (rc == 0 && json_object_set_new(args, "definition", json_string(text)) < 0)
		rc = cli_problem(c, EXIT_FAILED, "%s: is no UTF-8", path);
	free(text);
	return rc;
}

static void ports_print(struct cli *c, const char *vm, const json_t *data)
{
	static const char *const names[] = { "PORT", "MAC", "QUEUES", "MTU", "SOCKET" };
	const json_t *p;
	struct table t;
	size_t i;

	fprintf(c->out, "%s is ready\n", vm);
	table_begin(&t, 5, names);
	json_array_foreach(answer_get(data, "weir-operations:port"), i, p)
	{
		table_cell(&t, "%s", answer_text(p, "name"));
		table_cell(&t, "%s", answer_text(p, "mac"));
		table_cell(&t, "%llu", answer_number(p, "queues"));
		table_cell(&t, "%llu", answer_number(p, "mtu"));
		table_cell(&t, "%s", answer_text(p, "socket"));
	}
	table_print(c->out, &t);
}

int run_vm_prepare(struct cli *c, const struct command *cmd)
{
	const char *vm = command_arg(cmd, "VM"), *path = command_arg(cmd, "FILE");
	const struct timespec pause = { .tv_nsec = ASK_AGAIN_MS * 1000000l };
	json_t *args = json_pack("{s:s}", "vm", vm), *data;
	bool ready = false;
	int rc = 0;

	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	if (path != NULL)
		rc = definition_read(c, path, args);
	if (rc == 0 && command_has(cmd, "--incoming"))
		json_object_set_new(args, "incoming", json_true());
	while (rc == 0 && !ready) {
		data = cli_call(c, "weir-operations:vm-prepare", json_incref(args), &rc);
		if (data == NULL)
			break;
		ready = strcmp(answer_text(data, "weir-operations:state"), "ready") == 0;
		if (ready && c->format == FORMAT_JSON)
			cli_dump(c, data);
		else if (ready)
			ports_print(c, vm, data);
		else if (cli_interrupted)
			rc = cli_problem(c, EXIT_FAILED, "interrupted: its provider is at work");
		else
			nanosleep(&pause, NULL);
		json_decref(data);
	}
	json_decref(args);
	return rc;
}

int run_vm_release(struct cli *c, const struct command *cmd)
{
	const char *vm = command_arg(cmd, "VM");
	json_t *args = json_pack("{s:s}", "vm", vm);
	int rc;

	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	rc = cli_do(c, "weir-operations:vm-release", args);
	if (rc == 0)
		fprintf(c->out, "%s is released\n", vm);
	return rc;
}

int run_vm_event(struct cli *c, const struct command *cmd)
{
	const char *vm = command_arg(cmd, "VM"), *event = command_arg(cmd, "EVENT");
	const struct verb_event *e = verb_events;
	json_t *args;
	int rc;

	while (e->name != NULL && strcmp(e->name, event) != 0)
		e++;
	if (e->name == NULL)
		return cli_problem(c, EXIT_USAGE,
				   "%s: no such event; \"weir vm %s event ?\" lists them", event,
				   vm);
	args = json_pack("{s:s, s:s}", "vm", vm, "event", event);
	if (args == NULL)
		return cli_problem(c, EXIT_USAGE, "a name that is no UTF-8");
	rc = cli_do(c, "weir-operations:vm-event", args);
	if (rc == 0)
		fprintf(c->out, "%s: %s is told\n", vm, event);
	return rc;
}
