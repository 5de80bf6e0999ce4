#!/bin/bash
# Every kind of link that works without a NIC: af_packet with jumbo frames, tap, af_xdp, memif, pcap, null, ring.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_uplink
ip link set "$LAB_UP" mtu 9000
ip -n "$LAB_SERVER" link set "$LAB_SRV" mtu 9000
ip link add "x$LAB_ID" type veth peer name "y$LAB_ID"; LAB_LINKS+=("x$LAB_ID")
ip link set "x$LAB_ID" up; ip link set "y$LAB_ID" up
ethtool -K "x$LAB_ID" tx off >/dev/null; ethtool -K "y$LAB_ID" tx off >/dev/null
/usr/bin/python3 -c "
from scapy.all import *
wrpcap('$LAB_T/in.pcap', [Ether(src='02:00:00:00:00:%02x' % i, dst='ff:ff:ff:ff:ff:ff')/IP()/UDP() for i in range(50)])" 2>/dev/null
port() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:$2\",\"weir-interfaces:port\":{$3}}"; }
cat >"$LAB_T/weir.json" <<C
{"ietf-interfaces:interfaces":{"interface":[
$(port up uplink "\"af-packet\":\"$LAB_UP\",\"mtu\":9000"),
$(port weir0 host "\"tap\":\"t$LAB_ID\",\"mtu\":9000"),
$(port xdp guest "\"device\":\"net_af_xdp0,iface=x$LAB_ID\",\"vlan\":2,\"admit\":{\"enabled\":false}"),
$(port mem-a guest "\"device\":\"net_memif0,role=server,socket=$LAB_T/memif.sock,socket-abstract=no\",\"vlan\":3"),
$(port mem-c host "\"device\":\"net_memif1,role=client,socket=$LAB_T/memif.sock,socket-abstract=no\",\"vlan\":4"),
$(port pcap host "\"device\":\"net_pcap0,rx_pcap=$LAB_T/in.pcap,tx_pcap=$LAB_T/out.pcap\",\"vlan\":5"),
$(port null guest '"device":"net_null0,no-rx=1","vlan":5'),
$(port ring guest '"device":"net_ring0","vlan":5,"admit":{"enabled":false}')
]}}
C
lab_switch "$LAB_T/weir.json" || { echo "no switch"; exit 1; }

echo "- host tap to af_packet, also with jumbo frames"
ip addr add 10.9.0.7/24 dev "t$LAB_ID"; ip link set "t$LAB_ID" up
[ "$(cat /sys/class/net/t$LAB_ID/mtu)" = 9000 ]
ping -q -c 3 -i 0.2 -W 2 10.9.0.1 >/dev/null
ping -q -c 3 -i 0.2 -W 2 -M do -s 8900 10.9.0.1 >/dev/null

echo "- pcap feeds null and ring"
for _ in $(seq 50); do "$weir" show classes null | grep -q '50' && break; sleep 0.1; done
"$weir" show port pcap | grep -q 'rx_pkts .* 50'
"$weir" show port null | grep -Eq 'tx_pkts +[1-9][0-9]+ ' # 50, and those that the ring gave back
# A ring is a loop: what is sent comes back, and is not flooded to where it came from.
"$weir" show port ring | grep -Eq 'rx_pkts +[1-9]'

echo "- memif joins two ports of one switch"
for _ in $(seq 50); do "$weir" show ports | grep -q '^mem-c .* up ' && "$weir" show ports | grep -q '^mem-a .* up ' && break; sleep 0.1; done
"$weir" show ports | grep -q '^mem-c .* up '

echo "- af_xdp receives what its veth peer sends"
for i in 1 2 3; do ping -q -c 1 -W 1 -I "y$LAB_ID" 10.99.0.1 >/dev/null 2>&1 || :; done # only ARP or ND leaves, which is enough
for _ in $(seq 30); do "$weir" show port xdp | grep -Eq 'rx_pkts +[1-9]' && break; sleep 0.1; done
"$weir" show port xdp | grep -Eq 'rx_pkts +[1-9]'
lab_conserved
