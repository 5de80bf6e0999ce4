"""The same edits and filters to Weir and to netconfd (yuma123), whose answers and candidates must agree. Where they do not, KNOWN says who is right and
by which clause. usage: netconf_diff.py WEIR-SOCKET WEIR-NETCONF NCX-SOCKET [-v]"""
import os
import re
import subprocess
import sys

from lxml import etree

from netconf_peer import IF, NC, QOS, VLAN, VM, WI, Raw

YANG = "urn:ietf:params:xml:ns:yang:1"
OURS = (IF, WI, VM, QOS, VLAN)
# Where order is the user's, and so part of the result (RFC 7950 section 7.7.7).
USER_ORDERED = ("ipv4-address", "ipv6-address", "dns")


def top(name, ns):
    return lambda body, attr="": "<%s xmlns='%s'%s>%s</%s>" % (name, ns, attr, body, name)


V, B, S, L, I = top("vms", VM), top("boot-services", VM), top("storage", QOS), top("vlans", VLAN), top("interfaces", IF)


def vm(name, body="", attr=""):
    return V("<vm%s><name>%s</name>%s</vm>" % (attr, name, body))


def nic(body="", attr=""):
    return vm("a", "<nic%s><id>0</id>%s</nic>" % (attr, body))


def port(body="", attr=""):
    """Of an interface; a container with presence."""
    return I("<interface xmlns:wi='%s'><name>p</name><type>wi:uplink</type><port xmlns='%s'%s>%s</port></interface>" % (WI, WI, attr, body))


def ips(*addresses):
    return "".join("<ipv4-address>10.0.0.%s</ipv4-address>" % a for a in addresses)


def put(address, how, value=None, op=""):
    """Into the leaf-list that the user orders."""
    at = " yang:value='10.0.0.%s'" % value if value else ""
    return nic("<ipv4-address%s yang:insert='%s'%s>10.0.0.%s</ipv4-address>" % (op, how, at, address))


def services(*vlans):
    return B("".join("<service><vlan>%d</vlan><address>10.0.%d.1</address><prefix-length>24</prefix-length></service>" % (v, v) for v in vlans))


CREATE, DELETE, REMOVE, MERGE, REPLACE = (" op='%s'" % o for o in ("create", "delete", "remove", "merge", "replace"))
MAC = "<mac>52:54:00:00:00:01</mac>"
A = vm("a", "<description>one</description><hostname>h</hostname>")
CARD = nic(MAC + ips(1, 2, 3))
ISCSI = vm("a", "<nic><id>0</id>" + MAC + "</nic><boot><method>iscsi</method><iscsi><server>10.0.0.1</server><target>iqn.a:b</target></iscsi></boot>")
ONE = S("<server>10.0.0.0/8</server>")
PORTAL = "<portal%s><address>10.0.0.1</address><protocol>tcp</protocol><port>%d</port></portal>"

