#include "../unit.h"

#include <errno.h>
#include <stdbool.h>

#include <rte_meter.h>

#include "qos_meter.h"

#define S 1000000000ull
#define YEARS_10 (315576000ull * S)

typedef unsigned __int128 u128;

static uint64_t seed = 1;

static uint64_t draw(uint64_t n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 20) % n;
}

static struct qos_meter_params params(enum qos_meter_mode mode, bool aware, uint64_t committed,
				      uint64_t second)
{
	return (struct qos_meter_params){ .mode = mode,
					  .colour_aware = aware,
					  .committed_bits_per_s = committed,
					  .second_bits_per_s = second,
					  .committed_burst_bytes = 3000,
					  .second_burst_bytes = 5000 };
}

// --- what the RFCs say, case by case

struct step {
	uint64_t at_ns;
	uint32_t bytes;
	enum qos_colour in, out;
};

// 8 Mbit/s is a byte per us.
static const struct {
	const char *what;
	enum qos_meter_mode mode;
	bool aware;
	uint64_t committed, second;
	struct step steps[9];
} cases[] = {
	{ "4115 blind: C, then E, then red; each earns for itself",
	  QOS_METER_RFC4115,
	  false,
	  8000000,
	  16000000,
	  { { 0, 3000, QOS_GREEN, QOS_GREEN },
	    { 0, 3000, QOS_GREEN, QOS_YELLOW },
	    { 0, 2001, QOS_GREEN, QOS_RED },
	    { 0, 2000, QOS_GREEN, QOS_YELLOW },
	    { 500000, 500, QOS_GREEN, QOS_GREEN },
	    { 500000, 1000, QOS_GREEN, QOS_YELLOW },
	    { 500000, 1, QOS_GREEN, QOS_RED } } },
	{ "4115 blind does not look at the colour",
	  QOS_METER_RFC4115,
	  false,
	  8000000,
	  8000000,
	  { { 0, 1000, QOS_RED, QOS_GREEN }, { 0, 1000, QOS_YELLOW, QOS_GREEN } } },
	{ "4115 aware: yellow takes from E only, red from none",
	  QOS_METER_RFC4115,
	  true,
	  8000000,
	  8000000,
	  { { 0, 100, QOS_RED, QOS_RED },
	    { 0, 5000, QOS_YELLOW, QOS_YELLOW },
	    { 0, 1, QOS_YELLOW, QOS_RED },
	    { 0, 3000, QOS_GREEN, QOS_GREEN },
	    { 0, 1, QOS_GREEN, QOS_RED } } },
	{ "4115: a full C gives E nothing",
	  QOS_METER_RFC4115,
	  false,
	  8000000,
	  1000,
	  { { 0, 3000, QOS_GREEN, QOS_GREEN },
	    { 0, 5000, QOS_GREEN, QOS_YELLOW },
	    { 10 * S, 3000, QOS_GREEN, QOS_GREEN },
	    { 10 * S, 1251, QOS_GREEN, QOS_RED },
	    { 10 * S, 1250, QOS_GREEN, QOS_YELLOW } } },
	{ "2698 blind: over P is red and pays nothing, over C is yellow and pays P",
	  QOS_METER_RFC2698,
	  false,
	  8000000,
	  16000000,
	  { { 0, 5001, QOS_GREEN, QOS_RED },
	    { 0, 3001, QOS_GREEN, QOS_YELLOW },
	    { 0, 2000, QOS_GREEN, QOS_RED },
	    { 0, 1999, QOS_GREEN, QOS_GREEN },
	    { 0, 1, QOS_GREEN, QOS_RED },
	    { 100000, 200, QOS_GREEN, QOS_GREEN },
	    { 100000, 1, QOS_GREEN, QOS_RED } } },
	{ "2698 blind: green pays both",
	  QOS_METER_RFC2698,
	  false,
	  8000000,
	  8000000,
	  { { 0, 3000, QOS_RED, QOS_GREEN },
	    { 0, 1, QOS_YELLOW, QOS_YELLOW },
	    { 0, 1999, QOS_GREEN, QOS_YELLOW },
	    { 0, 1, QOS_GREEN, QOS_RED } } },
	{ "2698 aware: yellow stays yellow and C is kept, red stays red and pays nothing",
	  QOS_METER_RFC2698,
	  true,
	  8000000,
	  8000000,
	  { { 0, 1, QOS_RED, QOS_RED },
	    { 0, 2000, QOS_YELLOW, QOS_YELLOW },
	    { 0, 3000, QOS_GREEN, QOS_GREEN },
	    { 0, 1, QOS_YELLOW, QOS_RED },
	    { 0, 1, QOS_GREEN, QOS_RED } } },
	{ "a step back in time is no step",
	  QOS_METER_RFC4115,
	  false,
	  8000000,
	  8000000,
	  { { 0, 3000, QOS_GREEN, QOS_GREEN },
	    { 0, 5000, QOS_GREEN, QOS_YELLOW },
	    { 100000, 101, QOS_GREEN, QOS_RED },
	    { 1000, 101, QOS_GREEN, QOS_RED },
	    { 100000, 101, QOS_GREEN, QOS_RED },
	    { 100000, 100, QOS_GREEN, QOS_GREEN } } },
	{ "a committed rate of 0 has no bucket",
	  QOS_METER_RFC4115,
	  false,
	  0,
	  8000000,
	  { { 0, 1, QOS_GREEN, QOS_YELLOW }, { 0, 5000, QOS_GREEN, QOS_RED } } },
	{ "an excess rate of 0 has none either",
	  QOS_METER_RFC4115,
	  false,
	  8000000,
	  0,
	  { { 0, 3000, QOS_GREEN, QOS_GREEN }, { 0, 1, QOS_GREEN, QOS_RED } } },
};

