"""Requirements on actions, instructions, the action set, groups and reserved ports: sections 5.5 to 5.12 and 4.5"""
from client import DP, apply, flow, goto, mark_rule, of, ofp, output, write
from rows_matches import (ARP_T, DATA, I4, I6, IP4, IP6, MPLS_T, NA, NS, PRESENT, S4, T4, U6, A, B, Dot1AD, Dot1Q, MPLS, arp, build, eth, icmp, ip, ip6, mpls, na, ns,
                          s4, sctp, t4, tagged, tcp, u6, udp, v4, v6)
from scapy.layers.inet6 import ICMPv6EchoRequest

VLAN = {"vlan_vid": (PRESENT, PRESENT)}


def fields(**kv):
    return [of.OFPActionSetField(**{k: v}) for k, v in kv.items()]


def q(*tags, inner=None):
    """A frame with tags, outermost first: (0x8100 or 0x88a8, pcp, vid)"""
    layers = [(Dot1AD if t == 0x88A8 else Dot1Q)(vlan=v, prio=p) for t, p, v in tags]
    return eth(*layers, ip(), udp(), DATA)


def m(*labels, l3=None):
    """(label, tc, ttl), the last one bottom of stack"""
    return eth(*[MPLS(label=x, cos=c, s=int(i == len(labels) - 1), ttl=t) for i, (x, c, t) in enumerate(labels)], *(l3 or (ip(), udp(), DATA)), type=0x8847)


