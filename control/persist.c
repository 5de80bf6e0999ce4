// See persist.h.
#include "persist.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persist_priv.h"
#include "weir_log.h"

enum {
	ENTRIES_MAX = 10000, // looked at in DIR/commits
	ID_DIGITS = 10,
	ASIDE_MAX = 100, // .corrupt, .corrupt.1, ...
	NAME_CAP = 32,
	LONG_NAME_CAP = 48, // with .tmp or .corrupt.N
	FILE_SIZE_MAX = CFG_RECORD_HEAD_MAX + CFG_FILE_MAX,
};

static const char pending_name[] = "pending.conf";

struct ctl_persist {
	const struct ctl_persist_sys *sys;
	char path[256]; // for messages
	int lock_fd, dir_fd, commits_fd;
	uint64_t used;					    // no id up to this one is given again
	struct cfg_commit_head heads[CTL_PERSIST_KEEP + 2]; // heads[n], newest first
	uint32_t n;
	bool has_pending;
	struct cfg_pending pending;
};

// --- The real calls

static int real_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static const struct ctl_persist_sys real_sys = {
	.openat = real_openat,
	.read = read,
	.write = write,
	.fsync = fsync,
	.close = close,
	.renameat2 = renameat2,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
};

// --- Small helpers

static void raise_used(struct ctl_persist *p, uint64_t id)
{
	if (id > p->used)
		p->used = id;
}

static void commit_name(uint64_t id, char name[NAME_CAP])
{
	snprintf(name, NAME_CAP, "%0*" PRIu64 ".conf", ID_DIGITS, id);
}

// The id at the start of "0000000042.conf", or of a name made from that. returns 0 = another name
static uint64_t name_id(const char *name, const char **rest)
{
	uint64_t id = 0;

	for (int i = 0; i < ID_DIGITS; i++, name++) {
		if (*name < '0' || *name > '9')
			return 0;
		id = id * 10 + (uint64_t)(*name - '0');
	}
	if (strncmp(name, ".conf", 5) != 0)
		return 0;
	*rest = name + 5;
	return id;
}

// A path for people.
static const char *shown(const struct ctl_persist *p, int dir, const char *name, char buf[352])
{
	snprintf(buf, 352, "%s%s%s%s", p->path, dir == p->commits_fd ? "/commits" : "",
		 name[0] == '\0' ? "" : "/", name);
	return buf;
}

static int fail(const struct ctl_persist *p, int dir, const char *name, const char *reason,
		struct cfg_error *err)
{
	char buf[352];

	memset(err, 0, sizeof(*err));
	snprintf(err->value, sizeof(err->value), "%.*s", (int)sizeof(err->value) - 1,
		 shown(p, dir, name, buf));
	snprintf(err->reason, sizeof(err->reason), "%s", reason);
	return -EINVAL;
}

// The same for a call that failed. returns -code
static int fail_call(const struct ctl_persist *p, int dir, const char *name, const char *call,
		     struct cfg_error *err)
{
	int code = errno;
	char reason[128];

	snprintf(reason, sizeof(reason), "%s: %s", call, strerror(code));
	fail(p, dir, name, reason, err);
	return -code;
}

// Rename to a name that is free.
static int rename_new(const struct ctl_persist *p, int dir, const char *from, const char *to)
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

// Rename what cannot be read to a free name, and say so.
static void put_aside(const struct ctl_persist *p, int dir, const char *name, const char *reason)
{
	char aside[LONG_NAME_CAP], buf[352];
	int rc = -1;

	snprintf(aside, sizeof(aside), "%s.corrupt", name);
	for (int i = 1; i <= ASIDE_MAX; i++) {
		rc = rename_new(p, dir, name, aside);
		if (rc == 0 || errno != EEXIST)
			break;
		snprintf(aside, sizeof(aside), "%s.corrupt.%d", name, i);
	}
	if (rc == 0)
		weir_log(WEIR_ERROR, "%s: %s; not used, kept as %s", shown(p, dir, name, buf),
			 reason, aside);
	else
		weir_log(WEIR_ERROR, "%s: %s; not used, and not renamed to %s: %s",
			 shown(p, dir, name, buf), reason, aside, strerror(errno));
}

