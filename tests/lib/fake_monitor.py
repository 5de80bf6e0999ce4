#!/usr/bin/python3
# Something that listens where QEMU's monitor should be. usage: fake_monitor.py SOCKET KIND; ends when it is killed.
# KIND: silent, garbage, endless (one line), deep, flood (of events, until 1,000 were taken), or words: what is told in that order, as
# "status:paused STOP RESET".
import json, os, socket, sys, threading, time

path, kind = sys.argv[1:3]
os.makedirs(os.path.dirname(path), exist_ok=True)
if os.path.exists(path):
    os.unlink(path)
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen(1)
greeting = b'{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}\r\n'


def event(name):
    data = {"data": {"status": name[10:]}} if name.startswith("MIGRATION:") else {}
    return json.dumps({"timestamp": {"seconds": 1, "microseconds": 0}, "event": name.split(":")[0], **data}).encode() + b"\r\n"


def status(s):
    return json.dumps({"return": {"status": s, "singlestep": False, "running": s == "running"}, "id": "status"}).encode() + b"\r\n"


def told(c, words):
    c.sendall(greeting)
    f, answered = c.makefile("rb"), False
    while not answered:
        line = f.readline()
        if not line:
            return
        asked = json.loads(line)
        if asked["execute"] != "query-status":
            c.sendall(json.dumps({"return": {}, "id": asked.get("id")}).encode() + b"\r\n")
            continue
        first = words[0][7:] if words and words[0].startswith("status:") else "running"
        c.sendall(status(first))
        answered = True
    for w in words:
        if not w.startswith("status:"):
            c.sendall(event(w))


def serve(c):
    try:
        if kind == "silent":
            time.sleep(1000)
        elif kind == "garbage":
            while True:
                c.sendall(os.urandom(4096) + b"\n{\"event\": \"SHUTDOWN\", \n\0\0\n[]\n")
                time.sleep(0.001)
        elif kind == "endless":
            while True:
                c.sendall(b"x" * 65536)
        elif kind == "deep":
            while True:
                c.sendall(b'{"a":' + b"[" * 100000 + b"\n")
        elif kind == "flood":
            told(c, [])
            for i in range(500):
                c.sendall(event("STOP") + event("RESUME"))
            print("taken", flush=True)
            time.sleep(1000)
        else:
            told(c, kind.split())
            time.sleep(1000)
    except OSError:
        pass
    c.close()


while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
