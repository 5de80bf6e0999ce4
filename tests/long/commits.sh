#!/bin/bash
# 10,000 commits under traffic at half load: no frame of an untouched port is lost, doubled or reordered, and nothing drifts. With
# WEIR_COMMITS=N: N.
set -eu
cd "$(dirname "$0")/../.."
WEIR_COMMITS=${WEIR_COMMITS:-10000} exec "${WEIR_BUILD:-build}/tests/unit-control-commits"
