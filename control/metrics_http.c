// Metrics over HTTP: GET /metrics on a local port, by libmicrohttpd on the main loop, without a
// thread.
//
// Hostile clients are bounded: connections at a time, bytes of a request, and the time of a
// connection from its first to its last byte. Each is closed after its answer. The text is made at
// most once a second; who asks more often gets the same.
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_priv.h"
#include "mhd_loop.h"
#include "weir_log.h"

enum {
	CONNECTIONS = 16,
	REQUEST_BYTES = 16384, // header lines included
	IDLE_S = 10,
	CONNECTION_S = 30,
	RETRY_S = 10,
	BACKLOG = 16,
};

#define TEXT_S 1.0 // how old an answer may be
#define TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

struct ctl_metrics {
	struct ctl *ctl;
	struct cfg_metrics conf;
	struct ctl_mhd mhd; // without a daemon: its port was taken when the switch started
	int fd;		    // it listens on; -1
	struct ev_timer tick;
	struct MHD_Response *text; // the last answer
	ev_tstamp text_at;
	struct {
		struct MHD_Connection *conn;
		ev_tstamp since;
	} conns[CONNECTIONS];
};

struct ctl_metrics_change {
	struct ctl_metrics *next; // NULL = not served any more
	bool unbound;		  // the old one gave its port up for it
};

// --- Answers

static void text_make(struct ctl_metrics *m)
{
	char *text;
	size_t size;

	if (m->text != NULL && ev_now(m->ctl->loop) - m->text_at < TEXT_S)
		return;
	if (m->text != NULL)
		MHD_destroy_response(m->text); // those who are being sent it still have it
	m->text = NULL;
	if (ctl_metrics_text(m->ctl, &text, &size) < 0)
		return;
	m->text = MHD_create_response_from_buffer(size, text, MHD_RESPMEM_MUST_FREE);
	if (m->text == NULL) {
		free(text);
		return;
	}
	m->text_at = ev_now(m->ctl->loop);
	MHD_add_response_header(m->text, "Content-Type", TYPE);
	MHD_add_response_header(m->text, "Connection", "close");
}

// The library's interface has eight parameters. What a client sends beside its header is not read:
// the answer comes first, and then the connection is closed.
static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	static const char *const close[2] = { "Connection", "close" };
	static const char *const allow[2] = { "Allow", "GET" };
	struct ctl_metrics *m = arg;

	(void)version;
	(void)data;
	(void)size;
	(void)state;
	if (strcmp(url, "/metrics") != 0)
		return ctl_mhd_say(conn, MHD_HTTP_NOT_FOUND, "There is only /metrics.\n", close);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return ctl_mhd_say(conn, MHD_HTTP_METHOD_NOT_ALLOWED, "There is only GET.\n",
				   allow);
	text_make(m);
	if (m->text == NULL)
		return ctl_mhd_say(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.\n", close);
	return MHD_queue_response(conn, MHD_HTTP_OK, m->text);
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **state,
			  enum MHD_ConnectionNotificationCode code)
{
	struct ctl_metrics *m = arg;
	bool started = code == MHD_CONNECTION_NOTIFY_STARTED;

	(void)state;
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		if (m->conns[i].conn != (started ? NULL : conn))
			continue;
		m->conns[i].conn = started ? conn : NULL;
		m->conns[i].since = ev_now(m->ctl->loop);
		return;
	}
}

// --- The loop

// Who sends a byte now and then is not idle to the library.
static void slow_cut(struct ctl_metrics *m)
{
	for (uint32_t i = 0; i < CONNECTIONS; i++) {
		const union MHD_ConnectionInfo *info;

		if (m->conns[i].conn == NULL ||
		    ev_now(m->ctl->loop) - m->conns[i].since < CONNECTION_S)
			continue;
		info = MHD_get_connection_info(m->conns[i].conn, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info != NULL)
			shutdown(info->connect_fd, SHUT_RDWR);
	}
}

// --- A server

static int refuse(struct cfg_error *err, const struct cfg_metrics *conf, const char *what, int code)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool v4 = memcmp(conf->addr, mapped, sizeof(mapped)) == 0;
	char addr[INET6_ADDRSTRLEN] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? conf->addr + 12 : conf->addr, addr, sizeof(addr));
	memset(err, 0, sizeof(*err));
	snprintf(err->path, sizeof(err->path), "/weir-management:management/metrics");
	snprintf(err->value, sizeof(err->value), "%s port %u", addr, conf->port);
	snprintf(err->reason, sizeof(err->reason), "%s: %s", what, strerror(code));
	return -code;
}

static socklen_t sockaddr_of(const struct cfg_metrics *conf, struct sockaddr_storage *out)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (memcmp(conf->addr, mapped, sizeof(mapped)) == 0) {
		in->sin_family = AF_INET;
		in->sin_port = htons(conf->port);
		memcpy(&in->sin_addr, conf->addr + 12, 4);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(conf->port);
	memcpy(&in6->sin6_addr, conf->addr, 16);
	return sizeof(*in6);
}

// returns a socket that is bound, or a negative errno with err filled
static int bound(const struct cfg_metrics *conf, struct cfg_error *err)
{
	struct sockaddr_storage addr;
	socklen_t size = sockaddr_of(conf, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
	int code;

	if (fd < 0)
		return refuse(err, conf, "socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (addr.ss_family == AF_INET6) // who says :: does not say 0.0.0.0
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&addr, size) == 0)
		return fd;
	code = errno;
	close(fd);
	return refuse(err, conf, "metrics cannot listen", code);
}

