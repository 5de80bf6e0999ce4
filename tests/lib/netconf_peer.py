"""NETCONF clients for tests: ncclient, and bytes over a pipe or a socket where a client's own correctness would be in the way."""
import re
import subprocess
import sys
import time
import traceback

from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError
from ncclient.transport import ssh as ncclient_ssh

ncclient_ssh.TICK = 0.01  # stock: it looks for requests to send ten times a second

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
IF = "urn:ietf:params:xml:ns:yang:ietf-interfaces"
WI = "urn:weir:params:xml:ns:yang:weir-interfaces"
VM = "urn:weir:params:xml:ns:yang:weir-vm"
QOS = "urn:weir:params:xml:ns:yang:weir-qos"
VLAN = "urn:weir:params:xml:ns:yang:weir-vlans"
NACM = "urn:ietf:params:xml:ns:yang:ietf-netconf-acm"
MON = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
NMDA = "urn:ietf:params:xml:ns:yang:ietf-netconf-nmda"
WD = "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults"
PREFIXES = {"nc": NC, "if": IF, "wi": WI, "vm": VM, "qos": QOS, "vlan": VLAN, "nacm": NACM, "mon": MON, "nmda": NMDA,
            "ncn": "urn:ietf:params:xml:ns:yang:ietf-netconf-notifications", "note": "urn:ietf:params:xml:ns:netconf:notification:1.0"}


class Server:
    """Where sshd listens, and the key that it takes."""

    def __init__(self, port, key):
        self.port, self.key = int(port), key

    def session(self, user="root"):
        return manager.connect(host="127.0.0.1", port=self.port, username=user, key_filename=self.key, hostkey_verify=False,
                               look_for_keys=False, allow_agent=False, timeout=20)

    def ssh(self, user="root"):
        """The subsystem on a pipe, by OpenSSH's own client."""
        return Raw(subprocess.Popen(
            ["ssh", "-q", "-F", "/dev/null", "-p", str(self.port), "-i", self.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", user + "@127.0.0.1", "-s", "netconf"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0))


class Raw:
    """A session as bytes. recv() takes one whole message, with the chunks that it came in left in self.chunks."""

    def __init__(self, process):
        self.process, self.buf, self.chunked, self.chunks = process, b"", False, []

    def write(self, data):
        view = memoryview(data)
        while view:
            view = view[self.process.stdin.write(view):]

    def more(self):
        got = self.process.stdout.read(65536)
        if not got:
            raise EOFError("the session ended")
        self.buf += got

    def until(self, mark):
        while mark not in self.buf:
            self.more()
        at = self.buf.index(mark)
        got, self.buf = self.buf[:at], self.buf[at + len(mark):]
        return got

    def take(self, n):
        while len(self.buf) < n:
            self.more()
        got, self.buf = self.buf[:n], self.buf[n:]
        return got

    def recv(self):
        if not self.chunked:
            return self.until(b"]]>]]>")
        self.chunks = []
        while True:
            assert self.take(2) == b"\n#", "no start of a chunk"
            size = self.until(b"\n")
            if size == b"#":
                return b"".join(self.chunks)
            assert re.fullmatch(rb"[1-9][0-9]{0,9}", size), size
            self.chunks.append(self.take(int(size)))

    def frame(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        return b"\n#%d\n%s\n##\n" % (len(data), data) if self.chunked else data + b"]]>]]>"

    def send(self, text):
        self.write(self.frame(text))

    def hello(self, *versions):
        """Say hello with these versions of base; returns the server's."""
        self.send('<hello xmlns="%s"><capabilities>%s</capabilities></hello>' %
                  (NC, "".join("<capability>urn:ietf:params:netconf:base:%s</capability>" % v for v in versions)))
        said = self.recv().decode()
        self.chunked = "1.1" in versions
        return said

    def call(self, body, message_id="1"):
        self.send(rpc(body, message_id))
        return self.recv().decode()

    def gone(self, seconds=10):
        """Nothing more comes, and the other side has ended."""
        self.process.stdin.close()
        assert self.process.stdout.read() == b""
        self.process.wait(seconds)

    def drop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def rpc(body, message_id="1"):
    return '<rpc xmlns="%s" message-id="%s">%s</rpc>' % (NC, message_id, body)


def config(body):
    return '<config xmlns="%s">%s</config>' % (NC, body)


def vms(body):
    return config('<vms xmlns="%s">%s</vms>' % (VM, body))


def vm(name, body="", operation=None):
    op = ' xmlns:nc="%s" nc:operation="%s"' % (NC, operation) if operation else ""
    return "<vm%s><name>%s</name>%s</vm>" % (op, name, body)


def find(xml, path):
    """Nodes, or texts, of a path with the prefixes above."""
    tree = etree.fromstring(xml.encode()) if isinstance(xml, str) else xml
    return tree.xpath(path, namespaces=PREFIXES)


def texts(xml, path):
    return [n if isinstance(n, str) else n.text or "" for n in find(xml, path)]


def refused(call, tag, **also):
    """It must be refused with this tag; also: attributes of the error that contain a text."""
    try:
        call()
    except RPCError as e:
        assert e.tag == tag, "%s, not %s: %s" % (e.tag, tag, e.message)
        for name, text in also.items():
            assert text in (getattr(e, name) or ""), (name, text, getattr(e, name))
        return e
    raise AssertionError("not refused: " + tag)


def eventually(what, seconds=10):
    """Ask until it is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("did not come true in %d s" % seconds)


def run(cases, *args):
    """Each of them, by name; the first line of a failure names it. returns the exit code"""
    failed = 0
    for case in cases:
        start = time.monotonic()
        try:
            case(*args)
            print("  ok      %s (%.1f s)" % (case.__name__, time.monotonic() - start), flush=True)
        except Exception:  # all of them are wanted, not only the first
            failed += 1
            print("  FAILED  %s\n%s" % (case.__name__, traceback.format_exc()), flush=True)
    print("%d passed, %d failed" % (len(cases) - failed, failed))
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit("a library")
