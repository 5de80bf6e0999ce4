// Programs of all manners as providers: those that answer, refuse, hang, flood, die, fall silent or
// leave a child behind.
#include "../unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control_priv.h"
#include "provider_priv.h"
#include "weir_log.h"

static char dir[64];
static struct ctl c;

struct heard {
	int n, rc;
	char answer[256], path[256], value[128], reason[256];
	uint32_t order;
};

static uint32_t n_heard;

static void done(void *arg, const struct ctl_provided *p)
{
	struct heard *h = arg;

	h->n++;
	h->rc = p->rc;
	h->order = ++n_heard;
	snprintf(h->answer, sizeof(h->answer), "%s", p->answer == NULL ? "(none)" : p->answer);
	snprintf(h->path, sizeof(h->path), "%s", p->err.path);
	snprintf(h->value, sizeof(h->value), "%s", p->err.value);
	snprintf(h->reason, sizeof(h->reason), "%s", p->err.reason);
}

// A provider whose program is a script of that text.
static struct cfg_provider script(const char *name, const char *text)
{
	struct cfg_provider p = { .timeout_s = 20 };
	FILE *f;

	snprintf(p.name, sizeof(p.name), "%s", name);
	snprintf(p.command, sizeof(p.command), "%s/%s", dir, name);
	f = fopen(p.command, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(p.command, 0700), 0);
	return p;
}

static uint32_t call(const struct cfg_provider *p, const char *vm, bool prepare, struct heard *h)
{
	const struct ctl_provider_call args = { .name = vm,
						.uuid = "9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001",
						.image = "debian \"12\"",
						.provider = p,
						.prepare = prepare,
						.done = done,
						.arg = h };
	struct cfg_error err = { 0 };
	uint32_t id = 0;

	memset(h, 0, sizeof(*h));
	assert_int_equal(ctl_provider_run(&c, &args, &id, &err), 0);
	assert_int_not_equal(id, 0);
	assert_int_equal(h->n, 0); // never before it returned
	return id;
}

static void await(const struct heard *h)
{
	while (h->n == 0)
		ev_run(c.loop, EVRUN_ONCE);
	assert_int_equal(h->n, 1);
}

static struct heard ask(const char *name, const char *text, bool prepare)
{
	const struct cfg_provider p = script(name, text);
	struct heard h;

	call(&p, "web1", prepare, &h);
	await(&h);
	return h;
}

static void what_it_answers_is_handed_on(void **state)
{
	struct heard h;

	(void)state;
	h = ask("answers", "cat >/dev/null; echo '{\"method\":\"none\"}'", true);
	assert_int_equal(h.rc, 0);
	assert_string_equal(h.answer, "{\"method\":\"none\"}\n");
	h = ask("releases", "cat >/dev/null; echo done", false);
	assert_int_equal(h.rc, 0);
	assert_string_equal(h.answer, "(none)");
}

// The request, and what else a program is given.
static void its_world_is_small(void **state)
{
	struct cfg_provider p =
		script("looks", "in=$(cat)\n"
				"printf '{\"in\":%s,\"args\":\"%s\",\"cwd\":\"%s\",\"fds\":\"%s\","
				"\"home\":\"%s\",\"secret\":\"%s\"}' \"$in\" \"$*\" "
				"\"$PWD\" \"$(ls /proc/self/fd | tr -d '\\n')\" "
				"\"$HOME\" \"$SECRET\"");
	int fd = open("/dev/null", O_RDONLY); // not close-on-exec
	struct heard h;

	(void)state;
	assert_true(fd > 2);
	setenv("SECRET", "x", 1);
	p.n_args = 2;
	memcpy(p.args, "--pool\0fast one", 16);
	call(&p, "web1", true, &h);
	await(&h);
	assert_int_equal(h.rc, 0);
	assert_string_equal(
		h.answer,
		"{\"in\":{\"version\":1,\"action\":\"prepare\",\"vm\":\"web1\","
		"\"uuid\":\"9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\",\"image\":\"debian "
		"\\\"12\\\"\"},"
		"\"args\":\"--pool fast one\",\"cwd\":\"/\",\"fds\":\"0123\",\"home\":\"/\","
		"\"secret\":\"\"}");
	close(fd);
}

