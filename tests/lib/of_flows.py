#!/usr/bin/python3
"""Random flows in ovs-ofctl's syntax that OpenFlow 1.3 can carry: of_flows.py SEED COUNT."""
import ipaddress
import random
import sys

r = random.Random(int(sys.argv[1]))


def mac():
    return ":".join("%02x" % r.randrange(256) for _ in range(6))


def ip4():
    return str(ipaddress.ip_address(r.getrandbits(32)))


def ip6():
    return str(ipaddress.ip_address(r.getrandbits(128) & r.choice([2**128 - 1, 0xffff0000ffff00000000000000000000 | r.getrandbits(16), 2**64 - 1])))


def masked(value, masks):
    return value if r.random() < .5 else "%s/%s" % (value, r.choice(masks)())


def ports(name, plain):
    return ["%s=%d" % (n, r.randrange(65536)) for n in (name + "_src" if plain else "tp_src", name + "_dst" if plain else "tp_dst") if r.random() < .5]


def layer4(v6):
    six, out = "6" if v6 else "", []
    kind = r.choice(["tcp", "udp", "sctp", "icmp", "ip", "proto"])
    if kind in ("tcp", "udp", "sctp"):
        out = [kind + six] + ports(kind, r.random() < .5)
    elif kind == "icmp":
        out = ["icmp" + six] + (["icmp_type=%d" % r.randrange(256)] if r.random() < .5 else []) + (["icmp_code=%d" % r.randrange(256)] if r.random() < .3 else [])
    elif kind == "proto":
        out = ["ipv6" if v6 else "ip", "nw_proto=%d" % r.choice([2, 47, 50, 89])]
    else:
        out = ["ipv6" if v6 else "ip"]
    if r.random() < .3:
        out.append(r.choice(["nw_tos=%d" % (4 * r.randrange(64)), "ip_dscp=%d" % r.randrange(64)]))
    if r.random() < .3:
        out.append("nw_ecn=%d" % r.randrange(4))
    return kind, out


def network():
    kind = r.choice(["none", "v4", "v4", "v6", "v6", "arp", "mpls", "type", "nd"])
    l4, out = "", []
    if kind == "v4":
        l4, out = layer4(False)
        out += ["nw_%s=%s" % (n, masked(ip4(), [lambda: str(r.randrange(1, 33)), lambda: "255.0.255.0"])) for n in ("src", "dst") if r.random() < .6]
    elif kind == "v6":
        l4, out = layer4(True)
        out += ["ipv6_%s=%s" % (n, masked(ip6(), [lambda: str(r.randrange(1, 129)), lambda: "ffff::ff00"])) for n in ("src", "dst") if r.random() < .6]
        out += ["ipv6_label=0x%x" % r.getrandbits(20)] if r.random() < .2 else []
    elif kind == "nd":
        solicits = r.random() < .5
        out = ["icmp6", "icmp_type=%d" % (135 if solicits else 136), "icmp_code=0", "nd_target=" + ip6(), ("nd_sll=" if solicits else "nd_tll=") + mac()]
    elif kind == "arp":
        out = ["arp"] + r.sample(["arp_op=%d" % r.randrange(1, 4), "arp_spa=" + masked(ip4(), [lambda: "16"]), "arp_tpa=" + ip4(), "arp_sha=" + mac(), "arp_tha=" + mac()], 2)
    elif kind == "mpls":
        out = [r.choice(["mpls", "mplsm"]), "mpls_label=%d" % r.getrandbits(20), "mpls_tc=%d" % r.randrange(8), "mpls_bos=%d" % r.randrange(2)]
    elif kind == "type":
        out = ["dl_type=0x%04x" % r.choice([0x88cc, 0x8902, 0x1234])]
    return kind, l4, out


