// Multipart requests, small questions and bundles: OpenFlow 1.3.5 section 7.3, 1.4.1 section 6.8.
#include "of_model.h"

#include "../unit.h"
#include "of_build.h"

static struct hex hex;

static void flow(struct of_buf *b, uint32_t xid, uint16_t priority, const char *instructions)
{
	struct of13_flow_mod m = { FLOW_MOD,	       .xid = xid,	  .priority = priority,
				   .cookie = priority, .idle_timeout = 5, .flags = 1 };

	m.instructions = hex_list(&hex, instructions);
	assert_int_equal(of13_flow_mod_put(b, &m), 0);
}

static void have_flows(uint32_t n)
{
	for (uint32_t i = 1; i <= n; i++) {
		struct of_buf b = { 0 };

		flow(&b, 1, (uint16_t)i, APPLY_OUTPUT("00000001"));
		assert_true(rig_say(0, &b));
	}
}

static bool ask(struct of13_multipart_request m)
{
	struct of_buf b = { 0 };

	m.xid = 0x77;
	assert_int_equal(of13_multipart_request_put(&b, &m), 0);
	return rig_say(0, &b);
}
#define ASK(...) ask((struct of13_multipart_request){ __VA_ARGS__ })

static bool hear(struct of13_multipart_reply *m)
{
	static uint8_t copy[OF_MSG_MAX];
	struct of_wire_error e;
	const uint8_t *msg;
	size_t size = rig_heard(&rig.conns[0], &msg);

	if (size == 0)
		return false;
	memcpy(copy, msg, size);
	assert_int_equal(of13_multipart_reply_get(copy, size, m, &e), 0);
	assert_int_equal(m->xid, 0x77);
	return true;
}

#define ALL_FLOWS                                                                                  \
	{                                                                                          \
		.table_id = OF_ALL_TABLES, .out_port = OF_ANY, .out_group = OF_ANY                 \
	}

static void flows_are_dumped_as_they_were_given(void **state)
{
	const char *insts = "0001 0008 07 000000 0003 0018 00000000" OUTPUT(
		"00000002") "0004 0010 00000000 0018 0008 00000000";
	struct of13_flow_mod m = { FLOW_MOD, .priority = 9, .cookie = 3, .hard_timeout = 4,
				   .flags = 0x19 };
	struct of13_multipart_reply r;
	struct of13_flow_stats s;
	struct of_buf b = { 0 };
	struct hex match;

	(void)state;
	m.match = hex_list(&match, TYPE_IP "80001708 0a000000 ff000000");
	m.instructions = hex_list(&hex, insts);
	of13_flow_mod_put(&b, &m);
	assert_true(rig_say(0, &b));
	rig.a.now_ns += 1500000000;
	assert_true(ASK(.type = OF13_MULTIPART_FLOW, .flow = ALL_FLOWS));
	assert_true(hear(&r));
	assert_int_equal(r.flags, 0);
	assert_true(of13_flow_stats_next(&r.flow.flows, &s));
	assert_int_equal(s.match.size, match.n);
	assert_memory_equal(s.match.at, match.b, match.n);
	assert_int_equal(s.instructions.size, hex.n);
	assert_memory_equal(s.instructions.at, hex.b, hex.n);
	assert_int_equal(s.priority, 9);
	assert_int_equal(s.flags, 0x19);
	assert_int_equal(s.hard_timeout, 4);
	assert_int_equal(s.duration_sec, 1);
	assert_int_equal(s.duration_nsec, 500000000);
	assert_true(s.packet_count == UINT64_MAX);
	assert_false(of13_flow_stats_next(&r.flow.flows, &s));
	assert_false(hear(&r));
}

