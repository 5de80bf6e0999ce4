// Phases of boots: what vm.c, the responder and storage logins tell goes to qos_phase, and what it
// decides to the workers and the timelines.
//
// Guests whose DHCP goes to another server than our responder are not seen by it: their boot begins
// with the login of their firmware, or by the explicit call.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage.h"
#include "weir_log.h"

#define TICK_NS 10000000ull
#define BYTES_NS 50000000ull
#define SECOND_NS 1000000000ull

enum { COUNTED_AT_ONCE = 256 }; // whose bytes one call counts

static struct qos_phase_params params_of(const struct cfg_storage *conf)
{
	return (struct qos_phase_params){
		.n_vms = DP_QOS_VMS,
		.window = conf->boot_window,
		.deadline_ns = conf->boot_deadline_s * SECOND_NS,
		.max_ns = conf->boot_max_s * SECOND_NS,
		.max_bytes = conf->boot_max_bytes,
		.quiet_ns = QOS_PHASE_QUIET_NS,
		.quiet_bytes = QOS_PHASE_QUIET_BYTES,
	};
}

static void on_change(void *ctx, const struct qos_phase_change *p)
{
	struct ctl_storage *s = ctx;
	const char *vm = ctl_storage_vm_name(s, p->vm_idx);

	dp_switch_set_boot(s->ctl->sw, p->vm_idx, p->deadline_ns);
	// Guest ports without a VM have no timeline.
	if (cfg_vm_get(s->ctl->running, vm) == NULL)
		return;
	if (p->to == QOS_PHASE_STEADY)
		ctl_vm_boot_mark(s->ctl, vm, BOOT_MARK_STEADY, p->ns);
	if (p->from != p->to)
		ctl_vm_event(s->ctl, vm, p->ns, "phase %s: %s", qos_phase_name(p->to), p->why);
	else
		ctl_vm_event(s->ctl, vm, p->ns, "boot: %s", p->why);
}

int ctl_phase_create(struct ctl_storage *s)
{
	const struct qos_phase_params p = params_of(&s->conf);

	s->vm_bytes = calloc(DP_QOS_VMS, sizeof(*s->vm_bytes));
	return s->vm_bytes == NULL ? -ENOMEM : qos_phases_create(&p, on_change, s, &s->phases);
}

void ctl_phase_configure(struct ctl_storage *s)
{
	const struct qos_phase_params p = params_of(&s->conf);

	qos_phases_set(s->phases, &p, s->now_ns);
}

// A machine that is started anew knows nothing of the logins before.
static void edge(struct ctl_storage *s, uint16_t vm_idx, enum qos_edge e, uint64_t ns)
{
	if (e == QOS_EDGE_ATTACH || e == QOS_EDGE_RESET || e == QOS_EDGE_BEGIN)
		qos_storage_forget_logins(s->watch, vm_idx);
	qos_phases_edge(s->phases, vm_idx, e, ns);
}

void ctl_storage_edge(struct ctl *c, const char *vm, enum qos_edge e, uint64_t ns)
{
	int idx = c->storage == NULL ? -ENOENT : dp_switch_vm_find(c->sw, vm);

	if (cfg_vm_get(c->running, vm) != NULL)
		ctl_vm_boot_edge(c, vm, e, ns);
	if (idx > 0)
		edge(c->storage, (uint16_t)idx, e, ns);
}

void ctl_storage_anew(struct ctl *c, const char *vm)
{
	int idx = c->storage == NULL ? -ENOENT : dp_switch_vm_find(c->sw, vm);

	if (idx <= 0)
		return;
	qos_storage_forget_logins(c->storage->watch, (uint16_t)idx);
	c->storage->io_told[idx] = false;
}

void ctl_phase_login(struct ctl_storage *s, const struct qos_login *login)
{
	ctl_phase_edge(s, login->vm_idx,
		       login->firmware && !login->again ? QOS_EDGE_LOGIN_FW : QOS_EDGE_LOGIN_OS,
		       login->ns);
}

void ctl_phase_edge(struct ctl_storage *s, uint16_t vm_idx, enum qos_edge e, uint64_t ns)
{
	const char *vm = ctl_storage_vm_name(s, vm_idx);

	if (vm_idx == 0)
		return;
	if (cfg_vm_get(s->ctl->running, vm) != NULL)
		ctl_vm_boot_edge(s->ctl, vm, e, ns);
	edge(s, vm_idx, e, ns);
}

void ctl_phase_forget(struct ctl_storage *s, uint16_t vm_idx)
{
	qos_phases_forget(s->phases, vm_idx, s->now_ns);
	if (dp_switch_boot(s->ctl->sw, vm_idx) != 0)
		dp_switch_set_boot(s->ctl->sw, vm_idx, 0);
	s->vm_bytes[vm_idx] = (struct ctl_vm_bytes){ 0 };
	s->io_told[vm_idx] = false;
}

// --- What a boot moved, by its ports' counters

static uint64_t port_bytes(const struct ctl *c, const char *port)
{
	int idx = dp_switch_port_find(c->sw, port);
	struct dp_port_totals t;
	uint64_t n = 0;

	if (idx < 0 || dp_switch_port_totals(c->sw, (uint16_t)idx, &t) < 0)
		return 0;
	n += t.cls[QOS_CLASS_STORAGE].rx_bytes + t.cls[QOS_CLASS_STORAGE].tx_bytes;
	return n + t.cls[QOS_CLASS_BOOT].rx_bytes + t.cls[QOS_CLASS_BOOT].tx_bytes;
}

static uint64_t ports_bytes(const struct ctl *c, const char *name)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);
	uint64_t n = 0;

	if (vm == NULL)
		return strncmp(name, "port/", 5) == 0 ? port_bytes(c, name + 5) : 0;
	for (uint32_t i = 0; i < vm->n_nics; i++)
		n += port_bytes(c, vm->nics[i].port);
	return n;
}

static void bytes_count(struct ctl_storage *s)
{
	static uint16_t booting[DP_QOS_VMS]; // main thread only
	uint32_t n = qos_phases_booting(s->phases, booting, DP_QOS_VMS);

	// Round all of them: the bounds of a boot hold for the last one, too.
	for (uint32_t i = 0; i < n && i < COUNTED_AT_ONCE; i++) {
		uint16_t vm = booting[s->bytes_next++ % n];
		struct ctl_vm_bytes *b = &s->vm_bytes[vm];
		uint64_t seen = ports_bytes(s->ctl, ctl_storage_vm_name(s, vm));

		// A port that was made anew counts from 0.
		b->total += seen >= b->seen ? seen - b->seen : seen;
		b->seen = seen;
		qos_phases_bytes(s->phases, vm, b->total, s->now_ns);
	}
}

void ctl_phase_poll(struct ctl_storage *s)
{
	if (s->now_ns - s->bytes_ns >= BYTES_NS) {
		s->bytes_ns = s->now_ns;
		bytes_count(s);
	}
	if (s->now_ns - s->phase_ns >= TICK_NS) {
		s->phase_ns = s->now_ns;
		qos_phases_tick(s->phases, s->now_ns);
	}
}
