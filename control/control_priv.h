// Inside of the control room: the daemon's one object on the main thread.
#ifndef CONTROL_PRIV_H
#define CONTROL_PRIV_H

#include <ev.h>
#include <limits.h>

#include "boot_responder.h"
#include "boot_timeline.h"
#include "cfg_config.h"
#include "cfg_json.h"
#include "cfg_netconf.h"
#include "dp_switch.h"
#include "life.h"
#include "qos_phase.h"

struct ctl_boot;     // boot_thread.c
struct ctl_server;   // server.c
struct ctl_netconf;  // netconf.c
struct ctl_persist;  // persist.c
struct ctl_file;     // boot_files.c
struct ctl_clear;    // clear.c
struct ctl_storage;  // storage.c
struct ctl_metrics;  // metrics_http.c
struct ctl_registry; // registry.c
struct ctl_qmp;	     // qmp.c
struct ctl_provide;  // provider.c
struct ctl_http;     // boot_listen.c
struct ctl_http_change;
struct ctl_of_numbers; // of_numbers.c
struct ctl_of;	       // of_service.c
struct ctl_of_channel; // of_channel.c
struct dp_of;
struct of_agent;
struct ctl_of; // of_service.c
struct dp_of;
struct of_agent;

#define CTL_VM_EVENTS 48
#define CTL_VM_CHAINS 1024 // a power of two

// The life of a VM as its operator reads it.
struct ctl_vm_event {
	uint64_t ns;
	char text[112];
};

// Frames of its first card that were dropped while a boot went on.
struct ctl_vm_drops {
	uint64_t n, most; // all; those of the most frequent reason
	uint8_t reason;	  // which one
};

// One boot; times are on the clock of dp_switch_now_ns().
struct ctl_vm_boot {
	struct boot_timeline t;
	struct ctl_vm_drops drops;
};

#define CTL_VM_BOOTS 2 // kept

struct ctl_vm {
	struct ctl_vm *next;
	char name[32];
	bool attached, connected;
	bool starts;		  // attached, and its driver has not been seen yet
	uint32_t gen, n_attaches; // of the port when the timeline began
	uint32_t life_attaches;	  // of all its ports, as they were told to its life
	uint8_t mac_at[CFG_NICS]; // enum dp_mac_at of each, as its life was told
	uint64_t storage_rx_pkts; // when the timeline began
	bool storage_seen;
	// vm_boot.c
	uint32_t n_boots;			// since the switch started, or it was configured
	struct ctl_vm_boot boots[CTL_VM_BOOTS]; // boots[0] is the last one
	uint64_t drops_from[DP_N_DROPS];	// what was counted when it began
	uint8_t result; // enum boot_result of boots[0] that was counted last
	uint32_t n_events;
	struct ctl_vm_event events[CTL_VM_EVENTS];
};

// Boots since the switch started.
#define CTL_BOOT_BUCKETS 12
struct ctl_boot_hist {
	uint64_t n, sum_ns, bucket[CTL_BOOT_BUCKETS]; // bucket[i]: below 2^(i - 3) s
};

struct ctl_boot_counts {
	uint64_t results[BOOT_N_RESULTS]; // a boot may be stuck, and have booted then
	struct ctl_boot_hist took, stages[BOOT_N_MARKS]; // whole; to each mark, from the one before
	uint64_t discover_repeats, tftp_repeats, tftp_failed, http_failed;
	uint64_t tftp_bytes, http_bytes;
};

