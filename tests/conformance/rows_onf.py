"""More of what the ONF's conformance test specification (TS-026) asks, in the order of its groups: connections, flow-mod, ports, multipart"""
import struct, time

from client import DP, Client, apply, flow, goto, of, ofp, output, parse, xid_of
from rows_actions import bucket, fields, group, to_group
from rows_basic import TABLES, features_refused, mark_rule_of, of_port, put, table_features
from rows_errors import ETH4, OUT, act, acts, error_row, flow_mod, group_mod, instruction, match, multipart, oxm, packet_out, raw, role, set_field
from rows_matches import DATA, IP4, IP6, PRESENT, T4, eth, ip, t4, tcp, udp, v4, v6, Dot1Q
from rows_state import equal, one, ours

ANY, ALL_PORTS, MAX = ofp.OFPP_ANY, ofp.OFPP_ALL, ofp.OFPP_MAX
ZERO = bytes(6)


def port_mod(port, hw=ZERO, config=0, mask=0):
    return raw(16, struct.pack("!I4x6s2xIII4x", port, hw, config, mask, 0))


def set_config(flags):
    return raw(9, struct.pack("!HH", flags, 128))


ERRORS = [  # type, code, what; before it; what is sent
    ("BAD_REQUEST", "BAD_VERSION", "a barrier of version 2", [], raw(20, b"", version=2)),
    ("BAD_REQUEST", "BAD_EXPERIMENTER_TYPE", "the ONF's number with a type that is none", [], raw(4, struct.pack("!II", 0x4F4E4600, 0xFFFF00FF))),
    ("BAD_REQUEST", "BAD_PORT", "packet-out from port OFPP_MAX", [], packet_out(bytes(60), in_port=MAX)),
    ("BAD_MATCH", "BAD_PREREQ", "eth_type behind what needs it", [], flow_mod(match(oxm(11, b"\xc0\xa8\0\0", b"\xff\xff\xf0\0"), ETH4), acts(OUT))),
    ("BAD_MATCH", "DUP_FIELD", "ip_proto twice, not side by side", [], flow_mod(match(ETH4, oxm(10, b"\x11"), oxm(15, b"\0\x35"), oxm(10, b"\x11")), acts(OUT))),
    ("BAD_MATCH", "BAD_TYPE", "a match of type 40 with a field", [], flow_mod(struct.pack("!HH", 40, 12) + oxm(0, b"\0\0\0\1") + bytes(4), acts(OUT))),
    ("BAD_MATCH", "BAD_LEN", "a match of length 2", [], flow_mod(struct.pack("!HH", 1, 2) + oxm(0, b"\0\0\0\1") + bytes(4), acts(OUT))),
    ("BAD_MATCH", "BAD_WILDCARDS", "no bit of the value is in the mask", [], flow_mod(match(ETH4, oxm(11, b"\xc0\xa8\0\0", b"\0\0\xff\xff")), acts(OUT))),
    ("BAD_MATCH", "BAD_PREREQ", "udp_src alone", [], flow_mod(match(oxm(15, b"\0\x35")), acts(OUT))),
    ("BAD_INSTRUCTION", "BAD_TABLE_ID", "goto the table behind the last", [], flow_mod(instructions=instruction(1, bytes([TABLES, 0, 0, 0])))),
    ("BAD_ACTION", "BAD_TYPE", "action type 30 in a packet-out", [], packet_out(bytes(60), actions=act(30, bytes(12)))),
    ("BAD_ACTION", "BAD_TYPE", "action type 0xff00 in a packet-out", [], packet_out(bytes(60), actions=act(0xFF00, bytes(4)))),
    ("BAD_ACTION", "BAD_EXPERIMENTER", "an experimenter's action in a packet-out", [], packet_out(bytes(60), actions=act(0xFFFF, struct.pack("!I", 0x10111011)))),
    ("BAD_ACTION", "BAD_ARGUMENT", "push_vlan of type 0x0801", [], flow_mod(match(ETH4), acts(act(17, struct.pack("!H2x", 0x0801))))),
    ("BAD_ACTION", "BAD_OUT_PORT", "output to port OFPP_MAX", [], flow_mod(match(ETH4), acts(act(0, struct.pack("!IH6x", MAX, 0))))),
    ("BAD_ACTION", "BAD_SET_LEN", "set-field shorter than its field", [], flow_mod(match(ETH4), acts(act(25, struct.pack("!HBB", 0x8000, 12 << 1, 4), length=8)))),
    ("BAD_ACTION", "BAD_LEN", "output of length 12", [], flow_mod(match(ETH4), acts(act(0, bytes(12), length=12)))),
    ("BAD_ACTION", "BAD_LEN", "an action of length 4", [], flow_mod(match(ETH4), acts(act(0, bytes(4), length=4)))),
    ("BAD_ACTION", "BAD_LEN", "pop_vlan of 16 bytes", [], flow_mod(match(ETH4), acts(act(18, bytes(12))))),
    ("GROUP_MOD_FAILED", "BAD_COMMAND", "command 7", [], group_mod(7, 0, 0)),
    ("METER_MOD_FAILED", "UNKNOWN_METER", "a flow with a meter beyond the last", [], flow_mod(instructions=instruction(6, struct.pack("!I", 0x00FFFFFF)))),
    ("PORT_MOD_FAILED", "BAD_PORT", "port OFPP_MAX", [], port_mod(MAX)), ("PORT_MOD_FAILED", "BAD_HW_ADDR", "port 1 without an address", [], port_mod(1)),
    ("QUEUE_OP_FAILED", "BAD_PORT", "queue stats of port OFPP_MAX", [], multipart(5, struct.pack("!II", MAX, 0))),
    ("QUEUE_OP_FAILED", "BAD_PORT", "queues of port OFPP_MAX", [], raw(22, struct.pack("!I4x", MAX))),
    ("SWITCH_CONFIG_FAILED", "BAD_FLAGS", "flag 16", [], set_config(16)), ("SWITCH_CONFIG_FAILED", "BAD_FLAGS", "flag 18", [], set_config(18)),
    ("SWITCH_CONFIG_FAILED", "BAD_FLAGS", "put fragments together, which features do not offer", [], set_config(2)),
    ("SWITCH_CONFIG_FAILED", "BAD_FLAGS", "drop fragments and put them together", [], set_config(3)),
    ("ROLE_REQUEST_FAILED", "BAD_ROLE", "role 4", [], role(4)),
    ("BAD_REQUEST", "BAD_PORT", "port stats of port OFPP_MAX", [], multipart(4, struct.pack("!I4x", MAX))),
]


