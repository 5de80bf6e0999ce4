"""From trials to figures: medians, spread, ratios with confidence, table, CSV, plot and the section of RESULTS.md."""
import csv, math, os, random, shlex, statistics, subprocess

import host
import report_qos
from workloads import AGREE_WITHIN, BARS

COLUMNS = ["workload", "cell", "switch", "variant", "trial", "generator", "ports", "size", "macs", "seconds", "tx_pps", "offered_pps", "rx_pps",
           "gbit", "cycles", "busy", "bound", "lost", "corrupt", "gen_cycles", "gen_idle", "gen_blocked", "tsc_hz", "steal", "foreign", "preempted",
           "compute", "copy", "disturbed", "repeats", "learned", "beside", *report_qos.COLUMNS]
HEAD = ["workload: cell", "switch", "Mpps", "[min-max]", "Gbit/s", "cycles/pkt", "pps vs ovs", "pps vs io", "cycles vs ovs", "cycles vs io",
        "bound by"]


def bootstrap(a, b, times=2000):
    """Ratio of medians of A to B, and its 95 % interval."""
    rng = random.Random(1)
    again = lambda v: statistics.median(rng.choices(v, k=len(v)))
    r = sorted(again(a) / again(b) for _ in range(times))
    return statistics.median(a) / statistics.median(b), r[int(times * 0.025)], r[int(times * 0.975)]


def bootstrap_paired(starts, times=2000):
    """Median of the samples of several starts, and its 95 % interval: starts are drawn, then samples of each, since those of one start are alike."""
    rng = random.Random(1)
    again = lambda: statistics.median([x for s in rng.choices(starts, k=len(starts)) for x in rng.choices(s, k=len(s))])
    r = sorted(again() for _ in range(times))
    return statistics.median([x for s in starts for x in s]), r[int(times * 0.025)], r[int(times * 0.975)]


class Summary:
    """The trials of one cell and switch."""

    def __init__(self, rows):
        self.rows = rows
        self.pps, self.cycles = [r["rx_pps"] for r in rows], [r["cycles"] for r in rows]
        self.switch_bound = sum(r["bound"] == "switch" for r in rows) * 2 > len(rows)
        self.disturbed = sum(r["disturbed"] != "" for r in rows)

    def bound(self):
        if "uplink_bps" in self.rows[0]:
            text = statistics.mode(r["bound"] for r in self.rows)
        elif self.switch_bound:
            text = "switch"
        else:
            text = "generator (busy %.0f %%)" % (100 * statistics.median(r["busy"] for r in self.rows))
        return text + (", %d of %d disturbed" % (self.disturbed, len(self.rows)) if self.disturbed else "")


