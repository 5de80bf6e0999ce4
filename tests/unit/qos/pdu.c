#include "../unit.h"
#include "pdu_hear.h"
#include "pdu_make.h"

static struct heard heard, whole;
static struct bytes in;
static struct qos_stream stream;

static void forget(struct heard *h)
{
	h->n = h->n_calls = h->n_text = 0;
}

static void begin(enum qos_service service, enum qos_way way)
{
	forget(&heard);
	qos_stream_init(&stream, service, way);
	hear_syn(&stream, HEAR_START, &heard);
}

// Bytes from..to of `in` as one segment. returns how often it was read
static size_t segment(size_t from, size_t to)
{
	return hear_segment(&stream, HEAR_START + (uint32_t)from, in.b + from,
			    (uint32_t)(to - from), &heard);
}

static size_t count(const struct heard *h, uint8_t kind)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += h->pdu[i].kind == kind;
	return n;
}

// n Data-In with status, of `size` bytes each; ends[i] is where the i-th ends.
static void put_answers(size_t n, uint32_t size, size_t *ends)
{
	for (size_t i = 0; i < n; i++) {
		put_iscsi(&in,
			  (struct iscsi){
				  .op = 0x25, .flags = 0x81, .tag = (uint32_t)i, .size = size });
		ends[i] = in.n;
	}
}

// A connection as it is: login, commands or their answers, in `in`.
static void put_session(enum qos_way way)
{
	static const char text[] = "TargetAddress=10.0.0.9:3261,1\0InitiatorName=iqn.2026-11."
				   "example:x\0SessionType=Normal";
	bool to = way == QOS_TO_PORTAL;

	in.n = 0;
	put_iscsi(&in, (struct iscsi){ .op = to ? 0x43 : 0x23,
				       .flags = 0x87,
				       .tag = 1,
				       .data = text,
				       .size = sizeof(text) });
	for (uint32_t i = 2; i < 12; i++) {
		if (to)
			put_iscsi(&in, (struct iscsi){
					       .op = 1, .flags = 0xa1, .tag = i, .size = 37 * i });
		else
			put_iscsi(&in,
				  (struct iscsi){
					  .op = 0x25, .flags = 0x81, .tag = i, .size = 37 * i });
	}
}

// Everything in *part was said in *all, in that order; texts may have been cut short.
static void assert_part_of(const struct heard *part, const struct heard *all)
{
	size_t at = 0;

	for (size_t i = 0; i < part->n; i++) {
		const struct qos_pdu *p = &part->pdu[i];

		if (p->kind == QOS_PDU_LOST || p->kind == QOS_PDU_FOUND)
			continue;
		while (at < all->n && !same_pdu(p, &all->pdu[at]) &&
		       !(p->kind == QOS_PDU_TEXT && all->pdu[at].kind == QOS_PDU_TEXT &&
			 !p->text.last))
			at++;
		assert_true(at < all->n);
		if (p->kind == QOS_PDU_TEXT)
			assert_memory_equal(part->text + part->text_at[i],
					    all->text + all->text_at[at], p->text.size);
		at++;
	}
}

static void a_super_frame_is_read_only_where_headers_are(void **state)
{
	size_t ends[15], n_reads;

	(void)state;
	in.n = 0;
	put_answers(15, 4096, ends);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	n_reads = segment(0, in.n);
	assert_int_equal(n_reads, 15);
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 15);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	assert_int_equal(segment(0, 49), 1);
	assert_int_equal(segment(49, ends[0]), 0); // in one PDU: not read at all
	assert_int_equal(segment(ends[0], in.n), 14);
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 15);
	assert_int_equal(heard.n, 15);
}

