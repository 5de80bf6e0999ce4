"""What the daemon keeps survives kill -9, hosts that lose power, and disks that fail. usage: crash_daemon.py DIR [CASE...]

DIR is where the daemons live: best a tmpfs, as what is not synced is lost by the shim (crash_shim.c), not by a disk. LONG=1: every point
of every kind."""
import concurrent.futures
import os
import shutil
import sys
import time
import traceback

from crash_cases import CASES, restart
from crash_lab import Daemon, Gone, Refused, config, eventually

BASE = sys.argv[1]
LONG = os.environ.get("LONG") == "1"
EVERY_LOSS = ["none", "data", "zeros", "half", "names", "names,data"]

# --- Steps: what is interrupted. Each has what comes before it, the step itself, and (ports, persist-id of what waits) before and after it.
# `up` is in the file.


def nothing(s):
    del s


def waiting(s):
    s.add("a")
    s.commit_confirmed(600, persist="x")


def waiting_shortly(s):
    s.add("a")
    s.commit_confirmed(1, persist="x")


def waiting_for_session(s):
    s.add("a")
    s.commit_confirmed(600)


def commit(s):
    s.add("a")
    s.commit()


def confirm_with_change(s):
    s.add("b")
    s.commit(**{"persist-id": "x"})


def extend(s):
    s.add("b")
    s.commit_confirmed(700, persist="y", **{"persist-id": "x"})


def fill_history(s):
    """As many as are kept, so that the next one removes one."""
    while int(s.call("weir-configuration:history")["weir-configuration:commit"][-1]["number"]) < 50:
        s.line("annotate port up \"%s\"" % time.monotonic())
        s.commit()


class Step:
    def __init__(self, name, before, step, was, becomes, **how):
        self.name, self.before, self.step, self.was, self.becomes = name, before, step, was, becomes
        self.between = how.get("between", [])  # may also be found
        self.by_itself = how.get("by_itself", False)  # nobody asks, nobody is answered


UP, A, AB = "up", "aup", "abup"
STEPS = [
    Step("commit", nothing, commit, (UP, ""), (A, "")),
    Step("confirmed commit", nothing, waiting, (UP, ""), (A, "x")),
    Step("confirmation", waiting, lambda s: s.commit(**{"persist-id": "x"}), (A, "x"), (A, "")),
    Step("confirmation with a change", waiting, confirm_with_change, (A, "x"), (AB, "")),
    # What waits is written before its configuration: the way back is never lost, the new time may come a step early.
    Step("extension", waiting, extend, (A, "x"), (AB, "y"), between=[(A, "y")]),
    Step("cancel", waiting, lambda s: s.cancel("x"), (A, "x"), (UP, "")),
    # After it, there is only one right answer, whatever was written.
    Step("rollback at the deadline", waiting_shortly, nothing, (UP, ""), (UP, ""), by_itself=True),
    Step("rollback with the session", waiting_for_session, lambda s: s.close(), (UP, ""), (UP, ""), by_itself=True),
    Step("commit with a full history", fill_history, commit, (UP, ""), (A, "")),
]


def count(step):
    """The calls of a step that nothing disturbs."""
    d = Daemon(BASE, "count " + step.name, config("up"))
    s = d.start({"CRASH_ARM": d.arm})
    step.before(s)
    d.plan()
    step.step(s)
    if step.by_itself:
        eventually(lambda: len(d.calls()) >= 9, 3)
        time.sleep(0.3)
    calls = d.calls()
    d.kill()
    d.start()
    assert d.is_now() == step.becomes, d.is_now()
    d.clean()
    d.kill()
    assert len(calls) >= 2, calls
    return calls


def check_after(d, step, answered):
    """The daemon has come back, without the shim."""
    found = d.is_now()
    allowed = [step.becomes] if answered else [step.was, step.becomes] + step.between
    assert found in allowed, "found %s, not one of %s" % (found, allowed)
    d.clean()
    if found[1] != "":
        d.session.cancel(found[1])
        assert d.is_now() == (UP, ""), "the way back leads to %s" % str(d.is_now())
    ports = d.ports()
    d.session.add("z")
    d.session.commit()
    assert d.is_now() == (ports + "z", ""), d.is_now()


