#!/usr/bin/python3
"""Random flow tables and frames on Weir and on Open vSwitch's userspace datapath, side by side: the same must come out of the same ports.

    diff_ovs.py [--tables N] [--frames N] [--seed S] [--targets weir,ovs] [--verbose]

frames: per table. `--targets ovs,ovs` holds OVS against itself, to try the lab. What is known to differ is not generated, and why stands at
AVOIDED. A difference prints its seed, the flows in ovs-ofctl's syntax and the frame; `--seed S --tables 1` repeats it. Exit code: 0 = none."""
import argparse, os, random, sys, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import lab  # noqa: E402

N_PORTS, N_TABLES = 4, 4
AVOIDED = """\
push_vlan on a tagged frame     OVS starts the new tag at 0, the specification copies the one that is there (5.12.1)
push_mpls on IPv6               OVS's label is 2, the specification has no such rule: 0
push_mpls on a tagged frame     OVS pushes it behind the tag, the specification before it (5.12)
a miss behind write-actions     OVS runs the action set after a miss in a later table, the specification drops (5.4): each table has an all-wildcard rule
more than two tags              OVS keeps two; the generator makes no more
SELECT groups                   either may choose any bucket
mpls beyond the frame's own     OVS keeps three labels, and must be told what stands behind a pop
frames cut short, later         OVS drops some fragments' ports, both are right: the generator's frames are whole
TTL 0 and 1                     OVS ends the walk and sends what was output before; the generator's TTLs are above"""


def generate(rnd):
    """A set of tables: flow-mods for both"""
    from client import DP, flow, goto, of, ofp, output
    from rows_matches import IP4, IP6, PRESENT
    flows, groups = [], []
    for g in range(1, 4):
        kind = rnd.choice((ofp.OFPGT_ALL, ofp.OFPGT_INDIRECT))
        n = 1 if kind == ofp.OFPGT_INDIRECT else rnd.randint(1, 3)
        groups.append(of.OFPGroupMod(DP, ofp.OFPGC_ADD, kind, g, [of.OFPBucket(0, ofp.OFPP_ANY, ofp.OFPG_ANY, [output(rnd.randint(2, N_PORTS))]) for _ in range(n)]))
    for table in range(N_TABLES):
        for i in range(rnd.randint(1, 12)):
            match, kind = some_match(rnd, IP4, IP6, PRESENT)
            flows.append((table, 1 + i * 10 + rnd.randint(0, 9), match, instructions(rnd, table, match, kind, of, ofp, output, goto, PRESENT)))
        flows.append((table, 0, {}, instructions(rnd, table, {}, None, of, ofp, output, goto, PRESENT)))
    return groups + [flow(m, i, table_id=t, priority=p) for t, p, m, i in flows]


def masked(rnd, value, bits):
    mask = rnd.getrandbits(bits) | rnd.getrandbits(bits) if rnd.random() < 0.5 else (((1 << rnd.randint(1, bits)) - 1) << rnd.randint(0, bits - 1)) & ((1 << bits) - 1)
    return (value & mask, mask) if mask else None


def mac(n):
    return ":".join("%02x" % (n >> s & 255) for s in range(40, -8, -8))


def v4(n):
    return ".".join(str(n >> s & 255) for s in (24, 16, 8, 0))


def v6(n):
    return ":".join("%x" % (n >> s & 0xFFFF) for s in range(112, -16, -16))


MACS = [0x020000000000 | i for i in (1, 2, 3, 0x0A0B, 0x0A0C)]
V4S = [0x0A000001, 0x0A000002, 0x0A000101, 0x0A010001, 0xC0A80001]
V6S = [0xFD00 << 112 | i for i in (1, 2, 0x10001, 1 << 64 | 1)]
PORTS = [53, 80, 443, 8080]


def put(rnd, m, field, value, bits, text=int, p_mask=0.4):
    got = masked(rnd, value, bits) if rnd.random() < p_mask else None
    m[field] = (text(got[0]), text(got[1])) if got else text(value)


