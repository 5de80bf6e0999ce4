// What the files of the NETCONF engine share.
#ifndef NETCONF_PRIV_H
#define NETCONF_PRIV_H

#include "cfg_frame.h"
#include "cfg_netconf.h"
#include "config_priv.h"

enum cfg_ds { CFG_RUNNING, CFG_CANDIDATE, CFG_N_DS };

struct cfg_store {
	struct cfg_schema *schema;
	cfg_commit_fn commit;
	void *arg;
	struct lyd_node *ds[CFG_N_DS]; // without implicit defaults
	uint32_t lock[CFG_N_DS];       // session, 0 = none
	uint32_t killed;
	uint32_t changed_by; // session that changed the candidate last; 0 = as running
};

// One <rpc-error> (RFC 6241 section 4.3). Empty strings are left out.
struct cfg_nc_error {
	const char *tag, *type, *app_tag;
	char path[256], message[384];
	char info[128]; // XML
};

// Fill an error. returns -EINVAL
int cfg_nc_refuse(struct cfg_nc_error *e, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// Apply the children of an edit-config's <config> to *tree, all or nothing: on failure *tree is
// what it was.
//
// default_op  "merge", "replace" or "none"
// returns     0; -EINVAL with e filled; -ENOMEM
int cfg_edit(struct lyd_node **tree, const struct lyd_node *edit, const char *default_op,
	     struct cfg_nc_error *e);

// Is the tree a valid configuration? *out = it, typed, when not NULL.
int cfg_store_check(const struct cfg_store *s, const struct lyd_node *tree, struct cfg **out,
		    struct cfg_nc_error *e);

int cfg_store_commit(struct cfg_store *s, const char *user, struct cfg_nc_error *e);
int cfg_store_discard(struct cfg_store *s);

#endif
