#!/bin/bash
# A boot storm beside bulk: QEMU guests boot by iSCSI (their boot sector reads on), front-end guests read by iSCSI as boot ROMs do, and others send bulk into the same
# uplink at twice its rate. The same storm with QoS and no bulk (calm), with QoS (on), with QoS off: the rate only, no portals and no
# reservations (rate), and no rate, but a FIFO of the kernel behind the switch as a network card would be (fifo). Prints makespan and boot
# times of each; passes when all boots end in each, and with QoS in time and without one frame of theirs dropped.
# STORM_GUESTS=N, STORM_QEMU=N, STORM_MIB=N, STORM_RATE=BIT/S, STORM_CASES="calm on rate fifo" change it.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
guests=${STORM_GUESTS:-64} machines=${STORM_QEMU:-4} mib=${STORM_MIB:-4} rate=${STORM_RATE:-20000000}

# Guests n1.. read, q1.. are QEMU's, b1 and b2 send bulk: 10.9.0.2N with the MAC 52:54:00:00:01:NN in hexadecimal.
storm_config() { # FILE calm|on|rate|fifo
	jq -n --arg up "$LAB_UP" --arg t "$LAB_T" --arg rate "$rate" --arg case "$2" --argjson n "$guests" --argjson q "$machines" --arg iqn "$STORAGE_IQN" '
		def hex2: . as $i | "0123456789abcdef" as $h | $h[($i / 16 | floor):($i / 16 | floor) + 1] + $h[($i % 16):($i % 16) + 1];
		def vm(name; i): { name: name, nic: [ { id: 0, mac: "52:54:00:00:01:\(i | hex2)", "ipv4-address": [ "10.9.0.\(10 + i)" ], socket: "\($t)/\(name).sock" } ] };
		{ "ietf-interfaces:interfaces": { interface: [ { name: "uplink", type: "weir-interfaces:uplink",
				"weir-interfaces:port": ({ "af-packet": $up } + if $case == "fifo" then {} else { rate: $rate } end) } ] },
		  "weir-vm:boot-services": { service: [ { vlan: 1, address: "10.9.0.2", "prefix-length": 24 } ] },
		  "weir-vm:vms": { vm: ([ range($n) | vm("n\(. + 1)"; . + 1) ] + [ range(2) | vm("b\(. + 1)"; . + 1 + $n) ] + [ range($q) | vm("q\(. + 1)"; . + 3 + $n)
			+ { boot: { method: "iscsi", iscsi: { server: "10.9.0.1", target: $iqn } } } ]) } }
		+ if $case == "on" or $case == "calm" then {
			"weir-qos:storage": { server: [ "10.9.0.1/32" ], boot: { window: 64, deadline: 300, longest: 600, "most-bytes": "1099511627776" } },
			"weir-qos:qos": { class: [ { name: "boot", reservation: "\($rate | tonumber * 6 / 10 | floor)" } ] } }
		  else {} end' >"$1"
}

wait_text_of_all() { # TEXT SECONDS: until each QEMU guest says it; prints when, for each
	local i until=$((SECONDS + $2)) begun=$3 left
	left=$(seq "$machines")
	while [ -n "$left" ]; do
		[ $SECONDS -lt $until ] || { tail -3 "$LAB_T"/q*.log; fail "guests q$(echo $left) never say $1" || exit 1; }
		for i in $left; do
			kill -0 "${qemu[$i]}" || { tail -3 "$LAB_T/q$i.log"; fail "guest q$i ended" || exit 1; }
			grep -aq -- "$1" "$LAB_T/q$i.log" || continue
			echo "q$i $(awk -v a="$begun" -v b="$(date +%s%N)" 'BEGIN { printf "%.2f", (b - a) / 1e9 }')"
			left=$(printf '%s\n' $left | grep -vx "$i" || :)
		done
		sleep 0.1
	done
}

