"""What plays the guests: weir-pktgen, or DPDK's testpmd as a neutral cross-check. Both listen, the switch connects."""
import csv, json, os, queue, signal, subprocess, threading, time
from dataclasses import dataclass, field

import host
from host import BUILD, CPU_REST, BenchError, NotPossible
from policy import FRAMING, Policy
from switches import TESTPMD, testpmd_counters

ATTACH_S = 60
PATIENCE_S = 600  # the generator's own, as it stands still while rules are loaded
WINDOW_MS = 100  # what a floor is held against


@dataclass
class Load:
    """What the guests do. Each stream is settings of weir-pktgen; the first one is what is measured."""
    ports: int = 2
    size: int = 64
    macs: int = 1
    streams: list = field(default_factory=lambda: [{"name": "all"}])
    reads: dict = field(default_factory=dict)  # port -> "off" or a rate like "100kpps": guests that do not read as they should
    uplink: bool = False   # the last port is the other end of the uplink
    policy: Policy = None  # what the switch is told about traffic
    rules: list = field(default_factory=list)  # flow tables in ovs-ofctl's syntax; ports are 1, 2, ... there
    warm_up_least: float = 0.0  # seconds that something takes to build up
    warm_up: float = 5.0
    seconds: float = 10.0
    sliced: bool = False   # it runs until it is told to end, and look() ends its intervals


def pktgen_settings(load, ports):
    """Settings of weir-pktgen for LOAD. The only place that knows its words."""
    out = ["port=" + s + (",rx=" + load.reads[i] if i in load.reads else "") for i, s in enumerate(ports)]
    out += ["interval=%gs" % load.seconds] if load.sliced else ["interval=%dms" % WINDOW_MS] if load.uplink else []
    out += ["attach=%ds" % PATIENCE_S, "warm-up=%gs" % load.warm_up, "duration=%gs" % load.seconds, "size=%d" % load.size, "macs=%d" % load.macs,
            "flows=%d" % load.macs, "rate=max"]
    if load.streams == [{"name": "all"}]:
        return out
    for s in load.streams:
        out += ["stream=" + s["name"]] + ["%s=%s" % (k, v) for k, v in s.items() if k != "name"]
    return out


class Pktgen:
    """weir-pktgen: open loop, one polling thread, any number of ports."""
    name = "pktgen"

    def __init__(self, machine, program=None):
        self.host, self.dir = machine, machine.new_dir()
        self.program = program or os.environ.get("WEIR_PKTGEN", BUILD + "/tools/weir-pktgen")
        self.words, self.process = queue.Queue(), None

    def start(self, load, uplink=None):
        """Listen; returns the sockets. UPLINK: (port, command that enters its namespace) in place of the last one."""
        self.load, self.result, self.windows = load, self.dir + "/result.json", self.dir + "/windows.csv"
        sockets = ["%s/g%d.sock" % (self.dir, i) for i in range(load.ports)]
        ports = ["vhost:" + s for s in sockets]
        if uplink:
            ports[-1], enter = uplink
        argv = (enter if uplink else []) + [self.program, "--cpu", str(CPU_REST), "--events", "--json", self.result, "--csv", self.windows]
        argv += pktgen_settings(load, ports)
        self.process = self.host.start("weir-pktgen", argv, self.dir, cpus=[CPU_REST], stdout=subprocess.PIPE)
        threading.Thread(target=self._listen, daemon=True).start()
        self._wait("listening", 60)
        return sockets

    def _listen(self):
        for line in self.process.child.stdout:
            self.words.put(line.decode().strip())
        self.words.put(None)

    def _wait(self, word, seconds):
        end = time.monotonic() + seconds
        while True:
            try:
                got = self.words.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise BenchError("pktgen: no '%s' within %g s" % (word, seconds))
            if got is None:
                self.process.child.wait()
                raise BenchError("pktgen: ended with %d before '%s': %s" % (self.process.child.returncode, word, self.process.last_words()))
            if got == word:
                return

    def attach(self):
        self._wait("attached", ATTACH_S + 5)

    def verify(self):
        self._wait("verified", 60)

    def measure(self, begin, end):
        """Call BEGIN and END just inside the measuring interval."""
        self.warmed()
        started = time.monotonic()
        begin()
        time.sleep(max(0.1, self.load.seconds * 0.97 - 0.1 - (time.monotonic() - started)))
        end()
        self._wait("measured", self.load.seconds + 20)
        return self._result()

    def warmed(self):
        self._wait("measuring", self.load.warm_up + 20)

    def look(self):
        """An interval ends here."""
        os.kill(self.process.pid, signal.SIGUSR1)

    def finish(self):
        """Of a sliced load: (the figures of the whole, those of each interval)."""
        os.kill(self.process.pid, signal.SIGINT)
        self._wait("measured", 20)
        return self._result(), [self._interval(part) for part in self._intervals()]

    def _result(self):
        try:
            self.process.child.wait(20)
            with open(self.result) as f:
                return self._figures(json.load(f))
        except (OSError, ValueError, subprocess.TimeoutExpired) as e:
            raise BenchError("pktgen: no result: %s" % e)

    def _figures(self, j):
        first, seconds, g = j["streams"][0], j["seconds"], j["generator"]
        if not g["hugepages"]:
            raise BenchError("pktgen: ran without hugepages, the switch with them: too few are free")
        tx, rx = first["tx_pkts"] / seconds, first["rx_pkts"] / seconds
        blocked = first.get("tx_blocked", g["tx_blocked"])
        return {"tx_pps": tx, "rx_pps": rx, "gbit": rx * self.load.size * 8 / 1e9, "lost": j["lost_pkts"], "corrupt": j["corrupt_pkts"],
                "offered_pps": tx / max(1e-9, 1 - blocked), "gen_cycles": g["cycles_per_packet"], "gen_idle": g["idle"],
                "gen_blocked": blocked, "tsc_hz": j["tsc_hz"], "streams": {s["name"]: s for s in j["streams"]}, "all_ports": j["ports"],
                "measured_s": seconds, "windows": self._windows()}

    def _intervals(self):
        """The rows of each interval, one per stream."""
        streams = len(self.load.streams)
        with open(self.windows) as f:
            rows = list(csv.DictReader(f))
        return [rows[i:i + streams] for i in range(0, len(rows) - streams + 1, streams)]

    def _interval(self, part):
        """What _figures() says of the whole that depends on the time, of one interval."""
        r = {k: float(v) for k, v in part[0].items() if k != "stream"}
        tx, rx, blocked = r["tx_pkts"] / r["seconds"], r["rx_pkts"] / r["seconds"], r["blocked_pkts"] / max(1, r["wanted_pkts"])
        return {"tx_pps": tx, "rx_pps": rx, "gbit": rx * self.load.size * 8 / 1e9, "offered_pps": tx / max(1e-9, 1 - blocked), "gen_idle": r["idle"],
                "gen_blocked": blocked, "seconds": r["seconds"]}

    def _windows(self):
        """Per window, the bits on the wire that arrived of each stream: [(seconds, {stream: bits})]."""
        return [(float(part[0]["seconds"]), {r["stream"]: 8 * (int(r["rx_bytes"]) + FRAMING * int(r["rx_pkts"])) for r in part})
                for part in self._intervals()]

    def stop(self):
        if self.process:
            self.host.stop(self.process)


