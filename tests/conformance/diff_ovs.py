#!/usr/bin/python3
"""Random flow tables and frames on Weir and on Open vSwitch's userspace datapath, side by side: the same must come out of the same ports.

    diff_ovs.py [--tables N] [--frames N] [--seed S] [--at-once N] [--targets weir,ovs] [--verbose]

Sets of tables (diff_generate.py), --at-once of them in one switch, kept apart by a byte of the frames' addresses. Compared are the errors that
messages earn, the rules that are there after modifications and deletions (dump-flows), the frames that leave each port, bit by bit, and the
packet-ins with all they say. frames: per set and port. `--targets ovs,ovs` holds OVS against itself, to try the lab. What is known to differ is
not generated, and why stands at AVOIDED. A difference prints the seed of its set; `--seed S --tables 1 --verbose` repeats it alone and prints the
rules as ovs-ofctl does and how OVS came to what it did. Exit code: 0 = none."""
import argparse, collections, os, random, socket, struct, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import lab  # noqa: E402
import diff_teach  # noqa: E402
from diff_frames import SELECTED  # noqa: E402
from diff_generate import AVOIDED, N_BLOCKS, N_PORTS, Set  # noqa: E402
from diff_wire import (BARRIER, BARRIER_REPLY, CONTROLLER, ERROR, IN_PORT, MULTIPART_REPLY, NORMAL, PACKET_IN, actions, delete_all, dump_flows, flow_mod, flows_of, numbered,
                       output, packet_in_of)  # noqa: E402

MARK_TYPE, MARK_RULE = 0x88B5, 1 << 40
TAP_PACKET_INS = {"packet-in": {"rate": 0, "burst": 1000000}}
REMEMBER = {"weir-system:system": {"mac-ageing": 3600}}
NO_COOKIE = (1 << 64) - 1


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--tables", type=int, default=100)
    p.add_argument("--frames", type=int, default=5, help="per set and port")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--at-once", type=int, default=40, help="sets in the switch at a time, 80 at most")
    p.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    p.add_argument("--targets", default="weir,ovs")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


class Side:
    """One switch with its ports and its connection"""

    def __init__(self, which, the_lab, n):
        import client
        import frames
        self.which, self.lab, self.n = which, the_lab, n
        where = "tcp:127.0.0.1:%d" % (6660 + n)
        if which == "ovs":
            far, near = ["o%d%d" % (n, i) for i in range(1, N_PORTS + 1)], ["p%d%d" % (n, i) for i in range(1, N_PORTS + 1)]
            for a, b in zip(near, far):
                the_lab.veth(a, b)
            the_lab.ovs_bridge("oracle%d" % n, 10 + n, near, lab.passive(where))
            the_lab.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
            the_lab.vsctl("set", "bridge", "oracle%d" % n, "other_config:mac-aging-time=3600")
            the_lab.appctl("upcall/disable-megaflows")  # see AVOIDED
        else:
            far = ["w%d%d" % (n, i) for i in range(1, N_PORTS + 1)]
            the_lab.weir(far, listen=where, dpid=10 + n, openflow=TAP_PACKET_INS, more=REMEMBER, name="weir%d" % n)
            self.socket = the_lab.weir_socket
        self.bench = frames.Bench(far, 0.002 if which == "ovs" else 0)
        for link in self.bench.links.values():
            link.s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self.c = client.Client.to(where)
        self.c.s.settimeout(20)
        # OVS: fragments as nx-match, see AVOIDED. All packet-ins, those of invalid TTLs too.
        self.c.send_raw(9, struct.pack("!HH", 3 if which == "ovs" else 0, 0xFFFF))
        self.c.send_raw(28, struct.pack("!IIIIII", 7, 7, 7, 7, 15, 15))
        self.packet_ins = []

    def send(self, data):
        try:
            self.c.raw(data)
        except OSError as e:
            raise lab.LabError("%s has ended: %s" % (self.which, e)) from None

    def until_barrier(self, xid):
        """returns what came before the reply: {xid: error}, [multipart replies]"""
        errors, replies = {}, []
        while True:
            try:
                m = self.c.read(20)
            except Exception as e:
                raise TimeoutError("%s: %s %s" % (self.which, type(e).__name__, e)) from None
            kind, said = m[1], struct.unpack("!I", m[4:8])[0]
            if kind == BARRIER_REPLY and said == xid:
                return errors, replies
            if kind == ERROR:
                errors[said] = struct.unpack("!HH", m[8:12])
            elif kind == MULTIPART_REPLY:
                replies.append(m)
            elif kind == PACKET_IN:
                self.packet_ins.append(m)

    def through(self, frames, port):
        """returns {port: [frames], "packet-ins": [what they say]}. The mark is one, too, and the last"""
        try:
            out = self.bench.through(frames, port, 10)
        except TimeoutError as e:
            raise TimeoutError("%s: %s" % (self.which, e)) from None
        mark, told = struct.pack("!HI", MARK_TYPE, self.bench.n), []
        while True:
            waiting, self.packet_ins = self.packet_ins or [self.c.expect(lambda m: m[1] == PACKET_IN, 20)], []
            for m in waiting:
                said = packet_in_of(m)
                if said[-1][12:18] == mark:
                    out["packet-ins"] = told
                    return out
                if said[-1][12:14] != mark[:2]:
                    told.append(said)


