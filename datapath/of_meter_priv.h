// OpenFlow's meters: bands of rates, each with what becomes of what is over it.
//
// A band is a bucket. A frame that finds its price in it keeps to the band's rate and pays. One
// that is longer than the burst, as a super-frame may be, needs a full bucket and owes the rest: it
// passes any burst, and the rate is kept in the long run. Bands are asked from the highest rate
// down; the first one without credit applies, and those below are not asked. What is dropped pays
// nothing.
//
// Lengths are bytes of the Ethernet frame without FCS, preamble and gap, as ports count them; a
// super-frame is as long as it is. A kilobit is 1,000 bits. Without OFPMF_BURST a band's burst is
// what its rate makes in 100 ms. Buckets begin full and are never filled by a change.
//
// Workers do not ask each other: each has a part of every rate, by what it was offered of all that
// the meter was offered, looked at every 10 ms. One worker alone is exact. Bursts are whole with
// each.
//
// Drop precedence is that of assured forwarding (RFC 2597 section 6); other DSCPs stay as they are.
//
// thread: pass on workers; all else on main.
#ifndef OF_METER_PRIV_H
#define OF_METER_PRIV_H

#include "dp_of.h"
#include "of_tally_priv.h"
#include "switch_priv.h"

// Meters by name, for what goes to the controller (OpenFlow 1.3.5 section 7.3.4.4, ofp_meter).
#define DP_OFPM_SLOWPATH 0xfffffffd
#define DP_OFPM_CONTROLLER 0xfffffffe

struct dp_of_meters;
struct dp_of_meter;
struct dp_of_meter_view;

struct dp_of_meters_params {
	uint32_t max_meters, n_workers;
	// Call dp_meters_free(mem) after a grace period; the first 32 bytes of mem are the callee's
	// until then.
	void (*retire)(void *arg, void *mem);
	void *arg;
};

// returns 0 and *out, or -ENOMEM
int dp_meters_create(const struct dp_of_meters_params *p, struct dp_of_meters **out);
// No worker may see it any more; NULL is fine.
void dp_meters_destroy(struct dp_of_meters *ms);
void dp_meters_free(void *mem);

// Make a meter or change it, at once. Its own counters go on; its bands' begin at 0.
//
// flags    enum dp_of_meter_flag
// returns  0; -EINVAL = too many bands, or neither or both of kbit/s and packets/s; -ENOSPC =
//          max_meters are there; -ENOMEM. Nothing has changed on failure
int dp_meters_set(struct dp_of_meters *ms, uint32_t meter, uint32_t flags,
		  const struct dp_of_band *bands, uint32_t n_bands);
void dp_meters_del(struct dp_of_meters *ms, uint32_t meter);
// returns 0 or -ENOENT
int dp_meters_count(const struct dp_of_meters *ms, uint32_t meter, struct dp_of_meter_count *out);

// A frame goes by the meter.
//
// returns  true when it goes on, perhaps with another DSCP; also when there is no such meter
// thread   worker; does not block, allocate or log
bool dp_meters_pass(const struct dp_of_meters *ms, const struct dp_worker *w, uint32_t meter,
		    struct rte_mbuf *m);

#endif
