#!/bin/bash
# Guests that want storage's priority without storage, and those who would teach the switch portals of their own: foreign servers, guests as
# servers, forged answers, port tricks, ethertypes, full tables, garbage. No class is gained, nothing is learnt, and a neighbour's
# storage stays what it is.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
says=$lab_top/tests/lib/iscsi_says.py
storage_lab s x u
# Guest u may send from any address; 10.9.0.2 is listed, and nobody is there.
storage_config 'del(."weir-vm:vms".vm[2].nic[0]."ipv4-address") | ."weir-qos:storage" = { server: [ "10.9.0.1/32", "10.9.0.2/32" ], "max-learnt-per-server": 8 }'
storage_tgt 1 10.9.0.1:3260
lab_switch "$LAB_T/weir.json"
for g in s:5 x:6 u:7; do storage_guest ${g%:*} ${g#*:}; done
storage_booted s x u
server=$(ip netns exec "$LAB_SERVER" cat "/sys/class/net/$LAB_SRV/address")
python() { # NAME PROGRAM ARGUMENT...: in a guest
	local g=$1
	shift
	vguest_in "$g" timeout 30 /usr/bin/python3 -B "$@"
}
send() { # NAME DESTINATION-MAC ...: frames of a guest's own making
	local g=$1
	shift
	python "$g" "$lab_top/tests/lib/storage_frames.py" e0 "$@"
}
told() { # NAME TARGET-ADDRESS ADDRESS:PORT login|targets [TIMES]: asks there, and that is among what it says
	python "$1" "$says" ask "${@:3}" >"$LAB_T/told"
	grep -qF "TargetAddress=$2" "$LAB_T/told"
}
learnt() { storage_state '.learning.learnt // 0'; }
nothing() { # PORT...: those ports had no storage since storage_mark, and nothing was learnt
	local p
	for p; do storage_none "$p" storage boot; done
	[ "$(learnt)" = 0 ] || { "$weir" show portals; fail "something was learnt"; exit 1; }
}
bulk() { # PORT N: at least so many frames came from there as bulk
	storage_poll 5 "frames of $1 are not bulk" storage_grew "$1" bulk rx-pkts "$2"
}

spoofed() { # N: at least so many frames of x were dropped since its address is not theirs
	"$weir" --json show port x.0 | jq -e --argjson n "$1" '[."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".drop[]
		| select(.reason == "spoof_ip") | .in | tonumber] | add // 0 | . >= $n' >/dev/null
}

echo "- a foreign server, and a guest as a server: logins are sent on, targets are named"
storage_serve server "$says" serve 10.9.0.4:3260 redirect 10.9.0.4:7777 10.9.0.105:7777 10.9.0.1:7777
storage_serve x "$says" serve 10.9.0.106:3260 redirect 10.9.0.106:7777 10.9.0.1:7777
storage_serve x "$says" serve 10.9.0.106:860 targets 10.9.0.106:7777 10.9.0.1:7778
storage_mark
told s 10.9.0.105:7777 10.9.0.4:3260 login 3
told s 10.9.0.1:7777 10.9.0.106:3260 login 2
told s 10.9.0.106:7777 10.9.0.106:860 targets
told x 10.9.0.106:7777 10.9.0.106:3260 login # itself: never leaves it
nothing s.0 x.0 uplink
bulk s.0 10

echo "- storage's port numbers, as source and as destination, where no listed server has to do with it"
storage_mark
send x "$server" tcp 10.9.0.106:3260 10.9.0.4:9 100
send x "$server" tcp 10.9.0.106:2049 10.9.0.1:9 100
send x "$server" tcp 10.9.0.106:9 10.9.0.4:3260 100
send x "$server" tcp 10.9.0.106:3260 10.9.0.1:5555 100
send x 52:54:00:00:00:05 tcp 10.9.0.106:3260 10.9.0.105:3260 100
bulk x.0 500
nothing x.0 s.0 uplink

echo "- a listed server's address, from a guest that may only use its own, and from one that may use any"
storage_mark
send x 52:54:00:00:00:05 redirect 10.9.0.1:3260 10.9.0.105:1024 10.9.0.106:7777
send x 52:54:00:00:00:05 tcp 10.9.0.1:3260 10.9.0.105:1024 100
storage_poll 5 "spoofed frames are not dropped" spoofed 102
send u 52:54:00:00:00:05 redirect 10.9.0.1:3260 10.9.0.105:1024 10.9.0.107:7777
send u 52:54:00:00:00:05 tcp 10.9.0.1:3260 10.9.0.105:1024 100
bulk u.0 102
nothing u.0 x.0
# What s itself sends back there goes to a listed server's port, and is storage.
for c in storage boot; do refute storage_grew s.0 $c tx-pkts 1; done

echo "- ethertypes of FCoE, FIP and AoE, which nobody allowed"
storage_mark
for t in 8906 8914 88a2; do send x "$server" ether $t 100; done
bulk x.0 300
nothing x.0 uplink

echo "- a listed server that says nonsense, and too much: what no portal can be is refused, and one server teaches eight at most"
storage_serve server "$says" serve 10.9.0.1:860 targets 0.0.0.0:1 127.0.0.1:2 224.0.0.1:3 255.255.255.255:4 10.9.0.1:0 10.9.0.1:99999 \
	array.example:5 "[::1]:6" "$(printf '1%.0s' $(seq 400)):7" "10.9.0.1:8:9" "10.9.0.1" ""
told s 224.0.0.1:3 10.9.0.1:860 targets
storage_poll 5 "nothing was refused" storage_state_has '(.learning."refused-address" | tonumber) >= 4'
[ "$(learnt)" = 0 ]
kill "$STORAGE_SERVER"
wait "$STORAGE_SERVER" 2>/dev/null || : # its port is taken again below
storage_serve server "$says" serve 10.9.0.1:8009 garbage 1
storage_serve server "$says" serve 10.9.0.1:2049 garbage 2
storage_serve server "$says" serve 10.9.0.1:111 garbage 3
storage_serve server "$says" serve 10.9.0.1:4420 garbage 4
for p in 8009 2049 111 4420 3260; do python x "$says" send 10.9.0.1:$p $p 256; done
[ "$(learnt)" = 0 ]
storage_serve server "$says" serve 10.9.0.1:860 targets $(seq -f 10.9.0.3:%g 7001 7020)
told s 10.9.0.3:7020 10.9.0.1:860 targets
storage_poll 5 "more than eight were learnt, or none refused" storage_state_has '.learning.learnt == 8 and (.learning."refused-server-full" | tonumber) >= 12'
"$weir" forget portal all >/dev/null
[ "$(learnt)" = 0 ]

echo "- while 10,000 connections are asked for, and the tables are full: a neighbour's storage is storage"
storage_mark
send x "$server" syns 10.9.0.106 10.9.0.2:3260 10000
storage_poll 10 "the requests did not come" storage_grew x.0 storage rx-pkts 9000
storage_state '.telemetry | "flows refused: \(."flows-refused"), connections refused: \(."connections-refused")"'
[ "$(storage_state '.telemetry | (."flows-refused" | tonumber) + (."connections-refused" | tonumber)')" -gt 0 ]
storage_mark
storage_read s "iscsi://10.9.0.1/$STORAGE_IQN/1"
storage_none s.0 bulk
storage_at_least s.0 storage tx-bytes "$STORAGE_BYTES"
[ "$(learnt)" = 0 ]
kill -0 "$LAB_SWITCHD"
lab_conserved
