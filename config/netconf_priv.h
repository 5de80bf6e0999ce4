// What the files of the configuration engine share.
#ifndef NETCONF_PRIV_H
#define NETCONF_PRIV_H

#include <stdio.h>

#include "cfg_frame.h"
#include "cfg_netconf.h"
#include "config_priv.h"

#define NC_NS "urn:ietf:params:xml:ns:netconf:base:1.0"

enum cfg_ds { CFG_RUNNING, CFG_CANDIDATE, CFG_STARTUP, CFG_N_DS };

struct cfg_nacm;
struct cfg_overlay_entry; // overlay.c

struct cfg_store {
	struct cfg_schema *schema;
	struct cfg_host host;
	struct lyd_node *running, *candidate; // without implicit defaults
	char *running_json;		      // running as it was committed
	struct cfg_overlay_entry **overlay;   // overlay[n_overlay], in no datastore
	uint32_t n_overlay;
	uint32_t lock[CFG_N_DS]; // session, 0 = none
	uint64_t locked_ms[CFG_N_DS];
	uint32_t changed_by; // session that changed the candidate last; 0 = as running
	uint32_t last_id;
	struct cfg_session *sessions;
	struct cfg_nacm *nacm; // rules of running; NULL = unreadable
	uint64_t started_ms;
	struct {
		uint32_t in_rpcs, in_bad_rpcs, out_errors, out_notifications, in_sessions,
			bad_hellos, dropped;
	} count;
	// A confirmed commit that waits.
	bool waiting;
	struct lyd_node *backup;
	uint64_t deadline_ms, timeout_ms;
	uint32_t wait_session; // 0 = none: it has a persist_id, or was taken over at the start
	char persist_id[256];
};

struct cfg_session {
	struct cfg_store *store;
	struct cfg_session *next;
	uint32_t id;
	bool netconf, greeted, recovery;
	bool ended, failed; // nothing is taken any more; nothing is sent any more
	bool released;	    // what it held
	bool subscribed;
	const char *end_reason;	 // RFC 6470; NULL = its connection went away
	uint32_t killed_by;	 // session
	struct lyd_node *filter; // of the subscription
	char user[64], client[24];
	char **groups;
	size_t n_groups;
	uint64_t login_ms;
	uint32_t in_rpcs, in_bad_rpcs, out_errors, out_notifications;
	struct cfg_frame in;
	char *out;
	size_t out_size, out_at, out_cap;
};

// One <rpc-error> (RFC 6241 section 4.3). Empty strings are left out.
struct cfg_nc_error {
	const char *tag, *type, *app_tag;
	char path[256], message[384];
	char info[512];	 // XML
	char value[128]; // what was refused, where it is one value
	// Of a text that was loaded or a line: where (line from 1; 0 = nowhere), and which bytes.
	uint32_t line, at, size;
};

// An operation as it was parsed, and its answer as it grows.
struct cfg_call {
	struct cfg_session *s;
	struct cfg_store *store;
	const struct lyd_node *op;
	struct lyd_node *out; // the operation again, with its output
	uint32_t print;	      // LYD_PRINT_WD_*
	struct cfg_nc_error e;
};

