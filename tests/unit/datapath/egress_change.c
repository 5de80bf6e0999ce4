// Policy and ports change while frames stand: nothing is lost without a name, nothing overtakes,
// nothing waits for a limit that is gone, and no change makes a burst.
#include <errno.h>
#include <stdio.h>

#include <rte_malloc.h>

#include "../unit.h"
#include "dp_qos_info.h"
#include "egress.h"

#define GBIT 1000000000ull

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

static void vm_limit(const char *name, uint64_t bits_per_s)
{
	struct dp_vm_params v = eg_vm(name);

	v.total.limit_bits_per_s = bits_per_s;
	eg_vm_set(&v);
}

static void two_guests(uint64_t rate)
{
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('B', "vb", QOS_CLASS_BULK);
	uplink_set('U', rate);
	eg_commit();
}

// A's frames stand at the uplink, and nobody offers any more.
static void a_backlog(uint64_t n)
{
	eg_offer('A', GBIT, 1514, 4);
	eg_link('A')->left = n;
	eg_run(n * 20 * US, 5 * US);
	assert_true(eg_queued('U') > 0);
}

// --- what was waited for is gone

static void a_new_rate_ends_the_wait(void **state)
{
	const uint64_t rates[] = { 0, GBIT, 1000 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates); i++) {
		two_guests(1000);
		a_backlog(50);
		uplink_set('U', rates[i]);
		eg_commit();
		eg_run(2 * MS, 5 * US);
		assert_int_equal(eg_queued('U') == 0, rates[i] != 1000);
		eg_end();
	}
}

static void a_new_limit_of_a_class_ends_the_wait(void **state)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	(void)state;
	two_guests(GBIT);
	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.node.limit_bits_per_s = 1000;
	eg_qos_set(classes);
	eg_commit();
	a_backlog(50);
	classes[QOS_CLASS_BULK].sched.node.limit_bits_per_s = 0;
	eg_qos_set(classes);
	eg_commit();
	eg_run(2 * MS, 5 * US);
	assert_int_equal(eg_queued('U'), 0);
	eg_end();
}

// The owner looks at VMs 64 per turn: also one with a high index must not wait for what was due by
// its old limit.
static void a_new_limit_of_any_vm_ends_the_wait(void **state)
{
	(void)state;
	for (uint32_t how = 0; how < 3; how++) {
		eg_begin(1, 8191);
		for (uint32_t i = 0; i < 200; i++) {
			struct dp_vm_params v = eg_vm("");

			snprintf(v.name, sizeof(v.name), "other%u", i);
			eg_vm_set(&v);
		}
		eg_commit();
		guest_add('A', "va", QOS_CLASS_BULK);
		uplink_set('U', GBIT);
		vm_limit("va", 1000);
		eg_commit();
		assert_true(dp_switch_vm_find(eg_sw, "va") > 128);
		a_backlog(50);
		if (how == 0)
			vm_limit("va", 0);
		else
			eg_vm_del("va");
		if (how == 2)
			eg_port_del('A');
		eg_commit();
		eg_run(2 * MS, 5 * US);
		assert_int_equal(eg_queued('U'), 0);
		eg_end();
	}
}

static void a_vm_receives_again_when_its_limit_is_lifted(void **state)
{
	struct dp_vm_params v = eg_vm("vb");

	(void)state;
	two_guests(GBIT);
	v.to_bits_per_s = 1000;
	eg_vm_set(&v);
	eg_commit();
	eg_offer('A', GBIT, 1514, 1);
	eg_link('A')->to = 1;
	eg_link('A')->left = 50;
	eg_run(MS, 5 * US);
	assert_int_equal(eg_queued('B'), 50 - 1); // a new limit has saved nothing
	eg_vm_del("vb");
	eg_commit();
	eg_run(100 * US, 5 * US);
	assert_int_equal(eg_link('B')->taken, 50);
	eg_end();
}

// --- ports and VMs that come and go

