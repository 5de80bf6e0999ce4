// The UNIX socket of local tools: one request per line, one answer per line; a tap request turns
// the connection into a stream of records. Root and the daemon's own user only (SO_PEERCRED). A
// client that does not read is cut, never waited for.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <pcap/bpf.h>

#include "control_priv.h"
#include "dp_tap.h"
#include "weir_log.h"

enum {
	MAX_CLIENTS = 32,
	OUT_MAX = 64 << 20,
	TAP_OUT_MAX = 4 << 20,
	TAP_BURST = 64,
	WRITE_DEADLINE_S = 10
};

struct client {
	struct ctl_server *server;
	struct ev_io io;
	struct ev_timer deadline; // no progress in writing
	char *in;
	size_t in_size;
	char *out;
	size_t out_size, out_at, out_cap;
	bool tapping, closing;
	bool deaf; // what it still sends is thrown away
	uint8_t tap_kind;
	bool tap_ending;
	uint32_t tap_left; // frames until the end; 0 = no end
};

struct ctl_server {
	struct ctl *ctl;
	struct ev_io listen;
	struct ev_timer tap_timer;
	struct client *clients[MAX_CLIENTS];
	struct client *tapper;	  // the one client with a tap
	uint64_t tap_client_lost; // records that did not fit the client's buffer
	int fd;
};

static void client_watch(struct client *cl)
{
	struct ev_loop *loop = cl->server->ctl->loop;
	int want = (cl->closing ? 0 : EV_READ) | (cl->out_at < cl->out_size ? EV_WRITE : 0);

	if ((cl->io.events & (EV_READ | EV_WRITE)) == want)
		return;
	ev_io_stop(loop, &cl->io);
	ev_io_set(&cl->io, cl->io.fd, want);
	ev_io_start(loop, &cl->io);
	if ((want & EV_WRITE) != 0)
		ev_timer_again(loop, &cl->deadline);
	else
		ev_timer_stop(loop, &cl->deadline);
}

static void client_close(struct client *cl)
{
	struct ctl_server *s = cl->server;

	if (s->tapper == cl) {
		uint64_t lost = dp_tap_lost(s->ctl->sw) + s->tap_client_lost;

		if (lost > 0)
			weir_log(WEIR_WARNING,
				 "capture: %llu frames were left out: the reader was too slow",
				 (unsigned long long)lost);
		dp_tap_stop(s->ctl->sw);
		ev_timer_stop(s->ctl->loop, &s->tap_timer);
		s->tapper = NULL;
	}
	for (uint32_t i = 0; i < MAX_CLIENTS; i++) {
		if (s->clients[i] == cl)
			s->clients[i] = NULL;
	}
	ev_io_stop(s->ctl->loop, &cl->io);
	ev_timer_stop(s->ctl->loop, &cl->deadline);
	close(cl->io.fd);
	free(cl->in);
	free(cl->out);
	free(cl);
}

// Append to what the client is to get. returns false when it has too much unread already
static bool client_put(struct client *cl, const void *data, size_t size, size_t max)
{
	if (cl->out_size - cl->out_at + size > max)
		return false;
	if (cl->out_at > 0) {
		memmove(cl->out, cl->out + cl->out_at, cl->out_size - cl->out_at);
		cl->out_size -= cl->out_at;
		cl->out_at = 0;
	}
	if (cl->out_size + size > cl->out_cap) {
		char *out = realloc(cl->out, 2 * (cl->out_size + size));

		if (out == NULL)
			return false;
		cl->out = out;
		cl->out_cap = 2 * (cl->out_size + size);
	}
	memcpy(cl->out + cl->out_size, data, size);
	cl->out_size += size;
	client_watch(cl);
	return true;
}

static void client_put_json(struct client *cl, struct cfg_json *j)
{
	if (j->failed || !client_put(cl, j->buf, j->size, OUT_MAX) ||
	    !client_put(cl, "\n", 1, OUT_MAX + 1))
		cl->closing = true;
	cfg_json_fini(j);
}

static void client_error(struct client *cl, const struct cfg_error *err)
{
	struct cfg_json j;

	cfg_json_init(&j);
	ctl_answer_error(&j, err->path, err->value, err->reason);
	client_put_json(cl, &j);
}

