// Deadlines: who of a class is served first inside the class's reservation, and that it costs
// nobody what is his.
#include <errno.h>

#include "../unit.h"
#include "qos_sched.h"

#define S 1000000000ull
#define MS 1000000ull
#define G 1000000000ull
#define N_VMS 80u
#define WIRE 1538u

enum { BOOT = 1, STORAGE = 2, BULK = 5 };

static struct qos_sched *s;
static void *mem;
static struct qos_pkt pkts[N_VMS * QOS_SCHED_CLASSES * 64];
static uint64_t now_ns, sent_bytes[N_VMS][QOS_SCHED_CLASSES];

static void class_is(uint32_t cls, struct qos_node_params n)
{
	struct qos_class_params c = { .node = n };

	assert_int_equal(qos_sched_set_class(s, cls, &c, now_ns), 0);
}

static void begin(uint64_t bits_per_s)
{
	struct qos_sched_params params = {
		.rate_bits_per_s = bits_per_s, .n_vms = N_VMS, .n_flows = 4, .late_ns = 10000
	};

	now_ns = S;
	memset(sent_bytes, 0, sizeof(sent_bytes));
	mem = aligned_alloc(64, (qos_sched_size(&params) + 63) & ~(size_t)63);
	assert_non_null(mem);
	memset(mem, 0, qos_sched_size(&params));
	assert_int_equal(qos_sched_init(mem, &params, now_ns, &s), 0);
	for (uint32_t i = 0; i < N_VMS; i++)
		assert_int_equal(qos_sched_add_vm(s, i, now_ns), 0);
	// The boot class: 30 % reserved, a limit of 60 %.
	class_is(BOOT, (struct qos_node_params){ 3 * G, 6 * G, 16, 0, 0 });
	class_is(STORAGE, (struct qos_node_params){ 3 * G, 0, 16, 0, 0 });
	class_is(BULK, (struct qos_node_params){ G, 0, 4, 0, 0 });
}

static void end(void)
{
	struct qos_pkt *p;

	qos_sched_flush(s);
	while ((p = qos_sched_take_dropped(s)) != NULL)
		;
	assert_int_equal(qos_sched_queued(s), 0);
	free(mem);
}

static int deadline(uint32_t vm, uint64_t at_ns)
{
	return qos_sched_set_deadline(s, vm, BOOT, at_ns, now_ns);
}

static struct qos_pkt *packet(uint32_t vm, uint32_t cls, uint32_t i)
{
	struct qos_pkt *p = &pkts[(vm * QOS_SCHED_CLASSES + cls) * 64 + i];

	*p = (struct qos_pkt){
		.wire_bytes = WIRE, .flow_hash = i, .vm_idx = (uint16_t)vm, .cls = (uint8_t)cls
	};
	return p;
}

// n packets of a VM stand from now on, and always: run() puts back what leaves.
static void fill(uint32_t vm, uint32_t cls, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(qos_sched_enqueue(s, packet(vm, cls, i), now_ns), 0);
}

static void run(uint64_t for_ns)
{
	uint64_t until_ns = now_ns + for_ns, next_ns;

	memset(sent_bytes, 0, sizeof(sent_bytes));
	while (now_ns < until_ns) {
		struct qos_pkt *p = qos_sched_dequeue(s, now_ns);

		if (p != NULL) {
			sent_bytes[p->vm_idx][p->cls] += p->wire_bytes;
			assert_int_equal(qos_sched_enqueue(s, p, now_ns), 0);
			continue;
		}
		next_ns = qos_sched_next_ns(s);
		now_ns = next_ns > now_ns ? next_ns : now_ns + 1;
	}
}

// In Gbit/s, of the last run of 100 ms.
static double rate(uint32_t vm, uint32_t cls)
{
	return (double)sent_bytes[vm][cls] * 8 / 0.1 / 1e9;
}

static double reserved_rate(uint32_t vm, uint64_t before_bytes)
{
	struct qos_leaf_stats st;

	assert_int_equal(qos_sched_leaf_stats(s, vm, BOOT, &st), 0);
	return (double)(st.reserved_bytes - before_bytes) * 8 / 0.1 / 1e9;
}

static uint64_t reserved_bytes(uint32_t vm)
{
	struct qos_leaf_stats st;

	assert_int_equal(qos_sched_leaf_stats(s, vm, BOOT, &st), 0);
	return st.reserved_bytes;
}

#define assert_near(x, to, part) assert_true((x) > (to) * (1 - (part)) && (x) < (to) * (1 + (part)))

// The earliest deadline has the reservation, 3 of 10 Gbit/s; by shares the class gets up to its
// limit of 6, and those 3 go to the others.
static void the_earliest_deadline_has_the_reservation(void **state)
{
	double sum = 0;

	(void)state;
	begin(10 * G);
	for (uint32_t vm = 0; vm < 5; vm++) {
		assert_int_equal(deadline(vm, vm == 3 ? 5 * S : (10 + vm) * S), 0);
		fill(vm, BOOT, 8);
	}
	fill(10, BULK, 16);
	run(10 * MS);
	for (uint32_t vm = 0; vm < 5; vm++)
		sum += (double)reserved_bytes(vm);
	assert_true((double)reserved_bytes(3) > 0.99 * sum);
	run(100 * MS);
	assert_near(rate(3, BOOT), 3, 0.02);
	for (uint32_t vm = 0; vm < 5; vm++)
		if (vm != 3)
			assert_near(rate(vm, BOOT), 0.75, 0.02); // nobody starves
	assert_near(rate(10, BULK), 4, 0.02);
	end();
}