class Results:
    def __init__(self, runner, cells):
        self.runner, self.cells = runner, cells
        self.switches = list(dict.fromkeys(s for c in cells for s in self.of(c)))
        self.sums = {}
        for c in cells:
            for s in self.of(c):
                rows = [r for r in runner.rows if (r["workload"], r["cell"], r["switch"]) == (c.workload, c.name, s)]
                if rows:
                    self.sums[c.workload, c.name, s] = Summary(rows)

    def of(self, cell):
        """The switches of CELL."""
        return self.runner.args.switches_of(cell.workload)

    def kinds(self):
        return list(dict.fromkeys(c.kind for c in self.cells))

    def ratio(self, key, other, measure):
        """(sign, ratio, low, high); the sign says that the generator hides part of one side. None where a side is missing."""
        a, b = self.sums.get(key), self.sums.get(other)
        if not a or not b:
            return None
        paired = self._paired(key, other, measure)
        if measure == "cycles":
            return ("",) + (paired or bootstrap(a.cycles, b.cycles))
        sign = {(True, True): "", (False, True): ">= ", (True, False): "<= ", (False, False): "~ "}[a.switch_bound, b.switch_bound]
        return (sign,) + (paired or bootstrap(a.pps, b.pps))

    def _paired(self, key, other, measure):
        """(ratio, low, high) of slices next to each other; None where these two never ran in turn."""
        starts, turned = self.runner.pairs.get((key, other)), False
        if not starts:
            starts, turned = self.runner.pairs.get((other, key)), True
        part = 1 if measure == "cycles" else 0
        values = [[(1 / x[part] if x[part] else math.inf) if turned else x[part] for x in s if x[part] is not None] for s in starts or []]
        values = [v for v in values if v]
        return bootstrap_paired(values) if values else None

    def _ratio_text(self, key, other, measure):
        got = None if key == other else self.ratio(key, other, measure)
        return "%s%.2f [%.2f-%.2f]" % got if got else "-"

    def table(self):
        out = [HEAD]
        for c in [c for c in self.cells if c.kind == "rate"]:
            for s in self.of(c):
                key, label = (c.workload, c.name, s), "%s: %s" % (c.workload, c.name)
                x = self.sums.get(key)
                if not x:
                    out.append([label, s, self.runner.errors.get(key, "not run")])
                    continue
                median = lambda v: statistics.median(v)
                out.append([label, s + (" " + x.rows[0]["variant"]).rstrip(), "%.3f" % (median(x.pps) / 1e6),
                            "%.3f-%.3f" % (min(x.pps) / 1e6, max(x.pps) / 1e6), "%.2f" % median([r["gbit"] for r in x.rows]),
                            "%.0f [%.0f-%.0f]" % (median(x.cycles), min(x.cycles), max(x.cycles))] +
                           [self._ratio_text(key, (c.workload, c.name, o), m) for m in ("pps", "cycles") for o in ("ovs", "io")] + [x.bound()])
        return out

    def against_baseline(self):
        """Lines: each cell with a baseline, switch by switch."""
        out = []
        for c in self.cells:
            for s in self.of(c) if c.baseline and c.kind == "rate" else []:
                got = self.ratio((c.workload, c.name, s), (c.workload, c.baseline, s), "pps")
                if not got:
                    continue
                line = "%s, %s: %s%.3f [%.3f-%.3f] of the rate of '%s'" % (c.name, s, *got, c.baseline)
                if c.workload == "agree":
                    line += ": " + agreement(*got)
                out.append(line)
        return out

    def bars(self):
        out = []
        for b in BARS:
            if (b.workload, b.cell) not in {(c.workload, c.name) for c in self.cells}:
                continue
            mine, other = (b.workload, b.cell, "weir"), (b.workload, b.cell_of_other or b.cell, b.other)
            text = "%s: %s of Weir %s %.2f x %s" % (b.cell, "throughput" if b.measure == "pps" else "busy cycles per packet",
                                                   ">=" if b.measure == "pps" else "<=", b.limit, "'%s'" % b.cell_of_other if b.cell_of_other else b.other)
            out.append(self._judge(b, mine, other) + "  " + text)
        return out

    def _judge(self, bar, mine, other):
        got = self.ratio(mine, other, bar.measure)
        if not got:
            return "NOT RUN"
        sign, r, low, high = got
        if bar.measure == "pps" and sign in ("~ ", "<= ") and r >= bar.limit or bar.measure == "pps" and sign in ("~ ", ">= ") and r < bar.limit:
            # The generator hides the answer; cycles do not.
            _, r, low, high = self.ratio(other, mine, "cycles")
            note = " by busy cycles, as the generator was the limit"
        else:
            note = ""
        good = r >= bar.limit if bar.measure == "pps" else r <= bar.limit
        if any(self.sums[k].disturbed * 2 > len(self.sums[k].rows) for k in (mine, other)):
            return "NO VERDICT, most trials were disturbed (%.2f [%.2f-%.2f]%s)" % (r, low, high, note)
        if low < bar.limit < high:
            note += ", and the interval spans the bar"
        return "%s (%.2f [%.2f-%.2f]%s)" % ("PASS  " if good else "MISSED", r, low, high, note)

    def remarks(self):
        out = []
        for (w, c, s), (best, cycles) in self.runner.choices.items():
            out.append("%s, %s: %s was the best of %s" % (c, s, best, ", ".join("%s %.0f" % kv for kv in cycles.items())))
        for (w, c, s), x in self.sums.items():
            wanted = x.rows[0]["macs"] * x.rows[0]["ports"]
            least = min((r["learned"] for r in x.rows if r["learned"] is not None), default=wanted)
            if least < wanted and w == "l2":
                out.append("%s, %s: its table held %d of %d addresses" % (c, s, least, wanted))
            bad = sum(r["corrupt"] or 0 for r in x.rows)
            if bad:
                out.append("%s, %s: %d frames arrived damaged" % (c, s, bad))
        return out


def agreement(sign, ratio, low, high):
    if sign:
        return "no verdict: a generator was the limit"
    if abs(ratio - 1) <= AGREE_WITHIN:
        return "the generators agree within %.0f %%" % (100 * AGREE_WITHIN)
    if low <= 1 + AGREE_WITHIN and high >= 1 - AGREE_WITHIN:
        return "no verdict: the spread is wider than %.0f %%" % (100 * AGREE_WITHIN)
    return "the generators DISAGREE"


def text_table(rows):
    width = [max(len(r[i]) for r in rows if len(r) == len(rows[0])) for i in range(len(rows[0]))]
    line = lambda r: "  ".join(x.ljust(width[i]) for i, x in enumerate(r)).rstrip()
    return "\n".join([line(rows[0]), "  ".join("-" * w for w in width)] + [line(r) for r in rows[1:]])


def markdown_table(rows):
    line = lambda r: "| " + " | ".join(x.replace("|", "/") for x in r + [""] * (len(rows[0]) - len(r))) + " |"
    return "\n".join([line(rows[0]), "|" + "---|" * len(rows[0])] + [line(r) for r in rows[1:]])


def tables(results):
    """One for each kind of cell."""
    return [results.table() if k == "rate" else report_qos.table(results, k) for k in results.kinds()]


