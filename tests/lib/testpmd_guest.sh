# A guest without QEMU: testpmd joins a vhost-user socket (its end listens, like QEMU) to a tap, and the tap lives in a
# namespace, so the namespace's real Linux programs are the guest's. Source after tools/lib/lab.sh.

vguest() { # NAME SOCKET MAC [QUEUES]: namespace weirNAME$LAB_ID with interface e0
	local ns=weir$1$LAB_ID tap=$1$LAB_ID queues=${4:-1}
	mkfifo "$LAB_T/vguest-$1.in" # testpmd ends when its input does; this one never does
	dpdk-testpmd --lcores '0@(0,1),1@(0,1)' --no-pci --no-shconf --no-huge -m 192 --iova-mode=va --no-telemetry \
		--vdev "net_virtio_user0,path=$2,server=1,queue_size=1024,queues=$queues,mac=$3" --vdev "net_tap0,iface=$tap" \
		-- --nb-cores=1 --rxq=$queues --txq=$queues --forward-mode=io --auto-start --total-num-mbufs=8192 >"$LAB_T/vguest-$1.log" 2>&1 <>"$LAB_T/vguest-$1.in" &
	VGUEST=$!
	LAB_PIDS+=("$VGUEST")
	for _ in $(seq 100); do ip link show "$tap" >/dev/null 2>&1 && [ -S "$2" ] && grep -q "forwarding packets\|Start automatic" "$LAB_T/vguest-$1.log" && break; sleep 0.1; done
	sleep 0.5 # a tap must not move before its DPDK port has started
	ip netns add "$ns"; LAB_NS+=("$ns")
	ip link set "$tap" netns "$ns"
	ip -n "$ns" link set "$tap" name e0
	ip -n "$ns" link set e0 address "$3"
	ip -n "$ns" link set lo up
	ip -n "$ns" link set e0 up
}
vguest_in() { local ns=weir$1$LAB_ID; shift; ip netns exec "$ns" "$@"; }
