"""What tools/bench/bootstorm measured: medians, ranges, ratios, and the bars. usage: bootstorm_report.py FILE"""
import json
import statistics
import sys

runs = {}
for line in open(sys.argv[1]):
    part, who, _, load, text = line.split(" ", 4)
    runs.setdefault((part, who), []).append(dict(json.loads(text), load=float(load)))


def figures(rows, path):
    out = []
    for r in rows:
        for k in path.split("."):
            r = r[k]
        out.append(r)
    return out


def shown(values):
    return "%.1f [%.1f-%.1f]" % (statistics.median(values), min(values), max(values))


COLUMNS = {
    "tftp": (("OFFER p50 ms", "offer_ms.p50"), ("OFFER p99 ms", "offer_ms.p99"), ("OFFER max ms", "offer_ms.max"), ("lease p99 ms", "lease_ms.p99"), ("loader p99 ms", "boot_ms.p99"),
             ("all ms", "total_ms"), ("DHCP timeouts", "dhcp_timeouts"), ("TFTP timeouts", "tftp_timeouts")),
    "http": (("all ms", "total_ms"), ("first byte, last client ms", "first_byte_ms"), ("slowest ms", "slowest_ms")),
}
ok = True
for part in COLUMNS:
    mine = {who: rows for (p, who), rows in runs.items() if p == part}
    if not mine:
        continue
    guests = {r["guests"] for rows in mine.values() for r in rows}
    print("\n| %s, %s guests | done | %s | load before |" % (part, "/".join(map(str, guests)), " | ".join(c for c, _ in COLUMNS[part])))
    print("|---" * (len(COLUMNS[part]) + 3) + "|")
    for who, rows in mine.items():
        print("| %s | %s | %s | %s |" % (who, "/".join(str(r["done"]) for r in rows), " | ".join(shown(figures(rows, p)) for _, p in COLUMNS[part]), shown([r["load"] for r in rows])))
    other = [w for w in mine if w != "weir"][0]
    for name, path in COLUMNS[part]:
        a, b = statistics.median(figures(mine["weir"], path)), statistics.median(figures(mine[other], path))
        if a > 0 and b > 0:
            print("weir / %s, %s: %.2f" % (other, name, a / b))
    bars = [("every guest was served", all(r["done"] == r["guests"] for r in mine["weir"]))]
    if part == "tftp":
        bars += [("OFFER p99 < 50 ms", max(figures(mine["weir"], "offer_ms.p99")) < 50),
                 ("no client timeout", sum(figures(mine["weir"], "dhcp_timeouts") + figures(mine["weir"], "tftp_timeouts")) == 0)]
    for name, met in bars:
        ok &= met
        print("%s %s" % ("PASS  " if met else "MISSED", name))
sys.exit(0 if ok else 1)
