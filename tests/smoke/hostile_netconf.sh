#!/bin/bash
# Hostile clients of the management sockets: half-open sessions, a message of 64 MiB, depth 10,000, readers that never read, slow
# senders, floods of requests. An honest client is answered meanwhile; afterwards memory and descriptors are as before.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
echo '{}' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"

echo "- attacks, and an honest client meanwhile"
/usr/bin/python3 "$lab_top/tests/lib/hostile_client.py" "$LAB_T/netconf.sock" "$WEIR_SOCKET" "$LAB_SWITCHD"

echo "- the limits of weir-management"
echo '{ "weir-management:management": { "netconf": { "max-sessions": 3, "hello-timeout": 1, "idle-timeout": 3 } } }' >"$LAB_T/weir.json"
"$weir" reload >/dev/null
/usr/bin/python3 "$lab_top/tests/lib/hostile_client.py" "$LAB_T/netconf.sock" "$WEIR_SOCKET" "$LAB_SWITCHD" limits
"$weir" ping | grep -qx alive
lab_conserved
