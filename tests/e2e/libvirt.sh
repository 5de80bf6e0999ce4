#!/bin/bash
# A real libvirtd starts machines on the switch, of which nothing is configured: its hook has their ports made, a provider their disks, two of
# one image at once, and both boot from iSCSI; a libvirtd that comes anew, a machine that ends, one that does not fit.
# libvirtd has directories of its own (a mount namespace), and sockets of its own.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
refute() { if "$@"; then fail "was not refused: $*"; fi; }
lab_hugepages 256 >/dev/null
lab_uplink
lab_iscsi
mkdir -p "$LAB_T/guests" "$LAB_T/images" "$LAB_T/disks" "$LAB_T/v" "$LAB_T/hooks"
lab_boot_disk "$LAB_T/images/small.raw" "E2E-LIBVIRT-SECTOR-RAN"
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "uplink", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] },
  "weir-vm:boot-services": { "service": [ { "vlan": 1, "address": "10.9.0.2", "prefix-length": 24 } ] },
  "weir-vm:boot-providers": { "provider": [ { "name": "tgt", "command": "$lab_top/tools/providers/tgt", "argument": [ "--server", "10.9.0.1",
      "--control", "$LAB_TGT", "--images", "$LAB_T/images", "--state", "$LAB_T/disks" ] } ] } }
C
domain() { # NAME LAST-OCTET SOCKET-DIR
	cat >"$LAB_T/$1.xml" <<X
<domain type='qemu'>
  <name>$1</name>
  <uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd1$2</uuid>
  <metadata><weir:vm xmlns:weir="urn:weir:libvirt:1">
    { "nic": [ { "id": 0, "ipv4-address": [ "10.9.0.$2" ] } ], "boot": { "provider": "tgt", "image": "small.raw" } }
  </weir:vm></metadata>
  <memory unit='MiB'>64</memory>
  <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <serial type='file'><source path='$LAB_T/$1.log'/></serial>
    <interface type='vhostuser'>
      <mac address='52:54:00:00:01:$2'/>
      <source type='unix' path='$LAB_T/guests/$1.sock' mode='server'/>
      <model type='virtio'/>
      <driver rx_queue_size='1024' tx_queue_size='1024'/>
      <boot order='1'/>
    </interface>
  </devices>
</domain>
X
}
cat >"$LAB_T/hooks.conf" <<C
socket $WEIR_SOCKET
guests $LAB_T/guests
C
cat >"$LAB_T/hooks/weir" <<C
#!/bin/sh
echo "\$1 \$2" >>$LAB_T/called
WEIR_HOOKS_CONF=$LAB_T/hooks.conf exec $lab_build/tools/weir-libvirt-hook "\$@"
C
chmod +x "$LAB_T/hooks/weir"
printf 'unix_sock_dir = "%s"\nauth_unix_rw = "none"\n' "$LAB_T/v" >"$LAB_T/libvirtd.conf"
cat >"$LAB_T/qemu.conf" <<C
user = "root"
group = "root"
security_driver = "none"
stdio_handler = "file"
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
namespaces = []
C
echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' >"$LAB_T/passwd.more"
echo 'libvirt-qemu:x:64055:' >"$LAB_T/group.more"
# libvirtd again when it ends, until the whole is ended: machines go with the namespace of processes.
cat >"$LAB_T/virt.sh" <<S
for d in /etc/libvirt /run /var/lib/libvirt /var/log/libvirt /var/cache/libvirt; do mkdir -p \$d && mount -t tmpfs none \$d || exit 1; done
# libvirtd wants the user of Debian's libvirt-daemon-system, whoever it runs machines as.
for d in passwd group; do getent \$d libvirt-qemu && continue; cp /etc/\$d $LAB_T/\$d && cat $LAB_T/\$d.more >>$LAB_T/\$d && mount --bind $LAB_T/\$d /etc/\$d || exit 1; done
mkdir -p /etc/libvirt/hooks/qemu.d && ln -s $LAB_T/hooks/weir /etc/libvirt/hooks/qemu.d/weir
cp $LAB_T/qemu.conf /etc/libvirt/
trap 'exit 0' TERM
while :; do libvirtd -f $LAB_T/libvirtd.conf -p /run/libvirtd.pid >>$LAB_T/libvirtd.log 2>&1 & echo \$! >$LAB_T/libvirtd.pid; wait \$!; done
S
v() { timeout 60 virsh -q -c "qemu:///system?socket=$LAB_T/v/libvirt-sock" "$@" 2>>"$LAB_T/virsh.log"; }
poll() { # SECONDS WHAT COMMAND...
	local until=$((SECONDS + $1))
	while ! "${@:3}" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || { tail -n 5 "$LAB_T"/{virsh,libvirtd,switch}.log >&2; fail "$2"; }
		sleep 0.1
	done
}
state() { "$weir" --json show vm "$1" 2>/dev/null | jq -r '."weir-vm:vms-state".vm[0].state' | grep . || echo none; }
state_is() { [ "$(state "$1")" = "$2" ]; }
is() { poll 20 "$1 is $(state "$1"), not $2" state_is "$1" "$2"; }

lab_switch "$LAB_T/weir.json"
unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh "$LAB_T/virt.sh" &
LAB_PIDS+=($!)
poll 30 "libvirtd does not answer" v version
for vm in web1:41 web2:42; do domain ${vm%:*} ${vm#*:}; v define "$LAB_T/${vm%:*}.xml"; done

echo "- two machines of one image at once: their ports and disks are made, they boot"
v start web1 & one=$!
v start web2
wait $one
for vm in web1 web2; do
	is $vm running
	poll 120 "$vm does not boot" grep -aq E2E-LIBVIRT-SECTOR-RAN "$LAB_T/$vm.log"
done
lab_tgt --op show --mode target >"$LAB_T/targets"
for vm in web1 web2; do grep -q "iqn.2026-11.weir:$vm" "$LAB_T/targets" && [ -f "$LAB_T/disks/$vm.raw" ]; done
for a in 41 42; do grep -q "IP Address: 10.9.0.$a" "$LAB_T/targets"; done

echo "- libvirtd comes anew: the machines run on"
n=$(wc -l <"$LAB_T/called")
nsenter -t "$(pgrep -P "${LAB_PIDS[-1]}")" -p -m sh -c 'kill $(cat /run/libvirtd.pid)'
reconnected() { tail -n +$((n + 1)) "$LAB_T/called" | grep -q "$1 reconnect"; }
for vm in web1 web2; do poll 30 "no reconnect of $vm" reconnected $vm; is $vm running; done
poll 30 "libvirtd does not answer" v version
[ "$(v domstate web1)" = running ]

echo "- one ends, and leaves nothing; the other one stays"
v destroy web1
is web1 none
poll 10 "the target stays" sh -c "! tgtadm -C $LAB_TGT --op show --mode target | grep -q weir:web1"
[ ! -e "$LAB_T/disks/web1.raw" ]
is web2 running
v start web1
is web1 running
for vm in web1 web2; do v destroy $vm; is $vm none; done

echo "- one that does not fit does not start, and libvirt says why"
domain web3 43
sed -i 's/small.raw/none.raw/' "$LAB_T/web3.xml"
v define "$LAB_T/web3.xml"
: >"$LAB_T/virsh.log"
refute v start web3
grep -q 'image: none.raw: there is none' "$LAB_T/virsh.log" || fail "$(cat "$LAB_T/virsh.log")"
is web3 none
