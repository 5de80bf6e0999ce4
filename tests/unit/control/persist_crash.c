// Commits and confirmed commits, cut off at each call that changes something, and with each of them
// failing: whatever is left, the configuration is exactly the old or exactly the new one, what
// waits fits it, and the next commit works. The disk is that of tests/lib/crash_disk.h.
#include "../unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_disk.h"
#include "persist.h"
#include "weir_log.h"

// What a script does; each step is one call of persist.h.
//	W commit   B begin a confirmed commit   w its commit   E extend it   C clear
static const char script[] = "WBwCBwEwWCBwWC";
// Many follow, so the one to go back to would be removed, were it not waited for.
static const char full_script[] = "WBwEwWCWW";

// What should be there: the ids, newest first, and what waits.
struct expected {
	uint64_t ids[80];
	uint32_t n;
	bool has_pending;
	struct cfg_pending pending;
};

static char live[64], after[64];
static uint32_t n_states_seen;

static void text_of(uint64_t id, char text[64])
{
	snprintf(text, 64, "{\"commit\": %llu}\n", (unsigned long long)id);
}

static int commit(struct ctl_persist *p, uint64_t id, struct cfg_error *err)
{
	struct cfg_commit_head h = { .id = id, .time_s = (int64_t)id, .user = "u", .client = "c" };
	char text[64];

	text_of(id, text);
	return ctl_persist_write(p, &h, text, strlen(text), err);
}

// --- What should be there

static void expect_commit(struct expected *e, uint64_t id)
{
	memmove(&e->ids[1], &e->ids[0], e->n * sizeof(e->ids[0]));
	e->ids[0] = id;
	e->n++;
	while (e->n > CTL_PERSIST_KEEP) {
		uint32_t i = e->n - 1;

		if (e->has_pending && e->ids[i] == e->pending.backup && --i < CTL_PERSIST_KEEP)
			break;
		e->n--;
		memmove(&e->ids[i], &e->ids[i + 1], (e->n - i) * sizeof(e->ids[0]));
	}
}

// After an opening: what is stale does not wait. What it went back to stays until the next commit.
static struct expected opened(struct expected e)
{
	if (e.has_pending && (e.ids[0] < e.pending.first || e.ids[0] > e.pending.last))
		e.has_pending = false;
	return e;
}

static bool same_pending(const struct expected *e, const struct cfg_pending *p)
{
	return e->has_pending ? p != NULL && memcmp(p, &e->pending, sizeof(*p)) == 0 : p == NULL;
}

static bool is_as(const struct ctl_persist *p, const struct expected *e)
{
	const struct cfg_commit_head *heads;
	uint32_t n = ctl_persist_list(p, &heads);

	for (uint32_t i = 0; n == e->n && i < n; i++)
		if (heads[i].id != e->ids[i])
			return false;
	return n == e->n && same_pending(e, ctl_persist_pending_get(p));
}

// Each commit that is kept can be read and is what was written; no other file is there.
static void assert_whole(struct ctl_persist *p, const char *dir)
{
	const struct cfg_commit_head *heads;
	uint32_t n = ctl_persist_list(p, &heads), n_files = 0;
	struct cfg_commit_head h;
	char expected[64], path[96], *text;
	struct dirent *e;
	size_t size;
	DIR *d;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(ctl_persist_nth(p, i, &h, &text, &size), 0);
		text_of(h.id, expected);
		assert_string_equal(text, expected);
		assert_int_equal(size, strlen(expected));
		assert_memory_equal(&h, &heads[i], sizeof(h));
		free(text);
	}
	snprintf(path, sizeof(path), "%s/commits", dir);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n_files += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(n_files, n);
	snprintf(path, sizeof(path), "%s/pending.conf.tmp", dir);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof(path), "%s/pending.conf", dir);
	assert_int_equal(access(path, F_OK), ctl_persist_pending_get(p) == NULL ? -1 : 0);
}

// A commit after it works, is the newest at the next start, and nothing that was waiting then turns
// on it.
static void assert_goes_on(struct ctl_persist *p, const char *dir)
{
	uint64_t id = ctl_persist_next_id(p);
	const struct cfg_commit_head *heads;
	struct cfg_error err;

	assert_int_equal(commit(p, id, &err), 0);
	ctl_persist_close(p);
	assert_int_equal(ctl_persist_open_sys(dir, &crash_plain_sys, &p, &err), 0);
	ctl_persist_list(p, &heads);
	assert_int_equal(heads[0].id, id);
	assert_null(ctl_persist_pending_get(p));
	ctl_persist_close(p);
}

