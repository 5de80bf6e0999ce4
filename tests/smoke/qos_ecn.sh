#!/bin/bash
# Cubic with ECN over the rated uplink: it is marked, the rate is kept, and a ping of the same guest is answered beside it. What that
# does to delay and utilisation is measured by tests/long/qos_ecn.sh.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
rate=50000000
qos_lab $rate 20000000
qos_sink 5201
qos_measure qos_ecn.py $rate 5000 16 4 facts
lab_conserved
