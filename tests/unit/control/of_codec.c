// The OpenFlow codec: what is written is read again, whatever it is; what is cut, wrong or unknown
// is refused by the error that the specification names.
#include <errno.h>
#include <stdio.h>

#include "of13.h"
#include "of_random.h"
#include "written.h"
#include "../unit.h"

#define ROUNDS 150

static struct of_random rnd;

// A random message of d, in b.
static void make(const struct of_desc *d, uint8_t version, void *m, struct of_buf *b)
{
	of_random_reset(&rnd);
	rnd.version = version;
	of_random_fill(&rnd, d, m);
	b->size = 0;
	b->failed = false;
	assert_int_equal(of_put_message(b, d, m), 0);
	written(b->data, b->size);
}

static void each(void (*check)(const struct of_desc *d, uint8_t version))
{
	rnd.state = 20221122;
	for (uint32_t i = 0; i < of13_n_messages; i++)
		for (uint8_t version = 4; version <= 5; version++)
			if (of_applies(of13_messages[i]->since, of13_messages[i]->before, version))
				check(of13_messages[i], version);
	of_random_reset(&rnd);
}

static void round_trip(const struct of_desc *d, uint8_t version)
{
	_Alignas(8) uint8_t m[OF_SCRATCH], back[OF_SCRATCH];
	struct of_buf b = { 0 }, again = { 0 };
	struct of_wire_error e;

	for (int i = 0; i < ROUNDS; i++) {
		make(d, version, m, &b);
		uint8_t *wire = exact_copy(b.data, b.size);
		assert_ptr_equal(of_identify(wire, b.size, &e), d);
		if (of_get_message(d, wire, b.size, back, &e))
			fail_msg("%s: error %u/%u", d->name, e.type, e.code);
		if (!of_same(d, m, back, version) || !of_lists_hold(d, back, version, true))
			fail_msg("%s: not what was written", d->name);
		again.size = 0;
		assert_int_equal(of_put_message(&again, d, back), 0);
		assert_int_equal(again.size, b.size);
		assert_memory_equal(again.data, b.data, b.size);
		free(wire);
	}
	of_buf_fini(&b);
	of_buf_fini(&again);
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	each(round_trip);
}

static void set_length(uint8_t *msg, size_t size)
{
	msg[2] = (uint8_t)(size >> 8);
	msg[3] = (uint8_t)size;
}

// Cut off at each byte: with its old length it is refused; with the length mended it is refused or
// is a shorter message in its own right.
static void cut(const struct of_desc *d, uint8_t version)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_buf b = { 0 }, again = { 0 };
	struct of_wire_error e;

	for (int i = 0; i < 4; i++) {
		make(d, version, m, &b);
		for (size_t n = 0; n < b.size; n++) {
			uint8_t *wire = exact_copy(b.data, n);
			assert_int_equal(of_get_message(d, wire, n, m, &e), -EBADMSG);
			if (n >= 4)
				set_length(wire, n);
			if (!of_get_message(d, wire, n, m, &e)) {
				again.size = 0;
				assert_true(of_lists_hold(d, m, version, true));
				assert_int_equal(of_put_message(&again, d, m), 0);
				// Zeros behind a bundle's message are read where nothing follows,
				// too.
				assert_true(again.size == n ||
					    (!strcmp(d->name, "bundle_add") && n - again.size < 8));
				assert_memory_equal(again.data + 4, wire + 4, again.size - 4);
			}
			free(wire);
		}
	}
	of_buf_fini(&b);
	of_buf_fini(&again);
}

static void a_message_cut_anywhere_is_refused(void **state)
{
	(void)state;
	each(cut);
}

