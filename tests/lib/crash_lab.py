"""A weir-switchd that is killed, or whose disk fails: started, asked in JSON, looked at. For crash_daemon.py."""
import itertools
import json
import os
import shutil
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("WEIR_BUILD", os.path.join(TOP, "build"))
SHIM = os.path.join(BUILD, "tests/libcrash-shim.so")

# Small tables: a start takes 0.2 s.
SMALL = {"packet-buffers": 2048, "mac-table-size": 64, "queue-length": 64}


devices_made = itertools.count()


def device():
    """A link that takes all and brings nothing. Never the same: one that was removed stays in use until the workers have forgotten it."""
    return "net_null%d,no-rx=1" % next(devices_made)


def config(*ports, **devices):
    """A file with these uplinks, each on a link of its own, or on the device that is given."""
    return {"weir-system:system": SMALL, "ietf-interfaces:interfaces": {"interface": [
        {"name": p, "type": "weir-interfaces:uplink", "weir-interfaces:port": {"device": devices.get(p) or device()}} for p in ports]}}


class Gone(Exception):
    """The daemon ended instead of answering."""


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, error):
        super().__init__("%s %s: %s" % (error["path"], error["value"], error["reason"]))
        self.value, self.reason = error["value"], error["reason"]


class Session:
    """One connection of a local tool."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw", encoding="utf-8")

    def call(self, name, **args):
        try:
            self.file.write(json.dumps({name: args}) + "\n")
            self.file.flush()
            line = self.file.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = ""
        if not line:
            raise Gone(name)
        answer = json.loads(line)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer.get("data", {})

    def line(self, text):
        self.call("weir-configuration:edit-line", line=text)

    def add(self, port):
        self.line("set port %s type uplink device %s" % (port, device()))

    def commit(self, **args):
        self.call("ietf-netconf:commit", **args)

    def commit_confirmed(self, seconds, **args):
        self.commit(confirmed=[None], **{"confirm-timeout": seconds}, **args)

    def cancel(self, persist):
        self.call("ietf-netconf:cancel-commit", **{"persist-id": persist})

    def discard(self):
        self.call("ietf-netconf:discard-changes")

    def close(self):
        self.file.close()
        self.socket.close()


class Daemon:
    """A switch with its own directory: weir.json, its state in `state`."""

    def __init__(self, base, name, file=None, state=None):
        self.dir = os.path.join(base, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.mkdir(self.dir)
        self.path, self.sock, self.log = (os.path.join(self.dir, n) for n in ("weir.json", "weir.sock", "log"))
        self.state = state or os.path.join(self.dir, "state")
        self.commits = os.path.join(self.state, "commits")
        self.arm, self.calls_log = os.path.join(self.dir, "arm"), os.path.join(self.dir, "calls")
        self.process = self.session = None
        if file is not None:
            self.write(file)

    def write(self, file):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(file if isinstance(file, str) else json.dumps(file))

    def argv(self, *options):
        return [os.path.join(BUILD, "control/weir-switchd"), "-y", os.path.join(TOP, "config/yang"), "-c", self.path, "-d", self.state,
                "-s", self.sock, "--no-huge", *options]

    def spawn(self, shim=None, options=()):
        """shim: None = without it; a dict of its variables"""
        env = dict(os.environ)
        if shim is not None:
            env.update(shim, LD_PRELOAD=SHIM, CRASH_DIR=self.state, CRASH_LOG=self.calls_log)
        with open(self.log, "w", encoding="utf-8") as log:
            # A test that is interrupted leaves none behind.
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *self.argv(*options)], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)

    def start(self, shim=None, options=()):
        """Until it answers. Raises Gone if it ends before."""
        self.spawn(shim, options)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                self.session = Session(self.sock)
                self.session.call("weir-configuration:status")
                return self.session
            except (ConnectionRefusedError, FileNotFoundError, Gone):
                if self.process.poll() is not None:
                    self.process = self.session = None
                    raise Gone(self.said()) from None
                time.sleep(0.005)
        raise AssertionError("did not start: " + self.said())

    def reconnect(self):
        """A session that was closed is replaced."""
        if self.session.file.closed:
            self.session = Session(self.sock)

    def refuses_to_start(self, *words, options=()):
        """It ends with one clear line."""
        try:
            self.start(options=options)
        except Gone:
            said = self.said()
            for w in words:
                assert w in said, (w, said)
            return said
        raise AssertionError("has started")

    def kill(self):
        """As a crash does. Also what is left of one that was killed already."""
        if self.session is not None:
            self.session.close()
            self.session = None
        if self.process is not None:
            self.process.kill()
            code = self.process.wait()
            self.process = None
            return code
        return None

    def killed_by_shim(self):
        assert self.process.wait(20) == -9, "ended with %d: %s" % (self.process.returncode, self.said())
        self.kill()

    def end(self, keep=False):
        """As systemd does. keep: our session is the daemon's to close"""
        if not keep:
            self.session.close()
        self.session = None
        self.process.terminate()
        code = self.process.wait(20)
        self.process = None
        assert code == 0, (code, self.said())

    def said(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    # --- Faults

    def plan(self, at=0, do="before", drop="none"):
        """From now on calls count; the at-th of them meets its fate."""
        if os.path.exists(self.calls_log):
            os.remove(self.calls_log)
        with open(self.arm + ".new", "w", encoding="utf-8") as f:
            f.write("%d %s %s" % (at, do, drop))
        os.rename(self.arm + ".new", self.arm)

    def disarm(self):
        os.remove(self.arm)

    def calls(self):
        """What was counted: a list of "open FILE", ..."""
        if not os.path.exists(self.calls_log):
            return []
        with open(self.calls_log, encoding="utf-8") as f:
            return [c.split(" ", 1)[1].strip() for c in f]

    # --- What it is

    def ports_of(self, source):
        data = self.session.call("ietf-netconf:get-config", source={source: [None]})["ietf-netconf:data"]
        return "".join(sorted(i["name"] for i in data.get("ietf-interfaces:interfaces", {}).get("interface", [])))

    def ports(self):
        """Names by the switch and by get-config: they must be the same."""
        data = self.session.call("weir-operations:get-state", part="ports")
        seen = "".join(sorted(i["name"] for i in data.get("ietf-interfaces:interfaces", {}).get("interface", [])))
        kept = self.ports_of("running")
        assert seen == kept, (seen, kept)
        return kept

    def waits(self):
        """The persist-id of the commit that waits; empty = none does; a dash = it has none"""
        status = self.session.call("weir-configuration:status")
        if "weir-configuration:confirm-seconds" not in status:
            return ""
        return status.get("weir-configuration:confirm-persist-id", "-")

    def is_now(self):
        return self.ports(), self.waits()

    def history(self):
        got = self.session.call("weir-configuration:history").get("weir-configuration:commit", [])
        ids = [int(c["id"]) for c in got]
        assert ids == sorted(set(ids), reverse=True), ids
        assert len(ids) <= 51, len(ids)
        for c in got[:3]:
            self.session.call("weir-configuration:history", number=c["number"])
        return got

    def clean(self):
        """No temporary, nothing put aside, no commit that the history does not know."""
        bad = [n for d in (self.state, self.commits) for n in os.listdir(d) if n not in ("lock", "commits", "pending.conf") and not n.endswith(".conf")]
        assert not bad, bad
        files = sorted((int(n[:10]) for n in os.listdir(self.commits)), reverse=True)
        assert files == [int(c["id"]) for c in self.history()], files
        assert os.path.exists(os.path.join(self.state, "pending.conf")) == bool(self.waits())


def eventually(what, seconds=10):
    """Ask until it is true; two answers that do not fit together were asked while it became so. returns how long it took"""
    begin = time.monotonic()
    while time.monotonic() < begin + seconds:
        try:
            if what():
                return time.monotonic() - begin
        except AssertionError:
            pass
        time.sleep(0.02)
    raise AssertionError("did not come true in %d s" % seconds)
