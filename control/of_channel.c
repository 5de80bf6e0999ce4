// See of_channel.h. One link is one socket with its agent's connection; one turn of the agent
// (time, packet-ins, promises) is followed by a look at every link.
#include "of_channel_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dp_switch.h"
#include "weir_log.h"

enum {
	SERVICES_MAX = OF_CONNS_MAX - CFG_CONTROLLERS, // so that controllers find a place
	ACCEPTS = 8,
	RECORDS = 16, // of TLS, of one turn of a link
	WRITES = 16,  // of one turn of a link
};

#define CONNECT_S 10.0	 // for a connection, and for TLS
#define LINGER_S 5.0	 // for what is left to say
#define RETRY_S 10.0	 // of a listener, where nobody could ask again
#define TURN_S 0.1	 // at the latest
#define TURN_NS 5000000u // of one, until what is read waits for the next
#define ACCEPT_AGAIN_S 1.0

static void attempt(struct remote *r);

// --- Links

static void link_free(struct link *l)
{
	struct link **at = &l->ch->links;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	ev_io_stop(l->ch->p.loop, &l->io);
	close(l->io.fd);
	of_conn_close(l->conn);
	ctl_tls_free(l->tls);
	if (l->remote == NULL)
		l->ch->n_services--;
	free(l);
}

static void later(struct remote *r)
{
	struct ctl_of_channel *ch = r->ch;
	double jitter;

	// Half to all of it, or many switches would come back at once.
	ch->seed = ch->seed * 1664525u + 1013904223u;
	jitter = 0.5 + (double)(ch->seed >> 8) / (1u << 25);
	ev_timer_stop(ch->p.loop, &r->again);
	ev_timer_set(&r->again, r->backoff_s * jitter, 0);
	ev_timer_start(ch->p.loop, &r->again);
	r->backoff_s =
		r->backoff_s * 2 < r->conf.max_backoff_s ? r->backoff_s * 2 : r->conf.max_backoff_s;
	r->since = ev_now(ch->p.loop);
}

// The connection is over; a controller is tried again.
static void link_end(struct link *l, const char *why)
{
	struct remote *r = l->remote;

	if (r == NULL) {
		weir_log(WEIR_INFO, "openflow: %s (%s) left: %s", l->name, l->peer, why);
		link_free(l);
		return;
	}
	if (l->was_up)
		weir_log(WEIR_WARNING, "openflow: controller %s (%s) is lost: %s", l->name, l->peer,
			 why);
	else if (strcmp(r->last_error, why) != 0) // once, not at each attempt
		weir_log(WEIR_WARNING, "openflow: controller %s (%s): %s", l->name, l->peer, why);
	if (l->was_up)
		r->backoff_s = 1;
	snprintf(r->last_error, sizeof(r->last_error), "%s", why);
	link_free(l);
	r->link = NULL;
	later(r);
}

static bool link_is_up(struct link *l)
{
	struct of_conn_info info;

	if (l->conn == NULL)
		return false;
	of_conn_info(l->conn, &info);
	return info.up;
}

// Bytes that are ready for the socket. returns NULL = none
static const uint8_t *ready(struct link *l, size_t *size)
{
	const uint8_t *plain = of_conn_output(l->conn, size);

	if (l->tls == NULL)
		return *size == 0 ? NULL : plain;
	if (l->out_at == l->out_size) {
		l->out_at = 0;
		l->out_size = ctl_tls_output(l->tls, l->out, sizeof(l->out));
	}
	if (l->out_at == l->out_size && *size > 0) {
		of_conn_sent(l->conn, ctl_tls_write(l->tls, plain,
						    *size < CTL_OF_BYTES ? *size : CTL_OF_BYTES));
		l->out_size = ctl_tls_output(l->tls, l->out, sizeof(l->out));
	}
	*size = l->out_size - l->out_at;
	return *size == 0 ? NULL : l->out + l->out_at;
}

