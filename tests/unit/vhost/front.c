// The front against a back-end that this test plays, message by message, in one thread.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../unit.h"
#include "vh_front.h"
#include "vh_msg.h"

#include <linux/virtio_config.h>

#define BIT(n) (1ull << (n))

enum { LOG_LEN = 64 };

static char path[64];
static struct vh_front *front;

// The other end: what it offers, and which requests it has seen.
static struct peer {
	int fd;
	struct vh_msg_reader reader;
	uint64_t features, protocol, queues, acknowledge;
	uint32_t seen[LOG_LEN], n_seen, base[4], n_fds;
} peer;

static struct vh_front_params params(void)
{
	return (struct vh_front_params){ .n_guests = 2,
					 .n_pairs = 1,
					 .queue_size = 64,
					 .frame_bytes = 1514,
					 .rx_buffer_bytes = 2048,
					 .mergeable = true };
}

static int setup(void **state)
{
	struct vh_front_params p = params();

	(void)state;
	snprintf(path, sizeof(path), "/tmp/weir-front-%d.sock", getpid());
	memset(&peer, 0, sizeof(peer));
	peer.fd = -1;
	peer.features = UINT64_MAX;
	peer.protocol = UINT64_MAX;
	peer.queues = 16;
	return vh_front_create(&p, &front, NULL);
}

static int teardown(void **state)
{
	(void)state;
	vh_front_destroy(front);
	if (peer.fd >= 0)
		close(peer.fd);
	unlink(path);
	return 0;
}

static void peer_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (peer.fd >= 0)
		close(peer.fd);
	peer.reader = (struct vh_msg_reader){ 0 };
	peer.n_seen = 0;
	memcpy(a.sun_path, path, sizeof(path));
	peer.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(peer.fd, (struct sockaddr *)&a, sizeof(a)), 0);
}

static void peer_answer(const struct vh_msg *m)
{
	struct vh_msg r = { .request = m->request, .flags = VH_MSG_REPLY, .size = 8 };

	switch (m->request) {
	case VH_GET_FEATURES:
		r.payload.u64 = peer.features;
		break;
	case VH_GET_PROTOCOL_FEATURES:
		r.payload.u64 = peer.protocol;
		break;
	case VH_GET_QUEUE_NUM:
		r.payload.u64 = peer.queues;
		break;
	case VH_GET_VRING_BASE:
		r.payload.state = (struct vh_vring_state){ m->payload.state.idx, 7 };
		break;
	default:
		if ((m->flags & VH_MSG_NEED_REPLY) == 0)
			return;
		r.payload.u64 = peer.acknowledge;
		break;
	}
	assert_int_equal(vh_msg_send(peer.fd, &r), 0);
}

static void peer_turn(void)
{
	struct vh_msg m;

	while (peer.fd >= 0 && vh_msg_recv(&peer.reader, peer.fd, &m) == 1) {
		peer.seen[peer.n_seen++ % LOG_LEN] = m.request;
		peer.n_fds += m.n_fds;
		for (uint32_t i = 0; i < m.n_fds; i++)
			close(m.fds[i]);
		if (m.request == VH_SET_VRING_BASE)
			peer.base[m.payload.state.idx & 3] = m.payload.state.num;
		peer_answer(&m);
	}
}

static void both(int turns)
{
	for (int i = 0; i < turns; i++) {
		assert_true(vh_front_poll(front, 0) >= 0);
		peer_turn();
	}
}

static void a_guest_is_ready_after_the_whole_conversation(void **state)
{
	static const uint32_t wanted[] = { VH_GET_FEATURES,
					   VH_GET_PROTOCOL_FEATURES,
					   VH_SET_PROTOCOL_FEATURES,
					   VH_GET_QUEUE_NUM,
					   VH_SET_OWNER,
					   VH_SET_FEATURES,
					   VH_SET_MEM_TABLE,
					   VH_SET_VRING_NUM,
					   VH_SET_VRING_BASE,
					   VH_SET_VRING_ADDR,
					   VH_SET_VRING_CALL,
					   VH_SET_VRING_KICK,
					   VH_SET_VRING_NUM,
					   VH_SET_VRING_BASE,
					   VH_SET_VRING_ADDR,
					   VH_SET_VRING_CALL,
					   VH_SET_VRING_KICK,
					   VH_SET_VRING_ENABLE,
					   VH_SET_VRING_ENABLE };

	(void)state;
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_CLOSED);
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
	peer_connect();
	both(20);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
	assert_int_equal(peer.n_seen, sizeof(wanted) / sizeof(wanted[0]));
	assert_memory_equal(peer.seen, wanted, sizeof(wanted));
	assert_int_equal(peer.n_fds, 3); // memory, two kicks; no calls
	assert_int_equal(vh_front_features(front, 0), BIT(VIRTIO_F_VERSION_1) |
							      BIT(VH_F_PROTOCOL_FEATURES) |
							      BIT(VIRTIO_NET_F_MRG_RXBUF));
	assert_int_equal(vh_front_n_attaches(front, 0), 1);
	assert_int_equal(vh_front_state(front, 1), VH_FRONT_CLOSED);
}

