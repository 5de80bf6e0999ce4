// Virtual machines: weir vm start, stop, reset, console, log, list, qemu-args, libvirt-xml.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "table.h"
#include "vm_priv.h"

enum {
	PREPARE_MS = 180000, // a provider may copy a disk
	READY_MS = 20000,    // QEMU starts, and the switch connects
	POWERDOWN_MS = 30000,
	QUIT_MS = 5000,
	ANSWER_MS = 5000,
	KILL_MS = 5000,
	LOCK_MS = 3000,
	ARGS = 512,
};

#define OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

static const char vars_option[] = "if=pflash,format=raw,unit=1,file=";

static json_t *of_vm(const char *vm)
{
	return json_pack("{s:s}", "vm", vm);
}

static int event_tell(struct cli *c, const char *vm, const char *event)
{
	return cli_do(c, "weir-operations:vm-event",
		      json_pack("{s:s, s:s}", "vm", vm, "event", event));
}

// --- What it is started with

static json_t *ask(struct cli *c, const char *vm, const char *form, bool kvm, int *rc)
{
	return cli_call(c, "weir-operations:vm-arguments",
			json_pack("{s:s, s:s, s:b}", "vm", vm, "form", form, "accelerated", kvm),
			rc);
}

static bool wants_kvm(const json_t *data)
{
	const char *xml = json_string_value(json_object_get(data, "weir-operations:domain"));
	const json_t *a;
	size_t i;

	json_array_foreach(json_object_get(data, "weir-operations:argument"), i, a)
	{
		if (json_is_string(a) && strcmp(json_string_value(a), "kvm") == 0)
			return true;
	}
	return xml != NULL && strncmp(xml, "<domain type='kvm'", 18) == 0;
}

// With KVM, if it is wanted and works. returns the answer (json_decref), or NULL with *rc
static json_t *arguments(struct cli *c, const char *vm, const char *form, int *rc)
{
	json_t *data = ask(c, vm, form, true, rc);
	const char *why = data != NULL && wants_kvm(data) ? kvm_missing() : NULL;

	if (why == NULL)
		return data;
	json_decref(data);
	cli_note(c, "%s: without KVM, which is slow: %s", vm, why);
	return ask(c, vm, form, false, rc);
}

// Where the firmware's variables are to be, if the argument says it. returns false when it does not
static bool vars_path(const char *arg, char path[512])
{
	size_t n = 0;

	if (arg == NULL || strncmp(arg, vars_option, strlen(vars_option)) != 0)
		return false;
	for (const char *s = arg + strlen(vars_option); *s != '\0' && n < 511; s++) {
		s += *s == ',' && s[1] == ','; // a comma is two
		path[n++] = *s;
	}
	path[n] = '\0';
	return true;
}

// A word of a shell's command line. source: POSIX.1-2017, shell command language, 2.2.2
static void put_quoted(FILE *f, const char *s)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.,-+=:/@%";

	if (s[0] != '\0' && strspn(s, plain) == strlen(s)) {
		fputs(s, f);
		return;
	}
	fputc('\'', f);
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			fputs("'\\''", f);
		else
			fputc(*s, f);
	}
	fputc('\'', f);
}

static void put_weir(struct cli *c, const struct machine *m, const char *verb)
{
	fputs("weir -s ", c->out);
	put_quoted(c->out, c->socket_path);
	fprintf(c->out, " vm %s %s\n", m->name, verb);
}

// As lines for a shell. What `weir vm start` does itself comes first, and what `weir vm stop` does
// last.
static void put_commands(struct cli *c, const struct machine *m, const json_t *list)
{
	FILE *f = c->out;
	const json_t *a;
	char path[512];
	size_t i;

	put_weir(c, m, "prepare"); // its provider makes its disk
	fputs("mkdir -p ", f);
	put_quoted(f, m->dir);
	json_array_foreach((json_t *)(uintptr_t)list, i, a)
	{
		if (!vars_path(json_string_value(a), path))
			continue;
		fputs("\n[ -e ", f);
		put_quoted(f, path);
		fputs(" ] || install -D -m 640 " OVMF_VARS " ", f);
		put_quoted(f, path);
	}
	json_array_foreach((json_t *)(uintptr_t)list, i, a)
	{
		const char *s = json_string_value(a);

		fputs(i == 0 ? "\n" : s != NULL && s[0] == '-' ? " \\\n  " : " ", f);
		put_quoted(f, s == NULL ? "" : s);
	}
	fputc('\n', f);
	put_weir(c, m, "release");
}

