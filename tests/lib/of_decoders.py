#!/usr/bin/python3
"""Hold Weir's OpenFlow codec against five decoders that were written elsewhere: of_decoders.py WEIR-OF-RECODE [-v].

Messages of every type, random ones that the codec wrote and sensible ones that os-ken wrote, are read by the codec and by os-ken, pyof, tshark,
scapy and `ovs-ofctl ofp-print`. Per field's name, the values in their order have to be the same. Where a decoder is wrong or silent, FAULTS says so
and why; a line there that is not needed fails too, so the list stays true. Ends with a line per decoder and 1 when something differs."""
import base64
import collections
import ipaddress
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

logging.disable(logging.CRITICAL)
RECODE, VERBOSE = sys.argv[1], "-v" in sys.argv
SEED = "20221122"


# --- A message's leaves: [(name, number or text)]. Padding, lengths and what OXM heads repeat are left out.

def number(v):
    """Whatever a decoder calls a value, as a number; text stays text."""
    if isinstance(v, (bytes, bytearray)):
        return int.from_bytes(v, "big") if v else 0
    if isinstance(v, str):
        if re.fullmatch(r"([0-9a-f]{2}:)+[0-9a-f]{2}", v):
            return int(v.replace(":", ""), 16)
        try:
            return int(ipaddress.ip_address(v))
        except ValueError:
            return v
    return int(v) if v is not None else None


def ours_leaves(x, name=""):
    if isinstance(x, dict) and "field" in x and "value" in x and len(x) <= 3:
        yield "oxm:" + x["field"], int(x["value"], 16)
        if "mask" in x:
            yield "mask:" + x["field"], int(x["mask"], 16)
    elif isinstance(x, dict):
        for k, v in x.items():
            yield from ours_leaves(v, k)
    elif isinstance(x, list):
        for v in x:
            yield from ours_leaves(v, name)
    elif name in ("data", "other", "hw_addr", "value") or name == "experimenter" and isinstance(x, str):
        if x:
            yield name, int(x, 16)
    elif name == "importance":  # of 1.4, zero here
        return
    elif name not in ("openflow", "message"):
        yield name, x


def ours(messages):
    out = subprocess.run([RECODE], input="".join(m.hex() + "\n" for m in messages), capture_output=True, text=True, check=True).stdout.splitlines()
    read = [json.loads(line) for line in out[::2]]
    for m, r, same in zip(messages, read, out[1::2]):
        if same != "same":
            sys.exit("the codec does not write again what it read: %s %s" % (m.hex(), r))
    return read


# --- tshark

def tshark_leaves(node, parent, state):
    for f in node.findall("field"):
        name = f.get("name")
        if name.startswith("openflow_v4") and not (parent and name.startswith(parent + ".")) and f.get("value"):
            value, last = f.get("value"), name.split(".")[-1]
            if ".oxm." in name:
                if last == "field":
                    state["field"] = OXM.get(int(value, 16) >> 1, "?")
                elif last.startswith("value"):
                    yield "oxm:" + state["field"], int(value, 16)
                elif "mask" in last:
                    yield "mask:" + state["field"], int(value, 16)
            elif last in ("name", "mfr_desc", "hw_desc", "sw_desc", "serial_num", "dp_desc"):
                yield last, bytes.fromhex(value).split(b"\0")[0].decode()
            elif last == "bitmap":
                yield from [("bits", int(value[i:i + 8], 16)) for i in range(0, len(value), 8)]
            else:
                yield last, int(value, 16)
            yield from tshark_leaves(f, name, state)
        else:
            yield from tshark_leaves(f, None, state)


def tshark(messages):
    """Each message in a connection of its own, so that one that is not understood takes no other along."""
    from scapy.all import IP, TCP, Ether, Raw, wrpcap
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        wrpcap(f.name, [Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=20000 + i, dport=6653, flags="PA", seq=1) / Raw(m)
                        for i, m in enumerate(messages)])
        out = subprocess.run(["tshark", "-r", f.name, "-T", "pdml"], capture_output=True, text=True, timeout=60).stdout
    for p in xml.etree.ElementTree.fromstring(out).findall("packet"):
        yield [x for q in p.findall("proto") if q.get("name") == "openflow_v4" for x in tshark_leaves(q, None, {})]


