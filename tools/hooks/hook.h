// What the hooks of libvirt and Proxmox share: settings, the machine as Weir shall know it, and
// calls to the daemon.
//
// A hook is run by who starts machines, who waits for it: it asks the daemon at most once or twice,
// each with a short timeout, and calls nobody else. Only a prepare may keep a machine from
// starting.
#ifndef HOOK_H
#define HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

enum {
	HOOK_NICS = 8,
	HOOK_NAMES = 16, // of bridges, of directories
	HOOK_NOTES = 24,
	HOOK_TEXT = 256,
};

// --- hook_settings.c

struct hook_settings {
	char socket[108];
	double timeout_s;	  // of one request
	double prepare_timeout_s; // until a machine is ready
	bool fail_open;
	char guests[HOOK_NAMES][108]; // directories of Weir's sockets, each with a slash at its end
	char bridges[HOOK_NAMES][64]; // patterns: fnmatch(3)
	uint32_t n_guests, n_bridges;
	bool proxmox_by_name;  // a machine is called as Proxmox shows it, not by its number
	char proxmox_dir[108]; // of /etc/pve
};

// Defaults, then the file, then the environment. What cannot be used is told on standard error, and
// left at its default: a hook goes on.
//
// path     NULL = $WEIR_HOOKS_CONF, or /etc/weir/hooks.conf, which may be missing
void hook_settings_read(struct hook_settings *s, const char *path);
// One line of the file. returns NULL, or what is wrong
const char *hook_settings_line(struct hook_settings *s, char *line);

// --- hook_vm.c

struct hook_nic {
	uint8_t id;
	char mac[18], socket[108];  // socket: empty = Weir's own
	uint32_t queues, mtu, vlan; // 0 = not said
	bool isolated, trunk, native_tagged;
	uint8_t vlans[4096 / 8]; // of the trunk
	// bit/s, 0 = not said
	uint64_t to_bits_per_s, from_bits_per_s, floor_bits_per_s;
};

// Text for people; more than fits is counted only.
struct hook_notes {
	uint32_t n;
	char text[HOOK_NOTES][HOOK_TEXT];
};

struct hook_vm {
	char shown[HOOK_TEXT]; // as its manager calls it, control characters replaced
	char name[25];	       // as Weir does: hook_vm_name()
	char uuid[37], hostname[64];
	uint32_t n_nics;
	struct hook_nic nics[HOOK_NICS];
	char *extra; // members of weir-vm:vms/vm as a JSON object, or NULL; free()
	struct hook_notes notes;
};

void hook_vm_fini(struct hook_vm *vm);
void hook_note(struct hook_vm *vm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Is it a name that Weir takes?
bool hook_name_fits(const char *name);
// Set shown and name. A name that Weir does not take is made one: what it may not have becomes a
// hyphen, and a checksum of the whole keeps it apart from others; that is noted.
void hook_vm_name(struct hook_vm *vm, const char *shown);
bool hook_mac_fits(const char *mac);
bool hook_uuid_fits(const char *uuid);
// A decimal number of at most `max`. returns 0 or -EINVAL
int hook_number(const char *text, uint64_t max, uint64_t *out);
// Add VLANs first..last to a trunk. returns 0 or -EINVAL
int hook_vlans_add(struct hook_nic *nic, uint64_t first, uint64_t last);
// One element of weir-vm:vms/vm, RFC 7951.
//
// returns  0 and *text (free()); -EINVAL or -ENOMEM with err filled
int hook_vm_definition(struct hook_vm *vm, char **text, char err[HOOK_TEXT]);

// --- hook_post.c

struct hook_conn {
	const struct hook_settings *s;
	int fd; // -1 = none
};

// Ask the daemon one thing, in the time that one request has.
//
// args     is taken
// returns  0 and *data (json_decref(), may be NULL where data is NULL); -EACCES = it refused, and
//          err says why; another negative errno: it could not be asked
int hook_call(struct hook_conn *c, const char *op, json_t *args, json_t **data,
	      char err[HOOK_TEXT]);
void hook_close(struct hook_conn *c);
double hook_now_s(void);

// --- hook_act.c: what the hooks tell the daemon

// Have a machine made ready, and wait until it is.
//
// returns  0; -EACCES = refused; another negative errno: it could not be asked, or took too long
int hook_prepare(const struct hook_settings *s, struct hook_vm *vm, bool incoming,
		 const char *source, char err[HOOK_TEXT]);
// event: of weir-operations:life-event; "release" is the operation of that name. returns as above
int hook_event(const struct hook_settings *s, const char *vm, const char *event, const char *source,
	       char err[HOOK_TEXT]);
// Say something to who runs the hook, and to the system's log: managers of machines drop the former
// where all went well.
void hook_say(const char *program, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// --- domain.c: libvirt's domain XML

#define HOOK_INPUT_BYTES (256 << 10)

// Read a domain. Only interfaces of type vhostuser whose socket is in one of s->guests count.
//
// returns  0 and *vm (hook_vm_fini(); n_nics may be 0); -EINVAL or -ENOMEM with err filled: vm is
//          empty
int hook_domain_read(const struct hook_settings *s, const char *xml, size_t size,
		     struct hook_vm *vm, char err[HOOK_TEXT]);

// --- pve_conf.c: Proxmox's configuration of a machine

int hook_pve_read(const struct hook_settings *s, const char *vmid, char *text, struct hook_vm *vm,
		  char err[HOOK_TEXT]);

// --- libvirt.c, proxmox.c: the programs but their main()

// input: a file of at most HOOK_INPUT_BYTES. returns its exit code
int hook_libvirt(const struct hook_settings *s, int argc, char **argv, int input);
int hook_proxmox(const struct hook_settings *s, int argc, char **argv);
// returns 0 and *text (NUL-terminated, free()), *size; -EFBIG; -errno
int hook_read_all(int fd, char **text, size_t *size);

#endif
