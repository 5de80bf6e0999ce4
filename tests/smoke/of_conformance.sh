#!/bin/bash
# The switch tester of os-ken, with our own cases for OpenFlow 1.3: what a CI run has time for. All of them, and the public ones: tests/long/of_conformance.sh
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/osken.py" --target "${WEIR_OF_TARGET:-weir}" --quick
