#!/bin/bash
# An operator asks which VM gets what and why: `show qos`, `show qos vm` and `explain` say in bit/s and us what is configured, what was
# sent, what holds a guest back, what waits and what was dropped. NETCONF shows the same tree.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/front_guest.sh"
. "$(dirname "$0")/../lib/qos_lab.sh"
set -eu
lab_begin
lab_uplink
jq -n --arg up "$LAB_UP" --arg t "$LAB_T" '
	def vm(name; n; qos): { name: name, nic: [ { id: 0, mac: "52:54:00:00:00:0\(n)", "ipv4-address": [ "10.9.0.10\(n)" ], socket: "\($t)/\(name).sock" } ], "weir-qos:qos": qos };
	{ "ietf-interfaces:interfaces": { interface: [ { name: "uplink", type: "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": $up, rate: "20000000" } } ] },
	  "weir-qos:storage": { portal: [ { address: "10.9.0.1", protocol: "tcp", port: 3260 } ] },
	  "weir-qos:qos": { template: [ { name: "gold", shares: 4, reservation: "1500000", priority: "storage" } ],
			    class: [ { name: "storage", dscp: 26 }, { name: "scavenger", limit: "1234567" } ] },
	  "weir-vm:vms": { vm: [ vm("db1"; 5; { template: "gold" }),
				 vm("web1"; 6; { "limit-from": "5000000", "packet-limit-to": 1000, meter: { "committed-rate": "100000000" } }) ] } }' >"$LAB_T/weir.json"
lab_switch "$LAB_T/weir.json"
qos_discard "$LAB_SERVER"
qos_guest db1 5
qos_guest web1 6
vguest_in db1 sysctl -qw net.ipv6.conf.e0.disable_ipv6=1 # says nothing of its own while frames are counted
out=$LAB_T/out
says() { # PATTERN...: extended, each matches a line of what was shown
	local p
	for p; do grep -Eq -- "$p" "$out" || { echo "no line matches: $p"; cat "$out"; exit 1; }; done
}
server=$(ip netns exec "$LAB_SERVER" cat "/sys/class/net/$LAB_SRV/address")

echo "- what may be had, also where nothing was sent yet"
"$weir" show qos >"$out"
says '^uplink: rate 20 Mbit/s, 0 frames queued' '^CLASS +RESERVATION +LIMIT +SHARES +PCP +SENT ' \
	'^storage +- +- +16 +4 +0 +0 ' '^scavenger +- +1.234 Mbit/s +1 +1 '
"$weir" show qos vm db1 >"$out"
says '^db1: port db1.0$' '^  on each link  4 shares, reservation 1.5 Mbit/s$' '^  sends +no limit$' '^uplink +from +storage +1.5 Mbit/s +- +1 +0 '
"$weir" show qos vm web1 >"$out"
says '^  on each link  1 share$' '^  sends +limit 5 Mbit/s; held back for [0-9]+ us in all, not now; a meter \(RFC 4115\) guards each port, 0 frames were red$' \
	'^  receives +limit 1000 frames/s$'

echo "- explain: class and why, sender, queue, policy, marks"
"$weir" explain db1.0 src=52:54:00:00:00:05 dst="$server" ip=10.9.0.105,10.9.0.1 tcp=1,3260 >"$out"
says '^class    storage, by a declared storage portal$' '^verdict  unicast to uplink$' '^sender   VM db1: no limit$' \
	'^queue    at uplink \(20 Mbit/s\): VM db1, class storage, one of [0-9]+ flow queues$' \
	'^ +VM-class +1 share, reservation 1.5 Mbit/s$' '^ +VM +4 shares, reservation 1.5 Mbit/s$' '^ +class +16 shares$' \
	'^ +now +nothing waits at this link; the frame before waited 0 us$' '^ +marks +no tag, DSCP 26$'
"$weir" explain uplink src="$server" dst=52:54:00:00:00:06 ip=10.9.0.1,10.9.0.106 udp=1,2 >"$out"
says '^queue    at web1.0 \(no rate\): VM web1, class bulk, one of [0-9]+ flow queues$' '^ +VM +1 share, limit 1000 frames/s$' '^ +marks +no tag, DSCP as it came$'
[ "$(grep -c ^sender "$out")" = 0 ]

echo "- frames are counted one by one, and as bytes on the wire"
before=$("$weir" --json show qos vm db1 | jq '[."weir-qos:qos-state".vm[0].link[] | select(.name == "uplink").class[] | select(.name == "bulk")][0]')
vguest_in db1 ping -q -c 7 -i 0.05 -s 1000 -W 2 10.9.0.1 >/dev/null
after=$("$weir" --json show qos vm db1 | jq '[."weir-qos:qos-state".vm[0].link[] | select(.name == "uplink").class[] | select(.name == "bulk")][0]')
jq -en --argjson a "$after" --argjson b "$before" \
	'(($a."sent-pkts" | tonumber) - ($b."sent-pkts" | tonumber) == 7) and (($a."sent-bytes" | tonumber) - ($b."sent-bytes" | tonumber) == 7 * (1000 + 8 + 20 + 14 + 24))' >/dev/null ||
	{ echo "7 pings of 1066 bytes: $before $after"; exit 1; }

