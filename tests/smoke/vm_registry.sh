#!/bin/bash
# A machine that no configuration knows: announced over the socket, its port and its address are there before it starts; it survives commits
# and a killed switch, what contradicts it is refused, and its release takes all of it away.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
set -eu
lab_begin
lab_uplink
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [ { "name": "uplink", "type": "weir-interfaces:uplink",
      "weir-interfaces:port": { "af-packet": "$LAB_UP", "rate": "1000000000" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-providers": { "provider": [ { "name": "p", "command": "$LAB_T/provider" } ] },
  "weir-vm:vms": { "vm": [ { "name": "c", "nic": [ { "id": 0, "mac": "52:54:00:00:00:05", "ipv4-address": [ "10.9.0.105" ], "socket": "$LAB_T/c.sock" } ] } ] } }
C
printf '#!/bin/sh\ncat >>%s/asked\necho >>%s/asked\necho "{}"\n' "$LAB_T" "$LAB_T" >"$LAB_T/provider"
chmod +x "$LAB_T/provider"
out=$LAB_T/out
refused() { # REASON COMMAND...
	local reason=$1 status=0
	shift
	"$weir" "$@" >"$out" 2>&1 || status=$?
	[ $status = 1 ] && grep -qF -- "$reason" "$out" || { echo "$*: status $status, not refused with '$reason':"; cat "$out"; exit 1; }
}
define() { # FILE JQ: the machine, changed
	jq -n --arg t "$LAB_T" '{ name: "t", uuid: "3f0c0fb4-7a5e-4a0f-9d0a-000000000001",
		nic: [ { id: 0, mac: "52:54:00:00:00:06", "ipv4-address": [ "10.9.0.106" ], socket: "\($t)/t.sock" } ],
		"weir-qos:qos": { reservation: "200000000" } }'" | $2" >"$1"
}
vm() { "$weir" --json show vm "$1" | jq -r ".\"weir-vm:vms-state\".vm[0].$2"; }
is() { # VM MEMBER VALUE: soon
	for _ in $(seq 60); do [ "$(vm "$1" "$2")" = "$3" ] && return 0; sleep 0.1; done
	echo "vm $1: $2 is $(vm "$1" "$2"), not $3"
	exit 1
}
running() { "$weir" --json show configuration; }
lab_switch "$LAB_T/weir.json"
running >"$LAB_T/before"

echo "- what does not fit is refused with the reason, and leaves nothing"
define "$LAB_T/m.json" '.nic[0].mac = "52:54:00:00:00:05"'
refused 'port c.0 in the same VLAN 1 has this MAC address' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.nic[0]."ipv4-address" = [ "10.9.0.105" ]'
refused 'port c.0 in the same VLAN 1 has this address' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.nic[0]."ipv4-address" = [ "10.8.0.1" ]'
refused "is not in the network of VLAN 1's boot service" vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.nic[0].socket = "'"$LAB_T"'/c.sock"'
refused 'port c.0 uses it already' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.nic[0].vlan = 77 | .boot = { method: "iscsi", iscsi: { server: "10.9.0.1", target: "iqn.2026-11.a:b" } }'
refused 'VLAN 77 of the first card has no boot service' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '."weir-qos:qos".reservation = "800000000"'
refused 'reserv' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.name = "u"'
refused 'has to be one machine of this name' vm t prepare "$LAB_T/m.json"
define "$LAB_T/m.json" '.name = "c"'
refused 'gives it a card with this MAC address, and the configuration none' vm c prepare "$LAB_T/m.json"
refused 'there is no VM of that name' vm t prepare
refused 'there is no VM of that name' vm t event started
refute() { ! "$@"; }
refute "$weir" show port t.0 >/dev/null 2>&1

echo "- announced: port, address and policy are there; twice is once; no datastore knows it"
define "$LAB_T/t.json" .
"$weir" vm t prepare "$LAB_T/t.json" >"$out"
grep -Eq "^t.0 +52:54:00:00:00:06 +1 +1500 +$LAB_T/t.sock$" "$out" || { cat "$out"; exit 1; }
"$weir" vm t prepare "$LAB_T/t.json" >/dev/null
"$weir" vm t prepare >/dev/null
is t state prepared
[ "$(vm t transient) $(vm t origin) $(vm c transient) $(vm c origin)" = "true manual false configuration" ]
"$weir" show port t.0 >/dev/null
"$weir" show vms | grep -Eq '^t +none +0 +t.0 .* away +prepared +manual$'
running | cmp - "$LAB_T/before"
ls "$LAB_T/weir.json.d" | grep -qx vms.transient

echo "- it starts, and gets its address"
vguest t "$LAB_T/t.sock" 52:54:00:00:00:06
is t state running
vguest_in t udhcpc -i e0 -f -q -n -t 10 -T 1 -s /bin/true >"$out" 2>&1
grep -q 'lease of 10.9.0.106 obtained' "$out" || { cat "$out"; exit 1; }
vguest_in t ip addr add 10.9.0.106/24 dev e0
vguest_in t ping -q -c 2 -i 0.2 -W 2 10.9.0.1 >/dev/null

echo "- a commit of something else keeps it; one that contradicts it is refused, and says whom"
"$weir" -c 'configure; set vm c description "the other one"; set vm d nic 0 mac 52:54:00:00:00:07; plan; commit' >"$out"
refute grep -q 'vm t' "$out"
is t state running
refused "/weir-vm:vms/vm[name='t'] is transient, from manual" -c 'configure; set vm e nic 0 mac 52:54:00:00:00:06; commit'
"$weir" -c 'configure; discard' >/dev/null
refused "/weir-vm:vms/vm[name='t'] is transient, from manual" -c 'configure; set vm e nic 0 mac 52:54:00:00:00:08 ipv4-address 10.9.0.106; commit'
"$weir" -c 'configure; discard' >/dev/null
refused 'it fits without the 1 machines' -c 'configure; set vm c reservation 600m; commit'
"$weir" -c 'configure; discard' >/dev/null
refused 'another machine' -c 'configure; set vm t uuid 3f0c0fb4-7a5e-4a0f-9d0a-000000000002 nic 0 mac 52:54:00:00:00:06; commit'
"$weir" -c 'configure; discard' >/dev/null
define "$LAB_T/m.json" '.nic[0].mtu = 1400'
refused 'it runs, with another definition' vm t prepare "$LAB_T/m.json"
"$weir" reload | grep -q 'nothing changes'
vguest_in t ping -q -c 2 -i 0.2 -W 2 10.9.0.1 >/dev/null

echo "- what is told of it, twice and late"
for e in pause pause resume panicked reset reset watchdog; do "$weir" vm t event $e >/dev/null; done
is t state running
is t reason 'reset (manual)'
for e in stopped migrate-cancelled migrate-in; do "$weir" vm t event $e >/dev/null; done
is t state running # its QEMU is there

echo "- the switch is killed: the same guest goes on"
vguest_in t ping -q -i 0.02 -c 300 -W 2 10.9.0.1 >"$LAB_T/ping" & p=$!
sleep 0.5
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
lab_switch "$LAB_T/weir.json"
wait $p || true
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB_T/ping")
[ "$received" -ge 100 ] || { cat "$LAB_T/ping"; tail -20 "$LAB_T/switch.log"; exit 1; }
is t state running
[ "$(vm t transient)" = true ]
"$weir" vm t event reconnect >/dev/null
"$weir" vm t prepare "$LAB_T/t.json" >/dev/null
is t state running

echo "- released while it is attached: its port goes when it does"
"$weir" vm t release >/dev/null
"$weir" vm t release >/dev/null
is t state defined
vguest_in t ping -q -c 2 -i 0.2 -W 2 10.9.0.1 >/dev/null
lab_kill "$(cat "$LAB_T/vguest-t.pid")"
for _ in $(seq 50); do "$weir" show port t.0 >/dev/null 2>&1 || break; sleep 0.1; done
refute "$weir" show port t.0 >/dev/null 2>&1
refute "$weir" show vm t >/dev/null 2>&1
refute "$weir" show qos vm t >/dev/null 2>&1
"$weir" vm t release >/dev/null
"$weir" -c 'configure; set vm e nic 0 mac 52:54:00:00:00:06; commit' >/dev/null

echo "- its disk goes at its release, but not when it is heard behind the uplink: nobody said that it has moved"
asked() { grep -c "\"action\":\"$1\"" "$LAB_T/asked" || true; }
for n in 1 2; do
	"$weir" vm w prepare - <<<'{"name":"w","nic":[{"id":0,"mac":"52:54:00:00:00:0b"}],"boot":{"provider":"p","image":"i"}}' >/dev/null
	is w state prepared
	[ "$(asked prepare)" = $n ]
	[ $n = 1 ] || ip netns exec "$LAB_SERVER" /usr/bin/python3 -c 'import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
s.send(b"\xff" * 6 + bytes.fromhex("52540000000b8035") + bytes(46))' "$LAB_SRV"
	for _ in $(seq 50); do [ $n = 1 ] || "$weir" show macs | grep -q '52:54:00:00:00:0b *uplink' && break; sleep 0.1; done
	"$weir" vm w release >/dev/null
	sleep 0.5
	refute "$weir" show vm w >/dev/null 2>&1
	for _ in $(seq 50); do [ "$(asked release)" = 0 ] || break; sleep 0.1; done
	[ "$(asked release)" = 1 ]
done

echo "- damaged, its file is put aside, and the switch starts"
"$weir" vm x prepare - <<<'{"name":"x","nic":[{"id":0,"mac":"52:54:00:00:00:09"}]}' >/dev/null
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
sed -i 's/:09/:0a/' "$LAB_T/weir.json.d/vms.transient"
lab_switch "$LAB_T/weir.json"
refute "$weir" show vm x >/dev/null 2>&1
ls "$LAB_T/weir.json.d" | grep -q '^vms.transient.corrupt'
lab_conserved
