#!/bin/bash
# 256 guests attach and forward; then guests come and go 1,000 times under traffic: the others lose nothing, and nothing of the
# switch drifts (descriptors, maps, buffers). With WEIR_ATTACH=N: N times.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_hugepages 3072
N=256 churning=50 times=$((${WEIR_ATTACH:-1000} / 50))
/usr/bin/python3 - "$LAB_T" $N <<'P'
import json, sys
t, n = sys.argv[1], int(sys.argv[2])
port = lambda i: {"name": "g%d" % i, "type": "weir-interfaces:guest", "weir-interfaces:port": {"socket": "%s/g%d.sock" % (t, i), "vlan": 1 + i // 2}}
json.dump({"ietf-interfaces:interfaces": {"interface": [port(i) for i in range(n)]}}, open(t + "/weir.json", "w"))
P
lab_switch "$LAB_T/weir.json"
# Without the sockets that are being tried just now: only what stays.
things() { echo "$(ls -l /proc/$LAB_SWITCHD/fd | grep -vc socket) $(wc -l </proc/$LAB_SWITCHD/maps) $("$weir" --json show system | jq '."weir-system:system-state"."buffers-in-use"')"; }
pktgen() { "$lab_build/tools/weir-pktgen" --cpu 0 attach=60s warm-up=1s queue-size=256 expect=lossless --json "$LAB_T/result.json" "$@"; }

echo "- $N guests, every one sends and receives"
pktgen "ports=vhost:$LAB_T/g%u.sock*$N" rate=500pps duration=5s
jq -e '[.ports[] | select(.rx_pkts > 1000)] | length == '$N "$LAB_T/result.json" >/dev/null
lab_conserved

sleep 1
before=$(things)
echo "- $churning guests come and go $times times each; the others go on (descriptors, maps, buffers before: $before)"
pktgen "ports=vhost:$LAB_T/g%u.sock*10" $(for i in $(seq 10 $((9 + churning))); do echo "port=vhost:$LAB_T/g$i.sock,churn=$times"; done) \
	stream=steady from=0-9 rate=10kpps stream=passing from=10-$((9 + churning)) rate=500pps duration=5s
jq -r '"  " + (.seconds | tostring) + " s, steady: " + (.streams[0].rx_pkts | tostring) + " frames, " + (.streams[0].lost_pkts | tostring) + " lost"' "$LAB_T/result.json"
jq -e '.streams[0].lost_pkts == 0 and .streams[0].reordered_pkts == 0 and .streams[0].duplicated_pkts == 0' "$LAB_T/result.json" >/dev/null
jq -e '[.ports[].attaches] | add >= '$((10 + churning * times)) "$LAB_T/result.json" >/dev/null
lab_conserved
# What a guest that just left still held may be gone now; more than before may not be there.
drifted() { local a=($before) b=($(things)) i; for i in 0 1 2; do [ "${b[$i]}" -le "${a[$i]}" ] || return 0; done; return 1; }
for _ in $(seq 50); do drifted || break; sleep 0.2; done
echo "  after: $(things)"
refute drifted
