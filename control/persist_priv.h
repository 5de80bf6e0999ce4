// Inside of persist.c: its object, the files it handles (persist_file.c), and the calls that can
// fail or be cut off, so that a test can make each of them do so.
#ifndef PERSIST_PRIV_H
#define PERSIST_PRIV_H

#include <sys/types.h>

#include "persist.h"

enum {
	CTL_FILE_NAME = 32,
	CTL_FILE_LONG_NAME = 48, // with .tmp or .corrupt.N
	CTL_FILE_SHOWN = 352,
	CTL_FILE_SIZE_MAX = CFG_RECORD_HEAD_MAX + CFG_FILE_MAX,
};

// As the functions of the same names.
struct ctl_persist_sys {
	int (*openat)(int dir, const char *name, int flags, mode_t mode);
	ssize_t (*read)(int fd, void *buf, size_t size);
	ssize_t (*write)(int fd, const void *buf, size_t size);
	int (*fsync)(int fd);
	int (*close)(int fd);
	int (*renameat2)(int from_dir, const char *from, int to_dir, const char *to,
			 unsigned int flags);
	int (*unlinkat)(int dir, const char *name, int flags);
	int (*mkdirat)(int dir, const char *name, mode_t mode);
};

extern const struct ctl_persist_sys ctl_file_sys; // the real ones

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

// ctl_persist_open with other calls. sys must outlive *out
int ctl_persist_open_sys(const char *dir, const struct ctl_persist_sys *sys,
			 struct ctl_persist **out, struct cfg_error *err);

// --- persist_file.c. dir: p->dir_fd or p->commits_fd; name: in it

// The path of a file for people. returns buf
const char *ctl_file_shown(const struct ctl_persist *p, int dir, const char *name,
			   char buf[CTL_FILE_SHOWN]);
// Fill err. returns -EINVAL; or, for a call that has failed, -errno
int ctl_file_fail(const struct ctl_persist *p, int dir, const char *name, const char *reason,
		  struct cfg_error *err);
int ctl_file_fail_call(const struct ctl_persist *p, int dir, const char *name, const char *call,
		       struct cfg_error *err);

// Rename to a name that is free. returns 0, or -1 with errno
int ctl_file_rename_new(const struct ctl_persist *p, int dir, const char *from, const char *to);
// Rename what cannot be read to a free name, and say so in the log.
void ctl_file_put_aside(const struct ctl_persist *p, int dir, const char *name, const char *reason);

struct ctl_file_bytes {
	char *buf; // buf[size + 1]
	size_t size;
	uint64_t file_size;
};

// The first bytes of a file, at most limit. returns 0 (free b->buf), or a negative errno
int ctl_file_read(const struct ctl_persist *p, int dir, const char *name, size_t limit,
		  struct ctl_file_bytes *b);
// A shortage of ours, which says nothing about the file.
bool ctl_file_is_shortage(int rc);
// Why a file could not be read, for people.
const char *ctl_file_reason(int rc);

struct ctl_file_record {
	int dir;
	char name[CTL_FILE_NAME], temp[CTL_FILE_LONG_NAME];
	char head[CFG_RECORD_HEAD_MAX];
	size_t head_size;
	const char *body;
	size_t body_size;
};

// Write a record under its temporary name, to the disk. returns 0; or negative with err filled, the
// temporary gone
int ctl_file_write_temp(const struct ctl_persist *p, const struct ctl_file_record *r,
			struct cfg_error *err);
// One file beside the commits, of this text from now on, or as it was; it has been synced then.
// returns 0, or negative with err filled
int ctl_file_replace(const struct ctl_persist *p, const char *name, const char *text, size_t size,
		     struct cfg_error *err);
// Sync a directory by a descriptor of its own: the one that has just failed may say that all is
// well now. returns 0, or -1 with errno
int ctl_file_sync_dir(const struct ctl_persist *p, int dir, const char *name);

#endif
