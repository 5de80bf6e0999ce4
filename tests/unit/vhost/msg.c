#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit.h"
#include "vh_msg.h"

enum { REGION = sizeof(struct vh_region) };

static int ends[2]; // we write to the first, the reader reads the second
static struct vh_msg_reader reader;
static int fds_before;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	memset(&reader, 0, sizeof(reader));
	fds_before = count_fds();
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

// Whatever a test did, no descriptor is left.
static int teardown(void **state)
{
	(void)state;
	if (ends[0] >= 0)
		close(ends[0]);
	close(ends[1]);
	if (count_fds() != fds_before)
		fprintf(stderr, "%d descriptors before, %d after\n", fds_before, count_fds());
	return count_fds() == fds_before ? 0 : -1;
}

// Bytes with n_fds new descriptors that travel with the first of them.
static void feed(const void *data, size_t size, uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[16];

	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = eventfd(i, 0);
	if (n_fds > 0) {
		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(ends[0], &h, 0), size);
	for (uint32_t i = 0; i < n_fds; i++)
		close(fds[i]);
}

static size_t wire(uint8_t *out, uint32_t request, uint32_t flags, uint32_t size)
{
	uint32_t head[3] = { request, flags, size };

	memcpy(out, head, sizeof(head));
	for (uint32_t i = 0; i < size && i < 400; i++)
		out[12 + i] = (uint8_t)(i + 1);
	return 12 + (size_t)size;
}

static size_t wire_memory(uint8_t *out, uint32_t n_regions, uint32_t n_claimed)
{
	size_t size = wire(out, VH_SET_MEM_TABLE, VH_MSG_VERSION, 8 + n_regions * REGION);

	memcpy(out + 12, &n_claimed, 4);
	return size;
}

static void close_fds(struct vh_msg *m)
{
	for (uint32_t i = 0; i < m->n_fds; i++)
		assert_int_equal(close(m->fds[i]), 0);
	m->n_fds = 0;
}

// The sizes of the vhost-user specification, by request; -1 = there is no such request.
static int request_size(uint32_t request)
{
	static const int sizes[] = { -1, 0, 8, 0, 0, -2, -1, -1, 8, 40, 8,
				     8,	 8, 8, 8, 0, 8,	 0,  8,	 8, 8 };

	if (request < sizeof(sizes) / sizeof(sizes[0]))
		return sizes[request];
	switch (request) {
	case VH_GET_CONFIG:
	case VH_SET_CONFIG:
		return -3;
	case VH_SET_STATUS:
		return 8;
	case VH_GET_STATUS:
		return 0;
	default:
		return -1;
	}
}

static bool expected_size(uint32_t request, bool reply, uint32_t size)
{
	int one = request_size(request);

	if (one == -1)
		return false;
	if (one == -3 && !(reply && request == VH_SET_CONFIG))
		return size <= 12 + 256;
	if (reply)
		return size == 8;
	if (one == -2)
		return size >= 8 && size <= 8 + 8 * REGION && (size - 8) % REGION == 0;
	return size == (uint32_t)one;
}

static void each_request_has_the_sizes_of_the_specification(void **state)
{
	(void)state;
	for (uint32_t request = 0; request < 64; request++)
		for (uint32_t size = 0; size < 600; size++)
			for (uint32_t reply = 0; reply < 2; reply++)
				if (vh_msg_size_ok(request, reply ? VH_MSG_REPLY : 0, size) !=
				    expected_size(request, reply != 0, size))
					fail_msg("request %u, size %u, reply %u", request, size,
						 reply);
	assert_false(vh_msg_size_ok(UINT32_MAX, 0, 0));
	assert_false(vh_msg_size_ok(VH_GET_CONFIG, 0, UINT32_MAX));
	assert_false(vh_msg_size_ok(VH_SET_MEM_TABLE, 0, UINT32_MAX - 23));
}

static void every_message_that_the_sizes_allow_is_read_as_it_was_sent(void **state)
{
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	for (uint32_t request = 0; request <= VH_REQUEST_MAX; request++) {
		for (uint32_t size = 0; size <= sizeof(m.payload); size++) {
			if (request == VH_SET_MEM_TABLE || !vh_msg_size_ok(request, 0, size))
				continue;
			feed(bytes, wire(bytes, request, VH_MSG_VERSION | VH_MSG_NEED_REPLY, size),
			     0);
			assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
			assert_int_equal(m.request, request);
			assert_int_equal(m.size, size);
			assert_int_equal(m.flags, VH_MSG_VERSION | VH_MSG_NEED_REPLY);
			assert_int_equal(m.n_fds, 0);
			assert_memory_equal(&m.payload, bytes + 12, size);
			for (size_t i = size; i < sizeof(m.payload); i++)
				assert_int_equal(((uint8_t *)&m.payload)[i], 0);
		}
	}
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
}

