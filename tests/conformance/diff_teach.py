"""What NORMAL goes by in diff_ovs.py: who is behind which port. Both switches are taught the same before the first set, and nothing is learnt after."""
import json, struct, time

import lab
from diff_frames import MACS, TAUGHT

VIDS = (0, 5, 6, 7, 8, 9)  # all that frames have, and rules give them; 0 is none
AT_ONCE = 100  # frames: what a busy machine's sockets hold


def port_of(at, vid):
    """Where MACS[at] is; None = nowhere. The two that frames come from are in each VLAN at their port, the others by the VLAN"""
    return (1, 2, 3 + vid % 2, 1 + vid % 4, None if vid % 2 else 2)[at]


def lessons(n_parts):
    """{port: [(vid, address)]}"""
    out = {}
    for vid in VIDS:
        for at, address in enumerate(MACS):
            if port_of(at, vid):
                out.setdefault(port_of(at, vid), []).extend((vid, address | (part | TAUGHT) << 24) for part in range(n_parts))
    return out


def frame_of(vid, address):
    """From an address to itself: nobody else gets it, once the address is known"""
    tag = struct.pack("!HH", 0x8100, vid) if vid else b""
    return (address.to_bytes(6, "big") * 2 + tag + b"\x12\x34").ljust(60, b"\0")


def text_of(address):
    return address.to_bytes(6, "big").hex(":")


def known_to(side):
    """{(vid, address)}: port"""
    out = {}
    if side.which == "ovs":
        for line in side.lab.appctl("fdb/show", "oracle%d" % side.n).splitlines()[1:]:
            port, vid, address = line.split()[:3]
            out[int(vid), address] = port
        return out
    side.lab.weir_socket = side.socket
    for e in json.loads(side.lab.weir_says("--json", "show", "macs"))["weir-interfaces:mac-table"]["mac"]:
        out[0 if e["vlan"] == 1 else e["vlan"], e["address"]] = e["port"][-1]
    return out


def teach(sides, n_parts):
    """Rules send all to NORMAL. A frame that finds the ring of lessons full teaches nothing: those that are unknown are said again"""
    wanted = lessons(n_parts)
    for side in sides:
        end = time.monotonic() + 20
        while True:
            known = known_to(side)
            missing = {port: [frame_of(*x) for x in some if known.get((x[0], text_of(x[1]))) != str(port)] for port, some in wanted.items()}
            if not any(missing.values()):
                break
            if time.monotonic() > end:
                raise lab.LabError("%s does not learn: %d addresses are unknown to it" % (side.which, sum(map(len, missing.values()))))
            for port, frames in missing.items():
                for at in range(0, len(frames), AT_ONCE):
                    side.through(frames[at:at + AT_ONCE], port)
            time.sleep(0.1)
