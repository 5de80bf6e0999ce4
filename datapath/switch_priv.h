// Inside of the datapath room: snapshot, worker and port state, and the hops' entry points.
#ifndef SWITCH_PRIV_H
#define SWITCH_PRIV_H

#include <stdatomic.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include "dp_fdb.h"
#include "dp_pkt.h"
#include "dp_switch.h"
#include "dp_tap.h"
#include "dp_plan.h"
#include "qos_bucket.h"
#include "qos_rate.h"

#define DP_EVENTS 4096 // learn events per worker
// Frames per worker towards the responder, and back: a request of each of 1,000 guests that start
// together, and then some.
#define DP_PUNTS 4096
#define DP_INJECTS 2048
#define DP_PUNTS_KEPT (DP_PUNTS / 2) // of them not for TFTP, so that who begins finds a place
#define DP_HANDOVER 1024	     // frames per pair of workers and urgency
#define DP_LEARN_CACHE 256
#define DP_STUCK_NS 1000000000u // a link that takes nothing for so long loses its first frame
#define DP_NAME_CHAINS 4096	// a power of two
#define DP_RETRY_NS 20000	// a link that took too little is tried again after this time
#define DP_READY 64		// frames a port may have for its driver; a FIFO, so kept short
#define DP_MAX_VMS (DP_MAX_PORTS + 1)
// A super-frame that would occupy a rated link for longer is cut into frames: 16 KiB at 10 Gbit/s.
#define DP_SUPER_NS 13107

// Frames that wait for the driver, by class: what leaves whole is accounted for without a look at
// its frames, which are the driver's by then.
struct dp_sum {
	uint32_t n_pkts;
	uint64_t n_bytes;
};

// What a VM may still send by the queues of one worker, over all its ports (limit.c).
struct dp_limit {
	uint64_t hold_ns; // not polled before
	struct qos_rate bits, pkts;
	uint64_t serial;   // of the VM's policy that the rates are made of; 0 = none yet
	uint64_t whose;	   // VM, by its name
	uint32_t share;	   // of how many workers
	uint32_t pkts_max; // asked for at once
};

// State of a port that one worker owns alone.
struct dp_port_pw {
	struct dp_limit *limit; // NULL = the VM may send as much as it can
	uint64_t held_ns;	// since when it is held back; 0 = it is not
	bool metered;		// `meter` has a mode
	uint64_t c[DP_N_PC];
	uint64_t drop_in[DP_N_DROPS];
	uint64_t drop_out[DP_N_DROPS];
	struct dp_class_count cls[QOS_N_CLASSES];
	uint64_t rated_for;   // serial of the view whose rates the buckets have
	uint64_t rated_vm;    // serial of its VM's policy, 0 = none
	uint32_t rated_share; // and for how many workers, of the port and of the VM
	struct qos_bucket broadcast, unknown, control, dhcp, neighbour, transfer;
	uint32_t transfers_given; // TFTP messages that went to the responder
	struct qos_meter meter;
} __rte_cache_aligned;

// A port's life from create to destroy; snapshots come and go around it.
struct dp_port {
	// Constant while any worker can see the port.
	const struct dp_link_driver *drv;
	void *link;
	char name[DP_NAME_MAX];
	uint32_t gen;
	uint16_t idx;
	uint8_t owner;		 // worker of the tx side
	uint32_t flags;		 // enum dp_driver_flag of the link
	uint32_t n_vms;		 // in its scheduler; 1 towards a guest, which is its own VM there
	struct qos_sched *sched; // owner worker; statistics: any thread
	void *sched_mem;
	size_t sched_bytes;
	struct dp_port_pw *pw; // pw[n_workers]
	// main: w, worker: r, relaxed
	_Atomic uint32_t macs_full; // learned MACs have reached the limit
	uint64_t created_ns;	    // constant too; only looked at
	// Owner worker only.
	_Atomic uint32_t queued __rte_cache_aligned; // owner: w, main: r, relaxed
	bool dirty;
	bool plain; // no rate, no limit: what finds no queue passes unseen by the scheduler
	uint16_t ready_at, n_ready;
	uint16_t pull;		     // frames to take from the scheduler at once, 1..DP_BURST
	uint32_t ready_classes;	     // bit per class with frames in ready[]
	uint64_t retry_ns, stuck_ns; // of the link: it took too little
	uint64_t wait_ns;	     // of the scheduler: nothing is due before
	// Frames that passed the scheduler and are the driver's next: ready[ready_at, n_ready).
	struct rte_mbuf *ready[DP_READY];
	struct dp_sum ready_sum[QOS_N_CLASSES];
	// The policy that the scheduler has.
	uint64_t followed_gen; // of the snapshot that was looked at last
	uint64_t qos_seen;     // serials
	uint64_t *vm_seen;     // [n_vms]; owner: w, main: r, release/acquire; 0 = never here
	uint64_t *boot_seen;   // [n_vms]: deadlines that the scheduler has; NULL with one VM
	uint32_t boot_serial;  // of the machines that boot when it looked last
	uint64_t rate_bits_per_s;
	uint32_t vm_walk; // VMs before it have been looked at since followed_gen
};

