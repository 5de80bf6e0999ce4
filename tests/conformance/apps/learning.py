"""A learning switch on os-ken's API: what an application of OpenFlow 1.3 looks like that somebody writes on a Monday."""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3


class Learning(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.port_of, self.n_packet_ins = {}, 0

    def rule(self, dp, priority, match, actions, **more):
        of = dp.ofproto_parser
        dp.send_msg(of.OFPFlowMod(dp, priority=priority, match=match, instructions=[of.OFPInstructionActions(dp.ofproto.OFPIT_APPLY_ACTIONS, actions)], **more))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, ev):
        dp = ev.msg.datapath
        of, ofp = dp.ofproto_parser, dp.ofproto
        self.rule(dp, 0, of.OFPMatch(), [of.OFPActionOutput(ofp.OFPP_CONTROLLER, ofp.OFPCML_NO_BUFFER)])
        dp.send_msg(of.OFPBarrierRequest(dp))
        print("READY", flush=True)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def packet_in(self, ev):
        msg = ev.msg
        dp, in_port = msg.datapath, msg.match["in_port"]
        of, ofp = dp.ofproto_parser, dp.ofproto
        eth = packet.Packet(msg.data).get_protocol(ethernet.ethernet)
        self.n_packet_ins += 1
        print("PACKET_IN %d port %d %s > %s" % (self.n_packet_ins, in_port, eth.src, eth.dst), flush=True)
        self.port_of[eth.src] = in_port
        out = self.port_of.get(eth.dst, ofp.OFPP_FLOOD)
        actions = [of.OFPActionOutput(out)]
        if out != ofp.OFPP_FLOOD:
            self.rule(dp, 10, of.OFPMatch(in_port=in_port, eth_dst=eth.dst, eth_src=eth.src), actions, idle_timeout=60)
        dp.send_msg(of.OFPPacketOut(dp, ofp.OFP_NO_BUFFER, in_port, actions, msg.data))

    @set_ev_cls(ofp_event.EventOFPErrorMsg, MAIN_DISPATCHER)
    def error(self, ev):
        print("ERROR type %d code %d" % (ev.msg.type, ev.msg.code), flush=True)
