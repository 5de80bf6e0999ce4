// LD_PRELOAD: counts the calls by which a process changes files below one directory, and kills it
// at one of them, makes one fail, or cuts a write short. On a kill, what was not synced may be
// taken from the disk too.
//
//	CRASH_DIR=DIR		below and including this directory; it need not exist yet
//	CRASH_AT=N		the N-th call, from 1; 0 or unset = only count
//	CRASH_DO=before		kill before the call (default)
//	         after		kill after it
//	         short		a write takes half of its bytes; other calls go through
//	         ENOSPC, EIO, EDQUOT, EROFS	the call fails so; ENOSPC+: and all after it
//	         slow		the call takes a second longer
//	CRASH_DROP=data		on a kill: files that are not synced become empty,
//	           zeros	zeros,
//	           half		or lose their second half;
//	           names	changes of names in directories that are not synced are undone.
//				Several with commas. Not given: a killed process, a host that stays
//	CRASH_ARM=FILE		counting begins with the first call after FILE is there, and ends
//				when it is gone. If it is not empty it holds "AT DO DROP", in place
//				of the variables: one process can be tried with many faults
//	CRASH_LOG=FILE		a line per counted call: its number, name and file
//
// What it models: the data of a file may be lost until an fsync of it has returned, and for good
// after one that failed (only what was written since the last sync is damaged on a real disk; here
// it is the whole file); a name may be lost until its directory is synced. With names, either all
// that is not synced is undone, or nothing: a prefix of the changes, as a journal leaves it, is
// what a kill at an earlier call leaves. tests/lib/crash_disk.h tries all subsets.
//
// Not seen: calls that the C library makes inside itself (stdio, mkstemp), mmap, io_uring. One
// process, any number of threads; children that it forks are left alone.
#undef _FILE_OFFSET_BITS // both names of each call are defined here
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define FILES 256
#define CHANGES 4096

// A file with data that is not synced. fd is ours and stays open.
struct unsynced {
	dev_t dev;
	ino_t ino;
	int fd;
	bool lost; // its fsync failed
};

// A change of names: undone by giving back `from` what it had. saved: a link to what stood at `to`
// before, or to what was removed.
struct change {
	ino_t dir_ino;
	bool undone_by_unlink, is_dir; // made something
	char from[PATH_MAX], to[PATH_MAX], saved[PATH_MAX];
	bool synced;
};

static struct {
	pthread_mutex_t lock;
	bool ready, on, armed;
	pid_t pid;
	char dir[PATH_MAX];
	size_t dir_size;
	const char *arm, *log;
	char what[16];
	unsigned int at, calls;
	int fail_code;
	bool sticky;
	bool drop_data, drop_zeros, drop_half, drop_names;
	struct unsynced files[FILES];
	int n_files;
	struct change *changes;
	int n_changes;
} s = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void die(const char *why)
{
	dprintf(2, "crash_shim: %s\n", why);
	syscall(SYS_exit_group, 99);
}

static bool has(const char *list, const char *word)
{
	return list != NULL && strstr(list, word) != NULL;
}

static void plan_set(const char *at, const char *what, const char *drop)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = {
		{ "ENOSPC", ENOSPC }, { "EIO", EIO }, { "EDQUOT", EDQUOT }, { "EROFS", EROFS }
	};
	size_t n;

	s.at = at == NULL ? 0 : (unsigned int)strtoul(at, NULL, 10);
	snprintf(s.what, sizeof(s.what), "%s", what == NULL ? "before" : what);
	n = strlen(s.what);
	s.sticky = n > 0 && s.what[n - 1] == '+';
	if (s.sticky)
		s.what[n - 1] = '\0';
	s.fail_code = 0;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(s.what, codes[i].name) == 0)
			s.fail_code = codes[i].code;
	if (s.fail_code == 0 && strcmp(s.what, "before") != 0 && strcmp(s.what, "after") != 0 &&
	    strcmp(s.what, "short") != 0 && strcmp(s.what, "slow") != 0)
		die("CRASH_DO is none of the words it knows");
	s.drop_data = has(drop, "data");
	s.drop_zeros = has(drop, "zeros");
	s.drop_half = has(drop, "half");
	s.drop_names = has(drop, "names");
}

