# A guest without QEMU: weir-front-tap joins a vhost-user socket (its end listens, like QEMU) to a tap in a namespace, so the
# namespace's real Linux programs are the guest's. Source after tools/lib/lab.sh.

vguest() { # NAME SOCKET MAC [QUEUES]: namespace weirNAME$LAB_ID with interface e0
	local ns=weir$1$LAB_ID
	ip netns add "$ns"
	LAB_NS+=("$ns")
	"$lab_build/tools/weir-front-tap" --netns "$ns" --mac "$3" --queues "${4:-1}" "$2" e0 >"$LAB_T/vguest-$1.log" 2>&1 &
	VGUEST=$!
	LAB_PIDS+=("$VGUEST")
	echo "$VGUEST" >"$LAB_T/vguest-$1.pid"
	for _ in $(seq 100); do grep -qs listening "$LAB_T/vguest-$1.log" && break; kill -0 "$VGUEST" || return 1; sleep 0.05; done
	grep -q listening "$LAB_T/vguest-$1.log" || return 1
	ip -n "$ns" link set lo up
	ip -n "$ns" link set e0 up
}
vguest_in() { local ns=weir$1$LAB_ID; shift; ip netns exec "$ns" "$@"; }
