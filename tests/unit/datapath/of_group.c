#include "../unit.h"

#include <errno.h>

#include "of_group_priv.h"

enum { WORKERS = 2, RETIRED_MAX = 512 };

static struct dp_of_groups *gs;
static struct dp_worker *w; // of two
static struct dp_of_group_view *retired[RETIRED_MAX];
static uint32_t n_retired;
static bool port_dead[64];

static bool port_live(void *arg, const struct dp_worker *worker, uint32_t of_port)
{
	assert_ptr_equal(arg, &n_retired);
	assert_true(worker->id < WORKERS);
	return of_port < 64 && !port_dead[of_port];
}

static void retire(void *arg, struct dp_of_group_view *v)
{
	assert_ptr_equal(arg, &n_retired);
	assert_true(n_retired < RETIRED_MAX);
	retired[n_retired++] = v;
}

// No worker can see them any more.
static void reclaim(void)
{
	while (n_retired > 0)
		dp_groups_view_free(retired[--n_retired]);
}

static int start(void **state)
{
	const struct dp_of_groups_params p = {
		.max_groups = 200,
		.n_workers = WORKERS,
		.port_live = port_live,
		.retire = retire,
		.arg = &n_retired,
	};

	(void)state;
	memset(port_dead, 0, sizeof(port_dead));
	w = aligned_alloc(64, WORKERS * sizeof(*w));
	memset(w, 0, WORKERS * sizeof(*w));
	w[1].id = 1;
	return dp_groups_create(&p, &gs);
}

static int stop(void **state)
{
	(void)state;
	reclaim();
	dp_groups_destroy(gs);
	free(w);
	return 0;
}

// --- groups

enum { BUCKETS_MAX = 64 };

struct many {
	struct dp_flow_op ops[BUCKETS_MAX];
	struct dp_of_bucket buckets[BUCKETS_MAX];
	struct dp_of_group_def def;
};

// Buckets that output to ports, numbered from 1, with that weight.
static void add(struct many *m, uint32_t port, uint16_t weight)
{
	uint32_t i = m->def.n_buckets++;

	m->def.buckets = m->buckets;
	m->ops[i] = (struct dp_flow_op){ .kind = DP_OP_OUTPUT, .size = 8, .arg = port };
	m->buckets[i] = (struct dp_of_bucket){
		.weight = weight,
		.n_ops = sizeof(m->ops[i]),
		.watch_port = DP_OFPP_ANY,
		.watch_group = DP_OFPP_ANY,
		.ops = (const uint8_t *)&m->ops[i],
	};
}

static void group_op(struct many *m, uint32_t group)
{
	add(m, 0, 0);
	m->ops[m->def.n_buckets - 1].kind = DP_OP_GROUP;
	m->ops[m->def.n_buckets - 1].arg = group;
}

static uint32_t port_of(const struct dp_of_group_view *g, uint32_t bucket)
{
	return dp_flow_op_at(g->buckets[bucket].ops, 0)->arg;
}

static int set_to(uint64_t version, uint32_t group, uint32_t port)
{
	struct many m = { .def.type = DP_OF_INDIRECT };

	add(&m, port, 0);
	return dp_groups_set(gs, version, group, &m.def);
}

static uint32_t port_at(uint32_t group, uint64_t version)
{
	const struct dp_of_group_view *g = dp_groups_find(gs, group, version);

	return g == NULL ? 0 : port_of(g, 0);
}

static void a_group_is_what_its_version_says(void **state)
{
	(void)state;
	assert_int_equal(set_to(1, 7, 11), 0);
	assert_int_equal(port_at(7, 0), 0);
	assert_int_equal(port_at(7, 1), 11);
	assert_int_equal(set_to(2, 7, 12), 0);
	assert_int_equal(set_to(2, 7, 13), 0); // once more in the same version
	assert_int_equal(set_to(2, 8, 14), 0);
	assert_int_equal(port_at(7, 1), 11);
	assert_int_equal(port_at(7, 2), 13);
	assert_int_equal(port_at(8, 1), 0);
	assert_int_equal(port_at(8, 9), 14);
	assert_int_equal(dp_groups_n(gs), 2);
	dp_groups_end(gs, 3, 7);
	assert_int_equal(port_at(7, 2), 13);
	assert_int_equal(port_at(7, 3), 0);
	assert_false(dp_groups_has(gs, 7));
	dp_groups_settle(gs, 2);
	assert_int_equal(n_retired, 2); // 11 and 12
	assert_int_equal(port_at(7, 2), 13);
	dp_groups_settle(gs, 3);
	assert_int_equal(n_retired, 3);
	assert_int_equal(port_at(7, 2), 0);
	assert_int_equal(dp_groups_n(gs), 1);
}

