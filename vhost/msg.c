// See vh_msg.h.
#include "vh_msg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PART_TIMEOUT_MS = 1000 };

// What a request carries. SET_MEM_TABLE is its own case: its size follows from the number of
// regions.
static const struct {
	const char *name;
	uint16_t size, reply_size;
} requests[VH_REQUEST_MAX + 1] = {
	[VH_GET_FEATURES] = { "GET_FEATURES", 0, 8 },
	[VH_SET_FEATURES] = { "SET_FEATURES", 8, 8 },
	[VH_SET_OWNER] = { "SET_OWNER", 0, 8 },
	[VH_RESET_OWNER] = { "RESET_OWNER", 0, 8 },
	[VH_SET_MEM_TABLE] = { "SET_MEM_TABLE", sizeof(struct vh_memory), 8 },
	[VH_SET_VRING_NUM] = { "SET_VRING_NUM", 8, 8 },
	[VH_SET_VRING_ADDR] = { "SET_VRING_ADDR", sizeof(struct vh_vring_addr), 8 },
	[VH_SET_VRING_BASE] = { "SET_VRING_BASE", 8, 8 },
	[VH_GET_VRING_BASE] = { "GET_VRING_BASE", 8, 8 },
	[VH_SET_VRING_KICK] = { "SET_VRING_KICK", 8, 8 },
	[VH_SET_VRING_CALL] = { "SET_VRING_CALL", 8, 8 },
	[VH_SET_VRING_ERR] = { "SET_VRING_ERR", 8, 8 },
	[VH_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 8 },
	[VH_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", 8, 8 },
	[VH_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 8 },
	[VH_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", 8, 8 },
	[VH_SEND_RARP] = { "SEND_RARP", 8, 8 },
	[VH_NET_SET_MTU] = { "NET_SET_MTU", 8, 8 },
	[VH_GET_CONFIG] = { "GET_CONFIG", sizeof(struct vh_config), sizeof(struct vh_config) },
	[VH_SET_CONFIG] = { "SET_CONFIG", sizeof(struct vh_config), 8 },
	[VH_GET_STATUS] = { "GET_STATUS", 0, 8 },
	[VH_SET_STATUS] = { "SET_STATUS", 8, 8 },
};

const char *vh_msg_name(uint32_t request)
{
	return request <= VH_REQUEST_MAX && requests[request].name != NULL ? requests[request].name
									   : "unknown request";
}

bool vh_msg_size_ok(uint32_t request, uint32_t flags, uint32_t size)
{
	bool reply = (flags & VH_MSG_REPLY) != 0;

	if (request > VH_REQUEST_MAX || requests[request].name == NULL)
		return false;
	if (request == VH_SET_MEM_TABLE && !reply)
		return size >= offsetof(struct vh_memory, regions) &&
		       size <= sizeof(struct vh_memory) &&
		       (size - offsetof(struct vh_memory, regions)) % sizeof(struct vh_region) == 0;
	if (request == VH_GET_CONFIG || (request == VH_SET_CONFIG && !reply))
		return size <= sizeof(struct vh_config); // 0 in a reply: refused
	return size == (reply ? requests[request].reply_size : requests[request].size);
}

void vh_msg_reader_close(struct vh_msg_reader *r)
{
	for (uint32_t i = 0; i < r->n_fds; i++)
		close(r->fds[i]);
	r->n_fds = 0;
}

// Descriptors of one recvmsg(). Those that do not fit are closed, and that ends the connection.
static int take_fds(struct vh_msg_reader *r, struct msghdr *h)
{
	int rc = (h->msg_flags & MSG_CTRUNC) != 0 ? -EMSGSIZE : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (r->n_fds < VH_MSG_FDS_MAX) {
				r->fds[r->n_fds++] = fd;
			} else {
				close(fd);
				rc = -EMSGSIZE;
			}
		}
	}
	return rc;
}