// A VM's policy in a snapshot. Immutable; shared by snapshots until it changes.
struct dp_vm_view {
	uint16_t idx;	 // in the schedulers of uplinks and host ports; 0 = everybody else
	bool configured; // has a policy; else it is there for its ports
	uint64_t serial; // never used twice
	struct dp_vm_params p;
};

// The classes in a snapshot.
struct dp_qos_view {
	uint64_t serial;
	struct dp_qos_class classes[QOS_N_CLASSES];
	uint8_t vlan_class[DP_VIDS]; // as in dp_act_qos_set
};

// A port in a snapshot: configuration and what was derived from it. Immutable; shared by snapshots
// until it changes.
struct dp_view {
	struct dp_port *port;
	uint64_t serial;	     // never used twice
	uint16_t mirror_idx;	     // DP_PORT_NONE = not mirrored
	const struct dp_vm_view *vm; // NULL on uplinks and host ports
	struct dp_port_params cfg;
};

// The boot service addresses in a snapshot. Immutable.
struct dp_services {
	uint8_t ip4[DP_VIDS][4]; // by VLAN; all zero = none
};

struct dp_rxq {
	const struct dp_view *view;
	uint16_t q;
	uint8_t n_share;  // workers that poll queues of this port; rates are split among them
	uint8_t vm_share; // workers that poll queues of its VM (dp_limit_share); 0 as 1
	// Worker only, kept here so that the loop over many silent queues touches nothing else:
	uint32_t heard_us; // when it last had a frame
};
static_assert(sizeof(struct dp_rxq) == 16, "four queues a cache line");

struct dp_flood {
	const uint16_t *ports;
	uint32_t n;
};

struct dp_snapshot {
	uint64_t gen;
	uint32_t n_ports;
	uint32_t n_rxqs[DP_MAX_WORKERS];
	struct dp_rxq *rxqs[DP_MAX_WORKERS];
	// main: w, worker: r, release/acquire; only dp_switch_set_portals replaces it
	_Atomic(struct qos_portals *) portals;
	// Never used twice for other portals or ports; stored after `portals`, loaded before it.
	_Atomic uint32_t storage_serial;
	const struct dp_qos_view *qos;	    // never NULL
	const struct dp_services *services; // NULL = there are none
	struct dp_vm_view *vms[DP_MAX_VMS];
	struct dp_tap *tap; // NULL = nobody looks
	struct dp_of *of;   // OpenFlow tables; NULL = plain L2
	uint16_t *of_idx;   // [n_of_idx]: of an OpenFlow port, or DP_MAX_PORTS = none
	uint32_t n_of_idx;
	uint16_t *of_ports; // [n_of_ports]: those that have one, in its order
	uint32_t n_of_ports;
	uint16_t of_local;			 // host port, or DP_MAX_PORTS
	struct dp_view *views[DP_MAX_PORTS + 1]; // the last one is nobody's (DP_FDB_NOWHERE): NULL
	struct dp_flood flood[DP_VIDS];
	uint16_t *arena; // port lists of flood[]
};

struct dp_learn_event {
	uint64_t key; // of the forwarding table
	uint32_t gen;
	uint16_t port;
	uint16_t reserved;
};

// A port with queued frames. The index stands beside the pointer so that a removed port is noticed
// without looking into it.
struct dp_dirty {
	struct dp_port *port;
	uint32_t gen;
	uint16_t idx;
};

// Neighbours in a batch whose headers say the same: the hops look at the first, and what they find
// holds for all.
struct dp_run {
	uint16_t first, n;
	uint16_t flow; // of a portal, + 1; 0 = not known. classify fills it where storage looks
	// The head differs from that of the run before it in runs[] in addresses of IP and in ports
	// at most. Who takes a run out of runs[] says so to the next one (dp_run_keep()).
	bool kin;
	uint64_t src, dst; // keys of the forwarding table; learn fills them
};

