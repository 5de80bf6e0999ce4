// Boot files over HTTP/1.1, by libmicrohttpd on the boot thread's loop.
//
// Main decides where: a service address listens where a host port carries its VLAN untagged. It
// puts the address on the port's kernel device, binds the socket to address and device, and hands
// it to the boot thread, which serves it until main hands over another set.
//
// Who asks is the VM that owns the peer's address in that network, if the kernel knows the address
// to be at that VM's MAC: a port that is held to no address may claim any, but no other MAC than
// its own. Anybody else gets 403, and a few connections in all. Bodies are sent from the memory of
// the table; a file that is being sent is held until its last byte, whatever becomes of the table.
//
// Hostile clients are bounded: connections per guest and in all, bytes of a request, the time until
// a request is complete, and the time of an answer by its size.
#include <errno.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot_http.h"
#include "mhd_loop.h"
#include "weir_log.h"

enum {
	CONNECTIONS = 4096,	 // of a service
	GUEST_CONNECTIONS = 16,	 // of one address
	OTHERS_CONNECTIONS = 64, // of all that are no guests
	REQUEST_BYTES = 8192,	 // header lines included
	IDLE_S = 15,		 // until a request is complete
	ANSWER_S = 30,
	ANSWER_BYTES_PER_S = 16384, // a client that takes less is cut
	TICK_S = 5,
};

// --- Boot thread

struct server;

struct conn {
	struct conn *next, **at; // of its server's
	struct server *server;
	int fd;
	ev_tstamp deadline;
	bool other;	       // no guest's
	bool answering, whole; // content is under way; up to its last byte
	uint32_t port, gen;    // whose
	uint64_t size, taken;  // of the answer; of the file's answers since START
	char name[BOOT_NAME_MAX];
	char started[BOOT_NAME_MAX]; // of the last START
};

struct server {
	struct server *next;
	struct ctl_http_thread *thread;
	uint8_t ip[4];
	struct ctl_mhd mhd;
	struct conn *conns;
	uint32_t n_others; // of those, no guests'
};

struct ctl_http_thread {
	struct ev_loop *loop;
	struct boot_responder *responder;
	struct boot_out out;
	uint64_t (*now_ns)(void);
	struct server *servers;
	struct ev_timer tick;
};

static void tell(struct conn *c, enum boot_event_kind kind, const char *detail)
{
	struct ctl_http_thread *t = c->server->thread;
	const uint64_t now_ns = t->now_ns();
	struct boot_event e = {
		.ns = now_ns, .port = c->port, .gen = c->gen, .kind = (uint8_t)kind
	};

	if (kind != BOOT_EV_HTTP_START)
		e.bytes = c->taken;

	snprintf(e.detail, sizeof(e.detail), "%s", detail);
	for (char *p = e.detail; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	}
	if (boot_note(t->responder, &e))
		t->out.event(t->out.ctx, &e);
}

static int refuse(struct conn *c, struct MHD_Connection *conn, unsigned int status,
		  const char *text)
{
	static const char *const allow[2] = { "Allow", "GET, HEAD" };
	char detail[78];

	boot_counters_of(c->server->thread->responder)->http_refused++;
	if (status != MHD_HTTP_FORBIDDEN) {
		snprintf(detail, sizeof(detail), "%.60s: %u", c->name, status);
		tell(c, BOOT_EV_HTTP_FAILED, detail);
	}
	return ctl_mhd_say(conn, status, text,
			   status == MHD_HTTP_METHOD_NOT_ALLOWED ? allow : NULL);
}

static const char *type_of(const char *name)
{
	static const struct {
		const char *suffix, *type;
	} types[] = {
		// UEFI 2.10 section 24.7: what firmware that boots by HTTP goes by.
		{ ".efi", "application/efi" },		 { ".iso", "application/vnd.efi-iso" },
		{ ".img", "application/vnd.efi-img" },	 { ".ipxe", "text/plain; charset=utf-8" },
		{ ".cfg", "text/plain; charset=utf-8" },
	};
	const size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].suffix);

		if (len >= n && strcasecmp(name + len - n, types[i].suffix) == 0)
			return types[i].type;
	}
	return "application/octet-stream";
}

