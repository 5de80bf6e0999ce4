// Targets: what was measured of a VM's storage in each window of 10 s goes to qos_slo, and its
// boost into the shares of the VM in class storage. Each decision is kept, logged and told to
// subscribers.
//
// Configuration knows nothing of boosts: after each commit what is in force is compared with what
// should be, and mended by a plan of its own.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage.h"
#include "weir_log.h"

#define SAMPLE_NS 250000000ull
#define STEPS_AT_ONCE 8 // windows that one call judges; each looks at all rows
// Of the samples of a window, one in so many that says so makes a standing queue.
#define STANDING_PART 5

const struct ctl_slo_vm *ctl_slo_find(const struct ctl_storage *s, const char *vm)
{
	uint32_t from = 0, to = s->n_slo;

	while (from < to) {
		uint32_t mid = (from + to) / 2;
		int cmp = strcmp(vm, s->slo[mid].name);

		if (cmp == 0)
			return &s->slo[mid];
		if (cmp < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return NULL;
}

// --- Shares in force

static uint32_t boost_of(const struct ctl_storage *s, const char *vm)
{
	const struct ctl_slo_vm *v = ctl_slo_find(s, vm);

	return v == NULL ? 1 : v->slo.boost;
}

static int vm_plan(struct ctl_storage *s, const struct cfg_vm *vm, struct dp_plan *plan)
{
	int idx = dp_switch_vm_find(s->ctl->sw, vm->name);
	const struct dp_vm_params *now = idx < 0 ? NULL : dp_switch_vm(s->ctl->sw, (uint16_t)idx);
	struct dp_act_vm_set set = { .h = { DP_ACT_VM_SET, sizeof(set) } };
	struct dp_act_vm_del del = { .h = { DP_ACT_VM_DEL, sizeof(del) } };
	uint32_t boost = boost_of(s, vm->name);

	ctl_translate_vm(vm, boost, &set.p);
	if (now == NULL ||
	    now->leaf[QOS_CLASS_STORAGE].shares == set.p.leaf[QOS_CLASS_STORAGE].shares)
		return 0;
	if (boost > 1 || !cfg_policy_is_default(&vm->policy))
		return dp_plan_add(plan, &set.h);
	// One without a policy has none again; else its index would outlive it.
	snprintf(del.name, sizeof(del.name), "%s", vm->name);
	return dp_plan_add(plan, &del.h);
}

// A VM that went while it was boosted, and had no policy otherwise.
static int gone_plan(struct ctl_storage *s, const char *name, struct dp_plan *plan)
{
	struct dp_act_vm_del del = { .h = { DP_ACT_VM_DEL, sizeof(del) } };

	if (dp_switch_vm_find(s->ctl->sw, name) < 0)
		return 0;
	snprintf(del.name, sizeof(del.name), "%s", name);
	return dp_plan_add(plan, &del.h);
}

static int plan_apply(struct ctl_storage *s, const struct dp_plan *plan)
{
	struct dp_prepared *prep;
	struct weir_err err;
	int rc;

	if (plan->n == 0)
		return 0;
	rc = dp_switch_prepare(s->ctl->sw, plan, &prep, &err);
	if (rc == 0)
		dp_switch_commit(s->ctl->sw, prep);
	else
		weir_log_limited(&s->log_refused, WEIR_ERROR, "storage targets: shares: %s",
				 err.text);
	return rc;
}

// Make the shares of VMs what their boosts say. gone[n_gone]: VMs that had one and are no more.
static void shares_follow(struct ctl_storage *s, const struct ctl_slo_vm *gone, uint32_t n_gone)
{
	const struct cfg *cfg = s->ctl->running;
	struct dp_plan plan;
	int rc = 0;

	dp_plan_init(&plan);
	for (uint32_t i = 0; i < n_gone && rc == 0; i++) {
		const struct cfg_vm *vm = cfg_vm_get(cfg, gone[i].name);

		if (gone[i].slo.boost > 1)
			rc = vm == NULL ? gone_plan(s, gone[i].name, &plan) : vm_plan(s, vm, &plan);
	}
	for (uint32_t i = 0; i < s->n_slo && rc == 0; i++) {
		const struct cfg_vm *vm = cfg_vm_get(cfg, s->slo[i].name);

		if (vm != NULL)
			rc = vm_plan(s, vm, &plan);
	}
	if (rc == 0)
		rc = plan_apply(s, &plan);
	dp_plan_fini(&plan);
	s->shares_stale = rc < 0;
}

// --- Configuration

static void links_follow(struct ctl_storage *s)
{
	struct dp_qos_link l;

	s->n_shared = 0;
	for (uint32_t i = 0; s->n_slo > 0 && i < DP_MAX_PORTS; i++) {
		if (dp_switch_qos_link(s->ctl->sw, (uint16_t)i, &l) == 0 && l.role != DP_ROLE_GUEST)
			s->shared[s->n_shared++] = (uint16_t)i;
	}
}

void ctl_slo_configure(struct ctl_storage *s)
{
	const struct cfg *cfg = s->ctl->running;
	struct ctl_slo_vm *slo, *old = s->slo;
	uint32_t n_old = s->n_slo, n = 0;

	for (uint32_t i = 0; i < cfg->n_vms; i++)
		n += cfg->vms[i].slo_p99_us != 0;
	if (n + n_old == 0)
		return;
	slo = calloc(n + 1, sizeof(*slo));
	if (slo == NULL) {
		weir_log(WEIR_ERROR, "storage targets: out of memory: as before");
		return;
	}
	n = 0;
	for (uint32_t i = 0; i < cfg->n_vms; i++) {
		const struct cfg_vm *vm = &cfg->vms[i];
		const struct ctl_slo_vm *was = ctl_slo_find(s, vm->name);
		uint64_t target_ns = vm->slo_p99_us * 1000ull;

		if (target_ns == 0)
			continue;
		if (was != NULL)
			slo[n] = *was;
		else
			qos_slo_init(&slo[n].slo, target_ns);
		qos_slo_set(&slo[n].slo, target_ns);
		snprintf(slo[n++].name, sizeof(slo->name), "%s", vm->name);
	}
	s->slo = slo;
	s->n_slo = n;
	links_follow(s);
	// Those that are still there are compared anyway; only who left needs to be told of.
	for (uint32_t i = 0; i < n_old; i++) {
		if (ctl_slo_find(s, old[i].name) != NULL)
			old[i].slo.boost = 1;
	}
	shares_follow(s, old, n_old);
	free(old);
}

// --- What was measured

// Reads and writes, at all portals.
static void rows_add(const struct ctl_storage *s, uint16_t vm_idx, struct ctl_slo_mark *m)
{
	const struct qos_storage_row *r;

	for (uint32_t i = 0; (r = qos_storage_row(s->watch, i)) != NULL; i++) {
		if (r->vm_idx != vm_idx)
			continue;
		qos_hist_merge(&m->took, &r->took[QOS_OP_READ]);
		qos_hist_merge(&m->took, &r->took[QOS_OP_WRITE]);
		m->out_ns += r->wait_out_ns;
		m->in_ns += r->wait_in_ns;
		m->unmeasured += r->unmeasured;
		if (r->oldest_ns != 0 && (m->oldest_ns == 0 || r->oldest_ns < m->oldest_ns))
			m->oldest_ns = r->oldest_ns;
	}
}

// What its limits and those of its class held back: its own ports, and the links that it shares.
static void limits_add(const struct ctl_storage *s, const struct cfg_vm *vm, uint16_t vm_idx,
		       struct ctl_slo_mark *m)
{
	struct dp_qos_sender sender;
	struct dp_qos_queues q;

	for (uint32_t i = 0; i < vm->n_nics; i++) {
		int port = dp_switch_port_find(s->ctl->sw, vm->nics[i].port);

		if (port < 0)
			continue;
		if (dp_switch_qos_sender(s->ctl->sw, (uint16_t)port, &sender) == 0)
			m->held_ns += sender.held_ns;
		if (dp_switch_qos_queues(s->ctl->sw, (uint16_t)port, vm_idx, &q) == 0)
			m->parked += q.vm.parked + q.leaf[QOS_CLASS_STORAGE].parked;
	}
	for (uint32_t i = 0; i < s->n_shared; i++) {
		if (dp_switch_qos_queues(s->ctl->sw, s->shared[i], vm_idx, &q) == 0)
			m->parked += q.vm.parked + q.leaf[QOS_CLASS_STORAGE].parked;
	}
}

static void mark_take(const struct ctl_storage *s, const struct cfg_vm *vm, uint16_t vm_idx,
		      struct ctl_slo_mark *m)
{
	memset(m, 0, sizeof(*m));
	m->ns = s->now_ns;
	rows_add(s, vm_idx, m);
	limits_add(s, vm, vm_idx, m);
}

static bool grew(const struct ctl_slo_mark *from, const struct ctl_slo_mark *to)
{
	return to->took.n >= from->took.n && to->out_ns >= from->out_ns &&
	       to->in_ns >= from->in_ns && to->unmeasured >= from->unmeasured &&
	       to->held_ns >= from->held_ns && to->parked >= from->parked;
}

static void input_make(const struct ctl_slo_vm *v, const struct ctl_slo_mark *end,
		       struct qos_slo_input *in)
{
	const struct ctl_slo_mark *begin = &v->begin;
	uint64_t span_ns = end->ns - begin->ns;
	struct qos_hist win;
	uint64_t n;

	qos_hist_since(&end->took, &begin->took, &win);
	in->n = win.n;
	if (end->oldest_ns != 0 && end->oldest_ns < end->ns)
		in->waiting_ns = end->ns - end->oldest_ns;
	in->at_limit = end->held_ns - begin->held_ns > span_ns / 100 ||
		       end->parked - begin->parked > win.n / 100;
	in->guest_parked = v->n_stuck * STANDING_PART > v->n_samples;
	in->link_busy = v->n_busy * STANDING_PART > v->n_samples;
	if (win.n == 0)
		return;
	// Waits are of every command, times only of those that were measured.
	n = win.n + end->unmeasured - begin->unmeasured;
	in->out_ns = (end->out_ns - begin->out_ns) / n;
	in->in_ns = (end->in_ns - begin->in_ns) / n;
	// Answers on their way to the guest are not in what was measured at the ports.
	in->mean_ns = win.sum_ns / win.n + in->in_ns;
	in->p99_ns = qos_hist_quantile(&win, 990) + in->in_ns;
}

// --- Decisions

static void decided(struct ctl_storage *s, struct ctl_slo_vm *v)
{
	struct ctl_decision *d = &s->decisions[++s->n_decisions % CTL_DECISIONS];

	d->id = s->n_decisions;
	d->time_s = s->wall_s();
	snprintf(d->vm, sizeof(d->vm), "%s", v->name);
	snprintf(d->text, sizeof(d->text), "%s", v->text);
	weir_log(WEIR_NOTICE, "vm %s: storage target: %s", v->name, v->text);
	ctl_event_vm(s->ctl, v->name, v->text);
}

static void judge(struct ctl_storage *s, struct ctl_slo_vm *v, const struct cfg_vm *vm,
		  const struct ctl_slo_mark *end)
{
	struct qos_slo_input in = { .shares = vm->policy.cls[QOS_CLASS_STORAGE].shares };
	uint32_t boost = v->slo.boost;
	char text[sizeof(v->text)] = "";

	input_make(v, end, &in);
	qos_slo_step(&v->slo, &in, s->now_ns, text, sizeof(text));
	s->shares_stale |= v->slo.boost != boost;
	if (text[0] == '\0')
		return;
	memcpy(v->text, text, sizeof(v->text));
	decided(s, v);
}

// returns true when a window ended
static bool step(struct ctl_storage *s, struct ctl_slo_vm *v)
{
	static struct ctl_slo_mark end; // main thread only
	const struct cfg_vm *vm = cfg_vm_get(s->ctl->running, v->name);
	int idx = dp_switch_vm_find(s->ctl->sw, v->name);

	if (vm == NULL || idx < 0 ||
	    (v->begin.ns != 0 && s->now_ns - v->begin.ns < CTL_SLO_WINDOW_NS))
		return false;
	mark_take(s, vm, (uint16_t)idx, &end);
	// Totals begin anew with a port, or with a table that was full: that is no window.
	if (v->begin.ns != 0 && grew(&v->begin, &end))
		judge(s, v, vm, &end);
	v->begin = end;
	v->n_samples = v->n_busy = v->n_stuck = 0;
	return true;
}

static bool is_busy(const struct ctl_storage *s)
{
	struct dp_qos_link l;

	for (uint32_t i = 0; i < s->n_shared; i++) {
		if (dp_switch_qos_link(s->ctl->sw, s->shared[i], &l) == 0 && l.queued_now > 0)
			return true;
	}
	return false;
}

// Frames stand towards the guest, and not since its limit holds them.
static bool is_stuck(const struct ctl_storage *s, const char *name)
{
	const struct cfg_vm *vm = cfg_vm_get(s->ctl->running, name);
	int idx = vm == NULL ? -ENOENT : dp_switch_vm_find(s->ctl->sw, name);
	struct dp_qos_queues q;

	for (uint32_t i = 0; idx > 0 && i < vm->n_nics; i++) {
		int port = dp_switch_port_find(s->ctl->sw, vm->nics[i].port);

		if (port >= 0 &&
		    dp_switch_qos_queues(s->ctl->sw, (uint16_t)port, (uint16_t)idx, &q) == 0 &&
		    q.vm.queued_pkts_now > 0 && !q.vm.parked_now)
			return true;
	}
	return false;
}

static void sample(struct ctl_storage *s)
{
	bool busy = is_busy(s);

	s->sample_ns = s->now_ns;
	for (uint32_t i = 0; i < s->n_slo; i++) {
		s->slo[i].n_samples++;
		s->slo[i].n_busy += busy;
		s->slo[i].n_stuck += is_stuck(s, s->slo[i].name);
	}
}

void ctl_slo_poll(struct ctl_storage *s)
{
	bool sampled = s->now_ns - s->sample_ns >= SAMPLE_NS;
	uint32_t steps = 0;

	if (s->n_slo == 0)
		return;
	if (sampled)
		sample(s);
	for (uint32_t i = 0; i < s->n_slo && steps < STEPS_AT_ONCE; i++) {
		s->slo_next = s->slo_next + 1 < s->n_slo ? s->slo_next + 1 : 0;
		steps += step(s, &s->slo[s->slo_next]);
	}
	if (s->shares_stale && sampled) // so often, and no more, when the switch refuses them
		shares_follow(s, NULL, 0);
}