def kill_later(d, drop):
    """When all is answered: the next commit does not get far. What is lost then was never synced."""
    waits = d.waits()
    d.plan(1, "before", drop)
    try:
        d.session.add("y")
        d.session.commit(**{"persist-id": waits} if waits else {})
    except Gone:
        pass


def kill_at(d, step, at, do, drop):
    s = d.session
    step.before(s)
    if do != "later":
        d.plan(at, do, drop)
    answered = False
    try:
        step.step(s)
        answered = not step.by_itself
    except Gone:
        pass
    if do == "later":
        if step.by_itself:
            d.reconnect()
            eventually(lambda: d.is_now() == step.becomes, 3)
        kill_later(d, drop)
    d.killed_by_shim()
    d.disarm()
    # A shim that is not armed only looks on; LONG goes without it.
    d.start(None if LONG else {"CRASH_ARM": d.arm})
    check_after(d, step, answered)


def kill_each(step, points):
    """One after the other, in one directory: a start that was looked at is the next one's."""
    d = Daemon(BASE, "kill %s %s" % (step.name, points[0]), config("up"))
    d.start({"CRASH_ARM": d.arm})
    try:
        for point in points:
            try:
                kill_at(d, step, *point)
            except Exception as e:
                raise AssertionError("%s: %s" % (point, d.said()[-600:])) from e
            back_to_up(d)
            if LONG:
                d.kill()
                d.start({"CRASH_ARM": d.arm})
    finally:
        d.kill()


def losses(step):
    if LONG:
        return EVERY_LOSS
    return ["none", "data", "names,data"] if step.name == "commit" else ["names,data"]


# --- Starts that are interrupted: what they decided may be written or not, the next one decides the same.


def start_first(d):
    del d
    return UP, ""


def start_late(d):
    """A confirmed commit ran out while nothing ran."""
    waiting_shortly(d.start())
    d.kill()
    time.sleep(1.1)
    return UP, ""


def start_new_file(d):
    commit(d.start())
    d.kill()
    d.write(config("up", "f"))
    return "fup", ""


STARTS = [start_first, start_late, start_new_file]


def put_back(d, kept):
    shutil.rmtree(d.state, ignore_errors=True)
    if os.path.exists(kept):
        shutil.copytree(kept, d.state)


def kill_starts(prepare, drop):
    d = Daemon(BASE, "kill %s %s" % (prepare.__name__, drop), config("up"))
    right = prepare(d)
    kept = os.path.join(d.dir, "kept")
    if os.path.exists(d.state):
        shutil.copytree(d.state, kept)
    d.start({})
    calls = d.calls()
    assert len(calls) >= 9, calls
    for at in range(1, len(calls) + 1):
        d.kill()
        put_back(d, kept)
        d.spawn({"CRASH_AT": str(at), "CRASH_DROP": drop})
        d.killed_by_shim()
        d.start()
        assert d.is_now() == right, (at, d.is_now())
        d.clean()
    d.kill()


# --- Disks that fail


def back_to_up(d):
    """What the file says again, by ordinary commits."""
    s = d.session
    if d.waits() not in ("", "-"):
        s.cancel(d.waits())
    s.discard()
    for port in d.ports().replace("up", ""):
        s.line("delete port " + port)
    s.commit()
    assert d.is_now() == (UP, ""), d.is_now()


def refused_properly(d, step, e, before):
    """Nothing has changed, and the answer names a file of ours and the reason."""
    assert e.value.startswith(d.state), str(e)
    assert any(r in e.reason for r in ("No space left on device", "Input/output error", "Read-only file system")), str(e)
    assert d.is_now() == before, "refused, but is %s" % str(d.is_now())


def fail_one(d, step, at, code):
    """One failing call. returns whether there was such a call"""
    (nothing if step.before is fill_history else step.before)(d.session)
    before = d.is_now()
    refused = False
    d.plan(at, code)
    try:
        step.step(d.session)
        if step.by_itself:
            d.reconnect()
            eventually(lambda: d.is_now() == step.becomes, 3)
        assert d.is_now() == step.becomes, d.is_now()
        if not step.by_itself:
            assert d.ports_of("startup") == (UP if step.becomes[1] else step.becomes[0]), "in force, but not kept"
    except Refused as e:
        refused = True
        refused_properly(d, step, e, before)
    hit = len(d.calls()) >= at
    d.disarm()
    if refused:  # the next one works
        d.session.discard()
        step.step(d.session)
        assert d.is_now() == step.becomes, d.is_now()
    back_to_up(d)
    return hit


