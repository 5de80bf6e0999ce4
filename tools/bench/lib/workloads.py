"""Workloads by name: lists of cells. Add `boot` here."""
from dataclasses import dataclass, field

import openflow as of
from generators import Load
from policy import GBIT, IO_BYTES, MBIT, STORAGE_TCP_PORT, Policy


@dataclass
class Cell:
    workload: str
    name: str
    load: Load
    generator: str = ""  # unless set: what the command line says
    baseline: str = ""   # cell of the same workload that this one is compared with, switch by switch
    kind: str = "rate"   # what is reported: "rate" (report.py); "qos", "cost", "loop" (report_qos.py)
    parts: dict = field(default_factory=dict)     # qos, loop: stream -> part of what all of these get, as configured
    measures: list = field(default_factory=list)  # loop: what is held against what
    part_of: tuple = ()  # cost: (cell, share): rates are this share of what that cell carries, found by a short trial of it


@dataclass
class Measure:
    """A line of the workload `qosloop`: figure KEY of a trial, against what was configured, and the mark it has to meet."""
    what: str
    configured: str
    key: str
    unit: str = "%"
    scale: float = 100.0
    at_most: float = None   # in the unit
    at_least: float = None
    against: str = ""       # "ratio" or "difference" to the baseline cell


@dataclass
class Bar:
    """A promise: MEASURE of Weir over that of OTHER in CELL, at least or at most LIMIT."""
    workload: str
    cell: str
    measure: str  # "pps" (at least) or "cycles" (at most)
    other: str
    limit: float
    cell_of_other: str = ""  # unless it is the same


def l2():
    """Two guests, both ways, as fast as it goes; one data-plane core."""
    return [Cell("l2", "%d B, %s MAC%s" % (size, label, "" if macs == 1 else "s"), Load(size=size, macs=macs))
            for size in (64, 1518) for macs, label in ((1, "1"), (1000, "1k"), (10000, "10k"))]


def ports():
    """How the rate depends on the number of ports: 64 bytes, one address per port, pairs both ways."""
    pair = [{"name": "pair", "from": "0-1"}]
    return [Cell("ports", "2 ports", Load()),
            Cell("ports", "64 ports, all active", Load(ports=64), baseline="2 ports"),
            Cell("ports", "64 ports, one pair active", Load(ports=64, streams=pair), baseline="2 ports"),
            Cell("ports", "256 ports, all active", Load(ports=256), baseline="2 ports")]


def neighbours():
    """What guests 0 and 1, who offer 1 Mpps each, still get while guests 2 and 3 misbehave; as a share of what they get while they behave."""
    def load(rate, **more):
        return Load(ports=4, streams=[{"name": "pair", "from": "0-1", "rate": "1mpps"}, {"name": "other", "from": "2", "to": "3", "rate": rate}], **more)
    behaves = "neighbour reads all of 1 Mpps"
    return [Cell("neighbours", behaves, load("1mpps")),
            Cell("neighbours", "neighbour reads 10 %", load("1mpps", reads={3: "100kpps"}), baseline=behaves),
            Cell("neighbours", "neighbour never reads", load("1mpps", reads={3: "off"}), baseline=behaves),
            Cell("neighbours", "neighbour floods", load("max"), baseline=behaves),
            Cell("neighbours", "neighbour floods one that never reads", load("max", reads={3: "off"}), baseline=behaves)]


def agree():
    """Do the two generators agree (within 3 %) where the switch is what is scarce?"""
    return [Cell("agree", "1518 B, 1 MAC, " + g, Load(size=1518), generator=g, baseline="" if g == "testpmd" else "1518 B, 1 MAC, testpmd")
            for g in ("testpmd", "pktgen")]


BULK_BYTES = 1514


def disk(guest, uplink, **more):
    """A guest's disk behind the uplink: commands of 4 KB, four at a time, about 250 Mbit/s of them when nobody is in the way."""
    return {"name": "storage", "kind": "iscsi", "from": str(guest), "to": str(uplink), "op": "write", "io-size": IO_BYTES, "depth": 4,
            "think": "500us", "order": "random", "mtu": BULK_BYTES, **more}


def flood(guest, uplink, rate, **more):
    return {"name": "bulk%d" % guest, "from": str(guest), "to": str(uplink), "size": BULK_BYTES, "flows": 8, "rate": "%dbps" % rate, **more}


def storage_flood(guest, uplink, rate):
    """Storage that takes what it gets, without waiting for answers: what parts of the link come to is no matter of latency then."""
    return flood(guest, uplink, rate, name="storage", l4="tcp", dport=STORAGE_TCP_PORT)