static void long_dumps_come_in_parts_and_miss_nothing_that_stays(void **state)
{
	uint8_t seen[RIG_FLOWS_MAX + 1] = { 0 };
	struct of13_multipart_reply r;
	struct of13_flow_stats s;
	bool more = true;
	struct of_buf b;

	(void)state;
	have_flows(RIG_FLOWS_MAX); // 96 bytes each: two parts
	rig.conns[0].n_waiting = 1 << 20;
	assert_true(ASK(.type = OF13_MULTIPART_FLOW, .flow = ALL_FLOWS));
	assert_true(of_msg_busy(&rig.a, &rig.conns[0])); // nobody reads
	assert_false(hear(&r));
	for (uint16_t p = 2; p <= RIG_FLOWS_MAX; p += 2) { // flows go meanwhile
		struct of13_flow_mod m = { FLOW_MOD, .command = OF13_FLOW_MOD_COMMAND_DELETE_STRICT,
					   .priority = p };

		b = (struct of_buf){ 0 };
		of13_flow_mod_put(&b, &m);
		assert_true(rig_say(1, &b));
	}
	have_flows(2);
	rig.conns[0].n_waiting = 0;
	assert_true(of_msg_tick(&rig.a, rig.a.now_ns) >= rig.a.now_ns);
	assert_false(of_msg_busy(&rig.a, &rig.conns[0]));
	while (hear(&r)) {
		assert_true(more);
		more = (r.flags & OF13_MULTIPART_FLAG_MORE) != 0;
		while (of13_flow_stats_next(&r.flow.flows, &s))
			seen[s.priority]++;
	}
	assert_false(more);
	for (uint16_t p = 3; p <= RIG_FLOWS_MAX; p++)
		assert_int_equal(seen[p], p % 2);
}

static void a_dump_of_more_than_a_message_says_so(void **state)
{
	struct of13_multipart_reply r;
	uint32_t n_parts = 0, n = 0;
	struct of13_flow_stats s;

	(void)state;
	have_flows(RIG_FLOWS_MAX);
	assert_true(ASK(.type = OF13_MULTIPART_FLOW, .flow = ALL_FLOWS));
	while (hear(&r)) {
		n_parts++;
		assert_int_equal(r.flags, n_parts == 1 ? OF13_MULTIPART_FLAG_MORE : 0);
		while (of13_flow_stats_next(&r.flow.flows, &s))
			n++;
	}
	assert_int_equal(n_parts, 2);
	assert_int_equal(n, RIG_FLOWS_MAX);
}

static void a_connection_that_ends_takes_its_dump_along(void **state)
{
	struct of13_multipart_reply r;

	(void)state;
	have_flows(10);
	rig.conns[0].n_waiting = 1 << 20;
	assert_true(ASK(.type = OF13_MULTIPART_FLOW, .flow = ALL_FLOWS));
	of_msg_forget(&rig.a, &rig.conns[0]);
	rig.conns[0].n_waiting = 0;
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_false(hear(&r));
}

// The next port is not what was asked for.
static void a_port_that_goes_before_its_answer_has_none(void **state)
{
	struct of13_multipart_reply r;

	(void)state;
	rig.conns[0].n_waiting = 1 << 20;
	assert_true(ASK(.type = OF13_MULTIPART_PORT_STATS, .port_stats = { .port_no = 2 }));
	assert_true(ASK(.type = OF13_MULTIPART_QUEUE,
			.queue = { .port_no = 2, .queue_id = OF13_QUEUE_ALL }));
	rig.gone[2] = true;
	of_msg_tick(&rig.a, rig.a.now_ns + 200000000);
	rig.conns[0].n_waiting = 0;
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_true(hear(&r));
	assert_int_equal(r.port_stats.ports.size, 0);
	assert_true(hear(&r));
	assert_int_equal(r.queue.queues.size, 0);
}

static void flows_are_added_up(void **state)
{
	struct of13_multipart_reply r;

	(void)state;
	have_flows(3);
	rig_met(rig_find(0, 2, NULL), 5, 500, 1);
	rig_met(rig_find(0, 3, NULL), 1, 60, 1);
	assert_true(ASK(.type = OF13_MULTIPART_AGGREGATE, .aggregate = ALL_FLOWS));
	assert_true(hear(&r));
	assert_int_equal(r.aggregate.flow_count, 3);
	assert_int_equal(r.aggregate.packet_count, 6);
	assert_int_equal(r.aggregate.byte_count, 560);
	assert_true(
		ASK(.type = OF13_MULTIPART_AGGREGATE, .aggregate = { .table_id = 0,
								     .out_port = OF_ANY,
								     .out_group = OF_ANY,
								     .cookie = 2,
								     .cookie_mask = UINT64_MAX }));
	assert_true(hear(&r));
	assert_int_equal(r.aggregate.flow_count, 1);
	assert_int_equal(r.aggregate.packet_count, 5);
}

// A turn ends by work: many questions that each look at many flows are not done in one.
static void looking_at_flows_is_work(void **state)
{
	struct of13_multipart_reply r;
	uint64_t was;

	(void)state;
	have_flows(RIG_FLOWS_MAX);
	was = rig.a.work;
	assert_true(ASK(.type = OF13_MULTIPART_AGGREGATE, .aggregate = ALL_FLOWS));
	assert_true(hear(&r));
	assert_in_range(rig.a.work - was, RIG_FLOWS_MAX, RIG_FLOWS_MAX + 1);
}