class Testpmd:
    """Two virtio_user ports, mac mode: a closed loop of frames between them. One address per port; at most 32 ports.

    It never drops, so it was held up by the switch when its own thread had idle turns (`gen_idle`).
    """
    name = "testpmd"
    max_ports = 32
    first_bursts = 24  # of 32 frames per port: fewer than a ring of 1024 holds, so none is lost

    def __init__(self, machine):
        self.host, self.dir, self.process = machine, machine.new_dir(), None

    def refuse(self, load):
        if load.ports > self.max_ports:
            raise NotPossible("testpmd as generator: %d ports: it has at most %d" % (load.ports, self.max_ports))
        if load.macs > 1:
            raise NotPossible("testpmd as generator: %d addresses: it has one per port" % load.macs)
        if load.streams != [{"name": "all"}] or load.reads or load.uplink:
            raise NotPossible("testpmd as generator: it cannot make this load")

    def start(self, load, uplink=None):
        self.refuse(load)
        self.load = load
        mac = lambda i: "52:54:00:77:00:%02x" % i
        sockets = ["%s/g%d.sock" % (self.dir, i) for i in range(load.ports)]
        vdevs = [a for i, s in enumerate(sockets) for a in ("--vdev", "net_virtio_user%d,path=%s,server=1,queue_size=1024,mrg_rxbuf=1,"
                                                            "in_order=0,packed_vq=0,mac=%s" % (i, s, mac(i)))]
        peers = ["--eth-peer=%d,%s" % (i, mac(i ^ 1)) for i in range(load.ports)]
        argv = TESTPMD + ["--lcores", "0@%d,1@%d" % (CPU_REST, CPU_REST), "--no-pci", "--in-memory", "--single-file-segments", "--iova-mode=va",
                          "--no-telemetry", *vdevs, "--", "-i", "--nb-cores=1", "--forward-mode=mac", *peers, "--txd=1024", "--rxd=1024",
                          "--txpkts=%d" % load.size, "--record-core-cycles"]
        self.process = self.host.start("testpmd generator", argv, self.dir, cpus=[CPU_REST])
        # It waits for the switch as soon as it has made its first socket; the others follow when that one is attached.
        host.wait_for("testpmd generator: its socket", 30, lambda: os.path.exists(sockets[0]), self.process)
        return sockets

    def attach(self):
        host.wait_for("testpmd generator: guests attached", ATTACH_S, lambda: "testpmd>" in host.read(self.process.log), self.process)

    def verify(self):
        self.process.tell("start tx_first %d" % self.first_bursts)
        time.sleep(self.load.warm_up / 2)
        was = testpmd_counters(self.process)
        time.sleep(self.load.warm_up / 2)
        now = testpmd_counters(self.process)
        if now["rx"] - was["rx"] < 1000:
            raise BenchError("testpmd generator: nothing arrives: the switch does not forward")

    def measure(self, begin, end):
        begin()
        at, was = time.monotonic(), testpmd_counters(self.process)
        time.sleep(self.load.seconds)
        seconds, now = time.monotonic() - at, testpmd_counters(self.process)
        end()
        d = {k: now[k] - was[k] for k in now}
        rx, tx = d["rx"] / seconds, (d["tx"] + d["dropped"]) / seconds
        idle = max(0.0, 1 - d["cycles"] / (host.tsc_hz() * seconds))
        return {"tx_pps": d["tx"] / seconds, "rx_pps": rx, "gbit": rx * self.load.size * 8 / 1e9, "lost": None, "corrupt": None, "offered_pps": tx,
                "gen_cycles": d["cycles"] / max(1, d["rx"]), "gen_idle": idle, "gen_blocked": None, "tsc_hz": host.tsc_hz()}

    def stop(self):
        if self.process:
            self.host.stop(self.process)


GENERATORS = {c.name: c for c in (Pktgen, Testpmd)}