def hello(sender, to):
    """Who never sends would never be learned, and all that is for him flooded."""
    return {"name": "hello" + sender, "from": sender, "to": str(to), "size": 64, "rate": "100pps"}


def bulk_cell(workload, name, policy, storage, offered, **more):
    """Storage (settings of a disk's stream; bit/s of a flood; or None) beside the policy's bulk guests, who offer OFFERED bit/s together."""
    bulk, uplink, is_disk = sorted(policy.shares), len(policy.shares) + 1, isinstance(storage, dict)
    streams = [disk(0, uplink, **storage)] if is_disk else [storage_flood(0, uplink, storage)] if storage else []
    streams += [flood(g, uplink, offered // len(bulk)) for g in bulk] if offered else []
    streams += [] if is_disk else [hello(str(uplink), 0)]
    load = Load(ports=uplink + 1, size=BULK_BYTES, streams=streams, uplink=True, policy=policy)
    parts = {"bulk%d" % g: policy.bulk_floor(g) for g in bulk} if offered else {}
    if storage and not is_disk:
        parts["storage"] = policy.reservation
    return Cell(workload, name, load, kind=more.pop("kind", "qos"), parts=parts if len(parts) > 1 else {}, **more)


def qos():
    """A disk behind the uplink while bulk guests offer twice what the uplink carries. Of 1 Gbit/s, storage has 400 Mbit/s for certain, the rest
    is shared 1:2."""
    policy, twice = Policy(shares={1: 1, 2: 2}), 2 * GBIT
    return [bulk_cell("qos", "writes, alone", policy, {}, 0),
            bulk_cell("qos", "writes, bulk at 2x", policy, {}, twice, baseline="writes, alone"),
            bulk_cell("qos", "reads, alone", policy, {"op": "read"}, 0),
            bulk_cell("qos", "reads, bulk at 2x", policy, {"op": "read"}, twice, baseline="reads, alone"),
            bulk_cell("qos", "storage and bulk flood, 3x", policy, GBIT, twice)]


def qos_long():
    """The same with 16 bulk guests who are equal."""
    policy = Policy(shares={g: 1 for g in range(1, 17)})
    return [bulk_cell("qos", "16 guests: writes, alone", policy, {}, 0),
            bulk_cell("qos", "16 guests: writes, bulk at 2x", policy, {}, 2 * GBIT, baseline="16 guests: writes, alone")]


COST_BARS = {64: 0.74, 1518: 0.88}  # of L2 throughput, with a backlog: 26 % and 12 % may be lost
COST_PART, COST_OFFERED = 0.6, 1.03


def qoscost():
    """What policy costs: a guest and an uplink, both ways, with and without rates, and where queues stand at both. Rates and offers are shares of
    what the same switch carries without policy."""
    out = []
    for size, kept in COST_BARS.items():
        name = lambda text: "%d B, %s" % (size, text)
        cell = lambda text, load, **more: Cell("qoscost", name(text), load, kind="cost", **more)
        # rate=None: a share of the first cell's; see Runner
        none = Load(size=size, uplink=True)
        idle = Load(size=size, uplink=True, policy=Policy(rate=1000 * GBIT, reservation=100 * GBIT, shares={0: 4}))
        queue = Load(size=size, uplink=True, policy=Policy(rate=None, reservation=0, shares={0: 4}))
        out += [cell("no policy", none),
                cell("policy, no queue", idle, baseline=name("no policy")),
                cell("no policy, %d %% of it" % (100 * COST_PART), Load(size=size, uplink=True, streams=[{"name": "all", "rate": None}]),
                     part_of=(name("no policy"), COST_PART)),
                cell("policy, queues at %d %% of it" % (100 * COST_PART), Load(size=size, uplink=True, streams=[{"name": "all", "rate": None}],
                                                                              policy=queue.policy),
                     part_of=(name("no policy"), COST_PART), baseline=name("no policy, %d %% of it" % (100 * COST_PART))),
                cell("policy, rated at %d %%, offered all it takes" % round(100 * kept), queue, part_of=(name("no policy"), kept),
                     baseline=name("no policy"))]
    return out


def limit_cell(size, rate, where):
    """One guest limited to RATE, at its own port or in its queue at the uplink, offers half as much again."""
    offered = min(1.5, 1.5 * size / (size + 24)) * rate
    load = Load(ports=2, size=size, streams=[flood(0, 1, int(offered), size=size), hello("1", 0)], uplink=True, policy=Policy(rate=0, reservation=0, **{where: {0: rate}}))
    said = "%g Mbit/s" % (rate / MBIT)
    return Cell("qosloop", "E4 limit %s %s, %d B" % (said, "of the guest" if where == "limits" else "in the queue", size), load, kind="loop", parts={"bulk0": rate},
                measures=[Measure("limit", said, "limit_err", at_most=0.25), Measure("limit, worst 100 ms", said, "limit_err_window", at_most=1.0)])


def slow_cell(name, reads, **more):
    """Eight guests get 50 kpps each from the uplink; the first six always read."""
    streams = [{"name": "to%d" % g, "from": "8", "to": str(g), "rate": "50kpps", "size": 512} for g in range(8)] + [hello("0-7", 8)]
    return Cell("qosloop", name, Load(ports=9, size=512, streams=streams, uplink=True, reads=reads), kind="loop", **more)


def qosloop():
    """Experiments of the scheduler in the real loop: what is measured against what is configured. Weir only."""
    weights = Policy(shares={1: 1, 2: 2, 3: 4, 4: 8})
    equal = Policy(shares={1: 1, 2: 1, 3: 1, 4: 1})
    e1 = bulk_cell("qosloop", "E1 shares 1:2:4:8", weights, None, 4 * GBIT, kind="loop", measures=[
        Measure("share error", "1:2:4:8", "share_err", at_most=0.5), Measure("share error, worst 100 ms", "1:2:4:8", "share_err_window", at_most=2.0),
        Measure("uplink used", "1000 Mbit/s", "uplink_share")])
    e2 = bulk_cell("qosloop", "E2 storage, bulk at 2x", equal, {}, 2 * GBIT, kind="loop", baseline="E2 storage, alone", measures=[
        Measure("storage p99 against alone", "in its reservation", "p99_us", "x", 1.0, at_most=1.3, against="ratio"),
        Measure("storage p50 added", "in its reservation", "p50_us", "us", 1.0, against="difference"),
        Measure("storage p99 added", "in its reservation", "p99_us", "us", 1.0, against="difference"),
        Measure("storage p99.9 added", "in its reservation", "p999_us", "us", 1.0, against="difference")])
    e3 = bulk_cell("qosloop", "E3 storage floods at 2x, bulk too", equal, 2 * GBIT, 2 * GBIT, kind="loop", measures=[
        Measure("bulk of its floor, worst 100 ms", "600 Mbit/s", "floor_worst", at_least=95.0),
        Measure("storage of its reservation", "400 Mbit/s", "storage_of_reservation", at_least=95.0)])
    e7 = [Measure("others' throughput", "6 x 50 kpps", "others_pps", "x", 1.0, at_least=0.99, against="ratio"),
          Measure("others' p99.9 added", "nothing", "others_p999_us", "us", 1.0, at_most=10.0, against="difference")]
    return [e1, bulk_cell("qosloop", "E2 storage, alone", equal, {}, 0, kind="loop"), e2, e3,
            *[limit_cell(size, rate, where) for where in ("limits", "queued")
              for size, rate in ((64, 100 * MBIT), (1514, 100 * MBIT), (1514, GBIT), (1514, 10 * GBIT))],
            slow_cell("E7 all read", {}),
            slow_cell("E7 one stopped, one at 10 %", {6: "off", 7: "5kpps"}, baseline="E7 all read", measures=e7)]


def openflow():
    """Flow tables: how the cost of a frame grows with flows, masks and rules."""
    return of.cells(Cell)


WORKLOADS = {f.__name__: f for f in (l2, ports, neighbours, agree, qos, qoscost, qosloop, openflow)}
LONG = {"qos": qos_long}
PEERS = {"qos": ["weir", "ovs", "kernel", "rte_sched"], "qoscost": ["weir"], "qosloop": ["weir"], "openflow": ["weir", "ovs"]}  # of others: weir, ovs, io
PAIRED = ("openflow", "l2")  # measured in slices, all switches in turn: paired.py
AGREE_WITHIN = 0.03
BARS = [Bar("l2", "64 B, 1k MACs", "pps", "ovs", 1.3), Bar("l2", "64 B, 10k MACs", "pps", "ovs", 1.3),
        Bar("openflow", "10k flows", "pps", "ovs", 1.5), Bar("openflow", "64 masks of traffic", "pps", "ovs", 4), Bar("openflow", "516 masks of traffic", "pps", "ovs", 20),
        Bar("openflow", "1M flows", "cycles", "weir", 1.67, "1 flow"),
        Bar("openflow", "victim, neighbour spreads over 8195 masks at 1 kpps", "pps", "weir", 0.8, "victim, neighbour of one flow at 1 kpps"),
        Bar("l2", "64 B, 1 MAC", "cycles", "io", 1.35), Bar("l2", "64 B, 10k MACs", "cycles", "io", 1.6)]
