#!/bin/bash
# UEFI guests boot diskless, each without a word to its firmware. One asks by PXE, gets iPXE by TFTP, which boots the guest's iSCSI disk: its
# EFI system partition's BOOTX64.EFI says so. One asks by HTTP and runs the application that it fetched. On the wire it is what clients of
# these names do, and nothing else.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
boot_lab "pxe:$(boot_iscsi 1)" 'http:{"method":"http","http":{"file":"app.efi"}}'
"$lab_top/tools/lib/efi-app" E2E-EFI-BY-HTTP >"$LAB_T/app.efi"
boot_config --arg f "$LAB_T/app.efi" '."weir-vm:boot-files".file += [ { name: "app.efi", path: $f } ]'
lab_efi_disk "$LAB_T/disk.img" E2E-EFI-FROM-ISCSI
lab_iscsi "$LAB_T/disk.img"
lab_switch "$LAB_T/weir.json"
boot_capture pxe.0
boot_start pxe uefi 256
pxe=$LAB_GUEST
boot_efi_http http
http=$LAB_GUEST

echo "- OVMF, HTTP boot"
boot_says http E2E-EFI-BY-HTTP 200 "$http"
boot_event http 'DHCP ack: HTTP firmware, UEFI x64'
boot_event http 'HTTP complete: app.efi'
refute boot_event http 'TFTP'
lab_kill "$http"

echo "- OVMF, PXE: snponly.efi by TFTP, then the disk"
boot_says pxe E2E-EFI-FROM-ISCSI 200 "$pxe"
boot_sequence pxe.0 ovmf-pxe
boot_event pxe 'TFTP complete: snponly.efi'
boot_event pxe 'first storage frame'
lab_kill "$pxe"
lab_conserved
