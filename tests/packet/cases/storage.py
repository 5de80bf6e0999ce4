"""What the switch says of storage, of frames at known times."""
import struct

from harness import *

G, U = mac(1), mac(9)
GIP, SRV = "10.0.0.1", "10.0.0.50"
C = config([port("g"), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP])])], storage={"server": [SRV + "/32"]})


class Conn:
    """A TCP connection of guest g to SRV: port 3260, frames at the given times."""

    def __init__(self, at, sport=4000):
        self.seq = {True: 1000, False: 5000}
        self.sport, self.frames = sport, []
        self.send(at, True, flags="S")
        self.send(at, False, flags="SA")

    def send(self, ms, out, data=b"", flags="PA"):
        tcp = {"seq": self.seq[out], "ack": self.seq[not out], "flags": flags}
        if out:
            f = Ether(src=G, dst=U) / IP(src=GIP, dst=SRV) / TCP(sport=self.sport, dport=3260, **tcp)
        else:
            f = Ether(src=U, dst=G) / IP(src=SRV, dst=GIP) / TCP(sport=3260, dport=self.sport, **tcp)
        self.frames.append((ms, "g" if out else "u", f / data if data else f))
        self.seq[out] += len(data) + ("S" in flags) + ("F" in flags)


def bhs(opcode, flags, tag, *words, size=0):
    return struct.pack(">BBHBBHQI", opcode, flags, 0, 0, size >> 16, size & 0xffff, 0, tag) + struct.pack(">7I", *(list(words) + [0] * 7)[:7])


def command(tag, write=False, length=4096):  # RFC 7143 section 11.3
    b = bhs(0x01, 0xa0 if write else 0xc0, tag, length)
    return b[:32] + bytes([0x2a if write else 0x28]) + b[33:]


def answer(tag, status=0):  # section 11.4
    b = bhs(0x21, 0x80, tag)
    return b[:3] + bytes([status]) + b[4:]


def storage_of(res):
    return res.state["storage"]["weir-storage:storage-state"]


@case
def times_are_exact():
    c = Conn(1)
    for i, ms in enumerate([3, 7, 20]):
        c.send(100 * i + 10, True, command(i))
        c.send(100 * i + 10 + ms, False, answer(i))
    c.send(400, True, command(9, write=True, length=512))
    c.send(405, False, answer(9, status=2))
    c.send(500, True, command(10))
    res = run(C, c.frames)
    state = storage_of(res)
    (v,) = state["vm"]
    (w,) = v["wait"]
    ops = {o["name"]: o for o in w["op"]}
    same((v["name"], w["address"], w["port"], w["sessions"]), ("v", SRV, 3260, 1))
    same((ops["read"]["commands"], ops["read"]["mean"], ops["read"]["max"]), ("3", 10000, 20000))
    same((ops["write"]["commands"], ops["write"]["mean"], ops["write"]["bytes"]), ("1", 5000, "512"))
    same((w["outstanding"], w["errors"], w["unmatched"]), (1, "1", "0"))
    same([(p["address"], p["how"], p["sessions"]) for p in state["portal"]], [(SRV, "server", 1)])
    same(res.classes("g"), {"storage": 6})
    same(res.classes("u"), {"storage": 5})


@case
def what_nobody_listed_is_not_watched():
    c = Conn(1)
    c.send(10, True, command(1))
    c.send(13, False, answer(1))
    state = storage_of(run(config([port("g"), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP])])]), c.frames))
    same((state.get("vm", []), state.get("portal", []), state["telemetry"]["pkts"]), ([], [], "0"))


@case
def a_login_of_firmware_begins_a_boot():
    text = b"InitiatorName=iqn.2010-04.org.ipxe:v\0TargetName=iqn.2026-11.x:t\0SessionType=Normal\0MaxRecvDataSegmentLength=8192\0InitialR2T=Yes\0ImmediateData=No\0"
    c = Conn(1)
    pad = b"\0" * (-len(text) % 4)
    c.send(10, True, bhs(0x43, 0x87, 1, size=len(text)) + text + pad)  # T, CSG 1, NSG 3
    c.send(12, False, bhs(0x23, 0x87, 1))
    c.send(20, True, command(2))
    c.send(22, False, answer(2))
    res = run(C, c.frames)
    (v,) = storage_of(res)["vm"]
    same((v["phase"], v["boot"]["in-window"], v["wait"][0]["initiator"]), ("boot-firmware", True, "iqn.2010-04.org.ipxe:v"))
    assert res.classes("g").get("boot", 0) >= 1, res.classes("g")  # from the login on

