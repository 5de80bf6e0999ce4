// VMs as the schedulers of uplinks know them: a name and a small index, from the first port or
// policy of that name to the last. Index 0 is everybody who is no VM.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>

#include "switch_priv.h"

struct dp_vm {
	char name[DP_VM_NAME];
};

static uint32_t chain_of(const char *name)
{
	return dp_name_hash(name) & (DP_NAME_CHAINS - 1);
}

int dp_vms_find(const struct dp_switch *sw, const char *name)
{
	for (uint32_t at = sw->vm_first[chain_of(name)]; at != 0; at = sw->vm_next[at]) {
		if (strcmp(sw->vm_of[at]->name, name) == 0)
			return (int)at;
	}
	return -ENOENT;
}

static void vm_leave(struct dp_switch *sw, uint16_t idx)
{
	uint16_t *at = &sw->vm_first[chain_of(sw->vm_of[idx]->name)];

	while (*at != idx)
		at = &sw->vm_next[*at];
	*at = sw->vm_next[idx];
	free(sw->vm_of[idx]);
	sw->vm_of[idx] = NULL;
}

// An index that no VM of this change or of the snapshot in force has. Names are kept until their
// index is wanted, so that a VM which comes back finds its own.
static int idx_free(struct dp_switch *sw, const struct dp_prepared *pr)
{
	const struct dp_snapshot *now = dp_root(sw);

	if (sw->n_vms_named < DP_MAX_VMS - 1)
		return (int)++sw->n_vms_named;
	for (uint16_t i = 1; i < DP_MAX_VMS; i++) {
		if (pr->next.vms[i] == NULL && now->vms[i] == NULL) {
			if (sw->vm_of[i] != NULL)
				vm_leave(sw, i);
			return i;
		}
	}
	return -ENOSPC;
}

// Index of the VM of that name, made when there is none.
static int vm_enter(struct dp_switch *sw, const struct dp_prepared *pr, const char *name)
{
	uint16_t *first = &sw->vm_first[chain_of(name)];
	int idx = dp_vms_find(sw, name);
	struct dp_vm *vm;

	if (idx >= 0)
		return idx;
	vm = calloc(1, sizeof(*vm));
	if (vm == NULL)
		return -ENOMEM;
	idx = idx_free(sw, pr);
	if (idx < 0) {
		free(vm);
		return idx;
	}
	memcpy(vm->name, name, strnlen(name, sizeof(vm->name) - 1));
	sw->vm_of[idx] = vm;
	sw->vm_next[idx] = *first;
	*first = (uint16_t)idx;
	return idx;
}

// A VM that has no policy: one share everywhere, nothing reserved or limited.
static void vm_defaults(struct dp_vm_params *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	memcpy(p->name, name, strnlen(name, sizeof(p->name) - 1));
	p->total.shares = 1;
	for (uint32_t c = 0; c < QOS_SCHED_CLASSES; c++)
		p->leaf[c].shares = 1;
}

// What serves until a configuration says otherwise: README of qos/ has the reasons.
void dp_qos_defaults(struct dp_qos_class classes[QOS_N_CLASSES])
{
	static const uint8_t shares[QOS_N_CLASSES] = { 8, 16, 16, 8, 8, 4, 1 };
	static const uint8_t pcp[QOS_N_CLASSES] = { 6, 4, 4, 5, 2, 0, 1 };

	memset(classes, 0, QOS_N_CLASSES * sizeof(classes[0]));
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		classes[c].sched.node.shares = shares[c];
		classes[c].sched.max_leaf_bytes = 1u << 20;
		classes[c].pcp = pcp[c];
		classes[c].dscp = DP_DSCP_KEEP;
	}
}

static bool rate_ok(uint64_t bits_per_s)
{
	return bits_per_s == 0 ||
	       (bits_per_s >= QOS_SCHED_MIN_BITS_PER_S && bits_per_s <= QOS_SCHED_MAX_BITS_PER_S);
}

static const char *node_fault(const struct qos_node_params *n)
{
	if (n->shares < 1 || n->shares > QOS_SCHED_MAX_SHARES)
		return "shares are 1..100";
	if (!rate_ok(n->reservation_bits_per_s) || !rate_ok(n->limit_bits_per_s))
		return "rates are 1 kbit/s to 1 Tbit/s";
	if (n->limit_bits_per_s != 0 && n->limit_bits_per_s < n->reservation_bits_per_s)
		return "the limit is below the reservation";
	return NULL;
}

static int vm_check(const struct dp_vm_params *p, struct weir_err *err)
{
	const char *fault = node_fault(&p->total);

	for (uint32_t c = 0; c < QOS_SCHED_CLASSES && fault == NULL; c++)
		fault = p->leaf[c].limit_pps != 0 ? "packets/s are a limit of the whole VM"
						  : node_fault(&p->leaf[c]);
	if (fault == NULL && (!rate_ok(p->from_bits_per_s) || !rate_ok(p->to_bits_per_s)))
		fault = "rates are 1 kbit/s to 1 Tbit/s";
	if (fault == NULL && qos_meter_check(&p->meter) < 0)
		fault = "a meter has rates of 1 kbit/s to 1 Tbit/s, a peak that is at least the "
			"committed rate, and bursts";
	if (fault == NULL && (p->name[0] == '\0' || p->name[DP_VM_NAME - 1] != '\0'))
		fault = "a name has 1..63 characters";
	return fault == NULL ? 0
			     : weir_err_set(err, -EINVAL, "VM %.63s: policy: %s", p->name, fault);
}