static void what_is_given_up_has_not_happened(void **state)
{
	(void)state;
	assert_int_equal(set_to(1, 7, 11), 0);
	assert_int_equal(set_to(1, 8, 12), 0);
	assert_int_equal(set_to(2, 7, 13), 0);
	assert_int_equal(set_to(2, 7, 14), 0);
	dp_groups_end(gs, 2, 8);
	assert_int_equal(set_to(2, 8, 15), 0);
	dp_groups_end(gs, 2, 8);
	assert_int_equal(set_to(2, 9, 16), 0);
	dp_groups_end(gs, 2, 7);
	dp_groups_give_up(gs, 2);
	assert_int_equal(dp_groups_n(gs), 2);
	for (uint64_t version = 1; version < 4; version++) {
		assert_int_equal(port_at(7, version), 11);
		assert_int_equal(port_at(8, version), 12);
		assert_int_equal(port_at(9, version), 0);
	}
	assert_int_equal(n_retired, 4);
	// And the version can be made anew.
	assert_int_equal(set_to(2, 7, 17), 0);
	dp_groups_settle(gs, 2);
	assert_int_equal(port_at(7, 2), 17);
}

// Against a list of what should be: changes, versions given up, versions settled, at random.
static void versions_are_as_a_model_has_them(void **state)
{
	enum { GROUPS = 5, VERSIONS = 400 };
	static uint32_t model[VERSIONS + 1][GROUPS];
	uint32_t r = 12345, port = 1;

	(void)state;
	for (uint32_t version = 1; version < VERSIONS; version++) {
		bool give_up;

		memcpy(model[version], model[version - 1], sizeof(model[0]));
		for (uint32_t n = 0; n < 6; n++) {
			uint32_t g = (r = r * 1664525 + 1013904223) >> 28 & 7;

			if (g >= GROUPS)
				continue;
			if ((r >> 20 & 3) == 0) {
				dp_groups_end(gs, version, g);
				model[version][g] = 0;
			} else {
				assert_int_equal(set_to(version, g, ++port), 0);
				model[version][g] = port;
			}
		}
		give_up = (r >> 16 & 3) == 0;
		if (give_up) {
			dp_groups_give_up(gs, version);
			memcpy(model[version], model[version - 1], sizeof(model[0]));
		}
		if ((r >> 12 & 1) == 0 && version > 3)
			dp_groups_settle(gs, version - 2);
		for (uint64_t at = version < 2 ? 1 : version - 1; at <= version; at++)
			for (uint32_t g = 0; g < GROUPS; g++)
				assert_int_equal(port_at(g, at), model[at][g]);
		version -= give_up; // the number is used again
		if (n_retired > 100)
			reclaim();
	}
}

static void there_are_no_more_than_may_be(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(set_to(1, i, 1), 0);
	assert_int_equal(set_to(1, 200, 1), -ENOSPC);
	assert_int_equal(set_to(1, 5, 2), 0);
	dp_groups_end(gs, 1, 6);
	assert_int_equal(set_to(1, 200, 1), 0);
	assert_int_equal(dp_groups_n(gs), 200);
}

static void a_group_cannot_lead_to_itself(void **state)
{
	struct many to1 = { 0 }, to2 = { 0 }, to3 = { 0 }, both = { 0 };

	(void)state;
	group_op(&to1, 1);
	group_op(&to2, 2);
	group_op(&to3, 3);
	group_op(&both, 2);
	group_op(&both, 3);
	assert_int_equal(dp_groups_set(gs, 1, 1, &to1.def), -ELOOP);
	assert_int_equal(dp_groups_set(gs, 1, 1, &to2.def), 0); // 2 is not there yet
	assert_int_equal(dp_groups_set(gs, 1, 2, &to3.def), 0);
	assert_int_equal(dp_groups_loop(gs, 3, &to1.def), -ELOOP);
	assert_int_equal(dp_groups_set(gs, 1, 3, &to1.def), -ELOOP);
	assert_false(dp_groups_has(gs, 3));
	assert_int_equal(dp_groups_set(gs, 1, 4, &both.def), 0); // two ways are no loop
	assert_int_equal(dp_groups_set(gs, 2, 2, &both.def), -ELOOP);
	assert_int_equal(set_to(2, 1, 9), 0);
	assert_int_equal(dp_groups_set(gs, 2, 3, &to1.def), 0);
}

