#!/bin/bash
# Beside the peers: every workload of tools/bench/compare, 10 trials each. Passes when each cell could be measured; the figures are in
# the log and in build/bench. WEIR_TRIALS=N and WEIR_SECONDS=S shorten it.
set -eu
cd "$(dirname "$0")/../.."
tools/bench/compare l2 ports neighbours agree qos qoscost qosloop --long --trials "${WEIR_TRIALS:-10}" --seconds "${WEIR_SECONDS:-10}"
