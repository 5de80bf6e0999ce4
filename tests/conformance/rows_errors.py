"""Requirements on errors: section 7.4.4. Each row: what is sent, the error's type and code, and that it carries the request's xid and bytes"""
import struct

from client import DP, apply, flow, goto, of, ofp, output, write, xid_of
from rows_actions import bucket, group
from rows_matches import IP4, PRESENT, v4

E = ofp
FLOW_HEAD = struct.Struct("!QQBBHHHIIIH2x")


def flow_mod(match=b"\0\1\0\4\0\0\0\0", instructions=b"", table=0, command=0, priority=100, flags=0, out_port=E.OFPP_ANY):
    """A flow-mod of raw bytes"""
    body = FLOW_HEAD.pack(0, 0, table, command, 0, 0, priority, E.OFP_NO_BUFFER, out_port, E.OFPG_ANY, flags) + match + instructions
    return raw(14, body)


def raw(kind, body, **more):
    def send(c):
        return c.send_raw(kind, body, **more)
    send.body = body
    return send


def match(*oxms):
    fields = b"".join(oxms)
    size = 4 + len(fields)
    return struct.pack("!HH", 1, size) + fields + bytes(-size % 8)


def oxm(field, value, mask=b"", klass=0x8000, length=None):
    body = value + mask
    return struct.pack("!HBB", klass, field << 1 | bool(mask), len(body) if length is None else length) + body


ETH4, ETH6 = oxm(5, b"\x08\x00"), oxm(5, b"\x86\xdd")


def instruction(kind, body=b"", length=None):
    return struct.pack("!HH", kind, 4 + len(body) if length is None else length) + body


def act(kind, body=b"", length=None):
    return struct.pack("!HH", kind, 4 + len(body) if length is None else length) + body


def acts(*a, kind=4):
    return instruction(kind, bytes(4) + b"".join(a))


OUT = act(0, struct.pack("!IH6x", 2, 0))


def with_actions(*a, match_=None):
    return flow_mod(match_ or match(), acts(*a))


def set_field(*o):
    body = b"".join(o)
    pad = -(4 + len(body)) % 8
    return act(25, body + bytes(pad))


def multipart(kind, body=b"", flags=0):
    return raw(18, struct.pack("!HH4x", kind, flags) + body)


def meter_mod(command, number, flags=1, bands=b""):
    return raw(29, struct.pack("!HHI", command, flags, number) + bands)


def drop_band(rate=100, kind=1, length=16):
    return struct.pack("!HHII4x", kind, length, rate, 0)


def group_mod(command, kind, number, buckets=b""):
    return raw(15, struct.pack("!HBxI", command, kind, number) + buckets)


def raw_bucket(actions=OUT, weight=0, watch=E.OFPP_ANY, watch_group=E.OFPG_ANY, length=None):
    return struct.pack("!HHII4x", 16 + len(actions) if length is None else length, weight, watch, watch_group) + actions


def packet_out(data=b"", in_port=E.OFPP_CONTROLLER, buffer=E.OFP_NO_BUFFER, actions=OUT, actions_len=None):
    return raw(13, struct.pack("!IIH6x", buffer, in_port, len(actions) if actions_len is None else actions_len) + actions + data)


def role(r, generation=0):
    return raw(24, struct.pack("!I4xQ", r, generation))


