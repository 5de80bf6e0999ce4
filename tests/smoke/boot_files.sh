#!/bin/bash
# Boot files by HTTP and TFTP, for real clients behind vhost-user ports: curl, atftp, tftp-hpa. A guest gets its own files whole,
# in parts and many at once; no name reaches another guest's file or one of the host, nor does another guest's address; nobody behind
# the uplink gets any. The service address comes and goes with the configuration.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
set -eu
lab_begin
lab_uplink
dev=wh$LAB_ID svc=10.9.0.2
head -c 3000000 /dev/urandom >"$LAB_T/kernel"
head -c 700000 /dev/urandom >"$LAB_T/initrd"
head -c 5000 /dev/urandom >"$LAB_T/other"
config() { # EXTRA-SERVICE-MEMBERS
	cat <<-C
	{ "ietf-interfaces:interfaces": { "interface": [
	    { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } },
	    { "name": "host", "type": "weir-interfaces:host", "weir-interfaces:port": { "tap": "$dev" } } ] },
	  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "$svc", "prefix-length": 24 $1 } ] },
	  "weir-vm:boot-files": { "file": [ { "name": "kernel", "path": "$LAB_T/kernel" }, { "name": "debian/initrd", "path": "$LAB_T/initrd" },
	      { "name": "other", "path": "$LAB_T/other" } ] },
	  "weir-vm:vms": { "vm": [
	    { "name": "a", "nic": [ { "id": 0, "mac": "52:54:00:00:00:0a", "ipv4-address": [ "10.9.0.110" ], "socket": "$LAB_T/a.sock" } ],
	      "boot": { "method": "kernel", "kernel": "kernel", "initrd": "debian/initrd", "cmdline": "quiet" } },
	    { "name": "b", "nic": [ { "id": 0, "mac": "52:54:00:00:00:0b", "ipv4-address": [ "10.9.0.111" ], "socket": "$LAB_T/b.sock" } ],
	      "boot": { "method": "kernel", "kernel": "other" } },
	    { "name": "c", "nic": [ { "id": 0, "mac": "52:54:00:00:00:0c", "socket": "$LAB_T/c.sock" } ] } ] } }
	C
}
config "" >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
for g in a b; do
	vguest $g "$LAB_T/$g.sock" 52:54:00:00:00:0$g
	ip -n "weir$g$LAB_ID" addr add "10.9.0.11$((0x$g - 10))/24" dev e0
done
for _ in $(seq 50); do [ "$("$weir" show vms | grep -c connected)" = 2 ] && break; sleep 0.1; done
in_a() { vguest_in a "$@"; }
get() { in_a curl -sS --max-time 10 "$@"; } # of guest a
code() { get -o /dev/null -w '%{http_code}' "$@"; }
is() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }

echo "- the service address is on the host port, and HTTP listens there"
ip -o addr show dev "$dev" | grep -q "inet $svc/24"
"$weir" show responder | grep -q "HTTP listens on $svc port 80 of $dev"

echo "- whole files, parts of them, HEAD, and one connection for several"
get -o "$LAB_T/got" "http://$svc/kernel"
cmp "$LAB_T/kernel" "$LAB_T/got"
get -o "$LAB_T/got" "http://$svc//debian/initrd"
cmp "$LAB_T/initrd" "$LAB_T/got"
get -r 1000-200999 -o "$LAB_T/got" "http://$svc/kernel"
tail -c +1001 "$LAB_T/kernel" | head -c 200000 | cmp - "$LAB_T/got"
is "$(code -r 0-0 "http://$svc/kernel")" 206 "one byte"
is "$(code -r 3000000- "http://$svc/kernel")" 416 "behind the end"
is "$(get -r -5 "http://$svc/kernel" | wc -c)" 5 "the last bytes"
is "$(code -r 0-1,5-9 "http://$svc/kernel")" 200 "two ranges"
is "$(get -I "http://$svc/kernel" | tr -d '\r' | sed -n 's/^Content-Length: //p')" 3000000 "HEAD"
is "$(get -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}\n' "http://$svc/kernel" "http://$svc/debian/initrd" "http://$svc/boot.ipxe" | paste -sd+)" 1+0+0 "connections"
is "$(code -X POST -d x "http://$svc/kernel")" 405 "POST"
is "$(code "http://$svc/nothing")" 404 "a name that nobody has"
get "http://$svc/boot.ipxe" | grep -q "^kernel --name kernel http://$svc/kernel initrd=initrd quiet"

echo "- twelve at once"
in_a curl -sS --max-time 20 --no-progress-meter -Z --parallel-max 12 $(for i in $(seq 12); do echo "http://$svc/kernel -o $LAB_T/p$i"; done)
for i in $(seq 12); do cmp "$LAB_T/kernel" "$LAB_T/p$i"; done

echo "- TFTP: tftp-hpa, atftp with windows, curl"
in_a tftp -m octet $svc -c get kernel "$LAB_T/got1"
cmp "$LAB_T/kernel" "$LAB_T/got1"
in_a atftp --option "blksize 1400" --option "windowsize 32" -g -r kernel -l "$LAB_T/got2" $svc >/dev/null 2>&1
cmp "$LAB_T/kernel" "$LAB_T/got2"
get -o "$LAB_T/got3" "tftp://$svc/debian/initrd"
cmp "$LAB_T/initrd" "$LAB_T/got3"