static void colours_are_those_of_the_rfcs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qos_meter_params p =
			params(cases[i].mode, cases[i].aware, cases[i].committed, cases[i].second);
		struct qos_meter m;

		assert_int_equal(qos_meter_init(&m, &p, 7 * S), 0);
		for (size_t k = 0; cases[i].steps[k].bytes != 0; k++) {
			const struct step *s = &cases[i].steps[k];
			enum qos_colour out =
				qos_meter_colour(&m, s->bytes, 7 * S + s->at_ns, s->in);

			if (out != s->out)
				fail_msg("%s: step %zu: colour %u, not %u", cases[i].what, k, out,
					 s->out);
		}
	}
}

static void a_meter_of_mode_none_is_green(void **state)
{
	struct qos_meter_params p = { .mode = QOS_METER_NONE };
	struct qos_meter m;

	(void)state;
	assert_int_equal(qos_meter_init(&m, &p, S), 0);
	assert_int_equal(qos_meter_colour(&m, 1u << 30, S, QOS_RED), QOS_GREEN);
}

static void nonsense_is_refused(void **state)
{
	const struct qos_meter_params good = params(QOS_METER_RFC2698, false, 1000, 1000);
	struct qos_meter_params p[7];
	const int want[7] = { -EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, -ERANGE, -ERANGE };
	struct qos_meter m, was;

	(void)state;
	for (uint32_t i = 0; i < 7; i++)
		p[i] = good;
	p[0].mode = 3;
	p[1].committed_bits_per_s = p[1].second_bits_per_s = 0;
	p[2].committed_bits_per_s = 1001;
	p[3].committed_burst_bytes = 0;
	p[4].second_burst_bytes = 0;
	p[5].committed_bits_per_s = 999;
	p[6].second_bits_per_s = QOS_METER_MAX_BITS_PER_S + 1;
	assert_int_equal(qos_meter_init(&m, &good, S), 0);
	was = m;
	for (uint32_t i = 0; i < 7; i++) {
		assert_int_equal(qos_meter_check(&p[i]), want[i]);
		assert_int_equal(qos_meter_set(&m, &p[i], 2 * S), want[i]);
		assert_memory_equal(&m, &was, sizeof(m));
	}
	assert_int_equal(qos_meter_init(&m, &p[0], S), -EINVAL);
	assert_int_equal(m.mode, QOS_METER_NONE);
}

