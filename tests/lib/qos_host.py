"""What the QoS measurements share: namespaces, the machine's own state, medians and percentiles."""
import atexit
import os
import signal
import statistics
import subprocess
import sys
import time

LAB = os.environ["LAB_T"]
SERVER, SERVER_LINK = os.environ["LAB_SERVER"], os.environ["LAB_SRV"]
WIRE = 24  # FCS, preamble and gap of a frame


def guest(name):
    return "weir" + name + os.environ["LAB_ID"]


def run(ns, *argv, timeout=60, check=True):
    """Run a command in a namespace; its output. A time that is over ends it, and is no error."""
    p = start(ns, *argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        out, _ = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        stop(p)
        return (p.stdout.read() or b"").decode(errors="replace")
    if check and p.returncode != 0:
        raise RuntimeError("%s: exit code %d: %s" % (" ".join(argv), p.returncode, out.decode(errors="replace")))
    return out.decode(errors="replace")


def start(ns, *argv, **options):
    p = subprocess.Popen(["ip", "netns", "exec", ns] + list(argv), stdin=subprocess.DEVNULL, **options)
    running.append(p)
    return p


def end():
    """Nothing outlives the measurement, however it ends."""
    for p in running:
        if p.poll() is None:
            p.kill()
            p.wait()


running = []
atexit.register(end)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def stop(p, grace=2):
    p.terminate()
    try:
        p.wait(grace)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


def flood(ns, address, bits_per_s):
    here = os.path.dirname(os.path.abspath(__file__))
    return start(ns, "/usr/bin/python3", here + "/qos_flood.py", address, "9", str(bits_per_s))


def weir(*words):
    return subprocess.run([os.environ["WEIR"], *words], check=True, capture_output=True, text=True).stdout


def wire_bytes():
    """Received so far by the uplink's far end, as they count on the wire; and when."""
    d = "/sys/class/net/%s/statistics/" % SERVER_LINK
    rx_bytes, rx_packets = run(SERVER, "cat", d + "rx_bytes", d + "rx_packets").split()
    return int(rx_bytes) + WIRE * int(rx_packets), time.monotonic()


class Machine:
    """How idle the CPUs were, and what the host took from this machine, since it was made."""

    def __init__(self):
        self.before = self.read()

    @staticmethod
    def read():
        with open("/proc/stat", encoding="ascii") as f:
            lines = [l.split() for l in f if l.startswith("cpu") and l[3].isdigit()]
        return [[int(n) for n in l[1:9]] for l in lines]

    def said(self):
        """As text: idle share of each CPU, and the steal of all of them."""
        delta = [[a - b for a, b in zip(now, then)] for now, then in zip(self.read(), self.before)]
        idle = ["%.0f" % (100 * (d[3] + d[4]) / max(1, sum(d))) for d in delta]
        return "idle %s %%, steal %.1f %%" % ("/".join(idle), 100 * sum(d[7] for d in delta) / max(1, sum(map(sum, delta))))


def median(values):
    return statistics.median(values)


def percentile(values, p):
    v = sorted(values)
    return v[min(len(v) - 1, int(len(v) * p / 100))]