// Fill an error. returns -EINVAL
int cfg_nc_refuse(struct cfg_nc_error *e, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
// The same from a refusal of the typed side.
int cfg_nc_refuse_cfg(struct cfg_nc_error *e, const struct cfg_error *err);

// Apply the children of an edit-config's <config> to *tree, all or nothing: on failure *tree is
// what it was. One exception: memory that runs out after the edit was found good can leave a part
// of it, and the answer says "out of memory".
//
// default_op  "merge", "replace" or "none"
// returns     0; -EINVAL with e filled; -ENOMEM
int cfg_edit(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
	     struct cfg_nc_error *e);

enum cfg_edit_op {
	CFG_EDIT_NONE,
	CFG_EDIT_MERGE,
	CFG_EDIT_REPLACE,
	CFG_EDIT_CREATE,
	CFG_EDIT_DELETE,
	CFG_EDIT_REMOVE
};

// Asked about each node of an edit before the datastore is looked at for it: who may neither read
// nor write there must not learn from the answer whether it exists, or what it holds.
//
// n        of the edit: the node, or the one above it if it is opaque; NULL = none is above
// schema   of the node
// returns  0; -EINVAL with e filled
struct cfg_edit_guard {
	void *arg;
	int (*ask)(void *arg, const struct lyd_node *n, const struct lysc_node *schema,
		   enum cfg_edit_op op, struct cfg_nc_error *e);
};

// cfg_edit with a guard.
int cfg_edit_guarded(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
		     const struct cfg_edit_guard *guard, struct cfg_nc_error *e);

// --- store.c

// Copy of a tree. returns 0 or -ENOMEM
int cfg_tree_copy(const struct lyd_node *tree, struct lyd_node **out);
// Configuration text to a tree, without looking whether it is complete.
int cfg_tree_parse(const struct cfg_store *s, const char *text, LYD_FORMAT format,
		   struct lyd_node **out, struct cfg_error *err);
// returns the text (free()), or NULL
char *cfg_tree_print(const struct lyd_node *tree, LYD_FORMAT format, uint32_t options);

// A copy of a tree, validated and typed as it is; it has its defaults then. *out as below
int cfg_store_typed(const struct cfg_store *s, struct lyd_node **whole, struct cfg **out,
		    struct cfg_nc_error *e);
// Is the tree a valid configuration, alone and with the overlay? *out = it, typed, when not NULL;
// NULL on failure.
int cfg_store_check(const struct cfg_store *s, const struct lyd_node *tree, struct cfg **out,
		    struct cfg_nc_error *e);
// Bring a tree into force through the host. who: user, client, comment, wait; the rest is filled
// here.
int cfg_store_commit(struct cfg_store *s, const struct lyd_node *tree, const struct cfg_commit *who,
		     struct cfg_nc_error *e);
int cfg_store_discard(struct cfg_store *s);
// The candidate is *tree from now on, changed by a session; *tree is taken.
void cfg_store_candidate_set(struct cfg_store *s, struct lyd_node *tree, uint32_t session);
// A copy of what the next start loads.
int cfg_store_startup(const struct cfg_store *s, struct lyd_node **out, struct cfg_nc_error *e);
// n-th commit before the newest as a tree.
int cfg_store_history(const struct cfg_store *s, uint32_t n, struct cfg_commit_head *head,
		      struct lyd_node **out, struct cfg_nc_error *e);

// --- rebase.c

// What makes `mine` of `old`, done to `onto`. *out: lyd_free_all(); NULL on failure
// returns 0; -EAGAIN, -EINVAL: it does not fit; -ENOMEM
int cfg_rebase(const struct lyd_node *old, const struct lyd_node *mine, const struct lyd_node *onto,
	       struct lyd_node **out);

// --- confirm.c: confirmed commit (RFC 6241 section 8.4)

int cfg_rpc_commit(struct cfg_call *c);
int cfg_rpc_cancel_commit(struct cfg_call *c);
// A session ends: what is bound to it is rolled back.
void cfg_confirm_session_gone(struct cfg_store *s, uint32_t id);

// --- rpc.c

// Run one operation. returns 0 with c->out filled, or -EINVAL with c->e filled; -ENOTSUP =
// permitted, but not in the table
int cfg_rpc_run(struct cfg_call *c);
// An operation's answer: a leaf, or a tree as anydata (taken, also on failure).
int cfg_call_leaf(struct cfg_call *c, const char *path, const char *value);
int cfg_call_any(struct cfg_call *c, const char *name, struct lyd_node *tree);
// May this session change the datastore (locks)?
int cfg_call_may_write(struct cfg_call *c, enum cfg_ds ds);

enum cfg_edit_test { CFG_EDIT_SET, CFG_EDIT_TEST_THEN_SET, CFG_EDIT_TEST_ONLY };

// The candidate becomes *next (taken, also on failure), if access control lets it, and, where it is
// to be tested, it is valid.
int cfg_call_edit(struct cfg_call *c, struct lyd_node *next, enum cfg_edit_test test);

// --- access.c: NACM (RFC 8341)

int cfg_call_may_exec(struct cfg_call *c);
// cfg_edit for this session.
int cfg_call_edit_tree(struct cfg_call *c, struct lyd_node **tree, const struct lyd_node *edit,
		       const char *default_op);
int cfg_call_check_write(struct cfg_call *c, const struct lyd_node *from,
			 const struct lyd_node *to);
// May the session read all that differs? returns 0, or -EINVAL with c->e filled
int cfg_call_check_read(struct cfg_call *c, const struct lyd_node *from, const struct lyd_node *to);
// A refusal of tree in c->e: it is to say nothing of what the session may not read. returns -EINVAL
int cfg_call_hide(struct cfg_call *c, const struct lyd_node *tree);
// cfg_store_check for this session.
int cfg_call_check(struct cfg_call *c, const struct lyd_node *tree, struct cfg **out);
// Is what was made from *seen (taken), a tree that this session may read, all that it may read of
// next? Otherwise something hidden was carried to where it is not.
// returns 0, or -EINVAL with c->e filled
int cfg_call_check_carried(struct cfg_call *c, struct lyd_node *seen, const struct lyd_node *next);
// Take from *tree what the session may not read.
int cfg_session_prune(const struct cfg_session *s, struct lyd_node **tree);
// Nothing is hidden from it.
bool cfg_session_sees_all(const struct cfg_session *s);
bool cfg_session_may_read(const struct cfg_session *s, const struct lyd_node *n);
bool cfg_session_may_hear(const struct cfg_session *s, const struct lyd_node *notification);
// What runs has changed: the rules are read again.
void cfg_access_changed(struct cfg_store *s);
// Can the rules of a configuration be read? returns 0, or -EINVAL, -ENOMEM
int cfg_access_check(const struct lyd_node *tree);

// --- rpc_vm.c: machines that begin and end

int cfg_rpc_vm_prepare(struct cfg_call *c);
int cfg_rpc_vm_release(struct cfg_call *c);
int cfg_rpc_vm_event(struct cfg_call *c);

// --- rpc_get.c, rpc_line.c

int cfg_rpc_get(struct cfg_call *c);
int cfg_rpc_get_config(struct cfg_call *c);
int cfg_rpc_get_data(struct cfg_call *c);
int cfg_rpc_get_schema(struct cfg_call *c);
int cfg_rpc_edit_line(struct cfg_call *c);
int cfg_rpc_complete(struct cfg_call *c);
int cfg_rpc_show_configuration(struct cfg_call *c);
int cfg_rpc_compare(struct cfg_call *c);
int cfg_rpc_load(struct cfg_call *c);
int cfg_rpc_plan(struct cfg_call *c);
int cfg_rpc_rollback(struct cfg_call *c);
int cfg_rpc_history(struct cfg_call *c);
int cfg_rpc_status(struct cfg_call *c);

// A datastore by the child of <source>, <target>: running, candidate, startup, or an inline
// <config>. *out is a copy.
int cfg_call_source(struct cfg_call *c, const char *which, struct lyd_node **out);
// What monitoring says of this server, as siblings of *tree (RFC 6022, RFC 8525).
int cfg_monitoring_add(const struct cfg_store *s, struct lyd_node **tree);
// Capabilities of <hello>, one after the other: fn(arg, uri).
void cfg_capabilities(const struct cfg_store *s, void (*fn)(void *arg, const char *uri), void *arg);

// --- notify.c

int cfg_rpc_create_subscription(struct cfg_call *c);
// Send to all subscribers; n is freed.
void cfg_notify(struct cfg_store *s, struct lyd_node *n);
void cfg_notify_session(const struct cfg_session *s, bool start);
void cfg_notify_change(struct cfg_store *s, const struct lyd_node *diff,
		       const struct cfg_commit *who);
// why      termination-reason, where it ends
// who NULL: the server itself
void cfg_notify_confirm(struct cfg_store *s, const char *event, const struct cfg_session *who);

// --- netconf.c

// One whole message to the client.
void cfg_session_send(struct cfg_session *s, const char *text, size_t size);
void cfg_time_text(uint64_t ms, char out[32]); // RFC 3339

// Is this error-option honoured? An edit is all or nothing: rollback-on-error, which stop-on-error
// may be; continue-on-error is refused (RFC 6241 section 7.2). option may be NULL.
int cfg_edit_error_option(const char *option, struct cfg_nc_error *e);

// --- xml_guard.c

// Look at a message before it is parsed: depth, cost, and what libyang cannot stand.
//
// out      NULL, or the text to parse instead; free()
// returns  0; -EINVAL with e filled
int cfg_xml_guard(const char *text, char **out, struct cfg_nc_error *e);

// --- nc_error.c

// Fill an error from libyang's last one: the validation of a datastore or of an rpc's input, the
// parse of an rpc. Never fails to say something. returns -EINVAL
// source  RFC 7950 section 15, RFC 6241 appendix A
int cfg_nc_refuse_ly(struct cfg_nc_error *e, const struct ly_ctx *ctx);

// At most n bytes of text, so that they can stand between tags and in an attribute. What is no
// character of XML is left out.
void cfg_xml_text(FILE *f, const char *text, size_t n);

// Add <name>text</name> to the error's <error-info>; nothing, when it does not fit whole.
void cfg_nc_info(struct cfg_nc_error *e, const char *name, const char *text);

// A data path as libyang writes it, as a whole <error-path> element: each name with a prefix, each
// prefix declared (RFC 6241 section 4.3).
void cfg_nc_path_print(FILE *f, const struct ly_ctx *ctx, const char *path);

// --- mend.c

// A refused request once more, if what is wrong with it is a known thing. returns the
// new text (free()), or NULL
char *cfg_rpc_mend(const char *text);

// --- edit_opaq.c

// Elements of a <config> without a namespace of their own, or in that of the rpc: sloppy clients
// write them. Taken when exactly one module has configuration of that name at the top.
//
// opaq     top-level node of a <config>, schema == NULL
// out      the same as data, parsed in that module; its nodes may be opaque again where they are
//          wrong; lyd_free_all()
// returns  0; -EINVAL with e filled
int cfg_edit_adopt(const struct lyd_node *opaq, struct lyd_node **out, struct cfg_nc_error *e);

#endif
