// What QEMU or libvirt has to be told to start a machine on this switch: made from the
// configuration, so that memory is shared, sockets, queues and addresses are the port's, and the
// boot order is the boot method's. Pure: a configuration in, text out.
//
// Whoever starts it keeps the machine's things in one directory, RUN/NAME (RUN: vms beside the
// daemon's socket): console.sock, control.sock and qmp.sock on which QEMU listens, and log. Of the
// two monitors one is the daemon's and one is for the command `weir`: QEMU talks to one client
// each.
//
// QEMU 7.2 crashes under TCG when a Linux guest sets up MSI-X on a vhost-user device: such cards
// get none there. Disks are raw unless their names end in .qcow2: to look would be to trust a guest
// that can write what a header looks like.
#ifndef VM_LAUNCH_H
#define VM_LAUNCH_H

#include "cfg_config.h"
#include "cfg_netconf.h"

#define CTL_OVMF_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"
#define CTL_OVMF_VARS "/usr/share/OVMF/OVMF_VARS_4M.fd"

// Text that grows; failed: memory is short, and nothing more is written.
struct ctl_text {
	char *buf;
	size_t size, cap;
	bool failed;
};

void ctl_text_add(struct ctl_text *t, const char *s, size_t size);
void ctl_text_f(struct ctl_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// One machine that is to be started.
struct ctl_launch {
	const struct cfg *cfg;
	const struct cfg_vm *vm;
	char dir[108];	   // of its sockets
	char monitor[108]; // the daemon's
	char vars[400];	   // of its firmware
	bool kvm;
};

// Directory of the VMs' directories, for a daemon that listens on socket_path. returns 0, or
// -ENAMETOOLONG
int ctl_vms_dir(const char *socket_path, char *dir, size_t size);
// The monitor that the daemon follows: as configured, or qmp.sock in the VM's directory.
int ctl_vm_monitor(const char *vms_dir, const struct cfg_vm *vm, char *path, size_t size);

// Where things of machines are: sockets and logs, which end with the host's run, and what is kept.
struct ctl_places {
	const char *vms_dir, *state_dir;
};

// l        vm, libvirt, accelerated: what is wanted; text and n_args are filled in
// returns  0; -ENOENT, -EINVAL, -ENAMETOOLONG, -ENOMEM with err filled
int ctl_vm_launch(const struct cfg *cfg, const struct ctl_places *p, struct cfg_launch *l,
		  struct cfg_error *err);

// --- vm_domain.c

// The same as a domain of libvirt.
void ctl_vm_domain(const struct ctl_launch *l, struct ctl_text *xml);

// The card that the machine boots by; NULL = none.
const struct cfg_nic *ctl_vm_boot_nic(const struct cfg_vm *vm);
// "raw" or "qcow2"
const char *ctl_disk_format(const char *path);

struct ctl_word {
	const char *text; // of size bytes
	size_t size;
};
// An option of QEMU and its value, which stands behind the first blank. returns how many
uint32_t ctl_arg_split(const char *s, struct ctl_word out[2]);

#endif
