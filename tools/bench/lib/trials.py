"""Running trials: one switch, one load, one generator; then many of them, alternating."""
import time
from dataclasses import replace

from figures import figures
from generators import GENERATORS
from host import BUSY_MIN, GEN_IDLE_MIN, BenchError, Disturbance, NotPossible, say
from policy import wire_bytes
from switches import SWITCHES
from workloads import COST_OFFERED, WORKLOADS

REPEATS, SCALE_TRIALS = 3, 3
SAID = ("p50_us", "p99_us", "p999_us", "storage_bps", "bulk_bps", "floor_worst", "share_err", "limit_err", "others_p999_us")  # as trials end
# Shares of one CPU's time that may go elsewhere, and how slow the CPU may compute against the run's best. (How fast it copies
# is only written down: on a shared host that changes by half from one second to the next.)
STEAL_MAX, FOREIGN_MAX, PREEMPTED_MAX, COMPUTE_MIN = 0.005, 0.02, 0.01, 0.9
DROPPING_MIN = 0.05


def bound_by(r):
    """Whose throughput it is: the switch's only if the generator had more to give, and time to, and the data-plane thread had no more."""
    dropping = r["gen_blocked"] is None or r["rx_pps"] < (1 - DROPPING_MIN) * r["offered_pps"]  # a closed loop never drops; it waits
    more = dropping and r["gen_idle"] >= GEN_IDLE_MIN
    return "switch" if more and r["busy"] >= BUSY_MIN else "generator"


def disturbed(r):
    """What disturbed a trial, in words; "" if nothing did."""
    found = [(name, r[name]) for name, most in (("steal", STEAL_MAX), ("foreign", FOREIGN_MAX), ("preempted", PREEMPTED_MAX)) if r[name] > most]
    return ", ".join("%s %.1f %%" % (n, 100 * v) for n, v in found + ([("compute speed", r["compute"])] if r["compute"] < COMPUTE_MIN else []))


def trial(host, switch_name, variant, load, generator_name):
    """One measurement from start to stop: a dict of figures. Raises BenchError."""
    gen, switch, speed = GENERATORS[generator_name](host), None, host.speed()
    try:
        switch = SWITCHES[switch_name](host, load, variant)
        sockets = gen.start(load, switch.prepare())
        switch.start(sockets)
        gen.attach()
        switch.attached()
        switch.ruled()
        gen.verify()
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
    """All trials of a run: `rows`, one dict each; `errors` and the `choices` of a variant by (workload, cell, switch)."""

    def __init__(self, host, args):
        self.host, self.args = host, args
        self.rows, self.errors, self.choices, self.scales, self.failed = [], {}, {}, {}, False

    def run(self, cells):
        """Rounds of everything, forwards and backwards in turn (A B B A): what drifts with time falls on all alike."""
        units = [(c, s) for c in cells for s in self.args.switches_of(c.workload)]
        variants = {}
        for c, s in units:
            self._scale(c, s)
        for c, s in units:
            variants[c.name, s] = self._choose(c, s)
        for t in range(self.args.trials):
            for c, s in units if t % 2 == 0 else reversed(units):
                if (c.workload, c.name, s) not in self.errors:
                    self._one(c, s, variants[c.name, s], t)

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

    def _attempt(self, cell, switch, action):
        """ACTION's value; on failure the cell's error is noted and nothing more is tried for this switch."""
        try:
            return action()
        except BenchError as e:
            self.errors[cell.workload, cell.name, switch] = str(e)
            self.failed = self.failed or not isinstance(e, NotPossible)
            say("%s / %s / %s: %s" % (cell.workload, cell.name, switch, e))
            return None

    def _choose(self, cell, switch):
        load, generator = self._load(cell, switch)
        got = self._attempt(cell, switch, lambda: best_variant(self.host, switch, load, generator, self.args.repeats))
        if got and got[1]:
            self.choices[cell.workload, cell.name, switch] = got
            say("%s / %s: %s uses %s (busy cycles per packet: %s)" % (cell.workload, cell.name, switch, got[0],
                                                                     ", ".join("%s %.0f" % kv for kv in got[1].items())))
        return got[0] if got else None

    def _one(self, cell, switch, variant, number):
        load, generator = self._load(cell, switch)
        r = self._attempt(cell, switch, lambda: undisturbed_trial(self.host, switch, variant, load, generator, self.args.repeats))
        if r is None:
            return
        if cell.kind != "rate":
            figures(r, cell, load)
        r.update(workload=cell.workload, cell=cell.name, switch=switch, variant=variant, trial=number + 1, generator=generator, size=load.size,
                 macs=load.macs, ports=load.ports, seconds=load.seconds)
        self.rows.append(r)
        more = "".join(", %s %.4g" % (k, r[k]) for k in SAID if k in r)
        say("%s / %s / %s %d: %.3f Mpps%s, %.0f cycles per packet, busy %.1f %%, %s-bound%s" % (
            cell.workload, cell.name, (switch + " " + variant).strip(), number + 1, r["rx_pps"] / 1e6, more, r["cycles"], 100 * r["busy"], r["bound"],
            ", disturbed (%s)" % r["disturbed"] if r["disturbed"] else ""))
