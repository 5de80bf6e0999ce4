#!/usr/bin/python3
"""Run the packet cases, two at a time. Usage: run.py [WORD]   only cases whose name has WORD"""
import importlib, multiprocessing, os, sys, traceback
sys.path.insert(0, os.path.dirname(__file__))
import harness

for f in sorted(os.listdir(os.path.join(os.path.dirname(__file__), "cases"))):
    if f.endswith(".py"):
        importlib.import_module("cases." + f[:-3])


def name_of(fn):
    return fn.__module__.split(".")[-1] + ": " + fn.__name__.replace("_", " ")


def run(i):
    """returns what went wrong in case I; None = nothing"""
    try:
        harness.CASES[i]()
        return None
    except Exception as e:
        return str(e) or traceback.format_exc()


failed = passed = 0
chosen = [i for i, fn in enumerate(harness.CASES) if len(sys.argv) < 2 or sys.argv[1] in name_of(fn)]
with multiprocessing.Pool(min(2, os.cpu_count())) as pool:
    for i, said in zip(chosen, pool.imap(run, chosen)):
        if said is None:
            passed += 1
            print("ok      packet", name_of(harness.CASES[i]), flush=True)
        else:
            failed += 1
            print("FAILED  packet", name_of(harness.CASES[i]), flush=True)
            print("    " + "\n    ".join(said.splitlines()), flush=True)
print("packet: %d passed, %d failed" % (passed, failed))
sys.exit(1 if failed else 0)