static void ports_queues_and_tables_are_told(void **state)
{
	struct of13_multipart_reply r;
	struct of13_port_stats p;
	struct of13_queue_stats q;
	struct of13_table_stats t;
	struct of13_port d;
	uint32_t n = 0;

	(void)state;
	assert_true(ASK(.type = OF13_MULTIPART_PORT_STATS, .port_stats = { .port_no = 2 }));
	assert_true(hear(&r));
	assert_true(of13_port_stats_next(&r.port_stats.ports, &p));
	assert_int_equal(p.rx_packets, 12);
	assert_int_equal(p.rx_dropped, 7);
	assert_true(p.collisions == UINT64_MAX);
	assert_int_equal(p.duration_sec, 1);
	assert_false(of13_port_stats_next(&r.port_stats.ports, &p));
	assert_true(ASK(.type = OF13_MULTIPART_QUEUE,
			.queue = { .port_no = OF_ANY, .queue_id = OF_ANY }));
	assert_true(hear(&r));
	while (of13_queue_stats_next(&r.queue.queues, &q)) {
		n++;
		assert_int_equal(q.tx_packets, q.queue_id == 2 ? 77 : 0);
	}
	assert_int_equal(n, RIG_PORTS * QOS_N_CLASSES);
	assert_true(ASK(.type = OF13_MULTIPART_TABLE));
	assert_true(hear(&r));
	for (n = 0; of13_table_stats_next(&r.table.tables, &t); n++)
		assert_int_equal(t.lookup_count, 100 + n);
	assert_int_equal(n, DP_FLOW_TABLES);
	assert_true(ASK(.type = OF13_MULTIPART_PORT_DESC));
	assert_true(hear(&r));
	for (n = 0; of13_port_next(&r.port_desc.ports, &d); n++) {
		if (d.port_no == 1) {
			assert_int_equal(d.curr, OF13_PORT_FEATURE_10GB_FD);
			assert_int_equal(d.curr_speed, 10000000);
		}
		if (d.port_no == 3)
			assert_string_equal(d.name, "a-name-of-20-le");
	}
	assert_int_equal(n, RIG_PORTS);
}

static void groups_and_meters_come_back_byte_for_byte(void **state)
{
	struct of13_group_mod g = { .type = OF13_GROUP_TYPE_SELECT, .group_id = 5 };
	struct of13_meter_mod m = { .flags = 0x5, .meter_id = 6 };
	struct of13_multipart_reply r;
	struct of13_group_desc gd;
	struct of13_group_stats gs;
	struct of13_meter_config mc;
	struct of13_meter_stats ms;
	struct of_buf b = { 0 };
	struct hex buckets;

	(void)state;
	g.buckets = hex_list(
		&buckets,
		"0020 0007 ffffffff ffffffff 00000000" OUTPUT(
			"00000002") "0020 0001 00000001 ffffffff 00000000" OUTPUT("00000001"));
	of13_group_mod_put(&b, &g);
	assert_true(rig_say(0, &b));
	m.bands = hex_list(&hex, "0002 0010 000003e8 00000064 02 000000"
				 "0001 0010 000007d0 00000001 00000000");
	of13_meter_mod_put(&b, &m);
	assert_true(rig_say(0, &b));
	assert_true(ASK(.type = OF13_MULTIPART_GROUP_DESC));
	assert_true(hear(&r) && of13_group_desc_next(&r.group_desc.groups, &gd));
	assert_int_equal(gd.type, OF13_GROUP_TYPE_SELECT);
	assert_int_equal(gd.buckets.size, buckets.n);
	assert_memory_equal(gd.buckets.at, buckets.b, buckets.n);
	assert_true(ASK(.type = OF13_MULTIPART_METER_CONFIG,
			.meter_config = { .meter_id = OF13_METER_ALL }));
	assert_true(hear(&r) && of13_meter_config_next(&r.meter_config.meters, &mc));
	assert_int_equal(mc.flags, 0x5);
	assert_int_equal(mc.bands.size, hex.n);
	assert_memory_equal(mc.bands.at, hex.b, hex.n);
	assert_true(ASK(.type = OF13_MULTIPART_GROUP, .group = { .group_id = 5 }));
	assert_true(hear(&r) && of13_group_stats_next(&r.group.groups, &gs));
	assert_int_equal(gs.packet_count, 5);
	assert_int_equal(gs.buckets.size, 32);
	assert_true(ASK(.type = OF13_MULTIPART_METER, .meter = { .meter_id = 6 }));
	assert_true(hear(&r) && of13_meter_stats_next(&r.meter.meters, &ms));
	assert_int_equal(ms.packet_in_count, 6);
	assert_int_equal(ms.bands.size, 32);
	assert_true(ASK(.type = OF13_MULTIPART_GROUP, .group = { .group_id = 8 }));
	assert_true(hear(&r)); // of a group that is not there: nothing
	assert_int_equal(r.group.groups.size, 0);
}

