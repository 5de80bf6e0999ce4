#!/bin/bash
# Weir beside Open vSwitch's userspace datapath: 100,000 random sets of flow tables and 1,000,000 frames, a quarter of an hour. WEIR_TABLES=N: N sets;
# WEIR_SEED=S: from that seed on, for a difference that was printed.
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/diff_ovs.py" --targets "${WEIR_OF_TARGET:-weir},ovs" --tables "${WEIR_TABLES:-100000}" \
	--frames 5 --seed "${WEIR_SEED:-1}"
