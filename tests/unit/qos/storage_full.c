// Tables that are full, time that passes, VMs that go.
#include <errno.h>

#include "storage_unit.h"

static int open_at(struct qos_storage *s, uint32_t portal, uint16_t client_port, uint32_t ways,
		   uint16_t vm_idx)
{
	const struct qos_conn_key k = key_of(portal, client_port, 3260);
	int conn = -1;

	for (uint32_t way = 0; way < 2; way++) {
		const struct qos_portal_hit hit = { .service = QOS_SVC_ISCSI, .way = (uint8_t)way };

		if ((ways & 1u << way) != 0)
			conn = qos_storage_open(s, &k, &hit, vm_idx, 1);
	}
	return conn;
}

static void numbers_out_of_bounds_are_refused(void **state)
{
	static const struct qos_storage_params wrong[] = {
		{ 0, 1, 1, 1, 1 },	 { 1, 0, 1, 1, 1 },	  { 1, 1, 0, 1, 1 },
		{ 1, 1, 1, 0, 1 },	 { 1, 1, 1, 1, 0 },	  { 65537, 1, 1, 1, 1 },
		{ 1, 1048577, 1, 1, 1 }, { 1, 1, 1, 1048577, 1 },
	};
	const struct qos_storage_events ev = { NULL, NULL, NULL };
	struct qos_storage *s;

	(void)state;
	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(qos_storage_create(&wrong[i], &ev, &s), -EINVAL);
		assert_null(s);
	}
}

static void the_smallest_tables_work(void **state)
{
	const struct qos_storage_params p = { 1, 1, 1, 1, S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 9); // no such VM: nobody's

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 10);
	ask(s, conn, 2, QOS_OP_READ, 10);
	answer(s, conn, 1, 20);
	answer(s, conn, 2, 20);
	assert_int_equal(row_of(s, 0)->took[QOS_OP_READ].n, 1);
	assert_int_equal(row_of(s, 0)->unmeasured, 1);
	assert_int_equal(row_of(s, 0)->unmatched, 0);
	qos_storage_destroy(s);
}