static void set_up(void)
{
	const char *dir = getenv("CRASH_DIR");

	s.ready = true;
	s.pid = getpid();
	if (dir == NULL || dir[0] != '/')
		return;
	s.on = true;
	snprintf(s.dir, sizeof(s.dir), "%s", dir);
	s.dir_size = strlen(s.dir);
	s.arm = getenv("CRASH_ARM");
	s.armed = s.arm == NULL;
	s.log = getenv("CRASH_LOG");
	plan_set(getenv("CRASH_AT"), getenv("CRASH_DO"), getenv("CRASH_DROP"));
	s.changes = calloc(CHANGES, sizeof(*s.changes));
	if (s.changes == NULL)
		die("out of memory");
}

// --- Paths. All of this runs with the lock held, and by system calls that are not counted.

static bool below(const char *path)
{
	return strncmp(path, s.dir, s.dir_size) == 0 &&
	       (path[s.dir_size] == '\0' || path[s.dir_size] == '/');
}

static bool fd_path(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	if (fd == AT_FDCWD)
		return syscall(SYS_getcwd, path, PATH_MAX) > 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = '\0';
	return n > 0 && path[0] == '/';
}

// The absolute path of name at dir. returns whether it is ours
static bool full_path(int dir, const char *name, char path[PATH_MAX])
{
	char base[PATH_MAX];
	int n;

	if (name == NULL)
		return false;
	if (name[0] == '/')
		n = snprintf(path, PATH_MAX, "%s", name);
	else if (fd_path(dir, base))
		n = snprintf(path, PATH_MAX, "%s/%s", base, name);
	else
		return false;
	return n < PATH_MAX && below(path);
}

static ino_t parent_ino(const char *path)
{
	char dir[PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	*slash = '\0';
	return stat(dir, &st) == 0 ? st.st_ino : 0;
}

// --- What is lost

static struct unsynced *unsynced_find(int fd, bool make)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	for (int i = 0; i < s.n_files; i++)
		if (s.files[i].dev == st.st_dev && s.files[i].ino == st.st_ino)
			return &s.files[i];
	if (!make)
		return NULL;
	if (s.n_files == FILES)
		die("too many files that are not synced");
	s.files[s.n_files] = (struct unsynced){ .dev = st.st_dev, .ino = st.st_ino };
	s.files[s.n_files].fd = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 500);
	return &s.files[s.n_files++];
}

static void synced(int fd, bool ok)
{
	struct unsynced *u = unsynced_find(fd, false);
	struct stat st;

	if (u != NULL && ok && !u->lost) {
		syscall(SYS_close, u->fd);
		*u = s.files[--s.n_files];
	} else if (u != NULL) {
		u->lost = true;
	}
	if (!ok || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return;
	for (int i = 0; i < s.n_changes; i++)
		if (s.changes[i].dir_ino == st.st_ino)
			s.changes[i].synced = true;
}

static struct change *change_add(const char *from, const char *to)
{
	struct change *c = &s.changes[s.n_changes++];

	if (s.n_changes > CHANGES)
		die("too many changes");
	snprintf(c->from, sizeof(c->from), "%s", from);
	snprintf(c->to, sizeof(c->to), "%s", to);
	c->dir_ino = parent_ino(from);
	return c;
}

// Keep what stands at path, beside the directory.
static void save(struct change *c, const char *path)
{
	if (!s.drop_names)
		return;
	if (snprintf(c->saved, sizeof(c->saved), "%s.saved.%d", s.dir, s.n_changes) >= PATH_MAX)
		die("the path is too long");
	syscall(SYS_unlinkat, AT_FDCWD, c->saved, 0);
	if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, c->saved, 0) < 0)
		c->saved[0] = '\0';
}

static void undo(const struct change *c)
{
	if (c->undone_by_unlink) {
		syscall(SYS_unlinkat, AT_FDCWD, c->from, c->is_dir ? AT_REMOVEDIR : 0);
		return;
	}
	if (c->to[0] != '\0')
		syscall(SYS_renameat2, AT_FDCWD, c->to, AT_FDCWD, c->from, 0);
	if (c->saved[0] != '\0')
		syscall(SYS_linkat, AT_FDCWD, c->saved, AT_FDCWD,
			c->to[0] == '\0' ? c->from : c->to, 0);
}

