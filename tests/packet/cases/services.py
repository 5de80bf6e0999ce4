"""Who asks the boot responder and how much, whose DHCP counts, and who may touch a service address."""
from harness import *

G, H = mac(1), mac(2)
GIP, HIP, SVC, SRV = "10.9.0.101", "10.9.0.102", "10.9.0.2", "10.9.0.1"
RIVAL = mac(0x99)
BC = "ff:ff:ff:ff:ff:ff"
HOST_MAC = "02:00:00:00:00:ee"


def cfg(mode="authoritative", limits=None, more=(), **leaves):
    c = config([port("g", **leaves), port("h"), port("u", "uplink")] + list(more),
               vms=[vm("web1", [nic(0, G, "g", [GIP])], {"method": "none"}), vm("web2", [nic(0, H, "h", [HIP])], {"method": "none"})],
               services=[{"vlan": 1, "address": SVC, "prefix-length": 24, "mode": mode}])
    if limits:
        c["weir-vm:boot-services"]["limits"] = limits
    return c


def discover(xid=1, dst=BC, ipdst="255.255.255.255", src=G, dport=67, ipsrc="0.0.0.0"):
    return Ether(src=src, dst=dst) / IP(src=ipsrc, dst=ipdst) / UDP(sport=68, dport=dport) / BOOTP(
        xid=xid, chaddr=bytes.fromhex(src.replace(":", ""))) / DHCP(options=[("message-type", "discover"), "end"])


def offer(dst=G, ipdst=GIP, sport=67, dport=68, src=RIVAL):
    return Ether(src=src, dst=dst) / IP(src=SRV, dst=ipdst) / UDP(sport=sport, dport=dport) / BOOTP(
        op=2, yiaddr=GIP, chaddr=bytes.fromhex(G.replace(":", ""))) / DHCP(options=[("message-type", "offer"), "end"])


def offers(res, p):
    return [Ether(f) for f in res.out[p] if Ether(f).haslayer(BOOTP) and Ether(f)[BOOTP].op == 2 and Ether(f).src == RIVAL]


@case
def a_rivals_offer_to_a_guest_that_weir_serves_is_dropped_by_name():
    for f in (offer(), offer(sport=4011, dport=68), offer(sport=4011, dport=4011), offer(sport=7777)):
        res = run(cfg(), [(0, "u", f)])
        same((offers(res, "g"), res.drops("g"), res.drops("u")), ([], {"rival_dhcp": 1}, {}))


