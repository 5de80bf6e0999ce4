from harness import *

G, U = mac(1), mac(9)
GIP, SRV = "10.0.0.1", "10.0.0.50"


def cfg(storage, **leaves):
    return config([port("g", **leaves), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP])])], storage=storage)


def tcp(sport, dport, out=True, dst=SRV, tos=0):
    if out:
        return Ether(src=G, dst=U) / IP(src=GIP, dst=dst, tos=tos) / TCP(sport=sport, dport=dport)
    return Ether(src=U, dst=G) / IP(src=dst, dst=GIP, tos=tos) / TCP(sport=sport, dport=dport)


@case
def a_declared_portal_is_storage_in_both_directions():
    c = cfg({"portal": [{"address": SRV, "protocol": "tcp", "port": 3999}]})
    res = run(c, [(0, "g", tcp(1000, 3999)), (1, "u", tcp(3999, 1000, False)), (2, "g", tcp(1000, 3998))])
    same(res.classes("g"), {"storage": 1, "bulk": 1})
    same(res.classes("u"), {"storage": 1})
    same(res.classes("g", "tx"), {"storage": 1})


@case
def a_declared_server_is_storage_on_storage_ports_only():
    c = cfg({"server": ["10.0.0.48/29"]})
    ports = [3260, 860, 111, 4420, 8009, 3300, 6789, 6800, 445, 10809, 2049]  # NFS last: from there on the machine boots
    res = run(c, [(i, "g", tcp(1000, p)) for i, p in enumerate(ports)] + [(50, "g", tcp(1000, 80)), (51, "g", tcp(1000, 3260, dst="10.0.0.60"))])
    same(res.classes("g"), {"storage": len(ports), "bulk": 2})


@case
def a_port_number_alone_buys_no_priority():
    res = run(cfg(None), [(i, "g", tcp(3260, p)) for i, p in enumerate([3260, 2049, 4420])])
    same(res.classes("g"), {"bulk": 3})


@case
def storage_ethertypes_are_storage_where_declared():
    frames = [(i, "g", Ether(src=G, dst=U, type=t) / (b"\0" * 50)) for i, t in enumerate([0x8906, 0x8914, 0x88a2])]
    same(run(cfg(None), frames).classes("g"), {"bulk": 3})
    same(run(cfg({"l2-protocol": ["aoe"]}), frames).classes("g"), {"storage": 1, "bulk": 2})
    same(run(cfg({"l2-protocol": ["fcoe", "aoe"]}), frames).classes("g"), {"storage": 3})


@case
def a_portals_address_as_source_buys_nothing_from_a_guest():
    # Not described as a VM, so nothing holds it to an address of its own.
    c = config([port("g"), port("u", "uplink")], storage={"portal": [{"address": SRV, "protocol": "tcp", "port": 3999}], "server": [SRV + "/32"]})
    spoofed = [Ether(src=G, dst=U) / IP(src=SRV, dst="10.0.0.7") / TCP(sport=p, dport=1000) for p in (3999, 3260)]
    res = run(c, [(i, "g", f) for i, f in enumerate(spoofed)] + [(9, "g", tcp(1000, 3999))])
    same(res.classes("g"), {"bulk": 2, "storage": 1})


@case
def dscp_raises_only_on_trusted_ports_and_lowers_everywhere():
    tos = [0xb8, 0x48, 0x20, 0x04]  # EF, AF21, CS1, LE
    frames = [(i, "g", tcp(1, 2, tos=t)) for i, t in enumerate(tos)]
    same(run(cfg(None), frames).classes("g"), {"bulk": 2, "scavenger": 2})
    same(run(cfg(None, trust_dscp=True), frames).classes("g"), {"latency": 1, "interactive": 1, "scavenger": 2})


@case
def control_traffic_over_its_rate_is_served_as_bulk():
    c = cfg(None, admit={"control-limit": 100, "broadcast-limit": 0})
    arp = Ether(src=G, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=G, psrc=GIP, pdst="10.0.0.9")
    res = run(c, [(i // 4, "g", arp) for i in range(400)])
    n = res.classes("g")
    assert 41 <= n["control"] <= 55 and n["control"] + n["bulk"] == 400, n
    same(len(res.out["u"]), 400, "none is lost")


@case
def the_default_class_is_the_ports():
    same(run(cfg(None, default_class="interactive"), [(0, "g", tcp(1, 2))]).classes("g"), {"interactive": 1})


@case
def a_boot_port_number_buys_no_more_than_control_does():
    c = cfg(None, admit={"control-limit": 100})
    res = run(c, [(i // 4, "g", Ether(src=G, dst=U) / IP(src=GIP, dst=SRV) / UDP(sport=1, dport=69)) for i in range(400)])
    n = res.classes("g")
    assert 41 <= n["boot"] <= 55 and n["boot"] + n["bulk"] == 400, n


@case
def a_guest_does_not_raise_itself_by_pcp_dei_or_dscp():
    """Each PCP, with and without DEI, behind each DSCP that could raise: in a priority tag, in a VLAN tag, in a customer's tag."""
    tos = [0, 0xb8, 0x48, 0xc0, 0xe0, 0x28]
    tags = [(p, d, t) for p in range(8) for d in (0, 1) for t in tos]
    for vlan, leaves in ((0, {"vlan": 20}), (20, {"vlan_mode": "trunk", "trunk": ["20"]}), (5, {"vlan_mode": "dot1q-tunnel", "vlan": 20})):
        qinq = vlan == 5
        c = config([port("g", **leaves), port("u", "uplink", vlan_mode="provider" if qinq else "trunk")])
        load = lambda t: IP(src=GIP, dst=SRV, tos=t) / TCP(sport=1, dport=3260) / (b"x" * 20)
        res = run(c, [(i // 8, "g", Ether(src=G, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(prio=p, id=d, vlan=vlan) / load(t)) for i, (p, d, t) in enumerate(tags)])
        same(res.classes("g"), {"bulk": len(tags)}, leaves)
        want = []
        for p, d, t in tags:
            inner = Dot1Q(prio=p, id=d, vlan=5) / load(t) if qinq else load(t)
            e = Ether(src=G, dst="ff:ff:ff:ff:ff:ff", type=0x88a8 if qinq else 0x8100)
            want.append(e / Dot1Q(prio=0, id=0, vlan=20) / inner)
        frames_are(res.out["u"], want, leaves)


@case
def an_uplink_tag_has_the_priority_of_the_class():
    c = config([port("g", vlan=20, trust_dscp=True), port("u", "uplink", vlan_mode="trunk")], storage={"server": [SRV + "/32"]})
    def l3(tos=0, p=7):
        return IP(src=GIP, dst=SRV, tos=tos) / TCP(sport=1, dport=p)
    e = Ether(src=G, dst="ff:ff:ff:ff:ff:ff")
    frames = [(e / ARP(hwsrc=G, psrc=GIP, pdst=SRV), 6), (e / IP(src=GIP, dst=SRV) / UDP(sport=1, dport=69), 4), (e / l3(p=3260), 4),
              (e / l3(0xb8), 5), (e / l3(0x48), 2), (e / l3(), 0), (e / l3(0x20), 1)]
    res = run(c, [(i, "g", f) for i, (f, _) in enumerate(frames)])
    same([Ether(f)[Dot1Q].prio for f in res.out["u"]], [p for _, p in frames])
