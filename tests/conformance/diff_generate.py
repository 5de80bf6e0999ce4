"""Random sets of rules for diff_ovs.py: what they hold, and what not, since there OVS departs from the specification or cannot be compared."""
from diff_frames import LABELS, MACS, PORTS, TAUGHT, V4S, V6S, mac_of, selected_mac, some_frame
from diff_wire import (ADD, ALL, ANY, CONTROLLER, DELETE, DELETE_STRICT, FLOOD, G_ALL, G_FF, G_INDIRECT, G_SELECT, IN_PORT, MODIFY, MODIFY_STRICT, NORMAL, PRESENT,
                       TABLE, actions, bucket, byte, flow_mod, goto, group_action, group_mod, meter, meter_mod, output, packet_out, set_field, set_queue, short,
                       write_metadata)

N_PORTS, N_TABLES, N_GROUPS, N_BLOCKS = 4, 6, 4, 10
PUSH_MPLS, POP_MPLS = b"\0\x13", b"\0\x14"
AVOIDED = """\
push_vlan on a tagged frame     OVS starts the new tag at 0, the specification copies the one that is there (5.12.1): VID and PCP are set behind the push
push_mpls                       OVS's label on IPv6 is 2 and its TC comes from DSCP, the specification has no such rule: both are set behind the push
push_mpls on a tagged frame     OVS pushes it behind the tag, the specification before it (5.12)
push_mpls, then pop_mpls        OVS undoes the one by the other where nothing was sent between, and the frame's EtherType stays, whatever the pop says: a frame
                                with a new label is sent, and not to the port it came from, which sends nothing
a miss behind write-actions     OVS runs the action set after a miss in a later table, the specification drops (5.4): where sets are written, nothing misses
more than two tags              OVS keeps two; no more are made
SELECT groups                   either may choose any bucket: it must be one with a weight, the same for all of a flow, and do what it says
NORMAL                          OVS learns from what comes to it, as it is then, Weir from what comes in: both were taught all before, and no rule changes a source
queues                          on taps and veth pairs a queue changes nothing: set_queue must not, either
SELECT, labels and action sets  ovs-vswitchd 3.1 aborts ("action_set_len <= ofpacts_len") when a frame with an action set meets a SELECT group or loses
                                a label: where these are, no sets are written
mpls beyond the frame's own     OVS keeps three labels, and must be told what stands behind a pop
what OVS caches                 where a part of a label is set, OVS keeps one flow for many labels and sends the first one's: its megaflows are off
ports of fragments              OVS's frags=normal has none even in the first: it is set to nx-match, which means what the specification does
later fragments of IPv6         OVS takes 44 for their protocol, Weir what the fragment header says: not sent
later fragments of IPv4         OVS mends what it takes for a TCP or UDP checksum there when addresses change, and sets a type of
                                ICMP where none is: neither is set where fragments are
SCTP's ports in fragments        OVS makes a CRC of what is there, which is wrong of a part; Weir lets them be: not set
neighbour discovery             Weir reads none in fragments (RFC 6980), OVS does: not sent in them
TTL 0 and 1                     OVS leaves the list of actions but runs the action set, Weir drops (5.12.3): there are no action sets where they are.
                                OVS does nothing of an action set that sends nothing, Weir does it and tells of the TTL: nor are they made there.
                                OVS pushes labels of TTL 64 on TTL 0: none are pushed there
VLAN in action sets             OVS pushes a tag to set its VID when another rule popped it meanwhile, the specification cannot set what is not there: only what the set pushed
ICMPv6 types                    OVS keeps a neighbour's fields when the type is set to another: only echoes become echoes
sets that contradict themselves Weir refuses a written set-field that the set's own pop takes the header from (7.2.5), OVS does not: not written
packet-ins of the action set    OVS calls their table 0, the specification says nothing of it: a table of 0 counts as any
packet-ins' cookies             OVS tells one for groups and action sets too, the specification says -1 (7.4.1), which counts as any here
actions behind OFPP_TABLE        OVS goes on with what the tables made of frame and metadata, Weir with the frame as it was: it is the last
misses of packet-outs           OVS's reason is "action", also by a table-miss rule: reasons are not compared there
"""