# --- 10, 450: hello

def element(kind, *words):
    return struct.pack("!HH", kind, 4 + 4 * len(words)) + b"".join(struct.pack("!I", w) for w in words)


def greets(version, *elements):
    """The switch says which versions it has, and speaks 1.3 after this hello"""
    def check(s):
        c = Client.to("tcp:127.0.0.1:6655", greet=False)
        try:
            m = c.read()
            equal(m[1], 0, "the first message")
            assert m[8:16] == struct.pack("!HHI", 1, 8, struct.unpack("!I", m[12:16])[0]) and m[15] & 1 << 4, "no version bitmap with 1.3: %s" % m.hex()
            body = b"".join(e + bytes(-len(e) % 8) for e in elements)
            c.raw(struct.pack("!BBHI", version, 0, 8 + len(body), 9) + body)
            xid = c.send_raw(2, b"hello")
            m = c.expect(lambda m: xid_of(m) == xid)
            equal((m[0], m[1], m[8:]), (4, 3, b"hello"), "version, type and data of the answer to an echo")
        finally:
            c.close()
    return check


# --- 40, 240, 250: features and configuration

def capabilities(s):
    got = s.c.ask(of.OFPFeaturesRequest(DP))[0].capabilities
    want = ofp.OFPC_FLOW_STATS | ofp.OFPC_TABLE_STATS | ofp.OFPC_PORT_STATS | ofp.OFPC_GROUP_STATS | ofp.OFPC_QUEUE_STATS
    equal(got & want, want, "capabilities")


def fragments_dropped(s):
    """OFPC_FRAG_DROP: the first and the later ones; it comes back from get-config, and goes again"""
    first, later = eth(ip(flags="MF", proto=17), b"\x03\xe8\x07\xd0" + DATA), eth(ip(frag=10, proto=17), DATA)
    s.c.ok(set_config(1))
    try:
        equal(s.c.ask(of.OFPGetConfigRequest(DP))[0].flags, 1, "flags")
        s.rules(flow(IP4, [apply(output(2))]))
        s.frames([v4(), first, later], {2: [v4()]})
    finally:
        s.c.ok(set_config(0))
    s.frames([v4(), first, later], {2: [v4(), first, later]})


# --- 50, 60, 90: matching

def a_miss_in_each_table(s):
    s.rules(*[flow({}, [goto(t + 1) if t + 1 < TABLES else apply(output(2))], priority=0, table_id=t) for t in range(TABLES)])
    s.frames(v4(), {2: [v4()]})