// Bytes changed at random: refused with an error that exists, or readable to the last element.
static void damaged(const struct of_desc *d, uint8_t version)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	struct of_buf b = { 0 };
	struct of_wire_error e;
	char text[64];

	for (int i = 0; i < ROUNDS; i++) {
		make(d, version, m, &b);
		for (uint64_t n = of_random_next(&rnd) % 4; n && b.size > 8; n--)
			b.data[8 + of_random_next(&rnd) % (b.size - 8)] ^=
				(uint8_t)(1 << of_random_next(&rnd) % 8);
		uint8_t *wire = exact_copy(b.data, b.size);
		e = (struct of_wire_error){ 0xfffe, 0 };
		if (of_get_message(d, wire, b.size, m, &e))
			assert_non_null(of13_error_code_name(e.type, e.code));
		else
			assert_true(of_lists_hold(d, m, version, false));
		of13_print(wire, b.size, text, sizeof(text));
		free(wire);
	}
	of_buf_fini(&b);
}

static void a_damaged_message_is_refused_or_readable(void **state)
{
	(void)state;
	each(damaged);
}

// --- Errors, by the violation.

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex++) {
		unsigned v;
		if (*hex == ' ')
			continue;
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		out[n++] = (uint8_t)v;
		hex++;
	}
	return n;
}

#define EMPTY "0001 0004 00000000"
// Up to the match of a flow-mod; of a set-queue in apply-actions; of a packet-out.
#define FLOW                                                                                       \
	"040e0000 00000001 0000000000000000 0000000000000000 0000 0000 0000 0064 ffffffff "        \
	"ffffffff ffffffff 00000000"
#define APPLY(size) FLOW EMPTY "0004 00" size "00000000"
#define GROUP "040f0000 00000001 0000 00 00 00000001"
#define METER "041d0000 00000001 0000 0001 00000001"
#define TABLES "04120000 00000001 000c 0000 00000000"
#define FEATURE(size)                                                                              \
	TABLES "00" size "00 0000000000" ZERO32 "00000000000000000000000000000000"                 \
	       "0000000000000000"
#define ZERO32 "0000000000000000000000000000000000000000000000000000000000000000"
#define OK                                                                                         \
	{                                                                                          \
		0xffff, 0                                                                          \
	}
#define E(type, code)                                                                              \
	{                                                                                          \
		OF13_ERROR_##type, OF13_##type##_##code                                            \
	}

