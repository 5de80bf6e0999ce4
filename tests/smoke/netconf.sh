#!/bin/bash
# NETCONF as an operator has it: ncclient over a real sshd, whose subsystem is weir-netconf. Read, edit, validate, commit: the port is
# there. Refusals carry tag and path; another session's lock holds; base:1.0 works too.
. "$(dirname "$0")/../../tools/lib/lab.sh"
. "$(dirname "$0")/../lib/netconf_lab.sh"
set -eu
nc_lab_begin
lab_uplink
ip link add "wn$LAB_ID" type veth peer name "wm$LAB_ID"
LAB_LINKS+=("wn$LAB_ID")
ip link set "wn$LAB_ID" up
cat >"$LAB_T/weir.json" <<C
{ "ietf-interfaces:interfaces": { "interface": [ { "name": "up", "type": "weir-interfaces:uplink", "weir-interfaces:port": { "af-packet": "$LAB_UP" } } ] } }
C
lab_switch "$LAB_T/weir.json"
nc_sshd

cat >"$LAB_T/client.py" <<'P'
import sys, time
from ncclient import manager
from ncclient.operations import RPCError
port, key, device = int(sys.argv[1]), sys.argv[2], sys.argv[3]
def session():
    return manager.connect(host="127.0.0.1", port=port, username="root", key_filename=key, hostkey_verify=False, look_for_keys=False, allow_agent=False, timeout=10)
NS = 'xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces" xmlns:wi="urn:weir:params:xml:ns:yang:weir-interfaces"'
def interface(body):
    return '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><interfaces %s><interface>%s</interface></interfaces></config>' % (NS, body)
new = interface('<name>nc</name><description>Grüße</description><type>wi:uplink</type><port xmlns="urn:weir:params:xml:ns:yang:weir-interfaces"><af-packet>%s</af-packet></port>' % device)
def refused(call, tag):
    try:
        call()
    except RPCError as e:
        assert e.tag == tag, (e.tag, e.message)
        return e
    raise AssertionError("not refused: " + tag)
with session() as a, session() as b:
    assert ":candidate" in a.server_capabilities
    assert "<name>up</name>" in a.get_config("running").data_xml
    a.edit_config(target="candidate", config=new)
    a.validate("candidate")
    assert "<name>nc</name>" not in a.get_config("running").data_xml
    a.commit()
    assert "Grüße" in b.get_config("running").data_xml
    with a.locked("candidate"):
        refused(lambda: b.edit_config(target="candidate", config=new), "in-use")
        assert refused(lambda: b.lock("candidate"), "lock-denied").info
    # A device that is not there: the daemon refuses, what runs stays.
    a.edit_config(target="candidate", config=interface('<name>bad</name><type>wi:uplink</type><port xmlns="urn:weir:params:xml:ns:yang:weir-interfaces"><af-packet>no-such</af-packet></port>'))
    e = refused(a.commit, "operation-failed")
    assert "no-such" in e.message, e.message
    a.discard_changes()
    refused(lambda: a.edit_config(target="candidate", config=interface('<name>x</name><vlan>5</vlan>')), "unknown-element")
    victim = session()
    b.kill_session(victim.session_id)
    for _ in range(50):
        if not victim.connected:
            break
        time.sleep(0.1)
    assert not victim.connected
with session() as c:
    c.edit_config(target="candidate", config=interface('<name>nc</name>').replace("<interface>", '<interface xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete">'))
    c.commit()
P
echo "- ncclient over sshd"
nc_run client 60 /usr/bin/python3 "$LAB_T/client.py" "$NC_PORT" "$LAB_T/key" "wn$LAB_ID"
grep -q 'committed by root' "$LAB_T/switch.log"
grep -q 'port nc: add' "$LAB_T/switch.log"
grep -q 'port nc: remove' "$LAB_T/switch.log"

echo "- base:1.0, and bytes that are no NETCONF"
hello='<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>'
rpc() { echo "<rpc xmlns=\"urn:ietf:params:xml:ns:netconf:base:1.0\" message-id=\"1\">$1</rpc>]]>]]>"; }
{ echo "$hello"; rpc '<get-config><source><running/></source></get-config>'; rpc '<close-session/>'; } | timeout 10 "$lab_build/tools/weir-netconf" "$LAB_T/netconf.sock" >"$LAB_T/old"
grep -q '<name>up</name>' "$LAB_T/old"
grep -q '<ok/></rpc-reply>]]>]]>' "$LAB_T/old"
head -c 100000 /dev/urandom | timeout 10 "$lab_build/tools/weir-netconf" "$LAB_T/netconf.sock" >/dev/null || true
{ echo "$hello"; rpc '<get-config><source>'; rpc '<close-session/>'; } | timeout 10 "$lab_build/tools/weir-netconf" "$LAB_T/netconf.sock" | grep -q 'malformed-message\|operation-failed'
refute "$lab_build/tools/weir-netconf" "$LAB_T/none.sock" 2>/dev/null
"$weir" ping | grep -qx alive
lab_conserved

echo "- 1,500 requests at once, and all of their answers"
timeout 120 /usr/bin/python3 "$lab_top/tests/lib/netconf_pipeline.py" "$lab_build/tools/weir-netconf" "$LAB_T/netconf.sock"

echo "- a path that is too long is refused by name"
long=$LAB_T/$(printf "%0$((96 - ${#LAB_T}))d" 0)
mkdir "$long"
refute timeout 20 "$lab_build/control/weir-switchd" -c "$LAB_T/weir.json" -d "$LAB_T/long-state" -s "$long/weir.sock" -y "$lab_top/config/yang" --no-huge >"$LAB_T/long.log" 2>&1
grep -q 'netconf.sock: NETCONF socket: path is longer' "$LAB_T/long.log"
