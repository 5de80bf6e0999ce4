#!/bin/bash
# A guest with two queue pairs on a switch with two workers: each polls one of its queues, frames are handed over between them.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
set -eu
lab_begin
lab_uplink
cat >"$LAB_T/weir.json" <<C
{ "weir-system:system": { "worker-cpu": [0, 1] },
  "ietf-interfaces:interfaces": { "interface": [
    { "name": "q", "type": "weir-interfaces:guest", "weir-interfaces:port": { "socket": "$LAB_T/q.sock" } },
    { "name": "up", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] } }
C
lab_switch "$LAB_T/weir.json"
vguest q "$LAB_T/q.sock" 52:54:00:00:00:05 2
vguest_in q ip addr add 10.9.0.5/24 dev e0
for _ in $(seq 50); do "$weir" show ports | grep -q '2 queue pairs' && break; sleep 0.1; done
"$weir" show ports | grep -q '^q .* up .*2 queue pairs'
vguest_in q ping -q -c 20 -i 0.05 -W 2 10.9.0.1 | grep -q ' 0% packet loss'
# Both workers poll: the guest's two queues and the uplink's one.
"$weir" --json show workers | jq -e '[."weir-system:system-state".worker[].queues] | add == 3 and min >= 1' >/dev/null
lab_conserved
