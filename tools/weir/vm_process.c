// QEMU's process: started so that it outlives the command and the daemon, and known again later by
// its number and the time of its start, because numbers are used again.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm_priv.h"

enum { ARGS_MAX = 512, TAIL_BYTES = 2048, TELL_TRIES = 60 };

int machine_name(struct cli *c, const char *name, struct machine *m)
{
	static const char may[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *slash = strrchr(c->socket_path, '/');
	int head = slash == NULL ? 0 : (int)(slash - c->socket_path) + 1, n;
	char cwd[96] = "";

	// It becomes part of paths. source: weir-vm.yang, vm-name
	if (strlen(name) > 24 || name[0] == '\0' || strchr("_.-", name[0]) != NULL ||
	    strspn(name, may) != strlen(name))
		return cli_problem(c, EXIT_USAGE, "%s: is no name of a virtual machine", name);
	*m = (struct machine){ .socket = c->socket_path };
	snprintf(m->name, sizeof(m->name), "%s", name);
	n = c->socket_path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL
		    ? -1
		    : snprintf(m->dir, sizeof(m->dir), "%s%s%.*svms/%s", cwd,
			       cwd[0] == '\0' ? "" : "/", head, c->socket_path, name);
	if (n < 0 || (size_t)n >= sizeof(m->dir))
		return cli_problem(c, EXIT_FAILED, "%s: path is too long for sockets beside it",
				   c->socket_path);
	return 0;
}

const char *machine_path(const struct machine *m, const char *file, char buf[128])
{
	snprintf(buf, 128, "%s/%.30s", m->dir, file);
	return buf;
}

static int file_read(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	return n < 0 ? -errno : (int)n;
}

// When a process was started, in ticks since the host's start; 0 = there is none, or it is one that
// has ended and waits to be noticed. source: proc(5), /proc/[pid]/stat field 22
static unsigned long long start_time(pid_t pid)
{
	char path[32], stat[1024], *s;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (pid <= 0 || file_read(path, stat, sizeof(stat)) <= 0)
		return 0;
	s = strrchr(stat, ')'); // the program's name may have anything in it
	if (s == NULL || s[1] == '\0' || s[2] == 'Z' || s[2] == 'X')
		return 0;
	for (int field = 2; s != NULL && field < 22; field++)
		s = strchr(s + 1, ' ');
	return s == NULL ? 0 : strtoull(s, NULL, 10);
}

static bool is_running(pid_t pid, unsigned long long started)
{
	return started != 0 && start_time(pid) == started;
}

// What the file says. returns whether it says anything
static bool remembered(const struct machine *m, pid_t *pid, unsigned long long *started)
{
	char path[128], text[64], *end;

	if (file_read(machine_path(m, "pid", path), text, sizeof(text)) <= 0)
		return false;
	*pid = (pid_t)strtol(text, &end, 10);
	*started = strtoull(end, NULL, 10);
	return *pid > 1 && *started != 0;
}

bool machine_known(const struct machine *m)
{
	unsigned long long started;
	pid_t pid;

	return remembered(m, &pid, &started);
}

void machine_forget(const struct machine *m)
{
	char path[128];

	unlink(machine_path(m, "pid", path));
}

int machine_lock(const struct machine *m, uint32_t ms)
{
	char path[128];
	int fd = open(machine_path(m, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0640), rc;

	if (fd < 0)
		return -errno;
	for (uint32_t at = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; at += 20) {
		rc = errno == EWOULDBLOCK ? -EAGAIN : -errno;
		if (rc != -EAGAIN || at >= ms || cli_interrupted) {
			close(fd);
			return rc;
		}
		sleep_ms(20);
	}
	return fd;
}

bool machine_runs(struct machine *m)
{
	unsigned long long started;
	pid_t pid;

	if (!remembered(m, &pid, &started) || !is_running(pid, started))
		return false;
	m->pid = pid;
	return true;
}

int machine_remember(const struct machine *m)
{
	char path[128], temp[128];
	FILE *f = fopen(machine_path(m, "pid.new", temp), "we");
	bool ok;

	if (f == NULL)
		return -errno;
	ok = fprintf(f, "%d %llu\n", (int)m->pid, start_time(m->pid)) > 0;
	ok = fclose(f) == 0 && ok;
	return ok && rename(temp, machine_path(m, "pid", path)) == 0 ? 0 : -EIO;
}

void sleep_ms(uint32_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

bool machine_gone(struct machine *m, uint32_t ms)
{
	for (uint32_t at = 0; machine_runs(m); at += 20) {
		if (at >= ms || cli_interrupted)
			return false;
		sleep_ms(20);
	}
	return true;
}

void machine_kill(const struct machine *m)
{
	struct machine now = *m;
	int fd = (int)syscall(SYS_pidfd_open, m->pid, 0);

	// The descriptor is of the process that has the number now: looked at again, it is the
	// right one, and stays it.
	if (fd >= 0 && machine_runs(&now) && now.pid == m->pid)
		(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	if (fd >= 0)
		close(fd);
}

bool is_listened_on(const char *path)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		unsigned int flags;
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		// num: refs protocol flags type state inode path; flag 10000: it listens.
		if (sscanf(line, "%*s %*x %*x %x %*x %*x %*u %n", &flags, &at) == 1 && at > 0)
			found = (flags & 0x10000) != 0 && strcmp(line + at, path) == 0;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

void machine_log_tail(struct cli *c, const struct machine *m)
{
	struct text clean = { 0 };
	char path[128], buf[TAIL_BYTES];
	int fd = open(machine_path(m, "log", path), O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;

	if (fd >= 0 && fstat(fd, &st) == 0)
		n = pread(fd, buf, sizeof(buf),
			  st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
	if (fd >= 0)
		close(fd);
	text_put(&clean, "");
	text_put_clean(&clean, buf, n < 0 ? 0 : (size_t)n);
	if (clean.size > 0)
		cli_note(c, "%s ends so:\n%s", path, clean.buf);
	free(clean.buf);
}

// --- As a child

int machine_ended(struct cli *c, const char *name)
{
	int rc = cli_do(c, "weir-operations:vm-event",
			json_pack("{s:s, s:s}", "vm", name, "event", "stopped"));

	return rc != 0 ? rc
		       : cli_do(c, "weir-operations:vm-release", json_pack("{s:s}", "vm", name));
}

// Tell the end of this process, unless somebody has: who stopped it, or started it again.
// returns EXIT_UNREACHABLE: later
static int end_tell(const struct machine *m, pid_t pid)
{
	struct cli c = { .socket_path = m->socket, .conn.fd = -1, .out = stdout };
	int lock = machine_lock(m, 1000), rc = lock == -EAGAIN ? EXIT_UNREACHABLE : 0;
	unsigned long long started;
	pid_t now;

	if (lock >= 0 && remembered(m, &now, &started) && now == pid) {
		rc = machine_ended(&c, m->name);
		if (rc != EXIT_UNREACHABLE)
			machine_forget(m);
		conn_close(&c.conn);
	}
	if (lock >= 0)
		close(lock);
	return rc;
}

// The process that waits for QEMU: it outlives the command, and tells the switch.
static void wait_for(const struct machine *m, pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		fprintf(stderr, "weir: QEMU was ended by signal %d\n", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		fprintf(stderr, "weir: QEMU ended with exit code %d\n", WEXITSTATUS(status));
	// The switch may be coming anew.
	for (int i = 0; i < TELL_TRIES && end_tell(m, pid) == EXIT_UNREACHABLE; i++)
		sleep_ms(1000);
}

static void execute(const struct machine *m, int told)
{
	int rc;

	execv(m->argv[0], (char *const *)(uintptr_t)m->argv);
	rc = errno;
	(void)!write(told, &rc, sizeof(rc));
	_exit(127);
}

// In a session of its own; nothing of the command's is kept open.
static void child(struct machine *m, int told, int log)
{
	int null = open("/dev/null", O_RDWR);
	pid_t pid;

	setsid();
	umask(0027);
	signal(SIGINT, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(1);
	if (told != 3)
		told = dup3(told, 3, O_CLOEXEC);
	(void)syscall(SYS_close_range, 4, ~0U, 0);
	pid = fork();
	if (pid == 0)
		execute(m, told);
	m->pid = pid;
	if (pid > 0 && machine_remember(m) < 0)
		fputs("weir: its number cannot be kept\n", stderr);
	close(told);
	if (pid > 0)
		wait_for(m, pid);
	_exit(0);
}

// returns 0, an errno of exec, or a negative errno
static int child_start(struct machine *m, int log)
{
	int told[2], why = 0;
	pid_t pid;
	ssize_t n;

	if (pipe2(told, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(told[0]);
		// Orphaned at once, so nobody has to wait for it.
		if (fork() == 0)
			child(m, told[1], log);
		_exit(0);
	}
	close(told[1]);
	if (pid > 0)
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	do {
		n = read(told[0], &why, sizeof(why));
	} while (n < 0 && errno == EINTR);
	close(told[0]);
	return pid < 0 ? -EAGAIN : n == (ssize_t)sizeof(why) ? why : 0;
}

static int launch_child(struct cli *c, struct machine *m)
{
	char path[128];
	int log =
		open(machine_path(m, "log", path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	int rc = log < 0 ? -errno : child_start(m, log);

	if (log >= 0)
		close(log);
	if (rc != 0)
		return cli_problem(c, EXIT_FAILED, "%s: %s", log < 0 ? path : m->argv[0],
				   strerror(rc < 0 ? -rc : rc));
	return 0;
}

// --- As a unit of systemd

// Run a program and take what it says, without the line's end. returns its exit code, or -1
static int program(const char *const *argv, char *out, size_t size)
{
	int fds[2], status = -1;
	size_t at = 0;
	ssize_t n = 1;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(fds[1]);
	while (pid > 0 && at + 1 < size && n > 0) {
		n = read(fds[0], out + at, size - 1 - at);
		at += n > 0 ? (size_t)n : 0;
	}
	close(fds[0]);
	out[at] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

// systemd replaces $NAME in commands. free()
static char *undollared(const char *s)
{
	struct text t = { 0 };

	text_put(&t, "");
	for (; *s != '\0'; s++)
		text_printf(&t, *s == '$' ? "$$" : "%c", *s);
	return text_take(&t);
}

static int launch_unit(struct cli *c, struct machine *m)
{
	char unit[64], log[160], err[160], after[512], self[256] = "", out[64], path[128];
	const char *head[] = { "systemd-run", "--quiet",     "--collect",    "--unit",
			       unit,	      "-pType=exec", "-pUMask=0027", log,
			       err,	      after,	     "--",	     NULL };
	const char *argv[ARGS_MAX + 12];
	const char *ask[] = { "systemctl", "show", "-pMainPID", "--value", unit, NULL };
	size_t n = 0, first;
	int rc;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) <= 0)
		return cli_problem(c, EXIT_FAILED, "/proc/self/exe: %s", strerror(errno));
	snprintf(unit, sizeof(unit), "weir-vm-%s", m->name);
	machine_path(m, "log", path);
	snprintf(log, sizeof(log), "-pStandardOutput=append:%s", path);
	snprintf(err, sizeof(err), "-pStandardError=append:%s", path);
	// Its end is told to the switch, however it ended.
	snprintf(after, sizeof(after), "-pExecStopPost=\"%s\" -s \"%s\" vm stop %s", self,
		 m->socket, m->name);
	while (head[n] != NULL) {
		argv[n] = head[n];
		n++;
	}
	first = n;
	for (; n < ARGS_MAX + 11 && m->argv[n - first] != NULL; n++)
		argv[n] = undollared(m->argv[n - first]);
	argv[n] = NULL;
	rc = program(argv, out, sizeof(out));
	for (size_t i = first; i < n; i++)
		free((char *)(uintptr_t)argv[i]);
	if (rc != 0)
		return cli_problem(c, EXIT_FAILED, "systemd-run did not start %s (exit code %d)",
				   unit, rc);
	if (program(ask, out, sizeof(out)) != 0 || (m->pid = (pid_t)strtol(out, NULL, 10)) <= 1)
		return cli_problem(c, EXIT_FAILED, "%s: has ended at once", unit);
	rc = machine_remember(m);
	return rc == 0 ? 0 : cli_problem(c, EXIT_FAILED, "%s/pid: %s", m->dir, strerror(-rc));
}

static bool has_units(void)
{
	const char *how = getenv("WEIR_VM_SYSTEMD"); // yes, no; else: where it runs

	if (how != NULL && how[0] != '\0')
		return strcmp(how, "yes") == 0;
	return access("/run/systemd/system", F_OK) == 0;
}

void machine_unit_end(const struct machine *m)
{
	char unit[64], out[64];
	const char *argv[] = { "systemctl", "stop", "--quiet", unit, NULL };

	snprintf(unit, sizeof(unit), "weir-vm-%s", m->name);
	if (has_units())
		(void)program(argv, out, sizeof(out));
}

int machine_launch(struct cli *c, struct machine *m)
{
	return has_units() ? launch_unit(c, m) : launch_child(c, m);
}
