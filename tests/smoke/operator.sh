#!/bin/bash
# An operator's session: two namespaces joined by the switch, looked into, changed under traffic, and asked to do nonsense.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_uplink                                   # namespace weirsrv$$ with 10.9.0.1, behind the uplink
leg() { # NAME ADDRESS: one more namespace, joined by a veth pair; the switch's end is called NAME$$
	ip netns add "weir$1$LAB_ID"; LAB_NS+=("weir$1$LAB_ID")
	ip link add "$1$LAB_ID" type veth peer name e0 netns "weir$1$LAB_ID"; LAB_LINKS+=("$1$LAB_ID")
	ip link set "$1$LAB_ID" up; ethtool -K "$1$LAB_ID" tx off >/dev/null
	ip netns exec "weir$1$LAB_ID" ethtool -K e0 tx off >/dev/null
	ip -n "weir$1$LAB_ID" link set e0 address "$3"; ip -n "weir$1$LAB_ID" addr add "$2/24" dev e0; ip -n "weir$1$LAB_ID" link set e0 up
}
leg a 10.9.0.11 52:54:00:00:00:11
leg b 10.9.0.12 52:54:00:00:00:12
port() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:$2\",\"weir-interfaces:port\":{$3}}"; }
config() { # more ports, more of the document
	echo "{\"ietf-interfaces:interfaces\":{\"interface\":[$(port uplink uplink "\"af-packet\":\"$LAB_UP\""),$(port a guest "\"af-packet\":\"a$LAB_ID\"$3")$1]},
	\"weir-vm:vms\":{\"vm\":[{\"name\":\"vm-a\",\"nic\":[{\"id\":0,\"mac\":\"52:54:00:00:00:11\",\"ipv4-address\":[\"10.9.0.11\"],\"interface\":\"a\"}]}${MORE_VMS:-}]}$2}" >"$LAB_T/weir.json"
}
config "" "" ""
lab_switch "$LAB_T/weir.json"
in_a() { ip netns exec "weira$LAB_ID" "$@"; }

echo "- a guest reaches the uplink"
in_a ping -q -c 3 -i 0.2 -W 2 10.9.0.1 >/dev/null
"$weir" show macs | grep -q '52:54:00:00:00:11 *a *static'
"$weir" --json show port a | jq -e '."ietf-interfaces:interfaces".interface[0]."oper-status" == "up"' >/dev/null

echo "- explain, by name and reason"
"$weir" explain a src=52:54:00:00:00:11 'ip=10.9.0.11>10.9.0.1' 'tcp=1>3260' | grep -q 'class    bulk'
"$weir" explain a src=52:54:00:00:00:11 'ip=10.9.0.99>10.9.0.1' 'udp=1>2' | grep -q 'dropped at admit: spoof_ip'
status=0; "$weir" explain nowhere src=52:54:00:00:00:11 type=arp 2>"$LAB_T/err" || status=$?
[ $status = 1 ]
grep -q 'nowhere: there is no port of that name' "$LAB_T/err"

"$weir" explain a ip=0.0.0.0,255.255.255.255 udp=68,67 | grep -q 'class    boot'
refute "$weir" explain a ip=10.9.0.11,10.9.0.1 dscp=99

echo "- capture with a filter; trace"
"$weir" capture a -c 4 'icmp' -w "$LAB_T/a.pcap" & tap=$!
sleep 0.5 # the tap must stand before the ping; nothing tells that it does
in_a ping -q -c 3 -i 0.2 10.9.0.1 >/dev/null
wait $tap
[ "$(tcpdump -nr "$LAB_T/a.pcap" icmp 2>/dev/null | wc -l)" = 4 ]
"$weir" trace a -c 1 'icmp[0] == 8' >"$LAB_T/trace" & tap=$!
sleep 0.5
in_a ping -q -c 1 10.9.0.1 >/dev/null
wait $tap
grep -q ' rx ' "$LAB_T/trace"
grep -q '52:54:00:00:00:11 > .* 10.9.0.11 > 10.9.0.1  protocol 1' "$LAB_T/trace"
grep -q ' tx .*uplink' "$LAB_T/trace"
status=0; "$weir" capture a 'no such filter' -w - 2>"$LAB_T/err" || status=$?
[ $status = 2 ]
grep -q 'no such filter' "$LAB_T/err"
status=0; "$weir" show port nowhere 2>"$LAB_T/err" || status=$?
[ $status = 1 ]

