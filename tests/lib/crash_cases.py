"""What a daemon starts with, and confirmed commits across restarts. Run by crash_daemon.py."""
import os
import shutil
import signal
import subprocess
import time

from netconf_peer import WI, IF, Server, config as nc_config

from crash_lab import Daemon, Refused, Session, config, device, eventually


def began(base, name, *ports):
    """A daemon with `up` in its file, and a commit for each port."""
    d = Daemon(base, name, config("up"))
    d.start()
    for p in ports:
        d.session.add(p)
        d.session.commit()
    return d


def restart(d, *options):
    d.kill()
    return d.start(options=options)


def refused(call, *words):
    try:
        call()
    except Refused as e:
        for w in words:
            assert w in str(e), (w, str(e))
        return
    raise AssertionError("not refused: " + " ".join(words))


def newest(d):
    return os.path.join(d.commits, max(n for n in os.listdir(d.commits) if n.endswith(".conf")))


# --- Confirmed commits


def the_session_ends(base):
    """Its commit goes at once; one with persist stays."""
    d = began(base, "session ends")
    s = Session(d.sock)
    s.add("a")
    s.commit_confirmed(600)
    assert d.is_now() == ("aup", "-"), d.is_now()
    s.close()
    took = eventually(lambda: d.is_now() == ("up", ""))
    assert took < 1, took
    s = Session(d.sock)
    s.add("a")
    s.commit_confirmed(600, persist="x")
    s.close()
    time.sleep(0.5)
    assert d.is_now() == ("aup", "x"), d.is_now()
    d.session.cancel("x")
    d.kill()


def the_tool_is_killed(base):
    """The same by a process that has no time to close anything."""
    d = began(base, "tool killed")
    tool = subprocess.Popen(["/usr/bin/python3", "-B", "-c", """
import sys, time
sys.path.insert(0, sys.argv[1])
from crash_lab import Session
s = Session(sys.argv[2])
s.line("set port a type uplink device " + sys.argv[3])
s.commit_confirmed(600)
print("made", flush=True)
time.sleep(60)
""", os.path.dirname(os.path.abspath(__file__)), d.sock, device()], stdout=subprocess.PIPE)
    assert tool.stdout.readline() == b"made\n"
    assert d.is_now() == ("aup", "-"), d.is_now()
    tool.kill()
    took = eventually(lambda: d.is_now() == ("up", ""))
    tool.wait()
    assert took < 1, took
    d.kill()


def the_ssh_client_is_killed(base):
    """The same through sshd and its subsystem."""
    d = began(base, "sshd")
    port = '<interfaces xmlns="%s" xmlns:wi="%s"><interface><name>a</name><type>wi:uplink</type><port xmlns="%s"><device>%s</device></port></interface></interfaces>'
    raw = Server(os.environ["NC_PORT"], os.environ["NC_KEY"]).ssh()
    raw.hello("1.1")
    assert "<ok/>" in raw.call("<edit-config><target><candidate/></target>%s</edit-config>" % nc_config(port % (IF, WI, WI, device())))
    assert "<ok/>" in raw.call("<commit><confirmed/></commit>")
    assert d.is_now() == ("aup", "-"), d.is_now()
    raw.drop()
    took = eventually(lambda: d.is_now() == ("up", ""))
    assert took < 2, took
    d.kill()


def the_deadline_outlives_the_daemon(base):
    d = began(base, "deadline")
    d.session.add("a")
    end = time.monotonic() + 5  # a start is slow where much else runs
    d.session.commit_confirmed(5, persist="x")
    restart(d)
    assert d.is_now() == ("aup", "x"), d.is_now()
    eventually(lambda: d.is_now() == ("up", ""))
    late = time.monotonic() - end
    assert -0.1 < late < 1, "rolled back %.2f s after its deadline" % late
    assert d.history()[0]["comment"] == "a confirmed commit was not confirmed in time"
    d.clean()
    d.kill()


def an_orderly_end(base):
    """SIGTERM ends sessions, and with them what was bound to one; what has a persist-id waits for the next start."""
    d = began(base, "end")
    d.session.add("a")
    d.session.commit_confirmed(600)
    s = d.session
    d.end(keep=True)
    s.close()
    d.start()
    assert d.is_now() == ("up", ""), d.is_now()
    assert d.history()[0]["comment"] == "the session of a confirmed commit ended"
    d.session.add("a")
    d.session.commit_confirmed(600, persist="x")
    d.end()
    d.start()
    assert d.is_now() == ("aup", "x"), d.is_now()
    d.session.cancel("x")
    d.clean()
    d.end()


