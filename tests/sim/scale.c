// E9, what can be counted without a clock: the memory of idle queues, by arithmetic and by the
// pages that are really there, and that nothing a packet does depends on how many VMs there are.
#include "sim.h"

#include <sys/mman.h>
#include <unistd.h>

#define BULK 5u
#define N_FLOWS 16u

static const uint32_t n_vms_of[] = { 8, 32, 512, 1536, 8192 }; // 1 k .. 1 M queues

static size_t n_queues(uint32_t n_vms)
{
	return (size_t)n_vms * QOS_SCHED_CLASSES * N_FLOWS;
}

static size_t size_of(uint32_t n_vms)
{
	struct qos_sched_params p = { .n_vms = n_vms, .n_flows = N_FLOWS };

	return qos_sched_size(&p);
}

// The link's own part is that of a link with one VM less what that VM takes.
static void e9_an_idle_queue_takes_80_bytes_at_most(void **state)
{
	size_t per_vm = (size_of(1025) - size_of(1)) / 1024, link = size_of(1) - per_vm;

	(void)state;
	sim_print("E9: a link takes %zu bytes, a queue %.1f\n", link,
		  (double)per_vm / (double)n_queues(1));
	assert_true(per_vm <= 80 * n_queues(1));
	assert_true(link <= 65536);
	for (size_t i = 0; i < sizeof(n_vms_of) / sizeof(n_vms_of[0]); i++) {
		size_t size = size_of(n_vms_of[i]);

		sim_print("E9: %zu queues: %.1f bytes each, all counted\n", n_queues(n_vms_of[i]),
			  (double)size / (double)n_queues(n_vms_of[i]));
		// Padding between the parts besides.
		assert_true(size <= link + 80 * n_queues(n_vms_of[i]) + 4096);
	}
}

static size_t resident(void *mem, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (size + page - 1) / page, sum = 0;
	unsigned char *there = malloc(n);

	assert_non_null(there);
	assert_int_equal(mincore(mem, size, there), 0);
	for (size_t i = 0; i < n; i++)
		sum += (there[i] & 1) * page;
	free(there);
	return sum;
}

// A link that could have 65,536 VMs costs address space: pages come with the VMs that there are,
// and not more than 80 bytes for each of their queues.
static void e9_memory_comes_with_the_vms(void **state)
{
	struct qos_sched_params params = { .n_vms = 65536, .n_flows = N_FLOWS };
	size_t size = qos_sched_size(&params), empty, some;
	struct qos_sched *s;
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_true(mem != MAP_FAILED);
	(void)madvise(mem, size, MADV_NOHUGEPAGE);
	assert_int_equal(qos_sched_init(mem, &params, SIM_S, &s), 0);
	empty = resident(mem, size);
	for (uint32_t i = 0; i < 256; i++)
		assert_int_equal(qos_sched_add_vm(s, i, SIM_S), 0);
	some = resident(mem, size) - empty;
	sim_print("E9: %zu MB of addresses; %zu KB there without VMs, %zu KB for 256 of them\n",
		  size >> 20, empty >> 10, some >> 10);
	assert_true(empty <= 256 * 1024);
	// Parts of a page at the end of each array.
	assert_true(some <= 80 * n_queues(256) + 16 * 4096);
	assert_int_equal(munmap(mem, size), 0);
}

// Idle VMs are not looked at: with 8,192 of them, packets leave as they do with 8.
static void e9_idle_vms_change_nothing(void **state)
{
	uint64_t waits[2] = { 0 }, bytes[2] = { 0 };

	(void)state;
	for (uint32_t k = 0; k < 2; k++) {
		struct qos_sched_params params = { .rate_bits_per_s = 10 * SIM_G,
						   .n_vms = k == 0 ? 8 : 8192,
						   .n_flows = N_FLOWS };
		struct sim sim;

		sim_init(&sim, &params, 8, 501);
		for (uint32_t i = 0; i < 8; i++)
			sim.srcs[i] =
				(struct sim_src){ .vm_idx = (uint16_t)(i * (k == 0 ? 1 : 1023)),
						  .cls = BULK,
						  .n_flows = 8,
						  .min_bytes = 64,
						  .max_bytes = 1514,
						  .depth = 32 };
		sim_fill(&sim);
		sim_run(&sim, sim.now_ns + 20 * SIM_MS);
		bytes[k] = sim.bytes_out;
		for (uint32_t i = 0; i < 8; i++)
			waits[k] += sim.srcs[i].max_wait_ns;
		sim_fini(&sim);
	}
	assert_true(bytes[0] == bytes[1]);
	assert_true(waits[0] == waits[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(e9_an_idle_queue_takes_80_bytes_at_most),
		cmocka_unit_test(e9_memory_comes_with_the_vms),
		cmocka_unit_test(e9_idle_vms_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