echo "- under load: who waits, how long, who was dropped and why, who is held back"
qos_flood "weirweb1$LAB_ID" 10.9.0.1 60000000; flood_w=$QOS_FLOOD
qos_flood "weirdb1$LAB_ID" 10.9.0.1 60000000; flood_d=$QOS_FLOOD
shown() { # COMMAND PATTERN: until it shows that; what a flood does next is not up to us
	for _ in $(seq 100); do "$weir" $1 >"$out"; grep -Eq -- "$2" "$out" && return 0; sleep 0.1; done
	echo "'$1' never shows: $2"; cat "$out"; exit 1
}
shown "show qos" '^uplink +bulk +queue_(late|full) +[0-9]+ +its '
says '^uplink: rate 20 Mbit/s, [1-9][0-9]* frames queued' '^frames by time in a queue$' '^bulk .* [1-9][0-9]* us +[1-9][0-9]* us +[1-9][0-9]* +0$'
shown "show qos vm web1" 'held back for [1-9][0-9]+ us in all, also now'
shown "show qos vm db1" '^uplink +bulk +queue_(late|full) '
"$weir" explain web1.0 src=52:54:00:00:00:06 dst="$server" ip=10.9.0.106,10.9.0.1 udp=1,2 >"$out"
says '^ +now +[1-9][0-9]* frames wait at this link, [0-9]+ of them in this queue; the frame before waited [0-9]+ us'
kill "$flood_w" "$flood_d"

echo "- at rest all of it adds up: VMs to classes, drops to those of the port; NETCONF shows the same tree"
before=
for _ in $(seq 100); do # until nothing waits and nothing moves; web1's own queue is long, and held back
	"$weir" --json show qos >"$LAB_T/qos.json"
	now=$(jq -r '."weir-qos:qos-state".link[0] | select(."queued-pkts" == "0") | [.class[]."sent-pkts"] | join(" ")' "$LAB_T/qos.json")
	[ -n "$now" ] && [ "$now" = "$before" ] && break
	before=$now
	sleep 0.3
done
/usr/bin/python3 - "$LAB_T/qos.json" "$WEIR_SOCKET" <<'P'
import json, socket, sys
shown = json.load(open(sys.argv[1]))["weir-qos:qos-state"]
def ask(op, args):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2])
    s.sendall(json.dumps({op: args}).encode() + b"\n")
    return json.loads(s.makefile().readline())
def drops(c): return {d["reason"]: d["pkts"] for d in c.get("drop", [])}
link = shown["link"][0]
for c in link["class"]:
    rows = [r for v in shown["vm"] for l in v["link"] if l["name"] == link["name"] for r in l["class"] if r["name"] == c["name"]]
    for k in ("sent-pkts", "sent-bytes", "reserved-bytes"):
        assert int(c[k]) == sum(int(r[k]) for r in rows), (c, rows)
    for reason in drops(c):
        assert drops(c)[reason] == sum(drops(r).get(reason, 0) for r in rows), (c, rows)
port = ask("weir-operations:get-state", {"part": "ports", "name": "uplink"})["data"]["ietf-interfaces:interfaces"]["interface"][0]["weir-interfaces:port-state"]
of_port = {d["reason"]: int(d["out"]) for d in port["drop"] if int(d["out"])}
bulk = drops(next(c for c in link["class"] if c["name"] == "bulk"))
assert bulk == of_port, (bulk, of_port)
got = ask("ietf-netconf-nmda:get-data", {"datastore": "ietf-datastores:operational", "xpath-filter": "/weir-qos:qos-state"})
tree = got["data"]["ietf-netconf-nmda:data"]["weir-qos:qos-state"]
assert sorted(v["name"] for v in tree["vm"]) == sorted(v["name"] for v in shown["vm"]), tree
def still(v): return sorted((l["name"], c["name"], c["sent-bytes"]) for l in v.get("link", []) for c in l["class"] if l["name"] == "uplink" and c["name"] == "bulk")
for v in shown["vm"]:
    assert still(v) == still(next(w for w in tree["vm"] if w["name"] == v["name"])), v
P

echo "- a VM that is not there, and completion"
status=0; "$weir" show qos vm nosuch 2>"$LAB_T/err" || status=$?
[ $status = 1 ] && grep -q 'show qos: nosuch: no such VM' "$LAB_T/err"
[ "$("$weir" --complete 'show qos vm ' | cut -f1 | sort | tr '\n' ' ')" = "db1 web1 " ]
"$weir" --complete 'show q' | grep -q '^qos'
lab_conserved