def all_in_parallel(s):
    given = dict(in_port=1, eth_dst="02:00:00:00:00:0b", eth_src="02:00:00:00:00:0a", eth_type=0x800, vlan_vid=PRESENT | 5, vlan_pcp=2, ip_dscp=10, ip_ecn=1, ip_proto=6,
                 ipv4_src="10.0.0.1", ipv4_dst="10.0.0.2", tcp_src=1000, tcp_dst=2000)
    tag = lambda m=None, v=5, p=2, tos=41, sport=1000, dport=2000, l4=tcp, **a: eth(Dot1Q(vlan=v, prio=p), ip(tos=tos, **a), l4(sport=sport, dport=dport), DATA, **(m or {}))  # noqa: E731
    others = [tag({"dst": "02:00:00:00:00:0c"}), tag({"src": "02:00:00:00:00:0c"}), tag(v=6), tag(p=3), tag(tos=45), tag(tos=40), tag(l4=udp), tag(src="10.0.0.9"), tag(dst="10.0.0.9"),
              tag(sport=1), tag(dport=1), t4()]
    s.rules(flow(given, [apply(output(2))]), flow({}, [apply(output(3))], priority=0))
    s.frames([tag()] + others, {2: [tag()], 3: others})


# --- 100, 410: reserved ports together

def every_reserved_port(s):
    s.rules(flow(IP4, [apply(output(ALL_PORTS), output(ofp.OFPP_IN_PORT), output(ofp.OFPP_CONTROLLER))]))
    s.frames(v4(), {i: [v4()] for i in (1, 2, 3, 4)})
    equal(packet_ins(s, 1), [v4()], "packet-in")


def packet_ins(s, n):
    """The first n, which may come late, and whatever else is there then"""
    found = [m for m in s.c.barrier() if m[1] == ofp.OFPT_PACKET_IN]
    while len(found) < n:
        found.append(s.c.expect(lambda m: m[1] == ofp.OFPT_PACKET_IN, 2))
    found += [m for m in s.c.barrier() if m[1] == ofp.OFPT_PACKET_IN]
    return [parse(m).data for m in found]


# --- 140, 260: flow-mod

def overlaps(s):
    check = ofp.OFPFF_CHECK_OVERLAP
    s.rules(flow(IP4, [apply(output(2))], flags=check))
    s.rules(flow(IP4, [apply(output(2))], flags=check, priority=101), flow(IP6, [apply(output(2))], flags=check), flow({"in_port": 1}, [apply(output(2))]))
    equal(len(ours(s)), 4, "flows")


def replaced_in_silence(s):
    s.rules(flow(IP4, [apply(output(2))], cookie=1, flags=ofp.OFPFF_SEND_FLOW_REM), flow(IP4, [apply(output(3))], cookie=2))
    equal((one(s).cookie, one(s).flags, [m for m in s.c.barrier() if m[1] == ofp.OFPT_FLOW_REMOVED]), (2, 0, []), "cookie, flags, flow-removed")


def kept_by_modify(s):
    """What a modify does not touch; the flags of an add are told back; its out_port is no filter"""
    keeps = dict(cookie=1000, hard_timeout=100, idle_timeout=90, flags=ofp.OFPFF_SEND_FLOW_REM | ofp.OFPFF_RESET_COUNTS)
    s.rules(flow(IP4, [apply(output(2))], **keeps))
    s.frames(v4(), {2: [v4()]})
    s.rules(flow(IP4, [apply(output(3))], command=ofp.OFPFC_MODIFY, cookie=5, hard_timeout=7, out_port=4))
    f = one(s)
    equal((f.cookie, f.hard_timeout, f.idle_timeout, f.flags, f.packet_count), (1000, 100, 90, keeps["flags"], 1))
    s.frames(v4(), {3: [v4()]})
    s.rules(flow(dict(IP4, in_port=1), [apply(output(4))], command=ofp.OFPFC_MODIFY_STRICT), flow({"eth_type": 0x8DD}, [apply(output(4))], command=ofp.OFPFC_DELETE))
    s.frames(v4(), {3: [v4()]})


def delete_more_specific(s):
    s.rules(flow(dict(T4, tcp_dst=80, tcp_src=50), [apply(output(2))], cookie=1), flow(dict(T4, tcp_dst=80), [apply(output(3))], cookie=2, priority=200), flow(dict(T4, tcp_src=80), [apply(output(4))], cookie=3, priority=300))
    s.rules(flow(dict(T4, tcp_dst=80), command=ofp.OFPFC_DELETE))
    s.frames([t4(sport=50, dport=80), t4(sport=80)], {4: [t4(sport=80)]})


