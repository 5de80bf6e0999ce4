#include <errno.h>

#include "../unit.h"
#include "qos_sched.h"

#define S 1000000000ull
#define MS 1000000ull
#define G 1000000000ull

static struct qos_sched_params params = { .n_vms = 4, .n_flows = 8 };
static struct qos_sched *s;
static void *mem;
static struct qos_pkt pkts[4096];

static void begin(uint64_t rate_bits_per_s)
{
	params.rate_bits_per_s = rate_bits_per_s;
	mem = aligned_alloc(64, (qos_sched_size(&params) + 63) & ~(size_t)63);
	assert_non_null(mem);
	memset(mem, 0, qos_sched_size(&params));
	assert_int_equal(qos_sched_init(mem, &params, S, &s), 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(qos_sched_add_vm(s, i, S), 0);
}

static void end(void)
{
	free(mem);
}

static struct qos_pkt *packet(uint32_t i, uint32_t vm_idx, uint32_t cls, uint32_t flow)
{
	pkts[i] = (struct qos_pkt){ .wire_bytes = 1538,
				    .flow_hash = flow,
				    .vm_idx = (uint16_t)vm_idx,
				    .cls = (uint8_t)cls };
	return &pkts[i];
}

static int put(uint32_t i, uint32_t vm_idx, uint32_t cls, uint32_t flow)
{
	return qos_sched_enqueue(s, packet(i, vm_idx, cls, flow), S);
}

static uint32_t get(uint64_t now_ns)
{
	struct qos_pkt *p = qos_sched_dequeue(s, now_ns);

	return p == NULL ? UINT32_MAX : (uint32_t)(p - pkts);
}

static void wire_bytes_count_all_that_the_wire_carries(void **state)
{
	(void)state;
	assert_int_equal(qos_wire_bytes(60, 1, 0), 84); // 64 with FCS, 8 preamble, 12 gap
	assert_int_equal(qos_wire_bytes(42, 1, 0), 84); // padded
	assert_int_equal(qos_wire_bytes(1514, 1, 0), 1538);
	// A super-frame of 64240 bytes of TCP in 44 frames of 1460: the headers 44 times.
	assert_int_equal(qos_wire_bytes(54 + 64240, 44, 54), 44 * 1538);
}

static void bad_parameters_are_refused(void **state)
{
	struct qos_sched_params p = { .n_vms = 1, .n_flows = 8 };
	_Alignas(64) char small[128];
	struct qos_sched *out;

	(void)state;
	assert_true(qos_sched_size(&p) != 0);
	assert_int_equal(qos_sched_init(small + 8, &p, S, &out), -EINVAL);
	p.n_flows = 6;
	assert_int_equal(qos_sched_size(&p), 0);
	p.n_flows = 512;
	assert_int_equal(qos_sched_size(&p), 0);
	p = (struct qos_sched_params){ .n_vms = 65537, .n_flows = 8 };
	assert_int_equal(qos_sched_size(&p), 0);
	p = (struct qos_sched_params){ .n_vms = 1, .n_flows = 1, .rate_bits_per_s = 999 };
	assert_int_equal(qos_sched_size(&p), 0);
}

// The whole memory, not one struct: VMs, leaves, calendars and queues.
static void an_idle_queue_takes_at_most_80_bytes(void **state)
{
	const uint32_t n_vms[] = { 64, 512, 1536 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct qos_sched_params p = { .n_vms = n_vms[i], .n_flows = 16 };

		assert_true(qos_sched_size(&p) <= 80ull * n_vms[i] * QOS_SCHED_CLASSES * 16);
	}
}

static void reservations_beyond_three_quarters_are_refused(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1, .reservation_bits_per_s = 4 * G } };
	struct qos_node_params n = { .shares = 1, .reservation_bits_per_s = 3 * G };

	(void)state;
	begin(10 * G);
	assert_int_equal(qos_sched_set_class(s, 2, &c, S), 0);
	// Inside its class's reservation a leaf takes nothing more.
	assert_int_equal(qos_sched_set_leaf(s, 0, 2, &n, S), 0);
	assert_int_equal(qos_sched_set_leaf(s, 1, 2, &n, S), 0); // 6 of 7.5
	assert_int_equal(qos_sched_set_leaf(s, 2, 2, &n, S), -ENOSPC);
	assert_int_equal(qos_sched_set_leaf(s, 2, 3, &n, S), -ENOSPC);
	assert_int_equal(qos_sched_set_vm(s, 0, &n, S), 0); // its leaf has that already
	n.reservation_bits_per_s = 4600000000;
	assert_int_equal(qos_sched_set_vm(s, 0, &n, S), -ENOSPC);
	n.reservation_bits_per_s = 4500000000;
	assert_int_equal(qos_sched_set_vm(s, 0, &n, S), 0);
	assert_int_equal(qos_sched_set_rate(s, 9 * G, S), -ENOSPC);
	// What a VM had is free when it goes.
	assert_int_equal(qos_sched_remove_vm(s, 0, S), 0);
	n.reservation_bits_per_s = 3500000000;
	assert_int_equal(qos_sched_set_leaf(s, 2, 3, &n, S), 0);
	n.reservation_bits_per_s = 3600000000;
	assert_int_equal(qos_sched_set_leaf(s, 2, 3, &n, S), -ENOSPC);
	end();
}

