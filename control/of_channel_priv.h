// Inside of the channel: its links, controllers and listeners; of_channel.c makes and runs them,
// of_channel_change.c brings changes and shows them.
#ifndef OF_CHANNEL_PRIV_H
#define OF_CHANNEL_PRIV_H

#include "of_channel.h"
#include "of_sockets.h"
#include "of_tls.h"

enum { CTL_OF_BYTES = 16384 };

struct remote;

struct link {
	struct ctl_of_channel *ch;
	struct link *next;
	struct remote *remote; // NULL = it came to a listener
	struct listener *from; // that one
	struct of_conn *conn;  // NULL = being connected
	struct ctl_tls *tls;
	struct ev_io io;
	char name[64], peer[128];
	ev_tstamp since;      // its state changed
	ev_tstamp over_since; // 0 = is not over
	bool was_up;
	bool more;	 // TLS may have more than was read
	size_t at, size; // of in: what the agent did not take yet
	size_t out_at, out_size;
	uint8_t in[CTL_OF_BYTES], out[CTL_OF_BYTES]; // out: of TLS
};

// A controller.
struct remote {
	struct ctl_of_channel *ch;
	struct cfg_controller conf;
	struct link *link; // NULL = waiting
	struct ev_timer again;
	double backoff_s; // the next wait
	ev_tstamp since;
	uint32_t attempts;
	char last_error[128];
};

struct listener {
	struct ctl_of_channel *ch;
	struct cfg_listener conf;
	struct ev_io io; // fd -1: its place was taken
	struct ev_timer again;
	char last_error[256]; // why it does not listen
};

struct ctl_of_channel {
	struct ctl_of_channel_params p;
	struct ctl_tls_files *tls;
	bool allow_14;
	struct remote *remotes[CFG_CONTROLLERS];
	struct listener *listeners[CFG_LISTENERS + 1]; // the last one is that of local tools
	struct link *links;
	uint32_t n_services, n_accepted;
	struct ev_timer tick; // below all else: one turn for all that a round of the loop brings
	bool is_late;	      // the turn took its time: what was read waits for the next one
	struct ev_io punts;
	uint32_t seed;
};

// A controller, tried at once. returns NULL = no memory
struct remote *ctl_of_remote_make(struct ctl_of_channel *ch, const struct cfg_controller *conf);
// With its connection; NULL is none.
void ctl_of_remote_free(struct remote *r);
// fd listens and is the listener's, whatever comes; -1 = that is tried again later. returns NULL =
// no memory
struct listener *ctl_of_listener_make(struct ctl_of_channel *ch, const struct cfg_listener *conf,
				      int fd);
// Its connections end, too.
void ctl_of_listener_free(struct listener *ls);
// It is configured anew: who came to it before and may not come now leaves.
void ctl_of_listener_recheck(struct listener *ls);
// ch->tls is another: whose certificate it does not believe leaves.
void ctl_of_links_recheck(struct ctl_of_channel *ch);

#endif
