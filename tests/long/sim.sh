#!/bin/bash
# The scheduler in simulated time, at length: 1e9 events beside the fluid reference, 1e9 bytes of random operations, and 1e8 packets whose
# every interval keeps to rate and burst; a boot storm at full size. tests/long/sim.sh --events N --packets N: so many.
set -eu
cd "$(dirname "$0")/../.."
events=1e9 packets=1e8
while [ $# -gt 0 ]; do
	case $1 in
	--events) events=$2 ;;
	--packets) packets=$2 ;;
	*) echo "usage: sim.sh [--events N] [--packets N]" >&2; exit 2 ;;
	esac
	shift 2
done
build=${WEIR_BUILD:-build}
export SIM_PRINT=1
"$build/tests/unit-sim-gps" "$events"
"$build/tests/unit-sim-random" "$events"
"$build/tests/unit-sim-limits" "$packets"
SIM_LONG=1 "$build/tests/unit-sim-storm"
