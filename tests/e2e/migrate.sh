#!/bin/bash
# A Linux guest with iSCSI I/O under way migrates from one switch to another while it is pinged: both forwarding tables follow its first
# announcement, no I/O fails, and the source's port is silent afterwards. Both switches run here; their uplinks meet in a bridge, with the
# iSCSI server behind it. The guest does not announce itself, so QEMU asks the switch to (SEND_RARP).
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
lab_uplink
server() { ip netns exec "$LAB_SERVER" "$@"; }
up2=wv$LAB_ID
ip -n "$LAB_SERVER" addr del 10.9.0.1/24 dev "$LAB_SRV"
ip -n "$LAB_SERVER" link add sw0 type bridge
ip link add "$up2" type veth peer name ws2 netns "$LAB_SERVER"
LAB_LINKS+=("$up2")
ethtool -K "$up2" tx off >/dev/null
server ethtool -K ws2 tx off >/dev/null
server ethtool -K sw0 tx off >/dev/null
for l in "$LAB_SRV" ws2; do ip -n "$LAB_SERVER" link set "$l" up master sw0; done
ip -n "$LAB_SERVER" addr add 10.9.0.1/24 dev sw0
ip -n "$LAB_SERVER" link set sw0 up
ip link set "$up2" up
lab_data_disk "$LAB_T/disk.img" "migrates"
lab_iscsi "$LAB_T/disk.img"

# The guest of the other tests, with a program beside it that reads and writes its disk for ever.
mkdir "$LAB_T/i"
cat >"$LAB_T/i/io" <<'S'
#!/bin/sh
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
(
	n=0
	until grep -q sda /proc/partitions 2>/dev/null; do sleep 1; done
	while :; do
		n=$((n + 1))
		echo 3 >/proc/sys/vm/drop_caches
		dd if=/dev/sda of=/dev/null bs=64k count=8 2>/dev/null && echo "io $n" | dd of=/dev/sda bs=512 seek=200 conv=notrunc,fsync 2>/dev/null || echo "WEIR-IO failed $n"
		echo "WEIR-IO $n"
	done
) &
exec /init
S
chmod 755 "$LAB_T/i/io"
{ cat "$lab_build/guest/initrd"; (cd "$LAB_T/i" && echo io | cpio -o -H newc --quiet | gzip -1); } >"$LAB_T/initrd"