static void too_many_headers_lose_the_stream(void **state)
{
	static const struct {
		enum qos_service service;
		size_t fits;
	} of[] = { { QOS_SVC_ISCSI, 248 }, { QOS_SVC_NVME, 248 }, { QOS_SVC_NFS, 248 } };
	static struct bytes message;

	(void)state;
	put_reply(&message, 1, 0);
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = of[i].fits - 1; n <= of[i].fits + 2; n++) {
			in.n = 0;
			for (size_t k = 0; k < n; k++) {
				if (of[i].service == QOS_SVC_ISCSI)
					put_iscsi(&in, (struct iscsi){ .op = 0x20,
								       .flags = 0x80,
								       .tag = 1 });
				else if (of[i].service == QOS_SVC_NVME)
					put_nvme_response(&in, 1, 0, 0);
				else
					put_record(&in, &message, 1000);
			}
			begin(of[i].service, QOS_FROM_PORTAL);
			segment(0, in.n);
			assert_int_equal(count(&heard, QOS_PDU_RESPONSE),
					 n < of[i].fits ? n : of[i].fits);
			assert_int_equal(count(&heard, QOS_PDU_LOST), n > of[i].fits);
		}
	}
	// A record of very many fragments.
	in.n = 0;
	message.n = 0;
	put_call(&message, 1, 100021, 4, 0);
	put_zeros(&message, 60000);
	put_record(&in, &message, 60000 / 100);
	begin(QOS_SVC_NFS, QOS_TO_PORTAL);
	segment(0, in.n);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 0);
	in.n = 0;
	message.n = 5000;
	put_record(&in, &message, 1);
	begin(QOS_SVC_NFS, QOS_TO_PORTAL);
	segment(0, in.n);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 1);
}

#define STEP 100

static void one_segment_lost_loses_no_more_than_its_place(void **state)
{
	(void)state;
	for (enum qos_way way = QOS_TO_PORTAL; way <= QOS_FROM_PORTAL; way++) {
		put_session(way);
		qos_stream_init(&stream, QOS_SVC_ISCSI, way);
		hear_all(&stream, in.b, in.n, (size_t[]){ 0, in.n }, &whole);
		for (size_t from = 0; from < in.n; from += 3) {
			for (size_t size = 1; size < 200 && from + size < in.n; size += 66) {
				begin(QOS_SVC_ISCSI, way);
				for (size_t at = 0; at < from; at += STEP)
					segment(at, at + STEP < from ? at + STEP : from);
				for (size_t at = from + size; at < in.n; at += STEP)
					segment(at, at + STEP < in.n ? at + STEP : in.n);
				assert_part_of(&heard, &whole);
				assert_true(count(&heard, QOS_PDU_LOST) <= 1);
				// It comes later: nothing is said twice.
				segment(from, from + size);
				assert_part_of(&heard, &whole);
			}
		}
	}
}

static void a_gap_inside_of_data_keeps_the_place(void **state)
{
	static struct bytes message;
	size_t ends[3];

	(void)state;
	in.n = 0;
	put_answers(3, 2000, ends);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 500);
	segment(1500, ends[0]);
	segment(ends[0], ends[0] + 48);
	segment(ends[1], in.n); // all of its data was lost
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 3);
	assert_int_equal(heard.n, 3);

	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 500);
	segment(ends[0] + 1, ends[1]); // a byte of a header was
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.pdu[1].kind, QOS_PDU_LOST);
	assert_int_equal(heard.pdu[1].status, QOS_LOST_GAP);
	segment(ends[1], in.n);
	assert_int_equal(heard.n, 4);
	assert_int_equal(heard.pdu[2].kind, QOS_PDU_FOUND);
	assert_int_equal(heard.pdu[3].tag, 2);

	// What an RPC call moves was lost, but not what it is.
	in.n = message.n = 0;
	put_call(&message, 9, 100003, 3, 7);
	put_zeros(&message, 200);
	put_record(&in, &message, 1000);
	put_record(&in, &message, 1000);
	begin(QOS_SVC_NFS, QOS_TO_PORTAL);
	segment(0, 40);
	segment(100, in.n);
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.pdu[0].op, QOS_OP_WRITE);
	assert_int_equal(heard.pdu[0].tag, 9);
	begin(QOS_SVC_NFS, QOS_TO_PORTAL);
	segment(0, 20); // not even that: the record passes unheard, and the next is in its place
	segment(100, in.n);
	assert_int_equal(heard.n, 1);
	assert_int_equal(heard.pdu[0].kind, QOS_PDU_REQUEST);
}