def bars(results):
    return results.bars() + report_qos.bars(results)


def write_csv(path, rows):
    with open(path, "w", newline="") as f:
        w = csv.DictWriter(f, COLUMNS, extrasaction="ignore")
        w.writeheader()
        w.writerows({k: "%.6g" % v if isinstance(v, float) else v for k, v in r.items()} for r in rows)


PLOT = """set style data histogram
set style histogram errorbars gap 1 lw 1
set style fill solid 0.6 border -1
set datafile missing '?'
set key outside top center horizontal
set xtics rotate by -20
set grid y
set terminal {term} noenhanced size 1100,{height}
set output '{out}'
set multiplot layout {n},1
{panels}
unset multiplot
"""
# (title, figure of a trial, divisor, logarithmic)
PANELS = {"rate": [("Throughput, Mpps", "rx_pps", 1e6, False), ("Busy cycles per packet", "cycles", 1, False)], **report_qos.PANELS}


def plot(directory, results):
    """compare.svg and .png; of further kinds compare-KIND.*. Returns (names, None) or (names so far, an error as text)."""
    names = []
    for n, kind in enumerate(k for k in results.kinds() if k in PANELS):
        name = "compare" + ("-" + kind if n else "")
        error = _plot(directory + "/" + name, results, kind)
        if error:
            return names, error
        names += [name + ".svg", name + ".png"]
    return names, None


def _plot_data(path, results, cells, switches, key, divisor):
    with open(path, "w") as f:
        for c in cells:
            words = ['"%s"' % c.name]
            for s in switches:
                x = results.sums.get((c.workload, c.name, s))
                v = [r[key] / divisor for r in x.rows if r.get(key)] if x else []
                words += ["%.4f" % g for g in (statistics.median(v), min(v), max(v))] if v else ["?"] * 3
            f.write(" ".join(words) + "\n")


def _plot(base, results, kind):
    cells, panels = [c for c in results.cells if c.kind == kind], []
    switches = list(dict.fromkeys(s for c in cells for s in results.of(c)))
    rows = [r for r in results.runner.rows if r["cell"] in {c.name for c in cells}]
    for n, (title, key, divisor, log) in enumerate(p for p in PANELS[kind] if any(r.get(p[1]) for r in rows)):  # an empty panel is an error
        data = "%s-%d.dat" % (base, n)
        _plot_data(data, results, cells, switches, key, divisor)
        lines = ", ".join("'%s' using %d:%d:%d:xtic(1) title '%s'" % (data, 2 + 3 * i, 3 + 3 * i, 4 + 3 * i, s)
                          for i, s in enumerate(switches))
        scale = "set logscale y\nset yrange [*:*]" if log else "unset logscale y\nset yrange [0:*]"
        panels.append("%s\nset title '%s: median, min-max'\nplot %s" % (scale, title, lines))
    for term, end in (("svg", "svg"), ("pngcairo", "png")):
        script = PLOT.format(term=term, out="%s.%s" % (base, end), n=len(panels), height=400 * len(panels), panels="\n".join(panels))
        try:
            r = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
        except FileNotFoundError:
            return "gnuplot: not there (tools/setup bench)"
        if r.returncode != 0:
            return "gnuplot: " + r.stderr.strip()[-200:]
    return None


def results_md(path, workload, body):
    """Put BODY between the markers of WORKLOAD in the file at PATH."""
    begin, end = "<!-- compare %s: begin -->" % workload, "<!-- compare %s: end -->" % workload
    text = host.read(path) if os.path.exists(path) else "# Results\n"
    if begin not in text:
        text = text.rstrip("\n") + "\n\n" + begin + "\n" + end + "\n"
    head, rest = text.split(begin, 1)
    tail = rest.split(end, 1)[1]
    with open(path + ".new", "w") as f:
        f.write(head + begin + "\n" + body.strip("\n") + "\n" + end + tail)
    os.rename(path + ".new", path)


def without_out(argv):
    """The arguments less --out: a directory of one machine says nothing to others."""
    return [a for i, a in enumerate(argv) if not a.startswith("--out") and (i == 0 or argv[i - 1] != "--out")]


def section(workload, results, argv, when):
    """The text of one workload for RESULTS.md."""
    peers = report_qos.TITLES.get(workload, "Compared with OVS-DPDK and testpmd-io")
    out = ["## %s: %s" % (peers, workload), "", "%s; %s." % (when, host.machine_line()), host.package_versions() + ".", "",
           "    tools/bench/compare " + shlex.join(without_out(argv)), ""]
    for t in tables(results):
        out += [markdown_table(t), ""]
    lists = (("Bars", bars(results)), ("Against the baseline", results.against_baseline()), ("Remarks", results.remarks()))
    for title, lines in lists:
        if lines:
            out += [title + ":", ""] + ["- " + s for s in lines] + [""]
    return "\n".join(out)
