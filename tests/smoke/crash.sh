#!/bin/bash
# Commits are cut off by kill -9 at each call that changes a file, with and without losing what was not synced; what a
# start then finds is what was there before the call or after it. And each such call fails once.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin

driver=$lab_build/tests/weir-persist-driver
export CRASH_DIR
tmp=$LAB_T
[ -w /dev/shm ] && tmp=$(mktemp -d /dev/shm/weir-crash.XXXXXX) # 2,000 small directories
crash_end() {
	local status=$?
	set +e
	rm -rf "$tmp"
	(exit "$status")
	lab_end
}
trap crash_end EXIT
CRASH_DIR=$tmp/state

shim() { # VARIABLE=VALUE...: a run of the driver under the shim; its lines in $tmp/out
	rm -rf "$tmp"/state*
	# In a shell of its own, whose word about the kill nobody needs.
	bash -c 'env "$@" LD_PRELOAD="'"$lab_build"'/tests/libcrash-shim.so" "'"$driver"'" run "$CRASH_DIR"; exit $?' - "$@" >"$tmp/out" 2>"$tmp/err"
}
show() { "$driver" show "$CRASH_DIR" 2>>"$tmp/err"; }
clean() { # WHAT: no temporary, nothing put aside
	[ -z "$(find "$tmp" -name '*.tmp' -o -name '*.corrupt*' -o -name 'state.*')" ] || fail "$1: $(find "$tmp" -type f)"
}

# A run that nothing disturbs: the states, one after the other, and how many calls it makes.
shim CRASH_LOG="$tmp/log"
mapfile -t states < <(grep ^state "$tmp/out")
n=$(wc -l <"$tmp/log")
[ "${#states[@]}" -ge 12 ]
[ "$n" -ge 60 ]
grep -qx end "$tmp/out"
[ "$(show)" = "${states[-1]}" ]
for call in open write fsync close rename unlink mkdir; do grep -q "^[0-9]* $call $CRASH_DIR" "$tmp/log"; done

killed=0
# After a call is before the next one: once is enough.
for way in before:none after:none before:data before:zeros before:half before:names before:names,data; do
	when=${way%:*} drop=${way#*:}
	for ((at = 1; at <= n; at++)); do
		status=0
		shim CRASH_AT=$at CRASH_DO=$when CRASH_DROP=$drop || status=$?
		[ "$status" = 137 ] || fail "call $at: not killed, but $status: $(cat "$tmp/err")"
		seen=$(grep -c ^state "$tmp/out") || : # none: killed while it started
		old=${states[$((seen > 0 ? seen - 1 : 0))]} new=${states[$((seen < ${#states[@]} ? seen : seen - 1))]}
		found=$(show)
		[ "$found" = "$old" ] || [ "$found" = "$new" ] || fail "killed $when call $at ($(sed -n "${at}p" "$tmp/log")), lost $drop: $found; not $old; not $new"
		clean "killed $when call $at, lost $drop"
		killed=$((killed + 1))
	done
done
echo "$killed crashes: the old or the new each time"

# Each call fails once: it is said, nothing has changed, and the next step works.
for code in ENOSPC EIO; do
	for ((at = 1; at <= n; at++)); do
		shim CRASH_AT=$at CRASH_DO=$code && status=0 || status=$?
		call=$(sed -n "${at}p" "$tmp/log")
		if [ "$status" = 1 ]; then
			grep -q '^failed .*: \(No space left on device\|Input/output error\)$' "$tmp/out"
			grep -q ' \(mkdir\|open\) ' <<<"$call" # only a start that cannot begin
			[ "$(show)" = "${states[0]}" ]
		else
			[ "$status" = 0 ]
			grep -qx end "$tmp/out"
			[ "$(show)" = "$(grep ^state "$tmp/out" | tail -1)" ] || fail "$code at call $at ($call): $(show)"
			grep -q ^failed "$tmp/out" || grep -q fsync "$tmp/err" || fail "$code at call $at ($call) was not noticed"
		fi
		clean "$code at call $at"
	done
done
for ((at = 1; at <= n; at++)); do
	shim CRASH_AT=$at CRASH_DO=short
	diff <(grep ^state "$tmp/out") <(printf '%s\n' "${states[@]}")
done

# The shim can bite: counting begins when a file appears, and a writer that does not sync loses its bytes.
touch "$tmp/armed"
shim CRASH_ARM="$tmp/nowhere" CRASH_AT=1
shim CRASH_ARM="$tmp/armed" CRASH_AT=1 && false || [ $? = 137 ]
careless=$(cat <<'END'
import os
os.chdir(os.environ["CRASH_DIR"])
f = os.open("a", os.O_WRONLY | os.O_CREAT)
os.write(f, b"new")
os.close(f)
os.rename("a", "b")
os.mkdir("last")
END
)
carelessly() { # DROP
	rm -rf "$CRASH_DIR"
	mkdir "$CRASH_DIR"
	echo old >"$CRASH_DIR/b"
	status=0
	bash -c 'CRASH_AT=5 CRASH_DROP=$1 LD_PRELOAD=$2/tests/libcrash-shim.so /usr/bin/python3 -c "$3"; exit $?' - "$1" "$lab_build" "$careless" 2>/dev/null || status=$?
	[ "$status" = 137 ]
}
carelessly none
[ "$(cat "$CRASH_DIR/b")" = new ]
carelessly data
[ "$(stat -c %s "$CRASH_DIR/b")" = 0 ]
carelessly names
[ "$(cat "$CRASH_DIR/b")" = old ]
[ ! -e "$CRASH_DIR/a" ]
