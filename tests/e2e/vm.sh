#!/bin/bash
# `weir vm`: machines are started, looked at and stopped; what QEMU says of them on its monitor is their state, each thing twice; QEMU and the
# switch outlive each other. All guests are a boot sector (tests/lib/vm_disk.py) under emulation.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_uplink
times=${VM_TIMES:-3}
/usr/bin/python3 "$lab_top/tests/lib/vm_disk.py" "$LAB_T/disk.img" BOOT-SECTOR-RAN
lab_iscsi "$LAB_T/disk.img"
machine() { printf '{ "name": "%s", "nic": [ { "id": 0, "mac": "52:54:00:00:00:%s", "ipv4-address": [ "10.9.0.1%s" ], "socket": "%s" } ], "machine": { "memory": 64, "acceleration": "tcg"%s }%s }' \
	"$1" "$2" "$2" "$LAB_T/$1,x.sock" "$3" "${4:-}"; }
disk=", \"disk\": [ \"$LAB_T/disk.img\" ]"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:vms": { "vm": [
    $(machine m 01 "$disk, \"argument\": [ \"-device ib700\", \"-action watchdog=none\", \"-snapshot\" ]"),
    $(machine bad 02 ', "argument": [ "-no-such-option" ]'),
    $(machine uefi 03 ', "firmware": "uefi"'),
    $(machine net 04 '' ', "boot": { "method": "iscsi", "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:1" } }') ] } }