def put(rnd, m, field, value, bits, p_mask=0.4):
    if rnd.random() >= p_mask:
        m[field] = value
        return
    if rnd.random() < 0.5:
        mask = rnd.getrandbits(bits) | rnd.getrandbits(bits)
    else:
        mask = (((1 << rnd.randint(1, bits)) - 1) << rnd.randint(0, bits - 1)) & ((1 << bits) - 1)
    if mask == (1 << bits) - 1:
        m[field] = value
    elif mask:
        m[field] = (value & mask, mask)


class Set:
    """Tables that frames with a certain byte in their addresses go through. Two of them share tables when the tables are too few, and are then
    told apart by metadata."""

    def __init__(self, rnd, seed, part, is_alone):
        """part: 0..79, the byte. is_alone: there are so few sets that none shares its tables"""
        self.rnd, self.seed, self.part = rnd, seed, part
        self.first = 1 + N_TABLES * (part % N_BLOCKS)
        self.share = 0 if is_alone else 1 + part // N_BLOCKS
        self.n_rules = 0
        # What a set is about, so that what cannot be compared does not meet
        self.traits = {name: rnd.random() < p for name, p in (("ttl", 0.1), ("fragments", 0.2), ("push", 0.3), ("unset", 0.2), ("meters", 0.2), ("freeze", 0.3),
                                                                 ("normal", 0.3))}
        self.writes = not self.traits["ttl"] and not self.traits["unset"] and not self.traits["freeze"]
        self.whose = part | (TAUGHT if self.traits["normal"] else 0)
        self.rules = []
        self.messages = [self.dispatch()] + self.some_groups() + self.some_rules() + self.some_changes()

    def group(self, n):
        return self.part * N_GROUPS + n

    def dispatch(self):
        out = [goto(self.first)]
        if self.share:
            out.insert(0, write_metadata(self.share << 32, 0xFF << 32))
        return flow_mod({"eth_src": (self.part << 24, 0xFF << 24)}, out, priority=100, cookie=self.cookie())

    def cookie(self):
        self.n_rules += 1
        return self.part << 16 | self.n_rules

    def frame(self, n, port):
        return some_frame(self.rnd, self.part, n, self.traits, port)

    def frames(self, n, n_frames, port):
        """Where a SELECT group may be, each twice: a bucket is a flow's, not a frame's"""
        if not self.traits["freeze"]:
            return [self.frame(n + i, port) for i in range(n_frames)]
        return [f for i in range((n_frames + 1) // 2) for f in [self.frame(n + i, port)] * 2]

    # --- Groups

    def some_groups(self):
        """Of every type. Buckets rewrite what is there, which need not be; the last group goes by an earlier one"""
        rnd, out = self.rnd, []
        for g in range(1, N_GROUPS + 1):
            kind = rnd.choice((G_ALL, G_ALL, G_INDIRECT, G_FF)) if g != 3 or not self.traits["freeze"] else G_SELECT
            buckets = self.select_buckets() if kind == G_SELECT else []
            for n in range(0 if kind == G_SELECT else 1 if kind == G_INDIRECT else rnd.randint(1, 3)):
                what = self.bucket_actions()
                if g == N_GROUPS and n == 0:
                    what = [group_action(self.group(rnd.randint(1, 2)))]
                if kind == G_FF:
                    by_group = g > 1 and rnd.random() < 0.2
                    buckets.append(bucket(what, 0, ANY if by_group else rnd.randint(2, N_PORTS), self.group(1) if by_group else ANY))
                else:
                    buckets.append(bucket(what))
            out.append(group_mod(self.group(g), kind, buckets))
        return out

    def select_buckets(self):
        """They leave by ports of their own, with weights of their own. An address says which it was"""
        rnd, common = self.rnd, self.bucket_rewrites()
        weights = [rnd.choice((0, 1, 1, 2, 3, 7, 100)) for _ in range(rnd.randint(1, 4))] + [rnd.randint(1, 3)]
        ports = [rnd.randint(3, N_PORTS) for _ in weights]
        return [bucket(common + [set_field("eth_dst", selected_mac(self.part, weight, at, port)), output(port)], weight)
                for at, (weight, port) in enumerate(zip(weights, ports))]

    def bucket_rewrites(self):
        """Of anything but the destination"""
        rnd, out = self.rnd, []
        sets = {"eth_src": mac_of(rnd, self.part), "udp_dst": rnd.choice(PORTS), "ip_dscp": 10, "vlan_pcp": rnd.randint(0, 7)}
        if not self.traits["fragments"]:
            sets.update(ipv4_dst=rnd.choice(V4S), ipv6_src=rnd.choice(V6S))
        if self.traits["normal"]:
            del sets["eth_src"]
        if rnd.random() < 0.5:
            name = rnd.choice(sorted(sets))
            out.append(set_field(name, sets[name]))
        if rnd.random() < 0.1:
            out.append(short(18))
        if rnd.random() < 0.1:
            out.append(set_queue(rnd.randint(0, 6)))
        return out

    def bucket_actions(self):
        rnd, out = self.rnd, self.bucket_rewrites()
        if rnd.random() < 0.1:
            out.append(set_field("eth_dst", mac_of(rnd, self.whose)))
        out.append(output(NORMAL if self.is_normal(0.3) else rnd.choice((1, 2, 3, 4, 2, 3, 4, IN_PORT, CONTROLLER))))
        return out

    def is_normal(self, p):
        return self.traits["normal"] and self.rnd.random() < p

    # --- Rules

    def some_rules(self):
        out = [meter_mod(self.part + 1, 0xFFFFFFFF)] if self.traits["meters"] else []
        for table in range(N_TABLES):
            for priority in self.rnd.sample(range(1, 40), self.rnd.randint(1, 7)):
                m, kind = self.some_match()
                self.rules.append((table, priority, m, kind))
                out.append(self.rule(*self.rules[-1]))
            if not self.traits["unset"] or self.rnd.random() < 0.5:
                self.rules.append((table, 0, {}, None))
                out.append(self.rule(table, 0, {}, None))
        return out

    def rule(self, table, priority, m, kind, command=ADD, **more):
        more.setdefault("cookie", self.cookie())
        instructions = self.instructions(table, m, kind) if command in (ADD, MODIFY, MODIFY_STRICT) else ()
        return flow_mod(self.own(m), instructions, table=self.first + table, priority=priority, command=command, **more)

    def own(self, m):
        """The match, of this set alone"""
        if not self.share:
            return m
        value, mask = m.get("metadata", (0, 0))
        return dict(m, metadata=(value | self.share << 32, mask | 0xFF << 32))

    def some_changes(self):
        """Rules modified and deleted, strictly and not, by what their match covers, by cookie and by what they output to"""
        rnd, out = self.rnd, []
        for _ in range(rnd.choice((0, 0, 1, 2, 3))):
            table, priority, m, kind = rnd.choice(self.rules)
            how, more = rnd.random(), {}
            if how < 0.3:  # any match is covered by a part of itself
                keep = rnd.sample(sorted(m), rnd.randint(0, len(m)))
                m = {k: v for k, v in m.items() if k in keep or k in ("eth_type", "ip_proto", "icmpv6_type") or k == "vlan_vid"}
            if how < 0.6:
                command = rnd.choice((MODIFY, DELETE)) if how < 0.3 else rnd.choice((MODIFY_STRICT, DELETE_STRICT))
            else:
                command = rnd.choice((ADD, DELETE))
            if command == DELETE and self.traits["unset"] is False and priority == 0:
                continue  # there would be a miss
            if command in (DELETE, MODIFY) and rnd.random() < 0.4:
                more = {"cookie": self.part << 16 | rnd.randint(0, 3), "cookie_mask": 0xFF0003}
            if command == DELETE and rnd.random() < 0.3:
                more["out_port"] = NORMAL if self.is_normal(0.3) else rnd.randint(1, N_PORTS)
            if command == DELETE and rnd.random() < 0.2:
                more["out_group"] = self.group(rnd.randint(1, 3))
            if command in (DELETE, DELETE_STRICT) and self.writes:
                out.append(self.rule(table, priority, m, kind, command, **more))
                out.append(self.rule(table, 0, {}, None))
            else:
                out.append(self.rule(table, priority, m, kind, command, **more))
        return out

    def some_match(self):
        rnd, m = self.rnd, {}
        if rnd.random() < 0.2:
            m["in_port"] = rnd.randint(1, 2)
        if rnd.random() < 0.3:
            put(rnd, m, "eth_dst", mac_of(rnd, self.whose), 48)
        if rnd.random() < 0.2:
            put(rnd, m, "eth_src", mac_of(rnd, self.whose), 48)
        vlan = rnd.random()
        if vlan < 0.15:
            m["vlan_vid"] = 0
        elif vlan < 0.35:
            m["vlan_vid"] = PRESENT | rnd.choice((5, 6, 7))
            if rnd.random() < 0.3:
                m["vlan_pcp"] = rnd.randint(0, 2)
        elif vlan < 0.45:
            m["vlan_vid"] = (PRESENT, PRESENT)
        elif vlan < 0.5:
            m["vlan_vid"] = (PRESENT | 4, PRESENT | 0xFFE)
        if rnd.random() < 0.15:
            put(rnd, m, "metadata", rnd.choice((1, 2, 0x100)), 32)
            if "metadata" in m and not isinstance(m["metadata"], tuple):
                m["metadata"] = (m["metadata"], 0xFFFFFFFF)
        if rnd.random() < 0.05:
            put(rnd, m, "tunnel_id", rnd.choice((0, 5)), 64)
        kind = rnd.choice((None, None, "ip4", "ip4", "ip4", "ip6", "ip6", "arp", "mpls"))
        if kind:
            m["eth_type"] = {"ip4": 0x800, "ip6": 0x86DD, "arp": 0x806, "mpls": 0x8847}[kind]
            kind += getattr(self, "match_" + kind)(m) or ""
        return m, kind

    def match_ip4(self, m):
        rnd = self.rnd
        for name in ("ipv4_src", "ipv4_dst"):
            if rnd.random() < 0.4:
                put(rnd, m, name, rnd.choice(V4S), 32)
        return self.match_ip(m, 1)

    def match_ip6(self, m):
        rnd = self.rnd
        for name in ("ipv6_src", "ipv6_dst"):
            if rnd.random() < 0.3:
                put(rnd, m, name, rnd.choice(V6S), 128)
        if rnd.random() < 0.2:
            put(rnd, m, "ipv6_flabel", rnd.choice((1, 2)), 20)
        return self.match_ip(m, 58)

    def match_ip(self, m, icmp):
        rnd = self.rnd
        if rnd.random() < 0.15:
            m["ip_dscp"] = rnd.choice((0, 46))
        if rnd.random() < 0.1:
            m["ip_ecn"] = rnd.randint(0, 1)
        how = rnd.random()
        if how < 0.25:
            m["ip_proto"] = icmp
            return self.match_icmp4(m) if icmp == 1 else self.match_icmp6(m)
        if how < 0.7:
            l4, m["ip_proto"] = rnd.choice((("tcp", 6), ("udp", 17), ("sctp", 132)))
            for end in ("_src", "_dst"):
                if rnd.random() < 0.4:
                    m[l4 + end] = rnd.choice(PORTS)
            return l4
        return None

    def match_icmp4(self, m):
        rnd = self.rnd
        if rnd.random() < 0.7:
            m["icmpv4_type"] = rnd.choice((0, 8))
        if rnd.random() < 0.3:
            m["icmpv4_code"] = rnd.randint(0, 1)
        return "icmp"

    def match_icmp6(self, m):
        rnd = self.rnd
        if rnd.random() < 0.5:
            m["icmpv6_type"] = rnd.choice((128, 129))
            return "icmp"
        solicits = rnd.random() < 0.5
        m["icmpv6_type"] = 135 if solicits else 136
        if rnd.random() < 0.6:
            put(rnd, m, "ipv6_nd_target", rnd.choice(V6S), 128)
        if rnd.random() < 0.4:
            m["ipv6_nd_sll" if solicits else "ipv6_nd_tll"] = rnd.choice(MACS)
        return "nds" if solicits else "nda"

    def match_arp(self, m):
        rnd = self.rnd
        m["arp_op"] = rnd.randint(1, 2)
        for name in ("arp_tpa", "arp_spa"):
            if rnd.random() < 0.4:
                put(rnd, m, name, rnd.choice(V4S), 32)
        for name in ("arp_sha", "arp_tha"):
            if rnd.random() < 0.15:
                put(rnd, m, name, mac_of(rnd, self.part) if name == "arp_sha" else 0, 48)

    def match_mpls(self, m):
        rnd = self.rnd
        if rnd.random() < 0.5:
            m["mpls_label"] = rnd.choice(LABELS)
        if rnd.random() < 0.3:
            m["mpls_tc"] = rnd.randint(0, 2)
        if rnd.random() < 0.6:
            m["mpls_bos"] = rnd.randint(0, 1)

    # --- Instructions

    def sets_of(self, m, kind):
        """What may be set in frames that match"""
        rnd, sets = self.rnd, {"eth_dst": mac_of(self.rnd, self.whose), "eth_src": mac_of(self.rnd, self.part), "tunnel_id": self.rnd.choice((0, 5))}
        kind = kind or ""
        if self.traits["normal"]:
            del sets["eth_src"]
        if m.get("vlan_vid"):
            sets.update(vlan_vid=PRESENT | rnd.choice((5, 6, 9)), vlan_pcp=rnd.randint(0, 7))
        if kind.startswith("ip"):
            sets.update(ip_dscp=rnd.choice((0, 10, 46)), ip_ecn=rnd.randint(0, 3))
            if not self.traits["fragments"]:
                sets.update({"ipv4_src": rnd.choice(V4S), "ipv4_dst": rnd.choice(V4S)} if kind.startswith("ip4") else
                            {"ipv6_src": rnd.choice(V6S), "ipv6_dst": rnd.choice(V6S)})
        if kind.startswith("ip6"):
            sets["ipv6_flabel"] = rnd.choice((1, 2))
        for l4 in ("tcp", "udp", "sctp"):
            if kind.endswith(l4) and not (l4 == "sctp" and self.traits["fragments"]):
                sets.update({l4 + "_src": rnd.choice(PORTS), l4 + "_dst": rnd.choice(PORTS)})
        if kind == "arp":
            sets.update(arp_op=rnd.randint(1, 2), arp_spa=rnd.choice(V4S), arp_tpa=rnd.choice(V4S), arp_sha=mac_of(rnd, self.part), arp_tha=rnd.choice(MACS))
        if kind == "ip4icmp" and not self.traits["fragments"]:
            sets.update(icmpv4_code=rnd.randint(0, 1), icmpv4_type=rnd.choice((0, 8)))
        if kind == "ip6icmp":
            sets.update(icmpv6_code=rnd.randint(0, 1), icmpv6_type=rnd.choice((128, 129)))
        if kind.startswith("ip6nd"):
            sets["ipv6_nd_target"] = rnd.choice(V6S)
            sets["ipv6_nd_sll" if kind == "ip6nds" else "ipv6_nd_tll"] = rnd.choice(MACS)
        if kind == "mpls":
            sets.update(mpls_label=rnd.choice(LABELS), mpls_tc=rnd.randint(0, 7))
        return sets

    def rewrites(self, table, m, kind, is_set):
        """Lists of actions that belong together. is_set: for write-actions, whose pops come before what is set"""
        rnd, sets = self.rnd, self.sets_of(m, kind)
        tag, kind = m.get("vlan_vid"), kind or ""
        pops_tag, label = bool(tag) and rnd.random() < 0.25, None
        if not self.traits["freeze"]:
            pass
        elif kind == "mpls" and "mpls_bos" in m and rnd.random() < 0.4:
            label = short(20, 0x0800 if m["mpls_bos"] else 0x8847)
        elif table == 0 and kind.startswith("ip") and not self.traits["ttl"] and tag == 0 and rnd.random() < 0.4:
            label = short(19, 0x8847) + set_field("mpls_label", rnd.choice(LABELS)) + set_field("mpls_tc", rnd.randint(0, 7))
        names = [n for n in sets if not (is_set and n.startswith("vlan"))]
        out = [set_field(n, sets[n]) for n in rnd.sample(names, min(len(names), rnd.choice((0, 0, 1, 1, 2, 3))))]
        if kind.startswith("ip") and rnd.random() < 0.3:
            out.append(rnd.choice((short(24), short(24), byte(23, rnd.randint(2 if self.traits["ttl"] else 20, 200)))))
        if kind == "mpls" and rnd.random() < 0.3:
            out.append(rnd.choice((byte(15, rnd.randint(20, 60)), short(16))))
        if pops_tag:
            out.append(short(18))
        if not pops_tag and (label or b"")[:2] != PUSH_MPLS and self.pushes(table, tag, is_set):
            out.append(short(17, rnd.choice((0x8100, 0x88A8))) + set_field("vlan_vid", PRESENT | rnd.choice((5, 6, 7))) + set_field("vlan_pcp", rnd.randint(0, 7)))
        if rnd.random() < 0.1:
            out.append(set_queue(rnd.randint(0, 6)))
        if label:
            out.append(label)  # behind all that it hides
        return out

    def pushes(self, table, tag, is_set):
        if self.rnd.random() >= 0.3:
            return False
        if self.traits["push"]:  # frames have one tag at most
            return table == 0 and not is_set
        return tag == 0

    def outputs(self, groups=range(1, N_GROUPS + 1)):
        rnd = self.rnd
        out = [output(rnd.randint(1, N_PORTS)) for _ in range(rnd.choice((0, 1, 1, 2)))]
        if rnd.random() < 0.15:
            out.append(output(rnd.choice((IN_PORT, ALL, FLOOD, CONTROLLER, CONTROLLER))))
        if self.is_normal(0.3):
            out.insert(0, output(NORMAL))  # there may be one of each only in an action set
        if self.traits["freeze"] and rnd.random() < 0.25:
            out.insert(rnd.randint(0, len(out)), group_action(self.group(3)))  # SELECT
        elif rnd.random() < 0.15:
            out.insert(rnd.randint(0, len(out)), group_action(self.group(rnd.choice(groups))))
        return out

    def instructions(self, table, m, kind):
        rnd, out = self.rnd, []
        if self.traits["meters"] and rnd.random() < 0.3:
            out.append(meter(self.part + 1))
        if rnd.random() < 0.75:
            what = self.rewrites(table, m, kind, False)
            pushed = what[-1:] if what and what[-1][:2] in (PUSH_MPLS, POP_MPLS) else []
            what = what[:len(what) - len(pushed)]
            for o in self.outputs():
                what.insert(rnd.randint(0, len(what)), o)
            for o in pushed:
                what += [o, output(rnd.randint(3, N_PORTS))]  # where no frame comes from
            if what:
                out.append(actions(4, what))
        else:
            pushed = None
        if rnd.random() < 0.1:
            out.append(actions(5, []))
        if self.writes and rnd.random() < 0.35:
            what = ([] if pushed else self.rewrites(table, m, kind, True)) + self.outputs((1, 2, 4))[:1]
            out += [actions(3, what)] if what else []  # OVS does not tell an empty one back
        if rnd.random() < 0.3:
            out.append(write_metadata(rnd.choice((1, 2, 0x100)), rnd.choice((0xFF, 0xFFFF))))
        if table + 1 < N_TABLES and rnd.random() < 0.6:
            out.append(goto(self.first + rnd.randint(table + 1, N_TABLES - 1)))
        return out

    # --- Packet-outs

    def some_packet_outs(self, n):
        rnd, out = self.rnd, []
        for i in range(rnd.choice((0, 0, 1, 2))):
            port = rnd.choice((1, 2, CONTROLLER))
            what = [output(NORMAL if self.is_normal(0.3) else rnd.choice((TABLE, TABLE, 2, 3, ALL)))]
            if rnd.random() < 0.2:
                what.insert(0, group_action(self.group(rnd.randint(1, N_GROUPS))))
            if rnd.random() < 0.3:
                what.insert(0, set_field("eth_dst", mac_of(rnd, self.whose)))
            out.append(packet_out(port, what, self.frame(n + i, port)))
        return out
