# A lab on this machine, for demo and tests: a namespace with an iSCSI server behind the uplink, the switch, QEMU
# guests. Source it, call lab_begin first; everything that it starts ends with the shell, also after Ctrl-C.
# All names carry the shell's pid, so two runs do not meet.

lab_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
lab_build=${WEIR_BUILD:-$lab_top/build}
weir=$lab_build/tools/weir
LAB_PIDS=()
LAB_LINKS=()
LAB_NS=()

say() { if [ -t 1 ]; then printf '\033[1m==\033[0m %s\n' "$*"; else printf '== %s\n' "$*"; fi; }
fail() { printf 'FAILED: %s\n' "$*" >&2; return 1; }

lab_begin() {
	[ "$(id -u)" = 0 ] || { echo "this needs root (namespaces, taps, hugepages)" >&2; exit 1; }
	LAB_T=$(mktemp -d /tmp/weir-lab.XXXXXX)
	LAB_ID=$$
	LAB_TGT=$((100 + $$ % 30000))
	export WEIR_SOCKET=$LAB_T/weir.sock
	trap lab_end EXIT
	trap 'exit 130' INT TERM HUP
	trap 'case $- in *e*) echo "line $LINENO failed: $BASH_COMMAND" >&2 ;; esac' ERR # set -e ends without a word
}

lab_kill() { # PID: end it and wait, by force if it must be
	kill "$1" 2>/dev/null || return 0
	for _ in $(seq 50); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
	kill -9 "$1" 2>/dev/null || : # it has gone
	wait "$1" 2>/dev/null || :   # its exit code is not ours
}

