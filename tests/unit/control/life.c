// The life of a VM: its table against the one that is written for people, every situation with
// every event twice, and real traces told in any order.
#include "../unit.h"

#include <stdio.h>

#include "life.h"

enum { SITUATIONS = LIFE_N_STATES * 8 };

static struct life situation(int i)
{
	return (struct life){
		.state = (uint8_t)(i / 8),
		.attached = (i & 1) != 0,
		.driver = (i & 2) != 0,
		.paused = (i & 4) != 0,
	};
}

static bool is_alive(const struct life *l)
{
	return l->state == LIFE_RUNNING || l->state == LIFE_PAUSED || l->state == LIFE_CRASHED ||
	       l->state == LIFE_OUTGOING;
}

static bool is_silent(const struct life *l)
{
	return l->state == LIFE_INCOMING || l->state == LIFE_MOVED;
}

static bool same(const struct life *a, const struct life *b)
{
	return a->state == b->state && a->attached == b->attached && a->driver == b->driver &&
	       a->paused == b->paused && a->run == b->run;
}

// --- The table of control/README.md

static void cell_check(const char *cell, int state, enum life_event ev)
{
	const char *slash = strchr(cell, '/');

	for (int attached = 0; attached < 2; attached++) {
		struct life l = { .state = (uint8_t)state,
				  .attached = attached != 0,
				  .paused = state == LIFE_PAUSED };
		const char *want = slash != NULL && attached != 0 ? slash + 1 : cell;
		size_t size =
			slash != NULL && attached == 0 ? (size_t)(slash - cell) : strlen(want);
		const char *got;

		(void)life_step(&l, ev);
		got = l.state == state ? "." : life_state_name(l.state);
		if (strlen(got) != size || strncmp(got, want, size) != 0)
			fail_msg("%s in %s, %sattached: %s, and README says %s",
				 life_event_name(ev), life_state_name((enum life_state)state),
				 attached ? "" : "not ", got, cell);
	}
}

static void the_table_for_people_is_the_one_of_the_code(void **state)
{
	FILE *f = fopen(WEIR_YANG_SRC "/../../control/README.md", "re");
	char line[512], name[32];
	bool seen[LIFE_N_EVENTS] = { 0 };

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		char *save = NULL, *cell;
		int ev, row = 0;

		if (sscanf(line, "| %31[a-z-] |%n", name, &row) != 1 || row == 0 ||
		    (ev = life_event_find(name)) < 0)
			continue;
		(void)strtok_r(line, "| \n", &save);
		for (int s = 0; s < LIFE_N_STATES; s++) {
			cell = strtok_r(NULL, "| \n", &save);
			assert_non_null(cell);
			cell_check(cell, s, (enum life_event)ev);
		}
		seen[ev] = true;
	}
	fclose(f);
	for (int e = 0; e < LIFE_N_EVENTS; e++)
		if (!seen[e])
			fail_msg("%s has no row", life_event_name((enum life_event)e));
}

// --- Every situation

static void told_twice_is_told_once(void **state)
{
	(void)state;
	for (int i = 0; i < SITUATIONS; i++) {
		for (int e = 0; e < LIFE_N_EVENTS; e++) {
			struct life once = situation(i), twice;
			uint32_t again;

			(void)life_step(&once, (enum life_event)e);
			twice = once;
			again = life_step(&twice, (enum life_event)e);
			assert_true(same(&once, &twice));
			// Each reset begins a boot; nothing else is done twice.
			if (e != LIFE_EV_RESET)
				assert_int_equal(again, 0);
			else
				assert_int_equal(again & ~(uint32_t)(LIFE_DO_BOOT | LIFE_DO_FLUSH),
						 0);
		}
	}
}

static bool begins(int e)
{
	return e == LIFE_EV_PREPARE || e == LIFE_EV_STARTED || e == LIFE_EV_ATTACH ||
	       e == LIFE_EV_MIGRATE_IN;
}

