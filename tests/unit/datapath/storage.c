// The storage hop in real worker turns: flows, what they say, who waits, and who boots.
#include "storage_rig.h"

// --- flows

static uint32_t command(uint8_t *p, uint32_t tag)
{
	uint32_t n = iscsi(p, 1, 0xc1, tag, NULL, 0); // simple task, read, final

	put32(p + 20, 4096);
	return n;
}

static void commands(struct end from, uint32_t seq, uint32_t tag, uint32_t n)
{
	uint8_t pdu[48];

	for (uint32_t i = 0; i < n; i++)
		tcp(from, server, seq + 48 * i, ACK, pdu, command(pdu, tag + i));
}

static void each_frame_of_a_run_is_a_segment(void **state)
{
	const struct dp_storage_event *e;

	(void)state;
	begin(1);
	tcp(client, server, 0xfffffff0, SYN, NULL, 0);
	commands(client, 0xfffffff1, 1000, 20);
	turn();
	take();
	assert_int_equal(n_events, 21);
	e = find(DP_STORAGE_OPEN, 0);
	assert_int_equal(e->way, QOS_TO_PORTAL);
	assert_int_equal(e->ns, now_ns - TURN);
	assert_int_equal(e->open.in_port, 0);
	assert_int_equal(e->open.key.client.b[15], GUEST);
	assert_int_equal(e->open.key.client_port, 40000);
	assert_int_equal(e->open.key.portal.b[15], SERVER);
	assert_int_equal(e->open.key.portal_port, ISCSI);
	assert_int_equal(e->open.hit.service, QOS_SVC_ISCSI);
	assert_int_equal(e->open.hit.how, QOS_HOW_SERVER);
	assert_true(e->open.hit.listed);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(find(DP_STORAGE_PDU, i)->pdu.kind, QOS_PDU_REQUEST);
		assert_int_equal(find(DP_STORAGE_PDU, i)->pdu.tag, 1000 + i);
		assert_int_equal(find(DP_STORAGE_PDU, i)->flow, e->flow);
	}
	assert_int_equal(counts().pkts, 21);
	mem_ports_end();
}

static void text_comes_in_pieces_and_whole(void **state)
{
	char text[700], got[700];
	uint8_t pdu[800];
	uint32_t n, at = 0;

	(void)state;
	for (uint32_t i = 0; i < sizeof(text); i++)
		text[i] = i % 50 == 49 ? '\0' : (char)('a' + i % 25);
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	n = iscsi(pdu, 0x43, 0x87, 1, text, sizeof(text));
	tcp(client, server, 2, ACK, pdu, 333);
	tcp(client, server, 2 + 333, ACK, pdu + 333, n - 333);
	turn();
	take();
	assert_int_equal(find(DP_STORAGE_PDU, 0)->pdu.kind, QOS_PDU_LOGIN);
	for (uint32_t i = 0; i < count(DP_STORAGE_TEXT_PIECE); i++) {
		const struct dp_storage_event *e = find(DP_STORAGE_TEXT_PIECE, i);

		assert_int_equal(e->text.offset, at);
		assert_true(e->text.size <= DP_STORAGE_TEXT);
		memcpy(got + at, e->text.data, e->text.size);
		at += e->text.size;
		assert_int_equal(e->text.last, at == sizeof(text));
	}
	assert_int_equal(at, sizeof(text));
	assert_memory_equal(got, text, sizeof(text));
	mem_ports_end();
}

static void flows_end_by_fin_rst_and_silence(void **state)
{
	static const struct {
		uint8_t flags;
		bool rst, idle;
	} rows[] = { { FIN | ACK, false, false }, { RST, true, false }, { 0, false, true } };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rows); i++) {
		begin(1);
		tcp(client, server, 1, SYN, NULL, 0);
		commands(client, 2, 1, 1);
		turn();
		assert_int_equal(counts().flows_now, 1);
		now_ns += 299 * S;
		mem_turns(200 * MS, 2 * MS);
		assert_int_equal(counts().flows_now, 1);
		take();
		if (rows[i].idle)
			now_ns += 3 * S;
		else
			tcp(client, server, 50, rows[i].flags, NULL, 0);
		mem_turns(200 * MS, 2 * MS);
		take();
		assert_int_equal(n_events, 1);
		assert_int_equal(events[0].kind, DP_STORAGE_CLOSE);
		assert_int_equal(events[0].close.rst, rows[i].rst);
		assert_int_equal(events[0].close.idle, rows[i].idle);
		// An acknowledgement behind the end is none.
		tcp(client, server, 51, ACK, NULL, 0);
		tcp(client, server, 51, RST, NULL, 0);
		turn();
		assert_int_equal(counts().flows_now, 0);
		assert_int_equal(counts().opened, 1);
		mem_ports_end();
	}
}

