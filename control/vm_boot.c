// Timelines of boots: what boot_timeline.h makes of events, for each VM; what came of them, counted
// for metrics and told.
#include <stdio.h>
#include <string.h>

#include "storage.h"

#define SECOND_NS 1000000000ull

// --- Drops of the first card

static bool totals(const struct ctl *c, const struct cfg_vm *vm, struct dp_port_totals *t)
{
	int idx = vm->n_nics == 0 ? -1 : dp_switch_port_find(c->sw, vm->nics[0].port);

	return idx >= 0 && dp_switch_port_totals(c->sw, (uint16_t)idx, t) == 0;
}

struct ctl_vm_drops ctl_vm_boot_drops(const struct ctl *c, const struct cfg_vm *vm,
				      const struct ctl_vm *v)
{
	struct ctl_vm_drops d = { 0 };
	struct dp_port_totals t;

	if (v->boots[0].t.end_ns != 0 || !totals(c, vm, &t))
		return v->boots[0].drops;
	for (uint32_t i = 1; i < DP_N_DROPS; i++) {
		uint64_t now = t.drop_in[i] + t.drop_out[i];
		// A port that was made anew counts from 0.
		uint64_t n = now >= v->drops_from[i] ? now - v->drops_from[i] : now;

		d.n += n;
		if (n > d.most) {
			d.most = n;
			d.reason = (uint8_t)i;
		}
	}
	return d;
}

static void drops_begin(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v)
{
	struct dp_port_totals t;

	memset(v->drops_from, 0, sizeof(v->drops_from));
	if (!totals(c, vm, &t))
		return;
	for (uint32_t i = 1; i < DP_N_DROPS; i++)
		v->drops_from[i] = t.drop_in[i] + t.drop_out[i];
	v->storage_rx_pkts = t.cls[QOS_CLASS_STORAGE].rx_pkts;
}

// --- Counts

static void hist_add(struct ctl_boot_hist *h, uint64_t ns)
{
	uint32_t i = 0;

	h->n++;
	h->sum_ns += ns;
	while (i < CTL_BOOT_BUCKETS && ns > (SECOND_NS >> 3) << i)
		i++;
	if (i < CTL_BOOT_BUCKETS)
		h->bucket[i]++;
}

static void count_times(struct ctl_boot_counts *n, const struct boot_timeline *t)
{
	struct boot_step steps[BOOT_N_MARKS];
	uint32_t n_steps = boot_timeline_steps(t, steps);

	hist_add(&n->took, t->end_ns - t->mark_ns[BOOT_MARK_START]);
	for (uint32_t i = 1; i < n_steps; i++)
		hist_add(&n->stages[steps[i].mark], steps[i].took_ns);
}

// It has ended, one way or the other.
static void ended(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v, enum boot_result r)
{
	struct ctl_vm_boot *b = &v->boots[0];

	if (r != BOOT_RESULT_BOOTED && r != BOOT_RESULT_CUT)
		return;
	if (b->t.end_ns == 0) {
		b->drops = ctl_vm_boot_drops(c, vm, v);
		boot_timeline_settle(&b->t);
	}
	if (r == BOOT_RESULT_BOOTED)
		count_times(&c->boots, &b->t);
}

static struct boot_about about_of(const struct ctl *c, const struct cfg_vm *vm)
{
	static const uint8_t none[4];
	static const uint8_t methods[] = { BOOT_NONE, BOOT_ISCSI, BOOT_KERNEL, BOOT_NFS,
					   BOOT_HTTP };
	static const uint8_t modes[] = { BOOT_AUTHORITATIVE, BOOT_PROXY, BOOT_OFF };
	const struct cfg_port *p =
		vm->n_nics == 0 ? NULL : cfg_port_get(c->running, vm->nics[0].port);
	struct boot_about a = { .vm = vm->name, .port = p == NULL ? "-" : p->name };
	int idx = c->storage == NULL ? -1 : dp_switch_vm_find(c->sw, vm->name);
	struct qos_phase_state st;

	a.method = methods[vm->method];
	if (p != NULL && memcmp(p->service_ip4, none, 4) != 0) {
		a.mode = modes[p->service_mode];
		a.served = true;
	}
	if (idx > 0) {
		qos_phases_state(c->storage->phases, (uint16_t)idx, &st);
		a.followed = st.phase == QOS_PHASE_BOOT_FW || st.phase == QOS_PHASE_BOOT_OS;
	}
	return a;
}

void ctl_vm_boot_verdict(const struct ctl *c, const struct cfg_vm *vm, const struct ctl_vm_boot *b,
			 uint64_t now_ns, struct boot_verdict *out)
{
	struct boot_about about = about_of(c, vm);

	boot_timeline_verdict(&b->t, &about, now_ns, out);
}

// A boot that is stuck, or has failed, is told of; it may go on.
static void tell(struct ctl *c, const struct cfg_vm *vm, const struct ctl_vm *v,
		 const struct boot_verdict *d, uint64_t ns)
{
	const struct boot_timeline *t = &v->boots[0].t;

	if (d->result == BOOT_RESULT_STUCK)
		ctl_vm_event(c, vm->name, ns, "boot stuck at %s: waits for %s",
			     boot_mark_name(d->at), d->waits);
	else if (d->result == BOOT_RESULT_FAILED)
		ctl_vm_event(c, vm->name, ns, "boot failed at %s: %s", boot_mark_name(d->at),
			     t->why);
}