// clang-format off
static const struct {
	const char *what, *message;
	struct of_wire_error error;
} errors[] = {
	{ "a plain flow-mod", FLOW EMPTY, OK },
	{ "a type that nobody knows", "04630008 00000001", E(BAD_REQUEST, BAD_TYPE) },
	{ "a message of 1.4 under 1.3", "041e0000 00000001 00000000 00 000000 0000000000000000", E(BAD_REQUEST, BAD_TYPE) },
	{ "a barrier that goes on", "04140000 00000001 00000000", E(BAD_REQUEST, BAD_LEN) },
	{ "a features request that goes on", "04050000 00000001 00", E(BAD_REQUEST, BAD_LEN) },
	{ "a role request that ends early", "04180000 00000001 00000002", E(BAD_REQUEST, BAD_LEN) },
	{ "set-config of 10 bytes", "04090000 00000001 0000", E(SWITCH_CONFIG_FAILED, BAD_LEN) },
	{ "a hello with an element of the future", "04000000 00000001 0009 0008 01020304 0001 0008 00000010", OK },
	{ "a hello element of 3 bytes", "04000000 00000001 0001 0003 00000000", E(BAD_REQUEST, BAD_LEN) },
	{ "a hello element beyond the end", "04000000 00000001 0001 0010 00000010", E(BAD_REQUEST, BAD_LEN) },
	{ "statistics of a kind that nobody knows", "04120000 00000001 1234 0000 00000000", E(BAD_REQUEST, BAD_MULTIPART) },
	{ "desc statistics with a body", "04120000 00000001 0000 0000 00000000 00000000", E(BAD_REQUEST, BAD_LEN) },
	{ "port statistics without a port", "04120000 00000001 0004 0000 00000000", E(BAD_REQUEST, BAD_LEN) },
	{ "a match that is not OXM", FLOW "0000 0004 00000000", E(BAD_MATCH, BAD_TYPE) },
	{ "a match of 3 bytes", FLOW "0001 0003 00000000", E(BAD_MATCH, BAD_LEN) },
	{ "a match beyond the message", FLOW "0001 0014 00000000", E(BAD_MATCH, BAD_LEN) },
	{ "a match that is missing", FLOW, E(BAD_MATCH, BAD_LEN) },
	{ "a match without its padding", FLOW "0001 000c 80000004 00000001", E(BAD_MATCH, BAD_LEN) },
	{ "half an OXM", FLOW "0001 0006 8000 0000", E(BAD_MATCH, BAD_LEN) },
	{ "an OXM that is cut", FLOW "0001 000a 80000004 0000 0000 00000000", E(BAD_MATCH, BAD_LEN) },
	{ "an OXM of the wrong size", FLOW "0001 000a 80000002 0001 000000000000", E(BAD_MATCH, BAD_LEN) },
	{ "a mask of the wrong size", FLOW "0001 000e 80000906 000000000000 0000", E(BAD_MATCH, BAD_LEN) },
	{ "a field that nobody knows", FLOW "0001 000a 80007e02 0001 000000000000", E(BAD_MATCH, BAD_FIELD) },
	{ "a class that nobody knows", FLOW "0001 000a 12340002 0001 000000000000", E(BAD_MATCH, BAD_FIELD) },
	{ "an experimenter's field", FLOW "0001 000c ffff0004 00002320 00000000", E(BAD_MATCH, BAD_FIELD) },
	{ "a mask where none may be", FLOW "0001 000c 80000b04 0800 ffff 00000000", E(BAD_MATCH, BAD_MASK) },
	{ "a value outside its mask", FLOW "0001 000c 80000d04 1005 0fff 00000000", E(BAD_MATCH, BAD_WILDCARDS) },
	{ "a VLAN of 14 bits", FLOW "0001 000a 80000c02 2001 000000000000", E(BAD_MATCH, BAD_VALUE) },
	{ "a DSCP of 64", FLOW "0001 0009 80001001 40 00000000000000", E(BAD_MATCH, BAD_VALUE) },
	{ "an MPLS label of 20 bits in 4 bytes", FLOW "0001 000c 80004404 000fffff 00000000", OK },
	{ "an MPLS label of 21 bits", FLOW "0001 000c 80004404 00100000 00000000", E(BAD_MATCH, BAD_VALUE) },
	{ "a flow label in 3 bytes", FLOW "0001 000b 80003803 0fffff 0000000000", E(BAD_MATCH, BAD_LEN) },
	{ "a PCP of 8", FLOW "0001 0009 80000e01 08 00000000000000", E(BAD_MATCH, BAD_VALUE) },
	{ "a field twice", FLOW "0001 0010 80000a02 0800 80000a02 0800", E(BAD_MATCH, DUP_FIELD) },
	{ "an instruction that nobody knows", FLOW EMPTY "0063 0008 00000000", E(BAD_INSTRUCTION, UNKNOWN_INST) },
	{ "an experimenter's instruction", FLOW EMPTY "ffff 0008 00002320", E(BAD_INSTRUCTION, BAD_EXPERIMENTER) },
	{ "half an instruction", FLOW EMPTY "0001", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "an instruction of 7 bytes", FLOW EMPTY "0001 0007 01000000", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "an instruction of no bytes", FLOW EMPTY "0001 0000 01000000", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "goto of 16 bytes", FLOW EMPTY "0001 0010 01000000 0000000000000000", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "clear-actions with an action", FLOW EMPTY "0005 0010 00000000 0015 0008 00000001", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "write-metadata without a mask", FLOW EMPTY "0002 0010 00000000 0000000000000001", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "an instruction beyond the message", FLOW EMPTY "0004 0018 00000000 0015 0008 00000001", E(BAD_INSTRUCTION, BAD_LEN) },
	{ "set-queue", APPLY("10") "0015 0008 00000001", OK },
	{ "an action that nobody knows", APPLY("10") "0063 0008 00000001", E(BAD_ACTION, BAD_TYPE) },
	{ "an experimenter's action", APPLY("10") "ffff 0008 00002320", E(BAD_ACTION, BAD_EXPERIMENTER) },
	{ "an action of no bytes", APPLY("10") "0015 0000 00000001", E(BAD_ACTION, BAD_LEN) },
	{ "an action of 4 bytes", APPLY("10") "0015 0004 00000001", E(BAD_ACTION, BAD_LEN) },
	{ "an action beyond its instruction", APPLY("10") "0015 0010 00000001", E(BAD_ACTION, BAD_LEN) },
	{ "set-queue of 16 bytes", APPLY("18") "0015 0010 00000001 0000000000000000", E(BAD_ACTION, BAD_LEN) },
	{ "output of 8 bytes", APPLY("10") "0000 0008 00000001", E(BAD_ACTION, BAD_LEN) },
	{ "set-field", APPLY("18") "0019 0010 80000a02 0800 000000000000", OK },
	{ "set-field without a field", APPLY("10") "0019 0008 00000000", E(BAD_ACTION, BAD_SET_TYPE) },
	{ "set-field of a field that nobody knows", APPLY("18") "0019 0010 80007e02 0800 000000000000", E(BAD_ACTION, BAD_SET_TYPE) },
	{ "set-field with a mask", APPLY("18") "0019 0010 80000d04 0800 0fff 00000000", E(BAD_ACTION, BAD_SET_TYPE) },
	{ "set-field of the wrong size", APPLY("18") "0019 0010 80000a04 0800 000000000000", E(BAD_ACTION, BAD_SET_LEN) },
	{ "set-field that is cut", APPLY("18") "0019 0010 80003610 0800 000000000000", E(BAD_ACTION, BAD_SET_LEN) },
	{ "set-field of a DSCP of 64", APPLY("18") "0019 0010 80001001 40 00000000000000", E(BAD_ACTION, BAD_SET_ARGUMENT) },
	{ "set-field with 8 bytes too many", APPLY("20") "0019 0018 80000a02 0800 000000000000 0000000000000000", E(BAD_ACTION, BAD_LEN) },
	{ "a bucket", GROUP "0018 0000 ffffffff ffffffff 00000000 0015 0008 00000001", OK },
	{ "a bucket of 8 bytes", GROUP "0008 0000 ffffffff ffffffff 00000000", E(GROUP_MOD_FAILED, BAD_BUCKET) },
	{ "a bucket beyond the message", GROUP "0020 0000 ffffffff ffffffff 00000000 0015 0008 00000001", E(GROUP_MOD_FAILED, BAD_BUCKET) },
	{ "an action that a bucket does not know", GROUP "0018 0000 ffffffff ffffffff 00000000 0063 0008 00000001", E(BAD_ACTION, BAD_TYPE) },
	{ "a meter", METER "0001 0010 00000064 00000000 00000000", OK },
	{ "a band that nobody knows", METER "0009 0010 00000064 00000000 00000000", E(METER_MOD_FAILED, BAD_BAND) },
	{ "a band of 8 bytes", METER "0001 0008 00000064 00000000 00000000", E(BAD_REQUEST, BAD_LEN) },
	{ "table features with nothing", FEATURE("40"), OK },
	{ "table features beyond the message", FEATURE("48"), E(TABLE_FEATURES_FAILED, BAD_LEN) },
	{ "a property that nobody knows", FEATURE("48") "0063 0004 00000000", E(TABLE_FEATURES_FAILED, BAD_TYPE) },
	{ "a property of 3 bytes", FEATURE("48") "0000 0003 00000000", E(TABLE_FEATURES_FAILED, BAD_LEN) },
	{ "a property that is cut", FEATURE("48") "0008 0006 8000 0000", E(TABLE_FEATURES_FAILED, BAD_LEN) },
	{ "a packet-out", "040d0000 00000001 ffffffff fffffffd 0008 000000000000 0015 0008 00000001 aabb", OK },
	{ "actions beyond a packet-out", "040d0000 00000001 ffffffff fffffffd 0010 000000000000 0015 0008 00000001", E(BAD_REQUEST, BAD_LEN) },
	{ "an action that crosses the end of its list", "040d0000 00000001 ffffffff fffffffd 0008 000000000000 0000 0010 00000001 ffff000000000000", E(BAD_ACTION, BAD_LEN) },
	{ "a bundle of 1.4", "05210000 00000001 00000001 0000 0003", OK },
	{ "a property of the bundle that is cut", "05210000 00000001 00000001 0000 0003 ffff 0003 00000000", E(BAD_PROPERTY, BAD_LEN) },
	{ "a message in a bundle that is longer than it", "05220000 00000001 00000001 0000 0003 05140010 00000001", E(BUNDLE_FAILED, MSG_BAD_LEN) },
	{ "a message in a bundle of 4 bytes", "05220000 00000001 00000001 0000 0003 05140004 00000001", E(BUNDLE_FAILED, MSG_BAD_LEN) },
};
// clang-format on