int run_vm_arguments(struct cli *c, const struct command *cmd)
{
	const char *vm = command_arg(cmd, "VM");
	struct machine m;
	json_t *data;
	int rc = machine_name(c, vm, &m);

	data = rc == 0 ? arguments(c, vm, "qemu", &rc) : NULL;
	if (data == NULL)
		return rc;
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		put_commands(c, &m, json_object_get(data, "weir-operations:argument"));
	json_decref(data);
	return 0;
}

int run_vm_xml(struct cli *c, const struct command *cmd)
{
	const char *xml;
	int rc;
	json_t *data = arguments(c, command_arg(cmd, "VM"), "libvirt", &rc);

	if (data == NULL)
		return rc;
	xml = json_string_value(json_object_get(data, "weir-operations:domain"));
	if (c->format == FORMAT_JSON)
		cli_dump(c, data);
	else
		fputs(xml == NULL ? "" : xml, c->out);
	json_decref(data);
	return 0;
}

// --- Starting

static int prepare(struct cli *c, const char *vm)
{
	uint32_t waited = 0;
	int rc = 0;

	for (;;) {
		json_t *data;
		const char *state;
		bool ready;

		data = cli_call(c, "weir-operations:vm-prepare", of_vm(vm), &rc);
		if (data == NULL)
			return rc;
		state = json_string_value(json_object_get(data, "weir-operations:state"));
		ready = state == NULL || strcmp(state, "preparing") != 0;
		json_decref(data);
		if (ready)
			return 0;
		if (cli_interrupted || waited >= PREPARE_MS)
			return cli_problem(c, EXIT_FAILED, "%s: %s", vm,
					   cli_interrupted ? "interrupted"
							   : "is being prepared for too long");
		sleep_ms(200);
		waited += 200;
	}
}

// The firmware's variables: one copy per machine, made once.
static int vars_copy(struct cli *c, const char *to)
{
	char buf[65536], parent[512];
	int in, out;
	ssize_t n = 1;

	snprintf(parent, sizeof(parent), "%s", to);
	*strrchr(parent, '/') = '\0';
	if (mkdir(parent, 0750) < 0 && errno != EEXIST)
		return cli_problem(c, EXIT_FAILED, "%s: %s", parent, strerror(errno));
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (out < 0)
		return errno == EEXIST ? 0
				       : cli_problem(c, EXIT_FAILED, "%s: %s", to, strerror(errno));
	in = open(OVMF_VARS, O_RDONLY | O_CLOEXEC);
	while (in >= 0 && (n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, (size_t)n) != n)
			break;
	}
	if (in < 0 || n != 0) {
		cli_problem(c, EXIT_FAILED, "%s: %s", in < 0 ? OVMF_VARS " (package ovmf)" : to,
			    strerror(errno));
		unlink(to);
	}
	if (in >= 0)
		close(in);
	close(out);
	return in < 0 || n != 0 ? EXIT_FAILED : 0;
}

// QEMU would take a socket away from who listens there.
static int sockets_free(struct cli *c, const struct machine *m)
{
	for (size_t i = 0; m->argv[i] != NULL; i++) {
		const char *s = strstr(m->argv[i], ",path=");
		char path[128];
		size_t n = 0;

		if (strncmp(m->argv[i], "socket,", 7) != 0 || s == NULL)
			continue;
		for (s += 6; *s != '\0' && n < sizeof(path) - 1; s++) {
			if (*s == ',' && *++s != ',')
				break;
			path[n++] = *s;
		}
		path[n] = '\0';
		if (is_listened_on(path))
			return cli_problem(c, EXIT_REFUSED,
					   "%s: another process listens on %s: does the machine "
					   "run elsewhere?",
					   m->name, path);
	}
	return 0;
}