static void file_drop(void *owner)
{
	ctl_boot_file_drop(owner);
}

// The bytes of an answer, held until it is sent or its client has gone.
static struct MHD_Response *body(const struct boot_content *found, const struct boot_range *r)
{
	const size_t size = (size_t)(r->last - r->first + 1);
	void *data = (void *)(uintptr_t)(found->data + r->first);
	struct MHD_Response *answer;

	if (found->size == 0)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	if (found->file == NULL) // texts are small
		return MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_COPY);
	if (!ctl_boot_file_hold(found->file))
		return NULL;
	answer = MHD_create_response_from_buffer_with_free_callback_cls(size, data, file_drop,
									found->file->owner);
	if (answer == NULL)
		ctl_boot_file_drop(found->file->owner);
	return answer;
}

// 416: there is no such part.
static int answer_no_part(struct conn *c, struct MHD_Connection *conn, size_t size)
{
	struct MHD_Response *answer =
		MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	char text[40];
	int rc;

	boot_counters_of(c->server->thread->responder)->http_refused++;
	if (answer == NULL)
		return MHD_NO;
	snprintf(text, sizeof(text), "bytes */%zu", size);
	MHD_add_response_header(answer, "Content-Range", text);
	rc = MHD_queue_response(conn, MHD_HTTP_RANGE_NOT_SATISFIABLE, answer);
	MHD_destroy_response(answer);
	return rc;
}

// Content is on its way.
static void answer_begun(struct conn *c, const struct boot_content *found,
			 const struct boot_range *r)
{
	c->answering = true;
	c->size = found->size == 0 ? 0 : r->last - r->first + 1;
	c->whole = found->size == 0 || r->last + 1 == found->size;
	c->deadline = ev_now(c->server->thread->loop) + ANSWER_S +
		      (ev_tstamp)c->size / ANSWER_BYTES_PER_S;
	boot_counters_of(c->server->thread->responder)->http_bytes += c->size;
	// A disk that is read a piece at a time is one file in the timeline.
	if (strcmp(c->started, c->name) == 0)
		return;
	snprintf(c->started, sizeof(c->started), "%s", c->name);
	c->taken = 0;
	tell(c, BOOT_EV_HTTP_START, c->name);
}

static int answer_file(struct conn *c, struct MHD_Connection *conn,
		       const struct boot_content *found, bool head)
{
	const char *field = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Range");
	struct boot_range r = { 0, found->size - 1 };
	enum boot_range_kind kind = BOOT_RANGE_WHOLE;
	struct MHD_Response *answer;
	char text[96];
	int rc;

	// Who asks on a condition gets all of it (RFC 9110 section 13.1.5): we give no validators.
	if (!head && MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "If-Range") == NULL)
		kind = boot_range_parse(field, found->size, &r);
	if (kind == BOOT_RANGE_NONE)
		return answer_no_part(c, conn, found->size);
	answer = body(found, &r);
	if (answer == NULL)
		return ctl_mhd_say(conn, MHD_HTTP_INTERNAL_SERVER_ERROR, "Out of memory.\n", NULL);
	MHD_add_response_header(answer, "Accept-Ranges", "bytes");
	MHD_add_response_header(answer, "Content-Type", type_of(c->name));
	snprintf(text, sizeof(text), "bytes %llu-%llu/%zu", (unsigned long long)r.first,
		 (unsigned long long)r.last, found->size);
	if (kind == BOOT_RANGE_PART)
		MHD_add_response_header(answer, "Content-Range", text);
	rc = MHD_queue_response(
		conn, kind == BOOT_RANGE_PART ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK, answer);
	MHD_destroy_response(answer);
	if (!head && rc == MHD_YES)
		answer_begun(c, found, &r);
	return rc;
}

static bool has_body(struct MHD_Connection *conn)
{
	const char *size = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Content-Length");

	return MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Transfer-Encoding") != NULL ||
	       (size != NULL && strcmp(size, "0") != 0);
}