static void a_burst_without_end_is_a_gibibyte(void **state)
{
	struct qos_meter_params p = params(QOS_METER_RFC4115, false, S, 0);
	struct qos_meter m;

	(void)state;
	p.committed_burst_bytes = UINT32_MAX;
	p.second_burst_bytes = 0; // beside no rate
	assert_int_equal(qos_meter_init(&m, &p, 0), 0);
	assert_int_equal(qos_meter_colour(&m, 1u << 30, 0, QOS_GREEN), QOS_GREEN);
	assert_int_equal(qos_meter_colour(&m, 1, 0, QOS_GREEN), QOS_RED);
}

// --- rates

// 1 kbit/s .. 1 Tbit/s, each decade alike, seldom a round number.
static uint64_t draw_rate(void)
{
	uint64_t r = 1000;

	for (uint64_t decade = draw(9); decade > 0; decade--)
		r *= 10;
	return r + draw(9 * r + 1);
}

// What a bucket that never overflows has given is what it was given: to the bit, over ten years.
static void no_rate_drifts_in_ten_years(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 60; round++) {
		struct qos_meter_params p = params(QOS_METER_RFC4115, false, draw_rate(), 0);
		u128 earned, given = 0;
		uint64_t now = S;
		uint32_t bytes;
		struct qos_meter m;

		p.committed_burst_bytes = QOS_METER_MAX_BURST_BYTES;
		assert_int_equal(qos_meter_init(&m, &p, now), 0);
		bytes = QOS_METER_MAX_BURST_BYTES;
		assert_int_equal(qos_meter_colour(&m, bytes, now, QOS_GREEN), QOS_GREEN);
		given = bytes;
		// Steps that earn less than half the bucket, at odd times; more than half is taken.
		uint64_t step = (1ull << 62) / p.committed_bits_per_s;

		if (step > YEARS_10 / 1000)
			step = YEARS_10 / 1000;
		for (uint32_t i = 0; i < 20000 && now < YEARS_10; i++) {
			now += 1 + draw(step);
			qos_meter_advance(&m, now);
			bytes = (uint32_t)(m.committed.credit / QOS_METER_BYTE);
			if (bytes == 0)
				continue;
			bytes = 1 + (uint32_t)draw(bytes) / 2 + bytes / 2;
			assert_int_equal(qos_meter_colour(&m, bytes, now, QOS_GREEN), QOS_GREEN);
			given += bytes;
		}
		earned = (u128)(now - S) * p.committed_bits_per_s +
			 (u128)QOS_METER_MAX_BURST_BYTES * QOS_METER_BYTE;
		assert_true(earned == given * QOS_METER_BYTE + m.committed.credit);
	}
}

// Green bytes of each window of a trace keep to rate x time + burst, and a sender that always has
// packets gets the rate.
static void every_window_keeps_to_rate_and_burst(void **state)
{
	enum { N = 600 };
	static uint64_t at[N], sum[N + 1];

	(void)state;
	for (uint32_t round = 0; round < 40; round++) {
		struct qos_meter_params p = params(
			round % 2 ? QOS_METER_RFC2698 : QOS_METER_RFC4115, false, draw_rate(), 0);
		uint64_t rate = p.committed_bits_per_s, now = draw(1000 * S);
		struct qos_meter m;

		p.second_bits_per_s = QOS_METER_MAX_BITS_PER_S;
		p.second_burst_bytes = QOS_METER_MAX_BURST_BYTES;
		p.committed_burst_bytes = 1538 + (uint32_t)draw(100000);
		assert_int_equal(qos_meter_init(&m, &p, now), 0);
		for (uint32_t i = 0; i < N; i++) {
			uint32_t bytes = 84 + (uint32_t)draw(1455);
			uint64_t gap = bytes * QOS_METER_BYTE / rate;

			// Half the gap that keeps to the rate; now and then a rest.
			now += draw(gap + 1) + (draw(100) == 0 ? draw(1000 * gap + 1) : 0);
			at[i] = now;
			sum[i + 1] = sum[i];
			if (qos_meter_colour(&m, bytes, now, QOS_GREEN) == QOS_GREEN)
				sum[i + 1] += bytes;
		}
		for (uint32_t i = 0; i < N; i++) {
			for (uint32_t k = i; k < N; k++)
				assert_true((u128)(sum[k + 1] - sum[i]) * QOS_METER_BYTE <=
					    (u128)(at[k] - at[i]) * rate +
						    p.committed_burst_bytes * QOS_METER_BYTE);
		}
	}
}