static void what_has_ended_is_not_revived_by_what_comes_late(void **state)
{
	(void)state;
	for (int i = 0; i < SITUATIONS; i++) {
		for (int e = 0; e < LIFE_N_EVENTS; e++) {
			struct life l = situation(i);
			const struct life was = l;

			if (is_alive(&l) || is_silent(&l) || l.state == LIFE_PREPARED)
				continue;
			(void)life_step(&l, (enum life_event)e);
			// A QEMU that is still there may go on after a shutdown.
			if (was.attached &&
			    (e == LIFE_EV_RESET || e == LIFE_EV_RESUME || e == LIFE_EV_RECONNECT))
				continue;
			if (!begins(e))
				assert_true(l.state == was.state || l.state == LIFE_DEFINED ||
					    l.state == LIFE_MOVED);
			if (was.state == LIFE_DEFINED && !begins(e))
				assert_int_equal(l.state, LIFE_DEFINED);
		}
	}
}

static void each_change_asks_for_what_belongs_to_it(void **state)
{
	(void)state;
	for (int i = 0; i < SITUATIONS; i++) {
		for (int e = 0; e < LIFE_N_EVENTS; e++) {
			struct life l = situation(i);
			const struct life was = l;
			uint32_t work = life_step(&l, (enum life_event)e);

			assert_int_equal((work & LIFE_DO_QUIET) != 0,
					 !is_silent(&was) && is_silent(&l));
			assert_int_equal((work & LIFE_DO_SPEAK) != 0,
					 is_silent(&was) && !is_silent(&l));
			assert_int_equal((work & LIFE_DO_RELEASE) != 0,
					 was.state != LIFE_DEFINED && l.state == LIFE_DEFINED);
			assert_int_equal((work & LIFE_DO_PROVIDER) != 0,
					 was.state != LIFE_PREPARED && l.state == LIFE_PREPARED);
			if (is_alive(&was) && !is_alive(&l))
				assert_true((work & LIFE_DO_FLUSH) != 0);
			if ((work & LIFE_DO_BOOT) != 0)
				assert_true(is_alive(&l));
			if (!is_alive(&was) && is_alive(&l) &&
			    (e == LIFE_EV_STARTED || e == LIFE_EV_ATTACH))
				assert_true((work & LIFE_DO_BOOT) != 0);
			assert_true(l.run == was.run ||
				    (l.run == was.run + 1 && l.state != was.state));
			assert_true(l.state < LIFE_N_STATES);
		}
	}
}

// Whatever is told, a state is what its facts allow.
static void every_sequence_of_four_ends_in_a_sane_state(void **state)
{
	const uint32_t n = LIFE_N_EVENTS, all = n * n * n * n;

	(void)state;
	for (uint32_t i = 0; i < all; i++) {
		struct life l = { 0 };
		uint32_t rest = i;

		for (int k = 0; k < 4; k++, rest /= n)
			(void)life_step(&l, (enum life_event)(rest % n));
		assert_true(!l.driver || l.attached);
		assert_true(l.state != LIFE_PAUSED || l.paused);
		assert_true(l.state != LIFE_DEFINED || !l.paused);
		assert_true(l.state == LIFE_DEFINED || l.run > 0);
		(void)life_step(&l, LIFE_EV_DETACH);
		(void)life_step(&l, LIFE_EV_RELEASE);
		assert_int_equal(l.state, LIFE_DEFINED);
	}
}

// --- Real traces

struct stream {
	enum life_event ev[8];
	int n;
};

enum { STREAMS = 3, TRACE = 16 };

// All orders of the streams, each in its own order; `fn` judges each.
struct orders {
	const struct stream *streams; // streams[STREAMS]
	int at[STREAMS], n, n_orders;
	enum life_event ev[TRACE];
	// What can be there before what: the port before QEMU, and what is seen before it is told
	// that all is over.
	bool (*is_possible)(const struct orders *o);
	enum life_state end;
};

static bool is_told(const struct orders *o, enum life_event ev)
{
	for (int i = 0; i < o->n; i++)
		if (o->ev[i] == ev)
			return true;
	return false;
}

