#include "../unit.h"
#include "pdu_hear.h"
#include "pdu_make.h"

static struct heard whole;
static struct bytes in;

static void cut_everywhere(enum qos_way way)
{
	hear_cut_everywhere(QOS_SVC_NVME, way, in.b, in.n, &whole);
}

static void is(size_t i, uint8_t kind, uint32_t tag, uint8_t what)
{
	const struct qos_pdu *p = &whole.pdu[i];

	assert_true(i < whole.n);
	assert_int_equal(p->kind, kind);
	assert_int_equal(p->tag, tag);
	assert_int_equal(kind == QOS_PDU_REQUEST ? p->op : p->status, what);
}

static void commands_and_completions_are_told(void **state)
{
	(void)state;
	in.n = 0;
	put_nvme_ic(&in, 0);
	put_nvme_command(&in, 0x7f, 1, 0x01, 1024, 1024); // Connect: byte 4 is its own type
	put_nvme_command(&in, 0x02, 2, 1, 4096, 0);
	put_nvme_command(&in, 0x01, 0xfffe, 1, 512, 512);
	put_nvme_data(&in, 6, 4, 2, 1000);
	put_nvme_data(&in, 6, 7, 2, 1001);		     // with digests
	put_nvme_command(&in, 0x02, 3, 0xffffffff, 4096, 0); // Get Log Page
	put_nvme_command(&in, 0x02, 4, 0, 4096, 0);
	put_nvme_command(&in, 0x0c, 5, 0, 0, 0); // Asynchronous Event Request
	put_nvme_command(&in, 0x00, 6, 1, 0, 0); // Flush
	cut_everywhere(QOS_TO_PORTAL);
	assert_int_equal(whole.n, 6);
	is(0, QOS_PDU_REQUEST, 1, QOS_OP_OTHER);
	is(1, QOS_PDU_REQUEST, 2, QOS_OP_READ);
	is(2, QOS_PDU_REQUEST, 0xfffe, QOS_OP_WRITE);
	assert_int_equal(whole.pdu[1].bytes, 4096);
	assert_int_equal(whole.pdu[2].bytes, 512);
	is(3, QOS_PDU_REQUEST, 3, QOS_OP_OTHER);
	is(4, QOS_PDU_REQUEST, 4, QOS_OP_OTHER);
	is(5, QOS_PDU_REQUEST, 6, QOS_OP_OTHER);

	in.n = 0;
	put_nvme_ic(&in, 1);
	put_nvme_response(&in, 1, 0, 0);
	put_nvme_data(&in, 7, 4, 2, 4096);
	put_nvme_response(&in, 2, 0x281, 1); // unrecovered read error, with a digest
	put_nvme_data(&in, 7, 0, 3, 100);
	put_nvme_data(&in, 7, 15, 3, 100); // the last one, and success
	put_nvme_data(&in, 9, 0, 4, 0);	   // R2T
	put_nvme_response(&in, 4, 0x100, 0);
	cut_everywhere(QOS_FROM_PORTAL);
	assert_int_equal(whole.n, 4);
	is(0, QOS_PDU_RESPONSE, 1, 0);
	is(1, QOS_PDU_RESPONSE, 2, 0x81);
	is(2, QOS_PDU_RESPONSE, 3, 0);
	is(3, QOS_PDU_RESPONSE, 4, 0xff);
}

static bool is_taken(enum qos_way way)
{
	struct qos_stream s;

	qos_stream_init(&s, QOS_SVC_NVME, way);
	hear_all(&s, in.b, in.n, (size_t[]){ 0, in.n }, &whole);
	return whole.n == 0 || whole.pdu[0].kind != QOS_PDU_LOST;
}

// Each byte that a rule speaks about, set to a value against it.
static void what_cannot_be_a_header_is_none(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} of_data[] = { { 0, 8 },  { 0, 6 },  { 0, 0x25 }, { 1, 16 }, { 1, 8 },
			{ 2, 72 }, { 2, 25 }, { 3, 25 },   { 4, 23 }, { 7, 3 },
			{ 10, 1 }, { 16, 1 }, { 19, 255 }, { 20, 1 }, { 23, 255 } },
	  of_command[] = { { 0, 5 },  { 1, 4 },	 { 2, 71 },  { 3, 71 },
			   { 3, 73 }, { 4, 71 }, { 9, 0x44 } };

	(void)state;
	for (size_t i = 0; i < sizeof(of_data) / sizeof(of_data[0]); i++) {
		in.n = 0;
		put_nvme_data(&in, 7, 0, 3, 100);
		assert_true(is_taken(QOS_FROM_PORTAL));
		in.b[3] = 0; // where its data begins: as good as 24
		assert_true(is_taken(QOS_FROM_PORTAL));
		in.b[3] = 24;
		in.b[of_data[i].at] = of_data[i].value;
		assert_false(is_taken(QOS_FROM_PORTAL));
	}
	for (size_t i = 0; i < sizeof(of_command) / sizeof(of_command[0]); i++) {
		in.n = 0;
		put_nvme_command(&in, 2, 3, 1, 100, 0);
		assert_true(is_taken(QOS_TO_PORTAL));
		in.b[of_command[i].at] = of_command[i].value;
		assert_false(is_taken(QOS_TO_PORTAL));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_and_completions_are_told),
		cmocka_unit_test(what_cannot_be_a_header_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
