// VMs as the schedulers of uplinks know them: a name and a small index, from the first port or
// policy of that name to the last. Index 0 is everybody who is no VM.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switch_priv.h"

struct dp_vm {
	char name[DP_VM_NAME];
};

static uint32_t chain_of(const char *name)
{
	return dp_name_hash(name) & (DP_NAME_CHAINS - 1);
}

int dp_vm_find(const struct dp_switch *sw, const char *name)
{
	for (uint32_t at = sw->vm_first[chain_of(name)]; at != 0; at = sw->vm_next[at]) {
		if (strcmp(sw->vm_of[at]->name, name) == 0)
			return (int)at;
	}
	return -ENOENT;
}

int dp_vm_enter(struct dp_switch *sw, const char *name)
{
	uint16_t *first = &sw->vm_first[chain_of(name)];
	int idx = dp_vm_find(sw, name);
	struct dp_vm *vm;

	if (idx >= 0)
		return idx;
	for (idx = 1; idx < DP_MAX_VMS && sw->vm_of[idx] != NULL;)
		idx++;
	if (idx == DP_MAX_VMS)
		return -ENOSPC;
	vm = calloc(1, sizeof(*vm));
	if (vm == NULL)
		return -ENOMEM;
	memcpy(vm->name, name, strnlen(name, sizeof(vm->name) - 1));
	sw->vm_of[idx] = vm;
	sw->vm_next[idx] = *first;
	*first = (uint16_t)idx;
	return idx;
}

void dp_vm_leave(struct dp_switch *sw, uint16_t idx)
{
	uint16_t *at = &sw->vm_first[chain_of(sw->vm_of[idx]->name)];

	while (*at != idx)
		at = &sw->vm_next[*at];
	*at = sw->vm_next[idx];
	free(sw->vm_of[idx]);
	sw->vm_of[idx] = NULL;
}

void dp_vm_defaults(struct dp_vm_params *p, const char *name)
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
	return bits_per_s == 0 || (bits_per_s >= QOS_SCHED_MIN_BITS_PER_S &&
				   bits_per_s <= QOS_SCHED_MAX_BITS_PER_S);
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

int dp_vm_check(const struct dp_vm_params *p, struct weir_err *err)
{
	const char *fault = node_fault(&p->total);

	for (uint32_t c = 0; c < QOS_SCHED_CLASSES && fault == NULL; c++)
		fault = node_fault(&p->leaf[c]);
	if (fault == NULL && (!rate_ok(p->from_bits_per_s) || !rate_ok(p->to_bits_per_s)))
		fault = "rates are 1 kbit/s to 1 Tbit/s";
	if (fault == NULL && (p->name[0] == '\0' || p->name[DP_VM_NAME - 1] != '\0'))
		fault = "a name has 1..63 characters";
	return fault == NULL ? 0
			     : weir_err_set(err, -EINVAL, "VM %.63s: policy: %s", p->name, fault);
}

int dp_qos_check(const struct dp_act_qos_set *a, struct weir_err *err)
{
	for (uint32_t c = 0; c < QOS_N_CLASSES; c++) {
		const char *fault = node_fault(&a->classes[c].sched.node);

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
