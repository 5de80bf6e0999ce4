// Machines that the command starts: one directory each, beside the daemon's socket, with QEMU's
// sockets, its log and who it is. The daemon makes the arguments; the process is the command's.
//
// Where systemd runs a machine is a unit, weir-vm-NAME. Elsewhere it is a child of a process that
// outlives the command: it waits for QEMU's end and tells the switch.
#ifndef VM_PRIV_H
#define VM_PRIV_H

#include <sys/types.h>

#include "weir_priv.h"

struct machine {
	char name[32];
	char dir[96];		 // of its files
	const char *socket;	 // of the daemon
	const char *const *argv; // argv[n], NULL-terminated: QEMU's
	pid_t pid;
};

// Its directory's path. returns 0, or an exit code with the reason printed: no name of a machine
int machine_name(struct cli *c, const char *name, struct machine *m);
// Path of one of its files. returns buf
const char *machine_path(const struct machine *m, const char *file, char buf[128]);

// --- vm_process.c

// Does the process run that was started as this machine? Fills in pid.
bool machine_runs(struct machine *m);
// Was it started here, and its end has not been told to the switch?
bool machine_known(const struct machine *m);
// It has ended, and the switch knows.
void machine_forget(const struct machine *m);
// Nobody else starts, stops or forgets it until this is closed. returns a descriptor, or a negative
// errno: -EAGAIN after ms
int machine_lock(const struct machine *m, uint32_t ms);
// Its unit has gone, too, where it is one.
void machine_unit_end(const struct machine *m);
void sleep_ms(uint32_t ms);
// Start argv. returns 0 with pid, or an exit code with the reason printed
int machine_launch(struct cli *c, struct machine *m);
// It was started as pid: remember. returns 0 or a negative errno
int machine_remember(const struct machine *m);
// Wait until the process has gone, at most ms. returns whether it has
bool machine_gone(struct machine *m, uint32_t ms);
// End it, by force.
void machine_kill(const struct machine *m);
// Does a process listen on this UNIX socket?
bool is_listened_on(const char *path);
// Print the end of its log, after a start that failed.
void machine_log_tail(struct cli *c, const struct machine *m);

// Tell the switch that it has ended, and that nothing of it is used. returns an exit code
int machine_ended(struct cli *c, const char *name);

// --- vm_monitor.c

// Connected and greeted. returns a descriptor, or a negative errno
int monitor_open(const struct machine *m, uint32_t ms);
// One command without arguments. returns 0, or a negative errno
int monitor_do(int fd, const char *command, uint32_t ms);

// --- vm_console.c

// The terminal is the machine's serial port until ^] or its end. returns an exit code
int console_run(struct cli *c, const struct machine *m);

// --- vm_kvm.c

// Can KVM run a guest here? returns NULL, or why not
const char *kvm_missing(void);

#endif
