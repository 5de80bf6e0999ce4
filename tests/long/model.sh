#!/bin/bash
# Random edits by lines and by NETCONF against a model: 100,000 steps (WEIR_STEPS=N: N). Then confirmed commits: every sequence of
# events to depth 5.
set -eu
cd "$(dirname "$0")/../.."
"${WEIR_BUILD:-build}/tests/unit-config-model" "${WEIR_STEPS:-100000}"
"${WEIR_BUILD:-build}/tests/unit-config-confirm" 5
