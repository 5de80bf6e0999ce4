from harness import *

PAY = b"weir" * 12


def ip(src, dst, vlan=None, payload=PAY, **kw):
    e = Ether(src=mac(src), dst=mac(dst) if isinstance(dst, int) else dst)
    for v in ([vlan] if isinstance(vlan, int) else vlan or []):
        e = e / Dot1Q(vlan=v, **kw)
    return e / IP(src="10.0.0.%d" % src, dst="10.0.0.9") / UDP(sport=5000, dport=5001, chksum=0) / payload


BC = "ff:ff:ff:ff:ff:ff"
THREE = [port("a"), port("b"), port("u", "uplink")]


@case
def unknown_unicast_floods_and_a_reply_is_sent_to_one_port():
    q, r = ip(1, 2), ip(2, 1)
    res = run(config(THREE), [(0, "a", q), (10, "b", r), (20, "a", q)])
    frames_are(res.out["b"], [q, q], "b")
    frames_are(res.out["u"], [q], "u sees only the first")
    frames_are(res.out["a"], [r], "a")
    same(res.macs(), {(1, mac(1)): ("a", False), (1, mac(2)): ("b", False)})


@case
def an_address_moves_with_its_host():
    res = run(config(THREE), [(0, "a", ip(1, BC)), (10, "b", ip(1, BC)), (20, "u", ip(7, 1))])
    same(len(res.out["b"]), 2, "b: the first broadcast, and the frame for the moved host")
    same(res.macs()[(1, mac(1))], ("b", False))


@case
def addresses_are_learned_per_vlan():
    c = config([port("a", vlan=10), port("b", vlan=20), port("u", "uplink")])
    res = run(c, [(0, "a", ip(1, BC)), (10, "b", ip(1, BC))])
    same(res.macs(), {(10, mac(1)): ("a", False), (20, mac(1)): ("b", False)})
    same([Ether(f)[Dot1Q].vlan for f in res.out["u"]], [10, 20])


@case
def an_address_that_is_silent_ages_out():
    c = config(THREE, system={"mac-ageing": 10})
    quiet = run(c, [(0, "a", ip(1, BC)), (9000, "u", ip(7, 1)), (40000, "u", ip(7, 1))])
    same(len(quiet.out["b"]), 2, "b sees the broadcast, and the flood after ageing")


@case
def frames_for_a_host_behind_the_same_port_stay_there():
    res = run(config(THREE), [(0, "u", ip(1, BC)), (10, "u", ip(2, 1))])
    same(res.drops("u"), {"forward_same_port": 1})
    same(len(res.out["a"]), 1)


@case
def uplinks_do_not_talk_to_each_other():
    c = config([port("u1", "uplink"), port("u2", "uplink"), port("a")])
    res = run(c, [(0, "u1", ip(1, BC)), (10, "u2", ip(2, 1))])
    same(res.out["u2"], [])
    same(res.drops("u2"), {"forward_uplinks": 1})
    same(len(res.out["a"]), 1)


@case
def isolated_ports_do_not_talk_to_each_other():
    c = config([port("a", isolated=True), port("b", isolated=True), port("u", "uplink")])
    res = run(c, [(0, "a", ip(1, BC)), (10, "b", ip(2, 1))])
    same(res.out["b"], [])
    same(len(res.out["u"]), 1)
    same(res.drops("b"), {"forward_isolated": 1})


@case
def access_ports_tag_towards_a_trunk_and_untag_from_it():
    c = config([port("a", vlan=20), port("t", "uplink", vlan_mode="trunk", trunk=["20-29"])])
    q = ip(1, BC)
    res = run(c, [(0, "a", q), (10, "t", ip(2, 1, 20, prio=5)), (20, "t", ip(3, BC, 30)), (30, "t", ip(3, BC))])
    frames_are(res.out["t"], [ip(1, BC, 20)], "tagged")
    frames_are(res.out["a"], [ip(2, 1)], "untagged")
    same(res.drops("t"), {"vlan_not_member": 1, "vlan_untagged_on_trunk": 1})


@case
def priority_tags_are_taken_off_and_their_priority_is_kept():
    c = config([port("a", vlan=20), port("h", "host", vlan_mode="trunk"), port("t", "uplink", vlan_mode="trunk")])
    res = run(c, [(0, "a", ip(1, BC, 0, prio=6))])
    frames_are(res.out["h"], [ip(1, BC, 20, prio=6)])
    frames_are(res.out["t"], [ip(1, BC, 20)], "an uplink gets the priority of the class")


