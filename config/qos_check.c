// Lint of guarantees: what YANG cannot say because it lies in two places (a policy and its
// template), is a sum, or depends on the links.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_priv.h"

// Whose policy it is: a VM's, or a guest port's.
struct who {
	const struct cfg_policy *p;
	char path[128];
};

struct rate_text {
	char s[32];
};

// For people: 7.5 Gbit/s.
static struct rate_text text(uint64_t bits_per_s)
{
	static const struct {
		uint64_t size;
		const char *name;
	} units[] = { { 1000000000, "Gbit/s" }, { 1000000, "Mbit/s" }, { 1000, "kbit/s" } };
	struct rate_text t;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		uint64_t part = bits_per_s % units[i].size * 1000 / units[i].size;
		char fraction[8] = "";

		if (bits_per_s < units[i].size)
			continue;
		snprintf(fraction, sizeof(fraction), ".%03u", (unsigned)part % 1000);
		for (size_t n = 4; n > 0 && strchr(".0", fraction[n - 1]) != NULL; n--)
			fraction[n - 1] = '\0';
		snprintf(t.s, sizeof(t.s), "%" PRIu64 "%s %s", bits_per_s / units[i].size, fraction,
			 units[i].name);
		return t;
	}
	snprintf(t.s, sizeof(t.s), "%" PRIu64 " bit/s", bits_per_s);
	return t;
}

static int refuse(const struct who *w, const char *leaf, uint64_t value, const char *why,
		  struct cfg_error *err)
{
	char path[256], number[24];

	snprintf(path, sizeof(path), "%s/%s", w->path, leaf);
	snprintf(number, sizeof(number), "%" PRIu64, value);
	return cfg_refuse(err, path, number, "%s", why);
}

// --- One policy

static int class_check(const struct who *w, uint32_t cls, struct cfg_error *err)
{
	const struct cfg_node *n = &w->p->cls[cls];
	char leaf[64], why[160];

	if (n->limit > 0 && n->limit < n->reservation) {
		snprintf(leaf, sizeof(leaf), "class[name='%s']/limit", cfg_class_name(cls));
		snprintf(why, sizeof(why), "is below the class's reservation of %s",
			 text(n->reservation).s);
		return refuse(w, leaf, n->limit, why, err);
	}
	if (w->p->limit_from > 0 && n->reservation > w->p->limit_from) {
		snprintf(leaf, sizeof(leaf), "class[name='%s']/reservation", cfg_class_name(cls));
		snprintf(why, sizeof(why), "exceeds the limit of all classes together, %s",
			 text(w->p->limit_from).s);
		return refuse(w, leaf, n->reservation, why, err);
	}
	return 0;
}

static uint64_t leaves_sum(const struct cfg_policy *p)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < CFG_CLASSES; i++)
		sum += p->cls[i].reservation; // at most 10^12 each
	return sum;
}

static int meter_check(const struct who *w, struct cfg_error *err)
{
	const struct cfg_meter *m = &w->p->meter;
	char path[256];

	if (m->kind != CFG_METER_NONE && m->committed == 0) {
		snprintf(path, sizeof(path), "%s/meter", w->path);
		return cfg_refuse(err, path, "", "a meter needs a committed-rate");
	}
	if (m->kind == CFG_METER_RFC2698 && m->second < m->committed)
		return refuse(w, "meter/peak-rate", m->second,
			      "the peak rate includes the committed rate and is not below it", err);
	if (m->kind == CFG_METER_RFC2698 && m->second_burst < m->committed_burst)
		return refuse(w, "meter/peak-burst", m->second_burst,
			      "the peak burst is below the committed burst", err);
	return 0;
}

static int policy_check(const struct who *w, struct cfg_error *err)
{
	const struct cfg_policy *p = w->p;
	uint64_t sum = leaves_sum(p);
	char path[256], why[160];

	if (p->limit_from > 0 && p->limit_from < p->reservation) {
		snprintf(why, sizeof(why), "is below the reservation of %s",
			 text(p->reservation).s);
		return refuse(w, "limit", p->limit_from, why, err);
	}
	for (uint32_t i = 0; i < CFG_CLASSES; i++) {
		if (class_check(w, i, err) < 0)
			return -EINVAL;
	}
	if (p->limit_from > 0 && p->limit_from < sum) {
		snprintf(why, sizeof(why), "is below the sum of the reservations by class, %s",
			 text(sum).s);
		return refuse(w, "limit", p->limit_from, why, err);
	}
	if (p->priority > 0 && p->cls[p->priority - 1].reservation == 0) {
		snprintf(path, sizeof(path), "%s/priority", w->path);
		return cfg_refuse(err, path, cfg_class_name(p->priority - 1u),
				  "there is no reservation that the class could have");
	}
	return meter_check(w, err);
}

// The i-th policy of a configuration: VMs, then ports. returns false for a port that has none
static bool who_is(const struct cfg *c, uint32_t i, struct who *w)
{
	if (i < c->n_vms) {
		w->p = &c->vms[i].policy;
		snprintf(w->path, sizeof(w->path), "/weir-vm:vms/vm[name='%s']/weir-qos:qos",
			 c->vms[i].name);
		return true;
	}
	w->p = &c->ports[i - c->n_vms].policy;
	snprintf(w->path, sizeof(w->path),
		 "/ietf-interfaces:interfaces/interface[name='%s']/weir-interfaces:port/"
		 "weir-qos:qos",
		 c->ports[i - c->n_vms].name);
	return c->ports[i - c->n_vms].has_policy;
}

