// Meters in simulated time.
#include "../unit.h"

#include <errno.h>

#include "of_frame.h"
#include "of_meter_priv.h"

enum { RETIRED_MAX = 4096 };

#define S_NS 1000000000ull

static struct dp_of_meters *ms;
static struct dp_worker *w;
static void *retired[RETIRED_MAX];
static uint32_t n_retired;

static void retire(void *arg, void *mem)
{
	(void)arg;
	assert_true(n_retired < RETIRED_MAX);
	retired[n_retired++] = mem;
}

static void start(uint32_t n_workers)
{
	const struct dp_of_meters_params p = { .max_meters = 4,
					       .n_workers = n_workers,
					       .retire = retire };

	w = aligned_alloc(64, DP_MAX_WORKERS * sizeof(*w));
	memset(w, 0, DP_MAX_WORKERS * sizeof(*w));
	for (uint32_t i = 0; i < DP_MAX_WORKERS; i++) {
		w[i].id = i;
		w[i].now_ns = 5 * S_NS;
	}
	assert_int_equal(dp_meters_create(&p, &ms), 0);
}

static void end(void)
{
	while (n_retired > 0)
		dp_meters_free(retired[--n_retired]);
	dp_meters_destroy(ms);
	free(w);
}

static void meter_set(uint32_t flags, const struct dp_of_band *bands, uint32_t n)
{
	assert_int_equal(dp_meters_set(ms, 1, flags, bands, n), 0);
}

static bool offer(uint32_t worker, uint64_t now_ns, uint32_t size)
{
	// The metadata stand behind the mbuf.
	static struct {
		struct rte_mbuf m;
		struct dp_meta meta;
	} f;

	f.m.pkt_len = size;
	w[worker].now_ns = now_ns;
	return dp_meters_pass(ms, &w[worker], 1, &f.m);
}

// Frames of that size for so long at that rate of bit/s, or packets/s. returns bytes, or packets,
// that passed
static uint64_t offer_for(uint32_t size, double per_s, bool by_pkts, uint64_t for_ns)
{
	uint64_t begin = w[0].now_ns, passed = 0, n = 0;
	double gap_ns = by_pkts ? 1e9 / per_s : size * 8e9 / per_s;

	for (; n * gap_ns < for_ns; n++)
		if (offer(0, begin + (uint64_t)(n * gap_ns), size))
			passed += by_pkts ? 1 : size;
	w[0].now_ns = begin + for_ns;
	return passed;
}

static void assert_about(double is, double want, double part)
{
	if (is < want * (1 - part) || is > want * (1 + part))
		fail_msg("%.0f, not %.0f within %.1f %%", is, want, part * 100);
}

static void rates_are_kept_from_64_to_1518_bytes(void **state)
{
	static const uint32_t sizes[] = { 64, 128, 512, 1024, 1514, 1518, 9000 };
	static const uint32_t rates[] = { 100, 1000, 50000, 1000000 }; // kbit/s

	(void)state;
	for (uint32_t i = 0; i < RTE_DIM(sizes) * RTE_DIM(rates); i++) {
		uint32_t kbps = rates[i % RTE_DIM(rates)], size = sizes[i / RTE_DIM(rates)];
		const struct dp_of_band b = { .rate = kbps, .burst = 100 };
		// At least 1,000 frames.
		uint64_t for_ns = 1000ull * size * 8 * S_NS / (kbps * 1000ull);

		start(1);
		meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
		// The burst goes first.
		offer_for(size, kbps * 3000., false, for_ns / 4);
		assert_about((double)offer_for(size, kbps * 3000., false, for_ns),
			     kbps * 125. * (double)for_ns / 1e9, 0.002);
		// Under the rate nothing is lost.
		offer_for(size, kbps * 990., false, for_ns / 4);
		assert_about((double)offer_for(size, kbps * 990., false, for_ns),
			     kbps * 125. * .99 * (double)for_ns / 1e9, 0.002);
		end();
	}
}

static void packets_are_counted_as_packets(void **state)
{
	const struct dp_of_band b = { .rate = 1000, .burst = 10 };

	(void)state;
	start(1);
	meter_set(DP_OF_PKTPS | DP_OF_BURST, &b, 1);
	assert_int_equal(offer_for(60, 1e12, true, 1), 10); // the burst, whole
	assert_about((double)offer_for(1500, 3000, true, 5 * S_NS), 5000, 0.002);
	assert_about((double)offer_for(60000, 3000, true, 5 * S_NS), 5000, 0.002);
	end();
}

// Without the flag, 100 ms of the rate.
static void a_burst_is_what_is_said_or_a_tenth_of_a_second(void **state)
{
	const struct dp_of_band b = { .rate = 8000, .burst = 80 }; // 1 MB/s; 10 kB

	(void)state;
	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	assert_int_equal(offer_for(1000, 1e17, false, 1), 10000);
	dp_meters_del(ms, 1);
	meter_set(DP_OF_KBPS, &b, 1);
	assert_int_equal(offer_for(1000, 1e17, false, 1), 100000);
	end();
}

