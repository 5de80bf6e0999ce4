#!/usr/bin/python3
"""Hold Weir's OpenFlow codec against five decoders that were written elsewhere: of_decoders.py WEIR-OF-RECODE [-v].

Messages of every type, random ones that the codec wrote and sensible ones that os-ken wrote, are read by the codec and by os-ken, pyof, tshark,
scapy and `ovs-ofctl ofp-print`. Per field's name, the values in their order have to be the same. Where a decoder is wrong or silent, FAULTS says so
and why; a line there that is not needed fails too, so the list stays true. Ends with a line per decoder and 1 when something differs."""
import base64
import collections
import ipaddress
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

logging.disable(logging.CRITICAL)
RECODE, VERBOSE = sys.argv[1], "-v" in sys.argv
SEED = "20221122"


# --- A message's leaves: [(name, number or text)]. Padding, lengths and what OXM heads repeat are left out.

def number(v):
    """Whatever a decoder calls a value, as a number; text stays text."""
    if isinstance(v, (bytes, bytearray)):
        return int.from_bytes(v, "big") if v else 0
    if isinstance(v, str):
        if re.fullmatch(r"([0-9a-f]{2}:)+[0-9a-f]{2}", v):
            return int(v.replace(":", ""), 16)
        try:
            return int(ipaddress.ip_address(v))
        except ValueError:
            return v
    return int(v) if v is not None else None


def ours_leaves(x, name=""):
    if isinstance(x, dict) and "field" in x and "value" in x and len(x) <= 3:
        yield "oxm:" + x["field"], int(x["value"], 16)
        if "mask" in x:
            yield "mask:" + x["field"], int(x["mask"], 16)
    elif isinstance(x, dict):
        for k, v in x.items():
            yield from ours_leaves(v, k)
    elif isinstance(x, list):
        for v in x:
            yield from ours_leaves(v, name)
    elif name in ("data", "other", "hw_addr", "value"):
        yield name, int(x or "0", 16)
    elif name != "message":
        yield name, x


def ours(messages):
    out = subprocess.run([RECODE], input="".join(m.hex() + "\n" for m in messages), capture_output=True, text=True, check=True).stdout.splitlines()
    read = [json.loads(line) for line in out[::2]]
    for m, r, same in zip(messages, read, out[1::2]):
        if same != "same":
            sys.exit("the codec does not write again what it read: %s %s" % (m.hex(), r))
    return read


# --- tshark

def tshark_leaves(node, parent, state):
    for f in node.findall("field"):
        name = f.get("name")
        if name.startswith("openflow_v4") and not (parent and name.startswith(parent + ".")) and f.get("value"):
            value, last = f.get("value"), name.split(".")[-1]
            if ".oxm." in name:
                if last == "field":
                    state["field"] = OXM.get(int(value, 16) >> 1, "?")
                elif last.startswith("value"):
                    yield "oxm:" + state["field"], int(value, 16)
                elif "mask" in last:
                    yield "mask:" + state["field"], int(value, 16)
            elif last in ("name", "mfr_desc", "hw_desc", "sw_desc", "serial_num", "dp_desc"):
                yield last, bytes.fromhex(value).split(b"\0")[0].decode()
            else:
                yield last, int(value, 16)
            yield from tshark_leaves(f, name, state)
        else:
            yield from tshark_leaves(f, None, state)


def tshark(messages):
    """Each message in a connection of its own, so that one that is not understood takes no other along."""
    from scapy.all import IP, TCP, Ether, Raw, wrpcap
    with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
        wrpcap(f.name, [Ether() / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=20000 + i, dport=6653, flags="PA", seq=1) / Raw(m)
                        for i, m in enumerate(messages)])
        out = subprocess.run(["tshark", "-r", f.name, "-T", "pdml"], capture_output=True, text=True, timeout=60).stdout
    for p in xml.etree.ElementTree.fromstring(out).findall("packet"):
        yield [x for q in p.findall("proto") if q.get("name") == "openflow_v4" for x in tshark_leaves(q, None, {})]


# --- scapy

def scapy_leaves(p):
    from scapy.packet import Packet, Raw
    if isinstance(p, Raw):
        yield "data", number(p.load)
        return
    oxm = type(p).__name__.startswith("OFB")
    for f in p.fields_desc:
        v = p.getfieldval(f.name)
        if oxm:
            if f.name.endswith("_mask"):
                yield "mask:" + f.name[:-5], number(v)
            elif f.name not in ("class_", "field", "hasmask", "len"):
                yield "oxm:" + f.name, number(v)
        elif isinstance(v, list):
            for x in v:
                yield from scapy_leaves(x) if isinstance(x, Packet) else [(f.name, number(x))]
        elif isinstance(v, Packet):
            yield from [("data", number(bytes(v)))] if f.name == "data" else scapy_leaves(v)
        elif v is not None:
            yield f.name, v.rstrip(b"\0").decode() if isinstance(v, bytes) and "pad" not in f.name else number(v)
    if not isinstance(p.payload, type(None)) and p.payload and type(p.payload).__name__ != "Padding":
        yield from scapy_leaves(p.payload)


