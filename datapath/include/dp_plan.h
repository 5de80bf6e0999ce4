// A plan: typed actions, flat structs one after the other in one buffer, no pointers. What applies
// them may live in another process one day; then only the transport changes.
//
// usage: dp_plan_init(&p); dp_plan_add(&p, &act.h); ... dp_switch_prepare(sw, &p, &prepared, &err)
#ifndef DP_PLAN_H
#define DP_PLAN_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "dp_port.h"
#include "qos_portal.h"

enum dp_act_kind {
	DP_ACT_PORT_SET, // create the port, or change one of that name
	DP_ACT_PORT_DEL,
	DP_ACT_PORTALS_CLEAR, // forget portals and servers, learnt ones too; the ADDs of the same
			      // plan follow (struct dp_act_portal, or a bare struct dp_act)
	DP_ACT_PORTAL_ADD,
	DP_ACT_SERVER_ADD,
	DP_ACT_L2_SET,
	DP_ACT_QOS_SET,	     // all classes at once
	DP_ACT_VM_SET,	     // make or change a VM's policy; ports of VMs without one have defaults
	DP_ACT_VM_DEL,	     // back to defaults
	DP_ACT_PORT_QUIET,   // take nothing from the guest, or take frames again; lasts until told
			     // otherwise, whatever PORT_SET says
	DP_ACT_SERVICES_SET, // the boot service addresses of all VLANs at once
};

struct dp_act {
	uint32_t kind; // enum dp_act_kind
	uint32_t size; // bytes of the whole action, header included; a multiple of 8
};

struct dp_act_port_set {
	struct dp_act h;
	struct dp_port_params p;
};

struct dp_act_port_del {
	struct dp_act h;
	char name[DP_NAME_MAX];
};

struct dp_act_portal {
	struct dp_act h;
	struct qos_addr addr;
	uint16_t port;	     // PORTAL_ADD
	uint8_t proto;	     // PORTAL_ADD
	uint8_t prefix_bits; // SERVER_ADD, in the 128-bit form
	uint8_t service;     // PORTAL_ADD: enum qos_service, QOS_SVC_NONE = by its port
	uint8_t l2;	     // PORTALS_CLEAR: bits of enum qos_l2, the ethertypes that are storage
	uint8_t how;	     // PORTAL_ADD: enum qos_how; 0 = declared
	uint8_t reserved;
};
static_assert(sizeof(struct dp_act_portal) == 32, "the same for all who read plans");

struct dp_act_l2 {
	struct dp_act h;
	uint32_t ageing_s;  // 10..1000000
	uint32_t mac_limit; // entries in the forwarding table
};

struct dp_act_qos_set {
	struct dp_act h;
	struct dp_qos_class classes[QOS_N_CLASSES];
	uint8_t vlan_class[DP_VIDS]; // class + 1 of frames of the VLAN that no rule knows; 0 = none
};

struct dp_act_vm_set {
	struct dp_act h;
	struct dp_vm_params p;
};

struct dp_act_vm_del {
	struct dp_act h;
	char name[DP_VM_NAME];
};

struct dp_act_port_quiet {
	struct dp_act h;
	char name[DP_NAME_MAX];
	uint8_t quiet; // enum dp_quiet
	uint8_t reserved[7];
};

struct dp_act_services {
	struct dp_act h;
	uint8_t ip4[DP_VIDS][4]; // by VLAN; all zero = none
};

struct dp_plan {
	uint8_t *buf;
	size_t size, cap;
	uint32_t n;
};

void dp_plan_init(struct dp_plan *p);
void dp_plan_fini(struct dp_plan *p);

// Append a copy of act (act->size bytes). returns 0 or -ENOMEM, p unchanged.
int dp_plan_add(struct dp_plan *p, const struct dp_act *act);

// Walk: a = NULL gives the first action; returns NULL behind the last.
const struct dp_act *dp_plan_next(const struct dp_plan *p, const struct dp_act *a);

#endif