static int files_make(struct cli *c, const struct machine *m)
{
	char path[512], old[128], parent[96];
	int rc;

	snprintf(parent, sizeof(parent), "%s", m->dir);
	*strrchr(parent, '/') = '\0';
	if ((mkdir(parent, 0751) < 0 && errno != EEXIST) ||
	    (mkdir(m->dir, 0750) < 0 && errno != EEXIST))
		return cli_problem(c, EXIT_FAILED, "%s: %s", m->dir, strerror(errno));
	for (size_t i = 0; m->argv != NULL && m->argv[i] != NULL; i++) {
		rc = vars_path(m->argv[i], path) ? vars_copy(c, path) : 0;
		if (rc != 0)
			return rc;
	}
	// The log of the run before is kept, and no older one.
	if (m->argv != NULL)
		(void)rename(machine_path(m, "log", path), machine_path(m, "log.1", old));
	return 0;
}

// QEMU answers, or has ended. returns an exit code
static int ready_wait(struct cli *c, struct machine *m)
{
	for (uint32_t waited = 0; waited < READY_MS && !cli_interrupted; waited += 20) {
		int fd = monitor_open(m, ANSWER_MS);

		if (fd >= 0) {
			close(fd);
			return machine_runs(m) ? 0 : EXIT_REFUSED;
		}
		// Its number is written down a moment after it was started.
		if (waited > 200 && !machine_runs(m)) {
			cli_problem(c, 0, "%s: QEMU has ended at once", m->name);
			machine_log_tail(c, m);
			return EXIT_REFUSED;
		}
		sleep_ms(20);
	}
	return cli_problem(c, EXIT_FAILED,
			   "%s: QEMU runs, but waits: has the switch not connected to its ports?",
			   m->name);
}

static int launch(struct cli *c, struct machine *m)
{
	int rc = files_make(c, m);

	if (rc == 0)
		rc = machine_launch(c, m);
	if (rc == 0)
		rc = ready_wait(c, m);
	return rc;
}

// The answer's arguments as an array, which points into it; free() it.
static const char **argv_of(const json_t *data)
{
	const json_t *list = json_object_get(data, "weir-operations:argument");
	const char **argv = need(calloc(json_array_size(list) + 1, sizeof(*argv)));
	size_t n = 0, i;
	const json_t *a;

	json_array_foreach((json_t *)(uintptr_t)list, i, a)
	{
		if (json_is_string(a) && n < ARGS)
			argv[n++] = json_string_value(a);
	}
	return argv;
}

static int start(struct cli *c, struct machine *m)
{
	const char **argv;
	json_t *data;
	bool ours = true;
	int rc;

	if (machine_runs(m))
		return cli_problem(c, EXIT_REFUSED, "%s runs already (process %d)", m->name,
				   (int)m->pid);
	rc = prepare(c, m->name);
	if (rc != 0)
		return rc;
	data = arguments(c, m->name, "qemu", &rc);
	if (data == NULL) {
		(void)cli_do(c, "weir-operations:vm-release", of_vm(m->name));
		return rc;
	}
	argv = argv_of(data);
	m->argv = argv;
	if (argv[0] == NULL) {
		rc = cli_problem(c, EXIT_FAILED, "%s: the switch knows no arguments", m->name);
	} else if ((rc = sockets_free(c, m)) != 0) {
		ours = false; // who runs it goes on needing what it has
	} else {
		rc = launch(c, m);
	}
	m->argv = NULL;
	free(argv);
	json_decref(data);
	if (rc == 0)
		return event_tell(c, m->name, "started");
	if (ours && !machine_runs(m) && machine_ended(c, m->name) == 0)
		machine_forget(m);
	return rc;
}

// Two at once must not both find it stopped. returns a descriptor, or negative with the reason
// printed
static int locked(struct cli *c, const struct machine *m)
{
	int lock = machine_lock(m, LOCK_MS);

	if (lock == -EAGAIN)
		cli_problem(c, 0, "%s is being started or stopped", m->name);
	else if (lock < 0)
		cli_problem(c, 0, "%s/lock: %s", m->dir, strerror(-lock));
	return lock;
}

int run_vm_start(struct cli *c, const struct command *cmd)
{
	struct machine m;
	int lock, rc = machine_name(c, command_arg(cmd, "VM"), &m);

	if (rc == 0)
		rc = files_make(c, &m);
	if (rc != 0)
		return rc;
	lock = locked(c, &m);
	if (lock < 0)
		return lock == -EAGAIN ? EXIT_REFUSED : EXIT_FAILED;
	rc = start(c, &m);
	close(lock);
	if (rc != 0)
		return rc;
	fprintf(c->out, "%s runs (process %d)\n", m.name, (int)m.pid);
	fflush(c->out);
	while (command_has(cmd, "--wait") && !cli_interrupted && !machine_gone(&m, 1000))
		;
	return 0;
}

