// A machine's arguments for QEMU: vm_launch.h.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vm_launch.h"

#define DEFAULT_VMS "/run/weir/vms"
// What QEMU 7.2's machine types have without an interrupt controller with wider identifiers.
enum { CPUS_PLAIN = 255 };

// --- Text

static bool room(struct ctl_text *t, size_t size)
{
	size_t cap = t->cap == 0 ? 4096 : t->cap;
	char *buf;

	while (cap - t->size <= size)
		cap *= 2;
	if (cap == t->cap)
		return true;
	buf = realloc(t->buf, cap);
	if (buf == NULL) {
		t->failed = true;
		return false;
	}
	t->buf = buf;
	t->cap = cap;
	return true;
}

void ctl_text_add(struct ctl_text *t, const char *s, size_t size)
{
	if (t->failed || !room(t, size))
		return;
	memcpy(t->buf + t->size, s, size);
	t->size += size;
	t->buf[t->size] = '\0';
}

void ctl_text_f(struct ctl_text *t, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		t->failed = true;
	else
		ctl_text_add(t, s, (size_t)n);
	if (n >= 0)
		free(s);
}

// --- Arguments

struct args {
	struct ctl_text text; // arguments, each with its NUL
	uint32_t n;
};

static void arg_of(struct args *a, const char *s, size_t size)
{
	ctl_text_add(&a->text, s, size);
	ctl_text_add(&a->text, "", 1);
	a->n++;
}

static void arg(struct args *a, const char *s)
{
	arg_of(a, s, strlen(s));
}

uint32_t ctl_arg_split(const char *s, struct ctl_word out[2])
{
	const char *blank = s[0] == '-' ? strchr(s, ' ') : NULL;

	out[0] = (struct ctl_word){ s, blank == NULL ? strlen(s) : (size_t)(blank - s) };
	if (blank == NULL)
		return 1;
	out[1] = (struct ctl_word){ blank + 1, strlen(blank + 1) };
	return 2;
}

static void option(struct args *a, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// "-name" and its value.
static void option(struct args *a, const char *name, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0) {
		a->text.failed = true;
		return;
	}
	arg(a, name);
	arg(a, s);
	free(s);
}

// A value among others: QEMU ends it at a comma, unless there are two.
static const char *quoted(const char *s, char out[512])
{
	size_t at = 0;

	for (; *s != '\0' && at < 510; s++) {
		out[at++] = *s;
		if (*s == ',')
			out[at++] = ',';
	}
	out[at] = '\0';
	return out;
}

const struct cfg_nic *ctl_vm_boot_nic(const struct cfg_vm *vm)
{
	// What a provider will answer is booted by the card, too.
	return (vm->method == CFG_BOOT_NONE && vm->provider[0] == '\0') || vm->n_nics == 0
		       ? NULL
		       : &vm->nics[0];
}

const char *ctl_disk_format(const char *path)
{
	size_t size = strlen(path);

	return size > 6 && strcmp(path + size - 6, ".qcow2") == 0 ? "qcow2" : "raw";
}

static void board(const struct ctl_launch *l, struct args *a)
{
	const struct cfg_machine *m = &l->vm->machine;
	bool many = m->vcpus > CPUS_PLAIN, q35 = many || m->firmware == CFG_FW_UEFI;
	char q[512];

	arg(a, m->emulator);
	option(a, "-name", "guest=%s,debug-threads=on", l->vm->name);
	if (l->vm->uuid[0] != '\0')
		option(a, "-uuid", "%s", l->vm->uuid);
	// What is not asked for is not there: no network card of QEMU's own, no floppy.
	arg(a, "-nodefaults");
	arg(a, "-no-user-config");
	// Without graphics firmware talks to the serial port.
	option(a, "-machine", "%s,graphics=off%s", q35 ? "q35" : "pc",
	       many ? ",kernel-irqchip=split" : "");
	option(a, "-accel", "%s", l->kvm ? "kvm" : "tcg");
	if (l->kvm)
		option(a, "-cpu", "host");
	option(a, "-smp", "%u", m->vcpus);
	if (many)
		option(a, "-device", "intel-iommu,intremap=on,eim=on");
	option(a, "-m", "%uM", m->memory_mib);
	option(a, "-object", "memory-backend-memfd,id=mem0,size=%uM,share=on", m->memory_mib);
	option(a, "-numa", "node,memdev=mem0");
	if (m->firmware == CFG_FW_UEFI) {
		option(a, "-drive", "if=pflash,format=raw,unit=0,readonly=on,file=" CTL_OVMF_CODE);
		option(a, "-drive", "if=pflash,format=raw,unit=1,file=%s", quoted(l->vars, q));
	}
}

