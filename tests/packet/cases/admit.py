import itertools, struct
from harness import *

BC = "ff:ff:ff:ff:ff:ff"
G, H = mac(1), mac(9)  # the guest, and somebody else
GIP, HIP = "10.0.0.1", "10.0.0.9"
G6, H6 = "2001:db8::1", "2001:db8::9"


def guest(v6=(G6,), **leaves):
    return config([port("g", **leaves), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP], list(v6))])])


def verdicts(frames, cfg=None):
    """[(frame, reason or None)]: what happened must be what was expected, one by one and in sum."""
    res = run(cfg or guest(), [(30 * i, "g", f) for i, (f, _) in enumerate(frames)])
    frames_are(res.out["u"], [f for f, r in frames if r is None], "forwarded")
    want = {}
    for _, r in frames:
        if r:
            want[r] = want.get(r, 0) + 1
    same(res.drops("g"), want)


def udp(sport, dport, src=GIP, dst=HIP, smac=G, dmac=H, load=b"x" * 20):
    return Ether(src=smac, dst=dmac) / IP(src=src, dst=dst) / UDP(sport=sport, dport=dport, chksum=0) / load


def bootp(op=1, chaddr=G, giaddr="0.0.0.0"):
    return BOOTP(op=op, chaddr=bytes.fromhex(chaddr.replace(":", "")), giaddr=giaddr)


@case
def only_the_guests_own_mac_and_addresses_pass():
    verdicts([
        (udp(1, 2), None),
        (udp(1, 2, smac=H), "spoof_mac"),
        (udp(1, 2, src=HIP), "spoof_ip"),
        (udp(1, 2, src="0.0.0.0"), "spoof_ip"),
        (Ether(src=G, dst=H) / IPv6(src=G6, dst=H6) / UDP(chksum=1), None),
        (Ether(src=G, dst=H) / IPv6(src="fe80::5054:ff:fe00:1", dst=H6) / UDP(chksum=1), None),
        (Ether(src=G, dst=H) / IPv6(src=H6, dst=G6) / UDP(chksum=1), "spoof_ip"),
        (Ether(src=G, dst=H) / IPv6(src="fe80::1", dst=G6) / UDP(chksum=1), "spoof_ip"),
        (Ether(src=G, dst=H) / IPv6(src="::", dst=H6) / UDP(chksum=1), "spoof_ip"),
    ])


@case
def arp_names_the_guest_or_nobody():
    def arp(**kw):
        a = dict(op=1, hwsrc=G, psrc=GIP, pdst=HIP)
        a.update(kw)
        return Ether(src=G, dst=BC) / ARP(**a) / (b"\0" * 18)
    verdicts([
        (arp(), None), (arp(op=2), None), (arp(psrc="0.0.0.0"), None),  # RFC 5227 probe
        (arp(psrc=HIP), "spoof_arp"), (arp(hwsrc=H), "spoof_arp"), (arp(op=2, psrc=HIP), "spoof_arp"),
        (arp(hwlen=8), "l3_malformed"), (arp(ptype=0x86dd), "l3_malformed"),
        (Ether(src=G, dst=BC, type=0x806) / (b"\0\1\x08\0"), "l3_truncated"),
    ])


