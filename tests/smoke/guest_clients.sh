#!/bin/bash
# Real clients behind a vhost-user port: udhcpc, tftp-hpa, atftp, libiscsi. And: the switch is killed and started again under
# traffic; the guest is not touched, and its lease is the same.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
set -eu
lab_begin
lab_uplink
lab_data_disk "$LAB_T/disk.img" "a disk"
lab_iscsi "$LAB_T/disk.img"
head -c 3000000 /dev/urandom >"$LAB_T/kernel"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [ { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-files": { "file": [ { "name": "kernel", "path": "$LAB_T/kernel" } ] },
  "weir-vm:vms": { "vm": [ { "name": "g", "nic": [ { "id": 0, "mac": "52:54:00:00:00:05", "ipv4-address": [ "10.9.0.105" ], "socket": "$LAB_T/g.sock" } ],
      "boot": { "method": "kernel", "kernel": "kernel", "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:1" } } } ] } }
C
lab_switch "$LAB_T/weir.json"
vguest g "$LAB_T/g.sock" 52:54:00:00:00:05
for _ in $(seq 50); do "$weir" show vms | grep -q connected && break; sleep 0.1; done

cat >"$LAB_T/bound.sh" <<S
#!/bin/sh
[ "\$1" = bound ] && { echo "\$ip \$rootpath \$lease" >"$LAB_T/lease"; ip addr replace "\$ip/24" dev e0; }
exit 0
S
chmod 755 "$LAB_T/bound.sh"
lease() { vguest_in g udhcpc -i e0 -f -q -n -t 10 -T 1 -O rootpath -s "$LAB_T/bound.sh" >/dev/null 2>&1; cat "$LAB_T/lease"; }

echo "- udhcpc"
lease1=$(lease)
[ "$lease1" = "10.9.0.105 iscsi:10.9.0.1:::1:iqn.2026-11.weir.lab:1 4294967295" ] || { echo "lease: $lease1"; exit 1; }

echo "- tftp-hpa and atftp, whole and with options"
vguest_in g tftp -m octet 10.9.0.2 -c get kernel "$LAB_T/got1"
cmp "$LAB_T/kernel" "$LAB_T/got1"
vguest_in g atftp --option "blksize 1400" --option "windowsize 8" -g -r kernel -l "$LAB_T/got2" 10.9.0.2 >/dev/null 2>&1
cmp "$LAB_T/kernel" "$LAB_T/got2"
vguest_in g tftp -m octet 10.9.0.2 -c get ../../etc/passwd "$LAB_T/got3" | grep -q 'no such file for this VM'
refute grep -q root "$LAB_T/got3"

echo "- libiscsi, classed as storage in both directions, once the guest has booted"
"$weir" vm g boot complete >/dev/null
vguest_in g iscsi-inq iscsi://10.9.0.1/iqn.2026-11.weir.lab:1/1 | grep -q 'Vendor:IET'
"$weir" --json show port g.0 | jq -e '[."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".class[] | select(.name=="storage")][0] | (."rx-pkts"|tonumber) > 5 and (."tx-pkts"|tonumber) > 5' >/dev/null

echo "- TCP with checksum offload left to be finished by the switch"
lab_conserved

echo "- kill -9 under traffic; the same guest goes on, with the same lease"
vguest_in g ping -q -i 0.02 -c 400 -W 2 10.9.0.1 >"$LAB_T/ping" & p=$!
sleep 1
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
lab_switch "$LAB_T/weir.json"
wait $p || true
received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$LAB_T/ping")
[ "$received" -ge 150 ] || { cat "$LAB_T/ping"; exit 1; }
vguest_in g ping -q -c 5 -i 0.2 -W 2 10.9.0.1 | grep -q ' 0% packet loss'
[ "$(lease)" = "$lease1" ]
lab_conserved
