// The connection to a switch: hello, whole messages, and never waiting for ever.
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "of_priv.h"

static const char default_port[] = "6653";

void of_xid_put(uint8_t *msg, uint32_t xid)
{
	for (int i = 0; i < 4; i++)
		msg[4 + i] = (uint8_t)(xid >> (24 - 8 * i));
}

void of_link_close(struct of_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->in);
	l->in = NULL;
	l->fd = -1;
}

// --- Connecting

// error    an errno, or below 0 what getaddrinfo() says
static int unreachable(struct cli *c, const struct of_link *l, int error)
{
	if (error < 0)
		return cli_problem(c, EXIT_UNREACHABLE, "%s: %s", l->target, gai_strerror(error));
	return cli_problem(c, EXIT_UNREACHABLE, "%s: %s%s", l->target, strerror(error),
			   error == ENOENT || error == ECONNREFUSED
				   ? " (does the switch run, with OpenFlow on?)"
				   : "");
}

// returns 0 or an errno
static int connect_to(int fd, const struct sockaddr *a, socklen_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t n = sizeof(int);
	int error = 0;

	if (connect(fd, a, size) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return errno;
	if (poll(&p, 1, OF_SILENCE_MS) <= 0)
		return ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0 ? errno : error;
}

static int connect_unix(struct of_link *l, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path))
		return ENAMETOOLONG;
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return l->fd < 0 ? errno : connect_to(l->fd, (const struct sockaddr *)&a, sizeof(a));
}

// HOST, HOST:PORT, [HOST]:PORT. returns as unreachable() takes it
static int connect_tcp(struct of_link *l, const char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	char host[256];
	const char *port = default_port, *end;
	int error;

	snprintf(host, sizeof(host), "%s", where[0] == '[' ? where + 1 : where);
	end = where[0] == '[' ? strchr(host, ']') : strrchr(host, ':');
	if (end != NULL) {
		const char *colon = end + (where[0] == '[');

		port = *colon == ':' ? colon + 1 : default_port;
		host[end - host] = '\0';
	}
	error = getaddrinfo(host, port, &hints, &list);
	if (error != 0)
		return error;
	error = EHOSTUNREACH;
	for (const struct addrinfo *a = list; a != NULL && error != 0; a = a->ai_next) {
		if (l->fd >= 0)
			close(l->fd);
		l->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		error = l->fd < 0 ? errno : connect_to(l->fd, a->ai_addr, a->ai_addrlen);
	}
	freeaddrinfo(list);
	return error;
}

// --- Messages

static int grow(struct of_link *l)
{
	if (l->in_used > 0) {
		memmove(l->in, l->in + l->in_used, l->in_size - l->in_used);
		l->in_size -= l->in_used;
		l->in_used = 0;
	}
	if (l->in_cap - l->in_size < 1 << 16) {
		l->in_cap = 2 * l->in_cap + (1 << 17);
		l->in = need(realloc(l->in, l->in_cap));
	}
	return 0;
}

