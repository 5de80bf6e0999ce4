// Bundles: OpenFlow 1.4.1 section 6.8, and the same by ONF's extension of 1.3.
#include "of_model.h"

#include "../unit.h"
#include "of_build.h"

static struct hex hex;
enum { OPEN = 0, CLOSE = 2, COMMIT = 4, DISCARD = 6 };

static bool control_as(uint32_t conn, uint8_t version, uint32_t id, uint16_t type, uint16_t flags)
{
	struct of13_bundle_control m = {
		.version = version, .xid = 1, .bundle_id = id, .type = type, .flags = flags
	};
	struct of_buf b = { 0 };

	assert_int_equal(of13_bundle_control_put(&b, &m), 0);
	return rig_say(conn, &b);
}

static bool control(uint32_t id, uint16_t type)
{
	return control_as(0, 4, id, type, 3);
}

static bool put_as(uint32_t conn, uint32_t id, uint32_t xid, struct of_buf *inner)
{
	struct of13_bundle_add m = { .version = inner->data[0],
				     .xid = xid,
				     .bundle_id = id,
				     .flags = 3,
				     .message = of_buf_list(inner) };
	struct of_buf b = { 0 };

	assert_int_equal(of13_bundle_add_put(&b, &m), 0);
	of_buf_fini(inner);
	return rig_say(conn, &b);
}

static bool put(uint32_t id, uint32_t xid, struct of_buf *inner)
{
	return put_as(0, id, xid, inner);
}

static bool put_flow(uint32_t id, uint32_t xid, uint16_t command, uint16_t priority)
{
	struct of13_flow_mod m = { FLOW_MOD, .xid = xid, .command = command, .priority = priority };
	struct of_buf b = { 0 };

	m.instructions = hex_list(&hex, APPLY_OUTPUT("00000001"));
	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	return put(id, xid, &b);
}

static bool put_group(uint32_t id, uint16_t command, uint32_t group)
{
	struct of13_group_mod m = { .xid = 1, .command = command, .group_id = group };
	struct of_buf b = { 0 };

	assert_int_equal(of13_group_mod_put(&b, &m), 0);
	return put(id, 1, &b);
}

static void a_commit_does_all_in_order(void **state)
{
	const uint8_t *msg;

	(void)state;
	assert_true(control(5, OPEN));
	assert_int_equal(rig_heard(&rig.conns[0], &msg), 24);
	assert_int_equal(msg[1], OF13_TYPE_EXPERIMENTER); // 1.3 speaks the extension
	assert_true(put_flow(5, 1, 0, 1));
	assert_true(put_flow(5, 1, 3, 0)); // deletes it again
	assert_true(put_flow(5, 1, 0, 2));
	assert_true(put_group(5, 0, 7));
	assert_int_equal(rig_flows() + rig_groups(), 0); // nothing happens before
	assert_true(control(5, CLOSE));
	assert_int_equal(rig.conns[0].n_promised, 0);
	assert_true(control(5, COMMIT));
	assert_int_equal(rig.conns[0].n_promised, 1);
	assert_int_equal(rig_flows(), 1);
	assert_non_null(rig_find(0, 2, NULL));
	assert_int_equal(rig_groups(), 1);
	assert_false(control(5, COMMIT)); // it is gone
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_ID));
}

// Where a dump that stands midway finds the flows of table 0.
static uint64_t places(void)
{
	const struct of_flow *f;
	uint64_t sum = 0;
	uint32_t at = 0;

	while ((f = of_flow_next(&rig.a, 0, &at)) != NULL)
		sum = sum * 1000003 + (uint64_t)at * 65536 + f->priority;
	return sum;
}