echo "- names that try to be paths: no hit"
long=$(printf 'a%.0s' $(seq 300))
n=0
for name in ../../etc/passwd /etc/passwd "$LAB_T/other" ..%2f..%2fetc%2fpasswd %2e%2e/%2e%2e/etc/passwd %252e%252e/etc/passwd '..\..\etc\passwd' \
	kernel%00 kernel%00.efi %00kernel 'kernel%20' 'kernel/' 'kernel/.' './../kernel/../kernel' "$long" "debian/$long/initrd" \
	%c0%ae%c0%ae/etc/passwd ..%c0%af..%c0%afetc/passwd %e0%80%ae./kernel ....//....//etc/passwd KERNEL debian debian/ '' / . .. \
	kernel:stream 'kernel;x' other boot.ipxe/ x/boot.ipxe; do
	n=$((n + 1))
	is "$(code --path-as-is "http://$svc/$name")" 404 "HTTP $name"
done
is "$(code --path-as-is --request-target '../../etc/passwd' "http://$svc/")" 404 "a target without a slash"
/usr/bin/python3 - "weira$LAB_ID" $svc "$LAB_T/other" <<'P'
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
libc.setns(os.open("/run/netns/" + sys.argv[1], os.O_RDONLY), 0)
svc, other = sys.argv[2], sys.argv[3].encode()
names = [b"../../etc/passwd", b"/etc/passwd", other, b"..\\..\\etc\\passwd", b"%2e%2e/etc/passwd", b"\xc0\xae\xc0\xae/etc/passwd", b"a" * 300, b"",
         b"/", b".", b"..", b"./..", b"kernel/", b"kernel\n", b"KERNEL", b"other", b"debian", b"\xff" * 40, b"kernel/../kernel", b"x/boot.ipxe"]
for name in names:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(3)
    s.sendto(b"\0\1" + name + b"\0octet\0", (svc, 69))
    got = s.recv(2000)
    assert got[:4] == b"\0\5\0\1", (name, got[:60])
# A name ends with its NUL, so there is none with one inside: this is file "kernel" in mode "x".
s.sendto(b"\0\1kernel\0x\0octet\0", (svc, 69))
assert s.recv(2000)[:4] == b"\0\5\0\4"
P

echo "- guest b: nothing of a's, and its own script"
is "$(vguest_in b curl -sS -o /dev/null -w '%{http_code}' "http://$svc/kernel")" 404 "a's kernel"
vguest_in b curl -sS "http://$svc/other" | cmp - "$LAB_T/other"
vguest_in b curl -sS "http://$svc/boot.ipxe" | grep -q "http://$svc/other"
vguest_in b tftp -m octet $svc -c get debian/initrd "$LAB_T/got4" | grep -q 'no such file for this VM'
refute test -s "$LAB_T/got4"
# An address that is not b's own does not leave its port.
ip -n "weirb$LAB_ID" addr add 10.9.0.112/24 dev e0
refute vguest_in b curl -s --max-time 1 --interface 10.9.0.112 -o /dev/null "http://$svc/other"

echo "- behind the uplink: neither"
outside=$(ip netns exec "$LAB_SERVER" curl -s --max-time 1 -o "$LAB_T/got5" -w '%{http_code}' "http://$svc/kernel" || :)
case $outside in 000 | 403) ;; *) fail "a host behind the uplink: $outside" ;; esac
ip netns exec "$LAB_SERVER" timeout 1 tftp -m octet $svc -c get kernel "$LAB_T/got6" >/dev/null 2>&1 || :
refute test -s "$LAB_T/got6"

echo "- guest c, whose port is held to no address, with that of b: neither"
vguest c "$LAB_T/c.sock" 52:54:00:00:00:0c
kill "$(cat "$LAB_T/vguest-b.pid")"
for _ in $(seq 50); do [ "$("$weir" show vms | grep -c connected)" = 2 ] && break; sleep 0.1; done
ip -n "weirc$LAB_ID" addr add 10.9.0.111/24 dev e0
ip neigh flush dev "$dev"
vguest_in c ping -c 1 -W 2 $svc >/dev/null # it is reached there
theirs=$(vguest_in c curl -s --max-time 3 -o "$LAB_T/got7" -w '%{http_code}' "http://$svc/boot.ipxe" || :)
case $theirs in 000 | 403) ;; *) fail "another guest with b's address: $theirs" ;; esac

echo "- a file replaced while it is sent: the old one to its end, the new one after that"
in_a curl -sS --limit-rate 3000k -o "$LAB_T/slow" "http://$svc/kernel" & slow=$!
sleep 0.5
cp "$LAB_T/kernel" "$LAB_T/kernel.old"
head -c 2000000 /dev/urandom >"$LAB_T/kernel.new"
mv "$LAB_T/kernel.new" "$LAB_T/kernel"
"$weir" reload >/dev/null
wait $slow
cmp "$LAB_T/kernel.old" "$LAB_T/slow"
get "http://$svc/kernel" | cmp - "$LAB_T/kernel"

echo "- switched off, the address goes; one of the operator's stays"
config ', "http": false' >"$LAB_T/weir.json"
"$weir" reload >/dev/null
is "$(ip -o -4 addr show dev "$dev" | grep -c "inet $svc/")" 0 "its address"
"$weir" show responder | grep -q 'files by TFTP only: switched off'
in_a tftp -m octet $svc -c get boot.ipxe "$LAB_T/script"
grep -q "tftp://$svc/kernel" "$LAB_T/script"
ip addr add "$svc/24" dev "$dev"
config "" >"$LAB_T/weir.json"
"$weir" reload >/dev/null
is "$(code "http://$svc/kernel")" 200 "with the operator's address"
config ', "http": false' >"$LAB_T/weir.json"
"$weir" reload >/dev/null
ip -o addr show dev "$dev" | grep -q "inet $svc/24"
"$weir" show vm a | grep -q 'HTTP complete: kernel'
lab_conserved
