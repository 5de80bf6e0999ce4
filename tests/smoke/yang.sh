#!/bin/bash
# Debian's yanglint, which is not ours, accepts all modules and every example of a configuration, and so does the switch; what is
# to be refused is refused, by both where YANG says so, with the expected message.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
cd "$lab_top"
switchd() { "$lab_build/control/weir-switchd" --check -y config/yang -c "$1" 2>&1; }
lint() { yanglint -t config -p config/yang -p /usr/share/yuma/nmda-modules/ietf -p /usr/share/yuma/modules/ietf config/yang/weir-*.yang "$1" 2>&1; }

tools/lib/yang-lint config/yang/*.yang

# That check finds what it is for.
cp config/yang/*.yang "$LAB_T/"
caught() { # SED WHAT: a module changed so is refused with WHAT
	sed "$1" config/yang/weir-vlans.yang >"$LAB_T/weir-vlans.yang"
	if tools/lib/yang-lint "$LAB_T/weir-vlans.yang" >"$LAB_T/said"; then echo "yang-lint accepts: $1"; return 1; fi
	grep -q "$2" "$LAB_T/said" || { echo "yang-lint on $1 does not say '$2':"; cat "$LAB_T/said"; return 1; }
}
caught '/^ *description$/{N;/VLAN identifier/d}' 'leaf /vlans/vlan/id has no description'
caught 's/"VLAN identifier."/"VLAN identifier of which there are four thousand and ninety-four in each and every network."/' 'first sentence has'
caught '/^  contact$/{N;d}' 'module has no contact'
caught 's/unique "name";/unique "name"; min-elements 0;/' 'more than one statement'
caught 's/unique "name"/unique "nothing"/' 'yanglint'

mkdir "$LAB_T/examples"
sed -n '/^```json/,/^```/p' README.md | sed '/^```/d' >"$LAB_T/examples/README.json"
n=0
for f in "$LAB_T/examples/README.json" config/examples/*.json; do
	switchd "$f" >"$LAB_T/said" || { cat "$LAB_T/said"; exit 1; }
	grep -q 'is valid' "$LAB_T/said"
	lint "$f" >"$LAB_T/said" || { echo "yanglint refuses $f:"; cat "$LAB_T/said"; exit 1; }
	n=$((n + 1))
done
[ "$n" -ge 5 ]

n=0
while IFS=$'\t' read -r who message; do
	case $who in '#'*) continue ;; esac
	read -r json
	printf '%s\n' "$json" >"$LAB_T/refused.json"
	if switchd "$LAB_T/refused.json" >"$LAB_T/said"; then echo "accepted: $json"; exit 1; fi
	grep -qF -- "$message" "$LAB_T/said" || { echo "expected: $message"; cat "$LAB_T/said"; exit 1; }
	if lint "$LAB_T/refused.json" >"$LAB_T/said"; then by=switch; else by=yang; fi
	[ "$by" = "$who" ] || { echo "is refused by $by, not $who: $json"; cat "$LAB_T/said"; exit 1; }
	n=$((n + 1))
done <tests/smoke/yang_refused.txt
[ "$n" -ge 25 ]

# 4,096 ports that refer to each other: constraints in XPath are not quadratic. This takes half a second; half a minute where they are.
/usr/bin/python3 - >"$LAB_T/large.json" <<'P'
import json
ports = [{"name": "p%d" % i, "type": "weir-interfaces:guest",
          "weir-interfaces:port": {"socket": "/s%d" % i, **({"mirror-to": "p0"} if i else {"mirror-destination": True})}} for i in range(4096)]
vms = [{"name": "v%d" % i, "uuid": "00000000-0000-4000-8000-%012x" % i,
        "nic": [{"id": 0, "mac": "52:54:00:00:%02x:%02x" % (i >> 8, i & 255), "interface": "p%d" % i}]} for i in range(4096)]
print(json.dumps({"ietf-interfaces:interfaces": {"interface": ports}, "weir-vm:vms": {"vm": vms}}))
P
timeout 10 "$lab_build/control/weir-switchd" --check -y config/yang -c "$LAB_T/large.json" | grep -q 'is valid'
