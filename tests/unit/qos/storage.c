// Commands and their times.
#include "storage_unit.h"

// The bin that these alone fall into.
static struct qos_hist hist_of(const uint64_t *took, uint32_t n)
{
	struct qos_hist h = { 0 };

	for (uint32_t i = 0; i < n; i++)
		qos_hist_add(&h, took[i]);
	return h;
}

static void every_time_of_a_trace_is_exact(void **state)
{
	static const struct {
		uint64_t asked, told;
		enum qos_op op;
	} trace[] = {
		{ 1000, 351000, QOS_OP_READ },	    { 2000, 5000, QOS_OP_WRITE },
		{ 3000, 1003000, QOS_OP_READ },	    { 4000, 4001, QOS_OP_OTHER },
		{ 5000, 12000005000, QOS_OP_READ },
	};
	static const uint64_t reads[] = { 350000, 1000000, 12000000000 }, writes[] = { 3000 };
	static const uint32_t answers[] = { 3, 1, 0, 2, 4 }; // in order of time
	struct heard h;
	struct qos_storage *s = watch(&h);
	const struct qos_storage_row *r;
	struct qos_hist want;
	int conn = open_conn(s, 1000, QOS_SVC_ISCSI, 3);

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		ask(s, conn, i + 1, trace[i].op, trace[i].asked);
	r = row_of(s, 3);
	assert_int_equal(r->outstanding_now, 5);
	assert_int_equal(r->oldest_ns, 1000);
	for (uint32_t i = 0; i < 5; i++)
		answer(s, conn, answers[i] + 1, trace[answers[i]].told);
	want = hist_of(reads, 3);
	assert_memory_equal(&r->took[QOS_OP_READ], &want, sizeof(want));
	want = hist_of(writes, 1);
	assert_memory_equal(&r->took[QOS_OP_WRITE], &want, sizeof(want));
	assert_int_equal(r->took[QOS_OP_OTHER].n, 1);
	assert_int_equal(r->took[QOS_OP_OTHER].sum_ns, 1);
	assert_int_equal(r->bytes[QOS_OP_READ], 3 * 4096);
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(r->oldest_ns, 0);
	assert_int_equal(r->unmatched, 0);
	assert_int_equal(r->last_ns, 12000005000);
	qos_storage_destroy(s);
}

static void the_oldest_that_waits_is_told(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int a = open_conn(s, 1000, QOS_SVC_ISCSI, 3), b = open_conn(s, 1001, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	assert_int_equal(r->conns_now, 2);
	ask(s, a, 1, QOS_OP_READ, 300);
	ask(s, b, 1, QOS_OP_READ, 200); // another worker's event, later told
	ask(s, a, 2, QOS_OP_READ, 400);
	assert_int_equal(r->oldest_ns, 200);
	answer(s, b, 1, 500);
	assert_int_equal(r->oldest_ns, 300);
	answer(s, a, 1, 600);
	assert_int_equal(r->oldest_ns, 400);
	answer(s, a, 2, 700);
	assert_int_equal(r->oldest_ns, 0);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 300 + 300 + 300);
	qos_storage_destroy(s);
}

static void an_answer_may_be_told_before_its_question(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_NVME, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	answer(s, conn, 7, 2 * MS);
	answer(s, conn, 7, 4 * MS); // of the next command with this tag
	assert_int_equal(r->outstanding_now, 0);
	ask(s, conn, 7, QOS_OP_READ, 1 * MS);
	ask(s, conn, 7, QOS_OP_READ, 3 * MS + MS / 2);
	assert_int_equal(r->took[QOS_OP_READ].n, 2);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, MS + MS / 2);
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(r->unmatched, 0);
	qos_storage_destroy(s);
}

static void a_tag_may_be_used_again_before_its_answer_is_told(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 7, QOS_OP_READ, 1 * MS);
	ask(s, conn, 7, QOS_OP_WRITE, 3 * MS);
	ask(s, conn, 7, QOS_OP_READ, 5 * MS);
	answer(s, conn, 7, 2 * MS);
	answer(s, conn, 7, 4 * MS);
	answer(s, conn, 7, 8 * MS);
	assert_int_equal(r->took[QOS_OP_READ].n, 2);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 4 * MS);
	assert_int_equal(r->took[QOS_OP_WRITE].sum_ns, 1 * MS);
	assert_int_equal(r->unmatched, 0);
	qos_storage_destroy(s);
}

