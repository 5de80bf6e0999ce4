// VMs as they live: the state of each (life.h), and those that are not configured. What hooks,
// QEMU and people tell comes in here, and what it asks for is carried out: class boot, silence of
// ports, providers, the end of a transient VM.
//
// A record is made when something is told of a VM. One of a configured VM lives as long as that is
// configured, one of a transient VM until its release. Records of transient VMs, and the states of
// all, are kept as DIR/vms.transient beside the commits (registry_file.c), so that the ports are
// there again after a restart before QEMU connects to them.
//
// thread: main
#ifndef CTL_REGISTRY_H
#define CTL_REGISTRY_H

#include "control_priv.h"
#include "weir_log.h"

#define CTL_REG_CHAINS 1024 // a power of two
#define CTL_REG_TRANSIENT 4096
#define CTL_REG_TEXT (8u << 20) // definitions and answers of all, bytes
#define CTL_REG_LINGER_NS 10000000000ull
#define CTL_REG_ALONE_NS 60000000000ull

enum ctl_reg_provide { CTL_REG_NO_PROVIDER, CTL_REG_BUSY, CTL_REG_PROVIDED, CTL_REG_FAILED };

struct ctl_reg_vm {
	struct ctl_reg_vm *next;
	struct ctl_registry *registry;
	char name[32];
	struct life life;
	int64_t since_s;    // of the state
	char reason[64];    // why it has it: "started (libvirt)"
	uint64_t alone_ns;  // it is said to run, and no QEMU is attached, since; 0 = it is not so
	char source[32];    // who announced it
	char *definition;   // RFC 7951; NULL = nobody announced it
	bool back;	    // something was seen of it after its release
	uint64_t linger_ns; // released: it goes then, or when QEMU has detached; 0 = it was not
	uint8_t provide;    // enum ctl_reg_provide
	char provider[32], image[256]; // that was asked
	uint32_t provide_id;
	struct cfg_error why; // it failed
	bool told;	      // to who asked
	char *boot;	      // what it answered
};

struct ctl_registry {
	struct ctl *ctl;
	int64_t (*wall_s)(void); // CLOCK_REALTIME; tests have one of their own
	struct ctl_reg_vm *chains[CTL_REG_CHAINS];
	uint32_t n_vms, n_transient;
	size_t text_bytes;
	uint64_t now_ns, generation;
	// registry_file.c
	bool stale;
	uint64_t file_ns, file_retry_ns;
	struct weir_limit log_file;
};

// --- registry.c

struct ctl_reg_vm *ctl_reg_find(const struct ctl_registry *r, const char *name);
// returns the record, which may be new; NULL = out of memory
struct ctl_reg_vm *ctl_reg_get(struct ctl_registry *r, const char *name);
void ctl_reg_free(struct ctl_registry *r, struct ctl_reg_vm *v);
// Everybody, in any order; v->next is read before fn(arg, v).
void ctl_reg_each(struct ctl_registry *r, void (*fn)(void *arg, struct ctl_reg_vm *v), void *arg);
// Replace a text of a record (taken); the total is kept. text may be NULL.
void ctl_reg_text_set(struct ctl_registry *r, char **at, char *text);

// --- registry_prepare.c

// Call its provider, if it has one and is not busy.
void ctl_reg_provide(struct ctl_reg_vm *v);
// Is its MAC heard at an uplink, while its guest is not here? Who did not tell that it has moved
// (libvirt before 10.5 does not) is not asked to give its disk back.
bool ctl_reg_is_elsewhere(const struct ctl_reg_vm *v);
// It has moved, so its disk is in use: its provider is not to be called any more.
void ctl_reg_disk_stays(struct ctl_reg_vm *v);
// It was released: what was made for it goes.
// returns false = the record, too, or it is tried again
bool ctl_reg_end(struct ctl_reg_vm *v);
// Lay a record's texts over the configuration in force. returns 0; negative errno with err filled
int ctl_reg_lay(struct ctl_registry *r, struct ctl_reg_vm *const *vms, uint32_t n,
		struct cfg_error *err);

// --- registry_file.c

// What was kept comes into force. What does not fit is said in the log, and forgotten.
void ctl_reg_file_read(struct ctl_registry *r);
// now: at once; else when it is due
void ctl_reg_file_write(struct ctl_registry *r, bool now);

#endif