static void nonsense_is_refused_with_its_reason(void **state)
{
	struct qos_node_params n = { .shares = 0 };
	struct qos_class_params c = { .node = { .shares = 1 },
				      .codel = { .target_ns = 2, .interval_ns = 1 } };

	(void)state;
	begin(0);
	assert_int_equal(qos_sched_set_vm(s, 0, &n, S), -EINVAL);
	n.shares = 101;
	assert_int_equal(qos_sched_set_vm(s, 0, &n, S), -EINVAL);
	n = (struct qos_node_params){ .shares = 1,
				      .reservation_bits_per_s = 2 * G,
				      .limit_bits_per_s = G };
	assert_int_equal(qos_sched_set_leaf(s, 0, 0, &n, S), -EINVAL);
	n = (struct qos_node_params){ .shares = 1, .limit_bits_per_s = 999 };
	assert_int_equal(qos_sched_set_leaf(s, 0, 0, &n, S), -ERANGE);
	n.limit_bits_per_s = 0;
	assert_int_equal(qos_sched_set_leaf(s, 4, 0, &n, S), -ENOENT);
	assert_int_equal(qos_sched_set_leaf(s, 0, 8, &n, S), -ENOENT);
	assert_int_equal(qos_sched_set_class(s, 0, &c, S), -EINVAL);
	assert_int_equal(put(0, 4, 0, 0), -ENOENT);
	assert_int_equal(put(0, 0, 8, 0), -ENOENT);
	packet(0, 0, 0, 0)->wire_bytes = 0;
	assert_int_equal(qos_sched_enqueue(s, &pkts[0], S), -EMSGSIZE);
	pkts[0].wire_bytes = QOS_WIRE_MAX_BYTES + 1;
	assert_int_equal(qos_sched_enqueue(s, &pkts[0], S), -EMSGSIZE);
	assert_int_equal(qos_sched_add_vm(s, 0, S), -EEXIST);
	assert_int_equal(qos_sched_add_vm(s, 4, S), -ERANGE);
	end();
}

static void flows_of_a_leaf_take_turns_and_a_new_one_comes_first(void **state)
{
	(void)state;
	begin(0);
	for (uint32_t i = 0; i < 6; i++)
		assert_int_equal(put(i, 0, 5, 0), 0);
	for (uint32_t i = 6; i < 9; i++)
		assert_int_equal(put(i, 0, 5, 1), 0);
	assert_int_equal(get(S), 0);
	assert_int_equal(get(S), 6);
	assert_int_equal(get(S), 1);
	assert_int_equal(put(9, 0, 5, 2), 0); // new: before the rest of both
	assert_int_equal(get(S), 9);
	assert_int_equal(get(S), 7);
	assert_int_equal(get(S), 2);
	assert_int_equal(get(S), 8);
	for (uint32_t i = 3; i < 6; i++)
		assert_int_equal(get(S), i);
	assert_int_equal(get(S), UINT32_MAX);
	end();
}

