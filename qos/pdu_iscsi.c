// iSCSI: basic header segments, RFC 7143 section 11. A header is taken for one only when what is
// reserved in it is zero: nothing else tells it from data.
#include <errno.h>

#include "pdu_priv.h"

enum {
	OP_NOP_OUT = 0x00,
	OP_COMMAND = 0x01,
	OP_TASK = 0x02,
	OP_LOGIN = 0x03,
	OP_TEXT = 0x04,
	OP_DATA_OUT = 0x05,
	OP_LOGOUT = 0x06,
	OP_SNACK = 0x10,
	OP_NOP_IN = 0x20,
	OP_RESPONSE = 0x21,
	OP_TASK_RESPONSE = 0x22,
	OP_LOGIN_RESPONSE = 0x23,
	OP_TEXT_RESPONSE = 0x24,
	OP_DATA_IN = 0x25,
	OP_LOGOUT_RESPONSE = 0x26,
	OP_R2T = 0x31,
	OP_ASYNC = 0x32,
	OP_REJECT = 0x3f,
};

#define NO_TAG 0xffffffffu // the reserved initiator task tag
#define FROM_TARGET 0x20   // opcodes of targets have this bit

// What the bytes behind the opcode must be.
struct shape {
	bool known, data;
	uint8_t ones, zeros; // of byte 1
	uint8_t zeros2, zeros3;
	uint16_t words; // that are reserved: bit n is the n-th from byte 8 on
};

static const struct shape shapes[64] = {
	[OP_NOP_OUT] = { true, true, 0x80, 0x7f, 0xff, 0xff, 0x3c0 },
	[OP_COMMAND] = { true, true, 0, 0x18, 0xff, 0xff, 0x000 },
	[OP_TASK] = { true, false, 0x80, 0, 0xff, 0xff, 0x300 },
	[OP_LOGIN] = { true, true, 0, 0x30, 0xff, 0xff, 0x3c0 },
	[OP_TEXT] = { true, true, 0, 0x3f, 0xff, 0xff, 0x3c0 },
	[OP_DATA_OUT] = { true, true, 0, 0x7f, 0xff, 0xff, 0x250 },
	[OP_LOGOUT] = { true, false, 0x80, 0x7c, 0xff, 0xff, 0x3c3 },
	[OP_SNACK] = { true, false, 0x80, 0x7c, 0xff, 0xff, 0x0d0 },
	[OP_NOP_IN] = { true, true, 0x80, 0x7f, 0xff, 0xff, 0x380 },
	[OP_RESPONSE] = { true, true, 0x80, 0x61, 0, 0, 0x003 },
	[OP_TASK_RESPONSE] = { true, false, 0x80, 0x7f, 0, 0xff, 0x38b },
	[OP_LOGIN_RESPONSE] = { true, true, 0, 0x30, 0xff, 0xff, 0x308 },
	[OP_TEXT_RESPONSE] = { true, true, 0, 0x3f, 0xff, 0xff, 0x380 },
	[OP_DATA_IN] = { true, true, 0, 0x38, 0xff, 0, 0x000 },
	[OP_LOGOUT_RESPONSE] = { true, false, 0x80, 0x7f, 0, 0xff, 0x28b },
	[OP_R2T] = { true, false, 0x80, 0x7f, 0xff, 0xff, 0x000 },
	[OP_ASYNC] = { true, true, 0x80, 0x7f, 0xff, 0xff, 0x208 },
	[OP_REJECT] = { true, true, 0x80, 0x7f, 0, 0xff, 0x30b },
};

static uint32_t data_size(const uint8_t *h)
{
	return (uint32_t)h[5] << 16 | pdu_be16(h + 6);
}

// Section 11.3: flags, attributes and additional headers (none is shorter than two words).
static bool is_command(const uint8_t *h)
{
	bool writes = (h[1] & 0x20) != 0, final = (h[1] & 0x80) != 0;

	return (h[1] & 7) <= 4 && h[4] != 1 && (writes || (final && data_size(h) == 0));
}

// Sections 11.12 and 11.13: T and C exclude each other, stages are 0, 1 and 3, and T leads on.
static bool is_login(const uint8_t *h)
{
	uint8_t now = h[1] >> 2 & 3, next = h[1] & 3;
	bool transit = (h[1] & 0x80) != 0, goes_on = (h[1] & 0x40) != 0;

	if (now == 2 || (transit && (goes_on || next == 2 || next <= now)))
		return false;
	return data_size(h) <= QOS_PDU_TEXT_MAX;
}

static bool is_login_response(const uint8_t *h)
{
	return is_login(h) && h[36] <= 3 && pdu_be16(h + 38) == 0 && pdu_be32(h + 20) == 0;
}

// Section 11.7: a status comes with the last PDU only.
static bool is_data_in(const uint8_t *h)
{
	if ((h[1] & 1) != 0)
		return (h[1] & 0x80) != 0;
	return (h[1] & 6) == 0 && h[3] == 0;
}

static bool fits_opcode(const uint8_t *h)
{
	switch (h[0] & 0x3f) {
	case OP_COMMAND:
		return is_command(h);
	case OP_TASK:
		return (h[1] & 0x7f) >= 1 && (h[1] & 0x7f) <= 12;
	case OP_LOGIN:
		return is_login(h) && (h[0] & 0x40) != 0;
	case OP_LOGIN_RESPONSE:
		return is_login_response(h);
	case OP_TEXT:
	case OP_TEXT_RESPONSE:
		return (h[1] & 0xc0) != 0xc0;
	case OP_DATA_IN:
		return is_data_in(h);
	default:
		return true;
	}
}

