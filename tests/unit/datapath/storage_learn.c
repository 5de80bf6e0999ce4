// What servers teach, in real worker turns: it counts from the next packet on, and nobody else
// teaches.
#include "storage_rig.h"

static void a_redirect_counts_from_the_next_packet_on(void **state)
{
	const struct end at_a = { 0, SERVER, ISCSI }, at_b = { 1, OTHER, 40000 };
	const struct end target = { 2, TARGET, 3333 };
	const struct qos_addr teacher = addr(SERVER);
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	begin(1);
	pin(0, SERVER); // its guest may say what it likes in its own name
	accept_from(at_a, at_b, 100);
	tcp(at_a, at_b, 101, ACK, pdu, n);
	tcp(at_b, target, 1, ACK, "x", 1); // polled behind it, in the same turn
	mem_turns(TURN, TURN);
	assert_true(knows(TARGET, 6, 3333));
	assert_int_equal(received(1, QOS_CLASS_STORAGE), 1);
	assert_int_equal(received(1, QOS_CLASS_BULK), 0);
	take();
	assert_int_equal(count(DP_STORAGE_LEARNT), 1);
	assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how, QOS_HOW_REDIRECT);
	assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_ISCSI);
	assert_memory_equal(&find(DP_STORAGE_LEARNT, 0)->learnt.teacher, &teacher, sizeof(teacher));
	assert_int_equal(counts().learnt_live, 1);
	// Both ways, also at the other end of the switch.
	tcp(target, client, 1, ACK, "y", 1);
	turn();
	assert_int_equal(received(2, QOS_CLASS_STORAGE), 1);
	mem_ports_end();
}

// In two PDUs, over segments and buffers that cut them anywhere.
static void sendtargets_teaches_every_address(void **state)
{
	static const char text[] =
		"TargetName=iqn.x\0TargetAddress=10.0.0.20:3260,1\0"
		"TargetName=iqn.y\0TargetAddress=10.0.0.21:860,1\0"
		"TargetAddress=[2001:db8::1]:3261,2\0TargetAddress=host.example:1,1\0"
		"TargetAddress=127.0.0.1:3260,1\0TargetAddress=224.0.0.5:3260,1";
	uint8_t pdu[1024], v6[16] = { 0x20, 1, 0xd, 0xb8, [15] = 1 };
	struct qos_addr a6;
	uint32_t n;

	(void)state;
	qos_addr_set6(&a6, v6);
	for (uint32_t step = 1; step < 300; step += 41) {
		begin(1);
		n = iscsi(pdu, 0x24, 0x40, 9, text, 60);
		n += iscsi(pdu + n, 0x24, 0x80, 9, text + 60, sizeof(text) - 60);
		accept_from(server, client, 100);
		for (uint32_t at = 0; at < n; at += step) {
			tcp(server, client, 101 + at, ACK, pdu + at, RTE_MIN(step, n - at));
			turn();
		}
		assert_true(knows(20, 6, 3260) && knows(21, 6, 860));
		assert_true(qos_portals_has(dp_switch_portals(sw), &a6, 6, 3261));
		assert_int_equal(counts().learnt_live, 3);
		take();
		assert_int_equal(count(DP_STORAGE_LEARNT), 5); // two for the count alone
		for (uint32_t i = 0; i < 2; i++) {
			const uint8_t bad[2][4] = { { 127, 0, 0, 1 }, { 224, 0, 0, 5 } };
			struct qos_addr a4;

			qos_addr_set4(&a4, bad[i]);
			assert_false(qos_portals_has(dp_switch_portals(sw), &a4, 6, 3260));
		}
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how,
				 QOS_HOW_SENDTARGETS);
		mem_ports_end();
	}
}

// --- who may teach

