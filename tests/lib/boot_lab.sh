# A lab for boots: servers behind the uplink, the switch in a namespace of its own with its host port, so that boot files go by HTTP, too;
# firmware guests; and what a boot looked like on the wire. Source after tools/lib/lab.sh, tests/lib/front_guest.sh and tests/lib/qos_lab.sh.
#
#   10.9.0.1   iSCSI and NFS        10.9.0.2   Weir's boot service        10.9.0.10N   guest number N, with the MAC 52:54:00:00:00:0N

BOOT_EXPORT= # directory with the root file systems, exported as /export

boot_lab() { # VM...: each NAME:FIRMWARE-METHOD-JSON is the next machine, numbered from 1; $LAB_T/weir.json; nothing runs yet
	lab_begin
	lab_uplink
	lab_host
	jq -n --arg up "$LAB_UP" --arg t "$LAB_T" --arg guest "$lab_build/guest" '
		def vm(name; n; boot): { name: name, nic: [ { id: 0, mac: "52:54:00:00:00:0\(n)", "ipv4-address": [ "10.9.0.10\(n)" ], socket: "\($t)/\(name).sock" } ], boot: boot };
		def port(name; type; p): { name: name, type: "weir-interfaces:\(type)", "weir-interfaces:port": p };
		{ "ietf-interfaces:interfaces": { interface: [ port("uplink"; "uplink"; { "af-packet": $up }), port("weir0"; "host"; { tap: "weir0" }) ] },
		  "weir-vm:boot-services": { service: [ { vlan: 1, address: "10.9.0.2", "prefix-length": 24 } ] },
		  "weir-vm:boot-files": { file: [ "vmlinuz", "initrd", "initrd-nfs" | { name: ., path: "\($guest)/\(.)" } ] },
		  "weir-vm:vms": { vm: [ $ARGS.positional | to_entries[] | .key as $i | (.value | capture("^(?<name>[^:]*):(?<boot>.*)$")) | vm(.name; $i + 1; .boot | fromjson) ] },
		  "weir-qos:storage": { server: [ "10.9.0.1/32" ] } }' --args "$@" >"$LAB_T/weir.json"
}

boot_config() { # JQ-FILTER [ARGUMENT...]: change the configuration before lab_switch
	jq "$@" "$LAB_T/weir.json" >"$LAB_T/weir.new"
	mv "$LAB_T/weir.new" "$LAB_T/weir.json"
}

boot_iscsi() { jq -nc --arg n "$1" '{ method: "iscsi", iscsi: { server: "10.9.0.1", target: "iqn.2026-11.weir.lab:\($n)" } }'; } # TARGET-NUMBER
boot_nfs() { # NAME VERSION: a root of its own below the export
	jq -nc --arg n "$1" --arg v "$2" '{ method: "nfs", kernel: "vmlinuz", initrd: "initrd-nfs", cmdline: "console=ttyS0 quiet",
		nfs: { server: "10.9.0.1", path: "/export/\($n)", version: $v } }'
}

boot_nfs_server() { # the server of qos_nfs, with rpcbind; call boot_nfs_root after
	qos_nfs
	BOOT_EXPORT=$QOS_EXPORT
}

boot_nfs_root() { # NAME TEXT: a root file system below the export, whose init says TEXT, reads 4 MiB, writes, and stays
	local root=$BOOT_EXPORT/$1 a
	mkdir -p "$root"/{bin,sbin,etc,proc,sys,dev,var}
	cp /bin/busybox "$root/bin/"
	for a in sh cat echo sha256sum cut grep sleep sync awk uname; do ln -s busybox "$root/bin/$a"; done
	echo "$2" >"$root/etc/says"
	head -c 4M /dev/urandom >"$root/var/data"
	cat >"$root/sbin/init" <<-'I'
		#!/bin/sh
		export PATH=/bin:/sbin
		echo "WEIR-GUEST: root: $(awk '$2 == "/" && $1 != "rootfs" { print $1, $3 }' /proc/mounts), $(grep -o 'vers=[0-9.]*' /proc/mounts | cut -d= -f2)"
		echo "WEIR-GUEST: says: $(cat /etc/says)"
		sha256sum </var/data | cut -c1-64 >/var/sum
		echo "$1" >/var/address
		sync
		echo "WEIR-GUEST: done"
		while :; do sleep 1; done
	I
	chmod 755 "$root/sbin/init"
}
boot_nfs_was_here() { # NAME ADDRESS: the guest read its root whole, and wrote
	local root=$BOOT_EXPORT/$1
	[ "$(cat "$root/var/address")" = "$2" ] && [ "$(cat "$root/var/sum")" = "$(sha256sum <"$root/var/data" | cut -c1-64)" ]
}

