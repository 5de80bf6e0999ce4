// Does KVM work here? That /dev/kvm opens says little: inside of other machines it may be there and
// run nothing. So a few instructions are run, and what guests would get is looked at.
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm_priv.h"

enum { GUEST_AT = 0x1000, PORT = 0x10, CPUIDS = 256, SSE3 = 1 };

// What every 64-bit processor since 2006 has. Where it cannot be given to guests, KVM is emulated
// by something that ordinary kernels do not get through.
static bool has_sse3(int kvm)
{
	struct kvm_cpuid2 *ids = calloc(1, sizeof(*ids) + CPUIDS * sizeof(ids->entries[0]));
	bool found = false;

	if (ids == NULL)
		return false;
	ids->nent = CPUIDS;
	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, ids) < 0)
		ids->nent = 0;
	for (uint32_t i = 0; i < ids->nent; i++)
		found |= ids->entries[i].function == 1 && (ids->entries[i].ecx & SSE3) != 0;
	free(ids);
	return found;
}

static bool state_set(int cpu)
{
	struct kvm_regs regs = { .rip = GUEST_AT, .rflags = 2 };
	struct kvm_sregs s;

	if (ioctl(cpu, KVM_GET_SREGS, &s) < 0)
		return false;
	s.cs.base = 0;
	s.cs.selector = 0;
	return ioctl(cpu, KVM_SET_SREGS, &s) == 0 && ioctl(cpu, KVM_SET_REGS, &regs) == 0;
}

// Its first instruction is to reach us: out PORT, al; hlt.
static bool runs(int cpu, size_t run_size)
{
	struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu, 0);
	bool ok;

	if (run == MAP_FAILED)
		return false;
	ok = state_set(cpu) && ioctl(cpu, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_IO &&
	     run->io.port == PORT;
	munmap(run, run_size);
	return ok;
}

static bool guest_runs(int kvm)
{
	static const uint8_t code[] = { 0xe6, PORT, 0xf4 };
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), vm = ioctl(kvm, KVM_CREATE_VM, 0), cpu;
	void *mem = mmap(NULL, GUEST_AT, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region at = {
		.guest_phys_addr = GUEST_AT,
		.memory_size = GUEST_AT,
		.userspace_addr = (uintptr_t)mem,
	};
	bool ok = false;

	cpu = vm < 0 ? -1 : ioctl(vm, KVM_CREATE_VCPU, 0);
	if (mem != MAP_FAILED && cpu >= 0 && size >= (int)sizeof(struct kvm_run)) {
		memcpy(mem, code, sizeof(code));
		ok = ioctl(vm, KVM_SET_USER_MEMORY_REGION, &at) == 0 && runs(cpu, (size_t)size);
	}
	if (cpu >= 0)
		close(cpu);
	if (vm >= 0)
		close(vm);
	if (mem != MAP_FAILED)
		munmap(mem, GUEST_AT);
	return ok;
}

const char *kvm_missing(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const char *why = NULL;

	if (kvm < 0)
		return errno == ENOENT ? "there is no /dev/kvm" : "/dev/kvm cannot be opened";
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		why = "/dev/kvm speaks another version";
	else if (!has_sse3(kvm))
		why = "/dev/kvm is itself emulated (it gives guests no SSE3)";
	else if (!guest_runs(kvm))
		why = "/dev/kvm runs no guest";
	close(kvm);
	return why;
}
