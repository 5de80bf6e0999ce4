#!/bin/bash
# Weir beside another server: the same edits and filters to it and to Debian's netconfd, which loads our modules too. Their answers and
# candidates agree, but for the differences that tests/lib/netconf_diff.py lists with the clause that says who is right.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/netconf_lab.sh"
set -eu
nc_lab_begin
echo '{}' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"

echo "- netconfd, with our modules"
mkdir "$LAB_T/home"
(
	cd "$LAB_T/home"
	HOME=$LAB_T/home exec netconfd --no-startup --superuser=root --access-control=off --target=candidate --ncxserver-sockname="$LAB_T/ncx.sock" \
		--modpath="$lab_top/config/yang:/usr/share/yuma/nmda-modules/ietf:/usr/share/yuma/modules" \
		--module=weir-interfaces --module=weir-vlans --module=weir-vm --module=weir-qos --log-level=info
) >"$LAB_T/netconfd.log" 2>&1 &
LAB_PIDS+=($!)
for _ in $(seq 100); do [ -S "$LAB_T/ncx.sock" ] && break; sleep 0.1; done
refute grep -aq 'Error' "$LAB_T/netconfd.log"

echo "- the same edits and filters to both"
nc_run diff 100 /usr/bin/python3 -B "$lab_top/tests/lib/netconf_diff.py" "$LAB_T/netconf.sock" "$lab_build/tools/weir-netconf" "$LAB_T/ncx.sock" ${NC_DIFF_ARGS:-}
cat "$LAB_T/diff.log"