// Its last frames leave in order with its first new ones.
static void a_vm_that_comes_back_keeps_order(void **state)
{
	(void)state;
	two_guests(100000000);
	a_backlog(100);
	eg_port_del('A');
	eg_commit();
	eg_run(100 * US, 5 * US);
	guest_add('A', "va", QOS_CLASS_BULK);
	vm_limit("va", 50000000);
	eg_commit();
	eg_offer('A', GBIT, 1514, 4);
	eg_link('A')->left = 100;
	eg_run(100 * MS, 5 * US);
	assert_int_equal(eg_queued('U'), 0);
	assert_int_equal(eg_link('U')->from[0].pkts, 200);
	eg_end();
}

static void another_vm_does_not_wait_for_who_was_there_before(void **state)
{
	(void)state;
	two_guests(GBIT);
	vm_limit("va", 1000);
	eg_commit();
	a_backlog(100);
	eg_port_del('A');
	eg_vm_del("va");
	guest_add('C', "vz", QOS_CLASS_BULK);
	eg_commit();
	eg_offer('C', GBIT / 2, 1514, 4);
	eg_link('C')->left = 100;
	eg_run(5 * MS, 5 * US);
	assert_int_equal(eg_link('U')->from[2].pkts, 100);
	assert_int_equal(eg_link('U')->from[0].pkts, 100);
	eg_end();
}

static void a_removed_uplink_takes_its_backlog_with_it(void **state)
{
	struct dp_port_totals gone;

	(void)state;
	two_guests(1000000);
	a_backlog(200);
	uint64_t taken = eg_link('U')->taken;

	eg_port_del('U');
	eg_commit();
	eg_run(20 * US, 5 * US);
	uplink_set('U', GBIT);
	eg_commit();
	dp_switch_retired_totals(eg_sw, &gone);
	assert_int_equal(gone.drop_out[DP_DROP_port_gone], 200 - taken);
	assert_int_equal(dp_switch_mbufs_in_use(eg_sw), 0);
	eg_offer('A', GBIT, 1514, 4);
	eg_link('A')->left = 100;
	eg_run(3 * MS, 5 * US);
	assert_int_equal(eg_link('U')->taken, 100);
	eg_end();
}

static void a_replaced_uplink_goes_on(void **state)
{
	struct dp_port_params p = eg_uplink('U', GBIT);

	(void)state;
	two_guests(1000000);
	a_backlog(200);
	p.args[0] = 'V';
	eg_port_set(&p);
	eg_commit();
	eg_offer('A', GBIT / 2, 1514, 4);
	eg_link('A')->left = 100;
	eg_run(3 * MS, 5 * US);
	assert_int_equal(eg_link('V')->taken, 100);
	assert_int_equal(eg_link('V')->reordered, 0);
	eg_port_del('A');
	eg_port_del('B');
	eg_port_del('U');
	eg_commit();
	eg_run(20 * US, 5 * US);
	eg_end();
}

// --- random changes under load

static uint64_t seed;

static uint32_t draw(uint32_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(seed >> 33) % n;
}

static void change_something(uint64_t *rate)
{
	const uint64_t rates[] = { 10000000, 100000000, GBIT };
	struct dp_qos_class classes[QOS_N_CLASSES];
	struct dp_vm_params v = eg_vm("va");

	switch (draw(5)) {
	case 0:
		*rate = rates[draw(3)];
		uplink_set('U', *rate);
		break;
	case 1:
		v.total.shares = 1 + draw(100);
		v.leaf[QOS_CLASS_BULK].limit_bits_per_s = 1000000 + draw(100000000);
		eg_vm_set(&v);
		break;
	case 2:
		eg_vm_set(&v);
		eg_vm_del("va");
		break;
	case 3:
		eg_classes(classes);
		classes[QOS_CLASS_BULK].sched.node.shares = 1 + draw(100);
		classes[QOS_CLASS_BULK].sched.node.reservation_bits_per_s = 1000 + draw(5000000);
		classes[QOS_CLASS_STORAGE].sched.node.limit_bits_per_s = 1000000 + draw(5000000);
		eg_qos_set(classes);
		break;
	default:
		vm_limit("vb", 1000 + draw(50000000));
	}
	eg_commit();
}

