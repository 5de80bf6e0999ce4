// One file at a time: read, written under a temporary name, put aside, named in an error. See
// persist_priv.h.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist_priv.h"
#include "weir_log.h"

enum { ASIDE_MAX = 100 }; // .corrupt, .corrupt.1, ...

static int real_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

const struct ctl_persist_sys ctl_file_sys = {
	.openat = real_openat,
	.read = read,
	.write = write,
	.fsync = fsync,
	.close = close,
	.renameat2 = renameat2,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
};

// --- Messages

const char *ctl_file_shown(const struct ctl_persist *p, int dir, const char *name,
			   char buf[CTL_FILE_SHOWN])
{
	snprintf(buf, CTL_FILE_SHOWN, "%s%s%s%s", p->path, dir == p->commits_fd ? "/commits" : "",
		 name[0] == '\0' ? "" : "/", name);
	return buf;
}

int ctl_file_fail(const struct ctl_persist *p, int dir, const char *name, const char *reason,
		  struct cfg_error *err)
{
	char buf[CTL_FILE_SHOWN];

	memset(err, 0, sizeof(*err));
	snprintf(err->value, sizeof(err->value), "%.*s", (int)sizeof(err->value) - 1,
		 ctl_file_shown(p, dir, name, buf));
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return -EINVAL;
}

int ctl_file_fail_call(const struct ctl_persist *p, int dir, const char *name, const char *call,
		       struct cfg_error *err)
{
	int code = errno;
	char reason[128];

	snprintf(reason, sizeof(reason), "%s: %s", call, strerror(code));
	ctl_file_fail(p, dir, name, reason, err);
	return -code;
}

// --- Names

int ctl_file_rename_new(const struct ctl_persist *p, int dir, const char *from, const char *to)
{
	struct stat st;

	if (p->sys->renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	// Not every file system can; the lock keeps others away between the two calls.
	if (fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? p->sys->renameat2(dir, from, dir, to, 0) : -1;
}

void ctl_file_put_aside(const struct ctl_persist *p, int dir, const char *name, const char *reason)
{
	char aside[CTL_FILE_LONG_NAME], buf[CTL_FILE_SHOWN];
	int rc = -1;

	snprintf(aside, sizeof(aside), "%s.corrupt", name);
	for (int i = 1; i <= ASIDE_MAX; i++) {
		rc = ctl_file_rename_new(p, dir, name, aside);
		if (rc == 0 || errno != EEXIST)
			break;
		snprintf(aside, sizeof(aside), "%s.corrupt.%d", name, i);
	}
	if (rc == 0)
		weir_log(WEIR_ERROR, "%s: %s; not used, kept as %s",
			 ctl_file_shown(p, dir, name, buf), reason, aside);
	else
		weir_log(WEIR_ERROR, "%s: %s; not used, and not renamed to %s: %s",
			 ctl_file_shown(p, dir, name, buf), reason, aside, strerror(errno));
}

// --- Reading

static int read_fully(const struct ctl_persist *p, int fd, char *buf, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t n = p->sys->read(fd, buf + at, size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; // it was that long a moment ago
		if (n <= 0)
			return -1;
		at += (size_t)n;
	}
	return 0;
}

static int read_opened(const struct ctl_persist *p, int fd, size_t limit, struct ctl_file_bytes *b)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	errno = EFBIG;
	if (!S_ISREG(st.st_mode) || st.st_size > CTL_FILE_SIZE_MAX)
		return -1;
	b->file_size = (uint64_t)st.st_size;
	b->size = b->file_size < limit ? (size_t)b->file_size : limit;
	b->buf = malloc(b->size + 1);
	return b->buf == NULL ? -1 : read_fully(p, fd, b->buf, b->size);
}

int ctl_file_read(const struct ctl_persist *p, int dir, const char *name, size_t limit,
		  struct ctl_file_bytes *b)
{
	// Not a link, and not a fifo that would make us wait.
	int fd = p->sys->openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0);
	int rc = 0;

	memset(b, 0, sizeof(*b));
	if (fd < 0)
		return -errno;
	if (read_opened(p, fd, limit, b) < 0) {
		rc = -errno;
		free(b->buf);
		b->buf = NULL;
	}
	p->sys->close(fd);
	return rc;
}

bool ctl_file_is_shortage(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE;
}

const char *ctl_file_reason(int rc)
{
	return rc == -EFBIG ? "not an ordinary file of at most 8 MiB" : strerror(-rc);
}

// --- Writing

static int write_fully(const struct ctl_persist *p, int fd, const char *buf, size_t size)
{
	while (size > 0) {
		ssize_t n = p->sys->write(fd, buf, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO;
		if (n <= 0)
			return -1;
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

// After a failed fsync the kernel has dropped
// what it could not write and a second fsync would succeed, so there is none: the file goes.
int ctl_file_write_temp(const struct ctl_persist *p, const struct ctl_file_record *r,
			struct cfg_error *err)
{
	const char *call = NULL;
	int fd, rc = 0;

	p->sys->unlinkat(r->dir, r->temp, 0); // of an attempt that could not even clean up
	fd = p->sys->openat(r->dir, r->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (fd < 0)
		return ctl_file_fail_call(p, r->dir, r->temp, "create", err);
	if (write_fully(p, fd, r->head, r->head_size) < 0 ||
	    write_fully(p, fd, r->body, r->body_size) < 0)
		call = "write";
	else if (p->sys->fsync(fd) < 0)
		call = "fsync";
	if (call != NULL)
		rc = ctl_file_fail_call(p, r->dir, r->temp, call, err);
	if (p->sys->close(fd) < 0 && rc == 0)
		rc = ctl_file_fail_call(p, r->dir, r->temp, "close", err);
	if (rc < 0)
		p->sys->unlinkat(r->dir, r->temp, 0);
	return rc;
}

int ctl_file_sync_dir(const struct ctl_persist *p, int dir, const char *name)
{
	int fd = p->sys->openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int rc, code;

	if (fd < 0)
		return -1;
	rc = p->sys->fsync(fd);
	code = errno;
	p->sys->close(fd);
	errno = code;
	return rc;
}

int ctl_file_replace(const struct ctl_persist *p, const char *name, const char *text, size_t size,
		     struct cfg_error *err)
{
	struct ctl_file_record r = { .dir = p->dir_fd, .body = text, .body_size = size };
	int rc;

	snprintf(r.name, sizeof(r.name), "%s", name);
	snprintf(r.temp, sizeof(r.temp), "%s.tmp", name);
	rc = ctl_file_write_temp(p, &r, err);
	if (rc < 0)
		return rc;
	if (p->sys->renameat2(r.dir, r.temp, r.dir, r.name, 0) < 0) {
		rc = ctl_file_fail_call(p, r.dir, r.name, "rename", err);
		p->sys->unlinkat(r.dir, r.temp, 0);
		return rc;
	}
	if (p->sys->fsync(r.dir) < 0)
		return ctl_file_fail_call(p, r.dir, r.name, "fsync of the directory", err);
	return 0;
}