static int read_part(struct vh_msg_reader *r, int fd, uint32_t until_bytes)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(VH_MSG_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { r->wire + r->have_bytes, until_bytes - r->have_bytes };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	r->have_bytes += (uint32_t)n;
	if (take_fds(r, &h) < 0)
		return -EMSGSIZE;
	return 1;
}

// The header, once it is there, and the bytes of the whole message.
static int check_header(const struct vh_msg_reader *r, uint32_t head[3], uint32_t *want)
{
	*want = VH_MSG_HEADER_BYTES;
	if (r->have_bytes < VH_MSG_HEADER_BYTES)
		return 0;
	memcpy(head, r->wire, 3 * sizeof(head[0]));
	if ((head[1] & VH_MSG_VERSION_MASK) != VH_MSG_VERSION)
		return -EBADMSG;
	if (!vh_msg_size_ok(head[0], head[1], head[2]))
		return -EMSGSIZE;
	*want += head[2];
	return 0;
}

// The number of regions is said twice.
static int check_payload(const uint32_t head[3], const uint8_t *payload)
{
	uint32_t n_regions;

	if (head[0] != VH_SET_MEM_TABLE || (head[1] & VH_MSG_REPLY) != 0)
		return 0;
	memcpy(&n_regions, payload, sizeof(n_regions));
	return n_regions == (head[2] - offsetof(struct vh_memory, regions)) /
				       sizeof(struct vh_region)
		       ? 0
		       : -EMSGSIZE;
}

int vh_msg_recv(struct vh_msg_reader *r, int fd, struct vh_msg *m)
{
	uint32_t head[3] = { 0 }, want;
	int rc;

	for (;;) {
		rc = check_header(r, head, &want);
		if (rc == 0 && r->have_bytes >= VH_MSG_HEADER_BYTES && r->have_bytes == want) {
			rc = check_payload(head, r->wire + VH_MSG_HEADER_BYTES);
			if (rc == 0)
				break;
		}
		if (rc == 0)
			rc = read_part(r, fd, want);
		if (rc < 0)
			vh_msg_reader_close(r);
		if (rc <= 0)
			return rc;
	}
	memset(m, 0, sizeof(*m));
	m->request = head[0];
	m->flags = head[1];
	m->size = head[2];
	memcpy(&m->payload, r->wire + VH_MSG_HEADER_BYTES, head[2]);
	memcpy(m->fds, r->fds, sizeof(m->fds));
	m->n_fds = r->n_fds;
	r->have_bytes = 0;
	r->n_fds = 0;
	return 1;
}

static int send_rest(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0) {
			data += n;
			size -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return -errno;
		} else if (poll(&p, 1, PART_TIMEOUT_MS) == 0) {
			return -ETIMEDOUT;
		}
	}
	return 0;
}

int vh_msg_send(int fd, const struct vh_msg *m)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(VH_MSG_FDS_MAX * sizeof(int))];
	} control = { 0 };
	uint8_t wire[VH_MSG_HEADER_BYTES + sizeof(m->payload)];
	uint32_t head[3] = { m->request, m->flags | VH_MSG_VERSION, m->size };
	size_t size = VH_MSG_HEADER_BYTES + (size_t)m->size, fds_bytes = m->n_fds * sizeof(int);
	struct iovec iov = { wire, size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	assert(m->size <= sizeof(m->payload) && m->n_fds <= VH_MSG_FDS_MAX);
	memcpy(wire, head, sizeof(head));
	memcpy(wire + sizeof(head), &m->payload, m->size);
	if (m->n_fds > 0) {
		h.msg_control = control.room;
		h.msg_controllen = CMSG_SPACE(fds_bytes);
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(fds_bytes),
						  .cmsg_level = SOL_SOCKET,
						  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), m->fds, fds_bytes);
	}
	do {
		n = sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return send_rest(fd, wire + n, size - (size_t)n);
}