static void a_refusal_gives_its_last_words(void **state)
{
	struct heard h;

	(void)state;
	h = ask("refuses", "echo no hurry >&2; echo 'no such image: x' >&2; exit 3", true);
	assert_int_equal(h.rc, -EREMOTEIO);
	assert_string_equal(h.path, "/weir-vm:boot-providers/provider[name='refuses']");
	assert_string_equal(h.value, "prepare of web1");
	assert_string_equal(h.reason, "no such image: x: exit code 3");
	h = ask("silent", "exit 1", false);
	assert_string_equal(h.value, "release of web1");
	assert_string_equal(h.reason, "exit code 1");
	h = ask("unended", "printf 'no newline' >&2; exit 1", true);
	assert_string_equal(h.reason, "no newline: exit code 1");
	h = ask("dies", "kill -9 $$", true);
	assert_string_equal(h.reason, "ended by signal 9");
	h = ask("answers-and-fails", "echo '{}'; exit 1", true);
	assert_int_equal(h.rc, -EREMOTEIO);
	assert_string_equal(h.answer, "(none)");
}

static void an_answer_that_is_none_is_refused(void **state)
{
	struct heard h;

	(void)state;
	h = ask("mute", "exit 0", true);
	assert_int_equal(h.rc, -EBADMSG);
	assert_string_equal(h.reason, "its answer is refused: there is none");
	h = ask("babbles", "echo hello", true);
	assert_string_equal(h.reason, "its answer is refused: it is no JSON object");
	h = ask("twice", "echo '{}{}'", true);
	assert_string_equal(h.reason, "its answer is refused: there is more behind its object");
	h = ask("closes", "exec >&-; sleep 0.05", true);
	assert_string_equal(h.reason, "its answer is refused: there is none");
}

static void a_program_that_cannot_run_is_told(void **state)
{
	struct cfg_provider p = script("vanishes", "");
	struct heard h;

	(void)state;
	assert_int_equal(unlink(p.command), 0);
	call(&p, "web1", true, &h);
	await(&h);
	assert_int_equal(h.rc, -ENOENT);
	assert_non_null(strstr(h.reason, "cannot be run: No such file"));
}

static void floods_are_bounded(void **state)
{
	struct heard h;

	(void)state;
	h = ask("floods", "exec yes", true);
	assert_int_equal(h.rc, -EMSGSIZE);
	assert_string_equal(h.reason, "its answer is longer than 65536 bytes");
	h = ask("shouts", "exec yes >&2", true);
	assert_int_equal(h.rc, -EMSGSIZE);
	assert_string_equal(h.reason, "it says more than 262144 bytes on its standard error: y");
	h = ask("one-line", "head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1", true);
	assert_int_equal(h.rc, -EREMOTEIO);
	assert_int_equal(strlen(h.reason), 255);
}

// returns whether a process whose command line is this sleep still runs
static bool sleeps(const char *seconds)
{
	char cmd[96];

	snprintf(cmd, sizeof(cmd), "pgrep -fx 'sleep %s' >/dev/null", seconds);
	return system(cmd) == 0;
}

static void a_child_with_the_pipe_holds_nothing_up(void **state)
{
	char text[128], seconds[32];
	struct heard h;

	(void)state;
	snprintf(seconds, sizeof(seconds), "71.%d", (int)getpid());
	snprintf(text, sizeof(text), "sleep %s & echo '{}'", seconds);
	h = ask("leaves", text, true);
	assert_int_equal(h.rc, 0);
	assert_string_equal(h.answer, "{}\n");
	for (int i = 0; i < 100 && sleeps(seconds); i++)
		usleep(10000);
	assert_false(sleeps(seconds));
}

