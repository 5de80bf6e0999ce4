#!/bin/bash
# weir-pktgen: it finds no fault where there is none, and each fault that there is; it outlives the switch; it refuses clearly.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
pktgen=$lab_build/tools/weir-pktgen
short="warm-up=100ms duration=300ms"
pg() { # ARG...: run it; exit code in STATUS, result in r.json, words in r.err
	STATUS=0
	timeout 60 "$pktgen" --json "$LAB_T/r.json" "$@" >"$LAB_T/r.out" 2>"$LAB_T/r.err" || STATUS=$?
}
expect() { # STATUS [JQ-CONDITION]
	[ "$STATUS" = "$1" ] || { echo "exit code $STATUS instead of $1:"; cat "$LAB_T/r.err" "$LAB_T/r.out" "$LAB_T/r.json"; exit 1; }
	[ $# -lt 2 ] || jq -e "$2" "$LAB_T/r.json" >/dev/null || { echo "not so: $2"; cat "$LAB_T/r.json"; exit 1; }
}
sound='.lost_pkts == 0 and .reordered_pkts == 0 and .duplicated_pkts == 0 and .corrupt_pkts == 0 and .rx_pkts > 10'

echo "- without a switch: nothing is lost or damaged, whatever is sent"
while read -r settings; do
	pg port=copy:a port=copy:b expect=lossless verify=on warm-up=50ms duration=150ms $settings
	expect 0 "$sound"
done <<'S'
size=64
size=1514 l4=tcp
size=imix flows=100 macs=10
size=9000 rx-buffer=9100
size=64-1514 vlan=100 l4=mix order=random flows=5000
kind=iscsi op=read depth=8 io-size=65536
kind=iscsi op=write io-size=1048576 depth=2 vlan=7
port=copy:c port=copy:d stream=bulk size=1514 rate=200mbps stream=disk from=0 to=1 kind=iscsi think=50us service=100us
S
expect 0 '[.streams[] | .rx_pkts > 0] == [true, true] and .streams[1].ios > 0 and .streams[1].latency_ns.p50 > 100000'

echo "- settings from files, in order, with the command line last"
printf '# two ports\nport = copy:a\nport = copy:b   # joined\nwarm-up = 50ms\n' >"$LAB_T/ports.profile"
printf 'size = imix\nrate = 50kpps\nduration = 30s\n' >"$LAB_T/load.profile"
pg "$LAB_T/ports.profile" "$LAB_T/load.profile" duration=400ms --csv "$LAB_T/r.csv" interval=100ms
expect 0 "$sound"' and .seconds < 10 and .tx_pps < 120000'
head -1 "$LAB_T/r.csv" | grep -q '^seconds,stream,tx_pkts,rx_pkts'
[ "$(wc -l <"$LAB_T/r.csv")" -ge 3 ]

echo "- SIGUSR1 ends an interval of the CSV"
"$pktgen" --events --csv "$LAB_T/asked.csv" port=copy:a port=copy:b warm-up=50ms duration=1500ms interval=3600s >"$LAB_T/r.out" 2>"$LAB_T/r.err" & p=$!
LAB_PIDS+=($p)
lab_wait_text "$LAB_T/r.out" measuring 20 $p
kill -USR1 $p
while [ "$(wc -l <"$LAB_T/asked.csv")" -lt 2 ]; do kill -0 $p; sleep 0.05; done # its row is there
kill -USR1 $p
wait $p
awk -F, 'NR > 1 { n++; idle += $13 <= 1 } END { exit !(n == 2 && idle == 2) }' "$LAB_T/asked.csv" || { cat "$LAB_T/asked.csv"; exit 1; }

profiles=$lab_top/tools/pktgen/profiles
for p in l2-64 imix mac-churn; do
	pg port=copy:a port=copy:b "$profiles/$p.profile" warm-up=50ms duration=300ms
	expect 0 '.rx_pkts > 10 and .corrupt_pkts == 0'
done

echo "- what cannot be is refused by name"
refused() { # STATUS WORDS ARG...
	local status=$1 words=$2
	shift 2
	pg "$@"
	expect "$status"
	grep -qF -- "$words" "$LAB_T/r.err" || { cat "$LAB_T/r.err"; exit 1; }
}
refused 2 'size=63: expected a number from 64 to 65000' port=copy:a port=copy:b size=63
refused 2 'nonsense: no such setting' nonsense=1
refused 2 '1 ports: at least two are needed' port=vhost:/tmp/x
refused 2 'profile /nowhere: No such file or directory' /nowhere
refused 2 '--cpu x: expected a number' --cpu x port=copy:a port=copy:b
refused 2 'usage: weir-pktgen' --nonsense
refused 1 'socket /nowhere/a: No such file or directory' port=vhost:/nowhere/a port=vhost:/nowhere/b
refused 1 'pieces of 64 bytes: a frame of 9000 has 141 of them, at most 16 in a queue of 64' port=vhost:/a port=vhost:/b size=9000 piece=64 queue-size=64
refused 1 'port eth:net_nonsense0' port=eth:net_nonsense0 port=eth:net_nonsense1
at=$SECONDS
refused 1 "port 0 ($LAB_T/nobody0): no switch attached within 1.0 s" port=vhost:"$LAB_T/nobody0" port=vhost:"$LAB_T/nobody1" attach=1s
[ $((SECONDS - at)) -le 4 ]
[ ! -e "$LAB_T/nobody0" ]

echo "- an interrupted run leaves its result"
"$pktgen" --events --json "$LAB_T/r.json" port=copy:a port=copy:b warm-up=0s duration=60s >"$LAB_T/r.out" 2>"$LAB_T/r.err" & p=$!
LAB_PIDS+=($p)
lab_wait_text "$LAB_T/r.out" measuring 10 $p
kill -INT $p
STATUS=0; wait $p || STATUS=$?
expect 0 '.seconds < 30 and .lost_pkts == 0'

guest() { echo "{\"name\":\"$1\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"$LAB_T/$1\",\"mtu\":9000,\"admit\":{\"enabled\":false}${2:-}}}"; }
config() { # MORE-OF-A-AND-B MORE-OF-C
	echo "{\"weir-system:system\":{\"max-sleep\":50},\"ietf-interfaces:interfaces\":{\"interface\":[$(guest a "${1:-}"),$(guest b "${1:-}"),$(guest c "${2:-,\"vlan\":8}"),$(guest d ',"vlan":7'),$(guest e)]}}" >"$LAB_T/weir.json"
}
config
lab_switch "$LAB_T/weir.json"
# A port that is given up comes back after a second: sockets that no run has used yet save that time.
ab="port=vhost:$LAB_T/a port=vhost:$LAB_T/b"

