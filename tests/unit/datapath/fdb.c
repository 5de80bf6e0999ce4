#include <errno.h>

#include <rte_eal.h>

#include "../unit.h"
#include "dp_fdb.h"
#include "weir_rcu.h"

static struct rte_rcu_qsbr *rcu;

static uint64_t key(uint32_t n)
{
	const uint8_t mac[6] = {
		2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n
	};

	return dp_fdb_key(1, mac);
}

static uint16_t where(struct dp_fdb *f, uint64_t k)
{
	struct dp_fdb_entry *e = dp_fdb_lookup(f, k);

	return e == NULL ? 0xffff : DP_FDB_PORT(e->where);
}

static void it_holds_its_limit_and_finds_all(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(65536, rcu, &f), 0);
	for (uint32_t i = 0; i < 65536; i++)
		assert_int_equal(dp_fdb_learn(f, key(i), (uint16_t)(i % 1000), 0, 1), 0);
	for (uint32_t i = 0; i < 65536; i++)
		assert_int_equal(where(f, key(i)), i % 1000);
	assert_int_equal(dp_fdb_count(f), 65536);
	assert_int_equal(dp_fdb_evictions(f), 0);
	dp_fdb_destroy(f);
}

static void a_flooder_evicts_only_itself(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(1024, rcu, &f), 0);
	for (uint32_t i = 0; i < 100; i++)
		dp_fdb_learn(f, key(i), 7, 0, 1);
	for (uint32_t i = 1000; i < 101000; i++)
		assert_int_equal(dp_fdb_learn(f, key(i), 9, 0, 1), 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(where(f, key(i)), 7);
	assert_int_equal(dp_fdb_port_count(f, 9), 924);
	dp_fdb_destroy(f);
}

static void pinned_addresses_do_not_move_age_or_go(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(16, rcu, &f), 0);
	assert_int_equal(dp_fdb_learn(f, key(1), 5, 0, 1), 0);
	assert_int_equal(dp_fdb_pin(f, key(1), 3), 0);
	assert_int_equal(dp_fdb_pin(f, key(1), 4), -EEXIST);
	assert_int_equal(dp_fdb_learn(f, key(1), 5, 0, 1), -EPERM);
	for (uint32_t i = 10; i < 1000; i++)
		dp_fdb_learn(f, key(i), 5, 0, 1);
	dp_fdb_age(f, UINT32_MAX, 10, 100000);
	assert_int_equal(where(f, key(1)), 3);
	assert_int_equal(dp_fdb_count(f), 1);
	dp_fdb_unpin(f, key(1));
	assert_int_equal(where(f, key(1)), 0xffff);
	dp_fdb_destroy(f);
}

static uint32_t state_of(struct dp_fdb *f, uint64_t k)
{
	struct dp_fdb_entry *e = dp_fdb_lookup(f, k);

	assert_non_null(e);
	return e->where;
}

// Fixed to port 3, and heard at 9 while it is away.
static void a_fixed_address_goes_and_comes_home(void **state)
{
	const uint32_t home = 3 | DP_FDB_STATIC, there = 9 | DP_FDB_STATIC | DP_FDB_AWAY,
		       nowhere = DP_FDB_NOWHERE | DP_FDB_STATIC | DP_FDB_AWAY;
	struct dp_fdb_row rows[4];
	struct dp_fdb *f;
	uint32_t slot = 0;

	(void)state;
	assert_int_equal(dp_fdb_create(16, rcu, &f), 0);
	assert_int_equal(dp_fdb_fix(f, key(1), 3, DP_FDB_NOWHERE), 0);
	assert_int_equal(state_of(f, key(1)), nowhere);
	assert_int_equal(dp_fdb_dump(f, &slot, 1, rows, 4), 0);
	assert_int_equal(dp_fdb_learn(f, key(1), 9, 0, 1), -EPERM);
	assert_int_equal(dp_fdb_fix(f, key(1), 4, 4), -EEXIST);
	// A worker moves it there; what it believed before is no longer so.
	assert_true(dp_fdb_move_fixed(dp_fdb_lookup(f, key(1)), nowhere, there));
	assert_false(dp_fdb_move_fixed(dp_fdb_lookup(f, key(1)), nowhere, home));
	dp_fdb_touch(dp_fdb_lookup(f, key(1)), 100);
	slot = 0;
	assert_int_equal(dp_fdb_dump(f, &slot, 100, rows, 4), 1);
	assert_int_equal(rows[0].port, 9);
	assert_false(rows[0].is_static);
	assert_int_equal(dp_fdb_port_count(f, 3), 1);
	assert_int_equal(dp_fdb_port_count(f, 9), 0);
	// Nobody hears it any more: it is nowhere, and still its home's alone.
	dp_fdb_age(f, UINT32_MAX, 10, 109);
	assert_int_equal(state_of(f, key(1)), there);
	dp_fdb_age(f, UINT32_MAX, 10, 111);
	assert_int_equal(state_of(f, key(1)), nowhere);
	assert_int_equal(dp_fdb_count(f), 1);
	// Home, it has not been heard yet, and does not age.
	assert_int_equal(dp_fdb_fix(f, key(1), 3, 3), 0);
	assert_int_equal(state_of(f, key(1)), home);
	assert_int_equal(dp_fdb_lookup(f, key(1))->seen_s, 0);
	dp_fdb_age(f, UINT32_MAX, 10, 1000);
	assert_int_equal(state_of(f, key(1)), home);
	dp_fdb_destroy(f);
}

