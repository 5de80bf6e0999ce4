// Groups, meters, ports and packet-outs: OpenFlow 1.3.5 sections 5.6, 5.7, 6.4, 7.3.4 and 7.3.7.
#include "of_model.h"

#include "../unit.h"
#include "of_build.h"

static struct hex hex;

#define ANY_WATCH " ffffffff ffffffff 00000000 "
#define EMPTY "0010 0000" ANY_WATCH
#define TO_PORT(n) "0020 0000" ANY_WATCH OUTPUT(n)
#define TO_GROUP(n) "0018 0000" ANY_WATCH "0016 0008 " n " "
#define WATCH_PORT(n) "0010 0000 " n " ffffffff 00000000 "
#define WATCH_GROUP(n) "0010 0000 ffffffff " n " 00000000 "
enum { G_ADD, G_MODIFY, G_DELETE };

static bool group(uint16_t command, uint8_t type, uint32_t id, const char *buckets)
{
	struct of_buf b = { 0 };
	struct of13_group_mod m = { .command = command, .type = type, .group_id = id };

	m.buckets = hex_list(&hex, buckets);
	assert_int_equal(of13_group_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

static bool flow(const char *instructions, uint16_t priority)
{
	struct of_buf b = { 0 };
	struct of13_flow_mod m = { FLOW_MOD, .priority = priority,
				   .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM };

	m.instructions = hex_list(&hex, instructions);
	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

#define E(why) OF13_GROUP_MOD_FAILED_##why
#define OK 0xffff
static const struct group_row {
	const char *name;
	uint16_t command;
	uint8_t type;
	uint32_t id;
	const char *buckets;
	uint16_t code;
} group_rows[] = {
	// group 1 is there, and leads to 2
	{ "add", G_ADD, 0, 7, TO_PORT("00000001") EMPTY, OK },
	{ "add without buckets", G_ADD, 0, 7, "", OK },
	{ "add to another group", G_ADD, 0, 7, TO_GROUP("00000001"), OK },
	{ "add once more", G_ADD, 0, 1, EMPTY, E(GROUP_EXISTS) },
	{ "number beyond MAX", G_ADD, 0, 0xffffff01, EMPTY, E(INVALID_GROUP) },
	{ "number ALL", G_ADD, 0, 0xfffffffc, EMPTY, E(INVALID_GROUP) },
	{ "type 4", G_ADD, 4, 7, EMPTY, E(BAD_TYPE) },
	{ "command 3", 3, 0, 7, EMPTY, E(BAD_COMMAND) },
	{ "indirect", G_ADD, 2, 7, EMPTY, OK },
	{ "indirect without a bucket", G_ADD, 2, 7, "", E(INVALID_GROUP) },
	{ "indirect with two", G_ADD, 2, 7, EMPTY EMPTY, E(INVALID_GROUP) },
	{ "select by weight", G_ADD, 1, 7, "0010 0005" ANY_WATCH, OK },
	{ "all by weight", G_ADD, 0, 7, "0010 0005" ANY_WATCH, E(INVALID_GROUP) },
	{ "failover", G_ADD, 3, 7, WATCH_PORT("00000001") WATCH_GROUP("00000002"), OK },
	{ "failover without a watch", G_ADD, 3, 7, EMPTY, E(BAD_WATCH) },
	{ "watch of a port that is not there", G_ADD, 3, 7, WATCH_PORT("00000009"), E(BAD_WATCH) },
	{ "watch of a group that is not there", G_ADD, 3, 7, WATCH_GROUP("00000009"),
	  E(BAD_WATCH) },
	{ "all with a watch", G_ADD, 0, 7, WATCH_PORT("00000001"), E(WATCH_UNSUPPORTED) },
	{ "to itself", G_ADD, 0, 7, TO_GROUP("00000007"), E(LOOP) },
	{ "a loop", G_MODIFY, 0, 2, TO_GROUP("00000001"), E(LOOP) },
	{ "a loop by a watch", G_MODIFY, 3, 2, WATCH_GROUP("00000001"), E(LOOP) },
	{ "modify", G_MODIFY, 1, 2, "0010 0001" ANY_WATCH, OK },
	{ "modify what is not there", G_MODIFY, 0, 7, EMPTY, E(UNKNOWN_GROUP) },
	{ "delete", G_DELETE, 0, 1, "", OK },
	{ "delete what is not there", G_DELETE, 0, 7, "", OK },
	{ "delete what is led to", G_DELETE, 0, 2, "", E(CHAINED_GROUP) },
	{ "delete all", G_DELETE, 0, 0xfffffffc, "", OK },
	{ "bucket of 12 bytes", G_ADD, 0, 7, "000c 0000 ffffffff ffffffff", E(BAD_BUCKET) },
	{ "bucket beyond its message", G_ADD, 0, 7, "0040 0000" ANY_WATCH, E(BAD_BUCKET) },
};

static void groups_are_taken_or_refused_with_their_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(group_rows) / sizeof(group_rows[0]); i++) {
		const struct group_row *r = &group_rows[i];
		uint64_t sum;
		bool ok;

		rig_open();
		assert_true(group(G_ADD, 0, 2, EMPTY));
		assert_true(group(G_ADD, 0, 1, TO_GROUP("00000002")));
		sum = rig_sum();
		ok = group(r->command, r->type, r->id, r->buckets);
		if (ok != (r->code == OK) ||
		    (!ok && !rig_error_is(0, OF13_ERROR_GROUP_MOD_FAILED, r->code)))
			fail_msg("%s: %u/%u", r->name, rig.conns[0].error.type,
				 rig.conns[0].error.code);
		if (!ok)
			assert_true(rig_sum() == sum);
		rig_close();
	}
}

static void bad_actions_in_buckets_are_told_as_such(void **state)
{
	(void)state;
	assert_false(group(G_ADD, 0, 7, TO_PORT("00000009")));
	assert_true(ERROR_IS(0, BAD_ACTION, BAD_OUT_PORT));
	assert_false(group(G_ADD, 0, 7, TO_GROUP("00000009")));
	assert_true(ERROR_IS(0, BAD_ACTION, BAD_OUT_GROUP));
	assert_false(group(G_ADD, 0, 7, "0018 0000" ANY_WATCH "0015 0008 00000007"));
	assert_true(ERROR_IS(0, BAD_ACTION, BAD_QUEUE));
	assert_int_equal(rig_groups(), 0);
}

static void too_many_buckets_and_too_deep_chains_are_refused(void **state)
{
	char text[80 * (OF_BUCKETS_MAX + 1)];
	size_t n = 0;

	(void)state;
	for (uint32_t i = 0; i <= OF_BUCKETS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", EMPTY);
	assert_false(group(G_ADD, 0, 7, text));
	assert_true(ERROR_IS(0, GROUP_MOD_FAILED, OUT_OF_BUCKETS));
	assert_true(group(G_ADD, 0, 1, EMPTY));
	for (uint32_t id = 2; id <= 8; id++) {
		snprintf(text, sizeof(text), "0018 0000" ANY_WATCH "0016 0008 %08x", id - 1);
		assert_true(group(G_ADD, 0, id, text));
	}
	assert_false(group(G_ADD, 0, 9, TO_GROUP("00000008")));
	assert_true(ERROR_IS(0, GROUP_MOD_FAILED, CHAINING_UNSUPPORTED));
}

// A turn does not bring many groups that each lead to very many, or have very many actions.
static void groups_are_work_by_what_is_in_them(void **state)
{
	char text[64 * 40], actions[OF_SET_MAX * 20];
	size_t n = 0;
	uint64_t was;

	(void)state;
	assert_true(group(G_ADD, 0, 1, EMPTY));
	for (uint32_t i = 0; i < 40; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", TO_GROUP("00000001"));
	was = rig.a.work;
	assert_true(group(G_ADD, 0, 2, text));
	assert_in_range(rig.a.work - was, 40 * OF_WORK_NAME, 40 * (OF_WORK_NAME + 20));
	was = rig.a.work;
	assert_true(group(G_ADD, 0, 3, TO_GROUP("00000002")));
	assert_in_range(rig.a.work - was, 41 * OF_WORK_NAME, 41 * OF_WORK_NAME + 80);
	n = (size_t)snprintf(actions, sizeof(actions), "0330 0000" ANY_WATCH);
	for (uint32_t i = 0; i < 100; i++)
		n += (size_t)snprintf(actions + n, sizeof(actions) - n, "0018 0008 00000000 ");
	was = rig.a.work;
	assert_true(group(G_ADD, 0, 4, actions));
	assert_in_range(rig.a.work - was, 300, 3000); // seen, asked for what comes later, compiled
}

static void all_groups_go_in_slices(void **state)
{
	char text[64 * 50];
	size_t n = 0;
	uint32_t was;

	(void)state;
	assert_true(group(G_ADD, 0, 1, EMPTY));
	for (uint32_t i = 0; i < 50; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", TO_GROUP("00000001"));
	for (uint32_t i = 2; i < 30; i++)
		assert_true(group(G_ADD, 0, i, text));
	rig.a.slice = 200;
	was = rig.n_slices;
	assert_true(group(G_DELETE, 0, 0xfffffffc, ""));
	assert_int_equal(rig_groups(), 0);
	assert_in_range(rig.n_slices - was, 6, 20);
}

static void buckets_share_the_budget_of_flows(void **state)
{
	size_t before;

	(void)state;
	assert_int_equal(of_bytes_take(&rig.a, OF_BYTES_MIN + RIG_FLOWS_MAX * OF_BYTES_OF_FLOW -
						       3 * of_bytes_of(0, 16)),
			 0);
	before = rig.a.n_bytes;
	assert_true(group(G_ADD, 0, 1, EMPTY) && group(G_ADD, 0, 2, EMPTY EMPTY));
	assert_false(group(G_ADD, 0, 3, EMPTY));
	assert_true(ERROR_IS(0, GROUP_MOD_FAILED, OUT_OF_BUCKETS));
	assert_false(group(G_MODIFY, 0, 1, EMPTY EMPTY));
	assert_true(ERROR_IS(0, GROUP_MOD_FAILED, OUT_OF_BUCKETS));
	assert_true(group(G_DELETE, 0, 2, ""));
	assert_true(group(G_MODIFY, 0, 1, EMPTY EMPTY));
	assert_true(group(G_DELETE, 0, 1, ""));
	assert_true(rig.a.n_bytes == before);
}

static void flows_go_with_their_group_and_are_told_why(void **state)
{
	struct of13_flow_removed r;
	struct of_wire_error e;
	const uint8_t *msg;
	size_t size;

	(void)state;
	assert_true(group(G_ADD, 0, 1, EMPTY));
	assert_true(flow("0004 0010 00000000 0016 0008 00000001", 1));
	assert_true(flow("0003 0010 00000000 0016 0008 00000001", 2));
	assert_true(flow(APPLY_OUTPUT("00000001"), 3));
	assert_int_equal(of_group_find(&rig.a, 1)->n_flows, 2);
	assert_true(group(G_MODIFY, 0, 1, EMPTY EMPTY)); // they stay with it
	assert_int_equal(of_group_find(&rig.a, 1)->n_flows, 2);
	assert_true(group(G_DELETE, 0, 1, ""));
	assert_int_equal(rig_flows(), 1);
	of_msg_tick(&rig.a, rig.a.now_ns);
	size = rig_heard(&rig.async, &msg);
	assert_int_equal(of13_flow_removed_get(msg, size, &r, &e), 0);
	assert_int_equal(r.reason, OF13_FLOW_REMOVED_REASON_GROUP_DELETE);
	assert_int_equal(rig.async.n_sent, 2);
}

// --- Meters

static bool meter(uint16_t command, uint16_t flags, uint32_t id, const char *bands)
{
	struct of_buf b = { 0 };
	struct of13_meter_mod m = { .command = command, .flags = flags, .meter_id = id };

	m.bands = hex_list(&hex, bands);
	assert_int_equal(of13_meter_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

#define DROP_BAND "0001 0010 000003e8 00000064 00000000 "
#define REMARK(level) "0002 0010 000003e8 00000064 " level " 000000 "
#define KBPS OF13_METER_FLAG_KBPS
#undef E
#define E(why) OF13_METER_MOD_FAILED_##why

static const struct meter_row {
	const char *name;
	uint16_t command, flags;
	uint32_t id;
	const char *bands;
	uint16_t code;
} meter_rows[] = {
	// meter 1 is there
	{ "add", G_ADD, KBPS, 7, DROP_BAND REMARK("01"), OK },
	{ "add with all flags", G_ADD, 0xd, 7, DROP_BAND, OK },
	{ "packets", G_ADD, 0xe, 7, DROP_BAND, OK },
	{ "no flags", G_ADD, 0, 7, DROP_BAND, OK },
	{ "no bands", G_ADD, KBPS, 7, "", OK },
	{ "add once more", G_ADD, KBPS, 1, DROP_BAND, E(METER_EXISTS) },
	{ "number 0", G_ADD, KBPS, 0, DROP_BAND, E(INVALID_METER) },
	{ "number beyond MAX", G_ADD, KBPS, 0xffff0001, DROP_BAND, E(INVALID_METER) },
	{ "number ALL", G_ADD, KBPS, 0xffffffff, DROP_BAND, E(INVALID_METER) },
	{ "of packet-ins", G_ADD, KBPS, 0xfffffffe, DROP_BAND, OK },
	{ "of the slow path", G_ADD, KBPS, 0xfffffffd, DROP_BAND, OK },
	{ "modify", G_MODIFY, KBPS, 1, DROP_BAND, OK },
	{ "modify what is not there", G_MODIFY, KBPS, 7, DROP_BAND, E(UNKNOWN_METER) },
	{ "delete", G_DELETE, 0, 1, "", OK },
	{ "delete what is not there", G_DELETE, 0, 7, "", OK },
	{ "delete all", G_DELETE, 0, 0xffffffff, "", OK },
	{ "command 3", 3, KBPS, 7, DROP_BAND, E(BAD_COMMAND) },
	{ "both units", G_ADD, 3, 7, DROP_BAND, E(BAD_FLAGS) },
	{ "flag 16", G_ADD, 0x11, 7, DROP_BAND, E(BAD_FLAGS) },
	{ "rate 0", G_ADD, KBPS, 7, "0001 0010 00000000 00000064 00000000", E(BAD_RATE) },
	{ "remark by 0", G_ADD, KBPS, 7, REMARK("00"), E(BAD_BAND_VALUE) },
	{ "remark by 4", G_ADD, KBPS, 7, REMARK("04"), E(BAD_BAND_VALUE) },
	{ "experimenter's band", G_ADD, KBPS, 7, "ffff 0010 00000001 00000001 00002320",
	  E(BAD_BAND) },
	{ "no memory", G_ADD, KBPS, 99, DROP_BAND, E(OUT_OF_METERS) },
};

static void meters_are_taken_or_refused_with_their_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(meter_rows) / sizeof(meter_rows[0]); i++) {
		const struct meter_row *r = &meter_rows[i];
		bool ok;

		rig_open();
		assert_true(meter(G_ADD, KBPS, 1, DROP_BAND));
		ok = meter(r->command, r->flags, r->id, r->bands);
		if (ok != (r->code == OK) ||
		    (!ok && !rig_error_is(0, OF13_ERROR_METER_MOD_FAILED, r->code)))
			fail_msg("%s: %u/%u", r->name, rig.conns[0].error.type,
				 rig.conns[0].error.code);
		rig_close();
	}
}

static void seventeen_bands_are_too_many(void **state)
{
	char text[64 * 17] = "";
	size_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < DP_OF_BANDS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, DROP_BAND);
	assert_true(meter(G_ADD, KBPS, 2, text));
	snprintf(text + n, sizeof(text) - n, DROP_BAND);
	assert_false(meter(G_ADD, KBPS, 3, text));
	assert_true(ERROR_IS(0, METER_MOD_FAILED, OUT_OF_BANDS));
}

static void flows_go_with_their_meter(void **state)
{
	(void)state;
	assert_true(meter(G_ADD, KBPS, 4, DROP_BAND));
	assert_true(flow("0006 0008 00000004", 1));
	assert_true(flow(APPLY_OUTPUT("00000001"), 2));
	assert_int_equal(of_meter_find(&rig.a, 4)->n_flows, 1);
	assert_true(meter(G_MODIFY, KBPS, 4, REMARK("02")));
	assert_int_equal(of_meter_find(&rig.a, 4)->n_flows, 1);
	assert_true(meter(G_DELETE, 0, 4, ""));
	assert_int_equal(rig_flows(), 1);
}

// All of them in one look at the flows, and none where there is nothing to delete.
static void all_meters_go_with_their_flows(void **state)
{
	uint64_t before;

	(void)state;
	for (uint32_t id = 1; id <= 20; id++)
		assert_true(meter(G_ADD, KBPS, id, DROP_BAND));
	assert_true(flow("0006 0008 00000004", 1));
	assert_true(flow("0006 0008 00000005", 2));
	for (uint16_t p = 3; p < 503; p++)
		assert_true(flow(APPLY_OUTPUT("00000001"), p));
	rig.a.slice = 0; // in one turn
	before = rig.a.work;
	assert_true(meter(G_DELETE, 0, OF13_METER_ALL, ""));
	assert_in_range(rig.a.work - before, 500, 2 * 500);
	assert_int_equal(rig_flows(), 500);
	assert_null(of_meter_from(&rig.a, 0));
	assert_true(meter(G_DELETE, 0, OF13_METER_ALL, ""));
	assert_true(meter(G_ADD, KBPS, 4, DROP_BAND));
}

// --- Ports

static bool port_mod(struct of13_port_mod m)
{
	struct of_buf b = { 0 };

	assert_int_equal(of13_port_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

static void port_mods_are_checked(void **state)
{
#define MAC_1 .hw_addr = { 0, 0, 0, 0, 0, 1 }
	(void)state;
	assert_false(port_mod((struct of13_port_mod){ .port_no = 9 }));
	assert_true(ERROR_IS(0, PORT_MOD_FAILED, BAD_PORT));
	assert_false(port_mod((struct of13_port_mod){ .port_no = OF_ANY }));
	assert_true(ERROR_IS(0, PORT_MOD_FAILED, BAD_PORT));
	assert_false(port_mod((struct of13_port_mod){ .port_no = 2, MAC_1 }));
	assert_true(ERROR_IS(0, PORT_MOD_FAILED, BAD_HW_ADDR));
	assert_false(port_mod((struct of13_port_mod){ .port_no = 1, MAC_1, .mask = 2 }));
	assert_true(ERROR_IS(0, PORT_MOD_FAILED, BAD_CONFIG));
	assert_false(port_mod((struct of13_port_mod){ .port_no = 1, MAC_1, .advertise = 1 }));
	assert_true(ERROR_IS(0, PORT_MOD_FAILED, BAD_ADVERTISE));
	assert_int_equal(rig.async.n_sent, 0);
	assert_true(port_mod(
		(struct of13_port_mod){ .port_no = 1, MAC_1, .config = 0x65, .mask = 0x21 }));
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_int_equal(of_port_find(&rig.a, 1)->config, 0x21); // only what the mask says
	assert_int_equal(rig.async.n_sent, 1);
	// What the one said holds for the next, and for who asks, before any tick.
	assert_true(port_mod((struct of13_port_mod){ .port_no = 1, MAC_1, .mask = 0x01 }));
	assert_true(port_mod(
		(struct of13_port_mod){ .port_no = 1, MAC_1, .config = 0x04, .mask = 0x04 }));
	assert_int_equal(dp_of_port_config_now(NULL, 1), 0x24);
	assert_int_equal(of_port_find(&rig.a, 1)->config, 0x24);
	assert_int_equal(of_port_find(&rig.a, 1)->state, OF13_PORT_STATE_LIVE);
	assert_int_equal(rig.async.n_sent, 3);
	// Nothing changes: nothing is told.
	assert_true(port_mod(
		(struct of13_port_mod){ .port_no = 1, MAC_1, .config = 0x04, .mask = 0x04 }));
	of_msg_tick(&rig.a, rig.a.now_ns + 200000000);
	assert_int_equal(rig.async.n_sent, 3);
}

// A port that comes back is as it was; another one under its number is not, though it may be told
// by the same 15 characters.
static void what_a_port_mod_says_is_of_one_port(void **state)
{
	struct of13_port_mod m = {
		.port_no = 3, .hw_addr = { [5] = 3 }, .config = 0x20, .mask = 0x20
	};
	uint64_t t = rig.a.now_ns;

	(void)state;
	assert_true(port_mod(m));
	rig.gone[3] = true;
	of_msg_tick(&rig.a, t += 200000000);
	rig.gone[3] = false;
	of_msg_tick(&rig.a, t += 200000000);
	assert_int_equal(of_port_find(&rig.a, 3)->config, 0x20);
	rig.gone[3] = true;
	of_msg_tick(&rig.a, t += 200000000);
	rig.gone[3] = false;
	rig.other[3] = true;
	of_msg_tick(&rig.a, t += 200000000);
	assert_int_equal(of_port_find(&rig.a, 3)->config, 0);
	assert_int_equal(dp_of_port_config_now(NULL, 3), 0);
	// In one change of the configuration.
	assert_true(port_mod(m));
	rig.other[3] = false;
	of_msg_tick(&rig.a, t += 200000000);
	assert_int_equal(of_port_find(&rig.a, 3)->config, 0);
	assert_int_equal(dp_of_port_config_now(NULL, 3), 0);
}

static void expect_status(uint8_t reason, uint32_t no, uint32_t state)
{
	struct of13_port_status s;
	struct of_wire_error e;
	const uint8_t *msg;
	size_t size = rig_heard(&rig.async, &msg);

	assert_int_equal(of13_port_status_get(msg, size, &s, &e), 0);
	assert_int_equal(s.reason, reason);
	assert_int_equal(s.desc.port_no, no);
	assert_int_equal(s.desc.state, state);
	assert_int_equal(rig_heard(&rig.async, &msg), 0);
}

static void ports_that_change_are_told(void **state)
{
	uint64_t t;

	(void)state;
	t = rig.a.now_ns;
	of_msg_tick(&rig.a, t += 200000000);
	assert_int_equal(rig.async.n_sent, 0);
	rig.down[2] = true;
	of_msg_tick(&rig.a, t += 200000000);
	expect_status(OF13_PORT_REASON_MODIFY, 2, OF13_PORT_STATE_LINK_DOWN);
	rig.gone[2] = true;
	of_msg_tick(&rig.a, t += 200000000);
	expect_status(OF13_PORT_REASON_DELETE, 2, OF13_PORT_STATE_LINK_DOWN);
	assert_false(flow(APPLY_OUTPUT("00000002"), 1));
	rig.gone[2] = rig.down[2] = false;
	of_msg_tick(&rig.a, t += 200000000);
	expect_status(OF13_PORT_REASON_ADD, 2, OF13_PORT_STATE_LIVE);
	rig.gone[4] = true;
	of_msg_tick(&rig.a, t += 200000000);
	expect_status(OF13_PORT_REASON_DELETE, DP_OFPP_LOCAL, OF13_PORT_STATE_LIVE);
}

// --- Packet-outs

static bool packet_out(uint32_t buffer, uint32_t in_port, const char *actions, size_t size)
{
	static const uint8_t frame[64] = { [12] = 0x08, [13] = 0x00, [14] = 0x45 };
	struct of_buf b = { 0 };
	struct of13_packet_out m = { .buffer_id = buffer, .in_port = in_port };

	m.actions = hex_list(&hex, actions);
	m.data = (struct of_list){ frame, size };
	assert_int_equal(of13_packet_out_put(&b, &m), 0);
	return rig_say(0, &b);
}

static void packet_outs_are_checked(void **state)
{
	static const struct {
		uint32_t buffer, in_port;
		const char *actions;
		size_t size;
		uint16_t type, code; // type 0xffff: it is sent
	} rows[] = {
		{ OF_NO_BUFFER, 1, OUTPUT("00000002"), 64, OK, OK },
		{ OF_NO_BUFFER, DP_OFPP_CONTROLLER, OUTPUT("fffffff9"), 64, OK, OK },
		{ OF_NO_BUFFER, DP_OFPP_LOCAL, "", 64, OK, OK },
		{ 5, 1, "", 64, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BUFFER_UNKNOWN },
		{ OF_NO_BUFFER, 9, "", 64, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PORT },
		{ OF_NO_BUFFER, OF_ANY, "", 64, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PORT },
		{ OF_NO_BUFFER, 0, "", 64, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PORT },
		{ OF_NO_BUFFER, 1, "", 13, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PACKET },
		{ OF_NO_BUFFER, 1, "", 0, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_PACKET },
		{ OF_NO_BUFFER, 1, OUTPUT("00000009"), 64, OF13_ERROR_BAD_ACTION,
		  OF13_BAD_ACTION_BAD_OUT_PORT },
		{ OF_NO_BUFFER, 1, "0016 0008 00000009", 64, OF13_ERROR_BAD_ACTION,
		  OF13_BAD_ACTION_BAD_OUT_GROUP },
		{ OF_NO_BUFFER, 1, "0012 0008 00000000", 64, OF13_ERROR_BAD_ACTION,
		  OF13_BAD_ACTION_MATCH_INCONSISTENT },
		{ OF_NO_BUFFER, 1, "0019 0010 80001604 0a000001 00000000", 64, OK, OK }, // it is IP
		{ OF_NO_BUFFER, 1, "0019 0010 80003804 00000001 00000000", 64,
		  OF13_ERROR_BAD_ACTION, OF13_BAD_ACTION_MATCH_INCONSISTENT },
	};
	uint32_t sent = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok =
			packet_out(rows[i].buffer, rows[i].in_port, rows[i].actions, rows[i].size);

		if (ok != (rows[i].type == OK) ||
		    (!ok && !rig_error_is(0, rows[i].type, rows[i].code)))
			fail_msg("row %zu: %u/%u", i, rig.conns[0].error.type,
				 rig.conns[0].error.code);
		sent += ok;
		assert_int_equal(rig_n_outs, sent);
	}
	rig_out_rc = -EAGAIN;
	assert_true(packet_out(OF_NO_BUFFER, 1, "", 64));
	assert_int_equal(rig.a.n_outs_dropped, 1);
}

// Main looks at the flows once, not once for each group.
static void all_groups_go_in_one_look(void **state)
{
	char text[64];
	uint64_t was;

	(void)state;
	for (uint32_t i = 1; i <= 50; i++) {
		assert_true(group(G_ADD, 0, i, EMPTY));
		snprintf(text, sizeof(text), "0004 0010 00000000 0016 0008 %08x", i);
		assert_true(flow(text, (uint16_t)i));
	}
	rig.a.slice = 0; // in one turn
	was = rig.a.work;
	assert_true(group(G_DELETE, 0, 0xfffffffc, ""));
	assert_int_equal(rig_flows(), 0);
	assert_int_equal(rig_groups(), 0);
	assert_int_equal(rig.a.work - was, OF_WORK_MESSAGE +
						   50 * (2 * OF_WORK_LOOK + OF_WORK_CHANGE) +
						   100 * OF_WORK_SETTLE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_taken_or_refused_with_their_error),
		T(bad_actions_in_buckets_are_told_as_such),
		T(too_many_buckets_and_too_deep_chains_are_refused),
		T(groups_are_work_by_what_is_in_them),
		T(all_groups_go_in_slices),
		T(buckets_share_the_budget_of_flows),
		T(flows_go_with_their_group_and_are_told_why),
		T(all_groups_go_in_one_look),
		cmocka_unit_test(meters_are_taken_or_refused_with_their_error),
		T(seventeen_bands_are_too_many),
		T(flows_go_with_their_meter),
		T(all_meters_go_with_their_flows),
		T(port_mods_are_checked),
		T(what_a_port_mod_says_is_of_one_port),
		T(ports_that_change_are_told),
		T(packet_outs_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
