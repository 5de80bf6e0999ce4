#include "conn.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "weir_log.h"

enum {
	WRITE_DEADLINE_S = 10,
	CLOSE_DEADLINE_S = 60, // for all that is left
	BACKLOG = 64,
	ACCEPTS = 16,
	ACCEPT_AGAIN_S = 1,
	HOLD = 1 << 20,	    // unread bytes above which nothing more is done for a client
	KEPT_MAX = 1 << 16, // of a buffer that is empty
};

static void watch(struct ctl_conn *c)
{
	bool reads = !c->closing && c->out_size - c->out_at <= HOLD;
	int want = (reads && !c->more ? EV_READ : 0) | (c->out_at < c->out_size ? EV_WRITE : 0);

	if (!reads)
		ev_timer_stop(c->loop, &c->turn);
	else if (c->more && !ev_is_active(&c->turn))
		ev_timer_start(c->loop, &c->turn);
	if ((c->io.events & (EV_READ | EV_WRITE)) == want)
		return;
	ev_io_stop(c->loop, &c->io);
	ev_io_set(&c->io, c->io.fd, want);
	ev_io_start(c->loop, &c->io);
	if ((want & EV_WRITE) == 0)
		ev_timer_stop(c->loop, &c->deadline);
	else if (!ev_is_active(&c->deadline))
		ev_timer_again(c->loop, &c->deadline);
}

void ctl_conn_close(struct ctl_conn *c)
{
	ev_io_stop(c->loop, &c->io);
	ev_timer_stop(c->loop, &c->deadline);
	ev_timer_stop(c->loop, &c->turn);
	close(c->io.fd);
	free(c->out);
	c->ops->closed(c);
}

// returns false when the connection is gone
static bool write_some(struct ctl_conn *c)
{
	size_t size = c->out_size - c->out_at;
	ssize_t n = size == 0
			    ? 0
			    : send(c->io.fd, c->out + c->out_at, size, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		ctl_conn_close(c);
		return false;
	}
	if (n > 0) {
		c->out_at += (size_t)n;
		if (ev_is_active(&c->deadline) && !c->closing)
			ev_timer_again(c->loop, &c->deadline);
	}
	if (c->out_at == c->out_size && c->out_cap > KEPT_MAX) {
		free(c->out);
		c->out = NULL;
		c->out_at = c->out_size = c->out_cap = 0;
	}
	if (c->closing && c->out_at == c->out_size) {
		ctl_conn_close(c);
		return false;
	}
	watch(c);
	return true;
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct ctl_conn *c = io->data;

	(void)loop;
	if ((revents & EV_WRITE) != 0 && !write_some(c))
		return;
	if ((revents & EV_READ) != 0 && (c->io.events & EV_READ) != 0)
		c->ops->input(c);
}

static void on_turn(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_conn *c = t->data;

	(void)loop;
	(void)revents;
	c->more = false;
	watch(c);
	c->ops->input(c);
}

void ctl_conn_again(struct ctl_conn *c)
{
	c->more = true;
	watch(c);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_conn *c = t->data;

	(void)loop;
	(void)revents;
	weir_log(WEIR_WARNING, "%s: a client does not read its answer: cut", c->ops->name);
	ctl_conn_close(c);
}

void ctl_conn_init(struct ctl_conn *c, struct ev_loop *loop, int fd, const struct ctl_conn_ops *ops)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->ops = ops;
	ev_io_init(&c->io, on_io, fd, EV_READ);
	ev_timer_init(&c->deadline, on_deadline, 0, WRITE_DEADLINE_S);
	ev_timer_init(&c->turn, on_turn, 0, 0);
	c->io.data = c->deadline.data = c->turn.data = c;
	ev_io_start(loop, &c->io);
}