// --- Reading

struct bytes {
	char *buf; // buf[size + 1]
	size_t size;
	uint64_t file_size;
};

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

static int read_opened(const struct ctl_persist *p, int fd, size_t limit, struct bytes *b)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	errno = EFBIG;
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_SIZE_MAX)
		return -1;
	b->file_size = (uint64_t)st.st_size;
	b->size = b->file_size < limit ? (size_t)b->file_size : limit;
	b->buf = malloc(b->size + 1);
	return b->buf == NULL ? -1 : read_fully(p, fd, b->buf, b->size);
}

// The first bytes of a file, at most limit. returns 0 (free b->buf), or a negative errno
static int read_file(const struct ctl_persist *p, int dir, const char *name, size_t limit,
		     struct bytes *b)
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

// A shortage of ours says nothing about the file.
static bool is_shortage(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE;
}

static const char *read_reason(int rc)
{
	return rc == -EFBIG ? "not an ordinary file of at most 8 MiB" : strerror(-rc);
}

// Read a commit, or only its header where text is NULL. A bad one is put aside.
// returns 0, -EBADMSG, or a shortage
static int commit_read(const struct ctl_persist *p, uint64_t id, struct cfg_commit_head *h,
		       char **text, size_t *size)
{
	char name[NAME_CAP];
	size_t json_at = 0;
	struct cfg_error err = { .reason = "another id than its name says" };
	struct bytes b;
	int rc;

	commit_name(id, name);
	rc = read_file(p, p->commits_fd, name, text == NULL ? CFG_RECORD_HEAD_MAX : FILE_SIZE_MAX,
		       &b);
	if (is_shortage(rc))
		return rc;
	if (rc < 0)
		snprintf(err.reason, sizeof(err.reason), "%s", read_reason(rc));
	else if (text == NULL)
		rc = cfg_commit_head_read(b.buf, b.file_size, h, &err);
	else
		rc = cfg_commit_read(b.buf, b.size, h, &json_at, &err);
	if (rc < 0 || h->id != id) {
		put_aside(p, p->commits_fd, name, err.reason);
		free(b.buf);
		return -EBADMSG;
	}
	if (text == NULL) {
		free(b.buf);
		return 0;
	}
	*size = b.size - json_at;
	memmove(b.buf, b.buf + json_at, *size);
	b.buf[*size] = '\0';
	*text = b.buf;
	return 0;
}

int ctl_persist_nth(struct ctl_persist *p, uint32_t n, struct cfg_commit_head *head, char **text,
		    size_t *size)
{
	int rc;

	*text = NULL;
	if (n >= p->n)
		return -ENOENT;
	rc = commit_read(p, p->heads[n].id, head, text, size);
	if (rc == -EBADMSG) {
		p->n--;
		memmove(&p->heads[n], &p->heads[n + 1], (p->n - n) * sizeof(p->heads[0]));
	}
	return rc;
}

int ctl_persist_newest(struct ctl_persist *p, struct cfg_commit_head *head, char **text,
		       size_t *size)
{
	int rc;

	do
		rc = ctl_persist_nth(p, 0, head, text, size);
	while (rc == -EBADMSG);
	return rc;
}

int ctl_persist_read(struct ctl_persist *p, uint64_t id, struct cfg_commit_head *head, char **text,
		     size_t *size)
{
	uint32_t n = 0;

	while (n < p->n && p->heads[n].id != id)
		n++;
	return ctl_persist_nth(p, n, head, text, size);
}

uint32_t ctl_persist_list(const struct ctl_persist *p, const struct cfg_commit_head **heads)
{
	*heads = p->heads;
	return p->n;
}