# --- scapy

def scapy_leaves(p):
    from scapy.packet import Packet, Raw
    if isinstance(p, Raw):
        yield "data", number(p.load)
        return
    oxm = type(p).__name__.startswith("OFB")
    for f in p.fields_desc:
        v = p.getfieldval(f.name)
        if oxm:
            if f.name.endswith("_mask"):
                yield "mask:" + f.name[:-5], number(v)
            elif f.name not in ("class_", "field", "hasmask", "len"):
                yield "oxm:" + f.name, number(v)
        elif isinstance(v, list):
            for x in v:
                yield from scapy_leaves(x) if isinstance(x, Packet) else [(f.name, number(x))]
        elif isinstance(v, Packet):
            yield from [("data", number(bytes(v)))] if f.name == "data" else scapy_leaves(v)
        elif v is not None:
            yield f.name, v.rstrip(b"\0").decode() if isinstance(v, bytes) and "pad" not in f.name else number(v)
    if not isinstance(p.payload, type(None)) and p.payload and type(p.payload).__name__ != "Padding":
        yield from scapy_leaves(p.payload)


def scapy(messages):
    from scapy.contrib import openflow3
    for m in messages:
        try:
            yield list(scapy_leaves(openflow3.OpenFlow3(m)))
        except Exception as e:
            yield "%s: %s" % (type(e).__name__, str(e)[:150])


# --- pyof

def pyof_leaves(x, name=""):
    from pyof.foundation.base import GenericStruct, GenericType
    from pyof.v0x04.common.flow_match import OxmTLV
    if isinstance(x, OxmTLV):
        n = OXM.get(int(x.oxm_field), "?")
        half = len(x.oxm_value) // 2 if x.oxm_hasmask else len(x.oxm_value)
        yield "oxm:" + n, number(x.oxm_value[:half])
        if x.oxm_hasmask:
            yield "mask:" + n, number(x.oxm_value[half:])
    elif isinstance(x, type):
        return
    elif isinstance(x, (list, tuple)):
        for v in x:
            yield from pyof_leaves(v, name)
    elif isinstance(x, GenericStruct):
        for n, v in vars(x).items():
            yield from pyof_leaves(v, n)
    elif isinstance(x, GenericType):
        v = x.value
        yield name, number(getattr(v, "value", v)) if v is not None else None
    elif x is not None:
        yield name, number(x)


def pyof(messages):
    from pyof.v0x04.common.utils import unpack_message
    for m in messages:
        try:
            yield list(pyof_leaves(unpack_message(m)))
        except Exception as e:
            yield "%s: %s" % (type(e).__name__, str(e)[:150])


# --- os-ken

def osken_leaves(x, name=""):
    if isinstance(x, dict) and set(x) == {"field", "value", "mask"}:
        yield "oxm:" + x["field"], number(x["value"])
        if x["mask"] is not None:
            yield "mask:" + x["field"], number(x["mask"])
    elif isinstance(x, dict):
        for k, v in x.items():
            yield from osken_leaves(v, name if k[:1].isupper() else k)
    elif isinstance(x, list):
        for v in x:
            yield from osken_leaves(v, name)
    elif name == "data" and x is not None:
        yield name, number(base64.b64decode(x))
    elif x is not None:
        yield name, number(x)


class Late(BaseException):
    pass


def late(*_):
    raise Late()


def osken(messages):
    """Decodes what a switch sends; of a controller's messages it only has the other half (SAMPLES)."""
    from os_ken.ofproto import ofproto_parser
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
    dp = ProtocolDesc(4)
    signal.signal(signal.SIGALRM, late)
    for m in messages:
        signal.setitimer(signal.ITIMER_REAL, 2)
        try:
            o = ofproto_parser.msg(dp, m[0], m[1], len(m), int.from_bytes(m[4:8], "big"), m)
            got = [("version", o.version), ("xid", o.xid)] + list(osken_leaves(o.to_jsondict())) if o else "not decoded"
        except (Exception, Late) as e:
            got = "%s: %s" % (type(e).__name__, str(e)[:150])
        signal.setitimer(signal.ITIMER_REAL, 0)
        yield got


