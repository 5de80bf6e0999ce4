// Inside of the config room: the schema object and small readers of libyang trees. libyang's types
// stop here.
#ifndef CONFIG_PRIV_H
#define CONFIG_PRIV_H

#include <libyang/libyang.h>

#include "cfg_config.h"

struct cfg_schema {
	struct ly_ctx *ctx;
};

// Fill err and return -EINVAL.
int cfg_refuse(struct cfg_error *err, const char *path, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
// The same, from libyang's last error of ctx.
int cfg_refuse_ly(struct cfg_error *err, const struct ly_ctx *ctx);

// Longest value of a leaf, attribute or comment, bytes: fewer tokens than would do harm (scan.c).
#define CFG_VALUE_MAX 32768

// May this text be given to the parser: is it not too deep, and no value of it too long?
// returns  NULL, or the reason why not
const char *cfg_scan_xml(const char *text);
const char *cfg_scan_json(const char *text);

// Validate a tree and add its defaults. A refusal names the data path and, where a leaf stands
// there, its value.
//
// returns  0; -EINVAL with err filled: *tree may have some of its defaults, and is the caller's
int cfg_tree_check(const struct cfg_schema *s, struct lyd_node **tree, struct cfg_error *err);

// First child of that name, or NULL.
const struct lyd_node *cfg_child(const struct lyd_node *parent, const char *name);
// First top-level node of that name, or NULL.
const struct lyd_node *cfg_top(const struct lyd_node *tree, const char *name);
// Value of a leaf child, or NULL.
const char *cfg_value(const struct lyd_node *parent, const char *name);
uint32_t cfg_number(const struct lyd_node *parent, const char *name, uint32_t otherwise);
uint64_t cfg_number64(const struct lyd_node *parent, const char *name, uint64_t otherwise);
bool cfg_flag(const struct lyd_node *parent, const char *name, bool otherwise);
void cfg_text(const struct lyd_node *parent, const char *name, char *out, size_t size);
uint32_t cfg_count(const struct lyd_node *parent, const char *name);

// Either family into the 128-bit form. returns the family's bits (32, 128), or -EINVAL
int cfg_addr_parse(const char *text, uint8_t addr[16]);

// A validated tree, with its defaults, as typed structs. returns 0 and *out; -EINVAL with err
// filled; -ENOMEM
int cfg_from_tree(const struct lyd_node *tree, struct cfg **out, struct cfg_error *err);

// Traffic classes, with their defaults. qos NULL = nothing is set.
// returns  0; -EINVAL with err filled: a VLAN in two classes
int cfg_qos_read(const struct lyd_node *qos, struct cfg_qos *out, struct cfg_error *err);
// A policy: own leaves (NULL = none), else those of the template that it names in qos, else
// defaults.
void cfg_policy_read(const struct lyd_node *own, const struct lyd_node *qos,
		     struct cfg_policy *out);
// The target of a VM for its storage, us: its own, else its template's, else 0.
uint32_t cfg_target_read(const struct lyd_node *own, const struct lyd_node *qos);
// Storage with its lists, which are large enough; portals are sorted. NULL = nothing is set.
void cfg_storage_read(const struct lyd_node *storage, struct cfg *c);
void cfg_metrics_read(const struct lyd_node *metrics, struct cfg_metrics *m);
// Addresses that only this host reaches.
bool cfg_addr_is_loopback(const uint8_t addr[16]);
// OpenFlow; NULL = nothing is set.
void cfg_openflow_read(const struct lyd_node *openflow, struct cfg_openflow *o);
// How a VM boots; NULL = it says nothing.
void cfg_boot_read(const struct lyd_node *boot, struct cfg_vm *vm);
// returns  0; -EINVAL with err filled: too many bytes of arguments
int cfg_machine_read(const struct lyd_node *machine, struct cfg_vm *vm, struct cfg_error *err);
// Boot services with their limits, boot files, providers: into lists that are large enough.
int cfg_boot_lists_read(const struct lyd_node *tree, struct cfg *c, struct cfg_error *err);
void cfg_boot_limits_read(const struct lyd_node *limits, struct cfg_boot_limits *l);
// IP protocol of a transport's name.
uint8_t cfg_transport(const char *name);
// Do classes, policies and links fit together?
int cfg_qos_check(const struct cfg *c, struct cfg_error *err);

// Is storage declared once, and is there some where a target needs it?
int cfg_storage_check(const struct cfg *c, struct cfg_error *err);

// Can OpenFlow be spoken as it is configured?
int cfg_openflow_check(const struct cfg *c, struct cfg_error *err);

// Can what is configured of booting work: addresses, pools, methods, monitors?
int cfg_boot_check(const struct cfg *c, struct cfg_error *err);

// Checks across lists that YANG leaves open.
int cfg_check(const struct cfg *c, struct cfg_error *err);

#endif
