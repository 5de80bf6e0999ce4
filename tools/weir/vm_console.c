// The serial port of a machine on this terminal.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "vm_priv.h"

enum { ESCAPE = 0x1d }; // ^]

// One at a time: QEMU would keep a second one waiting without a word. returns a descriptor to
// close, or -1
static int console_take(const struct machine *m)
{
	char path[128];
	int fd = open(machine_path(m, "console.lock", path), O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int console_connect(const struct machine *m)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[128];
	int fd;

	if (strlen(machine_path(m, "console.sock", path)) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd < 0 ? -errno : fd;
}

static bool write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR && !cli_interrupted)
			continue;
		if (n <= 0)
			return false;
		data += n;
		size -= (size_t)n;
	}
	return true;
}

// From one to the other. escape: ends at ^]. returns false when it has ended
static bool pass(int from, int to, bool escape)
{
	char buf[4096];
	ssize_t n = read(from, buf, sizeof(buf));
	const char *end;

	if (n < 0)
		return errno == EINTR || errno == EAGAIN;
	end = n == 0 || !escape ? NULL : memchr(buf, ESCAPE, (size_t)n);
	if (end != NULL)
		n = end - buf;
	return write_all(to, buf, (size_t)n) && n > 0 && end == NULL;
}

static void copy(int console, bool person)
{
	struct pollfd p[2] = { { .fd = console, .events = POLLIN },
			       { .fd = STDIN_FILENO, .events = POLLIN } };

	while (!cli_interrupted) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[0].revents != 0 && !pass(console, STDOUT_FILENO, false))
			return;
		if (p[1].revents == 0 || pass(STDIN_FILENO, console, person))
			continue;
		if (person)
			return;
		p[1].fd = -1; // input has ended; what the machine says is still wanted
	}
}

int console_run(struct cli *c, const struct machine *m)
{
	bool person = isatty(STDIN_FILENO) == 1;
	struct termios was, raw;
	int lock = console_take(m), fd;

	if (lock < 0)
		return cli_problem(c, EXIT_REFUSED, "%s: its console is in use", m->name);
	fd = console_connect(m);
	if (fd < 0) {
		close(lock);
		return cli_problem(c, EXIT_FAILED, "%s: its console: %s", m->name, strerror(-fd));
	}
	if (person && tcgetattr(STDIN_FILENO, &was) == 0) {
		cli_note(c, "console of %s; ^] leaves it", m->name);
		raw = was;
		cfmakeraw(&raw);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
		copy(fd, true);
		tcsetattr(STDIN_FILENO, TCSADRAIN, &was);
		fputs("\r\n", stderr);
	} else {
		copy(fd, false);
	}
	close(fd);
	close(lock);
	return 0;
}
