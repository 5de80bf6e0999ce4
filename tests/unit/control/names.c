// Names that take their time: the loop goes on, root does not wait, and nothing is left over.
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

#define STRANGER (geteuid() + 12345)

static sem_t go;
static struct {
	int n;
	bool recovery;
	char user[64];
} heard;

static void slow(struct ctl_peer *p)
{
	sem_wait(&go);
	snprintf(p->user, sizeof(p->user), "user-%u", (unsigned)p->uid);
	p->groups[p->n_groups++] = strdup("staff");
}

static void known(void *arg, int fd, const struct ctl_peer *p)
{
	heard.n++;
	heard.recovery = p->recovery;
	snprintf(heard.user, sizeof(heard.user), "%s", p->user);
	close(fd);
	if (arg != NULL)
		ev_break(arg, EVBREAK_ONE);
}

static const struct ctl_names_ops ops = { slow, known };

static int a_file(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void the_loop_goes_on_while_a_name_is_asked_for(void **state)
{
	struct ev_loop *loop = ev_loop_new(0);
	struct ctl_names *n;

	(void)state;
	sem_init(&go, 0, 0);
	memset(&heard, 0, sizeof(heard));
	assert_int_equal(ctl_names_create(loop, &ops, loop, &n), 0);
	assert_int_equal(ctl_names_ask(n, a_file(), STRANGER), 0);
	ev_run(loop, EVRUN_NOWAIT);
	assert_int_equal(heard.n, 0);
	// Root comes later, and is served first.
	assert_int_equal(ctl_names_ask(n, a_file(), 0), 0);
	assert_int_equal(heard.n, 1);
	assert_true(heard.recovery);
	assert_string_equal(heard.user, "root");
	sem_post(&go);
	ev_run(loop, 0);
	assert_int_equal(heard.n, 2);
	assert_false(heard.recovery);
	assert_memory_equal(heard.user, "user-", 5);
	ctl_names_destroy(n);
	ev_loop_destroy(loop);
}

static void only_so_many_wait(void **state)
{
	struct ev_loop *loop = ev_loop_new(0);
	struct ctl_names *n;
	int fd = a_file();

	(void)state;
	sem_init(&go, 0, 0);
	memset(&heard, 0, sizeof(heard));
	assert_int_equal(ctl_names_create(loop, &ops, loop, &n), 0);
	for (int i = 0; i < CTL_NAMES_MAX; i++)
		assert_int_equal(ctl_names_ask(n, a_file(), STRANGER), 0);
	assert_int_equal(ctl_names_ask(n, fd, STRANGER), -EBUSY);
	sem_post(&go);
	while (heard.n == 0)
		ev_run(loop, EVRUN_ONCE);
	assert_int_equal(ctl_names_ask(n, fd, STRANGER), 0);
	// One that is being asked for, and many that wait, are let go.
	ctl_names_destroy(n);
	sem_post(&go);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_loop_goes_on_while_a_name_is_asked_for),
		cmocka_unit_test(only_so_many_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
