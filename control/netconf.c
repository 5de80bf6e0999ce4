// NETCONF sessions: sshd's subsystem (weir-netconf) and local clients, on netconf.sock beside the
// socket of local tools. Bytes go to and from the engine in config/; nothing is waited for. One
// message of a client is done in a turn of the loop, so many at once delay others by one each.
//
// When all places are taken, one that has not said hello yet gives way, the oldest first: who only
// connects keeps nobody out. For root, whom access control does not bind, the session of another
// user that was idle longest gives way.
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
	FLUSH_ROUNDS = 4, // of one turn; the rest has its time in the next
	MESSAGE_S = 120,  // from a message's first byte to its last
};

struct nc_client {
	struct ctl_conn conn; // first
	struct ctl_netconf *server;
	struct cfg_session *session;
	bool recovery;
	ev_tstamp since; // it came, or its last whole message
	ev_tstamp began; // the message that is coming; 0 = none
	size_t at, size; // of bytes
	char bytes[READ_BYTES];
};

struct ctl_netconf {
	struct ctl *ctl;
	struct ctl_listener listen;
	struct ev_timer tick;
	struct nc_client *clients[SESSIONS_MAX];
	struct ev_prepare flush; // before the loop waits
	bool said;		 // a session may have something to say, or has ended
	struct weir_limit full, slow;
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
	if (cfg_session_failed(cl->session)) {
		ctl_conn_close(&cl->conn);
		return;
	}
	if (cfg_session_ended(cl->session) && !cl->conn.closing)
		ctl_conn_finish(&cl->conn);
}

// Not now: a connection may be closed by it, a commit rolled back by that, and whoever calls may be
// in the middle of the configuration, or of the session itself.
void ctl_netconf_flush(struct ctl *c)
{
	if (c->netconf != NULL)
		c->netconf->said = true;
}

static void on_flush(struct ev_loop *loop, struct ev_prepare *p, int revents)
{
	struct ctl_netconf *n = p->data;

	(void)loop;
	(void)revents;
	// Closing one session may give others something to hear.
	for (int round = 0; round < FLUSH_ROUNDS && n->said; round++) {
		n->said = false;
		for (uint32_t i = 0; i < SESSIONS_MAX; i++)
			if (n->clients[i] != NULL)
				carry(n->clients[i]);
		ctl_server_reap(n->ctl);
	}
}

// returns false when the connection is gone
static bool read_some(struct nc_client *cl)
{
	ssize_t n = read(cl->conn.io.fd, cl->bytes, sizeof(cl->bytes));

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		ctl_conn_close(&cl->conn);
		return false;
	}
	// It says no more, but may still read what it asked for.
	if (n == 0)
		cfg_session_end(cl->session, "dropped");
	cl->at = 0;
	cl->size = n > 0 ? (size_t)n : 0;
	return true;
}

static void on_input(struct ctl_conn *conn)
{
	struct nc_client *cl = (struct nc_client *)conn;
	struct ctl *c = cl->server->ctl;
	ev_tstamp now = ev_now(conn->loop);

	if (cl->at == cl->size && !read_some(cl))
		return;
	cl->at += cfg_session_take(cl->session, cl->bytes + cl->at, cl->size - cl->at);
	if (!cfg_session_midway(cl->session)) {
		cl->since = now;
		cl->began = 0;
	} else if (cl->began == 0) {
		cl->began = now;
	}
	if (cl->at < cl->size)
		ctl_conn_again(conn);
	ctl_netconf_flush(c);
}

static const struct ctl_conn_ops ops = { "netconf", on_input, on_closed };

// Who gives way: one that has not begun; for root, also one of another user.
static bool may_go(const struct nc_client *cl, bool recovery)
{
	return (!cfg_session_greeted(cl->session) && !ctl_conn_has_input(&cl->conn)) ||
	       (recovery && !cl->recovery);
}

