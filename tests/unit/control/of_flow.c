// Flow-mods, timeouts and flow-removed: OpenFlow 1.3.5 sections 5.5, 6.4, 6.5 and 7.4.2.
#include "of_model.h"

#include "../unit.h"
#include "of_build.h"

#define NS 1000000000ull
#define PRIO(n) .priority = n
#define SAY(...) say((struct of13_flow_mod){ FLOW_MOD, __VA_ARGS__ })
#define ADD .command = OF13_FLOW_MOD_COMMAND_ADD
#define MODIFY .command = OF13_FLOW_MOD_COMMAND_MODIFY
#define MODIFY_STRICT .command = OF13_FLOW_MOD_COMMAND_MODIFY_STRICT
#define DELETE .command = OF13_FLOW_MOD_COMMAND_DELETE
#define DELETE_STRICT .command = OF13_FLOW_MOD_COMMAND_DELETE_STRICT

static struct hex match_hex, inst_hex;

static struct of_list match(const char *text)
{
	return hex_list(&match_hex, text);
}

static struct of_list to(const char *port)
{
	char text[128];

	snprintf(text, sizeof(text), "0004 0018 00000000 0000 0010 %s 0000 000000000000", port);
	return hex_list(&inst_hex, text);
}
#define TO_1 .instructions = to("00000001")
#define TO_2 .instructions = to("00000002")

static bool say(struct of13_flow_mod m)
{
	struct of_buf b = { 0 };

	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	return rig_say(0, &b);
}

static uint32_t port_of(uint16_t priority)
{
	const struct dp_of_flow *f = rig_find(0, priority, NULL);

	assert_non_null(f);
	return dp_flow_op_at(rig_prog(f)->ops, 0)->arg;
}

