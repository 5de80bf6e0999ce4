"""A guest that attacks the boot services, and one that needs them meanwhile.

usage: dhcp_attack.py victim DEVICE MAC FILE SUM STOP        a lease and a file, again and again until STOP is there; prints what it took
       dhcp_attack.py flood DEVICE MAC SECONDS KIND...       each as fast as one socket sends; prints frames and bytes, out and in
       dhcp_attack.py unproven DEVICE MAC FILE               ask and never prove that one hears; prints bytes out and in, each way of asking
       dhcp_attack.py traversal DEVICE FILE                  ask by names that are none; prints those that were answered with data"""
import hashlib
import os
import random
import select
import socket
import struct
import sys
import time

from dhcp_client import Client, arch, bootp, ip4, options, udp

SERVICE, VICTIM_MAC = ip4("10.9.0.2"), bytes.fromhex("525400000001")
TFTP_TIMEOUT_S = 1.0  # what firmware waits before it asks again


def tftp_get(name, timeouts):
    """A whole file as EDK2 fetches it; every second of silence is a timeout."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(TFTP_TIMEOUT_S)
    last, peer, want, window, since = b"\0\1" + name.encode() + b"\0octet\0blksize\x001468\0windowsize\x004\0tsize\x000\0", ("10.9.0.2", 69), 1, 1, 0
    data = bytearray()
    for _ in range(10):
        s.sendto(last, peer)
        try:
            while True:
                p, peer = s.recvfrom(2048)
                if p[1] == 6:
                    window, since, last = 4, 0, b"\0\4\0\0"
                    s.sendto(last, peer)
                elif p[1] == 3 and struct.unpack("!H", p[2:4])[0] == want & 0xFFFF:
                    data += p[4:]
                    want, since, last = want + 1, since + 1, b"\0\4" + p[2:4]
                    if len(p) < 4 + 1468 or since == window:
                        s.sendto(last, peer)
                        since = 0
                    if len(p) < 4 + 1468:
                        return bytes(data)
                elif p[1] == 5:
                    raise RuntimeError("TFTP error: %r" % p)
        except socket.timeout:
            timeouts.append(name)
    return None


def victim(device, mac, name, digest, stop):
    """Exits 1 when a lease or a file did not come, came late enough to be asked for again, or came from somebody else."""
    client, leases, files, timeouts, strange = Client(device, mac), [], [], [], 0
    service_mac = None
    while not os.path.exists(stop):
        begun = time.monotonic()
        got = client.ask("udhcpc", seconds=1, tries=3)
        if not got:
            timeouts.append("lease")
            continue
        leases.append(time.monotonic() - begun)
        if leases[-1] > 1:
            timeouts.append("lease, late")
        for frame, body in got:
            service_mac = service_mac or frame[6:12]
            strange += frame[6:12] != service_mac or options(body)[54] != SERVICE or body[16:20] != ip4("10.9.0.101")
        begun = time.monotonic()
        data = tftp_get(name, timeouts)
        files.append(time.monotonic() - begun)
        if data is None or hashlib.sha256(data).hexdigest() != digest:
            timeouts.append("file")
        time.sleep(0.15)  # two messages a lease: within what a port may ask
    p99 = lambda v: sorted(v)[min(len(v) - 1, int(len(v) * 0.99))] * 1000
    print("  %d leases, p99 %.1f ms; %d files, p99 %.1f ms; timeouts: %s; answers of others: %d" % (len(leases), p99(leases), len(files), p99(files), timeouts or "none", strange))
    return 1 if timeouts or strange or len(leases) < 10 else 0


def attacks(kind, mac):
    """Frames of one kind of attack, all different."""
    me, everybody, none, rnd = bytes.fromhex(mac.replace(":", "")), b"\xff" * 6, b"\0" * 4, random.Random(kind)
    some_mac = lambda: b"\x52\x54" + rnd.randbytes(4)
    discover = lambda chaddr, *more, **f: bootp(1, rnd.getrandbits(32), chaddr, ((53, b"\1"),) + more, **f)
    from_client = lambda body, src=me, dport=67: udp(src, everybody, none, b"\xff" * 4, 68, dport, body)
    for i in range(500):
        if kind == "discover":  # our own, without end
            yield from_client(discover(me, (60, b"PXEClient:Arch:00007:UNDI:003001"), *arch(7)))
        elif kind == "chaddr":  # other people's hardware addresses, from our card
            yield from_client(discover(some_mac()))
        elif kind == "source":  # from cards that we do not have, the victim's first
            who = VICTIM_MAC if i % 2 else some_mac()
            yield from_client(discover(who), who)
        elif kind == "server":  # we are the server
            for number in (2, 5, 6):
                body = bootp(2, rnd.getrandbits(32), VICTIM_MAC, ((53, bytes([number])), (54, ip4("10.9.0.102")), (51, b"\0\0\1\0")), yiaddr=ip4("10.9.0.66"), siaddr=ip4("10.9.0.102"))
                yield udp(me, everybody if i % 2 else VICTIM_MAC, ip4("10.9.0.102"), b"\xff" * 4, 67, 68, body)
        elif kind == "relay":
            yield from_client(discover(me, giaddr=ip4("10.9.0.102"), hops=1))
        elif kind == "garbage":  # options that lie about their length, end nowhere, come a hundred times
            body = bytearray(discover(me, *[(rnd.randrange(1, 255), rnd.randbytes(rnd.randrange(40))) for _ in range(rnd.randrange(12))]))
            for _ in range(rnd.randrange(1, 8)):
                body[rnd.randrange(len(body))] = rnd.randrange(256)
            yield from_client(bytes(body[:rnd.randrange(200, len(body) + 1)]))
        elif kind == "decline":  # and release, and inform
            yield from_client(bootp(1, i, me, ((53, bytes([(4, 7, 8)[i % 3]])), (50, ip4("10.9.0.%d" % (i % 256))), (54, SERVICE)), ciaddr=ip4("10.9.0.101")))
        elif kind == "port4011":
            yield udp(me, everybody, ip4("10.9.0.102"), SERVICE, 68, 4011, bootp(1, i, me, ((53, b"\3"), (60, b"PXEClient:Arch:00007:UNDI:003001")) + arch(7), ciaddr=ip4("10.9.0.102")))
        elif kind == "tftp":  # requests from a thousand ports, none of which goes on
            request = b"\0\1kernel\0octet\0blksize\x001468\0windowsize\x0032\0tsize\x000\0"
            yield udp(me, SERVICE_MAC, ip4("10.9.0.102"), SERVICE, 1024 + i, 69, request)
        elif kind == "tftp-data":  # acknowledgements of transfers that are not ours
            yield udp(me, SERVICE_MAC, ip4("10.9.0.102"), SERVICE, 1024 + i, 57344 + i, struct.pack("!HH", 4, i))
        elif kind == "arp":
            yield everybody + me + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + me + ip4("10.9.0.102") + b"\0" * 6 + SERVICE
        else:
            raise SystemExit("no attack " + kind)


SERVICE_MAC = b"\xff" * 6


def learn_service(client):
    """The service's hardware address, as a guest learns it: by ARP."""
    global SERVICE_MAC
    for _ in range(3):
        client.send(b"\xff" * 6 + client.mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + client.mac + ip4("10.9.0.102") + b"\0" * 6 + SERVICE)
        for f in client.frames(1):
            if f[12:14] == b"\x08\x06" and f[28:32] == SERVICE:
                SERVICE_MAC = f[6:12]
                return
    raise SystemExit("nobody answers ARP for the boot service")


