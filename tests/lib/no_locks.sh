#!/bin/bash
# tests/lib/no_locks.sh OBJECT|ARCHIVE...: no instruction there that locks the bus: a lock prefix, or xchg with memory. One is allowed: the
# 16-bit decrement by which DPDK gives up a reference to a buffer that was cloned (rte_mbuf_refcnt_update, when a frame is freed).
set -eu
[ $# -gt 0 ] || { echo "usage: no_locks.sh OBJECT|ARCHIVE..." >&2; exit 2; }
for o in "$@"; do
	[ -s "$o" ] || { echo "$o: not there"; exit 2; }
	objdump -d --no-show-raw-insn "$o" >/dev/null
done
found=$(objdump -d --no-show-raw-insn "$@" | awk '
	/^[0-9a-f]+ <.*>:$/ { f = $2 }
	/\tlock / && !/\tlock subw / { print f, $0 }
	/\txchg .*\(/ { print f, $0 }')
[ -z "$found" ] || { echo "locked instructions:"; echo "$found"; exit 1; }
