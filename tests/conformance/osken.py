#!/usr/bin/python3
"""The switch tester of Debian's python3-os-ken against Weir, or against Open vSwitch to try the lab itself.

    osken.py [--target weir|ovs] [--quick] [--dir DIR] [--only WORD]... [--settle SECONDS] [--mended] [--no-again] [--keep DIR]

Cases are our own (cases.py), or the JSON files below --dir, such as the public ones for OpenFlow 1.3. Failures are tried once more, alone:
the tester loses a packet-in now and then. Checksums of SCTP and rates that fail then too are tried with the tester's own faults put right
(mended_tester.py): what passes so is not the switch's. Each failure is printed with what the tester says of it, and a known cause if there is one.
Exit code: 0 = all pass but those with a known cause that is not the switch's."""
import argparse, json, os, re, sys, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import cases  # noqa: E402
import lab  # noqa: E402

PORT = 6653
REFUSED = r"OFPErrorMsg\[type=0x(02, code=0x00|04, code=0x06|02, code=0x0d)\]"  # unknown action, unknown field in a match, in a set-field
MENDABLE = re.compile(r"unexpected throughput|sctp\(csum=")
MENDED = "the tester's own fault: passes with its clock and its CRC32c put right"
KNOWN = [  # in the description of a public case, and in what the tester says -> why
    (r"pbb|itag|i_sid|isid|PBB", REFUSED, "PBB: Weir has none, and says so"),
    (r"exthdr|ext_hdr|EXTHDR", REFUSED, "IPv6 extension header pseudo-field: Weir has none, and says so"),
    (r"", r"increment in rx_packets in tester", "the tester's own switch had the frame and did not say so"),
    (r"mpls.*icmp|icmp.*mpls", r"internal error|malformed", "the tester cannot decode ICMP behind MPLS"),
]


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--target", choices=lab.TARGETS, default="weir")
    p.add_argument("--dir", help="JSON files of the tester, instead of our own")
    p.add_argument("--quick", action="store_true", help="of our own, what fits in a CI run")
    p.add_argument("--only", action="append", default=[], help="only cases whose file or description contains this")
    p.add_argument("--settle", type=float, default=0, help="wait so long before each frame: tells late from wrong")
    p.add_argument("--mended", action="store_true", help="the tester with its own faults put right, from the first")
    p.add_argument("--no-again", action="store_true", help="do not try failures once more")
    p.add_argument("--keep", help="copy logs there")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


def load(top, only):
    """returns {file: [description of the file, case, ...]}"""
    out = {}
    for where, _, names in os.walk(top):
        for name in sorted(names):
            if name.endswith(".json"):
                path = os.path.relpath(os.path.join(where, name), top)
                with open(os.path.join(where, name)) as f:
                    body = json.load(f)
                label = path
                keep = [c for c in body if isinstance(c, dict) and (not only or any(w in label or w in c["description"] for w in only))]
                if keep:
                    out[path] = keep
    return out


def run_dir(the_lab, run):
    return "%s/run%d" % (the_lab.dir, run)


