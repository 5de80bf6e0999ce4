"""Many machines that read a disk by iSCSI, as boot ROMs do: iscsi_storm.py LAB-ID ADDRESS TARGET MIB GUEST...

Each guest is a namespace weirGUESTLAB-ID. It logs in with iPXE's name and segment size, and reads so many MiB, one command of 32 KiB after
the other. Prints a line per guest, seconds since the start: its name, its end, the median and the slowest of its commands in ms."""
import ctypes
import os
import socket
import statistics
import struct
import sys
import threading
import time

from iscsi_says import HEAD, LOGIN, exactly, pairs, pdu

COMMAND, ANSWER, DATA_IN, NOP_IN = 0x01, 0x21, 0x25, 0x20
BLOCK, BLOCKS = 512, 64
SECTORS = 32768  # of the lab's disk
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


def connect(ns, address):
    """A connection from a namespace; only the calling thread goes there."""
    fd = os.open("/run/netns/" + ns, os.O_RDONLY)
    try:
        if libc.setns(fd, CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns " + ns)
    finally:
        os.close(fd)
    return socket.create_connection((address, 3260), 120)


def answer(s):
    """(header, bytes of data) of the next PDU; what it carries is not looked at."""
    head = exactly(s, HEAD)
    size = int.from_bytes(head[5:8], "big")
    left = 4 * head[4] + size + -size % 4
    while left:
        got = len(s.recv(min(left, 65536)))
        if not got:
            raise Failed("the server hung up")
        left -= got
    return head, size


def login(s, guest, target):
    head = struct.pack("!BBBBI6sHIHHII16x", 0x40 | LOGIN, 0x87, 0, 0, 0, b"\x80\0\0" + os.urandom(3), 0, 1, 1, 0, 1, 0)
    s.sendall(pdu(head, pairs(InitiatorName="iqn.2010-04.org.ipxe:" + guest, TargetName=target, SessionType="Normal", HeaderDigest="None",
                              DataDigest="None", InitialR2T="Yes", ImmediateData="No", MaxRecvDataSegmentLength=8192)))
    head, _ = answer(s)
    if head[36] != 0 or head[1] & 0x83 != 0x83:
        raise Failed("login: status %d.%d, flags %02x" % (head[36], head[37], head[1]))


def read(s, n, lba):
    cdb = struct.pack("!BBIBHB6x", 0x28, 0, lba, 0, BLOCKS, 0)
    s.sendall(struct.pack("!BBH4xQIIII", COMMAND, 0xC1, 0, 1 << 48, n, BLOCK * BLOCKS, n, 0) + cdb)
    got = 0
    while True:
        head, size = answer(s)
        op = head[0] & 0x3F
        if op == DATA_IN:
            got += size
        if (op == DATA_IN and head[1] & 1) or op == ANSWER:
            if head[3] == 0x02 and n < 5:
                return False  # a unit attention, as first commands meet
            if head[3] != 0 or got != BLOCK * BLOCKS:
                raise Failed("command %d: status %d, %d bytes" % (n, head[3], got))
            return True
        if op not in (DATA_IN, NOP_IN):
            raise Failed("command %d: operation %02x" % (n, op))


def boot(lab, guest, address, target, commands):
    """Times of its commands in ms."""
    took, n = [], 1  # what logged in was immediate, and took no number
    with connect("weir" + guest + lab, address) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        login(s, guest, target)
        while len(took) < commands:
            begun = time.monotonic()
            if read(s, n, (len(took) * BLOCKS) % (SECTORS - BLOCKS)):
                took.append(1000 * (time.monotonic() - begun))
            n += 1
    return took


def main(lab, address, target, mib, *guests):
    begun, failed = time.monotonic(), []

    def one(guest):
        try:
            took = boot(lab, guest, address, target, int(mib) * 1024 * 1024 // (BLOCK * BLOCKS))
            line = "%s %.2f %.2f %.2f\n" % (guest, time.monotonic() - begun, statistics.median(took), max(took))
            os.write(1, line.encode())  # whole, beside those of others
        except (Failed, OSError, EOFError) as e:
            failed.append(guest)
            print("%s failed after %.2f s: %s" % (guest, time.monotonic() - begun, e), file=sys.stderr, flush=True)

    threads = [threading.Thread(target=one, args=(g,), daemon=True) for g in guests]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
