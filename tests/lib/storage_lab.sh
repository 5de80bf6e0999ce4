# A lab for storage whose portals nobody declared: behind the switch's uplink a namespace with several servers, of which only 10.9.0.1
# is listed; before it guests in namespaces. Source after tools/lib/lab.sh, tests/lib/front_guest.sh and tests/lib/qos_lab.sh.
#
#   10.9.0.1   the listed server          10.9.0.3   where it sends its clients, listed nowhere
#   10.9.0.4   a server that is not listed and would like to teach
#   10.9.0.10N guest number N, with the MAC 52:54:00:00:00:0N

STORAGE_IQN=iqn.2026-11.weir.lab:1

storage_lab() { # GUEST...: lab, uplink, $LAB_T/weir.json with those guests, numbered from 5; nothing runs yet
	local a
	lab_begin
	lab_uplink
	for a in 3 4; do ip -n "$LAB_SERVER" addr add "10.9.0.$a/24" dev "$LAB_SRV"; done
	storage_quiet "$LAB_SERVER" "$LAB_SRV"
	echo 1 >"/proc/sys/net/ipv6/conf/$LAB_UP/disable_ipv6" # the kernel's end of the uplink speaks, too
	head -c 16M /dev/urandom >"$LAB_T/disk.img"
	jq -n --arg up "$LAB_UP" --arg t "$LAB_T" '
		def vm(name; n): { name: name, nic: [ { id: 0, mac: "52:54:00:00:00:0\(n)", "ipv4-address": [ "10.9.0.10\(n)" ], socket: "\($t)/\(name).sock" } ] };
		{ "ietf-interfaces:interfaces": { interface: [ { name: "uplink", type: "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": $up } } ] },
		  "weir-vm:vms": { vm: [ $ARGS.positional | to_entries[] | vm(.value; .key + 5) ] },
		  "weir-qos:storage": { server: [ "10.9.0.1/32" ] } }' --args "$@" >"$LAB_T/weir.json"
}

storage_config() { # JQ-FILTER [ARGUMENT...]: change the configuration, before or after lab_switch
	jq "$@" "$LAB_T/weir.json" >"$LAB_T/weir.new"
	mv "$LAB_T/weir.new" "$LAB_T/weir.json"
	[ -z "${LAB_SWITCHD:-}" ] || "$weir" reload >/dev/null
}

storage_quiet() { # NAMESPACE DEVICE: nothing that nobody asked for, so that a class that must stay as it is can be read exactly
	ip netns exec "$1" sh -c "echo 1 >/proc/sys/net/ipv6/conf/$2/disable_ipv6"
}

storage_guest() { # NAME N: a guest, once it reaches the server
	qos_guest "$1" "$2"
	storage_quiet "weir$1$LAB_ID" e0
}
storage_booted() { # NAME...: these have booted; what they log in to now is no boot
	local g
	for g; do "$weir" vm "$g" boot complete >/dev/null; done
}

storage_reached() { # NAME: until a guest reaches the server again
	storage_poll 10 "guest $1 does not reach the server" vguest_in "$1" ping -q -c 1 -W 1 10.9.0.1 >/dev/null
}

# Read for a second with libiscsi's iscsi-perf, which counts for itself.
STORAGE_PER_S= STORAGE_COMMANDS= STORAGE_BYTES=
storage_read() { # NAME URL [DEPTH [BLOCKS [SECONDS]]]: at least STORAGE_COMMANDS commands and STORAGE_BYTES bytes; by its own count STORAGE_PER_S
	vguest_in "$1" timeout 20 iscsi-perf -m "${3:-4}" -b "${4:-64}" -t "${5:-1}" "$2" >"$LAB_T/perf" || { cat "$LAB_T/perf" >&2; exit 1; }
	STORAGE_PER_S=$(tr '\r' '\n' <"$LAB_T/perf" | sed -n 's/^iops average \([0-9]*\).*/\1/p' | tail -1)
	STORAGE_COMMANDS=$((${STORAGE_PER_S:-0} * ${5:-1} * 9 / 10)) # it measures its own time, to a tenth of a second
	STORAGE_BYTES=$((STORAGE_COMMANDS * ${4:-64} * 512))
	[ "$STORAGE_COMMANDS" -gt 10 ] || { cat "$LAB_T/perf" >&2; fail "$1 read only $STORAGE_COMMANDS times"; exit 1; }
}

storage_tgtadm() { # N ...: speak to the Nth tgtd
	local c=$((30101 + LAB_ID % 500 * 5 + $1))
	shift
	tgtadm -C "$c" --lld iscsi "$@"
}

