"""Every operation, by ncclient over sshd. usage: netconf_clients.py PORT KEY USER DIR"""
import glob
import socket
import os
import subprocess
import sys
import threading
import time

from ncclient.operations import RPCError
from ncclient.xml_ import to_ele

from netconf_peer import (MON, NACM, NC, NMDA, QOS, VLAN, VM, WD, Server, config, eventually, find, refused, run, texts, vm, vms)

server = Server(sys.argv[1], sys.argv[2])
user, directory = sys.argv[3], sys.argv[4]
ALL_VMS = '<vms xmlns="%s"/>' % VM
NAMES = "//vm:vms/vm:vm/vm:name/text()"


def names(m, source="running"):
    return texts(m.get_config(source, filter=("subtree", ALL_VMS)).data_xml, NAMES)


def put(m, body, **how):
    return m.edit_config(target="candidate", config=vms(body), **how)


def inline(text):
    """A configuration as a source."""
    return to_ele('<source xmlns="%s">%s</source>' % (NC, text))


def commit(m, body):
    put(m, body)
    m.commit()


def clean(m, *gone):
    """Away with these machines, in what runs."""
    m.discard_changes()
    commit(m, "".join(vm(n, operation="remove") for n in gone))


def says_what_it_can():
    with server.session() as m:
        caps = list(m.server_capabilities)
        for want in (":candidate", ":confirmed-commit", ":rollback-on-error", ":startup", ":validate", ":xpath", ":notification", ":interleave",
                     ":with-defaults", ":yang-library"):
            assert want in m.server_capabilities, want
        assert ":writable-running" not in m.server_capabilities and ":url" not in m.server_capabilities
        assert len(caps) == len(set(caps))
        # What it says in hello and in monitoring is the same (RFC 6022 section 2.1.1).
        told = texts(m.get(filter=("xpath", ({"m": MON}, "/m:netconf-state/m:capabilities"))).data_xml, "//mon:capability/text()")
        assert sorted(told) == sorted(caps), set(told) ^ set(caps)


def filters():
    with server.session() as m:
        for source in ("running", "candidate", "startup"):
            assert names(m, source) == ["a", "b"], source
            whole = m.get_config(source).data_xml
            assert texts(whole, "//if:interface/if:name/text()") == ["up"]
            assert texts(whole, "//qos:portal/qos:port/text()") == ["4420"]
            one = m.get_config(source, filter=("subtree", '<vms xmlns="%s"><vm><name>b</name></vm></vms>' % VM)).data_xml
            assert texts(one, NAMES) == ["b"] and texts(one, "//vm:description/text()") == ["Größe: 5 < 6 & 日本語 🐧"]
            leaf = m.get_config(source, filter=("subtree", '<vms xmlns="%s"><vm><name>a</name><description/></vm></vms>' % VM)).data_xml
            assert len(find(leaf, "//vm:vm/*")) == 2, leaf
            none = m.get_config(source, filter=("subtree", '<vms xmlns="%s"><vm><name>zz</name></vm></vms>' % VM)).data_xml
            assert texts(none, NAMES) == []
            by_path = m.get_config(source, filter=("xpath", ({"v": VM}, "/v:vms/v:vm[v:name='a']"))).data_xml
            assert texts(by_path, NAMES) == ["a"], by_path
            assert len(find(m.get_config(source, filter=("xpath", ({"v": VM}, "//v:nic/v:mac"))).data_xml, "//vm:mac")) == 1
            assert not len(m.get_config(source, filter=("xpath", ({"v": VM}, "/v:vms/v:vm[v:name='zz']"))).data_ele)
            empty = '<get-config xmlns="%s"><source><%s/></source><filter type="subtree"/></get-config>' % (NC, source)
            assert not len(find(m.dispatch(to_ele(empty)).xml, "//nc:data/*"))  # RFC 6241 section 6.4.2
        two = m.get_config("running", filter=to_ele('<filter xmlns="%s" type="subtree"><vlans xmlns="%s"/><storage xmlns="%s"/></filter>' % (NC, VLAN, QOS))).data_xml
        assert find(two, "//vlan:vlan") and find(two, "//qos:portal") and not find(two, "//vm:vm")
        refused(lambda: m.get_config("running", filter=("xpath", ({"v": VM}, "/v:vms["))), "bad-attribute")
        refused(lambda: m.get_config("running", filter=("xpath", "/none:such")), "bad-attribute")
        state = m.get(filter=("subtree", '<netconf-state xmlns="%s"><sessions/></netconf-state>' % MON)).data_xml
        assert m.session_id in texts(state, "//mon:session-id/text()") and not find(state, "//mon:schema")
        state = m.get().data_xml
        assert find(state, "//vm:vms-state/vm:vm") and find(state, "//vm:vms/vm:vm") and find(state, "//mon:statistics")
        assert not find(m.get_config("running").data_xml, "//vm:vms-state | //mon:netconf-state")