HAS = [flow(IP4, [apply(output(2))])]
GROUP = [group(1, E.OFPGT_INDIRECT, bucket(output(2)))]
FIRST = [flow(IP4, [apply(output(2))], flags=E.OFPFF_CHECK_OVERLAP)]
ROWS = [  # type, code, what; before it; what is sent
    ("BAD_REQUEST", "BAD_VERSION", "a message of version 6 after the hello", [], raw(20, b"", version=6)),
    ("BAD_REQUEST", "BAD_TYPE", "message type 77", [], raw(77, b"")),
    ("BAD_REQUEST", "BAD_MULTIPART", "multipart type 99", [], multipart(99)),
    ("BAD_REQUEST", "BAD_EXPERIMENTER", "an experimenter that nobody knows", [], raw(4, struct.pack("!II", 0x00ABCDEF, 1))),
    ("BAD_REQUEST", "BAD_EXPERIMENTER", "a multipart experimenter that nobody knows", [], multipart(0xFFFF, struct.pack("!II", 0x00ABCDEF, 1))),
    ("BAD_REQUEST", "BAD_LEN", "a barrier request with a body", [], raw(20, bytes(8))), ("BAD_REQUEST", "BAD_LEN", "a flow-mod cut short", [], raw(14, bytes(20))),
    ("BAD_REQUEST", "BAD_LEN", "a features request with a body", [], raw(5, bytes(4))), ("BAD_REQUEST", "BAD_LEN", "a port stats request without a body", [], multipart(4)),
    ("BAD_REQUEST", "BUFFER_UNKNOWN", "packet-out of a buffer that is not there", [], packet_out(buffer=5)),
    ("BAD_REQUEST", "BAD_PORT", "packet-out from a port that is none", [], packet_out(bytes(60), in_port=E.OFPP_ANY)),
    ("BAD_REQUEST", "BAD_LEN", "packet-out whose actions are longer than it", [], packet_out(b"", actions_len=800)),
    ("BAD_ACTION", "BAD_TYPE", "action type 99", [], with_actions(act(99, bytes(4)))), ("BAD_ACTION", "BAD_LEN", "output of 24 bytes", [], with_actions(act(0, bytes(20)))),
    ("BAD_ACTION", "BAD_LEN", "an action of length 0", [], with_actions(act(0, bytes(12), length=0))), ("BAD_ACTION", "BAD_LEN", "an action beyond its list", [], with_actions(act(0, bytes(12), length=40))),
    ("BAD_ACTION", "BAD_EXPERIMENTER", "an experimenter's action", [], with_actions(act(0xFFFF, struct.pack("!I", 0xABCDEF)))),
    ("BAD_ACTION", "BAD_OUT_PORT", "output to port 0", [], with_actions(act(0, struct.pack("!IH6x", 0, 0)))), ("BAD_ACTION", "BAD_OUT_PORT", "output to ANY", [], with_actions(act(0, struct.pack("!IH6x", E.OFPP_ANY, 0)))),
    ("BAD_ACTION", "BAD_OUT_GROUP", "a group that is not there", [], with_actions(act(22, struct.pack("!I", 77)))), ("BAD_ACTION", "BAD_ARGUMENT", "push_vlan of type 0x1234", [], with_actions(act(17, struct.pack("!H2x", 0x1234)))),
    ("BAD_ACTION", "BAD_ARGUMENT", "push_mpls of type 0x0800", [], with_actions(act(19, struct.pack("!H2x", 0x0800)), match_=match(ETH4))),
    ("BAD_ACTION", "BAD_SET_TYPE", "set-field of in_port", [], with_actions(set_field(oxm(0, struct.pack("!I", 1))))), ("BAD_ACTION", "BAD_SET_TYPE", "set-field of field 99", [], with_actions(set_field(oxm(99, bytes(4))))),
    ("BAD_ACTION", "BAD_SET_LEN", "set-field of 3 bytes of eth_dst", [], with_actions(set_field(oxm(3, bytes(3))))), ("BAD_ACTION", "BAD_SET_ARGUMENT", "set-field of DSCP 64", [], with_actions(set_field(oxm(8, b"\x40")), match_=match(ETH4))),
    ("BAD_ACTION", "BAD_SET_ARGUMENT", "set-field of VLAN 0x3000", [], with_actions(set_field(oxm(6, b"\x30\x00")), match_=match(oxm(6, b"\x10\x05")))),
    ("BAD_ACTION", "MATCH_INCONSISTENT", "set-field of tcp_dst on a flow of UDP", [], with_actions(set_field(oxm(14, b"\0\1")), match_=match(ETH4, oxm(10, b"\x11")))),
    ("BAD_ACTION", "MATCH_INCONSISTENT", "set-field of ipv4_dst on a flow of IPv6", [], with_actions(set_field(oxm(12, bytes(4))), match_=match(ETH6))),
    ("BAD_INSTRUCTION", "UNKNOWN_INST", "instruction type 99", [], flow_mod(instructions=instruction(99, bytes(4)))), ("BAD_INSTRUCTION", "BAD_EXPERIMENTER", "an experimenter's instruction", [], flow_mod(instructions=instruction(0xFFFF, struct.pack("!I", 0xABCDEF)))),
    ("BAD_INSTRUCTION", "BAD_TABLE_ID", "goto backwards", [], flow_mod(instructions=instruction(1, b"\x03\0\0\0"), table=5)), ("BAD_INSTRUCTION", "BAD_TABLE_ID", "goto to the same table", [], flow_mod(instructions=instruction(1, b"\x05\0\0\0"), table=5)),
    ("BAD_INSTRUCTION", "BAD_TABLE_ID", "goto to table 255", [], flow_mod(instructions=instruction(1, b"\xff\0\0\0"))), ("BAD_INSTRUCTION", "BAD_LEN", "goto of 16 bytes", [], flow_mod(instructions=instruction(1, bytes(12)))),
    ("BAD_INSTRUCTION", "BAD_LEN", "write-metadata of 8 bytes", [], flow_mod(instructions=instruction(2, bytes(4)))), ("BAD_INSTRUCTION", "BAD_LEN", "an instruction beyond the message", [], flow_mod(instructions=instruction(4, bytes(4), length=80))),
    ("BAD_MATCH", "BAD_TYPE", "a match of type 9", [], flow_mod(struct.pack("!HH4x", 9, 4))), ("BAD_MATCH", "BAD_LEN", "a match longer than the message", [], flow_mod(struct.pack("!HH4x", 1, 200))),
    ("BAD_MATCH", "BAD_LEN", "a field of a wrong length", [], flow_mod(match(oxm(5, b"\x08\x00\x00")))), ("BAD_MATCH", "BAD_FIELD", "field 99", [], flow_mod(match(oxm(99, bytes(4))))),
    ("BAD_MATCH", "BAD_FIELD", "a class that nobody knows", [], flow_mod(match(oxm(3, bytes(6), klass=0x7777)))), ("BAD_MATCH", "BAD_VALUE", "VLAN 0x2005", [], flow_mod(match(oxm(6, b"\x20\x05")))),
    ("BAD_MATCH", "BAD_VALUE", "DSCP 64", [], flow_mod(match(ETH4, oxm(8, b"\x40")))), ("BAD_MATCH", "BAD_MASK", "a mask on eth_type", [], flow_mod(match(oxm(5, b"\x08\x00", b"\xff\x00")))),
    ("BAD_MATCH", "BAD_WILDCARDS", "a value outside of its mask", [], flow_mod(match(ETH4, oxm(12, b"\x0a\0\0\1", b"\xff\0\0\0")))), ("BAD_MATCH", "DUP_FIELD", "eth_type twice", [], flow_mod(match(ETH4, ETH4))),
    ("BAD_MATCH", "BAD_PREREQ", "tcp_dst without ip_proto", [], flow_mod(match(ETH4, oxm(14, b"\0\x50")))), ("BAD_MATCH", "BAD_PREREQ", "ipv4_src without eth_type", [], flow_mod(match(oxm(11, bytes(4))))),
    ("BAD_MATCH", "BAD_PREREQ", "ipv6_src on IPv4", [], flow_mod(match(ETH4, oxm(26, bytes(16))))), ("BAD_MATCH", "BAD_PREREQ", "vlan_pcp without a VLAN", [], flow_mod(match(oxm(7, b"\1")))),
    ("BAD_MATCH", "BAD_PREREQ", "ipv6_nd_sll of an advertisement", [], flow_mod(match(ETH6, oxm(10, b"\x3a"), oxm(29, b"\x88"), oxm(32, bytes(6))))), ("BAD_MATCH", "BAD_PREREQ", "arp_op on IPv4", [], flow_mod(match(ETH4, oxm(21, b"\0\1")))),
    ("BAD_MATCH", "BAD_PREREQ", "mpls_label on IPv4", [], flow_mod(match(ETH4, oxm(34, bytes(4))))), ("BAD_MATCH", "BAD_PREREQ", "in_phy_port without in_port", [], flow_mod(match(oxm(1, struct.pack("!I", 1))))),
    ("FLOW_MOD_FAILED", "BAD_TABLE_ID", "add to table 255", [], flow_mod(table=255)), ("FLOW_MOD_FAILED", "OVERLAP", "CHECK_OVERLAP with one that overlaps", FIRST, flow_mod(flags=2)),
    ("FLOW_MOD_FAILED", "BAD_COMMAND", "command 9", [], flow_mod(command=9)), ("FLOW_MOD_FAILED", "BAD_FLAGS", "flags 0x8000", [], flow_mod(flags=0x8000)),
    ("GROUP_MOD_FAILED", "GROUP_EXISTS", "add it twice", GROUP, group_mod(0, 0, 1)), ("GROUP_MOD_FAILED", "UNKNOWN_GROUP", "modify one that is not there", [], group_mod(1, 0, 9)),
    ("GROUP_MOD_FAILED", "INVALID_GROUP", "number above the maximum", [], group_mod(0, 0, 0xFFFFFF01)), ("GROUP_MOD_FAILED", "BAD_TYPE", "type 9", [], group_mod(0, 9, 1)), ("GROUP_MOD_FAILED", "BAD_COMMAND", "command 9", [], group_mod(9, 0, 1)),
    ("GROUP_MOD_FAILED", "INVALID_GROUP", "indirect with two buckets", [], group_mod(0, 2, 1, raw_bucket() * 2)), ("GROUP_MOD_FAILED", "LOOP", "a group that points to itself", GROUP, group_mod(1, 2, 1, raw_bucket(act(22, struct.pack("!I", 1))))),
    ("GROUP_MOD_FAILED", "BAD_WATCH", "fail-over that watches port 999", [], group_mod(0, 3, 1, raw_bucket(watch=999))),
    ("METER_MOD_FAILED", "METER_EXISTS", "add it twice", [of.OFPMeterMod(DP, 0, 1, 1, [of.OFPMeterBandDrop(rate=100)])], meter_mod(0, 1, bands=drop_band())), ("METER_MOD_FAILED", "UNKNOWN_METER", "modify one that is not there", [], meter_mod(1, 9, bands=drop_band())),
    ("METER_MOD_FAILED", "INVALID_METER", "number 0", [], meter_mod(0, 0, bands=drop_band())), ("METER_MOD_FAILED", "BAD_COMMAND", "command 9", [], meter_mod(9, 1, bands=drop_band())), ("METER_MOD_FAILED", "BAD_FLAGS", "kbps and pktps", [], meter_mod(0, 1, 3, drop_band())),
    ("METER_MOD_FAILED", "BAD_BAND", "band type 9", [], meter_mod(0, 1, 1, drop_band(kind=9))), ("METER_MOD_FAILED", "UNKNOWN_METER", "a flow with a meter that is not there", [], flow_mod(instructions=instruction(6, struct.pack("!I", 77)))),
    ("PORT_MOD_FAILED", "BAD_PORT", "port 999", [], raw(16, struct.pack("!I4x6s2xIII4x", 999, bytes(6), 0, 0, 0))), ("PORT_MOD_FAILED", "BAD_HW_ADDR", "port 1 with another address", [], raw(16, struct.pack("!I4x6s2xIII4x", 1, b"\2\2\2\2\2\2", 0, 0, 0))),
    ("TABLE_MOD_FAILED", "BAD_TABLE", "table 200", [], raw(17, struct.pack("!B3xI", 200, 0))), ("QUEUE_OP_FAILED", "BAD_PORT", "queues of port 999", [], raw(22, struct.pack("!I4x", 999))),
    ("QUEUE_OP_FAILED", "BAD_PORT", "queue stats of port 999", [], multipart(5, struct.pack("!II", 999, 0xFFFFFFFF))), ("QUEUE_OP_FAILED", "BAD_QUEUE", "stats of queue 999", [], multipart(5, struct.pack("!II", 1, 999))),
    ("SWITCH_CONFIG_FAILED", "BAD_FLAGS", "set-config with flags 0x40", [], raw(9, struct.pack("!HH", 0x40, 128))), ("ROLE_REQUEST_FAILED", "BAD_ROLE", "role 9", [], role(9)),
    ("BAD_REQUEST", "BAD_PORT", "port stats of port 999", [], multipart(4, struct.pack("!I4x", 999))), ("BAD_REQUEST", "BAD_TABLE_ID", "flow stats of table 200", [], multipart(1, struct.pack("!B3xII4xQQ", 200, E.OFPP_ANY, E.OFPG_ANY, 0, 0) + b"\0\1\0\4\0\0\0\0")),
]
TYPES = {k: getattr(E, "OFPET_" + k) for k in ("HELLO_FAILED BAD_REQUEST BAD_ACTION BAD_INSTRUCTION BAD_MATCH FLOW_MOD_FAILED GROUP_MOD_FAILED PORT_MOD_FAILED TABLE_MOD_FAILED "
                                               "QUEUE_OP_FAILED SWITCH_CONFIG_FAILED ROLE_REQUEST_FAILED METER_MOD_FAILED TABLE_FEATURES_FAILED").split()}
