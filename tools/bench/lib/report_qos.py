"""Tables, bars and plots of `qos`, `qoscost` and `qosloop`. Statistics are report.py's."""
import statistics

import report
from policy import MBIT
from workloads import COST_BARS

COLUMNS = ["p50_us", "p99_us", "p999_us", "max_us", "storage_bps", "timeouts", "bulk_bps", "uplink_bps", "uplink_share", "floor_worst",
           "storage_of_reservation", "share_err", "share_err_window", "limit_err", "limit_err_window", "others_pps", "others_p50_us", "others_p99_us",
           "others_p999_us", "switch_pps", "sent_cycles", "of_rate"]
TITLES = {"qos": "QoS beside OVS-DPDK, the kernel and rte_sched", "qoscost": "What policy costs", "qosloop": "QoS in the real loop"}
PANELS = {"qos": [("Storage, p99 of a command, us", "p99_us", 1, True), ("Storage, p99.9 of a command, us", "p999_us", 1, True),
                  ("Bulk, Mbit/s on the wire", "bulk_bps", MBIT, False), ("Busy cycles per packet", "cycles", 1, False)],
          "cost": [("Throughput, Mpps", "rx_pps", 1e6, False), ("Busy cycles per frame that arrived", "sent_cycles", 1, False)]}
P99_BAR, FLOOR_BAR, RATE_BAR = 1.3, 0.95, 0.99
HEADS = {
    "qos": ["workload: cell", "switch", "storage p50 us", "p99", "p99.9", "p99 vs alone", "p99 added us", "storage Mbit/s", "timed out", "bulk Mbit/s",
            "bulk of floor, worst 100 ms", "share error", "uplink used", "cycles/pkt", "steal", "bound by"],
    "cost": ["workload: cell", "switch", "Mpps", "[min-max]", "cycles/frame", "Mpps vs baseline", "cycles vs baseline", "p50 us", "of its rate",
             "arrived", "bound by"],
    "loop": ["experiment", "what", "configured", "measured", "[min-max]", "mark", "", "busy", "steal", "bound by"]}


def values(x, key):
    return [r[key] for r in x.rows if r.get(key) is not None]


def spread(x, key, scale, form):
    """median [min-max], or "-"."""
    v = [g * scale for g in values(x, key)]
    return "%s [%s-%s]" % tuple(form % g for g in (statistics.median(v), min(v), max(v))) if v else "-"


def middle(x, key, scale, form):
    v = values(x, key)
    return form % (statistics.median(v) * scale) if v else "-"


def against(results, cell, switch, key):
    """(ratio, low, high) of a figure to that of the cell's baseline; None without."""
    a, b = (results.sums.get((cell.workload, name, switch)) for name in (cell.name, cell.baseline))
    return report.bootstrap(values(a, key), values(b, key)) if a and b and values(a, key) and values(b, key) else None


def added(results, cell, switch, key):
    a, b = (results.sums.get((cell.workload, name, switch)) for name in (cell.name, cell.baseline))
    return "%.0f" % (statistics.median(values(a, key)) - statistics.median(values(b, key))) if a and b and values(a, key) and values(b, key) else "-"


def interval(got):
    return "%.2f [%.2f-%.2f]" % got if got else "-"


def row_qos(results, c, s, x):
    return [middle(x, "p50_us", 1, "%.0f"), spread(x, "p99_us", 1, "%.0f"), spread(x, "p999_us", 1, "%.0f"),
            interval(against(results, c, s, "p99_us")), added(results, c, s, "p99_us"), spread(x, "storage_bps", 1 / MBIT, "%.0f"), middle(x, "timeouts", 1, "%.0f"),
            spread(x, "bulk_bps", 1 / MBIT, "%.0f"), middle(x, "floor_worst", 100, "%.1f %%"), spread(x, "share_err", 100, "%.1f") + " %" * (
                "share_err" in x.rows[0]), middle(x, "uplink_share", 100, "%.1f %%"), spread(x, "cycles", 1, "%.0f"),
            middle(x, "steal", 100, "%.1f %%"), x.bound()]


def row_cost(results, c, s, x):
    return [middle(x, "rx_pps", 1e-6, "%.3f"), "%.3f-%.3f" % (min(x.pps) / 1e6, max(x.pps) / 1e6), spread(x, "sent_cycles", 1, "%.0f"),
            interval(against(results, c, s, "rx_pps")), interval(against(results, c, s, "sent_cycles")), middle(x, "p50_us", 1, "%.0f"),
            middle(x, "of_rate", 100, "%.1f %%"), "%.1f %%" % (100 * statistics.median(r["rx_pps"] / r["tx_pps"] for r in x.rows)), x.bound()]


