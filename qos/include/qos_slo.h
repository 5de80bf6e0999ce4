// A target for how long a VM's storage takes (p99), and what the switch does about it: it raises
// the VM's shares in class storage, step by step and within bounds, lowers them when they are not
// needed any more, and says so when it cannot help, and who could.
//
// The law. A window with too few commands says nothing. One whose p99 is above the target has one
// cause, the first of these that holds:
//
//   guest   its own limit held it back, or it does not take its frames
//   portal  the mean time beyond the switch (mean - out - in) is above the target by itself, or is
//           more than 4/5 of the mean: then it explains the p99 too
//   link    requests stood in the switch's queues, and the uplink had a standing queue: shares help
//   guest   answers stood in the switch longer than requests: they wait for the guest
//   link    what is left: queues, but on a link that is not busy; shares do not help
//
// Three windows in a row above the target, the last two with one cause, and the cause acts; one
// that was said already gives way only to another that six windows in a row have. Cause link raises
// shares by half (1, 2, 3, 5, 8, 12, 16 times) while that helps and is allowed, at most once per
// three windows; the others are only said. Three windows in a row within the target, and it is met.
//
// Shares are lowered by a quarter after `hold` windows in a row in which they were of no use: p99
// below 70 % of the target, or missed for a cause that shares do not change. Between 70 % and 100 %
// nothing changes. hold is 10 at first; a raise soon after a lowering doubles it, up to 320; the
// third lowering in a row and each further one halves it. So a level that is just not enough is
// tried more and more seldom. After 60 windows in a row with too few commands shares go down a
// step, and each ten windows another; before that nothing changes.
//
// Shares never exceed 100, nor 16 times those configured.
//
// What cannot be seen: means of queues are known, not their tails. A p99 that comes from rare waits
// in the switch, less than a fifth of the mean, is held to be the portal's.
//
// Pure: one step per window, from what was measured in it to the next weight and a sentence.
//
// usage   qos_slo_init(&s, target_ns); once per window (seconds):
//         if (qos_slo_step(&s, &in, now_ns, text, sizeof(text))) log text;
//         the VM's shares in class storage are in.shares * s.boost
// thread  one at a time
#ifndef QOS_SLO_H
#define QOS_SLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QOS_SLO_MAX_BOOST 16 // times the shares that the configuration gives
#define QOS_SLO_MAX_SHARES 100
#define QOS_SLO_MIN_CMDS 30	      // in a window, to judge by
#define QOS_SLO_HUNG_NS 1000000000ull // waiting_ns from here on speaks where commands are too few
#define QOS_SLO_TEXT 512	      // is enough for every sentence

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
	uint64_t waiting_ns;	// how long the oldest command that has no answer waits; 0 = none
	bool at_limit;		// its own limit held it back
	bool guest_parked;	// frames stand because the guest does not take them
	bool link_busy;		// the uplink had a standing queue
	uint32_t shares;	// as configured, 1..100
};

struct qos_slo {
	uint64_t target_ns;	       // 0 = off
	uint32_t boost;		       // in force, 1..QOS_SLO_MAX_BOOST
	uint8_t state;		       // enum qos_slo_state
	uint8_t cause;		       // of the last window that missed
	uint8_t same;		       // windows in a row with that cause
	uint8_t lowers;		       // in a row
	uint16_t over, ok, under;      // windows in a row: missed, met, shares of no use
	uint16_t hold, quiet;	       // windows: until shares are lowered; in a row without data
	uint64_t lowered_at;	       // in windows
	uint64_t changed_ns;	       // state or boost
	uint64_t windows, met, missed; // with data
};

// target_ns 0 = off
void qos_slo_init(struct qos_slo *s, uint64_t target_ns);
// A new target: boost and counts stay, the judgement begins anew. 0 is as qos_slo_init.
void qos_slo_set(struct qos_slo *s, uint64_t target_ns);

// One window. text: a sentence that a person can follow, empty when nothing is new.
// returns  true when boost or state changed
bool qos_slo_step(struct qos_slo *s, const struct qos_slo_input *in, uint64_t now_ns, char *text,
		  size_t text_size);

#endif
