// Two-rate three-colour markers: RFC 2698 (peak rate) and RFC 4115 (excess rate), colour-blind and
// colour-aware.
//
// A meter says a colour, it drops nothing: green keeps to the committed rate, yellow exceeds it,
// red exceeds both. Lengths are the caller's choice of octets; Weir meters what the wire carries
// (qos_wire_bytes). A frame that fits its bucket exactly conforms.
//
// Arithmetic is exact, so no rate drifts and none is rounded: credit counts bit/s times ns, 8e9 of
// it to the byte. Time earns ns x rate, a frame costs bytes x 8e9, both whole numbers. A bucket of
// 1 GiB, the most there is, holds less than 2^63; what time earns is summed in 128 bits and capped.
//
// Departures: a rate of 0 (at most one of the two) has an empty bucket, not a full one that never
// fills again. Buckets begin full, as both RFCs say, and never after that: a change of rate or
// burst keeps the bytes that are in them.
//
// thread: one owner per meter; time is passed in, a step back is no step.
//
// usage: if (qos_meter_init(&m, &params, now) < 0) ...; switch (qos_meter_colour(&m, n, now, in))
#ifndef QOS_METER_H
#define QOS_METER_H

#include <assert.h>
#include <stdint.h>

#define QOS_METER_MIN_BITS_PER_S 1000ull
#define QOS_METER_MAX_BITS_PER_S 1000000000000ull
#define QOS_METER_MAX_BURST_BYTES (1u << 30)
#define QOS_METER_BYTE 8000000000ull // credit
static_assert(QOS_METER_MAX_BURST_BYTES * QOS_METER_BYTE < 1ull << 63, "credit fits");

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
	// More than 0 beside a rate; more than QOS_METER_MAX_BURST_BYTES is that much.
	uint32_t committed_burst_bytes, second_burst_bytes;
};

struct qos_meter_bucket {
	uint64_t credit; // <= cap
	uint64_t cap;
	uint64_t bits_per_s;
};

struct qos_meter {
	uint64_t at_ns; // credit was earned up to here
	struct qos_meter_bucket committed, second;
	uint8_t mode; // enum qos_meter_mode
	uint8_t colour_aware;
	uint8_t reserved[6];
};
static_assert(sizeof(struct qos_meter) == 64, "one cache line");

// Are these the parameters of a meter?
//
// returns  0; -EINVAL for an unknown mode, both rates 0, a burst of 0, or a peak rate below the
//          committed one; -ERANGE for a rate out of bounds. Mode none is always right.
int qos_meter_check(const struct qos_meter_params *p);

// Make a meter with full buckets. returns as qos_meter_check; on failure m has mode none.
int qos_meter_init(struct qos_meter *m, const struct qos_meter_params *p, uint64_t now_ns);

// Change mode, rates or bursts. What was earned stays, capped to the new bursts: no burst. A meter
// that had mode none begins anew. returns as qos_meter_check; on failure m is unchanged.
int qos_meter_set(struct qos_meter *m, const struct qos_meter_params *p, uint64_t now_ns);

static inline void qos_meter_earn(struct qos_meter_bucket *b, uint64_t ns)
{
	unsigned __int128 sum = (unsigned __int128)ns * b->bits_per_s + b->credit;

	b->credit = sum > b->cap ? b->cap : (uint64_t)sum;
}

static inline void qos_meter_advance(struct qos_meter *m, uint64_t now_ns)
{
	uint64_t ns = now_ns - m->at_ns;

	if ((int64_t)ns <= 0)
		return;
	m->at_ns = now_ns;
	qos_meter_earn(&m->committed, ns);
	qos_meter_earn(&m->second, ns);
}

// The colour of one frame, which is paid for by it.
//
// bytes    of the frame, at most QOS_METER_MAX_BURST_BYTES
// colour   that it came with; taken for green by a colour-blind meter
// returns  the colour it has now, never a better one; QOS_GREEN in mode none
// thread   the meter's one owner; does not block, allocate or log
// source   RFC 2698 section 3, RFC 4115 section 3
static inline enum qos_colour qos_meter_colour(struct qos_meter *m, uint32_t bytes, uint64_t now_ns,
					       enum qos_colour colour)
{
	uint64_t cost = bytes * QOS_METER_BYTE;

	if (m->mode == QOS_METER_NONE)
		return QOS_GREEN;
	qos_meter_advance(m, now_ns);
	if (!m->colour_aware)
		colour = QOS_GREEN;
	if (m->mode == QOS_METER_RFC4115) {
		if (colour == QOS_GREEN && m->committed.credit >= cost) {
			m->committed.credit -= cost;
			return QOS_GREEN;
		}
		if (colour == QOS_RED || m->second.credit < cost)
			return QOS_RED;
		m->second.credit -= cost;
		return QOS_YELLOW;
	}
	if (colour == QOS_RED || m->second.credit < cost)
		return QOS_RED;
	m->second.credit -= cost;
	if (colour == QOS_YELLOW || m->committed.credit < cost)
		return QOS_YELLOW;
	m->committed.credit -= cost;
	return QOS_GREEN;
}

#endif
