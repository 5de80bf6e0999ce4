#!/usr/bin/python3
"""Write the seed corpus of the fuzz targets: seeds.py DIR. Kept as code, so that a reader sees what the seeds are."""
import json, os, struct, sys
from scapy.all import *

root = sys.argv[1]


def put(target, name, data):
    d = os.path.join(root, target)
    os.makedirs(d, exist_ok=True)
    open(os.path.join(d, name), "wb").write(bytes(data))


G, B = "52:54:00:00:00:01", "ff:ff:ff:ff:ff:ff"
e = Ether(src=G, dst=B)
frames = {
    "arp": e / ARP(hwsrc=G, psrc="10.0.0.1"), "udp": e / IP(src="10.0.0.1") / UDP() / b"x", "tcp": e / IP(src="10.0.0.1") / TCP(dport=3260) / (b"x" * 40),
    "icmp": e / IP(src="10.0.0.1") / ICMP(), "frag": e / IP(src="10.0.0.1", frag=5) / (b"x" * 20), "vlan": e / Dot1Q(vlan=5) / IP(src="10.0.0.1") / UDP(),
    "qinq": e / Dot1Q(type=0x8100, vlan=1) / Dot1Q(vlan=5) / IP() / UDP(), "ns": e / IPv6(src="2000::") / ICMPv6ND_NS() / ICMPv6NDOptSrcLLAddr(lladdr=G),
    "ra": e / IPv6() / IPv6ExtHdrHopByHop() / ICMPv6ND_RA(), "v6frag": e / IPv6() / IPv6ExtHdrFragment(m=1) / UDP(), "ah": e / IPv6(nh=51) / (b"\x06\x01" + b"\0" * 40),
    "dhcp": e / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67) / BOOTP(chaddr=bytes.fromhex("525400000001")) / DHCP(options=[("message-type", 1), "end"]),
    "snap": Ether(src=G, dst=B, type=20) / Raw(b"\xaa\xaa\x03\0\0\0\x08\0" + b"\x45" * 20), "mpls": Ether(src=G, dst=B, type=0x8847) / Raw(b"\0\0\1\0\0\0\2\1E"),
    "vxlan": e / IP(src="10.0.0.1") / UDP(dport=4789) / VXLAN() / Ether() / IP(),
}
for n, f in frames.items():
    for pol in (b"\0\x07", b"\x02\x2f"):
        put("frame", "%s-%s" % (n, pol.hex()), pol + bytes(f))
    put("offload", n, b"\x05\xb4\x08" + bytes(f))
    # Labels, tags, TTLs, and a field of each kind.
    put("of_edit", n, b"\x60\x01\x05" + b"".join(bytes([k, i, 0x88, 0x47]) + bytes(range(12)) for i, k in enumerate((3, 5, 6, 10, 13))) + bytes(f))
put("offload", "big4", b"\x05\xb4\xff" + bytes(Ether() / IP() / TCP() / (b"x" * 9000)))
put("offload", "big6", b"\x05\xb4\x04" + bytes(Ether() / IPv6() / TCP(options=[("Timestamp", (1, 2))]) / (b"x" * 9000)))


def dhcp(*opts):
    return bytes(BOOTP(chaddr=bytes.fromhex("020000000001"), xid=1) / DHCP(options=list(opts) + ["end"]))


# Conversations: KIND and client, length, payload; see dhcp.c.
rec = lambda kind, p=b"", client=0: struct.pack(">BH", kind | client << 4, len(p)) + bytes(p)
DHCP_, PXE, FRAME, TIME, LEASE, TABLE, OPTIONS, TFTP = range(8)
opts = lambda kind, *o, ciaddr=b"\0\0\0\0", xid=1: bytes([kind]) + ciaddr + bytes([xid]) + b"".join(bytes([c, len(v)]) + v for c, v in o) + b"\xff"
IPXE, UEFI, WEB = [(60, b"PXEClient:Arch:00000"), (77, b"iPXE"), (93, b"\0\0"), (175, b"\xb1\x01\x01"), (97, b"\0" * 17), (57, b"\5\xc0")], \
    [(60, b"PXEClient:Arch:00007:UNDI:003016"), (93, b"\0\7")], [(60, b"HTTPClient:Arch:00016"), (93, b"\0\x10")]
SVC, IP20 = (54, b"\x0a\0\0\2"), (50, b"\x0a\0\0\x14")
for method in range(5):
    for more in (0, 8, 32, 64, 96):
        talk = b"".join(rec(OPTIONS, opts(1, *who, xid=i)) for i, who in enumerate((IPXE, UEFI, WEB, [])))
        put("dhcp", "all-%d-%d" % (method, more), bytes([method | more]) + talk + rec(OPTIONS, opts(0x83, *UEFI)))
put("dhcp", "whole", b"\1" + rec(DHCP_, bytes(BOOTP(chaddr=bytes(6), xid=1) / DHCP(options=[("message-type", 1), (77, b"iPXE"), "end"])).replace(b"\0" * 6, b"\2" + b"\0" * 5, 1)))
take = rec(OPTIONS, opts(1)) + rec(OPTIONS, opts(3, SVC, IP20))
put("dhcp", "pool", b"\x41" + take + rec(OPTIONS, opts(3, ciaddr=b"\x0a\0\0\x14")) + rec(OPTIONS, opts(3, IP20), 1) + rec(OPTIONS, opts(1), 1) + rec(OPTIONS, opts(1), 2))
put("dhcp", "decline", b"\x41" + take + rec(OPTIONS, opts(4, IP20)) + take + rec(TIME, bytes(700)) + take)
put("dhcp", "release", b"\x41" + take + rec(OPTIONS, opts(7, ciaddr=b"\x0a\0\0\x14")) + rec(OPTIONS, opts(1), 1))
put("dhcp", "restored", b"\x41" + rec(LEASE, b"\x14\0\1" + b"\xff" * 8) + rec(LEASE, b"\x15\1\2\x09" + bytes(7)) + take + rec(OPTIONS, opts(1), 2))
loop = b"".join(rec(OPTIONS, opts(1, *UEFI, xid=i)) + rec(TFTP, b"\0\1k\0octet\0blksize\0008000\0") for i in range(7))
put("dhcp", "loop", b"\1" + loop + rec(TABLE, b"\x41") + take)
put("dhcp", "frame", b"\0" + rec(FRAME, bytes(Ether() / ARP(pdst="10.0.0.2"))) + rec(FRAME, bytes(Ether() / Dot1Q() / IP(dst="10.0.0.2") / UDP(dport=69) / b"\0\1boot.ipxe\0octet\0")))
put("dhcp", "inform", b"\0" + rec(OPTIONS, opts(8)) + rec(DHCP_, dhcp(("message-type", 8))) + rec(PXE, dhcp(("message-type", 3))))
dg = lambda port, p: bytes([len(p), port]) + p
put("tftp", "plain", dg(0, b"\0\1k\0octet\0") + dg(1, b"\0\4\0\1") + dg(1, b"\0\4\0\2"))
put("tftp", "options", dg(0, b"\0\1k\0octet\0blksize\0001468\0tsize\0000\0windowsize\0004\0timeout\0001\0") + dg(1, b"\0\4\0\0") + b"\xff" + dg(1, b"\0\4\0\3"))
put("tftp", "windows", dg(0, b"\0\1k\0octet\0windowsize\0004\0") + dg(1, b"\0\4\0\0") + dg(1, b"\0\4\0\2") + dg(1, b"\0\4\0\2") + b"\xff" + dg(1, b"\0\4\0\6"))
for n, text in enumerate([b"/k", b"a//b.c", b"\\a\\b.c", b"./k", b"boot.ipxe", b"/grub/x86_64-efi/grub.cfg", b"grub.cfg-01-52-54-00-00-00-0a", b"pxelinux.cfg/0A09",
                          b"x/pxelinux.cfg/default", b"http://10.0.0.2/k", b"../k", b"no"]):
    put("boot_names", "name%d" % n, b"\0" + text)
