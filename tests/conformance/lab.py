"""A lab of OpenFlow switches in a network namespace of its own: the switch under test (Weir, or Open vSwitch to try the lab
itself), its links, and Open vSwitch as the tester's far side. Everything ends with the lab, also after Ctrl-C and kill."""
import ctypes, json, os, shutil, signal, socket, subprocess, sys, tempfile, time

TOP = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "../.."))
BUILD = os.environ.get("WEIR_BUILD", TOP + "/build")
TARGETS = ("weir", "ovs")
NO_OFFLOADS = "tx off rx off gso off gro off tso off rxvlan off txvlan off".split()


class LabError(Exception):
    """The lab could not be built: says what is missing."""


def own_namespace():
    """Start this program again in a network namespace of its own, once."""
    if "WEIR_OFLAB" not in os.environ:
        os.environ["WEIR_OFLAB"] = "1"
        os.execvp("unshare", ["unshare", "-n", "--", sys.executable, "-B"] + sys.argv)
    sh("ip", "link", "set", "lo", "up")


def run(main):
    """The whole of a program: ends with what main says, or with the reason why there is no lab."""
    try:
        sys.exit(main())
    except LabError as e:
        print("%s: %s" % (os.path.basename(sys.argv[0])[:-len(".py")], e), file=sys.stderr)
        sys.exit(1)


def sh(*argv):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    if r.returncode:
        raise LabError("%s: %s" % (" ".join(argv), r.stdout.decode(errors="replace").strip()))
    return r.stdout.decode(errors="replace")


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def until(what, seconds, test):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if test():
            return
        time.sleep(0.05)
    raise LabError("%s: not within %g s" % (what, seconds))


