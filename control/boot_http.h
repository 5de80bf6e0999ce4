// Boot files over HTTP: the boot thread's side (boot_http.c) and main's (boot_listen.c).
#ifndef BOOT_HTTP_H
#define BOOT_HTTP_H

#include "control_priv.h"

// A socket to serve, or -1 where the one that is served stays.
struct ctl_http_entry {
	uint8_t ip[4];
	int fd;
};

// Where HTTP is served from now on; nowhere else. Main makes it, the boot thread takes it.
struct ctl_http_set {
	uint32_t n;
	struct ctl_http_entry entries[];
};

struct ctl_http_thread;

// now_ns: the clock of events. returns NULL = out of memory. thread: boot, or main while that does
// not run
struct ctl_http_thread *ctl_http_thread_create(struct ev_loop *loop, struct boot_responder *r,
					       const struct boot_out *out,
					       uint64_t (*now_ns)(void));
void ctl_http_thread_destroy(struct ctl_http_thread *t);
// Serve this set; it is the thread's from then on. NULL = nothing changes.
void ctl_http_take(struct ctl_http_thread *t, struct ctl_http_set *set);

// Put what was never taken into its successor, and free it. thread: main
void ctl_http_merge(struct ctl_http_set *next, struct ctl_http_set *never_taken);

// boot_thread.c: hand a set over. thread: main
void ctl_boot_http_set(struct ctl *c, struct ctl_http_set *set);

#endif
