"""DHCP as firmware and others speak it, over a packet socket: for tests that compare servers, or attack one. No scapy: it is too slow to flood with.

Client(device, mac).ask(KIND) is one exchange; discover(), request() are its halves. options(reply) is a dict of bytes by number."""
import os
import random
import select
import socket
import struct
import time

UUID = bytes.fromhex("009a3a56a7d46b4b9e8a2c0d5a8a1fd001")  # option 97: type 0, then the GUID
COOKIE = b"\x63\x82\x53\x63"


def arch(n):
    return (93, struct.pack("!H", n)), (94, b"\x01\x03\x10"), (97, UUID)


def wants(*codes):
    return (55, bytes(codes))


FEATURES = bytes.fromhex("b105011af41000eb0301000017010115010113010111010124010127010119010110010221010110010112010101")
EDK2 = (1, 2, 3, 4, 5, 6, 12, 13, 15, 17, 18, 22, 23, 28, 40, 41, 42, 43, 50, 51, 54, 58, 59, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135)
IPXE = (1, 3, 6, 7, 12, 15, 17, 26, 43, 60, 66, 67, 119, 128, 129, 130, 131, 132, 133, 134, 135, 175, 203)

# What each kind of client says of itself, and whether it wants answers by broadcast. source: captures of Debian 12's firmware and clients, iPXE and EDK2
KINDS = {
    "bios-pxe": ((wants(1, 2, 3, 5, 6, 11, 12, 13, 15, 16, 17, 18, 43, 54, 60, 67, 128, 129, 130, 131, 132, 133, 134, 135), (57, b"\x04\xec"))
                 + arch(0) + ((60, b"PXEClient:Arch:00000:UNDI:002001"),), True),
    "uefi-pxe": ((wants(*EDK2), (57, b"\x05\xc0")) + arch(7) + ((60, b"PXEClient:Arch:00007:UNDI:003001"),), True),
    "uefi-http": ((wants(*EDK2), (57, b"\x05\xc0")) + arch(16) + ((60, b"HTTPClient:Arch:00016:UNDI:003001"),), True),
    "ipxe-bios": (((57, b"\x05\xc0"),) + arch(0) + ((60, b"PXEClient:Arch:00000:UNDI:002001"), (77, b"iPXE"), wants(*IPXE), (175, FEATURES), (61, b"\x01MAC")), False),
    "ipxe-uefi": (((57, b"\x05\xc0"),) + arch(7) + ((60, b"PXEClient:Arch:00007:UNDI:003010"), (77, b"iPXE"), wants(*IPXE), (175, FEATURES), (61, b"\x01MAC")), False),
    "udhcpc": (((61, b"\x01MAC"), wants(1, 3, 6, 12, 15, 28, 42, 17), (57, b"\x02\x40"), (60, b"udhcp 1.35.0")), False),
    "dhclient": (((12, b"guest"), wants(1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42, 17)), False),
    "networkd": (((61, b"\xff\x00\x00\x00\x01\x00\x02\x00\x00\xab\x11\x01\x02\x03\x04\x05\x06\x07\x08"), wants(1, 3, 12, 15, 6, 26, 33, 120, 121, 42, 119), (57, b"\x05\xc0"),
                  (12, b"guest")), False),
}


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def ip4(text):
    return socket.inet_aton(text)


def udp(src_mac, dst_mac, src, dst, sport, dport, payload):
    """A whole frame."""
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    pseudo = src + dst + struct.pack("!BBH", 0, 17, 8 + len(payload))
    head = head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 28 + len(payload), random.getrandbits(16), 0, 64, 17, 0) + src + dst
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return dst_mac + src_mac + b"\x08\x00" + ip + head + payload


def bootp(op, xid, chaddr, opts, **f):
    """BOOTP with options; f: flags, ciaddr, yiaddr, siaddr, giaddr, secs."""
    z = b"\0\0\0\0"
    head = struct.pack("!BBBBIHH", op, 1, 6, f.get("hops", 0), xid, f.get("secs", 0), f.get("flags", 0))
    head += f.get("ciaddr", z) + f.get("yiaddr", z) + f.get("siaddr", z) + f.get("giaddr", z) + chaddr.ljust(16, b"\0") + bytes(192)
    return head + COOKIE + b"".join(bytes([c, len(d)]) + d for c, d in opts) + b"\xff"


def options(reply):
    out, data = {}, reply[240:]
    while data and data[0] != 255:
        if data[0] == 0:
            data = data[1:]
            continue
        out[data[0]] = out.get(data[0], b"") + data[2:2 + data[1]]
        data = data[2 + data[1]:]
    return out


class Client:
    def __init__(self, device, mac):
        self.mac = bytes.fromhex(mac.replace(":", ""))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((device, 0))
        self.xid = random.getrandbits(32)

    def said(self, kind):
        return tuple((c, d.replace(b"MAC", self.mac)) for c, d in KINDS[kind][0])

    def send(self, frame):
        try:
            self.socket.send(frame)
        except OSError:  # the device's queue is full
            time.sleep(0.001)

    def broadcast(self, payload, sport=68, dport=67):
        self.send(udp(self.mac, b"\xff" * 6, b"\0\0\0\0", b"\xff" * 4, sport, dport, payload))

    def message(self, kind, number, *more):
        flags = 0x8000 if KINDS[kind][1] else 0
        self.broadcast(bootp(1, self.xid, self.mac, ((53, bytes([number])),) + more + self.said(kind), flags=flags))

    def frames(self, seconds):
        """Those that came to us from others, until then."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return
            frame, where = self.socket.recvfrom(65535)
            if where[2] != socket.PACKET_OUTGOING:
                yield frame

    def replies(self, seconds):
        """DHCP replies of this exchange: (frame, BOOTP)."""
        for f in self.frames(seconds):
            if len(f) < 282 or f[12:14] != b"\x08\x00" or f[23] != 17:
                continue
            at = 14 + (f[14] & 15) * 4
            sport, dport = struct.unpack("!HH", f[at:at + 4])
            body = f[at + 8:]
            if dport in (68, 4011) and len(body) >= 240 and body[0] == 2 and body[4:8] == struct.pack("!I", self.xid):
                yield f, body

    def wait(self, number, seconds):
        for f, body in self.replies(seconds):
            if options(body).get(53) == bytes([number]):
                return f, body
        return None

    def ask(self, kind, seconds=2, tries=3):
        """DISCOVER, OFFER, REQUEST, ACK. returns (offer, ack) or None; each (frame, BOOTP)"""
        self.xid = random.getrandbits(32)
        for _ in range(tries):
            self.message(kind, 1)
            offer = self.wait(2, seconds)
            if offer:
                break
        else:
            return None
        for _ in range(tries):
            self.message(kind, 3, (54, options(offer[1])[54]), (50, offer[1][16:20]))
            ack = self.wait(5, seconds)
            if ack:
                return offer, ack
        return None
