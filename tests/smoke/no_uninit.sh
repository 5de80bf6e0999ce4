#!/bin/bash
# No byte of a reply of the boot responder was never written: valgrind watches the models of firmware and the tests of recipes, pools and loops,
# which look at each byte of each frame.
set -eu
cd "$(dirname "$0")/../.."
build=${WEIR_BUILD:-build}
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
watch_to() { valgrind -q --error-exitcode=9 --track-origins=no "${@:2}" >"$1" 2>&1; } # LOG COMMAND...
watch() { watch_to "$t/log" "$@"; }

# The check sees what it looks for: a reply that is not cleared before it is written.
cp control/boot/*.[ch] "$t/"
sed -i 's/memset(p, 0, sizeof(\*p));/p->at = 0;\n\tp->file[0] = 0;/' "$t/dhcp_message.c"
if cmp -s control/boot/dhcp_message.c "$t/dhcp_message.c"; then echo "the line to spoil is not there"; exit 1; fi
gcc -D_GNU_SOURCE -std=gnu17 -g -O1 -I"$t" -Icontrol/boot/include -Itests/unit/control -o "$t/bad" "$t"/*.c tests/unit/control/boot_recipes.c -lcmocka
status=0
watch "$t/bad" || status=$?
[ $status = 9 ] || { echo "an uninitialised byte was not seen: exit $status"; tail "$t/log"; exit 1; }
grep -q 'depends on uninitialised' "$t/log"

# Two at a time: CI has two cores.
of() { # NAME...
	local name log
	for name; do
		log=$t/log.$name
		watch_to "$log" "$build/tests/unit-control-boot_$name" && grep -q 'PASSED' "$log" || { cat "$log"; return 1; }
		echo "- boot_$name: every byte was written"
	done
}
of clients loops & beside=$!
of pools recipes
wait $beside
