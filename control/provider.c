// Providers: programs of the operator that make disks and directories for machines to boot from.
// A call is a process: it reads one JSON object, writes one, and has so many seconds. It is not
// trusted to end, to be quiet, or to close what it was given: all it writes is bounded, and when
// its process ends the call does, whoever still holds its pipes.
//
// Calls for one machine run one after the other, in the order in which they came: a release does
// not meet the prepare that it follows, though that was cancelled. 16 run at once.
//
// What a call leaves in its process group is ended with it; a daemon that shall stay makes a
// session of its own (setsid), as the shipped providers do.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control_priv.h"
#include "provider_priv.h"
#include "weir_log.h"

enum {
	RUNNING_MAX = 16,
	WAITING_MAX = 4096,
	ANSWER_BYTES = 64 << 10,
	SAID_BYTES = 256 << 10, // on standard error, all in all
	LINES_MAX = 64,		// of that, in the log
	READ_BYTES = 16 << 10,	// in one turn of the loop
	ARGS_MAX = 16,
};

double ctl_provider_kill_after_s = 2.;

// Standard error, line by line.
struct said {
	size_t bytes;
	uint32_t n_lines;
	char line[256], last[256];
	size_t line_size;
};

struct job {
	struct job *next;
	struct ctl_provide *p;
	uint32_t id;
	char vm[32], provider[32];
	char *input;
	char words[256 + CFG_ARGS_MAX]; // what argv points to
	const char *argv[2 + ARGS_MAX];
	uint16_t timeout_s;
	bool prepare;
	void (*done)(void *arg, const struct ctl_provided *p); // NULL: was called, or cancelled
	void *arg;
	// Of its process; pid 0 = it waits.
	struct ctl_child child;
	struct ev_child ended;
	struct ev_io out, err;
	struct ev_timer timer;
	bool told_to_end;
	int rc; // why it was told to end; 0 = it was not
	char why[160];
	char *answer;
	size_t answer_size;
	struct said said;
};

struct ctl_provide {
	struct ev_loop *loop;
	struct job *jobs; // in the order in which they came
	uint32_t n_running, n_waiting, last_id;
	struct ev_timer next; // something may start
};

// --- Jobs

static void job_free(struct job *j)
{
	if (j == NULL)
		return;
	free(j->input);
	free(j->answer);
	free(j);
}

static void job_unlink(struct job *j)
{
	struct job **at = &j->p->jobs;

	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	if (j->child.pid != 0)
		j->p->n_running--;
	else
		j->p->n_waiting--;
}

// Say how it ended, once. err->reason is filled from fmt where rc is not 0.
static void job_tell(struct job *j, int rc, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void job_tell(struct job *j, int rc, const char *fmt, ...)
{
	struct ctl_provided p = { .rc = rc };
	void (*done)(void *, const struct ctl_provided *) = j->done;
	va_list ap;

	if (done == NULL)
		return;
	j->done = NULL;
	if (rc == 0 && j->prepare)
		p.answer = j->answer;
	if (rc < 0) {
		snprintf(p.err.path, sizeof(p.err.path),
			 "/weir-vm:boot-providers/provider[name='%s']", j->provider);
		snprintf(p.err.value, sizeof(p.err.value), "%s of %s",
			 j->prepare ? "prepare" : "release", j->vm);
		va_start(ap, fmt);
		vsnprintf(p.err.reason, sizeof(p.err.reason), fmt, ap);
		va_end(ap);
	}
	done(j->arg, &p);
}

// --- What it writes

static void line_end(struct job *j)
{
	struct said *s = &j->said;

	s->line[s->line_size] = '\0';
	if (s->line_size > 0) {
		memcpy(s->last, s->line, s->line_size + 1);
		if (++s->n_lines <= LINES_MAX)
			weir_log(WEIR_INFO, "provider %s: %s: %s", j->provider, j->vm, s->line);
	}
	s->line_size = 0;
}

static void said_take(struct job *j, const char *text, size_t size)
{
	struct said *s = &j->said;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n')
			line_end(j);
		else if (s->line_size < sizeof(s->line) - 1) // what is longer is cut
			s->line[s->line_size++] = text[i] == '\0' ? '?' : text[i];
	}
	s->bytes += size;
}