static void a_new_syn_is_a_new_connection(void **state)
{
	(void)state;
	begin(1);
	for (uint32_t i = 0; i < 3; i++) { // the second is a retransmission
		tcp(client, server, i == 2 ? 5000 : 1, SYN, NULL, 0);
		if (i != 0)
			commands(client, i == 2 ? 5001 : 2, i, 1);
		turn();
	}
	take();
	assert_int_equal(count(DP_STORAGE_OPEN), 2);
	assert_int_equal(count(DP_STORAGE_CLOSE), 1);
	assert_int_equal(count(DP_STORAGE_PDU), 2);
	assert_int_equal(counts().flows_now, 1);
	mem_ports_end();
}

static void open_many(struct end from, struct end to, bool vary_from, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (vary_from)
			from.l4 = (uint16_t)(10000 + i);
		else
			to.l4 = (uint16_t)(10000 + i);
		tcp(from, to, 1, SYN, NULL, 0);
		if (i % MEM_PUT == MEM_PUT - 1 || i + 1 == n) {
			mem_turns(2 * TURN, TURN);
			take();
		}
	}
}

static void a_full_table_is_counted_and_no_guests_alone(void **state)
{
	const struct end other = { 1, OTHER, 40000 }, outside = { 2, FOREIGN, 40000 };

	(void)state;
	begin(1);
	tcp(outside, client, 1, ACK, "x", 1); // its MAC is known
	turn();
	// At most half as many as are free: of one guest, and of those of whom nothing is known.
	open_many(client, server, true, 1400);
	assert_int_equal(counts().flows_now, 1365);
	assert_int_equal(counts().refused_full, 35);
	open_many(server, other, false, 1000);
	assert_int_equal(counts().flows_now, 1365 + 910);
	// What does not go to a guest may have them all.
	open_many(server, outside, false, 3000);
	assert_int_equal(counts().flows_now, DP_STORAGE_FLOWS);
	assert_int_equal(counts().refused_full, 35 + 90 + 3000 - 1821);
	assert_int_equal(counts().opened, DP_STORAGE_FLOWS);
	// Known ones go on; and what ends makes room.
	commands((struct end){ 0, GUEST, 10000 }, 2, 1, 1);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_PDU), 1);
	tcp((struct end){ 0, GUEST, 10001 }, server, 2, RST, NULL, 0);
	tcp(server, (struct end){ 2, FOREIGN, 9999 }, 2, SYN, NULL, 0);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_CLOSE), 1);
	assert_int_equal(count(DP_STORAGE_OPEN), 1);
	assert_int_equal(events[0].flow, events[1].flow);
	now_ns += 301 * S;
	mem_turns(200 * MS, 2 * MS);
	assert_int_equal(counts().flows_now, 0);
	mem_ports_end();
}

static void lost_events_are_counted_and_flows_told_again(void **state)
{
	const struct end late = { 1, OTHER, 40000 };
	uint64_t n_lost, n_told = 0;

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	for (uint32_t i = 0; i < 500; i++) {
		commands(client, 2 + 48 * 50 * i, 50 * i, 50);
		mem_turns(2 * TURN, TURN);
	}
	now_ns += 5 * MS; // what one guest may tell in that time is not the reason here
	for (uint32_t i = 25000; i < 25020; i++) {
		commands(client, 2 + 48 * i, i, 1);
		mem_turns(2 * TURN, TURN);
	}
	n_lost = counts().events_lost;
	// The last eighth of the ring is for what was taught.
	assert_int_equal(n_lost, 25021 - (8191 - 1024));
	tcp(late, server, 1, SYN, NULL, 0);
	commands(late, 2, 1, 3);
	turn();
	assert_int_equal(counts().events_lost, n_lost + 4);
	do {
		take();
		n_told += n_events;
		assert_true(find(DP_STORAGE_OPEN, 0) == NULL || n_told == n_events);
	} while (n_events > 0);
	assert_int_equal(n_told, 8191 - 1024);
	commands(late, 2 + 3 * 48, 4, 1);
	turn();
	take();
	assert_int_equal(n_events, 2);
	assert_int_equal(events[0].kind, DP_STORAGE_OPEN);
	assert_int_equal(events[0].open.in_port, 1);
	assert_int_equal(events[1].pdu.tag, 4);
	mem_ports_end();
}

