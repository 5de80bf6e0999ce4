// Numbers of ports in OpenFlow: who gets which, over restarts, crashes and damage.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit.h"
#include "crash_disk.h"
#include "of_numbers.h"

struct rig {
	char dir[64];
	struct ctl_persist *p;
	struct ctl_of_numbers *n;
	struct cfg cfg;
	struct cfg_port ports[64];
};

static void rig_open(struct rig *r)
{
	struct cfg_error err;

	assert_int_equal(ctl_persist_open_sys(r->dir, &crash_plain_sys, &r->p, &err), 0);
	assert_int_equal(ctl_of_numbers_open(r->p, &r->n, &err), 0);
}

static void rig_close(struct rig *r)
{
	ctl_of_numbers_close(r->n);
	ctl_persist_close(r->p);
	r->n = NULL;
}

static struct rig *rig_create(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	snprintf(r->dir, sizeof(r->dir), "/tmp/weir-of-numbers.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	rig_open(r);
	return r;
}

static void rig_destroy(struct rig *r)
{
	char command[96];

	rig_close(r);
	snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

// A configuration of "NAME", "NAME=NUMBER", and "@NAME" for host ports.
static void ports_set(struct rig *r, const char *list)
{
	char text[512], *save = NULL;

	memset(&r->cfg, 0, sizeof(r->cfg));
	memset(r->ports, 0, sizeof(r->ports));
	r->cfg.ports = r->ports;
	snprintf(text, sizeof(text), "%s", list);
	for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
		struct cfg_port *p = &r->ports[r->cfg.n_ports++];
		char *equals = strchr(w, '=');

		if (equals != NULL) {
			*equals = '\0';
			p->of_port = (uint32_t)atoi(equals + 1);
		}
		p->type = w[0] == '@' ? CFG_PORT_HOST : CFG_PORT_UPLINK;
		snprintf(p->name, sizeof(p->name), "%.31s", w + (w[0] == '@'));
	}
	qsort(r->ports, r->cfg.n_ports, sizeof(r->ports[0]), by_name);
}

static uint32_t number(const struct rig *r, const char *name)
{
	return cfg_port_get(&r->cfg, name)->of_port;
}

static int give(struct rig *r, const char *list, struct cfg_error *err)
{
	ports_set(r, list);
	return ctl_of_numbers_give(r->n, &r->cfg, false, err);
}

static void gives(struct rig *r, const char *list)
{
	struct cfg_error err;

	assert_int_equal(give(r, list, &err), 0);
}

static void numbers_stay_with_their_names(void **state)
{
	struct rig *r = rig_create();
	uint64_t id;

	(void)state;
	gives(r, "a b @weir0");
	id = ctl_of_numbers_datapath(r->n);
	assert_int_equal(number(r, "a"), 1);
	assert_int_equal(number(r, "b"), 2);
	assert_int_equal(number(r, "weir0"), CTL_OF_LOCAL);
	assert_true(id >> 48 == 0 && (id >> 40 & 3) == 2);
	gives(r, "b");
	rig_close(r);
	rig_open(r);
	gives(r, "0new a b @other @weir0");
	assert_int_equal(number(r, "a"), 1);
	assert_int_equal(number(r, "b"), 2);
	assert_int_equal(number(r, "0new"), 3);
	assert_int_equal(number(r, "weir0"), CTL_OF_LOCAL);
	assert_int_equal(number(r, "other"), 4);
	assert_true(ctl_of_numbers_datapath(r->n) == id);
	rig_destroy(r);
}

static void another_name_does_not_get_a_number_that_was_given(void **state)
{
	struct rig *r = rig_create();

	(void)state;
	gives(r, "a");
	gives(r, "b");
	assert_int_equal(number(r, "b"), 2);
	rig_close(r);
	rig_open(r);
	gives(r, "c");
	assert_int_equal(number(r, "c"), 3);
	rig_destroy(r);
}

static void the_host_port_of_another_name_is_local_when_the_first_is_gone(void **state)
{
	struct rig *r = rig_create();

	(void)state;
	gives(r, "@x");
	gives(r, "@y");
	assert_int_equal(number(r, "y"), CTL_OF_LOCAL);
	gives(r, "@x @y");
	assert_int_equal(number(r, "y"), CTL_OF_LOCAL);
	assert_int_equal(number(r, "x"), 1);
	// A port that is no host port any more is not LOCAL.
	gives(r, "y @x");
	assert_int_equal(number(r, "y"), 2);
	rig_destroy(r);
}

static void configured_numbers_win(void **state)
{
	struct cfg_error err;
	struct rig *r = rig_create();

	(void)state;
	gives(r, "a b");
	gives(r, "a=7 b");
	assert_int_equal(number(r, "a"), 7);
	// Two that change places.
	gives(r, "a=2 b=7");
	assert_int_equal(number(r, "a"), 2);
	assert_int_equal(number(r, "b"), 7);
	// Not from one that is there and was given it.
	gives(r, "c");
	assert_int_equal(number(r, "c"), 3);
	assert_int_equal(give(r, "c d=3", &err), -EINVAL);
	assert_string_equal(err.path, "/ietf-interfaces:interfaces/interface[name='d']/"
				      "weir-interfaces:port/of-port");
	assert_string_equal(err.value, "3");
	assert_non_null(strstr(err.reason, "port c"));
	// From one that is not there any more.
	gives(r, "d=3");
	gives(r, "c d");
	assert_int_equal(number(r, "d"), 3);
	assert_int_equal(number(r, "c"), 4);
	rig_destroy(r);
}

static void a_rehearsal_changes_nothing(void **state)
{
	struct rig *r = rig_create();
	struct cfg_error err;

	(void)state;
	gives(r, "a");
	ports_set(r, "a x y z");
	assert_int_equal(ctl_of_numbers_give(r->n, &r->cfg, true, &err), 0);
	gives(r, "a b");
	assert_int_equal(number(r, "b"), 2);
	rig_destroy(r);
}

static void damage_is_put_aside(void **state)
{
	static const char bad[] = "datapath 0000020000000001\nport 1 a\nport 1 b\n";
	struct rig *r = rig_create();
	char path[128];
	struct stat st;
	int fd;

	(void)state;
	gives(r, "a b");
	rig_close(r);
	snprintf(path, sizeof(path), "%s/of-ports", r->dir);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, bad, sizeof(bad) - 1), sizeof(bad) - 1);
	close(fd);
	rig_open(r);
	gives(r, "b");
	assert_int_equal(number(r, "b"), 1);
	snprintf(path, sizeof(path), "%s/of-ports.corrupt", r->dir);
	assert_int_equal(stat(path, &st), 0);
	rig_destroy(r);
}