uint64_t ctl_persist_next_id(const struct ctl_persist *p)
{
	return (p->has_pending && p->pending.last > p->used ? p->pending.last : p->used) + 1;
}

const struct cfg_pending *ctl_persist_pending_get(const struct ctl_persist *p)
{
	return p->has_pending ? &p->pending : NULL;
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

struct record {
	int dir;
	char name[NAME_CAP], temp[LONG_NAME_CAP];
	char head[CFG_RECORD_HEAD_MAX];
	size_t head_size;
	const char *body;
	size_t body_size;
};

// Write a record under its temporary name, to the disk. After a failed fsync the kernel has dropped
// what it could not write and a second fsync would succeed, so there is none: the file goes.
static int temp_write(const struct ctl_persist *p, const struct record *r, struct cfg_error *err)
{
	const char *call = NULL;
	int fd, rc = 0;

	p->sys->unlinkat(r->dir, r->temp, 0); // of an attempt that could not even clean up
	fd = p->sys->openat(r->dir, r->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			    0600);
	if (fd < 0)
		return fail_call(p, r->dir, r->temp, "create", err);
	if (write_fully(p, fd, r->head, r->head_size) < 0 ||
	    write_fully(p, fd, r->body, r->body_size) < 0)
		call = "write";
	else if (p->sys->fsync(fd) < 0)
		call = "fsync";
	if (call != NULL)
		rc = fail_call(p, r->dir, r->temp, call, err);
	if (p->sys->close(fd) < 0 && rc == 0)
		rc = fail_call(p, r->dir, r->temp, "close", err);
	if (rc < 0)
		p->sys->unlinkat(r->dir, r->temp, 0);
	return rc;
}

// Sync a directory by a descriptor of its own: the one that has just failed may say that all is
// well now. returns 0, or -1 with errno
static int dir_sync(const struct ctl_persist *p, int dir, const char *name)
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

// A file was renamed or removed, but may not stay so; what was done about it may not stay either.
static void say_undone(struct cfg_error *err, int rc)
{
	size_t n = strlen(err->reason);

	if (rc < 0)
		snprintf(err->reason + n, sizeof(err->reason) - n,
			 "; taking it back failed too: it may come back at the next start");
}

// What a confirmed commit goes back to is kept as long as that waits.
static bool is_backup(const struct ctl_persist *p, uint64_t id)
{
	return p->has_pending && id == p->pending.backup;
}

static void old_remove(const struct ctl_persist *p, uint64_t id)
{
	char name[NAME_CAP], buf[352];

	commit_name(id, name);
	if (p->sys->unlinkat(p->commits_fd, name, 0) < 0)
		weir_log(WEIR_WARNING, "%s: old commit not removed: %s",
			 shown(p, p->commits_fd, name, buf), strerror(errno));
}

// Remove what is beyond those that are kept.
static void trim(struct ctl_persist *p)
{
	while (p->n > CTL_PERSIST_KEEP) {
		uint32_t i = p->n - 1;

		if (is_backup(p, p->heads[i].id) && --i < CTL_PERSIST_KEEP)
			return;
		old_remove(p, p->heads[i].id);
		p->n--;
		memmove(&p->heads[i], &p->heads[i + 1], (p->n - i) * sizeof(p->heads[0]));
	}
}

int ctl_persist_write(struct ctl_persist *p, const struct cfg_commit_head *h, const char *json,
		      size_t size, struct cfg_error *err)
{
	struct record r = { .dir = p->commits_fd, .body = json, .body_size = size };
	int rc;

	commit_name(h->id, r.name);
	snprintf(r.temp, sizeof(r.temp), "%s.tmp", r.name);
	if (h->id <= p->used)
		return fail(p, r.dir, r.name, "the id was used before", err);
	rc = cfg_commit_head_write(h, json, size, r.head, err);
	if (rc < 0)
		return rc;
	r.head_size = (size_t)rc;
	rc = temp_write(p, &r, err);
	if (rc < 0)
		return rc;
	if (rename_new(p, r.dir, r.temp, r.name) < 0) {
		rc = fail_call(p, r.dir, r.name, "rename", err);
		p->sys->unlinkat(r.dir, r.temp, 0);
		return rc;
	}
	raise_used(p, h->id);
	if (p->sys->fsync(r.dir) < 0) {
		rc = fail_call(p, r.dir, r.name, "fsync of the directory", err);
		say_undone(err,
			   p->sys->unlinkat(r.dir, r.name, 0) < 0 ? -1 : dir_sync(p, r.dir, "."));
		return rc;
	}
	memmove(&p->heads[1], &p->heads[0], p->n * sizeof(p->heads[0]));
	p->heads[0] = *h;
	p->n++;
	trim(p);
	return 0;
}

// --- Pending

// Put a record in the place of pending.conf, not yet synced.
static int pending_replace(struct ctl_persist *p, const struct cfg_pending *pending,
			   struct cfg_error *err)
{
	struct record r = { .dir = p->dir_fd, .body = "" };
	int rc = cfg_pending_write(pending, r.head, err);

	if (rc < 0)
		return rc;
	r.head_size = (size_t)rc;
	snprintf(r.temp, sizeof(r.temp), "%s.tmp", pending_name);
	rc = temp_write(p, &r, err);
	if (rc == 0 && p->sys->renameat2(r.dir, r.temp, r.dir, pending_name, 0) < 0) {
		rc = fail_call(p, r.dir, pending_name, "rename", err);
		p->sys->unlinkat(r.dir, r.temp, 0);
	}
	return rc;
}

// Make the disk say again what memory says.
static int pending_restore(struct ctl_persist *p)
{
	struct cfg_error err;
	int rc;

	rc = p->has_pending ? pending_replace(p, &p->pending, &err)
			    : p->sys->unlinkat(p->dir_fd, pending_name, 0);
	return rc < 0 ? -1 : dir_sync(p, p->dir_fd, ".");
}

static bool is_kept(const struct ctl_persist *p, uint64_t id)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->heads[i].id == id)
			return true;
	return false;
}

