// What the files of edit-config share.
#ifndef EDIT_PRIV_H
#define EDIT_PRIV_H

#include "netconf_priv.h"

struct cfg_edit {
	struct lyd_node **tree; // what is edited
	struct cfg_nc_error *e;
	const struct cfg_edit_guard *guard; // NULL = nothing is asked
	uint32_t n_adopted;		    // elements without namespace so far
};

// Refuse a node of the edit, real or opaque: its path, and what RFC 6241 appendix A wants in
// error-info for that tag. returns -EINVAL
int cfg_edit_refuse(struct cfg_edit *x, const struct lyd_node *n, const char *tag, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));
// The same about one of its attributes.
int cfg_edit_refuse_attr(struct cfg_edit *x, const struct lyd_node *n, const char *tag,
			 const char *attr, const char *why);

// The operation of a node: its own, or the inherited one. explicitly may be NULL.
int cfg_edit_op_of(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op *op,
		   bool *explicitly);

// The first instance of a schema node, or NULL.
struct lyd_node *cfg_edit_find_any(const struct lyd_node *siblings, const struct lysc_node *schema);
// The instance that `like` names, or NULL.
struct lyd_node *cfg_edit_find(const struct lyd_node *siblings, const struct lyd_node *like);

// --- edit_part.c

// The nodes of tree that the edit looks at, enough to tell whether it can be done.
// returns 1 and *out; 0 = all of tree is needed; -ENOMEM
int cfg_edit_part(const struct lyd_node *tree, const struct lyd_node *edit, struct lyd_node **out);

// --- edit_opaq.c

// The module of a node, real or opaque; NULL = its namespace is not known.
const struct lys_module *cfg_edit_module(const struct lyd_node *n);
// Which node does an opaque one want to be? NULL = none; then the error is filled.
const struct lysc_node *cfg_edit_schema(struct cfg_edit *x, const struct lyd_node *n);
// A leaf without value, which says enough to delete it?
bool cfg_edit_is_blank_leaf(const struct lyd_node *n, const struct lysc_node *schema);
// Why is this node opaque? returns -EINVAL
int cfg_edit_diagnose(struct cfg_edit *x, const struct lyd_node *n, const struct lysc_node *schema);
// Is it one for cfg_edit_adopt()?
bool cfg_edit_is_orphan(const struct lyd_node *n);

// --- edit_order.c: yang:insert, RFC 7950 sections 7.7.9 and 7.8.6

struct cfg_edit_order {
	enum { CFG_PUT_ANYWHERE, CFG_PUT_FIRST, CFG_PUT_LAST, CFG_PUT_BEFORE, CFG_PUT_AFTER } where;
	struct lyd_node *at; // of before and after
};

// What the attributes of n say, checked against its siblings-to-be (NULL = none).
int cfg_edit_order_read(struct cfg_edit *x, const struct lyd_node *n, enum cfg_edit_op op,
			const struct lyd_node *siblings, struct cfg_edit_order *o);
// Move node, which stands in the tree, to its place. returns 0 or -ENOMEM
int cfg_edit_order_apply(struct cfg_edit *x, struct lyd_node *node, const struct cfg_edit_order *o);

#endif
