"""The switches: each starts with N ports, vhost-user in client mode where it can, and tells its busy cycles and packets."""
import json, os, re, subprocess, time

import host
from host import BUILD, CPU_DATA, CPU_REST, BenchError, NotPossible
from policy import FRAMING, STORAGE_TCP_PORT, guest_network, portal_address

MAC_TABLE = 65536
MAX_IDLE_MS = 60000  # a switch that stands still for others' slices must not forget its flows: its clock goes on
TESTPMD = ["stdbuf", "-oL", "dpdk-testpmd"]  # its answers line by line, although it writes to a file


class Switch:
    """One run of one switch. Subclasses fill start(), counters() and say what they learnt."""
    name = "?"
    variants = ("",)
    max_ports = 1 << 20
    in_kernel = False  # its work is the kernel's: softirqs are not others' then

    def __init__(self, machine, load, variant=""):
        self.host, self.load, self.variant, self.process, self.data_tid = machine, load, variant, None, 0
        self.mtu = max(1500, load.size - 14)  # sizes are frames as a guest hands them over, with their 14 bytes of Ethernet
        self.dir = machine.new_dir()
        self.others = []

    def prepare(self):
        """Before the generator starts: what it has to take as the uplink instead of a socket, and the command that enters its namespace; or None."""
        return None

    def attached(self):
        """After the guests negotiated: bind the threads."""
        self.data_tid = host.settle(self.process)

    def ruled(self):
        """The flow tables, if the load has some. Its ports have no guests yet."""
        if not self.load.rules:
            return
        path, at = self.dir + "/rules", self.openflow()
        with open(path, "w") as f:
            f.write("\n".join(self.load.rules) + "\n")
        self.run(["ovs-ofctl", "-O", "OpenFlow13", "del-flows", at], timeout=120)
        self.run(["ovs-ofctl", "-O", "OpenFlow13", "--bundle", "add-flows", at, path], timeout=300)  # one reply, not one per rule

    def openflow(self):
        """Where ovs-ofctl reaches it."""
        raise NotPossible("%s: it has no flow tables" % self.name)

    def counters(self):
        """{"cycles", "pkts"} so far, and "share" parts if the switch counts idle cycles itself ("idle")."""
        raise NotImplementedError

    def learned(self):
        """Addresses in its table, or None where there is none."""
        return None

    def busy(self, before, after, seconds):
        """(busy cycles per received packet, busy share of the data-plane thread)."""
        cycles, pkts = after["cycles"] - before["cycles"], after["pkts"] - before["pkts"]
        if pkts <= 0:
            return 0.0, 0.0
        total = cycles + after["idle"] - before["idle"] if "idle" in after else host.tsc_hz() * seconds
        return cycles / pkts, min(1.0, cycles / total)

    def stop(self):
        for p in [self.process] + self.others:
            if p:
                self.host.stop(p)

    def run(self, argv, timeout=20, **more):
        """A helper command on CPU_REST; its output."""
        try:
            r = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, **more)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise BenchError("%s: %s: %s" % (self.name, os.path.basename(argv[0]), e))
        if r.returncode != 0:
            if self.process:
                self.process.check()
            raise BenchError("%s: %s: %s" % (self.name, " ".join(argv[:3]), (r.stderr or r.stdout).strip()[-160:]))
        return r.stdout


