# A lab for QoS with real programs: guests in namespaces, and behind the switch's uplink a namespace with an iSCSI server, an NFS
# server and receivers of bulk. Source after tools/lib/lab.sh and tests/lib/front_guest.sh.

QOS_EXPORT= # directory that NFS exports as /export

qos_nfs() { # [NFS-PORT]: nfs-ganesha in the server's namespace, NFSv3, with its own rpcbind: its /run is its own too; with a port: there, and mountd anywhere
	local at="MNT_Port = 20048;"
	[ -z "${1:-}" ] || at="NFS_Port = $1;"
	QOS_EXPORT=$LAB_T/export
	mkdir "$QOS_EXPORT"
	cat >"$LAB_T/ganesha.conf" <<-C
		NFS_CORE_PARAM { Protocols = 3, 4; Bind_addr = 10.9.0.1; $at Mount_Path_Pseudo = true; Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false; }
		NFSv4 { Graceless = true; }
		EXPORT { Export_Id = 1; Path = $QOS_EXPORT; Pseudo = /export; Protocols = 3, 4; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL { Name = VFS; } }
	C
	# One process that ends both: ganesha takes long to end by itself, and rpcbind would stay.
	cat >"$LAB_T/nfs.sh" <<-S
		mount -t tmpfs none /run && mkdir /run/ganesha /run/rpcbind || exit 1
		rpcbind -w -f & r=\$!
		trap 'kill -9 \$r \$g; wait; exit 0' TERM
		while [ ! -S /run/rpcbind.sock ]; do kill -0 \$r || exit 1; sleep 0.05; done
		ganesha.nfsd -F -L $LAB_T/ganesha.log -f $LAB_T/ganesha.conf -p $LAB_T/ganesha.pid & g=\$!
		wait
	S
	ip netns exec "$LAB_SERVER" sh "$LAB_T/nfs.sh" >"$LAB_T/nfs.out" 2>&1 &
	LAB_PIDS+=($!)
	qos_listens "${1:-2049}" $!
}

qos_listens() { # PORT PID: until the server listens there
	for _ in $(seq 200); do
		ip netns exec "$LAB_SERVER" ss -Htln "sport = :$1" | grep -q . && return 0
		kill -0 "$2" 2>/dev/null || break
		sleep 0.05
	done
	fail "nobody listens at port $1"
}

qos_sink() { # PORT...: an iperf3 server at each
	local p
	for p in "$@"; do
		ip netns exec "$LAB_SERVER" iperf3 -s -p "$p" >"$LAB_T/sink-$p.log" 2>&1 &
		LAB_PIDS+=($!)
		qos_listens "$p" $!
	done
}

qos_class() { # PORT CLASS COUNTER: rx-pkts, rx-bytes, tx-pkts, tx-bytes or queue-drops of a class at a port
	"$weir" --json show port "$1" | jq -r --arg c "$2" --arg f "$3" \
		'[."ietf-interfaces:interfaces".interface[0]."weir-interfaces:port-state".class[] | select(.name == $c) | .[$f] | tonumber] | add // 0'
}

qos_wire() { # bytes that the uplink's far end received so far, as they count on a wire: FCS, preamble and gap included
	local d=/sys/class/net/$LAB_SRV/statistics
	ip netns exec "$LAB_SERVER" sh -c "echo \$((\$(cat $d/rx_bytes) + 24 * \$(cat $d/rx_packets)))"
}

