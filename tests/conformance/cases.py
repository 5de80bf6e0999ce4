#!/usr/bin/python3
"""Cases for the switch tester of os-ken, in its JSON format, made from the tables below. Usage: cases.py DIR [--quick]

Per match field: exact and masked, over each carrier that has it; the value leaves by a port, or as a packet-in; another value misses
in table 1 after a goto. Actions, groups and meters as far as the tester can look: it sees what leaves by port 2, and rates of ports 2
and 3. What it cannot see (errors, reserved ports, counters, fail-over) is in requirements.py. SCTP is not rewritten here: the
tester's own CRC32c is wrong. No PBB, no IPv6 extension headers: Weir has none."""
import json, os, sys

CONTROLLER, NO_BUFFER, ANY = 0xFFFFFFFD, 0xFFFF, 0xFFFFFFFF
PRESENT = 0x1000
LAYERS = {  # layer: (type in what stands before it, protocol number in IP, parameters)
    "ethernet": (None, None, {"dst": "22:22:22:22:22:22", "src": "12:11:11:11:11:11"}),
    "vlan": (0x8100, None, {"pcp": 3, "cfi": 0, "vid": 100}),
    "svlan": (0x88A8, None, {"pcp": 4, "cfi": 0, "vid": 200}),
    "mpls": (0x8847, None, {"bsb": 1, "label": 100, "exp": 3, "ttl": 64}),
    "arp": (0x0806, None, {"opcode": 1, "src_mac": "12:11:11:11:11:11", "dst_mac": "22:22:22:22:22:22", "src_ip": "192.168.10.10", "dst_ip": "192.168.20.20"}),
    "ipv4": (0x0800, None, {"src": "192.168.10.10", "dst": "192.168.20.20", "tos": 32, "ttl": 64}),
    "ipv6": (0x86DD, None, {"src": "10::10", "dst": "20::20", "flow_label": 100, "traffic_class": 32, "hop_limit": 64}),
    "tcp": (None, 6, {"src_port": 11111, "dst_port": 2222}),
    "udp": (None, 17, {"src_port": 11111, "dst_port": 2222}),
    "sctp": (None, 132, {"src_port": 11111, "dst_port": 2222}),
    "icmp": (None, 1, {"type": 8, "code": 0}),
    "icmpv6": (None, 58, {"type_": 128, "code": 0}),
    "ns": (None, 58, {"target": "fe80::1", "sll": "12:11:11:11:11:11"}),  # neighbour solicitation and advertisement
    "na": (None, 58, {"target": "fe80::1", "tll": "12:11:11:11:11:11"}),
}
FIELDS = {  # OXM: layer -> its parameter; a number is shifted by so much into it
    "eth_dst": {"ethernet": "dst"}, "eth_src": {"ethernet": "src"}, "vlan_vid": {"vlan": "vid", "svlan": "vid"},
    "vlan_pcp": {"vlan": "pcp", "svlan": "pcp"}, "ip_dscp": {"ipv4": ("tos", 2), "ipv6": ("traffic_class", 2)},
    "ip_ecn": {"ipv4": ("tos", 0), "ipv6": ("traffic_class", 0)}, "ip_proto": {"ipv4": "proto", "ipv6": "nxt"},
    "ipv4_src": {"ipv4": "src"}, "ipv4_dst": {"ipv4": "dst"}, "tcp_src": {"tcp": "src_port"}, "tcp_dst": {"tcp": "dst_port"},
    "udp_src": {"udp": "src_port"}, "udp_dst": {"udp": "dst_port"}, "sctp_src": {"sctp": "src_port"}, "sctp_dst": {"sctp": "dst_port"},
    "icmpv4_type": {"icmp": "type"}, "icmpv4_code": {"icmp": "code"}, "arp_op": {"arp": "opcode"}, "arp_spa": {"arp": "src_ip"},
    "arp_tpa": {"arp": "dst_ip"}, "arp_sha": {"arp": "src_mac"}, "arp_tha": {"arp": "dst_mac"}, "ipv6_src": {"ipv6": "src"},
    "ipv6_dst": {"ipv6": "dst"}, "ipv6_flabel": {"ipv6": "flow_label"}, "icmpv6_type": {"icmpv6": "type_"}, "icmpv6_code": {"icmpv6": "code"},
    "ipv6_nd_target": {"ns": "target", "na": "target"}, "ipv6_nd_sll": {"ns": "sll"}, "ipv6_nd_tll": {"na": "tll"},
    "mpls_label": {"mpls": "label"}, "mpls_tc": {"mpls": "exp"}, "mpls_bos": {"mpls": "bsb"},
    "ttl": {"ipv4": "ttl", "ipv6": "hop_limit", "mpls": "ttl"},
}


ORDER = ("in_port metadata eth_dst eth_src eth_type vlan_vid vlan_pcp ip_dscp ip_ecn ip_proto ipv4_src ipv4_dst tcp_src tcp_dst udp_src udp_dst sctp_src sctp_dst "
         "icmpv4_type icmpv4_code arp_op arp_spa arp_tpa arp_sha arp_tha ipv6_src ipv6_dst ipv6_flabel icmpv6_type icmpv6_code ipv6_nd_target ipv6_nd_sll "
         "ipv6_nd_tll mpls_label mpls_tc mpls_bos tunnel_id").split()  # by OXM number: the tester compares matches in order