@case
def a_known_guests_rival_offers_are_dropped_too():
    """The table knows the port: the frame would go the short way."""
    hello = Ether(src=G, dst=mac(9)) / IP(src=GIP, dst=SRV) / UDP(sport=1, dport=2)
    res = run(cfg(), [(0, "g", hello)] + [(10 + i // 8, "u", offer()) for i in range(64)])
    same((offers(res, "g"), res.drops("g")), ([], {"rival_dhcp": 64}))
    same(res.explained[1:], [("u", "rival_dhcp")] * 64)
    same((offers(res, "h"), res.drops("h")), ([], {}), "nobody else's business")


@case
def a_broadcast_offer_reaches_those_that_weir_does_not_serve():
    more = [port("v"), port("w", "host")]
    res = run(cfg(more=more), [(0, "u", offer(BC, "255.255.255.255"))])
    same([len(offers(res, p)) for p in "ghvw"], [0, 0, 1, 1], "v has no address of Weir's")
    same(res.explained, [("u", "flood v w")])
    same([res.drops(p) for p in "ghuv"], [{"rival_dhcp": 1}, {"rival_dhcp": 1}, {}, {}])
    res = run(cfg(), [(0, "u", offer(BC, "255.255.255.255"))])
    same([res.drops(p) for p in "ghu"], [{"rival_dhcp": 1}, {"rival_dhcp": 1}, {}])
    same((res.counter("u", "forwarded_pkts"), res.explained), (2, [("u", "rival_dhcp")]))


@case
def rivals_on_the_host_and_among_guests_are_dropped():
    c = cfg(more=[port("w", "host"), port("v", admit={"dhcp-guard": False})])
    res = run(c, [(0, "w", offer()), (1, "w", offer(BC, "255.255.255.255")), (2, "v", offer())])
    same((offers(res, "g"), res.drops("g"), res.drops("v")), ([], {"rival_dhcp": 3}, {}))


@case
def where_weir_is_a_proxy_or_off_others_offers_pass():
    for mode in ("proxy", "off"):
        res = run(cfg(mode), [(0, "u", offer()), (1, "u", offer(BC, "255.255.255.255"))])
        same((len(offers(res, "g")), res.drops("g")), (2, {}), mode)


@case
def an_offer_in_another_vlan_of_a_guest_passes():
    c = cfg(vlan_mode="native-untagged", vlan=1, trunk=["20"])
    f = offer()
    res = run(c, [(0, "u", Ether(src=f.src, dst=f.dst) / Dot1Q(vlan=20) / f[IP])])
    same((len(offers(res, "g")), res.drops("g")), (1, {}))


@case
def traffic_that_only_looks_like_dhcp_passes():
    fs = [Ether(src=RIVAL, dst=G) / IP(src=SRV, dst=GIP) / TCP(sport=67, dport=68), Ether(src=RIVAL, dst=G) / IP(src=SRV, dst=GIP) / UDP(sport=4011, dport=53)]
    res = run(cfg(), [(i, "u", f) for i, f in enumerate(fs)])
    same((len(res.out["g"]), res.drops("g")), (2, {}))


@case
def an_authoritative_guests_requests_do_not_leave_the_host():
    pxe = discover(dport=4011, ipsrc=GIP, ipdst="255.255.255.255")
    res = run(cfg(), [(0, "g", discover()), (1, "g", pxe), (2, "g", discover(dport=4011, ipsrc=GIP, ipdst=SVC, dst=HOST_MAC)), (3, "g", discover(ipdst=SRV, dst=RIVAL))])
    same((res.out["u"], res.out["h"], res.counter("g", "consumed_pkts")), ([], [], 4))
    same(res.explained, [("g", "responder")] * 4)


@case
def a_proxied_guests_requests_go_both_ways():
    f = discover()
    res = run(cfg("proxy"), [(0, "g", f)])
    frames_are(res.out["u"], [f])
    same([res.counter("g", n) for n in ("rx_pkts", "copied_in_pkts", "consumed_pkts", "forwarded_pkts")], [1, 2, 1, 2 + len(res.out["g"])],
         "one copy for the responder, one since two ports get it")
    # To the service alone: nobody else's.
    res = run(cfg("proxy"), [(0, "g", discover(dport=4011, ipsrc=GIP, ipdst=SVC, dst=HOST_MAC))])
    same((res.out["u"], res.counter("g", "consumed_pkts")), ([], 1))
    # To another PXE server: not ours.
    res = run(cfg("proxy"), [(0, "g", discover(dport=4011, ipsrc=GIP, ipdst=SRV, dst=RIVAL))])
    same((len(res.out["u"]), res.counter("g", "consumed_pkts")), (1, 0))


@case
def a_proxied_request_by_unicast_finds_its_server():
    hello = Ether(src=RIVAL, dst=BC) / IP(src=SRV, dst="10.9.0.255") / UDP(sport=1, dport=2)
    f = discover(ipsrc=GIP, ipdst=SRV, dst=RIVAL)
    res = run(cfg("proxy"), [(0, "u", hello), (50, "g", f)])
    frames_are(res.out["u"], [f])
    same((len(res.out["h"]), res.counter("g", "consumed_pkts")), (1, 1), "h got the greeting alone")


@case
def over_its_rate_a_proxied_request_goes_nowhere():
    res = run(cfg("proxy", {"dhcp-rate": 1, "dhcp-burst": 2}, admit={"broadcast-limit": 0}), [(i, "g", discover(i)) for i in range(10)])
    same((len(res.out["u"]), res.counter("g", "consumed_pkts"), res.drops("g")), (2, 2, {"punt_dhcp": 8}))


@case
def switched_off_dhcp_passes_and_arp_is_answered():
    f = discover()
    res = run(cfg("off"), [(0, "g", f), (1, "g", Ether(src=G, dst=BC) / ARP(hwsrc=G, psrc=GIP, pdst=SVC))])
    frames_are(res.out["u"], [f])
    same((res.counter("g", "consumed_pkts"), [Ether(x)[ARP].op for x in res.out["g"]]), (1, [2]))


@case
def dhcp_pxe_and_arp_do_not_use_up_each_others_rates():
    arp = Ether(src=G, dst=BC) / ARP(hwsrc=G, psrc=GIP, pdst=SVC)
    pxe = discover(dport=4011, ipsrc=GIP, ipdst=SVC, dst=HOST_MAC)
    frames = [(i // 10, "g", f) for i in range(200) for f in (discover(i), pxe, arp)]
    res = run(cfg(admit={"broadcast-limit": 0}), frames)
    same(res.drops("g"), {"punt_dhcp": 400 - 40, "punt_neighbour": 200 - 50})
    frames = [(i * 50, "g", discover(i)) for i in range(100)]
    same(run(cfg(), frames).drops("g"), {}, "20 a second for five seconds")


@case
def limits_are_the_configurations():
    res = run(cfg(limits={"dhcp-rate": 5, "dhcp-burst": 7, "neighbour-rate": 9}, admit={"broadcast-limit": 0}), [
        (0, "g", f) for i in range(30) for f in (discover(i), Ether(src=G, dst=BC) / ARP(hwsrc=G, psrc=GIP, pdst=SVC))])
    same(res.drops("g"), {"punt_dhcp": 23, "punt_neighbour": 21})


@case
def a_port_may_have_no_more_tftp_messages_waiting_than_its_transfers_need():
    t = Ether(src=G, dst="02:77:65:69:72:01") / IP(src=GIP, dst=SVC) / UDP(sport=2000, dport=57344) / Raw(b"\0\4\0\1")
    res = run(cfg(), [(0, "g", t)] * 30 + [(0, "g", discover())])
    same((res.drops("g"), res.counter("g", "consumed_pkts")), ({"punt_tftp": 22}, 9), "the request finds its place all the same")
    res = run(cfg(), [(i, "g", t) for i in range(300) for _ in range(4)])
    same(res.drops("g"), {}, "four transfers, a message each, for ever")


@case
def only_guests_of_this_host_reach_a_service():
    host = port("w", "host")
    to = [Ether(src=RIVAL, dst=d) / IP(src=SRV, dst=SVC) / p for d in (HOST_MAC, BC, mac(0x55)) for p in (TCP(dport=80), UDP(dport=69), ICMP())]
    hello = Ether(src=HOST_MAC, dst=BC) / ARP(hwsrc=HOST_MAC, psrc="10.9.0.7", pdst="10.9.0.8")
    res = run(cfg(more=[host]), [(0, "w", hello)] + [(50 + i, "u", f) for i, f in enumerate(to)])
    same((res.drops("u"), res.out["w"], res.out["g"][1:]), ({"service_foreign": len(to)}, [], []))
    same(res.explained[1:], [("u", "service_foreign")] * len(to))
    # Its other traffic to the host passes, and guests reach the service.
    other = Ether(src=RIVAL, dst=HOST_MAC) / IP(src=SRV, dst="10.9.0.7") / TCP(dport=22)
    mine = Ether(src=G, dst=HOST_MAC) / IP(src=GIP, dst=SVC) / TCP(dport=80)
    res = run(cfg(more=[host]), [(0, "w", hello), (50, "u", other), (51, "g", mine)])
    frames_are(res.out["w"], [other, mine])


@case
def nobody_speaks_in_a_services_name():
    def arp(src, **k):
        return Ether(src=src, dst=BC) / ARP(hwsrc=src, **k)
    host = port("w", "host")
    bad = [arp(RIVAL, op=1, psrc=SVC, pdst=SVC), arp(RIVAL, op=2, psrc=SVC, pdst=GIP), arp(RIVAL, op=1, psrc=SRV, pdst=SVC),
           Ether(src=RIVAL, dst=G) / ARP(op=2, hwsrc=RIVAL, psrc=SVC, pdst=GIP, hwdst=G), Ether(src=RIVAL, dst=BC) / IP(src=SVC, dst=GIP) / UDP(dport=9)]
    res = run(cfg(more=[host]), [(i, "u", f) for i, f in enumerate(bad)])
    same((res.drops("u"), res.out["w"], res.out["g"]), ({"service_foreign": len(bad)}, [], []))
    same(res.explained, [("u", "service_foreign")] * len(bad))
    res = run(cfg(more=[host, port("v", admit={"enabled": False})]), [(0, "v", arp(mac(9), op=2, psrc=SVC, pdst=GIP))])
    same((res.drops("v"), res.out["g"]), ({"service_foreign": 1}, []))
    res = run(cfg(more=[host]), [(0, "w", arp(HOST_MAC, op=1, psrc=SVC, pdst=GIP)), (1, "u", arp(RIVAL, op=1, psrc=SRV, pdst=GIP))])
    same((len(res.out["g"]), res.drops("u"), res.drops("w")), (2, {}, {}), "the host has the address")


@case
def a_service_address_is_one_vlans():
    c = cfg(more=[port("w", "host", vlan=20)])
    f = Ether(src=RIVAL, dst=BC) / Dot1Q(vlan=20) / IP(src=SRV, dst=SVC) / UDP(dport=69)
    res = run(c, [(0, "u", f)])
    same((len(res.out["w"]), res.drops("u")), (1, {}))