// --- All together

// What is reserved. The scheduler counts the same way (qos/README.md, Admission).
struct reserved {
	uint64_t cls[CFG_CLASSES]; // sums over policies
	uint64_t classes, vms;
	uint64_t most; // of one policy, in all
	struct who who;
};

static void reserved_add(struct reserved *r, const struct who *w)
{
	uint64_t sum = leaves_sum(w->p), own = w->p->reservation;

	for (uint32_t i = 0; i < CFG_CLASSES; i++)
		r->cls[i] += w->p->cls[i].reservation;
	r->vms += own > sum ? own - sum : 0;
	if ((own > sum ? own : sum) <= r->most)
		return;
	r->most = own > sum ? own : sum;
	r->who = *w;
}

// Classes on their own: limits, and what their VMs have reserved in them.
static int classes_check(const struct cfg *c, struct reserved *r, struct cfg_error *err)
{
	for (uint32_t i = 0; i < CFG_CLASSES; i++) {
		const struct cfg_class *cls = &c->qos.cls[i];
		struct who w;
		char why[160];

		snprintf(w.path, sizeof(w.path), "/weir-qos:qos/class[name='%s']",
			 cfg_class_name(i));
		if (cls->interval_us < cls->target_us)
			return refuse(&w, "interval", cls->interval_us,
				      "is below the target: CoDel looks for a queue that stands "
				      "longer than its target for all of the interval",
				      err);
		if (cls->node.limit > 0 && cls->node.limit < r->cls[i]) {
			snprintf(why, sizeof(why), "is below what VMs have reserved in it, %s",
				 text(r->cls[i]).s);
			return refuse(&w, "limit", cls->node.limit, why, err);
		}
		r->classes += cls->node.reservation > r->cls[i] ? cls->node.reservation : r->cls[i];
	}
	return 0;
}

static const struct cfg_port *slowest_link(const struct cfg *c)
{
	const struct cfg_port *slowest = NULL;

	for (uint32_t i = 0; i < c->n_ports; i++) {
		const struct cfg_port *p = &c->ports[i];

		if (p->rate > 0 && (slowest == NULL || p->rate < slowest->rate))
			slowest = p;
	}
	return slowest;
}

// A reservation that no link can keep: who has it?
static int nothing_rated(const struct cfg *c, const struct reserved *r, struct cfg_error *err)
{
	static const char why[] = "no uplink has a rate, so nothing can be guaranteed: set port "
				  "UPLINK rate";
	struct who w = r->who;

	for (uint32_t i = 0; i < CFG_CLASSES && r->most == 0; i++) {
		if (c->qos.cls[i].node.reservation == 0)
			continue;
		snprintf(w.path, sizeof(w.path), "/weir-qos:qos/class[name='%s']",
			 cfg_class_name(i));
		return refuse(&w, "reservation", c->qos.cls[i].node.reservation, why, err);
	}
	return refuse(&w, "reservation", r->most, why, err);
}

static int admission_check(const struct cfg *c, const struct reserved *r, struct cfg_error *err)
{
	const struct cfg_port *link = slowest_link(c);
	uint64_t sum = r->classes + r->vms, most;
	char path[256], number[24];

	if (sum == 0)
		return 0;
	if (link == NULL)
		return nothing_rated(c, r, err);
	most = link->rate / 100 * CFG_RESERVABLE_PERCENT;
	if (sum <= most)
		return 0;
	snprintf(path, sizeof(path),
		 "/ietf-interfaces:interfaces/interface[name='%s']/weir-interfaces:port/rate",
		 link->name);
	snprintf(number, sizeof(number), "%" PRIu64, link->rate);
	return cfg_refuse(err, path, number,
			  "%s are reserved, %u %% of the slowest link are %s; classes and what VMs "
			  "have in them take %s, VMs besides %s%s%s",
			  text(sum).s, CFG_RESERVABLE_PERCENT, text(most).s, text(r->classes).s,
			  text(r->vms).s, r->most > 0 ? "; the most is that of " : "",
			  r->most > 0 ? r->who.path : "");
}

int cfg_qos_check(const struct cfg *c, struct cfg_error *err)
{
	struct reserved r = { 0 };

	for (uint32_t i = 0; i < c->n_vms + c->n_ports; i++) {
		struct who w;

		if (!who_is(c, i, &w))
			continue;
		if (i >= c->n_vms && c->ports[i - c->n_vms].vm[0] != '\0')
			return cfg_refuse(
				err, w.path, "",
				"the interface serves /weir-vm:vms/vm[name='%s'], whose policy "
				"counts",
				c->ports[i - c->n_vms].vm);
		if (policy_check(&w, err) < 0)
			return -EINVAL;
		reserved_add(&r, &w);
	}
	if (classes_check(c, &r, err) < 0)
		return -EINVAL;
	return admission_check(c, &r, err);
}