def frame(carrier, **values):
    """The tester's expressions of a frame; carrier: 'vlan/ipv4/tcp'; values: OXM name -> value in the outermost layer that has it"""
    layers = ["ethernet"] + carrier.split("/")
    eth_type = values.pop("eth_type", None)  # of the frame, whatever follows
    params = [dict(LAYERS[name][2]) for name in layers]
    if "copied" in values:  # TTLs of the label and of the IP header behind it
        params[1]["ttl"], params[2]["ttl" if layers[2] == "ipv4" else "hop_limit"] = values.pop("copied")
    for oxm, value in values.items():
        for name, p in zip(layers, params):
            if name in FIELDS[oxm]:
                where = FIELDS[oxm][name]
                p[where if isinstance(where, str) else where[0]] = value if isinstance(where, str) else value << where[1]
                break
        else:
            raise KeyError("%s in %s" % (oxm, carrier))
    out = []
    for i, (name, p) in enumerate(zip(layers, params)):
        follower = LAYERS[layers[i + 1]] if i + 1 < len(layers) else (None, None, None)
        if name in ("ethernet", "vlan", "svlan"):
            p["ethertype"] = follower[0] or 0x0900
            if eth_type and layers[i + 1] not in ("vlan", "svlan"):
                p["ethertype"] = eth_type
        if name in ("ipv4", "ipv6"):
            p.setdefault("proto" if name == "ipv4" else "nxt", follower[1] or 253)
        if name == "icmpv6":
            out.append("icmpv6(type_=%d, code=%d, data=icmpv6echo(id_=1, seq=2, data=bytes(range(40))))" % (p["type_"], p["code"]))
            continue
        if name == "icmp":
            out.append("icmp(type_=%d, code=%d, data=echo(id_=1, seq=2, data=bytes(range(40))))" % (p["type"], p["code"]))
            continue
        out.append(nd(name, p) if name in ("ns", "na") else "%s(%s)" % (name, ", ".join("%s=%r" % kv for kv in p.items())))
    if layers[-1] not in ("icmp", "icmpv6", "ns", "na"):
        out.append("bytes(range(48))")
    return out


def nd(name, p):
    option = "nd_option_sla(hw_src=%r)" % p["sll"] if name == "ns" else "nd_option_tla(hw_src=%r)" % p["tll"]
    return "icmpv6(code=0, type_=%d, data=nd_neighbor(dst=%r, option=%s))" % (135 if name == "ns" else 136, p["target"], option)


# --- Messages, as os-ken writes them in JSON

def oxm(field, value, mask=None):
    return {"OXMTlv": {"field": field, "value": value, "mask": mask}}


def match(fields):
    return {"OFPMatch": {"oxm_fields": [oxm(*f) for f in sorted(fields, key=lambda f: ORDER.index(f[0]))]}}


def output(port):
    return {"OFPActionOutput": {"port": port, "max_len": NO_BUFFER}}


def set_field(field, value):
    return {"OFPActionSetField": {"field": oxm(field, value)}}


def apply(*actions):
    return {"OFPInstructionActions": {"actions": list(actions), "type": 4}}


def write(*actions):
    return {"OFPInstructionActions": {"actions": list(actions), "type": 3}}


CLEAR = {"OFPInstructionActions": {"actions": [], "type": 5}}


def goto(table):
    return {"OFPInstructionGotoTable": {"table_id": table}}


def meter(number):
    return {"OFPInstructionMeter": {"meter_id": number}}


def metadata(value, mask):
    return {"OFPInstructionWriteMetadata": {"metadata": value, "metadata_mask": mask}}


def flow(fields, instructions, table=0, priority=1, cookie=0):
    return {"OFPFlowMod": {"table_id": table, "priority": priority, "cookie": cookie, "match": match(fields), "instructions": list(instructions)}}


def bucket(actions, weight=0):
    return {"OFPBucket": {"actions": actions, "weight": weight, "watch_port": ANY, "watch_group": ANY, "len": 16}}


def group(number, kind, buckets):
    return {"OFPGroupMod": {"group_id": number, "type": kind, "command": 0, "buckets": buckets}}


def case(description, before, *steps):
    return {"description": description, "prerequisite": before, "tests": list(steps)}


def leaves(frame_in, frame_out=None):
    return {"ingress": frame_in, "egress": frame_out or frame_in}


def comes_in(frame_in, frame_out=None):
    return {"ingress": frame_in, "PACKET_IN": frame_out or frame_in}


def misses(frame_in, table=1):
    return {"ingress": frame_in, "table-miss": [table]}


# --- Match fields

# What must stand before a field, by layer of its carrier (table 12 of the specification).
NEEDS = {"arp": [("eth_type", 0x0806)], "ipv4": [("eth_type", 0x0800)], "ipv6": [("eth_type", 0x86DD)], "mpls": [("eth_type", 0x8847)],
         "tcp": [("ip_proto", 6)], "udp": [("ip_proto", 17)], "sctp": [("ip_proto", 132)], "icmp": [("ip_proto", 1)],
         "icmpv6": [("ip_proto", 58)], "ns": [("ip_proto", 58), ("icmpv6_type", 135)], "na": [("ip_proto", 58), ("icmpv6_type", 136)]}