static void a_back_end_that_cannot_is_refused_with_the_reason(void **state)
{
	static const struct {
		uint64_t features, acknowledge;
		const char *why;
	} cases[] = {
		{ ~BIT(VIRTIO_NET_F_MRG_RXBUF), 0, "without 0x8000, which is needed" },
		{ ~BIT(VIRTIO_F_VERSION_1), 0, "without 0x100000000, which is needed" },
		{ UINT64_MAX, 1, "the back-end refused SET_MEM_TABLE" },
	};

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		peer.features = cases[i].features;
		peer.acknowledge = cases[i].acknowledge;
		peer_connect();
		both(20);
		assert_int_equal(vh_front_state(front, 0), VH_FRONT_REFUSED);
		assert_non_null(strstr(vh_front_why(front, 0), cases[i].why));
	}
	peer.acknowledge = 0; // a better one may come
	peer_connect();
	both(20);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
}

static void rings_survive_the_back_end(void **state)
{
	uint8_t *frames[4];
	uint32_t lens[4] = { 60, 60, 60, 60 };

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	peer_connect();
	both(20);
	assert_int_equal(vh_ring_reserve(vh_front_tx(front, 0, 0), 4, frames), 4);
	vh_ring_send(vh_front_tx(front, 0, 0), 4, lens);
	vh_front_tx(front, 0, 0)->used->idx = 3; // the back-end has used three of them, and goes
	close(peer.fd);
	peer.fd = -1;
	both(2);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
	peer_connect();
	both(20);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
	assert_int_equal(peer.base[1], 3);
	assert_int_equal(vh_front_n_attaches(front, 0), 2);
}

static void a_ring_that_the_back_end_broke_costs_the_connection_and_begins_anew(void **state)
{
	struct vh_frame f[4];

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	peer_connect();
	both(20);
	vh_front_rx(front, 0, 0)->used->idx = 65;
	assert_int_equal(vh_ring_take(vh_front_rx(front, 0, 0), 4, f), 0);
	vh_ring_release(vh_front_rx(front, 0, 0));
	both(2);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
	assert_int_equal(vh_front_n_broken(front, 0), 1);
	peer_connect();
	both(20);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
	assert_false(vh_front_rx(front, 0, 0)->broken);
	assert_int_equal(peer.base[0], 0);
}

static void stop_and_start_begin_with_fresh_rings(void **state)
{
	uint8_t *frames[4];
	uint32_t lens[4] = { 60, 60, 60, 60 };

	(void)state;
	assert_int_equal(vh_front_stop(front, 0), -ENOTCONN);
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	peer_connect();
	both(20);
	assert_int_equal(vh_ring_reserve(vh_front_tx(front, 0, 0), 4, frames), 4);
	vh_ring_send(vh_front_tx(front, 0, 0), 4, lens);
	// stop() waits by itself, so the answers must be there when it asks.
	for (uint32_t i = 0; i < 2; i++)
		peer_answer(
			&(struct vh_msg){ .request = VH_GET_VRING_BASE, .payload.state.idx = i });
	assert_int_equal(vh_front_stop(front, 0), 0);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_NEGOTIATING);
	peer_turn();
	assert_int_equal(peer.seen[peer.n_seen - 1], VH_GET_VRING_BASE);
	peer.reader = (struct vh_msg_reader){ 0 };
	assert_int_equal(vh_front_start(front, 0), 0);
	assert_int_equal(vh_front_tx(front, 0, 0)->n_ids, 64);
	assert_int_equal(vh_front_start(front, 0), -ENOTCONN); // it runs
}

static void unasked_and_wrong_answers_end_the_connection(void **state)
{
	struct vh_msg lies[] = {
		{ .request = VH_GET_FEATURES, .flags = VH_MSG_REPLY, .size = 8 },
		{ .request = VH_SET_MEM_TABLE, .flags = VH_MSG_REPLY, .size = 8 },
	};

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	for (int i = 0; i < 2; i++) {
		peer_connect();
		both(20);
		assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
		assert_int_equal(vh_msg_send(peer.fd, &lies[i]), 0);
		both(2);
		assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
	}
	peer_connect(); // the answer to another question
	assert_true(vh_front_poll(front, 0) >= 0);
	assert_int_equal(vh_msg_send(peer.fd, &lies[1]), 0);
	assert_true(vh_front_poll(front, 0) >= 0);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
}

