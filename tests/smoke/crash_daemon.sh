#!/bin/bash
# The daemon's configuration survives kill -9, a host that loses power, and a disk that fails, at each file call of each way to change it:
# afterwards it is exactly the old or the new one, and never an unconfirmed one without its timer. Then: what a start makes of bad, new and
# missing files, of full and read-only disks, and of confirmed commits that ran out. LONG=1: every kind of loss at every call.
# usage: crash_daemon.sh [TEXT...]: only cases with one of these in their name
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/netconf_lab.sh"
set -eu
lab_begin
tmp=$LAB_T/d
crash_end() {
	local status=$?
	trap '' INT TERM HUP
	set +e
	for p in "${LAB_PIDS[@]}"; do lab_kill "$p"; done
	umount -R -l "$tmp" 2>/dev/null
	(exit "$status")
	lab_end
}
trap crash_end EXIT
mkdir "$tmp"
mount -t tmpfs -o mode=700 weir-crash "$tmp" # what is not synced is taken by the shim, and no disk is waited for
nc_sshd "$LAB_T/weir-netconf $tmp/sshd/netconf.sock"
export NC_PORT NC_KEY=$LAB_T/key CRASH_LINK=wc$LAB_ID
LAB_LINKS+=("$CRASH_LINK")
/usr/bin/python3 -B "$lab_top/tests/lib/crash_daemon.py" "$tmp" "$@" & # in the background, so that a signal ends us at once
LAB_PIDS+=($!)
wait $!