static void each_violation_has_its_error(void **state)
{
	_Alignas(8) uint8_t m[OF_SCRATCH];
	uint8_t raw[512];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		size_t n = unhex(errors[i].message, raw);
		set_length(raw, n);
		uint8_t *wire = exact_copy(raw, n);
		struct of_wire_error e = { 0xffff, 0 };
		const struct of_desc *d = of_identify(wire, n, &e);
		if (d && !of_get_message(d, wire, n, m, &e))
			e = (struct of_wire_error)OK;
		if (e.type != errors[i].error.type || e.code != errors[i].error.code)
			fail_msg("%s: %u/%u, not %u/%u", errors[i].what, e.type, e.code,
				 errors[i].error.type, errors[i].error.code);
		free(wire);
	}
}

// --- Single facts

// From the specification's own words, byte by byte.
static void a_flow_mod_has_its_bytes(void **state)
{
	static const char want[] = "040e0060 00000007 0000000000000009 0000000000000000 05 00 0001 "
				   "0002 0064 ffffffff ffffffff ffffffff 0001 0000"
				   "0001 0016 80000a02 0800 80001908 0a000000 ff000000 0000"
				   "0004 0018 00000000 0000 0010 00000003 ffff 000000000000";
	struct of_buf actions = { 0 }, instructions = { 0 }, match = { 0 }, b = { 0 };
	struct of13_action a = { .type = OF13_ACTION_OUTPUT,
				 .output = { 3, OF13_MAX_LEN_NO_BUFFER } };
	struct of13_instruction in = { .type = OF13_INSTRUCTION_APPLY_ACTIONS };
	struct of13_flow_mod m = { .xid = 7,
				   .cookie = 9,
				   .table_id = 5,
				   .idle_timeout = 1,
				   .hard_timeout = 2,
				   .priority = 100,
				   .buffer_id = OF13_BUFFER_NONE,
				   .out_port = OF13_PORT_ANY,
				   .out_group = OF13_GROUP_ANY,
				   .flags = OF13_FLOW_MOD_FLAG_SEND_FLOW_REM,
				   .importance = 77 };
	uint8_t raw[256];

	(void)state;
	assert_int_equal(of13_action_put(&actions, &a), 0);
	in.apply_actions.actions = of_buf_list(&actions);
	assert_int_equal(of13_instruction_put(&instructions, &in), 0);
	assert_int_equal(of13_oxm_put_number(&match, OF13_OXM_ETH_TYPE, 0x800, UINT64_MAX), 0);
	assert_int_equal(of13_oxm_put_number(&match, OF13_OXM_IPV4_DST, 0x0a000000, 0xff000000), 0);
	m.match = of_buf_list(&match);
	m.instructions = of_buf_list(&instructions);
	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	assert_int_equal(unhex(want, raw), b.size);
	assert_memory_equal(raw, b.data, b.size);
	// Importance is 1.4's, in what 1.3 pads.
	m.version = OF14_VERSION;
	b.size = 0;
	assert_int_equal(of13_flow_mod_put(&b, &m), 0);
	assert_int_equal(b.data[47], 77);
	of_buf_fini(&actions);
	of_buf_fini(&instructions);
	of_buf_fini(&match);
	of_buf_fini(&b);
}

