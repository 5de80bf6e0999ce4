// NVMe over TCP: PDUs of NVMe/TCP Transport Specification 1.0, section 3.6. PLEN counts digests and
// padding, so they need not be known.
#include <errno.h>

#include "pdu_priv.h"

enum {
	TYPE_IC_REQ = 0,
	TYPE_IC_RESP = 1,
	TYPE_H2C_TERM = 2,
	TYPE_C2H_TERM = 3,
	TYPE_COMMAND = 4,
	TYPE_RESPONSE = 5,
	TYPE_H2C_DATA = 6,
	TYPE_C2H_DATA = 7,
	TYPE_R2T = 9,
	N_TYPES,
};

enum { F_HDGST = 1, F_DDGST = 2, F_LAST = 4, F_SUCCESS = 8 };

#define COMMON 8
#define PLEN_MAX (32u << 20) // more than any controller takes at once

struct shape {
	uint8_t hlen;  // 0 = no such type
	uint8_t flags; // that may be set
	uint8_t need;  // bytes looked at
	uint8_t way;
	bool data;
};

static const struct shape shapes[N_TYPES] = {
	[TYPE_IC_REQ] = { 128, 0, 16, QOS_TO_PORTAL, false },
	[TYPE_IC_RESP] = { 128, 0, 16, QOS_FROM_PORTAL, false },
	[TYPE_H2C_TERM] = { 24, 0, 24, QOS_TO_PORTAL, true },
	[TYPE_C2H_TERM] = { 24, 0, 24, QOS_FROM_PORTAL, true },
	[TYPE_COMMAND] = { 72, F_HDGST | F_DDGST, 48, QOS_TO_PORTAL, true },
	[TYPE_RESPONSE] = { 24, F_HDGST, 24, QOS_FROM_PORTAL, false },
	[TYPE_H2C_DATA] = { 24, F_HDGST | F_DDGST | F_LAST, 24, QOS_TO_PORTAL, true },
	[TYPE_C2H_DATA] = { 24, F_HDGST | F_DDGST | F_LAST | F_SUCCESS, 24, QOS_FROM_PORTAL, true },
	[TYPE_R2T] = { 24, F_HDGST, 24, QOS_FROM_PORTAL, false },
};

static bool is_common(const uint8_t *h, enum qos_way way)
{
	const struct shape *k = h[0] < N_TYPES ? &shapes[h[0]] : &shapes[8];
	uint32_t plen = pdu_le32(h + 4), least = k->hlen + ((h[1] & F_HDGST) != 0 ? 4u : 0);

	if (k->hlen == 0 || k->way != (uint8_t)way || h[2] != k->hlen || (h[1] & ~k->flags) != 0)
		return false;
	if (plen < least || plen > PLEN_MAX || (!k->data && plen != least))
		return false;
	return h[3] == 0 || (k->data && h[3] >= least && h[3] <= plen);
}

// What is sent is where and as much as the header says. Some controllers say 0 for where, and mean
// behind the header.
static bool is_data(const uint8_t *h)
{
	uint64_t begin = h[3] != 0 ? h[3] : h[2] + ((h[1] & F_HDGST) != 0 ? 4u : 0);
	uint64_t end = begin + pdu_le32(h + 16) + ((h[1] & F_DDGST) != 0 ? 4u : 0);

	if (pdu_le32(h + 20) != 0 || end != pdu_le32(h + 4))
		return false;
	return h[0] != TYPE_C2H_DATA || (h[1] & F_SUCCESS) == 0 || (h[1] & F_LAST) != 0;
}

static bool fits_type(const uint8_t *h)
{
	switch (h[0]) {
	case TYPE_IC_REQ:
	case TYPE_IC_RESP: // PDU format version 0
		return pdu_le16(h + 8) == 0;
	case TYPE_COMMAND: // bits 5:2 beside the opcode are reserved
		return (h[COMMON + 1] & 0x3c) == 0;
	case TYPE_H2C_DATA:
		return is_data(h);
	case TYPE_C2H_DATA:
		return is_data(h) && pdu_le16(h + 10) == 0;
	case TYPE_R2T:
		return pdu_le32(h + 20) == 0;
	default:
		return true;
	}
}

// An I/O command names a namespace. What has the same opcode on the admin queue does not, or all of
// them: 0x02 is Get Log Page there.
static void tell_command(const uint8_t *sqe, struct qos_pdu *out)
{
	uint32_t nsid = pdu_le32(sqe + 4);
	bool io = nsid != 0 && nsid != 0xffffffffu;

	// Asynchronous Event Request: answered when there is an event, perhaps never.
	if (sqe[0] == 0x0c && !io)
		return;
	out->kind = QOS_PDU_REQUEST;
	out->op = QOS_OP_OTHER;
	out->tag = pdu_le16(sqe + 2);
	if (io && (sqe[0] == 1 || sqe[0] == 2)) {
		out->op = sqe[0] == 1 ? QOS_OP_WRITE : QOS_OP_READ;
		out->bytes = pdu_le32(sqe + 32); // of the SGL descriptor
	}
}

// Status code and type are 11 bits; good is 0 in both.
static uint8_t status_of(const uint8_t *cqe)
{
	uint32_t status = pdu_le16(cqe + 14) >> 1 & 0x7ff;

	return (status & 0xff) == 0 && status != 0 ? 0xff : (uint8_t)status;
}

static void tell(const uint8_t *h, struct qos_pdu *out)
{
	if (h[0] == TYPE_COMMAND) {
		tell_command(h + COMMON, out);
	} else if (h[0] == TYPE_RESPONSE) {
		out->kind = QOS_PDU_RESPONSE;
		out->tag = pdu_le16(h + COMMON + 12);
		out->status = status_of(h + COMMON);
	} else if (h[0] == TYPE_C2H_DATA && (h[1] & F_SUCCESS) != 0) {
		out->kind = QOS_PDU_RESPONSE;
		out->tag = pdu_le16(h + COMMON);
	}
}

int qos_nvme_head(struct qos_stream *s, const uint8_t *h, uint32_t n, struct qos_pdu *out)
{
	if (n == COMMON)
		return is_common(h, (enum qos_way)s->way) ? shapes[h[0]].need : -EINVAL;
	if (!fits_type(h))
		return -EINVAL;
	s->left = pdu_le32(h + 4) - n;
	tell(h, out);
	return 0;
}
