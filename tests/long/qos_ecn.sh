#!/bin/bash
# Cubic with ECN over the rated uplink (the kernel's half of experiment E12): marks instead of losses, >= 95 % of the rate, a standing
# queue of at most twice CoDel's target (p95), and 1 ms for a ping beside it (p99). QOS_RATE=BIT/S, QOS_SECONDS=S change it.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
rate=${QOS_RATE:-200000000}
qos_lab "$rate" $((rate / 2))
qos_sink 5201
status=0
for flows in 4 16 64; do
	qos_measure qos_ecn.py "$rate" 5000 $flows "${QOS_SECONDS:-20}" || status=1
done
lab_conserved
exit $status
