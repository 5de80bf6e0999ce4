#!/usr/bin/python3
"""Run the packet cases. Usage: run.py [WORD]   only cases whose name has WORD"""
import importlib, os, sys, traceback
sys.path.insert(0, os.path.dirname(__file__))
import harness

for f in sorted(os.listdir(os.path.join(os.path.dirname(__file__), "cases"))):
    if f.endswith(".py"):
        importlib.import_module("cases." + f[:-3])
failed = passed = 0
for fn in harness.CASES:
    name = fn.__module__.split(".")[-1] + ": " + fn.__name__.replace("_", " ")
    if len(sys.argv) > 1 and sys.argv[1] not in name:
        continue
    try:
        fn()
        passed += 1
        print("ok      packet", name, flush=True)
    except Exception as e:
        failed += 1
        print("FAILED  packet", name, flush=True)
        print("    " + "\n    ".join((str(e) or traceback.format_exc()).splitlines()), flush=True)
print("packet: %d passed, %d failed" % (passed, failed))
sys.exit(1 if failed else 0)
