// Access control (RFC 8341): who may call, read, write and be told what. The rules are read from
// the running configuration once and asked many times; a new running configuration makes a new
// object, to which the counters are carried over.
//
// Read access follows section 3.2.4 by the letter: a node that may not be read is left out with all
// that is below it, also where a rule would permit something further down. Permit the ancestors as
// well, or leave read-default at permit.
//
// Departures: libyang 2.1.30 refuses the variable $USER in rule paths, so no such rule gets here.
// The presence of a container without a presence statement and the keys of a list entry are not
// checked for themselves when written (they mean nothing without, or stand for, what is).
//
// thread  the main thread
#ifndef NACM_PRIV_H
#define NACM_PRIV_H

#include "netconf_priv.h"

struct cfg_nacm;

// Who asks. groups: from the transport, used when enable-external-groups says so.
struct cfg_nacm_user {
	const char *name;
	const char *const *groups; // groups[n_groups]
	size_t n_groups;
	bool recovery; // nothing is checked (section 2.2)
};

// Since the daemon started.
struct cfg_nacm_counts {
	uint32_t denied_operations, denied_data_writes, denied_notifications;
};

// Read the rules.
//
// running  siblings; with or without implicit defaults. No container nacm = the defaults: enabled,
//          everything may be read and called, nothing written. The object keeps nothing of the
//          tree, but uses its context
// out      cfg_nacm_destroy; NULL on failure
// returns  0; -EINVAL: a rule's path is not understood; -ENOMEM
int cfg_nacm_create(const struct lyd_node *running, struct cfg_nacm **out);
void cfg_nacm_destroy(struct cfg_nacm *n);

struct cfg_nacm_counts *cfg_nacm_counts(struct cfg_nacm *n);

// May this user do everything, so that no tree need be pruned for it?
bool cfg_nacm_unrestricted(const struct cfg_nacm *n, const struct cfg_nacm_user *u);

// Section 3.4.4. Counts what it refuses.
bool cfg_nacm_may_exec(struct cfg_nacm *n, const struct cfg_nacm_user *u,
		       const struct lysc_node *rpc);

// Section 3.4.6. Counts what it refuses.
bool cfg_nacm_may_notify(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			 const struct lysc_node *notification);

// May this user read a node of a tree, or of a diff, and all that is above it?
bool cfg_nacm_may_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
		       const struct lyd_node *d);
// May it read all nodes of a diff that differ? returns 0; -EACCES; -ENOMEM
int cfg_nacm_check_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
			const struct lyd_node *diff);

// Remove what may not be read, in place (section 3.4.5). Keys stay with their entry.
//
// returns  0; -ENOMEM, with the tree as it was
int cfg_nacm_prune_read(const struct cfg_nacm *n, const struct cfg_nacm_user *u,
			struct lyd_node **tree);

// May this user make these changes? Counts what it refuses.
//
// diff     of lyd_diff_siblings(old, new); NULL = no change
// returns  0; -EINVAL with e filled: access-denied, error-path is the first node that is refused,
//          or the last one above it that the user may read; -ENOMEM
int cfg_nacm_check_write(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			 const struct lyd_node *diff, struct cfg_nc_error *e);

// May this user be told whether a node exists that an edit names? Yes, who may read it, or write it
// as the edit wants to. For cfg_edit_guard.
struct cfg_nacm_guard;

int cfg_nacm_guard_create(struct cfg_nacm *n, const struct cfg_nacm_user *u,
			  struct cfg_nacm_guard **out);
void cfg_nacm_guard_destroy(struct cfg_nacm_guard *g);

// arg: the guard. The rest as cfg_edit_guard says. Counts what it refuses.
int cfg_nacm_guard_ask(void *arg, const struct lyd_node *n, const struct lysc_node *schema,
		       enum cfg_edit_op op, struct cfg_nc_error *e);

#endif
