#!/bin/bash
# Real storage clients behind the rated uplink while another guest floods it: nothing of class storage is dropped, what is copied is the
# same, bulk is dropped, and the link's rate is kept. How much storage keeps is measured by tests/long/qos_clients.sh.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
rate=100000000
qos_lab $rate 60000000
qos_discard "$LAB_SERVER"
qos_discard "weirs$LAB_ID"
head -c 8000000 /dev/urandom >"$LAB_T/file"
# Storage wants less than its reservation here. CoDel is off for it: a worker that the machine does not run for a while lets a queue
# stand, and that is not what is asked.
jq '."weir-qos:qos".class[0] += { target: 0, "max-wait": 0 }' "$LAB_T/on.json" >"$LAB_T/calm.json"
qos_policy calm
qos_shape "weirs$LAB_ID" e0 45mbit
qos_shape "$LAB_SERVER" "$LAB_SRV" 45mbit

storage_works() { # NAME: there and back, by NFS and by iSCSI, far from any time-out
	vguest_in s timeout 30 nfs-cp "$LAB_T/file" "nfs://10.9.0.1/export/$1" >/dev/null
	vguest_in s timeout 30 nfs-cp "nfs://10.9.0.1/export/$1" "$LAB_T/$1" >/dev/null
	cmp "$LAB_T/file" "$QOS_EXPORT/$1"
	cmp "$LAB_T/file" "$LAB_T/$1"
	vguest_in s timeout 30 iscsi-perf -m 8 -b 64 -t 3 iscsi://10.9.0.1/iqn.2026-11.weir.lab:1/1 >"$LAB_T/perf"
	tr '\r' '\n' <"$LAB_T/perf" | sed -n 's/^iops average \([0-9]*\).*/\1/p' | tail -1 | grep -q '[1-9]' || { cat "$LAB_T/perf"; exit 1; }
}
at_least() { [ "$2" -ge "$3" ] || fail "$1: $2, expected at least $3"; }
none() { [ "$2" = 0 ] || fail "$1: $2, expected none"; }

echo "- guest b floods the uplink at twice its rate"
qos_flood "weirb$LAB_ID" 10.9.0.1 $((2 * rate))
# Each reading is a little late, so the time around both is longer than what lies between them.
from=$(date +%s%N) w0=$(qos_wire)
storage_works up
w1=$(qos_wire) to=$(date +%s%N)
kill "$QOS_FLOOD"
[ $((w1 - w0)) -le $(((to - from) / 1000 * rate / 8000000 * 101 / 100 + 65536)) ] || fail "$((w1 - w0)) bytes in $((to - from)) ns"
for p in s.0 uplink; do
	for d in rx tx; do at_least "class storage, $d-bytes of $p" "$(qos_class $p storage $d-bytes)" 8000000; done
	for c in control boot storage latency interactive; do none "drops in class $c of $p" "$(qos_class $p $c queue-drops)"; done
done
at_least "bulk dropped at the uplink" "$(qos_class uplink bulk queue-drops)" 1000
none "bulk dropped at s.0" "$(qos_class s.0 bulk queue-drops)"

echo "- a flood comes towards the guest that reads, at twice its limit"
jq --arg r $rate '."weir-vm:vms".vm[0] += { "weir-qos:qos": { "limit-to": $r } }' "$LAB_T/calm.json" >"$LAB_T/limit.json"
qos_policy limit
qos_flood "$LAB_SERVER" 10.9.0.105 $((2 * rate))
storage_works down
kill "$QOS_FLOOD"
for c in control boot storage latency interactive; do none "drops in class $c of s.0" "$(qos_class s.0 $c queue-drops)"; done
at_least "bulk dropped at s.0" "$(qos_class s.0 bulk queue-drops)" 1000
lab_conserved
