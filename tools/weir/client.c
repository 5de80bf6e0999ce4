// The connection to the daemon, and what it says when it refuses.
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wchar.h>

#include "weir_priv.h"

volatile bool cli_interrupted;

// --- Telling

// What the daemon says may have anything in it: a terminal must not act on it.
static void tell(const char *head, const char *s)
{
	struct text clean = { 0 };

	text_put(&clean, "");
	text_put_clean(&clean, s, strlen(s));
	fflush(stdout);
	fprintf(stderr, "%s%s\n", head, clean.buf);
	free(clean.buf);
}

void cli_note(struct cli *c, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	need(vasprintf(&s, fmt, ap) < 0 ? NULL : s);
	va_end(ap);
	tell(c->terminal ? "" : "weir: ", s);
	free(s);
}

int cli_problem(struct cli *c, int code, const char *fmt, ...)
{
	struct text where = { 0 };
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	need(vasprintf(&s, fmt, ap) < 0 ? NULL : s);
	va_end(ap);
	text_put(&where, "");
	if (c->source != NULL && c->source_line > 0)
		text_printf(&where, "%s:%u: ", c->source, c->source_line);
	else if (c->source != NULL)
		text_printf(&where, "%s: ", c->source);
	cli_note(c, "%s%s", where.buf, s);
	free(where.buf);
	free(s);
	return code;
}

// Columns that the first bytes of the text take.
static uint32_t columns(const char *s, uint32_t size)
{
	uint32_t n = 0;
	mbstate_t state = { 0 };

	for (uint32_t i = 0; i < size && s[i] != '\0';) {
		wchar_t wide;
		size_t used = mbrtowc(&wide, s + i, size - i, &state);
		int width = used > size - i ? 1 : wcwidth(wide);

		i += used == 0 || used > size - i ? 1 : (uint32_t)used;
		n += width < 0 ? 1 : (uint32_t)width;
	}
	return n;
}

// The part of the line around line[at..at+size) that fits a screen, on a line of its own. returns
// how many columns stand before line[at]
static uint32_t excerpt(const char *line, uint32_t at, uint32_t size)
{
	uint32_t from = at > 40 ? at - 40 : 0, to = (uint32_t)strlen(line);
	struct text t = { 0 };

	to = to - at > size && to - at - size > 24 ? at + size + 24 : to;
	while (from > 0 && (line[from] & 0xc0) == 0x80)
		from--;
	while ((line[to] & 0xc0) == 0x80)
		to++;
	text_put(&t, from > 0 ? "..." : "  ");
	text_put_clean(&t, line + from, to - from);
	fprintf(stderr, "%s%s\n", t.buf, line[to] == '\0' ? "" : "...");
	free(t.buf);
	return (from > 0 ? 3 : 2) + columns(line + from, at - from);
}

void cli_mark(struct cli *c, uint32_t at, uint32_t size)
{
	struct winsize w = { 0 };
	uint32_t n, column, length;

	if (c->line == NULL || at > strlen(c->line))
		return;
	fflush(stdout);
	length = (uint32_t)strlen(c->line);
	size = size > length - at ? length - at : size;
	column = c->indent + columns(c->line, at);
	// What was typed stands right above, if it is one row; elsewhere it has to be shown.
	if (c->indent == 0 || ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 ||
	    c->indent + columns(c->line, length) >= w.ws_col)
		column = excerpt(c->line, at, size);
	fprintf(stderr, "%*s", (int)column, "");
	n = columns(c->line + at, size);
	for (uint32_t i = 0; i < (n == 0 ? 1 : n > 60 ? 60 : n); i++)
		fputc('^', stderr);
	fputc('\n', stderr);
}

void cli_dump(struct cli *c, const json_t *data)
{
	json_dumpf(data, c->out, JSON_INDENT(2));
	fputc('\n', c->out);
}

// --- The connection

void conn_close(struct conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn->in);
	*conn = (struct conn){ .fd = -1 };
}

static int conn_open(struct cli *c, struct conn *conn)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*conn = (struct conn){ .fd = -1 };
	if (strlen(c->socket_path) >= sizeof(a.sun_path))
		return cli_problem(c, EXIT_UNREACHABLE, "%s: path is longer than a socket may have",
				   c->socket_path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->socket_path);
	conn->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd >= 0 && connect(conn->fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return 0;
	cli_problem(c, EXIT_UNREACHABLE, "%s: %s%s", c->socket_path, strerror(errno),
		    errno == ENOENT || errno == ECONNREFUSED ? " (is weir-switchd running?)" : "");
	conn_close(conn);
	return EXIT_UNREACHABLE;
}

