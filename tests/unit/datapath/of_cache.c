// The exact cache by itself: what it must not say, with signs and walks made by hand.
#include "../unit.h"
#include "of_cache_priv.h"

enum { LINES = 8, PATHS = DP_OF_PATH_WAYS };

static struct dp_of_entry lines[LINES] __rte_cache_aligned;
static struct dp_of_path paths[PATHS] __rte_cache_aligned;
static struct dp_of_port_pw port;
static struct dp_of_pw *pw;

static void begin(void)
{
	memset(lines, 0, sizeof(lines));
	memset(paths, 0, sizeof(paths));
	memset(&port, 0, sizeof(port));
	memset(pw, 0, sizeof(*pw));
	pw->cache = lines;
	pw->cache_mask = LINES - 1;
	pw->paths = paths;
	pw->paths_mask = PATHS - 1;
	pw->first_stamp = pw->next_stamp = 1;
	for (uint32_t i = 0; i < RTE_DIM(pw->seeds); i++)
		pw->seeds[i] = 0x9e3779b97f4a7c15u * (i + 1);
	dp_of_cache_see(pw, 1);
}

// n words from `first` on; both places of it are the same.
static struct dp_of_sign sign(uint32_t at, uint32_t n, uint64_t first)
{
	struct dp_of_sign s = { .hash = (uint64_t)at << 32 | at, .what = n << DP_OF_N_WORDS_SHIFT };

	s.what |= n == DP_OF_PLAIN_WORDS ? (uint32_t)DP_OF_PLAIN : (1u << n) - 1;
	for (uint32_t i = 0; i < n; i++)
		s.words[i] = first + i;
	return s;
}

static struct dp_of_met walk(uint32_t n, uint32_t first, bool is_missed, uint32_t out_port)
{
	struct dp_of_met m = {
		.n = n, .out_port = out_port, .kind = DP_OF_PROG_OUTPUT, .is_missed = is_missed
	};

	for (uint32_t i = 0; i < n; i++)
		m.rules[i] = dp_of_step_of(first + i, i);
	return m;
}

static void enter(const struct dp_of_sign *s, const struct dp_of_met *m)
{
	dp_of_cache_insert(pw, s, &port, m);
}

static void assert_found(const struct dp_of_sign *s, const struct dp_of_met *m)
{
	const struct dp_of_path *p = dp_of_cache_find(pw, s);

	assert_non_null(p);
	assert_int_equal(p->n, m->n);
	assert_int_equal(p->is_missed, m->is_missed);
	assert_int_equal(p->out_port, m->out_port);
	assert_int_equal(p->kind, m->kind);
	assert_memory_equal(p->rules, m->rules, m->n * sizeof(m->rules[0]));
}

static void what_was_entered_is_found_and_nothing_else(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= DP_OF_CACHE_WORDS; n++) {
		struct dp_of_sign s = sign(3, n, 100), other;
		struct dp_of_met m = walk(1 + n % DP_OF_CACHED, 7, n % 2 == 0, n);

		begin();
		assert_null(dp_of_cache_find(pw, &s));
		enter(&s, &m);
		assert_found(&s, &m);
		for (uint32_t i = 0; i < n; i++) {
			other = s;
			other.words[i] ^= 1;
			assert_null(dp_of_cache_find(pw, &other));
		}
		other = s;
		other.what ^= 1;
		assert_null(dp_of_cache_find(pw, &other));
	}
}

static void walks_are_told_apart_to_their_ends(void **state)
{
	struct dp_of_met m[] = { walk(2, 5, false, 1), walk(2, 5, true, 2), walk(1, 5, false, 3),
				 walk(3, 5, false, 4), walk(0, 0, true, 5), walk(2, 6, false, 6) };
	struct dp_of_sign s[RTE_DIM(m)];

	(void)state;
	begin();
	for (uint32_t i = 0; i < RTE_DIM(m); i++) {
		s[i] = sign(i, DP_OF_PLAIN_WORDS, 100 * i);
		enter(&s[i], &m[i]);
	}
	for (uint32_t i = 0; i < RTE_DIM(m); i++)
		assert_found(&s[i], &m[i]);
	// Frames that met the same have one path.
	s[0] = sign(6, DP_OF_PLAIN_WORDS, 1000);
	enter(&s[0], &m[1]);
	assert_ptr_equal(dp_of_cache_find(pw, &s[0]), dp_of_cache_find(pw, &s[1]));
}

