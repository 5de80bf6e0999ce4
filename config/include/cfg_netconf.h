// Configuration datastores and the sessions that work on them, without sockets: bytes to bytes.
//
// A store holds running, candidate and startup as YANG trees. A session is one client's: NETCONF
// (RFC 6241) messages through cfg_session_input(), or JSON requests of a local tool through
// cfg_session_json(). Both reach the same table of operations (rpc.c). What must be done when a
// configuration is committed is not known here: the store asks its host, and the commit stands or
// falls with the answer.
//
//	cfg_store_create(schema, &host, &store);
//	cfg_store_load(store, json, size, &err);		// what runs
//	cfg_session_create(store, &client, &s);
//	cfg_session_input(s, bytes, n); ... cfg_session_output(s, &n) ... cfg_session_sent(s, n);
//
// After any call that takes a store or a session, other sessions too may have output or have ended:
// notifications, kill-session.
//
// Every commit is durable: running survives a restart, and startup is what the next start loads. It
// follows running, except while a confirmed commit waits.
//
// Departures: edits go to the candidate only (no writable-running); url is not supported; a
// subscription has no replay; an edit-config that names no test-option is not validated (a
// candidate may be incomplete between edits; its commit is validated always). Thread: one for a
// store and all its sessions.
#ifndef CFG_NETCONF_H
#define CFG_NETCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfg_config.h"
#include "cfg_record.h"

struct cfg_store;
struct cfg_session;

// One commit, as the host is asked to bring it into force.
struct cfg_commit {
	struct cfg *next; // typed; the host's when it returns 0
	const char *json; // the same as RFC 7951, as it was written
	size_t size;
	const char *user, *client, *comment;
	uint32_t session; // 0 = nobody's
	// How long it waits for its confirmation; NULL = it is final, and nothing waits any more.
	const struct cfg_wait *wait;
};

struct cfg_wait {
	uint64_t deadline_ms, timeout_ms; // since 1970
	const char *persist_id;		  // empty = bound to the session
	uint32_t session;
};

// Parts of the operational state.
enum cfg_state {
	CFG_STATE_PORTS = 1 << 0,
	CFG_STATE_MACS = 1 << 1,
	CFG_STATE_VMS = 1 << 2,
	CFG_STATE_SYSTEM = 1 << 3,
	CFG_STATE_QOS = 1 << 4,
	CFG_STATE_STORAGE = 1 << 5, // all of storage-state
	CFG_STATE_OPENFLOW = 1 << 6,
};

// What QEMU or libvirt has to be told to start a machine.
struct cfg_launch {
	const char *vm, *user;
	bool libvirt;	  // a domain in XML, else arguments of QEMU
	bool accelerated; // KVM works, for machines that leave it open
	char *text;	  // out: XML, or n_args arguments one behind the other, each with its NUL
	uint32_t n_args;  // out
};

// Who tells what of a machine.
struct cfg_vm_ask {
	const char *vm, *source, *user;
	const char *definition; // of vm-prepare: one element of weir-vm:vms/vm, RFC 7951; or NULL
	bool incoming;		// of vm-prepare
};

// How far a machine's preparation is.
struct cfg_vm_ready {
	bool ready;
	uint32_t n_ports;
	struct {
		char name[CFG_PORT_NAME], socket[256];
		uint8_t mac[6];
		uint16_t queues, mtu;
	} ports[CFG_NICS];
};

