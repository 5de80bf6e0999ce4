"""OpenFlow 1.3 messages of diff_ovs.py as bytes, made by hand: os-ken's parser takes ten times as long, and both switches get the same bytes."""
import struct

ANY = 0xFFFFFFFF
IN_PORT, TABLE, NORMAL, FLOOD, ALL, CONTROLLER = 0xFFFFFFF8, 0xFFFFFFF9, 0xFFFFFFFA, 0xFFFFFFFB, 0xFFFFFFFC, 0xFFFFFFFD
PRESENT = 0x1000
G_ALL, G_SELECT, G_INDIRECT, G_FF = range(4)
ADD, MODIFY, MODIFY_STRICT, DELETE, DELETE_STRICT = range(5)
ERROR, PACKET_IN, BARRIER_REPLY, MULTIPART_REPLY = 1, 10, 21, 19

# name: its number in OFPXMC_OPENFLOW_BASIC, its size
FIELDS = {"in_port": (0, 4), "metadata": (2, 8), "eth_dst": (3, 6), "eth_src": (4, 6), "eth_type": (5, 2), "vlan_vid": (6, 2), "vlan_pcp": (7, 1),
          "ip_dscp": (8, 1), "ip_ecn": (9, 1), "ip_proto": (10, 1), "ipv4_src": (11, 4), "ipv4_dst": (12, 4), "tcp_src": (13, 2), "tcp_dst": (14, 2),
          "udp_src": (15, 2), "udp_dst": (16, 2), "sctp_src": (17, 2), "sctp_dst": (18, 2), "icmpv4_type": (19, 1), "icmpv4_code": (20, 1),
          "arp_op": (21, 2), "arp_spa": (22, 4), "arp_tpa": (23, 4), "arp_sha": (24, 6), "arp_tha": (25, 6), "ipv6_src": (26, 16),
          "ipv6_dst": (27, 16), "ipv6_flabel": (28, 4), "icmpv6_type": (29, 1), "icmpv6_code": (30, 1), "ipv6_nd_target": (31, 16),
          "ipv6_nd_sll": (32, 6), "ipv6_nd_tll": (33, 6), "mpls_label": (34, 4), "mpls_tc": (35, 1), "mpls_bos": (36, 1), "tunnel_id": (38, 8)}


def oxm(name, value):
    """value: a number, or a number and its mask"""
    number, size = FIELDS[name]
    if isinstance(value, tuple):
        return struct.pack("!I", 0x80000100 | number << 9 | 2 * size) + value[0].to_bytes(size, "big") + value[1].to_bytes(size, "big")
    return struct.pack("!I", 0x80000000 | number << 9 | size) + value.to_bytes(size, "big")


def match(fields):
    body = b"".join(oxm(k, fields[k]) for k in sorted(fields, key=lambda k: FIELDS[k][0]))
    return struct.pack("!HH", 1, 4 + len(body)) + body + bytes(-(4 + len(body)) % 8)


def output(port):
    return struct.pack("!HHIH6x", 0, 16, port, 0xFFFF)


def set_field(name, value):
    body = oxm(name, value)
    size = (4 + len(body) + 7) // 8 * 8
    return struct.pack("!HH", 25, size) + body + bytes(size - 4 - len(body))


def word(kind, value=0):
    """An action with a 32-bit word: queue (21), group (22)"""
    return struct.pack("!HHI", kind, 8, value)


def short(kind, value=0):
    """An action with a 16-bit word or none: push and pop of VLAN (17, 18) and MPLS (19, 20), TTLs down (16, 24)"""
    return struct.pack("!HHH2x", kind, 8, value)


def byte(kind, value):
    """An action with a byte: the TTL of MPLS (15), of IP (23)"""
    return struct.pack("!HHB3x", kind, 8, value)


def group_action(number):
    return word(22, number)


def set_queue(number):
    return word(21, number)