storm() { # calm|on|rate|fifo, in a subshell: a lab of its own; times of all boots in $results.CASE
	local case=$1 i name begun readers qemu=()
	lab_begin
	lab_hugepages 512 >/dev/null
	lab_uplink
	storage_quiet "$LAB_SERVER" "$LAB_SRV"
	storage_boot_disk "$LAB_T/disk.img" STORM-BOOTED "$mib"
	storage_tgt 1 10.9.0.1:3260
	qos_discard "$LAB_SERVER"
	storm_config "$LAB_T/weir.json" "$case"
	if [ "$case" = fifo ]; then # a thousand frames, as network cards and their drivers keep
		tc qdisc add dev "$LAB_UP" root handle 1: htb default 1
		tc class add dev "$LAB_UP" parent 1: classid 1:1 htb rate "${rate}bit" quantum 20000
		tc qdisc add dev "$LAB_UP" parent 1:1 pfifo limit 1000
	fi
	lab_switch "$LAB_T/weir.json"
	for i in $(seq $((guests + 2))); do
		name=n$i
		[ "$i" -le "$guests" ] || name=b$((i - guests))
		vguest "$name" "$LAB_T/$name.sock" "$(printf '52:54:00:00:01:%02x' "$i")"
		vguest_in "$name" ip addr add "10.9.0.$((10 + i))/24" dev e0
		storage_quiet "weir$name$LAB_ID" e0
	done
	for i in 1 "$guests"; do storage_reached "n$i"; done
	storage_reached b1
	storage_reached b2
	for i in 1 2; do [ "$case" = calm ] || qos_flood "weirb$i$LAB_ID" 10.9.0.1 "$rate"; done
	begun=$(date +%s%N)
	for i in $(seq "$machines"); do
		lab_guest "q$i" "$LAB_T/q$i.sock" "$(printf '52:54:00:00:01:%02x' $((2 + guests + i)))" 64
		qemu[i]=$LAB_GUEST
	done
	/usr/bin/python3 -B "$lab_top/tests/lib/iscsi_storm.py" "$LAB_ID" 10.9.0.1 "$STORAGE_IQN" "$mib" $(seq -f n%g "$guests") >"$LAB_T/readers" &
	readers=$!
	LAB_PIDS+=("$readers")
	wait_text_of_all STORM-BOOTED 600 "$begun" >"$LAB_T/machines"
	wait "$readers"
	case $case in calm | on) storm_kept ;; esac
	cat "$LAB_T/readers" >"$results.$case.n"
	cat "$LAB_T/machines" >"$results.$case.q"
	lab_conserved
}

storm_kept() { # with QoS: every boot in time, and no frame of class boot or storage dropped at the uplink
	local c all=$((guests + machines))
	for i in $(seq "$machines"); do "$weir" vm "q$i" boot complete >/dev/null; done
	for i in $(seq "$guests"); do "$weir" vm "n$i" boot complete >/dev/null; done
	[ "$(storage_state '.boots | "\(.started) \(."in-time") \(.late) \(."timed-out")"')" = "$all $all 0 0" ] || { "$weir" show boots; fail "not every boot was in time" || exit 1; }
	for c in boot storage; do [ "$(qos_class uplink $c queue-drops)" = 0 ] || { "$weir" show qos; fail "frames of class $c were dropped" || exit 1; }; done
}

said() { # CASE: one line of figures; the makespan in ms in MAKESPAN
	/usr/bin/python3 - "$1" "$results.$1.n" "$results.$1.q" <<-'P'
		import statistics, sys
		rows = [[line.split() for line in open(f)] for f in sys.argv[2:]]
		ends = [[float(r[1]) for r in rs] for rs in rows]
		worst = sorted(float(r[3]) for r in rows[0])
		print("%-5s makespan %6.1f s   readers: %d, median %6.1f, last %6.1f s; command median %6.1f, slowest %7.1f ms   QEMU: %s s" % (
		    sys.argv[1], max(sum(ends, [])), len(ends[0]), statistics.median(ends[0]), max(ends[0]),
		    statistics.median(float(r[2]) for r in rows[0]), worst[-1], " ".join("%.1f" % e for e in sorted(ends[1]))))
	P
}

results=$(mktemp /tmp/weir-storm.XXXXXX)
trap 'rm -f "$results" "$results".*' EXIT
echo "$guests readers of $mib MiB, $machines QEMU guests, uplink $rate bit/s, bulk at twice that"
for case in ${STORM_CASES:-calm on rate fifo}; do
	(storm "$case")
	said "$case"
done
