// The life of a virtual machine: one state machine for all that tell of it (vhost-user, libvirt's
// and Proxmox's hooks, QMP, people). Pure: an event in, a state and what is to be done out. No
// sockets, no clock, no allocation, libc only.
//
// Sources repeat themselves, contradict each other and come late, so: every event may come twice;
// what a late event says of a life that has ended changes nothing; and after the same set of
// events the end state is the same in whatever order they came, wherever that is physically
// possible. source: the table of transitions in control/README.md
#ifndef LIFE_H
#define LIFE_H

#include <stdbool.h>
#include <stdint.h>

enum life_state {
	LIFE_DEFINED,  // configured; nothing runs
	LIFE_PREPARED, // ports are there, QEMU is not
	LIFE_INCOMING, // prepared, and comes from another host
	LIFE_RUNNING,
	LIFE_PAUSED,   // also suspended
	LIFE_CRASHED,  // its operating system panicked
	LIFE_OUTGOING, // runs, and goes to another host
	LIFE_MOVED,    // has gone to another host; its ports are silent
	LIFE_STOPPED,  // QEMU has ended; what was made for it is still there
	LIFE_N_STATES,
};

enum life_event {
	// In the order of the YANG enumeration life-event.
	LIFE_EV_PREPARE,
	LIFE_EV_STARTED,
	LIFE_EV_RESET,
	LIFE_EV_PAUSE,
	LIFE_EV_RESUME,
	LIFE_EV_SUSPEND,
	LIFE_EV_WAKEUP,
	LIFE_EV_SHUTDOWN,
	LIFE_EV_PANICKED,
	LIFE_EV_WATCHDOG,
	LIFE_EV_MIGRATE_IN,
	LIFE_EV_MIGRATE_OUT,
	LIFE_EV_MIGRATE_CANCELLED,
	LIFE_EV_MIGRATED,
	LIFE_EV_STOPPED,
	LIFE_EV_RELEASE,
	LIFE_EV_RECONNECT,
	// From the switch itself.
	LIFE_EV_ATTACH,	   // QEMU is connected to a port
	LIFE_EV_DETACH,	   // to none any more
	LIFE_EV_DRIVER_UP, // the guest's driver runs
	LIFE_EV_DRIVER_DOWN,
	LIFE_EV_SEEN_HERE,	// its MAC was heard at its own port
	LIFE_EV_SEEN_ELSEWHERE, // its MAC was heard at an uplink
	LIFE_N_EVENTS,
};

// What a transition asks to be done, besides telling subscribers.
enum life_do {
	LIFE_DO_BOOT = 1 << 0,	   // it boots from now on: class boot, a new timeline
	LIFE_DO_QUIET = 1 << 1,	   // its ports take nothing from it from now on
	LIFE_DO_SPEAK = 1 << 2,	   // its ports take frames from it again
	LIFE_DO_RELEASE = 1 << 3,  // the provider's release, and a transient VM is forgotten
	LIFE_DO_PROVIDER = 1 << 4, // the provider's prepare
	LIFE_DO_FLUSH = 1 << 5,	   // learnt storage sessions of it end
};

struct life {
	uint8_t state;	       // enum life_state
	bool attached, driver; // as the switch sees it
	bool paused;	       // as it was told last
	uint32_t run;	       // grows with each start: what is said of an earlier one is late
};

// A zeroed *l is defined, and never ran.
// returns  bits of enum life_do; *l is the new state
uint32_t life_step(struct life *l, enum life_event ev);

const char *life_state_name(enum life_state s); // as in YANG: "running"
const char *life_event_name(enum life_event e); // "migrate-in"
// returns the event, or -1
int life_event_find(const char *name);
int life_state_find(const char *name);

#endif