def fail_each(step, kinds):
    d = Daemon(BASE, "fail %s %s" % (step.name, kinds[0]), config("up"))
    d.start({"CRASH_ARM": d.arm})
    if step.before is fill_history:
        fill_history(d.session)
    for code in kinds:
        at = 1
        try:
            while fail_one(d, step, at, code):
                at += 1
            assert at > 2, "no call failed"
        except Exception as e:
            raise AssertionError("%s at call %d: %s" % (code, at, d.said()[-600:])) from e
    restart(d)
    assert d.is_now() == (UP, ""), d.is_now()
    d.clean()
    d.kill()


def stale_record_is_not_believed(base):
    """A confirmation whose last call fails leaves a file. What is confirmed later goes back to what runs, not to what that file says."""
    d = Daemon(base, "stale", config("up"))
    s = d.start({"CRASH_ARM": d.arm})
    waiting(s)
    d.plan(0)
    confirm_with_change(s)
    at = [i for i, c in enumerate(d.calls(), 1) if c.startswith("unlink") and c.endswith("pending.conf")]
    assert len(at) == 1, d.calls()
    d.disarm()
    back_to_up(d)
    waiting(s)
    d.plan(at[0], "EIO")
    confirm_with_change(s)
    d.disarm()
    assert "pending.conf: remove: Input/output error" in d.said()
    s.add("c")
    s.commit_confirmed(600, persist="z")
    d.kill()
    d.start()
    assert d.is_now() == ("abcup", "z"), d.is_now()
    d.session.cancel("z")
    assert d.is_now() == (AB, ""), d.is_now()
    d.clean()
    d.kill()


# --- All of it


def codes(step):
    """Lists, each for one daemon."""
    if LONG:
        return [[c] for c in ("ENOSPC", "EIO", "EROFS", "ENOSPC+", "EIO+", "EROFS+")]
    return [["EIO"], ["ENOSPC+"]] if step.by_itself else [["ENOSPC", "EIO", "EROFS", "EROFS+"]]


def wanted(name):
    return len(sys.argv) < 3 or any(w in name for w in sys.argv[2:])


def kill_points(step):
    """Lists, each for one daemon."""
    n = len(count(step))
    points = [(at, do, drop) for drop in losses(step) for at, do in [(i, "before") for i in range(1, n + 1)] + [(n, "after"), (0, "later")]]
    return [points[i:i + 5] for i in range(0, len(points), 5)]


def all_jobs():
    """What there is to do: name, function, and what it is called with."""
    for step in STEPS:
        yield "kill -9 in: " + step.name, kill_each, lambda step=step: [(step, points) for points in kill_points(step)]
        yield "errors in: " + step.name, fail_each, lambda step=step: [(step, kinds) for kinds in codes(step)]
    for prepare in STARTS:
        yield "kill -9 in: " + prepare.__name__, kill_starts, lambda prepare=prepare: [
            (prepare, drop) for drop in (EVERY_LOSS if LONG else ["names,data"])]
    for case in CASES + [stale_record_is_not_believed]:
        yield case.__name__, case, lambda: [(BASE,)]


def given(future):
    return [] if future.exception() else future.result()


def failures(futures):
    for f in futures:
        try:
            f.result()
        except Exception:  # all of them are wanted, not only the first
            yield traceback.format_exc(limit=-3)


def main():
    bad = 0
    begin = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "4"))) as pool:
        # What to do is counted by jobs, too: a step that fails undisturbed is a failure like others.
        made = [(name, pool.submit(calls), job) for name, job, calls in all_jobs() if wanted(name)]
        made = [(name, [pool.submit(job, *args) for args in given(calls)] or [calls]) for name, calls, job in made]
        for name, futures in made:
            failed = list(failures(futures))
            bad += len(failed)
            print("  %s %s (%.0f s)" % ("FAILED " if failed else "ok     ", name, time.monotonic() - begin), flush=True)
            for text in failed[:3]:
                print(text, flush=True)
    assert made, "no case has that name"
    return min(bad, 1)


if __name__ == "__main__":
    sys.exit(main())