def from_service(frame, client):
    return frame[6:12] == SERVICE_MAC


def flood(device, mac, seconds, *kinds):
    """returns  1 when more than twice the bytes that were sent came back"""
    client, bad = Client(device, mac), 0
    learn_service(client)
    client.socket.setblocking(False)
    for kind in kinds:
        frames, out, out_bytes = list(attacks(kind, mac)), 0, 0
        until = time.monotonic() + float(seconds)
        back, back_bytes = 0, 0
        while time.monotonic() < until:
            for f in frames:
                try:
                    client.socket.send(f)
                    out, out_bytes = out + 1, out_bytes + len(f)
                except OSError:
                    select.select([], [client.socket], [], 0.01)
            n, b = drain(client)
            back, back_bytes = back + n, back_bytes + b
        time.sleep(0.2)
        n, b = drain(client)
        print("  %-9s %7d frames out, %5d back" % (kind, out, back + n))
        bad |= back_bytes + b > 2 * out_bytes
    return bad


def drain(client):
    n = size = 0
    try:
        while True:
            frame, where = client.socket.recvfrom(65535)
            if where[2] != socket.PACKET_OUTGOING and from_service(frame, client):
                n, size = n + 1, size + len(frame)
    except BlockingIOError:
        return n, size


def unproven(device, mac, name):
    """Who asks and never shows that it hears the answer gets no more than twice what it sent. But for a request without options: RFC 1350 knows no
    answer to it but the first block, so that goes, once. returns  1 when more came"""
    client, bad = Client(device, mac), 0
    learn_service(client)
    me = ip4("10.9.0.102")
    rrq = lambda port, more: udp(client.mac, SERVICE_MAC, me, SERVICE, port, 69, b"\0\1" + name.encode() + b"\0octet\0" + more)
    broadcast = lambda body: udp(client.mac, b"\xff" * 6, b"\0" * 4, b"\xff" * 4, 68, 67, body)
    # Each is known by the port or the transaction that its answer names.
    ways = {
        2001: ("TFTP with options", rrq(2001, b"blksize\x001468\0windowsize\x0032\0tsize\x000\0")),
        2002: ("TFTP without", rrq(2002, b"")),
        7: ("the shortest DISCOVER", broadcast(bootp(1, 7, client.mac, ((53, b"\1"),)))),
        8: ("a DISCOVER that wants all", broadcast(bootp(1, 8, client.mac, ((53, b"\1"), (57, b"\x05\xdc")) + arch(7) + ((175, b"\xb1\1\1"),)))),
        9: ("port 4011", udp(client.mac, SERVICE_MAC, me, SERVICE, 68, 4011, bootp(1, 9, client.mac, ((53, b"\3"), (60, b"PXEClient:Arch:00007:UNDI:003001")) + arch(7), ciaddr=me))),
    }
    back = dict.fromkeys(ways, 0)
    for _ in client.frames(0.3):  # what earlier requests still get
        pass
    for _, frame in ways.values():
        client.send(frame)
    for f in client.frames(4):
        if not from_service(f, client) or f[12:14] != b"\x08\x00" or f[23] != 17:
            continue
        port = struct.unpack("!H", f[36:38])[0]
        xid = struct.unpack("!I", f[46:50])[0] if len(f) > 282 else 0
        if port in back:
            back[port] += len(f)
        elif port == 68 and xid in back:
            back[xid] += len(f)
    for k, (way, frame) in ways.items():
        over = back[k] > (42 + 4 + 512 if way == "TFTP without" else 2 * len(frame))
        print("  %-26s %4d bytes out, %5d back%s" % (way, len(frame), back[k], "   TOO MANY" if over else ""))
        bad |= over
        bad |= back[k] == 0  # nobody answers: then this shows nothing
    return bad