# --- os-ken's other half: what a controller says, as os-ken writes it

def samples():
    """[(message, leaves that os-ken was asked to write)]"""
    import os_ken.ofproto.ofproto_v1_3 as o
    import os_ken.ofproto.ofproto_v1_3_parser as p
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
    dp = ProtocolDesc(4)
    match = p.OFPMatch(in_port=7, eth_type=0x800, ip_proto=6, ipv4_src=("10.1.0.0", "255.255.0.0"), ipv4_dst="10.2.3.4", tcp_dst=4420)
    acts = [p.OFPActionDecNwTtl(), p.OFPActionSetNwTtl(61), p.OFPActionPushVlan(0x88a8), p.OFPActionSetField(vlan_vid=0x1123), p.OFPActionSetQueue(5),
            p.OFPActionGroup(77), p.OFPActionOutput(9, 0), p.OFPActionOutput(o.OFPP_CONTROLLER, 1234)]
    mpls = [p.OFPActionPushMpls(0x8847), p.OFPActionSetField(mpls_label=70001), p.OFPActionSetMplsTtl(9), p.OFPActionDecMplsTtl(), p.OFPActionPopMpls(0x800)]
    ins = [p.OFPInstructionMeter(12), p.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, acts), p.OFPInstructionActions(o.OFPIT_CLEAR_ACTIONS, []),
           p.OFPInstructionActions(o.OFPIT_WRITE_ACTIONS, [p.OFPActionOutput(11, 0)]), p.OFPInstructionWriteMetadata(0x1234, 0xffff), p.OFPInstructionGotoTable(33)]
    bucket = lambda w: p.OFPBucket(w, o.OFPP_ANY, o.OFPG_ANY, [p.OFPActionOutput(9 + w, 0)])
    inner = p.OFPFlowMod(dp, 0, 0, 21, o.OFPFC_ADD, 0, 0, 501, o.OFP_NO_BUFFER, o.OFPP_ANY, o.OFPG_ANY, 0, p.OFPMatch(eth_type=0x800), [])
    actions = lambda kind: p.OFPTableFeaturePropActions(kind, action_ids=[p.OFPActionId(o.OFPAT_OUTPUT), p.OFPActionId(o.OFPAT_GROUP)])
    fields = lambda kind: p.OFPTableFeaturePropOxm(kind, oxm_ids=[p.OFPOxmId("in_port"), p.OFPOxmId("eth_dst", True)])
    features = p.OFPTableFeaturesStats(table_id=17, name=b"acl", metadata_match=0xabc0000000001, metadata_write=0xabc0000000002, config=0, max_entries=70000, properties=[
        p.OFPTableFeaturePropInstructions(o.OFPTFPT_INSTRUCTIONS, instruction_ids=[p.OFPInstructionId(o.OFPIT_GOTO_TABLE), p.OFPInstructionId(o.OFPIT_APPLY_ACTIONS)]),
        p.OFPTableFeaturePropNextTables(o.OFPTFPT_NEXT_TABLES, table_ids=[18, 19]), actions(o.OFPTFPT_WRITE_ACTIONS), actions(o.OFPTFPT_APPLY_ACTIONS),
        fields(o.OFPTFPT_MATCH), fields(o.OFPTFPT_WILDCARDS), fields(o.OFPTFPT_WRITE_SETFIELD), fields(o.OFPTFPT_APPLY_SETFIELD)])
    yield from [
        p.OFPHello(dp, [p.OFPHelloElemVersionBitmap([4])]), p.OFPEchoRequest(dp, b"echo"), p.OFPEchoReply(dp, b"echo"), p.OFPExperimenter(dp, 0x4f4e4600, 9, b"12345678"),
        p.OFPErrorMsg(dp, o.OFPET_BAD_MATCH, o.OFPBMC_BAD_PREREQ, b"12345678" * 8), p.OFPFeaturesRequest(dp), p.OFPGetConfigRequest(dp), p.OFPSetConfig(dp, 0, 1280),
        p.OFPPacketOut(dp, o.OFP_NO_BUFFER, o.OFPP_CONTROLLER, [p.OFPActionOutput(o.OFPP_FLOOD, 0)], b"x" * 60),
        p.OFPFlowMod(dp, 0xabcdef, 0, 21, o.OFPFC_ADD, 31, 41, 501, o.OFP_NO_BUFFER, o.OFPP_ANY, o.OFPG_ANY, o.OFPFF_SEND_FLOW_REM, match, ins),
        p.OFPFlowMod(dp, 0, 0, 21, o.OFPFC_ADD, 0, 0, 501, o.OFP_NO_BUFFER, o.OFPP_ANY, o.OFPG_ANY, 0, p.OFPMatch(eth_type=0x800),
                     [p.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, mpls)]),
        p.OFPFlowMod(dp, 0x77, 0xff, o.OFPTT_ALL, o.OFPFC_DELETE, 0, 0, 0, o.OFP_NO_BUFFER, 19, 29, 0, p.OFPMatch(eth_type=0x86dd, ipv6_src="fd00::5"), []),
        p.OFPGroupMod(dp, o.OFPGC_ADD, o.OFPGT_SELECT, 99, [bucket(3), bucket(5)]), p.OFPPortMod(dp, 7, "52:54:00:20:00:01", 1, 1, 0),
        p.OFPTableMod(dp, 44, 0), p.OFPMeterMod(dp, o.OFPMC_ADD, o.OFPMF_KBPS | o.OFPMF_BURST, 12, [p.OFPMeterBandDrop(1000, 200), p.OFPMeterBandDscpRemark(500, 100, 1)]),
        p.OFPBarrierRequest(dp), p.OFPQueueGetConfigRequest(dp, 8), p.OFPRoleRequest(dp, o.OFPCR_ROLE_MASTER, 4711), p.OFPGetAsyncRequest(dp),
        p.OFPSetAsync(dp, [1, 2], [3, 4], [5, 6]), p.OFPDescStatsRequest(dp, 0), p.OFPTableStatsRequest(dp, 0), p.OFPPortStatsRequest(dp, 0, 7),
        p.OFPFlowStatsRequest(dp, 0, 21, 19, 29, 0x77, 0xff, match), p.OFPAggregateStatsRequest(dp, 0, 22, 19, 29, 0x77, 0xff, match),
        p.OFPQueueStatsRequest(dp, 0, 7, 5), p.OFPGroupStatsRequest(dp, 0, 99), p.OFPGroupDescStatsRequest(dp, 0), p.OFPGroupFeaturesStatsRequest(dp, 0),
        p.OFPMeterStatsRequest(dp, 0, 12), p.OFPMeterConfigStatsRequest(dp, 0, 12), p.OFPMeterFeaturesStatsRequest(dp, 0), p.OFPTableFeaturesStatsRequest(dp, 0),
        p.OFPPortDescStatsRequest(dp, 0), p.ONFBundleCtrlMsg(dp, 4321, o.ONF_BCT_OPEN_REQUEST, o.ONF_BF_ATOMIC, []), p.ONFBundleAddMsg(dp, 4321, o.ONF_BF_ATOMIC, inner, []),
        p.OFPTableFeaturesStatsRequest(dp, 0, [features])]


