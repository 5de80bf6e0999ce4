#!/bin/bash
# What servers tell their clients teaches portals: SendTargets (libiscsi's iscsi-ls asks tgt), rpcbind (libnfs asks for nfs-ganesha's mountd
# and for NFS itself, at ports that nobody knows). The bytes that follow are class storage, both ways.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
storage_lab s
# tgt names the address at which it was reached. A discovery address before it, as arrays have one, makes that another portal.
storage_tgt 1 10.9.0.1:3999,10.9.0.3:3998
storage_relay 10.9.0.1:3260 10.9.0.1:3999
storage_relay 10.9.0.1:860 10.9.0.3:3998
qos_nfs 20490
lab_switch "$LAB_T/weir.json"
storage_guest s 5
storage_booted s
same_class() { # CLASS OTHER: at guest and uplink all frames were of that class, none of the other
	local p d
	for p in s.0 uplink; do
		storage_none $p "$2"
		for d in rx tx; do storage_at_least $p "$1" $d-pkts 8; done
	done
}

echo "- SendTargets"
[ -z "$(storage_how 10.9.0.1 3999)" ]
for ask in 10.9.0.1=10.9.0.1:3999 10.9.0.1:860=10.9.0.3:3998; do
	vguest_in s iscsi-ls "iscsi://${ask%=*}" | grep -qF "Target:$STORAGE_IQN Portal:${ask#*=},1"
	portal=${ask#*=}
	storage_portal_is "${portal%:*}" "${portal#*:}" how sendtargets teacher 10.9.0.1 service iscsi
	storage_mark
	storage_read s "iscsi://$portal/$STORAGE_IQN/1"
	same_class storage bulk
	storage_at_least s.0 storage tx-bytes "$STORAGE_BYTES"
done

echo "- rpcbind"
head -c 4000000 /dev/urandom >"$LAB_T/file"
mountd=$(storage_rpc_port mountd)
[ "$mountd" -gt 0 ] && [ "$mountd" != 20048 ] && [ "$mountd" != 2049 ]
storage_mark
vguest_in s timeout 30 nfs-cp "$LAB_T/file" nfs://10.9.0.1/export/there >/dev/null
vguest_in s timeout 30 nfs-cp nfs://10.9.0.1/export/there "$LAB_T/back" >/dev/null
cmp "$LAB_T/file" "$QOS_EXPORT/there"
cmp "$LAB_T/file" "$LAB_T/back"
same_class storage bulk
for p in s.0 uplink; do for d in rx tx; do storage_at_least $p storage $d-bytes 4000000; done; done
storage_portal_is 10.9.0.1 "$mountd" how rpcbind teacher 10.9.0.1 service rpc
storage_portal_is 10.9.0.1 20490 how rpcbind teacher 10.9.0.1 service nfs
[ "$(storage_portal 10.9.0.1 20490 bytes)" -ge 8000000 ]

echo "- nothing else was learnt, and all of it is known after a restart"
learnt() { "$weir" --json show portals | jq -r '[."weir-storage:storage-state".portal[] | select(.teacher) | "\(.address):\(.port)"] | sort | join(" ")'; }
all=$(learnt)
[ "$all" = "$(printf '%s\n' 10.9.0.1:20490 10.9.0.1:3999 "10.9.0.1:$mountd" 10.9.0.3:3998 | LC_ALL=C sort | paste -sd' ')" ] || { echo "learnt: $all"; exit 1; }
storage_restart TERM # what was learnt in the last seconds is written at the end
[ "$(learnt)" = "$all" ]

echo "- NBD is recognised by its port: class storage, not timed"
storage_reached s
storage_booted s
storage_nbd
storage_mark
vguest_in s timeout 20 nbdcopy nbd://10.9.0.1 "$LAB_T/nbd"
cmp "$LAB_T/disk.img" "$LAB_T/nbd"
same_class storage bulk
storage_at_least s.0 storage tx-bytes 16000000
[ "$(storage_portal 10.9.0.1 10809 service)" = nbd ]
[ "$(storage_state '.vm[] | select(.name == "s").wait[] | select(.port == 10809).watched')" = false ]
lab_conserved
