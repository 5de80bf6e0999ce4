"""Requirements that the ONF's conformance test specification (TS-026, OpenFlow 1.3 Basic Single Table) adds, in the order of its groups"""
import struct, time

from client import DP, Client, apply, flow, of, ofp, output, write, xid_of
from rows_actions import bucket, group, to_group
from rows_errors import ETH4, OUT, act, acts, error_row, flow_mod, instruction, match, multipart, oxm, packet_out, raw, with_actions
from rows_matches import IP4, tagged, v4
from rows_state import equal, one

TABLES, LAST = 64, 63
OVER = [flow(IP4, [apply(output(2))])]
ROWS = [  # type, code, what; before it; what is sent
    ("FLOW_MOD_FAILED", "BAD_TABLE_ID", "delete in a table that is none", OVER, flow_mod(command=3, table=TABLES + 1)),
    ("FLOW_MOD_FAILED", "BAD_TABLE_ID", "modify in all tables", OVER, flow_mod(match(ETH4), command=1, table=255)),
    ("FLOW_MOD_FAILED", "OVERLAP", "CHECK_OVERLAP with the same match and priority", OVER, flow_mod(match(ETH4), acts(OUT), flags=2)),
    ("FLOW_MOD_FAILED", "BAD_FLAGS", "modify with flag 0x80", OVER, flow_mod(match(ETH4), acts(OUT), command=1, flags=0x80)),
    ("BAD_INSTRUCTION", "UNSUP_INST", "goto in the last table", [], flow_mod(instructions=instruction(1, bytes([LAST, 0, 0, 0])), table=LAST)),
    ("BAD_INSTRUCTION", "UNKNOWN_INST", "instruction 0xf000 with actions", [], flow_mod(instructions=acts(OUT, kind=0xF000))),
    ("BAD_INSTRUCTION", "BAD_LEN", "clear-actions with an action", [], flow_mod(instructions=acts(OUT, kind=5))),
    ("BAD_MATCH", "BAD_FIELD", "field 40, its value missing", [], flow_mod(match(oxm(40, b"", length=4)))),
    ("BAD_MATCH", "BAD_FIELD", "a class that nobody knows, its value missing", [], flow_mod(match(oxm(0, b"", klass=0x8001, length=4)))),
    ("BAD_MATCH", "BAD_VALUE", "VLAN 4095 without the bit for its presence", [], flow_mod(match(oxm(6, b"\x0f\xff")))),
    ("BAD_ACTION", "BAD_TYPE", "action type 30", [], with_actions(act(30, bytes(12)))),
    ("BAD_ACTION", "BAD_OUT_GROUP", "group ALL", [], with_actions(act(22, struct.pack("!I", ofp.OFPG_ALL)))),
    ("BAD_ACTION", "BAD_QUEUE", "set_queue:20", [], with_actions(act(21, struct.pack("!I", 20)), OUT)),
    ("BAD_ACTION", "BAD_LEN", "output of 14 bytes in a packet-out", [], packet_out(bytes(60), actions=act(0, bytes(12), length=14))),
    ("BAD_REQUEST", "BAD_PACKET", "packet-out of a frame of one byte", [], packet_out(b"0")),
    ("BAD_REQUEST", "BUFFER_UNKNOWN", "packet-out of buffer 0xffffff00", [], packet_out(buffer=0xFFFFFF00)),
    ("TABLE_MOD_FAILED", "BAD_CONFIG", "table 0 with configuration 4", [], raw(17, struct.pack("!B3xI", 0, 4))),
    ("TABLE_MOD_FAILED", "BAD_TABLE", "table 254", [], raw(17, struct.pack("!B3xI", 254, 3))),
    ("SWITCH_CONFIG_FAILED", "BAD_LEN", "set-config with 3 bytes too many", [], raw(9, struct.pack("!HH3x", 0, 128))),
    ("QUEUE_OP_FAILED", "BAD_QUEUE", "stats of queue 0xfffffffe", [], multipart(5, struct.pack("!II", 1, 0xFFFFFFFE))),
]


def of_port(s, n=1):
    return [p for p in s.c.body(of.OFPPortDescStatsRequest(DP)) if p.port_no == n][0]


