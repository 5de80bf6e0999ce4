"""Where a VM's MAC is while its guest is here, away, and coming."""
from harness import *

G, H = mac(1), mac(2)
GIP, HIP, OUT = "10.9.0.101", "10.9.0.102", "10.9.0.1"
PEER = mac(0x77)
BC = "ff:ff:ff:ff:ff:ff"


def cfg(link="", uplink="test", more=()):
    return config([port("g", device="test" + link), port("h"), port("u", "uplink", device=uplink), port("u2", "uplink")] + list(more),
                  vms=[vm("web1", [nic(0, G, "g", [GIP])], {"method": "none"}), vm("web2", [nic(0, H, "h", [HIP])], {"method": "none"})])


def rarp(src=G):  # what librte_vhost and QEMU announce a VM by
    return Ether(src=src, dst=BC, type=0x8035) / bytes.fromhex("0001080006040003") / (bytes.fromhex(src.replace(":", "")) + b"\0" * 4) / (
        bytes.fromhex(src.replace(":", "")) + b"\0" * 4) / (b"\0" * 18)


def to_g(src=H, ip=HIP):
    return Ether(src=src, dst=G) / IP(src=ip, dst=GIP) / UDP(sport=9, dport=9) / (b"x" * 40)


def from_g():
    return Ether(src=G, dst=H) / IP(src=GIP, dst=HIP) / UDP(sport=9, dport=9) / (b"y" * 40)


def told(res, p):
    return [v for q, v in res.explained if q == p]


@case
def an_announcement_passes_admission_and_reaches_all():
    res = run(cfg(), [(0, "g", rarp())])
    same(([len(res.out[p]) for p in ("h", "u", "u2")], res.drops("g")), ([1, 1, 1], {}))


@case
def a_vm_that_runs_on_another_host_is_reached_there():
    """The destination of a migration, before: the port waits, the VM speaks at an uplink."""
    res = run(cfg(",down"), [(0, "h", to_g()), (10, "u", rarp()), (20, "h", to_g())])
    same((len(res.out["u"]), len(res.out["u2"])), (2, 1), "first both, then where it was heard")
    same((res.drops("g"), res.drops("h"), res.drops("u")), ({}, {}, {}))
    same(told(res, "h"), ["flood u u2 g", "unicast u"])
    same(res.macs()[1, G], ("u", False))


@case
def the_first_frame_of_a_vm_that_comes_moves_it_home():
    """No housekeeping lies between its announcement and the next frame: one turn of one worker."""
    res = run(cfg(",down=0-50"), [(10, "u", rarp()), (20, "h", to_g()), (60, "g", rarp()), (60, "h", to_g()), (70, "u", to_g(PEER, OUT))])
    same((len(res.out["g"]), len([f for f in res.out["u"] if Ether(f).dst == G])), (2, 1))
    same(res.macs()[1, G], ("g", True))
    same(told(res, "u"), ["flood g h", "unicast g"])


@case
def a_vm_is_home_when_its_driver_comes_up_even_if_silent():
    res = run(cfg(",down=0-50"), [(10, "u", rarp()), (80, "h", to_g())])
    same((len(res.out["g"]), res.macs()[1, G]), (1, ("g", True)))


@case
def a_vm_that_left_is_followed_on_its_first_announcement():
    """The source: the guest stops, is nowhere, and speaks at the uplink."""
    res = run(cfg(",down=50"), [(0, "g", from_g()), (10, "h", to_g()), (60, "h", to_g()), (70, "u", rarp()), (71, "h", to_g()), (80, "h", to_g())])
    same((len(res.out["g"]), len(res.out["u2"]), len(res.out["u"])), (1, 1, 3))
    same((res.macs()[1, G], res.drops("u"), res.drops("h")), (("u", False), {}, {}))
    same(told(res, "h"), ["unicast g", "flood u u2 g", "unicast u", "unicast u"])


@case
def while_its_guest_is_there_nobody_takes_its_address():
    res = run(cfg(), [(0, "u", rarp()), (10, "h", to_g())])
    same((res.drops("u"), len(res.out["g"])), ({"spoof_mac_pinned": 1}, 1))
    same(told(res, "u"), ["spoof_mac_pinned"])


@case
def another_guest_or_the_host_never_takes_it():
    """Not even one without admission, whether the owner is there or not."""
    for link in ("", ",down"):
        res = run(cfg(link, more=[port("v", admit={"enabled": False}), port("w", "host")]), [(0, "v", rarp()), (5, "w", rarp()), (10, "u", to_g(PEER, OUT))])
        same((res.drops("v"), res.drops("w"), told(res, "v")), ({"spoof_mac_pinned": 1}, {"spoof_mac_pinned": 1}, ["spoof_mac_pinned"]), link)
        assert (1, G) not in res.macs() or res.macs()[1, G] == ("g", True), res.macs()


@case
def what_is_away_follows_between_uplinks_and_ages():
    res = run(cfg(",down"), [(0, "u", rarp()), (10, "u2", rarp()), (20, "h", to_g())])
    same((len(res.out["u2"]), [f for f in res.out["u"] if Ether(f).dst == G], res.macs()[1, G]), (1, [], ("u2", False)))
    res = run(cfg(",down"), [(0, "u", rarp()), (400000, "h", to_g())])
    same((len(res.out["u"]), len(res.out["u2"])), (1, 1), "nobody has heard it for 300 s")
    same((1, G) in res.macs(), False)


@case
def several_workers_agree_where_a_vm_is():
    res = run(cfg(",down=50-90"), [(0, "g", from_g()), (60, "u", rarp()), (70, "h", to_g()), (100, "g", rarp()), (110, "h", to_g())], workers=3)
    same((len([f for f in res.out["u"] if Ether(f).dst == G]), len(res.out["g"]), res.macs()[1, G]), (1, 1, ("g", True)))


@case
def a_quiet_port_takes_nothing_and_its_vm_is_elsewhere():
    fs = [(0, "g", from_g()), (10, "h", to_g()), (60, "g", from_g()), (61, "g", rarp()), (65, "u", rarp()), (70, "h", to_g()), (120, "g", from_g()), (130, "h", to_g())]
    res = run(cfg(",quiet=50-100"), fs)
    same((res.drops("g"), len(res.out["h"]), len(res.out["g"])), ({"standby": 2}, 3, 3), "hears the announcement, says nothing")
    same((len(res.out["u"]), len(res.out["u2"]), res.macs()[1, G]), (1, 0, ("g", True)))
    same(told(res, "g"), ["unicast h", "standby", "standby", "unicast h"])


@case
def an_awaited_vm_is_heard_from_its_first_frame_on_after_it_came():
    """Before its driver is up a port of a machine that comes says nothing; then nothing of it is lost."""
    fs = [(20, "g", from_g()), (60, "g", rarp()), (70, "h", to_g())]
    res = run(cfg(",down=0-50,awaits=10"), fs)
    same((res.drops("g"), len(res.out["h"]), len(res.out["g"])), ({"standby": 1}, 1, 1))
    same((res.macs()[1, G], told(res, "g")), (("g", True), ["standby", "flood u u2 h"]))
