// The OpenFlow agent: what the messages of controllers mean. Bytes of connections in, bytes out,
// and changes of the datapath (dp_of.h); no sockets, no loop, no clock, so that it is tested and
// fuzzed as it is.
//
//   of_agent_create(&params, &agent, &err);
//   conn = of_conn_open(agent, &conn_params, now);     // the hello is in its output already
//   of_conn_input(conn, bytes, n, now);
//   iov = of_conn_output(conn, &size); ... of_conn_sent(conn, written);
//   of_agent_tick(agent, now);       // when it said, and when dp_of_fd() is readable
//
// One connection is one controller, or a service connection (ovs-ofctl, `weir of`): that one gets
// no asynchronous messages unless it asks for them, and does not count for the fail mode.
//
// A barrier's reply waits until every worker acts on what came before (dp_of_settled), and so does
// that to a bundle's commit; what the same connection says meanwhile waits with it, others go on.
// What a connection reads in one go is one version for the workers, unless a barrier or bundle
// divides it.
//
// Output is bounded: when a controller does not read, packet-ins go first, and are counted; replies
// are never lost: a connection that leaves more of them unread than OF_OUTPUT_MAX is not read from.
// What nobody asked for may go beyond that: at 64 MB of all connections, the one with most ends.
//
// thread: main.
#ifndef OF_AGENT_H
#define OF_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_of.h"
#include "weir_err.h"

struct dp_switch;
struct of_agent;
struct of_conn;

#define OF_OUTPUT_MAX (1u << 20) // bytes of replies that may wait
#define OF_CONNS_MAX 32

enum of_fail_mode {
	OF_FAIL_SECURE,	    // tables as they are, whoever is connected
	OF_FAIL_STANDALONE, // plain L2 before a controller came and after it was lost; the tables
			    // stay
};

struct of_agent_params {
	struct dp_switch *sw;
	struct dp_of *of;
	uint64_t datapath_id;
	uint32_t max_flows, max_groups, max_meters; // of dp_of_params
	uint8_t fail_mode;			    // enum of_fail_mode
	uint32_t loss_s; // without a controller, after which standalone takes over; 0 = none is
			 // configured, so nobody is missed
	char manufacturer[64], hardware[64], software[64], serial[32], description[128];
};

struct of_conn_params {
	char name[64]; // for messages
	bool service;
	bool allow_14;	  // messages of 1.4 for bundles and role-status
	uint32_t probe_s; // silence after which an echo request goes out; 0 = none
};

// What a connection tells about itself, for `show`.
struct of_conn_info {
	bool up;	       // hellos were exchanged
	uint8_t version, role; // role: ofp_controller_role
	uint64_t n_in, n_out, n_errors_sent, n_packet_ins, n_packet_ins_dropped;
	uint32_t n_bundles;  // that it has open
	char last_error[96]; // that either side told the other, or why it ends
};

int of_agent_create(const struct of_agent_params *p, struct of_agent **out, struct weir_err *err);
// Another identity, fail mode and so on; sw, of, max_groups and max_meters are what they were.
// max_flows: what is told; dp_of_set_limits() sets what is taken.
void of_agent_configure(struct of_agent *a, const struct of_agent_params *p);
// The switch has other ports: the next tick looks, instead of within 100 ms.
void of_agent_ports_changed(struct of_agent *a);
// Connections first.
void of_agent_destroy(struct of_agent *a);
// Packet-ins, timeouts, port changes, promises that wait, and what is left of long messages.
// returns when it wants to be called again at the latest (ns of the same clock); UINT64_MAX = when
// something comes
uint64_t of_agent_tick(struct of_agent *a, uint64_t now_ns);

// Packet-outs of all connections that found no room on their way to a worker.
uint64_t of_agent_outs_dropped(const struct of_agent *a);

// Groups and meters that are there.
void of_agent_count(const struct of_agent *a, uint32_t *n_groups, uint32_t *n_meters);
// What becomes of frames now: the fail mode may have taken over.
enum dp_of_mode of_agent_mode(const struct of_agent *a);
// Does a barrier or a commit wait for workers? Then it is worth to call of_agent_tick() again soon.
bool of_agent_is_waiting(const struct of_agent *a);

// returns 0; -ENOSPC = OF_CONNS_MAX are open; -ENOMEM
int of_conn_open(struct of_agent *a, const struct of_conn_params *p, uint64_t now_ns,
		 struct of_conn **out);
void of_conn_close(struct of_conn *c);
// returns how many of the n bytes were taken: less while a barrier, a long answer or its output
// holds it up, and when it had its turn; or -EPROTO: the connection is over, once its output is
// written
int of_conn_input(struct of_conn *c, const uint8_t *bytes, size_t n, uint64_t now_ns);
const uint8_t *of_conn_output(const struct of_conn *c, size_t *size);
void of_conn_sent(struct of_conn *c, size_t size);
// Has it more to say than is in its output? The next of_agent_tick() goes on.
bool of_conn_is_busy(const struct of_conn *c);
// Is it over? Nothing is taken any more; what is in its output may still be written.
bool of_conn_over(const struct of_conn *c);
// Would of_conn_input take something?
bool of_conn_wants_input(const struct of_conn *c);
void of_conn_info(const struct of_conn *c, struct of_conn_info *out);

// The cookie of a rule, for `explain`.
uint64_t of_agent_cookie(const struct dp_of_flow *f);

#endif
