"""An iSCSI server that says what it is told to, and a client that listens; just as much of RFC 7143 as logging in and discovery need.

    iscsi_says.py serve ADDRESS:PORT redirect TARGET-ADDRESS...   each login is sent on: the first one to the first address, and so on
    iscsi_says.py serve ADDRESS:PORT targets TARGET-ADDRESS...    one target at all of those; discovery logs in and asks
    iscsi_says.py serve ADDRESS:PORT garbage SEED                 64 KiB of anything
    iscsi_says.py ask ADDRESS:PORT login|targets [TIMES]          prints the text that came back, one pair a line
    iscsi_says.py send ADDRESS:PORT SEED KIB                      anything, until it is done or the server has enough
    iscsi_says.py write ADDRESS:PORT TARGET DEPTH                 writes of 1 KiB to LUN 1, so many at a time, for ever: each is a frame
"""
import random
import socket
import struct
import sys

LOGIN, LOGIN_ANSWER, TEXT, TEXT_ANSWER = 0x03, 0x23, 0x04, 0x24
HEAD = 48


def endpoint(text):
    address, port = text.rsplit(":", 1)
    return address, int(port)


def exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def receive(s):
    """(header, text) of the next PDU."""
    head = exactly(s, HEAD)
    size = int.from_bytes(head[5:8], "big")
    return head, exactly(s, 4 * head[4] + size + -size % 4)[4 * head[4]:][:size]


def pdu(head, text):
    return head[:4] + struct.pack("!I", len(text)) + head[8:] + text + b"\0" * (-len(text) % 4)


def pairs(**values):
    return b"".join(("%s=%s" % kv).encode() + b"\0" for kv in values.items())


def login_answer(request, status, text):
    """The answer to a login request: the session goes on at once to its full feature phase, or to where the text says."""
    itt, cmdsn = request[16:20], request[24:28]
    goes_on = 0x87 if status == 0 else 0x00  # T, CSG 1, NSG 3
    head = struct.pack("!BBBBI6sH4sIIIIH10x", LOGIN_ANSWER, goes_on, 0, 0, 0, request[8:14], 1, itt, 0, 1,
                       int.from_bytes(cmdsn, "big"), int.from_bytes(cmdsn, "big") + 8, status)
    return pdu(head, text)


def text_answer(request, text):
    cmdsn = int.from_bytes(request[24:28], "big")
    return pdu(struct.pack("!BBHI8s4sIIII12x", TEXT_ANSWER, 0x80, 0, 0, b"\0" * 8, request[16:20], 0xFFFFFFFF, 2, cmdsn + 1, cmdsn + 8), text)


def serve(at, kind, words):
    server = socket.create_server(endpoint(at), backlog=512)
    print("ready", flush=True)
    n = 0
    while True:
        s, _ = server.accept()
        with s:
            s.settimeout(5)
            try:
                if kind == "garbage":
                    s.sendall(random.Random(int(words[0])).randbytes(65536))
                    continue
                request, _ = receive(s)
                if kind == "redirect":
                    s.sendall(login_answer(request, 0x0101, pairs(TargetAddress=words[n % len(words)])))
                    n += 1
                    continue
                s.sendall(login_answer(request, 0, pairs(TargetPortalGroupTag=1)))
                request, _ = receive(s)
                s.sendall(text_answer(request, pairs(TargetName="iqn.2026-11.weir.lab:1") + b"".join(pairs(TargetAddress=w) for w in words)))
            except (EOFError, OSError):
                pass


def ask(at, what, times=1):
    for _ in range(int(times)):
        with socket.create_connection(endpoint(at), 5) as s:
            head = struct.pack("!BBBBI6sHIHHII16x", 0x40 | LOGIN, 0x87, 0, 0, 0, b"\x80\0\0\0\0\1", 0, 7, 0, 0, 1, 0)
            s.sendall(pdu(head, pairs(InitiatorName="iqn.2026-11.weir.lab:asks", SessionType="Discovery")))
            text = receive(s)[1]
            if what == "targets":
                s.sendall(pdu(struct.pack("!BBHI8sIIII16x", 0x40 | TEXT, 0x80, 0, 0, b"\0" * 8, 8, 0xFFFFFFFF, 2, 1), pairs(SendTargets="All")))
                text += receive(s)[1]
            print(text.decode(errors="replace").replace("\0", "\n"), end="")


def send(at, seed, kib):
    try:
        with socket.create_connection(endpoint(at), 5) as s:
            s.sendall(random.Random(int(seed)).randbytes(1024 * int(kib)))
    except (BrokenPipeError, ConnectionResetError):
        pass


def write_command(n):
    cdb = struct.pack("!BBIBHB6x", 0x2A, 0, 2 * n % 16384, 0, 2, 0)
    return pdu(struct.pack("!BBH4xQIIII", 0x01, 0xA1, 0, 1 << 48, n, 1024, n, 0) + cdb, bytes(1024))


def write(at, target, depth):
    with socket.create_connection(endpoint(at), 5) as s:
        s.settimeout(60)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = struct.pack("!BBBBI6sHIHHII16x", 0x40 | LOGIN, 0x87, 0, 0, 0, b"\x80\0\0\0\0\2", 0, 1, 1, 0, 1, 0)
        s.sendall(pdu(head, pairs(InitiatorName="iqn.2026-11.weir.lab:writes", TargetName=target, SessionType="Normal", HeaderDigest="None",
                                  DataDigest="None", InitialR2T="No", ImmediateData="Yes")))
        if receive(s)[0][36] != 0:
            sys.exit("login failed")
        for n in range(1, depth + 1):
            s.sendall(write_command(n))
        while True:
            if receive(s)[0][0] & 0x3F == 0x21:
                n += 1
                s.sendall(write_command(n))


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] not in ("serve", "ask", "send", "write"):
        sys.exit(__doc__)
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        {"ask": ask, "send": send}[sys.argv[1]](*sys.argv[2:])