for n, text in enumerate([b"bytes=0-5", b"bytes=9-", b"bytes=-3", b"bytes=1-2,4-5", b"bytes=18446744073709551615-"]):
    put("boot_names", "range%d" % n, b"\x65" + text)
put("tftp", "errors", dg(0, b"\0\1../k\0octet\0") + dg(0, b"\0\2k\0octet\0") + dg(9, b"\0\4\0\0") + dg(0, b"\0\5\0\0x\0"))

# What a peer of vhost-user does: descriptors, length, bytes.
msg = lambda request, payload=b"", flags=1: struct.pack("<III", request, flags, len(payload)) + payload
act = lambda data, fds=0: bytes([fds, len(data) - 1]) + data
u64, region = struct.pack("<Q", 1), struct.pack("<QQQQ", 0, 1 << 20, 0, 0)
table = msg(5, struct.pack("<II", 2, 0) + region * 2)
put("vhost_msg", "start", act(msg(1)) + act(msg(15)) + act(msg(16, u64)) + act(msg(3)) + act(msg(2, u64)) + act(table, 2))
put("vhost_msg", "vring", act(msg(8, u64)) + act(msg(9, b"\0" * 40)) + act(msg(10, u64)) + act(msg(13, u64), 1) + act(msg(12, u64), 1) + act(msg(18, u64)))
put("vhost_msg", "halves", act(table[:5], 2) + act(table[5:20]) + act(table[20:]) + act(msg(24, b"\0" * 20)) + act(msg(40, u64, 5)))
put("vhost_msg", "many", act(table, 9) + act(msg(1)))
for k in range(11):  # a kind of ring; steps of four bytes
    put("ring", "honest%d" % k, bytes([k]) + b"\0\x10\1\0" b"\2\x10\x20\0" b"\4\1\0\0" b"\0\x3f\2\0" * 20)
    for w in range(8):  # each kind of lie, about the entry that comes next
        put("ring", "lies%d-%d" % (k, w), bytes([k]) + b"".join(b"\0\x10\1\0" b"\2\x10\0\0" + bytes([6, w, n, n * 5 & 255]) + b"\0\x20\0\0" b"\5\0\0\0" for n in (0, 1, 2, 60, 200)))

port = lambda n, t, **p: {"name": n, "type": "weir-interfaces:" + t, "weir-interfaces:port": p}
configs = {
    "ports": {"ietf-interfaces:interfaces": {"interface": [port("u", "uplink", **{"af-packet": "e0", "trunk": ["1-100", "200"]}),
              port("h", "host", tap="t"), port("g", "guest", socket="/s", **{"vlan-mode": "dot1q-tunnel", "vlan": 7, "admit": {"mac-limit": 3}})]}},
    "vm": {"weir-vm:boot-services": {"service": [{"vlan": 1, "address": "10.0.0.2", "prefix-length": 24, "dns": ["10.0.0.3"]}]},
           "weir-vm:boot-files": {"file": [{"name": "k", "path": "/k"}]},
           "weir-vm:vms": {"vm": [{"name": "v", "uuid": "00000000-0000-0000-0000-000000000001",
                                   "nic": [{"id": 0, "mac": "52:54:00:00:00:01", "ipv4-address": ["10.0.0.5"], "ipv6-address": ["2001:db8::1"]}],
                                   "boot": {"method": "kernel", "kernel": "k", "cmdline": "quiet", "iscsi": {"server": "10.0.0.1", "target": "iqn.x"}}}]}},
    "system": {"weir-system:system": {"worker-cpu": [1], "mac-ageing": 20}, "weir-qos:storage": {"server": ["10.0.0.0/8", "2001:db8::/32"],
               "portal": [{"address": "10.0.0.1", "protocol": "tcp", "port": 3260}]}},
    "storage": {"weir-qos:storage": {"server": ["10.0.0.0/8"], "portal": [{"address": "10.0.0.1", "protocol": "tcp", "port": 9, "service": "nvme"},
                {"address": "::ffff:10.0.0.1", "protocol": "udp", "port": 9}], "learning": False, "max-learnt": 3, "ageing": 0, "l2-protocol": ["fcoe", "aoe"],
                "boot": {"window": 2, "deadline": 9, "longest": 10, "most-bytes": "1048576"}}, "weir-management:management": {"metrics": {"address": "::1", "port": 1}},
                "weir-qos:qos": {"template": [{"name": "t", "storage-target": 1000}]}, "weir-vm:vms": {"vm": [{"name": "v", "weir-qos:qos": {"template": "t"}}]}},
    "wrong": {"weir-system:system": {"queue-length": 300}},
}
for n, c in configs.items():
    put("config", n, json.dumps(c).encode())
top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
for n in os.listdir(top + "/config/examples"):
    put("config", n, open(top + "/config/examples/" + n, "rb").read())
for i, line in enumerate(open(top + "/tests/smoke/yang_refused.txt", "rb")):
    if line.startswith(b"{"):
        put("config", "refused%d" % i, line.strip())