mac=52:54:00:00:00:01
no_announce=(-global virtio-net-pci.guest_announce=off)
mkdir "$LAB_T/a" "$LAB_T/b"
config() { # NAME UPLINK
	cat >"$LAB_T/$1.json" <<C
{ "weir-system:system": { "max-sleep": 200, "packet-buffers": 8192 },
  "ietf-interfaces:interfaces": { "interface": [
    { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$2" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-files": { "file": [ { "name": "vmlinuz", "path": "$lab_build/guest/vmlinuz" }, { "name": "initrd", "path": "$LAB_T/initrd" } ] },
  "weir-vm:vms": { "vm": [
    { "name": "web1", "nic": [ { "id": 0, "mac": "$mac", "ipv4-address": [ "10.9.0.101" ], "socket": "$LAB_T/$1.vhost" } ],
      "boot": { "method": "kernel", "kernel": "vmlinuz", "initrd": "initrd", "cmdline": "console=ttyS0 quiet rdinit=/io weir.stay",
                "iscsi": { "server": "10.9.0.1", "target": "iqn.2026-11.weir.lab:1" } } } ] } }
C
}
on() { # SWITCH ARGS...: the weir command there
	local at=$LAB_T/$1/ctl
	shift
	WEIR_SOCKET=$at "$weir" "$@"
}
place() { on "$1" --json show macs | jq -r --arg m $mac '."weir-interfaces:mac-table".mac[]? | select(.address == $m) | "\(.port) \(.static)"'; }
port() { on "$1" --json show port web1.0 | jq '."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state"'; }
count() { port "$1" | jq -r ".counter[] | select(.name==\"$2\").value"; }
listens() { [ -S "$LAB_T/migration" ] && echo yes; }
told() { socat - "UNIX-CONNECT:$LAB_T/$1.mon" <<<"$2" 2>/dev/null | tr -d '\r'; }
ios() { tr -d '\r' <"$LAB_T/$1.log" | grep -a "^WEIR-IO [0-9]" | tail -1 | cut -d' ' -f2; }
is() { # SECONDS WANTED COMMAND...: it says that in time
	local until=$((SECONDS + $1)) want=$2
	shift 2
	until [ "$("$@")" = "$want" ]; do
		[ $SECONDS -lt $until ] || { fail "'$*' says '$("$@")', not '$want'"; return 1; }
		sleep 0.1
	done
}

config a "$LAB_UP"
config b "$up2"
for s in a b; do WEIR_SOCKET=$LAB_T/$s/ctl LAB_SWITCH_ARGS="${LAB_SWITCH_ARGS:---no-huge}" lab_switch "$LAB_T/$s.json"; done

echo "- a guest boots at the source and works"
lab_guest src "$LAB_T/a.vhost" $mac 256 -monitor "unix:$LAB_T/src.mon,server=on,wait=off" "${no_announce[@]}"
src=$LAB_GUEST
lab_wait_text "$LAB_T/src.log" "WEIR-IO 3" 90 "$src" || { tr -d '\r' <"$LAB_T/src.log" | tail; exit 1; }
is 1 "web1.0 true" place a
is 1 "uplink false" place b

echo "- it migrates"
lab_guest dst "$LAB_T/b.vhost" $mac 256 -monitor "unix:$LAB_T/dst.mon,server=on,wait=off" "${no_announce[@]}" -incoming "unix:$LAB_T/migration"
dst=$LAB_GUEST
on a vm web1 event migrate-out
on b vm web1 event migrate-in
is 30 yes listens
is 5 "uplink false" place b
server tcpdump -n -e -l -i ws2 "ether src $mac and ether proto 0x8035" >"$LAB_T/rarp" 2>/dev/null & tcpdump=$!
LAB_PIDS+=("$tcpdump")
server ping -i 0.02 -w 120 -D -O 10.9.0.101 >"$LAB_T/ping" & p=$!
told src "migrate -d unix:$LAB_T/migration" >/dev/null
until told src "info migrate" | grep -qE "Migration status: (completed|failed)"; do
	kill -0 "$dst" || { tail "$LAB_T/dst.log"; exit 1; }
	sleep 0.1
done
told src "info migrate" | grep -E "status|downtime" | sed 's/^/  /'
is 5 "web1.0 true" place b
is 5 "uplink false" place a
on a --json show vm web1 | jq -r '."weir-vm:vms-state".vm[0]."boot-event"[]?.event' | grep state || :
silent=$(count a rx_pkts)

echo "- at the destination it goes on"
n=$(ios src)
lab_wait_text "$LAB_T/dst.log" "WEIR-IO $((n + 5))" 60 "$dst" || { tr -d '\r' <"$LAB_T/dst.log" | tail; exit 1; }
sleep 1
lab_kill $p
lab_kill $tcpdump
grep -q "> ff:ff:ff:ff:ff:ff" "$LAB_T/rarp"
# Answers by their numbers: how many are missing, and the longest run of them. A frame each 20 ms.
read -r asked missing longest < <(awk '/bytes from/ { match($0, /icmp_seq=[0-9]+/); s = substr($0, RSTART + 9, RLENGTH - 9) + 0; seen[s] = 1; if (s > m) m = s }
	END { for (i = 1; i <= m; i++) if (i in seen) run = 0; else { n++; if (++run > most) most = run }; print m, n + 0, most + 0 }' "$LAB_T/ping")
echo "  $missing of $asked pings were lost, $longest of them together"
[ "$asked" -gt 100 ] && [ "$longest" -lt 250 ]
refute grep -aqE "WEIR-IO failed|I/O error|detected conn error" "$LAB_T/src.log" "$LAB_T/dst.log"
[ "$(dd if="$LAB_T/disk.img" bs=512 skip=200 count=1 2>/dev/null | head -1 | tr -dc '0-9')" -gt $((n + 3)) ]
[ "$(count a rx_pkts)" = "$silent" ]
refute grep -q . < <(port b | jq -r ".drop[]? | select(.reason == \"standby\" and .in != \"0\")") # not one frame of its announcement
lab_kill "$dst"
for s in a b; do WEIR_SOCKET=$LAB_T/$s/ctl lab_conserved; done