// --- Stopping

// returns 0 when QEMU has ended
static int stop(struct cli *c, struct machine *m, bool force)
{
	int fd = monitor_open(m, ANSWER_MS);

	if (fd < 0)
		cli_note(c, "%s: its monitor: %s", m->name, strerror(-fd));
	if (fd >= 0 && !force && monitor_do(fd, "system_powerdown", ANSWER_MS) == 0 &&
	    !machine_gone(m, POWERDOWN_MS) && !cli_interrupted)
		cli_note(c, "%s does not power off; it is ended", m->name);
	if (cli_interrupted && machine_runs(m)) {
		if (fd >= 0)
			close(fd);
		return cli_problem(c, EXIT_FAILED, "interrupted; %s runs on", m->name);
	}
	if (fd >= 0 && machine_runs(m) && monitor_do(fd, "quit", ANSWER_MS) == 0)
		(void)machine_gone(m, QUIT_MS);
	if (fd >= 0)
		close(fd);
	if (machine_runs(m))
		machine_kill(m);
	if (!machine_gone(m, KILL_MS))
		return cli_problem(c, EXIT_FAILED, "%s: process %d does not end", m->name,
				   (int)m->pid);
	return 0;
}

// Something that weir has not started: is it nobody's? returns 0 when there is nothing to stop
static int foreign(struct cli *c, const struct machine *m)
{
	json_t *data;
	const json_t *vm;
	const char *state;
	int rc;

	data = cli_call(c, "weir-operations:get-state",
			json_pack("{s:s, s:s}", "part", "vms", "name", m->name), &rc);
	if (data == NULL)
		return rc;
	vm = json_array_get(json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm"), 0);
	state = json_string_value(json_object_get(vm, "state"));
	if (vm == NULL)
		rc = cli_problem(c, EXIT_REFUSED, "%s: there is no VM of that name", m->name);
	else if (state != NULL && strcmp(state, "defined") != 0 && strcmp(state, "stopped") != 0 &&
		 strcmp(state, "prepared") != 0)
		rc = cli_problem(c, EXIT_REFUSED,
				 "%s is %s, but was not started by weir: stop it "
				 "where it was started",
				 m->name, state);
	json_decref(data);
	return rc;
}

static int stop_locked(struct cli *c, struct machine *m, bool force)
{
	bool ran = machine_runs(m);
	int rc = 0;

	if (ran)
		rc = stop(c, m, force);
	else if (!machine_known(m))
		rc = foreign(c, m);
	if (rc == 0)
		rc = machine_ended(c, m->name);
	if (rc != 0)
		return rc;
	machine_forget(m);
	fprintf(c->out, ran ? "%s is stopped\n" : "%s does not run\n", m->name);
	return 0;
}

int run_vm_stop(struct cli *c, const struct command *cmd)
{
	struct machine m;
	int lock, rc = machine_name(c, command_arg(cmd, "VM"), &m);

	if (rc != 0)
		return rc;
	if (access(m.dir, F_OK) < 0) // nothing of it was ever here
		return stop_locked(c, &m, false);
	lock = locked(c, &m);
	if (lock < 0)
		return lock == -EAGAIN ? EXIT_REFUSED : EXIT_FAILED;
	rc = stop_locked(c, &m, command_has(cmd, "--force"));
	close(lock);
	if (rc == 0)
		machine_unit_end(&m);
	return rc;
}

// A machine that runs. returns 0, or an exit code with the reason printed
static int running(struct cli *c, const struct command *cmd, struct machine *m)
{
	int rc = machine_name(c, command_arg(cmd, "VM"), m);

	if (rc != 0 || machine_runs(m))
		return rc;
	return cli_problem(c, EXIT_REFUSED, "%s does not run: weir has not started it", m->name);
}

int run_vm_reset(struct cli *c, const struct command *cmd)
{
	struct machine m;
	int fd, rc = running(c, cmd, &m);

	if (rc != 0)
		return rc;
	fd = monitor_open(&m, ANSWER_MS);
	rc = fd < 0 ? fd : monitor_do(fd, "system_reset", ANSWER_MS);
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return cli_problem(c, EXIT_FAILED, "%s: its monitor: %s", m.name, strerror(-rc));
	fprintf(c->out, "%s was reset\n", m.name);
	return 0;
}

// --- Looking

int run_vm_console(struct cli *c, const struct command *cmd)
{
	struct machine m;
	int rc = running(c, cmd, &m);

	return rc != 0 ? rc : console_run(c, &m);
}

// Leaves out what firmware says to a terminal: colours and places of the cursor (ECMA-48, 5.4),
// steps back, and the first of the two characters that end a line. state: 0 at the beginning of the
// log; what is begun at the end of a part goes on in the next. returns the new size
static size_t readable(char *s, size_t size, int *state)
{
	enum { TEXT, ESCAPED, SEQUENCE };
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		if (s[i] == '\033') {
			*state = ESCAPED;
		} else if (*state == ESCAPED) {
			*state = s[i] == '[' ? SEQUENCE : TEXT;
		} else if (*state == SEQUENCE && s[i] >= ' ' && s[i] <= '~') {
			*state = s[i] < '@' ? SEQUENCE : TEXT;
		} else {
			*state = TEXT;
			if (s[i] != '\r' && s[i] != '\b')
				s[n++] = s[i];
		}
	}
	return n;
}

