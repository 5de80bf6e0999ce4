// Starting DPDK: memory in hugepages where there are enough, ordinary memory otherwise, and said
// so.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "control_priv.h"
#include "weir_log.h"

enum { LARGE_BUFFERS = 1024, BASE_MIB = 160, PORT_BYTES = 104ul << 10 };

static uint32_t memory_mib(const struct cfg_system *s)
{
	// Buffer, headroom, metadata and pool overhead; the forwarding table; jumbo buffers; the
	// rest.
	return BASE_MIB + s->packet_buffers / 1024 * 5 / 2 + s->mac_table_size / 16384 +
	       LARGE_BUFFERS * 19 / 1024;
}

// Queues and counters of as many ports as there can be. Ordinary memory is only reserved, and taken
// where it is touched; hugepages are taken as ports come.
static uint32_t ports_mib(void)
{
	return (uint32_t)(DP_MAX_PORTS * PORT_BYTES >> 20);
}

static uint64_t hugepages_free_mib(void)
{
	uint64_t n = 0, kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		sscanf(line, "HugePages_Free: %lu", &n);
		sscanf(line, "Hugepagesize: %lu kB", &kib);
	}
	fclose(f);
	return n * kib / 1024;
}

// A set of CPUs as DPDK writes it: "0-1,4-4". returns the bytes written
static int set_print(const cpu_set_t *set, char *out, size_t size)
{
	int at = 0;

	for (int i = 0; i < CPU_SETSIZE; i++) {
		int first = i;

		if (!CPU_ISSET(i, set))
			continue;
		while (i + 1 < CPU_SETSIZE && CPU_ISSET(i + 1, set))
			i++;
		// Ranges keep this short; a mask in shreds that does not fit is cut at its end.
		if ((size_t)at + 16 < size)
			at += snprintf(out + at, size - (size_t)at, "%s%d-%d", at == 0 ? "" : ",",
				       first, i);
	}
	return at;
}

// Each worker has a CPU; all other threads share the rest, so that nothing that main does, however
// busy a client keeps it, takes turns with a worker.
static int cpus_choose(const struct cfg_system *s, struct ctl_eal *e, char *lcores, size_t size,
		       struct cfg_error *err)
{
	cpu_set_t set, rest;
	int last = -1, at;

	sched_getaffinity(0, sizeof(set), &set);
	rest = set;
	for (int i = 0; i < CPU_SETSIZE; i++)
		last = CPU_ISSET(i, &set) ? i : last;
	e->n_workers = s->n_workers == 0 ? 1 : s->n_workers;
	for (uint32_t i = 0; i < e->n_workers; i++) {
		int cpu = s->n_workers == 0 ? last : s->worker_cpu[i];

		if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &set)) {
			snprintf(err->path, sizeof(err->path), "/weir-system:system/worker-cpu");
			snprintf(err->value, sizeof(err->value), "%d", cpu);
			snprintf(err->reason, sizeof(err->reason),
				 "this process may not run on that CPU");
			return -EINVAL;
		}
		e->worker_lcores[i] = i + 1;
		e->worker_cpus[i] = (uint32_t)cpu;
		CPU_CLR(cpu, &rest);
	}
	if (CPU_COUNT(&rest) == 0)
		rest = set;
	at = snprintf(lcores, size, "0@(");
	at += set_print(&rest, lcores + at, size / 2);
	at += snprintf(lcores + at, size - (size_t)at, ")");
	for (uint32_t i = 0; i < e->n_workers; i++)
		at += snprintf(lcores + at, size - (size_t)at, ",%u@%u", i + 1, e->worker_cpus[i]);
	return 0;
}

int ctl_eal_init(const struct cfg_system *s, struct ctl_eal *e, struct cfg_error *err)
{
	char lcores[1024], mib[16];
	const char *argv[20];
	int argc = 0, rc = cpus_choose(s, e, lcores, sizeof(lcores), err);

	if (rc < 0)
		return rc;
	e->hugepages = !e->no_huge && hugepages_free_mib() >= memory_mib(s);
	if (!e->hugepages && !e->no_huge)
		weir_log(WEIR_NOTICE,
			 "hugepages: %lu MiB free, %u MiB wanted: running in ordinary memory, "
			 "which is slower",
			 (unsigned long)hugepages_free_mib(), memory_mib(s));
	snprintf(mib, sizeof(mib), "%u", memory_mib(s) + (e->hugepages ? 0 : ports_mib()));
	argv[argc++] = "weir-switchd";
	argv[argc++] = "--lcores";
	argv[argc++] = lcores;
	argv[argc++] = "--iova-mode=va";
	argv[argc++] = "--no-telemetry";
	argv[argc++] = "-a"; // no device but those that the configuration names
	argv[argc++] = "0000:00:00.0";
	argv[argc++] = "--log-level=*:error";
	// we do not use
	argv[argc++] =
		"--log-level=lib.vhost*:critical"; // a socket that is not there yet is no error
	if (e->hugepages) {
		argv[argc++] = "--in-memory";
	} else {
		argv[argc++] = "--no-huge";
		argv[argc++] = "--no-shconf";
		argv[argc++] = "-m";
		argv[argc++] = mib;
	}
	if (rte_eal_init(argc, (char **)(uintptr_t)argv) < 0) {
		snprintf(err->reason, sizeof(err->reason), "DPDK does not start (%s MiB, %s): %s",
			 mib, e->hugepages ? "hugepages" : "ordinary memory",
			 rte_strerror(rte_errno));
		return -EIO;
	}
	return 0;
}
