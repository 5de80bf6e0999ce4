"""Requirements on matching: OpenFlow 1.3.5 sections 5.1 to 5.4 and 7.2.3"""
import logging

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6  # noqa: E402
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkData  # noqa: E402
from scapy.contrib.mpls import MPLS  # noqa: E402

from client import DP, apply, flow, goto, mark_rule, of, output  # noqa: E402

A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
DATA = bytes(range(40))


def build(*layers):
    p = layers[0]
    for x in layers[1:]:
        p = p / x
    raw = bytes(p)
    return raw + bytes(max(0, 60 - len(raw)))  # so that no driver pads it


def eth(*rest, dst=B, src=A, **more):
    return build(Ether(dst=dst, src=src, **more), *rest)


def tcp(**more):
    return TCP(**dict({"sport": 1000, "dport": 2000}, **more))


def udp(**more):
    return UDP(**dict({"sport": 1000, "dport": 2000}, **more))


def sctp(**more):
    return SCTP(**dict({"sport": 1000, "dport": 2000, "tag": 7}, **more)) / SCTPChunkData(data=DATA)


def ip(**more):
    return IP(**dict({"src": "10.0.0.1", "dst": "10.0.0.2", "ttl": 64}, **more))


def ip6(**more):
    return IPv6(**dict({"src": "fd00::1", "dst": "fd00::2", "hlim": 64}, **more))


def v4(**more):
    return eth(ip(**more), udp(), DATA)


def v6(**more):
    return eth(ip6(**more), udp(), DATA)


def t4(**more):
    return eth(ip(), tcp(**more), DATA)


def u6(**more):
    return eth(ip6(), udp(**more), DATA)


def s4(**more):
    return eth(ip(), sctp(**more))


def arp(**more):
    return eth(ARP(**dict({"op": 1, "hwsrc": A, "hwdst": "00:00:00:00:00:00", "psrc": "10.0.0.1", "pdst": "10.0.0.2"}, **more)), bytes(18))


def icmp(**more):
    return eth(ip(), ICMP(**dict({"type": 8, "code": 0}, **more)), DATA)


def echo6(code=0):
    return eth(ip6(), ICMPv6EchoRequest(code=code, data=DATA))


def ns(target="fe80::1", lladdr=A):
    return eth(ip6(hlim=255), ICMPv6ND_NS(tgt=target), ICMPv6NDOptSrcLLAddr(lladdr=lladdr))


def na(target="fe80::1", lladdr=A):
    return eth(ip6(hlim=255), ICMPv6ND_NA(tgt=target), ICMPv6NDOptDstLLAddr(lladdr=lladdr))


def tagged(vlan=5, prio=2, id=0):
    return eth(Dot1Q(vlan=vlan, prio=prio, id=id), ip(), udp(), DATA)


def mpls(label=16, cos=3, s=1, ttl=64, inner=True):
    return eth(MPLS(label=label, cos=cos, s=s, ttl=ttl), *([] if s else [MPLS(label=99, s=1)]), ip(), udp(), DATA, type=0x8847)