for n, r in {"state": {"get-state": {"part": "ports", "name": "x"}}, "explain": {"explain": {"port": "p", "frame": "00" * 20}},
             "tap": {"tap": {"port": "p", "kind": "trace", "filter": "00" * 16, "count": 3}}, "reload": {"reload": {"dry-run": True}}, "ping": {"ping": {}},
             "boot": {"vm-boot": {"vm": "v", "action": "begin"}}, "forget": {"portal-forget": {"address": "10.0.0.1", "protocol": "udp", "port": 9}},
             "forget_all": {"portal-forget": {"all": [None]}}, "storage": {"get-state": {"part": "storage", "name": "v"}}}.items():
    put("request", n, json.dumps({"weir-operations:" + k: v for k, v in r.items()}).encode())

vms = '<vms xmlns="urn:weir:params:xml:ns:yang:weir-vm">%s</vms>'
subtrees = ["", vms % "", vms % "<vm><name>a</name></vm>", vms % "<vm><name>a</name><nic/><boot><method/></boot></vm><vm><name>b</name></vm>",
            vms % "<vm><nic><id>+1</id><mac/></nic></vm>", "<vms><vm/></vms>", '<i:interfaces><i:interface><i:type>i:x</i:type><i:description/></i:interface></i:interfaces>',
            '<vms xmlns=""><vm xmlns:o="urn:ietf:params:xml:ns:yang:ietf-origin" o:origin="o:system"/></vms>', "text"]
xpaths = ["/", "/v:vms/v:vm[v:name='a']", "//v:nic[v:id=1]/v:mac | /i:interfaces", "/v:vms/v:vm[not(v:boot)]/..", "//*[//*]", "v:vms/v:vm[position()&lt;2]", "count(//*)", "//*/ancestor::*"]
jsons = ["{}", "[null]", '{"weir-vm:vms":{"vm":[{"name":"a","nic":[{"id":0},{"mac":null}]}]}}', '{"weir-vm:vms":{"vm":[null]}},"@filter":{"ietf-netconf:type":"subtree"}',
         '{},"@filter":{"ietf-netconf:type":"xpath","ietf-netconf:select":"/weir-vm:vms/vm"}']
for form, texts in enumerate((subtrees, xpaths, jsons)):
    for i, t in enumerate(texts):
        put("filter", "form%d-%d" % (form, i), bytes([form, i % 4]) + t.encode())

nc = 'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
hello = '<hello %s><capabilities><capability>urn:ietf:params:netconf:base:1.%d</capability></capabilities></hello>]]>]]>'
rpcs = ['<get-config><source><running/></source></get-config>', '<lock><target><candidate/></target></lock>', '<validate><source><candidate/></source></validate>',
        '<edit-config><target><candidate/></target><default-operation>none</default-operation><config><interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"'
        ' xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0"><interface nc:operation="create"><name>a</name><enabled>true</enabled></interface></interfaces></config></edit-config>',
        '<commit/>', '<discard-changes/>', '<kill-session><session-id>4</session-id></kill-session>', '<close-session/>']
rpcs = ['<rpc %s message-id="1" a="b">%s</rpc>' % (nc, r) for r in rpcs]
for i, piece in enumerate((0, 1, 7)):
    put("netconf", "marks%d" % i, bytes([piece]) + (hello % (nc, 0) + "]]>]]>".join(rpcs) + "]]>]]>").encode())
    put("netconf", "chunks%d" % i, bytes([piece]) + (hello % (nc, 1) + "".join("\n#%d\n%s\n#%d\n%s\n##\n" % (5, r[:5], len(r) - 5, r[5:]) for r in rpcs)).encode())

rec = "weir-commit 1\nid: 42\ntime: 2026-11-22T08:07:01Z\nuser: root\nclient: cli\ncomment: a\\x0ab\nfile-crc: %s\nsize: 3\ncrc32: 00000000\n\n{}\n"
put("record", "commit", b"\1" + (rec % "none").encode())
put("record", "commit-crc", b"\1" + (rec % "0badcafe").encode())
put("record", "commit-as-it-is", b"\0" + (rec % "none").encode())
put("record", "pending", b"\3weir-pending 1\nbackup: 1\nfirst: 2\nlast: 3\ndeadline: 4\ntimeout-ms: 5\npersist-id: x\nuser: root\nsession: 6\ncrc32: 00000000\n\n")
# Lines of words, one command each; the first byte: an empty tree (1) or one with something in it (0).
lines = ["set vms vm web1 nic 0 mac 52:54:00:00:00:01 vlan 20 mtu 9k", "set port u0 type uplink vlan 5 mtu 2ki trunk [ 1 20-29 ]", "set int interface g socket /s enabled off",
         "set vm web1 boot method iscsi iscsi server 10.20.0.1 target iqn.x:y", 'set vm web2 boot cmdline "a \\"b\\" \\\\ c" kernel k', "set interface u0 device d", "set vm web1 nic 0 interface u0",
         "set portal 10.0.0.2 udp 4420", "set storage server 10.0.0.0/8", "set system worker-cpu 5 worker-cpu 4", "set weir-system:system max-sleep 1", "delete vms vm *", "delete vm web1 nic 0 vlan",
         "delete system worker-cpu 1", "delete interface u0 trunk", "delete interfaces", "rename vm web1 to vm to", "rename portal 10.0.0.1 tcp 3260 to 10.0.0.1 udp 3260", "copy vm web1 to web3",
         "insert system worker-cpu 2 first", "insert system worker-cpu 3 after 1", "insert system worker-cpu 9 before worker-cpu 3", 'annotate vm web1 "line\\none */"', "annotate vm web1 nic 0 mac x",
         'annotate vms "y"', 'annotate vm web1 nic 0 vlan ""', "annotate interface u0 trunk 1 z", 'set interface u0 description "\t\u00e9 [ ] * #"', "delete", "set vms vm", "up",
         "set vm web1 max 1g min 200m priority storage nic 0 mtu 9k", "set class bulk vlan [ 1 2 ] max 1.5t", "set template t meter committed-rate 1g peak-rate 2g", "delete vm web1 max"]
for i, l in enumerate(lines):
    put("words", "one%02d" % i, b"\0" + l.encode())
put("words", "all", b"\0" + "\n".join(lines).encode())
put("words", "from-nothing", b"\1" + "\n".join(lines[:11]).encode())
# Edits: one per kind of operation, order, choice and mistake.
ifs = '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces" xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">%s</interfaces>'
guest = ('<interface%s><name>a</name><type xmlns:wi="urn:weir:params:xml:ns:yang:weir-interfaces">wi:guest</type>'
         '<port xmlns="urn:weir:params:xml:ns:yang:weir-interfaces">%s</port></interface>')
