#!/bin/bash
# An operator sets rates at the command line while two guests send: limit, reservation and shares hold at the receiver, a re-rate loses
# nothing of a copy that runs, and nonsense is refused with its reason and changes nothing. Bounds are wide: exactness is proved in
# simulated time (tests/sim).
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
qos_lab 40000000 10000000
qos_discard "$LAB_SERVER"

cli() { # LINE...: in configure mode, to the end
	local lines
	lines=$(printf '%s\n' configure "$@")
	"$weir" <<<"$lines" >"$LAB_T/cli.out" 2>&1 || { cat "$LAB_T/cli.out"; return 1; }
}
received() { # SECONDS: bit/s from guests s and b, on the wire, into GOT_S and GOT_B
	local got
	got=$(ip netns exec "$LAB_SERVER" /usr/bin/python3 "$lab_top/tests/lib/qos_count.py" "$LAB_SRV" "$1" 10.9.0.105 10.9.0.106)
	GOT_S=${got%%$'\n'*} GOT_B=${got##*$'\n'}
}
near() { # GOT EXPECTED: within a fifth
	[ $((5 * $1)) -ge $((4 * $2)) ] && [ $((5 * $1)) -le $((6 * $2)) ]
}
holds() { # TEXT S-MBIT B-MBIT: what the receiver counts in a second, once the change has come through
	# A machine that is busy with other things lets guests send less, and the link lose time that it does not catch up: several tries.
	for _ in $(seq 15); do
		sleep 0.5
		received 1
		near "$GOT_S" $(($2 * 1000000)) && near "$GOT_B" $(($3 * 1000000)) && return 0
	done
	fail "$1: guests s and b sent $GOT_S and $GOT_B bit/s, expected $2 and $3 Mbit/s"
}

echo "- two guests flood: equal shares"
qos_flood "weirs$LAB_ID" 10.9.0.1 60000000; flood_s=$QOS_FLOOD
qos_flood "weirb$LAB_ID" 10.9.0.1 60000000; flood_b=$QOS_FLOOD
holds "as it starts" 20 20
echo "- shares"
cli 'set vm s qos shares 3' commit
holds "shares 3 to 1" 30 10
echo "- a limit, and what it leaves to the other"
cli 'set vm s qos limit 8m' commit
holds "limit 8m" 8 32
echo "- another limit, and the rate of the link"
cli 'set vm s qos limit 16m' 'set port uplink rate 32m' commit
holds "limit 16m, rate 32m" 16 16
echo "- a reservation against all shares"
cli 'delete vm s qos' 'set vm b qos shares 100' 'set vm s qos reservation 14m' commit
holds "reservation 14m" 14 18
echo "- a limit of the class"
cli 'delete vm s qos' 'delete vm b qos' 'set qos class bulk limit 10m' commit
holds "class bulk limit 10m" 5 5

echo "- nonsense is refused, by name, and nothing changes"
running() { "$weir" -c 'show configuration | set'; }
before=$(running)
refused() { # WORDS LINE...
	local words=$1 status=0
	shift
	printf '%s\n' configure "$@" commit | "$weir" >"$LAB_T/cli.out" 2>&1 || status=$?
	[ $status = 1 ] || { echo "exit code $status"; cat "$LAB_T/cli.out"; exit 1; }
	grep -qF -- "$words" "$LAB_T/cli.out" || { cat "$LAB_T/cli.out"; exit 1; }
	[ "$(running)" = "$before" ] || fail "what runs has changed"
	cli discard
}
refused 'the limit is below the reservation' 'set vm s qos reservation 8m' 'set vm s qos limit 4m'
refused '75 %' 'set vm s qos reservation 30m'
refused '75 %' 'set qos class storage reservation 39m'
holds "after all refusals" 5 5

echo "- a copy goes on over 40 changes of every rate, and is the same"
kill "$flood_s" "$flood_b"
cli 'delete qos class bulk' commit
head -c 16000000 /dev/urandom >"$LAB_T/file"
vguest_in s timeout 60 nfs-cp "$LAB_T/file" nfs://10.9.0.1/export/copy >"$LAB_T/copy.out" 2>&1 & copy=$!
for i in $(seq 10); do
	for mbit in 30 12; do
		cli "set port uplink rate $((mbit + 20))m" "set vm s qos limit ${mbit}m" "set qos class storage limit $((mbit + 5))m" commit
		cli "set vm s qos shares $i" commit
	done
	kill -0 $copy 2>/dev/null || break
done
[ "$i" -ge 3 ] || fail "the copy was over after $i rounds"
wait $copy || { cat "$LAB_T/copy.out"; exit 1; }
cmp "$LAB_T/file" "$QOS_EXPORT/copy"
lab_conserved
