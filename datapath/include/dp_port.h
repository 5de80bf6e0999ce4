// Ports: what VLANs, the forwarding table and policy see. Each port has one link today.
//
// Configuration of a port is flat (struct dp_port_params): it travels in plan actions and lives,
// immutable, in the snapshot. State of a port (struct dp_port: link, queues, counters) outlives
// snapshots. Identity is the name; the index is small and reused only after a grace period, with a
// new generation.
#ifndef DP_PORT_H
#define DP_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "dp_port_driver.h"
#include "qos_class.h"
#include "qos_meter.h"
#include "qos_sched.h"

#define DP_MAX_PORTS 4096 // one that was removed counts until no worker can see it
#define DP_MAX_WORKERS 8
#define DP_VIDS 4096
#define DP_GUEST_ADDRS 4 // addresses per family that a guest may use
#define DP_VM_NAME 64
#define DP_DSCP_KEEP 0xff

enum dp_role {
	DP_ROLE_GUEST,	// admit is on
	DP_ROLE_UPLINK, // no forwarding from uplink to uplink
	DP_ROLE_HOST,	// the host-facing port, weir0
};

// OVS's port roles.
enum dp_vlan_mode {
	DP_VLAN_ACCESS,		 // untagged or priority-tagged frames of one VLAN
	DP_VLAN_TRUNK,		 // tagged only
	DP_VLAN_NATIVE_UNTAGGED, // trunk; untagged frames belong to the native VLAN, sent untagged
	DP_VLAN_NATIVE_TAGGED,	 // trunk; untagged frames belong to the native VLAN, sent tagged
	DP_VLAN_QINQ_CUSTOMER,	 // 802.1ad customer edge: everything travels in one S-VLAN
	DP_VLAN_QINQ_PROVIDER,	 // 802.1ad trunk: S-tags (88a8) only
	DP_VLAN_TRANSPARENT,	 // any tags, which are OpenFlow's business; see admit.c
};

enum dp_port_flag {
	DP_PF_ISOLATED = 1 << 0,
	DP_PF_ADMIT = 1 << 1,
	DP_PF_DHCP_GUARD = 1 << 2,
	DP_PF_RA_GUARD = 1 << 3,
	DP_PF_MAC_FIXED = 1 << 4, // mac is the only source MAC, pinned in the forwarding table
	DP_PF_IP4_FIXED = 1 << 5, // ip4[] is the list of source addresses
	DP_PF_IP6_FIXED = 1 << 6,
	DP_PF_TRUST_DSCP = 1 << 7,
	DP_PF_RESPONDER = 1 << 8,  // boot services answer on this port
	DP_PF_MIRROR_DST = 1 << 9, // sends mirrored frames only, receives nothing
	DP_PF_TRUST_PCP = 1 << 10,
	DP_PF_STANDBY = 1 << 11,  // takes nothing from its guest: the VM runs elsewhere
	DP_PF_AWAITING = 1 << 12, // with DP_PF_STANDBY: until the guest's driver comes up
};

// Who answers DHCP on a port with DP_PF_RESPONDER.
enum dp_boot_mode {
	DP_BOOT_AUTHORITATIVE, // Weir, and nobody else
	DP_BOOT_PROXY,	       // somebody else, and Weir says how to boot: both get the requests
	DP_BOOT_OFF,	       // somebody else; Weir serves files
};

// Does a port take frames from its guest?
enum dp_quiet {
	DP_SPEAKS,
	DP_QUIET,
	DP_QUIET_TILL_UP, // a VM that comes from another host: not a frame is lost when it is here
};

// A class, on every link.
struct dp_qos_class {
	struct qos_class_params sched;
	uint8_t pcp;  // in the tag of frames that an uplink sends, 0..7
	uint8_t dscp; // set in IP packets that an uplink sends, 0..63; DP_DSCP_KEEP = untouched
	uint8_t reserved[6];
};

// A VM's policy. Ports without a VM are VMs of their own (see dp_port_params.vm).
struct dp_vm_params {
	char name[DP_VM_NAME];
	struct qos_node_params total; // on every link that the VM's traffic shares: uplinks, host
	struct qos_node_params leaf[QOS_SCHED_CLASSES]; // the same by class (VM-class)
	// What the VM may send and receive in all, on the wire; 0 = no limit. Sending over it, its
	// ports are not polled; towards it, frames wait in its own queues.
	uint64_t from_bits_per_s, to_bits_per_s;
	uint32_t from_pps, to_pps;
	struct qos_meter_params meter; // of each of its ports, on what it sends: red is dropped
};