@case
def native_vlans_travel_untagged_or_tagged_as_the_mode_says():
    c = config([port("a", vlan=7), port("nu", "uplink", vlan_mode="native-untagged", vlan=7),
                port("nt", "uplink", vlan_mode="native-tagged", vlan=7)])
    res = run(c, [(0, "a", ip(1, BC)), (10, "nt", ip(2, BC)), (20, "nu", ip(3, BC))])
    frames_are(res.out["nu"], [ip(1, BC)])
    frames_are(res.out["nt"], [ip(1, BC, 7)])
    same(len(res.out["a"]), 2)


@case
def a_tagged_frame_on_an_access_port_is_dropped():
    c = config([port("a", vlan=20), port("u", "uplink")])
    res = run(c, [(0, "a", ip(1, BC, 20)), (1, "a", ip(1, BC, 30))])
    same(res.out["u"], [])
    same(res.drops("a"), {"vlan_tagged_on_access": 2})


@case
def a_customer_tag_crosses_a_provider_vlan():
    c = config([port("c1", "uplink", vlan_mode="dot1q-tunnel", vlan=100), port("p", "host", vlan_mode="provider", trunk=["100"]),
                port("c2", vlan_mode="dot1q-tunnel", vlan=100, admit={"enabled": False})])
    q = ip(1, BC, 20)
    res = run(c, [(0, "c1", q), (10, "c2", ip(2, BC)), (20, "c1", q.__class__(bytes(q)).copy())])
    want = Ether(src=mac(1), dst=BC, type=0x88a8) / Dot1Q(vlan=100, type=0x8100) / Dot1Q(vlan=20) / q[IP]
    same(res.out["p"][0].hex(), bytes(want).hex())
    frames_are(res.out["c2"][:1], [q], "the customer's tag is as it was")
    back = run(c, [(0, "p", want)])
    frames_are(back.out["c1"], [q], "from the provider side")


@case
def a_provider_port_takes_service_tags_only():
    c = config([port("p", "uplink", vlan_mode="provider", trunk=["100"]), port("a", vlan=100)])
    s = Ether(src=mac(1), dst=BC, type=0x88a8) / Dot1Q(vlan=101, type=0x0800) / IP() / UDP()
    res = run(c, [(0, "p", ip(1, BC, 100)), (1, "p", ip(1, BC)), (2, "p", s)])
    same(res.out["a"], [])
    same(res.drops("p"), {"vlan_tpid": 1, "vlan_untagged_on_trunk": 1, "vlan_not_member": 1})


@case
def reserved_bridge_addresses_are_not_forwarded():
    c = config(THREE)
    frames = [(i, "u", Ether(src=mac(1), dst="01:80:c2:00:00:%02x" % i, type=0x88cc) / PAY) for i in range(16)]
    res = run(c, frames + [(20, "u", Ether(src=mac(1), dst="01:80:c2:00:00:10", type=0x88cc) / PAY)])
    same(res.drops("u"), {"l2_reserved_dst": 16})
    same(len(res.out["a"]), 1)


@case
def sources_that_are_multicast_or_zero_are_dropped():
    bad = [Ether(src="01:00:5e:00:00:01", dst=BC) / IP() / UDP(), Ether(src="00:00:00:00:00:00", dst=BC) / IP() / UDP()]
    res = run(config(THREE), [(0, "u", bad[0]), (1, "u", bad[1])])
    same(res.drops("u"), {"l2_src_invalid": 2})


@case
def a_mirror_sees_what_enters_and_what_leaves():
    c = config([port("a", mirror_to="m"), port("b"), port("m", mirror_destination=True)])
    q, r = ip(1, BC), ip(2, 1)
    res = run(c, [(0, "a", q), (10, "b", r), (20, "m", ip(5, BC))])
    frames_are(res.out["m"], [q, r])
    frames_are(res.out["b"], [q])
    same(res.drops("m"), {"mirror_only": 1})


@case
def jumbo_frames_cross_up_to_9728_bytes():
    c = config([port("a", mtu=9710), port("b", mtu=9710), port("s", mtu=1500)])
    big = ip(1, BC, payload=b"x" * (9710 - 28))
    res = run(c, [(0, "a", big), (10, "a", ip(1, BC, payload=b"x" * 9800))])
    frames_are(res.out["b"], [big])
    same(res.out["s"], [])
    same(res.drops("s"), {"mtu_exceeded": 1})
    same(res.drops("a"), {"l2_oversize": 1})


