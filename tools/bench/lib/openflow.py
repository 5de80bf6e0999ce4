"""The workload `openflow`: flow tables in ovs-ofctl's syntax, the same for each switch, and traffic that walks them.

Table 0 is an ACL whose rules all go on to table 1, which sends 1 -> 2, 2 -> 1, 3 -> 4, 4 -> 3: nothing is denied, so that nothing but lookups differs.
"""
import random

from generators import Load

DPORT, SPORT = 40000, 49152  # of flow 0 of a spread stream (weir-pktgen: spread-*)
OUT = ["table=1,priority=10,in_port=1,actions=output:2", "table=1,priority=10,in_port=2,actions=output:1"]
OUT_4 = OUT + ["table=1,priority=10,in_port=3,actions=output:4", "table=1,priority=10,in_port=4,actions=output:3"]
GO = "actions=goto_table:1"
SPREADS = {1: (0, 0, 0), 17: (0, 16, 0), 64: (4, 16, 0), 260: (16, 16, 0), 516: (32, 16, 0), 8195: (32, 16, 16)}  # masks: bits of address, ports
FLOWS_PER_TUPLE, FLOWS_LEAST = 8, 20000  # more than an exact-match cache of 8,192 holds


def address(port):
    return "10.0.%d.1" % (port + 1)


RULE_SPREADS = {17: (17, 0, 0), 64: (4, 16, 0), 260: (16, 16, 0), 516: (32, 16, 0), 8195: (32, 32, 8)}  # bits of the addresses; masks of dl_dst


def acl(port, spread, out_to=None):
    """Three rules (four, when both ports count), which a cache by megaflows takes apart by prefixes: whoever sends what misses all of them at different bits."""
    out = ["priority=30,udp,tp_dst=%d,%s" % (DPORT, GO)] if spread[1] else []
    out += ["priority=25,udp,tp_src=%d,%s" % (SPORT, GO)] if spread[2] else []
    out += ["priority=20,ip,nw_src=%s,%s" % (address(port), GO)] if spread[0] else []
    return out + ["priority=1," + GO] + (out_to or OUT)


def prefix(value, bits, i):
    """(value, mask): as VALUE in its first i bits, not in the next one"""
    mask = (1 << bits) - (1 << (bits - 1 - i))
    return (value ^ 1 << (bits - 1 - i)) & mask, mask


def distinct(port, spread):
    """As many rules as masks, each with a mask of its own. OpenFlow 1.3 has no masks of ports, so both addresses are taken; dl_dst's are all true of all frames,
    and which of them wins is by chance."""
    rnd, out = random.Random(port), []
    of_ip = lambda v: ".".join(map(str, v.to_bytes(4, "big")))  # noqa: E731
    base = [int.from_bytes(bytes(map(int, address(p).split("."))), "big") for p in (port, port ^ 1)]
    for a in range(max(1, spread[0])):
        for b in range(max(1, spread[1])):
            for c in range(max(1, spread[2])):
                words = ["%s=%s/%s" % (field, *map(of_ip, prefix(value, 32, i))) for field, value, i, n in (("nw_src", base[0], a, spread[0]), ("nw_dst", base[1], b, spread[1])) if n]
                words += ["dl_dst=02:00:00:00:00:00/ff:%02x:00:00:00:00" % (0xFF & 0xFF << c)] if spread[2] else []
                out.append("priority=%d,ip,%s,%s" % (10 + rnd.randrange(60000), ",".join(words), GO))
    return out + ["priority=1," + GO] + OUT


NSX_TABLES, NSX_RULES, NSX_VISITED = 40, 103302, 12