def delete_by_group(s):
    s.rules(group(1, ofp.OFPGT_ALL, bucket(output(2))), flow(IP4, [apply(to_group(1))], cookie=1), flow(IP6, [apply(output(2))], cookie=2))
    equal([f.cookie for f in ours(s, out_group=1)], [1], "flows of the group:")
    s.rules(flow(command=ofp.OFPFC_DELETE, table_id=ofp.OFPTT_ALL, out_group=1, priority=0))
    equal([f.cookie for f in ours(s)], [2], "flows left:")


def expires(s):
    """A table-miss entry too: its flow-removed says which, why and when"""
    s.rules(flow({}, [apply(output(2))], priority=0, cookie=9, hard_timeout=1, idle_timeout=50, flags=ofp.OFPFF_SEND_FLOW_REM))
    s.frames(v4(), {2: [v4()]})
    m = parse(s.c.expect(lambda m: m[1] == ofp.OFPT_FLOW_REMOVED, 4))
    equal((m.reason, m.cookie, m.priority, m.table_id, m.hard_timeout, m.idle_timeout, m.duration_sec, m.packet_count, list(m.match.items())),
          (ofp.OFPRR_HARD_TIMEOUT, 9, 0, 0, 1, 50, 1, 1, []))
    s.frames(v4(), {})


def counts_what_is_dropped(s):
    """A flow counts frames whose port is down"""
    with configured(s, 3, ofp.OFPPC_PORT_DOWN):
        s.rules(flow(IP4, [apply(output(3))]), mark_rule_of(1, 2))
        for _ in range(2):
            s.bench.links[1].send(v4())
        until_equal(lambda: one(s).packet_count, 2)


# --- 100, 210, 420: port-mod and port-status

class configured:
    """A port with these bits set: the port-status that tells of it, and back again"""

    def __init__(self, s, port, bits):
        self.s, self.port, self.bits, self.hw = s, port, bits, of_port(s, port).hw_addr

    def turn(self, config):
        self.s.c.asynchronous = []
        self.s.c.ok(of.OFPPortMod(DP, self.port, self.hw, config, self.bits, 0))
        told = [m for m in self.s.c.asynchronous if m[1] == ofp.OFPT_PORT_STATUS] or [self.s.c.expect(lambda m: m[1] == ofp.OFPT_PORT_STATUS, 2)]
        m = parse(told[0])
        equal((m.reason, m.desc.port_no, m.desc.config, of_port(self.s, self.port).config), (ofp.OFPPR_MODIFY, self.port, config, config), "reason, port and configuration in port-status, and in the description")

    def __enter__(self):
        self.turn(self.bits)

    def __exit__(self, *_):
        self.turn(0)


def until_equal(get, want, what=""):
    end = time.monotonic() + 2
    while get() != want and time.monotonic() < end:
        time.sleep(0.01)
    equal(get(), want, what)


def port_bits(bits, receives, sends, tells):
    """With these bits: is a frame from port 3 taken, is one sent to it (by packet-out, and in ALL), how many from it reach the controller, of one by an action and one by a miss?"""
    def check(s):
        with configured(s, 3, bits):
            s.rules(flow(dict(IP4, in_port=3), [apply(output(2))]), flow(dict(IP6, in_port=3), [apply(output(ofp.OFPP_CONTROLLER))]), flow({}, [apply(output(ofp.OFPP_CONTROLLER))], priority=0),
                    flow(dict(IP4, in_port=1), [apply(output(ALL_PORTS))]), flow({"eth_type": 0x88B5}, [apply(output(2), output(4), output(ofp.OFPP_IN_PORT))], priority=65535))
            s.c.ok(of.OFPPacketOut(DP, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, [output(3)], v6()))
            before = s.c.body(of.OFPPortStatsRequest(DP, 0, 3))[0]
            for f in (v4(), v6(), eth(bytes(46), type=0x9999)):
                s.bench.links[3].send(f)
            s.bench.links[1].send(v4())
            until_equal(lambda: s.c.body(of.OFPPortStatsRequest(DP, 0, 3))[0].rx_packets - before.rx_packets, 3, "frames that came in by port 3:")
            time.sleep(0.05)
            out = {p: [] for p in (2, 3, 4)}
            for p, got in out.items():
                for f in iter(s.bench.links[p].recv, None):
                    got.append(f)
            equal(out, {2: [v4()] * (1 + receives), 3: [v6(), v4()] * sends, 4: [v4()]}, "out of each port:")
            equal(len(packet_ins(s, tells)), tells, "packet-ins:")
    return check


