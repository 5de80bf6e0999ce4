#include "flow_rig.h"
#include "../unit.h"

#include "dp_flow_table.h"

// Masks like those of real tables, and such as no table has.
enum style { GRID, RANDOM, EXACT, NESTED, N_STYLES };

static uint64_t prefix(uint32_t bits, uint32_t of)
{
	return bits == 0 ? 0 : ~UINT64_C(0) << (64 - bits) >> (64 - of);
}

static void make_mask(struct rig *g, enum style style, struct dp_flow_key *m)
{
	memset(m, 0, sizeof(*m));
	switch (style) {
	case GRID:
		m->w[0] = UINT64_C(0xffff) << 16;
		m->w[3] =
			prefix(24 + rig_below(g, 9), 32) << 32 | prefix(16 + rig_below(g, 17), 32);
		m->w[4] = prefix(rig_below(g, 17), 16) << 48;
		break;
	case RANDOM:
		for (uint32_t i = 1 + rig_below(g, 6); i > 0; i--)
			m->w[rig_below(g, DP_FLOW_WORDS)] |= rig_random(g) & rig_random(g);
		break;
	case EXACT:
		m->w[0] = m->w[3] = ~UINT64_C(0);
		m->w[4] = UINT64_C(0xffffffff) << 32;
		break;
	default:
		m->w[3] = prefix(rig_below(g, 33), 32) << 32;
		m->w[4] = prefix(rig_below(g, 17), 16) << 48;
		break;
	}
}

// Few values, so that rules meet; a known rule's often, with a few bits that differ.
static void make_key(struct rig *g, struct dp_flow_key *k)
{
	static const uint64_t values[] = { 0, ~UINT64_C(0), UINT64_C(0x0a0000010a000002),
					   UINT64_C(0x0a000101c0a80001) };

	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		k->w[i] = values[rig_below(g, 4)];
	if (g->n_rules > 0 && rig_below(g, 4) != 0) {
		const struct dp_flow_rule *r = g->rules[rig_below(g, g->n_rules)];

		for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
			k->w[i] = r->key.w[i] | (k->w[i] & ~r->mask.w[i]);
	}
	for (uint32_t i = rig_below(g, 3); i > 0; i--)
		k->w[rig_below(g, DP_FLOW_WORDS)] ^= UINT64_C(1) << rig_below(g, 64);
}

static void change(struct rig *g, enum style style, uint32_t most)
{
	struct dp_flow_key key, mask;
	uint32_t what = rig_below(g, 16);

	if (what < 8 && g->n_rules < most) {
		make_key(g, &key);
		make_mask(g, style, &mask);
		rig_add(g, &key, &mask, rig_below(g, 8));
	} else if (what < 12 && g->n_rules > 0) {
		struct dp_flow_rule *r = g->rules[rig_below(g, g->n_rules)];

		if (r->until == DP_FLOW_FOREVER)
			r->until = g->version + 1;
	} else {
		rig_publish(g);
	}
}

static void run(enum style style, uint32_t n, uint32_t most, uint64_t seed)
{
	struct rig g;

	rig_init(&g, seed);
	for (uint32_t i = 0; i < n; i++) {
		struct dp_flow_key k;

		change(&g, style == N_STYLES ? (enum style)rig_below(&g, N_STYLES) : style, most);
		make_key(&g, &k);
		assert_true(rig_agrees(&g, &k, g.version));
		assert_true(rig_agrees(&g, &k, g.version - 1));
	}
	rig_fini(&g);
}

static void prefix_grids_are_looked_up_as_in_a_list(void **state)
{
	(void)state;
	run(GRID, 15000, 200, 1);
}

static void random_masks_are_looked_up_as_in_a_list(void **state)
{
	(void)state;
	run(RANDOM, 15000, 200, 2);
}

static void exact_rules_are_looked_up_as_in_a_list(void **state)
{
	(void)state;
	run(EXACT, 15000, 200, 3);
}

static void nested_prefixes_are_looked_up_as_in_a_list(void **state)
{
	(void)state;
	run(NESTED, 15000, 200, 4);
}

static void all_kinds_of_masks_are_looked_up_as_in_a_list(void **state)
{
	(void)state;
	run(N_STYLES, 20000, 300, 5);
}

