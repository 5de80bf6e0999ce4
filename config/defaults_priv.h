// The four ways to report default data (RFC 6243). The server's basic mode is explicit: a datastore
// holds what somebody has set, and a leaf that somebody has set to its default is not default data.
//
// Departure: in the mode trim, a container without a presence statement whose leaves are all
// trimmed may stay as an empty element.
#ifndef DEFAULTS_PRIV_H
#define DEFAULTS_PRIV_H

#include "config_priv.h"

enum cfg_defaults {
	CFG_DEFAULTS_EXPLICIT,
	CFG_DEFAULTS_TRIM,
	CFG_DEFAULTS_ALL,
	CFG_DEFAULTS_ALL_TAGGED,
};

// The value of the parameter with-defaults; NULL (not there) = explicit. returns 0; -EINVAL
int cfg_defaults_mode(const char *text, enum cfg_defaults *out);

// A datastore as a reply in that mode carries it. Filters and access control come after it, so that
// a filter can match default values.
//
// tree     siblings without implicit defaults; NULL = an empty datastore
// state    fill in defaults of state as well (get, get-data of operational)
// out      new tree, lyd_free_all; NULL on failure or where there is nothing
// flags    out: LYD_PRINT_WD_* to print it with
// returns  0; -ENOMEM
struct cfg_defaults_ask {
	const struct ly_ctx *ctx;
	const struct lyd_node *tree;
	enum cfg_defaults mode;
	bool state;
};
int cfg_defaults(const struct cfg_defaults_ask *ask, struct lyd_node **out, uint32_t *flags);

// libyang 2.1.30 gives the attribute default the namespace of its module; RFC 6243 section 6 has
// another one. Put it right in data that was printed as XML with report-all-tagged, in place.
void cfg_defaults_namespace(char *xml);

#endif