// Pings that want no answer have no tag, nor have what a target says of its own accord.
static bool fits_tag(const uint8_t *h)
{
	bool none = pdu_be32(h + 16) == NO_TAG;

	switch (h[0] & 0x3f) {
	case OP_NOP_OUT:
	case OP_NOP_IN:
	case OP_SNACK:
		return true;
	case OP_ASYNC:
	case OP_REJECT:
		return none;
	default:
		return !none;
	}
}

// Most of the header itself. A sender that is careless of these words is followed all the same, but
// nothing is found by such a header: too much that is no header has zeros before and behind it.
static bool has_reserved_words(const uint8_t *h)
{
	uint32_t words = shapes[h[0] & 0x3f].words;

	for (uint32_t i = 0; i < 10; i++) {
		if ((words & 1u << i) != 0 && pdu_be32(h + 8 + 4 * i) != 0)
			return false;
	}
	return true;
}

static bool is_header(const uint8_t *h, enum qos_way way)
{
	uint8_t op = h[0] & 0x3f;
	const struct shape *k = &shapes[op];
	bool from = (op & FROM_TARGET) != 0;

	if (!k->known || from != (way == QOS_FROM_PORTAL) || (h[0] & (from ? 0xc0 : 0x80)) != 0)
		return false;
	if ((h[1] & k->ones) != k->ones || (h[1] & k->zeros) != 0 || (h[2] & k->zeros2) != 0 ||
	    (h[3] & k->zeros3) != 0)
		return false;
	if ((h[4] != 0 && op != OP_COMMAND) || (!k->data && data_size(h) != 0))
		return false;
	return fits_opcode(h) && fits_tag(h);
}

// Which way a command moves data: it need not be a READ or WRITE.
static enum qos_op op_of(const uint8_t *h)
{
	switch (h[1] & 0x60) {
	case 0x40:
		return QOS_OP_READ;
	case 0x20:
		return QOS_OP_WRITE;
	default:
		return QOS_OP_OTHER;
	}
}

static void answer(struct qos_pdu *out, uint8_t status)
{
	out->kind = QOS_PDU_RESPONSE;
	out->status = status;
}

static void ask(struct qos_pdu *out, enum qos_op op, uint32_t bytes)
{
	out->kind = QOS_PDU_REQUEST;
	out->op = (uint8_t)op;
	out->bytes = bytes;
}

// A PDU with text that somebody may want. A stream that has lost its place says none: its header
// may be data, which a guest can have written.
static void begin_text(struct qos_stream *s, const uint8_t *h, struct qos_pdu *out,
		       enum qos_pdu_kind kind)
{
	uint32_t size = data_size(h);

	if ((s->bits & PDU_SURE) == 0)
		return;
	out->kind = (uint8_t)kind;
	out->flags |= (h[1] & 0x40) != 0 ? QOS_PDU_F_MORE : 0;
	if (kind == QOS_PDU_LOGIN && (h[1] & 0x83) == 0x83)
		out->flags |= QOS_PDU_F_FULL;
	if ((h[0] & 0x3f) == OP_LOGIN_RESPONSE) {
		out->status = h[36];
		out->flags |= QOS_PDU_F_RESPONSE | (h[36] == 1 ? QOS_PDU_F_REDIRECT : 0);
	}
	s->bits &= (uint8_t)~PDU_TEXT_CUT;
	s->bits |= size > QOS_PDU_TEXT_MAX ? PDU_TEXT_CUT : 0;
	s->text_left = pdu_min(size, QOS_PDU_TEXT_MAX);
	s->text_at = 0;
	s->last_kind = out->kind;
	s->last_flags = out->flags;
	s->last_tag = out->tag;
}

static void tell(struct qos_stream *s, const uint8_t *h, struct qos_pdu *out)
{
	switch (h[0] & 0x3f) {
	case OP_COMMAND:
		ask(out, op_of(h), pdu_be32(h + 20));
		break;
	case OP_NOP_OUT:
	case OP_TASK:
	case OP_LOGOUT:
		if (out->tag != NO_TAG)
			ask(out, QOS_OP_OTHER, 0);
		break;
	case OP_RESPONSE: // byte 3 holds when the command completed at the target
		answer(out, h[2] == 0 ? h[3] : 0xff);
		break;
	case OP_DATA_IN:
		if ((h[1] & 1) != 0)
			answer(out, h[3]);
		break;
	case OP_NOP_IN:
		if (out->tag != NO_TAG)
			answer(out, 0);
		break;
	case OP_TASK_RESPONSE:
	case OP_LOGOUT_RESPONSE:
		answer(out, h[2]);
		break;
	case OP_LOGIN:
	case OP_LOGIN_RESPONSE:
		begin_text(s, h, out, QOS_PDU_LOGIN);
		break;
	case OP_TEXT_RESPONSE:
		begin_text(s, h, out, QOS_PDU_TARGETS);
		break;
	default:
		break;
	}
}

int qos_iscsi_head(struct qos_stream *s, const uint8_t *h, struct qos_pdu *out)
{
	if (!is_header(h, (enum qos_way)s->way) ||
	    ((s->bits & PDU_PROBE) != 0 && !has_reserved_words(h)))
		return -EINVAL;
	s->left = 4u * h[4] + ((data_size(h) + 3) & ~3u);
	out->tag = pdu_be32(h + 16);
	tell(s, h, out);
	return 0;
}