// Names of groups are looked at up to DP_OF_NAMED_MAX: then it is said that it may lead to itself,
// and main has not followed a product of buckets.
static void so_many_names_are_followed(void **state)
{
	enum { NAMES = 4096, LEVELS = DP_OF_NAMED_MAX / NAMES };
	static struct dp_flow_op ops[NAMES];
	struct dp_of_bucket b = { .watch_port = DP_OFPP_ANY,
				  .watch_group = DP_OFPP_ANY,
				  .ops = (const uint8_t *)ops,
				  .n_ops = sizeof(ops) - sizeof(ops[0]) };
	struct dp_of_group_def def = { .type = DP_OF_ALL, .n_buckets = 1, .buckets = &b };
	int rc = 0;

	(void)state;
	for (uint32_t level = 1; level <= LEVELS + 1 && rc == 0; level++) {
		for (uint32_t i = 0; i < NAMES; i++)
			ops[i] = (struct dp_flow_op){ .kind = DP_OP_GROUP,
						      .size = sizeof(ops[0]),
						      .arg = level - 1 };
		rc = dp_groups_set(gs, 1, level, &def);
		if (rc != 0)
			assert_int_equal(level, LEVELS + 1);
	}
	assert_int_equal(rc, -ELOOP);
}

static void counters_of_a_group_outlive_its_buckets(void **state)
{
	const struct dp_of_group_view *g;
	struct dp_of_count c;

	(void)state;
	assert_int_equal(set_to(1, 7, 11), 0);
	g = dp_groups_find(gs, 7, 1);
	w[0].now_ns = 100;
	w[1].now_ns = 200;
	dp_groups_meet(&w[0], g, DP_OF_NO_BUCKET, 60);
	dp_groups_meet(&w[1], g, DP_OF_NO_BUCKET, 1500);
	dp_groups_meet(&w[1], g, 0, 1500);
	assert_int_equal(dp_groups_count(gs, 7, DP_OF_NO_BUCKET, &c), 0);
	assert_int_equal(c.n_pkts, 2);
	assert_int_equal(c.n_bytes, 1560);
	assert_int_equal(c.used_ns, 200);
	assert_int_equal(dp_groups_count(gs, 7, 0, &c), 0);
	assert_int_equal(c.n_bytes, 1500);
	assert_int_equal(dp_groups_count(gs, 7, 1, &c), -ENOENT);
	assert_int_equal(dp_groups_count(gs, 8, DP_OF_NO_BUCKET, &c), -ENOENT);
	assert_int_equal(set_to(2, 7, 12), 0);
	dp_groups_meet(&w[0], g, DP_OF_NO_BUCKET, 60); // who has not seen it yet
	dp_groups_settle(gs, 2);
	reclaim();
	assert_int_equal(dp_groups_count(gs, 7, DP_OF_NO_BUCKET, &c), 0);
	assert_int_equal(c.n_pkts, 3);
	assert_int_equal(dp_groups_count(gs, 7, 0, &c), 0);
	assert_int_equal(c.n_pkts, 0);
	dp_groups_end(gs, 3, 7);
	assert_int_equal(set_to(3, 7, 12), 0); // another group of that number
	assert_int_equal(dp_groups_count(gs, 7, DP_OF_NO_BUCKET, &c), 0);
	assert_int_equal(c.n_pkts, 0);
}

// --- SELECT

static const struct dp_of_group_view *select_make(uint64_t version, const struct many *m)
{
	assert_int_equal(dp_groups_set(gs, version, 1, &m->def), 0);
	return dp_groups_find(gs, 1, version);
}

static void slots_are_in_proportion_of_weights(void **state)
{
	static const uint16_t weights[][4] = {
		{ 1, 2 },    { 1, 1, 1 },      { 1, 2, 3, 4 }, { 5, 1, 1 }, { 7, 8 },
		{ 1, 0, 2 }, { 65535, 65535 }, { 11, 2 },      { 1 },
	};

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(weights); i++) {
		struct many m = { .def.type = DP_OF_SELECT };
		uint32_t n[4] = { 0 }, sum = 0;
		const struct dp_of_group_view *g;

		for (uint32_t b = 0; b < 4; b++) {
			add(&m, b + 1, weights[i][b]);
			sum += weights[i][b];
		}
		g = select_make(i + 1, &m);
		for (uint32_t s = 0; s < DP_OF_SLOTS; s++)
			n[g->slots[s]]++;
		for (uint32_t b = 0; b < 4; b++) {
			double exact = (double)weights[i][b] * DP_OF_SLOTS / sum;

			assert_true(n[b] > exact - 1 && n[b] < exact + 1);
			if (DP_OF_SLOTS % sum == 0)
				assert_int_equal(n[b], exact);
		}
	}
}