static void damage(const struct unsynced *u)
{
	struct stat st;

	if (fstat(u->fd, &st) < 0)
		return;
	if (s.drop_data || s.drop_zeros)
		syscall(SYS_ftruncate, u->fd, 0L);
	if (s.drop_half)
		syscall(SYS_ftruncate, u->fd, (long)st.st_size / 2);
	if (s.drop_zeros)
		syscall(SYS_ftruncate, u->fd, (long)st.st_size);
}

static void crash(void)
{
	for (int i = 0; i < s.n_files; i++)
		damage(&s.files[i]);
	for (int i = s.n_changes; s.drop_names && i-- > 0;)
		if (!s.changes[i].synced)
			undo(&s.changes[i]);
	for (int i = 0; i < s.n_changes; i++)
		if (s.changes[i].saved[0] != '\0')
			syscall(SYS_unlinkat, AT_FDCWD, s.changes[i].saved, 0);
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

// --- Counting

static void log_call(const char *call, const char *path)
{
	char line[PATH_MAX + 64];
	int n = snprintf(line, sizeof(line), "%u %s %s\n", s.calls, call, path);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, s.log,
			      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || syscall(SYS_write, fd, line, (size_t)n) != n)
		die("CRASH_LOG cannot be written");
	syscall(SYS_close, fd);
}

// The file that starts counting came or went.
static void arm_look(void)
{
	char plan[128], at[16], what[16], drop[64] = "none";
	int fd = (int)syscall(SYS_openat, AT_FDCWD, s.arm, O_RDONLY | O_CLOEXEC);
	long n;

	if (fd < 0 || s.armed) {
		s.armed = fd >= 0;
		if (fd >= 0)
			syscall(SYS_close, fd);
		return;
	}
	s.armed = true;
	s.calls = 0;
	n = syscall(SYS_read, fd, plan, sizeof(plan) - 1);
	syscall(SYS_close, fd);
	plan[n < 0 ? 0 : n] = '\0';
	if (n > 0 && sscanf(plan, "%15s %15s %63s", at, what, drop) < 2)
		die("CRASH_ARM: expected AT DO DROP");
	if (n > 0)
		plan_set(at, what, drop);
}

enum verdict { PASS, FAIL, CUT, KILL_AFTER };

// Whether calls are watched now. Takes the lock if so.
static bool watch(void)
{
	int code = errno;

	pthread_mutex_lock(&s.lock);
	if (!s.ready)
		set_up();
	errno = code;
	if (s.on && s.pid == getpid())
		return true;
	pthread_mutex_unlock(&s.lock);
	return false;
}

// One more call. Kills if it is the one.
static enum verdict count(const char *call, const char *path)
{
	if (s.arm != NULL)
		arm_look();
	if (!s.armed)
		return PASS;
	s.calls++;
	if (s.log != NULL)
		log_call(call, path);
	if (s.at == 0 || s.calls < s.at || (s.calls > s.at && !s.sticky))
		return PASS;
	if (strcmp(s.what, "before") == 0)
		crash();
	if (strcmp(s.what, "slow") == 0)
		sleep(1);
	if (s.fail_code != 0)
		return FAIL;
	return strcmp(s.what, "after") == 0   ? KILL_AFTER
	       : strcmp(s.what, "short") == 0 ? CUT
					      : PASS;
}

static void done(enum verdict v)
{
	int code = errno;

	if (v == KILL_AFTER)
		crash();
	pthread_mutex_unlock(&s.lock);
	errno = code;
}

// --- The calls. Each: not watched or not ours = through; else counted, done, noted.

#define REFUSE(v)                                                                                  \
	do {                                                                                       \
		if ((v) == FAIL) {                                                                 \
			errno = s.fail_code;                                                       \
			done(v);                                                                   \
			errno = s.fail_code;                                                       \
			return -1;                                                                 \
		}                                                                                  \
	} while (0)

