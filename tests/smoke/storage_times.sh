#!/bin/bash
# A disk of known slowness (nbdkit's delay filter under tgt): what Weir says a read takes agrees within 5 % with what libiscsi's iscsi-perf
# counts for itself: commands and seconds, so seconds per command times the queue depth.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
delay_us=10000
storage_lab s
storage_slow_tgt 1 10.9.0.1:3260 $delay_us
lab_switch "$LAB_T/weir.json"
storage_guest s 5

reads() { # FIELD: of the reads at the portal, 0 when there were none
	storage_state '[.vm[] | select(.name == "s").wait[] | select(.address == "10.9.0.1" and .port == 3260).op[] | select(.name == "read")[$f] | tonumber] | add // 0' --arg f "$1"
}
sum() { # commands and their whole time in us; the shown mean is rounded to 1 us
	n=$(reads commands)
	us=$((n * $(reads mean)))
}

for depth in 1 1 8; do
	sum
	n0=$n us0=$us
	storage_read s "iscsi://10.9.0.1/$STORAGE_IQN/1" $depth 8 2
	sum
	n=$((n - n0)) us=$((us - us0))
	perf=$((1000000 * depth / STORAGE_PER_S)) seen=$((us / n))
	echo "- depth $depth: iscsi-perf $STORAGE_PER_S commands/s, so $perf us each; Weir $seen us, $n commands"
	[ $n -ge $STORAGE_COMMANDS ] && [ $n -le $((STORAGE_PER_S * 5 / 2)) ] || { fail "Weir counted $n commands"; exit 1; }
	[ $seen -ge $delay_us ] || { fail "the disk takes $delay_us us, Weir says $seen"; exit 1; }
	[ $((seen * 100)) -ge $((perf * 95)) ] && [ $((seen * 100)) -le $((perf * 105)) ] || { fail "iscsi-perf says $perf us, Weir $seen"; exit 1; }
done

echo "- and what was seen of it"
for q in p50 p99 p999; do [ "$(reads $q)" -ge $delay_us ]; done
[ "$(reads max)" -ge "$(reads mean)" ]
[ "$(storage_state '.vm[] | select(.name == "s").wait[0] | [.sessions, .outstanding, (.errors | tonumber), (.unmatched | tonumber), (.unmeasured | tonumber)] | join(" ")')" = "0 0 0 0 0" ]
[ "$(storage_state '.vm[] | select(.name == "s").wait[0]."target-name"')" = "$STORAGE_IQN" ]
"$weir" show storage | grep -Eq 's .*10\.9\.0\.1'
lab_conserved
