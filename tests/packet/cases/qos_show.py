from harness import *

G, H, U = mac(1), mac(2), mac(9)
RATE = 12000000  # 1500 bytes per ms


def cfg(v=None, w=None, uplink="test", classes=({"name": "bulk", "target": 0},), rate=RATE, storage=None):
    """Guests g (VM v) and h (VM w) with these policies in VLAN 20, and a rated uplink. CoDel is off, so that waits are arithmetic."""
    vms = [vm("v", [nic(0, G, "g", ["10.0.0.1"])]), vm("w", [nic(0, H, "h", ["10.0.0.2"])])]
    for one, policy in zip(vms, (v, w)):
        if policy:
            one["weir-qos:qos"] = policy
    c = config([port("g", vlan=20), port("h", vlan=20), port("u", "uplink", uplink, vlan_mode="trunk", rate=str(rate))], vms, storage=storage)
    c["weir-qos:qos"] = {"class": list(classes)}
    return c


def udp(size, src=G, dst=U, tos=0, dport=7, sport=1000):
    ip = {G: "10.0.0.1", H: "10.0.0.2"}.get(src, "10.0.0.9")
    return Ether(src=src, dst=dst) / IP(src=ip, dst={G: "10.0.0.1"}.get(dst, "10.0.0.50"), tos=tos) / UDP(sport=sport, dport=dport) / (b"x" * (size - 42))


def tagged(f):
    return Ether(src=f.src, dst=f.dst) / Dot1Q(vlan=20) / f[IP]


# The far end is behind the uplink: no floods. Each guest receives this frame, 84 bytes on the wire.
KNOWN = [(0, "u", tagged(udp(60, U, "ff:ff:ff:ff:ff:ff")))]


def qos(res):
    return res.state["qos"]["weir-qos:qos-state"]


def of_class(where, name="bulk"):
    return next(c for c in where["class"] if c["name"] == name)


def at(res, vm_, link, name="bulk"):
    """The row of a VM, a link and a class."""
    return of_class(next(l for l in machine(res, vm_)["link"] if l["name"] == link), name)


def machine(res, name):
    return next(v for v in qos(res)["vm"] if v["name"] == name)


def shared(res, name="u", cls="bulk"):
    return of_class(next(l for l in qos(res)["link"] if l["name"] == name), cls)


def spans(row):
    return {w["from"]: w["pkts"] for w in row.get("wait", [])}


def causes(row):
    return {d["reason"]: d["pkts"] for d in row.get("drop", [])}


def counts(row):
    return {k: int(row[k]) for k in ("sent-pkts", "sent-bytes", "reserved-bytes", "queued-pkts", "queued-bytes", "last-wait")}


def counted(pkts, size, wait=0, reserved=0, queued=(0, 0)):
    return {"sent-pkts": pkts, "sent-bytes": pkts * size, "reserved-bytes": reserved, "queued-pkts": queued[0], "queued-bytes": queued[1], "last-wait": wait}


@case
def frames_that_wait_are_shown_with_the_time_that_they_waited():
    """1428 bytes on the wire are 0.95 ms, so one leaves per turn: the n-th of 10 waits n ms."""
    res = run(cfg(), KNOWN + [(10, "g", udp(1400)) for _ in range(10)])
    for row in (at(res, "v", "u"), shared(res)):
        same(counts(row), counted(10, 1428, wait=9000))
        same(spans(row), {256: 1, 1000: 3, 4000: 5})  # 1 ms; 2, 3, 4; 5 to 9. The first found no queue.
        assert "drop" not in row
    same(shared(res)["longest-wait"], "9000")
    same(len(res.out["u"]), 10)
    same([l["name"] for l in machine(res, "w")["link"]], ["h"], "w sent nothing and has no policy")
    link = next(l for l in qos(res)["link"] if l["name"] == "u")
    same((link["rate"], link["queued-pkts"], [l["name"] for l in qos(res)["link"]]), (str(RATE), "0", ["u"]))


@case
def a_class_is_the_sum_of_its_machines():
    res = run(cfg(), KNOWN + [(10 + 3 * i, p, udp(s, m)) for i in range(7) for p, m, s in (("g", G, 100), ("h", H, 200))][:-3])
    rows = [at(res, x, "u") for x in "vw"]
    same([(r["sent-pkts"], r["sent-bytes"]) for r in rows], [("6", str(6 * 128)), ("5", str(5 * 228))])
    same((shared(res)["sent-pkts"], shared(res)["sent-bytes"]), ("11", str(6 * 128 + 5 * 228)))
    same([len(c) for c in (machine(res, "v")["link"], machine(res, "-")["link"])], [2, 0])


@case
def drops_are_shown_by_cause_as_the_port_counts_them():
    small = [{"name": "bulk", "max-bytes": 65536, "max-wait": 20000}]
    frames = KNOWN + [(10, "g", udp(1400, sport=1 + i % 5)) for i in range(80)] + [(40 + i, "g", udp(1400, sport=1)) for i in range(20)]
    res = run(cfg(classes=small), frames)
    row = at(res, "v", "u")
    same(causes(row), res.drops("u"))
    assert {"queue_full", "queue_late"} <= set(causes(row)), causes(row)
    same(causes(shared(res)), causes(row))
    same(int(row["sent-pkts"]) + sum(causes(row).values()), 100)
    same(len(res.out["u"]), int(row["sent-pkts"]))