static void a_message_that_fails_undoes_the_whole(void **state)
{
	uint64_t sum, at;

	(void)state;
	assert_true(put_flow(4, 1, 0, 50) && put_flow(4, 1, 0, 51) && put_group(4, 0, 1) &&
		    put_group(4, 0, 2) && control(4, COMMIT));
	sum = rig_sum();
	at = places();
	assert_true(put_flow(5, 1, 0, 1));	  // the first message opens it
	assert_true(put_flow(5, 1, 0, 50));	  // replaces
	assert_true(put_flow(5, 1, 0, 1));	  // replaces what the bundle made
	assert_true(put_group(5, 1, 1));	  // modifies
	assert_true(put_group(5, 2, 0xfffffffc)); // deletes all
	assert_true(put_group(5, 0, 3));
	assert_true(put_flow(5, 1, 3, 0)); // deletes all
	assert_true(put_flow(5, 9, 0, 2));
	assert_true(put_group(5, 0, 3)); // exists
	assert_false(control(5, COMMIT));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, MSG_FAILED));
	assert_int_equal(rig.conns[0].n_errors, 2); // the message's own before
	assert_true(rig_sum() == sum && places() == at);
	assert_int_equal(of_flow_active(&rig.a, 0), 2);
	assert_false(control(5, DISCARD));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_ID));
	assert_true(put_flow(6, 1, 3, 0) && put_group(6, 2, 0xfffffffc) && control(6, COMMIT));
	assert_int_equal(rig_flows() + rig_groups(), 0); // what came back is whole
}

static void bundles_are_refused_with_their_error(void **state)
{
	struct of_buf b = { 0 };
	struct of13_features_request f = { .xid = 1 };
	struct of13_flow_mod bad = { FLOW_MOD, .xid = 1 };

	(void)state;
	assert_true(control(1, OPEN));
	assert_false(control(1, OPEN));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BUNDLE_EXIST));
	assert_false(control_as(0, 4, 2, OPEN, 4));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_FLAGS));
	assert_false(control_as(0, 4, 1, COMMIT, 1));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_FLAGS));
	assert_false(control(9, CLOSE));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_ID));
	assert_false(control(1, 1));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BAD_TYPE));
	of13_features_request_put(&b, &f);
	assert_false(put(1, 1, &b));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, MSG_UNSUP));
	b = (struct of_buf){ 0 };
	of13_flow_mod_put(&b, &bad);
	assert_false(put(1, 2, &b));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, MSG_BAD_XID));
	assert_true(control(1, CLOSE));
	assert_false(control(1, CLOSE));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BUNDLE_CLOSED));
	assert_false(put_flow(1, 1, 0, 1));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, BUNDLE_CLOSED));
	assert_true(control(1, COMMIT)); // an empty one
	for (uint32_t id = 0; id < 16; id++)
		assert_true(control(id, OPEN));
	assert_false(control(16, OPEN));
	assert_true(ERROR_IS(0, BUNDLE_FAILED, OUT_OF_BUNDLES));
	assert_true(control(3, DISCARD));
	assert_true(control(16, OPEN));
}

static void bundles_belong_to_their_connection(void **state)
{
	(void)state;
	assert_true(put_flow(5, 1, 0, 1));
	assert_false(control_as(1, 4, 5, COMMIT, 3));
	assert_true(ERROR_IS(1, BUNDLE_FAILED, BAD_ID));
	assert_int_equal(of_bundle_count(&rig.a, &rig.conns[0]), 1);
	of_msg_forget(&rig.a, &rig.conns[0]);
	assert_int_equal(of_bundle_count(&rig.a, &rig.conns[0]), 0);
	assert_false(control(5, COMMIT));
	assert_int_equal(rig_flows(), 0);
}

// A message of 50,000 bytes: 3,125 outputs.
static bool put_much(uint32_t conn, uint32_t id)
{
	static uint8_t actions[50000];
	const struct of_list list = { actions, sizeof(actions) };
	struct of13_group_mod m = { .xid = 1, .group_id = 1 };
	struct of13_bucket bucket = { .watch_port = OF_ANY, .watch_group = OF_ANY };
	struct of_buf b = { 0 }, buckets = { 0 };

	for (size_t i = 0; i < sizeof(actions); i += 16)
		memcpy(actions + i, (uint8_t[16]){ 0, 0, 0, 16, 0, 0, 0, 1 }, 16);
	bucket.actions = list;
	assert_int_equal(of13_bucket_put(&buckets, &bucket), 0);
	m.buckets = of_buf_list(&buckets);
	assert_int_equal(of13_group_mod_put(&b, &m), 0);
	of_buf_fini(&buckets);
	return put_as(conn, id, 1, &b);
}