// An echo request is answered here: a switch gives up who does not.
static void echo(struct of_link *l, const uint8_t *msg, size_t size)
{
	uint8_t *answer = need(malloc(size));

	memcpy(answer, msg, size);
	answer[1] = OF13_TYPE_ECHO_REPLY;
	// No room: then it hears from us by what fills it.
	if (send(l->fd, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		free(answer);
	else
		free(answer);
}

// Whole messages that are there. returns as take()
static int deliver(struct cli *c, struct of_link *l, of_link_take take, void *arg, bool may_echo)
{
	int rc = 0;

	while (rc == 0 && l->in_size - l->in_used >= 8) {
		const uint8_t *msg = l->in + l->in_used;
		size_t size = of_size(msg);

		if (size < 8)
			return -cli_problem(c, EXIT_UNREACHABLE,
					    "%s: speaks something else than OpenFlow", l->target);
		if (l->in_size - l->in_used < size)
			break;
		l->in_used += size;
		if (msg[1] == OF13_TYPE_ECHO_REQUEST && may_echo)
			echo(l, msg, size);
		else
			rc = take(arg, msg, size);
	}
	return rc;
}

// returns 0, or an exit code below 0 with the reason printed
static int receive(struct cli *c, struct of_link *l)
{
	ssize_t n;

	grow(l);
	n = recv(l->fd, l->in + l->in_size, l->in_cap - l->in_size, 0);
	if (n > 0) {
		l->in_size += (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return -cli_problem(c, EXIT_UNREACHABLE, "%s: %s", l->target,
			    n == 0 ? "the switch closed the connection" : strerror(errno));
}

int of_link_pump(struct cli *c, struct of_link *l, struct of_list out, of_link_take take, void *arg)
{
	size_t sent = 0;
	int rc = deliver(c, l, take, arg, true);

	while (rc == 0) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };
		int n;

		p.events |= sent < out.size ? POLLOUT : 0;
		n = cli_interrupted ? -1 : poll(&p, 1, l->silence_ms == 0 ? -1 : l->silence_ms);
		if (n < 0 && (cli_interrupted || errno == EINTR))
			return l->silence_ms == 0 ? 0 : cli_problem(c, EXIT_FAILED, "interrupted");
		if (n <= 0)
			return cli_problem(c, EXIT_UNREACHABLE, "%s: no answer within %d s",
					   l->target, l->silence_ms / 1000);
		if ((p.revents & POLLOUT) != 0) {
			ssize_t k = send(l->fd, out.at + sent, out.size - sent, MSG_NOSIGNAL);

			sent += k > 0 ? (size_t)k : 0;
		}
		if ((p.revents & ~POLLOUT) != 0) {
			rc = receive(c, l);
			// The rest of a message of ours has to follow before an answer to theirs.
			rc = rc < 0 ? rc : deliver(c, l, take, arg, sent == out.size);
		}
	}
	return rc < 0 ? -rc : 0;
}

// --- Hello

static int take_hello(void *arg, const uint8_t *msg, size_t size)
{
	struct cli *c = arg;
	struct of13_hello m;
	struct of13_hello_elem e;
	struct of13_bitmap map;
	struct of_wire_error err;
	bool speaks = msg[0] >= OF13_VERSION, has_map = false;

	if (msg[1] != OF13_TYPE_HELLO)
		return -cli_problem(c, EXIT_UNREACHABLE, "the switch does not begin with a hello");
	if (of13_hello_get(msg, size, &m, &err) == 0) {
		while (of13_hello_elem_next(&m.elements, &e)) {
			if (e.type != OF13_HELLO_ELEM_VERSIONBITMAP || has_map ||
			    !of13_bitmap_next(&e.versionbitmap.bitmaps, &map))
				continue;
			has_map = true;
			speaks = (map.bits >> OF13_VERSION & 1) != 0;
		}
	}
	if (!speaks)
		return -cli_problem(c, EXIT_REFUSED, "the switch speaks no OpenFlow 1.3");
	return 1;
}

static int hello(struct cli *c, struct of_link *l)
{
	struct of13_bitmap map = { .bits = 1u << OF13_VERSION };
	struct of13_hello_elem e = { .type = OF13_HELLO_ELEM_VERSIONBITMAP };
	struct of13_hello m = { .xid = 1 };
	struct of_buf bits = { 0 }, elem = { 0 }, out = { 0 };
	int rc = of13_bitmap_put(&bits, &map);

	e.versionbitmap.bitmaps = of_buf_list(&bits);
	rc = rc < 0 ? rc : of13_hello_elem_put(&elem, &e);
	m.elements = of_buf_list(&elem);
	rc = rc < 0 ? rc : of13_hello_put(&out, &m);
	rc = rc < 0 ? cli_problem(c, EXIT_FAILED, "%s", strerror(-rc))
		    : of_link_pump(c, l, of_buf_list(&out), take_hello, c);
	of_buf_fini(&bits);
	of_buf_fini(&elem);
	of_buf_fini(&out);
	return rc;
}

int of_link_open(struct cli *c, const char *target, struct of_link *l)
{
	const char *slash = strrchr(c->socket_path, '/');
	int error, rc;

	*l = (struct of_link){ .fd = -1, .xid = 2, .silence_ms = OF_SILENCE_MS };
	if (target == NULL)
		snprintf(l->target, sizeof(l->target), "unix:%.*sopenflow.sock",
			 slash == NULL ? 0 : (int)(slash + 1 - c->socket_path), c->socket_path);
	else
		snprintf(l->target, sizeof(l->target), "%s", target);
	if (strncmp(l->target, "unix:", 5) == 0)
		error = connect_unix(l, l->target + 5);
	else if (strncmp(l->target, "tcp:", 4) == 0)
		error = connect_tcp(l, l->target + 4);
	else if (l->target[0] == '/')
		error = connect_unix(l, l->target);
	else
		return cli_problem(
			c, EXIT_USAGE, "%s: a target is unix:PATH or tcp:HOST[:PORT]%s", l->target,
			strncmp(l->target, "ssl:", 4) == 0 ? "; over TLS ovs-ofctl goes" : "");
	rc = error != 0 ? unreachable(c, l, error) : hello(c, l);
	if (rc != 0)
		of_link_close(l);
	return rc;
}
