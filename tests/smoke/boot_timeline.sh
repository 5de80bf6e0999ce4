#!/bin/bash
# The timeline of a boot, by real clients: udhcpc as a boot ROM and as an operating system, tftp, libiscsi. Its marks stand in order, with what
# was repeated; a start in the middle begins anew and keeps the boot before; what is stuck says what it waits for; metrics count it.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
. "$(dirname "$0")/../lib/storage_lab.sh"
set -eu
storage_lab s t
head -c 100000 /dev/urandom >"$LAB_T/vmlinuz"
metrics=$((20000 + $$ % 10000))
storage_config '."weir-vm:boot-services" = { service: [ { vlan: 1, address: "10.9.0.2", "prefix-length": 24 } ] }
	| ."weir-vm:boot-files" = { file: [ { name: "vmlinuz", path: $kernel } ] }
	| ."weir-vm:vms".vm[].boot = { method: "kernel", kernel: "vmlinuz", iscsi: { server: "10.9.0.1", target: $iqn } }
	| ."weir-management:management" = { metrics: { port: $metrics } }' --arg iqn "$STORAGE_IQN" --arg kernel "$LAB_T/vmlinuz" --argjson metrics "$metrics"
storage_tgt 1 10.9.0.1:3260
lab_switch "$LAB_T/weir.json"
storage_guest s 5
url=iscsi://10.9.0.1/$STORAGE_IQN/1

dhcp_rom() { vguest_in "$1" udhcpc -i e0 -f -q -n -t 10 -T 1 -V PXEClient:Arch:00000:UNDI:002001 -x 0x5d:0000 -s /bin/true >/dev/null 2>&1; }
dhcp_os() { vguest_in "$1" udhcpc -i e0 -f -q -n -t 10 -T 1 -s /bin/true >/dev/null 2>&1; }
login() { vguest_in "$1" iscsi-inq -i "$2" "$url" >/dev/null; } # GUEST INITIATOR
boot() { "$weir" --json show boot "$1" | jq -r ".\"weir-vm:vms-state\".vm[0].boot[${3:-0}] | $2"; } # GUEST FILTER [WHICH]
marks() { boot "$1" '[.mark[].name] | join(" ")' "${2:-0}"; }
is() { storage_poll 5 "boot of $1: not $2: $(boot "$1" .)" is_now "$1" "$2"; } # GUEST CONDITION
is_now() { [ "$(boot "$1" "$2")" = true ]; }

echo "- a boot of its own marks, in order"
is s '.result == "booting" and .at == "start" and .cause == "attached" and .number == 1'
dhcp_rom s
is s '.at == "ack" and .discovers == 1 and (.client | length) == 1'
[ "$(boot s '."waits-for"')" = "its first boot file" ]
vguest_in s tftp -m octet 10.9.0.2 -c get vmlinuz "$LAB_T/got" >/dev/null 2>&1 || vguest_in s busybox tftp -g -r vmlinuz -l "$LAB_T/got" 10.9.0.2
cmp "$LAB_T/vmlinuz" "$LAB_T/got"
is s '.at == "fetched" and .files == 1 and ."tftp-bytes" == "100000"'
login s iqn.2010-04.org.ipxe:s
is s '.at == "io"'
dhcp_os s
"$weir" vm s boot complete >/dev/null
is s '.result == "booted"'
[ "$(marks s)" = "start discover offer ack fetch fetched login io os steady" ] || { "$weir" show boot s; fail "the marks of a boot: $(marks s)" || exit 1; }
# Times add up, and grow.
[ "$(boot s '(.mark | [.[].milliseconds | tonumber]) as $at | ($at | sort) == $at and ([.mark[].took | tonumber] | add) <= $at[-1]')" = true ]

echo "- what an operator reads of it"
"$weir" show boot s >"$LAB_T/out"
for line in '^s: booted at steady since ' 'started (attached)' 'asked for an address' 'fetches its first file' 'logged in to its storage' 'read or wrote first' 'files +1; TFTP 100000 bytes' 'DHCP discover'; do
	grep -Eq -- "$line" "$LAB_T/out" || grep -qF -- "$line" "$LAB_T/out" || { cat "$LAB_T/out"; fail "show boot s does not say: $line" || exit 1; }
