#!/bin/bash
# A first start without a configuration: no ports, and the next step is printed. SIGTERM ends it cleanly.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin

lab_switch "$LAB_T/none.json"
grep -q "running without ports. Next step: weir configure, or write $LAB_T/none.json" "$LAB_T/switch.log"
[ "$("$weir" --json show ports | jq '."ietf-interfaces:interfaces".interface | length')" = 0 ]
"$weir" show workers | grep -q 'every frame accounted for'
"$weir" reload | grep -q 'nothing changes'

# The first configuration is loaded while it runs.
echo '{"ietf-interfaces:interfaces":{"interface":[{"name":"n","type":"weir-interfaces:uplink","weir-interfaces:port":{"device":"net_null0"}}]}}' >"$LAB_T/none.json"
"$weir" reload | grep -qx 'port n: add'
"$weir" show ports | grep -q '^n .*uplink'

# A file that goes missing, or is emptied, does not take the ports with it.
mv "$LAB_T/none.json" "$LAB_T/away"
"$weir" reload 2>&1 | grep -q 'there is no such file'
: >"$LAB_T/none.json"
"$weir" reload 2>&1 | grep -q 'is empty'
# Half of a file that was pasted twice would be lost without a word.
cat "$LAB_T/away" "$LAB_T/away" >"$LAB_T/none.json"
"$weir" reload 2>&1 | grep -q 'there is more behind the end of its first object'
mv "$LAB_T/away" "$LAB_T/none.json"
"$weir" show ports | grep -q '^n .*uplink'

kill -TERM "$LAB_SWITCHD"
wait "$LAB_SWITCHD" # exit code 0, or this test fails
[ ! -e "$WEIR_SOCKET" ]

# --check says yes or no, and starts nothing.
refute "$lab_build/control/weir-switchd" --check -c "$LAB_T/nowhere" -y "$lab_top/config/yang"
"$lab_build/control/weir-switchd" --check -c "$LAB_T/none.json" -y "$lab_top/config/yang" | grep -q 'is valid'
status=0
"$weir" ping 2>/dev/null || status=$?
[ "$status" = 3 ] # not reachable
