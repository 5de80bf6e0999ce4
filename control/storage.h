// Storage awareness on the main thread: what workers tell of storage flows becomes telemetry,
// learnt portals, phases of boots and decisions for targets. The algorithms are qos/'s
// (qos_storage.h, qos_learn.h, qos_phase.h, qos_slo.h); here they get their events, their clock and
// their effect.
//
// thread: main
#ifndef CTL_STORAGE_H
#define CTL_STORAGE_H

#include "control_priv.h"
#include "dp_qos_info.h"
#include "dp_storage.h"
#include "qos_learn.h"
#include "qos_phase.h"
#include "qos_slo.h"
#include "qos_storage.h"
#include "weir_log.h"

#define CTL_DECISIONS 256
#define CTL_SLO_WINDOW_NS 10000000000ull

// What was measured of a VM so far, as totals; a window is the difference of two.
struct ctl_slo_mark {
	uint64_t ns;
	uint64_t held_ns, parked; // by its own limits
	uint64_t out_ns, in_ns;	  // in the switch's queues, of all commands
	uint64_t unmeasured;	  // of them
	uint64_t oldest_ns;	  // when the oldest command without an answer was sent; 0 = none
	struct qos_hist took;	  // reads and writes, at all portals
};

// A VM with a target.
struct ctl_slo_vm {
	char name[32];
	struct qos_slo slo;
	struct ctl_slo_mark begin;	     // of the window; ns 0 = none yet
	uint32_t n_samples, n_busy, n_stuck; // of the window: the uplink, the guest
	char text[QOS_SLO_TEXT];	     // the last decision
};

struct ctl_decision {
	uint32_t id; // grows
	int64_t time_s;
	char vm[32], text[QOS_SLO_TEXT];
};

struct ctl_storage {
	struct ctl *ctl;
	int64_t (*wall_s)(void); // CLOCK_REALTIME; tests have one of their own
	struct qos_storage *watch;
	struct qos_learn *learn;
	struct qos_phases *phases;
	struct cfg_storage conf; // in force
	bool configured;
	uint64_t now_ns; // of this call of ctl_storage_poll
	uint64_t generation;
	struct weir_limit log_refused, log_learnt, log_file;

	// storage.c. flows: connection + 1, 0 = none, of each worker's flow.
	int32_t *flows;	    // flows[DP_MAX_WORKERS * DP_STORAGE_FLOWS]
	uint16_t *flow_vms; // of the same: whose requests they are, 0 = nobody's
	bool *io_told;	    // io_told[DP_QOS_VMS]: the first command of its boot was seen
	uint64_t n_events;
	bool table_stale; // portals were learnt or forgotten since it was built
	bool table_extra; // workers entered some that were refused
	uint64_t table_ns, second_ns, minute_ns;
	char (*vm_names)[DP_VM_NAME]; // vm_names[DP_QOS_VMS], by index; empty = nobody's

	// storage_file.c
	bool file_stale, file_aged; // portals, or only when they were seen
	uint64_t file_ns, file_retry_ns;

	// storage_phase.c
	uint64_t phase_ns, bytes_ns;
	uint32_t bytes_next; // of the machines that boot
	struct ctl_vm_bytes {
		uint64_t seen, total; // by its ports' counters; since ever
	} * vm_bytes;		      // vm_bytes[DP_QOS_VMS]

	// storage_slo.c
	struct ctl_slo_vm *slo; // slo[n_slo], by name
	uint32_t n_slo, slo_next;
	uint64_t sample_ns;
	bool shares_stale;	       // a boost is not in force
	uint16_t shared[DP_MAX_PORTS]; // uplinks and host ports
	uint32_t n_shared;
	struct ctl_decision decisions[CTL_DECISIONS]; // decisions[id % CTL_DECISIONS]
	uint32_t n_decisions;			      // ever; ids are 1..n
};

// --- storage.c

// One event of a worker. For tests, too: they have no worker that could tell.
void ctl_storage_event(struct ctl_storage *s, const struct dp_storage_event *e);
// Events as dp_switch_storage_events gives them: of one worker after the other.
void ctl_storage_merge(struct ctl_storage *s, const struct dp_storage_event *e, uint32_t n);
// The wall clock at ns of dp_switch_now_ns().
int64_t ctl_storage_time(const struct ctl *c, uint64_t ns);
// Name of a VM's index; "-" = nobody's. good until the next call of ctl_storage_poll
const char *ctl_storage_vm_name(const struct ctl_storage *s, uint16_t vm_idx);
// Address for people and YANG: IPv4 where it is mapped. returns buf
#define CTL_ADDR_TEXT 46
const char *ctl_addr_text(const struct qos_addr *a, char buf[CTL_ADDR_TEXT]);

// --- storage_file.c: learnt portals in the state directory

#define CTL_LEARNT_FILE "portals.learnt"
void ctl_storage_file_read(struct ctl_storage *s);
// When it is time to, or at the end (now).
void ctl_storage_file_write(struct ctl_storage *s, bool now);

// --- storage_phase.c

int ctl_phase_create(struct ctl_storage *s);
void ctl_phase_configure(struct ctl_storage *s);
void ctl_phase_poll(struct ctl_storage *s);
// An edge of a machine's boot that storage shows.
void ctl_phase_edge(struct ctl_storage *s, uint16_t vm_idx, enum qos_edge e, uint64_t ns);
void ctl_phase_login(struct ctl_storage *s, const struct qos_login *login);
void ctl_phase_forget(struct ctl_storage *s, uint16_t vm_idx);

// --- storage_slo.c

void ctl_slo_configure(struct ctl_storage *s);
void ctl_slo_poll(struct ctl_storage *s);
const struct ctl_slo_vm *ctl_slo_find(const struct ctl_storage *s, const char *vm);

#endif