int ctl_persist_pending_set(struct ctl_persist *p, const struct cfg_pending *pending,
			    struct cfg_error *err)
{
	int rc;

	if (!is_kept(p, pending->backup))
		return fail(p, p->dir_fd, pending_name, "there is no such commit to go back to",
			    err);
	if (pending->last < p->heads[0].id)
		return fail(p, p->dir_fd, pending_name, "a later commit has confirmed it", err);
	rc = pending_replace(p, pending, err);
	if (rc < 0)
		return rc;
	if (p->sys->fsync(p->dir_fd) < 0) {
		rc = fail_call(p, p->dir_fd, pending_name, "fsync of the directory", err);
		raise_used(p, pending->last); // no later commit makes it valid
		say_undone(err, pending_restore(p));
		return rc;
	}
	p->pending = *pending;
	p->has_pending = true;
	return 0;
}

int ctl_persist_pending_clear(struct ctl_persist *p, struct cfg_error *err)
{
	int rc;

	if (!p->has_pending)
		return 0;
	if (p->sys->unlinkat(p->dir_fd, pending_name, 0) < 0 && errno != ENOENT)
		return fail_call(p, p->dir_fd, pending_name, "remove", err);
	if (p->sys->fsync(p->dir_fd) < 0) {
		rc = fail_call(p, p->dir_fd, pending_name, "fsync of the directory", err);
		say_undone(err, pending_restore(p));
		return rc;
	}
	p->has_pending = false;
	return 0;
}

// --- Opening

