// Policy changes and readers of statistics beside real workers, with standing queues. At the end
// every frame is accounted for, in order, and every buffer is back. Run it under the thread
// sanitizer to look for races.
#include <stdio.h>
#include <time.h>

#include "../unit.h"
#include "dp_qos_info.h"
#include "egress.h"

enum { ROUNDS = 150 };

static void settle(void)
{
	const struct timespec nap = { .tv_nsec = 200000 };

	nanosleep(&nap, NULL);
	dp_switch_housekeep(eg_sw, dp_switch_now_ns());
}

// No worker serves a port that was deleted; a new one of that name goes on with its numbers.
static void reclaim(void)
{
	for (uint32_t k = 0; k < 20000 && eg_sw->retired != NULL; k++)
		settle();
	assert_null(eg_sw->retired);
}

static void guest_add(char port, const char *vm, enum qos_class cls)
{
	struct dp_port_params p = eg_guest(port, vm, cls);

	eg_port_set(&p);
}

static void uplink_set(char port, uint64_t rate)
{
	struct dp_port_params p = eg_uplink(port, rate);

	eg_port_set(&p);
}

static void read_all(void)
{
	static struct dp_qos_queues q; // what it says is of no interest here
	struct dp_port_totals t;
	struct dp_qos_sender sender;
	struct dp_qos_link link;

	for (uint16_t i = 0; i < 6; i++) {
		(void)dp_switch_port_totals(eg_sw, i, &t);
		(void)dp_switch_qos_link(eg_sw, i, &link);
		(void)dp_switch_qos_sum(eg_sw, i, &q);
		(void)dp_switch_qos_sender(eg_sw, i, &sender);
		for (uint16_t vm = 0; vm < 8; vm++)
			(void)dp_switch_qos_queues(eg_sw, i, vm, &q);
	}
}

static void change(uint32_t i)
{
	const uint64_t rates[] = { 10000000, 1000000000, 1000, 0 };
	struct dp_qos_class classes[QOS_N_CLASSES];
	struct dp_vm_params v = eg_vm("va");
	char name[16];

	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.node.shares = 1 + i % 7;
	classes[QOS_CLASS_BULK].sched.codel.target_ns = 1000000 * (i % 2);
	classes[QOS_CLASS_BULK].sched.codel.interval_ns = 5000000;
	eg_qos_set(classes);
	uplink_set('U', rates[i % 4]);
	v.total.limit_bits_per_s = 1000000 + i;
	v.to_bits_per_s = i % 3 == 0 ? 50000000 : 0;
	eg_vm_set(&v);
	if (i % 2 == 1)
		eg_vm_del("va");
	// A VM that was never here: its memory is populated while the owner runs.
	snprintf(name, sizeof(name), "new%u", i);
	guest_add('C', name, QOS_CLASS_BULK);
	guest_add('D', "vd", QOS_CLASS_BULK); // comes back, and its last frames stand yet
	eg_commit();
}

static void changes_beside_workers(uint32_t n_workers)
{
	struct dp_port_totals t;
	struct weir_err err;

	eg_begin(n_workers, 8191);
	eg_left = UINT64_MAX;
	eg_unordered = 1u << ('C' - 'A');
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('B', "vb", QOS_CLASS_STORAGE);
	uplink_set('U', 100000000);
	uplink_set('V', 0);
	eg_commit();
	assert_int_equal(dp_switch_start(eg_sw, &err), 0);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		change(i);
		read_all();
		settle();
		if (i % 8 == 7) { // with what stands
			eg_port_del('V');
			eg_commit();
			reclaim();
			uplink_set('V', 100000000);
		}
		eg_port_del('C');
		eg_port_del('D');
		eg_commit();
		reclaim();
	}
	dp_switch_stop(eg_sw);
	assert_int_equal(dp_switch_port_totals(eg_sw, eg_idx('U'), &t), 0);
	assert_true(t.c[DP_PC_handed_pkts] > 1000 && t.c[DP_PC_tx_pkts] > 1000);
	eg_end();
}

static void one_worker(void **state)
{
	(void)state;
	changes_beside_workers(1);
}

static void two_workers(void **state)
{
	(void)state;
	changes_beside_workers(2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one_worker),
					    cmocka_unit_test(two_workers) };

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