def default_data():
    xpath = ("xpath", ({"v": VM}, "/v:vms/v:vm[v:name='a']/v:boot/v:iscsi"))
    with server.session() as m:
        def leaves(mode):
            return {n.tag.split("}")[1]: n for n in find(m.get_config("running", filter=xpath, with_defaults=mode).data_xml, "//vm:iscsi/*")}
        # a: port is written, with its default as its value; lun is not written.
        for mode, want in ((None, {"server", "target", "port"}), ("explicit", {"server", "target", "port"}), ("trim", {"server", "target"}),
                           ("report-all", {"server", "target", "port", "lun", "chap"}), ("report-all-tagged", {"server", "target", "port", "lun", "chap"})):
            got = leaves(mode)
            assert set(got) == want, (mode, set(got))
            tagged = {k for k, n in got.items() if n.get("{urn:ietf:params:xml:ns:netconf:default:1.0}default") == "true"}
            # RFC 6243 section 3.4: what the server considers default data, which in mode explicit is what nobody wrote.
            assert tagged == ({"lun"} if mode == "report-all-tagged" else set()), (mode, tagged)
            got = m.get(filter=xpath, with_defaults=mode).data_xml
            assert {n.tag.split("}")[1] for n in find(got, "//vm:iscsi/*")} == want, (mode, got)
        odd = '<get-config xmlns="%s"><source><running/></source><with-defaults xmlns="%s">some</with-defaults></get-config>' % (NC, WD)
        refused(lambda: m.dispatch(to_ele(odd)), "invalid-value")


def default_operations():
    with server.session() as m:
        put(m, vm("x", "<description>one</description><hostname>h</hostname>"))
        put(m, vm("x", "<description>two</description>"), default_operation="merge")
        x = ("xpath", ({"v": VM}, "/v:vms/v:vm[v:name='x']"))
        assert texts(m.get_config("candidate", filter=x).data_xml, "//vm:vm/*/text()") == ["x", "two", "h"]
        put(m, vm("x", "<description>three</description>"), default_operation="none")
        refused(lambda: put(m, vm("y"), default_operation="none"), "data-missing", path="vm")
        put(m, vm("x", '<hostname xmlns:nc="%s" nc:operation="delete"/>' % NC), default_operation="none")
        assert texts(m.get_config("candidate", filter=x).data_xml, "//vm:vm/*/text()")[1:] == ["two"]
        refused(lambda: put(m, vm("x", operation="create")), "data-exists", path="x")
        refused(lambda: put(m, vm("nobody", operation="delete")), "data-missing", path="nobody")
        put(m, vm("nobody", operation="remove"))
        put(m, vm("x", operation="replace"))
        assert len(find(m.get_config("candidate", filter=x).data_xml, "//vm:vm/*")) == 1
        put(m, vm("only"), default_operation="replace")  # the datastore is this, then
        assert names(m, "candidate") == ["only"] and not find(m.get_config("candidate").data_xml, "//if:interface")
        assert names(m) == ["a", "b"]
        m.discard_changes()
        assert names(m, "candidate") == ["a", "b"]


def test_options():
    broken = vm("t", "<boot><method>iscsi</method></boot>")
    with server.session() as m:
        refused(lambda: put(m, broken, test_option="test-then-set"), "operation-failed", path="t")
        refused(lambda: put(m, broken, test_option="test-only"), "operation-failed")
        assert names(m, "candidate") == ["a", "b"]
        put(m, vm("t"), test_option="test-only")
        assert names(m, "candidate") == ["a", "b"]
        put(m, vm("t"), test_option="test-then-set")
        assert names(m, "candidate") == ["a", "b", "t"]
        put(m, broken, test_option="set")
        refused(lambda: m.validate("candidate"), "operation-failed", path="t")
        refused(m.commit, "operation-failed")
        m.discard_changes()


