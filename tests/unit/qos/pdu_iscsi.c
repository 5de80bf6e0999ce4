#include "../unit.h"
#include "pdu_hear.h"
#include "pdu_make.h"

#define START 0xfffffe00u // the sequence number wraps on the way

static struct heard heard, whole;
static struct bytes in;

static void reset(struct heard *h)
{
	h->n = h->n_calls = h->n_text = 0;
}

// From a SYN on, in pieces of the sizes that `cut` says: up to there, then `step` bytes each.
static void feed(enum qos_way way, size_t cut, size_t step, struct heard *h)
{
	struct qos_stream s;

	reset(h);
	qos_stream_init(&s, QOS_SVC_ISCSI, way);
	hear_syn(&s, START, h);
	for (size_t at = 0; at < in.n;) {
		size_t n = at == 0 && cut > 0 ? cut : step;

		n = n < in.n - at ? n : in.n - at;
		hear_segment(&s, START + (uint32_t)at, in.b + at, (uint32_t)n, h);
		at += n;
	}
}

// The same from any segments. What one segment says stays in `whole`.
static void cut_everywhere(enum qos_way way)
{
	feed(way, 0, in.n, &whole);
	for (size_t cut = 1; cut < in.n; cut++) {
		feed(way, cut, in.n, &heard);
		assert_true(same_heard(&heard, &whole));
	}
	for (size_t step = 1; step < 60; step++) {
		feed(way, 0, step, &heard);
		assert_true(same_heard(&heard, &whole));
	}
}

static void is(size_t i, uint8_t kind, uint32_t tag, uint8_t what)
{
	const struct qos_pdu *p = &whole.pdu[i];

	assert_true(i < whole.n);
	assert_int_equal(p->kind, kind);
	assert_int_equal(p->tag, tag);
	assert_int_equal(kind == QOS_PDU_REQUEST ? p->op : p->status, what);
}

static void commands_and_their_answers_are_told(void **state)
{
	(void)state;
	in.n = 0;
	put_iscsi(&in, (struct iscsi){ .op = 0x01, .flags = 0xc1, .tag = 5, .word20 = 4096 });
	put_iscsi(&in, (struct iscsi){
			       .op = 0x41, .flags = 0xa1, .tag = 6, .word20 = 700, .size = 700 });
	put_iscsi(&in, (struct iscsi){ .op = 0x05, .flags = 0x80, .tag = 6, .size = 61 });
	put_iscsi(&in, (struct iscsi){ .op = 0x01, .flags = 0x80, .tag = 7, .ahs_words = 2 });
	put_iscsi(&in, (struct iscsi){ .op = 0x40, .flags = 0x80, .tag = 8, .size = 5 });
	put_iscsi(&in, (struct iscsi){ .op = 0x40, .flags = 0x80, .tag = 0xffffffff });
	put_iscsi(&in, (struct iscsi){ .op = 0x42, .flags = 0x81, .tag = 9 });
	put_iscsi(&in, (struct iscsi){ .op = 0x10, .flags = 0x80, .tag = 9 });
	put_iscsi(&in, (struct iscsi){ .op = 0x46, .flags = 0x80, .tag = 10 });
	cut_everywhere(QOS_TO_PORTAL);
	assert_int_equal(whole.n, 6);
	is(0, QOS_PDU_REQUEST, 5, QOS_OP_READ);
	is(1, QOS_PDU_REQUEST, 6, QOS_OP_WRITE);
	assert_int_equal(whole.pdu[0].bytes, 4096);
	assert_int_equal(whole.pdu[1].bytes, 700);
	for (uint32_t i = 2; i < 6; i++)
		is(i, QOS_PDU_REQUEST, 5 + i, QOS_OP_OTHER);

	in.n = 0;
	put_iscsi(&in, (struct iscsi){ .op = 0x25, .tag = 5, .size = 1000 });
	put_iscsi(&in,
		  (struct iscsi){ .op = 0x25, .flags = 0x81, .tag = 5, .size = 1001, .byte3 = 2 });
	put_iscsi(&in, (struct iscsi){ .op = 0x31, .flags = 0x80, .tag = 6 });
	put_iscsi(&in,
		  (struct iscsi){ .op = 0x21, .flags = 0x80, .tag = 6, .byte3 = 8, .size = 20 });
	put_iscsi(&in, (struct iscsi){ .op = 0x21, .flags = 0x82, .tag = 7, .byte2 = 1 });
	put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = 8, .size = 5 });
	put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = 0xffffffff });
	put_iscsi(&in, (struct iscsi){ .op = 0x32, .flags = 0x80, .tag = 0xffffffff, .size = 8 });
	put_iscsi(&in,
		  (struct iscsi){
			  .op = 0x3f, .flags = 0x80, .byte2 = 4, .tag = 0xffffffff, .size = 48 });
	put_iscsi(&in, (struct iscsi){ .op = 0x22, .flags = 0x80, .byte2 = 1, .tag = 9 });
	put_iscsi(&in, (struct iscsi){ .op = 0x26, .flags = 0x80, .tag = 10 });
	cut_everywhere(QOS_FROM_PORTAL);
	assert_int_equal(whole.n, 6);
	is(0, QOS_PDU_RESPONSE, 5, 2);
	is(1, QOS_PDU_RESPONSE, 6, 8);
	is(2, QOS_PDU_RESPONSE, 7, 0xff);
	is(3, QOS_PDU_RESPONSE, 8, 0);
	is(4, QOS_PDU_RESPONSE, 9, 1);
	is(5, QOS_PDU_RESPONSE, 10, 0);
}

