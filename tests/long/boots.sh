#!/bin/bash
# Boots that are disturbed, and many of them: firmware's sequences on the wire, a guest reset in the middle of its boot, the switch killed and
# started again in the middle of others', two guests of one image at once, one guest started and stopped 20 times (BOOTS_TIMES=N).
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
boot_lab "bios:$(boot_iscsi 1)" "pxe:$(boot_iscsi 2)" 'http:{"method":"http","http":{"file":"app.efi"}}' "four:$(boot_nfs four 4.2)" "three:$(boot_nfs three 3)" \
	"same1:$(boot_iscsi 3)" "same2:$(boot_iscsi 3)"
"$lab_top/tools/lib/efi-app" EFI-BY-HTTP >"$LAB_T/app.efi"
boot_config --arg f "$LAB_T/app.efi" '."weir-vm:boot-files".file += [ { name: "app.efi", path: $f } ]'
lab_boot_disk "$LAB_T/bios.img" BIOS-BOOTED
lab_efi_disk "$LAB_T/efi.img" EFI-BOOTED
storage_boot_disk "$LAB_T/same.img" SAME-BOOTED 8
lab_iscsi "$LAB_T/bios.img" "$LAB_T/efi.img" "$LAB_T/same.img"
boot_nfs_server
boot_nfs_root four "root of four"
boot_nfs_root three "root of three"
lab_switch "$LAB_T/weir.json"

event_within() { # SECONDS VM TEXT
	local until=$((SECONDS + $1))
	while ! boot_event "$2" "$3"; do
		[ $SECONDS -lt $until ] || { "$weir" show vm "$2" >&2; fail "$2 comes to no $3" || exit 1; }
		sleep 0.05
	done
}
restart() { # the switch, as a crash ends it
	kill -9 "$LAB_SWITCHD"
	wait "$LAB_SWITCHD" 2>/dev/null || :
	lab_switch "$LAB_T/weir.json"
}
no_nak() { [ "$("$weir" --json show responder | jq '[.. | objects | select(.name? == "dhcp_naks") | .value | tonumber] | add')" = 0 ] || { "$weir" show responder; fail "a known guest got a NAK"; exit 1; }; }

echo "- iPXE of a BIOS guest, on the wire"
boot_capture bios.0
boot_start bios bios 128
boot_says bios BIOS-BOOTED 60
boot_sequence bios.0 bios-ipxe
lab_kill "$LAB_GUEST"

echo "- OVMF by HTTP, on the wire"
boot_capture http.0
boot_efi_http http
boot_says http EFI-BY-HTTP 120
boot_sequence http.0 ovmf-http
lab_kill "$LAB_GUEST"

echo "- a guest is reset while it loads its kernel, and again when it has its root"
LAB_REBOOTS=' ' boot_start four bios 512
event_within 60 four 'HTTP start: vmlinuz'
lab_reset four
refute grep -aq WEIR-GUEST "$LAB_T/four.log"
boot_says four 'WEIR-GUEST: done' 120
boot_nfs_was_here four 10.9.0.104
rm "$BOOT_EXPORT/four/var/address"
lab_reset four
for _ in $(seq 600); do [ -f "$BOOT_EXPORT/four/var/address" ] && break; sleep 0.2; done
boot_nfs_was_here four 10.9.0.104
lab_kill "$LAB_GUEST"
no_nak

echo "- the switch is killed while a guest loads its kernel"
boot_start three bios 512
event_within 60 three 'HTTP start: vmlinuz'
restart
boot_says three 'WEIR-GUEST: done' 120
boot_nfs_was_here three 10.9.0.105
no_nak
lab_kill "$LAB_GUEST"

echo "- the switch is killed while OVMF collects offers, and again while it fetches iPXE"
boot_start pxe uefi 256
event_within 120 pxe 'DHCP offer'
restart
event_within 120 pxe 'TFTP start: snponly.efi'
restart
boot_says pxe EFI-BOOTED 200
no_nak
lab_kill "$LAB_GUEST"

echo "- two guests of one image, at once; the switch is killed while they read it"
boot_start same1 bios 64
same1=$LAB_GUEST
boot_start same2 bios 64
same2=$LAB_GUEST
event_within 60 same1 'first storage frame'
restart
boot_says same1 SAME-BOOTED 120 "$same1"
boot_says same2 SAME-BOOTED 120 "$same2"
no_nak
lab_kill "$same1"
lab_kill "$same2"

echo "- one guest, ${BOOTS_TIMES:-20} times"
things() { echo "$(ls -l /proc/$LAB_SWITCHD/fd | grep -vc socket) $("$weir" --json show system | jq '."weir-system:system-state"."buffers-in-use"')"; }
for i in $(seq "${BOOTS_TIMES:-20}"); do
	boot_start bios bios 64
	boot_says bios BIOS-BOOTED 60
	lab_kill "$LAB_GUEST"
	[ "$i" != 1 ] || before=$(things)
done
no_nak
sleep 1
[ "$(things)" = "$before" ] || { fail "descriptors and buffers: $before before, $(things) after"; exit 1; }
lab_conserved