@case
def a_full_table_evicts_an_address_of_the_port_that_has_most():
    c = config([port("a", admit={"mac-limit": 0, "broadcast-limit": 0}), port("b"), port("u", "uplink")], system={"mac-table-size": 64})
    flood = [(1 + i // 16, "a", Ether(src="02:00:00:00:%02x:%02x" % (i >> 8, i & 255), dst=BC) / IP(src="10.1.0.1") / UDP()) for i in range(600)]
    res = run(c, [(0, "b", ip(2, BC))] + flood + [(500, "u", ip(7, 2))])
    same(res.macs()[(1, mac(2))], ("b", False), "the victim kept its entry")
    assert res.state["macs"]["weir-interfaces:mac-table"]["entries"] <= 64
    assert int(res.state["macs"]["weir-interfaces:mac-table"]["evictions"]) > 500


@case
def frames_for_an_absent_guest_are_dropped_by_name():
    """Its machine may run on another host, so its address is not the port's while it is away."""
    c = config([port("a", device="test,down"), port("u", "uplink")], vms=[vm("v", [nic(0, mac(1), "a")])])
    res = run(c, [(0, "u", ip(7, 1))])
    same((res.drops("a"), res.drops("u")), ({}, {"forward_no_port": 1}))


@case
def a_guest_that_does_not_read_fills_only_its_own_queue():
    c = config([port("a", device="test,room=0"), port("b"), port("u", "uplink")], system={"queue-length": 64},
               vms=[vm("v", [nic(0, mac(1), "a")]), vm("w", [nic(0, mac(2), "b")])])
    frames = [(1 + i // 16, "u", ip(7, 1)) for i in range(200)] + [(1 + i // 16, "u", ip(7, 2)) for i in range(200)]
    res = run(c, frames)
    same(len(res.out["b"]), 200)
    # bulk's part of 64 in the scheduler, and the one that is offered to the guest again and again
    same(res.drops("a"), {"vm_quota": 155})
    same(int(res.ports["a"]["queued"]), 45)


@case
def urgent_classes_leave_first_when_a_queue_stands():
    # The guest takes 4 frames at a time: of the first 31, 27 stand when storage comes; it waits for one try of the link.
    c = config([port("a", device="test,pace=4"), port("u", "uplink")], vms=[vm("v", [nic(0, mac(1), "a")])],
               storage={"portal": [{"address": "10.0.0.50", "protocol": "tcp", "port": 3260}]})
    bulk = [(1, "u", ip(7, 1)) for _ in range(31)]
    iscsi = Ether(src=mac(7), dst=mac(1)) / IP(src="10.0.0.50", dst="10.0.0.1") / TCP(sport=3260, dport=1111)
    res = run(c, bulk + [(2, "u", iscsi)])
    same(len(res.out["a"]), 32)
    assert res.out["a"].index(bytes(iscsi)) <= 8, "storage overtook: it left as number %d" % res.out["a"].index(bytes(iscsi))
    same(res.classes("a", "tx"), {"storage": 1, "bulk": 31})


@case
def several_workers_hand_frames_to_the_owner_of_the_link():
    c = config([port("a"), port("b"), port("c"), port("u", "uplink")])
    frames = []
    for i in range(100):
        frames += [(i, "a", ip(1, 2)), (i, "b", ip(2, 1)), (i, "c", ip(3, 1)), (i, "u", ip(7, 3))]
    res = run(c, [(0, p, ip(n, BC)) for n, p in ((1, "a"), (2, "b"), (3, "c"), (7, "u"))] + [(m + 10, p, f) for m, p, f in frames], workers=3)
    same([len([f for f in res.out[p] if f[:6] != b"\xff" * 6]) for p in "abcu"], [200, 100, 100, 0])


@case
def what_a_link_does_not_take_for_a_second_is_given_up_frame_by_frame():
    c = config([port("a", device="test,room=0"), port("u", "uplink")], vms=[vm("v", [nic(0, mac(1), "a")])])
    res = run(c, [(0, "u", ip(7, 1)), (0, "u", ip(7, 1)), (3500, "u", ip(7, BC))])
    same(res.drops("a"), {"tx_stuck": 2})
    same(int(res.ports["a"]["queued"]), 1)


@case
def a_queue_is_bounded_in_buffers():
    c = config([port("a", device="test,room=0", mtu=9000), port("u", "uplink", mtu=9000)], system={"queue-length": 64}, vms=[vm("v", [nic(0, mac(1), "a")])])
    big = ip(7, 1, payload=b"x" * 8000)  # four buffers
    res = run(c, [(1 + i // 16, "u", big) for i in range(40)])
    same((int(res.ports["a"]["queued"]), res.drops("a")), (12, {"vm_quota": 28}))