# name: what is there before, the edit, its default-operation
CASES = {
    # a leaf
    "leaf create absent": ("", vm("a", "<description%s>x</description>" % CREATE), None),
    "leaf create present": (A, vm("a", "<description%s>x</description>" % CREATE), None),
    "leaf merge absent": ("", vm("a", "<description>x</description>"), None),
    "leaf merge present": (A, vm("a", "<description>x</description>"), None),
    "leaf merge same": (A, vm("a", "<description>one</description>"), None),
    "leaf replace absent": (vm("a"), vm("a", "<description%s>x</description>" % REPLACE), None),
    "leaf replace present": (A, vm("a", "<description%s>x</description>" % REPLACE), None),
    "leaf delete absent": (vm("a"), vm("a", "<description%s/>" % DELETE), None),
    "leaf delete present": (A, vm("a", "<description%s/>" % DELETE), None),
    "leaf delete with another value": (A, vm("a", "<description%s>two</description>" % DELETE), None),
    "leaf remove absent": (vm("a"), vm("a", "<description%s/>" % REMOVE), None),
    "leaf remove present": (A, vm("a", "<description%s/>" % REMOVE), None),
    "leaf none present": (A, vm("a", "<description>x</description>"), "none"),
    "leaf with default set to it": (ISCSI, vm("a", "<boot><iscsi><port>3260</port></iscsi></boot>"), None),
    "leaf with default deleted, never set": (ISCSI, vm("a", "<boot><iscsi><port%s/></iscsi></boot>" % DELETE), None),
    "boolean of another value": ("", I("<interface><name>p</name><enabled>maybe</enabled></interface>"), None),
    # a container
    "container create absent": (vm("a"), vm("a", "<boot%s><method>none</method></boot>" % CREATE), None),
    "container create present": (ISCSI, vm("a", "<boot%s><method>none</method></boot>" % CREATE), None),
    "container merge": (ISCSI, vm("a", "<boot><iscsi><lun>7</lun></iscsi></boot>"), None),
    "container replace": (ISCSI, vm("a", "<boot%s><method>none</method></boot>" % REPLACE), None),
    "container delete present": (ISCSI, vm("a", "<boot%s/>" % DELETE), None),
    "container delete absent": (vm("a"), vm("a", "<boot%s/>" % DELETE), None),
    "container remove absent": (vm("a"), vm("a", "<boot%s/>" % REMOVE), None),
    "container replace at the top": (A + CARD, V("<vm><name>b</name></vm>", REPLACE), None),
    "container delete at the top": (A, V("", DELETE), None),
    # a container with presence
    "presence create absent": (I("<interface xmlns:wi='%s'><name>p</name><type>wi:uplink</type></interface>" % WI), port("", CREATE), None),
    "presence create present": (port(), port("", CREATE), None),
    "presence merge": ("", port(), None),
    "presence replace": (port("<vlan>5</vlan><mtu>1400</mtu>"), port("<vlan>6</vlan>", REPLACE), None),
    "presence delete present": (port("<vlan>5</vlan>"), port("", DELETE), None),
    "presence delete absent": (I("<interface xmlns:wi='%s'><name>p</name><type>wi:uplink</type></interface>" % WI), port("", DELETE), None),
    "presence stays when emptied": (port("<vlan>5</vlan>"), port("<vlan%s/>" % DELETE), None),
    # an entry of a list
    "entry create absent": ("", vm("a", "", CREATE), None),
    "entry create present": (A, vm("a", "", CREATE), None),
    "entry merge absent": (A, vm("b"), None),
    "entry merge present": (A, vm("a", "<uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001</uuid>"), None),
    "entry replace absent": (A, vm("b", "<description>x</description>", REPLACE), None),
    "entry replace present": (A, vm("a", "<uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001</uuid>", REPLACE), None),
    "entry delete present": (A, vm("a", "", DELETE), None),
    "entry delete absent": (A, vm("b", "", DELETE), None),
    "entry remove present": (A, vm("a", "", REMOVE), None),
    "entry remove absent": (A, vm("b", "", REMOVE), None),
    "entry of three keys": (S(PORTAL % ("", 1) + PORTAL % ("", 2)), S(PORTAL % (DELETE, 1) + PORTAL % (CREATE, 3)), None),
    "entry none absent": ("", vm("a"), "none"),
    "entry none, create below": (vm("a"), vm("a", "<description%s>x</description>" % CREATE), "none"),
    "entry none absent, create below": ("", vm("a", "<description%s>x</description>" % CREATE), "none"),
    "entry twice in one edit": ("", V("<vm><name>a</name></vm><vm><name>a</name><description>x</description></vm>"), None),
    "replace below replace": (A, vm("a", "<description%s>x</description>" % REPLACE, REPLACE), None),
    "delete in a merge, siblings stay": (A, V("<vm><name>a</name><hostname%s/></vm><vm><name>c</name></vm>" % DELETE), None),
    # a leaf-list
    "leaf-list create absent": ("", S("<server%s>10.0.0.0/8</server>" % CREATE), None),
    "leaf-list create present": (ONE, S("<server%s>10.0.0.0/8</server>" % CREATE), None),
    "leaf-list merge another": (ONE, S("<server>11.0.0.0/8</server>"), None),
    "leaf-list replace another": (ONE, S("<server%s>11.0.0.0/8</server>" % REPLACE), None),
    "leaf-list delete present": (ONE, S("<server%s>10.0.0.0/8</server>" % DELETE), None),
    "leaf-list delete absent": (ONE, S("<server%s>11.0.0.0/8</server>" % DELETE), None),
    "leaf-list remove absent": (ONE, S("<server%s>11.0.0.0/8</server>" % REMOVE), None),
    # a choice
    "choice: another case takes over": (port("<af-packet>e0</af-packet>"), port("<tap>t0</tap>"), None),
    "choice: the same case": (port("<af-packet>e0</af-packet>"), port("<af-packet>e1</af-packet>"), None),
    "choice: two cases at once": (port(), port("<af-packet>e0</af-packet><tap>t0</tap>"), None),
    "choice: a case by none and create": (port("<tap>t0</tap>"), port("<af-packet%s>e0</af-packet>" % CREATE), "none"),
    # order
    "insert first": (CARD, put(9, "first"), None),
    "insert last": (CARD, put(9, "last"), None),
    "insert before": (CARD, put(9, "before", 2), None),
    "insert after": (CARD, put(9, "after", 1), None),
    "insert after the last": (CARD, put(9, "after", 3), None),
    "insert moves": (CARD, put(3, "first"), None),
    "insert moves back": (CARD, put(1, "after", 3), None),
    "insert with create": (CARD, put(9, "first", None, CREATE), None),
    "insert with create, present": (CARD, put(2, "first", None, CREATE), None),
    "insert before none": (CARD, put(9, "before", 77), None),
    "insert without value": (CARD, put(9, "before"), None),
    "insert somewhere": (CARD, put(9, "middle"), None),
    "merge keeps the place": (CARD, nic(ips(2)), None),
    "replace takes the new order": (CARD, nic(MAC + ips(3, 1), REPLACE), None),
    # the whole
    "default replace": (A + ONE, vm("b"), "replace"),
    "default replace, nothing": (A, "", "replace"),
    "default none, nothing": (A, "", "none"),
    "two modules in one edit": (A, vm("b") + ONE, None),
    "fails in the middle": (A, vm("b") + vm("zz", "", DELETE), None),
    # errors
    "unknown element": ("", vm("a", "<colour>red</colour>"), None),
    "unknown namespace": ("", "<x xmlns='urn:none'/>", None),
    "unknown element at the top": ("", "<machines xmlns='%s'/>" % VM, None),
    "key missing": ("", V("<vm><description>x</description></vm>"), None),
    "key of three missing": ("", S("<portal><address>10.0.0.1</address><port>1</port></portal>"), None),
    "value of the wrong type": ("", services(5).replace("<vlan>5<", "<vlan>five<"), None),
    "value out of range": ("", services(5).replace("<vlan>5<", "<vlan>4095<"), None),
    "value against its pattern": ("", vm("a", "<hostname>-</hostname>"), None),
    "value too long": ("", vm("a", "<hostname>%s</hostname>" % ("h" * 64)), None),
    "value not of the enumeration": ("", vm("a", "<boot><method>usb</method></boot>"), None),
    "value of no identity": ("", I("<interface xmlns:wi='%s'><name>p</name><type>wi:none</type></interface>" % WI), None),
    "value canonical": ("", nic("<mac>52:54:00:AA:BB:CC</mac>"), None),
    "element in a leaf": ("", vm("a", "<description><b/></description>"), None),
    "state is not configuration": ("", "<vms-state xmlns='%s'><vm><name>a</name></vm></vms-state>" % VM, None),
    "operation unknown": ("", vm("a", "", " op='explode'"), None),
    "default-operation unknown": ("", vm("a"), "explode"),
    "leaf twice": ("", vm("a", "<description>x</description><description>y</description>"), None),
}