static void guests_do_not_speak_in_each_others_flows(void **state)
{
	const struct end liar = { 1, GUEST, 40000 };

	(void)state;
	begin(1);
	tcp(client, server, 1, SYN, NULL, 0);
	commands(client, 2, 1, 1);
	turn();
	tcp(liar, server, 50, RST, NULL, 0);
	commands(liar, 50, 66, 2);
	turn();
	commands(client, 50, 2, 1);
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_CLOSE), 0);
	assert_int_equal(find(DP_STORAGE_PDU, 1)->pdu.kind, QOS_PDU_LOST); // the liar's
	assert_int_not_equal(find(DP_STORAGE_PDU, 1)->flow, find(DP_STORAGE_PDU, 0)->flow);
	assert_int_equal(events[n_events - 1].pdu.tag, 2);
	assert_int_equal(events[n_events - 1].flow, events[0].flow);
	mem_ports_end();
}

static void fragments_are_port_only(void **state)
{
	struct rte_mbuf *m;
	uint8_t pdu[48];

	(void)state;
	begin(1);
	m = tcp_frame(client, server, 1, ACK, pdu, command(pdu, 1));
	rte_pktmbuf_mtod(m, uint8_t *)[20] = 0x20; // more follow
	mem_put(links[0], m);
	turn();
	take();
	assert_int_equal(n_events, 0);
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	assert_int_equal(counts().port_only, 1);
	assert_int_equal(counts().flows_now, 0);
	mem_ports_end();
}

static void what_is_switched_off_costs_nothing(void **state)
{
	uint8_t pdu[256];
	uint32_t n = redirect(pdu, TEXT("TargetAddress=10.0.0.7:3333,1"));

	(void)state;
	for (uint32_t learning = 0; learning < 2; learning++) {
		begin(1);
		dp_switch_storage_set(sw, false, learning);
		tcp(client, server, 1, SYN, NULL, 0);
		commands(client, 2, 1, 1);
		accept_from(server, client, 100);
		tcp(server, client, 101, ACK, pdu, n);
		turn();
		take();
		assert_int_equal(n_events, learning);
		assert_int_equal(counts().flows_now, learning); // from the server, which may teach
		assert_int_equal(knows(TARGET, 6, 3333), learning);
		mem_ports_end();
	}
	// No portals at all.
	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	assert_int_equal(counts().pkts, 0);
	mem_ports_end();
}

// --- waits

static void who_stood_in_a_queue_tells_how_long(void **state)
{
	uint64_t stood_ns, left_ns;

	(void)state;
	begin(1);
	tcp(server, client, 1, ACK, "x", 1); // the tables know where they are
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	take();
	links[2]->stopped = true;
	commands(client, 2, 1, 1); // meets no queue: it waits for the link alone
	mem_turns(1000, 1000);
	stood_ns = now_ns;
	commands(client, 50, 2, 2);
	mem_turns(1000, 1000); // before the link is tried again
	now_ns += 123456;
	links[2]->stopped = false;
	left_ns = now_ns;
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_WAIT), 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct dp_storage_event *e = find(DP_STORAGE_WAIT, i);

		assert_int_equal(e->wait.tag, 2 + i);
		assert_int_equal(e->wait.wait_ns, left_ns - stood_ns);
		assert_int_equal(e->way, QOS_TO_PORTAL);
		assert_int_equal(e->flow, find(DP_STORAGE_PDU, 0)->flow);
		assert_int_equal(e->worker, 0);
	}
	mem_ports_end();
}