@case
def marks_are_shown_as_frames_carry_them():
    """Storage marks from 200 us on: the 9 of 10 that waited 1 ms and more."""
    res = run(cfg(storage={"portal": [{"address": "10.0.0.50", "protocol": "udp", "port": 7}]}), KNOWN + [(10, "g", udp(1400, tos=2)) for _ in range(10)])
    same((at(res, "v", "u", "storage")["marked-pkts"], shared(res, cls="storage")["marked-pkts"], res.counter("u", "marked_pkts")), (9, 9, 9))
    same([Ether(f)[IP].tos for f in res.out["u"]], [2] + 9 * [3])


@case
def what_goes_within_a_reservation_is_told_apart():
    """A reservation of 3 Mbit/s in 9 ms is two frames of 1428 bytes and some; the burst adds 8 frames of 1538."""
    res = run(cfg(v={"reservation": "3000000", "priority": "interactive"}), KNOWN + [(10, "g", udp(1400)) for _ in range(30)] + [(10, "h", udp(1400, H)) for _ in range(30)])
    v, w = at(res, "v", "u"), at(res, "w", "u")
    same((v["sent-pkts"], w["sent-pkts"], w["reserved-bytes"]), ("30", "30", "0"))
    assert 0 < int(v["reserved-bytes"]) < 30 * 1428, v
    same(at(res, "v", "u", "interactive")["reservation"], "3000000")
    same((machine(res, "v")["reservation"], "reservation" in machine(res, "w")), ("3000000", False))


@case
def a_machine_is_shown_with_its_limits_and_what_they_did():
    v = {"limit-from": "2000000", "packet-limit-to": 500, "meter": {"committed-rate": "1000000", "committed-burst": 65536}}
    res = run(cfg(v=v), KNOWN + [(10, "g", udp(1400)) for _ in range(100)])
    m = machine(res, "v")
    same((m["port"], m["from"]["limit"], m["to"], m["from"]["meter"], m["shares"]), (["g"], "2000000", {"packet-limit": 500}, "rfc4115", 1))
    same(int(m["from"]["held"]), res.counter("g", "rx_held_ns") // 1000)
    assert int(m["from"]["held"]) > 300000, m
    same((m["from"]["red-pkts"], "meter" in machine(res, "w")["from"]), (str(res.drops("g")["meter_red"]), False))


@case
def a_machine_that_is_held_back_now_says_so():
    res = run(cfg(v={"limit-from": "100000"}), KNOWN + [(10, "g", udp(1400)) for _ in range(100)])
    same((machine(res, "v")["from"]["held-now"], machine(res, "w")["from"]["held-now"]), (True, False))


@case
def frames_towards_a_guest_wait_for_its_limit():
    """At 5.712 Mbit/s a frame of 1428 bytes takes 2 ms; 10 ms of rest have earned 5. The other 15 wait 1, 3, ... 29 ms."""
    frames = KNOWN + [(5, "g", udp(60))] + [(10, "u", tagged(udp(1404, U, G))) for _ in range(20)]
    res = run(cfg(v={"limit-to": "5712000"}), frames)
    row = at(res, "v", "g")
    same((row["sent-pkts"], row["sent-bytes"], len(res.out["g"])), ("21", str(84 + 20 * 1428), 21))
    same((spans(row), row["last-wait"]), ({256: 1, 1000: 1, 4000: 6, 16000: 7}, 29000))
    same([l["way"] for l in machine(res, "v")["link"]], ["from", "to"])


@case
def all_frames_towards_a_guest_count_also_those_that_pass_unseen():
    res = run(cfg(), KNOWN + [(5, "g", udp(60))] + [(10 + i, "u", tagged(udp(100, U, G))) for i in range(10)])
    same((at(res, "v", "g")["sent-pkts"], at(res, "v", "g")["sent-bytes"]), ("11", str(84 + 10 * 124)))
    same((at(res, "w", "h")["sent-pkts"], at(res, "w", "h")["sent-bytes"]), ("1", "84"))


@case
def what_stands_is_shown():
    """A link that takes 4 frames and then none: the others wait."""
    res = run(cfg(uplink="test,room=4"), KNOWN + [(10, "g", udp(1400)) for _ in range(10)])
    link = next(l for l in qos(res)["link"] if l["name"] == "u")
    row = at(res, "v", "u")
    same(link["queued-pkts"], str(res.ports["u"]["queued"]))
    same(int(row["sent-pkts"]) + row["queued-pkts"], 10)
    same(int(row["queued-bytes"]), 1428 * row["queued-pkts"])
    same(next(l for l in machine(res, "v")["link"] if l["name"] == "u")["queued-pkts"], row["queued-pkts"])


@case
def machines_without_policy_and_traffic_cost_a_line():
    n = 200
    ports = [port("p%d" % i, vlan=20) for i in range(n)] + [port("u", "uplink", vlan_mode="trunk", rate=str(RATE))]
    res = run(config(ports, [vm("m%d" % i, [nic(0, "52:54:00:00:01:%02x" % i, "p%d" % i)]) for i in range(n)]), [])
    same([v for v in qos(res)["vm"] if v.get("link")], [])
    assert len(json.dumps(qos(res)["vm"])) < 200 * n, len(json.dumps(qos(res)["vm"]))