IP = {"tcp", "udp", "sctp", "icmp", "icmpv6", "ns", "na"}
L2 = ["ipv4/tcp", "ipv6/tcp", "arp", "vlan/ipv4/tcp", "mpls/ipv4/tcp", "svlan/vlan/ipv4/udp"]
V4 = ["ipv4/tcp", "ipv4/udp", "ipv4/sctp", "ipv4/icmp", "vlan/ipv4/tcp", "svlan/ipv4/udp"]
V6 = ["ipv6/tcp", "ipv6/udp", "ipv6/sctp", "ipv6/icmpv6", "vlan/ipv6/tcp"]
BOTH = lambda l4: ["ipv4/" + l4, "ipv6/" + l4, "vlan/ipv4/" + l4, "vlan/ipv6/" + l4]  # noqa: E731
MAC, IP4, IP6 = "22:22:22:22:22:22", "192.168.20.20", "20::20"
MATCHES = [  # field, carriers, value, another, [(value, mask, another that the mask tells apart, another that it does not)]
    ("eth_dst", L2, MAC, "22:22:22:22:22:23", [("22:22:22:00:00:00", "ff:ff:ff:00:00:00", "22:22:23:22:22:22", "22:22:22:99:99:99"),
                                               ("00:22:00:00:00:22", "00:ff:00:00:00:ff", "22:22:22:22:22:21", "98:22:11:99:99:22")]),
    ("eth_src", L2, "12:11:11:11:11:11", "12:11:11:11:11:12", [("12:11:00:00:00:00", "ff:ff:00:00:00:00", "12:10:11:11:11:11", "12:11:99:99:99:99")]),
    ("vlan_vid", ["vlan/ipv4/tcp", "vlan/ipv6/udp", "vlan/arp", "svlan/ipv4/tcp", "svlan/vlan/ipv4/tcp"], 100, 101, [(0x60, 0xFF0, 0x70, 0x6F)]),
    ("vlan_pcp", ["vlan/ipv4/tcp", "vlan/arp", "svlan/vlan/ipv4/tcp"], 5, 4, []),
    ("ip_dscp", V4 + V6, 46, 8, []), ("ip_ecn", V4 + V6, 3, 1, []),
    ("ip_proto", ["ipv4/tcp", "ipv4/udp", "ipv6/tcp", "ipv6/udp", "vlan/ipv4/sctp"], None, 99, []),
    ("ipv4_src", V4, "192.168.10.10", "192.168.10.11", [("192.168.0.0", "255.255.0.0", "192.169.10.10", "192.168.77.1"), ("0.0.0.10", "0.0.0.255", "192.168.10.9", "10.1.1.10")]),
    ("ipv4_dst", V4, IP4, "192.168.20.21", [("192.168.20.0", "255.255.255.0", "192.168.21.20", "192.168.20.99"), ("128.0.0.0", "128.0.0.0", "127.0.0.9", "250.1.1.1")]),
    ("ipv6_src", V6, "10::10", "10::11", [("10::", "ffff::", "11::10", "10:1::9"), ("::10", "::ffff", "10::9", "fe80::10")]),
    ("ipv6_dst", V6, IP6, "20::21", [("20::", "ffff:ffff:ffff:ffff::", "20:0:0:1::20", "20::9:9:9:9")]),
    ("ipv6_flabel", V6, 0x54321, 0x54320, [(0x54000, 0xFF000, 0x64321, 0x54FFF)]),
    ("tcp_src", BOTH("tcp"), 11111, 11112, []), ("tcp_dst", BOTH("tcp"), 2222, 2223, []), ("udp_src", BOTH("udp"), 11111, 11112, []),
    ("udp_dst", BOTH("udp"), 2222, 2223, []), ("sctp_src", BOTH("sctp"), 11111, 11112, []), ("sctp_dst", BOTH("sctp"), 2222, 2223, []),
    ("icmpv4_type", ["ipv4/icmp", "vlan/ipv4/icmp"], 8, 0, []), ("icmpv4_code", ["ipv4/icmp", "vlan/ipv4/icmp"], 3, 0, []),
    ("icmpv6_type", ["ipv6/icmpv6", "vlan/ipv6/icmpv6"], 128, 129, []), ("icmpv6_code", ["ipv6/icmpv6", "vlan/ipv6/icmpv6"], 3, 0, []),
    ("arp_op", ["arp", "vlan/arp"], 1, 2, []),
    ("arp_spa", ["arp", "vlan/arp"], "192.168.10.10", "192.168.10.11", [("192.168.10.0", "255.255.255.0", "192.168.11.10", "192.168.10.99")]),
    ("arp_tpa", ["arp", "vlan/arp"], IP4, "192.168.20.21", [("192.168.0.0", "255.255.0.0", "192.169.20.20", "192.168.99.99")]),
    ("arp_sha", ["arp", "vlan/arp"], "12:11:11:11:11:11", "12:11:11:11:11:12", [("12:11:00:00:00:00", "ff:ff:00:00:00:00", "12:12:11:11:11:11", "12:11:99:99:99:99")]),
    ("arp_tha", ["arp", "vlan/arp"], MAC, "22:22:22:22:22:23", [("00:00:00:00:22:22", "00:00:00:00:ff:ff", "22:22:22:22:22:21", "99:99:99:99:22:22")]),
    ("ipv6_nd_target", ["ipv6/ns", "ipv6/na", "vlan/ipv6/ns"], "fe80::1", "fe80::2", [("fe80::", "ffff::", "fe81::1", "fe80::9")]),
    ("ipv6_nd_sll", ["ipv6/ns", "vlan/ipv6/ns"], "12:11:11:11:11:11", "12:11:11:11:11:12", [("12:00:00:00:00:00", "ff:00:00:00:00:00", "13:11:11:11:11:11", "12:9:9:9:9:9")]),
    ("ipv6_nd_tll", ["ipv6/na", "vlan/ipv6/na"], "12:11:11:11:11:11", "12:11:11:11:11:12", [("12:00:00:00:00:00", "ff:00:00:00:00:00", "13:11:11:11:11:11", "12:9:9:9:9:9")]),
    ("mpls_label", ["mpls/ipv4/tcp", "vlan/mpls/ipv4/tcp"], 100, 101, []), ("mpls_tc", ["mpls/ipv4/tcp", "mpls/ipv6/udp"], 5, 4, []),
    ("mpls_bos", ["mpls/ipv4/tcp"], 1, 0, []),
]


def prerequisites(field, carrier):
    out, seen = [], carrier.split("/")
    for layer in seen:
        if layer in FIELDS[field]:
            if layer not in ("vlan", "svlan", "ethernet"):
                i = seen.index(layer)
                below = [x for x in seen[:i] if x not in ("vlan", "svlan")] if layer in IP else []
                for x in below + [layer]:
                    out += NEEDS[x]
            elif field == "vlan_pcp":
                out.append(("vlan_vid", PRESENT | (200 if layer == "svlan" else 100)))
            break
    return [x for x in out if x[0] != field]


def as_match(field, value, mask=None):
    if field == "vlan_vid":
        return (field, value | PRESENT) if mask is None else (field, value | PRESENT, mask | PRESENT)
    return (field, value) if mask is None else (field, value, mask)


def three(name, fields, good, other):
    """The value by a port, by packet-in, and another that misses; before it, what a field needs"""
    yield case(name + " -> output", [flow(fields, [apply(output(2))])], leaves(good))
    yield case(name + " -> packet-in", [flow(fields, [apply(output(CONTROLLER))])], comes_in(good))
    yield case(name + " (another value) -> miss", [flow([], [goto(1)]), flow(fields, [apply(output(2))], table=1)], misses(other))


def popped(name, carrier, fields, good, other):
    """The same behind a label, which table 0 takes off: table 1 matches what is left"""
    kind = carrier.split("/")[0]
    before = [flow([("eth_type", 0x8847)], [apply(op("PopMpls", ethertype=dict(NEEDS[kind])["eth_type"])), goto(1)])]
    for how, made, act in (("output", leaves, output(2)), ("packet-in", comes_in, output(CONTROLLER))):
        yield case("mpls/%s, popped -> %s" % (name, how), before + [flow(fields, [apply(act)], table=1)], made(frame("mpls/" + carrier, **good), frame(carrier, **good)))
    yield case("mpls/%s, popped (another value) -> miss" % name, before + [flow(fields, [apply(output(2))], table=1)], misses(frame("mpls/" + carrier, **other)))


