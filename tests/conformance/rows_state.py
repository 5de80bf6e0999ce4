"""Requirements on messages, counters, timeouts and connections: sections 5.5, 5.8, 6.1 to 6.7, 7.3 and 7.4"""
import struct, time

from client import DP, HELLO, Client, apply, flow, of, ofp, output, parse, xid_of
from rows_actions import bucket, group, to_group
from rows_errors import FLOW_HEAD, flow_mod
from rows_matches import IP4, T4, t4, v4, v6

ALL, STRICT = {"cookie_mask": 0}, ofp.OFPFC_DELETE_STRICT


def ours(s, **more):
    return [f for f in s.c.body(of.OFPFlowStatsRequest(DP, **dict(ALL, **more))) if f.priority != 65535]


def one(s, **more):
    found = ours(s, **more)
    assert len(found) == 1, "%d flows, not 1" % len(found)
    return found[0]


def equal(got, want, what=""):
    assert got == want, "%s %s, not %s" % (what, got, want)


def counters(s):
    s.rules(flow(IP4, [apply(output(2))], cookie=7))
    s.frames([v4()] * 5, {2: [v4()] * 5})
    f = one(s)
    equal((f.packet_count, f.byte_count, f.cookie), (5, 5 * len(v4()), 7))
    equal([(a.packet_count, a.byte_count, a.flow_count) for a in s.c.body(of.OFPAggregateStatsRequest(DP, 0, ofp.OFPTT_ALL, ofp.OFPP_ANY, ofp.OFPG_ANY, 7, 0xFFFFFFFFFFFFFFFF, of.OFPMatch()))],
          [(5, 5 * len(v4()), 1)], "aggregate")
    s.rules(flow(IP4, [apply(output(3))], command=ofp.OFPFC_MODIFY))
    equal(one(s).packet_count, 5, "after modify")
    s.rules(flow(IP4, [apply(output(3))], command=ofp.OFPFC_MODIFY, flags=ofp.OFPFF_RESET_COUNTS))
    equal(one(s).packet_count, 0, "after modify with RESET_COUNTS")


def add_again(s):
    s.rules(flow(IP4, [apply(output(2))]))
    s.frames(v4(), {2: [v4()]})
    s.rules(flow(IP4, [apply(output(3))], cookie=9))
    s.frames(v4(), {3: [v4()]})
    equal((one(s).cookie, one(s).packet_count), (9, 2), "cookie, packets (kept without RESET_COUNTS)")


def table_counts(s):
    was = {t.table_id: t for t in s.c.body(of.OFPTableStatsRequest(DP, 0))}
    s.rules(flow(IP4, [apply(output(2))]))
    s.frames([v4(), v6()], {2: [v4()]})
    now = {t.table_id: t for t in s.c.body(of.OFPTableStatsRequest(DP, 0))}
    marks = 1
    equal((now[0].lookup_count - was[0].lookup_count, now[0].matched_count - was[0].matched_count, now[0].active_count), (2 + marks, 1 + marks, 2), "lookups, matches, active")


def port_counts(s):
    was = {p.port_no: p for p in s.c.body(of.OFPPortStatsRequest(DP, 0, ofp.OFPP_ANY))}
    s.rules(flow(IP4, [apply(output(2))]))
    s.frames([v4()] * 3, {2: [v4()] * 3})
    now = {p.port_no: p for p in s.c.body(of.OFPPortStatsRequest(DP, 0, ofp.OFPP_ANY))}
    equal((now[1].rx_packets - was[1].rx_packets, now[2].tx_packets - was[2].tx_packets), (4, 4), "received at 1, sent at 2 (three and the mark)")
    assert now[1].duration_sec >= was[1].duration_sec


def group_counts(s):
    s.rules(group(1, ofp.OFPGT_ALL, bucket(output(2)), bucket(output(3))), flow(IP4, [apply(to_group(1))]))
    s.frames([v4()] * 4, {2: [v4()] * 4, 3: [v4()] * 4})
    g = s.c.body(of.OFPGroupStatsRequest(DP, 0, 1))[0]
    equal((g.packet_count, g.byte_count, g.ref_count, [b.packet_count for b in g.bucket_stats]), (4, 4 * len(v4()), 1, [4, 4]))