class Weir(Switch):
    name = "weir"

    def config(self, sockets):
        # Limits that are for guests, not for generators: many addresses, and bursts of unknown ones at the start.
        admit = {"mac-limit": 0, "broadcast-limit": 0, "unknown-unicast-limit": 0, "control-limit": 0}
        ports = [{"name": "g%d" % i, "type": "weir-interfaces:guest", "weir-interfaces:port": {"socket": s, "mtu": self.mtu, "admit": admit}}
                 for i, s in enumerate(sockets)]
        system = {"worker-cpu": [CPU_DATA], "mac-table-size": MAC_TABLE, "mac-ageing": 3600}
        if len(sockets) > 8:
            system["packet-buffers"] = 131072
        out = {"weir-system:system": system, "ietf-interfaces:interfaces": {"interface": ports}}
        if self.load.uplink:
            system["max-sleep"] = 0  # the others poll always, and latencies are compared
            ports[-1] = {"name": "uplink0", "type": "weir-interfaces:uplink", "weir-interfaces:port": {
                "device": "net_vhost0,iface=%s,client=1" % sockets[-1], "mtu": self.mtu, "vlan": 1}}
        if self.load.rules:
            out["weir-openflow:openflow"] = {"enabled": True, "flow-limit": 1 << 18, "cache-entries": 1 << 20, "listener": [{"name": "bench", "unix": self.dir + "/of.sock"}]}
        return self.told(out, ports) if self.load.policy else out

    def openflow(self):
        return "unix:%s/of.sock" % self.dir

    def told(self, out, ports):
        """The policy in Weir's words."""
        p = self.load.policy
        if p.rate:
            ports[-1]["weir-interfaces:port"]["rate"] = str(p.rate)
            storage = {"name": "storage", "reservation": str(p.reservation), "shares": p.storage_shares()}
            out["weir-qos:qos"] = {"class": [storage, {"name": "bulk", "shares": 100 - p.storage_shares()}]}
        out["weir-qos:storage"] = {"portal": [{"address": portal_address(len(ports)), "protocol": "tcp", "port": STORAGE_TCP_PORT}]}
        for guest, words in p.guests().items():
            ports[guest]["weir-interfaces:port"]["weir-qos:qos"] = words
        return out

    def start(self, sockets):
        self.socket = self.dir + "/weir.sock"
        with open(self.dir + "/weir.json", "w") as f:
            json.dump(self.config(sockets), f, indent=2)
        self.process = self.host.start("weir-switchd", [BUILD + "/control/weir-switchd", "-y", host.TOP + "/config/yang",
                                                        "-c", self.dir + "/weir.json", "-s", self.socket], self.dir)
        host.wait_for("weir: its socket", 20, lambda: os.path.exists(self.socket), self.process)

    def attached(self):
        super().attached()
        if not self.show("system")["weir-system:system-state"]["hugepages"]:
            raise BenchError("weir: runs without hugepages, the others with them: too few are free")

    def show(self, what):
        return json.loads(self.run([BUILD + "/tools/weir", "--json", "-s", self.socket, "show", what]))

    def counters(self):
        w = self.show("workers")["weir-system:system-state"]["worker"]
        return {"cycles": sum(int(x["busy-cycles"]) for x in w), "pkts": sum(int(x["rx-pkts"]) for x in w)}

    def learned(self):
        return self.show("macs")["weir-interfaces:mac-table"]["entries"]


