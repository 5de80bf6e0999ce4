#!/bin/bash
# A hostile guest against the boot services: perfdhcp and dhcpstarv at their maximum, floods of everything that is answered, forged servers,
# names that leave a directory. Meanwhile a guest at another port gets every lease and every file at the first asking, from Weir and nobody
# else. The hostile guest is limited and counted, and never shut out.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/boot_lab.sh"
set -eu
boot_lab 'good:{"method":"kernel","kernel":"kernel"}' 'evil:{"method":"kernel","kernel":"kernel"}'
head -c 300000 /dev/urandom >"$LAB_T/kernel"
boot_config --arg f "$LAB_T/kernel" '."weir-vm:boot-files".file = [ { name: "kernel", path: $f } ]'
lab_switch "$LAB_T/weir.json"
for n in 1 2; do
	g=$([ $n = 1 ] && echo good || echo evil)
	vguest $g "$LAB_T/$g.sock" 52:54:00:00:00:0$n
	vguest_in $g ip addr add 10.9.0.10$n/24 dev e0
done
for _ in $(seq 50); do [ "$("$weir" --json show vms | jq '[."weir-vm:vms-state".vm[].nic[] | select(.connected)] | length')" = 2 ] && break; sleep 0.1; done
attack() { vguest_in evil /usr/bin/python3 -B "$lab_top/tests/lib/dhcp_attack.py" "$@"; }
drops() { "$weir" --json show port evil.0 | jq "[.\"ietf-interfaces:interfaces\".interface[0].\"weir-interfaces:port-state\".drop[] | select(.reason | test(\"$1\")) | .packets | tonumber] | add // 0"; }

echo "- a good guest wants leases and files all the time"
vguest_in good /usr/bin/python3 -B "$lab_top/tests/lib/dhcp_attack.py" victim e0 52:54:00:00:00:01 kernel "$(sha256sum "$LAB_T/kernel" | cut -d' ' -f1)" "$LAB_T/stop" >"$LAB_T/victim" 2>&1 & victim=$!
LAB_PIDS+=($victim)

echo "- floods"
attack flood e0 52:54:00:00:00:02 0.3 discover chaddr source server relay garbage decline port4011 tftp tftp-data arp

echo "- perfdhcp and dhcpstarv"
vguest_in evil timeout 10 perfdhcp -4 -B -l e0 -R 100000 -p 1 -W 100000 >"$LAB_T/perfdhcp" 2>&1 || :
grep -q 'sent packets: [1-9]' "$LAB_T/perfdhcp" || { cat "$LAB_T/perfdhcp"; exit 1; }
echo "  perfdhcp: $(awk '/DISCOVER-OFFER/ { d = 1 } d && /sent packets/ { s = $3 } d && /received packets/ { print s " DISCOVER, " $3 " OFFER"; exit }' "$LAB_T/perfdhcp")"
vguest_in evil timeout 1 dhcpstarv -v -i e0 >"$LAB_T/starv" 2>&1 || :
refute grep -q 'got address' "$LAB_T/starv"

echo "- asked, and never told whether it was heard"
attack unproven e0 52:54:00:00:00:02 kernel

echo "- names"
attack traversal e0 kernel

touch "$LAB_T/stop"
wait $victim || { cat "$LAB_T/victim"; exit 1; }
cat "$LAB_T/victim"

echo "- the hostile guest is counted and limited, and no port is shut"
"$weir" show drops evil.0
"$weir" --json show ports | jq -e '[."ietf-interfaces:interfaces".interface[] | select(."oper-status" != "up") | .name] == []' >/dev/null
sleep 2 # its bucket fills again
vguest_in evil udhcpc -i e0 -f -q -n -t 3 -T 1 -s /bin/true >/dev/null 2>&1
lab_conserved
