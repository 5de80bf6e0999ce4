// The channel of OpenFlow, byte by byte, on a switch that only notes: hello, errors, echo, roles,
// asynchronous messages, barrier, back-pressure, the fail mode, and streams of anything.
#include "of_conn_rig.h"

// --- Hello

static void the_hello_has_a_bitmap_of_what_is_allowed(void **state)
{
	static const struct {
		bool allow_14;
		uint8_t bytes[16];
	} rows[] = {
		{ false, { 4, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x10 } },
		{ true, { 5, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 0, 0x30 } },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct of_conn *c =
			open_as(&(struct of_conn_params){ .allow_14 = rows[i].allow_14 });
		uint8_t m[256];
		size_t size;

		assert_int_equal(hear(c, m, &size), OF13_TYPE_HELLO);
		assert_int_equal(size, 16);
		assert_memory_equal(m, rows[i].bytes, 16);
	}
}

// What they say, and what comes of it: the version, or 0.
static void hellos_agree_on_a_version_or_end(void **state)
{
	static const struct {
		bool allow_14;
		uint8_t version; // of their header
		int bitmap;	 // -1 = none
		uint8_t want;
	} rows[] = {
		{ false, 4, -1, 4 },
		{ false, 1, -1, 0 },
		{ false, 2, -1, 0 },
		{ false, 3, -1, 0 },
		{ false, 5, -1, 4 },
		{ false, 6, -1, 4 },
		{ false, 255, -1, 4 },
		{ false, 0, -1, 0 },
		{ true, 4, -1, 4 },
		{ true, 5, -1, 5 },
		{ true, 6, -1, 5 },
		{ true, 3, -1, 0 },
		{ false, 6, 1 << 6 | 1 << 4, 4 },
		{ false, 6, 1 << 6, 0 },
		{ false, 4, 1 << 1, 0 },
		{ true, 6, 1 << 6 | 1 << 4, 4 },
		{ true, 6, 0x72, 5 },
		{ false, 1, 0x12, 4 },
		{ true, 5, 1 << 5, 5 },
		{ false, 5, 1 << 5, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_conn *c =
			open_as(&(struct of_conn_params){ .allow_14 = rows[i].allow_14 });
		uint8_t body[16] = { 0xff, 0xff, 0, 5, 1, 0, 0, 0, 0, 1, 0, 8 }, m[64];
		size_t n = rows[i].bitmap < 0 ? 8 : 16, size;
		int rc;

		// Behind an element that nobody knows.
		body[15] = (uint8_t)rows[i].bitmap;
		size = msg_make(m, (uint8_t[]){ rows[i].version, 0 }, 1, body, n);
		assert_int_equal(hear_type(c), OF13_TYPE_HELLO);
		rc = of_conn_input(c, m, size, now);
		assert_int_equal(of_conn_version(c), rows[i].want);
		if (rows[i].want == 0) {
			assert_int_equal(rc, -EPROTO);
			hear_error(c, OF13_ERROR_HELLO_FAILED, OF13_HELLO_FAILED_INCOMPATIBLE);
			assert_false(of_conn_wants_input(c));
		} else {
			assert_int_equal(rc, size);
			assert_int_equal(hear_type(c), -1);
		}
		of_conn_close(c);
	}
}

static void a_hello_with_nonsense_in_it_counts_by_its_header(void **state)
{
	static const uint8_t bodies[][12] = {
		{ 0, 1, 0, 3, 0, 0, 0, 0 },	  { 0, 1, 0, 0, 0, 0, 0, 0 },
		{ 0, 1, 0xff, 0xff, 0, 0, 0, 0 }, { 0, 1, 0, 4, 0, 0, 0, 0 },
		{ 0, 2, 0, 8, 0, 0, 0, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		for (size_t n = 1; n <= sizeof(bodies[0]); n++) {
			struct of_conn *c = open_as(&(struct of_conn_params){ 0 });

			assert_int_equal(say(c, OF13_TYPE_HELLO, bodies[i], n), n + 8);
			assert_int_equal(of_conn_version(c), 4);
			of_conn_close(c);
		}
	}
}

static void who_does_not_begin_with_hello_is_told_and_cut(void **state)
{
	struct of_conn *c = open_as(&(struct of_conn_params){ 0 });

	(void)state;
	(void)hear_type(c);
	assert_int_equal(say(c, OF13_TYPE_FEATURES_REQUEST, NULL, 0), -EPROTO);
	hear_error(c, OF13_ERROR_HELLO_FAILED, OF13_HELLO_FAILED_INCOMPATIBLE);
	assert_int_equal(of_stub.n_msgs, 0);
	// Who says nothing, after 10 s.
	c = open_as(&(struct of_conn_params){ 0 });
	now += 9 * S;
	of_agent_tick(agent, now);
	assert_false(of_conn_over(c));
	now += 2 * S;
	of_agent_tick(agent, now);
	assert_true(of_conn_over(c));
}

// --- Messages

static void messages_of_another_version_are_refused_one_by_one(void **state)
{
	struct of_conn *c = controller();
	uint8_t m[16];

	(void)state;
	msg_make(m, (uint8_t[]){ 1, 5 }, 9, NULL, 0);
	assert_int_equal(of_conn_input(c, m, 8, now), 8);
	hear_error(c, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_VERSION);
	assert_int_equal(of_stub.n_msgs, 0);
	assert_int_equal(say(c, OF13_TYPE_FEATURES_REQUEST, NULL, 0), 8);
	assert_int_equal(of_stub.n_msgs, 1);
}

static void an_error_carries_the_message_and_its_xid(void **state)
{
	struct of_conn *c = controller();
	uint8_t body[200], m[256];
	size_t size;

	(void)state;
	memset(body, 0xab, sizeof(body));
	say(c, OF13_TYPE_TABLE_MOD, body, sizeof(body));
	assert_int_equal(hear(c, m, &size), OF13_TYPE_ERROR);
	assert_in_range(size, 12 + 64, 12 + 208);
	assert_int_equal(m[7], 77);
	assert_int_equal(m[12], 4);
	assert_int_equal(m[13], OF13_TYPE_TABLE_MOD);
	assert_int_equal(m[12 + 63], 0xab);
	// A short one, whole.
	say(c, OF13_TYPE_TABLE_MOD, body, 4);
	assert_int_equal(hear(c, m, &size), OF13_TYPE_ERROR);
	assert_int_equal(size, 12 + 12);
}

static void a_length_that_cannot_be_ends_the_connection(void **state)
{
	struct of_conn *c = controller();
	uint8_t m[8] = { 4, 5, 0, 7 };

	(void)state;
	assert_int_equal(of_conn_input(c, m, 8, now), -EPROTO);
	hear_error(c, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_BAD_LEN);
	assert_int_equal(of_conn_input(c, m, 8, now), -EPROTO);
	assert_int_equal(of_stub.n_msgs, 0);
}

static void messages_may_come_in_any_pieces(void **state)
{
	uint8_t stream[8 + 8 + 208 + 12], body[200] = { 0 };
	size_t size = 0;

	(void)state;
	size += msg_make(stream, (uint8_t[]){ 4, 0 }, 1, NULL, 0);
	size += msg_make(stream + size, (uint8_t[]){ 4, 2 }, 2, NULL, 0);
	size += msg_make(stream + size, (uint8_t[]){ 4, 17 }, 3, body, 200);
	size += msg_make(stream + size, (uint8_t[]){ 4, 2 }, 4, body, 4);
	for (size_t piece = 1; piece <= size; piece++) {
		struct of_conn *c = open_as(&(struct of_conn_params){ 0 });

		of_stub_reset();
		for (size_t at = 0; at < size;) {
			size_t n = size - at < piece ? size - at : piece;
			int took = of_conn_input(c, stream + at, n, now);

			assert_int_equal(took, n);
			at += n;
		}
		assert_int_equal(of_stub.n_msgs, 1);
		assert_int_equal(hear_type(c), OF13_TYPE_HELLO);
		assert_int_equal(hear_type(c), OF13_TYPE_ECHO_REPLY);
		assert_int_equal(hear_type(c), OF13_TYPE_ERROR);
		assert_int_equal(hear_type(c), OF13_TYPE_ECHO_REPLY);
		of_conn_close(c);
	}
}

static void one_call_takes_so_many_messages(void **state)
{
	struct of_conn *c = controller();
	static uint8_t stream[8 * 1000];
	int took;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		msg_make(stream + 8 * i, (uint8_t[]){ 4, OF13_TYPE_FLOW_MOD }, 1, NULL, 0);
	took = of_conn_input(c, stream, sizeof(stream), now);
	assert_int_equal(took, 256 * 8);
	assert_true(of_conn_wants_input(c));
	// And one version of the tables.
	assert_int_equal(dp.version, 1);
}

// Few messages that are much work are as many messages.
static void one_call_works_so_much(void **state)
{
	struct of_conn *c = controller();
	static uint8_t stream[8 * 100];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		msg_make(stream + 8 * i, (uint8_t[]){ 4, OF13_TYPE_FLOW_MOD }, 1, NULL, 0);
	of_stub.n_work = 15000;
	assert_int_equal(of_conn_input(c, stream, sizeof(stream), now), 4 * 8);
	of_stub.n_work = 1000000;
	assert_int_equal(of_conn_input(c, stream, sizeof(stream), now), 8);
}

// --- Echo

static void echo_is_answered_and_asked(void **state)
{
	struct of_conn *c = controller();
	uint8_t m[256];
	size_t size;

	(void)state;
	say(c, OF13_TYPE_ECHO_REQUEST, "12345", 5);
	assert_int_equal(hear(c, m, &size), OF13_TYPE_ECHO_REPLY);
	assert_int_equal(size, 13);
	assert_memory_equal(m + 8, "12345", 5);
	assert_int_equal(m[7], 77);

	now += 4 * S;
	assert_in_range(of_agent_tick(agent, now), now + 1, now + S);
	assert_int_equal(hear_type(c), -1);
	now += S;
	of_agent_tick(agent, now);
	assert_int_equal(hear_type(c), OF13_TYPE_ECHO_REQUEST);
	now += 4 * S;
	say(c, OF13_TYPE_ECHO_REPLY, NULL, 0);
	now += 4 * S;
	of_agent_tick(agent, now);
	assert_int_equal(hear_type(c), -1);
	now += S;
	of_agent_tick(agent, now);
	assert_int_equal(hear_type(c), OF13_TYPE_ECHO_REQUEST);
	now += 5 * S;
	of_agent_tick(agent, now);
	assert_true(of_conn_over(c));
}

// --- Roles

static void role_body(uint8_t out[16], uint32_t role, uint64_t generation)
{
	memset(out, 0, 16);
	out[3] = (uint8_t)role;
	for (int i = 0; i < 8; i++)
		out[8 + i] = (uint8_t)(generation >> (56 - 8 * i));
}

// returns the role of the answer; -1 - code of an error
static int role_ask(struct of_conn *c, uint32_t role, uint64_t generation)
{
	uint8_t body[16], m[256];
	size_t size;
	int type;

	role_body(body, role, generation);
	say(c, OF13_TYPE_ROLE_REQUEST, body, sizeof(body));
	type = hear(c, m, &size);
	if (type == OF13_TYPE_ERROR) {
		assert_int_equal(m[9], OF13_ERROR_ROLE_REQUEST_FAILED);
		return -1 - m[11];
	}
	assert_int_equal(type, OF13_TYPE_ROLE_REPLY);
	return m[11];
}

static void one_is_master(void **state)
{
	struct of_conn *a = controller(), *b = controller();

	(void)state;
	assert_int_equal(role_ask(a, OF13_ROLE_NOCHANGE, 0), OF13_ROLE_EQUAL);
	assert_int_equal(role_ask(a, OF13_ROLE_MASTER, 5), OF13_ROLE_MASTER);
	assert_int_equal(role_ask(b, OF13_ROLE_NOCHANGE, 0), OF13_ROLE_EQUAL);
	assert_int_equal(role_ask(b, OF13_ROLE_MASTER, 5), OF13_ROLE_MASTER);
	assert_int_equal(role_ask(a, OF13_ROLE_NOCHANGE, 0), OF13_ROLE_SLAVE);
	assert_int_equal(hear_type(a), -1); // role-status is 1.4's
	assert_int_equal(role_ask(a, OF13_ROLE_MASTER, 4), -1 - OF13_ROLE_REQUEST_FAILED_STALE);
	assert_int_equal(role_ask(a, OF13_ROLE_NOCHANGE, 0), OF13_ROLE_SLAVE);
	assert_int_equal(role_ask(b, OF13_ROLE_SLAVE, 6), OF13_ROLE_SLAVE);
	assert_int_equal(role_ask(a, OF13_ROLE_MASTER, 5), -1 - OF13_ROLE_REQUEST_FAILED_STALE);
	// Equal asks for no generation.
	assert_int_equal(role_ask(a, OF13_ROLE_EQUAL, 0), OF13_ROLE_EQUAL);
	assert_int_equal(role_ask(a, 4, 9), -1 - OF13_ROLE_REQUEST_FAILED_BAD_ROLE);
}

static void generations_wrap_around(void **state)
{
	struct of_conn *a = controller();

	(void)state;
	assert_int_equal(role_ask(a, OF13_ROLE_SLAVE, UINT64_MAX), OF13_ROLE_SLAVE);
	assert_int_equal(role_ask(a, OF13_ROLE_SLAVE, 1), OF13_ROLE_SLAVE);
	assert_int_equal(role_ask(a, OF13_ROLE_SLAVE, UINT64_MAX),
			 -1 - OF13_ROLE_REQUEST_FAILED_STALE);
	assert_int_equal(role_ask(a, OF13_ROLE_SLAVE, 1 + (1ull << 62)), OF13_ROLE_SLAVE);
	// A generation outlives the connection.
	of_conn_close(a);
	a = controller();
	assert_int_equal(role_ask(a, OF13_ROLE_MASTER, 1), -1 - OF13_ROLE_REQUEST_FAILED_STALE);
}

static void a_slave_writes_nothing(void **state)
{
	static const uint8_t writes[] = { OF13_TYPE_PACKET_OUT, OF13_TYPE_FLOW_MOD,
					  OF13_TYPE_GROUP_MOD,	OF13_TYPE_PORT_MOD,
					  OF13_TYPE_TABLE_MOD,	OF13_TYPE_METER_MOD };
	static const uint8_t features[24] = { 0, OF13_MULTIPART_TABLE_FEATURES };
	static const uint8_t bundle[16] = { 'O', 'N', 'F', 0, 0, 0, 8, 0xfc };
	struct of_conn *c = controller();

	(void)state;
	assert_int_equal(role_ask(c, OF13_ROLE_SLAVE, 1), OF13_ROLE_SLAVE);
	for (size_t i = 0; i < sizeof(writes); i++) {
		say(c, writes[i], features, 16);
		hear_error(c, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_IS_SLAVE);
	}
	say(c, OF13_TYPE_MULTIPART_REQUEST, features, 24);
	hear_error(c, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_IS_SLAVE);
	say(c, OF13_TYPE_EXPERIMENTER, bundle, 16);
	hear_error(c, OF13_ERROR_BAD_REQUEST, OF13_BAD_REQUEST_IS_SLAVE);
	assert_int_equal(of_stub.n_msgs, 0);
	// Reading is allowed.
	say(c, OF13_TYPE_MULTIPART_REQUEST, features, 8);
	say(c, OF13_TYPE_BARRIER_REQUEST, NULL, 0);
	assert_int_equal(hear_type(c), OF13_TYPE_BARRIER_REPLY);
	assert_int_equal(of_stub.n_msgs, 1);
}

static void one_of_14_is_told_of_its_role(void **state)
{
	struct of_conn *a = open_as(&(struct of_conn_params){ .allow_14 = true });
	struct of_conn *b = controller();
	uint8_t m[256];
	size_t size;

	(void)state;
	(void)hear_type(a);
	msg_make(m, (uint8_t[]){ 5, 0 }, 1, NULL, 0);
	assert_int_equal(of_conn_input(a, m, 8, now), 8);
	assert_int_equal(of_conn_version(a), 5);
	assert_int_equal(role_ask(a, OF13_ROLE_MASTER, 7), OF13_ROLE_MASTER);
	assert_int_equal(role_ask(b, OF13_ROLE_MASTER, 8), OF13_ROLE_MASTER);
	assert_int_equal(hear(a, m, &size), OF13_TYPE_ROLE_STATUS);
	assert_int_equal(size, 24);
	assert_int_equal(m[11], OF13_ROLE_SLAVE);
	assert_int_equal(m[23], 8);
}

// --- Asynchronous messages

static void note_build(struct of_buf *b, uint8_t version, uint32_t xid, void *arg)
{
	uint8_t *at = of_buf_grow(b, 8);

	(void)arg;
	assert_non_null(at);
	memcpy(at, (uint8_t[]){ version, 12, 0, 8, 0, 0, 0, (uint8_t)xid }, 8);
}

static bool hears(struct of_conn *c, enum of_async kind, uint8_t reason)
{
	of_async_send(agent, kind, reason, note_build, NULL);
	return hear_type(c) == 12;
}

static void masks_say_who_hears_what(void **state)
{
	static const uint8_t masks[24] = {
		[3] = 4, [7] = 2, [11] = 0, [15] = 4, [19] = 8, [23] = 1
	};
	struct of_conn *c = controller();
	uint8_t m[256];
	size_t size;

	(void)state;
	assert_true(hears(c, OF_ASYNC_PORT_STATUS, 0));
	assert_true(hears(c, OF_ASYNC_FLOW_REMOVED, 3));
	assert_true(hears(c, OF_ASYNC_PACKET_IN, 0));
	assert_true(hears(c, OF_ASYNC_PACKET_IN, 1));
	assert_false(hears(c, OF_ASYNC_PACKET_IN, 2));
	assert_int_equal(role_ask(c, OF13_ROLE_SLAVE, 1), OF13_ROLE_SLAVE);
	assert_true(hears(c, OF_ASYNC_PORT_STATUS, 0));
	assert_false(hears(c, OF_ASYNC_FLOW_REMOVED, 3));
	assert_false(hears(c, OF_ASYNC_PACKET_IN, 0));
	say(c, OF13_TYPE_SET_ASYNC, masks, sizeof(masks));
	say(c, OF13_TYPE_GET_ASYNC_REQUEST, NULL, 0);
	assert_int_equal(hear(c, m, &size), OF13_TYPE_GET_ASYNC_REPLY);
	assert_memory_equal(m + 8, masks, sizeof(masks));
	assert_true(hears(c, OF_ASYNC_PACKET_IN, 1));
	assert_false(hears(c, OF_ASYNC_PACKET_IN, 2));
	assert_true(hears(c, OF_ASYNC_PORT_STATUS, 2));
	assert_false(hears(c, OF_ASYNC_PORT_STATUS, 0));
	assert_int_equal(role_ask(c, OF13_ROLE_EQUAL, 1), OF13_ROLE_EQUAL);
	assert_true(hears(c, OF_ASYNC_PACKET_IN, 2));
	assert_true(hears(c, OF_ASYNC_FLOW_REMOVED, 3));
	assert_false(hears(c, OF_ASYNC_FLOW_REMOVED, 0));
}

static void a_service_hears_what_it_asks_for(void **state)
{
	struct of_conn *c = greeted(&(struct of_conn_params){ .service = true });

	(void)state;
	assert_false(hears(c, OF_ASYNC_PORT_STATUS, 0));
	assert_false(hears(c, OF_ASYNC_PACKET_IN, 0));
	say(c, OF13_TYPE_SET_CONFIG, "\0\0\0\200", 4);
	(void)hear_type(c); // the stub knows no set-config
	assert_true(hears(c, OF_ASYNC_PORT_STATUS, 0));
	assert_true(hears(c, OF_ASYNC_PACKET_IN, 0));
}

// --- Barrier

static void a_barrier_waits_for_workers_and_holds_what_follows(void **state)
{
	struct of_conn *c = controller(), *other = controller();
	uint8_t stream[24];

	(void)state;
	dp.auto_settle = false;
	msg_make(stream, (uint8_t[]){ 4, OF13_TYPE_FLOW_MOD }, 1, NULL, 0);
	msg_make(stream + 8, (uint8_t[]){ 4, OF13_TYPE_BARRIER_REQUEST }, 2, NULL, 0);
	msg_make(stream + 16, (uint8_t[]){ 4, OF13_TYPE_FLOW_MOD }, 3, NULL, 0);
	assert_int_equal(of_conn_input(c, stream, 24, now), 16);
	assert_int_equal(dp.version, 1);
	assert_int_equal(of_stub.n_msgs, 1);
	assert_int_equal(hear_type(c), -1);
	assert_false(of_conn_wants_input(c));
	assert_int_equal(of_conn_input(c, stream + 16, 8, now), 0);
	// Others go on.
	say(other, OF13_TYPE_ECHO_REQUEST, NULL, 0);
	assert_int_equal(hear_type(other), OF13_TYPE_ECHO_REPLY);
	assert_int_equal(of_conn_input(other, stream, 8, now), 8);
	assert_int_equal(dp.version, 2);
	assert_true(of_agent_is_waiting(agent));
	assert_in_range(of_agent_tick(agent, now), now, now + S / 1000);
	assert_int_equal(hear_type(c), -1);
	// Its own version is enough.
	dp.settled = 1;
	of_agent_tick(agent, now);
	assert_false(of_agent_is_waiting(agent));
	assert_int_equal(hear_type(c), OF13_TYPE_BARRIER_REPLY);
	assert_true(of_conn_wants_input(c));
	assert_int_equal(of_conn_input(c, stream + 16, 8, now), 8);
	assert_int_equal(of_stub.n_msgs, 3);
}

// --- Back-pressure

static void who_does_not_read_is_not_read_from(void **state)
{
	static const uint8_t request[8] = { 0, 1 };
	struct of_conn *c = controller();
	uint32_t n = 0;
	size_t size;

	(void)state;
	of_stub.reply_size = 100000;
	while (of_conn_wants_input(c) && n < 100) {
		assert_int_equal(say(c, OF13_TYPE_MULTIPART_REQUEST, request, 8), 16);
		n++;
	}
	assert_int_equal(n, OF_OUTPUT_MAX / 100000 + 1);
	assert_int_equal(say(c, OF13_TYPE_MULTIPART_REQUEST, request, 8), 0);
	assert_false(of_conn_over(c));
	// Who takes something is not given up.
	for (uint32_t i = 0; i < 20; i++) {
		now += 4 * S;
		of_conn_sent(c, 1);
		of_agent_tick(agent, now);
	}
	assert_false(of_conn_over(c));
	(void)of_conn_output(c, &size);
	of_conn_sent(c, size);
	assert_true(of_conn_wants_input(c));
}

static void big_build(struct of_buf *b, uint8_t version, uint32_t xid, void *arg)
{
	uint8_t *at = of_buf_grow(b, 60000);

	(void)arg;
	assert_non_null(at);
	memset(at, 0, 60000);
	memcpy(at, (uint8_t[]){ version, 12, 60000 >> 8, 60000 & 0xff, 0, 0, 0, (uint8_t)xid }, 8);
}

// What nobody asked for, such as flows that were removed, has one bound for all who do not read.
static void output_of_all_is_bounded(void **state)
{
	struct of_conn *c[OF_CONNS_MAX];
	uint32_t n_over = 0;
	size_t size, sum = 0;

	(void)state;
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++)
		c[i] = controller();
	for (uint32_t n = 0; n < 100; n++) {
		of_async_send(agent, OF_ASYNC_FLOW_REMOVED, 0, big_build, NULL);
		(void)of_conn_output(c[0], &size);
		of_conn_sent(c[0], size); // one that reads
	}
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++) {
		struct of_conn_info info;

		sum += c[i]->out.cap;
		of_conn_info(c[i], &info);
		n_over += of_conn_over(c[i]);
		if (!of_conn_over(c[i]))
			continue;
		(void)of_conn_output(c[i], &size);
		assert_int_equal(size, 0);
		assert_int_equal(strncmp(info.last_error, "does not read: ", 15), 0);
	}
	assert_true(sum <= 64 << 20);
	assert_in_range(n_over, 8, OF_CONNS_MAX - 1);
	assert_false(of_conn_over(c[0]));
}