struct ctl {
	struct ev_loop *loop;
	const char *config_path, *socket_path;
	char state_dir[PATH_MAX];		     // of the commits
	const struct dp_link_driver *const *drivers; // NULL-terminated; NULL = the real ones
	struct cfg_schema *schema;
	struct cfg *running;
	struct dp_switch *sw;
	struct ctl_boot *boot;
	struct ctl_server *server;
	struct ctl_netconf *netconf;
	struct ctl_persist *persist; // NULL: nothing is kept (tests)
	struct cfg_store *store;
	uint32_t file_crc; // of the operator's file when it was read last
	bool has_file_crc;
	bool roll_back; // start with the n-th commit before the newest, whatever the file says
	uint32_t roll_back_n;
	bool unasked;	   // a commit under way is nobody's wish: a start, or a roll back
	const char *first; // where the first configuration came from; "" = a commit that is kept
	uint64_t first_id; // of the commit that it was; 0 = the file
	struct ctl_vm *vms[CTL_VM_CHAINS]; // by name
	struct ctl_boot_counts boots;
	struct ctl_file *files;
	struct ctl_clear *clear;	     // NULL: nothing was cleared yet
	struct ctl_storage *storage;	     // NULL: not started (tests)
	struct ctl_metrics *metrics;	     // NULL: not served
	struct ctl_http *http;		     // where boot files are served by HTTP
	struct ctl_http_change *http_change; // of a commit under way
	const char *loaders_dir;	     // NULL = that of Debian's package ipxe
	struct ctl_of_numbers *of_numbers;   // NULL: OpenFlow was never on
	struct ctl_of *of;		     // NULL: OpenFlow is off
	struct dp_of *of_going;		     // was switched off: until no worker sees it
	uint64_t of_gone_at;		     // the version with which it is settled
	bool of_stays;			     // it is still in force, for want of memory
	struct ctl_registry *registry;
	struct ctl_qmp *qmp;
	struct ctl_provide *provide;
	bool hugepages, eal_started;
	struct cfg_system fixed; // what the process started with
	uint32_t worker_cpus[DP_MAX_WORKERS];
	uint64_t files_stamp; // of the boot files that are served
	uint64_t started_ns, vms_generation;
	int64_t started_s; // CLOCK_REALTIME at started_ns
	uint32_t vm_next;  // to be looked at
	// What subscribers were told of a port's link; events.c.
	struct ctl_port_seen {
		uint32_t gen;
		bool up;
	} ports_seen[DP_MAX_PORTS];
	uint32_t port_next;
	bool ports_heard;
};

// --- apply.c

// Called between prepare and commit: what it writes must be there before the change is. returns 0,
// or a negative errno with err filled: nothing changes
struct ctl_save {
	int (*fn)(void *arg, struct cfg_error *err);
	void *arg;
};

// Bring `next` into force (the switch owns it on success). With dry_run the plan
// is written and rehearsed: what would be refused is refused, and nothing is touched.
// plan_text: one line per action, newline-terminated, may be NULL; free() it.
// returns 0, or a negative errno with err filled and the running configuration untouched
int ctl_apply(struct ctl *c, struct cfg *next, bool dry_run, char **plan_text,
	      struct cfg_error *err);
int ctl_apply_saved(struct ctl *c, struct cfg *next, const struct ctl_save *save,
		    struct cfg_error *err);
// A whole file of at most 8 MiB. text: NUL-terminated, free(); -ENOENT and others with err filled
int ctl_text_read(const char *path, char **text, struct cfg_error *err);

// --- translate.c, and boot_table.c of what guests boot: configuration becomes parameters nowhere
// else

int ctl_translate(const struct cfg *running, const struct cfg *next, const struct cfg_action *a,
		  int n, struct dp_plan *plan);
// translate_port.c
void ctl_port_params(const struct cfg *cfg, const struct cfg_port *p, struct dp_port_params *o);
// Driver and arguments of a port's link. vhost_net: the kernel serves taps by /dev/vhost-net
void ctl_port_link(const struct cfg_port *p, bool vhost_net, struct dp_port_params *o);
// Does a VM own the port? A guest port without one has a name made up for its policy.
bool ctl_has_vm(const struct dp_port_params *p);
// What a switch without any configuration has to be told: the classes.
int ctl_translate_first(const struct cfg *empty, struct dp_plan *plan);
// A boot table of `cfg` as the ports stand now; files are read. returns 0, or negative with err
// filled
int ctl_boot_table(struct ctl *c, const struct cfg *cfg, struct boot_table **out,
		   struct cfg_error *err);
// Fill in what is known only after the commit: port indexes and the service MAC.
void ctl_boot_table_bind(const struct ctl *c, const struct cfg *cfg, struct boot_table *t);

