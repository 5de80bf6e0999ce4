"""An OpenFlow 1.3 connection for tests: bytes in, bytes out, no loop. Messages are made and read with os-ken's parser."""
import socket, struct, time

from os_ken.ofproto import ofproto_parser, ofproto_protocol, ofproto_v1_3 as ofp, ofproto_v1_3_parser as of

DP = ofproto_protocol.ProtocolDesc(version=ofp.OFP_VERSION)
HELLO = struct.pack("!BBHIHHI", 4, 0, 16, 1, 1, 8, 1 << 4)


class Closed(Exception):
    """The switch ended the connection."""


class Client:
    def __init__(self, sock, greet=True):
        self.s, self.buffer, self.xid, self.asynchronous = sock, b"", 0x1000, []
        self.s.settimeout(5)
        if greet:
            self.raw(HELLO)
            self.expect(lambda m: m[1] == 0)

    @classmethod
    def to(cls, address, greet=True, seconds=10):
        """address: tcp:HOST:PORT or unix:PATH"""
        kind, _, rest = address.partition(":")
        end = time.monotonic() + seconds
        while True:
            try:
                if kind == "unix":
                    s = socket.socket(socket.AF_UNIX)
                    s.connect(rest)
                else:
                    host, _, port = rest.rpartition(":")
                    s = socket.create_connection((host, int(port)), 5)
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return cls(s, greet)
            except (ConnectionRefusedError, FileNotFoundError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def close(self):
        self.s.close()

    def raw(self, data):
        self.s.sendall(data)

    def read(self, seconds=5.0):
        """The next message as bytes; TimeoutError, Closed"""
        end = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= 8:
                size = struct.unpack("!H", self.buffer[2:4])[0]
                if len(self.buffer) >= size:
                    m, self.buffer = self.buffer[:size], self.buffer[size:]
                    if m[1] == 2:  # echo request
                        self.raw(bytes([m[0], 3]) + m[2:])
                        continue
                    return m
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError("no message")
            self.s.settimeout(left)
            try:
                data = self.s.recv(65536)
            except socket.timeout:
                raise TimeoutError("no message") from None
            except ConnectionResetError:
                raise Closed() from None
            if not data:
                raise Closed()
            self.buffer += data

    def expect(self, wanted, seconds=5.0):
        """The next message, as bytes, that wanted(bytes) is true of; others that nobody asked for are kept in .asynchronous"""
        end = time.monotonic() + seconds
        while True:
            m = self.read(max(0.001, end - time.monotonic()))
            if wanted(m):
                return m
            self.asynchronous.append(m)

    def next_xid(self):
        self.xid += 1
        return self.xid

    def send(self, msg):
        """msg: of os-ken. returns its xid"""
        msg.xid = None  # it may have been sent before
        msg.set_xid(self.next_xid())
        msg.serialize()
        self.raw(bytes(msg.buf))
        return self.xid

    def send_raw(self, kind, body, version=4, length=None):
        """A message of our own making. returns its xid"""
        xid = self.next_xid()
        self.raw(struct.pack("!BBHI", version, kind, 8 + len(body) if length is None else length, xid) + body)
        return xid

    def barrier(self):
        """returns the messages before the reply, as bytes"""
        xid = self.send(of.OFPBarrierRequest(DP))
        before, self.asynchronous = self.asynchronous, []
        while True:
            m = self.read(10)
            if m[1] == ofp.OFPT_BARRIER_REPLY and xid_of(m) == xid:
                return before
            before.append(m)

    def errors(self, *messages):
        """Send them, wait for the barrier. returns [(type, code)] of the errors that they earned"""
        xids = [m(self) if callable(m) else self.send(m) for m in messages]
        out = []
        for m in self.barrier():
            if m[1] == ofp.OFPT_ERROR and xid_of(m) in xids:
                out.append(struct.unpack("!HH", m[8:12]))
            else:
                self.asynchronous.append(m)
        return out

    def ok(self, *messages):
        bad = self.errors(*messages)
        if bad:
            raise AssertionError("refused: %s" % ", ".join("type %d code %d" % e for e in bad))

    def ask(self, msg):
        """All replies to a request, multipart ones joined: a list of os-ken messages"""
        xid, out = self.send(msg), []
        while True:
            m = self.expect(lambda m: xid_of(m) == xid)
            parsed = parse(m)
            out.append(parsed)
            if m[1] != ofp.OFPT_MULTIPART_REPLY or not parsed.flags & 1:
                return out

    def body(self, msg):
        """The entries of a multipart reply"""
        out = []
        for m in self.ask(msg):
            if isinstance(m, of.OFPErrorMsg):
                raise AssertionError("refused: type %d code %d" % (m.type, m.code))
            out += m.body if isinstance(m.body, list) else [m.body]
        return out


def xid_of(m):
    return struct.unpack("!I", m[4:8])[0]


def parse(m):
    version, kind, size, xid = ofproto_parser.header(m)
    return ofproto_parser.msg(DP, version, kind, size, xid, m)


# --- Short words for what tests say often

def match(**fields):
    return of.OFPMatch(**fields)


def flow(fields=None, instructions=(), **more):
    more.setdefault("priority", 100)
    m = of.OFPMatch(**(fields or {}))
    more = dict({"out_port": ofp.OFPP_ANY, "out_group": ofp.OFPG_ANY}, **more)
    return of.OFPFlowMod(DP, match=m, instructions=list(instructions), **more)


def delete_all():
    return [flow(command=ofp.OFPFC_DELETE, table_id=ofp.OFPTT_ALL),
            of.OFPGroupMod(DP, ofp.OFPGC_DELETE, 0, ofp.OFPG_ALL, []),
            of.OFPMeterMod(DP, ofp.OFPMC_DELETE, 0, ofp.OFPM_ALL, [])]


def apply(*actions):
    return of.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, list(actions))


def write(*actions):
    return of.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, list(actions))


def output(port, max_len=0xFFFF):
    return of.OFPActionOutput(port, max_len)


def goto(table):
    return of.OFPInstructionGotoTable(table)


def mark_rule(n_ports, in_port=1, table=0):
    """What carries the marks of frames.Bench: to every port, back where it came from too"""
    return flow({"eth_type": 0x88B5}, [apply(*[output(p) for p in range(1, n_ports + 1) if p != in_port], output(ofp.OFPP_IN_PORT))], priority=65535, table_id=table)
