#!/bin/bash
# The same random flow tables and frames to Weir and to Open vSwitch: the same must come out. At length: tests/long/of_diff_ovs.sh
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/diff_ovs.py" --targets "${WEIR_OF_TARGET:-weir},ovs" --tables 800 --seconds 7