static void a_message_may_come_byte_by_byte(void **state)
{
	uint8_t bytes[512];
	size_t size = wire_memory(bytes, 8, 8);
	struct vh_msg m;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < size; i++) {
			feed(bytes + i, 1, i == 0 ? 8 : 0);
			assert_int_equal(vh_msg_recv(&reader, ends[1], &m), i + 1 == size);
			if (i + 1 < size) // and again: nothing there changes nothing
				assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
		}
		assert_int_equal(m.size, size - 12);
		assert_memory_equal(&m.payload, bytes + 12, m.size);
		assert_int_equal(m.n_fds, 8);
		for (uint32_t i = 0; i < m.n_fds; i++) {
			eventfd_t v = 99;

			// In order: each holds its number. 0 cannot be read.
			fcntl(m.fds[i], F_SETFL, O_NONBLOCK);
			assert_int_equal(eventfd_read(m.fds[i], &v), i == 0 ? -1 : 0);
			assert_int_equal(v, i == 0 ? 99 : i);
			assert_int_equal(fcntl(m.fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		}
		close_fds(&m);
	}
}

static void messages_behind_each_other_keep_their_own_descriptors(void **state)
{
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	feed(bytes, wire(bytes, VH_SET_VRING_KICK, VH_MSG_VERSION, 8), 1);
	feed(bytes, wire(bytes, VH_SET_OWNER, VH_MSG_VERSION, 0), 0);
	feed(bytes, wire(bytes, VH_SET_VRING_CALL, VH_MSG_VERSION, 8), 1);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
	assert_int_equal(m.request, VH_SET_VRING_KICK);
	assert_int_equal(m.n_fds, 1);
	close_fds(&m);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
	assert_int_equal(m.request, VH_SET_OWNER);
	assert_int_equal(m.n_fds, 0);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
	assert_int_equal(m.request, VH_SET_VRING_CALL);
	assert_int_equal(m.n_fds, 1);
	close_fds(&m);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
}

static void more_descriptors_than_fit_are_closed_and_end_the_connection(void **state)
{
	uint8_t bytes[512];
	size_t size = wire_memory(bytes, 8, 8);
	struct vh_msg m;

	(void)state;
	feed(bytes, size, 9);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), -EMSGSIZE);
	assert_int_equal(count_fds(), fds_before + 2);
	vh_msg_reader_close(&reader); // may be called all the same
}

static void descriptors_may_not_come_in_parts_that_add_up_to_more(void **state)
{
	uint8_t bytes[512];
	size_t size = wire_memory(bytes, 8, 8);
	struct vh_msg m;

	(void)state;
	feed(bytes, 1, 8);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
	feed(bytes + 1, size - 1, 1);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), -EMSGSIZE);
	assert_int_equal(count_fds(), fds_before + 2);
}

static void what_is_refused_leaves_no_descriptor(void **state)
{
	static const struct {
		uint32_t request, flags, size;
		int rc;
	} cases[] = {
		{ VH_GET_FEATURES, 0, 0, -EBADMSG },
		{ VH_GET_FEATURES, 2, 0, -EBADMSG },
		{ VH_GET_FEATURES, 3 | VH_MSG_REPLY, 8, -EBADMSG },
		{ 0, VH_MSG_VERSION, 0, -EMSGSIZE },
		{ 6, VH_MSG_VERSION, 16, -EMSGSIZE }, // SET_LOG_BASE: nobody offers it
		{ 41, VH_MSG_VERSION, 0, -EMSGSIZE },
		{ UINT32_MAX, VH_MSG_VERSION, 0, -EMSGSIZE },
		{ VH_GET_FEATURES, VH_MSG_VERSION, 8, -EMSGSIZE },
		{ VH_SET_FEATURES, VH_MSG_VERSION, 0, -EMSGSIZE },
		{ VH_SET_VRING_ADDR, VH_MSG_VERSION, 39, -EMSGSIZE },
		{ VH_SET_MEM_TABLE, VH_MSG_VERSION, 7, -EMSGSIZE },
		{ VH_SET_MEM_TABLE, VH_MSG_VERSION, 8 + 9 * REGION, -EMSGSIZE },
		{ VH_SET_MEM_TABLE, VH_MSG_VERSION, UINT32_MAX, -EMSGSIZE },
		{ VH_GET_CONFIG, VH_MSG_VERSION, 269, -EMSGSIZE },
	};
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire(bytes, cases[i].request, cases[i].flags, cases[i].size);
		feed(bytes, 12, 3);
		if (vh_msg_recv(&reader, ends[1], &m) != cases[i].rc)
			fail_msg("case %zu", i);
		assert_int_equal(count_fds(), fds_before + 2);
		// The connection is over; its reader says the same again.
		assert_int_equal(vh_msg_recv(&reader, ends[1], &m), cases[i].rc);
		reader = (struct vh_msg_reader){ 0 };
	}
}