def traversal(device, name):
    """Names that would leave a directory, if there were one. returns  how many gave data"""
    up = ["../", "..\\", "%2e%2e/", "..%2f", "....//", "./../", "/../", "\\..\\", "..;/", "\xc0\xae\xc0\xae/", "file:///", "//", "\\\\localhost\\", "~/"]
    names = [u * n + f for u in up for n in (1, 3, 8) for f in ("etc/passwd", "etc\\passwd", "etc/passwd.", name + "/../../etc/passwd")]
    names += ["/etc/passwd", "/proc/self/environ", name + "\0/../x", name + "/..", "../" + name, "./" + name, name + "/", " " + name, name + " ", "", "a" * 500, "%s%n%s%n", "/" * 120]
    hits = []
    for n in names:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(0.5)
        s.sendto(b"\0\1" + n.encode("latin1") + b"\0octet\0", ("10.9.0.2", 69))
        try:
            p = s.recvfrom(2048)[0]
            if p[1] in (3, 6) and not (n.split("\0")[0] == name or (n.lstrip("./") == name and ".." not in n)):
                hits.append(n)
        except socket.timeout:
            pass
    print("  %d names, %d answered with data" % (len(names), len(hits)))
    for h in hits:
        print("  HIT %r" % h)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit({"victim": victim, "flood": flood, "unproven": unproven, "traversal": traversal}[sys.argv[1]](*sys.argv[2:]))