int run_vm_log(struct cli *c, const struct command *cmd)
{
	struct machine m;
	struct text t = { 0 };
	char path[128], buf[65536];
	int fd, state = 0, rc = machine_name(c, command_arg(cmd, "VM"), &m);
	ssize_t n;
	off_t at;

	if (rc != 0)
		return rc;
	fd = open(machine_path(&m, "log", path), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_problem(c, EXIT_REFUSED, "%s: %s", path, strerror(errno));
	// The daemon takes away the beginning of a long one: it is a hole then.
	at = lseek(fd, 0, SEEK_DATA);
	if (at >= 0)
		lseek(fd, at, SEEK_SET);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		t.size = 0;
		text_put(&t, "");
		text_put_clean(&t, buf, readable(buf, (size_t)n, &state));
		fputs(t.buf, c->out);
	}
	free(t.buf);
	close(fd);
	return 0;
}

static void listed(struct cli *c, const json_t *vm, struct table *t, json_t *list)
{
	const char *name = json_string_value(json_object_get(vm, "name"));
	const char *state = json_string_value(json_object_get(vm, "state"));
	const char *method = json_string_value(json_object_get(vm, "boot-method"));
	const json_t *nic = json_array_get(json_object_get(vm, "nic"), 0);
	const char *address = json_string_value(json_object_get(nic, "ipv4-address"));
	bool connected = json_is_true(json_object_get(nic, "connected"));
	struct machine m = { 0 };
	char pid[16] = "-";

	if (name == NULL || strlen(name) > 24 || strchr(name, '/') != NULL ||
	    machine_name(c, name, &m) != 0)
		return;
	if (machine_runs(&m))
		snprintf(pid, sizeof(pid), "%d", (int)m.pid);
	if (state == NULL)
		state = m.pid != 0 ? "running" : connected ? "connected" : "stopped";
	table_cell(t, "%s", name);
	table_cell(t, "%s", state);
	table_cell(t, "%s", pid);
	table_cell(t, "%s", method == NULL ? "" : method);
	table_cell(t, "%s", address == NULL ? "" : address);
	table_cell(t, "%s", connected ? "connected" : "away");
	json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:b}", "name", name, "state", state,
					      "pid", (int)m.pid, "connected", connected));
}

int run_vm_list(struct cli *c, const struct command *cmd)
{
	static const char *const names[] = { "VM", "STATE", "PROCESS", "BOOT", "ADDRESS", "NIC" };
	json_t *data, *list = need(json_array()), *o;
	const json_t *vm;
	struct table t;
	size_t i;
	int rc;

	(void)cmd;
	data = cli_call(c, "weir-operations:get-state", json_pack("{s:s}", "part", "vms"), &rc);
	table_begin(&t, 6, names);
	json_array_foreach(json_object_get(json_object_get(data, "weir-vm:vms-state"), "vm"), i, vm)
		listed(c, vm, &t, list);
	table_print(data == NULL || c->format == FORMAT_JSON ? NULL : c->out, &t);
	o = need(json_pack("{s:o}", "vm", list));
	if (data != NULL && c->format == FORMAT_JSON)
		cli_dump(c, o);
	json_decref(o);
	json_decref(data);
	return data == NULL ? rc : 0;
}