def error_options():
    half = vm("good") + vm("nobody", operation="delete")
    with server.session() as m:
        for option in (None, "stop-on-error", "rollback-on-error"):
            refused(lambda: put(m, half, error_option=option), "data-missing")
            assert names(m, "candidate") == ["a", "b"], option  # all or nothing, by any name
        refused(lambda: put(m, half, error_option="continue-on-error"), "operation-not-supported")


def refusals():
    with server.session() as m:
        def edit(text):
            return lambda: m.edit_config(target="candidate", config=text)
        refused(edit(vms("<vm><description>d</description></vm>")), "missing-element", info="name")
        refused(edit(vms(vm("r", "<colour>red</colour>"))), "unknown-element", info="colour")
        refused(edit(config('<vms xmlns="urn:none"/>')), "unknown-namespace", info="urn:none")
        refused(edit(vms(vm("r", "<nic><id>9</id></nic>"))), "invalid-value", path="r")
        refused(edit(vms(vm("r r"))), "invalid-value")
        # RFC 7950 section 8.3.1: there is no such node without :writable-running.
        refused(lambda: m.edit_config(target="running", config=vms(vm("r"))), "unknown-element")
        refused(lambda: put(m, vm("r", "", "explode")), "bad-attribute")
        put(m, vm("r", "<nic><id>0</id></nic>"))
        refused(lambda: m.validate("candidate"), "data-missing", path="mac")
        m.discard_changes()
        put(m, vm("r", "<boot><method>kernel</method><kernel>none</kernel></boot>"))
        e = refused(lambda: m.validate("candidate"), "data-missing", path="kernel")
        assert e.app_tag == "instance-required", e.app_tag
        m.discard_changes()
        put(m, vm("r", "<boot><method>iscsi</method></boot>"))
        e = refused(lambda: m.validate("candidate"), "operation-failed", path="method")
        assert e.app_tag == "boot-without-nic", e.app_tag
        m.discard_changes()
        m.edit_config(target="candidate", config=config('<vlans xmlns="%s"><vlan><id>7</id><name>lab</name></vlan></vlans>' % VLAN))
        e = refused(lambda: m.validate("candidate"), "operation-failed")
        assert e.app_tag == "data-not-unique" and "lab" in e.message, (e.app_tag, e.message)
        m.discard_changes()
        refused(lambda: m.dispatch(to_ele('<restart xmlns="urn:none"/>')), "operation-not-supported")
        refused(lambda: m.dispatch(to_ele('<partial-lock xmlns="%s"/>' % NC)), "operation-not-supported")
        assert names(m, "candidate") == ["a", "b"]


def without_a_namespace():
    with server.session() as m:
        m.edit_config(target="candidate", config="<config><vms><vm><name>bare</name></vm></vms></config>")
        assert names(m, "candidate") == ["a", "b", "bare"]
        refused(lambda: m.edit_config(target="candidate", config="<config><nothing/></config>"), "unknown-namespace")
        m.discard_changes()


def copies():
    with server.session() as m:
        put(m, vm("c1"))
        m.copy_config(source="running", target="candidate")
        assert names(m, "candidate") == ["a", "b"]
        m.discard_changes()
        m.copy_config(source=inline(vms(vm("inline"))), target="candidate")
        assert names(m, "candidate") == ["inline"] and not find(m.get_config("candidate").data_xml, "//if:interface")
        m.discard_changes()
        for source in ("candidate", "startup"):
            refused(lambda: m.copy_config(source=source, target="running"), "unknown-element")
        m.copy_config(source="running", target="startup")
        assert names(m, "startup") == ["a", "b"]
        m.copy_config(source=inline(vms(vm("next"))), target="startup")
        assert names(m, "startup") == ["next"] and names(m) == ["a", "b"]
        refused(lambda: m.copy_config(source=inline(vms(vm("next", "<nic><id>0</id></nic>"))), target="startup"), "data-missing")
        m.copy_config(source="startup", target="candidate")
        assert names(m, "candidate") == ["next"]
        m.discard_changes()
        m.delete_config("startup")
        assert names(m, "startup") == []
        refused(lambda: m.delete_config("running"), "unknown-element")
        m.copy_config(source="running", target="startup")
        assert names(m, "startup") == ["a", "b"]