static struct MHD_Daemon *daemon_start(struct ctl_metrics *m)
{
	// With a body that is not read, the library closes after the answer.
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m,
				MHD_OPTION_LISTEN_SOCKET, m->fd, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)REQUEST_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned int)IDLE_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
				m, MHD_OPTION_END);
}

// The watchers of a daemon that runs.
static void watch(struct ctl_metrics *m)
{
	if (m->ctl->loop != NULL) // a test asks for the text alone
		ctl_mhd_watch(&m->mhd, m->ctl->loop);
}

static int serve(struct ctl_metrics *m, struct cfg_error *err)
{
	int code;

	m->fd = bound(&m->conf, err);
	if (m->fd < 0)
		return m->fd;
	code = listen(m->fd, BACKLOG) < 0 ? errno : ENOMEM;
	m->mhd.daemon = code == ENOMEM ? daemon_start(m) : NULL;
	if (m->mhd.daemon != NULL)
		return 0;
	close(m->fd);
	m->fd = -1;
	return refuse(err, &m->conf, "metrics cannot listen", code);
}

static void log_refused(const struct cfg_error *err)
{
	weir_log(WEIR_ERROR, "%s %s: %s; tried again every %u s", err->path, err->value,
		 err->reason, RETRY_S);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_metrics *m = t->data;
	struct cfg_error err;

	(void)loop;
	(void)revents;
	if (m->mhd.daemon != NULL) {
		slow_cut(m);
	} else if (serve(m, &err) == 0) {
		weir_log(WEIR_NOTICE, "metrics: port %u is free now", m->conf.port);
		watch(m);
	}
}

static struct ctl_metrics *create(struct ctl *c, const struct cfg_metrics *conf)
{
	struct ctl_metrics *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->ctl = c;
	m->conf = *conf;
	m->fd = -1;
	ev_timer_init(&m->tick, on_tick, RETRY_S, RETRY_S);
	m->tick.data = m;
	return m;
}

static void unserve(struct ctl_metrics *m)
{
	ctl_mhd_stop(&m->mhd); // closes the socket, too
	m->fd = -1;
}

static void destroy(struct ctl_metrics *m)
{
	if (m == NULL)
		return;
	if (m->ctl->loop != NULL)
		ev_timer_stop(m->ctl->loop, &m->tick);
	unserve(m);
	if (m->text != NULL)
		MHD_destroy_response(m->text);
	free(m);
}

// --- Changes

static bool is_same(const struct ctl_metrics *m, const struct cfg_metrics *conf)
{
	return m == NULL ? !conf->enabled
			 : conf->enabled && memcmp(&m->conf, conf, sizeof(*conf)) == 0;
}

// The same port at another address: the old one is in the way, and comes back if need be.
static int serve_instead(struct ctl *c, struct ctl_metrics_change *ch, struct cfg_error *err)
{
	struct ctl_metrics *old = c->metrics;
	struct cfg_error later;
	int rc;

	if (old != NULL && old->mhd.daemon != NULL && old->conf.port == ch->next->conf.port) {
		unserve(old);
		ch->unbound = true;
	}
	rc = serve(ch->next, err);
	if (rc < 0 && c->unasked) {
		// Nobody could ask again, and ports matter more.
		log_refused(err);
		return 0;
	}
	if (rc < 0 && ch->unbound && serve(old, &later) == 0)
		watch(old);
	return rc;
}

int ctl_metrics_rehearse(const struct ctl *c, const struct cfg *next, struct cfg_error *err)
{
	bool ours = c->metrics != NULL && c->metrics->conf.port == next->metrics.port;
	int fd;

	// A port of our own would be given up first; that is not for a rehearsal.
	if (!next->metrics.enabled || ours)
		return 0;
	fd = bound(&next->metrics, err);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int ctl_metrics_prepare(struct ctl *c, const struct cfg *next, struct ctl_metrics_change **out,
			struct cfg_error *err)
{
	struct ctl_metrics_change *ch;
	int rc = 0;

	*out = NULL;
	if (is_same(c->metrics, &next->metrics))
		return 0;
	ch = calloc(1, sizeof(*ch));
	if (ch != NULL && next->metrics.enabled)
		ch->next = create(c, &next->metrics);
	if (ch == NULL || (next->metrics.enabled && ch->next == NULL)) {
		free(ch);
		return refuse(err, &next->metrics, "metrics", ENOMEM);
	}
	if (ch->next != NULL)
		rc = serve_instead(c, ch, err);
	if (rc < 0) {
		destroy(ch->next);
		free(ch);
		return rc;
	}
	*out = ch;
	return 0;
}

void ctl_metrics_commit(struct ctl *c, struct ctl_metrics_change *ch)
{
	if (ch == NULL)
		return;
	destroy(c->metrics);
	c->metrics = ch->next;
	free(ch);
	if (c->metrics == NULL)
		return;
	if (c->metrics->mhd.daemon != NULL)
		watch(c->metrics);
	if (c->loop != NULL)
		ev_timer_start(c->loop, &c->metrics->tick);
}

void ctl_metrics_abort(struct ctl *c, struct ctl_metrics_change *ch)
{
	struct cfg_error err;

	if (ch == NULL)
		return;
	destroy(ch->next);
	if (ch->unbound && serve(c->metrics, &err) == 0)
		watch(c->metrics);
	else if (ch->unbound)
		log_refused(&err);
	free(ch);
}

void ctl_metrics_stop(struct ctl *c)
{
	destroy(c->metrics);
	c->metrics = NULL;
}
