// The UNIX socket of local tools: one request per line, one answer per line; a tap request turns
// the connection into a stream of records. Each connection is a session of the configuration store:
// what it may do, access control says by the user that the kernel names.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pcap/bpf.h>

#include "conn.h"
#include "control_priv.h"
#include "dp_tap.h"
#include "weir_log.h"

enum {
	MAX_CLIENTS = 64,
	OUT_MAX = 64 << 20,
	TAP_OUT_MAX = 4 << 20,
	TAP_BURST = 64,
	LINE_MAX_BYTES = 16 << 20, // a configuration that is loaded, as a JSON string
};

struct client {
	struct ctl_conn conn; // first
	struct ctl_server *server;
	struct cfg_session *session;
	char *in;
	size_t in_size, in_cap, in_seen; // seen: no end of a line before
	bool asked;			 // once, at least
	bool recovery;
	ev_tstamp since; // it came, or its last request
	bool tapping;
	bool again; // another request is there
	bool deaf;  // what it still sends is thrown away
	uint8_t tap_kind;
	bool tap_ending;
	uint32_t tap_left; // frames until the end; 0 = no end
};

struct ctl_server {
	struct ctl *ctl;
	struct ctl_listener listen;
	struct ev_timer tap_timer;
	struct client *clients[MAX_CLIENTS];
	struct client *tapper;	  // the one client with a tap
	uint64_t tap_client_lost; // records that did not fit the client's buffer
	struct weir_limit full;
};

static void on_closed(struct ctl_conn *conn)
{
	struct client *cl = (struct client *)conn;
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
	cfg_session_destroy(cl->session);
	free(cl->in);
	free(cl);
	ctl_netconf_flush(s->ctl);
}

static bool client_put(struct client *cl, const void *data, size_t size, size_t max)
{
	return ctl_conn_put(&cl->conn, data, size, max);
}

static void client_put_json(struct client *cl, struct cfg_json *j)
{
	if (j->failed || !client_put(cl, j->buf, j->size, OUT_MAX) ||
	    !client_put(cl, "\n", 1, OUT_MAX + 1))
		cl->conn.closing = true;
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
	if (cl == NULL || cl->conn.closing)
		return;
	for (uint32_t round = 0; round < 16; round++) {
		n = dp_tap_read(s->ctl->sw, records, TAP_BURST);
		n_all += n;
		for (uint32_t i = 0; i < n; i++) {
			if (tap_take(cl, &records[i])) {
				ctl_conn_finish(&cl->conn);
				return;
			}
		}
		if (n < TAP_BURST)
			break;
	}
	if (cl->tap_ending && n_all == 0)
		ctl_conn_finish(&cl->conn);
}

// An operation of the configuration. returns false when it is none
static bool session_serve(struct client *cl, const char *line, size_t size)
{
	char *answer = NULL;
	int rc = cfg_session_json(cl->session, line, size, &answer);

	if (rc == -ENOTSUP)
		return false;
	if (rc < 0 || !client_put(cl, answer, strlen(answer), OUT_MAX) ||
	    !client_put(cl, "\n", 1, OUT_MAX + 1) || cfg_session_ended(cl->session))
		cl->conn.closing = true;
	free(answer);
	return true;
}