IP4, IP6, ARP_T, MPLS_T = {"eth_type": 0x800}, {"eth_type": 0x86DD}, {"eth_type": 0x806}, {"eth_type": 0x8847}
T4, U6, S4, I4, I6 = dict(IP4, ip_proto=6), dict(IP6, ip_proto=17), dict(IP4, ip_proto=132), dict(IP4, ip_proto=1), dict(IP6, ip_proto=58)
NS, NA, PRESENT = dict(I6, icmpv6_type=135), dict(I6, icmpv6_type=136), 0x1000
FIELDS = [  # field, value or (value, mask), what it needs, a frame that matches, one that does not
    ("eth_dst", B, {}, eth(ip(), udp()), eth(ip(), udp(), dst=A)), ("eth_dst", ("02:00:00:00:00:00", "ff:00:00:00:00:00"), {}, v4(), eth(ip(), udp(), dst="04:00:00:00:00:0b")),
    ("eth_src", A, {}, v4(), eth(ip(), udp(), src=B)), ("eth_src", ("00:00:00:00:00:0a", "00:00:00:00:00:0f"), {}, v4(), eth(ip(), udp(), src=B)),
    ("eth_type", 0x800, {}, v4(), v6()), ("eth_type", 0x86DD, {}, v6(), arp()), ("eth_type", 0x806, {}, arp(), v4()), ("eth_type", 0x8847, {}, mpls(), v4()),
    ("vlan_vid", PRESENT | 5, {}, tagged(5), tagged(6)), ("vlan_vid", 0, {}, v4(), tagged()), ("vlan_vid", (PRESENT, PRESENT), {}, tagged(0), v4()),
    ("vlan_vid", (PRESENT | 4, PRESENT | 0xFFC), {}, tagged(7), tagged(8)), ("vlan_vid", PRESENT | 5, {}, eth(Dot1AD(vlan=5), Dot1Q(vlan=6), ip(), udp(), DATA), tagged(6)),
    ("vlan_pcp", 2, {"vlan_vid": (PRESENT, PRESENT)}, tagged(5, 2), tagged(5, 3)),
    ("ip_dscp", 46, IP4, v4(tos=46 << 2), v4(tos=45 << 2)), ("ip_dscp", 46, IP6, v6(tc=46 << 2 | 1), v6(tc=47 << 2)), ("ip_ecn", 3, IP4, v4(tos=3), v4(tos=2)), ("ip_ecn", 1, IP6, v6(tc=1), v6(tc=0)),
    ("ip_proto", 6, IP4, t4(), v4()), ("ip_proto", 17, IP6, v6(), echo6()), ("ip_proto", 99, IP4, eth(ip(proto=99), DATA), v4()),
    ("ipv4_src", "10.0.0.1", IP4, v4(), v4(src="10.0.0.3")), ("ipv4_src", ("10.0.0.0", "255.255.0.0"), IP4, v4(src="10.0.99.1"), v4(src="10.1.0.1")), ("ipv4_src", ("0.0.0.1", "0.0.0.1"), IP4, v4(), v4(src="10.0.0.2")),
    ("ipv4_dst", "10.0.0.2", IP4, v4(), v4(dst="10.0.0.3")), ("ipv4_dst", ("8.0.0.0", "248.0.0.0"), IP4, v4(), v4(dst="16.0.0.2")),
    ("tcp_src", 1000, T4, t4(), t4(sport=1001)), ("tcp_dst", 2000, T4, t4(), t4(dport=2001)), ("tcp_dst", 2000, dict(IP6, ip_proto=6), eth(ip6(), tcp(), DATA), eth(ip6(), tcp(dport=1), DATA)),
    ("udp_src", 1000, U6, u6(), u6(sport=1)), ("udp_dst", 2000, U6, u6(), u6(dport=1)), ("udp_dst", 2000, dict(IP4, ip_proto=17), v4(), t4()),
    ("sctp_src", 1000, S4, s4(), s4(sport=1)), ("sctp_dst", 2000, S4, s4(), s4(dport=1)),
    ("icmpv4_type", 8, I4, icmp(), icmp(type=0)), ("icmpv4_code", 3, I4, icmp(type=3, code=3), icmp(type=3, code=4)),
    ("arp_op", 2, ARP_T, arp(op=2), arp()), ("arp_spa", "10.0.0.1", ARP_T, arp(), arp(psrc="10.0.0.9")), ("arp_spa", ("10.0.0.0", "255.0.0.0"), ARP_T, arp(psrc="10.9.9.9"), arp(psrc="11.0.0.1")),
    ("arp_tpa", "10.0.0.2", ARP_T, arp(), arp(pdst="10.0.0.3")), ("arp_tpa", ("10.0.0.0", "255.0.0.0"), ARP_T, arp(), arp(pdst="11.0.0.3")),
    ("arp_sha", A, ARP_T, arp(), arp(hwsrc=B)), ("arp_sha", ("02:00:00:00:00:00", "ff:ff:00:00:00:00"), ARP_T, arp(), arp(hwsrc="02:01:00:00:00:00")),
    ("arp_tha", B, ARP_T, arp(hwdst=B), arp()), ("arp_tha", ("00:00:00:00:00:0b", "00:00:00:00:00:ff"), ARP_T, arp(hwdst=B), arp()),
    ("ipv6_src", "fd00::1", IP6, v6(), v6(src="fd00::3")), ("ipv6_src", ("fd00::", "ffff::"), IP6, v6(), v6(src="fd01::1")), ("ipv6_dst", "fd00::2", IP6, v6(), v6(dst="fd00::3")),
    ("ipv6_dst", ("::2", "::ffff"), IP6, v6(dst="fe80:1::2"), v6(dst="fd00::3")), ("ipv6_flabel", 0x12345, IP6, v6(fl=0x12345), v6(fl=0x12344)), ("ipv6_flabel", (0x12000, 0xFF000), IP6, v6(fl=0x12345), v6(fl=0x13345)),
    ("icmpv6_type", 128, I6, echo6(), ns()), ("icmpv6_code", 3, I6, echo6(3), echo6()), ("ipv6_nd_target", "fe80::1", NS, ns(), ns("fe80::2")), ("ipv6_nd_target", ("fe80::", "ffff::"), NA, na(), na("fe81::1")),
    ("ipv6_nd_sll", A, NS, ns(), ns(lladdr=B)), ("ipv6_nd_tll", A, NA, na(), na(lladdr=B)), ("ipv6_nd_sll", ("02:00:00:00:00:0a", "ff:00:00:00:00:ff"), NS, ns(), ns(lladdr=B)),
    ("mpls_label", 16, MPLS_T, mpls(), mpls(17)), ("mpls_tc", 3, MPLS_T, mpls(), mpls(cos=4)), ("mpls_bos", 1, MPLS_T, mpls(), mpls(s=0)), ("mpls_bos", 0, MPLS_T, mpls(s=0), mpls()),
]