// Each state that a crash of the host may leave now is a or b.
static void assert_after_crash(const struct expected *a, const struct expected *b)
{
	struct expected old = opened(*a), new = opened(*b);
	uint32_t n = crash_disk_n_states();
	struct ctl_persist *p;
	struct cfg_error err;

	for (uint32_t i = 0; i < n; i++) {
		crash_disk_state(i, after);
		assert_int_equal(ctl_persist_open_sys(after, &crash_plain_sys, &p, &err), 0);
		assert_true(is_as(p, &old) || is_as(p, &new));
		assert_whole(p, after);
		assert_goes_on(p, after);
		n_states_seen++;
	}
}

// The same where others may have come back, as long as they are older; nothing waits.
static void assert_newest_after_crash(uint64_t id)
{
	uint32_t n = crash_disk_n_states();
	const struct cfg_commit_head *heads;
	struct ctl_persist *p;
	struct cfg_error err;

	for (uint32_t i = 0; i < n; i++) {
		crash_disk_state(i, after);
		assert_int_equal(ctl_persist_open_sys(after, &crash_plain_sys, &p, &err), 0);
		assert_true(ctl_persist_list(p, &heads) > 0);
		assert_int_equal(heads[0].id, id);
		assert_null(ctl_persist_pending_get(p));
		assert_whole(p, after);
		ctl_persist_close(p);
		n_states_seen++;
	}
}

// --- Running a script

struct run {
	struct ctl_persist *p;
	struct expected e; // after the steps that are done
	uint64_t planned;  // the id of the commit that a pending waits for
	uint32_t n_failed;
	bool killed_only; // look at the disk when killed, not after each step too
};

// One step. e: what should be there if it succeeds
static int step(struct run *r, char what, struct expected *e)
{
	uint64_t id = r->planned != 0 ? r->planned : ctl_persist_next_id(r->p);
	struct cfg_pending p = { .timeout_ms = 600000, .persist_id = "x", .user = "u" };
	struct cfg_error err = { .reason = "" };
	int rc = 0;

	*e = r->e;
	if (what == 'w' || what == 'W') {
		r->planned = 0;
		expect_commit(e, id);
		rc = commit(r->p, id, &err);
	} else if (what == 'C') {
		e->has_pending = false;
		rc = ctl_persist_pending_clear(r->p, &err);
	} else {
		if (what == 'E' && e->has_pending)
			p = e->pending;
		else
			p.backup = e->ids[0], p.first = ctl_persist_next_id(r->p);
		p.last = ctl_persist_next_id(r->p);
		p.deadline_ms = p.last * 1000;
		e->has_pending = true;
		e->pending = p;
		rc = ctl_persist_pending_set(r->p, &p, &err);
		r->planned = rc == 0 ? p.last : 0;
	}
	if (rc < 0)
		assert_true(err.value[0] != '\0' && err.reason[0] != '\0');
	return rc;
}

// Each file of a directory and its commits.
static void each_file(const char *dir, void (*fn)(const char *path))
{
	char path[400];

	for (int i = 0; i < 2; i++) {
		struct dirent *e;
		DIR *d;

		snprintf(path, sizeof(path), "%s%s", dir, i == 0 ? "" : "/commits");
		d = opendir(path);
		assert_non_null(d);
		while ((e = readdir(d)) != NULL) {
			snprintf(path, sizeof(path), "%s%s/%s", dir, i == 0 ? "" : "/commits",
				 e->d_name);
			if (e->d_type == DT_REG)
				fn(path);
		}
		closedir(d);
	}
}

static void assert_not_temporary(const char *path)
{
	assert_null(strstr(path, ".tmp"));
}

