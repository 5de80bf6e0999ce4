// What the fuzz targets of the PDU trackers share. Input: N, N bytes of operations, the rest is
// what the peer sends.
#ifndef PDU_COMMON_H
#define PDU_COMMON_H

#include "pdu_hear.h"

static struct heard fuzz_whole, fuzz_cut;

static void fuzz_check_state(const struct qos_stream *s, size_t n_reads, size_t size)
{
	assert(n_reads <= size && n_reads <= 4 * QOS_STREAM_PDUS * 8);
	assert(s->have <= s->need && s->need > 0 && s->need <= QOS_PDU_HEAD && s->n_mark < 4);
	assert(s->state <= 3 && s->tries < QOS_STREAM_TRIES && s->rounds <= 6);
	assert(s->left == 0 || s->state == QOS_STREAM_SYNCED);
	assert(s->left <= 32u << 20);
	if (s->service == QOS_SVC_ISCSI || s->service == QOS_SVC_NVME)
		assert(s->text_left <= s->left && s->text_left <= QOS_PDU_TEXT_MAX);
}

static size_t fuzz_until_lost(const struct heard *h)
{
	size_t n = 0;

	while (n < h->n && h->pdu[n].kind != QOS_PDU_LOST)
		n++;
	return n;
}

// In order and complete: what is said until the place is lost does not depend on the segments.
static void fuzz_any_cut(enum qos_service service, enum qos_way way, const uint8_t *op,
			 size_t n_ops, const uint8_t *p, size_t size)
{
	struct qos_stream s;
	size_t n;

	if (size > 8192)
		size = 8192;
	qos_stream_init(&s, service, way);
	hear_all(&s, p, size, (size_t[]){ 0, 480 }, &fuzz_whole);
	qos_stream_init(&s, service, way);
	fuzz_cut.n = fuzz_cut.n_calls = fuzz_cut.n_text = 0;
	hear_syn(&s, HEAR_START, &fuzz_cut);
	for (size_t at = 0, i = 0; at < size; i++) {
		size_t want = n_ops == 0 ? 1 : 1 + op[i % n_ops],
		       len = want < size - at ? want : size - at;

		fuzz_check_state(&s,
				 hear_segment(&s, HEAR_START + (uint32_t)at, p + at, (uint32_t)len,
					      &fuzz_cut),
				 len);
		at += len;
	}
	n = fuzz_until_lost(&fuzz_whole);
	assert(n == fuzz_until_lost(&fuzz_cut));
	assert((n == fuzz_whole.n) == (n == fuzz_cut.n));
	for (size_t i = 0; i < n; i++) {
		assert(same_pdu(&fuzz_whole.pdu[i], &fuzz_cut.pdu[i]));
		if (fuzz_whole.pdu[i].kind == QOS_PDU_TEXT)
			assert(memcmp(fuzz_whole.text + fuzz_whole.text_at[i],
				      fuzz_cut.text + fuzz_cut.text_at[i],
				      fuzz_whole.pdu[i].text.size) == 0);
	}
	if (n < fuzz_whole.n)
		assert(fuzz_whole.pdu[n].status == fuzz_cut.pdu[n].status);
}

static const uint8_t *fuzz_no_bytes(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)pkt;
	(void)offset;
	(void)n;
	(void)buf;
	return NULL;
}

// Any segments: lost, again, in another order, far away, without bytes; other connections.
static void fuzz_any_order(struct qos_stream *s, const uint8_t *op, size_t n_ops, const uint8_t *p,
			   size_t size)
{
	uint32_t base = HEAR_START, at = 0;

	fuzz_cut.n = fuzz_cut.n_calls = fuzz_cut.n_text = 0;
	for (size_t i = 0; i + 1 < n_ops; i += 2) {
		uint32_t len = 1 + op[i + 1] * (op[i] >= 128 ? 64u : 1u);
		struct qos_segment seg = { .seq = base + at, .size = len, .at = fuzz_no_bytes };

		switch (op[i] % 16) {
		case 0:
			hear_syn(s, base + at, &fuzz_cut);
			continue;
		case 1:
			at -= len < at ? len : at;
			continue;
		case 2:
			at += len;
			continue;
		case 3:
			base += (uint32_t)op[i + 1] << 24;
			continue;
		case 4:
			seg.rst = true;
			qos_stream_feed(s, &seg, hear, &fuzz_cut);
			continue;
		case 5:
			qos_stream_feed(s, &seg, hear, &fuzz_cut);
			continue;
		}
		if (size == 0)
			return;
		at %= (uint32_t)size;
		len = len < size - at ? len : (uint32_t)size - at;
		if (fuzz_cut.n > 3000 || fuzz_cut.n_text > 32768)
			fuzz_cut.n = fuzz_cut.n_text = 0;
		// The recorder wants to see a text's PDU before it.
		if (s->text_left != 0 && fuzz_cut.n == 0)
			return;
		fuzz_check_state(s, hear_segment(s, base + at, p + at, len, &fuzz_cut), len);
		at += len;
	}
}

static void fuzz_stream(enum qos_service service, enum qos_way way, const uint8_t *data,
			size_t size)
{
	struct qos_stream s;
	size_t n_ops;

	if (size == 0)
		return;
	n_ops = data[0] < size - 1 ? data[0] : size - 1;
	fuzz_any_cut(service, way, data + 1, n_ops, data + 1 + n_ops, size - 1 - n_ops);
	qos_stream_init(&s, service, way);
	fuzz_any_order(&s, data + 1, n_ops, data + 1 + n_ops, size - 1 - n_ops);
}

#endif