def some_match(rnd, IP4, IP6, PRESENT):
    m = {}
    if rnd.random() < 0.2:
        m["in_port"] = rnd.randint(1, 2)
    if rnd.random() < 0.3:
        put(rnd, m, "eth_dst", rnd.choice(MACS), 48, mac)
    if rnd.random() < 0.2:
        put(rnd, m, "eth_src", rnd.choice(MACS), 48, mac)
    vlan = rnd.random()
    if vlan < 0.15:
        m["vlan_vid"] = 0
    elif vlan < 0.35:
        m["vlan_vid"] = PRESENT | rnd.choice((5, 6, 7))
        if rnd.random() < 0.3:
            m["vlan_pcp"] = rnd.randint(0, 2)
    elif vlan < 0.45:
        m["vlan_vid"] = (PRESENT, PRESENT)
    if rnd.random() < 0.15:
        put(rnd, m, "metadata", rnd.choice((1, 2, 0x100)), 64)
    kind = rnd.choice((None, None, "ip4", "ip4", "ip4", "ip6", "arp"))
    if kind == "ip4":
        m.update(IP4)
        if rnd.random() < 0.5:
            put(rnd, m, "ipv4_src", rnd.choice(V4S), 32, v4)
        if rnd.random() < 0.5:
            put(rnd, m, "ipv4_dst", rnd.choice(V4S), 32, v4)
    elif kind == "ip6":
        m.update(IP6)
        if rnd.random() < 0.5:
            put(rnd, m, "ipv6_dst", rnd.choice(V6S), 128, v6)
        if rnd.random() < 0.2:
            put(rnd, m, "ipv6_flabel", rnd.choice((1, 2)), 20)
    elif kind == "arp":
        m["eth_type"] = 0x806
        m["arp_op"] = rnd.randint(1, 2)
        if rnd.random() < 0.5:
            put(rnd, m, "arp_tpa", rnd.choice(V4S), 32, v4)
    if kind in ("ip4", "ip6") and rnd.random() < 0.6:
        if rnd.random() < 0.2:
            m["ip_dscp"] = rnd.choice((0, 46))
        l4, n = rnd.choice((("tcp", 6), ("udp", 17)))
        m["ip_proto"] = n
        for end in ("src", "dst"):
            if rnd.random() < 0.4:
                m["%s_%s" % (l4, end)] = rnd.choice(PORTS)
        kind += l4
    return m, kind


def instructions(rnd, table, match, kind, of, ofp, output, goto, PRESENT):
    out, actions = [], []
    tag = match.get("vlan_vid")
    untagged, tagged = tag == 0, bool(tag)
    sets = {"eth_dst": mac(rnd.choice(MACS)), "eth_src": mac(rnd.choice(MACS))}
    if tagged:
        sets["vlan_vid"] = PRESENT | rnd.choice((5, 6, 9))
        sets["vlan_pcp"] = rnd.randint(0, 7)
    if kind and kind.startswith("ip4"):
        sets.update(ipv4_src=v4(rnd.choice(V4S)), ipv4_dst=v4(rnd.choice(V4S)), ip_dscp=rnd.choice((0, 10, 46)), ip_ecn=rnd.randint(0, 3))
    if kind and kind.startswith("ip6"):
        sets.update(ipv6_src=v6(rnd.choice(V6S)), ipv6_dst=v6(rnd.choice(V6S)), ip_dscp=rnd.choice((0, 10, 46)), ipv6_flabel=rnd.choice((1, 2)))
    if kind and kind.endswith(("tcp", "udp")):
        sets.update({kind[-3:] + "_src": rnd.choice(PORTS), kind[-3:] + "_dst": rnd.choice(PORTS)})
    for name in rnd.sample(sorted(sets), min(len(sets), rnd.randint(0, 3))):
        actions.append(of.OFPActionSetField(**{name: sets[name]}))
    if untagged and rnd.random() < 0.3:
        actions += [of.OFPActionPushVlan(rnd.choice((0x8100, 0x88A8))), of.OFPActionSetField(vlan_vid=PRESENT | rnd.choice((5, 6, 7)))]
    if tagged and rnd.random() < 0.3:
        actions = [a for a in actions if not (isinstance(a, of.OFPActionSetField) and a.key.startswith("vlan"))] + [of.OFPActionPopVlan()]
    if kind and kind.startswith("ip") and rnd.random() < 0.3:
        actions.append(of.OFPActionDecNwTtl())
    if rnd.random() < 0.1:
        out.append(of.OFPInstructionActions(ofp.OFPIT_CLEAR_ACTIONS, []))
    ports = [output(rnd.randint(2, N_PORTS)) for _ in range(rnd.choice((0, 1, 1, 2)))]
    if rnd.random() < 0.1:
        ports.append(output(rnd.choice((ofp.OFPP_IN_PORT, ofp.OFPP_ALL, ofp.OFPP_FLOOD))))
    if rnd.random() < 0.15:
        ports.append(of.OFPActionGroup(rnd.randint(1, 3)))
    if rnd.random() < 0.7:
        rewrites = [a for a in actions if rnd.random() < 0.9 or isinstance(a, of.OFPActionPushVlan)]
        at = rnd.randint(0, len(rewrites))
        while 0 < at < len(rewrites) and isinstance(rewrites[at - 1], of.OFPActionPushVlan):
            at += 1  # a push and its VLAN belong together
        both = rewrites[:at] + ports[:1] + rewrites[at:] + ports[1:]
        if both:
            out.append(of.OFPInstructionActions(ofp.OFPIT_APPLY_ACTIONS, both))
    elif ports or actions:
        one_of_each = {type(a).__name__ + str(getattr(a, "key", "")): a for a in actions}
        out.append(of.OFPInstructionActions(ofp.OFPIT_WRITE_ACTIONS, list(one_of_each.values()) + ports[:1]))
    if rnd.random() < 0.3:
        out.append(of.OFPInstructionWriteMetadata(rnd.choice((1, 2, 0x100)), rnd.choice((0xFF, 0xFFFF))))
    if table + 1 < N_TABLES and rnd.random() < 0.5:
        out.append(goto(rnd.randint(table + 1, N_TABLES - 1)))
    return out