static void a_text_with_a_gap_has_no_end(void **state)
{
	(void)state;
	put_session(QOS_FROM_PORTAL);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 60);
	segment(70, in.n);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 0);
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 10);
	assert_int_equal(heard.pdu[1].kind, QOS_PDU_TEXT);
	assert_int_equal(heard.pdu[1].text.size, 12);
	assert_false(heard.pdu[1].text.last);
}

// Every segment twice, or with more before it that was seen already: the same is said, once.
static void retransmissions_and_overlaps_say_nothing(void **state)
{
	(void)state;
	put_session(QOS_FROM_PORTAL);
	qos_stream_init(&stream, QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	hear_all(&stream, in.b, in.n, (size_t[]){ 0, in.n }, &whole);
	for (size_t step = 1; step < 120; step += 7) {
		for (size_t back = 0; back < 300; back += 13) {
			begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
			for (size_t at = 0; at < in.n; at += step) {
				size_t to = at + step < in.n ? at + step : in.n;

				segment(at > back ? at - back : 0, to);
				segment(at, to);
			}
			assert_true(same_heard(&heard, &whole));
			assert_true(stream.n_retransmitted > 0);
		}
	}
	// A keep-alive: the byte before, with anything in it.
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 1000);
	hear_segment(&stream, HEAR_START + 999, (const uint8_t *)"x", 1, &heard);
	segment(1000, in.n);
	assert_true(same_heard(&heard, &whole));
}

static void two_segments_that_change_places_make_nothing_up(void **state)
{
	(void)state;
	put_session(QOS_FROM_PORTAL);
	qos_stream_init(&stream, QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	hear_all(&stream, in.b, in.n, (size_t[]){ 0, in.n }, &whole);
	for (size_t from = 0; from + 2 * STEP < in.n; from++) {
		begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
		segment(0, from);
		segment(from + STEP, from + 2 * STEP);
		segment(from, from + STEP);
		for (size_t at = from + 2 * STEP; at < in.n; at += STEP)
			segment(at, at + STEP < in.n ? at + STEP : in.n);
		assert_part_of(&heard, &whole);
	}
}

// What looks like a login in the middle of a connection may be data that a guest has written.
static void a_stream_that_was_lost_teaches_nothing(void **state)
{
	static const char text[] = "TargetAddress=10.0.0.66:3260";
	static struct bytes message;
	static const uint8_t any[200] = { 0xee };

	(void)state;
	in.n = 0;
	put_iscsi(
		&in,
		(struct iscsi){
			.op = 0x24, .flags = 0x80, .tag = 1, .data = text, .size = sizeof(text) });
	put_iscsi(
		&in,
		(struct iscsi){
			.op = 0x23, .flags = 0x87, .tag = 2, .data = text, .size = sizeof(text) });
	put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = 3 });
	for (uint32_t lost = 0; lost < 3; lost++) {
		forget(&heard);
		qos_stream_init(&stream, QOS_SVC_ISCSI, QOS_FROM_PORTAL);
		if (lost > 0)
			hear_syn(&stream, HEAR_START - 200 - 10 * (lost == 2), &heard);
		if (lost == 1) // by bytes that are none of iSCSI's; else by a gap, or it began here
			hear_segment(&stream, HEAR_START - 200, any, 200, &heard);
		segment(0, in.n);
		assert_int_equal(heard.n, 3);
		assert_int_equal(heard.pdu[0].kind, QOS_PDU_LOST);
		assert_int_equal(heard.pdu[0].status, lost == 0	  ? QOS_LOST_MIDDLE
						      : lost == 1 ? QOS_LOST_HEADER
								  : QOS_LOST_GAP);
		assert_int_equal(heard.pdu[1].kind, QOS_PDU_FOUND);
		assert_int_equal(heard.pdu[2].kind, QOS_PDU_RESPONSE);
	}
	in.n = 0;
	put_reply(&message, 7, 0);
	put_be32(&message, 3260);
	put_record(&in, &message, 1000);
	forget(&heard);
	qos_stream_init(&stream, QOS_SVC_RPCBIND, QOS_FROM_PORTAL);
	segment(0, in.n);
	assert_int_equal(heard.n, 3);
	assert_int_equal(heard.pdu[2].kind, QOS_PDU_RESPONSE);
}

