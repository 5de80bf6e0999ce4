#!/usr/bin/python3
"""A controller of a few messages, over TCP, TLS or a UNIX socket. It knows no OpenFlow library: bytes as the specification says.

    of_peer.py listen PORT SECONDS [KEY CERT CA]   be a controller: say "up" when a switch has answered features and barrier
    of_peer.py ask ADDRESS                         be a client of a listener (PORT or path): features, barrier, garbage, roles
    of_peer.py many ADDRESS                        flow-mods and a barrier in one go, more than one turn takes: say the median wait in ms
    of_peer.py stay ADDRESS [KEY CERT]             be a client until the switch closes, and say "closed" then
    of_peer.py reset PORT SECONDS                  accept and close at once; say how many came
"""
import socket, ssl, struct, sys, time

HELLO, ERROR, ECHO_REQUEST, ECHO_REPLY, FEATURES_REQUEST, FEATURES_REPLY = 0, 1, 2, 3, 5, 6
BARRIER_REQUEST, BARRIER_REPLY, ROLE_REQUEST, ROLE_REPLY = 20, 21, 24, 25


class Peer:
    def __init__(self, s):
        self.s, self.bytes, self.xid = s, b"", 100

    def send(self, type, body=b"", version=4):
        self.xid += 1
        self.s.sendall(struct.pack("!BBHI", version, type, 8 + len(body), self.xid) + body)
        return self.xid

    def get(self):
        while len(self.bytes) < 8 or len(self.bytes) < struct.unpack("!H", self.bytes[2:4])[0]:
            more = self.s.recv(65536)
            if not more:
                return None
            self.bytes += more
        size = struct.unpack("!H", self.bytes[2:4])[0]
        message, self.bytes = self.bytes[:size], self.bytes[size:]
        if message[1] == ECHO_REQUEST:
            self.s.sendall(bytes([4, ECHO_REPLY]) + message[2:])
            return self.get()
        return message

    def want(self, type, xid=None):
        message = self.get()
        assert message is not None, "closed, and not %d" % type
        assert message[1] == type, "%d wanted: %s" % (type, message.hex())
        assert xid is None or struct.unpack("!I", message[4:8])[0] == xid, message.hex()
        return message

    def greet(self, bitmap=0x10):
        hello = self.want(HELLO)
        assert hello[8:] == bytes.fromhex("0001000800000010"), hello.hex()
        self.send(HELLO, struct.pack("!HHI", 1, 8, bitmap))

    def features(self):
        m = self.want(FEATURES_REPLY, self.send(FEATURES_REQUEST))
        return "%016x" % struct.unpack("!Q", m[8:16])

    def barrier(self):
        self.want(BARRIER_REPLY, self.send(BARRIER_REQUEST))


def listen(port, seconds, key=None, cert=None, ca=None):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(port)))
    server.listen()
    end = time.time() + float(seconds)
    while time.time() < end:
        s, _ = server.accept()
        if key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            context.load_verify_locations(ca)
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                s = context.wrap_socket(s, server_side=True)
            except (ssl.SSLError, OSError) as e:
                print("tls", e, flush=True)
                continue
        peer = Peer(s)
        peer.greet()
        print("up", peer.features(), s.version() if key else "tcp", flush=True)
        peer.barrier()
        while peer.get() is not None:
            pass
        print("lost", flush=True)


def dial(address):
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
    else:
        s = socket.create_connection(("127.0.0.1", int(address)))
    s.settimeout(5)
    return Peer(s)


def role(peer, what, generation):
    return peer.send(ROLE_REQUEST, struct.pack("!I4xQ", what, generation))


def ask(address):
    a, b = dial(address), dial(address)
    for p in (a, b):
        p.greet()
        p.barrier()
    # A version that is not spoken, and a message that nobody knows: refused, and the connection goes on.
    m = a.want(ERROR, a.send(FEATURES_REQUEST, version=1))
    assert m[8:12] == bytes([0, 1, 0, 0]), m.hex()
    m = a.want(ERROR, a.send(99, b"x" * 100))
    assert m[8:12] == bytes([0, 1, 0, 1]) and len(m) >= 12 + 64, m.hex()
    # One master. A generation outlives those who asked for it.
    g = int(time.time() * 1000)
    assert a.want(ROLE_REPLY, role(a, 2, g))[8:12] == bytes([0, 0, 0, 2])
    assert b.want(ROLE_REPLY, role(b, 2, g + 1))[8:12] == bytes([0, 0, 0, 2])
    assert a.want(ROLE_REPLY, role(a, 0, 0))[8:12] == bytes([0, 0, 0, 3])
    assert a.want(ERROR, role(a, 2, g))[8:12] == bytes([0, 11, 0, 0])
    # A slave changes nothing: a flow-mod.
    m = a.want(ERROR, a.send(14, bytes(40) + bytes.fromhex("0001000400000000")))
    assert m[8:12] == bytes([0, 1, 0, 10]), m.hex()
    # Many barriers in one write, answered in order.
    b.s.sendall(b"".join(struct.pack("!BBHI", 4, BARRIER_REQUEST, 8, i) for i in range(1000)))
    for i in range(1000):
        b.want(BARRIER_REPLY, i)
    # No version in common: told, then closed.
    c = dial(address)
    c.want(HELLO)
    c.send(HELLO, version=1)
    m = c.want(ERROR)
    assert m[8:12] == bytes(4), m.hex()
    assert c.get() is None
    # Nonsense is cut, and others do not notice.
    d = dial(address)
    d.s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    while d.get() is not None:
        pass
    b.barrier()
    print("right")


def stay(address, key=None, cert=None):
    p = dial(address)
    if key:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(cert, key)
        p.s = context.wrap_socket(p.s)
    p.greet()
    p.s.settimeout(None)
    try:
        while p.get() is not None:
            pass
    except OSError:
        pass
    print("closed", flush=True)


def many(address):
    p, waits, n = dial(address), [], 290
    p.greet()

    def flow_mod(command, priority):
        return struct.pack("!BBHIQQBBHHHIIIHxxHHxxxx", 4, 14, 56, 1, 0, 0, 0, command, 0, 0, priority, *[0xffffffff] * 3, 0, 1, 4)

    for turn in range(15):
        mods = b"".join(flow_mod(0, turn * n + i) for i in range(n))
        began = time.monotonic()
        p.s.sendall(mods + struct.pack("!BBHI", 4, BARRIER_REQUEST, 8, turn))
        p.want(BARRIER_REPLY, turn)
        waits.append(time.monotonic() - began)
    p.s.sendall(flow_mod(3, 0))
    p.barrier()
    print(int(sorted(waits)[len(waits) // 2] * 1000))


def reset(port, seconds):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", int(port)))
    server.listen()
    server.settimeout(0.2)
    end, n = time.time() + float(seconds), 0
    while time.time() < end:
        try:
            server.accept()[0].close()
            n += 1
        except socket.timeout:
            pass
    print(n)


{"listen": listen, "ask": ask, "stay": stay, "many": many, "reset": reset}[sys.argv[1]](*sys.argv[2:])
