// UNIX sockets of the main loop: a listener, and connections with a write buffer and a deadline. A
// client that does not read is cut, never waited for, and is not read from while much of what it
// asked for is still to be taken. Who a client is, the kernel says.
//
// The owner embeds struct ctl_conn and gives its two functions; both may be called from any turn of
// the loop. thread: main.
#ifndef CTL_CONN_H
#define CTL_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cfg_config.h"
#include "cfg_netconf.h"
#include "names.h"
#include "weir_log.h"

struct ctl_conn;

struct ctl_conn_ops {
	const char *name; // for the log
	// There is something to read, or ctl_conn_again() was called.
	void (*input)(struct ctl_conn *conn);
	void (*closed)(
		struct ctl_conn *conn); // conn is out of the loop and its socket closed; free it
};

struct ctl_conn {
	struct ev_loop *loop;
	const struct ctl_conn_ops *ops;
	struct ev_io io;
	struct ev_timer deadline; // no progress in writing
	struct ev_timer turn;	  // the next one, of who has more to do
	char *out;
	size_t out_size, out_at, out_cap;
	bool closing; // what is buffered is still written, then the connection ends
	bool more;    // not all that was read is done
};

void ctl_conn_init(struct ctl_conn *conn, struct ev_loop *loop, int fd,
		   const struct ctl_conn_ops *ops);
// At once; calls closed().
void ctl_conn_close(struct ctl_conn *conn);
// After what is buffered was sent.
void ctl_conn_finish(struct ctl_conn *conn);
// Not all that was read is done: input() is called again in the next turn of the loop, after others
// had theirs, as soon as the client has taken most of its answers.
void ctl_conn_again(struct ctl_conn *conn);
// Append to what the client is to get. returns false when more than max bytes would be unread, or
// memory is short; nothing was appended then
bool ctl_conn_put(struct ctl_conn *conn, const void *data, size_t size, size_t max);
// Has it sent something that was not read yet? Who asked a moment ago is no silent client.
bool ctl_conn_has_input(const struct ctl_conn *conn);
// Bytes that the client has not taken yet.
size_t ctl_conn_unread(const struct ctl_conn *conn);

struct ctl_listener {
	struct ev_io io;
	struct ctl_names *names;
	struct weir_limit refused;
	struct ev_timer again; // accept, after descriptors ran out
	char path[108];
	// fd is a new connection of peer, who is known only during the call.
	void (*accepted)(void *arg, int fd, const struct ctl_peer *peer);
	void *arg;
};

// Listen on l->path for root, the daemon's own user and the group "weir". A socket that nobody
// listens on is a left-over of a daemon that was killed, and is replaced.
// returns 0; a negative errno with err filled
int ctl_listener_start(struct ctl_listener *l, struct ev_loop *loop, struct cfg_error *err);
void ctl_listener_stop(struct ctl_listener *l, struct ev_loop *loop);

#endif
