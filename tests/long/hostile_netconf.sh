#!/bin/bash
# What attacks on the management sockets cost the datapath: busy cycles per packet without, with, with and without them (A B B A),
# generator and sink beside the switch. The ratio must stay within 3 %. Needs CPUs of their own for worker and generator.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
[ "$(nproc)" -ge 4 ] || echo "  only $(nproc) CPUs: attackers, switch and generator share caches and turns, the ratio says less"
seconds=${WEIR_SECONDS:-20}
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
  { "name": "a", "type": "weir-interfaces:guest", "weir-interfaces:port": { "socket": "$LAB_T/a" } },
  { "name": "b", "type": "weir-interfaces:guest", "weir-interfaces:port": { "socket": "$LAB_T/b" } } ] } }
C
lab_switch "$LAB_T/weir.json"
worker() { "$weir" --json show workers | jq '[.. | objects | select(has("busy-cycles"))] | map((."busy-cycles" | tonumber)) | add, ([.. | objects | select(has("busy-cycles"))] | length)' | head -1; }
packets() { "$weir" --json show workers | jq '[.. | objects | select(has("busy-cycles")) | (."rx-pkts" | tonumber)] | add'; }
"$lab_build/tools/weir-pktgen" --cpu 0 port=vhost:"$LAB_T/a" port=vhost:"$LAB_T/b" rate="${WEIR_RATE:-200kpps}" size=64 warm-up=1s duration=$((seconds * 4 + 30))s >"$LAB_T/pktgen.log" 2>&1 &
LAB_PIDS+=($!)
sleep 4

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
	[ "$packets" -gt 1000 ] || fail "no traffic: $(tail -3 "$LAB_T/pktgen.log")"
	awk -v c="$cycles" -v p="$packets" 'BEGIN { printf "%.2f\n", c / p }'
}
a1=$(round without) b1=$(round with) b2=$(round with) a2=$(round without)
awk -v a1="$a1" -v b1="$b1" -v b2="$b2" -v a2="$a2" 'BEGIN {
	ratio = (b1 + b2) / (a1 + a2)
	printf "  busy cycles per packet: without %s, with %s, with %s, without %s; ratio %.3f\n", a1, b1, b2, a2, ratio
	exit ratio > 1.03 }'
lab_conserved