ACTIONS = [  # text, match, actions, frame in, frame out
    ("push_vlan on an untagged frame: VID and PCP 0", {}, [of.OFPActionPushVlan(0x8100)], v4(), q((0x8100, 0, 0))),
    ("push_vlan, then set VID and PCP", {}, [of.OFPActionPushVlan(0x8100)] + fields(vlan_vid=PRESENT | 9, vlan_pcp=5), v4(), q((0x8100, 5, 9))),
    ("push_vlan copies the tag that is there", {}, [of.OFPActionPushVlan(0x8100)], q((0x8100, 3, 7)), q((0x8100, 3, 7), (0x8100, 3, 7))),
    ("push_vlan 802.1ad copies the tag that is there", {}, [of.OFPActionPushVlan(0x88A8)], q((0x8100, 3, 7)), q((0x88A8, 3, 7), (0x8100, 3, 7))),
    ("push_vlan 802.1ad, outer VID set, inner stays", {}, [of.OFPActionPushVlan(0x88A8)] + fields(vlan_vid=PRESENT | 100), q((0x8100, 3, 7)), q((0x88A8, 3, 100), (0x8100, 3, 7))),
    ("pop_vlan", VLAN, [of.OFPActionPopVlan()], q((0x8100, 3, 7)), v4()),
    ("pop_vlan takes the outer tag", VLAN, [of.OFPActionPopVlan()], q((0x88A8, 3, 7), (0x8100, 1, 8)), q((0x8100, 1, 8))),
    ("set vlan_vid keeps PCP", VLAN, fields(vlan_vid=PRESENT | 4094), q((0x8100, 3, 7)), q((0x8100, 3, 4094))),
    ("set vlan_pcp keeps VID", VLAN, fields(vlan_pcp=7), q((0x8100, 3, 7)), q((0x8100, 7, 7))),
    ("push_mpls on IP: label 0, TC 0, BoS, TTL of IP", IP4, [of.OFPActionPushMpls(0x8847)], v4(ttl=77), m((0, 0, 77), l3=(ip(ttl=77), udp(), DATA))),
    ("push_mpls on IPv6", IP6, [of.OFPActionPushMpls(0x8847)], v6(), m((0, 0, 64), l3=(ip6(), udp(), DATA))),
    ("push_mpls copies label, TC and TTL; not bottom of stack", MPLS_T, [of.OFPActionPushMpls(0x8847)], m((16, 3, 60)), m((16, 3, 60), (16, 3, 60))),
    ("push_mpls is outermost, before the VLAN tag", dict(VLAN, **IP4), [of.OFPActionPushMpls(0x8847)], q((0x8100, 3, 7)),
     eth(MPLS(label=0, cos=0, s=1, ttl=64), bytes.fromhex("60070800"), ip(), udp(), DATA, type=0x8847)),
    ("pop_mpls to IPv4", dict(MPLS_T, mpls_bos=1), [of.OFPActionPopMpls(0x800)], m((16, 3, 60)), v4()),
    ("pop_mpls to IPv6", dict(MPLS_T, mpls_bos=1), [of.OFPActionPopMpls(0x86DD)], m((16, 3, 60), l3=(ip6(), udp(), DATA)), v6()),
    ("pop_mpls of two labels", dict(MPLS_T, mpls_bos=0), [of.OFPActionPopMpls(0x8847)], m((16, 3, 60), (17, 2, 50)), m((17, 2, 50))),
    ("set mpls_label", MPLS_T, fields(mpls_label=0xFFFFF), m((16, 3, 60)), m((0xFFFFF, 3, 60))), ("set mpls_tc", MPLS_T, fields(mpls_tc=7), m((16, 3, 60)), m((16, 7, 60))),
    ("set_mpls_ttl", MPLS_T, [of.OFPActionSetMplsTtl(5)], m((16, 3, 60)), m((16, 3, 5))), ("dec_mpls_ttl", MPLS_T, [of.OFPActionDecMplsTtl()], m((16, 3, 60)), m((16, 3, 59))),
    ("set_nw_ttl IPv4: checksum follows", IP4, [of.OFPActionSetNwTtl(5)], v4(), v4(ttl=5)), ("set_nw_ttl IPv6", IP6, [of.OFPActionSetNwTtl(5)], v6(), v6(hlim=5)),
    ("dec_nw_ttl IPv4", IP4, [of.OFPActionDecNwTtl()], v4(), v4(ttl=63)), ("dec_nw_ttl IPv6", IP6, [of.OFPActionDecNwTtl()], v6(), v6(hlim=63)),
    ("set eth_dst", {}, fields(eth_dst=A), v4(), eth(ip(), udp(), DATA, dst=A)), ("set eth_src", {}, fields(eth_src=B), v4(), eth(ip(), udp(), DATA, src=B)),
    ("set ip_dscp IPv4 keeps ECN", IP4, fields(ip_dscp=46), v4(tos=1), v4(tos=46 << 2 | 1)), ("set ip_dscp IPv6 keeps ECN and flow label", IP6, fields(ip_dscp=46), v6(tc=2, fl=5), v6(tc=46 << 2 | 2, fl=5)),
    ("set ip_ecn", IP4, fields(ip_ecn=3), v4(tos=0xB8), v4(tos=0xBB)), ("set ip_ecn IPv6", IP6, fields(ip_ecn=1), v6(tc=0xB8), v6(tc=0xB9)),
    ("set ipv4_src: checksums of IP and UDP", IP4, fields(ipv4_src="1.2.3.4"), v4(), v4(src="1.2.3.4")), ("set ipv4_dst: checksums of IP and TCP", IP4, fields(ipv4_dst="1.2.3.4"), t4(), eth(ip(dst="1.2.3.4"), tcp(), DATA)),
    ("set ipv4_dst leaves UDP without a checksum without one", IP4, fields(ipv4_dst="1.2.3.4"), eth(ip(), udp(chksum=0), DATA), eth(ip(dst="1.2.3.4"), udp(chksum=0), DATA)),
    ("set ipv4_src leaves SCTP's CRC32c alone", IP4, fields(ipv4_src="1.2.3.4"), s4(), eth(ip(src="1.2.3.4"), sctp())),
    ("set ipv6_src: UDP's checksum", IP6, fields(ipv6_src="fe80::9"), v6(), v6(src="fe80::9")), ("set ipv6_dst: ICMPv6's checksum", IP6, fields(ipv6_dst="fe80::9"),
     eth(ip6(), ICMPv6EchoRequest(data=DATA)), eth(ip6(dst="fe80::9"), ICMPv6EchoRequest(data=DATA))),
    ("set ipv6_flabel", IP6, fields(ipv6_flabel=0xABCDE), v6(fl=1), v6(fl=0xABCDE)),
    ("set tcp_src", T4, fields(tcp_src=9), t4(), t4(sport=9)), ("set tcp_dst", T4, fields(tcp_dst=9), t4(), t4(dport=9)),
    ("set udp_src IPv6", U6, fields(udp_src=9), u6(), u6(sport=9)), ("set udp_dst IPv4", dict(IP4, ip_proto=17), fields(udp_dst=9), v4(), eth(ip(), udp(dport=9), DATA)),
    ("set udp_dst with checksum 0 keeps it 0", dict(IP4, ip_proto=17), fields(udp_dst=9), eth(ip(), udp(chksum=0), DATA), eth(ip(), udp(dport=9, chksum=0), DATA)),
    ("set sctp_src: CRC32c", S4, fields(sctp_src=9), s4(), s4(sport=9)), ("set sctp_dst: CRC32c", S4, fields(sctp_dst=9), s4(), s4(dport=9)),
    ("set icmpv4_type", I4, fields(icmpv4_type=0), icmp(), icmp(type=0)), ("set icmpv4_code", I4, fields(icmpv4_code=7), icmp(), icmp(code=7)),
    ("set icmpv6_code", I6, fields(icmpv6_code=7), eth(ip6(), ICMPv6EchoRequest(data=DATA)), eth(ip6(), ICMPv6EchoRequest(code=7, data=DATA))),
    ("set arp_op", ARP_T, fields(arp_op=2), arp(), arp(op=2)), ("set arp_spa", ARP_T, fields(arp_spa="9.9.9.9"), arp(), arp(psrc="9.9.9.9")), ("set arp_tpa", ARP_T, fields(arp_tpa="9.9.9.9"), arp(), arp(pdst="9.9.9.9")),
    ("set arp_sha", ARP_T, fields(arp_sha=B), arp(), arp(hwsrc=B)), ("set arp_tha", ARP_T, fields(arp_tha=B), arp(), arp(hwdst=B)),
    ("set ipv6_nd_target", NS, fields(ipv6_nd_target="fe80::77"), ns(), ns("fe80::77")), ("set ipv6_nd_sll", NS, fields(ipv6_nd_sll=B), ns(), ns(lladdr=B)), ("set ipv6_nd_tll", NA, fields(ipv6_nd_tll=B), na(), na(lladdr=B)),
    ("apply-actions in their order: set, output, set, output", IP4, fields(ipv4_dst="1.1.1.1") + [output(3)] + fields(ipv4_dst="2.2.2.2"), v4(), v4(dst="2.2.2.2")),
]


