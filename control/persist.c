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
};

static const char pending_name[] = "pending.conf";

// --- Small helpers

static void raise_used(struct ctl_persist *p, uint64_t id)
{
	if (id > p->used)
		p->used = id;
}

static void commit_name(uint64_t id, char name[CTL_FILE_NAME])
{
	snprintf(name, CTL_FILE_NAME, "%0*" PRIu64 ".conf", ID_DIGITS, id);
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

// --- Reading

// Read a commit, or only its header where text is NULL. A bad one is put aside.
// returns 0, -EBADMSG, or a shortage
static int commit_read(const struct ctl_persist *p, uint64_t id, struct cfg_commit_head *h,
		       char **text, size_t *size)
{
	char name[CTL_FILE_NAME];
	size_t json_at = 0;
	struct cfg_error err = { .reason = "another id than its name says" };
	struct ctl_file_bytes b;
	int rc;

	commit_name(id, name);
	rc = ctl_file_read(p, p->commits_fd, name,
			   text == NULL ? CFG_RECORD_HEAD_MAX : CTL_FILE_SIZE_MAX, &b);
	if (ctl_file_is_shortage(rc))
		return rc;
	if (rc < 0)
		snprintf(err.reason, sizeof(err.reason), "%s", ctl_file_reason(rc));
	else if (text == NULL)
		rc = cfg_commit_head_read(b.buf, b.file_size, h, &err);
	else
		rc = cfg_commit_read(b.buf, b.size, h, &json_at, &err);
	if (rc < 0 || h->id != id) {
		ctl_file_put_aside(p, p->commits_fd, name, err.reason);
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
	char name[CTL_FILE_NAME], buf[CTL_FILE_SHOWN];

	commit_name(id, name);
	if (p->sys->unlinkat(p->commits_fd, name, 0) < 0)
		weir_log(WEIR_WARNING, "%s: old commit not removed: %s",
			 ctl_file_shown(p, p->commits_fd, name, buf), strerror(errno));
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
	struct ctl_file_record r = { .dir = p->commits_fd, .body = json, .body_size = size };
	int rc;

	commit_name(h->id, r.name);
	snprintf(r.temp, sizeof(r.temp), "%s.tmp", r.name);
	if (h->id <= p->used)
		return ctl_file_fail(p, r.dir, r.name, "the id was used before", err);
	rc = cfg_commit_head_write(h, json, size, r.head, err);
	if (rc < 0)
		return rc;
	r.head_size = (size_t)rc;
	rc = ctl_file_write_temp(p, &r, err);
	if (rc < 0)
		return rc;
	if (ctl_file_rename_new(p, r.dir, r.temp, r.name) < 0) {
		rc = ctl_file_fail_call(p, r.dir, r.name, "rename", err);
		p->sys->unlinkat(r.dir, r.temp, 0);
		return rc;
	}
	raise_used(p, h->id);
	if (p->sys->fsync(r.dir) < 0) {
		rc = ctl_file_fail_call(p, r.dir, r.name, "fsync of the directory", err);
		say_undone(err, p->sys->unlinkat(r.dir, r.name, 0) < 0
					? -1
					: ctl_file_sync_dir(p, r.dir, "."));
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
	struct ctl_file_record r = { .dir = p->dir_fd, .body = "" };
	int rc = cfg_pending_write(pending, r.head, err);

	if (rc < 0)
		return rc;
	r.head_size = (size_t)rc;
	snprintf(r.temp, sizeof(r.temp), "%s.tmp", pending_name);
	rc = ctl_file_write_temp(p, &r, err);
	if (rc == 0 && p->sys->renameat2(r.dir, r.temp, r.dir, pending_name, 0) < 0) {
		rc = ctl_file_fail_call(p, r.dir, pending_name, "rename", err);
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
	return rc < 0 ? -1 : ctl_file_sync_dir(p, p->dir_fd, ".");
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
		return ctl_file_fail(p, p->dir_fd, pending_name,
				     "there is no such commit to go back to", err);
	if (pending->last < p->heads[0].id)
		return ctl_file_fail(p, p->dir_fd, pending_name, "a later commit has confirmed it",
				     err);
	rc = pending_replace(p, pending, err);
	if (rc < 0)
		return rc;
	if (p->sys->fsync(p->dir_fd) < 0) {
		rc = ctl_file_fail_call(p, p->dir_fd, pending_name, "fsync of the directory", err);
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
		return ctl_file_fail_call(p, p->dir_fd, pending_name, "remove", err);
	if (p->sys->fsync(p->dir_fd) < 0) {
		rc = ctl_file_fail_call(p, p->dir_fd, pending_name, "fsync of the directory", err);
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
	struct ctl_file_bytes b;
	int rc = ctl_file_read(p, p->dir_fd, pending_name, CTL_FILE_SIZE_MAX, &b);

	if (rc == -ENOENT || ctl_file_is_shortage(rc))
		return rc == -ENOENT ? 0 : rc;
	if (rc < 0) {
		ctl_file_put_aside(p, p->dir_fd, pending_name, ctl_file_reason(rc));
		return 0;
	}
	p->has_pending = cfg_pending_read(b.buf, b.size, &p->pending, &err) == 0;
	if (!p->has_pending)
		ctl_file_put_aside(p, p->dir_fd, pending_name, err.reason);
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
		if (ctl_file_is_shortage(rc))
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
		rc = ctl_file_fail_call(p, p->commits_fd, "", "open", err);
		if (fd >= 0)
			p->sys->close(fd);
		return rc;
	}
	while (errno = 0, (e = readdir(d)) != NULL && seen++ < ENTRIES_MAX) {
		ids[n] = scan_name(p, e->d_name);
		n += ids[n] != 0;
	}
	if (e != NULL)
		rc = ctl_file_fail(p, p->commits_fd, "", "more than 10000 entries", err);
	else if (errno != 0)
		rc = ctl_file_fail_call(p, p->commits_fd, "", "read", err);
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
		if (ctl_file_is_shortage(rc))
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
		return ctl_file_fail_call(p, p->dir_fd, "", "read", err);
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
		ctl_file_fail_call(p, p->dir_fd, "", "read", err);
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
		return ctl_file_fail_call(p, at, inner, "create the directory", err);
	fd = p->sys->openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return ctl_file_fail_call(p, at, inner, "open the directory", err);
	if (fstat(fd, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return fd;
	p->sys->close(fd);
	ctl_file_fail(p, at, inner, "the directory is not ours, or others may write to it", err);
	return -EPERM;
}

// What is seen now must not be gone after a crash of the host: the process before may have been
// killed between a change and its sync.
static void sync_seen(const struct ctl_persist *p)
{
	if (ctl_file_sync_dir(p, p->dir_fd, "..") < 0 || p->sys->fsync(p->dir_fd) < 0 ||
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
		return ctl_file_fail_call(p, p->dir_fd, "lock", "open", err);
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return ctl_file_fail_call(p, p->dir_fd, "lock", "lock", err);
		ctl_file_fail(p, p->dir_fd, "lock", "another weir-switchd uses this directory",
			      err);
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
	return ctl_persist_open_sys(dir, &ctl_file_sys, out, err);
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