def a_start_after_the_deadline(base):
    d = began(base, "late start")
    d.session.add("a")
    d.session.commit_confirmed(1, persist="x")
    d.kill()
    time.sleep(1.2)
    d.start()
    assert d.is_now() == ("up", ""), d.is_now()
    assert "port a: add" not in d.said()
    assert d.history()[0]["comment"] == "a confirmed commit was not confirmed before the restart"
    d.kill()


def nobody_can_confirm_what_had_no_persist(base):
    d = began(base, "no persist")
    d.session.add("a")
    d.session.commit_confirmed(600)
    d.process.kill()  # before its session
    d.process.wait()
    restart(d)
    assert d.is_now() == ("up", ""), d.is_now()
    assert "port a: add" not in d.said()
    d.kill()


def confirmed_after_a_restart(base):
    d = began(base, "confirm late")
    d.session.add("a")
    d.session.commit_confirmed(5, persist="x")
    end = time.monotonic() + 5.6
    restart(d)
    refused(lambda: d.session.commit(**{"persist-id": "y"}), "persist-id")
    refused(d.session.commit, "persist-id")
    d.session.commit(**{"persist-id": "x"})
    assert d.is_now() == ("aup", ""), d.is_now()
    time.sleep(end - time.monotonic())
    assert d.is_now() == ("aup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("aup", ""), d.is_now()
    d.clean()
    d.kill()


# --- Bad files


def flip(path):
    with open(path, "r+b") as f:
        f.seek(-20, os.SEEK_END)
        byte = f.read(1)[0]
        f.seek(-20, os.SEEK_END)
        f.write(bytes([byte ^ 4]))


def truncate(path):
    os.truncate(path, os.path.getsize(path) - 9)


def foreign(path):
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"not": "ours"}\n')


def directory(path):
    os.remove(path)
    os.mkdir(path)


def fifo(path):
    os.remove(path)
    os.mkfifo(path)


def a_newest_commit_that_is_bad(base):
    """The one before it runs; the bad one is named, and kept aside."""
    for damage in flip, truncate, lambda path: os.truncate(path, 0), foreign, directory, fifo:
        d = began(base, "bad newest", "a", "b")
        d.kill()
        bad = newest(d)
        damage(bad)
        d.start()
        assert d.is_now() == ("aup", ""), d.is_now()
        assert bad in d.said() and ".corrupt" in d.said(), d.said()
        assert os.path.lexists(bad + ".corrupt")
        assert [int(c["id"]) for c in d.history()] == [2, 1]
        d.session.add("c")
        d.session.commit()
        assert int(d.history()[0]["id"]) == 4  # the bad one's id is not given again
        restart(d)
        assert d.is_now() == ("acup", ""), d.is_now()
        d.kill()


def all_commits_are_bad(base):
    """Then the file runs, though it is not new."""
    d = began(base, "all bad", "a", "b")
    d.kill()
    for n in os.listdir(d.commits):
        flip(os.path.join(d.commits, n))
    d.start()
    assert d.is_now() == ("up", ""), d.is_now()
    assert d.said().count("kept as") == 3, d.said()
    assert [(int(c["id"]), c["client"]) for c in d.history()] == [(4, "file")]
    d.kill()


def a_bad_record_of_what_waits(base):
    """Its commit cannot be told from a final one then: it runs, and the log says that its record was bad."""
    d = began(base, "bad pending")
    d.session.add("a")
    d.session.commit_confirmed(600, persist="x")
    d.kill()
    flip(os.path.join(d.state, "pending.conf"))
    d.start()
    assert "pending.conf" in d.said() and ".corrupt" in d.said(), d.said()
    assert d.is_now() == ("aup", ""), d.is_now()
    d.kill()


# --- The operator's file


def the_file_and_the_commits(base):
    d = began(base, "file", "a")
    restart(d)
    assert d.is_now() == ("aup", ""), "the file is not new"
    d.kill()
    os.remove(d.path)
    d.start()
    assert d.is_now() == ("aup", ""), "the file is missing"
    d.kill()
    d.write('{"ietf-interfaces:interfaces": {"interface": [{"name": "x"}]}}')
    d.start()
    assert d.is_now() == ("aup", ""), "the file is invalid"
    assert "configuration file refused, the newest commit runs" in d.said(), d.said()
    refused(lambda: d.session.call("weir-operations:reload"), "type")
    d.kill()
    os.remove(d.path)
    os.mkdir(d.path)
    d.start()
    assert d.is_now() == ("aup", ""), "the file is a directory"
    assert d.path in d.said() and "is not an ordinary file" in d.said(), d.said()
    d.kill()
    os.rmdir(d.path)
    d.write(config("up", "f"))
    d.start()
    assert d.is_now() == ("fup", ""), "the file is new"
    assert d.history()[0]["client"] == "file"
    n = len(d.history())
    restart(d)
    assert len(d.history()) == n, "a start without news makes no commit"
    d.kill()


