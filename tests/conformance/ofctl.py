#!/usr/bin/python3
"""ovs-ofctl of Debian's openvswitch-common says every command that applies, and is answered.

    ofctl.py [--target weir|ovs] [--verbose]

A row: the command, what its output must and must not match, and what a look at the switch must show afterwards. Not asked: snoop (a socket of
OVS's own bridge), dump-ipfix, ct and tlv-map (extensions of OVS), set-frags reassemble, bundle of packet-outs."""
import argparse, os, re, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import lab  # noqa: E402

V13, V14 = "OpenFlow13", "OpenFlow14"
FLOWS = "table=0,priority=10,tcp,nw_dst=10.0.0.1,tp_dst=80 actions=output:2\ntable=0,priority=20,arp actions=FLOOD\ntable=1,priority=5,ipv6 actions=CONTROLLER:65535\n"
REPLACED = "table=0,priority=10,tcp,nw_dst=10.0.0.1,tp_dst=80 actions=output:3\ntable=0,priority=30,udp actions=output:2\n"
BUNDLE = "flow add table=3,priority=1,ip,actions=output:1\nflow add table=3,priority=2,arp,actions=output:2\ngroup add group_id=900,type=all,bucket=output:2\n"
BAD_BUNDLE = "flow add table=4,priority=1,ip,actions=output:1\nflow add table=4,priority=2,ip,actions=group:4000\n"
DUMP = ["dump-flows"]
ROWS = [  # command (SW is the switch, @NAME a file), output must match, or must not (after !), and then: another command and what it shows
    (["show", "SW"], r"dpid:0000000000000001\nn_tables:(6[4-9]|[7-9]\d|[12]\d\d), n_buffers:0\n(.*\n)+ 1\(.*\n(.*\n)+ 2\(", None, None),
    (["dump-desc", "SW"], r"Manufacturer: .+\nHardware: .+\nSoftware: .+", None, None),
    (["dump-tables", "SW"], r"table 0.*\n.*active=0, lookup=\d+, matched=\d+", None, None),
    (["dump-table-features", "SW"], r"table 0.*", None, None),
    (["dump-ports", "SW"], r"port +1: rx pkts=\d+, bytes=\d+.*\n +tx pkts=\d+", None, None), (["dump-ports", "SW", "2"], r"port +2: rx pkts=\d+", None, None),
    (["dump-ports-desc", "SW"], r" 1\(.*\): addr:[0-9a-f:]{17}\n +config: +0\n", None, None), (["get-frags", "SW"], "normal", None, None), (["probe", "SW"], r"^$", None, None), (["ping", "SW", "64"], r"64 bytes from .*", None, None),
    (["mod-port", "SW", "2", "no-forward"], "", ["dump-ports-desc", "SW"], r" 2\(.*\n +config: +NO_FWD"), (["mod-port", "SW", "2", "forward"], "", ["dump-ports-desc", "SW"], r" 2\(.*\n +config: +0\n"),
    (["add-flow", "SW", "table=2,priority=7,cookie=0x55,idle_timeout=600,in_port=1,dl_vlan=5,actions=pop_vlan,set_field:02:00:00:00:00:01->eth_dst,output:2"], "", ["dump-flows", "SW", "table=2"],
     r"cookie=0x55, duration=\S+, table=2, n_packets=0, n_bytes=0, idle_timeout=600, priority=7,in_port=\S+,dl_vlan=5 actions=pop_vlan,set_field:02:00:00:00:00:01->eth_dst,output:\S+"),
    (["add-flows", "SW", "@flows"], "", ["dump-flows", "SW"], r"priority=10,tcp,nw_dst=10.0.0.1,tp_dst=80 actions=output:\S+[\s\S]*priority=20,arp actions=FLOOD|priority=20,arp actions=FLOOD[\s\S]*tp_dst=80"),
    (["diff-flows", "SW", "@flows"], r"^-?table=2|^-", None, None), (["dump-aggregate", "SW"], r"flow_count=4", None, None), (["dump-aggregate", "SW", "table=1"], r"flow_count=1", None, None),
    (["mod-flows", "SW", "table=0,tcp,actions=output:3"], "", ["dump-flows", "SW", "tcp"], r"actions=output:(3|\S*te3\S*|nte3)"), (["--strict", "del-flows", "SW", "table=0,priority=20,arp"], "", ["dump-flows", "SW", "table=0"], r"!arp"),
    (["del-flows", "SW", "cookie=0x55/-1"], "", ["dump-flows", "SW"], "!0x55"), (["replace-flows", "SW", "@replaced"], "", ["diff-flows", "SW", "@replaced"], r"^$"), (["dump-flows", "SW", "out_port=3"], r"tp_dst=80", None, None),
    (["add-group", "SW", "group_id=7,type=select,bucket=weight:3,output:2,bucket=weight:1,output:3"], "", ["dump-groups", "SW"], r"group_id=7,type=select,bucket=bucket_id:\d+,weight:3,actions=output:\S+|group_id=7,type=select,bucket=weight:3,actions=output:\S+"),
    (["add-group", "SW", "group_id=8,type=ff,bucket=watch_port:2,output:2,bucket=watch_port:3,output:3"], "", ["dump-groups", "SW", "8"], r"group_id=8,type=ff,bucket=.*watch_port:\S+,actions=output:\S+"),
    (["mod-group", "SW", "group_id=7,type=all,bucket=output:3"], "", ["dump-groups", "SW", "7"], r"group_id=7,type=all,bucket=.*output:\S+"), (["dump-group-stats", "SW", "group_id=7"], r"group_id=7,duration=\S+,ref_count=0,packet_count=0,byte_count=0,bucket0:packet_count=0", None, None),
    (["dump-group-features", "SW"], r"Group table:\n +Types: +0xf\n", None, None), (["del-groups", "SW", "group_id=8"], "", ["dump-groups", "SW"], "!group_id=8"),
    (["add-meter", "SW", "meter=3,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=77"], "", ["dump-meters", "SW"], r"meter=3 kbps burst stats bands=\n?type=drop rate=1000 burst_size=77"),
    (["mod-meter", "SW", "meter=3,pktps,bands=type=drop,rate=50"], "", ["dump-meter", "SW", "meter=3"], r"meter=3 pktps bands=\n?type=drop rate=50"), (["meter-stats", "SW"], r"meter:3 flow_count:0 packet_in_count:0", None, None),
    (["meter-features", "SW"], r"max_meter:\d+ max_bands:\d+", None, None), (["add-flow", "SW", "table=6,ip,actions=meter:3,output:2"], "", ["meter-stats", "SW", "meter=3"], r"flow_count:1"), (["del-meter", "SW", "meter=3"], "", ["dump-meters", "SW"], "!meter=3"),
    (["queue-stats", "SW"], r"OFPST_QUEUE reply", None, None), (["packet-out", "SW", "in_port=CONTROLLER packet=0200000000020200000000010800" + "00" * 50 + " actions=output:2"], "", None, None),
    (["-O", V14, "--bundle", "add-flows", "SW", "@flows"], "", ["dump-flows", "SW"], r"priority=20,arp"), (["-O", V14, "bundle", "SW", "@bundle"], "", ["dump-groups", "SW"], r"group_id=900"),
    (["!", "-O", V14, "bundle", "SW", "@bad_bundle"], r"OFPBAC_BAD_OUT_GROUP", ["dump-flows", "SW", "table=4"], "!actions"),
    (["!", "add-flow", "SW", "table=0,ip,actions=group:4000"], r"OFPBAC_BAD_OUT_GROUP", None, None), (["benchmark", "SW", "100", "200"], r"200 packets|Finished. Sent 200|sent|ms", None, None), (["del-flows", "SW"], "", ["dump-aggregate", "SW"], r"flow_count=0"),
]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--target", choices=lab.TARGETS, default="weir")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    lab.own_namespace()
    bad = 0
    with lab.Lab() as the_lab:
        if args.target == "weir":
            switch = "unix:%s/of.sock" % the_lab.dir
            the_lab.weir(["te1", "te2", "te3"], listen=switch, version14=True)
        else:
            the_lab.target("ovs", 3)
            the_lab.vsctl("set", "bridge", "target", "protocols=OpenFlow13,OpenFlow14")
            switch = "unix:%s/target.mgmt" % the_lab.dir
        files = {"@flows": FLOWS, "@replaced": REPLACED, "@bundle": BUNDLE, "@bad_bundle": BAD_BUNDLE}
        for name, text in files.items():
            with open(the_lab.dir + "/" + name[1:], "w") as f:
                f.write(text)

        def say(words):
            words = [switch if w == "SW" else the_lab.dir + "/" + w[1:] if w in files else w for w in words]
            version = [] if "-O" in words else ["-O", V13]
            r = subprocess.run(["timeout", "10", "ovs-ofctl", "--timeout=5"] + version + words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
            return r.returncode, r.stdout.decode(errors="replace")
        for row in ROWS:
            said = one(row, say, args.verbose)
            if said:
                bad += 1
                print("FAILED " + said, flush=True)
        said = monitor(the_lab, switch)
        if said:
            bad += 1
            print("FAILED " + said)
    print("%d of %d commands are answered as they should be" % (len(ROWS) + 1 - bad, len(ROWS) + 1))
    return 1 if bad else 0


def one(row, say, verbose):
    words, pattern, then, shows = row
    refused = words[0] == "!"
    code, out = say(words[1:] if refused else words)
    name = " ".join(words)
    if verbose:
        print("$ ovs-ofctl %s\n%s" % (name, out))
    may_differ = "diff-flows" in words  # 2 is its way to say "differ"
    if (code != 0) != refused and not (may_differ and code == 2):
        return "%s: exit code %d: %s" % (name, code, out.strip()[-300:])
    if not re.search(pattern, out.strip("\n"), re.M):
        return "%s: %r does not match %r" % (name, out[:500], pattern)
    if then:
        code, out = say(then)
        found = re.search(shows.lstrip("!"), out.strip("\n"), re.M)
        if (not found) != shows.startswith("!"):
            return "%s: then %s shows %r, which %s %r" % (name, " ".join(then), out[:600], "matches" if found else "does not match", shows.lstrip("!"))
    return None


def monitor(the_lab, switch):
    """monitor: a service connection that asks for packet-ins gets them"""
    import frames
    sh = ["timeout", "10", "ovs-ofctl", "--timeout=8", "-O", V13]
    subprocess.run(sh + ["add-flow", switch, "dl_type=0x1234,actions=CONTROLLER:65535"], check=False)
    p = the_lab.start("monitor", sh + ["monitor", switch, "65534"], {"OVS_RUNDIR": the_lab.dir})
    time.sleep(0.5)
    frames.Link("te1").send(bytes.fromhex("020000000002020000000001") + b"\x12\x34" + bytes(50))
    try:
        lab.until("monitor prints the packet-in", 5, lambda: "PACKET_IN" in the_lab.log_of("monitor"))
    except lab.LabError as e:
        return "%s: %s" % (e, the_lab.log_of("monitor")[-300:])
    finally:
        the_lab.end(p)
    return None


if __name__ == "__main__":
    lab.run(main)