def port_mod_refused(code, config=0, mask=0, advertise=0):
    def check(s):
        hw = bytes.fromhex(of_port(s).hw_addr.replace(":", ""))
        got = s.c.errors(lambda c: c.send_raw(16, struct.pack("!I4x6s2xIII4x", 1, hw, config, mask, advertise)))
        equal(got, [(ofp.OFPET_PORT_MOD_FAILED, code)])
    return check


def table_features(s):
    """Of table 0, as the switch tells them"""
    xid = s.c.send_raw(18, struct.pack("!HH4x", 12, 0))
    first = s.c.expect(lambda m: xid_of(m) == xid)
    m = first
    while struct.unpack("!H", m[10:12])[0] & 1:
        m = s.c.expect(lambda m: xid_of(m) == xid)
    return first[16:16 + struct.unpack("!H", first[16:18])[0]]


def features_refused(code, change):
    """change: of the table's bytes; its properties begin at 64"""
    def check(s):
        b = bytearray(table_features(s))
        change(b)
        equal(s.c.errors(lambda c: c.send_raw(18, struct.pack("!HH4x", 12, 0) + bytes(b))), [(ofp.OFPET_TABLE_FEATURES_FAILED, code)])
    return check


def put(at, data):
    def change(b):
        b[at:at + len(data)] = data
    return change


def short_message(kind, wanted):
    """A length below the header's ends the connection, but not without a word"""
    def check(s):
        c = Client.to("tcp:127.0.0.1:6655")
        try:
            c.raw(struct.pack("!BBHI", 4, kind, 7, 77))
            m = c.expect(lambda m: m[1] == 1)
            equal((xid_of(m), struct.unpack("!HH", m[8:12])), (77, wanted))
        finally:
            c.close()
    return check


def second_hello(s):
    """Version 0 in a hello once all has been settled"""
    c = Client.to("tcp:127.0.0.1:6655")
    try:
        c.raw(struct.pack("!BBHI", 0, 0, 8, 78))
        m = c.expect(lambda m: m[1] == 1)
        equal(struct.unpack("!HH", m[8:12]), (ofp.OFPET_HELLO_FAILED, ofp.OFPHFC_INCOMPATIBLE))
        assert len(m) > 12, "it carries nothing"
    finally:
        c.close()


def dropped(bit, port, counter):
    """Five frames that the port's configuration drops are counted as dropped there"""
    def check(s):
        hw = of_port(s, port).hw_addr
        count = lambda: getattr(s.c.body(of.OFPPortStatsRequest(DP, 0, port))[0], counter)  # noqa: E731
        before = count()
        s.c.ok(of.OFPPortMod(DP, port, hw, bit, bit, 0))
        try:
            s.rules(flow(IP4, [apply(output(3))]), mark_rule_of(2, 4))
            for _ in range(5):
                s.bench.links[2].send(v4())
            end = time.monotonic() + 2
            while count() - before < 5 and time.monotonic() < end:
                time.sleep(0.02)
            equal(count() - before, 5, counter)
            equal(s.bench.links[3].recv(), None, "what came out of port 3")
        finally:
            s.c.ok(of.OFPPortMod(DP, port, hw, 0, bit, 0))
    return check


def mark_rule_of(port, n):
    return flow({"eth_type": 0x88B5}, [apply(*[output(p) for p in range(1, n + 1) if p != port], output(ofp.OFPP_IN_PORT))], priority=65535)


def table_properties(s):
    """Every table tells of every property that is required, the last one of its empty list of next tables, too"""
    for t in s.c.body(of.OFPTableFeaturesStatsRequest(DP, 0)):
        has = {p.type for p in t.properties}
        assert {0, 2, 4, 6, 8, 10, 12, 14} <= has, "table %d: properties %s" % (t.table_id, sorted(has))
        assert t.metadata_match and t.metadata_write and t.config in (0, 3) and t.max_entries


def cookie_of(rules, cookie, reason=ofp.OFPR_ACTION):
    def check(s):
        s.rules(*rules)
        m = s.packet_in(v4())
        equal((m.reason, m.cookie), (reason, cookie), "reason and cookie")
    return check