bool ctl_conn_has_input(const struct ctl_conn *c)
{
	char byte;

	return recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

size_t ctl_conn_unread(const struct ctl_conn *c)
{
	return c->out_size - c->out_at;
}

bool ctl_conn_put(struct ctl_conn *c, const void *data, size_t size, size_t max)
{
	if (ctl_conn_unread(c) + size > max)
		return false;
	if (c->out_at > 0 && c->out_size + size > c->out_cap) {
		memmove(c->out, c->out + c->out_at, c->out_size - c->out_at);
		c->out_size -= c->out_at;
		c->out_at = 0;
	}
	if (c->out_size + size > c->out_cap) {
		char *out = realloc(c->out, 2 * (c->out_size + size));

		if (out == NULL)
			return false;
		c->out = out;
		c->out_cap = 2 * (c->out_size + size);
	}
	memcpy(c->out + c->out_size, data, size);
	c->out_size += size;
	watch(c);
	return true;
}

void ctl_conn_finish(struct ctl_conn *c)
{
	c->closing = true;
	c->deadline.repeat = CLOSE_DEADLINE_S;
	ev_timer_stop(c->loop, &c->deadline); // watch() starts it anew
	watch(c);
	if (c->out_at < c->out_size)
		ev_timer_again(c->loop, &c->deadline);
	// Nothing to write means no event that would end it.
	if (c->out_at == c->out_size)
		ctl_conn_close(c);
}

static void turn_away(struct ctl_listener *l, int fd, const char *why)
{
	weir_log_limited(&l->refused, WEIR_WARNING, "%s: a client was turned away: %s", l->path,
			 why);
	close(fd);
}

// Who is it?
static void ask(struct ctl_listener *l, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		turn_away(l, fd, strerror(errno));
	else if (ctl_names_ask(l->names, fd, cred.uid) < 0)
		turn_away(l, fd, "too many wait for the name of their user");
}

static void on_again(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_listener *l = t->data;

	(void)revents;
	ev_io_start(loop, &l->io);
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct ctl_listener *l = io->data;

	(void)revents;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		// Without a descriptor the client stays in the queue, and the socket readable: ask
		// again later, instead of all the time.
		if (fd < 0) {
			weir_log(WEIR_WARNING, "%s: accept: %s", l->path, strerror(errno));
			ev_io_stop(loop, io);
			ev_timer_set(&l->again, ACCEPT_AGAIN_S, 0);
			ev_timer_start(loop, &l->again);
			return;
		}
		ask(l, fd);
	}
}

static int path_free(const char *path, const struct sockaddr_un *a, struct cfg_error *err)
{
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)a, sizeof(*a));
	if (fd >= 0)
		close(fd);
	if (rc == 0 || !S_ISSOCK(st.st_mode)) {
		snprintf(err->reason, sizeof(err->reason), "%s",
			 rc == 0 ? "another weir-switchd listens on this socket"
				 : "there is a file of that name which is no socket");
		return -EADDRINUSE;
	}
	return unlink(path) < 0 ? -errno : 0;
}

int ctl_listener_start(struct ctl_listener *l, struct ev_loop *loop, struct cfg_error *err)
{
	const struct ctl_names_ops names = { ctl_names_look_up, l->accepted };
	const struct group *weir = getgrnam("weir");
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = -1, rc;

	snprintf(err->value, sizeof(err->value), "%s", l->path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", l->path);
	rc = path_free(l->path, &a, err);
	if (rc < 0)
		return rc;
	rc = ctl_names_create(loop, &names, l->arg, &l->names);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(l->path, weir == NULL ? 0600 : 0660) < 0 ||
	    (weir != NULL && chown(l->path, (uid_t)-1, weir->gr_gid) < 0) ||
	    listen(fd, BACKLOG) < 0) {
		rc = -errno;
		snprintf(err->reason, sizeof(err->reason), "socket: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		ctl_names_destroy(l->names);
		return rc;
	}
	ev_io_init(&l->io, on_accept, fd, EV_READ);
	ev_timer_init(&l->again, on_again, 0, 0);
	l->io.data = l->again.data = l;
	ev_io_start(loop, &l->io);
	memset(err, 0, sizeof(*err));
	return 0;
}

void ctl_listener_stop(struct ctl_listener *l, struct ev_loop *loop)
{
	if (l->io.data == NULL)
		return;
	ev_io_stop(loop, &l->io);
	ev_timer_stop(loop, &l->again);
	close(l->io.fd);
	unlink(l->path);
	ctl_names_destroy(l->names);
	l->io.data = NULL;
}