static void tail_limits_hold_in_bytes_and_in_time(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1 }, .max_leaf_bytes = 10 * 1538 };
	struct qos_leaf_stats st;
	uint32_t n = 0;

	(void)state;
	begin(0);
	assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
	while (put(n, 0, 5, 0) == 0)
		n++;
	assert_int_equal(n, 5); // one flow: half of what is left
	assert_int_equal(put(n, 0, 5, 0), -ENOBUFS);
	assert_int_equal(put(n, 0, 5, 1), 0); // room is left for others
	for (uint32_t flow = 2; flow < 6; flow++)
		assert_int_equal(put(++n, 0, 5, flow), 0);
	assert_int_equal(put(++n, 0, 5, 6), -ENOBUFS); // all ten
	assert_int_equal(put(n, 1, 5, 6), 0);	       // another VM's leaf has its own bound

	c = (struct qos_class_params){ .node = { .shares = 1 }, .max_wait_ns = MS };
	assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
	assert_int_equal(qos_sched_enqueue(s, packet(100, 0, 5, 0), S + MS), 0);
	assert_int_equal(qos_sched_enqueue(s, packet(101, 0, 5, 0), S + MS + 1), -ETIME);
	assert_int_equal(qos_sched_enqueue(s, packet(101, 0, 5, 7), S + MS + 1), 0);
	assert_int_equal(qos_sched_leaf_stats(s, 0, 5, &st), 0);
	assert_int_equal(st.refused_bytes_pkts, 3);
	assert_int_equal(st.refused_wait_pkts, 1);
	assert_int_equal(st.queued_pkts_now, 12);
	assert_int_equal(st.queued_bytes_now, 12 * 1538);
	end();
}

// 1000 packets through a 10 Mbit/s limit with CoDel: what cannot be marked is dropped, what can is
// marked, and each comes back exactly once.
static void codel_drops_or_marks_and_returns_everything(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1, .limit_bits_per_s = 10000000 },
				      .codel = { .target_ns = 5 * MS, .interval_ns = 100 * MS } };

	(void)state;
	for (uint32_t ect = 0; ect < 2; ect++) {
		uint32_t n_out = 0, n_dropped = 0, n_marked = 0;
		struct qos_leaf_stats st;
		uint64_t now = S;

		begin(0);
		assert_int_equal(qos_sched_set_class(s, 5, &c, S), 0);
		for (uint32_t i = 0; i < 1000; i++) {
			packet(i, 0, 5, 0)->flags = ect != 0 ? QOS_PKT_ECT : 0;
			assert_int_equal(qos_sched_enqueue(s, &pkts[i], S), 0);
		}
		while (qos_sched_queued(s) != 0) {
			struct qos_pkt *p = qos_sched_dequeue(s, now);

			n_out += p != NULL;
			n_marked += p != NULL && (p->flags & QOS_PKT_CE) != 0;
			while (qos_sched_take_dropped(s) != NULL)
				n_dropped++;
			if (p == NULL)
				now = qos_sched_next_ns(s);
		}
		assert_int_equal(n_out + n_dropped, 1000);
		assert_int_equal(qos_sched_leaf_stats(s, 0, 5, &st), 0);
		assert_int_equal(st.dropped_pkts, n_dropped);
		assert_int_equal(st.marked_pkts, n_marked);
		if (ect != 0)
			assert_int_equal(n_dropped, 0);
		else
			assert_int_equal(n_marked, 0);
		assert_in_range(n_dropped + n_marked, 20, 500);
		end();
	}
}

static void where_no_queue_stands_a_packet_passes(void **state)
{
	struct qos_node_params limited = { .shares = 1, .limit_bits_per_s = G };
	struct qos_leaf_stats st;

	(void)state;
	begin(10 * G);
	assert_true(qos_sched_idle_pass(s, packet(0, 0, 5, 0), S));
	// The link is busy with that one for 1230 ns.
	assert_false(qos_sched_idle_pass(s, packet(1, 0, 5, 0), S + 1229));
	assert_true(qos_sched_idle_pass(s, packet(1, 0, 5, 0), S + 1231));
	assert_int_equal(qos_sched_leaf_stats(s, 0, 5, &st), 0);
	assert_int_equal(st.sent_bytes, 2 * 1538);
	// Not past a queue, not past a limit that is used up, not for a VM that is not there.
	assert_int_equal(qos_sched_enqueue(s, packet(2, 1, 5, 0), 2 * S), 0);
	assert_false(qos_sched_idle_pass(s, packet(3, 0, 0, 0), 2 * S));
	assert_int_equal(get(2 * S), 2);
	assert_int_equal(qos_sched_set_leaf(s, 0, 5, &limited, 2 * S), 0);
	for (uint64_t i = 0; i < 9; i++) // its burst, the last overdraws
		assert_true(qos_sched_idle_pass(s, packet(3, 0, 5, 0), 3 * S + i * 1231));
	assert_false(qos_sched_idle_pass(s, packet(3, 0, 5, 0), 3 * S + 9 * 1231));
	assert_true(qos_sched_idle_pass(s, packet(3, 0, 4, 0), 4 * S));
	assert_int_equal(qos_sched_remove_vm(s, 0, 3 * S), 0);
	assert_false(qos_sched_idle_pass(s, packet(3, 0, 4, 0), 4 * S));
	end();
}