// What one rx burst brought, on its way through the hops. A hop that drops a run takes it out of
// runs[]; its frames' places in pkts[] are then nobody's.
struct dp_batch {
	const struct dp_view *v; // where it came in
	struct rte_mbuf *pkts[DP_BURST];
	struct dp_run runs[DP_BURST];
	uint32_t n_runs;
	uint32_t n_gone, gone_bytes; // received, and not in runs[]; bytes on the wire
	uint32_t n_storage;	     // runs to or from a portal; classify counts them
};

struct dp_worker {
	// Constant while running.
	uint32_t id, lcore;
	struct dp_switch *sw;
	struct rte_mempool *pool;
	const struct dp_fdb_index *fdb;
	struct rte_ring *events;  // worker: produce, main: consume
	struct rte_ring *punts;	  // worker: produce, boot: consume
	struct rte_ring *injects; // boot: produce, worker: consume
	// Of transfers_given, by port. boot: w, worker: r, relaxed
	_Atomic uint32_t *transfers_taken;	// [DP_MAX_PORTS]
	struct rte_ring *in[DP_MAX_WORKERS][2]; // [from][0 urgent, 1 normal]
	// main: w, worker: r, relaxed
	_Atomic bool stop;
	// This turn; not older than what the frames mean that other workers hand over.
	const struct dp_snapshot *snap;
	uint64_t now_ns;
	uint32_t now_s;
	// worker: w, main: r, relaxed
	_Atomic uint64_t turns, busy_turns, rx_pkts, busy_cycles, naps, events_lost, gone_pkts;
	// Worker only.
	uint64_t seen_gen; // of the snapshot of the last turn
	uint32_t n_dirty, idle_turns;
	uint64_t next_sweep_ns; // when silent queues are looked at again, at the latest
	uint64_t release_ns;	// when the first of those held back in this turn may be polled
	bool punted, sent;	// in this turn
	uint32_t buf_quota;	// buffers that one VM may hold on one link
	uint64_t next_quota_ns; // when it is looked at again
	struct dp_dirty dirty[DP_MAX_PORTS];
	struct dp_storage_pw *storage; // constant; what is in it is the worker's
	uint64_t storage_next_ns;      // when flows are looked at for their age; UINT64_MAX = none
	uint32_t n_told;	       // events that wait to go to main together
	uint64_t learn_sent[DP_LEARN_CACHE]; // keys told to main in this second
	uint32_t learn_sent_s;
	struct dp_punt scratch;
	struct dp_limit limits[DP_MAX_VMS]; // by VM
} __rte_cache_aligned;

struct dp_retired; // reclaim.c
struct dp_storage; // storage_priv.h
struct dp_storage_pw;
struct dp_vm; // vms.c

struct dp_switch {
	_Atomic(const struct dp_snapshot *) root; // main: w, worker: r, release/acquire
	_Atomic uint32_t links_changed;		  // drivers: w, main: r, relaxed
	_Atomic(struct rte_mempool *)
		pool_large;	   // main: w (made with the first jumbo port), worker: r
	int punt_fd;		   // eventfd, constant: workers kick the boot thread
	_Atomic bool injects_wait; // boot: sets, worker: clears, and kicks
	_Atomic uint8_t owner_of[DP_MAX_PORTS]; // main: w, boot: r, relaxed
	struct dp_storage *storage;		// constant; its fields say who writes them
	struct dp_of *of;			// main only: workers have it from the snapshot
	// main only from here
	struct dp_switch_params params;
	struct rte_rcu_qsbr *rcu;
	void *rcu_mem;
	struct rte_mempool *pool;
	struct dp_fdb *fdb;
	struct dp_worker *workers; // workers[n_workers]
	uint32_t n_workers, n_drivers, next_gen, links_seen;
	uint64_t next_serial, refreshed_ns;
	uint32_t storage_serial;
	struct qos_portals *portals;
	struct dp_qos_view *qos;
	struct dp_services *services;	 // NULL = there are none
	struct dp_vm *vm_of[DP_MAX_VMS]; // names; index 0 is nobody's
	uint16_t vm_first[DP_NAME_CHAINS];
	uint16_t vm_next[DP_MAX_VMS];
	uint32_t n_vms_named; // indexes that ever had a name
	const struct dp_link_driver *drivers[8];
	struct dp_port *ports[DP_MAX_PORTS]; // also those that wait for workers to forget them
	uint16_t name_first[DP_NAME_CHAINS]; // index + 1 of a port; 0 = end of the chain
	uint16_t name_next[DP_MAX_PORTS];
	uint32_t first_free; // no free index stands before it
	uint32_t n_owned[DP_MAX_WORKERS];
	// What housekeeping asks of each port every few ms, side by side.
	uint16_t mac_limits[DP_MAX_PORTS]; // 0 = none
	bool macs_full[DP_MAX_PORTS];	   // as published
	struct dp_retired *retired, *retired_last;
	struct dp_port_totals gone; // sums of removed ports
	uint64_t now_ns;
	uint32_t ageing_s;
	bool running;
	bool rehearses; // new ports get no link
};

