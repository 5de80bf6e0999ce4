#!/bin/bash
# A lab that is interrupted leaves nothing behind: namespaces, links, sockets, processes, hugepages.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
left() { # things of lab PID that are still there
	{ ip netns list | grep "weirsrv$1"; ip -o link | grep -o "wu$1"; ls -d "$2" 2>/dev/null; pgrep -f -- "$2"; } || :
}
for sig in INT TERM; do
	pages=$(cat /proc/sys/vm/nr_hugepages)
	cat >"$LAB_T/inner" <<-I
		. "$lab_top/tools/lib/lab.sh"
		lab_begin; lab_hugepages 64 >/dev/null; lab_uplink; lab_data_disk "\$LAB_T/d" x; lab_iscsi "\$LAB_T/d"
		lab_switch "\$LAB_T/none.json"
		echo "\$\$ \$LAB_T" >"$LAB_T/ready"
		for i in \$(seq 600); do sleep 0.1; done
	I
	rm -f "$LAB_T/ready"
	setsid bash "$LAB_T/inner" >"$LAB_T/inner.log" 2>&1 &
	for _ in $(seq 200); do [ -s "$LAB_T/ready" ] && break; sleep 0.1; done
	read -r pid dir <"$LAB_T/ready"
	kill -$sig "$pid" || :
	[ $sig = INT ] && kill -TERM "$pid" # a background job of a script ignores INT; Ctrl-C of a terminal reaches it
	for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
	rest=$(left "$pid" "$dir")
	[ -z "$rest" ] || { echo "after SIG$sig: $rest"; exit 1; }
	[ "$(cat /proc/sys/vm/nr_hugepages)" = "$pages" ]
done