static void nobody_else_teaches(void **state)
{
	static const struct {
		struct end from, to;
		int pinned; // of the sender, 0 = not
		enum qos_class cls;
	} rows[] = {
		// A guest in the server's name, which nothing forbids it.
		{ { 0, SERVER, ISCSI }, { 1, OTHER, 40000 }, 0, QOS_CLASS_BULK },
		// A server that nobody named.
		{ { 2, FOREIGN, ISCSI }, { 0, GUEST, 40000 }, 0, QOS_CLASS_BULK },
		// A server whom another server named.
		{ { 2, TARGET, 4000 }, { 0, GUEST, 40000 }, 0, QOS_CLASS_STORAGE },
		// A guest that answers a server, in its own name and another's.
		{ { 0, GUEST, 40000 }, { 2, SERVER, ISCSI }, GUEST, QOS_CLASS_STORAGE },
		{ { 0, OTHER, 40000 }, { 2, SERVER, ISCSI }, 0, QOS_CLASS_STORAGE },
		// A port that is not storage's.
		{ { 2, SERVER, 9999 }, { 0, GUEST, 40000 }, 0, QOS_CLASS_BULK },
	};
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1"));

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		if (rows[i].pinned != 0)
			pin(rows[i].from.port, (uint8_t)rows[i].pinned);
		accept_from(rows[i].from, rows[i].to, 100);
		tcp(rows[i].from, rows[i].to, 101, ACK, pdu, n);
		turn();
		assert_int_equal(received(rows[i].from.port, rows[i].cls), 2);
		take();
		assert_int_equal(count(DP_STORAGE_LEARNT), 0);
		assert_int_equal(counts().learnt_live, 0);
		assert_false(knows(66, 6, 3333));
		mem_ports_end();
	}
}

// A guest has stored what looks like a redirect, and has the server send it at the beginning of a
// segment when the place is lost.
static void stored_bytes_do_not_teach(void **state)
{
	uint8_t pdu[256], junk[100] = { 0xff };
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1"));

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		begin(1);
		if (i > 0) // else in the middle of a connection
			accept_from(server, client, 100);
		if (i == 2)
			tcp(server, client, 101, ACK, junk, sizeof(junk));
		tcp(server, client, i == 2 ? 201 : 5000, ACK, pdu, n);
		tcp(server, client, (i == 2 ? 201 : 5000) + n, ACK, pdu, n);
		turn();
		take();
		assert_int_equal(find(DP_STORAGE_PDU, 0)->pdu.kind, QOS_PDU_LOST);
		assert_false(knows(66, 6, 3333));
		mem_ports_end();
	}
}

static void a_flood_of_redirects_is_bounded(void **state)
{
	char text[1400];
	uint8_t pdu[1500];
	uint32_t at = 0;

	(void)state;
	begin(1);
	accept_from(server, client, 100);
	for (uint32_t i = 0; i < 45; i++)
		at += (uint32_t)snprintf(text + at, sizeof(text) - at,
					 "TargetAddress=10.1.0.%u:3260,1", i) +
		      1;
	for (uint32_t i = 0, seq = 101, n; i < 20; i++, seq += n) {
		n = redirect(pdu, text, at);
		tcp(server, client, seq, ACK, pdu, n);
	}
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_LEARNT), 64);
	assert_int_equal(counts().learnt_live, 45);
	mem_ports_end();
}

// --- rpcbind

static uint32_t call(uint8_t *p, uint32_t xid, uint32_t proc, uint32_t prog, uint32_t proto)
{
	const uint32_t words[] = { xid, 0, 2, 100000, 2, proc, 0, 0, 0, 0, prog, 3, proto, 0 };

	for (uint32_t i = 0; i < RTE_DIM(words); i++)
		put32(p + 4 * i, words[i]);
	return sizeof(words);
}

static uint32_t reply(uint8_t *p, uint32_t xid, uint32_t port)
{
	const uint32_t words[] = { xid, 1, 0, 0, 0, 0, port };

	for (uint32_t i = 0; i < RTE_DIM(words); i++)
		put32(p + 4 * i, words[i]);
	return sizeof(words);
}