def match_cases(field, carriers, value, other, masked):
    for carrier in carriers:
        needs = prerequisites(field, carrier)
        v = value if value is not None else LAYERS[carrier.split("/")[-1]][1]
        if field in ("ip_proto", "mpls_bos") and value is None:
            bad = frame(carrier, **{field: other})
        else:
            bad = frame(carrier, **{field: other})
        yield from three("%s: %s=%s" % (carrier, field, v), needs + [as_match(field, v)], frame(carrier, **{field: v}), bad)
        if carrier.split("/")[0] in ("arp", "ipv4", "ipv6"):
            yield from popped("%s: %s=%s" % (carrier, field, v), carrier, needs + [as_match(field, v)], {field: v}, {field: other})
        for mv, mask, out_of_it, in_it in masked:
            yield from three("%s: %s=%s/%s" % (carrier, field, mv, mask), needs + [as_match(field, mv, mask)],
                             frame(carrier, **{field: in_it}), frame(carrier, **{field: out_of_it}))
            if carrier.split("/")[0] in ("arp", "ipv4", "ipv6"):
                yield from popped("%s: %s=%s/%s" % (carrier, field, mv, mask), carrier, needs + [as_match(field, mv, mask)], {field: in_it}, {field: out_of_it})


def odd_frames():
    """(name, what to match, frame)"""
    tcp = ["tcp(dst_port=2222, option='\\x00\\x00\\x00\\x00', src_port=11111)", "bytes(range(31))"]
    v6 = "ipv6(src='10::10', dst='20::20', flow_label=100, hop_limit=64, %s)"
    eth = "ethernet(dst='22:22:22:22:22:22', src='%s', ethertype=%d)"
    T6, multicast = [("eth_type", 0x86DD), ("ip_proto", 6), ("tcp_src", 11111)], "11:11:11:11:11:11"
    headers = v6 % "nxt=0, ext_hdrs=[hop_opts(nxt=51), auth(nxt=6)]"
    yield "from a group address: eth_src", [("eth_src", multicast)], [eth % (multicast, 0x0800), "ipv4(proto=6)"] + tcp
    yield "from a group address: ipv6_nd_tll", [("eth_type", 0x86DD), ("ip_proto", 58), ("icmpv6_type", 136), ("ipv6_nd_tll", multicast)], [
        eth % (multicast, 0x86DD), v6 % "nxt=58, traffic_class=32", "icmpv6(code=0, data=nd_neighbor(option=nd_option_tla(hw_src='11:11:11:11:11:11'), dst='20::20'), type_=136)"]
    yield "from a group address: arp_sha", [("eth_type", 0x0806), ("arp_sha", multicast)], [
        eth % (multicast, 0x0806), "arp(dst_ip='192.168.20.20', dst_mac='22:22:22:22:22:22', opcode=1, src_ip='192.168.10.10', src_mac='11:11:11:11:11:11')", "bytes(18)"]
    yield "options of TCP", [("eth_type", 0x0800), ("ip_proto", 6), ("tcp_dst", 2222)], [eth % ("12:11:11:11:11:11", 0x0800), "ipv4(tos=65, proto=6, ttl=127)"] + tcp
    yield "TCP behind extension headers of IPv6", T6, [eth % ("12:11:11:11:11:11", 0x86DD), headers] + tcp
    yield "extension headers alone: ipv6_src", [("eth_type", 0x86DD), ("ipv6_src", "10::10")], [eth % ("12:11:11:11:11:11", 0x86DD), headers] + tcp
    for name, tags in (("PBB", ["svlan(ethertype=35047, vid=10)"]), ("PBB without a backbone tag", [])):
        yield name + ": what is in it is not looked at", [("eth_dst", MAC)] + ([] if tags else [("eth_type", 0x88E7)]), [
            eth % ("12:11:11:11:11:11", 0x88A8 if tags else 0x88E7)] + tags + ["itag(sid=100)", eth % ("12:11:11:11:11:11", 0x0800), "ipv4(proto=6)"] + tcp


def special_matches():
    """Fields that no header has, and VLAN's two special values"""
    yield "in_port", [c for p in ("ipv4/tcp", "arp") for c in three("%s: in_port=1" % p, [("in_port", 1)], frame(p), frame(p)) if "miss" not in c["description"]] + [
        case("in_port=2 -> miss", [flow([], [goto(1)]), flow([("in_port", 2)], [apply(output(2))], table=1)], misses(frame("ipv4/tcp")))]
    types = [("arp", 0x0806), ("ipv4/tcp", 0x0800), ("ipv6/tcp", 0x86DD), ("mpls/ipv4/tcp", 0x8847), ("vlan/ipv4/tcp", 0x0800), ("svlan/vlan/ipv6/tcp", 0x86DD)]
    yield "eth_type", [c for p, t in types for c in three("%s: eth_type=0x%04x" % (p, t), [("eth_type", t)], frame(p), frame("ipv4/tcp" if t != 0x0800 else "arp"))]
    yield "vlan_none", list(three("no VLAN", [("vlan_vid", 0)], frame("ipv4/tcp"), frame("vlan/ipv4/tcp"))) + \
        list(three("any VLAN", [("vlan_vid", PRESENT, PRESENT)], frame("vlan/ipv4/tcp"), frame("ipv4/tcp")))
    yield "vlan_masked", [c for p in ("vlan/ipv4/tcp", "vlan/ipv6/tcp", "vlan/arp") for c in
                          three("%s: vlan_vid=96/0xf0, presence not in the mask" % p, [("vlan_vid", 96, 0xF0)], frame(p, vlan_vid=100), frame(p, vlan_vid=203))]
    # What stands in the public frames and nowhere above: a group address as source, options of TCP, an odd IHL or none, extension headers, two labels
    odd = []
    for name, needs, f in odd_frames():
        odd += [case("%s -> output" % name, [flow(needs, [apply(output(2))])], leaves(f)), case("%s -> packet-in" % name, [flow(needs, [apply(output(CONTROLLER))])], comes_in(f))]
    yield "odd_frames", odd + [
        case("two labels: mpls_bos=1 -> miss", [flow([("eth_type", 0x8847), ("mpls_bos", 1)], [apply(output(2))])], misses(frame("mpls/mpls/ipv4/tcp", mpls_bos=0), 0)),
        case("two labels: mpls_bos=0 -> output", [flow([("eth_type", 0x8847), ("mpls_bos", 0)], [apply(output(2))])], leaves(frame("mpls/mpls/ipv6/tcp", mpls_bos=0)))]
    for field, give in (("metadata", lambda v: [metadata(v, 0xFFFFFFFFFFFFFFFF), goto(1)]),
                        ("tunnel_id", lambda v: [apply(set_field("tunnel_id", v)), goto(1)])):
        cases = []
        for p in ("ipv4/tcp", "arp", "ipv6/udp"):
            for v, mask in ((0x0123456789ABCDEF, None), (0x0123000000000000, 0xFFFF000000000000), (0xCD00, 0xFF00)):
                m = [(field, v) if mask is None else (field, v, mask)]
                for how, made, act in (("output", leaves, output(2)), ("packet-in", comes_in, output(CONTROLLER))):
                    cases.append(case("%s: %s=%x/%s -> %s" % (p, field, v, mask, how),
                                      [flow([], give(0x0123456789ABCDEF)), flow(m, [apply(act)], table=1)], made(frame(p))))
                cases.append(case("%s: %s=%x/%s -> miss" % (p, field, v, mask), [flow([], give(0xFEDCBA9876543210)), flow(m, [apply(output(2))], table=1)], misses(frame(p))))
        yield field, cases


