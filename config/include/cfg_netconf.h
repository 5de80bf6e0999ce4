// NETCONF (RFC 6241) without sockets: datastores, and sessions that turn bytes into bytes.
//
// A store holds the running and the candidate configuration as YANG trees. A session takes what its
// client sent and appends what is to be sent back. What must be done when a configuration is
// committed is not known here: the store calls back with the typed configuration, and the commit
// stands or falls with the answer.
//
//	cfg_store_create(schema, commit, arg, &store);
//	cfg_store_load(store, json, size, &err);		// the file that is running
//	cfg_session_create(store, 1, "root", &s);
//	cfg_session_input(s, bytes, n); ... cfg_session_output(s, &n) ... cfg_session_sent(s, n);
//
// What is there: hello, base:1.0 and 1.1, get-config, edit-config, validate, commit,
// discard-changes, lock, unlock, close-session, kill-session, on running (read) and candidate. What
// is not there yet is answered operation-not-supported: confirmed commit, startup, copy-config,
// filters, with-defaults, get, notifications, NACM. Thread: one for a store and all its sessions.
#ifndef CFG_NETCONF_H
#define CFG_NETCONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cfg_config.h"

struct cfg_store;
struct cfg_session;

// Bring a configuration into force. It is the callee's when it returns 0.
// returns 0, or a negative errno with err filled
typedef int (*cfg_commit_fn)(void *arg, struct cfg *next, const char *user, struct cfg_error *err);

int cfg_store_create(struct cfg_schema *schema, cfg_commit_fn commit, void *arg,
		     struct cfg_store **out);
void cfg_store_destroy(struct cfg_store *s);

// What runs was loaded from elsewhere (a file). The candidate follows when nobody has changed it.
// returns 0; -EINVAL with err filled; the store stays as it was
int cfg_store_load(struct cfg_store *s, const char *json, size_t size, struct cfg_error *err);

// id: of the session, not 0, not in use. user: for the log
int cfg_session_create(struct cfg_store *s, uint32_t id, const char *user,
		       struct cfg_session **out);

// Ends it: its locks are released, a candidate that it changed and did not commit is discarded with
// its lock.
void cfg_session_destroy(struct cfg_session *s);

// Take bytes of the client. Everything that can be answered is answered.
void cfg_session_input(struct cfg_session *s, const char *data, size_t size);

// Bytes for the client: *size of them, valid until the next call.
const char *cfg_session_output(const struct cfg_session *s, size_t *size);
void cfg_session_sent(struct cfg_session *s, size_t size);

// The session has ended: send what is left, then close.
bool cfg_session_ended(const struct cfg_session *s);

// A session that another one asked to be ended, or 0. Asking takes it off the list.
uint32_t cfg_store_killed(struct cfg_store *s);

#endif