static void table_features_list_what_is_taken(void **state)
{
	struct of13_multipart_reply r;
	struct of13_table_features f;
	struct of13_table_prop p;
	uint32_t n = 0;

	(void)state;
	assert_true(ASK(.type = OF13_MULTIPART_TABLE_FEATURES));
	while (hear(&r)) {
		while (of13_table_features_next(&r.table_features.tables, &f)) {
			assert_int_equal(f.table_id, n++);
			assert_int_equal(f.max_entries, RIG_FLOWS_MAX);
			while (of13_table_prop_next(&f.properties, &p)) {
				if (p.type == OF13_TABLE_PROP_NEXT_TABLES)
					assert_int_equal(p.next_tables.ids.size, 63 - f.table_id);
				if (p.type == OF13_TABLE_PROP_MATCH)
					assert_int_equal(p.match.ids.size, 4 * DP_FLOW_N_FIELDS);
				if (p.type == OF13_TABLE_PROP_APPLY_SETFIELD)
					assert_int_equal(p.apply_setfield.ids.size,
							 4 * (DP_FLOW_N_FIELDS - 3));
			}
		}
	}
	assert_int_equal(n, DP_FLOW_TABLES);
}

// One without a body has been said, whatever follows.
static void a_question_without_a_body_may_say_that_more_follows(void **state)
{
	(void)state;
	assert_true(ASK(.type = OF13_MULTIPART_DESC, .flags = OF13_MULTIPART_FLAG_MORE));
	assert_true(ASK(.type = OF13_MULTIPART_PORT_DESC, .flags = OF13_MULTIPART_FLAG_MORE));
}

static void questions_that_make_no_sense_are_refused(void **state)
{
	struct of_buf tables = { 0 };
	struct of13_table_features f = { .table_id = 3 };

	(void)state;
	assert_false(ASK(.type = OF13_MULTIPART_FLOW,
			 .flow = { .table_id = 64, .out_port = OF_ANY, .out_group = OF_ANY }));
	assert_true(ERROR_IS(0, BAD_REQUEST, BAD_TABLE_ID));
	assert_false(ASK(.type = OF13_MULTIPART_PORT_STATS, .port_stats = { .port_no = 9 }));
	assert_true(ERROR_IS(0, BAD_REQUEST, BAD_PORT));
	assert_false(ASK(.type = OF13_MULTIPART_QUEUE, .queue = { .port_no = 9 }));
	assert_true(ERROR_IS(0, QUEUE_OP_FAILED, BAD_PORT));
	assert_false(ASK(.type = OF13_MULTIPART_QUEUE, .queue = { .port_no = 1, .queue_id = 7 }));
	assert_true(ERROR_IS(0, QUEUE_OP_FAILED, BAD_QUEUE));
	assert_false(ASK(.type = OF13_MULTIPART_METER, .meter = { .meter_id = 4 }));
	assert_true(ERROR_IS(0, METER_MOD_FAILED, UNKNOWN_METER));
	assert_false(ASK(.type = OF13_MULTIPART_EXPERIMENTER));
	assert_true(ERROR_IS(0, BAD_REQUEST, BAD_EXPERIMENTER));
	assert_false(ASK(.type = OF13_MULTIPART_METER, .flags = OF13_MULTIPART_FLAG_MORE,
			 .meter = { .meter_id = OF13_METER_ALL }));
	assert_true(ERROR_IS(0, BAD_REQUEST, MULTIPART_BUFFER_OVERFLOW));
	of13_table_features_put(&tables, &f);
	assert_false(ASK(.type = OF13_MULTIPART_TABLE_FEATURES,
			 .table_features = { .tables = of_buf_list(&tables) }));
	assert_true(ERROR_IS(0, TABLE_FEATURES_FAILED, EPERM));
	tables.size = 0;
	f.table_id = 64;
	of13_table_features_put(&tables, &f);
	assert_false(ASK(.type = OF13_MULTIPART_TABLE_FEATURES,
			 .table_features = { .tables = of_buf_list(&tables) }));
	assert_true(ERROR_IS(0, TABLE_FEATURES_FAILED, BAD_TABLE));
	of_buf_fini(&tables);
}