static uint32_t pins_heard[256];

static void pins_hear(struct of_conn *c, uint32_t n)
{
	uint8_t m[256];
	size_t size;

	memset(pins_heard, 0, sizeof(pins_heard));
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(hear(c, m, &size), OF13_TYPE_PACKET_IN);
		pins_heard[m[8]]++;
	}
}

static void pin(uint32_t port, uint16_t size)
{
	const struct dp_of_packet_in p = { .in_port = port, .size = size };

	of_async_packet_in(agent, &p);
}

static void packet_ins_are_fair_between_ports_and_go_first(void **state)
{
	struct of_conn *c = controller();
	struct of_conn_info info;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		pin(1, 1000);
	for (uint32_t i = 0; i < 20; i++) {
		pin(2, 1000);
		pin(3, 100);
	}
	of_conn_info(c, &info);
	assert_in_range(info.n_packet_ins_dropped, 99000, 100000);
	// What was let in already, then each port in turn.
	pins_hear(c, 33);
	pins_hear(c, 40);
	assert_in_range(pins_heard[2], 9, 20);
	assert_int_equal(pins_heard[3], 20);
	// A reply does not wait for them.
	say(c, OF13_TYPE_ECHO_REQUEST, NULL, 0);
	for (uint32_t i = 0; i < 40; i++) {
		if (hear_type(c) == OF13_TYPE_ECHO_REPLY)
			return;
	}
	fail();
}

