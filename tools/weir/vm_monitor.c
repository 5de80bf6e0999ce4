// QEMU's monitor as the command uses it: connect, be greeted, do one thing at a time. source: QEMU
// machine protocol specification (QEMU's documentation, "QMP")
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "vm_priv.h"

enum { LINE_MAX_BYTES = 1 << 20 };

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

// One line, byte by byte: nothing of the next one may be taken, and lines are few. returns its
// size, or a negative errno
static int line_read(int fd, char *line, size_t cap, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t size = 0;

	while (size < cap) {
		uint64_t now = now_ms();
		ssize_t n;

		if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) == 0)
			return -ETIMEDOUT;
		n = recv(fd, line + size, 1, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		if (line[size] == '\n')
			return (int)size;
		size++;
	}
	return -EMSGSIZE;
}

// Lines until one has the member: events come in between. returns 0, -EIO when it is an error
static int answer_wait(int fd, const char *member, uint64_t until_ms)
{
	char *line = need(malloc(LINE_MAX_BYTES));
	int rc;

	do {
		json_t *o;

		rc = line_read(fd, line, LINE_MAX_BYTES, until_ms);
		if (rc < 0)
			break;
		o = json_loadb(line, (size_t)rc, 0, NULL);
		rc = json_object_get(o, member) != NULL	   ? 0
		     : json_object_get(o, "error") != NULL ? -EIO
							   : 1;
		json_decref(o);
	} while (rc > 0);
	free(line);
	return rc;
}

static int send_text(int fd, const char *text)
{
	size_t size = strlen(text);

	return send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size ? 0 : -EPIPE;
}

int monitor_do(int fd, const char *command, uint32_t ms)
{
	char text[128];
	int rc;

	snprintf(text, sizeof(text), "{\"execute\":\"%s\"}\n", command);
	rc = send_text(fd, text);
	return rc < 0 ? rc : answer_wait(fd, "return", now_ms() + ms);
}

int monitor_open(const struct machine *m, uint32_t ms)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char path[128];
	int fd, rc;

	if (strlen(machine_path(m, "control.sock", path)) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		rc = -errno;
	else
		rc = answer_wait(fd, "QMP", now_ms() + ms);
	if (rc == 0)
		rc = monitor_do(fd, "qmp_capabilities", ms);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}
