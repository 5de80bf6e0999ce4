#!/bin/bash
# NETCONF by its clients: ncclient over a real sshd does every operation, as root and as a user whom access control holds back; 16 of them
# at a time (LONG=1: in five rounds, not two). Then bytes: old clients, one-byte chunks, a thousand requests in one write, clients that vanish.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/netconf_lab.sh"
set -eu
nc_lab_begin
lab_uplink
user=weirnc$LAB_ID
nc_user "$user"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "up", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] },
  "weir-vlans:vlans": { "vlan": [ { "id": 5, "name": "lab" } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:vms": { "vm": [
    { "name": "a", "description": "first",
      "nic": [ { "id": 0, "mac": "52:54:00:20:00:01", "socket": "$LAB_T/a.sock", "ipv4-address": ["10.9.0.11"] } ],
      "boot": { "method": "iscsi", "iscsi": { "server": "10.9.0.1", "port": 3260, "target": "iqn.2026-11.example:a" } } },
    { "name": "b", "description": "Größe: 5 < 6 & 日本語 🐧" } ] },
  "weir-qos:storage": { "portal": [ { "address": "10.8.0.9", "protocol": "tcp", "port": 4420 } ] } }
C
lab_switch "$LAB_T/weir.json"
nc_sshd

echo "- ncclient: every operation"
mkdir "$LAB_T/schemas"
nc_run clients 100 /usr/bin/python3 -B "$lab_top/tests/lib/netconf_clients.py" "$NC_PORT" "$LAB_T/key" "$user" "$LAB_T/schemas"
cat "$LAB_T/clients.log"
grep -q 'committed by root (netconf)' "$LAB_T/switch.log"
grep -q "committed by $user (netconf)" "$LAB_T/switch.log"

echo "- bytes"
nc_run frames 60 /usr/bin/python3 -B "$lab_top/tests/lib/netconf_frames.py" "$NC_PORT" "$LAB_T/key"
cat "$LAB_T/frames.log"
"$weir" ping | grep -qx alive
lab_conserved