struct cfg_host {
	void *arg;
	// All or nothing: durable and in force, or nothing has changed. returns 0, or a negative
	// errno with err filled
	int (*commit)(void *arg, const struct cfg_commit *c, struct cfg_error *err);
	// Write what the next start loads, without running it; c->next is not looked at.
	int (*save)(void *arg, const struct cfg_commit *c, struct cfg_error *err);
	// The commit that waits goes on waiting, as said now; nothing else changes.
	int (*extend)(void *arg, const struct cfg_commit *c, struct cfg_error *err);
	// The commit that waits is confirmed as it is.
	int (*confirm)(void *arg, struct cfg_error *err);
	// What commit would do: one line per action. text: free()
	int (*plan)(void *arg, const struct cfg *next, char **text, struct cfg_error *err);
	// The n-th commit before the newest. json may be NULL; free() it.
	// returns 0; -ENOENT: there is none; negative errno with err filled
	int (*history)(void *arg, uint32_t n, struct cfg_commit_head *head, char **json,
		       struct cfg_error *err);
	// The operational state, RFC 7951, after our modules. json: free()
	// parts: enum cfg_state
	int (*state)(void *arg, uint32_t parts, char **json, struct cfg_error *err);
	uint64_t (*now_ms)(void *arg); // since 1970
	// Counters begin anew: of this port, or all (NULL). returns 0; negative errno with err
	// filled
	int (*clear)(void *arg, const char *port, const char *user, struct cfg_error *err);
	// A machine begins to boot, or has booted. returns 0; negative errno with err filled.
	// May be NULL, as may forget: then nobody can ask for it.
	int (*vm_boot)(void *arg, const char *vm, bool begin, const char *user,
		       struct cfg_error *err);
	// Forget a learnt portal (address, port, proto), or all (NULL). *n: how many were.
	// returns 0; negative errno with err filled: the portal is not a learnt one
	int (*forget)(void *arg, const struct cfg_portal *which, const char *user, uint32_t *n,
		      struct cfg_error *err);
	// What a machine is to be started with. returns 0 with l's text (free()) and n_args;
	// negative errno with err filled. May be NULL
	int (*vm_arguments)(void *arg, struct cfg_launch *l, struct cfg_error *err);
	// A machine is to be made ready, has ended, or something became of it (a name of
	// life-event). All of them harm nothing when they are told again. returns 0; negative errno
	// with err filled. May be NULL, all or none
	int (*vm_prepare)(void *arg, const struct cfg_vm_ask *ask, struct cfg_vm_ready *out,
			  struct cfg_error *err);
	int (*vm_release)(void *arg, const struct cfg_vm_ask *ask, struct cfg_error *err);
	int (*vm_event)(void *arg, const struct cfg_vm_ask *ask, const char *event,
			struct cfg_error *err);
};

int cfg_store_create(struct cfg_schema *schema, const struct cfg_host *host,
		     struct cfg_store **out);
void cfg_store_destroy(struct cfg_store *s);

// What runs, once, at the start. returns 0; -EINVAL with err filled; the store stays as it was
int cfg_store_load(struct cfg_store *s, const char *json, size_t size, struct cfg_error *err);

// Replace what runs, through the host, as a commit of `client`: a file was loaded. Changes of the
// candidate stay, on top of the new.
// returns 0; negative errno with err filled, nothing has changed
int cfg_store_replace(struct cfg_store *s, const char *json, size_t size,
		      const struct cfg_commit *who, struct cfg_error *err);

// What runs, as RFC 7951 JSON. returns NULL when memory is short; free()
char *cfg_store_running(const struct cfg_store *s);

// --- The overlay: machines in force that are not configured, and boots that providers answered.
// They are checked together with each configuration, and stand in no datastore.

#define CFG_OVERLAY_TEXT 32768u // longest definition or answer, bytes

struct cfg_overlay_vm {
	const char *name, *source;
	const char *definition; // one element of weir-vm:vms/vm, RFC 7951; NULL = it is configured
	const char *boot;	// members of its boot as its provider answered; NULL = none did
};

// Bring this into force: what runs, and the overlay. next is the host's when it returns 0; else a
// negative errno with err filled.
struct cfg_force {
	void *arg;
	int (*fn)(void *arg, struct cfg *next, struct cfg_error *err);
};