// A write of several frames: nobody can answer it before its last one has left.
static void the_last_frame_of_a_request_tells(void **state)
{
	static uint8_t pdu[48 + 3000], data[3000], two[96];
	const uint32_t cuts[] = { 50, 1000, 2000, 3098 };
	uint64_t stood_ns = 0;

	(void)state;
	begin(1);
	tcp(server, client, 1, ACK, "x", 1); // the tables know where they are
	tcp(client, server, 1, SYN, NULL, 0);
	turn();
	take();
	links[2]->stopped = true;
	commands(client, 2, 1, 1); // meets no queue
	mem_turns(1000, 1000);
	iscsi(pdu, 0x01, 0xa1, 7, (const char *)data, sizeof(data));
	for (uint32_t i = 0; i < 3; i++) { // before the link is tried again
		stood_ns = now_ns;
		tcp(client, server, cuts[i], ACK, pdu + cuts[i] - 50, cuts[i + 1] - cuts[i]);
		mem_turns(1000, 1000);
	}
	// Behind it the end of one, and all of another, in one frame.
	iscsi(two, 0x01, 0xc1, 8, NULL, 0);
	iscsi(two + 48, 0x01, 0xc1, 9, NULL, 0);
	tcp(client, server, 3098, ACK, two, 30);
	tcp(client, server, 3128, ACK, two + 30, 66);
	mem_turns(1000, 1000);
	now_ns += 123456;
	links[2]->stopped = false;
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_WAIT), 2);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->wait.tag, 7);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns <= now_ns - stood_ns);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns > now_ns - stood_ns - 2000 - TURN);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->wait.n, 1);
	assert_int_equal(find(DP_STORAGE_WAIT, 1)->wait.tag, 9);
	assert_int_equal(find(DP_STORAGE_WAIT, 1)->wait.n, 2);
	mem_ports_end();
}

// Towards the guest, whose port another worker owns than the one that received the answer.
static void answers_wait_too_and_copies_do_not(void **state)
{
	const struct end from = { 1, SERVER, ISCSI };
	struct dp_port_info a, b;
	uint64_t stood_ns;
	uint8_t pdu[48];

	(void)state;
	begin(2);
	pin(1, SERVER);
	for (uint32_t i = 0; i < 2; i++)
		((struct dp_view *)dp_root(sw)->views[i])->cfg.flags &= ~(uint32_t)DP_PF_ISOLATED;
	((struct dp_view *)dp_root(sw)->views[1])->mirror_idx = 2;
	assert_int_equal(dp_switch_port_info(sw, 0, &a), 0);
	assert_int_equal(dp_switch_port_info(sw, 1, &b), 0);
	tcp(client, from, 1, SYN, NULL, 0);
	tcp(from, client, 1, SYN | ACK, NULL, 0);
	turn();
	take();
	links[0]->stopped = links[2]->stopped = true;
	iscsi(pdu, 0x21, 0x80, 0x1234, NULL, 0);
	tcp(from, client, 2, ACK, pdu, 48);
	mem_turns(TURN, TURN); // on its way to the other worker
	stood_ns = now_ns;
	mem_turns(2 * TURN, TURN);
	now_ns += 7777777;
	links[0]->stopped = links[2]->stopped = false;
	turn();
	take();
	assert_int_equal(count(DP_STORAGE_WAIT), 1);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->wait.tag, 0x1234);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->way, QOS_FROM_PORTAL);
	assert_int_equal(find(DP_STORAGE_WAIT, 0)->worker, b.owner);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns <= now_ns - stood_ns);
	assert_true(find(DP_STORAGE_WAIT, 0)->wait.wait_ns >= 7777777);
	assert_int_not_equal(a.owner, b.owner);
	mem_ports_end();
}

