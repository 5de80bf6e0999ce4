#!/bin/bash
# The example in README.md is a valid configuration, and its commands exist.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
sed -n '/^```json/,/^```/p' "$lab_top/README.md" | sed '/^```/d' >"$LAB_T/weir.json"
"$lab_build/control/weir-switchd" --check -c "$LAB_T/weir.json" -y "$lab_top/config/yang" | grep -q 'is valid'
for c in "show ports" "show macs" "show vms" "show classes" "show qos" "show drops" "show storage" "show portals" "show openflow" "show boot" "show workers" "vm prepare" "vm release" "vm event" "vm list" "vm start" "vm stop" "vm reset" "vm console" "vm log" "vm qemu-args" "vm libvirt-xml" explain trace capture reload; do
	"$weir" --help | grep -q "${c##* }" || { echo "README names 'weir $c', --help does not"; exit 1; }
done
# Each promise names a test that is there.
grep -o '`tests/[a-z0-9_/.]*`' "$lab_top/SPEC.md" | tr -d '`' | sort -u | while read -r t; do [ -e "$lab_top/$t" ] || { echo "SPEC.md names $t"; exit 1; }; done
