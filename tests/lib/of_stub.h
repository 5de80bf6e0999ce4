// What stands behind the agent's channel in its tests: no tables, but a note of each message that
// came so far, versions that settle when a test says so, and packet-ins that it puts there.
#ifndef OF_STUB_H
#define OF_STUB_H

#include "agent_priv.h"

struct dp_of {
	uint64_t version, settled; // published; what workers act on
	bool auto_settle;
	enum dp_of_mode mode;
	int mode_rc; // of dp_of_set_mode()
	uint32_t n_pins;
	struct dp_of_packet_in pins[64];
};

struct of_stub {
	uint32_t n_msgs; // that came to of_msg_handle()
	uint8_t last_type;
	uint32_t n_forgets;
	uint32_t sum;	   // of their bytes
	bool busy;	   // an answer of several parts still goes out
	uint32_t n_work;   // of each message, in enum of_work
	bool held;	   // by what others do
	size_t reply_size; // bytes that each multipart request is answered with; 0 = none
};
extern struct of_stub of_stub;

void of_stub_reset(void);

#endif