static void a_bundle_has_two_spellings(void **state)
{
	static const uint8_t onf[] = { 0x4f, 0x4e, 0x46, 0, 0, 0, 0x08, 0xfc };
	struct of13_bundle_control m = { .version = 4, .bundle_id = 5, .type = 2, .flags = 1 },
				   back;
	struct of_wire_error e;
	struct of_buf b = { 0 };

	(void)state;
	assert_int_equal(of13_bundle_control_put(&b, &m), 0);
	assert_int_equal(b.size, 24);
	assert_int_equal(b.data[1], OF13_TYPE_EXPERIMENTER);
	assert_memory_equal(b.data + 8, onf, 8);
	assert_int_equal(of13_identify(b.data, b.size, &e), OF13_MSG_BUNDLE_CONTROL);
	assert_int_equal(of13_bundle_control_get(b.data, b.size, &back, &e), 0);
	assert_int_equal(back.bundle_id, 5);
	b.data[15] = 0;
	assert_int_equal(of13_identify(b.data, b.size, &e), OF13_MSG_EXPERIMENTER);
	b.size = 0;
	m.version = 5;
	assert_int_equal(of13_bundle_control_put(&b, &m), 0);
	assert_int_equal(b.size, 16);
	assert_int_equal(of13_identify(b.data, b.size, &e), OF13_MSG_BUNDLE_CONTROL);
	of_buf_fini(&b);
}

