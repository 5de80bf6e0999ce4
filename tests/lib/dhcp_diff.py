"""The same clients to Weir, dnsmasq and Kea, all told alike: what each answers, field by field and option by option. Where Weir differs, KNOWN says why; a
difference that is not listed fails, and so does one that is listed and does not occur.

usage: dhcp_diff.py ask DEVICE MAC KIND...           what a server answers them, as JSON on standard output
       dhcp_diff.py compare DIRECTORY [-v]           of DIRECTORY/{weir,dnsmasq,kea}.*.json"""
import fnmatch
import glob
import json
import os
import socket
import sys

from dhcp_client import KINDS, Client, options

NAMES = {1: "mask", 3: "router", 6: "dns", 12: "hostname", 15: "domain", 17: "root-path", 26: "mtu", 28: "broadcast", 43: "vendor", 51: "lease", 52: "overload", 53: "type",
         54: "server", 57: "max-size", 58: "T1", 59: "T2", 60: "class", 61: "client-id", 66: "tftp-server", 67: "bootfile", 93: "arch", 97: "guid", 119: "search", 121: "routes",
         125: "vendor-specific", 175: "ipxe", 203: "initiator", 81: "fqdn", 13: "size"}

# server, client, message, item: who is right, and why. "*" is any.
KNOWN = [
    ("*", "*", "*", "guid", "option 97 is echoed, as RFC 4578 section 2.3 demands; some firmware drops an offer without it. dnsmasq and Kea have no such thing"),
    ("dnsmasq", "*", "*", "broadcast", "the broadcast address follows from the mask; Weir saves the bytes, and Kea does so, too"),
    ("dnsmasq", "*-pxe", "*", "class", "PXEClient, nine bytes, is what clients compare; dnsmasq repeats the whole of what the client said"),
    ("dnsmasq", "*-pxe", "*", "bootfile", "the file stands in the header and in option 67: EDK2 and old ROMs read one of them each"),
    ("dnsmasq", "uefi-http", "*", "bootfile", "a URL stands in option 67, where it may be long (HTTP boot reads both)"),
    ("*", "uefi-http", "*", "file", "the same: the header's 128 bytes do not hold every URL"),
    ("*", "*-pxe", "*", "tftp-server", "option 66, for old ROMs and GRUB; a hint for all others"),
    ("*", "*-pxe", "*", "root-path", "firmware that cannot use a disk by iSCSI is not told of it; iPXE, which it loads, is"),
    ("kea", "*-pxe", "*", "vendor", "Kea leaves out the END of option 43, which ROMs want"),
    ("kea", "uefi-*", "*", "to", "the client asked for broadcast (RFC 2131 section 4.1), and so is answered by all; Kea's raw socket sends to the card"),
    ("kea", "bios-*", "*", "to", "the same"),
    ("dnsmasq", "ipxe-*", "*", "siaddr", "no next server without a file from it: iPXE takes one as a sign of PXE (S1)"),
    ("dnsmasq", "dhclient", "*", "siaddr", "an operating system has nothing to fetch; dnsmasq always names itself"),
    ("dnsmasq", "udhcpc", "*", "siaddr", "the same"),
    ("dnsmasq", "networkd", "*", "siaddr", "the same"),
    ("dnsmasq", "real-udhcpc", "ack", "siaddr", "the same"),
    ("*", "udhcpc", "*", "initiator", "the initiator's name is for the operating system, too, which has to log in by it again; few ask for option 203"),
    ("*", "dhclient", "*", "initiator", "the same"),
    ("*", "networkd", "*", "initiator", "the same"),
    ("*", "real-udhcpc", "ack", "opt203", "the same"),
    ("*", "real-dhclient", "ack", "new_unknown_203", "the same"),
    ("*", "networkd", "*", "root-path", "the root is told to everybody who may need it, asked or not: there is room"),
    ("*", "real-dhclient", "ack", "new_root_path", "the same"),
    ("dnsmasq", "dhclient", "offer", "hostname", "the offer has what the ACK has; dnsmasq leaves the name out when the client has told one"),
    ("dnsmasq", "networkd", "offer", "hostname", "the same"),
    ("kea", "networkd", "*", "short", "replies have 300 bytes at least, as BOOTP's relays and old clients want (RFC 1542 section 2.1)"),
]


