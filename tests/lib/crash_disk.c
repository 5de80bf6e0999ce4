// See crash_disk.h.
#include "crash_disk.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES 128
#define CHANGES 1024
#define NODES 1024
#define FDS 1024

enum { DAMAGES = 4 }; // whole, empty, zeros, half

struct node {
	char *data;
	size_t size;
	bool synced, lost; // lost: an fsync failed
};

struct name {
	char text[64];
	int node; // 0 = free
};

struct dir {
	ino_t ino;
	struct name names[NAMES];
};

struct change {
	int dir;	       // 0 = the directory, 1 = commits
	char from[64], to[64]; // to empty: from is removed; from empty: to is made
	int node;
	bool synced;
};

static struct {
	char live[256];
	struct dir base[2]; // what was there at the beginning
	struct dir now[2];
	struct change changes[CHANGES];
	uint32_t n_changes;
	struct node nodes[NODES];
	int n_nodes;
	int fd_node[FDS]; // of files that are written; 0 = none
	bool fd_open[FDS];
	uint32_t calls, kill_at, fail_at, fail_n, short_at;
	int fail_code;
	bool killed;
} d;

// --- Names

static struct name *find(struct dir *dir, const char *text)
{
	for (int i = 0; i < NAMES; i++)
		if (dir->names[i].node != 0 && strcmp(dir->names[i].text, text) == 0)
			return &dir->names[i];
	return NULL;
}

static void put(struct dir *dir, const char *text, int node)
{
	struct name *n = find(dir, text);

	for (int i = 0; n == NULL && i < NAMES; i++)
		if (dir->names[i].node == 0)
			n = &dir->names[i];
	assert(n != NULL);
	snprintf(n->text, sizeof(n->text), "%s", text);
	n->node = node;
}

static void apply(struct dir dirs[2], const struct change *c)
{
	struct name *from = c->from[0] == '\0' ? NULL : find(&dirs[c->dir], c->from);

	if (from != NULL)
		from->node = 0;
	if (c->to[0] != '\0')
		put(&dirs[c->dir], c->to, c->node);
}

static void change(int dir, const char *from, const char *to, int node)
{
	struct change *c = &d.changes[d.n_changes++];

	assert(d.n_changes <= CHANGES);
	*c = (struct change){ .dir = dir, .node = node };
	snprintf(c->from, sizeof(c->from), "%s", from);
	snprintf(c->to, sizeof(c->to), "%s", to);
	apply(d.now, c);
}

static int dir_of(int fd)
{
	struct stat st;

	if (fd == AT_FDCWD || fstat(fd, &st) < 0)
		return -1;
	return st.st_ino == d.base[0].ino ? 0 : st.st_ino == d.base[1].ino ? 1 : -1;
}

// --- Faults

// returns false = the call is not to happen, errno set
static bool happens(void)
{
	d.calls++;
	if (d.kill_at != 0 && d.calls >= d.kill_at)
		d.killed = true;
	errno = d.killed ? EIO : d.fail_code;
	return !d.killed && (d.fail_at == 0 || d.calls - d.fail_at >= d.fail_n);
}

// --- The calls

static int disk_openat(int dir, const char *name, int flags, mode_t mode)
{
	bool makes = (flags & O_CREAT) != 0 && faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	int fd;

	if (makes && !happens())
		return -1;
	fd = openat(dir, name, flags, mode);
	if (fd < 0)
		return -1;
	assert(fd < FDS);
	d.fd_open[fd] = true;
	d.fd_node[fd] = 0;
	if (makes) {
		assert(d.n_nodes + 1 < NODES && dir_of(dir) >= 0);
		d.fd_node[fd] = ++d.n_nodes;
		change(dir_of(dir), "", name, d.n_nodes);
	}
	return fd;
}

static ssize_t disk_write(int fd, const void *buf, size_t size)
{
	struct node *n = &d.nodes[d.fd_node[fd]];
	ssize_t done;

	assert(d.fd_node[fd] != 0);
	if (!happens())
		return -1;
	if (d.calls == d.short_at && size > 1)
		size /= 2;
	done = write(fd, buf, size);
	assert(done == (ssize_t)size);
	n->data = realloc(n->data, n->size + size);
	assert(n->data != NULL);
	memcpy(n->data + n->size, buf, size);
	n->size += size;
	n->synced = false;
	return done;
}

static int disk_fsync(int fd)
{
	struct node *n = d.fd_node[fd] == 0 ? NULL : &d.nodes[d.fd_node[fd]];
	int dir = dir_of(fd);
	bool ok = happens();

	if (n != NULL) {
		n->lost = n->lost || !ok;
		n->synced = !n->lost;
	}
	for (uint32_t i = 0; ok && n == NULL && i < d.n_changes; i++)
		if (d.changes[i].dir == dir)
			d.changes[i].synced = true;
	return ok ? 0 : -1;
}

// Only closing what was written can fail; it closes all the same.
static int disk_close(int fd)
{
	bool ok = d.fd_node[fd] == 0 || happens();
	int code = errno;

	d.fd_open[fd] = false;
	d.fd_node[fd] = 0;
	close(fd);
	errno = code;
	return ok ? 0 : -1;
}

static int disk_renameat2(int from_dir, const char *from, int to_dir, const char *to,
			  unsigned int flags)
{
	int dir = dir_of(from_dir);

	assert(dir >= 0 && from_dir == to_dir);
	if (!happens() || renameat2(from_dir, from, to_dir, to, flags) < 0)
		return -1;
	change(dir, from, to, find(&d.now[dir], from)->node);
	return 0;
}

