// Traffic classes and policies of VMs: what the tree says, templates and defaults filled in.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_priv.h"

#define METER_MS 20		     // a burst that is not set, as time at its rate
#define METER_MIN_BURST (128u << 10) // and at least two super-frames

static const char *const class_names[CFG_CLASSES] = { "control",     "boot", "storage",	 "latency",
						      "interactive", "bulk", "scavenger" };

// The defaults are named in weir-qos.yang too. A storage packet that is lost costs its sender a
// time-out of 200 ms or more, so its queue is long and marks early; latency is the other way round.
static const struct cfg_class class_defaults[CFG_CLASSES] = {
	{ { 0, 0, 8 }, 0, 1000, 0, 20000, 128u << 10, 6, CFG_DSCP_KEEP },
	{ { 0, 0, 16 }, 10000, 100000, 0, 200000, 1u << 20, 4, CFG_DSCP_KEEP },
	{ { 0, 0, 16 }, 2000, 20000, 200, 200000, 2u << 20, 4, CFG_DSCP_KEEP },
	{ { 0, 0, 8 }, 500, 5000, 0, 20000, 256u << 10, 5, CFG_DSCP_KEEP },
	{ { 0, 0, 8 }, 1000, 10000, 0, 50000, 512u << 10, 2, CFG_DSCP_KEEP },
	{ { 0, 0, 4 }, 5000, 50000, 0, 100000, 1u << 20, 0, CFG_DSCP_KEEP },
	{ { 0, 0, 1 }, 5000, 50000, 0, 200000, 512u << 10, 1, CFG_DSCP_KEEP },
};

const char *cfg_class_name(uint32_t cls)
{
	return cls < CFG_CLASSES ? class_names[cls] : "?";
}

// The module has seen to it that there is one.
static uint32_t class_of(const char *name)
{
	uint32_t i = 0;

	while (i < CFG_CLASSES - 1 && strcmp(class_names[i], name) != 0)
		i++;
	return i;
}

static void class_read(const struct lyd_node *n, struct cfg_class *c)
{
	c->node.shares = cfg_number(n, "shares", c->node.shares);
	c->node.reservation = cfg_number64(n, "reservation", 0);
	c->node.limit = cfg_number64(n, "limit", 0);
	if (cfg_value(n, "target") != NULL) {
		c->target_us = cfg_number(n, "target", 0);
		c->interval_us = c->target_us > 100 ? 10 * c->target_us : 1000;
	}
	c->interval_us = cfg_number(n, "interval", c->interval_us);
	c->ecn_us = cfg_number(n, "ecn-threshold", c->ecn_us);
	c->max_wait_us = cfg_number(n, "max-wait", c->max_wait_us);
	c->max_bytes = cfg_number(n, "max-bytes", c->max_bytes);
	c->pcp = (uint8_t)cfg_number(n, "pcp", c->pcp);
	c->dscp = (uint8_t)cfg_number(n, "dscp", c->dscp);
}

static int vlans_read(const struct lyd_node *from, uint32_t cls, struct cfg_qos *out,
		      struct cfg_error *err)
{
	const struct lyd_node *n;
	char path[256];

	LY_LIST_FOR (lyd_child(from), n) {
		uint8_t *at;

		if (strcmp(n->schema->name, "vlan") != 0)
			continue;
		at = &out->vlan_class[strtoul(lyd_get_value(n), NULL, 10) & (CFG_VIDS - 1)];
		if (*at == 0) {
			*at = (uint8_t)(cls + 1);
			continue;
		}
		snprintf(path, sizeof(path), "/weir-qos:qos/class[name='%s']/vlan",
			 class_names[cls]);
		return cfg_refuse(err, path, lyd_get_value(n),
				  "/weir-qos:qos/class[name='%s'] has this VLAN already",
				  class_names[*at - 1]);
	}
	return 0;
}

int cfg_qos_read(const struct lyd_node *qos, struct cfg_qos *out, struct cfg_error *err)
{
	const struct lyd_node *n;

	memcpy(out->cls, class_defaults, sizeof(class_defaults));
	LY_LIST_FOR (qos == NULL ? NULL : lyd_child(qos), n) {
		uint32_t cls;

		if (strcmp(n->schema->name, "class") != 0)
			continue;
		cls = class_of(cfg_value(n, "name"));
		class_read(n, &out->cls[cls]);
		if (vlans_read(n, cls, out, err) < 0)
			return -EINVAL;
	}
	return 0;
}

// --- Policies