def action_row(match, actions, given, expected):
    def check(s):
        also = {3: [v4(dst="1.1.1.1")]} if any(getattr(a, "port", None) == 3 for a in actions) else {}
        s.rules(flow(match, [apply(*actions, output(2))]))
        s.frames(given, {2: [expected], **also})
    return check


def ttl(n):
    return of.OFPActionSetNwTtl(n)


def group(number, kind, *buckets, command=ofp.OFPGC_ADD):
    return of.OFPGroupMod(DP, command, kind, number, list(buckets))


def bucket(*actions, weight=0, watch=ofp.OFPP_ANY, watch_group=ofp.OFPG_ANY):
    return of.OFPBucket(weight=weight, watch_port=watch, watch_group=watch_group, actions=list(actions))


def to_group(n):
    return of.OFPActionGroup(n)


def walk(text, clause, flows, given, expected, before=()):
    def check(s):
        s.rules(*before, *flows)
        s.frames(given, expected)
    return clause, text, check


def port_down(s, port, down):
    s.c.ok(of.OFPPortMod(DP, port, hw_of(s, port), 1 if down else 0, 1, 0))


def hw_of(s, port):
    return [p.hw_addr for p in s.c.body(of.OFPPortDescStatsRequest(DP)) if p.port_no == port][0]


