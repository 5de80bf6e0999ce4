// The journal of leases: what a restart, a crash at any byte, damage and a failing disk leave.
#include "boot_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_leases.h"
#include "crash_disk.h"

static const struct boot_pool pool = { 1, { 10, 0, 0, 20 }, { 10, 0, 0, 200 }, 86400 };

struct rig_disk {
	char dir[64], file[96];
	struct ctl_persist *p;
	struct ctl_persist_sys sys;
};

static int fail_write, fail_fsync, short_write; // how many calls still work; -1 = all
static uint32_t n_fsyncs;

static ssize_t test_write(int fd, const void *buf, size_t size)
{
	if (fail_write == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (short_write == 0)
		return write(fd, buf, size / 2);
	fail_write -= fail_write > 0;
	short_write -= short_write > 0;
	return write(fd, buf, size);
}

static int test_fsync(int fd)
{
	(void)fd;
	n_fsyncs++;
	if (fail_fsync == 0) {
		errno = EIO;
		return -1;
	}
	fail_fsync -= fail_fsync > 0;
	return 0;
}

static void disk_open(struct rig_disk *d)
{
	struct cfg_error err;

	fail_write = fail_fsync = short_write = -1;
	n_fsyncs = 0;
	d->sys = crash_plain_sys;
	d->sys.write = test_write;
	d->sys.fsync = test_fsync;
	snprintf(d->dir, sizeof(d->dir), "/tmp/weir-leases.XXXXXX");
	assert_non_null(mkdtemp(d->dir));
	snprintf(d->file, sizeof(d->file), "%s/leases", d->dir);
	assert_int_equal(ctl_persist_open_sys(d->dir, &d->sys, &d->p, &err), 0);
}

static void disk_close(struct rig_disk *d)
{
	char command[96];

	ctl_persist_close(d->p);
	snprintf(command, sizeof(command), "rm -rf %s", d->dir);
	assert_int_equal(system(command), 0);
}

// A daemon: a responder whose leases are kept.
struct daemon {
	struct rig g;
	struct ctl_leases *l;
};

static void on_lease(void *ctx, const struct boot_lease *lease)
{
	struct daemon *x = ctx;

	ctl_leases_add(x->l, lease);
}

static struct daemon *daemon_start(struct rig_disk *d, uint64_t unix_s)
{
	struct daemon *x = calloc(1, sizeof(*x));
	const struct boot_out out = {
		.send = rig_on_send, .event = rig_on_event, .lease = on_lease, .ctx = x
	};
	struct boot_client c[32];

	x->g.now_ns = SECOND;
	assert_int_equal(boot_create(&out, &x->g.r), 0);
	assert_int_equal(ctl_leases_open(d->p, x->g.r, x->g.now_ns, unix_s, &x->l), 0);
	for (uint8_t i = 0; i < 32; i++) {
		c[i] = rig_client((uint8_t)(i + 1));
		memset(c[i].ip, 0, 4);
		c[i].pool = 0;
	}
	rig_table(&x->g, c, 32, &pool);
	return x;
}

// Killed: what was not flushed is gone, nothing is closed in an orderly way.
static void daemon_kill(struct daemon *x)
{
	boot_destroy(x->g.r);
	free(x->l); // its descriptor leaks, as the test is short
	free(x);
}

static void daemon_stop(struct daemon *x)
{
	ctl_leases_close(x->l);
	boot_destroy(x->g.r);
	free(x);
}

static uint8_t bind(struct daemon *x, uint8_t n, uint8_t ip)
{
	const uint8_t addr[4] = { 10, 0, 0, ip };
	struct reply_view v;
	struct msg m;

	x->g.n_sent = x->g.n_events = 0;
	msg_init(&m, n, 3, n);
	msg_opt(&m, 50, addr, 4);
	rig_dhcp(&x->g, n, &m);
	v = rig_last(&x->g);
	return reply_type(&v);
}

static void three_bound(struct daemon *x)
{
	for (uint8_t n = 1; n <= 3; n++)
		assert_int_equal(bind(x, n, (uint8_t)(30 + n)), 5);
	ctl_leases_flush(x->l);
}

// Another client is refused what client n has; asked first to those that are there.
static bool holds(struct daemon *x, uint8_t n)
{
	struct boot_lease l;

	for (uint32_t i = 0; boot_lease_nth(x->g.r, i, &l); i++) {
		if (l.ip[3] == 30 + n && l.mac[5] == n && l.kind == BOOT_LEASE_BOUND)
			return true;
	}
	return false;
}

static uint32_t n_held(struct daemon *x)
{
	struct boot_lease l;
	uint32_t n = 0;

	while (boot_lease_nth(x->g.r, n, &l))
		n++;
	return n;
}

static size_t file_read(const struct rig_disk *d, char *buf, size_t max)
{
	int fd = open(d->file, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, max);

	if (fd >= 0)
		close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

static void file_write(const struct rig_disk *d, const char *buf, size_t size)
{
	int fd = open(d->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, size), (ssize_t)size);
	close(fd);
}

static bool is_aside(const struct rig_disk *d)
{
	char aside[128];

	snprintf(aside, sizeof(aside), "%s.corrupt", d->file);
	return unlink(aside) == 0;
}

static void a_killed_daemon_loses_nothing(void **state)
{
	struct rig_disk d;
	struct daemon *x;
	char text[1024];

	(void)state;
	disk_open(&d);
	x = daemon_start(&d, 1000000);
	three_bound(x);
	daemon_kill(x);
	text[file_read(&d, text, sizeof(text) - 1)] = '\0';
	assert_non_null(strstr(text, "1 10.0.0.31 02:00:00:00:00:01 bound 1086400 "));
	x = daemon_start(&d, 1000100);
	for (uint8_t n = 1; n <= 3; n++)
		assert_true(holds(x, n));
	assert_int_equal(bind(x, 4, 31), 6);
	assert_int_equal(bind(x, 1, 31), 5);
	daemon_stop(x);
	x = daemon_start(&d, 1000000 + 200000); // two days later: remembered, and free
	assert_false(holds(x, 2));
	assert_int_equal(n_held(x), 3);
	assert_int_equal(bind(x, 4, 32), 5);
	daemon_stop(x);
	disk_close(&d);
}

static void a_file_that_is_cut_anywhere_keeps_what_is_before(void **state)
{
	char whole[1024];
	struct rig_disk d;
	struct daemon *x;
	size_t size;

	(void)state;
	disk_open(&d);
	x = daemon_start(&d, 1000000);
	three_bound(x);
	daemon_kill(x);
	size = file_read(&d, whole, sizeof(whole));
	for (size_t cut = 0; cut <= size; cut++) {
		uint32_t lines = 0;

		for (size_t i = 0; i < cut; i++)
			lines += whole[i] == '\n';
		file_write(&d, whole, cut);
		x = daemon_start(&d, 1000000);
		assert_int_equal(n_held(x), lines > 0 ? lines - 1 : 0); // one is the heading
		assert_int_equal(bind(x, 9, 99), 5);
		ctl_leases_flush(x->l);
		daemon_kill(x);
		x = daemon_start(&d, 1000000);
		assert_int_equal(n_held(x), lines > 0 ? lines : 1);
		daemon_stop(x);
		assert_false(is_aside(&d));
	}
	disk_close(&d);
}

static void a_damaged_byte_costs_one_line(void **state)
{
	char whole[1024], bad[1024];
	struct rig_disk d;
	struct daemon *x;
	size_t size;

	(void)state;
	disk_open(&d);
	x = daemon_start(&d, 1000000);
	three_bound(x);
	daemon_kill(x);
	size = file_read(&d, whole, sizeof(whole));
	for (size_t at = strcspn(whole, "\n") + 1; at < size; at++) {
		uint32_t n = 0;

		memcpy(bad, whole, size);
		bad[at] ^= 1 << (at % 8);
		if (bad[at] == '#')
			continue; // of a comment nothing is missed but the line
		file_write(&d, bad, size);
		x = daemon_start(&d, 1000000);
		for (uint8_t i = 1; i <= 3; i++)
			n += holds(x, i);
		// A newline that is gone takes two lines; the last one's is a cut-off end.
		assert_true(n == 2 || (n == 1 && whole[at] == '\n'));
		assert_int_equal(n_held(x), n);
		daemon_stop(x);
		assert_true(is_aside(&d) || (whole[at] == '\n' && at == size - 1));
	}
	disk_close(&d);
}

static void strange_files_are_put_aside(void **state)
{
	char junk[5000];
	struct rig_disk d;
	struct daemon *x;
	uint32_t seed = 1;

	(void)state;
	disk_open(&d);
	for (size_t i = 0; i < sizeof(junk); i++)
		junk[i] = (char)((seed = seed * 1103515245u + 12345u) >> 16);
	file_write(&d, junk, sizeof(junk));
	x = daemon_start(&d, 1000000);
	assert_int_equal(n_held(x), 0);
	daemon_stop(x);
	assert_true(is_aside(&d));
	unlink(d.file);
	assert_int_equal(symlink("/etc/passwd", d.file), 0);
	x = daemon_start(&d, 1000000);
	three_bound(x);
	daemon_stop(x);
	assert_true(is_aside(&d));
	x = daemon_start(&d, 1000000);
	assert_true(holds(x, 3));
	daemon_stop(x);
	disk_close(&d);
}

static void a_disk_that_fails_is_tried_again(void **state)
{
	struct rig_disk d;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct daemon *x;

		disk_open(&d);
		x = daemon_start(&d, 1000000);
		assert_int_equal(bind(x, 1, 31), 5);
		ctl_leases_flush(x->l);
		*(kind == 0 ? &fail_write : kind == 1 ? &fail_fsync : &short_write) = 0;
		assert_int_equal(bind(x, 2, 32), 5); // guests do not notice
		ctl_leases_tick(x->l, 10 * SECOND);
		assert_int_equal(bind(x, 3, 33), 5);
		ctl_leases_tick(x->l, 20 * SECOND);
		fail_write = fail_fsync = short_write = -1;
		ctl_leases_tick(x->l, 30 * SECOND); // not yet
		ctl_leases_tick(x->l, 90 * SECOND);
		daemon_kill(x);
		x = daemon_start(&d, 1000000);
		for (uint8_t n = 1; n <= 3; n++)
			assert_true(holds(x, n));
		daemon_stop(x);
		disk_close(&d);
	}
}

