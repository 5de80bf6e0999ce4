from harness import *

G = mac(1)
GIP, SVC, SRV = "10.9.0.101", "10.9.0.2", "10.9.0.1"
BC = "ff:ff:ff:ff:ff:ff"
HERE = os.path.dirname(os.path.abspath(__file__))


def cfg(boot=None, files=(), **leaves):
    boot = boot or {"method": "iscsi", "iscsi": {"server": SRV, "target": "iqn.2026-11.test:d1"}}
    return config([port("g", **leaves), port("u", "uplink")], vms=[vm("web1", [nic(0, G, "g", [GIP])], boot)],
                  services=[{"vlan": 1, "address": SVC, "prefix-length": 24, "router": "10.9.0.254"}], files=files)


def dhcp(kind, xid=1, src="0.0.0.0", dst="255.255.255.255", ciaddr="0.0.0.0", ipxe=True, flags=0, opts=()):
    o = [("message-type", kind)] + list(opts)
    if ipxe:
        o += [("vendor_class_id", b"PXEClient:Arch:00000:UNDI:002001"), (77, b"iPXE"), (93, b"\0\0"), (97, b"\0" + bytes(range(16))),
              (175, b"\xb1\x05\x01\x1a\xf4\x10\x00")]
    return Ether(src=G, dst=BC) / IP(src=src, dst=dst) / UDP(sport=68, dport=67) / BOOTP(
        xid=xid, chaddr=bytes.fromhex(G.replace(":", "")), ciaddr=ciaddr, flags=flags) / DHCP(options=o + ["end"])


def parse(f):
    """(Ether, {option: value}), options by number or scapy's name"""
    e = Ether(f)
    opts = {o[0]: o[1] if len(o) == 2 else o[1:] for o in e[DHCP].options if isinstance(o, tuple)}
    for n in (17, 97):  # scapy's versions name them differently
        for name in (DHCPOptions[n] if isinstance(DHCPOptions.get(n), str) else getattr(DHCPOptions.get(n), 'name', None),):
            if name in opts:
                opts[n] = opts[name]
    return e, opts


def replies(res):
    return [parse(f) for f in res.out["g"] if Ether(f).haslayer(DHCP)]


@case
def s1_ipxe_gets_all_it_needs_for_a_san_boot_in_one_offer():
    res = run(cfg(), [(0, "g", dhcp("discover", 7)), (10, "g", dhcp("request", 8, opts=[("server_id", SVC), ("requested_addr", GIP)]))])
    (offer, o), (ack, a) = replies(res)
    same((o["message-type"], a["message-type"]), (2, 5))
    for e, opt in ((offer, o), (ack, a)):
        same((e[BOOTP].yiaddr, e[BOOTP].siaddr, e[BOOTP].giaddr), (GIP, "0.0.0.0", "0.0.0.0"))
        same((e[IP].src, e[UDP].sport, e[UDP].dport), (SVC, 67, 68))
        same(opt["server_id"], SVC)
        same(opt["lease_time"], 0xffffffff, "a diskless root does not expire")
        same((opt["subnet_mask"], opt["router"]), ("255.255.255.0", "10.9.0.254"))
        same(opt[17], b"iscsi:10.9.0.1:::1:iqn.2026-11.test:d1")
        same(opt[203], b"iqn.2026-11.weir:web1")
        same(opt[175], b"\xb0\x01\x01", "no-pxedhcp")
        same(opt.get("hostname"), b"web1")
        same(opt[97], b"\0" + bytes(range(16)), "echoed")
        assert "vendor_class_id" not in opt and 67 not in opt and "boot-file-name" not in opt, opt
        assert len(e[BOOTP]) >= 300
        same(e[UDP].chksum, Ether(bytes(Ether(bytes(e)).__class__(bytes(e))))[UDP].chksum)
    same((offer[BOOTP].xid, ack[BOOTP].xid), (7, 8))
    same(res.out["u"], [], "nothing of it leaves the host")
    same(res.counter("g", "consumed_pkts"), 2)
    # iPXE also learns that no IPv6 router will come.
    ra = [Ether(f) for f in res.out["g"] if Ether(f).haslayer(ICMPv6ND_RA)]
    same([r[ICMPv6ND_RA].routerlifetime for r in ra], [0])


@case
def s7_a_reset_in_mid_boot_is_answered_at_once():
    res = run(cfg(), [(0, "g", dhcp("discover", 1)), (5, "g", dhcp("request", 1, opts=[("server_id", SVC), ("requested_addr", GIP)])), (9, "g", dhcp("discover", 99))])
    same([(e[BOOTP].xid, o["message-type"]) for e, o in replies(res)], [(1, 2), (1, 5), (99, 2)])