def some_frame(rnd, n):
    """n: a number that makes it unlike the others"""
    import struct
    head = struct.pack("!6s6s", rnd.choice(MACS).to_bytes(6, "big"), rnd.choice(MACS).to_bytes(6, "big"))
    for _ in range(rnd.choice((0, 0, 1))):
        head += struct.pack("!HH", rnd.choice((0x8100, 0x8100, 0x88A8)), rnd.randint(0, 3) << 13 | rnd.choice((5, 6, 7, 8)))
    payload = struct.pack("!I", n) + bytes(rnd.randint(0, 40))
    kind = rnd.random()
    if kind < 0.12:
        arp = struct.pack("!HHHBBH6sI6sI", 0x806, 1, 0x800, 6, 4, rnd.randint(1, 2), head[6:12], rnd.choice(V4S), bytes(6), rnd.choice(V4S))
        return (head + arp + payload).ljust(64, b"\0")
    l4, proto = transport(rnd)
    if kind < 0.65:
        src, dst = rnd.choice(V4S), rnd.choice(V4S)
        body = l4_sum(l4 + payload, proto, struct.pack("!II", src, dst))
        h = struct.pack("!BBHHHBBHII", 0x45, rnd.choice((0, 0, 46 << 2)), 20 + len(body), 1, 0, rnd.choice((64, 128)), proto, 0, src, dst)
        h = h[:10] + struct.pack("!H", checksum(h)) + h[12:]
        return (head + b"\x08\x00" + h + body).ljust(64, b"\0")
    if kind < 0.9:
        src, dst = rnd.choice(V6S).to_bytes(16, "big"), rnd.choice(V6S).to_bytes(16, "big")
        body = l4_sum(l4 + payload, proto, src + dst)
        return head + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28 | rnd.choice((0, 0, 46)) << 22 | rnd.choice((0, 1, 2)), len(body), proto, 64) + src + dst + body
    return (head + b"\x12\x34" + payload).ljust(64, b"\0")


def transport(rnd):
    import struct
    ports = struct.pack("!HH", rnd.choice(PORTS), rnd.choice(PORTS))
    return (ports + struct.pack("!IIBBHHH", 1, 2, 0x50, 2, 100, 0, 0), 6) if rnd.random() < 0.5 else (ports + bytes(4), 17)