def a_file_that_is_loaded_again(base):
    """SIGHUP and reload take what changed, and undo nothing where nothing did."""
    d = began(base, "reload", "a")

    def hup():
        n = d.said().count("port ")
        d.process.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        return d.said().count("port ") - n

    assert hup() == 0
    d.session.call("weir-operations:reload")
    assert d.is_now() == ("aup", "") and len(d.history()) == 2
    d.write(config("up", "f"))
    d.session.call("weir-operations:reload", **{"dry-run": True})
    assert d.is_now() == ("aup", ""), d.is_now()
    d.session.call("weir-operations:reload")
    assert d.is_now() == ("fup", ""), d.is_now()
    d.session.add("b")
    d.session.commit()
    assert hup() == 0
    assert d.is_now() == ("bfup", ""), d.is_now()
    os.remove(d.path)
    refused(lambda: d.session.call("weir-operations:reload"), d.path, "there is no such file")
    d.write("{")
    hup()
    assert d.is_now() == ("bfup", ""), d.is_now()
    d.session.commit_confirmed(600, persist="x")
    d.write(config("up", "g"))
    refused(lambda: d.session.call("weir-operations:reload"), "a confirmed commit waits")
    d.session.cancel("x")
    hup()
    assert d.is_now() == ("gup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("gup", ""), d.is_now()
    d.kill()


def a_check_touches_nothing(base):
    d = began(base, "check", "a")

    def seen():
        return sorted((n, os.stat(os.path.join(p, n)).st_mtime_ns) for p, _, names in os.walk(d.state) for n in names)

    before = seen()
    for file, code in (config("up", "f"), 0), ("{", 1):
        d.write(file)
        assert subprocess.run(d.argv("--check"), capture_output=True, check=False).returncode == code
        assert subprocess.run(d.argv("--check", "-d", d.dir + "/none"), capture_output=True, check=False).returncode == code
    assert seen() == before and not os.path.exists(d.dir + "/none")
    assert d.is_now() == ("aup", ""), d.is_now()
    d.kill()


# --- The directory


def a_directory_that_cannot_be_used(base):
    d = began(base, "directory")
    second = Daemon(base, "second", config("up"), state=d.state)
    second.refuses_to_start(d.state + "/lock", "another weir-switchd uses this directory")
    assert d.is_now() == ("up", ""), d.is_now()
    d.kill()
    os.chmod(d.state, 0o770)
    d.refuses_to_start(d.state, "not ours, or others may write to it")
    os.chmod(d.state, 0o700)
    os.chown(d.commits, 65534, -1)
    d.refuses_to_start(d.commits, "not ours")
    os.chown(d.commits, 0, -1)
    shutil.move(d.state, d.state + ".away")
    with open(d.state, "w", encoding="utf-8"):
        pass
    d.refuses_to_start(d.state, "Not a directory")
    os.remove(d.state)
    d.state = os.path.join(d.dir, "no", "such")
    d.refuses_to_start(d.state, "create the directory: No such file or directory")


def mounted(base, name, size):
    at = os.path.join(base, name)
    os.mkdir(at)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700,size=" + size, "weir-crash", at], check=True)
    return at


def a_full_disk(base):
    """Commits are refused and what runs stays; roll backs and starts do not need the disk."""
    at = mounted(base, "full", "64k")
    filler = os.path.join(at, "filler")
    d = Daemon(base, "full disk", config("up"), state=os.path.join(at, "state"))
    d.start()
    d.session.add("a")
    d.session.commit_confirmed(2, persist="x")
    try:
        with open(filler, "wb", buffering=0) as f:
            while True:
                f.write(b"x" * 4096)
    except OSError:
        pass
    d.session.add("b")
    refused(lambda: d.session.commit(**{"persist-id": "x"}), d.state, "No space left on device")
    assert d.is_now() == ("aup", "x"), d.is_now()
    d.session.discard()
    eventually(lambda: d.is_now() == ("up", ""), 4)
    assert "in force, but not kept as a commit (rollback)" in d.said(), d.said()
    restart(d)
    assert d.is_now() == ("up", ""), d.is_now()
    d.kill()
    d.write(config("up", "f"))
    d.start()
    assert d.is_now() == ("fup", ""), d.is_now()
    assert "in force, but not kept as a commit (file)" in d.said(), d.said()
    d.session.add("b")
    refused(d.session.commit, d.state, "No space left on device")
    os.remove(filler)
    d.session.commit()
    assert d.is_now() == ("bfup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("bfup", ""), d.is_now()
    d.clean()
    d.kill()
    subprocess.run(["umount", at], check=True)


def a_disk_that_is_read_only(base):
    at = mounted(base, "read-only", "1m")
    d = Daemon(base, "read only", config("up"), state=os.path.join(at, "state"))
    d.start()
    d.session.add("a")
    d.session.commit()

    def remount(how):
        subprocess.run(["mount", "-o", "remount," + how, at], check=True)

    remount("ro")
    d.session.add("b")
    refused(d.session.commit, d.state, "Read-only file system")
    assert d.is_now() == ("aup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("aup", ""), d.is_now()
    d.session.add("b")
    refused(d.session.commit, d.state, "Read-only file system")
    remount("rw")
    d.session.commit()
    assert d.is_now() == ("abup", ""), d.is_now()
    d.session.add("c")
    d.session.commit_confirmed(600)
    remount("ro")
    d.process.kill()
    restart(d)
    assert d.is_now() == ("abup", ""), "nobody can confirm it, read-only or not"
    restart(d)
    assert d.is_now() == ("abup", ""), d.is_now()
    remount("rw")
    d.session.add("c")
    d.session.commit()
    restart(d)
    assert d.is_now() == ("abcup", ""), d.is_now()
    d.clean()
    d.kill()
    subprocess.run(["umount", at], check=True)


# --- A way out


def a_commit_that_cannot_run_any_more(base):
    """The start names port and reason, and tells the way out; --rollback takes it, once."""
    d = began(base, "way out", "a")
    link = os.environ["CRASH_LINK"]
    subprocess.run(["ip", "link", "add", link, "type", "veth", "peer", "name", link + "p"], check=True)
    d.session.line("set port b type uplink af-packet " + link)
    d.session.commit()
    subprocess.run(["ip", "link", "del", link], check=True)
    d.kill()
    d.refuses_to_start("port b", link, "is commit 3", "weir-switchd --rollback 1")
    d.start(options=["--rollback", "1"])
    assert d.is_now() == ("aup", ""), d.is_now()
    assert [(int(c["id"]), c["client"]) for c in d.history()][0] == (4, "rollback")
    restart(d)
    assert d.is_now() == ("aup", ""), d.is_now()
    # A file that is new and cannot run: passed over, once and for all.
    d.kill()
    d.write(config("up", "f", f="net_none0"))
    d.refuses_to_start("port f", "net_none0", d.path, "weir-switchd --rollback 0")
    d.start(options=["--rollback", "0"])
    assert d.is_now() == ("aup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("aup", ""), d.is_now()
    d.kill()
    for bad, why in ("7", "5 commits are kept in"), ("x", "expected 0..50"), ("51", "expected 0..50"), ("-1", "expected 0..50"), ("", "expected"):
        d.refuses_to_start("--rollback " + bad, why, options=["--rollback", bad])
    # What waits is ended by it.
    d.start()
    d.session.add("c")
    d.session.commit_confirmed(600, persist="x")
    restart(d, "--rollback", "0")
    assert d.is_now() == ("acup", ""), d.is_now()
    restart(d)
    assert d.is_now() == ("acup", ""), d.is_now()
    d.clean()
    d.kill()


# --- Time


def packets_do_not_wait_for_the_disk(base):
    """An fsync that takes a second: the main thread waits for it, the workers do not."""
    d = Daemon(base, "slow", config("up", up="net_null0"))  # brings frames as fast as they are taken
    d.start({"CRASH_ARM": d.arm})

    def frames():
        data = d.session.call("weir-operations:get-state", part="ports")
        counters = data["ietf-interfaces:interfaces"]["interface"][0]["weir-interfaces:port-state"]["counter"]
        return sum(int(c["value"]) for c in counters if c["name"] == "rx_pkts")

    def rate(work):
        begin, n = time.monotonic(), frames()
        work()
        took = time.monotonic() - begin
        return (frames() - n) / took, took

    idle, _ = rate(lambda: time.sleep(0.5))
    d.plan(1, "slow")
    d.session.add("a")
    busy, took = rate(d.session.commit)
    assert took > 0.9, took
    assert idle > 1000 and busy > idle / 4, (idle, busy)
    d.kill()


CASES = [the_session_ends, the_tool_is_killed, the_ssh_client_is_killed, the_deadline_outlives_the_daemon, an_orderly_end, a_start_after_the_deadline,
         nobody_can_confirm_what_had_no_persist, confirmed_after_a_restart, a_newest_commit_that_is_bad, all_commits_are_bad,
         a_bad_record_of_what_waits, the_file_and_the_commits, a_file_that_is_loaded_again, a_check_touches_nothing,
         a_directory_that_cannot_be_used, a_full_disk, a_disk_that_is_read_only, a_commit_that_cannot_run_any_more,
         packets_do_not_wait_for_the_disk]
