import random, struct
from harness import *

# Neighbours in a burst that say the same share one look (worker.c). What happens to a frame must not depend on who stands beside it.

BC = "ff:ff:ff:ff:ff:ff"
G, H, P = mac(1), mac(9), mac(5)
BASES = [
    Ether(src=G, dst=H) / IP(src="10.0.0.1", dst="10.0.0.9") / UDP(sport=7, dport=8, chksum=0) / (b"x" * 30),
    Ether(src=G, dst=H) / IP(src="10.0.0.1", dst="10.0.0.9") / TCP(sport=7, dport=8) / (b"x" * 30),
    Ether(src=G, dst=P) / IP(src="10.0.0.1", dst="10.0.0.9", tos=8 << 2) / TCP(sport=7, dport=3260) / (b"x" * 30),
    Ether(src=G, dst=H) / IP(src="10.0.0.1", dst="10.0.0.9") / UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex(G.replace(":", ""))),
    Ether(src=G, dst=H) / IPv6(src="fe80::5054:ff:fe00:1", dst="fe80::9") / UDP(sport=7, dport=8, chksum=1) / (b"x" * 30),
    Ether(src=G, dst=H) / ARP(op=2, hwsrc=G, psrc="10.0.0.1", pdst="10.0.0.9") / (b"\0" * 18),
]
TAGGED = [Ether(src=H, dst=G) / Dot1Q(vlan=v, prio=p) / IP(src="10.0.0.9", dst="10.0.0.1") / l4 / (b"x" * 30)
          for v, p in ((1, 0), (20, 5), (30, 0), (0, 3)) for l4 in (UDP(sport=7, dport=8, chksum=0), TCP(sport=7, dport=8))]


def neighbours(rnd, bases, n):
    """Frames that mostly repeat the one before, or differ from it in a byte, in size, or altogether."""
    f, out = bytes(rnd.choice(bases)), []
    base = f
    for _ in range(n):
        what = rnd.random()
        if what < 0.08:
            f = base = bytes(rnd.choice(bases))
        elif what < 0.16:
            f = base
        elif what < 0.34:
            b = bytearray(base)
            at = rnd.choice([rnd.randrange(58), rnd.choice([15, 17, 21, 23, 37, 46]) + 4 * (b[12] == 0x81)])
            b[at] ^= 1 << rnd.randrange(8)
            f = bytes(b)
        elif what < 0.38:  # DSCP 8 lowers it
            f = base[:15 + 4 * (base[12] == 0x81)] + b"\x20" + base[16 + 4 * (base[12] == 0x81):]
        elif what < 0.42:
            f = base + b"y" * rnd.randrange(9)
        out.append(f[:id_at(f)] + struct.pack("!H", len(out)) + f[id_at(f) + 2:] if id_at(f) else f)
    return out


def id_at(f):
    """Where IPv4's identification stands: the frames are numbered there."""
    return {b"\x08\0": 18, b"\x81\0": 22}.get(f[12:14], 0)


def flows(frames):
    """{frame without its number: numbers in order}: classes overtake each other, frames of a class do not."""
    out = {}
    for f in frames:
        at = id_at(f)
        out.setdefault(f[:at] + f[at + 2:], []).append(f[at:at + 2])
    return out


def bytes_in(res, p):
    return {c["name"]: c["rx-bytes"] for c in res.ports[p]["class"]}


def config_of_four():
    free = {"broadcast-limit": 0, "unknown-unicast-limit": 0, "control-limit": 0}
    return config([port("g", admit=free), port("p", admit=dict(free, **{"mac-limit": 0})), port("t", "uplink", vlan_mode="trunk", trunk=["1", "20"]),
                   port("q", "uplink", vlan_mode="native-untagged")],
                  vms=[vm("v", [nic(0, G, "g", ["10.0.0.1"])])], storage={"portal": [{"address": "10.0.0.9", "protocol": "tcp", "port": 3260}]})


@case
def a_frames_fate_does_not_depend_on_its_neighbours():
    known = [(0, "t", Ether(src=H, dst=BC) / Dot1Q(vlan=1) / (b"\0" * 46)), (0, "p", Ether(src=P, dst=BC) / (b"\0" * 46))]
    for seed in range(3):
        rnd = random.Random(seed)
        ways = [("g", neighbours(rnd, BASES, 320)), ("t", neighbours(rnd, TAGGED, 320)), ("q", neighbours(rnd, [Ether(src=H, dst=G) / t[IP] for t in TAGGED], 320))]
        for name, frames in ways:
            together = run(config_of_four(), known + [(100 + i // 32 * 40, name, f) for i, f in enumerate(frames)])
            apart = run(config_of_four(), known + [(100 + i * 2, name, f) for i, f in enumerate(frames)])
            what = "seed %d, from %s: " % (seed, name)
            same(together.drops(name), apart.drops(name), what + "drops")
            for p in "gptq":
                same(flows(together.out[p]), flows(apart.out[p]), what + "at " + p)
                same(together.classes(p), apart.classes(p), what + "classes in at " + p)
                same(bytes_in(together, p), bytes_in(apart, p), what + "bytes in at " + p)
                same(together.classes(p, "tx"), apart.classes(p, "tx"), what + "classes out at " + p)


@case
def a_super_frame_does_not_overtake_what_came_before_it():
    def seg(n, size):
        return Ether(src=mac(1), dst=mac(2)) / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=2, seq=n) / (b"x" * size)
    c = config([port("a", device="test,rx-csum,rx-tso=1000"), port("b")], vms=[vm("v", [nic(0, mac(1), "a")]), vm("w", [nic(0, mac(2), "b")])])
    plain = config([port("a", device="test,rx-tso=1000"), port("b")], vms=[vm("v", [nic(0, mac(1), "a")]), vm("w", [nic(0, mac(2), "b")])])
    for cfg in (c, plain):
        res = run(cfg, [(0, "a", seg(*x)) for x in ((0, 10), (10, 10), (20, 3000), (3020, 10), (3030, 2000), (5030, 10))])
        same([Ether(f)[TCP].seq for f in res.out["b"]], [0, 10, 20, 1020, 2020, 3020, 3030, 4030, 5030])