struct dp_port_params {
	char name[DP_NAME_MAX];
	char driver[16];
	char args[DP_ARGS_MAX];
	// VM that owns the port; of a guest port without one control makes a name up, so that it
	// has a policy of its own. Empty on uplinks and host ports.
	char vm[DP_VM_NAME];
	char mirror_to[DP_NAME_MAX]; // empty = not mirrored
	uint64_t rate_bits_per_s;    // of the link, towards it; 0 = as fast as it takes frames
	uint32_t mtu;
	uint16_t n_queues;
	uint8_t role;	       // enum dp_role
	uint8_t vlan_mode;     // enum dp_vlan_mode
	uint16_t vid;	       // access, native or S-VLAN; 0 on a trunk = no native VLAN
	uint8_t default_class; // enum qos_class
	uint8_t n_ip4, n_ip6;
	uint32_t flags; // enum dp_port_flag
	uint8_t mac[6];
	uint16_t mac_limit;				  // 0 = unlimited
	uint32_t broadcast_pps, unknown_pps, control_pps; // 0 = unlimited
	uint8_t ip4[DP_GUEST_ADDRS][4];
	uint8_t ip6[DP_GUEST_ADDRS][16];
	uint8_t service_ip4[4]; // the boot service address of the VLAN, with DP_PF_RESPONDER
	uint8_t boot_mode;	// enum dp_boot_mode
	uint8_t punt_transfers; // TFTP messages that may wait for the responder at once
	uint32_t dhcp_pps, dhcp_burst_pkts, neighbour_pps; // to the responder
	uint32_t of_port;				   // OpenFlow number; 0 = it has none
	uint8_t trunk[DP_VIDS / 8];			   // member VLANs of a trunk, one bit each
};

static inline bool dp_vid_in(const uint8_t trunk[DP_VIDS / 8], uint16_t vid)
{
	return (trunk[vid >> 3] & (1u << (vid & 7))) != 0;
}

// X(identifier, help): counters of a port, per worker. `in` counts belong to the port a packet came
// from, `out` counts to the port it leaves by. The law (design.md section 2), exact at every rest:
//   in:  rx + generated + copied_in = forwarded + consumed + drop_in
//   out: handed + copied_out = tx + drop_out + queued_now     and  sum forwarded = sum handed
#define DP_PORT_COUNTERS(X)                                                                        \
	X(rx_pkts, "frames received from the link")                                                \
	X(rx_bytes, "bytes of those, without FCS")                                                 \
	X(rx_held_ns, "ns in which the port was not polled, because its VM had used up what it "   \
		      "may send")                                                                  \
	X(generated_pkts, "frames made by Weir itself for this port")                              \
	X(copied_in_pkts, "further frames of a flood or mirror")                                   \
	X(consumed_pkts, "frames handed to the responder or to controllers")                       \
	X(forwarded_pkts, "frames handed to a port for sending")                                   \
	X(handed_pkts, "frames that other ports or the responder handed to this port")             \
	X(copied_out_pkts, "further frames of a TSO super-frame that was segmented")               \
	X(tx_pkts, "frames accepted by the link")                                                  \
	X(tx_bytes, "bytes of those, without FCS")                                                 \
	X(marked_pkts, "frames sent with ECN's congestion mark, set here")                         \
	X(csum_pkts, "checksums finished in software")                                             \
	X(tso_pkts, "super-frames segmented in software")

enum dp_port_counter {
#define DP_PC_ENUM(id, help) DP_PC_##id,
	DP_PORT_COUNTERS(DP_PC_ENUM)
#undef DP_PC_ENUM
		DP_N_PC,
};

const char *dp_port_counter_name(enum dp_port_counter c);
const char *dp_port_counter_help(enum dp_port_counter c);

struct dp_class_count {
	uint64_t rx_pkts, rx_bytes; // from the link, by the class they got
	uint64_t tx_pkts, tx_bytes; // to the link
	uint64_t drop_pkts;	    // refused by its queues, or dropped by CoDel
};

// Sums over all workers, read at some moment; exact when traffic rests.
struct dp_port_totals {
	uint64_t c[DP_N_PC];
	uint64_t drop_in[DP_N_DROPS];
	uint64_t drop_out[DP_N_DROPS];
	struct dp_class_count cls[QOS_N_CLASSES];
	uint64_t queued_now;
	uint64_t rx_missed_pkts; // link's own, outside the law
};

#endif
