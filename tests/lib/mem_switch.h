// A switch between links in memory, driven turn by turn in simulated time.
//
// One switch at a time: mem_ports_make, then mem_turns, then mem_ports_end, which asserts the
// conservation law. Ports are named a, b, ...: 'a' is links[0]; the last one is the uplink.
#ifndef MEM_SWITCH_H
#define MEM_SWITCH_H

#include "switch_priv.h"

#define MS 1000000ull
#define S 1000000000ull

enum { MEM_KEEP = 512, MEM_HEAD = 96, MEM_PORTS = 4, MEM_PUT = 64 };

struct mem_link {
	struct rte_mempool *pool;
	uint16_t n_rxq;
	// What it hands out: frames of this size, as many as are asked for while left > 0.
	uint64_t left, given, polls;
	uint32_t size; // pkt_len
	uint16_t segsz, n_tags, tci;
	uint8_t tos;
	bool v6;
	// Before those: what was put here, in order.
	struct rte_mbuf *put[MEM_PUT];
	uint32_t n_put, n_gone;
	// What it took.
	bool stopped; // takes nothing
	uint64_t taken;
	uint8_t kept[MEM_KEEP][MEM_HEAD];
};

extern struct mem_link *links[MEM_PORTS];
extern struct dp_switch *sw;
extern uint64_t now_ns;
extern struct dp_qos_view qos_view; // with mem_qos_set

// returns false when DPDK does not start
bool mem_start(void);
// A guest in VLAN 20 each, isolated, with flags and VLAN mode; the last is an uplink, a trunk of 20
// and 21.
void mem_ports_make(const char *names, uint32_t n_workers, uint32_t guest_flags, uint8_t mode);
void mem_ports_end(void);
// The policy of a port's VM, in force from now on.
void mem_vm_set(uint32_t port, uint16_t idx, const struct dp_vm_params *p);
// Classes as by default, in qos_view, which may be changed then.
void mem_qos_set(void);
// Each worker turns once in each step.
void mem_turns(uint64_t for_ns, uint64_t step_ns);
// The link hands out this frame, which is its own from now on.
void mem_put(struct mem_link *l, struct rte_mbuf *m);
uint64_t mem_counter(uint32_t port, enum dp_port_counter c);
uint64_t mem_dropped(uint32_t port, enum dp_drop reason);
// The first MEM_HEAD bytes of a frame of l: Ethernet, tags, IPv4 or IPv6, TCP, its number.
// returns how many of them say something
uint32_t mem_head_fill(const struct mem_link *l, uint8_t *p, uint32_t number);

#endif
