#!/bin/bash
# Real clients (libnfs's nfs-cp, libiscsi's iscsi-perf) behind the rated uplink, and into a VM at its limit, while three others flood it at twice
# the rate: each keeps 90 % of what it had alone, within the reservation of its class. QOS_ROUNDS=N, QOS_SECONDS=S, QOS_CELL=WORD shorten it.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
rate=100000000 reservation=60000000
qos_lab $rate $reservation b c d
# The same with a limit on what the guest receives: then what floods it competes with what it reads.
for c in on off; do
	jq --arg r $rate '."weir-vm:vms".vm[0] += { "weir-qos:qos": { "limit-to": $r } }' "$LAB_T/$c.json" >"$LAB_T/$c-vm.json"
done
qos_discard "$LAB_SERVER"
qos_discard "weirs$LAB_ID"
head -c 100000000 /dev/urandom >"$LAB_T/big"
cp "$LAB_T/big" "$QOS_EXPORT/big"
qos_measure qos_share.py $rate $reservation "${QOS_ROUNDS:-5}" "${QOS_SECONDS:-6}"
lab_conserved