static void exact_finds_each_rule_and_no_other(void **state)
{
	struct dp_flow_key key, mask;
	struct rig g;

	(void)state;
	rig_init(&g, 6);
	for (uint32_t i = 0; i < 500; i++) {
		make_key(&g, &key);
		make_mask(&g, RANDOM, &mask);
		rig_add(&g, &key, &mask, i);
	}
	for (uint32_t i = 0; i < g.n_rules; i++) {
		struct dp_flow_rule *r = g.rules[i];

		assert_ptr_equal(dp_flow_table_exact(g.table, &r->key, &r->mask, r->priority, 2),
				 r);
		assert_null(dp_flow_table_exact(g.table, &r->key, &r->mask, r->priority, 1));
		assert_null(dp_flow_table_exact(g.table, &r->key, &r->mask, r->priority + 500, 2));
		mask = r->mask;
		mask.w[5] ^= 1;
		assert_null(dp_flow_table_exact(g.table, &r->key, &mask, r->priority, 2));
	}
	rig_fini(&g);
}

// Rules by the thousand, so that tuples are merged and blocks filled while more come and go.
static void churn(enum style style, uint32_t n, uint32_t n_lookups, uint64_t seed)
{
	struct dp_flow_table_info info;
	struct dp_flow_key key, mask;
	struct rig g;

	rig_init(&g, seed);
	for (uint32_t i = 0; i < n; i++) {
		make_key(&g, &key);
		make_mask(&g, style, &mask);
		if (style == GRID || style == EXACT)
			key.w[3] = rig_random(&g);
		rig_add(&g, &key, &mask, rig_below(&g, 100));
		if (rig_below(&g, 4) == 0)
			rig_unlink(&g, rig_below(&g, g.n_rules));
		if (i % (n / n_lookups) == 0) {
			make_key(&g, &key);
			assert_true(rig_agrees(&g, &key, g.version + 1));
		}
	}
	dp_flow_table_info(g.table, &info);
	assert_int_equal(info.n_rules, g.n_rules);
	assert_true(info.n_tuples <= DP_FLOW_TUPLES);
	while (g.n_rules > 0) {
		rig_unlink(&g, rig_below(&g, g.n_rules));
		if (g.n_rules % (n / n_lookups) == 0) {
			make_key(&g, &key);
			assert_true(rig_agrees(&g, &key, g.version + 1));
		}
	}
	dp_flow_table_info(g.table, &info);
	assert_int_equal(info.n_rules + info.n_overflow, 0);
	rig_fini(&g);
}

static void many_rules_of_any_masks_are_found_while_they_are_arranged_anew(void **state)
{
	(void)state;
	churn(GRID, 8000, 200, 7);
	churn(EXACT, 8000, 200, 8);
	churn(RANDOM, 6000, 200, 9);
	churn(NESTED, 3000, 200, 10);
}

// The i-th mask and rule that an attacker makes of an ACL on a source and a port.
static void attack(uint32_t i, struct dp_flow_key *key, struct dp_flow_key *mask)
{
	uint32_t src = i % 32 + 1, port = i / 32 % 16 + 1;

	memset(key, 0, sizeof(*key));
	memset(mask, 0, sizeof(*mask));
	mask->w[3] = prefix(src, 32) << 32;
	mask->w[4] = prefix(port, 16) << 48;
	key->w[3] = (UINT64_C(0x0a000001) ^ UINT64_C(1) << (32 - src)) << 32;
	key->w[4] = (UINT64_C(80) ^ UINT64_C(1) << (16 - port)) << 48;
}

static struct dp_flow_cost cost_of_rules(struct rig *g)
{
	struct dp_flow_cost c = { 0 };

	for (uint32_t i = 0; i < g->n_rules; i++) {
		const struct dp_flow_rule *r = g->rules[i];

		assert_ptr_equal(dp_flow_table_find_cost(g->table, &r->key, g->version + 1, &c), r);
	}
	return c;
}