# --- Actions

def op(name, **more):
    return {"OFPAction" + name: more}


ACTIONS = [  # name, frame in, actions, frame out
    ("set_mpls_ttl", ("mpls/ipv4/tcp", {}), [op("SetMplsTtl", mpls_ttl=32)], ("mpls/ipv4/tcp", {"ttl": 32})),
    ("dec_mpls_ttl", ("mpls/ipv4/tcp", {}), [op("DecMplsTtl")], ("mpls/ipv4/tcp", {"ttl": 63})),
    ("dec_mpls_ttl tagged", ("vlan/mpls/ipv6/udp", {}), [op("DecMplsTtl")], ("vlan/mpls/ipv6/udp", {"ttl": 63})),
    ("push_vlan", ("ipv4/tcp", {}), [op("PushVlan", ethertype=0x8100), set_field("vlan_vid", PRESENT | 100), set_field("vlan_pcp", 3)], ("vlan/ipv4/tcp", {})),
    ("push_vlan keeps nothing of an untagged frame", ("ipv6/udp", {}), [op("PushVlan", ethertype=0x8100)], ("vlan/ipv6/udp", {"vlan_vid": 0, "vlan_pcp": 0})),
    ("push_vlan arp", ("arp", {}), [op("PushVlan", ethertype=0x8100), set_field("vlan_vid", PRESENT | 7)], ("vlan/arp", {"vlan_vid": 7, "vlan_pcp": 0})),
    ("push_vlan 802.1ad", ("vlan/ipv4/tcp", {}), [op("PushVlan", ethertype=0x88A8)], ("svlan/vlan/ipv4/tcp", {"vlan_vid": 100, "vlan_pcp": 3})),
    ("push_vlan 802.1ad on a bare frame", ("ipv4/udp", {}), [op("PushVlan", ethertype=0x88A8), set_field("vlan_vid", PRESENT | 9)], ("svlan/ipv4/udp", {"vlan_vid": 9, "vlan_pcp": 0})),
    ("pop_vlan", ("vlan/ipv4/tcp", {}), [op("PopVlan")], ("ipv4/tcp", {})), ("pop_vlan ipv6", ("vlan/ipv6/udp", {}), [op("PopVlan")], ("ipv6/udp", {})),
    ("pop_vlan outer", ("svlan/vlan/ipv4/tcp", {}), [op("PopVlan")], ("vlan/ipv4/tcp", {})), ("pop_vlan arp", ("vlan/arp", {}), [op("PopVlan")], ("arp", {})),
    ("pop_vlan twice", ("svlan/vlan/ipv4/tcp", {}), [op("PopVlan"), op("PopVlan")], ("ipv4/tcp", {})),
    ("push_mpls", ("ipv4/tcp", {}), [op("PushMpls", ethertype=0x8847), set_field("mpls_label", 100), set_field("mpls_tc", 3)], ("mpls/ipv4/tcp", {})),
    ("push_mpls ipv6", ("ipv6/udp", {}), [op("PushMpls", ethertype=0x8847), set_field("mpls_label", 9)], ("mpls/ipv6/udp", {"mpls_label": 9, "mpls_tc": 0})),
    ("push_mpls on mpls", ("mpls/ipv4/tcp", {}), [op("PushMpls", ethertype=0x8847)], ("mpls/mpls/ipv4/tcp", {"mpls_bos": 0})),
    ("pop_mpls", ("mpls/ipv4/tcp", {}), [op("PopMpls", ethertype=0x0800)], ("ipv4/tcp", {})),
    ("pop_mpls ipv6", ("mpls/ipv6/udp", {}), [op("PopMpls", ethertype=0x86DD)], ("ipv6/udp", {})),
    ("pop_mpls arp", ("mpls/arp", {}), [op("PopMpls", ethertype=0x0806)], ("arp", {})),
    ("copy_ttl_out", ("mpls/ipv4/tcp", {"copied": (64, 32)}), [op("CopyTtlOut")], ("mpls/ipv4/tcp", {"copied": (32, 32)})),
    ("copy_ttl_out ipv6", ("mpls/ipv6/tcp", {"copied": (64, 32)}), [op("CopyTtlOut")], ("mpls/ipv6/tcp", {"copied": (32, 32)})),
    ("copy_ttl_in", ("mpls/ipv4/tcp", {"copied": (64, 32)}), [op("CopyTtlIn")], ("mpls/ipv4/tcp", {"copied": (64, 64)})),
    ("copy_ttl_in ipv6", ("mpls/ipv6/tcp", {"copied": (64, 32)}), [op("CopyTtlIn")], ("mpls/ipv6/tcp", {"copied": (64, 64)})),
    ("pop_mpls of two", ("mpls/mpls/ipv4/tcp", {"mpls_bos": 0}), [op("PopMpls", ethertype=0x8847)], ("mpls/ipv4/tcp", {})),
    ("set_nw_ttl", ("ipv4/tcp", {}), [op("SetNwTtl", nw_ttl=32)], ("ipv4/tcp", {"ttl": 32})),
    ("set_nw_ttl ipv6", ("ipv6/tcp", {}), [op("SetNwTtl", nw_ttl=32)], ("ipv6/tcp", {"ttl": 32})),
    ("set_nw_ttl tagged", ("vlan/ipv4/icmp", {}), [op("SetNwTtl", nw_ttl=1)], ("vlan/ipv4/icmp", {"ttl": 1})),
    ("dec_nw_ttl", ("ipv4/udp", {}), [op("DecNwTtl")], ("ipv4/udp", {"ttl": 63})),
    ("dec_nw_ttl ipv6", ("ipv6/udp", {}), [op("DecNwTtl")], ("ipv6/udp", {"ttl": 63})),
    ("dec_nw_ttl tagged", ("vlan/ipv6/icmpv6", {}), [op("DecNwTtl")], ("vlan/ipv6/icmpv6", {"ttl": 63})),
    ("dec_nw_ttl twice", ("ipv4/icmp", {}), [op("DecNwTtl"), op("DecNwTtl")], ("ipv4/icmp", {"ttl": 62})),
]
SETS = [  # field, value, carriers, what else changes: rewritten fields need the checksums of everything above
    ("eth_dst", "22:22:22:99:99:99", L2), ("eth_src", "12:11:11:99:99:99", L2), ("vlan_vid", 203, ["vlan/ipv4/tcp", "vlan/arp", "svlan/vlan/ipv4/tcp"]),
    ("vlan_pcp", 6, ["vlan/ipv4/tcp", "vlan/ipv6/udp", "svlan/vlan/ipv4/udp"]), ("ip_dscp", 46, V4 + V6), ("ip_ecn", 2, ["ipv4/tcp", "ipv6/udp"]),
    ("ipv4_src", "10.9.8.7", ["ipv4/tcp", "ipv4/udp", "ipv4/icmp", "vlan/ipv4/tcp"]), ("ipv4_dst", "10.9.8.6", ["ipv4/tcp", "ipv4/udp", "ipv4/icmp", "vlan/ipv4/udp"]),
    ("ipv6_src", "fd00::1", ["ipv6/tcp", "ipv6/udp", "ipv6/icmpv6", "vlan/ipv6/tcp"]), ("ipv6_dst", "fd00::2", ["ipv6/tcp", "ipv6/udp", "ipv6/icmpv6", "vlan/ipv6/udp"]),
    ("ipv6_flabel", 0x12345, ["ipv6/tcp", "ipv6/icmpv6"]), ("tcp_src", 1, BOTH("tcp")), ("tcp_dst", 65535, BOTH("tcp")), ("udp_src", 77, BOTH("udp")), ("udp_dst", 99, BOTH("udp")),
    ("icmpv4_type", 0, ["ipv4/icmp"]), ("icmpv4_code", 7, ["ipv4/icmp", "vlan/ipv4/icmp"]), ("icmpv6_type", 129, ["ipv6/icmpv6"]), ("icmpv6_code", 5, ["ipv6/icmpv6"]),
    ("arp_op", 2, ["arp"]), ("arp_spa", "10.0.0.1", ["arp", "vlan/arp"]), ("arp_tpa", "10.0.0.2", ["arp"]), ("arp_sha", "02:00:00:00:00:01", ["arp"]),
    ("arp_tha", "02:00:00:00:00:02", ["arp", "vlan/arp"]), ("ipv6_nd_target", "fe80::99", ["ipv6/ns", "ipv6/na"]), ("ipv6_nd_sll", "02:00:00:00:00:03", ["ipv6/ns"]),
    ("ipv6_nd_tll", "02:00:00:00:00:04", ["ipv6/na"]), ("mpls_label", 77, ["mpls/ipv4/tcp", "mpls/mpls/ipv4/udp"]), ("mpls_tc", 6, ["mpls/ipv4/tcp"]), ("mpls_bos", 0, ["mpls/ipv4/tcp", "mpls/ipv6/tcp", "mpls/arp"]),
    ("eth_type", 0x8848, ["ipv4/tcp", "ipv6/tcp", "arp"]), ("ip_proto", 17, ["ipv4/tcp", "vlan/ipv4/tcp", "ipv6/tcp"]),
]