@case
def neighbour_discovery_names_the_guest():
    def nd(msg, src=G6, **kw):
        return Ether(src=G, dst=H) / IPv6(src=src, dst="ff02::1", hlim=255) / msg
    ok, bad = ICMPv6NDOptSrcLLAddr(lladdr=G), ICMPv6NDOptSrcLLAddr(lladdr=H)
    verdicts([
        (nd(ICMPv6ND_NS(tgt=H6) / ok), None),
        (nd(ICMPv6ND_NS(tgt=H6) / bad), "spoof_nd"),
        (nd(ICMPv6ND_NS(tgt=G6), src="::"), None),  # duplicate address detection
        (nd(ICMPv6ND_NA(tgt=G6) / ICMPv6NDOptDstLLAddr(lladdr=G)), None),
        (nd(ICMPv6ND_NA(tgt=H6) / ICMPv6NDOptDstLLAddr(lladdr=G)), "spoof_nd"),
        (nd(ICMPv6ND_NA(tgt=G6) / ICMPv6NDOptDstLLAddr(lladdr=H)), "spoof_nd"),
        (nd(ICMPv6ND_RS() / ok), None),
        (nd(ICMPv6ND_RA()), "guard_ra"),
        (nd(ICMPv6ND_Redirect()), "guard_ra"),
        (nd(ICMPv6ND_NS(tgt=H6) / Raw(b"\x01\x00" + b"\0" * 6)), "l3_malformed"),  # option of length 0
    ])


@case
def router_advertisements_do_not_hide_in_extension_headers_or_fragments():
    ra = ICMPv6ND_RA()
    base = Ether(src=G, dst=H) / IPv6(src=G6, dst="ff02::1", hlim=255)
    long = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 250)])
    verdicts([
        (base / IPv6ExtHdrHopByHop() / ra, "guard_ra"),
        (base / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / ra, "guard_ra"),
        (base / IPv6ExtHdrFragment(m=1, id=7) / ra, "l3_frag_evasion"),  # RFC 6980
        (base / IPv6ExtHdrFragment(m=1, id=7, nh=60) / IPv6ExtHdrDestOpt() / ra, "l3_frag_evasion"),
        (base / long / ra, "l3_truncated"),  # header chain beyond what is looked at: RFC 7112
        (base / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt()
         / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / IPv6ExtHdrDestOpt() / ra, "l3_ext_headers"),
    ])


@case
def fragments_do_not_hide_or_overwrite_ports():
    e = Ether(src=G, dst=H)
    verdicts([
        (e / IP(src=GIP, dst=HIP, flags="MF", proto=17) / Raw(b"\0" * 4), "l3_frag_evasion"),
        (e / IP(src=GIP, dst=HIP, frag=1, proto=6) / Raw(b"\0" * 24), "l3_frag_evasion"),  # RFC 3128
        (e / IP(src=GIP, dst=HIP, frag=2, proto=6) / Raw(b"\0" * 24), None),
        (e / IP(src=GIP, dst=HIP, flags="MF") / UDP(sport=67, dport=68, chksum=0) / (b"\0" * 32), "guard_dhcp_server"),
    ])


@case
def guests_are_no_dhcp_servers_and_ask_for_themselves_only():
    d = [("message-type", "discover"), "end"]
    verdicts([
        (udp(68, 67, "0.0.0.0", "255.255.255.255", dmac=BC) / b"" if False else
         Ether(src=G, dst=BC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67, chksum=0) / bootp() / DHCP(options=d), None),
        (Ether(src=G, dst=BC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67, chksum=0) / bootp(chaddr=H) / DHCP(options=d), "dhcp_not_own"),
        (Ether(src=G, dst=BC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67, chksum=0) / bootp(giaddr="1.2.3.4") / DHCP(options=d), "dhcp_not_own"),
        (Ether(src=G, dst=BC) / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67, chksum=0) / bootp(op=2) / DHCP(options=d), "guard_dhcp_server"),
        (udp(67, 68), "guard_dhcp_server"), (udp(1000, 68), "guard_dhcp_server"), (udp(4011, 1000), "guard_dhcp_server"),
        (Ether(src=G, dst=H) / IPv6(src=G6, dst=H6) / UDP(sport=547, dport=546, chksum=1), "guard_dhcp_server"),
        (Ether(src=G, dst=H) / IPv6(src=G6, dst=H6) / UDP(sport=546, dport=547, chksum=1), None),
    ])


@case
def a_guests_mac_is_its_own_on_other_ports_too():
    res = run(guest(), [(0, "u", udp(1, 2, smac=G, dmac=H)), (1, "u", udp(1, 2, src=HIP, dst=GIP, smac=H, dmac=G))])
    same(res.drops("u"), {"spoof_mac_pinned": 1})
    same(len(res.out["g"]), 1)


