// Targets for storage, and metrics: storage_rig.h says how.
#include "storage_rig.h"

// --- Targets

// Windows of 10 s, with commands that take so long.
static void windows(uint32_t n, uint64_t took_ns, uint64_t wait_ns)
{
	static uint32_t tag;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < 50; k++) {
			command(tag++, took_ns, wait_ns);
			pass(200000000);
		}
	}
}

// Frames stand at the uplink, or not.
static void busy_set(bool busy)
{
	rig.full = busy;
	rig.rx_left = busy ? 64 : 0;
	for (uint32_t i = 0; i < 200; i++)
		dp_switch_turn(rig.c.sw, 0, rig.now_ns + i);
}

static void targets_raise_shares_and_lower_them(void **state)
{
#define TARGET BASE SERVER "set vm v qos storage-target 2000\nset vm v qos class storage shares 3\n"
	uint32_t raised;

	(void)state;
	configure(TARGET);
	conn_open();
	assert_int_equal(shares(), 3);
	windows(4, 9000000, 8000000);
	assert_int_equal(shares(), 3); // the uplink is idle: shares cannot help
	expect_shown("storage", "v", "\"state\":\"missed-link\"");
	busy_set(true);
	windows(8, 9000000, 8000000);
	raised = shares();
	assert_true(raised > 3 && raised <= 100 && raised % 3 == 0);
	expect_shown("storage", "v", "\"state\":\"raising\"");
	expect_shown("storage", "v", "\"text\":\"p99 ");
	expect_shown("storage", "", "\"decision\":[{\"id\":");
	// A commit of something else, of the VM's policy, and of its shares.
	configure(TARGET "set class bulk shares 5\n");
	assert_int_equal(shares(), raised);
	configure(TARGET "set vm v qos limit 5g\n");
	assert_int_equal(shares(), raised);
	configure(TARGET "set vm v qos class storage shares 2\n");
	assert_int_equal(shares(), raised / 3 * 2);
	configure(TARGET);
	busy_set(false);
	windows(200, 500000, 0);
	assert_int_equal(shares(), 3);
	expect_shown("storage", "v", "\"state\":\"met\",\"boost\":1");
	expect_metric("weir_vm_storage_boost{vm=\"v\"} 1\n");
}

static void a_target_that_goes_takes_its_boost_with_it(void **state)
{
	static const char *const after[] = { BASE SERVER, SERVER, BASE SERVER };

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		configure(BASE SERVER "set vm v qos storage-target 2000\n");
		conn_open();
		busy_set(true);
		windows(5, 9000000, 8000000);
		busy_set(false);
		assert_true(shares() > 1);
		configure(after[i]);
		if (dp_switch_port_find(rig.c.sw, "v.0") >= 0)
			assert_int_equal(shares(), 1);
		else
			assert_true(dp_switch_vm_find(rig.c.sw, "v") < 0);
	}
}

static void what_shares_cannot_help_is_said(void **state)
{
	(void)state;
	configure(BASE SERVER "set vm v qos storage-target 2000\n");
	conn_open();
	windows(9, 9000000, 0);
	assert_int_equal(shares(), 1);
	expect_shown("storage", "v", "\"state\":\"missed-portal\"");
	expect_shown("storage", "v", "beyond the switch");
}

// --- Metrics

static void a_port_that_is_taken_refuses_the_commit(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001) };
	socklen_t size = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct cfg_error err = { 0 };
	char lines[512], want[64];

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&in, size), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &size), 0);
	snprintf(lines, sizeof(lines), BASE "set management metrics port %u\n", ntohs(in.sin_port));
	snprintf(want, sizeof(want), "127.0.0.1 port %u", ntohs(in.sin_port));
	assert_true(commit(lines, &err) < 0);
	assert_string_equal(err.value, want);
	assert_string_equal(err.path, "/weir-management:management/metrics");
	assert_non_null(strstr(err.reason, "Address already in use"));
	assert_int_equal(dp_switch_port_find(rig.c.sw, "u"), -2); // nothing changed
	assert_null(rig.c.metrics);
	// A roll back must not stand or fall with it.
	rig.c.unasked = true;
	configure(lines);
	rig.c.unasked = false;
	configure(BASE);
	assert_null(rig.c.metrics);
	close(fd);
	configure(lines);
	assert_non_null(rig.c.metrics);
	// The same port elsewhere.
	snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines),
		 "set management metrics address 127.0.0.2\n");
	configure(lines);
	configure(BASE);
	assert_null(rig.c.metrics);
}

static void metrics_end_as_they_must(void **state)
{
	char *t;
	size_t size;

	(void)state;
	configure(BASE SERVER);
	assert_int_equal(ctl_metrics_text(&rig.c, &t, &size), 0);
	assert_true(size > 6 && strcmp(t + size - 6, "# EOF\n") == 0);
	free(t);
	expect_metric("weir_port_up{port=\"v.0\"} 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(targets_raise_shares_and_lower_them),
		TEST(a_target_that_goes_takes_its_boost_with_it),
		TEST(what_shares_cannot_help_is_said),
		TEST(a_port_that_is_taken_refuses_the_commit),
		TEST(metrics_end_as_they_must),
	};

	return rig_run(tests, sizeof(tests) / sizeof(tests[0]), WEIR_YANG_SRC);
}