// A leaf's own reservation comes before any deadline; who has none comes last.
static void own_reservations_first_and_those_without_a_deadline_last(void **state)
{
	struct qos_node_params own = { G, 0, 1, 0, 0 };
	uint64_t before[3];

	(void)state;
	begin(10 * G);
	class_is(BOOT, (struct qos_node_params){ 3 * G, 3 * G, 16, 0, 0 }); // band A is all it has
	assert_int_equal(qos_sched_set_leaf(s, 0, BOOT, &own, now_ns), 0);
	assert_int_equal(deadline(1, 20 * S), 0);
	for (uint32_t vm = 0; vm < 3; vm++)
		fill(vm, BOOT, 8);
	fill(10, BULK, 16);
	run(10 * MS);
	for (uint32_t vm = 0; vm < 3; vm++)
		before[vm] = reserved_bytes(vm);
	run(100 * MS);
	assert_near(reserved_rate(0, before[0]), 1, 0.02);
	assert_near(reserved_rate(1, before[1]), 2, 0.02);
	assert_true(reserved_rate(2, before[2]) < 0.02);
	// Without deadlines the rest of the reservation is shared, and VM 0 has got more than that.
	assert_int_equal(deadline(1, 0), 0);
	run(10 * MS);
	for (uint32_t vm = 1; vm < 3; vm++)
		before[vm] = reserved_bytes(vm);
	run(100 * MS);
	for (uint32_t vm = 1; vm < 3; vm++)
		assert_near(reserved_rate(vm, before[vm]), 1, 0.05);
	end();
}

// However many boot, the others keep what is theirs.
static void those_that_boot_take_nothing_from_others(void **state)
{
	(void)state;
	for (uint32_t with = 0; with < 2; with++) {
		begin(10 * G);
		for (uint32_t vm = 0; vm < 64; vm++) {
			assert_int_equal(deadline(vm, with == 0 ? 0 : (2 + vm) * S), 0);
			fill(vm, BOOT, 8);
		}
		fill(70, STORAGE, 16);
		fill(71, BULK, 16);
		run(10 * MS);
		run(100 * MS);
		// Shares 16, 16, 4: with deadlines or without.
		assert_near(rate(70, STORAGE), 10 * 16 / 36.0, 0.01);
		assert_near(rate(71, BULK), 10 * 4 / 36.0, 0.01);
		end();
	}
}

// In any order of setting, changing and taking back, service is in order of deadlines. The link is
// all reserved as far as may be, so that of each millisecond three quarters go by deadline.
static void order_survives_any_change(void **state)
{
	static const uint32_t at[] = { 7, 3, 9, 1, 5, 3, 8 };

	(void)state;
	begin(10 * G);
	for (uint32_t vm = 0; vm < 7; vm++) {
		assert_int_equal(deadline(vm, 1000 * S), 0);
		assert_int_equal(deadline(vm, at[vm] * S), 0);
		fill(vm, BOOT, 4);
	}
	for (uint32_t round = 0; round < 7; round++) {
		// 3 before 9, 1 first; of VMs 1 and 5, which are equal, the first that was set.
		static const uint32_t order[] = { 3, 1, 5, 4, 0, 6, 2 };
		struct qos_pkt *p;

		now_ns += MS;
		p = qos_sched_dequeue(s, now_ns);
		assert_non_null(p);
		assert_int_equal(p->vm_idx, order[round]);
		assert_int_equal(qos_sched_enqueue(s, p, now_ns), 0);
		assert_int_equal(deadline(order[round], 0), 0);
	}
	end();
}

// Empty, and back; parked by a limit, and back; its VM parked by its own; blocked; flushed.
static void a_leaf_that_comes_back_has_its_deadline_still(void **state)
{
	struct qos_node_params slow = { 0, 10000000, 1, 1538, 0 }, fast = { 0, 0, 1, 0, 0 };
	struct qos_pkt *p;

	(void)state;
	begin(10 * G);
	assert_int_equal(deadline(1, 10 * S), 0);
	assert_int_equal(deadline(2, 5 * S), 0);
	for (uint32_t how = 0; how < 6; how++) {
		fill(1, BOOT, 4);
		fill(2, BOOT, 1);
		if (how == 1)
			assert_int_equal(qos_sched_set_leaf(s, 2, BOOT, &slow, now_ns), 0);
		if (how == 2)
			assert_int_equal(qos_sched_set_vm(s, 2, &slow, now_ns), 0);
		if (how == 3) {
			qos_sched_block(s, 1u << BOOT);
			assert_null(qos_sched_dequeue(s, now_ns += MS));
			qos_sched_block(s, 0);
		}
		now_ns += MS;
		p = qos_sched_dequeue(s, now_ns);
		assert_int_equal(p->vm_idx, 2);
		// Its only packet: it left the ready set. The other one is served meanwhile.
		p = qos_sched_dequeue(s, now_ns += 10000);
		assert_int_equal(p->vm_idx, 1);
		fill(2, BOOT, 1);
		p = qos_sched_dequeue(s, now_ns += 100000);
		assert_int_equal(p->vm_idx, how == 1 || how == 2 ? 1 : 2);
		now_ns += 100 * MS;
		if (how == 1 || how == 2) {
			p = qos_sched_dequeue(s, now_ns);
			assert_int_equal(p->vm_idx, 2); // its limit lets it go on
		}
		assert_int_equal(qos_sched_set_leaf(s, 2, BOOT, &fast, now_ns), 0);
		assert_int_equal(qos_sched_set_vm(s, 2, &fast, now_ns), 0);
		if (how == 4)
			assert_int_equal(deadline(2, 6 * S), 0);
		qos_sched_flush(s);
		while (qos_sched_take_dropped(s) != NULL)
			;
		now_ns += MS;
	}
	end();
}