static void a_removed_vm_drains_and_its_place_is_free_then(void **state)
{
	struct qos_node_params limited = { .shares = 1, .limit_bits_per_s = 1000000 };
	uint64_t now = S;

	(void)state;
	begin(0);
	assert_int_equal(qos_sched_set_vm(s, 1, &limited, S), 0);
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(put(i, 1, i % 8, 0), 0);
	assert_int_equal(qos_sched_remove_vm(s, 1, S), 0);
	assert_int_equal(qos_sched_remove_vm(s, 1, S), -ENOENT);
	assert_int_equal(put(20, 1, 0, 0), -ENOENT);
	for (uint32_t n = 0; n < 20;) {
		assert_int_equal(qos_sched_add_vm(s, 1, now), -EBUSY);
		if (get(now) != UINT32_MAX)
			n++;
		else
			now = qos_sched_next_ns(s);
	}
	// Its limit held to the end: 12 packets beyond the burst, 12.3 ms each.
	assert_true(now - S > 120 * MS);
	assert_int_equal(qos_sched_add_vm(s, 1, now), 0);
	assert_int_equal(qos_sched_queued(s), 0);
	end();
}

static void a_clock_that_steps_back_or_leaps_changes_no_order(void **state)
{
	(void)state;
	begin(G);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(put(i, 0, 5, 0), 0);
	assert_int_equal(get(S), 0);
	assert_int_equal(get(S - 500), UINT32_MAX);
	assert_int_equal(get(0), UINT32_MAX);
	assert_int_equal(get(S + 20000), 1);
	assert_int_equal(get(S * 100000000), 2); // three years later: one burst of nothing
	assert_int_equal(get(S * 100000000), UINT32_MAX);
	assert_int_equal(get(S * 100000000 + 12305), 3);
	end();
}

// A guest has no rate: what is inside a reservation first, then shares, and never NULL while
// something stands.
static void a_link_without_rate_serves_whenever_asked(void **state)
{
	struct qos_class_params c = { .node = { .shares = 1, .reservation_bits_per_s = G } };
	uint32_t n_first = 0;

	(void)state;
	begin(0);
	assert_int_equal(qos_sched_set_class(s, 2, &c, S), 0);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(put(i, 0, i % 2 == 0 ? 5 : 2, i), 0);
	// Reserved in the second that has passed: a burst, 8 frames, the last of which overdraws.
	while (get(2 * S) % 2 == 1)
		n_first++;
	assert_in_range(n_first, 8, 10);
	for (uint32_t i = n_first + 1; i < 64; i++)
		assert_int_not_equal(get(2 * S), UINT32_MAX);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_bytes_count_all_that_the_wire_carries),
		cmocka_unit_test(bad_parameters_are_refused),
		cmocka_unit_test(an_idle_queue_takes_at_most_80_bytes),
		cmocka_unit_test(reservations_beyond_three_quarters_are_refused),
		cmocka_unit_test(nonsense_is_refused_with_its_reason),
		cmocka_unit_test(flows_of_a_leaf_take_turns_and_a_new_one_comes_first),
		cmocka_unit_test(tail_limits_hold_in_bytes_and_in_time),
		cmocka_unit_test(codel_drops_or_marks_and_returns_everything),
		cmocka_unit_test(where_no_queue_stands_a_packet_passes),
		cmocka_unit_test(a_removed_vm_drains_and_its_place_is_free_then),
		cmocka_unit_test(a_clock_that_steps_back_or_leaps_changes_no_order),
		cmocka_unit_test(a_link_without_rate_serves_whenever_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
