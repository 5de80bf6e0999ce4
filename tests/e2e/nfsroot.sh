#!/bin/bash
# Two Linux guests have their root on an NFS server, one by version 4.2 and one by version 3: firmware, iPXE's script, kernel, root, all of it
# told by Weir. Both come up, and write to roots of their own.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
boot_lab "four:$(boot_nfs four 4.2)" "three:$(boot_nfs three 3)"
boot_nfs_server
boot_nfs_root four "root of four"
boot_nfs_root three "root of three"
lab_switch "$LAB_T/weir.json"
lab_guest four "$LAB_T/four.sock" 52:54:00:00:00:01 512
four=$LAB_GUEST
lab_guest three "$LAB_T/three.sock" 52:54:00:00:00:02 512
three=$LAB_GUEST
boot_says four 'WEIR-GUEST: done' 200 "$four"
boot_says three 'WEIR-GUEST: done' 200 "$three"
grep -aq 'WEIR-GUEST: root: 10.9.0.1:/export/four nfs4, 4.2' "$LAB_T/four.log"
grep -aq 'WEIR-GUEST: root: 10.9.0.1:/export/three nfs, 3' "$LAB_T/three.log"
grep -aq 'WEIR-GUEST: says: root of four' "$LAB_T/four.log"
grep -aq 'WEIR-GUEST: says: root of three' "$LAB_T/three.log"
boot_nfs_was_here four 10.9.0.101
boot_nfs_was_here three 10.9.0.102
boot_event four "HTTP complete: vmlinuz"
lab_conserved