class Ovs(Switch):
    """Debian's OVS-DPDK with a database and sockets of its own, in a network namespace of its own that ends with it."""
    name = "ovs"
    variants = ("default", "emc=1", "smc")
    settings = {"default": (), "emc=1": ("other_config:emc-insert-inv-prob=1",),
                "smc": ("other_config:smc-enable=true", "other_config:emc-insert-inv-prob=0")}
    daemon = "/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk"

    def vsctl(self, *args):
        return self.run(["ovs-vsctl", "--db=unix:%s/db.sock" % self.dir, "--timeout=60"] + list(args), timeout=70, env=self.env)

    def appctl(self, *args):
        return self.run(["ovs-appctl", "-t", self.dir + "/vswitchd.ctl"] + list(args), env=self.env)

    def start(self, sockets):
        d = self.dir
        self.env = {**os.environ, "OVS_RUNDIR": d, "OVS_LOGDIR": d, "OVS_DBDIR": d, "OVS_SYSCONFDIR": d}
        if not os.path.exists(self.daemon):
            raise BenchError("ovs: %s: not there (tools/setup bench)" % self.daemon)
        self.run(["ovsdb-tool", "create", d + "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema"], env=self.env)
        db = self.host.start("ovsdb-server", ["ovsdb-server", d + "/conf.db", "--remote=punix:%s/db.sock" % d, "--unixctl=%s/db.ctl" % d],
                             d, cpus=[CPU_REST], env=self.env)
        self.others.append(db)
        host.wait_for("ovs: ovsdb-server's socket", 10, lambda: os.path.exists(d + "/db.sock"), db)
        self.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:dpdk-init=true", "other_config:dpdk-lcore-mask=0x%x" % (1 << CPU_REST),
                   "other_config:pmd-cpu-mask=0x%x" % (1 << CPU_DATA), "other_config:n-handler-threads=1", "other_config:n-revalidator-threads=1",
                   "other_config:dpdk-socket-mem=1024", "other_config:dpdk-extra=--no-pci --in-memory", "other_config:max-idle=%d" % MAX_IDLE_MS, *self.settings[self.variant])
        self.process = self.host.start("ovs-vswitchd", ["unshare", "--net", self.daemon, "unix:%s/db.sock" % d, "--unixctl=%s/vswitchd.ctl" % d],
                                       d, env=self.env)
        host.wait_for("ovs: its control socket", 20, lambda: os.path.exists(d + "/vswitchd.ctl"), self.process, db)
        add = ["add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "other_config:mac-table-size=%d" % MAC_TABLE,
               "other_config:mac-aging-time=3600"]
        ports = [["--", "add-port", "br", "g%d" % i, "--", "set", "interface", "g%d" % i, "type=dpdkvhostuserclient",
                  "options:vhost-server-path=" + s, "mtu_request=%d" % self.mtu, "ofport_request=%d" % (i + 1)] for i, s in enumerate(sockets)]
        self.vsctl(*add, *[word for p in ports[:-1] for word in p])
        # The generator begins when it has its last port: everything is told before, and with it.
        self.vsctl(*ports[-1][1:], *(self.told(self.load.policy, len(sockets)) if self.load.policy else []))

    def told(self, p, ports):
        """The flows; and the words that make the uplink's trtcm-policer: a queue with a committed rate for storage and for each bulk guest, chosen by a flow.

        A policer has no queue, so these are chances, not turns. It counts frames without Ethernet's 14 bytes, the link those and 24 more:
        the rates are what full frames make of the link's. Excess of one queue is yellow; what the port may carry is all committed, so
        that it is never more than the link: what one guest leaves unused, others do not get. The other way round they get it, and more.
        """
        full = (self.mtu) / (self.mtu + 14 + FRAMING)
        queues = [(guest, p.bulk_floor(guest)) for guest in p.shares] + [("storage", p.reservation)]
        words = lambda kind, cir, eir: ["other_config:%s=%d" % kv for kv in (
            ("cir", cir * full / 8), ("cbs", max(65536, cir / 8000)), ("eir", eir * full / 8), ("ebs", max(65536, eir / 8000)))]
        cmd = ["--", "set", "port", "g%d" % (ports - 1), "qos=@qos", "--", "--id=@qos", "create", "qos", "type=trtcm-policer", *words("port", p.rate, 0)]
        cmd += ["queues:%d=@q%d" % (n + 1, n + 1) for n in range(len(queues))]
        for n, (_, cir) in enumerate(queues):
            cmd += ["--", "--id=@q%d" % (n + 1), "create", "queue", *words("queue", cir, p.rate - cir)]
        flows = ["priority=20,tcp,tp_dst=%d,actions=set_queue:%d,normal" % (STORAGE_TCP_PORT, len(queues))]
        flows += ["priority=10,in_port=g%d,actions=set_queue:%d,normal" % (guest, n + 1) for n, guest in enumerate(p.shares)]
        for f in flows:
            self.run(["ovs-ofctl", "--names", "add-flow", "unix:%s/br.mgmt" % self.dir, f], env=self.env)
        return cmd

    def openflow(self):
        return "unix:%s/br.mgmt" % self.dir

    def pmd(self):
        text = self.appctl("dpif-netdev/pmd-stats-show")
        start = text.find("pmd thread")
        if start < 0:
            raise BenchError("ovs: pmd-stats-show: no pmd thread")
        return text[start:].split("main thread")[0]

    def counters(self):
        text = self.pmd()
        number = lambda word: int((re.search(word + r": (\d+)", text) or [0, 0])[1])
        return {"cycles": number("processing cycles"), "idle": number("idle cycles"), "pkts": number("packets received")}

    def learned(self):
        got = re.search(r"Current/maximum MAC entries in the table: (\d+)/", self.appctl("fdb/stats-show", "br"))
        return int(got[1]) if got else 0