static void one_back_end_at_a_time(void **state)
{
	int first;

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	peer_connect();
	both(20);
	first = peer.fd;
	peer.fd = -1;
	peer_connect();
	both(3);
	assert_int_equal(peer.n_seen, 0);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
	close(first);
}

static void sockets_are_opened_and_removed(void **state)
{
	struct weir_err err = { "" };
	char longer[200];
	struct stat st;

	(void)state;
	memset(longer, 'x', sizeof(longer));
	longer[150] = '\0';
	assert_int_equal(vh_front_open(front, 0, longer, VH_FRONT_LISTEN, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.text, "path is longer than 107 bytes"));
	assert_int_equal(vh_front_open(front, 0, "/nowhere/at/all", VH_FRONT_LISTEN, &err),
			 -ENOENT);
	assert_string_equal(err.text, "socket /nowhere/at/all: No such file or directory");
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_CLOSED);
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, &err), -EBUSY);
	assert_int_equal(vh_front_open(front, 1, path, VH_FRONT_LISTEN, &err), -EADDRINUSE);
	vh_front_close(front, 0);
	assert_int_equal(lstat(path, &st), -1);
	// A socket of one that was killed is replaced, a file is not.
	assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, NULL), 0);
	vh_front_close(front, 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_LISTEN, &err), -EADDRINUSE);
	assert_int_equal(lstat(path, &st), 0);
}

static void a_front_that_connects_tries_again(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(vh_front_open(front, 0, path, VH_FRONT_CONNECT, NULL), 0);
	both(2);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_WAITING);
	memcpy(a.sun_path, path, sizeof(path));
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 1), 0);
	both(1);
	peer.fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(peer.fd >= 0);
	both(20);
	assert_int_equal(vh_front_state(front, 0), VH_FRONT_READY);
	close(listener);
}

#define P(guests, pairs, queue, frame, rx, ...)                                                    \
	{                                                                                          \
		.n_guests = guests, .n_pairs = pairs, .queue_size = queue, .frame_bytes = frame,   \
		.rx_buffer_bytes = rx, __VA_ARGS__                                                 \
	}

static void what_cannot_be_is_refused_by_name(void **state)
{
	static const struct {
		const char *why;
		struct vh_front_params p;
	} cases[] = {
		{ "0 guests: 1 to 512", P(0, 1, 64, 1514, 2048) },
		{ "513 guests: 1 to 512", P(513, 1, 64, 1514, 2048) },
		{ "17 queue pairs: 1 to 16", P(1, 17, 64, 1514, 2048) },
		{ "queue size 96: a power of two, 64 to 16384", P(1, 1, 96, 1514, 2048) },
		{ "queue size 32: a power of two, 64 to 16384", P(1, 1, 32, 1514, 2048) },
		{ "frames of 65563 bytes: 64 to 65562", P(1, 1, 64, 65563, 2048) },
		{ "receive buffers of 255 bytes: 256 to 65574", P(1, 1, 64, 1514, 255) },
		{ "pieces of 63 bytes: at least 64; on packed rings they need indirect descriptors",
		  P(1, 1, 64, 1514, 2048, .piece_bytes = 63) },
		{ "pieces of 64 bytes: at least 64; on packed rings they need indirect descriptors",
		  P(1, 1, 64, 1514, 2048, .piece_bytes = 64, .packed = true) },
		{ "pieces of 64 bytes: a frame of 1514 has 24 of them, at most 16 in a queue of 64",
		  P(1, 1, 64, 1514, 2048, .piece_bytes = 64) },
		{ "tso needs csum", P(1, 1, 64, 1514, 2048, .tso = true) },
		{ "receive buffers of 1024 bytes: super-frames need 1025",
		  P(1, 1, 64, 1514, 1024, .tso = true, .csum = true, .mergeable = true) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_err err = { "" };
		struct vh_front *f;

		assert_int_equal(vh_front_create(&cases[i].p, &f, &err), -EINVAL);
		assert_null(f);
		assert_string_equal(err.text, cases[i].why);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guest_is_ready_after_the_whole_conversation),
		T(a_back_end_that_cannot_is_refused_with_the_reason),
		T(rings_survive_the_back_end),
		T(a_ring_that_the_back_end_broke_costs_the_connection_and_begins_anew),
		T(stop_and_start_begin_with_fresh_rings),
		T(unasked_and_wrong_answers_end_the_connection),
		T(one_back_end_at_a_time),
		T(sockets_are_opened_and_removed),
		T(a_front_that_connects_tries_again),
		T(what_cannot_be_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