def failover(s):
    s.rules(group(1, ofp.OFPGT_FF, bucket(output(2), watch=2), bucket(output(3), watch=3)), flow(IP4, [apply(to_group(1))]))
    s.frames(v4(), {2: [v4()]})
    s.rules(mark_rule(4))
    try:
        port_down(s, 2, True)
        s.rules(flow({"eth_type": 0x88B5}, [apply(output(3), output(4), output(ofp.OFPP_IN_PORT))], priority=65535))
        got = s.bench.links
        for link in got.values():
            link.drain()
        got[1].send(v4())
        import time
        time.sleep(0.3)
        out = {p: got[p].recv() for p in (2, 3, 4)}
        assert out == {2: None, 3: v4(), 4: None}, "with port 2 down: %s" % {p: f and f.hex() for p, f in out.items()}
    finally:
        port_down(s, 2, False)


def in_parts(s, sent):
    out = {2: [], 3: []}
    for i in range(0, len(sent), 30):
        for p, frames in s.bench.through(sent[i:i + 30]).items():
            out.setdefault(p, []).extend(frames)
    return {p: sorted(frames) for p, frames in out.items()}


def select_spreads(s):
    n = 900
    s.rules(group(1, ofp.OFPGT_SELECT, bucket(output(2), weight=1), bucket(output(3), weight=2)), flow(IP4, [apply(to_group(1))]))
    sent = [eth(ip(src="10.1.%d.%d" % (i >> 8, i & 255)), udp(sport=1024 + i), DATA) for i in range(n)]
    got = in_parts(s, sent)
    assert len(got[2]) + len(got[3]) == n, "%d and %d of %d" % (len(got[2]), len(got[3]), n)
    assert abs(len(got[2]) - n / 3) < 0.2 * n / 3, "weights 1:2 gave %d:%d" % (len(got[2]), len(got[3]))
    assert in_parts(s, sent) == got, "a flow changed its bucket"


def invalid_ttl(s):
    s.rules(flow(IP4, [apply(of.OFPActionDecNwTtl(), output(2))]))
    s.frames([v4(ttl=1), v4(ttl=0)], {})


