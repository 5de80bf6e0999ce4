#!/bin/bash
# NETCONF by yangcli, a client that reads our modules from the server before it says a word: a session by script that connects, edits,
# validates, commits and saves. What it did must be in running, in the record of commits, and after a restart.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/netconf_lab.sh"
set -eu
nc_lab_begin
cat >"$LAB_T/weir.json" <<C
{ "weir-vm:vms": { "vm": [ { "name": "old", "description": "to be deleted" }, { "name": "kept", "description": "to be changed" } ] } }
C
lab_switch "$LAB_T/weir.json"
nc_sshd

yangcli_run() { # NAME: run $LAB_T/NAME.txt, output in $LAB_T/NAME.log
	HOME=$LAB_T/home nc_run "$1" 60 yangcli --server=127.0.0.1 --ncport="$NC_PORT" --user=root --private-key="$LAB_T/key" --public-key="$LAB_T/key.pub" \
		--batch-mode --run-script="$LAB_T/$1.txt" --log-level=info --autoload=true
}
said() { grep -aqF -- "$2" "$LAB_T/$1.log" || { fail "yangcli did not say: $2"; tail -60 "$LAB_T/$1.log" >&2; return 1; }; }

echo "- it connects, and reads every module"
mkdir "$LAB_T/home"
cat >"$LAB_T/session.txt" <<S
show session
get-config source=running
create /vms/vm[name='new']/description value="by yangcli: <&> Grüße"
merge /vms/vm[name='kept']/description value=changed
delete /vms/vm[name='old']
merge /storage/portal[address='10.8.0.9'][protocol='tcp'][port='4420']
merge /interfaces/interface[name='u']/type value=wif:uplink
get-config source=candidate
discard-changes
create /vms/vm[name='new']/description value="by yangcli: <&> Grüße"
merge /vms/vm[name='kept']/description value=changed
delete /vms/vm[name='old']
merge /storage/portal[address='10.8.0.9'][protocol='tcp'][port='4420']
validate source=candidate
commit
sget-config /vms source=running
xget-config /vms/vm[name='new'] source=running with-defaults=report-all
get-schema identifier=weir-vm format=yang
lock target=candidate
unlock target=candidate
save
close-session
quit
S
yangcli_run session
said session "NETCONF session established for root on 127.0.0.1"
said session "Protocol version set to: RFC 6241 (base:1.1)"
said session "Default target set to: <candidate>"
said session "Save operation mapped to: commit + copy-config <running> <startup>"
said session "Default with-defaults behavior: explicit"
said session "container boot-services" # of get-schema
# Nothing was refused, by it or by the server; all of our modules are known to it.
refute grep -aE 'Auto-load for module|rpc-error|Internal Errors|^Error' "$LAB_T/session.log"
grep -q 'configuration: committed by root (netconf)' "$LAB_T/switch.log"
for change in 'vm new: add' 'vm old: remove'; do grep -qF "$change" "$LAB_T/switch.log"; done

echo "- what it saved is what the next start loads"
lab_kill "$LAB_SWITCHD"
lab_switch "$LAB_T/weir.json"
cat >"$LAB_T/after.txt" <<S
xget-config /vms source=running
xget-config /storage source=startup
xget /vms-state
close-session
quit
S
yangcli_run after
said after "description 'by yangcli: <&> Grüße'"
said after "description changed"
said after "10.8.0.9"
refute grep -aq "to be deleted" "$LAB_T/after.log"
refute grep -aE 'Auto-load for module|rpc-error|Internal Errors|^Error' "$LAB_T/after.log"

echo "- what the server refuses, it shows"
cat >"$LAB_T/refused.txt" <<S
create /vms/vm[name='new']
S
yangcli_run refused >/dev/null 2>&1 || : # its exit code
said refused "data-exists"
"$weir" ping | grep -qx alive
