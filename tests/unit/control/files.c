// Boot files in memory: read once, shared by tables, read again when they change, gone with the
// last table.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../unit.h"
#include "control_priv.h"

static struct cfg_file the_file = { .name = "k" };

static void file_write(const char *text)
{
	FILE *f = fopen(the_file.path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(the_file.path, sizeof(the_file.path), "/tmp/weir-files.XXXXXX");
	fd = mkstemp(the_file.path);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(the_file.path);
}

static void table_make(struct ctl *c, struct boot_table **out)
{
	struct cfg cfg = { .files = &the_file, .n_files = 1 };
	struct cfg_error err;

	assert_int_equal(ctl_boot_table(c, &cfg, out, &err), 0);
	assert_int_equal((*out)->n_files, 1);
}

static void a_file_that_stays_is_read_once(void **state)
{
	struct ctl *c = calloc(1, sizeof(*c));
	struct boot_table *a, *b;

	(void)state;
	file_write("kernel");
	table_make(c, &a);
	table_make(c, &b);
	assert_ptr_equal(a->files[0].data, b->files[0].data);
	boot_table_free(a);
	assert_memory_equal(b->files[0].data, "kernel", 6);
	boot_table_free(b);
	table_make(c, &a); // nobody had it: read again
	assert_memory_equal(a->files[0].data, "kernel", 6);
	boot_table_free(a);
	ctl_boot_files_free(c);
	assert_null(c->files);
	free(c);
}

static void a_file_that_changes_is_read_again(void **state)
{
	struct ctl *c = calloc(1, sizeof(*c));
	struct boot_table *a, *b;

	(void)state;
	file_write("kernel");
	table_make(c, &a);
	file_write("kernel 2");
	table_make(c, &b);
	assert_int_equal(a->files[0].size, 6);
	assert_memory_equal(a->files[0].data, "kernel", 6);
	assert_int_equal(b->files[0].size, 8);
	assert_memory_equal(b->files[0].data, "kernel 2", 8);
	boot_table_free(a);
	boot_table_free(b);
	ctl_boot_files_free(c);
	free(c);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
	struct ctl *c = calloc(1, sizeof(*c));
	struct cfg_file missing = { .name = "m", .path = "/nonexistent/m" },
			dir = { .name = "d", .path = "/" };
	struct cfg cfg = { .files = &missing, .n_files = 1 };
	struct boot_table *t;
	struct cfg_error err;

	(void)state;
	assert_int_equal(ctl_boot_table(c, &cfg, &t, &err), -ENOENT);
	assert_string_equal(err.path, "/weir-vm:boot-files/file[name='m']/path");
	assert_string_equal(err.value, "/nonexistent/m");
	cfg.files = &dir;
	assert_int_equal(ctl_boot_table(c, &cfg, &t, &err), -EISDIR);
	assert_null(c->files);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_file_that_stays_is_read_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_that_changes_is_read_again, setup, teardown),
		cmocka_unit_test(a_file_that_cannot_be_read_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