def no_fwd_counts(s):
    """What NO_FWD keeps back is counted where it would have gone"""
    count = lambda: s.c.body(of.OFPPortStatsRequest(DP, 0, 3))[0].tx_dropped  # noqa: E731
    with configured(s, 3, ofp.OFPPC_NO_FWD):
        s.rules(flow(IP4, [apply(output(3))]), flow(IP6, [apply(output(2), output(3))]), mark_rule_of(1, 2))
        before = count()
        for f in [v4()] * 5 + [v6()] * 2:
            s.bench.links[1].send(f)
        until_equal(lambda: count() - before, 7, "tx_dropped")


# --- 300 to 340: multipart

def aggregate(s, table=ofp.OFPTT_ALL, out_port=ANY, cookie=0, mask=0, **fields):
    return s.c.body(of.OFPAggregateStatsRequest(DP, 0, table, out_port, ofp.OFPG_ANY, cookie, mask, of.OFPMatch(**fields)))[0]


def flow_filters(s):
    """Flow and aggregate stats by table, port, cookie and match; in the order in which flows came"""
    s.rules(*[flow({"in_port": i}, [apply(output(4 if i > 1 else 3))], cookie=i) for i in (1, 2, 3)], *[flow({"in_port": 1}, [apply(output(2))], cookie=9, table_id=t) for t in range(1, TABLES)])
    cookies = lambda **k: [f.cookie for f in ours(s, **k)]  # noqa: E731
    equal(cookies(table_id=0), [1, 2, 3], "table 0:")
    equal((cookies(table_id=0, out_port=4), cookies(table_id=0, cookie=2, cookie_mask=0xFFFFFFFFFFFFFFFE), cookies(cookie=1, cookie_mask=0xFFFFFFFFFFFFFFFF)), ([2, 3], [2, 3], [1]), "by port, by cookie:")
    equal(sorted({f.table_id for f in ours(s)}), list(range(TABLES)), "tables")
    equal([len(cookies(table_id=t)) for t in (5, TABLES - 1)], [1, 1], "flows in one table")
    equal([aggregate(s, *a, **k).flow_count for a, k in (((0,), {"in_port": 1}), ((TABLES - 1,), {}), ((), {"in_port": 1}), ((0, 3), {}), ((0,), {"cookie": 2, "mask": 0xFFFFFFFFFFFFFFFE}))], [1, 1, TABLES, 2, 2], "aggregates, those by port 3 with the marks' rule:")


def tables_in_order(s):
    n = s.c.ask(of.OFPFeaturesRequest(DP))[0].n_tables
    for kind in (of.OFPTableStatsRequest, of.OFPTableFeaturesStatsRequest):
        equal([t.table_id for t in s.c.body(kind(DP, 0))], list(range(n)), kind.__name__)


def what_tables_say(s):
    """Instructions, tables to go to, and metadata"""
    for t in s.c.body(of.OFPTableFeaturesStatsRequest(DP, 0)):
        p = {p.type: p for p in t.properties}
        last = t.table_id == TABLES - 1
        equal([i.type for i in p[0].instruction_ids], [i for i in (1, 2, 3, 4, 5, 6) if not (last and i == 1)], "instructions of table %d" % t.table_id)
        equal(p[2].table_ids, list(range(t.table_id + 1, TABLES)), "next tables of table %d" % t.table_id)
        equal((t.metadata_match, t.metadata_write), (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF))
        assert t.name.rstrip(b"\0"), "no name"


FIELD_NEEDS = {1: [0], 7: [6], 8: [54], 9: [54], 10: [54], 11: [54], 12: [54], 13: [54, 106], 14: [54, 106], 15: [54, 1017], 16: [54, 1017], 17: [54, 10132], 18: [54, 10132], 19: [54, 101], 20: [54, 101], 21: [506], 22: [506], 23: [506],
               24: [506], 25: [506], 26: [56], 27: [56], 28: [56], 29: [56, 1058], 30: [56, 1058], 31: [56, 1058, 29], 32: [56, 1058, 29], 33: [56, 1058, 30], 34: [58], 35: [58], 36: [58]}
NEEDED = {0: oxm(0, b"\0\0\0\1"), 6: oxm(6, b"\x10\5"), 54: ETH4, 56: oxm(5, b"\x86\xdd"), 58: oxm(5, b"\x88\x47"), 506: oxm(5, b"\x08\x06"), 101: oxm(10, b"\1"), 106: oxm(10, b"\6"), 1017: oxm(10, b"\x11"), 1058: oxm(10, b"\x3a"),
          10132: oxm(10, b"\x84"), 29: oxm(29, b"\x87"), 30: oxm(29, b"\x88")}