static void a_removed_vm_has_none(void **state)
{
	struct qos_pkt *p;

	(void)state;
	begin(10 * G);
	assert_int_equal(deadline(1, 10 * S), 0);
	assert_int_equal(deadline(2, 5 * S), 0);
	assert_int_equal(qos_sched_set_deadline(s, 2, STORAGE, 5 * S, now_ns), 0);
	fill(1, BOOT, 2);
	fill(2, BOOT, 2);
	assert_int_equal(qos_sched_remove_vm(s, 2, now_ns), 0);
	assert_int_equal(deadline(2, 4 * S), -ENOENT);
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 1);
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 1);
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 2);
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 2);
	// The next one at its index begins without.
	assert_int_equal(qos_sched_add_vm(s, 2, now_ns), 0);
	fill(2, BOOT, 1);
	fill(1, BOOT, 1);
	p = qos_sched_dequeue(s, now_ns += MS);
	assert_int_equal(p->vm_idx, 1);
	end();
}

static void at_most_so_many_and_errors_change_nothing(void **state)
{
	(void)state;
	begin(10 * G);
	assert_int_equal(qos_sched_set_deadline(s, N_VMS, BOOT, S, now_ns), -ENOENT);
	assert_int_equal(qos_sched_set_deadline(s, 0, QOS_SCHED_CLASSES, S, now_ns), -ENOENT);
	for (uint32_t vm = 0; vm < QOS_SCHED_DEADLINES; vm++)
		assert_int_equal(deadline(vm, (100 - vm) * S), 0);
	assert_int_equal(deadline(70, S), -ENOSPC);
	assert_int_equal(qos_sched_set_deadline(s, 0, STORAGE, S, now_ns), -ENOSPC);
	assert_int_equal(deadline(70, 0), 0); // it has none
	for (uint32_t vm = 0; vm < QOS_SCHED_DEADLINES; vm++)
		fill(vm, BOOT, 1);
	fill(70, BOOT, 1);
	assert_int_equal(deadline(0, 1), 0); // one that has one may change it
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 0);
	for (uint32_t vm = QOS_SCHED_DEADLINES - 1; vm > 0; vm--)
		assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, vm);
	assert_int_equal(qos_sched_dequeue(s, now_ns += MS)->vm_idx, 70);
	assert_int_equal(deadline(0, 0), 0);
	assert_int_equal(deadline(70, UINT64_MAX), 0);
	end();
}

// Two classes have deadlines of their own, whatever happens in the other one's.
static void classes_do_not_mix(void **state)
{
	(void)state;
	begin(10 * G);
	for (uint32_t vm = 0; vm < 10; vm++) {
		assert_int_equal(deadline(vm, (20 - vm) * S), 0);
		assert_int_equal(qos_sched_set_deadline(s, vm, STORAGE, (30 + vm) * S, now_ns), 0);
		fill(vm, BOOT, 1);
		fill(vm, STORAGE, 1);
	}
	for (uint32_t i = 0; i < 10; i++) {
		struct qos_pkt *p = qos_sched_dequeue(s, now_ns += MS);

		assert_int_equal(p->cls, BOOT);
		assert_int_equal(p->vm_idx, 9 - i);
		assert_int_equal(deadline(9 - i, 0), 0);
	}
	for (uint32_t i = 0; i < 10; i++) {
		struct qos_pkt *p = qos_sched_dequeue(s, now_ns += MS);

		assert_int_equal(p->cls, STORAGE);
		assert_int_equal(p->vm_idx, i);
	}
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_earliest_deadline_has_the_reservation),
		cmocka_unit_test(own_reservations_first_and_those_without_a_deadline_last),
		cmocka_unit_test(those_that_boot_take_nothing_from_others),
		cmocka_unit_test(order_survives_any_change),
		cmocka_unit_test(a_leaf_that_comes_back_has_its_deadline_still),
		cmocka_unit_test(a_removed_vm_has_none),
		cmocka_unit_test(at_most_so_many_and_errors_change_nothing),
		cmocka_unit_test(classes_do_not_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
