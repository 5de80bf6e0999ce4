// The vhost-user message codec: both ends of the protocol, no DPDK.
//
// A connection is a UNIX stream socket. A message is a 12-byte header, a payload whose size the
// header tells, and up to eight descriptors that travel with its first byte. The reader takes
// whatever the socket has and keeps its place, so a peer that sends half a message costs one file
// descriptor and no thread. Every size is checked against the request before a byte of the payload
// is read; descriptors of a message that is refused are closed.
//
//	struct vh_msg_reader r = { 0 };
//	while ((rc = vh_msg_recv(&r, fd, &m)) > 0)
//		...; // m.fds are ours now
//
// Source: the vhost-user protocol specification (QEMU docs/interop/vhost-user). Numbers are those
// of the wire, native byte order. The second channel (backend to front-end), migration logs, IOTLB
// and CRYPTO are not carried: nobody offers the feature bits that lead to them.
#ifndef VH_MSG_H
#define VH_MSG_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VH_MSG_FDS_MAX = 8,
	VH_MSG_REGIONS_MAX = 8, // without CONFIGURE_MEM_SLOTS
	VH_MSG_HEADER_BYTES = 12,
	VH_MSG_CONFIG_BYTES = 256,
};

enum vh_request {
	VH_GET_FEATURES = 1,
	VH_SET_FEATURES = 2,
	VH_SET_OWNER = 3,
	VH_RESET_OWNER = 4,
	VH_SET_MEM_TABLE = 5,
	VH_SET_VRING_NUM = 8,
	VH_SET_VRING_ADDR = 9,
	VH_SET_VRING_BASE = 10,
	VH_GET_VRING_BASE = 11,
	VH_SET_VRING_KICK = 12,
	VH_SET_VRING_CALL = 13,
	VH_SET_VRING_ERR = 14,
	VH_GET_PROTOCOL_FEATURES = 15,
	VH_SET_PROTOCOL_FEATURES = 16,
	VH_GET_QUEUE_NUM = 17,
	VH_SET_VRING_ENABLE = 18,
	VH_SEND_RARP = 19,
	VH_NET_SET_MTU = 20,
	VH_GET_CONFIG = 24,
	VH_SET_CONFIG = 25,
	VH_GET_STATUS = 40,
	VH_SET_STATUS = 39,
	VH_REQUEST_MAX = 40,
};

enum vh_msg_flag {
	VH_MSG_VERSION = 1, // in the two lowest bits
	VH_MSG_VERSION_MASK = 3,
	VH_MSG_REPLY = 1 << 2,
	VH_MSG_NEED_REPLY = 1 << 3,
};

enum vh_protocol_feature {
	VH_PF_MQ = 0,
	VH_PF_RARP = 2,
	VH_PF_REPLY_ACK = 3,
	VH_PF_NET_MTU = 4,
	VH_PF_CONFIG = 9,
	VH_PF_STATUS = 16,
};

enum {
	VH_F_PROTOCOL_FEATURES = 30, // virtio feature bit: the messages 15 to 18 may be used
	VH_VRING_IDX_MASK = 0xff,    // of the u64 of KICK, CALL and ERR
	VH_VRING_NO_FD = 1 << 8,
};

struct vh_vring_state {
	uint32_t idx, num;
};

struct vh_vring_addr {
	uint32_t idx, flags;
	uint64_t desc, used, avail, log; // addresses of the front-end's process
};

struct vh_region {
	uint64_t guest_addr, size_bytes, user_addr, mmap_offset;
};

struct vh_memory {
	uint32_t n_regions, padding;
	struct vh_region regions[VH_MSG_REGIONS_MAX];
};

struct vh_config {
	uint32_t offset, size, flags;
	uint8_t data[VH_MSG_CONFIG_BYTES];
};

union vh_payload {
	uint64_t u64;
	struct vh_vring_state state;
	struct vh_vring_addr addr;
	struct vh_memory memory;
	struct vh_config config;
};

// One message in memory. Fields of `payload` are valid as far as `size` reaches; the rest is zero.
struct vh_msg {
	uint32_t request, flags, size;
	union vh_payload payload;
	int fds[VH_MSG_FDS_MAX]; // fds[n_fds]
	uint8_t n_fds;
};

// A place in a stream. Zero is the beginning.
struct vh_msg_reader {
	uint32_t have_bytes; // of header and payload together
	uint8_t wire[VH_MSG_HEADER_BYTES + sizeof(union vh_payload)];
	int fds[VH_MSG_FDS_MAX];
	uint8_t n_fds;
};

static_assert(sizeof(struct vh_memory) == 8 + 32 * VH_MSG_REGIONS_MAX, "the table of the wire");
static_assert(sizeof(struct vh_vring_addr) == 40, "the addresses of the wire");

// Is a payload of this size possible for the request? Replies carry what their request's name says,
// or a u64.
//
// returns  false for an unknown request and for a size that is not the request's own
bool vh_msg_size_ok(uint32_t request, uint32_t flags, uint32_t size);

// The name of a request for logs, never NULL.
const char *vh_msg_name(uint32_t request);

// Read on until a message is complete or the socket has nothing more.
//
// r        its place in the stream; after an error the connection must be closed
// fd       the socket, non-blocking
// m        the message; its descriptors belong to the caller
// returns  1 = *m is complete; 0 = more must arrive; -ECONNRESET = the peer closed; -EBADMSG = not
//          the protocol's version; -EMSGSIZE = a size that the request cannot have, or more
//          descriptors than fit; others of recvmsg(). An error has closed what was received.
// thread   the connection's; does not block
int vh_msg_recv(struct vh_msg_reader *r, int fd, struct vh_msg *m);

// Close the descriptors of a message that has not arrived whole.
void vh_msg_reader_close(struct vh_msg_reader *r);

// Send one message, whole.
//
// m        request, size, payload and fds are set; the version is added
// returns  0; -EAGAIN = the socket is full and nothing was sent; -EPIPE and others of sendmsg():
//          close the connection
// thread   the connection's; blocks only when the socket took a part of the message, until it takes
//          the rest or takes nothing for 1 s (then -ETIMEDOUT)
int vh_msg_send(int fd, const struct vh_msg *m);

#endif