// 8 bytes per instruction, big endian: code, jt, jf, k.
static int filter_read(const struct cfg_request *r, struct bpf_program *f)
{
	f->bf_len = (u_int)(r->size / 8);
	f->bf_insns = calloc(f->bf_len + 1, sizeof(*f->bf_insns));
	if (f->bf_insns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < f->bf_len; i++) {
		const uint8_t *p = r->bytes + 8 * i;

		f->bf_insns[i] = (struct bpf_insn){ .code = (u_short)(p[0] << 8 | p[1]),
						    .jt = p[2],
						    .jf = p[3],
						    .k = (u_int)p[4] << 24 | (u_int)p[5] << 16 |
							 (u_int)p[6] << 8 | p[7] };
	}
	return 0;
}

static void pcap_header(struct client *cl)
{
	static const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, sigfigs, snaplen, linktype;
	} h = { 0xa1b23c4d, 2, 4, 0, 0, 65535, 1 }; // nanosecond times, Ethernet

	client_put(cl, &h, sizeof(h), TAP_OUT_MAX);
}

static void tap_open(struct client *cl, const struct cfg_request *r)
{
	struct ctl *c = cl->server->ctl;
	struct cfg_error err = { .path = "/weir-operations:tap/port" };
	int idx = dp_switch_port_find(c->sw, r->name);
	struct bpf_program f = { 0 };
	struct weir_err werr = { .text = "out of memory" };
	struct cfg_json j;
	int rc;

	snprintf(err.value, sizeof(err.value), "%s", r->name);
	snprintf(err.reason, sizeof(err.reason), "there is no port of that name");
	if (idx < 0) {
		client_error(cl, &err);
		return;
	}
	rc = filter_read(r, &f);
	if (rc == 0)
		rc = dp_tap_start(c->sw, r->trace ? DP_TAP_TRACE : DP_TAP_CAPTURE, (uint16_t)idx,
				  f.bf_len > 0 ? &f : NULL, &werr);
	free(f.bf_insns);
	if (rc < 0) {
		snprintf(err.reason, sizeof(err.reason), "%s", werr.text);
		client_error(cl, &err);
		return;
	}
	cl->server->tapper = cl;
	cl->server->tap_client_lost = 0;
	cl->tapping = true;
	cl->tap_ending = false;
	cl->tap_kind = r->trace ? DP_TAP_TRACE : DP_TAP_CAPTURE;
	cl->tap_left = r->count;
	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_bool(&j, "ok", true);
	cfg_json_close(&j, '}');
	client_put_json(cl, &j);
	if (!r->trace)
		pcap_header(cl);
	ev_timer_start(c->loop, &cl->server->tap_timer);
}

// Workers stamp with their own clock; a pcap file wants the time of day.
static bool put_pcap(struct client *cl, const struct dp_tap_record *r)
{
	struct timespec day;
	uint64_t ns;

	clock_gettime(CLOCK_REALTIME, &day);
	ns = (uint64_t)day.tv_sec * 1000000000u + (uint64_t)day.tv_nsec -
	     (dp_switch_now_ns() - r->ns);
	const uint32_t h[4] = { (uint32_t)(ns / 1000000000u), (uint32_t)(ns % 1000000000u), r->size,
				r->wire_size };

	return client_put(cl, h, sizeof(h), TAP_OUT_MAX) &&
	       client_put(cl, r->data, r->size, TAP_OUT_MAX + sizeof(*r));
}

static bool put_trace(struct client *cl, const struct dp_tap_record *r)
{
	struct dp_port_info info;
	struct cfg_json j;
	char hex[64 * 2 + 1] = "";
	bool ok;

	for (uint32_t i = 0; i < r->size && i < 64; i++)
		snprintf(hex + 2 * i, 3, "%02x", r->data[i]);
	cfg_json_init(&j);
	cfg_json_open(&j, NULL, '{');
	cfg_json_u32(&j, "packet", r->id);
	cfg_json_u64(&j, "ns", r->ns);
	cfg_json_str(&j, "stage", dp_stage_name(r->stage));
	cfg_json_str(&j, "port",
		     dp_switch_port_info(cl->server->ctl->sw, r->port, &info) == 0 ? info.cfg.name
										   : "?");
	cfg_json_u32(&j, "vlan", r->vid);
	cfg_json_str(&j, "class", qos_class_name(r->cls));
	if (r->drop != DP_DROP_none)
		cfg_json_str(&j, "drop", dp_drop_name(r->drop));
	cfg_json_u32(&j, "size", r->wire_size);
	cfg_json_str(&j, "bytes", hex);
	cfg_json_close(&j, '}');
	ok = !j.failed && client_put(cl, j.buf, j.size, TAP_OUT_MAX) &&
	     client_put(cl, "\n", 1, TAP_OUT_MAX + 1);
	cfg_json_fini(&j);
	return ok;
}