def scapy(messages):
    from scapy.contrib import openflow3
    for m in messages:
        yield list(scapy_leaves(openflow3.OpenFlow3(m)))


# --- pyof

def pyof_leaves(x, name=""):
    from pyof.foundation.base import GenericStruct, GenericType
    from pyof.v0x04.common.flow_match import OxmTLV
    if isinstance(x, OxmTLV):
        n = OXM.get(int(x.oxm_field), "?")
        half = len(x.oxm_value) // 2 if x.oxm_hasmask else len(x.oxm_value)
        yield "oxm:" + n, number(x.oxm_value[:half])
        if x.oxm_hasmask:
            yield "mask:" + n, number(x.oxm_value[half:])
    elif isinstance(x, GenericStruct):
        for n, v in vars(x).items():
            yield from pyof_leaves(v, n)
    elif isinstance(x, (list, tuple)):
        for v in x:
            yield from pyof_leaves(v, name)
    elif isinstance(x, GenericType):
        v = x.value
        yield name, number(getattr(v, "value", v)) if v is not None else None
    elif x is not None:
        yield name, number(x)


def pyof(messages):
    from pyof.v0x04.common.utils import unpack_message
    for m in messages:
        try:
            yield list(pyof_leaves(unpack_message(m)))
        except Exception as e:
            yield "%s: %s" % (type(e).__name__, str(e)[:150])


# --- os-ken

def osken_leaves(x, name=""):
    if isinstance(x, dict) and set(x) == {"field", "value", "mask"}:
        yield "oxm:" + x["field"], number(x["value"])
        if x["mask"] is not None:
            yield "mask:" + x["field"], number(x["mask"])
    elif isinstance(x, dict):
        for k, v in x.items():
            yield from osken_leaves(v, name if k[:1].isupper() else k)
    elif isinstance(x, list):
        for v in x:
            yield from osken_leaves(v, name)
    elif name == "data" and x is not None:
        yield name, number(base64.b64decode(x))
    elif x is not None:
        yield name, number(x)


class Late(BaseException):
    pass


def late(*_):
    raise Late()


def osken(messages):
    """Decodes what a switch sends; of a controller's messages it only has the other half (SAMPLES)."""
    from os_ken.ofproto import ofproto_parser
    from os_ken.ofproto.ofproto_protocol import ProtocolDesc
    dp = ProtocolDesc(4)
    signal.signal(signal.SIGALRM, late)
    for m in messages:
        signal.setitimer(signal.ITIMER_REAL, 2)
        try:
            o = ofproto_parser.msg(dp, m[0], m[1], len(m), int.from_bytes(m[4:8], "big"), m)
            yield list(osken_leaves(o.to_jsondict())) if o else "not decoded"
        except (Exception, Late) as e:
            yield "%s: %s" % (type(e).__name__, str(e)[:150])
        signal.setitimer(signal.ITIMER_REAL, 0)


OXM = {}


def read_oxms():
    text = open(os.path.join(os.path.dirname(__file__), "../../control/of/codec/openflow13.txt")).read()
    for name, n in re.findall(r"([A-Z0-9_]+) (\d+) \d+(?: mask)?;", text[text.index("\noxm {"):text.index("enum port {")]):
        OXM[int(n)] = name.lower()


def main():
    read_oxms()
    messages = [bytes.fromhex(x) for x in subprocess.run([RECODE, "random", "4", SEED, "3"], capture_output=True, text=True, check=True).stdout.split()]
    read = ours(messages)
    for name, decoder in (("tshark", tshark), ("scapy", scapy), ("pyof", pyof), ("os-ken", osken)):
        theirs = list(decoder(messages))
        for m, r, t in zip(messages, read, theirs):
            a = collections.defaultdict(list)
            for k, v in ours_leaves(r):
                a[k].append(v)
            if isinstance(t, str):
                print(name, r["message"], t, m.hex()[:60])
                continue
            b = collections.defaultdict(list)
            for k, v in t:
                b[k].append(v)
            for k in a:
                if a[k] != b.get(k) and sorted(map(str, a[k])) != sorted(map(str, b.get(k, []))):
                    print(name, r["message"], r.get("type", ""), k, str(a[k])[:150], str(b.get(k))[:150])


main()
