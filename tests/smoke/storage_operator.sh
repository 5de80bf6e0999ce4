#!/bin/bash
# An operator sets up storage by words and asks about it: portals, boots that are told of and wait for a place, a target, metrics. What
# cannot work is refused with the reason; NETCONF shows the same tree.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
jq -n --arg t "$LAB_T" '
	def vm(n): { name: "vm\(n)", nic: [ { id: 0, mac: "52:54:00:00:00:0\(n)", socket: "\($t)/vm\(n).sock" } ] };
	{ "weir-vm:vms": { vm: [ vm(1), vm(2), vm(3) ] } }' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
out=$LAB_T/out
says() { # PATTERN...: extended, each matches a line of what was shown
	local p
	for p; do grep -Eq -- "$p" "$out" || { echo "no line matches: $p"; cat "$out"; exit 1; }; done
}
refused() { # REASON COMMAND...: the switch says no, and why
	local reason=$1 status=0
	shift
	"$weir" "$@" >"$out" 2>&1 || status=$?
	[ $status = 1 ] && grep -qF -- "$reason" "$out" || { echo "$*: status $status, not refused with '$reason':"; cat "$out"; exit 1; }
}
edit() { "$weir" -c "configure; $1; commit"; }

echo "- a target needs storage that is known, and what is known is said once"
refused 'no storage is known to which it could apply' -c 'configure; set vm vm1 storage-target 2ms; validate'
"$weir" -c 'configure; discard' >/dev/null
edit 'set storage server 10.9.0.0/29; set portal 10.9.0.9 tcp 10900 service nbd; set vm vm1 storage-target 2ms; set storage boot window 1 deadline 1m' >"$out"
refused 'TCP port 10900 is declared twice' -c 'configure; set portal ::ffff:10.9.0.9 tcp 10900; commit'
"$weir" -c 'configure; discard' >/dev/null
"$weir" -c 'configure; set vm vm1 storage-target 500us; set storage ageing 1d learning off; plan; discard' >"$out"
says '^storage: change learning, ageing$' '^vm vm1: change qos/storage-target$'
"$weir" show portals >"$out"
says '^10.9.0.9:10900 +nbd +declared +- +0 +0 +0 +- +-$' '^learnt: 0 now'
refused 'no such portal was learnt' forget portal 10.9.0.9 tcp 10900
"$weir" forget portal all >"$out"
says '^0 portals forgotten$'

echo "- boots that are told of: one has the place, the other waits for it"
"$weir" vm vm1 boot begin >"$out"
says '^vm1 boots$'
"$weir" vm vm2 boot begin >"$out"
"$weir" show boots >"$out"
says '^booting: 2, of those with a deadline: 1 of at most 1, in line: 1$' '^vm1 .* boot-[a-z]+ +in window +20[0-9TZ:-]+ +0 +-$' \
	'^vm2 .* boot-[a-z]+ +number 1 in line +- +0 +-$'
"$weir" show vm vm1 >"$out"
says '^vm1 +none +0 +vm1.0 ' '^  phase +boot-.*; boots by a deadline, 20' '^  target +99 of 100 commands within 2000 us: too few commands to judge by'
"$weir" vm vm1 boot complete >"$out"
says '^vm1 has booted$'
"$weir" show boots >"$out"
says '^booting: 1, of those with a deadline: 1 of at most 1, in line: 0$' '^since the start: 2 begun, 1 in time' '^vm1 .* steady .* in time$' '^vm2 .* in window '
refused 'there is no VM of that name' vm nosuch boot begin
grep -q 'vm1: boot begins, says root' "$LAB_T/switch.log"

echo "- one machine, one that has nothing to tell, and one that is not there"
"$weir" show storage vm vm1 >"$out"
says '^vm1$' '^  phase +steady since 20' '^  target +99 of 100 commands within 2000 us'
"$weir" show storage vm vm3 >"$out"
says '^vm3 has not booted yet, and uses no storage that is known$'
refused 'show storage: nosuch: no such VM' show storage vm nosuch

echo "- NETCONF's tree is the one that is shown"
printf '%s\n' '{"ietf-netconf-nmda:get-data":{"datastore":"ietf-datastores:operational","xpath-filter":"/weir-storage:storage-state"}}' >"$LAB_T/ask"
/usr/bin/python3 - "$LAB_T/weir.sock" "$LAB_T/ask" >"$LAB_T/tree.json" <<'P'
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(open(sys.argv[2], "rb").read())
print(s.makefile().readline())
P
"$weir" --json show storage >"$LAB_T/storage.json"
"$weir" --json show portals >"$LAB_T/portals.json"
jq -en --slurpfile t "$LAB_T/tree.json" --slurpfile s "$LAB_T/storage.json" --slurpfile p "$LAB_T/portals.json" '
	# Dates are made when they are asked for, and may be a second apart.
	def plain: map({ name, phase, target, place: .boot.place, window: .boot."in-window", bytes: .boot.bytes });
	$t[0].data."ietf-netconf-nmda:data"."weir-storage:storage-state" as $tree |
	($s[0]."weir-storage:storage-state".vm | plain) == ($tree.vm | plain) and $p[0]."weir-storage:storage-state".portal == $tree.portal and
	($tree.vm | length) == 2 and ($tree.portal | length) == 1' >/dev/null || { echo "NETCONF says:"; cat "$LAB_T/tree.json"; exit 1; }

echo "- metrics: where they are set to be, and whoever opens them is warned"
port=$((20000 + LAB_ID % 20000))
edit "set management metrics port $port" >"$out"
curl -sf "http://127.0.0.1:$port/metrics" >"$LAB_T/metrics"
[ "$(tail -1 "$LAB_T/metrics")" = '# EOF' ]
"$weir" -c 'configure; set management metrics address ::; plan; discard' >"$out"
says "^metrics: change address, warning: whoever reaches :: port $port may read all metrics$"
refused 'Cannot assign requested address' -c 'configure; set management metrics address 192.0.2.1; commit'
"$weir" -c 'configure; discard' >/dev/null
curl -sf "http://127.0.0.1:$port/metrics" >/dev/null
edit 'delete management metrics' >"$out"
if curl -sf "http://127.0.0.1:$port/metrics" >/dev/null; then echo "metrics are served still"; exit 1; fi

echo "- completion"
[ "$("$weir" --complete 'vm v' | cut -f1 | sort | tr '\n' ' ')" = "vm1 vm2 vm3 " ]
[ "$("$weir" --complete 'vm vm1 boot ' | cut -f1 | tr '\n' ' ')" = "begin complete " ]
[ "$("$weir" --complete 'forget portal ' | cut -f1 | tr '\n' ' ')" = "all " ]
"$weir" --complete 'show st' | cut -f1 | sort | tr '\n' ' ' | grep -qx 'status storage '
lab_conserved