system = '<system xmlns="urn:weir:params:xml:ns:yang:weir-system" xmlns:y="urn:ietf:params:xml:ns:yang:1">%s</system>'
have = ifs % (guest % ("", "<socket>/s</socket>")) + system % "<worker-cpu>1</worker-cpu><worker-cpu>2</worker-cpu>"
edits = {
    "replace": ifs % (guest % (' nc:operation="replace"', "<vlan>5</vlan>")), "delete": ifs % '<interface nc:operation="delete"><name>a</name><description/></interface>',
    "leaf": ifs % '<interface><name>a</name><enabled nc:operation="remove"/></interface>', "choice": ifs % (guest % ("", "<tap>t</tap>")),
    "cases": ifs % (guest % ("", "<tap>t</tap><socket>/s</socket>")),
    "first": system % '<worker-cpu y:insert="first">2</worker-cpu>', "before": system % '<worker-cpu y:insert="before" y:value="1">3</worker-cpu>',
    "anchor": system % '<worker-cpu y:insert="after" y:value="9">3</worker-cpu>', "value": ifs % '<interface><name>a</name><enabled>perhaps</enabled></interface>',
    "key": ifs % "<interface><enabled>true</enabled></interface>", "text": ifs % "text", "unknown": ifs % "<x/>" + '<x xmlns="urn:x"/>', "state": ifs % '<interface><name>a</name><oper-status>up</oper-status></interface>',
    "bare": '<interfaces><interface><name>a</name><port><vlan>7</vlan></port></interface></interfaces>', "twice": ifs % "" + ifs % "",
}
edit = '<rpc %s message-id="1"><edit-config><target><candidate/></target><config>%s</config></edit-config></rpc>]]>]]>'
for n, x in edits.items():
    put("netconf", "edit-" + n, b"\0" + (hello % (nc, 0) + edit % (nc, have) + edit % (nc, x) + "<rpc %s message-id='2'><commit/></rpc>]]>]]>" % nc).encode())
# Several sessions: a lock that is lost, a confirmed commit that is not confirmed, a subscriber, one who may not write.
N = lambda *acts: b"".join(a if isinstance(a, bytes) else (a + "]]>]]>").encode() for a in acts)
one = lambda r: "<rpc %s message-id='1'>%s</rpc>" % (nc, r)
ageing = one('<edit-config><target><candidate/></target><config><system xmlns="urn:weir:params:xml:ns:yang:weir-system"><mac-ageing>20</mac-ageing></system></config></edit-config>')
hi = (hello % (nc, 0))[:-6]
lock = one("<lock><target><candidate/></target></lock>")
put("netconf", "locks", b"\0" + N(b"\xf8", hi, lock, b"\xf9", hi, ageing, b"\xfb\xf9", ageing, one("<lock><target><running/></target></lock>")))
put("netconf", "confirmed", b"\0" + N(b"\xf8", hi, ageing, one("<commit><confirmed/></commit>"), b"\xf9", hi, one("<commit/>"), b"\xfb\xf9", one("<cancel-commit/>")))
put("netconf", "persist", b"\0" + N(b"\xf8", hi, ageing, one("<commit><confirmed/><persist>p</persist></commit>"), b"\xfb\xf9", hi, one("<commit><persist-id>p</persist-id></commit>"), b"\xfe\xfe"))
put("netconf", "timeout", b"\0" + N(b"\xf8", hi, ageing, one("<commit><confirmed/><confirm-timeout>1</confirm-timeout></commit>"), b"\xfe\xfe", one("<get/>")))
put("netconf", "subscriber", b"\0" + N(b"\xf9", hi, one('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>'), b"\xf8", hi, ageing, one("<commit/>"), b"\xfb"))
for n in (0, 1):
    put("netconf", "restricted%d" % n, b"\0" + N(b"\xfa", hi, ageing, one("<commit/>"), one("<get/>"), one("<kill-session><session-id>1</session-id></kill-session>"), " " * n + one("<get-config><source><running/></source></get-config>")))
put("netconf", "killed", b"\0" + N(b"\xf8", hi, lock, b"\xf9", hi, one("<kill-session><session-id>1</session-id></kill-session>"), lock, b"\xf8", hi))

# Requests of local tools: each alone, of root and of another user, and between two edits and a commit.
J = lambda op, **a: json.dumps({op: {k.replace("_", "-"): v for k, v in a.items()}})
W, I, nothing = "weir-configuration:", "ietf-netconf:", [None]
asks = [J(W + "edit-line", line=l) for l in lines[:22]]
asks += [J(W + "edit-line", line="nic 0 vlan 3", at="vms vm web1"), J(W + "edit-line", line="edit vm web1"), J(W + "edit-line", line="up 2", at="vms vm web1"), J(W + "complete", line="set vm web1 nic 0 "), J(W + "complete", line="show int")]
asks += [J(W + "compare"), J(W + "compare", **{"from": "rollback 1"}), J(W + "show-configuration", format="set"), J(W + "show-configuration", format="json", line="vms"), J(W + "show-configuration", source="running", format="xml")]
asks += [J(W + "load", text='{"weir-system:system":{"mac-ageing":30}}'), J(W + "load", format="set", mode="replace", text="set system mac-ageing 40\ndelete system mac-ageing"), J(W + "load", format="xml", text='<system xmlns="urn:weir:params:xml:ns:yang:weir-system"/>')]
asks += [J(W + o) for o in ("plan", "history", "status")] + [J(W + "rollback", number=1), J(W + "history", number=0)]
asks += [J(I + o, target={"candidate": nothing}) for o in ("lock", "unlock")] + [J(I + o) for o in ("discard-changes", "get", "close-session")] + [J(I + "validate", source={"candidate": nothing}), J(I + "get-config", source={"running": nothing})]
asks += [J(I + "commit", **{W + "comment": "c"}), J(I + "commit", confirmed=nothing, persist="p", confirm_timeout=5), J(I + "commit", confirmed=nothing), J(I + "commit", persist_id="p"), J(I + "cancel-commit", persist_id="p")]
asks += [J(I + "copy-config", target={"startup": nothing}, source={"running": nothing}), J(I + "delete-config", target={"startup": nothing}), J(I + "kill-session", session_id=2), J(I + "edit-config", target={"candidate": nothing}, config={"weir-system:system": {"mac-ageing": 50}})]
asks += [J("ietf-netconf-nmda:get-data", datastore="ietf-datastores:operational", xpath_filter="/weir-system:system"), J("weir-operations:ping"), "!"]
machine = json.dumps({"name": "m", "nic": [{"id": 0, "mac": "52:54:00:00:00:0a", "vlan": 3}]})
asks += [J("weir-operations:vm-prepare", vm="m", definition=machine, source="libvirt"), J("weir-operations:vm-release", vm="m"), J("weir-operations:vm-event", vm="m", event="reset")]
edit_one, commit = J(W + "edit-line", line="set system mac-ageing 30"), J(I + "commit")
for i, a in enumerate(asks):
    put("session_json", "one%02d" % i, a.encode())
    put("session_json", "other%02d" % i, ("@" + a).encode())
    put("session_json", "between%02d" % i, "\n".join([edit_one, commit, edit_one.replace("30", "40"), a, "@" + a, edit_one, commit]).encode())
