"""The machine: CPUs, hugepages, processes that end with us, and what disturbed a measurement."""
import ctypes, hashlib, os, shutil, signal, statistics, subprocess, tempfile, time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("WEIR_BUILD", os.path.join(TOP, "build"))
CPU_REST, CPU_DATA = 0, 1  # generator and everything else; exactly one data-plane thread
HUGE = "/proc/sys/vm/nr_hugepages"
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
BUSY_MIN, GEN_IDLE_MIN = 0.98, 0.05  # a data-plane thread that has no more to give; a generator that has
# Shares of one CPU's time that may go elsewhere, and how slow the CPU may compute against the run's best. (How fast it copies
# is only written down: on a shared host that changes by half from one second to the next.)
STEAL_MAX, FOREIGN_MAX, PREEMPTED_MAX, COMPUTE_MIN = 0.005, 0.02, 0.01, 0.9
DATA_THREADS = ("rte-worker", "lcore-worker", "pmd-c")


class BenchError(Exception):
    """What failed, its value, the reason: becomes the text of a cell."""


class NotPossible(BenchError):
    """A limit of a peer, known beforehand: the cell says so, and nothing has failed."""


def say(text):
    print("== " + text, flush=True)


def read(path):
    with open(path) as f:
        return f.read()


def field(text, word):
    """The first number behind WORD in /proc's style of table."""
    for line in text.splitlines():
        if line.startswith(word):
            return float(line.split(":")[1].split()[0])
    return 0.0


def tsc_hz():
    """From the kernel's BogoMIPS: twice the TSC's rate wherever the kernel takes its delay loop from the TSC."""
    return field(read("/proc/cpuinfo"), "bogomips") / 2 * 1e6


def _die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A program of ours: output in a log, its input open so that an interactive one waits for commands."""

    def __init__(self, name, argv, log, cpus=(CPU_REST, CPU_DATA), env=None, stdout=None):
        if shutil.which(argv[0]) is None:
            raise BenchError("%s: %s: not there (tools/setup build bench, ninja -C build)" % (name, argv[0]))
        self.name, self.log = name, log
        argv = ["taskset", "-c", ",".join(map(str, cpus))] + argv
        with open(log, "ab") as out:
            self.child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=stdout or out, stderr=out, bufsize=0, start_new_session=True,
                                          env={**os.environ, **(env or {})}, preexec_fn=_die_with_parent)
        self.pid = self.child.pid

    def alive(self):
        return self.child.poll() is None

    def check(self):
        if not self.alive():
            raise BenchError("%s: ended with %s: %s" % (self.name, self.child.returncode, self.last_words()))

    def last_words(self):
        lines = [s.strip() for s in read(self.log).splitlines() if s.strip()]
        bad = [s for s in lines if any(w in s.lower() for w in ("error", "fail", "cannot", "invalid"))]
        return (bad or lines or ["it said nothing"])[-1][-160:]

    def tell(self, line):
        try:
            self.child.stdin.write((line + "\n").encode())
        except BrokenPipeError:
            self.check()
            raise BenchError("%s: does not read its input" % self.name)

    def pause(self):
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self):
        os.killpg(self.pid, signal.SIGCONT)

    def stop(self, grace=5.0):
        if self.alive():
            self.resume()  # what stands still does not end before that
            self.child.terminate()
        try:
            self.child.wait(grace)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdin.close()

    def ticks(self):
        try:
            f = read("/proc/%d/stat" % self.pid).rsplit(")", 1)[1].split()
        except FileNotFoundError:
            return 0
        return int(f[11]) + int(f[12])

    def threads(self):
        """(thread id, name, CPUs) of every thread."""
        out = []
        for tid in map(int, os.listdir("/proc/%d/task" % self.pid)):
            try:
                out.append((tid, read("/proc/%d/task/%d/comm" % (self.pid, tid)).strip(), os.sched_getaffinity(tid)))
            except (ProcessLookupError, FileNotFoundError):
                pass  # it has ended meanwhile
        return out


def settle(process):
    """Everything but the data-plane thread to CPU_REST; returns that thread's id."""
    threads = process.threads()
    data = [tid for tid, name, cpus in threads if cpus == {CPU_DATA} and name.startswith(DATA_THREADS)]
    if len(data) != 1:
        raise BenchError("%s: %d data-plane threads on CPU %d, exactly one expected: %s" % (process.name, len(data), CPU_DATA, threads))
    for tid, _, _ in threads:
        if tid != data[0]:
            os.sched_setaffinity(tid, {CPU_REST})
    return data[0]