// returns 0 = done, 1 = the socket is full, or it has had its share; or a negative errno
static int write_out(struct link *l)
{
	for (uint32_t i = 0; i < WRITES; i++) {
		size_t size;
		const uint8_t *bytes = ready(l, &size);
		ssize_t n;

		if (bytes == NULL)
			return 0;
		n = send(l->io.fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 1 : -errno;
		if (l->tls == NULL)
			of_conn_sent(l->conn, (size_t)n);
		else
			l->out_at += (size_t)n;
	}
	return 1;
}

// One turn for all that happened in this round of the loop: it comes when all of that was heard.
static void turn_soon(struct ctl_of_channel *ch)
{
	ev_feed_event(ch->p.loop, &ch->tick, EV_TIMER);
}

// What was read goes to the agent. returns false: not all of it can now
static bool give(struct link *l)
{
	int took;

	if (l->at == l->size || l->ch->is_late || !of_conn_wants_input(l->conn))
		return l->at == l->size;
	took = of_conn_input(l->conn, l->in + l->at, l->size - l->at, dp_switch_now_ns());
	l->at = took < 0 ? l->size : l->at + (size_t)took;
	return l->at == l->size;
}

// returns 0, or a negative errno with why
static int take(struct link *l, char *why, size_t why_size)
{
	ssize_t n = recv(l->io.fd, l->in, sizeof(l->in), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		snprintf(why, why_size, "%s", n == 0 ? "closed by the peer" : strerror(errno));
		return -EPIPE;
	}
	l->at = 0;
	l->size = (size_t)n;
	if (l->tls == NULL)
		return 0;
	l->size = 0;
	if (ctl_tls_feed(l->tls, l->in, (size_t)n) < 0) {
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

// Of TLS: the next of what was received. returns as take()
static int decrypt(struct link *l, char *why, size_t why_size)
{
	int n;

	if (l->tls == NULL || l->at < l->size || !of_conn_wants_input(l->conn))
		return 0;
	n = ctl_tls_read(l->tls, l->in, sizeof(l->in));
	if (n < 0) {
		(void)write_out(l); // what TLS says of it
		snprintf(why, why_size, "%s", ctl_tls_error(l->tls));
		return n;
	}
	l->at = 0;
	l->size = (size_t)n;
	return 0;
}

static void watch(struct link *l, int events)
{
	if ((l->io.events & (EV_READ | EV_WRITE)) == events &&
	    ev_is_active(&l->io) == (events != 0))
		return;
	ev_io_stop(l->ch->p.loop, &l->io);
	ev_io_set(&l->io, l->io.fd, events);
	if (events != 0)
		ev_io_start(l->ch->p.loop, &l->io);
}

static void up_look(struct link *l)
{
	struct of_conn_info info;

	if (l->was_up || !link_is_up(l))
		return;
	of_conn_info(l->conn, &info);
	l->was_up = true;
	l->since = ev_now(l->ch->p.loop);
	if (l->remote == NULL)
		return;
	l->remote->backoff_s = 1;
	l->remote->last_error[0] = '\0';
	weir_log(WEIR_NOTICE, "openflow: controller %s (%s) is connected, OpenFlow 1.%u", l->name,
		 l->peer, info.version - 1u);
}

// Agent's output to the socket, what was read to the agent. returns false: the link is gone
static bool carry(struct link *l)
{
	ev_tstamp now = ev_now(l->ch->p.loop);
	char why[128] = "";
	int rc = 0, left;
	bool given;

	if (l->conn == NULL) {
		if (now - l->since > CONNECT_S)
			link_end(l, "no connection within 10 s");
		return now - l->since <= CONNECT_S;
	}
	given = give(l);
	for (uint32_t i = 0; given && rc == 0 && i < RECORDS; i++) {
		rc = decrypt(l, why, sizeof(why));
		l->more = l->at < l->size;
		if (!l->more)
			break;
		given = give(l);
	}
	left = write_out(l);
	if (rc < 0 || left < 0) {
		link_end(l, rc < 0 ? why : strerror(-left));
		return false;
	}
	up_look(l);
	if (of_conn_over(l->conn)) {
		struct of_conn_info info;

		l->over_since = l->over_since == 0 ? now : l->over_since;
		of_conn_info(l->conn, &info);
		if (left == 0 || now - l->over_since > LINGER_S) {
			link_end(l, info.last_error);
			return false;
		}
	}
	watch(l, (given && of_conn_wants_input(l->conn) ? EV_READ : 0) | (left > 0 ? EV_WRITE : 0));
	return true;
}

// Has it something that the agent would take now, or the agent more for it than waits?
static bool is_hungry(const struct link *l)
{
	size_t size;

	if (l->conn != NULL && of_conn_is_busy(l->conn)) {
		(void)of_conn_output(l->conn, &size);
		return size == 0; // else the socket says when to go on
	}
	return l->conn != NULL && (l->more || l->at < l->size) && of_conn_wants_input(l->conn);
}

static void connected(struct link *l);

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct link *l = io->data;
	char why[128];

	(void)loop;
	if (l->conn == NULL) {
		connected(l);
		return;
	}
	if ((revents & EV_READ) != 0 && l->at == l->size && take(l, why, sizeof(why)) < 0) {
		link_end(l, why);
		return;
	}
	turn_soon(l->ch);
}

// A link on fd, which it owns; NULL = no memory, and fd is closed.
static struct link *link_make(struct ctl_of_channel *ch, int fd, const char *name)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		close(fd);
		return NULL;
	}
	l->ch = ch;
	l->since = ev_now(ch->p.loop);
	snprintf(l->name, sizeof(l->name), "%s", name);
	l->next = ch->links;
	ch->links = l;
	ev_io_init(&l->io, on_io, fd, EV_READ);
	l->io.data = l;
	return l;
}

