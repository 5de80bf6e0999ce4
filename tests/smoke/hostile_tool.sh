#!/bin/bash
# Local clients that misbehave: the switch answers others, and goes on.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_switch "$LAB_T/none.json"

printf 'not json\n' | socat -t 2 - UNIX-CONNECT:"$WEIR_SOCKET" | grep -q '"ok":false'
head -c 17000000 /dev/zero | tr '\0' 'x' | socat -t 2 - UNIX-CONNECT:"$WEIR_SOCKET" 2>/dev/null | grep -q 'too long'
printf '%s\n%s\n' '{"weir-operations:ping":{}}' '{"weir-operations:ping":{}}' | socat -t 2 - UNIX-CONNECT:"$WEIR_SOCKET" | grep -c '"ok":true' | grep -qx 2

# Many silent clients keep nobody out.
pids=()
for _ in $(seq 40); do socat -u UNIX-CONNECT:"$WEIR_SOCKET" - >/dev/null 2>&1 & pids+=($!); done
sleep 0.5
"$weir" ping | grep -qx alive
kill "${pids[@]}" 2>/dev/null || true
"$weir" capture nowhere -w - 2>&1 | grep -q 'no port of that name'
[[ $("$weir" nonsense 2>&1) == "weir: nonsense: no such command; expected: show, "* ]]
