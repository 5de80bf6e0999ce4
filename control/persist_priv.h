// The calls of persist.c that can fail or be cut off, so that a test can make each of them do so.
#ifndef PERSIST_PRIV_H
#define PERSIST_PRIV_H

#include <sys/types.h>

#include "persist.h"

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

// ctl_persist_open with other calls. sys must outlive *out
int ctl_persist_open_sys(const char *dir, const struct ctl_persist_sys *sys,
			 struct ctl_persist **out, struct cfg_error *err);

#endif