static void heads_are_checked(void **state)
{
	static const struct {
		struct of13_flow_mod m;
		uint16_t type, code;
	} rows[] = {
		{ { FLOW_MOD, .command = 5 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_COMMAND },
		{ { FLOW_MOD, .table_id = 64 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_TABLE_ID },
		{ { FLOW_MOD, .table_id = 255 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_TABLE_ID },
		{ { FLOW_MOD, MODIFY, .table_id = 255 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_TABLE_ID },
		{ { FLOW_MOD, DELETE, .table_id = 254 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_TABLE_ID },
		{ { FLOW_MOD, .flags = 0x20 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_FLAGS },
		{ { FLOW_MOD, .flags = 0x8000 },
		  OF13_ERROR_FLOW_MOD_FAILED,
		  OF13_FLOW_MOD_FAILED_BAD_FLAGS },
		{ { .out_port = OF_ANY, .out_group = OF_ANY, .buffer_id = 1 },
		  OF13_ERROR_BAD_REQUEST,
		  OF13_BAD_REQUEST_BUFFER_UNKNOWN },
		{ { MODIFY, .out_port = OF_ANY, .out_group = OF_ANY, .buffer_id = 0 },
		  OF13_ERROR_BAD_REQUEST,
		  OF13_BAD_REQUEST_BUFFER_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (say(rows[i].m) || !rig_error_is(0, rows[i].type, rows[i].code))
			fail_msg("row %zu: %u/%u", i, rig.conns[0].error.type,
				 rig.conns[0].error.code);
		assert_int_equal(rig_flows(), 0);
	}
	// Who deletes has no buffer.
	assert_true(say((struct of13_flow_mod){ DELETE, .table_id = 255, .out_port = OF_ANY,
						.out_group = OF_ANY }));
}

static void an_identical_match_is_replaced_with_its_counters(void **state)
{
	struct dp_of_count n;
	struct of_flow *f;
	uint32_t at = 0;

	(void)state;
	assert_true(SAY(PRIO(5), .cookie = 1, TO_1));
	rig_met(rig_find(0, 5, NULL), 10, 1000, NS);
	rig.a.now_ns += 5 * NS;
	assert_true(SAY(PRIO(5), .cookie = 2, TO_2));
	assert_int_equal(rig_flows(), 1);
	assert_int_equal(port_of(5), 2);
	f = of_flow_next(&rig.a, 0, &at);
	assert_int_equal(f->cookie, 2);
	assert_int_equal(f->created_ns, rig.a.now_ns); // its duration begins anew
	of_flow_count(&rig.a, f, &n);
	assert_int_equal(n.n_pkts, 10);
	assert_int_equal(rig.async.n_sent, 0); // no flow-removed for what was replaced
	assert_true(SAY(PRIO(5), .flags = OF13_FLOW_MOD_FLAG_RESET_COUNTS, TO_2));
	at = 0;
	f = of_flow_next(&rig.a, 0, &at);
	of_flow_count(&rig.a, f, &n);
	assert_int_equal(n.n_pkts, 0);
	assert_int_equal(n.n_bytes, 0);
	assert_true(SAY(PRIO(6), TO_2)); // another priority is another flow
	assert_int_equal(rig_flows(), 2);
}

static void overlap_is_refused_only_when_asked_and_of_one_priority(void **state)
{
	static const struct {
		const char *match;
		uint16_t priority;
		bool ok;
	} rows[] = {
		{ TYPE_IP, 5, false },			   // itself
		{ "", 5, false },			   // all of it
		{ IN_PORT("00000001"), 5, false },	   // another field
		{ TYPE_IP "80001604 0a000001", 5, false }, // inside
		{ TYPE_ARP, 5, true },			   // apart
		{ TYPE_IP, 6, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool ok;

		assert_true(SAY(PRIO(5), .match = match(TYPE_IP), TO_1));
		ok = SAY(PRIO(rows[i].priority), .match = match(rows[i].match), TO_1,
			 .flags = OF13_FLOW_MOD_FLAG_CHECK_OVERLAP);
		if (ok != rows[i].ok)
			fail_msg("row %zu", i);
		if (!ok)
			assert_true(ERROR_IS(0, FLOW_MOD_FAILED, OVERLAP));
		assert_true(SAY(PRIO(rows[i].priority), .match = match(rows[i].match), TO_1));
		assert_true(SAY(DELETE));
		assert_int_equal(rig_flows(), 0);
	}
}

static void a_full_table_says_so(void **state)
{
	char text[32];

	(void)state;
	for (uint32_t i = 1; i <= RIG_FLOWS_MAX; i++) {
		snprintf(text, sizeof(text), "80000004 %08x", i);
		assert_true(SAY(.match = match(text), TO_1));
	}
	assert_false(SAY(PRIO(1), TO_1));
	assert_true(ERROR_IS(0, FLOW_MOD_FAILED, TABLE_FULL));
	assert_true(SAY(.match = match("80000004 00000001"), TO_2)); // in its place
	assert_true(SAY(DELETE_STRICT, .match = match("80000004 00000001")));
	assert_true(SAY(PRIO(1), TO_1));
	assert_int_equal(rig_flows(), RIG_FLOWS_MAX);
}

// Three flows: 1 = IP from port 1, 2 = IP, 3 = everything; their priority is their number.
static void have_three(void)
{
	assert_true(
		SAY(PRIO(1), .cookie = 0x11, .match = match(IN_PORT("00000001") TYPE_IP), TO_1));
	assert_true(SAY(PRIO(2), .cookie = 0x12, .match = match(TYPE_IP), TO_1));
	assert_true(SAY(PRIO(3), .cookie = 0x23, TO_1));
}

// A few bytes that modify all flows could make gigabytes.
static void what_controllers_wrote_has_one_budget(void **state)
{
	enum { N = 500, ACTIONS = 240, BUDGET = OF_BYTES_MIN + RIG_FLOWS_MAX * OF_BYTES_OF_FLOW };
	char text[ACTIONS * 48 + 1] = "";
	size_t before, at = 0;
	uint64_t sum;

	(void)state;
	for (uint32_t i = 1; i <= N; i++) {
		char in_port[32];

		snprintf(in_port, sizeof(in_port), "80000004 %08x", i);
		assert_true(SAY(PRIO(i), .match = match(in_port), TO_1));
	}
	for (uint32_t i = 0; i < ACTIONS; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, OUTPUT("00000001"));
	assert_int_equal(of_bytes_take(&rig.a, BUDGET / 4 * 3), 0); // by others
	before = rig.a.n_bytes;
	sum = rig_sum();
	assert_true(N * of_bytes_of(12, ACTIONS * 16) < BUDGET);
	assert_false(SAY(MODIFY, .instructions = hex_actions(&inst_hex, 4, text)));
	assert_true(ERROR_IS(0, FLOW_MOD_FAILED, TABLE_FULL));
	assert_true(rig_sum() == sum);
	assert_true(rig.a.n_bytes == before);
	rig.a.n_bytes -= BUDGET / 4 * 3;
	assert_true(SAY(MODIFY, .instructions = hex_actions(&inst_hex, 4, text)));
	assert_true(rig.a.n_bytes > N * of_bytes_of(0, ACTIONS * 16));
	assert_true(SAY(DELETE));
	of_msg_tick(&rig.a, rig.a.now_ns + 1);
	assert_int_equal(rig.a.n_bytes, 0);
}

static void modify_takes_what_is_inside_and_keeps_the_rest(void **state)
{
	static const struct {
		struct of13_flow_mod m;
		const char *match;
		uint32_t hits; // bit per flow
	} rows[] = {
		{ { FLOW_MOD, MODIFY }, "", 0xe },
		{ { FLOW_MOD, MODIFY }, TYPE_IP, 0x6 },
		{ { FLOW_MOD, MODIFY }, IN_PORT("00000001"), 0x2 },
		{ { FLOW_MOD, MODIFY }, TYPE_ARP, 0 },
		{ { FLOW_MOD, MODIFY, PRIO(3) }, TYPE_IP, 0x6 }, // priority says nothing
		{ { FLOW_MOD, MODIFY, .cookie = 0x10, .cookie_mask = 0xf0 }, "", 0x6 },
		{ { FLOW_MOD, MODIFY, .cookie = 0x23, .cookie_mask = UINT64_MAX }, "", 0x8 },
		{ { .buffer_id = OF_NO_BUFFER, MODIFY, .out_port = 3 },
		  "",
		  0xe }, // only deleting looks at it
		{ { FLOW_MOD, MODIFY_STRICT, PRIO(2) }, TYPE_IP, 0x4 },
		{ { FLOW_MOD, MODIFY_STRICT, PRIO(1) }, TYPE_IP, 0 },
		{ { FLOW_MOD, MODIFY_STRICT, PRIO(3) }, "", 0x8 },
		{ { FLOW_MOD, MODIFY_STRICT, PRIO(3), .cookie_mask = 1 }, "", 0 },
		{ { FLOW_MOD, MODIFY, .table_id = 1 }, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of13_flow_mod m = rows[i].m;
		uint32_t hits = 0, at = 0;
		struct of_flow *f;

		m.out_group = OF_ANY;
		have_three();
		m.match = match(rows[i].match);
		m.instructions = to("00000002");
		assert_true(say(m));
		for (uint16_t p = 1; p <= 3; p++)
			hits |= (uint32_t)(port_of(p) == 2) << p;
		if (hits != rows[i].hits)
			fail_msg("row %zu hit %x", i, hits);
		while ((f = of_flow_next(&rig.a, 0, &at)) != NULL)
			assert_int_equal(f->cookie & 0xf, f->priority); // kept
		assert_true(SAY(DELETE));
	}
}

static void delete_takes_what_is_inside_and_leads_there(void **state)
{
	static const struct {
		struct of13_flow_mod m;
		const char *match;
		uint32_t left;
	} rows[] = {
		{ { FLOW_MOD, DELETE }, "", 0 },
		{ { FLOW_MOD, DELETE, .table_id = 255 }, "", 0 },
		{ { FLOW_MOD, DELETE, .table_id = 1 }, "", 3 },
		{ { FLOW_MOD, DELETE }, TYPE_IP, 1 },
		{ { FLOW_MOD, DELETE }, IN_PORT("00000001"), 2 },
		{ { FLOW_MOD, DELETE, .cookie = 0x20, .cookie_mask = 0xf0 }, "", 2 },
		{ { .buffer_id = 0, DELETE, .out_group = OF_ANY, .out_port = 1 }, "", 0 },
		{ { .buffer_id = 0, DELETE, .out_group = OF_ANY, .out_port = 2 }, "", 3 },
		{ { .buffer_id = 0, DELETE, .out_group = 1, .out_port = OF_ANY }, "", 3 },
		{ { FLOW_MOD, DELETE_STRICT, PRIO(2) }, TYPE_IP, 2 },
		{ { FLOW_MOD, DELETE_STRICT, PRIO(1) }, TYPE_IP, 3 },
		{ { FLOW_MOD, DELETE_STRICT, PRIO(3) }, "", 2 },
		{ { FLOW_MOD, DELETE_STRICT, .table_id = 255, PRIO(3) }, "", 2 },
		{ { FLOW_MOD, DELETE_STRICT, PRIO(3), .cookie = 1, .cookie_mask = 0xff }, "", 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of13_flow_mod m = rows[i].m;

		have_three();
		m.match = match(rows[i].match);
		assert_true(say(m));
		if (rig_flows() != rows[i].left)
			fail_msg("row %zu leaves %u", i, rig_flows());
		assert_true(SAY(DELETE));
	}
}

static void a_change_that_fails_midway_leaves_nothing_behind(void **state)
{
	uint64_t sum;

	(void)state;
	have_three();
	sum = rig_sum();
	rig.fail_after = 3; // two are changed already
	assert_false(SAY(MODIFY, TO_2));
	assert_true(ERROR_IS(0, FLOW_MOD_FAILED, UNKNOWN));
	assert_true(rig_sum() == sum);
	assert_int_equal(of_flow_active(&rig.a, 0), 3);
	rig.fail_after = 1;
	assert_false(SAY(PRIO(9), TO_1));
	assert_true(rig_sum() == sum);
	assert_true(SAY(MODIFY, TO_2));
	assert_int_equal(port_of(1), 2);
}

static bool removed(struct of13_flow_removed *out)
{
	static uint8_t copy[512]; // the match is a slice of it
	struct of_wire_error e;
	const uint8_t *msg;
	size_t size = rig_heard(&rig.async, &msg);

	if (size == 0)
		return false;
	assert_true(size <= sizeof(copy));
	memcpy(copy, msg, size);
	assert_int_equal(of13_flow_removed_get(copy, size, out, &e), 0);
	return true;
}

static void deleted_flows_are_told_with_their_last_counters(void **state)
{
	struct of13_flow_removed r;
	struct dp_of_flow *f;

	(void)state;
	assert_true(SAY(PRIO(1), .cookie = 77, .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM,
			.idle_timeout = 11, .hard_timeout = 22, .match = match(TYPE_IP), TO_1));
	assert_true(SAY(PRIO(2), TO_1)); // nobody wants to know
	f = rig_find(0, 1, NULL);
	rig_met(f, 3, 300, NS);
	rig.unsettled = true;
	rig.a.now_ns += NS / 2;
	assert_true(SAY(DELETE));
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_false(removed(&r)); // workers still count
	rig_met(f, 1, 100, NS);
	rig.unsettled = false;
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_true(removed(&r));
	assert_int_equal(r.reason, OF13_FLOW_REMOVED_REASON_DELETE);
	assert_int_equal(r.cookie, 77);
	assert_int_equal(r.priority, 1);
	assert_int_equal(r.packet_count, 4);
	assert_int_equal(r.byte_count, 400);
	assert_int_equal(r.idle_timeout, 11);
	assert_int_equal(r.hard_timeout, 22);
	assert_int_equal(r.duration_nsec, NS / 2);
	assert_int_equal(r.match.size, 6);
	assert_false(removed(&r));
}

static void idle_flows_end_and_used_ones_stay(void **state)
{
	struct of13_flow_removed r;
	uint64_t start;

	(void)state;
	start = rig.a.now_ns;
	assert_true(
		SAY(PRIO(1), .idle_timeout = 2, .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM, TO_1));
	for (uint64_t ms = 0; ms <= 10000; ms += 50) {
		if (ms == 1500)
			rig_met(rig_find(0, 1, NULL), 1, 64, start + 1500000000);
		of_msg_tick(&rig.a, start + ms * 1000000);
		if (rig_flows() == 0) {
			assert_in_range(ms, 3500, 3500 + 350);
			break;
		}
	}
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_true(removed(&r));
	assert_int_equal(r.reason, OF13_FLOW_REMOVED_REASON_IDLE_TIMEOUT);
	assert_int_equal(r.packet_count, 1);
}

static void hard_timeouts_end_flows_that_are_used(void **state)
{
	struct of13_flow_removed r;
	uint64_t start;

	(void)state;
	start = rig.a.now_ns;
	assert_true(SAY(PRIO(1), .idle_timeout = 2, .hard_timeout = 700, TO_1,
			.flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM));
	for (uint64_t s = 0; s <= 699; s++) { // further than the wheel is round
		rig_met(rig_find(0, 1, NULL), 1, 64, start + s * NS);
		of_msg_tick(&rig.a, start + s * NS);
		assert_int_equal(rig_flows(), 1);
	}
	of_msg_tick(&rig.a, start + 700 * NS + NS / 2);
	assert_int_equal(rig_flows(), 0);
	of_msg_tick(&rig.a, rig.a.now_ns);
	assert_true(removed(&r));
	assert_int_equal(r.reason, OF13_FLOW_REMOVED_REASON_HARD_TIMEOUT);
	assert_int_equal(r.duration_sec, 700);
}

static void modify_leaves_timeouts_alone_and_add_begins_anew(void **state)
{
	uint64_t start;

	(void)state;
	start = rig.a.now_ns;
	assert_true(SAY(PRIO(1), .hard_timeout = 10, TO_1));
	rig.a.now_ns = start + 8 * NS;
	assert_true(SAY(MODIFY, .hard_timeout = 99, TO_2));
	of_msg_tick(&rig.a, start + 11 * NS);
	assert_int_equal(rig_flows(), 0);
	assert_true(SAY(PRIO(1), .hard_timeout = 10, TO_1));
	rig.a.now_ns = start + 19 * NS;
	assert_true(SAY(PRIO(1), TO_1)); // forever
	of_msg_tick(&rig.a, start + 100 * NS);
	assert_int_equal(rig_flows(), 1);
}

static void counting_can_be_left_out(void **state)
{
	struct dp_of_count n;
	uint32_t at = 0;

	(void)state;
	assert_true(SAY(PRIO(1), .flags = OF13_FLOW_MOD_FLAG_NO_PKT_COUNTS, TO_1));
	rig_met(rig_find(0, 1, NULL), 5, 500, NS);
	of_flow_count(&rig.a, of_flow_next(&rig.a, 0, &at), &n);
	assert_true(n.n_pkts == UINT64_MAX);
	assert_int_equal(n.n_bytes, 500);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_begin, rig_end)
	const struct CMUnitTest tests[] = {
		T(heads_are_checked),
		T(an_identical_match_is_replaced_with_its_counters),
		T(overlap_is_refused_only_when_asked_and_of_one_priority),
		T(a_full_table_says_so),
		T(what_controllers_wrote_has_one_budget),
		T(modify_takes_what_is_inside_and_keeps_the_rest),
		T(delete_takes_what_is_inside_and_leads_there),
		T(a_change_that_fails_midway_leaves_nothing_behind),
		T(deleted_flows_are_told_with_their_last_counters),
		T(idle_flows_end_and_used_ones_stay),
		T(hard_timeouts_end_flows_that_are_used),
		T(modify_leaves_timeouts_alone_and_add_begins_anew),
		T(counting_can_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
