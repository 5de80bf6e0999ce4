#!/bin/bash
# A guest that writes nonsense into its rings and says nonsense on its socket, while two honest guests talk: the switch lives, the
# honest ones notice nothing but that it is busy, and every frame is accounted for.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
hostile=$lab_build/tests/weir-hostile-guest
guest() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"$LAB_T/$1\"}}"; }
echo "{\"weir-system:system\":{\"max-sleep\":50},\"ietf-interfaces:interfaces\":{\"interface\":[$(guest a),$(guest b),$(guest h)]}}" >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
fds=$(ls "/proc/$LAB_SWITCHD/fd" | wc -l)

"$lab_build/tools/weir-pktgen" --events --json "$LAB_T/r.json" --csv "$LAB_T/r.csv" port=vhost:"$LAB_T/a" port=vhost:"$LAB_T/b" \
	size=imix flows=100 verify=on rate=100kpps warm-up=0s duration=100s >"$LAB_T/r.out" 2>"$LAB_T/r.err" & honest=$!
LAB_PIDS+=($honest)
lab_wait_text "$LAB_T/r.out" measuring 20 $honest

status=0
timeout 60 "$hostile" "$LAB_T/h" >"$LAB_T/hostile.log" 2>&1 || status=$?
cat "$LAB_T/hostile.log"
[ $status = 0 ] || { echo "exit code $status"; tail -3 "$LAB_T/switch.log"; exit 1; }
[ "$(wc -l <"$LAB_T/hostile.log")" -ge 24 ]
kill -0 "$LAB_SWITCHD"
timeout 5 "$weir" ping | grep -qx alive

kill -INT $honest
wait $honest
jq -e '.corrupt_pkts == 0 and (.ports | map(.attaches, .broken) == [1, 0, 1, 0]) and .rx_pkts > 10000 and .lost_pkts < .tx_pkts / 2' "$LAB_T/r.json" >/dev/null ||
	{ cat "$LAB_T/r.json"; exit 1; }
# In each second something arrived.
awk -F, 'NR > 1 && $4 < 100 { print "a second without traffic: " $0; exit 1 }' "$LAB_T/r.csv"
# Of the hostile guest's frames none is forgotten, and each of its thousands of connections is closed.
lab_conserved
"$weir" --json show port h | jq -e '[."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".counter[] | {(.name): (.value | tonumber)}] | add | .rx_pkts > 10000' >/dev/null
for _ in $(seq 50); do now=$(ls "/proc/$LAB_SWITCHD/fd" | wc -l); [ $((now - fds)) -le 4 ] && break; sleep 0.1; done
[ $((now - fds)) -le 4 ] || { echo "descriptors: $fds, then $now"; ls -l "/proc/$LAB_SWITCHD/fd"; exit 1; }
