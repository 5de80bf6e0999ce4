// E15, conservation: the worlds of tests/fuzz/sched.c with random bytes instead of those that a
// fuzzer chose, so that any number of operations can be run: packets, changes, VMs that come and
// go, time that jumps and steps back. With an argument: so many bytes of operations.
#include "sim.h"

#define WORLD_BYTES 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t n_bytes = 4000000;

static void e15_what_goes_in_comes_out(void **state)
{
	static uint8_t data[WORLD_BYTES];
	struct sim rng = { .rng = 601 };

	(void)state;
	for (uint64_t done = 0; done < n_bytes; done += sizeof(data)) {
		for (size_t i = 0; i < sizeof(data); i += 8) {
			uint64_t r = sim_random(&rng);

			memcpy(data + i, &r, 8);
		}
		// It asserts, and so ends the test.
		assert_int_equal(LLVMFuzzerTestOneInput(data, sizeof(data)), 0);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e15_what_goes_in_comes_out),
	};

	if (argc > 1)
		n_bytes = (uint64_t)strtod(argv[1], NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