def from_osken():
    for i, s in enumerate(samples()):
        s.set_xid(1000 + i)
        s.serialize()
        yield bytes(s.buf), [("version", s.version), ("xid", s.xid)] + list(osken_leaves(s.to_jsondict()))


# --- ovs-ofctl: its text has to hold every value of 256 and more, in one of the ways in which it writes them; small ones it writes as words

WORDS = {"port": {0xfffffff8: "IN_PORT", 0xfffffff9: "TABLE", 0xfffffffa: "NORMAL", 0xfffffffb: "FLOOD", 0xfffffffc: "ALL", 0xfffffffd: "CONTROLLER",
                  0xfffffffe: "LOCAL", 0xffffffff: "ANY"}}


def ways(v):
    """How ovs-ofctl may write a number."""
    yield from [str(v), hex(v), "%012x" % v]
    if v < 1 << 48:
        yield ":".join("%02x" % b for b in v.to_bytes(6, "big"))
    if v < 1 << 32:
        yield str(ipaddress.IPv4Address(v))
        yield WORDS["port"].get(v, hex(v))
    if v < 1 << 128:
        yield str(ipaddress.IPv6Address(v))
    if v < 1 << 64:
        yield "%016x" % v
        yield ":".join("%02x" % b for b in v.to_bytes(8, "big"))