@case
def a_port_without_a_fixed_mac_may_use_eight():
    c = config([port("g"), port("u", "uplink")])
    frames = [(10 * i, "g", Ether(src=mac(i + 1), dst=H) / IP() / UDP()) for i in range(12)]
    res = run(c, frames + [(500 + i, "g", f) for i, (_, _, f) in enumerate(frames)])
    same(len(res.out["u"]), 16)
    same(res.drops("g"), {"mac_limit": 8})


@case
def broadcast_and_unknown_unicast_have_a_rate():
    c = config([port("g", admit={"broadcast-limit": 100, "unknown-unicast-limit": 100}), port("u", "uplink")])
    frames = [(i, "g", Ether(src=G, dst=BC) / IP() / UDP()) for i in range(1000)] + [(2000 + i, "g", Ether(src=G, dst=H) / IP() / UDP()) for i in range(1000)]
    res = run(c, frames)
    b = len([f for f in res.out["u"] if f[:6] == b"\xff" * 6])
    # one second at 100 per second, and a burst of 41
    assert 135 <= b <= 142, b
    assert 135 <= len(res.out["u"]) - b <= 142, len(res.out["u"]) - b
    same(res.drops("g"), {"storm_broadcast": 1000 - b, "storm_unknown": 1000 - (len(res.out["u"]) - b)})


@case
def admission_can_be_switched_off():
    c = config([port("g", admit={"enabled": False}), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP])])])
    f = udp(67, 68, src=HIP, smac=H)
    frames_are(run(c, [(0, "g", f)]).out["u"], [f])


def matrix():
    """Every framing of every kind of message that a guest must not send, and of the same message as it may send it."""
    dhcp = lambda op: bytes(bootp(op) / DHCP(options=[("message-type", "discover" if op == 1 else "offer"), "end"]))
    v4 = lambda src, s, d, load: bytes(IP(src=src, dst="255.255.255.255") / UDP(sport=s, dport=d, chksum=0) / load)
    v6 = lambda src, up: bytes(IPv6(src=src, dst="ff02::1", hlim=255) / up)
    # kind: (ethertype, honest packet, hostile packet)
    kinds = {
        "ARP": (0x806, bytes(ARP(hwsrc=G, psrc=GIP, pdst=HIP)), bytes(ARP(hwsrc=H, psrc=HIP, pdst=GIP))),
        "ND": (0x86dd, v6(G6, ICMPv6ND_NA(tgt=G6) / ICMPv6NDOptDstLLAddr(lladdr=G)), v6(G6, ICMPv6ND_NA(tgt=H6) / ICMPv6NDOptDstLLAddr(lladdr=H))),
        "RA": (0x86dd, v6(G6, ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=G)), v6(G6, ICMPv6ND_RA())),
        "DHCP4": (0x800, v4("0.0.0.0", 68, 67, dhcp(1)), v4(GIP, 67, 68, dhcp(2))),
        "DHCP6": (0x86dd, v6(G6, UDP(sport=546, dport=547) / (b"\1" * 20)), v6(G6, UDP(sport=547, dport=546) / (b"\2" * 20))),
        "IP4": (0x800, bytes(IP(src=GIP, dst=HIP) / UDP() / (b"x" * 20)), bytes(IP(src=HIP, dst=GIP) / UDP() / (b"x" * 20))),
        "IP6": (0x86dd, v6(G6, UDP(chksum=1) / (b"x" * 20)), v6(H6, UDP(chksum=1) / (b"x" * 20))),
    }
    head = bytes.fromhex((H + G).replace(":", ""))
    for n_tags in range(4):
        for tags in itertools.product([(tpid, vid) for tpid in (0x8100, 0x88a8) for vid in (0, 1, 20)], repeat=n_tags):
            t = b"".join(struct.pack("!HH", tpid, vid) for tpid, vid in tags)
            for framing in ("EthII", "802.3", "LLC", "SNAP", "SNAP-8021H", "802.3-nested"):
                for kind, (etype, honest, hostile) in kinds.items():
                    for good, p in ((True, honest), (False, hostile)):
                        e = struct.pack("!H", etype)
                        body = {"EthII": e + p, "802.3": struct.pack("!H", len(p)) + p, "LLC": struct.pack("!H", len(p) + 3) + b"\x06\x06\x03" + p,
                                "SNAP": struct.pack("!H", len(p) + 8) + b"\xaa\xaa\x03\0\0\0" + e + p,
                                "SNAP-8021H": struct.pack("!H", len(p) + 8) + b"\xaa\xaa\x03\0\0\xf8" + e + p,
                                "802.3-nested": struct.pack("!H", len(p) + 12) + b"\xaa\xaa\x03\0\0\0" + b"\x81\0\0\1" + e + p}[framing]
                        f = head + t + body
                        yield tags, framing, kind, good, f + b"\0" * (60 - len(f))


