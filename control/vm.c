// Virtual machines as their operator sees them: who is connected, and the timeline of the last
// boot.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control_priv.h"
#include "weir_log.h"

// VMs that one call looks at, so that a thousand of them do not keep the main loop: each is seen
// every 10 ms up to this number, every 80 ms with 1,000.
enum { WATCHED_AT_ONCE = 128 };

static uint32_t chain_of(const char *name)
{
	uint32_t h = 2166136261u; // FNV-1a

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return (h ^ h >> 16) & (CTL_VM_CHAINS - 1);
}

struct ctl_vm *ctl_vm_get(struct ctl *c, const char *name)
{
	struct ctl_vm *v = (struct ctl_vm *)(uintptr_t)ctl_vm_find(c, name);
	struct ctl_vm **chain = &c->vms[chain_of(name)];

	if (v != NULL)
		return v;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->next = *chain;
	*chain = v;
	return v;
}

const struct ctl_vm *ctl_vm_find(const struct ctl *c, const char *name)
{
	const struct ctl_vm *v = c->vms[chain_of(name)];

	while (v != NULL && strcmp(v->name, name) != 0)
		v = v->next;
	return v;
}

void ctl_vms_free(struct ctl *c)
{
	for (uint32_t i = 0; i < CTL_VM_CHAINS; i++) {
		while (c->vms[i] != NULL) {
			struct ctl_vm *v = c->vms[i];

			c->vms[i] = v->next;
			free(v);
		}
	}
}

void ctl_vm_event(struct ctl *c, const char *vm, uint64_t ns, const char *fmt, ...)
{
	struct ctl_vm *v = ctl_vm_get(c, vm);
	struct ctl_vm_event e = { .ns = ns };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	if (v != NULL && v->n_events < CTL_VM_EVENTS) // the first ones tell how it booted
		v->events[v->n_events++] = e;
	ctl_event_vm(c, vm, e.text);
}

void ctl_vm_timeline_begin(struct ctl *c, const char *vm)
{
	struct ctl_vm *v = ctl_vm_get(c, vm);

	if (v == NULL)
		return;
	v->n_events = 0;
	v->storage_seen = false;
}

void ctl_vm_quiet(struct ctl *c, const char *vm, bool quiet)
{
	const struct cfg_vm *v = cfg_vm_get(c->running, vm);
	const struct life *l = ctl_vm_life_get(c, vm);
	// What comes is heard from its first frame on.
	bool comes = l != NULL && l->state == LIFE_INCOMING;
	struct weir_err err;

	for (uint32_t i = 0; v != NULL && i < v->n_nics; i++) {
		if (dp_switch_port_quiet(c->sw, v->nics[i].port,
					 !quiet	 ? DP_SPEAKS
					 : comes ? DP_QUIET_TILL_UP
						 : DP_QUIET,
					 &err) < 0)
			weir_log(WEIR_ERROR, "vm %s: %s", vm, err.text);
	}
}

// Where its addresses are heard, as far as that is news.
static void macs_watch(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v)
{
	struct dp_port_info info;

	for (uint32_t i = 0; i < vm->n_nics; i++) {
		int idx = dp_switch_port_find(c->sw, vm->nics[i].port);

		if (idx < 0 || dp_switch_port_info(c->sw, (uint16_t)idx, &info) < 0 ||
		    info.mac_at == v->mac_at[i])
			continue;
		v->mac_at[i] = info.mac_at;
		if (info.mac_at == DP_MAC_HERE)
			(void)ctl_vm_life(c, vm->name, LIFE_EV_SEEN_HERE, "network");
		else if (info.mac_at == DP_MAC_ELSEWHERE)
			(void)ctl_vm_life(c, vm->name, LIFE_EV_SEEN_ELSEWHERE, "network");
	}
}

// Is QEMU there, by any of its cards, and does a driver run? How often it came, all in all.
static uint32_t cards_look(const struct ctl *c, const struct cfg_vm *vm, bool *attached,
			   bool *driver)
{
	struct dp_port_info info;
	uint32_t n = 0;

	*attached = *driver = false;
	for (uint32_t i = 0; i < vm->n_nics; i++) {
		int idx = dp_switch_port_find(c->sw, vm->nics[i].port);

		if (idx < 0 || dp_switch_port_info(c->sw, (uint16_t)idx, &info) < 0)
			continue;
		*attached |= info.link.attached;
		*driver |= info.link.up;
		n += info.link.n_attaches;
	}
	return n;
}

// One event, if what is known of its life is not so.
static void tell(struct ctl *c, const char *vm, bool is_so, enum life_event ev)
{
	if (!is_so)
		(void)ctl_vm_life(c, vm, ev, "vhost");
}