static void a_sender_that_always_has_packets_gets_the_rate(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 40; round++) {
		struct qos_meter_params p = params(QOS_METER_RFC4115, false, draw_rate(), 0);
		uint64_t step = 1538 * QOS_METER_BYTE / p.committed_bits_per_s, now = S, sent = 0;
		struct qos_meter m;

		p.committed_burst_bytes = 2 * 1538 + (uint32_t)draw(100000);
		assert_int_equal(qos_meter_init(&m, &p, now), 0);
		for (uint32_t i = 0; i < 10000; i++, now += step) {
			while (qos_meter_colour(&m, 1538, now, QOS_GREEN) == QOS_GREEN)
				sent += 1538;
		}
		now -= step;
		assert_true(m.committed.credit < 1538 * QOS_METER_BYTE);
		assert_true(sent * (u128)QOS_METER_BYTE + m.committed.credit ==
			    (u128)(now - S) * p.committed_bits_per_s +
				    p.committed_burst_bytes * QOS_METER_BYTE);
	}
}

static void ten_idle_years_earn_one_bucket(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 200; round++) {
		struct qos_meter_params p =
			params(QOS_METER_RFC4115, false, draw_rate(), draw_rate());
		struct qos_meter m;

		assert_int_equal(qos_meter_init(&m, &p, 0), 0);
		for (uint32_t i = 1; i < 3; i++) {
			uint64_t now = i * YEARS_10;

			assert_int_equal(qos_meter_colour(&m, 3000, now, QOS_GREEN), QOS_GREEN);
			assert_int_equal(qos_meter_colour(&m, 5000, now, QOS_GREEN), QOS_YELLOW);
			assert_int_equal(qos_meter_colour(&m, 1, now, QOS_GREEN), QOS_RED);
		}
	}
}

static void a_change_of_rate_earns_nothing(void **state)
{
	struct qos_meter_params p = params(QOS_METER_RFC4115, false, 8000000, 8000000);
	struct qos_meter m;

	(void)state;
	assert_int_equal(qos_meter_init(&m, &p, 0), 0);
	assert_int_equal(qos_meter_colour(&m, 3000, 0, QOS_GREEN), QOS_GREEN);
	assert_int_equal(qos_meter_colour(&m, 5000, 0, QOS_GREEN), QOS_YELLOW);
	// 100 us at a byte per us, then ever other rates, bursts and modes at that moment.
	for (uint32_t i = 0; i < 1000; i++) {
		p.committed_bits_per_s = 1000 + draw(QOS_METER_MAX_BITS_PER_S - 1000);
		p.second_bits_per_s = QOS_METER_MAX_BITS_PER_S;
		p.committed_burst_bytes = 100 + (uint32_t)draw(1000000);
		p.second_burst_bytes = 100 + (uint32_t)draw(1000000);
		p.mode = i % 2 ? QOS_METER_RFC2698 : QOS_METER_RFC4115;
		p.colour_aware = i % 3 == 0;
		assert_int_equal(qos_meter_set(&m, &p, 100000), 0);
	}
	assert_int_equal(m.committed.credit, 100 * QOS_METER_BYTE);
	assert_int_equal(m.second.credit, 100 * QOS_METER_BYTE);
	// A smaller burst takes what does not fit.
	p.committed_burst_bytes = 40;
	assert_int_equal(qos_meter_set(&m, &p, 100000), 0);
	assert_int_equal(m.committed.credit, 40 * QOS_METER_BYTE);
}

