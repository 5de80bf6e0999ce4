#!/bin/bash
# Weir beside dnsmasq and Kea: the same questions of firmware and operating systems to all three, told alike. What differs is listed in
# tests/lib/dhcp_diff.py with the reason.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
root=iscsi:10.9.0.1:::1:iqn.2026-11.weir.lab:1 san=52:54:00:00:00:01 image=52:54:00:00:00:02
san_kinds=(bios-pxe uefi-pxe ipxe-bios ipxe-uefi udhcpc dhclient networkd) image_kinds=(uefi-http)
boot_lab "san:$(boot_iscsi 1)" 'image:{"method":"http","http":{"file":"app.efi"}}'
"$lab_top/tools/lib/efi-app" x >"$LAB_T/app.efi"
boot_config --arg f "$LAB_T/app.efi" '."weir-vm:boot-files".file += [ { name: "app.efi", path: $f } ]
	| ."weir-vm:boot-services".service[0] += { router: "10.9.0.254", dns: [ "10.9.0.53" ], domain: "lab.example" }'
mkdir "$LAB_T/said"

peer() { # NAME: namespace $1's server with sv, 10.9.0.2; its clients' with e0
	local ns=weir$1$LAB_ID c=weir$1c$LAB_ID
	ip netns add "$ns"; ip netns add "$c"
	LAB_NS+=("$ns" "$c")
	ip link add e0 netns "$c" address "$san" type veth peer name sv netns "$ns"
	ip -n "$ns" addr add 10.9.0.2/24 dev sv
	ip -n "$ns" link set sv up; ip -n "$ns" link set lo up
	ip -n "$c" link set e0 up
}
ask() { # SERVER NAMESPACE MAC KIND...
	local file=$LAB_T/said/$1.$3.json ns=$2 mac=$3
	shift 3
	ip netns exec "$ns" /usr/bin/python3 -B "$lab_top/tests/lib/dhcp_diff.py" ask e0 "$mac" "$@" >"$file"
}

# Real programs, too: what they made of the answer, as their scripts are told.
cat >"$LAB_T/udhcpc.sh" <<-U
	#!/bin/sh
	[ "\$1" = bound ] || exit 0
	env | grep -E '^(ip|subnet|mask|router|dns|domain|hostname|lease|serverid|rootpath|siaddr|boot_file|bootfile|tftp|opt[0-9]+)=' >"\$SAID"
U
cat >"$LAB_T/dhclient.sh" <<-D
	#!/bin/sh
	env | grep '^new_' | grep -v -e ^new_expiry -e ^new_next_server >>"\$SAID"
