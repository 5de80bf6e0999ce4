// ONC RPC over TCP (RFC 5531): records of one or more fragments, and what of a record says who
// waits for what. A record is walked item by item: skip so many bytes, look at so many; fragments
// and segments may cut it anywhere. What is asked for ends the walk, or what is not understood; it
// never goes beyond the first operations of a compound.
#include <string.h>

#include "pdu_priv.h"

#define FRAGMENT_MAX (16u << 20) // more than any server takes at once
#define RECORD_MIN 20		 // a reply that denies
#define AUTH_MAX 400		 // RFC 5531 section 8.2
#define FH3_MAX 64		 // RFC 1813 section 2.4
#define FH4_MAX 128		 // RFC 7530 section 3.2
#define TAG_MAX 1024		 // NFS4_OPAQUE_LIMIT
#define OPS_LOOKED_AT 6
#define UADDR_MAX 48

#define PROG_RPCBIND 100000u
#define PROG_NFS 100003u

// The item that is being collected.
enum step {
	STEP_BEGIN, // XID, direction, and one word more
	STEP_CALL,
	STEP_REPLY,
	STEP_VERF, // from here on the place is sure
	STEP_FH,
	STEP_ARGS3,
	STEP_TAG,
	STEP_COMPOUND,
	STEP_OP,
	STEP_OP_FH,
	STEP_READ4,
	STEP_WRITE4,
	STEP_GETPORT,
	STEP_GETADDR,
	STEP_NETID,
	STEP_ACCEPT,
	STEP_PORT,
	STEP_UADDR,
	STEP_UADDR_TEXT,
};

// Of the record, in last_kind: what is said when the walk ends before what it is after.
enum record {
	RECORD_PLAIN, // a call
	RECORD_READ3,
	RECORD_WRITE3,
	RECORD_COMPOUND,
	RECORD_GETPORT,
	RECORD_GETADDR,
	RECORD_REPLY,
};

static uint32_t padded(uint32_t n)
{
	return (n + 3) & ~3u;
}

static bool is_fragment(const struct qos_stream *s, uint32_t mark)
{
	uint32_t n = mark & 0x7fffffffu;

	if (n > FRAGMENT_MAX)
		return false;
	if ((s->bits & PDU_RECORD) == 0)
		return n >= RECORD_MIN;
	return n > 0 || mark != 0;
}

static void next_step(struct qos_stream *s, enum step step, uint32_t skip, uint8_t need)
{
	s->step = (uint8_t)step;
	s->skip = (uint16_t)skip;
	s->have = 0;
	s->need = need;
	s->text_left = 1; // any: it keeps segments from being skipped
}

// Nothing more of this record is of interest.
static void walk_ends(struct qos_stream *s)
{
	s->text_left = 0;
	s->have = 0;
	s->skip = 0;
}

static void say_request(struct qos_stream *s, struct pdu_run *r, enum qos_op op, uint32_t bytes)
{
	const struct qos_pdu pdu = {
		.kind = QOS_PDU_REQUEST, .op = (uint8_t)op, .tag = s->last_tag, .bytes = bytes
	};

	walk_ends(s);
	r->fn(r->ctx, &pdu);
}

// The walk ends early; what is known by now is said.
static void say_what_is_known(struct qos_stream *s, struct pdu_run *r)
{
	const struct qos_pdu reply = { .kind = QOS_PDU_RESPONSE, .tag = s->last_tag };
	enum qos_op op = s->last_kind == RECORD_READ3	 ? QOS_OP_READ
			 : s->last_kind == RECORD_WRITE3 ? QOS_OP_WRITE
							 : QOS_OP_OTHER;

	if (s->last_kind != RECORD_REPLY) {
		say_request(s, r, op, 0);
		return;
	}
	walk_ends(s);
	r->fn(r->ctx, &reply);
}

void qos_rpc_cut(struct qos_stream *s, struct pdu_run *r)
{
	if (s->text_left == 0)
		return;
	if (s->step >= STEP_VERF && s->step != STEP_ACCEPT)
		say_what_is_known(s, r);
	walk_ends(s);
}