def guards(carrier, field=None):
    """What an action needs of its flow's match"""
    out, layers = [], [x for x in carrier.split("/")]
    if layers[0] in ("vlan", "svlan"):
        out.append(("vlan_vid", PRESENT, PRESENT))
    plain = [x for x in layers if x not in ("vlan", "svlan")]
    out += NEEDS[plain[0]]
    if plain[0] != "mpls" and len(plain) > 1:
        out += NEEDS[plain[1]]
    return out


def both_ways(name, guard, actions, frame_in, frame_out):
    """By apply-actions and, where order does not matter, as the action set; by a port and by packet-in"""
    yield case(name + " -> output", [flow(guard, [apply(*actions, output(2))])], leaves(frame_in, frame_out))
    yield case(name + " -> packet-in", [flow(guard, [apply(*actions, output(CONTROLLER))])], comes_in(frame_in, frame_out))
    kinds = [list(a)[0] for a in actions]
    if len(set(kinds)) == len(kinds):
        yield case(name + ", action set", [flow(guard, [write(output(2), *actions)])], leaves(frame_in, frame_out))


def instruction_cases():
    f = frame("ipv4/tcp")
    low, high = dict(ttl=10), dict(ttl=20)
    ttl = lambda n: op("SetNwTtl", nw_ttl=n)  # noqa: E731
    v4 = [("eth_type", 0x0800)]
    yield case("write-actions, then more of them in the next table", [flow(v4, [write(ttl(10), output(3)), goto(1)]), flow(v4, [write(output(2))], table=1)],
               leaves(f, frame("ipv4/tcp", **low)))
    yield case("clear-actions", [flow(v4, [write(ttl(10)), goto(1)]), flow(v4, [CLEAR, goto(2)], table=1), flow(v4, [write(output(2))], table=2)], leaves(f))
    yield case("clear-actions before write-actions of one flow", [flow(v4, [write(ttl(10)), goto(1)]), flow(v4, [CLEAR, write(ttl(20), output(2))], table=1)],
               leaves(f, frame("ipv4/tcp", **high)))
    yield case("apply before the action set", [flow(v4, [apply(ttl(10)), write(op("DecNwTtl"), output(2))])], leaves(f, frame("ipv4/tcp", ttl=9)))
    yield case("later tables see what was applied", [flow(v4, [apply(set_field("ipv4_dst", "10.0.0.9")), goto(3)]),
                                                     flow(v4 + [("ipv4_dst", "10.0.0.9")], [apply(output(2))], table=3)], leaves(f, frame("ipv4/tcp", ipv4_dst="10.0.0.9")))
    yield case("later tables do not see the action set", [flow(v4, [write(set_field("ipv4_dst", "10.0.0.9")), goto(3)]),
                                                          flow(v4 + [("ipv4_dst", IP4)], [write(output(2))], table=3)], leaves(f, frame("ipv4/tcp", ipv4_dst="10.0.0.9")))
    yield case("metadata is written by mask", [flow(v4, [metadata(0xFFFF, 0xFFFF), goto(1)]), flow(v4, [metadata(0x1200, 0xFF00), goto(2)], table=1),
                                               flow([("metadata", 0x12FF)], [apply(output(2))], table=2)], leaves(f))
    yield case("the higher priority wins", [flow([], [apply(output(3))], priority=1), flow(v4, [apply(output(2))], priority=2, cookie=0xDEAD)], leaves(f))
    yield case("no instruction drops", [flow([], [goto(1)])], misses(f))