def validation():
    with server.session() as m:
        for source in ("running", "candidate", "startup"):
            m.validate(source)
        m.validate(to_ele(vms(vm("v"))))
        refused(lambda: m.validate(to_ele(vms(vm("v", "<nic><id>0</id></nic>")))), "data-missing", path="mac")
        refused(lambda: m.validate(to_ele(vms(vm("v", "<nic><id>x</id></nic>")))), "invalid-value")


def locks():
    with server.session() as a, server.session() as b:
        for ds in ("running", "candidate", "startup"):
            with a.locked(ds):
                e = refused(lambda: b.lock(ds), "lock-denied", info="<session-id>%s<" % a.session_id)
                assert e.type == "protocol", e.type
                refused(lambda: b.unlock(ds), "operation-failed")
                locked = b.get(filter=("xpath", ({"m": MON}, "/m:netconf-state/m:datastores"))).data_xml
                assert texts(locked, "//mon:datastore[mon:name='%s']//mon:locked-by-session/text()" % ds) == [a.session_id]
            refused(lambda: a.unlock(ds), "operation-failed")
        with a.locked("candidate"):
            refused(lambda: put(b, vm("l")), "in-use")
            refused(b.commit, "in-use")
            refused(b.discard_changes, "in-use")
            refused(lambda: b.copy_config(source="running", target="candidate"), "in-use")
            put(a, vm("l"))
        assert names(b, "candidate") == ["a", "b"]  # RFC 6241 section 8.3.5.2: an unlock discards
        with a.locked("running"):
            put(b, vm("l"))
            refused(b.commit, "in-use")
            b.discard_changes()
        with a.locked("startup"):
            refused(lambda: b.copy_config(source="running", target="startup"), "in-use")
            refused(lambda: b.delete_config("startup"), "in-use")
        put(b, vm("l"))
        refused(lambda: a.lock("candidate"), "lock-denied", info="<session-id>%s<" % b.session_id)
        b.discard_changes()
        c = server.session()
        c.lock("candidate")
        put(c, vm("l"))
        c.close_session()
        eventually(lambda: names(a, "candidate") == ["a", "b"])
        with a.locked("candidate"):
            pass


def commits():
    with server.session() as a, server.session() as b:
        commit(a, vm("k1"))
        assert names(b) == names(b, "candidate") == names(b, "startup") == ["a", "b", "k1"]
        put(a, vm("k1", operation="delete") + vm("k2"))
        a.discard_changes()
        assert names(a, "candidate") == ["a", "b", "k1"]
        a.commit()  # nothing to do
        clean(a, "k1")
        assert names(b) == ["a", "b"]


def confirmed_commits():
    with server.session() as a, server.session() as b:
        put(a, vm("cc"))
        a.commit(confirmed=True, timeout="1")
        assert names(b) == ["a", "b", "cc"] and names(b, "startup") == ["a", "b"]
        refused(b.commit, "in-use")
        refused(b.cancel_commit, "in-use")
        refused(lambda: b.lock("running"), "lock-denied")
        eventually(lambda: names(b) == ["a", "b"], 5)  # RFC 6241 section 8.4.1: back, by itself
        a.discard_changes()
        put(a, vm("cc"))
        a.commit(confirmed=True, timeout="1")
        put(a, vm("dd"))
        a.commit(confirmed=True, timeout="60")  # extends, and the way back stays
        time.sleep(1.5)
        assert names(b) == ["a", "b", "cc", "dd"]
        a.cancel_commit()
        assert names(b) == ["a", "b"]
        a.discard_changes()
        refused(a.cancel_commit, "operation-failed")
        put(a, vm("cc"))
        a.commit(confirmed=True)
        a.commit()
        assert names(b) == names(b, "startup") == ["a", "b", "cc"]
        clean(a, "cc")


