// What a meter's check costs, beside rte_meter's, with the same frames at the same times.
//
//   weir-meter                        TSC cycles per check, A B B A, least and median of 25 rounds
//   weir-meter count NAME             100,000 checks, for instructions:
//     valgrind --tool=callgrind --toggle-collect='run_*' weir-meter count weir-4115
//
// Both measure in ns; rte_meter's profiles are made by hand, at rates that its periods hit exactly.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_meter.h>

#include "qos_meter.h"

// Rates come from a configuration: the compiler may not know them.
#define HIDE(p) __asm__ volatile("" : "+r"(p) : : "memory")

enum { N = 100000, ROUNDS = 25, BURST = 20000 };

// 1 and 2 Gbit/s, and as much traffic as makes all three colours.
static const struct qos_meter_params params4115 = { QOS_METER_RFC4115, 0,     { 0 }, 1000000000,
						    1000000000,	       BURST, BURST };
static const struct qos_meter_params params2698 = { QOS_METER_RFC2698, 0,     { 0 }, 1000000000,
						    2000000000,	       BURST, BURST };
static uint64_t at_ns[N];
static uint32_t bytes[N];
static uint64_t n_colour[3];

static __attribute__((noinline)) uint64_t weir_checks(const struct qos_meter_params *p)
{
	struct qos_meter m;
	uint64_t from;

	HIDE(p);
	if (qos_meter_init(&m, p, 0) < 0)
		exit(1);
	from = rte_rdtsc();
	for (uint32_t i = 0; i < N; i++)
		n_colour[qos_meter_colour(&m, bytes[i], at_ns[i], QOS_GREEN)]++;
	return rte_rdtsc() - from;
}

static __attribute__((noinline)) uint64_t run_weir_4115(void)
{
	return weir_checks(&params4115);
}

static __attribute__((noinline)) uint64_t run_weir_2698(void)
{
	return weir_checks(&params2698);
}

static __attribute__((noinline)) uint64_t rte4115_checks(struct rte_meter_trtcm_rfc4115_profile *p)
{
	struct rte_meter_trtcm_rfc4115 m = { 0, 0, BURST, BURST };
	uint64_t from;

	HIDE(p);
	from = rte_rdtsc();
	for (uint32_t i = 0; i < N; i++)
		n_colour[rte_meter_trtcm_rfc4115_color_blind_check(&m, p, at_ns[i], bytes[i])]++;
	return rte_rdtsc() - from;
}

static __attribute__((noinline)) uint64_t rte2698_checks(struct rte_meter_trtcm_profile *p)
{
	struct rte_meter_trtcm m = { 0, 0, BURST, BURST };
	uint64_t from;

	HIDE(p);
	from = rte_rdtsc();
	for (uint32_t i = 0; i < N; i++)
		n_colour[rte_meter_trtcm_color_blind_check(&m, p, at_ns[i], bytes[i])]++;
	return rte_rdtsc() - from;
}

static __attribute__((noinline)) uint64_t run_rte_4115(void)
{
	struct rte_meter_trtcm_rfc4115_profile p = { BURST, BURST, 8, 1, 8, 1 };

	return rte4115_checks(&p);
}

static __attribute__((noinline)) uint64_t run_rte_2698(void)
{
	struct rte_meter_trtcm_profile p = { BURST, BURST, 8, 1, 8, 2 };

	return rte2698_checks(&p);
}

// What the loop itself costs.
static __attribute__((noinline)) uint64_t run_loop(void)
{
	uint64_t from = rte_rdtsc();

	for (uint32_t i = 0; i < N; i++)
		n_colour[(bytes[i] ^ at_ns[i]) & 1]++;
	return rte_rdtsc() - from;
}

static const struct {
	const char *name;
	uint64_t (*run)(void);
} runs[] = { { "weir-4115", run_weir_4115 },
	     { "rte-4115", run_rte_4115 },
	     { "weir-2698", run_weir_2698 },
	     { "rte-2698", run_rte_2698 },
	     { "loop", run_loop } };
enum { N_RUNS = sizeof(runs) / sizeof(runs[0]) };

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

// A B B A: forwards, then backwards, so that a machine that slows down treats all alike.
static void measure(void)
{
	static uint64_t took[N_RUNS][2 * ROUNDS];

	for (uint32_t round = 0; round < 2 * ROUNDS; round++) {
		for (uint32_t i = 0; i < N_RUNS; i++) {
			uint32_t k = round % 2 ? N_RUNS - 1 - i : i;

			took[k][round] = runs[k].run();
		}
	}
	for (uint32_t i = 0; i < N_RUNS; i++) {
		qsort(took[i], 2 * ROUNDS, sizeof(took[i][0]), by_value);
		printf("%-10s least %.1f median %.1f cycles per check\n", runs[i].name,
		       (double)took[i][0] / N, (double)took[i][ROUNDS] / N);
	}
}

int main(int argc, char **argv)
{
	uint64_t now_ns = 0;

	srand(1);
	for (uint32_t i = 0; i < N; i++) {
		now_ns += (uint64_t)(rand() % 6000);
		at_ns[i] = now_ns;
		bytes[i] = 84 + (uint32_t)(rand() % 1455);
	}
	if (argc == 1) {
		measure();
		return 0;
	}
	for (uint32_t i = 0; i < N_RUNS && argc == 3 && strcmp(argv[1], "count") == 0; i++) {
		if (strcmp(argv[2], runs[i].name) == 0) {
			runs[i].run();
			printf("%s: %u checks: %lu green, %lu yellow, %lu red\n", argv[2], N,
			       (unsigned long)n_colour[0], (unsigned long)n_colour[1],
			       (unsigned long)n_colour[2]);
			return 0;
		}
	}
	fprintf(stderr, "usage: weir-meter [count weir-4115|rte-4115|weir-2698|rte-2698|loop]\n");
	return 2;
}
