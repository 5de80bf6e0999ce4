// What leaves a rated uplink, and when: real worker turns, simulated time, links in memory.
#include "../unit.h"
#include "egress.h"

#define GBIT 1000000000ull

static void assert_near(const char *what, uint64_t is, uint64_t want, double part)
{
	double off = (double)is / (double)want - 1;

	if (off > part || off < -part)
		fail_msg("%s: %lu, not %lu within %.2f %%", what, (unsigned long)is,
			 (unsigned long)want, part * 100);
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

// Three guests of a VM each, and an uplink of that rate.
static void three_guests(uint64_t rate, enum qos_class a, enum qos_class b, enum qos_class c)
{
	eg_begin(1, 8191);
	guest_add('A', "va", a);
	guest_add('B', "vb", b);
	guest_add('C', "vc", c);
	uplink_set('U', rate);
	eg_commit();
}

// Bytes that the uplink took of A, B and C, in that time.
struct taken {
	uint64_t of[3], all;
};

static struct taken take(uint64_t for_ns, uint64_t step_ns)
{
	struct taken t = { .all = eg_link('U')->wire };

	for (uint32_t i = 0; i < 3; i++)
		t.of[i] = eg_wire('U', (char)('A' + i));
	eg_run(for_ns, step_ns);
	for (uint32_t i = 0; i < 3; i++)
		t.of[i] = eg_wire('U', (char)('A' + i)) - t.of[i];
	t.all = eg_link('U')->wire - t.all;
	return t;
}

// --- the rate of the link

static void a_rated_uplink_carries_its_rate(void **state)
{
	const struct {
		uint64_t rate;
		uint32_t size;
		uint64_t ns, step_ns;
	} cases[] = { { 10000000, 1514, S, 10 * US },
		      { GBIT, 1514, S / 4, 5 * US },
		      { GBIT, 60, S / 20, 5 * US },
		      { 10 * GBIT, 1514, 30 * MS, 2 * US },
		      { 10 * GBIT, 1514, 30 * MS, 40 * US } }; // a late loop catches up on 50 us

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(cases); i++) {
		three_guests(cases[i].rate, QOS_CLASS_BULK, QOS_CLASS_BULK, QOS_CLASS_BULK);
		for (char c = 'A'; c < 'D'; c++)
			eg_offer(c, cases[i].rate * 2 / 3, cases[i].size, 4);
		eg_run(2 * MS, cases[i].step_ns);
		struct taken t = take(cases[i].ns, cases[i].step_ns);

		assert_near("rate", t.all * 8, cases[i].rate / 1000 * (cases[i].ns / MS), 0.0025);
		assert_near("share", t.of[0], t.all / 3, 0.01);
		eg_end();
	}
}

static void an_uplink_without_a_rate_carries_all(void **state)
{
	(void)state;
	three_guests(0, QOS_CLASS_BULK, QOS_CLASS_STORAGE, QOS_CLASS_BULK);
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, 10 * GBIT, 1514, 4);
	eg_run(10 * MS, 2 * US);
	for (char c = 'A'; c < 'D'; c++)
		assert_int_equal(eg_link('U')->from[c - 'A'].pkts, eg_link(c)->given);
	eg_end();
}

// --- reservations, shares, limits

static void storage_keeps_its_reservation_beside_floods(void **state)
{
	struct dp_vm_params v = eg_vm("va");
	uint64_t lost;

	(void)state;
	three_guests(GBIT, QOS_CLASS_STORAGE, QOS_CLASS_STORAGE, QOS_CLASS_BULK);
	v.leaf[QOS_CLASS_STORAGE].reservation_bits_per_s = 600000000;
	eg_vm_set(&v);
	eg_commit();
	eg_offer('A', 500000000, 1514, 4);
	eg_offer('B', 2 * GBIT, 1514, 4);
	eg_offer('C', 2 * GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	lost = eg_link('A')->given - eg_link('U')->from[0].pkts;
	struct taken t = take(S / 10, 5 * US);

	assert_near("storage", t.of[0] * 8, 50000000ull * 1542 / 1538, 0.001); // tagged
	assert_near("link", t.all * 8, 100000000, 0.0025);
	assert_true(eg_link('A')->given - eg_link('U')->from[0].pkts <= lost + 4);
	assert_true(t.of[1] > t.of[2]); // by shares of classes, 16 and 4
	eg_end();
}

static void bulk_keeps_its_floor(void **state)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	(void)state;
	three_guests(GBIT, QOS_CLASS_STORAGE, QOS_CLASS_BOOT, QOS_CLASS_BULK);
	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.node.reservation_bits_per_s = 200000000;
	eg_qos_set(classes);
	eg_commit();
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	struct taken t = take(S / 10, 5 * US);

	assert_near("bulk", t.of[2] * 8, 20000000, 0.01);
	assert_near("storage beside boot", t.of[0], t.of[1], 0.01);
	eg_end();
}

