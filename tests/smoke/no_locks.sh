#!/bin/bash
# No lock and no atomic read-modify-write stands in the scheduler, or between the workers where frames change hands.
set -eu
cd "$(dirname "$0")/../.."
build=${WEIR_BUILD:-build}
refute() { if "$@"; then echo "unexpected: $*"; exit 1; fi; }
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT

# The check sees what it looks for.
echo 'int add(int *p); int add(int *p) { return __atomic_fetch_add(p, 1, __ATOMIC_RELAXED); }' >"$t/add.c"
echo 'int swap(int *p); int swap(int *p) { return __atomic_exchange_n(p, 1, __ATOMIC_RELAXED); }' >"$t/swap.c"
echo 'int load(int *p); int load(int *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }' >"$t/load.c"
for f in add swap load; do gcc -O2 -c "$t/$f.c" -o "$t/$f.o"; done
refute tests/lib/no_locks.sh "$t/add.o" >/dev/null
refute tests/lib/no_locks.sh "$t/swap.o" >/dev/null
refute tests/lib/no_locks.sh "$t/none.o" >/dev/null
tests/lib/no_locks.sh "$t/load.o"

# Who enters a portal that was taught claims its place; who looks one up does not.
for o in "$build"/qos/libweir_qos.a.p/*.o; do
	[ "${o##*/}" = portal.c.o ] || tests/lib/no_locks.sh "$o"
done
locked=$(tests/lib/no_locks.sh "$build/qos/libweir_qos.a.p/portal.c.o" || true)
grep -q '<qos_portals_learn' <<<"$locked"
refute grep -vE '^locked|<(enter|slot_claim|port_mark|qos_portals_learn|qos_portals_put|qos_portals_add[a-z_]*)[.>a-z0-9+]*:' <<<"$locked"
for f in worker classify storage storage_tell storage_learn queue schedule tx; do tests/lib/no_locks.sh "$build/datapath/libweir_datapath.a.p/$f.c.o"; done
