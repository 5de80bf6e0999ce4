#!/bin/bash
# A front-end that begins a vhost-user message and never ends it: the switch can still be asked, the port removed, and the daemon ended.
. "$(dirname "$0")/../../tools/lib/lab.sh"
set -eu
lab_begin
echo "{\"ietf-interfaces:interfaces\":{\"interface\":[{\"name\":\"h\",\"type\":\"weir-interfaces:guest\",\"weir-interfaces:port\":{\"socket\":\"$LAB_T/h.sock\"}}]}}" >"$LAB_T/weir.json"
/usr/bin/python3 - "$LAB_T/h.sock" "$LAB_T/sent" <<'P' &
import socket, struct, sys, time
l = socket.socket(socket.AF_UNIX)
l.bind(sys.argv[1])
l.listen(1)
s, _ = l.accept()
s.send(struct.pack("<III", 5, 1, 48))  # SET_MEM_TABLE: 48 bytes promised, none sent
open(sys.argv[2], "w").close()
time.sleep(60)
P
LAB_PIDS+=($!)
for _ in $(seq 50); do [ -S "$LAB_T/h.sock" ] && break; sleep 0.1; done
lab_switch "$LAB_T/weir.json"
for _ in $(seq 100); do [ -e "$LAB_T/sent" ] && break; sleep 0.1; done
[ -e "$LAB_T/sent" ]
echo '{}' >"$LAB_T/weir.json"
timeout 10 "$weir" reload | grep -qx 'port h: remove'
for _ in $(seq 50); do grep -q 'does not close' "$LAB_T/switch.log" && break; sleep 0.1; done
timeout 5 "$weir" ping | grep -qx alive
grep -q 'some QEMU began a vhost-user message' "$LAB_T/switch.log"
kill -TERM "$LAB_SWITCHD"
for _ in $(seq 100); do kill -0 "$LAB_SWITCHD" 2>/dev/null || break; sleep 0.1; done
refute kill -0 "$LAB_SWITCHD" 2>/dev/null
