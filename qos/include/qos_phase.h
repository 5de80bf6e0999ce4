// The life of virtual machines as far as their boot is concerned, and the admission window: at most
// so many machines boot with a deadline at a time; the others boot too, and queue fairly.
//
//   NEW -> BOOT_FW -> BOOT_OS -> STEADY
//
// A machine is booted once per start: after STEADY only a new start (ATTACH, RESET) or an explicit
// call begins anew, so that no guest can prolong its boot by asking for an address again.
//
//   edge                   NEW        BOOT_FW    BOOT_OS    STEADY
//   ATTACH, RESET, DETACH  -          NEW        NEW        NEW
//   DHCP_FW, LOGIN_FW      BOOT_FW    -          -          -
//   DHCP_OS, LOGIN_OS      BOOT_OS    BOOT_OS    -          -
//   BEGIN                  BOOT_FW    anew       anew       BOOT_FW
//   COMPLETE               STEADY     STEADY     STEADY     -
//
// A start only allows a boot; the guest's first request for an address or first login begins it, so
// that a machine which boots from a disk of its own takes no place. A boot also ends by itself:
// when BOOT_OS is quiet, after max_ns, and after max_bytes. Machines enter the window in the order
// in which their boots began. A deadline that passes is lost: the machine boots on without one, and
// its place is free, so that who cannot boot in time does not keep those back who can.
//
// thread  one at a time
//
// usage: create; edges as they are heard; every 100 ms qos_phases_booting, qos_phases_bytes for
// each
//        of those, then qos_phases_tick
#ifndef QOS_PHASE_H
#define QOS_PHASE_H

#include <stdbool.h>
#include <stdint.h>

enum qos_phase {
	QOS_PHASE_NEW, // nothing was heard of it, or it is away
	QOS_PHASE_BOOT_FW,
	QOS_PHASE_BOOT_OS,
	QOS_PHASE_STEADY,
	QOS_N_PHASES,
};
const char *qos_phase_name(enum qos_phase p); // "new", "boot-firmware", "boot-os", "steady"

enum qos_edge {
	QOS_EDGE_ATTACH, // the guest's port has a new front-end process
	QOS_EDGE_DETACH,
	QOS_EDGE_RESET,	   // host side: the machine was reset
	QOS_EDGE_DHCP_FW,  // DHCP with option 60 of PXE or iPXE, or option 93
	QOS_EDGE_DHCP_OS,  // DHCP without them
	QOS_EDGE_LOGIN_FW, // storage login with firmware's signature
	QOS_EDGE_LOGIN_OS, // one without it, or the second for the same target
	QOS_EDGE_BEGIN,	   // explicit calls
	QOS_EDGE_COMPLETE,
	QOS_N_EDGES,
};

#define QOS_PHASE_MAX_WINDOW 64u // what one link's scheduler can order (QOS_SCHED_DEADLINES)
// Defaults: qos/README.md says why.
#define QOS_PHASE_WINDOW 16u
#define QOS_PHASE_DEADLINE_NS 120000000000ull
#define QOS_PHASE_MAX_NS 300000000000ull
#define QOS_PHASE_MAX_BYTES (512ull << 20)
#define QOS_PHASE_QUIET_NS 10000000000ull
#define QOS_PHASE_QUIET_BYTES (4ull << 20)

struct qos_phase_params {
	uint32_t n_vms;	      // indexes are below it; 0 is nobody's; at most 65536
	uint32_t window;      // machines that boot with a deadline at once, 1..QOS_PHASE_MAX_WINDOW
	uint64_t deadline_ns; // after a boot begins, or enters the window; not 0
	uint64_t max_ns;      // longest boot; not 0
	uint64_t max_bytes;   // most bytes of a boot; not 0
	// BOOT_OS ends when less than quiet_bytes came for quiet_ns, by the totals that were told;
	// 0 = not by that. In the line for the window it takes a 64th of them: who gets little is
	// not quiet.
	uint64_t quiet_ns;
	uint64_t quiet_bytes;
};

// What changed. deadline_ns is what the switch has to be told: 0 = it does not boot, 1 = it boots
// and queues fairly, else its deadline.
struct qos_phase_change {
	uint16_t vm_idx;
	uint8_t from, to; // enum qos_phase; equal when only the window changed
	uint64_t deadline_ns;
	const char *why; // a sentence fragment, constant: "DHCP of a boot ROM", ...
	uint64_t ns;
};
// Called when the change is complete; may ask for states and counts, and change nothing.
typedef void qos_phase_fn(void *ctx, const struct qos_phase_change *c);

struct qos_phase_state {
	uint8_t phase;
	bool in_window;
	uint64_t since_ns, boot_ns; // of the phase; of the boot's begin, 0 = none
	uint64_t deadline_ns;	    // as in a change
	uint64_t bytes;		    // of this boot
	bool met; // the last boot was complete before its deadline, or what it would have been
	uint32_t place; // in the line for the window, from 1; 0 = not in it
};

// Each boot ends in one of the four, or is cut short by a new start, DETACH, BEGIN or forgetting.
struct qos_phase_counts {
	uint32_t booting, in_window,
		waiting; // waiting: in the line. Who lost its deadline is neither
	uint64_t boots, in_time, late, timed_out, over_bytes;
};

struct qos_phases;

// returns 0; -EINVAL for parameters out of bounds; -ENOMEM
int qos_phases_create(const struct qos_phase_params *p, qos_phase_fn *fn, void *ctx,
		      struct qos_phases **out);
void qos_phases_destroy(struct qos_phases *p);
// n_vms stays. A smaller window lets no one in until it fits. Deadlines that were given stay.
// Parameters out of bounds change nothing.
void qos_phases_set(struct qos_phases *p, const struct qos_phase_params *params, uint64_t now_ns);
void qos_phases_edge(struct qos_phases *p, uint16_t vm_idx, enum qos_edge e, uint64_t now_ns);
// What the machine sent and received of storage and boot classes so far, a growing total. A boot
// counts from the total told at the very time of its beginning, or from the first one after it.
void qos_phases_bytes(struct qos_phases *p, uint16_t vm_idx, uint64_t total, uint64_t now_ns);
// Time and caps. Call every 10 to 100 ms; it looks only at machines that boot.
void qos_phases_tick(struct qos_phases *p, uint64_t now_ns);
// The index is another machine's from now on.
void qos_phases_forget(struct qos_phases *p, uint16_t vm_idx, uint64_t now_ns);
// An index that is nobody's: all 0.
void qos_phases_state(const struct qos_phases *p, uint16_t vm_idx, struct qos_phase_state *out);
void qos_phases_counts(const struct qos_phases *p, struct qos_phase_counts *out);
// Booting machines, so that their bytes can be counted. returns how many of max were filled in
uint32_t qos_phases_booting(const struct qos_phases *p, uint16_t *vm_idx, uint32_t max);

#endif
