#!/bin/bash
# Metrics: what a collector reads is what shows say, in the format that it expects; and clients that misbehave keep nobody else out.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin

port=$((20000 + $$ % 10000)) other=$((20000 + ($$ + 1) % 10000))
take() { # PORT: somebody else listens on it
	python3 -c 'import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.listen()
print("up", flush=True)
time.sleep(60)' "$1" >"$LAB_T/taken" &
	taken=$!
	LAB_PIDS+=("$taken")
	for _ in $(seq 50); do grep -q up "$LAB_T/taken" && return 0; sleep 0.1; done
	return 1
}
cat >"$LAB_T/weir.json" <<END
{ "ietf-interfaces:interfaces": { "interface": [
    { "name": "n", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "device": "net_null0", "rate": "10000000000" } } ] },
  "weir-vm:vms": { "vm": [ { "name": "db1", "nic": [ { "id": 0, "mac": "52:54:00:00:00:01", "vlan": 20, "socket": "$LAB_T/g" } ] } ] },
  "weir-management:management": { "metrics": { "port": $port } } }
END
lab_switch "$LAB_T/weir.json"
url=http://127.0.0.1:$port/metrics

# A strict parser takes it, and the values are the switch's.
curl -sSf -D "$LAB_T/head" -o "$LAB_T/text" "$url"
grep -qi '^content-type: application/openmetrics-text; version=1.0.0; charset=utf-8' "$LAB_T/head"
grep -qi '^connection: close' "$LAB_T/head"
/usr/bin/python3 - "$LAB_T/text" <<'END'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = {f.name: f for f in parse(open(sys.argv[1]).read())}
value = lambda name, **labels: next(s.value for s in families[name].samples if s.labels == labels)
assert value("weir_port_up", port="n") == 1
assert value("weir_port_up", port="db1.0") == 0
assert families["weir_port_rx_pkts"].type == "counter" and families["weir_link_wait_seconds"].type == "histogram"
assert families["weir_vm_phase"].type == "stateset" and value("weir_vm_phase", vm="db1", weir_vm_phase="new") == 1
assert value("weir_portals_learnt") == 0 and families["weir"].samples[0].labels["version"]
assert value("weir_configuration_generation") >= 1
assert all(f.documentation for f in families.values())
END

# Nothing else is there.
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/")" = 404 ]
[ "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/metrics/../../etc/passwd" --path-as-is)" = 404 ]
for method in POST PUT DELETE OPTIONS HEAD; do
	[ "$(curl -s -o "$LAB_T/answer" -D "$LAB_T/head" -w '%{http_code}' -X $method --max-time 5 "$url" || :)" = 405 ]
	grep -qi '^allow: GET' "$LAB_T/head"
done
[ "$(head -c 100000 /dev/zero | curl -s -o /dev/null -w '%{http_code}' --data-binary @- "$url")" = 405 ]

# Loopback only.
ss -ltn | grep -q "127.0.0.1:$port "
refute grep -q ":$port " <(ss -ltn | grep -v 127.0.0.1)

# Headers without an end, a request without one, and more connections than there are places. (A subshell holds them.)
{ printf 'GET /metrics HTTP/1.1\r\n'; yes 'X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | head -2000 | sed 's/$/\r/'; } >"$LAB_T/long"
timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat '$LAB_T/long' >&3; head -1 <&3" >"$LAB_T/answer" 2>/dev/null || :
grep -qE 'HTTP/1.1 4(13|31|00)' "$LAB_T/answer" || [ ! -s "$LAB_T/answer" ]
(for i in $(seq 12); do eval "exec $((i + 10))<>/dev/tcp/127.0.0.1/$port" && eval "printf 'GET /met' >&$((i + 10))"; done; sleep 3) 2>/dev/null &
held=$!
LAB_PIDS+=("$held")
held_by() { ss -Htn state established "dst 127.0.0.1 and dport = :$port" | wc -l; }
until [ "$(held_by)" -ge 12 ]; do kill -0 "$held"; sleep 0.05; done
curl -sSf --max-time 5 -o "$LAB_T/text2" "$url" # some places are left
tail -1 "$LAB_T/text2" | grep -qx '# EOF'
wait "$held"
"$weir" ping >/dev/null

# A port that is taken refuses the commit, says which, and nothing changes; another one is served at once.
take $other
refute "$weir" -c "configure; set management metrics port $other; commit" >"$LAB_T/refused" 2>&1
grep -q "127.0.0.1 port $other" "$LAB_T/refused"
grep -q 'Address already in use' "$LAB_T/refused"
curl -sSf -o /dev/null "$url"
kill "$taken"
wait "$taken" 2>/dev/null || :
"$weir" -c "configure; set management metrics port $other; commit" >/dev/null
curl -sSf -o /dev/null http://127.0.0.1:$other/metrics
refute curl -s -o /dev/null --max-time 2 "$url"
"$weir" -c 'configure; delete management metrics; commit' >/dev/null
refute curl -s -o /dev/null --max-time 2 http://127.0.0.1:$other/metrics

# A start does not fail for it: ports matter more.
"$weir" -c "configure; set management metrics port $port; commit" >/dev/null
kill -TERM "$LAB_SWITCHD"
wait "$LAB_SWITCHD"
take $port
lab_switch "$LAB_T/weir.json"
grep -q "metrics 127.0.0.1 port $port: metrics cannot listen: Address already in use; tried again" "$LAB_T/switch.log"
"$weir" show ports | grep -q '^db1.0 '
kill "$taken"