struct qos_learn;
// The portals from which a VM boots: its iSCSI target's, its NFS server's. returns how many
#define CTL_BOOT_PORTALS 4
uint32_t ctl_boot_portals(const struct cfg_vm *vm, struct qos_portal out[CTL_BOOT_PORTALS]);
// What counts as storage, as actions of a plan. returns 0 or -ENOMEM
int ctl_translate_storage(const struct cfg *cfg, struct dp_plan *plan);
// A table of all that counts: declared portals, servers, and what was learnt (may be NULL) from
// those who are listed. returns 0 and *out, or -ENOMEM
int ctl_portals_build(const struct cfg *cfg, const struct qos_learn *learn,
		      struct qos_portals **out);
// The same for a plan, if it replaces the portals: what was learnt follows what is declared.
// returns 0 or -ENOMEM
int ctl_translate_learnt(const struct qos_learn *learn, struct dp_plan *plan);
// Policy of a VM, its shares in class storage multiplied (at most QOS_SCHED_MAX_SHARES).
void ctl_translate_vm(const struct cfg_vm *vm, uint32_t boost, struct dp_vm_params *out);

// --- boot_files.c

// One file for a boot table; read only when it changed. returns 0, or a negative errno with err
// filled
int ctl_boot_file(struct ctl *c, const struct cfg_file *from, struct boot_file *out,
		  struct cfg_error *err);
// Boot loaders of Debian's package ipxe, by number. returns NULL = there are no more
#define CTL_LOADERS 3u
const char *ctl_loader_name(size_t i);
// Where it is, if it is installed. returns 0, or -ENAMETOOLONG
int ctl_loader_path(const struct ctl *c, size_t i, char *out, size_t size);
// As ctl_boot_file(). returns 0, or a negative errno: it is not installed
int ctl_loader_file(struct ctl *c, size_t i, struct boot_file *out);
// Hold the bytes of a file beyond its table, until ctl_boot_file_drop(f->owner). returns false = it
// has none to hold. thread: that of the table
bool ctl_boot_file_hold(const struct boot_file *f);
void ctl_boot_file_drop(void *owner);
// After the last table was freed.
void ctl_boot_files_free(struct ctl *c);

// --- boot_thread.c

int ctl_boot_start(struct ctl *c);
void ctl_boot_stop(struct ctl *c);
// Hand a table to the boot thread.
void ctl_boot_set(struct ctl *c, struct boot_table *t);
// Without a thread (tests): one round of punts and timers.
void ctl_boot_poll(struct ctl *c, uint64_t now_ns);
// returns how many replies found the ring to their worker full
uint64_t ctl_boot_counters(struct ctl *c, struct boot_counters *out);

// --- boot_listen.c: where boot files are served by HTTP

// A change of that, on its way. prepare: 0 or -ENOMEM; what cannot be served is no failure. Then
// one of commit and abort, once.
int ctl_http_prepare(struct ctl *c, const struct cfg *next);
void ctl_http_commit(struct ctl *c);
void ctl_http_abort(struct ctl *c);
void ctl_http_stop(struct ctl *c);
// Will guests of this service get files by HTTP?
bool ctl_http_serves(const struct ctl *c, const struct cfg *cfg, const struct cfg_service *s);

struct ctl_http_place {
	char name[24];
	bool served;
	char text[192]; // where, or why not
};
// returns false = there is no i-th service
bool ctl_http_state(const struct ctl *c, uint32_t i, struct ctl_http_place *out);

// --- vm.c

