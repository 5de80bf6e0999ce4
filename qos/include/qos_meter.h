// Two-rate three-colour markers: RFC 2698 (peak rate) and RFC 4115 (excess rate), colour-blind and
// colour-aware.
//
// A meter says a colour, it drops nothing: green keeps to the committed rate, yellow exceeds it,
// red exceeds both. Lengths are the caller's choice of octets; Weir meters what the wire carries
// (qos_wire_bytes). Rates are exact to the fraction of a byte: time that did not make a whole byte
// is kept.
//
// thread: one owner per meter; time is passed in, a step back is no step.
#ifndef QOS_METER_H
#define QOS_METER_H

#include <stdint.h>

enum qos_colour { QOS_GREEN, QOS_YELLOW, QOS_RED, QOS_N_COLOURS };

enum qos_meter_mode {
	QOS_METER_NONE,
	QOS_METER_RFC4115, // second rate is the excess rate, beside the committed one
	QOS_METER_RFC2698, // second rate is the peak rate, committed traffic included
};

struct qos_meter_params {
	uint8_t mode; // enum qos_meter_mode
	uint8_t colour_aware;
	uint8_t reserved[6];
	uint64_t committed_bits_per_s;
	uint64_t second_bits_per_s; // excess (RFC 4115) or peak (RFC 2698; at least the committed)
	uint32_t committed_burst_bytes, second_burst_bytes; // both > 0
};

#endif