// More bytes of what the daemon says. returns > 0, 0 = the end, -1 = Ctrl-C
static long conn_more(struct conn *conn)
{
	ssize_t n;

	if (conn->in_size > ANSWER_BYTES)
		return 0;
	if (conn->in_cap - conn->in_size < 1 << 14) {
		conn->in_cap = 2 * conn->in_cap + (1 << 16);
		conn->in = need(realloc(conn->in, conn->in_cap));
	}
	do {
		n = cli_interrupted ? -1
				    : read(conn->fd, conn->in + conn->in_size,
					   conn->in_cap - conn->in_size);
	} while (n < 0 && !cli_interrupted && errno == EINTR);
	if (n > 0)
		conn->in_size += (size_t)n;
	return n < 0 && !cli_interrupted ? 0 : n;
}

static void conn_used(struct conn *conn, size_t size)
{
	memmove(conn->in, conn->in + size, conn->in_size - size);
	conn->in_size -= size;
}

char *conn_line(struct conn *conn)
{
	size_t seen = 0;
	char *nl, *line;

	while (conn->in_size == seen ||
	       (nl = memchr(conn->in + seen, '\n', conn->in_size - seen)) == NULL) {
		seen = conn->in_size;
		if (conn_more(conn) <= 0)
			return NULL;
	}
	line = need(strndup(conn->in, (size_t)(nl - conn->in)));
	conn_used(conn, (size_t)(nl - conn->in) + 1);
	return line;
}

long conn_read(struct conn *conn, void *to, size_t size)
{
	long rc = conn->in_size > 0 ? 1 : conn_more(conn);

	if (rc <= 0)
		return rc;
	size = size < conn->in_size ? size : conn->in_size;
	memcpy(to, conn->in, size);
	conn_used(conn, size);
	return (long)size;
}

static bool send_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

		// A request is sent as a whole, or the daemon would take the next one for its end.
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		size -= (size_t)n;
	}
	return true;
}

static bool request_send(struct conn *conn, const char *op, json_t *args)
{
	json_t *request = need(json_object());
	char *text;
	bool ok;

	json_object_set_new(request, op, args == NULL ? json_object() : args);
	text = need(json_dumps(request, JSON_COMPACT));
	json_decref(request);
	ok = send_all(conn->fd, text, strlen(text)) && send_all(conn->fd, "\n", 1);
	free(text);
	return ok;
}

// --- Answers

static const char *member(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s == NULL ? "" : s;
}

// Where the switch saw the problem, what was there, and why not. A person sees the wrong word
// marked above already, so the reason comes first.
static void tell_refusal(struct cli *c, const json_t *err, const char *reason)
{
	const char *path = member(err, "path"), *value = member(err, "value");
	json_int_t line = json_integer_value(json_object_get(err, "line"));
	size_t size = strlen(path);
	struct text t = { 0 };

	text_put(&t, "refused: ");
	if (line > 0)
		text_printf(&t, "line %lld: ", (long long)line);
	if (path[0] != '\0' && !c->terminal)
		text_printf(&t, "%s%s ", path,
			    value[0] == '\0' && path[size - 1] != ':' ? ":" : "");
	text_printf(&t, "%s%s%s", value, value[0] != '\0' ? ": " : "", reason);
	if (path[0] != '\0' && c->terminal)
		text_printf(&t, "\nat: %s", path);
	cli_problem(c, 0, "%s", t.buf);
	free(t.buf);
}

static int refused(struct cli *c, const json_t *err)
{
	char *reason = need(strdup(member(err, "reason"))), *expected;
	uint32_t at = (uint32_t)json_integer_value(json_object_get(err, "at"));
	uint32_t size = (uint32_t)json_integer_value(json_object_get(err, "size"));
	bool mark = c->has_caret && (at > 0 || size > 0);

	expected = strstr(reason, "; expected: ");
	if (expected != NULL) {
		*expected = '\0';
		expected += 2;
	}
	// What was typed stands right above: point first, then say why.
	if (mark && c->indent > 0)
		cli_mark(c, c->caret + at, size);
	tell_refusal(c, err, reason);
	if (mark && c->indent == 0)
		cli_mark(c, c->caret + at, size);
	if (expected != NULL)
		tell(c->terminal ? "" : "  ", expected);
	free(reason);
	return EXIT_REFUSED;
}