def rows():
    for text, match, actions, given, expected in ACTIONS:
        yield "5.12", text, action_row(match, actions, given, expected)
    p = ofp
    tos = lambda d: fields(ip_dscp=d)[0]  # noqa: E731
    yield walk("the action set runs at the end of the walk", "5.10", [flow(IP4, [write(output(2)), goto(1)]), flow(IP4, [write(ttl(9))], table_id=1)], v4(), {2: [v4(ttl=9)]})
    yield walk("write-actions replaces an action of the same kind", "5.10", [flow(IP4, [write(output(3), ttl(3)), goto(1)]), flow(IP4, [write(output(2), ttl(9))], table_id=1)], v4(), {2: [v4(ttl=9)]})
    yield walk("set-field of different fields stand beside each other in the set", "5.10", [flow(IP4, [write(tos(46)), goto(1)]), flow(IP4, [write(*fields(ipv4_dst="1.1.1.1"), output(2))], table_id=1)], v4(), {2: [v4(tos=184, dst="1.1.1.1")]})
    yield walk("clear-actions empties the set", "5.9", [flow(IP4, [write(output(3), ttl(3)), goto(1)]), flow(IP4, [of.OFPInstructionActions(p.OFPIT_CLEAR_ACTIONS, []), write(output(2))], table_id=1)], v4(), {2: [v4()]})
    yield walk("order of the set: pop before push, set-field last but output", "5.10", [flow(dict(VLAN, **IP4), [write(output(2), of.OFPActionSetField(vlan_vid=PRESENT | 5), of.OFPActionPushVlan(0x8100), of.OFPActionPopVlan())])], q((0x8100, 3, 7)), {2: [q((0x8100, 0, 5))]})
    yield walk("an empty set drops", "5.10", [flow(IP4, [goto(1)]), flow(IP4, [], table_id=1)], v4(), {})
    yield walk("a set with a group and an output: the group wins", "5.10", [flow(IP4, [write(output(3), to_group(1))])], v4(), {2: [v4()]}, before=[group(1, p.OFPGT_INDIRECT, bucket(output(2)))])
    yield walk("a miss in a later table drops what the set would have sent", "5.4", [flow(IP4, [write(output(2)), goto(1)])], v4(), {})
    yield walk("apply-actions act at once, before goto", "5.9", [flow(IP4, [apply(output(2), *fields(ipv4_dst="9.9.9.9")), goto(7)]), flow({"eth_type": 0x800, "ipv4_dst": "9.9.9.9"}, [apply(output(3))], table_id=7)], v4(), {2: [v4()], 3: [v4(dst="9.9.9.9")]})
    yield walk("goto to table 63", "5.9", [flow(IP4, [goto(63)]), flow(IP4, [apply(output(2))], table_id=63)], v4(), {2: [v4()]})
    yield walk("write-metadata by mask", "5.9", [flow({}, [of.OFPInstructionWriteMetadata(0xFF, 0xF0), goto(1)]), flow({"metadata": 0xF0}, [apply(output(2))], table_id=1)], v4(), {2: [v4()]})
    yield walk("output to the in_port is not done", "5.12", [flow(IP4, [apply(output(1), output(2))])], v4(), {2: [v4()]})
    yield walk("output IN_PORT", "4.5", [flow(IP4, [apply(output(p.OFPP_IN_PORT))])], v4(), {1: [v4()]})
    yield walk("output ALL: every port but the in_port", "4.5", [flow(IP4, [apply(output(p.OFPP_ALL))])], v4(), {2: [v4()], 3: [v4()], 4: [v4()]})
    yield walk("output FLOOD", "4.5", [flow(IP4, [apply(output(p.OFPP_FLOOD))])], v4(), {2: [v4()], 3: [v4()], 4: [v4()]})
    yield walk("output NORMAL floods what nobody has learnt", "4.5", [flow({}, [apply(output(p.OFPP_NORMAL))])], eth(ip(), udp(), DATA, dst="02:00:00:00:77:01", src="02:00:00:00:77:02"),
               {i: [eth(ip(), udp(), DATA, dst="02:00:00:00:77:01", src="02:00:00:00:77:02")] for i in (2, 3, 4)})
    yield walk("output to one port twice sends twice", "5.12", [flow(IP4, [apply(output(2), output(2))])], v4(), {2: [v4(), v4()]})
    yield walk("group ALL: a copy per bucket, each from the frame as it was", "5.6.1", [flow(IP4, [apply(to_group(1), output(4))])], v4(), {2: [v4(ttl=9)], 3: [v4()], 4: [v4()]},
               before=[group(1, p.OFPGT_ALL, bucket(ttl(9), output(2)), bucket(output(3)))])
    yield walk("group ALL does not send to the in_port", "5.6.1", [flow(IP4, [apply(to_group(1))])], v4(), {2: [v4()]}, before=[group(1, p.OFPGT_ALL, bucket(output(1)), bucket(output(2)))])
    yield walk("group INDIRECT", "5.6.1", [flow(IP4, [apply(to_group(1))])], v4(), {2: [v4()]}, before=[group(1, p.OFPGT_INDIRECT, bucket(output(2)))])
    yield walk("a group in a group", "5.6.1", [flow(IP4, [apply(to_group(2))])], v4(), {2: [v4()], 3: [v4()]},
               before=[group(1, p.OFPGT_INDIRECT, bucket(output(2))), group(2, p.OFPGT_ALL, bucket(to_group(1)), bucket(output(3)))])
    yield walk("a group without buckets drops", "5.6", [flow(IP4, [apply(to_group(1))])], v4(), {}, before=[group(1, p.OFPGT_ALL)])
    yield walk("group modify is seen by flows that point to it", "5.6", [flow(IP4, [apply(to_group(1))]), group(1, p.OFPGT_INDIRECT, bucket(output(3)), command=p.OFPGC_MODIFY)], v4(), {3: [v4()]},
               before=[group(1, p.OFPGT_INDIRECT, bucket(output(2)))])
    yield "5.6.1", "group FAST FAILOVER takes the first bucket that lives", failover
    yield "5.6.1", "group SELECT by weights, and a flow stays where it is", select_spreads
    yield "5.12", "dec_nw_ttl of 1 or 0: the frame is not sent", invalid_ttl
