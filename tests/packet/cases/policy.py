"""Policy of the configuration where frames enter, and the marks where they leave."""
from harness import *

G, H, BC = mac(1), mac(2), "ff:ff:ff:ff:ff:ff"
GIP, SRV = "10.0.0.1", "10.0.0.50"
OPEN = {"broadcast-limit": 0, "unknown-unicast-limit": 0}


def cfg(policy=None, qos=None, uplink="trunk", **leaves):
    leaves.setdefault("admit", OPEN)
    c = config([port("g", **leaves), port("u", "uplink", vlan_mode=uplink)], vms=[vm("v", [nic(0, G, "g", [GIP])])])
    if policy:
        c["weir-vm:vms"]["vm"][0]["weir-qos:qos"] = policy
    if qos:
        c["weir-qos:qos"] = {"class": qos}
    return c


def frame(size=1514, tags=(), tos=0, v6=False, n=0):
    e = Ether(src=G, dst=BC)
    for t in tags:
        e = e / t
    e = e / (IPv6(src="2001:db8::1", dst="2001:db8::2", tc=tos) if v6 else IP(src=GIP, dst=SRV, tos=tos)) / UDP(sport=1, dport=2, chksum=0)
    return bytes(e / (b"%08d" % n + b"x" * (size - len(e) - 8)))


def tags(frames):
    return [(Ether(f)[Dot1Q].vlan, Ether(f)[Dot1Q].prio, Ether(f)[Dot1Q].id) for f in frames]


@case
def a_vm_over_its_limit_is_not_polled_and_loses_no_frame():
    n = 400  # 4.9 Mbit at once, at 1 Mbit/s
    for limit, want_ns in (({"limit-from": "1000000"}, 4.92e9), ({"packet-limit-from": 100}, 4e9)):
        res = run(cfg(limit, vlan=20), [(0, "g", frame(n=i)) for i in range(n)])
        same(res.drops("g"), {}, limit)
        same(res.drops("u"), {}, limit)
        same([Ether(f).load[:8] for f in res.out["u"]], [b"%08d" % i for i in range(n)], limit)
        held = res.counter("g", "rx_held_ns")
        assert want_ns - 0.15e9 < held < want_ns + 0.01e9, "%s: held back for %d ns, not %d" % (limit, held, want_ns)
    same(run(cfg(vlan=20), [(0, "g", frame(n=i)) for i in range(n)]).counter("g", "rx_held_ns"), 0)


@case
def frames_beyond_the_meter_are_red_or_yellow():
    meter = {"committed-rate": "1000", "committed-burst": 153800}
    frames = [(0, "g", frame(n=i)) for i in range(600)]
    res = run(cfg({"meter": meter}, vlan=20), frames)
    same(res.drops("g"), {"meter_red": 500}, "committed only")
    res = run(cfg({"meter": dict(meter, **{"excess-rate": "1000", "excess-burst": 307600})}, vlan=20), frames)
    same(res.drops("g"), {"meter_red": 300}, "RFC 4115")
    same(tags(res.out["u"]), [(20, 0, 0)] * 100 + [(20, 0, 1)] * 200)
    res = run(cfg({"meter": dict(meter, **{"peak-rate": "1000", "peak-burst": 307600})}, vlan=20), frames)
    same(res.drops("g"), {"meter_red": 400}, "RFC 2698")
    same(tags(res.out["u"]), [(20, 0, 0)] * 100 + [(20, 0, 1)] * 100)


@case
def a_trusted_tag_chooses_class_and_colour():
    want = {0: ("bulk", 0), 1: ("scavenger", 1), 2: ("interactive", 2), 3: ("interactive", 2), 4: ("storage", 4), 5: ("latency", 5), 6: ("control", 6), 7: ("control", 6)}
    for vlan, leaves in ((20, {"vlan_mode": "trunk", "trunk": ["20"]}), (0, {"vlan": 20})):
        for pcp, (cls, out) in want.items():
            f = [(i, "g", frame(100, [Dot1Q(vlan=vlan, prio=pcp, id=i & 1)], n=i)) for i in range(4)]
            res = run(cfg(trust_pcp=True, **leaves), f)
            same(res.classes("g"), {cls: 4}, (vlan, pcp))
            same(tags(res.out["u"]), [(20, out, i & 1) for i in range(4)], (vlan, pcp))


@case
def dscp_speaks_before_pcp():
    c = cfg(trust_pcp=True, trust_dscp=True, vlan_mode="trunk", trunk=["20"])
    rows = [(0xb8, 4, "latency"), (0x20, 7, "scavenger"), (0, 4, "storage"), (0x84, 2, "interactive")]
    for tos, pcp, cls in rows:
        same(run(c, [(0, "g", frame(100, [Dot1Q(vlan=20, prio=pcp)], tos))]).classes("g"), {cls: 1}, (tos, pcp))


@case
def a_vlan_has_a_class_for_what_no_rule_knows():
    c = cfg(qos=[{"name": "storage", "vlan": [20]}], vlan_mode="trunk", trunk=["20", "30"], default_class="interactive")
    f = lambda v, **kw: frame(100, [Dot1Q(vlan=v, prio=7)], **kw)
    res = run(c, [(0, "g", f(20)), (1, "g", f(30)), (2, "g", f(20, tos=0x20)), (3, "g", f(20, v6=True))])
    same(res.classes("g"), {"storage": 2, "interactive": 1, "scavenger": 1})
    same([t[1] for t in tags(res.out["u"])], [4, 2, 1, 4])


@case
def marks_of_a_class_are_as_configured():
    c = cfg(qos=[{"name": "bulk", "pcp": 3, "dscp": 10}], vlan=20)
    for v6 in (False, True):
        for tos in (0, 0xb8 | 2, 0xff):
            res = run(c, [(0, "g", frame(100, tos=tos, v6=v6, n=i)) for i in range(3)])
            want = [frame(104, [Dot1Q(vlan=20, prio=3)], 10 << 2 | tos & 3, v6, i) for i in range(3)]
            frames_are(res.out["u"], want, (v6, tos))
    # Nothing but uplinks marks.
    c = config([port("g", vlan=20, admit=OPEN), port("w", "host", vlan_mode="trunk"), port("h", vlan=20)])
    c["weir-qos:qos"] = {"class": [{"name": "bulk", "pcp": 3, "dscp": 10}]}
    res = run(c, [(0, "g", frame(100, tos=0xb8))])
    frames_are(res.out["w"], [frame(104, [Dot1Q(vlan=20)], 0xb8)])
    frames_are(res.out["h"], [frame(100, tos=0xb8)])