static void request_serve(struct client *cl, const char *line, size_t size)
{
	struct cfg_error err = { 0 };
	struct cfg_request r;
	struct cfg_json j;

	if (session_serve(cl, line, size))
		return;
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

// Room for more of a line. returns false when it is too long, or memory is short
static bool client_room(struct client *cl)
{
	size_t cap = cl->in_cap == 0 ? CFG_REQUEST_MAX : 2 * cl->in_cap;
	char *in;

	if (cl->in_size < cl->in_cap)
		return true;
	in = cap > LINE_MAX_BYTES ? NULL : realloc(cl->in, cap);
	if (in == NULL)
		return false;
	cl->in = in;
	cl->in_cap = cap;
	return true;
}

// One request, if a whole one is there. returns whether there may be another
static bool client_line(struct client *cl)
{
	char *nl = memchr(cl->in + cl->in_seen, '\n', cl->in_size - cl->in_seen);
	size_t used;

	cl->in_seen = cl->in_size;
	if (nl == NULL)
		return false;
	used = (size_t)(nl - cl->in) + 1;
	cl->asked = true;
	cl->since = ev_now(cl->conn.loop);
	request_serve(cl, cl->in, used - 1);
	memmove(cl->in, cl->in + used, cl->in_size - used);
	cl->in_size -= used;
	cl->in_seen = 0;
	if (cl->in_size == 0 && cl->in_cap > CFG_REQUEST_MAX) {
		free(cl->in);
		cl->in = NULL;
		cl->in_cap = 0;
	}
	return cl->in_size > 0;
}

// returns false when there is nothing new, or the connection is gone
static bool client_read(struct client *cl)
{
	ssize_t n;

	if (!client_room(cl)) {
		struct cfg_error err = { .reason = "request is too long" };

		client_error(cl, &err);
		cl->deaf = true; // closing now would take the answer from it
		cl->in_size = 0;
	}
	n = read(cl->conn.io.fd, cl->in + cl->in_size, cl->in_cap - cl->in_size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		// It will ask no more, but may still read what it asked for.
		if (n < 0 || cl->tapping)
			ctl_conn_close(&cl->conn);
		else
			ctl_conn_finish(&cl->conn);
		return false;
	}
	if (cl->tapping || cl->deaf)
		return false;
	cl->in_size += (size_t)n;
	return true;
}

// One request in a turn of the loop.
static void on_input(struct ctl_conn *conn)
{
	struct client *cl = (struct client *)conn;
	struct ctl *c = cl->server->ctl;

	if (!cl->again && !client_read(cl))
		return;
	cl->again = client_line(cl) && !cl->tapping && !conn->closing;
	if (conn->closing)
		ctl_conn_finish(conn);
	else if (cl->again)
		ctl_conn_again(conn);
	ctl_netconf_flush(c);
}

void ctl_server_reap(struct ctl *c)
{
	struct ctl_server *s = c->server;

	for (uint32_t i = 0; s != NULL && i < MAX_CLIENTS; i++)
		if (s->clients[i] != NULL && cfg_session_failed(s->clients[i]->session))
			ctl_conn_close(&s->clients[i]->conn);
}

static const struct ctl_conn_ops ops = { "local tool", on_input, on_closed };

static struct client *client_create(struct ctl_server *s, int fd, const struct ctl_peer *peer)
{
	const struct cfg_client who = {
		.user = peer->user,
		.groups = (const char *const *)peer->groups,
		.n_groups = peer->n_groups,
		.recovery = peer->recovery,
		.client = "cli",
	};
	struct client *cl = calloc(1, sizeof(*cl));

	if (cl == NULL || cfg_session_create(s->ctl->store, &who, false, &cl->session) < 0) {
		free(cl);
		return NULL;
	}
	cl->server = s;
	cl->recovery = peer->recovery;
	cl->since = ev_now(s->ctl->loop);
	ctl_conn_init(&cl->conn, s->ctl->loop, fd, &ops);
	return cl;
}

// A place for one more. When all are taken, who never asked anything gives way, the oldest first;
// for root, also who is not root. returns MAX_CLIENTS when all stay
static uint32_t place(struct ctl_server *s, bool recovery)
{
	uint32_t go = MAX_CLIENTS;

	for (uint32_t i = 0; i < MAX_CLIENTS; i++) {
		const struct client *cl = s->clients[i],
				    *g = go < MAX_CLIENTS ? s->clients[go] : NULL;

		if (cl == NULL)
			return i;
		if ((cl->asked || ctl_conn_has_input(&cl->conn)) && !(recovery && !cl->recovery))
			continue;
		if (g == NULL || (cl->asked != g->asked ? g->asked : cl->since < g->since))
			go = i;
	}
	if (go < MAX_CLIENTS)
		ctl_conn_close(&s->clients[go]->conn);
	return go;
}

static void on_accepted(void *arg, int fd, const struct ctl_peer *peer)
{
	static const char full[] =
		"{\"ok\":false,\"error\":{\"path\":\"\",\"value\":\"\",\"reason\":"
		"\"too many local tools are connected\"}}\n";
	struct ctl_server *s = arg;
	uint32_t i = place(s, peer->recovery);

	if (i < MAX_CLIENTS)
		s->clients[i] = client_create(s, fd, peer);
	if (i < MAX_CLIENTS && s->clients[i] != NULL) {
		on_input(&s->clients[i]->conn); // before a flood of others takes its place
		return;
	}
	// Best effort: the socket's buffer is empty, so a line fits.
	if (write(fd, full, sizeof(full) - 1) < 0)
		weir_log_limited(&s->full, WEIR_WARNING, "local tool: turned away");
	close(fd);
}

int ctl_server_start(struct ctl *c, struct cfg_error *err)
{
	struct ctl_server *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	if (strlen(c->socket_path) >= sizeof(s->listen.path)) {
		free(s);
		snprintf(err->value, sizeof(err->value), "%.127s", c->socket_path);
		snprintf(err->reason, sizeof(err->reason), "socket path is longer than %zu bytes",
			 sizeof(s->listen.path) - 1);
		return -ENAMETOOLONG;
	}
	snprintf(s->listen.path, sizeof(s->listen.path), "%s", c->socket_path);
	s->listen.accepted = on_accepted;
	s->listen.arg = s;
	rc = ctl_listener_start(&s->listen, c->loop, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->ctl = c;
	ev_timer_init(&s->tap_timer, on_tap, 0.01, 0.01);
	s->tap_timer.data = s;
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
			ctl_conn_close(&s->clients[i]->conn);
	}
	ctl_listener_stop(&s->listen, c->loop);
	free(s);
	c->server = NULL;
}