@case
def s8_a_wrong_address_is_refused_with_the_servers_name():
    res = run(cfg(), [(0, "g", dhcp("request", 5, opts=[("requested_addr", "10.9.0.77")]))])
    (e, o), = replies(res)
    same((o["message-type"], o["server_id"]), (6, SVC))
    same((e.dst, e[IP].dst), (BC, "255.255.255.255"))
    same((e[BOOTP].yiaddr, e[BOOTP].siaddr), ("0.0.0.0", "0.0.0.0"))


@case
def init_reboot_and_renewal_keep_the_address():
    res = run(cfg(), [(0, "g", dhcp("request", 5, ipxe=False, opts=[("requested_addr", GIP)])),
                      (9, "g", dhcp("request", 6, ipxe=False, src=GIP, dst=SVC, ciaddr=GIP))])
    (a, ao), (b, bo) = replies(res)
    same((ao["message-type"], bo["message-type"]), (5, 5))
    same((b[IP].dst, b.dst, b[BOOTP].ciaddr), (GIP, G, GIP), "renewal is answered by unicast")
    assert 175 not in ao, "an operating system gets no firmware options"
    same(ao[17], b"iscsi:10.9.0.1:::1:iqn.2026-11.test:d1")


@case
def uefi_that_asks_port_4011_is_answered_from_there():
    ask = dhcp("request", 9, src=GIP, dst=SVC, ciaddr=GIP, ipxe=False, opts=[("vendor_class_id", b"PXEClient:Arch:00007:UNDI:003016"), (93, b"\0\7")])
    ask[UDP].sport = ask[UDP].dport = 4011
    res = run(cfg(), [(0, "g", ask)])
    same(res.drops("g"), {}, "no rival of ours")
    same(res.out["u"], [])
    same(res.counter("g", "consumed_pkts"), 1)


POOL = {"first": "10.9.0.30", "last": "10.9.0.31", "lease-time": 600}


@case
def a_guest_without_an_address_gets_one_of_the_pool():
    c = config([port("g"), port("u", "uplink")], vms=[vm("web1", [nic(0, G, "g", [])])],
               services=[{"vlan": 1, "address": SVC, "prefix-length": 24, "pool": POOL}])
    got = "10.9.0.30"
    res = run(c, [(0, "g", dhcp("discover", 1, ipxe=False)), (5, "g", dhcp("request", 1, ipxe=False, opts=[("server_id", SVC), ("requested_addr", got)])),
                  (9, "g", dhcp("request", 2, ipxe=False, opts=[("requested_addr", "10.9.0.99")]))])
    (offer, o), (ack, a), (nak, n) = replies(res)
    same((offer[BOOTP].yiaddr, ack[BOOTP].yiaddr), (got, got))
    same((o["message-type"], a["message-type"], n["message-type"]), (2, 5, 6))
    same((a["lease_time"], a["renewal_time"], a["rebinding_time"]), (600, 300, 525))
    same(offer[IP].dst, got)


@case
def a_client_that_chose_another_server_is_left_alone():
    res = run(cfg(), [(0, "g", dhcp("request", 5, opts=[("server_id", "10.9.0.99"), ("requested_addr", GIP)]))])
    same(replies(res), [])


@case
def the_broadcast_flag_is_honoured():
    res = run(cfg(), [(0, "g", dhcp("discover", flags=0x8000)), (1, "g", dhcp("discover"))])
    same([e[IP].dst for e, _ in replies(res)], ["255.255.255.255", GIP])


@case
def the_service_address_answers_arp_and_nothing_else_answers_for_it():
    q = Ether(src=G, dst=BC) / ARP(hwsrc=G, psrc=GIP, pdst=SVC)
    other = Ether(src=G, dst=BC) / ARP(hwsrc=G, psrc=GIP, pdst=SRV)
    res = run(cfg(), [(0, "g", q), (1, "g", other)])
    a = Ether(res.out["g"][0])
    same((a[ARP].op, a[ARP].psrc, a[ARP].pdst, a[ARP].hwdst), (2, SVC, GIP, G))
    same(a[ARP].hwsrc, a.src)
    same(len(res.out["u"]), 1, "the other request is forwarded")


