// Guests without QEMU: the front-end side of vhost-user for up to 512 guests in one thread, without
// DPDK.
//
// A front is one shared memory and a number of guests. Each guest has its own part of the memory,
// and its back-end is told of that part only; its own socket, on which we listen as QEMU does (the
// switch connects, and connects again after a restart) or to which we connect; and its queue pairs
// (vh_ring.h). A guest negotiates what a Linux guest does: split rings, mergeable receive buffers,
// indirect descriptors, event index, checksum and TSO, multiqueue; packed rings when asked. When
// its back-end goes away, a guest keeps its rings and offers them to the next one from where the
// last one stopped (used->idx), as QEMU does. A
// back-end that breaks a ring (vh_ring.h) loses the connection, and that ring begins anew.
//
//	vh_front_create(&params, &f, &err);
//	vh_front_open(f, 0, "/run/weir/guests/a.sock", VH_FRONT_LISTEN, &err);
//	while (vh_front_state(f, 0) != VH_FRONT_READY)
//		vh_front_poll(f, 100);
//	vh_ring_reserve(vh_front_tx(f, 0, 0), ...);
//
// Thread: everything of one front belongs to one thread. Rings may be used only while their guest
// is ready, and vh_front_poll() is where it ceases to be. Not offered: migration (dirty log),
// postcopy, in-flight table, the control queue.
#ifndef VH_FRONT_H
#define VH_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "vh_ring.h"
#include "weir_err.h"

struct vh_front;

enum {
	VH_FRONT_GUESTS_MAX = 512,
	VH_FRONT_PAIRS_MAX = 16,
	VH_FRONT_FRAME_MAX = 65562, // a TSO super-frame with two tags
};

struct vh_front_params {
	uint16_t n_guests;	  // 1..VH_FRONT_GUESTS_MAX
	uint16_t n_pairs;	  // queue pairs of each, 1..VH_FRONT_PAIRS_MAX
	uint16_t queue_size;	  // a power of two, VH_RING_SIZE_MIN..VH_RING_SIZE_MAX
	uint32_t frame_bytes;	  // the longest frame a guest sends, 64..VH_FRONT_FRAME_MAX
	uint32_t piece_bytes;	  // longer ones are sent in several descriptors; 0 = one each
	uint32_t rx_buffer_bytes; // of a receive buffer, header included, 256..VH_FRONT_FRAME_MAX +
				  // 12
	bool mergeable, indirect, event_idx, packed;
	bool csum;  // both directions: frames without a finished checksum
	bool tso;   // both directions: super-frames; needs csum
	bool calls; // sleepers: the back-end writes call_fd when a slot was used. Pollers leave it
		    // out
	bool huge_pages;
};

enum vh_front_mode {
	VH_FRONT_LISTEN,
	VH_FRONT_CONNECT,
};

enum vh_front_state {
	VH_FRONT_CLOSED,
	VH_FRONT_WAITING, // nobody at the other end
	VH_FRONT_NEGOTIATING,
	VH_FRONT_READY,
	VH_FRONT_REFUSED, // by us: the back-end cannot do what is needed; vh_front_why() tells
};

// Allocate the memory and the rings of all guests; no socket is opened.
//
// out      on failure NULL
// returns  0; -EINVAL names the parameter; -ENOMEM the bytes that were wanted (no huge pages, or no
// memory)
int vh_front_create(const struct vh_front_params *p, struct vh_front **out, struct weir_err *err);
void vh_front_destroy(struct vh_front *f);

// Give a closed guest its socket. Its rings begin anew.
//
// path     at most 107 bytes; a socket nobody listens on is replaced
// returns  0; negative errno with the path and the reason
int vh_front_open(struct vh_front *f, uint16_t guest, const char *path, enum vh_front_mode mode,
		  struct weir_err *err);

// End a guest at once, as when QEMU is killed: connection and listening socket are closed, the path
// is removed.
void vh_front_close(struct vh_front *f, uint16_t guest);

// Stop a ready guest's queues, as a guest's driver does on reset, and wait until the back-end has
// let go of them. It stays connected; vh_front_start() begins again with fresh rings.
//
// returns  0; -ENOTCONN; -ETIMEDOUT after 5 s: the connection is given up
int vh_front_stop(struct vh_front *f, uint16_t guest);
int vh_front_start(struct vh_front *f, uint16_t guest);

// Look after all sockets.
//
// timeout_ms  0 = do not wait; -1 = for ever
// returns     how many guests changed their state; -errno
int vh_front_poll(struct vh_front *f, int timeout_ms);

// A descriptor that is readable when vh_front_poll() has something to do. The front's own; do not
// read it.
int vh_front_fd(const struct vh_front *f);

enum vh_front_state vh_front_state(const struct vh_front *f, uint16_t guest);
const char *vh_front_why(const struct vh_front *f, uint16_t guest);
uint64_t vh_front_features(const struct vh_front *f, uint16_t guest); // negotiated virtio features
uint32_t vh_front_n_attaches(const struct vh_front *f, uint16_t guest);
uint32_t vh_front_n_broken(const struct vh_front *f, uint16_t guest); // rings the back-end broke
bool vh_front_huge_pages(const struct vh_front *f);

// Queues of a guest, named as the guest sees them. Never NULL.
struct vh_ring *vh_front_tx(struct vh_front *f, uint16_t guest, uint16_t pair);
struct vh_ring *vh_front_rx(struct vh_front *f, uint16_t guest, uint16_t pair);

// For hostile guests: the connection, to write nonsense to; -1 when there is none.
int vh_front_socket(const struct vh_front *f, uint16_t guest);

#endif
