#!/bin/bash
# What Weir says storage takes, beside what libiscsi's iscsi-perf counts for itself (commands per second, so seconds per command by its depth):
# a disk of known slowness (nbdkit's delay filter under tgt), and answers that stand in the switch's own queue. Both agree within 5 %.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
delay_us=50000
storage_lab s l
# Guest l may receive so much; its answers stand in the switch. CoDel would keep that short, so it is off for them.
storage_config '."weir-vm:vms".vm[1]."weir-qos:qos" = { "limit-to": "20000000" } | ."weir-qos:qos".class = [ { name: "storage", target: 0, "ecn-threshold": 0, "max-wait": 0 } ]'
storage_slow_tgt 1 10.9.0.1:3260 $delay_us
storage_tgt 2 10.9.0.1:860
lab_switch "$LAB_T/weir.json"
storage_guest s 5
storage_guest l 6
storage_booted s l

at() { # GUEST PORT JQ-FILTER: of a guest at a portal of the server
	storage_state "[.vm[] | select(.name == \"$1\").wait[] | select(.address == \"10.9.0.1\" and .port == $2)][0] | $3"
}
reads() { # GUEST PORT FIELD: of its reads there, 0 when there were none
	at "$1" "$2" "[.op[]? | select(.name == \"read\").$3 | tonumber] | add // 0"
}
near() { # US DEPTH: within 5 % of what iscsi-perf says, which rounds its commands per second down
	[ $(($1 * 100)) -ge $((95000000 * $2 / (STORAGE_PER_S + 1))) ] && [ $(($1 * 100)) -le $((105000000 * $2 / STORAGE_PER_S)) ]
}
us=0 n=0
slow_reads() { # DEPTH: one run; true when both agree
	local n0=$n us0=$us seen
	storage_read s "iscsi://10.9.0.1/$STORAGE_IQN/1" "$1" 8 2
	# All so far. INQUIRY and READ CAPACITY read too: a few bytes, in no time, so reads are counted by their bytes.
	n=$(($(reads s 3260 bytes) / 4096))
	us=$(($(reads s 3260 commands) * $(reads s 3260 mean)))
	seen=$(((us - us0) / (n - n0)))
	echo "  depth $1: iscsi-perf $STORAGE_PER_S commands/s, so $((1000000 * $1 / STORAGE_PER_S)) us each; Weir $seen us, $((n - n0)) commands"
	[ $((n - n0)) -ge $STORAGE_COMMANDS ] && [ $((n - n0)) -le $((STORAGE_PER_S * 3)) ] || { fail "Weir counted $((n - n0)) commands" || exit 1; }
	[ $seen -ge $delay_us ] || { fail "the disk takes $delay_us us, Weir says $seen" || exit 1; }
	near $seen "$1"
}
limited_reads() { # the same for a guest at its limit; what it counts is of this run
	local mean queue
	storage_read l "iscsi://10.9.0.1:860/$STORAGE_IQN/1" 96 2 2 # an answer is a frame
	mean=$(reads l 860 mean) queue=$(at l 860 '."in-queues-in" // 0')
	echo "  iscsi-perf $STORAGE_PER_S commands/s, so $((96000000 / STORAGE_PER_S)) us each; Weir $mean us, and $queue us in its queue"
	near $((mean + queue)) 96
}
# A busy machine keeps iscsi-perf waiting for its turn, which no switch sees: the least disturbed of some runs counts.
agrees() { # COMMAND...
	local i
	for i in 1 2 3 4 5; do "$@" && return 0; done
	fail "they do not agree: $*" || exit 1
}

echo "- a disk that takes $delay_us us"
agrees slow_reads 1
agrees slow_reads 8
for q in p50 p99; do [ "$(reads s 3260 $q)" -ge $delay_us ]; done
[ "$(reads s 3260 max)" -ge "$(reads s 3260 mean)" ]
[ "$(at s 3260 '[.sessions, .outstanding, (.unmatched | tonumber), (.unmeasured | tonumber)] | join(" ")')" = "0 0 0 0" ]
[ "$(at s 3260 '."target-name"')" = "$STORAGE_IQN" ]
[ "$(at s 3260 '."share-in-switch" // 0')" -le 5 ]
"$weir" show storage | grep -Eq '^s .*10\.9\.0\.1'

echo "- a guest at its limit: the time is in the switch's queue, and it says so"
agrees limited_reads
[ "$(at l 860 '."share-in-switch"')" -ge 80 ]
lab_conserved