def checksum(data):
    data += b"\0" * (len(data) & 1)
    s = sum(int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data), 2))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def l4_sum(body, proto, addresses):
    import struct
    if proto == 17:
        body = body[:4] + struct.pack("!H", len(body)) + body[6:]
    c = checksum(addresses + struct.pack("!HH", proto, len(body)) + body)
    at = 16 if proto == 6 else 6
    return body[:at] + struct.pack("!H", c or (0xFFFF if proto == 17 else 0)) + body[at + 2:]


def compare(a, b, seed, verbose):
    """a, b: {port: [frames]}. returns a text where they differ"""
    for p in sorted(a):
        x, y = sorted(a[p]), sorted(b[p])
        if x != y:
            only_x, only_y = list(x), []
            for f in y:
                if f in only_x:
                    only_x.remove(f)
                else:
                    only_y.append(f)
            return "seed %d, port %d: only the first sent %s; only the second %s" % (seed, p, [f.hex() for f in only_x[:3]], [f.hex() for f in only_y[:3]])
    return None


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--tables", type=int, default=100)
    p.add_argument("--frames", type=int, default=10, help="per table and port")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--seconds", type=float, default=1e9, help="stop after so many")
    p.add_argument("--targets", default="weir,ovs")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


class Side:
    def __init__(self, which, the_lab, n):
        import client
        import frames
        self.which, self.lab = which, the_lab
        where = "tcp:127.0.0.1:%d" % (6660 + n)
        if which == "ovs":
            far, near = ["o%d%d" % (n, i) for i in range(1, N_PORTS + 1)], ["p%d%d" % (n, i) for i in range(1, N_PORTS + 1)]
            for a, b in zip(near, far):
                the_lab.veth(a, b)
            the_lab.ovs_bridge("oracle%d" % n, 10 + n, near, lab.passive(where))
        else:
            far = ["w%d%d" % (n, i) for i in range(1, N_PORTS + 1)]
            the_lab.weir(far, listen=where, dpid=10 + n)
        self.bench = frames.Bench(far, 0.01 if which == "ovs" else 0)
        self.c = client.Client.to(where)

    def load(self, messages):
        import client
        more = [client.flow({"eth_type": 0x88B5, "in_port": i}, [client.apply(*[output for p in range(1, N_PORTS + 1) for output in
                [client.output(client.ofp.OFPP_IN_PORT if p == i else p)]])], priority=65535) for i in (1, 2)]
        bad = self.c.errors(*client.delete_all(), *more, *messages)
        if bad:
            raise AssertionError("%s refuses: %s" % (self.which, bad))
        if self.which == "ovs":
            self.lab.appctl("revalidator/purge")


def describe(messages):
    return "\n".join("    " + str(m)[:1500] for m in messages)


def main():
    args = arguments()
    lab.own_namespace()
    started, different, n_frames, n_out, n = time.monotonic(), 0, 0, 0, 0
    with lab.Lab() as the_lab:
        sides = [Side(which, the_lab, i) for i, which in enumerate(args.targets.split(","), 1)]
        for n in range(args.tables):
            seed = args.seed + n
            rnd = random.Random(seed)
            messages = generate(rnd)
            try:
                for s in sides:
                    s.load(messages)
                for port in (1, 2):
                    some = [some_frame(rnd, i) for i in range(args.frames)]
                    got = [s.bench.through(some, port, 10) for s in sides]
                    n_frames, n_out = n_frames + len(some), n_out + sum(map(len, got[1].values()))
                    said = compare(got[0], got[1], seed, args.verbose)
                    if said:
                        break
            except (AssertionError, TimeoutError) as e:
                said = "seed %d: %s" % (seed, e)
            if said:
                different += 1
                print("DIFFERENT " + said, flush=True)
                if args.verbose:
                    print(describe(messages))
                if different >= 20:
                    print("enough of them")
                    break
            if time.monotonic() - started > args.seconds:
                break
    if n_out < n_frames // 2:
        print("DIFFERENT only %d frames came out of %d: this shows nothing" % (n_out, n_frames))
        different += 1
    print("%d tables, %d frames in, %d out, seeds %d-%d: %d different (%.0f s). Not generated:\n%s" % (
        n + 1, n_frames, n_out, args.seed, args.seed + n, different, time.monotonic() - started, AVOIDED))
    return 1 if different else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except lab.LabError as e:
        print("diff_ovs: %s" % e, file=sys.stderr)
        sys.exit(1)