// The record is at its end, and the walk is not: a header was expected, or a field.
static void record_ends(struct qos_stream *s, struct pdu_run *r)
{
	if (s->text_left == 0)
		return;
	if (s->step >= STEP_VERF && s->step != STEP_ACCEPT)
		say_what_is_known(s, r);
	else
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
}

static void begin_fragment(struct qos_stream *s, struct pdu_run *r, uint32_t mark)
{
	r->n_headers++;
	if ((s->bits & PDU_LAST) != 0)
		s->bits &= (uint8_t) ~(PDU_RECORD | PDU_LAST);
	if (!is_fragment(s, mark)) {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
		return;
	}
	if ((s->bits & PDU_RECORD) == 0)
		next_step(s, STEP_BEGIN, 0, 12);
	s->bits |= PDU_RECORD | ((mark & 0x80000000u) != 0 ? PDU_LAST : 0);
	s->left = mark & 0x7fffffffu;
	if (s->left == 0)
		record_ends(s, r);
}

void qos_rpc_mark(struct qos_stream *s, struct pdu_run *r)
{
	uint32_t n = pdu_min(4u - s->n_mark, r->seg->size - r->off);
	uint8_t buf[4], mark[4];
	const uint8_t *p = r->seg->at(r->seg->pkt, r->off, n, buf);

	if (p == NULL) {
		qos_pdu_lose(s, r, QOS_LOST_GAP);
		return;
	}
	r->off += n;
	memcpy(mark, s->mark, 3);
	memcpy(mark + s->n_mark, p, n);
	if (s->n_mark + n < 4) {
		s->n_mark = (uint8_t)(s->n_mark + n);
		memcpy(s->mark, mark, 3);
		return;
	}
	s->n_mark = 0;
	begin_fragment(s, r, pdu_be32(mark));
}

// A credential or verifier: its flavor (IANA: below 8, and GSS's pseudo-flavors) and size.
static bool is_auth(const uint8_t *p)
{
	uint32_t flavor = pdu_be32(p), size = pdu_be32(p + 4);

	return (flavor < 8 || (flavor >= 390000 && flavor < 391000)) && size <= AUTH_MAX &&
	       size % 4 == 0;
}

static void accept(struct qos_stream *s, struct pdu_run *r)
{
	qos_pdu_accept(s, r, &(struct qos_pdu){ .kind = PDU_SILENT });
}

static bool may_teach(const struct qos_stream *s, enum qos_way way)
{
	return s->service == QOS_SVC_RPCBIND && s->way == (uint8_t)way && (s->bits & PDU_SURE) != 0;
}

// prog, vers and proc at p
static enum record record_of(const struct qos_stream *s, const uint8_t *p)
{
	uint32_t prog = pdu_be32(p), vers = pdu_be32(p + 4), proc = pdu_be32(p + 8);

	if (prog == PROG_NFS && vers == 3 && (proc == 6 || proc == 7))
		return proc == 6 ? RECORD_READ3 : RECORD_WRITE3;
	if (prog == PROG_NFS && vers == 4 && proc == 1)
		return RECORD_COMPOUND;
	// RFC 1833: GETPORT, GETADDR, and version 4's GETVERSADDR
	if (prog == PROG_RPCBIND && may_teach(s, QOS_TO_PORTAL)) {
		if (vers == 2 && proc == 3)
			return RECORD_GETPORT;
		if ((vers == 3 && proc == 3) || (vers == 4 && (proc == 3 || proc == 9)))
			return RECORD_GETADDR;
	}
	return RECORD_PLAIN;
}

// A call's fixed part up to the size of its credential.
static void on_call(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t prog = pdu_be32(h + 12);
	bool plain_auth = pdu_be32(h + 24) < 2; // none, or AUTH_SYS: arguments are not wrapped

	if (prog < PROG_RPCBIND || prog > 0x5fffffffu || pdu_be32(h + 16) > 16 ||
	    pdu_be32(h + 20) > 255 || !is_auth(h + 24)) {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
		return;
	}
	accept(s, r);
	s->last_tag = pdu_be32(h);
	s->last_kind = (uint8_t)record_of(s, h + 12);
	if (s->way == QOS_FROM_PORTAL) // a callback: nobody waits for it
		walk_ends(s);
	else if (s->last_kind == RECORD_PLAIN || !plain_auth)
		say_what_is_known(s, r);
	else
		next_step(s, STEP_VERF, pdu_be32(h + 28), 8);
}