static int open_call(int dir, const char *name, int flags, mode_t mode)
{
	bool changes = (flags & (O_CREAT | O_TRUNC)) != 0;
	enum verdict v;
	char path[PATH_MAX];
	bool is_new;
	int fd;

	if (!changes || !watch())
		return (int)syscall(SYS_openat, dir, name, flags, mode);
	if (!full_path(dir, name, path)) {
		pthread_mutex_unlock(&s.lock);
		return (int)syscall(SYS_openat, dir, name, flags, mode);
	}
	is_new = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) < 0;
	v = count("open", path);
	REFUSE(v);
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0 && is_new)
		change_add(path, "")->undone_by_unlink = true;
	if (fd >= 0 && (flags & O_TRUNC) != 0 && !is_new)
		unsynced_find(fd, true);
	done(v);
	return fd;
}

#define OPEN_MODE(last)                                                                            \
	mode_t mode = 0;                                                                           \
	if ((flags & (O_CREAT | __O_TMPFILE)) != 0) {                                              \
		va_list ap;                                                                        \
		va_start(ap, last);                                                                \
		mode = va_arg(ap, mode_t);                                                         \
		va_end(ap);                                                                        \
	}

EXPORT int open(const char *name, int flags, ...)
{
	OPEN_MODE(flags)
	return open_call(AT_FDCWD, name, flags, mode);
}

EXPORT int open64(const char *name, int flags, ...)
{
	OPEN_MODE(flags)
	return open_call(AT_FDCWD, name, flags, mode);
}

EXPORT int openat(int dir, const char *name, int flags, ...)
{
	OPEN_MODE(flags)
	return open_call(dir, name, flags, mode);
}

EXPORT int openat64(int dir, const char *name, int flags, ...)
{
	OPEN_MODE(flags)
	return open_call(dir, name, flags, mode);
}