def text(code, data):
    if code in (1, 3, 6, 28, 54) and len(data) % 4 == 0:
        return " ".join(socket.inet_ntoa(data[i:i + 4]) for i in range(0, len(data), 4))
    if code in (51, 58, 59):
        return str(int.from_bytes(data, "big"))
    if data and all(32 <= b < 127 for b in data.rstrip(b"\0")):
        return data.rstrip(b"\0").decode() + ("\\0" if data.endswith(b"\0") else "")
    return data.hex()


def shown(frame, body):
    """What is compared: addresses of frame and message, flags, files, options."""
    out = {NAMES.get(c, str(c)): text(c, d) for c, d in options(body).items() if c != 53}
    out["to"] = "broadcast" if frame[:6] == b"\xff" * 6 else "client"
    out["to-ip"] = socket.inet_ntoa(frame[30:34])
    for name, at in (("ciaddr", 12), ("yiaddr", 16), ("siaddr", 20), ("giaddr", 24)):
        out[name] = socket.inet_ntoa(body[at:at + 4])
    out["flags"] = body[10:12].hex()
    out["sname"] = body[44:108].rstrip(b"\0").decode("latin1")
    out["file"] = body[108:236].rstrip(b"\0").decode("latin1")
    out["short"] = str(len(body) < 300)
    return out


def ask(device, mac, kinds):
    client, out = Client(device, mac), {}
    for kind in kinds:
        got = client.ask(kind)
        out[kind] = {m: shown(*got[i]) for i, m in enumerate(("offer", "ack"))} if got else None
    json.dump(out, sys.stdout, indent=1, sort_keys=True)


def known(found):
    for i, k in enumerate(KNOWN):
        if all(fnmatch.fnmatchcase(a, b) for a, b in zip(found, k[:4])):
            return i
    return None


def compare(directory, verbose):
    servers = {}
    for path in sorted(glob.glob(directory + "/*.json")):
        server = os.path.basename(path).split(".")[0]
        servers.setdefault(server, {}).update(json.load(open(path)))
    ours, used, new, count = servers.pop("weir"), set(), 0, 0
    if set(servers) != {"dnsmasq", "kea"}:
        sys.exit("nothing to compare with: %s" % sorted(servers))
    for server, said in sorted(servers.items()):
        for kind in sorted(ours):
            if not ours[kind] or not said.get(kind):
                print("%s: %s got no answer of %s" % (kind, "it", "weir" if not ours[kind] else server))
                new += 1
                continue
            for message in ours[kind]:
                a, b = ours[kind][message], said[kind][message]
                for item in sorted(set(a) | set(b)):
                    count += 1
                    if a.get(item) == b.get(item):
                        continue
                    i = known((server, kind, message, item))
                    line = "%s %s %s: %s: weir %r, %s %r" % (server, kind, message, item, a.get(item), server, b.get(item))
                    if i is None:
                        new += 1
                        print("NEW   " + line)
                    else:
                        used.add(i)
                        if verbose:
                            print("known %s (%s)" % (line, KNOWN[i][4]))
    for i, k in enumerate(KNOWN):
        if i not in used:
            new += 1
            print("GONE  %s %s %s %s: listed, and there is no such difference" % k[:4])
    print("  %d clients, %d items compared with %s; %d kinds of difference, each listed with its reason" % (len(ours), count, " and ".join(sorted(servers)), len(used)))
    return new


if sys.argv[1] == "ask":
    ask(sys.argv[2], sys.argv[3], sys.argv[4:] or list(KINDS))
else:
    sys.exit(1 if compare(sys.argv[2], "-v" in sys.argv) else 0)
