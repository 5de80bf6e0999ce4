"""Frames on Linux devices, byte for byte: the kernel takes the outer tag off what a packet socket receives, and it is put back here."""
import select, socket, struct, time

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 3, 263, 8, 4
VLAN_VALID, TPID_VALID = 0x10, 0x40


class Link:
    def __init__(self, dev):
        self.dev = dev
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.s.bind((dev, ETH_P_ALL))
        self.s.setblocking(False)

    def send(self, frame):
        while True:
            try:
                self.s.send(frame)
                return
            except (BlockingIOError, OSError) as e:
                if isinstance(e, OSError) and e.errno not in (11, 105):  # the device's queue is full
                    raise
                time.sleep(0.0005)

    def recv(self):
        """The next frame that came in, or None"""
        while True:
            try:
                data, anc, _, where = self.s.recvmsg(65536, 256)
            except BlockingIOError:
                return None
            if where[2] == PACKET_OUTGOING:
                continue
            for level, kind, aux in anc:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", aux[:20])
                    if status & VLAN_VALID:
                        data = data[:12] + struct.pack("!HH", tpid if status & TPID_VALID else 0x8100, tci) + data[12:]
            return data

    def drain(self):
        while self.recv() is not None:
            pass


MARK_TYPE = 0x88B5  # "local experimental": no test matches on it


class Bench:
    """Links of a switch that has a rule for marks (mark_rule): what came before a mark has arrived when the mark has."""

    def __init__(self, devices, pause=0.0):
        """pause: before a mark, for a switch that reorders within a batch (OVS does, across flows)"""
        self.pause = pause
        self.links = {i: Link(d) for i, d in enumerate(devices, 1)}
        self.n = 0

    def mark(self, port):
        self.n += 1
        frame = b"\x02\0\0\0\0\xfe\x02\0\0\0\0\xfd" + struct.pack("!HI", MARK_TYPE, self.n)
        frame += b"mark".ljust(60 - len(frame), b".")
        self.links[port].send(frame)
        return frame

    def through(self, frames, port=1, seconds=3.0):
        """Send frames into `port`. returns {port: [frames that came out]}; raises when marks do not come through"""
        for f in frames:
            self.links[port].send(f)
        out = {i: [] for i in self.links}
        if self.pause:
            # A switch that reorders may send this mark before frames of its batch, but the next one only after them.
            time.sleep(self.pause)
            self._until_mark(port, out, seconds)
        self._until_mark(port, out, seconds)
        return out

    def _until_mark(self, port, out, seconds):
        mark = self.mark(port)
        waiting, end = set(self.links), time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            ready, _, _ = select.select([self.links[i].s for i in waiting], [], [], max(0, end - time.monotonic()))
            for i in [i for i in waiting if self.links[i].s in ready]:
                while True:
                    f = self.links[i].recv()
                    if f is None:
                        break
                    if f == mark:
                        waiting.discard(i)
                        break
                    if f[12:14] != struct.pack("!H", MARK_TYPE):
                        out[i].append(f)
        if waiting:
            raise TimeoutError("the mark did not come out of port %s" % ", ".join(map(str, sorted(waiting))))
