// NETCONF sessions: sshd's subsystem (weir-netconf) and local clients, on netconf.sock beside the
// socket of local tools. Bytes go to and from the engine in config/; nothing is waited for.
//
// When all places are taken, one that has not said hello yet gives way, the oldest first: who only
// connects keeps nobody out.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conn.h"
#include "control_priv.h"
#include "weir_log.h"

enum {
	SESSIONS_MAX = 64,
	READ_BYTES = 65536,
	OUT_MAX = 64 << 20,
};

struct nc_client {
	struct ctl_conn conn; // first
	struct ctl_netconf *server;
	struct cfg_session *session;
	ev_tstamp since; // heard from last
};

struct ctl_netconf {
	struct ctl *ctl;
	struct ctl_listener listen;
	struct ev_timer tick;
	struct nc_client *clients[SESSIONS_MAX];
	bool busy; // output is being carried
};

static void on_closed(struct ctl_conn *conn)
{
	struct nc_client *cl = (struct nc_client *)conn;
	struct ctl_netconf *n = cl->server;

	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (n->clients[i] == cl)
			n->clients[i] = NULL;
	cfg_session_destroy(cl->session);
	free(cl);
	ctl_netconf_flush(n->ctl);
}

// What a session has to say goes to its socket.
static void carry(struct nc_client *cl)
{
	size_t size;
	const char *out = cfg_session_output(cl->session, &size);

	if (size > 0 && !ctl_conn_put(&cl->conn, out, size, OUT_MAX)) {
		ctl_conn_close(&cl->conn);
		return;
	}
	cfg_session_sent(cl->session, size);
	if (cfg_session_ended(cl->session) && !cl->conn.closing)
		ctl_conn_finish(&cl->conn);
}

void ctl_netconf_flush(struct ctl *c)
{
	struct ctl_netconf *n = c->netconf;

	// Closing one session may give others something to hear; the outer call sees to it.
	if (n == NULL || n->busy)
		return;
	n->busy = true;
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < SESSIONS_MAX; i++)
			if (n->clients[i] != NULL)
				carry(n->clients[i]);
	n->busy = false;
}

static void on_input(struct ctl_conn *conn)
{
	static char bytes[READ_BYTES]; // main thread only
	struct nc_client *cl = (struct nc_client *)conn;
	struct ctl *c = cl->server->ctl;
	ssize_t n = read(conn->io.fd, bytes, sizeof(bytes));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		ctl_conn_close(conn);
		return;
	}
	cl->since = ev_now(conn->loop);
	if (n > 0)
		cfg_session_input(cl->session, bytes, (size_t)n);
	ctl_netconf_flush(c);
}

static const struct ctl_conn_ops ops = { "netconf", on_input, on_closed };

// A place for one more. returns SESSIONS_MAX when all are taken by sessions that have begun
static uint32_t place(struct ctl_netconf *n)
{
	uint32_t oldest = SESSIONS_MAX;

	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		if (n->clients[i] == NULL)
			return i;
		if (!cfg_session_greeted(n->clients[i]->session) &&
		    (oldest == SESSIONS_MAX || n->clients[i]->since < n->clients[oldest]->since))
			oldest = i;
	}
	if (oldest < SESSIONS_MAX)
		ctl_conn_close(&n->clients[oldest]->conn);
	return oldest;
}

static int client_create(struct ctl_netconf *n, int fd, const struct ctl_peer *peer,
			 struct nc_client **out)
{
	const struct cfg_client who = {
		.user = peer->user,
		.groups = (const char *const *)peer->groups,
		.n_groups = peer->n_groups,
		.recovery = peer->recovery,
		.client = "netconf",
	};
	struct nc_client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || cfg_session_create(n->ctl->store, &who, true, &cl->session) < 0) {
		free(cl);
		return -ENOMEM;
	}
	cl->server = n;
	cl->since = ev_now(n->ctl->loop);
	ctl_conn_init(&cl->conn, n->ctl->loop, fd, &ops);
	*out = cl;
	return 0;
}

static void on_accepted(void *arg, int fd)
{
	struct ctl_netconf *n = arg;
	struct ctl_peer peer;
	uint32_t at = SESSIONS_MAX;

	if (ctl_peer_read(fd, &peer) == 0)
		at = place(n);
	if (at == SESSIONS_MAX || client_create(n, fd, &peer, &n->clients[at]) < 0) {
		weir_log(WEIR_WARNING, "netconf: a client was turned away: %d sessions are open",
			 SESSIONS_MAX);
		close(fd);
	}
	ctl_peer_fini(&peer);
	ctl_netconf_flush(n->ctl);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_netconf *n = t->data;

	(void)loop;
	(void)revents;
	cfg_store_tick(n->ctl->store);
	ctl_netconf_flush(n->ctl);
}

int ctl_netconf_start(struct ctl *c, struct cfg_error *err)
{
	const char *slash = strrchr(c->socket_path, '/');
	struct ctl_netconf *n = calloc(1, sizeof(*n));
	int dir_size = slash == NULL ? 0 : (int)(slash + 1 - c->socket_path), rc;

	if (n == NULL)
		return -ENOMEM;
	n->ctl = c;
	if (dir_size + strlen("netconf.sock") >= sizeof(n->listen.path)) {
		free(n);
		snprintf(err->value, sizeof(err->value), "%.*snetconf.sock",
			 dir_size > 100 ? 100 : dir_size, c->socket_path);
		snprintf(err->reason, sizeof(err->reason),
			 "NETCONF socket: path is longer than %zu bytes",
			 sizeof(n->listen.path) - 1);
		return -ENAMETOOLONG;
	}
	snprintf(n->listen.path, sizeof(n->listen.path), "%.*snetconf.sock", dir_size,
		 c->socket_path);
	n->listen.accepted = on_accepted;
	n->listen.arg = n;
	rc = ctl_listener_start(&n->listen, c->loop, err);
	if (rc < 0) {
		free(n);
		return rc;
	}
	ev_timer_init(&n->tick, on_tick, 0.25, 0.25);
	n->tick.data = n;
	ev_timer_start(c->loop, &n->tick);
	c->netconf = n;
	return 0;
}

void ctl_netconf_stop(struct ctl *c)
{
	struct ctl_netconf *n = c->netconf;

	if (n == NULL)
		return;
	ctl_listener_stop(&n->listen, c->loop);
	ev_timer_stop(c->loop, &n->tick);
	n->busy = true;
	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (n->clients[i] != NULL)
			ctl_conn_close(&n->clients[i]->conn);
	free(n);
	c->netconf = NULL;
}