static void masks_of_an_attack_cost_few_probes_and_compares(void **state)
{
	struct dp_flow_key key, mask;
	struct dp_flow_table_info info;
	struct dp_flow_cost c;
	struct rig g;

	(void)state;
	rig_init(&g, 11);
	for (uint32_t i = 0; i < 512; i++) {
		attack(i, &key, &mask);
		rig_add(&g, &key, &mask, 1);
	}
	rig_tend(&g);
	c = cost_of_rules(&g);
	dp_flow_table_info(g.table, &info);
	assert_int_equal(info.n_overflow, 512);
	assert_true(c.n_probes <= 3 * g.n_rules);
	assert_true(c.n_lines <= 40 * g.n_rules);
	assert_true(c.n_compares <= 2 * g.n_rules);
	rig_fini(&g);
}

// What all rules of a block ask for alike, a match need not ask for.
static void a_match_overlaps_rules_of_a_block_by_what_it_says(void **state)
{
	struct dp_flow_key key, mask;
	struct rig g;

	(void)state;
	rig_init(&g, 15);
	for (uint32_t i = 0; i < 512; i++) {
		attack(i, &key, &mask);
		key.w[0] = mask.w[0] = 1;
		rig_add(&g, &key, &mask, 1);
	}
	rig_tend(&g);
	for (uint32_t i = 0; i < 512; i++) {
		struct dp_flow_overlap o = { .priority = 1, .version = 2 };

		o.key = g.rules[i]->key;
		o.mask = g.rules[i]->mask;
		assert_ptr_equal(rig_overlap(&g, &o, 100000, 0), g.rules[i]);
		o.key.w[0] = o.mask.w[0] = 0;
		o.is_midway = false;
		assert_ptr_equal(rig_overlap(&g, &o, 100000, 0), g.rules[i]);
		o.mask.w[0] = 1;
		o.is_midway = false;
		assert_null(rig_overlap(&g, &o, 100000, 0));
	}
	rig_fini(&g);
}

static void a_grid_of_prefixes_is_one_tuple(void **state)
{
	struct dp_flow_table_info info;
	struct dp_flow_key key, mask;
	struct dp_flow_cost c = { 0 };
	struct rig g;

	(void)state;
	rig_init(&g, 12);
	for (uint32_t i = 0; i < 2000; i++) {
		make_mask(&g, GRID, &mask);
		make_key(&g, &key);
		key.w[3] = rig_random(&g);
		rig_add(&g, &key, &mask, 1);
	}
	rig_tend(&g);
	for (uint32_t i = 0; i < g.n_rules; i++)
		assert_non_null(dp_flow_table_find_cost(g.table, &g.rules[i]->key, 2, &c));
	dp_flow_table_info(g.table, &info);
	assert_true(info.n_tuples <= 2);
	assert_true(c.n_probes <= 2 * g.n_rules && c.n_compares <= 3 * g.n_rules);
	rig_fini(&g);
}

// Any match, one of the style's, or a rule's with some bits left out; staged or in force.
static void check_overlap(struct rig *g, enum style style, uint32_t n_priorities)
{
	const uint32_t most[] = { 1, 7, 100000 };
	struct dp_flow_overlap o = { .priority = rig_below(g, n_priorities),
				     .version = g->version + rig_below(g, 2) };
	uint32_t n_gone = rig_below(g, 8) == 0 ? rig_below(g, 40) : 0;

	make_mask(g, rig_below(g, 4) == 0 ? (enum style)rig_below(g, N_STYLES) : style, &o.mask);
	if (g->n_rules > 0 && rig_below(g, 2) == 0)
		o.mask = g->rules[rig_below(g, g->n_rules)]->mask;
	if (rig_below(g, 4) == 0)
		o.mask.w[rig_below(g, DP_FLOW_WORDS)] &= rig_random(g);
	make_key(g, &o.key);
	for (uint32_t i = 0; i < DP_FLOW_WORDS; i++)
		o.key.w[i] &= o.mask.w[i];
	assert_true(rig_overlap_agrees(g, &o, most[rig_below(g, 3)], n_gone));
}

