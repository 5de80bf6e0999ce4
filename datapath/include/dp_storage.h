// Storage as workers see it: the hop between classify and forward that follows the flows of
// portals, and what it tells the main thread, by value.
//
// A worker has a table of flows, each one direction of one TCP connection. A frame of a port that
// has nothing to do with storage does not meet it. What is said in a flow (qos_pdu.h) goes to main
// as events; where the ring is full they are counted as lost, and the flow goes on.
//
// A portal that a listed server teaches counts from that frame on: the worker itself enters it
// into the table that all workers read (qos_portals_learn) before the frame goes on. Taking its
// event enters it once more, should the table have been replaced meanwhile. Tables that the caller
// builds have what it was told: as `how` in PORTAL_ADD of a plan that begins with PORTALS_CLEAR
// (which forgets all), or by dp_switch_set_portals.
//
// thread: main, one at a time, except where a function says otherwise.
#ifndef DP_STORAGE_H
#define DP_STORAGE_H

#include "dp_switch.h"
#include "qos_pdu.h"
#include "qos_storage.h"

#define DP_STORAGE_FLOWS 4096  // per worker
#define DP_STORAGE_EVENTS 8192 // per worker, not yet taken
#define DP_STORAGE_TEXT 72

enum dp_storage_kind {
	DP_STORAGE_OPEN,  // a flow is new in the table: `open`
	DP_STORAGE_CLOSE, // FIN or RST was seen, or it was idle: `close`
	DP_STORAGE_PDU,	  // `pdu`, without text
	DP_STORAGE_TEXT_PIECE,
	DP_STORAGE_WAIT,   // a frame with a request or answer stood in a queue: `wait`
	DP_STORAGE_LEARNT, // taught: entered into the table in force, or there already, or it is
			   // full of those: `learnt`. Of no flow
};

struct dp_storage_event {
	uint64_t ns;	// dp_switch_now_ns() of the turn
	uint16_t flow;	// of this worker, 0..DP_STORAGE_FLOWS-1; an OPEN ends what it was before
	uint8_t worker; // whose flow it is; a WAIT may come from another
	uint8_t kind;	// enum dp_storage_kind
	uint8_t way;	// enum qos_way
	uint8_t reserved[3];
	union {
		struct {
			struct qos_conn_key key;
			struct qos_portal_hit hit;
			uint16_t vm_idx; // of the sender
			uint16_t in_port;
		} open;
		struct {
			bool rst, idle;
		} close;
		struct qos_pdu pdu;
		struct {
			uint16_t offset, size;
			bool last;
			uint8_t data[DP_STORAGE_TEXT];
		} text;
		struct {
			uint32_t tag;	  // of one of them
			uint32_t n;	  // requests or answers, 1..63
			uint64_t wait_ns; // each

		} wait;
		struct {
			struct qos_portal portal;
			struct qos_addr teacher;
		} learnt;
	};
};
static_assert(sizeof(struct dp_storage_event) <= 128, "two cache lines");

// What workers have told, oldest first for each worker. returns how many of out[max] were filled
uint32_t dp_switch_storage_events(struct dp_switch *sw, struct dp_storage_event *out, uint32_t max);

struct dp_storage_counts {
	uint32_t flows_now;
	uint64_t opened, refused_full, events_lost, learnt_live;
	uint64_t pkts;	    // that were followed
	uint64_t port_only; // frames of storage of which only the port is known: fragments, IPv6
			    // with extension headers
};
void dp_switch_storage_counts(const struct dp_switch *sw, struct dp_storage_counts *out);

// Follow flows for their times? When not, only what can teach is followed, until it has. At first:
// yes. Learn at all? At first: yes.
void dp_switch_storage_set(struct dp_switch *sw, bool telemetry, bool learning);

// A new table of portals, at once and without a plan: what was learnt has changed. The switch owns
// it. Portals and servers of the configuration come by plan; the caller puts both into one table.
// usage: build all of declared, servers, learnt; dp_switch_set_portals(sw, table)
void dp_switch_set_portals(struct dp_switch *sw, struct qos_portals *table);
// The one in force; good until the next commit or dp_switch_set_portals. NULL before the first.
const struct qos_portals *dp_switch_portals(const struct dp_switch *sw);

// A machine boots: what would be class storage is class boot, and on links its frames in that class
// go by deadline.
//
// deadline_ns  0 = it does not; 1 = it does, without a deadline; else on the clock of
//              dp_switch_now_ns()
void dp_switch_set_boot(struct dp_switch *sw, uint16_t vm_idx, uint64_t deadline_ns);
uint64_t dp_switch_boot(const struct dp_switch *sw, uint16_t vm_idx);

#endif
