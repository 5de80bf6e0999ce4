#!/bin/bash
# The shipped storage providers against real servers: two VMs of one image at once get disks of their own, and neither sees what the other
# writes; everything may be asked twice; what cannot be is refused in a line; nothing is left behind.
# All of it runs in namespaces of its own, which end with it.
[ "${1:-}" = inside ] || {
	[ "$(id -u)" = 0 ] || { echo "this needs root (namespaces)" >&2; exit 1; }
	exec unshare --mount --propagation private --net --pid --fork --kill-child --mount-proc bash "$0" inside
}
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tools/lib/lab.sh"
t=$(mktemp -d /tmp/weir-providers.XXXXXX)
trap 'status=$?; trap - EXIT; for m in $(awk "{ print \$2 }" /proc/mounts | grep "^$t/"); do umount -l "$m"; done; rm -rf "$t"; exit $status' EXIT
refute() { if "$@"; then fail "was not refused: $*"; fi; }
mount -t tmpfs none /run
mkdir /run/tgtd /run/ganesha /run/rpcbind
ip link set lo up
poll() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; fail "in vain: $*"; }

mkdir -p "$t/images/tree/etc" "$t/state"
head -c 4M /dev/zero | tr '\0' i >"$t/images/disk.raw"
qemu-img convert -q -O qcow2 "$t/images/disk.raw" "$t/images/disk.qcow2"
echo "of the image" >"$t/images/tree/etc/motd"
ln -s /etc/passwd "$t/images/outside"
(cd "$t/images" && find . -type f -exec sha256sum {} +) >"$t/images.sum"

ask() { # ACTION VM IMAGE PROVIDER OPTION...
	local request
	request=$(jq -nc --arg a "$1" --arg v "$2" --arg i "$3" '{ version: 1, action: $a, vm: $v, uuid: "", image: $i }')
	"$top/tools/providers/$4" --images "$t/images" --state "$t/state" --server 127.0.0.1 "${@:5}" <<<"$request"
}
both() { # IMAGE PROVIDER OPTION...: prepare a and b at once; their answers are in a.json and b.json
	ask prepare a "$@" >"$t/a.json" & local p=$!
	ask prepare b "$@" >"$t/b.json"
	wait $p
	ask prepare a "$@" | cmp - "$t/a.json" || fail "a second prepare answers otherwise"
}
gone() { # IMAGE PROVIDER OPTION...: release both, twice
	local vm
	for vm in a b a b; do [ "$(ask release $vm "$@")" = "{}" ] || fail "release of $vm"; done
	[ -z "$(find "$t/state" -mindepth 1 ! -name .lock ! -name exports.conf)" ] || fail "left behind: $(ls -A "$t/state")"
	(cd "$t/images" && sha256sum --quiet -c "$t/images.sum") || fail "the image was changed"
}
io() { qemu-io -f raw "$1" -c "$2" | grep -v ^read || true; } # URL COMMAND: prints what is wrong, if a pattern is not there
has() { [ "$(qemu-io -f raw "$1" -c "read -P $2 64k 64k" | grep -c '^read 65536')" = 1 ] && [ -z "$(qemu-io -f raw "$1" -c "read -P $2 64k 64k" | grep -i fail)" ]; }
apart() { # URL URL: what one writes, the other does not see
	has "$1" 0x69 && has "$2" 0x69 || fail "not the image"
	qemu-io -f raw "$1" -c 'write -P 0x61 64k 64k' -c flush >/dev/null
	has "$1" 0x61 || fail "what was written is not there"
	has "$2" 0x69 || fail "b sees what a wrote"
	qemu-io -f raw "$2" -c 'write -P 0x62 64k 64k' -c flush >/dev/null
	has "$1" 0x61 || fail "a sees what b wrote"
}
iscsi() { jq -r '.iscsi | "iscsi://\(if .chap then "\(.chap.user)%\(.chap.secret)@" else "" end)\(.server):\(.port)/\(.target)/\(.lun)"' "$t/$1.json"; }