// Of four at once, all that can be wrong with time: one that hangs, one that will not end, one that
// cleans up, one that is called off.
static void time_is_limited(void **state)
{
	struct cfg_provider hangs = script("hangs", "echo waiting for a lock >&2; exec sleep 60");
	struct cfg_provider will_not =
		script("will-not", "trap '' TERM; while :; do sleep 0.1; done");
	struct cfg_provider cleans = script("cleans", "trap 'echo took it back >&2; exit 1' TERM; "
						      "sleep 60 & wait");
	struct cfg_provider called_off = script("called-off", "exec sleep 60");
	struct heard h[4];
	uint32_t id;

	(void)state;
	ctl_provider_kill_after_s = .1;
	hangs.timeout_s = will_not.timeout_s = cleans.timeout_s = 1;
	call(&hangs, "a", true, &h[0]);
	call(&will_not, "b", true, &h[1]);
	call(&cleans, "c", true, &h[2]);
	id = call(&called_off, "d", true, &h[3]);
	for (int i = 0; i < 8; i++)
		ev_run(c.loop, EVRUN_NOWAIT);
	ctl_provider_cancel(&c, id);
	for (int i = 0; i < 3; i++)
		await(&h[i]);
	assert_int_equal(h[0].rc, -ETIMEDOUT);
	assert_string_equal(h[0].reason, "not done after 1 s: waiting for a lock");
	assert_int_equal(h[1].rc, -ETIMEDOUT);
	assert_int_equal(h[2].rc, -ETIMEDOUT);
	assert_string_equal(h[2].reason, "not done after 1 s: took it back");
	assert_int_equal(h[3].n, 0);
	ctl_provider_cancel(&c, id); // late
	ctl_provider_kill_after_s = 2.;
}

static void calls_of_one_machine_keep_their_order(void **state)
{
	char text[512];
	struct cfg_provider p;
	struct heard h[4];
	uint32_t id;

	(void)state;
	// Whoever finds the mark was not alone.
	snprintf(text, sizeof(text),
		 "mkdir %s/mark || exit 9\nsleep 0.05\nrmdir %s/mark\necho '{}'", dir, dir);
	p = script("alone", text);
	for (int i = 0; i < 3; i++)
		call(&p, "web1", i != 2, &h[i]);
	for (int i = 0; i < 3; i++)
		await(&h[i]);
	assert_int_equal(h[0].rc | h[1].rc | h[2].rc, 0);
	assert_true(h[0].order < h[1].order && h[1].order < h[2].order);
	// Also when the first is called off, and takes its time to end.
	snprintf(text, sizeof(text),
		 "mkdir %s/mark || exit 9\ntrap 'sleep 0.1; rmdir %s/mark; exit 0' TERM\n"
		 "sleep 60 & wait",
		 dir, dir);
	p = script("slow-to-end", text);
	id = call(&p, "web1", true, &h[0]);
	snprintf(text, sizeof(text), "%s/mark", dir);
	while (access(text, F_OK) != 0)
		ev_run(c.loop, EVRUN_NOWAIT);
	usleep(20000); // the trap stands right behind
	ctl_provider_cancel(&c, id);
	p = script("after", "test ! -e $(dirname $0)/mark");
	call(&p, "web1", false, &h[1]);
	await(&h[1]);
	assert_int_equal(h[1].rc, 0);
	assert_int_equal(h[0].n, 0);
}