static bool raw(const char *text)
{
	struct of_buf b = { 0 };
	struct hex h;
	struct of_list l = hex_list(&h, text);

	memcpy(of_buf_grow(&b, l.size), l.at, l.size);
	return rig_say(0, &b);
}

static void small_messages_are_answered_or_refused(void **state)
{
#define E(kind, why) OF13_ERROR_##kind, OF13_##kind##_##why
	static const struct {
		const char *name, *msg;
		uint16_t type, code;
	} rows[] = {
		{ "features", "04050008 00000001", 0xffff, 0 },
		{ "features, longer", "0405000c 00000001 00000000", E(BAD_REQUEST, BAD_LEN) },
		{ "get-config", "04070008 00000001", 0xffff, 0 },
		{ "set-config", "0409000c 00000001 0000 ffff", 0xffff, 0 },
		{ "drop fragments", "0409000c 00000001 0001 ffff", 0xffff, 0 },
		{ "drop and reassemble", "0409000c 00000001 0003 ffff",
		  E(SWITCH_CONFIG_FAILED, BAD_FLAGS) },
		{ "reassemble", "0409000c 00000001 0002 ffff", E(SWITCH_CONFIG_FAILED, BAD_FLAGS) },
		{ "set-config, short", "0409000a 00000001 0000", E(SWITCH_CONFIG_FAILED, BAD_LEN) },
		{ "table-mod", "04110010 00000001 00 000000 00000003", 0xffff, 0 },
		{ "table-mod of all", "04110010 00000001 ff 000000 00000000", 0xffff, 0 },
		{ "table-mod of 64", "04110010 00000001 40 000000 00000000",
		  E(TABLE_MOD_FAILED, BAD_TABLE) },
		{ "eviction", "04110010 00000001 00 000000 00000004",
		  E(TABLE_MOD_FAILED, BAD_CONFIG) },
		{ "queues of 1", "04160010 00000001 00000001 00000000", 0xffff, 0 },
		{ "queues of all", "04160010 00000001 ffffffff 00000000", 0xffff, 0 },
		{ "queues of 9", "04160010 00000001 00000009 00000000",
		  E(QUEUE_OP_FAILED, BAD_PORT) },
		{ "experimenter", "04040010 00000001 00002320 00000001",
		  E(BAD_REQUEST, BAD_EXPERIMENTER) },
		{ "ONF's, unknown", "04040010 00000001 4f4e4600 00000001",
		  E(BAD_REQUEST, BAD_EXP_TYPE) },
		{ "multipart of no kind", "04120010 00000001 0063 0000 00000000",
		  E(BAD_REQUEST, BAD_MULTIPART) },
		{ "packet-in, to a switch",
		  "040a0022 00000001 ffffffff 0000 00 00 0000000000000000 0001 0004 00000000 0000",
		  E(BAD_REQUEST, BAD_TYPE) },
		{ "of no kind", "04630008 00000001", E(BAD_REQUEST, BAD_TYPE) },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok = raw(rows[i].msg);

		if (ok != (rows[i].type == 0xffff) ||
		    (!ok && !rig_error_is(0, rows[i].type, rows[i].code)))
			fail_msg("%s: %u/%u", rows[i].name, rig.conns[0].error.type,
				 rig.conns[0].error.code);
	}
	assert_int_equal(rig.a.miss_send_len, 0xffff);
	assert_true(dp_of_drops_fragments(rig.a.p.of));
	assert_true(raw("0409000c 00000001 0000 ffff"));
	assert_false(dp_of_drops_fragments(rig.a.p.of));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		T(flows_are_dumped_as_they_were_given),
		T(long_dumps_come_in_parts_and_miss_nothing_that_stays),
		T(a_dump_of_more_than_a_message_says_so),
		T(a_connection_that_ends_takes_its_dump_along),
		T(a_port_that_goes_before_its_answer_has_none),
		T(flows_are_added_up),
		T(looking_at_flows_is_work),
		T(ports_queues_and_tables_are_told),
		T(groups_and_meters_come_back_byte_for_byte),
		T(table_features_list_what_is_taken),
		T(a_question_without_a_body_may_say_that_more_follows),
		T(questions_that_make_no_sense_are_refused),
		T(small_messages_are_answered_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
