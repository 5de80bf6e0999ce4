// Sockets of OpenFlow's channel: made, bound and named.
#ifndef CTL_OF_SOCKETS_H
#define CTL_OF_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "cfg_config.h"

// A socket that is being connected: writable when that is done. returns it, or a negative errno
int ctl_of_connect(const uint8_t addr[16], uint16_t port);
// A socket that listens. That of a UNIX socket is for root only; one on which nobody listens is
// replaced. returns it, or a negative errno with err filled
int ctl_of_listen(const struct cfg_listener *conf, struct cfg_error *err);
// "10.0.0.1 port 6653"
void ctl_of_place(const uint8_t addr[16], uint16_t port, char *out, size_t size);
// Who is at the other end, in the same words.
void ctl_of_peer(int fd, char *out, size_t size);

#endif