// --- beside DPDK's meter

// Profiles by hand, in ns: rte_meter's own set-up rounds the period to TSC cycles. Times are
// multiples of its periods, so that both have earned the same.
enum { PERIOD_C = 64, PERIOD_2 = 32 };

static void colours_are_those_of_rte_meter(void **state)
{
	const enum rte_color to_rte[] = { RTE_COLOR_GREEN, RTE_COLOR_YELLOW, RTE_COLOR_RED };
	uint32_t seen[2][2][QOS_N_COLOURS] = { 0 };

	(void)state;
	for (uint32_t round = 0; round < 400; round++) {
		bool aware = round % 2, rfc4115 = round / 2 % 2;
		uint64_t c = 1 + draw(100), second = 1 + draw(200), now = S;
		struct qos_meter_params p =
			params(rfc4115 ? QOS_METER_RFC4115 : QOS_METER_RFC2698, aware,
			       c * 8 * S / PERIOD_C, (second + c) * 8 * S / PERIOD_2);
		struct rte_meter_trtcm_rfc4115_profile p4 = { 3000, 3000,     PERIOD_C,
							      c,    PERIOD_2, second + c };
		struct rte_meter_trtcm_rfc4115 m4 = { now, now, 3000, 0 };
		struct rte_meter_trtcm_profile p2 = { 3000, 0, PERIOD_C, c, PERIOD_2, second + c };
		struct rte_meter_trtcm m2 = { now, now, 3000, 0 };
		struct qos_meter m;

		p.committed_burst_bytes = 2000 + (uint32_t)draw(100000);
		p.second_burst_bytes = 2000 + (uint32_t)draw(100000);
		p4.cbs = p2.cbs = m4.tc = m2.tc = p.committed_burst_bytes;
		p4.ebs = p2.pbs = m4.te = m2.tp = p.second_burst_bytes;
		assert_int_equal(qos_meter_init(&m, &p, now), 0);
		for (uint32_t i = 0; i < 5000; i++) {
			uint32_t bytes = 84 + (uint32_t)draw(1455);
			enum qos_colour in = (enum qos_colour)draw(3), out;
			enum rte_color want;

			// By turns too little, about enough and too much.
			now += PERIOD_C * (draw(2 * 1500 / (second + 2 * c) + 2) >> (i / 64 % 4));
			out = qos_meter_colour(&m, bytes, now, in);
			if (rfc4115)
				want = aware ? rte_meter_trtcm_rfc4115_color_aware_check(
						       &m4, &p4, now, bytes, to_rte[in])
					     : rte_meter_trtcm_rfc4115_color_blind_check(
						       &m4, &p4, now, bytes);
			else
				want = aware ? rte_meter_trtcm_color_aware_check(&m2, &p2, now,
										 bytes, to_rte[in])
					     : rte_meter_trtcm_color_blind_check(&m2, &p2, now,
										 bytes);
			assert_int_equal(to_rte[out], want);
			seen[rfc4115][aware][out]++;
		}
	}
	for (uint32_t i = 0; i < 12; i++)
		assert_true(seen[i / 6][i / 3 % 2][i % 3] > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(colours_are_those_of_the_rfcs),
		cmocka_unit_test(a_meter_of_mode_none_is_green),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(a_burst_without_end_is_a_gibibyte),
		cmocka_unit_test(no_rate_drifts_in_ten_years),
		cmocka_unit_test(every_window_keeps_to_rate_and_burst),
		cmocka_unit_test(a_sender_that_always_has_packets_gets_the_rate),
		cmocka_unit_test(ten_idle_years_earn_one_bucket),
		cmocka_unit_test(a_change_of_rate_earns_nothing),
		cmocka_unit_test(colours_are_those_of_rte_meter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
