// What a VM may send: real worker turns, simulated time, links in memory.
#include "../unit.h"
#include "mem_switch.h"

// units = what was sent, in 1/8 of what the rate counts.
static void assert_rate(uint64_t sent, uint64_t rate, uint64_t ns, uint64_t slack)
{
	uint64_t want = (uint64_t)((unsigned __int128)rate * ns / (8 * S));

	if (sent > want + slack || sent + slack < want)
		fail_msg("rate %lu: %lu in %lu ns, not %lu +- %lu", (unsigned long)rate,
			 (unsigned long)sent, (unsigned long)ns, (unsigned long)want,
			 (unsigned long)slack);
}

// --- the VM's total

static void a_vm_over_its_total_is_not_polled_and_loses_nothing(void **state)
{
	const uint64_t rates[] = { 1000000, 100000000, 1000000007, 10 * S, 40 * S };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates); i++) {
		struct dp_vm_params p = { .name = "v", .from_bits_per_s = rates[i] };
		uint64_t ns = 20 * S / (rates[i] / 1000000) * 100, burst, held;

		ns = RTE_MIN(ns, 2000 * MS);
		mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		mem_vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		burst = qos_rate_burst(rates[i], 0) + 33 * 1538;
		mem_turns(ns, 500 + ns / 100000);
		assert_rate(links[0]->given * 1538, rates[i], ns, burst);
		assert_int_equal(links[1]->taken, links[0]->given);
		held = mem_counter(0, DP_PC_rx_held_ns);
		assert_true(held > ns / 2 && held <= ns);
		mem_ports_end();
	}
}

static void packets_are_limited_as_bytes_are(void **state)
{
	const uint32_t rates[] = { 1, 1000, 123457, 5000000 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(rates); i++) {
		struct dp_vm_params p = { .name = "v", .from_pps = rates[i] };
		uint64_t ns = rates[i] == 1 ? 100 * S : 100 * MS;

		mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		mem_vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		links[0]->size = 60;
		mem_turns(ns, ns / 100000);
		assert_rate(links[0]->given, rates[i] * 8ull, ns,
			    qos_rate_burst(rates[i] * 8ull, 8) + 32);
		mem_ports_end();
	}
}

static void the_tighter_of_two_limits_holds(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_pps = 10000, .from_bits_per_s = 10 * S };

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	mem_turns(100 * MS, 1000);
	assert_rate(links[0]->given, 80000, 100 * MS, 40);
	p.from_pps = 1000000;
	p.from_bits_per_s = 100000000;
	mem_vm_set(0, 1, &p);
	links[0]->given = 0;
	mem_turns(100 * MS, 1000);
	assert_rate(links[0]->given * 1538, 100000000, 100 * MS, 41 * 1538);
	mem_ports_end();
}

// 54 bytes of headers and 60,000 of payload: 42 frames.
static void super_frames_are_paid_for_as_what_they_become(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 10 * S };
	const uint64_t wire = 60000 + 42 * (54 + 24);

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	links[0]->size = 60054;
	links[0]->segsz = 1448;
	mem_turns(100 * MS, 1000);
	assert_rate(links[0]->given * wire, 10 * S, 100 * MS, 25000 + 17 * wire);
	assert_int_equal(links[1]->taken, links[0]->given);
	mem_ports_end();
}

// Requests that fit no packet are charged as the frame that they came with, and dropped.
static void nonsense_requests_are_charged_and_bounded(void **state)
{
	const uint16_t segsz[] = { 1, 63, 64, 65535 };

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(segsz); i++) {
		struct dp_vm_params p = { .name = "v", .from_bits_per_s = S };

		mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
		mem_vm_set(0, 1, &p);
		links[0]->left = UINT64_MAX;
		links[0]->size = 9014;
		links[0]->segsz = segsz[i];
		mem_turns(20 * MS, 1000);
		assert_true(links[0]->given * 9038 < 2500000 + 25000 + 32 * 20000);
		assert_true(links[0]->given > 50);
		mem_ports_end();
	}
}

