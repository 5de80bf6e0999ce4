"""What cubic with ECN meets at a rated uplink: qos_ecn.py RATE TARGET_US FLOWS SECONDS [facts]

Bulk flows of guest b to the server, and a ping beside them from the same guest. Each frame's way through the switch is timed by two
captures of one clock: at the guest's tap, and behind the uplink. Run by tests/long/qos_ecn.sh, which judges the figures, and by
tests/smoke/qos_ecn.sh, where `facts` asks only for what no busy machine changes. Exit code 1 when something is missed."""
import os
import re
import struct
import subprocess
import sys
import time

from qos_host import LAB, SERVER, SERVER_LINK, Machine, guest, percentile, run, start, stop, wire_bytes

ETH, MSS = 14, 1448
ECT0, CE = 2, 3


def segments(path):
    """(time in ns, source port, sequence number, payload length, ECN bits) of each TCP frame with payload."""
    with open(path, "rb") as f:
        data = f.read()
    magic = struct.unpack_from("<I", data)[0]
    assert magic == 0xA1B23C4D, "not a capture with nanoseconds"
    at = 24
    while at + 16 <= len(data):
        sec, nsec, kept, _ = struct.unpack_from("<IIII", data, at)
        p = at + 16 + ETH
        at += 16 + kept
        if kept < ETH + 40 or data[p - 2:p] != b"\x08\x00" or data[p + 9] != 6:
            continue
        header = 4 * (data[p] & 15)
        tcp = p + header
        if tcp + 13 > at:
            continue
        size = struct.unpack_from(">H", data, p + 2)[0] - header - 4 * (data[tcp + 12] >> 4)
        if size > 0:
            sport, = struct.unpack_from(">H", data, tcp)
            seq, = struct.unpack_from(">I", data, tcp + 4)
            yield sec * 10**9 + nsec, sport, seq, size, data[p + 1] & 3


def delays(sent, received):
    """Time in the switch of each received frame in us, with when it came; and how many could not be matched.

    A super-frame is in `sent` once and arrives as its segments, which begin at multiples of the MSS."""
    out, unknown, began = [], 0, {}
    sent = iter(sent)
    following = next(sent, None)
    for at, port, seq, _, ecn in received:
        while following and following[0] <= at:
            when, p, s, size, _ = following
            for begin in range(s, s + size, MSS):
                began[p, begin & 0xFFFFFFFF] = when  # a retransmission replaces
            following = next(sent, None)
        if (port, seq) in began:
            out.append((at, (at - began[port, seq]) / 1000, ecn))
        else:
            unknown += 1
    return out, unknown


def capture(ns, dev, path, what):
    p = start(ns, "tcpdump", "-Z", "root", "-i", dev, "-s", "100", "-B", "65536", "--time-stamp-precision", "nano", "-w", path, what, stderr=subprocess.PIPE)
    line = p.stderr.readline()
    while line and b"listening" not in line:
        line = p.stderr.readline()
    return p


def counter(ns, name):
    found = re.search(r"%s\s+(\d+)" % name, run(ns, "nstat", "-asz", name))
    return int(found.group(1))


def traffic(flows, seconds):
    """The bulk flows, in the middle of which everything is measured."""
    b = guest("b")
    bulk = start(b, "iperf3", "-C", "cubic", "-P", str(flows), "-c", "10.9.0.1", "-p", "5201", "-t", str(seconds + 4), "-J", stdout=subprocess.DEVNULL)
    time.sleep(2)  # slow start is over
    captures = [capture(b, "e0", LAB + "/sent.pcap", "tcp dst port 5201"), capture(SERVER, SERVER_LINK, LAB + "/received.pcap", "tcp dst port 5201")]
    before = [counter(SERVER, "IpExtInCEPkts"), counter(b, "TcpRetransSegs"), counter(b, "TcpOutSegs")]
    machine = Machine()
    w0, t0 = wire_bytes()
    ping = run(b, "ping", "-i", "0.01", "-c", str(100 * seconds), "-W", "2", "10.9.0.1", timeout=seconds + 20, check=False)
    w1, t1 = wire_bytes()
    after = [counter(SERVER, "IpExtInCEPkts"), counter(b, "TcpRetransSegs"), counter(b, "TcpOutSegs")]
    said = machine.said()
    for c in captures:
        stop(c)
    stop(bulk)
    return {"rate": 8 * (w1 - w0) / (t1 - t0), "slack": 8 * 65536 / (t1 - t0), "ping": ping, "machine": said,
            "ce": after[0] - before[0], "retransmitted": after[1] - before[1], "segments": after[2] - before[2]}


