"""A policy on os-ken's API: who may speak to whom, a meter on one kind of traffic, a server with a spare behind a fail-over group.

Hosts 1 to 4 are 10.0.0.1 to .4 with MACs 02:00:00:00:01:01 to :04, at ports 1 to 4. Host 1 may not reach host 4. UDP to port 5001 is held
to 100 packets/s. Host 2's address moves to host 3 when port 2 is down."""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

METERED_PPS = 100


def mac(i):
    return "02:00:00:00:01:%02x" % i


class Policy(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, ev):
        self.dp = dp = ev.msg.datapath
        of, ofp = dp.ofproto_parser, dp.ofproto
        ip = {"eth_type": 0x0800}
        dp.send_msg(of.OFPFlowMod(dp, command=ofp.OFPFC_DELETE, table_id=ofp.OFPTT_ALL, out_port=ofp.OFPP_ANY, out_group=ofp.OFPG_ANY))
        dp.send_msg(of.OFPMeterMod(dp, ofp.OFPMC_ADD, ofp.OFPMF_PKTPS | ofp.OFPMF_BURST | ofp.OFPMF_STATS, 1, [of.OFPMeterBandDrop(METERED_PPS, 10)]))
        for i in (1, 3, 4):
            self.group(i, ofp.OFPGT_INDIRECT, [of.OFPBucket(actions=[of.OFPActionOutput(i)], watch_port=ofp.OFPP_ANY, watch_group=ofp.OFPG_ANY)])
        self.group(2, ofp.OFPGT_FF, [of.OFPBucket(actions=[of.OFPActionOutput(2)], watch_port=2, watch_group=ofp.OFPG_ANY),
                                     of.OFPBucket(actions=[of.OFPActionSetField(eth_dst=mac(3)), of.OFPActionOutput(3)], watch_port=3, watch_group=ofp.OFPG_ANY)])
        goto = of.OFPInstructionGotoTable
        self.flow(0, 300, dict(ip, ipv4_src="10.0.0.1", ipv4_dst="10.0.0.4"), [])
        self.flow(0, 300, dict(ip, ipv4_src="10.0.0.4", ipv4_dst="10.0.0.1"), [])
        self.flow(0, 200, dict(ip, ip_proto=17, udp_dst=5001), [of.OFPInstructionMeter(1), goto(1)])
        self.flow(0, 100, ip, [goto(1)])
        for i in range(1, 5):
            self.flow(1, 10, dict(ip, ipv4_dst="10.0.0.%d" % i), [of.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, [of.OFPActionGroup(i)])])
        dp.send_msg(of.OFPBarrierRequest(dp))

    def group(self, number, kind, buckets):
        self.dp.send_msg(self.dp.ofproto_parser.OFPGroupMod(self.dp, self.dp.ofproto.OFPGC_ADD, kind, number, buckets))

    def flow(self, table, priority, match, instructions):
        of = self.dp.ofproto_parser
        self.dp.send_msg(of.OFPFlowMod(self.dp, table_id=table, priority=priority, match=of.OFPMatch(**match), instructions=instructions))

    @set_ev_cls(ofp_event.EventOFPBarrierReply, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def settled(self, ev):
        print("READY", flush=True)

    @set_ev_cls(ofp_event.EventOFPPortStatus, MAIN_DISPATCHER)
    def port_status(self, ev):
        print("PORT_STATUS %d state %d" % (ev.msg.desc.port_no, ev.msg.desc.state), flush=True)

    @set_ev_cls(ofp_event.EventOFPErrorMsg, [CONFIG_DISPATCHER, MAIN_DISPATCHER])
    def error(self, ev):
        print("ERROR type %d code %d" % (ev.msg.type, ev.msg.code), flush=True)