# The topology of the QoS tests: guests s (storage) and b (bulk; c, d: more of them), the servers behind a rated uplink. Two
# configurations, both with the rate: $LAB_T/on.json has portals and policy, $LAB_T/off.json none of them. The switch runs on.json.
qos_lab() { # RATE RESERVATION [GUEST...]: bit/s of the uplink, of class storage; guests beside s, b unless said
	local rate=$1 reservation=$2 g n=5
	shift 2
	local guests=(s "${@:-b}")
	lab_begin
	lab_uplink
	lab_data_disk "$LAB_T/disk.img" "a disk"
	lab_iscsi "$LAB_T/disk.img"
	qos_nfs
	jq -n --arg up "$LAB_UP" --arg t "$LAB_T" --arg rate "$rate" --arg guests "${guests[*]}" '
		def vm(name; n): { name: name, nic: [ { id: 0, mac: "52:54:00:00:00:0\(n)", "ipv4-address": [ "10.9.0.10\(n)" ], socket: "\($t)/\(name).sock" } ] };
		{ "ietf-interfaces:interfaces": { interface: [ { name: "uplink", type: "weir-interfaces:uplink",
				"weir-interfaces:port": { "af-packet": $up, rate: $rate } } ] },
		  "weir-vm:vms": { vm: [ $guests / " " | to_entries[] | vm(.value; .key + 5) ] } }' >"$LAB_T/off.json"
	jq --arg r "$reservation" '. + {
		"weir-qos:storage": { portal: [ 3260, 2049 | { address: "10.9.0.1", protocol: "tcp", port: . } ] },
		"weir-qos:qos": { class: [ { name: "storage", reservation: $r } ] } }' "$LAB_T/off.json" >"$LAB_T/on.json"
	cp "$LAB_T/on.json" "$LAB_T/weir.json"
	lab_switch "$LAB_T/weir.json"
	for g in "${guests[@]}"; do
		qos_guest "$g" $n
		n=$((n + 1))
	done
}

qos_guest() { # NAME N: a guest with the address 10.9.0.10N, once it reaches the server
	vguest "$1" "$LAB_T/$1.sock" "52:54:00:00:00:0$2"
	vguest_in "$1" ip addr add "10.9.0.10$2/24" dev e0
	for _ in $(seq 50); do vguest_in "$1" ping -q -c 1 -W 1 10.9.0.1 >/dev/null && return 0; sleep 0.1; done
	fail "guest $1 does not reach the server"
}

qos_policy() { # on|off: which configuration runs
	cp "$LAB_T/$1.json" "$LAB_T/weir.json"
	"$weir" reload >/dev/null
}

qos_flood() { # FROM-NAMESPACE ADDRESS BIT/S: datagrams at that rate to port 9 until the pid in QOS_FLOOD is killed
	ip netns exec "$1" /usr/bin/python3 "$lab_top/tests/lib/qos_flood.py" "$2" 9 "$3" >"$LAB_T/flood.log" 2>&1 &
	QOS_FLOOD=$!
	LAB_PIDS+=("$QOS_FLOOD")
}

qos_discard() { # NAMESPACE: take what comes to UDP port 9, so that nobody answers that the port is closed
	ip netns exec "$1" /usr/bin/python3 -c '
import signal, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9))
signal.pause()' &
	LAB_PIDS+=($!)
	for _ in $(seq 100); do ip netns exec "$1" ss -Hlun 'sport = :9' | grep -q . && return 0; sleep 0.05; done
	fail "nobody takes datagrams in $1"
}

qos_shape() { # NAMESPACE DEVICE RATE: its storage (the portals of qos_lab) leaves at no more than that; all else as it is
	local in=(ip netns exec "$1") where port
	"${in[@]}" tc qdisc add dev "$2" root handle 1: htb default 2
	"${in[@]}" tc class add dev "$2" parent 1: classid 1:1 htb rate "$3" quantum 20000 burst 32k cburst 32k
	"${in[@]}" tc class add dev "$2" parent 1: classid 1:2 htb rate 10gbit quantum 20000
	for where in sport dport; do
		for port in 2049 3260; do
			"${in[@]}" tc filter add dev "$2" parent 1: protocol ip u32 match ip protocol 6 0xff match ip $where $port 0xffff flowid 1:1
		done
	done
}

qos_measure() { # SCRIPT ARGUMENT...: a measurement of tests/lib in this lab; its exit code
	LAB_T=$LAB_T LAB_ID=$LAB_ID LAB_SERVER=$LAB_SERVER LAB_SRV=$LAB_SRV WEIR=$weir /usr/bin/python3 -B "$lab_top/tests/lib/$1" "${@:2}" &
	LAB_PIDS+=($!)
	wait $! # beside it, so that a signal to this script ends both
}