static void without_weights_nothing_is_selected(void **state)
{
	struct many m = { .def.type = DP_OF_SELECT }, none = { .def.type = DP_OF_SELECT };

	(void)state;
	add(&m, 1, 0);
	assert_int_equal(dp_groups_pick(gs, w, select_make(1, &m), 1, 5), DP_OF_NO_BUCKET);
	none.def.buckets = none.buckets;
	assert_int_equal(dp_groups_pick(gs, w, select_make(2, &none), 2, 5), DP_OF_NO_BUCKET);
}

// Slots whose port is another one in b than in a, of those whose port in a is not `but`.
static uint32_t n_moved(const struct dp_of_group_view *a, const struct dp_of_group_view *b,
			uint32_t but)
{
	uint32_t n = 0;

	for (uint32_t s = 0; s < DP_OF_SLOTS; s++)
		n += port_of(a, a->slots[s]) != but &&
		     port_of(a, a->slots[s]) != port_of(b, b->slots[s]);
	return n;
}

// A bucket comes at the front: everybody else's place in the list changes, and hardly a flow of
// those that it does not get.
static void flows_stay_when_a_bucket_comes_or_goes(void **state)
{
	struct many eight = { .def.type = DP_OF_SELECT }, nine = { .def.type = DP_OF_SELECT };
	const struct dp_of_group_view *a, *b;
	uint32_t least = DP_OF_SLOTS / 9, moved;

	(void)state;
	add(&nine, 9, 1);
	for (uint32_t i = 1; i <= 8; i++) {
		add(&eight, i, 1);
		add(&nine, i, 1);
	}
	a = select_make(1, &eight);
	b = select_make(2, &nine);
	moved = n_moved(a, b, 0);
	assert_true(moved >= least && moved < least * 2);
	moved = n_moved(b, a, 9);
	assert_true(moved < least);
	assert_int_equal(n_moved(a, a, 0), 0);
}

static void a_dead_bucket_s_flows_move_and_no_others(void **state)
{
	struct many m = { .def.type = DP_OF_SELECT };
	const struct dp_of_group_view *g;
	uint32_t n[4] = { 0 };

	(void)state;
	for (uint32_t i = 1; i <= 3; i++) {
		add(&m, i, (uint16_t)i);
		m.buckets[i - 1].watch_port = i;
	}
	g = select_make(1, &m);
	for (uint32_t i = 0; i < 60000; i++) {
		uint32_t hash = i * 0x9e3779b1u, was, is;

		was = dp_groups_pick(gs, w, g, 1, hash);
		port_dead[3] = true;
		is = dp_groups_pick(gs, w, g, 1, hash);
		port_dead[3] = false;
		assert_true(is < 2);
		assert_true(was == 2 || is == was);
		n[is]++;
	}
	// By weight, too.
	assert_true(n[0] > 19000 && n[0] < 21000);
	memset(port_dead, 1, sizeof(port_dead));
	assert_int_equal(dp_groups_pick(gs, w, g, 1, 77), DP_OF_NO_BUCKET);
}

// --- the hash