// What pending.conf says, true or stale. returns 0 or a shortage
static int pending_load(struct ctl_persist *p)
{
	struct cfg_error err;
	struct bytes b;
	int rc = read_file(p, p->dir_fd, pending_name, FILE_SIZE_MAX, &b);

	if (rc == -ENOENT || is_shortage(rc))
		return rc == -ENOENT ? 0 : rc;
	if (rc < 0) {
		put_aside(p, p->dir_fd, pending_name, read_reason(rc));
		return 0;
	}
	p->has_pending = cfg_pending_read(b.buf, b.size, &p->pending, &err) == 0;
	if (!p->has_pending)
		put_aside(p, p->dir_fd, pending_name, err.reason);
	free(b.buf);
	return 0;
}

// Drop what no longer waits. returns 0 or a shortage
static int pending_judge(struct ctl_persist *p)
{
	uint64_t newest = p->n == 0 ? 0 : p->heads[0].id;
	const char *why = NULL;
	struct cfg_commit_head h;
	struct cfg_error err;
	char *text;
	size_t size;
	int rc;

	if (!p->has_pending)
		return 0;
	if (newest < p->pending.first)
		why = "its commit was not written";
	else if (newest > p->pending.last)
		why = "it was confirmed or taken back";
	else {
		rc = ctl_persist_read(p, p->pending.backup, &h, &text, &size);
		free(text);
		if (is_shortage(rc))
			return rc;
		if (rc < 0)
			why = "the commit to go back to cannot be read";
	}
	if (why == NULL)
		return 0;
	weir_log(WEIR_NOTICE, "%s/%s: removed: %s", p->path, pending_name, why);
	// Ids beyond it make it stale for ever, so it does no harm where it cannot be removed.
	raise_used(p, p->pending.last);
	if (ctl_persist_pending_clear(p, &err) < 0)
		weir_log(WEIR_WARNING, "%s: not removed: %s", err.value, err.reason);
	p->has_pending = false;
	return 0;
}

static int by_id_newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

// One name of DIR/commits. returns its id if it is a commit; 0 = it is not
static uint64_t scan_name(struct ctl_persist *p, const char *name)
{
	const char *rest;
	uint64_t id = name_id(name, &rest);

	if (id == 0)
		return 0;
	if (strcmp(rest, ".tmp") == 0) {
		p->sys->unlinkat(p->commits_fd, name, 0);
		return 0;
	}
	raise_used(p, id); // also of one that was put aside
	return *rest == '\0' ? id : 0;
}