def field_row(name, value, needs, good, other):
    def check(s):
        s.rules(flow(dict(needs, **{name: value}), [apply(output(2))]))
        s.frames([good, other, good], {2: [good, good]})
    return check


def rows():
    for name, value, needs, good, other in FIELDS:
        yield "7.2.3.7", "match %s=%s" % (name, "%s/%s" % value if isinstance(value, tuple) else value), field_row(name, value, needs, good, other)
    yield "7.2.3.7", "match in_port", in_port
    yield "7.2.3.7", "match in_phy_port, which is in_port here", in_phy_port
    yield "7.2.3.7", "match metadata, exact and masked", metadata
    yield "7.2.3.7", "match tunnel_id as set by set-field", tunnel_id
    yield "5.3", "the highest priority wins", priority
    yield "5.3", "a frame that matches nothing is dropped without a table-miss entry", lambda s: s.frames(v4(), {})
    yield "5.4", "a table-miss entry: priority 0, all wildcarded", table_miss
    yield "5.3", "an empty match matches every frame", everything
    yield "7.2.3.4", "a field behind a fragment's header is not there: later fragments match no port", fragments
    yield "7.2.3.8", "a match comes back in flow stats as it was given", echo_match


def in_port(s):
    s.rules(flow({"in_port": 3}, [apply(output(2))]))
    s.rules(mark_rule(4, in_port=3))
    s.frames(v4(), {2: [v4()]}, port=3)
    s.rules(mark_rule(4))
    s.frames(v4(), {})


def in_phy_port(s):
    s.rules(flow({"in_port": 1, "in_phy_port": 1}, [apply(output(2))]))
    s.frames(v4(), {2: [v4()]})


def metadata(s):
    s.rules(flow({}, [of.OFPInstructionWriteMetadata(0x1234567812345678, 0xFFFFFFFF00000000), goto(1)]),
            flow({"metadata": 0x1234567800000000}, [apply(output(2)), goto(2)], table_id=1), flow({"metadata": (0x78 << 32, 0xFF << 32)}, [apply(output(3))], table_id=2),
            flow({"metadata": 0x1234567812345678}, [apply(output(4))], table_id=1, priority=200))
    s.frames(v4(), {2: [v4()], 3: [v4()]})


def tunnel_id(s):
    s.rules(flow({}, [apply(of.OFPActionSetField(tunnel_id=0x55AA)), goto(1)]), flow({"tunnel_id": (0x5500, 0xFF00)}, [apply(output(2)), goto(2)], table_id=1),
            flow({"tunnel_id": 0x55AB}, [apply(output(3))], table_id=2))
    s.frames(v4(), {2: [v4()]})


def priority(s):
    s.rules(flow(IP4, [apply(output(2))], priority=5), flow({}, [apply(output(3))], priority=6), flow(dict(IP4, ipv4_src="10.0.0.1"), [apply(output(4))], priority=4))
    s.frames(v4(), {3: [v4()]})


def table_miss(s):
    s.rules(flow({}, [apply(output(3))], priority=0), flow(IP4, [apply(output(2))], priority=1))
    s.frames([v4(), v6()], {2: [v4()], 3: [v6()]})


def everything(s):
    s.rules(flow({}, [apply(output(2))]))
    all_of_them = [v4(), v6(), arp(), mpls(), tagged(), s4(), eth(b"\xab" * 50, type=0x9999)]
    s.frames(all_of_them, {2: all_of_them})


def fragments(s):
    later = eth(ip(frag=10, proto=17), b"\x03\xe8\x07\xd0" + DATA)
    s.rules(flow(dict(IP4, ip_proto=17, udp_dst=2000), [apply(output(2))]), flow(dict(IP4, ip_proto=17), [apply(output(3))], priority=1))
    s.frames([v4(), later], {2: [v4()], 3: [later]})


def echo_match(s):
    given = flow(dict(T4, in_port=1, eth_dst=("02:00:00:00:00:00", "ff:00:00:00:00:00"), vlan_vid=PRESENT | 5, ipv4_src=("10.0.0.0", "255.0.0.0"), tcp_dst=80), [apply(output(2))])
    s.rules(given)
    found = [f for f in s.c.body(of.OFPFlowStatsRequest(DP, cookie_mask=0)) if f.priority == 100]
    assert len(found) == 1, "%d flows" % len(found)
    want, got = dict(given.match.items()), dict(found[0].match.items())
    assert want == got, "%s, not %s" % (got, want)