// A trace's count is in packets: records of later ones are not shown.
static bool tap_put(struct client *cl, const struct dp_tap_record *r)
{
	if (cl->tap_kind == DP_TAP_TRACE)
		return cl->tap_left != 0 && r->id >= cl->tap_left ? true : put_trace(cl, r);
	return put_pcap(cl, r);
}

// Enough was seen: what is buffered is still written, then the connection ends.
static void tap_finish(struct client *cl)
{
	cl->closing = true;
	client_watch(cl);
	if (cl->out_at == cl->out_size)
		client_close(cl);
}

// returns true when this record was the last that was asked for
static bool tap_take(struct client *cl, const struct dp_tap_record *r)
{
	if (!tap_put(cl, r))
		cl->server->tap_client_lost++;
	else if (cl->tap_kind == DP_TAP_CAPTURE && cl->tap_left != 0 && --cl->tap_left == 0)
		return true;
	// A packet's last hop is not known beforehand (a flood has many): the trace ends when
	// nothing more comes.
	if (cl->tap_kind == DP_TAP_TRACE && cl->tap_left != 0 && r->id + 1 >= cl->tap_left &&
	    (r->stage >= DP_STAGE_forward || r->drop != DP_DROP_none))
		cl->tap_ending = true;
	return false;
}

static void on_tap(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	static struct dp_tap_record records[TAP_BURST]; // main thread only
	struct ctl_server *s = t->data;
	struct client *cl = s->tapper;
	uint32_t n, n_all = 0;

	(void)loop;
	(void)revents;
	if (cl == NULL || cl->closing)
		return;
	for (uint32_t round = 0; round < 16; round++) {
		n = dp_tap_read(s->ctl->sw, records, TAP_BURST);
		n_all += n;
		for (uint32_t i = 0; i < n; i++) {
			if (tap_take(cl, &records[i])) {
				tap_finish(cl);
				return;
			}
		}
		if (n < TAP_BURST)
			break;
	}
	if (cl->tap_ending && n_all == 0)
		tap_finish(cl);
}

static void request_serve(struct client *cl, const char *line, size_t size)
{
	struct cfg_error err = { 0 };
	struct cfg_request r;
	struct cfg_json j;

	if (cfg_request_parse(cl->server->ctl->schema, line, size, &r, &err) < 0) {
		client_error(cl, &err);
	} else if (r.op == CFG_OP_TAP) {
		tap_open(cl, &r);
	} else {
		cfg_json_init(&j);
		ctl_answer(cl->server->ctl, &r, &j);
		client_put_json(cl, &j);
	}
	cfg_request_fini(&r);
}

// returns false when the client is gone
static bool client_read(struct client *cl)
{
	ssize_t n;
	char *nl;

	if (cl->in_size == CFG_REQUEST_MAX) {
		struct cfg_error err = { .reason = "request is too long" };

		client_error(cl, &err);
		cl->deaf = true; // closing now would take the answer from it
		cl->in_size = 0;
	}
	n = read(cl->io.fd, cl->in + cl->in_size, CFG_REQUEST_MAX - cl->in_size);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		// It will ask no more, but may still read what it asked for.
		cl->closing = true;
		return !cl->tapping && cl->out_at < cl->out_size;
	}
	if (cl->tapping || cl->deaf)
		return true;
	cl->in_size += (size_t)n;
	while (!cl->tapping && (nl = memchr(cl->in, '\n', cl->in_size)) != NULL) {
		size_t used = (size_t)(nl - cl->in) + 1;

		request_serve(cl, cl->in, used - 1);
		memmove(cl->in, cl->in + used, cl->in_size - used);
		cl->in_size -= used;
	}
	return true;
}