def mark_rules():
    return [flow_mod({"eth_type": MARK_TYPE, "in_port": i}, [actions(4, [output(IN_PORT if p == i else p) for p in range(1, N_PORTS + 1)] + [output(CONTROLLER)])],
                     priority=65535, cookie=MARK_RULE) for i in range(1, N_PORTS + 1)]


def both(sides, messages):
    """Send to both, then wait for both. returns [(errors, replies)]"""
    last = len(messages) + 1
    data = b"".join(numbered(m, 1 + i) for i, m in enumerate(messages)) + numbered(BARRIER, last)
    for s in sides:
        s.send(data)
    return [s.until_barrier(last) for s in sides]


def differ(a, b):
    """Two lists as multisets. returns those only in a, those only in b"""
    a, b = collections.Counter(a), collections.Counter(b)
    return list((a - b).elements()), list((b - a).elements())


def is_like(x, y, of_packet_out):
    """Two packet-ins. What OVS says that the specification does not know is any (AVOIDED)"""
    return ((x[0] == y[0] or of_packet_out) and (x[1] == y[1] or 0 in (x[1], y[1])) and (x[2] == y[2] or NO_COOKIE in (x[2], y[2])) and x[3:] == y[3:])


def differ_told(a, b, of_packet_out):
    only_a, only_b = differ(a, b)
    for x in list(only_a):
        for y in only_b:
            if is_like(x, y, of_packet_out):
                only_a.remove(x)
                only_b.remove(y)
                break
    return only_a, only_b


def text_of(x):
    if isinstance(x, bytes):
        return x.hex()
    return "(%s)" % ", ".join(text_of(i) for i in x) if isinstance(x, (tuple, list)) else str(x)


def frame_part(f):
    """Whose frame? Addresses are always a set's own"""
    f = f[-1] if isinstance(f, tuple) else f
    return f[8]