def reported_fields(s):
    """What a table says that it matches or sets, it does, with what the field needs before it; nothing else"""
    b = table_features(s)
    found, at = {}, 64
    while at < len(b):
        kind, size = struct.unpack("!HH", b[at:at + 4])
        found[kind] = [struct.unpack("!HBB", b[i:i + 4]) for i in range(at + 4, at + size, 4)] if kind in (8, 10, 12, 14) else None
        at += size + -size % 8
    value = {0: b"\0\0\0\1", 1: b"\0\0\0\1", 6: b"\x10\7"}
    for kind in (8, 10, 12, 14):
        for klass, field, size in found[kind]:
            field, n = field >> 1, size >> (field & 1)
            needs = [NEEDED[i] for i in FIELD_NEEDS.get(field, [])]
            if field == 6 and kind > 10:
                needs = [NEEDED[6]]
            v = value.get(field, bytes(n))
            sent = flow_mod(match(*needs, oxm(field, v)), acts(OUT)) if kind < 12 else flow_mod(match(*needs), acts(set_field(oxm(field, v)), OUT, kind=3 if kind == 12 else 4))
            equal((klass, s.c.errors(sent)), (0x8000, []), "property %d, field %d:" % (kind, field))
    equal(found[12], found[14], "set-field in write-actions and in apply-actions:")
    missing = {f for f in range(40)} - {f >> 1 for _, f, _ in found[8]}
    equal(missing, {37, 39}, "fields that no table has (PBB and IPv6 extension headers):")
    for f in missing:
        equal(s.c.errors(flow_mod(match(*[NEEDED[56]] * (f == 39), oxm(f, bytes(3 if f == 37 else 2))))), [(4, 6)], "match on field %d:" % f)


def reported_actions(s):
    """Each action that a table tells of can be applied, and written, by any entry, the table-miss too; PBB is refused"""
    table = s.c.body(of.OFPTableFeaturesStatsRequest(DP, 0))[0]
    made = {0: OUT, 11: act(11, bytes(4)), 12: act(12, bytes(4)), 15: act(15, b"\x40\0\0\0"), 16: act(16, bytes(4)), 17: act(17, b"\x81\0\0\0"), 18: act(18, bytes(4)), 19: act(19, b"\x88\x47\0\0"), 20: act(20, b"\x08\0\0\0"),
            21: act(21, bytes(4)), 22: act(22, b"\0\0\0\1"), 23: act(23, b"\x40\0\0\0"), 24: act(24, bytes(4)), 25: set_field(oxm(3, bytes(6)))}
    s.rules(group(1, ofp.OFPGT_ALL, bucket(output(2))))
    for p in table.properties:
        if p.type in (4, 6):
            equal(sorted(a.type for a in p.action_ids), sorted(made), "actions of property %d:" % p.type)
            for kind, bytes_ in made.items():
                guard = match(*{11: [NEEDED[58]], 12: [NEEDED[58]], 15: [NEEDED[58]], 16: [NEEDED[58]], 18: [NEEDED[6]], 20: [NEEDED[58]], 23: [ETH4], 24: [ETH4]}.get(kind, []))
                equal(s.c.errors(flow_mod(guard, acts(bytes_, kind=3 if p.type == 4 else 4))), [], "action %d in property %d:" % (kind, p.type))
    for pbb in (act(26, b"\x88\xe7\0\0"), act(27, bytes(4))):
        equal(s.c.errors(flow_mod(instructions=acts(pbb))), [(2, 0)], "PBB:")


def without_match_property(b):
    """Leave out the property of type 8, and say so in the length"""
    at = 64
    while struct.unpack("!H", b[at:at + 2])[0] != 8:
        at += struct.unpack("!H", b[at + 2:at + 4])[0] + 7 & ~7
    size = struct.unpack("!H", b[at + 2:at + 4])[0] + 7 & ~7
    del b[at:at + size]
    b[0:2] = struct.pack("!H", len(b))


def in_one_message(s):
    """The features of all tables, as told, fit into one request; asking for other ones is not permitted, and the error carries it"""
    xid = s.c.send_raw(18, struct.pack("!HH4x", 12, 0))
    body = b""
    while True:
        m = s.c.expect(lambda m: xid_of(m) == xid)
        body += m[16:]
        if not struct.unpack("!H", m[10:12])[0] & 1:
            break
    body = bytearray(struct.pack("!HH4x", 12, 0) + body)
    body[8 + 8:8 + 8 + 32] = b"x".ljust(32, b"\0")
    xid = s.c.send_raw(18, bytes(body))
    m = s.c.expect(lambda m: xid_of(m) == xid)
    equal((m[1], struct.unpack("!HH", m[8:12]), m[12:76]), (1, (ofp.OFPET_TABLE_FEATURES_FAILED, 5), struct.pack("!BBHI", 4, 18, 8 + len(body), xid) + bytes(body[:56])))