// Is its address at the MAC of this client's card, as far as the kernel knows, who answers there? A
// socket that is bound to no device is a test's.
static bool is_at(const struct conn *c, const struct sockaddr_in *peer,
		  const struct boot_client *client)
{
	struct arpreq q = { 0 };
	socklen_t size = sizeof(q.arp_dev);

	if (getsockopt(c->fd, SOL_SOCKET, SO_BINDTODEVICE, q.arp_dev, &size) < 0)
		return false;
	if (size == 0 || q.arp_dev[0] == '\0')
		return true;
	memcpy(&q.arp_pa, peer, sizeof(*peer));
	return ioctl(c->fd, SIOCGARP, &q) == 0 && (q.arp_flags & ATF_COM) != 0 &&
	       memcmp(q.arp_ha.sa_data, client->mac, sizeof(client->mac)) == 0;
}

static const struct boot_client *client_of(struct conn *c, struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct boot_client *client;
	const struct sockaddr_in *peer;
	uint8_t ip[4];

	if (info == NULL || info->client_addr->sa_family != AF_INET)
		return NULL;
	peer = (const struct sockaddr_in *)info->client_addr;
	memcpy(ip, &peer->sin_addr, 4);
	client = boot_client_at(c->server->thread->responder, c->server->ip, ip);
	return client != NULL && is_at(c, peer, client) ? client : NULL;
}

static struct conn *conn_of(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info == NULL ? NULL : info->socket_context;
}

static int request(struct conn *c, struct MHD_Connection *conn, const char *url, const char *method)
{
	struct boot_responder *r = c->server->thread->responder;
	const struct boot_client *client = client_of(c, conn);
	const bool head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
	const char *name = boot_target_name(url);
	struct boot_content found;

	while (*name == '/')
		name++;
	snprintf(c->name, sizeof(c->name), "%.127s", name);
	if (client == NULL)
		return refuse(c, conn, MHD_HTTP_FORBIDDEN,
			      "This address is no guest's that boots from here.\n");
	c->port = client->port;
	c->gen = client->gen;
	if (!head && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
		return refuse(c, conn, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and HEAD only.\n");
	if (has_body(conn))
		return refuse(c, conn, MHD_HTTP_CONTENT_TOO_LARGE, "No body is read.\n");
	if (!boot_content_find(boot_table_of(r), client, name, &found))
		return refuse(c, conn, MHD_HTTP_NOT_FOUND, "No such file for this VM.\n");
	return answer_file(c, conn, &found, head);
}

// The library's interface has eight parameters. It is called when the header is there, and again
// when the body is; a connection stays for the next request only if the answer waits for that.
static enum MHD_Result on_request(void *arg, struct MHD_Connection *conn, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *size, void **state)
{
	struct server *s = arg;
	struct conn *c = conn_of(conn);

	(void)version;
	(void)data;
	(void)size;
	if (c == NULL)
		return MHD_NO;
	if (*state == NULL) {
		*state = c;
		boot_counters_of(s->thread->responder)->http_requests++;
		c->deadline = ev_now(s->thread->loop) + IDLE_S;
		if (!has_body(conn))
			return MHD_YES;
	}
	return request(c, conn, url, method);
}

static void on_completed(void *arg, struct MHD_Connection *conn, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct server *s = arg;
	struct conn *c = *state;
	char detail[78];

	(void)conn;
	if (c == NULL)
		return;
	c->deadline = ev_now(s->thread->loop) + IDLE_S;
	if (!c->answering)
		return;
	c->answering = false;
	if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK) {
		snprintf(detail, sizeof(detail), "%.60s: not taken", c->name);
		tell(c, BOOT_EV_HTTP_FAILED, detail);
		return;
	}
	c->taken += c->size;
	boot_counters_of(s->thread->responder)->http_done++;
	if (c->whole)
		tell(c, BOOT_EV_HTTP_DONE, c->name);
}

static void conn_add(struct server *s, struct MHD_Connection *conn, void **context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct conn *c = calloc(1, sizeof(*c));

	*context = c; // without one its requests are not answered
	if (c == NULL || info == NULL)
		return;
	c->server = s;
	c->fd = info->connect_fd;
	c->deadline = ev_now(s->thread->loop) + IDLE_S;
	c->next = s->conns;
	c->at = &s->conns;
	if (c->next != NULL)
		c->next->at = &c->next;
	s->conns = c;
	c->other = client_of(c, conn) == NULL;
	s->n_others += c->other;
	if (s->n_others > OTHERS_CONNECTIONS && c->other)
		shutdown(c->fd, SHUT_RDWR);
}

static void on_connection(void *arg, struct MHD_Connection *conn, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct conn *c = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		conn_add(arg, conn, context);
		return;
	}
	if (c != NULL && c->at != NULL) {
		*c->at = c->next;
		if (c->next != NULL)
			c->next->at = c->at;
		c->server->n_others -= c->other;
	}
	free(c);
	*context = NULL;
}

