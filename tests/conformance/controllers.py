#!/usr/bin/python3
"""Controllers not written here drive a switch with four hosts in namespaces: our applications on os-ken's API (apps/), and Debian's
ovs-testcontroller.  Usage: controllers.py [--target weir|ovs] [--only learning|policy|testcontroller]. Exit code: 0 = all is as it should be."""
import argparse, os, re, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import lab  # noqa: E402

HERE = os.path.dirname(os.path.realpath(__file__))
PORT, N = 6654, 4


class Hosts:
    """Four hosts, each a process in a network namespace of its own that holds a far end"""

    def __init__(self, the_lab, far, static=True):
        self.pids = []
        for i, dev in enumerate(far, 1):
            p = the_lab.start("host%d" % i, ["unshare", "-n", "sleep", "600"])
            lab.until("namespace of host %d" % i, 5, lambda: os.readlink("/proc/%d/ns/net" % p.pid) != os.readlink("/proc/self/ns/net"))
            self.pids.append(p.pid)
            lab.sh("ip", "link", "set", dev, "down")
            lab.sh("ip", "link", "set", dev, "netns", str(p.pid), "name", "e0")
            for words in (["link", "set", "lo", "up"], ["link", "set", "e0", "address", "02:00:00:00:01:%02x" % i], ["link", "set", "e0", "up", "arp", "on"], ["addr", "add", "10.0.0.%d/24" % i, "dev", "e0"]):
                self.run(i, "ip", *words)
            self.run(i, "ethtool", "-K", "e0", "tx", "off")
            for j in range(1, N + 1) if static else ():
                if j != i:
                    self.run(i, "ip", "neigh", "add", "10.0.0.%d" % j, "lladdr", "02:00:00:00:01:%02x" % j, "dev", "e0")

    def enter(self, i):
        return ["nsenter", "-t", str(self.pids[i - 1]), "-n"]

    def run(self, i, *argv):
        return lab.sh(*self.enter(i), *argv)

    def ping(self, i, j, count=1):
        return subprocess.run(self.enter(i) + ["ping", "-q", "-c", str(count), "-i", "0.05", "-W", "1", "10.0.0.%d" % j], stdout=subprocess.DEVNULL).returncode == 0


def need(truth, what):
    if not truth:
        raise AssertionError(what)


def app(the_lab, name):
    the_lab.start(name, ["osken-manager", "--ofp-listen-host", "127.0.0.1", "--ofp-tcp-listen-port", str(PORT), "%s/apps/%s.py" % (HERE, name)])
    lab.until("the application %s is connected: %s" % (name, the_lab.log_of(name)[-300:]), 20, lambda: "READY" in the_lab.log_of(name))


def pings_everywhere(hosts):
    for i in range(1, N + 1):
        for j in range(1, N + 1):
            if i != j:
                lab.until("ping from host %d to host %d" % (i, j), 5, lambda: hosts.ping(i, j))


def learning(the_lab, hosts):
    app(the_lab, "learning")
    pings_everywhere(hosts)
    said = the_lab.log_of("learning")
    before = said.count("PACKET_IN")
    need(before >= 12, "only %d packet-ins" % before)
    need(hosts.ping(1, 2, 20), "20 pings from host 1 to host 2 over learnt flows")
    after = the_lab.log_of("learning").count("PACKET_IN")
    need(after - before <= 6, "%d packet-ins of what has a flow" % (after - before))
    need("ERROR" not in said, "the switch refused: " + " ".join(re.findall("ERROR.*", said)))


def policy(the_lab, hosts):
    app(the_lab, "policy")
    need(hosts.ping(1, 2) and hosts.ping(2, 1) and hosts.ping(1, 3) and hosts.ping(4, 2) and hosts.ping(3, 4), "a ping that the policy allows")
    need(not hosts.ping(1, 4), "host 1 reaches host 4, which it may not")
    at = time.monotonic()
    got = udp_received(hosts, 1, 3, 5001, 1000, 2.0)
    took = time.monotonic() - at  # a starved sender takes longer, or sends in lumps: the bounds hold all the same
    need(10 <= got <= 11 + 100 * took, "%d packets of 2,000 in %.1f s came through a meter of 100/s and 10" % (got, took))
    got = udp_received(hosts, 1, 3, 5002, 500, 0.5)
    need(got >= 240, "%d of 250 packets that no meter holds" % got)
    hosts.run(3, "ip", "addr", "add", "10.0.0.2/32", "dev", "lo")
    hosts.run(2, "ip", "link", "set", "e0", "down")
    lab.until("host 3 answers for host 2", 5, lambda: hosts.ping(1, 2))
    lab.until("the application heard of port 2", 5, lambda: "PORT_STATUS 2" in the_lab.log_of("policy"))
    need("ERROR" not in the_lab.log_of("policy"), "the switch refused: " + " ".join(re.findall("ERROR.*", the_lab.log_of("policy"))))


RECEIVE = "import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ns.bind(('',int(sys.argv[1])))\nprint('up',flush=True)\ns.settimeout(3)\nn=0\ntry:\n while 1:\n  s.recv(100); n+=1; s.settimeout(0.3)\nexcept TimeoutError:\n print(n)"
SEND = "import socket,sys,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nr=float(sys.argv[3]);t=time.monotonic();n=int(r*float(sys.argv[4]))\nfor i in range(n):\n s.sendto(b'x'*50,(sys.argv[1],int(sys.argv[2])))\n d=t+(i+1)/r-time.monotonic()\n if d>0: time.sleep(d)"


def udp_received(hosts, i, j, port, pps, seconds):
    r = subprocess.Popen(hosts.enter(j) + ["/usr/bin/python3", "-c", RECEIVE, str(port)], stdout=subprocess.PIPE, text=True, preexec_fn=lab.end_with_parent)
    r.stdout.readline()
    lab.sh(*hosts.enter(i), "/usr/bin/python3", "-c", SEND, "10.0.0.%d" % j, str(port), str(pps), str(seconds))
    return int(r.communicate(timeout=20)[0])


def testcontroller(the_lab, hosts):
    the_lab.start("testcontroller", ["ovs-testcontroller", "--no-chdir", "--unixctl=%s/tc.ctl" % the_lab.dir, "ptcp:%d:127.0.0.1" % PORT])
    for i in range(1, N + 1):  # it programs what it sees; the first pings may be lost to ARP
        for j in range(1, N + 1):
            if i < j:
                lab.until("ping from host %d to host %d" % (i, j), 15, lambda: hosts.ping(i, j))
    need(hosts.ping(1, 2, 20), "20 pings over its flows")


SCENES = {"learning": learning, "policy": policy, "testcontroller": testcontroller}


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--target", choices=lab.TARGETS, default="weir")
    p.add_argument("--only", choices=sorted(SCENES))
    args = p.parse_args()
    lab.own_namespace()
    bad = 0
    for name, scene in SCENES.items():
        if args.only and name != args.only:
            continue
        at = time.monotonic()
        with lab.Lab() as the_lab:
            try:
                far = the_lab.target(args.target, N, "tcp:127.0.0.1:%d" % PORT, veth=True)
                scene(the_lab, Hosts(the_lab, far, static=name == "policy"))
                if args.target == "weir":
                    the_lab.weir_conserved()
                print("- %s: as it should be (%.0f s)" % (name, time.monotonic() - at), flush=True)
            except (AssertionError, lab.LabError) as e:
                bad += 1
                print("FAILED %s: %s" % (name, e), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    lab.run(main)