static bool sooner(const struct nc_client *a, const struct nc_client *b)
{
	bool begun = cfg_session_greeted(a->session);

	return begun != cfg_session_greeted(b->session) ? !begun : a->since < b->since;
}

// A place for one more. returns SESSIONS_MAX when all are taken by sessions that stay
static uint32_t place(struct ctl_netconf *n, bool recovery)
{
	uint32_t max = n->ctl->running->management.max_sessions, used = 0;
	uint32_t go = SESSIONS_MAX, empty = SESSIONS_MAX;

	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		const struct nc_client *cl = n->clients[i];

		if (cl == NULL) {
			empty = empty == SESSIONS_MAX ? i : empty;
			continue;
		}
		used++;
		if (may_go(cl, recovery) && (go == SESSIONS_MAX || sooner(cl, n->clients[go])))
			go = i;
	}
	if (used < max && empty < SESSIONS_MAX)
		return empty;
	if (go < SESSIONS_MAX)
		ctl_conn_close(&n->clients[go]->conn);
	return go;
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
	cl->recovery = peer->recovery;
	cl->since = ev_now(n->ctl->loop);
	ctl_conn_init(&cl->conn, n->ctl->loop, fd, &ops);
	*out = cl;
	return 0;
}

static void on_accepted(void *arg, int fd, const struct ctl_peer *peer)
{
	struct ctl_netconf *n = arg;
	uint32_t at = place(n, peer->recovery);

	if (at == SESSIONS_MAX || client_create(n, fd, peer, &n->clients[at]) < 0) {
		weir_log_limited(
			&n->full, WEIR_WARNING,
			"netconf: a client of %s was turned away: max-sessions %u is reached",
			peer->user, n->ctl->running->management.max_sessions);
		close(fd);
		at = SESSIONS_MAX;
	}
	// Its hello may be here already: before a flood of others takes its place.
	if (at < SESSIONS_MAX)
		on_input(&n->clients[at]->conn);
	ctl_netconf_flush(n->ctl);
}

// Has it had its time? returns what for, or NULL
static const char *overdue(const struct nc_client *cl, const struct cfg_management *m)
{
	ev_tstamp now = ev_now(cl->conn.loop);

	if (!cfg_session_greeted(cl->session))
		return now - cl->since > m->hello_timeout_s ? "hello-timeout" : NULL;
	if (cl->began != 0 && now - cl->began > MESSAGE_S)
		return "the end of a message";
	// Who waits for an answer or for notifications is not idle.
	if (m->idle_timeout_s == 0 || cfg_session_subscribed(cl->session) ||
	    ctl_conn_unread(&cl->conn) > 0 || now - cl->since <= m->idle_timeout_s)
		return NULL;
	return "idle-timeout";
}

static void end_overdue(struct ctl_netconf *n)
{
	for (uint32_t i = 0; i < SESSIONS_MAX; i++) {
		struct nc_client *cl = n->clients[i];
		const char *what;

		if (cl == NULL || cl->conn.closing)
			continue;
		what = overdue(cl, &n->ctl->running->management);
		if (what == NULL)
			continue;
		weir_log_limited(&n->slow, WEIR_INFO, "netconf: session %u ends: %s",
				 cfg_session_id(cl->session), what);
		cfg_session_end(cl->session, "timeout");
	}
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_netconf *n = t->data;

	(void)loop;
	(void)revents;
	cfg_store_tick(n->ctl->store);
	end_overdue(n);
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
	ev_prepare_init(&n->flush, on_flush);
	n->tick.data = n->flush.data = n;
	ev_timer_start(c->loop, &n->tick);
	ev_prepare_start(c->loop, &n->flush);
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
	ev_prepare_stop(c->loop, &n->flush);
	for (uint32_t i = 0; i < SESSIONS_MAX; i++)
		if (n->clients[i] != NULL)
			ctl_conn_close(&n->clients[i]->conn);
	free(n);
	c->netconf = NULL;
}