EXPORT int creat(const char *name, mode_t mode)
{
	return open_call(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

EXPORT int creat64(const char *name, mode_t mode)
{
	return open_call(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

// One write of any kind: offset -1 = at the position of fd.
static ssize_t write_call(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct iovec half;
	enum verdict v = PASS;
	char path[PATH_MAX];
	bool watched = watch();
	ssize_t size;

	if (watched && (!fd_path(fd, path) || !below(path))) {
		pthread_mutex_unlock(&s.lock);
		watched = false;
	}
	if (watched) {
		v = count("write", path);
		REFUSE(v);
		unsynced_find(fd, true);
	}
	if (v == CUT && iov[0].iov_len > 1) {
		half = (struct iovec){ iov[0].iov_base, iov[0].iov_len / 2 };
		iov = &half;
		n = 1;
	}
	if (offset < 0)
		size = syscall(SYS_writev, fd, iov, n);
	else
		size = syscall(SYS_pwritev, fd, iov, n, (long)offset, 0L);
	if (watched)
		done(v);
	return size;
}

EXPORT ssize_t write(int fd, const void *buf, size_t size)
{
	struct iovec iov = { (void *)buf, size };

	return write_call(fd, &iov, 1, -1);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t size, off_t offset)
{
	struct iovec iov = { (void *)buf, size };

	return write_call(fd, &iov, 1, offset);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t size, off64_t offset)
{
	struct iovec iov = { (void *)buf, size };

	return write_call(fd, &iov, 1, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return write_call(fd, iov, n, -1);
}

static bool watch_fd(int fd, char path[PATH_MAX])
{
	struct stat st;

	if (!watch())
		return false;
	// The directory that holds ours counts too: it has our name.
	if (fd_path(fd, path) &&
	    (below(path) || (fstat(fd, &st) == 0 && st.st_ino == parent_ino(s.dir))))
		return true;
	pthread_mutex_unlock(&s.lock);
	return false;
}

static int sync_call(const char *call, long number, int fd)
{
	char path[PATH_MAX];
	enum verdict v;
	int rc;

	if (!watch_fd(fd, path))
		return (int)syscall(number, fd);
	v = count(call, path);
	if (v == FAIL)
		synced(fd, false);
	REFUSE(v);
	rc = (int)syscall(number, fd);
	synced(fd, rc == 0);
	done(v);
	return rc;
}

EXPORT int fsync(int fd)
{
	return sync_call("fsync", SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
	return sync_call("fdatasync", SYS_fdatasync, fd);
}

static int truncate_call(int fd, off_t size)
{
	char path[PATH_MAX];
	enum verdict v;
	int rc;

	if (!watch_fd(fd, path))
		return (int)syscall(SYS_ftruncate, fd, (long)size);
	v = count("ftruncate", path);
	REFUSE(v);
	unsynced_find(fd, true);
	rc = (int)syscall(SYS_ftruncate, fd, (long)size);
	done(v);
	return rc;
}

EXPORT int ftruncate(int fd, off_t size)
{
	return truncate_call(fd, size);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	return truncate_call(fd, size);
}

// Only of a file that may have been written: closing anything else changes nothing. A close that
// fails closes all the same.
EXPORT int close(int fd)
{
	char path[PATH_MAX];
	enum verdict v;
	int rc, flags = (int)syscall(SYS_fcntl, fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || !watch_fd(fd, path))
		return (int)syscall(SYS_close, fd);
	v = count("close", path);
	rc = (int)syscall(SYS_close, fd);
	REFUSE(v);
	done(v);
	return rc;
}

static int rename_call(int from_dir, const char *from, int to_dir, const char *to,
		       unsigned int flags)
{
	char from_path[PATH_MAX], to_path[PATH_MAX];
	struct change *c;
	enum verdict v;
	int rc;

	if (!watch())
		return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
	if (!full_path(from_dir, from, from_path) || !full_path(to_dir, to, to_path)) {
		pthread_mutex_unlock(&s.lock);
		return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
	}
	v = count("rename", to_path);
	REFUSE(v);
	c = change_add(from_path, to_path);
	save(c, to_path);
	rc = (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
	if (rc < 0) {
		if (c->saved[0] != '\0')
			syscall(SYS_unlinkat, AT_FDCWD, c->saved, 0);
		memset(c, 0, sizeof(*c));
		s.n_changes--;
		errno = errno == 0 ? EIO : errno;
	}
	done(v);
	return rc;
}

EXPORT int rename(const char *from, const char *to)
{
	return rename_call(AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return rename_call(from_dir, from, to_dir, to, 0);
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	return rename_call(from_dir, from, to_dir, to, flags);
}

static int unlink_call(int dir, const char *name, int flags)
{
	char path[PATH_MAX];
	struct change *c;
	enum verdict v;
	int rc;

	if (!watch())
		return (int)syscall(SYS_unlinkat, dir, name, flags);
	if (!full_path(dir, name, path) || syscall(SYS_faccessat, AT_FDCWD, path, F_OK) < 0) {
		pthread_mutex_unlock(&s.lock);
		return (int)syscall(SYS_unlinkat, dir, name, flags);
	}
	v = count("unlink", path);
	REFUSE(v);
	c = change_add(path, "");
	save(c, path);
	rc = (int)syscall(SYS_unlinkat, dir, name, flags);
	done(v);
	return rc;
}

EXPORT int unlink(const char *name)
{
	return unlink_call(AT_FDCWD, name, 0);
}

EXPORT int unlinkat(int dir, const char *name, int flags)
{
	return unlink_call(dir, name, flags);
}

static int mkdir_call(int dir, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	struct change *c;
	enum verdict v;
	int rc;

	if (!watch())
		return (int)syscall(SYS_mkdirat, dir, name, mode);
	if (!full_path(dir, name, path) || syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0) {
		pthread_mutex_unlock(&s.lock);
		return (int)syscall(SYS_mkdirat, dir, name, mode);
	}
	v = count("mkdir", path);
	REFUSE(v);
	rc = (int)syscall(SYS_mkdirat, dir, name, mode);
	if (rc == 0) {
		c = change_add(path, "");
		c->undone_by_unlink = c->is_dir = true;
	}
	done(v);
	return rc;
}

EXPORT int mkdir(const char *name, mode_t mode)
{
	return mkdir_call(AT_FDCWD, name, mode);
}

EXPORT int mkdirat(int dir, const char *name, mode_t mode)
{
	return mkdir_call(dir, name, mode);
}