// One worker's events of 10 ms, then the other's, of a client that has one tag only.
static void a_batch_of_one_direction_may_come_before_the_other(void **state)
{
	struct heard h;

	(void)state;
	for (uint32_t first = 0; first < 2; first++) {
		struct qos_storage *s = watch(&h);
		int conn = open_conn(s, 1000, QOS_SVC_NVME, 3);

		for (uint32_t part = 0; part < 2; part++) {
			for (uint32_t i = 0; i < 30; i++) {
				if (part == first)
					ask(s, conn, 7, QOS_OP_READ, (i + 1) * MS);
				else
					answer(s, conn, 7, (i + 1) * MS + (i + 1) * US);
			}
		}
		assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 30);
		assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].sum_ns, 30 * 31 / 2 * US);
		assert_int_equal(row_of(s, 3)->unmatched, 0);
		qos_storage_destroy(s);
	}
}

static void a_stale_tag_is_unmatched_and_the_new_one_measured(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_NVME, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 7, QOS_OP_READ, 1 * MS); // its answer was lost on the way to main
	ask(s, conn, 7, QOS_OP_READ, 10 * MS);
	answer(s, conn, 7, 11 * MS);
	assert_int_equal(r->took[QOS_OP_READ].n, 1);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, MS);
	assert_int_equal(r->unmatched, 1);
	assert_int_equal(r->outstanding_now, 0);
	for (uint32_t i = 0; i < 100; i++)
		ask(s, conn, 7, QOS_OP_READ, (20 + i) * MS);
	assert_int_equal(r->outstanding_now, QOS_STORAGE_SAME);
	assert_int_equal(r->unmatched, 1 + 100 - QOS_STORAGE_SAME);
	answer(s, conn, 7, 200 * MS);
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, MS + 81 * MS);
	qos_storage_destroy(s);
}

static void a_call_sent_again_counts_from_the_first_time(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_NFS, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 7, QOS_OP_READ, 1 * MS);
	ask(s, conn, 7, QOS_OP_READ, 5 * MS);
	assert_int_equal(r->outstanding_now, 1);
	assert_int_equal(r->bytes[QOS_OP_READ], 4096);
	answer(s, conn, 7, 6 * MS);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 5 * MS);
	assert_int_equal(r->unmatched, 0);
	// Another call under that XID: the first one will not be answered.
	ask(s, conn, 8, QOS_OP_READ, 10 * MS);
	ask(s, conn, 8, QOS_OP_WRITE, 11 * MS);
	answer(s, conn, 8, 12 * MS);
	assert_int_equal(r->took[QOS_OP_WRITE].sum_ns, MS);
	assert_int_equal(r->unmatched, 1);
	qos_storage_destroy(s);
}

static void clocks_of_two_workers_may_be_a_turn_apart(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_NVME, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 1 * MS);
	answer(s, conn, 1, 1 * MS - 20 * US);
	answer(s, conn, 2, 2 * MS - 20 * US);
	ask(s, conn, 2, QOS_OP_READ, 2 * MS);
	assert_int_equal(r->took[QOS_OP_READ].n, 2);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 0);
	qos_storage_destroy(s);
}

static void an_answer_without_a_question_is_unmatched_in_time(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	answer(s, conn, 1, 1 * S);
	qos_storage_tick(s, 2 * S);
	assert_int_equal(r->unmatched, 0);
	qos_storage_tick(s, 3 * S);
	assert_int_equal(r->unmatched, 1);
	ask(s, conn, 1, QOS_OP_READ, 3 * S);
	assert_int_equal(r->outstanding_now, 1);
	// One that is much older than the command that waits is not its answer.
	answer(s, conn, 1, 2 * S);
	assert_int_equal(r->took[QOS_OP_READ].n, 0);
	answer(s, conn, 1, 4 * S);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, S);
	qos_storage_destroy(s);
}

static void errors_are_counted_and_measured(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_ISCSI, 3);
	const struct qos_pdu bad = { .kind = QOS_PDU_RESPONSE, .tag = 1, .status = 2 };

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 10);
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &bad, 20);
	assert_int_equal(row_of(s, 3)->errors, 1);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	qos_storage_destroy(s);
}