lab_end() {
	local status=$? p
	trap - EXIT ERR
	trap '' INT TERM HUP # once is enough: a second Ctrl-C must not leave things behind
	set +e
	# Guests first, then the switch, then the servers: the other way round each waits for the other.
	for ((p = ${#LAB_PIDS[@]} - 1; p >= 0; p--)); do lab_kill "${LAB_PIDS[$p]}"; done
	[ -n "${LAB_TGTD:-}" ] && { kill -9 "$LAB_TGTD"; wait "$LAB_TGTD"; } 2>/dev/null
	rm -f "/var/run/tgtd/socket.$LAB_TGT" "/var/run/tgtd/socket.$LAB_TGT.lock"
	for p in "${LAB_LINKS[@]}"; do ip link del "$p" 2>/dev/null; done
	for p in "${LAB_NS[@]}"; do ip netns del "$p" 2>/dev/null; done
	# Our share only: another lab may have taken its own meanwhile.
	[ -n "${LAB_PAGES_SET:-}" ] && lab_pages_add -"$LAB_PAGES_SET"
	[ -n "${LAB_KEEP:-}" ] && cp -r "$LAB_T" "$LAB_KEEP"
	rm -rf "$LAB_T"
	exit "$status"
}

lab_pages_add() { # N: so many more of the machine's hugepages, or fewer; LAB_PAGES_GOT. Labs do it one after the other, else one would undo another's.
	local lock was
	exec {lock}>>"${TMPDIR:-/tmp}/weir-lab.hugepages"
	flock "$lock"
	was=$(cat /proc/sys/vm/nr_hugepages)
	echo $((was + $1)) >/proc/sys/vm/nr_hugepages 2>/dev/null
	LAB_PAGES_GOT=$(($(cat /proc/sys/vm/nr_hugepages) - was))
	exec {lock}>&-
}

lab_hugepages() { # MIB: reserve, or say that there are none
	local want=$(($1 / 2))
	[ -w /proc/sys/vm/nr_hugepages ] || return 0
	lab_pages_add "$want"
	LAB_PAGES_SET=$LAB_PAGES_GOT
	# Free ones may be another lab's, which has not used them yet: only our own count.
	if [ "$LAB_PAGES_SET" -ge "$want" ]; then say "hugepages: reserved $1 MiB"; else say "hugepages: this machine has only $LAB_PAGES_SET of $want; running in ordinary memory"; fi
}

lab_uplink() { # a veth pair: LAB_UP here (the switch's uplink), LAB_SRV in namespace LAB_SERVER
	LAB_UP=wu$LAB_ID
	LAB_SRV=ws$LAB_ID
	LAB_SERVER=weirsrv$LAB_ID
	ip netns add "$LAB_SERVER"
	LAB_NS+=("$LAB_SERVER")
	ip link add "$LAB_UP" type veth peer name "$LAB_SRV" netns "$LAB_SERVER"
	LAB_LINKS+=("$LAB_UP")
	ip link set "$LAB_UP" up
	# The kernel would leave checksums for a NIC to finish, and there is none.
	ethtool -K "$LAB_UP" tx off >/dev/null
	ip netns exec "$LAB_SERVER" ethtool -K "$LAB_SRV" tx off >/dev/null
	ip -n "$LAB_SERVER" addr add 10.9.0.1/24 dev "$LAB_SRV"
	ip -n "$LAB_SERVER" link set "$LAB_SRV" up
	ip -n "$LAB_SERVER" link set lo up
}

lab_host() { # from now on the switch runs in a namespace of its own, LAB_HOST: its taps and addresses meet nobody's. After lab_uplink.
	LAB_HOST=weirhost$LAB_ID
	ip netns add "$LAB_HOST"
	LAB_NS+=("$LAB_HOST")
	ip -n "$LAB_HOST" link set lo up
	[ -z "${LAB_UP:-}" ] || { ip link set "$LAB_UP" netns "$LAB_HOST" && ip -n "$LAB_HOST" link set "$LAB_UP" up; }
}
lab_host_in() { ${LAB_HOST:+ip netns exec "$LAB_HOST"} "$@"; } # COMMAND...: where the switch runs

lab_tgt() { tgtadm -C "$LAB_TGT" --lld iscsi "$@"; }

lab_iscsi() { # FILE...: one target per file: iqn.2026-11.weir.lab:1, :2, ...; the disk is LUN 1
	local n=0 f
	ip netns exec "$LAB_SERVER" tgtd -f -C "$LAB_TGT" >"$LAB_T/tgtd.log" 2>&1 &
	LAB_TGTD=$!
	for _ in $(seq 100); do lab_tgt --op show --mode sys >/dev/null 2>&1 && break; sleep 0.1; done
	for f in "$@"; do
		n=$((n + 1))
		lab_tgt --op new --mode target --tid $n -T "iqn.2026-11.weir.lab:$n"
		lab_tgt --op new --mode logicalunit --tid $n --lun 1 -b "$f"
		lab_tgt --op bind --mode target --tid $n -I ALL
	done
}

lab_switch() { # CONFIG-FILE: start the switch and wait until it answers
	local own=--no-huge # pages that another lab reserved are not for this one
	[ "${LAB_PAGES_SET:-0}" = 0 ] || own=
	# No function here: $! has to be the switch itself.
	${LAB_HOST:+ip netns exec "$LAB_HOST"} "$lab_build/control/weir-switchd" -c "$1" -s "$WEIR_SOCKET" -y "$lab_top/config/yang" $own ${LAB_SWITCH_ARGS:-} >>"$LAB_T/switch.log" 2>&1 &
	LAB_SWITCHD=$!
	LAB_PIDS+=("$LAB_SWITCHD")
	for _ in $(seq 200); do
		"$weir" ping >/dev/null 2>&1 && return 0
		kill -0 "$LAB_SWITCHD" 2>/dev/null || break
		sleep 0.1
	done
	fail "the switch did not start:" || : # under set -e too its log is shown
	tail -5 "$LAB_T/switch.log" >&2
	return 1
}

lab_accel() { # kvm where an ordinary kernel really runs under it, tcg otherwise
	local out
	[ -z "${LAB_ACCEL:-}" ] || return 0
	LAB_ACCEL=${WEIR_ACCEL:-tcg}
	[ -z "${WEIR_ACCEL:-}" ] && [ -w /dev/kvm ] && [ -f "$lab_build/guest/vmlinuz" ] || return 0
	# KVM may be there and not work (nested, restricted), so it is tried.
	out=$(timeout --foreground 6 qemu-system-x86_64 -accel kvm -m 256 -nographic -net none -no-reboot -kernel "$lab_build/guest/vmlinuz" \
		-append "console=ttyS0 panic=-1" </dev/null 2>/dev/null | grep -am1 "Kernel panic") || out=
	[ -n "$out" ] && LAB_ACCEL=kvm
	return 0
}

lab_guest() { # NAME SOCKET MAC MIB [QEMU ARGS...]: start a guest; console in $LAB_T/NAME.log, QMP at $LAB_T/NAME.qmp, pid in LAB_GUEST
	local name=$1 socket=$2 mac=$3 mib=$4
	shift 4
	local msix=
	lab_accel
	# QEMU 7.2 crashes under TCG when a Linux guest sets up MSI-X on a vhost-user device: give it INTx there.
	[ "$LAB_ACCEL" = tcg ] && msix=,vectors=0
	qemu-system-x86_64 -name "$name" -accel "$LAB_ACCEL" -m "$mib" -nographic ${LAB_REBOOTS:--no-reboot} \
		-object memory-backend-memfd,id=m,size="${mib}M",share=on -numa node,memdev=m \
		-chardev socket,id=c0,path="$socket",server=on -netdev vhost-user,id=n0,chardev=c0 \
		-device virtio-net-pci,netdev=n0,mac="$mac",bootindex=1,rx_queue_size=1024,tx_queue_size=1024$msix${LAB_CARD:-} \
		-qmp unix:"$LAB_T/$name.qmp",server=on,wait=off \
		-device virtio-rng-pci "$@" </dev/null >"$LAB_T/$name.log" 2>&1 &
	LAB_GUEST=$!
	LAB_PIDS+=("$LAB_GUEST")
}

LAB_OVMF=/usr/share/OVMF
lab_guest_uefi() { # as lab_guest: OVMF with its own driver for the card (an option ROM would take its place)
	local name=$1
	cp "$LAB_OVMF/OVMF_VARS_4M.fd" "$LAB_T/$name.vars"
	LAB_CARD=,romfile= lab_guest "$@" -drive if=pflash,format=raw,readonly=on,file="$LAB_OVMF/OVMF_CODE_4M.fd" \
		-drive if=pflash,format=raw,file="$LAB_T/$name.vars"
}

lab_reset() { # NAME: the reset button of a guest that was started with LAB_REBOOTS=' '
	printf '%s\n' '{"execute":"qmp_capabilities"}' '{"execute":"system_reset"}' | timeout 5 socat -t 1 - "UNIX-CONNECT:$LAB_T/$1.qmp" | grep '"RESET"' >/dev/null ||
		fail "guest $1 was not reset"
}

lab_wait_text() { # FILE TEXT SECONDS PID: until FILE has TEXT; gives up when PID ends
	for _ in $(seq $(($3 * 5))); do
		grep -aq -- "$2" "$1" 2>/dev/null && return 0
		kill -0 "$4" 2>/dev/null || break
		kill -0 "${LAB_SWITCHD:-$$}" 2>/dev/null || break # without the switch nothing will come
		sleep 0.2
	done
	grep -aq -- "$2" "$1" 2>/dev/null
}

lab_boot_disk() { # FILE TEXT: a 16 MiB disk whose boot sector prints TEXT on the serial port
	/usr/bin/python3 - "$1" "$2" <<-'P'
		import sys
		text = sys.argv[2].encode() + b"\r\n\0"
		# cli; xor ax,ax; mov ds,ax; mov si,0x7c20; mov dx,0x3f8; next: lodsb; or al,al; jz end; out dx,al; jmp next; end: hlt; jmp end
		code = bytes([0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0xBE, 0x20, 0x7C, 0xBA, 0xF8, 0x03, 0xAC, 0x08, 0xC0, 0x74, 0x03, 0xEE, 0xEB, 0xF8, 0xF4, 0xEB, 0xFD])
		sector = (code.ljust(0x20, b"\x90") + text).ljust(510, b"\0") + b"\x55\xaa"
		open(sys.argv[1], "wb").write(sector.ljust(16 << 20, b"\0"))
	P
}

lab_efi_disk() { # FILE TEXT: a 16 MiB disk with an EFI system partition, whose BOOTX64.EFI prints TEXT on the serial port
	/usr/bin/python3 -B "$lab_top/tools/lib/efi-app" "$2" >"$1.efi"
	truncate -s 16M "$1"
	# One partition of type 0xEF, from sector 2048 to the end; the addresses by cylinder are of no use to anybody.
	printf '\x00\xfe\xff\xff\xef\xfe\xff\xff\x00\x08\x00\x00\x00\x78\x00\x00' | dd of="$1" bs=1 seek=446 conv=notrunc status=none
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
	mformat -i "$1@@1M" -T 30720 -h 16 -s 32 ::
	mmd -i "$1@@1M" ::/EFI ::/EFI/BOOT
	mcopy -i "$1@@1M" "$1.efi" ::/EFI/BOOT/BOOTX64.EFI
}

lab_data_disk() { # FILE TEXT: a 16 MiB disk that starts with TEXT
	printf '%s\n' "$2" >"$1"
	truncate -s 16M "$1"
}

refute() { # COMMAND...: it must fail. (`! command` does not end a script under set -e.)
	if "$@"; then
		echo "should have failed: $*" >&2
		exit 1
	fi
}

lab_conserved() { # every frame is accounted for: asked until traffic rests, at most 5 s
	for _ in $(seq 50); do
		"$weir" --json show system | jq -e '."weir-system:system-state".conserved' >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	fail "frames are not accounted for"
	"$weir" show ports >&2
	return 1
}
