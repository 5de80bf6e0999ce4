#!/usr/bin/env python3
"""netconf_pipeline.py SHIM SOCKET: a client that sends 1,500 requests before it reads its first answer to the end, and then shuts down
its sending side. It gets every answer."""
import subprocess
import sys
import threading

N = 1500
MARK = b"]]>]]>"
BASE = b"urn:ietf:params:xml:ns:netconf:base:1.0"
HELLO = b'<hello xmlns="%s"><capabilities><capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>' % BASE
STATE = b'<netconf-state xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"/>'
GET = b'<rpc message-id="1" xmlns="%s"><get><filter type="subtree">%s</filter></get><!-- %s --></rpc>' % (BASE, STATE, b"x" * 1000)


def read(pipe, answers):
    left = b""
    while data := pipe.read1(65536):
        *whole, left = (left + data).split(MARK)
        answers.extend(b"<data" in message for message in whole)


shim = subprocess.Popen(sys.argv[1:3], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
answers = []
reader = threading.Thread(target=read, args=(shim.stdout, answers))
reader.start()
shim.stdin.write(HELLO + MARK + (GET + MARK) * N)
shim.stdin.close()
reader.join(100)
assert not reader.is_alive(), "the end did not come"
assert shim.wait(10) == 0, "weir-netconf failed"
assert answers == [False] + [True] * N, f"{len(answers) - 1} of {N} answers"