def port_stats(s):
    """Frames and bytes to the last one; what is not counted is -1; the clock runs; OFPP_ALL is taken for ANY"""
    get = lambda n: s.c.body(of.OFPPortStatsRequest(DP, 0, n))[0]  # noqa: E731
    s.rules(flow(IP4, [apply(output(2))]))
    was = get(1), get(2)
    s.frames([v4()] * 5, {2: [v4()] * 5})
    now = get(1), get(2)
    wire = 5 * len(v4()) + 60  # and the mark
    equal((now[0].rx_packets - was[0].rx_packets, now[0].rx_bytes - was[0].rx_bytes, now[1].tx_packets - was[1].tx_packets, now[1].tx_bytes - was[1].tx_bytes), (6, wire, 6, wire))
    assert (now[0].duration_sec, now[0].duration_nsec) > (was[0].duration_sec, was[0].duration_nsec), "the duration stands still"
    none = 0xFFFFFFFFFFFFFFFF
    for name in ("rx_errors", "tx_errors", "rx_frame_err", "rx_over_err", "rx_crc_err", "collisions"):
        assert getattr(now[0], name) in (0, none), "%s: %d" % (name, getattr(now[0], name))
    numbers = [sorted(p.port_no for p in s.c.body(of.OFPPortStatsRequest(DP, 0, n))) for n in (ANY, ALL_PORTS)]
    assert numbers[0] == numbers[1] and {1, 2, 3, 4} <= set(numbers[0]), numbers


def port_descriptions(s):
    ports = s.c.body(of.OFPPortDescStatsRequest(DP))
    for what in ("port_no", "hw_addr", "name"):
        values = [getattr(p, what) for p in ports]
        equal(len(set(values)), len(values), "different %s of %s:" % (what, values))
    assert all(0 < len(p.name.rstrip(b"\0")) < 16 and not p.state & 1 for p in ports if p.port_no < MAX)


# --- 380: queues

def queues(s):
    """The same ones in stats and configuration, of one port and of any; what is sent by one counts there"""
    stats = lambda port=ANY, queue=ofp.OFPQ_ALL: s.c.body(of.OFPQueueStatsRequest(DP, 0, port, queue))  # noqa: E731
    config = lambda port: s.c.ask(of.OFPQueueGetConfigRequest(DP, port))[0]  # noqa: E731
    of_1 = [q.queue_id for q in stats(1)]
    equal((config(1).port, sorted(q.queue_id for q in config(1).queues), config(ANY).port), (1, sorted(of_1), ANY), "port, queues, port")
    equal(sorted((q.port, q.queue_id) for q in config(ANY).queues), sorted((q.port_no, q.queue_id) for q in stats()), "queues of any port:")
    assert {1, 2, 3, 4} <= {q.port_no for q in stats()} and 0 in of_1, "%s" % of_1
    for n in of_1:
        s.rules(flow(IP4, [apply(of.OFPActionSetQueue(n), output(2))]))
        before = stats(2, n)
        equal([(q.port_no, q.queue_id) for q in before], [(2, n)], "stats of queue %d:" % n)
        s.frames(v4(), {2: [v4()]})
        until_equal(lambda: stats(2, n)[0].tx_packets - before[0].tx_packets >= 1, True, "queue %d has counted it:" % n)
        assert stats(2, n)[0].tx_bytes - before[0].tx_bytes >= len(v4())


# --- 390: packet-out

def from_the_controller(s):
    """in_port CONTROLLER is matched like a port; a frame that came up may go down again by TABLE"""
    s.rules(flow({"in_port": ofp.OFPP_CONTROLLER}, [apply(output(3))]), flow(dict(IP6, in_port=1), [apply(output(ofp.OFPP_CONTROLLER))], priority=200), flow(IP6, [apply(output(2))], priority=150))
    to_table = lambda f: of.OFPPacketOut(DP, ofp.OFP_NO_BUFFER, ofp.OFPP_CONTROLLER, [output(ofp.OFPP_TABLE)], f)  # noqa: E731
    s.c.ok(to_table(v4()))
    m = s.packet_in(v6())
    s.c.ok(to_table(m.data))
    s.frames([], {2: [v6()], 3: [v4()]})


def out_by_field_and_group(s):
    s.rules(group(0, ofp.OFPGT_ALL, bucket(output(3))))
    s.c.ok(of.OFPPacketOut(DP, ofp.OFP_NO_BUFFER, 1, fields(ipv4_src="192.168.1.5") + [output(2), to_group(0)], v4()))
    s.frames([], {2: [v4(src="192.168.1.5")], 3: [v4(src="192.168.1.5")]})


