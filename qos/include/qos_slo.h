// A target for how long a VM's storage takes (p99), and what the switch does about it: it raises
// the VM's shares in class storage, step by step and within bounds, lowers them when they are not
// needed any more, and says so when it cannot help, and who could.
//
// Pure: one step per window, from what was measured in it to the next weight and a sentence.
//
// thread  one at a time
#ifndef QOS_SLO_H
#define QOS_SLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QOS_SLO_MAX_BOOST 16 // times the shares that the configuration gives

enum qos_slo_state {
	QOS_SLO_OFF,
	QOS_SLO_NO_DATA, // too few commands to judge by
	QOS_SLO_MET,
	QOS_SLO_RAISING,
	QOS_SLO_MISSED_PORTAL, // server or network beyond the switch takes longer than the target
	QOS_SLO_MISSED_LINK,   // the switch's queues do, and more shares cannot help
	QOS_SLO_MISSED_GUEST,  // the guest is held by its own limit, or does not take its frames
	QOS_SLO_N_STATES,
};
const char *qos_slo_name(enum qos_slo_state s); // "met", "raising", "missed: portal", ...

// What was measured in one window, for one VM in class storage.
struct qos_slo_input {
	uint64_t n;	 // commands
	uint64_t p99_ns; // as the VM sees it: queues included
	uint64_t mean_ns;
	uint64_t out_ns, in_ns; // of the mean: in queues towards the network, towards the guest
	bool at_limit;		// its own limit held it back
	bool guest_parked;	// frames stand because the guest does not take them
	bool link_busy;		// the uplink had a standing queue
	uint32_t shares;	// as configured, 1..100
};

struct qos_slo {
	uint64_t target_ns;  // 0 = off
	uint32_t boost;	     // in force, 1..QOS_SLO_MAX_BOOST
	uint8_t state;	     // enum qos_slo_state
	uint8_t over, under; // windows in a row
	uint64_t changed_ns;
	uint64_t windows, met, missed;
};

// target_ns 0 = off
void qos_slo_init(struct qos_slo *s, uint64_t target_ns);

// One window. text: a sentence that a person can follow, empty when nothing is new.
// returns  true when boost or state changed
bool qos_slo_step(struct qos_slo *s, const struct qos_slo_input *in, uint64_t now_ns, char *text,
		  size_t text_size);

#endif
