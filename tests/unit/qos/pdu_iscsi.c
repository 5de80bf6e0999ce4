#include "../unit.h"
#include "pdu_hear.h"
#include "pdu_make.h"

static struct heard whole;
static struct bytes in;

static void cut_everywhere(enum qos_way way)
{
	hear_cut_everywhere(QOS_SVC_ISCSI, way, in.b, in.n, &whole);
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
	assert_int_equal(whole.pdu[0].flags, QOS_PDU_F_FULL);
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
	assert_int_equal(whole.pdu[2].flags, QOS_PDU_F_RESPONSE | QOS_PDU_F_FULL);
	is(4, QOS_PDU_TARGETS, 3, 0);
	assert_int_equal(whole.pdu[4].flags, QOS_PDU_F_MORE);
	assert_memory_equal(whole.text + whole.text_at[5], names, n);
	assert_int_equal(whole.pdu[7].text.size, 101);
}

// Feeds what is in `in` as one segment behind a SYN. returns whether the first header was one
static bool is_taken(enum qos_way way)
{
	struct qos_stream s;

	qos_stream_init(&s, QOS_SVC_ISCSI, way);
	hear_all(&s, in.b, in.n, (size_t[]){ 0, in.n }, &whole);
	return whole.n == 0 || whole.pdu[0].kind != QOS_PDU_LOST;
}

static void what_is_reserved_must_be_zero(void **state)
{
	static const struct {
		enum qos_way way;
		struct iscsi pdu;
	} wrong[] = {
		{ QOS_TO_PORTAL, { .op = 0x81, .flags = 0xc0 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc8 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc5 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc0, .byte2 = 1 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc0, .byte3 = 1 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc0, .size = 8 } }, // reads with data
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0x40 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc0, .ahs_words = 1 } },
		{ QOS_TO_PORTAL, { .op = 0x01, .flags = 0xc0, .tag = 0xffffffff } },
		{ QOS_TO_PORTAL, { .op = 0x00, .flags = 0x00 } },
		{ QOS_TO_PORTAL, { .op = 0x05, .flags = 0x80, .ahs_words = 2 } },
		{ QOS_TO_PORTAL, { .op = 0x02, .flags = 0x80 } },
		{ QOS_TO_PORTAL, { .op = 0x02, .flags = 0x81, .size = 4 } },
		{ QOS_TO_PORTAL, { .op = 0x03, .flags = 0x87 } }, // not immediate
		{ QOS_TO_PORTAL, { .op = 0x43, .flags = 0xc7 } },
		{ QOS_TO_PORTAL, { .op = 0x43, .flags = 0x8b } },
		{ QOS_TO_PORTAL, { .op = 0x43, .flags = 0x84 } },
		{ QOS_TO_PORTAL, { .op = 0x43, .flags = 0x87, .size = QOS_PDU_TEXT_MAX + 1 } },
		{ QOS_TO_PORTAL, { .op = 0x44, .flags = 0xc0 } },
		{ QOS_TO_PORTAL, { .op = 0x21, .flags = 0x80 } }, // the other way
		{ QOS_FROM_PORTAL, { .op = 0x01, .flags = 0xc0 } },
		{ QOS_FROM_PORTAL, { .op = 0x61, .flags = 0x80 } },
		{ QOS_FROM_PORTAL, { .op = 0x21, .flags = 0x00 } },
		{ QOS_FROM_PORTAL, { .op = 0x21, .flags = 0x81 } },
		{ QOS_FROM_PORTAL, { .op = 0x23, .flags = 0x87, .word36 = 0x04000000 } },
		{ QOS_FROM_PORTAL, { .op = 0x23, .flags = 0x87, .word36 = 1 } },
		{ QOS_FROM_PORTAL, { .op = 0x23, .flags = 0x87, .word20 = 1 } },
		{ QOS_FROM_PORTAL, { .op = 0x25, .flags = 0x01 } }, // a status, and not the last
		{ QOS_FROM_PORTAL, { .op = 0x25, .flags = 0x80, .byte3 = 2 } },
		{ QOS_FROM_PORTAL, { .op = 0x25, .flags = 0x82 } },
		{ QOS_FROM_PORTAL, { .op = 0x3f, .flags = 0x80, .byte2 = 4, .tag = 1 } },
		{ QOS_FROM_PORTAL, { .op = 0x27, .flags = 0x80 } },
		{ QOS_FROM_PORTAL, { .op = 0x3c, .flags = 0x80 } }, // a vendor's
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		in.n = 0;
		put_iscsi(&in, wrong[i].pdu);
		assert_false(is_taken(wrong[i].way));
	}
}

// A digest stands where the next header should begin, whatever its value.
static void headers_behind_digests_are_none(void **state)
{
	(void)state;
	for (uint32_t digest = 0; digest < 1u << 22; digest += 41) {
		in.n = 0;
		put_be32(&in, digest << 10 | digest % 1000);
		put_iscsi(&in, (struct iscsi){ .op = 0x25, .flags = 0x81, .tag = 7, .size = 8 });
		assert_false(is_taken(QOS_FROM_PORTAL));
		in.n = 0;
		put_be32(&in, digest << 10 | digest % 1000);
		put_iscsi(&in, (struct iscsi){ .op = 0x01, .flags = 0xc1, .tag = 7 });
		assert_false(is_taken(QOS_TO_PORTAL));
	}
}

// More than can be asked for in a login: told up to the limit, without an end.
static void a_long_text_has_no_end(void **state)
{
	static char text[QOS_PDU_TEXT_MAX + 100];

	(void)state;
	for (uint32_t more = 0; more < 2; more++) {
		in.n = 0;
		put_iscsi(&in, (struct iscsi){ .op = 0x24,
					       .flags = 0x80,
					       .tag = 3,
					       .data = text,
					       .size = QOS_PDU_TEXT_MAX + more });
		put_iscsi(&in, (struct iscsi){ .op = 0x20, .flags = 0x80, .tag = 4 });
		put_iscsi(&in,
			  (struct iscsi){ .op = 0x24, .flags = 0x80, .data = text, .size = 5 });
		assert_true(is_taken(QOS_FROM_PORTAL));
		assert_int_equal(whole.n, 5);
		assert_true(whole.pdu[4].text.last);
		assert_int_equal(whole.pdu[1].text.size, QOS_PDU_TEXT_MAX);
		assert_true(whole.pdu[1].text.last == (more == 0));
		is(2, QOS_PDU_RESPONSE, 4, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_their_answers_are_told),
		cmocka_unit_test(logins_and_targets_come_with_their_text),
		cmocka_unit_test(what_is_reserved_must_be_zero),
		cmocka_unit_test(headers_behind_digests_are_none),
		cmocka_unit_test(a_long_text_has_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
