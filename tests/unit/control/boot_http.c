// The HTTP server of the boot thread on a loopback address: who gets what, and what is held.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "boot_http.h"

enum { FILE_BYTES = 12 << 20, ROUNDS = 20000 };

static const uint8_t service_ip[4] = { 127, 0, 0, 1 };

struct rig {
	struct ctl *ctl;
	struct ev_loop *loop;
	struct boot_responder *responder;
	struct ctl_http_thread *http;
	uint16_t port;
	struct cfg_file file;
	uint8_t *bytes; // bytes[FILE_BYTES]
	char *got;	// got[size]
	size_t size;
};

static uint32_t n_events[BOOT_N_EVENTS];

static uint64_t now_ns(void)
{
	return 1;
}

static void on_send(void *ctx, const struct boot_client *c, const uint8_t *frame, size_t size)
{
	(void)ctx;
	(void)c;
	(void)frame;
	(void)size;
}

static void on_event(void *ctx, const struct boot_event *e)
{
	(void)ctx;
	n_events[e->kind]++;
}

// Guests 127.0.0.2, who has file "big", and 127.0.0.3.
static struct boot_table *table_make(struct rig *r)
{
	struct boot_table *t = calloc(1, sizeof(*t));
	struct cfg_error err;

	t->clients = calloc(2, sizeof(*t->clients));
	t->n_clients = 2;
	for (uint8_t i = 0; i < 2; i++) {
		struct boot_client *c = &t->clients[i];

		c->port = i;
		c->gen = 1;
		c->pool = -1;
		memcpy(c->service_ip, service_ip, 4);
		memcpy(c->ip, (const uint8_t[4]){ 127, 0, 0, (uint8_t)(2 + i) }, 4);
		c->script = strdup(i == 0 ? "#!ipxe of 2" : "#!ipxe of 3");
	}
	t->clients[0].n_files = 1;
	t->files = calloc(1, sizeof(*t->files));
	t->n_files = 1;
	assert_int_equal(ctl_boot_file(r->ctl, &r->file, &t->files[0], &err), 0);
	return t;
}