def lay_down(files, top):
    """Numbered, so that the tester's output can be told apart: descriptions of the public files repeat."""
    index, n = {}, 0
    for path in sorted(files):
        full = os.path.join(top, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        body = [path]
        for c in files[path]:
            n += 1
            index[n] = (path, c)
            body.append(dict(c, description="#%05d#" % n))
        with open(full, "w") as f:
            json.dump(body, f)
    return index


def run_tester(the_lab, index, run, settle, mended):
    """Run what lay_down put into run's directory. returns {number: what the tester said; None = OK}"""
    name, here = "tester%d" % run, os.path.dirname(os.path.realpath(__file__))
    app = here + "/mended_tester.py" if settle or mended else "os_ken.tests.switch.tester"
    p = the_lab.start(name, ["osken-manager", "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(PORT), "--test-switch-target", "%016x" % 1,
                             "--test-switch-tester", "%016x" % 2, "--test-switch-target-version", "openflow13", "--test-switch-tester-version", "openflow13",
                             "--test-switch-dir", run_dir(the_lab, run), app],
                      {"WEIR_OFLAB_SETTLE": str(settle), "WEIR_OFLAB_MENDED": "1" if mended else "0", "PYTHONPATH": here, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"})
    seen, told, quiet_since = 0, {}, time.monotonic()
    while p.poll() is None:
        time.sleep(0.1)
        log = the_lab.log_of(name)
        if len(log) != seen:
            seen, quiet_since = len(log), time.monotonic()
        elif time.monotonic() - quiet_since > 90:  # a rate takes 30 s
            the_lab.end(p)
            print("the tester says nothing for 90 s: its last words are\n" + "\n".join(log.splitlines()[-5:]))
    lines = the_lab.log_of(name).splitlines()
    for i, line in enumerate(lines):
        m = re.match(r"\s+#(\d+)#\s+(OK|ERROR)\s*$", line)
        if m:
            told[int(m.group(1))] = None if m.group(2) == "OK" else lines[i + 1].strip() if i + 1 < len(lines) else "?"
    told_of = ["; " + x.strip() for x in lines if "Test file format error" in x]  # then it leaves out the rest of the file
    for n in index:
        told.setdefault(n, "the tester did not come to it" + "".join(told_of))
    if not any("Test start" in x for x in lines):
        raise lab.LabError("the tester did not start: " + "\n".join(lines[-5:]))
    return told


def cause(path, case, said):
    description = case["description"]
    for where, what, why in KNOWN:
        if re.search(where, path + " " + description) and re.search(what, said):
            return why
    sent = re.search(r"sent (\d+) of (\d+) frames", said)
    if sent and int(sent.group(1)) < 0.95 * int(sent.group(2)):
        return "the tester can send no more than %s of %s frames here" % sent.groups()
    return None


def main():
    args = arguments()
    lab.own_namespace()
    if args.keep:
        os.environ["WEIR_OFLAB_KEEP"] = args.keep
    started = time.monotonic()
    with lab.Lab() as the_lab:
        source = args.dir
        if not source:
            source = the_lab.dir + "/own"
            cases.write_all(source, args.quick)
        files = load(source, args.only)
        if not files:
            raise lab.LabError("no cases in %s" % source)
        controller = "tcp:127.0.0.1:%d" % PORT
        far = the_lab.target(args.target, 3, controller)
        the_lab.ovs_bridge("tester", 2, far, controller)
        index = lay_down(files, run_dir(the_lab, 1))
        told = run_tester(the_lab, index, 1, args.settle, args.mended)
        bad = [n for n, said in told.items() if said]
        if not args.no_again:
            for n in bad:
                print("again: %s: %s\n       %s" % (index[n][0], index[n][1]["description"], told[n][:200]))
            told.update(once_more(the_lab, index, bad, 2, args.settle, args.mended))
        mendable = [n for n in bad if told[n] and MENDABLE.search(told[n])]
        mended = once_more(the_lab, index, mendable, 3, args.settle, True)
        code = report(index, told, mended, len(bad), args)
        if args.target == "weir":
            the_lab.weir_conserved()
    print("%.0f s" % (time.monotonic() - started))
    return code


def once_more(the_lab, index, numbers, run, settle, mended):
    """These cases alone. returns {number: what the tester said}"""
    files = {}
    for n in numbers:
        files.setdefault(index[n][0], []).append(index[n][1])
    if not files:
        return {}
    again = lay_down(files, run_dir(the_lab, run))
    told = run_tester(the_lab, again, run, settle, mended)
    by_case = {(path, id(c)): told[n] for n, (path, c) in again.items()}
    return {n: by_case[index[n][0], id(index[n][1])] for n in numbers}


def report(index, told, mended, n_bad_first, args):
    by_dir, unknown = {}, 0
    for n, said in sorted(told.items()):
        path, c = index[n]
        d = by_dir.setdefault(os.path.dirname(path) or ".", [0, 0])
        d[1 if said else 0] += 1
        if said:
            said = mended.get(n) or said
            why = MENDED if n in mended and not mended[n] else cause(path, c, said)
            unknown += not why
            print("ERROR  %s: %s\n       %s%s" % (path, c["description"], said[:300], "\n       known: " + why if why else ""))
        elif args.verbose:
            print("OK     %s: %s" % (path, c["description"]))
    for d, (good, bad) in sorted(by_dir.items()):
        print("%-24s OK(%d) / ERROR(%d)" % (d, good, bad))
    good = sum(g for g, _ in by_dir.values())
    bad = sum(b for _, b in by_dir.values())
    print("OK(%d) / ERROR(%d), %d of these with a known cause; %d needed a second try" % (good, bad, bad - unknown, n_bad_first - bad))
    return 1 if unknown else 0


if __name__ == "__main__":
    lab.run(main)