static void logins_and_targets_come_with_their_text(void **state)
{
	static const char ask[] = "InitiatorName=iqn.x\0SessionType=Normal";
	static const char moved[] = "TargetAddress=10.0.0.9:3261";
	static char names[3000];
	size_t n = 0;

	(void)state;
	while (n < sizeof(names) - 80)
		n += (size_t)snprintf(names + n, 80, "TargetName=iqn.2026-11.example:disk%zu", n) +
		     1;
	in.n = 0;
	put_iscsi(&in,
		  (struct iscsi){
			  .op = 0x43, .flags = 0x87, .tag = 1, .data = ask, .size = sizeof(ask) });
	put_iscsi(&in, (struct iscsi){ .op = 0x43, .flags = 0x40, .tag = 2 });
	put_iscsi(&in,
		  (struct iscsi){ .op = 0x44, .flags = 0x80, .tag = 3, .data = ask, .size = 20 });
	cut_everywhere(QOS_TO_PORTAL);
	assert_int_equal(whole.n, 4);
	is(0, QOS_PDU_LOGIN, 1, 0);
	assert_int_equal(whole.pdu[1].text.size, sizeof(ask));
	assert_true(whole.pdu[1].text.last);
	assert_int_equal(whole.pdu[2].flags, QOS_PDU_F_MORE);
	assert_int_equal(whole.pdu[3].kind, QOS_PDU_TEXT); // an empty one ends it too
	assert_true(whole.pdu[3].text.last && whole.pdu[3].text.size == 0);

	in.n = 0;
	put_iscsi(&in, (struct iscsi){ .op = 0x23,
				       .tag = 1,
				       .word36 = 0x01010000,
				       .data = moved,
				       .size = sizeof(moved) });
	put_iscsi(&in,
		  (struct iscsi){
			  .op = 0x23, .flags = 0x87, .tag = 2, .data = ask, .size = sizeof(ask) });
	put_iscsi(
		&in,
		(struct iscsi){
			.op = 0x24, .flags = 0x40, .tag = 3, .data = names, .size = (uint32_t)n });
	put_iscsi(&in, (struct iscsi){
			       .op = 0x24, .flags = 0x80, .tag = 4, .data = names, .size = 101 });
	cut_everywhere(QOS_FROM_PORTAL);
	assert_int_equal(whole.n, 8);
	is(0, QOS_PDU_LOGIN, 1, 1);
	assert_int_equal(whole.pdu[0].flags, QOS_PDU_F_RESPONSE | QOS_PDU_F_REDIRECT);
	assert_memory_equal(whole.text + whole.text_at[1], moved, sizeof(moved));
	assert_int_equal(whole.pdu[2].flags, QOS_PDU_F_RESPONSE);
	is(4, QOS_PDU_TARGETS, 3, 0);
	assert_int_equal(whole.pdu[4].flags, QOS_PDU_F_MORE);
	assert_memory_equal(whole.text + whole.text_at[5], names, n);
	assert_int_equal(whole.pdu[7].text.size, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_their_answers_are_told),
		cmocka_unit_test(logins_and_targets_come_with_their_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
