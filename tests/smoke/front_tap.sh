#!/bin/bash
# weir-front-tap: real Linux stacks as guests. Super-frames in both directions, no CPU when idle, carrier as the switch, clear refusals.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
set -eu
lab_begin
tap=$lab_build/tools/weir-front-tap
port() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"$LAB_T/$1.sock\"}}"; }
echo "{\"weir-system:system\":{\"max-sleep\":50},\"ietf-interfaces:interfaces\":{\"interface\":[$(port a),$(port b)]}}" >"$LAB_T/weir.json"

echo "- what cannot be is refused by name, and no tap is left"
refused() { # STATUS WORDS ARG...
	local status=0 want=$1 words=$2
	shift 2
	timeout 5 "$tap" "$@" >"$LAB_T/out" 2>&1 || status=$?
	[ $status = "$want" ] || { echo "exit code $status: $*"; cat "$LAB_T/out"; exit 1; }
	grep -qF -- "$words" "$LAB_T/out" || { cat "$LAB_T/out"; exit 1; }
}
t=ft$LAB_ID
refused 2 usage
refused 2 usage "$LAB_T/x" 0123456789abcdef
refused 2 usage --queues 17 "$LAB_T/x" "$t"
refused 2 usage --queues 4x "$LAB_T/x" "$t"
refused 1 'namespace nowhere: No such file or directory' --netns nowhere "$LAB_T/x" "$t"
refused 1 'tap lo: Invalid argument' "$LAB_T/x" lo
refused 1 'address 02:00:00:00:00:1ff: Invalid argument' --mac 02:00:00:00:00:1ff "$LAB_T/x" "$t"
refused 1 'address 03:00:00:00:00:01: Cannot assign requested address' --mac 03:00:00:00:00:01 "$LAB_T/x" "$t"
refused 1 'socket /nowhere/x: No such file or directory' /nowhere/x "$t"
refused 1 'path is longer than 107 bytes' "/tmp/$(printf 'x%.0s' $(seq 120))" "$t"
refute ip link show "$t" >/dev/null 2>&1

echo "- the carrier follows the switch"
vguest a "$LAB_T/a.sock" 52:54:00:00:00:0a 4; a=$VGUEST
vguest b "$LAB_T/b.sock" 52:54:00:00:00:0b 4; b=$VGUEST
carrier() { vguest_in a cat /sys/class/net/e0/carrier; }
[ "$(carrier)" = 0 ]
refused 1 "socket $LAB_T/a.sock: Address already in use" "$LAB_T/a.sock" "$t"
attached() { # COUNT: so often has each been attached
	for _ in $(seq 100); do
		[ "$(grep -cx attached "$LAB_T/vguest-a.log")$(grep -cx attached "$LAB_T/vguest-b.log")" = "$1$1" ] && return 0
		sleep 0.1
	done
	fail "not attached $1 times"
}
lab_switch "$LAB_T/weir.json"
attached 1
[ "$(carrier)" = 1 ]
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
for _ in $(seq 50); do [ "$(carrier)" = 0 ] && break; sleep 0.1; done
[ "$(carrier)" = 0 ]
grep -qx detached "$LAB_T/vguest-a.log"
lab_switch "$LAB_T/weir.json"
attached 2
[ "$(carrier)" = 1 ]
"$weir" show ports | grep -q '^a .* up .*4 queue pairs'

echo "- nothing to do costs nothing"
ticks() { awk '{ print $14 + $15 }' "/proc/$a/stat"; }
# The namespace's own first words (IPv6) are over soon.
for n in a b; do vguest_in $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.e0.disable_ipv6=1; done
sleep 0.5
before=$(ticks)
sleep 2
[ $(($(ticks) - before)) -le 1 ] || { echo "idle for 2 s: $(($(ticks) - before)) ticks of CPU"; exit 1; }

echo "- TCP with super-frames, each byte compared, in both directions at once"
vguest_in a ip addr add 10.9.1.1/24 dev e0
vguest_in b ip addr add 10.9.1.2/24 dev e0
vguest_in a ping -q -c 3 -i 0.1 -W 2 10.9.1.2 | grep -q ' 0% packet loss'
cat >"$LAB_T/talk.py" <<'P'
import hashlib, socket, sys, threading
me, other, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
N, STREAMS = 12 << 20, 4  # bytes of each stream, in each direction
stream = lambda s, n: hashlib.shake_128(b"%d %d" % (s, n)).digest(N)
def serve(n):
    l = socket.create_server((me, 5000 + n))
    ready.release()
    c, _ = l.accept()
    got = bytearray()
    while chunk := c.recv(1 << 18):
        got += chunk
    assert got == stream(1 - seed, n), "stream %d: %d bytes, damaged" % (n, len(got))
    done.append(n)
def send(n):
    for attempt in range(100):
        try:
            s = socket.create_connection((other, 5000 + n), 10)
            break
        except ConnectionRefusedError:
            import time; time.sleep(0.1)  # the other side is not there yet
    s.settimeout(60)
    s.sendall(stream(seed, n))
    s.close()
ready, done = threading.Semaphore(0), []
threads = [threading.Thread(target=f, args=(n,)) for f in (serve, send) for n in range(STREAMS)]
[t.start() for t in threads]
[t.join(60) for t in threads]
sys.exit(0 if sorted(done) == list(range(STREAMS)) else 1)
P
vguest_in a timeout 90 /usr/bin/python3 "$LAB_T/talk.py" 10.9.1.1 10.9.1.2 0 & talk=$!
LAB_PIDS+=($talk)
vguest_in b timeout 90 /usr/bin/python3 "$LAB_T/talk.py" 10.9.1.2 10.9.1.1 1
wait $talk
# Super-frames indeed: many more bytes than ordinary frames would carry.
"$weir" --json show port a | jq -e '."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state" | [.counter[] | {(.name): (.value | tonumber)}] | add | .rx_bytes / .rx_pkts > 1600' >/dev/null ||
	{ "$weir" --json show port a; exit 1; }
for q in 0 1 2 3; do [ -d "/proc/$a" ] && vguest_in a test -d "/sys/class/net/e0/queues/tx-$q"; done
lab_conserved

echo "- --connect; without offloads; a tap that is deleted; and no tap is left"
[ "$(vguest_in b ip link show type tun | grep -c e0)" = 1 ] # one tap, whatever its queues
kill "$b"; wait "$b" || { echo "exit code $? after SIGTERM"; exit 1; }
[ "$(vguest_in b ip link show type tun | wc -l)" = 0 ]
[ ! -e "$LAB_T/b.sock" ]
ip netns exec "weirb$LAB_ID" timeout 20 "$tap" --connect --no-offloads "$LAB_T/nobody.sock" e1 >"$LAB_T/c.log" 2>&1 & c=$!
LAB_PIDS+=($c)
lab_wait_text "$LAB_T/c.log" listening 5 $c
vguest_in b ip link del e1
status=0; wait $c || status=$?
[ $status = 1 ]
grep -qx 'weir-front-tap: tap e1: it was deleted' "$LAB_T/c.log"