static int disk_unlinkat(int dir, const char *name, int flags)
{
	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return -1; // nothing to be changed
	if (!happens() || unlinkat(dir, name, flags) < 0)
		return -1;
	change(dir_of(dir), name, "", 0);
	return 0;
}

const struct ctl_persist_sys crash_disk_sys = {
	.openat = disk_openat,
	.read = read,
	.write = disk_write,
	.fsync = disk_fsync,
	.close = disk_close,
	.renameat2 = disk_renameat2,
	.unlinkat = disk_unlinkat,
	.mkdirat = mkdirat, // the directories are there before the disk begins
};

static int plain_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static int plain_fsync(int fd)
{
	(void)fd;
	return 0;
}

const struct ctl_persist_sys crash_plain_sys = {
	.openat = plain_openat,
	.read = read,
	.write = write,
	.fsync = plain_fsync,
	.close = close,
	.renameat2 = renameat2,
	.unlinkat = unlinkat,
	.mkdirat = mkdirat,
};

// --- The disk

static int dir_open(const char *path, int which)
{
	char text[300];
	int fd;

	snprintf(text, sizeof(text), "%s%s", path, which == 0 ? "" : "/commits");
	fd = open(text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert(fd >= 0);
	return fd;
}

static void node_read(int dir, const char *name, struct node *n)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert(fd >= 0 && fstat(fd, &st) == 0);
	n->size = (size_t)st.st_size;
	n->data = malloc(n->size + 1);
	assert(n->data != NULL && read(fd, n->data, n->size) == st.st_size);
	n->synced = true;
	close(fd);
}

// Each ordinary file of a directory.
static void each_file(int dir, void (*fn)(int dir, const char *name, void *arg), void *arg)
{
	DIR *list = fdopendir(dup(dir));
	struct dirent *e;

	assert(list != NULL);
	rewinddir(list);
	while ((e = readdir(list)) != NULL)
		if (e->d_type == DT_REG)
			fn(dir, e->d_name, arg);
	closedir(list);
}

static void base_add(int dir, const char *name, void *arg)
{
	assert(d.n_nodes + 1 < NODES);
	node_read(dir, name, &d.nodes[++d.n_nodes]);
	put(arg, name, d.n_nodes);
}

void crash_disk_begin(const char *live)
{
	memset(&d, 0, sizeof(d));
	snprintf(d.live, sizeof(d.live), "%s", live);
	for (int i = 0; i < 2; i++) {
		int fd = dir_open(live, i);
		struct stat st;

		assert(fstat(fd, &st) == 0);
		d.base[i].ino = st.st_ino;
		each_file(fd, base_add, &d.base[i]);
		close(fd);
		d.now[i] = d.base[i];
	}
}

void crash_disk_end(void)
{
	crash_disk_restart();
	for (int i = 1; i <= d.n_nodes; i++)
		free(d.nodes[i].data);
	memset(&d, 0, sizeof(d));
}

void crash_disk_kill_at(uint32_t call)
{
	d.kill_at = call;
}

void crash_disk_fail_at(uint32_t call, uint32_t n, int code)
{
	d.fail_at = call;
	d.fail_n = n;
	d.fail_code = code;
}

void crash_disk_short_at(uint32_t call)
{
	d.short_at = call;
}

uint32_t crash_disk_calls(void)
{
	return d.calls;
}

bool crash_disk_killed(void)
{
	return d.killed;
}

void crash_disk_restart(void)
{
	for (int fd = 0; fd < FDS; fd++) {
		if (d.fd_open[fd])
			close(fd);
		d.fd_open[fd] = false;
		d.fd_node[fd] = 0;
	}
	d.killed = false;
	d.kill_at = d.fail_at = d.short_at = 0;
}

static uint32_t n_open_changes(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d.n_changes; i++)
		n += !d.changes[i].synced;
	assert(n <= 10);
	return n;
}

static uint32_t n_damages(void)
{
	for (int i = 1; i <= d.n_nodes; i++)
		if (!d.nodes[i].synced)
			return DAMAGES;
	return 1;
}

uint32_t crash_disk_n_states(void)
{
	return n_damages() << n_open_changes();
}

static void file_remove(int dir, const char *name, void *arg)
{
	(void)arg;
	assert(unlinkat(dir, name, 0) == 0);
}

static void node_lay(int dir, const char *name, const struct node *n, uint32_t damage)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t size = n->size;

	assert(fd >= 0);
	if (!n->synced && damage == 1)
		size = 0;
	if (!n->synced && damage == 3)
		size /= 2;
	if (!n->synced && damage == 2)
		assert(ftruncate(fd, (off_t)size) == 0);
	else
		assert(write(fd, n->data, size) == (ssize_t)size);
	close(fd);
}

void crash_disk_state(uint32_t state, const char *dir)
{
	uint32_t damage = state % n_damages(), chosen = state / n_damages(), bit = 0;
	static struct dir dirs[2];

	memcpy(dirs, d.base, sizeof(dirs));
	for (uint32_t i = 0; i < d.n_changes; i++) {
		if (d.changes[i].synced || (chosen >> bit++ & 1) != 0)
			apply(dirs, &d.changes[i]);
	}
	for (int w = 0; w < 2; w++) {
		int fd = dir_open(dir, w);

		each_file(fd, file_remove, NULL);
		for (int i = 0; i < NAMES; i++)
			if (dirs[w].names[i].node != 0)
				node_lay(fd, dirs[w].names[i].text, &d.nodes[dirs[w].names[i].node],
					 damage);
		close(fd);
	}
}
