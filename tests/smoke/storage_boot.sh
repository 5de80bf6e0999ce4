#!/bin/bash
# The life of guests as their boot shows it, with real clients: udhcpc as a boot ROM and as an operating system, libiscsi as both. Phases, class
# boot while booting and storage after it, the window, its line, the caps, explicit calls; a guest cannot prolong its boot.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
storage_lab s t u
storage_config '."weir-vm:boot-services" = { service: [ { vlan: 1, address: "10.9.0.2", "prefix-length": 24 } ] }
	| ."weir-vm:vms".vm[].boot = { method: "iscsi", iscsi: { server: "10.9.0.1", target: $iqn } }
	| ."weir-qos:storage".boot = { window: 1, deadline: 60, "most-bytes": "4194304" }' --arg iqn "$STORAGE_IQN"
storage_tgt 1 10.9.0.1:3260
lab_switch "$LAB_T/weir.json"
for g in s:5 t:6 u:7; do storage_guest ${g%:*} ${g#*:}; done
url=iscsi://10.9.0.1/$STORAGE_IQN/1

dhcp_rom() { vguest_in "$1" udhcpc -i e0 -f -q -n -t 10 -T 1 -V PXEClient:Arch:00000:UNDI:002001 -x 0x5d:0000 -s /bin/true >/dev/null 2>&1; }
dhcp_os() { vguest_in "$1" udhcpc -i e0 -f -q -n -t 10 -T 1 -s /bin/true >/dev/null 2>&1; }
login() { vguest_in "$1" iscsi-inq -i "$2" "$url" >/dev/null; } # GUEST INITIATOR
of() { storage_state "[.vm[] | select(.name == \"$1\")][0] // { phase: \"new\" } | $2"; } # a machine that nothing was heard of is not shown
is() { # GUEST JQ-CONDITION: soon; what main is told comes a little later than the frame
	storage_poll 5 "guest $1: not $2: $(of "$1" '[.phase, .boot]')" boot_is "$1" "$2"
}
boot_is() { [ "$(of "$1" "$2")" = true ]; }

echo "- firmware: DHCP of a boot ROM, then iPXE's login; storage is class boot, with a deadline"
is s '.phase == "new"'
dhcp_rom s
is s '.phase == "boot-firmware" and .boot."in-window" and (.boot.deadline | type) == "string"'
storage_mark
login s iqn.2010-04.org.ipxe:s
storage_none s.0 bulk storage
for d in rx tx; do storage_at_least s.0 boot $d-pkts 8; done
is s '.phase == "boot-firmware"'

echo "- another that boots meanwhile waits in line, and boots too"
dhcp_rom t
is t '.phase == "boot-firmware" and (.boot."in-window" | not) and .boot.place == 1'
storage_mark
login t iqn.2010-04.org.ipxe:t
storage_none t.0 bulk storage
storage_at_least t.0 boot tx-pkts 8
for how in rom os; do dhcp_$how u; done
is u '.phase == "boot-os" and .boot.place == 2'
[ "$(storage_state '.boots | "\(.booting) \(."in-window") \(.waiting)"')" = "3 1 2" ]

echo "- the operating system: another login to the same target; or its DHCP"
login s iqn.2026-11.weir.lab:initiator
is s '.phase == "boot-os" and .boot."in-window"'
dhcp_os t
is t '.phase == "boot-os"'

echo "- booted: by an explicit call; the next one in line gets its place; storage is class storage"
"$weir" vm s boot complete >/dev/null
is s '.phase == "steady" and .boot.met'
is t '.boot."in-window" and .boot.place == 0'
storage_mark
login s iqn.2026-11.weir.lab:initiator
storage_none s.0 bulk boot
storage_at_least s.0 storage tx-pkts 8

echo "- a guest cannot boot again by itself"
dhcp_rom s
login s iqn.2010-04.org.ipxe:s
dhcp_os s
login s iqn.2026-11.weir.lab:initiator
is s '.phase == "steady"'
"$weir" vm s boot begin >/dev/null
is s '(.phase | startswith("boot-")) and .boot.place == 2'
"$weir" vm s boot complete >/dev/null

echo "- a boot ends with its bytes"
storage_read t "$url" 4 64 1
is t '.phase == "steady"'
[ "$(of t '(.boot.bytes | tonumber) >= 4194304')" = true ]
storage_state '.boots."over-bytes"' | grep -qx 1

echo "- a new start boots anew"
kill "$(cat "$LAB_T/vguest-s.pid")"
wait "$(cat "$LAB_T/vguest-s.pid")" 2>/dev/null || :
ip netns del "weirs$LAB_ID"
storage_guest s 5
is s '.phase == "new"'
dhcp_rom s
is s '.phase == "boot-firmware" and .boot.place == 1' # u has the only one

echo "- the timeline tells it"
"$weir" show vm t >"$LAB_T/vm"
for p in boot-firmware boot-os steady; do grep -q "phase $p" "$LAB_T/vm" || { cat "$LAB_T/vm"; fail "the timeline does not tell of $p"; exit 1; }; done
"$weir" show boots >"$LAB_T/boots"
grep -Eq '^s .* boot-firmware ' "$LAB_T/boots"
grep -Eq '^t .* steady ' "$LAB_T/boots"

echo "- a boot ends when its operating system reads no more"
storage_poll 15 "u boots for ever" boot_is u '.phase == "steady" and .boot.met'
is s '.boot."in-window"'
lab_conserved