done
"$weir" show boot >"$LAB_T/out"
grep -Eq '^s +booted +steady ' "$LAB_T/out" || { cat "$LAB_T/out"; exit 1; }
grep -Eq '^t +- ' "$LAB_T/out" || { cat "$LAB_T/out"; exit 1; }

echo "- its firmware asks again: a boot that nobody told of; then QEMU goes in the middle of it"
dhcp_rom s
is s '.number == 2 and .cause == "seen" and .result == "booting"'
[ "$(boot s '"\(.number) \(.result)"' 1)" = "1 booted" ]
vguest_in s busybox tftp -g -r nothing -l "$LAB_T/none" 10.9.0.2 >/dev/null 2>&1 || :
is s '."tftp-failed" == 1 and (.why | contains("nothing"))'
kill "$(cat "$LAB_T/vguest-s.pid")"
wait "$(cat "$LAB_T/vguest-s.pid")" 2>/dev/null || :
ip netns del "weirs$LAB_ID"
is s '.result == "cut-short" and .at == "ack"'

echo "- who is called, says nothing and goes was nobody's start"
timeout 5 socat -u /dev/null "UNIX-LISTEN:$LAB_T/t.sock"
sleep 0.3
"$weir" show boot t | grep -q 'has not started'

echo "- what is stuck says what it waits for: a request to which nobody answers the offer"
storage_guest t 6
dhcp_rom t
is t '.at == "ack"'
vguest_in t busybox tftp -g -r nothing -l "$LAB_T/none" 10.9.0.2 >/dev/null 2>&1 || :
storage_poll 10 "t does not count as failed: $(boot t .)" is_now t '.result == "failed"'
"$weir" show boot t >"$LAB_T/out"
for line in '^t: failed at ack' '^  waits for   its first boot file$' '^  went wrong  TFTP failed: nothing$' '^  look at     .*weir vm console t'; do
	grep -Eq -- "$line" "$LAB_T/out" || { cat "$LAB_T/out"; fail "show boot t does not say: $line" || exit 1; }
done

echo "- metrics say the same, to a strict parser"
curl -sSf -o "$LAB_T/text" "http://127.0.0.1:$metrics/metrics"
/usr/bin/python3 - "$LAB_T/text" <<'END'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = {f.name: f for f in parse(open(sys.argv[1]).read())}
def value(name, sample=None, **labels):
    return next(s.value for s in families[name].samples if s.labels == labels and s.name == (sample or s.name))
assert value("weir_boot_results", result="booted") == 1 and value("weir_boot_results", result="cut-short") == 1
assert value("weir_boot_results", result="failed") >= 1
assert value("weir_boot_seconds", "weir_boot_seconds_count") == 1 and value("weir_boot_seconds", "weir_boot_seconds_sum") > 0
stages = {s.labels["stage"] for s in families["weir_boot_stage_seconds"].samples if s.name.endswith("_count") and s.value == 1}
assert stages == {"discover", "offer", "ack", "fetch", "fetched", "login", "io", "os", "steady"}, stages
assert value("weir_boot_file_bytes", by="tftp") == 100000
assert value("weir_boot_retries", kind="tftp-failed") == 2
assert value("weir_vm_boot_result", vm="t", weir_vm_boot_result="failed") == 1
assert value("weir_vm_boot_result", vm="s", weir_vm_boot_result="cut-short") == 1
assert not [s for s in families["weir_vm_boot_seconds"].samples if s.labels["vm"] == "t"]
END

echo "- the switch starts anew beside a machine that has booted: that is no boot"
lab_kill "$LAB_SWITCHD"
for i in "${!LAB_PIDS[@]}"; do [ "${LAB_PIDS[i]}" != "$LAB_SWITCHD" ] || unset "LAB_PIDS[i]"; done
LAB_PIDS=("${LAB_PIDS[@]}")
lab_switch "$LAB_T/weir.json"
is t '.result == "running" and .cause == "switch-started"'
dhcp_rom t
is t '.result == "booting" and .cause == "seen" and .number == 2'
lab_conserved