def persistent_confirmed_commits():
    with server.session() as b:
        a = server.session()
        put(a, vm("pp"))
        a.commit(confirmed=True, timeout="60", persist="the id")
        a.close_session()
        assert names(b) == ["a", "b", "pp"]
        refused(b.commit, "in-use")
        refused(lambda: b.commit(persist_id="another"), "invalid-value")
        refused(lambda: b.cancel_commit(persist_id="another"), "invalid-value")
        b.commit(persist_id="the id")
        assert names(b, "startup") == ["a", "b", "pp"]
        refused(lambda: b.commit(persist_id="the id"), "invalid-value")
        put(b, vm("pp", operation="delete"))
        b.commit(confirmed=True, timeout="60", persist="second")
        assert names(b) == ["a", "b"]
        with server.session() as c:
            c.cancel_commit(persist_id="second")
            assert names(c) == ["a", "b", "pp"]
        clean(b, "pp")


def a_dropped_session_takes_its_commit_back():
    with server.session() as b:
        a = server.session()
        put(a, vm("gone"))
        a.commit(confirmed=True, timeout="600")
        assert names(b) == ["a", "b", "gone"]
        a._session.transport.sock.shutdown(socket.SHUT_RDWR)  # no goodbye
        eventually(lambda: names(b) == ["a", "b"], 5)
        b.discard_changes()
        a = server.session()
        put(a, vm("gone"))
        a.commit(confirmed=True, timeout="600")
        a.get_config("running")
        b.kill_session(a.session_id)
        eventually(lambda: names(b) == ["a", "b"], 5)
        b.discard_changes()
        b.commit()


def kills():
    with server.session() as a:
        victim = server.session()
        victim.lock("candidate")
        put(victim, vm("late"))
        a.kill_session(victim.session_id)
        eventually(lambda: not victim.connected)
        a.lock("candidate")
        assert names(a, "candidate") == ["a", "b"]
        a.unlock("candidate")
        refused(lambda: a.kill_session(a.session_id), "invalid-value")
        refused(lambda: a.kill_session("999999"), "invalid-value")