static void overlaps(enum style style, uint32_t n, uint32_t most, uint32_t n_priorities)
{
	struct dp_flow_key key, mask;
	struct rig g;

	rig_init(&g, n + n_priorities);
	for (uint32_t i = 0; i < n; i++) {
		enum style s = style == N_STYLES ? (enum style)rig_below(&g, N_STYLES) : style;

		make_key(&g, &key);
		make_mask(&g, s, &mask);
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			key.w[w] ^= rig_random(&g) & rig_random(&g) & mask.w[w];
		rig_add(&g, &key, &mask, rig_below(&g, n_priorities));
		while (g.n_rules > most)
			rig_unlink(&g, rig_below(&g, g.n_rules));
		if (rig_below(&g, 16) == 0)
			g.rules[rig_below(&g, g.n_rules)]->until = g.version + 1;
		if (rig_below(&g, 64) == 0)
			rig_publish(&g);
		check_overlap(&g, s, n_priorities);
	}
	rig_fini(&g);
}

static void overlaps_are_found_as_in_a_list(void **state)
{
	(void)state;
	for (uint32_t style = 0; style <= N_STYLES; style++) {
		overlaps((enum style)style, 2000, 40, 2);
		overlaps((enum style)style, 2000, 800, 1);
		overlaps((enum style)style, 2000, 1500, 3);
	}
}

// Of a thousand masks that leave room for each other, a match asks few rules.
static void a_match_is_not_compared_with_all_rules(void **state)
{
	struct dp_flow_key key, mask;
	uint64_t n_looks = 0;
	struct rig g;

	(void)state;
	rig_init(&g, 14);
	for (uint32_t i = 0; i < 4000; i++) {
		struct dp_flow_overlap o = { .version = 2, .priority = 1 };
		uint32_t n = 100000;

		make_mask(&g, GRID, &mask);
		rig_tend(&g);
		mask.w[1] = ~UINT64_C(0);
		memset(&key, 0, sizeof(key));
		key.w[1] = i;
		key.w[3] = rig_random(&g);
		o.mask = mask;
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			o.key.w[w] = key.w[w] & mask.w[w];
		assert_true(dp_flow_table_overlap(g.table, &o, &n));
		assert_null(o.found);
		n_looks += 100000 - n;
		rig_add(&g, &key, &mask, 1);
	}
	assert_true(n_looks < 4000 * 70);
	rig_fini(&g);
}

// Soundness of wildcards: what no rule looks at changes nothing.
static void bits_outside_the_mask_change_no_result(void **state)
{
	struct dp_flow_key key, mask;
	struct rig g;

	(void)state;
	rig_init(&g, 13);
	for (uint32_t i = 0; i < 20000; i++) {
		const struct dp_flow_rule *r;

		change(&g, (enum style)(i / 5000), 60);
		make_key(&g, &key);
		r = dp_flow_table_find(g.table, &key, g.version);
		dp_flow_table_mask(g.table, &mask);
		for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
			key.w[w] ^= rig_random(&g) & ~mask.w[w];
		assert_ptr_equal(dp_flow_table_find(g.table, &key, g.version), r);
	}
	// And it has no bit that no rule has any more.
	while (g.n_rules > 0)
		rig_unlink(&g, 0);
	dp_flow_table_mask(g.table, &mask);
	for (uint32_t w = 0; w < DP_FLOW_WORDS; w++)
		assert_int_equal(mask.w[w], 0);
	rig_fini(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefix_grids_are_looked_up_as_in_a_list),
		cmocka_unit_test(random_masks_are_looked_up_as_in_a_list),
		cmocka_unit_test(exact_rules_are_looked_up_as_in_a_list),
		cmocka_unit_test(nested_prefixes_are_looked_up_as_in_a_list),
		cmocka_unit_test(all_kinds_of_masks_are_looked_up_as_in_a_list),
		cmocka_unit_test(exact_finds_each_rule_and_no_other),
		cmocka_unit_test(many_rules_of_any_masks_are_found_while_they_are_arranged_anew),
		cmocka_unit_test(masks_of_an_attack_cost_few_probes_and_compares),
		cmocka_unit_test(a_match_overlaps_rules_of_a_block_by_what_it_says),
		cmocka_unit_test(a_grid_of_prefixes_is_one_tuple),
		cmocka_unit_test(overlaps_are_found_as_in_a_list),
		cmocka_unit_test(a_match_is_not_compared_with_all_rules),
		cmocka_unit_test(bits_outside_the_mask_change_no_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