// What can be after all that was told now: something that was told before, once more?
static bool may_repeat(enum life_event e, const struct orders *o, int from, int to)
{
	for (int k = from + 1; k <= to; k++) {
		// The next of the same kind of fact, or a beginning after the end.
		if (o->ev[k] == LIFE_EV_RELEASE && begins((int)e))
			return false;
		if ((e == LIFE_EV_PAUSE && o->ev[k] == LIFE_EV_RESUME) ||
		    (e == LIFE_EV_MIGRATE_OUT && o->ev[k] == LIFE_EV_MIGRATE_CANCELLED) ||
		    e == LIFE_EV_ATTACH || e == LIFE_EV_DETACH || e == LIFE_EV_DRIVER_UP ||
		    e == LIFE_EV_DRIVER_DOWN ||
		    (e == LIFE_EV_STARTED &&
		     (o->ev[k] == LIFE_EV_STOPPED || o->ev[k] == LIFE_EV_DETACH)) ||
		    (e == LIFE_EV_PREPARE &&
		     (o->ev[k] == LIFE_EV_STOPPED || o->ev[k] == LIFE_EV_DETACH ||
		      o->ev[k] == LIFE_EV_SHUTDOWN || o->ev[k] == LIFE_EV_MIGRATED)))
			return false;
	}
	return true;
}

static void run_with(const struct orders *o, int repeat, int after)
{
	struct life l = { 0 };

	for (int i = 0; i < o->n; i++) {
		(void)life_step(&l, o->ev[i]);
		if (i == after)
			(void)life_step(&l, o->ev[repeat]);
	}
	if (l.state == (uint8_t)o->end)
		return;
	for (int i = 0; i < o->n; i++)
		print_error("%s%s ", life_event_name(o->ev[i]), i == after ? " (again)" : "");
	fail_msg("ends %s, not %s (%s again)", life_state_name(l.state), life_state_name(o->end),
		 repeat < 0 ? "nothing" : life_event_name(o->ev[repeat]));
}

static void judge(struct orders *o)
{
	o->n_orders++;
	run_with(o, -1, -1);
	for (int r = 0; r < o->n; r++)
		for (int a = r; a < o->n && may_repeat(o->ev[r], o, r, a); a++)
			run_with(o, r, a);
}

static void all_orders(struct orders *o, int left)
{
	if (left == 0) {
		judge(o);
		return;
	}
	for (int s = 0; s < STREAMS; s++) {
		if (o->at[s] == o->streams[s].n)
			continue;
		o->ev[o->n++] = o->streams[s].ev[o->at[s]++];
		if (o->is_possible(o))
			all_orders(o, left - 1);
		o->n--;
		o->at[s]--;
	}
}

static bool port_first(const struct orders *o)
{
	const enum life_event last = o->ev[o->n - 1];

	// Its port is there from its preparation on, and it is looked at before others are heard.
	if (last == LIFE_EV_ATTACH)
		return is_told(o, LIFE_EV_PREPARE) && !is_told(o, LIFE_EV_STOPPED) &&
		       !is_told(o, LIFE_EV_SHUTDOWN) && !is_told(o, LIFE_EV_RELEASE);
	// A monitor speaks of a QEMU that is there.
	if (last == LIFE_EV_RESET || last == LIFE_EV_PAUSE || last == LIFE_EV_MIGRATE_OUT)
		return is_told(o, LIFE_EV_ATTACH) && !is_told(o, LIFE_EV_DETACH);
	return true;
}

static void check_orders(const struct stream streams[STREAMS], enum life_state end, int at_least)
{
	struct orders o = { .streams = streams, .is_possible = port_first, .end = end };

	all_orders(&o, streams[0].n + streams[1].n + streams[2].n);
	assert_true(o.n_orders >= at_least);
}

#define EV(name) LIFE_EV_##name

static void a_boot_with_a_reset_ends_alike_in_any_order(void **state)
{
	struct stream s[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP), EV(DRIVER_DOWN), EV(DETACH) }, 4 },
		{ { EV(PREPARE), EV(STARTED), EV(STOPPED), EV(RELEASE) }, 4 },
		{ { EV(RESET), EV(SHUTDOWN) }, 2 },
	};

	(void)state;
	check_orders(s, LIFE_DEFINED, 30);
	s[1].n = 3; // not released
	check_orders(s, LIFE_STOPPED, 30);
}

static void a_pause_and_a_panic_end_alike_in_any_order(void **state)
{
	const struct stream paused[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP) }, 2 },
		{ { EV(PREPARE), EV(STARTED) }, 2 },
		{ { EV(PAUSE), EV(RESUME) }, 2 },
	};
	const struct stream panicked[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP) }, 2 },
		{ { EV(PREPARE), EV(STARTED) }, 2 },
		{ { EV(PAUSE), EV(PANICKED) }, 2 },
	};

	(void)state;
	check_orders(paused, LIFE_RUNNING, 5);
	check_orders(panicked, LIFE_CRASHED, 5);
}