static void io_end(struct job *j, struct ev_io *w)
{
	if (w->fd < 0)
		return;
	ev_io_stop(j->p->loop, w);
	close(w->fd);
	w->fd = -1;
}

static void group_signal(const struct job *j, int signal)
{
	// Also after its first process was waited for: while others are in the group, nobody else
	// can have its number.
	if (j->child.pid > 0)
		kill(-j->child.pid, signal);
}

// It is not wanted any more: politely first. rc: 0 = nobody asks why
static void job_end(struct job *j, int rc, const char *why)
{
	if (j->rc == 0 && rc < 0) {
		j->rc = rc;
		snprintf(j->why, sizeof(j->why), "%s", why);
	}
	if (j->told_to_end)
		return;
	j->told_to_end = true;
	group_signal(j, SIGTERM);
	ev_timer_stop(j->p->loop, &j->timer);
	ev_timer_set(&j->timer, ctl_provider_kill_after_s, 0.);
	ev_timer_start(j->p->loop, &j->timer);
}

static bool answer_take(struct job *j, const char *text, size_t size)
{
	char *more;

	if (j->answer_size + size > ANSWER_BYTES) {
		job_end(j, -EMSGSIZE, "its answer is longer than 65536 bytes");
		return false;
	}
	more = realloc(j->answer, j->answer_size + size + 1);
	if (more == NULL) {
		job_end(j, -ENOMEM, "out of memory");
		return false;
	}
	memcpy(more + j->answer_size, text, size);
	j->answer = more;
	j->answer_size += size;
	j->answer[j->answer_size] = '\0';
	return true;
}

// returns whether there may be more at once
static bool io_read(struct job *j, struct ev_io *w)
{
	char buf[READ_BYTES];
	ssize_t n = w->fd < 0 ? 0 : read(w->fd, buf, sizeof(buf));
	bool more = n > 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n > 0 && w == &j->out)
		more = answer_take(j, buf, (size_t)n);
	else if (n > 0)
		said_take(j, buf, (size_t)n);
	if (j->said.bytes > SAID_BYTES) {
		job_end(j, -EMSGSIZE, "it says more than 262144 bytes on its standard error");
		more = false;
	}
	if (!more)
		io_end(j, w);
	return more;
}

static void on_io(struct ev_loop *loop, struct ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	io_read(w->data, w);
}

// --- Its end