tgtd -f -C 7 --iscsi portal=127.0.0.1:3260 >"$t/tgtd.log" 2>&1 &
poll tgtadm -C 7 --op show --mode sys
for how in "disk.raw --mode copy --chap" "disk.raw --mode qcow2" "disk.qcow2 --mode qcow2"; do # without CHAP a copy is below
	set -- $how
	echo "- tgt: $how"
	both "$1" tgt --control 7 "${@:2}"
	apart "$(iscsi a)" "$(iscsi b)"
	ask prepare a "$1" tgt --control 7 "${@:2}" >/dev/null
	has "$(iscsi a)" 0x61 || fail "a second prepare took the disk away"
	case $how in *chap) refute has "$(iscsi a | sed 's/%[^@]*@/%123456789012@/')" 0x61 2>/dev/null ;; esac
	gone "$1" tgt --control 7 "${@:2}"
	[ "$(tgtadm -C 7 --op show --mode target)" = "" ] || fail "targets are left"
	[ "$(pgrep -c qemu-storage)" = 0 ] || fail "servers are left"
done

echo "- tgt: a disk that is kept, and one after a crash of the server"
ask prepare a disk.raw tgt --control 7 --keep >"$t/a.json"
qemu-io -f raw "$(iscsi a)" -c 'write -P 0x61 64k 64k' -c flush >/dev/null
ask release a disk.raw tgt --control 7 --keep >/dev/null
ask prepare a disk.raw tgt --control 7 --keep >"$t/a.json"
has "$(iscsi a)" 0x61 || fail "a kept disk is new"
refute ask prepare a disk.qcow2 tgt --control 7 2>"$t/err"
grep -q 'a was made from disk.raw, which has to be released first' "$t/err"
tgtadm -C 7 --lld iscsi --op delete --force --mode target --tid 1
ask prepare a disk.raw tgt --control 7 | cmp - "$t/a.json"
has "$(iscsi a)" 0x61 || fail "the disk was lost with the target"
gone disk.raw tgt --control 7

echo "- names that are none, images that are none: a line each"
for bad in "../disk.raw" "/etc/passwd" "outside" "-rf" "a//b" "tree" "none" "" "x;y"; do
	refute ask prepare a "$bad" tgt --control 7 >"$t/out" 2>"$t/err"
	[ "$(wc -l <"$t/err")" = 1 ] && [ ! -s "$t/out" ] || fail "$bad: $(cat "$t/err")"
done
for bad in "../a" "" "a b" "-a" "a/b" "0123456789012345678901234"; do
	refute ask prepare "$bad" disk.raw tgt --control 7 2>"$t/err" && grep -q '^vm: ' "$t/err" || fail "$bad"
done
refute "$top/tools/providers/tgt" --server 127.0.0.1 <<<'{"version":2}' 2>/dev/null
gone disk.raw tgt --control 7

echo "- nbdkit"
nbd() { jq -r '.cmdline | capture("nbdroot=(?<at>.*)").at | "nbd://\(.)"' "$t/$1.json"; }
both disk.raw nbdkit --kernel vmlinuz --initrd initrd
apart "$(nbd a)" "$(nbd b)"
gone disk.raw nbdkit --kernel vmlinuz --initrd initrd
[ "$(pgrep -c nbdkit)" = 0 ] || fail "servers are left"

echo "- nfs-ganesha"
echo >"$t/state/exports.conf"
cat >"$t/ganesha.conf" <<C
NFS_CORE_PARAM { Protocols = 4; Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false; }
NFSv4 { Graceless = true; }
%include "$t/state/exports.conf"
C
ganesha.nfsd -F -L "$t/ganesha.log" -f "$t/ganesha.conf" -p /run/ganesha/ganesha.pid &
poll sh -c 'ss -Htln "sport = :2049" | grep -q .'
nfs="--kernel vmlinuz --initrd initrd --pidfile /run/ganesha/ganesha.pid"
both tree nfs-ganesha $nfs
jq -e '.method == "nfs" and .kernel == "vmlinuz" and .nfs.version == "4.2"' "$t/a.json" >/dev/null
for vm in a b; do poll nfs-cat "nfs://127.0.0.1/weir/$vm/etc/motd?version=4"; done
echo "of a" >"$t/new"
nfs-cp "$t/new" "nfs://127.0.0.1/weir/a/etc/new?version=4" >/dev/null
[ "$(nfs-cat "nfs://127.0.0.1/weir/a/etc/new?version=4")" = "of a" ]
refute timeout 2 nfs-cat "nfs://127.0.0.1/weir/b/etc/new?version=4" 2>/dev/null
ask release a tree nfs-ganesha $nfs >/dev/null
poll sh -c '! timeout 1 nfs-cat "nfs://127.0.0.1/weir/a/etc/motd?version=4"'
[ "$(nfs-cat "nfs://127.0.0.1/weir/b/etc/motd?version=4")" = "of the image" ]
gone tree nfs-ganesha $nfs