static void a_migration_ends_alike_in_any_order(void **state)
{
	const struct stream out[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP), EV(SEEN_ELSEWHERE), EV(DETACH) }, 4 },
		{ { EV(PREPARE), EV(STARTED) }, 2 },
		{ { EV(MIGRATE_OUT), EV(PAUSE), EV(MIGRATED) }, 3 },
	};
	const struct stream cancelled[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP) }, 2 },
		{ { EV(PREPARE), EV(STARTED) }, 2 },
		{ { EV(MIGRATE_OUT), EV(PAUSE), EV(MIGRATE_CANCELLED), EV(RESUME) }, 4 },
	};
	const struct stream in[STREAMS] = {
		{ { EV(ATTACH), EV(DRIVER_UP), EV(SEEN_HERE) }, 3 },
		{ { EV(MIGRATE_IN), EV(PREPARE) }, 2 },
		{ { EV(STARTED) }, 1 },
	};
	struct life l = { 0 };

	(void)state;
	check_orders(out, LIFE_MOVED, 5);
	check_orders(cancelled, LIFE_RUNNING, 5);
	check_orders(in, LIFE_RUNNING, 3);
	// Silent until it runs here.
	assert_true((life_step(&l, LIFE_EV_MIGRATE_IN) & LIFE_DO_QUIET) != 0);
	for (int e = 0; e < LIFE_N_EVENTS; e++) {
		struct life k = l;

		(void)life_step(&k, LIFE_EV_ATTACH);
		assert_int_equal(k.state, LIFE_INCOMING);
		(void)life_step(&k, (enum life_event)e);
		if (e != LIFE_EV_RESUME && e != LIFE_EV_DRIVER_UP && e != LIFE_EV_SEEN_HERE)
			assert_true(!is_alive(&k));
	}
}

static void a_quick_restart_is_a_run_of_its_own(void **state)
{
	struct life l = { 0 };

	(void)state;
	(void)life_step(&l, LIFE_EV_ATTACH);
	assert_int_equal(l.run, 1);
	(void)life_step(&l, LIFE_EV_DETACH);
	assert_int_equal(l.state, LIFE_STOPPED);
	assert_true((life_step(&l, LIFE_EV_PREPARE) & LIFE_DO_PROVIDER) != 0);
	assert_int_equal(l.run, 2);
	(void)life_step(&l, LIFE_EV_STOPPED); // of the run before
	assert_int_equal(l.state, LIFE_PREPARED);
	(void)life_step(&l, LIFE_EV_ATTACH);
	(void)life_step(&l, LIFE_EV_STOPPED);
	assert_int_equal(l.state, LIFE_RUNNING);
	assert_int_equal(l.run, 2);
	assert_int_equal(life_step(&l, (enum life_event)LIFE_N_EVENTS), 0);
}

static void names_are_those_of_the_module(void **state)
{
	(void)state;
	for (int e = 0; e < LIFE_N_EVENTS; e++)
		assert_int_equal(life_event_find(life_event_name((enum life_event)e)), e);
	for (int s = 0; s < LIFE_N_STATES; s++)
		assert_int_equal(life_state_find(life_state_name((enum life_state)s)), s);
	assert_int_equal(life_event_find("born"), -1);
	assert_int_equal(life_state_find(""), -1);
	assert_string_equal(life_event_name((enum life_event)99), "unknown");
	assert_string_equal(life_state_name((enum life_state)99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_for_people_is_the_one_of_the_code),
		cmocka_unit_test(told_twice_is_told_once),
		cmocka_unit_test(what_has_ended_is_not_revived_by_what_comes_late),
		cmocka_unit_test(each_change_asks_for_what_belongs_to_it),
		cmocka_unit_test(every_sequence_of_four_ends_in_a_sane_state),
		cmocka_unit_test(a_boot_with_a_reset_ends_alike_in_any_order),
		cmocka_unit_test(a_pause_and_a_panic_end_alike_in_any_order),
		cmocka_unit_test(a_migration_ends_alike_in_any_order),
		cmocka_unit_test(a_quick_restart_is_a_run_of_its_own),
		cmocka_unit_test(names_are_those_of_the_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
