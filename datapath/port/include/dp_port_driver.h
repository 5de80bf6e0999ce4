// For providers of links: what a driver implements. Users of ports include dp_port.h instead.
//
// A link is one thing that moves frames: a vhost-user guest, a NIC, a tap. The main thread creates
// and destroys it; one worker owns its tx side; each rx queue is polled by one worker.
// A driver may be destroyed only after no worker refers to it: the datapath sees to that.
#ifndef DP_PORT_DRIVER_H
#define DP_PORT_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "dp_pkt.h"
#include "weir_err.h"

#define DP_BURST 32
#define DP_NAME_MAX 32
#define DP_ARGS_MAX 256
#define DP_QUEUES_MAX 16

enum dp_driver_flag {
	DP_DRV_TX_COPIES = 1 << 0, // tx_burst copies the frame; the mbuf is free when it returns
	DP_DRV_TX_LINEAR = 1 << 1, // tx_burst takes single-segment mbufs only
};

// What the far side can take unfinished. The rest is resolved in software before tx.
enum dp_link_cap {
	DP_CAP_CSUM = 1 << 0, // missing TCP/UDP checksum
	DP_CAP_TSO4 = 1 << 1,
	DP_CAP_TSO6 = 1 << 2,
};

struct dp_link_params {
	char name[DP_NAME_MAX];		// port name, for messages
	char args[DP_ARGS_MAX];		// driver's own: devargs, socket path
	uint32_t mtu;			// bytes of L3, 68..9710
	uint16_t n_queues;		// wanted; the driver may serve fewer
	struct rte_mempool *pool;	// DP_MBUF_ROOM buffers
	struct rte_mempool *pool_large; // NULL, or DP_MBUF_ROOM_LARGE buffers
	struct rte_rcu_qsbr *rcu;	// for a driver whose guest may vanish
	_Atomic uint32_t
		*changed; // incremented by the driver when status() would tell something new
	int numa_node;
};

struct dp_link_status {
	bool up;
	bool attached; // a peer is there (QEMU runs), though perhaps not up; true for devices
	uint32_t n_attaches;
	bool resumed;	       // the guest's driver ran before this link met it
	uint8_t mac[6];	       // all zero when the link has none
	uint16_t n_rxq, n_txq; // in use now
	uint32_t caps;	       // enum dp_link_cap
	char detail[96];       // "vhost-user client, connected, 2 queue pairs"
};

// The driver's own view, to find out what it accepted and did not send.
struct dp_link_stats {
	uint64_t tx_sent_pkts; // UINT64_MAX = every accepted frame was sent
	uint64_t
		rx_missed_pkts; // lost before rx_burst could see them; outside the conservation law
};

struct dp_link_driver {
	const char *name; // "ethdev", "vhost-user"

	// Make the link and start it. thread: main. returns 0 and *out, or a negative errno with
	// err filled and nothing left behind.
	int (*create)(const struct dp_link_params *p, void **out, struct weir_err *err);

	// Stop and free; out of every worker's sight. thread: main.
	void (*destroy)(void *link);

	// enum dp_driver_flag of this link; constant over its life. thread: main.
	uint32_t (*flags)(void *link);

	// Fill at most n (<= DP_BURST) mbufs; sets meta flags DP_MF_CSUM / DP_MF_TSO and tso_segsz,
	// all other meta is the caller's. returns how many. thread: the worker that polls queue q.
	uint16_t (*rx_burst)(void *link, uint16_t q, struct rte_mbuf **pkts, uint16_t n);

	// Send, choosing among the link's queues by the packets' flow hash; returns how many of the
	// first ones were taken (and freed or owned by the driver from then on); the rest stays the
	// caller's. thread: the link's owner worker.
	uint16_t (*tx_burst)(void *link, struct rte_mbuf **pkts, uint16_t n);

	// enum dp_link_cap, 0 when the link is down. One relaxed load. thread: owner worker.
	uint32_t (*tx_caps)(void *link);

	// true when tx_burst can reach somebody now. One relaxed load. thread: any worker.
	bool (*is_up)(void *link);

	// thread: main; may make system calls. status is also the driver's chance to refresh is_up:
	// it is called at least once per second.
	void (*status)(void *link, struct dp_link_status *out);
	void (*stats)(void *link, struct dp_link_stats *out);
};

#endif
