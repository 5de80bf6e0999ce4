"""Is a captured boot what such a client and Weir say to each other, in this order and nothing else? usage: boot_sequence.py CLIENT PCAP
CLIENT: bios-ipxe (S1), ovmf-pxe (S2), ovmf-http (S3). One line per thing that is wrong; exit code 1 if there are any."""
import sys

from scapy.all import BOOTP, DHCP, IP, TCP, UDP, PcapReader

SERVICE, STORAGE = "10.9.0.2", "10.9.0.1"
TYPES = {1: "DISCOVER", 2: "OFFER", 3: "REQUEST", 4: "DECLINE", 5: "ACK", 6: "NAK", 7: "RELEASE", 8: "INFORM"}
TFTP = {1: "RRQ", 2: "WRQ", 3: "DATA", 4: "TACK", 5: "ERROR", 6: "OACK"}
wrong = []


def expect(what, ok):
    if not ok:
        wrong.append(what)


def options(p):
    out = {}
    for o in p[DHCP].options:
        if isinstance(o, tuple):
            out[o[0]] = o[1] if len(o) == 2 else o[1:]
    return out


RAW = {"vendor_class_id": 60, "root_path": 17, "boot-file-name": 67, "vendor_specific": 43, "pxe_client_architecture": 93, "user_class": 77}


def raw(p, code):
    """An option by its number, as bytes; None when it is not there. Not by scapy's names, which differ by version."""
    data = bytes(p[DHCP])
    if data[:4] == b"\x63\x82\x53\x63":
        data = data[4:]
    while data and data[0] != 255:
        if data[0] == 0:
            data = data[1:]
            continue
        if data[0] == code:
            return data[2:2 + data[1]]
        data = data[2 + data[1]:]
    return None


class Step:
    """One thing that was said. word: what, for the order; p: the packet."""

    def __init__(self, word, p):
        self.word, self.p = word, p


def steps(path):
    """The packets as words; several of a kind in a row are one, but for DHCP."""
    out, transfers = [], {}
    for p in PcapReader(path):
        word = None
        if p.haslayer(DHCP):
            kind = options(p).get("message-type")
            word = TYPES.get(kind, "DHCP?")
            if 4011 in (p[UDP].sport, p[UDP].dport):
                word += "-4011"
        elif p.haslayer(UDP) and p.haslayer(IP) and SERVICE in (p[IP].src, p[IP].dst) and not p.haslayer(BOOTP):
            data = bytes(p[UDP].payload)
            if len(data) < 4:
                continue
            word = TFTP.get(data[1])
            if p[UDP].dport == 69:
                transfers[p[UDP].sport] = True
            elif p[UDP].sport not in transfers and p[UDP].dport not in transfers:
                word = "UDP?"
        elif p.haslayer(TCP):
            data = bytes(p[TCP].payload)
            port = p[TCP].dport if p[IP].dst in (SERVICE, STORAGE) else p[TCP].sport
            if port == 80 and data[:4] in (b"GET ", b"HEAD"):
                word = data[:4].decode().strip()
            elif port == 80 and data[:5] == b"HTTP/":
                word = "HTTP-" + data[9:12].decode()
            elif port == 3260 and p[IP].dst == STORAGE and p[TCP].flags == "S":
                word = "SYN-3260"
            elif port == 3260 and data and p[IP].dst == STORAGE and data[0] & 0x3F == 3:
                word = "LOGIN"
            elif port == 3260 and data and data[0] & 0x3F == 0x23:
                word = "LOGIN-%d" % (data[36] if len(data) > 36 else -1)
            elif port == 3260 and data and p[IP].dst == STORAGE and data[0] & 0x3F == 1:
                word = "SCSI"
        if word and (word not in ("DATA", "TACK", "SCSI") or not out or out[-1].word != word):
            if not (word in ("DATA", "TACK") and out and out[-1].word in ("DATA", "TACK")):
                out.append(Step(word, p))
    return out


def take(all_steps, *words):
    """The next steps are these, in this order; others between them are wrong, but for repeats of what the last one was."""
    got, rest = [], all_steps
    for w in words:
        while rest and got and rest[0].word == got[-1].word and rest[0].word != w:
            rest = rest[1:]
        if not rest or rest[0].word != w:
            expect("%s expected, then came: %s" % (w, " ".join(s.word for s in rest[:8]) or "nothing"), False)
            return None, rest
        got.append(rest[0])
        rest = rest[1:]
    return got, rest


def dora(rest):
    """DISCOVER to ACK. A client may ask again while it collects offers."""
    seen = []
    while rest and rest[0].word in ("DISCOVER", "OFFER"):
        seen.append(rest[0])
        rest = rest[1:]
    expect("no DISCOVER and OFFER", len(seen) >= 2)
    while rest and rest[0].word not in ("REQUEST",):
        return None, rest
    got, rest = take(rest, "REQUEST", "ACK")
    if not got:
        return None, rest
    return [seen[0], seen[-1]] + got, rest


def ours(p, what):
    """What every answer has."""
    expect(what + " has no server identifier of ours", raw(p, 54) == bytes(int(x) for x in SERVICE.split(".")))
    expect(what + " is shorter than BOOTP", len(bytes(p[UDP].payload)) >= 300)
    guid = raw(p, 97)
    expect(what + " does not echo the GUID", guid is None or len(guid) == 17)