put("session_json", "all", "\n".join(asks).encode())

# Machines that are announced, and what providers answer: alone, and with what closes the braces around them.
iscsi = {"method": "iscsi", "iscsi": {"server": "10.1.0.7", "target": "iqn.2026-11.a:b", "lun": 2}}
for i, m in enumerate(({}, {"uuid": "3f0c0fb4-7a5e-4a0f-9d0a-00000000000c"}, {"nic": [{"id": 0, "mac": "52:54:00:00:00:0a", "ipv4-address": ["10.1.0.10"], "socket": "/s"}], "boot": iscsi}, {"boot": {"provider": "p", "image": "i"}})):
    put("config", "machine%d" % i, ("!" + json.dumps({"name": "m", **m})).encode())
for i, a in enumerate((iscsi, {"method": "none"}, {"method": "nfs", "nfs": {"server": "10.1.0.7", "path": "/x"}, "cmdline": "quiet"})):
    put("config", "answer%d" % i, ("?" + json.dumps(a)).encode())
put("config", "machine-more", b'!{"name":"m"},{"name":"n"}')
put("config", "machine-beside", b'!{"name":"m"}]},"weir-system:system":{"mac-ageing":60},"weir-vm:boot-files":{"file":[')
put("config", "answer-beside", b'?{"method":"none"},"hostname":"x"')

# The scheduler: a link's rate, then operations (packet 0.., serve 120.., time 180.., change 232..). Saturated, limited, re-rated, with VMs that come and go.
load = bytes(x for i in range(120) for x in (i % 100, (i * 7) % 256, (i * 5) % 256))
for rate in range(3):
    put("sched", "load%d" % rate, bytes([rate]) + load + bytes([150, 200, 9] * 80))
    for kind in range(3):
        limits = bytes(x for vm in range(4) for x in (232 + kind, vm + 8 * 5, 4 + 8 * (3 + vm), 3 + 20 * vm))
        put("sched", "limits%d%d" % (rate, kind), bytes([rate]) + limits + load + bytes([150, 210, 30] * 60) + limits[::-1] + load)
    put("sched", "churn%d" % rate, bytes([rate]) + b"".join(load[i:i + 30] + bytes([235, i % 4, 130, 130, 236, i % 4]) for i in range(0, 300, 30)))

# Learnt portals: none, one of each kind, many, one too many, and mistakes that the checksum would hide (bit 0 mends it).
import zlib
def learnt(rows, n=None):
    text = "weir-learnt 1\n" + "".join(r + "\n" for r in rows) + "end %d crc32 " % (len(rows) if n is None else n)
    return (text + "%08x\n" % zlib.crc32(text.encode())).encode()