def quiet(dev):
    """A link that carries nothing but what a test sends."""
    with open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % dev, "w") as f:
        f.write("1")
    subprocess.run(["ethtool", "-K", dev] + NO_OFFLOADS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # not each has each
    sh("ip", "link", "set", dev, "up", "arp", "off")


class Lab:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="weir-oflab.")
        self.processes, self.db, self.at_end = [], None, []

    def __enter__(self):
        for s in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, lambda *_: sys.exit(130))
        return self

    def __exit__(self, *_):
        for p in reversed(self.processes):
            self.end(p)
        for f in self.at_end:
            f()
        keep = os.environ.get("WEIR_OFLAB_KEEP")
        if keep:
            shutil.copytree(self.dir, keep, dirs_exist_ok=True, ignore=lambda d, names: [n for n in names if not n.endswith((".log", ".json"))])
        shutil.rmtree(self.dir, ignore_errors=True)

    def end(self, p):
        if p.poll() is None:
            p.terminate()
            try:
                p.wait(5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()

    def start(self, name, argv, env=None, **more):
        log = open("%s/%s.log" % (self.dir, name), "ab")
        p = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent,
                             env=dict(os.environ, **(env or {})), **more)
        log.close()
        self.processes.append(p)
        return p

    def log_of(self, name):
        with open("%s/%s.log" % (self.dir, name), errors="replace") as f:
            return f.read()

    # --- Open vSwitch, its userspace datapath: as tester, as peer, as oracle

    def ovs(self):
        if self.db:
            return
        d, self.db = self.dir, "unix:%s/db.sock" % self.dir
        self.ovs_env = {"OVS_RUNDIR": d, "OVS_LOGDIR": d, "OVS_DBDIR": d, "OVS_SYSCONFDIR": d}
        sh("ovsdb-tool", "create", d + "/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
        self.start("ovsdb", ["ovsdb-server", "--no-chdir", "--pidfile=%s/db.pid" % d, "--remote=p" + self.db, "--unixctl=%s/db.ctl" % d, d + "/conf.db"], self.ovs_env)
        until("ovsdb-server", 10, lambda: os.path.exists(d + "/db.sock"))
        sh("ovs-vsctl", "--db=" + self.db, "--no-wait", "init")
        self.start("vswitchd", ["ovs-vswitchd", "--no-chdir", "--disable-system", "--pidfile=%s/vs.pid" % d, "--unixctl=%s/vs.ctl" % d, self.db], self.ovs_env)
        until("ovs-vswitchd", 10, lambda: os.path.exists(d + "/vs.ctl"))

    def vsctl(self, *argv):
        return sh("ovs-vsctl", "--db=" + self.db, "--timeout=20", *argv)

    def appctl(self, *argv):
        """As ovs-appctl, without a process each time"""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.dir + "/vs.ctl")
            s.sendall(json.dumps({"id": 0, "method": argv[0], "params": list(argv[1:])}).encode())
            said, decoder = "", json.JSONDecoder()
            while True:
                said += s.recv(65536).decode()
                try:
                    reply = decoder.raw_decode(said)[0]
                except ValueError:
                    continue
                if reply.get("error"):
                    raise LabError("ovs-appctl %s: %s" % (" ".join(argv), reply["error"]))
                return reply["result"]

    def ovs_bridge(self, name, dpid, devices, controller=None, protocols="OpenFlow13", options=()):
        """devices: of ports 1, 2, ..."""
        self.ovs()
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail-mode=secure", "protocols=" + protocols,
                   "other-config:datapath-id=%016x" % dpid, "other-config:disable-in-band=true", *options)
        for i, dev in enumerate(devices, 1):
            self.vsctl("add-port", name, dev, "--", "set", "Interface", dev, "ofport_request=%d" % i)
        if controller:
            self.vsctl("set-controller", name, controller)

    # --- Weir

    def weir(self, devices, controller=None, listen=None, dpid=1, fail_mode="secure", more=None, name="weir", guests=None, version14=False, kind="tap", openflow=None):
        """devices: taps that the switch makes, or kind="af-packet", which are ports 1, 2, ... in this order. controller: tcp:ADDRESS:PORT; listen: the same or unix:PATH; openflow: more of its configuration"""
        # One uplink, the others guests that nothing is held against: NORMAL does not forward between uplinks.
        interfaces = [{"name": d, "type": "weir-interfaces:guest", "weir-interfaces:port": {
            "device": ("net_tap%d,iface=%s" if kind == "tap" else "net_af_packet%d,iface=%s") % (i, d), "vlan-mode": "transparent",
            "admit": {"enabled": False}}} for i, d in enumerate(devices)]
        interfaces[0].update({"type": "weir-interfaces:uplink", "weir-interfaces:port": {kind: devices[0], "vlan-mode": "transparent"}})
        interfaces += guests or []
        config = {"ietf-interfaces:interfaces": {"interface": interfaces}}
        config.update(openflow_config(dpid, fail_mode, controller, listen))
        config["weir-openflow:openflow"].update({"version-1.4": version14}, **(openflow or {}))
        config.update(more or {})
        path, self.weir_socket = "%s/%s.json" % (self.dir, name), "%s/%s.sock" % (self.dir, name)
        with open(path, "w") as f:
            json.dump(config, f, indent=1)
        p = self.start(name, [BUILD + "/control/weir-switchd", "-c", path, "-s", self.weir_socket, "-y", TOP + "/config/yang", "--no-huge"])
        try:
            until("weir-switchd", 20, lambda: p.poll() is not None or self.weir_says("ping") is not None)
        except LabError:
            pass
        if p.poll() is not None or self.weir_says("ping") is None:
            raise LabError("weir-switchd did not start: " + "\n".join(self.log_of(name).splitlines()[-5:]))
        self.weir_process = p
        for d in devices if kind == "tap" else ():
            quiet(d)
        return p

    def weir_says(self, *words):
        r = subprocess.run([BUILD + "/tools/weir"] + list(words), env=dict(os.environ, WEIR_SOCKET=self.weir_socket), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        return r.stdout.decode(errors="replace") if r.returncode == 0 else None

    def weir_conserved(self):
        """Is every frame accounted for?"""
        def now():
            said = self.weir_says("--json", "show", "system")
            return said and json.loads(said)["weir-system:system-state"]["conserved"]
        until("frames are accounted for", 5, now)

    def veth(self, a, b):
        sh("ip", "link", "add", a, "type", "veth", "peer", "name", b)
        self.at_end.append(lambda: subprocess.run(["ip", "link", "del", a], stderr=subprocess.DEVNULL))  # it may have gone with a namespace
        quiet(a), quiet(b)

    # --- The switch under test, whichever it is

    def target(self, which, n_ports=3, controller=None, listen=None, dpid=1, prefix="te", veth=False):
        """Ports 1..n; their far ends are the devices PREFIX1, PREFIX2, ... returns these. veth: also of Weir, since a tap cannot move to another namespace"""
        far = ["%s%d" % (prefix, i) for i in range(1, n_ports + 1)]
        if which == "weir" and not veth:
            self.weir(far, controller, listen, dpid)
            return far
        near = ["n" + d for d in far]
        for a, b in zip(near, far):
            self.veth(a, b)
        if which == "weir":
            self.weir(near, controller, listen, dpid, kind="af-packet")
            return far
        self.ovs_bridge("target", dpid, near, controller or (passive(listen) if listen else None))
        return far


def passive(listen):
    kind, address, port = listen.split(":")
    return "p%s:%s:%s" % (kind, port, address)


def openflow_config(dpid, fail_mode, controller, listen):
    """The module weir-openflow. controller: tcp:ADDRESS:PORT; listen: the same, or unix:PATH"""
    of = {"enabled": True, "datapath-id": "%016x" % dpid, "fail-mode": fail_mode}
    if controller:
        kind, address, port = controller.split(":")
        of["controller"] = [{"name": "c0", "address": address, "port": int(port), "protocol": kind}]
    if listen and listen.startswith("unix:"):
        of["listener"] = [{"name": "l0", "unix": listen[5:]}]
    elif listen:
        kind, address, port = listen.split(":")
        of["listener"] = [{"name": "l0", "address": address, "port": int(port), "protocol": kind}]
    return {"weir-openflow:openflow": of}