static void waits_count_before_and_after_the_answer(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1000, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 10);
	qos_storage_wait(s, conn, QOS_TO_PORTAL, 1, 100);
	answer(s, conn, 1, 2000);
	qos_storage_wait(s, conn, QOS_TO_PORTAL, 1, 11);
	qos_storage_wait(s, conn, QOS_FROM_PORTAL, 1, 7);
	assert_int_equal(r->wait_out_ns, 111);
	assert_int_equal(r->wait_out_n, 2);
	assert_int_equal(r->wait_in_ns, 7);
	assert_int_equal(r->wait_in_n, 1);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 1990);
	qos_storage_destroy(s);
}

static void either_direction_may_open_first(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int a, b;

	(void)state;
	a = open_way(s, 1, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0), a);
	b = open_way(s, 2, QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0);
	assert_int_equal(open_way(s, 2, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), b);
	assert_int_equal(open_way(s, 2, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), b);
	assert_int_not_equal(a, b);
	assert_int_equal(counts_of(s).conns_now, 2);
	assert_int_equal(counts_of(s).rows_now, 1);
	assert_int_equal(row_of(s, 3)->conns, 2);
	assert_int_equal(row_of(s, 3)->portal.service, QOS_SVC_ISCSI);
	assert_int_equal(row_of(s, 3)->portal.port, 3260);
	qos_storage_destroy(s);
}

static void what_waits_joins_the_vm_when_it_is_known(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_way(s, 1, QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0);

	(void)state;
	answer(s, conn, 1, 500); // told before its question
	ask(s, conn, 2, QOS_OP_READ, 200);
	assert_int_equal(row_of(s, 0)->outstanding_now, 1);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), conn);
	assert_int_equal(row_of(s, 0)->outstanding_now, 0);
	assert_int_equal(row_of(s, 0)->oldest_ns, 0);
	assert_int_equal(row_of(s, 0)->conns_now, 0);
	assert_int_equal(row_of(s, 3)->outstanding_now, 1);
	assert_int_equal(row_of(s, 3)->oldest_ns, 200);
	ask(s, conn, 1, QOS_OP_READ, 100);
	answer(s, conn, 2, 700);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].sum_ns, 400 + 500);
	assert_int_equal(row_of(s, 3)->conns, 1);
	qos_storage_destroy(s);
}

static void the_second_end_closes(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 100);
	ask(s, conn, 2, QOS_OP_READ, 100);
	qos_storage_close(s, conn, QOS_TO_PORTAL, false, 200);
	ask(s, conn, 3, QOS_OP_READ, 250); // nothing comes behind an end
	answer(s, conn, 1, 300);	   // but what was asked is answered
	assert_int_equal(r->took[QOS_OP_READ].n, 1);
	assert_int_equal(r->conns_now, 1);
	qos_storage_close(s, conn, QOS_FROM_PORTAL, false, 400);
	assert_int_equal(r->conns_now, 0);
	assert_int_equal(r->unmatched, 1);
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(counts_of(s).outstanding_now, 0);
	answer(s, conn, 2, 500); // nobody's any more
	assert_int_equal(r->took[QOS_OP_READ].n, 1);
	assert_int_not_equal(open_conn(s, 1, QOS_SVC_ISCSI, 3), conn);
	assert_int_equal(r->conns, 2);
	qos_storage_destroy(s);
}

static void ports_used_again_are_one_connection_until_both_ended(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	// One worker tells of the end and the new beginning before the other tells of the end.
	qos_storage_close(s, conn, QOS_TO_PORTAL, false, 200);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), conn);
	qos_storage_close(s, conn, QOS_FROM_PORTAL, false, 200);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_FROM_PORTAL, 0), conn);
	ask(s, conn, 1, QOS_OP_READ, 300);
	answer(s, conn, 1, 400);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	assert_int_equal(counts_of(s).conns_now, 1);
	qos_storage_destroy(s);
}

static void a_reset_ends_it_until_it_is_opened_anew(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 100);
	qos_storage_close(s, conn, QOS_TO_PORTAL, true, 200);
	assert_int_equal(r->conns_now, 0);
	assert_int_equal(r->unmatched, 1);
	answer(s, conn, 1, 300); // the other worker tells what came before
	assert_int_equal(r->unmatched, 1);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), conn);
	ask(s, conn, 2, QOS_OP_READ, 400);
	answer(s, conn, 2, 500);
	assert_int_equal(r->took[QOS_OP_READ].n, 1);
	assert_int_equal(r->conns, 2);
	assert_int_equal(r->conns_now, 1);
	qos_storage_close(s, conn, QOS_FROM_PORTAL, true, 600);
	qos_storage_close(s, conn, QOS_TO_PORTAL, false, 600);
	assert_int_equal(r->conns_now, 0);
	assert_int_equal(counts_of(s).conns_now, 0);
	qos_storage_destroy(s);
}