static void packet_ins_come_from_workers_by_the_tick(void **state)
{
	struct of_conn *c = controller();

	(void)state;
	for (uint32_t i = 0; i < 40; i++)
		dp.pins[i] = (struct dp_of_packet_in){ .in_port = i, .size = 60 };
	dp.n_pins = 40;
	of_agent_tick(agent, now);
	pins_hear(c, 40);
	assert_int_equal(hear_type(c), -1);
}

// --- Fail mode

static void standalone_takes_over_and_gives_back(void **state)
{
	struct of_conn *c;

	end(state);
	agent_make(&(struct of_agent_params){ .fail_mode = OF_FAIL_STANDALONE, .loss_s = 15 });
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_OFF);
	c = controller();
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
	of_conn_close(c);
	c = greeted(&(struct of_conn_params){ .service = true }); // is nobody's controller
	now += 14 * S;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
	now += 2 * S;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_OFF);
	assert_int_equal(of_agent_mode(agent), DP_OF_OFF);
	c = controller();
	dp.mode_rc = -ENOMEM;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_OFF);
	dp.mode_rc = 0;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
}

static void a_change_to_standalone_counts_from_the_loss(void **state)
{
	struct of_agent_params p = { .fail_mode = OF_FAIL_SECURE, .loss_s = 15 };
	struct of_conn *c;

	end(state);
	agent_make(&p);
	p.of = &dp;
	c = controller();
	of_agent_tick(agent, now);
	of_conn_close(c);
	now += 2 * S;
	p.fail_mode = OF_FAIL_STANDALONE;
	of_agent_configure(agent, &p);
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
	now += 14 * S;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_OFF);
}