void ctl_vm_boot_watch(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v, uint64_t now_ns)
{
	struct boot_verdict d;

	if (v->boots[0].t.number == 0 ||
	    (v->boots[0].t.end_ns != 0 &&
	     (v->result == BOOT_RESULT_BOOTED || v->result == BOOT_RESULT_CUT)))
		return;
	ctl_vm_boot_verdict(c, vm, &v->boots[0], now_ns, &d);
	if (d.result == v->result)
		return;
	v->result = d.result;
	c->boots.results[d.result]++;
	tell(c, vm, v, &d, now_ns);
	ended(c, vm, v, d.result);
}

// --- Begin, and on

static void begin(struct ctl *c, const struct cfg_vm *vm, struct ctl_vm *v, enum boot_cause cause,
		  uint64_t ns)
{
	struct ctl_vm_boot *b = &v->boots[0];

	if (boot_timeline_adopt(&b->t, cause, ns))
		return;
	// Who starts it tells so, and QEMU attaches, one a moment after the other.
	if (b->t.number != 0 && b->t.end_ns == 0 && !boot_timeline_heard(&b->t)) {
		if (cause != BOOT_CAUSE_TOLD)
			boot_timeline_begin(&b->t, cause, b->t.number, ns);
		return;
	}
	if (b->t.number != 0 && b->t.end_ns == 0) {
		b->drops = ctl_vm_boot_drops(c, vm, v);
		boot_timeline_cut(&b->t, ns);
	}
	ctl_vm_boot_watch(c, vm, v, ns);
	if (b->t.number != 0)
		v->boots[1] = *b;
	*b = (struct ctl_vm_boot){ 0 };
	boot_timeline_begin(&b->t, cause, ++v->n_boots, ns);
	v->result = BOOT_RESULT_BOOTING;
	drops_begin(c, vm, v);
	ctl_storage_anew(c, vm->name);
	// What is told of a start is told by who noticed it.
	if (cause != BOOT_CAUSE_RESET && cause != BOOT_CAUSE_SEEN)
		return;
	v->n_events = 0;
	v->storage_seen = false;
	ctl_vm_event(c, vm->name, ns,
		     cause == BOOT_CAUSE_RESET ? "reset" : "boots anew: its firmware asks again");
}

void ctl_vm_boot_event(struct ctl *c, const char *name, const struct boot_event *e)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);
	struct ctl_vm *v = vm == NULL ? NULL : ctl_vm_get(c, name);
	struct boot_timeline *t;
	uint32_t repeats, tftp_failed, http_failed;

	// A machine boots by its first card.
	if (v == NULL || vm->n_nics == 0 ||
	    dp_switch_port_find(c->sw, vm->nics[0].port) != (int)e->port)
		return;
	t = &v->boots[0].t;
	if (boot_timeline_anew(t, e))
		begin(c, vm, v, BOOT_CAUSE_SEEN, e->ns);
	repeats = t->repeats;
	tftp_failed = t->tftp_failed;
	http_failed = t->http_failed;
	c->boots.tftp_bytes -= t->tftp_bytes;
	c->boots.http_bytes -= t->http_bytes;
	c->boots.tftp_repeats -= t->tftp_repeats;
	boot_timeline_event(t, e);
	c->boots.discover_repeats += t->repeats - repeats;
	c->boots.tftp_failed += t->tftp_failed - tftp_failed;
	c->boots.http_failed += t->http_failed - http_failed;
	c->boots.tftp_bytes += t->tftp_bytes;
	c->boots.http_bytes += t->http_bytes;
	c->boots.tftp_repeats += t->tftp_repeats;
}

void ctl_vm_boot_mark(struct ctl *c, const char *name, enum boot_mark m, uint64_t ns)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);
	struct ctl_vm *v = vm == NULL ? NULL : ctl_vm_get(c, name);

	if (v == NULL)
		return;
	if (m == BOOT_MARK_STEADY && v->boots[0].t.end_ns == 0)
		v->boots[0].drops = ctl_vm_boot_drops(c, vm, v);
	boot_timeline_mark(&v->boots[0].t, m, ns);
}

void ctl_vm_boot_edge(struct ctl *c, const char *name, enum qos_edge edge, uint64_t ns)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, name);
	struct ctl_vm *v = vm == NULL ? NULL : ctl_vm_get(c, name);

	if (v == NULL)
		return;
	switch (edge) {
	case QOS_EDGE_ATTACH:
		begin(c, vm, v, BOOT_CAUSE_ATTACH, ns);
		break;
	case QOS_EDGE_RESET:
		begin(c, vm, v, BOOT_CAUSE_RESET, ns);
		break;
	case QOS_EDGE_BEGIN:
		begin(c, vm, v, BOOT_CAUSE_TOLD, ns);
		break;
	case QOS_EDGE_DETACH:
		if (v->boots[0].t.end_ns == 0)
			v->boots[0].drops = ctl_vm_boot_drops(c, vm, v);
		boot_timeline_cut(&v->boots[0].t, ns);
		break;
	case QOS_EDGE_LOGIN_FW:
		boot_timeline_mark(&v->boots[0].t, BOOT_MARK_LOGIN, ns);
		break;
	case QOS_EDGE_LOGIN_OS:
		boot_timeline_mark(&v->boots[0].t, BOOT_MARK_LOGIN, ns);
		boot_timeline_mark(&v->boots[0].t, BOOT_MARK_OS, ns);
		break;
	default:
		break; // of DHCP the responder's events tell
	}
}

void ctl_vm_boot_resumed(struct ctl *c, struct ctl_vm *v, uint64_t ns)
{
	const struct cfg_vm *vm = cfg_vm_get(c->running, v->name);

	if (vm == NULL || v->boots[0].t.number == 0)
		return;
	// It did not start: what began with the front-end's attaching was the switch's start.
	boot_timeline_begin(&v->boots[0].t, BOOT_CAUSE_SWITCH, v->boots[0].t.number, ns);
	v->result = BOOT_RESULT_RUNNING;
}