// TLS, or another protocol: looked at in rounds, then no more. A SYN makes it begin anew.
static void it_gives_up_after_a_while(void **state)
{
	uint8_t any[64];
	size_t n_reads = 0, n = 0;

	(void)state;
	memset(any, 0xee, sizeof(any));
	begin(QOS_SVC_ISCSI, QOS_TO_PORTAL);
	while (count(&heard, QOS_PDU_LOST) < 2) {
		n_reads += hear_segment(&stream, HEAR_START + 64 * (uint32_t)n, any, 64, &heard);
		assert_true(++n < 30000);
	}
	assert_int_equal(n_reads, 6 * QOS_STREAM_TRIES);
	assert_int_equal(n, 6 * QOS_STREAM_TRIES + 64 * (1 + 4 + 16 + 64 + 256));
	assert_int_equal(heard.n, 2);
	assert_int_equal(heard.pdu[0].status, QOS_LOST_HEADER);
	assert_int_equal(heard.pdu[1].status, QOS_LOST_GIVEN_UP);
	put_session(QOS_TO_PORTAL);
	assert_int_equal(segment(0, in.n), 0);
	assert_int_equal(segment(0, in.n), 0);
	assert_int_equal(heard.n, 2);
	hear_syn(&stream, HEAR_START + 1000000, &heard);
	hear_segment(&stream, HEAR_START + 1000000, in.b, (uint32_t)in.n, &heard);
	assert_int_equal(count(&heard, QOS_PDU_REQUEST), 10);
	assert_int_equal(count(&heard, QOS_PDU_LOGIN), 1);
}

// A place that is lost and found again and again is no reason to give up.
static void failures_are_forgotten_after_good_headers(void **state)
{
	static const uint8_t noise[48] = { 0xee };
	uint32_t seq = HEAR_START;

	(void)state;
	in.n = 0;
	for (uint32_t i = 0; i < 16; i++)
		put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = i });
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	for (uint32_t i = 0; i < 200; i++) {
		hear_segment(&stream, seq, in.b, (uint32_t)in.n, &heard);
		hear_segment(&stream, seq + (uint32_t)in.n, noise, 48, &heard);
		seq += (uint32_t)in.n + 48;
		assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 16);
		assert_int_equal(heard.pdu[heard.n - 1].status, QOS_LOST_HEADER);
		forget(&heard);
	}
}

// One that was good once may be so again, weeks later.
static void a_proven_stream_goes_on_looking(void **state)
{
	static const uint8_t noise[48] = { 0xee };
	uint32_t seq = HEAR_START, n = 0;

	(void)state;
	in.n = 0;
	for (uint32_t i = 0; i < 16; i++)
		put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = i });
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, in.n);
	for (seq += (uint32_t)in.n; n < 100000; seq += 48, n++)
		hear_segment(&stream, seq, noise, 48, &heard);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 1);
	for (; n > 0 && count(&heard, QOS_PDU_FOUND) == 0; seq += 48, n--)
		hear_segment(&stream, seq, in.b, 48, &heard);
	assert_true(n > 100000 - 65536 && n < 100000);
	assert_int_equal(heard.pdu[heard.n - 1].kind, QOS_PDU_RESPONSE);
}

// What was taken for the beginning of a record on trial does not bridge a gap.
static void a_gap_in_what_may_be_no_header_keeps_no_place(void **state)
{
	static struct bytes message;
	static const uint8_t noise[48] = { 0xee };

	(void)state;
	in.n = message.n = 0;
	put_reply(&message, 7, 0);
	put_zeros(&message, 100);
	put_record(&in, &message, 1000);
	put_record(&in, &message, 1000);
	begin(QOS_SVC_NFS, QOS_FROM_PORTAL);
	hear_segment(&stream, HEAR_START, noise, 48, &heard);
	hear_segment(&stream, HEAR_START + 48, in.b, 10, &heard);
	hear_segment(&stream, HEAR_START + 78, in.b, (uint32_t)in.n, &heard);
	assert_int_equal(heard.n, 4);
	assert_int_equal(heard.pdu[1].kind, QOS_PDU_FOUND);
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 2);
}

