#!/bin/bash
# OpenFlow's connections: ovs-ofctl and a client of its own on listeners by TCP and UNIX socket; controllers by TCP and TLS that are lost and come
# back; certificates that are refused; a change of the configuration that leaves other connections alone; numbers of ports over a restart.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
command -v ovs-ofctl >/dev/null || { echo "ovs-ofctl is not installed (openvswitch-common)"; exit 77; }
lab_begin
peer=$lab_top/tests/lib/of_peer.py
p=$((21000 + $$ % 9000)) tcp=$((p + 10000)) tls=$((p + 20000))
of() { timeout 10 ovs-ofctl -O OpenFlow13 "$@"; }
state() { "$weir" show openflow --json; }
field() { state | /usr/bin/python3 -c 'import json, sys
s = json.load(sys.stdin)["weir-openflow:openflow-state"]
print(next(([str(c.get(k, "")) for k in sys.argv[2:]] for c in s.get("connection", []) if c["name"].startswith(sys.argv[1])), ["none"]))' "$@"; }
wait_for() { # TEXT COMMAND...: its output has TEXT, within 10 s
	local text=$1
	shift
	for _ in $(seq 100); do "$@" 2>/dev/null | grep -q -- "$text" && return 0; sleep 0.1; done
	echo "no '$text' from: $*"
	"$@"
	state
	return 1
}

# NETCONF has the same state: all of it, and by a filter.
netconf_has() { # TEXT [FILTER]
	printf '%s]]>]]>' '<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>' \
		"<rpc message-id=\"1\" xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\"><get>${2:-}</get></rpc>" \
		'<rpc message-id="2" xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><close-session/></rpc>' |
		timeout 10 "$lab_build/tools/weir-netconf" "$LAB_T/netconf.sock" >"$LAB_T/netconf"
	grep -q "$1" "$LAB_T/netconf" || { echo "no '$1' from NETCONF:"; tail -c 500 "$LAB_T/netconf"; return 1; }
}

# Two authorities: ours, and one that nobody believes.
for ca in good bad; do
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$ca" -keyout "$LAB_T/$ca-ca.key" -out "$LAB_T/$ca-ca.pem" 2>/dev/null
	for who in switch controller; do
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$who" -keyout "$LAB_T/$ca-$who.key" -out "$LAB_T/$who.csr" 2>/dev/null
		openssl x509 -req -in "$LAB_T/$who.csr" -CA "$LAB_T/$ca-ca.pem" -CAkey "$LAB_T/$ca-ca.key" -CAcreateserial -days 2 -out "$LAB_T/$ca-$who.pem" 2>/dev/null
	done
done

cat >"$LAB_T/weir.json" <<END
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "a", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "device": "net_null0", "of-port": 7 } },
    { "name": "b", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "device": "net_null1" } } ] },
  "weir-openflow:openflow": { "enabled": true, "datapath-id": "00000000000000A1",
    "controller": [ { "name": "c1", "address": "127.0.0.1", "port": $tcp, "inactivity-probe": 1, "max-backoff": 1 },
      { "name": "c2", "address": "127.0.0.1", "port": $tls, "protocol": "tls", "max-backoff": 1 } ],
    "listener": [ { "name": "l", "address": "127.0.0.1", "port": $p }, { "name": "u", "unix": "$LAB_T/u.sock" } ],
    "tls": { "private-key": "$LAB_T/good-switch.key", "certificate": "$LAB_T/good-switch.pem", "ca-certificate": "$LAB_T/good-ca.pem" } },
  "weir-management:management": { "metrics": { "port": $((p + 1)) } } }
END
lab_switch "$LAB_T/weir.json"

