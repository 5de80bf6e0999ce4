// The storage hop against guests and servers that mean harm: what one of them does must not cost
// others what they were taught, their place in the tables, or their class.
#include "qos_learn.h"
#include "storage_rig.h"

static uint32_t command(uint8_t *p, uint32_t tag)
{
	uint32_t n = iscsi(p, 1, 0xc1, tag, NULL, 0);

	put32(p + 20, 4096);
	return n;
}

static uint32_t take_all(uint32_t kind)
{
	uint32_t n = 0;

	do {
		take();
		n += count(kind);
	} while (n_events > 0);
	return n;
}

// Main has to hear of a portal, or the next table is without it.
static void a_flood_of_events_does_not_hide_what_was_taught(void **state)
{
	uint8_t pdu[256];

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	for (uint32_t i = 0; i < 10000; i++) {
		tcp(client, server, 2 + 48 * i, ACK, pdu, command(pdu, i));
		if (i % 50 == 49)
			mem_turns(2 * TURN, TURN);
	}
	assert_true(counts().events_lost > 0);
	accept_from(server, client, 100);
	tcp(server, client, 101, ACK, pdu, redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1")));
	turn();
	assert_true(knows(66, 6, 3333));
	assert_int_equal(take_all(DP_STORAGE_LEARNT), 1);
	mem_ports_end();
}

static void a_flood_of_one_guests_events_leaves_room_for_others(void **state)
{
	const struct end other = { 1, OTHER, 40000 };
	uint8_t pdu[48];

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	for (uint32_t i = 0; i < 10000; i++) {
		tcp(client, server, 2 + 48 * i, ACK, pdu, command(pdu, i));
		if (i % 50 == 49)
			mem_turns(2 * TURN, TURN);
	}
	assert_true(counts().events_lost > 0);
	tcp(other, server, 1, SYN, NULL, 0);
	for (uint32_t i = 0; i < 30; i++)
		tcp(other, server, 2 + 48 * i, ACK, pdu, command(pdu, i));
	mem_turns(2 * TURN, TURN);
	assert_int_equal(take_all(DP_STORAGE_OPEN), 2);
	mem_ports_end();
}

static void answers_to_one_guest_leave_places_for_others(void **state)
{
	const struct end other = { 1, OTHER, 40000 };
	struct end to = client;
	uint64_t refused;

	(void)state;
	begin(1);
	tcp(client, server, 1, ACK, "x", 1); // its MAC is known
	tcp(other, server, 1, ACK, "x", 1);
	turn();
	turn();
	take();
	for (uint32_t i = 0; i < 5000; i++) {
		to.l4 = (uint16_t)(1000 + i);
		tcp(server, to, 1, SYN | ACK, NULL, 0);
		if (i % 50 == 49) {
			mem_turns(2 * TURN, TURN);
			take();
		}
	}
	refused = counts().refused_full;
	assert_true(refused > 0);
	assert_true(counts().flows_now < DP_STORAGE_FLOWS / 2);
	accept_from(server, other, 1);
	turn();
	assert_int_equal(counts().refused_full, refused);
	mem_ports_end();
}

// Answers to one guest's calls are understood however many another one makes.
static void no_guest_makes_anothers_calls_forgotten(void **state)
{
	const struct end other = { 1, OTHER, 701 }, asks = { 0, GUEST, 700 };
	const struct end binds = { 2, SERVER, 111 };
	uint32_t words[14] = { 77, 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100005, 3, 17, 0 };
	const uint32_t answer[7] = { 77, 1, 0, 0, 0, 0, 20048 };
	uint8_t msg[56];

	(void)state;
	begin(1);
	for (uint32_t i = 0; i < 20000; i++) {
		words[0] = 77 + i;
		for (uint32_t k = 0; k < 14; k++)
			put32(msg + 4 * k, words[k]);
		udp(i == 0 ? asks : other, binds, msg, sizeof(msg));
		if (i % 50 == 0)
			mem_turns(2 * TURN, TURN);
	}
	for (uint32_t k = 0; k < 7; k++)
		put32(msg + 4 * k, answer[k]);
	udp(binds, asks, msg, sizeof(answer));
	turn();
	assert_true(knows(SERVER, 17, 20048));
	mem_ports_end();
}

// A listed server is one by its address: no other one says what its ports serve.
static void no_server_says_what_another_serves(void **state)
{
	const struct qos_addr target = addr(TARGET), any = addr(GUEST);
	struct qos_portals *p = table();
	struct qos_portal_hit hit;
	uint8_t pdu[256];

	(void)state;
	begin(1);
	assert_int_equal(qos_portals_add_server(p, &target, 128), 0);
	dp_switch_set_portals(sw, p);
	accept_from(server, client, 100);
	tcp(server, client, 101, ACK, pdu, redirect(pdu, TEXT("TargetAddress=10.0.0.7:2049,1")));
	turn();
	assert_true(qos_portals_match(p, &any, 1, &target, 2049, 6, &hit));
	assert_int_equal(hit.service, QOS_SVC_NFS);
	assert_int_equal(hit.how, QOS_HOW_SERVER);
	mem_ports_end();
}

static void one_teacher_does_not_take_anothers_turns(void **state)
{
	const struct qos_addr target = addr(TARGET);
	const struct end second = { 2, TARGET, ISCSI };
	struct qos_portals *p = table();
	uint8_t pdu[256];

	(void)state;
	begin(1);
	sw->storage->secret = 1; // they do not meet in one chain
	assert_int_equal(qos_portals_add_server(p, &target, 128), 0);
	dp_switch_set_portals(sw, p);
	accept_from(server, client, 100);
	accept_from(second, client, 100);
	for (uint32_t i = 0, seq = 101; i < 200; i++) {
		char text[64];
		int n = snprintf(text, sizeof(text), "TargetAddress=10.1.0.%u:3333,1", i) + 1;
		uint32_t size = redirect(pdu, text, (uint32_t)n);

		tcp(server, client, seq, ACK, pdu, size);
		seq += size;
		if (i % 20 == 19)
			turn();
	}
	tcp(second, client, 101, ACK, pdu, redirect(pdu, TEXT("TargetAddress=10.0.0.66:3333,1")));
	turn();
	assert_true(knows(66, 6, 3333));
	mem_ports_end();
}

// Who sends to a machine that boots does not boot, and what it sends is nothing of that boot.
static void only_portals_send_class_boot_to_who_boots(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };
	const struct end other = { 1, OTHER, 40000 };
	struct rte_mbuf *m;

	(void)state;
	begin(1);
	mem_vm_set(0, 1, &vm);
	mem_vm_set(1, 2, &vm);
	tcp(client, server, 1, ACK, "x", 1);
	turn();
	turn();
	dp_switch_set_boot(sw, 1, now_ns + S);
	m = tcp_frame(other, server, 1, ACK, "x", 1);
	rte_pktmbuf_mtod(m, uint8_t *)[5] = GUEST; // its MAC, a portal's address
	mem_put(links[1], m);
	tcp(server, client, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(1, QOS_CLASS_BOOT), 0);
	assert_int_equal(received(1, QOS_CLASS_STORAGE), 1);
	assert_int_equal(received(2, QOS_CLASS_BOOT), 1);
	mem_ports_end();
}

static void a_connection_is_of_who_begins_it_now(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };

	(void)state;
	begin(1);
	mem_vm_set(0, 1, &vm);
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	mem_vm_set(0, 2, &vm); // another machine at the same port
	tcp(client, server, 1000, SYN, NULL, 0);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_OPEN), 2);
	assert_int_equal(find(DP_STORAGE_OPEN, 0)->open.vm_idx, 1);
	assert_int_equal(find(DP_STORAGE_OPEN, 1)->open.vm_idx, 2);
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_events_does_not_hide_what_was_taught),
		cmocka_unit_test(a_flood_of_one_guests_events_leaves_room_for_others),
		cmocka_unit_test(answers_to_one_guest_leave_places_for_others),
		cmocka_unit_test(no_guest_makes_anothers_calls_forgotten),
		cmocka_unit_test(no_server_says_what_another_serves),
		cmocka_unit_test(one_teacher_does_not_take_anothers_turns),
		cmocka_unit_test(only_portals_send_class_boot_to_who_boots),
		cmocka_unit_test(a_connection_is_of_who_begins_it_now),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