static void another_version_finds_nothing_from_before(void **state)
{
	struct dp_of_sign s = sign(1, DP_OF_PLAIN_WORDS, 1), wide = sign(2, 9, 1);
	struct dp_of_met m = walk(2, 5, false, 1), changed = walk(2, 5, false, 2);

	(void)state;
	begin();
	enter(&s, &m);
	enter(&wide, &m);
	dp_of_cache_see(pw, 2);
	assert_null(dp_of_cache_find(pw, &s));
	assert_null(dp_of_cache_find(pw, &wide));
	// The same rules, which send elsewhere now.
	enter(&s, &changed);
	assert_found(&s, &changed);
}

static void an_entry_ends_with_its_path(void **state)
{
	struct dp_of_sign s = sign(7, DP_OF_PLAIN_WORDS, 1), wide = sign(4, 9, 1);
	struct dp_of_met m = walk(2, 5, false, 1);

	(void)state;
	begin();
	enter(&s, &m);
	enter(&wide, &m);
	for (uint32_t i = 0; i < PATHS; i++) { // all other places, then its own
		struct dp_of_sign t = sign(0, DP_OF_PLAIN_WORDS, 100 * i);
		struct dp_of_met n = walk(1, 100 + i, false, 9);

		assert_found(&s, &m);
		assert_found(&wide, &m);
		enter(&t, &n);
	}
	assert_null(dp_of_cache_find(pw, &s));
	assert_null(dp_of_cache_find(pw, &wide));
}

// Whoever takes the second line of an entry ends it, even by words that it would have there.
static void an_entry_of_two_lines_ends_with_either(void **state)
{
	struct dp_of_sign wide = sign(2, 9, 1), seems = sign(2, 9, 1), in_second;
	struct dp_of_met m = walk(2, 5, false, 1), other = walk(1, 50, false, 2);

	(void)state;
	begin();
	enter(&wide, &m);
	in_second = sign(3, 3, 1000);
	for (uint32_t i = 0; i < 3; i++)
		seems.words[DP_OF_LINE_WORDS + i] = in_second.words[i];
	// Nothing else is free.
	for (uint32_t i = 0; i < LINES; i++) {
		struct dp_of_sign t = sign(i, DP_OF_PLAIN_WORDS, 100 * i);

		if (i != 2 && i != 3)
			enter(&t, &other);
	}
	assert_found(&wide, &m);
	enter(&in_second, &other);
	assert_found(&in_second, &other);
	assert_null(dp_of_cache_find(pw, &wide));
	assert_null(dp_of_cache_find(pw, &seems));
	assert_int_equal(port.n_lost, 1);
}

static void what_is_not_for_the_cache_is_not_entered(void **state)
{
	struct dp_of_sign s = sign(1, DP_OF_PLAIN_WORDS, 1);
	struct dp_of_met m = walk(DP_OF_CACHED + 1, 5, false, 1);

	(void)state;
	begin();
	enter(&s, &m);
	m.n--;
	m.is_partial = true;
	enter(&s, &m);
	m.is_partial = false;
	m.is_deep = true;
	enter(&s, &m);
	assert_null(dp_of_cache_find(pw, &s));
	m.is_deep = false;
	enter(&s, &m);
	assert_found(&s, &m);
}

static uint32_t asks(uint32_t of)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < of; i++)
		n += dp_of_port_asks(&port);
	return n;
}

static void who_finds_little_mostly_does_without(void **state)
{
	(void)state;
	begin();
	assert_int_equal(asks(640), 640);
	for (uint32_t i = 0; i < 10; i++) {
		port.n_lost = 1000;
		port.n_found = 24;
		(void)dp_of_port_asks(&port);
	}
	assert_int_equal(asks(640), 20);
	// It finds them again.
	for (uint32_t i = 0; i < 10; i++) {
		port.n_lost = 24;
		port.n_found = 1000;
		(void)dp_of_port_asks(&port);
	}
	assert_int_equal(asks(640), 640);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_entered_is_found_and_nothing_else),
		cmocka_unit_test(walks_are_told_apart_to_their_ends),
		cmocka_unit_test(another_version_finds_nothing_from_before),
		cmocka_unit_test(an_entry_ends_with_its_path),
		cmocka_unit_test(an_entry_of_two_lines_ends_with_either),
		cmocka_unit_test(what_is_not_for_the_cache_is_not_entered),
		cmocka_unit_test(who_finds_little_mostly_does_without),
	};
	int failed;

	pw = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*pw));
	failed = pw == NULL || cmocka_run_group_tests(tests, NULL, NULL);
	free(pw);
	return failed;
}