static void deny(struct qos_stream *s, struct pdu_run *r, const uint8_t *h, uint8_t status)
{
	const struct qos_pdu pdu = { .kind = s->way == QOS_FROM_PORTAL ? QOS_PDU_RESPONSE
								       : PDU_SILENT,
				     .tag = pdu_be32(h),
				     .status = status };

	walk_ends(s);
	qos_pdu_accept(s, r, &pdu);
}

// A reply's fixed part: why it was denied, or up to the size of the verifier.
static void on_reply(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	bool denied = pdu_be32(h + 8) == 1;

	if (denied ? pdu_be32(h + 12) > 1 : !is_auth(h + 12)) {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
		return;
	}
	if (denied) {
		deny(s, r, h, (uint8_t)(0x80 | h[15]));
		return;
	}
	s->last_tag = pdu_be32(h);
	s->last_kind = RECORD_REPLY;
	next_step(s, STEP_ACCEPT, pdu_be32(h + 16), 4);
}

static void on_begin(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t type = pdu_be32(h + 4), word = pdu_be32(h + 8);

	if (type == 0 && word == 2) {
		s->step = STEP_CALL;
		qos_pdu_extend(s, h, 32);
	} else if (type == 1 && word <= 1) {
		s->step = STEP_REPLY;
		qos_pdu_extend(s, h, word == 0 ? 20 : 16);
	} else {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
	}
}

// RFC 5531 section 9: accept_stat. Results of rpcbind follow; how much of them there is says which
// they may be, and whoever knows the call says which they are.
static void on_accept(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t status = pdu_be32(h);
	struct qos_pdu pdu = { .kind = PDU_SILENT, .tag = s->last_tag, .status = (uint8_t)status };
	bool whole = (s->bits & PDU_LAST) != 0;

	if (status > 5) {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
		return;
	}
	if (status == 0 && whole && may_teach(s, QOS_FROM_PORTAL) && s->left >= 4 &&
	    s->left <= 4 + UADDR_MAX) {
		accept(s, r);
		next_step(s, s->left == 4 ? STEP_PORT : STEP_UADDR, 0, 4);
		return;
	}
	if (s->way == QOS_FROM_PORTAL)
		pdu.kind = QOS_PDU_RESPONSE;
	walk_ends(s);
	qos_pdu_accept(s, r, &pdu);
}

static void on_verf(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	static const struct {
		uint8_t step, need;
	} args[] = {
		[RECORD_READ3] = { STEP_FH, 4 },	 [RECORD_WRITE3] = { STEP_FH, 4 },
		[RECORD_COMPOUND] = { STEP_TAG, 4 },	 [RECORD_GETPORT] = { STEP_GETPORT, 16 },
		[RECORD_GETADDR] = { STEP_GETADDR, 12 },
	};

	if (is_auth(h))
		next_step(s, (enum step)args[s->last_kind].step, pdu_be32(h + 4),
			  args[s->last_kind].need);
	else
		say_what_is_known(s, r);
}

// An opaque's size: over it, to the next item.
static void on_opaque(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t n = pdu_be32(h);

	if (s->step == STEP_FH && n <= FH3_MAX)
		next_step(s, STEP_ARGS3, padded(n), 12);
	else if (s->step == STEP_TAG && n <= TAG_MAX)
		next_step(s, STEP_COMPOUND, padded(n), 8);
	else if (s->step == STEP_OP_FH && n <= FH4_MAX)
		next_step(s, STEP_OP, padded(n), 4);
	else
		say_what_is_known(s, r);
}