static void what_goes_takes_along_whom_it_is_believed_to_have(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(16, rcu, &f), 0);
	assert_int_equal(dp_fdb_learn(f, key(1), 9, 0, 1), 0);
	assert_int_equal(dp_fdb_fix(f, key(1), 3, 9), 0);
	assert_int_equal(dp_fdb_fix(f, key(2), 4, 9), 0);
	assert_int_equal(dp_fdb_port_count(f, 9), 0);
	dp_fdb_flush_port(f, 9, true);
	assert_int_equal(where(f, key(1)), 9);
	dp_fdb_forget_place(f, 9);
	assert_int_equal(where(f, key(1)), DP_FDB_NOWHERE);
	// A home that goes takes its own, wherever it is.
	assert_int_equal(dp_fdb_fix(f, key(2), 4, 8), 0);
	dp_fdb_flush_port(f, 4, true);
	assert_int_equal(where(f, key(2)), 0xffff);
	assert_int_equal(dp_fdb_count(f), 1);
	dp_fdb_unpin(f, key(1));
	assert_int_equal(dp_fdb_count(f), 0);
	dp_fdb_destroy(f);
}

static void a_port_has_a_limit_of_its_own(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(1024, rcu, &f), 0);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(dp_fdb_learn(f, key(i), 5, 8, 1), 0);
	assert_int_equal(dp_fdb_learn(f, key(8), 5, 8, 1), -EDQUOT);
	assert_int_equal(dp_fdb_learn(f, key(3), 5, 8, 1), 1);
	dp_fdb_destroy(f);
}

static void what_was_heard_of_late_stays(void **state)
{
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(1024, rcu, &f), 0);
	dp_fdb_learn(f, key(1), 5, 0, 100);
	dp_fdb_learn(f, key(2), 5, 0, 100);
	dp_fdb_touch(dp_fdb_lookup(f, key(2)), 350);
	dp_fdb_age(f, UINT32_MAX, 300, 401);
	assert_int_equal(where(f, key(1)), 0xffff);
	assert_int_equal(where(f, key(2)), 5);
	// A worker's clock may be ahead of main's.
	dp_fdb_touch(dp_fdb_lookup(f, key(2)), 402);
	dp_fdb_age(f, UINT32_MAX, 300, 401);
	assert_int_equal(where(f, key(2)), 5);
	dp_fdb_destroy(f);
}

// A slot must not serve another address while a reader may still look at it.
static void a_slot_is_reused_after_a_grace_period_only(void **state)
{
	struct dp_fdb_entry *e;
	struct dp_fdb *f;

	(void)state;
	assert_int_equal(dp_fdb_create(1024, rcu, &f), 0);
	weir_rcu_join(rcu, 0);
	dp_fdb_learn(f, key(1), 5, 0, 1);
	e = dp_fdb_lookup(f, key(1));
	dp_fdb_flush_port(f, 5, true);
	for (uint32_t i = 10; i < 900; i++)
		dp_fdb_learn(f, key(i), 6, 0, 1);
	assert_int_equal(e->key, 1);
	weir_rcu_report(rcu, 0);
	dp_fdb_age(f, 1, 300, 1);
	assert_int_equal(e->key, 0);
	weir_rcu_leave(rcu, 0);
	dp_fdb_destroy(f);
}

int main(void)
{
	const char *argv[] = { "unit", "--no-huge",	     "--no-shconf",    "-m",
			       "64",   "--no-pci",	     "--no-telemetry", "--lcores",
			       "0",    "--log-level=*:error" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_its_limit_and_finds_all),
		cmocka_unit_test(a_flooder_evicts_only_itself),
		cmocka_unit_test(pinned_addresses_do_not_move_age_or_go),
		cmocka_unit_test(a_fixed_address_goes_and_comes_home),
		cmocka_unit_test(what_goes_takes_along_whom_it_is_believed_to_have),
		cmocka_unit_test(a_port_has_a_limit_of_its_own),
		cmocka_unit_test(what_was_heard_of_late_stays),
		cmocka_unit_test(a_slot_is_reused_after_a_grace_period_only),
	};
	void *mem;

	if (rte_eal_init(10, (char **)(uintptr_t)argv) < 0)
		return 1;
	mem = aligned_alloc(64, (weir_rcu_size(4) + 63) & ~63ul);
	memset(mem, 0, weir_rcu_size(4));
	if (weir_rcu_init(mem, 4, &rcu) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