static void changes_make_no_burst_and_no_gap(void **state)
{
	double may = 0;
	uint64_t rate = GBIT;

	(void)state;
	seed = 5;
	eg_begin(1, 8191);
	guest_add('A', "va", QOS_CLASS_BULK);
	guest_add('B', "vb", QOS_CLASS_STORAGE);
	guest_add('C', "vc", QOS_CLASS_BULK);
	uplink_set('U', rate);
	eg_commit();
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, 2 * GBIT, 1514, 4);
	for (uint32_t i = 0; i < 2000; i++) {
		eg_run(100 * US, 5 * US);
		may += (double)rate / 8 / 10000;
		change_something(&rate);
	}
	assert_true((double)eg_link('U')->wire <= may + 1e9 / 8 / 20000 + 1542);
	assert_true((double)eg_link('U')->wire >= may * 0.995);
	assert_int_equal(eg_dropped_all('U'),
			 eg_dropped('U', DP_DROP_queue_full) + eg_dropped('U', DP_DROP_vm_quota));
	eg_end();
}

// --- nothing stays behind

static size_t mapped_pages(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages;
}

static uint32_t heap_objects(void)
{
	struct rte_malloc_socket_stats st;

	assert_int_equal(rte_malloc_get_socket_stats(0, &st), 0);
	return st.alloc_count;
}

// A plan with a bit of everything.
static void all_in_one(void)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	guest_add('D', "vd", QOS_CLASS_BULK);
	guest_add('E', "", QOS_CLASS_BULK);
	uplink_set('V', GBIT);
	uplink_set('U', 2 * GBIT);
	vm_limit("va", 1000000);
	vm_limit("va", 2000000);
	vm_limit("ve", 3000000);
	eg_vm_del("ve");
	eg_port_del('B');
	eg_classes(classes);
	eg_qos_set(classes);
	eg_qos_set(classes);
}

static void an_undone_change_leaves_nothing(void **state)
{
	(void)state;
	two_guests(100000000);
	a_backlog(200);
	all_in_one();
	eg_rehearse(); // what is made once and kept
	all_in_one();
	eg_prepare_and_abort();

	uint32_t objects = heap_objects();
	size_t pages = mapped_pages();

	for (uint32_t i = 0; i < 20; i++) {
		all_in_one();
		eg_rehearse();
		all_in_one();
		eg_prepare_and_abort();
		eg_run(20 * US, 5 * US);
	}
	assert_int_equal(heap_objects(), objects);
	assert_true(mapped_pages() < pages + 2000); // an uplink's scheduler has 10,000
	eg_end();
}

static void a_change_that_comes_and_goes_leaves_nothing(void **state)
{
	uint32_t objects = 0;
	size_t pages = 0;

	(void)state;
	two_guests(GBIT);
	for (uint32_t i = 0; i < 20; i++) {
		if (i == 1) {
			objects = heap_objects();
			pages = mapped_pages();
		}
		all_in_one();
		eg_commit();
		eg_offer('A', GBIT, 1514, 4);
		eg_run(100 * US, 5 * US);
		eg_port_del('V');
		eg_port_del('D');
		eg_port_del('E');
		eg_vm_del("va");
		guest_add('B', "vb", QOS_CLASS_BULK);
		eg_commit();
		eg_run(20 * US, 5 * US);
		dp_switch_housekeep(eg_sw, eg_now_ns);
	}
	assert_int_equal(heap_objects(), objects);
	assert_true(mapped_pages() < pages + 2000);
	eg_end();
}

// --- as many VMs as there may be

static void name_of(struct dp_vm_params *v, uint32_t i)
{
	*v = eg_vm("");
	snprintf(v->name, sizeof(v->name), "many%u", i);
}