def group_desc(s):
    given = group(77, ofp.OFPGT_SELECT, bucket(of.OFPActionSetField(ipv4_dst="1.2.3.4"), output(2, 99), weight=3), bucket(output(3), weight=65535))
    s.rules(given)
    got = [g for g in s.c.body(of.OFPGroupDescStatsRequest(DP)) if g.group_id == 77][0]
    equal((got.type, str(got.buckets)), (given.type, str(given.buckets)))


def meter_echo(s):
    for flags, band in ((ofp.OFPMF_KBPS, of.OFPMeterBandDrop(1000, 0)), (ofp.OFPMF_PKTPS | ofp.OFPMF_BURST, of.OFPMeterBandDrop(500, 77)),
                        (ofp.OFPMF_KBPS | ofp.OFPMF_STATS, of.OFPMeterBandDscpRemark(rate=300, burst_size=0, prec_level=2))):
        given = of.OFPMeterMod(DP, ofp.OFPMC_ADD, flags, 5, [band])
        s.rules(given)
        got = s.c.body(of.OFPMeterConfigStatsRequest(DP, 0, 5))[0]
        equal((got.flags, str(got.bands)), (flags, str([band])))
        s.rules(of.OFPMeterMod(DP, ofp.OFPMC_DELETE, 0, 5))


def meter_counts(s):
    s.rules(of.OFPMeterMod(DP, ofp.OFPMC_ADD, ofp.OFPMF_PKTPS | ofp.OFPMF_STATS | ofp.OFPMF_BURST, 5, [of.OFPMeterBandDrop(1, 10)]),
            flow(IP4, [of.OFPInstructionMeter(5), apply(output(2))]))
    got = s.bench.through([v4()] * 30)
    assert 9 <= len(got[2]) <= 12, "%d of a burst of 10 at 1/s" % len(got[2])
    m = s.c.body(of.OFPMeterStatsRequest(DP, 0, 5))[0]
    equal((m.packet_in_count, m.flow_count, m.band_stats[0].packet_band_count), (30, 1, 30 - len(got[2])))


def meter_del(s):
    s.rules(of.OFPMeterMod(DP, ofp.OFPMC_ADD, ofp.OFPMF_KBPS, 5, [of.OFPMeterBandDrop(100, 0)]), flow(IP4, [of.OFPInstructionMeter(5), apply(output(2))]))
    s.rules(of.OFPMeterMod(DP, ofp.OFPMC_DELETE, 0, 5))
    equal(len(ours(s)), 0, "flows after their meter is deleted:")


def group_del(s):
    s.rules(group(1, ofp.OFPGT_INDIRECT, bucket(output(2))), flow(IP4, [apply(to_group(1))]), flow({"eth_type": 0x86DD}, [apply(output(2))]))
    s.rules(group(1, ofp.OFPGT_INDIRECT, command=ofp.OFPGC_DELETE))
    equal(len(ours(s)), 1, "flows after their group is deleted:")


def removed(s, seconds, reason, **more):
    s.rules(flow(IP4, [apply(output(2))], cookie=0xC0, flags=ofp.OFPFF_SEND_FLOW_REM, **more))
    s.frames(v4(), {2: [v4()]})
    if reason == ofp.OFPRR_DELETE:
        s.c.ok(flow(command=ofp.OFPFC_DELETE, table_id=ofp.OFPTT_ALL, cookie=0xC0, cookie_mask=0xFF))
    found = [m for m in s.c.asynchronous if m[1] == 11]
    m = parse(found[0] if found else s.c.expect(lambda m: m[1] == 11, seconds))
    equal((m.reason, m.cookie, m.priority, m.packet_count, m.table_id), (reason, 0xC0, 100, 1, 0))
    s.c.asynchronous = []


def removed_by(kind):
    if kind == "delete":
        return lambda s: removed(s, 2, ofp.OFPRR_DELETE)
    return lambda s: removed(s, 4, ofp.OFPRR_IDLE_TIMEOUT if kind == "idle" else ofp.OFPRR_HARD_TIMEOUT, **{kind + "_timeout": 1})