def ovs_text(message):
    r = subprocess.run(["ovs-ofctl", "ofp-print", message.hex()], capture_output=True, text=True)
    return "decode error" if "decode error" in r.stdout else r.stdout


# --- The verdict

# Names under which decoders show a field, beside its own.
ALIASES = {"type": "group_type band_type element_type instruction_type action_type multipart_type mp_type error_type errtype property queue_property",
           "code": "errcode exp_type", "bits": "bitmap content", "name": "port_name table_name", "command": "cmd", "port": "port_no", "state": "sate", "curr": "current",
           "reserved": "switch_features_reserved", "metadata": "value", "metadata_mask": "mask", "matched_count": "match_count", "ttl": "nw_ttl mpls_ttl", "max_len": "max_length", "header": "",
           "max_groups": "all select indirect ff " + " ".join("max_groups%d" % i for i in range(1, 5)) + " max_group_all max_group_select max_group_indirect max_group_ff",
           "actions": "all select indirect ff " + " ".join("actions%d" % i for i in range(1, 5)) + " actions_all actions_select actions_indirect actions_ff",
           "packet_count": "packet_band_count", "byte_count": "byte_band_count", "rx_frame_err": "rx_frame_error", "rx_over_err": "rx_over_error",
           "rx_crc_err": "rx_crc_error",
           "packet_in_mask": "master slave packet_in_mask_master packet_in_mask_slave packet_in_mask1 packet_in_mask2",
           "port_status_mask": "master slave port_status_mask_master port_status_mask_slave port_status_mask1 port_status_mask2",
           "flow_removed_mask": "master slave flow_removed_mask_master flow_removed_mask_slave flow_removed_mask1 flow_removed_mask2"}