static void only_the_last_frame_of_a_cut_one_tells(void **state)
{
	struct rte_mbuf *segs[8], *m;
	uint8_t data[3000] = { 0 };

	(void)state;
	begin(1);
	m = tcp_frame(client, server, 1, ACK, data, sizeof(data));
	dp_parse(dp_data(m), rte_pktmbuf_data_len(m), rte_pktmbuf_pkt_len(m), &dp_meta(m)->p);
	dp_meta(m)->flags = DP_MF_TSO | DP_MF_CSUM;
	dp_meta(m)->tso_segsz = 1000;
	dp_meta(m)->sto = DP_STO_MARKED;
	assert_int_equal(dp_tso_cut(m, sw->pool, segs, 8), 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(dp_meta(segs[i])->sto, i == 2 ? DP_STO_MARKED : 0);
	rte_pktmbuf_free_bulk(segs, 3);
	mem_ports_end();
}

// --- machines that boot

static void explains(struct end from, struct end to, enum qos_class cls, enum qos_why why)
{
	struct rte_mbuf *m = tcp_frame(from, to, 1, ACK, "x", 1);
	struct dp_verdict v;

	assert_int_equal(
		dp_switch_explain(sw, (uint16_t)from.port, dp_data(m), rte_pktmbuf_data_len(m), &v),
		0);
	assert_int_equal(v.cls, cls);
	assert_int_equal(v.why, why);
	rte_pktmbuf_free(m);
}

static void storage_of_a_booting_machine_is_class_boot(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };
	const struct end other = { 1, OTHER, 40000 };
	struct dp_port *up;

	(void)state;
	begin(1);
	up = dp_root(sw)->views[2]->port;
	mem_vm_set(0, 1, &vm);
	mem_vm_set(1, 2, &vm);
	((struct dp_view *)dp_root(sw)->views[0])->cfg.control_pps = 1;
	tcp(client, server, 1, ACK, "x", 1);
	tcp(other, server, 1, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 1);
	dp_switch_set_boot(sw, 1, now_ns + S);
	assert_int_equal(dp_switch_boot(sw, 1), now_ns + S);
	for (uint32_t i = 0; i < 10; i++) // its control rate is for other things
		tcp(client, server, 2 + i, ACK, "x", 1);
	tcp(other, server, 1, ACK, "x", 1);
	tcp(server, client, 1, ACK, "x", 1);
	tcp(server, other, 1, ACK, "x", 1);
	explains(client, server, QOS_CLASS_BOOT, QOS_WHY_BOOTING);
	explains(server, client, QOS_CLASS_BOOT, QOS_WHY_BOOTING);
	explains(server, other, QOS_CLASS_STORAGE, QOS_WHY_STORAGE_SERVER);
	explains(client, (struct end){ 2, FOREIGN, ISCSI }, QOS_CLASS_BULK, QOS_WHY_DEFAULT);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 10);
	assert_int_equal(received(1, QOS_CLASS_STORAGE), 2);
	assert_int_equal(received(2, QOS_CLASS_BOOT), 1);
	assert_int_equal(received(2, QOS_CLASS_STORAGE), 1);
	assert_int_equal(up->boot_seen[1], dp_switch_boot(sw, 1));
	assert_int_equal(up->boot_seen[2], 0);
	// Without a deadline, and at its end.
	dp_switch_set_boot(sw, 1, 1);
	tcp(client, server, 20, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 11);
	assert_int_equal(up->boot_seen[1], 0);
	dp_switch_set_boot(sw, 1, 0);
	tcp(client, server, 21, ACK, "x", 1);
	turn();
	assert_int_equal(received(0, QOS_CLASS_BOOT), 11);
	assert_int_equal(received(0, QOS_CLASS_STORAGE), 2);
	mem_ports_end();
}

// As many as may have one have one; those whose boot is over make room.
static void deadlines_follow_their_machines(void **state)
{
	const struct dp_vm_params vm = { .name = "v", .total.shares = 1 };
	struct dp_port *up;

	(void)state;
	begin(1);
	up = dp_root(sw)->views[2]->port;
	for (uint16_t round = 0; round < 2; round++) {
		for (uint16_t i = 1; i <= 2 * QOS_SCHED_DEADLINES; i++) {
			bool boots =
				round == 0 ? i > QOS_SCHED_DEADLINES : i <= QOS_SCHED_DEADLINES;

			mem_vm_set(0, 1, &vm);
			dp_root(sw)->views[0]->vm = NULL;
			up->vm_seen[i] = up->vm_seen[i] != 0 ? up->vm_seen[i] : UINT64_MAX;
			(void)qos_sched_add_vm(up->sched, i, now_ns);
			dp_switch_set_boot(sw, i, boots ? now_ns + i : 0);
		}
		tcp(client, server, 1, ACK, "x", 1);
		turn();
		for (uint16_t i = 1; i <= 2 * QOS_SCHED_DEADLINES; i++)
			assert_int_equal(up->boot_seen[i], dp_switch_boot(sw, i));
	}
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_of_a_run_is_a_segment),
		cmocka_unit_test(text_comes_in_pieces_and_whole),
		cmocka_unit_test(flows_end_by_fin_rst_and_silence),
		cmocka_unit_test(a_new_syn_is_a_new_connection),
		cmocka_unit_test(a_full_table_is_counted_and_no_guests_alone),
		cmocka_unit_test(lost_events_are_counted_and_flows_told_again),
		cmocka_unit_test(guests_do_not_speak_in_each_others_flows),
		cmocka_unit_test(fragments_are_port_only),
		cmocka_unit_test(what_is_switched_off_costs_nothing),
		cmocka_unit_test(who_stood_in_a_queue_tells_how_long),
		cmocka_unit_test(the_last_frame_of_a_request_tells),
		cmocka_unit_test(answers_wait_too_and_copies_do_not),
		cmocka_unit_test(only_the_last_frame_of_a_cut_one_tells),
		cmocka_unit_test(storage_of_a_booting_machine_is_class_boot),
		cmocka_unit_test(deadlines_follow_their_machines),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
