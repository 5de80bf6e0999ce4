#!/bin/bash
# The hooks of libvirt and Proxmox as they are called, replayed against the switch: a machine that nobody configured gets its port before it
# starts and is gone after its end, whatever is told twice, late or in another order; a machine that does not fit is kept from starting, and
# nothing else is.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
refute() { if "$@"; then fail "was not refused: $*"; fi; }
mkdir -p "$LAB_T/guests" "$LAB_T/pve/qemu-server" "$LAB_T/pve/nodes/far/qemu-server"
cat >"$LAB_T/hooks.conf" <<C
socket $WEIR_SOCKET
guests $LAB_T/guests
proxmox-dir $LAB_T/pve
C
export WEIR_HOOKS_CONF=$LAB_T/hooks.conf
cat >"$LAB_T/provider" <<C
#!/bin/sh
jq -r '"\(.action) \(.vm) \(.image)"' >>$LAB_T/provided
sleep 0.3
test ! -e $LAB_T/full || { echo "the pool is full" >&2; exit 1; }
echo '{ "method": "iscsi", "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:web1" } }'
C
chmod +x "$LAB_T/provider"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "u0", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "tap": "wh$LAB_ID", "rate": "1000000000", "trunk": ["1-30"] } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 20, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-providers": { "provider": [ { "name": "disks", "command": "$LAB_T/provider" } ] },
  "weir-vm:vms": { "vm": [ { "name": "db1", "nic": [ { "id": 0, "mac": "52:54:00:20:00:09", "vlan": 20, "socket": "$LAB_T/guests/db1.sock" } ] } ] } }
C

domain() { # NAME MAC METADATA: as libvirt 9.0 gives it to a hook
	local uuid="9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd0${2##*:}"
	cat <<X
<domain type='qemu' id='1'>
  <name>$1</name>
  <uuid>$uuid</uuid>
  <metadata>
    <weir:vm xmlns:weir="urn:weir:libvirt:1">$3</weir:vm>
  </metadata>
  <memory unit='KiB'>65536</memory>
  <currentMemory unit='KiB'>65536</currentMemory>
  <memoryBacking>
    <source type='memfd'/>
    <access mode='shared'/>
  </memoryBacking>
  <vcpu placement='static'>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>
    <boot dev='network'/>
  </os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='vhostuser'>
      <mac address='$2'/>
      <source type='unix' path='$LAB_T/guests/$1.sock' mode='server'/>
      <bandwidth>
        <inbound average='12500' floor='1250'/>
        <outbound average='2500'/>
      </bandwidth>
      <model type='virtio'/>
      <driver queues='2' rx_queue_size='1024' tx_queue_size='1024'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </interface>
    <input type='mouse' bus='ps2'/>
  </devices>
</domain>
X
}
hook() { # NAME OPERATION [REASON]: prints nothing, as a filter of XML must not
	local out
	out=$("$lab_build/tools/weir-libvirt-hook" "$1" "$2" begin "${3:--}" <"$LAB_T/$1.xml" 2>"$LAB_T/err") || return
	[ -z "$out" ] || fail "it wrote: $out"
}
hooks() { local o; for o in "${@:2}"; do hook "$1" $o; done; }
pve() { "$lab_build/tools/weir-proxmox-hook" "$@" 2>"$LAB_T/err"; }
state() { "$weir" --json show vm "$1" 2>/dev/null | jq -r '."weir-vm:vms-state".vm[0].state' | grep . || echo none; }
is() { # NAME STATE: soon
	for _ in $(seq 50); do [ "$(state "$1")" = "$2" ] && return; sleep 0.05; done
	fail "$1 is $(state "$1"), not $2"
}
gone() { is "$1" none; refute "$weir" show port "$1.0" >/dev/null 2>&1; "$weir" show ports | cut -d" " -f1 | cmp - "$LAB_T/ports" || fail "ports are left of $1"; }
card() { "$weir" --json show vm "$1" | jq -e '."weir-vm:vms-state".vm[0].nic[0] | .vlan == 20 and .port == "'"$1"'.0"' >/dev/null && "$weir" show port "$1.0" >/dev/null || fail "$1 has no card in VLAN 20"; }

lab_switch "$LAB_T/weir.json"
LAB_LINKS+=("wh$LAB_ID")
"$weir" show ports | cut -d" " -f1 >"$LAB_T/ports"
domain web1 52:54:00:20:00:01 '{ "nic": [ { "id": 0, "vlan": 20 } ] }' >"$LAB_T/web1.xml"
domain web2 52:54:00:20:00:02 '{ "nic": [ { "id": 0, "vlan": 20, "ipv4-address": [ "10.9.0.12" ] } ], "boot": { "provider": "disks", "image": "debian" } }' >"$LAB_T/web2.xml"
domain db2 52:54:00:20:00:09 '{ "nic": [ { "id": 0, "vlan": 20 } ] }' >"$LAB_T/db2.xml"
sed "s,$LAB_T/guests,/run/openvswitch," "$LAB_T/web1.xml" >"$LAB_T/ovs.xml"