# Where a decoder is wrong or says less: (decoder, message[ multipart type], field), as one expression, and what it does. Values of these
# fields are not compared with that decoder.
FAULTS = [
    (r"(tshark|scapy|pyof|os-ken) bundle_(control|add) .*", "does not know ONF's bundle messages, or not as fields"),
    (r"(os-ken|ovs-ofctl) features_reply reserved", "does not keep it"),
    (r"(os-ken|scapy|pyof|ovs-ofctl) hello (bits|type|-)", "shows version numbers, or takes a bitmap of one word only"),
    (r"(tshark|scapy|os-ken|ovs-ofctl) multipart_\w+ 12 header", "shows the parts of an OXM's head, or names"),
    (r"(tshark|scapy|os-ken) multipart_\w+ 12 table_id", "names the tables that come next otherwise"),
    (r"tshark (error|experimenter|packet_in|packet_out) (data|version|xid)", "shows data as the packet or the message that it may be"),
    (r"tshark .* oxm:vlan_vid", "shows the bit of OFPVID_PRESENT beside the number"),
    (r"(tshark|scapy) multipart_\w+ 12 value", "leaves an experimenter's property as it is"),
    (r"pyof multipart_\w+ 12 -", "takes instructions and fields that are listed by their heads for whole ones"),
    (r"pyof multipart_reply (6|7|10) .*", "reads lists in a list element with the length of the first"),
    (r"pyof multipart_reply 11 -", "takes bits for one of an enumeration"),
    (r"pyof multipart_request 10 meter_id", "leaves the body as bytes"),
    (r"pyof queue_get_config_reply -", "looks for the type of a property where its padding is"),
    (r"pyof (queue_get_config_request|set_async) -", "takes numbers and bits for one of an enumeration"),
    (r"scapy .* oxm:ipv6_nd_[st]ll", "has another name for it"),
    (r"scapy flow_mod (ethertype|group_id|max_len|port|queue_id|ttl|type)", "does not take set-field's padding as part of it, and loses its way"),
    (r"scapy (packet_in|flow_removed|multipart_request [12]) -", "raises where fields with masks of 3 and 6 bytes stand"),
    (r"scapy (meter_mod|multipart_reply 10) prec_level", "takes a remark band for an experimenter's"),
    (r"scapy multipart_reply 1 .*", "loses its way after the first flow"),
    (r"scapy multipart_\w+ 12 type", "loses its way after a property that it does not know"),
    (r"scapy queue_get_config_reply .*", "loses its way after the first property"),
    (r"ovs-ofctl [a-z_]+( \d+)? -", "refuses what has no meaning: fields without what they need, actions that contradict the match, one queue's port"),
    (r"ovs-ofctl .* (mask:ipv4_src|oxm:eth_type|ethertype)", "writes prefixes and protocols by name, ethertypes in four digits"),
    (r"ovs-ofctl .* (buffer_id|out_port|out_group|watch_port|watch_group)", "leaves out what is ANY or none; an out_group altogether"),
    (r"ovs-ofctl (flow_mod cookie_mask|multipart_request [12] cookie(_mask)?|role_request generation_id|meter_mod rate)", "leaves out what the command does not use"),
    (r"ovs-ofctl (meter_mod|multipart_reply 10) burst_size", "leaves it out without the flag"),
    (r"ovs-ofctl meter_mod meter_id", "writes words for the virtual ones"),
    (r"ovs-ofctl .* (port_no|port)", "writes OFPP_MAX as its own number of 16 bits, and ALL otherwise"),
    (r"ovs-ofctl (port_status|multipart_reply 13) (curr_speed|max_speed)", "in Mbit/s"),
    (r"ovs-ofctl multipart_reply 5 duration_nsec", "with leading zeros, or without the last ones"),
    (r"ovs-ofctl multipart_reply 8 (actions|max_groups)", "only of types that there are"),
    (r"ovs-ofctl queue_get_config_reply rate", "in percent, or disabled"),
    # Kinds of which nothing could be compared.
    (r"ovs-ofctl never experimenter", "refuses what it has no name for"),
    (r"ovs-ofctl bundle_control (type|value)", "leaves out properties"),
]

OXM = {}


DESCRIPTION = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../control/of/codec/openflow13.txt")


def read_oxms():
    text = open(DESCRIPTION).read()
    for name, n in re.findall(r"([A-Z0-9_]+) (\d+) \d+(?: in \d+)?(?: mask)?;", text[text.index("\noxm {"):text.index("enum port {")]):
        OXM[int(n)] = name.lower()


class Verdict:
    def __init__(self):
        self.used, self.bad, self.compared, self.kinds = set(), 0, collections.Counter(), collections.defaultdict(set)

    def excused(self, *what):
        for i, (pattern, _) in enumerate(FAULTS):
            if re.fullmatch(pattern, " ".join(what)):
                self.used.add(i)
                return True
        return False

    def differs(self, decoder, kind, field, why):
        if not self.excused(decoder, kind, field):
            self.bad += 1
            print("FAILED  %s %s %s: %s" % (decoder, kind, field, why[:300]))

    def compare(self, decoder, read, theirs):
        kind = kind_of(read)
        if isinstance(theirs, str):
            return self.differs(decoder, kind, "-", theirs)
        self.kinds[decoder].add(kind)
        pool, mine = collections.defaultdict(list), collections.defaultdict(list)
        for k, v in theirs:
            pool[k].append(v)
            if k == "versions":  # of hello's bitmap
                pool["bits"] = [sum(1 << n for n in pool[k])]
        for k, v in ours_leaves(read):
            mine[k].append(v)
        for k, values in mine.items():
            seen = collections.Counter(str(v) for n in [k] + ALIASES.get(k, "").split() for v in pool.get(n, []))
            missing = collections.Counter(map(str, values)) - seen
            more = seen - collections.Counter(map(str, values)) if k not in ALIASES else None
            self.compared[decoder] += len(values)
            if missing or more:
                self.differs(decoder, kind, k, "the codec has %s, it %s" % (values, dict(seen)))

    def compare_text(self, read, text):
        kind = kind_of(read)
        if text == "decode error":
            return self.differs("ovs-ofctl", kind, "-", text)
        self.kinds["ovs-ofctl"].add(kind)
        for k, v in ours_leaves(read):
            if k == "data" or isinstance(v, int) and v < 256 or v == "":
                continue
            self.compared["ovs-ofctl"] += 1
            if not any(re.search(r"(?<!\d)%s(?![0-9a-f])" % re.escape(w), text) for w in ([v] if isinstance(v, str) else ways(v))):
                self.differs("ovs-ofctl", kind, k, "%r is not in %r" % (v, text))