def nsx(port):
    """A rule set of the shape that VMware published of one of its hypervisors (SIGCOMM 2021: 103,302 rules, 40 tables, 31 match fields, 15 VMs): classification by
    port, MACs, stages of distributed firewalls, routes, each stage a table. A frame visits 12. Ours, by a fixed seed; not theirs."""
    rnd, out = random.Random(40), []
    stages = sorted(rnd.sample(range(2, NSX_TABLES), NSX_VISITED - 3))
    chain = [0] + stages + [NSX_TABLES, NSX_TABLES + 1]
    follower = dict(zip(chain, chain[1:]))
    out.append("table=0,priority=100,in_port=%d,actions=write_metadata:0x%x,goto_table:%d" % (port + 1, port + 1, follower[0]))
    out += ["table=%d,priority=10,in_port=%d,actions=output:%d" % (NSX_TABLES + 1, a, b) for a, b in ((1, 2), (2, 1))]
    out.append("table=0,priority=0,actions=goto_table:%d" % follower[0])
    for t in sorted(set(range(2, NSX_TABLES + 1))):
        then = follower.get(t, NSX_TABLES if t < NSX_TABLES else NSX_TABLES + 1)
        out.append("table=%d,priority=0,actions=goto_table:%d" % (t, then))
        for i in range((NSX_RULES - len(out)) // (NSX_TABLES + 1 - t)):
            out.append("table=%d,priority=%d,%s,actions=%s" % (t, 1 + rnd.randrange(60000), nsx_match(rnd, t), "drop" if rnd.random() < 0.3 else "goto_table:%d" % then))
    return list(dict.fromkeys(out))


def nsx_match(rnd, table):
    """Of addresses that the traffic does not have, so that the walk is the same for all frames, although each table is looked at."""
    ip = lambda n: "172.%d.%d.%d/%d" % (rnd.randrange(16, 32), rnd.randrange(256), rnd.randrange(256) & (0xFF << (32 - n) & 0xFF if n > 24 else 0), n)  # noqa: E731
    mac = "02:50:56:%02x:%02x:%02x" % tuple(rnd.randrange(256) for _ in range(3))
    pair = "nw_src=%s,nw_dst=%s" % (ip(rnd.choice((24, 28, 32))), ip(rnd.choice((24, 32))))
    return (lambda: "dl_dst=" + mac, lambda: "metadata=0x%x,dl_src=%s" % (rnd.randrange(16, 4096), mac), lambda: "tcp,%s,tp_dst=%d" % (pair, rnd.randrange(1, 1024)),
            lambda: "udp,nw_dst=%s,tp_dst=%d" % (ip(32), rnd.randrange(1, 1024)), lambda: "ip,nw_dst=" + ip(rnd.choice((20, 22, 24, 26, 28, 32))),
            lambda: "arp,arp_tpa=" + ip(32), lambda: "dl_vlan=%d,ip,nw_src=%s" % (rnd.randrange(1, 4095), ip(32)), lambda: "tcp," + pair)[table % 8 if rnd.random() < 0.8 else rnd.randrange(8)]()


def stream(name, port, spread, flows, rules=False, **more):
    words = {"spread-src": spread[0], "spread-dport": spread[1], "spread-sport": spread[2]} if not rules else {"spread-src": spread[0], "spread-dst": spread[1]}
    return {"name": name, "from": str(port), "to": str(port ^ 1), "flows": flows, "dport": DPORT, **{k: v for k, v in words.items() if v}, **more}


def tuples(spread):
    return max(1, spread[0]) * max(1, spread[1]) * max(1, spread[2])


def spread_load(masks, rules):
    spread = RULE_SPREADS[masks] if rules else SPREADS[masks]
    flows = max(FLOWS_LEAST, FLOWS_PER_TUPLE * tuples(spread))
    return Load(streams=[stream("all", 0, spread, flows, rules)], rules=(distinct if rules else acl)(0, spread))


def cells(cell):
    """cell: workloads.Cell"""
    named = lambda name, load, **more: cell("openflow", name, load, **more)  # noqa: E731
    out = [named("%s flow%s" % (label, "" if n == 1 else "s"), Load(streams=[stream("all", 0, (0, 0, 0), n)], rules=acl(0, (0, 16, 0))), baseline="" if n == 1 else "1 flow")
           for n, label in ((1, "1"), (1000, "1k"), (10000, "10k"), (100000, "100k"), (1 << 20, "1M"))]
    out += [named("%d masks of traffic" % m, spread_load(m, False)) for m in SPREADS if m > 1]
    out += [named("%d masks of rules" % m, spread_load(m, True)) for m in SPREADS if m > 1]
    out.append(named("100k rules in 40 tables", Load(streams=[stream("all", 0, (0, 0, 0), FLOWS_LEAST)], rules=nsx(0))))
    behaves, spread = "victim, neighbour of one flow at 1 kpps", SPREADS[8195]
    for name, bits in ((behaves, (0, 0, 0)), ("victim, neighbour spreads over 8195 masks at 1 kpps", spread)):
        victim = stream("victim", 0, (0, 0, 0), 1000)
        out.append(named(name, Load(ports=4, streams=[victim, stream("attacker", 2, bits, 8 * tuples(bits), rate="1kpps")], rules=acl(2, spread, OUT_4), warm_up_least=20.0),
                         baseline="" if name == behaves else behaves))
    return out