// However short the burst: what is over it is owed.
static void a_super_frame_passes_and_is_paid_for(void **state)
{
	const struct dp_of_band b = { .rate = 10000, .burst = 1 };

	(void)state;
	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	assert_about((double)offer_for(65000, 30e6, false, 20 * S_NS), 20 * 1.25e6, 0.005);
	end();
}

static void a_change_keeps_what_was_earned_and_fills_nothing(void **state)
{
	struct dp_of_band b = { .rate = 8000, .burst = 8000 }; // 1 MB/s; 1 MB
	uint64_t passed = 0;

	(void)state;
	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	assert_int_equal(offer_for(1000, 1e17, false, 1), 1000000);
	for (uint32_t i = 0; i < 1000; i++) {
		b.burst = 8000 + i % 2;
		meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
		passed += offer_for(1000, 1e10, false, S_NS / 1000);
	}
	assert_about((double)passed, 1e6, 0.005);
	b.rate = 80;
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	assert_about((double)offer_for(1000, 1e8, false, 10 * S_NS), 1e5, 0.02);
	end();
}

// Of 3 Mbit/s the first keeps its DSCP, the second is remarked, the third is dropped.
static void of_several_bands_the_highest_that_is_over_applies(void **state)
{
	const struct dp_of_band bands[] = { { .rate = 1000, .burst = 20, .is_remark = 1 },
					    { .rate = 2000, .burst = 20 } };
	struct dp_of_meter_count c;

	(void)state;
	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, bands, 2);
	assert_about((double)offer_for(500, 3e6, false, 20 * S_NS), 20 * 250e3, 0.005);
	assert_int_equal(dp_meters_count(ms, 1, &c), 0);
	assert_about((double)c.in.n_bytes, 20 * 375e3, 0.005);
	assert_int_equal(c.in.n_pkts, c.in.n_bytes / 500);
	assert_about((double)c.bands[0].n_bytes, 20 * 125e3, 0.005);
	assert_about((double)c.bands[1].n_bytes, 20 * 125e3, 0.005);
	// Bands begin anew with a change, the meter goes on.
	meter_set(DP_OF_KBPS | DP_OF_BURST, bands, 1);
	assert_int_equal(dp_meters_count(ms, 1, &c), 0);
	assert_int_equal(c.bands[1].n_pkts + c.bands[0].n_pkts, 0);
	assert_about((double)c.in.n_bytes, 20 * 375e3, 0.005);
	assert_true(offer(0, w[0].now_ns, 500));
	assert_int_equal(dp_meters_count(ms, 1, &c), 0);
	assert_true(c.bands[0].n_pkts <= 1);
	end();
}

// Two remarks are a two-rate marker: a third each of three times the lower rate.
static void remarks_are_nested(void **state)
{
	const struct dp_of_band bands[] = { { .rate = 2000, .burst = 20, .is_remark = 1 },
					    { .rate = 1000, .burst = 20, .is_remark = 1 } };
	struct dp_of_meter_count c;

	(void)state;
	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, bands, 2);
	assert_about((double)offer_for(500, 3e6, false, 20 * S_NS), 20 * 375e3, 0.001);
	assert_int_equal(dp_meters_count(ms, 1, &c), 0);
	assert_about((double)c.bands[0].n_bytes, 20 * 125e3, 0.005);
	assert_about((double)c.bands[1].n_bytes, 20 * 125e3, 0.005);
	end();
}

static uint8_t dscp_after(uint8_t dscp, uint8_t levels, bool v6)
{
	const struct dp_of_band b = { .rate = 1, .burst = 1, .is_remark = 1, .prec_level = levels };
	struct of_spec s = { .l3 = v6 ? L3_IP6 : L3_IP4,
			     .l4 = L4_UDP,
			     .ttl = 9,
			     .payload = 500,
			     .tc = (uint8_t)(dscp << 2 | 1) };
	uint8_t data[FRAME_MAX], got[FRAME_MAX];
	uint32_t size = of_spec_build(&s, data);
	struct rte_mbuf *m = of_mbuf_make(data, size, size, 0);

	start(1);
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	assert_true(dp_meters_pass(ms, w, 1, m)); // pays the burst
	of_mbuf_read(m, got);
	assert_memory_equal(got, data, size);
	assert_true(dp_meters_pass(ms, w, 1, m));
	dscp = dp_meta(m)->p.dscp;
	s.tc = (uint8_t)(dscp << 2 | 1);
	of_spec_build(&s, data);
	of_mbuf_read(m, got);
	assert_memory_equal(got, data, size);
	of_mbuf_free(m);
	end();
	return dscp;
}