class Io(Switch):
    """testpmd, io mode: moves frames between the ports of a pair and looks at nothing: the cost of librte_vhost itself."""
    name = "io"
    max_ports = 32

    def start(self, sockets):
        if len(sockets) > self.max_ports:
            raise NotPossible("io: %d ports: Debian's DPDK is built with RTE_MAX_ETHPORTS %d" % (len(sockets), self.max_ports))
        vdevs = [a for i, s in enumerate(sockets) for a in ("--vdev", "net_vhost%d,iface=%s,client=1" % (i, s))]
        argv = TESTPMD + ["--lcores", "0@%d,1@%d" % (CPU_REST, CPU_DATA), "--no-pci", "--in-memory", "--no-telemetry", *vdevs, "--", "-i",
                          "--forward-mode=io", "--nb-cores=1", "--txd=1024", "--rxd=1024", "--record-core-cycles"]
        self.process = self.host.start("testpmd-io", argv, self.dir)
        host.wait_for("io: testpmd's prompt", 30, lambda: "testpmd>" in host.read(self.process.log), self.process)

    def attached(self):
        super().attached()
        self.process.tell("start")

    def counters(self):
        return testpmd_counters(self.process)


def testpmd_answer(process, command, pattern):
    """Tell COMMAND, wait for the PATTERN that ends its answer."""
    size = os.path.getsize(process.log)
    process.tell(command)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with open(process.log, errors="replace") as f:
            f.seek(size)
            text = f.read()
        got = re.findall(pattern, text)
        if got:
            return got, text
        process.check()
        time.sleep(0.005)
    raise BenchError("%s: no answer to '%s'" % (process.name, command))


def testpmd_counters(process):
    """Busy cycles and packets of the polling thread, and frames received and sent by all ports."""
    got, text = testpmd_answer(process, "show fwd stats all", r"total cycles=(\d+) / total \S+ packets=(\d+)\)")
    total = text[text.rfind("Accumulated"):]
    number = lambda word: int((re.search(word + r":? +(\d+)", total) or [0, 0])[1])
    return {"cycles": int(got[-1][0]), "pkts": int(got[-1][1]), "rx": number("RX-packets"), "tx": number("TX-packets"),
            "dropped": number("TX-dropped")}


