#!/bin/bash
# No byte that leaves for a guest or a controller was never written: valgrind watches the models of firmware and the tests of recipes, pools and
# loops, which look at each byte of each frame; and of OpenFlow the codec and all that the agent says, whose bytes it is asked about. It sees, too,
# what the datapath decides by a byte that was never written.
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

# And of OpenFlow: padding that is made room for and not cleared.
mkdir "$t/of"
cp control/of/codec/*.[ch] "$build"/control/of/codec/of13.[ch] tests/lib/of_random.[ch] tests/unit/control/of_codec.c "$t/of/"
sed -i 's/^\tmemset(at, 0, n);$/\t(void)at;/' "$t/of/of_put.c"
if cmp -s control/of/codec/of_put.c "$t/of/of_put.c"; then echo "the line to spoil is not there"; exit 1; fi
gcc -D_GNU_SOURCE -std=gnu17 -g -O1 -I"$t/of" -Itests/lib -Itests/unit/control -o "$t/of/bad" "$t"/of/*.c -lcmocka
status=0
watch "$t/of/bad" || status=$?
[ $status != 0 ] || { echo "an uninitialised byte of OpenFlow was not seen"; tail "$t/log"; exit 1; }
grep -q 'Uninitialised byte(s) found during client check' "$t/log"

# Two at a time: CI has two cores.
of() { # NAME...
	local name log
	for name; do
		log=$t/log.$name
		watch_to "$log" "$build/tests/unit-control-$name" && grep -q 'PASSED' "$log" || { cat "$log"; return 1; }
		echo "- $name: every byte was written"
	done
}
of boot_clients boot_loops of_said of_conn of_agent & beside=$!
of boot_pools boot_recipes of_stats of_group of_codec
wait $beside