CODES = {"HELLO_FAILED": "HFC", "BAD_REQUEST": "BRC", "BAD_ACTION": "BAC", "BAD_INSTRUCTION": "BIC", "BAD_MATCH": "BMC", "FLOW_MOD_FAILED": "FMFC", "GROUP_MOD_FAILED": "GMFC",
         "PORT_MOD_FAILED": "PMFC", "TABLE_MOD_FAILED": "TMFC", "QUEUE_OP_FAILED": "QOFC", "SWITCH_CONFIG_FAILED": "SCFC", "ROLE_REQUEST_FAILED": "RRFC",
         "METER_MOD_FAILED": "MMFC", "TABLE_FEATURES_FAILED": "TFFC"}


def compare_errors(v):
    """Every code of an error that os-ken has is in the description, with that number."""
    import os_ken.ofproto.ofproto_v1_3 as o
    text = open(DESCRIPTION).read()
    for kind, short in CODES.items():
        ours_codes = {int(n) for _, n in re.findall(r"(\w+) = (\d+);", re.search(r"errors %s \{(.*?)\}" % kind, text, re.S).group(1))}
        named = dict(re.findall(r"(\w+) = (\d+);", re.search(r"errors %s \{(.*?)\}" % kind, text, re.S).group(1)))
        for name, number_of in vars(o).items():
            if name.startswith("OFP%s_" % short):
                v.compared["os-ken"] += 1
                if number_of not in ours_codes or int(named.get(name.split("_", 1)[1], number_of)) != number_of:
                    v.differs("os-ken", "errors", name, "the description has %s" % named)


def kind_of(read):
    return read["openflow"] + (" %d" % read["type"] if read["openflow"].startswith("multipart") else "")


def some_of_each(messages, read, n):
    count, out = collections.Counter(), []
    for m, r in zip(messages, read):
        count[kind_of(r)] += 1
        if count[kind_of(r)] <= n:
            out.append((m, r))
    return out


def main():
    read_oxms()
    v = Verdict()
    compare_errors(v)
    made = [bytes.fromhex(x) for x in subprocess.run([RECODE, "random", "4", SEED, "60"], capture_output=True, text=True, check=True).stdout.split()]
    messages = some_of_each(made, ours(made), 4)
    written = list(from_osken())
    said = ours([m for m, _ in written])
    for (m, asked), r in zip(written, said):
        v.compare("os-ken", r, asked)
    everything = messages + [(m, r) for (m, _), r in zip(written, said)]
    # What was asked for of table features is what is answered, too.
    answer = b"\4\x13" + written[-1][0][2:]
    everything.append((answer, ours([answer])[0]))
    for name, decoder, what in (("tshark", tshark, everything), ("scapy", scapy, everything), ("pyof", pyof, everything), ("os-ken", osken, messages)):
        for (m, r), t in zip(what, decoder([m for m, _ in what])):
            if t != "not decoded" or VERBOSE:
                v.compare(name, r, t)
    for m, r in everything:
        v.compare_text(r, ovs_text(m))
    wanted = {kind_of(r) for _, r in everything}
    for d in ("tshark", "scapy", "pyof", "os-ken", "ovs-ofctl"):
        print("%s: %d values of %d kinds of messages" % (d, v.compared[d], len(v.kinds[d])))
        for kind in sorted(wanted - v.kinds[d]):
            v.differs(d, "never", kind, "nothing could be compared")
    for i, (pattern, why) in enumerate(FAULTS):
        if i not in v.used:
            v.bad += 1
            print("FAILED  no longer so: %s (%s)" % (pattern, why))
    sys.exit(1 if v.bad else 0)


main()
