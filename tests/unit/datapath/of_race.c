// Changes of the tables beside real workers: no frame meets a table without its rule, none is lost,
// and counters say so. Run it under the thread sanitizer to look for races.
#include <time.h>

#include "of_rig.h"

enum { ROUNDS = 400 };

static void nap(void)
{
	const struct timespec ts = { .tv_nsec = 100000 };

	nanosleep(&ts, NULL);
	dp_switch_housekeep(sw, dp_switch_now_ns());
}

static void settle(uint64_t version)
{
	for (uint32_t i = 0; i < 100000 && !dp_of_settled(of, version); i++)
		nap();
	assert_true(dp_of_settled(of, version));
}

// From a to b, this way or that.
static struct dp_of_flow *way_add(uint32_t i)
{
	of_any();
	of_match(DP_FLOW_in_port, 1);
	of_begin();
	if (i % 3 == 1)
		of_set(DP_FLOW_eth_dst, 0x020000000009);
	of_out(2);
	if (i % 3 == 2)
		of_write();
	return of_add(0, 7);
}

// Another rule takes the place of the one in force, in one version.
static struct dp_of_flow *replace(struct dp_of_flow *now, uint32_t i, uint64_t *n_met)
{
	uint64_t version, n;
	struct dp_of_flow *f;

	dp_of_flow_end(of, now);
	f = way_add(i);
	version = dp_of_publish(of);
	settle(version);
	n = of_count(now).n_pkts;
	nap();
	assert_int_equal(of_count(now).n_pkts, n); // settled: nobody acts on it
	*n_met += n;
	dp_of_flow_free(of, now);
	return f;
}

static void change(struct dp_of_flow *f, uint32_t i)
{
	of_begin();
	if (i % 2 == 0)
		of_set(DP_FLOW_eth_src, 0x020000000001);
	of_out(2);
	assert_int_equal(dp_of_flow_change(of, f, &of_p.p), 0);
	dp_of_publish(of);
	// A rule that would lose the frame, and is given up.
	of_any();
	of_begin();
	of_add(0, 60000);
	assert_int_equal(dp_of_flow_change(of, f, &of_p.p), 0);
	dp_of_flow_end(of, f);
	assert_true(dp_of_give_up(of, UINT32_MAX));
	of_begin();
	of_out(2);
	assert_int_equal(dp_of_flow_change(of, f, &of_p.p), 0);
	dp_of_publish(of);
}

// The thread sanitizer does not see how workers end (tests/unit/tsan_strict.supp).
static __attribute__((noinline)) void of_after_workers(const struct dp_of_flow *f, uint64_t n_met)
{
	struct dp_port_totals t;

	links[0]->left = 0;
	now_ns = dp_switch_now_ns();
	mem_turns(100000, 1000);
	n_met += of_count(f).n_pkts;
	assert_int_equal(dp_switch_port_totals(sw, 0, &t), 0);
	for (uint32_t i = 0; i < DP_N_DROPS; i++)
		assert_int_equal(t.drop_in[i], 0);
	assert_int_equal(t.c[DP_PC_forwarded_pkts], links[0]->given);
	assert_int_equal(n_met, links[0]->given);
	assert_true(links[0]->given > 1000);
	of_end();
}

static void no_frame_is_lost_by_changes(void **state)
{
	struct dp_of_flow *f;
	struct weir_err err;
	uint64_t n_met = 0;

	(void)state;
	of_make("abcd", 2, DP_VLAN_ACCESS);
	f = way_add(0);
	dp_of_publish(of);
	links[0]->left = UINT64_MAX;
	links[0]->size = 60;
	assert_int_equal(dp_switch_start(sw, &err), 0);
	for (uint32_t i = 1; i < ROUNDS; i++) {
		f = replace(f, i, &n_met);
		if (i % 5 == 0)
			change(f, i);
	}
	dp_switch_stop(sw);
	of_after_workers(f, n_met);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_frame_is_lost_by_changes) };

	return mem_start() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