static void a_remark_raises_the_drop_precedence_of_af(void **state)
{
	(void)state;
	for (uint32_t dscp = 0; dscp < 64; dscp++) {
		uint32_t class = dscp / 8, y = dscp % 8 / 2;
		bool af = class >= 1 && class <= 4 && y >= 1 && dscp % 2 == 0;

		for (uint32_t levels = 0; levels < 5; levels++) {
			uint32_t is = y + levels > 3 ? 3 : y + levels;

			is = af ? class * 8 + is * 2 : dscp;
			if (class >= 1 && dscp % 8 == 0) // a class selector: the next lower ones
				is = (class > levels ? class - levels : 1) * 8;
			assert_int_equal(dscp_after((uint8_t)dscp, (uint8_t)levels, dscp & 1), is);
		}
	}
	assert_int_equal(dscp_after(10, 1, true), 12);
	assert_int_equal(dscp_after(10, 2, false), 14);
	assert_int_equal(dscp_after(14, 1, false), 14);
}

// Workers with these parts of what is offered, in turn; three times the rate in all.
static double share_of(const uint32_t *parts, uint32_t n, uint64_t for_ns)
{
	uint64_t begin = w[0].now_ns, passed = 0;
	uint32_t sum = 0, r = 7;

	for (uint32_t i = 0; i < n; i++)
		sum += parts[i];
	// 3,000 frames/s of 1,000 bytes
	for (uint64_t ns = 0; ns < for_ns; ns += S_NS / 3000) {
		uint32_t at = (r = r * 1664525 + 1013904223) / 7 % sum, worker = 0;

		while (at >= parts[worker])
			at -= parts[worker++];
		passed += offer(worker, begin + ns, 1000) ? 1000 : 0;
	}
	w[0].now_ns = begin + for_ns;
	return (double)passed / (double)for_ns * 1e9;
}

static void workers_keep_the_rate_together(void **state)
{
	static const uint32_t parts[][4] = {
		{ 1, 0, 0, 0 }, { 0, 0, 1, 0 }, { 1, 1, 1, 1 }, { 8, 4, 2, 1 }, { 99, 1, 0, 0 },
	};
	const struct dp_of_band b = { .rate = 8000, .burst = 80 };

	(void)state;
	start(4);
	meter_set(DP_OF_KBPS | DP_OF_BURST, &b, 1);
	for (uint32_t i = 0; i < RTE_DIM(parts); i++) {
		share_of(parts[i], 4, S_NS); // parts are found, bursts go
		assert_about(share_of(parts[i], 4, 20 * S_NS), 1e6, 0.02);
	}
	end();
}

static void meters_have_their_limits(void **state)
{
	const struct dp_of_band bands[DP_OF_BANDS + 1] = { { .rate = 1 } };
	struct dp_of_meter_count c;

	(void)state;
	start(1);
	assert_int_equal(dp_meters_set(ms, 1, DP_OF_KBPS, bands, DP_OF_BANDS + 1), -EINVAL);
	assert_int_equal(dp_meters_set(ms, 1, 0, bands, 1), -EINVAL);
	assert_int_equal(dp_meters_set(ms, 1, DP_OF_KBPS | DP_OF_PKTPS, bands, 1), -EINVAL);
	assert_int_equal(dp_meters_count(ms, 1, &c), -ENOENT);
	assert_int_equal(dp_meters_set(ms, DP_OFPM_CONTROLLER, DP_OF_KBPS, bands, DP_OF_BANDS), 0);
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(dp_meters_set(ms, i, DP_OF_KBPS, bands, 0), 0);
	assert_int_equal(dp_meters_set(ms, 9, DP_OF_KBPS, bands, 1), -ENOSPC);
	assert_true(offer(0, S_NS, 60)); // no bands: all passes
	dp_meters_del(ms, 1);
	dp_meters_del(ms, 1);
	assert_true(offer(0, S_NS, 60));
	assert_int_equal(dp_meters_set(ms, 9, DP_OF_KBPS, bands, 1), 0);
	end();
}

// The highest rates there are, for a long time: nothing overflows.
static void the_fastest_meter_is_no_limit(void **state)
{
	const struct dp_of_band b = { .rate = UINT32_MAX, .burst = UINT32_MAX };

	(void)state;
	for (uint32_t flags = DP_OF_KBPS; flags <= DP_OF_PKTPS; flags *= 2) {
		start(1);
		meter_set(flags | DP_OF_BURST, &b, 1);
		for (uint64_t ns = 1; ns < 1ull << 62; ns *= 3)
			for (uint32_t i = 0; i < 100; i++)
				assert_true(offer(0, ns, 65000));
		assert_true(offer(0, 5, 65000)); // a step back is no step
		end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_kept_from_64_to_1518_bytes),
		cmocka_unit_test(packets_are_counted_as_packets),
		cmocka_unit_test(a_burst_is_what_is_said_or_a_tenth_of_a_second),
		cmocka_unit_test(a_super_frame_passes_and_is_paid_for),
		cmocka_unit_test(a_change_keeps_what_was_earned_and_fills_nothing),
		cmocka_unit_test(of_several_bands_the_highest_that_is_over_applies),
		cmocka_unit_test(remarks_are_nested),
		cmocka_unit_test(a_remark_raises_the_drop_precedence_of_af),
		cmocka_unit_test(workers_keep_the_rate_together),
		cmocka_unit_test(meters_have_their_limits),
		cmocka_unit_test(the_fastest_meter_is_no_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