// returns the number of ids in ids[ENTRIES_MAX], newest first; or negative with err filled
static int scan(struct ctl_persist *p, uint64_t *ids, struct cfg_error *err)
{
	int fd = p->sys->openat(p->commits_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	int n = 0, seen = 0, rc = 0;
	struct dirent *e;

	if (d == NULL) {
		rc = fail_call(p, p->commits_fd, "", "open", err);
		if (fd >= 0)
			p->sys->close(fd);
		return rc;
	}
	while (errno = 0, (e = readdir(d)) != NULL && seen++ < ENTRIES_MAX) {
		ids[n] = scan_name(p, e->d_name);
		n += ids[n] != 0;
	}
	if (e != NULL)
		rc = fail(p, p->commits_fd, "", "more than 10000 entries", err);
	else if (errno != 0)
		rc = fail_call(p, p->commits_fd, "", "read", err);
	closedir(d);
	qsort(ids, (size_t)n, sizeof(ids[0]), by_id_newest_first);
	return rc < 0 ? rc : n;
}

// Fill the list. The newest good commit is read whole; of the others the header, until they are
// asked for: 50 large ones would delay the start.
static int commits_load(struct ctl_persist *p, const uint64_t *ids, int n)
{
	for (int i = 0; i < n; i++) {
		char *text = NULL;
		size_t size;
		int rc;

		if (p->n >= CTL_PERSIST_KEEP && !is_backup(p, ids[i])) {
			old_remove(p, ids[i]);
			continue;
		}
		rc = commit_read(p, ids[i], &p->heads[p->n], p->n == 0 ? &text : NULL, &size);
		free(text);
		if (is_shortage(rc))
			return rc;
		p->n += rc == 0;
	}
	return 0;
}

static int load(struct ctl_persist *p, struct cfg_error *err)
{
	uint64_t *ids = malloc(ENTRIES_MAX * sizeof(*ids));
	int n, rc;

	if (ids == NULL)
		return fail_call(p, p->dir_fd, "", "read", err);
	p->sys->unlinkat(p->dir_fd, "pending.conf.tmp", 0);
	n = scan(p, ids, err);
	rc = n < 0 ? n : pending_load(p);
	if (rc == 0)
		rc = commits_load(p, ids, n);
	if (rc == 0)
		rc = pending_judge(p);
	free(ids);
	if (n >= 0 && rc < 0) {
		errno = -rc;
		fail_call(p, p->dir_fd, "", "read", err);
	}
	return rc;
}

// A directory that is ours, made if it is missing. returns a descriptor, or negative with err
// filled
static int dir_take(const struct ctl_persist *p, int at, const char *name, struct cfg_error *err)
{
	const char *inner = at == AT_FDCWD ? "" : name; // than the path that is shown
	struct stat st = { .st_uid = (uid_t)-1 };
	int fd;

	if (p->sys->mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return fail_call(p, at, inner, "create the directory", err);
	fd = p->sys->openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fail_call(p, at, inner, "open the directory", err);
	if (fstat(fd, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return fd;
	p->sys->close(fd);
	fail(p, at, inner, "the directory is not ours, or others may write to it", err);
	return -EPERM;
}

// What is seen now must not be gone after a crash of the host: the process before may have been
// killed between a change and its sync.
static void sync_seen(const struct ctl_persist *p)
{
	if (dir_sync(p, p->dir_fd, "..") < 0 || p->sys->fsync(p->dir_fd) < 0 ||
	    p->sys->fsync(p->commits_fd) < 0)
		weir_log(WEIR_WARNING, "%s: fsync of the directory: %s", p->path, strerror(errno));
}

static int take(struct ctl_persist *p, const char *dir, struct cfg_error *err)
{
	p->dir_fd = dir_take(p, AT_FDCWD, dir, err);
	if (p->dir_fd < 0)
		return p->dir_fd;
	p->lock_fd = p->sys->openat(p->dir_fd, "lock", O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
				    0600);
	if (p->lock_fd < 0)
		return fail_call(p, p->dir_fd, "lock", "open", err);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return fail_call(p, p->dir_fd, "lock", "lock", err);
		fail(p, p->dir_fd, "lock", "another weir-switchd uses this directory", err);
		return -EBUSY;
	}
	p->commits_fd = dir_take(p, p->dir_fd, "commits", err);
	if (p->commits_fd < 0)
		return p->commits_fd;
	sync_seen(p);
	return load(p, err);
}

int ctl_persist_open_sys(const char *dir, const struct ctl_persist_sys *sys,
			 struct ctl_persist **out, struct cfg_error *err)
{
	struct ctl_persist *p = calloc(1, sizeof(*p));
	int rc;

	*out = NULL;
	memset(err, 0, sizeof(*err));
	if (p == NULL)
		return -ENOMEM;
	p->sys = sys;
	p->lock_fd = p->dir_fd = p->commits_fd = -1;
	snprintf(p->path, sizeof(p->path), "%s", dir);
	rc = take(p, dir, err);
	if (rc < 0)
		ctl_persist_close(p);
	else
		*out = p;
	return rc;
}

int ctl_persist_open(const char *dir, struct ctl_persist **out, struct cfg_error *err)
{
	return ctl_persist_open_sys(dir, &real_sys, out, err);
}

void ctl_persist_close(struct ctl_persist *p)
{
	if (p == NULL)
		return;
	if (p->commits_fd >= 0)
		p->sys->close(p->commits_fd);
	if (p->lock_fd >= 0)
		p->sys->close(p->lock_fd); // and with it the lock
	if (p->dir_fd >= 0)
		p->sys->close(p->dir_fd);
	free(p);
}