# Those whose result must be refused as a whole, by validate.
VALIDATES = {
    "mandatory leaf missing": nic(),
    "must": vm("a", "<boot><method>iscsi</method></boot>"),
    "leafref to nothing": nic(MAC) + vm("a", "<boot><method>kernel</method><kernel>k</kernel></boot>"),
    "unique": V("".join("<vm><name>%s</name><uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001</uuid></vm>" % n for n in "ab")),
    "too many elements": nic(MAC + ips(1, 2, 3, 4, 5)),
    "valid": A + CARD + ONE + services(5),
}

# What is read by filters, and the filters: subtree, or XPath where it begins with a slash. There with the
# modules' own prefixes: netconfd takes no others, against RFC 6241 section 8.9.5.1 (those in scope on the filter count).
WHOLE = V("<vm><name>a</name><description>one</description><nic><id>0</id>" + MAC + ips(1, 2) + "</nic><nic><id>1</id><mac>52:54:00:00:00:02</mac></nic>"
          "<boot><method>iscsi</method><iscsi><server>10.0.0.1</server><port>3260</port><target>iqn.a:b</target></iscsi></boot></vm>"
          "<vm><name>b</name><description>two</description></vm><vm><name>c</name></vm>") + services(5, 6) + S(
              "<server>10.0.0.0/8</server><server>11.0.0.0/8</server>" + PORTAL % ("", 1) + PORTAL % ("", 2)) + port("<vlan>5</vlan>")
