#!/usr/bin/python3
"""Hostile and honest clients of the management sockets: hostile_client.py NETCONF-SOCKET TOOL-SOCKET DAEMON-PID [SECONDS].

Each attack runs while an honest client, newly connected each time, asks; what that took is printed. Exit code 1 when a limit does not hold."""
import json, os, socket, sys, threading, time

NC = 'xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"'
HELLO = '<hello %s><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>' % NC
GET = '<get/>'
GET_CONFIG = '<get-config><source><running/></source></get-config>'
INTERFACES = '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces">%s</interfaces>'
VLANS = '<vlans xmlns="urn:weir:params:xml:ns:yang:weir-vlans">%s</vlans>'
EDIT = '<edit-config><target><candidate/></target><config>%s</config></edit-config>'
END = b']]>]]>'
LIMIT_S = 1.0  # of an honest request, on a machine that does other work too; 0.1 is what is promised on a quiet one

netconf_path, tool_path, pid = sys.argv[1], sys.argv[2], int(sys.argv[3])
failures = []


def check(what, ok, detail=""):
    if not ok:
        if what in failures:
            return
        failures.append(what)
        print("  FAILED: %s %s" % (what, detail))


def dial(path, timeout=10):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)  # waits while the queue is full; with a time-out Python would not
    s.settimeout(timeout)
    return s


def rpc(body, n=1):
    return '<rpc %s message-id="%d">%s</rpc>]]>]]>' % (NC, n, body)


class Session:
    def __init__(self, timeout=10):
        self.s, self.rest = dial(netconf_path, timeout), b""
        self.s.sendall(HELLO.encode())  # as clients do, without waiting for the other hello
        self.message()

    def message(self):
        while END not in self.rest:
            more = self.s.recv(1 << 20)
            if not more:
                raise EOFError("session was ended")
            self.rest += more
        m, self.rest = self.rest.split(END, 1)
        return m.decode()

    def ask(self, body):
        self.s.sendall(rpc(body).encode())
        return self.message()

    def close(self):
        self.s.close()


def ask_netconf():
    s = Session()
    m = s.ask(GET_CONFIG)
    s.close()
    assert "<data" in m, m[:300]


def ask_tool():
    """Who has connected and not asked gives way when all places are taken: in a flood it may have to come again, within the same second."""
    for _ in range(5):
        try:
            return ask_tool_once()
        except (OSError, EOFError):
            pass
    return ask_tool_once()


def ask_tool_once():
    s = dial(tool_path)
    s.sendall(b'{"weir-configuration:status":{}}\n')
    m = s.makefile().readline()
    s.close()
    if not m:
        raise EOFError("closed before the answer")
    assert json.loads(m)["ok"], m


def memory_kib():
    return int([l for l in open("/proc/%d/status" % pid) if l.startswith("VmRSS")][0].split()[1])


def descriptors():
    return len(os.listdir("/proc/%d/fd" % pid))


class Attack(threading.Thread):
    """Calls step(self) again and again until it returns True or is stopped."""

    def __init__(self, step):
        super().__init__(daemon=True)
        self.step, self.stopped, self.held, self.n, self.error, self.done = step, False, [], 0, None, False

    def run(self):
        try:
            while not self.stopped and not self.step(self):
                self.n += 1
            self.done = not self.stopped
        except (OSError, EOFError) as e:
            self.error = e

    def stop(self):
        self.stopped = True
        for s in self.held:
            s.close()
        self.join(15)


