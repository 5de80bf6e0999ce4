"""Packet tests: frames in at given times, frames out, counters; one worker, fake clock (see runner.c)."""
import json, os, subprocess, tempfile, inspect
from scapy.all import *  # Debian's python3-scapy
from scapy.utils import PcapWriter, RawPcapReader

BUILD = os.environ.get("WEIR_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
RUNNER = os.path.join(BUILD, "tests/weir-packet")
CASES = []


def case(fn):
    """Register a test; its name is the sentence."""
    CASES.append(fn)
    return fn


def mac(n):
    return "52:54:00:00:00:%02x" % n


def port(name, kind="guest", device="test", **leaves):
    p = {"device": device.replace("test", "test:" + name, 1)}  # a device serves one port
    p.update({k.replace("_", "-"): v for k, v in leaves.items()})
    return {"name": name, "type": "weir-interfaces:" + kind, "weir-interfaces:port": p}


def config(ports, vms=(), services=(), files=(), storage=None, system=None):
    c = {"ietf-interfaces:interfaces": {"interface": list(ports)}, "weir-vm:vms": {"vm": list(vms)},
         "weir-vm:boot-services": {"service": list(services)}, "weir-vm:boot-files": {"file": list(files)}}
    if storage:
        c["weir-qos:storage"] = storage
    if system:
        c["weir-system:system"] = system
    return c


def vm(name, nics, boot=None):
    v = {"name": name, "nic": nics}
    if boot:
        v["boot"] = boot
    return v


def nic(id, mac_, interface, v4=(), v6=()):
    return {"id": id, "mac": mac_, "interface": interface, "ipv4-address": list(v4), "ipv6-address": list(v6)}


class Result:
    def __init__(self, out, state):
        self.out, self.state = out, state
        # What explain said of each frame when it came in: (port, reason of a drop, or "flood a b").
        self.explained = [tuple(e) for e in state["explained"]]
        self.ports = {i["name"]: i["weir-interfaces:port-state"]
                      for i in state["ports"]["ietf-interfaces:interfaces"]["interface"]}

    def counter(self, port, name):
        return next(int(c["value"]) for c in self.ports[port]["counter"] if c["name"] == name)

    def drops(self, port):
        """{reason: frames} of both directions."""
        return {d["reason"]: int(d["in"]) + int(d["out"]) for d in self.ports[port].get("drop", [])}

    def classes(self, port, way="rx"):
        return {c["name"]: int(c[way + "-pkts"]) for c in self.ports[port]["class"] if int(c[way + "-pkts"])}

    def macs(self):
        return {(m["vlan"], m["address"]): (m["port"], m["static"]) for m in self.state["macs"]["weir-interfaces:mac-table"]["mac"]}


def run(cfg, frames, workers=1, expect_exit=0, clear=()):
    """frames: [(ms, port, frame)]; returns Result. out[port] = [bytes] in order.

    clear: (ms,) or (ms, port): counters are cleared then"""
    with tempfile.TemporaryDirectory(prefix="weir-packet.") as d:
        by_port = {}
        for ms, p, f in frames:
            by_port.setdefault(p, []).append((ms, bytes(f)))
        for p, list_ in by_port.items():
            w = PcapWriter(os.path.join(d, p + ".in.pcap"), linktype=1, snaplen=1 << 18)
            w.write_header(None)
            for ms, b in sorted(list_, key=lambda x: x[0]):
                w.write_packet(b, sec=1 + ms // 1000, usec=ms % 1000 * 1000)
            w.close()
        path = os.path.join(d, "weir.json")
        json.dump(cfg, open(path, "w"))
        r = subprocess.run([RUNNER, path, d, str(workers)] + [str(x) for x in clear], capture_output=True, text=True, timeout=120)
        if r.returncode != expect_exit:
            raise AssertionError("exit %d: %s" % (r.returncode, r.stderr.strip()[-800:]))
        if expect_exit:
            return r.stderr
        out = {}
        for i in cfg["ietf-interfaces:interfaces"]["interface"]:
            f = os.path.join(d, i["name"] + ".out.pcap")
            out[i["name"]] = [p for p, _ in RawPcapReader(f)] if os.path.getsize(f) > 24 else []
        return Result(out, json.loads(r.stdout))


def same(got, want, what=""):
    assert got == want, "%s\n  got  %.400s\n  want %.400s" % (what, got, want)


def frames_are(got, want, what=""):
    want = [bytes(w) for w in want]
    if got != want:
        raise AssertionError("%s: got %d frames, want %d\n%s" % (what, len(got), len(want), "\n".join(
            ["  got  " + Ether(g).summary() + " " + g.hex()[:120] for g in got] + ["  want " + Ether(w).summary() + " " + w.hex()[:120] for w in want])))