FILTERS = {
    "all of a module": V(""),
    "nothing of that name": "<vms xmlns='urn:none'/>",
    "two modules": V("") + S(""),
    "entry by its key": vm("b"),
    "entry that is not there": vm("zz"),
    "entries by a leaf": V("<vm><description>two</description></vm>"),
    "two conditions, one fails": V("<vm><name>a</name><description>two</description></vm>"),
    "leaf of an entry": V("<vm><name>a</name><description/></vm>"),
    "leaf of every entry": V("<vm><description/></vm>"),
    "key of every entry": V("<vm><name/></vm>"),
    "two entries by two filters": V("<vm><name>a</name><description/></vm><vm><name>b</name></vm>"),
    "the same node by two filters": V("<vm><name>a</name></vm><vm><name>a</name><description/></vm>"),
    "list below a list": V("<vm><nic><id>1</id></nic></vm>"),
    "condition below a condition": V("<vm><name>a</name><nic><id>0</id><mac/></nic></vm>"),
    "leaf-list": S("<server/>"),
    "value of a leaf-list": S("<server>11.0.0.0/8</server>"),
    "some of the keys": S("<portal><port>2</port></portal>"),
    "container": V("<vm><boot><iscsi/></boot></vm>"),
    "condition in a container": V("<vm><name/><boot><method>iscsi</method></boot></vm>"),
    "presence": I("<interface><port xmlns='%s'/></interface>" % WI),
    "identity": I("<interface xmlns:wi='%s'><type>wi:uplink</type></interface>" % WI),
    "blanks around a value": V("<vm><name> b </name></vm>"),
    "/wvm:vms": None,
    "/wvm:vms/wvm:vm[wvm:name='b']": None,
    "/wvm:vms/wvm:vm[wvm:name='zz']": None,
    "/wvm:vms/wvm:vm[2]": None,
    "/wvm:vms/wvm:vm[last()]/wvm:name": None,
    "//wvm:mac": None,
    "/wvm:vms/wvm:vm[wvm:nic]/wvm:description": None,
    "/wvm:vms/wvm:vm[not(wvm:nic)]": None,
    "/wvm:vms/wvm:vm[count(wvm:nic) = 2]/wvm:name": None,
    "/wvm:vms/wvm:vm[contains(wvm:description, 'w')]": None,
    "/wvm:vms/wvm:vm/wvm:nic[wvm:id > 0]": None,
    "/wvm:vms/wvm:vm[wvm:name='a'] | /wqos:storage": None,
    "/wqos:storage/wqos:portal[wqos:port='1']/wqos:address": None,
    "/wqos:storage/wqos:server[. = '11.0.0.0/8']": None,
    "/if:interfaces/if:interface/wif:port/wif:vlan": None,
    "/wvm:vms/wvm:vm/wvm:boot/wvm:iscsi[wvm:port = '3260']": None,
    "/*": None,
    "/wvm:vms/wvm:vm/wvm:nothing": None,
}