def measure(name, step=None, seconds=2.0, ask=(ask_netconf, ask_tool)):
    a = Attack(step) if step else None
    if a:
        a.start()
        time.sleep(0.3)
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end or (len(times) < 10 and time.monotonic() < end + 20):
        for f in ask:
            t = time.monotonic()
            try:
                f()
            except (OSError, EOFError, AssertionError) as e:
                check(name + ": an honest client is served", False, repr(e))
                break
            times.append(time.monotonic() - t)
    times.sort()
    if times:
        print("  %-46s %4d requests  p50 %6.1f ms  max %6.1f ms" % (name, len(times), times[len(times) // 2] * 1e3, times[-1] * 1e3), flush=True)
        limit = 5 * LIMIT_S if step is labour else LIMIT_S  # one such message is not interrupted
        check(name + ": an honest request within %.1f s" % limit, times[-1] < limit, "%.3f s" % times[-1])
    return a


def half_open(path, most):
    def step(a):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(2)
        try:
            s.connect(path)
        except OSError:
            s.close()
            time.sleep(0.001)
            return False
        a.held.append(s)
        if len(a.held) > most:
            a.held.pop(0).close()
        return False
    return step


def large_message(a):
    s = Session()
    a.held.append(s.s)
    s.s.sendall(('<rpc %s message-id="1"><!--' % NC).encode())
    for _ in range(64):
        s.s.sendall(b"x" * (1 << 20))
    return True


def deep_message(a):
    s = Session()
    a.held.append(s.s)
    for x in ("<a>", "<a b='/>'>", "<a><!--</a>-->"):
        m = s.ask(EDIT % (x * 10000 + "</a>" * 10000))
        check("depth 10,000 is refused", "too-big" in m, m[:300])
    s.close()
    return False


def never_reads(a):
    if not a.held:
        a.held.append(Session(30).s)
    s = a.held[0]
    s.sendall((rpc(GET) * 1000).encode())  # until the switch takes no more, and cuts
    return False


def slow_loris(a):
    if not a.held:
        a.sessions = [Session() for _ in range(10)] + [None] * 10
        a.held = [x.s if x else dial(netconf_path) for x in a.sessions]
    for s in a.held:
        s.send(b"<")
    time.sleep(0.1)
    return False


def pipelined(a):
    s = Session(60)
    a.held.append(s.s)
    s.s.sendall((rpc(GET_CONFIG) * 1000).encode())
    for _ in range(1000):
        check("pipelined: answered", "<data" in s.message())
    return True


def pipelined_tool(a):
    s = dial(tool_path, 60)
    a.held.append(s)
    s.sendall(b'{"weir-operations:get-state":{"part":"system"}}\n' * 1000)
    f = s.makefile()
    for _ in range(1000):
        check("pipelined: answered", json.loads(f.readline())["ok"])
    return True


def interface(i):
    return ('<interface><name>p%d</name><type xmlns:w="urn:weir:params:xml:ns:yang:weir-interfaces">w:guest</type><port xmlns="urn:weir:params:xml:ns:yang:weir-interfaces">'
            '<socket>/run/no-such/p%d.sock</socket><vlan>%d</vlan></port></interface>' % (i, i, 1 + i % 4000))


MANY_VLANS = EDIT % (VLANS % "".join("<vlan><id>%d</id><name>v%d</name><description>%s</description></vlan>" % (i + 1, i, "d" * 200) for i in range(4094)))
MANY_PORTS = EDIT % (INTERFACES % "".join(map(interface, range(4096))))
VALIDATE = "<validate><source><candidate/></source></validate>"
# Legal, or nearly so, and as much work as fits.
LABOUR = {
    "a filter of 6,000 elements": '<get-config><source><candidate/></source><filter>%s</filter></get-config>' % (INTERFACES % ("<interface><name>p1</name></interface>" * 6000)),
    "a filter of 990 elements": '<get-config><source><candidate/></source><filter>%s</filter></get-config>' % (INTERFACES % ("<interface><name>p1</name></interface>" * 490)),
    "a filter of 990 unknown elements": "<get><filter>%s</filter></get>" % ("<a xmlns='urn:a'/>" * 990),
    "6 MiB of comment": "<get-config><source><running/></source><!--%s--></get-config>" % ("x" * (6 << 20)),
    "200,000 elements, 100 deep": "<get><filter>%s</filter></get>" % (("<a>" * 100 + "</a>" * 100) * 2000),
    "an XPath over everything": '<get-config><source><candidate/></source><filter type="xpath" select="//*[contains(.,\'zz\')]"/></get-config>',
    "6,000 edits of one port": EDIT % (INTERFACES % ("<interface><name>p1</name></interface>" * 6000)),
    "4,096 ports with a text": EDIT % (INTERFACES % "".join("<interface><name>p%d</name><description>%s</description></interface>" % (i, "&lt;" * 200) for i in range(4096))),
}


def timed(session, name, body, times, good=True):
    t = time.monotonic()
    m = session.ask(body)
    times.setdefault(name, []).append(time.monotonic() - t)
    check(name + " is taken", "<rpc-error>" not in m or not good, m[:300])


def labour(a):
    if not a.held:
        a.session, a.times = Session(60), {}
        a.held.append(a.session.s)
    timed(a.session, "an edit of 4,094 VLANs", MANY_VLANS, a.times)
    timed(a.session, "an edit of 4,096 ports", MANY_PORTS, a.times)
    timed(a.session, "their validation", VALIDATE, a.times)
    timed(a.session, "their reading", GET_CONFIG.replace("running", "candidate"), a.times)
    for name, body in LABOUR.items():
        timed(a.session, name, body, a.times, False)
    timed(a.session, "discard-changes", "<discard-changes/>", a.times)
    return False


def nothing_is_changed():
    """The labourer may have been stopped between an edit and its discard; a candidate with changes cannot be locked."""
    s = Session()
    check("changes of a session that ended can be discarded", "<ok/>" in s.ask("<discard-changes/>"))
    s.close()


def lock_holder_dies():
    Session().ask("<discard-changes/>")  # work that was cut off leaves some, and a changed candidate cannot be locked
    for how in ("closes", "is killed in a message"):
        holder, other = Session(), Session()
        lock = "<lock><target><candidate/></target></lock>"
        check("the lock is taken", "<ok/>" in holder.ask(lock))
        check("the lock is denied", "lock-denied" in other.ask(lock))
        if how != "closes":
            holder.s.sendall(b"<rpc")
        holder.close()
        t = time.monotonic()
        while "<ok/>" not in other.ask(lock):
            if time.monotonic() - t > 2:
                check("a lock goes with its holder", False, how)
                break
            time.sleep(0.01)
        print("  a lock holder %-32s free after %.1f ms" % (how, (time.monotonic() - t) * 1e3))
        other.close()


def killed_tool_lets_go():
    tool, s = dial(tool_path), Session()
    f = tool.makefile()
    tool.sendall(b'{"ietf-netconf:lock":{"target":{"candidate":[null]}}}\n')
    check("a tool takes the lock", json.loads(f.readline())["ok"])
    tool.sendall(b'{"weir-configuration:status":{}}\n')
    number = json.loads(f.readline())["data"]["weir-configuration:session-id"]
    check("the tool is killed", "<ok/>" in s.ask("<kill-session><session-id>%d</session-id></kill-session>" % number))
    check("its lock is free", "<ok/>" in s.ask("<lock><target><candidate/></target></lock>"))
    tool.settimeout(2)
    check("its connection is closed", f.readline() == "")
    tool.close()
    s.close()


def ends_within(s, least, most):
    """How long until the other side ends: it must be in between."""
    t = time.monotonic()
    s.settimeout(most + 5)
    try:
        while s.recv(1 << 16):
            pass
    except OSError:
        pass
    t = time.monotonic() - t
    check("an end after %.1f to %.1f s" % (least, most), least <= t <= most, "%.2f s" % t)
    return t


def limits():
    """With max-sessions 3, hello-timeout 1, idle-timeout 3."""
    silent, trickle = dial(netconf_path), dial(netconf_path)
    t = ends_within(silent, 0.5, 2.5)
    print("  no hello: ended after %.2f s" % t)
    trickle.close()
    trickle = Attack(lambda a: (time.sleep(0.05), a.held[0].send(b"<"))[1] == 0)  # until it is refused
    trickle.held.append(dial(netconf_path))
    t = time.monotonic()
    trickle.start()
    trickle.join(10)
    check("a hello byte by byte is no hello", trickle.error is not None and time.monotonic() - t < 4)
    trickle.stop()
    held = [Session() for _ in range(3)]
    try:
        Session().ask(GET_CONFIG)
        check("a fourth session is turned away", False)
    except (OSError, EOFError):
        pass
    check("those that are open work", "<data" in held[0].ask(GET_CONFIG))
    held.pop().close()
    time.sleep(0.1)
    held.append(Session())
    check("a place that is free again is given", "<data" in held[-1].ask(GET_CONFIG))
    subscriber = held[0]
    check("subscribed", "<ok/>" in subscriber.ask('<create-subscription xmlns="urn:ietf:params:xml:ns:netconf:notification:1.0"/>'))
    check("busy", "<ok/>" in held[1].ask("<lock><target><candidate/></target></lock>"))
    for _ in range(8):  # longer than idle-timeout, but not idle
        time.sleep(0.5)
        check("busy", "<data" in held[1].ask(GET_CONFIG))
    t = ends_within(held[1].s, 2, 5)
    print("  idle: ended after %.2f s" % t)
    other = Session()
    check("the lock of who was idle is free", "<ok/>" in other.ask("<lock><target><candidate/></target></lock>"))
    subscriber.s.settimeout(0.2)
    told = b""
    try:
        while True:
            more = subscriber.s.recv(1 << 16)
            check("a subscriber is not idle", more != b"")
            told += more
            if not more:
                break
    except OSError:
        pass
    check("subscribers hear why", b"<termination-reason>timeout" in told, told[-500:])


def main():
    if sys.argv[4:] == ["limits"]:
        limits()
        return 1 if failures else 0
    measure("nothing else")
    seconds = float(sys.argv[4]) if len(sys.argv) > 4 else 1.5
    memory, fds = memory_kib(), descriptors()
    for name, step in (("1,000 who connect to netconf.sock", half_open(netconf_path, 1000)), ("1,000 who connect to weir.sock", half_open(tool_path, 1000)),
                       ("a message of 64 MiB", large_message), ("depth 10,000", deep_message), ("a reader that never reads", never_reads),
                       ("20 who send a byte per 100 ms", slow_loris), ("1,000 pipelined get-config", pipelined), ("1,000 pipelined get-state of a tool", pipelined_tool),
                       ("as much work as fits a message", labour)):
        a = measure(name, step, seconds)
        if step is large_message:
            a.join(20)
            check("a message of 64 MiB ends the session", a.error is not None)
        if step is never_reads:
            a.join(20)
            check("who never reads is cut", a.error is not None and not isinstance(a.error, TimeoutError), repr(a.error))
            print("  %46s memory of the daemon meanwhile: %+d KiB" % ("", memory_kib() - memory))
        if step in (pipelined, pipelined_tool):
            a.join(60)
            check("all 1,000 are answered", a.done, repr(a.error))
        a.stop()
        if step is labour:
            s = Session(60)
            s.ask("<discard-changes/>")
            s.close()
        for what, times in sorted(getattr(a, "times", {}).items()):
            print("    %-44s %4d times     longest %6.1f ms" % (what, len(times), max(times) * 1e3))
    nothing_is_changed()
    lock_holder_dies()
    killed_tool_lets_go()
    for _ in range(50):
        if descriptors() <= fds:
            break
        time.sleep(0.1)
    check("no descriptor is left", descriptors() <= fds, "%d, before %d" % (descriptors(), fds))
    print("  memory of the daemon: %d KiB before, %d KiB after; descriptors: %d, %d" % (memory, memory_kib(), fds, descriptors()))
    check("memory comes back", memory_kib() - memory < 64 << 10)
    measure("afterwards", None, 0.5)
    for f in failures:
        print("FAILED: " + f, file=sys.stderr)
    return 1 if failures else 0


sys.exit(main())