def deliver_group(kind, n):
    return [("group %s" % name, [group(7, kind, b), flow([], [apply({"OFPActionGroup": {"group_id": 7}})])], out) for name, b, out in (
        ("one bucket", [bucket([output(2)], n)], frame("ipv4/tcp")),
        ("a bucket that rewrites", [bucket([op("SetNwTtl", nw_ttl=9), output(2)], n)], frame("ipv4/tcp", ttl=9)))]


def stream(seconds, pps, ports, expected, before, name, packet=None):
    data = packet or ["ethernet(dst='22:22:22:22:22:22', src='12:11:11:%02x:%02x:%02x' % (randint(0, 255), randint(0, 255), randint(0, 255)), ethertype=2048)",
                      "ipv4(src='10.%d.%d.%d' % (randint(0, 255), randint(0, 255), randint(1, 254)), dst='192.168.20.20', proto=17)", "udp()", "bytes(958)"]
    return case(name, before, {"ingress": {"packets": {"data": data, "pktps": pps, "duration_time": seconds}},
                               "egress": {"throughput": [dict({"OFPMatch": match(p)["OFPMatch"]}, **e) for p, e in zip(ports, expected)]}})


def to_port(n):
    return [("in_port", n)]


def group_cases(seconds):
    ALL, SELECT, INDIRECT = 0, 1, 2
    yield "all", [case("all: " + n, b, leaves(frame("ipv4/tcp"), out)) for n, b, out in deliver_group(ALL, 0)] + [
        stream(seconds, 300, [to_port(2), to_port(3)], [{"pktps": 300}, {"pktps": 300}],
               [group(1, ALL, [bucket([output(2)]), bucket([output(3)])]), flow([], [apply({"OFPActionGroup": {"group_id": 1}})])], "all: a copy to each bucket"),
        case("all: buckets do not see each other's changes", [group(1, ALL, [bucket([op("SetNwTtl", nw_ttl=9), output(3)]), bucket([output(2)])]),
                                                              flow([], [apply({"OFPActionGroup": {"group_id": 1}})])], leaves(frame("ipv4/tcp")))]
    yield "indirect", [case("indirect: " + n, b, leaves(frame("ipv4/tcp"), out)) for n, b, out in deliver_group(INDIRECT, 0)] + [
        case("indirect in the action set, after the rest", [group(3, INDIRECT, [bucket([output(2)])]), flow([("eth_type", 0x0800)], [write({"OFPActionGroup": {"group_id": 3}}, op("DecNwTtl"))])],
             leaves(frame("ipv4/tcp"), frame("ipv4/tcp", ttl=63)))]
    weighed = []
    for a, b in ((1, 1), (1, 2), (1, 3), (4, 1)):
        weighed.append(stream(seconds, 400, [to_port(2), to_port(3)], [{"pktps": 400 * a // (a + b)}, {"pktps": 400 * b // (a + b)}],
                              [group(5, SELECT, [bucket([output(2)], a), bucket([output(3)], b)]), flow([], [apply({"OFPActionGroup": {"group_id": 5}})])], "select: weights %d:%d" % (a, b)))
    for name, packet in SPREAD.items():  # each by what alone differs between its frames, in large ones
        weighed.append(stream(seconds, 175, [to_port(2), to_port(3)], [{"kbps": 1000}, {"kbps": 1000}],
                              [group(0, SELECT, [bucket([output(2)], 1), bucket([output(3)], 1)]), flow([("in_port", 1)], [apply({"OFPActionGroup": {"group_id": 0}})])], "select: by " + name, packet))
    yield "select", [case("select: " + n, b, leaves(frame("ipv4/tcp"), out)) for n, b, out in deliver_group(SELECT, 1)] + weighed


MACS = "ethernet(dst='22:22:22:22:22:22', src='12:11:11:11:11:11', ethertype=%d)"
OTHER_MACS = "ethernet(dst=netaddr.EUI(randint(0, 2**48 - 1)), src=netaddr.EUI(randint(0, 2**48 - 1) & 0xfeffffffffff), ethertype=%d)"
PORTS = "tcp(src_port=randint(0, 65535), dst_port=randint(0, 65535))"
SPREAD = {
    "MAC of IPv4": [OTHER_MACS % 0x0800, "ipv4(proto=6)", "tcp()", "bytes(1446)"], "MAC of IPv6": [OTHER_MACS % 0x86DD, "ipv6(nxt=6)", "tcp()", "bytes(1426)"],
    "MAC of ARP": [OTHER_MACS % 0x0806, "arp(src_mac='12:11:11:11:11:11', dst_mac='22:22:22:22:22:22')", "bytes(1458)"],
    "IPv4 and ports": [MACS % 0x0800, "ipv4(proto=6, src=netaddr.IPAddress(randint(0, 2**32 - 1)), dst=netaddr.IPAddress(randint(0, 2**32 - 1)))", PORTS, "bytes(1446)"],
    "IPv6 and ports": [MACS % 0x86DD, "ipv6(nxt=6, src=netaddr.IPAddress(randint(2**120, 2**128 - 1)), dst=netaddr.IPAddress(randint(2**120, 2**128 - 1)))", PORTS, "bytes(1426)"],
    "addresses in ARP": [MACS % 0x0806, "arp(src_mac='12:11:11:11:11:11', dst_mac='22:22:22:22:22:22', src_ip=netaddr.IPAddress(randint(0, 2**32 - 1)), "
                         "dst_ip=netaddr.IPAddress(randint(0, 2**32 - 1)))", "bytes(1458)"],
}


def band(kind, rate, burst=0, **more):
    return {"OFPMeterBand" + kind: dict({"rate": rate, "burst_size": burst}, **more)}


def meter_mod(number, flags, bands):
    return {"OFPMeterMod": {"meter_id": number, "flags": flags, "command": 0, "bands": bands}}


def meter_cases(seconds):
    KBPS, PKTPS = 1, 2
    plain = ["ethernet(dst='22:22:22:22:22:22', src='12:11:11:11:11:11', ethertype=2048)", "ipv4(tos=0x28, proto=17)", "udp()", "bytes(958)"]  # 1,000 bytes, AF11
    rules = [flow([("eth_type", 0x0800)], [meter(1), apply(output(2))])]
    yield "drop", [
        stream(seconds, 400, [to_port(2)], [{"pktps": 100}], [meter_mod(1, PKTPS, [band("Drop", 100)])] + rules, "drop above 100 packets/s", plain),
        stream(seconds, 400, [to_port(2)], [{"pktps": 300}], [meter_mod(1, PKTPS, [band("Drop", 300)])] + rules, "drop above 300 packets/s", plain),
        stream(seconds, 400, [to_port(2)], [{"kbps": 800 * 1000 / 1024}], [meter_mod(1, KBPS, [band("Drop", 800)])] + rules, "drop above 800 kbit/s", plain),
        stream(seconds, 100, [to_port(2)], [{"pktps": 100}], [meter_mod(1, PKTPS, [band("Drop", 1000)])] + rules, "below the rate nothing is dropped", plain)]
    cs3 = [plain[0], "ipv4(tos=0x60, proto=17)", "udp()", "bytes(958)"]
    af = lambda dscp: [("in_port", 2), ("eth_type", 0x0800), ("ip_dscp", dscp)]  # noqa: E731
    yield "remark", [
        stream(seconds, 400, [af(10), af(12)], [{"pktps": 100}, {"pktps": 300}], [meter_mod(1, PKTPS, [band("DscpRemark", 100, prec_level=1)])] + rules, "AF11 becomes AF12 above 100 packets/s", plain),
        stream(seconds, 400, [af(10), af(14)], [{"pktps": 200}, {"pktps": 200}], [meter_mod(1, PKTPS, [band("DscpRemark", 200, prec_level=2)])] + rules, "AF11 becomes AF13 above 200 packets/s", plain),
        stream(seconds, 200, [af(24), af(16)], [{"pktps": 100}, {"pktps": 100}], [meter_mod(1, PKTPS, [band("DscpRemark", 100, prec_level=1)])] + rules, "CS3 becomes CS2 above 100 packets/s", cs3),
        stream(seconds, 175, [af(24), af(16)], [{"kbps": 1000}, {"kbps": 1000}], [meter_mod(1, KBPS, [band("DscpRemark", 1000, prec_level=1)])] + rules, "CS3 becomes CS2 above 1,000 kbit/s", cs3[:3] + ["bytes(1458)"]),
        stream(seconds, 400, [af(10), af(12)], [{"pktps": 100}, {"pktps": 150}],
               [meter_mod(1, PKTPS, [band("DscpRemark", 100, prec_level=1), band("Drop", 250)])] + rules, "two bands: remark, then drop", plain)]


# --- All of them

def suites(seconds=10):
    """(directory, name, cases)"""
    for row in MATCHES:
        yield "match", row[0], list(match_cases(*row))
    for name, cases in special_matches():
        yield "match", name, cases
    for name, (ci, vi), actions, (co, vo) in ACTIONS:
        yield "action", name.replace(" ", "_").replace(".", ""), list(both_ways(name, guards(ci), actions, frame(ci, **vi), frame(co, **vo)))
    for field, value, carriers in SETS:
        cases = []
        for carrier in carriers:
            v = value | PRESENT if field == "vlan_vid" else value
            cases += both_ways("%s: set %s=%s" % (carrier, field, value), guards(carrier), [set_field(field, v)], frame(carrier), expected(carrier, field, value))
        yield "action", "set_" + field, cases
    yield "action", "instructions", list(instruction_cases())
    for name, cases in group_cases(seconds):
        yield "group", name, cases
    for name, cases in meter_cases(seconds):
        yield "meter", name, cases


def expected(carrier, field, value):
    """The frame after set-field: DSCP and ECN share a byte with each other"""
    if field in ("ip_dscp", "ip_ecn"):
        layer = "ipv4" if "ipv4" in carrier else "ipv6"
        tos = LAYERS[layer][2]["tos" if layer == "ipv4" else "traffic_class"]
        return frame(carrier, ip_ecn=(tos & 3) | value << 2 if field == "ip_dscp" else (tos & ~3) | value)
    return frame(carrier, **{field: value})


def quick(all_suites):
    """What a CI run has time for: a first carrier of each, few misses (they take the tester a second each), no rates"""
    for i, (where, name, cases) in enumerate(all_suites):
        keep = [c for c in cases if "miss" not in c["description"] and "throughput" not in json.dumps(c)]
        few = {"match": 2, "action": 1}.get(where, 2)
        missing = [c for c in cases if c["description"].endswith("miss")]
        yield where, name, keep[:few] + (missing[:1] if i % 16 == 0 else [])


def write_all(top, is_quick=False):
    """Write the files. returns how many cases"""
    n = 0
    for where, name, cases in quick(suites()) if is_quick else suites():
        if not cases:
            continue
        os.makedirs("%s/%s" % (top, where), exist_ok=True)
        with open("%s/%s/%s.json" % (top, where, name), "w") as f:
            json.dump(["%s: %s" % (where, name)] + cases, f, indent=1)
        n += len(cases)
    return n


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    print("%d cases in %s" % (write_all(sys.argv[1], "--quick" in sys.argv), sys.argv[1]))