boot_says() { # NAME TEXT SECONDS: until the guest $LAB_GUEST says it
	lab_wait_text "$LAB_T/$1.log" "$2" "$3" "${4:-$LAB_GUEST}" && return 0
	tr -d '\r' <"$LAB_T/$1.log" | tail -15 >&2
	"$weir" show vm "$1" >&2
	fail "guest $1 does not say $2" || exit 1
}

boot_event() { "$weir" --json show vm "$1" | jq -r '."weir-vm:vms-state".vm[0]."boot-event"[].event' | grep -q -- "$2"; } # VM TEXT: in its timeline

boot_capture() { # PORT [FILTER]: what passes there, until boot_sequence; the switch knows one capture at a time
	"$weir" capture "$1" ${2:+"$2"} -w "$LAB_T/$1.pcap" >"$LAB_T/capture.log" 2>&1 &
	BOOT_CAPTURE=$!
	LAB_PIDS+=("$BOOT_CAPTURE")
	for _ in $(seq 50); do [ -s "$LAB_T/$1.pcap" ] && return 0; kill -0 "$BOOT_CAPTURE" || break; sleep 0.1; done
	cat "$LAB_T/capture.log" >&2
	fail "no capture of $1" || exit 1
}
boot_sequence() { # PORT CLIENT: what was captured there is what such a client and Weir say to each other
	kill "$BOOT_CAPTURE"
	wait "$BOOT_CAPTURE" 2>/dev/null || :
	/usr/bin/python3 -B "$lab_top/tests/lib/boot_sequence.py" "$2" "$LAB_T/$1.pcap"
}
BOOT_EFI_HTTP=(-fw_cfg name=opt/org.tianocore/IPv4PXESupport,string=no -fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=no)
boot_efi_http() { # VM: start a UEFI guest that asks by HTTP at once; its firmware would try PXE first, and this is what turns that off in OVMF
	boot_start "$1" uefi 256 "${BOOT_EFI_HTTP[@]}"
}
boot_start() { # VM bios|uefi MIB [QEMU ARGS...]: start it; LAB_GUEST
	local n name=$1 how=lab_guest
	[ "$2" = bios ] || how=lab_guest_uefi
	n=$(jq --arg n "$1" '[."weir-vm:vms".vm[].name] | index($n) + 1' "$LAB_T/weir.json")
	$how "$name" "$LAB_T/$name.sock" "52:54:00:00:00:0$n" "${@:3}"
}

boot_count_disk() { # FILE TEXT MIB: a 16 MiB disk whose boot sector reads so much of it, counts in sector 100 how often it ran, and prints TEXT-count
	cat >"$1.s" <<-S
		.code16
		.globl _start
		_start:	xorw %ax, %ax
			movw %ax, %ds
			movw %ax, %ss
			movw \$0x7c00, %sp
			movw \$0x1000, %ax
			movw %ax, %es
			sti
			movb %dl, drive
			movw \$$(($3 * 32)), %di
		next:	movb \$0x42, %ah
			call disk
			addw \$64, lba
			adcw \$0, lba + 2
			decw %di
			jnz next
			movw \$1, sectors
			movw \$100, lba
			movw \$0, lba + 2
			movb \$0x42, %ah
			call disk
			incb %es:0
			movb %es:0, %al
			movb %al, count
			movw \$0x4300, %ax
			call disk
			movw \$text, %si
			movw \$0x3f8, %dx
		put:	lodsb
			orb %al, %al
			jz end
			outb %al, %dx
			jmp put
		end:	hlt
			jmp end
		disk:	movw \$packet, %si
			movb drive, %dl
			int \$0x13
			jc end
			ret
		drive:	.byte 0
			.balign 4
		packet:	.byte 16, 0
		sectors: .word 64, 0, 0x1000
		lba:	.word 0, 0, 0, 0
		text:	.ascii "$2-"
		count:	.asciz "0\r\n"
			.org 510
			.word 0xaa55
	S
	as --32 -o "$1.o" "$1.s" && ld -m elf_i386 -Ttext=0x7c00 --oformat binary -o "$1" "$1.o" || return 1
	rm "$1.s" "$1.o"
	truncate -s 16M "$1"
	printf 0 | dd of="$1" bs=512 seek=100 conv=notrunc status=none
}