static void a_memory_table_has_as_many_regions_as_it_says(void **state)
{
	static const uint32_t claims[] = { 0, 1, 3, 8, UINT32_MAX };
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		feed(bytes, wire_memory(bytes, 2, claims[i]), 2);
		assert_int_equal(vh_msg_recv(&reader, ends[1], &m), -EMSGSIZE);
		reader = (struct vh_msg_reader){ 0 };
	}
	feed(bytes, wire_memory(bytes, 2, 2), 2);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
	close_fds(&m);
	feed(bytes, wire_memory(bytes, 0, 0), 0);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 1);
}

static void a_peer_that_closes_is_told_apart_from_one_that_waits(void **state)
{
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
	wire(bytes, VH_SET_FEATURES, VH_MSG_VERSION, 8);
	feed(bytes, 15, 2); // and then it dies in the middle
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
	close(ends[0]);
	ends[0] = -1;
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), -ECONNRESET);
	assert_int_equal(count_fds(), fds_before + 1);
}

static void a_reader_that_is_given_up_closes_what_it_holds(void **state)
{
	uint8_t bytes[512];
	struct vh_msg m;

	(void)state;
	wire(bytes, VH_SET_FEATURES, VH_MSG_VERSION, 8);
	feed(bytes, 5, 4);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &m), 0);
	assert_int_equal(count_fds(), fds_before + 2 + 4);
	vh_msg_reader_close(&reader);
	assert_int_equal(count_fds(), fds_before + 2);
	vh_msg_reader_close(&reader);
}

static void what_is_sent_is_what_is_read(void **state)
{
	struct vh_msg out = { .request = VH_SET_VRING_ADDR, .size = 40 }, in;
	int pipes[2];

	(void)state;
	out.payload.addr = (struct vh_vring_addr){ 3, 0, 1, 2, 3, 4 };
	assert_int_equal(pipe(pipes), 0);
	out.fds[0] = pipes[0];
	out.fds[1] = pipes[1];
	out.n_fds = 2;
	assert_int_equal(vh_msg_send(ends[0], &out), 0);
	close(pipes[0]);
	close(pipes[1]);
	assert_int_equal(vh_msg_recv(&reader, ends[1], &in), 1);
	assert_int_equal(in.flags, VH_MSG_VERSION);
	assert_memory_equal(&in.payload, &out.payload, sizeof(in.payload));
	assert_int_equal(in.n_fds, 2);
	assert_int_equal(write(in.fds[1], "x", 1), 1); // it is the pipe
	close_fds(&in);
}

static void a_full_socket_takes_whole_messages_only(void **state)
{
	struct vh_msg out = { .request = VH_SET_FEATURES, .size = 8 }, in;
	uint64_t n = 0, k = 0;
	int rc;

	(void)state;
	for (;; n++) {
		out.payload.u64 = n;
		rc = vh_msg_send(ends[0], &out);
		if (rc < 0)
			break;
	}
	assert_int_equal(rc, -EAGAIN);
	while (vh_msg_recv(&reader, ends[1], &in) == 1)
		assert_int_equal(in.payload.u64, k++);
	assert_int_equal(k, n);
}

static void sending_to_nobody_is_an_error_and_no_signal(void **state)
{
	struct vh_msg out = { .request = VH_SET_OWNER };
	int gone = ends[0];

	(void)state;
	close(gone);
	ends[0] = -1;
	assert_int_equal(vh_msg_send(ends[1], &out), -EPIPE);
}

static void every_request_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(vh_msg_name(VH_SET_MEM_TABLE), "SET_MEM_TABLE");
	assert_string_equal(vh_msg_name(VH_GET_STATUS), "GET_STATUS");
	assert_string_equal(vh_msg_name(0), "unknown request");
	assert_string_equal(vh_msg_name(7), "unknown request");
	assert_string_equal(vh_msg_name(UINT32_MAX), "unknown request");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_request_has_the_sizes_of_the_specification),
		T(every_message_that_the_sizes_allow_is_read_as_it_was_sent),
		T(a_message_may_come_byte_by_byte),
		T(messages_behind_each_other_keep_their_own_descriptors),
		T(more_descriptors_than_fit_are_closed_and_end_the_connection),
		T(descriptors_may_not_come_in_parts_that_add_up_to_more),
		T(what_is_refused_leaves_no_descriptor),
		T(a_memory_table_has_as_many_regions_as_it_says),
		T(a_peer_that_closes_is_told_apart_from_one_that_waits),
		T(a_reader_that_is_given_up_closes_what_it_holds),
		T(what_is_sent_is_what_is_read),
		T(a_full_socket_takes_whole_messages_only),
		T(sending_to_nobody_is_an_error_and_no_signal),
		T(every_request_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
