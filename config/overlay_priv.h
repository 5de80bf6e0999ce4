// VMs that are in force without being configured, and boots that providers answered: trees that are
// laid over a configuration when it is checked, and stand in no datastore.
#ifndef OVERLAY_PRIV_H
#define OVERLAY_PRIV_H

#include "netconf_priv.h"

struct cfg_overlay_entry {
	char name[32], source[32];
	struct lyd_node *vms; // with this one VM; NULL = a configured one
	struct lyd_node
		*boots; // the same with what its provider answered of its boot; NULL = nothing
};

// Lay the overlay over a tree. returns 0; -EINVAL with e filled: they contradict; -ENOMEM with e
// filled
int cfg_overlay_lay(const struct cfg_store *s, struct lyd_node **tree, struct cfg_nc_error *e);
// The check of a tree with the overlay has failed as e says, and without it has not: say whom it
// contradicts.
void cfg_overlay_blame(const struct cfg_store *s, struct cfg_nc_error *e);
void cfg_overlay_free(struct cfg_store *s);

#endif