// What the scheduler keeps with a packet stands behind the metadata. (The dynamic fields of the
// mbuf have no room for it beside the time stamps of some drivers.)
#define DP_QOS_PKT_OFFSET (sizeof(struct rte_mbuf) + sizeof(struct dp_meta))
#define DP_PRIV_BYTES 128 // of each buffer: metadata, and a line of the scheduler's

static inline struct qos_pkt *dp_qos_pkt(struct rte_mbuf *m)
{
	return (struct qos_pkt *)(void *)((char *)m + DP_QOS_PKT_OFFSET);
}

static inline struct rte_mbuf *dp_mbuf_of(struct qos_pkt *q)
{
	return (struct rte_mbuf *)(void *)((char *)q - DP_QOS_PKT_OFFSET);
}

static inline uint32_t dp_urgency(uint8_t cls)
{
	return cls > QOS_CLASS_LATENCY;
}

static inline struct dp_port_pw *dp_pw(struct dp_worker *w, struct dp_port *p)
{
	return &p->pw[w->id];
}

static inline uint64_t dp_load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline uint32_t dp_load32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline const uint8_t *dp_data(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, const uint8_t *);
}

// Is the port in this VLAN?
static inline bool dp_port_carries(const struct dp_port_params *cfg, uint16_t vid)
{
	switch (cfg->vlan_mode) {
	case DP_VLAN_ACCESS:
	case DP_VLAN_QINQ_CUSTOMER:
		return cfg->vid == vid;
	case DP_VLAN_NATIVE_UNTAGGED:
	case DP_VLAN_NATIVE_TAGGED:
		return cfg->vid == vid || dp_vid_in(cfg->trunk, vid);
	case DP_VLAN_TRANSPARENT:
		return true;
	default:
		return dp_vid_in(cfg->trunk, vid);
	}
}

// The L2 header: MACs, the tags that parse saw, the ethertype.
static inline uint32_t dp_l2_size(const struct dp_meta *m)
{
	return 14u + 4u * m->p.n_tags;
}

static inline struct rte_mbuf *dp_head(const struct dp_batch *b, const struct dp_run *r)
{
	return b->pkts[r->first];
}

// runs[i] goes on as runs[*n]. Whose neighbour was taken out is nobody's kin.
static inline void dp_run_keep(struct dp_batch *b, uint32_t i, uint32_t *n, bool *lost)
{
	if (unlikely(*n != i)) {
		b->runs[*n] = b->runs[i];
		b->runs[*n].kin &= !*lost;
		*lost = false;
	}
	++*n;
}

// --- the hops, in order. Each leaves in b->runs what goes on; forward leaves nothing.

void dp_admit_burst(struct dp_worker *w, struct dp_batch *b);
void dp_learn_burst(struct dp_worker *w, struct dp_batch *b);
void dp_classify_burst(struct dp_worker *w, struct dp_batch *b);
// Is the run of a flow that is known to be a portal's? Then no rule need be asked. Fills in
// r->flow; why: out.
bool dp_storage_known(const struct dp_worker *w, const struct dp_batch *b, struct dp_run *r,
		      enum qos_why *why);
void dp_storage_burst(struct dp_worker *w, const struct dp_batch *b);
void dp_forward_burst(struct dp_worker *w, struct dp_batch *b);
// L2 forwarding alone: the tables' NORMAL. Consumes the frame, or those of the runs.
void dp_forward_normal(struct dp_worker *w, const struct dp_view *in, struct rte_mbuf *m);
void dp_forward_runs(struct dp_worker *w, struct dp_batch *b, const struct dp_run *runs,
		     uint32_t n);