# Case: (Weir's answer, netconfd's, who is right). " config": the candidates differ, too. "ends": netconfd does not survive it, and is not asked.
KNOWN = {
    "leaf none present": ("ok", "ok config", "Weir. RFC 6241 section 7.2, none: nothing changes unless an operation attribute says so"),
    "leaf with default set to it": ("ok", "ok config", "Weir. RFC 6243 section 2.3: what a client has set is not default data, and reported"),
    "entry none absent": ("data-missing", "ok", "Weir. RFC 6241 section 7.2, none: data-missing where the datastore has no such level"),
    "entry twice in one edit": ("bad-element", "ok config", "Weir. RFC 7950 section 7.8.2: keys name one entry; netconfd then has two of them"),
    "leaf twice": ("bad-element", "ok config", "Weir. RFC 7950 section 7.6: at most one instance; netconfd then has two of them"),
    "choice: two cases at once": ("bad-element", "ok config", "Weir. RFC 7950 section 8.3.1: data of more than one case is a bad-element"),
    "insert moves": ("ok", "data-exists config", "Weir. RFC 7950 section 7.7.9: a merge with insert moves what is there"),
    "insert moves back": ("ok", "ends", "Weir. As above; netconfd: assertion in get_instance_string"),
    "insert somewhere": ("bad-attribute", "ends", "Weir. RFC 7950 section 8.3.1; netconfd: the same assertion"),
    "default replace": ("ok", "ok config", "Weir. RFC 6241 section 7.2, replace: completely replaces the datastore; netconfd merges"),
    "default replace, nothing": ("ok", "ok config", "Weir. As above"),
    "value of the wrong type": ("invalid-value", "bad-element", "Weir. RFC 7950 section 8.3.1: invalid-value, of keys too"),
    "state is not configuration": ("unknown-element", "access-denied", "Weir. RFC 6241 appendix A: an unexpected element; nobody was authorized"),
    "filter: the same node by two filters": ("", "config", "Weir. RFC 6241 section 6.1: data instances are not duplicated in the response"),
    "filter: identity": ("", "config", "Weir. RFC 7950 section 9.10.3: the prefix stands for its namespace in scope; netconfd compares its own"),
    "validate: must, without test-option": ("ok", "operation-failed", "netconfd. RFC 6241 section 7.2: test-then-set is the default. Weir says so in "
                                            "its departures: a candidate may be built step by step, and its commit validates"),
}


class Peer:
    def __init__(self, name, command, env=None):
        self.name = name
        self.raw = Raw(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=env))
        self.raw.hello("1.0", "1.1")
        self.last = ""

    def call(self, body):
        reply = self.raw.call(body)
        self.last = reply
        return etree.fromstring(reply.encode())

    def said(self, body):
        """ok, or the tag of the first error."""
        reply = self.call(body)
        tags = reply.findall(".//{%s}error-tag" % NC)
        assert tags or reply.find("{%s}ok" % NC) is not None, etree.tostring(reply)
        return tags[0].text if tags else "ok"

    def edit(self, body, default=None, test="set"):
        body = re.sub(r" op='(\w+)'", r" nc:operation='\1'", body)
        return self.said("<edit-config><target><candidate/></target>%s%s<config xmlns:nc='%s' xmlns:yang='%s'>%s</config></edit-config>" % (
            "<default-operation>%s</default-operation>" % default if default else "", "<test-option>%s</test-option>" % test if test else "", NC, YANG, body))

    def candidate(self, filters=""):
        data = self.call("<get-config><source><candidate/></source>%s</get-config>" % filters).find("{%s}data" % NC)
        if data is None:
            return self.last
        lines = [line for n in data if etree.QName(n).namespace in OURS for line in canonical(n, "")]
        return sorted(line for line in lines if "#" not in line), [line for line in lines if "#" in line]


