#!/bin/bash
# Several hundred guest ports, on two workers; added, changed and removed while two others talk.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_uplink
N=400
config() { # FIRST LAST VLAN: VMs FIRST..LAST
	/usr/bin/python3 - "$LAB_T" "$LAB_UP" "$LAB_ID" "$@" <<-'P'
		import json, sys
		t, up, lab, first, last, vlan = sys.argv[1:]
		vms = [{"name": "v%d" % i, "nic": [{"id": 0, "mac": "52:54:01:00:%02x:%02x" % (i >> 8, i & 255), "vlan": int(vlan),
		        "ipv4-address": ["10.%d.%d.%d" % (20 + int(vlan), i >> 8, i & 255)], "socket": "%s/v%d" % (t, i)}]} for i in range(int(first), int(last) + 1)]
		port = lambda n, k, **p: {"name": n, "type": "weir-interfaces:" + k, "weir-interfaces:port": p}
		json.dump({"ietf-interfaces:interfaces": {"interface": [port("up", "uplink", **{"af-packet": up}), port("weir0", "host", tap="t" + lab)]},
		           "weir-system:system": {"worker-cpu": [0, 1]}, "weir-vm:vms": {"vm": vms}}, open(t + "/weir.json", "w"))
	P
}
ports() { "$weir" show ports | grep -c ' guest '; }
config 1 $N 7
lab_switch "$LAB_T/weir.json"
[ "$(ports)" = $N ]
[ "$("$weir" --json show system | jq '."weir-system:system-state".worker | length')" = 2 ]
ip addr add 10.9.0.7/24 dev "t$LAB_ID"; ip link set "t$LAB_ID" up
ping -q -c 2 -i 0.2 -W 2 10.9.0.1 >/dev/null
fds=$(ls /proc/$LAB_SWITCHD/fd | wc -l)

ping -q -i 0.01 -c 300 -W 2 10.9.0.1 >"$LAB_T/ping" & p=$!
config 1 $N 8; "$weir" reload | grep -c 'change vlan' | grep -qx $N
config 1 10 8; "$weir" reload | grep -c 'port .*: remove' | grep -qx $((N - 10))
[ "$(ports)" = 10 ]
config 1 $N 7; "$weir" reload | grep -c 'port .*: add' | grep -qx $((N - 10))
wait $p
grep -q ' 0% packet loss' "$LAB_T/ping" || { cat "$LAB_T/ping"; exit 1; }
[ "$(ports)" = $N ]
[ "$("$weir" show macs | grep -c static)" = 0 ] # none of the guests is there
# Descriptors are where they were, give or take the sockets that are being tried just now.
now=$(ls /proc/$LAB_SWITCHD/fd | wc -l)
[ $((now - fds)) -le 4 ] || { echo "descriptors: $fds, then $now"; exit 1; }
lab_conserved