def link():
    vlan = r.choice([[], [], ["dl_vlan=%d" % r.randrange(1, 4095)], ["dl_vlan=%d" % r.randrange(4096), "dl_vlan_pcp=%d" % r.randrange(8)], ["vlan_tci=0x1000/0x1000"],
                     ["vlan_tci=0/0x1fff"], ["dl_vlan_pcp=%d" % r.randrange(8)], ["vlan_vid=0x%x/0x%x" % (0x1000 | r.randrange(4096), 0x1000 | r.randrange(1, 4095))]])
    out = list(vlan)
    out += ["in_port=%s" % r.choice(["1", "7", "LOCAL", "65000"])] if r.random() < .4 else []
    out += ["dl_%s=%s" % (n, masked(mac(), [mac, lambda: "ff:ff:ff:00:00:00"])) for n in ("src", "dst") if r.random() < .3]
    out += ["metadata=" + masked("0x%x" % r.getrandbits(64), [lambda: "0x%x" % r.randrange(1, 2**63)])] if r.random() < .2 else []
    out += ["tun_id=0x%x" % r.getrandbits(64)] if r.random() < .1 else []
    return out


def action(kind, l4):
    plain = ["output:%d" % r.randrange(1, 65000), "%d" % r.randrange(1, 65000), "normal", "flood", "all", "in_port", "local", "controller", "controller:%d" % r.randrange(65536),
             "controller(max_len=%d)" % r.randrange(65536), "group:%d" % r.randrange(1, 9999), "set_queue:%d" % r.randrange(99), "mod_dl_src:" + mac(), "mod_dl_dst:" + mac(),
             "set_field:%s->eth_src" % mac(), "set_field:0x%x->metadata" % r.getrandbits(64), "set_field:0x%x->tun_id" % r.getrandbits(64)]
    if kind in ("v4", "v6"):
        plain += ["dec_ttl", "mod_nw_tos:%d" % (4 * r.randrange(64)), "mod_nw_ecn:%d" % r.randrange(4), "mod_nw_ttl:%d" % r.randrange(256), "set_field:%d->ip_dscp" % r.randrange(64)]
    if kind == "v4":
        plain += ["mod_nw_src:" + ip4(), "set_field:%s->ip_dst" % ip4()]
    if kind == "v6":
        plain += ["set_field:%s->ipv6_src" % ip6(), "set_field:%s->ipv6_dst" % ip6()]
    if l4 in ("tcp", "udp"):
        plain += ["mod_tp_src:%d" % r.randrange(65536), "set_field:%d->%s_dst" % (r.randrange(65536), l4)]
    if kind == "mpls":
        plain += ["set_mpls_ttl:%d" % r.randrange(256), "dec_mpls_ttl", "set_field:%d->mpls_label" % r.getrandbits(20), "set_field:%d->mpls_tc" % r.randrange(8)]
    return r.choice(plain)


def program(kind, l4):
    out = ["meter:%d" % r.randrange(1, 99)] if r.random() < .1 else []
    applied = [action(kind, l4) for _ in range(r.randrange(4))]
    out += applied
    out += ["clear_actions"] if r.random() < .1 else []
    out += ["write_actions(%s)" % r.choice(["output:3", "group:5", "set_queue:1,output:2"])] if r.random() < .2 else []
    out += ["write_metadata:0x%x/0x%x" % ((lambda m: (r.getrandbits(64) & m, m))(r.randrange(1, 2**64)))] if r.random() < .1 else []
    out += ["goto_table:%d" % r.randrange(20, 60)] if r.random() < .2 else []
    return ",".join(out) or "drop"


for _ in range(int(sys.argv[2])):
    kind, l4, words = network()
    words += link()
    head = ["priority=%d" % r.randrange(65536)] if r.random() < .7 else []
    head += ["table=%d" % r.randrange(20)] if r.random() < .5 else []
    head += ["cookie=0x%x" % r.getrandbits(64)] if r.random() < .3 else []
    head += ["idle_timeout=%d" % r.randrange(65536), "hard_timeout=%d" % r.randrange(65536)] if r.random() < .3 else []
    head += r.sample(["send_flow_rem", "check_overlap", "reset_counts", "no_packet_counts", "no_byte_counts"], r.randrange(3))
    print(",".join(head + words + ["actions=" + program(kind, l4)]))
