// Inside of the agent: who calls whom between of_conn.c (the channel: framing, hello, echo, roles,
// asynchronous messages, barrier, output) and the files that know what messages do.
#ifndef AGENT_PRIV_H
#define AGENT_PRIV_H

#include "of13.h"
#include "of_agent.h"

struct of_tables; // of_flow.c: flows as the agent knows them
struct of_groups; // of_group.c, also meters
struct of_ports;  // of_port.c

struct of_bundles; // of_bundle.c
struct of_stats;   // of_stats.c: answers of several parts

// Records by number, in order of their numbers (of_map.c).
struct of_map {
	void **at; // each begins with its uint32_t number
	uint32_t n, cap;
};

// What is done or undone together (of_journal.c).
struct of_journal {
	struct of_change *at;
	uint32_t n, cap;
	uint32_t n_settled; // of those that stay
	bool is_undoing;
};

// The message at hand, or the bundle, with all that it changes (of_journal.c).
struct of_txn {
	bool is_open;		  // it goes on with the next tick
	bool midway;		  // it stands within the message at `at`, which is handed in again
	bool ending;		  // all is done, or one failed
	bool has_ports, at_ports; // port-mods: some come, and are what is done now
	int rc;
	struct of_wire_error e; // why
	const uint8_t *msgs;	// one or several
	size_t size, at;
	// While it is open.
	struct of_conn *c; // who asked; NULL = it has gone
	uint8_t *msg;	   // what it asked for
	size_t msg_size;
	// Who had to be held since all others had their turn: those wait for them.
	const struct of_conn *had[OF_CONNS_MAX];
	uint32_t n_had;
};

struct of_agent {
	struct of_agent_params p;
	struct of_conn *conns[OF_CONNS_MAX];
	struct of_tables *tables;
	struct of_groups *groups;
	struct of_ports *ports;
	struct of_bundles *bundles;
	struct of_stats *stats;
	struct of_map meters;
	struct of_journal journal;
	struct of_txn txn;
	uint16_t miss_send_len;
	uint64_t n_outs_dropped; // packet-outs that found no room
	size_t n_bytes;		 // that controllers wrote: of_bytes_take()
	uint64_t work;		 // done for messages, in enum of_work
	uint64_t slice_end;	 // of work: what is left waits for the next turn
	uint32_t slice;		 // of work in one turn; 0 = the usual one
	uint64_t now_ns;
	uint64_t published; // version that the last publish made
	bool staged;	    // changes wait for a publish
	bool at_once;	    // and what needs none, as packet-outs: of_conn_promise()
	bool has_generation;
	uint64_t generation_id; // of roles
	bool tables_on;		// DP_OF_TABLES
	bool had_controller;
	uint64_t lost_ns; // when the last controller was there
};

// --- of_conn.c: for those who answer

// Append a whole message, as a *_put() built it. Consumes nothing; b->failed closes the connection.
void of_conn_send(struct of_conn *c, const struct of_buf *b);
// A reply that promises that all of before is done: it leaves when every worker acts on that, and
// what the connection says next waits with it. Takes b's memory.
void of_conn_promise(struct of_conn *c, struct of_buf *b);
// Bytes of its replies that wait: who has much to say goes on when it is little.
size_t of_conn_waiting(const struct of_conn *c);
// Version of the connection's messages: 4 or 5.
uint8_t of_conn_version(const struct of_conn *c);
bool of_conn_is_slave(const struct of_conn *c);
// An error with at least 64 bytes of the message that it is about. Under 1.3 BUNDLE_FAILED is ONF's
// experimenter's: type 0xffff, code + 2300.
void of_conn_error(struct of_conn *c, const uint8_t *msg, size_t size, struct of_wire_error e);

// Who gets an asynchronous message: the masks of set-async and the role decide.
enum of_async { OF_ASYNC_PACKET_IN, OF_ASYNC_PORT_STATUS, OF_ASYNC_FLOW_REMOVED };
// Writes the message for one receiver, which may speak another version than the next.
typedef void of_async_build(struct of_buf *b, uint8_t version, uint32_t xid, void *arg);
// reason: of the message. arg: build()'s.
void of_async_send(struct of_agent *a, enum of_async kind, uint8_t reason, of_async_build *build,
		   void *arg);
// A packet-in, which may be dropped where it does not fit; fair between ports it came from.
void of_async_packet_in(struct of_agent *a, const struct dp_of_packet_in *p);

// --- of_packet.c: the message of a packet-in, for one receiver

void of_packet_in_build(struct of_buf *b, const struct dp_of_packet_in *p, uint8_t version,
			uint32_t xid);

// --- of_msg.c: everything but hello, echo, roles, async, barrier and error. The version was
// checked, the length is the message's, and a slave writes nothing. Answers by of_conn_send() and
// of_conn_error(). Changes are staged (a->staged) and published by of_publish().

// a->tables, groups, ports. returns 0, or -ENOMEM with nothing made
int of_msg_create(struct of_agent *a);
void of_msg_destroy(struct of_agent *a);
void of_msg_handle(struct of_agent *a, struct of_conn *c, const uint8_t *msg, size_t size);
// What is staged is in force.
void of_publish(struct of_agent *a);
// Does an answer of several parts still go out? Then what comes next on the connection waits: its
// answers are in order, and a barrier's comes last. So does everybody's while a change is made in
// several turns.
bool of_msg_busy(const struct of_agent *a, const struct of_conn *c);
// Is it for others that the connection waits?
bool of_msg_held(const struct of_agent *a, const struct of_conn *c);
// How many bundles a connection has open.
uint32_t of_bundle_count(const struct of_agent *a, const struct of_conn *c);
// The connection ends: its bundles and what is left of its answers are given up.
void of_msg_forget(struct of_agent *a, struct of_conn *c);
// Timeouts, flow-removed, counters of ended flows, port-status.
uint64_t of_msg_tick(struct of_agent *a, uint64_t now_ns);

#endif