PREFIX = {"BAD_REQUEST": "OFPBRC_", "BAD_ACTION": "OFPBAC_", "BAD_INSTRUCTION": "OFPBIC_", "BAD_MATCH": "OFPBMC_", "FLOW_MOD_FAILED": "OFPFMFC_", "GROUP_MOD_FAILED": "OFPGMFC_",
          "PORT_MOD_FAILED": "OFPPMFC_", "TABLE_MOD_FAILED": "OFPTMFC_", "QUEUE_OP_FAILED": "OFPQOFC_", "SWITCH_CONFIG_FAILED": "OFPSCFC_", "ROLE_REQUEST_FAILED": "OFPRRFC_", "METER_MOD_FAILED": "OFPMMFC_"}
NUMBERS = {("BAD_REQUEST", "BAD_MULTIPART"): 2, ("BAD_ACTION", "MATCH_INCONSISTENT"): 10, ("BAD_INSTRUCTION", "BAD_EXPERIMENTER"): 5, ("BAD_REQUEST", "BAD_TABLE_ID"): 9, ("BAD_REQUEST", "BAD_EXPERIMENTER_TYPE"): 4}


def number(kind, code):
    if (kind, code) in NUMBERS:
        return NUMBERS[kind, code]
    name = PREFIX[kind] + code
    for n in (name, name.replace("BAD_LEN", "BAD_LENGTH"), name.replace("UNKNOWN_INST", "UNKNOWN_INST")):
        if hasattr(E, n):
            return getattr(E, n)
    raise KeyError(name)