static void remove_file(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

// Run until the end or until killed. fail: a call is made to fail
static void run(struct run *r, const char *steps, bool fail)
{
	for (; *steps != '\0'; steps++) {
		struct expected e;
		int rc = step(r, *steps, &e);

		if (crash_disk_killed()) {
			assert_after_crash(&r->e, &e);
			return;
		}
		if (rc < 0) {
			assert_true(fail);
			each_file(live, assert_not_temporary);
			r->n_failed++;
		} else {
			r->e = e;
		}
		assert_true(is_as(r->p, &r->e)); // in memory
		if (!r->killed_only)
			assert_after_crash(&r->e, &r->e);
	}
}

// A disk with n commits on it.
static void prepare(struct run *r, uint32_t n)
{
	struct cfg_error err;
	struct ctl_persist *p;

	memset(r, 0, sizeof(*r));
	each_file(live, remove_file);
	each_file(after, remove_file);
	assert_int_equal(ctl_persist_open_sys(live, &crash_plain_sys, &p, &err), 0);
	for (uint32_t id = 1; id <= n; id++) {
		assert_int_equal(commit(p, id, &err), 0);
		expect_commit(&r->e, id);
	}
	ctl_persist_close(p);
	crash_disk_begin(live);
	assert_int_equal(ctl_persist_open_sys(live, &crash_disk_sys, &r->p, &err), 0);
}

static void finish(struct run *r)
{
	ctl_persist_close(r->p);
	crash_disk_end();
}

static void cut_off_at_each_call(const char *steps, uint32_t n_before)
{
	uint32_t n, first;
	struct run r;

	prepare(&r, n_before);
	first = crash_disk_calls() + 1;
	run(&r, steps, false);
	n = crash_disk_calls();
	assert_true(n > first + 4 * strlen(steps) - 4);
	finish(&r);
	for (uint32_t call = first; call <= n; call++) {
		prepare(&r, n_before);
		crash_disk_kill_at(call);
		r.killed_only = true;
		run(&r, steps, false);
		assert_true(crash_disk_killed());
		finish(&r);
	}
}

static void cut_off_anywhere_it_is_the_old_or_the_new(void **state)
{
	(void)state;
	cut_off_at_each_call(script, 1);
}

static void cut_off_while_old_ones_are_removed_it_is_the_old_or_the_new(void **state)
{
	(void)state;
	cut_off_at_each_call(full_script, CTL_PERSIST_KEEP);
}

static void the_first_commit_is_there_or_not(void **state)
{
	(void)state;
	cut_off_at_each_call("WW", 0);
}

static void each_error_leaves_the_old_and_the_next_commit_works(void **state)
{
	static const int codes[] = { ENOSPC, EIO, EDQUOT, EROFS };
	uint32_t n, first, n_failed = 0;
	struct run r;

	(void)state;
	prepare(&r, 1);
	first = crash_disk_calls() + 1;
	run(&r, script, false);
	n = crash_disk_calls();
	finish(&r);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		for (uint32_t call = first; call <= n; call++) {
			prepare(&r, 1);
			crash_disk_fail_at(call, 1, codes[i]);
			r.killed_only = i > 0;
			run(&r, script, true);
			assert_true(r.n_failed <= 1);
			n_failed += r.n_failed;
			finish(&r);
		}
	}
	// All but the clean-up after a success, of which this script has none.
	assert_int_equal(n_failed, 4 * (n + 1 - first));
}

static void a_short_write_is_no_error(void **state)
{
	uint32_t n, first;
	struct run r;

	(void)state;
	prepare(&r, 1);
	first = crash_disk_calls() + 1;
	run(&r, "WBwC", false);
	n = crash_disk_calls();
	finish(&r);
	for (uint32_t call = first; call <= n; call++) {
		prepare(&r, 1);
		crash_disk_short_at(call);
		run(&r, "WBwC", false);
		finish(&r);
	}
}

static void an_error_and_then_a_crash_leave_the_old_or_the_new(void **state)
{
	static const char steps[] = "WBwEwC";
	uint32_t n, first;
	struct run r;

	(void)state;
	prepare(&r, 1);
	first = crash_disk_calls() + 1;
	run(&r, steps, false);
	n = crash_disk_calls();
	finish(&r);
	for (uint32_t call = first; call <= n; call++) {
		// Taking back what failed makes further calls.
		for (uint32_t kill = call + 1; kill <= n + 12; kill++) {
			prepare(&r, 1);
			crash_disk_fail_at(call, 1, EIO);
			crash_disk_kill_at(kill);
			r.killed_only = true;
			run(&r, steps, true);
			finish(&r);
		}
	}
}

// Nothing works for a while, taking back included. What failed may be on the disk; it does not come
// back over a later commit.
static void after_a_bad_time_the_next_commit_counts(void **state)
{
	static const char steps[] = "WBwEwWCBwCW";
	uint32_t n, first;
	struct run r;

	(void)state;
	prepare(&r, 1);
	first = crash_disk_calls() + 1;
	r.killed_only = true;
	run(&r, steps, false);
	n = crash_disk_calls();
	finish(&r);
	for (uint32_t call = first; call <= n; call++) {
		for (uint32_t bad = 2; bad <= 6; bad++) {
			prepare(&r, 1);
			crash_disk_fail_at(call, bad, EIO);
			for (const char *s = steps; *s != '\0'; s++) {
				struct expected e;

				if (step(&r, *s, &e) == 0) {
					r.e = e;
					if (*s == 'W')
						assert_newest_after_crash(e.ids[0]);
				}
				assert_int_equal(ctl_persist_pending_get(r.p) != NULL,
						 r.e.has_pending);
			}
			finish(&r);
		}
	}
}

