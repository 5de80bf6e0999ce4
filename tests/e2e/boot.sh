#!/bin/bash
# QEMU guests boot diskless: a BIOS guest from iSCSI (text of the disk, lease, storage counters), a Linux guest by TFTP; then the switch is
# killed under the Linux guest and started again: the guest comes back without being touched.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_hugepages 256 >/dev/null
lab_uplink
lab_boot_disk "$LAB_T/disk1.img" "E2E-BOOT-SECTOR-RAN"
lab_data_disk "$LAB_T/disk2.img" "e2e data disk"
dd if=/dev/urandom of="$LAB_T/disk2.img" bs=1M seek=1 count=8 conv=notrunc 2>/dev/null
lab_iscsi "$LAB_T/disk1.img" "$LAB_T/disk2.img"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-files": { "file": [ { "name": "vmlinuz", "path": "$lab_build/guest/vmlinuz" }, { "name": "initrd", "path": "$lab_build/guest/initrd" } ] },
  "weir-vm:vms": { "vm": [
    { "name": "bios", "nic": [ { "id": 0, "mac": "52:54:00:00:00:01", "ipv4-address": [ "10.9.0.101" ], "socket": "$LAB_T/bios.sock" } ],
      "boot": { "method": "iscsi", "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:1" } } },
    { "name": "linux", "nic": [ { "id": 0, "mac": "52:54:00:00:00:02", "ipv4-address": [ "10.9.0.102" ], "socket": "$LAB_T/linux.sock" } ],
      "boot": { "method": "kernel", "kernel": "vmlinuz", "initrd": "initrd", "cmdline": "console=ttyS0 quiet weir.read weir.stay weir.send=10.9.0.1:5001",
                "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:2" } } } ] } }
C
lab_switch "$LAB_T/weir.json"
class_pkts() { # PORT CLASS FIELD: frames of a class at a port
	"$weir" --json show port "$1" | jq -r --arg c "$2" --arg f "$3" '[."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".class[] | select(.name == $c)][0][$f]'
}
event() { "$weir" --json show vm "$1" | jq -r '."weir-vm:vms-state".vm[0]."boot-event"[].event' | grep -q -- "$2"; }
phase() { # VM PHASE...: its timeline has those, in this order
	local vm=$1
	shift
	[ "$("$weir" --json show vm "$vm" | jq -r '[."weir-vm:vms-state".vm[0]."boot-event"[].event | capture("^phase (?<p>[a-z-]+):").p] | join(" ")')" = "$*" ]
}
phases() { # SECONDS VM PHASE...
	local until=$((SECONDS + $1))
	shift
	while ! phase "$@"; do
		[ $SECONDS -lt $until ] || { "$weir" show vm "$1"; fail "its phases are not ${*:2}"; exit 1; }
		sleep 0.1
	done
}

echo "- a BIOS guest boots from iSCSI"
lab_guest bios "$LAB_T/bios.sock" 52:54:00:00:00:01 128
lab_wait_text "$LAB_T/bios.log" E2E-BOOT-SECTOR-RAN 120 "$LAB_GUEST" || { tr -d '\r' <"$LAB_T/bios.log" | tail; exit 1; }
event bios 'DHCP ack: iPXE firmware'
event bios 'first storage frame'
refute event bios 'TFTP'
phases 5 bios boot-firmware # its disk has no operating system that would take over
[ "$(class_pkts bios.0 boot rx-pkts)" -gt 8 ]
# The guest's lease: its address answered ARP and is known behind its port.
lab_tgt --op show --mode target | grep -q 'IP Address: 10.9.0.101'
lab_kill "$LAB_GUEST"

echo "- a Linux guest boots by TFTP, reads its iSCSI disk and sends it on by TCP"
ip netns exec "$LAB_SERVER" timeout 300 socat -u TCP-LISTEN:5001,reuseaddr "CREATE:$LAB_T/sent" & receiver=$!
lab_guest linux "$LAB_T/linux.sock" 52:54:00:00:00:02 512
lab_wait_text "$LAB_T/linux.log" "WEIR-GUEST: done" 300 "$LAB_GUEST" || { tr -d '\r' <"$LAB_T/linux.log" | tail; exit 1; }
grep -aq "WEIR-GUEST: disk says: e2e data disk" "$LAB_T/linux.log"
grep -aq "WEIR-GUEST: ip=10.9.0.102" "$LAB_T/linux.log"
# What it sent arrived whole. Linux leaves checksums and segmentation to be done; the uplink cannot, so the switch did.
wait $receiver
cmp "$LAB_T/disk2.img" "$LAB_T/sent"
counter() { "$weir" --json show port "$1" | jq -r "[.\"ietf-interfaces:interfaces\".interface[0].\"weir-interfaces:port-state\".counter[] | select(.name==\"$2\")][0].value"; }
[ "$(counter uplink tso_pkts)" -gt 100 ]
[ "$(counter uplink csum_pkts)" -gt 10 ]
event linux 'TFTP complete: vmlinuz'
event linux 'TFTP complete: initrd'
event linux 'DHCP ack: operating system'
[ "$(class_pkts linux.0 boot tx-pkts)" -gt 1000 ]
phases 30 linux boot-firmware boot-os steady

echo "- the switch is killed and started again: the guest is not touched"
server() { ip netns exec "$LAB_SERVER" "$@"; }
server ping -q -c 3 -i 0.2 -W 2 10.9.0.102 >/dev/null
server ping -q -i 0.05 -c 200 -W 2 10.9.0.102 >"$LAB_T/ping" & p=$!
sleep 1
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
lab_switch "$LAB_T/weir.json"
wait $p || true
server ping -q -c 5 -i 0.2 -W 2 10.9.0.102 | grep -q ' 0% packet loss' || { cat "$LAB_T/ping"; exit 1; }
kill -0 "$LAB_GUEST"
phases 10 linux steady # the switch came anew, not the guest: it boots no more
echo "  $(grep received "$LAB_T/ping")"
lab_conserved