# Without a flow it is said that every frame is dropped, and by whom flows can come.
"$weir" show openflow >"$LAB_T/said"
grep -q "^no flow: every frame is dropped" "$LAB_T/said"
grep -qx "fail mode: secure" "$LAB_T/said"
grep -Eq "^l +127.0.0.1 port $p +tcp +listening" "$LAB_T/said"
grep -Eq "^local +$LAB_T/openflow.sock +unix +listening" "$LAB_T/said"
"$weir" of add-flow table=1,actions=NORMAL
"$weir" show openflow | grep -q "^no flow in table 0: every frame is dropped"
"$weir" of add-flow priority=0,actions=NORMAL
"$weir" of add-group group_id=1,type=all,bucket=output:1
"$weir" show openflow >"$LAB_T/said"
refute grep -q "^no flow" "$LAB_T/said"
grep -qx "flows: 2 of 262144, groups: 1, meters: 0" "$LAB_T/said"
grep -Eq "^ +1 +1 +0 +0$" "$LAB_T/said"

"$weir" show port a >"$LAB_T/said"
grep -qx "OpenFlow: port 7" "$LAB_T/said"

# Clients of listeners, and of the socket beside the daemon's own, which is root's.
for at in "tcp:127.0.0.1:$p" "unix:$LAB_T/u.sock" "unix:$LAB_T/openflow.sock"; do
	of show "$at" >"$LAB_T/show"
	grep -q 'dpid:00000000000000a1' "$LAB_T/show"
	grep -q '7(a)' "$LAB_T/show"
	grep -q '1(b)' "$LAB_T/show"
	of probe "$at"
	of ping "$at" 64 >"$LAB_T/ping"
	grep -q '64 bytes from' "$LAB_T/ping"
done
refute timeout 10 ovs-ofctl -O OpenFlow10 show "tcp:127.0.0.1:$p" 2>/dev/null
[ "$(stat -c %a "$LAB_T/u.sock" "$LAB_T/openflow.sock" | sort -u)" = 600 ]
[ "$(timeout 20 "$peer" ask "$p")" = right ]
[ "$(timeout 20 "$peer" ask "$LAB_T/u.sock")" = right ]
# A barrier behind more than one turn takes waits for workers, not for the next tick, which is 100 ms away.
[ "$(timeout 20 "$peer" many "$LAB_T/u.sock")" -lt 50 ]

# A controller that is not there, comes, goes and comes again.
wait_for "waiting.*refused" field c1 state last-error
for _ in 1 2; do
	"$peer" listen "$tcp" 60 >"$LAB_T/c1" &
	c1=$!
	wait_for "active.*1.3.*equal" field c1 state version role
	wait_for "up 00000000000000a1 tcp" cat "$LAB_T/c1"
	kill "$c1" && wait "$c1" 2>/dev/null || :
	wait_for "waiting\|connecting" field c1 state
done
# One that closes at once is asked again after a second or so, and not all the time.
[ "$(timeout 10 "$peer" reset "$tcp" 2)" -le 5 ]

# TLS: both sides show certificates; the wrong one is refused with its reason.
"$peer" listen "$tls" 60 "$LAB_T/bad-controller.key" "$LAB_T/bad-controller.pem" "$LAB_T/good-ca.pem" >"$LAB_T/c2" &
bad=$!
wait_for "certificate" field c2 last-error
kill "$bad" && wait "$bad" 2>/dev/null || :
# A certificate of the right authority, and for another name: with peer-name it is refused with its reason, and taken when it is the name.
"$peer" listen "$tls" 60 "$LAB_T/good-controller.key" "$LAB_T/good-controller.pem" "$LAB_T/good-ca.pem" >"$LAB_T/named" &
named=$!
for no in "other.example hostname" "127.0.0.1 IP.address"; do
	"$weir" -c "configure; set openflow controller c2 peer-name ${no% *}; commit" >/dev/null
	wait_for "certificate: ${no#* } mismatch" field c2 last-error
done
"$weir" -c "configure; set openflow controller c2 peer-name controller; commit" >/dev/null
wait_for "up 00000000000000a1 TLSv1.[23]" cat "$LAB_T/named"
kill "$named" && wait "$named" 2>/dev/null || :
"$peer" listen "$tls" 60 "$LAB_T/good-controller.key" "$LAB_T/good-controller.pem" "$LAB_T/good-ca.pem" >"$LAB_T/c2" &
good=$!
LAB_PIDS+=("$good")
wait_for "up 00000000000000a1 TLSv1.[23]" cat "$LAB_T/c2"

