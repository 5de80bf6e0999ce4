// Looking at traffic while it runs: `weir capture` copies frames of a port, `weir trace` follows
// packets hop by hop.
//
// One tap at a time. While none is set a worker pays one predictable branch per burst. The tap
// lives in the snapshot; its records go by value through a bounded ring to main; what finds the
// ring full is counted and told to the user.
#ifndef DP_TAP_H
#define DP_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir_err.h"

#define DP_TAP_RECORD 2048

enum dp_tap_kind { DP_TAP_CAPTURE, DP_TAP_TRACE };

struct dp_tap_record {
	uint64_t ns;
	uint32_t id;	    // trace: number of the packet
	uint32_t wire_size; // bytes of the frame
	uint16_t size;	    // bytes kept in data
	uint16_t port;	    // where it happened
	uint8_t stage;	    // enum dp_stage
	uint8_t drop;	    // enum dp_drop, 0 = goes on
	uint8_t cls;	    // enum qos_class
	bool out;	    // capture: leaving by the port, not entering
	uint16_t vid;
	uint8_t data[DP_TAP_RECORD - 26 - 6];
	uint8_t reserved[6];
};
_Static_assert(sizeof(struct dp_tap_record) == DP_TAP_RECORD, "one ring element");

struct dp_switch;
struct dp_tap;
struct bpf_program; // pcap/bpf.h

// Start a tap on a port. filter may be NULL = every frame; it is verified before it runs.
// returns  0; -EBUSY = another tap runs; -EINVAL = the filter is refused; -ENOMEM. err is filled.
// thread   main
int dp_tap_start(struct dp_switch *sw, enum dp_tap_kind kind, uint16_t port,
		 const struct bpf_program *filter, struct weir_err *err);
void dp_tap_stop(struct dp_switch *sw);

// Take up to n records. thread: main
uint32_t dp_tap_read(struct dp_switch *sw, struct dp_tap_record *out, uint32_t n);
// Records that found the ring full since the tap started.
uint64_t dp_tap_lost(const struct dp_switch *sw);

#endif