def measured(results, cell, switch, m):
    """The figures of a measure, trial by trial, in its unit; against the baseline's median where it says so."""
    v = [g * m.scale for g in values(results.sums[cell.workload, cell.name, switch], m.key)]
    if not m.against:
        return v
    base = results.sums.get((cell.workload, cell.baseline, switch))
    if not base or not values(base, m.key):
        return []
    b = statistics.median(values(base, m.key)) * m.scale
    return [g / b if m.against == "ratio" else g - b for g in v]


def rows_loop(results, c, s, x):
    out = []
    for m in c.measures:
        v = measured(results, c, s, m)
        form = lambda g: "%.4g %s" % (g, m.unit)
        mark = "<= " + form(m.at_most) if m.at_most is not None else ">= " + form(m.at_least) if m.at_least is not None else "-"
        met = ""
        if v and mark != "-":
            met = "met" if (statistics.median(v) <= m.at_most if m.at_most is not None else statistics.median(v) >= m.at_least) else "not met"
        out.append([c.name, m.what, m.configured, form(statistics.median(v)) if v else "not measured",
                    "%.4g-%.4g" % (min(v), max(v)) if v else "-", mark, met, middle(x, "busy", 100, "%.0f %%"), middle(x, "steal", 100, "%.1f %%"),
                    x.bound()])
    return out


def table(results, kind):
    out = [HEADS[kind]]
    for c in [c for c in results.cells if c.kind == kind]:
        for s in results.of(c):
            label, x = "%s: %s" % (c.workload, c.name), results.sums.get((c.workload, c.name, s))
            if not x:
                out.append([c.name if kind == "loop" else label, s, results.runner.errors.get((c.workload, c.name, s), "not run")])
            elif kind == "loop":
                out += rows_loop(results, c, s, x)
            else:
                out.append([label, s] + (row_qos if kind == "qos" else row_cost)(results, c, s, x))
    return out


def verdict(good, low, high, limit, text, x):
    if x.disturbed * 2 > len(x.rows):
        return "NO VERDICT, most trials were disturbed (%s)  " % text
    return "%s (%s%s)  " % ("PASS  " if good else "MISSED", text, ", and the interval spans the bar" if low < limit < high else "")


def bars_qos(results, c):
    x, out = results.sums.get((c.workload, c.name, "weir")), []
    if not x:
        return ["NOT RUN  %s of weir" % c.name]
    got = against(results, c, "weir", "p99_us")
    if got and c.baseline:
        out.append(verdict(got[0] <= P99_BAR, got[1], got[2], P99_BAR, interval(got), x) + "%s: storage's p99 of Weir <= %.1f x alone" % (
            c.name, P99_BAR))
    v = values(x, "floor_worst")
    if v:
        out.append(verdict(statistics.median(v) >= FLOOR_BAR, min(v), max(v), FLOOR_BAR, "%.3f [%.3f-%.3f]" % (statistics.median(v), min(v), max(v)), x) +
                   "%s: bulk of Weir >= %.2f of its floor in the worst 100 ms" % (c.name, FLOOR_BAR))
    return out


def bars_cost(results, c):
    x, size = results.sums.get((c.workload, c.name, "weir")), c.load.size
    by_rate, by_cycles = "offered all" in c.name, "queues at" in c.name
    if not x or not (by_rate or by_cycles):
        return ["NOT RUN  %s" % c.name] if by_rate or by_cycles else []
    kept = COST_BARS[size]
    if by_rate:  # it is rated at the mark and cannot be above
        v = values(x, "of_rate")
        got = (statistics.median(v), min(v), max(v))
        return [verdict(got[0] >= RATE_BAR, got[1], got[2], RATE_BAR, interval(got), x) +
                "%s: throughput >= %.2f of a link's rate of %.2f of that without policy" % (c.name, RATE_BAR, kept)]
    got = against(results, c, "weir", "sent_cycles")
    if not got:
        return ["NOT RUN  %s: no baseline" % c.name]
    got = (1 / got[0], 1 / got[2], 1 / got[1])  # throughput of one core goes as one over its cycles
    return [verdict(got[0] >= kept, got[1], got[2], kept, interval(got), x) + "%s: throughput by busy cycles >= %.2f of that without policy" % (
        c.name, kept)]


def bars(results):
    out = []
    for c in results.cells:
        if c.kind == "qos" and "weir" in results.of(c) and (c.baseline or c.parts):
            out += bars_qos(results, c)
        elif c.kind == "cost" and "weir" in results.of(c):
            out += bars_cost(results, c)
    return out