echo "- counters begin at 0 again, of a port and of all; nothing else changes"
rx() { "$weir" --json show port "$1" | jq -r '."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".counter[] | select(.name == "rx_pkts").value'; }
since() { "$weir" --json show port "$1" | jq -r '."ietf-interfaces:interfaces".interface[0].statistics."discontinuity-time"'; }
began=$(since a) before=$(rx a)
[ "$(since uplink)" = "$began" ] && [ "$before" -gt 10 ]
"$weir" clear counters port a | grep -qx 'counters cleared'
[ "$(rx a)" -lt "$before" ] && [[ $(since a) > $began ]] && [ "$(since uplink)" = "$began" ]
in_a ping -q -c 5 -i 0.01 -W 2 10.9.0.1 >/dev/null
[ "$(rx a)" -ge 5 ]
"$weir" clear counters
[[ $(since uplink) > $began ]]
grep -q 'counters of port a: cleared by root' "$LAB_T/switch.log" && grep -q 'counters: cleared by root' "$LAB_T/switch.log"
status=0; "$weir" clear counters port nowhere 2>"$LAB_T/err" || status=$?
[ $status = 1 ] && grep -q 'clear-counters/port nowhere: there is no port of that name' "$LAB_T/err"
lab_conserved

echo "- a change of other ports does not touch the traffic of this one"
in_a ping -q -c 1500 -i 0.002 -W 2 10.9.0.1 >"$LAB_T/ping" & p=$!
for _ in 1 2 3 4 5 6; do
	config ",$(port b guest "\"af-packet\":\"b$LAB_ID\",\"isolated\":true")" "" ""; "$weir" reload >/dev/null
	config "" "" ""; "$weir" reload >/dev/null
done
wait $p
grep -q ' 0% packet loss' "$LAB_T/ping" || { cat "$LAB_T/ping"; exit 1; }
refute grep duplicates "$LAB_T/ping"

echo "- a port that comes while it runs works; isolated ports do not meet"
config ",$(port b guest "\"af-packet\":\"b$LAB_ID\"")" "" ""
"$weir" reload | grep -qx 'port b: add'
in_a ping -q -c 2 -i 0.2 -W 2 10.9.0.12 >/dev/null
config ",$(port b guest "\"af-packet\":\"b$LAB_ID\",\"isolated\":true")" "" ",\"isolated\":true"
"$weir" reload --dry-run | grep -qx 'port b: change isolated'
kill -HUP "$LAB_SWITCHD" # the same as reload
for _ in $(seq 50); do grep -q 'port b: change isolated' "$LAB_T/switch.log" && break; sleep 0.1; done
refute in_a ping -q -c 2 -i 0.2 -W 1 10.9.0.12 >/dev/null
"$weir" show drops | grep -q 'forward_isolated'

echo "- a refused configuration leaves the running one untouched"
refused() { # WHAT PATTERN: reload must fail with it
	status=0; "$weir" reload >/dev/null 2>"$LAB_T/err" || status=$?
	[ $status = 1 ] && grep -q -- "$2" "$LAB_T/err" || { echo "$1: wanted '$2', got $(cat "$LAB_T/err")"; exit 1; }
	in_a ping -q -c 1 -W 2 10.9.0.1 >/dev/null
}
config ",$(port b uplink "\"af-packet\":\"nosuchdev\"")" "" ""; sed -i 's/"name":"b"/"name":"c"/' "$LAB_T/weir.json"
refused "missing device" 'port c: nosuchdev: there is no such network device'
MORE_VMS=',{"name":"vm-b","nic":[{"id":0,"mac":"52:54:00:00:00:11","interface":"a2"}]}' config ",$(port a2 guest "\"af-packet\":\"b$LAB_ID\"")" "" ""
refused "MAC twice" "vm-b.*/mac 52:54:00:00:00:11: port a in the same VLAN 1 has this MAC address"
config ",$(port s guest '"socket":"/etc/passwd"')" "" ""
refused "socket that is a file" 'port s: socket /etc/passwd: there is a file of that name which is no socket'
echo '{' >"$LAB_T/weir.json"
refused "broken JSON" 'refused'

echo "- a second switch on the same socket, and a stale socket"
"$lab_build/control/weir-switchd" -c "$LAB_T/none.json" -s "$WEIR_SOCKET" -y "$lab_top/config/yang" --no-huge >"$LAB_T/second.log" 2>&1 && exit 1
grep -q 'another weir-switchd listens on this socket' "$LAB_T/second.log"
lab_conserved
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
config "" "" ""
lab_switch "$LAB_T/weir.json"
in_a ping -q -c 3 -i 0.2 -W 2 10.9.0.1 >/dev/null
lab_conserved
