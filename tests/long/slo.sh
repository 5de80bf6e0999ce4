#!/bin/bash
# Targets for how long storage takes, with real clients: one that its disk keeps it from, one that its own limit keeps it from, one that is met,
# and one that more shares of a full uplink can meet: there the shares rise, and what it writes per second with them. Each decision is
# told in words. Windows are 10 s, so this takes minutes.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
storage_lab slow limited easy raised hog
# Two of them write into the uplink, each 96 times 1 KiB at once: 96 ms at half of its rate, 48 ms at all of it.
storage_config '(."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port".rate) = "20000000"
	| def target(i; us): ."weir-vm:vms".vm[i]."weir-qos:qos"."storage-target" = us;
	target(0; 5000) | target(1; 5000) | target(2; 10000000) | target(3; 75000)
	| ."weir-vm:vms".vm[1]."weir-qos:qos"."limit-to" = "4000000"
	| ."weir-qos:qos".class = [ { name: "storage", target: 0, "ecn-threshold": 0, "max-wait": 0 } ]'
storage_slow_tgt 1 10.9.0.1:3260 50000
storage_tgt 2 10.9.0.1:860
lab_switch "$LAB_T/weir.json"
for g in slow:5 limited:6 easy:7 raised:8 hog:9; do storage_guest ${g%:*} ${g#*:}; done
storage_booted slow limited easy raised hog

for_ever() { # COMMAND...: again and again until this script ends
	while "$@" >/dev/null 2>&1; do :; done &
	LAB_PIDS+=($!)
}
writes() { vguest_in "$1" /usr/bin/python3 -B "$lab_top/tests/lib/iscsi_says.py" write 10.9.0.1:860 "$STORAGE_IQN" 96; }
for_ever vguest_in slow iscsi-perf -m 4 -b 8 -t 600 "iscsi://10.9.0.1/$STORAGE_IQN/1"
for_ever vguest_in limited iscsi-perf -m 32 -b 8 -t 600 "iscsi://10.9.0.1:860/$STORAGE_IQN/1"
for_ever vguest_in easy iscsi-perf -m 1 -b 1 -t 600 "iscsi://10.9.0.1:860/$STORAGE_IQN/1"
for_ever writes raised
for_ever writes hog

of() { storage_state ".vm[] | select(.name == \"$1\").target.$2"; }
becomes() { # GUEST STATE
	storage_poll 120 "guest $1 never becomes $2" target_is "$1" "$2"
	echo "- $1: $2: $(of "$1" text)"
}
target_is() { [ "$(of "$1" state)" = "$2" ]; }
boosted() { [ "$(of raised boost)" -gt 1 ]; }
written() { storage_since "$1.0" storage rx-bytes; }

becomes slow missed-portal
becomes limited missed-guest
becomes easy met
storage_poll 120 "the shares of raised never rise" boosted
echo "- raised: $(of raised text)"
becomes raised met
for g in slow limited easy; do [ "$(of $g boost)" = 1 ] || [ $g = limited ] || { fail "the shares of $g rose to no avail" || exit 1; }; done
storage_mark
sleep 10 # a window, in which the two compete
more=$(written raised) less=$(written hog)
echo "- in 10 s raised wrote $more bytes and hog $less, at $(of raised boost) times the shares"
[ "$more" -gt $((less * 5 / 4)) ]
storage_state '.decision[] | "  \(.time) \(.vm): \(.text)"'
lab_conserved
