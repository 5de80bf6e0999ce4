"""Switches measured in turn, in slices: what makes the machine slow for some seconds falls on all of them.

All members are started, each with a generator, and stand still (SIGSTOP) but one. A pass gives each a slice, forwards or backwards in turn (A B B A); what
neighbouring slices of a pass say is a sample.
"""
import itertools, math, statistics, time
from dataclasses import replace

from generators import GENERATORS
from host import TICKS, BenchError, Disturbance, disturbed
from switches import SWITCHES

# Caches are refilled and what stood in the rings is gone within a few ms, but a cache of 1M flows is met once in 0.15 s only.
SETTLE_S, SLICE_S, AROUND_S = 0.2, 0.4, 0.05  # AROUND_S: what reading counters takes, roughly
PASSES_LEAST, PASSES_WARM = 4, 2
TICKS_UNSURE = 2  # of the sums that foreign time is a difference of
LONG_S = 36000.0
MEDIANS = ("tx_pps", "rx_pps", "offered_pps", "gbit", "gen_idle", "gen_blocked", "cycles", "busy", "switch_pps", "steal", "foreign", "preempted")


def passes_for(seconds):
    """Passes in which each member is measured for SECONDS; as many forwards as backwards."""
    return max(PASSES_LEAST, 2 * math.ceil(seconds / SLICE_S / 2))


def minutes(n_members, load):
    return n_members * (passes_for(load.seconds) + PASSES_WARM) * (SETTLE_S + SLICE_S + AROUND_S) / 60


def bring_up(gen, switch, load):
    """Both, until frames have arrived intact. The generator stands still while rules are loaded: it waits for no table, and takes the CPU that loads them."""
    sockets = gen.start(load, switch.prepare())
    if load.rules:
        gen.process.pause()
    switch.start(sockets)
    switch.ruled()
    gen.process.resume()
    gen.attach()
    switch.attached()
    gen.verify()


class Member:
    """A switch and its generator. `slices` are figures of one slice each; those of the generator are known at the end only."""

    def __init__(self, host, key, variant, load):
        self.host, self.key, self.variant, self.seconds = host, key, variant, load.seconds
        self.load = replace(load, seconds=LONG_S, sliced=True)
        self.gen, self.switch, self.slices = GENERATORS["pktgen"](host), SWITCHES[key[2]](host, load, variant), []

    def start(self):
        bring_up(self.gen, self.switch, self.load)
        self.gen.warmed()
        self.gen.process.pause()  # only this: what the switch does at times, as to look after its flows, must not be late by the start of the others

    def pause(self):
        self.gen.process.pause()
        self.switch.process.pause()

    def resume(self):
        self.switch.process.resume()
        self.gen.process.resume()

    def _counters(self):
        """(when, what): the switch says it somewhen in the middle of being asked."""
        at = time.monotonic()
        got = self.switch.counters()
        return (at + time.monotonic()) / 2, got

    def slice(self):
        self.resume()
        time.sleep(SETTLE_S)
        disturbance = Disturbance(self.host, self.switch.data_tid, self.switch.in_kernel)
        t0, before = self._counters()
        self.gen.look()
        time.sleep(SLICE_S)
        self.gen.look()
        t1, after = self._counters()
        r = disturbance.result()
        self.pause()
        self.gen.process.check()
        r["cycles"], r["busy"] = self.switch.busy(before, after, t1 - t0)
        r["switch_pps"] = (after["pkts"] - before["pkts"]) / (t1 - t0)
        r["foreign"] = max(0.0, r["foreign"] - TICKS_UNSURE / TICKS / (t1 - t0))
        self.slices.append(r)
        return r

    def finish(self):
        """Add the generator's figures to the slices; the row of all, less what depends on which of them count."""
        self.resume()
        try:
            learned = self.switch.learned()
        except BenchError:
            learned = None  # it is a remark, not a figure
        row, intervals = self.gen.finish()
        for r, got in zip(self.slices, intervals[1::2]):  # in between: what the others had, and settling
            r.update(got)
        row.update(learned=learned)
        return row

    def close(self):
        self.gen.stop()
        self.switch.stop()


def measure(members, wanted, most):
    """Passes, until WANTED are undisturbed or there are MOST. A pass is a list of slices, in the members' order."""
    passes, clean = [], 0
    for n in range(-PASSES_WARM, most):
        got = {m: m.slice() for m in (members if n % 2 == 0 else reversed(members))}
        if n < 0:
            continue
        passes.append([got[m] for m in members])
        words = [disturbed(r) for r in passes[-1]]
        for r, text in zip(passes[-1], words):
            r["disturbed"] = text
        clean += not any(words)
        if clean >= wanted:
            break
    kept = [p for p in passes if not any(r["disturbed"] for r in p)]
    return kept if 2 * len(kept) >= wanted else passes


def row_of(row, slices):
    """A trial's figures: medians of its slices."""
    for k in MEDIANS:
        row[k] = statistics.median(r[k] for r in slices)
    bad = [r["disturbed"] for r in slices if r["disturbed"]]
    row["disturbed"] = "%d of %d slices, as: %s" % (len(bad), len(slices), bad[0]) if 2 * len(bad) > len(slices) else ""
    row["measured_s"] = sum(r["seconds"] for r in slices)
    return row


def over(a, b):
    return a / b if b else math.inf


def samples(slices_a, slices_b):
    """[(ratio of rates, of cycles)] of slices next to each other. A slice without frames has no cycles to compare."""
    return [(over(a["rx_pps"], b["rx_pps"]), over(a["cycles"], b["cycles"]) if a["cycles"] and b["cycles"] else None) for a, b in zip(slices_a, slices_b)]


def started(members, failed):
    """Those who could be started, standing still. FAILED(member, error) is told of the others."""
    up = []
    for m in members:
        try:
            m.start()
            up.append(m)
        except BenchError as e:
            failed(m, e)
            m.close()
    for m in up:
        m.pause()
    return up


def together(host, members, repeats, failed):
    """One start of all: ([(member, row)], {(i, j): samples} of these). FAILED(member, error) is told who could not be measured; the others go on."""
    speed = host.speed()
    try:
        up = started(members, failed)
        if not up:
            return [], {}
        wanted = passes_for(up[0].seconds)
        passes = measure(up, wanted, wanted * (1 + repeats))
        rows = [m.finish() for m in up]
    finally:
        for m in members:
            m.close()
    after, out, columns = host.speed(), [], []
    for i, m in enumerate(up):
        slices = [p[i] for p in passes]
        if not any(r["rx_pps"] for r in slices):
            failed(m, BenchError("nothing arrived in any slice"))
            continue
        row = row_of(rows[i], slices)
        row.update(repeats=0, compute=min(speed["compute"], after["compute"]), copy=min(speed["copy"], after["copy"]))
        out.append((m, row))
        columns.append(slices)
    return out, {(i, j): samples(columns[i], columns[j]) for i, j in itertools.combinations(range(len(out)), 2)}
