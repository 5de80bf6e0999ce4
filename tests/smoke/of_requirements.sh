#!/bin/bash
# The requirements of OpenFlow 1.3.5, a row each: match fields, actions, instructions, groups, errors, counters, messages.
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/requirements.py" --target "${WEIR_OF_TARGET:-weir}"