static void cards(const struct ctl_launch *l, struct args *a)
{
	const struct cfg_nic *boot = ctl_vm_boot_nic(l->vm);
	char q[512];

	for (uint8_t i = 0; i < l->vm->n_nics; i++) {
		const struct cfg_nic *n = &l->vm->nics[i];
		const struct cfg_port *p = cfg_port_get(l->cfg, n->port);
		struct ctl_text t = { 0 };
		const uint8_t *m = p->mac;

		option(a, "-chardev", "socket,id=port%u,path=%s,server=on", n->id,
		       quoted(p->link_arg, q));
		option(a, "-netdev", "vhost-user,id=net%u,chardev=port%u,queues=%u", n->id, n->id,
		       p->queues);
		ctl_text_f(&t, "virtio-net-pci,id=nic%u,netdev=net%u", n->id, n->id);
		ctl_text_f(&t, ",mac=%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
			   m[5]);
		ctl_text_f(&t, ",rx_queue_size=1024,tx_queue_size=1024,host_mtu=%u", p->mtu);
		if (p->queues > 1)
			ctl_text_f(&t, ",mq=on");
		if (!l->kvm)
			ctl_text_f(&t, ",vectors=0");
		else if (p->queues > 1)
			ctl_text_f(&t, ",vectors=%u", 2 * p->queues + 2);
		if (n == boot)
			ctl_text_f(&t, ",bootindex=1");
		// iPXE is BIOS's way to boot by this card. OVMF has a driver of its own.
		if (n != boot || l->vm->machine.firmware == CFG_FW_UEFI)
			ctl_text_f(&t, ",romfile=");
		option(a, "-device", "%s", t.failed ? "" : t.buf);
		a->text.failed |= t.failed;
		free(t.buf);
	}
}

static void disks(const struct ctl_launch *l, struct args *a)
{
	const struct cfg_machine *m = &l->vm->machine;
	uint32_t first = ctl_vm_boot_nic(l->vm) == NULL ? 1 : 2;
	char q[512];

	for (uint8_t i = 0; i < m->n_disks; i++) {
		option(a, "-drive", "if=none,id=disk%u,format=%s,discard=unmap,file=%s", i,
		       ctl_disk_format(m->disks[i]), quoted(m->disks[i], q));
		option(a, "-device", "virtio-blk-pci,drive=disk%u,bootindex=%u", i, first + i);
	}
}

static void rest(const struct ctl_launch *l, struct args *a)
{
	const struct cfg_machine *m = &l->vm->machine;
	const char *more = m->args;
	char q[512];

	// OVMF boots by network only where there are random numbers.
	option(a, "-device", "virtio-rng-pci");
	// Its panic is told; what becomes of it then is the guest's own setting (kernel.panic).
	option(a, "-device", "pvpanic");
	option(a, "-action", "panic=none");
	option(a, "-display", "none");
	option(a, "-chardev",
	       "socket,id=console,path=%s/console.sock,server=on,wait=off,logfile=%s/log,"
	       "logappend=on",
	       quoted(l->dir, q), q);
	option(a, "-serial", "chardev:console");
	option(a, "-chardev", "socket,id=control,path=%s/control.sock,server=on,wait=off", q);
	option(a, "-mon", "chardev=control,mode=control");
	option(a, "-chardev", "socket,id=qmp,path=%s,server=on,wait=off", quoted(l->monitor, q));
	option(a, "-mon", "chardev=qmp,mode=control");
	for (uint8_t i = 0; i < m->n_args; i++, more += strlen(more) + 1) {
		struct ctl_word w[2];

		for (uint32_t k = 0, n = ctl_arg_split(more, w); k < n; k++)
			arg_of(a, w[k].text, w[k].size);
	}
}

// --- Where things are