# An iSCSI server of its own, with LUN 1 of target $STORAGE_IQN. It ends when it is told to, unlike tgtd itself.
storage_tgt() { # N ADDRESS:PORT[,...] [FILE BSOFLAGS COMMANDS]: the commands come before it, in the same mount namespace
	local c=$((30101 + LAB_ID % 500 * 5 + $1)) portals=${2//,/,portal=} file=${3:-$LAB_T/disk.img} before=${5:-}
	cat >"$LAB_T/tgt$1.sh" <<-S
		trap 'kill -9 \$t; [ -z "\$f" ] || umount \$d; [ -z "\$f" ] || kill \$f \$n; wait; rm -f /var/run/tgtd/socket.$c /var/run/tgtd/socket.$c.lock; exit 0' TERM
		$before
		tgtd -f -C $c --iscsi portal=$portals & t=\$!
		wait
	S
	ip netns exec "$LAB_SERVER" sh "$LAB_T/tgt$1.sh" >"$LAB_T/tgt$1.log" 2>&1 &
	LAB_PIDS+=($!)
	storage_poll 10 "tgtd $1 does not answer" storage_tgt_answers "$1" $!
	storage_tgtadm "$1" --op new --mode target --tid 1 -T "$STORAGE_IQN"
	storage_tgtadm "$1" --op new --mode logicalunit --tid 1 --lun 1 -b "$file" ${4:+--bsoflags "$4"}
	storage_tgtadm "$1" --op bind --mode target --tid 1 -I ALL
}
# The same on a disk each of whose reads takes that long: nbdkit delays them, nbdfuse makes a file of it, and tgt reads past the cache.
storage_slow_tgt() { # N ADDRESS:PORT[,...] US
	local d=$LAB_T/slow$1
	mkdir "$d"
	# tgt reads once when it opens the file; the file has to be there by then.
	storage_tgt "$1" "$2" "$d/file/disk" direct "
		d=$d/file; mkdir \$d
		nbdkit -f -U $d/nbd.sock --filter=delay memory 64M rdelay=$(($3 / 1000))ms & n=\$!
		while [ ! -S $d/nbd.sock ]; do kill -0 \$n || exit 1; sleep 0.05; done
		nbdfuse -C 16 \$d/disk 'nbd+unix:///?socket=$d/nbd.sock' & f=\$!
		while [ ! -f \$d/disk ]; do kill -0 \$f || exit 1; sleep 0.05; done"
}
storage_tgt_answers() { kill -0 "$2" && storage_tgtadm "$1" --op show --mode sys >/dev/null 2>&1; }

storage_redirect() { # N ADDRESS PORT: the Nth tgtd sends whoever logs in there
	storage_tgtadm "$1" --op update --mode target --tid 1 -n RedirectAddress -v "$2"
	storage_tgtadm "$1" --op update --mode target --tid 1 -n RedirectPort -v "$3"
	storage_tgtadm "$1" --op update --mode target --tid 1 -n RedirectReason -v Temporary
}

storage_relay() { # ADDRESS:PORT ADDRESS:PORT: whoever connects there is connected on
	ip netns exec "$LAB_SERVER" socat "TCP-LISTEN:${1#*:},bind=${1%:*},reuseaddr,fork" "TCP:$2" &
	LAB_PIDS+=($!)
	qos_listens "${1#*:}" $!
}

storage_rpc_port() { # PROGRAM: the TCP port that rpcbind knows
	ip netns exec "$LAB_SERVER" rpcinfo -p 10.9.0.1 | awk -v n="$1" '$3 == "tcp" && $5 == n { print $4; exit }'
}

storage_nbd() { # the disk by NBD, read only
	ip netns exec "$LAB_SERVER" nbdkit -f -r -i 10.9.0.1 file "$LAB_T/disk.img" &
	LAB_PIDS+=($!)
	qos_listens 10809 $!
}

storage_restart() { # SIGNAL: the switch ends by it, and is started again
	kill -"$1" "$LAB_SWITCHD"
	wait "$LAB_SWITCHD" 2>/dev/null || :
	lab_switch "$LAB_T/weir.json"
}

storage_poll() { # SECONDS TEXT COMMAND...: until it succeeds
	local until=$((SECONDS + $1)) text=$2
	shift 2
	while ! "$@"; do
		[ $SECONDS -lt $until ] || { "$weir" show portals >&2 || :; fail "$text" || exit 1; }
		sleep 0.05
	done
}

storage_serve() { # server|GUEST PROGRAM ARGUMENT...: Python there, once it says that it is ready; its pid in STORAGE_SERVER
	local ns=$LAB_SERVER log=$LAB_T/serve-${#LAB_PIDS[@]}
	[ "$1" = server ] || ns=weir$1$LAB_ID
	shift
	ip netns exec "$ns" /usr/bin/python3 -B "$@" >"$log" 2>&1 &
	STORAGE_SERVER=$!
	LAB_PIDS+=("$STORAGE_SERVER")
	storage_poll 10 "$* does not listen" storage_serves "$log"
}
storage_serves() { grep -qs ready "$1" || { kill -0 "$STORAGE_SERVER" || { cat "$1" >&2; exit 1; }; return 1; }; }

storage_boot_disk() { # FILE TEXT MIB: a 16 MiB disk whose boot sector reads so much of it by INT 13h, 32 KiB at a time, and prints TEXT on the serial port
	/usr/bin/python3 - "$@" <<-'P'
		import struct, sys
		text, commands = sys.argv[2].encode() + b"\r\n\0", int(sys.argv[3]) * 32
		word = lambda n: struct.pack("<H", n)
		packet, drive, at = 0x7C80, 0x7C7F, 0x7CA0
		code = b"\x31\xc0\x8e\xd8\x8e\xd0\xbc\x00\x7c\xfb"  # xor ax,ax; mov ds,ax; mov ss,ax; mov sp,0x7c00; sti
		code += b"\x88\x16" + word(drive) + b"\xbf" + word(commands)  # mov [drive],dl; mov di,commands
		loop = b"\xbe" + word(packet) + b"\x8a\x16" + word(drive)  # mov si,packet; mov dl,[drive]
		loop += b"\xb4\x42\xcd\x13\x73\x02\xf4\xcc"  # mov ah,0x42; int 0x13; jnc +2; hlt; int3
		loop += b"\x83\x06" + word(packet + 8) + b"\x40\x83\x16" + word(packet + 10) + b"\x00\x4f"  # add word [lba],64; adc word [lba+2],0; dec di
		code += loop + b"\x75" + bytes([256 - len(loop) - 2])  # jnz loop
		code += b"\xbe" + word(at) + b"\xba\xf8\x03\xac\x08\xc0\x74\x03\xee\xeb\xf8\xf4\xeb\xfd"  # as lab_boot_disk
		sector = code.ljust(0x80, b"\x90") + struct.pack("<BBHHHQ", 16, 0, 64, 0, 0x1000, 0)
		sector = (sector.ljust(0xA0, b"\0") + text).ljust(510, b"\0") + b"\x55\xaa"
		open(sys.argv[1], "wb").write(sector.ljust(16 << 20, b"\0"))
	P
}

# --- what the switch counted

storage_mark() { # remember every class counter of the uplink and of all guests
	"$weir" --json show ports >"$LAB_T/mark.json"
}
storage_since() { # PORT CLASS COUNTER: how much it grew since storage_mark
	"$weir" --json show ports | jq --slurpfile was "$LAB_T/mark.json" --arg p "$1" --arg c "$2" --arg f "$3" '
		def of(doc): [ doc."ietf-interfaces:interfaces".interface[] | select(.name == $p) | ."weir-interfaces:port-state".class[]
			| select(.name == $c) | .[$f] | tonumber ] | add // 0;
		of(.) - of($was[0])'
}
storage_at_least() { # PORT CLASS COUNTER N
	local is
	is=$(storage_since "$@")
	[ "$is" -ge "$4" ] || { "$weir" show classes "$1" >&2; fail "class $2, $3 of $1 grew by $is, expected at least $4"; exit 1; }
}
storage_grew() { [ "$(storage_since "$1" "$2" "$3")" -ge "$4" ]; } # PORT CLASS COUNTER N
storage_none() { # PORT CLASS...: nothing of that class went in or out
	local p=$1 c d is
	shift
	for c in "$@"; do
		for d in rx tx; do
			is=$(storage_since "$p" "$c" $d-pkts)
			[ "$is" = 0 ] || { "$weir" show classes "$p" >&2; fail "class $c, $d-pkts of $p grew by $is, expected none"; exit 1; }
		done
	done
}

# --- what the switch knows

storage_state() { # JQ-FILTER [ARGUMENT...]: of its storage state
	local filter=$1
	shift
	"$weir" --json show storage | jq -r "$@" ".\"weir-storage:storage-state\" | $filter"
}
storage_portal() { # ADDRESS PORT FIELD: of a portal as shown; empty when it is not known
	"$weir" --json show portals 2>/dev/null | jq -r --arg a "$1" --arg p "$2" --arg f "$3" \
		'."weir-storage:storage-state".portal[]? | select(.address == $a and (.port | tostring) == $p) | .[$f] // empty'
}
storage_portal_is() { # ADDRESS PORT [FIELD VALUE...]: it is known, and so; what main is told comes a little later than the frame
	local a=$1 p=$2
	storage_poll 5 "portal $a:$p is not shown with ${*:3}" storage_portal_has "$@"
}
storage_portal_has() {
	local a=$1 p=$2
	shift 2
	while [ $# -ge 2 ]; do
		[ "$(storage_portal "$a" "$p" "$1")" = "$2" ] || return 1
		shift 2
	done
}
storage_state_has() { [ "$(storage_state "$1")" = true ]; } # JQ-CONDITION
storage_how() { # ADDRESS PORT: how it came to be known, empty when it is not
	storage_portal "$1" "$2" how
}
