#!/bin/bash
# A UEFI guest boots diskless: OVMF asks by PXE, gets iPXE by TFTP, which boots the guest's iSCSI disk: its EFI system partition's
# BOOTX64.EFI says so. On the wire this is what the client of that name does, and nothing else.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
boot_lab "uefi:$(boot_iscsi 1)"
lab_efi_disk "$LAB_T/disk.img" E2E-EFI-FROM-ISCSI
lab_iscsi "$LAB_T/disk.img"
lab_switch "$LAB_T/weir.json"
boot_capture uefi.0
echo "- OVMF, PXE: snponly.efi by TFTP, then the disk"
lab_guest_uefi uefi "$LAB_T/uefi.sock" 52:54:00:00:00:01 256
boot_says uefi E2E-EFI-FROM-ISCSI 200
boot_sequence uefi.0 ovmf-pxe
boot_event uefi 'TFTP complete: snponly.efi'
boot_event uefi 'DHCP ack: iPXE firmware'
boot_event uefi 'first storage frame'
lab_kill "$LAB_GUEST"
lab_conserved