static void a_put_that_finds_no_room_writes_nothing(void **state)
{
	struct of_buf b = { .max = 30 };
	struct of13_role_request m = { .xid = 1 };
	struct of13_action a = { .type = 99 };

	(void)state;
	assert_int_equal(of13_role_request_put(&b, &m), 0);
	assert_int_equal(b.size, 24);
	assert_int_equal(of13_action_put(&b, &a), -EINVAL);
	assert_int_equal(b.size, 24);
	assert_false(b.failed);
	assert_int_equal(of13_role_request_put(&b, &m), -EMSGSIZE);
	assert_int_equal(b.size, 24);
	assert_true(b.failed);
	assert_int_not_equal(of13_barrier_reply_put(&b, &(struct of13_barrier_reply){ 0 }), 0);
	assert_int_equal(b.size, 24);
	of_buf_fini(&b);
}

// A match has 16 bits for its length, whatever room there is.
static void a_put_that_is_too_long_for_its_length_fails(void **state)
{
	static const uint8_t oxms[65532];
	const struct of13_flow_mod m = { .match = { oxms, sizeof(oxms) } };
	const struct of13_flow_stats one = { .match = m.match };
	struct of_buf b = { .max = 1 << 20 };

	(void)state;
	assert_int_equal(of13_flow_mod_put(&b, &m), -EMSGSIZE);
	assert_int_equal(b.size, 0);
	assert_true(b.failed);
	of_buf_fini(&b);
	b = (struct of_buf){ .max = 1 << 20 };
	assert_int_equal(of13_flow_stats_put(&b, &one), -EMSGSIZE);
	assert_int_equal(b.size, 0);
	assert_true(b.failed);
	of_buf_fini(&b);
}

static void text_is_cut_and_terminated(void **state)
{
	static const uint8_t barrier[] = { 4, 20, 0, 8, 0, 0, 0, 9 };
	char text[128], little[10];
	size_t n = of13_print(barrier, sizeof(barrier), text, sizeof(text));

	(void)state;
	assert_string_equal(text,
			    "{\"openflow\": \"barrier_request\", \"version\": 4, \"xid\": 9}");
	assert_int_equal(n, strlen(text));
	assert_int_equal(of13_print(barrier, sizeof(barrier), little, sizeof(little)), n);
	assert_int_equal(strlen(little), 9);
	of13_print(barrier, 7, text, sizeof(text));
	assert_string_equal(text, "{\"refused\": \"BAD_REQUEST\", \"why\": \"BAD_LEN\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_message_cut_anywhere_is_refused),
		cmocka_unit_test(a_damaged_message_is_refused_or_readable),
		cmocka_unit_test(each_violation_has_its_error),
		cmocka_unit_test(a_flow_mod_has_its_bytes),
		cmocka_unit_test(a_bundle_has_two_spellings),
		cmocka_unit_test(a_put_that_finds_no_room_writes_nothing),
		cmocka_unit_test(a_put_that_is_too_long_for_its_length_fails),
		cmocka_unit_test(text_is_cut_and_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
