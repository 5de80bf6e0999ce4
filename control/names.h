// Names of users and groups, asked for on a thread of their own: they may come from the network
// (LDAP, SSSD), and an answer may take seconds, or never come. Root and the daemon's own user wait
// for nobody: their names are known.
//
// thread: the functions are called on main; look_up() runs on the thread.
#ifndef CTL_NAMES_H
#define CTL_NAMES_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CTL_PEER_GROUPS 32
#define CTL_NAMES_MAX 64 // asked for at a time

// Who is at the other end of a connection.
struct ctl_peer {
	uid_t uid;
	bool recovery; // root, or the daemon's own user
	char user[64];
	char *groups[CTL_PEER_GROUPS];
	size_t n_groups;
};

struct ctl_names;

struct ctl_names_ops {
	// Fill user and groups by uid; may wait.
	void (*look_up)(struct ctl_peer *peer);
	// fd, and *peer, which is freed afterwards, are known from now on.
	void (*known)(void *arg, int fd, const struct ctl_peer *peer);
};

int ctl_names_create(struct ev_loop *loop, const struct ctl_names_ops *ops, void *arg,
		     struct ctl_names **out);
// Connections that wait are closed. An answer that is still being waited for is forgotten.
void ctl_names_destroy(struct ctl_names *n);

// fd is taken, and known() called: at once, when nobody need be asked.
// returns 0; -EBUSY: CTL_NAMES_MAX are asked for already; -ENOMEM. fd is the caller's then
int ctl_names_ask(struct ctl_names *n, int fd, uid_t uid);

// By the system's databases.
void ctl_names_look_up(struct ctl_peer *peer);

#endif