// An operation of a compound, RFC 7530 section 16 and RFC 8881 section 18: those that may stand
// before a READ or WRITE are passed over.
static void on_op(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	if (s->last_flags == 0) {
		say_what_is_known(s, r);
		return;
	}
	s->last_flags--;
	switch (pdu_be32(h)) {
	case 10: // GETFH
	case 23: // PUTPUBFH
	case 24: // PUTROOTFH
	case 31: // RESTOREFH
	case 32: // SAVEFH
		next_step(s, STEP_OP, 0, 4);
		return;
	case 22: // PUTFH
		next_step(s, STEP_OP_FH, 0, 4);
		return;
	case 53: // SEQUENCE: session, sequence, slot, highest slot, whether to cache
		next_step(s, STEP_OP, 32, 4);
		return;
	case 25: // READ
	case 68: // READ_PLUS: state, offset, count
		next_step(s, STEP_READ4, 16, 12);
		return;
	case 38: // WRITE: state, offset, how stable, size
		next_step(s, STEP_WRITE4, 16, 16);
		return;
	default:
		say_what_is_known(s, r);
	}
}

static void on_compound(struct qos_stream *s, const uint8_t *h)
{
	s->last_flags = (uint8_t)pdu_min(pdu_be32(h + 4), OPS_LOOKED_AT);
	next_step(s, STEP_OP, 0, 4);
}

static void say_getport(struct qos_stream *s, struct pdu_run *r, const uint8_t *h, uint32_t proto)
{
	struct qos_pdu pdu = { .kind = QOS_PDU_GETPORT, .tag = s->last_tag };

	pdu.rpc.prog = pdu_be32(h);
	pdu.rpc.vers = pdu_be32(h + 4);
	pdu.rpc.proto = (uint8_t)proto;
	walk_ends(s);
	r->fn(r->ctx, &pdu);
}

static void on_getport(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t proto = pdu_be32(h + 8);

	if (proto == 6 || proto == 17)
		say_getport(s, r, h, proto);
	else
		say_what_is_known(s, r);
}

// Program, version, and the size of the network's identifier; it is collected behind them.
static void on_getaddr(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t n = pdu_be32(h + 8);

	if (n == 0) {
		say_getport(s, r, h, 0);
	} else if (n <= 4) {
		s->step = STEP_NETID;
		qos_pdu_extend(s, h, 16);
	} else {
		say_what_is_known(s, r);
	}
}

static void on_netid(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	static const struct {
		char id[5];
		uint8_t proto;
	} nets[] = { { "tcp", 6 }, { "tcp6", 6 }, { "udp", 17 }, { "udp6", 17 } };
	uint32_t n = pdu_be32(h + 8);

	for (size_t i = 0; i < sizeof(nets) / sizeof(nets[0]); i++) {
		if (strlen(nets[i].id) == n && memcmp(nets[i].id, h + 12, n) == 0) {
			say_getport(s, r, h, nets[i].proto);
			return;
		}
	}
	say_what_is_known(s, r);
}

static void say_port(struct qos_stream *s, struct pdu_run *r, uint16_t port,
		     const struct qos_addr *addr)
{
	struct qos_pdu pdu = { .kind = QOS_PDU_GETPORT,
			       .flags = QOS_PDU_F_RESPONSE,
			       .tag = s->last_tag };

	pdu.rpc.port = port;
	if (addr != NULL && !qos_addr_is_any(addr)) {
		pdu.rpc.has_addr = true;
		pdu.rpc.addr = *addr;
	}
	walk_ends(s);
	r->fn(r->ctx, &pdu);
}

static void on_port(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	if (pdu_be32(h) <= 65535)
		say_port(s, r, (uint16_t)pdu_be32(h), NULL);
	else
		say_what_is_known(s, r);
}

static void on_uaddr(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	uint32_t n = pdu_be32(h);

	if (n == 0 || padded(n) != s->left) {
		say_what_is_known(s, r);
		return;
	}
	s->text_at = n;
	next_step(s, STEP_UADDR_TEXT, 0, (uint8_t)padded(n));
}

// A decimal number 0..255 at the end of the n characters, with a dot before it: returns how many
// characters stand before the dot; 0 when there is none.
static size_t last_number(const char *p, size_t n, uint32_t *out)
{
	uint32_t unit = 1;
	size_t end = n;

	*out = 0;
	for (; n > 0 && p[n - 1] >= '0' && p[n - 1] <= '9' && unit <= 100; n--, unit *= 10)
		*out += (uint32_t)(p[n - 1] - '0') * unit;
	if (n == end || *out > 255 || n == 0 || p[n - 1] != '.')
		return 0;
	return n - 1;
}