def error_row(kind, code, before, sent):
    want = (TYPES[kind], number(kind, code))

    def check(s):
        s.c.ok(*before)
        seen = stats(s)
        xid = sent(s.c)
        got = [m for m in s.c.barrier() if m[1] == 1 and xid_of(m) == xid]
        assert got, "no error: expected type %d code %d" % want
        assert struct.unpack("!HH", got[0][8:12]) == want, "type %d code %d, not %d %d" % (struct.unpack("!HH", got[0][8:12]) + want)
        carried = got[0][12:]
        assert carried[8:] == sent.body[:len(carried) - 8] and len(carried) >= min(64, 8 + len(sent.body)), "the error carries %s" % carried.hex()
        assert len(got) == 1, "%d errors" % len(got)
        assert stats(s) == seen, "the refused message left something behind"
    return check


def stats(s):
    flows = s.c.body(of.OFPFlowStatsRequest(DP, cookie_mask=0))
    return sorted((f.table_id, f.priority, str(f.match)) for f in flows), len(s.c.body(of.OFPGroupDescStatsRequest(DP)))


def not_partly(s):
    """A flow-mod with one good and one bad action installs nothing"""
    s.c.errors(flow_mod(match(ETH4), acts(OUT, act(99, bytes(4)))))
    s.frames(v4(), {})


def stale_generation(s):
    s.c.send_raw(24, struct.pack("!I4xQ", 2, 10))
    s.c.barrier()
    try:
        got = s.c.errors(role(3, 9))
        assert got == [(TYPES["ROLE_REQUEST_FAILED"], 0)], got
    finally:
        s.c.send_raw(24, struct.pack("!I4xQ", 1, 0))  # equal again
        s.c.barrier()


def is_slave(s):
    s.c.send_raw(24, struct.pack("!I4xQ", 3, 20))
    s.c.barrier()
    try:
        got = s.c.errors(flow_mod(), group_mod(0, 0, 1), packet_out(bytes(60)))
        assert got == [(1, 10)] * 3, got
    finally:
        s.c.send_raw(24, struct.pack("!I4xQ", 1, 0))
        s.c.barrier()


def rows():
    for kind, code, text, before, sent in ROWS:
        yield "7.4.4", "%s %s: %s" % (kind, code, text), error_row(kind, code, before, sent)
    yield "7.4.4", "a refused flow-mod has no partial effect", not_partly
    yield "6.3.4", "ROLE_REQUEST_FAILED STALE: an older generation", stale_generation
    yield "6.3.4", "BAD_REQUEST IS_SLAVE: a slave may not write", is_slave