static void the_ports_of_a_vm_share_its_total(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	mem_vm_set(1, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	mem_turns(200 * MS, 1000);
	assert_rate((links[0]->given + links[1]->given) * 1538, 100000000, 200 * MS, 48 * 1538);
	// One alone has all of it.
	links[0]->left = 0;
	links[1]->given = 0;
	mem_turns(200 * MS, 1000);
	assert_rate(links[1]->given * 1538, 100000000, 200 * MS, 48 * 1538);
	mem_ports_end();
}

// Ports of one VM at two workers: half the total each.
static void workers_share_a_total(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	mem_ports_make("abc", 2, 0, DP_VLAN_ACCESS);
	assert_int_not_equal(dp_root(sw)->views[0]->port->owner,
			     dp_root(sw)->views[1]->port->owner);
	mem_vm_set(0, 1, &p);
	mem_vm_set(1, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	mem_turns(200 * MS, 1000);
	assert_rate(links[0]->given * 1538, 50000000, 200 * MS, 24 * 1538);
	assert_rate(links[1]->given * 1538, 50000000, 200 * MS, 24 * 1538);
	mem_turns(MS, 1000);
	mem_ports_end();
}

static void a_neighbour_does_not_wait_for_who_is_held_back(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000000 };

	(void)state;
	mem_ports_make("abc", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = links[1]->left = UINT64_MAX;
	mem_turns(MS, 1000);
	assert_int_equal(links[1]->given, 32 * 1000);
	assert_int_equal(mem_counter(1, DP_PC_rx_held_ns), 0);
	mem_ports_end();
}

// A change every 100 us: never more than the rates of that time and one burst.
static void a_change_of_rate_makes_no_burst(void **state)
{
	struct dp_vm_params p = { .name = "v" };
	uint64_t may = 0, seed = 7;

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	links[0]->left = UINT64_MAX;
	for (uint32_t i = 0; i < 2000; i++) {
		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		p.from_bits_per_s = 1000000 + (seed >> 33) % (i % 2 ? 10 * S : 100000000);
		mem_vm_set(0, 1, &p);
		mem_turns(100000, 1000);
		may += p.from_bits_per_s / 80000;
	}
	assert_true(links[0]->given * 1538 <= may + 25000 + 33 * 1538);
	assert_true(links[0]->given * 1538 >= may - may / 20);
	mem_ports_end();
}

static void lifting_a_limit_ends_the_wait(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000 };
	uint64_t held;

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	mem_turns(10 * MS, 1000);
	assert_true(links[0]->given <= 32 + 8); // the first burst is taken before anybody counts
	links[0]->given = 0;
	p.from_bits_per_s = 0;
	mem_vm_set(0, 1, &p);
	mem_turns(MS, 1000);
	assert_int_equal(links[0]->given, 32 * 1000);
	held = mem_counter(0, DP_PC_rx_held_ns);
	mem_turns(MS, 1000);
	assert_int_equal(mem_counter(0, DP_PC_rx_held_ns), held);
	mem_ports_end();
}

static void another_vm_at_the_same_index_owes_nothing(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000 };

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = UINT64_MAX;
	mem_turns(10 * MS, 1000);
	links[0]->given = 0;
	memcpy(p.name, "w", 2);
	mem_vm_set(0, 1, &p);
	mem_turns(10 * MS, 1000);
	assert_int_equal(links[0]->given, 8); // 98 s for them; the other's debt was 98 s more
	mem_ports_end();
}

// A guest that has been silent for hours may send a burst, not hours of it.
static void a_rest_earns_one_burst(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 100000000 };

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	links[0]->left = 1;
	mem_turns(MS, 1000);
	now_ns += 10000 * S;
	links[0]->left = UINT64_MAX;
	links[0]->given = 0;
	mem_turns(10 * MS, 1000);
	assert_rate(links[0]->given * 1538, 100000000, 10 * MS, 17 * 1538);
	mem_ports_end();
}

// A worker with nobody but a held-back VM naps no longer than until that may send.
static void the_time_of_release_is_known(void **state)
{
	struct dp_vm_params p = { .name = "v", .from_bits_per_s = 1000000 };
	uint64_t release;

	(void)state;
	mem_ports_make("ab", 1, 0, DP_VLAN_ACCESS);
	mem_vm_set(0, 1, &p);
	mem_turns(MS, 1000);
	assert_true(sw->workers[0].release_ns == UINT64_MAX);
	links[0]->left = UINT64_MAX;
	mem_turns(MS, 1000);
	release = sw->workers[0].release_ns;
	assert_true(release > now_ns && release < now_ns + S);
	links[0]->given = 0;
	now_ns = release - 1;
	dp_switch_turn(sw, 0, now_ns);
	assert_int_equal(links[0]->given, 0);
	dp_switch_turn(sw, 0, now_ns + 1);
	assert_int_equal(links[0]->given, 8);
	mem_ports_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_over_its_total_is_not_polled_and_loses_nothing),
		cmocka_unit_test(packets_are_limited_as_bytes_are),
		cmocka_unit_test(the_tighter_of_two_limits_holds),
		cmocka_unit_test(super_frames_are_paid_for_as_what_they_become),
		cmocka_unit_test(nonsense_requests_are_charged_and_bounded),
		cmocka_unit_test(the_ports_of_a_vm_share_its_total),
		cmocka_unit_test(workers_share_a_total),
		cmocka_unit_test(a_neighbour_does_not_wait_for_who_is_held_back),
		cmocka_unit_test(a_change_of_rate_makes_no_burst),
		cmocka_unit_test(lifting_a_limit_ends_the_wait),
		cmocka_unit_test(another_vm_at_the_same_index_owes_nothing),
		cmocka_unit_test(a_rest_earns_one_burst),
		cmocka_unit_test(the_time_of_release_is_known),
	};

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
