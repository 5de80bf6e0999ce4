"""Random frames for diff_ovs.py, and the few addresses that they and its rules are made of, so that they meet."""
import struct

MACS = [0x020000000000 | i for i in (1, 2, 3, 0x0A0B, 0x0A0C)]
V4S = [0x0A000001, 0x0A000002, 0x0A000101, 0x0A010001, 0xC0A80001]
V6S = [0xFD00 << 112 | i for i in (1, 2, 0x10001, 1 << 64 | 1)]
PORTS = [53, 80, 443, 8080]
LABELS = [16, 17, 0xFFFFF]
CRC32C = [0] * 256
for i in range(256):
    c = i
    for _ in range(8):
        c = c >> 1 ^ (0x82F63B78 if c & 1 else 0)
    CRC32C[i] = c


TAUGHT = 0x1000  # of addresses that the switches were taught (diff_teach.py)
GROUPS = [0xFFFFFFFFFFFF, 0x01005E000105]
SELECTED = b"\x02\x20"


def mac_of(rnd, part):
    """An Ethernet address; its third byte says whose it is"""
    return rnd.choice(MACS) | part << 24


def selected_mac(part, weight, at, port):
    """What a SELECT group's bucket makes of the destination: so the frame says where it came through"""
    return int.from_bytes(SELECTED + bytes([part, weight, at, port]), "big")


def some_frame(rnd, part, n, traits, port):
    """n: a number that makes it unlike the others. port: where it goes in; what NORMAL learns from it is known already"""
    to, by = mac_of(rnd, part), mac_of(rnd, part)
    if traits["normal"]:
        to, by = mac_of(rnd, part | TAUGHT) if rnd.random() < 0.85 else rnd.choice(GROUPS), MACS[port - 1 if port in (1, 2) else 0] | (part | TAUGHT) << 24
    head = to.to_bytes(6, "big") + by.to_bytes(6, "big")
    n_tags = rnd.choice((0, 0, 1, 1) if traits["push"] else (0, 0, 0, 1, 1, 2))
    for i in range(n_tags):
        head += struct.pack("!HH", rnd.choice((0x8100, 0x88A8)) if i == 0 else 0x8100, rnd.randint(0, 3) << 13 | rnd.choice((5, 6, 7, 8)))
    payload = struct.pack("!I", n) + bytes(rnd.randint(0, 40))
    kind = rnd.random()
    if kind < 0.12:
        arp = struct.pack("!HHHBBH6sI6sI", 0x806, 1, 0x800, 6, 4, rnd.randint(1, 2), head[6:12], rnd.choice(V4S), bytes(6), rnd.choice(V4S))
        return (head + arp + payload).ljust(64, b"\0")
    if kind < 0.65:
        labels = rnd.choice((0, 0, 0, 1, 2)) if n_tags == 0 else 0
        stack = b"".join(struct.pack("!I", rnd.choice(LABELS) << 12 | rnd.randint(0, 2) << 9 | (i == labels - 1) << 8 | rnd.randint(20, 60)) for i in range(labels))
        return (head + (b"\x88\x47" if labels else b"\x08\x00") + stack + ipv4(rnd, payload, traits)).ljust(64, b"\0")
    if kind < 0.95:
        return head + b"\x86\xdd" + ipv6(rnd, payload, traits)
    return (head + b"\x12\x34" + payload).ljust(64, b"\0")


def ttl_of(rnd, traits):
    return rnd.choice((0, 1, 1, 2, 64)) if traits["ttl"] else rnd.choice((64, 128))


def ipv4(rnd, payload, traits):
    l4, proto = transport(rnd, True)
    src, dst = rnd.choice(V4S), rnd.choice(V4S)
    body = l4_sum(rnd, l4 + payload, proto, struct.pack("!II", src, dst))
    fragment = rnd.choice((0, 0, 0, 0, 0x2000, 0x2001, 9)) if traits["fragments"] else rnd.choice((0, 0x4000))
    options = b"\x94\4\0\0" if rnd.random() < 0.1 else b""
    h = struct.pack("!BBHHHBBHII", 0x45 + len(options) // 4, rnd.choice((0, 0, 46 << 2)) | rnd.choice((0, 0, 1)), 20 + len(options) + len(body), 1, fragment,
                    ttl_of(rnd, traits), proto, 0, src, dst) + options
    return h[:10] + struct.pack("!H", checksum(h)) + h[12:] + body