static void on_client(struct ev_loop *loop, struct ev_io *io, int revents)
{
	struct client *cl = io->data;

	if ((revents & EV_READ) != 0 && !client_read(cl)) {
		client_close(cl);
		return;
	}
	if ((revents & EV_WRITE) != 0) {
		ssize_t n = send(io->fd, cl->out + cl->out_at, cl->out_size - cl->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN) {
			client_close(cl);
			return;
		}
		if (n > 0) {
			cl->out_at += (size_t)n;
			ev_timer_again(loop, &cl->deadline);
		}
	}
	client_watch(cl);
	if (cl->closing && cl->out_at == cl->out_size)
		client_close(cl);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	weir_log(WEIR_WARNING, "local tool: does not read its answer: cut");
	client_close(t->data);
}

static bool may_use(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static struct client *client_create(struct ctl_server *s, int fd)
{
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || (cl->in = malloc(CFG_REQUEST_MAX)) == NULL) {
		free(cl);
		return NULL;
	}
	cl->server = s;
	ev_io_init(&cl->io, on_client, fd, EV_READ);
	ev_timer_init(&cl->deadline, on_deadline, 0, WRITE_DEADLINE_S);
	cl->io.data = cl->deadline.data = cl;
	ev_io_start(s->ctl->loop, &cl->io);
	return cl;
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int revents)
{
	static const char full[] =
		"{\"ok\":false,\"error\":{\"path\":\"\",\"value\":\"\",\"reason\":"
		"\"too many local tools are connected, or not root\"}}\n";
	struct ctl_server *s = io->data;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)loop;
	(void)revents;
	if (fd < 0)
		return;
	for (uint32_t i = 0; i < MAX_CLIENTS && may_use(fd); i++) {
		if (s->clients[i] != NULL)
			continue;
		s->clients[i] = client_create(s, fd);
		if (s->clients[i] != NULL)
			return;
		break;
	}
	// Best effort: the socket's buffer is empty, so a line fits.
	if (write(fd, full, sizeof(full) - 1) < 0)
		weir_log(WEIR_WARNING, "local tool: turned away");
	close(fd);
}

// A socket that nobody listens on is a left-over of a daemon that was killed.
static int path_free(const char *path, struct cfg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, rc;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (lstat(path, &st) < 0)
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -1 : connect(fd, (const struct sockaddr *)&a, sizeof(a));
	if (fd >= 0)
		close(fd);
	snprintf(err->value, sizeof(err->value), "%.127s", path);
	if (rc == 0 || !S_ISSOCK(st.st_mode)) {
		snprintf(err->reason, sizeof(err->reason), "%s",
			 rc == 0 ? "another weir-switchd listens on this socket"
				 : "there is a file of that name which is no socket");
		return -EADDRINUSE;
	}
	return unlink(path) < 0 ? -errno : 0;
}

int ctl_server_start(struct ctl *c, struct cfg_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ctl_server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	if (strlen(c->socket_path) >= sizeof(a.sun_path)) {
		free(s);
		snprintf(err->value, sizeof(err->value), "%.127s", c->socket_path);
		snprintf(err->reason, sizeof(err->reason), "socket path is longer than %zu bytes",
			 sizeof(a.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	rc = path_free(c->socket_path, err);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", c->socket_path);
	s->fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (rc == 0 && (s->fd < 0 || bind(s->fd, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
			chmod(c->socket_path, 0600) < 0 || listen(s->fd, 16) < 0)) {
		rc = -errno;
		snprintf(err->value, sizeof(err->value), "%.127s", c->socket_path);
		snprintf(err->reason, sizeof(err->reason), "socket: %s", strerror(errno));
	}
	if (rc < 0) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return rc;
	}
	s->ctl = c;
	ev_io_init(&s->listen, on_accept, s->fd, EV_READ);
	ev_timer_init(&s->tap_timer, on_tap, 0.01, 0.01);
	s->listen.data = s->tap_timer.data = s;
	ev_io_start(c->loop, &s->listen);
	c->server = s;
	return 0;
}

void ctl_server_stop(struct ctl *c)
{
	struct ctl_server *s = c->server;

	if (s == NULL)
		return;
	for (uint32_t i = 0; i < MAX_CLIENTS; i++) {
		if (s->clients[i] != NULL)
			client_close(s->clients[i]);
	}
	ev_io_stop(c->loop, &s->listen);
	close(s->fd);
	unlink(c->socket_path);
	free(s);
	c->server = NULL;
}