def delete(text, command, which, left, **more):
    def check(s):
        s.rules(flow(IP4, [apply(output(2))], cookie=1), flow(T4, [apply(output(3))], cookie=2), flow(IP4, [apply(output(4))], table_id=1, cookie=3))
        s.rules(flow(which, command=command, **more))
        equal(sorted(f.cookie for f in ours(s)), left, "cookies left:")
    return "6.4", text, check


def no_counts(s):
    s.rules(flow(IP4, [apply(output(2))], flags=ofp.OFPFF_NO_PKT_COUNTS | ofp.OFPFF_NO_BYT_COUNTS))
    equal(one(s).flags & (ofp.OFPFF_NO_PKT_COUNTS | ofp.OFPFF_NO_BYT_COUNTS), ofp.OFPFF_NO_PKT_COUNTS | ofp.OFPFF_NO_BYT_COUNTS)


def packet_in(s, rules, reason, table, cookie, frame):
    s.rules(*rules)
    m = s.packet_in(frame)
    equal((m.reason, m.table_id, m.cookie, m.match.get("in_port"), m.buffer_id, m.total_len), (reason, table, cookie, 1, ofp.OFP_NO_BUFFER, len(frame)))
    equal(m.data.hex(), frame.hex())


def packet_out(actions, out, in_port=ofp.OFPP_CONTROLLER, before=()):
    def check(s):
        s.rules(*before)
        s.c.ok(of.OFPPacketOut(DP, ofp.OFP_NO_BUFFER, in_port, actions, v4()))
        s.frames([], out)
    return check


def features(s):
    f = s.c.ask(of.OFPFeaturesRequest(DP))[0]
    equal((f.datapath_id, f.n_buffers, f.auxiliary_id), (1, 0, 0))
    assert f.n_tables >= 64, f.n_tables
    want = ofp.OFPC_FLOW_STATS | ofp.OFPC_TABLE_STATS | ofp.OFPC_PORT_STATS | ofp.OFPC_GROUP_STATS
    equal(f.capabilities & want, want, "capabilities")


def config(s):
    s.c.ok(of.OFPSetConfig(DP, ofp.OFPC_FRAG_NORMAL, 77))
    c = s.c.ask(of.OFPGetConfigRequest(DP))[0]
    equal((c.flags, c.miss_send_len), (ofp.OFPC_FRAG_NORMAL, 77))


def echo(s):
    for data in (b"", b"hello", bytes(1000)):
        xid = s.c.send_raw(2, data)
        m = s.c.expect(lambda m: xid_of(m) == xid)
        equal((m[1], m[8:]), (3, data))


def ports(s):
    p = {x.port_no: x for x in s.c.body(of.OFPPortDescStatsRequest(DP))}
    assert {1, 2, 3, 4} <= set(p), sorted(p)
    assert all(p[i].config == 0 and not p[i].state & ofp.OFPPS_LINK_DOWN for i in (1, 2, 3, 4))


def no_fwd(s):
    hw = [x.hw_addr for x in s.c.body(of.OFPPortDescStatsRequest(DP)) if x.port_no == 3][0]
    bits = ofp.OFPPC_NO_FWD
    s.c.ok(of.OFPPortMod(DP, 3, hw, bits, bits, 0))
    try:
        equal([x.config for x in s.c.body(of.OFPPortDescStatsRequest(DP)) if x.port_no == 3], [bits])
        from client import mark_rule
        s.rules(flow({"eth_type": 0x88B5}, [apply(output(2), output(4), output(ofp.OFPP_IN_PORT))], priority=65535), flow(IP4, [apply(output(2), output(3))]))
        for link in s.bench.links.values():
            link.drain()
        s.bench.links[1].send(v4())
        time.sleep(0.3)
        equal({p: s.bench.links[p].recv() for p in (2, 3)}, {2: v4(), 3: None})
    finally:
        s.c.ok(of.OFPPortMod(DP, 3, hw, 0, bits, 0))


def multipart_request(make):
    def check(s):
        s.c.ask(make())
        for m in s.c.ask(make()):
            assert not isinstance(m, of.OFPErrorMsg), "type %d code %d" % (m.type, m.code)
    return check