echo "- ports that the switch does not join (meanwhile the next run)"
timeout 60 "$pktgen" port=vhost:"$LAB_T/c" port=vhost:"$LAB_T/d" $short >"$LAB_T/far.out" 2>"$LAB_T/far.err" & far=$!
LAB_PIDS+=($far)

echo "- through a switch: lossless at a modest rate, on several kinds of ring"
pg $ab expect=lossless verify=on rate=20kpps size=imix flows=50 macs=4 event-idx=on pairs=4 $short
expect 0 "$sound"' and .ports[0].attaches == 1 and .ports[0].broken == 0'
pg $ab expect=lossless verify=on rate=5kpps size=64-9000 piece=1024 indirect=off l4=tcp csum=on $short
expect 0 "$sound"
pg $ab expect=lossless verify=on rate=200pps size=65000 tso=1448 piece=16384 rx-buffer=16384 $short
expect 0 "$sound"
pg $ab expect=lossless kind=iscsi op=write depth=4 mergeable=off vlan=0 $short
expect 0 "$sound"' and .streams[0].ios > 0'

echo "- the profiles that need a switch"
pg $ab "$profiles/tso.profile" $short
expect 0 '.rx_pkts > 10 and .corrupt_pkts == 0'

STATUS=0; wait $far || STATUS=$?
[ $STATUS = 3 ] || { echo "exit code $STATUS instead of 3"; cat "$LAB_T/far.err"; exit 1; }
grep -q 'stream all, port 0 to port 1: [1-9][0-9]* frames sent, 0 arrived intact, 0 damaged: does the switch forward?' "$LAB_T/far.err"

echo "- a port that does not read: its loss is seen, and exit code 4 says so"
pg port=vhost:"$LAB_T/a" port=vhost:"$LAB_T/b",rx=off expect=lossless rate=50kpps from=0 $short
expect 4 '.lost_pkts > 100 and .ports[1].rx_pkts == 0'

echo "- frames that come twice are seen (mirrored where they enter and where they leave)"
config ',"mirror-to":"c"' ',"mirror-destination":true'
"$weir" reload >/dev/null
pg $ab port=vhost:"$LAB_T/c" from=0 to=2 expect=lossless rate=2kpps $short
expect 4 '.duplicated_pkts > 50 and .lost_pkts == 0'
config "" ",\"vlan\":1"
"$weir" reload >/dev/null
pg $ab port=vhost:"$LAB_T/c" "$profiles/storage-under-load.profile" $short
expect 0 '.streams[0].ios > 0 and .streams[1].rx_pkts > 10'
pg $ab,rx=20kpps port=vhost:"$LAB_T/c" port=vhost:"$LAB_T/e" "$profiles/slow-guest.profile" $short
expect 0 '.streams[1].lost_pkts == 0 and .streams[1].rx_pkts > 10 and .streams[0].rx_pkts > 10'

echo "- a guest that comes and goes"
pg $ab,churn=2 expect=lossless rate=20kpps $short
expect 0 '.ports | map(.attaches) == [1, 3]'

echo "- the switch is killed during a run and started again: the run goes on"
"$pktgen" --events --json "$LAB_T/r.json" --csv "$LAB_T/r.csv" $ab rate=20kpps duration=5s warm-up=100ms interval=250ms >"$LAB_T/r.out" 2>"$LAB_T/r.err" & p=$!
LAB_PIDS+=($p)
lab_wait_text "$LAB_T/r.out" measuring 20 $p
kill -9 "$LAB_SWITCHD"; wait "$LAB_SWITCHD" 2>/dev/null || true
lab_switch "$LAB_T/weir.json"
STATUS=0; wait $p || STATUS=$?
expect 0 '.ports | map(.attaches) == [2, 2]'
tail -1 "$LAB_T/r.csv" | awk -F, '$4 < 1000 { print "nothing arrives after the restart: " $0; exit 1 }'
lab_conserved

echo "- Linux devices as ports"
ip link add "p$LAB_ID" type veth peer name "q$LAB_ID"
LAB_LINKS+=("p$LAB_ID")
ip link set "p$LAB_ID" up
ip link set "q$LAB_ID" up
pg port=eth:net_af_packet0,iface="p$LAB_ID" port=eth:net_af_packet1,iface="q$LAB_ID" verify=on rate=2kpps size=imix expect=lossless $short
expect 0 "$sound"
