// The directory of commits: what is kept, what is put aside, what is refused.
#include "../unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash_disk.h"
#include "persist.h"
#include "weir_log.h"

static char top[64], dir[80];

static char *at(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(at(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static bool exists(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0;
}

static int commit(struct ctl_persist *p, uint64_t id)
{
	struct cfg_commit_head h = { .id = id, .user = "root" };
	struct cfg_error err;
	char text[32];

	snprintf(text, sizeof(text), "{\"n\":%llu}", (unsigned long long)id);
	return ctl_persist_write(p, &h, text, strlen(text), &err);
}

static struct ctl_persist *reopen(struct ctl_persist *p)
{
	struct cfg_error err;

	ctl_persist_close(p);
	assert_int_equal(ctl_persist_open_sys(dir, &crash_plain_sys, &p, &err), 0);
	return p;
}

// A fresh directory with commits 1..n.
static struct ctl_persist *with_commits(uint32_t n)
{
	struct ctl_persist *p;
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
	p = reopen(NULL);
	for (uint32_t id = 1; id <= n; id++)
		assert_int_equal(commit(p, id), 0);
	return p;
}

static void assert_newest(struct ctl_persist *p, uint64_t id)
{
	struct cfg_commit_head h;
	char *text, expected[32];
	size_t size;

	assert_int_equal(ctl_persist_newest(p, &h, &text, &size), 0);
	assert_int_equal(h.id, id);
	snprintf(expected, sizeof(expected), "{\"n\":%llu}", (unsigned long long)id);
	assert_string_equal(text, expected);
	free(text);
}

static uint32_t n_commits(const struct ctl_persist *p)
{
	const struct cfg_commit_head *heads;

	return ctl_persist_list(p, &heads);
}

static void a_missing_directory_is_made(void **state)
{
	struct ctl_persist *p = with_commits(0), *second;
	struct cfg_commit_head h;
	struct cfg_error err;
	struct stat st;
	size_t size;
	char *text;

	(void)state;
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(at("commits"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(ctl_persist_newest(p, &h, &text, &size), -ENOENT);
	assert_null(text);
	assert_int_equal(ctl_persist_next_id(p), 1);
	assert_int_equal(commit(p, 1), 0);
	assert_int_equal(stat(at("commits/0000000001.conf"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	assert_int_equal(ctl_persist_open(dir, &second, &err), -EBUSY);
	assert_null(second);
	assert_string_equal(err.reason, "another weir-switchd uses this directory");
	p = reopen(p);
	assert_newest(p, 1);
	ctl_persist_close(p);
}

static void a_directory_that_is_no_good_is_refused(void **state)
{
	struct ctl_persist *p = with_commits(1);
	struct cfg_error err;
	char path[160];

	(void)state;
	ctl_persist_close(p);
	snprintf(path, sizeof(path), "%s/no/such", top);
	assert_int_equal(ctl_persist_open(path, &p, &err), -ENOENT);
	assert_string_equal(err.value, path);
	assert_string_equal(err.reason, "create the directory: No such file or directory");
	snprintf(path, sizeof(path), "%s/commits/0000000001.conf", dir);
	assert_int_equal(ctl_persist_open(path, &p, &err), -ENOTDIR);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(ctl_persist_open(dir, &p, &err), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(chmod(at("commits"), 0707), 0);
	assert_int_equal(ctl_persist_open(dir, &p, &err), -EPERM);
	assert_string_equal(err.value, at("commits"));
	assert_int_equal(chmod(at("commits"), 0755), 0);
	assert_int_equal(ctl_persist_open(dir, &p, &err), 0);
	ctl_persist_close(p);
}

static void the_newest_51_are_kept(void **state)
{
	struct ctl_persist *p = with_commits(60);
	const struct cfg_commit_head *heads;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ctl_persist_list(p, &heads), 51);
		assert_int_equal(heads[0].id, 60);
		assert_int_equal(heads[50].id, 10);
		p = reopen(p);
	}
	assert_false(exists("commits/0000000009.conf"));
	assert_true(exists("commits/0000000010.conf"));
	assert_newest(p, 60);
	ctl_persist_close(p);
}

static void what_is_waited_for_is_kept_beyond_the_51(void **state)
{
	struct ctl_persist *p = with_commits(3);
	const struct cfg_commit_head *heads;
	struct cfg_pending w = { .backup = 3, .first = 4, .last = 4 };
	struct cfg_commit_head h;
	struct cfg_error err;
	size_t size;
	char *text;

	(void)state;
	for (uint64_t id = 4; id < 80; id++) {
		w.last = id;
		assert_int_equal(ctl_persist_pending_set(p, &w, &err), 0);
		assert_int_equal(commit(p, id), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ctl_persist_list(p, &heads), 52);
		assert_int_equal(heads[50].id, 29);
		assert_int_equal(heads[51].id, 3);
		assert_int_equal(ctl_persist_read(p, 3, &h, &text, &size), 0);
		assert_string_equal(text, "{\"n\":3}");
		free(text);
		p = reopen(p);
		assert_memory_equal(ctl_persist_pending_get(p), &w, sizeof(w));
	}
	assert_int_equal(ctl_persist_pending_clear(p, &err), 0);
	assert_int_equal(commit(p, 80), 0);
	assert_int_equal(n_commits(p), 51);
	assert_false(exists("commits/0000000003.conf"));
	ctl_persist_close(p);
}

static void a_bad_commit_is_put_aside_and_the_one_before_is_used(void **state)
{
	struct ctl_persist *p = with_commits(4);

	(void)state;
	put_file("commits/0000000004.conf", "weir-commit 1\n");
	put_file("commits/0000000003.conf", "");
	put_file("commits/0000000003.conf.corrupt", "an older one");
	p = reopen(p);
	assert_newest(p, 2);
	assert_int_equal(n_commits(p), 2);
	assert_true(exists("commits/0000000004.conf.corrupt"));
	assert_true(exists("commits/0000000003.conf.corrupt.1"));
	assert_false(exists("commits/0000000004.conf"));
	assert_false(exists("commits/0000000003.conf"));
	// Its id is not given again.
	assert_int_equal(ctl_persist_next_id(p), 5);
	assert_int_equal(commit(p, 4), -EINVAL);
	assert_int_equal(commit(p, 5), 0);
	p = reopen(p);
	assert_int_equal(ctl_persist_next_id(p), 6);
	assert_newest(p, 5);
	ctl_persist_close(p);
}

static void bytes_that_turn_bad_later_are_noticed_when_read(void **state)
{
	struct ctl_persist *p = with_commits(3);
	struct cfg_commit_head h;
	size_t size;
	char *text;
	int fd;

	(void)state;
	fd = open(at("commits/0000000002.conf"), O_WRONLY);
	assert_int_equal(lseek(fd, -1, SEEK_END) > 0 && write(fd, "!", 1) == 1, 1);
	close(fd);
	p = reopen(p); // looks at the header only
	assert_int_equal(n_commits(p), 3);
	assert_int_equal(ctl_persist_nth(p, 1, &h, &text, &size), -EBADMSG);
	assert_null(text);
	assert_true(exists("commits/0000000002.conf.corrupt"));
	assert_int_equal(n_commits(p), 2);
	assert_int_equal(ctl_persist_read(p, 2, &h, &text, &size), -ENOENT);
	assert_int_equal(ctl_persist_nth(p, 1, &h, &text, &size), 0);
	assert_int_equal(h.id, 1);
	free(text);
	fd = open(at("commits/0000000003.conf"), O_WRONLY | O_TRUNC);
	close(fd);
	assert_newest(p, 1);
	ctl_persist_close(p);
}

static void what_is_no_ordinary_file_is_put_aside(void **state)
{
	struct ctl_persist *p = with_commits(2);
	char from[160];

	(void)state;
	snprintf(from, sizeof(from), "%s", at("commits/0000000001.conf"));
	assert_int_equal(symlink(from, at("commits/0000000005.conf")), 0);
	assert_int_equal(mkfifo(at("commits/0000000006.conf"), 0600), 0);
	assert_int_equal(mkdir(at("commits/0000000007.conf"), 0700), 0);
	assert_int_equal(link(from, at("commits/0000000008.conf")), 0); // another id in it
	put_file("commits/0000000009.conf", "");
	assert_int_equal(truncate(at("commits/0000000009.conf"), 9 << 20), 0);
	p = reopen(p);
	assert_newest(p, 2);
	assert_true(exists("commits/0000000005.conf.corrupt"));
	assert_true(exists("commits/0000000006.conf.corrupt"));
	assert_true(exists("commits/0000000007.conf.corrupt"));
	assert_true(exists("commits/0000000008.conf.corrupt"));
	assert_true(exists("commits/0000000009.conf.corrupt"));
	assert_int_equal(ctl_persist_next_id(p), 10);
	ctl_persist_close(p);
}

static int starved_openat(int d, const char *name, int flags, mode_t mode)
{
	if (strstr(name, "0000000002.conf") != NULL) {
		errno = EMFILE;
		return -1;
	}
	return crash_plain_sys.openat(d, name, flags, mode);
}

static ssize_t bad_sector_read(int fd, void *buf, size_t size)
{
	(void)fd;
	(void)buf;
	(void)size;
	errno = EIO;
	return -1;
}

static void a_shortage_of_descriptors_condemns_no_file(void **state)
{
	struct ctl_persist_sys sys = crash_plain_sys;
	struct ctl_persist *p = with_commits(2);
	struct cfg_error err;

	(void)state;
	ctl_persist_close(p);
	sys.openat = starved_openat;
	assert_int_equal(ctl_persist_open_sys(dir, &sys, &p, &err), -EMFILE);
	assert_true(exists("commits/0000000002.conf"));
	p = reopen(NULL);
	assert_newest(p, 2);
	ctl_persist_close(p);

	sys = crash_plain_sys;
	sys.read = bad_sector_read;
	assert_int_equal(ctl_persist_open_sys(dir, &sys, &p, &err), 0);
	assert_int_equal(n_commits(p), 0);
	assert_true(exists("commits/0000000002.conf.corrupt"));
	assert_int_equal(ctl_persist_next_id(p), 3);
	ctl_persist_close(p);
}

static void other_files_stay_and_temporaries_go(void **state)
{
	static const char *const stay[] = { "commits/notes", "commits/0000000001.conf.bak",
					    "commits/1.conf", "commits/x.tmp", "weir.json" };
	struct ctl_persist *p = with_commits(1);

	(void)state;
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		put_file(stay[i], "mine");
	put_file("commits/0000000002.conf.tmp", "half");
	put_file("pending.conf.tmp", "half");
	p = reopen(p);
	for (size_t i = 0; i < sizeof(stay) / sizeof(stay[0]); i++)
		assert_true(exists(stay[i]));
	assert_false(exists("commits/0000000002.conf.tmp"));
	assert_false(exists("pending.conf.tmp"));
	assert_newest(p, 1);
	ctl_persist_close(p);
}

static void more_than_10000_entries_are_refused(void **state)
{
	struct ctl_persist *p = with_commits(1);
	struct cfg_error err;
	char name[32];

	(void)state;
	ctl_persist_close(p);
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "commits/f%d", i);
		put_file(name, "");
	}
	assert_int_equal(ctl_persist_open_sys(dir, &crash_plain_sys, &p, &err), -EINVAL);
	assert_string_equal(err.reason, "more than 10000 entries");
	p = with_commits(0);
	ctl_persist_close(p);
}

static void pending_holds_only_while_its_commit_is_the_newest(void **state)
{
	// Of commits 1..6.
	static const struct {
		uint64_t backup, first, last;
		bool valid;
	} cases[] = {
		{ 5, 6, 6, true },  { 3, 4, 6, true },	{ 3, 6, 9, true },  { 5, 6, 7, true },
		{ 6, 7, 7, false }, { 6, 8, 9, false }, { 3, 4, 5, false }, { 4, 5, 5, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cfg_pending w = { .backup = cases[i].backup,
					 .first = cases[i].first,
					 .last = cases[i].last };
		struct ctl_persist *p = with_commits(6);
		char out[CFG_RECORD_HEAD_MAX + 1];
		struct cfg_error err;
		int n = cfg_pending_write(&w, out, &err);

		assert_true(n > 0);
		out[n] = '\0';
		put_file("pending.conf", out);
		p = reopen(p);
		assert_int_equal(ctl_persist_pending_get(p) != NULL, cases[i].valid);
		assert_int_equal(exists("pending.conf"), cases[i].valid);
		assert_int_equal(ctl_persist_next_id(p), w.last > 6 ? w.last + 1 : 7);
		ctl_persist_close(p);
	}
}

static void pending_is_dropped_when_there_is_nothing_to_go_back_to(void **state)
{
	struct cfg_pending w = { .backup = 2, .first = 3, .last = 3 };
	struct ctl_persist *p;
	struct cfg_error err;

	(void)state;
	for (int i = 0; i < 3; i++) {
		p = with_commits(2);
		assert_int_equal(ctl_persist_pending_set(p, &w, &err), 0);
		assert_int_equal(commit(p, 3), 0);
		if (i == 0)
			assert_int_equal(truncate(at("commits/0000000002.conf"), 100), 0);
		else if (i == 1)
			assert_int_equal(unlink(at("commits/0000000002.conf")), 0);
		else
			put_file("pending.conf", "weir-pending 1\n");
		p = reopen(p);
		assert_null(ctl_persist_pending_get(p));
		assert_false(exists("pending.conf"));
		assert_int_equal(exists("pending.conf.corrupt"), i == 2);
		assert_newest(p, 3);
		ctl_persist_close(p);
	}
}

static void a_pending_without_sense_is_refused(void **state)
{
	struct cfg_pending w = { .backup = 7, .first = 8, .last = 8 };
	struct ctl_persist *p = with_commits(4);
	struct cfg_error err;

	(void)state;
	assert_int_equal(ctl_persist_pending_set(p, &w, &err), -EINVAL);
	assert_string_equal(err.reason, "there is no such commit to go back to");
	w = (struct cfg_pending){ .backup = 1, .first = 2, .last = 3 };
	assert_int_equal(ctl_persist_pending_set(p, &w, &err), -EINVAL);
	assert_string_equal(err.reason, "a later commit has confirmed it");
	w = (struct cfg_pending){ .backup = 4, .first = 4, .last = 5 };
	assert_int_equal(ctl_persist_pending_set(p, &w, &err), -EINVAL);
	assert_null(ctl_persist_pending_get(p));
	assert_false(exists("pending.conf"));
	assert_int_equal(ctl_persist_pending_clear(p, &err), 0); // nothing to do
	ctl_persist_close(p);
}

static void ids_grow(void **state)
{
	struct ctl_persist *p = with_commits(3);

	(void)state;
	assert_int_equal(commit(p, 3), -EINVAL);
	assert_int_equal(commit(p, 1), -EINVAL);
	assert_int_equal(commit(p, 0), -EINVAL);
	assert_int_equal(commit(p, 9), 0);
	assert_int_equal(commit(p, 8), -EINVAL);
	assert_int_equal(commit(p, CFG_COMMIT_ID_MAX), 0);
	assert_int_equal(commit(p, CFG_COMMIT_ID_MAX + 1), -EINVAL);
	p = reopen(p);
	assert_newest(p, CFG_COMMIT_ID_MAX);
	ctl_persist_close(p);
}

static int set_up(void **state)
{
	(void)state;
	weir_log_set_level(0);
	// Ten thousand files: in memory, where there is that.
	snprintf(top, sizeof(top), "%s/weir-persist-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(top) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/state", top);
	return 0;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_directory_is_made),
		cmocka_unit_test(a_directory_that_is_no_good_is_refused),
		cmocka_unit_test(the_newest_51_are_kept),
		cmocka_unit_test(what_is_waited_for_is_kept_beyond_the_51),
		cmocka_unit_test(a_bad_commit_is_put_aside_and_the_one_before_is_used),
		cmocka_unit_test(bytes_that_turn_bad_later_are_noticed_when_read),
		cmocka_unit_test(what_is_no_ordinary_file_is_put_aside),
		cmocka_unit_test(a_shortage_of_descriptors_condemns_no_file),
		cmocka_unit_test(other_files_stay_and_temporaries_go),
		cmocka_unit_test(more_than_10000_entries_are_refused),
		cmocka_unit_test(pending_holds_only_while_its_commit_is_the_newest),
		cmocka_unit_test(pending_is_dropped_when_there_is_nothing_to_go_back_to),
		cmocka_unit_test(a_pending_without_sense_is_refused),
		cmocka_unit_test(ids_grow),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
