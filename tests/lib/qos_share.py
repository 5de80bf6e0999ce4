"""What storage clients of one guest get while three others flood the same link: qos_share.py RATE RESERVATION ROUNDS SECONDS

Three conditions, alternating: alone, flooded with the policy, flooded without it (the same switch and rate; no portals, no reservation). Run
by tests/long/qos_clients.sh, in its lab. Exit code 1 when a client keeps less than 90 % of what it had alone, or of the reservation
where it had more than that."""
import os
import re
import subprocess
import sys
import time

from qos_host import LAB, SERVER, SERVER_LINK, Machine, flood, guest, median, run, weir

KEPT = 0.90
PAYLOAD = 1448 / 1538  # of a full TCP segment with time stamps, of what it occupies on the wire
URL = "nfs://10.9.0.1/export/"
names = iter(range(1000000))


def nfs_write(seconds):
    """Bits per second that arrived in the server's file."""
    to = "w%d" % next(names)
    path = os.path.join(LAB, "export", to)
    begun = time.monotonic()
    run(guest("s"), "nfs-cp", LAB + "/big", URL + to, timeout=seconds, check=False)
    took = time.monotonic() - begun
    size = os.path.getsize(path) if os.path.exists(path) else 0
    if size:
        os.unlink(path)
    return 8 * size / took


def nfs_read(seconds):
    to = LAB + "/read"
    begun = time.monotonic()
    run(guest("s"), "nfs-cp", URL + "big", to, timeout=seconds, check=False)
    took = time.monotonic() - begun
    size = os.path.getsize(to) if os.path.exists(to) else 0
    if size:
        os.unlink(to)
    return 8 * size / took


def iscsi_read(seconds):
    """By iscsi-perf's own count; 0 when it came to none."""
    blocks = 64
    out = run(guest("s"), "iscsi-perf", "-m", "8", "-b", str(blocks), "-t", str(seconds), "iscsi://10.9.0.1/iqn.2026-11.weir.lab:1/1",
              timeout=seconds + 10, check=False)
    found = re.findall(r"iops average (\d+)", out)
    return 8 * 512 * blocks * int(found[-1]) if found else 0


class Shaped:
    """A sender that wants less than the reservation: a token bucket of its kernel, for storage only."""

    def __init__(self, ns, dev, bits_per_s):
        self.ns, self.dev, self.rate = ns, dev, "%dbit" % bits_per_s

    def __enter__(self):
        self.tc("qdisc", "add", "dev", self.dev, "root", "handle", "1:", "htb", "default", "2")
        self.tc("class", "add", "dev", self.dev, "parent", "1:", "classid", "1:1", "htb", "rate", self.rate, "quantum", "20000", "burst", "32k", "cburst", "32k")
        self.tc("class", "add", "dev", self.dev, "parent", "1:", "classid", "1:2", "htb", "rate", "10gbit", "quantum", "20000")
        for where in "sport", "dport":
            for port in "3260", "2049":
                self.tc("filter", "add", "dev", self.dev, "parent", "1:", "protocol", "ip", "u32", "match", "ip", "protocol", "6", "0xff",
                        "match", "ip", where, port, "0xffff", "flowid", "1:1")

    def __exit__(self, *_):
        self.tc("qdisc", "del", "dev", self.dev, "root")

    def tc(self, *words):
        run(self.ns, "tc", *words)


class Unshaped:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def policy(which):
    with open("%s/%s.json" % (LAB, which), encoding="utf-8") as f, open(LAB + "/weir.json", "w", encoding="utf-8") as t:
        t.write(f.read())
    weir("reload")


def trial(client, flooded, which, rate, seconds):
    """One measurement. flooded: (namespace, address) of who floods whom, together at twice the rate"""
    policy(which)
    floods = [flood(*f, 2 * rate // len(flooded)) for f in flooded]
    try:
        time.sleep(0.5)
        return client(seconds)
    finally:
        for p in floods:
            p.kill()
            p.wait()
        time.sleep(0.3)  # what stands is sent


def measure(cell, rate, rounds, seconds):
    name, client, shaped, flooded, on, off = cell
    conditions = [("alone", [], on), ("flooded", flooded, on), ("without", flooded, off)]
    got = {c[0]: [] for c in conditions}
    machine = Machine()
    with shaped:
        for r in range(rounds):
            for key, by, which in conditions if r % 2 == 0 else reversed(conditions):
                got[key].append(trial(client, by, which, rate, seconds))
    return {key: median(v) for key, v in got.items()}, machine.said()


def verdict(name, got, reservation, shaped):
    """Prints a line; true when enough was kept."""
    bound = min(got["alone"], reservation * PAYLOAD)
    kept = got["flooded"] / bound if bound else 0
    mbit = {k: v / 1e6 for k, v in got.items()}
    print("%-34s %8.1f %8.1f %8.1f   %5.1f %%  %s" % (name, mbit["alone"], mbit["flooded"], mbit["without"], 100 * kept, "kept" if kept >= KEPT else "MISSED"))
    return kept >= KEPT


def main(rate, reservation, rounds, seconds):
    s = guest("s")
    little = int(reservation * 0.9 * 0.98)  # HTB counts 24 bytes less per frame than the wire
    up, down = [(guest(g), "10.9.0.1") for g in "bcd"], [(SERVER, "10.9.0.105")]
    cells = [
        ("NFS write, wants 90 % of it", nfs_write, Shaped(s, "e0", little), up, "on", "off"),
        ("NFS write, wants all", nfs_write, Unshaped(), up, "on", "off"),
        ("iSCSI read, its requests flooded", iscsi_read, Shaped(SERVER, SERVER_LINK, little), up, "on", "off"),
        ("iSCSI read into a VM at its limit", iscsi_read, Shaped(SERVER, SERVER_LINK, little), down, "on-vm", "off-vm"),
        ("NFS read into a VM at its limit", nfs_read, Unshaped(), down, "on-vm", "off-vm"),
    ]
    word = os.environ.get("QOS_CELL", "")
    print("%-34s %8s %8s %8s   %s" % ("Mbit/s, median of %d" % rounds, "alone", "flooded", "without", "kept"))
    good = True
    for c in cells:
        if word in c[0]:
            got, said = measure(c, rate, rounds, seconds)
            good = verdict(c[0], got, reservation, c[2]) and good
            print("  " + said, flush=True)
    return 0 if good else 1


sys.exit(main(*(int(a) for a in sys.argv[1:])))