// What of a run is not for the tables leaves it: the responder's, and what must not be forwarded.
// returns false = all of it
bool dp_forward_own(struct dp_worker *w, struct dp_batch *b, struct dp_run *r);
// A further copy of a frame, counted. returns NULL when there is no buffer
struct rte_mbuf *dp_forward_copy(struct dp_worker *w, const struct dp_view *in, struct rte_mbuf *m);
// The receiver alone refuses the frame, whose copy it would be; only counted.
void dp_forward_deny(struct dp_worker *w, const struct dp_view *in, const struct dp_view *out,
		     const struct rte_mbuf *m, enum dp_drop reason);
bool dp_forward_is_foreign(const struct dp_worker *w, const struct dp_view *in,
			   const struct rte_mbuf *m);
// Where L2 forwarding would send m that came in at in, into l2->out. edited: its tags were.
void dp_explain_normal(const struct dp_switch *sw, const struct dp_view *in, struct rte_mbuf *m,
		       bool edited, struct dp_verdict *l2);
// Which VLAN a frame belongs to, whose tags were edited since it came in at that port.
enum dp_drop dp_admit_again(const struct dp_port_params *cfg, struct rte_mbuf *m);
// Edit for the port and hand to its owner's scheduler. Consumes pkts[n], n <= DP_BURST; pkts is
// scratch from then on.
void dp_output(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n, const struct dp_view *out);
// The same, tags as they are; but uplinks get the marks of its class, where they are not kept.
enum { DP_KEEP_PCP = 1, DP_KEEP_DSCP = 2 };
void dp_output_as_is(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n,
		     const struct dp_view *out, uint32_t keep);
void dp_schedule(struct dp_worker *w, struct rte_mbuf **pkts, uint32_t n,
		 const struct dp_view *out);
void dp_enqueue(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint32_t n);
// Send from the ports that have frames, from the first-th of them on. returns how many still have
// some
uint32_t dp_tx_dirty(struct dp_worker *w, uint32_t first);
void dp_tx_forget_removed(struct dp_worker *w);

// --- parts of hops that `explain` shares; pure over their arguments.

enum dp_drop dp_admit_vlan(const struct dp_port_params *cfg, struct dp_meta *meta,
			   bool *strip_priority);
enum dp_drop dp_admit_frame(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
			    struct dp_meta *meta);
// What dp_admit_frame() refuses for its source: may OpenFlow's tables have it nevertheless? They
// may have one from a group, where a port takes what is on the wire. It is not learnt, nor
// forwarded by L2.
enum dp_drop dp_admit_to_tables(const struct dp_snapshot *s, const struct dp_port_params *cfg,
				const uint8_t *data, struct dp_meta *meta);
// The guest's part of admission: addresses and server messages (guard.c).
enum dp_drop dp_guard(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
		      const struct dp_meta *meta);
void dp_mark_punt(const struct dp_port_params *cfg, const uint8_t *data, size_t size,
		  struct dp_meta *meta);
void dp_mark_look(const struct dp_services *services, struct dp_meta *meta);

// --- boot services (service.c); pure

// Does a frame with DP_MF_PUNT go on into the network as well?
bool dp_punt_goes_on(const struct dp_port_params *cfg, const uint8_t *data,
		     const struct dp_meta *meta);
// Would a boot server's message reach a guest that Weir alone serves?
bool dp_is_rival(const struct dp_port_params *out, const struct dp_meta *meta);
// Is it about a service address, and not from one of those who may say such?
bool dp_is_foreign(const struct dp_services *services, const struct dp_port_params *in,
		   const uint8_t *data, size_t size, const struct dp_meta *meta);
// Hand a frame to the responder, which frees it; or only a copy of what it says. returns false when
// the frame was dropped
bool dp_punt(struct dp_worker *w, const struct dp_view *v, struct rte_mbuf *m, bool copy);
enum qos_class dp_classify(const struct dp_switch *sw, const struct dp_view *in,
			   const uint8_t *data, const struct dp_meta *meta, enum qos_why *why);
// Addresses of an IP packet.
void dp_addrs_fill(struct qos_addr *src, struct qos_addr *dst, const uint8_t *data,
		   const struct dp_meta *m);
// Where an address that is fixed to a guest's port is, by the table, when a frame of it came in at
// v. returns the new value of `where`; 0 = v's sender may not have that address
uint32_t dp_learn_fixed(const struct dp_snapshot *s, const struct dp_view *v, uint64_t key,
			uint32_t where);