// No name has a character that would have to be written as %XX: nothing is decoded, so there is
// nothing to hide in.
static size_t on_unescape(void *arg, struct MHD_Connection *conn, char *text)
{
	(void)arg;
	(void)conn;
	return strlen(text);
}

// Who sends or takes a byte now and then is not idle to the library.
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
	struct ctl_http_thread *t = timer->data;

	(void)revents;
	for (struct server *s = t->servers; s != NULL; s = s->next) {
		for (struct conn *c = s->conns; c != NULL; c = c->next) {
			if (ev_now(loop) < c->deadline)
				continue;
			boot_counters_of(t->responder)->http_cut++;
			c->deadline = ev_now(loop) + IDLE_S;
			shutdown(c->fd, SHUT_RDWR);
		}
	}
}

static struct MHD_Daemon *daemon_start(struct server *s, int fd)
{
	return MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, s,
				MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned int)CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				(unsigned int)GUEST_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)REQUEST_BYTES, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned int)IDLE_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
				s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
				MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, s, MHD_OPTION_END);
}

static void server_stop(struct server *s)
{
	ctl_mhd_stop(&s->mhd); // closes the socket, too
	free(s);
}

static void server_start(struct ctl_http_thread *t, const uint8_t ip[4], int fd)
{
	struct server *s = calloc(1, sizeof(*s));

	if (s != NULL) {
		s->thread = t;
		memcpy(s->ip, ip, 4);
		s->mhd.daemon = daemon_start(s, fd);
	}
	if (s == NULL || s->mhd.daemon == NULL) {
		weir_log(WEIR_ERROR, "boot service: HTTP does not start: out of memory");
		close(fd);
		free(s);
		return;
	}
	ctl_mhd_watch(&s->mhd, t->loop);
	s->next = t->servers;
	t->servers = s;
}

// Does a server go: for good, or for another in its place?
static bool set_changes(const struct ctl_http_set *set, const uint8_t ip[4])
{
	for (uint32_t i = 0; i < set->n; i++) {
		if (memcmp(set->entries[i].ip, ip, 4) == 0)
			return set->entries[i].fd >= 0;
	}
	return true;
}

static void set_serve(struct ctl_http_thread *t, const struct ctl_http_set *set)
{
	for (struct server **at = &t->servers; *at != NULL;) {
		struct server *s = *at;

		if (!set_changes(set, s->ip)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		server_stop(s);
	}
	for (uint32_t i = 0; i < set->n; i++) {
		if (set->entries[i].fd >= 0)
			server_start(t, set->entries[i].ip, set->entries[i].fd);
	}
}

void ctl_http_take(struct ctl_http_thread *t, struct ctl_http_set *set)
{
	if (set == NULL)
		return;
	set_serve(t, set);
	free(set);
}

struct ctl_http_thread *ctl_http_thread_create(struct ev_loop *loop, struct boot_responder *r,
					       const struct boot_out *out, uint64_t (*now_ns)(void))
{
	struct ctl_http_thread *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->loop = loop;
	t->responder = r;
	t->out = *out;
	t->now_ns = now_ns;
	ev_timer_init(&t->tick, on_tick, TICK_S, TICK_S);
	t->tick.data = t;
	ev_timer_start(loop, &t->tick);
	return t;
}

void ctl_http_thread_destroy(struct ctl_http_thread *t)
{
	if (t == NULL)
		return;
	set_serve(t, &(const struct ctl_http_set){ 0 });
	ev_timer_stop(t->loop, &t->tick);
	free(t);
}