static void secure_keeps_the_tables(void **state)
{
	struct of_conn *c = controller();

	(void)state;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
	of_conn_close(c);
	now += 3600 * S;
	of_agent_tick(agent, now);
	assert_int_equal(dp.mode, DP_OF_TABLES);
}

// --- Anything

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

// Headers that lead somewhere more often than chance would.
static size_t garbage(uint8_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)draw(256);
	if (n >= 8 && draw(4) > 0) {
		uint32_t len = draw(8) == 0 ? draw(65536) : (uint32_t)n;

		out[0] = draw(8) == 0 ? 5 : 4;
		out[1] = (uint8_t)draw(36);
		out[2] = (uint8_t)(len >> 8);
		out[3] = (uint8_t)len;
	}
	return n;
}

static void any_bytes_do_no_harm(void **state)
{
	uint8_t bytes[512];

	(void)state;
	for (uint32_t round = 0; round < 2000; round++) {
		struct of_conn *c = open_as(
			&(struct of_conn_params){ .allow_14 = draw(2), .service = draw(2) });

		if (draw(8) > 0)
			say(c, OF13_TYPE_HELLO, NULL, 0);
		for (uint32_t i = 0; i < 20 && !of_conn_over(c); i++) {
			size_t n = garbage(bytes, 1 + draw(sizeof(bytes))), size;
			int took = of_conn_input(c, bytes, n, now);

			assert_true(took == -EPROTO || (took >= 0 && (size_t)took <= n));
			(void)of_conn_output(c, &size);
			of_conn_sent(c, draw((uint32_t)size + 1));
			of_agent_tick(agent, now += S / 10);
		}
		of_conn_close(c);
	}
	assert_int_equal(of_stub.n_forgets, 2000);
	assert_true(of_stub.n_msgs > 1000);
}

