"""Workloads by name: lists of cells. Add `openflow`, `qos`, `boot` here."""
from dataclasses import dataclass, field

from generators import Load


@dataclass
class Cell:
    workload: str
    name: str
    load: Load
    generator: str = ""  # unless set: what the command line says
    baseline: str = ""   # cell of the same workload that this one is compared with, switch by switch


@dataclass
class Bar:
    """A promise: MEASURE of Weir over that of OTHER in CELL, at least or at most LIMIT."""
    workload: str
    cell: str
    measure: str  # "pps" (at least) or "cycles" (at most)
    other: str
    limit: float


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


WORKLOADS = {f.__name__: f for f in (l2, ports, neighbours, agree)}
AGREE_WITHIN = 0.03
BARS = [Bar("l2", "64 B, 1k MACs", "pps", "ovs", 1.3), Bar("l2", "64 B, 10k MACs", "pps", "ovs", 1.3),
        Bar("l2", "64 B, 1 MAC", "cycles", "io", 1.35), Bar("l2", "64 B, 10k MACs", "cycles", "io", 1.6)]