"$weir" show openflow | grep -Eq '^c2 +controller +127.0.0.1 port [0-9]+ +active'
netconf_has '<connection><name>c2</name>.*<state>active</state>' '<filter type="subtree"><openflow-state xmlns="urn:weir:params:xml:ns:yang:weir-openflow"/></filter>'
netconf_has '<openflow-state xmlns="[^"]*"><mode>tables</mode>'
curl -sSf "http://127.0.0.1:$((p + 1))/metrics" >"$LAB_T/metrics"
grep -qx 'weir_openflow_connected{controller="c2"} 1' "$LAB_T/metrics"
grep -qx 'weir_openflow_connected{controller="c1"} 0' "$LAB_T/metrics"

# Of a change, what it does not name does not notice; and a listener in TLS refuses who has no certificate.
"$weir" -c "configure; set openflow listener t address 127.0.0.1 port $((tls + 1)) protocol tls; delete openflow controller c1; commit" >/dev/null
refute of show "ssl:127.0.0.1:$((tls + 1))" -p "$LAB_T/bad-switch.key" -c "$LAB_T/bad-switch.pem" -C "$LAB_T/good-ca.pem" 2>/dev/null
of show "ssl:127.0.0.1:$((tls + 1))" -p "$LAB_T/good-controller.key" -c "$LAB_T/good-controller.pem" -C "$LAB_T/good-ca.pem" | grep -q 00000000000000a1
"$weir" -c "configure; set openflow listener t peer-name other; commit" >/dev/null
refute of show "ssl:127.0.0.1:$((tls + 1))" -p "$LAB_T/good-controller.key" -c "$LAB_T/good-controller.pem" -C "$LAB_T/good-ca.pem" 2>/dev/null
"$weir" -c "configure; set openflow listener t peer-name controller; commit" >/dev/null
of show "ssl:127.0.0.1:$((tls + 1))" -p "$LAB_T/good-controller.key" -c "$LAB_T/good-controller.pem" -C "$LAB_T/good-ca.pem" | grep -q 00000000000000a1
# Who is there already leaves by the commit that would not let it in, and not by another one: a name, TLS, a listener that goes.
stay() { # NAME ARGUMENTS...
	timeout 120 "$peer" stay "${@:2}" >"$LAB_T/stay-$1" &
	LAB_PIDS+=("$!")
	wait_for active field "$1-" state
}
stay t $((tls + 1)) "$LAB_T/good-controller.key" "$LAB_T/good-controller.pem"
stay l "$p"
stay u "$LAB_T/u.sock"
"$weir" -c "configure; delete openflow listener t peer-name; commit; set openflow listener t peer-name controller; commit" >/dev/null
refute grep -q closed "$LAB_T"/stay-*
"$weir" -c "configure; set openflow listener t peer-name other; commit" >/dev/null
wait_for closed cat "$LAB_T/stay-t"
grep -Eq "openflow: t-[0-9]+ .*left: its certificate is not for the peer-name" "$LAB_T/switch.log"
"$weir" -c "configure; set openflow listener t peer-name controller; set openflow listener l protocol tls; commit" >/dev/null
wait_for closed cat "$LAB_T/stay-l"
grep -Eq "openflow: l-[0-9]+ .*left: its listener wants TLS now" "$LAB_T/switch.log"
refute grep -q closed "$LAB_T/stay-u"
"$weir" -c "configure; delete openflow listener u; commit" >/dev/null
wait_for closed cat "$LAB_T/stay-u"
"$weir" -c "configure; rollback 1; set openflow listener l protocol tcp; commit" >/dev/null
refute grep -q lost "$LAB_T/c2"
wait_for "none" field c1 state
# What cannot be is refused, and nothing changed.
refute "$weir" -c "configure; set openflow tls certificate /nowhere; commit" >"$LAB_T/said" 2>&1
grep -q '/weir-openflow:openflow/tls/certificate /nowhere: No such file' "$LAB_T/said"
refute "$weir" -c "configure; discard; set openflow listener x address 127.0.0.1 port $tls; commit" >"$LAB_T/said" 2>&1
grep -q "listener\[name='x'\]/port 127.0.0.1 port $tls: cannot listen: Address already in use" "$LAB_T/said"
refute grep -q lost "$LAB_T/c2"

