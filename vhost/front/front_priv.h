// What the files of the front share.
#ifndef VH_FRONT_PRIV_H
#define VH_FRONT_PRIV_H

#include "vh_front.h"
#include "vh_msg.h"

enum { FRONT_GUEST_ADDR = 0x40000000 }; // where a guest believes its memory is

// The messages of a start, in order. Those for each ring are repeated.
enum step {
	STEP_GET_FEATURES,
	STEP_GET_PROTOCOL_FEATURES,
	STEP_SET_PROTOCOL_FEATURES,
	STEP_GET_QUEUE_NUM,
	STEP_SET_OWNER,
	STEP_SET_FEATURES,
	STEP_SET_MEM_TABLE,
	STEP_VRING_NUM, // each of these five for ring 0, then ring 1, ...
	STEP_VRING_BASE,
	STEP_VRING_ADDR,
	STEP_VRING_CALL,
	STEP_VRING_KICK,
	STEP_VRING_ENABLE, // for each ring
	STEP_READY,
	STEP_STOP_ENABLE, // queues go: for each ring
	STEP_STOP_BASE,
	STEP_STOPPED,
};

struct guest {
	struct vh_ring rings[2 * VH_FRONT_PAIRS_MAX]; // receive, transmit, receive, ...: the
						      // protocol's order
	struct vh_msg_reader reader;
	char path[108], why[128];
	enum vh_front_mode mode;
	enum vh_front_state state;
	enum step step;
	uint16_t ring_idx;
	bool waiting_reply, fresh; // fresh: rings begin anew at the next start
	int listen_fd, fd;
	uint64_t offered, features, protocol_features;
	uint64_t mem_offset; // of its part of the shared memory
	uint32_t n_attaches, n_broken;
};

struct vh_front {
	struct vh_front_params params;
	struct guest *guests; // guests[params.n_guests]
	uint8_t *mem;
	uint64_t mem_bytes, guest_bytes;
	int mem_fd, epoll_fd;
	bool huge;
	uint32_t n_changed;
};

// What we ask for and what we cannot do without.
uint64_t vh_front_wanted_features(const struct vh_front_params *p);

// Enter a state; vh_front_poll() counts it.
void vh_front_changed(struct vh_front *f, struct guest *g, enum vh_front_state state);

// Send the messages of the current step and of those after it, until a reply must come.
//
// returns  0; -EAGAIN = the socket is full; others: close the connection
int vh_front_advance(struct vh_front *f, struct guest *g);

// One message from the back-end.
//
// returns  0; -EPROTO = not what we waited for; -ENOTSUP = the back-end cannot do it, g->why says
// what
int vh_front_reply(struct vh_front *f, struct guest *g, const struct vh_msg *m);

#endif
