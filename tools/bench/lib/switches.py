"""The switches: each starts with N vhost-user ports in client mode, and tells its busy cycles and packets."""
import json, os, re, subprocess, time

import host
from host import BUILD, CPU_DATA, CPU_REST, BenchError, NotPossible

MAC_TABLE = 65536
TESTPMD = ["stdbuf", "-oL", "dpdk-testpmd"]  # its answers line by line, although it writes to a file


class Switch:
    """One run of one switch. Subclasses fill start(), counters() and say what they learnt."""
    name = "?"
    variants = ("",)
    max_ports = 1 << 20

    def __init__(self, machine, load, variant=""):
        self.host, self.load, self.variant, self.process, self.data_tid = machine, load, variant, None, 0
        self.mtu = max(1500, load.size - 14)  # sizes are frames as a guest hands them over, with their 14 bytes of Ethernet
        self.dir = machine.new_dir()
        self.others = []

    def attached(self):
        """After the guests negotiated: bind the threads."""
        self.data_tid = host.settle(self.process)

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
        return {"weir-system:system": system, "ietf-interfaces:interfaces": {"interface": ports}}

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
                   "other_config:dpdk-socket-mem=1024", "other_config:dpdk-extra=--no-pci", *self.settings[self.variant])
        self.process = self.host.start("ovs-vswitchd", ["unshare", "--net", self.daemon, "unix:%s/db.sock" % d, "--unixctl=%s/vswitchd.ctl" % d],
                                       d, env=self.env)
        host.wait_for("ovs: its control socket", 20, lambda: os.path.exists(d + "/vswitchd.ctl"), self.process, db)
        add = ["add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev", "other_config:mac-table-size=%d" % MAC_TABLE,
               "other_config:mac-aging-time=3600"]
        for i, s in enumerate(sockets):
            add += ["--", "add-port", "br", "g%d" % i, "--", "set", "interface", "g%d" % i, "type=dpdkvhostuserclient",
                    "options:vhost-server-path=" + s, "mtu_request=%d" % self.mtu]
        self.vsctl(*add)

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


SWITCHES = {c.name: c for c in (Weir, Ovs, Io)}