// The guest's driver runs, and the port takes frames from it.
static inline bool dp_port_there(const struct dp_view *v)
{
	return (v->cfg.flags & (DP_PF_STANDBY | DP_PF_AWAITING)) != DP_PF_STANDBY &&
	       v->port->drv->is_up(v->port->link);
}

// It takes nothing from it. Who is awaited is heard before main has seen that it is here.
static inline bool dp_port_quiet(const struct dp_view *v)
{
	return (v->cfg.flags & DP_PF_STANDBY) != 0 && !dp_port_there(v);
}

// The port's address stands in the table where it is now. main
void dp_port_fix(struct dp_switch *sw, const struct dp_view *v);
enum dp_drop dp_may_forward(const struct dp_view *in, const struct dp_view *out);
// What act would write: the tag (tpid 0 = none), and the DSCP or DP_DSCP_KEEP.
struct dp_marks {
	uint16_t tpid, tci;
	uint8_t dscp;
};
void dp_act_marks(const struct dp_view *out, const struct dp_qos_view *qos,
		  const struct dp_meta *meta, struct dp_marks *marks);

// Could nobody but the sender at this port have sent from that address? Guests may say what they
// like unless admission holds them to what is theirs; a link-local address goes by the MAC.
static inline bool dp_src_known(const struct dp_port_params *cfg, const struct dp_meta *m)
{
	uint32_t need =
		DP_PF_ADMIT | ((m->p.flags & DP_PF_IP4) != 0 ? DP_PF_IP4_FIXED
							     : DP_PF_IP6_FIXED | DP_PF_MAC_FIXED);

	return cfg->role != DP_ROLE_GUEST || (cfg->flags & need) == need;
}

// --- storage (storage*.c)

static inline struct qos_portals *dp_portals(const struct dp_snapshot *s)
{
	return atomic_load_explicit(&s->portals, memory_order_acquire);
}

// main. return 0 or -1 when there is no memory
int dp_storage_create(struct dp_switch *sw);
int dp_storage_worker_init(struct dp_worker *w, struct rte_ring *events);
void dp_storage_worker_fini(struct dp_worker *w);
// The table of the snapshot in force is this one now; the one before goes.
void dp_portals_replace(struct dp_switch *sw, struct qos_portals *table);
// worker. Flows that are silent end.
void dp_storage_age(struct dp_worker *w);
void dp_storage_flush(struct dp_worker *w);
// A frame with meta->sto has stood in a queue.
void dp_storage_tell_wait(struct dp_worker *w, const struct dp_meta *meta, uint64_t wait_ns);
// Does a VM boot? any
uint64_t dp_boot_deadline(const struct dp_switch *sw, uint32_t vm_idx);
uint32_t dp_boot_serial(const struct dp_switch *sw);
bool dp_boot_any(const struct dp_switch *sw);

// --- taps (tap.c); called only while one is set

void dp_tap_rx(struct dp_worker *w, const struct dp_batch *b);
void dp_tap_tx(struct dp_worker *w, const struct dp_port *p, struct rte_mbuf **pkts, uint16_t n);
void dp_tap_hop(struct dp_worker *w, const struct rte_mbuf *m, enum dp_stage stage,
		enum dp_drop reason);

// --- offloads (csum.c, tso.c)

// Finish the L4 checksum. returns false when the packet does not fit the request.
bool dp_csum_finish(struct rte_mbuf *m);
// Cut a super-frame into segs[0..max). Consumes m on success.
// returns how many, or a negative errno with m untouched (-ENOMEM, -EINVAL, -E2BIG)
int dp_tso_cut(struct rte_mbuf *m, struct rte_mempool *pool, struct rte_mbuf **segs, uint32_t max);
#define DP_TSO_SEGS 1024
#define DP_TSO_MIN                                                                                 \
	64 // smallest segment; TCP's smallest sensible MSS is 88 (64 KiB make 745 of those)

// --- marks in the IP header (mark.c)

// RFC 3168 section 5.
enum { DP_ECN_NOT_ECT, DP_ECN_ECT1, DP_ECN_ECT0, DP_ECN_CE };

// The ECN field of the outermost IP header; DP_ECN_NOT_ECT of what is not IP.
static inline uint8_t dp_ecn(const struct rte_mbuf *m)
{
	const struct dp_meta *meta = dp_meta_const(m);
	const uint8_t *l3 = dp_data(m) + meta->p.l3_off;

	if ((meta->p.flags & DP_PF_IP4) != 0)
		return l3[1] & 3;
	return (meta->p.flags & DP_PF_IP6) != 0 ? l3[1] >> 4 & 3 : DP_ECN_NOT_ECT;
}