// The socket is connected: TLS and the agent begin. returns 0, or a negative errno with why
// tls_name: NULL = no TLS; else the name in the peer's certificate, "" = any.
static int link_begin(struct link *l, const char *tls_name, uint32_t probe_s, const char **why)
{
	struct of_conn_params p = {
		.service = l->remote == NULL,
		.allow_14 = l->ch->allow_14,
		.probe_s = probe_s,
	};
	int rc = 0;

	*why = "out of memory";
	if (tls_name != NULL && l->ch->tls == NULL) {
		*why = "no certificate was read";
		return -ENOENT;
	}
	if (tls_name != NULL)
		rc = ctl_tls_create(l->ch->tls, l->remote == NULL, tls_name, &l->tls);
	if (rc < 0)
		return rc;
	snprintf(p.name, sizeof(p.name), "%s", l->name);
	rc = of_conn_open(l->ch->p.agent, &p, dp_switch_now_ns(), &l->conn);
	if (rc == -ENOSPC)
		*why = "too many connections";
	return rc;
}

// --- Controllers

static void connected(struct link *l)
{
	struct remote *r = l->remote;
	const char *why;
	int code = 0, on = 1;
	socklen_t size = sizeof(code);

	if (getsockopt(l->io.fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
		code = errno;
	if (code != 0) {
		link_end(l, strerror(code));
		return;
	}
	setsockopt(l->io.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	l->since = ev_now(l->ch->p.loop);
	if (link_begin(l, r->conf.tls ? r->conf.peer_name : NULL, r->conf.probe_s, &why) < 0) {
		link_end(l, why);
		return;
	}
	watch(l, EV_READ | EV_WRITE);
}

static void on_again(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	attempt(t->data);
}

static void attempt(struct remote *r)
{
	struct link *l;
	int fd;

	r->attempts++;
	fd = ctl_of_connect(r->conf.addr, r->conf.port);
	l = fd < 0 ? NULL : link_make(r->ch, fd, r->conf.name);
	if (l == NULL) {
		snprintf(r->last_error, sizeof(r->last_error), "%s",
			 fd < 0 ? strerror(-fd) : "out of memory");
		later(r);
		return;
	}
	ctl_of_place(r->conf.addr, r->conf.port, l->peer, sizeof(l->peer));
	l->remote = r;
	r->link = l;
	watch(l, EV_WRITE);
}

struct remote *ctl_of_remote_make(struct ctl_of_channel *ch, const struct cfg_controller *conf)
{
	struct remote *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->ch = ch;
	r->conf = *conf;
	r->backoff_s = 1;
	r->since = ev_now(ch->p.loop);
	ev_timer_init(&r->again, on_again, 0, 0);
	r->again.data = r;
	ev_timer_start(ch->p.loop, &r->again);
	return r;
}

void ctl_of_remote_free(struct remote *r)
{
	if (r == NULL)
		return;
	ev_timer_stop(r->ch->p.loop, &r->again);
	if (r->link != NULL)
		link_free(r->link);
	free(r);
}

// --- Listeners

static void welcome(struct listener *ls, int fd)
{
	struct ctl_of_channel *ch = ls->ch;
	const char *why = "too many service connections";
	struct link *l;
	char name[64];
	int on = 1;

	if (ch->n_services >= SERVICES_MAX) {
		weir_log(WEIR_WARNING, "openflow: listener %s: a client was turned away: %s",
			 ls->conf.name, why);
		close(fd);
		return;
	}
	snprintf(name, sizeof(name), "%s-%u", ls->conf.name, ++ch->n_accepted);
	l = link_make(ch, fd, name);
	if (l == NULL)
		return;
	l->from = ls;
	ch->n_services++;
	if (ls->conf.path[0] == '\0')
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	ctl_of_peer(fd, l->peer, sizeof(l->peer));
	if (link_begin(l, ls->conf.tls ? ls->conf.peer_name : NULL, 60, &why) < 0)
		link_end(l, why);
	else
		watch(l, EV_READ | EV_WRITE);
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct listener *ls = io->data;

	(void)revents;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			welcome(ls, fd);
			continue;
		}
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		// Out of descriptors: the client stays in the queue until there are some.
		weir_log(WEIR_WARNING, "openflow: listener %s: accept: %s", ls->conf.name,
			 strerror(errno));
		ev_io_stop(loop, io);
		ev_timer_set(&ls->again, ACCEPT_AGAIN_S, 0);
		ev_timer_start(loop, &ls->again);
		return;
	}
}

static void listener_open(struct listener *ls, int fd)
{
	ev_io_set(&ls->io, fd, EV_READ);
	ev_io_start(ls->ch->p.loop, &ls->io);
}

static void on_listener_again(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct listener *ls = t->data;
	struct cfg_error err;
	int fd;

	(void)revents;
	if (ls->io.fd >= 0) {
		ev_io_start(loop, &ls->io);
		return;
	}
	fd = ctl_of_listen(&ls->conf, &err);
	if (fd >= 0) {
		weir_log(WEIR_NOTICE, "openflow: listener %s listens now", ls->conf.name);
		ls->last_error[0] = '\0';
		listener_open(ls, fd);
		return;
	}
	snprintf(ls->last_error, sizeof(ls->last_error), "%s", err.reason);
	ev_timer_set(t, RETRY_S, 0);
	ev_timer_start(loop, t);
}

struct listener *ctl_of_listener_make(struct ctl_of_channel *ch, const struct cfg_listener *conf,
				      int fd)
{
	struct listener *ls = calloc(1, sizeof(*ls));

	if (ls == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	ls->ch = ch;
	ls->conf = *conf;
	ev_io_init(&ls->io, on_accept, fd, EV_READ);
	ev_timer_init(&ls->again, on_listener_again, RETRY_S, 0);
	ls->io.data = ls->again.data = ls;
	if (fd >= 0)
		listener_open(ls, fd);
	else
		ev_timer_start(ch->p.loop, &ls->again);
	return ls;
}

// Why a client of its listener may no longer be there. returns NULL = it may
static const char *forbidden(const struct link *l)
{
	const struct cfg_listener *conf = &l->from->conf;

	if (conf->tls && l->tls == NULL)
		return "its listener wants TLS now";
	if (conf->tls && !ctl_tls_is_for(l->tls, conf->peer_name))
		return "its certificate is not for the peer-name that its listener wants now";
	return NULL;
}

// why: NULL = those that may not be there any more
static void clients_end(struct listener *ls, const char *why)
{
	for (struct link *l = ls->ch->links, *after; l != NULL; l = after) {
		const char *now = l->from != ls ? NULL : why == NULL ? forbidden(l) : why;

		after = l->next;
		if (now != NULL)
			link_end(l, now);
	}
}

void ctl_of_links_recheck(struct ctl_of_channel *ch)
{
	for (struct link *l = ch->links, *after; l != NULL; l = after) {
		after = l->next;
		if (l->tls != NULL && !ctl_tls_is_trusted(l->tls, ch->tls))
			link_end(l, "ca-certificate is another now, and not its certificate's");
	}
}

void ctl_of_listener_recheck(struct listener *ls)
{
	clients_end(ls, NULL);
}

void ctl_of_listener_free(struct listener *ls)
{
	if (ls == NULL)
		return;
	clients_end(ls, "its listener is gone");
	ev_io_stop(ls->ch->p.loop, &ls->io);
	ev_timer_stop(ls->ch->p.loop, &ls->again);
	if (ls->io.fd >= 0) {
		close(ls->io.fd);
		if (ls->conf.path[0] != '\0')
			unlink(ls->conf.path);
	}
	free(ls);
}

// --- Turns

static void rearm(struct ctl_of_channel *ch, uint64_t next_ns, bool hungry)
{
	uint64_t now_ns = dp_switch_now_ns();
	double wait = hungry || next_ns <= now_ns ? 0 : (double)(next_ns - now_ns) / 1e9;

	ev_timer_stop(ch->p.loop, &ch->tick);
	ev_timer_set(&ch->tick, wait < TURN_S ? wait : TURN_S, 0);
	ev_timer_start(ch->p.loop, &ch->tick);
}

// The next turn begins with `first`, which had none in this one.
static void rotate(struct ctl_of_channel *ch, struct link *first)
{
	struct link *before = ch->links, *last = first;

	if (first == NULL || first == ch->links)
		return;
	while (before->next != first)
		before = before->next;
	while (last->next != NULL)
		last = last->next;
	last->next = ch->links;
	before->next = NULL;
	ch->links = first;
}

static void turn(struct ctl_of_channel *ch)
{
	uint64_t until_ns = dp_switch_now_ns() + TURN_NS;
	uint64_t next = of_agent_tick(ch->p.agent, dp_switch_now_ns());
	bool waited = of_agent_is_waiting(ch->p.agent), hungry = false;
	struct link *late = NULL;

	for (struct link *l = ch->links, *after; l != NULL; l = after) {
		after = l->next;
		ch->is_late = l != ch->links && dp_switch_now_ns() >= until_ns;
		late = ch->is_late && late == NULL ? l : late;
		if (carry(l))
			hungry |= is_hungry(l);
		else if (late == l)
			late = after;
	}
	ch->is_late = false;
	rotate(ch, late);
	// The tick knows nothing of a promise that was carried just now.
	hungry |= !waited && of_agent_is_waiting(ch->p.agent);
	rearm(ch, next, hungry);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	turn(t->data);
}

static void on_punts(struct ev_loop *loop, struct ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	turn_soon(io->data);
}

// --- The channel

int ctl_of_channel_create(const struct ctl_of_channel_params *p, struct ctl_of_channel **out)
{
	struct ctl_of_channel *ch = calloc(1, sizeof(*ch));
	struct cfg_listener tools = { .name = "local" };
	struct cfg_error err;
	int fd;

	*out = NULL;
	if (ch == NULL)
		return -ENOMEM;
	ch->p = *p;
	if (getrandom(&ch->seed, sizeof(ch->seed), GRND_NONBLOCK) < 0)
		ch->seed = (uint32_t)getpid();
	ev_timer_init(&ch->tick, on_tick, 0, 0);
	ev_set_priority(&ch->tick, EV_MINPRI);
	ch->tick.data = ch->punts.data = ch;
	ev_timer_start(p->loop, &ch->tick);
	ev_io_init(&ch->punts, on_punts, dp_of_fd(p->of), EV_READ);
	if (ch->punts.fd >= 0)
		ev_io_start(p->loop, &ch->punts);
	snprintf(tools.path, sizeof(tools.path), "%s", p->socket_path);
	if (tools.path[0] != '\0') {
		fd = ctl_of_listen(&tools, &err);
		if (fd < 0)
			weir_log(WEIR_ERROR, "openflow: %s: %s", tools.path, err.reason);
		ch->listeners[CFG_LISTENERS] = ctl_of_listener_make(ch, &tools, fd < 0 ? -1 : fd);
		if (fd < 0 && ch->listeners[CFG_LISTENERS] != NULL)
			snprintf(ch->listeners[CFG_LISTENERS]->last_error,
				 sizeof(ch->listeners[0]->last_error), "%s", err.reason);
	}
	*out = ch;
	return 0;
}

void ctl_of_channel_destroy(struct ctl_of_channel *ch)
{
	if (ch == NULL)
		return;
	for (uint32_t i = 0; i < CFG_CONTROLLERS; i++)
		ctl_of_remote_free(ch->remotes[i]);
	for (uint32_t i = 0; i <= CFG_LISTENERS; i++)
		ctl_of_listener_free(ch->listeners[i]);
	while (ch->links != NULL)
		link_free(ch->links);
	ev_timer_stop(ch->p.loop, &ch->tick);
	ev_io_stop(ch->p.loop, &ch->punts);
	ctl_tls_files_free(ch->tls);
	free(ch);
}

void ctl_of_channel_reconnect(struct ctl_of_channel *ch, const char *why)
{
	for (uint32_t i = 0; i < CFG_CONTROLLERS; i++) {
		if (ch->remotes[i] != NULL && ch->remotes[i]->link != NULL)
			link_end(ch->remotes[i]->link, why);
	}
}