// With header digests each segment that begins with a header seems right; it ends all the same.
static void digests_end_in_giving_up(void **state)
{
	size_t n = 0;

	(void)state;
	in.n = 0;
	put_iscsi(&in, (struct iscsi){ .op = 1, .flags = 0xc1, .tag = 7, .word20 = 512 });
	put_be32(&in, 0x1badd1e5);
	begin(QOS_SVC_ISCSI, QOS_TO_PORTAL);
	while (count(&heard, QOS_PDU_LOST) == 0 ||
	       heard.pdu[heard.n - 1].status != QOS_LOST_GIVEN_UP) {
		hear_segment(&stream, HEAR_START + 52 * (uint32_t)n, in.b, 52, &heard);
		assert_true(++n < 30000);
	}
	assert_true(heard.n <= 6 * 3 * QOS_STREAM_TRIES);
}

static void a_connection_that_ends_leaves_nothing_to_the_next(void **state)
{
	struct qos_segment seg = { .size = 100, .rst = true, .seq = HEAR_START + 60 };

	(void)state;
	put_session(QOS_FROM_PORTAL);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 60);
	qos_stream_feed(&stream, &seg, hear, &heard); // has no reader: what it carries is not read
	seg.size = 0;
	qos_stream_feed(&stream, &seg, hear, &heard);
	assert_int_equal(heard.n, 2);
	hear_syn(&stream, HEAR_START, &heard); // its own once more
	segment(60, 160);
	assert_int_equal(heard.n, 2);
	assert_true(heard.pdu[1].text.last);
	segment(60, 160);
	assert_int_equal(stream.n_retransmitted, 1);
	hear_syn(&stream, 77, &heard);
	assert_int_equal(heard.n, 2);
	assert_int_equal(stream.n_retransmitted, 1); // it goes on counting
	hear_segment(&stream, 77, in.b, (uint32_t)in.n, &heard);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 0);
	assert_int_equal(count(&heard, QOS_PDU_LOGIN), 2);
	// The number of the last one's bytes would be far off now.
	segment(0, in.n);
	assert_true(count(&heard, QOS_PDU_LOST) <= 1);

	// FIN with the last bytes; data in the SYN.
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, in.n - 10);
	seg = (struct qos_segment){ .size = 10,
				    .fin = true,
				    .seq = HEAR_START + (uint32_t)in.n - 10 };
	qos_stream_feed(&stream, &seg, hear, &heard);
	assert_int_equal(count(&heard, QOS_PDU_RESPONSE), 10);
	assert_int_equal(stream.left, 0);
}

static const uint8_t *in_place(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)n;
	(void)buf;
	return (const uint8_t *)pkt + offset;
}

static const uint8_t *cannot(const void *pkt, uint32_t offset, uint32_t n, uint8_t *buf)
{
	(void)pkt;
	(void)offset;
	(void)n;
	(void)buf;
	return NULL;
}

static void a_syn_may_carry_data(void **state)
{
	struct qos_segment seg = {
		.seq = HEAR_START - 1, .syn = true, .pkt = in.b, .at = in_place
	};

	(void)state;
	put_session(QOS_TO_PORTAL);
	seg.size = 1000;
	forget(&heard);
	qos_stream_init(&stream, QOS_SVC_ISCSI, QOS_TO_PORTAL);
	qos_stream_feed(&stream, &seg, hear, &heard);
	segment(1000, in.n);
	assert_int_equal(count(&heard, QOS_PDU_REQUEST), 10);
	assert_int_equal(count(&heard, QOS_PDU_LOST), 0);
}

static void bytes_that_cannot_be_had_lose_the_stream(void **state)
{
	static const enum qos_service of[] = { QOS_SVC_ISCSI, QOS_SVC_NVME, QOS_SVC_NFS };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct qos_segment seg = { .seq = HEAR_START, .size = 100, .at = cannot };

		begin(of[i], QOS_TO_PORTAL);
		qos_stream_feed(&stream, &seg, hear, &heard);
		assert_int_equal(heard.n, 1);
		assert_int_equal(heard.pdu[0].status, QOS_LOST_GAP);
	}
	put_session(QOS_FROM_PORTAL);
	begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
	segment(0, 60); // inside of a text
	qos_stream_feed(&stream,
			&(struct qos_segment){ .seq = HEAR_START + 60, .size = 100, .at = cannot },
			hear, &heard);
	assert_int_equal(heard.n, 3);
	assert_int_equal(heard.pdu[2].kind, QOS_PDU_LOST);
}

