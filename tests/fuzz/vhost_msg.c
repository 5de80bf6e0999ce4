// The reader of vhost-user messages. The input is what a peer does: DESCRIPTORS (1 byte), LENGTH (1
// byte), that many bytes; the reader is asked after each. Invariants: what it returns is what its
// contract says, and no descriptor is left.
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vh_msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool feed(int fd, const uint8_t *data, size_t size, uint32_t n_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)data, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[16];

	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = 0; // the reader gets descriptors of its own
	if (n_fds > 0) {
		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
	}
	return sendmsg(fd, &h, MSG_NOSIGNAL) == (ssize_t)size;
}

static void check(const struct vh_msg *m)
{
	assert((m->flags & VH_MSG_VERSION_MASK) == VH_MSG_VERSION);
	assert(vh_msg_size_ok(m->request, m->flags, m->size));
	assert(m->size <= sizeof(m->payload) && m->n_fds <= VH_MSG_FDS_MAX);
	assert(vh_msg_name(m->request)[0] != 'u');
	for (size_t i = m->size; i < sizeof(m->payload); i++)
		assert(((const uint8_t *)&m->payload)[i] == 0);
	if (m->request == VH_SET_MEM_TABLE && (m->flags & VH_MSG_REPLY) == 0)
		assert(m->payload.memory.n_regions <= VH_MSG_REGIONS_MAX);
	for (uint32_t i = 0; i < m->n_fds; i++)
		assert(close(m->fds[i]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vh_msg_reader r = { 0 };
	struct vh_msg *m = malloc(sizeof(*m)); // the sanitizer watches its ends
	int ends[2], rc = 0, lowest = dup(0);
	size_t at = 0;

	close(lowest);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	while (rc >= 0 && at + 2 < size) {
		uint32_t n_fds = data[at] % 12;
		size_t n = 1 + data[at + 1];

		at += 2;
		if (n > size - at)
			n = size - at;
		if (!feed(ends[0], data + at, n, n_fds))
			abort();
		at += n;
		while ((rc = vh_msg_recv(&r, ends[1], m)) == 1)
			check(m);
		assert(rc == 0 || rc == -EBADMSG || rc == -EMSGSIZE);
	}
	if (rc == 0) { // and then the peer goes, in the middle or not
		close(ends[0]);
		ends[0] = -1;
		assert(vh_msg_recv(&r, ends[1], m) == -ECONNRESET);
	}
	assert(r.n_fds == 0);
	if (ends[0] >= 0)
		close(ends[0]);
	close(ends[1]);
	rc = dup(0);
	assert(rc == lowest); // no descriptor is left
	close(rc);
	free(m);
	return 0;
}
