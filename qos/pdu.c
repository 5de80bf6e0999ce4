#include <string.h>

#include "pdu_priv.h"

// A segment has at most so many headers; the calls that are not one per header (a place lost or
// found, a record that an earlier segment began) fit into the rest of QOS_STREAM_PDUS.
#define HEADERS_MAX (QOS_STREAM_PDUS - 8)
// Farther than any window in use: neither a retransmission nor a gap, but another place.
#define FAR (1 << 26)
// After QOS_STREAM_TRIES failures a stream rests for 64 segments, then four times as many, and so
// on: a bulk transfer has no header at the beginning of a segment until it ends.
#define ROUNDS 6
#define PAUSE_FIRST 64
#define PAUSE_LONG 65520
#define GOOD_ENOUGH 16 // headers in a row, after which failures are forgotten
#define READ_MAX 256

bool qos_stream_reads(enum qos_service service)
{
	return service == QOS_SVC_ISCSI || service == QOS_SVC_NFS || service == QOS_SVC_RPCBIND ||
	       service == QOS_SVC_RPC || service == QOS_SVC_NVME;
}

void qos_stream_init(struct qos_stream *s, enum qos_service service, enum qos_way way)
{
	memset(s, 0, sizeof(*s));
	s->service = (uint8_t)service;
	s->way = (uint8_t)way;
	s->state = PDU_NEW;
	s->need = service == QOS_SVC_ISCSI ? QOS_PDU_HEAD : 8;
}

static void say(struct pdu_run *r, enum qos_pdu_kind kind, uint8_t status)
{
	const struct qos_pdu pdu = { .kind = (uint8_t)kind, .status = status };

	r->fn(r->ctx, &pdu);
}

// At a header's first byte, with nothing of it at hand.
static void at_header(struct qos_stream *s)
{
	s->left = s->text_left = s->text_at = 0;
	s->have = s->n_mark = s->step = 0;
	s->skip = 0;
	s->need = s->service == QOS_SVC_ISCSI ? QOS_PDU_HEAD : 8;
}

static void one_failure_more(struct qos_stream *s, struct pdu_run *r)
{
	if (++s->tries < QOS_STREAM_TRIES)
		return;
	s->tries = 0;
	if (s->rounds < ROUNDS)
		s->rounds++;
	if (s->rounds < ROUNDS) {
		s->pause = (uint16_t)(PAUSE_FIRST << 2 * (s->rounds - 1));
	} else if ((s->bits & PDU_PROVEN) != 0) {
		s->pause = PAUSE_LONG;
	} else {
		s->state = PDU_DEAD;
		say(r, QOS_PDU_LOST, QOS_LOST_GIVEN_UP);
	}
}

void qos_pdu_lose(struct qos_stream *s, struct pdu_run *r, enum qos_lost why)
{
	if ((s->bits & PDU_PROBE) == 0)
		say(r, QOS_PDU_LOST, (uint8_t)why);
	s->state = PDU_ASTRAY;
	s->bits &= PDU_BEGUN | PDU_PROVEN;
	s->good = 0;
	at_header(s);
	if (why != QOS_LOST_MIDDLE)
		one_failure_more(s, r);
}

const uint8_t *qos_pdu_collect(struct qos_stream *s, struct pdu_run *r, uint32_t limit,
			       uint8_t *buf)
{
	uint32_t n = pdu_min(pdu_min((uint32_t)s->need - s->have, limit), r->seg->size - r->off);
	const uint8_t *p = r->seg->at(r->seg->pkt, r->off, n, buf);

	if (p == NULL) {
		qos_pdu_lose(s, r, QOS_LOST_GAP);
		return NULL;
	}
	r->off += n;
	if (n == s->need)
		return p;
	memcpy(s->head + s->have, p, n);
	s->have = (uint8_t)(s->have + n);
	return s->have == s->need ? s->head : NULL;
}

void qos_pdu_extend(struct qos_stream *s, const uint8_t *h, uint8_t need)
{
	if (h != s->head)
		memcpy(s->head, h, s->need);
	s->have = s->need;
	s->need = need;
}

void qos_pdu_accept(struct qos_stream *s, struct pdu_run *r, const struct qos_pdu *out)
{
	if ((s->bits & PDU_PROBE) != 0) {
		s->bits &= (uint8_t)~PDU_PROBE;
		say(r, QOS_PDU_FOUND, 0);
	}
	if (s->good < GOOD_ENOUGH && ++s->good == GOOD_ENOUGH) {
		s->tries = s->rounds = 0;
		s->bits |= PDU_PROVEN;
	}
	if (out->kind != PDU_SILENT)
		r->fn(r->ctx, out);
}

static void say_text(const struct qos_stream *s, struct pdu_run *r, const uint8_t *p, uint32_t n)
{
	struct qos_pdu pdu = { .kind = QOS_PDU_TEXT, .tag = s->last_tag, .flags = s->last_flags };

	pdu.text.data = p;
	pdu.text.size = (uint16_t)n;
	pdu.text.offset = (uint16_t)s->text_at;
	pdu.text.last = n == s->text_left && (s->bits & PDU_TEXT_CUT) == 0;
	r->fn(r->ctx, &pdu);
}