def ipv6(rnd, payload, traits):
    src, dst = rnd.choice(V6S).to_bytes(16, "big"), rnd.choice(V6S).to_bytes(16, "big")
    if rnd.random() < 0.25:
        body, proto = discovery(rnd, src + dst), 58
        hops = 255
    else:
        l4, proto = transport(rnd, False)
        body = l4_sum(rnd, l4 + payload, proto, src + dst)
        hops = ttl_of(rnd, traits)
    first, chain = proto, b""
    for kind in rnd.choice(((), (), (), (0,), (60,), (0, 60), (43,), (44,), (0, 44)) if traits["fragments"] and hops != 255 else ((), (), (), (0,), (60,), (0, 60))):
        chain, first = extension(rnd, chain, kind, first)
    rest = link(chain, proto)
    return struct.pack("!IHBB", 6 << 28 | rnd.choice((0, 0, 46)) << 22 | rnd.choice((0, 1, 2)), len(rest) + len(body), first, hops) + src + dst + rest + body


def extension(rnd, chain, kind, first):
    """Append a header to a chain of (kind, bytes behind its first); returns the chain, the kind that it begins with"""
    chain = chain or []
    if kind == 44:
        what = struct.pack("!xHI", rnd.randint(0, 1), 7)
    elif kind == 43:
        what = struct.pack("!BBBI", 0, 253, 0, 0)  # no segments left
    else:
        what = b"\0\1\4\0\0\0\0"  # PadN
    chain.append((kind, what))
    return chain, chain[0][0]


def link(chain, proto):
    kinds = [k for k, _ in chain] + [proto]
    return b"".join(bytes([kinds[i + 1]]) + what for i, (_, what) in enumerate(chain))


def transport(rnd, is_v4):
    """returns the header, its protocol number"""
    ports = struct.pack("!HH", rnd.choice(PORTS), rnd.choice(PORTS))
    kind = rnd.random()
    if kind < 0.35:
        return ports + struct.pack("!IIBBHHH", 1, 2, 0x50, 2, 100, 0, 0), 6
    if kind < 0.7:
        return ports + bytes(4), 17
    if kind < 0.85:
        return ports + bytes(8), 132
    return struct.pack("!BBHI", rnd.choice((0, 8) if is_v4 else (128, 129)), rnd.randint(0, 1), 0, 7), 1 if is_v4 else 58


def discovery(rnd, addresses):
    """A neighbour solicitation or advertisement with its option"""
    kind = rnd.randint(0, 1)
    body = struct.pack("!BBHI", 135 + kind, 0, 0, 0) + rnd.choice(V6S).to_bytes(16, "big") + bytes([1 + kind, 1]) + rnd.choice(MACS).to_bytes(6, "big")
    return l4_sum(rnd, body, 58, addresses)


def checksum(data):
    s = sum(struct.unpack("!%dH" % ((len(data) + 1) // 2), data + b"\0" * (len(data) & 1)))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc = crc >> 8 ^ CRC32C[(crc ^ b) & 255]
    return crc ^ 0xFFFFFFFF


def l4_sum(rnd, body, proto, addresses):
    """The packet with its checksum; ICMP's covers no addresses, and some of UDP over IPv4 has none"""
    if proto == 132:
        return body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    if proto == 17:
        body = body[:4] + struct.pack("!H", len(body)) + body[6:]
        if len(addresses) == 8 and rnd.random() < 0.1:
            return body
    c = checksum(body if proto == 1 else addresses + struct.pack("!HH", proto, len(body)) + body)
    at = {6: 16, 17: 6}.get(proto, 2)
    return body[:at] + struct.pack("!H", c or (0xFFFF if proto == 17 else 0)) + body[at + 2:]
