// QoS as the main thread may look at it: what links, VMs and classes may have, what they got, and
// what stands now. Copies of single words that workers write (qos_sched.h says how exact that is);
// nothing of this is on a packet's path.
//
// A VM is an index, as in the schedulers of uplinks and host ports; 0 is everybody who is no VM.
// Memory of queues that were never used is not touched.
//
//   for (idx = 0; idx < DP_MAX_PORTS; idx++)
//           if (dp_switch_qos_link(sw, idx, &link) == 0 && dp_switch_qos_sum(sw, idx, &q) == 0) ...
//
// thread: main.
#ifndef DP_QOS_INFO_H
#define DP_QOS_INFO_H

#include "dp_switch.h"

#define DP_QOS_VMS (DP_MAX_PORTS + 1)

// A port's link, as its scheduler sees it.
struct dp_qos_link {
	char name[DP_NAME_MAX];
	uint8_t role;	  // enum dp_role
	uint16_t vm_idx;  // whose port it is, and the only VM that it carries; 0 = it carries all
	uint16_t n_flows; // flow queues per VM and class
	uint64_t rate_bits_per_s; // 0 = as fast as it takes frames
	uint64_t queued_now;	  // frames, those that the driver gets next included
	struct qos_link_stats stats;
	uint64_t longest_wait_ns[QOS_N_CLASSES]; // in a queue
};

// What one VM, or all, had and have on one link.
struct dp_qos_queues {
	struct qos_vm_stats vm;
	struct qos_leaf_stats leaf[QOS_N_CLASSES];
};

// A port by which a VM sends.
struct dp_qos_sender {
	uint64_t held_ns; // in which it was not polled, by now
	bool held_now;
	uint64_t red_pkts; // dropped by the meter
};

// Index of a VM that has a port or a policy, or -ENOENT.
int dp_switch_vm_find(const struct dp_switch *sw, const char *name);
// Its policy. returns NULL when there is none of that index; good until the next commit
const struct dp_vm_params *dp_switch_vm(const struct dp_switch *sw, uint16_t vm_idx);
// [QOS_N_CLASSES]; good until the next commit
const struct dp_qos_class *dp_switch_qos_classes(const struct dp_switch *sw);

// returns 0; -ENOENT = no port of that index
int dp_switch_qos_link(const struct dp_switch *sw, uint16_t idx, struct dp_qos_link *out);
// One VM on one link. Towards a guest, what passed without a queue is in sent_bytes as if it went
// over a wire frame by frame.
// returns 0; -ENOENT = no such port, or it has no queues of that VM (yet)
int dp_switch_qos_queues(const struct dp_switch *sw, uint16_t idx, uint16_t vm_idx,
			 struct dp_qos_queues *out);
// All VMs that the link ever carried, also those that are gone; last_wait_ns is the longest.
int dp_switch_qos_sum(const struct dp_switch *sw, uint16_t idx, struct dp_qos_queues *out);
// returns 0; -ENOENT = no port of that index
int dp_switch_qos_sender(const struct dp_switch *sw, uint16_t idx, struct dp_qos_sender *out);

// --- explain, continued: one of the links by which the frame would leave

struct dp_qos_verdict {
	uint16_t vm_idx;		 // under which it queues there
	uint8_t cls;			 // enum qos_class, the verdict's or a set_queue's
	struct qos_node_params vm, leaf; // what that VM may have there, in all and in the class
	bool marked;			 // pcp and dscp are the switch's
	bool tagged;
	uint8_t pcp, dscp; // DP_DSCP_KEEP = as it came
	bool passes;	   // nothing stands there now: it would not wait for others
};

// v        of dp_switch_explain, for a frame that leaves
// returns  0; -ENOENT = no such port
int dp_switch_explain_link(const struct dp_switch *sw, const struct dp_verdict *v, uint16_t idx,
			   struct dp_qos_verdict *out);

#endif