static void read_text(struct qos_stream *s, struct pdu_run *r)
{
	uint8_t buf[READ_MAX];
	uint32_t n = pdu_min(pdu_min(s->text_left, READ_MAX), r->seg->size - r->off);
	const uint8_t *p = r->seg->at(r->seg->pkt, r->off, n, buf);

	if (p == NULL) {
		qos_pdu_lose(s, r, QOS_LOST_GAP);
		return;
	}
	say_text(s, r, p, n);
	s->text_left -= n;
	s->text_at += n;
	s->left -= n;
	r->off += n;
}

static void read_header(struct qos_stream *s, struct pdu_run *r)
{
	struct qos_pdu out = { .kind = PDU_SILENT };
	uint8_t buf[QOS_PDU_HEAD];
	const uint8_t *h = qos_pdu_collect(s, r, QOS_PDU_HEAD, buf);
	int more;

	if (h == NULL)
		return;
	more = s->service == QOS_SVC_ISCSI ? qos_iscsi_head(s, h, &out)
					   : qos_nvme_head(s, h, s->need, &out);
	if (more < 0) {
		qos_pdu_lose(s, r, QOS_LOST_HEADER);
		return;
	}
	if (more > 0) {
		qos_pdu_extend(s, h, (uint8_t)more);
		return;
	}
	s->have = 0;
	s->need = s->service == QOS_SVC_ISCSI ? QOS_PDU_HEAD : 8;
	r->n_headers++;
	qos_pdu_accept(s, r, &out);
	if ((out.kind == QOS_PDU_LOGIN || out.kind == QOS_PDU_TARGETS) && s->text_left == 0)
		say_text(s, r, buf, 0);
}

static void skip_data(struct qos_stream *s, struct pdu_run *r)
{
	uint32_t n = pdu_min(s->left, r->seg->size - r->off);

	s->left -= n;
	r->off += n;
}

static void read_segment(struct qos_stream *s, struct pdu_run *r)
{
	while (r->off < r->seg->size && s->state == PDU_SYNCED) {
		if (s->left != 0 && s->text_left == 0)
			skip_data(s, r);
		else if (s->left != 0)
			(pdu_is_rpc(s) ? qos_rpc_walk : read_text)(s, r);
		else if (r->n_headers == HEADERS_MAX)
			qos_pdu_lose(s, r, QOS_LOST_HEADER);
		else
			(pdu_is_rpc(s) ? qos_rpc_mark : read_header)(s, r);
	}
}

// n bytes were not seen. Where the next header lies is still known when they are of what follows
// the one before; a text that they are part of is not told to its end.
static bool bridge(struct qos_stream *s, struct pdu_run *r, uint32_t n)
{
	if (n > s->left || (s->bits & PDU_PROBE) != 0)
		return false;
	if (pdu_is_rpc(s))
		qos_rpc_cut(s, r);
	s->text_left = 0;
	s->left -= n;
	return true;
}

// Where in the segment begins what was not seen before; false when all of it was.
static bool find_new(struct qos_stream *s, struct pdu_run *r)
{
	int32_t d = (int32_t)(r->seq - s->next_seq);

	if (d < 0 && d >= -FAR) {
		s->n_retransmitted++;
		r->off = (uint32_t)-d;
		return r->off < r->seg->size;
	}
	if (d != 0 && s->state == PDU_SYNCED && (d < 0 || !bridge(s, r, (uint32_t)d)))
		qos_pdu_lose(s, r, QOS_LOST_GAP);
	s->next_seq = r->seq;
	return true;
}

// Astray: is the beginning of this segment worth a look?
static bool look(struct qos_stream *s)
{
	if (s->pause > 0) {
		s->pause--;
		return false;
	}
	s->state = PDU_SYNCED;
	s->bits = (s->bits & (PDU_BEGUN | PDU_PROVEN)) | PDU_PROBE;
	return true;
}

// A SYN begins a connection, unless it is the one that began this one.
static void begin(struct qos_stream *s, uint32_t seq)
{
	uint32_t n = s->n_retransmitted;

	if ((s->bits & PDU_BEGUN) != 0 && s->syn_seq == seq)
		return;
	qos_stream_init(s, (enum qos_service)s->service, (enum qos_way)s->way);
	s->n_retransmitted = n;
	s->state = PDU_SYNCED;
	s->bits = PDU_BEGUN | PDU_SURE;
	s->syn_seq = s->next_seq = seq;
}

// Not inlined: a segment that nobody reads must not pay for what one that is read needs.
__attribute__((noinline)) static void follow(struct qos_stream *s, struct pdu_run *r)
{
	if (s->state == PDU_NEW) {
		s->next_seq = r->seq;
		qos_pdu_lose(s, r, QOS_LOST_MIDDLE);
	}
	if (!find_new(s, r))
		return;
	if (s->state == PDU_SYNCED || (s->state == PDU_ASTRAY && look(s)))
		read_segment(s, r);
	s->next_seq = r->seq + r->seg->size;
}

void qos_stream_slow(struct qos_stream *s, const struct qos_segment *seg, qos_pdu_fn *fn, void *ctx)
{
	if (seg->rst)
		return;
	if (seg->syn)
		begin(s, seg->seq + 1);
	if (seg->size != 0 && s->state != PDU_DEAD)
		follow(s, &(struct pdu_run){
				  .seg = seg, .seq = seg->seq + seg->syn, .fn = fn, .ctx = ctx });
}
