// A program beside the daemon. The process is started as vfork(2) would: the daemon has threads and
// maps all packet memory and the guests', which a copy of its page tables would make slow, and
// workers would fault on. The main thread waits until the program is loaded, some 0.3 ms where it
// is on a local disk.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <unistd.h>

#include "provider_priv.h"

#define INPUT_MAX 4096 // what every pipe holds: pipe(7), where the user's pages are used up

struct pipes {
	int in[2], out[2], err[2];
};

static void pipes_close(struct pipes *p)
{
	const int fds[] = { p->in[0], p->in[1], p->out[0], p->out[1], p->err[0], p->err[1] };

	for (uint32_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

// Above the standard descriptors, which a daemon may have been started without: the child's are
// made from these one after the other.
static int above(int *fd)
{
	int high = fcntl(*fd, F_DUPFD_CLOEXEC, 3);

	if (high < 0)
		return -errno;
	close(*fd);
	*fd = high;
	return 0;
}

static int pipe_open(int fds[2])
{
	int rc = 0;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		fds[0] = fds[1] = -1;
		return -errno;
	}
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = fds[i] < 3 ? above(&fds[i]) : 0;
	return rc;
}

static int pipes_open(struct pipes *p, const char *input, size_t size)
{
	int rc = pipe_open(p->in);

	if (rc == 0)
		rc = pipe_open(p->out);
	if (rc == 0)
		rc = pipe_open(p->err);
	if (rc == 0 &&
	    (fcntl(p->out[0], F_SETFL, O_NONBLOCK) < 0 ||
	     fcntl(p->err[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(p->in[1], F_SETFL, O_NONBLOCK) < 0))
		rc = -errno;
	if (rc == 0 && write(p->in[1], input, size) != (ssize_t)size)
		rc = -EIO;
	return rc;
}

static int files_set(posix_spawn_file_actions_t *f, const struct pipes *p)
{
	int rc = posix_spawn_file_actions_adddup2(f, p->in[0], 0);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(f, p->out[1], 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(f, p->err[1], 2);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(f, 3);
	return rc == 0 ? posix_spawn_file_actions_addchdir_np(f, "/") : rc;
}

// Signals as they are after a login: the daemon ignores SIGPIPE, which exec would keep.
static int attributes_set(posix_spawnattr_t *a)
{
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	rc = posix_spawnattr_setflags(a, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
						 POSIX_SPAWN_SETSIGMASK);
	if (rc == 0)
		rc = posix_spawnattr_setpgroup(a, 0);
	if (rc == 0)
		rc = posix_spawnattr_setsigdefault(a, &all);
	return rc == 0 ? posix_spawnattr_setsigmask(a, &none) : rc;
}

static int spawn(const char *const *argv, const struct pipes *p, pid_t *pid)
{
	static const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
					   "/sbin:/bin",
					   "HOME=/", "LANG=C.UTF-8", "TMPDIR=/tmp", NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int rc = posix_spawn_file_actions_init(&files);

	if (rc != 0)
		return -rc;
	rc = posix_spawnattr_init(&attributes);
	if (rc == 0) {
		rc = files_set(&files, p);
		if (rc == 0)
			rc = attributes_set(&attributes);
		if (rc == 0)
			rc = posix_spawn(pid, argv[0], &files, &attributes, (char *const *)argv,
					 (char *const *)env);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	return -rc;
}

int ctl_child_start(const char *const *argv, const char *input, size_t size, struct ctl_child *c)
{
	struct pipes p = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	pid_t pid = -1;
	int rc = size > INPUT_MAX ? -EMSGSIZE : pipes_open(&p, input, size);

	if (rc == 0)
		rc = spawn(argv, &p, &pid);
	if (rc == 0) {
		*c = (struct ctl_child){ .pid = pid, .out = p.out[0], .err = p.err[0] };
		p.out[0] = p.err[0] = -1;
	}
	pipes_close(&p);
	return rc;
}
