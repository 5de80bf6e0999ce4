"""Frames that no honest guest sends, from a guest's own network interface: storage_frames.py INTERFACE DESTINATION-MAC KIND ARGUMENT...

    ether TYPE COUNT                         frames of an ethertype (hexadecimal), 1000 bytes
    tcp FROM:PORT TO:PORT COUNT [FLAGS]      segments with 1000 bytes each
    syns FROM TO:PORT COUNT                  connection requests, each from another port, counting up from 1024
    redirect FROM:PORT TO:PORT ADDRESS       what a server would send: SYN with ACK, and a login response that redirects to ADDRESS
Addresses are IPv4."""
import socket
import struct
import sys
import time

SYN, PSH, ACK = 0x02, 0x08, 0x10
BURST = 200


def summed(data):
    total = sum(struct.unpack("!%dH" % ((len(data) + 1) // 2), data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return socket.inet_aton(address), int(port)


def segment(source, to, seq, flags, payload=b""):
    """An IPv4 packet; source and to are (address, port)."""
    def tcp(check):
        return struct.pack("!HHIIBBHHH", source[1], to[1], seq, 1 if flags & ACK else 0, 5 << 4, flags, 65535, check, 0)
    size = 20 + len(payload)
    check = summed(struct.pack("!4s4sBBH", source[0], to[0], 0, 6, size) + tcp(0) + payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 0, 0x4000, 64, 6, 0, source[0], to[0])
    return head[:10] + struct.pack("!H", summed(head)) + head[12:] + tcp(check) + payload


def login_redirect(address):
    """RFC 7143, section 11.13: status class 1, "temporarily moved"."""
    text = b"TargetAddress=" + address.encode() + b"\0"
    head = struct.pack("!BBBBI6sHIIIIIBB10x", 0x23, 0, 0, 0, len(text), b"\x80\0\0\0\0\1", 0, 0, 0, 1, 1, 1, 1, 1)
    return head + text + b"\0" * (-len(text) % 4)


def frames(kind, words):
    if kind == "ether":
        for _ in range(int(words[1])):
            yield int(words[0], 16), b"\0" * 1000
    elif kind == "tcp":
        a, b = endpoint(words[0]), endpoint(words[1])
        flags = int(words[3], 16) if len(words) > 3 else PSH | ACK
        for i in range(int(words[2])):
            yield 0x0800, segment(a, b, 1000 * i, flags, b"\x5a" * 1000)
    elif kind == "syns":
        b = endpoint(words[1])
        for i in range(int(words[2])):
            yield 0x0800, segment((socket.inet_aton(words[0]), 1024 + i), b, i, SYN)
    elif kind == "redirect":
        a, b = endpoint(words[0]), endpoint(words[1])
        yield 0x0800, segment(a, b, 99, SYN | ACK)
        yield 0x0800, segment(a, b, 100, PSH | ACK, login_redirect(words[2]))
    else:
        sys.exit(__doc__)


def main(interface, to, kind, *words):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    mac = bytes.fromhex(to.replace(":", ""))
    own = out.getsockname()[4]
    for i, (ethertype, payload) in enumerate(frames(kind, words)):
        out.send(mac + own + struct.pack("!H", ethertype) + payload)
        if i % BURST == BURST - 1:
            time.sleep(0.01)  # a tap drops what nobody takes in time


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