def canonical(node, path):
    """Every node as a line; entries by their keys, so that the order of what has none does not count. "#": its order does."""
    name = etree.QName(node).localname
    ns = etree.QName(node).namespace
    path += "/%s{%s}" % (name, ns.rsplit(":", 1)[1])
    children = [c for c in node if isinstance(c.tag, str)]
    if not children:
        text = (node.text or "").strip()
        if ":" in text and name == "type":  # an identity: its namespace counts, its prefix does not
            prefix, text = text.split(":")
            text = "{%s}%s" % (node.nsmap[prefix].rsplit(":", 1)[1], text)
        yield "%s%s=%s" % (path, "#" if name in USER_ORDERED else "", text)
        return
    keys = {"vm": ["name"], "nic": ["id"], "interface": ["name"], "portal": ["address", "protocol", "port"], "service": ["vlan"], "vlan": ["id"]}.get(name, [])
    path += "".join("[%s]" % node.findtext("{%s}%s" % (ns, k)) for k in keys)
    yield path
    for c in children:
        yield from canonical(c, path)


def outcome(peer, before, edit, default):
    assert peer.said("<discard-changes/>") == "ok"
    if before:
        said = peer.edit(before)
        assert said == "ok", "%s: what is there before was refused: %s" % (peer.name, peer.last)
    return peer.edit(edit, default), peer.candidate()


def compare(weir, other, verbose):
    found = {}
    for name, (before, edit, default) in CASES.items():
        if KNOWN.get(name, ("", ""))[1] == "ends":
            found[name] = (outcome(weir, before, edit, default)[0], "ends")
            continue
        try:
            (a, a_tree), (b, b_tree) = (outcome(p, before, edit, default) for p in (weir, other))
        except EOFError as e:
            raise AssertionError("%s: a server ended the session" % name) from e
        if a != b or a_tree != b_tree:
            found[name] = (a, b + (" config" if a_tree != b_tree else ""))
            if verbose:
                print(name, found[name], "\n  weir:", a_tree if a_tree != b_tree else "same", "\n  other:", b_tree if a_tree != b_tree else "")
    for name, edit in VALIDATES.items():
        said = []
        for p in (weir, other):
            assert p.said("<discard-changes/>") == "ok"
            tag = p.edit(edit)
            said.append(tag if tag != "ok" else p.said("<validate><source><candidate/></source></validate>"))
        if said[0] != said[1]:
            found["validate: " + name] = tuple(said)
            if verbose:
                print("validate:", name, said)
    for p in (weir, other):
        p.said("<discard-changes/>")
    for p in (weir, other):
        assert p.edit(WHOLE) == "ok", p.last
    for name, tree in FILTERS.items():
        xpath = "<filter type='xpath' xmlns:wvm='%s' xmlns:wqos='%s' xmlns:if='%s' xmlns:wif='%s' select=\"%s\"/>" % (VM, QOS, IF, WI, name)
        a, b = (p.candidate(xpath if tree is None else "<filter type='subtree'>%s</filter>" % tree) for p in (weir, other))
        if a != b:
            found["filter: " + name] = ("", "config")
            if verbose:
                print("filter:", name, "\n  weir:", a, "\n  other:", b)
    for p in (weir, other):
        p.said("<discard-changes/>")
    said = tuple(p.edit(VALIDATES["must"], None, None) for p in (weir, other))
    if said[0] != said[1]:
        found["validate: must, without test-option"] = said
    for p in (weir, other):
        p.said("<discard-changes/>")
    return found


def main():
    weir = Peer("weir", [sys.argv[2], sys.argv[1]])
    other = Peer("netconfd", ["netconf-subsystem", "--ncxserver-sockname=830@" + sys.argv[3]],
                 dict(os.environ, USER="root", SSH_CONNECTION="127.0.0.1 5555 127.0.0.1 830"))
    found = compare(weir, other, "-v" in sys.argv)
    known = {name: row[:2] for name, row in KNOWN.items()}
    for name in sorted(set(found) | set(known)):
        if found.get(name) != known.get(name):
            print("FAILED  %s: Weir and netconfd say %s, expected %s" % (name, found.get(name, "the same"), known.get(name, "the same")))
    print("%d edits, %d validations and %d filters: %d alike, %d known differences" % (
        len(CASES), len(VALIDATES) + 1, len(FILTERS), len(CASES) + len(VALIDATES) + 1 + len(FILTERS) - len(found), len(set(found) & set(known))))
    return 0 if found == known else 1


if __name__ == "__main__":
    sys.exit(main())