@case
def boot_requests_have_a_rate_per_port():
    res = run(cfg(admit={"broadcast-limit": 0}), [(i // 4, "g", dhcp("discover", i)) for i in range(400)])
    n = len(replies(res))
    assert 40 <= n <= 43, n
    same(res.drops("g"), {"punt_dhcp": 400 - n})


KERNEL = {"method": "kernel", "kernel": "k", "initrd": "i", "cmdline": "console=ttyS0 quiet"}


def files(d):
    k, i = os.path.join(d, "k"), os.path.join(d, "i")
    open(k, "wb").write(bytes(range(256)) * 20)
    open(i, "wb").write(b"initrd")
    return [{"name": "k", "path": k}, {"name": "i", "path": i}]


def tftp(payload, dport=69, sport=2000):
    return Ether(src=G, dst="02:77:65:69:72:01") / IP(src=GIP, dst=SVC) / UDP(sport=sport, dport=dport) / Raw(payload)


def tftp_out(res):
    return [(Ether(f)[UDP].sport, bytes(Ether(f)[UDP].payload)) for f in res.out["g"] if Ether(f).haslayer(UDP) and Ether(f)[UDP].dport == 2000]


@case
def a_kernel_guest_gets_a_script_that_names_its_files():
    with tempfile.TemporaryDirectory() as d:
        c = cfg(KERNEL, files(d))
        res = run(c, [(0, "g", dhcp("discover")), (10, "g", tftp(b"\0\1boot.ipxe\0octet\0"))])
        e, o = replies(res)[0]
        same((e[BOOTP].siaddr, e[BOOTP].file.rstrip(b"\0")), (SVC, b"boot.ipxe"))
        (tid, data) = tftp_out(res)[0]
        lines = data[4:].decode().split("\n")
        same(lines[0], "#!ipxe")
        same([x for x in lines if x.startswith(("kernel", "initrd", "boot"))],
             ["kernel --name kernel tftp://10.9.0.2/k initrd=initrd console=ttyS0 quiet || goto failed", "initrd --name initrd tftp://10.9.0.2/i || goto failed", "boot || goto failed"])


@case
def tftp_options_and_windows_are_honoured():
    with tempfile.TemporaryDirectory() as d:
        c = cfg(KERNEL, files(d))
        req = b"\0\1k\0octet\0blksize\0" + b"1000\0tsize\0" + b"0\0windowsize\0" + b"4\0foo\0bar\0"
        first = 57344
        res = run(c, [(0, "g", tftp(req)), (10, "g", tftp(b"\0\4\0\0", first)), (20, "g", tftp(b"\0\4\0\4", first)), (30, "g", tftp(b"\0\4\0\6", first))])
        out = tftp_out(res)
        same(out[0][1], b"\0\6blksize\0" + b"1000\0tsize\0" + b"5120\0windowsize\0" + b"4\0", "OACK without the unknown option")
        blocks = [(int.from_bytes(p[2:4], "big"), len(p) - 4) for _, p in out[1:]]
        same(blocks, [(1, 1000), (2, 1000), (3, 1000), (4, 1000), (5, 1000), (6, 120)])
        same(b"".join(p[4:] for _, p in out[1:]), bytes(range(256)) * 20)
        assert all(t == first for t, _ in out), "one transfer, one port"


@case
def an_exact_multiple_ends_with_an_empty_block():
    with tempfile.TemporaryDirectory() as d:
        c = cfg(KERNEL, files(d))
        acks = [(10 * n, "g", tftp(b"\0\4" + n.to_bytes(2, "big"), 57344)) for n in range(1, 11)]
        out = tftp_out(run(c, [(0, "g", tftp(b"\0\1k\0octet\0"))] + acks))
        same([len(p) - 4 for _, p in out], [512] * 10 + [0])


@case
def what_is_lost_is_sent_again_five_times_and_then_given_up():
    with tempfile.TemporaryDirectory() as d:
        late = Ether(src=G, dst=mac(9)) / IP(src=GIP, dst=SRV) / UDP(sport=1, dport=2)  # keeps the clock going
        res = run(cfg(KERNEL, files(d)), [(0, "g", tftp(b"\0\1k\0octet\0")), (10, "g", tftp(b"\0\4\0\1", 57344))] + [(300 * i, "g", late) for i in range(1, 60)])  # 15.5 s
        same(len(tftp_out(res)), 1 + 6)
        # Who never said a word gets one block, and asks again if that was lost.
        res = run(cfg(KERNEL, files(d)), [(0, "g", tftp(b"\0\1k\0octet\0"))] + [(300 * i, "g", late) for i in range(1, 20)])
        same(len(tftp_out(res)), 1)


@case
def tftp_gives_a_vm_its_own_files_and_nothing_else():
    with tempfile.TemporaryDirectory() as d:
        c = cfg(KERNEL, files(d) + [{"name": "other", "path": os.path.join(d, "k")}])
        names = [b"other", b"../k", b"/etc/passwd", b"k/../k", b"....//k", b"", b"k\xff", b"K", b"a" * 400]
        frames = [(10 * i, "g", tftp(b"\0\1" + n + b"\0octet\0")) for i, n in enumerate(names)]
        frames += [(200, "g", tftp(b"\0\2k\0octet\0")), (210, "g", tftp(b"\0\1k\0netascii\0")), (220, "g", tftp(b"\0\1k")), (230, "g", tftp(b"\0\4\0\1", 57400))]
        out = [p for _, p in tftp_out(run(c, frames))]
        same([p[:2] for p in out], [b"\0\5"] * len(frames))
        same([p[3] for p in out[-4:]], [2, 4, 4, 5])


@case
def a_port_has_at_most_four_transfers():
    with tempfile.TemporaryDirectory() as d:
        req = b"\0\1k\0octet\0tsize\0" + b"0\0"
        frames = [(i, "g", tftp(req, sport=3000 + i)) for i in range(8)]
        res = run(cfg(KERNEL, files(d)), frames)
        kinds = [bytes(Ether(f)[UDP].payload)[:2] for f in res.out["g"]]
        same((kinds.count(b"\0\6"), kinds.count(b"\0\5")), (4, 4))


@case
def a_guest_on_a_trunk_boots_in_its_native_vlan():
    res = run(cfg(vlan_mode="native-tagged", vlan=1, trunk=["5"]), [(0, "g", dhcp("discover"))])
    e = Ether(res.out["g"][0])
    same((e[Dot1Q].vlan, e[BOOTP].yiaddr), (1, GIP))


@case
def a_boot_class_is_counted():
    res = run(cfg(), [(0, "g", dhcp("discover"))])
    same((res.classes("g"), res.classes("g", "tx")), ({"boot": 1}, {"boot": 1}))


@case
def the_storage_of_a_booting_vm_is_a_declared_portal():
    f = Ether(src=G, dst=mac(9)) / IP(src=GIP, dst=SRV) / TCP(sport=1, dport=3260)
    same(run(cfg(), [(0, "g", f)]).classes("g"), {"storage": 1})


@case
def only_the_services_own_vlan_is_answered():
    """On a trunk the guest's other VLANs have their own servers; so has a card without an address to give."""
    res = run(cfg(vlan_mode="native-untagged", vlan=1, trunk=["20"]), [(0, "g", Ether(src=G, dst=BC) / Dot1Q(vlan=20) / dhcp("discover")[IP])])
    same((replies(res), len(res.out["u"])), ([], 1), "another VLAN's DHCP goes its way")
    c = cfg(boot={"method": "none"})
    c["weir-vm:vms"]["vm"][0]["nic"][0]["ipv4-address"] = []
    res = run(c, [(0, "g", dhcp("discover"))])
    same((replies(res), len(res.out["u"])), ([], 1), "no address to give: somebody else may")


@case
def tftp_blocks_fit_the_ports_mtu():
    with tempfile.TemporaryDirectory() as d:
        res = run(cfg(KERNEL, files(d), mtu=1450), [(0, "g", tftp(b"\0\1k\0octet\0blksize\0" + b"1432\0")), (10, "g", tftp(b"\0\4\0\0", 57344))])
        same([p for _, p in tftp_out(res)][0], b"\0\6blksize\0" + b"1418\0")
        same(max(len(f) for f in res.out["g"]), 14 + 1450)
        same(res.drops("g"), {})


@case
def a_reply_is_no_larger_than_its_client_takes():
    boot = {"method": "iscsi", "iscsi": {"server": SRV, "target": "iqn." + "t" * 200, "initiator": "iqn." + "i" * 200}}
    res = run(cfg(boot), [(0, "g", dhcp("discover")), (10, "g", dhcp("discover", opts=[("max_dhcp_size", 1500)]))])
    small, large = (Ether(f) for f in res.out["g"])
    assert len(small[IP]) <= 576, len(small[IP])
    assert len(large[IP]) > 700, len(large[IP])
    assert b"t" * 200 in bytes(small), "booting comes first"


@case
def a_guest_that_floods_the_responder_leaves_it_to_others():
    ports = [port("g"), port("h"), port("u", "uplink")]
    c = cfg(KERNEL, [])
    with tempfile.TemporaryDirectory() as d:
        c = cfg(KERNEL, files(d))
        c["ietf-interfaces:interfaces"]["interface"].append(port("h"))
        c["weir-vm:vms"]["vm"].append(vm("web2", [nic(0, mac(2), "h", ["10.9.0.102"])]))
        flood = [(i // 32, "g", tftp(b"\0\4\0\1", 57344 + i % 512)) for i in range(6400)]
        other = Ether(bytes(dhcp("discover")).replace(bytes.fromhex("525400000001"), bytes.fromhex("525400000002")))
        res = run(c, flood + [(100, "h", other)])
        same([Ether(f)[BOOTP].yiaddr for f in res.out["h"] if Ether(f).haslayer(BOOTP)], ["10.9.0.102"])
        same(res.drops("h"), {})
