#!/usr/bin/python3
"""The requirements of OpenFlow 1.3.5, a row each with its clause, on a switch that runs: messages by a raw connection, frames in and out
compared bit by bit.  Usage: requirements.py [--target weir|ovs] [--only WORD] [--verbose]

Ends with "N of M requirements hold". Rows are in rows_*.py; REQUIREMENTS lists them. Exit code: 0 = all hold."""
import argparse, os, struct, sys, time, traceback

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
sys.dont_write_bytecode = True
import lab  # noqa: E402

PORT, N_PORTS = 6655, 4


class Switch:
    """The switch under test as a row sees it: .c the connection, .bench its links"""

    def __init__(self, connection, bench, which, the_lab):
        import client
        self.c, self.bench, self.which, self.lab = connection, bench, which, the_lab
        self.at_start = connection.ask(client.of.OFPGetConfigRequest(client.DP))[0]  # nobody has set anything

    def reset(self):
        import client
        self.c.asynchronous = []
        self.c.ok(client.of.OFPSetConfig(client.DP, 0, 0xFFFF), lambda c: c.send_raw(28, struct.pack("!IIIIII", 7, 7, 7, 7, 15, 15)))  # a service connection asks for what it wants
        self.c.ok(*client.delete_all(), client.mark_rule(N_PORTS))
        if self.which == "ovs":
            self.settle()
        for link in self.bench.links.values():
            link.drain()

    def settle(self):
        """OVS answers a barrier before its caches follow (Weir does not): the oracle is given the time that it needs"""
        self.lab.appctl("revalidator/purge")

    def rules(self, *messages):
        self.c.ok(*messages)
        if self.which == "ovs":
            self.settle()

    def frames(self, frames_in, expected, port=1):
        """expected: {port: [frames]}; on all other ports nothing"""
        got = self.bench.through(frames_in if isinstance(frames_in, list) else [frames_in], port)
        for p in sorted(got):
            want = expected.get(p, [])
            if sorted(got[p]) != sorted(want):  # flows may overtake each other
                raise AssertionError("port %d: expected %s, got %s" % (p, hexes(want), hexes(got[p])))

    def packet_in(self, frame, port=1):
        """Send it and read the packet-in, an os-ken message"""
        import client
        self.bench.links[port].send(frame)
        return client.parse(self.c.expect(lambda m: m[1] == 10, 3))


def hexes(frames):
    return "[%s]" % ", ".join(f.hex() for f in frames)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--target", choices=lab.TARGETS, default="weir")
    p.add_argument("--only", default="", help="rows whose clause or text contains this")
    p.add_argument("--verbose", action="store_true")
    return p.parse_args()


def main():
    args = arguments()
    lab.own_namespace()
    import client
    import frames
    import rows_actions, rows_basic, rows_errors, rows_matches, rows_onf, rows_state  # noqa: E401
    rows = [r for part in (rows_matches, rows_actions, rows_errors, rows_state, rows_basic, rows_onf) for r in part.rows() if args.only in r[0] or args.only in r[1]]
    started, good = time.monotonic(), 0
    with lab.Lab() as the_lab:
        far = the_lab.target(args.target, N_PORTS, listen="tcp:127.0.0.1:%d" % PORT)
        switch = Switch(client.Client.to("tcp:127.0.0.1:%d" % PORT), frames.Bench(far, 0.02 if args.target == "ovs" else 0), args.target, the_lab)
        for clause, text, check in rows:
            try:
                switch.reset()
                check(switch)
                good += 1
                if args.verbose:
                    print("ok      %-8s %s" % (clause, text))
            except Exception as e:  # whatever goes wrong in a row is that row's result
                said = str(e) if isinstance(e, (AssertionError, TimeoutError)) else "".join(traceback.format_exception(e)[-3:]).strip()
                print("FAILED  %-8s %s\n        %s" % (clause, text, said[:600] or type(e).__name__), flush=True)
                switch.c.close()
                switch.c = client.Client.to("tcp:127.0.0.1:%d" % PORT)
        if args.target == "weir":
            the_lab.weir_conserved()
    print("%d of %d requirements hold (%.0f s)" % (good, len(rows), time.monotonic() - started))
    return 0 if good == len(rows) and rows else 1


if __name__ == "__main__":
    lab.run(main)
