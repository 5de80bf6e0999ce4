from harness import *

A, B = mac(1), mac(2)


def two(in_device, out_device, mtu=1500):
    """A guest that leaves work, and one that can take it or not; both pinned, so frames go straight."""
    return config([port("a", device=in_device, mtu=mtu), port("b", device=out_device, mtu=mtu)], vms=[vm("v", [nic(0, A, "a")]), vm("w", [nic(0, B, "b")])])


def frame(v6, l4, load, vlan=None):
    ip = IPv6(src="2001:db8::1", dst="2001:db8::2") if v6 else IP(src="10.0.0.1", dst="10.0.0.2", id=77)
    return Ether(src=A, dst=B) / ip / l4 / load


def unfinished(f):
    """The frame as a guest sends it: pseudo-header sum where the checksum belongs."""
    good = Ether(bytes(f))
    bad = bytearray(bytes(f))
    off = 14 + (40 if IPv6 in f else 20) + (16 if TCP in f else 6)
    bad[off:off + 2] = b"\x12\x34"
    return bytes(bad), bytes(good)


@case
def missing_checksums_are_finished_for_a_port_that_needs_them():
    pairs = [unfinished(frame(v6, l4, b"payload" * n)) for v6 in (False, True) for l4 in (TCP(sport=1, dport=2), UDP(sport=1, dport=2)) for n in (0, 1, 150)]
    res = run(two("test,rx-csum", "test"), [(i, "a", bad) for i, (bad, _) in enumerate(pairs)])
    frames_are(res.out["b"], [Raw(good) for _, good in pairs])
    same(res.counter("b", "csum_pkts"), len(pairs))


@case
def missing_checksums_pass_untouched_to_a_guest_that_takes_them():
    bad, _ = unfinished(frame(False, TCP(sport=1, dport=2), b"x" * 50))
    res = run(two("test,rx-csum", "test,csum"), [(0, "a", bad)])
    same([f.hex() for f in res.out["b"]], [bad.hex()])
    same(res.counter("b", "csum_pkts"), 0)


@case
def a_checksum_of_zero_is_sent_as_ffff_in_udp():
    # Searched: a payload for which the sum is zero.
    base = frame(False, UDP(sport=1, dport=2, chksum=0), b"\0\0")
    s = Ether(bytes(frame(False, UDP(sport=1, dport=2), b"\0\0")))[UDP].chksum
    f = frame(False, UDP(sport=1, dport=2, chksum=0), struct.pack("!H", s))
    res = run(two("test,rx-csum", "test"), [(0, "a", f)])
    same(Ether(res.out["b"][0])[UDP].chksum, 0xffff)


def cut(v6, n, segsz, flags="PA", opts=(), mtu=1500):
    load = bytes(i * 7 & 255 for i in range(n))
    big = frame(v6, TCP(sport=1, dport=2, seq=0xfffffff0, ack=9, flags=flags, options=list(opts)), load)
    res = run(two("test,rx-csum,rx-tso=%d" % segsz, "test", mtu), [(0, "a", big)])
    return res, load, big


@case
def super_frames_are_cut_for_a_port_that_cannot_take_them():
    for v6 in (False, True):
        for opts in ((), [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]):
            res, load, _ = cut(v6, 20000, 1400, opts=opts)
            segs = [Ether(f) for f in res.out["b"]]
            same(len(segs), 15)
            got, seq = b"", 0xfffffff0
            for i, s in enumerate(segs):
                same(s[TCP].seq, seq & 0xffffffff)
                want = Ether(bytes(s))
                for layer in (IP, TCP):
                    if layer in want:
                        del want[layer].chksum
                same(bytes(Ether(bytes(want))).hex(), bytes(s).hex(), "checksums of segment %d" % i)
                same(str(s[TCP].flags), "PA" if i == len(segs) - 1 else "A")
                same(s[TCP].options, segs[0][TCP].options)
                if not v6:
                    same(s[IP].id, 77 + i)
                part = bytes(s[TCP].payload)
                got += part
                seq += len(part)
            assert got == load, "the payload arrived whole and in order"
            same(res.counter("b", "tso_pkts"), 1)
            same(res.counter("b", "copied_out_pkts"), 14)