int ctl_vms_dir(const char *socket_path, char *dir, size_t size)
{
	const char *slash = strrchr(socket_path, '/');
	int head = slash == NULL ? 0 : (int)(slash - socket_path) + 1;
	char cwd[256] = "";
	int n;

	// QEMU may run elsewhere.
	if (socket_path[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return -ENAMETOOLONG;
	n = snprintf(dir, size, "%s%s%.*svms", cwd, cwd[0] == '\0' ? "" : "/", head, socket_path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int ctl_vm_monitor(const char *vms_dir, const struct cfg_vm *vm, char *path, size_t size)
{
	char unset[sizeof(vm->machine.monitor)];
	int n;

	snprintf(unset, sizeof(unset), DEFAULT_VMS "/%s/qmp.sock", vm->name);
	if (strcmp(vm->machine.monitor, unset) == 0)
		n = snprintf(path, size, "%s/%s/qmp.sock", vms_dir, vm->name);
	else
		n = snprintf(path, size, "%s", vm->machine.monitor);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int refuse(struct cfg_error *err, int rc, const char *leaf, const char *value)
{
	snprintf(err->path, sizeof(err->path), "%s", leaf);
	snprintf(err->value, sizeof(err->value), "%.127s", value);
	return rc;
}

// A path that holds wherever it is used. returns false when it is too long
static bool absolute(char *out, size_t size, const char *dir, const char *name)
{
	char cwd[256] = "";
	int n;

	if (dir[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
		return false;
	n = snprintf(out, size, "%s%s%s/firmware/%s.fd", cwd, cwd[0] == '\0' ? "" : "/", dir, name);
	return n >= 0 && (size_t)n < size;
}

static int prepared(struct ctl_launch *l, const struct ctl_places *p, bool accelerated,
		    struct cfg_error *err)
{
	const struct cfg_machine *m = &l->vm->machine;
	char path[160];
	int n = snprintf(l->dir, sizeof(l->dir), "%s/%s", p->vms_dir, l->vm->name);

	snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/machine", l->vm->name);
	// The longest name of a socket there, and its NUL.
	if (n < 0 || (size_t)n + sizeof("/console.sock") > sizeof(l->dir) ||
	    ctl_vm_monitor(p->vms_dir, l->vm, l->monitor, sizeof(l->monitor)) < 0) {
		snprintf(err->reason, sizeof(err->reason),
			 "sockets there would have longer paths than a socket may have");
		return refuse(err, -ENAMETOOLONG, path, p->vms_dir);
	}
	if (!absolute(l->vars, sizeof(l->vars), p->state_dir, l->vm->name)) {
		snprintf(err->reason, sizeof(err->reason), "path is too long");
		return refuse(err, -ENAMETOOLONG, path, p->state_dir);
	}
	l->kvm = m->accel != CFG_ACCEL_TCG && accelerated;
	if (m->accel == CFG_ACCEL_KVM && !accelerated) {
		snprintf(err->reason, sizeof(err->reason), "KVM does not work on this host");
		snprintf(path, sizeof(path), "/weir-vm:vms/vm[name='%s']/machine/acceleration",
			 l->vm->name);
		return refuse(err, -EINVAL, path, "kvm");
	}
	if (m->vcpus > CPUS_PLAIN && !l->kvm) {
		snprintf(err->reason, sizeof(err->reason),
			 "%u virtual CPUs: without KVM there are at most %u", m->vcpus, CPUS_PLAIN);
		return refuse(err, -EINVAL, path, "");
	}
	return 0;
}

int ctl_vm_launch(const struct cfg *cfg, const struct ctl_places *p, struct cfg_launch *l,
		  struct cfg_error *err)
{
	struct ctl_launch launch = { .cfg = cfg, .vm = cfg_vm_get(cfg, l->vm) };
	struct args a = { 0 };
	int rc;

	if (launch.vm == NULL) {
		snprintf(err->reason, sizeof(err->reason), "there is no VM of that name");
		return refuse(err, -ENOENT, "/weir-operations:vm-arguments/vm", l->vm);
	}
	rc = prepared(&launch, p, l->accelerated, err);
	if (rc < 0)
		return rc;
	if (l->libvirt) {
		ctl_vm_domain(&launch, &a.text);
	} else {
		board(&launch, &a);
		disks(&launch, &a);
		cards(&launch, &a);
		rest(&launch, &a);
	}
	if (a.text.failed) {
		free(a.text.buf);
		snprintf(err->reason, sizeof(err->reason), "out of memory");
		return -ENOMEM;
	}
	l->text = a.text.buf;
	l->n_args = a.n;
	return 0;
}
