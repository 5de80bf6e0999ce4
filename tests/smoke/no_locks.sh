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

tests/lib/no_locks.sh "$build/qos/libweir_qos.a"
for f in worker schedule tx; do tests/lib/no_locks.sh "$build/datapath/libweir_datapath.a.p/$f.c.o"; done
