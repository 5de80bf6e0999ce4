#!/bin/bash
# What attacks on the management sockets cost the datapath: busy cycles per packet without, with, with and without them (A B B A, some times). The
# worker makes its packets itself (a pcap file, over and over) and throws them away behind a port, so it needs one CPU of its own and no
# other: the last one. Main loop and attackers share the rest. The ratio must stay within 3 %.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
[ "$(nproc)" -ge 2 ] || fail "needs two CPUs"
seconds=${WEIR_SECONDS:-10} cpu=$(($(nproc) - 1))
/usr/bin/python3 - "$LAB_T/in.pcap" <<'PY'
import sys
from scapy.all import Ether, IP, UDP, wrpcap
wrpcap(sys.argv[1], [Ether(src="52:54:00:00:00:01", dst="52:54:00:00:01:%02x" % i) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1000 + i, dport=9) / (b"x" * 22) for i in range(64)])
PY
cat >"$LAB_T/weir.json" <<C
{ "weir-system:system": { "worker-cpu": [ $cpu ] },
  "ietf-interfaces:interfaces": { "interface": [
  { "name": "a", "type": "weir-interfaces:guest", "weir-interfaces:port": { "device": "net_pcap0,rx_pcap=$LAB_T/in.pcap,infinite_rx=1", "admit": { "unknown-unicast-limit": 0 } } },
  { "name": "b", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "device": "net_null1" } } ] } }
C
lab_switch "$LAB_T/weir.json"
taskset -p -c 0-$((cpu - 1)) $$ >/dev/null # this script, and with it the attackers
worker() { "$weir" --json show workers | jq '[.. | objects | select(has("busy-cycles"))] | map((."busy-cycles" | tonumber)) | add, ([.. | objects | select(has("busy-cycles"))] | length)' | head -1; }
packets() { "$weir" --json show workers | jq '[.. | objects | select(has("busy-cycles")) | (."rx-pkts" | tonumber)] | add'; }
sleep 1

round() { # with | without: prints busy cycles per packet
	local attacker= cycles packets
	if [ "$1" = with ]; then
		(while :; do /usr/bin/python3 "$lab_top/tests/lib/hostile_client.py" "$LAB_T/netconf.sock" "$WEIR_SOCKET" "$LAB_SWITCHD" 3 || exit; done) >"$LAB_T/attack.log" 2>&1 &
		attacker=$!
		sleep 1
	fi
	cycles=$(worker) packets=$(packets)
	sleep "$seconds"
	cycles=$(($(worker) - cycles)) packets=$(($(packets) - packets))
	[ -z "$attacker" ] || { pkill -P "$attacker" || :; kill "$attacker" 2>/dev/null || :; wait "$attacker" 2>/dev/null || :; }
	[ "$packets" -gt 1000 ] || fail "no traffic: $packets packets"
	awk -v c="$cycles" -v p="$packets" 'BEGIN { printf "%.2f\n", c / p }'
}
for _ in $(seq "${WEIR_GROUPS:-4}"); do
	for how in without with with without; do echo "$how $(round $how)"; done
done | tee "$LAB_T/rounds" | sed 's/^/  /'
# Others on the machine only ever add cycles: the least disturbed round of each kind says what the attacks cost.
sort -k2 -n "$LAB_T/rounds" | awk '
	{ v[$1, n[$1]++] = $2 }
	END {
		best = v["with", 0] / v["without", 0]
		printf "  busy cycles per packet, with over without attacks: best %.3f, median %.3f\n", best, v["with", int(n["with"] / 2)] / v["without", int(n["without"] / 2)]
		exit best > 1.03 }'
# Frames move until their source goes.
"$weir" -c 'configure; delete port a; commit'
lab_conserved