static void the_file_stays_short_and_the_disk_idle(void **state)
{
	struct rig_disk d;
	struct daemon *x;
	struct stat st;
	off_t largest = 0;

	(void)state;
	disk_open(&d);
	x = daemon_start(&d, 1000000);
	n_fsyncs = 0;
	for (uint32_t i = 0; i < 10000; i++) { // 10 s of renewals, 1,000 each second
		assert_int_equal(bind(x, (uint8_t)(1 + i % 3), (uint8_t)(31 + i % 3)), 5);
		x->g.now_ns += SECOND / 1000;
		if (i % 10 == 0)
			ctl_leases_flush(x->l);
		if (i % 100 == 0)
			ctl_leases_tick(x->l, x->g.now_ns);
		assert_int_equal(stat(d.file, &st), 0);
		if (st.st_size > largest)
			largest = st.st_size;
	}
	assert_true(largest < 100 * 1024);
	assert_true(n_fsyncs < 40); // one a second; two for each time it is written anew
	daemon_stop(x);
	disk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_daemon_loses_nothing),
		cmocka_unit_test(a_file_that_is_cut_anywhere_keeps_what_is_before),
		cmocka_unit_test(a_damaged_byte_costs_one_line),
		cmocka_unit_test(strange_files_are_put_aside),
		cmocka_unit_test(a_disk_that_fails_is_tried_again),
		cmocka_unit_test(the_file_stays_short_and_the_disk_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