@case
def the_framing_matrix_leaks_nothing_and_names_every_drop():
    """{0-3 tags, VID 0, 8100/88a8} x {EthII, 802.3, LLC/SNAP} x {ARP, ND, RA, DHCP4/6, IP}, on an access and on a trunk port."""
    rows = list(matrix())
    pcp = {"ARP": 6, "ND": 6, "RA": 6, "DHCP4": 4, "DHCP6": 4, "IP4": 0, "IP6": 0}
    for mode in ("access", "trunk"):
        leaves = {"admit": {"broadcast-limit": 0, "unknown-unicast-limit": 0, "control-limit": 0}}
        if mode == "trunk":
            leaves.update(vlan_mode="native-untagged", vlan=1, trunk=["20"])
        c = config([port("g", **leaves), port("u", "uplink")], vms=[vm("v", [nic(0, G, "g", [GIP], [G6])])])
        res = run(c, [(i // 24, "g", r[4]) for i, r in enumerate(rows)] )
        # What may pass: honest, Ethernet II, and no tag, or one C-tag with VID 0 (and, on the trunk, VID 1 or 20).
        want = []
        for tags, framing, kind, good, f in rows:
            if not good or framing != "EthII" or len(tags) > 1:
                continue
            if not tags or tags[0] == (0x8100, 0):
                want.append(f[:12] + f[12 + 4 * len(tags):])
            elif mode == "trunk" and tags[0] == (0x8100, 1):
                want.append(f[:12] + f[16:])  # the uplink's native VLAN leaves untagged
            elif mode == "trunk" and tags[0] == (0x8100, 20):
                want.append(f[:14] + bytes([pcp[kind] << 5]) + f[15:])  # the priority of its class
        same(len(res.out["u"]), len(want), mode + ": number of frames that passed")
        # Frames of one burst may leave in another order than they came, when they are of different flows.
        frames_are(sorted(res.out["u"]), sorted(want), mode)
        drops = res.drops("g")
        same(sum(drops.values()), len(rows) - len(want), mode + ": every other frame has a named reason")
        for must in ("l2_too_many_tags", "l2_llc", "vlan_tpid", "vlan_double_tag", "guard_ra", "guard_dhcp_server", "spoof_arp", "spoof_nd", "spoof_ip", "l2_length_field"):
            assert drops.get(must), "%s: no frame was dropped for %s: %s" % (mode, must, drops)
    print("        (%d framings, twice)" % len(rows))


@case
def multicast_counts_as_broadcast_does():
    c = config([port("g", admit={"broadcast-limit": 100}), port("u", "uplink")])
    res = run(c, [(i, "g", Ether(src=G, dst="01:00:5e:00:00:05") / IP() / UDP()) for i in range(1000)])
    assert 135 <= len(res.out["u"]) <= 142, len(res.out["u"])