static void a_lost_stream_is_counted_and_waits_for_nothing(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 100);
	say(s, conn, QOS_FROM_PORTAL, QOS_PDU_LOST, QOS_LOST_GAP);
	assert_int_equal(r->lost[QOS_LOST_GAP], 1);
	assert_int_equal(r->unmatched, 1);
	ask(s, conn, 2, QOS_OP_READ, 200); // its answer may pass unseen
	assert_int_equal(r->outstanding_now, 0);
	assert_int_equal(r->unmatched, 2);
	say(s, conn, QOS_FROM_PORTAL, QOS_PDU_FOUND, 0);
	ask(s, conn, 3, QOS_OP_READ, 300);
	answer(s, conn, 3, 400);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, 100);
	say(s, conn, QOS_TO_PORTAL, QOS_PDU_LOST, QOS_LOST_MIDDLE);
	answer(s, conn, 4, 500);
	assert_int_equal(r->unmatched, 3);
	qos_storage_destroy(s);
}

static void only_the_right_direction_speaks(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_NFS, 3);
	const struct qos_pdu call = { .kind = QOS_PDU_REQUEST, .tag = 1 };
	const struct qos_pdu reply = { .kind = QOS_PDU_RESPONSE, .tag = 1, .status = 1 };

	(void)state;
	// The server calls its client back on the same connection: that is not storage that waits.
	qos_storage_pdu(s, conn, QOS_FROM_PORTAL, &call, 100);
	qos_storage_pdu(s, conn, QOS_TO_PORTAL, &reply, 200);
	assert_int_equal(row_of(s, 3)->outstanding_now, 0);
	assert_int_equal(row_of(s, 3)->errors, 0);
	assert_int_equal(row_of(s, 3)->unmatched, 0);
	qos_storage_destroy(s);
}

static void unknown_handles_are_ignored(void **state)
{
	static const int handles[] = { -1, 5, 63, 64, INT32_MAX, INT32_MIN };
	struct heard h;
	struct qos_storage *s = watch(&h);

	(void)state;
	for (uint32_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		ask(s, handles[i], 1, QOS_OP_READ, 1);
		qos_storage_close(s, handles[i], QOS_TO_PORTAL, true, 1);
		qos_storage_wait(s, handles[i], QOS_TO_PORTAL, 1, 1);
	}
	assert_int_equal(counts_of(s).rows_now, 0);
	assert_null(qos_storage_row(s, 0));
	qos_storage_destroy(s);
	qos_storage_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_time_of_a_trace_is_exact),
		cmocka_unit_test(the_oldest_that_waits_is_told),
		cmocka_unit_test(an_answer_may_be_told_before_its_question),
		cmocka_unit_test(a_tag_may_be_used_again_before_its_answer_is_told),
		cmocka_unit_test(a_batch_of_one_direction_may_come_before_the_other),
		cmocka_unit_test(a_stale_tag_is_unmatched_and_the_new_one_measured),
		cmocka_unit_test(a_call_sent_again_counts_from_the_first_time),
		cmocka_unit_test(clocks_of_two_workers_may_be_a_turn_apart),
		cmocka_unit_test(an_answer_without_a_question_is_unmatched_in_time),
		cmocka_unit_test(errors_are_counted_and_measured),
		cmocka_unit_test(waits_count_before_and_after_the_answer),
		cmocka_unit_test(either_direction_may_open_first),
		cmocka_unit_test(what_waits_joins_the_vm_when_it_is_known),
		cmocka_unit_test(the_second_end_closes),
		cmocka_unit_test(ports_used_again_are_one_connection_until_both_ended),
		cmocka_unit_test(a_reset_ends_it_until_it_is_opened_anew),
		cmocka_unit_test(a_lost_stream_is_counted_and_waits_for_nothing),
		cmocka_unit_test(only_the_right_direction_speaks),
		cmocka_unit_test(unknown_handles_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