static void sixteen_run_and_the_rest_wait(void **state)
{
	enum { N = 40 };
	static struct heard h[N];
	char text[512], vm[8];
	struct cfg_provider p;
	uint32_t id = 0;

	(void)state;
	snprintf(text, sizeof(text),
		 "touch %s/run.$$; n=$(ls %s | grep -c '^run')\nsleep 0.05; rm %s/run.$$\n"
		 "echo \"{\\\"n\\\":$n}\"",
		 dir, dir, dir);
	p = script("counts", text);
	for (int i = 0; i < N; i++) {
		snprintf(vm, sizeof(vm), "v%d", i);
		id = call(&p, vm, true, &h[i]);
	}
	ctl_provider_cancel(&c, id); // it waits
	for (int i = 0; i < N - 1; i++) {
		await(&h[i]);
		assert_int_equal(h[i].rc, 0);
		assert_in_range(atoi(strchr(h[i].answer, ':') + 1), 1, 16);
	}
	assert_int_equal(h[N - 1].n, 0);
}

static void the_end_of_the_daemon_ends_them(void **state)
{
	char text[160], seconds[32];
	struct cfg_provider p;
	struct heard h[2];

	(void)state;
	snprintf(seconds, sizeof(seconds), "72.%d", (int)getpid());
	snprintf(text, sizeof(text), "touch %s/up; exec sleep %s", dir, seconds);
	p = script("stays", text);
	call(&p, "a", true, &h[0]);
	call(&p, "a", false, &h[1]);
	while (!sleeps(seconds))
		ev_run(c.loop, EVRUN_NOWAIT);
	ctl_providers_stop(&c);
	assert_false(sleeps(seconds));
	assert_int_equal(h[0].n + h[1].n, 0);
	assert_null(c.provide);
	ctl_providers_stop(&c);
}

static void only_one_object_is_an_answer(void **state)
{
	static const char *const good[] = {
		"{}",
		" {\"a\":1,\"b\":[],\"c\":[1,2,{\"d\":{}}],\"e\":null} \n",
		"{\"a\":-0.5e+7,\"b\":\"\\u00e4\\\"\\\\\",\"\xc3\xa4\":true}",
		"{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}",
	};
	static const char *const bad[] = {
		"",
		" ",
		"[]",
		"1",
		"{",
		"}",
		"{}}",
		"{},{}",
		"{} x",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{\"a\":01}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":+1}",
		"{\"a\":[1,]}",
		"{\"a\":[}]}",
		"{\"a\":[1 2]}",
		"{\"a\":nul}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\u12g4\"}",
		"{\"a\":\"",
		"{\"a\":\"\xc0\x80\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":1}\"",
		"{\"a\":[{]}}",
		"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}",
		"{\"a\" 1}",
		"{\"a\":1e}",
		"{\"a\":\"\xc3",
	};
	uint8_t *copy;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		copy = exact_copy(good[i], strlen(good[i]));
		assert_null(ctl_answer_check((const char *)copy, strlen(good[i])));
		free(copy);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		copy = exact_copy(bad[i], strlen(bad[i]));
		if (ctl_answer_check((const char *)copy, strlen(bad[i])) == NULL)
			fail_msg("accepted: %s", bad[i]);
		free(copy);
	}
	assert_non_null(ctl_answer_check("{}\0", 3));
}

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/unit-provider.XXXXXX");
	signal(SIGPIPE, SIG_IGN); // as the daemon does
	weir_log_set_level(WEIR_WARNING);
	c.loop = ev_default_loop(0);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	char cmd[96];

	(void)state;
	ctl_providers_stop(&c);
	ev_loop_destroy(c.loop);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_it_answers_is_handed_on),
		cmocka_unit_test(its_world_is_small),
		cmocka_unit_test(a_refusal_gives_its_last_words),
		cmocka_unit_test(an_answer_that_is_none_is_refused),
		cmocka_unit_test(a_program_that_cannot_run_is_told),
		cmocka_unit_test(floods_are_bounded),
		cmocka_unit_test(a_child_with_the_pipe_holds_nothing_up),
		cmocka_unit_test(time_is_limited),
		cmocka_unit_test(calls_of_one_machine_keep_their_order),
		cmocka_unit_test(sixteen_run_and_the_rest_wait),
		cmocka_unit_test(the_end_of_the_daemon_ends_them),
		cmocka_unit_test(only_one_object_is_an_answer),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