// Universal address, RFC 5665 section 5.2.3: address, and the port's two bytes in decimal.
static void on_uaddr_text(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	const char *p = (const char *)h;
	struct qos_addr addr;
	uint32_t low = 0, high = 0;
	size_t n = last_number(p, s->text_at, &low);

	n = last_number(p, n, &high);
	if (n == 0 || qos_addr_parse(p, n, memchr(p, ':', n) != NULL, &addr) < 0)
		say_what_is_known(s, r);
	else
		say_port(s, r, (uint16_t)(high << 8 | low), &addr);
}

static void on_item(struct qos_stream *s, struct pdu_run *r, const uint8_t *h)
{
	switch ((enum step)s->step) {
	case STEP_BEGIN:
		on_begin(s, r, h);
		break;
	case STEP_CALL:
		on_call(s, r, h);
		break;
	case STEP_REPLY:
		on_reply(s, r, h);
		break;
	case STEP_VERF:
		on_verf(s, r, h);
		break;
	case STEP_FH:
	case STEP_TAG:
	case STEP_OP_FH:
		on_opaque(s, r, h);
		break;
	case STEP_ARGS3: // offset, count
	case STEP_READ4:
		say_request(s, r, s->last_kind == RECORD_WRITE3 ? QOS_OP_WRITE : QOS_OP_READ,
			    pdu_be32(h + 8));
		break;
	case STEP_WRITE4:
		say_request(s, r, QOS_OP_WRITE, pdu_be32(h + 12));
		break;
	case STEP_COMPOUND:
		on_compound(s, h);
		break;
	case STEP_OP:
		on_op(s, r, h);
		break;
	case STEP_GETPORT:
		on_getport(s, r, h);
		break;
	case STEP_GETADDR:
		on_getaddr(s, r, h);
		break;
	case STEP_NETID:
		on_netid(s, r, h);
		break;
	case STEP_ACCEPT:
		on_accept(s, r, h);
		break;
	case STEP_PORT:
		on_port(s, r, h);
		break;
	case STEP_UADDR:
		on_uaddr(s, r, h);
		break;
	case STEP_UADDR_TEXT:
		on_uaddr_text(s, r, h);
		break;
	}
}

void qos_rpc_walk(struct qos_stream *s, struct pdu_run *r)
{
	uint32_t n = pdu_min(pdu_min(s->skip, s->left), r->seg->size - r->off), begin = r->off + n;
	uint8_t buf[QOS_PDU_HEAD];
	const uint8_t *h = NULL;

	s->skip = (uint16_t)(s->skip - n);
	s->left -= n;
	r->off += n;
	if (s->left > 0 && r->off < r->seg->size) {
		h = qos_pdu_collect(s, r, s->left, buf);
		if (s->state != PDU_SYNCED)
			return;
		s->left -= r->off - begin;
	}
	if (h != NULL)
		on_item(s, r, h);
	if (s->state == PDU_SYNCED && s->left == 0 && (s->bits & PDU_LAST) != 0)
		record_ends(s, r);
}

static const uint8_t *in_place(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)n;
	(void)buf;
	return (const uint8_t *)pkt + offset;
}

static void keep_first(void *ctx, const struct qos_pdu *pdu)
{
	struct qos_pdu *out = ctx;

	if (out->kind == PDU_SILENT && pdu->kind != QOS_PDU_LOST)
		*out = *pdu;
}

// A datagram is a record of one fragment without its header.
bool qos_rpc_datagram(const uint8_t *p, size_t size, enum qos_way way, struct qos_pdu *out)
{
	const struct qos_segment seg = { .size = (uint32_t)size, .pkt = p, .at = in_place };
	struct pdu_run r = { .seg = &seg, .fn = keep_first, .ctx = out };
	struct qos_stream s;

	out->kind = PDU_SILENT;
	if (size < RECORD_MIN || size > 65535)
		return false;
	qos_stream_init(&s, QOS_SVC_RPCBIND, way);
	s.state = PDU_SYNCED;
	s.bits = PDU_SURE;
	begin_fragment(&s, &r, 0x80000000u | (uint32_t)size);
	while (s.state == PDU_SYNCED && s.left > 0 && s.text_left != 0)
		qos_rpc_walk(&s, &r);
	return out->kind != PDU_SILENT;
}
