// A daemon of libmicrohttpd on a libev loop, without a thread: what metrics and boot files share.
#ifndef MHD_LOOP_H
#define MHD_LOOP_H

#include <ev.h>
#include <microhttpd.h>

// Zeroed at first. thread: that of its loop
struct ctl_mhd {
	struct ev_loop *loop;
	struct MHD_Daemon *daemon; // started with MHD_USE_EPOLL; NULL = none
	struct ev_io io;
	struct ev_timer due;
};

// Drive a daemon that was started.
void ctl_mhd_watch(struct ctl_mhd *m, struct ev_loop *loop);
// Stop driving it, and it. Closes its socket, too.
void ctl_mhd_stop(struct ctl_mhd *m);

// Answer with a line of text. more: name and value of one more header field, or NULL.
int ctl_mhd_say(struct MHD_Connection *conn, unsigned int status, const char *text,
		const char *const more[2]);

#endif