void ctl_vm_look(struct ctl *c, const struct cfg_vm *vm)
{
	struct ctl_vm *v = ctl_vm_get(c, vm->name);
	const struct life *l = ctl_vm_life_get(c, vm->name);
	bool attached, driver, came;
	uint32_t n;

	if (v == NULL || l == NULL)
		return;
	n = cards_look(c, vm, &attached, &driver);
	// It may have gone and come, or come and gone, between two looks. Of several cards each
	// comes by itself.
	came = n > v->life_attaches && (vm->n_nics == 1 || !l->attached);
	v->life_attaches = n;
	if (came || !attached)
		tell(c, vm->name, !l->attached, LIFE_EV_DETACH);
	if (came || attached)
		tell(c, vm->name, ctl_vm_life_get(c, vm->name)->attached, LIFE_EV_ATTACH);
	if (!attached)
		tell(c, vm->name, !ctl_vm_life_get(c, vm->name)->attached, LIFE_EV_DETACH);
	else if (ctl_vm_life_get(c, vm->name)->driver != driver)
		tell(c, vm->name, false, driver ? LIFE_EV_DRIVER_UP : LIFE_EV_DRIVER_DOWN);
}

static void watch_one(struct ctl *c, const struct cfg_vm *vm, uint64_t now_ns)
{
	struct ctl_vm *v = ctl_vm_get(c, vm->name);
	struct dp_port_totals t;
	struct dp_port_info info;
	int idx = vm->n_nics == 0 ? -1 : dp_switch_port_find(c->sw, vm->nics[0].port);

	if (v == NULL || idx < 0 || dp_switch_port_info(c->sw, (uint16_t)idx, &info) < 0 ||
	    dp_switch_port_totals(c->sw, (uint16_t)idx, &t) < 0)
		return;
	// A timeline is the life of one QEMU process, firmware and operating system together.
	if (info.link.n_attaches != v->n_attaches || info.gen != v->gen) {
		v->n_attaches = info.link.n_attaches;
		v->gen = info.gen;
		v->n_events = 0;
		v->storage_seen = false;
		v->storage_rx_pkts = t.cls[QOS_CLASS_STORAGE].rx_pkts;
		v->attached = v->n_attaches > 0; // it may have gone again since: that is told below
		v->starts = true;
		if (v->n_attaches > 0) {
			ctl_vm_event(c, vm->name, now_ns, "attached");
			ctl_storage_edge(c, vm->name, QOS_EDGE_ATTACH, now_ns);
		}
	}
	if (v->attached && !info.link.attached)
		ctl_storage_edge(c, vm->name, QOS_EDGE_DETACH, now_ns);
	v->attached = info.link.attached;
	ctl_vm_look(c, vm);
	macs_watch(c, vm, v);
	if (info.link.up != v->connected) {
		v->connected = info.link.up;
		ctl_vm_event(c, vm->name, now_ns,
			     v->connected ? "guest driver started" : "guest driver stopped");
	}
	// The switch came anew, not the machine: it does not boot, whatever it logs in to.
	if (v->starts && info.link.up) {
		v->starts = false;
		if (info.link.resumed) {
			ctl_vm_boot_resumed(c, v, now_ns);
			ctl_storage_edge(c, vm->name, QOS_EDGE_COMPLETE, now_ns);
		}
	}
	// Of flows that nobody follows (telemetry is off, FCoE) the class tells.
	if (!v->storage_seen && t.cls[QOS_CLASS_STORAGE].rx_pkts > v->storage_rx_pkts)
		ctl_vm_storage(c, vm->name, now_ns);
	ctl_vm_boot_watch(c, vm, v, now_ns);
}

void ctl_vm_storage(struct ctl *c, const char *vm, uint64_t ns)
{
	struct ctl_vm *v = ctl_vm_get(c, vm);

	if (v == NULL || v->storage_seen)
		return;
	v->storage_seen = true;
	ctl_vm_event(c, vm, ns, "first storage frame");
	// Nobody looks for logins and commands then.
	if (!c->running->storage.telemetry)
		ctl_vm_boot_mark(c, vm, BOOT_MARK_LOGIN, ns);
}

// Timelines of VMs that are no more.
static void forget(struct ctl *c, struct ctl_vm **at)
{
	while (*at != NULL) {
		struct ctl_vm *v = *at;

		if (cfg_vm_get(c->running, v->name) != NULL) {
			at = &v->next;
			continue;
		}
		*at = v->next;
		free(v);
	}
}

void ctl_vm_watch(struct ctl *c, uint64_t now_ns)
{
	uint32_t n = c->running->n_vms;

	if (c->vms_generation != dp_switch_generation(c->sw)) {
		c->vms_generation = dp_switch_generation(c->sw);
		for (uint32_t i = 0; i < CTL_VM_CHAINS; i++)
			forget(c, &c->vms[i]);
	}
	for (uint32_t i = 0; i < n && i < WATCHED_AT_ONCE; i++) {
		c->vm_next = c->vm_next + 1 < n ? c->vm_next + 1 : 0;
		watch_one(c, &c->running->vms[c->vm_next], now_ns);
	}
}