static void classes_and_vms_share_by_weight(void **state)
{
	struct dp_vm_params v = eg_vm("vb");

	(void)state;
	three_guests(GBIT, QOS_CLASS_BULK, QOS_CLASS_BULK, QOS_CLASS_SCAVENGER);
	v.total.shares = 3;
	eg_vm_set(&v);
	eg_commit();
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	struct taken t = take(S / 10, 5 * US);

	assert_near("scavenger", t.of[2], t.all / 5, 0.01);
	assert_near("vb", t.of[1], t.of[0] * 3, 0.01);
	eg_end();
}

static void a_vm_class_and_a_vm_have_limits(void **state)
{
	struct dp_vm_params a = eg_vm("va"), b = eg_vm("vb");

	(void)state;
	three_guests(GBIT, QOS_CLASS_BULK, QOS_CLASS_BULK, QOS_CLASS_BULK);
	a.leaf[QOS_CLASS_BULK].limit_bits_per_s = 100000000;
	b.total.limit_bits_per_s = 50000000;
	eg_vm_set(&a);
	eg_vm_set(&b);
	eg_commit();
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	struct taken t = take(S / 5, 5 * US);

	assert_near("leaf", t.of[0] * 8, 20000000, 0.0025);
	assert_near("VM", t.of[1] * 8, 10000000, 0.0025);
	assert_near("link", t.all * 8, 200000000, 0.0025);
	eg_end();
}

static void a_class_has_a_limit_on_links_without_a_rate(void **state)
{
	struct dp_qos_class classes[QOS_N_CLASSES];

	(void)state;
	three_guests(0, QOS_CLASS_STORAGE, QOS_CLASS_BULK, QOS_CLASS_BULK);
	eg_classes(classes);
	classes[QOS_CLASS_BULK].sched.node.limit_bits_per_s = 100000000;
	eg_qos_set(classes);
	eg_commit();
	for (char c = 'A'; c < 'D'; c++)
		eg_offer(c, GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	struct taken t = take(S / 10, 5 * US);

	assert_near("bulk", (t.of[1] + t.of[2]) * 8, 10000000, 0.0025);
	assert_near("storage", t.of[0] * 8, 100000000ull * 1542 / 1538, 0.001);
	assert_int_equal(eg_link('U')->from[0].pkts, eg_link('A')->given);
	eg_end();
}

// To a guest: what its VM may receive, all ports of all senders together.
static void a_vm_receives_its_total_and_no_more(void **state)
{
	struct dp_vm_params v = eg_vm("vc");

	(void)state;
	three_guests(GBIT, QOS_CLASS_BULK, QOS_CLASS_STORAGE, QOS_CLASS_BULK);
	v.to_bits_per_s = 100000000;
	eg_vm_set(&v);
	eg_commit();
	eg_link('A')->to = eg_link('B')->to = 'C' - 'A';
	eg_offer('A', GBIT, 1514, 4);
	eg_offer('B', GBIT, 1514, 4);
	eg_run(2 * MS, 5 * US);
	uint64_t was = eg_link('C')->wire, n;

	eg_run(S / 10, 5 * US);
	assert_near("total", (eg_link('C')->wire - was) * 8, 10000000, 0.0025);
	v.to_bits_per_s = 0;
	v.to_pps = 1000;
	eg_vm_set(&v);
	eg_commit();
	eg_run(S / 10, 5 * US);
	n = eg_link('C')->taken;
	eg_run(S, 10 * US);
	assert_near("packets", eg_link('C')->taken - n, 1000, 0.002);
	eg_end();
}

static void an_uplink_writes_the_class_into_the_tag(void **state)
{
	(void)state;
	three_guests(GBIT, QOS_CLASS_LATENCY, QOS_CLASS_SCAVENGER, QOS_CLASS_BULK);
	eg_offer('A', GBIT, 1514, 1);
	eg_run(MS, 5 * US);
	assert_memory_equal(eg_link('U')->last + 12, "\x81\0\xa0\x14", 4);
	eg_offer('A', 0, 1514, 1);
	eg_offer('B', GBIT, 1514, 1);
	eg_run(20 * MS, 5 * US);
	assert_memory_equal(eg_link('U')->last + 12, "\x81\0\x20\x14", 4);
	eg_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rated_uplink_carries_its_rate),
		cmocka_unit_test(an_uplink_without_a_rate_carries_all),
		cmocka_unit_test(storage_keeps_its_reservation_beside_floods),
		cmocka_unit_test(bulk_keeps_its_floor),
		cmocka_unit_test(classes_and_vms_share_by_weight),
		cmocka_unit_test(a_vm_class_and_a_vm_have_limits),
		cmocka_unit_test(a_class_has_a_limit_on_links_without_a_rate),
		cmocka_unit_test(a_vm_receives_its_total_and_no_more),
		cmocka_unit_test(an_uplink_writes_the_class_into_the_tag),
	};

	return eg_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
