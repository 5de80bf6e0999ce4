// Every reason for which a packet is dropped. This list is the only one: counters, `weir show
// drops`, documentation and tests are generated from it. "Other" is not a reason.
#ifndef DP_DROP_H
#define DP_DROP_H

// X(identifier, help text)
#define DP_DROP_LIST(X)                                                                            \
	X(none, "not dropped")                                                                     \
	X(l2_truncated, "the frame ends inside its Ethernet header, tags or labels")               \
	X(l2_too_many_tags, "more than two VLAN tags")                                             \
	X(l2_oversize, "longer than the largest frame of the port")                                \
	X(l2_length_field,                                                                         \
	  "802.3 length field larger than the frame, or a value that is neither length nor type")  \
	X(l2_llc, "802.3 LLC or SNAP frame from a guest")                                          \
	X(l2_src_invalid, "source MAC is multicast or all zero")                                   \
	X(l2_reserved_dst,                                                                         \
	  "link-local destination 01:80:c2:00:00:0x, which a bridge does not forward")             \
	X(l3_truncated, "the frame ends inside its IP, ARP or ND header")                          \
	X(l3_malformed, "IP, ARP or ND header that contradicts itself")                            \
	X(l3_ext_headers, "IPv6 extension header chain too long or not understood")                \
	X(l3_frag_evasion,                                                                         \
	  "fragment that hides or overwrites a transport header, or a fragmented ND message")      \
	X(vlan_not_member, "VLAN that the port is not a member of")                                \
	X(vlan_tagged_on_access, "tagged frame on an access port")                                 \
	X(vlan_untagged_on_trunk, "untagged frame on a trunk without a native VLAN")               \
	X(vlan_double_tag, "second tag where the port carries no customer tags")                   \
	X(vlan_tpid, "802.1ad tag where the port speaks 802.1Q, or the reverse")                   \
	X(spoof_mac, "source MAC is not the guest's")                                              \
	X(spoof_mac_pinned, "source MAC belongs to a guest of this host")                          \
	X(spoof_ip, "source address is not the guest's")                                           \
	X(spoof_arp, "ARP sender is not the guest")                                                \
	X(spoof_nd, "neighbour discovery claims an address or MAC that is not the guest's")        \
	X(guard_dhcp_server, "DHCP server message from a guest")                                   \
	X(guard_ra, "router advertisement or redirect from a guest")                               \
	X(dhcp_not_own,                                                                            \
	  "DHCP request whose client address is not the guest's MAC, or that claims a relay")      \
	X(meter_red, "over the committed and the second rate of the port's meter")                 \
	X(mac_limit, "source MAC beyond the port's limit")                                         \
	X(storm_broadcast, "broadcast or multicast over the port's rate")                          \
	X(storm_unknown, "unknown unicast over the port's rate")                                   \
	X(punt_dhcp, "DHCP and PXE requests to the responder over the port's rate")                \
	X(punt_neighbour, "ARP for the service address over the port's rate")                      \
	X(punt_tftp, "TFTP messages to the responder beyond what the port's transfers can need")   \
	X(punt_full, "the responder's queue is full")                                              \
	X(rival_dhcp, "another DHCP or PXE server's message to a guest that Weir alone serves")    \
	X(service_foreign,                                                                         \
	  "to, or in the name of, a boot service address of this host, and not from a guest of "   \
	  "the service")                                                                           \
	X(forward_same_port, "destination is behind the port it came from")                        \
	X(forward_isolated, "between two isolated ports")                                          \
	X(forward_uplinks, "from uplink to uplink")                                                \
	X(forward_no_port, "no other port carries this VLAN")                                      \
	X(mtu_exceeded, "longer than the destination port's MTU and not to be segmented")          \
	X(offload_invalid, "offload request that does not fit the packet")                         \
	X(no_mbuf, "no packet buffer free")                                                        \
	X(queue_full, "its class queue at the destination port holds as many bytes as it may")     \
	X(queue_late, "its flow's frames wait longer at the destination port than its class may")  \
	X(vm_quota, "its VM holds as many packet buffers in queues as it may")                     \
	X(codel, "its flow's queue at the destination port stands and does not shrink (CoDel)")    \
	X(handover_full, "the ring to the worker that owns the destination link is full")          \
	X(port_gone, "the destination port was removed meanwhile")                                 \
	X(link_down, "the destination link is down, or its guest is not connected")                \
	X(tx_stuck, "the link took nothing for a second: its guest does not read, or has no "      \
		    "buffer that fits")                                                            \
	X(driver_tx, "accepted by the driver but not sent, by the driver's own statistics")        \
	X(mirror_only, "received on a mirror destination")                                         \
	X(standby, "from a guest of which another host has the running copy")                      \
	X(of_miss, "OpenFlow: no flow of the table matches")                                       \
	X(of_no_action, "OpenFlow: the flows that it met send it nowhere")                         \
	X(of_port, "OpenFlow: its output is no port, or one that must not send or receive")        \
	X(of_fragment, "OpenFlow: a fragment, which the controller wants dropped")                 \
	X(of_group, "OpenFlow: its group does not exist, or has no live bucket")                   \
	X(of_meter, "OpenFlow: over the rate of a meter")                                          \
	X(of_ttl, "OpenFlow: its TTL is at its end")                                               \
	X(of_loop, "OpenFlow: too many outputs or operations, or groups in groups")                \
	X(of_packet_in, "OpenFlow: for the controller, over the port's rate or what may wait")

enum dp_drop {
#define DP_DROP_ENUM(id, help) DP_DROP_##id,
	DP_DROP_LIST(DP_DROP_ENUM)
#undef DP_DROP_ENUM
		DP_N_DROPS,
};

// Name ("spoof_mac") and help of a reason; never NULL.
const char *dp_drop_name(enum dp_drop reason);
const char *dp_drop_help(enum dp_drop reason);

#endif