// Wherever the process is killed while it writes, the numbers are those of before or of after.
static void a_crash_loses_no_number_that_was_in_force(void **state)
{
	struct cfg_error err;
	struct rig *r = rig_create();
	uint32_t at = 0;

	(void)state;
	gives(r, "a");
	rig_close(r);
	for (bool killed = true; killed;) {
		crash_disk_begin(r->dir);
		assert_int_equal(ctl_persist_open_sys(r->dir, &crash_disk_sys, &r->p, &err), 0);
		assert_int_equal(ctl_of_numbers_open(r->p, &r->n, &err), 0);
		crash_disk_kill_at(crash_disk_calls() + ++at);
		(void)give(r, "a b c", &err);
		killed = crash_disk_killed();
		crash_disk_restart();
		ctl_of_numbers_close(r->n);
		ctl_persist_close(r->p);
		crash_disk_end();
		rig_open(r);
		gives(r, "a d");
		assert_int_equal(number(r, "a"), 1);
		assert_in_range(number(r, "d"), 2, 4);
		rig_close(r);
	}
	assert_in_range(at, 4, 64);
	rig_open(r);
	rig_destroy(r);
}

static void very_many_names_are_forgotten_oldest_first(void **state)
{
	struct rig *r = rig_create();
	struct cfg_error err;
	char name[32];

	(void)state;
	// Without a disk: it is about numbers.
	ctl_of_numbers_close(r->n);
	assert_int_equal(ctl_of_numbers_open(NULL, &r->n, &err), 0);
	gives(r, "first");
	gives(r, "second");
	for (uint32_t i = 0; i < CTL_OF_REMEMBERED; i += 32) {
		memset(r->ports, 0, sizeof(r->ports));
		r->cfg.n_ports = 32;
		for (uint32_t k = 0; k < 32; k++)
			snprintf(r->ports[k].name, sizeof(name), "p%05u", i + k);
		assert_int_equal(ctl_of_numbers_give(r->n, &r->cfg, false, &err), 0);
	}
	gives(r, "second");
	assert_int_not_equal(number(r, "second"), 2);
	gives(r, "p08191");
	assert_int_equal(number(r, "p08191"), 8194);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stay_with_their_names),
		cmocka_unit_test(another_name_does_not_get_a_number_that_was_given),
		cmocka_unit_test(the_host_port_of_another_name_is_local_when_the_first_is_gone),
		cmocka_unit_test(configured_numbers_win),
		cmocka_unit_test(a_rehearsal_changes_nothing),
		cmocka_unit_test(damage_is_put_aside),
		cmocka_unit_test(a_crash_loses_no_number_that_was_in_force),
		cmocka_unit_test(very_many_names_are_forgotten_oldest_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