static void the_last_of_4096_vms_has_its_policy(void **state)
{
	struct dp_vm_params v;

	(void)state;
	two_guests(GBIT);
	for (uint32_t i = 0; i < DP_MAX_VMS - 1 - 2; i++) { // va and vb have theirs
		name_of(&v, i);
		eg_vm_set(&v);
	}
	eg_commit();
	name_of(&v, DP_MAX_VMS - 4);
	guest_add('C', v.name, QOS_CLASS_BULK);
	eg_commit();
	assert_int_equal(dp_switch_vm_find(eg_sw, v.name), DP_MAX_VMS - 1);
	v.total.limit_bits_per_s = 100000000;
	eg_vm_set(&v);
	eg_commit();
	eg_offer('A', GBIT, 1514, 4);
	eg_offer('C', GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	uint64_t was = eg_wire('U', 'C');

	eg_run(50 * MS, 5 * US);
	assert_in_range(eg_wire('U', 'C') - was, 620000, 630000);
	// Limits are lifted and set while its frames stand.
	v.total.limit_bits_per_s = 0;
	eg_vm_set(&v);
	eg_commit();
	was = eg_wire('U', 'C');
	eg_run(10 * MS, 5 * US);
	assert_true(eg_wire('U', 'C') - was > 600000);
	eg_end();
}

static void one_vm_too_many_is_refused_and_a_free_index_found(void **state)
{
	struct dp_act_vm_set a = { .h = { DP_ACT_VM_SET, sizeof(a) } };
	struct dp_prepared *prep;
	struct weir_err err;
	struct dp_plan plan;
	struct dp_vm_params v;

	(void)state;
	two_guests(GBIT);
	for (uint32_t i = 0; i < DP_MAX_VMS - 1 - 2; i++) {
		name_of(&v, i);
		eg_vm_set(&v);
	}
	eg_commit();
	dp_plan_init(&plan);
	a.p = eg_vm("one-more");
	assert_int_equal(dp_plan_add(&plan, &a.h), 0);
	assert_int_equal(dp_switch_prepare(eg_sw, &plan, &prep, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "one-more"));
	dp_plan_fini(&plan);
	// A VM goes with frames standing; its index serves another.
	vm_limit("va", 1000000);
	eg_commit();
	a_backlog(100);
	eg_port_del('A');
	eg_vm_del("va");
	eg_commit();
	eg_run(2 * MS, 5 * US);
	guest_add('C', "one-more", QOS_CLASS_BULK);
	vm_limit("one-more", 100000000);
	eg_commit();
	eg_offer('C', GBIT, 1514, 4);
	eg_run(10 * MS, 5 * US);
	assert_int_equal(dp_switch_vm_find(eg_sw, "va"), -ENOENT);
	uint64_t was = eg_wire('U', 'C');

	eg_run(50 * MS, 5 * US);
	assert_in_range(eg_wire('U', 'C') - was, 620000, 630000);
	eg_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_rate_ends_the_wait),
		cmocka_unit_test(a_new_limit_of_a_class_ends_the_wait),
		cmocka_unit_test(a_new_limit_of_any_vm_ends_the_wait),
		cmocka_unit_test(a_vm_receives_again_when_its_limit_is_lifted),
		cmocka_unit_test(a_vm_that_comes_back_keeps_order),
		cmocka_unit_test(another_vm_does_not_wait_for_who_was_there_before),
		cmocka_unit_test(a_removed_uplink_takes_its_backlog_with_it),
		cmocka_unit_test(a_replaced_uplink_goes_on),
		cmocka_unit_test(changes_make_no_burst_and_no_gap),
		cmocka_unit_test(an_undone_change_leaves_nothing),
		cmocka_unit_test(a_change_that_comes_and_goes_leaves_nothing),
		cmocka_unit_test(the_last_of_4096_vms_has_its_policy),
		cmocka_unit_test(one_vm_too_many_is_refused_and_a_free_index_found),
	};

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