void ctl_vm_event(struct ctl *c, const char *vm, uint64_t ns, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
// It uses storage; the first time of a boot is told.
void ctl_vm_storage(struct ctl *c, const char *vm, uint64_t ns);
// Notice guests that came or went, and first storage frames. Call every few ms.
void ctl_vm_watch(struct ctl *c, uint64_t now_ns);
const struct ctl_vm *ctl_vm_find(const struct ctl *c, const char *name);
// The same, to write; made where there is none. NULL = out of memory
struct ctl_vm *ctl_vm_get(struct ctl *c, const char *name);
void ctl_vms_free(struct ctl *c);
// What is seen of its ports now, as events of its life.
void ctl_vm_look(struct ctl *c, const struct cfg_vm *vm);
// It boots: what was told of the last boot goes.
void ctl_vm_timeline_begin(struct ctl *c, const char *vm);
// Its ports take nothing from it from now on, or again.
void ctl_vm_quiet(struct ctl *c, const char *vm, bool quiet);

// --- vm_boot.c: timelines of boots, boot_timeline.h

// What the responder did for a VM.
void ctl_vm_boot_event(struct ctl *c, const char *vm, const struct boot_event *e);
// Its boot came so far.
void ctl_vm_boot_mark(struct ctl *c, const char *vm, enum boot_mark m, uint64_t ns);
// Called by ctl_storage_edge, for all that begins or ends a boot or leads it on.
void ctl_vm_boot_edge(struct ctl *c, const char *vm, enum qos_edge edge, uint64_t ns);
// The switch started anew, not the machine.
void ctl_vm_boot_resumed(struct ctl *c, struct ctl_vm *v, uint64_t ns);
// Count and tell what came of it. Call whenever the VM is looked at.
void ctl_vm_boot_watch(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v, uint64_t now_ns);
// What is to be said of a boot now; of the last one, where b is v->boots.
void ctl_vm_boot_verdict(const struct ctl *c, const struct cfg_vm *vm, const struct ctl_vm_boot *b,
			 uint64_t now_ns, struct boot_verdict *out);
// Drops of the last boot so far.
struct ctl_vm_drops ctl_vm_boot_drops(const struct ctl *c, const struct cfg_vm *vm,
				      const struct ctl_vm *v);

// --- show_boot.c

// Member of an open VM: its boots.
void ctl_show_boots(struct ctl *c, const struct cfg_vm *vm, struct cfg_json *j);

// --- registry.c: VMs as they live, configured ones and transient ones of hooks

// Something became of a VM; may be told twice, or late. source: "vhost", "qmp", "libvirt", ..
// returns 0, or -ENOENT: there is no VM of that name
int ctl_vm_life(struct ctl *c, const char *vm, enum life_event ev, const char *source);
// NULL = there is no such VM.
const struct life *ctl_vm_life_get(const struct ctl *c, const char *vm);
// After the first commit: what was kept is in force again. returns 0 or -ENOMEM
int ctl_registry_start(struct ctl *c);
void ctl_registry_stop(struct ctl *c);
// What is due. Call every few ms, not while the running configuration is walked.
void ctl_registry_poll(struct ctl *c, uint64_t now_ns);
// The operations vm-prepare, vm-release, vm-event (cfg_host).
int ctl_vm_prepare(struct ctl *c, const struct cfg_vm_ask *ask, struct cfg_vm_ready *out,
		   struct cfg_error *err);
int ctl_vm_release(struct ctl *c, const struct cfg_vm_ask *ask, struct cfg_error *err);
int ctl_vm_tell(struct ctl *c, const struct cfg_vm_ask *ask, const char *event,
		struct cfg_error *err);
// Members of an open object: what is known of its life.
void ctl_vm_life_show(const struct ctl *c, const struct cfg_vm *vm, struct cfg_json *j);

// --- provider.c: programs that make disks and directories to boot from

// How it ended. rc: 0, or a negative errno with err filled. answer: RFC 7951 JSON of the members of
// weir-vm:vms/vm/boot that it gave; NULL for a release.
struct ctl_provided {
	int rc;
	const char *answer;
	struct cfg_error err;
};

struct ctl_provider_call {
	const char *name, *uuid; // of the VM
	const char *image;
	const struct cfg_provider *provider;
	bool prepare; // else release
	// Called once, on the main thread, after ctl_provider_run has returned.
	void (*done)(void *arg, const struct ctl_provided *p);
	void *arg;
};

// returns 0 and *id (for cancel), or a negative errno with err filled: done is not called then
int ctl_provider_run(struct ctl *c, const struct ctl_provider_call *call, uint32_t *id,
		     struct cfg_error *err);
// Nobody waits for it any more: it is ended, and done is not called.
void ctl_provider_cancel(struct ctl *c, uint32_t id);
void ctl_providers_stop(struct ctl *c);

// --- qmp.c: what QEMU says of its guests

// Follow the monitors of VMs that are attached, or were prepared. Call every 10 ms.
void ctl_qmp_watch(struct ctl *c, uint64_t now_ns);
void ctl_qmp_stop(struct ctl *c);

// --- events.c: notifications

void ctl_event_vm(struct ctl *c, const char *vm, const char *text);
// Look for links that came or went. Call every few ms.
void ctl_event_ports(struct ctl *c);

// --- storage.c and its parts (storage.h)

int ctl_storage_start(struct ctl *c, struct cfg_error *err);
void ctl_storage_stop(struct ctl *c);
// Take what workers told, and do what is due. Call every few ms.
void ctl_storage_poll(struct ctl *c, uint64_t now_ns);
// What was learnt goes into a plan that replaces the portals. returns 0 or -ENOMEM
int ctl_storage_plan(const struct ctl *c, struct dp_plan *plan);
// c->running is in force.
void ctl_storage_committed(struct ctl *c);
// Forget a learnt portal, or all of them (NULL). returns how many
uint32_t ctl_storage_forget(struct ctl *c, const struct qos_portal *p);
// Its boot began anew: the next login and the next command are its first.
void ctl_storage_anew(struct ctl *c, const char *vm);
// Something happened in the life of a VM.
void ctl_storage_edge(struct ctl *c, const char *vm, enum qos_edge edge, uint64_t ns);

// --- show_storage.c

// vm       "" = all of them
void ctl_show_storage(struct ctl *c, const char *vm, struct cfg_json *j);
void ctl_show_portals(struct ctl *c, struct cfg_json *j);
// Member of an open answer: the portal that made the class of this frame, if one did.
void ctl_explain_portal(const struct ctl *c, const struct dp_verdict *v, const uint8_t *frame,
			struct cfg_json *j);

// --- metrics.c: OpenMetrics text; metrics_http.c serves it

// returns 0 and *text (free()), *size without its NUL; -ENOMEM
int ctl_metrics_text(struct ctl *c, char **text, size_t *size);

// A change of who listens where, on its way. prepare may fail, with err filled: nothing changed.
// Then one of commit and abort, once.
struct ctl_metrics_change;
// Would it be accepted? Touches nothing that is served.
int ctl_metrics_rehearse(const struct ctl *c, const struct cfg *next, struct cfg_error *err);
int ctl_metrics_prepare(struct ctl *c, const struct cfg *next, struct ctl_metrics_change **out,
			struct cfg_error *err);
void ctl_metrics_commit(struct ctl *c, struct ctl_metrics_change *ch);
void ctl_metrics_abort(struct ctl *c, struct ctl_metrics_change *ch);
void ctl_metrics_stop(struct ctl *c);

// --- of_service.c: OpenFlow

struct ctl_of_change;
// As ctl_metrics_rehearse() and its sisters.
int ctl_of_rehearse(const struct ctl *c, const struct cfg *next, struct cfg_error *err);
int ctl_of_prepare(struct ctl *c, const struct cfg *next, struct ctl_of_change **out,
		   struct cfg_error *err);
// Do the files of TLS hold something else than when they were read? The plan tells of it.
bool ctl_of_is_renewed(const struct ctl *c, const struct cfg *next);
// h and what stat() says of the file, in one number: another one when it was written or replaced.
uint64_t ctl_stamp_add(uint64_t h, const char *path);
// ch may be NULL: ports changed, which the agent sees before this returns.
void ctl_of_commit(struct ctl *c, struct ctl_of_change *ch);
void ctl_of_abort(struct ctl *c, struct ctl_of_change *ch);
// What was switched off goes when it can; without a loop (tests), the agent's time too. Call every
// few ms.
void ctl_of_poll(struct ctl *c, uint64_t now_ns);
// Connections and agent, while workers may run; then the tables and numbers, when none does.
void ctl_of_stop(struct ctl *c);
void ctl_of_free(struct ctl *c);
// NULL = it is off.
struct of_agent *ctl_of_agent(const struct ctl *c);
struct dp_of *ctl_of_tables(const struct ctl *c);
// The walk of a frame through the tables, as member "openflow"; nothing when OpenFlow is off.
void ctl_explain_of(struct ctl *c, uint32_t of_port, const uint8_t *frame, size_t size,
		    struct cfg_json *j);
// NULL = it is off, or there is no loop.
const struct ctl_of_channel *ctl_of_channel_now(const struct ctl *c);
void ctl_show_openflow(struct ctl *c, struct cfg_json *j);

// --- server.c: the UNIX socket of local tools

int ctl_server_start(struct ctl *c, struct cfg_error *err);
void ctl_server_stop(struct ctl *c);
// Close the connections of sessions that were killed.
void ctl_server_reap(struct ctl *c);

// --- netconf.c: NETCONF sessions, on netconf.sock beside the socket of local tools

int ctl_netconf_start(struct ctl *c, struct cfg_error *err);
void ctl_netconf_stop(struct ctl *c);
// Sessions have something to say: it is sent before the loop waits again. Call after whatever may
// have told subscribers something; safe anywhere on the main thread.
void ctl_netconf_flush(struct ctl *c);

// --- commit.c: the configuration store and its host: commits go to the disk and into force

// Take the state directory, and find what the daemon starts with: the newest commit, or the
// operator's file where that was changed since. text: free(); *missing: there is neither
int ctl_commit_open(struct ctl *c, char **text, bool *missing, struct cfg_error *err);
// Bring that into force. returns 0, or a negative errno with err filled
int ctl_commit_first(struct ctl *c, const char *text, struct cfg_error *err);
// That failed: say in the log how to start all the same.
void ctl_commit_advise(const struct ctl *c);
void ctl_commit_close(struct ctl *c);
// Load the operator's file again, if it was changed since it was read last. plan_text as in
// ctl_apply.
int ctl_reload(struct ctl *c, bool dry_run, char **plan_text, struct cfg_error *err);

// --- ops.c, show.c

// Answer one request with one JSON document. Tap requests are the server's own.
void ctl_answer(struct ctl *c, const struct cfg_request *r, struct cfg_json *j);
void ctl_answer_error(struct cfg_json *j, const char *path, const char *value, const char *reason);
void ctl_show(struct ctl *c, const struct cfg_request *r, struct cfg_json *j);

// --- show_qos.c

// vm       "" = all links and VMs
void ctl_show_qos(struct ctl *c, const char *vm, struct cfg_json *j);
// Members of an open answer: whose frame it is, and where it would queue.
void ctl_explain_qos(struct ctl *c, const struct dp_verdict *v, struct cfg_json *j);

// --- clear.c: counters as they are shown, since they were cleared

// port     NULL = all ports, workers, the responder and the forwarding table
// returns  0; -ENOENT or -ENOMEM with err filled
int ctl_clear(struct ctl *c, const char *port, struct cfg_error *err);
void ctl_clear_free(struct ctl *c);
// What the port counted. returns since when, on the clock of dp_switch_now_ns()
uint64_t ctl_port_counts(const struct ctl *c, const struct dp_port_info *p,
			 struct dp_port_totals *out);
void ctl_worker_counts(const struct ctl *c, uint32_t id, struct dp_worker_info *out);
// As ctl_boot_counters().
uint64_t ctl_responder_counts(struct ctl *c, struct boot_counters *out);
void ctl_mac_counts(const struct ctl *c, uint64_t *evictions, uint64_t *moves);

// --- eal.c

struct ctl_eal {
	bool no_huge, hugepages;
	uint32_t n_workers, worker_lcores[DP_MAX_WORKERS], worker_cpus[DP_MAX_WORKERS];
};
int ctl_eal_init(const struct cfg_system *s, struct ctl_eal *e, struct cfg_error *err);

// --- core.c: the parts above put together, for the daemon and for tests

int ctl_switch_create(struct ctl *c, const struct cfg_system *s, const struct ctl_eal *e,
		      struct cfg_error *err);

#endif
