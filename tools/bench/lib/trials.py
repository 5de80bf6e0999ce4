"""Running trials: one switch, one load, one generator; then many of them, alternating."""
import math, time
from dataclasses import replace

from figures import figures
from generators import GENERATORS
from host import BUSY_MIN, GEN_IDLE_MIN, BenchError, Disturbance, NotPossible, disturbed, say
from paired import Member, bring_up, minutes, together
from policy import wire_bytes
from switches import SWITCHES
from workloads import BARS, COST_OFFERED, PAIRED, WORKLOADS

REPEATS, SCALE_TRIALS = 3, 3
START_S = 5  # what starting and stopping takes, roughly
SAID = ("p50_us", "p99_us", "p999_us", "storage_bps", "bulk_bps", "floor_worst", "share_err", "limit_err", "others_p999_us")  # as trials end
DROPPING_MIN = 0.05


def bound_by(r):
    """Whose throughput it is: the switch's only if the generator had more to give, and time to, and the data-plane thread had no more."""
    dropping = r["gen_blocked"] is None or r["rx_pps"] < (1 - DROPPING_MIN) * r["offered_pps"]  # a closed loop never drops; it waits
    more = dropping and r["gen_idle"] >= GEN_IDLE_MIN
    return "switch" if more and r["busy"] >= BUSY_MIN else "generator"


def trial(host, switch_name, variant, load, generator_name):
    """One measurement from start to stop: a dict of figures. Raises BenchError."""
    gen, switch, speed = GENERATORS[generator_name](host), None, host.speed()
    try:
        switch = SWITCHES[switch_name](host, load, variant)
        bring_up(gen, switch, load)
        marks = []

        def begin():
            marks.append(Disturbance(host, switch.data_tid, switch.in_kernel))
            marks.append((time.monotonic(), switch.counters()))

        def end():
            marks.append((time.monotonic(), switch.counters()))
            marks.append(marks[0].result())

        r = gen.measure(begin, end)
        (t0, before), (t1, after) = marks[1], marks[2]
        r["cycles"], r["busy"] = switch.busy(before, after, t1 - t0)
        r["switch_pps"] = (after["pkts"] - before["pkts"]) / (t1 - t0)
        r.update(marks[3], learned=learned(switch))
    finally:
        gen.stop()
        if switch:
            switch.stop()
    if r["rx_pps"] <= 0:
        raise BenchError("nothing arrived during the measuring interval")
    after = host.speed()
    r.update(bound=bound_by(r), compute=min(speed["compute"], after["compute"]), copy=min(speed["copy"], after["copy"]))
    r["disturbed"] = disturbed(r)
    return r


def learned(switch):
    try:
        return switch.learned()
    except BenchError:
        return None  # it is a remark, not a figure


def undisturbed_trial(host, switch, variant, load, generator, repeats):
    """Repeat a disturbed trial; if none is undisturbed, the one counts of which others took least, and it says so."""
    tries = []
    for n in range(repeats + 1):
        tries.append(trial(host, switch, variant, load, generator))
        if not tries[-1]["disturbed"]:
            break
    best = tries[-1] if not tries[-1]["disturbed"] else min(tries, key=lambda r: r["steal"] + r["foreign"] + r["preempted"])
    best["repeats"] = n
    return best


def best_variant(host, switch, load, generator, repeats):
    """A short pre-trial of each; the fewest busy cycles per packet win. (variant, {variant: cycles})"""
    variants = SWITCHES[switch].variants if not load.policy else SWITCHES[switch].variants[:1]
    if len(variants) == 1:
        return variants[0], {}
    short = replace(load, seconds=min(3.0, load.seconds))
    cycles = {v: undisturbed_trial(host, switch, v, short, generator, repeats)["cycles"] for v in variants}
    return min(cycles, key=cycles.get), cycles