def san(rest, what):
    """iPXE: an address, and its disk with nothing between: S1."""
    got, rest = dora(rest)
    if not got:
        return expect(what + ": no lease", False)
    discover, offer, request, ack = (s.p for s in got)
    expect(what + ": not iPXE", raw(discover, 175) is not None or b"iPXE" in (raw(discover, 77) or b""))
    for p, name in ((offer, "OFFER"), (ack, "ACK")):
        ours(p, "%s: %s" % (what, name))
        expect("%s: %s without the disk (17): %s" % (what, name, raw(p, 17)), (raw(p, 17) or b"").startswith(b"iscsi:10.9.0.1:"))
        expect("%s: %s without no-pxedhcp (175.176)" % (what, name), b"\xb0\x01\x01" in (raw(p, 175) or b""))
        expect("%s: %s says PXEClient, so iPXE asks port 4011 too" % (what, name), raw(p, 60) is None)
        expect("%s: %s has a file, so iPXE fetches it first" % (what, name), not raw(p, 67) and not p[BOOTP].file.strip(b"\0"))
        expect("%s: %s lease is not infinite" % (what, name), raw(p, 51) == b"\xff\xff\xff\xff")
    expect("%s: addresses differ" % what, offer[BOOTP].yiaddr == ack[BOOTP].yiaddr)
    got, rest = take(rest, "SYN-3260", "LOGIN", "LOGIN-0")
    while rest and rest[0].word in ("LOGIN", "LOGIN-0"):
        rest = rest[1:]
    got, rest = take(rest, "SCSI")
    others = {s.word for s in rest} - {"SCSI", "LOGIN", "LOGIN-0", "SYN-3260"}
    # A second session, as the disk is described and then booted, is the client's business.
    expect("%s: after the login came %s" % (what, sorted(others)), not others)


def bios_ipxe(all_steps):
    san(all_steps, "iPXE")


def tftp(rest, what):
    """EDK2 asks for the size first, and gives that transfer up."""
    got, rest = take(rest, "RRQ", "OACK", "ERROR", "RRQ", "OACK")
    if not got:
        return rest
    request = bytes(got[3].p[UDP].payload)
    expect(what + ": not a read of a loader: %r" % request[:40], b".efi\0octet\0" in request)
    accepted = bytes(got[4].p[UDP].payload)
    for o in (b"blksize", b"windowsize"):
        expect("%s: %s was asked for and not granted" % (what, o.decode()), o not in request or o in accepted)
    while rest and rest[0].word in ("DATA", "TACK"):
        rest = rest[1:]
    return rest


def ovmf_pxe(all_steps):
    got, rest = dora(all_steps)
    if not got:
        return expect("OVMF: no lease", False)
    discover, offer, request, ack = (s.p for s in got)
    expect("OVMF: architecture is not 7: %r" % raw(discover, 93), raw(discover, 93) == b"\0\7")
    for p, name in ((offer, "OFFER"), (ack, "ACK")):
        ours(p, "OVMF: " + name)
        expect("OVMF: %s echoes another GUID" % name, raw(p, 97) == raw(discover, 97))
        expect("OVMF: %s without next server" % name, p[BOOTP].siaddr == SERVICE)
        expect("OVMF: %s without a file: %r" % (name, raw(p, 67)), (raw(p, 67) or p[BOOTP].file).rstrip(b"\0").endswith(b".efi"))
        expect("OVMF: %s says PXEClient without 43.6, so it asks port 4011, too" % name, raw(p, 60) is None or (raw(p, 43) or b"")[:3] == b"\6\1\x08")
        expect("OVMF: %s overloads (52)" % name, raw(p, 52) is None)
    rest = tftp(rest, "OVMF")
    san(rest, "snponly.efi")


def ovmf_http(all_steps):
    got, rest = dora(all_steps)
    if not got:
        return expect("OVMF: no lease", False)
    discover, offer, request, ack = (s.p for s in got)
    expect("OVMF: architecture is not 16: %r" % raw(discover, 93), raw(discover, 93) == b"\0\x10")
    for p, name in ((offer, "OFFER"), (ack, "ACK")):
        ours(p, "OVMF: " + name)
        expect("OVMF: %s without HTTPClient (60): %r" % (name, raw(p, 60)), (raw(p, 60) or b"").startswith(b"HTTPClient"))
        expect("OVMF: %s without a URL (67): %r" % (name, raw(p, 67)), (raw(p, 67) or b"").startswith(b"http://10.9.0.2/"))
    words = [s.word for s in rest]
    expect("OVMF: it asked for nothing by HTTP: %s" % words[:8], "GET" in words or "HEAD" in words)
    expect("OVMF: not every answer by HTTP is 200: %s" % words, {w for w in words if w.startswith("HTTP-")} == {"HTTP-200"})
    others = set(words) - {"HEAD", "GET", "HTTP-200"}
    expect("OVMF: there was more: %s" % sorted(others), not others)


def main():
    client, path = sys.argv[1:]
    found = steps(path)
    words = [s.word for s in found]
    {"bios-ipxe": bios_ipxe, "ovmf-pxe": ovmf_pxe, "ovmf-http": ovmf_http}[client](found)
    expect("there was UDP 4011", not [w for w in words if w.endswith("-4011")])
    expect("there was a NAK", "NAK" not in words)
    if client == "bios-ipxe":
        expect("there was TFTP", not set(words) & {"RRQ", "OACK", "DATA"})
    for w in wrong:
        print("sequence of %s: %s" % (client, w))
    if wrong:
        print("what was said: " + " ".join(words))
    sys.exit(1 if wrong else 0)


main()
