#!/bin/bash
# Monitors that are no QEMU's: the daemon answers at once whatever they say, its memory does not grow, what is wrong is said once; and what
# is told twice, late or in another order ends in the same state.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
cat >"$LAB_T/weir.json" <<C
{ "weir-vm:vms": { "vm": [ { "name": "m", "nic": [ { "id": 0, "mac": "52:54:00:00:00:01", "socket": "$LAB_T/m.sock" } ] } ] } }
C
LAB_SWITCH_ARGS=--no-huge lab_switch "$LAB_T/weir.json"
state() { "$weir" --json vm list | jq -r '.vm[0].state'; }
is() { [ "$(state)" = "$1" ]; }
await() { # COMMAND...: within 5 s
	local i
	for i in $(seq 50); do "$@" && return 0; sleep 0.1; done
	fail "not so: $*" || :
	"$weir" show vm m; tail -5 "$LAB_T/switch.log"
	exit 1
}
says() { grep -q -- "$1" "$LAB_T/switch.log"; }
memory() { awk '/^VmRSS/ { print $2 }' "/proc/$LAB_SWITCHD/status"; }
fake() { # KIND...
	"$lab_top/tests/lib/fake_monitor.py" "$LAB_T/vms/m/qmp.sock" "$*" >"$LAB_T/fake" & f=$!
	LAB_PIDS+=("$f")
}
gone() { kill $f 2>/dev/null; wait $f 2>/dev/null || true; rm -f "$LAB_T/vms/m/qmp.sock"; }
lively() { # an answer within 200 ms, ten times
	local i
	for i in $(seq 8); do timeout 0.2 "$weir" ping >/dev/null || { fail "no answer within 200 ms" || :; exit 1; }; sleep 0.02; done
}

echo "- one that serves somebody else is waited for"
"$weir" vm m prepare >/dev/null
is prepared
before=$(memory)
fake silent
await says "vm m: monitor $LAB_T/vms/m/qmp.sock: does not greet: it serves another client"
sleep 1.2
[ "$(grep -c 'does not greet' "$LAB_T/switch.log")" = 1 ]
gone

for kind in garbage endless deep; do
	echo "- $kind"
	fake $kind
	sleep 0.8
	[ $kind != garbage ] || await says 'says what is no QMP'
	lively
	is prepared
	gone
done
[ "$(grep -c 'says what is no QMP' "$LAB_T/switch.log")" = 1 ]
[ $(($(memory) - before)) -lt 8192 ] || { fail "memory: $before KiB, then $(memory)"; exit 1; }

echo "- a flood is taken bit by bit, in order, and nobody waits for it"
"$weir" vm m event started >/dev/null
is running
mkdir -p "$LAB_T/vms/m"
lines=$(grep -c 'vm m: .* (qmp)' "$LAB_T/switch.log") || :
fake flood
lively
sleep 1.5
lively
yes | head -c 20000000 >"$LAB_T/vms/m/log"
echo THE-END >>"$LAB_T/vms/m/log"
short() { [ $(($(stat -c %b "$LAB_T/vms/m/log") * 512)) -lt 9000000 ]; }
await short # its beginning is a hole
[ "$("$weir" vm log m | tail -1)" = THE-END ]
[ "$("$weir" vm log m | wc -c)" -gt 8000000 ]
lines=$(($(grep -c 'vm m: .* (qmp)' "$LAB_T/switch.log") - lines))
gone
[ $lines -gt 20 ] && [ $lines -lt 600 ] || { fail "$lines of 1,000 events were taken in 4 s"; exit 1; }
"$weir" vm m event stopped >/dev/null; "$weir" vm m release >/dev/null
await is defined

echo "- the same end, however it is told"
ends() { # STATE WORD...
	local want=$1
	shift
	"$weir" vm m prepare >/dev/null; "$weir" vm m event started >/dev/null
	fake "$@"
	await is "$want"
	sleep 0.2
	is "$want"
	gone
	"$weir" vm m release >/dev/null
	await is defined
}
ends paused STOP STOP
ends running status:running RESET RESET
ends crashed GUEST_PANICKED GUEST_PANICKED STOP RESUME
ends crashed STOP GUEST_PANICKED RESUME
ends running GUEST_PANICKED RESET
ends stopped SHUTDOWN SHUTDOWN STOP RESET
ends outgoing MIGRATION:setup MIGRATION:active MIGRATION:active STOP
ends running MIGRATION:active STOP MIGRATION:cancelled RESUME
ends moved MIGRATION:active STOP MIGRATION:completed MIGRATION:completed SHUTDOWN
ends running WATCHDOG NO_SUCH_EVENT
lively
lab_conserved