D
chmod 755 "$LAB_T"/*.sh
: >"$LAB_T/dhclient.conf"
programs() { # SERVER NAMESPACE
	local in="ip netns exec $2" p said
	SAID=$LAB_T/udhcpc.$1 $in udhcpc -i e0 -f -q -n -t 5 -T 1 -O rootpath -s "$LAB_T/udhcpc.sh" >/dev/null 2>&1
	SAID=$LAB_T/dhclient.$1 timeout 20 $in dhclient -1 -e SAID="$LAB_T/dhclient.$1" -cf "$LAB_T/dhclient.conf" -lf "$LAB_T/leases.$1" -pf "$LAB_T/dhclient.$1.pid" -sf "$LAB_T/dhclient.sh" e0 >/dev/null 2>&1
	kill "$(cat "$LAB_T/dhclient.$1.pid")"
	for p in udhcpc dhclient; do
		said=$LAB_T/$p.$1
		sort -u "$said" | jq -R -n --arg p "real-$p" '{ ($p): { ack: [ inputs | capture("^(?<k>[^=]*)=(?<v>.*)$") | { (.k): .v } ] | add } }' >"$LAB_T/said/$1.$p.json"
	done
}

echo "- dnsmasq"
peer dnsmasq
printf '%s\n' port=0 interface=sv bind-interfaces no-ping dhcp-authoritative no-hosts no-resolv "dhcp-leasefile=$LAB_T/dnsmasq.leases" dhcp-range=10.9.0.0,static,255.255.255.0,infinite \
	"dhcp-host=$san,10.9.0.101,san,infinite" "dhcp-host=$image,10.9.0.102,image,infinite" dhcp-option=3,10.9.0.254 dhcp-option=6,10.9.0.53 domain=lab.example \
	"dhcp-mac=set:san,$san" "dhcp-mac=set:image,$image" dhcp-match=set:ipxe,175 dhcp-userclass=set:ipxe,iPXE dhcp-match=set:efi,option:client-arch,7 \
	dhcp-match=set:bios,option:client-arch,0 dhcp-match=set:http,option:client-arch,16 "dhcp-option=tag:san,17,$root" dhcp-option=tag:san,203,iqn.2026-11.weir:san dhcp-option-force=tag:ipxe,175,b0:01:01 \
	dhcp-boot=tag:san,tag:efi,tag:!ipxe,snponly.efi,,10.9.0.2 dhcp-boot=tag:san,tag:bios,tag:!ipxe,undionly.kpxe,,10.9.0.2 \
	dhcp-boot=tag:image,tag:http,http://10.9.0.2/app.efi,,10.9.0.2 dhcp-option-force=tag:http,60,HTTPClient dhcp-option=tag:efi,tag:!ipxe,vendor:PXEClient,6,8b \
	dhcp-option=tag:bios,tag:!ipxe,vendor:PXEClient,6,8b dhcp-no-override >"$LAB_T/dnsmasq.conf"
ip netns exec "weirdnsmasq$LAB_ID" dnsmasq -k -C "$LAB_T/dnsmasq.conf" --log-facility="$LAB_T/dnsmasq.log" --pid-file= & LAB_PIDS+=($!)

echo "- Kea"
peer kea
jq -n --arg san "$san" --arg image "$image" --arg root "$root" --arg t "$LAB_T" '
	def force(n; d): { name: n, data: d, "always-send": true };
	def hex(n; d): { name: n, data: d, "csv-format": false, "always-send": true };
	{ Dhcp4: { "interfaces-config": { interfaces: [ "sv" ] }, "lease-database": { type: "memfile", persist: false }, "valid-lifetime": 4294967295, authoritative: true,
		"option-def": [ { name: "ipxe", code: 175, type: "binary" }, { name: "initiator", code: 203, type: "string" } ], "echo-client-id": false, "match-client-id": false, "calculate-tee-times": false,
		"client-classes": [
			{ name: "ipxe", test: "option[175].exists", "option-data": [ hex("ipxe"; "b00101") ] },
			{ name: "efi", test: "option[93].hex == 0x0007 and not option[175].exists", "boot-file-name": "snponly.efi", "next-server": "10.9.0.2",
			  "option-data": [ force("vendor-class-identifier"; "PXEClient"), hex("vendor-encapsulated-options"; "060108ff"), force("boot-file-name"; "snponly.efi") ] },
			{ name: "bios", test: "option[93].hex == 0x0000 and not option[175].exists", "boot-file-name": "undionly.kpxe", "next-server": "10.9.0.2",
			  "option-data": [ force("vendor-class-identifier"; "PXEClient"), hex("vendor-encapsulated-options"; "060108ff"), force("boot-file-name"; "undionly.kpxe") ] },
			{ name: "http", test: "option[93].hex == 0x0010", "boot-file-name": "http://10.9.0.2/app.efi", "next-server": "10.9.0.2",
			  "option-data": [ force("vendor-class-identifier"; "HTTPClient"), force("boot-file-name"; "http://10.9.0.2/app.efi") ] } ],
		subnet4: [ { subnet: "10.9.0.0/24", "option-data": [ { name: "routers", data: "10.9.0.254" }, { name: "domain-name-servers", data: "10.9.0.53" }, { name: "domain-name", data: "lab.example" } ],
			reservations: [ { "hw-address": $san, "ip-address": "10.9.0.101", hostname: "san", "option-data": [ { name: "root-path", data: $root }, { name: "initiator", data: "iqn.2026-11.weir:san" }, { name: "host-name", data: "san" } ] },
				{ "hw-address": $image, "ip-address": "10.9.0.102", hostname: "image", "option-data": [ { name: "host-name", data: "image" } ] } ] } ],
		loggers: [ { name: "kea-dhcp4", severity: "INFO", output_options: [ { output: "\($t)/kea.log" } ] } ] } }' >"$LAB_T/kea.json"
KEA_PIDFILE_DIR=$LAB_T KEA_LOCKFILE_DIR=$LAB_T ip netns exec "weirkea$LAB_ID" kea-dhcp4 -c "$LAB_T/kea.json" >"$LAB_T/kea.out" 2>&1 & kea=$!; LAB_PIDS+=($kea)
for _ in $(seq 100); do grep -qs DHCP4_STARTED "$LAB_T/kea.log" && break; kill -0 $kea || { cat "$LAB_T/kea.out"; exit 1; }; sleep 0.1; done

echo "- Weir"
lab_switch "$LAB_T/weir.json"
vguest san "$LAB_T/san.sock" "$san"
vguest image "$LAB_T/image.sock" "$image"
for _ in $(seq 50); do [ "$("$weir" --json show vms | jq '[."weir-vm:vms-state".vm[].nic[] | select(.connected)] | length')" = 2 ] && break; sleep 0.1; done

ask weir "weirsan$LAB_ID" "$san" "${san_kinds[@]}" & asked=($!)
for s in dnsmasq kea; do
	ask $s "weir${s}c$LAB_ID" "$san" "${san_kinds[@]}" & asked+=($!)
	ask $s "weir${s}c$LAB_ID" "$image" "${image_kinds[@]}" & asked+=($!)
done
ask weir "weirimage$LAB_ID" "$image" "${image_kinds[@]}"
for p in "${asked[@]}"; do wait "$p"; done
programs weir "weirsan$LAB_ID" & asked=($!)
for s in dnsmasq kea; do programs $s "weir${s}c$LAB_ID" & asked+=($!); done
for p in "${asked[@]}"; do wait "$p" || { cat "$LAB_T"/{dnsmasq,kea}.log; exit 1; }; done
[ -z "${DHCP_DIFF_KEEP:-}" ] || cp -r "$LAB_T/said" "$DHCP_DIFF_KEEP"
/usr/bin/python3 -B "$lab_top/tests/lib/dhcp_diff.py" compare "$LAB_T/said" ${DHCP_DIFF_ARGS:-}