def hello_versions(bitmap, version, good):
    def check(s):
        c = Client.to("tcp:127.0.0.1:6655", greet=False)
        try:
            c.raw(struct.pack("!BBHI", version, 0, 8 if bitmap is None else 16, 1) + (b"" if bitmap is None else struct.pack("!HHI", 1, 8, bitmap)))
            m = c.read()
            equal(m[1], 0, "first message")
            if good:
                xid = c.send_raw(5, b"")
                equal(c.expect(lambda m: xid_of(m) == xid)[1], 6, "features")
            else:
                m = c.read()
                equal((m[1], struct.unpack("!HH", m[8:12])), (1, (0, 0)), "HELLO_FAILED INCOMPATIBLE")
        finally:
            c.close()
    return check


def barrier_is_strict(s):
    """After the reply the next frame meets what came before, each time"""
    for i in range(100):
        s.c.ok(flow(IP4, [apply(output(2 + i % 2))]))
        if s.which == "ovs":
            s.settle()
        s.frames(v4(), {2 + i % 2: [v4()]})


def async_config(s):
    n = struct.pack("!IIIIII", 0, 0, 0, 0, 0, 0)
    s.c.send_raw(28, n)
    xid = s.c.send_raw(26, b"")
    equal(s.c.expect(lambda m: xid_of(m) == xid)[8:], n, "async config")
    s.rules(flow(IP4, [apply(output(ofp.OFPP_CONTROLLER))]))
    s.frames(v4(), {})
    m = s.c.barrier()
    assert not [x for x in m if x[1] == 10], "a packet-in that nobody asked for"
    s.c.send_raw(28, struct.pack("!IIIIII", 7, 7, 7, 7, 15, 15))


def two_masters(s):
    other = Client.to("tcp:127.0.0.1:6655")
    try:
        for c, generation in ((s.c, 100), (other, 101)):
            xid = c.send_raw(24, struct.pack("!I4xQ", 2, generation))
            equal(struct.unpack("!I4xQ", c.expect(lambda m: xid_of(m) == xid)[8:24]), (2, generation))
        xid = s.c.send_raw(24, struct.pack("!I4xQ", 0, 0))
        equal(struct.unpack("!I", s.c.expect(lambda m: xid_of(m) == xid)[8:12])[0], 3, "the first one's role")
    finally:
        other.close()
        s.c.send_raw(24, struct.pack("!I4xQ", 1, 0))
        s.c.barrier()