static void job_judge(struct job *j, int status)
{
	const char *last = j->said.last, *why;
	char say[96] = "";

	if (j->rc < 0) {
		job_tell(j, j->rc, "%s%s%s", j->why, last[0] == '\0' ? "" : ": ", last);
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(say, sizeof(say), "ended by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(say, sizeof(say), "exit code %d", WEXITSTATUS(status));
	if (say[0] != '\0') {
		job_tell(j, -EREMOTEIO, "%s%s%s", last, last[0] == '\0' ? "" : ": ", say);
		return;
	}
	why = j->prepare ? ctl_answer_check(j->answer == NULL ? "" : j->answer, j->answer_size)
			 : NULL;
	if (why != NULL)
		job_tell(j, -EBADMSG, "its answer is refused: %s", why);
	else
		job_tell(j, 0, "%s", "");
}

static void next_start(struct ctl_provide *p)
{
	if (!ev_is_active(&p->next))
		ev_timer_start(p->loop, &p->next);
}

static void on_ended(struct ev_loop *loop, struct ev_child *w, int revents)
{
	struct job *j = w->data;

	(void)revents;
	ev_child_stop(loop, w);
	ev_timer_stop(loop, &j->timer);
	// What it wrote last is still in the pipes; both ends of this are bounded.
	while (io_read(j, &j->out))
		;
	while (io_read(j, &j->err))
		;
	io_end(j, &j->out);
	io_end(j, &j->err);
	ev_timer_stop(loop, &j->timer);
	group_signal(j, SIGKILL);
	line_end(j);
	if (j->said.n_lines > LINES_MAX)
		weir_log(WEIR_INFO, "provider %s: %s: %u more lines left out", j->provider, j->vm,
			 j->said.n_lines - LINES_MAX);
	job_unlink(j);
	next_start(j->p);
	job_judge(j, w->rstatus);
	job_free(j);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct job *j = t->data;
	char why[64];

	(void)loop;
	(void)revents;
	if (!j->told_to_end) {
		snprintf(why, sizeof(why), "not done after %u s", j->timeout_s);
		job_end(j, -ETIMEDOUT, why);
		return;
	}
	// Should even this not end it (it waits for a disk), nobody waits with it.
	group_signal(j, SIGKILL);
	job_tell(j, j->rc, "%s%s%s", j->why, j->said.last[0] == '\0' ? "" : ": ", j->said.last);
}

// --- Its start

static int job_start(struct job *j)
{
	struct ev_loop *loop = j->p->loop;
	int rc = ctl_child_start(j->argv, j->input, strlen(j->input), &j->child);

	if (rc < 0)
		return rc;
	j->p->n_waiting--;
	j->p->n_running++;
	ev_child_init(&j->ended, on_ended, j->child.pid, 0);
	ev_io_init(&j->out, on_io, j->child.out, EV_READ);
	ev_io_init(&j->err, on_io, j->child.err, EV_READ);
	ev_now_update(loop); // the time may be that before a long commit
	ev_timer_init(&j->timer, on_timer, j->timeout_s, 0.);
	j->ended.data = j->out.data = j->err.data = j->timer.data = j;
	ev_child_start(loop, &j->ended);
	ev_io_start(loop, &j->out);
	ev_io_start(loop, &j->err);
	ev_timer_start(loop, &j->timer);
	return 0;
}

// The first one that waits for no other of its machine.
static struct job *job_next(const struct ctl_provide *p)
{
	for (struct job *j = p->jobs; j != NULL && p->n_running < RUNNING_MAX; j = j->next) {
		const struct job *before = p->jobs;

		if (j->child.pid != 0)
			continue;
		while (before != j && strcmp(before->vm, j->vm) != 0)
			before = before->next;
		if (before == j)
			return j;
	}
	return NULL;
}

// One in a turn of the loop: each costs some of the main thread's time.
static void on_next(struct ev_loop *loop, struct ev_timer *t, int revents)
{
	struct ctl_provide *p = t->data;
	struct job *j = job_next(p);
	int rc;

	(void)loop;
	(void)revents;
	if (j == NULL)
		return;
	next_start(p);
	rc = job_start(j);
	if (rc == 0)
		return;
	job_unlink(j);
	job_tell(j, rc, "%s: cannot be run: %s", j->argv[0], strerror(-rc));
	job_free(j);
}

// --- The interface

static int provide_get(struct ctl *c, struct ctl_provide **out)
{
	struct ctl_provide *p = c->provide;

	if (p == NULL) {
		if (!ev_is_default_loop(c->loop)) // only there does libev hear of children
			return -ENOTSUP;
		p = calloc(1, sizeof(*p));
		if (p == NULL)
			return -ENOMEM;
		p->loop = c->loop;
		ev_timer_init(&p->next, on_next, 0., 0.);
		p->next.data = p;
		c->provide = p;
	}
	*out = p;
	return 0;
}

static int words_set(struct job *j, const struct cfg_provider *from)
{
	const char *arg = from->args, *end = from->args + sizeof(from->args);
	int n = snprintf(j->words, sizeof(from->command), "%s", from->command);
	char *to = j->words + n + 1;

	j->argv[0] = j->words;
	if (from->n_args > ARGS_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < from->n_args; i++) {
		const char *nul = memchr(arg, '\0', (size_t)(end - arg));

		if (nul == NULL)
			return -EINVAL;
		memcpy(to, arg, (size_t)(nul - arg) + 1);
		j->argv[1 + i] = to;
		to += nul - arg + 1;
		arg = nul + 1;
	}
	return 0;
}

static int input_make(struct job *j, const struct ctl_provider_call *call)
{
	struct cfg_json js;

	cfg_json_init(&js);
	cfg_json_open(&js, NULL, '{');
	cfg_json_u32(&js, "version", 1);
	cfg_json_str(&js, "action", call->prepare ? "prepare" : "release");
	cfg_json_str(&js, "vm", call->name);
	cfg_json_str(&js, "uuid", call->uuid == NULL ? "" : call->uuid);
	cfg_json_str(&js, "image", call->image == NULL ? "" : call->image);
	cfg_json_close(&js, '}');
	j->input = js.failed ? NULL : strndup(js.buf, js.size);
	cfg_json_fini(&js);
	return j->input == NULL ? -ENOMEM : 0;
}

static int job_make(struct ctl_provide *p, const struct ctl_provider_call *call, struct job **out)
{
	struct job *j = calloc(1, sizeof(*j));
	int rc;

	if (j == NULL)
		return -ENOMEM;
	j->p = p;
	snprintf(j->vm, sizeof(j->vm), "%s", call->name);
	snprintf(j->provider, sizeof(j->provider), "%s", call->provider->name);
	j->timeout_s = call->provider->timeout_s;
	j->prepare = call->prepare;
	j->done = call->done;
	j->arg = call->arg;
	rc = words_set(j, call->provider);
	if (rc == 0)
		rc = input_make(j, call);
	if (rc == 0)
		*out = j;
	else
		job_free(j);
	return rc;
}

static int refuse(struct cfg_error *err, const struct ctl_provider_call *call, int rc)
{
	snprintf(err->path, sizeof(err->path), "/weir-vm:boot-providers/provider[name='%s']",
		 call->provider->name);
	snprintf(err->value, sizeof(err->value), "%s of %s", call->prepare ? "prepare" : "release",
		 call->name);
	snprintf(err->reason, sizeof(err->reason), "%s",
		 rc == -EBUSY ? "4096 calls of providers wait already" : strerror(-rc));
	return rc;
}

int ctl_provider_run(struct ctl *c, const struct ctl_provider_call *call, uint32_t *id,
		     struct cfg_error *err)
{
	struct ctl_provide *p = NULL;
	struct job *j = NULL, **last;
	int rc = provide_get(c, &p);

	if (rc == 0 && p->n_waiting >= WAITING_MAX)
		rc = -EBUSY;
	if (rc == 0)
		rc = job_make(p, call, &j);
	if (rc < 0)
		return refuse(err, call, rc);
	j->id = ++p->last_id == 0 ? ++p->last_id : p->last_id;
	for (last = &p->jobs; *last != NULL; last = &(*last)->next)
		;
	*last = j;
	p->n_waiting++;
	next_start(p);
	*id = j->id;
	return 0;
}

void ctl_provider_cancel(struct ctl *c, uint32_t id)
{
	struct job *j = c->provide == NULL ? NULL : c->provide->jobs;

	while (j != NULL && j->id != id)
		j = j->next;
	if (j == NULL)
		return;
	j->done = NULL;
	if (j->child.pid != 0) {
		job_end(j, 0, "");
		return;
	}
	job_unlink(j);
	job_free(j);
}

// Their processes are told to end, and waited for a little: what is half made is then taken back.
static void processes_end(struct ctl_provide *p)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (struct job *j = p->jobs; j != NULL; j = j->next)
		group_signal(j, SIGTERM);
	for (int i = 0; i < 200 && p->n_running > 0; i++) {
		for (struct job *j = p->jobs; j != NULL; j = j->next) {
			if (j->child.pid > 0 && waitpid(j->child.pid, NULL, WNOHANG) != 0) {
				group_signal(j, SIGKILL);
				j->child.pid = -1; // stays no one that waits
				p->n_running--;
			}
		}
		if (p->n_running > 0)
			nanosleep(&pause, NULL);
	}
	for (struct job *j = p->jobs; j != NULL; j = j->next)
		group_signal(j, SIGKILL);
}

void ctl_providers_stop(struct ctl *c)
{
	struct ctl_provide *p = c->provide;
	struct job *j;

	if (p == NULL)
		return;
	ev_timer_stop(p->loop, &p->next);
	processes_end(p);
	while ((j = p->jobs) != NULL) {
		p->jobs = j->next;
		if (j->child.pid != 0) {
			ev_child_stop(p->loop, &j->ended);
			ev_timer_stop(p->loop, &j->timer);
			io_end(j, &j->out);
			io_end(j, &j->err);
		}
		job_free(j);
	}
	free(p);
	c->provide = NULL;
}
