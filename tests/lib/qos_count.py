"""What arrives at a device by source address, in bit/s as on a wire: qos_count.py DEVICE SECONDS ADDRESS...

Prints one whole number a line for each address. FCS, preamble and gap count: 24 bytes a frame."""
import socket
import struct
import sys
import time

ETH_P_IP = 0x0800
PACKET_OUTGOING = 4


def main(device, seconds, *addresses):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    s.bind((device, ETH_P_IP))
    s.settimeout(0.1)
    got = dict.fromkeys(addresses, 0)
    frame = bytearray(34)
    began = time.monotonic()
    end = began + float(seconds)
    while time.monotonic() < end:
        try:
            size, where = s.recvfrom_into(frame, 34, socket.MSG_TRUNC)
        except TimeoutError:
            continue
        if where[2] != PACKET_OUTGOING:
            source = socket.inet_ntoa(frame[26:30])
            if source in got:
                got[source] += size + 24
    took = time.monotonic() - began
    lost = struct.unpack("II", s.getsockopt(263, 6, 8))[1]  # SOL_PACKET, PACKET_STATISTICS
    if lost:
        sys.exit("%d frames were not counted: the machine is too busy" % lost)
    print(*(int(8 * n / took) for n in got.values()), sep="\n")


main(*sys.argv[1:])
