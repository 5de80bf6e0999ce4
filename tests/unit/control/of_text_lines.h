// Flows as people write them, and as they are written back.
#ifndef OF_TEXT_LINES_H
#define OF_TEXT_LINES_H

static const char *const of_text_lines[][2] = {
	{ "tcp,in_port=1,nw_src=10.0.0.0/"
	  "8,nw_dst=10.1.2.3,tp_dst=80,nw_tos=40,nw_ecn=1,priority=5,actions=output:2",
	  "priority=5,tcp,in_port=1,nw_src=10.0.0.0/8,nw_dst=10.1.2.3,nw_tos=40,nw_ecn=1,tp_dst=80 "
	  "actions=output:2" },
	{ "table=3,cookie=0x1234,idle_timeout=10,hard_timeout=20,send_flow_rem,check_overlap,"
	  "reset_counts,no_packet_counts,no_byte_counts,dl_vlan=5,dl_vlan_pcp=3,dl_src=00:11:22:"
	  "33:44:55,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=pop_vlan,NORMAL",
	  "table=3,cookie=0x1234,idle_timeout=10,hard_timeout=20,send_flow_rem check_overlap "
	  "reset_counts no_packet_counts no_byte_counts "
	  "dl_vlan=5,dl_vlan_pcp=3,dl_src=00:11:22:33:44:55,dl_dst=01:00:00:00:00:00/"
	  "01:00:00:00:00:00 actions=pop_vlan,NORMAL" },
	{ "dl_src=0:A:b:1:02:ff,actions=1", "dl_src=00:0a:0b:01:02:ff actions=output:1" },
	{ "vlan_tci=0x1000/0x1000,actions=flood", "vlan_tci=0x1000/0x1000 actions=FLOOD" },
	{ "vlan_tci=0/0x1fff,actions=all", "vlan_tci=0x0000/0x1fff actions=ALL" },
	{ "vlan_tci=0,actions=all", "vlan_tci=0x0000/0x1fff actions=ALL" },
	{ "dl_vlan=0xffff,actions=1", "vlan_tci=0x0000/0x1fff actions=output:1" },
	{ "vlan_vid=0x1005/0x1005,actions=in_port", "vlan_tci=0x1005/0x1005 actions=IN_PORT" },
	{ "dl_vlan_pcp=3,actions=1", "dl_vlan_pcp=3 actions=output:1" },
	{ "dl_vlan_pcp=3,dl_vlan=9,actions=1", "dl_vlan=9,dl_vlan_pcp=3 actions=output:1" },
	{ "vlan_vid=0x1007,vlan_pcp=2,actions=local", "dl_vlan=7,dl_vlan_pcp=2 actions=LOCAL" },
	{ "ipv6,ipv6_src=fe80::/10,ipv6_dst=::1,ipv6_label=0x12345,actions=controller",
	  "ipv6,ipv6_src=fe80::/10,ipv6_dst=::1,ipv6_label=0x12345 actions=CONTROLLER:65535" },
	{ "ipv6,ipv6_src=2001:db8:0:1::5,ipv6_dst=::ffff:1.2.3.4,actions=1",
	  "ipv6,ipv6_src=2001:db8:0:1::5,ipv6_dst=::ffff:1.2.3.4 actions=output:1" },
	{ "ipv6,ipv6_src=1:2:3:4:5:6:7:8/ffff::ff00,actions=1",
	  "ipv6,ipv6_src=1::/ffff::ff00 actions=output:1" },
	{ "tcp6,tp_src=5,actions=controller:128", "tcp6,tp_src=5 actions=CONTROLLER:128" },
	{ "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:11:22:33:44:55,actions="
	  "controller(max_len=100,reason=action)",
	  "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:11:22:33:44:55 "
	  "actions=CONTROLLER:100" },
	{ "arp,arp_op=1,arp_spa=1.2.3.4,nw_dst=1.2.0.0/"
	  "255.255.0.0,arp_sha=00:11:22:33:44:55,arp_tha=00:11:22:33:44:56,actions=LOCAL",
	  "arp,arp_spa=1.2.3.4,arp_tpa=1.2.0.0/"
	  "16,arp_op=1,arp_sha=00:11:22:33:44:55,arp_tha=00:11:22:33:44:56 actions=LOCAL" },
	{ "mpls,mpls_label=16,mpls_tc=3,mpls_bos=1,actions=pop_mpls:0x0800,dec_ttl,output:1",
	  "mpls,mpls_label=16,mpls_tc=3,mpls_bos=1 actions=pop_mpls:0x0800,dec_ttl,output:1" },
	{ "metadata=0x5/0xff,tun_id=7,actions=write_metadata:0x10/0xf0,goto_table:1",
	  "tun_id=0x7,metadata=0x5/0xff actions=write_metadata:0x10/0xf0,goto_table:1" },
	{ "udp,udp_src=5,udp_dst=6,actions=set_field:7->udp_src,mod_nw_src:1.2.3.4,mod_tp_src:5,"
	  "mod_nw_tos:40,mod_nw_ecn:2,mod_nw_ttl:9,3",
	  "udp,tp_src=5,tp_dst=6 "
	  "actions=set_field:7->udp_src,set_field:1.2.3.4->ip_src,set_field:5->udp_src,set_"
	  "field:10->ip_dscp,set_field:2->nw_ecn,mod_nw_ttl:9,output:3" },
	{ "sctp,sctp_src=5,actions=set_queue:3,enqueue:2:5,group:7",
	  "sctp,tp_src=5 actions=set_queue:3,set_queue:5,output:2,group:7" },
	{ "ip,nw_proto=47,actions=meter:3,apply_actions(output:1),clear_actions,write_actions("
	  "output:2,group:5),write_metadata:5,goto_table:5",
	  "ip,nw_proto=47 "
	  "actions=meter:3,output:1,clear_actions,write_actions(output:2,group:5),write_"
	  "metadata:0x5,goto_table:5" },
	{ "actions=mod_vlan_vid:7,mod_vlan_pcp:3,strip_vlan,output:1",
	  "actions=push_vlan:0x8100,set_field:4103->vlan_vid,set_field:3->vlan_pcp,pop_vlan,"
	  "output:1" },
	{ "dl_vlan=9,actions=mod_vlan_vid:7,output:1",
	  "dl_vlan=9 actions=set_field:4103->vlan_vid,output:1" },
	{ "actions=push_mpls:0x8847,set_mpls_ttl:5,set_mpls_label:9,set_mpls_tc:1,dec_mpls_ttl,"
	  "copy_ttl_out,output:1",
	  "actions=push_mpls:0x8847,set_mpls_ttl(5),set_field:9->mpls_label,set_field:1->mpls_"
	  "tc,dec_mpls_ttl,copy_ttl_out,output:1" },
	{ "dl_type=0x88cc,actions=1,2,LOCAL,CONTROLLER,table",
	  "dl_type=0x88cc actions=output:1,output:2,LOCAL,CONTROLLER:65535,TABLE" },
	{ "rarp,arp_op=3,actions=drop", "rarp,arp_op=3 actions=drop" },
	{ "eth_type=0x800,ip_proto=6,tcp_dst=80,ip_dscp=10,actions=",
	  "tcp,nw_tos=40,tp_dst=80 actions=drop" },
	{ "actions=write_actions(drop),goto_table:2", "actions=write_actions(drop),goto_table:2" },
};

#endif
