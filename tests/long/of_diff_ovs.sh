#!/bin/bash
# Weir beside Open vSwitch's userspace datapath: 100,000 random sets of flow tables and 1,000,000 frames, a quarter of an hour. WEIR_TABLES=N: N sets;
# WEIR_SEED=S: from that seed on, for a difference that was printed; WEIR_JOBS=J: in J labs at a time. In a lab the generator and
# the switches work one after the other, so that two fill two CPUs.
set -u
tables=${WEIR_TABLES:-100000} seed=${WEIR_SEED:-1} jobs=${WEIR_JOBS:-2} status=0 pids=()
[ "$tables" -ge $((jobs * 100)) ] || jobs=1
each=$(((tables + jobs - 1) / jobs))
trap 'kill "${pids[@]}" 2>/dev/null' EXIT
for ((i = 0; i < jobs; i++)); do
	/usr/bin/python3 -B "$(dirname "$0")/../conformance/diff_ovs.py" --targets "${WEIR_OF_TARGET:-weir},ovs" \
		--tables $((i + 1 < jobs ? each : tables - each * i)) --frames 5 --seed $((seed + each * i)) &
	pids+=($!)
done
for p in "${pids[@]}"; do
	wait "$p" || status=1
done
exit $status
