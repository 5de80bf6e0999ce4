// A request to the daemon, with a timeout: a line of JSON there, a line of JSON back.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hook.h"

#define ANSWER_MAX (1 << 20)

double hook_now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void hook_close(struct hook_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

static int wait_for(int fd, short events, double until_s)
{
	struct pollfd p = { .fd = fd, .events = events };
	double left;
	int n;

	do {
		left = until_s - hook_now_s();
		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, fd < 0 ? 0 : 1, (int)(left * 1000) + 1);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == 0 ? -ETIMEDOUT : 0;
}

static int open_conn(struct hook_conn *c, const char *path, double until_s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd, rc;

	if (c->fd >= 0)
		return 0;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	// EAGAIN: others wait to be taken, and there is nothing that would tell when.
	while (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		rc = -errno;
		if (rc == -EAGAIN && hook_now_s() < until_s) {
			(void)wait_for(-1, 0, hook_now_s() + .02);
			continue;
		}
		close(fd);
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
	c->fd = fd;
	return 0;
}

static int send_all(int fd, const char *text, size_t size, double until_s)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
		int rc;

		if (n > 0) {
			text += n;
			size -= (size_t)n;
			continue;
		}
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		rc = wait_for(fd, POLLOUT, until_s);
		if (rc < 0)
			return rc;
	}
	return 0;
}

// One line, at most ANSWER_MAX. returns 0 and *line (free())
static int read_line(int fd, double until_s, char **line)
{
	size_t size = 0, cap = 0;
	char *buf = NULL;
	int rc = 0;

	while (rc == 0 && (size == 0 || buf[size - 1] != '\n')) {
		ssize_t n;

		if (size + 1 >= cap) {
			char *more = cap > ANSWER_MAX ? NULL : realloc(buf, 2 * cap + 4096);

			if (more == NULL) {
				rc = -EMSGSIZE;
				break;
			}
			buf = more;
			cap = 2 * cap + 4096;
		}
		n = recv(fd, buf + size, cap - size - 1, 0);
		if (n > 0)
			size += (size_t)n;
		else if (n == 0)
			rc = -ECONNRESET;
		else
			rc = errno == EAGAIN || errno == EINTR ? wait_for(fd, POLLIN, until_s)
							       : -errno;
	}
	if (rc < 0) {
		free(buf);
		return rc;
	}
	buf[size] = '\0';
	*line = buf;
	return 0;
}

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

// Where the switch saw the problem, what was there, and why not.
static int answer_take(const char *line, json_t **data, char err[HOOK_TEXT])
{
	json_t *answer = json_loads(line, 0, NULL), *e = json_object_get(answer, "error");
	const char *path, *value;

	if (!json_is_object(answer)) {
		json_decref(answer);
		return -EBADMSG;
	}
	if (json_is_true(json_object_get(answer, "ok"))) {
		*data = json_incref(json_object_get(answer, "data"));
		json_decref(answer);
		return 0;
	}
	path = member(e, "path");
	value = member(e, "value");
	snprintf(err, HOOK_TEXT, "%.90s%s%.60s%s%.100s", path, path[0] == '\0' ? "" : " ", value,
		 value[0] == '\0' ? "" : ": ", member(e, "reason"));
	json_decref(answer);
	return -EACCES;
}

static char *request_text(const char *op, json_t *args)
{
	json_t *request = json_object();
	char *text, *line = NULL;

	json_object_set_new(request, op, args == NULL ? json_object() : args);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text != NULL && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	return line;
}

int hook_call(struct hook_conn *c, const char *op, json_t *args, json_t **data, char err[HOOK_TEXT])
{
	const struct hook_settings *s = c->s;
	double until_s = hook_now_s() + s->timeout_s;
	char *line = request_text(op, args), *answer = NULL;
	int rc = line == NULL ? -ENOMEM : open_conn(c, s->socket, until_s);

	*data = NULL;
	if (rc == 0)
		rc = send_all(c->fd, line, strlen(line), until_s);
	if (rc == 0)
		rc = read_line(c->fd, until_s, &answer);
	free(line);
	if (rc == 0)
		rc = answer_take(answer, data, err);
	free(answer);
	if (rc == 0 || rc == -EACCES)
		return rc;
	hook_close(c); // an answer that is late must not be taken for the next one
	snprintf(err, HOOK_TEXT, "%s: %s%s", s->socket,
		 rc == -ETIMEDOUT ? "no answer in time" : strerror(-rc),
		 rc == -ENOENT || rc == -ECONNREFUSED ? " (is weir-switchd running?)" : "");
	return rc;
}