static void there_are_so_many_connections(void **state)
{
	struct of_conn *c;

	(void)state;
	for (uint32_t i = 0; i < OF_CONNS_MAX; i++)
		open_as(&(struct of_conn_params){ 0 });
	assert_int_equal(of_conn_open(agent, &(struct of_conn_params){ 0 }, now, &c), -ENOSPC);
	of_conn_close(agent->conns[7]);
	open_as(&(struct of_conn_params){ 0 });
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_hello_has_a_bitmap_of_what_is_allowed),
		T(hellos_agree_on_a_version_or_end),
		T(a_hello_with_nonsense_in_it_counts_by_its_header),
		T(who_does_not_begin_with_hello_is_told_and_cut),
		T(messages_of_another_version_are_refused_one_by_one),
		T(an_error_carries_the_message_and_its_xid),
		T(a_length_that_cannot_be_ends_the_connection),
		T(messages_may_come_in_any_pieces),
		T(one_call_takes_so_many_messages),
		T(one_call_works_so_much),
		T(echo_is_answered_and_asked),
		T(one_is_master),
		T(generations_wrap_around),
		T(a_slave_writes_nothing),
		T(one_of_14_is_told_of_its_role),
		T(masks_say_who_hears_what),
		T(a_service_hears_what_it_asks_for),
		T(a_barrier_waits_for_workers_and_holds_what_follows),
		T(who_does_not_read_is_not_read_from),
		T(output_of_all_is_bounded),
		T(packet_ins_are_fair_between_ports_and_go_first),
		T(packet_ins_come_from_workers_by_the_tick),
		T(standalone_takes_over_and_gives_back),
		T(a_change_to_standalone_counts_from_the_loss),
		T(secure_keeps_the_tables),
		T(any_bytes_do_no_harm),
		T(there_are_so_many_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