// Say that the packet met congestion.
//
// m        a frame of ours whose metadata describes it as it is now (tags pushed or not)
// returns  true when it says so now; false when its sender does not understand ECN, m unchanged
bool dp_mark_ce(struct rte_mbuf *m);
// Give an IP packet this DSCP, 0..63; ECN stays. What is not IP stays as it is.
void dp_mark_dscp(struct rte_mbuf *m, uint8_t dscp);

// --- what a VM may send (limit.c)

// How many workers poll queues of each VM: fills in vm_share of s's queues. main
void dp_limit_share(struct dp_snapshot *s, uint32_t n_workers);
// Buckets, meter and limit of the port at this worker follow the queue's view; what was earned or
// is owed stays.
void dp_rates_follow(struct dp_worker *w, const struct dp_rxq *rxq);
// A queue of a limited VM. returns true when it must not be polled now
bool dp_limit_holds(struct dp_worker *w, const struct dp_rxq *rxq);
// The VM pays for what was received.
void dp_limit_charge(struct dp_worker *w, const struct dp_batch *b);
// The port's meter looks at each frame of the batch: red ones are dropped, yellow ones flagged.
void dp_meter_burst(struct dp_worker *w, struct dp_batch *b);
uint32_t dp_super_wire_bytes(const struct rte_mbuf *m);

static inline uint64_t dp_vm_serial(const struct dp_view *v)
{
	return v->vm == NULL ? 0 : v->vm->serial;
}

static inline uint32_t dp_shares(const struct dp_rxq *rxq)
{
	return rxq->n_share | (uint32_t)rxq->vm_share << 8;
}

// Has the configuration changed since this worker's rates of the port were set?
static inline bool dp_rates_are_stale(struct dp_worker *w, const struct dp_rxq *rxq)
{
	const struct dp_port_pw *pw = dp_pw(w, rxq->view->port);

	return pw->rated_for != rxq->view->serial || pw->rated_share != dp_shares(rxq) ||
	       pw->rated_vm != dp_vm_serial(rxq->view);
}

// What a frame that was received, and is admitted or not, will occupy on the wire.
static inline uint32_t dp_rx_wire_bytes(const struct rte_mbuf *m)
{
	if (likely((dp_meta_const(m)->flags & DP_MF_TSO) == 0))
		return qos_wire_bytes(rte_pktmbuf_pkt_len(m), 1, 0);
	return dp_super_wire_bytes(m);
}

// --- drops: the only functions that free for a reason

void dp_drop_in(struct dp_worker *w, struct rte_mbuf *m, enum dp_drop reason, enum dp_stage stage);
void dp_drop_run(struct dp_worker *w, struct dp_batch *b, const struct dp_run *r,
		 enum dp_drop reason, enum dp_stage stage);
void dp_drop_out(struct dp_worker *w, struct dp_port *p, struct rte_mbuf *m, enum dp_drop reason,
		 enum dp_stage stage);

// --- snapshot and reclaim

// Of what a snapshot is made.
struct dp_parts {
	struct dp_view *views[DP_MAX_PORTS];
	struct dp_vm_view *vms[DP_MAX_VMS];
	struct qos_portals *portals;
	const struct dp_qos_view *qos;
	const struct dp_services *services;
};

// A change on its way: what the next snapshot will have, and which of it this change made.
struct dp_prepared {
	struct dp_parts next;
	bool fresh_view[DP_MAX_PORTS];
	bool fresh_port[DP_MAX_PORTS];
	bool fresh_vm[DP_MAX_VMS];
	struct qos_portals *portals;  // new table, or NULL = unchanged
	struct dp_qos_view *qos;      // the same
	struct dp_services *services; // the same
	struct dp_snapshot *snap;
	uint32_t ageing_s, mac_limit; // 0 = unchanged
};

// The view of a port as this change may alter it. returns NULL when there is no memory
struct dp_view *dp_view_renew(struct dp_switch *sw, struct dp_prepared *pr, uint32_t idx);