int dp_qos_check(const struct dp_act_qos_set *a, struct weir_err *err)
{
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		const char *fault = node_fault(&a->classes[c].sched.node);

		if (fault == NULL && a->classes[c].sched.node.limit_pps != 0)
			fault = "packets/s are a limit of a VM";
		if (fault == NULL && a->classes[c].pcp > 7)
			fault = "PCP is 0..7";
		if (fault == NULL && a->classes[c].dscp > 63 && a->classes[c].dscp != DP_DSCP_KEEP)
			fault = "DSCP is 0..63";
		if (fault != NULL)
			return weir_err_set(err, -EINVAL, "class %s: %s",
					    qos_class_name((enum qos_class)c), fault);
	}
	for (uint32_t vid = 0; vid < DP_VIDS; vid++) {
		if (a->vlan_class[vid] > QOS_N_CLASSES)
			return weir_err_set(err, -EINVAL, "VLAN %u: there is no class %u", vid,
					    a->vlan_class[vid] - 1);
	}
	return 0;
}

// --- a change

static int view_make(struct dp_switch *sw, struct dp_prepared *pr, int idx,
		     const struct dp_vm_params *p, bool configured)
{
	struct dp_vm_view *v = rte_zmalloc("vm", sizeof(*v), 0);

	if (v == NULL)
		return -ENOMEM;
	*v = (struct dp_vm_view){
		.idx = (uint16_t)idx, .configured = configured, .serial = sw->next_serial++, .p = *p
	};
	if (pr->fresh_vm[idx])
		rte_free(pr->next.vms[idx]);
	pr->next.vms[idx] = v;
	pr->fresh_vm[idx] = true;
	return 0;
}

static int vm_refuse(int rc, const char *name, struct weir_err *err)
{
	return rc == -ENOSPC ? weir_err_set(err, rc, "VM %.63s: this switch has %u VMs already",
					    name, DP_MAX_VMS - 1)
			     : weir_err_set(err, rc, "VM %.63s: out of memory", name);
}

int dp_vms_set(struct dp_switch *sw, struct dp_prepared *pr, const struct dp_vm_params *p,
	       struct weir_err *err)
{
	int rc = vm_check(p, err), idx;

	if (rc < 0)
		return rc;
	idx = vm_enter(sw, pr, p->name);
	rc = idx < 0 ? idx : view_make(sw, pr, idx, p, true);
	return rc < 0 ? vm_refuse(rc, p->name, err) : 0;
}

int dp_vms_del(struct dp_switch *sw, struct dp_prepared *pr, const char *name, struct weir_err *err)
{
	int idx = dp_vms_find(sw, name), rc;
	struct dp_vm_params p;

	if (idx < 0 || pr->next.vms[idx] == NULL)
		return weir_err_set(err, -ENOENT, "VM %.63s: it has no policy", name);
	vm_defaults(&p, name);
	rc = view_make(sw, pr, idx, &p, false);
	return rc < 0 ? vm_refuse(rc, name, err) : 0;
}

// The VM of a port: that of its name, with defaults where nobody has said more.
static int vm_of_port(struct dp_switch *sw, struct dp_prepared *pr, const char *name)
{
	int idx = vm_enter(sw, pr, name), rc = 0;
	struct dp_vm_params p;

	if (idx >= 0 && pr->next.vms[idx] == NULL) {
		vm_defaults(&p, name);
		rc = view_make(sw, pr, idx, &p, false);
	}
	return rc < 0 ? rc : idx;
}

int dp_vms_resolve(struct dp_switch *sw, struct dp_prepared *pr, struct weir_err *err)
{
	bool used[DP_MAX_VMS] = { false };

	for (uint32_t i = 0; i < DP_MAX_PORTS; i++) {
		struct dp_view *v = pr->next.views[i];
		int idx;

		if (v == NULL || v->cfg.vm[0] == '\0')
			continue;
		idx = vm_of_port(sw, pr, v->cfg.vm);
		if (idx < 0)
			return vm_refuse(idx, v->cfg.vm, err);
		used[idx] = true;
		if (v->vm == pr->next.vms[idx])
			continue;
		v = dp_view_renew(sw, pr, i);
		if (v == NULL)
			return vm_refuse(-ENOMEM, pr->next.views[i]->cfg.vm, err);
		v->vm = pr->next.vms[idx];
	}
	for (uint32_t i = 1; i < DP_MAX_VMS; i++) {
		if (pr->next.vms[i] == NULL || used[i] || pr->next.vms[i]->configured)
			continue;
		if (pr->fresh_vm[i])
			rte_free(pr->next.vms[i]);
		pr->fresh_vm[i] = false;
		pr->next.vms[i] = NULL;
	}
	return 0;
}

void dp_vms_abort(struct dp_prepared *pr)
{
	for (uint32_t i = 1; i < DP_MAX_VMS; i++) {
		if (pr->fresh_vm[i])
			rte_free(pr->next.vms[i]);
	}
}

static void free_view(struct dp_switch *sw, void *obj)
{
	(void)sw;
	rte_free(obj);
}

void dp_vms_commit(struct dp_switch *sw, struct dp_prepared *pr,
		   struct dp_vm_view *const old[DP_MAX_VMS])
{
	for (uint32_t i = 1; i < DP_MAX_VMS; i++) {
		if (old[i] != NULL && old[i] != pr->next.vms[i])
			dp_retire(sw, free_view, old[i]);
	}
}

void dp_vms_destroy(struct dp_switch *sw)
{
	const struct dp_snapshot *s = dp_root(sw);

	for (uint32_t i = 1; i < DP_MAX_VMS; i++) {
		if (s != NULL)
			rte_free(s->vms[i]);
		free(sw->vm_of[i]);
	}
}