C
LAB_SWITCH_ARGS=--no-huge lab_switch "$LAB_T/weir.json"
export WEIR_VM_SYSTEMD=no
out=$LAB_T/out
trap vms_end EXIT
vms_end() { # what a failed test leaves
	local status=$? f p
	set +e
	for f in "$LAB_T"/vms/*/pid; do
		[ -f "$f" ] && read -r p _ <"$f" && [ "$(readlink "/proc/$p/exe")" = "$(readlink -f /usr/bin/qemu-system-x86_64)" ] && kill -9 "$p"
	done
	(exit $status) # for lab_end to see
	lab_end
}
state() { "$weir" --json vm list | jq -r --arg m "$1" '.vm[] | select(.name == $m) | .state'; }
pid() { "$weir" --json vm list | jq -r --arg m "$1" '.vm[] | select(.name == $m) | .pid'; }
events() { "$weir" --json show vm "$1" | jq -r '."weir-vm:vms-state".vm[0]."boot-event"[].event' | grep -c -- "$2" || true; }
await() { # WHAT COMMAND...: within 10 s
	local i what=$1
	shift
	for i in $(seq 100); do "$@" && return 0; sleep 0.1; done
	fail "$what" || :
	"$weir" vm list; "$weir" show vm m; tail -5 "$LAB_T/switch.log"
	exit 1
}
is() { [ "$(state "$1")" = "$2" ]; }
becomes() { await "$1 is not $2 but $(state "$1")" is "$1" "$2"; }
told() { [ "$(events "$1" "$2")" -ge "$3" ]; }
hears() { await "$1: not $3 times $2" told "$1" "$2" "$3"; }
types() { # VM LETTER: until it comes back
	local console
	logged=$(stat -c %s "$LAB_T/vms/$1/log")
	printf %s "$2" | timeout 10 "$weir" vm "$1" console >/dev/null & console=$!
	await "$1 does not hear $2" grown "$1"
	kill $console 2>/dev/null || :
	wait $console || :
}
grown() { [ "$(stat -c %s "$LAB_T/vms/$1/log")" -gt "$logged" ]; }
booted() { local n; n=$(grep -ac BOOT-SECTOR-RAN "$LAB_T/vms/$1/log" 2>/dev/null) || :; [ "${n:-0}" -ge "$2" ]; }
boots() { await "$1 has not booted $2 times" booted "$1" "$2"; }
qmp() { # VM COMMAND...: on the monitor that is the command's
	/usr/bin/python3 - "$LAB_T/vms/$1/control.sock" "${@:2}" <<-'P'
		import json, socket, sys
		s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1]); f = s.makefile("rw")
		f.readline()
		for c in ["qmp_capabilities"] + sys.argv[2:]:
		    f.write(json.dumps({"execute": c}) + "\n"); f.flush()
		    while "return" not in (m := json.loads(f.readline())): assert "error" not in m, m
	P
}

echo "- a machine is started, once"
"$weir" vm start m >"$out" 2>&1
refute grep -q 'without KVM' "$out" # as it was asked for
grep -q "^m runs (process $(pid m))$" "$out"
becomes m running
refute "$weir" vm m start 2>"$out"
grep -q "m runs already (process $(pid m))" "$out"
boots m 1
"$weir" vm log m | grep -q 'BOOT-SECTOR-RAN$'
# Its process belongs to nobody here, and its card's arguments were understood.
[ "$(ps -o sid= -p "$(pid m)" | tr -d ' ')" != "$(ps -o sid= -p $$ | tr -d ' ')" ]
"$weir" vm qemu-args m | grep -q "path=$LAB_T/m,,x.sock,server=on"

echo "- what its monitor says is its state, told once or twice"
qmp m stop; becomes m paused
qmp m stop; sleep 0.3; is m paused
qmp m cont cont; becomes m running
"$weir" vm reset m >/dev/null; hears m 'reset (qmp)' 1; boots m 2
"$weir" vm m reset >/dev/null; boots m 3; is m running
types m r; boots m 4; is m running # the guest itself
types m w; hears m 'watchdog (qmp)' 1; is m running
types m w; hears m 'watchdog (qmp)' 2; is m running
types m p; becomes m crashed
types m p; sleep 0.3; is m crashed
qmp m stop cont; sleep 0.3; is m crashed
"$weir" vm reset m >/dev/null; becomes m running
boots m 5

echo "- one console at a time"
sleep 3 | "$weir" vm console m >/dev/null & c=$!
sleep 0.5
refute "$weir" vm console m 2>"$out" </dev/null
grep -q 'm: its console is in use' "$out"
kill $c 2>/dev/null || true
wait $c || true

echo "- the switch is killed, and comes again: it takes up how things are"
process=$(pid m)
for how in running paused crashed; do
	case $how in paused) qmp m stop ;; crashed) qmp m cont; types m p ;; esac
	becomes m $how
	[ $how = crashed ] && sleep 1.5 # QEMU does not remember it, and states are kept on the disk once a second
	kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
	LAB_SWITCH_ARGS=--no-huge lab_switch "$LAB_T/weir.json"
	becomes m $how
	await "its monitor is not followed again" grep -q 'vm m: its monitor is followed' <(tail -20 "$LAB_T/switch.log")
	[ "$(pid m)" = "$process" ]
done
# What happened while it was away is seen, too.
"$weir" vm reset m >/dev/null; becomes m running
sleep 1.5
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
qmp m stop
LAB_SWITCH_ARGS=--no-huge lab_switch "$LAB_T/weir.json"
becomes m paused
qmp m cont; becomes m running

echo "- it is stopped by its power button, by force where it does not heed that, and by itself"
"$weir" vm stop m >"$out"
grep -q '^m is stopped$' "$out"
is m defined; [ "$(pid m)" = 0 ]; refute kill -0 "$process" 2>/dev/null
[ ! -e "$LAB_T/vms/m/pid" ]
"$weir" vm stop m | grep -q '^m does not run$'
"$weir" vm m start >/dev/null; boots m 1
types m u
"$weir" vm stop m --force >/dev/null
"$weir" vm start m >/dev/null; boots m 1
types m o
becomes m defined
await "the end is not told" test ! -e "$LAB_T/vms/m/pid"
# Killed: nobody says a word, and it is known all the same.
"$weir" vm start m >/dev/null
becomes m running
kill -9 "$(pid m)"
becomes m defined
grep -q 'QEMU was ended by signal 9' "$LAB_T/vms/m/log"
timeout 20 "$weir" vm start m --wait >/dev/null & w=$!
becomes m running # the console and the log of the one before are there until then
boots m 1
types m o
wait $w

echo "- $times times"
things() { echo "$(ls "/proc/$LAB_SWITCHD/fd" | wc -l) descriptors, $("$weir" show ports | wc -l) ports, $(find "$LAB_T/weir.json.d" "$LAB_T/vms" | wc -l) files"; }
for i in $(seq "$times"); do
	"$weir" vm start m >/dev/null; boots m 1; is m running
	"$weir" vm stop m >/dev/null; is m defined
	[ "$i" != 1 ] || { sleep 1; before=$(things); }
done
same() { [ "$(things)" = "$before" ]; }
await "not as before: $before" same
lab_conserved

echo "- what cannot start says why"
status=0
"$weir" vm start bad 2>"$out" || status=$?
[ $status = 1 ]
grep -q 'no-such-option: invalid option' "$out"
becomes bad defined
refute "$weir" vm start nosuch 2>"$out"
grep -q 'there is no VM of that name' "$out"
refute "$weir" vm start ../m 2>"$out"
grep -q 'is no name of a virtual machine' "$out"
refute "$weir" vm console m 2>"$out"
grep -q 'm does not run' "$out"
# A number that is used again is not the machine.
mkdir -p "$LAB_T/vms/m"; echo "$$ 12345" >"$LAB_T/vms/m/pid"
[ "$(pid m)" = 0 ]
"$weir" vm start m >/dev/null; boots m 1; "$weir" vm stop m --force >/dev/null

echo "- a machine that somebody else runs is left alone"
"$weir" vm qemu-args m >"$LAB_T/by-hand.sh"
sed -i '/^\/usr\/bin\/qemu/s/^/exec /' "$LAB_T/by-hand.sh"
bash "$LAB_T/by-hand.sh" </dev/null >"$LAB_T/by-hand.log" 2>&1 & hand=$!
LAB_PIDS+=("$hand")
becomes m running
refute "$weir" vm stop m 2>"$out"
grep -q 'm is running, but was not started by weir' "$out"
refute "$weir" vm start m 2>"$out"
grep -q "another process listens on $LAB_T/m,x.sock" "$out"
is m running; kill -0 $hand
qmp m stop; becomes m paused # and followed
lab_kill $hand
becomes m stopped
"$weir" vm stop m >/dev/null; is m defined

echo "- UEFI's variables are the machine's own, and kept"
"$weir" vm start uefi >/dev/null
cmp -s "$LAB_T/weir.json.d/firmware/uefi.fd" /usr/share/OVMF/OVMF_VARS_4M.fd || [ -s "$LAB_T/weir.json.d/firmware/uefi.fd" ]
"$weir" vm stop uefi --force >/dev/null
[ -s "$LAB_T/weir.json.d/firmware/uefi.fd" ]

echo "- a machine without a disk boots through the switch"
"$weir" vm start net >/dev/null
for i in $(seq 60); do booted net 1 && break; sleep 0.5; done
boots net 1
[ "$(events net 'DHCP ack: iPXE firmware')" -ge 1 ]
"$weir" vm stop net >/dev/null
lab_conserved
