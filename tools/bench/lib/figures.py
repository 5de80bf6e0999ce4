"""What a trial of `qos`, `qoscost` or `qosloop` comes to, from the generator's streams and windows. Rates are bits on the wire."""
from host import BUSY_MIN, GEN_IDLE_MIN
from policy import FRAMING, IO_BYTES, wire_bytes

LINK_FULL = 0.97


def wire_bps(stream, seconds):
    return (stream["rx_bits_per_s"] * seconds + 8 * FRAMING * stream["rx_pkts"]) / seconds


def share_error(got, parts):
    """The largest error of anyone's part of what all of them got, as a part of what it should be."""
    total, whole = sum(got.get(s, 0) for s in parts), sum(parts.values())
    return max(abs(got.get(s, 0) / total / (w / whole) - 1) for s, w in parts.items()) if total else 1.0


def limit_error(got, parts):
    return max(abs(got.get(s, 0) / w - 1) for s, w in parts.items())


def latency(r, words, prefix=""):
    """Percentiles in us; of several streams the worst."""
    for key, word in (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p999"), ("max_us", "max")):
        r[prefix + key] = max((w["latency_ns"].get(word, 0.0) for w in words), default=0.0) / 1000


def storage(r, s):
    latency(r, [s])
    r["storage_bps"] = s["ios_per_s"] * IO_BYTES * 8
    r["timeouts"] = s["lost_ios"]


def uplink(r, got, load, seconds):
    """Who got what of it. What arrives there and is no bulk is storage's, heads included."""
    p, port = load.policy, r["all_ports"][-1]
    bulk = {s: got[s] for s in got if s.startswith("bulk")}
    carried = 8 * (port["rx_bytes"] + FRAMING * port["rx_pkts"]) / seconds
    got.setdefault("storage", max(0.0, carried - sum(bulk.values())))
    r["bulk_bps"], r["uplink_bps"] = sum(bulk.values()), carried
    if not p or not p.rate:
        return
    r["uplink_share"] = carried / p.rate
    if bulk:
        r["floor_worst"] = min((sum(v for s, v in w.items() if s in bulk) / t for t, w in r["windows"]), default=0.0) / p.bulk_floor()
    if "storage" in r["streams"] and p.reservation:
        r["storage_of_reservation"] = got["storage"] / p.reservation


def limit_from(r):
    """Who held the rate down: the generator if it had no time left, the link if it was full, the switch if it was busy all the time."""
    if r["gen_idle"] < GEN_IDLE_MIN:
        return "generator"
    if r.get("uplink_share", 0) >= LINK_FULL:
        return "link"
    return "switch" if r["busy"] >= BUSY_MIN else "nothing"


def figures(r, cell, load):
    """Add to the trial R of CELL with LOAD what its kind reports."""
    seconds, streams = r["measured_s"], r["streams"]
    got = {name: wire_bps(s, seconds) for name, s in streams.items() if s["kind"] == "flood"}
    if streams.get("storage", {}).get("kind") == "iscsi":
        storage(r, streams["storage"])
    if cell.kind in ("qos", "loop"):
        uplink(r, got, load, seconds)
        r["bound"] = limit_from(r)
    if cell.kind == "cost":
        latency(r, list(streams.values()))
        if load.policy and cell.part_of:
            r["of_rate"] = r["rx_pps"] * 8 * wire_bytes(load.size) / (2 * load.policy.rate)  # two links
        r["sent_cycles"] = r["cycles"] * r["switch_pps"] / r["rx_pps"]  # per frame that arrived: those dropped are paid by the others
    others = [s for name, s in streams.items() if name.startswith("to") and int(name[2:]) < 6]
    if others:
        latency(r, others, "others_")
        r["others_pps"] = sum(s["rx_pps"] for s in others)
    if cell.parts:
        windows = [w for _, w in r["windows"]]
        if load.policy.limits or load.policy.queued:
            per_s = [{s: v / t for s, v in w.items()} for t, w in r["windows"]]
            r["limit_err"], r["limit_err_window"] = limit_error(got, cell.parts), max(limit_error(w, cell.parts) for w in per_s)
        else:
            r["share_err"] = share_error(got, cell.parts)
            r["share_err_window"] = max(share_error(w, cell.parts) for w in windows)