// Killed, started again, and then the host crashes: what the second process saw stays.
static void what_a_start_has_seen_survives_a_crash_of_the_host(void **state)
{
	static const char steps[] = "WBwEwWCBwC";
	struct expected seen;
	uint32_t n, first;
	struct run r;

	(void)state;
	prepare(&r, 1);
	first = crash_disk_calls() + 1;
	run(&r, steps, false);
	n = crash_disk_calls();
	finish(&r);
	for (uint32_t call = first; call <= n; call++) {
		const struct cfg_commit_head *heads;
		struct cfg_error err;

		prepare(&r, 1);
		crash_disk_kill_at(call);
		r.killed_only = true;
		run(&r, steps, false);
		ctl_persist_close(r.p);
		crash_disk_restart();
		assert_int_equal(ctl_persist_open_sys(live, &crash_disk_sys, &r.p, &err), 0);
		memset(&seen, 0, sizeof(seen));
		seen.n = ctl_persist_list(r.p, &heads);
		for (uint32_t i = 0; i < seen.n; i++)
			seen.ids[i] = heads[i].id;
		seen.has_pending = ctl_persist_pending_get(r.p) != NULL;
		if (seen.has_pending)
			seen.pending = *ctl_persist_pending_get(r.p);
		assert_after_crash(&seen, &seen);
		r.e = seen;
		r.planned = 0;
		run(&r, "WBwWC", false);
		finish(&r);
	}
}

// A start that finds a mess, and is cut off or cannot clean up.
static void start_in_a_mess(bool cut_off)
{
	uint32_t n = 1;

	for (uint32_t call = 1; call <= n; call++) {
		struct ctl_persist *p;
		struct cfg_error err;
		char command[256];
		struct run r;

		prepare(&r, 4);
		// A pending whose commit is missing, and temporaries.
		r.e.pending = (struct cfg_pending){ .backup = 4, .first = 5, .last = 5 };
		assert_int_equal(ctl_persist_pending_set(r.p, &r.e.pending, &err), 0);
		finish(&r);
		snprintf(command, sizeof(command),
			 "cd %s && touch pending.conf.tmp commits/0000000005.conf.tmp", live);
		assert_int_equal(system(command), 0);
		crash_disk_begin(live);
		if (n > 1 && cut_off)
			crash_disk_kill_at(call);
		else if (n > 1)
			crash_disk_fail_at(call, 100, EROFS);
		assert_int_equal(ctl_persist_open_sys(live, &crash_disk_sys, &p, &err), 0);
		if (n == 1) {
			n = crash_disk_calls();
			assert_true(n >= 4);
			call = 0;
		}
		assert_after_crash(&r.e, &r.e);
		assert_null(ctl_persist_pending_get(p));
		assert_true(ctl_persist_next_id(p) > 5);
		if (!cut_off) {
			crash_disk_fail_at(0, 0, 0);
			assert_int_equal(commit(p, ctl_persist_next_id(p), &err), 0);
			assert_newest_after_crash(ctl_persist_next_id(p) - 1);
		}
		ctl_persist_close(p);
		crash_disk_end();
	}
}

static void a_start_can_be_cut_off_anywhere(void **state)
{
	(void)state;
	start_in_a_mess(true);
}

static void a_start_that_cannot_clean_up_goes_on(void **state)
{
	(void)state;
	start_in_a_mess(false);
}

static int set_up(void **state)
{
	// Thousands of small files: in memory, where there is that.
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	char path[96];

	(void)state;
	weir_log_set_level(0);
	snprintf(live, sizeof(live), "%s/weir-live-XXXXXX", tmp);
	snprintf(after, sizeof(after), "%s/weir-after-XXXXXX", tmp);
	if (mkdtemp(live) == NULL || mkdtemp(after) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/commits", live);
	if (mkdir(path, 0700) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/commits", after);
	return mkdir(path, 0700);
}

static int tear_down(void **state)
{
	char command[160];

	(void)state;
	print_message("%u states after a crash were looked at\n", n_states_seen);
	snprintf(command, sizeof(command), "rm -rf %s %s", live, after);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_commit_is_there_or_not),
		cmocka_unit_test(cut_off_anywhere_it_is_the_old_or_the_new),
		cmocka_unit_test(cut_off_while_old_ones_are_removed_it_is_the_old_or_the_new),
		cmocka_unit_test(each_error_leaves_the_old_and_the_next_commit_works),
		cmocka_unit_test(a_short_write_is_no_error),
		cmocka_unit_test(an_error_and_then_a_crash_leave_the_old_or_the_new),
		cmocka_unit_test(what_a_start_has_seen_survives_a_crash_of_the_host),
		cmocka_unit_test(a_start_can_be_cut_off_anywhere),
		cmocka_unit_test(a_start_that_cannot_clean_up_goes_on),
		cmocka_unit_test(after_a_bad_time_the_next_commit_counts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