static void flows_that_differ_in_one_field_are_spread(void **state)
{
	static const uint8_t words[] = { 0, 1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct many m = { .def.type = DP_OF_SELECT };
	const struct dp_of_group_view *g;

	(void)state;
	add(&m, 1, 1);
	add(&m, 2, 2);
	g = select_make(1, &m);
	for (uint32_t i = 0; i < RTE_DIM(words); i++) {
		// Low bits, bits in the middle, and of word 0 those that are not the port.
		for (uint32_t shift = words[i] == 1 ? 16 : 0; shift <= 32; shift += 16) {
			uint32_t n[2] = { 0 };

			if (words[i] == 0 && shift == 32)
				continue;
			for (uint64_t v = 0; v < 6000; v++) {
				struct dp_flow_key k = { .w[0] = 0x1806080000000000u };

				k.w[words[i]] += v << shift;
				n[dp_groups_pick(gs, w, g, 1, dp_of_hash(&k))]++;
			}
			assert_true(n[0] > 1850 && n[0] < 2150);
		}
	}
}

static void a_flow_has_one_hash_wherever_it_comes_from(void **state)
{
	struct dp_flow_key k = { .w = { 1, 2, 3 } }, other = k;

	(void)state;
	other.w[0] |= 77ull << 32; // in_port
	other.w[1] ^= 3;	   // ECN
	other.w[5] = other.w[6] = 9;
	assert_int_equal(dp_of_hash(&k), dp_of_hash(&other));
	other.w[1] ^= 4;
	assert_int_not_equal(dp_of_hash(&k), dp_of_hash(&other));
}

// --- FAILOVER and what is watched

static void failover_takes_the_first_that_lives(void **state)
{
	struct many m = { .def.type = DP_OF_FAILOVER }, back = { .def.type = DP_OF_INDIRECT };
	const struct dp_of_group_view *g;

	(void)state;
	for (uint32_t i = 1; i <= 3; i++)
		add(&m, i, 0);
	m.buckets[0].watch_port = 1;
	m.buckets[1].watch_group = 50;
	m.buckets[2].watch_port = 3;
	add(&back, 5, 0);
	back.buckets[0].watch_port = 5;
	assert_int_equal(dp_groups_set(gs, 1, 1, &m.def), 0);
	g = dp_groups_find(gs, 1, 1);
	assert_int_equal(dp_groups_pick(gs, w, g, 1, 0), 0);
	port_dead[1] = true;
	assert_int_equal(dp_groups_pick(gs, w, g, 1, 0), 2); // there is no group 50
	assert_int_equal(dp_groups_set(gs, 2, 50, &back.def), 0);
	assert_int_equal(dp_groups_pick(gs, w, g, 1, 0), 2); // not in that version
	assert_int_equal(dp_groups_pick(gs, w, g, 2, 0), 1);
	port_dead[5] = true;
	assert_int_equal(dp_groups_pick(gs, w, g, 2, 0), 2);
	port_dead[3] = true;
	assert_int_equal(dp_groups_pick(gs, w, g, 2, 0), DP_OF_NO_BUCKET);
	port_dead[1] = false;
	assert_int_equal(dp_groups_pick(gs, w, g, 2, 0), 0);
}

static void groups_that_watch_each_other_come_to_an_end(void **state)
{
	(void)state;
	// Every bucket of every group watches the next group, which would be 60^8 looks.
	for (uint32_t group = 0; group < 10; group++) {
		struct many m = { .def.type = DP_OF_FAILOVER };

		for (uint32_t i = 0; i < 60; i++) {
			add(&m, i, 0);
			m.buckets[i].watch_group = (group + 1) % 10;
		}
		assert_int_equal(dp_groups_set(gs, 1, group, &m.def), 0);
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(dp_groups_pick(gs, w, dp_groups_find(gs, 3, 1), 1, i),
				 DP_OF_NO_BUCKET);
}

static void indirect_takes_its_only_one(void **state)
{
	struct many none = { .def.type = DP_OF_INDIRECT };

	(void)state;
	assert_int_equal(set_to(1, 4, 9), 0);
	assert_int_equal(dp_groups_pick(gs, w, dp_groups_find(gs, 4, 1), 1, 3), 0);
	none.def.buckets = none.buckets;
	assert_int_equal(dp_groups_set(gs, 1, 5, &none.def), 0);
	assert_int_equal(dp_groups_pick(gs, w, dp_groups_find(gs, 5, 1), 1, 3), DP_OF_NO_BUCKET);
}

#define GROUP_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUP_TEST(a_group_is_what_its_version_says),
		GROUP_TEST(what_is_given_up_has_not_happened),
		GROUP_TEST(versions_are_as_a_model_has_them),
		GROUP_TEST(there_are_no_more_than_may_be),
		GROUP_TEST(a_group_cannot_lead_to_itself),
		GROUP_TEST(so_many_names_are_followed),
		GROUP_TEST(counters_of_a_group_outlive_its_buckets),
		GROUP_TEST(slots_are_in_proportion_of_weights),
		GROUP_TEST(without_weights_nothing_is_selected),
		GROUP_TEST(flows_stay_when_a_bucket_comes_or_goes),
		GROUP_TEST(a_dead_bucket_s_flows_move_and_no_others),
		GROUP_TEST(flows_that_differ_in_one_field_are_spread),
		GROUP_TEST(a_flow_has_one_hash_wherever_it_comes_from),
		GROUP_TEST(failover_takes_the_first_that_lives),
		GROUP_TEST(groups_that_watch_each_other_come_to_an_end),
		GROUP_TEST(indirect_takes_its_only_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