static void file_write(struct rig *r)
{
	int fd = open(r->file.path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_int_equal(write(fd, r->bytes, FILE_BYTES), FILE_BYTES);
	close(fd);
}

static int listener(uint16_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 65536;
	socklen_t len = sizeof(a);

	memcpy(&a.sin_addr, service_ip, 4);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void serve(struct rig *r, int fd)
{
	struct ctl_http_set *set = calloc(1, sizeof(*set) + sizeof(set->entries[0]));

	set->n = fd != -2;
	memcpy(set->entries[0].ip, service_ip, 4);
	set->entries[0].fd = fd;
	ctl_http_take(r->http, set);
}

static int setup(void **state)
{
	const struct boot_out out = { .send = on_send, .event = on_event };
	struct rig *r = calloc(1, sizeof(*r));

	memset(n_events, 0, sizeof(n_events));
	r->ctl = calloc(1, sizeof(*r->ctl));
	r->loop = ev_loop_new(EVFLAG_AUTO);
	r->bytes = malloc(FILE_BYTES);
	r->got = malloc(FILE_BYTES + 4096);
	for (size_t i = 0; i < FILE_BYTES; i++)
		r->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	strcpy(r->file.name, "big");
	strcpy(r->file.path, "/tmp/weir-http.XXXXXX");
	close(mkstemp(r->file.path));
	file_write(r);
	assert_int_equal(boot_create(&out, &r->responder), 0);
	boot_set_table(r->responder, table_make(r));
	r->http = ctl_http_thread_create(r->loop, r->responder, &out, now_ns);
	serve(r, listener(&r->port));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	ctl_http_thread_destroy(r->http);
	boot_destroy(r->responder);
	ctl_boot_files_free(r->ctl);
	assert_null(r->ctl->files);
	ev_loop_destroy(r->loop);
	unlink(r->file.path);
	free(r->ctl);
	free(r->bytes);
	free(r->got);
	free(r);
	return 0;
}

static int guest(struct rig *r, uint8_t last)
{
	struct sockaddr_in a = { .sin_family = AF_INET }, to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(&a.sin_addr, (const uint8_t[4]){ 127, 0, 0, last }, 4);
	memcpy(&to.sin_addr, service_ip, 4);
	to.sin_port = htons(r->port);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

// Read until there are size bytes, or the end. returns false = the server closed
static bool take(struct rig *r, int fd, size_t size)
{
	for (uint32_t i = 0; i < ROUNDS && r->size < size; i++) {
		ssize_t n;

		ev_run(r->loop, EVRUN_NOWAIT);
		n = recv(fd, r->got + r->size, size - r->size, 0);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n < 0)
			usleep(100);
		else
			r->size += (size_t)n;
	}
	assert_int_equal(r->size, size);
	return true;
}

// One answer: its header and its body. returns the status
static unsigned int answer(struct rig *r, int fd, size_t body)
{
	char *end;
	unsigned int status = 0;

	r->size = 0;
	do {
		assert_true(take(r, fd, r->size + 1));
		r->got[r->size] = '\0';
	} while (r->size < 4 || memcmp(r->got + r->size - 4, "\r\n\r\n", 4) != 0);
	assert_int_equal(sscanf(r->got, "HTTP/1.1 %u", &status), 1);
	end = strstr(r->got, "Content-Length: ");
	assert_non_null(end);
	assert_int_equal(strtoul(end + 16, NULL, 10), body);
	return status;
}

static unsigned int ask(struct rig *r, int fd, const char *request, size_t body)
{
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	return answer(r, fd, body);
}

static void body_is(struct rig *r, int fd, size_t from, size_t size)
{
	r->size = 0;
	assert_true(take(r, fd, size));
	assert_memory_equal(r->got, r->bytes + from, size);
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"

static void one_connection_carries_many_requests(void **state)
{
	struct rig *r = *state;
	int fd = guest(r, 2);

	assert_int_equal(ask(r, fd, "GET /big" HOST "\r\n", FILE_BYTES), 200);
	assert_non_null(strstr(r->got, "Accept-Ranges: bytes"));
	body_is(r, fd, 0, FILE_BYTES);
	assert_int_equal(ask(r, fd, "GET /big" HOST "Range: bytes=100-199\r\n\r\n", 100), 206);
	assert_non_null(strstr(r->got, "Content-Range: bytes 100-199/12582912\r\n"));
	body_is(r, fd, 100, 100);
	assert_int_equal(ask(r, fd, "GET /big" HOST "Range: bytes=12582912-\r\n\r\n", 0), 416);
	assert_non_null(strstr(r->got, "Content-Range: bytes */12582912\r\n"));
	assert_int_equal(ask(r, fd, "HEAD //big" HOST "\r\n", FILE_BYTES), 200);
	assert_int_equal(ask(r, fd, "GET http://x/boot.ipxe" HOST "\r\n", 11), 200);
	r->size = 0;
	assert_true(take(r, fd, 11));
	assert_memory_equal(r->got, "#!ipxe of 2", 11);
	assert_int_equal(ask(r, fd, "GET /%62ig" HOST "\r\n", 26), 404);
	assert_int_equal(n_events[BOOT_EV_HTTP_START], 2); // big, boot.ipxe
	assert_int_equal(n_events[BOOT_EV_HTTP_FAILED], 1);
	assert_int_equal(boot_counters(r->responder)->http_requests, 6);
	close(fd);
}

static void others_get_what_is_theirs(void **state)
{
	struct rig *r = *state;
	int fd = guest(r, 3), stranger = guest(r, 4);

	assert_int_equal(ask(r, fd, "GET /boot.ipxe" HOST "\r\n", 11), 200);
	r->size = 0;
	assert_true(take(r, fd, 11));
	assert_memory_equal(r->got, "#!ipxe of 3", 11);
	assert_int_equal(ask(r, fd, "GET /big" HOST "\r\n", 26), 404);
	memset(n_events, 0, sizeof(n_events));
	assert_int_equal(ask(r, stranger, "GET /boot.ipxe" HOST "\r\n", 49), 403);
	for (int i = 0; i < BOOT_N_EVENTS; i++)
		assert_int_equal(n_events[i], 0); // of whom?
	close(fd);
	close(stranger);
}

static void a_file_is_held_until_it_is_sent(void **state)
{
	struct rig *r = *state;
	int fd = guest(r, 2), other = guest(r, 2);

	assert_int_equal(ask(r, fd, "GET /big" HOST "\r\n", FILE_BYTES), 200);
	assert_int_equal(ask(r, other, "GET /big" HOST "\r\n", FILE_BYTES), 200);
	unlink(r->file.path);
	close(open(r->file.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	boot_set_table(r->responder, table_make(r)); // "big" is empty now
	body_is(r, fd, 0, FILE_BYTES);
	assert_int_equal(ask(r, fd, "GET /big" HOST "\r\n", 0), 200);
	boot_set_table(r->responder, NULL);
	assert_int_equal(ask(r, fd, "GET /big" HOST "\r\n", 49), 403);
	close(fd);
	close(other); // in the middle: what it was being sent is let go of, or teardown tells
	for (int i = 0; i < 50 && n_events[BOOT_EV_HTTP_FAILED] == 0; i++) {
		ev_run(r->loop, EVRUN_NOWAIT);
		usleep(1000);
	}
	assert_int_equal(n_events[BOOT_EV_HTTP_FAILED], 1);
	assert_int_equal(boot_counters(r->responder)->http_done, 2);
}

static void what_is_not_asked_for_properly_is_refused(void **state)
{
	static const struct {
		const char *request;
		unsigned int status;
		size_t body;
	} rows[] = {
		{ "PUT /big" HOST "\r\n", 405, 19 },
		{ "DELETE /big" HOST "\r\n", 405, 19 },
		{ "GET /big" HOST "Content-Length: 5\r\n\r\nabcde", 413, 17 },
		{ "GET /big" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413, 17 },
		{ "GET /" HOST "\r\n", 404, 26 },
	};
	struct rig *r = *state;
	char long_one[12000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int fd = guest(r, 2);

		assert_int_equal(ask(r, fd, rows[i].request, rows[i].body), rows[i].status);
		close(fd);
	}
	memset(long_one, 'a', sizeof(long_one));
	memcpy(long_one, "GET /", 5);
	int fd = guest(r, 2);

	send(fd, long_one, sizeof(long_one), MSG_NOSIGNAL);
	r->size = 0;
	assert_false(take(r, fd, FILE_BYTES)); // refused, and closed
	assert_true(r->size < 1000);
	close(fd);
}

static void a_guest_has_a_bounded_number_of_connections(void **state)
{
	struct rig *r = *state;
	int fds[40], n = 0;

	for (int i = 0; i < 40; i++) {
		fds[i] = guest(r, 2);
		ev_run(r->loop, EVRUN_NOWAIT);
	}
	for (int i = 0; i < 40; i++) {
		char b;

		ev_run(r->loop, EVRUN_NOWAIT);
		n += recv(fds[i], &b, 1, 0) < 0 && errno == EAGAIN;
	}
	assert_int_equal(n, 16);
	n = guest(r, 3); // which is no matter of the others
	assert_int_equal(ask(r, n, "GET /boot.ipxe" HOST "\r\n", 11), 200);
	close(n);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

static void others_leave_room_for_guests(void **state)
{
	struct rig *r = *state;
	int fds[100], fd, n = 0;

	for (int i = 0; i < 100; i++) {
		fds[i] = guest(r, (uint8_t)(10 + i));
		ev_run(r->loop, EVRUN_NOWAIT);
	}
	for (int i = 0; i < 100; i++) {
		char b;

		ev_run(r->loop, EVRUN_NOWAIT);
		n += recv(fds[i], &b, 1, 0) < 0 && errno == EAGAIN;
	}
	assert_int_equal(n, 64);
	fd = guest(r, 2);
	assert_int_equal(ask(r, fd, "GET /boot.ipxe" HOST "\r\n", 11), 200);
	close(fd);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	for (int i = 0; i < 20; i++)
		ev_run(r->loop, EVRUN_NOWAIT);
	fd = guest(r, 9); // it is heard again
	assert_int_equal(ask(r, fd, "GET /boot.ipxe" HOST "\r\n", 49), 403);
	close(fd);
}

static void a_set_replaces_another(void **state)
{
	struct rig *r = *state;
	int fd = guest(r, 2), gone = guest(r, 2);

	assert_int_equal(ask(r, gone, "GET /big" HOST "\r\n", FILE_BYTES), 200);
	serve(r, -1); // the one that is served stays
	assert_int_equal(ask(r, fd, "GET /boot.ipxe" HOST "\r\n", 11), 200);
	serve(r, listener(&r->port)); // another socket
	r->size = 0;
	assert_false(take(r, fd, FILE_BYTES));
	close(fd);
	fd = guest(r, 2);
	assert_int_equal(ask(r, fd, "GET /boot.ipxe" HOST "\r\n", 11), 200);
	serve(r, -2); // nowhere
	r->size = 0;
	assert_false(take(r, fd, FILE_BYTES));
	close(fd);
	close(gone);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_connection_carries_many_requests),
		T(others_get_what_is_theirs),
		T(a_file_is_held_until_it_is_sent),
		T(what_is_not_asked_for_properly_is_refused),
		T(a_guest_has_a_bounded_number_of_connections),
		T(others_leave_room_for_guests),
		T(a_set_replaces_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