static const struct end asks = { 0, GUEST, 700 }, binds = { 1, SERVER, 111 };

static void rpcbind_over_udp_teaches_across_workers(void **state)
{
	uint8_t msg[128];

	(void)state;
	for (uint32_t n_workers = 1; n_workers <= 2; n_workers++) {
		struct dp_port_info a, b;

		begin(n_workers);
		pin(1, SERVER);
		assert_int_equal(dp_switch_port_info(sw, 0, &a), 0);
		assert_int_equal(dp_switch_port_info(sw, 1, &b), 0);
		assert_int_equal(a.owner != b.owner, n_workers == 2);
		udp(asks, binds, msg, call(msg, 77, 3, 100005, 17));
		turn();
		udp(binds, asks, msg, reply(msg, 77, 20048));
		turn();
		assert_true(knows(SERVER, 17, 20048));
		take();
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_RPC);
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.how, QOS_HOW_RPCBIND);
		// The guest's next datagram.
		udp(asks, (struct end){ 1, SERVER, 20048 }, "x", 1);
		turn();
		assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
		mem_ports_end();
	}
}

static void record_send(struct end from, struct end to, uint32_t seq, uint8_t *msg, uint32_t size)
{
	memmove(msg + 4, msg, size);
	put32(msg, 0x80000000u | size);
	tcp(from, to, seq, ACK, msg, size + 4);
}

static void rpcbind_over_tcp_teaches_across_workers(void **state)
{
	uint8_t msg[128];

	(void)state;
	for (uint32_t n_workers = 1; n_workers <= 2; n_workers++) {
		begin(n_workers);
		pin(1, SERVER);
		tcp(asks, binds, 10, SYN, NULL, 0);
		tcp(binds, asks, 20, SYN | ACK, NULL, 0);
		turn();
		record_send(asks, binds, 11, msg, call(msg, 5, 3, 100003, 6));
		turn();
		record_send(binds, asks, 21, msg, reply(msg, 5, 20490));
		turn();
		assert_true(knows(SERVER, 6, 20490));
		take();
		assert_int_equal(find(DP_STORAGE_LEARNT, 0)->learnt.portal.service, QOS_SVC_NFS);
		mem_ports_end();
	}
}

static void replies_teach_what_was_asked_for(void **state)
{
	// Calls under one XID, the last column is what the reply is to.
	static const struct {
		uint32_t prog[3], proc;
		uint64_t later_ns;
		bool teaches;
	} rows[] = {
		{ { 100005 }, 3, 0, true },	     { { 0 }, 3, 0, false },
		{ { 100005, 100005 }, 3, 0, true },  { { 390000 }, 3, 0, false },
		{ { 390000, 100005 }, 3, 0, false }, { { 390000, 390000, 100005 }, 3, 0, false },
		{ { 100005, 100003 }, 3, 0, false }, { { 100005 }, 1, 0, false },
		{ { 100005 }, 3, 12 * S, false },
	};
	uint8_t msg[128];

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		pin(1, SERVER);
		for (uint32_t k = 0; k < 3 && rows[i].prog[k] != 0; k++)
			udp(asks, binds, msg, call(msg, 5, rows[i].proc, rows[i].prog[k], 6));
		turn();
		now_ns += rows[i].later_ns;
		udp(binds, asks, msg, reply(msg, 6, 1111)); // to nobody
		udp(binds, asks, msg, reply(msg, 5, 1234));
		turn();
		assert_false(knows(SERVER, 6, 1111));
		assert_int_equal(knows(SERVER, 6, 1234), rows[i].teaches);
		mem_ports_end();
	}
	// In the server's name, from a guest that is not held to its own.
	begin(1);
	udp(asks, binds, msg, call(msg, 5, 3, 100005, 6));
	udp(binds, asks, msg, reply(msg, 5, 1234));
	turn();
	assert_false(knows(SERVER, 6, 1234));
	mem_ports_end();
}