@case
def cwr_is_on_the_first_segment_and_fin_on_the_last():
    res, _, _ = cut(False, 4000, 1400, flags="FPAC")
    same([str(Ether(f)[TCP].flags) for f in res.out["b"]], ["AC", "A", "FPA"])


@case
def super_frames_pass_whole_to_a_guest_that_takes_them():
    big = frame(False, TCP(sport=1, dport=2), b"x" * 30000)
    res = run(two("test,rx-tso=1448", "test,csum,tso4"), [(0, "a", big)])
    frames_are(res.out["b"], [big])
    big6 = frame(True, TCP(sport=1, dport=2), b"x" * 30000)
    res = run(two("test,rx-tso=1428", "test,csum,tso4"), [(0, "a", big6)])
    same(len(res.out["b"]), 22, "IPv6 is cut where only TSO4 is taken")


@case
def offload_requests_that_do_not_fit_are_refused_by_name():
    udp_big = frame(False, UDP(sport=1, dport=2), b"x" * 5000)
    tiny = frame(False, TCP(sport=1, dport=2), b"x" * 60000)
    res = run(two("test,rx-tso=1400", "test"), [(0, "a", udp_big)])
    same((res.out["b"], res.drops("b")), ([], {"offload_invalid": 1}))
    res = run(two("test,rx-tso=8", "test"), [(0, "a", tiny)])  # 7,500 segments
    same((res.out["b"], res.drops("b")), ([], {"offload_invalid": 1}))
    icmp = Ether(src=A, dst=B) / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP()
    res = run(two("test,rx-csum", "test"), [(0, "a", icmp)])
    same((res.out["b"], res.drops("b")), ([], {"offload_invalid": 1}))


@case
def jumbo_segments_are_cut_into_large_buffers():
    res, load, _ = cut(False, 60000, 8900, mtu=9000)
    same(b"".join(bytes(Ether(f)[TCP].payload) for f in res.out["b"]) == load, True)
    same(len(res.out["b"]), 7)


@case
def requests_are_checked_also_where_the_far_side_would_take_them():
    big = lambda l4: frame(False, l4, b"x" * 9000)
    takes = "test,csum,tso4,tso6"
    for device, f, why in (("test,rx-tso=1400", big(UDP(sport=1, dport=2)), "offload_invalid"),
                           ("test,rx-tso=20", big(TCP(sport=1, dport=2)), "offload_invalid"),
                           ("test,rx-tso=1900", big(TCP(sport=1, dport=2)), "mtu_exceeded"),
                           ("test,rx-csum", Ether(src=A, dst=B) / IP(src="10.0.0.1", dst="10.0.0.2", frag=4) / (b"x" * 40), "offload_invalid")):
        for out in (takes, "test"):
            res = run(two(device, out), [(0, "a", f)])
            same((res.out["b"], res.drops("b")), ([], {why: 1}), device + " to " + out)


@case
def no_frame_is_larger_than_an_ip_packet_can_be():
    f = bytes(frame(False, TCP(sport=1, dport=2), b"x" * 60000)) + b"\0" * 20000
    res = run(two("test,rx-tso=1400", "test"), [(0, "a", f)])
    same((res.out["b"], res.drops("a")), ([], {"l2_oversize": 1}))


@case
def super_frames_to_groups_are_refused():
    f = Ether(src=A, dst="01:00:5e:00:00:01") / IP(src="10.0.0.1", dst="224.0.0.1") / TCP() / (b"x" * 9000)
    res = run(two("test,rx-tso=1400", "test"), [(0, "a", f)])
    same((res.out["b"], res.drops("a")), ([], {"offload_invalid": 1}))


@case
def a_small_mss_is_cut_too():
    res, load, _ = cut(False, 60000, 88)
    assert b"".join(bytes(Ether(f)[TCP].payload) for f in res.out["b"]) + b"" == load[:88 * len(res.out["b"])], "in order"
    same(len(res.out["b"]) + res.drops("b").get("vm_quota", 0), 682)