def wait_for(what, seconds, condition, *processes):
    """Until CONDITION() is true; gives up when a process ends."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        for p in processes:
            p.check()
        if time.monotonic() > end:
            raise BenchError("%s: not within %g s" % (what, seconds))
        time.sleep(0.05)


class Host:
    """Begin and end of a run. Everything started or taken here is given back by close()."""

    def __init__(self):
        if os.geteuid() != 0:
            raise BenchError("this needs root (hugepages, CPU binding, a private network namespace)")
        if not {CPU_REST, CPU_DATA} <= os.sched_getaffinity(0):
            raise BenchError("CPUs %d and %d are needed, this process may use %s" % (CPU_REST, CPU_DATA, sorted(os.sched_getaffinity(0))))
        self.dir = tempfile.mkdtemp(prefix="weir-bench.")
        self.processes, self.pages, self.n_dirs, self.before = [], 0, 0, {}
        self.fastest_s = {}
        os.sched_setaffinity(0, {CPU_REST})

    def new_dir(self):
        self.n_dirs += 1
        path = "%s/%d" % (self.dir, self.n_dirs)
        os.mkdir(path)
        return path

    def start(self, name, argv, directory, **more):
        p = Process(name, argv, "%s/%s.log" % (directory, name.replace(" ", "-")), **more)
        self.processes.append(p)
        return p

    def stop(self, process):
        if process in self.processes:
            process.stop()
            self.processes.remove(process)

    def hugepages(self, mib):
        """Have MIB in free pages of 2 MiB, or say that there are not."""
        free = int(field(read("/proc/meminfo"), "HugePages_Free"))
        want = max(0, mib // 2 - free)
        before = int(read(HUGE))
        with open(HUGE, "w") as f:
            f.write(str(before + want))
        self.pages += int(read(HUGE)) - before
        free = int(field(read("/proc/meminfo"), "HugePages_Free"))
        if free < mib // 2:
            say("hugepages: %d MiB wanted, %d MiB free: some programs may run in ordinary memory or not start" % (mib, free * 2))

    def setting(self, path, value):
        """Set a parameter of the kernel until close()."""
        try:
            before = read(path)
            with open(path, "w") as f:
                f.write(value)
            self.before.setdefault(path, before)
        except OSError as e:
            say("%s: %s: as it is, then" % (path, e.strerror))

    def speed(self):
        """How fast CPU_DATA computes and copies now, as shares of this run's best: what the host's other guests take shows nowhere else."""
        small, large, copy = bytes(1 << 20), bytes(16 << 20), bytearray(16 << 20)
        jobs = {"compute": lambda: hashlib.sha256(small).digest(), "copy": lambda: copy.__setitem__(slice(None), large)}
        shares = {}
        os.sched_setaffinity(0, {CPU_DATA})
        for name, job in jobs.items():
            times = []
            for _ in range(15):
                at = time.perf_counter()
                job()
                times.append(time.perf_counter() - at)
            now_s = statistics.median(times)
            self.fastest_s[name] = min(now_s, self.fastest_s.get(name, now_s))
            shares[name] = self.fastest_s[name] / now_s
        os.sched_setaffinity(0, {CPU_REST})
        return shares

    def close(self):
        for p in reversed(self.processes):
            p.stop(2.0)
        self.processes = []
        for path, value in self.before.items():
            with open(path, "w") as f:
                f.write(value)
        self.before = {}
        shutil.rmtree(self.dir, ignore_errors=True)
        if self.pages:  # our share only: somebody else may have taken pages meanwhile
            pages, self.pages = self.pages, 0
            left = max(0, int(read(HUGE)) - pages)
            with open(HUGE, "w") as f:
                f.write(str(left))


class Disturbance:
    """Between two looks: time stolen by the hypervisor, used by others, and waited for by the data-plane thread."""

    def __init__(self, host, data_tid, in_kernel=False):
        self.host, self.data_tid, self.in_kernel = host, data_tid, in_kernel
        self.before = self._look()

    def _look(self):
        cpus = {}
        for line in read("/proc/stat").splitlines():
            if line.startswith("cpu") and line.split()[0][3:] in (str(CPU_REST), str(CPU_DATA)):
                cpus[line.split()[0]] = list(map(int, line.split()[1:9]))
        user, nice, system, _, _, irq, softirq, steal = (sum(c) for c in zip(*cpus.values()))
        t = os.times()
        ours = sum(p.ticks() for p in self.host.processes) + (t.user + t.system + t.children_user + t.children_system) * TICKS
        if self.in_kernel:  # such a switch works in interrupts too
            ours += irq + softirq
        try:
            waited = int(read("/proc/%d/schedstat" % self.data_tid).split()[1])
        except (FileNotFoundError, ProcessLookupError):
            waited = 0
        return {"at": time.monotonic(), "steal": steal, "busy": user + nice + system + irq + softirq, "ours": ours, "waited": waited}

    def result(self):
        """Shares of one CPU's time: steal (of both), foreign (of one), preempted (of the data-plane thread)."""
        now, was = self._look(), self.before
        d = {k: now[k] - was[k] for k in now}
        return {"steal": d["steal"] / (2 * d["at"] * TICKS), "foreign": max(0.0, (d["busy"] - d["ours"]) / (d["at"] * TICKS)),
                "preempted": d["waited"] / 1e9 / d["at"]}


