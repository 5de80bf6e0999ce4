// What the files of the NETCONF engine share.
#ifndef NETCONF_PRIV_H
#define NETCONF_PRIV_H

#include <stdio.h>

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
	char info[512];	 // XML
	char value[128]; // what was refused, where it is one value
};

// Fill an error. returns -EINVAL
int cfg_nc_refuse(struct cfg_nc_error *e, const char *tag, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

// Apply the children of an edit-config's <config> to *tree, all or nothing: on failure *tree is
// what it was. One exception: memory that runs out after the edit was found good can leave a part
// of it, and the answer says "out of memory".
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

// Is this error-option honoured? An edit is all or nothing: rollback-on-error, which stop-on-error
// may be; continue-on-error is refused (RFC 6241 section 7.2). option may be NULL.
int cfg_edit_error_option(const char *option, struct cfg_nc_error *e);

// --- nc_error.c

// Fill an error from libyang's last one: the validation of a datastore or of an rpc's input, the
// parse of an rpc. Never fails to say something. returns -EINVAL
// source  RFC 7950 section 15, RFC 6241 appendix A
int cfg_nc_refuse_ly(struct cfg_nc_error *e, const struct ly_ctx *ctx);

// Add <name>text</name> to the error's <error-info>; nothing, when it does not fit whole.
void cfg_nc_info(struct cfg_nc_error *e, const char *name, const char *text);

// A data path as libyang writes it, as a whole <error-path> element: each name with a prefix, each
// prefix declared (RFC 6241 section 4.3).
void cfg_nc_path_print(FILE *f, const struct ly_ctx *ctx, const char *path);

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