static void established_connections_are_not_replaced(void **state)
{
	const struct qos_storage_params p = { 16, 4, 16, 16, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn[4];

	(void)state;
	for (uint16_t i = 0; i < 4; i++)
		conn[i] = open_conn(s, (uint16_t)(i + 1), QOS_SVC_ISCSI, 3);
	assert_int_equal(open_way(s, 9, QOS_SVC_ISCSI, QOS_TO_PORTAL, 4), -ENOSPC);
	assert_int_equal(counts_of(s).conns_refused, 1);
	assert_int_equal(open_way(s, 2, QOS_SVC_ISCSI, QOS_TO_PORTAL, 3), conn[1]); // known
	ask(s, conn[3], 1, QOS_OP_READ, 10);
	answer(s, conn[3], 1, 20);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	// One that was reset makes room.
	qos_storage_close(s, conn[2], QOS_TO_PORTAL, true, 30);
	assert_true(open_way(s, 9, QOS_SVC_ISCSI, QOS_TO_PORTAL, 4) >= 0);
	assert_int_equal(counts_of(s).conns_replaced, 1);
	ask(s, conn[2], 1, QOS_OP_READ, 40); // the old handle
	assert_int_equal(counts_of(s).outstanding_now, 0);
	qos_storage_destroy(s);
}

static void half_open_ones_replace_each_other(void **state)
{
	const struct qos_storage_params p = { 16, 4, 16, 16, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) // a scan
		assert_true(open_at(s, PORTAL + 1 + i, 9, 1, 4) >= 0);
	assert_int_equal(counts_of(s).conns_replaced, 97);
	assert_int_equal(counts_of(s).rows_now, 1);
	assert_true(open_conn(s, 2, QOS_SVC_ISCSI, 3) >= 0);
	ask(s, conn, 1, QOS_OP_READ, 10);
	answer(s, conn, 1, 20);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	qos_storage_destroy(s);
}

static void the_row_longest_without_a_connection_is_replaced(void **state)
{
	const struct qos_storage_params p = { 16, 16, 3, 16, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn[4];

	(void)state;
	for (uint16_t vm = 1; vm <= 3; vm++)
		conn[vm] = open_at(s, PORTAL, vm, 3, vm);
	// All have connections: the fourth VM is not counted, but goes on.
	conn[0] = open_at(s, PORTAL, 4, 3, 4);
	assert_true(conn[0] >= 0);
	assert_int_equal(counts_of(s).rows_refused, 1);
	ask(s, conn[0], 1, QOS_OP_READ, 5);
	answer(s, conn[0], 1, 6);
	assert_null(row_of(s, 4));
	for (uint32_t way = 0; way < 2; way++) { // 2 ends, then 1
		qos_storage_close(s, conn[2], way, false, 10);
		qos_storage_close(s, conn[1], way, false, 10);
	}
	qos_storage_tick(s, 20); // there is room now: VM 2 goes
	assert_null(row_of(s, 2));
	assert_non_null(row_of(s, 1));
	assert_non_null(row_of(s, 4));
	assert_int_equal(counts_of(s).rows_replaced, 1);
	ask(s, conn[0], 2, QOS_OP_READ, 30);
	answer(s, conn[0], 2, 40);
	assert_int_equal(row_of(s, 4)->took[QOS_OP_READ].n, 1);
	assert_int_equal(row_of(s, 4)->conns_now, 1);
	assert_int_equal(counts_of(s).rows_now, 3);
	qos_storage_destroy(s);
}

static void half_open_connections_do_not_hold_all_rows(void **state)
{
	const struct qos_storage_params p = { 16, 16, 3, 16, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn;

	(void)state;
	for (uint16_t i = 0; i < 10; i++) { // a client that only pretends to speak
		conn = open_at(s, PORTAL + 1 + i, 9, 1, 4);
		ask(s, conn, 1, QOS_OP_READ, 5);
	}
	conn = open_at(s, PORTAL, 1, 3, 3);
	ask(s, conn, 1, QOS_OP_READ, 10);
	answer(s, conn, 1, 20);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	assert_int_equal(counts_of(s).rows_now, 3);
	assert_int_equal(counts_of(s).outstanding_now, 2);
	qos_storage_destroy(s);
}

// Of 1024 slots a VM holds some: how many of its next 4096 commands, each answered at once, are
// measured.
static uint32_t measured_at(uint32_t held)
{
	const struct qos_storage_params p = { 16, 16, 16, 1024, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 1);
	const struct qos_storage_row *r = row_of(s, 1);
	uint64_t before;
	uint32_t n;

	for (uint32_t i = 0; r->outstanding_now < held; i++)
		ask(s, conn, 1000000 + i, QOS_OP_OTHER, 10);
	before = r->unmeasured;
	for (uint32_t i = 0; i < 4096; i++) {
		ask(s, conn, i, i % 2 == 0 ? QOS_OP_READ : QOS_OP_WRITE, 20);
		answer(s, conn, i, 30);
	}
	n = (uint32_t)(r->took[QOS_OP_READ].n + r->took[QOS_OP_WRITE].n);
	assert_int_equal(n + r->unmeasured - before, 4096);
	assert_int_equal(counts_of(s).unmeasured, r->unmeasured);
	assert_int_equal(r->unmatched, 0);
	assert_int_equal(r->outstanding_now, held);
	assert_int_equal(r->bytes[QOS_OP_READ], 2048 * 4096);
	// Though they alternate, as many reads as writes are measured.
	assert_true(r->took[QOS_OP_READ].n <= r->took[QOS_OP_WRITE].n + n / 16 + 2);
	assert_true(r->took[QOS_OP_WRITE].n <= r->took[QOS_OP_READ].n + n / 16 + 2);
	qos_storage_destroy(s);
	return n;
}

static void commands_are_sampled_by_what_is_left(void **state)
{
	static const struct {
		uint32_t held, one_in;
	} cases[] = { { 0, 1 },	  { 340, 1 }, { 345, 2 },  { 430, 2 },
		      { 440, 4 }, { 480, 8 }, { 500, 16 }, { 512, 0 } };

	(void)state;
	for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t n = measured_at(cases[i].held);
		uint32_t want = cases[i].one_in == 0 ? 0 : 4096 / cases[i].one_in;

		assert_true(n + 4 >= want && n <= want + 4);
	}
}

static void a_hung_portal_leaves_slots_to_others(void **state)
{
	const struct qos_storage_params p = { 16, 16, 16, 1024, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int hog = open_at(s, PORTAL, 1, 3, 1), conn = open_at(s, PORTAL + 1, 2, 3, 2);

	(void)state;
	for (uint32_t i = 0; i < 20000; i++)
		ask(s, hog, i, QOS_OP_READ, 10 + i);
	assert_int_equal(row_of(s, 1)->outstanding_now, 512);
	assert_int_equal(row_of(s, 1)->outstanding_now + row_of(s, 1)->unmeasured, 20000);
	assert_int_equal(row_of(s, 1)->oldest_ns, 10);
	for (uint32_t i = 0; i < 1000; i++) { // a depth of 4
		for (uint32_t k = 0; k < 4; k++)
			ask(s, conn, k, QOS_OP_READ, i * 10);
		for (uint32_t k = 0; k < 4; k++)
			answer(s, conn, k, i * 10 + 5);
	}
	assert_int_equal(row_of(s, 2)->took[QOS_OP_READ].n, 4000);
	assert_int_equal(row_of(s, 2)->took[QOS_OP_READ].sum_ns, 20000);
	assert_int_equal(counts_of(s).unmeasured, row_of(s, 1)->unmeasured);
	qos_storage_destroy(s);
}

static void early_answers_make_room_for_commands(void **state)
{
	const struct qos_storage_params p = { 16, 16, 16, 16, 60 * S };
	struct heard h;
	struct qos_storage *s = watch_sized(&h, &p);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	for (uint32_t i = 0; i < 50; i++)
		answer(s, conn, 1000 + i, 10);
	assert_int_equal(r->unmatched, 47); // three are kept: an eighth and one
	for (uint32_t i = 0; i < 8; i++)
		ask(s, conn, i, QOS_OP_READ, 20);
	assert_int_equal(r->outstanding_now, 8);
	assert_int_equal(r->unmeasured, 0);
	qos_storage_destroy(s);
}

static void silence_is_forgotten_and_a_sound_brings_it_back(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h); // 60 s
	int a = open_conn(s, 1, QOS_SVC_ISCSI, 3), b = open_conn(s, 2, QOS_SVC_ISCSI, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, a, 1, QOS_OP_READ, 1 * S);
	ask(s, b, 1, QOS_OP_READ, 50 * S);
	qos_storage_tick(s, 60 * S);
	assert_int_equal(r->conns_now, 2);
	qos_storage_tick(s, 61 * S);
	assert_int_equal(r->conns_now, 1);
	assert_int_equal(r->unmatched, 1);
	assert_int_equal(r->outstanding_now, 1);
	assert_int_equal(counts_of(s).idle, 1);
	ask(s, a, 2, QOS_OP_READ, 100 * S);
	answer(s, a, 2, 101 * S);
	assert_int_equal(r->conns_now, 2);
	assert_int_equal(r->conns, 2);
	assert_int_equal(r->took[QOS_OP_READ].sum_ns, S);
	qos_storage_destroy(s);
}

static void what_waits_too_long_is_given_up(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_NVME, 3);
	const struct qos_storage_row *r = row_of(s, 3);

	(void)state;
	ask(s, conn, 1, QOS_OP_OTHER, 1 * S); // an asynchronous event request: answered never
	for (uint32_t i = 0; i < 10; i++) {
		ask(s, conn, 2, QOS_OP_READ, (10 * i + 2) * S);
		answer(s, conn, 2, (10 * i + 3) * S);
		qos_storage_tick(s, (10 * i + 3) * S);
	}
	assert_int_equal(r->oldest_ns, 0);
	assert_int_equal(r->unmatched, 1);
	assert_int_equal(r->took[QOS_OP_READ].n, 10);
	assert_int_equal(r->conns_now, 1);
	qos_storage_destroy(s);
}

static void an_index_given_to_another_vm_starts_anew(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int a = open_at(s, PORTAL, 1, 3, 3), b = open_at(s, PORTAL + 1, 2, 3, 3);
	int other = open_at(s, PORTAL, 3, 3, 4);

	(void)state;
	ask(s, a, 1, QOS_OP_READ, 10);
	ask(s, b, 1, QOS_OP_READ, 10);
	ask(s, other, 1, QOS_OP_READ, 10);
	assert_int_equal(counts_of(s).rows_now, 3);
	qos_storage_forget_vm(s, 3);
	assert_null(row_of(s, 3));
	assert_int_equal(counts_of(s).rows_now, 1);
	assert_int_equal(counts_of(s).conns_now, 1);
	assert_int_equal(counts_of(s).outstanding_now, 1);
	answer(s, a, 1, 20);
	ask(s, b, 2, QOS_OP_READ, 20);
	assert_int_equal(counts_of(s).outstanding_now, 1);
	answer(s, other, 1, 20);
	assert_int_equal(row_of(s, 4)->took[QOS_OP_READ].n, 1);
	a = open_at(s, PORTAL, 1, 3, 3);
	ask(s, a, 1, QOS_OP_READ, 30);
	answer(s, a, 1, 40);
	assert_int_equal(row_of(s, 3)->took[QOS_OP_READ].n, 1);
	assert_int_equal(row_of(s, 3)->conns, 1);
	qos_storage_forget_vm(s, 0); // nobody's index is nobody's to give
	qos_storage_forget_vm(s, 999);
	qos_storage_destroy(s);
}

// Under the address and ports of another VM, which an unpinned port may use.
static void a_liar_neither_takes_nor_ends_a_connection(void **state)
{
	struct heard h;
	struct qos_storage *s = watch(&h);
	int conn = open_conn(s, 1, QOS_SVC_ISCSI, 1);

	(void)state;
	ask(s, conn, 1, QOS_OP_READ, 10);
	answer(s, conn, 1, 20);
	assert_int_equal(open_way(s, 1, QOS_SVC_ISCSI, QOS_TO_PORTAL, 2), -EPERM);
	assert_int_equal(counts_of(s).conns_refused, 1);
	assert_null(row_of(s, 2));
	ask(s, conn, 2, QOS_OP_READ, 30);
	answer(s, conn, 2, 40);
	assert_int_equal(row_of(s, 1)->took[QOS_OP_READ].n, 2);
	assert_int_equal(row_of(s, 1)->answered_ns, 40);
	// What was never answered keeps nobody out.
	conn = open_conn(s, 2, QOS_SVC_ISCSI, 2);
	ask(s, conn, 1, QOS_OP_READ, 50);
	assert_int_equal(open_way(s, 2, QOS_SVC_ISCSI, QOS_TO_PORTAL, 1), conn);
	qos_storage_destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_liar_neither_takes_nor_ends_a_connection),
		cmocka_unit_test(numbers_out_of_bounds_are_refused),
		cmocka_unit_test(the_smallest_tables_work),
		cmocka_unit_test(established_connections_are_not_replaced),
		cmocka_unit_test(half_open_ones_replace_each_other),
		cmocka_unit_test(the_row_longest_without_a_connection_is_replaced),
		cmocka_unit_test(half_open_connections_do_not_hold_all_rows),
		cmocka_unit_test(commands_are_sampled_by_what_is_left),
		cmocka_unit_test(a_hung_portal_leaves_slots_to_others),
		cmocka_unit_test(early_answers_make_room_for_commands),
		cmocka_unit_test(silence_is_forgotten_and_a_sound_brings_it_back),
		cmocka_unit_test(what_waits_too_long_is_given_up),
		cmocka_unit_test(an_index_given_to_another_vm_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