def schemas():
    with server.session() as m:
        listed = m.get(filter=("subtree", '<netconf-state xmlns="%s"><schemas/></netconf-state>' % MON)).data_xml
        modules = [tuple(texts(s, "mon:%s" % x)[0] for x in ("identifier", "version", "format", "namespace")) for s in find(listed, "//mon:schema")]
        assert len(modules) > 25, len(modules)
        assert len({m[:2] for m in modules}) == len(modules), sorted(modules)
        for name, version, form, namespace in modules:
            assert form.split(":")[-1] == "yang"
            text = m.get_schema(name, version=version or None, format="yang").data
            assert text.startswith("module %s {" % name) or text.startswith("submodule %s {" % name), text[:80]
            assert namespace in text
            with open("%s/%s%s.yang" % (directory, name, version and "@" + version), "w", encoding="utf-8") as f:
                f.write(text)
        refused(lambda: m.get_schema("no-such"), "invalid-value")
        refused(lambda: m.get_schema("weir-vm", version="1999-01-01"), "invalid-value")
        refused(lambda: m.get_schema("weir-vm", format="yin"), "invalid-value")
    for path in sorted(glob.glob(directory + "/*.yang")):
        # Nothing but what the server gave: its modules are whole.
        done = subprocess.run(["yanglint", "-D", "-p", directory, path], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "err" not in done.stderr, (path, done.stderr)


def heard(m, seconds=5):
    got = m.take_notification(timeout=seconds)
    assert got is not None, "no notification"
    return got.notification_xml


def notifications():
    with server.session() as m, server.session() as a:
        m.create_subscription(stream_name="NETCONF")
        refused(lambda: m.create_subscription(), "operation-failed")
        refused(lambda: a.create_subscription(stream_name="none"), "invalid-value")
        b = server.session()
        xml = heard(m)
        assert texts(xml, "//ncn:netconf-session-start/ncn:session-id/text()") == [b.session_id] and find(xml, "/note:notification/note:eventTime")
        assert texts(xml, "//ncn:username/text()") == ["root"]
        put(b, vm("ev"))
        b.commit(confirmed=True, timeout="60")
        xml = heard(m)
        assert texts(xml, "//ncn:netconf-config-change/ncn:changed-by/ncn:session-id/text()") == [b.session_id]
        assert texts(xml, "//ncn:edit/ncn:operation/text()") == ["create"] and "ev" in texts(xml, "//ncn:edit/ncn:target/text()")[0]
        target = find(xml, "//ncn:target")[0]
        prefix = target.text[1:].split(":")[0]
        assert target.nsmap.get(prefix) == VM, (target.text, target.nsmap)  # an instance-identifier needs its namespaces
        xml = heard(m)
        assert texts(xml, "//ncn:confirm-event/text()") == ["start"] and texts(xml, "//ncn:timeout/text()") == ["60"]
        b.cancel_commit()
        assert texts(heard(m), "//ncn:edit/ncn:operation/text()") == ["delete"]
        assert texts(heard(m), "//ncn:confirm-event/text()") == ["cancel"]
        b.discard_changes()
        b.close_session()
        assert texts(heard(m), "//ncn:netconf-session-end/ncn:termination-reason/text()") == ["closed"]
        b = server.session()
        heard(m)
        a.kill_session(b.session_id)
        xml = heard(m)
        assert texts(xml, "//ncn:termination-reason/text()") == ["killed"], xml
        assert texts(xml, "//ncn:killed-by/text()") == [a.session_id], xml
        assert names(m) == ["a", "b"]  # interleave: the subscriber may go on asking


def filtered_notifications():
    ncn = "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications"
    with server.session() as m, server.session() as x, server.session() as a:
        m.create_subscription(filter=("subtree", '<netconf-config-change xmlns="%s"/>' % ncn))
        x.create_subscription(filter=("xpath", ({"n": ncn}, "/n:netconf-confirmed-commit")))
        server.session().close_session()
        put(a, vm("ev"))
        a.commit(confirmed=True, timeout="60")
        a.commit()
        assert find(heard(m), "//ncn:netconf-config-change")
        assert [texts(heard(x), "//ncn:confirm-event/text()") for _ in range(2)] == [["start"], ["complete"]]
        clean(a, "ev")
        assert find(heard(m), "//ncn:netconf-config-change")
        assert m.take_notification(timeout=0.2) is None and x.take_notification(timeout=0.2) is None


def nmda():
    head = 'xmlns="%s" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"' % NMDA
    with server.session() as m:
        def get(ds, rest=""):
            return m.dispatch(to_ele('<get-data %s><datastore>ds:%s</datastore>%s</get-data>' % (head, ds, rest))).xml
        for ds in ("running", "candidate", "startup", "intended", "operational"):
            assert texts(get(ds), NAMES) == ["a", "b"], ds
        assert not find(get("running"), "//vm:vms-state") and find(get("operational"), "//vm:vms-state")
        state = get("operational", "<config-filter>false</config-filter>")
        assert find(state, "//vm:vms-state/vm:vm") and not find(state, "//vm:description")
        assert texts(get("running", '<subtree-filter><vms xmlns="%s"><vm><name>b</name></vm></vms></subtree-filter>' % VM), NAMES) == ["b"]
        assert texts(get("running", '<xpath-filter xmlns:v="%s">/v:vms/v:vm[v:name="a"]</xpath-filter>' % VM), NAMES) == ["a"]
        assert not find(get("running", "<max-depth>2</max-depth>"), "//vm:vm/vm:description")
        assert find(get("running", "<with-defaults>report-all</with-defaults>"), "//vm:lun")
        refused(lambda: get("dynamic"), "invalid-value")
        edit = '<edit-data %s><datastore>ds:%s</datastore><config><vms xmlns="%s">%s</vms></config></edit-data>'
        m.dispatch(to_ele(edit % (head, "candidate", VM, vm("nm"))))
        assert names(m, "candidate") == ["a", "b", "nm"]
        refused(lambda: m.dispatch(to_ele(edit % (head, "running", VM, vm("nm")))), "operation-not-supported")
        m.discard_changes()


def many_sessions():
    """16 clients on one candidate: each changes machines of its own, under the lock, in 2 rounds of 6 operations (LONG=1: 5 rounds)."""
    all_rounds = 5 if os.environ.get("LONG") == "1" else 2
    problems, wanted = [], {}

    def client(n):
        rounds = 0
        try:
            with server.session() as m:
                for i in range(all_rounds):
                    name = "m%d-%d" % (n, i)
                    for _ in range(2000):  # 1
                        try:
                            m.lock("candidate")
                            break
                        except RPCError as e:
                            assert e.tag == "lock-denied", e.tag
                            time.sleep(0.02)
                    put(m, vm(name, "<description>%d</description>" % i))  # 2
                    if i > 0:
                        put(m, vm("m%d-%d" % (n, i - 1), operation="delete"))  # 3
                    else:
                        m.validate("candidate")
                    assert name in names(m, "candidate")  # 4
                    m.commit()  # 5
                    m.unlock("candidate")  # 6
                    rounds += 1
            wanted[n] = "m%d-%d" % (n, all_rounds - 1)
        except Exception as e:  # pylint: disable=broad-except
            problems.append((n, rounds, repr(e)))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not problems, problems
    with server.session() as m:
        for source in ("running", "candidate", "startup"):
            assert sorted(names(m, source)) == sorted(["a", "b"] + list(wanted.values())), names(m, source)
        m.validate("running")
        state = m.get(filter=("xpath", ({"v": VM}, "/v:vms-state/v:vm/v:name"))).data_xml
        assert sorted(texts(state, "//vm:vms-state/vm:vm/vm:name/text()")) == sorted(names(m))
        clean(m, *wanted.values())


# The group "weir" is one of the operating system (RFC 8341 section 3.4.2, enable-external-groups).
RULES = """<nacm xmlns="%s" xmlns:nc="%s" nc:operation="replace">
  <enable-nacm>true</enable-nacm><read-default>deny</read-default><write-default>deny</write-default><exec-default>permit</exec-default>
  <groups><group><name>watchers</name><user-name>%%s</user-name></group></groups>
  <rule-list><name>watch</name><group>watchers</group>
    <rule><name>no-note</name><path xmlns:v="%s">/v:vms/v:vm[v:name='b']/v:description</path><access-operations>*</access-operations><action>deny</action></rule>
    <rule><name>machines</name><module-name>weir-vm</module-name><access-operations>read</access-operations><action>permit</action></rule>
    <rule><name>no-schema</name><module-name>ietf-netconf-monitoring</module-name><rpc-name>get-schema</rpc-name><access-operations>exec</access-operations><action>deny</action></rule>
    <rule><name>sessions</name><module-name>ietf-netconf-notifications</module-name><notification-name>netconf-session-start</notification-name><access-operations>read</access-operations><action>permit</action></rule>
  </rule-list>
  <rule-list><name>notes</name><group>weir</group>
    <rule><name>notes</name><path xmlns:v="%s">/v:vlans</path><access-operations>read create update delete</access-operations><action>permit</action></rule>
  </rule-list>
</nacm>""" % (NACM, NC, VM, VLAN)
NO_RULES = '<nacm xmlns="%s" xmlns:nc="%s" nc:operation="remove"/>' % (NACM, NC)


def vlan(number, name, operation=None):
    op = ' xmlns:nc="%s" nc:operation="%s"' % (NC, operation) if operation else ""
    return config('<vlans xmlns="%s"><vlan%s><id>%d</id>%s</vlan></vlans>' % (VLAN, op, number, "<name>%s</name>" % name if name else ""))


def access_of_another_user():
    with server.session() as root:
        root.edit_config(target="candidate", config=config(RULES % user))
        root.commit()
        try:
            as_watcher(root)
        finally:
            root.discard_changes()
            root.edit_config(target="candidate", config=config(NO_RULES))
            root.commit()
    # Without rules: read what is not marked, write nothing (RFC 8341's defaults).
    with server.session(user) as u:
        assert names(u) == ["a", "b"] and not find(u.get().data_xml, "//nacm:nacm")
        refused(lambda: put(u, vm("mine")), "access-denied")


def as_watcher(root):
    with server.session(user) as u:
        # Reads machines, but not one description, and nothing else.
        seen = u.get_config("running").data_xml
        assert texts(seen, NAMES) == ["a", "b"] and texts(seen, "//vm:description/text()") == ["first"], seen
        assert not find(seen, "//qos:* | //if:* | //nacm:*") and find(seen, "//vlan:vlan")
        assert not find(u.get().data_xml, "//qos:* | //if:* | //nacm:* | //mon:*")
        # Nor by asking cleverly: whether it is there, how many, what begins with.
        for path in ("//q:portal", "/q:storage/q:portal[q:port='4420']", "/v:vms[/q:storage]", "/v:vms[count(//q:portal) = 1]", "/v:vms[//*[. = '4420']]",
                     "/v:vms/v:vm[starts-with(v:description, 'Gr')]", "/v:vms[string-length(//v:vm[v:name='b']/v:description) > 0]"):
            got = u.get_config("running", filter=("xpath", ({"q": QOS, "v": VM}, path)))
            assert not len(got.data_ele), (path, got.data_xml)
        assert not len(u.get_config("running", filter=("subtree", '<storage xmlns="%s"><portal><port>4420</port></portal></storage>' % QOS)).data_ele)
        assert not len(u.get_config("running", filter=("subtree", '<storage xmlns="%s"/>' % QOS), with_defaults="report-all").data_ele)
        assert not len(u.get_config("running", filter=("subtree", '<vms xmlns="%s"><vm><description>Größe: 5 &lt; 6 &amp; 日本語 🐧</description></vm></vms>' % VM)).data_ele)
        # Writes names of VLANs, nothing else; there or not there reads the same.
        for body in (vm("mine"), vm("a", operation="delete"), vm("a", "<description>x</description>"), vm("a", operation="remove")):
            refused(lambda: put(u, body), "access-denied")
        portal = '<storage xmlns="%s"><portal xmlns:nc="%s" nc:operation="%%s"><address>10.8.0.%%d</address><protocol>tcp</protocol><port>4420</port></portal></storage>' % (QOS, NC)
        for op in ("create", "delete", "merge", "replace"):
            there, not_there = (refused(lambda: u.edit_config(target="candidate", config=config(portal % (op, n))), "access-denied") for n in (9, 10))
            assert there.message.replace("10.8.0.9", "") == not_there.message.replace("10.8.0.10", ""), (there.message, not_there.message)
        for guess in ("Größe: 5 &lt; 6 &amp; 日本語 🐧", "something else"):
            refused(lambda: put(u, vm("b", "<description>%s</description>" % guess)), "access-denied")
        for op in ("delete", "remove"):  # a has one, b has one, and only a's is seen
            refused(lambda: put(u, vm("b", '<description xmlns:nc="%s" nc:operation="%s"/>' % (NC, op))), "access-denied")
        refused(lambda: u.edit_config(target="candidate", config=config(NO_RULES)), "access-denied")
        refused(lambda: u.copy_config(source=inline(vms(vm("mine"))), target="candidate"), "access-denied")
        refused(lambda: u.delete_config("startup"), "access-denied")
        u.edit_config(target="candidate", config=vlan(77, "mine"))
        u.commit()
        assert "mine" in texts(root.get_config("running").data_xml, "//vlan:name/text()")
        u.edit_config(target="candidate", config=vlan(77, None, "delete"))
        u.commit()
        # A commit writes what differs, by whoever changed it (RFC 8341 section 3.2.8).
        put(root, vm("roots"))
        refused(u.commit, "access-denied")
        root.discard_changes()
        refused(lambda: u.get_schema("weir-vm"), "access-denied")
        refused(lambda: u.kill_session(root.session_id), "access-denied")  # nacm:default-deny-all
        u.create_subscription()
        with server.session() as other:
            assert texts(heard(u), "//ncn:session-id/text()") == [other.session_id]
            commit(other, vm("quiet"))
            clean(other, "quiet")
        assert u.take_notification(timeout=0.2) is None
        counted = root.get(filter=("xpath", ({"n": NACM}, "/n:nacm"))).data_xml
        assert int(texts(counted, "//nacm:denied-operations/text()")[0]) >= 2 and int(texts(counted, "//nacm:denied-data-writes/text()")[0]) >= 10, counted


if __name__ == "__main__":
    sys.exit(run([says_what_it_can, filters, default_data, default_operations, test_options, error_options, refusals, without_a_namespace, copies, validation,
                  locks, commits, confirmed_commits, persistent_confirmed_commits, a_dropped_session_takes_its_commit_back, kills, schemas, notifications,
                  filtered_notifications, nmda, many_sessions, access_of_another_user]))
