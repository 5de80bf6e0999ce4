#!/bin/bash
# ovs-ofctl of Debian's openvswitch-common: every command that applies, against the switch.
exec /usr/bin/python3 -B "$(dirname "$0")/../conformance/ofctl.py" --target "${WEIR_OF_TARGET:-weir}"