// Numbers far beyond any window are another place, not a gap.
static void numbers_may_leap(void **state)
{
	size_t ends[2];

	(void)state;
	in.n = 0;
	put_answers(2, 100, ends);
	for (uint32_t leap = 3u << 25; leap != (uint32_t) - (1 << 25); leap += 1u << 25) {
		begin(QOS_SVC_ISCSI, QOS_FROM_PORTAL);
		segment(0, ends[0]);
		hear_segment(&stream, HEAR_START + leap, in.b + ends[0],
			     (uint32_t)(ends[1] - ends[0]), &heard);
		assert_int_equal(heard.n, 4);
		assert_int_equal(heard.pdu[3].tag, 1);
	}
}

static uint64_t rng = 88172645463325252ull;

static uint32_t any(uint32_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 20) % below;
}

// Nothing that looks like a header is in random bytes, and nothing hangs; hear_at asserts the
// reads.
static void random_bytes_say_nothing(void **state)
{
	static const enum qos_service of[] = { QOS_SVC_ISCSI, QOS_SVC_NVME, QOS_SVC_NFS,
					       QOS_SVC_RPCBIND };
	static uint8_t p[2000];
	size_t n_told = 0;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		uint32_t size = 1 + any(round % 50 == 0 ? sizeof(p) : 100);

		for (uint32_t i = 0; i < size; i++)
			p[i] = (uint8_t)any(256);
		if (round % 40 == 0) {
			begin(of[any(4)], any(2) == 0 ? QOS_TO_PORTAL : QOS_FROM_PORTAL);
			if (any(2) == 0)
				qos_stream_init(&stream, (enum qos_service)stream.service,
						(enum qos_way)stream.way);
		}
		hear_segment(&stream, any(10) == 0 ? any(UINT32_MAX) : stream.next_seq + any(3) - 1,
			     p, size, &heard);
		n_told += count(&heard, QOS_PDU_REQUEST) + count(&heard, QOS_PDU_RESPONSE) +
			  count(&heard, QOS_PDU_LOGIN);
	}
	assert_true(n_told == 0);
}

static void only_some_services_have_streams(void **state)
{
	(void)state;
	for (enum qos_service s = 0; s < QOS_N_SVCS; s++)
		assert_true(qos_stream_reads(s) == (s == QOS_SVC_ISCSI || s == QOS_SVC_NFS ||
						    s == QOS_SVC_RPCBIND || s == QOS_SVC_RPC ||
						    s == QOS_SVC_NVME));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_super_frame_is_read_only_where_headers_are),
		cmocka_unit_test(too_many_headers_lose_the_stream),
		cmocka_unit_test(one_segment_lost_loses_no_more_than_its_place),
		cmocka_unit_test(a_gap_inside_of_data_keeps_the_place),
		cmocka_unit_test(a_text_with_a_gap_has_no_end),
		cmocka_unit_test(retransmissions_and_overlaps_say_nothing),
		cmocka_unit_test(two_segments_that_change_places_make_nothing_up),
		cmocka_unit_test(a_stream_that_was_lost_teaches_nothing),
		cmocka_unit_test(it_gives_up_after_a_while),
		cmocka_unit_test(digests_end_in_giving_up),
		cmocka_unit_test(failures_are_forgotten_after_good_headers),
		cmocka_unit_test(a_proven_stream_goes_on_looking),
		cmocka_unit_test(a_gap_in_what_may_be_no_header_keeps_no_place),
		cmocka_unit_test(a_connection_that_ends_leaves_nothing_to_the_next),
		cmocka_unit_test(a_syn_may_carry_data),
		cmocka_unit_test(bytes_that_cannot_be_had_lose_the_stream),
		cmocka_unit_test(numbers_may_leap),
		cmocka_unit_test(random_bytes_say_nothing),
		cmocka_unit_test(only_some_services_have_streams),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