def one_async_mask(s):
    n = struct.pack("!IIIIII", 7, 7, 7, 7, 15, 1)
    s.c.send_raw(28, n)
    xid = s.c.send_raw(26, b"")
    equal(s.c.expect(lambda m: xid_of(m) == xid)[8:], n, "async config")


def rows():
    for kind, code, text, before, sent in ERRORS:
        yield "7.4.4", "%s %s: %s" % (kind, code, text), error_row(kind, code, before, sent)
    for text, version, elements in (("1.0 in its header, 1.0 and 1.3 in its bitmap", 1, [element(1, 0x12)]), ("with an element that nobody knows", 4, [element(5, 7), element(1, 0x10)]),
                                    ("with two bitmaps", 4, [element(1, 0x10), element(1, 0x02)])):
        yield "6.3.1", "a hello of %s; the switch's own has a bitmap" % text, greets(version, *elements)
    yield "7.3.1", "capabilities: flows, tables, ports, groups, queues", capabilities
    yield "7.3.2", "OFPC_FRAG_DROP: fragments are dropped", fragments_dropped
    yield "5.4", "a table-miss entry in each table", a_miss_in_each_table
    yield "5.4", "a table-miss entry that clears the actions drops", lambda s: (s.rules(flow({}, [of.OFPInstructionActions(ofp.OFPIT_CLEAR_ACTIONS, [])], priority=0)), s.frames(v4(), {}))
    yield "5.5", "a table-miss entry expires, and what flow-removed says of it", expires
    yield "5.3", "thirteen fields in one match; a frame that differs in one does not match", all_in_parallel
    yield "4.5", "outputs to ALL, IN_PORT and CONTROLLER in one flow", every_reserved_port
    yield "6.4", "CHECK_OVERLAP lets pass another priority and another frame; without it nothing is checked", overlaps
    yield "6.4", "an add that replaces sends no flow-removed, and its flags are the new ones", replaced_in_silence
    yield "6.4", "modify keeps cookie, timeouts, flags and counters, and has no filter by port", kept_by_modify
    yield "6.4", "delete takes what is more specific, and leaves what is different", delete_more_specific
    yield "6.4", "delete by output group, and flow stats by it", delete_by_group
    yield "5.8", "a flow counts what it sends to a port that is down", counts_what_is_dropped
    yield "7.2.1", "port-mod PORT_DOWN: nothing in, nothing out; port-status tells of it", port_bits(ofp.OFPPC_PORT_DOWN, 0, 0, 0)
    yield "7.2.1", "port-mod NO_RECV: nothing in", port_bits(ofp.OFPPC_NO_RECV, 0, 1, 0)
    yield "7.2.1", "port-mod NO_FWD: nothing out, nor by ALL", port_bits(ofp.OFPPC_NO_FWD, 1, 0, 2)
    yield "7.2.1", "port-mod NO_PACKET_IN: none by a miss, but by an action", port_bits(ofp.OFPPC_NO_PACKET_IN, 1, 1, 1)
    yield "7.2.1", "NO_FWD: what is kept back counts as tx_dropped of its port", no_fwd_counts
    yield "7.3.5.2", "flow and aggregate stats by table, port, cookie and match", flow_filters
    yield "7.3.5.4", "tables are told in their order, as many as in the features", tables_in_order
    yield "7.3.5.5", "table features: instructions, next tables, metadata, names", what_tables_say
    yield "7.3.5.5", "table features: every field that is told can be matched and set", reported_fields
    yield "7.3.5.5", "table features: every action that is told can be used", reported_actions
    yield "7.3.5.5", "table features: all of them fit into one request, which is refused with its first bytes", in_one_message
    yield "7.4.4.14", "TABLE_FEATURES_FAILED EPERM: max_entries", features_refused(5, put(60, b"\0\0\0\5"))
    yield "7.4.4.14", "TABLE_FEATURES_FAILED EPERM: without the matches", features_refused(5, without_match_property)
    yield "7.3.5.6", "port stats: packets and bytes, the others 0 or -1, of any port", port_stats
    yield "7.3.5.7", "port descriptions: numbers, addresses and names are unique", port_descriptions
    yield "7.3.5.8", "queues: stats and configuration of one and of any port, counted by set_queue", queues
    yield "7.3.7", "packet-out to TABLE: in_port CONTROLLER is matched", from_the_controller
    yield "7.3.7", "packet-out with set-field, output and a group of number 0", out_by_field_and_group
    yield "7.3.10", "set-async of one mask alone", one_async_mask