def rows():
    p = ofp
    for text, check in (("flow counters: packets and bytes; modify keeps, RESET_COUNTS resets", counters), ("table counters: lookups, matches, active", table_counts), ("port counters and duration", port_counts),
                        ("group and bucket counters, references", group_counts), ("meter counters: in, per band, flows", meter_counts), ("NO_PKT_COUNTS and NO_BYT_COUNTS are told back", no_counts)):
        yield "5.8", text, check
    yield "6.4", "an add of the same match and priority replaces it", add_again
    yield "5.6", "group-desc is what was configured", group_desc
    yield "5.7", "meter-config is what was configured, bursts too", meter_echo
    yield "5.7", "flows of a deleted meter go with it", meter_del
    yield "5.6", "flows of a deleted group go with it", group_del
    for kind in ("delete", "idle"):
        yield "5.5", "flow-removed: %s" % kind, removed_by(kind)
    yield delete("delete takes all that the match covers, in its table", p.OFPFC_DELETE, IP4, [3])
    yield delete("delete of all tables", p.OFPFC_DELETE, IP4, [], table_id=p.OFPTT_ALL)
    yield delete("delete-strict takes the same match and priority only", STRICT, IP4, [2, 3])
    yield delete("delete-strict of another priority takes nothing", STRICT, IP4, [1, 2, 3], priority=99)
    yield delete("delete by cookie", p.OFPFC_DELETE, {}, [1, 3], table_id=p.OFPTT_ALL, cookie=2, cookie_mask=0xFF)
    yield delete("delete by output port", p.OFPFC_DELETE, {}, [1, 2], table_id=p.OFPTT_ALL, out_port=4)
    yield delete("modify of what is not there adds nothing", p.OFPFC_MODIFY, {"eth_type": 0x86DD}, [1, 2, 3])
    to = lambda n=0xFFFF: apply(output(p.OFPP_CONTROLLER, n))  # noqa: E731
    yield "7.4.1", "packet-in by action: reason, table, cookie, port, whole frame", lambda s: packet_in(s, [flow(IP4, [to()], cookie=5, priority=9)], p.OFPR_ACTION, 0, 5, v4())
    yield "7.4.1", "packet-in by table-miss: reason NO_MATCH", lambda s: packet_in(s, [flow({}, [to()], cookie=6, priority=0)], p.OFPR_NO_MATCH, 0, 6, v4())
    yield "7.4.1", "packet-in has the whole frame, whatever max_len: it is not buffered", lambda s: packet_in(s, [flow(IP4, [to(20)])], p.OFPR_ACTION, 0, 0, v4())
    yield "7.4.1", "packet-in from table 3, metadata in its match", lambda s: packet_in_metadata(s)
    yield "7.4.1", "packet-in by invalid TTL", lambda s: invalid_ttl(s)
    yield "7.3.7", "packet-out to a port", packet_out([output(3)], {3: [v4()]})
    yield "7.3.7", "packet-out to ALL from port 2 leaves out port 2", packet_out([output(p.OFPP_ALL)], {1: [v4()], 3: [v4()], 4: [v4()]}, in_port=2)
    yield "7.3.7", "packet-out to TABLE walks the tables", packet_out([output(p.OFPP_TABLE)], {4: [v4()]}, in_port=2, before=[flow(dict(IP4, in_port=2), [apply(output(4))])])
    yield "7.3.7", "packet-out with set-field", packet_out([of.OFPActionSetField(ipv4_dst="9.9.9.9"), output(2)], {2: [v4(dst="9.9.9.9")]})
    yield "7.3.1", "features: datapath id, no buffers, 64 tables, capabilities", features
    yield "7.3.2", "set-config and get-config", config
    yield "7.5.2", "echo with any payload", echo
    yield "7.3.5.7", "port descriptions: live ports without configuration", ports
    yield "7.3.4.3", "port-mod NO_FWD", no_fwd
    yield "6.2", "barrier: the next frame meets what came before, 100 times", barrier_is_strict
    yield "7.3.10", "set-async and get-async", async_config
    yield "6.3.4", "a new master makes the old one a slave", two_masters
    for text, make in (("desc", lambda: of.OFPDescStatsRequest(DP)), ("group features", lambda: of.OFPGroupFeaturesStatsRequest(DP)), ("meter features", lambda: of.OFPMeterFeaturesStatsRequest(DP)),
                       ("table features", lambda: of.OFPTableFeaturesStatsRequest(DP, 0)), ("queue stats", lambda: of.OFPQueueStatsRequest(DP, 0, p.OFPP_ANY, p.OFPQ_ALL)), ("meter stats", lambda: of.OFPMeterStatsRequest(DP)),
                       ("meter config", lambda: of.OFPMeterConfigStatsRequest(DP)), ("group stats", lambda: of.OFPGroupStatsRequest(DP)), ("queue config", lambda: of.OFPQueueGetConfigRequest(DP, p.OFPP_ANY))):
        yield "7.3.5", "reply to " + text, multipart_request(make)
    for text, bitmap, version, good in (("1.3 without bitmap", None, 4, True), ("1.3 by bitmap", 0x10, 4, True), ("1.5 that knows 1.3 by bitmap", 0x52, 6, True), ("1.0 alone: HELLO_FAILED INCOMPATIBLE", None, 1, False),
                                        ("1.5 that knows 1.0 and 1.5 only", 0x42, 6, False)):
        yield "6.3.1", "hello " + text, hello_versions(bitmap, version, good)


def packet_in_metadata(s):
    from client import goto
    s.rules(flow({}, [of.OFPInstructionWriteMetadata(0xABCD, 0xFFFF), goto(3)]), flow(IP4, [apply(output(ofp.OFPP_CONTROLLER))], table_id=3))
    m = s.packet_in(v4())
    equal((m.table_id, m.match.get("metadata"), m.match.get("in_port")), (3, 0xABCD, 1))


def invalid_ttl(s):
    s.c.send_raw(28, struct.pack("!IIIIII", 7, 7, 7, 7, 15, 15))
    s.rules(flow(IP4, [apply(of.OFPActionDecNwTtl(), output(2))]))
    m = s.packet_in(v4(ttl=1))
    equal((m.reason, m.match.get("in_port")), (ofp.OFPR_INVALID_TTL, 1))