echo "- libvirt: the port is there before the machine, with what the XML says; each call twice"
hooks web1 prepare prepare
is web1 prepared
card web1
"$weir" --json show qos vm web1 >"$LAB_T/qos"
grep -q '"100000000"' "$LAB_T/qos" && grep -q '"20000000"' "$LAB_T/qos" || fail "no limits: $(cat "$LAB_T/qos")"
"$weir" -c 'show configuration' >"$LAB_T/conf"
grep -q db1 "$LAB_T/conf"
refute grep -q web1 "$LAB_T/conf" # nobody committed it
hooks web1 start start started started
is web1 running
hooks web1 stopped stopped
is web1 stopped
hooks web1 release
gone web1
hooks web1 release stopped started
gone web1

echo "- other orders of the same calls end the same"
for order in "prepare started release stopped" "prepare stopped started release" "started prepare release" "prepare prepare release started" "restore started stopped release" \
	"attach release" "reconnect stopped release" "migrate prepare started stopped release" "prepare release release stopped"; do
	hooks web1 $order
	gone web1
done
for order in "prepare started" "started prepare started" "prepare started prepare" "prepare stopped started" "reconnect started"; do
	hooks web1 $order
	is web1 running
	hooks web1 stopped release
	gone web1
done

echo "- migration: it comes, and it goes"
hooks web1 migrate prepare start started
is web1 incoming
hooks web1 stopped release
gone web1
hooks web1 prepare started "stopped migrated" "stopped migrated"
is web1 moved
hooks web1 "release migrated"
gone web1

echo "- a machine of the configuration is prepared as it is there"
domain db1 52:54:00:20:00:09 '{}' >"$LAB_T/db1.xml"
hooks db1 prepare started
is db1 running
hooks db1 stopped release
is db1 defined
card db1

echo "- its provider makes the disk, and takes it back"
hook web2 prepare
is web2 prepared
[ "$(cat "$LAB_T/provided")" = "prepare web2 debian" ] || fail "provided: $(cat "$LAB_T/provided")"
"$weir" --json show vm web2 | jq -e '."weir-vm:vms-state".vm[0]."boot-method" == "iscsi"' >/dev/null
hooks web2 prepare started stopped release
gone web2
for _ in $(seq 50); do [ "$(tail -1 "$LAB_T/provided")" = "release web2 debian" ] && break; sleep 0.1; done
[ "$(tail -1 "$LAB_T/provided")" = "release web2 debian" ] || fail "provided: $(cat "$LAB_T/provided")"
touch "$LAB_T/full"
refute hook web2 prepare
grep -q 'the pool is full' "$LAB_T/err" || fail "$(cat "$LAB_T/err")"
rm "$LAB_T/full"
hooks web2 stopped release
gone web2

echo "- what does not fit is kept from starting, by name and reason; only a prepare is"
refute hook db2 prepare
grep -qi '52:54:00:20:00:09' "$LAB_T/err" || fail "$(cat "$LAB_T/err")"
hooks db2 start started stopped release restore migrate reconnect attach
WEIR_HOOK_FAIL_OPEN=yes hook db2 prepare
gone db2
hook ovs prepare # not Weir's
[ ! -s "$LAB_T/err" ] || fail "it spoke of others"

echo "- Proxmox"
printf 'name: shop\nnet0: virtio=BC:24:11:20:00:01,bridge=weir0,tag=20,rate=10,queues=2\nnet1: virtio=BC:24:11:20:00:02,bridge=vmbr0\n' >"$LAB_T/pve/qemu-server/101.conf"
printf '#weir-net0: virtio=BC:24:11:20:00:03,tag=20\nnet0: virtio=BC:24:11:20:00:04,bridge=vmbr0\n' >"$LAB_T/pve/nodes/far/qemu-server/102.conf"
for phase in pre-start pre-start post-start post-start; do pve 101 $phase; done
is vm101 running
card vm101
refute "$weir" show port vm101.1 >/dev/null 2>&1
for phase in pre-stop post-stop post-stop; do pve 101 $phase; done
gone vm101
PVE_MIGRATED_FROM=far pve 102 pre-start
is vm102 incoming
cp "$LAB_T/pve/nodes/far/qemu-server/102.conf" "$LAB_T/pve/qemu-server/"
pve 102 post-stop
gone vm102

echo "- the switch starts anew under a machine that runs; a hook finds nobody meanwhile"
hooks web1 prepare started
lab_kill "$LAB_SWITCHD"
refute hook web1 prepare
grep -q 'is weir-switchd running' "$LAB_T/err"
hooks web1 reconnect stopped
lab_switch "$LAB_T/weir.json"
hooks web1 reconnect
card web1
hooks web1 stopped release
gone web1