def disturbed(r):
    """What disturbed a trial or a slice, in words; "" if nothing did."""
    found = [(name, r[name]) for name, most in (("steal", STEAL_MAX), ("foreign", FOREIGN_MAX), ("preempted", PREEMPTED_MAX)) if r[name] > most]
    slow = [("compute speed", r["compute"])] if r.get("compute", 1.0) < COMPUTE_MIN else []
    return ", ".join("%s %.1f %%" % (n, 100 * v) for n, v in found + slow)


def machine_line():
    cpu = [s.split(":")[1].strip() for s in read("/proc/cpuinfo").splitlines() if s.startswith("model name")]
    return "%s, %d CPUs, TSC %.0f MHz, Linux %s" % (cpu[0], len(cpu), tsc_hz() / 1e6, os.uname().release)


def package_versions():
    out = []
    for p in ("openvswitch-switch-dpdk", "dpdk-dev", "libdpdk-dev", "gcc"):
        r = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", p], capture_output=True, text=True)
        out.append("%s %s" % (p, r.stdout if r.returncode == 0 else "missing"))
    commit = subprocess.run(["git", "-C", TOP, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True).stdout.strip()
    return ", ".join(["weir " + (commit or "unknown")] + out)


def peers_install():
    """The peers from Debian; a service that the package starts of itself is stopped again."""
    had = os.path.exists("/usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk")
    if subprocess.run([TOP + "/tools/setup", "build", "bench"]).returncode != 0:
        say("not every package could be installed: the cells that need one will say so")
    if not had and os.path.isdir("/run/systemd/system"):
        subprocess.run(["systemctl", "disable", "--now", "--quiet", "openvswitch-switch"])
        say("the service openvswitch-switch of the new package is stopped and disabled")