class Round:
    """Some sets at once"""

    def __init__(self, sides, seeds, n_frames):
        self.sides, self.n_frames, self.bad = sides, n_frames, {}
        self.sets = [Set(random.Random(seed), seed, part, len(seeds) <= N_BLOCKS) for part, seed in enumerate(seeds)]
        self.n_out = self.n_in = 0

    def note(self, part, what):
        if part < len(self.sets):
            self.bad.setdefault(self.sets[part].seed, what)
        else:
            self.bad.setdefault(-1, what)

    def note_all(self, what, only):
        """only: of either side, [(what it said, whose)]"""
        for part in sorted({part for some in only for _, part in some}):
            first, second = ([text_of(x) for x, whose in some if whose == part] for some in only)
            self.note(part, "%s: only the first %s; only the second %s" % (what, first[:3], second[:3]))

    def load(self):
        messages, owners = delete_all() + mark_rules(), []
        owners += [None] * len(messages)
        for s in self.sets:
            messages += s.messages
            owners += [s] * len(s.messages)
        (a, _), (b, _) = both(self.sides, messages)
        for xid in sorted(set(a) | set(b)):
            if a.get(xid) != b.get(xid):
                self.note(owners[xid - 1].part, "errors %s and %s for %s" % (a.get(xid), b.get(xid), describe([messages[xid - 1]])))
        for s in self.sides:
            if s.which == "ovs":
                s.lab.appctl("revalidator/purge")

    def compare_rules(self):
        (_, a), (_, b) = both(self.sides, [dump_flows(0, 0)])
        only = differ(flows_of(a), flows_of(b))
        self.note_all("rules", [[(r, r[2] >> 16) for r in some] for some in only])

    def packet_outs(self):
        outs = []
        for s in self.sets:
            outs += s.some_packet_outs(1 << 24 | len(outs))
        errors = both(self.sides, outs)
        if errors[0][0] != errors[1][0]:
            self.note(len(self.sets), "packet-outs: errors %s and %s" % (errors[0][0], errors[1][0]))
        self.n_in += len(outs)
        self.compare([], 1, True)

    def frames(self, port):
        frames = []
        for s in self.sets:
            at = len(frames)
            frames += s.frames(at, self.n_frames, port)
        random.Random(port).shuffle(frames)
        self.n_in += len(frames)
        self.compare(frames, port, False)

    def compare(self, frames, port, of_packet_outs):
        """What comes out when these come in, and what was on its way"""
        got = [s.through(frames, port) for s in self.sides]
        self.n_out += sum(map(len, got[1].values()))
        selected = [self.selected(s.which, some, of_packet_outs) for s, some in zip(self.sides, got)]
        for p in list(got[0]):
            only = differ_told(got[0][p], got[1][p], of_packet_outs) if p == "packet-ins" else differ(got[0][p], got[1][p])
            self.note_all("%s %s" % ("packet-outs, port" if of_packet_outs else "port", p), [[(f, frame_part(f)) for f in some] for some in only])

        only = differ(*selected)
        self.note_all("SELECT", [[(f, frame_part(f)) for f in some] for some in only])

    def selected(self, which, got, of_packet_outs):
        """Take the frames that a SELECT group's bucket made out of `got`: they must be what it says. returns them as if there were one bucket"""
        out = []
        for p in [p for p in got if p != "packet-ins"]:
            mine = collections.Counter(f for f in got[p] if f[:2] == SELECTED)
            got[p] = [f for f in got[p] if f[:2] != SELECTED]
            for f, n in mine.items():
                if f[3] == 0 or f[5] != p:
                    self.note(frame_part(f), "%s: port %d: not what a bucket of weight %d to port %d does: %s" % (which, p, f[3], f[5], f.hex()))
                if n % 2 and not of_packet_outs:
                    self.note(frame_part(f), "%s: port %d: frames of a flow took different buckets: %s" % (which, p, f.hex()))
                out += [SELECTED + bytes(4) + f[6:]] * n
        return out

    def run(self):
        """returns {seed: how it differs}"""
        try:
            self.load()
            self.compare_rules()
            self.packet_outs()
            for port in (1, 2):
                self.frames(port)
        except (AssertionError, TimeoutError) as e:
            self.note(len(self.sets), "%s: %s" % (type(e).__name__, e))
        return self.bad

    def explain(self):
        """Of a set alone: its rules, and what OVS does with the frame that differs"""
        for s in self.sets:
            print("    traits: %s\n%s" % (s.traits, describe(s.messages)))


def describe(messages):
    """As ovs-ofctl says it"""
    out = []
    for m in messages:
        r = subprocess.run(["ovs-ofctl", "ofp-print", m.hex()], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        out.append("    " + r.stdout.decode(errors="replace").strip())
    return "\n".join(out)


def main():
    args = arguments()
    lab.own_namespace()
    n_different, n_in, n_out, done = 0, 0, 0, 0
    with lab.Lab() as the_lab:
        sides = [Side(which, the_lab, i) for i, which in enumerate(args.targets.split(","), 1)]
        both(sides, delete_all() + mark_rules() + [flow_mod({}, [actions(4, [output(NORMAL)])])])
        diff_teach.teach(sides, min(args.at_once, args.tables))
        started = time.monotonic()  # a busy machine takes its time to begin, and that is no comparison
        while done < args.tables and n_different < 20 and time.monotonic() - started < args.seconds:
            n = min(args.at_once, args.tables - done)
            now = Round(sides, range(args.seed + done, args.seed + done + n), args.frames)
            for seed, how in sorted(now.run().items()):
                n_different += 1
                print("DIFFERENT seed %s: %s" % (seed if seed >= 0 else "of %d-%d" % (args.seed + done, args.seed + done + n - 1), how), flush=True)
            if args.verbose and n == 1:
                now.explain()
            done, n_in, n_out = done + n, n_in + now.n_in, n_out + now.n_out
    seconds = time.monotonic() - started
    if n_in == 0 or n_out < n_in // 2:
        print("DIFFERENT only %d frames came out of %d: this shows nothing" % (n_out, n_in))
        n_different += 1
    print("%d tables, %d frames in, %d out, seeds %d-%d: %d different (%.0f s, %.0f tables/s). Not generated:\n%s" % (
        done, n_in, n_out, args.seed, args.seed + done - 1, n_different, seconds, done / seconds, AVOIDED))
    return 1 if n_different else 0


if __name__ == "__main__":
    lab.run(main)