static json_t *answer_read(struct cli *c, struct conn *conn, int *rc)
{
	json_t *answer = NULL;
	char *line;

	do {
		line = conn_line(conn);
		if (line != NULL && conn->n_stale > 0)
			free(line);
	} while (line != NULL && conn->n_stale > 0 && conn->n_stale-- > 0);
	if (line == NULL && cli_interrupted) {
		conn->n_stale++;
		*rc = cli_problem(c, EXIT_FAILED, "interrupted; the switch may still do it");
		return NULL;
	}
	if (line != NULL)
		answer = json_loads(line, 0, NULL);
	free(line);
	*rc = 0;
	if (answer == NULL) {
		conn_close(conn);
		*rc = cli_problem(c, EXIT_UNREACHABLE, "%s: the daemon closed the connection",
				  c->socket_path);
	} else if (!json_is_true(json_object_get(answer, "ok"))) {
		*rc = refused(c, json_object_get(answer, "error"));
		json_decref(answer);
		answer = NULL;
	}
	return answer;
}

// Has the daemon gone? Nothing is read: what is there may be an answer.
static bool conn_gone(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

int cli_connect(struct cli *c)
{
	// Where nothing hangs on the session, a new one is as good. In configure mode the user has
	// to know: his changes may be gone.
	if (c->conn.fd >= 0 && !c->configuring && conn_gone(&c->conn))
		conn_close(&c->conn);
	if (c->conn.fd >= 0)
		return 0;
	return conn_open(c, &c->conn);
}

static json_t *call(struct cli *c, struct conn *conn, json_t *args, const char *op, int *rc)
{
	json_t *answer, *data;

	if (!request_send(conn, op, args)) {
		*rc = cli_problem(c, EXIT_UNREACHABLE, "%s: the daemon closed the connection",
				  c->socket_path);
		conn_close(conn);
		return NULL;
	}
	answer = answer_read(c, conn, rc);
	if (answer == NULL)
		return NULL;
	data = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return data == NULL ? need(json_object()) : data;
}

json_t *cli_call(struct cli *c, const char *op, json_t *args, int *rc)
{
	*rc = cli_connect(c);
	if (*rc == 0)
		return call(c, &c->conn, args, op, rc);
	json_decref(args);
	return NULL;
}

int cli_do(struct cli *c, const char *op, json_t *args)
{
	int rc;

	json_decref(cli_call(c, op, args, &rc));
	return rc;
}

json_t *cli_ask(struct cli *c, const char *op, json_t *args)
{
	json_t *answer = NULL, *data = NULL;
	char *line;

	if (c->conn.fd < 0 || c->conn.n_stale > 0) {
		json_decref(args);
		return NULL;
	}
	line = request_send(&c->conn, op, args) ? conn_line(&c->conn) : NULL;
	if (line == NULL && cli_interrupted)
		c->conn.n_stale++;
	else if (line == NULL)
		conn_close(&c->conn);
	if (line == NULL)
		return NULL;
	answer = json_loads(line, 0, NULL);
	free(line);
	if (json_is_true(json_object_get(answer, "ok")))
		data = json_incref(json_object_get(answer, "data"));
	json_decref(answer);
	return data;
}

int cli_stream(struct cli *c, const char *op, json_t *args, struct conn *out)
{
	int rc = conn_open(c, out);

	if (rc != 0)
		json_decref(args);
	else
		json_decref(call(c, out, args, op, &rc));
	if (rc != 0)
		conn_close(out);
	return rc;
}

json_t *answer_get(const json_t *data, const char *name)
{
	char full[96];
	json_t *v;

	snprintf(full, sizeof(full), "weir-configuration:%s", name);
	v = json_object_get(data, full);
	return v == NULL ? json_object_get(data, name) : v;
}

const char *answer_text(const json_t *data, const char *name)
{
	const char *s = json_string_value(answer_get(data, name));

	return s == NULL ? "" : s;
}

unsigned long long answer_number(const json_t *data, const char *name)
{
	const json_t *v = json_object_get(data, name);

	return json_is_string(v) ? strtoull(json_string_value(v), NULL, 10)
				 : (unsigned long long)json_integer_value(v);
}
