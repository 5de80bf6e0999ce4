// The OpenFlow agent without its channel and without a datapath: messages go in by of_say(),
// answers and asynchronous messages are kept, and a model of dp_of.h (flows in a list, versions by
// the book) stands behind. Four ports: 1, 2, 3 and LOCAL.
#ifndef OF_MODEL_H
#define OF_MODEL_H

#include "of_ops.h"

enum { RIG_PORTS = 4, RIG_CONNS = 2, RIG_FLOWS_MAX = 1000 };

struct of_conn {
	struct of_buf out;	    // messages, one behind the other
	struct of_wire_error error; // the last one
	uint32_t n_errors, n_sent, n_promised;
	uint32_t error_xid;
	uint32_t n_waiting; // what of_conn_waiting says
};

struct rig {
	struct of_agent a;
	struct of_conn conns[RIG_CONNS];
	struct of_conn async;	  // what of_async_send built
	bool down[RIG_PORTS + 1]; // link by index
	bool gone[RIG_PORTS + 1];
	bool other[RIG_PORTS + 1]; // a port of another name has that number
	bool unsettled;		   // workers have not seen the last version
	uint32_t fail_after;	   // of changes of flows: the next one fails; 0 = never
	uint32_t give_ups;	   // of what was staged: some take two calls
	uint32_t n_slices;	   // in which messages went on
};
extern struct rig rig;

void rig_open(void);
void rig_close(void);
// The same, around a test.
int rig_begin(void **state);
int rig_end(void **state);

// What a message began in one turn goes on until it is over; nobody sees a part of it.
void rig_go_on(void);
// A message to the agent, all its turns, and of_publish() behind it. returns whether no error came
// back
bool rig_say(uint32_t conn, struct of_buf *b);
bool rig_error_is(uint32_t conn, uint16_t type, uint16_t code);
#define ERROR_IS(conn, kind, why) rig_error_is(conn, OF13_ERROR_##kind, OF13_##kind##_##why)
// The next message of a connection's output. returns its size; 0 = no more
size_t rig_heard(struct of_conn *c, const uint8_t **msg);
void rig_forget(struct of_conn *c); // all of it

// Frames that met a flow, as the datapath's model counts them.
void rig_met(struct dp_of_flow *f, uint64_t n_pkts, uint64_t n_bytes, uint64_t ns);
// Flows in force in the model, and a sum over what they are and do.
uint32_t rig_flows(void);
uint64_t rig_sum(void);
struct dp_of_flow *rig_find(uint8_t table, uint16_t priority, const struct dp_flow_key *key);
const struct dp_flow_prog *rig_prog(const struct dp_of_flow *f);
uint32_t rig_groups(void);
// Of the last packet-out.
extern uint32_t rig_n_outs;
extern int rig_out_rc;

#endif