class Kernel(Switch):
    """The kernel's bridge with HTB at the uplink. What vhost-net is to real guests is testpmd here: it carries frames between the guests' rings
    and one end of a veth pair each, and the bridge works in its system calls, on its CPU. The generator itself is the uplink's far end.

    HTB's words are ours: rate is the reservation or floor, ceil the link. Leaves are plain FIFOs (this kernel has no other): 64 frames for bulk,
    512 for storage.
    """
    name = "kernel"
    in_kernel = True
    max_ports = 16
    af_packet = "net_af_packet%d,iface=g%d,qdisc_bypass=1"

    def ip(self, *words):
        return self.run(self.enter + ["ip"] + list(words))

    def prepare(self):
        n = self.load.ports
        if not self.load.uplink:
            raise NotPossible("kernel: it is set up with an uplink only")
        if n > self.max_ports:
            raise NotPossible("kernel: %d ports: each is two for testpmd, and Debian's DPDK is built with RTE_MAX_ETHPORTS 32" % n)
        # The namespace lives as long as its processes, so nothing is left when they die with us.
        holder = self.host.start("namespace", ["unshare", "--net", "--mount", "sleep", "infinity"], self.dir, cpus=[CPU_REST])
        self.others.append(holder)
        self.enter = ["nsenter", "-t", str(holder.pid), "--net"]
        host.wait_for("kernel: its network namespace", 10, lambda: host.read("/proc/%d/comm" % holder.pid).strip() == "sleep", holder)
        self.wire(n)
        if self.load.policy:
            self.told(self.load.policy, "b%d" % (n - 1))
        return "eth:" + self.af_packet % (0, n - 1), self.enter

    def start(self, sockets):
        vdevs = [a for i, s in enumerate(sockets[:-1]) for a in ("--vdev", "net_vhost%d,iface=%s,client=1" % (i, s),
                                                                 "--vdev", self.af_packet % (i, i))]
        argv = self.enter + TESTPMD + ["--lcores", "0@%d,1@%d" % (CPU_REST, CPU_DATA), "--no-pci", "--in-memory", "--no-telemetry", *vdevs, "--", "-i",
                                       "--forward-mode=io", "--nb-cores=1", "--txd=1024", "--rxd=1024", "--record-core-cycles"]
        self.process = self.host.start("testpmd-kernel", argv, self.dir)
        host.wait_for("kernel: testpmd's prompt", 30, lambda: "testpmd>" in host.read(self.process.log), self.process)

    def wire(self, n):
        try:
            self.ip("link", "add", "name", "bridge0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0", "ageing_time", "360000")
        except BenchError as e:
            raise NotPossible("kernel: no bridge: %s" % e)
        # What is not asked for is not paid for: no netfilter on the bridge (nothing to switch off where that is not loaded).
        self.run(self.enter + ["sh", "-c", "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done"])
        for i in range(n):
            self.ip("link", "add", "name", "g%d" % i, "mtu", str(self.mtu), "type", "veth", "peer", "name", "b%d" % i, "mtu", str(self.mtu))
            self.ip("link", "set", "dev", "b%d" % i, "master", "bridge0")
        for d in ["bridge0"] + [e + str(i) for i in range(n) for e in "bg"]:
            self.run(self.enter + ["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/%s/disable_ipv6; ip link set dev %s up promisc on" % (d, d)])

    def told(self, p, uplink):
        self.host.setting("/sys/module/sch_htb/parameters/htb_hysteresis", "1")  # fewer timers, and those are what it cannot afford here
        tc = lambda line: self.run(self.enter + ["tc"] + line.split())
        wire = "overhead %d mpu %d burst 16k cburst 16k" % (FRAMING, 60 + FRAMING)
        leaf = lambda n, rate, prio: tc("class add dev %s parent 1:1 classid 1:%d htb rate %d ceil %d prio %d quantum %d %s" % (
            uplink, n, rate, p.rate, prio, max(1538, 6 * 1538 * rate // p.rate), wire))
        tc("qdisc add dev %s root handle 1: htb default 10" % uplink)
        tc("class add dev %s parent 1: classid 1:1 htb rate %d ceil %d %s" % (uplink, p.rate, p.rate, wire))
        leaf(10, p.reservation, 0)
        match = "filter add dev %s parent 1: protocol ip prio %d u32 match ip %s flowid 1:%d"
        tc(match % (uplink, 1, "dport %d 0xffff" % STORAGE_TCP_PORT, 10))
        for guest in p.shares:
            leaf(11 + guest, p.bulk_floor(guest), 1)
            tc(match % (uplink, 2, "src " + guest_network(guest), 11 + guest))
        for n in [10] + [11 + guest for guest in p.shares]:
            tc("qdisc add dev %s parent 1:%d pfifo limit %d" % (uplink, n, 512 if n == 10 else 64))

    def attached(self):
        super().attached()
        self.process.tell("start")

    def counters(self):
        """As testpmd counts: frames of guests, and to them. A timer of HTB that fires in a turn without frames is not in it."""
        return testpmd_counters(self.process)


class RteSched(Switch):
    """DPDK's rte_sched between vhost ports: tools/bench/rte_sched_peer.c, which says how its tree is built."""
    name = "rte_sched"
    max_ports = 32

    def start(self, sockets):
        p = self.load.policy
        if not p:
            raise NotPossible("rte_sched: it forwards from guests to an uplink only")
        if len(sockets) > self.max_ports:
            raise NotPossible("rte_sched: %d ports: Debian's DPDK is built with RTE_MAX_ETHPORTS %d" % (len(sockets), self.max_ports))
        vdevs = [a for i, s in enumerate(sockets) for a in ("--vdev", "net_vhost%d,iface=%s,client=1" % (i, s))]
        shares = [str(p.shares.get(i, 1)) for i in range(len(sockets) - 1)]
        argv = [BUILD + "/tools/weir-bench-rte-sched", "--lcores", "0@%d,1@%d" % (CPU_REST, CPU_DATA), "--no-pci", "--in-memory", "--no-telemetry",
                *vdevs, "--", str(p.rate), str(p.reservation), *shares]
        self.process = self.host.start("rte_sched", argv, self.dir)
        host.wait_for("rte_sched: its answer", 30, lambda: "ready" in host.read(self.process.log), self.process)

    def counters(self):
        got, _ = testpmd_answer(self.process, "stats", r"busy-cycles=(\d+) rx=(\d+)")
        return {"cycles": int(got[-1][0]), "pkts": int(got[-1][1])}


SWITCHES = {c.name: c for c in (Weir, Ovs, Io, Kernel, RteSched)}