static const struct lyd_node *entry(const struct lyd_node *parent, const char *list,
				    const char *name)
{
	const struct lyd_node *n;

	LY_LIST_FOR (parent == NULL || name == NULL ? NULL : lyd_child(parent), n) {
		if (strcmp(n->schema->name, list) == 0 && strcmp(cfg_value(n, "name"), name) == 0)
			return n;
	}
	return NULL;
}

// Two places where a leaf may be, the better one first.
struct pair {
	const struct lyd_node *own, *template;
};

static uint64_t number(struct pair p, const char *name, uint64_t otherwise)
{
	return cfg_number64(p.own, name, cfg_number64(p.template, name, otherwise));
}

// One direction, else both, in each place.
static uint64_t directed(struct pair p, const char *one, const char *both)
{
	uint64_t template = cfg_number64(p.template, one, cfg_number64(p.template, both, 0));

	return cfg_number64(p.own, one, cfg_number64(p.own, both, template));
}

static uint32_t burst_of(uint64_t bits_per_s)
{
	uint64_t bytes = bits_per_s / 8 / 1000 * METER_MS;

	return bytes < METER_MIN_BURST ? METER_MIN_BURST : (uint32_t)bytes;
}

static void meter_read(struct pair p, struct cfg_meter *m)
{
	// The second rate and its burst are of one place, or they would be of two kinds.
	struct pair second = p;

	if (cfg_value(p.own, "peak-rate") != NULL || cfg_value(p.own, "excess-rate") != NULL)
		second.template = NULL;
	if (lyd_child(p.own) == NULL && lyd_child(p.template) == NULL)
		return;
	m->committed = number(p, "committed-rate", 0);
	m->kind = CFG_METER_RFC4115; // without a second rate: an excess of nothing
	m->second = number(second, "peak-rate", 0);
	if (m->second > 0)
		m->kind = CFG_METER_RFC2698;
	else
		m->second = number(second, "excess-rate", 0);
	m->committed_burst = (uint32_t)number(p, "committed-burst", burst_of(m->committed));
	m->second_burst = (uint32_t)number(
		second, m->kind == CFG_METER_RFC2698 ? "peak-burst" : "excess-burst",
		burst_of(m->second));
	m->colour_aware =
		cfg_flag(p.own, "colour-aware", cfg_flag(p.template, "colour-aware", false));
}

static void classes_read(struct pair p, struct cfg_policy *out)
{
	for (uint32_t i = 0; i < CFG_CLASSES; i++) {
		const struct pair at = { entry(p.own, "class", class_names[i]),
					 entry(p.template, "class", class_names[i]) };

		out->cls[i].shares = (uint32_t)number(at, "shares", 1);
		out->cls[i].reservation = number(at, "reservation", 0);
		out->cls[i].limit = number(at, "limit", 0);
	}
}

void cfg_policy_read(const struct lyd_node *own, const struct lyd_node *qos, struct cfg_policy *out)
{
	const struct pair p = { own, entry(qos, "template", cfg_value(own, "template")) };
	const char *first = cfg_value(p.own, "priority");

	classes_read(p, out);
	out->shares = (uint32_t)number(p, "shares", 1);
	out->reservation = number(p, "reservation", 0);
	out->limit_from = directed(p, "limit-from", "limit");
	out->limit_to = directed(p, "limit-to", "limit");
	out->packets_from = (uint32_t)directed(p, "packet-limit-from", "packet-limit");
	out->packets_to = (uint32_t)directed(p, "packet-limit-to", "packet-limit");
	meter_read((struct pair){ cfg_child(p.own, "meter"), cfg_child(p.template, "meter") },
		   &out->meter);
	if (first == NULL)
		first = cfg_value(p.template, "priority");
	if (first == NULL)
		return;
	out->priority = (uint8_t)(class_of(first) + 1);
	if (out->cls[out->priority - 1].reservation == 0)
		out->cls[out->priority - 1].reservation = out->reservation;
}

uint32_t cfg_target_read(const struct lyd_node *own, const struct lyd_node *qos)
{
	const struct pair p = { own, entry(qos, "template", cfg_value(own, "template")) };

	return (uint32_t)number(p, "storage-target", 0);
}

bool cfg_policy_is_default(const struct cfg_policy *p)
{
	struct cfg_policy none;

	memset(&none, 0, sizeof(none));
	cfg_policy_read(NULL, NULL, &none);
	return memcmp(p, &none, sizeof(none)) == 0;
}