int dp_snapshot_build(struct dp_switch *sw, const struct dp_parts *parts, struct dp_snapshot **out);
// The one in force anew: links or the tap have changed.
int dp_snapshot_again(struct dp_switch *sw, struct dp_snapshot **out);
void dp_snapshot_free(struct dp_snapshot *s);
// Free obj with fn after a grace period.
void dp_retire(struct dp_switch *sw, void (*fn)(struct dp_switch *sw, void *obj), void *obj);
void dp_reclaim(struct dp_switch *sw, bool all);
// Publish s and retire the one before (its views are the caller's to retire).
void dp_publish(struct dp_switch *sw, struct dp_snapshot *s);
const struct dp_snapshot *dp_root(const struct dp_switch *sw);

// The port has an index and a name from create to destroy.
struct dp_port *dp_port_create(struct dp_switch *sw, const struct dp_port_params *p,
			       struct weir_err *err, int *rc);
void dp_port_destroy(struct dp_switch *sw, struct dp_port *p);
// Index of the port of that name among views, or -ENOENT.
uint32_t dp_name_hash(const char *name);
int dp_port_find(const struct dp_switch *sw, struct dp_view *const views[DP_MAX_PORTS],
		 const char *name);
void dp_port_sum(const struct dp_switch *sw, const struct dp_port *p, struct dp_port_totals *t);
void dp_totals_add(struct dp_port_totals *sum, const struct dp_port_totals *t);

// --- VMs (vms.c); main

// Index of that name, which no VM of the snapshot in force may have, or -ENOENT.
int dp_vms_find(const struct dp_switch *sw, const char *name);
int dp_vms_set(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_vm_params *p,
	       struct weir_err *err);
// The VM has no policy any more; its ports keep it.
int dp_vms_del(struct dp_switch *sw, struct dp_prepared *pr, const char *name,
	       struct weir_err *err);
// Ports find their VMs; a VM without port and policy goes.
int dp_vms_resolve(struct dp_switch *sw, struct dp_prepared *pr, struct weir_err *err);
void dp_vms_abort(struct dp_prepared *pr);
void dp_vms_commit(struct dp_switch *sw, struct dp_prepared *pr,
		   struct dp_vm_view *const old[DP_MAX_VMS]);
void dp_vms_destroy(struct dp_switch *sw);
void dp_qos_defaults(struct dp_qos_class classes[QOS_N_CLASSES]);
int dp_qos_check(const struct dp_act_qos_set *a, struct weir_err *err);

// --- the scheduler of a port (queue.c)

// Make it; nobody sees the port yet. returns 0 or -ENOMEM
int dp_queue_create(struct dp_port *p, uint32_t n_vms);
void dp_queue_destroy(struct dp_port *p);
// Flow queues per VM and class.
uint16_t dp_queue_flows(const struct dp_port *p);
// What the VM may have in all on this link.
struct qos_node_params dp_queue_total(const struct dp_port *p, const struct dp_vm_params *vm);
// Let the kernel find the memory that a VM's queues will use, so that no worker waits for it. main,
// while the owner runs.
void dp_queue_populate(const struct dp_port *p, uint16_t vm_idx);
// Bring the scheduler up to this turn's snapshot, which has the port: what costs little now, VMs
// step by step.
void dp_queue_follow(struct dp_worker *w, struct dp_port *p);
// Join the scheduler, or pass it where no queue stands. Consumes pkts[n].
void dp_queue_push(struct dp_worker *w, struct dp_port *p, struct rte_mbuf **pkts, uint32_t n);
// Frames that are due move to ready[].
void dp_queue_pull(struct dp_worker *w, struct dp_port *p);
// Frames that passed it by, and that the link did not take, join the scheduler after all.
void dp_queue_back(struct dp_worker *w, struct dp_port *p);
// Free everything queued. main, when no worker sees p. returns how many frames
uint32_t dp_queue_free_all(struct dp_port *p);
// Everything queued is dropped for that reason.
void dp_queue_drop_all(struct dp_worker *w, struct dp_port *p, enum dp_drop reason);
static inline void dp_queue_count(struct dp_port *p)
{
	atomic_store_explicit(&p->queued, qos_sched_queued(p->sched) + p->n_ready - p->ready_at,
			      memory_order_relaxed);
}
void dp_ready_add(struct dp_port *p, struct rte_mbuf *m, uint32_t cls, uint32_t size);

uint32_t dp_worker_turn(struct dp_worker *w, uint64_t now_ns, uint32_t now_s);
int dp_worker_main(void *arg);
int dp_large_pool(struct dp_switch *sw, struct weir_err *err);
uint64_t dp_tsc_to_ns(uint64_t tsc);

#endif
