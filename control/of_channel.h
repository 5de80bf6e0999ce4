// Sockets of OpenFlow, on the main loop: connections to controllers, made again with a back-off
// that doubles and has jitter; listeners for service connections by TCP and UNIX sockets; TLS where
// it is configured. What is said on them is the agent's (of_agent.h). Nothing is waited for.
//
// A change comes in two steps, as all changes do: prepare may fail and touches nothing that runs;
// commit cannot fail. Connections whose configuration did not change stay; clients of a listener
// that could not come to it any more leave.
//
// thread: main.
#ifndef CTL_OF_CHANNEL_H
#define CTL_OF_CHANNEL_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "cfg_config.h"
#include "of_agent.h"

struct ctl_of_channel;
struct ctl_of_channel_change;

struct ctl_of_channel_params {
	struct ev_loop *loop;
	struct of_agent *agent; // outlives the channel
	struct dp_of *of;
	const char *socket_path; // of local tools, for root only; "" = none
};

// Without controllers and listeners but that of local tools, which is tried again where it cannot
// be made. returns 0 or -ENOMEM
int ctl_of_channel_create(const struct ctl_of_channel_params *p, struct ctl_of_channel **out);
// Closes all.
void ctl_of_channel_destroy(struct ctl_of_channel *ch);

// ch        NULL = it is about to be made: whether that would succeed
// lenient   nobody could ask again (a start, a roll back): what fails is logged and tried again
//           later
// returns   0; a negative errno with err filled, nothing changed
int ctl_of_channel_prepare(struct ctl_of_channel *ch, const struct cfg_openflow *next, bool lenient,
			   struct ctl_of_channel_change **out, struct cfg_error *err);
// tls_is_new  who shows a certificate that the files as they are now would not believe leaves
void ctl_of_channel_commit(struct ctl_of_channel *ch, struct ctl_of_channel_change *c,
			   bool tls_is_new);
void ctl_of_channel_abort(struct ctl_of_channel_change *c);
// Every controller anew: the switch has another identity.
void ctl_of_channel_reconnect(struct ctl_of_channel *ch, const char *why);

enum ctl_of_link_state { CTL_OF_WAITING, CTL_OF_CONNECTING, CTL_OF_GREETING, CTL_OF_ACTIVE };

struct ctl_of_link_info {
	char name[64], peer[128];
	bool service;
	uint8_t state; // enum ctl_of_link_state
	uint32_t since_s, attempts;
	char last_error[128];
	struct of_conn_info conn; // all zero before there is one
};
struct ctl_of_listener_info {
	char name[32], place[128];
	const char *protocol; // "unix", "tcp" or "tls"
	bool is_open;	      // it listens
	char last_error[256]; // why it does not
};
// The i-th listener, that of local tools at last. returns false = there are no more
bool ctl_of_channel_listener(const struct ctl_of_channel *ch, uint32_t i,
			     struct ctl_of_listener_info *out);
// The i-th controller or connection. returns false = there are no more
bool ctl_of_channel_nth(const struct ctl_of_channel *ch, uint32_t i, struct ctl_of_link_info *out);

#endif
