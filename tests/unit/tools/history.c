// The history file of the prompt: several clients write it at a time, and it stays small.
#include "../unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "history.h"

enum { CLIENTS = 8, LINES = 40, KEPT = 1000 };

static char path[] = "/tmp/weir-history.XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return unlink(path);
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	return 0;
}

// One client's life: its lines are "NAME 0", "NAME 1", ..
static void client(const char *name, uint32_t from, uint32_t n)
{
	History *h = history_init();
	char line[64];

	assert_non_null(h);
	history_load(h, path);
	for (uint32_t i = from; i < from + n; i++) {
		snprintf(line, sizeof(line), "%s %u\n", name, i);
		history_add(h, path, line);
	}
	history_end(h);
}

// What a new client finds; its number of lines. words: NULL, or how many lines begin so
static uint32_t found(const char *begin, uint32_t *n_begin)
{
	History *h = history_init();
	HistEvent ev;
	uint32_t n = 0;

	assert_non_null(h);
	*n_begin = 0;
	history_load(h, path);
	for (int rc = history(h, &ev, H_LAST); rc >= 0; rc = history(h, &ev, H_PREV)) {
		n++;
		*n_begin += strncmp(ev.str, begin, strlen(begin)) == 0;
	}
	history_end(h);
	return n;
}

static void clients_at_a_time_lose_no_line(void **state)
{
	uint32_t n;
	int status;
	char name[16];

	(void)state;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			snprintf(name, sizeof(name), "client%u", i);
			client(name, 0, LINES);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		assert_int_equal(status, 0);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		snprintf(name, sizeof(name), "client%u ", i);
		assert_int_equal(found(name, &n), CLIENTS * LINES);
		assert_int_equal(n, LINES);
	}
}

static void the_oldest_lines_leave(void **state)
{
	uint32_t n, n_lines = 0;
	char line[128];
	FILE *f;

	(void)state;
	client("old", 0, 3);
	client("line", 0, KEPT - 1);
	assert_int_equal(found("old", &n), KEPT);
	assert_int_equal(n, 1);
	client("new", 0, 2);
	assert_int_equal(found("new", &n), KEPT);
	assert_int_equal(n, 2);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n_lines++;
	fclose(f);
	assert_int_equal(n_lines, KEPT + 1); // and the mark
}

static void a_line_stays_as_it_was_typed(void **state)
{
	static const char typed[] = "set port x description \"\xc3\x9f \\ a\tb\"";
	History *h = history_init();
	HistEvent ev;
	struct stat st;
	char *longest = malloc(6001);

	(void)state;
	assert_non_null(longest);
	memset(longest, 'x', 6000);
	longest[6000] = '\0';
	history_load(h, path);
	history_add(h, path, typed);
	history_add(h, path, typed); // the same again
	history_add(h, path, "   \n");
	history_add(h, path, longest); // here, but not in the file
	assert_true(history(h, &ev, H_FIRST) >= 0);
	assert_string_equal(ev.str, longest);
	history_end(h);
	h = history_init();
	history_load(h, path);
	assert_true(history(h, &ev, H_FIRST) >= 0);
	assert_string_equal(ev.str, typed);
	assert_true(history(h, &ev, H_NEXT) < 0);
	history_end(h);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(longest);
}

static void what_is_no_history_is_begun_anew(void **state)
{
	FILE *f = fopen(path, "we");
	struct stat st;
	uint32_t n;

	(void)state;
	assert_non_null(f);
	fputs("no history\nat all\n", f);
	fclose(f);
	client("line", 0, 2);
	assert_int_equal(found("line", &n), 2);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	client("line", 0, 2);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode) && (st.st_mode & 0777) == 0666);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	client("line", 0, 2); // and does not wait
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(clients_at_a_time_lose_no_line, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_lines_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(a_line_stays_as_it_was_typed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_history_is_begun_anew, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