def figures(t, rate):
    rtt = [float(ms) for ms in re.findall(r"time=([0-9.]+) ms", t["ping"])]
    asked = int(re.search(r"(\d+) packets transmitted", t["ping"]).group(1))
    found, unknown = delays(segments(LAB + "/sent.pcap"), segments(LAB + "/received.pcap"))
    waits = [w for _, w, _ in found]
    marked = sum(e == CE for _, _, e in found)
    return {
        "utilisation": t["rate"] / rate, "over": t["rate"] - t["slack"] > rate * 1.01,
        "ce": t["ce"], "marked": marked, "capable": sum(e >= ECT0 for _, _, e in found),
        "retransmitted": t["retransmitted"], "segments": t["segments"],
        "asked": asked, "answered": len(rtt), "ping50": percentile(rtt or [1e9], 50), "ping99": percentile(rtt or [1e9], 99),
        "matched": len(found), "unknown": unknown, "wait50": percentile(waits or [1e9], 50), "wait95": percentile(waits or [1e9], 95),
        "wait99": percentile(waits or [1e9], 99),
    }


def say(f, said, target_us):
    print("  utilisation %.1f %% of the rate; %s" % (100 * f["utilisation"], said))
    print("  CE: %d counted by the receiver, %d of %d captured frames; retransmitted %d of %d segments" %
          (f["ce"], f["marked"], f["matched"], f["retransmitted"], f["segments"]))
    print("  bulk's way through the switch: p50 %.0f us, p95 %.0f us, p99 %.0f us (target %d us; %d frames not matched)" %
          (f["wait50"], f["wait95"], f["wait99"], target_us, f["unknown"]))
    print("  ping beside it: p50 %.2f ms, p99 %.2f ms, %d of %d answered" % (f["ping50"], f["ping99"], f["answered"], f["asked"]), flush=True)


def judge(f, target_us, facts):
    rules = [
        ("CE marks arrive", f["ce"] > 0),
        ("most frames are ECN capable", 2 * f["capable"] > f["matched"]),
        ("the rate is not exceeded", not f["over"]),
        ("every second ping at least is answered", 2 * f["answered"] >= f["asked"] > 0),
        ("frames are matched", f["unknown"] * 10 < f["matched"]),
    ]
    if not facts:
        rules += [
            ("utilisation >= 95 %", f["utilisation"] >= 0.95),
            ("standing queue p95 <= 2 x target", f["wait95"] <= 2 * target_us),
            ("sparse p99 <= 1 ms", f["ping99"] <= 1),
            ("no ping is lost", f["answered"] == f["asked"]),
        ]
    for text, held in rules:
        print("  %-6s %s" % ("held" if held else "MISSED", text))
    return all(held for _, held in rules)


def main(rate, target_us, flows, seconds, facts=""):
    run(guest("b"), "sysctl", "-qw", "net.ipv4.tcp_ecn=1")
    run(SERVER, "sysctl", "-qw", "net.ipv4.tcp_ecn=1")
    t = traffic(int(flows), int(seconds))
    f = figures(t, int(rate))
    print("%s cubic flows of one VM, %s Mbit/s, %s s" % (flows, int(rate) // 1000000, seconds))
    say(f, t["machine"], int(target_us))
    return 0 if judge(f, int(target_us), facts == "facts") else 1


os.umask(0o077)
sys.exit(main(*sys.argv[1:]))
