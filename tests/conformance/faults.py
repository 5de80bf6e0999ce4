#!/usr/bin/python3
"""Controllers that are lost, flap, fight, flood, lie and do not read, while guests talk over installed flows: no frame is lost, a good
controller is answered all the while, memory and descriptors are as after the first round; then kill -9, SIGTERM and fail modes."""
import argparse, itertools, json, os, random, re, resource, signal, socket, ssl, struct, subprocess, sys, threading, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import lab

PORT, TLS, GOOD, BAD = 6700, 6701, 6702, 6703
A, B = 11, 12  # OpenFlow ports of the guests that talk
COOKIE = 0x600D
ONE_MIB = 1 << 20


def die(text, *args):
    raise AssertionError(text % args)


# --- Controllers of the switch, which connects to them

class Listening(threading.Thread):
    """Serves one connection after the other: a subclass says how."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listening = socket.create_server(("127.0.0.1", port))
        self.listening.settimeout(0.1)
        self.connections, self.stopped = 0, False
        self.start()

    def close(self):
        self.stopped = True
        self.listening.close()
        self.join()

    def run(self):
        while not self.stopped:
            try:
                s, _ = self.listening.accept()
            except (socket.timeout, OSError):
                continue
            self.serve(s)
            s.close()


class Good(Listening):
    """It asks for a barrier all the time."""

    def __init__(self, port):
        self.waits, self.packet_ins, self.lost = [], {}, None
        super().__init__(port)

    def serve(self, s):
        import client
        try:
            self.ask(client.Client(s))
        except (client.Closed, TimeoutError, OSError) as e:
            self.lost = repr(e)

    def ask(self, c):
        import client
        self.connections += 1
        while not self.stopped:
            began = time.monotonic()
            for m in c.barrier() + c.asynchronous:
                if m[1] == 10:
                    port = client.parse(m).match["in_port"]
                    self.packet_ins[port] = self.packet_ins.get(port, 0) + 1
            c.asynchronous = []
            self.waits.append(time.monotonic() - began)
            time.sleep(0.01)


class Bad(Listening):
    """It drops each connection at another point, or reads by the drop."""

    def __init__(self, port):
        self.slow = False
        super().__init__(port)

    def serve(self, s):
        import client
        self.connections += 1
        s.settimeout(0.2)
        try:
            s.sendall(client.HELLO)
            while self.slow and not self.stopped and s.recv(256):
                time.sleep(0.05)
            s.recv(64)
        except (OSError, socket.timeout):
            pass


# --- Connections that end at each point

class Attack:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def to(self, greet=True, port=PORT):
        import client
        c = client.Client.to("tcp:127.0.0.1:%d" % port, greet)
        if self.random.random() < 0.5:  # a reset rather than an end
            c.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return c

    def before_hello(self):
        self.to(False).close()

    def half_hello(self):
        import client
        c = self.to(False)
        c.raw(client.HELLO[:self.random.randrange(1, len(client.HELLO))])
        c.close()

    def in_tls_handshake(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        out = ssl.MemoryBIO()
        try:
            context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = out.read()
        c = self.to(False, TLS)
        c.raw(hello[:self.random.randrange(1, len(hello) + 1)] if self.random.random() < 0.7 else os.urandom(200))
        c.close()

    def mid_message(self):
        import client
        m = client.flow(command=client.ofp.OFPFC_DELETE, table_id=0xFF)
        m.set_xid(1)
        m.serialize()
        c = self.to()
        c.raw(bytes(m.buf[:self.random.randrange(1, len(m.buf))]))
        c.close()

    def bundle_bytes(self, kind, body):
        return struct.pack("!II", 0x4F4E4600, kind) + body

    def mid_bundle(self, n=3):
        """What would end all flows, were it committed"""
        import client
        c = self.to()
        for number in range(1, n):
            c.send_raw(4, self.bundle_bytes(2300, struct.pack("!IHH", number, 0, 3)))
            for _ in range(n):
                m = client.flow(command=client.ofp.OFPFC_DELETE, table_id=0xFF)
                m.set_xid(c.xid + 1)
                m.serialize()
                c.send_raw(4, self.bundle_bytes(2301, struct.pack("!IHH", number, 0, 3) + bytes(m.buf)))
        if self.random.random() < 0.5:
            c.send_raw(4, self.bundle_bytes(2300, struct.pack("!IHH", 1, 2, 3)))  # closed, not committed
            c.barrier()
        c.close()

    def barrier_pending(self):
        import client
        c = self.to()
        for i in range(20):
            c.send(client.flow({"eth_type": 0x800, "ipv4_dst": "10.%d.0.1" % i}, [client.apply(client.output(A))], table_id=9))
        c.send(client.of.OFPBarrierRequest(client.DP))
        c.close()

    def half_dump(self):
        import client
        c = self.to()
        c.send(client.of.OFPFlowStatsRequest(client.DP, 0, 0xFF, client.ofp.OFPP_ANY, client.ofp.OFPG_ANY, 0, 0, client.of.OFPMatch()))
        c.s.recv(self.random.randrange(1, 200))
        c.close()

    def as_master(self):
        import client
        c = self.to()
        c.send(client.of.OFPRoleRequest(client.DP, client.ofp.OFPCR_ROLE_MASTER, self.random.getrandbits(8)))
        c.close()

    def frames_under_way(self):
        import client
        c = self.to()
        for _ in range(20):
            c.send(client.of.OFPPacketOut(client.DP, client.ofp.OFP_NO_BUFFER, client.ofp.OFPP_CONTROLLER, [client.output(1)], bytes(60)))
        c.close()

    STATES = (before_hello, half_hello, in_tls_handshake, mid_message, mid_bundle, barrier_pending, half_dump, as_master, frames_under_way)

    def flap(self, n):
        """returns how often one was turned away, since those before were still being closed; it comes again"""
        import client
        turned = 0
        for i in range(n):
            while True:
                try:
                    self.STATES[i % len(self.STATES)](self)
                    break
                except (OSError, client.Closed) as e:
                    turned += 1
                    turned <= n or die("connections are turned away: %r", e)
                    time.sleep(0.02)
        return turned

    # --- Fights

    def fight(self):
        """Several want to be the master, with generation ids that are newer, stale, and wrap"""
        import client
        master, slave = client.ofp.OFPCR_ROLE_MASTER, client.ofp.OFPCR_ROLE_SLAVE
        many = [self.to() for _ in range(4)]
        first = many[0].ask(client.of.OFPRoleRequest(client.DP, client.ofp.OFPCR_ROLE_NOCHANGE, 0))[0].generation_id
        at = 0 if first == 2**64 - 1 else first
        stale = 0
        for step in (1, 1, 2**62, 2**62, 2**62, 2**62, -1, 5, -5):
            number = (at + step) % 2**64
            for c in many:
                role = self.random.choice((master, slave))
                reply = c.ask(client.of.OFPRoleRequest(client.DP, role, number))[0]
                if step < 0:
                    stale += 1
                    (reply.msg_type, reply.type if reply.msg_type == 1 else 0, reply.code if reply.msg_type == 1 else 0) == (1, 11, 0) or die("a stale generation id was taken: %s", reply)
                elif reply.msg_type == 1 or reply.role != role:
                    die("role %d with generation id %d was refused: %s", role, number, reply)
            if step > 0:
                at = number
            for c in many[:1]:
                c.ask(client.of.OFPRoleRequest(client.DP, master, at))
            if many[1].ask(client.of.OFPRoleRequest(client.DP, client.ofp.OFPCR_ROLE_NOCHANGE, 0))[0].role == master:
                die("there are two masters")
        for c in many:
            c.close()
        return stale

    # --- Bundles at their limits

    def bundles(self):
        """As many as there may be, filled until no more is taken; then the connection is gone"""
        import client
        c = self.to()
        for number in range(20):
            c.send_raw(4, self.bundle_bytes(2300, struct.pack("!IHH", number, 0, 3)))
        refused = sum(m[1] == 1 for m in c.barrier())
        refused == 4 or die("20 bundles were opened, and %d refused, not 4", refused)
        c.close()

    # --- Garbage

    def garbage(self, n):
        import client
        for i in range(n):
            c = self.to()
            kind = i % 7
            try:
                if kind == 0:
                    c.raw(self.random.randbytes(self.random.randrange(1, 4000)))
                elif kind == 1:  # a length that is none
                    c.raw(struct.pack("!BBHI", 4, self.random.randrange(40), self.random.randrange(8), 7))
                elif kind == 2:  # far more than comes
                    c.raw(struct.pack("!BBHI", 4, 14, 65535, 7) + bytes(self.random.randrange(30000)))
                elif kind == 3:  # another version amid the stream
                    c.raw(struct.pack("!BBHI", self.random.choice((1, 2, 3, 5, 6, 0, 255)), 14, 16, 7) + bytes(8))
                elif kind == 4:  # as large as they can be
                    for _ in range(4):
                        c.send_raw(2, bytes(65535 - 8))
                    for _ in range(4):
                        c.expect(lambda m: m[1] == 3 and len(m) == 65535)
                elif kind == 5:  # headers that are right, and random bytes behind
                    for _ in range(50):
                        c.send_raw(self.random.randrange(40), self.random.randbytes(self.random.choice((0, 1, 8, 16, 40, 56, 200))))
                else:
                    c.raw(struct.pack("!BBHI", 4, 20, 8, 9) * 500 + self.random.randbytes(40))
                c.s.settimeout(0.02)
                while c.s.recv(65536):
                    pass
            except (OSError, client.Closed):
                pass
            c.close()

    # --- Floods, and who does not read

    def flood(self, message, n):
        """n times the same bytes, read as they come, but no more"""
        c = self.to()
        last, heard = struct.pack("!BBHI", 4, 21, 8, 0xE0E0E0E0), []
        t = threading.Thread(target=lambda: heard.append(swallow(c.s, last)), daemon=True)
        t.start()
        for _ in range(0, n, 100):
            c.raw(message * 100)
        c.raw(last[:1] + b"\x14" + last[2:])
        t.join()
        heard == [True] or die("after a flood of messages of type %d no barrier was answered", message[1])
        c.close()

    def floods(self, n):
        import client
        outs = client.of.OFPPacketOut(client.DP, client.ofp.OFP_NO_BUFFER, client.ofp.OFPP_CONTROLLER, [client.output(1)], bytes(60))
        mods = client.flow({"eth_type": 0x800, "ipv4_dst": "10.0.0.1"}, [client.apply(client.output(A))], table_id=9)
        stats = client.of.OFPPortStatsRequest(client.DP, 0, client.ofp.OFPP_ANY)
        for m in (outs, mods, stats, client.of.OFPBarrierRequest(client.DP)):
            m.set_xid(1)
            m.serialize()
            self.flood(bytes(m.buf), n)
        self.flood(struct.pack("!BBHI", 4, 2, 1024, 7) + bytes(1016), n)

    def deaf(self):
        """It asks and never reads, until the switch takes no more"""
        import client
        c = self.to()
        m = client.of.OFPPortDescStatsRequest(client.DP, 0)
        m.set_xid(1)
        m.serialize()
        c.s.settimeout(0.3)
        sent = 0
        try:
            while sent < 64 * ONE_MIB:
                sent += c.s.send(bytes(m.buf) * 100)
        except OSError:
            return c
        die("a controller that reads nothing may ask for ever: %d bytes", sent)


def swallow(s, last):
    """Read until these bytes came. returns whether they did"""
    s.settimeout(20)
    tail = b""
    try:
        while not tail.endswith(last):
            data = s.recv(65536)
            if not data:
                return False
            tail = (tail + data)[-len(last):]
    except OSError:
        return False
    return True


# --- The lab

class Run:
    def __init__(self, the_lab, args):
        self.lab, self.args, self.attack = the_lab, args, Attack(args.seed)
        self.good = self.bad = self.client = None

    def certificates(self):
        d = self.lab.dir
        lab.sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=faults",
               "-keyout", d + "/key.pem", "-out", d + "/cert.pem")
        return {"private-key": d + "/key.pem", "certificate": d + "/cert.pem", "ca-certificate": d + "/cert.pem"}

    def switch(self):
        d = self.lab.dir
        guests = [{"name": n, "type": "weir-interfaces:guest", "weir-interfaces:port": {"socket": "%s/%s.guest" % (d, n), "of-port": p}}
                  for n, p in (("a", A), ("b", B))]
        of = {"enabled": True, "tls": self.certificates(), "packet-in": {"rate": 2000, "burst": 250},
              "controller": [{"name": n, "address": "127.0.0.1", "port": p, "inactivity-probe": 2, "max-backoff": 1} for n, p in (("good", GOOD), ("bad", BAD))],
              "listener": [{"name": "l", "address": "127.0.0.1", "port": PORT}, {"name": "t", "address": "127.0.0.1", "port": TLS, "protocol": "tls"}]}
        self.lab.weir(["f1", "f2"], guests=guests, more={"weir-openflow:openflow": of})

    def to(self):
        import client
        return client.Client.to("tcp:127.0.0.1:%d" % PORT)

    def install(self):
        import client
        c = self.to()
        out, more = client.output, {"cookie": COOKIE, "priority": 1000}
        c.ok(*client.delete_all(),
             client.of.OFPGroupMod(client.DP, client.ofp.OFPGC_ADD, client.ofp.OFPGT_INDIRECT, 1, [client.of.OFPBucket(actions=[out(B)])]),
             client.flow({"in_port": A}, [client.goto(1)], **more), client.flow({"in_port": A}, [client.apply(client.of.OFPActionGroup(1))], table_id=1, **more),
             client.flow({"in_port": B}, [client.apply(out(A))], **more),
             client.flow({}, [client.apply(out(client.ofp.OFPP_CONTROLLER, 0xFFFF))], priority=0))
        c.close()

    def facts(self):
        """What has to outlive all of it: flows, and who the switch and its ports are"""
        import client
        c = self.to()
        flows = sorted((f.table_id, f.priority, str(f.match), str(f.instructions)) for f in c.body(client.of.OFPFlowStatsRequest(
            client.DP, 0, 0xFF, client.ofp.OFPP_ANY, client.ofp.OFPG_ANY, COOKIE, 2**64 - 1, client.of.OFPMatch())))
        who = c.ask(client.of.OFPFeaturesRequest(client.DP))[0].datapath_id
        ports = sorted((p.port_no, p.name) for p in c.body(client.of.OFPPortDescStatsRequest(client.DP, 0)))
        c.close()
        return flows, (who, ports)

    def used(self):
        """Descriptors and resident bytes, once what was closed has gone"""
        pid, last = self.lab.weir_process.pid, None
        for _ in range(100):
            now = len(os.listdir("/proc/%d/fd" % pid))
            if now == last:
                break
            last = now
            time.sleep(0.25)
        with open("/proc/%d/statm" % pid) as f:
            return last, int(f.read().split()[1]) * resource.getpagesize()

    def state(self):
        return json.loads(self.lab.weir_says("--json", "show", "openflow"))["weir-openflow:openflow-state"]

    # --- Traffic

    def traffic(self):
        d = self.lab.dir
        self.gen = self.lab.start("pktgen", [lab.BUILD + "/tools/weir-pktgen", "--events", "--json", d + "/traffic.json", "port=vhost:%s/a.guest" % d,
                                             "port=vhost:%s/b.guest" % d, "size=imix", "flows=50", "verify=on", "queue-size=1024", "rate=1kpps", "warm-up=0s",
                                             "duration=3600s", "expect=lossless"])
        lab.until("traffic over the flows", 20, lambda: "measuring" in self.lab.log_of("pktgen") or self.gen.poll() is not None)

    def traffic_end(self):
        self.gen.send_signal(signal.SIGINT)
        self.gen.wait(20)
        with open(self.lab.dir + "/traffic.json") as f:
            s = json.load(f)["streams"]
        print("  traffic: %d frames received, %d lost" % (sum(x["rx_pkts"] for x in s), sum(x["lost_pkts"] for x in s)))
        if self.gen.returncode != 0 or sum(x["rx_pkts"] for x in s) < 1000:
            die("traffic over installed flows: exit code %d, %s", self.gen.returncode, s)

    def storm(self, seconds):
        """Frames of random headers from one port as fast as they come, few from another: each meets the rule to the controllers"""
        import frames
        links = {p: frames.Link("f%d" % p) for p in (1, 2)}
        r = random.Random(self.args.seed)
        before = self.state()["packet-in"]
        seen, sent, quiet = dict(self.good.packet_ins), 0, 0
        met, self.bad.slow = self.bad.connections, True
        lab.until("the slow controller is there", 5, lambda: self.bad.connections > met)
        began = time.monotonic()
        end = began + seconds
        while time.monotonic() < end:
            for _ in range(50):
                links[1].send(r.randbytes(6) + b"\x02" + r.randbytes(5) + r.choice((b"\x08\0", b"\x86\xdd", b"\x08\x06", r.randbytes(2))) + r.randbytes(r.randrange(46, 1400)))
                sent += 1
            if time.monotonic() - began > quiet / 20:
                links[2].send(bytes.fromhex("020000000001020000000002") + b"\x88\xb6" + bytes(46))
                quiet += 1
        time.sleep(0.3)
        got = {p: self.good.packet_ins.get(p, 0) - seen.get(p, 0) for p in (1, 2)}
        now, self.bad.slow = self.state(), False
        spared = sum(int(c["packet-ins-dropped"]) for c in now["connection"] if c["name"] == "bad")
        over = int(now["packet-in"]["over-rate"]) - int(before["over-rate"])
        taken = sum(int(now["packet-in"][k]) - int(before[k]) for k in ("sent", "over-rate", "queue-full", "no-buffer"))
        print("  storm: %d frames from one port, of which %d reached the controller, %d over the rate; of %d from a quiet port %d did; the slow one was spared %d" % (
            sent, got[1], over, quiet, got[2], spared))
        got[2] == quiet or die("of %d frames from a quiet port %d reached the controller", quiet, got[2])
        over > 0 and got[1] > 0 or die("the storm was not held back: %d over the rate, %d sent", over, got[1])
        spared > 0 or die("nothing was dropped for a controller that reads 5 kB/s")
        over < taken <= sent + quiet or die("%d frames were sent, %d are accounted for", sent + quiet, taken)  # a tap may drop some before the switch

    def questions(self, n_flows=4000, n_clients=6, each=200):
        """Clients ask what takes long to look up: of their messages no more than a few are taken between two answers to a tool"""
        import client
        c, of = self.to(), client.of
        m = client.flow({}, [], table_id=9)
        stats = of.OFPAggregateStatsRequest(client.DP, 0, 9, client.ofp.OFPP_ANY, client.ofp.OFPG_ANY, 0, 0, of.OFPMatch())
        last = of.OFPBarrierRequest(client.DP)
        for x in (m, stats, last):
            x.set_xid(0xE0E0E0E0)
            x.serialize()
        c.raw(b"".join(bytes(m.buf[:30]) + struct.pack("!H", i) + bytes(m.buf[32:]) for i in range(n_flows)))  # by priority
        c.barrier()
        many, heard, taken = [self.to() for _ in range(n_clients)], [], []
        readers = [threading.Thread(target=lambda k=k: heard.append(swallow(k.s, struct.pack("!BBHI", 4, 21, 8, 0xE0E0E0E0))), daemon=True) for k in many]
        for k, t in zip(many, readers):
            t.start()
            k.raw(bytes(stats.buf) * each + bytes(last.buf))
        # A tool's requests are done one in each turn of the loop.
        with socket.socket(socket.AF_UNIX) as tool:
            tool.connect(self.lab.weir_socket)
            tool.settimeout(20)
            tool.sendall(b'{"weir-operations:get-state":{"part":"openflow"}}\n' * 20)
            for line in itertools.islice(tool.makefile(), 20):
                state = json.loads(line)["data"]["weir-openflow:openflow-state"]
                taken.append(sum(int(x["messages-in"]) for x in state["connection"] if x["name"].startswith("l-")))
        for t in readers:
            t.join()
        heard == [True] * n_clients or die("questions were not answered: %s", heard)
        most = max(b - a for a, b in zip(taken, taken[1:]))
        taken[-1] > taken[0] or die("the tool was answered when all was over")
        most <= 150 or die("%d questions about %d flows each are taken in one turn of the loop", most, n_flows)
        print("  %d clients asked about %d flows each time: at most %d of their questions came between two of a tool" % (n_clients, n_flows, most))
        c.ok(client.flow(command=client.ofp.OFPFC_DELETE, table_id=9))
        for k in many + [c]:
            k.close()

    # --- Parts

    def round(self, n_flaps, size):
        at = time.monotonic()

        def told(what):
            nonlocal at
            print("  %-32s %5.1f s" % (what, time.monotonic() - at), flush=True)
            at = time.monotonic()
        turned = self.attack.flap(n_flaps)
        told("%d flaps, %d came twice" % (n_flaps, turned))
        deaf = [self.attack.deaf()]
        self.attack.fight()
        self.attack.bundles()
        told("fights, bundles, a deaf one")
        self.attack.garbage(7 * size)
        told("garbage")
        self.attack.floods(1000 * size)
        told("floods")
        self.storm(size)
        at = time.monotonic()
        self.questions()
        told("questions")
        for c in deaf:
            c.close()
        if self.lab.weir_process.poll() is not None:
            die("the switch is gone: %s", self.lab.log_of("weir")[-2000:])

    def faults(self):
        self.good, self.bad = Good(GOOD), Bad(BAD)
        self.switch()
        self.install()
        self.traffic()
        lab.until("the good controller is connected", 10, lambda: self.good.waits)
        flows, who = self.facts()
        len(flows) == 3 or die("flows are not as installed: %s", flows)
        self.round(len(Attack.STATES), 1)
        before = self.used()
        self.round(self.args.flaps, self.args.size)
        after = self.used()
        waits = sorted(self.good.waits)
        print("  the good controller: %d barriers, median %.1f ms, 99 %% %.1f ms, longest %.1f ms; the bad one was met %d times" % (
            len(waits), waits[len(waits) // 2] * 1e3, waits[len(waits) * 99 // 100] * 1e3, waits[-1] * 1e3, self.bad.connections))
        print("  descriptors %d, then %d; memory %.1f MiB, then %.1f" % (before[0], after[0], before[1] / ONE_MIB, after[1] / ONE_MIB))
        self.good.connections == 1 or die("the good controller was dropped: %s", self.good.lost)
        self.bad.connections > 2 or die("the bad controller was not tried again")
        after[0] <= before[0] + 1 or die("descriptors: %d before, %d after", before[0], after[0])
        after[1] <= before[1] + self.args.memory * ONE_MIB or die("memory: %d bytes before, %d after", before[1], after[1])
        self.facts() == (flows, who) or die("flows or ports are not as before: %s", self.facts())
        # The last controller goes: tables stay as they are.
        self.good.close()
        self.bad.close()
        time.sleep(0.5)
        self.traffic_end()
        self.lab.weir_conserved()
        return who

    def deaths(self, who):
        for s in (signal.SIGKILL, signal.SIGTERM):
            self.good = Good(GOOD)
            lab.until("the controller is found again", 10, lambda: self.good.waits)
            p = self.lab.weir_process
            p.send_signal(s)
            p.wait(10)
            s == signal.SIGTERM and p.returncode != 0 and die("SIGTERM with controllers attached: exit code %d: %s", p.returncode, self.lab.log_of("weir")[-3000:])
            met = self.good.connections
            self.switch()
            lab.until("the controller is found again", 10, lambda: self.good.connections > met)
            now = self.facts()[1]
            now == who or die("after %s: %s, before: %s", s.name, now, who)
            self.good.close()
        self.lab.end(self.lab.weir_process)

    def crosses(self, links):
        """Does a frame from port 1 leave at port 2?"""
        frame = bytes.fromhex("020000000002020000000001") + b"\x88\xb6" + os.urandom(46)
        links[2].drain()
        links[1].send(frame)
        end = time.monotonic() + 0.15
        while time.monotonic() < end:
            if links[2].recv() == frame:
                return True
            time.sleep(0.005)
        return False

    def standalone(self):
        """Three probes without a controller, and it switches by addresses; the tables rule again when one is back, with the same flows"""
        import client, frames
        good = Good(GOOD)
        of = {"enabled": True, "fail-mode": "standalone", "listener": [{"name": "l", "address": "127.0.0.1", "port": PORT}],
              "controller": [{"name": "good", "address": "127.0.0.1", "port": GOOD, "inactivity-probe": 1, "max-backoff": 1}]}
        self.lab.weir(["g1", "g2"], name="alone", more={"weir-openflow:openflow": of})
        links = {p: frames.Link("g%d" % p) for p in (1, 2)}
        lab.until("the tables rule", 10, lambda: good.waits and not self.crosses(links))
        c = self.to()
        c.ok(client.flow({"eth_type": 0x88B6}, [], cookie=COOKIE))
        c.close()
        flows = self.facts()[0]
        good.close()
        lost = time.monotonic()
        lab.until("standalone takes over", 8, lambda: self.crosses(links))
        took = time.monotonic() - lost
        took > 2.5 or die("standalone took over after %.1f s, not three probes of 1 s", took)
        self.facts()[0] == flows or die("flows went with the controller")
        good, back = Good(GOOD), time.monotonic()
        lab.until("the tables rule again", 5, lambda: good.waits and not self.crosses(links))
        print("  standalone took over after %.1f s and gave back %.1f s after the controller listened again" % (took, time.monotonic() - back))
        self.facts()[0] == flows or die("flows are not as before")
        good.close()

    def limits(self):
        """They change while it runs, and what is dropped and kept is shown"""
        import client, frames
        self.good = Good(GOOD)
        c, of, full = self.to(), client.of, (5, 1)
        add = [client.flow({"eth_type": 0x9000 + i}, [], table_id=8) for i in range(3)]

        def change(*lines):
            said = self.lab.weir_says("-c", "; ".join(("configure",) + lines + ("commit",)))
            said is not None or die("refused: %s", lines)
        c.ok(add[0], add[1])
        change("set openflow flow-limit 2")
        c.errors(add[2]) == [full] or die("a flow above the limit was taken")
        c.body(of.OFPTableFeaturesStatsRequest(client.DP, 0, []))[0].max_entries == 2 or die("another limit is told")
        change("set openflow flow-limit 262144")
        c.ok(add[2])
        c.ok(client.flow({"in_port": 1}, [client.apply(client.output(client.ofp.OFPP_CONTROLLER))], priority=9))
        # One frame in ten seconds, then ten.
        link, sent = frames.Link("f1"), lambda: int(self.state()["packet-in"]["sent"])
        for rate, n in ((1, 1), (1000, 10)):
            change("set openflow packet-in rate %d" % rate, "set openflow packet-in burst %d" % n)
            before = sent()
            for _ in range(10):
                link.send(bytes.fromhex("020000000002020000000001") + b"\x88\xb6" + bytes(46))
            time.sleep(0.1)
            n <= sent() - before <= n + 1 or die("at %d frames/s with bursts of %d %d of 10 frames were sent", rate, n, sent() - before)
        c.send_raw(4, self.attack.bundle_bytes(2300, struct.pack("!IHH", 1, 0, 3)))
        c.barrier()
        [x["bundles"] for x in self.state()["connection"] if x["name"].startswith("l-")] == [1] or die("an open bundle is not shown")
        out = of.OFPPacketOut(client.DP, client.ofp.OFP_NO_BUFFER, client.ofp.OFPP_CONTROLLER, [client.output(1)], bytes(60))
        out.set_xid(1)
        out.serialize()
        link.drain()
        c.raw(bytes(out.buf) * 20000)
        c.barrier()
        time.sleep(0.1)
        print("  20000 packet-outs at once: %s found no room" % self.state()["packet-outs-dropped"])
        c.close()
        self.good.close()

    def monitor(self):
        """What `weir of monitor` prints, as it comes"""
        import client, frames
        self.good = Good(GOOD)
        out = "%s/monitor.log" % self.lab.dir
        p = self.lab.start("monitor", [lab.BUILD + "/tools/weir", "of", "monitor"], {"WEIR_SOCKET": self.lab.weir_socket})
        text = lambda: self.lab.log_of("monitor")
        link, c = frames.Link("f1"), self.to()

        def comes(what, do):
            def look():
                do()
                return re.search(what, text(), re.I)
            lab.until("weir of monitor prints %s" % what, 5, look)
        c.ok(client.flow({}, [client.apply(client.output(client.ofp.OFPP_CONTROLLER, 0xFFFF))], priority=0))
        comes("packet.?in", lambda: link.send(bytes.fromhex("020000000002020000000001") + b"\x88\xb6" + bytes(46)))
        gone = client.flow({"eth_type": 0x88B7}, [], flags=client.ofp.OFPFF_SEND_FLOW_REM)
        c.ok(gone)
        c.ok(client.flow({"eth_type": 0x88B7}, [], command=client.ofp.OFPFC_DELETE_STRICT))
        comes("flow.?removed", lambda: None)
        self.lab.weir_says("of", "mod-port", "f2", "no-forward")
        comes("port.?status", lambda: None)
        self.lab.weir_says("of", "mod-port", "f2", "forward")
        p.poll() is None or die("weir of monitor ended: %s", text())
        self.lab.end(p)
        c.close()
        self.good.close()
        os.path.getsize(out) > 0 or die("it printed nothing")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--flaps", type=int, default=1000)
    p.add_argument("--size", type=int, default=5, help="of floods and garbage")
    p.add_argument("--memory", type=int, default=6, help="MiB that the daemon may have more after many rounds than after one")
    p.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "big"))
    p.add_argument("--parts", default="monitor,limits,deaths,standalone")
    args = p.parse_args()
    lab.own_namespace()
    # Small socket buffers, or it takes megabytes until one that does not read is felt.
    for name in ("tcp_wmem", "tcp_rmem"):
        with open("/proc/sys/net/ipv4/" + name, "w") as f:
            f.write("4096 16384 65536")
    with lab.Lab() as the_lab:
        run = Run(the_lab, args)
        try:
            print("- faults while guests talk (seed %d)" % args.seed, flush=True)
            who = run.faults()
            for part in ("monitor", "limits", "deaths", "standalone"):
                if part not in args.parts:
                    continue
                print("- " + part, flush=True)
                began = time.monotonic()
                getattr(run, part)(*([who] if part == "deaths" else []))
                print("  %.1f s" % (time.monotonic() - began))
        except (AssertionError, TimeoutError, OSError) as e:
            import traceback
            traceback.print_exc()
            print("faults: seed %d: %s\n%s" % (args.seed, e, the_lab.log_of("weir")[-1500:]), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    lab.run(main)
