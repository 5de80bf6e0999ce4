// Filters of NETCONF: which part of a datastore a reply carries. Subtree filters (RFC 6241 section
// 6), XPath filters (section 8.9), and the cuts of get-data (RFC 8526 section 3.1.1).
//
// A filter is taken as libyang parsed it: the <filter> of get and get-config, or the subtree-filter
// or xpath-filter of get-data, from XML or from JSON. Results are new trees; what is not selected
// is not in them, ancestors and list keys of what is selected are.
//
// Departures from the standards:
// - An element of a subtree filter whose namespace is that of the request (a client that forgot
//   xmlns) stands for any namespace, like one without.
// - An attribute without a namespace in an element of a subtree filter is ignored: libyang drops
//   most of them, and no data has any.
// - An XPath expression that would take too long for the main loop is refused with resource-denied
//   before it is evaluated: paths over the whole datastore inside a predicate on a large datastore,
//   and re-match(), whose patterns have no bound. So are mod, deref(), derived-from(),
//   derived-from-or-self(), enum-value() and bit-is-set(), on which libyang can crash.
//
// Whoever enforces access control prunes the tree first: a filter must not tell, by what it
// matches, what the user may not read.
#ifndef FILTER_PRIV_H
#define FILTER_PRIV_H

#include "netconf_priv.h"

enum {
	CFG_FILTER_STEPS_MAX = 16000000, // comparisons of one filter: some 0.2 s
	CFG_XPATH_MAX = 2048,		 // bytes of one expression
};

// Select by a filter.
//
// tree     siblings of a datastore, or NULL
// filter   as parsed; NULL = everything; an empty one = nothing
// out      new tree, NULL where nothing is selected or on failure; lyd_free_all
// returns  0; -EINVAL with e filled; -ENOMEM
int cfg_filter(const struct lyd_node *tree, const struct lyd_node *filter, struct lyd_node **out,
	       struct cfg_nc_error *e);

// The same, with the max-depth of get-data: levels of each selected node that are included, itself
// being the first; 0 = all. List keys are always included.
int cfg_filter_depth(const struct lyd_node *tree, const struct lyd_node *filter, uint16_t max_depth,
		     struct lyd_node **out, struct cfg_nc_error *e);

// May a filter select something below this top-level node? When in doubt: yes.
bool cfg_filter_may_select(const struct lyd_node *filter, const char *top);

// Cut in place what is deeper than max_depth levels below the siblings' parent; 0 = nothing is cut.
int cfg_depth_cut(struct lyd_node *tree, uint16_t max_depth);

// The config-filter of get-data, in place: keep only configuration (config = true), or only state
// with its ancestors and their keys.
int cfg_config_only(struct lyd_node **tree, bool config);

// Evaluate an expression on a tree, within bounds.
//
// ctx      of tree and expression
// expr     prefixes are module names, as libyang stores xpath1.0 values
// out      nodes of tree; ly_set_free. NULL on failure
// returns  0; -EINVAL with e filled; -ENOMEM
int cfg_xpath_find(const struct ly_ctx *ctx, const struct lyd_node *tree, const char *expr,
		   struct ly_set **out, struct cfg_nc_error *e);

#endif