def more_of(make):
    """Three requests, of which the first two say that more follows"""
    def check(s):
        for flags in (1, 1, 0):
            msg = make(flags)
            msg.flags = flags
            xid = s.c.send(msg)
            m = s.c.expect(lambda m: xid_of(m) == xid, 2)
            equal(m[1], ofp.OFPT_MULTIPART_REPLY, "message type")
    return check


def again_resets_duration(s):
    s.rules(flow(IP4, [apply(output(2))], cookie=1000))
    time.sleep(1.1)
    s.rules(flow(IP4, [apply(output(2))], cookie=1001))
    f = one(s)
    equal((f.cookie, f.duration_sec), (1001, 0), "cookie and duration")


def add_resets_counts(s):
    s.rules(flow(IP4, [apply(output(2))]))
    s.frames(v4(), {2: [v4()]})
    s.rules(flow(IP4, [apply(output(2))], flags=ofp.OFPFF_RESET_COUNTS, cookie=5))
    f = one(s)
    equal((f.packet_count, f.byte_count, f.cookie), (0, 0, 5))


def vid_masked_without_presence(s):
    """As the public tester masks: the bit for presence is not in the mask, so an untagged frame is VID 0"""
    s.rules(flow({"vlan_vid": (0x60, 0xF0)}, [apply(output(2))]), flow({"vlan_vid": (0, 0xF)}, [apply(output(3))], priority=50))
    s.frames([tagged(100), tagged(203), tagged(16), v4()], {2: [tagged(100)], 3: [tagged(16), v4()]})


def rows():
    for kind, code, text, before, sent in ROWS:
        yield "7.4.4", "%s %s: %s" % (kind, code, text), error_row(kind, code, before, sent)
    yield "7.4.4.8", "PORT_MOD_FAILED BAD_CONFIG: bit 8", port_mod_refused(ofp.OFPPMFC_BAD_CONFIG, 256, 256)
    yield "7.4.4.8", "PORT_MOD_FAILED BAD_ADVERTISE: bits 16 to 31", port_mod_refused(ofp.OFPPMFC_BAD_ADVERTISE, advertise=0xFFFF0000)
    yield "7.4.4.14", "TABLE_FEATURES_FAILED BAD_TABLE", features_refused(0, put(2, bytes([TABLES + 1])))
    yield "7.4.4.14", "TABLE_FEATURES_FAILED EPERM: what may be told but not changed", features_refused(5, put(40, bytes(8)))
    yield "7.4.4.14", "TABLE_FEATURES_FAILED BAD_TYPE: property 16", features_refused(2, put(64, b"\0\x10"))
    yield "7.4.4.14", "TABLE_FEATURES_FAILED BAD_LEN: a property of 2 bytes", features_refused(3, put(66, b"\0\x02"))
    yield "7.4.4", "BAD_REQUEST BAD_LEN: a barrier of 7 bytes", short_message(20, (1, 6))
    yield "7.4.4", "HELLO_FAILED INCOMPATIBLE: a second hello, of version 0", second_hello
    yield "7.3.2", "before anybody sets it: fragments normal, miss_send_len 128", lambda s: equal((s.at_start.flags, s.at_start.miss_send_len), (0, 128))
    yield "7.2.1", "NO_RECV: what is not taken counts as rx_dropped", dropped(ofp.OFPPC_NO_RECV, 2, "rx_dropped")
    yield "7.3.5.5", "table features: every required property of every table", table_properties
    yield "7.4.1", "packet-in from the action set: its cookie is -1", cookie_of([flow(IP4, [write(output(ofp.OFPP_CONTROLLER))], cookie=7)], 0xFFFFFFFFFFFFFFFF)
    yield "7.4.1", "packet-in from a group: its cookie is -1", cookie_of([group(1, ofp.OFPGT_INDIRECT, bucket(output(ofp.OFPP_CONTROLLER))), flow(IP4, [apply(to_group(1))], cookie=7)], 0xFFFFFFFFFFFFFFFF)
    yield "7.3.5", "each of three requests of a multipart sequence is answered: port-desc", more_of(lambda f: of.OFPPortDescStatsRequest(DP))
    yield "6.4", "an add of the same match and priority starts its duration anew", again_resets_duration
    yield "6.4", "an add with RESET_COUNTS of the same match starts its counters anew", add_resets_counts
    yield "7.2.3.8", "vlan_vid masked without the bit for presence", vid_masked_without_presence