static void bundles_of_one_leave_room_for_others(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (; n < 3000 && put_much(0, n % 3); n++)
		;
	assert_in_range(n, 600, 1500); // some 64 MiB, or the half of it since memory doubles
	assert_true(ERROR_IS(0, BUNDLE_FAILED, MSG_TOO_MANY));
	for (uint32_t i = 0; i < 100; i++)
		assert_true(put_much(1, 1));
}

static void version_14_speaks_its_own_messages(void **state)
{
	struct of13_flow_mod m = { FLOW_MOD, .version = 5, .xid = 1, .importance = 9 };
	struct of_buf b = { 0 };
	const uint8_t *msg;
	uint32_t at = 0;

	(void)state;
	assert_true(control_as(0, 5, 5, OPEN, 3));
	rig_heard(&rig.conns[0], &msg);
	assert_int_equal(msg[0], 5);
	assert_int_equal(msg[1], OF13_TYPE_BUNDLE_CONTROL);
	of13_flow_mod_put(&b, &m);
	assert_true(put(5, 1, &b));
	assert_true(control_as(0, 5, 5, COMMIT, 3));
	assert_int_equal(of_flow_next(&rig.a, 0, &at)->importance, 9);
}

static void port_mods_wait_for_the_commit(void **state)
{
	struct of13_port_mod m = {
		.xid = 1, .port_no = 1, .hw_addr = { 0, 0, 0, 0, 0, 1 }, .config = 1, .mask = 1
	};
	struct of_buf b = { 0 };

	(void)state;
	of13_port_mod_put(&b, &m);
	assert_true(put(5, 1, &b));
	assert_int_equal(dp_of_port_config_now(NULL, 1), 0);
	assert_true(control(5, COMMIT));
	assert_int_equal(dp_of_port_config_now(NULL, 1), 1);
	m.mask = m.config = 0x20;
	b = (struct of_buf){ 0 };
	of13_port_mod_put(&b, &m);
	assert_true(put(6, 1, &b));
	assert_true(put_group(6, 1, 77)); // is not there
	assert_false(control(6, COMMIT));
	assert_int_equal(dp_of_port_config_now(NULL, 1), 1);
}

// What a connection asked for as a whole is done as a whole, even when it ends meanwhile.
static void a_commit_outlives_its_connection(void **state)
{
	struct of13_bundle_control m = { .xid = 1, .bundle_id = 5, .type = COMMIT, .flags = 3 };
	struct of_buf b = { 0 };

	(void)state;
	for (uint16_t i = 1; i <= 20; i++)
		assert_true(put_flow(5, 1, 0, i));
	of13_bundle_control_put(&b, &m);
	of_msg_handle(&rig.a, &rig.conns[0], b.data, b.size);
	of_buf_fini(&b);
	assert_true(rig.a.txn.is_open);
	assert_int_equal(rig_flows(), 0);
	of_msg_forget(&rig.a, &rig.conns[0]);
	rig_forget(&rig.conns[0]);
	rig_go_on();
	assert_int_equal(rig_flows(), 20);
	assert_int_equal(rig.conns[0].n_sent, 0);
	assert_true(rig.n_slices >= 20);
}

// The switch ends in the middle: what was open never was, and no memory is left (rig_end looks).
static void an_open_change_is_given_up_at_the_end(void **state)
{
	struct of13_flow_mod m = { FLOW_MOD, .xid = 1, .command = 3 };
	struct of_buf b = { 0 };

	(void)state;
	for (uint16_t i = 1; i <= 20; i++)
		assert_true(put_flow(5, 1, 0, i));
	assert_true(control(5, COMMIT));
	of13_flow_mod_put(&b, &m);
	of_msg_handle(&rig.a, &rig.conns[0], b.data, b.size);
	of_buf_fini(&b);
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_true(rig.a.txn.is_open);
	of_txn_give_up(&rig.a);
	assert_false(rig.a.txn.is_open);
	assert_int_equal(of_flow_active(&rig.a, 0), 20);
	assert_int_equal(rig_flows(), 20);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		T(a_commit_does_all_in_order),
		T(a_message_that_fails_undoes_the_whole),
		T(bundles_are_refused_with_their_error),
		T(bundles_belong_to_their_connection),
		T(bundles_of_one_leave_room_for_others),
		T(version_14_speaks_its_own_messages),
		T(port_mods_wait_for_the_commit),
		T(a_commit_outlives_its_connection),
		T(an_open_change_is_given_up_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
