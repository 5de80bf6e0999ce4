// A switch for tests of the tx side: guests that offer frames at a pace, links that take them at
// theirs, policy changed by plans, simulated time.
//
// Ports are named 'A', 'B', ...; the link of port c is eg_link(c), and lives until its port's grace
// period ends. A frame says which link it came from, which flow of it and how many before it, so
// that the link which takes it notices disorder. eg_begin, plans (eg_*_set, eg_commit), eg_run,
// eg_end, which asserts conservation and that all buffers are back.
#ifndef EGRESS_H
#define EGRESS_H

#include "switch_priv.h"

#define US 1000ull
#define MS 1000000ull
#define S 1000000000ull

enum { EG_PORTS = 64, EG_FLOWS = 16, EG_HEAD = 96, EG_UPLINK = 255 };

struct eg_from {
	uint64_t pkts, wire, wait_ns; // wait_ns: longest, in steps of 64 ns
	uint32_t next[EG_FLOWS];      // number expected at least
};

struct eg_link {
	struct rte_mempool *pool;
	uint32_t at;
	// What it hands out, one frame per give_ns while left > 0; 0 = as many as asked for.
	uint64_t left, give_ns, next_ns, given;
	uint32_t size, n_flows;
	uint16_t segsz;
	uint8_t tos, to; // EG_UPLINK, or the link of that number
	bool tagged;
	// What it takes: a ring of that many frames, of which one goes per take_ns; ring 0 = all.
	uint64_t take_ns, free_ns;
	uint32_t ring;
	bool stopped, down;
	// What it took; wire: with headers that a super-frame's further segments repeat.
	uint64_t calls, refused_ns, soonest_ns, taken, wire, reordered, marked, bad_csum, longest;
	struct eg_from from[EG_PORTS];
	uint8_t last[EG_HEAD];
};

extern struct dp_switch *eg_sw;
extern uint64_t eg_now_ns;
extern uint32_t eg_caps, eg_flags; // of all links; flags: of those made from now on
extern uint64_t eg_left;	   // frames that links made from now on hand out
extern uint64_t eg_unordered;	   // bit per link: its frames are of one VM after the other
extern void (*eg_hook)(void);	   // called once when a worker asks whether a link is up

// returns false when DPDK does not start
bool eg_start(void);
void eg_begin(uint32_t n_workers, uint32_t n_mbufs);
void eg_end(void);
struct eg_link *eg_link(char port);

// The next change. A guest sends all of its frames in one class; vm "" = none.
struct dp_port_params eg_guest(char port, const char *vm, enum qos_class cls);
struct dp_port_params eg_uplink(char port, uint64_t rate_bits_per_s);
void eg_port_set(const struct dp_port_params *p);
void eg_port_del(char port);
struct dp_vm_params eg_vm(const char *name);
void eg_vm_set(const struct dp_vm_params *p);
void eg_vm_del(const char *name);
void eg_classes(struct dp_qos_class classes[QOS_N_CLASSES]); // by default
void eg_qos_set(const struct dp_qos_class classes[QOS_N_CLASSES]);
void eg_commit(void);
void eg_prepare_and_abort(void);
void eg_rehearse(void);

// Each worker turns once in each step.
void eg_run(uint64_t for_ns, uint64_t step_ns);
// Offer frames of that size to the uplink, at that many bits/s on the wire; 0 = none any more.
void eg_offer(char port, uint64_t bits_per_s, uint32_t size, uint32_t n_flows);
uint16_t eg_idx(char port);
uint64_t eg_count(char port, enum dp_port_counter c);
uint64_t eg_dropped(char port, enum dp_drop reason);
uint64_t eg_dropped_all(char port);
uint64_t eg_queued(char port);
struct dp_port *eg_port(char port);
uint32_t eg_bufs_free(void);
// What link `to` took of the frames of `from`, on the wire.
uint64_t eg_wire(char to, char from);

#endif
