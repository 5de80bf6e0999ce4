from harness import *

AB = [port("a"), port("b")]


def say(src, dst):
    return Ether(src=mac(src), dst=dst if isinstance(dst, str) else mac(dst)) / IP(src="10.0.0.%d" % src, dst="10.0.0.9") / UDP(sport=5000, dport=5001)


# Learned first; then 10 of a to b, and 5 that stay on the port they came by.
BEFORE = [(0, "a", say(1, "ff:ff:ff:ff:ff:ff")), (5, "b", say(2, 1))] + [(10 + i, "a", say(1, 2)) for i in range(10)] + [(30 + i, "a", say(3, 1)) for i in range(5)]
AFTER = [(200 + i, "a", say(1, 2)) for i in range(3)] + [(210, "a", say(3, 1)), (220, "b", say(2, 1))]


def shown(res, name):
    return tuple(res.counter(name, c) for c in ("rx_pkts", "rx_bytes", "forwarded_pkts", "handed_pkts", "tx_pkts", "tx_bytes")) + (
        res.drops(name), res.classes(name), res.classes(name, "tx"))


@case
def cleared_counters_count_from_then_on():
    whole, cleared, fresh = run(config(AB), BEFORE + AFTER), run(config(AB), BEFORE + AFTER, clear=(100,)), run(config(AB), BEFORE)
    size = len(say(1, 2))
    same(shown(whole, "a")[:3], (20, 20 * size, 14), "a, in all")
    same(shown(cleared, "a"), (4, 4 * size, 3, 1, 1, size, {"forward_same_port": 1}, {"bulk": 4}, {"bulk": 1}), "a, since then")
    same(shown(cleared, "b"), (1, size, 1, 3, 3, 3 * size, {}, {"bulk": 1}, {"bulk": 3}), "b, since then")
    same(cleared.macs(), whole.macs(), "only counters were cleared")
    for res, n in ((whole, 22), (cleared, 5), (fresh, 17)):
        same(sum(int(w["rx-pkts"]) for w in res.state["system"]["weir-system:system-state"]["worker"]), n, "workers")


@case
def a_port_is_cleared_alone():
    whole, cleared = run(config(AB), BEFORE + AFTER), run(config(AB), BEFORE + AFTER, clear=(100, "a"))
    same(shown(cleared, "b"), shown(whole, "b"), "b")
    same(cleared.counter("a", "rx_pkts"), 4, "a")
    same(cleared.state["system"]["weir-system:system-state"]["worker"][0]["rx-pkts"], "22")
    assert "nowhere: there is no port of that name" in run(config(AB), BEFORE, clear=(100, "nowhere"), expect_exit=3)


@case
def what_is_queued_when_counters_are_cleared_stays_accounted_for():
    c = config([port("a"), port("b", device="test,room=4")])
    res = run(c, BEFORE + AFTER, clear=(100,))  # the runner checks the law on the counters as they are
    same((res.counter("b", "handed_pkts"), res.counter("b", "tx_pkts"), int(res.ports["b"]["queued"])), (3, 0, 7))
    same(res.drops("b"), {"queue_late": 3})  # others of their flow had stood for long


@case
def moves_of_addresses_are_cleared_too():
    move = lambda ms: [(ms, "a", say(7, "ff:ff:ff:ff:ff:ff")), (ms + 5, "b", say(7, "ff:ff:ff:ff:ff:ff"))]
    moves = lambda res: res.state["macs"]["weir-interfaces:mac-table"]["moves"]
    same(moves(run(config(AB), move(0) + move(50) + move(300))), "5")
    same(moves(run(config(AB), move(0) + move(50) + move(300), clear=(200,))), "2")


@case
def counters_of_the_responder_are_cleared_too():
    c = config(AB, vms=[vm("v", [nic(0, mac(1), "a", ["10.0.0.1"])], {"method": "iscsi", "iscsi": {"server": "10.0.0.3", "target": "iqn.2026-11.test:v"}})],
               services=[{"vlan": 1, "address": "10.0.0.2", "prefix-length": 24}])
    asks = [(ms, "a", Ether(src=mac(1), dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=mac(1), psrc="10.0.0.1", pdst="10.0.0.2")) for ms in (0, 50, 300)]
    replies = lambda res: {r["name"]: int(r["value"]) for r in res.state["system"]["weir-system:system-state"]["responder"]}["arp_replies"]
    same(replies(run(c, asks)), 3)
    same(replies(run(c, asks, clear=(200,))), 1)
