#!/bin/bash
# The daemon's configuration survives kill -9, a host that loses power, and a disk that fails, at each file call of each way to change it:
# afterwards it is exactly the old or the new one, and never an unconfirmed one without its timer. LONG=1: every kind of loss at each.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
tmp=$LAB_T/d
# A tmpfs of our own: what is not synced is taken by the shim, not by luck.
crash_end() {
	local status=$?
	set +e
	umount -l "$tmp/full" "$tmp" 2>/dev/null
	(exit "$status")
	lab_end
}
trap crash_end EXIT
mkdir "$tmp"
mount -t tmpfs -o mode=700 weir-crash "$tmp"
crash() { # CASE...: in the background, so that a signal ends us at once
	/usr/bin/python3 -B "$lab_top/tests/lib/$1" "$tmp" "${@:2}" &
	LAB_PIDS+=($!)
	wait $!
}
crash crash_daemon.py "$@"