# Files that are renewed under their names are read by a reload or any commit; whom they believe stays.
stay t $((tls + 1)) "$LAB_T/good-controller.key" "$LAB_T/good-controller.pem"
shown() {
	openssl s_client -connect "127.0.0.1:$((tls + 1))" -key "$LAB_T/good-controller.key" -cert "$LAB_T/good-controller.pem" </dev/null 2>/dev/null |
		openssl x509 -noout -subject
}
[[ "$(shown)" == *switch ]]
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=renewed" -keyout "$LAB_T/good-switch.key" -out "$LAB_T/new.csr" 2>/dev/null
openssl x509 -req -in "$LAB_T/new.csr" -CA "$LAB_T/good-ca.pem" -CAkey "$LAB_T/good-ca.key" -CAcreateserial -days 2 -out "$LAB_T/good-switch.pem" 2>/dev/null
[[ "$(shown)" == *switch ]]
"$weir" -c "configure; discard" >/dev/null 2>&1
"$weir" reload --dry-run >"$LAB_T/said"
grep -qx 'openflow tls: content of files changed' "$LAB_T/said"
[[ "$(shown)" == *switch ]]
"$weir" reload >/dev/null
[[ "$(shown)" == *renewed ]]
# A half-written one stops no commit of something else.
cp "$LAB_T/good-switch.pem" "$LAB_T/whole.pem"
head -3 "$LAB_T/whole.pem" >"$LAB_T/good-switch.pem"
"$weir" -c "configure; set port b rate 1000000000; commit" >/dev/null
grep -q 'tls/certificate .*TLS goes on with what was read before' "$LAB_T/switch.log"
[[ "$(shown)" == *renewed ]]
mv "$LAB_T/whole.pem" "$LAB_T/good-switch.pem"
refute grep -q closed "$LAB_T/stay-t"
refute grep -q lost "$LAB_T/c2"
# Another authority: whom it did not sign for leaves, on either way, and comes in no more.
cp "$LAB_T/bad-ca.pem" "$LAB_T/good-ca.pem"
"$weir" reload >/dev/null
wait_for closed cat "$LAB_T/stay-t"
wait_for lost cat "$LAB_T/c2"
wait_for "certificate" field c2 last-error
grep -Eq "openflow: t-[0-9]+ .*left: ca-certificate is another now" "$LAB_T/switch.log"

# In standalone, with no controller, flows decide nothing, and that is said; as when it is off.
"$weir" -c "configure; discard; set openflow fail-mode standalone; set openflow controller none address 127.0.0.1 port 1 inactivity-probe 1; delete openflow controller c2; commit" >/dev/null
wait_for "^no controller is there: frames are forwarded by MAC addresses" "$weir" show openflow
"$weir" -c "configure; set openflow fail-mode secure; commit" >/dev/null
refute grep -q "^no controller" <("$weir" show openflow)

# Off and on again; the file has the numbers of ports.
"$weir" -c "configure; discard; set openflow enabled false; commit" >/dev/null
[ ! -e "$LAB_T/openflow.sock" ]
netconf_has '<openflow-state xmlns="[^"]*"><mode>off</mode></openflow-state>'
grep -q "^frames are forwarded by MAC addresses. 'set openflow enabled true'" <("$weir" show openflow)
refute grep -q "^OpenFlow" <("$weir" show port b)
[ "$(state)" = '{"weir-openflow:openflow-state":{"mode":"off"}}' ] || state | grep -q '"off"'
sleep 0.1
"$weir" -c "configure; set openflow enabled true; set port z type uplink device net_null2; delete port a; commit" >/dev/null
of show "unix:$LAB_T/openflow.sock" | grep -q '2(z)'
grep -q '^port 7 a$' "$LAB_T"/weir.json.d/of-ports
echo "openflow connections: right"