// --- the table in force

static void a_table_takes_the_place_of_another_at_once(void **state)
{
	struct qos_portal more = {
		.addr = addr(TARGET), .port = 5555, .proto = 6, .how = QOS_HOW_SENDTARGETS
	};
	struct dp_prepared *prep;
	struct qos_portals *p;
	struct weir_err err;
	struct dp_plan plan;
	uint64_t gen;

	(void)state;
	begin(1);
	gen = dp_switch_generation(sw);
	dp_plan_init(&plan);
	assert_int_equal(dp_switch_prepare(sw, &plan, &prep, &err), 0);
	p = table();
	assert_int_equal(qos_portals_put(p, &more), 0);
	dp_switch_set_portals(sw, p);
	assert_int_equal(dp_switch_generation(sw), gen); // nobody has to look at anything else
	tcp(client, (struct end){ 2, TARGET, 5555 }, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	dp_switch_commit(sw, prep); // of a change that says nothing of portals
	assert_ptr_equal(dp_switch_portals(sw), p);
	tcp(client, (struct end){ 2, TARGET, 5555 }, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
	dp_plan_fini(&plan);
	mem_ports_end();
}

static void a_plan_carries_what_was_learnt(void **state)
{
	struct dp_act_portal a = { .h = { DP_ACT_PORTALS_CLEAR, sizeof(a) }, .l2 = QOS_L2_AOE };
	struct qos_addr target = addr(TARGET), own = addr(GUEST);
	struct qos_portal_hit hit;
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;

	(void)state;
	begin(1);
	dp_plan_init(&plan);
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	a = (struct dp_act_portal){ .h = { DP_ACT_PORTAL_ADD, sizeof(a) },
				    .addr = target,
				    .port = 5000,
				    .proto = 6,
				    .service = QOS_SVC_NVME };
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	a.port = 5001;
	a.how = QOS_HOW_REDIRECT;
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	assert_int_equal(dp_switch_prepare(sw, &plan, &prep, &err), 0);
	dp_switch_commit(sw, prep);
	for (uint16_t port = 5000; port <= 5001; port++) {
		assert_true(
			qos_portals_match(dp_switch_portals(sw), &own, 1, &target, port, 6, &hit));
		assert_int_equal(hit.service, QOS_SVC_NVME);
		assert_int_equal(hit.how, port == 5000 ? QOS_HOW_DECLARED : QOS_HOW_REDIRECT);
	}
	assert_int_equal(qos_portals_l2(dp_switch_portals(sw)), QOS_L2_AOE);
	dp_plan_fini(&plan);
	mem_ports_end();
}

// A worker learnt into a table that was replaced before main heard of it.
static void what_was_learnt_meanwhile_is_entered_again(void **state)
{
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	begin(1);
	accept_from(server, client, 100);
	tcp(server, client, 101, ACK, pdu, n);
	turn();
	assert_true(knows(TARGET, 6, 3333));
	dp_switch_set_portals(sw, table());
	assert_false(knows(TARGET, 6, 3333));
	take();
	assert_true(knows(TARGET, 6, 3333));
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_redirect_counts_from_the_next_packet_on),
		cmocka_unit_test(sendtargets_teaches_every_address),
		cmocka_unit_test(nobody_else_teaches),
		cmocka_unit_test(stored_bytes_do_not_teach),
		cmocka_unit_test(a_flood_of_redirects_is_bounded),
		cmocka_unit_test(rpcbind_over_udp_teaches_across_workers),
		cmocka_unit_test(rpcbind_over_tcp_teaches_across_workers),
		cmocka_unit_test(replies_teach_what_was_asked_for),
		cmocka_unit_test(a_table_takes_the_place_of_another_at_once),
		cmocka_unit_test(a_plan_carries_what_was_learnt),
		cmocka_unit_test(what_was_learnt_meanwhile_is_entered_again),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
