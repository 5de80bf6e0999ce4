#!/bin/bash
# The switch tester of os-ken with all of our own cases (half an hour), and with those of another directory: WEIR_OF_CASES=DIR, such as
# the public ones for OpenFlow 1.3, which are not kept here. Prints OK and ERROR by directory, and each failure with its cause.
set -u
run=(/usr/bin/python3 -B "$(dirname "$0")/../conformance/osken.py" --target "${WEIR_OF_TARGET:-weir}")
status=0
"${run[@]}" || status=1
[ -z "${WEIR_OF_CASES:-}" ] || "${run[@]}" --dir "$WEIR_OF_CASES" || status=1
exit $status