// Lay these over what runs, in place of what was there of the same names, all or none.
// returns 0; -EINVAL or what force says, with err filled: nothing has changed
int cfg_overlay_put(struct cfg_store *s, const struct cfg_overlay_vm *vms, uint32_t n,
		    const struct cfg_force *force, struct cfg_error *err);
// The same for one that goes. One that is not there is gone.
int cfg_overlay_remove(struct cfg_store *s, const char *name, const struct cfg_force *force,
		       struct cfg_error *err);
// Does running have a VM of that name?
bool cfg_overlay_configured(const struct cfg_store *s, const char *name);
// Can this be the configured VM of its name: is the uuid the same, and each MAC address one of its
// cards'? returns 0; -EINVAL with err filled
int cfg_overlay_compare(const struct cfg_store *s, const struct cfg_overlay_vm *vm,
			struct cfg_error *err);
// A configuration (NULL = running) with the overlay, as it would be in force.
// returns 0 and *out; -EINVAL with err filled
int cfg_store_in_force(const struct cfg_store *s, const char *json, struct cfg **out,
		       struct cfg_error *err);

// A confirmed commit of an earlier process waits: what to go back to.
int cfg_store_resume(struct cfg_store *s, const char *backup_json, const struct cfg_wait *wait,
		     struct cfg_error *err);
// Roll back what was not confirmed in time. Call at least once per second.
void cfg_store_tick(struct cfg_store *s);

// Tell subscribers: one notification of our modules as RFC 7951 JSON. One that does not fit the
// modules is our mistake. returns 0, or -EINVAL
int cfg_store_event(struct cfg_store *s, const char *json);
// Does anybody listen?
bool cfg_store_heard(const struct cfg_store *s);

// Who a client is.
struct cfg_client {
	const char *user;
	const char *const *groups; // groups[n_groups], of the operating system
	size_t n_groups;
	bool recovery;	    // root: access control is not asked (RFC 8341 section 3.2)
	const char *client; // by which way: "netconf", "cli"
};

// id: handed out by the store. A NETCONF session has its hello to send.
int cfg_session_create(struct cfg_store *s, const struct cfg_client *client, bool netconf,
		       struct cfg_session **out);

// It ends now: its locks are released, a candidate that it locked is discarded, an unconfirmed
// commit bound to it is rolled back. It takes nothing any more; what it has to say may be sent.
//
// why      termination-reason of RFC 6470: "closed", "timeout", ..
void cfg_session_end(struct cfg_session *s, const char *why);
void cfg_session_destroy(struct cfg_session *s); // ends it, where it has not ended
uint32_t cfg_session_id(const struct cfg_session *s);

// Take bytes of a NETCONF client. Everything that can be answered is answered.
void cfg_session_input(struct cfg_session *s, const char *data, size_t size);
// The same, but at most one message: who sends many at once lets others have their turn.
// returns how many bytes were taken; all of them when the session has ended
size_t cfg_session_take(struct cfg_session *s, const char *data, size_t size);
// A message has begun and not ended.
bool cfg_session_midway(const struct cfg_session *s);

// One request of a local tool, RFC 7951.
//
// answer   out: {"ok":true,"data":{..}} or {"ok":false,"error":{"tag","path","value","reason"}};
//          free()
// returns  0; -ENOTSUP = permitted, but no operation of the store (cfg_request_parse knows it);
//          -ENOMEM
int cfg_session_json(struct cfg_session *s, const char *json, size_t size, char **answer);

// Bytes for the client: *size of them, valid until the next call.
const char *cfg_session_output(const struct cfg_session *s, size_t *size);
void cfg_session_sent(struct cfg_session *s, size_t size);

// The session has ended, or was killed by another: send what is left, then close.
bool cfg_session_ended(const struct cfg_session *s);
// It was killed, or cannot go on: close at once.
bool cfg_session_failed(const struct cfg_session *s);
bool cfg_session_subscribed(const struct cfg_session *s);
// Hellos were exchanged.
bool cfg_session_greeted(const struct cfg_session *s);

#endif
