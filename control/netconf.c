// The UNIX socket of NETCONF sessions: sshd's subsystem (weir-netconf) and local clients. Bytes go
// to and from the engine in config/; nothing is waited for. Root and the daemon's own user only,
// until access control is there.
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cfg_netconf.h"
#include "control_priv.h"
#include "weir_log.h"

enum {
	SESSIONS_MAX = 64,
	READ_BYTES = 65536,
	OUT_MAX = 64 << 20,
	WRITE_DEADLINE_S = 10,
};

struct nc_client {
	struct ctl_netconf *server;
	struct ev_io io;
	struct ev_timer deadline; // no progress in writing
	struct cfg_session *session;
	uint32_t id;
};

struct ctl_netconf {
	struct ctl *ctl;
	struct ev_io listen;
	struct cfg_store *store;
	struct nc_client *clients[SESSIONS_MAX];
	uint32_t last_id;
	char path[108];
};

static void close_client(struct nc_client *cl)
{
	struct ctl_netconf *n = cl->server;

	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (n->clients[i] == cl)
			n->clients[i] = NULL;
	ev_io_stop(n->ctl->loop, &cl->io);
	ev_timer_stop(n->ctl->loop, &cl->deadline);
	close(cl->io.fd);
	cfg_session_destroy(cl->session);
	free(cl);
}

// Send what there is. returns false when the client is gone
static bool flush(struct nc_client *cl)
{
	struct ev_loop *loop = cl->server->ctl->loop;
	size_t size;
	const char *out = cfg_session_output(cl->session, &size);
	ssize_t n = size == 0 ? 0 : send(cl->io.fd, out, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	int want;

	if ((n < 0 && errno != EAGAIN) || size > OUT_MAX) {
		close_client(cl);
		return false;
	}
	if (n > 0) {
		cfg_session_sent(cl->session, (size_t)n);
		ev_timer_again(loop, &cl->deadline);
	}
	if (n == (ssize_t)size) {
		ev_timer_stop(loop, &cl->deadline);
		if (cfg_session_ended(cl->session)) {
			close_client(cl);
			return false;
		}
	}
	want = (cfg_session_ended(cl->session) ? 0 : EV_READ) | (n < (ssize_t)size ? EV_WRITE : 0);
	if ((cl->io.events & (EV_READ | EV_WRITE)) != want) {
		ev_io_stop(loop, &cl->io);
		ev_io_set(&cl->io, cl->io.fd, want);
		ev_io_start(loop, &cl->io);
	}
	return true;
}

static void kill_asked(struct ctl_netconf *n)
{
	uint32_t id = cfg_store_killed(n->store);

	for (uint32_t i = 0; id != 0 && i < SESSIONS_MAX; i++) {
		if (n->clients[i] != NULL && n->clients[i]->id == id) {
			close_client(n->clients[i]);
			return;
		}
	}
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int revents)
{
	static char bytes[READ_BYTES]; // main thread only
	struct nc_client *cl = io->data;
	struct ctl_netconf *server = cl->server;

	(void)loop;
	if ((revents & EV_READ) != 0) {
		ssize_t n = read(io->fd, bytes, sizeof(bytes));

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			close_client(cl);
			return;
		}
		if (n > 0)
			cfg_session_input(cl->session, bytes, (size_t)n);
	}
	if (flush(cl))
		kill_asked(server);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct nc_client *cl = t->data;

	(void)loop;
	(void)revents;
	weir_log(WEIR_WARNING, "netconf session %u: does not read its answer: cut", cl->id);
	close_client(cl);
}

static bool peer(int fd, char *user, size_t size)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	const struct passwd *pw;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    (cred.uid != 0 && cred.uid != geteuid()))
		return false;
	pw = getpwuid(cred.uid);
	snprintf(user, size, "%s", pw == NULL ? "?" : pw->pw_name);
	return true;
}

static void open_client(struct ctl_netconf *n, uint32_t slot, int fd, const char *user)
{
	struct nc_client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || cfg_session_create(n->store, n->last_id + 1, user, &cl->session) < 0) {
		free(cl);
		close(fd);
		return;
	}
	cl->id = ++n->last_id;
	cl->server = n;
	ev_io_init(&cl->io, on_client, fd, EV_READ);
	ev_timer_init(&cl->deadline, on_deadline, 0, WRITE_DEADLINE_S);
	cl->io.data = cl->deadline.data = cl;
	ev_io_start(n->ctl->loop, &cl->io);
	n->clients[slot] = cl;
	flush(cl);
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct ctl_netconf *n = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char user[64];

	(void)loop;
	(void)revents;
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < SESSIONS_MAX && peer(fd, user, sizeof(user)); i++) {
		if (n->clients[i] == NULL) {
			open_client(n, i, fd, user);
			return;
		}
	}
	weir_log(WEIR_WARNING,
		 "netconf: a client was turned away: more than %d sessions, or not root",
		 SESSIONS_MAX);
	close(fd);
}

static int on_commit(void *arg, struct cfg *next, const char *user, struct cfg_error *err)
{
	int rc = ctl_apply(arg, next, false, NULL, err);

	if (rc == 0)
		weir_log(WEIR_NOTICE, "configuration: committed by %s", user);
	return rc;
}

int ctl_netconf_start(struct ctl *c, struct cfg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const char *slash = strrchr(c->socket_path, '/');
	struct ctl_netconf *n = calloc(1, sizeof(*n));
	int dir_size = slash == NULL ? 0 : (int)(slash + 1 - c->socket_path), fd, rc;

	if (dir_size + strlen("netconf.sock") >= sizeof(a.sun_path)) {
		free(n);
		snprintf(err->value, sizeof(err->value), "%.*snetconf.sock", dir_size,
			 c->socket_path);
		snprintf(err->reason, sizeof(err->reason),
			 "NETCONF socket: path is longer than %zu bytes", sizeof(a.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	if (n == NULL || cfg_store_create(c->schema, on_commit, c, &n->store) < 0) {
		free(n);
		return -ENOMEM;
	}
	// Beside the socket of the local tools, which says that no other daemon is there.
	snprintf(n->path, sizeof(n->path), "%.*snetconf.sock", dir_size, c->socket_path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", n->path);
	unlink(n->path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    chmod(n->path, 0600) < 0 || listen(fd, 16) < 0) {
		rc = -errno;
		snprintf(err->value, sizeof(err->value), "%s", n->path);
		snprintf(err->reason, sizeof(err->reason), "NETCONF socket: %s", strerror(-rc));
		if (fd >= 0)
			close(fd);
		cfg_store_destroy(n->store);
		free(n);
		return rc;
	}
	n->ctl = c;
	ev_io_init(&n->listen, on_accept, fd, EV_READ);
	n->listen.data = n;
	ev_io_start(c->loop, &n->listen);
	c->netconf = n;
	return 0;
}

int ctl_netconf_loaded(struct ctl *c, const char *json, size_t size, struct cfg_error *err)
{
	return c->netconf == NULL ? 0 : cfg_store_load(c->netconf->store, json, size, err);
}

void ctl_netconf_stop(struct ctl *c)
{
	struct ctl_netconf *n = c->netconf;

	if (n == NULL)
		return;
	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (n->clients[i] != NULL)
			close_client(n->clients[i]);
	ev_io_stop(c->loop, &n->listen);
	close(n->listen.fd);
	unlink(n->path);
	cfg_store_destroy(n->store);
	free(n);
	c->netconf = NULL;
}