def actions(kind, what):
    """An instruction. kind: write (3), apply (4), clear (5)"""
    body = b"".join(what)
    return struct.pack("!HH4x", kind, 8 + len(body)) + body


def goto(table):
    return struct.pack("!HHB3x", 1, 8, table)


def write_metadata(value, mask):
    return struct.pack("!HH4xQQ", 2, 24, value, mask)


def meter(number):
    return struct.pack("!HHI", 6, 8, number)


def message(kind, body):
    """Its xid is put in by `numbered`."""
    return struct.pack("!BBHI", 4, kind, 8 + len(body), 0) + body


def numbered(m, xid):
    return m[:4] + struct.pack("!I", xid) + m[8:]


def flow_mod(fields, instructions=(), command=ADD, table=0, priority=0, cookie=0, cookie_mask=0, out_port=ANY, out_group=ANY, flags=0):
    return message(14, struct.pack("!QQBBHHHIIIH2x", cookie, cookie_mask, table, command, 0, 0, priority, ANY, out_port, out_group, flags) +
                   match(fields) + b"".join(instructions))


def bucket(what, weight=0, watch_port=ANY, watch_group=ANY):
    body = b"".join(what)
    return struct.pack("!HHII4x", 16 + len(body), weight, watch_port, watch_group) + body


def group_mod(number, kind, buckets, command=0):
    return message(15, struct.pack("!HBxI", command, kind, number) + b"".join(buckets))


def meter_mod(number, rate, command=0):
    """One band that drops above `rate` kbit/s"""
    band = struct.pack("!HHIIxxxx", 1, 16, rate, 0) if command != 2 else b""
    return message(29, struct.pack("!HHI", command, 1, number) + band)


def packet_out(in_port, what, data):
    body = b"".join(what)
    return message(13, struct.pack("!IIH6x", ANY, in_port, len(body)) + body + data)


BARRIER = message(20, b"")


def dump_flows(cookie, cookie_mask):
    return message(18, struct.pack("!HH4xB3xII4xQQ", 1, 0, 0xFF, ANY, ANY, cookie, cookie_mask) + match({}))


def delete_all():
    return [flow_mod({}, command=DELETE, table=0xFF), group_mod(0xFFFFFFFC, 0, [], 2), meter_mod(0xFFFFFFFF, 0, 2)]


# --- What a switch says

def parts(data, at, end):
    """Pieces that begin with 16 bits of kind and 16 of size, padded to 8"""
    out = []
    while at + 4 <= end:
        size = struct.unpack_from("!H", data, at + 2)[0]
        out.append(data[at:at + size])
        at += max(8, (size + 7) // 8 * 8)
    return out


def fields_of(m):
    """The fields of a match: m begins with its type and size"""
    out, at, end = [], 4, struct.unpack_from("!H", m, 2)[0]
    while at + 4 <= end:
        size = 4 + m[at + 3]
        out.append(m[at:at + size])
        at += size
    return sorted(out)


def flows_of(replies):
    """The rules in flow-stats replies, so that both switches say the same: no times, no counts, parts in order"""
    out = []
    for m in replies:
        at = 16
        while at + 56 <= len(m):
            size, table, _, _, priority, _, _, flags, cookie = struct.unpack_from("!HBxIIHHHH4xQ", m, at)
            n = struct.unpack_from("!H", m, at + 50)[0]
            instructions = sorted(parts(m, at + 48 + (n + 7) // 8 * 8, at + size))
            out.append((table, priority, cookie, flags, tuple(fields_of(m[at + 48:])), tuple(instructions)))
            at += size
    return sorted(out)


def packet_in_of(m):
    """returns (reason, table, cookie, fields, size, frame)"""
    size, reason, table, cookie = struct.unpack_from("!HBBQ", m, 12)
    n = struct.unpack_from("!H", m, 26)[0]
    return reason, table, cookie, tuple(fields_of(m[24:])), size, m[24 + (n + 7) // 8 * 8 + 2:]
