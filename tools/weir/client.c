#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "weir_priv.h"

int cli_connect(struct cli *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (c->fd >= 0)
		return 0;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) < 0) {
		fprintf(stderr, "weir: %s: %s%s\n", c->socket_path, strerror(errno),
			errno == ENOENT || errno == ECONNREFUSED ? " (is weir-switchd running?)"
								 : "");
		return EXIT_UNREACHABLE;
	}
	return 0;
}

static bool send_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

// Read exactly one line, byte by byte at its end so that nothing of what follows is swallowed.
static char *line_read(int fd)
{
	size_t size = 0, cap = 1 << 16;
	char *text = malloc(cap);

	while (text != NULL) {
		ssize_t n = recv(fd, text + size, cap - size - 1, MSG_PEEK);
		char *nl;

		if (n <= 0)
			break;
		nl = memchr(text + size, '\n', (size_t)n);
		if (nl != NULL)
			n = nl + 1 - (text + size);
		if (recv(fd, text + size, (size_t)n, MSG_WAITALL) != n)
			break;
		size += (size_t)n;
		if (nl != NULL) {
			text[size] = '\0';
			return text;
		}
		if (cap - size < cap / 4) {
			char *more = realloc(text, 2 * cap);

			if (more == NULL)
				break;
			text = more;
			cap *= 2;
		}
	}
	free(text);
	return NULL;
}

static json_t *answer_read(struct cli *c, int *rc)
{
	char *line = line_read(c->fd);
	json_error_t jerr;
	json_t *answer = line == NULL ? NULL : json_loads(line, 0, &jerr);
	const json_t *err;

	free(line);
	*rc = 0;
	if (answer == NULL) {
		fprintf(stderr, "weir: %s: the daemon closed the connection\n", c->socket_path);
		*rc = EXIT_UNREACHABLE;
		return NULL;
	}
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	err = json_object_get(answer, "error");
	fprintf(stderr, "weir: refused: ");
	for (int i = 0; i < 3; i++) {
		static const char *const parts[] = { "path", "value", "reason" };
		const char *text = json_string_value(json_object_get(err, parts[i]));

		if (text != NULL && text[0] != '\0')
			fprintf(stderr, "%s%s", text, i == 1 ? ": " : i == 0 ? " " : "");
	}
	fprintf(stderr, "\n");
	json_decref(answer);
	*rc = EXIT_REFUSED;
	return NULL;
}

static int request_send(struct cli *c, const char *op, json_t *args)
{
	char name[64];
	json_t *request = json_object();
	char *text;
	int rc = cli_connect(c);

	snprintf(name, sizeof(name), "weir-operations:%s", op);
	json_object_set_new(request, name, args == NULL ? json_object() : args);
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (rc == 0 && (!send_all(c->fd, text, strlen(text)) || !send_all(c->fd, "\n", 1))) {
		fprintf(stderr, "weir: %s: %s\n", c->socket_path, strerror(errno));
		rc = EXIT_UNREACHABLE;
	}
	free(text);
	return rc;
}

json_t *cli_call(struct cli *c, const char *op, json_t *args, int *rc)
{
	json_t *answer, *data;

	*rc = request_send(c, op, args);
	if (*rc != 0)
		return NULL;
	answer = answer_read(c, rc);
	if (answer == NULL)
		return NULL;
	data = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return data;
}

int cli_open_stream(struct cli *c, const char *op, json_t *args)
{
	json_t *answer;
	int rc = request_send(c, op, args);

	if (rc != 0)
		return rc;
	answer = answer_read(c, &rc);
	json_decref(answer);
	return rc;
}
