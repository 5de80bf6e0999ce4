"""Datagrams at a rate, until killed: qos_flood.py ADDRESS PORT BIT/S [SIZE]

The rate is on the wire: 66 bytes a datagram (UDP, IP and Ethernet headers, FCS, preamble, gap) beside its SIZE."""
import select
import signal
import socket
import sys
import time

TICK_S = 0.002


def main(address, port, bits_per_s, size=1400):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    s.connect((address, port))
    per_s = bits_per_s / (8 * (size + 66))
    data = bytes(size)
    start, sent = time.monotonic(), 0
    while True:
        now = time.monotonic()
        due = int((now - start) * per_s)
        if due - sent > per_s * 0.1:  # late by a tenth of a second: what was not sent is not made up for
            start, sent, due = now, 0, 0
        while sent < due:
            try:
                s.send(data)
                sent += 1
            except BlockingIOError:  # the guest's own queue is full, as when the switch does not poll it
                select.select([], [s], [], TICK_S)
                break
            except ConnectionRefusedError:
                pass
        time.sleep(TICK_S)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
main(sys.argv[1], *(int(a) for a in sys.argv[2:]))
