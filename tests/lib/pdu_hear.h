// What a stream says, written down: to be compared, whatever the segments were. Pieces of a text
// become one. The reader asserts what a reader is promised.
#ifndef PDU_HEAR_H
#define PDU_HEAR_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qos_pdu.h"

struct heard {
	size_t n, n_calls, n_text;
	struct qos_pdu pdu[4096]; // TEXT: offset and size are those of all its pieces
	uint8_t text[65536];
	size_t text_at[4096];
};

static inline void hear(void *ctx, const struct qos_pdu *pdu)
{
	struct heard *h = ctx;
	struct qos_pdu *before = h->n > 0 ? &h->pdu[h->n - 1] : NULL;

	h->n_calls += pdu->kind != QOS_PDU_TEXT;
	if (pdu->kind == QOS_PDU_TEXT) {
		assert(pdu->text.size <= 256 &&
		       pdu->text.offset + pdu->text.size <= QOS_PDU_TEXT_MAX);
		assert(h->n_text + pdu->text.size <= sizeof(h->text));
		memcpy(h->text + h->n_text, pdu->text.data, pdu->text.size);
		h->n_text += pdu->text.size;
		// A text follows its PDU, whole.
		assert(before != NULL);
		if (before->kind == QOS_PDU_TEXT) {
			assert(!before->text.last && before->tag == pdu->tag &&
			       pdu->text.offset == before->text.size);
			before->text.size = (uint16_t)(before->text.size + pdu->text.size);
			before->text.last = pdu->text.last;
			return;
		}
		assert((before->kind == QOS_PDU_LOGIN || before->kind == QOS_PDU_TARGETS) &&
		       before->tag == pdu->tag && pdu->text.offset == 0);
		h->text_at[h->n] = h->n_text - pdu->text.size;
	}
	assert(h->n < sizeof(h->pdu) / sizeof(h->pdu[0]));
	h->pdu[h->n] = *pdu;
	h->pdu[h->n].text.data = pdu->kind == QOS_PDU_TEXT ? NULL : pdu->text.data;
	h->n++;
}

static inline bool same_pdu(const struct qos_pdu *a, const struct qos_pdu *b)
{
	if (a->kind != b->kind || a->op != b->op || a->status != b->status ||
	    a->flags != b->flags || a->tag != b->tag || a->bytes != b->bytes)
		return false;
	if (a->kind == QOS_PDU_TEXT)
		return a->text.size == b->text.size && a->text.last == b->text.last;
	return a->rpc.prog == b->rpc.prog && a->rpc.vers == b->rpc.vers &&
	       a->rpc.port == b->rpc.port && a->rpc.proto == b->rpc.proto &&
	       a->rpc.has_addr == b->rpc.has_addr &&
	       memcmp(&a->rpc.addr, &b->rpc.addr, sizeof(a->rpc.addr)) == 0;
}

static inline bool same_heard(const struct heard *a, const struct heard *b)
{
	if (a->n != b->n || a->n_text != b->n_text || memcmp(a->text, b->text, a->n_text) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!same_pdu(&a->pdu[i], &b->pdu[i]))
			return false;
	}
	return true;
}

// A segment in memory of exactly its size; every other read is a copy.
struct hear_pkt {
	const uint8_t *p;
	uint32_t size;
	size_t *n_reads;
};

static inline const uint8_t *hear_at(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	const struct hear_pkt *k = pkt;

	assert(n > 0 && n <= 256 && offset <= k->size && n <= k->size - offset);
	if ((*k->n_reads)++ % 2 == 0)
		return k->p + offset;
	memcpy(buf, k->p + offset, n);
	return buf;
}

// Feed bytes p..p+size as one segment. returns how often it was read
static inline size_t hear_segment(struct qos_stream *s, uint32_t seq, const uint8_t *p,
				  uint32_t size, struct heard *h)
{
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	size_t n_reads = 0, before = h->n_calls;
	const struct hear_pkt pkt = { copy, size, &n_reads };
	const struct qos_segment seg = { .seq = seq, .size = size, .pkt = &pkt, .at = hear_at };

	if (size > 0)
		memcpy(copy, p, size);
	qos_stream_feed(s, &seg, hear, h);
	assert(h->n_calls - before <= QOS_STREAM_PDUS);
	free(copy);
	return n_reads;
}

// The SYN before the byte of that number.
static inline void hear_syn(struct qos_stream *s, uint32_t first, struct heard *h)
{
	const struct qos_segment seg = { .seq = first - 1, .syn = true };

	qos_stream_feed(s, &seg, hear, h);
}

// Bytes p..p+n of a connection from its SYN on: a first segment of `first` bytes when that is not
// 0, then segments of `step`.
#define HEAR_START 0xffffff00u // the sequence number wraps on the way
static inline void hear_all(struct qos_stream *s, const uint8_t *p, size_t n, const size_t cut[2],
			    struct heard *h)
{
	h->n = h->n_calls = h->n_text = 0;
	hear_syn(s, HEAR_START, h);
	for (size_t at = 0; at < n;) {
		size_t size = at == 0 && cut[0] > 0 ? cut[0] : cut[1];

		size = size < n - at ? size : n - at;
		hear_segment(s, HEAR_START + (uint32_t)at, p + at, (uint32_t)size, h);
		at += size;
	}
}

// What the bytes say in one segment is in *whole; any other segments must say the same.
static inline void hear_cut_everywhere(enum qos_service service, enum qos_way way, const uint8_t *p,
				       size_t n, struct heard *whole)
{
	static struct heard other;
	struct qos_stream s;

	qos_stream_init(&s, service, way);
	hear_all(&s, p, n, (size_t[]){ 0, n }, whole);
	for (size_t cut = 1; cut < n; cut++) {
		qos_stream_init(&s, service, way);
		hear_all(&s, p, n, (size_t[]){ cut, n }, &other);
		assert(same_heard(&other, whole));
	}
	for (size_t step = 1; step < 64; step += 1 + step / 4) {
		qos_stream_init(&s, service, way);
		hear_all(&s, p, n, (size_t[]){ 0, step }, &other);
		assert(same_heard(&other, whole));
	}
}

#endif