def scaled(load, pps):
    """LOAD with its open rates at PPS each way: the links', and a little more that is offered."""
    rate = round(pps * 8 * wire_bytes(load.size))
    if load.policy:
        load = replace(load, policy=replace(load.policy, rate=rate, reservation=rate * 2 // 5, down=rate))
    offered = "%dpps" % (pps * COST_OFFERED)
    return replace(load, streams=[{**s, "rate": offered} if "rate" in s else s for s in load.streams])


class Runner:
    """All trials of a run: `rows`, one dict each; `errors` and the `choices` of a variant by (workload, cell, switch); of two such, `pairs`: for each start
    the samples."""

    def __init__(self, host, args):
        self.host, self.args = host, args
        self.rows, self.errors, self.choices, self.scales, self.failed = [], {}, {}, {}, False
        self.variants, self.pairs = {}, {}

    def units(self, cells):
        """Lists of (cell, switch): those of one are measured together. Of a pair of cells that a bar compares within Weir, too."""
        out = []
        for c in cells:
            members = [(c, s) for s in self.args.switches_of(c.workload)]
            out += [members] if self._paired(c) else [[m] for m in members]
        named = {(c.workload, c.name): c for c in cells if self._paired(c) and "weir" in self.args.switches_of(c.workload)}
        for b in BARS:
            pair = [named.get((b.workload, name)) for name in (b.cell, b.cell_of_other)]
            out += [[(c, b.other) for c in pair]] if None not in pair and b.other == "weir" else []
        return out

    def minutes(self, cells):
        """About how long it takes, less pre-trials and repeats."""
        per_trial = 0
        for u in self.units(cells):
            load, _ = self._load(*u[0])
            per_trial += len(u) * (START_S + load.warm_up) / 60 + (minutes(len(u), load) if self._paired(u[0][0]) else load.seconds / 60)
        return self.args.trials * per_trial

    def run(self, cells):
        """Rounds of everything, forwards and backwards in turn (A B B A): what drifts with time falls on all alike."""
        units = self.units(cells)
        singles = [(c, s) for c in cells for s in self.args.switches_of(c.workload)]
        for c, s in singles:
            self._scale(c, s)
        for c, s in singles:
            self.variants[c.name, s] = self._choose(c, s)
        for t in range(self.args.trials):
            for u in units if t % 2 == 0 else reversed(units):
                left = [(c, s) for c, s in u if (c.workload, c.name, s) not in self.errors]
                if left and self._paired(left[0][0]):
                    self._together(left, t)
                elif left:
                    self._one(*left[0], t)

    def _paired(self, cell):
        return cell.workload in PAIRED and (cell.generator or self.args.generator) == "pktgen"

    def _load(self, cell, switch):
        load = replace(cell.load, seconds=self.args.seconds, warm_up=max(self.args.warm_up, cell.load.warm_up_least))
        if cell.part_of:
            load = scaled(load, self.scales[cell.workload, cell.part_of[0], switch] * cell.part_of[1])
        return load, cell.generator or self.args.generator

    def _scale(self, cell, switch):
        """Trials of the cell whose rate this one's rates are shares of."""
        base = [c for c in WORKLOADS[cell.workload]() if cell.part_of and c.name == cell.part_of[0]]
        key = (cell.workload, base[0].name, switch) if base else None
        if not base or key in self.scales:
            return
        got = [self._attempt(base[0], switch, lambda: trial(self.host, switch, "", *self._load(base[0], switch))) for _ in range(SCALE_TRIALS)]
        if None in got:
            self.errors[cell.workload, cell.name, switch] = "no rate of '%s' to take a share of" % base[0].name
            return
        self.scales[key] = max(r["rx_pps"] for r in got) / 2  # of each direction; the best, or the shares would be easy
        say("%s / %s: %.3f Mpps each way, of which other cells' rates are shares" % (base[0].name, switch, self.scales[key] / 1e6))

    def _error(self, cell, switch, e):
        """The cell's error is noted, and nothing more is tried for this switch."""
        self.errors[cell.workload, cell.name, switch] = str(e)
        self.failed = self.failed or not isinstance(e, NotPossible)
        say("%s / %s / %s: %s" % (cell.workload, cell.name, switch, e))

    def _attempt(self, cell, switch, action):
        """ACTION's value; None on failure."""
        try:
            return action()
        except BenchError as e:
            self._error(cell, switch, e)
            return None

    def _choose(self, cell, switch):
        load, generator = self._load(cell, switch)
        choose = self._best_together if self._paired(cell) else self._best_alone
        got = self._attempt(cell, switch, lambda: choose(cell, switch, load, generator))
        if got and got[1]:
            self.choices[cell.workload, cell.name, switch] = got
            say("%s / %s: %s uses %s (busy cycles per packet: %s)" % (cell.workload, cell.name, switch, got[0],
                                                                     ", ".join("%s %.0f" % kv for kv in got[1].items())))
        return got[0] if got else None

    def _best_alone(self, cell, switch, load, generator):
        return best_variant(self.host, switch, load, generator, self.args.repeats)

    def _best_together(self, cell, switch, load, generator):
        """All variants in turn, as briefly as possible."""
        variants = SWITCHES[switch].variants
        if len(variants) == 1:
            return variants[0], {}
        key, errors = (cell.workload, cell.name, switch), []
        got, _ = together(self.host, [Member(self.host, key, v, replace(load, seconds=1.0)) for v in variants], 0, lambda m, e: errors.append(e))
        if not got:
            raise errors[0]
        cycles = {m.variant: r["cycles"] or math.inf for m, r in got}
        return min(cycles, key=cycles.get), cycles

    def _together(self, unit, number):
        """One start of all of UNIT, measured in slices."""
        keys = {(c.workload, c.name, s): c for c, s in unit}
        members = [Member(self.host, (c.workload, c.name, s), self.variants[c.name, s], self._load(c, s)[0]) for c, s in unit]
        try:
            got, samples = together(self.host, members, self.args.repeats, lambda m, e: self._error(keys[m.key], m.key[2], e))
        except BenchError as e:
            for c, s in unit:
                self._error(c, s, e)
            return
        for m, r in got:
            r.update(bound=bound_by(r), beside="; ".join("%s %s" % (o.key[1], o.key[2]) for o, _ in got if o is not m))
            self._add(keys[m.key], m.key[2], m.variant, number, r)
        for (i, j), ratios in samples.items():
            self.pairs.setdefault((got[i][0].key, got[j][0].key), []).append(ratios)

    def _one(self, cell, switch, number):
        variant, (load, generator) = self.variants[cell.name, switch], self._load(cell, switch)
        r = self._attempt(cell, switch, lambda: undisturbed_trial(self.host, switch, variant, load, generator, self.args.repeats))
        if r is None:
            return
        if cell.kind != "rate":
            figures(r, cell, load)
        self._add(cell, switch, variant, number, r)

    def _add(self, cell, switch, variant, number, r):
        load, generator = self._load(cell, switch)
        r.update(workload=cell.workload, cell=cell.name, switch=switch, variant=variant, trial=number + 1, generator=generator, size=load.size,
                 macs=load.macs, ports=load.ports, seconds=load.seconds)
        self.rows.append(r)
        more = "".join(", %s %.4g" % (k, r[k]) for k in SAID if k in r)
        say("%s / %s / %s %d: %.3f Mpps%s, %.0f cycles per packet, busy %.1f %%, %s-bound%s" % (
            cell.workload, cell.name, (switch + " " + variant).strip(), number + 1, r["rx_pps"] / 1e6, more, r["cycles"], 100 * r["busy"], r["bound"],
            ", disturbed (%s)" % r["disturbed"] if r["disturbed"] else ""))
