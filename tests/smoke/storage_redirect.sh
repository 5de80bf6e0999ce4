#!/bin/bash
# A listed iSCSI server (tgt) redirects its client (libiscsi) to a portal that nobody declared: every frame of that connection is class
# storage, both ways. The portal is shown, and still known after a restart; what no listed server says teaches nothing.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
storage_lab s
storage_tgt 1 10.9.0.1:3260,10.9.0.4:3260
storage_tgt 2 10.9.0.3:4001
storage_tgt 3 10.9.0.4:4002
lab_switch "$LAB_T/weir.json"
storage_guest s 5
storage_booted s

echo "- before anybody teaches it, 10.9.0.3:4001 is bulk"
storage_mark
vguest_in s iscsi-inq "iscsi://10.9.0.3:4001/$STORAGE_IQN/1" | grep -q Vendor:IET
storage_none s.0 storage boot
storage_at_least s.0 bulk rx-pkts 8

echo "- a listed server sends its client there: all of it is storage, there and back, from the first frame on"
storage_redirect 1 10.9.0.3 4001
storage_mark
storage_read s "iscsi://10.9.0.1/$STORAGE_IQN/1"
for p in s.0 uplink; do storage_none $p bulk boot latency interactive scavenger; done
storage_at_least s.0 storage tx-bytes "$STORAGE_BYTES"
storage_at_least uplink storage rx-bytes "$STORAGE_BYTES"
for c in "s.0 storage rx-bytes" "uplink storage tx-bytes"; do storage_at_least $c $((STORAGE_COMMANDS * 48)); done
# The redirect itself is a few frames; what was read came from the portal that it named.
[ "$(ip netns exec "$LAB_SERVER" ss -Htn state all src 10.9.0.3:4001 | wc -l)" -ge 1 ]

echo "- it is shown: how, by whom, how much"
storage_portal_is 10.9.0.3 4001 how redirect teacher 10.9.0.1 protocol tcp service iscsi sessions 0
[ "$(storage_portal 10.9.0.3 4001 bytes)" -ge "$STORAGE_BYTES" ]
storage_portal 10.9.0.3 4001 last-seen | grep -q "^$(date -u +%Y)-"
"$weir" show portals | grep -Eq '^10\.9\.0\.3:4001 +iscsi +redirect +10\.9\.0\.1 '
class_of() { # ADDRESS PORT: what a frame of guest s to it is
	"$weir" explain s.0 src=52:54:00:00:00:05 ip=10.9.0.105,"$1" tcp=1024,"$2" | sed -n 's/^class  *\([a-z]*\),.*/\1/p'
}
[ "$(class_of 10.9.0.3 4001)" = storage ]
[ "$(class_of 10.9.0.3 4002)" = bulk ]
[ "$(class_of 10.9.0.4 4001)" = bulk ]

echo "- the switch is killed and started again: still known, before anybody logs in"
storage_restart KILL
storage_portal_is 10.9.0.3 4001 how redirect teacher 10.9.0.1
storage_reached s
storage_booted s
storage_mark
storage_read s "iscsi://10.9.0.3:4001/$STORAGE_IQN/1"
storage_none s.0 bulk boot
storage_at_least s.0 storage tx-bytes "$STORAGE_BYTES"

echo "- a server that is not listed teaches nothing"
storage_redirect 1 10.9.0.4 4002
storage_mark
storage_read s "iscsi://10.9.0.4/$STORAGE_IQN/1"
storage_none s.0 storage boot
storage_at_least s.0 bulk tx-bytes "$STORAGE_BYTES"
[ -z "$(storage_how 10.9.0.4 4002)" ]
[ "$(class_of 10.9.0.4 4002)" = bulk ]

echo "- an operator forgets it"
"$weir" forget portal 10.9.0.3 tcp 4001 >/dev/null
[ -z "$(storage_how 10.9.0.3 4001)" ]
[ "$(class_of 10.9.0.3 4001)" = bulk ]
lab_conserved