rows = ["198.51.100.7 tcp 3260 iscsi redirect 192.0.2.1 100 150 2", "2001:db8::7 tcp 860 iscsi sendtargets 2001:db8::1 100 120 18446744073709551615", "198.51.100.7 udp 20048 rpc rpcbind 192.0.2.1 0 90 1"]
many = ["198.51.%d.%d tcp 3260 iscsi redirect 192.0.2.1 0 5 1" % (i // 200, i % 200) for i in range(2049)]
for n, r in {"none": [], "three": rows, "full": many[:2048], "over": many, "order": rows[::-1], "twice": rows[:1] * 2}.items():
    for first in (b"\0", b"\1"):
        put("learnt", n + str(first[0]), first + learnt(r))
for n, (old, new) in {"loopback": ("198.51.100.7", "127.0.0.1"), "mapped": ("198.51.100.7", "::ffff:198.51.100.7"), "port": ("3260", "0"), "big": ("150", "18446744073709551616"), "how": ("redirect", "declared"), "space": (" tcp", "  tcp")}.items():
    put("learnt", n, b"\1" + learnt([rows[0].replace(old, new)]))
put("learnt", "count", b"\1" + learnt(rows, 2))

# What workers tell of storage: four sizes, then events of two bytes and what follows (tests/fuzz/storage.c). Key 0 is iSCSI, 1 NFS, 2 rpcbind.
to, come = lambda op, key, *more: bytes([op, key, *more]), lambda op, key, *more: bytes([op, 0x80 | key, *more])
said = lambda way, key, text: b"".join(way(6 | (0 if i else 0x10) | (0x20 if i + 200 >= len(text) else 0), key, len(text[i:i + 200])) + text[i:i + 200] for i in range(0, len(text), 200))
opened = lambda key: to(0, key, 3) + come(0, key, 0)
names = b"InitiatorName=iqn.2010-04.org.ipxe:a\0TargetName=iqn.x:disk\0MaxRecvDataSegmentLength=8192\0InitialR2T=Yes\0ImmediateData=No\0HeaderDigest=%s\0"
sizes = bytes([7, 15, 7, 63])
io = b"".join(to(0x19, k, t, 32) for k in (0, 1, 3) for t in range(12)) + b"".join(come(0x1a, k, t, 0) for k in (3, 0, 1) for t in range(12))
for n, digest in (("plain", b"None"), ("digest", b"CRC32C")):
    login = to(11, 0, 1, 8) + said(to, 0, names % digest) + come(11, 0, 1, 10) + said(come, 0, b"HeaderDigest=%s\0" % digest)
    put("storage", "login-" + n, sizes + opened(0) + login + opened(1) + opened(3) + io + login)
put("storage", "redirect", sizes + opened(0) + to(11, 0, 1, 8) + said(to, 0, names % b"None") + come(11, 0, 1, 0x26) + said(come, 0, b"TargetAddress=10.0.0.7:3260,1\0"))
put("storage", "targets", sizes + opened(0) + come(12, 0, 1, 1) + said(come, 0, b"TargetName=a\0TargetAddress=10.0.0.7:32") + come(12, 0, 1, 0) + said(come, 0, b"60,1\0TargetAddress=[::5],2\0"))
put("storage", "rpcbind", sizes + opened(2) + to(13, 2, 44, 0) + come(13, 2, 44, 2) + come(13, 2, 45, 66) + to(13, 2, 45, 0))
put("storage", "small", bytes([0, 0, 0, 0]) + b"".join(opened(k) + io + to(2, k, 1) + come(2, k, 0) for k in range(8)))
put("storage", "full", bytes([7, 3, 1, 31]) + b"".join(opened(k) + io for k in range(12)) + to(4, 0, 100, 100) + io + to(5, 0, 6) + io)
put("storage", "lost", sizes + opened(0) + opened(1) + io + to(14, 0, 0, 1) + come(14, 1, 0, 0) + io + come(15, 1, 0, 0) + io + to(2, 0, 4) + io + opened(0) + io)

# Storage: streams are a byte of which and which way, N, N operations, then what the peer sends.
bhs = lambda op, flags=0x80, tag=7, b23=b"\0\0", w20=0, data=b"", tail=bytes(12): (struct.pack("!BB2sI8xII12s", op, flags, b23, len(data), tag, w20, bytes(12)) + tail[:12] + data + bytes(-len(data) % 4))
keys = b"InitiatorName=iqn.x\0TargetName=iqn.y\0HeaderDigest=None\0TargetAddress=10.0.0.9:3261,1\0"
iscsi = [bhs(0x43, 0x87, data=keys) + bhs(1, 0xc1, w20=512) + bhs(1, 0xa1, w20=5, data=b"abcde") + bhs(5, data=b"data") + bhs(0x40) + bhs(0x42, 0x81) + bhs(0x44) + bhs(0x46),
         bhs(0x23, 0x87, data=keys, tail=b"\1\1" + bytes(10)) + bhs(0x24, 0x40, data=keys) + bhs(0x25, 0x81, data=b"abcde") + bhs(0x21) + bhs(0x31) + bhs(0x20) + bhs(0x22) + bhs(0x26) + bhs(0x32, tag=2**32 - 1)]
nvme = [b"\0\0\x80\0" + struct.pack("<I", 128) + bytes(120) + b"\4\0\x48\x48" + struct.pack("<I", 80) + b"\1\x40\5\0\1" + bytes(59) + b"datadata" + b"\6\7\x18\x1c" + struct.pack("<I", 40) + bytes(8) + struct.pack("<II", 8, 0) + bytes(16),
        b"\1\0\x80\0" + struct.pack("<I", 128) + bytes(120) + b"\5\0\x18\0" + struct.pack("<I", 24) + bytes(16) + b"\7\x0c\x18\x18" + struct.pack("<I", 32) + bytes(8) + struct.pack("<II", 8, 0) + b"datadata" + b"\x09\0\x18\0" + struct.pack("<I", 24) + bytes(16)]
X = lambda *w: struct.pack("!%dI" % len(w), *w)
call = lambda prog, vers, proc, args=b"": X(7, 0, 2, prog, vers, proc, 1, 24, 1, 2, 0x6162_0000, 0, 0, 0, 0, 0) + args
record = lambda m, n=10**6: b"".join(X(len(m[i:i + n]) | (2**31 if i + n >= len(m) else 0)) + m[i:i + n] for i in range(0, len(m), n))
rpc = [call(100003, 3, 6, X(8, 1, 2, 0, 0, 4096)), call(100003, 3, 7, X(8, 1, 2, 0, 0, 512, 2)), call(100003, 4, 1, X(0, 1, 3, 53) + bytes(32) + X(22, 4, 1, 25) + bytes(16) + X(0, 0, 4096)),
       call(100003, 4, 1, X(0, 0, 2, 22, 4, 1, 38) + bytes(16) + X(0, 0, 2, 512)), call(100000, 2, 3, X(100005, 3, 6, 0)), call(100000, 4, 3, X(100005, 3, 3) + b"tcp\0" + X(0, 0))]
reply = [X(7, 1, 0, 0, 0, 0, 2049), X(7, 1, 0, 0, 0, 0, 12) + b"10.0.0.9.8.1", X(7, 1, 0, 0, 0, 0, 18) + b"2001:db8::7.255.25\0\0", X(7, 1, 1, 1, 2), X(7, 1, 0, 6, 4, 0, 0)]
for i, ops in enumerate((b"\1\0", b"\2\x09\x30", b"\x0c\0\0\x06\xff\x02\x10\x06\xff\x01\x40\x06\xff", b"\x08\0\0\x07\x50\x04\x01\x86\xff")):
    for way in range(2):
        put("pdu", "iscsi%d%d" % (way, i), bytes([way]) + ops + iscsi[way])
        put("pdu", "nvme%d%d" % (way, i), bytes([2 | way]) + ops + nvme[way])
        for svc in range(3):
            for n in (24, 10**6):
                put("rpc", "tcp%d%d%d-%d" % (way, i, svc, n), bytes([2 * svc + way]) + ops + b"".join(record(m, n) for m in (rpc, reply)[way]))
for i, m in enumerate(rpc + reply):
    put("rpc", "udp%d" % i, bytes([6 + (i >= len(rpc))]) + m)
put("rpc", "text", b"\x08\x05" + keys)
for i, a in enumerate(("10.0.0.9", "10.0.0.9:3261,1", "[2001:db8::1]:860,2", "[::ffff:10.0.0.9]", "server:3260")):
    put("rpc", "address%d" % i, b"\x09" + a.encode())

# What workers tell of storage: four sizes, then events of two bytes and what follows (tests/fuzz/storage.c). Key 0 is iSCSI, 1 NFS, 2 rpcbind.
to, come = lambda op, key, *more: bytes([op, key, *more]), lambda op, key, *more: bytes([op, 0x80 | key, *more])
said = lambda way, key, text: b"".join(way(6 | (0 if i else 0x10) | (0x20 if i + 200 >= len(text) else 0), key, len(text[i:i + 200])) + text[i:i + 200] for i in range(0, len(text), 200))
opened = lambda key: to(0, key, 3) + come(0, key, 0)
names = b"InitiatorName=iqn.2010-04.org.ipxe:a\0TargetName=iqn.x:disk\0MaxRecvDataSegmentLength=8192\0InitialR2T=Yes\0ImmediateData=No\0HeaderDigest=%s\0"
sizes = bytes([7, 15, 7, 63])
io = b"".join(to(0x19, k, t, 32) for k in (0, 1, 3) for t in range(12)) + b"".join(come(0x1a, k, t, 0) for k in (3, 0, 1) for t in range(12))
for n, digest in (("plain", b"None"), ("digest", b"CRC32C")):
    login = to(11, 0, 1, 8) + said(to, 0, names % digest) + come(11, 0, 1, 10) + said(come, 0, b"HeaderDigest=%s\0" % digest)
    put("storage", "login-" + n, sizes + opened(0) + login + opened(1) + opened(3) + io + login)
put("storage", "redirect", sizes + opened(0) + to(11, 0, 1, 8) + said(to, 0, names % b"None") + come(11, 0, 1, 0x26) + said(come, 0, b"TargetAddress=10.0.0.7:3260,1\0"))
put("storage", "targets", sizes + opened(0) + come(12, 0, 1, 1) + said(come, 0, b"TargetName=a\0TargetAddress=10.0.0.7:32") + come(12, 0, 1, 0) + said(come, 0, b"60,1\0TargetAddress=[::5],2\0"))
put("storage", "rpcbind", sizes + opened(2) + to(13, 2, 44, 0) + come(13, 2, 44, 2) + come(13, 2, 45, 66) + to(13, 2, 45, 0))
put("storage", "small", bytes([0, 0, 0, 0]) + b"".join(opened(k) + io + to(2, k, 1) + come(2, k, 0) for k in range(8)))
put("storage", "full", bytes([7, 3, 1, 31]) + b"".join(opened(k) + io for k in range(12)) + to(4, 0, 100, 100) + io + to(5, 0, 6) + io)
put("storage", "lost", sizes + opened(0) + opened(1) + io + to(14, 0, 0, 1) + come(14, 1, 0, 0) + io + come(15, 1, 0, 0) + io + to(2, 0, 4) + io + opened(0) + io)

# Domains of libvirt (first byte even) and configurations of Proxmox (odd).
card = "<interface type='vhostuser'><mac address='52:54:00:20:00:01'/><source type='unix' path='/run/weir/guests/a' mode='server'/>%s</interface>"
domain = lambda devices, more="": ("\0<domain><name>web 1</name><uuid>9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001</uuid>%s<devices>%s</devices></domain>" % (more, devices)).encode()
put("domain", "plain", domain(card % "<driver queues='4' rx_queue_size='1024' tx_queue_size='1024'/><mtu size='9000'/><port isolated='yes'/>"))
put("domain", "vlan", domain(card % "<vlan trunk='yes'><tag id='42'/><tag id='123' nativeMode='untagged'/></vlan>"))
put("domain", "rates", domain(card % "<bandwidth><inbound average='1000' peak='5' burst='6' floor='200'/><outbound average='128'/></bandwidth>" * 2))
put("domain", "extra", domain(card % "", "<metadata><w:vm xmlns:w='urn:weir:libvirt:1'>{\"nic\":[{\"id\":0,\"vlan\":20}],\"boot\":{\"method\":\"none\"}}</w:vm></metadata>"))
put("domain", "entities", b"\0<!DOCTYPE d [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>")
put("domain", "pve", b"\1name: web1\nnet0: virtio=BC:24:11:20:00:01,bridge=weir0,queues=4,rate=12.5,tag=20,trunks=30;40-50,mtu=9000\nsmbios1: uuid=9a3a56a7-6bd4-4b9e-8a2c-0d5a8a1fd001\n#weir-net1: virtio=BC:24:11:20:00:02\n#weir: {}\n[snap]\n")
# Monitors of QEMU: what 7.2 says, with what it says it of.
event = lambda name, data="": ('{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "%s"%s}\r\n' % (name, ', "data": {%s}' % data if data else "")).encode()
greeting = b'{"QMP": {"version": {"qemu": {"micro": 19, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}\r\n{"return": {}, "id": "caps"}\r\n'
status = lambda s: ('{"return": {"status": "%s", "singlestep": false, "running": true}, "id": "status"}\r\n' % s).encode()
moves = b"".join(event("MIGRATION", '"status": "%s"' % s) for s in ("setup", "active", "device", "completed", "cancelled", "failed", "postcopy-active"))
for s in ("running", "paused", "inmigrate", "finish-migrate", "postmigrate", "guest-panicked", "shutdown", "suspended"):
    put("qmp", "status-" + s, greeting + status(s) + moves + event("STOP") + event("RESUME"))
put("qmp", "events", b"".join(event(n) for n in ("POWERDOWN", "STOP", "RESUME", "SUSPEND", "SUSPEND_DISK", "WAKEUP", "WATCHDOG", "GUEST_CRASHLOADED")) + event("RESET", '"guest": true, "reason": "guest-reset"')
    + event("GUEST_PANICKED", '"action": "run"') + event("SHUTDOWN", '"guest": false, "reason": "host-qmp-quit"'))
put("qmp", "filter", event("NIC_RX_FILTER_CHANGED", '"name": "nic0", "path": "/machine/peripheral/nic0/virtio-backend"')
    + b'{"return": [{"promiscuous": false, "name": "nic0", "main-mac": "52:54:00:AB:cd:0F", "unicast-table": []}], "id": "filter"}\r\n')
put("qmp", "refused", b'{"error": {"class": "CommandNotFound", "desc": "no \\u001b such"}, "id": "events"}\r\n{"return": 7}\n[[[[[[\n\n{"event": "ST\xffOP"}\n{"a":')
# Tables of OpenFlow: changes and lookups, tests/fuzz/flow_table.c. 4: many rules of many masks; 3: publish; 6: look up.
for how in (0x03, 0x13, 0x23, 0x33, 0x43, 0x63):
    put("flow_table", "many%02x" % how, (bytes([0xfc, how]) + b"\x03" + b"".join(bytes([6, i, 1, 3, i, 255]) for i in range(9)) + b"\xf5\xfd") * 4)
put("flow_table", "few", b"".join(bytes([p, 2, 3, 0x60, 4, 0x20, 0, 1, 3, i, 0x11, 3, 6, i, 0]) for i, p in enumerate((0, 8, 16, 1, 9, 250))) + b"\2\3\6\0\0\x0a\3\6\1\0\3\6\2\1\3\xff\xff")

# OpenFlow: messages as controllers write them. Flow-mod with a match, apply-actions of each kind and goto; group, meter, table features, bundles.
of = lambda t, body, version=4: struct.pack(">BBHI", version, t, 8 + len(body), 7) + body
act = lambda t, body=b"\0" * 4: struct.pack(">HH", t, 4 + len(body)) + body
ins = lambda t, body: struct.pack(">HH", t, 4 + len(body)) + body
oxm = lambda f, v, m=b"": struct.pack(">HBB", 0x8000, f << 1 | bool(m), len(v + m)) + v + m
fill = lambda b: b + b"\0" * (-len(b) % 8)
of_match = lambda *o: fill(struct.pack(">HH", 1, 4 + len(b"".join(o))) + b"".join(o))
all_acts = b"".join(act(t) for t in (11, 12, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26, 27)) + act(0, b"\0\0\0\1\xff\xff" + b"\0" * 6) + fill(b"\0\x19\0\x10" + oxm(6, b"\x10\x05"))
flow = b"\0" * 16 + b"\0\0\0\0\0\0\0\1" + b"\xff" * 12 + b"\0" * 4
match = of_match(oxm(5, b"\x08\0"), oxm(11, b"\x0a\0\0\0", b"\xff\0\0\0"), oxm(10, b"\6"), oxm(6, b"\x10\0", b"\x10\0"))
flow_mod = flow + match + ins(6, b"\0\0\0\1") + ins(4, b"\0" * 4 + all_acts) + ins(2, b"\0" * 20) + ins(5, b"\0" * 4) + ins(1, b"\1\0\0\0")
bucket = lambda: struct.pack(">HHIII", 16 + len(all_acts), 1, 0xffffffff, 0xffffffff, 0) + all_acts
features = struct.pack(">HB5x32sQQII", 0x40 + 0x20, 0, b"t", 0, 0, 0, 1) + fill(b"\0\0\0\x08\0\1\0\4") + fill(b"\0\2\0\5\1") + fill(b"\0\4\0\x08\0\0\0\4") + fill(b"\0\x08\0\x08" + b"\x80\0\0\4")
for n, m in {"hello": of(0, b"\0\1\0\x08\0\0\0\x10"), "flow": of(14, flow_mod), "group": of(15, b"\0\0\1\0\0\0\0\1" + bucket() * 2), "packet-out":
             of(13, b"\xff" * 8 + struct.pack(">H6x", len(all_acts)) + all_acts + b"x" * 20), "packet-in": of(10, b"\xff" * 4 + b"\0" * 12 + match + b"\0\0" + b"x" * 20),
             "meter": of(29, b"\0\0\0\1\0\0\0\1\0\1\0\x10" + b"\0" * 12 + b"\0\2\0\x10" + b"\0" * 12), "features": of(18, b"\0\x0c" + b"\0" * 6 + features),
             "bundle": of(4, b"ONF\0\0\0\x08\xfd\0\0\0\1\0\0\0\3" + of(14, flow_mod)), "bundle14": of(34, b"\0\0\0\1\0\0\0\3" + fill(of(14, flow_mod)) + b"\xff\xff\0\x08xxxx", 5),
             "queues": of(23, b"\0" * 8 + b"\0" * 8 + b"\0\x20" + b"\0" * 6 + b"\0\1\0\x10" + b"\0" * 12), "async14": of(28, b"\0\0\0\x08\0\0\0\1", 5),
             "port14": of(12, b"\0" * 8 + b"\0\0\0\1\0\x48\0\0" + b"\0" * 32 + b"\0\0\0\x20" + b"\0" * 28, 5)}.items():
    put("openflow", n, m)
for t in range(14):
    put("openflow", "request-%d" % t, of(18, struct.pack(">HHI", t, 0, 0) + (b"\0" * 32 + match if t in (1, 2) else b"\0" * 8 if t in (4, 5, 6, 9, 10) else b"")))
    put("openflow", "reply-%d" % t, of(19, struct.pack(">HHI", t, 0, 0) + (fill(struct.pack(">H", 48 + len(flow_mod) - 40) + b"\0" * 46 + flow_mod[40:]) if t == 1 else b"\0" * 40)))
lines = ["tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=80,actions=output:2", "table=3,cookie=5,dl_vlan=5,dl_vlan_pcp=3,actions=pop_vlan,NORMAL", "ipv6,ipv6_src=fe80::/10,actions=controller(max_len=9)",
         "vlan_tci=0x1000/0x1000,actions=meter:1,mod_vlan_vid:7,write_actions(group:1,2),write_metadata:1/3,goto_table:2", "delete cookie=1/-1,out_port=2,icmp6,icmp_type=135,nd_target=::1",
         "group add group_id=1,type=select,bucket=weight:2,actions=output:1,bucket=watch_port:2,actions=set_field:1.2.3.4->ip_src,2", "meter add meter=1,kbps,burst,bands=type=dscp_remark,rate=5,prec_level=1",
         "in_port=1,packet=00112233445566778899aabb0800,actions=output:1"]
for i, line in enumerate(lines):
    put("of_text", "line%d" % i, b"\0" + line.encode())
put("of_text", "hello", bytes.fromhex("0400001000000001000100080000001000"[:32]))
# A stream of two connections: who they are, then pieces (what happens beside it, length, bytes), among them hellos that agree and do not.
piece = lambda what, b: bytes([what, len(b)]) + b
hello, hello1, both = of(0, b"\0\1\0\x08\0\0\0\x10"), of(0, b"", 1), of(0, b"\0\1\0\x08\0\0\0\x30", 5)
role = lambda r, g: of(24, struct.pack(">I4xQ", r, g))
streams = {"hellos": piece(12, hello) + piece(13, hello1), "roles": piece(4, hello) + piece(5, hello) + piece(4, role(2, 5)) + piece(5, role(2, 6)) + piece(12, role(0, 0) + of(14, b"\0" * 48)),
           "barrier": piece(4, hello + of(14, b"\0" * 48) + of(20, b"")) + piece(4, of(2, b"x") + of(20, b"")) + piece(14, of(3, b"")),
           "async": piece(4, hello + of(26, b"") + of(28, b"\0" * 24)) + piece(12, of(9, b"\0\0\0\x80")), "probe": piece(0xf4, hello) + piece(0xf4, b"") + piece(0xf4, b"") + piece(0xfc, of(3, b"")),
           "pieces": piece(0, hello[:3]) + piece(0, hello[3:9]) + piece(0, hello[9:] + b"\4") + piece(12, of(2, b"12345")[1:]), "stats": piece(4, hello + of(18, b"\0" * 8) * 8) * 2}
for i, (n, s) in enumerate(streams.items()):
    put("of_stream", n, bytes([i * 32 & 32]) + s)
put("of_stream", "14", b"\x18" + piece(4, both + of(24, struct.pack(">I4xQ", 2, 1), 5) + of(26, b"", 5) + of(28, b"\0\0\0\x08\0\0\0\1", 5)) + piece(13, both + of(24, struct.pack(">I4xQ", 2, 2), 5)))
